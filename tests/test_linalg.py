"""Linear algebra: values, derivatives and batches against JAX, small systems native, misuse."""

from __future__ import annotations

import doctest
import importlib
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
import jitney.scipy.linalg as sla
from jitney import lax

jax = pytest.importorskip("jax")

RNG = np.random.default_rng(0)


def positive(a: np.ndarray) -> np.ndarray:
    return a @ np.swapaxes(a, -1, -2) + np.eye(a.shape[-2])


A, A9, STACK = RNG.normal(size=(3, 3)), RNG.normal(size=(9, 9)), RNG.normal(size=(5, 3, 3))
V, M, TALL = RNG.normal(size=3), RNG.normal(size=(3, 2)), RNG.normal(size=(4, 3))
C = RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3))
S, S9 = positive(A), positive(A9)


def rebuilt(u: Any, s: Any, vh: Any) -> Any:
    """A function of the matrix that does not depend on the signs of its singular vectors."""
    return (u * s**2) @ vh


# name -> (function of (jnp.linalg, *operands), operands)
CASES: dict[str, tuple] = {
    "solve": (lambda m, a, b: m.solve(a, b), A, V),
    "solve_columns": (lambda m, a, b: m.solve(a, b), A, M),
    "solve_stack": (lambda m, a, b: m.solve(a, b), STACK, M),
    "solve_wide": (lambda m, a, b: m.solve(a, b), A, STACK),
    "solve_large": (lambda m, a, b: m.solve(a, b), A9, A9[:, :3]),
    "solve_complex": (lambda m, a, b: m.solve(a, b), C, C[:, :2]),
    "inv": (lambda m, a: m.inv(a), A),
    "inv_stack": (lambda m, a: m.inv(a), STACK),
    "inv_large": (lambda m, a: m.inv(a), A9),
    "det_2": (lambda m, a: m.det(a), A[:2, :2]),
    "det_stack": (lambda m, a: m.det(a), STACK),
    "det_4": (lambda m, a: m.det(a), positive(TALL)),
    "det_large": (lambda m, a: m.det(a), A9),
    "slogdet": (lambda m, a: tuple(m.slogdet(a)), A),
    "slogdet_large": (lambda m, a: tuple(m.slogdet(a)), A9),
    "cholesky": (lambda m, a: m.cholesky(a), S),
    "cholesky_upper": (lambda m, a: m.cholesky(a, upper=True), S),
    "cholesky_large": (lambda m, a: m.cholesky(a), S9),
    "cholesky_complex": (lambda m, a: m.cholesky(a @ a.conj().T), C),
    "matrix_power": (lambda m, a: m.matrix_power(a, 5), A),
    "matrix_power_negative": (lambda m, a: m.matrix_power(a, -2), A),
    "norm": (lambda m, a: m.norm(a), A),
    "norm_3": (lambda m, a: m.norm(a, 3, 0), A),
    "norm_columns": (lambda m, a: m.norm(a, 1), A),
    "norm_rows": (lambda m, a: m.norm(a, np.inf, axis=(0, 1), keepdims=True), A),
    "norm_spectral": (lambda m, a: m.norm(a, 2), A),
    "norm_nuclear": (lambda m, a: m.norm(a, "nuc"), A),
    "vector_norm": (lambda m, a: m.vector_norm(a, axis=1), A),
    "multi_dot": (lambda m, a, b: m.multi_dot([a, b, b.T, a]), A, M),
    "eigh": (lambda m, a: tuple(m.eigh(a)), S),
    "eigvalsh_large": (lambda m, a: m.eigvalsh(a), S9),
    "svd_values": (lambda m, a: m.svd(a, compute_uv=False), TALL),
    "svd_tall": (lambda m, a: rebuilt(*m.svd(a, full_matrices=False)), TALL),
    "svd_wide": (lambda m, a: rebuilt(*m.svd(a, full_matrices=False)), TALL.T.copy()),
    "svd_complex": (lambda m, a: rebuilt(*m.svd(a, full_matrices=False)), C),
    "qr": (lambda m, a: tuple(m.qr(a)), TALL),
    "qr_wide": (lambda m, a: tuple(m.qr(a)), TALL.T.copy()),
    "qr_wide_complex": (lambda m, a: (lambda q, r: q @ (r * r))(*m.qr(a, "complete")), C[:2]),
    "qr_complex": (lambda m, a: (lambda q, r: q @ (r * r))(*m.qr(a)), C),
    "lstsq": (lambda m, a, b: m.lstsq(a, b)[:2], TALL, TALL[:, 0] ** 2),
    "pinv": (lambda m, a: m.pinv(a), TALL),
    "cond": (lambda m, a: m.cond(a), A),
    "tensorinv": (lambda m, a: m.tensorinv(a, 1), A),
}

SCIPY: dict[str, tuple] = {
    "cho_solve": (lambda m, a, b: m.cho_solve(m.cho_factor(a), b), S, V),
    "cho_solve_lower": (lambda m, a, b: m.cho_solve(m.cho_factor(a, True), b), S9, S9[:, :2]),
    "solve_triangular": (lambda m, a, b: m.solve_triangular(a, b, lower=True), A, V),
    "solve_triangular_t": (
        lambda m, a, b: m.solve_triangular(a, b, trans="T", unit_diagonal=True),
        A,
        M,
    ),
    "solve_triangular_c": (lambda m, a, b: m.solve_triangular(a, b, trans="C"), C, C[:, 0]),
    "solve_pos": (lambda m, a, b: m.solve(a, b, assume_a="pos"), S, M),
    "lu_solve": (lambda m, a, b: m.lu_solve(m.lu_factor(a), b), A, V),
    "lu_solve_t": (lambda m, a, b: m.lu_solve(m.lu_factor(a), b, 1), A9, A9[:, :2]),
    "lu": (lambda m, a: m.lu(a), A),
    "lu_tall": (lambda m, a: m.lu(a), TALL),
    "lu_wide": (lambda m, a: m.lu(a, permute_l=True), TALL.T.copy()),
    "expm": (lambda m, a: m.expm(a), A),
    "expm_squared": (lambda m, a: m.expm(a * 5), A),
    "expm_zero": (lambda m, a: m.expm(a * 0), A),
    "block_diag": (lambda m, a, b: m.block_diag(a, b), A, M),
    "toeplitz": (lambda m, a, b: m.toeplitz(a, b), V, M[:, 0]),
}


def check(got: Any, want: Any, tolerance: float = 1e-9) -> None:
    ours, theirs = jitney.tree.leaves(got), jax.tree.leaves(want)
    for g, w in zip(ours, theirs, strict=True):
        g, w = np.asarray(g), np.asarray(w)
        assert g.dtype == w.dtype and g.shape == w.shape
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance)


def objective(f: Any, module: Any, np_: Any) -> Any:
    """A real number made of all results, with weights of their shapes."""

    def total(*xs: Any) -> Any:
        out = f(module, *xs)
        parts = out if isinstance(out, tuple) else (out,)
        value = 0.0
        for part in parts:
            weights = np.cos(np.arange(np.prod(part.shape, dtype=int))).reshape(part.shape)
            value = value + (np_.real(part) * weights).sum()
            if part.dtype.kind == "c":
                value = value + (np_.imag(part) * weights * 0.3).sum()
        return value

    return total


def modules(name: str) -> tuple[Any, Any, tuple]:
    if name in CASES:
        return jnp.linalg, jax.numpy.linalg, CASES[name]
    return sla, jax.scipy.linalg, SCIPY[name]


@pytest.mark.parametrize("name", [*CASES, *SCIPY])
def test_values_and_gradients(name: str) -> None:
    ours, theirs, (f, *xs) = modules(name)
    want = f(theirs, *xs)
    check(f(ours, *map(jnp.array, xs)), want)
    check(jitney.jit(lambda *a: f(ours, *a))(*xs), want)
    numbers = tuple(range(len(xs)))
    want = jax.grad(objective(f, theirs, jax.numpy), numbers)(*xs)
    gradient = jitney.grad(objective(f, ours, jnp), numbers)
    check(gradient(*xs), want, 1e-7)
    check(jitney.jit(gradient)(*xs), want, 1e-7)


@pytest.mark.parametrize(
    "name", ["solve", "inv", "det_2", "slogdet", "cholesky", "eigh", "svd_tall", "qr", "qr_wide", "lu"]
)
def test_second_derivatives(name: str) -> None:
    ours, theirs, (f, *xs) = modules(name)
    want = jax.hessian(objective(f, theirs, jax.numpy))(*xs)
    check(jitney.hessian(objective(f, ours, jnp))(*xs), want, 1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "solve",
        "solve_large",
        "inv_stack",
        "det_4",
        "cholesky",
        "eigh",
        "svd_tall",
        "qr",
        "qr_wide",
        "cho_solve",
        "lu",
    ],
)
def test_batches(name: str) -> None:
    ours, theirs, (f, *xs) = modules(name)
    many = [np.stack([x, 1.1 * x, 0.9 * x]) for x in xs]
    batched = jitney.vmap(lambda *a: f(ours, *a))
    want = jax.vmap(lambda *a: f(theirs, *a))(*many)
    check(batched(*many), want)
    check(jitney.jit(batched)(*many), want)
    if len(xs) == 2:
        one = jitney.jit(jitney.vmap(lambda *a: f(ours, *a), (None, 0)))(xs[0], many[1])
        check(one, jax.vmap(lambda *a: f(theirs, *a), (None, 0))(xs[0], many[1]))


@pytest.mark.parametrize("left_side", [True, False])
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("transpose_a", [True, False])
def test_triangular_solve(left_side: bool, lower: bool, transpose_a: bool) -> None:
    for size, dtype in ((4, "f8"), (4, "f4"), (11, "f8"), (4, "c16")):
        a = RNG.normal(size=(2, size, size)) + 4 * np.eye(size)
        b = RNG.normal(size=(2, size, 3) if left_side else (2, 3, size))
        a, b = ((x + 0.5j * x[::-1]).astype(dtype) if dtype == "c16" else x.astype(dtype) for x in (a, b))
        params: dict[str, Any] = dict(left_side=left_side, lower=lower, transpose_a=transpose_a)
        for extra in ({}, {"unit_diagonal": True, "conjugate_a": True}):
            want = jax.lax.linalg.triangular_solve(a, b, **params, **extra)
            tolerance = 2e-5 if dtype == "f4" else 1e-10
            f = lambda a, b: lax.linalg.triangular_solve(a, b, **params, **extra)  # noqa: B023, E731
            scale = float(np.abs(want).max())
            check(f(a, b) / scale, want / scale, tolerance)
            check(jitney.jit(f)(a, b) / scale, want / scale, tolerance)


@pytest.mark.parametrize("n", range(1, 10))
@pytest.mark.parametrize("count", [1, 3, 21])
def test_sizes(n: int, count: int) -> None:
    a, b = RNG.normal(size=(count, n, n)), RNG.normal(size=(count, n, 2))
    check(jitney.jit(lax.linalg.lu)(a), jax.lax.linalg.lu(a))
    check(jitney.jit(jnp.linalg.solve)(a, b), np.linalg.solve(a, b), 1e-6)
    check(jitney.jit(lax.linalg.cholesky)(positive(a)), np.linalg.cholesky(positive(a)))


def test_float32() -> None:
    a, b = S.astype("f4"), M.astype("f4")
    for f in (jnp.linalg.solve, jitney.jit(jnp.linalg.solve)):
        check(f(a, b), jax.numpy.linalg.solve(a, b), 1e-4)
    check(jitney.jit(jnp.linalg.cholesky)(a), jax.numpy.linalg.cholesky(a), 1e-5)


def test_singular_and_indefinite() -> None:
    for f in (jnp.linalg.cholesky, jitney.jit(jnp.linalg.cholesky), lax.linalg.cholesky):
        assert np.isnan(f(-np.eye(2))[0, 0])
        stack = f(np.stack([np.eye(2), -np.eye(2)]))
        np.testing.assert_array_equal(stack[0], np.eye(2))
        assert np.isnan(stack[1][0, 0])
    for f in (jnp.linalg.inv, jitney.jit(jnp.linalg.inv)):
        assert not np.isfinite(f(np.zeros((2, 2)))).any()
    assert jnp.linalg.det(np.zeros((4, 4))) == 0
    sign, value = jitney.jit(jnp.linalg.slogdet)(np.zeros((2, 2)))
    assert sign == 0 and value == -np.inf


def kalman(np_: Any, scan: Any) -> Any:
    move = np.eye(4) + 0.1 * np.eye(4, k=1) * np.array([[0, 1, 0, 1]])
    see = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0]])

    def run(noise: Any, data: Any) -> Any:
        def step(state: Any, y: Any) -> Any:
            mean, cov, total = state
            mean, cov = move @ mean, move @ cov @ move.T + noise * np_.eye(4)
            spread, rest = see @ cov @ see.T + 0.5 * np_.eye(2), y - see @ mean
            gain = np_.linalg.solve(spread, see @ cov).T
            total = total - 0.5 * (rest @ np_.linalg.solve(spread, rest) + np_.linalg.slogdet(spread)[1])
            return (mean + gain @ rest, cov - gain @ spread @ gain.T, total), None

        return scan(step, (np_.zeros(4), np_.eye(4), np_.array(0.0)), data)[0][2]

    return run


def test_kalman_filter_is_native() -> None:
    from jitney._compiler.pipeline import lower, simplify

    data = RNG.normal(size=(30, 2))
    ours, theirs = kalman(jnp, lax.scan), kalman(jax.numpy, jax.lax.scan)
    check(jitney.jit(ours)(0.1, data), theirs(0.1, data))
    derived = jitney.value_and_grad(ours)
    value, slope = jitney.jit(derived)(0.1, data)
    np.testing.assert_allclose(slope, jax.grad(theirs)(0.1, data), rtol=1e-9)
    _, program = lower(simplify(jitney.make_jaxpr(derived)(0.1, data)))
    assert not program.callables


def test_eigenvalues() -> None:
    w, v = jnp.linalg.eig(A)
    np.testing.assert_allclose(A @ np.asarray(v), np.asarray(v * w), atol=1e-12)
    w, left, right = lax.linalg.eig(A)
    np.testing.assert_allclose(
        np.asarray(left).conj().T @ A, np.asarray(w)[:, None] * np.asarray(left).conj().T, atol=1e-12
    )
    f = lambda a: jnp.abs(jnp.linalg.eigvals(a)).sum()  # noqa: E731
    h, g = 1e-6, np.asarray(jitney.grad(f)(A))
    for i, j in ((0, 0), (1, 2)):
        d = np.zeros((3, 3))
        d[i, j] = h
        np.testing.assert_allclose(g[i, j], (f(A + d) - f(A - d)) / (2 * h), rtol=1e-6)
    assert int(jnp.linalg.matrix_rank(np.ones((3, 3)))) == 1


def test_jaxprs() -> None:
    for f in (
        lambda m: lambda a: m.lax.linalg.triangular_solve(a, a, lower=True),
        lambda m: lambda a: m.lax.linalg.lu(a),
    ):
        assert str(jitney.make_jaxpr(f(jitney))(A)) == str(jax.make_jaxpr(f(jax))(A))


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ValueError, lambda: jnp.linalg.solve(A, np.ones(4))),
        (ValueError, lambda: jnp.linalg.solve(V, V)),
        (ValueError, lambda: jnp.linalg.solve(STACK, np.ones((5, 3)))),
        (TypeError, lambda: jnp.linalg.solve([[1.0]], [1.0])),
        (ValueError, lambda: jnp.linalg.inv(TALL)),
        (ValueError, lambda: jnp.linalg.det(TALL)),
        (ValueError, lambda: jnp.linalg.norm(A, 3)),
        (ValueError, lambda: jnp.linalg.norm(A, "abc")),
        (ValueError, lambda: jnp.linalg.norm(STACK, "fro")),
        (TypeError, lambda: jnp.linalg.matrix_power(A, 1.5)),
        (ValueError, lambda: jnp.linalg.qr(A, mode="abc")),
        (ValueError, lambda: jnp.linalg.eigh(A, UPLO="X")),
        (ValueError, lambda: lax.linalg.triangular_solve(A, TALL.T, left_side=False, lower=True)[0] and None),
        (TypeError, lambda: lax.linalg.cholesky(np.eye(3, dtype=int), symmetrize_input=False)),
        (ValueError, lambda: sla.solve_triangular(A, V, trans="Q")),
        (ValueError, lambda: sla.solve(A, V, assume_a="abc")),
        (NotImplementedError, lambda: jitney.jacfwd(lambda a: jnp.linalg.svd(a)[0])(TALL)),
        (NotImplementedError, lambda: jitney.jacfwd(lambda a: jnp.linalg.qr(a, "complete")[0])(TALL)),
    ],
)
def test_misuse(error: type[Exception], call: Any) -> None:
    with (
        jitney.config.temporarily("jitney_python_control_flow", False),
        pytest.raises(error),
    ):  # JAX's: no lists
        call()


@pytest.mark.parametrize("name", ["lax.linalg", "numpy.linalg", "scipy.linalg"])
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"jitney.{name}")).failed == 0


@pytest.mark.parametrize("triangle", ["L", "U"])
def test_eigenvalues_of_what_is_not_finite(triangle: str) -> None:
    a = np.array([[np.nan, 1.0], [1.0, 2.0]])
    for run in (lambda f, x: f(x), lambda f, x: jitney.jit(f)(x)):
        found = run(lambda x: jnp.linalg.eigh(x, UPLO=triangle, symmetrize_input=False), a)
        assert np.isnan(found.eigenvalues).all() and np.isnan(found.eigenvectors).all()
        pair = run(lambda x: jnp.linalg.eigh(x, UPLO=triangle), np.stack([a, np.eye(2)])).eigenvalues
        np.testing.assert_array_equal(pair, [[np.nan, np.nan], [1, 1]])
