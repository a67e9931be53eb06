"""Segments of arrays against JAX: values, dtypes, derivatives, batches, numbers outside."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import jitney
from jitney import ops

RNG = np.random.default_rng(0)
NAMES = ("segment_sum", "segment_prod", "segment_min", "segment_max")
IDS = np.array([0, 3, 3, -1, 5, 1, 0, 9])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u1", "?"])
def test_like_jax(name: str, dtype: str) -> None:
    if dtype == "?" and name in ("segment_sum", "segment_prod"):
        pytest.skip("sums of booleans")
    for shape in ((8,), (8, 3), (8, 2, 2)):
        x = (
            (RNG.normal(size=shape) * 3).astype(dtype)
            if dtype[0] == "f"
            else RNG.integers(0, 5, shape).astype(dtype)
        )
        want = getattr(jax.ops, name)(x, IDS, 6)
        for f in (getattr(ops, name), jitney.jit(getattr(ops, name), static_argnums=2)):
            got = f(x, IDS, 6)
            assert got.dtype == want.dtype and got.shape == want.shape
            np.testing.assert_allclose(got, want, rtol=1e-6)


def test_number_of_segments() -> None:
    x, ids = RNG.normal(size=5), np.array([0, 2, 2, 1, 0])
    np.testing.assert_allclose(ops.segment_sum(x, ids), jax.ops.segment_sum(x, ids), rtol=1e-13)
    with pytest.raises(ValueError, match="num_segments"):
        jitney.jit(ops.segment_sum)(x, ids)
    with pytest.raises(ValueError, match="num_segments >= 0"):
        ops.segment_sum(x, ids, -1)


def test_modes() -> None:
    x, ids = RNG.normal(size=(4, 3)), np.array([0, 2, 7, -1])
    for mode in ("clip", "drop"):
        got, want = (m.ops.segment_max(x, ids, 3, mode=mode) for m in (jitney, jax))
        np.testing.assert_allclose(got, want)
    with pytest.raises(ValueError, match="one number for each row"):
        ops.segment_sum(x, ids[:3], 3)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_and_batches(name: str) -> None:
    x = RNG.normal(size=(3, 8))

    def total(m, n):  # type: ignore[no-untyped-def]
        def of(x):  # type: ignore[no-untyped-def]
            y = getattr(m.ops, name)(x, IDS, 6)
            return n.sum(n.where(n.isfinite(y), y, 0.0) ** 2)

        return m.jit(m.vmap(m.grad(of)))

    if name == "segment_prod":  # JAX's derivative of a product needs unique numbers
        ids = np.arange(8)[::-1]
        got = jitney.grad(lambda x: ops.segment_prod(x, ids, 6, unique_indices=True).sum())(x[0])
        np.testing.assert_allclose(got, (ids < 6).astype(float))
        return
    np.testing.assert_allclose(total(jitney, jitney.numpy)(x), total(jax, jax.numpy)(x), rtol=1e-12)


def test_integrals_of_samples() -> None:
    y = RNG.normal(size=(3, 9))
    np.testing.assert_allclose(
        jitney.scipy.integrate.trapezoid(y, dx=0.5, axis=0), np.trapezoid(y, dx=0.5, axis=0), rtol=1e-13
    )
