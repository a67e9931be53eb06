"""Elementwise operations in vector lanes, at the ends of their ranges: exact against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney import lax

INTEGERS = [np.dtype(t) for t in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")]


def _integers(dtype: np.dtype, rng: np.random.Generator) -> np.ndarray:
    info = np.iinfo(dtype)
    some = rng.integers(info.min, info.max, 50, dtype=dtype, endpoint=True)
    few = rng.integers(0, 100, 50).astype(dtype)
    return np.concatenate([some, few, np.array([0, 0, 1, 6, info.min, info.max, info.min], dtype)])


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_greatest_common_divisors(dtype: np.dtype) -> None:
    rng = np.random.default_rng(1)
    x, y = _integers(dtype, rng), rng.permutation(_integers(dtype, rng))
    got = np.asarray(jitney.jit(jnp.gcd)(x, y))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, np.gcd(x, y))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_products_with_powers_of_two_round_once(dtype: type) -> None:
    rng = np.random.default_rng(2)
    x = np.append(
        rng.normal(size=300) * 2.0 ** rng.integers(-14, 14, 300), [0.0, -0.0, np.inf, -np.inf, np.nan]
    )
    x = x.astype(dtype)
    for reach in (3, 40, 300, 2500):
        n = rng.integers(-reach, reach, x.size).astype(np.int32)
        with np.errstate(all="ignore"):
            want = np.ldexp(x, n)
        np.testing.assert_array_equal(jitney.jit(jnp.ldexp)(x, n), want)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("source", [np.float64, np.float32])
def test_floats_become_integers_that_saturate(source: type, dtype: np.dtype) -> None:
    info = np.iinfo(dtype)
    rng = np.random.default_rng(3)
    edges = [
        info.max,
        info.min,
        info.max + 0.5,
        info.min - 0.9,
        -0.9,
        0.9,
        2.0**63,
        2.0**64,
        2.0**31,
        2.0**32,
    ]
    x = np.concatenate(
        [rng.normal(size=90) * 2.0 ** rng.integers(-3, 70, 90), edges, [0, -0.0, np.inf, -np.inf, np.nan]]
    )
    x = x.astype(source)
    x = np.concatenate([x, np.nextafter(x, source(0))])
    want = [
        0 if v != v else info.max if v >= info.max else info.min if v <= info.min else int(v)
        for v in x.astype(object)
    ]
    got = jitney.jit(lambda x: lax.convert_element_type(x, dtype))(x)
    np.testing.assert_array_equal(got, np.array(want, dtype))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0, 3.0, -1.0])
def test_powers_with_known_exponents(exponent: float) -> None:
    x = np.array([-np.inf, -2.0, -1.0, -0.0, 0.0, 1e-310, 0.3, 4.0, 1e200, np.inf, np.nan])
    with np.errstate(all="ignore"):
        want = np.power(x, np.full_like(x, exponent))
    if exponent == 0.5:
        want[0] = np.inf  # NumPy's shortcut is the square root
    np.testing.assert_allclose(jitney.jit(lambda x: x**exponent)(x), want, rtol=2.3e-16)
