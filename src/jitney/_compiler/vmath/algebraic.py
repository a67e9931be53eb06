"""cbrt, hypot, fmod, nextafter."""

from __future__ import annotations

from .lang import E, Math
from .registry import define

INF, NAN = float("inf"), float("nan")


@define("cbrt", libm="cbrt")
def cbrt(m: Math, x: E) -> E:
    """|x| = 2^(3q) c with c in [3/8, 3]; r = c^(-1/3) from a polynomial and one cubic Newton step, then c r^2
    with a last correction in twice the precision."""
    a = m.abs(x)
    k, mant = m.split(a)
    q, q_bits = m.round_bits(k * (1.0 / 3.0))
    j = m.fnma(q, 3.0, k)
    up, down = j > 0.0, j < 0.0
    c = mant * m.select(up, 2.0, m.select(down, 0.5, m.c(1.0)))
    r = m.poly(mant, m.table("cbrt")) * m.select(
        up, 2.0 ** (-1 / 3), m.select(down, 2.0 ** (1 / 3), m.c(1.0))
    )
    h = m.fnma(c * r, r * r, 1.0)
    r = m.fma(r * h, m.fma(h, 2.0 / 9.0, 1.0 / 3.0), r)
    square = r * r
    y = c * square
    y2, y2_lo = m.two_prod(y, y)
    excess = m.fma(y, y2_lo, m.fms(y, y2, c))
    y = m.fnma(excess, square * (1.0 / 3.0), y) * m.pow2(q_bits)
    return m.select((a > 0.0) & (a < INF), m.copysign(y, x), x + x)


@define("hypot", 2, single=False)
def hypot(m: Math, x: E, y: E) -> E:
    a, b = m.abs(x), m.abs(y)
    larger = m.select(a > b, a, b)
    big, small = larger > 2.0**500, larger < 2.0**-400
    scale = m.select(big, 2.0**-600, m.select(small, 2.0**600, m.c(1.0)))
    back = m.select(big, 2.0**600, m.select(small, 2.0**-600, m.c(1.0)))
    a, b = a * scale, b * scale
    value = m.sqrt(m.fma(a, a, b * b)) * back
    return m.select((m.abs(x) == INF) | (m.abs(y) == INF), INF, value)


@define("fmod", 2, libm="fmod")
def fmod(m: Math, x: E, y: E) -> E:
    """x - trunc(x/y) y, sign of x. The quotient rounds up at most to the next whole number, never below its
    floor, so one correction suffices; quotients too large to be exact go to the C library."""
    a, b = m.abs(x), m.abs(y)
    q = m.trunc(a / b)
    r = m.fnma(q, b, a)
    r = m.select(r < 0.0, r + b, r)
    r = m.select((b == INF) & (a < INF), a, r)
    value = m.copysign(r, x)
    return m.rarely(q >= 2.0**m.mant, value, lambda: m.call("fmod_far", x, y, value))


@define("fmod_far", 3, inline=False, public=False)
def fmod_far(m: Math, x: E, y: E, usual: E) -> E:
    return m.select(m.abs(x / y) >= 2.0 ** (m.mant - 1), m.each_lane("fmod", [x, y]), usual)


@define("nextafter", 2)
def nextafter(m: Math, x: E, y: E) -> E:
    bits = m.bits(x)
    away = ~((x < y) ^ (x > 0.0))
    step = m.from_bits(bits + m.select(away, 1, m.i(-1)))
    smallest = m.copysign(m.from_bits(m.i(1)), y)
    value = m.select(x == 0.0, smallest, step)
    return m.select(m.either_nan(x, y), NAN, m.select(x == y, y, value))
