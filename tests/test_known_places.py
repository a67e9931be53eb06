"""Indices known at compile time, views through concatenations, and loop nests cut at their borders."""

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney import lax
from jitney._compiler.options import without

_PASSES = ("sink_constants", "boxes", "simplify_algebra", "merge_axes", "unroll")


def _heat(u):
    def step(_, u):
        middle = u[1:-1, 1:-1]
        around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
        return u.at[1:-1, 1:-1].add(0.1 * (around - 4 * middle))

    return lax.fori_loop(0, 5, step, u)


def _heat_numpy(u):
    for _ in range(5):
        around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
        new = u.copy()
        new[1:-1, 1:-1] += 0.1 * (around - 4 * u[1:-1, 1:-1])
        u = new
    return u


@pytest.mark.parametrize("off", [(), *((name,) for name in _PASSES)])
def test_stencil_in_a_loop(off):
    u = np.random.default_rng(0).normal(size=(70, 90))
    with without(*off):
        np.testing.assert_allclose(jitney.jit(_heat)(u), _heat_numpy(u), rtol=1e-13)


@pytest.mark.parametrize("shift", [1, -1, 3, 64])
@pytest.mark.parametrize("shape", [(5000,), (80, 90), (20, 30, 40)])
def test_rolls_are_views(shape, shift):
    x = np.random.default_rng(1).normal(size=shape)
    for axis in range(len(shape)):
        f = jitney.jit(lambda x, axis=axis: jnp.roll(x, shift, axis) * 2 - x)
        np.testing.assert_array_equal(f(x), np.roll(x, shift, axis) * 2 - x)


def test_a_derivative_of_differences():
    x = np.random.default_rng(2).normal(size=(20, 21, 22))
    f = lambda x: sum(jnp.sum(jnp.diff(x, axis=a) ** 2) for a in range(3))  # noqa: E731
    want = np.zeros_like(x)
    for a in range(3):
        d = 2 * np.diff(x, axis=a)
        zero = [(0, 0)] * 3
        zero[a] = (1, 0)
        want += np.pad(d, zero)
        zero[a] = (0, 1)
        want -= np.pad(d, zero)
    np.testing.assert_allclose(jitney.jit(jitney.grad(f))(x), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "bool", "complex128"])
@pytest.mark.parametrize("shape", [(64, 64), (70, 131), (33, 200), (17, 40, 65)])
def test_transposed_reads(shape, dtype):
    x = (np.random.default_rng(3).normal(size=shape) * 50).astype(dtype)
    axes = tuple(range(len(shape)))[::-1]
    got = jitney.jit(
        lambda x: (jnp.transpose(x, axes), jnp.where(jnp.transpose(x, axes) == 0, x.dtype.type(1), x.T))
    )(x)
    np.testing.assert_array_equal(got[0], x.transpose(axes))
    np.testing.assert_array_equal(got[1], np.where(x.T == 0, x.dtype.type(1), x.T))


def test_a_matrix_and_its_transpose():
    x = np.random.default_rng(4).normal(size=(131, 131))
    np.testing.assert_array_equal(jitney.jit(lambda x: x + x.T)(x), x + x.T)


def test_equal_programs_with_other_places():
    """What is known of constants is part of what a program is."""
    x = np.zeros(100)
    for at in (3, 7, 50):
        f = jitney.jit(lambda x, at=at: x.at[at : at + 2].set(1.0))
        want = np.zeros(100)
        want[at : at + 2] = 1
        np.testing.assert_array_equal(f(x), want)


@pytest.mark.parametrize("method", ["set", "add", "multiply", "min", "max"])
def test_windows_of_all_kinds(method):
    x = np.random.default_rng(5).normal(size=(40, 50))
    u = np.random.default_rng(6).normal(size=(40, 20))
    meaning = {
        "set": lambda a, b: b,
        "add": np.add,
        "multiply": np.multiply,
        "min": np.minimum,
        "max": np.maximum,
    }
    want = x.copy()
    want[:, 7:27] = meaning[method](x[:, 7:27], u)
    want[3] = meaning[method](want[3], 0.5)

    def f(x, u):
        x = getattr(x.at[:, 7:27], method)(u)
        return getattr(x.at[3], method)(0.5)

    np.testing.assert_allclose(jitney.jit(f)(x, u), want, rtol=1e-15)
    np.testing.assert_allclose(
        jitney.jit(lambda x, u: lax.fori_loop(0, 1, lambda _, x: f(x, u), x))(x, u), want
    )


def test_rows_of_rows():
    q = np.random.default_rng(7).normal(size=(1000, 4))
    v = np.random.default_rng(8).normal(size=(1000, 3))

    def turn(xp, q, v):
        w, u = q[:, :1], q[:, 1:]
        t = 2 * xp.cross(u, v)
        return v + w * t + xp.cross(u, t)

    got = jitney.jit(lambda q, v: turn(jnp, q, v))(q, v)
    np.testing.assert_allclose(got, turn(np, q, v), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(40, 50), (7, 1001), (300, 301)])
def test_temporaries_in_the_memory_of_outputs(shape):
    x = np.random.default_rng(9).normal(size=shape)

    def f(x):
        y = jnp.exp(x - x.max(1, keepdims=True))
        z = jnp.exp(x - x.min(0, keepdims=True))
        return y / y.sum(1, keepdims=True), z / z.sum(0, keepdims=True) + y.sum(), jnp.sort(y, axis=0)

    y = np.exp(x - x.max(1, keepdims=True))
    z = np.exp(x - x.min(0, keepdims=True))
    want = y / y.sum(1, keepdims=True), z / z.sum(0, keepdims=True) + y.sum(), np.sort(y, axis=0)
    for got, expected in zip(jitney.jit(f)(x), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(100, 6000), (1000, 700), (40, 30, 500), (5000, 130), (130, 70, 100)])
@pytest.mark.parametrize("axis", [0, 1])
def test_columns_folded_row_by_row(shape, axis):
    x = np.random.default_rng(10).normal(size=shape)

    def f(xp, x):
        y = xp.exp(x - x.max(axis, keepdims=True))
        return y / y.sum(axis, keepdims=True), x.sum(axis), x.min(axis), xp.argmax(x, axis), xp.var(x, axis)

    for got, want in zip(jitney.jit(lambda x: f(jnp, x))(x), f(np, x), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)


def test_pairs_without_a_matrix_of_them():
    """n x n distances that only sums read are not stored."""
    p = np.random.default_rng(11).normal(size=(1000, 3))

    def forces(xp, p):
        d = p[:, None, :] - p[None, :, :]
        r2 = xp.sum(d * d, -1) + 0.01
        return -xp.sum(d / (r2 * xp.sqrt(r2))[:, :, None], axis=1)

    f = jitney.jit(lambda p: forces(jnp, p))
    np.testing.assert_allclose(f(p), forces(np, p), rtol=1e-10, atol=1e-10)
    assert f.lower(p).compile().memory_analysis().temp_size_in_bytes < 1_000_000
