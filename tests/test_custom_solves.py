"""custom_linear_solve and custom_root: implicit derivatives of first and second order, batched, beside JAX."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jitney
from comparing import assert_close, assert_raises_alike, assert_same

A = np.array([[4.0, 1.0, 0.2], [0.5, 5.0, 1.0], [0.1, 0.3, 3.0]])
B = np.array([1.0, 2.0, 3.0])


def iterate(lib: Any, matvec: Any, diagonal: Any, b: Any) -> Any:
    """Jacobi's iteration to convergence, which reverse mode could not follow."""
    jnp = lib.numpy
    step = lambda s: (s[0] + (b - matvec(s[0])) / diagonal, s[1] + 1)
    wrong = lambda s: (jnp.max(jnp.abs(b - matvec(s[0]))) > 1e-15) & (s[1] < 100)
    return lib.lax.while_loop(wrong, step, (jnp.zeros_like(b), 0))[0]


def linear(lib: Any, **options: Any) -> Any:
    jnp = lib.numpy

    def solution(a: Any, b: Any) -> Any:
        solve = lambda matvec, b: iterate(lib, matvec, jnp.diagonal(a), b)
        return lib.lax.custom_linear_solve(lambda x: a @ x, b, solve, solve, **options)

    return solution


def loss_of(lib: Any) -> Any:
    return lambda a, b: lib.numpy.sum(lib.numpy.sin(linear(lib)(a, b)))


def exact(a: Any, b: Any) -> Any:
    return jax.numpy.sum(jax.numpy.sin(jax.numpy.linalg.solve(a, b)))


def test_linear_solve_first_and_second_derivatives() -> None:
    a, b = jitney.numpy.array(A), jitney.numpy.array(B)
    loss = loss_of(jitney)
    assert_close(linear(jitney)(a, b), np.linalg.solve(A, B))
    want = jax.grad(exact, (0, 1))(A, B)
    for grad in (
        jitney.grad(loss, (0, 1)),
        jitney.jit(jitney.grad(loss, (0, 1))),
        jitney.jacfwd(loss, (0, 1)),
    ):
        assert_same(grad(a, b), want, 1e-11)
    want = jax.hessian(exact, (0, 1))(A, B)
    for hessian in (
        jitney.hessian(loss, (0, 1)),
        jitney.jit(jitney.jacrev(jitney.jacrev(loss, (0, 1)), (0, 1))),
    ):
        assert_same(hessian(a, b), want, 1e-10)


def test_linear_solve_batched() -> None:
    scale = np.linspace(1.0, 2.0, 3)
    a, b = jitney.numpy.array(scale[:, None, None] * A), jitney.numpy.array(scale[:, None] ** 2 * B)
    got = jitney.vmap(jitney.grad(loss_of(jitney), (0, 1)))(a, b)
    assert_same(got, jax.vmap(jax.grad(exact, (0, 1)))(np.asarray(a), np.asarray(b)), 1e-11)
    got = jitney.vmap(linear(jitney), (None, 0))(a[0], b)
    assert_close(got, np.linalg.solve(A, np.asarray(b).T).T)
    got = jitney.vmap(linear(jitney), (0, None))(a, b[0])
    assert_close(got, np.linalg.solve(np.asarray(a), B[None, :, None])[..., 0])


def trees(lib: Any, **options: Any) -> Any:
    def solution(k: Any, b: Any) -> Any:
        matvec = lambda x: {"u": k * x["u"], "v": x["v"] * 3.0}
        solve = lambda _, b: ({"u": b["u"] / k, "v": b["v"] / 3.0}, {"n": 3, "r": b["u"] * 2})
        return lib.lax.custom_linear_solve(matvec, b, solve, symmetric=True, has_aux=True)

    return solution


def test_trees_and_aux() -> None:
    def run(lib: Any) -> Any:
        f = trees(lib)
        b = {"u": lib.numpy.arange(3.0), "v": 2.0}
        total = lambda k, b: lib.numpy.sum(f(k, b)[0]["u"]) + f(k, b)[0]["v"] ** 2 + f(k, b)[1]["r"][1]
        return [
            f(2.0, b),
            lib.grad(total, (0, 1))(2.0, b),
            lib.jit(lib.grad(total, (0, 1)))(2.0, b),
            lib.jvp(lambda k: f(k, b)[0], (2.0,), (1.0,)),
        ]

    assert_same(run(jitney), run(jax))


def root(lib: Any) -> Any:
    """x with x**3 + a x = b, by Newton's iteration."""

    def solution(a: Any, b: Any) -> Any:
        f = lambda x: x**3 + a * x - b
        newton = lambda f, x: lib.lax.while_loop(
            lambda x: lib.numpy.max(lib.numpy.abs(f(x))) > 1e-13, lambda x: x - f(x) / (3 * x**2 + a), x
        )
        return lib.lax.custom_root(f, 1.0, newton, lambda g, y: y / g(1.0))

    return solution


def test_root() -> None:
    def run(lib: Any) -> Any:
        f = root(lib)
        a = lib.numpy.linspace(1.0, 2.0, 3)
        pair = lib.grad(f, (0, 1))
        return [
            f(1.5, 2.0),
            pair(1.5, 2.0),
            lib.jit(pair)(1.5, 2.0),
            lib.jacfwd(f, (0, 1))(1.5, 2.0),
            lib.hessian(f, (0, 1))(1.5, 2.0),
            lib.grad(lib.grad(lib.grad(f)))(1.5, 2.0),
            lib.vmap(pair, (0, None))(a, 2.0),
        ]

    assert_same(run(jitney), run(jax), 1e-10)


def test_root_aux_and_trees() -> None:
    def run(lib: Any) -> Any:
        def f(a: Any) -> Any:
            solve = lambda f, x: ({"x": lib.numpy.sqrt(a)}, {"n": a})
            tangent = lambda g, y: {"x": y["x"] / g({"x": 1.0})["x"]}
            return lib.lax.custom_root(
                lambda x: {"x": x["x"] ** 2 - a}, {"x": 1.0}, solve, tangent, has_aux=True
            )

        return [f(2.0), lib.jvp(f, (2.0,), (1.0,)), lib.grad(lambda a: f(a)[0]["x"] + f(a)[1]["n"])(2.0)]

    assert_same(run(jitney), run(jax))


def wrong(**given: Any) -> Any:
    def run(lib: Any) -> Any:
        matrix, b = lib.numpy.array(A), lib.numpy.array(B)
        arguments = {"matvec": lambda x: matrix @ x, "b": b, "solve": lambda mv, b: b, **given}
        return lib.lax.custom_linear_solve(**arguments)

    return run


@pytest.mark.parametrize(
    "run",
    [
        wrong(matvec=lambda x: x[:1]),
        wrong(matvec=lambda x: (x, x)),
        wrong(solve=lambda mv, b: b[:1]),
        wrong(solve=lambda mv, b: b, has_aux=True),
        wrong(solve=lambda mv, b: (b, b, b), has_aux=True),
        wrong(transpose_solve=lambda mv, b: b[:1]),
        wrong(matvec=lambda x: x**2, transpose_solve=lambda mv, b: b),
        wrong(b="a"),
        lambda lib: lib.grad(lambda b: lib.lax.custom_linear_solve(lambda x: 2 * x, b, lambda mv, b: b / 2))(
            1.0
        ),
        lambda lib: lib.lax.custom_root(lambda x: (x, x), 1.0, lambda f, x: x, lambda g, y: y),
        lambda lib: lib.lax.custom_root(lambda x: x, 1.0, lambda f, x: (x, x), lambda g, y: y),
        lambda lib: lib.lax.custom_root(lambda x: x, 1.0, lambda f, x: x, lambda g, y: y, has_aux=True),
        lambda lib: lib.grad(
            lambda a: lib.lax.custom_root(lambda x: x - a, 1.0, lambda f, x: a, lambda g, y: (y, y))
        )(1.0),
    ],
)
def test_misuse(run: Any) -> None:
    assert_raises_alike(run)
