"""Rows of ``numpy.linalg`` and ``lax.linalg``: systems of equations, factorisations, eigenvalues, norms, condensed forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Op, bad, given, op, sample


def projected(library: Any, v: Any, w: Any, u: Any = None) -> Any:
    """``V cos(w) U^H`` (``V`` for ``U`` if that is not given): columns as far as their common phases do not matter."""
    jnp = library.numpy
    count = w.shape[-1]
    right = jnp.conj(jnp.swapaxes(v, -1, -2)) if u is None else u[..., :count, :]
    return (v[..., :count] * jnp.cos(w)[..., None, :]) @ right


def of_eigh(library: Any, result: Any) -> Any:
    """Eigenvalues, and the vectors up to phases."""
    w, v = result
    return w, projected(library, v, w)


def of_lax_eigh(library: Any, result: Any) -> Any:
    return of_eigh(library, result[::-1])


def of_svd(library: Any, result: Any) -> Any:
    """Singular values, both vectors up to common phases, and what the vectors behind span."""
    if not isinstance(result, tuple):
        return result
    u, s, vh = result
    jnp, count = library.numpy, s.shape[-1]
    left, right = u[..., count:], vh[..., count:, :]
    adjoint = lambda x: jnp.conj(jnp.swapaxes(x, -1, -2))  # noqa: E731
    return s, projected(library, u, s, vh), left @ adjoint(left), adjoint(right) @ right


def of_eig(library: Any, result: Any) -> Any:
    """Eigenvalues, lengths of the vectors, and the vectors up to factors."""
    w, v = result
    jnp = library.numpy
    return w, jnp.sum(jnp.abs(v) ** 2, -2), projected(library, v, w, jnp.linalg.inv(v))


# Of full rank, symmetric (Hermitian) and positive definite; two at once; empty and of one element.
M3 = np.array([[4.0, 1.0, -0.5], [0.5, 3.0, 1.5], [-1.0, 0.75, 5.0]])
S3 = np.array([[4.0, 1.0, -0.5], [1.0, 3.0, 0.75], [-0.5, 0.75, 1.5]])
Z2 = np.array([[2.0 + 1j, 0.5 - 1j], [1.0 + 0.5j, -3.0 + 0.25j]])
H2 = np.array([[4.0, 0.5 - 1j], [0.5 + 1j, 3.0]])
F2 = S3[:2, :2].astype(np.float32)
S23 = np.stack([S3, 2 * S3 + np.eye(3)])
M32, M23 = M3[:, :2].copy(), M3[:2].copy()
E0, E1, NAN = np.zeros((0, 0)), np.array([[4.0]]), np.array([[np.nan, 1.0], [1.0, 2.0]])
INTS = np.array([[4, 1], [1, 3]])
# fmt: off
NUMPY: list[Op] = [
    op("numpy.linalg.cholesky", given(S3), given(H2), given(F2), given(S23), given(E0), given(E1), given(INTS), given(NAN), given(S3, upper=True), given(M3, symmetrize_input=False), order=2,
       bad=[bad("f8[2,3]", ValueError, jax=TypeError), bad("f8[3]", TypeError), bad("f8", TypeError)]),
    op("numpy.linalg.eigh", given(S3), given(H2), given(F2), given(S23), given(E0), given(M3), order=1, unique=of_eigh,
       bad=[bad("f8[2,3]", ValueError, jax=TypeError), bad("f8[3]", TypeError), bad(given(S3, UPLO="X"), ValueError)]),
    op("numpy.linalg.eigh", given(M3, symmetrize_input=False), given(M3, UPLO="U", symmetrize_input=False), unique=of_eigh, label="numpy.linalg.eigh, triangles"),
    op("numpy.linalg.eigvalsh", given(S3), given(H2), given(INTS), order=1, bad=[bad("f8[2,3]", ValueError, jax=TypeError)]),
    op("numpy.linalg.eigvalsh", given(M3, UPLO="U", symmetrize_input=False), label="numpy.linalg.eigvalsh, triangles"),
    op("numpy.linalg.eig", given(M3), given(Z2), given(F2), given(S23), given(E0), unique=of_eig, order=1, tolerance=1e-10, bad=[bad("f8[2,3]", ValueError), bad("f8[3]", TypeError)]),
    op("numpy.linalg.eigvals", given(M3), given(Z2), given(INTS), order=1, bad=[bad("f8[2,3]", ValueError)]),
    op("numpy.linalg.inv", given(M3), given(Z2), given(F2), given(S23), given(E0), given(INTS), given(np.zeros((2, 2))), order=2, bad=[bad("f8[2,3]", ValueError), bad("f8[3]", ValueError)]),
    op("numpy.linalg.det", given(M3), given(Z2), given(F2), given(S23), given(E0), given(E1), given(INTS), given(np.ones((3, 3))), order=2, bad=[bad("f8[2,3]", ValueError)]),
    op("numpy.linalg.slogdet", given(M3), given(Z2), given(F2), given(-S23), given(E0), given(np.ones((2, 2))), given(M3, method="qr"), order=1, bad=[bad("f8[2,3]", ValueError), bad(given(M3, method="x"), ValueError)]),
    op("numpy.linalg.solve", given(M3, M3[0]), given(M3, M32), given(Z2, Z2[0]), given(F2, F2), given(S23, M32), given(E0, np.zeros(0)), given(INTS, INTS), order=2,
       bad=[bad("f8[2,3] f8[2]", ValueError), bad("f8[2,2] f8[3]", ValueError), bad("f8[2] f8[2]", ValueError)]),
    op("numpy.linalg.lstsq", given(M32, M3[0]), given(M32, M3), given(M23, M3[0, :2]), given(F2[:, :1].copy(), F2), given(M32, M3[0], rcond=0.9), order=1, tolerance=1e-11,
       bad=[bad("f8[3] f8[3]", TypeError), bad("f8[3,2] f8[2]", ValueError), bad("f8[3,2] f8[3,2,1]", TypeError)], batch=False),
    op("numpy.linalg.lstsq", given(M32, M3[0], numpy_resid=True), given(M23, M3[0, :2], numpy_resid=True), given(np.ones((3, 2)), M3[0], numpy_resid=True), concrete=True, tolerance=1e-11, label="numpy.linalg.lstsq, residuals"),
    op("numpy.linalg.pinv", given(M32), given(M23), given(Z2), given(F2), given(np.ones((2, 2))), given(S3, hermitian=True), given(M32, rtol=0.9), given(np.zeros((0, 2))), order=1, bad=[bad("f8[3]", ValueError)]),
    op("numpy.linalg.qr", given(M3), given(M32), given(Z2), given(F2), given(S23), given(M32, mode="r"), order=1, bad=[bad("f8[3]", TypeError), bad(given(M3, mode="x"), ValueError)]),
    op("numpy.linalg.qr", given(M23), given(M32, mode="complete"), given(M32, mode="raw"), label="numpy.linalg.qr, complete"),
    op("numpy.linalg.svd", given(M3), given(Z2), given(M32, full_matrices=False), given(M23, full_matrices=False), given(F2), given(S23), order=1, unique=of_svd, tolerance=1e-11, bad=[bad("f8[3]", TypeError)]),
    op("numpy.linalg.svd", given(M32), given(M23), given(M32, compute_uv=False), given(S3, hermitian=True), given(NAN), given(np.zeros((0, 2))), unique=of_svd,
       label="numpy.linalg.svd, forms", bad=[bad(given(M3, subset_by_index=(0, 1)), ValueError)]),
    op("numpy.linalg.svdvals", given(M32), given(Z2), given(F2), order=1, bad=[bad("f8[3]", TypeError)]),
    *(op("numpy.linalg.cond", given(M3, p=p), given(Z2, p=p), order=1, label=f"numpy.linalg.cond, {p}") for p in (None, 1, -2, "fro")),
    op("numpy.linalg.matrix_rank", given(M3), given(np.ones((3, 3))), given(M32), given(S23), given(M3, tol=4.0), given(S3, hermitian=True), given(np.zeros(2)), given(INTS)),
    op("numpy.linalg.matrix_rank", given(M3, rtol=0.9), reference=np.linalg.matrix_rank, label="numpy.linalg.matrix_rank, relative"),  # JAX takes it as absolute
    op("numpy.linalg.matrix_power", sample("f8[2,2]", n=3), sample("f8[2,2]", n=0), sample("f8[2,2]", n=-2), sample("i8[2,2]", n=5), sample("f8[2,2,2]", n=2), order=1,
       bad=[bad("f8[2,3]", TypeError, n=2), bad("f8[2]", TypeError, n=2), bad("f8[2,2]", TypeError, n=1.5)]),
    op("numpy.linalg.multi_dot", sample("f8[2,3] f8[3,4] f8[4,2]", pack=True), sample("f8[3] f8[3,2] f8[2]", pack=True), sample("f8[2,3] i4[3,2]", pack=True), order=1,
       bad=[bad("f8[2,3] f8[2,3]", TypeError, pack=True, jax=Exception)]),
    op("numpy.linalg.matmul", "f8[2,3] f8[3,2]", sample("f4[2,2] f4[2,2]", preferred_element_type="float64"), order=1, bad=[bad("f8[2,3] f8[2,3]", TypeError)]),
    op("numpy.linalg.outer", "f8[3] f8[2]", "f8[2] i4[2]", order=1, bad=[bad("f8[2,2] f8[2]", ValueError)]),
    op("numpy.linalg.cross", "f8[3] f8[3]", sample("f8[3,2] f8[3,2]", axis=0), order=1, bad=[bad("f8[2] f8[2]", ValueError)]),
    op("numpy.linalg.vecdot", "f8[2,3] f8[3]", "c16[3] c16[3]", sample("f8[3,2] f8[3,2]", axis=0), order=1, bad=[bad("f8[3] f8[2]", ValueError)]),
    op("numpy.linalg.tensordot", "f8[2,3,2] f8[3,2,2]", sample("f8[2,3] f8[3,2]", axes=1), sample("f8[2,3] f8[2,3]", axes=([0, 1], [0, 1])), order=1),
    op("numpy.linalg.diagonal", "f8[3,3]", sample("f8[2,2,3]", offset=1), sample("i4[2,2]", offset=-1), order=1, bad=[bad("f8[3]", ValueError)]),
    op("numpy.linalg.trace", "f8[3,3]", sample("f8[2,2,3]", offset=1), sample("i4[2,2]", dtype="float32"), order=1),
    op("numpy.linalg.matrix_transpose", "f8[2,3]", "c16[2,2,3]", order=1, bad=[bad("f8[3]", ValueError)]),
    op("numpy.linalg.norm", "f8[3]", "f8[2,3]", "c16[2,2]", "f4[3]", "i4[3]", sample("f8[2,3]", axis=1, keepdims=True), sample("f8[2,3,2]", axis=(0, 2)), sample("f8[2,3]", keepdims=True), order=2,
       bad=[bad("f8[2,2,2]", ValueError, ord=2), bad("f8[2]", ValueError, ord="fro"), bad("f8[2,2]", ValueError, ord="x"), bad("f8[2,2]", ValueError, axis=2)]),
    *(op("numpy.linalg.norm", sample("f8[4]", ord=p), sample("c16[2,3]", ord=p, axis=0), order=1, label=f"numpy.linalg.norm, vectors, {p}") for p in (1, -1, 2, 3, 0.5, np.inf, -np.inf, 0)),
    *(op("numpy.linalg.matrix_norm", given(M3, ord=p), given(M32, ord=p, keepdims=True), given(Z2, ord=p), order=1, label=f"numpy.linalg.matrix_norm, {p}", bad=[bad("f8[3]", Exception, ord=p)])
      for p in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)),
    op("numpy.linalg.vector_norm", "f8[2,3]", sample("f8[2,3]", axis=0, keepdims=True, ord=1), sample("f8[2,3,2]", axis=(0, 2)), "c16[3]", order=1, bad=[bad("f8[2]", ValueError, ord="fro")]),
    op("numpy.linalg.tensorinv", "f8[2,3,6]", sample("f8[4,2,2]", ind=1), order=1, tolerance=1e-10, bad=[bad("f8[4,2,2]", ValueError), bad("f8[4,2,2]", ValueError, ind=0)]),
    op("numpy.linalg.tensorsolve", "f8[2,3,6] f8[2,3]", sample("f8[2,6,3] f8[2,3]", axes=(1,)), order=1, tolerance=1e-10, bad=[bad("f8[2,2] f8[3]", ValueError)]),
]
# fmt: on

_T3 = np.tril(M3)
_PIVOTS = np.array([2, 1, 2], np.int32)
_DIAGONALS = np.array([0.0, 1.0, 2.0]), np.array([4.0, 5.0, 6.0]), np.array([0.5, -1.0, 0.0])

# fmt: off
LAX: list[Op] = [
    op("lax.linalg.cholesky", given(S3), given(H2), given(F2), given(S23), given(E0), given(NAN), given(INTS), given(INTS.astype(np.int32)), given(M3, symmetrize_input=False), order=2,
       bad=[bad("f8[2,3]", TypeError), bad("f8[3]", TypeError), bad("i8[2,2]", TypeError, symmetrize_input=False)]),
    op("lax.linalg.eigh", given(S3), given(H2), given(F2), given(S23), given(E0), given(M3), given(INTS), given(S3, subset_by_index=(0, 3)), unique=of_lax_eigh, order=1,
       bad=[bad("f8[2,3]", ValueError, jax=TypeError), bad("f8[3]", TypeError), bad("i8[2,2]", TypeError, symmetrize_input=False)]),
    op("lax.linalg.eigh", given(M3, symmetrize_input=False), given(M3, lower=False, symmetrize_input=False), given(S3, sort_eigenvalues=False), unique=of_lax_eigh, label="lax.linalg.eigh, triangles"),
    op("lax.linalg.eig", given(M3, compute_left_eigenvectors=False), given(Z2, compute_left_eigenvectors=False), given(S23, compute_left_eigenvectors=False), given(E0, compute_left_eigenvectors=False), unique=of_eig,
       order=1, tolerance=1e-10, bad=[bad("f8[2,3]", ValueError), bad("f8[3]", TypeError), bad("i8[2,2]", TypeError)]),
    op("lax.linalg.eig", given(M3, compute_left_eigenvectors=False, compute_right_eigenvectors=False), label="lax.linalg.eig, values", order=1),
    op("lax.linalg.svd", given(M3), given(Z2), given(M32, full_matrices=False), given(M23, full_matrices=False), given(F2), given(S23), order=1, unique=of_svd, tolerance=1e-11,
       bad=[bad("f8[3]", TypeError), bad("i8[2,2]", TypeError)]),
    op("lax.linalg.svd", given(M32), given(M23), given(M32, compute_uv=False), given(NAN), unique=of_svd, label="lax.linalg.svd, forms"),
    op("lax.linalg.qr", given(M3), given(M32, full_matrices=False), given(Z2), given(F2), given(S23), order=1, bad=[bad("f8[3]", TypeError), bad("i8[2,2]", TypeError)]),
    op("lax.linalg.qr", given(M32), given(M23, full_matrices=False), given(M32, pivoting=True), given(Z2, pivoting=True, full_matrices=False), label="lax.linalg.qr, forms"),
    op("lax.linalg.lu", given(M3), given(M32), given(M23), given(Z2), given(F2), given(S23), given(E0), given(np.ones((2, 2))), order=1, bad=[bad("f8[3]", TypeError), bad("i8[2,2]", TypeError)]),
    op("lax.linalg.lu_pivots_to_permutation", given(_PIVOTS, permutation_size=3), given(_PIVOTS, permutation_size=4), given(np.stack([_PIVOTS, _PIVOTS - _PIVOTS % 2]), permutation_size=3), given(np.zeros(0, np.int32), permutation_size=2),
       batch=False, bad=[bad("f8[3]", TypeError, permutation_size=3)]),
    op("lax.linalg.triangular_solve", given(_T3, M3, lower=True), given(_T3, M32, lower=True, left_side=True), given(Z2, Z2, transpose_a=True, conjugate_a=True), given(F2, F2, unit_diagonal=True), given(S23, S23), order=2,
       bad=[bad("f8[2,3] f8[2,2]", ValueError), bad("f8[2,2] f8[3,3]", ValueError), bad("f8[2,2] f4[2,2]", TypeError)]),
    op("lax.linalg.tridiagonal_solve", given(*_DIAGONALS, M3), given(*(np.stack([x, x + 1]) for x in _DIAGONALS), S23), given(*(x.astype(np.float32) for x in _DIAGONALS), M32.astype(np.float32)), order=1, tolerance=1e-11,
       batch=False, bad=[bad("f8[3] f8[3] f8[3] f8[2,1]", TypeError), bad("f8[3] f8[3] f8[3] f4[3,1]", TypeError)]),
    op("lax.linalg.tridiagonal", given(S3), given(H2), given(S3, lower=False), given(S23), bad=[bad("f8[2,3]", ValueError), bad("f8[3]", TypeError)]),
    op("lax.linalg.hessenberg", given(M3), given(Z2), given(S23), bad=[bad("f8[2,3]", ValueError), bad("f8[3]", TypeError)]),
    op("lax.linalg.schur", given(M3), given(Z2), given(F2), given(M3, compute_schur_vectors=False), bad=[bad("f8[2,3]", ValueError), bad("f8[3]", TypeError)]),
    op("lax.linalg.householder_product", "f8[3,2] f8[2]", "c16[3,2] c16[2]", "f8[2,3,2] f8[2,2]", order=1, bad=[bad("f8[2,3] f8[2]", ValueError), bad("f8[3,2] f8[3]", ValueError)]),
    op("lax.linalg.ormqr", "f8[3,2] f8[2] f8[3,2]", sample("f8[3,2] f8[2] f8[2,3]", left=False), sample("f8[3,2] f8[2] f8[3,2]", transpose=True), bad=[bad("f8[3,2] f8[2] f8[5,5]", ValueError)]),
    op("lax.linalg.qdwh", given(M3), given(M32), given(Z2), tolerance=1e-10, bad=[bad("f8[3]", Exception)]),
    op("lax.linalg.cholesky_update", given(np.triu(M3), M3[0]), given(np.triu(F2), F2[0]), order=1, bad=[bad("f8[2,2] f8[3]", ValueError), bad("f8[2,2] f4[2]", TypeError)]),
    op("lax.linalg.symmetric_product", sample("f8[2,3] f8[2,2]", symmetrize_output=True), sample("f8[2,3] f8[2,2]", alpha=2.0, beta=0.5, symmetrize_output=True), sample("f4[2,3] f4[2,2]", symmetrize_output=True), order=1,
       bad=[bad("f8[2,3] f8[3,3]", ValueError)]),
]
# fmt: on
ROWS = NUMPY + LAX
