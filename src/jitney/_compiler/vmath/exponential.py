"""exp, expm1, exp2, logistic, sinh, cosh, tanh.

x = k ln 2 + r with |r| <= ln 2 / 2, a polynomial for e^r (or sinh r and cosh r), and 2^k by exponent bits.
"""

from __future__ import annotations

from .lang import E, Math
from .registry import define


def reduce_ln2(m: Math, x: E):
    """(k, k_bits, r) with x = k ln 2 + r."""
    inverse, hi, lo = m.table("ln2")
    k, k_bits = m.round_bits(x * inverse)
    return k, k_bits, m.fnma(k, lo, m.fnma(k, hi, x))


def expm1_near_zero(m: Math, r: E) -> E:
    """e^r - 1 for |r| <= ln 2 / 2."""
    return m.fma(r * r, m.poly(r, m.table("exp")), r)


def exp_in_range(m: Math, x: E) -> E:
    """exp where 2^k is in reach of `scale`."""
    k, k_bits, r = reduce_ln2(m, x)
    return m.scale(expm1_near_zero(m, r) + 1.0, k, k_bits)


def lowest_exp(m: Math) -> float:
    """Below it exp is 0."""
    return m.pick(-746.0, -104.0)


@define("exp", libm="exp")
def exp(m: Math, x: E) -> E:
    return exp_in_range(m, m.at_least(m.at_most(x, m.pick(710.0, 89.0)), lowest_exp(m)))


@define("exp2", libm="exp2")
def exp2(m: Math, x: E) -> E:
    x = m.at_least(m.at_most(x, m.pick(1025.0, 129.0)), m.pick(-1076.0, -151.0))
    k, k_bits = m.round_bits(x)
    r = x - k
    _, hi, lo = m.table("ln2")
    t = r * hi
    t_low = m.fma(r, lo, m.fms(r, hi, t))
    p = t + m.fma(t * t, m.poly(t, m.table("exp")), t_low)
    return m.scale(p + 1.0, k, k_bits)


@define("expm1", libm="expm1")
def expm1(m: Math, x: E) -> E:
    y = m.at_least(m.at_most(x, m.pick(710.0, 89.0)), m.pick(-60.0, -40.0))
    _, k_bits, r = reduce_ln2(m, y)
    # Half of 2^k, which stays finite up to the largest result.
    half = m.pow2(k_bits - 1)
    p, p_lo = m.fast_two_sum(r, r * r * m.poly(r, m.table("exp")))
    value = m.fma(half, p_lo, m.fma(half, p, half - 0.5))
    return m.select(m.abs(x) < m.pick(2.0**-54, 2.0**-25), x, value + value)


@define("logistic")
def logistic(m: Math, x: E) -> E:
    e = exp_in_range(m, m.at_least(-m.abs(x), lowest_exp(m)))
    return m.select(x < 0.0, e, 1.0) / (e + 1.0)


@define("tanh", libm="tanh")
def tanh(m: Math, x: E) -> E:
    """-e / (2 + e) with e = e^(-2|x|) - 1, the roundings of e, of 2 + e and of the quotient made good."""
    _, k_bits, r = reduce_ln2(m, m.at_most(m.abs(x), m.pick(20.0, 10.0)) * -2.0)
    power, p = m.pow2(k_bits), expm1_near_zero(m, r)
    whole = power - 1.0
    e = m.fma(power, p, whole)
    e_lo = m.fma(power, p, whole - e)
    d = e + 2.0
    d_lo = e - (d - 2.0) + e_lo
    inverse = 1.0 / d
    q = -e * inverse
    rest = m.fnma(q, d_lo, m.fnma(q, d, -e)) - e_lo
    return m.copysign(m.fma(rest, inverse, q), x)


def hyperbolic_parts(m: Math, a: E):
    """(up, down, s, c): with a = k ln 2 + r, 2^(k-2), 2^(-k-2), sinh r, cosh r - 1, for 0 <= a."""
    k, k_bits, r = reduce_ln2(m, m.at_most(a, m.pick(710.6, 89.5)))
    z = r * r
    s = m.fma(r * z, m.poly(z, m.table("sinh")), r)
    c = z * m.poly(z, m.table("cosh"))
    # 2^-k beyond the reach of rounding is not needed, and would not be a normal number.
    down_bits = m.bits(m.c(m.magic) - m.at_most(k, m.pick(100.0, 50.0)))
    return m.pow2(k_bits - 2), m.pow2(down_bits - 2), s, c


@define("sinh", libm="sinh")
def sinh(m: Math, x: E) -> E:
    a = m.abs(x)
    up, down, s, c = hyperbolic_parts(m, a)
    gap = up - down
    value = gap + m.fma(s, up + down, c * gap)
    return m.select(a < m.pick(2.0**-28, 2.0**-13), x, m.copysign(value + value, x))


@define("cosh", libm="cosh")
def cosh(m: Math, x: E) -> E:
    up, down, s, c = hyperbolic_parts(m, m.abs(x))
    total = up + down
    value = total + m.fma(s, up - down, c * total)
    return value + value
