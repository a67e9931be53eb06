"""bessel_jn: Bessel functions of the first kind of integer order.

Up to 25 Miller's backward recurrence, normalized by J_0 + 2 J_2 + 2 J_4 + ... = 1 (DLMF 10.12.4); beyond, Hankel's
expansions of J_0 and J_1 (DLMF 10.17.3) and the recurrence, forward up to order x, backward from orders above.
"""

from __future__ import annotations

import math

from .lang import E, Math
from .registry import define

INF, NAN = float("inf"), float("nan")
_FAR = 25.0


def hankel(m: Math, x: E, order: int):
    """P and Q of the expansion for x >= 25, by their terms."""
    mu = 4.0 * order * order
    inverse = 1.0 / x
    terms = [1.0]
    for k in range(1, 40):
        terms.append(terms[-1] * (mu - (2 * k - 1) ** 2) / (8.0 * k))
    p = [terms[k] * (-1) ** (k // 2) for k in range(0, 40, 2)]
    q = [terms[k] * (-1) ** (k // 2) for k in range(1, 40, 2)]
    square = inverse * inverse
    return m.horner(square, p), inverse * m.horner(square, q)


def first_two(m: Math, x: E):
    """J_0 and J_1 for x >= 25."""
    s, c = m.call("sin", x), m.call("cos", x)
    size = m.sqrt(1.0 / (x * math.pi))
    p, q = hankel(m, x, 0)
    # cos(x - pi/4) = (c + s)/sqrt 2, sin(x - pi/4) = (s - c)/sqrt 2
    zero = size * m.fms(p, c + s, q * (s - c))
    p, q = hankel(m, x, 1)
    one = size * m.fma(p, s - c, q * (s + c))
    return zero, one


def backward(m: Math, n: E, x: E, active: E):
    """J_n, J_0 and J_1 but for a factor, and J_0 + 2 J_2 + ..., from an order where nothing is left."""
    top = m.at_least(n, x)
    start = m.rint((top + m.sqrt(top * 40.0 + 40.0) + 14.0) * 0.5) * 2.0
    inverse = 2.0 / x

    def step(here, before, found, total, k):
        # here = J_k, before = J_(k+1)
        found = m.select(k == n, here, found)
        even = m.floor(k * 0.5) * 2.0 == k
        total = m.select(even, m.fma(here, 2.0, total), total)
        down = m.fms(k * inverse, here, before)
        big = m.abs(down) > 1e200
        scale = m.select(big, 1e-200, m.c(1.0))
        k = k - 1.0
        return [down * scale, here * scale, found * scale, total * scale, k], k > 0.0

    zero = m.c(0.0)
    j0, j1, found, total, _ = m.iterate(active, [m.c(1e-250), zero, zero, zero, start], step)
    return m.select(n == 0.0, j0, found), j0, j1, total + j0


def forward(m: Math, n: E, x: E, zero: E, one: E, active: E) -> E:
    inverse = 2.0 / x

    def step(here, before, k):
        up = m.fms(k * inverse, here, before)
        k = k + 1.0
        return [up, here, k], k < n

    return m.iterate(active, [one, zero, m.c(1.0)], step)[0]


@define("bessel_jn", 2, inline=False, single=False)
def bessel_jn(m: Math, order: E, z: E) -> E:
    """Of integer order, also below 0."""
    n, x = m.abs(order), m.abs(z)
    good = (m.floor(n) == n) & (n < 2.0**31) & (x > 0.0) & (x < INF)
    n, x = m.select(good, n, 0.0), m.select(good, x, 1.0)
    # So small is J_n where the recurrence would need e^-700 of its start: (e x / 2n)^n / sqrt(2 pi n).
    vanishes = n * m.call("log", m.at_least(n, 1.0) * (2 / math.e) / x) > 780.0
    wide = x > _FAR
    up = wide & (n <= x)
    down = ~up & ~vanishes

    def far() -> E:
        zero, one = first_two(m, m.at_least(x, _FAR))
        several = up & (n > 1.0)
        value = m.where(
            several,
            lambda: forward(m, n, x, zero, one, several),
            m.select(n == 0.0, zero, m.select(up, one, 0.0)),
        )
        return m.where(down, lambda: from_above(zero, one), value)

    def from_above(zero: E, one: E) -> E:
        found, j0, j1, total = backward(m, n, x, down)
        first = m.abs(zero) > m.abs(one)
        known = m.select(wide, m.select(first, zero, one), 1.0)
        return found / m.select(wide, m.select(first, j0, j1), total) * known

    value = m.where(wide, far, m.c(0.0))
    narrow = down & ~wide
    value = m.where(narrow, lambda: from_above(m.c(1.0), m.c(0.0)), value)
    odd = m.floor(n * 0.5) * 2.0 != n
    value = m.select(odd & ((order < 0.0) ^ (z < 0.0)), -value, value)
    at_zero = m.select(order == 0.0, 1.0, m.c(0.0))
    whole = m.floor(order) == order
    edge = m.select(whole & (z == 0.0), at_zero, m.select(whole & (m.abs(z) == INF), 0.0, m.c(NAN)))
    return m.select(good, value, edge)
