"""stack, unstack, tile, reduce_precision, mulhi and other small functions of ``lax`` against the installed JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import jitney
from comparing import assert_close, assert_raises_alike, assert_same, check_second

X = np.random.default_rng(0).normal(size=(3, 2))

FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "stack": lambda lax, x: lax.stack([x, 2 * x, x * x], 1),
    "stack at the end": lambda lax, x: lax.stack([x, 2 * x], -1),
    "unstack": lambda lax, x: lax.unstack(x, -1),
    "tile": lambda lax, x: lax.tile(x, (2, 3)),
    "tile of nothing": lambda lax, x: lax.tile(x, (0, 1)),
    "broadcast_like": lambda lax, x: lax.broadcast_like(x, np.zeros((4, 3, 2))),
    "empty": lambda lax, x: lax.empty((2,), "float32"),
    "reduce_precision": lambda lax, x: lax.reduce_precision(x, 4, 5),
    "approx_max_k": lambda lax, x: lax.approx_max_k(x, 2, 0),
    "approx_min_k": lambda lax, x: lax.approx_min_k(x, 2, 0),
    "shape_as_value": lambda lax, x: lax.shape_as_value((2, 3)),
    "platform": lambda lax, x: lax.platform_dependent(x, cpu=lambda v: v + 1, default=lambda v: v),
    "other platform": lambda lax, x: lax.platform_dependent(x, tpu=lambda v: v + 1, default=lambda v: 3 * v),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_value(name: str) -> None:
    fun = FUNCTIONS[name]
    want = jitney.tree.leaves(list(jax.tree.leaves(fun(jax.lax, X))))
    mine = lambda x: jitney.tree.leaves(fun(jitney.lax, x))
    assert_same(mine(X), want, weak=False)
    assert_same(jitney.jit(mine)(X), want, weak=False)
    for axis in (0, 1):
        got = jitney.vmap(mine, in_axes=axis)(np.stack([X, X[::-1]], axis))
        assert_same([y[0] for y in got], want, weak=False)


@pytest.mark.parametrize("name", ["stack", "unstack", "tile", "broadcast_like"])
def test_derivatives(name: str) -> None:
    check_second(lambda x: jitney.tree.leaves(FUNCTIONS[name](jitney.lax, x * x)), [X])


@pytest.mark.parametrize("name", ["stack", "unstack", "tile", "reduce_precision"])
def test_programs(name: str) -> None:
    text = lambda L: str(L.make_jaxpr(lambda x: FUNCTIONS[name](L.lax, x))(X))
    assert text(jitney) == text(jax)


SPECIAL = [
    1e300,
    -1e300,
    1e-300,
    1 / 3,
    np.nan,
    np.inf,
    -np.inf,
    65519,
    65520,
    6.2e-5,
    1e-5,
    -1e-7,
    0.0,
    -0.0,
    1e38,
]


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "bfloat16"])
@pytest.mark.parametrize("bits", [(5, 10), (8, 7), (2, 3), (11, 52), (5, 0), (11, 3)])
def test_reduce_precision(dtype: str, bits: tuple[int, int]) -> None:
    with np.errstate(over="ignore"):
        x = np.asarray(
            jax.numpy.asarray(np.concatenate([SPECIAL, np.geomspace(1e-6, 1e6, 200)])).astype(dtype)
        )
    want = np.asarray(jax.lax.reduce_precision(x, *bits))
    if not bits[1]:  # JAX without optimisations makes an infinity of NaN
        want = np.where(np.isnan(x), x, want)
    for got in (
        jitney.lax.reduce_precision(x, *bits),
        jitney.jit(lambda x: jitney.lax.reduce_precision(x, *bits))(x),
    ):
        np.testing.assert_array_equal(
            np.asarray(got).view(f"u{x.itemsize}"), np.asarray(want).view(f"u{x.itemsize}")
        )
    slope = jitney.grad(lambda x: jitney.lax.reduce_precision(x, *bits))(1.5)
    assert_close(slope, jax.grad(lambda x: jax.lax.reduce_precision(x, *bits))(1.5))


@pytest.mark.parametrize("dtype", ["u4", "i4", "u8", "i8", "u1", "i2"])
def test_mulhi(dtype: str) -> None:
    info = np.iinfo(dtype)
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [np.array([info.min, info.max, 0, 1], dtype), rng.integers(info.min, info.max, 60, dtype)]
    )
    want = [[int(a) * int(b) >> (8 * info.dtype.itemsize) for b in x] for a in x]
    for fun in (jitney.lax.mulhi, jitney.jit(jitney.lax.mulhi)):
        got = fun(x[:, None], x[None, :])
        assert got.dtype == info.dtype and got.tolist() == want
    assert jitney.vmap(jitney.lax.mulhi, in_axes=(0, None))(x, x).tolist() == want


@pytest.mark.parametrize(
    "fun, words",
    [
        (lambda L: L.lax.tile(X, (2,)), ["(2,)"]),
        (lambda L: L.lax.stack([X, X[0]], 0), ["shape"]),
        (lambda L: L.lax.stack([X, X.astype("f4")], 0), ["float32"]),
        (lambda L: L.lax.stack([X], 5), ["axis 5"]),
        (lambda L: L.lax.unstack(X, 2), ["axis 2"]),
        (lambda L: L.lax.broadcast_like(X, np.ones((4, 4))), ["(3, 2)", "(4, 4)"]),
        (lambda L: L.lax.reduce_precision(1, 5, 3), ["int64"]),
        (lambda L: L.lax.reduce_precision(1.0, 0, 3), ["exponent_bits", "0"]),
        (lambda L: L.lax.reduce_precision(1.0, 5, -1), ["mantissa_bits", "-1"]),
        (lambda L: L.lax.mulhi(1.0, 2.0), ["mulhi", "float"]),
        (lambda L: L.lax.platform_dependent(X, tpu=lambda x: x), ["cpu"]),
        (lambda L: L.lax.platform_dependent(X, cpu=3), ["cpu", "3"]),
        (lambda L: L.lax.dtype([1]), ["[1]"]),
    ],
)
def test_misuse(fun: Callable[[Any], Any], words: list[str]) -> None:
    assert_raises_alike(fun, *words)


def test_dtype() -> None:
    for x in (1, 1.0, True, np.int8, np.float32(1), X, "int16"):
        assert jitney.lax.dtype(x) == jax.lax.dtype(x)
