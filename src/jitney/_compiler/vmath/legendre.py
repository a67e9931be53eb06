"""spherical_legendre: the factor of the spherical harmonic Y_n^m that depends on the polar angle.

From Y_m^m by the recurrence in n (DLMF 14.10.3 with orthonormal functions), in numbers with an exponent of their own, as
powers of a small sine would underflow on the way.
"""

from __future__ import annotations

import math

from .lang import E, Math
from .registry import define

INF, NAN = float("inf"), float("nan")
_UP = 2.0**600


def diagonal(m: Math, order: E, sine: E, active: E):
    """(-1)^m sqrt((2m+1)!!/(4 pi (2m)!!)) sin^m, and how often it was multiplied by _UP."""

    def step(value, scaled, k):
        k = k + 1.0
        value = -value * sine * m.sqrt(1.0 + 0.5 / k)
        small = m.abs(value) < 2.0**-600
        value = m.select(small, value * _UP, value)
        return [value, scaled + m.select(small, 1.0, m.c(0.0)), k], (k < order) & (value != 0.0)

    start = m.c(0.5 / math.sqrt(math.pi))
    value, scaled, _ = m.iterate(active & (order > 0.0), [start, m.c(0.0), m.c(0.0)], step)
    return m.select(order > 0.0, value, start), m.select(order > 0.0, scaled, 0.0)


def upward(m: Math, n: E, order: E, cosine: E, value: E, scaled: E, active: E):
    def step(here, before, scaled, k):
        last = k
        k = k + 1.0
        spread = (k - order) * (k + order)
        a = m.sqrt(((k + k) - 1.0) * ((k + k) + 1.0) / spread)
        b = m.sqrt((last - order) * (last + order) / (((last + last) - 1.0) * ((last + last) + 1.0)))
        up = a * m.fms(cosine, here, b * before)
        big = (m.abs(up) > 2.0**300) & (scaled > 0.0)
        down = m.select(big, 1.0 / _UP, m.c(1.0))
        return [up * down, here * down, scaled - m.select(big, 1.0, m.c(0.0)), k], k < n

    return m.iterate(active, [value, m.c(0.0), scaled, order], step)[:3:2]


@define("spherical_legendre", 3, inline=False, single=False)
def spherical_legendre(m: Math, n: E, order: E, theta: E) -> E:
    """0 for |m| > n; even in the angle; no number unless n = 0, 1, ... and m is whole."""
    good = (m.floor(n) == n) & (n >= 0.0) & (n < 2.0**31) & (m.floor(order) == order) & (m.abs(theta) < INF)
    size = m.abs(order)
    some = good & (size <= n)
    degree, power = m.select(some, n, 0.0), m.select(some, size, 0.0)
    angle = m.select(some, theta, 0.0)
    sine, cosine = m.abs(m.call("sin", angle)), m.call("cos", angle)
    value, scaled = diagonal(m, power, sine, some)
    further = some & (degree > power)

    def higher() -> E:
        up, left = upward(m, degree, power, cosine, value, scaled, further)
        up, left = m.select(further, up, value), m.select(further, left, scaled)
        return m.select(left > 1.5, 0.0, m.select(left > 0.5, up * 2.0**-600, up))

    at_diagonal = m.select(scaled > 1.5, 0.0, m.select(scaled > 0.5, value * 2.0**-600, value))
    value = m.where(further, higher, at_diagonal)
    half = power * 0.5
    value = m.select((order < 0.0) & (m.floor(half) != half), -value, value)
    return m.select(good, m.select(some, value, 0.0), NAN)
