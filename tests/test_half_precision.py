"""16-bit floats in compiled programs: every conversion, and programs beside the same ones run eagerly."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney import lax
from test_vmath import compiled

KINDS = [np.float16, ml_dtypes.bfloat16]
WORDS = np.arange(65536, dtype=np.uint16)


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_widens_exactly(kind) -> None:
    every = WORDS.view(kind)
    got = np.asarray(jitney.jit(lambda x: x.astype(np.float32))(every))
    np.testing.assert_array_equal(got, every.astype(np.float32))
    assert (np.signbit(got) == np.signbit(every.astype(np.float32)))[got == got].all()
    np.testing.assert_array_equal(
        np.asarray(jitney.jit(lambda x: x * kind(1))(every)).astype(np.float32), got
    )


def halfway(kind) -> np.ndarray:
    """The middles between neighbours, what lies beside them, and numbers of any size."""
    with np.errstate(invalid="ignore"):
        every = WORDS.view(kind).astype(np.float64)
    every = np.sort(every[np.isfinite(every)])
    middle = (every[1:] + every[:-1]) / 2
    wide = np.array(
        [0.0, -0.0, np.inf, -np.inf, np.nan, 1e300, -1e300, 1e-320, 65519.99, 65520.0, 2.0**-25, 3.5e38]
    )
    return np.concatenate([middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf), wide])


def rounded(x: np.ndarray, kind) -> np.ndarray:
    """To the nearest, ties to even, found among all numbers of the format."""
    if kind is np.float16:
        with np.errstate(over="ignore"):
            return x.astype(kind)
    exact = x.astype(np.float32)  # rounded to odd, which a second rounding does not spoil
    bits, back = exact.view(np.uint32), exact.astype(np.float64)
    truncated = bits - (np.abs(back) > np.abs(x))
    odd = np.where((back != x) & (x == x), truncated | 1, bits).astype(np.uint32)
    return odd.view(np.float32).astype(kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", [np.float64, np.float32])
def test_rounding(kind, source) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        x = halfway(kind).astype(source)
        got = np.asarray(jitney.jit(lambda x: x.astype(kind))(x))
        want = rounded(x.astype(np.float64), kind)
    np.testing.assert_array_equal(got.astype(np.float32), want.astype(np.float32))


def test_conversions_without_instructions_for_them() -> None:
    every = WORDS.astype(np.uint32).view(np.float32)
    widened = compiled("float_of_half", "f32", 8, "+fma")(every)
    np.testing.assert_array_equal(widened, WORDS.view(np.float16).astype(np.float32))
    with np.errstate(over="ignore"):
        x = halfway(np.float16).astype(np.float32)
        want = x.astype(np.float16)
    words = compiled("half_of_float", "f32", 8, "+fma")(x).view(np.uint32).astype(np.uint16)
    np.testing.assert_array_equal(words.view(np.float16), want)


PROGRAMS = {
    "chain": lambda x, y: jnp.exp(-x) * y + jnp.sin(x),
    "where": lambda x, y: jnp.where(x > y, x, y * 2),
    "powers": lambda x, y: x**2 + x**0.5 + jnp.tanh(y),
    "extremes": lambda x, y: (jnp.max(x), jnp.argmin(y), jnp.clip(x, 1, 2)),
    "moves": lambda x, y: jnp.concatenate([x[::-1], jnp.pad(y, 2, constant_values=3)]).reshape(2, -1).T,
    "places": lambda x, y: (x.at[3].set(7), x[jnp.array([3, 5, 1])], x.at[1].add(1)),
    "sorted": lambda x, y: jnp.sort(x),
    "neighbours": lambda x, y: jnp.nextafter(x, y),
    "integers": lambda x, y: ((x * 9).astype(np.int32), jnp.floor(y), x.astype(bool)),
    "bits": lambda x, y: lax.bitcast_convert_type(x, np.uint16),
    "loop": lambda x, y: lax.fori_loop(0, 4, lambda i, c: jnp.tanh(c) + y, x),
    "scan": lambda x, y: lax.scan(lambda c, v: (c + v, c * v), x[0], y[:5]),
    "branch": lambda x, y: lax.cond(x[0] > 1, lambda a: a + 1, lambda a: a * 2, y),
    "lanes": lambda x, y: jitney.vmap(lambda v: lax.while_loop(lambda c: c < 50, lambda c: c * 2, v))(x),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name, kind) -> None:
    rng = np.random.default_rng(2)
    x, y = (np.abs(rng.normal(size=20)).astype(kind) + kind(0.25) for _ in "xy")
    want, got = PROGRAMS[name](jnp.asarray(x), jnp.asarray(y)), jitney.jit(PROGRAMS[name])(x, y)
    for a, b in zip(jitney.tree.leaves(got), jitney.tree.leaves(want), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        rtol = float(ml_dtypes.finfo(kind).eps) if a.dtype == kind else 0
        np.testing.assert_allclose(*(np.asarray(v).astype(np.float64) for v in (a, b)), rtol=rtol)


def test_sums_and_products_accumulate_in_single_precision() -> None:
    x = np.full(5000, 1.0, np.float16)
    assert jitney.jit(jnp.sum)(x) == 5000
    assert jitney.jit(jnp.dot)(x, x) == 5000
    slope = jitney.jit(jitney.grad(lambda x: jnp.sum(x * x)))(x)
    assert slope.dtype == np.float16 and (np.asarray(slope) == 2).all()


def test_nothing_calls_python() -> None:
    text = jitney.jit(lambda x: jnp.tanh(x) + 1).lower(np.ones(40, np.float16)).as_text("loops")
    assert "math tanh" in text and "host" not in text
