"""pow: e^(y log x) with the logarithm as a pair hi + lo good to some 64 bits (f32: 33), since y may be large."""

from __future__ import annotations

from .exponential import expm1_near_zero, lowest_exp
from .lang import E, Math
from .registry import define

INF, NAN = float("inf"), float("nan")


def log_pair(m: Math, a: E):
    """log a as (hi, lo), for positive finite a."""
    k, mant = m.split(a)
    f = mant - 1.0
    s, s_lo = quotient_pair(m, f)
    z = s * s
    z_lo = m.fma(s + s, s_lo, m.fms(s, s, z))
    # log(1 + f) = 2 s + s z b with b = 2/3 + z (2/5 + ...): the tail is small enough for one float.
    third, third_lo, *tail = m.table("log_pair")
    p = z * m.poly(z, tail)
    b = p + third
    b_lo = (p - (b - third)) + third_lo
    w, w_lo = product_pair(m, s, s_lo, z, z_lo)
    v, v_lo = product_pair(m, w, w_lo, b, b_lo)
    _, ln2, ln2_lo = m.table("ln2")
    top, top_lo = m.two_prod(k, m.c(ln2))
    hi, e1 = m.fast_two_sum(top, s + s)
    hi, e2 = m.fast_two_sum(hi, v)
    lo = (e1 + e2) + m.fma(k, ln2_lo, top_lo) + m.fma(s_lo, 2.0, v_lo)
    return m.fast_two_sum(hi, lo)


def quotient_pair(m: Math, f: E):
    """f / (2 + f) as a pair."""
    d, d_lo = m.fast_two_sum(m.c(2.0), f)
    inverse = 1.0 / d
    s = f * inverse
    return s, m.fnma(s, d_lo, m.fnma(s, d, f)) * inverse


def product_pair(m: Math, a: E, a_lo: E, b: E, b_lo: E):
    p, e = m.two_prod(a, b)
    return p, m.fma(a, b_lo, m.fma(a_lo, b, e))


def pow_positive(m: Math, a: E, y: E) -> E:
    """a^y for positive finite a and finite y."""
    hi, lo = log_pair(m, a)
    e = y * hi
    return exp_pair(m, e, m.fma(y, lo, m.fms(y, hi, e)))


def exp_pair(m: Math, e: E, e_lo: E) -> E:
    """e^(e + e_lo)"""
    inside = m.abs(e) < m.pick(800.0, 110.0)
    e = m.at_least(m.at_most(e, m.pick(710.0, 89.0)), lowest_exp(m))
    inverse, ln2, ln2_lo = m.table("ln2")
    k, k_bits = m.round_bits(e * inverse)
    r = m.fnma(k, ln2, e) + m.fnma(k, ln2_lo, m.select(inside, e_lo, 0.0))
    return m.scale(expm1_near_zero(m, r) + 1.0, k, k_bits)


def pow_special(m: Math, x: E, y: E, a: E, usual: E) -> E:
    """x^y where x is not positive and finite, or y is not finite; `usual` is |x|^y where that is ordinary."""
    infinite_y = m.abs(y) == INF
    extreme = infinite_y | (a == 0.0) | (a == INF)
    grows = ~((a > 1.0) ^ (y > 0.0))
    value = m.select(extreme, m.select(grows, INF, m.c(0.0)), usual)
    value = m.select(infinite_y & (a == 1.0), 1.0, value)
    whole = m.trunc(y) == y
    half = y * 0.5
    odd = whole & (m.trunc(half) != half)
    negative = m.bits(x) < 0
    value = m.select(negative & odd, -value, value)
    value = m.select((x < 0.0) & ~whole & ~extreme, NAN, value)
    value = m.select(m.either_nan(x, y), NAN, value)
    return m.select((y == 0.0) | (x == 1.0), 1.0, value)


@define("pow", 2, inline=False, libm="pow")
def pow(m: Math, x: E, y: E) -> E:
    a = m.abs(x)
    usual = pow_positive(m, a, y)
    ordinary = (x > 0.0) & (x < INF) & (m.abs(y) < INF)
    return m.rarely(~ordinary, usual, lambda: pow_special(m, x, y, a, usual))
