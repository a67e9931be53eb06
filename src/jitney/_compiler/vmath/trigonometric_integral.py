"""sine_integral, cosine_integral, fresnel_sine, fresnel_cosine: polynomials near 0; beyond, f and g of DLMF 6.2 and 7.2,
by which they oscillate about their limits. sin_quarter and cos_quarter are sin and cos of pi x^2 / 2.
"""

from __future__ import annotations

import math

from .exponential_integral import log_quotient
from .lang import E, Math
from .pieces import falling, piece
from .registry import define
from .trigonometric import cos_near_zero, sin_near_zero

INF, NAN = float("inf"), float("nan")
HALF_PI, HALF_PI_LO = math.pi / 2, 6.123233995736766e-17
_ENDS = (4.0, 8.0, 20.0)
_FRESNEL = (1.6, 2.25, 4.0)


def auxiliary(m: Math, x: E):
    """f and g of DLMF 6.2.17, for x >= 4."""
    inverse = 1.0 / x
    f = falling(m, x, "sici_f", _ENDS, 2) * inverse
    g = falling(m, x, "sici_g", _ENDS, 2) * (inverse * inverse)
    return f, g


@define("sine_integral", inline=False, single=False)
def sine_integral(m: Math, x: E) -> E:
    a = m.abs(x)
    near = a * piece(m, a * a, "si_0", 0.0, 16.0)

    def beyond() -> E:
        f, g = auxiliary(m, m.at_least(a, 4.0))
        wave = m.fma(f, m.call("cos", a), g * m.call("sin", a))
        return m.select(a == INF, HALF_PI, HALF_PI - (wave - HALF_PI_LO))

    return m.copysign(m.where(a > 4.0, beyond, near), x)


@define("cosine_integral", inline=False, single=False)
def cosine_integral(m: Math, x: E) -> E:
    """No number for x < 0, -inf at 0."""
    root, root_lo = m.table("ci_root")
    gap = (x - root) - root_lo
    near = m.fma(gap, piece(m, x, "ci_0", 0.0, 4.0), log_quotient(m, x, gap, root))

    def beyond() -> E:
        f, g = auxiliary(m, m.at_least(x, 4.0))
        wave = m.fms(f, m.call("sin", x), g * m.call("cos", x))
        return m.select(x == INF, 0.0, wave)

    value = m.where(x > 4.0, beyond, m.select(x == 0.0, -INF, near))
    return m.select(x < 0.0, NAN, value)


def quarter_turns(m: Math, x: E):
    """(q, sin r, cos r): pi x^2 / 2 = q pi/2 + r with |r| <= pi/4, q of few bits."""
    a = m.at_most(m.abs(x), 2.0**60)  # an even integer from 2^54 on: its square is 0 modulo 4
    square, square_lo = m.two_prod(a, a)
    rest = square - m.rint(square * 0.25) * 4.0
    rest_lo = square_lo - m.rint(square_lo * 0.25) * 4.0
    whole, bits = m.round_bits(rest + rest_lo)
    part, part_lo = m.two_sum(rest - whole, rest_lo)
    r = part * HALF_PI
    lo = m.fms(part, HALF_PI, r) + m.fma(part, HALF_PI_LO, part_lo * HALF_PI)
    z = r * r
    return bits, sin_near_zero(m, r, lo, z), cos_near_zero(m, r, lo, z)


def sine_and_cosine(m: Math, x: E):
    bits, s, c = quarter_turns(m, x)
    odd = (bits & 1) != 0
    sine = m.with_sign_bits(m.select(odd, c, s), bits << (m.width - 2))
    cosine = m.with_sign_bits(m.select(odd, s, c), (bits + 1) << (m.width - 2))
    return sine, cosine


@define("sin_quarter", single=False)
def sin_quarter(m: Math, x: E) -> E:
    return m.select(m.abs(x) < INF, sine_and_cosine(m, x)[0], NAN)


@define("cos_quarter", single=False)
def cos_quarter(m: Math, x: E) -> E:
    return m.select(m.abs(x) < INF, sine_and_cosine(m, x)[1], NAN)


def fresnel_auxiliary(m: Math, a: E):
    """f and g of DLMF 7.2.10, for a >= 1.6."""
    inverse = 1.0 / a
    f = falling(m, a, "fresnel_f", _FRESNEL, 4) * (inverse * (1 / math.pi))
    g = falling(m, a, "fresnel_g", _FRESNEL, 4) * (inverse * inverse * inverse * (1 / math.pi**2))
    return f, g


def fresnel(m: Math, x: E, sine: bool) -> E:
    a = m.abs(x)
    square = a * a
    name, front = ("fresnel_s_0", a * square) if sine else ("fresnel_c_0", a)
    near = front * piece(m, square * square, name, 0.0, 1.6**4)

    def beyond() -> E:
        f, g = fresnel_auxiliary(m, m.at_least(a, 1.6))
        s, c = sine_and_cosine(m, a)
        wave = m.fma(f, c, g * s) if sine else m.fms(g, c, f * s)
        return m.select(a == INF, 0.5, 0.5 - wave)

    return m.copysign(m.where(a > 1.6, beyond, near), x)


@define("fresnel_sine", inline=False, single=False)
def fresnel_sine(m: Math, x: E) -> E:
    return fresnel(m, x, True)


@define("fresnel_cosine", inline=False, single=False)
def fresnel_cosine(m: Math, x: E) -> E:
    return fresnel(m, x, False)
