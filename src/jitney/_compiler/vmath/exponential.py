"""exp and log and their family.

exp: x = k ln 2 + r with |r| <= ln 2 / 2, a polynomial for e^r, and 2^k by the exponent field.
log: x = 2^k m with 0.75 <= m < 1.5, f = m - 1, s = f/(2 + f), log m = 2 atanh s by a polynomial in s^2.
"""

from __future__ import annotations

from .lang import E, Math
from .registry import define

INF, NAN = float("inf"), float("nan")


def reduce_ln2(m: Math, x: E):
    """(k, k_bits, r) with x = k ln 2 + r."""
    inverse, hi, lo = m.table("ln2")
    k, k_bits = m.round_bits(x * inverse)
    return k, k_bits, m.fnma(k, lo, m.fnma(k, hi, x))


def exp_near_zero(m: Math, r: E) -> E:
    """e^r - 1 for |r| <= ln 2 / 2."""
    return m.fma(r * r, m.poly(r, m.table("exp")), r)


@define("exp", libm="exp")
def exp(m: Math, x: E) -> E:
    x = m.at_least(m.at_most(x, m.pick(710.0, 89.0)), m.pick(-746.0, -104.0))
    k, k_bits, r = reduce_ln2(m, x)
    return m.scale(exp_near_zero(m, r) + 1.0, k, k_bits)


def log_of_parts(m: Math, k: E, f: E) -> E:
    """k ln 2 + log(1 + f) for -0.25 <= f < 0.5."""
    _, hi, lo = m.table("ln2")
    s = f / (f + 2.0)
    z = s * s
    rest = s * (f - z * m.poly(z, m.table("log")))
    return m.fma(k, hi, f - m.fnma(k, lo, rest))


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
