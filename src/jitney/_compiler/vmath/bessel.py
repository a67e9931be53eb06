"""bessel_i0e and bessel_i1e: the modified Bessel functions times e^(-|x|).

Up to 8 a polynomial in x^2, whose terms are all positive; beyond, one in 16/|x| - 1, over sqrt |x|.
"""

from __future__ import annotations

from .exponential import expm1_near_zero, reduce_ln2
from .lang import E, Math
from .registry import define

# d log(I0)/d(x^2) and d log(I1/x)/d(x^2) for 0 <= x <= 8, to some percent, as polynomials in x.
_SLOPES = {"i0": (0.25, -0.045, 0.0027), "i1": (0.125, -0.0135, 0.00055)}


def decayed(m: Math, a: E, name: str) -> E:
    """e^-a times the polynomial in a^2 (of I1, times a); the exponent makes good the rounding of a^2."""
    z, z_lo = m.two_prod(a, a)
    first, *rest = m.table(name)
    tail = m.careful_poly(z, rest)
    y = m.fma(z, tail, first) if name == "i0" else m.fma(a * z, tail, a * first)
    _, k_bits, r = reduce_ln2(m, -a)
    r = m.fma(z_lo, m.poly(a, _SLOPES[name]), r)
    return m.fma(y, expm1_near_zero(m, r), y) * m.pow2(k_bits)


def far_part(m: Math, a: E, name: str) -> E:
    large = m.at_least(a, 8.0)
    t = 16.0 / large - 1.0
    return m.careful_poly(t, m.table(f"{name}_far")) / m.sqrt(large)


@define("bessel_i0e", inline=False)
def bessel_i0e(m: Math, x: E) -> E:
    a = m.abs(x)
    return m.select(a > 8.0, far_part(m, a, "i0"), decayed(m, m.at_most(a, 8.0), "i0"))


@define("bessel_i1e", inline=False)
def bessel_i1e(m: Math, x: E) -> E:
    a = m.abs(x)
    value = m.select(a > 8.0, far_part(m, a, "i1"), decayed(m, m.at_most(a, 8.0), "i1"))
    return m.copysign(value, x)
