"""``jitney.lax.linalg``: factorisations of matrices and triangular systems, with JAX's names and signatures.

Leading axes count matrices. Up to 8 rows, ``cholesky``, ``lu`` and ``triangular_solve`` are inlined native code.
"""

from __future__ import annotations

import enum
from typing import Any

from jitney._api.calls import expose as _expose
from jitney._base import dtypes as _dtypes
from jitney._core.trace import get_aval
from jitney._ops import decompositions, matrices, raw
from jitney._ops import elementwise as ew
from jitney._ops import linear_algebra as la
from jitney._ops.condensed import *  # noqa: F403
from jitney._ops.condensed import qr_pivoted_p as _qr_pivoted_p
from jitney._ops.decompositions import *  # noqa: F403
from jitney._ops.linear_algebra import *  # noqa: F403
from jitney._ops.matrix_equations import *  # noqa: F403
from jitney.lax.condensed import cholesky_update as cholesky_update
from jitney.lax.condensed import hessenberg as hessenberg
from jitney.lax.condensed import householder_product as householder_product
from jitney.lax.condensed import ormqr as ormqr
from jitney.lax.condensed import schur as schur
from jitney.lax.condensed import symmetric_product as symmetric_product
from jitney.lax.condensed import tridiagonal as tridiagonal
from jitney.lax.condensed import tridiagonal_solve as tridiagonal_solve
from jitney.lax.operands import operand, operands
from jitney.lax.polar import qdwh as qdwh


class EigImplementation(enum.Enum):
    """Libraries for eigenvalues of general matrices; all mean LAPACK here."""

    CUSOLVER = "cusolver"
    MAGMA = "magma"
    LAPACK = "lapack"


class EighImplementation(enum.Enum):
    """Algorithms for eigenvalues of Hermitian matrices; all mean LAPACK's here."""

    QR = "qr"
    JACOBI = "jacobi"
    QDWH = "qdwh"


class SvdAlgorithm(enum.Enum):
    """Algorithms for singular values; all mean LAPACK's here."""

    DEFAULT = "default"
    QR = "QR"
    JACOBI = "Jacobi"
    POLAR = "polar"
    DIVIDE_AND_CONQUER = "divide_and_conquer"


def _array(name: str, x: Any) -> Any:
    x = operand(name, x)
    if get_aval(x).ndim < 2:
        raise TypeError(f"{name} requires arrays of at least two axes, got shape {get_aval(x).shape}.")
    return x


def _symmetrized(x: Any) -> Any:
    dtype = get_aval(x).dtype
    if dtype.kind in "iu":
        dtype = _dtypes.to_inexact(dtype)
        x = ew.convert(x, dtype)
    elif dtype.kind not in "fc":
        matrices.check_matrices("symmetrize", get_aval(x))
    return ew.div(ew.add(x, matrices.adjoint(x)), dtype.type(2))


def cholesky(x: Any, *, symmetrize_input: bool = True) -> Any:
    """The lower triangular ``L`` of positive definite matrices ``x = L L^H``; nan where they are not.

    Args:
        x: ``[..., n, n]``, float or complex.
        symmetrize_input: use ``(x + x^H) / 2``; otherwise the lower triangle is read alone.

    >>> import jitney.numpy as jnp
    >>> from jitney import lax
    >>> lax.linalg.cholesky(jnp.array([[4.0, 2.0], [2.0, 5.0]]))
    Array([[2., 0.],
           [1., 2.]], dtype=float64)
    """
    x = _array("cholesky", x)
    return la.cholesky_p.bind(_symmetrized(x), symmetric=True) if symmetrize_input else la.cholesky_p.bind(x)


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
    """Solve ``op(a) x = b`` (left side) or ``x op(a) = b`` with triangular matrices.

    Args:
        a: ``[..., n, n]``; the triangle that is not named by ``lower`` is not read.
        b: ``[..., n, m]`` (left side) or ``[..., m, n]``; a vector is one column (row).
        left_side, lower: where ``a`` stands, and which triangle it is.
        transpose_a, conjugate_a: what ``op`` is.
        unit_diagonal: take the diagonal as 1.

    Raises:
        TypeError: for shapes that do not fit.
    """
    a, b = operands("triangular_solve", a, b)
    ranks = get_aval(a).ndim, get_aval(b).ndim
    single = ranks[1] == ranks[0] - 1
    if single:
        b = raw.expand_dims(b, (ranks[1] if left_side else ranks[1] - 1,))
    out = la.triangular_solve_p.bind(
        a,
        b,
        left_side=left_side,
        lower=lower,
        transpose_a=transpose_a,
        conjugate_a=conjugate_a and get_aval(a).dtype.kind == "c",
        unit_diagonal=unit_diagonal,
    )
    return raw.squeeze(out, (ranks[1] if left_side else ranks[1] - 1,)) if single else out


def lu(x: Any) -> tuple[Any, Any, Any]:
    """LU factors with partial pivoting.

    Args:
        x: ``[..., m, n]``.

    Returns:
        both factors in one array (the unit diagonal left out); the row that each step exchanged, int32
        ``[..., min(m, n)]``; the permutation of rows with ``x[permutation] = L U``, int32 ``[..., m]``.
    """
    return tuple(la.lu_p.bind(_array("lu", x)))  # type: ignore[return-value]


def lu_pivots_to_permutation(pivots: Any, permutation_size: int) -> Any:
    """The permutation of rows that a sequence of exchanges makes."""
    return la.lu_pivots_to_permutation_p.bind(
        operand("lu_pivots_to_permutation", pivots), permutation_size=int(permutation_size)
    )


def qr(
    x: Any, *, pivoting: bool = False, full_matrices: bool = True, use_magma: bool | None = None
) -> tuple[Any, ...]:
    """Orthogonal and upper triangular factors of ``[..., m, n]`` matrices.

    Args:
        x: matrices.
        pivoting: exchange columns so that the diagonal of the triangular factor falls; the third result is their
            order, int32 ``[..., n]``, with ``x[..., order] = Q R``.
        full_matrices: a square ``Q``.
    """
    prim = _qr_pivoted_p if pivoting else decompositions.qr_p
    return tuple(prim.bind(_array("qr", x), full_matrices=full_matrices))


def eigh(
    x: Any,
    *,
    lower: bool = True,
    symmetrize_input: bool = True,
    sort_eigenvalues: bool = True,
    subset_by_index: tuple[int, int] | None = None,
    implementation: Any = None,
) -> tuple[Any, Any]:
    """Eigenvectors (columns) and eigenvalues, in ascending order, of Hermitian matrices.

    Args:
        x: ``[..., n, n]``.
        lower: which triangle is read, if not ``symmetrize_input``.
        subset_by_index: the first and the last eigenvalue (exclusive) to return.
    """
    x = _array("eigh", x)
    if get_aval(x).dtype.kind not in "iu" or not symmetrize_input:
        matrices.check_matrices("eigh", get_aval(x))
    v, w = decompositions.eigh_p.bind(_symmetrized(x) if symmetrize_input else x, lower=lower)
    if subset_by_index is not None:
        first, last = subset_by_index
        v, w = v[..., first:last], w[..., first:last]
    return v, w


def eig(
    x: Any,
    *,
    compute_left_eigenvectors: bool = True,
    compute_right_eigenvectors: bool = True,
    enable_eigvec_derivs: bool = False,
    implementation: Any = None,
    use_magma: bool | None = None,
) -> list[Any]:
    """Eigenvalues, left and right eigenvectors (columns of length 1) of general matrices, as asked for."""
    w, v = decompositions.eig_p.bind(_array("eig", x))
    out = [w]
    if compute_left_eigenvectors:
        out.append(_left_vectors(v))
    if compute_right_eigenvectors:
        out.append(v)
    return out


def _left_vectors(v: Any) -> Any:
    """The columns of ``V^-H``, of length 1."""
    rows, _, permutation = la.lu_p.bind(v)
    shape = get_aval(v).shape
    inverse = la.lu_solve(v, rows, permutation, matrices.eye(shape, get_aval(v).dtype), 2)
    size = ew.sqrt(raw.reduce_sum(ew.real(ew.mul(inverse, ew.conj(inverse))), (len(shape) - 2,)))
    factors = ew.convert(size, get_aval(v).dtype)
    return ew.div(inverse, raw.expand_dims(factors, (len(shape) - 2,)))


def svd(
    x: Any,
    *,
    full_matrices: bool = True,
    compute_uv: bool = True,
    subset_by_index: tuple[int, int] | None = None,
    algorithm: Any = None,
) -> Any:
    """Singular values: ``u, s, vh`` with ``x = (u * s) vh``, or ``s`` alone.

    Args:
        x: ``[..., m, n]``.
        full_matrices: square ``u`` and ``vh``.
        compute_uv: whether the vectors are wanted.
        subset_by_index: the first and the last singular value (exclusive) to return.
    """
    out = decompositions.svd_p.bind(_array("svd", x), full_matrices=full_matrices, compute_uv=compute_uv)
    if subset_by_index is not None:
        first, last = subset_by_index
        out = [y[..., first:last, :] if k == 2 else y[..., first:last] for k, y in enumerate(out)]
    return out[0] if not compute_uv else (out[1], out[0], out[2])


_expose(globals())
