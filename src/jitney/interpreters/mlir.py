"""``jitney.interpreters.mlir``: how a primitive is compiled, as a body of other primitives.

The compiler of jitney does not make MLIR; what a library registers here is a Python function, run on traced values::

    mlir.register_lowering(p, mlir.lower_fun(fun, multiple_results=False))
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import as_arrays as _as_arrays
from jitney._api.calls import expose as _expose
from jitney._api.unsupported import stand_in as _stand_in
from jitney._core.primitive import Primitive
from jitney._core.staging import stage as _stage
from jitney._core.trace import get_aval

LoweringRule = Callable[..., Sequence[Any]]


@dataclasses.dataclass(frozen=True)
class LoweringRuleContext:
    """What a lowering rule is about: the primitive and the types of its operands and results."""

    primitive: Primitive
    avals_in: Sequence[Any]
    avals_out: Sequence[Any] | None

    def replace(self, **changes: Any) -> LoweringRuleContext:
        """A copy with some fields replaced."""
        return dataclasses.replace(self, **changes)


class EffectTypeSet:
    """A set of classes of effects."""

    def __init__(self) -> None:
        self.types: set[type] = set()

    def add_type(self, effect_type: type) -> None:
        """Add a class, its subclasses included."""
        self.types.add(effect_type)

    def contains(self, effect: Any) -> bool:
        """True if ``effect`` is of one of the classes."""
        return isinstance(effect, tuple(self.types))

    def filter_in(self, effects: Any) -> list[Any]:
        """The effects that are in the set."""
        return [e for e in effects if self.contains(e)]

    def filter_not_in(self, effects: Any) -> list[Any]:
        """The effects that are not in the set."""
        return [e for e in effects if not self.contains(e)]


lowerable_effects = EffectTypeSet()


def lower_fun(fun: Callable[..., Any], multiple_results: bool = True) -> LoweringRule:
    """A lowering rule that runs ``fun(*args, **params)``; it returns a list if ``multiple_results``.

    ``fun`` is written in jitney's functions (or binds primitives) and is traced.
    """

    def rule(ctx: LoweringRuleContext, *args: Any, **params: Any) -> list[Any]:
        out = fun(*args, **params)
        return list(out) if multiple_results else [out]

    return rule


def register_lowering(
    prim: Primitive,
    rule: LoweringRule,
    platform: str | None = None,
    inline: bool = True,
    cacheable: bool = True,
) -> None:
    """Define ``prim`` by ``rule(ctx, *args, **params) -> [results]``, most often one of ``lower_fun``.

    The body defines the primitive everywhere: its type if it has no ``def_abstract_eval``, its value, its
    derivatives and batching where it has no rules of its own, and its compiled form. Rules for platforms other
    than ``"cpu"`` are not used.

    Raises ``ValueError`` if the primitive has a native form; a ``TypeError`` is raised at use if the body's
    results are not of the types that ``def_abstract_eval`` states.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> from jitney.extend.core import Primitive
        >>> from jitney.interpreters import mlir
        >>> softsign_p = Primitive("softsign")
        >>> softsign_p.def_abstract_eval(lambda x: x) and None
        >>> mlir.register_lowering(softsign_p, mlir.lower_fun(lambda x: x / (1 + abs(x)), multiple_results=False))
        >>> jitney.jit(jitney.vmap(jitney.grad(softsign_p.bind)))(jnp.arange(3.0))
        Array([1.        , 0.25      , 0.11111111], dtype=float64)
    """
    if platform not in (None, "cpu"):
        return
    if prim.lower is not None or prim.numpy is not None:
        raise ValueError(f"{prim} has a native form, which cannot be replaced")
    stated = prim.abstract is not None

    def run(args: Sequence[Any], params: dict[str, Any], check: bool) -> list[Any]:
        avals_in = [get_aval(x) for x in args]
        avals_out = _stated_types(prim, avals_in, params) if check else None
        outs = _as_arrays(rule(LoweringRuleContext(prim, avals_in, avals_out), *args, **params))
        if avals_out is not None:
            _check_results(prim, outs, avals_out)
        return outs

    def abstract(*avals: Any, **params: Any) -> Any:
        out = _stage(lambda *xs: run(xs, params, False), avals).out_avals
        return out if prim.multiple_results else out[0]

    def expand(*args: Any, **params: Any) -> Any:
        outs = run(args, params, prim.abstract is not abstract)
        return outs if prim.multiple_results else outs[0]

    if not stated or getattr(prim.abstract, "of_body", False):
        abstract.of_body = True  # type: ignore[attr-defined]
        prim.abstract = abstract
    prim.expand = expand
    prim.native = None


def _stated_types(prim: Primitive, avals: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    assert prim.abstract is not None
    out = prim.abstract(*avals, **params)
    return list(out) if prim.multiple_results else [out]


def _check_results(prim: Primitive, outs: Sequence[Any], wanted: Sequence[Any]) -> None:
    if len(outs) != len(wanted):
        raise TypeError(
            f"{prim}: the body gives {len(outs)} results, its abstract evaluation states {len(wanted)}"
        )
    for number, (x, aval) in enumerate(zip(outs, wanted, strict=True)):
        got = get_aval(x)
        if got.shape != aval.shape or got.dtype != aval.dtype:
            raise TypeError(
                f"{prim}: result {number} of the body is of type {got.str_short()}, its abstract evaluation states "
                f"{aval.str_short()}"
            )


def __getattr__(name: str) -> Any:
    return _stand_in("interpreters.mlir", name)


__all__ = [
    "EffectTypeSet",
    "LoweringRule",
    "LoweringRuleContext",
    "lower_fun",
    "lowerable_effects",
    "register_lowering",
]

_expose(globals())
