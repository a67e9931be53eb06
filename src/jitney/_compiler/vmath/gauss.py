"""hyp2f1: Gauss' hypergeometric function F(a, b; c; x) for x <= 1, polynomials for all x.

x < 0 goes to (0, 1) by F = (1-x)^-a F(a, c-b; c; x/(x-1)), and terms of changing sign to positive ones by
F = (1-x)^(c-a-b) F(c-a, c-b; c; x), where they are (DLMF 15.8.1). Then the power series in pairs of floats, and from
where it gets long or its terms outgrow pairs the differential equation by Taylor steps, each of at most half the distance
to 1. So no case is apart where c-a-b is a whole number.
"""

from __future__ import annotations

from .confluent import two_where
from .lang import E, Math
from .pairs import pair_product, pair_quotient, pair_sum, pair_times
from .registry import define

INF, NAN = float("inf"), float("nan")


def series(m: Math, a, b, c: E, x, active: E, early: E):
    """(F, x F', whether pairs held it) for a, b, x as pairs; `early` is the least number of terms."""

    def step(t, t_lo, s, s_lo, d, d_lo, most, k):
        top = pair_product(m, shifted(m, a, k), shifted(m, b, k))
        bottom = pair_times(m, m.two_sum(c, k), k + 1.0)
        k = k + 1.0
        t, t_lo = pair_quotient(m, pair_product(m, pair_product(m, (t, t_lo), top), x), bottom)
        s, s_lo = pair_sum(m, (s, s_lo), (t, t_lo))
        d, d_lo = pair_sum(m, (d, d_lo), pair_times(m, (t, t_lo), k))
        size = m.abs(t)
        most = m.select(size > most, size, most)
        still = (t != 0.0) & (k < 20000.0) & (size < INF)
        return [t, t_lo, s, s_lo, d, d_lo, most, k], still & (
            (k < early) | (size > m.abs(s) * 2.0**-68) | (k * size > m.abs(d) * 2.0**-66)
        )

    one, zero = m.c(1.0), m.c(0.0)
    found = m.iterate(active, [one, zero, one, zero, zero, zero, one, zero], step)
    held = (found[6] * 2.0**-48 < m.abs(found[2])) | (found[6] * 2.0**-48 < m.abs(found[4]))
    return found[2], found[4], held & (found[7] < 20000.0)


def shifted(m: Math, a, k: E):
    s, e = m.two_sum(a[0], k)
    return m.fast_two_sum(s, e + a[1])


def polynomial(m: Math, a: E, b: E, c: E, x: E, active: E) -> E:
    """F(-n, b; c; x) by (c + k) F_(k+1) = (2k + c - (b + k) x) F_k + k (x - 1) F_(k-1) (DLMF 15.5.11)."""

    def step(here, before, k):
        up = m.fma(m.fnma(b + k, x, (k + k) + c), here, k * (x - 1.0) * before) / (c + k)
        k = k + 1.0
        return [up, here, k], k < -a

    value = m.iterate(active & (a < 0.0), [m.c(1.0), m.c(0.0), m.c(0.0)], step)[0]
    return m.select(a == 0.0, 1.0, value)


def along(m: Math, a, b, c: E, start: E, end: E, y: E, slope: E, active: E) -> E:
    """The solution of z (1-z) y'' + (c - (a+b+1) z) y' - a b y = 0 at z = 1 - end, from z = 1 - start."""
    total = (a[0] + b[0]) + 1.0
    s = (c - a[0] - b[0]) - (a[1] + b[1])

    def step(gap, y, y_lo, slope, steps):
        z = 1.0 - gap
        p0, p1 = z * gap, gap - z
        # c - (a+b+1) z = (s - 1) + (a+b+1) gap
        q0 = m.fma(total, gap, s - 1.0)
        rate = m.abs(q0) / p0 + m.sqrt(m.abs(a[0] * b[0]) / p0)
        h = m.at_most(m.at_most(m.at_most(gap * 0.5, z * 0.5), 2.0 / rate), gap - end)
        last = h >= gap - end
        there = m.select(last, end, gap - h)
        h = gap - there
        first = slope * h
        near, square = h / p0, h * h / p0

        def term(t0, t1, sum_, moved, k):
            up = (k + a[0] + a[1]) * (k + b[0] + b[1]) * square * t0
            t2 = m.fnma((k + 1.0) * m.fma(k, p1, q0) * near, t1, up) / ((k + 1.0) * (k + 2.0))
            k = k + 1.0
            sum_, moved = sum_ + t2, m.fma(k + 1.0, t2, moved)
            size = m.abs(t1) + m.abs(t2)
            still = (size > m.abs(sum_ + y) * 2.0**-60) | (size * (k + 1.0) > m.abs(moved) * 2.0**-56)
            return [t1, t2, sum_, moved, k], still & (k < 250.0)

        _, _, sum_, moved, _ = m.iterate(active, [y, first, first, first, m.c(0.0)], term)
        y, y_lo = m.two_sum(y, sum_ + y_lo)
        steps = steps + 1.0
        return [there, y, y_lo, moved / h, steps], (there > end) & (steps < 20000.0) & (m.abs(y) < INF)

    found = m.iterate(active, [start, y, m.c(0.0), slope, m.c(0.0)], step)
    return m.select((found[0] > end) & (m.abs(found[1]) < INF), NAN, found[1])


def inside(m: Math, a, b, c: E, z, gap: E, active: E) -> E:
    """F for 0 < z < 1, gap = 1 - z."""
    positive = (a[0] >= 0.0) & (b[0] >= 0.0) & (c > 0.0)
    size = m.abs(a[0] * b[0]) / m.at_least(m.abs(c), 1.0)
    short = m.select(c > 0.0, m.at_most(30.0 / (size + 1.0), 0.5), 0.85)
    reach = m.select(positive, 0.85, short)
    whole = z[0] <= reach
    near, near_lo = m.select(whole, z[0], reach), m.select(whole, z[1], 0.0)
    least = m.select(c > 0.0, 0.0, 2.0 - c)
    y, slope, held = series(m, a, b, c, (near, near_lo), active, least)
    lost = active & ~held

    def sooner():
        """From nearer to 0, where less cancels."""
        early = near * 0.2
        again = series(m, a, b, c, (early, m.c(0.0)), lost, least)
        y2 = m.select(again[2], again[0], NAN)
        return [m.select(lost, p, q) for p, q in ((y2, y), (again[1], slope), (early, near))]

    y, slope, near = two_where(m, lost, sooner, (y, slope, near))
    rest = active & (~whole | lost)

    def further() -> E:
        return along(m, a, b, c, 1.0 - near, gap, y, slope / near, rest)

    return m.where(rest, further, y)


def power_of_gap(m: Math, x: E, exponent: E, exponent_lo) -> E:
    """(1 - x)^exponent"""
    u, u_lo = m.two_sum(m.c(1.0), -x)
    value = m.call("pow", u, exponent)
    rest = m.fma(exponent, u_lo / u, exponent_lo * m.call("log", u))
    return m.select(m.abs(rest) < 1e-3, m.fma(value, rest, value), value)


def at_one(m: Math, a: E, b: E, c: E) -> E:
    """gamma(c) gamma(c-a-b)/(gamma(c-a) gamma(c-b)) (DLMF 15.4.20)."""
    s = (c - a) - b
    value = m.call("tgamma", c) * m.call("rgamma", c - a) * (m.call("tgamma", s) * m.call("rgamma", c - b))
    endless = m.copysign(m.c(INF), m.call("tgamma", c) * m.call("rgamma", a) * m.call("rgamma", b))
    return m.select(s > 0.0, value, endless)


def ends(m: Math, a: E) -> E:
    return (a <= 0.0) & (m.floor(a) == a)


def waves(m: Math, a: E, b: E) -> E:
    """How much terms of changing sign cancel: with one negative parameter."""
    return m.select((a < 0.0) ^ (b < 0.0), m.at_least(-a, 0.0) + m.at_least(-b, 0.0), 0.0)


def not_ending(m: Math, a: E, b: E, c: E, x: E, active: E) -> E:
    """F of series without end, a <= b, x < 1."""
    zero = m.c(0.0)
    below = x < 0.0
    ca, cb = m.two_sum(c, -a), m.two_sum(c, -b)
    s, s_lo = m.two_sum(ca[0], -b)
    s_lo = s_lo + ca[1]
    closed = (ends(m, ca[0]) & (ca[1] == 0.0)) | (ends(m, cb[0]) & (cb[1] == 0.0))
    below = below & ~closed
    # One parameter or both become c - a, c - b: for x < 0 one has to.
    log = m.call("log1p", -x)
    euler = (waves(m, ca[0], cb[0]) + 1.0 < waves(m, a, b)) & (s * log > -600.0)
    other = (waves(m, ca[0], b) + 5.0 < waves(m, a, cb[0])) & ((b - a) * log < 600.0)
    turned = closed | (~below & euler)
    change_a, change_b = turned | (below & other), turned | (below & ~other)
    first = [m.select(change_a, p, q) for p, q in zip(ca, (a, zero), strict=True)]
    second = [m.select(change_b, p, q) for p, q in zip(cb, (b, zero), strict=True)]
    u = m.two_sum(m.c(1.0), -x)
    quotient = pair_quotient(m, (-x, zero), u)
    z = [m.select(below, p, q) for p, q in zip(quotient, (x, zero), strict=True)]
    gap = m.select(below, 1.0 / u[0], u[0])
    exponent = m.select(below, m.select(other, -b, -a), m.select(turned, s, 0.0))
    exponent_lo = m.select(turned & ~below, s_lo, 0.0)
    front = power_of_gap(m, x, exponent, exponent_lo)
    some = active & closed
    value = m.where(some, lambda: ending(m, first, second, c, x, some), zero)
    rest = active & ~closed
    return front * m.where(rest, lambda: inside(m, first, second, c, z, gap, rest), value)


def ending(m: Math, a, b, c: E, x: E, active: E) -> E:
    """Polynomials: by their terms where pairs hold them."""
    swapped = ends(m, b[0]) & (b[1] == 0.0) & ~(ends(m, a[0]) & (a[1] == 0.0) & (a[0] >= b[0]))
    first = m.select(swapped, b[0], a[0])
    second = [m.select(swapped, p, q) for p, q in zip(a, b, strict=True)]
    short = active & (first >= -2000.0)
    zero = m.c(0.0)
    y, _, held = series(m, (first, zero), second, c, (x, zero), short, m.at_most(2.0 - first, 2000.0))
    y = m.select(first == 0.0, 1.0, y)
    lost = active & ~(short & (held | (first == 0.0))) & (first > -1e5)
    y = m.select(short & ~lost, y, NAN)
    return m.where(lost, lambda: polynomial(m, first, second[0], c, x, lost), y)


@define("hyp2f1", 4, inline=False, single=False)
def hyp2f1(m: Math, a: E, b: E, c: E, x: E) -> E:
    a, b = m.select(b < a, b, a), m.select(b < a, a, b)
    limit = 2.0**60
    finite = (m.abs(a) < limit) & (m.abs(b) < limit) & (m.abs(c) < limit) & (m.abs(x) < INF)
    closed = ends(m, a) | ends(m, b)
    pole = ends(m, c)
    early = (ends(m, a) & (a >= c)) | (ends(m, b) & (b >= c))
    good = finite & ~(pole & ~early) & (closed | (x <= 1.0))
    pa, pb, pc = (m.select(good, v, 1.0) for v in (a, b, c))
    place = m.select(good, x, 0.0)
    closed = closed & good
    one = good & ~closed & (place == 1.0)
    zero = m.c(0.0)
    value = m.where(closed, lambda: ending(m, (pa, zero), (pb, zero), pc, place, closed), m.c(1.0))
    rest = good & ~closed & ~one & (place != 0.0)
    value = m.where(rest, lambda: not_ending(m, pa, pb, pc, m.select(rest, place, 0.5), rest), value)
    value = m.where(one, lambda: at_one(m, pa, pb, pc), value)
    value = m.select((x == 0.0) & good, 1.0, value)
    vanishes = (x == -INF) & (a > 0.0) & (b > 0.0) & (m.abs(c) < limit) & ~pole
    return m.select(good, value, m.select(vanishes, 0.0, m.c(NAN)))
