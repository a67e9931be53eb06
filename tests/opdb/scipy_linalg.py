"""Rows of ``scipy.linalg``: factorisations and systems, functions of matrices, matrices of known structure."""

from __future__ import annotations

from typing import Any

import numpy as np

from .linear_algebra import F2, H2, INTS, M3, M23, M32, S3, S23, Z2, of_eigh, of_svd
from .table import Op, bad, given, op, sample

_CLOSE = {"tolerance": 1e-10}


def _factored(name: str) -> object:
    """The function with the two parts of its first operand, a factorisation, as operands of their own."""
    return lambda library: lambda x, p, b, **params: getattr(library.scipy.linalg, name)((x, p), b, **params)


def _solve_positive(library: Any) -> Any:
    """The solution of a symmetrised system: one triangle is read, derivatives have both."""
    jnp, solve = library.numpy, library.scipy.linalg.solve
    return lambda a, b, **params: solve(
        (a + jnp.conj(jnp.swapaxes(a, -1, -2))) / 2, b, assume_a="pos", **params
    )


# fmt: off
ROWS: list[Op] = [
    op("scipy.linalg.cholesky", given(S3), given(H2), given(F2), given(S23), given(S3, lower=True), given(INTS), bad=[bad("f8[2,3]", ValueError)]),
    op("scipy.linalg.cholesky", given(M3), given(M3, lower=True), given(Z2), order=2, make=lambda library: lambda x, **params: library.scipy.linalg.cholesky(x @ x.conj().T, **params), label="scipy.linalg.cholesky, derivatives", batch=False),
    op("scipy.linalg.cho_factor", given(S3), given(H2, lower=True), given(F2), batch=False),
    op("scipy.linalg.cho_solve", given(M3, False, M3[0]), given(M3, True, M32), given(Z2, False, Z2), given(S23, False, M32), order=1, make=_factored("cho_solve"), bad=[bad(given(M3, False, M3[0, :2]), ValueError)]),
    op("scipy.linalg.lu_factor", given(M3), given(Z2), given(F2), given(M32), order=1),
    op("scipy.linalg.lu_solve", *(given(Z2, np.array([1, 1], np.int32), Z2[0], trans=t) for t in (0, 1, 2)), given(M3, np.array([0, 2, 2], np.int32), M32), order=1, make=_factored("lu_solve"), batch=False,
       bad=[bad(given(M3, np.array([0, 1, 2], np.int32), M3[0, :2]), ValueError)]),
    op("scipy.linalg.lu", given(M3), given(M32), given(M23), given(Z2), given(F2), given(M3, permute_l=True), order=1),
    op("scipy.linalg.qr", given(M3), given(M32, mode="economic"), given(Z2), given(F2), given(M3, mode="r"), order=1, bad=[bad(given(M3, mode="x"), ValueError)]),
    op("scipy.linalg.qr", given(M32), given(M32, pivoting=True), given(M32, pivoting=True, mode="r"), label="scipy.linalg.qr, pivoting"),
    op("scipy.linalg.qr_multiply", given(M32, M23), given(M32, M23[:, :2], mode="left"), given(M32, M3[0]), given(M32, M23, pivoting=True), given(Z2, Z2, conjugate=True), batch=False,
       bad=[bad(given(M32, M23, mode="x"), ValueError)]),
    op("scipy.linalg.det", given(M3), given(Z2), given(F2), order=1),
    op("scipy.linalg.inv", given(M3), given(Z2), given(F2), order=1),
    op("scipy.linalg.svd", given(M3), given(Z2), given(M32, full_matrices=False), given(M32, compute_uv=False), unique=of_svd, order=1, **_CLOSE),
    op("scipy.linalg.eigh", given(S3), given(H2), given(F2), given(M3, lower=False), unique=of_eigh, order=1, bad=[bad(given(S3, b=S3), NotImplementedError)]),
    op("scipy.linalg.eigh", given(S3, eigvals_only=True), label="scipy.linalg.eigh, values", order=1),
    *(op("scipy.linalg.solve", given(S3, S3[0] + 1, assume_a=a), given(H2, Z2, assume_a=a), given(S3, M32, assume_a=a, lower=True), order=1, label=f"scipy.linalg.solve, {a}") for a in ("gen", "sym", "her")),
    op("scipy.linalg.solve", given(S3, S3[0] + 1), given(H2, Z2), given(S3, M32, lower=True), order=1, label="scipy.linalg.solve, pos", make=_solve_positive),
    op("scipy.linalg.solve", given(M3, M3[0]), given(F2, F2), given(S23, M32), order=1, bad=[bad(given(S3, S3, assume_a="x"), ValueError), bad("f8[2,3] f8[2]", ValueError)]),
    *(op("scipy.linalg.solve_triangular", given(M3, M3[0], trans=t), given(Z2, Z2, trans=t, lower=True), order=1, label=f"scipy.linalg.solve_triangular, {t}") for t in (0, 1, "C")),
    op("scipy.linalg.solve_triangular", given(M3, M32, unit_diagonal=True), given(F2, F2), given(S23, M32), order=1, bad=[bad(given(S3, S3, trans="X"), ValueError), bad("f8[2,2] f8[3]", Exception)]),
    op("scipy.linalg.expm", given(M3), given(Z2), given(S23), given(20 * S3), given(np.triu(M3), upper_triangular=True), given(100 * S3, max_squarings=2), order=1, tolerance=1e-9, bad=[bad("f8[2,3]", ValueError), bad("f8[3]", ValueError)]),
    op("scipy.linalg.expm_frechet", given(M3, S3), given(M3, S3, compute_expm=False), tolerance=1e-9, bad=[bad("f8[2,2] f8[3,3]", ValueError)]),
    op("scipy.linalg.sqrtm", given(S3), given(M3), given(Z2), order=1, **_CLOSE, bad=[bad(given(M3, blocksize=2), NotImplementedError)]),
    op("scipy.linalg.funm", given(S3, np.exp), **_CLOSE, concrete=True),
    op("scipy.linalg.solve_sylvester", given(M3, S3[:2, :2], M32), given(Z2, H2, Z2), given(M3, S3[:2, :2], M32, method="eigen"), order=1, **_CLOSE, bad=[bad("f8[3,3] f8[2,2] f8[2,3]", ValueError)]),
    op("scipy.linalg.polar", given(M3), given(M32), given(M23, side="left"), given(M3, method="svd"), given(M32, method="svd", side="left"), **_CLOSE, bad=[bad(given(M3, side="x"), ValueError), bad(given(M3, method="x"), ValueError)]),
    op("scipy.linalg.schur", given(M3), given(Z2), given(F2), given(M3, output="complex"), bad=[bad(given(M3, output="x"), ValueError)]),
    op("scipy.linalg.rsf2csf", given(np.triu(M3, -1) * np.array([[1, 1, 1], [-1, 1, 1], [1, 0, 1]]), np.eye(3)), batch=False, **_CLOSE),
    op("scipy.linalg.hessenberg", given(M3), given(Z2), given(M3, calc_q=True)),
    op("scipy.linalg.eigh_tridiagonal", sample("f8[4] f8[3]", eigvals_only=True), sample("f4[4] f4[3]", eigvals_only=True), sample("f8[4] f8[3]", eigvals_only=True, select="i", select_range=(1, 2)),
       tolerance=1e-7, batch=False, bad=[bad("f8[4] c16[3]", TypeError, eigvals_only=True), bad("f8[4] f4[3]", TypeError, eigvals_only=True), bad("f8[4] f8[3]", ValueError, eigvals_only=True, select="x")]),
    op("scipy.linalg.eigh_tridiagonal", "f8[4] f8[3]", order=2, tolerance=1e-7, batch=False, label="scipy.linalg.eigh_tridiagonal, derivatives",
       make=lambda library: lambda d, e: library.scipy.linalg.eigh_tridiagonal(d, e, eigvals_only=True) ** 3),
    op("scipy.linalg.block_diag", "f8[2,2] f8[1,3]", "i4[2] f8[1,1]", "f8 f8[0,2]", order=1, bad=[bad("f8[2,2,2]", ValueError)]),
    op("scipy.linalg.toeplitz", "f8[3]", "c16[3]", "f8[3] f8[2]", "i4[2] f4[3]", "f8[2,3] f8[2]", order=1),
    op("scipy.linalg.hankel", "f8[3]", "f8[3] f8[2]", "i4[2] f4[3]", order=1),
    op("scipy.linalg.circulant", "f8[3]", "i4[2,3]", order=1),
    op("scipy.linalg.companion", "f8[4]", "f8[2,3]", "i4[3]", order=1, bad=[bad("f8[1]", ValueError)]),
    op("scipy.linalg.fiedler", "f8[3]", "i4[2,3]", order=1),
    op("scipy.linalg.fiedler_companion", "f8[5]", "f8[2,4]", order=1),
    op("scipy.linalg.leslie", "f8[3] f8[2]", "f8[2,3] f8[2,2]", order=1, bad=[bad("f8[3] f8[3]", ValueError), bad("f8[1] f8[0]", ValueError)]),
    op("scipy.linalg.convolution_matrix", *(sample("f8[3]", n=4, mode=m) for m in ("full", "same", "valid")), sample("i4[2,2]", n=1), order=1, bad=[bad("f8[3]", ValueError, n=0), bad("f8[3]", ValueError, n=2, mode="x")]),
    *(op(f"scipy.linalg.{n}", given(4), given(1), given(0)) for n in ("hilbert", "invhilbert")),
    *(op(f"scipy.linalg.{n}", given(4), given(3, "lower"), given(3, "upper"), bad=[bad(given(3, "x"), ValueError)]) for n in ("pascal", "invpascal")),
    op("scipy.linalg.dft", given(4), given(3, "sqrtn"), given(5, "n"), bad=[bad(given(3, "x"), ValueError)]),
    op("scipy.linalg.hadamard", given(4), given(2, np.float32), bad=[bad(given(3), ValueError)]),
    op("scipy.linalg.helmert", given(4), given(3, True), bad=[bad(given(0), ValueError)]),
]
# fmt: on
