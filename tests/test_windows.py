"""``lax.reduce``, ``lax.reduce_window`` and cumulative operations against the installed JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import jitney
from comparing import assert_close, assert_raises_alike, assert_same, check_first, check_second

X = np.random.default_rng(0).normal(size=(5, 4))
WHOLE = np.random.default_rng(1).integers(-9, 9, (5, 4))


def _alike(fun: Callable[[Any], Callable[..., Any]], *xs: Any, tolerance: float = 1e-12) -> None:
    """Eager and compiled results of ``fun(library)`` are JAX's, batched ones those of single examples."""
    mine = fun(jitney)
    want = fun(jax)(*xs)
    assert_same(mine(*xs), want, tolerance)
    assert_same(jitney.jit(mine)(*xs), want, tolerance)
    many = [np.stack([x, x[::-1], 2 * x], axis=1) for x in xs]
    single = [jitney.tree.leaves(mine(*[m[:, k] for m in many])) for k in range(3)]
    want = [np.stack(list(map(np.asarray, leaves))) for leaves in zip(*single, strict=True)]
    assert_same(jitney.vmap(mine, in_axes=1)(*many), want, tolerance, weak=False)
    twice = [np.stack([m, m[::-1], m], axis=-1) for m in many]
    got = jitney.vmap(jitney.vmap(mine, in_axes=1), in_axes=-1)(*twice)
    assert_same(jitney.tree.map(lambda y: y[2], got), want, tolerance, weak=False)


# -- reduce -------------------------------------------------------------------------------------------

REDUCTIONS = {
    "sum": lambda L: lambda x: L.lax.reduce(x, 0.0, L.lax.add, (0,)),
    "sum from one": lambda L: lambda x: L.lax.reduce(x, 1.0, L.lax.add, (0,)),
    "product": lambda L: lambda x: L.lax.reduce(x, 1.0, L.lax.mul, (0, 1)),
    "max": lambda L: lambda x: L.lax.reduce(x, -np.inf, L.lax.max, (1,)),
    "max from zero": lambda L: lambda x: L.lax.reduce(x, 0.0, L.lax.max, (1,)),
    "min": lambda L: lambda x: L.lax.reduce(x, np.inf, L.lax.min, (1,)),
    "python": lambda L: lambda x: L.lax.reduce(x, 0.0, lambda a, b: L.numpy.hypot(a, b), (1,)),
    "nothing": lambda L: lambda x: L.lax.reduce(x, 0.0, lambda a, b: L.numpy.hypot(a, b), ()),
    "pair": lambda L: lambda x: L.lax.reduce(
        (x, 2 * x), (0.0, 1.0), lambda a, b: (a[0] + b[0], a[1] * b[1]), (0,)
    ),
    "argmax": lambda L: lambda x: L.lax.reduce(
        {"v": x, "i": L.lax.broadcasted_iota(int, (5, 4), 1)},
        {"v": -np.inf, "i": 99},
        lambda a, b: L.tree.map(lambda s, t: L.numpy.where(a["v"] > b["v"], s, t), a, b),
        (1,),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduce(name: str) -> None:
    _alike(REDUCTIONS[name], X)


@pytest.mark.parametrize(
    "name, init", [("bitwise_or", 0), ("bitwise_and", -1), ("bitwise_xor", 0), ("add", 0.0)]
)
def test_reduce_integers(name: str, init: int) -> None:
    _alike(lambda L: lambda x: L.lax.reduce(x, init, getattr(L.lax, name), (1,)), WHOLE)


def test_reduce_keeps_the_order() -> None:
    """The operation need not commute: products of matrices."""
    a = np.random.default_rng(2).normal(size=(7, 2, 2))

    def times(x: Any, y: Any) -> Any:
        return tuple(x[2 * i] * y[j] + x[2 * i + 1] * y[2 + j] for i in (0, 1) for j in (0, 1))

    parts = tuple(a[:, i, j] for i in (0, 1) for j in (0, 1))
    got = jitney.lax.reduce(parts, (1.0, 0.0, 0.0, 1.0), times, (0,))
    np.testing.assert_allclose(np.reshape(got, (2, 2)), np.linalg.multi_dot(list(a)), rtol=1e-12)


def test_reduce_with_traced_values() -> None:
    """An initial value, and an array that the operation refers to, may be traced."""

    def total(init: Any, weight: Any, x: Any) -> Any:
        return jitney.lax.reduce(x, init, lambda a, b: a + b * weight, (0,))

    want = lambda init, weight, x: init + weight * x[0] if len(x) == 1 else None
    row = X[:1]
    assert_close(jitney.jit(total)(2.0, 3.0, row), want(2.0, 3.0, row))
    got = jitney.vmap(lambda init, x: jitney.lax.reduce(x, init, jitney.lax.add, (0,)))(X[:, 0], X)
    np.testing.assert_allclose(got, X[:, 0] + X.sum(1), rtol=1e-12)
    check_first(lambda i, w, x: [total(i, w, x)], [np.array(2.0), np.array(3.0), X])


@pytest.mark.parametrize("name", ["sum", "product", "max from zero", "python", "pair"])
def test_reduce_derivatives(name: str) -> None:
    check_second(lambda x: jitney.tree.leaves(REDUCTIONS[name](jitney)(x)), [X])


def test_reduce_of_nothing() -> None:
    empty = np.ones((0, 3))
    got = jitney.lax.reduce(empty, 2.0, lambda a, b: a * b + 1, (0,))
    assert got.tolist() == [2.0] * 3


@pytest.mark.parametrize(
    "fun, words",
    [
        (lambda L: L.lax.reduce(X, 0.0, L.lax.add, (5,)), ["(5,)"]),
        (lambda L: L.lax.reduce(X, 0.0, L.lax.add, (-1,)), ["(-1,)"]),
        (lambda L: L.lax.reduce(X, 0.0, L.lax.add, (0, 0)), ["duplicate"]),
        (lambda L: L.lax.reduce(X, np.zeros(3), L.lax.add, (0,)), ["non-scalar"]),
        (lambda L: L.lax.reduce((X, X), 0.0, L.lax.add, (0,)), ["structure"]),
        (lambda L: L.lax.reduce(X, 0.0, lambda a, b: (a, b), (0,)), ["computation"]),
        (lambda L: L.lax.reduce(X, np.float32(1), L.lax.add, (0,)), ["float32"]),
        (lambda L: L.lax.reduce((X, X[0]), (0.0, 0.0), lambda a, b: a, (0,)), ["shapes"]),
    ],
)
def test_reduce_misuse(fun: Callable[[Any], Any], words: list[str]) -> None:
    assert_raises_alike(fun, *words)


@pytest.mark.parametrize(
    "make, x",
    [
        (lambda L: lambda x: L.lax.reduce(x, 0.0, L.lax.add, (0,)), X),
        (lambda L: lambda x: L.lax.reduce(x, -np.inf, L.lax.max, (1,)), X),
        (lambda L: lambda x: L.lax.reduce(x, -1, L.lax.bitwise_and, (1,)), WHOLE),
    ],
)
def test_reduce_programs(make: Callable[[Any], Any], x: Any) -> None:
    assert str(jitney.make_jaxpr(make(jitney))(x)) == str(jax.make_jaxpr(make(jax))(x))


# -- reduce_window --------------------------------------------------------------------------------------

FRAMES: dict[str, dict[str, Any]] = {
    "valid": {"window_dimensions": (2, 3)},
    "same": {"window_dimensions": (2, 3), "window_strides": (1, 1), "padding": "SAME"},
    "strided": {"window_dimensions": (3, 2), "window_strides": (2, 1), "padding": "SAME"},
    "lower": {"window_dimensions": (2, 2), "window_strides": (2, 2), "padding": "SAME_LOWER"},
    "padded": {"window_dimensions": (2, 1), "padding": ((1, 2), (0, 3))},
    "cut": {"window_dimensions": (2, 2), "padding": ((-1, 0), (0, -1))},
    "spread": {"window_dimensions": (2, 2), "base_dilation": (2, 3), "padding": ((1, 0), (1, 1))},
    "dilated": {"window_dimensions": (2, 2), "window_dilation": (3, 2), "window_strides": (1, 2)},
    "everything": {
        "window_dimensions": (2, 3),
        "window_strides": (2, 1),
        "padding": ((1, 2), (3, 1)),
        "base_dilation": (2, 1),
        "window_dilation": (1, 2),
    },
    "too large": {"window_dimensions": (9, 1)},
}
FOLDS = {
    "sum": lambda L: (0.0, L.lax.add),
    "max": lambda L: (-np.inf, L.lax.max),
    "min": lambda L: (np.inf, L.lax.min),
    "product": lambda L: (1.0, L.lax.mul),
    "sum from one": lambda L: (1.0, L.lax.add),
}


def _window(fold: str, frame: str) -> Callable[[Any], Callable[[Any], Any]]:
    return lambda L: lambda x: L.lax.reduce_window(x, *FOLDS[fold](L), **FRAMES[frame])


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("fold", ["sum", "max", "product"])
def test_window(fold: str, frame: str) -> None:
    if fold == "product" and frame == "too large":
        pytest.skip("JAX cannot")
    _alike(_window(fold, frame), X)


@pytest.mark.parametrize("fold", ["min", "sum from one"])
def test_other_window(fold: str) -> None:
    if fold == "min":
        _alike(_window(fold, "everything"), X)
    got = jitney.lax.reduce_window(X, *FOLDS[fold](jitney), **FRAMES["valid"])
    assert_close(got, jax.lax.reduce_window(X, *FOLDS[fold](jax), **FRAMES["valid"]))


@pytest.mark.parametrize("dtype", ["f4", "i4", "u1", "bool"])
def test_window_dtypes(dtype: str) -> None:
    x = (X > 0) if dtype == "bool" else np.abs(3 * X).astype(dtype)
    least = False if dtype == "bool" else np.asarray(-np.inf if dtype == "f4" else np.iinfo(dtype).min, dtype)
    _alike_plain(lambda L: L.lax.reduce_window(x, least, L.lax.max, (2, 2)))
    if dtype != "bool":
        _alike_plain(lambda L: L.lax.reduce_window(x, np.zeros((), dtype), L.lax.add, (2, 2), (1, 1), "SAME"))


def _alike_plain(fun: Callable[[Any], Any]) -> None:
    assert_same(fun(jitney), fun(jax))


def test_window_of_trees() -> None:
    def make(L: Any) -> Any:
        best = lambda a, b: L.tree.map(lambda s, t: L.numpy.where(a[0] >= b[0], s, t), a, b)
        places = L.lax.broadcasted_iota(int, (5, 4), 0)
        return lambda x: L.lax.reduce_window((x, places), (-np.inf, -1), best, (2, 2), (1, 1), "SAME")

    _alike(make, X)


def test_long_windows() -> None:
    x = np.random.default_rng(3).normal(size=200)
    for name in ("sum", "max", "product"):
        fun = lambda L, name=name: lambda x: L.lax.reduce_window(x, *FOLDS[name](L), (50,), (3,), "SAME")
        _alike_plain(lambda L, fun=fun: fun(L)(x))
        check_first(lambda x, fun=fun: [fun(jitney)(x)], [x])


@pytest.mark.parametrize("frame", ["same", "lower", "cut", "everything", "too large"])
@pytest.mark.parametrize("fold", ["sum", "max", "product"])
def test_window_derivatives(fold: str, frame: str) -> None:
    check_second(lambda x: [_window(fold, frame)(jitney)(x)], [X])


@pytest.mark.parametrize("fold, frame", [("sum", "strided"), ("max", "strided"), ("min", "lower")])
def test_window_gradient(fold: str, frame: str) -> None:
    def gradient(L: Any) -> Any:
        return L.grad(lambda x: (_window(fold, frame)(L)(x) ** 3).sum())

    _alike(gradient, X)


def test_gradient_of_ties_goes_to_the_first() -> None:
    def gradient(L: Any) -> Any:
        return L.grad(lambda x: L.lax.reduce_window(x, -np.inf, L.lax.max, (3,), (1,), "SAME").sum())(
            np.ones(5)
        )

    _alike_plain(gradient)


@pytest.mark.parametrize(
    "fun",
    [
        lambda L: _window("sum", "everything")(L),
        lambda L: _window("max", "strided")(L),
        lambda L: _window("min", "padded")(L),
        lambda L: _window("product", "same")(L),
        lambda L: L.vmap(_window("sum", "valid")(L), in_axes=0),
        lambda L: L.grad(lambda x: L.lax.reduce_window(x, -np.inf, L.lax.max, (2, 2)).sum()),
        lambda L: lambda x: L.jvp(lambda v: L.lax.reduce_window(v, -np.inf, L.lax.max, (2, 2)), (x,), (x,)),
    ],
)
def test_window_programs(fun: Callable[[Any], Any]) -> None:
    x = X if "vmap" not in fun.__code__.co_names else np.stack([X, X])
    assert str(jitney.make_jaxpr(fun(jitney))(x)) == str(jax.make_jaxpr(fun(jax))(x))


@pytest.mark.parametrize(
    "fun, words",
    [
        (lambda L: L.lax.reduce_window(X, 0.0, L.lax.add, (2,)), ["(2,)", "(5, 4)"]),
        (lambda L: L.lax.reduce_window(X, 0.0, L.lax.add, (2, 2), padding="FULL"), ["FULL"]),
        (lambda L: L.lax.reduce_window(X, 0.0, L.lax.add, (2, 2), (0, 1)), ["window_strides", "(0, 1)"]),
        (lambda L: L.lax.reduce_window(X, 0.0, L.lax.add, (2, 2), (1,)), ["window_strides", "(1,)"]),
        (lambda L: L.lax.reduce_window(X, 0.0, L.lax.add, (0, 2)), ["window_dimensions", "(0, 2)"]),
        (lambda L: L.lax.reduce_window(X, 0.0, L.lax.add, (2, 2), base_dilation=(0, 1)), ["(0, 1)"]),
        (lambda L: L.lax.reduce_window(X, np.float32(1), L.lax.add, (2, 2)), ["float32"]),
    ],
)
def test_window_misuse(fun: Callable[[Any], Any], words: list[str]) -> None:
    assert_raises_alike(fun, *words)


def test_shapes_and_padding() -> None:
    for args in (((4, 3), (2, 2), (2, 1), ((0, 0), (0, 1))), ((9,), (3,), (2,), ((1, 1),), (2,), (3,))):
        assert jitney.lax.reduce_window_shape_tuple(*args) == jax.lax.reduce_window_shape_tuple(*args)
    for padding in ("SAME", "VALID", "SAME_LOWER"):
        for args in (((4, 3), (2, 2), (2, 1)), ((7,), (4,), (3,)), ((1,), (5,), (1,))):
            assert jitney.lax.padtype_to_pads(*args, padding) == jax.lax.padtype_to_pads(*args, padding)


# -- cumulative operations ------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"])
def test_cumulative(name: str, reverse: bool) -> None:
    for axis in (0, 1):
        make = lambda L, axis=axis: lambda x: getattr(L.lax, name)(x, axis, reverse)
        _alike(make, X)
    check_second(lambda x: [getattr(jitney.lax, name)(x, 1, reverse)], [X])
    kinds = (
        ["f4", "c16", "bfloat16"] if name == "cumlogsumexp" else ["f4", "i1", "u2", "i8", "c16", "bfloat16"]
    )
    for dtype in kinds:
        if dtype == "c16" and name in ("cummax", "cummin"):
            continue
        x = np.asarray(jax.numpy.asarray(2 * X).astype(dtype))
        want = getattr(jax.lax, name)(x, 0, reverse)
        for got in (getattr(jitney.lax, name), jitney.jit(getattr(jitney.lax, name), static_argnums=(1, 2))):
            assert_close(got(x, 0, reverse), want, 1e-10 if dtype != "bfloat16" else 0.05)


def test_large_arrays_at_once() -> None:
    """Windows of large arrays are folded by compiled kernels, also outside of jit."""
    x = np.random.default_rng(4).normal(size=40000)
    want = np.lib.stride_tricks.sliding_window_view(x, 7)
    np.testing.assert_allclose(jitney.lax.reduce_window(x, 0.0, jitney.lax.add, (7,)), want.sum(1), rtol=1e-9)
    np.testing.assert_array_equal(jitney.lax.reduce_window(x, -np.inf, jitney.lax.max, (7,)), want.max(1))
    slope = jitney.grad(lambda x: jitney.lax.reduce_window(x, -np.inf, jitney.lax.max, (7,), (7,)).sum())(x)
    assert np.asarray(slope).sum() == 40000 // 7


# -- long windows, and places of extrema ---------------------------------------------------------------

SIZES = [(2, 1, 1), (12, 1, 2), (13, 1, 1), (64, 3, 1), (77, 2, 1), (100, 1, 1), (131, 5, 2)]


@pytest.mark.parametrize("size, step, apart", SIZES)
def test_folds_of_windows_of_all_lengths(size: int, step: int, apart: int) -> None:
    """Windows of windows, and what is left over, along either axis."""
    x = np.random.default_rng(2).normal(size=(300, 2))
    count = (300 - (size - 1) * apart - 1) // step + 1
    places = np.arange(count)[:, None] * step + np.arange(size) * apart
    for y, windows, frame in ((x, x[places], lambda n: (n, 1)), (x.T, x.T[:, places], lambda n: (1, n))):
        axis = 1 if y is x else 2
        for init, op, want in (
            (0.0, jitney.lax.add, windows.sum(axis)),
            (-np.inf, jitney.lax.max, windows.max(axis)),
        ):
            fun = lambda y, i=init, o=op, f=frame: jitney.lax.reduce_window(  # noqa: E731
                y, i, o, f(size), f(step), "VALID", window_dilation=f(apart)
            )
            np.testing.assert_allclose(jitney.jit(fun)(y), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("padding", ["SAME", "VALID", ((0, 3), (2, 0))])
def test_gradients_of_overlapping_maxima(padding: Any) -> None:
    x = (
        np.random.default_rng(3).integers(0, 4, (6, 7)).astype(float)
    )  # with equal elements: the first one counts
    pool = lambda L: lambda x: L.lax.reduce_window(x, -np.inf, L.lax.max, (3, 2), (1, 1), padding)  # noqa: E731
    ct = np.random.default_rng(4).normal(size=pool(jax)(x).shape)
    assert_same(jitney.vjp(pool(jitney), x)[1](ct)[0], jax.vjp(pool(jax), x)[1](ct)[0])
    x, t = np.random.default_rng(5).normal(size=(2, *x.shape))
    assert_same(jitney.jvp(pool(jitney), (x,), (t,))[1], jax.jvp(pool(jax), (x,), (t,))[1])
