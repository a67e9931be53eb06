"""Long programs without loops: what tracing, differentiating and compiling thousands of operations takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import case
from programs import Engine, engine, program, uniform

GROUP = "long programs"


def _chain(m: Engine, count: int) -> Any:
    """Sines in a row; three operations a step."""

    def run(x: Any) -> Any:
        for i in range(count):
            x = m.np.sin(x) * 1.01 + 0.001 * i
        return x

    return run


@program("1500 operations on a number", GROUP, first=0.35, gradient=3.0)
def _(m: Engine) -> Any:
    return _chain(m, 500), (np.array(0.3),)


@program("3000 operations on 8 numbers", GROUP, first_within=0.3, gradient=3.0, gradient_within=1.0)
def _(m: Engine) -> Any:
    run = _chain(m, 1000)
    return lambda x: run(x).sum(), (uniform(0.0, 1.0, 8),)


@program("500 operations on 100k numbers", GROUP)
def _(m: Engine) -> Any:
    def run(x: Any) -> Any:
        for i in range(250):
            x = x * 0.999 + 0.001 * i
        return x

    return run, (uniform(0.0, 1.0, 100_000),)


@case("tracing 1500 operations", GROUP, 1.0)
def _() -> dict[str, Any]:
    def build(m: Engine) -> Any:
        run, x = _chain(m, 500), m.np.asarray(0.3)
        return lambda: m.make_jaxpr(lambda x: run(x))(x)

    return {who: build(engine(who)) for who in ("jitney", "jax")}
