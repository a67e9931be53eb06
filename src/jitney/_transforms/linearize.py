"""Linearisation and partial evaluation: compute what is known now, stage what depends on unknown inputs.

``linearize_flat`` is the jvp of a function with *staged* tangents: primal values are computed at once by
the trace around, and what happens to tangents becomes a linear jaxpr that closes over the residuals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._core.avals import float0, tangent_aval
from jitney._core.jaxpr import ClosedJaxpr, evaluate
from jitney._core.staging import StagedTracer, StagingTrace, hoist_tracers
from jitney._core.tangents import Zero
from jitney._core.trace import Trace, current_trace, get_aval, swap_trace
from jitney._transforms.jvp import jvp_flat


class PartialTrace(StagingTrace):
    """Stages equations that depend on its own (unknown) inputs; hands all others to ``parent``."""

    __slots__ = ("parent",)

    def __init__(self, parent: Trace | None) -> None:
        super().__init__()
        self.parent = parent

    def unknown(self, x: Any) -> bool:
        return type(x) is StagedTracer and x._trace is self

    def process(self, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        for x in args:
            if type(x) is StagedTracer and x._trace is self:
                break
        else:
            before = swap_trace(self.parent)
            try:
                return primitive.bind(*args, **params)
            finally:
                swap_trace(before)
        if primitive.higher_order and not all(map(self.unknown, args)):
            return primitive.partial_eval(self, args, params)
        return super().process(primitive, args, params)


def linearize_flat(
    fun: Callable[..., Sequence[Any]], primals: Sequence[Any], aux_count: Callable[[], int] = lambda: 0
) -> tuple[list[Any], LinearMap]:
    """Outputs of flat ``fun`` at ``primals`` and the linear map of its tangents.

    The last ``aux_count()`` outputs (asked after the call) are no outputs of the linear map.
    """
    partial = PartialTrace(current_trace())
    tangent_avals = [tangent_aval(get_aval(x)) for x in primals]
    tangents = [Zero(a) if a.dtype == float0 else partial.new_input(a) for a in tangent_avals]
    outs, out_tangents = jvp_flat(fun, primals, tangents, parent=partial)
    out_tangents = out_tangents[: len(outs) - aux_count()]
    zero_out = [t if type(t) is Zero else None for t in out_tangents]
    closed = partial.close([t for t in out_tangents if type(t) is not Zero])
    zero_in = [t if type(t) is Zero else None for t in tangents]
    return outs, LinearMap(closed, zero_in, zero_out)


class LinearMap:
    """A linear jaxpr between the nonzero tangents of a function's inputs and outputs."""

    __slots__ = ("closed", "zero_in", "zero_out")

    def __init__(self, closed: ClosedJaxpr, zero_in: list[Zero | None], zero_out: list[Zero | None]) -> None:
        self.closed = closed
        self.zero_in = zero_in
        self.zero_out = zero_out

    def apply(self, tangents: Sequence[Any]) -> list[Any]:
        """Output tangents (``Zero`` where they are zero)."""
        given = [t for t, zero in zip(tangents, self.zero_in, strict=True) if zero is None]
        outs = iter(evaluate(self.closed.jaxpr, self.closed.consts, *given))
        return [next(outs) if zero is None else zero for zero in self.zero_out]

    def transpose(self, cts: Sequence[Any]) -> list[Any]:
        """Input cotangents (``Zero`` where they are zero)."""
        from jitney._transforms.transpose import backward_pass

        given = [ct for ct, zero in zip(cts, self.zero_out, strict=True) if zero is None]
        jaxpr = self.closed.jaxpr
        found = iter(backward_pass(jaxpr, self.closed.consts, [True] * len(jaxpr.invars), (), given))
        return [next(found) if zero is None else zero for zero in self.zero_in]


class SplitJaxpr:
    """A program split in a known part and a part that needs the unknown inputs."""

    __slots__ = ("known", "residual_count", "unknown", "unknown_out")

    def __init__(
        self, known: ClosedJaxpr, unknown: ClosedJaxpr, unknown_out: list[bool], residual_count: int
    ) -> None:
        self.known = known  # known inputs -> known outputs, then residuals
        self.unknown = unknown  # residuals, then unknown inputs -> unknown outputs
        self.unknown_out = unknown_out
        self.residual_count = residual_count


def split_jaxpr(closed: ClosedJaxpr, unknown_in: tuple[bool, ...]) -> SplitJaxpr:
    """Partial evaluation of a program: run it with its unknown inputs staged apart."""
    key = ("split", unknown_in)
    if key in closed.cache:
        return closed.cache[key]
    outer = StagingTrace(closed.jaxpr.debug_info)
    partial = PartialTrace(outer)
    args = [
        (partial if unknown else outer).new_input(aval)
        for unknown, aval in zip(unknown_in, closed.in_avals, strict=True)
    ]
    before = swap_trace(partial)
    try:
        outs = evaluate(closed.jaxpr, closed.consts, *args)
    finally:
        swap_trace(before)
    unknown_out = [partial.unknown(y) for y in outs]
    unknown, residuals = hoist_tracers(
        partial.close([y for y, u in zip(outs, unknown_out, strict=True) if u])
    )
    known = outer.close([y for y, u in zip(outs, unknown_out, strict=True) if not u] + residuals)
    result = SplitJaxpr(known, unknown, unknown_out, len(residuals))
    closed.cache[key] = result
    return result
