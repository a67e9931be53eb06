"""Random numbers. NumPy draws the same distribution from a generator of its own (PCG64)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Thunk
from programs import Engine, program

COUNT = 1_000_000

DRAWS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[np.random.Generator], Any]]] = {
    # name: (with the engine's random and a key, with NumPy's generator)
    "uniform, 1M": (lambda r, key: r.uniform(key, (COUNT,)), lambda g: g.uniform(size=COUNT)),
    "uniform, 1M f32": (
        lambda r, key: r.uniform(key, (COUNT,), dtype="float32"),
        lambda g: g.random(COUNT, dtype=np.float32),
    ),
    "normal, 1M": (lambda r, key: r.normal(key, (COUNT,)), lambda g: g.normal(size=COUNT)),
    "normal, 1M f32": (
        lambda r, key: r.normal(key, (COUNT,), dtype="float32"),
        lambda g: g.standard_normal(COUNT, dtype=np.float32),
    ),
    "exponential, 1M": (lambda r, key: r.exponential(key, (COUNT,)), lambda g: g.exponential(size=COUNT)),
    "gamma(2.5), 100k": (lambda r, key: r.gamma(key, 2.5, (100_000,)), lambda g: g.gamma(2.5, size=100_000)),
    "randint(0, 100), 1M": (
        lambda r, key: r.randint(key, (COUNT,), 0, 100),
        lambda g: g.integers(0, 100, COUNT),
    ),
    "bernoulli(0.3), 1M": (lambda r, key: r.bernoulli(key, 0.3, (COUNT,)), lambda g: g.random(COUNT) < 0.3),
    "permutation of 100k": (lambda r, key: r.permutation(key, 100_000), lambda g: g.permutation(100_000)),
    "choice of 1000 of 100k": (
        lambda r, key: r.choice(key, 100_000, (1000,)),
        lambda g: g.choice(100_000, 1000),
    ),
}


def _register(name: str) -> None:
    draw, draw_numpy = DRAWS[name]

    def numpy() -> Thunk:
        generator = np.random.default_rng(0)
        return lambda: draw_numpy(generator)

    @program(f"random {name}", "random", numpy=numpy, check=None)
    def _(m: Engine) -> Any:
        return lambda key: draw(m.random, key), (m.random.PRNGKey(0),)


for _name in DRAWS:
    _register(_name)
