"""Floats of 8 bits and fewer, integers below 8 bits: in compiled programs, without Python, beside ml_dtypes and eager runs."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney import lax
from jitney._base import dtypes

INTS = dtypes.SMALL_INTEGERS
FLOATS = tuple(name for name in dtypes.EXTENSION_NAMES if name not in INTS and name != "bfloat16")
KINDS = FLOATS + INTS


def every(kind: str) -> np.ndarray:
    """All numbers of a format."""
    bits = int(kind[-1]) if kind in INTS else ml_dtypes.finfo(kind).bits
    return np.arange(1 << bits, dtype=np.uint8).view(dtypes.as_dtype(kind))


def wide(kind: str) -> Any:
    return np.int32 if kind in INTS else np.float32


def words(x: Any) -> np.ndarray:
    """The words of an array, NaN as one of them."""
    x = np.asarray(x)
    nan = np.isnan(x.astype(np.float32))
    return np.where(nan, 256, x.view(np.uint8).astype(np.int32))


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_widens_exactly(kind: str) -> None:
    got = np.asarray(jitney.jit(lambda x: x.astype(wide(kind)))(every(kind)))
    want = every(kind).astype(wide(kind))
    np.testing.assert_array_equal(got, want)
    assert (np.signbit(got) == np.signbit(want))[got == got].all()


@pytest.mark.parametrize("kind", FLOATS)
def test_rounding_is_to_nearest_and_even(kind: str) -> None:
    values = np.sort(every(kind).astype(np.float32))
    values = values[np.isfinite(values)]
    middle = (values[1:] + values[:-1]) / 2 if kind != "float8_e8m0fnu" else values[2:-1] * np.float32(1.3)
    rng = np.random.default_rng(0)
    spread = rng.normal(size=2000).astype(np.float32) * np.exp2(rng.integers(-20, 12, 2000)).astype(
        np.float32
    )
    ends = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e30], np.float32)
    inf = np.float32(np.inf)
    x = np.concatenate([values, middle, np.nextafter(middle, inf), np.nextafter(middle, -inf), spread, ends])
    got = jitney.jit(lambda x: x.astype(dtypes.as_dtype(kind)))(x)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(words(got), words(x.astype(dtypes.as_dtype(kind))))
    # A double is rounded once, which ml_dtypes does twice.
    if kind != "float8_e8m0fnu":
        exact = middle.astype(np.float64)
        up, down = (np.nextafter(exact, side * np.inf) for side in (1, -1))
        convert = jitney.jit(lambda x: x.astype(dtypes.as_dtype(kind)).astype(np.float32))
        np.testing.assert_array_equal(np.asarray(convert(up)), values[1:])
        np.testing.assert_array_equal(np.asarray(convert(down)), values[:-1])


@pytest.mark.parametrize("kind", INTS)
def test_integers_keep_their_last_bits(kind: str) -> None:
    x = np.arange(-300, 300)
    got = jitney.jit(lambda x: x.astype(dtypes.as_dtype(kind)))(x)
    np.testing.assert_array_equal(np.asarray(got).astype(int), x.astype(dtypes.as_dtype(kind)).astype(int))


PROGRAMS = {
    "arithmetic": lambda x, y: (x + y, x - y, x * y, -x),
    "choice": lambda x, y: (jnp.where(x > y, x, y), jnp.maximum(x, y), x == y, jnp.clip(x, 0, 1)),
    "folds": lambda x, y: (jnp.max(x), jnp.argmin(y), jnp.cumsum(x)),
    "moves": lambda x, y: jnp.concatenate([x[::-1], jnp.pad(y, 2, constant_values=1)]).reshape(2, -1).T,
    "places": lambda x, y: (x.at[3].set(1), x[jnp.array([3, 5, 1])]),
    "sorted": lambda x, y: jnp.sort(x),
    "bits": lambda x, y: lax.bitcast_convert_type(x, np.uint8) if x.dtype.name.startswith("float8") else x,
    "loop": lambda x, y: lax.fori_loop(0, 3, lambda i, c: c * y, x),
    "branch": lambda x, y: lax.cond(x[0] > 0, lambda a: a + a, lambda a: a * a, y),
    "product": lambda x, y: x @ y,
    "functions": lambda x, y: (
        (jnp.exp(x), jnp.sqrt(y), jnp.nextafter(x, y)) if x.dtype.name[0] == "f" else x // y
    ),
    "integers": lambda x, y: (x & y, x | y, ~x, x << y, x >> y) if "int" in x.dtype.name else jnp.floor(x),
    "counts": lambda x, y: (lax.clz(x), lax.population_count(x)) if "int" in x.dtype.name else jnp.floor(x),
}


@pytest.mark.parametrize(
    "kind", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz", "float4_e2m1fn", "int4", "uint4"]
)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_run_native_and_as_when_eager(name: str, kind: str) -> None:
    rng = np.random.default_rng(1)
    dtype = dtypes.as_dtype(kind)
    x, y = (rng.uniform(low, 4, 12).astype(dtype) for low in (-3 if kind[0] != "u" else 0, 1))
    run = jitney.jit(PROGRAMS[name])
    got, want = run(x, y), PROGRAMS[name](jnp.asarray(x), jnp.asarray(y))
    assert "host" not in run.lower(x, y).compile().as_text()
    for a, b in zip(jitney.tree.leaves(got), jitney.tree.leaves(want), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        a, b = (np.asarray(v).astype(np.float64) for v in (a, b))
        tolerance = (
            0.0
            if "int" in kind or name in ("moves", "sorted", "choice")
            else 2 * float(ml_dtypes.finfo(kind).eps)
        )
        np.testing.assert_allclose(a, b, rtol=tolerance)
