"""Elementwise functions of a million numbers: elementary, special, and some fused into one expression."""

from __future__ import annotations

from typing import Any

import numpy as np
from programs import Engine, program, uniform

COUNT = 1_000_000
ELEMENTARY = {
    # name: the interval of its arguments
    "exp": (-20.0, 20.0),
    "log": (1e-3, 1e3),
    "sin": (-100.0, 100.0),
    "cos": (-100.0, 100.0),
    "tanh": (-5.0, 5.0),
    "sqrt": (0.0, 1e3),
    "arctan": (-10.0, 10.0),
    "cbrt": (-10.0, 10.0),
    "log1p": (-0.9, 10.0),
    "expm1": (-5.0, 5.0),
}
SPECIAL = {"gammaln": (0.1, 50.0), "erf": (-4.0, 4.0), "digamma": (0.1, 50.0)}


def _register_one(name: str, room: str, low: float, high: float, dtype: Any) -> None:
    suffix = "" if dtype is np.float64 else " f32"

    @program(f"{name}, 1M{suffix}", "elementwise")
    def _(m: Engine) -> Any:
        function = getattr(getattr(m, room), name)
        return lambda x: function(x), (uniform(low, high, COUNT, dtype=dtype),)


def _register_power(dtype: Any) -> None:
    suffix = "" if dtype is np.float64 else " f32"

    @program(f"power, 1M{suffix}", "elementwise")
    def _(m: Engine) -> Any:
        args = (uniform(0.01, 10.0, COUNT, dtype=dtype), uniform(-3.0, 3.0, COUNT, seed=1, dtype=dtype))
        return lambda x, y: m.np.power(x, y), args


for _dtype in (np.float64, np.float32):
    for _name, (_low, _high) in ELEMENTARY.items():
        _register_one(_name, "np", _low, _high, _dtype)
    for _name, (_low, _high) in SPECIAL.items():
        _register_one(_name, "special", _low, _high, _dtype)
    _register_power(_dtype)


@program("gammainc, 100k", "elementwise")
def _(m: Engine) -> Any:
    return lambda a, x: m.special.gammainc(a, x), (
        uniform(0.5, 30.0, 100_000),
        uniform(0.1, 40.0, 100_000, seed=1),
    )


@program("betainc, 100k", "elementwise")
def _(m: Engine) -> Any:
    args = (
        uniform(0.5, 20.0, 100_000),
        uniform(0.5, 20.0, 100_000, seed=1),
        uniform(0.0, 1.0, 100_000, seed=2),
    )
    return lambda a, b, x: m.special.betainc(a, b, x), args


@program("a*b + c, 1M", "elementwise")
def _(m: Engine) -> Any:
    return lambda a, b, c: a * b + c, tuple(uniform(0.0, 1.0, COUNT, seed=s) for s in range(3))


@program("damped wave of 1M times, fused", "elementwise", memory=True)
def _(m: Engine) -> Any:
    n = m.np

    def wave(t: Any) -> Any:
        return n.exp(-0.1 * t) * n.sin(3 * t + 0.2) + 0.5 * n.log1p(t**2) / (1 + n.sqrt(t))

    return wave, (uniform(0.0, 20.0, COUNT),)


@program("complex exp(1j*x) * z, 1M", "elementwise")
def _(m: Engine) -> Any:
    x = uniform(-10.0, 10.0, COUNT)
    return lambda x, z: m.np.exp(1j * x) * z, (x, x + 1j * uniform(0.0, 1.0, COUNT, seed=1))
