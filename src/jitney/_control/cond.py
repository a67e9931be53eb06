"""The ``cond`` primitive: one of several programs, chosen by an index.

``c = cond[branches=(f, g)] i a b`` is ``f(a, b)`` for ``i = 0`` and ``g(a, b)`` for ``i = 1``; the index is
clamped to the branches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._control.bodies import (
    as_result,
    batch_program,
    close_over_all,
    intern,
    jvp_program,
    run,
    run_equations,
    transpose_program,
)
from jitney._control.residuals import Parts, choose_residuals, split_levels
from jitney._core.avals import ShapedArray
from jitney._core.dce import dce_jaxpr, live_eqns
from jitney._core.effects import guard_effect
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, evaluate
from jitney._core.primitive import Primitive
from jitney._core.staging import stage
from jitney._core.tangents import Zero, is_undefined
from jitney._core.trace import get_aval, swap_trace, to_numpy, under
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.stopping import stop_gradient_p
from jitney._transforms.batching import place_axis
from jitney._transforms.linearize import PartialTrace

cond_p = Primitive("cond", multiple_results=True, higher_order=True)

Branches = tuple[ClosedJaxpr, ...]


def make_branches(
    traced: Sequence[ClosedJaxpr], order: Sequence[int]
) -> tuple[Branches, list[Any], list[int | None]]:
    """Branches from traced programs (the branch numbers of which are ``order``), and the values they close over.

    Results that are the same operand in all branches are not computed: the third item says which operand.
    """
    cache = traced[0].cache
    key = ("branches", tuple(map(id, traced[1:])), tuple(order))
    if key not in cache:
        programs, consts = close_over_all(traced)
        places = [{v: n for n, v in enumerate(p.jaxpr.invars)} for p in programs]
        outs = [
            [None if type(a) is Literal else at.get(a) for a in p.jaxpr.outvars]
            for p, at in zip(programs, places, strict=True)
        ]
        forwarded = [column[0] if len(set(column)) == 1 else None for column in zip(*outs, strict=True)]
        kept = [
            [a for a, place in zip(p.jaxpr.outvars, forwarded, strict=True) if place is None]
            for p in programs
        ]
        numbered = sorted(zip(order, programs, kept, strict=True), key=lambda item: item[0])
        branches: list[ClosedJaxpr] = []
        for _, program, outvars in numbered:
            mine = ClosedJaxpr(program.jaxpr.replace(outvars=outvars))
            shared = intern(mine)
            branches.append(mine if any(shared is b for b in branches) else shared)
        cache[key] = (
            list(traced),
            tuple(branches),
            consts,
            forwarded,
        )  # the programs too: their ids stay theirs
    return cache[key][1:]


def _abstract(index: ShapedArray, *_: ShapedArray, branches: Branches) -> list[ShapedArray]:
    outs = zip(*(b.out_avals for b in branches), strict=True)
    return [
        avals[0] if avals[0].weak_type == all(a.weak_type for a in avals) else avals[0].strip_weak_type()
        for avals in outs
    ]


def _chosen(index: Any, branches: Branches) -> ClosedJaxpr:
    return branches[min(max(int(to_numpy(index)), 0), len(branches) - 1)]


def _impl(index: Any, *args: Any, branches: Branches) -> list[Any]:
    avals = _abstract(get_aval(index), branches=branches)
    return [as_result(y, a) for y, a in zip(run(_chosen(index, branches), args), avals, strict=True)]


def _numpy(index: Any, *args: Any, branches: Branches) -> list[np.ndarray]:
    with under(None):
        return [to_numpy(y) for y in run_equations(_chosen(index, branches).jaxpr, args)]


# -- forward mode -----------------------------------------------------------------------------------


def _joined(
    find: Callable[[ClosedJaxpr, tuple[bool, ...]], tuple[ClosedJaxpr, tuple[bool, ...]]],
    branches: Branches,
    count: int,
) -> tuple[list[ClosedJaxpr], tuple[bool, ...]]:
    """Derived branches that agree on which of ``count`` results are (nonzero, batched): all that any has."""
    wanted = tuple([False] * count)
    while True:
        found = [find(b, wanted) for b in branches]
        joined = tuple(any(column) for column in zip(*(flags for _, flags in found), strict=True))
        if joined == wanted or len(branches) == 1:
            return [program for program, _ in found], joined
        wanted = joined


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, branches: Branches) -> tuple[list, list]:
    index, *args = primals
    nonzero = tuple(type(t) is not Zero for t in tangents[1:])
    count = len(branches[0].out_avals)
    derived, nonzero_out = _joined(lambda b, force: jvp_program(b, nonzero, force), branches, count)
    programs, consts = close_over_all(derived)
    given = [t for t in tangents[1:] if type(t) is not Zero]
    outs = cond_p.bind(index, *consts, *args, *given, branches=tuple(programs))
    rest = iter(outs[count:])
    return outs[:count], [
        next(rest) if nz else Zero.of(y) for nz, y in zip(nonzero_out, outs[:count], strict=True)
    ]


# -- partial evaluation -----------------------------------------------------------------------------


class CondSplit:
    """Branches split in a known part, which returns residuals, and an unknown part, which takes them."""

    __slots__ = ("direct", "known", "residual_count", "unknown", "unknown_out")

    def __init__(
        self,
        known: Branches,
        unknown: Branches,
        unknown_out: list[bool],
        direct: list[int],
        residual_count: int,
    ) -> None:
        self.known = known  # known operands -> known outputs, residuals
        self.unknown = unknown  # known operands ``direct``, residuals, unknown operands -> unknown outputs
        self.unknown_out = unknown_out
        self.direct = direct
        self.residual_count = residual_count


def _split(branches: Branches, unknown: tuple[bool, ...]) -> CondSplit:
    key = ("cond_split", unknown, tuple(map(id, branches[1:])))
    cache = branches[0].cache
    if key not in cache:
        cache[key] = branches, _find_split(branches, unknown)  # the branches too: their ids stay theirs
    return cache[key][1]


def _find_split(branches: Branches, unknown: tuple[bool, ...]) -> CondSplit:
    parts = [split_levels(b, [2 if u else 0 for u in unknown]) for b in branches]
    unknown_out = [
        any(level == 2 for level in levels) for levels in zip(*(p.out_levels for p in parts), strict=True)
    ]
    chosen = [_residuals(p, unknown, unknown_out) for p in parts]
    places = [{v: n for n, v in enumerate(p.invars)} for p in parts]
    direct = sorted({at[v] for at, (_, kept) in zip(places, chosen, strict=True) for v in kept if v in at})
    slots = _join_slots(
        [[v for v in kept if v not in at] for at, (_, kept) in zip(places, chosen, strict=True)]
    )
    known, rest = [], []
    for part, at, (again, kept) in zip(parts, places, chosen, strict=True):
        mine = _assign([v for v in kept if v not in at], slots)
        known.append(_known_branch(part, unknown, unknown_out, mine, slots))
        rest.append(_unknown_branch(part, unknown, unknown_out, again, mine, slots, direct))
    return CondSplit(tuple(known), tuple(rest), unknown_out, direct, len(slots))


def _residuals(
    part: Parts, unknown: Sequence[bool], unknown_out: Sequence[bool]
) -> tuple[list[JaxprEqn], list[Var]]:
    """What the unknown part of one branch computes again, and what it takes."""
    made = {v for e in part.eqns[2] for v in e.outvars}
    mine = {v for v, u in zip(part.invars, unknown, strict=True) if u}
    read = [a for e in part.eqns[2] for a in e.invars]
    read += [a for a, u in zip(part.outs, unknown_out, strict=True) if u]
    needed = [a for a in read if type(a) is not Literal and a not in made and a not in mine]
    free = [v for v, u in zip(part.invars, unknown, strict=True) if not u] + list(part.arrays)
    again, kept = choose_residuals(needed, part.eqns[0] + part.eqns[1], free)
    return again, [v for v in kept if v not in part.arrays]


def _join_slots(residuals: Sequence[Sequence[Var]]) -> list[ShapedArray]:
    """Types of the residuals of all branches; the branches share those of one type."""
    counts: Counter = Counter()
    for kept in residuals:
        counts |= Counter(v.aval.strip_weak_type() for v in kept)
    return [aval for aval, count in counts.items() for _ in range(count)]


def _assign(kept: Sequence[Var], slots: Sequence[ShapedArray]) -> list[Var | None]:
    """The residual of one branch for each slot; None where the branch has none."""
    waiting = list(kept)
    found: list[Var | None] = []
    for aval in slots:
        fit = next((v for v in waiting if v.aval.strip_weak_type() == aval), None)
        if fit is not None:
            waiting.remove(fit)
        found.append(fit)
    return found


def _known_branch(
    part: Parts,
    unknown: Sequence[bool],
    unknown_out: Sequence[bool],
    mine: Sequence[Var | None],
    slots: Sequence[ShapedArray],
) -> ClosedJaxpr:
    outs = [a for a, u in zip(part.outs, unknown_out, strict=True) if not u]
    invars = [v for v, u in zip(part.invars, unknown, strict=True) if not u]
    jaxpr = _live(
        list(part.arrays), invars, outs + [v for v in mine if v is not None], part.eqns[0] + part.eqns[1]
    )

    def fun(*args: Any) -> list[Any]:
        values = evaluate(jaxpr, list(part.arrays.values()), *args)
        residuals = iter(values[len(outs) :])
        return values[: len(outs)] + [
            next(residuals) if v is not None else raw.zeros(aval) for v, aval in zip(mine, slots, strict=True)
        ]

    return stage(fun, [v.aval for v in invars])


def _unknown_branch(
    part: Parts,
    unknown: Sequence[bool],
    unknown_out: Sequence[bool],
    again: Sequence[JaxprEqn],
    mine: Sequence[Var | None],
    slots: Sequence[ShapedArray],
    direct: Sequence[int],
) -> ClosedJaxpr:
    taken = [v if v is not None else Var(aval) for v, aval in zip(mine, slots, strict=True)]
    invars = (
        [part.invars[i] for i in direct] + taken + [v for v, u in zip(part.invars, unknown, strict=True) if u]
    )
    outs = [a for a, u in zip(part.outs, unknown_out, strict=True) if u]
    return ClosedJaxpr(
        _live(list(part.arrays), invars, outs, [*again, *part.eqns[2]]), list(part.arrays.values())
    )


def _live(constvars: list[Var], invars: list[Var], outs: list[Any], eqns: list[JaxprEqn]) -> Jaxpr:
    jaxpr = Jaxpr(constvars, invars, outs, eqns)
    return jaxpr.replace(eqns=live_eqns(jaxpr)[0])


def _partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """Run the known parts now, stage the unknown ones on the same index."""
    unknown = tuple(map(trace.unknown, args))
    if unknown[0]:
        return trace.record(cond_p, [trace.atom(x) for x in args], params)
    split = _split(params["branches"], unknown[1:])
    index, *operands = args
    known_args = [x for x, u in zip(operands, unknown[1:], strict=True) if not u]
    before = swap_trace(trace.parent)
    try:
        programs, consts = close_over_all(split.known)
        outs = (
            cond_p.bind(index, *consts, *known_args, branches=tuple(programs))
            if programs[0].out_avals or programs[0].effects
            else []
        )
    finally:
        swap_trace(before)
    known_out = iter(outs[: len(outs) - split.residual_count])
    residuals = outs[len(outs) - split.residual_count :]
    found: Any = iter(())
    if any(split.unknown_out):
        programs, consts = close_over_all(split.unknown)
        given = [*consts, *(operands[i] for i in split.direct), *residuals]
        given += [x for x, u in zip(operands, unknown[1:], strict=True) if u]
        atoms = [trace.atom(x) for x in (index, *given)]
        found = iter(trace.record(cond_p, atoms, {"branches": tuple(programs)}))
    return [next(found) if u else next(known_out) for u in split.unknown_out]


# -- transposition, batching, dead code -------------------------------------------------------------


def _transpose(cts: Sequence[Any], index: Any, *args: Any, branches: Branches) -> list[Any]:
    linear = tuple(map(is_undefined, args))
    nonzero = tuple(type(ct) is not Zero for ct in cts)
    find = lambda b, force: transpose_program(b, linear, nonzero, force)  # noqa: E731
    derived, nonzero_out = _joined(find, branches, sum(linear))
    programs, consts = close_over_all(derived)
    known = [x for x, is_linear in zip(args, linear, strict=True) if not is_linear]
    given = [ct for ct in cts if type(ct) is not Zero]
    found = iter(cond_p.bind(index, *consts, *known, *given, branches=tuple(programs)))
    flags = iter(nonzero_out)
    return [None, *[next(found) if is_linear and next(flags) else None for is_linear in linear]]


def _batch(
    size: int, args: Sequence[Any], dims: Sequence[int | None], *, branches: Branches
) -> tuple[list, list]:
    index, *operands = args
    count = len(branches[0].out_avals)
    if dims[0] is not None:
        if any(guard_effect in b.effects for b in branches):
            from jitney._control.guards import batch_guarded

            return batch_guarded(cond_p, size, args, dims, {"branches": branches})
        return _batch_choice(size, place_axis(index, dims[0], size, 0), operands, dims[1:], branches)
    find = lambda b, force: batch_program(b, size, tuple(dims[1:]), force)  # noqa: E731
    derived, batched = _joined(find, branches, count)
    programs, consts = close_over_all(derived)
    outs = cond_p.bind(index, *consts, *operands, branches=tuple(programs))
    return outs, [0 if b else None for b in batched]


def _batch_choice(
    size: int, index: Any, operands: Sequence[Any], dims: Sequence[int | None], branches: Branches
) -> tuple[list, list]:
    """A choice for each example: all branches run, and results are selected.

    No gradient flows back into the examples that did not choose the branch, so that what is infinite or NaN
    there does not spoil the sum.
    """
    count = len(branches[0].out_avals)
    operands = [place_axis(x, d, size, 0) for x, d in zip(operands, dims, strict=True)]
    results = []
    for number, branch in enumerate(branches):
        mine = ew.eq_p.bind(index, np.int32(number))
        inputs = [_select(mine, stop_gradient_p.bind(x), x) for x in operands]
        program, _ = batch_program(branch, size, (0,) * len(inputs), (True,) * count)
        results.append(evaluate(program.jaxpr, program.consts, *inputs))
    return [_select(index, *cases) for cases in zip(*results, strict=True)], [0] * count


def _select(which: Any, *cases: Any) -> Any:
    """``select_n`` by the leading axis of the cases."""
    shape = get_aval(cases[0]).shape
    which = raw.broadcast_in_dim(which, shape, (0,)) if len(shape) > 1 else which
    return ew.select_n_p.bind(which, *cases)


def _dce(eqn: JaxprEqn, used_outs: list[bool]) -> JaxprEqn | None:
    branches = eqn.params["branches"]
    if not any(used_outs) and not eqn.effects:
        return None
    used = [dce_jaxpr(b, used_outs)[1] for b in branches]
    keep = tuple(any(column) for column in zip(*used, strict=True))
    programs = tuple(dce_jaxpr(b, used_outs, keep)[0] for b in branches)
    return eqn.replace(
        invars=[eqn.invars[0], *(v for v, k in zip(eqn.invars[1:], keep, strict=True) if k)],
        outvars=[v for v, u in zip(eqn.outvars, used_outs, strict=True) if u],
        params={"branches": programs},
    )


cond_p.abstract = _abstract
cond_p.impl = _impl
cond_p.numpy = _numpy
cond_p.jvp = _jvp
cond_p.partial_eval = _partial_eval
cond_p.transpose = _transpose
cond_p.batch = _batch
cond_p.dce = _dce
