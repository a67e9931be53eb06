"""random_gamma_grad and igamma_grad_a: how the incomplete gamma function changes with its parameter.

-(dP/da)/(dP/dx) is how a gamma variable moves with a at a fixed value of its distribution function (Figurnov,
Mohamed and Mnih, "Implicit reparameterization gradients", 2018). In every region of `incomplete_gamma` the factor
e^-x x^a cancels in it, and the sums are differentiated term by term.
"""

from __future__ import annotations

import math

from .incomplete_gamma import EPS, Point, temme_rows
from .lang import E, Math
from .registry import define

INF, NAN = float("inf"), float("nan")


def series_slope(p: Point, active: E, drift: E) -> E:
    """-(x/a) (S drift + dS/da), S = 1 + x/(a+1) + ..., drift = log x - digamma(a + 1)."""
    m, a, x = p.m, p.a, p.x

    def step(term, total, harmonic, slope, d):
        d = d + 1.0
        inverse = 1.0 / d
        term, harmonic = term * x * inverse, harmonic + inverse
        part = term * harmonic
        still = part > slope * EPS
        return [term, total + term, harmonic, slope + part, d], still | (term > total * EPS)

    one, zero = m.c(1.0), m.c(0.0)
    _, total, _, slope, _ = m.iterate(active, [one, one, zero, zero, a], step)
    return (x / a) * m.fms(total, -drift, -slope)


def fraction_slope(p: Point, active: E, drift: E) -> E:
    """x (F drift + dF/da) with the continued fraction F; drift = log x - digamma(a)."""
    m, a = p.m, p.a

    def step(p1, q1, p2, q2, dp1, dq1, dp2, dq2, b, k):
        k, b = k + 1.0, b + 2.0
        c = k * (a - k)
        up, uq = m.fma(b, p1, c * p2), m.fma(b, q1, c * q2)
        # b' = -1, c' = k
        dup = m.fma(b, dp1, m.fma(c, dp2, m.fms(k, p2, p1)))
        duq = m.fma(b, dq1, m.fma(c, dq2, m.fms(k, q2, q1)))
        big = m.abs(uq) > 1e100
        down = m.select(big, 1e-100, m.c(1.0))
        value, before = up * q1, p1 * uq
        slope, old = m.fms(dup, uq, up * duq) * (q1 * q1), m.fms(dp1, q1, p1 * dq1) * (uq * uq)
        still = (m.abs(value - before) > m.abs(value) * EPS) | (m.abs(slope - old) > m.abs(slope) * 2.0**-50)
        return [v * down for v in (up, uq, p1, q1, dup, duq, dp1, dq1)] + [b, k], still & (k < 5000.0)

    zero, one = m.c(0.0), m.c(1.0)
    first = p.x + 1.0 - a
    start = [one, first, zero, one, zero, m.c(-1.0), zero, zero, first, zero]
    p1, q1, _, _, dp1, dq1, *_ = m.iterate(active, start, step)
    value = p1 / q1
    return p.x * m.fma(value, drift, (dp1 - value * dq1) / q1)


def uniform_slope(p: Point) -> E:
    """The same of Temme's expansion; d eta/da = -(mu/eta)/a and log(x/a) = mu - eta^2/2."""
    m = p.m
    inverse = 1.0 / p.a
    eta = p.eta()
    ratio = m.select(eta == 0.0, 1.0, p.mu / eta)
    log = m.fnma(eta * 0.5, eta, p.mu)
    rows = list(temme_rows(m))
    total = m.horner(inverse, [m.poly(eta, row) for row in rows])
    slopes = [m.poly(eta, [i * c for i, c in enumerate(row)][1:]) for row in rows]
    # d/da of C_k(eta) a^-k
    along = m.horner(inverse, slopes) * ratio
    across = m.horner(inverse, [m.poly(eta, row) * float(k) for k, row in enumerate(rows) if k])
    change = -(inverse * m.fma(across, inverse, along))
    inner = m.fma(m.fnma(inverse, 0.5, log), total, m.fnma(eta, 0.5, ratio)) + change
    t = inverse * m.poly(inverse * inverse, m.table("stirling"))
    growth = m.fma(t, m.fma(t, m.fma(t, m.fma(t, 1 / 24, 1 / 6), 0.5), 1.0), 1.0)
    return (p.mu + 1.0) * growth * inner


def slope_at(p: Point) -> E:
    m = p.m
    # digamma(a + 1): that of a small a is all 1/a.
    drift = m.call("log", p.x) - m.call("digamma", p.a + 1.0)
    below = p.steps_down()
    above = ~p.uniform & ~below & (p.power > 0.0)
    value = m.where(below, lambda: series_slope(p, below, drift), m.c(NAN))
    value = m.where(above, lambda: fraction_slope(p, above, drift + 1.0 / p.a), value)
    return m.where(p.uniform, lambda: uniform_slope(p), value)


def at_edges(m: Math, p: Point, a: E, x: E, value: E) -> E:
    """0 where x is at an end of its range, nan outside."""
    ends = (a > 0.0) & ((x == 0.0) | ((x == INF) & (a < INF)))
    return m.select(p.inside, value, m.select(ends, 0.0, m.c(NAN)))


@define("random_gamma_grad", 2, inline=False, single=False)
def random_gamma_grad(m: Math, a: E, x: E) -> E:
    p = Point(m, a, x)
    return at_edges(m, p, a, x, slope_at(p))


@define("igamma_grad_a", 2, inline=False, single=False)
def igamma_grad_a(m: Math, a: E, x: E) -> E:
    """The same times -dP/dx = -x^(a-1) e^-x / gamma(a)."""
    p = Point(m, a, x)
    t = 1.0 / p.a
    t = t * m.poly(t * t, m.table("stirling"))
    shrink = m.fma(t, m.fma(t, m.fma(t, m.fma(t, 1 / 24, -1 / 6), 0.5), -1.0), 1.0)
    about = m.sqrt(p.a * (0.5 / math.pi)) * p.power * shrink / p.x
    density = m.select(p.uniform, about, p.factor() * (p.a / p.x))
    value = -(slope_at(p) * density)
    return at_edges(m, p, a, x, m.select(density > 0.0, value, 0.0))
