"""sin, cos, tan: |x| = k pi/2 + r with r as hi + lo, polynomials for sin r and cos r, then the quadrant.

The reduction is exact enough up to `far`; beyond it the C library is called, lane by lane.
"""

from __future__ import annotations

from .lang import E, Math
from .registry import define


def far(m: Math) -> float:
    """Where the reduction ends: k must be exact to within a small part of 1."""
    return m.pick(2.0**30, 1e5)


def reduce_half_pi(m: Math, a: E):
    """(k_bits, hi, lo) with a = k pi/2 + hi + lo, for 0 <= a <= far."""
    inverse, p1, p2, p3 = m.table("half_pi")
    k, k_bits = m.round_bits(a * inverse)
    # Exact: a multiple of p1's last bit and below 1. Then k p2 is taken off with its rounding error.
    r = m.fnma(k, p1, a)
    w = k * p2
    hi = r - w
    lo = ((r - hi) - w) + m.fnma(k, p2, w)
    return k_bits, hi, m.fnma(k, p3, lo)


def sin_near_zero(m: Math, r: E, lo: E, z: E) -> E:
    """sin(r + lo) for |r| <= pi/4, z = r^2."""
    return r + m.fma(r * z, m.poly(z, m.table("sin")), m.fnma(z * 0.5, lo, lo))


def cos_near_zero(m: Math, r: E, lo: E, z: E) -> E:
    """cos(r + lo) for |r| <= pi/4, z = r^2."""
    half = z * 0.5
    top = 1.0 - half
    return top + (((1.0 - top) - half) + m.fma(z * z, m.poly(z, m.table("cos")), -(r * lo)))


def parts(m: Math, x: E):
    """(k_bits, sin r, cos r) of |x|"""
    k_bits, r, lo = reduce_half_pi(m, m.abs(x))
    z = r * r
    return k_bits, sin_near_zero(m, r, lo, z), cos_near_zero(m, r, lo, z)


def bit_to_sign(m: Math, bits: E) -> E:
    """Bit 1 of the quadrant moved to the sign's place."""
    return bits << (m.width - 2)


def sin_reduced(m: Math, x: E) -> E:
    """sin for |x| <= far."""
    k_bits, s, c = parts(m, x)
    return m.with_sign_bits(m.select((k_bits & 1) != 0, c, s), bit_to_sign(m, k_bits) ^ m.bits(x))


def cos_reduced(m: Math, x: E) -> E:
    k_bits, s, c = parts(m, x)
    return m.with_sign_bits(m.select((k_bits & 1) != 0, s, c), bit_to_sign(m, k_bits + 1))


def tan_reduced(m: Math, x: E) -> E:
    k_bits, s, c = parts(m, x)
    odd = (k_bits & 1) != 0
    value = m.select(odd, c, s) / m.select(odd, s, c)
    return m.with_sign_bits(value, (k_bits << (m.width - 1)) ^ m.bits(x))


def _enter(name: str, reduced):
    """The function for all x, from its form for |x| <= far and the C library's."""

    def whole(m: Math, x: E) -> E:
        value = reduced(m, x)
        return m.rarely(m.abs(x) > far(m), value, lambda: m.call(f"{name}_far", x, value))

    def beyond(m: Math, x: E, usual: E) -> E:
        return m.select(m.abs(x) > far(m), m.each_lane(name, [x]), usual)

    define(name, libm=name)(whole)
    define(f"{name}_far", 2, inline=False, public=False)(beyond)


_enter("sin", sin_reduced)
_enter("cos", cos_reduced)
_enter("tan", tan_reduced)
