"""lgamma and digamma."""

from __future__ import annotations

import math

from .lang import E, Math
from .logarithm import finish_log, log_of_parts, log_rest
from .registry import define
from .trigonometric import sin_reduced, tan_reduced

INF, NAN = float("inf"), float("nan")
# From here on Stirling's series.
BIG = 6.5


def log_here(m: Math, x: E) -> E:
    k, mant = m.split(x)
    return finish_log(m, x, log_of_parts(m, k, mant - 1.0))


def log_and_error(m: Math, x: E):
    """log x, log x - 1 and what roundings took off the latter, where that matters: for x >= BIG, finite."""
    k, mant = m.split(x)
    _, hi, lo = m.table("ln2")
    f = mant - 1.0
    part = f - m.fnma(k, lo, log_rest(m, f))
    log = finish_log(m, x, m.fma(k, hi, part))
    less = log - 1.0
    back = log - part
    error = m.fms(k, hi, back) + (part - (log - back)) + ((log - less) - 1.0)
    return log, less, m.select(x < INF, error, 0.0)


@define("lgamma", inline=False, single=False)
def lgamma(m: Math, x: E) -> E:
    """log |gamma(x)|: below 0 by reflection."""
    negative = x < 0.0
    value = lgamma_positive(m, m.select(negative, 1.0 - x, x))
    return m.rarely(negative, value, lambda: m.select(negative, reflected_lgamma(m, x, value), value))


def lgamma_positive(m: Math, x: E) -> E:
    """Stirling's series from BIG on; else lgamma(2 + d) = d (1 + d) R(d), -1 <= d <= 1/2, and the recurrence:
    adding the log of (x-1)(x-2)... above, taking off the log of x or x(x+1) below. One log serves all."""
    big = x >= BIG
    low, lowest = x < 1.0, x < 0.5
    steps = m.at_least(m.rint(x), 2.0)
    d = m.select(lowest, x, m.select(low, x - 1.0, x - steps))
    product = m.c(1.0)
    for i in range(1, 5):
        product = m.select(steps > i + 1.5, product * (x - float(i)), product)
    product = m.select(lowest, m.fma(x, x, x), m.select(low, x, product))
    log, less, error = log_and_error(m, m.select(big, x, product))
    base = m.fma(d, d, d) * m.careful_poly(d + 0.25, m.table("lgamma"))
    inverse = 1.0 / x
    stirling = inverse * m.poly(inverse * inverse, m.table("stirling"))
    y = x - 0.5
    far = m.fma(y, less, m.fma(y, error, stirling + (math.log(2 * math.pi) - 1) / 2))
    far = m.select(x < INF, far, x)
    return m.select(big, far, m.select(low, base - log, base + log))


def reflected_lgamma(m: Math, x: E, other: E) -> E:
    """log(pi / |sin(pi x)|) - lgamma(1 - x)"""
    r = x - m.rint(x)
    sine = m.abs(sin_reduced(m, r * math.pi))
    value = -log_here(m, sine * (1.0 / math.pi)) - other
    return m.select((r == 0.0) | (x == -INF), INF, value)


@define("digamma", inline=False, single=False)
def digamma(m: Math, x: E) -> E:
    """The derivative of log gamma: below 0 by reflection."""
    negative = x <= 0.0
    value = digamma_positive(m, m.select(negative, 1.0 - x, x))
    return m.rarely(negative, value, lambda: m.select(negative, reflected_digamma(m, x, value), value))


def digamma_positive(m: Math, x: E) -> E:
    """The asymptotic series from BIG on; else (y - root) Q(y) for 1 <= y < 3, and the recurrence."""
    big = x >= BIG
    steps = m.floor(x)
    low = x < 1.0
    # The sum of 1/(x-1), 1/(x-2), ... as one fraction.
    above, below = m.c(0.0), m.c(1.0)
    for i in range(1, 5):
        term = x - float(i)
        active = steps > i + 1.5
        above, below = (
            m.select(active, m.fma(above, term, below), above),
            m.select(active, below * term, below),
        )
    above, below = m.select(low, -1.0, above), m.select(low, x, below)
    inverse = m.select(big, 1.0, above) / m.select(big, x, below)
    root, root_lo = m.table("digamma_root")
    y = m.select(low, x + 1.0, x - m.at_least(steps - 2.0, 0.0))
    slope = m.careful_poly(y - 2.0, m.table("digamma"))
    near = m.fma(y - root, slope, m.fnma(slope, root_lo, inverse))
    square = inverse * inverse
    far = log_here(m, x) - m.fma(square, m.poly(square, m.table("digamma_series")), inverse * 0.5)
    return m.select(big, m.select(x == INF, INF, far), near)


def reflected_digamma(m: Math, x: E, other: E) -> E:
    """digamma(1 - x) - pi / tan(pi x)"""
    r = x - m.rint(x)
    value = other - math.pi / tan_reduced(m, r * math.pi)
    value = m.select((r == 0.0) | (x == -INF), NAN, value)
    return m.select(x == 0.0, m.copysign(m.c(INF), -x), value)
