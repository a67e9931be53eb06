"""``custom_linear_solve``: the solution of A x = b by a solver of the user's, with the derivatives of the equation.

    x = custom_linear_solve[const_lengths=.. jaxprs=(matvec, vecmat, solve, transpose_solve)] consts.. b

Whatever the solver does is not differentiated: tangents and cotangents solve linear equations with the same (or the
transposed) operator.  Operands are the constants of the four programs in turn, then the leaves of b.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jitney._core.jaxpr import ClosedJaxpr, evaluate
from jitney._core.primitive import Primitive
from jitney._core.staging import stage
from jitney._core.tangents import Zero, is_undefined
from jitney._ops.elementwise import neg_p
from jitney._ops.raw import add_tangents, instantiate
from jitney._transforms.batching import batch_jaxpr, place_axis
from jitney._transforms.jvp import jvp_flat


class _LinearSolveTuple(NamedTuple):
    """One thing for each of the four functions of a linear solve."""

    matvec: Any
    vecmat: Any
    solve: Any
    transpose_solve: Any

    def transposed(self) -> _LinearSolveTuple:
        return _LinearSolveTuple(self.vecmat, self.matvec, self.transpose_solve, self.solve)


LinearSolveTuple = _LinearSolveTuple  # its name is part of the printed equation

linear_solve_p = Primitive("custom_linear_solve", multiple_results=True)


def split_operands(args: Sequence[Any], lengths: _LinearSolveTuple) -> tuple[_LinearSolveTuple, list[Any]]:
    """The constants of each function, and b."""
    parts, start = [], 0
    for count in lengths:
        parts.append(list(args[start : start + count]))
        start += count
    return _LinearSolveTuple(*parts), list(args[start:])


def _joined(consts: _LinearSolveTuple, b: Sequence[Any]) -> list[Any]:
    return [x for part in consts for x in part] + list(b)


def _run(program: ClosedJaxpr, *args: Any) -> list[Any]:
    return evaluate(program.jaxpr, program.consts, *args)


def _value(*args: Any, const_lengths: _LinearSolveTuple, jaxprs: _LinearSolveTuple) -> list[Any]:
    consts, b = split_operands(args, const_lengths)
    return _run(jaxprs.solve, *consts.solve, *b)


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list, list]:
    """A dx = db - dA x."""
    lengths, jaxprs = params["const_lengths"], params["jaxprs"]
    consts, b = split_operands(primals, lengths)
    const_tangents, rhs = split_operands(tangents, lengths)
    outs = linear_solve_p.bind(*primals, **params)
    x, aux = outs[: len(b)], outs[len(b) :]
    if any(type(t) is not Zero for t in const_tangents.matvec):
        fixed = [*const_tangents.matvec, *map(Zero.of, x)]
        run = lambda *xs: _run(jaxprs.matvec, *xs)  # noqa: E731
        moved = jvp_flat(run, [*consts.matvec, *x], fixed)[1]
        rhs = [
            db if type(dax) is Zero else add_tangents(db, neg_p.bind(dax))
            for db, dax in zip(rhs, moved, strict=True)
        ]
    if all(type(t) is Zero for t in rhs):
        return outs, [Zero.of(y) for y in outs]
    found = linear_solve_p.bind(*_joined(consts, map(instantiate, rhs)), **params)
    return outs, [*found[: len(b)], *[Zero.of(y) for y in aux]]


def _transpose(cts: Sequence[Any], *args: Any, **params: Any) -> list[Any]:
    lengths, jaxprs = params["const_lengths"], params["jaxprs"]
    if jaxprs.transpose_solve is None:
        raise TypeError(
            "transpose_solve required for backwards mode automatic differentiation of custom_linear_solve: pass a "
            "function that solves with the transposed operator, or symmetric=True."
        )
    consts, b = split_operands(args, lengths)
    if any(map(is_undefined, _joined(consts, ()))):
        raise NotImplementedError("custom_linear_solve is linear in b only, not in the operator.")
    given = cts[: len(b)]
    if all(type(ct) is Zero for ct in given):
        return [None] * len(args)
    swapped = {"const_lengths": lengths.transposed(), "jaxprs": jaxprs.transposed()}
    found = linear_solve_p.bind(*_joined(consts.transposed(), map(instantiate, given)), **swapped)
    return [None] * sum(lengths) + list(found[: len(b)])


def _batch(size: int, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> tuple[list, list]:
    """Every example is its own equation: b and x are batched, and what operators close over may be."""
    lengths, jaxprs = params["const_lengths"], params["jaxprs"]
    const_dims, b_dims = split_operands(dims, lengths)
    consts, b = split_operands(args, lengths)

    def batched(program: ClosedJaxpr | None, own: Sequence[int | None]) -> ClosedJaxpr | None:
        if program is None:
            return None
        inner, out_dims = batch_jaxpr(program, size, (*own, *[0] * len(b)))
        if all(d == 0 for d in out_dims):
            return inner
        avals = inner.in_avals
        return stage(
            lambda *xs: [place_axis(y, d, size, 0) for y, d in zip(_run(inner, *xs), out_dims, strict=True)],
            avals,
        )

    programs = _LinearSolveTuple(*map(batched, jaxprs, const_dims))
    placed = [place_axis(x, d, size, 0) for x, d in zip(b, b_dims, strict=True)]
    outs = linear_solve_p.bind(*_joined(consts, placed), const_lengths=lengths, jaxprs=programs)
    return outs, [0] * len(outs)


linear_solve_p.abstract = lambda *_, const_lengths, jaxprs: jaxprs.solve.out_avals
linear_solve_p.impl = linear_solve_p.expand = _value
linear_solve_p.jvp = _jvp
linear_solve_p.transpose = _transpose
linear_solve_p.batch = _batch
linear_solve_p.print_params = lambda eqn: {name: str(value) for name, value in sorted(eqn.params.items())}
