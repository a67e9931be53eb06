"""The jaxpr: a typed, first-order program in single-assignment form, as plain data.

Grammar::

    jaxpr  ::= { lambda constvars ; invars . let eqn* in (atom*) }
    eqn    ::= outvar* = primitive[params] atom*
    atom   ::= var | literal

``printer.py`` writes it as text, ``checker.py`` proves it well formed, ``evaluate`` below runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from jitney import _ext
from jitney._base import sources
from jitney._base.config import config
from jitney._core.avals import ShapedArray

current_trace = _ext.current_trace


class Var:
    """A name for the result of one equation (or an input)."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    def __repr__(self) -> str:
        return f"Var(id={id(self)}):{self.aval.str_short()}"


class DropVar(Var):
    """An output of an equation that nobody reads; prints as ``_``."""

    __slots__ = ()


class Literal:
    """A scalar constant inside the program; ``val`` is a Python or NumPy scalar."""

    __slots__ = ("aval", "val")

    def __init__(self, val: Any, aval: ShapedArray) -> None:
        self.val = val
        self.aval = aval

    def __repr__(self) -> str:
        return f"Literal({self.val}:{self.aval.str_short()})"


Atom = Var | Literal


class JaxprEqn:
    """``outvars = primitive[params] invars``; ``source`` is where the user wrote it."""

    __slots__ = ("invars", "outvars", "params", "primitive", "source")

    def __init__(
        self,
        primitive: Any,
        invars: Sequence[Atom],
        outvars: Sequence[Var],
        params: dict[str, Any],
        source: Any = None,
    ) -> None:
        self.primitive = primitive
        self.invars = invars
        self.outvars = outvars
        self.params = params
        self.source = source

    def replace(self, **changes: Any) -> JaxprEqn:
        """A copy with some of ``primitive``, ``invars``, ``outvars``, ``params``, ``source_info`` replaced.

        Effects follow from the primitive and its params.
        """
        if "source_info" in changes:
            changes["source"] = changes.pop("source_info")
        fields = {name: changes.get(name, getattr(self, name)) for name in JaxprEqn.__slots__}
        return JaxprEqn(**fields)

    @property
    def source_info(self) -> Any:
        return self.source

    @property
    def ctx(self) -> None:
        """Settings that the equation was made under; programs do not depend on any."""
        return None

    @property
    def effects(self) -> frozenset:
        """What the operation does besides computing, the programs in its params included."""
        own = self.primitive.effects
        found: frozenset = frozenset() if own is None else own(self.params)
        if self.primitive.effectful_abstract is not None:
            found |= self.primitive.abstract_eval(*[a.aval for a in self.invars], **self.params)[1]
        for inner in subjaxprs(self.params):
            found |= inner.effects
        return found

    def __reduce__(self) -> tuple:
        where = sources.resolve(self.source)
        params = {name: _sent(x, self) for name, x in self.params.items()}
        return JaxprEqn, (self.primitive, self.invars, self.outvars, params, where)

    def __repr__(self) -> str:
        from jitney._core.printer import print_eqn

        return print_eqn(self)


def _sent(param: Any, eqn: JaxprEqn) -> Any:
    """A param for another process: rules of ``custom_jvp`` and its kin, which are bound to one call, stay here."""
    local = type(param) is FunctionType and "<locals>" in param.__qualname__
    return _Stayed(str(eqn.params.get("name", eqn.primitive))) if local else param


class _Stayed:
    """In a program from another process, the rule of a function that has one of its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError(
            f"The rule of {self.name} stayed in the process that made this program: transform the function there, or send the "
            "function in place of its program."
        )


class Named:
    """In a program from another process, or that outlives it, the function that it was traced from."""

    def __init__(self, name: str) -> None:
        self.__name__ = name


class Jaxpr:
    """A program; ``constvars`` are inputs that the tracer found closed over.

    Its effects are those of its equations: ``effects`` is taken for JAX's signature, not kept.
    """

    __slots__ = ("__weakref__", "_effects", "constvars", "debug_info", "eqns", "invars", "outvars")

    def __init__(
        self,
        constvars: Sequence[Var],
        invars: Sequence[Var],
        outvars: Sequence[Atom],
        eqns: Sequence[JaxprEqn],
        effects: Any = None,
        debug_info: Any = None,
    ) -> None:
        self.constvars = list(constvars)
        self.invars = list(invars)
        self.outvars = list(outvars)
        self.eqns = list(eqns)
        self.debug_info = debug_info
        self._effects: frozenset | None = None

    @property
    def effects(self) -> frozenset:
        """All effects of the equations."""
        if self._effects is None:
            self._effects = frozenset().union(*(e.effects for e in self.eqns))
        return self._effects

    @property
    def in_avals(self) -> list[ShapedArray]:
        return [v.aval for v in self.invars]

    @property
    def out_avals(self) -> list[ShapedArray]:
        return [v.aval for v in self.outvars]

    def replace(self, **changes: Any) -> Jaxpr:
        names = ("constvars", "invars", "outvars", "eqns", "debug_info")
        return Jaxpr(**{name: changes.get(name, getattr(self, name)) for name in names})

    def __reduce__(self) -> tuple:
        parts = self.constvars, self.invars, self.outvars, self.eqns
        info = self.debug_info
        if info is not None:
            info = type(info)(info.kind, Named(info.func_name), info.arg_names, info.result_paths)
        return Jaxpr, (*parts, None, info)

    def __str__(self) -> str:
        from jitney._core.printer import print_jaxpr

        return print_jaxpr(self)

    __repr__ = __str__

    def pretty_print(self, **_: Any) -> str:
        return str(self)


class ClosedJaxpr:
    """A jaxpr together with the values of its ``constvars``."""

    __slots__ = ("__weakref__", "cache", "consts", "jaxpr")

    def __init__(self, jaxpr: Jaxpr, consts: Sequence[Any] = ()) -> None:
        assert len(consts) == len(jaxpr.constvars), "one value per constvar"
        self.jaxpr = jaxpr
        self.consts = list(consts)
        # Derived programs (jvp, batched, compiled), so that they die with the program itself.
        self.cache: dict[Any, Any] = {}

    @property
    def in_avals(self) -> list[ShapedArray]:
        return self.jaxpr.in_avals

    @property
    def out_avals(self) -> list[ShapedArray]:
        return self.jaxpr.out_avals

    @property
    def literals(self) -> list[Any]:
        return self.consts

    @property
    def eqns(self) -> list[JaxprEqn]:
        return self.jaxpr.eqns

    @property
    def constvars(self) -> list[Var]:
        return self.jaxpr.constvars

    @property
    def invars(self) -> list[Var]:
        return self.jaxpr.invars

    @property
    def outvars(self) -> list[Atom]:
        return self.jaxpr.outvars

    @property
    def debug_info(self) -> Any:
        return self.jaxpr.debug_info

    def map_jaxpr(self, f: Callable[[Jaxpr], Jaxpr]) -> ClosedJaxpr:
        """The same values with ``f`` of the program."""
        return ClosedJaxpr(f(self.jaxpr), self.consts)

    @property
    def effects(self) -> frozenset:
        return self.jaxpr.effects

    def replace(self, *, jaxpr: Jaxpr | None = None, consts: Sequence[Any] | None = None) -> ClosedJaxpr:
        return ClosedJaxpr(jaxpr or self.jaxpr, self.consts if consts is None else consts)

    def __reduce__(self) -> tuple:
        return ClosedJaxpr, (self.jaxpr, self.consts)

    def __str__(self) -> str:
        return str(self.jaxpr)

    __repr__ = __str__

    def pretty_print(self, **_: Any) -> str:
        return str(self)


def evaluate(jaxpr: Jaxpr, consts: Sequence[Any], *args: Any) -> list[Any]:
    """Run ``jaxpr`` equation by equation through ``bind`` (under whatever trace is current).

    What a trace records on the way keeps the source of the equation that it comes from.
    """
    if current_trace() is None and not config.guards:
        return _evaluate(jaxpr, consts, args, False)
    before = sources.swap_here(None)
    try:
        return _evaluate(jaxpr, consts, args, True)
    finally:
        sources.swap_here(before)


def _evaluate(jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any], traced: bool) -> list[Any]:
    env: dict[Var, Any] = {}
    env.update(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))
    read = lambda atom: atom.val if type(atom) is Literal else env[atom]  # noqa: E731
    last_use = last_uses(jaxpr)
    for number, eqn in enumerate(jaxpr.eqns):
        if traced:
            sources.current.source = eqn.source
        out = eqn.primitive.bind(*map(read, eqn.invars), **eqn.params)
        if eqn.primitive.multiple_results:
            env.update(zip(eqn.outvars, out, strict=True))
        else:
            env[eqn.outvars[0]] = out
        for var in last_use.get(number, ()):
            env.pop(var, None)
    return [read(atom) for atom in jaxpr.outvars]


def last_uses(jaxpr: Jaxpr) -> dict[int, list[Var]]:
    """Equation number -> variables that are read there for the last time."""
    seen: set[Var] = {v for v in jaxpr.outvars if type(v) is not Literal}
    last: dict[int, list[Var]] = {}
    for number in range(len(jaxpr.eqns) - 1, -1, -1):
        for atom in jaxpr.eqns[number].invars:
            if type(atom) is not Literal and atom not in seen:
                seen.add(atom)
                last.setdefault(number, []).append(atom)
    return last


def subjaxprs(params: dict[str, Any]) -> list[ClosedJaxpr | Jaxpr]:
    """The programs that an equation's params carry."""
    found: list[ClosedJaxpr | Jaxpr] = []
    for value in params.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(item, (Jaxpr, ClosedJaxpr)):
                found.append(item)
    return found
