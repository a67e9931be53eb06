"""zeta (of Hurwitz), trigamma, polygamma: sums of powers, ended by Euler and Maclaurin's formula.

sum over k >= 0 of (q + k)^-s: its first terms one by one, up to w = q + n, then (DLMF 25.11.28)
w^(1-s) (1/(s-1) + 1/(2w) + s/(12 w^2) - s(s+1)(s+2)/(720 w^4) + ...).
"""

from __future__ import annotations

import math
from fractions import Fraction

from .incomplete_gamma import SHIFT, scaled_gamma
from .lang import E, Math
from .power import exp_pair, log_pair
from .registry import define
from .trigonometric import sin_reduced

INF, NAN = float("inf"), float("nan")
_TERMS = 12
# Euler-Maclaurin's terms are that good from w = s + 9 on.
_REACH = 9.0
_MOST = 2.0**24


def _bernoulli(count: int) -> list[Fraction]:
    """B_0, B_2, B_4, ... by their recurrence."""
    every = [Fraction(1)]
    for n in range(1, 2 * count):
        every.append(-sum(math.comb(n + 1, k) * every[k] for k in range(n)) / (n + 1))
    return every[::2]


_B = _bernoulli(_TERMS + 1)
# Each term of the series over the one before, apart from its powers.
_RATIOS = [
    float(_B[k + 1] / _B[k] * Fraction(math.factorial(2 * k), math.factorial(2 * k + 2)))
    for k in range(1, _TERMS)
]


def tail(m: Math, s: E, w: E) -> E:
    """The sum from w on."""
    inverse = 1.0 / w
    square = inverse * inverse
    rest = m.c(1.0)
    for k in range(_TERMS - 1, 0, -1):
        pair = (s + float(2 * k - 1)) * (s + float(2 * k)) * square
        rest = m.fma(rest, pair * _RATIOS[k - 1], 1.0)
    return m.call("pow", w, 1.0 - s) * (1.0 / (s - 1.0) + m.fma(s * square * (1 / 12), rest, inverse * 0.5))


@define("zeta", 2, inline=False, single=False)
def zeta(m: Math, s: E, q: E) -> E:
    inside = (s > 1.0) & (s < INF) & (q < INF) & ((q > 0.0) | ((q > -_MOST) & (m.floor(q) != q)))
    value = zeta_inside(m, m.select(inside, s, 2.0), m.select(inside, q, 1.0))
    return m.rarely(~inside, value, lambda: m.select(inside, value, at_edges(m, s, q)))


def zeta_inside(m: Math, s: E, q: E) -> E:

    def step(total, w):
        term = m.call("pow", w, -s)
        total = total + term
        return [total, w + 1.0], (w + 1.0 < s + _REACH) & (m.abs(term) > m.abs(total) * 2.0**-54)

    zero = m.c(0.0)
    before = q < s + _REACH
    total, w = m.iterate(before, [zero, q], step)
    return total + m.select(w < s + _REACH, 0.0, tail(m, s, w))


def at_edges(m: Math, s: E, q: E) -> E:
    """Infinite at s = 1 and at the poles q = 0, -1, ...; 0 at q = inf; no number for s < 1."""
    endless = m.select(q == 1.0, 1.0, m.select((q > 0.0) & (q < 1.0), INF, m.c(NAN)))
    value = m.select(s == INF, endless, m.select(q == INF, 0.0, m.c(NAN)))
    pole = (q <= 0.0) & (m.floor(q) == q)
    return m.select((s == 1.0) | ((s > 1.0) & pole), INF, m.select(s > 1.0, value, NAN))


@define("trigamma", inline=False, single=False)
def trigamma(m: Math, x: E) -> E:
    """The second derivative of log gamma: below 0 by reflection."""
    negative = x <= 0.0
    value = trigamma_positive(m, m.select(negative, 1.0 - x, x))
    return m.rarely(negative, value, lambda: m.select(negative, reflected_trigamma(m, x, value), value))


def trigamma_positive(m: Math, x: E) -> E:
    def step(total, y):
        inverse = 1.0 / y
        return [m.fma(inverse, inverse, total), y + 1.0], y + 1.0 < 10.0

    zero = m.c(0.0)
    before = x < 10.0
    total, y = m.iterate(before, [zero, x], step)
    inverse = 1.0 / y
    square = inverse * inverse
    series = m.poly(square, [float(b) for b in _B[1:11]])
    rest = m.fma(square * inverse, series, square * 0.5)
    return total + (inverse + rest)


def reflected_trigamma(m: Math, x: E, other: E) -> E:
    """pi^2 / sin^2(pi x) - trigamma(1 - x)"""
    r = x - m.rint(x)
    sine = sin_reduced(m, r * math.pi) * (1 / math.pi)
    return m.select((r == 0.0) & (x > -INF), INF, 1.0 / (sine * sine) - other)


def factorial(m: Math, n: E) -> E:
    """gamma(n + 1) for 0 <= n"""
    fac, fac_lo = m.two_sum(n, SHIFT)
    log, log_lo = log_pair(m, fac)
    power, power_lo = m.two_sum(n, 0.5)
    hi, lo = m.two_prod(power, log)
    e, e_lo = m.two_sum(hi, -fac)
    # The exponent changes with fac by power/fac - 1 = -4.5/fac.
    rest = m.fma(power_lo, log, fac_lo * (-4.5 / fac))
    e_lo = e_lo + m.fma(power, log_lo, lo) + rest
    return exp_pair(m, e, e_lo) / scaled_gamma(m, n, fac)


@define("polygamma", 2, inline=False, single=False)
def polygamma(m: Math, n: E, x: E) -> E:
    """(-1)^(n+1) n! zeta(n + 1, x) for n = 1, 2, ..., digamma for n = 0."""
    whole = (m.floor(n) == n) & (n >= 0.0)
    order = m.select(whole, n, 1.0)
    value = m.rint(factorial(m, m.at_most(order, 18.0)))
    value = m.where(order > 18.0, lambda: factorial(m, m.at_most(order, 171.0)), value)
    value = value * m.call("zeta", order + 1.0, x)
    half = order * 0.5
    value = m.select(m.floor(half) == half, -value, value)
    first = order == 0.0
    value = m.where(first, lambda: m.call("digamma", x), value)
    return m.select(whole, value, NAN)
