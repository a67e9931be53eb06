"""Condensed forms of matrices and structured systems as functions; part of ``jitney.lax.linalg``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import matrices
from jitney._ops.condensed import hessenberg_p, householder_product_p, ormqr_p, schur_p, tridiagonal_p
from jitney._ops.matrix_equations import cholesky_update_p, symmetric_product_p, tridiagonal_solve_p
from jitney.lax.operands import operand, operands


def _matrix(name: str, x: Any) -> Any:
    x = operand(name, x)
    if get_aval(x).ndim < 2:
        raise TypeError(f"{name} requires arrays of at least two axes, got shape {get_aval(x).shape}.")
    return x


def _bind(primitive: Any, *xs: Any, **params: Any) -> Any:
    """The primitive of operands that fit, outside of traces too."""
    primitive.abstract(*map(get_aval, xs), **params)
    return primitive.bind(*xs, **params)


def hessenberg(a: Any) -> tuple[Any, Any]:
    """Hessenberg form: ``a = Q H Q^H`` with zeros in ``H`` below the diagonal beside the main one.

    Args:
        a: ``[..., n, n]``, float or complex.

    Returns:
        ``H``, with the vectors of ``n - 1`` reflectors in the place of its zeros, and their factors ``[..., n - 1]``;
        ``Q`` is ``householder_product(a[..., 1:, :-1], taus)`` behind a unit row and column.

    Raises:
        ValueError: for matrices that are not square.
    """
    return tuple(_bind(hessenberg_p, _matrix("hessenberg", a)))  # type: ignore[return-value]


def householder_product(a: Any, taus: Any) -> Any:
    """The matrix with orthonormal columns that a product of elementary reflectors ``1 - tau v v^H`` begins with.

    Args:
        a: ``[..., m, n]`` with ``m >= n``; below the diagonal of column ``i`` lies the vector of reflector ``i``.
        taus: ``[..., k]`` with ``k <= n``: the factors.

    Raises:
        ValueError: for shapes that do not fit.
    """
    return _bind(householder_product_p, *operands("householder_product", a, taus))


def ormqr(a: Any, taus: Any, c: Any, *, left: bool = True, transpose: bool = False) -> Any:
    """``Q c`` (or ``c Q``) of a product ``Q`` of reflectors, which is not formed.

    Args:
        a, taus: reflectors, ``[..., m, n]`` and ``[..., k]`` as for ``householder_product``.
        c: ``[..., m, p]``; ``[..., p, m]`` if not ``left``.
        left: the side where ``Q`` stands.
        transpose: take ``Q^H``.

    Raises:
        ValueError: for shapes that do not fit.
    """
    a, taus, c = operands("ormqr", a, taus, c)
    return _bind(ormqr_p, a, taus, c, left=bool(left), transpose=bool(transpose))


def schur(
    x: Any,
    *,
    compute_schur_vectors: bool = True,
    sort_eig_vals: bool = False,
    select_callable: Callable[..., Any] | None = None,
) -> tuple[Any, ...]:
    """Schur form ``x = Z T Z^H``: triangular of complex matrices, with blocks of 2 rows of real ones.

    Args:
        x: ``[..., n, n]``.
        compute_schur_vectors: give ``(T, Z)`` rather than ``(T,)``.

    Raises:
        NotImplementedError: for ``sort_eig_vals``.
        ValueError: for matrices that are not square.
    """
    if sort_eig_vals:
        raise NotImplementedError("schur: sorted eigenvalues are not available; leave sort_eig_vals=False.")
    return tuple(_bind(schur_p, _matrix("schur", x), compute_schur_vectors=bool(compute_schur_vectors)))


def tridiagonal(a: Any, *, lower: bool = True) -> tuple[Any, Any, Any, Any]:
    """Tridiagonal form ``a = Q T Q^H`` of Hermitian matrices.

    Args:
        a: ``[..., n, n]``; one triangle is read.
        lower: which.

    Returns:
        an array with ``T`` and the vectors of the reflectors in the triangle; the real diagonal ``[..., n]`` of ``T`` and
        the one beside it ``[..., n - 1]``; the factors of the reflectors ``[..., n - 1]``.
    """
    return tuple(_bind(tridiagonal_p, _matrix("tridiagonal", a), lower=bool(lower)))  # type: ignore[return-value]


def tridiagonal_solve(dl: Any, d: Any, du: Any, b: Any, *, perturb_singular: bool = False) -> Any:
    """Solve systems of equations with three diagonals, by elimination with exchange of rows.

    Args:
        dl: ``[..., n]``, the diagonal below; ``dl[..., 0]`` is not used.
        d: ``[..., n]``, the diagonal.
        du: ``[..., n]``, the diagonal above; ``du[..., -1]`` is not used.
        b: ``[..., n, m]``.
        perturb_singular: put a tiny number in the place of a pivot 0; otherwise singular systems give nan.

    Raises:
        TypeError: for shapes that do not fit.

    >>> import jitney.numpy as jnp
    >>> from jitney import lax
    >>> one, two = jnp.ones(3), 3 * jnp.ones(3)
    >>> lax.linalg.tridiagonal_solve(one, two, one, jnp.array([[4.0], [5.0], [4.0]]))
    Array([[1.],
           [1.],
           [1.]], dtype=float64)
    """
    dl, d, du, b = operands("tridiagonal_solve", dl, d, du, b)
    return _bind(tridiagonal_solve_p, dl, d, du, b, perturb_singular=bool(perturb_singular))


def cholesky_update(r_matrix: Any, w_vector: Any) -> Any:
    """The upper triangular ``S`` with ``S^T S = R^T R + w w^T``, by rotations.

    Args:
        r_matrix: ``[n, n]``, upper triangular.
        w_vector: ``[n]``.
    """
    r, w = operands("cholesky_update", r_matrix, w_vector)
    if get_aval(r).ndim != 2:
        raise TypeError(
            f"cholesky_update requires a single matrix, got shape {get_aval(r).shape}: use vmap for many."
        )
    return _bind(cholesky_update_p, r, w)


def symmetric_product(
    a_matrix: Any, c_matrix: Any, *, alpha: float = 1.0, beta: float = 0.0, symmetrize_output: bool = False
) -> Any:
    """``alpha A A^T + beta C``.

    Args:
        a_matrix: ``[..., m, n]``, real.
        c_matrix: ``[..., m, m]``.
        alpha, beta: numbers.
        symmetrize_output: copy the lower triangle to the upper one.
    """
    a, c = operands("symmetric_product", a_matrix, c_matrix)
    out = _bind(symmetric_product_p, a, c, alpha=float(alpha), beta=float(beta))
    return (
        ew.add(matrices.tril(out), matrices.transposed(matrices.tril(out, -1))) if symmetrize_output else out
    )
