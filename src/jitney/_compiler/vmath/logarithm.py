"""log, log1p, log2, log10, asinh, acosh, atanh.

x = 2^k m with 0.75 <= m < 1.5, f = m - 1, s = f / (2 + f), log m = 2 atanh s by a polynomial in s^2.
2 s is written f - s f, which is nearly exact because s f is small.
"""

from __future__ import annotations

from .lang import E, Math
from .registry import define

INF, NAN = float("inf"), float("nan")


def log_rest(m: Math, f: E) -> E:
    """f - log(1 + f) for -0.25 <= f < 0.5."""
    s = f / (f + 2.0)
    z = s * s
    return s * (f - z * m.poly(z, m.table("log")))


def log_of_parts(m: Math, k: E, f: E) -> E:
    """k ln 2 + log(1 + f)."""
    _, hi, lo = m.table("ln2")
    return m.fma(k, hi, f - m.fnma(k, lo, log_rest(m, f)))


def finish_log(m: Math, x: E, result: E) -> E:
    """Set log's values at 0, inf, nan and below 0, where `split` has not done it."""
    if m.split_is_total:
        return result
    bad = m.select(x == 0.0, -INF, m.c(NAN))
    return m.select(x > 0.0, m.select(x == INF, INF, result), bad)


@define("log", libm="log")
def log(m: Math, x: E) -> E:
    k, mant = m.split(x)
    return finish_log(m, x, log_of_parts(m, k, mant - 1.0))


def log_scaled(m: Math, x: E, factor: str):
    """(k, log(1 + f) * factor), the second from hi + lo, so that its error is little above 0.5 ulp."""
    # -0 would split into -1 and spoil lo; adding 0 makes it 0.
    k, mant = m.split(x + 0.0)
    f = mant - 1.0
    rest = log_rest(m, f)
    hi = f - rest
    lo = (f - hi) - rest
    scale, scale_lo = m.table(factor)
    return k, m.fma(hi, scale, m.fma(hi, scale_lo, lo * scale))


@define("log2", libm="log2")
def log2(m: Math, x: E) -> E:
    k, y = log_scaled(m, x, "log2_e")
    return finish_log(m, x, k + y)


@define("log10", libm="log10")
def log10(m: Math, x: E) -> E:
    k, y = log_scaled(m, x, "log10_e")
    hi, lo = m.table("log10_2")
    return finish_log(m, x, m.fma(k, hi, m.fma(k, lo, y)))


def log_of_sum(m: Math, u: E, c: E, extra=0.0) -> E:
    """log(u + c) + extra * ln 2, with c at most an ulp or two of u."""
    k, mant = m.split(u)
    # c matters only where 2^-k is a normal number.
    f = m.fma(c, m.pow2(m.bits(m.magic - m.at_most(k, m.bias - 1.0))), mant - 1.0)
    return finish_log(m, u, log_of_parts(m, k + extra, f))


def one_plus(m: Math, x: E):
    """(u, c) with u + c = 1 + x."""
    return m.two_sum(x, 1.0)


@define("log1p", libm="log1p")
def log1p(m: Math, x: E) -> E:
    u, c = one_plus(m, x)
    value = log_of_sum(m, u, m.select(u < INF, c, 0.0))
    return m.select(m.abs(x) < m.pick(2.0**-54, 2.0**-25), x, value)


@define("asinh", libm="asinh")
def asinh(m: Math, x: E) -> E:
    a = m.abs(x)
    big = a > m.pick(2.0**28, 2.0**13)
    # a + a^2 / (1 + sqrt(1 + a^2)) is sinh^-1's exponential less one.
    square = m.select(big, 0.0, a * a)
    hi, lo = m.fast_two_sum(a, square / (m.sqrt(square + 1.0) + 1.0))
    u, c = one_plus(m, hi)
    value = log_of_sum(m, m.select(big, a, u), m.select(big, 0.0, c + lo), m.select(big, 1.0, m.c(0.0)))
    return m.copysign(m.select(a < m.pick(2.0**-28, 2.0**-13), a, value), x)


@define("acosh", libm="acosh")
def acosh(m: Math, x: E) -> E:
    big = x > m.pick(2.0**28, 2.0**13)
    t = m.select(big, 0.0, x - 1.0)
    hi, lo = m.two_sum(t, m.sqrt(m.fma(t, t, t + t)))
    u, c = one_plus(m, hi)
    value = log_of_sum(m, m.select(big, x, u), m.select(big, 0.0, c + lo), m.select(big, 1.0, m.c(0.0)))
    return m.select(x < 1.0, NAN, value)


@define("atanh", libm="atanh")
def atanh(m: Math, x: E) -> E:
    a = m.abs(x)
    d = 1.0 - a
    q = (a + a) / d
    u, c = one_plus(m, q)
    value = log_of_sum(m, u, m.select(q < INF, c, 0.0)) * 0.5
    return m.copysign(m.select(a < m.pick(2.0**-28, 2.0**-13), a, value), x)
