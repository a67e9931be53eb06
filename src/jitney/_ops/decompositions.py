"""Orthogonal and spectral factorisations: qr, eigh, eigenvalues_h, eig, svd.

The leading axes count matrices. Derivatives are those of M. Giles, "Collected matrix derivative results for forward and
reverse mode algorithmic differentiation" (2008).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._kernel.rules import Loops, Routine
from jitney._ops import elementwise as ew
from jitney._ops import lapack_plans, raw, small_matrices
from jitney._ops.eigenvalue_gaps import inverse_gaps, taken_apart
from jitney._ops.linear_algebra import lu_p, lu_solve, triangular_solve
from jitney._ops.matrices import (
    adjoint,
    batch_leading,
    check_matrices,
    diagonal,
    index_mask,
    matmul,
    matrices_of,
    scaled,
    tril,
    where_else_zero,
)
from jitney._ops.strong_products import chain

# -- qr ---------------------------------------------------------------------------------------------------

qr_p = Primitive("qr", multiple_results=True)


def qr_abstract(x: ShapedArray, *, full_matrices: bool) -> list[ShapedArray]:
    check_matrices("qr", x, square=False)
    *batch, m, n = x.shape
    k = m if full_matrices else min(m, n)
    return [shaped_array((*batch, m, k), x.dtype), shaped_array((*batch, k, n), x.dtype)]


def check_differentiable_qr(x: ShapedArray, full_matrices: bool) -> None:
    m, n = x.shape[-2:]
    if full_matrices and m > n:
        raise NotImplementedError(
            f"Derivatives of qr are not defined for matrices of shape {(m, n)} with full_matrices=True: "
            "the columns of q beyond the rank of the matrix are not determined."
        )


def _qr_jvp(primals: Any, tangents: Any, *, full_matrices: bool) -> tuple[list, list]:
    (x,), (g,) = primals, tangents
    check_differentiable_qr(get_aval(x), full_matrices)
    q, r = qr_p.bind(x, full_matrices=False)
    return [q, r], qr_tangents(q, r, g)


def qr_tangents(q: Any, r: Any, g: Any) -> list[Any]:
    """Tangents of q and r. The leading square part of a wide matrix gives those of q, and ``r = q^H x`` the rest."""
    *batch, k, n = get_aval(r).shape
    if k < n:
        r, right = raw.split(r, [k, n - k], len(batch) + 1)
        g, g_right = raw.split(g, [k, n - k], len(batch) + 1)
        d_q, d_left = qr_tangents(q, r, g)
        turned = matmul(adjoint(d_q), matmul(q, right))
        d_right = ew.add(turned, matmul(adjoint(q), g_right))
        return [d_q, raw.concatenate([d_left, d_right], len(batch) + 1)]
    change = triangular_solve(r, g, left_side=False, lower=False)
    inner = matmul(adjoint(q), change)
    below = tril(inner, -1)
    turn = ew.sub(below, adjoint(below))
    if get_aval(q).dtype.kind == "c":  # the diagonal of r stays real
        turn = ew.add(turn, where_else_zero(index_mask(get_aval(inner).shape, ew.eq), _imaginary(inner)))
    d_q = ew.add(matmul(q, ew.sub(turn, inner)), change)
    return [d_q, matmul(ew.sub(inner, turn), r)]


def _imaginary(x: Any) -> Any:
    dtype = get_aval(x).dtype
    return ew.mul(ew.sub(x, ew.conj(x)), raw.full(get_aval(x).shape, 0.5, dtype))


qr_p.abstract = qr_abstract
qr_p.numpy = lambda x, *, full_matrices: list(np.linalg.qr(x, "complete" if full_matrices else "reduced"))
qr_p.jvp = _qr_jvp
qr_p.batch = batch_leading(qr_p)
qr_p.lower = Loops(
    small_matrices.qr_loops, small_matrices.in_lanes_qr, otherwise=Routine(lapack_plans.qr, True)
)

# -- eigh -------------------------------------------------------------------------------------------------

eigh_p = Primitive("eigh", multiple_results=True)


def _eigh_abstract(x: ShapedArray, *, lower: bool) -> list[ShapedArray]:
    check_matrices("eigh", x)
    return [shaped_array(x.shape, x.dtype), shaped_array(x.shape[:-1], dtypes.real_dtype(x.dtype))]


def _per_matrix(fun: Callable[[Any], Sequence[Any]], shapes: Callable[[Any], Sequence[Any]]) -> Callable:
    """A LAPACK routine on many matrices; nan for those of which it fails or that are not finite."""

    def call(x: Any) -> list[Any]:
        try:
            return list(fun(x))
        except np.linalg.LinAlgError:
            outs = [np.full(shape, np.nan, dtype) for shape, dtype in shapes(x)]
            flat = [y.reshape((-1, *y.shape[x.ndim - 2 :])) for y in outs]
            for k, matrix in enumerate(matrices_of(x)):
                try:
                    values = fun(matrix)
                except np.linalg.LinAlgError:
                    continue
                for y, value in zip(flat, values, strict=True):
                    y[k] = value
            return outs

    return call


def _np_eigh(x: Any, *, lower: bool) -> list[Any]:
    real = dtypes.real_dtype(x.dtype)

    def run(a: Any) -> tuple[Any, Any]:
        if not np.isfinite(np.tril(a) if lower else np.triu(a)).all():  # LAPACK may give numbers for these
            raise np.linalg.LinAlgError
        w, v = np.linalg.eigh(a, "L" if lower else "U")
        return v, w

    return _per_matrix(run, lambda a: [(a.shape, a.dtype), (a.shape[:-1], real)])(x)


def _eigh_jvp(primals: Any, tangents: Any, *, lower: bool) -> tuple[list, list]:
    """``dw = diag(V^H dA V)``, ``dV = V (F * V^H dA V)``, ``F_ij = 1 / (w_j - w_i)``."""
    (x,), (g,) = primals, tangents
    v, w = eigh_p.bind(x, lower=lower)
    w = taken_apart(w)
    inner = matmul(adjoint(v), matmul(g, v))
    factors = ew.convert(inverse_gaps(w), get_aval(x).dtype)
    d_w = diagonal(inner)
    d_w = ew.real(d_w) if get_aval(x).dtype.kind == "c" else d_w
    return [v, w], [matmul(v, ew.mul(factors, inner)), d_w]


eigh_p.abstract = _eigh_abstract
eigh_p.numpy = _np_eigh
eigh_p.jvp = _eigh_jvp
eigh_p.batch = batch_leading(eigh_p)
eigh_p.lower = Loops(
    small_matrices.eigh_loops, small_matrices.in_lanes_eigh, otherwise=Routine(lapack_plans.eigh, True)
)
eigh_p.dce = lambda eqn, used: (
    eqn if used[0] else eqn.replace(primitive=eigenvalues_h_p, outvars=eqn.outvars[1:])
)

# What is left of eigh where nobody reads the vectors.
eigenvalues_h_p = Primitive("eigenvalues_h", multiple_results=True)


def _np_eigenvalues(x: Any, *, lower: bool) -> list[Any]:
    real = dtypes.real_dtype(x.dtype)
    run = lambda a: [np.linalg.eigvalsh(a, "L" if lower else "U")]  # noqa: E731
    return _per_matrix(run, lambda a: [(a.shape[:-1], real)])(x)


def _eigenvalues_jvp(primals: Any, tangents: Any, *, lower: bool) -> tuple[list, list]:
    (x,), (g,) = primals, tangents
    v, w = eigh_p.bind(x, lower=lower)
    change = diagonal(matmul(adjoint(v), matmul(g, v)))
    return [w], [ew.real(change) if get_aval(x).dtype.kind == "c" else change]


eigenvalues_h_p.abstract = lambda x, *, lower: _eigh_abstract(x, lower=lower)[1:]
eigenvalues_h_p.numpy = _np_eigenvalues
eigenvalues_h_p.jvp = _eigenvalues_jvp
eigenvalues_h_p.batch = batch_leading(eigenvalues_h_p)
eigenvalues_h_p.lower = Loops(
    small_matrices.eigenvalues_loops,
    small_matrices.in_lanes_eigh,
    otherwise=Routine(lapack_plans.eigenvalues_h, True),
)

# -- eig --------------------------------------------------------------------------------------------------

eig_p = Primitive("eig", multiple_results=True)


def _eig_abstract(x: ShapedArray) -> list[ShapedArray]:
    check_matrices("eig", x)
    dtype = dtypes.complex_dtype(x.dtype)
    return [shaped_array(x.shape[:-1], dtype), shaped_array(x.shape, dtype)]


def _np_eig(x: Any) -> list[Any]:
    dtype = dtypes.complex_dtype(x.dtype)
    return [y.astype(dtype) for y in _per_matrix(np.linalg.eig, _np_eig_shapes)(x)]


def _np_eig_shapes(x: Any) -> list[tuple]:
    dtype = dtypes.complex_dtype(x.dtype)
    return [(x.shape[:-1], dtype), (x.shape, dtype)]


def _eig_jvp(primals: Any, tangents: Any) -> tuple[list, list]:
    """``dw = diag(V^-1 dA V)``; vectors of length 1 whose own phase does not change."""
    (x,), (g,) = primals, tangents
    w, v = eig_p.bind(x)
    dtype = get_aval(v).dtype
    g = ew.convert(g, dtype)
    lu, _, permutation = lu_p.bind(v)
    inner = lu_solve(v, lu, permutation, matmul(g, v))
    change = matmul(v, ew.mul(inverse_gaps(w), inner))
    rank = get_aval(v).ndim
    along = ew.convert(ew.real(raw.reduce_sum(ew.mul(ew.conj(v), change), (rank - 2,))), dtype)
    return [w, v], [diagonal(inner), ew.sub(change, scaled(v, along, -1))]


eig_p.abstract = _eig_abstract
eig_p.numpy = _np_eig
eig_p.jvp = _eig_jvp
eig_p.batch = batch_leading(eig_p)
eig_p.lower = Routine(lapack_plans.eig, True)

# -- svd --------------------------------------------------------------------------------------------------

svd_p = Primitive("svd", multiple_results=True)


def _svd_abstract(x: ShapedArray, *, full_matrices: bool, compute_uv: bool) -> list[ShapedArray]:
    check_matrices("svd", x, square=False)
    *batch, m, n = x.shape
    k = min(m, n)
    s = shaped_array((*batch, k), dtypes.real_dtype(x.dtype))
    if not compute_uv:
        return [s]
    left, right = ((m, m), (n, n)) if full_matrices else ((m, k), (k, n))
    return [s, shaped_array((*batch, *left), x.dtype), shaped_array((*batch, *right), x.dtype)]


def _np_svd(x: Any, *, full_matrices: bool, compute_uv: bool) -> list[Any]:
    aval = lambda a: _svd_abstract(
        shaped_array(a.shape, a.dtype), full_matrices=full_matrices, compute_uv=compute_uv
    )
    shapes = lambda a: [(y.shape, y.dtype) for y in aval(a)]  # noqa: E731

    def run(a: Any) -> list[Any]:
        if not compute_uv:
            return [np.linalg.svd(a, compute_uv=False)]
        u, s, vh = np.linalg.svd(a, full_matrices)
        return [s, u, vh]

    return _per_matrix(run, shapes)(x)


def _svd_jvp(primals: Any, tangents: Any, *, full_matrices: bool, compute_uv: bool) -> tuple[list, list]:
    """With ``P = U^H dA V``: ``ds = re diag(P)``; both bases turn in themselves and out of their span."""
    (x,), (g,) = primals, tangents
    m, n = get_aval(x).shape[-2:]
    if compute_uv and full_matrices and m != n:
        raise NotImplementedError("Singular value decomposition JVP not implemented for full matrices")
    s, u, vh = svd_p.bind(x, full_matrices=False, compute_uv=True)
    v, dtype = adjoint(vh), get_aval(x).dtype
    inner = matmul(adjoint(u), matmul(g, v))
    d_s = diagonal(inner)
    d_s = ew.real(d_s) if dtype.kind == "c" else d_s
    if not compute_uv:
        return [s], [d_s]
    s = taken_apart(s, descending=True)
    scale = ew.convert(s, dtype)
    # The parts of P that turn both bases alike, and against each other.
    alike, against = (
        ew.mul(ew.convert(inverse_gaps(s, sign), dtype), part(inner, adjoint(inner)))
        for sign, part in ((-1.0, ew.add), (1.0, ew.sub))
    )
    half = raw.full(get_aval(inner).shape, 0.5, dtype)
    d_u = matmul(u, ew.mul(ew.add(alike, against), half))
    d_v = matmul(v, ew.mul(ew.sub(alike, against), half))
    inverse = ew.div(raw.full(get_aval(s).shape, 1, dtype), scale)
    if dtype.kind == "c":  # the common phase of both vectors, given to the left one
        d_u = ew.add(d_u, scaled(u, ew.mul(_phase(inner), inverse), -1))
    if m > n:
        out = matmul(g, v)
        d_u = ew.add(d_u, _over_values(ew.sub(out, matmul(u, inner)), inverse))
    if n > m:
        out = matmul(adjoint(g), u)
        d_v = ew.add(d_v, _over_values(ew.sub(out, matmul(v, adjoint(inner))), inverse))
    return [s, u, vh], [d_s, d_u, adjoint(d_v)]


def _over_values(x: Any, inverse: Any) -> Any:
    """Columns divided by singular values, which may be 0 where nobody asks for their vectors."""
    return chain(
        x, raw.broadcast_to_same_rank(raw.expand_dims(inverse, (get_aval(x).ndim - 2,)), get_aval(x).shape)
    )


def _phase(inner: Any) -> Any:
    return _imaginary(diagonal(inner))


svd_p.abstract = _svd_abstract
svd_p.numpy = _np_svd
svd_p.jvp = _svd_jvp
svd_p.batch = batch_leading(svd_p)
svd_p.lower = Routine(lapack_plans.svd, True)


def _svd_dce(eqn: Any, used: Sequence[bool]) -> Any:
    """Without vectors, where nobody reads them."""
    if any(used[1:]):
        return eqn
    return eqn.replace(outvars=eqn.outvars[:1], params={"full_matrices": False, "compute_uv": False})


svd_p.dce = _svd_dce

__all__ = sorted(name for name in globals() if name.endswith("_p"))
