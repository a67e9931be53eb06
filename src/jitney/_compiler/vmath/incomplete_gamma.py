"""igamma, igammac: the regularized incomplete gamma functions P(a, x), Q(a, x); and how P changes with a.

Each lane belongs to a region, and a region without lanes is skipped:
    x about a, a >= 20     Temme's uniform expansion: erfc and a double series (Temme, SIAM J. Math. Anal. 10, 1979)
    x below a, or small    the power series of P (DLMF 8.11.4)
    x, a small, for Q      the power series of 1 - x^a / gamma(a + 1) less that (DLMF 8.7.1)
    else                   the continued fraction of Q (DLMF 8.9.2)
The choice of regions follows DiDonato and Morris (ACM TOMS 12, 1986). The factor x^a e^-x / gamma(a + 1) is computed
with its exponent as a pair of floats, so that large exponents cost no digits.
"""

from __future__ import annotations

import math

from .error import erfcx_parts
from .lang import E, Math
from .logarithm import log_rest
from .power import exp_pair, log_pair
from .registry import define

INF, NAN = float("inf"), float("nan")
# scaled_gamma's shift.
SHIFT = 5.0
EPS = 2.0**-57


# ---- the factor -----------------------------------------------------------------------------------


def scaled_gamma(m: Math, z: E, fac: E) -> E:
    """fac^(z + 1/2) e^-fac / gamma(z + 1) where fac = z + SHIFT, for z >= 0."""
    return m.poly(z / fac, m.table("gamma_scaled"))


def log_of_quotient(m: Math, p: E, p_lo: E, d: E, d_lo: E):
    """log((p + p_lo) / (d + d_lo)) as a pair."""
    q = p / d
    rest = m.fnma(q, d, p) + m.fnma(q, d_lo, p_lo)
    hi, lo = log_pair(m, q)
    return hi, m.select(m.abs(rest) < m.abs(p), lo + rest / p, lo)


class Point:
    """a, x and what all regions share: `power` = e^exponent and where the uniform expansion is used.

    There `power` = e^-u, u = x - a - a log(x/a); elsewhere (x / fac)^a e^(fac - x), fac = a + SHIFT.
    """

    def __init__(self, m: Math, a: E, x: E):
        self.m = m
        self.inside = (a > 0.0) & (x > 0.0) & (a < INF) & (x < INF)
        self.a = a = m.select(self.inside, a, 1.0)
        self.x = x = m.select(self.inside, x, 1.0)
        self.mu = mu = (x - a) / a
        self.uniform = (a >= 20.0) & (mu >= -0.25) & (mu <= 0.4)
        fac, fac_lo = m.two_sum(a, SHIFT)
        self.fac = fac = m.select(self.uniform, a, fac)
        fac_lo = m.select(self.uniform, 0.0, fac_lo)
        log, log_lo = log_of_quotient(m, x, m.c(0.0), fac, fac_lo)
        top, top_lo = m.two_prod(a, log)
        rest, rest_lo = m.two_sum(fac, -x)
        e, e_lo = m.two_sum(top, rest)
        e, e_lo = m.two_sum(e, e_lo + (m.fma(a, log_lo, top_lo) + (rest_lo + fac_lo)))
        # For very large a the pair itself would lose digits; mu is small then.
        huge = self.uniform & (a > 1e6)
        self.exponent = e = m.select(huge, -(a * log_rest(m, m.select(huge, mu, 0.0))), e)
        self.power = exp_pair(m, e, m.select(huge, 0.0, e_lo))
        self.log_x = None

    def factor(self) -> E:
        """x^a e^-x / gamma(a + 1), not where `uniform`."""
        return self.power * scaled_gamma(self.m, self.a, self.fac) / self.m.sqrt(self.fac)

    def eta(self) -> E:
        """eta^2 / 2 = u / a, with the sign of x - a."""
        u = self.m.at_least(-self.exponent, 0.0)
        return self.m.copysign(self.m.sqrt((u + u) / self.a), self.mu)

    def steps_down(self) -> E:
        """Where the power series serves: P is not near 1 there."""
        return ~self.uniform & ((self.x < self.a) | (self.x <= 1.1))


# ---- the regions ----------------------------------------------------------------------------------


def series(p: Point, active: E) -> E:
    """1 + x/(a+1) + x^2/((a+1)(a+2)) + ..., four terms with one division."""
    m, x = p.m, p.x
    square = x * x
    fourth = square * square

    def step(term, total, d):
        d1, d2, d3, d4 = (d + float(k) for k in range(1, 5))
        first, last = d1 * d2, d3 * d4
        term = term / (first * last)
        total = m.fma(term * x, m.fma(d2, last, x * m.fma(x, d4 + x, last)), total)
        term = term * fourth
        return [term, total, d4], term > total * EPS

    one = m.c(1.0)
    return m.iterate(active, [one, one, p.a], step)[1]


def fraction(p: Point, active: E) -> E:
    """1/(x+1-a + 1(a-1)/(x+3-a + 2(a-2)/(x+5-a + ...))), from the front, two steps at a time."""
    m, a = p.m, p.a

    def step(p1, q1, p2, q2, b, k):
        for _ in range(2):
            k, b = k + 1.0, b + 2.0
            c = k * (a - k)
            p1, p2 = m.fma(b, p1, c * p2), p1
            q1, q2 = m.fma(b, q1, c * q2), q1
        big = m.abs(q1) > 1e100
        down = m.select(big, 1e-100, m.c(1.0))
        p1, q1, p2, q2 = p1 * down, q1 * down, p2 * down, q2 * down
        cross = p1 * q2
        return [p1, q1, p2, q2, b, k], (m.abs(cross - p2 * q1) > m.abs(cross) * EPS) & (k < 5000.0)

    zero, one = m.c(0.0), m.c(1.0)
    first = p.x + 1.0 - a
    found = m.iterate(active, [one, first, zero, one, first, zero], step)
    return found[0] / found[1]


def log_gamma_1p(m: Math, a: E) -> E:
    """log gamma(1 + a) for 0 <= a <= 1.5, good relative to its own size."""
    return (a - 1.0) * a * m.poly(a - 0.75, m.table("lgamma"))


def expm1_here(m: Math, x: E) -> E:
    return m.call("expm1", x)


def small_complement(p: Point, active: E) -> E:
    """Q = 1 - x^a/gamma(a+1) (1 + sum of a (-x)^n / ((a+n) n!)) without cancellation."""
    m, a, x = p.m, p.a, p.x
    less_one = expm1_here(m, m.fma(a, m.call("log", x), -log_gamma_1p(m, a)))

    def step(term, total, n):
        n = n + 1.0
        term = -term * x / n
        part = term / (a + n)
        return [term, total + part, n], m.abs(part) > m.abs(total) * EPS

    zero = m.c(0.0)
    total = m.iterate(active, [m.c(1.0), zero, zero], step)[1]
    return -m.fma(less_one + 1.0, a * total, less_one)


def temme_rows(m: Math):
    """The lengths of the rows stand first."""
    table = m.table("temme")
    count = 12
    start = count
    for k in range(count):
        length = int(table[k])
        yield table[start : start + length]
        start += length


def uniform_tail(p: Point) -> E:
    """Q for x >= a, P for x < a: erfc(sqrt u)/2 +- e^-u/sqrt(2 pi a) sum C_k(eta)/a^k."""
    m = p.m
    inverse = 1.0 / p.a
    eta = p.eta()
    y = m.sqrt(m.at_least(-p.exponent, 0.0))
    total = m.horner(inverse, [m.poly(eta, row) if len(row) > 1 else row[0] for row in temme_rows(m)])
    total = m.select(p.mu < 0.0, -total, total)
    y = m.at_most(y, 28.0)
    g, g_lo, excess = erfcx_parts(m, y)
    far = p.power * (m.fma(g, excess, g_lo) + g) * 0.5
    z = y * y
    near = 0.5 - m.fma(y, m.poly(z, m.table("erf")), y) * 0.5
    return m.fma(p.power * m.sqrt(inverse * (0.5 / math.pi)), total, m.select(y < 0.5, near, far))


# ---- the functions --------------------------------------------------------------------------------


def incomplete_gamma(m: Math, a: E, x: E, lower: bool) -> E:
    p = Point(m, a, x)
    one = m.c(1.0)

    def up(q):
        return one - q if lower else q

    def down(q):
        return q if lower else one - q

    def uniform():
        tail = uniform_tail(p)
        return m.select(p.mu < 0.0, down(tail), up(tail))

    seen = p.power > 0.0
    below = p.steps_down()
    above = ~p.uniform & ~below
    value = m.select(below, down(m.c(0.0)), up(m.c(0.0)))
    small = None
    if not lower:
        few = m.select(p.x <= 0.5, p.a * m.call("log", p.x) > -0.4, p.a <= p.x * 1.1)
        small = below & few & (p.x <= 1.1)
        below = below & ~small
    below, above = below & seen, above & seen
    value = m.where(below, lambda: down(p.factor() * series(p, below)), value)
    value = m.where(above, lambda: up(p.factor() * p.a * fraction(p, above)), value)
    value = m.where(p.uniform, uniform, value)
    if small is not None:
        value = m.where(small, lambda: small_complement(p, small), value)
    return m.rarely(~p.inside, value, lambda: m.select(p.inside, value, at_edges(m, a, x, lower)))


def at_edges(m: Math, a: E, x: E, lower: bool) -> E:
    """Where a or x is 0, infinite or not in the domain."""
    least, most = (0.0, 1.0) if lower else (1.0, 0.0)
    value = m.select((x == 0.0) | (a == INF), least, m.c(most))
    wrong = ~((a >= 0.0) & (x >= 0.0)) | ((a == 0.0) & (x == 0.0)) | ((a == INF) & (x == INF))
    return m.select(wrong, NAN, value)


@define("igamma", 2, inline=False, single=False)
def igamma(m: Math, a: E, x: E) -> E:
    return incomplete_gamma(m, a, x, True)


@define("igammac", 2, inline=False, single=False)
def igammac(m: Math, a: E, x: E) -> E:
    return incomplete_gamma(m, a, x, False)
