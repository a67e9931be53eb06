"""Condensed forms: hessenberg, tridiagonal, schur; reflectors of QR (geqrf, geqp3) and products with them.

The leading axes of every operand count matrices. Values are LAPACK's; products with reflectors are products of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._kernel.rules import Routine
from jitney._ops import condensed_plans, decompositions, matrices, raw
from jitney._ops import elementwise as ew
from jitney._ops import linear_algebra as la
from jitney._ops.families import check_same_dtype

_INT32 = np.dtype(np.int32)
_Shapes = Sequence[tuple[tuple[int, ...], np.dtype]]


def each_matrix(
    fun: Callable[..., Sequence[Any]], shapes: _Shapes, batch: Sequence[int], *xs: Any
) -> list[Any]:
    """``fun`` of each matrix of ``xs``, into arrays of ``shapes`` behind the leading axes ``batch``."""
    count = math.prod(batch)
    outs = [np.zeros((count, *shape), dtype) for shape, dtype in shapes]
    flat = [x.reshape((count, *x.shape[len(batch) :])) for x in xs]
    if all(x.size for x in xs):
        for k in range(count):
            for out, value in zip(outs, fun(*[x[k] for x in flat]), strict=True):
                out[k] = value
    return [out.reshape((*batch, *out.shape[1:])) for out in outs]


def lapack(names: str, *xs: Any) -> Any:
    """LAPACK's functions for the type of ``xs``."""
    from scipy.linalg import get_lapack_funcs

    found = get_lapack_funcs(tuple(names.split()), xs)
    return found[0] if len(found) == 1 else found


def _nan(shape: Sequence[int], dtype: np.dtype) -> Any:
    return np.full(shape, np.nan, dtype)


def _shapes(avals: Sequence[ShapedArray], batch: int) -> _Shapes:
    return [(a.shape[batch:], a.dtype) for a in avals]


def _aval(x: Any) -> ShapedArray:
    return shaped_array(x.shape, x.dtype)


_NOT_UNIQUE = "is not unique and has no derivative; functions of a matrix have one: sqrtm, expm, eigh, svd"

# -- hessenberg -------------------------------------------------------------------------------------------

hessenberg_p = Primitive("hessenberg", multiple_results=True)


def _hessenberg_abstract(x: ShapedArray) -> list[ShapedArray]:
    matrices.check_matrices("hessenberg", x)
    return [shaped_array(x.shape, x.dtype), shaped_array((*x.shape[:-2], max(x.shape[-1] - 1, 0)), x.dtype)]


def _np_hessenberg(x: Any) -> list[Any]:
    shapes = _shapes(_hessenberg_abstract(_aval(x)), x.ndim - 2)

    def one(a: Any) -> Sequence[Any]:
        if not np.isfinite(a).all():
            return [_nan(*s) for s in shapes]
        return lapack("gehrd", a)(a)[:2]

    return each_matrix(one, shapes, x.shape[:-2], x)


hessenberg_p.abstract = _hessenberg_abstract
hessenberg_p.numpy = _np_hessenberg
hessenberg_p.no_derivative = f"a Hessenberg form {_NOT_UNIQUE}"
hessenberg_p.batch = matrices.batch_leading(hessenberg_p)
hessenberg_p.lower = Routine(condensed_plans.hessenberg, True)

# -- tridiagonal ------------------------------------------------------------------------------------------

tridiagonal_p = Primitive("tridiagonal", multiple_results=True)


def _tridiagonal_abstract(x: ShapedArray, *, lower: bool) -> list[ShapedArray]:
    matrices.check_matrices("tridiagonal", x)
    *batch, n = x.shape[:-1]
    real, least = dtypes.real_dtype(x.dtype), max(n - 1, 0)
    return [
        shaped_array(x.shape, x.dtype),
        shaped_array((*batch, n), real),
        shaped_array((*batch, least), real),
        shaped_array((*batch, least), x.dtype),
    ]


def _np_tridiagonal(x: Any, *, lower: bool) -> list[Any]:
    shapes = _shapes(_tridiagonal_abstract(_aval(x), lower=lower), x.ndim - 2)

    def one(a: Any) -> Sequence[Any]:
        if not np.isfinite(a).all():
            return [_nan(*s) for s in shapes]
        name = "hetrd" if a.dtype.kind == "c" else "sytrd"
        size, _ = lapack(f"{name}_lwork", a)(a.shape[0], lower=lower)
        return lapack(name, a)(a, lower=lower, lwork=int(size.real))[:4]

    return each_matrix(one, shapes, x.shape[:-2], x)


tridiagonal_p.abstract = _tridiagonal_abstract
tridiagonal_p.numpy = _np_tridiagonal
tridiagonal_p.no_derivative = f"a tridiagonal form {_NOT_UNIQUE}"
tridiagonal_p.batch = matrices.batch_leading(tridiagonal_p)
tridiagonal_p.lower = Routine(condensed_plans.tridiagonal, True)

# -- schur ------------------------------------------------------------------------------------------------

schur_p = Primitive("schur", multiple_results=True)


def _schur_abstract(x: ShapedArray, *, compute_schur_vectors: bool) -> list[ShapedArray]:
    matrices.check_matrices("schur", x)
    return [shaped_array(x.shape, x.dtype)] * (2 if compute_schur_vectors else 1)


def _np_schur(x: Any, *, compute_schur_vectors: bool) -> list[Any]:
    shapes = _shapes([_aval(x)] * (2 if compute_schur_vectors else 1), x.ndim - 2)

    def one(a: Any) -> Sequence[Any]:
        info = 1
        if np.isfinite(a).all():
            out = lapack("gees", a)(lambda *_: None, a, compute_v=compute_schur_vectors)
            info = out[-1]
        if info:
            return [np.triu(_nan(a.shape, a.dtype)), _nan(a.shape, a.dtype)][: len(shapes)]
        return [out[0], out[-3]][: len(shapes)]

    return each_matrix(one, shapes, x.shape[:-2], x)


schur_p.abstract = _schur_abstract
schur_p.numpy = _np_schur
schur_p.no_derivative = f"a Schur form {_NOT_UNIQUE}"
schur_p.batch = matrices.batch_leading(schur_p)
schur_p.lower = Routine(condensed_plans.schur, True)
schur_p.dce = lambda eqn, used: (
    eqn if used[-1] else eqn.replace(outvars=eqn.outvars[:1], params={"compute_schur_vectors": False})
)

# -- reflectors of QR -------------------------------------------------------------------------------------

geqrf_p = Primitive("geqrf", multiple_results=True)


def _geqrf_abstract(x: ShapedArray) -> list[ShapedArray]:
    matrices.check_matrices("geqrf", x, square=False)
    return [shaped_array(x.shape, x.dtype), shaped_array((*x.shape[:-2], min(x.shape[-2:])), x.dtype)]


def _np_geqrf(x: Any) -> list[Any]:
    shapes = _shapes(_geqrf_abstract(_aval(x)), x.ndim - 2)
    return each_matrix(lambda a: lapack("geqrf", a)(a)[:2], shapes, x.shape[:-2], x)


geqrf_p.abstract = _geqrf_abstract
geqrf_p.numpy = _np_geqrf
geqrf_p.no_derivative = "packed reflectors have none here: differentiate numpy.linalg.qr or scipy.linalg.qr"
geqrf_p.batch = matrices.batch_leading(geqrf_p)
geqrf_p.lower = Routine(condensed_plans.geqrf, True)

# With columns exchanged: reflectors, the order of columns (from 0), factors.
geqp3_p = Primitive("geqp3", multiple_results=True)


def _geqp3_abstract(x: ShapedArray) -> list[ShapedArray]:
    packed, taus = _geqrf_abstract(x)
    return [packed, shaped_array((*x.shape[:-2], x.shape[-1]), _INT32), taus]


def _np_geqp3(x: Any) -> list[Any]:
    n, shapes = x.shape[-1], _shapes(_geqp3_abstract(_aval(x)), x.ndim - 2)

    def one(a: Any) -> Sequence[Any]:
        if not np.isfinite(a).all():
            return [_nan(*shapes[0]), np.arange(n), _nan(*shapes[2])]
        packed, order, taus, _, _ = lapack("geqp3", a)(a)
        return packed, order - 1, taus

    packed, order, taus = each_matrix(one, shapes, x.shape[:-2], x)
    return [
        packed,
        order if x.size else np.broadcast_to(np.arange(n, dtype=_INT32), order.shape).copy(),
        taus,
    ]


geqp3_p.abstract = _geqp3_abstract
geqp3_p.numpy = _np_geqp3
geqp3_p.no_derivative = "packed reflectors have none here: differentiate numpy.linalg.qr or scipy.linalg.qr"
geqp3_p.batch = matrices.batch_leading(geqp3_p)
geqp3_p.lower = Routine(condensed_plans.geqp3, True)

# -- products with reflectors -----------------------------------------------------------------------------
# H_1 ... H_k = 1 - V T V^H with upper triangular T = (1 + D S)^-1 D, where D holds the factors and S is V^H V above its
# diagonal: T. Joffrain et al., "Accumulating Householder transformations, revisited" (2006).


def _reflectors(a: Any, taus: Any) -> Any:
    """The vectors, ``[m, k]``: 1 on the diagonal."""
    *batch, m, _ = get_aval(a).shape
    k = get_aval(taus).shape[-1]
    a = raw.slice_(a, [0] * (len(batch) + 2), (*batch, m, k))
    return ew.add(matrices.tril(a, -1), matrices.eye((*batch, m, k), get_aval(a).dtype))


def _times_core(v: Any, taus: Any, x: Any, transpose: bool = False) -> Any:
    """``T x``, or ``T^H x``."""
    *batch, _, k = get_aval(v).shape
    above = matrices.triu(matrices.matmul(matrices.adjoint(v), v), 1)
    unit = ew.add(matrices.scaled(above, taus, -2), matrices.eye((*batch, k, k), get_aval(v).dtype))
    options = {"left_side": True, "lower": False, "unit_diagonal": True}
    if not transpose:
        return la.triangular_solve(unit, matrices.scaled(x, taus, -2), **options)
    solved = la.triangular_solve(unit, x, transpose_a=True, conjugate_a=True, **options)
    complex_ = get_aval(taus).dtype.kind == "c"
    return matrices.scaled(solved, ew.conj(taus) if complex_ else taus, -2)


def product_of_reflectors(a: Any, taus: Any, columns: int) -> Any:
    """The first ``columns`` columns of the product."""
    *batch, m, _ = get_aval(a).shape
    v = _reflectors(a, taus)
    unit = matrices.eye((*batch, m, columns), get_aval(a).dtype)
    top = matrices.matmul(matrices.adjoint(v), unit)
    return ew.sub(unit, matrices.matmul(v, _times_core(v, taus, top)))


householder_product_p = Primitive("householder_product")


def _householder_abstract(a: ShapedArray, taus: ShapedArray) -> ShapedArray:
    matrices.check_matrices("householder_product", a, square=False)
    check_same_dtype("householder_product", [a, taus])
    m, n = a.shape[-2:]
    if m < n:
        raise ValueError(
            f"householder_product: matrices must have at least as many rows as columns, got shape {a.shape}."
        )
    _check_factors("householder_product", a, taus)
    return shaped_array(a.shape, a.dtype)


def _check_factors(name: str, a: ShapedArray, taus: ShapedArray) -> None:
    if taus.ndim != a.ndim - 1 or taus.shape[:-1] != a.shape[:-2] or taus.shape[-1] > min(a.shape[-2:]):
        raise ValueError(
            f"{name}: matrices of shape {a.shape} hold no reflectors for factors of shape {taus.shape}; "
            "leading axes must be equal, and factors as many as columns or fewer."
        )


householder_product_p.abstract = _householder_abstract
householder_product_p.expand = lambda a, taus: product_of_reflectors(a, taus, get_aval(a).shape[-1])

ormqr_p = Primitive("ormqr")


def _ormqr_abstract(
    a: ShapedArray, taus: ShapedArray, c: ShapedArray, *, left: bool, transpose: bool
) -> ShapedArray:
    matrices.check_matrices("ormqr", a, square=False)
    check_same_dtype("ormqr", [a, taus, c])
    _check_factors("ormqr", a, taus)
    if c.ndim != a.ndim or c.shape[:-2] != a.shape[:-2]:
        raise TypeError(f"ormqr requires equal leading axes, got shapes {a.shape} and {c.shape}.")
    if c.shape[-2 if left else -1] != a.shape[-2]:
        which = "rows" if left else "columns"
        raise ValueError(
            f"ormqr with {left=}: the {which} of c must be as many as the rows of a, got shapes {a.shape} and {c.shape}."
        )
    return shaped_array(c.shape, c.dtype)


def _ormqr(a: Any, taus: Any, c: Any, *, left: bool, transpose: bool) -> Any:
    v = _reflectors(a, taus)
    if left:
        return ew.sub(
            c, matrices.matmul(v, _times_core(v, taus, matrices.matmul(matrices.adjoint(v), c), transpose))
        )
    return ew.sub(
        c, matrices.matmul(matrices.matmul(c, v), _times_core(v, taus, matrices.adjoint(v), transpose))
    )


ormqr_p.abstract = _ormqr_abstract
ormqr_p.expand = _ormqr

# -- QR with exchanged columns ----------------------------------------------------------------------------

qr_pivoted_p = Primitive("qr_pivoted", multiple_results=True)


def _qr_pivoted_abstract(x: ShapedArray, *, full_matrices: bool) -> list[ShapedArray]:
    matrices.check_matrices("qr", x, square=False)
    order = shaped_array((*x.shape[:-2], x.shape[-1]), _INT32)
    return [*decompositions.qr_abstract(x, full_matrices=full_matrices), order]


def _qr_pivoted(x: Any, *, full_matrices: bool) -> list[Any]:
    packed, order, taus = geqp3_p.bind(x)
    *batch, m, n = get_aval(x).shape
    k = m if full_matrices else min(m, n)
    top = packed
    if k < m:
        top = raw.slice_(packed, [0] * (len(batch) + 2), (*batch, k, n))
    return [product_of_reflectors(packed, taus, k), matrices.triu(top), order]


def _qr_pivoted_jvp(primals: Any, tangents: Any, *, full_matrices: bool) -> tuple[list, list]:
    (x,), (g,) = primals, tangents
    decompositions.check_differentiable_qr(get_aval(x), full_matrices)
    q, r, order = qr_pivoted_p.bind(x, full_matrices=False)
    moved = matrices.transposed(la.permute_rows(matrices.transposed(g), order))
    return [q, r, order], [*decompositions.qr_tangents(q, r, moved), Zero.of(order)]


qr_pivoted_p.abstract = _qr_pivoted_abstract
qr_pivoted_p.expand = _qr_pivoted
qr_pivoted_p.jvp = _qr_pivoted_jvp
qr_pivoted_p.batch = matrices.batch_leading(qr_pivoted_p)

__all__ = ["hessenberg_p", "householder_product_p", "ormqr_p", "schur_p", "tridiagonal_p"]
