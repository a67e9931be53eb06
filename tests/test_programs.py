"""Random programs over a dozen primitives: eager = compiled = JAX, values and gradients."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitney
from comparing import assert_close

MORE = int(os.environ.get("JITNEY_EXAMPLES", "1"))  # a longer hunt: JITNEY_EXAMPLES=20


class Step(NamedTuple):
    """One equation: an operation and the earlier values it reads (numbers modulo how many there are)."""

    name: str
    first: int
    second: int
    choice: int


# Each takes (library, x, y, choice) with x, y float64 arrays of the program's shape or of a part of it.
_STEPS: dict[str, Callable[..., Any]] = {
    "sin": lambda j, x, y, c: j.lax.sin(x),
    "tanh": lambda j, x, y, c: j.lax.tanh(x),
    "exp": lambda j, x, y, c: j.lax.exp(j.lax.neg(j.lax.abs(x))),
    "log1p": lambda j, x, y, c: j.lax.log1p(j.lax.square(x)),
    "sqrt": lambda j, x, y, c: j.lax.sqrt(j.lax.add(j.lax.square(x), 1.0)),
    "add": lambda j, x, y, c: j.lax.add(x, y),
    "sub": lambda j, x, y, c: j.lax.sub(x, y),
    "mul": lambda j, x, y, c: j.lax.mul(x, y),
    "div": lambda j, x, y, c: j.lax.div(x, j.lax.add(j.lax.square(y), 1.5)),
    "scale": lambda j, x, y, c: j.lax.mul(x, (0.5, -1.25, 2.0, 0.0)[c]),
    "max": lambda j, x, y, c: j.lax.max(x, j.lax.mul(y, 0.7)),
    "select": lambda j, x, y, c: j.lax.select(j.lax.gt(x, y), x, j.lax.neg(y)),
    "rev": lambda j, x, y, c: j.lax.rev(x, (c % 2,)),
    "shift": lambda j, x, y, c: _shift(j, x, c),
    "sum and spread": lambda j, x, y, c: _spread(j, j.lax.reduce_sum(x, (c % 2,)), x.shape, c % 2),
    "max and spread": lambda j, x, y, c: _spread(j, j.lax.reduce_max(x, (c % 2,)), x.shape, c % 2),
    "total": lambda j, x, y, c: j.lax.mul(x, j.lax.div(j.lax.reduce_sum(y, (0, 1)), 7.0)),
    "matmul": lambda j, x, y, c: j.lax.tanh(
        j.lax.dot_general(j.lax.dot_general(x, y, (((1,), (1,)), ((), ()))), y, (((1,), (0,)), ((), ())))
    ),
    "transpose twice": lambda j, x, y, c: j.lax.transpose(
        j.lax.mul(j.lax.transpose(x, (1, 0)), j.lax.transpose(y, (1, 0))), (1, 0)
    ),
    "reshape": lambda j, x, y, c: j.lax.reshape(
        j.lax.rev(j.lax.reshape(x, (x.shape[0] * x.shape[1],)), (0,)), x.shape
    ),
    "halves": lambda j, x, y, c: _halves(j, x, y),
    "jit": lambda j, x, y, c: j.jit(lambda x, y: j.lax.add(j.lax.mul(x, y), x))(x, y),
    "vmap": lambda j, x, y, c: j.vmap(lambda a, b: j.lax.mul(a, j.lax.reduce_sum(b, (0,))), c % 2, c % 2)(
        x, y
    ),
    "iota": lambda j, x, y, c: j.lax.mul(x, j.lax.broadcasted_iota("float64", x.shape, c % 2)),
}


def _spread(j: Any, x: Any, shape: tuple, axis: int) -> Any:
    return j.lax.broadcast_in_dim(x, shape, tuple(d for d in range(len(shape)) if d != axis))


def _shift(j: Any, x: Any, c: int) -> Any:
    """Move rows by one, with a constant coming in."""
    config = [(0, 0, 0), (0, 0, 0)]
    config[c % 2] = (1, -1, 0) if c < 2 else (-1, 1, 0)
    return j.lax.pad(x, 0.25, tuple(config))


def _halves(j: Any, x: Any, y: Any) -> Any:
    n = x.shape[0]
    joined = j.lax.concatenate([x, y], 0)
    even = j.lax.pad(joined, 0.0, ((0, 0, 1), (0, 0, 0)))
    return j.lax.pad(even, 0.0, ((0, n - even.shape[0], 0), (0, 0, 0)))


def run(j: Any, steps: list[Step], x: Any, y: Any) -> Any:
    """The program's value: a scalar."""
    values = [x, y]
    for step in steps:
        value = _STEPS[step.name](
            j, values[step.first % len(values)], values[step.second % len(values)], step.choice
        )
        values.append(value)
    total = j.lax.reduce_sum(values[-1], (0, 1))
    for value in values[2:-1][-2:]:
        total = j.lax.add(total, j.lax.reduce_sum(j.lax.sin(value), (0, 1)))
    return total


_PROGRAMS = st.lists(
    st.builds(Step, st.sampled_from(sorted(_STEPS)), st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)),
    min_size=1,
    max_size=9,
)
_SHAPES = st.sampled_from([(3, 4), (1, 5), (4, 1), (2, 2), (1, 1), (5, 9), (19, 33)])


def _inputs(shape: tuple) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(sum(shape))
    return rng.normal(size=shape), rng.normal(size=shape)


@settings(max_examples=60 * MORE)
@given(_PROGRAMS, _SHAPES)
def test_compiled_equals_eager(steps: list[Step], shape: tuple) -> None:
    f = lambda x, y: run(jitney, steps, x, y)
    x, y = _inputs(shape)
    eager = f(x, y)
    assert_close(jitney.jit(f)(x, y), eager, 1e-11)
    value, gradients = jitney.value_and_grad(f, (0, 1))(x, y)
    assert_close(value, eager)
    again = jitney.jit(jitney.value_and_grad(f, (0, 1)))(x, y)
    assert_close(again[0], eager, 1e-11)
    for got, want in zip(again[1], gradients, strict=True):
        assert_close(got, want, 1e-10)


@settings(max_examples=40 * MORE)
@given(_PROGRAMS, _SHAPES)
def test_forward_equals_reverse(steps: list[Step], shape: tuple) -> None:
    f = lambda x, y: run(jitney, steps, x, y)
    x, y = _inputs(shape)
    gx, gy = jitney.grad(f, (0, 1))(x, y)
    _, tangent = jitney.jvp(f, (x, y), (y, x))
    want = float(np.sum(np.asarray(gx) * y) + np.sum(np.asarray(gy) * x))
    assert abs(float(tangent) - want) <= 1e-9 * max(
        1.0, abs(want), float(np.abs(gx).max()), float(np.abs(gy).max())
    )


@settings(max_examples=30 * MORE)
@given(_PROGRAMS, st.sampled_from([(3, 4), (2, 2), (1, 5)]))
def test_vmap_equals_a_loop(steps: list[Step], shape: tuple) -> None:
    f = lambda x, y: run(jitney, steps, x, y)
    x, y = _inputs(shape)
    xs = np.stack([x, y, x - y])
    gradient = jitney.grad(f)
    for in_axes, ys in ((0, np.stack([y, x, x])), ((0, None), y)):
        got = jitney.vmap(gradient, in_axes)(xs, ys)
        for i in range(3):
            assert_close(np.asarray(got)[i], gradient(xs[i], ys[i] if in_axes == 0 else ys), 1e-9)


@settings(max_examples=12 * MORE)
@given(_PROGRAMS, st.sampled_from([(3, 4), (1, 5)]))
def test_equals_jax(steps: list[Step], shape: tuple) -> None:
    x, y = _inputs(shape)
    ours = jitney.value_and_grad(lambda x, y: run(jitney, steps, x, y), (0, 1))(x, y)
    theirs = jax.jit(jax.value_and_grad(lambda x, y: run(jax, steps, x, y), (0, 1)))(x, y)
    assert_close(ours[0], theirs[0], 1e-9)
    for got, want in zip(ours[1], theirs[1], strict=True):
        assert_close(got, want, 1e-8)


@pytest.mark.parametrize("name", sorted(_STEPS))
def test_each_step(name: str) -> None:
    """Every operation alone, in float32 and float64, compiled and eager."""
    for dtype in ("float64", "float32"):
        x, y = (v.astype(dtype) for v in _inputs((3, 4)))
        if dtype == "float32" and name == "iota":
            continue
        f = lambda x, y: _STEPS[name](jitney, x, y, 1)
        assert_close(jitney.jit(f)(x, y), f(x, y), 1e-12, name)


# -- arrays so large that threads and whole SIMD loops run ---------------------------------------------------

_LARGE: dict[str, Callable[..., Any]] = {
    "sums": lambda n, x: (
        n.sum(x),
        n.sum(x, axis=0),
        n.sum(x, axis=1),
        n.mean(x, axis=0),
        n.std(x, axis=1),
        n.prod(x / 2, axis=1),
    ),
    "extrema": lambda n, x: (
        n.max(x),
        n.max(x, axis=0),
        n.min(x, axis=1),
        n.argmax(x),
        n.argmax(x, axis=0),
        n.argmin(x, axis=1),
    ),
    "sorts": lambda n, x: (n.sort(x, axis=1), n.sort(x, axis=0)),
    "transposes": lambda n, x: (
        x.T + 0,
        (x.T * 2).T + x,
        n.reshape(x, (x.shape[1], x.shape[0])) * 2,
        x[::-1, ::-2],
    ),
    "math": lambda n, x: (n.exp(x), n.sin(x) * n.cos(x), n.exp(x) / n.exp(x).sum(axis=1, keepdims=True)),
    "normalise": lambda n, x: (x - x.mean(axis=0)) / (x.std(axis=0) + 1),
    "choices": lambda n, x: (
        n.where(x > 0, x, -x),
        n.clip(x, -1, 1),
        (x < x[0]).astype("int32"),
        n.sum(x > 0),
        n.any(x > 3, axis=0),
    ),
    "joining": lambda n, x: (
        n.concatenate([x, x * 2], axis=1),
        n.concatenate([x[:10], x * 2], axis=0),
        n.roll(x, 3, axis=1) - x,
    ),
    "repeating": lambda n, x: (n.pad(x, ((1, 2), (0, 3))), n.tile(x[:3], (2, 2)), n.repeat(x, 2, axis=0)),
    "integers": lambda n, x: (x * 10).astype("int64") % 7,
}


@pytest.mark.parametrize("name", _LARGE)
@pytest.mark.parametrize(
    "shape, dtype", [((300, 501), "float64"), ((7, 20000), "float64"), ((20001, 3), "float32")], ids=str
)
def test_large_arrays(name: str, shape: tuple, dtype: str) -> None:
    """Eager (by kernels) and compiled against NumPy."""
    import jitney.numpy as jnp

    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    f = _LARGE[name]
    want = jitney.tree.leaves(f(np, x))
    for got in (f(jnp, jnp.asarray(x)), jitney.jit(lambda x: f(jnp, x))(x)):
        for g, w in zip(jitney.tree.leaves(got), want, strict=True):
            assert_close(g, w, 1e-9 if dtype == "float64" else 1e-3)
