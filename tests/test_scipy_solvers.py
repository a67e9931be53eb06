"""scipy.sparse.linalg against direct solutions, scipy.optimize on known problems: values, derivatives, trees, misuse."""

from __future__ import annotations

import doctest
import importlib
from typing import Any

import jax
import jax.scipy.optimize
import jax.scipy.sparse.linalg
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from comparing import assert_same, check_first
from jitney.scipy import optimize
from jitney.scipy.sparse import linalg

RNG = np.random.default_rng(2)
GENERAL = np.eye(9) * 4 + RNG.normal(size=(9, 9))
POSITIVE = GENERAL @ GENERAL.T + np.eye(9)
RIGHT = RNG.normal(size=9)
METHODS = ["cg", "bicgstab", "gmres"]


def _matrix(method: str) -> np.ndarray:
    return POSITIVE if method == "cg" else GENERAL


# -- linear equations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_solutions(method: str) -> None:
    A, solve = _matrix(method), getattr(linalg, method)
    want = np.linalg.solve(A, RIGHT)
    preconditioner = np.linalg.inv(A + 0.1 * np.eye(9))
    for given in (A, lambda x: A @ x):
        for M in (None, preconditioner, lambda x: preconditioner @ x):
            x, info = solve(given, RIGHT, tol=1e-12, M=M)
            assert info is None
            np.testing.assert_allclose(x, want, rtol=1e-9)
    x, _ = solve(A, RIGHT, x0=want, maxiter=0)
    np.testing.assert_array_equal(x, want)
    assert_same(solve(A, RIGHT)[0].dtype, np.dtype("f8"))
    single = solve(A.astype("f4"), RIGHT.astype("f4"))[0]
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, want, rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_complex_and_trees(method: str) -> None:
    A, solve = _matrix(method), getattr(linalg, method)
    phases = np.diag(np.exp(1j * np.arange(9)))
    C = phases @ A @ phases.conj()
    np.testing.assert_allclose(solve(C, RIGHT + 0j, tol=1e-12)[0], np.linalg.solve(C, RIGHT), rtol=1e-9)

    def operator(x: dict[str, Any]) -> dict[str, Any]:
        y = A @ jnp.concatenate([x["a"], x["b"].ravel()])
        return {"a": y[:3], "b": y[3:].reshape(2, 3)}

    b = {"a": RIGHT[:3], "b": RIGHT[3:].reshape(2, 3)}
    got, _ = solve(operator, b, tol=1e-12)
    want = np.linalg.solve(A, RIGHT)
    np.testing.assert_allclose(got["a"], want[:3], rtol=1e-9)
    np.testing.assert_allclose(got["b"].ravel(), want[3:], rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_derivatives_are_those_of_the_solution(method: str) -> None:
    A, solve = _matrix(method)[:4, :4], getattr(linalg, method)

    def fun(a: Any, b: Any) -> list[Any]:
        a = a @ a.T if method == "cg" else a
        return [solve(lambda x: a @ x, b, tol=1e-13)[0]]

    check_first(fun, [A, RIGHT[:4]], 1e-6)
    compiled = jitney.jit(jitney.grad(lambda a, b: fun(a, b)[0].sum(), argnums=(0, 1)))(A, RIGHT[:4])
    direct = jitney.grad(
        lambda a, b: jnp.linalg.solve(a @ a.T if method == "cg" else a, b).sum(), argnums=(0, 1)
    )(A, RIGHT[:4])
    for got, want in zip(compiled, direct, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-12)
    many = jitney.vmap(lambda b: fun(A, b)[0])(np.stack([RIGHT[:4], 2 * RIGHT[1:5]]))
    np.testing.assert_allclose(many[1], fun(A, 2 * RIGHT[1:5])[0], rtol=1e-9)


def test_restarts() -> None:
    want = np.linalg.solve(GENERAL, RIGHT)
    for how in ("batched", "incremental"):
        got, _ = jitney.jit(
            lambda b, how=how: linalg.gmres(GENERAL, b, restart=3, tol=1e-12, solve_method=how)
        )(RIGHT)
        np.testing.assert_allclose(got, want, rtol=1e-8)
    few, _ = linalg.gmres(GENERAL, RIGHT, restart=2, maxiter=1)
    theirs, _ = jax.scipy.sparse.linalg.gmres(GENERAL, RIGHT, restart=2, maxiter=1)
    np.testing.assert_allclose(few, theirs, rtol=1e-8)


def test_steps_are_the_methods() -> None:
    """After some iterations the approximations are JAX's, and so are those to singular systems that have a solution."""
    for method in ("cg", "bicgstab"):
        A = _matrix(method)
        got, want = (
            getattr(m, method)(A, RIGHT, maxiter=3, tol=0.0)[0] for m in (linalg, jax.scipy.sparse.linalg)
        )
        np.testing.assert_allclose(got, want, rtol=1e-8)
    for method in METHODS:
        got, _ = getattr(linalg, method)(np.diag([1.0, 2.0, 0.0]), np.array([1.0, 4.0, 0.0]), tol=1e-10)
        np.testing.assert_allclose(got, [1, 2, 0], atol=1e-9)
        np.testing.assert_array_equal(getattr(linalg, method)(np.eye(2), np.zeros(2))[0], [0, 0])


@pytest.mark.parametrize("method", METHODS)
def test_misuse(method: str) -> None:
    for wrong, error in [
        (lambda f: f(np.ones((2, 3)), np.ones(2)), ValueError),
        (lambda f: f(np.eye(2), np.ones(2), x0=np.ones(3)), ValueError),
        (lambda f: f(np.eye(2), np.ones(2), x0={"a": np.ones(2)}), ValueError),
        (lambda f: f("text", np.ones(2)), TypeError),
        (lambda f: f(np.eye(2), np.ones(2), M=3.0), TypeError),
    ]:
        with pytest.raises((TypeError, ValueError)):
            wrong(getattr(jax.scipy.sparse.linalg, method))
        with pytest.raises(error):
            wrong(getattr(linalg, method))
    with pytest.raises(ValueError, match="matching shapes"):
        getattr(linalg, method)(lambda x: x[:1], np.ones(2))


def test_methods_of_gmres() -> None:
    for module in (linalg, jax.scipy.sparse.linalg):
        with pytest.raises(ValueError, match="solve_method"):
            module.gmres(np.eye(2), np.ones(2), solve_method="other")


# -- minima -------------------------------------------------------------------------------------------

LIMITED = "l-bfgs-experimental-do-not-rely-on-this"


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def himmelblau(x: Any) -> Any:
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def matyas(x: Any) -> Any:
    return 0.26 * (x[0] ** 2 + x[1] ** 2) - 0.48 * x[0] * x[1]


@pytest.mark.parametrize("method", ["BFGS", LIMITED])
def test_minima(method: str) -> None:
    options = {"ftol": 0.0} if method == LIMITED else {}
    for fun, start, want in [
        (rosenbrock, np.zeros(2), [1, 1]),
        (rosenbrock, np.full(5, 1.3), [1] * 5),
        (himmelblau, np.array([1.0, 1.0]), [3, 2]),
        (matyas, np.array([2.0, 1.0]), [0, 0]),
    ]:
        found = optimize.minimize(fun, start, method=method, tol=1e-8, options=options)
        assert found.success and found.status == 0, found
        np.testing.assert_allclose(found.x, want, atol=1e-6)
        np.testing.assert_allclose(found.fun, fun(found.x))
        assert np.abs(found.jac).max() < 1e-8
        assert found.nfev == found.njev and found.nit <= found.nfev < 150
    theirs = jax.scipy.optimize.minimize(matyas, start, method=method)
    assert found._fields == theirs._fields
    assert (found.hess_inv is None) == (theirs.hess_inv is None)
    if method == "BFGS":
        found = optimize.minimize(lambda x: x @ POSITIVE[:3, :3] @ x, np.ones(3), method=method, tol=1e-9)
        np.testing.assert_allclose(found.hess_inv, np.linalg.inv(2 * POSITIVE[:3, :3]), rtol=1e-2, atol=2e-4)


def test_minima_compiled_batched_differentiated() -> None:
    fun = lambda a: (
        optimize.minimize(
            lambda x, a: ((x - a) ** 2).sum() + (x**4).sum(), jnp.zeros(2), (a,), method="BFGS", tol=1e-10
        ).x
    )
    a = np.array([1.0, -3.0])
    want = fun(a)
    np.testing.assert_allclose(2 * (want - a) + 4 * want**3, 0, atol=1e-9)
    np.testing.assert_allclose(jitney.jit(fun)(a), want, rtol=1e-9)
    np.testing.assert_allclose(jitney.vmap(fun)(np.stack([a, 2 * a]))[0], want, rtol=1e-9)
    slope = jitney.jvp(fun, (a,), (np.ones(2),))[1]
    np.testing.assert_allclose(slope, 2 / (2 + 12 * np.square(want)), rtol=1e-4)


def test_endings() -> None:
    for method in ("BFGS", LIMITED):
        few = optimize.minimize(rosenbrock, np.zeros(2), method=method, options={"maxiter": 2})
        assert not few.success and few.status == 1 and few.nit == 2
        bad = optimize.minimize(lambda x: (x * np.nan).sum(), np.zeros(2), method=method)
        assert not bad.success and bad.status == 5
        single = optimize.minimize(rosenbrock, np.zeros(2, np.float32), method=method, tol=1e-2)
        assert single.x.dtype == single.fun.dtype == np.float32 and single.success
        done = optimize.minimize(rosenbrock, np.ones(2), method=method)
        assert done.success and done.nit == 0
    flat = optimize.minimize(lambda x: (x**4).sum(), np.ones(2), method=LIMITED, options={"gtol": 0.0})
    assert flat.status == 4 and not flat.success
    short = optimize.minimize(rosenbrock, np.zeros(2), method=LIMITED, options={"maxfun": 3})
    assert short.status in (2, 3)


def test_misuse_of_minimize() -> None:
    for module in (optimize, jax.scipy.optimize):
        with pytest.raises(TypeError, match="tuple"):
            module.minimize(rosenbrock, np.zeros(2), args=3.0, method="BFGS")
        with pytest.raises(ValueError, match="not recognized"):
            module.minimize(rosenbrock, np.zeros(2), method="Newton")
        with pytest.raises(TypeError):
            module.minimize(rosenbrock, np.zeros(2), method="BFGS", options={"other": 1})
    with pytest.raises(ValueError, match="must return a number"):
        optimize.minimize(lambda x: x, np.zeros(2), method="BFGS")
    with pytest.raises(ValueError, match="must be a vector"):
        optimize.minimize(lambda x: x, 0.0, method="BFGS")


@pytest.mark.parametrize("name", ["sparse.linalg", "optimize.minimization"])
def test_examples(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"jitney.scipy.{name}"))
    assert found.attempted and not found.failed
