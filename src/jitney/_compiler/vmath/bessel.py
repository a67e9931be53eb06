"""bessel_i0e and bessel_i1e: the modified Bessel functions times e^(-|x|).

Up to 8 a polynomial in x^2, whose terms are all positive; beyond, one in 16/|x| - 1, over sqrt |x|.
"""

from __future__ import annotations

from .exponential import exp_in_range
from .lang import E, Math
from .registry import define


def both_ranges(m: Math, a: E, name: str):
    """(e^-a, near polynomial in a^2, value for a > 8)"""
    small = m.at_most(a, 8.0)
    z = small * small
    large = m.at_least(a, 8.0)
    far = m.poly(16.0 / large - 1.0, m.table(f"{name}_far")) / m.sqrt(large)
    return exp_in_range(m, -small), m.poly(z, m.table(name)), far


@define("bessel_i0e", inline=False, single=False)
def bessel_i0e(m: Math, x: E) -> E:
    a = m.abs(x)
    decay, near, far = both_ranges(m, a, "i0")
    return m.select(a > 8.0, far, decay * near)


@define("bessel_i1e", inline=False, single=False)
def bessel_i1e(m: Math, x: E) -> E:
    a = m.abs(x)
    decay, near, far = both_ranges(m, a, "i1")
    return m.copysign(m.select(a > 8.0, far, a * (decay * near)), x)
