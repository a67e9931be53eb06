"""The ``while`` primitive: repeat a body while a condition holds.

Operands are ``(*cond_consts, *body_consts, *init)``; ``cond_jaxpr`` maps ``(cond_consts, carry)`` to a boolean and
``body_jaxpr`` maps ``(body_consts, carry)`` to the next carry.

A condition whose value has axes (``vmap`` makes such) is a mask over the leading axes of every carry: the loop runs
while it holds for any example, and the others keep their carry.  That is a primitive of its own with the same
name; where ``vmap`` made it, a further parameter ``lanes`` has the programs of one example, so that a compiler may
run each by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from jitney import _ext
from jitney._control.jit import executable
from jitney._control.loop_bodies import (
    batch_body,
    chosen,
    either,
    jvp_body,
    place_outputs,
    pruned_body,
    scattered,
)
from jitney._core import axes
from jitney._core.dce import dce_jaxpr
from jitney._core.effects import guard_effect
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, Var, evaluate
from jitney._core.primitive import Primitive
from jitney._core.staging import stage
from jitney._core.tangents import Zero
from jitney._core.trace import ArrayImpl, get_aval, to_numpy
from jitney._ops import raw
from jitney._ops.reductions import reduce_or
from jitney._transforms.batching import batch_jaxpr, place_axis

while_p = Primitive("while", multiple_results=True, higher_order=True)  # the one that is found by this name
masked_while_p = Primitive("while", multiple_results=True, higher_order=True)

Dims = tuple[int | None, ...]


class Lanes(NamedTuple):
    """One example's programs of a batched loop, and where the operands have the batch axis (0 or None)."""

    size: int
    cond_jaxpr: ClosedJaxpr
    body_jaxpr: ClosedJaxpr
    cond_dims: Dims
    body_dims: Dims
    init_dims: Dims


def bind_while(
    cond: ClosedJaxpr,
    body: ClosedJaxpr,
    cond_consts: Sequence[Any],
    body_consts: Sequence[Any],
    init: Sequence[Any],
    lanes: Lanes | None = None,
) -> list[Any]:
    """Apply the primitive that fits the condition."""
    params: dict[str, Any] = {
        "cond_nconsts": len(cond_consts),
        "cond_jaxpr": cond,
        "body_nconsts": len(body_consts),
        "body_jaxpr": body,
    }
    if lanes is not None:
        params["lanes"] = lanes
    primitive = masked_while_p if cond.out_avals[0].ndim else while_p
    return primitive.bind(*cond_consts, *body_consts, *init, **params)


def operand_parts(xs: Sequence[Any], params: dict[str, Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """What stands for the condition's consts, the body's consts and the carry."""
    first = params["cond_nconsts"]
    second = first + params["body_nconsts"]
    return list(xs[:first]), list(xs[first:second]), list(xs[second:])


def mask_where(mask: Any, new: Any, old: Any) -> Any:
    """``new`` for the examples in ``mask``, whose axes lead those of the values; else ``old``."""
    shape, lead = get_aval(new).shape, get_aval(mask).ndim
    return raw.select(raw.broadcast_in_dim(mask, shape, range(lead)), new, old)


# -- evaluation ---------------------------------------------------------------------------------------

_EAGER_SECONDS = 1.5e-3  # a loop that takes longer is worth compiling


def _abstract(*avals: Any, body_jaxpr: ClosedJaxpr, **_: Any) -> list[Any]:
    return body_jaxpr.out_avals


def _impl(*args: Any, **params: Any) -> list[Any]:
    """Step by step at first; a loop that goes on gets compiled, once, and continues from where it is."""
    cond_consts, body_consts, carry = operand_parts(args, params)
    cond, body = params["cond_jaxpr"], params["body_jaxpr"]
    key = ("while", cond, params["cond_nconsts"])
    if key not in body.cache:
        compilable = all(getattr(e, "compilable", True) for e in cond.effects | body.effects)
        deadline = perf_counter() + (_EAGER_SECONDS if compilable else inf)
        while evaluate(cond.jaxpr, cond.consts, *cond_consts, *carry)[0]:
            if perf_counter() > deadline:
                break
            carry = evaluate(body.jaxpr, body.consts, *body_consts, *carry)
        else:
            return [_as_array(x, aval) for x, aval in zip(carry, body.out_avals, strict=True)]
        body.cache[key] = _one_equation(args, params)
    return executable(body.cache[key]).execute([*cond_consts, *body_consts, *carry])


def _as_array(x: Any, aval: Any) -> Any:
    if type(x) is ArrayImpl and x.aval == aval:
        return x
    return _ext.wrap(np.asarray(to_numpy(x)), aval.weak_type)


def _one_equation(args: Sequence[Any], params: dict[str, Any]) -> ClosedJaxpr:
    """The loop as a program."""
    carry = params["body_jaxpr"].out_avals
    consts = [get_aval(x) for x in args[: len(args) - len(carry)]]
    return stage(lambda *xs: while_p.bind(*xs, **params), [*consts, *carry])


def _numpy(*args: Any, **params: Any) -> list[Any]:
    """The meaning for compiled code that has no native form of the carry (complex numbers, say)."""
    cond_consts, body_consts, carry = operand_parts([np.array(x) for x in args], params)
    cond, body = executable(params["cond_jaxpr"]), executable(params["body_jaxpr"])
    while cond.execute([*cond_consts, *carry])[0]:
        carry = body.execute([*body_consts, *carry])
    return carry


def _expand_masked(*args: Any, lanes: Lanes | None = None, **params: Any) -> list[Any]:
    """A loop while the condition holds for any example, whose body selects; each example's programs go along."""
    cond_consts, body_consts, init = operand_parts(args, params)
    cond, body = params["cond_jaxpr"], params["body_jaxpr"]
    key = ("masked", cond, len(cond_consts))
    if key not in body.cache:
        body.cache[key] = _mask_programs(cond, body, len(cond_consts), len(body_consts))
    any_of, step = body.cache[key]
    if lanes is not None:
        lanes = lanes._replace(
            body_jaxpr=_with_leading(lanes.body_jaxpr, lanes.cond_jaxpr.in_avals[: len(cond_consts)]),
            body_dims=(*lanes.cond_dims, *lanes.body_dims),
        )
    return bind_while(any_of, step, cond_consts, cond_consts + body_consts, init, lanes)


def _mask_programs(
    cond: ClosedJaxpr, body: ClosedJaxpr, ncond: int, nbody: int
) -> tuple[ClosedJaxpr, ClosedJaxpr]:
    """``(cond_consts, carry) -> bool[]`` and ``(cond_consts, body_consts, carry) -> carry``."""
    carry = body.out_avals

    def any_of(*args: Any) -> list[Any]:
        (mask,) = evaluate(cond.jaxpr, cond.consts, *args)
        return [reduce_or(mask, range(get_aval(mask).ndim))]

    def step(*args: Any) -> list[Any]:
        consts, old = args[: ncond + nbody], args[ncond + nbody :]
        (mask,) = evaluate(cond.jaxpr, cond.consts, *consts[:ncond], *old)
        new = evaluate(body.jaxpr, body.consts, *consts[ncond:], *old)
        return [mask_where(mask, x, y) for x, y in zip(new, old, strict=True)]

    consts = cond.in_avals[:ncond]
    return stage(any_of, [*consts, *carry]), stage(step, [*consts, *body.in_avals[:nbody], *carry])


def _with_leading(program: ClosedJaxpr, avals: Sequence[Any]) -> ClosedJaxpr:
    """The program with more inputs ahead of its own, which it does not read."""
    key = ("with_leading", tuple(avals))
    if key not in program.cache:
        invars = [*map(Var, avals), *program.jaxpr.invars]
        program.cache[key] = program.replace(jaxpr=program.jaxpr.replace(invars=invars))
    return program.cache[key]


# -- derivatives --------------------------------------------------------------------------------------


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
    """A loop over carries with their tangents; the condition sees the values only."""
    cond_consts, consts, init = operand_parts(primals, params)
    _, const_tangents, init_tangents = operand_parts(tangents, params)
    has_tangent = tuple(type(t) is not Zero for t in const_tangents)
    body, carry = jvp_body(
        params["body_jaxpr"], has_tangent, tuple(type(t) is not Zero for t in init_tangents)
    )
    given = [raw.instantiate(t) for t in chosen(init_tangents, carry)]
    cond = with_carries(params["cond_jaxpr"], body.out_avals[len(init) :])
    outs = bind_while(cond, body, cond_consts, consts + chosen(const_tangents, has_tangent), init + given)
    values = outs[: len(init)]
    return values, scattered(carry, outs[len(init) :], [Zero.of(y) for y in values])


def with_carries(cond: ClosedJaxpr, avals: Sequence[Any]) -> ClosedJaxpr:
    """The condition of a loop with more carries, which it does not read."""
    key = ("with_carries", tuple(avals))
    if key not in cond.cache:
        invars = [*cond.jaxpr.invars, *map(Var, avals)]
        cond.cache[key] = cond.replace(jaxpr=cond.jaxpr.replace(invars=invars))
    return cond.cache[key]


# -- batching -----------------------------------------------------------------------------------------


def _batch(
    size: int, args: Sequence[Any], dims: Sequence[int | None], **params: Any
) -> tuple[list[Any], list[int | None]]:
    """If examples may stop at different steps the predicate becomes a mask and all carries are batched."""
    cond, body = params["cond_jaxpr"], params["body_jaxpr"]
    cond_consts, consts, init = operand_parts(args, params)
    cond_dims, const_dims, init_dims = operand_parts(dims, params)
    cond_consts, consts = _front(cond_consts, cond_dims), _front(consts, const_dims)
    cond_dims, const_dims = (tuple(None if d is None else 0 for d in ds) for ds in (cond_dims, const_dims))
    rank = cond.out_avals[0].ndim
    carry = tuple(d is not None for d in init_dims)
    new_body, carry = batch_body(body, size, const_dims, carry, rank)
    place, lanes = rank, None
    # Collectives read the values of finished examples too: these are no loops side by side, but one that selects.
    coupled = bool(axes.used(cond) or axes.used(body))
    new_cond, masked = _batch_cond(cond, size, cond_dims, carry, rank)
    if masked and guard_effect in cond.effects | body.effects:
        from jitney._control.guards import batch_guarded

        return batch_guarded(while_p, size, args, dims, params)
    if masked:
        place = 0
        new_body, carry = batch_body(body, size, const_dims, (True,) * len(init), 0)
        new_cond, _ = _batch_cond(cond, size, cond_dims, carry, 0)
        if rank == 0 and not coupled:
            lanes = Lanes(size, cond, body, cond_dims, const_dims, (0,) * len(init))
    init = [place_axis(x, d, size, place) if b else x for x, d, b in zip(init, init_dims, carry, strict=True)]
    if masked and coupled:
        new = {**params, "cond_jaxpr": new_cond, "body_jaxpr": new_body}
        outs = _expand_masked(*cond_consts, *consts, *init, **new)
    else:
        outs = bind_while(new_cond, new_body, cond_consts, consts, init, lanes)
    return outs, [place if batched else None for batched in carry]


def _front(xs: Sequence[Any], dims: Sequence[int | None]) -> list[Any]:
    return [x if d is None else raw.move_axis(x, d, 0) for x, d in zip(xs, dims, strict=True)]


def _batch_cond(
    cond: ClosedJaxpr, size: int, const_dims: Dims, carry: Sequence[bool], place: int
) -> tuple[ClosedJaxpr, bool]:
    """The condition over a batch, and whether the examples have predicates of their own (along axis 0)."""
    dims = (*const_dims, *(place if batched else None for batched in carry))
    program, (found,) = batch_jaxpr(cond, size, dims)
    return (program, False) if found is None else (place_outputs(program, size, (found,), (0,)), True)


# -- dead code ----------------------------------------------------------------------------------------


def _dce(eqn: JaxprEqn, used_outs: Sequence[bool]) -> JaxprEqn | None:
    """Without the carries that neither the used results, nor the condition, nor live carries need."""
    if not any(used_outs) and not eqn.effects:
        return None
    params = eqn.params
    first = params["cond_nconsts"]
    needed = dce_jaxpr(params["cond_jaxpr"], (True,))[1][first:]
    body, consts, live = pruned_body(params["body_jaxpr"], params["body_nconsts"], either(needed, used_outs))
    cond, cond_ins = dce_jaxpr(params["cond_jaxpr"], (True,), (*[False] * first, *live))
    kept = (*cond_ins[:first], *consts, *live)
    if all(kept):
        return eqn
    new: dict[str, Any] = {
        "cond_nconsts": sum(cond_ins[:first]),
        "cond_jaxpr": cond,
        "body_nconsts": sum(consts),
        "body_jaxpr": body,
    }
    lanes = _prune_lanes(params.get("lanes"), cond_ins[:first], consts, live)
    if lanes is not None:
        new["lanes"] = lanes
    return eqn.replace(
        invars=chosen(eqn.invars, kept),
        outvars=chosen(eqn.outvars, live),
        params=new,
    )


def _prune_lanes(
    lanes: Lanes | None, cond_consts: Sequence[bool], consts: Sequence[bool], live: Sequence[bool]
) -> Lanes | None:
    """The same operands less in one example's programs, if these need no others."""
    if lanes is None:
        return None
    cond, cond_ins = dce_jaxpr(lanes.cond_jaxpr, (True,), (*cond_consts, *live))
    body, body_ins = dce_jaxpr(lanes.body_jaxpr, live, (*consts, *live))
    if (*cond_ins, *body_ins) != (*cond_consts, *live, *consts, *live):
        return None
    dims = zip(lanes[3:], (cond_consts, consts, live), strict=True)
    return Lanes(lanes.size, cond, body, *(tuple(chosen(ds, kept)) for ds, kept in dims))


for _primitive in (while_p, masked_while_p):
    _primitive.abstract = _abstract
    _primitive.jvp = _jvp
    _primitive.batch = _batch
    _primitive.dce = _dce
    _primitive.print_params = lambda eqn: {
        name: eqn.params[name] for name in ("body_jaxpr", "body_nconsts", "cond_jaxpr", "cond_nconsts")
    }
while_p.impl = _impl
while_p.numpy = _numpy
masked_while_p.expand = _expand_masked
