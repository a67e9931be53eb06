"""Equations and functions of structured matrices: tridiagonal_solve, sylvester, roots and functions of triangular ones;
cholesky_update, symmetric_product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._kernel.rules import Routine
from jitney._ops import condensed_plans, matrices, raw
from jitney._ops import elementwise as ew
from jitney._ops import linear_algebra as la
from jitney._ops.condensed import each_matrix, lapack, schur_p
from jitney._ops.families import check_same_dtype

# What only follows a Schur form, whose derivative would be asked for first.
_OF_SCHUR = "it works on Schur forms, which are not unique and have no derivative"

# -- tridiagonal systems ----------------------------------------------------------------------------------

tridiagonal_solve_p = Primitive("tridiagonal_solve")


def _tridiagonal_abstract(
    dl: ShapedArray, d: ShapedArray, du: ShapedArray, b: ShapedArray, *, perturb_singular: bool
) -> ShapedArray:
    check_same_dtype("tridiagonal_solve", [dl, d, du, b])
    if b.ndim < 2 or d.ndim < 1:
        raise TypeError(
            f"tridiagonal_solve requires right-hand sides of two axes or more, got shapes {d.shape}, {b.shape}."
        )
    if d.dtype not in matrices.FLOATS:
        raise TypeError(
            f"tridiagonal_solve does not accept dtype {d.dtype.name}: convert to a float or complex type."
        )
    if not dl.shape == d.shape == du.shape:
        raise TypeError(
            f"tridiagonal_solve requires diagonals of one shape, got {dl.shape}, {d.shape} and {du.shape}."
        )
    if d.shape != b.shape[:-1]:
        raise TypeError(
            f"tridiagonal_solve: diagonals of shape {d.shape} and right-hand sides of shape {b.shape} do not fit: "
            "all axes but the last one must be equal."
        )
    return shaped_array(b.shape, b.dtype)


def _np_tridiagonal(dl: Any, d: Any, du: Any, b: Any, *, perturb_singular: bool) -> Any:
    def one(low: Any, mid: Any, high: Any, x: Any) -> Sequence[Any]:
        if not perturb_singular and len(mid) > 1:
            *_, out, info = lapack("gtsv", mid)(low[1:], mid, high[:-1], x)
            return [np.full(x.shape, np.nan, x.dtype) if info else out]
        return [_eliminated(low, mid.copy(), high.copy(), x.copy(), perturb_singular)]

    return each_matrix(one, [(b.shape[-2:], b.dtype)], b.shape[:-2], dl, d, du, b)[0]


def _eliminated(low: Any, d: Any, u: Any, x: Any, perturb: bool) -> Any:
    """The solution, step by step; a pivot of 0 becomes a tiny number, or the result nan."""
    n, v = len(d), np.zeros_like(d)
    tiny = 2 * np.finfo(d.dtype).tiny if perturb else np.nan
    u[-1] = 0
    for i in range(n):
        if i + 1 < n and abs(d[i]) < abs(low[i + 1]):
            below, d[i], u[i], d[i + 1] = d[i], low[i + 1], d[i + 1], u[i]
            v[i], u[i + 1] = u[i + 1], 0
            x[[i, i + 1]] = x[[i + 1, i]]
        elif i + 1 < n:
            below = low[i + 1]
        d[i] = tiny if d[i] == 0 else d[i]
        if i + 1 < n:
            factor = below / d[i]
            d[i + 1] -= factor * u[i]
            u[i + 1] -= factor * v[i]
            x[i + 1] -= factor * x[i]
    for i in reversed(range(n)):
        if i + 1 < n:
            x[i] -= u[i] * x[i + 1]
        if i + 2 < n:
            x[i] -= v[i] * x[i + 2]
        x[i] /= d[i]
    return x


def _shifted(x: Any, by: int) -> Any:
    """``x`` along its last axis from ``by`` on (or before), zeros behind (before)."""
    shape = get_aval(x).shape
    return raw.pad(x, raw.full((), 0, get_aval(x).dtype), [(0, 0, 0)] * (len(shape) - 1) + [(-by, by, 0)])


def _times_tridiagonal(dl: Any, d: Any, du: Any, x: Any) -> Any:
    """The product with the matrix; any of the diagonals may be a ``Zero``."""
    total: Any = None
    for by, diagonal in ((-1, dl), (0, d), (1, du)):
        if type(diagonal) is Zero:
            continue
        rows = matrices.transposed(_shifted(matrices.transposed(x), by)) if by else x
        term = matrices.scaled(rows, diagonal, -2)
        total = term if total is None else ew.add(total, term)
    return total


def _tridiagonal_jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    dl, d, du, _ = primals
    x = tridiagonal_solve_p.bind(*primals, **params)
    total: Any = tangents[3]
    if any(type(t) is not Zero for t in tangents[:3]):
        total = raw.add_tangents(total, ew.neg(_times_tridiagonal(tangents[0], tangents[1], tangents[2], x)))
    return x, Zero.of(x) if type(total) is Zero else tridiagonal_solve_p.bind(dl, d, du, total, **params)


def _tridiagonal_transpose(ct: Any, dl: Any, d: Any, du: Any, b: Any, **params: Any) -> list[Any]:
    return [None] * 3 + [tridiagonal_solve_p.bind(_shifted(du, -1), d, _shifted(dl, 1), ct, **params)]


tridiagonal_solve_p.abstract = _tridiagonal_abstract
tridiagonal_solve_p.numpy = _np_tridiagonal
tridiagonal_solve_p.may_warn = True
tridiagonal_solve_p.jvp = _tridiagonal_jvp
tridiagonal_solve_p.transpose = _tridiagonal_transpose
tridiagonal_solve_p.batch = matrices.batch_leading(tridiagonal_solve_p)
tridiagonal_solve_p.lower = Routine(condensed_plans.tridiagonal_solve, True)

# -- Sylvester's equation ---------------------------------------------------------------------------------
# R. Bartels and G. Stewart, "Solution of the matrix equation AX + XB = C" (1972).

triangular_sylvester_p = Primitive("triangular_sylvester")
triangular_sylvester_p.abstract = lambda a, b, c: shaped_array(c.shape, c.dtype)


def _np_triangular_sylvester(a: Any, b: Any, c: Any) -> Any:
    def one(left: Any, right: Any, rhs: Any) -> Sequence[Any]:
        if not (np.isfinite(left).all() and np.isfinite(right).all()):
            return [np.full(rhs.shape, np.nan, rhs.dtype)]
        x, scale, _ = lapack("trsyl", left)(left, right, rhs)
        return [x / scale]

    return each_matrix(one, [(c.shape[-2:], c.dtype)], c.shape[:-2], a, b, c)[0]


triangular_sylvester_p.numpy = _np_triangular_sylvester
triangular_sylvester_p.may_warn = True
triangular_sylvester_p.no_derivative = _OF_SCHUR
triangular_sylvester_p.batch = matrices.batch_leading(triangular_sylvester_p)
triangular_sylvester_p.lower = Routine(condensed_plans.sylvester, True)

sylvester_p = Primitive("sylvester")


def _sylvester_abstract(a: ShapedArray, b: ShapedArray, c: ShapedArray, *, tol: float) -> ShapedArray:
    matrices.check_matrices("sylvester", a)
    matrices.check_matrices("sylvester", b)
    return shaped_array(c.shape, c.dtype)


def _schur_eigenvalues(t: Any) -> tuple[Any, Any]:
    """Real parts, and the squares of imaginary ones with signs, of quasi-triangular matrices."""
    real = matrices.diagonal(t)
    if get_aval(t).dtype.kind == "c":
        return ew.real(real), ew.imag(real)
    flat = lambda x: raw.reduce_sum(x, (get_aval(x).ndim - 1,))  # noqa: E731
    shape = get_aval(t).shape
    below = matrices.where_else_zero(matrices.index_mask(shape, ew.eq, -1), t)
    above = matrices.transposed(matrices.where_else_zero(matrices.index_mask(shape, ew.eq, 1), t))
    size = ew.sqrt(ew.abs(ew.mul(below, above)))  # the imaginary part, at the place of the second of a pair
    return real, ew.sub(flat(matrices.transposed(size)), flat(size))


def _sylvester(a: Any, b: Any, c: Any, *, tol: float) -> Any:
    s, u = schur_p.bind(a, compute_schur_vectors=True)
    t, v = schur_p.bind(b, compute_schur_vectors=True)
    inner = matrices.matmul(matrices.matmul(matrices.adjoint(u), c), v)
    x = matrices.matmul(matrices.matmul(u, triangular_sylvester_p.bind(s, t, inner)), matrices.adjoint(v))
    shape = get_aval(c).shape
    batch = tuple(range(len(shape) - 2))
    sums = [
        ew.add(
            raw.broadcast_in_dim(p, shape, (*batch, len(batch))),
            raw.broadcast_in_dim(q, shape, (*batch, len(batch) + 1)),
        )
        for p, q in zip(_schur_eigenvalues(s), _schur_eigenvalues(t), strict=True)
    ]
    size = ew.add(ew.mul(sums[0], sums[0]), ew.mul(sums[1], sums[1]))
    singular = ew.lt(size, raw.full(shape, tol * tol, get_aval(size).dtype))
    count = raw.reduce_sum(ew.convert(singular, np.dtype(np.int32)), (len(shape) - 2, len(shape) - 1))
    any_ = raw.broadcast_in_dim(ew.gt(count, raw.full(shape[:-2], 0, np.dtype(np.int32))), shape, batch)
    return raw.select(any_, raw.full(shape, math.nan, get_aval(x).dtype), x)


def _sylvester_jvp(primals: Any, tangents: Any, *, tol: float) -> tuple[Any, Any]:
    a, b, _ = primals
    ga, gb, total = tangents
    x = sylvester_p.bind(*primals, tol=tol)
    if type(ga) is not Zero:
        total = raw.add_tangents(total, ew.neg(matrices.matmul(ga, x)))
    if type(gb) is not Zero:
        total = raw.add_tangents(total, ew.neg(matrices.matmul(x, gb)))
    return x, Zero.of(x) if type(total) is Zero else sylvester_p.bind(a, b, total, tol=tol)


def _sylvester_transpose(ct: Any, a: Any, b: Any, c: Any, *, tol: float) -> list[Any]:
    return [None, None, sylvester_p.bind(matrices.transposed(a), matrices.transposed(b), ct, tol=tol)]


sylvester_p.abstract = _sylvester_abstract
sylvester_p.expand = _sylvester
sylvester_p.jvp = _sylvester_jvp
sylvester_p.transpose = _sylvester_transpose
sylvester_p.batch = matrices.batch_leading(sylvester_p)

# -- functions of triangular matrices ---------------------------------------------------------------------

triangular_sqrt_p = Primitive("triangular_sqrt")
triangular_sqrt_p.abstract = lambda t: shaped_array(t.shape, t.dtype)


def _np_triangular_sqrt(t: Any) -> Any:
    n, out = t.shape[-1], np.zeros_like(t)
    for i in range(n):
        out[..., i, i] = np.sqrt(t[..., i, i])
    for j in range(1, n):
        for i in reversed(range(j)):
            inner = (out[..., i, i + 1 : j] * out[..., i + 1 : j, j]).sum(-1)
            rest, total = t[..., i, j] - inner, out[..., i, i] + out[..., j, j]
            out[..., i, j] = np.where(rest == 0, 0, rest / total)
    return out


triangular_sqrt_p.numpy = _np_triangular_sqrt
triangular_sqrt_p.may_warn = True
triangular_sqrt_p.no_derivative = _OF_SCHUR
triangular_sqrt_p.batch = matrices.batch_leading(triangular_sqrt_p)
triangular_sqrt_p.lower = Routine(condensed_plans.triangular_sqrt, True)

sqrtm_p = Primitive("sqrtm")
sqrtm_p.abstract = lambda x: shaped_array(x.shape, x.dtype)


def _sqrtm(x: Any) -> Any:
    t, z = schur_p.bind(x, compute_schur_vectors=True)
    return matrices.matmul(matrices.matmul(z, triangular_sqrt_p.bind(t)), matrices.adjoint(z))


def _sqrtm_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    """``X dX + dX X = dA``."""
    root = sqrtm_p.bind(*primals)
    return root, sylvester_p.bind(root, root, tangents[0], tol=0.0)


sqrtm_p.expand = _sqrtm
sqrtm_p.jvp = _sqrtm_jvp
sqrtm_p.batch = matrices.batch_leading(sqrtm_p)

# A function of a triangular matrix from its values at the diagonal.
parlett_p = Primitive("parlett")
parlett_p.abstract = lambda t, values: shaped_array(t.shape, t.dtype)


def _np_parlett(t: Any, values: Any) -> Any:
    n, f = t.shape[-1], np.zeros_like(t)
    for i in range(n):
        f[..., i, i] = values[..., i]
    for away in range(1, n):
        for i in range(n - away):
            j = i + away
            inner = t[..., i, i + 1 : j] * f[..., i + 1 : j, j] - f[..., i, i + 1 : j] * t[..., i + 1 : j, j]
            total = t[..., i, j] * (f[..., j, j] - f[..., i, i]) + inner.sum(-1)
            gap = t[..., j, j] - t[..., i, i]
            f[..., i, j] = total / np.where(gap == 0, 1, gap)
    return f


parlett_p.numpy = _np_parlett
parlett_p.may_warn = True
parlett_p.no_derivative = _OF_SCHUR
parlett_p.batch = matrices.batch_leading(parlett_p)
parlett_p.lower = Routine(condensed_plans.parlett, True)

# -- updates ----------------------------------------------------------------------------------------------

cholesky_update_p = Primitive("cholesky_update")


def _update_abstract(r: ShapedArray, w: ShapedArray) -> ShapedArray:
    check_same_dtype("cholesky_update", [r, w])
    if r.ndim < 2 or w.ndim != r.ndim - 1:
        raise TypeError(
            f"cholesky_update requires a matrix and a vector, got shapes {r.shape} and {w.shape}."
        )
    if r.dtype.kind != "f":
        raise TypeError(f"cholesky_update does not accept dtype {r.dtype.name}: convert to a float type.")
    if r.shape[-1] != r.shape[-2] or w.shape != r.shape[:-1]:
        raise ValueError(
            f"cholesky_update requires a square matrix and a vector of its size, got shapes {r.shape} and {w.shape}."
        )
    return shaped_array(r.shape, r.dtype)


def _np_update(r: Any, w: Any) -> Any:
    def one(factor: Any, vector: Any) -> Sequence[Any]:
        out, rest = np.triu(factor), vector.copy()
        for i in range(len(rest)):
            length = np.hypot(out[i, i], rest[i])
            if length:
                c, s = out[i, i] / length, rest[i] / length
                out[i, i:], rest[i:] = c * out[i, i:] + s * rest[i:], c * rest[i:] - s * out[i, i:]
        return [out]

    return each_matrix(one, [(r.shape[-2:], r.dtype)], r.shape[:-2], r, w)[0]


def _update_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    r, w = primals
    out = cholesky_update_p.bind(r, w)
    gr, gw = [raw.full(t.aval.shape, 0, t.aval.dtype) if type(t) is Zero else t for t in tangents]
    rank = get_aval(r).ndim
    column = lambda x: raw.expand_dims(x, (rank - 1,))  # noqa: E731
    half = ew.add(
        matrices.matmul(matrices.transposed(matrices.triu(r)), matrices.triu(gr)),
        matrices.matmul(column(w), matrices.transposed(column(gw))),
    )
    low = matrices.transposed(out)
    return out, matrices.transposed(la.cholesky_tangent(low, ew.add(half, matrices.transposed(half))))


cholesky_update_p.abstract = _update_abstract
cholesky_update_p.numpy = _np_update
cholesky_update_p.jvp = _update_jvp
cholesky_update_p.batch = matrices.batch_leading(cholesky_update_p)
cholesky_update_p.lower = Routine(condensed_plans.cholesky_update)

symmetric_product_p = Primitive("symmetric_product")


def _product_abstract(a: ShapedArray, c: ShapedArray, *, alpha: float, beta: float) -> ShapedArray:
    check_same_dtype("symmetric_product", [a, c])
    if min(a.ndim, c.ndim) < 2:
        raise TypeError(
            f"symmetric_product requires arrays of two axes or more, got shapes {a.shape} and {c.shape}."
        )
    if a.dtype.kind != "f":
        raise TypeError(f"symmetric_product does not accept dtype {a.dtype.name}: convert to a float type.")
    if c.shape != (*a.shape[:-1], a.shape[-2]):
        raise ValueError(
            f"symmetric_product requires matrices of shape (m, n) and square ones of shape (m, m), "
            f"got shapes {a.shape} and {c.shape}."
        )
    return shaped_array(c.shape, c.dtype)


def _product(a: Any, c: Any, *, alpha: float, beta: float) -> Any:
    scaled = lambda x, factor: ew.mul(x, raw.full(get_aval(x).shape, factor, get_aval(x).dtype))  # noqa: E731
    out = scaled(matrices.matmul(a, matrices.transposed(a)), alpha)
    return ew.add(out, scaled(c, beta)) if beta else out


symmetric_product_p.abstract = _product_abstract
symmetric_product_p.expand = _product

__all__ = ["cholesky_update_p", "symmetric_product_p", "tridiagonal_solve_p"]
