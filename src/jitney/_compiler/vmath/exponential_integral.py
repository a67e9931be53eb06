"""exp1, expi and expn: integrals of e^-t / t^n from x to infinity.

A logarithm and a polynomial near 0 (for expi divided by its zero, as W. Cody and H. Thacher do, Math. Comp. 23, 1969),
polynomials in 1/x beyond; expn by its recurrence or its continued fraction (DLMF 8.19.12 and 8.19.17).
"""

from __future__ import annotations

from .lang import E, Math
from .pieces import falling, piece
from .registry import define

INF, NAN = float("inf"), float("nan")
EULER, EULER_LO = 0.5772156649015329, -4.942915152430645e-18


@define("exp1", inline=False, single=False)
def exp1(m: Math, x: E) -> E:
    """No number for x < 0."""
    value = exp1_positive(m, m.at_least(x, 0.0))
    return m.select(x < 0.0, NAN, value)


def exp1_positive(m: Math, x: E) -> E:
    log, log_lo = m.two_sum(m.call("log", x), EULER)
    rest = m.fms(x, piece(m, x, "exp1_0", 0.0, 1.0), log_lo)
    large = m.at_least(x, 1.0)
    far = m.call("exp", -x) * falling(m, large, "exp1", (1.0, 3.0, 10.0), 1) / large
    far = m.select(x == INF, 0.0, far)
    return m.select(x == 0.0, INF, m.select(x > 1.0, far, rest - log))


@define("expi", inline=False, single=False)
def expi(m: Math, x: E) -> E:
    """The principal value; -exp1(-x) for x < 0."""
    negative = x < 0.0
    root, root_lo = m.table("expi_root")
    gap = (x - root) - root_lo
    near = m.fma(gap, piece(m, x, "expi_0", 0.0, 6.0), log_quotient(m, x, gap, root))
    large = m.at_least(x, 6.0)
    half = m.call("exp", large * 0.5)
    grown = falling(m, large, "expi", (6.0, 12.0, 24.0, 50.0), 1) / large
    far = m.select(x > 700.0, half * (half * grown), m.call("exp", large) * grown)
    far = m.select(x == INF, INF, far)
    value = m.select(x > 6.0, far, near)
    return m.where(negative, lambda: -exp1_positive(m, m.at_least(-x, 0.0)), m.select(x == 0.0, -INF, value))


def log_quotient(m: Math, x: E, gap: E, root: float) -> E:
    """log(x / root), where gap = x - root, without loss where that is small."""
    close = m.abs(gap) < 0.5 * root
    return m.select(close, m.call("log1p", gap / root), m.call("log", x / root))


@define("expn", 2, inline=False, single=False)
def expn(m: Math, n: E, x: E) -> E:
    """For whole n; also n < 0, of which derivatives make use."""
    good = (m.floor(n) == n) & (m.abs(n) < INF) & (x > 0.0) & (x < INF)
    order, place = m.select(good, n, 1.0), m.select(good, x, 1.0)
    decay = m.call("exp", -place)
    low = order <= 0.0
    small = (order > 1.0) & (place <= 1.0) & (order <= 30.0)
    value = m.where(low, lambda: below(m, order, place, decay, low), m.c(0.0))
    value = m.where(small, lambda: above(m, order, place, decay, small), value)
    first = order == 1.0
    value = m.where(first, lambda: exp1_positive(m, place), value)
    rest = ~low & ~small & ~first
    value = m.where(rest, lambda: decay * fraction(m, order, place, rest), value)
    return m.rarely(~good, value, lambda: m.select(good, value, at_edges(m, n, x)))


def below(m: Math, n: E, x: E, decay: E, active: E) -> E:
    """E_0 = e^-x / x, and E_(k-1) = (e^-x + (1 - k) E_k) / x, in which all terms are positive."""
    inverse = 1.0 / x
    start = decay * inverse

    def step(value, k):
        k = k + 1.0
        return [m.fma(k, value, decay) * inverse, k], (k + 1.0 <= -n) & (value < INF)

    value, _ = m.iterate(active & (n < 0.0), [start, m.c(0.0)], step)
    return m.select(n < 0.0, value, start)


def above(m: Math, n: E, x: E, decay: E, active: E) -> E:
    """E_(k+1) = (e^-x - x E_k) / k from E_1 on, for x <= 1."""
    start = exp1_positive(m, x)

    def step(value, k):
        value = m.fnma(x, value, decay) / k
        k = k + 1.0
        return [value, k], k < n

    return m.iterate(active, [start, m.c(1.0)], step)[0]


def fraction(m: Math, n: E, x: E, active: E) -> E:
    """1/(x + n/(1 + 1/(x + (n+1)/(1 + 2/(x + ...))))) from its end, as all is positive and roundings shrink."""
    last = m.floor(100.0 / (x + n * 0.125)) + 12.0

    def step(value, k):
        value = m.fma((n + k) * value, 1.0 / (value + (k + 1.0)), x)
        k = k - 1.0
        return [value, k], k >= 0.0

    # What a step leaves as it is.
    centre = (n - 1.0) + x
    start = 0.5 * (centre + m.sqrt(m.fma(centre, centre, x * (last + 1.0) * 4.0)))
    return 1.0 / m.iterate(active, [start, last], step)[0]


def at_edges(m: Math, n: E, x: E) -> E:
    """1/(n-1) at x = 0, 0 at infinity."""
    at_zero = m.select(n > 1.0, 1.0 / (n - 1.0), m.c(INF))
    value = m.select(x == 0.0, at_zero, m.select(x == INF, 0.0, m.c(NAN)))
    value = m.select((n == INF) & (x >= 0.0), 0.0, value)
    whole = (m.floor(n) == n) & ~m.is_nan(x)
    return m.select(whole & (n > -INF), value, NAN)
