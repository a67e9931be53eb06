"""The ``scan`` primitive: a loop of known length with a carry, over the leading axis of arrays.

``*carry, *ys = scan[jaxpr length reverse num_consts num_carry unroll] *consts *carry *xs``: the body maps
``(*consts, *carry, *x)`` to ``(*carry, *y)``; the results ``y`` are stacked in the order of ``xs``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._base.config import config
from jitney._control.bodies import (
    as_result,
    batch_program,
    close_over,
    intern,
    jvp_program,
    rearranged,
    run_equations,
    worth_compiling,
)
from jitney._control.jit import executable
from jitney._control.residuals import choose_residuals, split_levels
from jitney._core.avals import ShapedArray, shaped_array, tangent_aval
from jitney._core.dce import dce_jaxpr, live_eqns
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, evaluate
from jitney._core.primitive import Primitive
from jitney._core.staging import stage
from jitney._core.tangents import Zero, is_undefined
from jitney._core.trace import get_aval, swap_trace, to_numpy, under
from jitney._ops import raw
from jitney._transforms.batching import place_axis
from jitney._transforms.linearize import PartialTrace
from jitney._transforms.transpose import backward_pass

scan_p = Primitive("scan", multiple_results=True, higher_order=True)

Flags = tuple[bool, ...]


def stacked(aval: ShapedArray, length: int) -> ShapedArray:
    """The type of one value for each iteration."""
    return shaped_array((length, *aval.shape), aval.dtype, aval.weak_type)


def _abstract(
    *_: ShapedArray, jaxpr: ClosedJaxpr, length: int, num_carry: int, **__: Any
) -> list[ShapedArray]:
    outs = jaxpr.out_avals
    return outs[:num_carry] + [stacked(a, length) for a in outs[num_carry:]]


def bind(
    consts: Sequence[Any],
    carry: Sequence[Any],
    xs: Sequence[Any],
    program: ClosedJaxpr,
    params: dict[str, Any],
) -> list[Any]:
    """The scan of ``program``, whose constants become leading operands; other ``params`` as given."""
    program, leading = _without_constants(program)
    params = {**params, "jaxpr": program, "num_consts": len(leading) + len(consts), "num_carry": len(carry)}
    return scan_p.bind(*leading, *consts, *carry, *xs, **params)


def _without_constants(program: ClosedJaxpr) -> tuple[ClosedJaxpr, list[Any]]:
    if not program.consts:
        return program, []
    if "close_over" not in program.cache:
        program.cache["close_over"] = close_over(program)
    return program.cache["close_over"]


def _parts(values: Sequence[Any], num_consts: int, num_carry: int) -> tuple[Any, Any, Any]:
    """Consts, carry and xs among the operands."""
    end = num_consts + num_carry
    return values[:num_consts], values[num_consts:end], values[end:]


def _which(values: Sequence[Any], flags: Sequence[bool], wanted: bool = True) -> list[Any]:
    return [v for v, flag in zip(values, flags, strict=True) if flag == wanted]


# -- from a traced body -----------------------------------------------------------------------------


def apply_body(
    closed: ClosedJaxpr, carry: Sequence[Any], xs: Sequence[Any], length: int, reverse: bool, unroll: int
) -> list[Any]:
    """The scan of a traced body ``(*carry, *x) -> (*carry, *y)``, which may have constants.

    Carries that never change become consts; results that are elements of ``xs`` are not computed.
    """
    if "scan_body" not in closed.cache:
        closed.cache["scan_body"] = _ScanBody(closed, len(carry))
    body = closed.cache["scan_body"]
    params = {"length": length, "reverse": reverse, "unroll": unroll}
    outs: Any = iter(())
    if body.program.out_avals or body.program.effects:
        consts = [*_which(carry, body.moves, False), *closed.consts]
        moving = _which(carry, body.moves)
        outs = iter(bind(consts, moving, xs, body.program, params))
    found = [next(outs) if moves else x for x, moves in zip(carry, body.moves, strict=True)]
    return found + [next(outs) if place is None else xs[place] for place in body.forwarded]


class _ScanBody:
    """A traced body made fit for ``scan``: which carries move, and which results are elements of xs."""

    __slots__ = ("forwarded", "moves", "program")

    def __init__(self, closed: ClosedJaxpr, num_carry: int) -> None:
        jaxpr = closed.jaxpr
        carry, xs = jaxpr.invars[:num_carry], jaxpr.invars[num_carry:]
        next_carry, ys = jaxpr.outvars[:num_carry], jaxpr.outvars[num_carry:]
        self.moves = tuple(new is not old for new, old in zip(next_carry, carry, strict=True))
        places: dict[Any, int] = {v: n for n, v in enumerate(xs)}
        self.forwarded = [None if type(y) is Literal else places.get(y) for y in ys]
        invars = _which(carry, self.moves, False) + jaxpr.constvars + _which(carry, self.moves) + xs
        outvars = _which(next_carry, self.moves)
        outvars += [y for y, place in zip(ys, self.forwarded, strict=True) if place is None]
        self.program = intern(ClosedJaxpr(Jaxpr([], invars, outvars, jaxpr.eqns)))


# -- evaluation -------------------------------------------------------------------------------------


def _impl(*args: Any, **params: Any) -> list[Any]:
    avals = [get_aval(x) for x in args]
    program = _as_program(params, avals)
    if worth_compiling(program):
        return executable(program).execute(list(args))
    outs = _numpy(*args, **params)
    return [as_result(y, a) for y, a in zip(outs, _abstract(**params), strict=True)]


def _as_program(params: dict[str, Any], avals: Sequence[ShapedArray]) -> ClosedJaxpr:
    """The program of one equation, this scan; kept with the body."""
    cache = params["jaxpr"].cache
    key = ("scan", tuple(avals), *(v for n, v in sorted(params.items()) if n != "jaxpr"))
    if key not in cache:
        cache[key] = stage(lambda *xs: scan_p.bind(*xs, **params), avals)
    return cache[key]


def _numpy(
    *args: Any, jaxpr: ClosedJaxpr, length: int, reverse: bool, num_consts: int, num_carry: int, **_: Any
) -> list[np.ndarray]:
    """A Python loop over the body's equations."""
    consts, carry, xs = _parts(args, num_consts, num_carry)
    arrays = [to_numpy(x) for x in xs]
    ys: list[list[Any]] = [[] for _ in jaxpr.out_avals[num_carry:]]
    with under(None):
        for i in reversed(range(length)) if reverse else range(length):
            outs = run_equations(jaxpr.jaxpr, [*consts, *carry, *[x[i, ...] for x in arrays]])
            carry = outs[:num_carry]
            for column, y in zip(ys, outs[num_carry:], strict=True):
                column.append(to_numpy(y))
    found = [np.asarray(to_numpy(c), a.dtype) for c, a in zip(carry, jaxpr.out_avals, strict=False)]
    for column, aval in zip(ys, jaxpr.out_avals[num_carry:], strict=True):
        whole = np.empty((length, *aval.shape), aval.dtype)
        for i, y in enumerate(reversed(column) if reverse else column):
            whole[i] = y
        found.append(whole)
    return found


# -- forward mode -----------------------------------------------------------------------------------


def _jvp(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    jaxpr: ClosedJaxpr,
    num_consts: int,
    num_carry: int,
    **params: Any,
) -> tuple[list, list]:
    nonzero = tuple(type(t) is not Zero for t in tangents)
    program, nonzero, nonzero_out = _jvp_body(jaxpr, num_consts, num_carry, nonzero)
    consts, carry, xs = _parts(primals, num_consts, num_carry)
    filled = [raw.instantiate(t) if nz else t for t, nz in zip(tangents, nonzero, strict=True)]
    parts = zip(_parts(filled, num_consts, num_carry), _parts(nonzero, num_consts, num_carry), strict=True)
    const_dots, carry_dots, x_dots = (_which(ts, nz) for ts, nz in parts)
    outs = bind([*consts, *const_dots], [*carry, *carry_dots], [*xs, *x_dots], program, params)
    moving = sum(nonzero_out[:num_carry])
    ys = len(nonzero_out) - num_carry
    values = outs[:num_carry] + outs[num_carry + moving : num_carry + moving + ys]
    found = iter(outs[num_carry : num_carry + moving] + outs[num_carry + moving + ys :])
    return values, [next(found) if nz else Zero.of(y) for y, nz in zip(values, nonzero_out, strict=True)]


def _jvp_body(
    jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, nonzero: Flags
) -> tuple[ClosedJaxpr, Flags, Flags]:
    """The body on values and tangents, in scan's order; which inputs and outputs have tangents."""
    key = ("scan_jvp", num_consts, num_carry, nonzero, config.safe_grad)
    if key in jaxpr.cache:
        return jaxpr.cache[key]
    count = len(jaxpr.out_avals)
    while True:
        force = nonzero[num_consts : num_consts + num_carry] + (False,) * (count - num_carry)
        program, out = jvp_program(jaxpr, nonzero, force)
        if out[:num_carry] == force[:num_carry]:
            break
        nonzero = nonzero[:num_consts] + out[:num_carry] + nonzero[num_consts + num_carry :]
    result = _by_parts(program, num_consts, num_carry, nonzero, out), nonzero, out
    jaxpr.cache[key] = result
    return result


def _by_parts(
    program: ClosedJaxpr, num_consts: int, num_carry: int, nonzero: Flags, out: Flags
) -> ClosedJaxpr:
    """``(values, tangents)`` becomes ``(consts, their tangents, carry, its tangents, xs, their tangents)``."""
    return rearranged(program, _merged(nonzero, (num_consts, num_carry)), _merged(out, (num_carry,)))


def _merged(flags: Flags, sizes: Sequence[int]) -> list[int]:
    """Positions of values and (after all values) the flagged tangents, grouped by parts of ``sizes`` and the rest."""
    places, number = [], len(flags)
    for flag in flags:
        places.append(number if flag else None)
        number += flag
    order: list[int] = []
    start = 0
    for size in (*sizes, len(flags) - sum(sizes)):
        order += range(start, start + size)
        order += [p for p in places[start : start + size] if p is not None]
        start += size
    return order


# -- partial evaluation -----------------------------------------------------------------------------


class ScanSplit:
    """A scan as three programs: what is the same in each iteration, the known loop, the unknown loop.

    ``fixed`` maps the known consts to values that the loops take as consts: ``known_consts`` and
    ``unknown_consts`` say which.  The known loop returns its carry, its results, and one stacked residual
    for each of ``num_stacked``; the unknown loop takes those, then the known xs ``direct``.
    """

    __slots__ = (
        "direct",
        "fixed",
        "known",
        "known_consts",
        "num_stacked",
        "unknown",
        "unknown_carry",
        "unknown_consts",
        "unknown_out",
    )

    fixed: ClosedJaxpr
    known: ClosedJaxpr
    unknown: ClosedJaxpr
    known_consts: list[int]
    unknown_consts: list[int]
    unknown_carry: Flags
    unknown_out: Flags
    direct: list[int]
    num_stacked: int


def _split(jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, unknown: Flags) -> ScanSplit:
    key = ("scan_split", num_consts, num_carry, unknown)
    if key not in jaxpr.cache:
        jaxpr.cache[key] = _find_split(jaxpr, num_consts, num_carry, unknown)
    return jaxpr.cache[key]


def _find_split(jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, unknown: Flags) -> ScanSplit:
    end = num_consts + num_carry
    while True:
        levels = [2 if u else int(n >= num_consts) for n, u in enumerate(unknown)]
        parts = split_levels(jaxpr, levels)
        carry = tuple(
            u or level == 2 for u, level in zip(unknown[num_consts:end], parts.out_levels, strict=False)
        )
        if carry == unknown[num_consts:end]:
            break
        unknown = unknown[:num_consts] + carry + unknown[end:]
    split = ScanSplit()
    split.unknown_carry = carry
    split.unknown_out = carry + tuple(level == 2 for level in parts.out_levels[num_carry:])
    consts, carried, xs = _parts(parts.invars, num_consts, num_carry)
    known_consts, known_xs = _which(consts, unknown[:num_consts], False), _which(xs, unknown[end:], False)
    free = [*known_consts, *known_xs, *parts.arrays]

    # The unknown loop: what it computes again, and what it takes.
    outs = _which(parts.outs, split.unknown_out)
    needed = _needs(parts.eqns[2], outs, _which(parts.invars, unknown))
    again, kept = choose_residuals(needed, parts.eqns[0] + parts.eqns[1], free)
    fixed_vars = {*known_consts, *parts.arrays, *(v for e in parts.eqns[0] for v in e.outvars)}
    fixed_kept = [v for v in kept if v in fixed_vars]
    split.direct = [n for n, v in enumerate(xs) if v in kept]
    stacked_vars = [v for v in kept if v not in fixed_vars and v not in known_xs]
    split.num_stacked = len(stacked_vars)
    invars = fixed_kept + _which(consts, unknown[:num_consts]) + _which(carried, carry)
    invars += stacked_vars + [xs[n] for n in split.direct] + _which(xs, unknown[end:])
    split.unknown = _live_program(invars, outs, [*again, *parts.eqns[2]])

    # The known loop, which also returns the residuals.
    outs = _which(parts.outs, split.unknown_out, False) + stacked_vars
    live = live_eqns(Jaxpr([], [], outs, parts.eqns[1]))[0]
    inside = _which(carried, carry, False) + known_xs
    needed = _needs(live, outs, inside)
    again, known_kept = choose_residuals(needed, parts.eqns[0], [*known_consts, *parts.arrays])
    split.known = _live_program(known_kept + inside, outs, [*again, *live])

    values = list(dict.fromkeys([*known_kept, *fixed_kept]))
    split.known_consts = [values.index(v) for v in known_kept]
    split.unknown_consts = [values.index(v) for v in fixed_kept]
    program = Jaxpr(list(parts.arrays), known_consts, values, parts.eqns[0])
    split.fixed = ClosedJaxpr(program.replace(eqns=live_eqns(program)[0]), list(parts.arrays.values()))
    return split


def _needs(eqns: Sequence[JaxprEqn], outs: Sequence[Any], invars: Sequence[Var]) -> list[Var]:
    """Variables that ``eqns`` and ``outs`` read, but neither ``eqns`` nor ``invars`` bind."""
    bound = {*invars, *(v for e in eqns for v in e.outvars)}
    read = [a for e in eqns for a in e.invars] + list(outs)
    return list(dict.fromkeys(a for a in read if type(a) is not Literal and a not in bound))


def _live_program(invars: list[Var], outs: list[Any], eqns: list[JaxprEqn]) -> ClosedJaxpr:
    jaxpr = Jaxpr([], invars, outs, eqns)
    return ClosedJaxpr(jaxpr.replace(eqns=live_eqns(jaxpr)[0]))


def _run_known(
    split: ScanSplit, consts: Sequence[Any], carry: Sequence[Any], xs: Sequence[Any], params: dict[str, Any]
) -> tuple[list[Any], list[Any], list[Any]]:
    """The known results, the values that are the same in each iteration, the stacked residuals."""
    fixed = evaluate(split.fixed.jaxpr, split.fixed.consts, *consts)
    outs: list[Any] = []
    if split.known.out_avals or split.known.effects:
        outs = bind([fixed[n] for n in split.known_consts], carry, xs, split.known, params)
    end = len(outs) - split.num_stacked
    return outs[:end], [fixed[n] for n in split.unknown_consts], outs[end:]


def _partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """Run the known loop now, stage the unknown one, which takes the residuals."""
    num_consts, num_carry = params["num_consts"], params["num_carry"]
    unknown = tuple(map(trace.unknown, args))
    split = _split(params["jaxpr"], num_consts, num_carry, unknown)
    consts, carry, xs = _parts(args, num_consts, num_carry)
    consts_unknown, _, xs_unknown = _parts(unknown, num_consts, num_carry)
    before = swap_trace(trace.parent)
    try:
        outs, fixed, residuals = _run_known(
            split,
            _which(consts, consts_unknown, False),
            _which(carry, split.unknown_carry, False),
            _which(xs, xs_unknown, False),
            params,
        )
    finally:
        swap_trace(before)
    known, found = iter(outs), iter(())
    if any(split.unknown_out) or split.unknown.effects:
        leading = [*fixed, *_which(consts, consts_unknown)]
        moving = _which(carry, split.unknown_carry)
        columns = [*residuals, *(xs[n] for n in split.direct), *_which(xs, xs_unknown)]
        found = iter(_record(trace, leading, moving, columns, split.unknown, params))
    return [next(found) if u else next(known) for u in split.unknown_out]


def _record(
    trace: PartialTrace,
    consts: Sequence[Any],
    carry: Sequence[Any],
    xs: Sequence[Any],
    program: ClosedJaxpr,
    params: dict[str, Any],
) -> list[Any]:
    atoms = [trace.atom(x) for x in (*consts, *carry, *xs)]
    params = {**params, "jaxpr": program, "num_consts": len(consts), "num_carry": len(carry)}
    return trace.record(scan_p, atoms, params)


# -- transposition ----------------------------------------------------------------------------------


def _transpose(
    cts: Sequence[Any], *args: Any, jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, **params: Any
) -> list[Any]:
    linear = tuple(map(is_undefined, args))
    consts, carry, xs = _parts(args, num_consts, num_carry)
    moving = _linear_carry(jaxpr, num_consts, num_carry, linear)
    if not all(moving):
        return _transpose_mixed(cts, args, linear, jaxpr, num_consts, num_carry, params)
    end = num_consts + num_carry
    nonzero = tuple(type(ct) is not Zero for ct in cts)
    key = ("scan_transpose", num_consts, num_carry, linear, nonzero, config.safe_grad)
    if key not in jaxpr.cache:
        jaxpr.cache[key] = _transposed(jaxpr, num_consts, num_carry, linear, nonzero)
    program, ct_consts, ct_carry, ct_xs = jaxpr.cache[key]
    sums = [raw.zeros(tangent_aval(get_aval(x))) for x, has in zip(consts, ct_consts, strict=True) if has]
    given = [raw.instantiate(ct) for ct, has in zip(cts, ct_carry, strict=False) if has]
    columns = _which(cts[num_carry:], nonzero[num_carry:]) + _which(xs, linear[end:], False)
    params["reverse"] = not params["reverse"]
    outs = iter(bind(_which(consts, linear[:num_consts], False), sums + given, columns, program, params))
    found = [next(outs) if has else None for has in (*ct_consts, *ct_carry, *ct_xs)]
    return [ct if is_linear else None for ct, is_linear in zip(found, linear, strict=True)]


def _linear_carry(jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, linear: Flags) -> Flags:
    """Which carries depend on linear inputs (as the first value of one may be known)."""
    end = num_consts + num_carry
    carry = linear[num_consts:end]
    while True:
        flags = linear[:num_consts] + carry + linear[end:]
        reached = {v for v, flag in zip(jaxpr.jaxpr.invars, flags, strict=True) if flag}
        for eqn in jaxpr.jaxpr.eqns:
            if any(type(a) is not Literal and a in reached for a in eqn.invars):
                reached.update(eqn.outvars)
        outs = jaxpr.jaxpr.outvars[:num_carry]
        found = tuple(
            flag or (type(a) is not Literal and a in reached) for flag, a in zip(carry, outs, strict=True)
        )
        if found == carry:
            return carry
        carry = found


def _transposed(
    jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, linear: Flags, nonzero: Flags
) -> tuple[ClosedJaxpr, Flags, Flags, Flags]:
    """The body of the backward loop, and which consts, carries and xs have cotangents.

    It takes the known consts; sums of the consts' cotangents and the carries' cotangents as carry;
    cotangents of the results and the known xs; and returns the sums, the carries' cotangents and those of xs.
    """
    ct_carry, ct_consts = nonzero[:num_carry], (False,) * num_consts
    while True:
        program, consts, carry, xs = _backward_body(jaxpr, num_consts, linear, nonzero, ct_carry, ct_consts)
        if (consts, carry) == (ct_consts, ct_carry):
            return program, consts, carry, xs
        ct_consts, ct_carry = consts, carry


def _backward_body(
    jaxpr: ClosedJaxpr, num_consts: int, linear: Flags, nonzero: Flags, ct_carry: Flags, ct_consts: Flags
) -> tuple[ClosedJaxpr, Flags, Flags, Flags]:
    num_carry = len(ct_carry)
    end = num_consts + num_carry
    avals = [tangent_aval(a) for a in jaxpr.in_avals]
    out_avals = [tangent_aval(a) for a in jaxpr.out_avals]
    mask = linear[:num_consts] + (True,) * num_carry + linear[end:]
    const_avals, carry_avals, x_avals = _parts(jaxpr.in_avals, num_consts, num_carry)
    known_consts = _which(const_avals, mask[:num_consts], False)
    known_xs = _which(x_avals, mask[end:], False)
    sum_avals = _which(avals[:num_consts], ct_consts)
    carry_cts = _which(out_avals[:num_carry], ct_carry)
    y_cts = _which(out_avals[num_carry:], nonzero[num_carry:])
    # Each sum is the first cotangent of its const, so that what is added to it is added in place.
    summed = _which(jaxpr.jaxpr.invars[:num_consts], ct_consts)
    body = jaxpr.jaxpr.replace(outvars=[*jaxpr.jaxpr.outvars, *summed])
    flags: list[Flags] = []

    def fun(*args: Any) -> list[Any]:
        rest = iter(args)
        take = lambda n: [next(rest) for _ in range(n)]  # noqa: E731
        consts, sums, moving = take(len(known_consts)), take(len(sum_avals)), iter(take(len(carry_cts)))
        given, columns = iter(take(len(y_cts))), take(len(known_xs))
        cts = [next(moving) if has else Zero(a) for a, has in zip(out_avals, ct_carry, strict=False)]
        cts += [
            next(given) if has else Zero(a)
            for a, has in zip(out_avals[num_carry:], nonzero[num_carry:], strict=True)
        ]
        found = iter(backward_pass(body, jaxpr.consts, mask, consts + columns, cts + sums))
        all_cts = [next(found) if m else None for m in mask]
        of_consts, of_carry, of_xs = _parts(all_cts, num_consts, num_carry)
        has_consts = tuple(_has(ct) and not any(ct is s for s in sums) for ct in of_consts)
        has_carry = tuple(has or _has(ct) for ct, has in zip(of_carry, ct_carry, strict=True))
        flags.extend((has_consts, has_carry, tuple(map(_has, of_xs))))
        outs = _which(of_consts, ct_consts) + [raw.instantiate(ct) for ct in _which(of_carry, ct_carry)]
        return outs + [ct for ct in of_xs if _has(ct)]

    program = stage(fun, [*known_consts, *sum_avals, *carry_cts, *y_cts, *known_xs])
    return program, *flags  # type: ignore[return-value]


def _has(ct: Any) -> bool:
    return ct is not None and type(ct) is not Zero


def _transpose_mixed(
    cts: Sequence[Any],
    args: Sequence[Any],
    linear: Flags,
    jaxpr: ClosedJaxpr,
    num_consts: int,
    num_carry: int,
    params: dict[str, Any],
) -> list[Any]:
    """Some carries (a counter) are not linear: run their loop first, transpose the rest."""
    split = _split(jaxpr, num_consts, num_carry, linear)
    consts, carry, xs = _parts(args, num_consts, num_carry)
    linear_consts, _, linear_xs = _parts(linear, num_consts, num_carry)
    _, fixed, residuals = _run_known(
        split,
        _which(consts, linear_consts, False),
        _which(carry, split.unknown_carry, False),
        _which(xs, linear_xs, False),
        params,
    )
    inner = [*fixed, *_which(consts, linear_consts), *_which(carry, split.unknown_carry)]
    inner += [*residuals, *(xs[n] for n in split.direct), *_which(xs, linear_xs)]
    found = _transpose(
        _which(cts, split.unknown_out),
        *inner,
        jaxpr=split.unknown,
        num_consts=len(fixed) + sum(linear_consts),
        num_carry=sum(split.unknown_carry),
        **params,
    )
    kept = iter([ct for ct, x in zip(found, inner, strict=True) if is_undefined(x)])
    return [next(kept) if is_linear else None for is_linear in linear]


# -- batching, dead code ----------------------------------------------------------------------------


def _batch(
    size: int,
    args: Sequence[Any],
    dims: Sequence[int | None],
    *,
    jaxpr: ClosedJaxpr,
    num_consts: int,
    num_carry: int,
    **params: Any,
) -> tuple[list, list]:
    consts, carry, xs = _parts(args, num_consts, num_carry)
    const_dims, carry_dims, x_dims = _parts(tuple(dims), num_consts, num_carry)
    batched = tuple(d is not None for d in carry_dims)
    count = len(jaxpr.out_avals) - num_carry
    x_places = tuple(None if d is None else 0 for d in x_dims)
    while True:
        inner = (*const_dims, *(0 if b else None for b in batched), *x_places)
        program, out = batch_program(jaxpr, size, inner, batched + (False,) * count)
        if out[:num_carry] == batched:
            break
        batched = out[:num_carry]
    carry = [
        place_axis(x, d, size, 0) if b else x for x, d, b in zip(carry, carry_dims, batched, strict=True)
    ]
    xs = [x if d is None else raw.move_axis(x, d, 1) for x, d in zip(xs, x_dims, strict=True)]
    outs = bind(consts, carry, xs, program, params)
    return outs, [0 if b else None for b in batched] + [1 if b else None for b in out[num_carry:]]


def _dce(eqn: JaxprEqn, used_outs: list[bool]) -> JaxprEqn | None:
    """The loop without the carries and results that nothing needs."""
    if not any(used_outs) and not eqn.effects:
        return None
    params = eqn.params
    jaxpr, num_consts, num_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    end = num_consts + num_carry
    carry = list(used_outs[:num_carry])
    while True:
        _, used = dce_jaxpr(jaxpr, carry + used_outs[num_carry:])
        found = [before or now for before, now in zip(carry, used[num_consts:end], strict=True)]
        if found == carry:
            break
        carry = found
    used = [*used[:num_consts], *carry, *used[end:]]
    outs = carry + used_outs[num_carry:]
    program, _ = dce_jaxpr(jaxpr, outs, used)
    return eqn.replace(
        invars=_which(eqn.invars, used),
        outvars=_which(eqn.outvars, outs),
        params={**params, "jaxpr": program, "num_consts": sum(used[:num_consts]), "num_carry": sum(carry)},
    )


scan_p.abstract = _abstract
scan_p.impl = _impl
scan_p.numpy = _numpy
scan_p.jvp = _jvp
scan_p.partial_eval = _partial_eval
scan_p.transpose = _transpose
scan_p.batch = _batch
scan_p.dce = _dce
