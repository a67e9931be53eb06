"""Complex numbers in compiled programs: computed as pairs of real ones, in loops too, equal to NumPy and JAX."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from comparing import assert_close as close
from jitney._compiler.options import without

AXIS = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.25, 1e-160, 1e160, -3e-9, 0.9999999])
GRID = (AXIS[:, None] + 0j) + 1j * AXIS
GRID.real = AXIS[:, None]  # keep the signs of zeros


@pytest.mark.parametrize(
    "name", ["exp", "log", "sqrt", "abs", "sin", "cos", "sinh", "cosh", "square", "conj"]
)
def test_elementary(name: str) -> None:
    grid = GRID if name in ("log", "sqrt", "abs", "conj") else GRID[np.abs(GRID) < 1e3]
    got = np.asarray(jitney.jit(getattr(jnp, name))(grid))
    with np.errstate(divide="ignore"):
        want = getattr(np, name)(grid)
    np.testing.assert_allclose(got, want, rtol=4e-15)
    if name in ("sqrt", "conj", "log"):  # the sides of the cuts
        assert (np.signbit(got.imag) == np.signbit(want.imag)).all()


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_arithmetic(dtype: type) -> None:
    x = (GRID[np.abs(GRID) < 1e3]).astype(dtype)
    y = np.roll(x, 7) + dtype(0.3 + 0.1j)
    tol = 1e-14 if dtype is np.complex128 else 1e-5
    for f in (
        lambda n, x, y: x * y + 2.0,
        lambda n, x, y: x / y,
        lambda n, x, y: x**3 - 1j * y,
        lambda n, x, y: (1 / y) ** 2,
        lambda n, x, y: n.where(x.real > 0, x, y),
        lambda n, x, y: n.sum(x * n.conj(y)),
        lambda n, x, y: n.cumsum(x)[::2] @ y[::2],
    ):
        got = jitney.jit(lambda x, y, f=f: f(jnp, x, y))(x, y)
        assert got.dtype == dtype
        close(got, f(np, x, y), tol)


def test_divisors_of_any_size() -> None:
    x, y = np.complex128(1e200 + 1e200j), np.complex128(2e200 - 1e200j)
    close(jitney.jit(lambda x, y: x / y)(x, y), x / y, 1e-15)
    close(jitney.jit(abs)(np.complex128(3e300 + 4e300j)), 5e300, 1e-15)
    assert np.isinf(jitney.jit(abs)(complex(np.inf, np.nan)))


def _mandelbrot(m, c):
    n = m.numpy

    def step(i, state):
        z, count = state
        z = z * z + c
        inside = z.real**2 + z.imag**2 < 4
        return n.where(inside, z, 0), count + inside

    return m.lax.fori_loop(0, 30, step, (n.zeros_like(c), n.zeros(c.shape, int)))[1]


def _oscillator(m, z):
    def step(z, t):
        z = z * (0.999 + 0.01j) + 0.1 * m.numpy.exp(1j * t)
        return z, z

    last, path = m.lax.scan(step, z, m.numpy.arange(50.0))
    return last, path


def _converge(m, a):
    going = lambda z: m.numpy.abs(z * z - a) > 1e-12  # noqa: E731
    return m.lax.while_loop(going, lambda z: 0.5 * (z + a / z), a)


def _branch(m, z):
    return m.lax.cond(z.real > 0, lambda z: z * 1j, lambda z: m.numpy.conj(z), z)


PLANE = np.linspace(-2, 1, 20) + 1j * np.linspace(-1, 1, 20)[:, None]


@pytest.mark.parametrize(
    ("function", "argument"),
    [
        (_mandelbrot, PLANE),
        (_oscillator, np.complex128(1 + 1j)),
        (_oscillator, PLANE[0]),
        (_converge, np.complex128(-2 + 0.5j)),
        (_branch, np.complex128(0.5 + 2j)),
    ],
)
def test_loops(function, argument) -> None:
    got = jitney.jit(lambda x: function(jitney, x))(argument)
    want = jax.jit(lambda x: function(jax, x))(argument)
    jax.tree.map(lambda g, w: close(g, w, 1e-13), got, want)


@pytest.mark.parametrize("function", [_converge, _branch])
def test_batches(function) -> None:
    batch = PLANE.reshape(-1) + (0.01 + 0.02j)
    got = jitney.jit(jitney.vmap(lambda x: function(jitney, x)))(batch)
    close(got, jax.vmap(lambda x: function(jax, x))(batch), 1e-12)


def test_gradient_of_a_loop() -> None:
    def loss(m, x):
        return m.numpy.abs(_oscillator(m, x * (1 + 0.5j))[0]) ** 2

    close(
        jitney.jit(jitney.grad(lambda x: loss(jitney, x)))(0.7), jax.grad(lambda x: loss(jax, x))(0.7), 1e-12
    )


def test_operations_without_a_rule_run_on_complex_arrays() -> None:
    x = PLANE[0]
    f = lambda x: jnp.sort(jnp.tanh(x) * 2 + 1j)  # noqa: E731
    close(jitney.jit(f)(x), np.sort(np.tanh(x) * 2 + 1j), 1e-13)


def test_native_inside() -> None:
    """No operation of a complex loop calls NumPy; and the program is the same without the pass."""
    lowered = jitney.jit(lambda c: _mandelbrot(jitney, c)).lower(PLANE)
    assert "call host" not in lowered.as_text()
    with without("split_complex"):
        close(jitney.jit(lambda c: _mandelbrot(jitney, c))(PLANE), _mandelbrot(jax, PLANE), 0)


_FUNCTIONS = "tan tanh arcsin arccos arctan arcsinh arccosh arctanh expm1 log1p sqrt sign exp2".split()


@pytest.mark.parametrize("name", _FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_elementary_functions_compiled(name, dtype):
    """On both sides of their cuts, far out and near 0, against NumPy in double precision."""
    rng = np.random.default_rng(3)
    sizes = np.exp(rng.uniform(-20, 4, (2, 200))) * rng.choice([-1, 1], (2, 200))
    axis = np.array([0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0])
    grid = [v.ravel() for v in np.meshgrid(axis, axis)]
    z = np.empty(264, dtype)
    z.real, z.imag = np.append(sizes[0], grid[0]), np.append(sizes[1], grid[1])
    with np.errstate(all="ignore"):
        want = getattr(np, name)(z.astype(np.complex128))
        if name == "log1p":  # which NumPy computes as log(1 + z)
            x, y = z.real.astype(np.longdouble), z.imag.astype(np.longdouble)
            want.real, want.imag = np.log1p(x * (x + 2) + y * y) / 2, np.arctan2(y, 1 + x)
        want = want.astype(dtype)
        got = np.asarray(jitney.jit(getattr(jnp, name))(z))
    finite = np.isfinite(want) & (np.abs(want) < 1e30)
    np.testing.assert_allclose(got[finite], want[finite], rtol=32 * np.finfo(dtype).eps)
    if name not in ("expm1", "log1p", "exp2", "sign"):
        for part in (np.real, np.imag):
            seen = finite & (part(want) == 0)
            np.testing.assert_array_equal(np.signbit(part(got[seen])), np.signbit(part(want[seen])))


def test_complex_powers_compiled():
    rng = np.random.default_rng(4)
    x, y = (rng.normal(size=50) + 1j * rng.normal(size=50) for _ in "xy")
    x[:3], y[:3] = 0, (0, 2, 1 + 1j)
    np.testing.assert_allclose(jitney.jit(jnp.power)(x, y), np.power(x, y), rtol=1e-14)
    n = rng.integers(-3, 4, 50)
    np.testing.assert_allclose(jitney.jit(jnp.power)(x[3:], n[3:]), np.power(x[3:], n[3:]), rtol=1e-14)
    np.testing.assert_allclose(jitney.jit(jitney.lax.rsqrt)(x[3:]), 1 / np.sqrt(x[3:]), rtol=1e-14)
    np.testing.assert_allclose(jitney.jit(jitney.lax.logistic)(x), 1 / (1 + np.exp(-x)), rtol=1e-14)
