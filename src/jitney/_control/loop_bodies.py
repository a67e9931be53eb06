"""Derived bodies of loops with a carry: each rule needs a body whose carry keeps its form from step to step.

A body maps ``(consts, carry)`` to the next carry.  A property of the initial carry (it has a tangent, it is
unknown, it has a batch axis, somebody needs it) spreads through the body to other components, whence to the
next step: every function here finds the least fixed point, in at most as many rounds as the carry has components.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitney._base.config import config
from jitney._core import axes
from jitney._core.dce import dce_jaxpr
from jitney._core.jaxpr import ClosedJaxpr, Literal, evaluate
from jitney._core.staging import stage
from jitney._core.tangents import Zero
from jitney._ops.raw import instantiate
from jitney._transforms.batching import batch_jaxpr, place_axis
from jitney._transforms.jvp import jvp_flat
from jitney._transforms.linearize import split_jaxpr

Flags = tuple[bool, ...]


def either(xs: Sequence[bool], ys: Sequence[bool]) -> Flags:
    return tuple(x or y for x, y in zip(xs, ys, strict=True))


def chosen(xs: Sequence[Any], flags: Sequence[bool]) -> list[Any]:
    """The items whose flag is set."""
    return [x for x, flag in zip(xs, flags, strict=True) if flag]


def scattered(flags: Sequence[bool], xs: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """``xs`` in order where the flag is set, the items of ``others`` at their places elsewhere."""
    given = iter(xs)
    return [next(given) if flag else other for flag, other in zip(flags, others, strict=True)]


def jvp_body(body: ClosedJaxpr, consts: Flags, carry: Flags) -> tuple[ClosedJaxpr, Flags]:
    """``(consts, const tangents, carry, carry tangents) -> (carry, carry tangents)``, and which carries have some.

    The flags say which consts and which components of the initial carry have a tangent.
    """
    key = ("jvp_body", consts, carry, config.safe_grad)
    if key not in body.cache:
        wanted = carry
        while True:
            program, found = _jvp_step(body, consts, wanted)
            if either(wanted, found) == wanted:
                break
            wanted = either(wanted, found)
        body.cache[key] = program, wanted
    return body.cache[key]


def _jvp_step(body: ClosedJaxpr, consts: Flags, carry: Flags) -> tuple[ClosedJaxpr, Flags]:
    """The body of values and tangents for the wanted tangents, and which outputs really have one."""
    found: Flags = ()
    avals = body.in_avals
    parts = [avals[: len(consts)], avals[len(consts) :]]
    parts.insert(1, [a.to_tangent_aval() for a in chosen(parts[0], consts)])
    parts.append([a.to_tangent_aval() for a in chosen(parts[2], carry)])

    def fun(*args: Any) -> list[Any]:
        nonlocal found
        rest = iter(args)
        const_values, const_tangents, values, tangents = [[next(rest) for _ in part] for part in parts]
        primals = [*const_values, *values]
        given = [*const_tangents, *tangents]
        pairs = scattered((*consts, *carry), given, [Zero.of(x) for x in primals])
        outs, out_tangents = jvp_flat(lambda *xs: evaluate(body.jaxpr, body.consts, *xs), primals, pairs)
        found = tuple(type(t) is not Zero for t in out_tangents)
        return outs + [instantiate(t) for t in chosen(out_tangents, carry)]

    return stage(fun, [a for part in parts for a in part], body.jaxpr.debug_info), found


def batch_body(
    body: ClosedJaxpr, size: int, const_dims: tuple[int | None, ...], carry: Flags, place: int
) -> tuple[ClosedJaxpr, Flags]:
    """The body over a batch, and which carries have the batch axis; they have it at ``place``."""
    key = ("batch_body", size, const_dims, carry, place, axes.batch_key([body]))
    if key not in body.cache:
        wanted = carry
        while True:
            dims = tuple(place if batched else None for batched in wanted)
            program, out_dims = batch_jaxpr(body, size, (*const_dims, *dims))
            found = tuple(d is not None for d in out_dims)
            if either(wanted, found) == wanted:
                break
            wanted = either(wanted, found)
        body.cache[key] = place_outputs(program, size, out_dims, dims), wanted
    return body.cache[key]


def place_outputs(
    program: ClosedJaxpr, size: int, found: Sequence[int | None], wanted: Sequence[int | None]
) -> ClosedJaxpr:
    """A batched program with the batch axes of its outputs where they are wanted (None: without one)."""
    if list(found) == list(wanted):
        return program

    def fun(*args: Any) -> list[Any]:
        outs = evaluate(program.jaxpr, program.consts, *args)
        return [
            y if target is None else place_axis(y, dim, size, target)
            for y, dim, target in zip(outs, found, wanted, strict=True)
        ]

    return stage(fun, program.in_avals, program.jaxpr.debug_info)


def unknown_carries(body: ClosedJaxpr, consts: Flags, carry: Flags) -> Flags:
    """Which components depend on unknown ones at some step."""
    while True:
        found = either(carry, split_jaxpr(body, (*consts, *carry)).unknown_out)
        if found == carry:
            return carry
        carry = found


def live_carries(body: ClosedJaxpr, nconsts: int, used: Flags) -> Flags:
    """Which components the used ones need at some step."""
    while True:
        found = either(used, dce_jaxpr(body, used)[1][nconsts:])
        if found == used:
            return used
        used = found


def pruned_body(body: ClosedJaxpr, nconsts: int, used: Flags) -> tuple[ClosedJaxpr, Flags, Flags]:
    """The body of what the used components need; the consts and the components that it keeps."""
    live = live_carries(body, nconsts, used)
    program, ins = dce_jaxpr(body, live, (*[False] * nconsts, *live))
    return program, tuple(ins[:nconsts]), live


def silent(program: ClosedJaxpr) -> ClosedJaxpr:
    """The program without what is there for its effect alone: steps that are computed again print nothing."""
    if not program.effects:
        return program
    if "silent" not in program.cache:
        jaxpr = program.jaxpr
        needed = {a for a in jaxpr.outvars if type(a) is not Literal}
        kept = []
        for eqn in reversed(jaxpr.eqns):
            if any(v in needed for v in eqn.outvars):
                kept.append(eqn.replace(params={k: _silent_param(v) for k, v in eqn.params.items()}))
                needed.update(a for a in eqn.invars if type(a) is not Literal)
        program.cache["silent"] = program.replace(jaxpr=jaxpr.replace(eqns=kept[::-1]))
    return program.cache["silent"]


def _silent_param(value: Any) -> Any:
    if isinstance(value, ClosedJaxpr):
        return silent(value)
    if type(value) is tuple and any(isinstance(v, ClosedJaxpr) for v in value):
        return tuple(map(_silent_param, value))
    return value
