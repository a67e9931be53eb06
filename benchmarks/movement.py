"""Moving data: gather, scatter, running sums, transposes, joins."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import Thunk
from programs import Engine, integers, normal, program, uniform

GROUP = "movement"
COUNT = 1_000_000


@program("gather 1M of 1M", GROUP)
def _(m: Engine) -> Any:
    return lambda x, i: x[i], (normal(COUNT), integers(0, COUNT, COUNT))


@program("gather 10k rows of 10000x64", GROUP)
def _(m: Engine) -> Any:
    return lambda x, i: x[i], (normal(10_000, 64), integers(0, 10_000, 10_000))


def _numpy_scatter() -> Thunk:
    x, i, v = normal(COUNT), integers(0, COUNT, COUNT), normal(COUNT, seed=1)

    def add() -> Any:
        out = x.copy()
        np.add.at(out, i, v)
        return out

    return add


def _numba_scatter() -> Thunk:
    import numba

    @numba.njit
    def add(x: Any, i: Any, v: Any) -> Any:
        out = x.copy()
        for k in range(i.size):
            out[i[k]] += v[k]
        return out

    args = normal(COUNT), integers(0, COUNT, COUNT), normal(COUNT, seed=1)
    return lambda: add(*args)


@program("scatter-add 1M into 1M", GROUP, numpy=_numpy_scatter, numba=_numba_scatter, memory=True)
def _(m: Engine) -> Any:
    return lambda x, i, v: x.at[i].add(v), (normal(COUNT), integers(0, COUNT, COUNT), normal(COUNT, seed=1))


@program("segment sum of 1M into 1000", GROUP, numpy=False)
def _(m: Engine) -> Any:
    args = normal(COUNT), np.sort(integers(0, 1000, COUNT))
    return lambda v, i: m.np.zeros(1000).at[i].add(v), args


@program("cumsum 1M", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.cumsum(x), (normal(COUNT),)


@program("cumprod 1M", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.cumprod(x), (uniform(0.999, 1.001, COUNT),)


@program("cumsum of columns, 1000x1000", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.cumsum(x, axis=0), (normal(1000, 1000),)


@program("cumulative integral, trapezoids, 1M", GROUP)
def _(m: Engine) -> Any:
    def integral(y: Any, x: Any) -> Any:
        return m.np.cumsum((y[1:] + y[:-1]) / 2 * m.np.diff(x))

    return integral, (normal(COUNT), np.sort(uniform(0.0, 1.0, COUNT)))


# NumPy's results keep the order in memory of what they are made from, which moves nothing: it is told to.


@program(
    "transpose + 0, 2000x2000",
    GROUP,
    numpy=lambda: lambda: np.add(normal(2000, 2000).T, 0, order="C"),
    memory=True,
)
def _(m: Engine) -> Any:
    return lambda x: x.T + 0, (normal(2000, 2000),)


@program(
    "swap axes of 100^3, contiguous",
    GROUP,
    numpy=lambda: lambda: np.multiply(normal(100, 100, 100).transpose(2, 0, 1), 2.0, order="C"),
)
def _(m: Engine) -> Any:
    return lambda x: x.transpose(2, 0, 1) * 2.0, (normal(100, 100, 100),)


@program("concatenate 4 x 250k", GROUP)
def _(m: Engine) -> Any:
    return lambda *xs: m.np.concatenate(xs), tuple(normal(250_000, seed=s) for s in range(4))


@program("stack 3 x 300k as columns", GROUP)
def _(m: Engine) -> Any:
    return lambda *xs: m.np.stack(xs, axis=1), tuple(normal(300_000, seed=s) for s in range(3))


@program("roll 1M", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.roll(x, 1000), (normal(COUNT),)


@program("reverse 1M", GROUP)
def _(m: Engine) -> Any:
    return lambda x: x[::-1] * 2.0, (normal(COUNT),)


@program("where(x > 0, x, y), 1M", GROUP)
def _(m: Engine) -> Any:
    return lambda x, y: m.np.where(x > 0, x, y), (normal(COUNT), normal(COUNT, seed=1))


@program("pad 1000x1000 by 1", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.pad(x, 1), (normal(1000, 1000),)


@program("resize 512x512x3 to 256x256", GROUP, numpy=False)
def _(m: Engine) -> Any:
    return lambda x: m.image.resize(x, (256, 256, 3), "linear"), (normal(512, 512, 3),)


@program("resize 512x512x3 to 1024x1024, cubic", GROUP, numpy=False)
def _(m: Engine) -> Any:
    return lambda x: m.image.resize(x, (1024, 1024, 3), "cubic"), (normal(512, 512, 3),)
