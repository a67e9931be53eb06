"""Sorting, searching, sets, selections and quantiles against JAX."""

from __future__ import annotations

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from expressions import batched, check, derivatives
from jitney import errors

_rng = np.random.default_rng(0)
INPUTS = {
    "f": np.array([3.0, 1, np.nan, 2, 1]),
    "g": np.array([3.0, 1, 2, 1.5]),
    "m": np.arange(6.0).reshape(2, 3),
    "i": np.array([2, 1, 2]),
    "j": np.array([3, 1, 2, 3]),
    "l": np.array([2, 3, 3, 5]),
    "r": np.array([[1, 2], [1, 2], [0, 1]]),
    "k": np.array([3, 1, 2], np.int32),
    "s": np.array([3, 1, 2], np.float32),
    "b": np.array([True, True, False]),
    "c": np.array([2j, 1j, 1]),
    "e": np.array([]),
    "n": np.array([np.nan, np.nan, 1.0]),
    "a": np.array([1.0, 2, 2, 3]),
    "v": np.array([2.0, np.nan, 0, 9]),
    "o": np.arange(100.0),
    "x": np.linspace(-3, 120, 77).reshape(7, 11),
    "M": _rng.normal(size=(3, 4, 5)),
    "N": np.where(_rng.uniform(size=(3, 4, 5)) < 0.3, np.nan, _rng.normal(size=(3, 4, 5))),
    "q": np.array([0.0, 0.13, 0.5, 0.9, 1]),
    "w": np.array([1.0, 2, 3, 4]),
}

CASES = """
jnp.sort(3.0)
jnp.sort(f, stable=False, descending=True)
jnp.sort(f, kind="q")
jnp.sort(m, axis=None)
jnp.sort([1.0])
jnp.sort(f, order="a")
jnp.sort(m, axis=0, descending=True)
jnp.sort(c)
jnp.sort(b)
jnp.argsort(f)
jnp.argsort(f, descending=True)
jnp.argsort(f, dtype=np.int32)
jnp.argsort(3.0)
jnp.argsort(e)
jnp.lexsort((f, f))
jnp.lexsort(m)
jnp.lexsort(())
jnp.lexsort((1.0,))
jnp.lexsort((j, l))
jnp.argpartition(m, 1)
jnp.partition(f, 9)
jnp.partition(m, -1)
jnp.partition(c, 0)
jnp.sort_complex(i)
jnp.sort_complex(f)
jnp.searchsorted(a, v)
jnp.searchsorted(a, v, side="right")
jnp.searchsorted(a, v, method="compare_all")
jnp.searchsorted(a, v, side="right", method="compare_all")
jnp.searchsorted(a, v, method="bad")
jnp.searchsorted(a, v, side="x")
jnp.searchsorted([1, 2], 1)
jnp.searchsorted(jnp.sort(i), 1.5)
jnp.searchsorted(m, 1.0)
jnp.searchsorted(e, 1.0)
jnp.searchsorted(k, 2, sorter=np.array([1, 2, 0]), side="right")
jnp.searchsorted(n[::-1], np.nan, side="right")
jnp.searchsorted(jnp.sort(s), r)
jnp.searchsorted(o, x)
jnp.searchsorted(o, x, side="right")
jnp.unique([1])
jnp.unique(i, size=4, return_counts=True, return_index=True, return_inverse=True)
jnp.unique(i, size=4, fill_value=-1, return_counts=True)
jnp.unique(i, size=1, return_inverse=True)
jnp.unique(e, size=2, return_index=True)
jnp.unique(e, size=2, fill_value=3.0)
jnp.unique(r, True, True, True, axis=0, size=3)
jnp.unique(r, True, True, True, axis=0, size=1)
jnp.unique(r, True, True, True, axis=1, size=2)
jnp.unique(n, size=4, return_counts=True)
jnp.unique(n, size=4, return_counts=True, equal_nan=False)
jnp.nonzero(3.0)
jnp.nonzero(m, size=2)
jnp.nonzero(m, size=7, fill_value=-1)
jnp.nonzero(m, size=7, fill_value=(5, 6))
jnp.nonzero(e, size=2)
jnp.flatnonzero(m, size=9, fill_value=(7,))
jnp.argwhere(m, size=7, fill_value=-1)
jnp.extract(m > 2, m, size=5)
jnp.extract(m > 2, m, size=2, fill_value=9)
jnp.extract([1], [2])
jnp.union1d(m, m, size=8, fill_value=0)
jnp.intersect1d(j, l, return_indices=True, size=3)
jnp.intersect1d(j, l, size=4, fill_value=-7)
jnp.setdiff1d(j, i, size=4)
jnp.setdiff1d(j, i, size=4, fill_value=-1, assume_unique=True)
jnp.setxor1d(j, l, size=5)
jnp.setxor1d(j, l, size=5, fill_value=-3)
jnp.isin(i, g)
jnp.isin(m, m[0], invert=True)
jnp.isin(1, e)
jnp.isin([1], [2])
jnp.isin(f, f[:3], method="compare_all")
jnp.isin(f, f[:3], method="sort")
jnp.isin(o, x)
jnp.isin(f, f, method="x")
jnp.median(g)
jnp.median(k)
jnp.median(b)
jnp.median(f)
jnp.median(1)
jnp.median(m, axis=(0, 1), keepdims=True)
jnp.median([1.0])
jnp.median(c)
jnp.nanmedian(f)
jnp.nanmedian(N, axis=(1, 2))
jnp.quantile(g, [0.1])
jnp.quantile(g, m)
jnp.quantile(g, 2.0)
jnp.quantile(g, -1.0)
jnp.quantile(s, q)
jnp.quantile(M, q, axis=(0, 2), keepdims=True)
jnp.quantile(M, q, axis=1)
jnp.quantile(M, q, axis=1, method="lower")
jnp.quantile(M, q, axis=1, method="higher")
jnp.quantile(M, q, axis=1, method="midpoint")
jnp.quantile(M, q, axis=1, method="nearest")
jnp.quantile(M, q, axis=1, method="inverted_cdf")
jnp.quantile(g, 0.3, method="hazen")
jnp.quantile(g, 0.3, weights=w)
jnp.quantile(M, q, weights=w, method="inverted_cdf", axis=1)
jnp.nanquantile(N, q)
jnp.nanquantile(N, q, axis=2, method="nearest")
jnp.nanquantile(N, q, axis=(0, 1), keepdims=True)
jnp.percentile(g, 30)
jnp.percentile(g, k.astype(int))
jnp.percentile(k, 50)
jnp.nanpercentile(f, 30)
""".strip().splitlines()


@pytest.mark.parametrize("case", CASES)
def test_expression(case: str) -> None:
    check(case, INPUTS)


# Their sizes depend on values: these are not compiled.
CONCRETE = """
jnp.unique(f)
jnp.unique(3)
jnp.unique(n, equal_nan=False)
jnp.unique(i, True, True, True)
jnp.unique(r, True, True, True, axis=0)
jnp.unique(r.T, True, True, True, axis=1)
jnp.unique(r, return_inverse=True)
jnp.unique_all(i)
jnp.unique_counts(n)
jnp.unique_values(f)
jnp.unique_inverse(m)
jnp.nonzero(f)
jnp.nonzero(m)
jnp.argwhere(m)
jnp.argwhere(3.0)
jnp.argwhere(0.0)
jnp.flatnonzero(m)
jnp.extract(m > 2, m)
jnp.union1d(i, g)
jnp.intersect1d(j, l, return_indices=True)
jnp.setdiff1d(j, i)
jnp.setdiff1d(j, i, assume_unique=True)
jnp.setxor1d(j, l)
""".strip().splitlines()


@pytest.mark.parametrize("case", CONCRETE)
def test_sizes_that_depend_on_values(case: str) -> None:
    check(case, INPUTS, compiled=False)


@pytest.mark.parametrize("name", ["unique", "nonzero", "argwhere", "flatnonzero"])
def test_traced_arrays_need_a_size(name: str) -> None:
    off = jitney.config.temporarily("jitney_python_control_flow", False)
    with off, pytest.raises(errors.ConcretizationTypeError, match="size="):
        jitney.jit(getattr(jnp, name))(jnp.arange(3))


@pytest.mark.parametrize(
    "case",
    [
        "jnp.sort(g)",
        "jnp.sort(M, axis=1, descending=True)",
        "jnp.median(M, axis=1)",
        "jnp.quantile(M, np.array([0.2, 0.6]), axis=2)",
        "jnp.nanquantile(M, 0.3, axis=(0, 2))",
        "jnp.extract(m > 2.5, m, size=2)",
        "jnp.unique(g, size=4)",
    ],
)
def test_derivatives(case: str) -> None:
    derivatives(case, INPUTS)


@pytest.mark.parametrize(
    "case",
    [
        "jnp.argsort(M)",
        "jnp.searchsorted(a, g)",
        "jnp.unique(i, size=2)",
        "jnp.nonzero(b, size=2)",
        "jnp.median(M)",
    ],
)
def test_batches(case: str) -> None:
    batched(case, INPUTS)


def test_unique_of_traced_values_keeps_derivatives() -> None:
    slopes = jitney.grad(lambda x: (jnp.unique(x) * jnp.arange(1.0, 4.0)).sum())(jnp.array([5.0, 1.0, 3.0]))
    np.testing.assert_array_equal(slopes, [3.0, 1.0, 2.0])
