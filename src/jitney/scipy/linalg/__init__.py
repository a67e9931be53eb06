"""``jitney.scipy.linalg``: factorisations and systems of equations under SciPy's names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney._api.calls import expose as _expose
from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import linear_algebra as la
from jitney._ops import matrices, raw
from jitney.numpy import linalg as _linalg
from jitney.numpy.linalg import _matrices
from jitney.numpy.operands import array_operand, broadcast_shapes, broadcast_to
from jitney.scipy.linalg._functions import eigh_tridiagonal as eigh_tridiagonal
from jitney.scipy.linalg._functions import expm_frechet as expm_frechet
from jitney.scipy.linalg._functions import funm as funm
from jitney.scipy.linalg._functions import hessenberg as hessenberg
from jitney.scipy.linalg._functions import polar as polar
from jitney.scipy.linalg._functions import qr_multiply as qr_multiply
from jitney.scipy.linalg._functions import rsf2csf as rsf2csf
from jitney.scipy.linalg._functions import schur as schur
from jitney.scipy.linalg._functions import solve_sylvester as solve_sylvester
from jitney.scipy.linalg._functions import sqrtm as sqrtm
from jitney.scipy.linalg._special_matrices import circulant as circulant
from jitney.scipy.linalg._special_matrices import companion as companion
from jitney.scipy.linalg._special_matrices import convolution_matrix as convolution_matrix
from jitney.scipy.linalg._special_matrices import dft as dft
from jitney.scipy.linalg._special_matrices import fiedler as fiedler
from jitney.scipy.linalg._special_matrices import fiedler_companion as fiedler_companion
from jitney.scipy.linalg._special_matrices import hadamard as hadamard
from jitney.scipy.linalg._special_matrices import hankel as hankel
from jitney.scipy.linalg._special_matrices import helmert as helmert
from jitney.scipy.linalg._special_matrices import hilbert as hilbert
from jitney.scipy.linalg._special_matrices import invhilbert as invhilbert
from jitney.scipy.linalg._special_matrices import invpascal as invpascal
from jitney.scipy.linalg._special_matrices import leslie as leslie
from jitney.scipy.linalg._special_matrices import pascal as pascal
from jitney.scipy.linalg._special_matrices import toeplitz as toeplitz


def _right_side(name: str, a: Any, b: Any) -> tuple[Any, Any, bool]:
    """A system with equal leading axes, and whether its right-hand side is a vector."""
    a, b = _matrices(name, a, b, square=True)
    shape_a, shape_b = get_aval(a).shape, get_aval(b).shape
    if not shape_b:
        raise ValueError(f"{name}: the right-hand side must have at least one axis.")
    single = len(shape_b) == 1
    if shape_b[-1 if single else -2] != shape_a[-1]:
        raise ValueError(
            f"{name}: matrices of shape {shape_a} and right-hand sides of shape {shape_b} do not fit."
        )
    if single:
        b = raw.expand_dims(b, (1,))
    batch = broadcast_shapes(shape_a[:-2], get_aval(b).shape[:-2])
    a, b = (broadcast_to(x, (*batch, *get_aval(x).shape[-2:])) for x in (a, b))
    return a, b, single


def _result(x: Any, single: bool) -> Any:
    return raw.squeeze(x, (get_aval(x).ndim - 1,)) if single else x


def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The triangular factor of positive definite matrices: upper by default, ``a = U^H U``."""
    return _linalg.cholesky(a, upper=not lower, symmetrize_input=False)


def cho_factor(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Any, bool]:
    """A Cholesky factor for ``cho_solve``, and whether it is lower.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.linalg import cho_factor, cho_solve
    >>> cho_solve(cho_factor(jnp.array([[4.0, 0.0], [0.0, 2.0]])), jnp.array([4.0, 4.0]))
    Array([1., 2.], dtype=float64)
    """
    return cholesky(a, lower), lower


def cho_solve(
    c_and_lower: tuple[Any, bool], b: Any, overwrite_b: bool = False, check_finite: bool = True
) -> Any:
    """The solution of ``a x = b`` from the result of ``cho_factor(a)``."""
    c, lower = c_and_lower
    c, b, single = _right_side("cho_solve", c, b)
    b = la.triangular_solve(c, b, left_side=True, lower=lower, transpose_a=not lower, conjugate_a=not lower)
    b = la.triangular_solve(c, b, left_side=True, lower=lower, transpose_a=lower, conjugate_a=lower)
    return _result(b, single)


def solve_triangular(
    a: Any,
    b: Any,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    debug: Any = None,
    check_finite: bool = True,
) -> Any:
    """The solution of a triangular system.

    Args:
        a: ``[..., n, n]``; one triangle is read.
        b: ``[n]`` or ``[..., n, m]``.
        trans: 0 or ``"N"`` for ``a``, 1 or ``"T"`` for its transpose, 2 or ``"C"`` for its adjoint.
        lower: which triangle.
        unit_diagonal: take the diagonal as 1.

    Raises:
        ValueError: for other ``trans``, and shapes that do not fit.
    """
    kinds = {0: 0, "N": 0, 1: 1, "T": 1, 2: 2, "C": 2}
    if trans not in kinds:
        raise ValueError(f"Invalid 'trans' value {trans}")
    a, b, single = _right_side("solve_triangular", a, b)
    out = la.triangular_solve(
        a,
        b,
        left_side=True,
        lower=lower,
        transpose_a=kinds[trans] > 0,
        conjugate_a=kinds[trans] == 2,
        unit_diagonal=unit_diagonal,
    )
    return _result(out, single)


def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    debug: bool = False,
    check_finite: bool = True,
    assume_a: str = "gen",
) -> Any:
    """The solution of ``a x = b``.

    Args:
        a: ``[..., n, n]``.
        b: ``[n]`` or ``[..., n, m]``.
        lower: the triangle that ``"pos"`` reads.
        assume_a: ``"pos"``: ``a`` is positive definite, and its Cholesky factor is used; ``"gen"``, ``"sym"`` and ``"her"`` mean LU
            factors.

    Raises:
        ValueError: for other ``assume_a`` than ``gen, sym, her, pos``.
    """
    if assume_a not in ("gen", "sym", "her", "pos"):
        raise ValueError(f"Expected assume_a to be one of ['gen', 'sym', 'her', 'pos']; got {assume_a!r}")
    if assume_a != "pos":
        return _linalg.solve(a, b)
    a, b, single = _right_side("solve", a, b)
    factor = cho_factor(lax.stop_gradient(a), lower)
    # Derivatives are those of the system, and need no derivative of the factorisation.
    x = lax.custom_linear_solve(
        lambda y: jnp.matmul(a, y),
        b,
        lambda _, y: cho_solve(factor, y),
        lambda _, y: jnp.conj(cho_solve(factor, jnp.conj(y))),
    )
    return _result(x, single)


def inv(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The inverse."""
    return _linalg.inv(a)


def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The determinant."""
    return _linalg.det(a)


def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, Any]:
    """LU factors for ``lu_solve``, and the row that each step exchanged."""
    (a,) = _matrices("lu_factor", a)
    lu, pivots, _ = la.lu_p.bind(a)
    return lu, pivots


def lu_solve(
    lu_and_piv: tuple[Any, Any],
    b: Any,
    trans: int = 0,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    """The solution of ``op(a) x = b`` from the result of ``lu_factor(a)``.

    Args:
        lu_and_piv: what ``lu_factor`` gave.
        b: ``[n]`` or ``[..., n, m]``.
        trans: 0 for ``a``, 1 for its transpose, 2 for its adjoint.
    """
    lu, pivots = lu_and_piv
    if trans not in (0, 1, 2):
        raise ValueError(f"'trans' value must be 0, 1, or 2, got {trans}")
    pivots = array_operand("lu_solve", pivots)
    lu, b, single = _right_side("lu_solve", lu, b)
    order = lax.linalg.lu_pivots_to_permutation(pivots, get_aval(lu).shape[-1])
    order = broadcast_to(order, get_aval(lu).shape[:-1])
    kind = {"left_side": True, "transpose_a": trans > 0, "conjugate_a": trans == 2}
    if trans == 0:
        b = la.permute_rows(b, order)
        b = la.triangular_solve(lu, b, lower=True, unit_diagonal=True, **kind)
        return _result(la.triangular_solve(lu, b, **kind), single)
    b = la.triangular_solve(lu, b, **kind)
    b = la.triangular_solve(lu, b, lower=True, unit_diagonal=True, **kind)
    return _result(la.permute_rows(b, jnp.argsort(order, -1)), single)


def lu(a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> tuple:
    """``p, l, u`` with ``a = p @ l @ u``; with ``permute_l`` the two factors ``p @ l`` and ``u``."""
    (a,) = _matrices("lu", a)
    packed, _, order = la.lu_p.bind(a)
    low, up = la.unpack_lu(packed)
    m = get_aval(a).shape[-2]
    places = jnp.arange(m, dtype="int32")
    p = (order[..., np.newaxis, :] == places[:, np.newaxis]).astype(dtypes.real_dtype(get_aval(a).dtype))
    return (jnp.matmul(p, low), up) if permute_l else (p, low, up)


def qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: Any = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> tuple:
    """Orthogonal and triangular factors; ``mode`` is ``full``, ``economic`` or ``r`` (the triangular one alone)."""
    if mode not in ("full", "economic", "r"):
        raise ValueError(f"Unsupported QR decomposition mode '{mode}'")
    (a,) = _matrices("qr", a)
    q, r, *order = lax.linalg.qr(a, pivoting=pivoting, full_matrices=mode != "economic")
    return (r, *order) if mode == "r" else (q, r, *order)


def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """Singular values and vectors: ``U, s, Vh``, or ``s`` alone."""
    out = _linalg.svd(a, full_matrices, compute_uv)
    return tuple(out) if compute_uv else out


def eigh(
    a: Any,
    b: None = None,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    turbo: bool = True,
    eigvals: None = None,
    type: int = 1,
    check_finite: bool = True,
) -> Any:
    """Eigenvalues and eigenvectors of Hermitian matrices.

    Raises:
        NotImplementedError: for the generalised problem (``b``), and for subsets (``eigvals``).
    """
    if b is not None or eigvals is not None or type != 1:
        raise NotImplementedError("eigh: only b=None, eigvals=None and type=1 are available.")
    (a,) = _matrices("eigh", a, square=True)
    v, w = lax.linalg.eigh(a, lower=lower)
    return w if eigvals_only else (w, v)


# Degrees of diagonal Pade approximants of exp, with the norm up to which each is exact to double precision
# (N. Higham, "The scaling and squaring method for the matrix exponential revisited", SIAM J. Matrix Anal. 26, 2005).
_DEGREE, _THETA = 13, 5.371920351148152


def expm(A: Any, *, upper_triangular: bool = False, max_squarings: int = 16) -> Any:  # noqa: N803
    """The exponential of square matrices, by scaling, a Pade approximant of degree 13, and squaring.

    Args:
        A: ``[..., n, n]``.
        upper_triangular: the matrices are upper triangular.
        max_squarings: matrices that need more squarings give nan.
    """
    (a,) = _matrices("expm", A, square=True)
    aval = get_aval(a)
    if upper_triangular:
        a = matrices.triu(a)
    size = jnp.max(jnp.sum(jnp.abs(a), -2), -1) if aval.shape[-1] else jnp.zeros(aval.shape[:-2])
    size = lax.stop_gradient(size)
    theta = _THETA if aval.dtype.itemsize // (2 if aval.dtype.kind == "c" else 1) == 8 else 3.925724783138660
    needed = jnp.maximum(0, jnp.ceil(jnp.log2(size / theta)))
    squarings = jnp.where(size > 0, needed, 0)
    scale = jnp.exp2(-squarings)[..., np.newaxis, np.newaxis].astype(aval.dtype)
    out = _pade(a * scale)
    for k in range(max_squarings):
        more = (squarings > k)[..., np.newaxis, np.newaxis]
        out = jnp.where(more, jnp.matmul(out, out), out)
    missing = (squarings > max_squarings)[..., np.newaxis, np.newaxis]
    return jnp.where(missing, math.nan, out)


def _pade(a: Any) -> Any:
    """``q(-a)^-1 q(a)``, even and odd powers apart."""
    n, d = _DEGREE, 2 * _DEGREE
    weights = [
        math.factorial(d - k)
        * math.factorial(n)
        / (math.factorial(d) * math.factorial(k) * math.factorial(n - k))
        for k in range(n + 1)
    ]
    unit = matrices.eye(get_aval(a).shape, get_aval(a).dtype)
    square = jnp.matmul(a, a)
    powers = [unit, square]
    while len(powers) < n // 2 + 1:
        powers.append(jnp.matmul(powers[-1], square))
    even = sum(w * p for w, p in zip(weights[0::2], powers, strict=True))
    odd = jnp.matmul(a, sum(w * p for w, p in zip(weights[1::2], powers, strict=True)))
    return _linalg.solve(even - odd, even + odd)


def block_diag(*arrs: Any) -> Any:
    """A matrix with the given ones along its diagonal."""
    blocks = [jnp.atleast_2d(array_operand("block_diag", x, i)) for i, x in enumerate(arrs)] or [
        jnp.zeros((1, 0))
    ]
    if any(x.ndim > 2 for x in blocks):
        raise ValueError("Arguments to jax.scipy.linalg.block_diag must have at most 2 dimensions.")
    columns = sum(x.shape[1] for x in blocks)
    rows, start = [], 0
    for x in blocks:
        rows.append(jnp.pad(x, ((0, 0), (start, columns - start - x.shape[1]))))
        start += x.shape[1]
    return jnp.concatenate(rows, 0)


_expose(globals())
