"""betainc: the regularized incomplete beta function I_x(a, b).

Two forms serve, each for (a, b, x) or, by I_x(a, b) = 1 - I_(1-x)(b, a), for (b, a, 1 - x):
    a <= 1 with x and b x small     the power series (DLMF 8.17.7), and 1 - I without cancellation from it
    else                            the even part of the continued fraction 8.17.22 of DLMF, for x below a/(a+b)
The choice follows DiDonato and Morris, Algorithm 708 (ACM TOMS 18, 1992). The factor x^a (1-x)^b / B(a, b) is
computed with its exponent as a pair of floats, so that large exponents cost no digits.
"""

from __future__ import annotations

import math

from .incomplete_gamma import EPS, SHIFT, log_gamma_1p, log_of_quotient, scaled_gamma
from .lang import E, Math
from .power import exp_pair
from .registry import define

INF, NAN = float("inf"), float("nan")


class Side:
    """a, b, x and y = 1 - x (both as pairs), in the order in which the result is computed; `swapped` by lanes."""

    def __init__(self, m: Math, a: E, b: E, x: E):
        self.m = m
        y, y_lo = m.two_sum(m.c(1.0), -x)
        total, total_lo = m.two_sum(a, b)
        # Above the mean: a - (a + b) x < 0.
        gap = gap_of(m, a, total, total_lo, x)
        first, second = series_serves(a, b, x), series_serves(b, a, y)
        self.few = first | second
        self.swapped = swap = (second & ~first) | (~self.few & (gap < 0.0))
        zero = m.c(0.0)
        self.a, self.b = m.select(swap, b, a), m.select(swap, a, b)
        self.x, self.x_lo = m.select(swap, y, x), m.select(swap, y_lo, zero)
        self.y, self.y_lo = m.select(swap, x, y), m.select(swap, zero, y_lo)
        self.gap = m.select(swap, -gap, gap)
        self.total, self.total_lo = total, total_lo


def gap_of(m: Math, a: E, total: E, total_lo: E, x: E) -> E:
    """a - (a + b) x"""
    p, p_lo = m.two_prod(total, x)
    d, d_lo = m.two_sum(a, -p)
    return d + (d_lo - m.fma(total_lo, x, p_lo))


def series_serves(a: E, b: E, x: E) -> E:
    return (a <= 1.0) & (x <= 0.7) & (b * x <= 0.7)


def factor(s: Side, y: E, y_lo: E) -> E:
    """x^a y^b / B(a, b)"""
    m, a, b = s.m, s.a, s.b
    fa, fa_lo = m.two_sum(a, SHIFT)
    fb, fb_lo = m.two_sum(b, SHIFT)
    fc, fc_lo = m.two_sum(s.total, SHIFT)
    fc_lo = fc_lo + s.total_lo
    hi, lo = part(m, a, s.x, s.x_lo, fc, fc_lo, fa, fa_lo)
    hi2, lo2 = part(m, b, y, y_lo, fc, fc_lo, fb, fb_lo)
    e, e_lo = m.two_sum(hi, hi2)
    e, e_lo = m.two_sum(e, e_lo + (lo + lo2))
    gammas = scaled_gamma(m, a, fa) * scaled_gamma(m, b, fb) / scaled_gamma(m, s.total, fc)
    size = m.sqrt(fc / fa / fb) * (a * (b / s.total)) * math.exp(SHIFT)
    return exp_pair(m, e, e_lo) * (gammas * size)


def part(m: Math, a: E, x: E, x_lo: E, fc: E, fc_lo: E, fa: E, fa_lo: E):
    """a log(x fc / fa) as a pair."""
    p, p_lo = m.two_prod(x, fc)
    p_lo = p_lo + m.fma(x, fc_lo, x_lo * fc)
    log, log_lo = log_of_quotient(m, p, p_lo, fa, fa_lo)
    hi, lo = m.two_prod(a, log)
    return hi, m.fma(a, log_lo, lo)


def log_small_factor(s: Side) -> E:
    """log(x^a / (a B(a, b))) for a <= 1, to within some ulps of a where a is small.

    With f = z + SHIFT, R = scaled_gamma: log(gamma(a+b+1)/gamma(b+1)) = (b + 1/2) log(1 + a/f_b) + a log f_c - a
    - log(R(a+b)/R(b)), every term of which is as small as a.
    """
    m, a, b = s.m, s.a, s.b
    fb, fc = b + SHIFT, s.total + SHIFT
    v, w = b / fb, s.total / fc
    low, slope = divided_difference(m, v, w, m.table("gamma_scaled"))
    change = slope * (a * SHIFT / (fb * fc)) / low
    log1p = lambda x: m.call("log1p", x)  # noqa: E731
    ratio = m.fma(b + 0.5, log1p(a / fb), a * (m.call("log", fc) - 1.0)) - log1p(change)
    return m.fma(a, m.call("log", s.x), (ratio - log1p(a / b)) - log_gamma_1p(m, a))


def divided_difference(m: Math, v: E, w: E, coefficients):
    """p(v) and (p(w) - p(v)) / (w - v)."""
    *rest, last = coefficients
    value, slope = m.c(last), m.c(0.0)
    for c in reversed(rest):
        slope = m.fma(slope, w, value)
        value = m.fma(value, v, c)
    return value, slope


def power_series(s: Side, active: E):
    """I, or 1 - I where swapped, for a <= 1: I = g (1 + a sum) with g = x^a/(a B), sum of
    (1-b)(2-b)...(n-b) x^n/(n! (a+n))."""
    m, a, b, x = s.m, s.a, s.b, s.x

    def step(term, total, n):
        n = n + 1.0
        term = term * x * (n - b) / n
        part = term / (a + n)
        return [term, total + part, n], m.abs(part) > m.abs(total) * EPS

    zero = m.c(0.0)
    rest = a * m.iterate(active, [m.c(1.0), zero, zero], step)[1]
    other = active & s.swapped
    value = (factor(s, m.c(1.0), zero) / a) * (rest + 1.0)
    return m.where(other, lambda: small_complement(s, rest), value)


def small_complement(s: Side, rest: E) -> E:
    """1 - g (1 + rest)"""
    less_one = s.m.call("expm1", log_small_factor(s))
    return -s.m.fma(less_one + 1.0, rest, less_one)


def fraction(s: Side, active: E) -> E:
    """I / factor, as 1/(b_0 + a_1/(b_1 + ...)), from the front."""
    m, a, b, x = s.m, s.a, s.b, s.x
    up = s.gap + 1.0
    step_up = (1.0 - x) + 1.0

    def step(p1, q1, p2, q2, n, before):
        # before = 1/(a + 2n - 1) for the n that begins here.
        n = n + 1.0
        inverse = 1.0 / (a + (n + n) + 1.0)
        here = n * (b - n) * x * before
        top = (a + (n - 1.0)) * ((a + b) + (n - 1.0)) * x * before * here
        middle = n + here + (a + n) * m.fma(n, step_up, up) * inverse
        p, q = m.fma(middle, p1, top * p2), m.fma(middle, q1, top * q2)
        down = m.select(m.abs(q) > 1e150, 1e-150, m.c(1.0))
        p, q, p1, q1 = p * down, q * down, p1 * down, q1 * down
        cross = p * q1
        still = (m.abs(cross - p1 * q) > m.abs(cross) * EPS) & (n < 50000.0)
        return [p, q, p1, q1, n, inverse], still

    zero, one = m.c(0.0), m.c(1.0)
    inverse = 1.0 / (a + 1.0)
    found = m.iterate(active, [one, a * up * inverse, zero, one, zero, inverse], step)
    return found[0] / found[1]


@define("betainc", 3, inline=False, single=False)
def betainc(m: Math, a: E, b: E, x: E) -> E:
    inside = (a > 0.0) & (b > 0.0) & (a < INF) & (b < INF) & (x > 0.0) & (x < 1.0)
    s = Side(m, m.select(inside, a, 1.0), m.select(inside, b, 1.0), m.select(inside, x, 0.5))

    def by_fraction() -> E:
        scale = factor(s, s.y, s.y_lo)
        active = ~s.few & (scale > 0.0)
        value = m.select(active, scale * fraction(s, active), 0.0)
        return m.select(s.swapped, 1.0 - value, value)

    value = m.where(s.few, lambda: power_series(s, s.few), m.c(0.0))
    value = m.where(~s.few, by_fraction, value)
    return m.rarely(~inside, value, lambda: m.select(inside, value, at_edges(m, a, b, x)))


def at_edges(m: Math, a: E, b: E, x: E) -> E:
    """0 and 1 at the ends of x; all of the weight at 1 where a/b is infinite, at 0 where it is 0."""
    to_zero = (a == 0.0) | (b == INF)
    value = m.select((x == 1.0) | ((x > 0.0) & to_zero), 1.0, m.c(0.0))
    undecided = ((a == 0.0) & (b == 0.0)) | ((a == INF) & (b == INF))
    valid = (a >= 0.0) & (b >= 0.0) & (x >= 0.0) & (x <= 1.0) & ~undecided
    return m.select(valid, value, NAN)
