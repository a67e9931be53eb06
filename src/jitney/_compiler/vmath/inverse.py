"""asin, acos, atan, atan2."""

from __future__ import annotations

from .lang import E, Math
from .registry import define

INF = float("inf")


def atan_of_ratio(m: Math, num: E, den: E, obtuse: E | None = None) -> E:
    """atan(num / den) in [0, pi/2] for non-negative num, den, not both 0 or inf; pi less that where `obtuse`.

    One division: of num/den up to tan(pi/8), of (num - den)/(num + den) about pi/4, of -den/num beyond.
    """
    low = num < den * 0.41421356237309503
    high = den < num * 0.41421356237309503
    top = m.select(low, num, m.select(high, -den, num - den))
    bottom = m.select(low, den, m.select(high, num, num + den))
    t = top / bottom
    z = t * t

    def base(kind: str) -> E:
        quarter, half, three_quarters, whole = m.table(f"pi_quarters_{kind}")
        acute = m.select(low, 0.0, m.select(high, half, m.c(quarter)))
        if obtuse is None:
            return acute
        return m.select(obtuse, m.select(low, whole, m.select(high, half, m.c(three_quarters))), acute)

    rest = t * z * m.poly(z, m.table("atan"))
    if obtuse is not None:
        t, rest = m.select(obtuse, -t, t), m.select(obtuse, -rest, rest)
    return base("hi") + (t + (rest + base("lo")))


@define("atan", libm="atan")
def atan(m: Math, x: E) -> E:
    return m.copysign(atan_of_ratio(m, m.abs(x), m.c(1.0)), x)


@define("atan2", 2, libm="atan2")
def atan2(m: Math, y: E, x: E) -> E:
    a, b = m.abs(y), m.abs(x)
    # Two infinities are as two ones; huge numbers come down so that their sum is finite, tiny ones up so that
    # they have all their bits; 0/0 is 0.
    both = (a == INF) & (b == INF)
    a, b = m.select(both, 1.0, a), m.select(both, 1.0, b)
    huge, tiny, up = 2.0 ** (m.bias - 3), 2.0 ** (m.mant + 4 - m.bias), 2.0 ** (m.mant + 4)
    scale = m.select((a < tiny) & (b < tiny), up, m.select((a > huge) | (b > huge), 0.125, m.c(1.0)))
    b = m.select((a == 0.0) & (b == 0.0), 1.0, b)
    return m.copysign(atan_of_ratio(m, a * scale, b * scale, m.bits(x) < 0), y)


def asin_parts(m: Math, x: E):
    """(small, t, p): asin t = t + p, with t = |x| if at most 1/2 (`small`), else sqrt((1 - |x|) / 2)."""
    a = m.abs(x)
    small = a <= 0.5
    half = m.fnma(a, 0.5, 0.5)
    z = m.select(small, a * a, half)
    t = m.select(small, a, m.sqrt(half))
    return small, t, t * (z * m.poly(z, m.table("asin")))


@define("asin", libm="asin")
def asin(m: Math, x: E) -> E:
    small, t, p = asin_parts(m, x)
    half_pi, half_pi_lo = m.table("pi_quarters_hi")[1], m.table("pi_quarters_lo")[1]
    # pi/2 - 2t first: it is exact or nearly so.
    value = m.select(small, t + p, m.fnma(t, 2.0, half_pi) - m.fma(p, 2.0, -half_pi_lo))
    return m.copysign(value, x)


@define("acos", libm="acos")
def acos(m: Math, x: E) -> E:
    small, t, p = asin_parts(m, x)
    half_pi, half_pi_lo = m.table("pi_quarters_hi")[1], m.table("pi_quarters_lo")[1]
    signed_t, signed_p = m.copysign(t, x), m.copysign(p, x)
    middle = half_pi - (signed_t + (signed_p - half_pi_lo))
    obtuse = m.fnma(t, 2.0, 2 * half_pi) - m.fma(p, 2.0, -2 * half_pi_lo)
    outer = m.select(x < 0.0, obtuse, (t + p) * 2.0)
    return m.select(small, middle, outer)
