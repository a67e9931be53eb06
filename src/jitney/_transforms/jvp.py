"""Forward-mode derivatives: every value travels with its tangent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._base.config import config
from jitney._core.jaxpr import ClosedJaxpr, evaluate
from jitney._core.staging import stage
from jitney._core.tangents import Zero
from jitney._core.trace import Trace, Tracer, current_trace, get_aval, swap_trace


class JVPTracer(Tracer):
    """A primal value with its tangent."""

    __slots__ = ("primal", "tangent")

    def __init__(self, trace: JVPTrace, primal: Any, tangent: Any) -> None:
        self._trace = trace
        self.primal = primal
        self.tangent = tangent
        self.aval = get_aval(primal)

    def concrete(self) -> Any | None:
        return self.primal.concrete() if isinstance(self.primal, Tracer) else self.primal

    def origin(self) -> str:
        return self.primal.origin() if isinstance(self.primal, Tracer) else ""

    def arguments(self) -> list[str]:
        return self.primal.arguments() if isinstance(self.primal, Tracer) else []

    def __repr__(self) -> str:
        return f"GradTracer<{self.aval.str_short()}>(value={self.primal!r})"


class JVPTrace(Trace):
    """Applies jvp rules; ``parent`` interprets what the rules compute."""

    __slots__ = ("parent",)

    def __init__(self, parent: Trace | None) -> None:
        self.parent = parent

    def process(self, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        primals, tangents, active = [], [], False
        for x in args:
            if type(x) is JVPTracer and x._trace is self:
                primals.append(x.primal)
                tangents.append(x.tangent)
                active = active or type(x.tangent) is not Zero
            else:
                primals.append(x)
                tangents.append(Zero.of(x))
        if active and primitive.jvp is None:
            if primitive.expand is not None:  # the derivative of its body
                return primitive.expand(*args, **params)
            raise primitive.undifferentiable()
        before = swap_trace(self.parent)
        try:
            if not active:
                return primitive.bind(*primals, **params)
            out, out_tangent = primitive.jvp(primals, tangents, **params)
        finally:
            swap_trace(before)
        if primitive.multiple_results:
            return [self.pair(y, t) for y, t in zip(out, out_tangent, strict=True)]
        return self.pair(out, out_tangent)

    def pair(self, primal: Any, tangent: Any) -> Any:
        return primal if type(tangent) is Zero else JVPTracer(self, primal, tangent)


def jvp_flat(
    fun: Callable[..., Sequence[Any]], primals: Sequence[Any], tangents: Sequence[Any], parent: Any = ...
) -> tuple[list[Any], list[Any]]:
    """Outputs of flat ``fun`` and their tangents (``Zero`` where they are zero)."""
    caller = current_trace()
    trace = JVPTrace(caller if parent is ... else parent)
    swap_trace(trace)
    try:
        outs = fun(*[trace.pair(x, t) for x, t in zip(primals, tangents, strict=True)])
    finally:
        swap_trace(caller)
    mine = [type(y) is JVPTracer and y._trace is trace for y in outs]
    values = [y.primal if own else y for y, own in zip(outs, mine, strict=True)]
    out_tangents = [y.tangent if own else Zero.of(y) for y, own in zip(outs, mine, strict=True)]
    return values, out_tangents


def jvp_jaxpr(closed: ClosedJaxpr, nonzero: tuple[bool, ...]) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """The program that maps inputs and the nonzero tangents to outputs and their nonzero tangents."""
    key = ("jvp", nonzero, config.safe_grad)
    if key in closed.cache:
        return closed.cache[key]
    nonzero_out: tuple[bool, ...] = ()

    def fun(*args: Any) -> list[Any]:
        nonlocal nonzero_out
        primals, given = args[: len(nonzero)], iter(args[len(nonzero) :])
        tangents = [next(given) if nz else Zero.of(x) for nz, x in zip(nonzero, primals, strict=True)]
        run = lambda *xs: evaluate(closed.jaxpr, closed.consts, *xs)  # noqa: E731
        outs, out_tangents = jvp_flat(run, primals, tangents)
        nonzero_out = tuple(type(t) is not Zero for t in out_tangents)
        return outs + [t for t in out_tangents if type(t) is not Zero]

    in_avals = closed.in_avals
    tangent_avals = [a.to_tangent_aval() for a, nz in zip(in_avals, nonzero, strict=True) if nz]
    result = stage(fun, in_avals + tangent_avals, closed.jaxpr.debug_info), nonzero_out
    closed.cache[key] = result
    return result
