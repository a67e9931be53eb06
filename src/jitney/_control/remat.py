"""``remat2``: a call that keeps little for the backward pass, which computes the rest again (``checkpoint``).

Linearised, it is its forward computation, of which the values that the policy names are kept, and a second
``remat2`` (``differentiated=True``) of those, the inputs and the tangents: the recomputation and the linear part.
Its operands pass an ``optimization_barrier`` where it is compiled, so that the compiler does not find the values
of the forward computation again and keep them after all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._control.jit import jit_p
from jitney._core.dce import dce_jaxpr
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, evaluate
from jitney._core.primitive import Primitive
from jitney._core.staging import StagingTrace, stage
from jitney._core.tangents import Zero, is_undefined
from jitney._core.trace import Trace, swap_trace
from jitney._ops.barriers import optimization_barrier_p
from jitney._transforms.batching import batch_jaxpr
from jitney._transforms.jvp import jvp_jaxpr
from jitney._transforms.linearize import PartialTrace, SplitJaxpr, split_jaxpr
from jitney._transforms.transpose import transpose_jaxpr

remat_p = Primitive("remat2", multiple_results=True, higher_order=True)

Policy = Callable[..., Any]


def _bind(args: Sequence[Any], program: ClosedJaxpr, params: dict[str, Any]) -> list[Any]:
    return remat_p.bind(*args, **{**params, "jaxpr": program})


def _impl(*args: Any, jaxpr: ClosedJaxpr, **_: Any) -> list[Any]:
    return evaluate(jaxpr.jaxpr, jaxpr.consts, *args)


def _expand(*args: Any, jaxpr: ClosedJaxpr, prevent_cse: Any, differentiated: bool, policy: Any) -> list[Any]:
    if differentiated and prevent_cse:
        apart = [True] * len(args) if prevent_cse is True else list(prevent_cse)
        marked = [x for x, wanted in zip(args, apart, strict=False) if wanted]
        found = iter(optimization_barrier_p.bind(*marked))
        count = len(apart)
        args = (
            *[next(found) if wanted else x for x, wanted in zip(args, apart, strict=False)],
            *args[count:],
        )
    return evaluate(jaxpr.jaxpr, jaxpr.consts, *args)


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list, list]:
    program, nonzero_out = jvp_jaxpr(params["jaxpr"], tuple(type(t) is not Zero for t in tangents))
    outs = _bind([*primals, *[t for t in tangents if type(t) is not Zero]], program, params)
    count = len(nonzero_out)
    found = iter(outs[count:])
    return outs[:count], [
        next(found) if nz else Zero.of(y) for nz, y in zip(nonzero_out, outs[:count], strict=True)
    ]


def _transpose(cts: Sequence[Any], *args: Any, **params: Any) -> list[Any]:
    linear = tuple(map(is_undefined, args))
    program, nonzero_out = transpose_jaxpr(params["jaxpr"], linear, tuple(type(ct) is not Zero for ct in cts))
    known = [x for x, is_linear in zip(args, linear, strict=True) if not is_linear]
    given = [*known, *[ct for ct in cts if type(ct) is not Zero]]
    outs = iter(_bind(given, program, {**params, "differentiated": True}))
    found = iter(nonzero_out)
    return [next(outs) if is_linear and next(found) else None for is_linear in linear]


def _batch(size: int, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> tuple[list, list]:
    program, out_dims = batch_jaxpr(params["jaxpr"], size, tuple(dims))
    return _bind(args, program, params), list(out_dims)


def _dce(eqn: JaxprEqn, used_outs: list[bool]) -> JaxprEqn | None:
    program, used_ins = dce_jaxpr(eqn.params["jaxpr"], used_outs)
    if not any(used_outs) and not program.effects:
        return None
    return eqn.replace(
        invars=[v for v, used in zip(eqn.invars, used_ins, strict=True) if used],
        outvars=[v for v, used in zip(eqn.outvars, used_outs, strict=True) if used],
        params={**eqn.params, "jaxpr": program},
    )


# -- what is kept ---------------------------------------------------------------------------------------


class _InliningTrace(StagingTrace):
    """Records the bodies of ``jit`` calls, so that a policy sees what is inside."""

    __slots__ = ()

    def process(self, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        if primitive is jit_p:
            return evaluate(params["jaxpr"].jaxpr, params["jaxpr"].consts, *args)
        return super().process(primitive, args, params)


def _inlined(closed: ClosedJaxpr) -> ClosedJaxpr:
    if not any(eqn.primitive is jit_p for eqn in closed.eqns):
        return closed
    trace = _InliningTrace(closed.jaxpr.debug_info)
    args = [trace.new_input(aval) for aval in closed.in_avals]
    before: Trace | None = swap_trace(trace)
    try:
        return trace.close(evaluate(closed.jaxpr, closed.consts, *args))
    finally:
        swap_trace(before)


class Plan:
    """A program split in forward computation and recomputation.

    ``forward``: known inputs -> known outputs, then kept values; ``again``: kept values, then known inputs ->
    the residuals of the linear part.
    """

    __slots__ = ("again", "forward", "known_outs")

    def __init__(self, forward: ClosedJaxpr, again: ClosedJaxpr, known_outs: int) -> None:
        self.forward = forward
        self.again = again
        self.known_outs = known_outs


def _plan(split: SplitJaxpr, policy: Policy | None) -> Plan:
    known = _inlined(split.known)
    jaxpr = known.jaxpr
    count = len(jaxpr.outvars) - split.residual_count
    wanted: set[Var] = {v for v in jaxpr.outvars[count:] if type(v) is not Literal}
    kept: list[Var] = []
    again: list[JaxprEqn] = []
    for eqn in reversed(jaxpr.eqns):
        needed = [v for v in eqn.outvars if v in wanted]
        if not needed:
            continue
        if policy is not None and is_saved(policy, eqn):
            kept += needed
        else:
            again.append(eqn)
            wanted.update(v for v in eqn.invars if type(v) is not Literal)
    kept.reverse()
    again.reverse()
    forward = ClosedJaxpr(jaxpr.replace(outvars=[*jaxpr.outvars[:count], *kept]), known.consts)
    recompute = Jaxpr(jaxpr.constvars, [*kept, *jaxpr.invars], jaxpr.outvars[count:], again)
    live, _ = dce_jaxpr(forward, [True] * len(forward.jaxpr.outvars), keep_inputs=True)
    return Plan(live, ClosedJaxpr(recompute, known.consts), count)


def is_saved(policy: Policy, eqn: JaxprEqn) -> bool:
    """Whether a policy keeps the results of an equation; what it wants moved elsewhere is kept as well."""
    answer = policy(eqn.primitive, *[v.aval for v in eqn.invars], **eqn.params)
    return bool(answer)


def _linear_program(split: SplitJaxpr, plan: Plan, unknown_in: tuple[bool, ...]) -> ClosedJaxpr:
    """Kept values, known inputs and tangents -> the unknown outputs."""
    again, unknown = plan.again, split.unknown
    tangents = len(unknown.in_avals) - split.residual_count

    def fun(*args: Any) -> list[Any]:
        given = args[: len(args) - tangents]
        residuals = evaluate(again.jaxpr, again.consts, *given)
        return evaluate(unknown.jaxpr, unknown.consts, *residuals, *args[len(given) :])

    return stage(fun, [*again.in_avals, *unknown.in_avals[split.residual_count :]])


def _partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """Compute the known outputs and the kept values now; stage the rest as a call that recomputes."""
    jaxpr: ClosedJaxpr = params["jaxpr"]
    unknown_in = tuple(map(trace.unknown, args))
    key = ("remat", unknown_in, params["policy"])
    if key not in jaxpr.cache:
        split = split_jaxpr(jaxpr, unknown_in)
        plan = _plan(split, params["policy"])
        jaxpr.cache[key] = split, plan, _linear_program(split, plan, unknown_in)
    split, plan, linear = jaxpr.cache[key]
    known_args = [x for x, u in zip(args, unknown_in, strict=True) if not u]
    before = swap_trace(trace.parent)
    try:
        outs = evaluate(plan.forward.jaxpr, plan.forward.consts, *known_args)
    finally:
        swap_trace(before)
    known = iter(outs[: plan.known_outs])
    unknown: Any = iter(())
    if any(split.unknown_out):
        program, used = dce_jaxpr(linear, [True] * sum(split.unknown_out))
        operands = [*outs[plan.known_outs :], *known_args]
        operands += [x for x, u in zip(args, unknown_in, strict=True) if u]
        invars = [trace.atom(x) for x, is_used in zip(operands, used, strict=True) if is_used]
        unknown = iter(trace.record(remat_p, invars, {**params, "jaxpr": program, "differentiated": True}))
    return [next(unknown) if u else next(known) for u in split.unknown_out]


remat_p.abstract = lambda *avals, jaxpr, **_: jaxpr.out_avals
remat_p.impl = _impl
remat_p.expand = _expand
remat_p.jvp = _jvp
remat_p.partial_eval = _partial_eval
remat_p.transpose = _transpose
remat_p.batch = _batch
remat_p.dce = _dce
