"""owens_t: 1/(2 pi) times the integral of e^(-h^2 (1 + t^2)/2)/(1 + t^2) from 0 to a, by Gauss' rule.

All terms are positive. |a| > 1 goes to T(ah, 1/a) by D. Owen's formula (Ann. Math. Statist. 27, 1956).
"""

from __future__ import annotations

import math

from .lang import E, Math
from .power import exp_pair
from .registry import define

INF, NAN = float("inf"), float("nan")
# Beyond it e^(-s^2/2) does not count.
_REACH = 9.0


def bell(m: Math, h: E) -> E:
    """e^(-h^2/2) for h >= 0"""
    size = m.at_most(h, 40.0)
    z, z_lo = m.two_prod(size, size)
    return exp_pair(m, z * -0.5, z_lo * -0.5)


def inner(m: Math, h: E, a: E) -> E:
    """T(h, a) for 0 <= a <= 1, 0 <= h."""
    end = m.select(a * h > _REACH, _REACH / h, a)
    table = m.table("legendre")
    count = len(table) // 2
    width = h * end
    total = m.c(0.0)
    for node, weight in zip(table[:count], table[count:], strict=True):
        s, t = width * node, end * node
        total = m.fma(m.call("exp", s * s * -0.5) / m.fma(t, t, 1.0), weight, total)
    return bell(m, h) * total * (end * (0.5 / math.pi))


def tail(m: Math, h: E) -> E:
    """The probability that a normal variable is above h, for h >= 0."""
    return bell(m, h) * (m.call("erfcx", h * math.sqrt(0.5)) * 0.5)


@define("owens_t", 2, inline=False, single=False)
def owens_t(m: Math, h: E, a: E) -> E:
    size, slope = m.abs(h), m.abs(a)
    steep = slope > 1.0
    far = m.select((size == 0.0) & (slope == INF), 0.0, size * slope)
    height = m.at_most(m.select(steep, far, size), 1e300)
    value = inner(m, height, m.select(steep, 1.0 / slope, slope))

    def turned() -> E:
        q1, q2 = tail(m, size), tail(m, far)
        return m.select(steep, m.fnma(q1, q2, 0.5 * (q1 + q2)) - value, value)

    value = m.where(steep, turned, value)
    value = m.select(size == INF, 0.0, value)
    return m.select(m.either_nan(h, a), NAN, m.copysign(value, a))
