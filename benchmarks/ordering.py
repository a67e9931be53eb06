"""Sorting, ranks and searches: sort, median, unique, percentiles, searchsorted, interpolation, histograms."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import Thunk
from programs import Engine, integers, normal, program, uniform

GROUP = "ordering"


@program("sort 1M", GROUP, memory=True)
def _(m: Engine) -> Any:
    return lambda x: m.np.sort(x), (normal(1_000_000),)


@program("sort rows, 1000x1000", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.sort(x, axis=1), (normal(1000, 1000),)


@program("sort 1M int32", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.sort(x), (integers(0, 1 << 30, 1_000_000).astype(np.int32),)


@program("argsort 100k", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.argsort(x), (normal(100_000),)


@program("median 1M", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.median(x), (normal(1_000_000),)


@program("percentiles 5, 50, 95 of 100k", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.percentile(x, np.array([5.0, 50.0, 95.0])), (normal(100_000),)


@program("percentiles of columns, 1000x1000", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.percentile(x, np.array([16.0, 84.0]), axis=0), (normal(1000, 1000),)


def _numpy_unique() -> Thunk:
    x = integers(0, 1000, 100_000)
    return lambda: np.unique(x)


@program("unique of 100k, size=1000", GROUP, numpy=_numpy_unique)
def _(m: Engine) -> Any:
    return lambda x: m.np.unique(x, size=1000), (integers(0, 1000, 100_000),)


@program("largest 10 of each of 1000 rows of 1000", GROUP, numpy=False)
def _(m: Engine) -> Any:
    return lambda x: m.lax.top_k(x, 10)[0], (normal(1000, 1000),)


@program("searchsorted, 100k in 100k", GROUP)
def _(m: Engine) -> Any:
    return lambda a, v: m.np.searchsorted(a, v), (np.sort(normal(100_000)), normal(100_000, seed=1))


@program("interp, 100k in 100k", GROUP)
def _(m: Engine) -> Any:
    args = uniform(0.0, 1.0, 100_000, seed=1), np.sort(uniform(0.0, 1.0, 100_000)), normal(100_000)
    return lambda x, xp, fp: m.np.interp(x, xp, fp), args


@program("histogram of 1M, 50 bins", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.histogram(x, bins=50, range=(-4.0, 4.0))[0], (normal(1_000_000),)


@program("digitize 100k, 20 edges", GROUP)
def _(m: Engine) -> Any:
    return lambda x, edges: m.np.digitize(x, edges), (normal(100_000), np.linspace(-3.0, 3.0, 20))


@program("bincount of 1M, 100 bins", GROUP)
def _(m: Engine) -> Any:
    fixed = {} if m.name == "numpy" else {"length": 100}
    return lambda i: m.np.bincount(i, **fixed), (integers(0, 100, 1_000_000),)


@program("weighted bincount of 1M, 1000 bins", GROUP)
def _(m: Engine) -> Any:
    fixed = {} if m.name == "numpy" else {"length": 1000}
    return lambda i, w: m.np.bincount(i, w, **fixed), (integers(0, 1000, 1_000_000), normal(1_000_000))
