"""Effects: what an operation does besides computing its results.

The ``effects`` slot of a primitive gives those of one equation; ``Jaxpr.effects`` collects them.  Equations with effects
are never dropped, shared or moved, and keep their order: compiled programs run one after the other in one
thread, so that unordered effects happen in program order as well.  Transformations tell the two kinds apart.
"""

from __future__ import annotations


class Effect:
    """One kind of effect; ``ordered`` ones must not be duplicated or interleaved by ``vmap``.

    Those that are not ``compilable`` happen in eager code only.
    """

    __slots__ = ("compilable", "name", "ordered")

    def __init__(self, name: str, ordered: bool = False, compilable: bool = True) -> None:
        self.name = name
        self.ordered = ordered
        self.compilable = compilable

    def __repr__(self) -> str:
        return self.name


class DebugEffect(Effect):
    """The effect of prints and debugging callbacks."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("Debug")


class OrderedDebugEffect(Effect):
    """The effect of prints and debugging callbacks that keep their order."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("OrderedDebug", ordered=True)


debug_effect = DebugEffect()
ordered_debug_effect = OrderedDebugEffect()
io_effect = Effect("IO")
ordered_io_effect = Effect("OrderedIO", ordered=True)
guard_effect = Effect("Guard")  # of the checks that the engine adds while a switch asks for them
