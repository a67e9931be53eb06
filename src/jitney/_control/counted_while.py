"""The ``counted_while`` primitive, and with it partial evaluation and reverse mode of ``while``.

    carry' = counted_while[body_jaxpr] n consts carry        the body, applied n times

Linearising a ``while`` leaves two loops.  The values need nothing but themselves: they run at once, in a ``while`` that
also counts its steps.  What is unknown (the tangents) depends on values of every step; the equation that is staged
for it takes the count, the consts and the *first* carry, and recomputes the values beside the tangents.  So what
is kept for later has a fixed size, whatever the number of steps.  As a condition cannot depend on tangents, the count
is all that remains of it.  If ``n`` has axes, they lead those of every carry, and each example has its own count.

Transposition is in ``reverse_while.py``.  Every rule here gives ``while`` and ``counted_while`` again, so that
derivatives of any order, in any mode, are made of the same two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitney._base import dtypes
from jitney._control.loop_bodies import (
    Flags,
    batch_body,
    chosen,
    jvp_body,
    pruned_body,
    scattered,
    silent,
    unknown_carries,
)
from jitney._control.reverse_while import transpose_counted
from jitney._control.while_loop import bind_while, masked_while_p, operand_parts, while_p, with_carries
from jitney._core.avals import shaped_array
from jitney._core.dce import dce_jaxpr
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, evaluate
from jitney._core.primitive import Primitive
from jitney._core.staging import StagingTrace, stage
from jitney._core.tangents import Zero, is_undefined
from jitney._core.trace import get_aval, under
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._transforms.batching import place_axis
from jitney._transforms.linearize import PartialTrace, split_jaxpr

counted_while_p = Primitive("counted_while", multiple_results=True, higher_order=True)


def bind_counted(count: Any, body: ClosedJaxpr, consts: Sequence[Any], init: Sequence[Any]) -> list[Any]:
    return counted_while_p.bind(count, *consts, *init, body_jaxpr=body, body_nconsts=len(consts))


def _parts(xs: Sequence[Any], nconsts: int) -> tuple[Any, list[Any], list[Any]]:
    return xs[0], list(xs[1 : 1 + nconsts]), list(xs[1 + nconsts :])


def _expand(count: Any, *args: Any, body_jaxpr: ClosedJaxpr, body_nconsts: int) -> list[Any]:
    """``while i < n``."""
    aval = get_aval(count)
    key = ("counted", body_nconsts, aval)
    if key not in body_jaxpr.cache:
        body_jaxpr.cache[key] = _count_programs(body_jaxpr, body_nconsts, aval.strip_weak_type())
    cond, body = body_jaxpr.cache[key]
    init = [raw.full(aval.shape, 0, aval.dtype), *args[body_nconsts:]]
    return bind_while(cond, body, [count], args[:body_nconsts], init)[1:]


def _count_programs(body: ClosedJaxpr, nconsts: int, count: Any) -> tuple[ClosedJaxpr, ClosedJaxpr]:
    one = count.dtype.type(1)

    def step(*args: Any) -> list[Any]:
        consts, i, carry = args[:nconsts], args[nconsts], args[nconsts + 1 :]
        return [ew.add(i, one), *evaluate(body.jaxpr, body.consts, *consts, *carry)]

    cond = stage(lambda n, i, *carry: [ew.lt(i, n)], [count, count, *body.out_avals])
    return cond, stage(step, [*body.in_avals[:nconsts], count, *body.out_avals])


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, body_jaxpr: ClosedJaxpr, body_nconsts: int
) -> tuple[list[Any], list[Any]]:
    count, consts, init = _parts(primals, body_nconsts)
    _, const_tangents, init_tangents = _parts(tangents, body_nconsts)
    has_tangent = tuple(type(t) is not Zero for t in const_tangents)
    body, carry = jvp_body(body_jaxpr, has_tangent, tuple(type(t) is not Zero for t in init_tangents))
    given = [raw.instantiate(t) for t in chosen(init_tangents, carry)]
    outs = bind_counted(count, body, consts + chosen(const_tangents, has_tangent), init + given)
    values = outs[: len(init)]
    return values, scattered(carry, outs[len(init) :], [Zero.of(y) for y in values])


def _batch(
    size: int,
    args: Sequence[Any],
    dims: Sequence[int | None],
    *,
    body_jaxpr: ClosedJaxpr,
    body_nconsts: int,
) -> tuple[list[Any], list[int | None]]:
    """With counts of their own all carries of the examples are batched."""
    count, consts, init = _parts(args, body_nconsts)
    count_dim, const_dims, init_dims = _parts(dims, body_nconsts)
    own = count_dim is not None
    place = 0 if own else get_aval(count).ndim
    body, carry = batch_body(
        body_jaxpr, size, tuple(const_dims), tuple(own or d is not None for d in init_dims), place
    )
    init = [place_axis(x, d, size, place) if b else x for x, d, b in zip(init, init_dims, carry, strict=True)]
    if own:
        count = raw.move_axis(count, count_dim, 0)
    outs = bind_counted(count, body, consts, init)
    return outs, [place if batched else None for batched in carry]


def _dce(eqn: JaxprEqn, used_outs: Sequence[bool]) -> JaxprEqn | None:
    if not any(used_outs) and not eqn.effects:
        return None
    body, consts, live = pruned_body(eqn.params["body_jaxpr"], eqn.params["body_nconsts"], tuple(used_outs))
    kept = (True, *consts, *live)
    return eqn.replace(
        invars=chosen(eqn.invars, kept),
        outvars=chosen(eqn.outvars, live),
        params={"body_jaxpr": body, "body_nconsts": sum(consts)},
    )


def _partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    body, nconsts = params["body_jaxpr"], params["body_nconsts"]
    count, consts, init = _parts(args, nconsts)
    unknown_consts = tuple(map(trace.unknown, consts))
    carry = unknown_carries(body, unknown_consts, tuple(map(trace.unknown, init)))
    if trace.unknown(count):
        return StagingTrace.process(trace, counted_while_p, tuple(args), params)
    known_body = _known_body(body, unknown_consts, carry)
    with under(trace.parent):
        known = bind_counted(
            count,
            known_body,
            [x for x, u in zip(consts, unknown_consts, strict=True) if not u],
            [x for x, u in zip(init, carry, strict=True) if not u],
        )
    return _stage(trace, count, body, consts, init, carry, known)


def _known_body(body: ClosedJaxpr, unknown_consts: Flags, carry: Flags) -> ClosedJaxpr:
    """The step of the known carries, which depends on known consts and known carries only."""
    split = split_jaxpr(body, (*unknown_consts, *carry))
    known_outs = [u for u, out in zip(carry, split.unknown_out, strict=True) if not out]
    wanted = [not u for u in known_outs] + [False] * split.residual_count
    return dce_jaxpr(split.known, wanted, keep_inputs=True)[0]


def _stage(
    trace: PartialTrace,
    count: Any,
    body: ClosedJaxpr,
    consts: Sequence[Any],
    init: Sequence[Any],
    unknown: Flags,
    known: Sequence[Any],
) -> list[Any]:
    """Stage the unknown carries beside the known ones that they need; all results, unknown and known."""
    if not any(unknown):
        return list(known)
    body, used_consts, live = pruned_body(silent(body), len(consts), unknown)
    operands = [count, *chosen(consts, used_consts), *chosen(init, live)]
    params = {"body_jaxpr": body, "body_nconsts": sum(used_consts)}
    staged = trace.record(counted_while_p, [trace.atom(x) for x in operands], params)
    outs = scattered(live, staged, [None] * len(live))
    return scattered([not u for u in unknown], known, outs)


counted_while_p.abstract = lambda *avals, body_jaxpr, body_nconsts: body_jaxpr.out_avals
counted_while_p.expand = _expand
counted_while_p.jvp = _jvp
counted_while_p.batch = _batch
counted_while_p.dce = _dce
counted_while_p.partial_eval = _partial_eval
counted_while_p.transpose = transpose_counted


# -- the rules of ``while`` that count ----------------------------------------------------------------


def _partial_eval_while(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """Run the known carries now, counting; stage the others.  All is staged if the condition is unknown."""
    cond_consts, consts, init = operand_parts(args, params)
    body = params["body_jaxpr"]
    unknown_consts = tuple(map(trace.unknown, consts))
    carry = unknown_carries(body, unknown_consts, tuple(map(trace.unknown, init)))
    if _reads(params["cond_jaxpr"], (*map(trace.unknown, cond_consts), *carry)):
        primitive = masked_while_p if params["cond_jaxpr"].out_avals[0].ndim else while_p
        return StagingTrace.process(trace, primitive, tuple(args), params)
    with under(trace.parent):
        count, known = _run_known(
            params["cond_jaxpr"], body, cond_consts, consts, init, unknown_consts, carry
        )
    return _stage(trace, count, body, consts, init, carry, known)


def _reads(cond: ClosedJaxpr, flags: Sequence[bool]) -> bool:
    """Whether the condition depends on an input whose flag is set."""
    return any(used and flag for used, flag in zip(dce_jaxpr(cond, (True,))[1], flags, strict=True))


def _run_known(
    cond: ClosedJaxpr,
    body: ClosedJaxpr,
    cond_consts: Sequence[Any],
    consts: Sequence[Any],
    init: Sequence[Any],
    unknown_consts: Flags,
    carry: Flags,
) -> tuple[Any, list[Any]]:
    """How many steps the loop takes, and the last values of the known carries."""
    key = ("count", cond, unknown_consts, carry)
    if key not in body.cache:
        body.cache[key] = _known_programs(cond, len(cond_consts), body, unknown_consts, carry)
    known_cond, known_body = body.cache[key]
    aval = known_body.out_avals[-1]
    known_consts = [x for x, u in zip(consts, unknown_consts, strict=True) if not u]
    known_init = [x for x, u in zip(init, carry, strict=True) if not u]
    outs = bind_while(
        known_cond,
        known_body,
        [x if not is_undefined(x) else None for x in cond_consts],
        known_consts,
        [*known_init, raw.full(aval.shape, 0, aval.dtype)],
    )
    return outs[-1], outs[:-1]


def _known_programs(
    cond: ClosedJaxpr, ncond: int, body: ClosedJaxpr, unknown_consts: Flags, carry: Flags
) -> tuple[ClosedJaxpr, ClosedJaxpr]:
    """Condition and body of the known carries and, at the end, the count."""
    program = _known_body(body, unknown_consts, carry)
    count = shaped_array(cond.out_avals[0].shape, dtypes.default_dtype("i"))
    one = count.dtype.type(1)

    def step(*args: Any) -> list[Any]:
        return [*evaluate(program.jaxpr, program.consts, *args[:-1]), ew.add(args[-1], one)]

    needed = dce_jaxpr(cond, (True,), keep_inputs=True)[0]
    kept = (*[True] * ncond, *(not u for u in carry))
    known_cond = needed.replace(jaxpr=needed.jaxpr.replace(invars=chosen(needed.jaxpr.invars, kept)))
    return with_carries(known_cond, (count,)), stage(step, [*program.in_avals, count])


def _transpose_while(cts: Sequence[Any], *args: Any, **params: Any) -> list[Any]:
    """Count the steps, then as ``counted_while``."""
    cond_consts, consts, init = operand_parts(args, params)
    body = params["body_jaxpr"]
    linear_consts = tuple(map(is_undefined, consts))
    carry = unknown_carries(body, linear_consts, tuple(map(is_undefined, init)))
    if _reads(params["cond_jaxpr"], (*map(is_undefined, cond_consts), *carry)):
        raise ValueError(
            "Reverse-mode differentiation of while_loop: the function to be transposed is not linear, because the "
            "condition of the loop depends on its argument."
        )
    count, _ = _run_known(params["cond_jaxpr"], body, cond_consts, consts, init, linear_consts, carry)
    found = transpose_counted(cts, count, *consts, *init, body_jaxpr=body, body_nconsts=len(consts))
    return [None] * len(cond_consts) + list(found[1:])


for _primitive in (while_p, masked_while_p):
    _primitive.partial_eval = _partial_eval_while
    _primitive.transpose = _transpose_while
