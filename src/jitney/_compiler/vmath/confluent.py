"""hyp1f1: Kummer's confluent hypergeometric function M(a, b, x).

M(a, b, x) = e^x M(b - a, b, -x) leaves x > 0 (DLMF 13.2.39). Then one of
    a = 0, -1, ..., b > 0   the recurrence in a, as of Laguerre's polynomials (DLMF 13.3.1)
    large x                 the expansions at infinity (DLMF 13.7.1)
    else                    the power series in pairs of floats, as far as its terms do not outgrow pairs; from there the
                            differential equation by Taylor steps.
"""

from __future__ import annotations

import math

from .lang import E, Math
from .pairs import pair_product, pair_quotient, pair_sum, pair_times
from .power import exp_pair
from .registry import define

INF, NAN = float("inf"), float("nan")
_DOWN, _LOG = 2.0**-700, 700.0 * math.log(2.0)


def polynomial(m: Math, a: E, b: E, x: E, active: E) -> E:
    """M(-n, b, x) by (b + k) M_(k+1) = (2k + b - x) M_k - k M_(k-1)."""

    def step(here, before, k):
        up = m.fms((k + k) + (b - x), here, k * before) / (b + k)
        k = k + 1.0
        return [up, here, k], k < -a

    value = m.iterate(active & (a < 0.0), [m.c(1.0), m.c(0.0), m.c(0.0)], step)[0]
    return m.select(a == 0.0, 1.0, value)


def terminating(m: Math, a: E, b: E, x: E, active: E) -> E:
    """The same by its terms where pairs hold them, else by the recurrence."""
    y, _, scaled, held = series(m, a, m.c(0.0), b, x, active & (a > -2000.0))
    short = active & (a > -2000.0) & held & (scaled == 0.0)
    rest = active & ~short
    return m.where(rest, lambda: polynomial(m, a, b, x, rest), y)


def expansion(m: Math, a: E, b: E, x: E, active: E):
    """(sum of (a)_n (b)_n / (n! x^n), whether it came to its full accuracy)."""

    def step(term, total, k):
        following = term * ((a + k) * (b + k)) / ((k + 1.0) * x)
        k = k + 1.0
        shrinks = m.abs(following) < m.abs(term)
        still = shrinks & (m.abs(following) > m.abs(total) * 2.0**-56)
        return [following, total + following, k], still

    term, total, _ = m.iterate(active, [m.c(1.0), m.c(1.0), m.c(0.0)], step)
    return total, m.abs(term) <= m.abs(total) * 2.0**-55


def series(m: Math, a: E, a_lo: E, b: E, x: E, active: E):
    """(M, x M', count of scalings by _DOWN, whether pairs held it), for lanes in which terms reach `x`."""

    def step(t, t_lo, s, s_lo, d, d_lo, most, scaled, k):
        top = m.two_sum(a, k)
        top = m.fast_two_sum(top[0], top[1] + a_lo)
        t, t_lo = pair_times(m, pair_product(m, (t, t_lo), top), x)
        t, t_lo = pair_quotient(m, (t, t_lo), m.two_sum(b, k))
        k = k + 1.0
        t, t_lo = pair_quotient(m, (t, t_lo), (k, m.c(0.0)))
        s, s_lo = pair_sum(m, (s, s_lo), (t, t_lo))
        d, d_lo = pair_sum(m, (d, d_lo), pair_times(m, (t, t_lo), k))
        size = m.abs(t)
        most = m.select(size > most, size, most)
        down = m.select(m.abs(s) > 2.0**900, _DOWN, m.c(1.0))
        scaled = scaled + m.select(m.abs(s) > 2.0**900, 1.0, m.c(0.0))
        early = (k < -b + 2.0) | (k < m.at_most(-a, 300.0) + 2.0)
        still = (t != 0.0) & (k < 20000.0) & (early | (size > m.abs(s) * 2.0**-66))
        return [v * down for v in (t, t_lo, s, s_lo, d, d_lo, most)] + [scaled, k], still

    one, zero = m.c(1.0), m.c(0.0)
    found = m.iterate(active, [one, zero, one, zero, zero, zero, one, zero, zero], step)
    return found[2], found[4], found[7], found[6] * 2.0**-48 < m.abs(found[2])


def along(m: Math, a: E, a_lo: E, b: E, start: E, end: E, y: E, slope: E, active: E):
    """The solution of x y'' + (b - x) y' - a y = 0 at `end`, from its value and slope at `start`."""

    def step(x, y, y_lo, slope, scaled, steps):
        rate = m.abs(1.0 - b / x) + m.sqrt(m.abs(a) / x)
        h = m.at_most(m.at_most(x * 0.5, 3.0 / rate), end - x)
        last = h >= end - x
        there = m.select(last, end, x + h)
        h = there - x
        first = slope * h

        def term(t0, t1, total, moved, k):
            # t0 = c_k h^k, t1 = c_(k+1) h^(k+1)
            t2 = (
                m.fms((k + a) + a_lo, t0 * h, (k + 1.0) * ((k + b) - x) * t1)
                * h
                / ((k + 1.0) * (k + 2.0) * x)
            )
            k = k + 1.0
            total, moved = total + t2, m.fma(k + 1.0, t2, moved)
            size = m.abs(t1) + m.abs(t2)
            still = (size > m.abs(total + y) * 2.0**-60) | (size * (k + 1.0) > m.abs(moved) * 2.0**-56)
            return [t1, t2, total, moved, k], still & (k < 200.0)

        _, _, total, moved, _ = m.iterate(active, [y, first, first, first, m.c(0.0)], term)
        y, y_lo = m.two_sum(y, total + y_lo)
        big = m.abs(y) > 2.0**900
        down = m.select(big, _DOWN, m.c(1.0))
        scaled = scaled + m.select(big, 1.0, m.c(0.0))
        steps = steps + 1.0
        return [there, y * down, y_lo * down, moved / h * down, scaled, steps], (there < end) & (
            steps < 20000.0
        )

    zero = m.c(0.0)
    found = m.iterate(active, [start, y, zero, slope, zero, zero], step)
    return m.select(found[0] < end, NAN, found[1]), found[4]


def by_series(m: Math, a: E, a_lo: E, b: E, x: E, active: E):
    """(M, count of scalings)"""
    positive = (a >= 0.0) & (b > 0.0)
    # For b < 0 the equation has a solution x^(1-b), which would grow out of roundings: only if there is no other way,
    # and not far below 0.
    limited = m.at_most(x, m.at_least(150.0 / (m.abs(a) + 1.0), 1e-3))
    near = m.select(positive | (b < 0.0), x, limited)
    y, slope, scaled, held = series(m, a, a_lo, b, near, active)
    y = m.select(held, y, NAN)
    lost = active & ~held & (b > -2.5) & (near > limited)

    def sooner():
        again = series(m, a, a_lo, b, limited, lost)
        found = (m.select(again[3], again[0], NAN), again[1], again[2], limited)
        return [m.select(lost, p, q) for p, q in zip(found, (y, slope, scaled, near), strict=True)]

    y, slope, scaled, near = two_where(m, lost, sooner, (y, slope, scaled, near))
    rest = active & (near < x)

    def further():
        value, more = along(m, a, a_lo, b, near, x, y, slope / near, rest)
        return m.select(rest, value, y), m.select(rest, scaled + more, scaled)

    return two_where(m, rest, further, (y, scaled))


def two_where(m: Math, mask: E, body, otherwise):
    """`where` of two values."""
    f = m.f
    rare, done = f.block("rare"), f.block("done")
    before = f.current
    f.cbr(f.any(mask.v), rare, done)
    f.position(rare)
    values = body()
    after = f.current
    f.br(done)
    f.position(done)
    out = []
    for new, old in zip(values, otherwise, strict=True):
        phi = f.phi(old.v.type)
        phi.add(old.v, before)
        phi.add(new.v, after)
        out.append(E(m, phi))
    return out


def at_infinity(m: Math, a: E, a_lo: E, b: E, x: E, extra: E, active: E):
    """(M e^extra, whether it is accurate): gamma(b)/gamma(a) e^x x^(a-b) (1 + ...)."""
    total, good = expansion(m, 1.0 - a, b - a, x, active)
    power = m.call("pow", x, ((a - b) + a_lo) * 0.5)
    gammas = m.call("tgamma", b) * m.call("rgamma", a)
    sum_, sum_lo = m.two_sum(x, extra)
    half = exp_pair(m, sum_ * 0.5, sum_lo * 0.5) * power
    return half * (total * gammas) * half, good


@define("hyp1f1", 3, inline=False, single=False)
def hyp1f1(m: Math, a: E, b: E, x: E) -> E:
    finite = (m.abs(a) < 2.0**60) & (m.abs(b) < 2.0**60) & (m.abs(x) < INF)
    ends = (a <= 0.0) & (m.floor(a) == a)
    pole = (b <= 0.0) & (m.floor(b) == b)
    good = finite & ~(pole & ~(ends & (a >= b)))
    first, second, place = m.select(good, a, 1.0), m.select(good, b, 1.0), m.select(good, x, 0.0)
    ends = ends & good
    # The other form, whose terms are those of M(b - a, b, |x|).
    turned = (place < 0.0) & ~ends
    gap, gap_lo = m.two_sum(second, -first)
    c, c_lo = m.select(turned, gap, first), m.select(turned, gap_lo, 0.0)
    size = m.select(turned, -place, place)
    extra = m.select(turned, place, 0.0)
    chain = (ends | ((c <= 0.0) & (m.floor(c) == c) & (c_lo == 0.0))) & (second > 0.0) & (c > -1e5)
    value = m.where(chain, lambda: terminating(m, c, second, size, chain), m.c(1.0))
    value = m.select(turned, value * m.call("exp", extra), value)
    wide = ~chain & (size > 40.0) & (m.abs(c) < 100.0) & (m.abs(second) < 100.0)
    far, accurate = two_where(
        m, wide, lambda: at_infinity(m, c, c_lo, second, size, extra, wide), (m.c(0.0), m.c(0.0) > 1.0)
    )
    wide = wide & accurate
    value = m.select(wide, far, value)
    rest = ~chain & ~wide & (size != 0.0)

    def summed() -> E:
        y, scaled = by_series(m, c, c_lo, second, size, rest)
        top, top_lo = m.two_sum(extra, scaled * _LOG)
        return y * exp_pair(m, top * 0.5, top_lo * 0.5) * exp_pair(m, top * 0.5, top_lo * 0.5)

    value = m.where(rest, summed, value)
    return m.select(good, value, NAN)
