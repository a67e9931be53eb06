"""Condensed forms, structured systems, functions of matrices and special matrices, against JAX and their definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
import jitney.scipy.linalg as sla
from comparing import check_first
from jitney import lax

jax = pytest.importorskip("jax")

RNG = np.random.default_rng(0)
A, W, V = RNG.normal(size=(4, 4)), RNG.normal(size=(3, 5)), RNG.normal(size=4)
Z, STACK, TALL = A + 1j * RNG.normal(size=(4, 4)), RNG.normal(size=(3, 4, 4)), RNG.normal(size=(5, 3))

CALLS: list[tuple[str, tuple, dict[str, Any]]] = [
    *[
        (f"lax.linalg.{name}", (x,), {})
        for name in ("hessenberg", "schur", "tridiagonal")
        for x in (A, Z, STACK)
    ],
    *[
        ("lax.linalg.ormqr", (Z, Z[0], Z), {"left": b, "transpose": t})
        for b in (True, False)
        for t in (True, False)
    ],
    ("lax.linalg.householder_product", (TALL, V[:3]), {}),
    ("lax.linalg.tridiagonal_solve", (A[0], A[1], A[2], A), {}),
    ("lax.linalg.tridiagonal_solve", (Z[0], Z[1], Z[2], Z), {}),
    ("lax.linalg.cholesky_update", (np.triu(A), V), {}),
    ("lax.linalg.symmetric_product", (A, A), {"alpha": 2.0, "beta": 3.0, "symmetrize_output": True}),
    ("lax.linalg.qr", (TALL.T,), {"pivoting": True}),
    ("numpy.linalg.qr", (TALL,), {"mode": "raw"}),
    *[("scipy.linalg.qr", (TALL,), {"mode": m, "pivoting": True}) for m in ("full", "economic", "r")],
    ("scipy.linalg.hessenberg", (STACK,), {"calc_q": True}),
    ("scipy.linalg.sqrtm", (A,), {}),
    ("scipy.linalg.solve_sylvester", (A, STACK[0, :3, :3], A[:, :3]), {}),
    ("scipy.linalg.solve_sylvester", (A, STACK[0, :3, :3], A[:, :3]), {"method": "eigen"}),
    ("scipy.linalg.solve_sylvester", (np.eye(2), -np.eye(2), np.eye(2)), {}),
    ("scipy.linalg.polar", (A,), {}),
    ("scipy.linalg.polar", (TALL,), {"method": "svd"}),
    ("scipy.linalg.qr_multiply", (TALL, W), {}),
    ("scipy.linalg.expm_frechet", (A, Z.imag), {}),
    ("scipy.linalg.eigh_tridiagonal", (V, A[0, :3]), {"eigvals_only": True}),
    *[
        (f"scipy.linalg.{name}", (W,), {})
        for name in ("circulant", "companion", "fiedler", "fiedler_companion")
    ],
    *[(f"scipy.linalg.{name}", (W, W[0]), {}) for name in ("hankel", "toeplitz")],
    ("scipy.linalg.leslie", (W, W[:, :4]), {}),
    *[("scipy.linalg.convolution_matrix", (W, 4), {"mode": m}) for m in ("full", "same", "valid")],
    *[
        (f"scipy.linalg.{name}", (4,), {})
        for name in ("hilbert", "invhilbert", "hadamard", "helmert", "dft", "invpascal")
    ],
]


def _of(library: Any, name: str) -> Any:
    for part in name.split("."):
        library = getattr(library, part)
    return library


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_as_jax(name: str, args: tuple, kwargs: dict[str, Any]) -> None:
    import jax.scipy.linalg

    want = jax.tree.leaves(_of(jax, name)(*args, **kwargs))
    got = jitney.tree.leaves(_of(jitney, name)(*args, **kwargs))
    assert len(got) == len(want)
    for x, y in zip(got, want, strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-9)


def test_compiled_forms() -> None:
    """The routines of compiled programs, of real and complex stacks."""
    for x in (STACK, STACK + 1j * STACK[::-1]):
        t, z = jitney.jit(lax.linalg.schur)(x)
        np.testing.assert_allclose(z @ t @ np.conj(np.swapaxes(z, 1, 2)), x, atol=1e-12)
        h, q = jitney.jit(lambda x: sla.hessenberg(x, calc_q=True))(x)
        np.testing.assert_allclose(q @ h @ np.conj(np.swapaxes(q, 1, 2)), x, atol=1e-12)
        q, r, p = jitney.jit(lambda x: lax.linalg.qr(x, pivoting=True))(x)
        np.testing.assert_allclose(q @ r, np.take_along_axis(x, np.asarray(p)[:, None], 2), atol=1e-12)
        root = jitney.jit(sla.sqrtm)(x[0])
        np.testing.assert_allclose(root @ root, x[0], atol=1e-10)
        y = jitney.jit(sla.solve_sylvester)(x, x + 9 * np.eye(4), x)
        np.testing.assert_allclose(x @ y + y @ (x + 9 * np.eye(4)), x, atol=1e-11)


@pytest.mark.parametrize(
    ("fun", "args"),
    [
        (lambda *x: [lax.linalg.tridiagonal_solve(*x)], (A[0], A[1] + 4, A[2], A)),
        (lambda *x: [sla.solve_sylvester(*x)], (A, STACK[0, :3, :3], A[:, :3])),
        (lambda *x: [lax.linalg.householder_product(*x)], (TALL, V[:3])),
        (lambda *x: [lax.linalg.cholesky_update(*x)], (np.triu(A) + 3 * np.eye(4), V)),
        (lambda x: list(lax.linalg.qr(x, pivoting=True, full_matrices=False)[:2]), (TALL,)),
    ],
)
def test_derivatives(fun: Any, args: tuple) -> None:
    check_first(fun, [jnp.asarray(x) for x in args])


def test_singular_and_refused() -> None:
    zero = np.zeros(2)
    assert np.isnan(lax.linalg.tridiagonal_solve(zero, zero, zero, np.ones((2, 1)))).all()
    with pytest.raises(ValueError, match="square"):
        lax.linalg.hessenberg(W)
    with pytest.raises(ValueError, match="rows as columns"):
        lax.linalg.householder_product(W, W[0, :3])
    with pytest.raises(ValueError, match="power of 2"):
        sla.hadamard(3)
    with pytest.raises(NotImplementedError, match="svd"):
        sla.polar(TALL.T)
    np.testing.assert_allclose(sla.pascal(5), [[math.comb(i + j, i) for j in range(5)] for i in range(5)])
