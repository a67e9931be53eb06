"""erfcx, e^(x^2) erfc(x), and dawsn, e^(-x^2) times the integral of e^(t^2) from 0 to x."""

from __future__ import annotations

import math

from .error import erfcx_parts
from .lang import E, Math
from .pieces import piece
from .power import exp_pair
from .registry import define


@define("erfcx", inline=False, single=False)
def erfcx(m: Math, x: E) -> E:
    """The factor of erfc's tail; its asymptotic series from 27 on; e^(x^2) (1 - erf) about 0; 2 e^(x^2) less it below."""
    a = m.abs(x)
    g, g_lo, excess = erfcx_parts(m, m.at_most(a, 28.0))
    near = m.fma(g, excess, g_lo) + g
    inverse = 1.0 / a
    square = inverse * inverse
    series = m.horner(square, [1.0, -0.5, 0.75, -1.875, 6.5625, -29.53125, 162.421875])
    value = m.select(a > 27.0, inverse * series * (1 / math.sqrt(math.pi)), near)
    z = x * x
    central = 1.0 - m.fma(x, m.poly(z, m.table("erf")), x)
    value = m.select(a < 0.5, m.call("exp", z) * central, value)
    negative = x <= -0.5

    def reflected() -> E:
        size = m.at_most(a, 28.0)
        z, z_lo = m.two_prod(size, size)
        return exp_pair(m, z, z_lo) * 2.0 - value

    return m.where(negative, reflected, value)


@define("dawsn", inline=False, single=False)
def dawsn(m: Math, x: E) -> E:
    a = m.abs(x)
    value = a * piece(m, a * a, "dawson_0", 0.0, 1.0)
    value = m.select(a > 1.0, piece(m, a, "dawson_1", 1.0, 2.5), value)
    value = m.select(a > 2.5, piece(m, a, "dawson_2", 2.5, 4.5), value)
    value = m.select(a > 4.5, piece(m, a, "dawson_3", 4.5, 8.0), value)
    inverse = 1.0 / m.at_least(a, 8.0)
    far = inverse * 0.5 * piece(m, inverse * inverse, "dawson_4", 0.0, 1 / 64)
    value = m.select(a > 8.0, far, value)
    return m.copysign(value, x)
