"""Factorisations and triangular systems in native code: cholesky, triangular_solve, lu, lu_solve, log_determinant.

The leading axes of every operand count matrices. Up to ``UNROLLED`` rows all steps are written out for one matrix, with the
loop over matrices as the vector loop. Derivatives are those of M. Giles, "Collected matrix derivative results for forward
and reverse mode algorithmic differentiation" (2008).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._kernel.rules import Loops, Pull, Routine
from jitney._ops import elementwise as ew
from jitney._ops import indexing, lapack_plans, raw
from jitney._ops.families import check_same_dtype
from jitney._ops.matrices import (
    INT32,
    UNROLLED,
    adjoint,
    are_small,
    batch_leading,
    check_matrices,
    count_matrices,
    diagonal,
    eye,
    index_mask,
    lanes,
    matmul,
    matrices_of,
    read_matrix,
    transposed,
    tril,
    triu,
)

# -- cholesky ---------------------------------------------------------------------------------------------

cholesky_p = Primitive("cholesky")


def _cholesky_abstract(x: ShapedArray, symmetric: bool = False) -> ShapedArray:
    check_matrices("cholesky", x)
    return shaped_array(x.shape, x.dtype)


def _np_cholesky(x: Any, symmetric: bool = False) -> Any:
    """Of matrices that are not positive definite: nan; above the diagonal 0."""
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        out = np.full(matrices_of(x).shape, np.tril(np.full(x.shape[-2:], np.nan, x.dtype)))
        for k, matrix in enumerate(matrices_of(x)):
            try:
                out[k] = np.linalg.cholesky(matrix)
            except np.linalg.LinAlgError:
                continue
        return out.reshape(x.shape)


def _cholesky_loops(b: Any, outs: Any, ins: Any, symmetric: bool = False) -> None:
    (out,), (x,) = outs, ins
    n = x.shape[-1]
    if not n:
        return
    with lanes(b, count_matrices(x)) as lane:
        low: list[list[Any]] = [[None] * n for _ in range(n)]
        for j in range(n):
            for i in range(j, n):
                rest = b.load(x, lane * (n * n) + (i * n + j))
                for k in range(j):
                    rest = b.sub(rest, b.mul(low[i][k], low[j][k]))
                if i == j:
                    low[j][j] = b.sqrt(rest)
                    inverse = b.div(b.like(1, rest), low[j][j])
                else:
                    low[i][j] = b.mul(rest, inverse)
        # A pivot that is not positive makes the last one nan or 0.
        last = low[n - 1][n - 1]
        valid, zero, nan = b.lt(b.like(0, last), last), b.like(0, last), b.like(math.nan, last)
        for i in range(n):
            for j in range(n):
                value = b.select(valid, low[i][j], nan) if j <= i else zero
                b.store(out, lane * (n * n) + (i * n + j), value)


def _cholesky_jvp(primals: Any, tangents: Any, symmetric: bool = False) -> tuple[Any, Any]:
    (x,), (g,) = primals, tangents
    low = cholesky_p.bind(x, **({"symmetric": True} if symmetric else {}))
    aval = get_aval(x)
    if symmetric and aval.shape[-1] > UNROLLED and aval.dtype.kind == "f":
        return low, cholesky_tangent_p.bind(low, g)
    return low, cholesky_tangent(low, g)


def cholesky_tangent(low: Any, g: Any) -> Any:
    """``L phi(L^-1 dA L^-H)``; phi takes the lower triangle and half of the diagonal."""
    inner = triangular_solve(low, g, left_side=False, transpose_a=True, conjugate_a=True, lower=True)
    inner = triangular_solve(low, inner, left_side=True, lower=True)
    return matmul(low, ew.mul(_half_lower(inner), inner))


def _half_lower(x: Any) -> Any:
    """1 below the diagonal, 1/2 on it."""
    shape, dtype = get_aval(x).shape, get_aval(x).dtype
    half, one, zero = (raw.full(shape, value, dtype) for value in (0.5, 1, 0))
    return raw.select(index_mask(shape, ew.eq), half, raw.select(index_mask(shape, ew.gt), one, zero))


def _cholesky_back(low: Any, ct: Any) -> Any:
    """The transpose of that, made symmetric: of ``L^-T phi(L^T ct) L^-1``."""
    inner = matmul(transposed(low), ct)
    inner = ew.mul(_half_lower(inner), inner)
    inner = triangular_solve(low, inner, left_side=True, transpose_a=True, lower=True)
    inner = triangular_solve(low, inner, left_side=False, lower=True)
    return ew.mul(
        ew.add(inner, transposed(inner)), raw.full(get_aval(inner).shape, 0.5, get_aval(inner).dtype)
    )


# The derivative where only the symmetric part of the matrix counts, so that its cotangent may be any with the same
# symmetric part; that needs a fraction of the operations of the formula above, step by step.
cholesky_tangent_p = Primitive("cholesky_tangent")
cholesky_tangent_p.abstract = lambda low, g: shaped_array(low.shape, low.dtype)
cholesky_tangent_p.expand = cholesky_tangent
cholesky_tangent_p.transpose = lambda ct, low, g: [None, cholesky_back_p.bind(low, ct)]
cholesky_tangent_p.batch = batch_leading(cholesky_tangent_p)

cholesky_back_p = Primitive("cholesky_back")
cholesky_back_p.abstract = lambda low, ct: shaped_array(low.shape, low.dtype)
cholesky_back_p.expand = _cholesky_back
cholesky_back_p.lower = Routine(lapack_plans.cholesky_back)
cholesky_back_p.batch = batch_leading(cholesky_back_p)

cholesky_p.abstract = _cholesky_abstract
cholesky_p.numpy = _np_cholesky
cholesky_p.may_warn = True
cholesky_p.jvp = _cholesky_jvp
cholesky_p.batch = batch_leading(cholesky_p)
cholesky_p.lower = Loops(_cholesky_loops, are_small, otherwise=Routine(lapack_plans.cholesky, True))

# -- triangular_solve -------------------------------------------------------------------------------------

triangular_solve_p = Primitive("triangular_solve")


def triangular_solve(
    a: Any,
    b: Any,
    *,
    left_side: bool = False,
    lower: bool = False,
    transpose_a: bool = False,
    conjugate_a: bool = False,
    unit_diagonal: bool = False,
) -> Any:
    """``op(a)^-1 b`` (left side) or ``b op(a)^-1`` of triangular ``a`` with equal leading axes."""
    return triangular_solve_p.bind(
        a,
        b,
        left_side=left_side,
        lower=lower,
        transpose_a=transpose_a,
        conjugate_a=conjugate_a and get_aval(a).dtype.kind == "c",
        unit_diagonal=unit_diagonal,
    )


def _triangular_abstract(a: ShapedArray, b: ShapedArray, *, left_side: bool, **params: Any) -> ShapedArray:
    check_matrices("triangular_solve", a)
    check_same_dtype("triangular_solve", [a, b])
    if a.ndim != b.ndim or a.shape[:-2] != b.shape[:-2]:
        raise TypeError(
            f"triangular_solve requires both arguments to have the same number of dimensions and equal batch "
            f"dimensions, got shapes {a.shape} and {b.shape}."
        )
    if b.shape[-2 if left_side else -1] != a.shape[-1]:
        side = "left" if left_side else "right"
        raise ValueError(f"triangular_solve on the {side} side: shapes {a.shape} and {b.shape} do not fit.")
    return shaped_array(b.shape, b.dtype)


def _np_triangular(
    a: Any, b: Any, *, left_side: bool, lower: bool, transpose_a: bool, conjugate_a: bool, unit_diagonal: bool
) -> Any:
    from scipy.linalg import get_blas_funcs

    if b.size == 0:
        return np.zeros_like(b)
    (trsm,) = get_blas_funcs(("trsm",), (a, b))
    trans = 2 if transpose_a and conjugate_a else 1 if transpose_a else 0
    a = np.conj(a) if conjugate_a and not transpose_a else a
    solved = [
        trsm(1, p, q, side=not left_side, lower=lower, trans_a=trans, diag=unit_diagonal)
        for p, q in zip(matrices_of(a), matrices_of(b), strict=True)
    ]
    return np.stack(solved).reshape(b.shape)


def _triangular_loops(
    b: Any,
    outs: Any,
    ins: Any,
    *,
    left_side: bool,
    lower: bool,
    transpose_a: bool,
    conjugate_a: bool,
    unit_diagonal: bool,
) -> None:
    (out,), (a, rhs) = outs, ins
    n = a.shape[-1]
    rows, columns = rhs.shape[-2:]
    others = columns if left_side else rows
    # op(a) x = rhs, and x op(a) = rhs as op(a)^T x^T = rhs^T
    swap = transpose_a != (not left_side)
    first = range(n) if lower != swap else range(n - 1, -1, -1)

    def solve(lane: Any, other: Any) -> None:
        place = (
            (lambda k: lane * (n * others) + other + k * others)
            if left_side
            else (lambda k: lane * (n * others) + other * n + k)
        )
        entry = lambda i, j: b.load(a, lane * (n * n) + ((j * n + i) if swap else (i * n + j)))  # noqa: E731
        done: list[int] = []
        x: dict[int, Any] = {}
        for i in first:
            rest = b.load(rhs, place(i))
            for j in done:
                rest = b.sub(rest, b.mul(entry(i, j), x[j]))
            x[i] = rest if unit_diagonal else b.div(rest, entry(i, i))
            done.append(i)
        for i in range(n):
            b.store(out, place(i), x[i])

    _over_systems(b, count_matrices(a), others, solve)


def _over_systems(b: Any, count: int, others: int, solve: Callable[[Any, Any], None]) -> None:
    """``solve(matrix, right-hand side)`` for all: the longer of both loops is the vector loop."""
    if not count * others:
        return
    if count == 1:
        with lanes(b, others) as other:
            solve(0, other)
    elif others <= UNROLLED:
        with lanes(b, count) as lane:
            for other in range(others):
                solve(lane, other)
    else:
        with b.loop(count) as lane, lanes(b, others) as other:
            solve(lane, other)


def _few_columns(in_avals: Any, **params: Any) -> bool:
    return in_avals[0].shape[-1] <= UNROLLED


def _triangular_jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    (a, b), (ga, gb) = primals, tangents
    ans = triangular_solve_p.bind(a, b, **params)
    total: Any = Zero.of(ans)
    if type(gb) is not Zero:
        total = triangular_solve_p.bind(a, gb, **params)
    if type(ga) is not Zero:
        change = _triangle(ga, params)
        change = transposed(change) if params["transpose_a"] else change
        change = ew.conj(change) if params["conjugate_a"] else change
        moved = matmul(change, ans) if params["left_side"] else matmul(ans, change)
        total = raw.add_tangents(total, triangular_solve_p.bind(a, ew.neg(moved), **params))
    return ans, total


def _triangle(x: Any, params: dict[str, Any]) -> Any:
    """The part of a tangent that the solution depends on."""
    inner = int(params["unit_diagonal"])
    return tril(x, -inner) if params["lower"] else triu(x, inner)


def _triangular_transpose(ct: Any, a: Any, b: Any, *, transpose_a: bool, **params: Any) -> list[Any]:
    return [None, triangular_solve_p.bind(a, ct, transpose_a=not transpose_a, **params)]


def _triangular_batch(size: int, args: Any, dims: Any, *, left_side: bool, **params: Any) -> tuple[Any, int]:
    (a, b), (da, db) = args, dims
    if da is None and get_aval(a).ndim == 2:  # more right-hand sides of one matrix
        return _folded(
            lambda x: triangular_solve_p.bind(a, x, left_side=left_side, **params), b, db, left_side
        )
    return batch_leading(triangular_solve_p)(size, args, dims, left_side=left_side, **params)


def _folded(solve: Callable[[Any], Any], b: Any, dim: int, left_side: bool) -> tuple[Any, int]:
    """Solve for a batch ``[n, size, m]`` (right side: ``[size, m, n]``) of right-hand sides as one matrix."""
    at = 1 if left_side else 0
    b = raw.move_axis(b, dim, at)
    shape = get_aval(b).shape
    n = shape[0] if left_side else shape[-1]
    rest = math.prod(shape) // max(n, 1)
    out = solve(raw.reshape(b, (n, rest) if left_side else (rest, n)))
    return raw.reshape(out, shape), at


triangular_solve_p.abstract = _triangular_abstract
triangular_solve_p.numpy = _np_triangular
triangular_solve_p.may_warn = True
triangular_solve_p.jvp = _triangular_jvp
triangular_solve_p.transpose = _triangular_transpose
triangular_solve_p.batch = _triangular_batch
triangular_solve_p.lower = Loops(
    _triangular_loops, _few_columns, otherwise=Routine(lapack_plans.triangular_solve, True)
)

# -- lu ---------------------------------------------------------------------------------------------------

lu_p = Primitive("lu", multiple_results=True)


def _lu_abstract(x: ShapedArray) -> list[ShapedArray]:
    check_matrices("lu", x, square=False)
    *batch, m, n = x.shape
    return [
        shaped_array(x.shape, x.dtype),
        shaped_array((*batch, min(m, n)), INT32),
        shaped_array((*batch, m), INT32),
    ]


def _np_lu(x: Any) -> list[Any]:
    from scipy.linalg import get_lapack_funcs

    *batch, m, n = x.shape
    out = np.zeros((math.prod(batch), m, n), x.dtype)
    pivots = np.zeros((len(out), min(m, n)), INT32)
    permutations = np.tile(np.arange(m, dtype=INT32), (len(out), 1))
    if x.size:
        (getrf,) = get_lapack_funcs(("getrf",), (x,))
        for k, matrix in enumerate(matrices_of(x)):
            out[k], pivots[k], _ = getrf(matrix)
            for i, p in enumerate(pivots[k]):
                permutations[k, [i, p]] = permutations[k, [p, i]]
    return [out.reshape(x.shape), pivots.reshape((*batch, min(m, n))), permutations.reshape((*batch, m))]


def _lu_loops(b: Any, outs: Any, ins: Any) -> None:
    """Gaussian elimination; rows change places by selects."""
    (out, pivots, permutation), (x,) = outs, ins
    m, n = x.shape[-2:]
    if not m * n:
        return
    i32 = lambda k: b.const(k, INT32)  # noqa: E731
    with lanes(b, count_matrices(x)) as lane:
        rows = read_matrix(b, x, lane)
        order = [i32(i) for i in range(m)]
        for k in range(min(m, n)):
            chosen = _pivot(b, rows, order, k)
            b.store(pivots, lane * min(m, n) + k, chosen)
            pivot = rows[k][k]
            regular = b.ne(pivot, b.like(0, pivot))
            inverse = b.div(b.like(1, pivot), b.select(regular, pivot, b.like(1, pivot)))
            for i in range(k + 1, m):
                rows[i][k] = b.mul(rows[i][k], inverse)
                for j in range(k + 1, n):
                    rows[i][j] = b.sub(rows[i][j], b.mul(rows[i][k], rows[k][j]))
        for i in range(m):
            b.store(permutation, lane * m + i, order[i])
            for j in range(n):
                b.store(out, lane * (m * n) + (i * n + j), rows[i][j])


def _pivot(b: Any, rows: list[list[Any]], order: list[Any], k: int) -> Any:
    """Bring the row of greatest ``|rows[i][k]|``, ``i >= k``, to place ``k``; gives its number."""
    chosen, greatest = b.const(k, INT32), b.abs(rows[k][k])
    for i in range(k + 1, len(rows)):
        size = b.abs(rows[i][k])
        greater = b.lt(greatest, size)
        chosen = b.select(greater, b.const(i, INT32), chosen)
        greatest = b.select(greater, size, greatest)
    old, old_place = rows[k], order[k]
    new, new_place = list(old), old_place
    for i in range(k + 1, len(rows)):
        here = b.eq(chosen, b.const(i, INT32))
        new = [b.select(here, x, y) for x, y in zip(rows[i], new, strict=True)]
        new_place = b.select(here, order[i], new_place)
        rows[i] = [b.select(here, x, y) for x, y in zip(old, rows[i], strict=True)]
        order[i] = b.select(here, old_place, order[i])
    rows[k], order[k] = new, new_place
    return chosen


def unpack_lu(lu: Any) -> tuple[Any, Any]:
    """The unit lower and the upper factor, ``[m, k]`` and ``[k, n]`` with ``k = min(m, n)``."""
    *batch, m, n = get_aval(lu).shape
    k = min(m, n)
    left = lu if n == k else raw.slice_(lu, [0] * (len(batch) + 2), (*batch, m, k))
    low = ew.add(tril(left, -1), eye((*batch, m, k), get_aval(lu).dtype))
    return low, triu(lu if m == k else raw.slice_(lu, [0] * (len(batch) + 2), (*batch, k, n)))


def permute_rows(x: Any, permutation: Any) -> Any:
    """Rows of matrices in a new order."""
    rank = get_aval(x).ndim
    shape = get_aval(x).shape
    if not get_aval(x).size:
        return x
    places = raw.broadcast_in_dim(permutation, shape, tuple(range(rank - 1)))
    return indexing.take_along_axis(x, places, rank - 2)


def _block(x: Any, rows: tuple[int, int], columns: tuple[int, int]) -> Any:
    batch = get_aval(x).shape[:-2]
    zeros = [0] * len(batch)
    return raw.slice_(x, (*zeros, rows[0], columns[0]), (*batch, rows[1], columns[1]))


def _lu_jvp(primals: Any, tangents: Any) -> tuple[list, list]:
    """``dL = L tril(F, -1)``, ``dU = triu(F) U`` of ``F = L^-1 P dA U^-1`` in the square leading block.

    Of the rows below it ``dA = dL U + L dU``, and of the columns behind it likewise.
    """
    (x,), (g,) = primals, tangents
    lu, pivots, permutation = lu_p.bind(x)
    m, n = get_aval(x).shape[-2:]
    k = min(m, n)
    g = permute_rows(g, permutation)
    low, up = unpack_lu(lu)
    low_k, up_k = (low, up) if m == n else (_block(low, (0, k), (0, k)), _block(up, (0, k), (0, k)))
    from_left = lambda y: triangular_solve(low_k, y, left_side=True, lower=True, unit_diagonal=True)  # noqa: E731
    from_right = lambda y: triangular_solve(up_k, y, left_side=False, lower=False)  # noqa: E731
    inner = from_right(from_left(g if m == n else _block(g, (0, k), (0, k))))
    d_low, d_up = matmul(low_k, tril(inner, -1)), matmul(triu(inner), up_k)
    total = ew.add(d_low, d_up)
    rank = get_aval(x).ndim
    if m > k:
        below = ew.sub(_block(g, (k, m), (0, k)), matmul(_block(low, (k, m), (0, k)), d_up))
        total = raw.concatenate([total, from_right(below)], rank - 2)
    if n > k:
        behind = ew.sub(_block(g, (0, k), (k, n)), matmul(d_low, _block(up, (0, k), (k, n))))
        total = raw.concatenate([total, from_left(behind)], rank - 1)
    return [lu, pivots, permutation], [total, Zero.of(pivots), Zero.of(permutation)]


lu_p.abstract = _lu_abstract
lu_p.numpy = _np_lu
lu_p.jvp = _lu_jvp
lu_p.batch = batch_leading(lu_p)
lu_p.lower = Loops(_lu_loops, are_small, otherwise=Routine(lapack_plans.lu, True))


def _pivots_abstract(pivots: ShapedArray, *, permutation_size: int) -> ShapedArray:
    if pivots.dtype != INT32:
        raise TypeError(f"lu_pivots_to_permutation requires int32 pivots, got {pivots.str_short()}.")
    if pivots.ndim < 1 or permutation_size < pivots.shape[-1]:
        raise ValueError(
            f"lu_pivots_to_permutation: a permutation of {permutation_size} rows has not as many exchanges as "
            f"pivots of shape {pivots.shape}."
        )
    return shaped_array((*pivots.shape[:-1], permutation_size), INT32)


def _np_pivots(pivots: Any, *, permutation_size: int) -> Any:
    rows = np.clip(pivots.reshape((math.prod(pivots.shape[:-1]), pivots.shape[-1])), 0, permutation_size - 1)
    out = np.tile(np.arange(permutation_size, dtype=INT32), (len(rows), 1))
    for order, swaps in zip(out, rows, strict=True):
        for i, p in enumerate(swaps):
            order[[i, p]] = order[[p, i]]
    return out.reshape((*pivots.shape[:-1], permutation_size))


def _pivots_loops(b: Any, outs: Any, ins: Any, *, permutation_size: int) -> None:
    """Begin with the rows in their order and exchange as the pivots say."""
    (out,), (pivots,) = outs, ins
    n, steps, count = permutation_size, pivots.shape[-1], math.prod(pivots.shape[:-1])
    if not n * count:
        return
    with b.loop(count) as lane:
        with b.loop(n, "vector") as i:
            b.store(out, lane * n + i, b.index_value(i, INT32))
        if not steps:
            return
        with b.loop(steps) as i:
            other = b.to_index(b.load(pivots, lane * steps + i), 0, n - 1)
            here, there = b.load(out, lane * n + i), b.load(out, lane * n + other)
            b.store(out, lane * n + i, there)
            b.store(out, lane * n + other, here)


lu_pivots_to_permutation_p = Primitive("lu_pivots_to_permutation")
lu_pivots_to_permutation_p.abstract = _pivots_abstract
lu_pivots_to_permutation_p.numpy = _np_pivots
lu_pivots_to_permutation_p.batch = batch_leading(lu_pivots_to_permutation_p)
lu_pivots_to_permutation_p.lower = Loops(_pivots_loops)

# -- lu_solve ---------------------------------------------------------------------------------------------

# Solves with a factorisation in hand. The matrix itself is an operand, of which derivatives are taken: they need
# no derivative of the factorisation, and further solves only.
lu_solve_p = Primitive("lu_solve")


def lu_solve(a: Any, lu: Any, permutation: Any, b: Any, trans: int = 0) -> Any:
    """``op(a)^-1 b``; ``trans``: 0 for ``a``, 1 for its transpose, 2 for its adjoint."""
    if trans == 2 and get_aval(a).dtype.kind != "c":
        trans = 1
    return lu_solve_p.bind(a, lu, permutation, b, trans=trans)


def _lu_solve_abstract(
    a: ShapedArray, lu: ShapedArray, permutation: ShapedArray, b: ShapedArray, *, trans: int
) -> ShapedArray:
    check_matrices("lu_solve", a)
    check_same_dtype("lu_solve", [a, lu, b])
    if not (a.shape == lu.shape and a.shape[:-2] == b.shape[:-2] and a.shape[:-1] == permutation.shape):
        raise TypeError(
            f"lu_solve: shapes {a.shape}, {lu.shape}, {permutation.shape} and {b.shape} do not fit together."
        )
    if b.shape[-2] != a.shape[-1]:
        raise TypeError(
            f"lu_solve: matrix of shape {a.shape} and right-hand side of shape {b.shape} do not fit."
        )
    return shaped_array(b.shape, b.dtype)


def _np_lu_solve(a: Any, lu: Any, permutation: Any, b: Any, *, trans: int) -> Any:
    from scipy.linalg import get_blas_funcs

    if b.size == 0:
        return np.zeros_like(b)
    (trsm,) = get_blas_funcs(("trsm",), (lu, b))
    solved = []
    orders = permutation.reshape(-1, permutation.shape[-1])
    for f, order, y in zip(matrices_of(lu), orders, matrices_of(b), strict=True):
        if trans == 0:
            x = trsm(1, f, trsm(1, f, y[order], lower=True, diag=True))
        else:
            x = np.empty_like(y)
            x[order] = trsm(1, f, trsm(1, f, y, trans_a=trans), lower=True, diag=True, trans_a=trans)
        solved.append(x)
    return np.stack(solved).reshape(b.shape)


def _lu_solve_loops(b: Any, outs: Any, ins: Any, *, trans: int) -> None:
    (out,), (_, lu, permutation, rhs) = outs, ins
    n, others = rhs.shape[-2:]

    def solve(lane: Any, other: Any) -> None:
        entry = lambda i, j: b.load(lu, lane * (n * n) + (i * n + j))  # noqa: E731
        place = lambda i: lane * (n * others) + i * others + other  # noqa: E731
        given = [b.load(rhs, place(i)) for i in range(n)]
        order = [b.load(permutation, lane * n + i) for i in range(n)]
        if trans == 0:
            x = [_chosen(b, order[i], given) for i in range(n)]
            _substitute(b, x, entry, range(n), True)
            _substitute(b, x, entry, range(n - 1, -1, -1), False)
        else:
            flipped = lambda i, j: entry(j, i)  # noqa: E731
            _substitute(b, given, flipped, range(n), False)
            _substitute(b, given, flipped, range(n - 1, -1, -1), True)
            x = []
            for i in range(n):
                value = given[0]
                for k in range(1, n):
                    value = b.select(b.eq(order[k], b.const(i, INT32)), given[k], value)
                x.append(value)
        for i in range(n):
            b.store(out, place(i), x[i])

    _over_systems(b, count_matrices(lu), others, solve)


def _chosen(b: Any, number: Any, values: list[Any]) -> Any:
    """``values[number]``."""
    value = values[0]
    for k in range(1, len(values)):
        value = b.select(b.eq(number, b.const(k, INT32)), values[k], value)
    return value


def _substitute(b: Any, x: list[Any], entry: Callable[..., Any], order: Any, unit: bool) -> None:
    """Solve a triangular system in place."""
    done: list[int] = []
    for i in order:
        for j in done:
            x[i] = b.sub(x[i], b.mul(entry(i, j), x[j]))
        if not unit:
            x[i] = b.div(x[i], entry(i, i))
        done.append(i)


def _lu_solve_jvp(primals: Any, tangents: Any, *, trans: int) -> tuple[Any, Any]:
    a, lu, permutation, b = primals
    ga, _, _, gb = tangents
    x = lu_solve_p.bind(a, lu, permutation, b, trans=trans)
    total: Any = gb
    if type(ga) is not Zero:
        change = ga if trans == 0 else transposed(ga) if trans == 1 else adjoint(ga)
        total = raw.add_tangents(total, ew.neg(matmul(change, x)))
    if type(total) is Zero:
        return x, Zero.of(x)
    return x, lu_solve_p.bind(a, lu, permutation, total, trans=trans)


def _lu_solve_transpose(ct: Any, a: Any, lu: Any, permutation: Any, b: Any, *, trans: int) -> list[Any]:
    if trans == 2:
        out = ew.conj(lu_solve_p.bind(a, lu, permutation, ew.conj(ct), trans=0))
    else:
        out = lu_solve_p.bind(a, lu, permutation, ct, trans=1 - trans)
    return [None, None, None, out]


def _lu_solve_batch(size: int, args: Any, dims: Any, *, trans: int) -> tuple[Any, int]:
    a, lu, permutation, b = args
    if dims[:3] == [None] * 3 and get_aval(a).ndim == 2:
        solve = lambda x: lu_solve_p.bind(a, lu, permutation, x, trans=trans)  # noqa: E731
        return _folded(solve, b, dims[3], True)
    return batch_leading(lu_solve_p)(size, args, dims, trans=trans)


lu_solve_p.abstract = _lu_solve_abstract
lu_solve_p.numpy = _np_lu_solve
lu_solve_p.may_warn = True
lu_solve_p.jvp = _lu_solve_jvp
lu_solve_p.transpose = _lu_solve_transpose
lu_solve_p.batch = _lu_solve_batch
lu_solve_p.lower = Loops(_lu_solve_loops, _few_columns, otherwise=Routine(lapack_plans.lu_solve, True))

# -- log_determinant --------------------------------------------------------------------------------------

# The logarithm of a real determinant that was found from the factors: the same number, with its derivative
# tr(A^-1 dA) by the factors in hand.
log_determinant_p = Primitive("log_determinant")


def _log_determinant_abstract(value: ShapedArray, a: ShapedArray, *factors: ShapedArray) -> ShapedArray:
    check_matrices("log_determinant", a)
    if value.shape != a.shape[:-2]:
        raise TypeError(f"log_determinant: shapes {value.shape} and {a.shape} do not fit together.")
    return shaped_array(value.shape, value.dtype)


def _log_determinant_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    value, a, lu, permutation = primals
    out = log_determinant_p.bind(value, a, lu, permutation)
    total: Any = tangents[0]
    if type(tangents[1]) is not Zero:
        trace = raw.reduce_sum(diagonal(lu_solve(a, lu, permutation, tangents[1])), (get_aval(value).ndim,))
        total = raw.add_tangents(total, trace)
    return out, Zero.of(out) if type(total) is Zero else total


log_determinant_p.abstract = _log_determinant_abstract
log_determinant_p.numpy = lambda value, a, lu, permutation: value
log_determinant_p.jvp = _log_determinant_jvp
log_determinant_p.batch = batch_leading(log_determinant_p)
log_determinant_p.lower = Pull(lambda b, idx, value, a, lu, permutation: value.read(idx))


__all__ = sorted(name for name in globals() if name.endswith("_p"))
