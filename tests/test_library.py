"""Routines that call BLAS and LAPACK from compiled programs: operands as they lie, batches, failures, derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
import jitney.scipy.linalg as sla
from jitney import lax
from jitney._compiler.pipeline import lower, simplify
from jitney._kernel.ir import Call, For

RNG = np.random.default_rng(0)


def calls(fun: Any, *args: Any) -> list[Call]:
    """The calls of a compiled program."""
    _, program = lower(simplify(jitney.make_jaxpr(fun)(*args)))
    return [s for s in program.body if type(s) is Call]


def same(fun: Any, *args: np.ndarray) -> list[Call]:
    """Compare with NumPy; gives the calls that the program made."""
    np.testing.assert_allclose(
        jitney.jit(lambda *a: fun(jnp, *a))(*args), fun(np, *args), rtol=1e-9, atol=1e-9
    )
    return calls(lambda *a: fun(jnp, *a), *args)


# -- operands that are views ---


@pytest.mark.parametrize(
    ("fun", "shape"),
    [
        (lambda m, x: m.sort(x.reshape(10, 100)).ravel(), (1000,)),
        (lambda m, x: m.sort(x[None, :, None, None], axis=1)[0, :, 0], (1000, 1, 1)),
        (lambda m, x: m.sort(x.reshape(25, 1, 40)[3:23], axis=2).reshape(4, 200), (50, 20)),
        (lambda m, x: m.sort(m.sort(x, axis=1).reshape(-1)).reshape(10, 100), (5, 200)),
        (lambda m, x: m.sort(x[2]), (5, 200)),
    ],
)
def test_memory_under_other_shapes_is_not_copied(fun: Any, shape: tuple[int, ...]) -> None:
    x = RNG.normal(size=shape)
    _, program = lower(simplify(jitney.make_jaxpr(lambda x: fun(jnp, x))(x)))
    assert [type(s) for s in program.body] == [Call] * len(program.body)
    assert {getattr(x, "buffer", x).kind for x in program.body[-1].outputs[:1]} == {"out"}
    np.testing.assert_array_equal(jitney.jit(lambda x: fun(jnp, x))(x), fun(np, x))


def test_a_result_wanted_in_two_shapes() -> None:
    def f(m: Any, x: Any) -> Any:
        y = m.sort(x)
        return y.reshape(40, 25), y, y.reshape(25, 40), y[:500], y.reshape(25, 40).T

    x = RNG.normal(size=1000)
    for got, want in zip(jitney.jit(lambda x: f(jnp, x))(x), f(np, x), strict=True):
        np.testing.assert_array_equal(got, want)


def test_an_operand_is_not_overwritten_while_a_view_of_it_is_read() -> None:
    def body(_: Any, x: Any) -> Any:
        y = jnp.sort(x.reshape(10, 100), axis=1).reshape(-1)
        return x.at[5:900].add(y[0]) + y[::-1]

    def looped(x: Any) -> Any:
        return lax.fori_loop(0, 4, body, x)

    x = want = RNG.normal(size=1000)
    for _ in range(4):
        y = np.sort(want.reshape(10, 100), axis=1).reshape(-1)
        want = np.concatenate([want[:5], want[5:900] + y[0], want[900:]]) + y[::-1]
    np.testing.assert_allclose(jitney.jit(looped)(x), want, rtol=1e-13)


# -- products -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "left", "right"),
    [
        ("ij,kj->ki", (60, 50), (40, 50)),
        ("ji,kj->ik", (50, 60), (40, 50)),
        ("bji,bjk->bki", (5, 30, 40), (5, 30, 50)),
        ("bqhd,bkhd->bhqk", (3, 40, 4, 32), (3, 50, 4, 32)),
        ("bhqk,bkhd->bqhd", (3, 4, 40, 50), (3, 50, 4, 32)),
        ("ijk,kjl->il", (40, 20, 30), (30, 20, 25)),  # contracted axes in two orders
        ("ijk,jl->ikl", (40, 20, 30), (20, 50)),
        ("ijb,jkb->ikb", (30, 30, 4), (30, 30, 4)),  # no axis of the matrices has step 1
        ("ij,j->i", (400, 300), (300,)),
        ("ij,i->j", (400, 300), (400,)),
        ("bij,bj->bi", (6, 100, 100), (6, 100)),
    ],
)
def test_product_of_any_axes(pattern: str, left: tuple, right: tuple) -> None:
    same(lambda m, a, b: m.einsum(pattern, a, b), RNG.normal(size=left), RNG.normal(size=right))


def test_small_products_walk_along_neighbours_in_memory() -> None:
    """x.T @ v goes over the rows of x, whatever axes of one element there are."""
    x, w = RNG.normal(size=(64, 40)), RNG.normal(size=(64, 1))
    for fun in (
        lambda m, x, w: x.T @ w,
        lambda m, x, w: w.T @ x,
        lambda m, x, w: x.T @ w[:, 0],
        lambda m, x, w: m.einsum("ij,ik->kj", x, w),
    ):
        np.testing.assert_allclose(
            jitney.jit(lambda *a, fun=fun: fun(jnp, *a))(x, w), fun(np, x, w), rtol=1e-12, atol=1e-13
        )
        program = lower(simplify(jitney.make_jaxpr(lambda x, w, fun=fun: fun(jnp, x, w))(x, w)))[1]
        (loop,) = (s for s in program.body if type(s) is For)
        assert (loop.extent, loop.kind) == (40, "vector")


def test_product_reads_views_where_they_lie() -> None:
    a, b = RNG.normal(size=(80, 90)), RNG.normal(size=(60, 90))
    (call,) = same(lambda m, a, b: a[3:63, 5:55] @ b[10:, 2:52].T, a, b)
    assert [getattr(x, "buffer", x).name for x in call.inputs] == ["in0", "in1"]
    (call,) = same(lambda m, a, b: a.T[5:55, :60] @ b, a, b)
    assert call.arguments[3:5] == (1, 90)
    (call,) = same(lambda m, a, b: a[::2, ::2] @ b[:45, ::2], a, b)  # packed
    (call,) = same(lambda m, a, b: m.exp(a[:60]).T @ b, a, b)


def test_symmetric_product() -> None:
    a = RNG.normal(size=(130, 70))
    for call in (*same(lambda m, a: a @ a.T, a), *same(lambda m, a: a.T @ a, a)):
        assert call.arguments[8] == 1
    product = np.asarray(jitney.jit(lambda a: a @ a.T)(a))
    np.testing.assert_array_equal(product, product.T)


def test_large_vectors_by_blas() -> None:
    a, x, y = RNG.normal(size=(500, 700)), RNG.normal(size=(700, 3)), RNG.normal(size=500)
    (call,) = same(lambda m, a, x: a @ x[:, 1], a, x)
    assert call.symbol == "jt_product_float64"
    (call,) = same(lambda m, a, y: y @ a, a, y)
    assert not calls(lambda a, y: y @ jnp.sin(a), a, y), (
        "what is computed on the way is not written to memory"
    )


# -- factorisations -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(12, 12), (40, 11, 11), (300, 300), (20, 7), (7, 20)])
@pytest.mark.parametrize("dtype", ["f8", "c16"])
def test_factors_rebuild_the_matrix(shape: tuple, dtype: str) -> None:
    a = RNG.normal(size=shape).astype(dtype)
    if dtype == "c16":
        a = a + 1j * RNG.normal(size=shape)
    near = lambda x: np.testing.assert_allclose(x, a, atol=1e-9)  # noqa: E731
    results = jitney.jit(
        lambda a: (jnp.linalg.qr(a), jnp.linalg.svd(a, full_matrices=False), lax.linalg.lu(a))
    )(a)
    (q, r), (u, s, vh), (lu, _, permutation) = [[np.asarray(y) for y in group] for group in results]
    near(q @ r)
    near(u * s[..., None, :] @ vh)
    k = min(shape[-2:])
    low = np.tril(lu[..., :k], -1) + np.eye(shape[-2], k)
    np.testing.assert_allclose(
        low @ np.triu(lu[..., :k, :]), np.take_along_axis(a, permutation[..., None], -2), atol=1e-9
    )
    assert all(c.symbol != "host" for c in calls(jnp.linalg.svd, a))


def test_systems_in_every_orientation() -> None:
    a, b = RNG.normal(size=(20, 20)) + 20 * np.eye(20), RNG.normal(size=(20, 30))
    c = b + 1j * b[::-1]
    for trans in range(3):
        for lower_ in (False, True):
            for rhs in (b, b[:, 0], c):
                matrix = a.astype(rhs.dtype) * (1 + 0.1j if rhs.dtype.kind == "c" else 1)
                solve = jitney.jit(
                    lambda a, b, t=trans, w=lower_: sla.solve_triangular(a, b, trans=t, lower=w)
                )
                triangle = np.tril(matrix) if lower_ else np.triu(matrix)
                operator = (triangle, triangle.T, triangle.conj().T)[trans]
                np.testing.assert_allclose(operator @ np.asarray(solve(matrix, rhs)), rhs, atol=1e-9)
        both = jitney.jit(lambda a, b, t=trans: sla.lu_solve(sla.lu_factor(a), b, trans=t))
        np.testing.assert_allclose((a, a.T, a.T)[trans] @ np.asarray(both(a, b)), b, atol=1e-9)


@pytest.mark.parametrize("n", [12, 300])
def test_failures_are_nan(n: int) -> None:
    a = np.eye(n)
    a[n // 2, n // 2] = -1.0
    low = np.asarray(jitney.jit(jnp.linalg.cholesky)(np.stack([np.eye(n), a])))
    np.testing.assert_array_equal(low[0], np.eye(n))
    np.testing.assert_array_equal(low[1], np.tril(np.full((n, n), np.nan)))
    a[0, 0] = np.nan
    for function in (jnp.linalg.eigh, jnp.linalg.svd, jnp.linalg.eig):
        assert all(np.isnan(y).all() for y in jitney.jit(function)(a))


def test_vectors_that_nobody_reads_are_not_computed() -> None:
    a = RNG.normal(size=(30, 30))
    (call,) = calls(lambda a: jnp.linalg.eigh(a, symmetrize_input=False)[0], a)
    assert call.arguments[3] == 0
    (call,) = calls(lambda a: jnp.linalg.svd(a)[1], a)
    assert call.arguments[3] == 0
    values = jitney.jit(lambda a: jnp.linalg.eigvalsh(a))
    np.testing.assert_allclose(values(a + a.T), np.linalg.eigvalsh(a + a.T), atol=1e-12)


# -- derivatives --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [10, 33, 70])
def test_gradient_of_cholesky(n: int) -> None:
    """The reverse blocks agree with the formula, which unsymmetrised input still follows."""
    a = RNG.normal(size=(n, n))
    a, c = a @ a.T + n * np.eye(n), RNG.normal(size=(n, n))

    def direct(a: Any) -> Any:
        return jnp.sum(jnp.sin(c * lax.linalg.cholesky(a)))

    def formula(a: Any) -> Any:
        return jnp.sum(jnp.sin(c * lax.linalg.cholesky((a + a.T) / 2, symmetrize_input=False)))

    assert [x.symbol for x in calls(jitney.grad(direct), a)][-1] == "jt_cholesky_back_float64"
    np.testing.assert_allclose(
        jitney.jit(jitney.grad(direct))(a), jitney.jit(jitney.grad(formula))(a), atol=1e-10
    )
    if n == 10:
        stack = np.stack([a, a + np.eye(n)])
        got = [jitney.jit(jitney.vmap(jitney.grad(f)))(stack) for f in (direct, formula)]
        np.testing.assert_allclose(*got, atol=1e-10)
        got = [
            jitney.jit(jitney.grad(lambda a, f=f: jnp.sum(c * jitney.grad(f)(a))))(a)
            for f in (direct, formula)
        ]
        np.testing.assert_allclose(*got, atol=1e-10)


def test_gradient_of_slogdet() -> None:
    a = RNG.normal(size=(3, 12, 12))
    gradient = jitney.jit(jitney.grad(lambda a: jnp.sum(jnp.linalg.slogdet(a)[1])))(a)
    np.testing.assert_allclose(gradient, np.swapaxes(np.linalg.inv(a), 1, 2), rtol=1e-9)


# -- many small matrices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_small_matrices_in_lanes(n: int, dtype: str) -> None:
    a = RNG.normal(size=(61, n, n))
    a[0], a[1], a[2] = 0, np.diag(np.arange(n)), 1e12 * np.ones((n, n))
    a = (a + np.swapaxes(a, 1, 2)).astype(dtype)
    eps = 30 * np.finfo(dtype).eps
    size = np.abs(a).max((1, 2), keepdims=True) + 1
    w, v = map(np.asarray, jitney.jit(lambda a: jnp.linalg.eigh(a, symmetrize_input=False))(a))
    assert not calls(lambda a: jnp.linalg.eigh(a, symmetrize_input=False), a)
    np.testing.assert_allclose(a @ v / size, v * w[:, None, :] / size, atol=eps)
    np.testing.assert_allclose(np.swapaxes(v, 1, 2) @ v, np.broadcast_to(np.eye(n), a.shape), atol=eps)
    assert (np.diff(w) >= 0).all()
    for mode in ("reduced", "complete"):
        tall = a[:, :, : n - 1]
        q, r = map(np.asarray, jitney.jit(lambda a, mode=mode: jnp.linalg.qr(a, mode))(tall))
        wanted = np.linalg.qr(tall, mode)
        np.testing.assert_allclose(q[3:], wanted[0][3:], atol=100 * eps)
        np.testing.assert_allclose(q @ r / size, tall / size, atol=eps)
