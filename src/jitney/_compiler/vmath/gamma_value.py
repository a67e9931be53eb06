"""tgamma and rgamma: the gamma function itself and its reciprocal, with exponents as pairs."""

from __future__ import annotations

import math

from .lang import E, Math
from .registry import define
from .trigonometric import sin_reduced
from .zeta import factorial

INF, NAN = float("inf"), float("nan")


def gamma_positive(m: Math, x: E) -> E:
    """gamma(x) for x > 0, whole where x is."""
    low = x < 1.0
    n = m.at_most(m.select(low, x, x - 1.0), 171.0)
    value = factorial(m, n)
    value = m.select((m.floor(n) == n) & (n < 19.0), m.rint(value), value)
    return m.select(x > 171.7, INF, m.select(low, value / x, value))


def sine_of_pi(m: Math, x: E) -> E:
    """sin(pi x)"""
    whole = m.rint(x)
    sine = sin_reduced(m, (x - whole) * math.pi)
    half = whole * 0.5
    return m.select(m.floor(half) == half, sine, -sine)


def size_below(m: Math, x: E) -> E:
    """gamma(1 - x) for x < 0, from -x, which is exact."""
    return -x * gamma_positive(m, -x)


@define("rgamma", inline=False, single=False)
def rgamma(m: Math, x: E) -> E:
    """1/gamma(x), which is 0 at 0, -1, -2, ..."""
    low = x < 0.0
    value = gamma_positive(m, m.abs(x))
    turned = sine_of_pi(m, x) * (1.0 / math.pi)
    below = m.select(turned == 0.0, 0.0, turned * (-x * value))
    out = m.select(low, below, m.select(x == 0.0, 0.0, 1.0 / value))
    return m.select(x == -INF, NAN, out)


@define("tgamma", inline=False, single=False)
def tgamma(m: Math, x: E) -> E:
    """Infinite at 0 with its sign, no number at -1, -2, ..."""
    low = x < 0.0
    value = gamma_positive(m, m.abs(x))
    sine = sine_of_pi(m, x)
    # From here on gamma(-x) overflows before gamma(x) vanishes.
    deep = x < -169.0
    value = m.select(low, m.select(deep, 0.0, (math.pi / sine) / (-x * value)), value)
    value = m.where(deep, lambda: m.select(deep, deep_value(m, x, sine), value), value)
    bad = low & ((sine == 0.0) | (x == -INF))
    value = m.select(bad, NAN, value)
    return m.select(x == 0.0, m.copysign(m.c(INF), x), value)


def deep_value(m: Math, x: E, sine: E) -> E:
    """gamma(x) for x < -169: pi/sin(pi x) over gamma(-x - 20) and the product between; 0 below -190."""
    size = m.at_most(-x, 190.0)
    value = (math.pi / sine) / gamma_positive(m, size - 20.0) / size
    for k in range(1, 21):
        value = value / (size - float(k))
    return m.select(x < -185.0, m.copysign(m.c(0.0), value), value)
