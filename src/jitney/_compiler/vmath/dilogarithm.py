"""spence: the integral of log(t)/(1 - t) from 1 to x, which is the dilogarithm of 1 - x.

From 1/2 to 2 Debye's series in w = log x with Bernoulli numbers; other x by reflection and inversion (DLMF 25.12.4, 25.12.6).
"""

from __future__ import annotations

import math

from .lang import E, Math
from .registry import define
from .zeta import _bernoulli

INF, NAN = float("inf"), float("nan")
SIXTH = math.pi**2 / 6
_SERIES = [float(b / math.factorial(2 * k + 1)) for k, b in enumerate(_bernoulli(12)) if k]


@define("spence", inline=False, single=False)
def spence(m: Math, x: E) -> E:
    high, low = x > 2.0, x < 0.5
    inner = m.select(high, 1.0 / x, x)
    outside = low | high
    value = debye(m, -m.call("log", m.select(outside, 1.0, x)))

    def reflected() -> E:
        log, log1p = m.call("log", inner), m.call("log1p", -inner)
        turned = (SIXTH - m.select(inner == 0.0, 0.0, log * log1p)) - debye(m, -log1p)
        return m.select(high, m.fnma(log * 0.5, log, -turned), turned)

    value = m.where(outside, reflected, value)
    value = m.select(x == INF, -INF, value)
    return m.select(x < 0.0, NAN, value)


def debye(m: Math, w: E) -> E:
    """Li2(1 - e^-w)"""
    z = w * w
    return m.fma(z * w, m.poly(z, _SERIES), m.fnma(z, 0.25, w))
