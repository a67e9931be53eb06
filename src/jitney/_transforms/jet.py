"""Taylor mode: every value travels with the coefficients of its power series along a curve.

Primitives of ``series.py`` have rules of their own.  Any other one is differentiated by its jvp rule: along the curve
``y' = J(x) x'``, and running the rule on series of one order less gives all coefficients of ``y'``, hence those of ``y``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jitney._base import dtypes
from jitney._base.config import config
from jitney._core.jaxpr import ClosedJaxpr, evaluate
from jitney._core.primitive import Primitive
from jitney._core.staging import stage
from jitney._core.tangents import Zero
from jitney._core.trace import Trace, Tracer, current_trace, get_aval, swap_trace
from jitney._ops import raw
from jitney._transforms.series import RULES, Series, coefficient, is_constant, scale

Flags = tuple[bool, ...]

# Calls whose functions are run under the trace itself.
INLINED: set[Primitive] = set()


class JetTracer(Tracer):
    """A value with the higher coefficients of its series, which are computed when they are asked for."""

    __slots__ = ("_find", "_terms", "primal")

    def __init__(self, trace: JetTrace, primal: Any, terms: Series | Callable[[], Series]) -> None:
        self._trace = trace
        self.primal = primal
        self._terms: Series = [] if callable(terms) else terms
        self._find: Callable[[], Series] | None = terms if callable(terms) else None
        self.aval = get_aval(primal)

    @property
    def terms(self) -> Series:
        if self._find is not None:
            self._terms, self._find = self._find(), None
        return self._terms

    def concrete(self) -> Any | None:
        return self.primal.concrete() if isinstance(self.primal, Tracer) else self.primal

    def origin(self) -> str:
        return self.primal.origin() if isinstance(self.primal, Tracer) else ""

    def arguments(self) -> list[str]:
        return self.primal.arguments() if isinstance(self.primal, Tracer) else []


class Known(NamedTuple):
    """An operation whose value was computed already."""

    primitive: Primitive
    args: Sequence[Any]
    params: dict[str, Any]
    out: Any

    def is_of(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> bool:
        return (
            primitive is self.primitive
            and len(args) == len(self.args)
            and all(x is y for x, y in zip(args, self.args, strict=True))
            and params == self.params
        )


class JetTrace(Trace):
    """Propagates series up to ``order``; ``parent`` interprets what the rules compute."""

    __slots__ = ("known", "order", "parent")

    def __init__(self, parent: Trace | None, order: int, known: Known | None = None) -> None:
        self.parent = parent
        self.order = order
        self.known = known

    def process(self, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        if not any(map(self.owns, args)):
            return self.value(primitive, args, params)
        if primitive in INLINED:
            return primitive.impl(*args, **params)
        rule = RULES.get(primitive)
        if rule is None and primitive.jvp is not None:
            return self.by_jvp(primitive, args, params)
        series = [self.series(x) for x in args]
        if all(map(is_constant, series)):
            return self.value(primitive, [u[0] for u in series], params)
        if rule is None:
            if primitive.expand is not None:
                return primitive.expand(*args, **params)
            raise primitive.undifferentiable()
        before = swap_trace(self.parent)
        try:
            out = rule(*series, **params)
            found = [_fitted(v) for v in (out if primitive.multiple_results else [out])]
        finally:
            swap_trace(before)
        outs = [self.pair(v[0], v[1:]) for v in found]
        return outs if primitive.multiple_results else outs[0]

    def owns(self, x: Any) -> bool:
        return type(x) is JetTracer and x._trace is self

    def value(self, primitive: Any, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """The primitive of values without series."""
        if self.known is not None and self.known.is_of(primitive, args, params):
            return self.known.out
        before = swap_trace(self.parent)
        try:
            return primitive.bind(*args, **params)
        finally:
            swap_trace(before)

    def by_jvp(self, primitive: Any, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """The value now, its coefficients by the jvp rule if anybody needs them."""
        out = self.value(primitive, [x.primal if self.owns(x) else x for x in args], params)
        outs = out if primitive.multiple_results else [out]
        found: list[Series] = []

        def terms(number: int) -> Series:
            if not found:
                found.extend(self.integrated(primitive, args, params, out))
            return found[number]

        made = [
            JetTracer(self, y, lambda n=n: terms(n)) if dtypes.is_inexact(get_aval(y).dtype) else y
            for n, y in enumerate(outs)
        ]
        return made if primitive.multiple_results else made[0]

    def integrated(
        self, primitive: Any, args: Sequence[Any], params: dict[str, Any], out: Any
    ) -> list[Series]:
        """The higher coefficients of all outputs, from those of their derivatives along the curve."""
        series = [self.series(x) for x in args]
        outs = out if primitive.multiple_results else [out]
        nothing: list[Series] = [[None] * self.order for _ in outs]
        if all(map(is_constant, series)):
            return nothing
        lower = JetTrace(self.parent, self.order - 1, Known(primitive, [u[0] for u in series], params, out))
        before = swap_trace(self.parent)
        try:
            tangents = [lower.derivative(u) for u in series]
            swap_trace(lower)
            _, found = primitive.jvp([lower.pair(u[0], u[1:-1]) for u in series], tangents, **params)
            swap_trace(self.parent)
            slopes = [lower.series(t) for t in (found if primitive.multiple_results else [found])]
            return [
                zeros if type(d[0]) is Zero else [scale(c, 1 / k) for k, c in enumerate(d, 1)]
                for zeros, d in zip(nothing, slopes, strict=True)
            ]
        finally:
            swap_trace(before)

    def derivative(self, u: Series) -> Any:
        """``u'`` as a value of this trace, whose order is one less than that of ``u``."""
        if is_constant(u):
            return Zero.of(u[0])
        first, *rest = [scale(c, k) for k, c in enumerate(u[1:], 1)]
        return self.pair(coefficient([u[0], first], 1), rest)

    def series(self, x: Any) -> Series:
        return [x.primal, *x.terms] if self.owns(x) else [x] + [None] * self.order

    def pair(self, primal: Any, terms: Series) -> Any:
        if all(c is None for c in terms) or not dtypes.is_inexact(get_aval(primal).dtype):
            return primal
        return JetTracer(self, primal, terms)


def _fitted(v: Series) -> Series:
    """Coefficients broadcast to the shape of the value."""
    shape = get_aval(v[0]).shape
    return [c if c is None else raw.broadcast_to_same_rank(c, shape) for c in v]


def jet_flat(
    fun: Callable[..., Sequence[Any]], series: Sequence[Series], order: int
) -> tuple[list[Any], list[Series]]:
    """Outputs of flat ``fun`` and their higher coefficients (None where zero)."""
    caller = current_trace()
    trace = JetTrace(caller, order)
    swap_trace(trace)
    try:
        outs = fun(*[trace.pair(u[0], u[1:]) for u in series])
    finally:
        swap_trace(caller)
    found = [trace.series(y) for y in outs]
    return [v[0] for v in found], [v[1:] for v in found]


# -- programs -------------------------------------------------------------------------------------------


def jet_program(
    closed: ClosedJaxpr, order: int, active: Flags, force: Flags | None = None
) -> tuple[ClosedJaxpr, Flags]:
    """The program of values and of coefficients, and which outputs have some (all of ``force``).

    It takes all values, then ``order`` coefficients of each active input, and returns the same of the outputs.
    """
    key = ("jet", order, active, force, config.safe_grad)
    if key not in closed.cache:
        active_out: Flags = ()

        def fun(*args: Any) -> list[Any]:
            nonlocal active_out
            series = joined(args[: len(active)], args[len(active) :], active, order)
            run = lambda *xs: evaluate(closed.jaxpr, closed.consts, *xs)  # noqa: E731
            outs, terms = jet_flat(run, series, order)
            forced = force or (False,) * len(outs)
            found = [[y, *cs] for y, cs in zip(outs, terms, strict=True)]
            active_out = tuple(f or not is_constant(v) for f, v in zip(forced, found, strict=True))
            return outs + flattened(found, active_out)

        avals = closed.in_avals
        terms = [
            a.to_tangent_aval() for a, own in zip(avals, active, strict=True) if own for _ in range(order)
        ]
        closed.cache[key] = stage(fun, [*avals, *terms], closed.jaxpr.debug_info), active_out
    return closed.cache[key]


def joined(values: Sequence[Any], terms: Sequence[Any], active: Sequence[bool], order: int) -> list[Series]:
    """Series of values and of the coefficients of the active ones, one after the other."""
    given = iter(terms)
    return [
        [x, *([next(given) for _ in range(order)] if own else [None] * order)]
        for x, own in zip(values, active, strict=True)
    ]


def flattened(series: Sequence[Series], active: Sequence[bool]) -> list[Any]:
    """The higher coefficients of the active series, one after the other."""
    return [coefficient(u, k) for u, own in zip(series, active, strict=True) if own for k in range(1, len(u))]
