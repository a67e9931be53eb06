"""Running sums, differences, interpolation, convolution and histograms against JAX."""

from __future__ import annotations

import numpy as np
import pytest

import jitney.numpy as jnp
from expressions import batched, check, derivatives

_rng = np.random.default_rng(0)
INPUTS = {
    "f": np.array([3.0, 1, np.nan, 2, 1]),
    "g": np.array([3.0, 1, 2, 1.5]),
    "m": np.arange(6.0).reshape(2, 3),
    "i": np.array([3, 1, 2], np.int32),
    "j": np.array([0, 2, 4, 1, 9]),
    "u": np.array([3, 1, 2], np.uint8),
    "s": np.array([3, 1, 2, 5], np.float32),
    "b": np.array([True, True, False]),
    "e": np.array([]),
    "x": np.array([0.0, 1, 2]),
    "y": np.array([3.0, 4, 1]),
    "t": np.array([0.0, 1, 3, 4]),
    "v": np.array([-1.0, 0.6, 9]),
    "c": np.array([1 + 1j, 2, 5]),
    "R": _rng.normal(size=(4, 5)),
    "S": _rng.normal(size=60),
    "T": _rng.normal(size=200),
    "o": np.sort(_rng.normal(size=50)),
}

CASES = """
jnp.cumsum(b)
jnp.cumsum(i)
jnp.cumsum(u)
jnp.cumsum(m)
jnp.cumsum(m, axis=1)
jnp.cumsum(3)
jnp.cumsum(m, axis=2)
jnp.cumsum([1])
jnp.cumsum(i, dtype="f4")
jnp.cumsum(g, dtype=int)
jnp.cumsum(g, 0, None, g)
jnp.cumsum(e)
jnp.cumprod(b)
jnp.cumprod(c)
jnp.nancumsum(f)
jnp.nancumprod(f)
jnp.nancumsum(i)
jnp.cumulative_sum(i)
jnp.cumulative_sum(u)
jnp.cumulative_sum(m)
jnp.cumulative_sum(3.0)
jnp.cumulative_sum(m, axis=1, include_initial=True)
jnp.cumulative_prod(g, include_initial=True)
jnp.diff(g)
jnp.diff(b)
jnp.diff(g, 2)
jnp.diff(g, 0)
jnp.diff(g, n=9)
jnp.diff(g, -1)
jnp.diff(3.0)
jnp.diff(m, axis=0, prepend=1.0, append=2)
jnp.diff(i, prepend=x)
jnp.diff(i, prepend=0.5)
jnp.ediff1d(m)
jnp.ediff1d(i, to_end=j, to_begin=-9)
jnp.ediff1d(i, to_end=1.5)
jnp.ediff1d(b)
jnp.ediff1d(3.0)
jnp.gradient(g)
jnp.gradient(m)
jnp.gradient(g, 2.0)
jnp.gradient(g, t)
jnp.gradient(m, 1.0, 2.0)
jnp.gradient(m, axis=0)
jnp.gradient(m, axis=(0,))
jnp.gradient(m, axis=())
jnp.gradient(i)
jnp.gradient(b)
jnp.gradient(3.0)
jnp.gradient(g, edge_order=2)
jnp.gradient(g[:1])
jnp.gradient(m, 1.0, 2.0, 3.0)
jnp.gradient(m, m)
jnp.gradient(m, x, axis=0)
jnp.gradient(m, x[:2], 2.0, axis=(0, 1))
jnp.trapezoid(g)
jnp.trapezoid(i)
jnp.trapezoid(b)
jnp.trapezoid(3.0)
jnp.trapezoid(m, dx=0.5, axis=0)
jnp.trapezoid(s, dx=0.5)
jnp.trapezoid(m, x)
jnp.trapezoid(R, R, axis=0)
jnp.trapezoid(R, g, axis=0)
jnp.trapezoid(g, m)
jnp.trapezoid([1.0])
jnp.interp(v, x, y)
jnp.interp(R, o, o[::-1])
jnp.interp(0.5, i, i)
jnp.interp(v, x, y, left=7, right="extrapolate")
jnp.interp(v, x, y, "extrapolate")
jnp.interp(v, x, y, period=4)
jnp.interp(v, y, x, period=1.7)
jnp.interp(v, x, g)
jnp.interp(v, m, m)
jnp.interp(v, x, y, left="x")
jnp.interp(0.5, x, c)
jnp.interp(np.nan, x, y)
jnp.interp(v, x[:1], y[:1])
jnp.interp(1.0, x[np.array([0, 1, 1, 2])], g)
jnp.interp(x, x[np.array([0, 1, 1, 2])], g)
jnp.interp(0.5, [0.0, 1], [1, 2])
jnp.convolve(i, i)
jnp.convolve(b, b)
jnp.convolve([1.0], g)
jnp.convolve(m, g)
jnp.convolve(g, e)
jnp.convolve(2.0, 3.0)
jnp.convolve(g, g, "x")
jnp.convolve(i, i, preferred_element_type="f4")
jnp.convolve(x, x, preferred_element_type="f4")
jnp.unwrap(T * 9)
jnp.unwrap(R * 9, axis=0)
jnp.unwrap(i)
jnp.unwrap(j, period=4)
jnp.unwrap(s, period=4)
jnp.unwrap(m, discont=1.0, axis=0)
jnp.unwrap(3.0)
jnp.histogram(g)
jnp.histogram(g, 3)
jnp.histogram(g, t)
jnp.histogram(g, 3, (0, 2))
jnp.histogram(g, 3, weights=s)
jnp.histogram(g, 3, density=True)
jnp.histogram(i, 2)
jnp.histogram(x * 0, 2)
jnp.histogram([1.0], 2)
jnp.histogram(e, 2)
jnp.histogram(f, 2)
jnp.histogram(x, weights=x[:2])
jnp.histogram(x, 2.5)
jnp.histogram(T, 20)
jnp.histogram_bin_edges(i, 2, (0, 5))
jnp.histogram2d(g, g, 2)
jnp.histogram2d(g, g, [2, 3], weights=g, density=True)
jnp.histogram2d(g, g, t)
jnp.histogram2d(x, x, [x, 3], [None, [0, 2]])
jnp.histogram2d(x, x[:2])
jnp.histogramdd(m, [2, 3])
jnp.histogramdd(m, 2, density=True)
jnp.histogramdd(x, 2)
jnp.bincount(i, length=2)
jnp.bincount(i, length=6)
jnp.bincount(i, x, length=6)
jnp.bincount(g)
jnp.bincount(j[None])
jnp.bincount([1])
jnp.digitize(g, x)
jnp.digitize(g, x, True)
jnp.digitize(g, x[::-1])
jnp.digitize(g, x[::-1], True)
jnp.digitize(g, m)
jnp.digitize(g, e)
jnp.digitize(1.0, [1.0])
""".strip().splitlines()


@pytest.mark.parametrize("case", CASES)
def test_expression(case: str) -> None:
    check(case, INPUTS)


# Its size depends on values: not compiled.
@pytest.mark.parametrize(
    "case",
    [
        "jnp.bincount(i)",
        "jnp.bincount(e.astype(int))",
        "jnp.bincount(i, minlength=6)",
        "jnp.bincount(i, x)",
        "jnp.bincount(b)",
    ],
)
def test_bincount_of_concrete_arrays(case: str) -> None:
    check(case, INPUTS, compiled=False)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("operands", ["g, x[:2]", "x[:2], c", "i, S", "S, T", "S, S", "T, g"])
def test_convolution(operands: str, mode: str) -> None:
    check(f"jnp.convolve({operands}, {mode!r})", INPUTS)
    check(f"jnp.correlate({operands}, {mode!r})", INPUTS)


def test_long_convolutions() -> None:
    check("jnp.convolve(S, T)", INPUTS)


@pytest.mark.parametrize(
    "case",
    [
        "jnp.cumsum(R, axis=0)",
        "jnp.cumprod(g)",
        "jnp.diff(R, 2, axis=0)",
        "jnp.gradient(g, t)",
        "jnp.trapezoid(g, t)",
        "jnp.interp(v, x, y)",
        'jnp.interp(v, x, y, left="extrapolate")',
        "jnp.convolve(g, y)",
        "jnp.convolve(S, S)",
        "jnp.histogram(j[:3], 2, (0, 3), weights=y)[0]",
        "jnp.unwrap(g)",
    ],
)
def test_derivatives(case: str) -> None:
    derivatives(case, INPUTS)


@pytest.mark.parametrize(
    "case",
    [
        "jnp.cumsum(R)",
        "jnp.interp(v, x, y)",
        "jnp.convolve(g, y)",
        "jnp.histogram(g, 3)",
        "jnp.bincount(i, length=4)",
        "jnp.gradient(R)",
    ],
)
def test_batches(case: str) -> None:
    batched(case, INPUTS)


def test_unwrap_of_integers_with_an_odd_period_is_numpys() -> None:
    phases = INPUTS["j"]
    np.testing.assert_array_equal(jnp.unwrap(jnp.asarray(phases), period=5), np.unwrap(phases, period=5))
