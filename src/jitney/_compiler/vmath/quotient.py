"""Square roots and quotients by fused multiply-adds, bit for bit what the divider unit gives.

`balance_divider` puts them beside the divider's own instructions, so that both units are busy. Sources: Markstein,
"Computation of elementary functions on the IBM RISC System/6000", IBM J. Res. Dev. 34 (1990); Cornea,
Harrison and Tang, "Scientific Computing on Itanium-based Systems" (2002), on proving them by their hard cases.
"""

from __future__ import annotations

from typing import Any

from .lang import E, Math
from .registry import define


def _exponent_bits(m: Math, k: int) -> int:
    """The bits of 2^k."""
    return (k + m.bias) << m.mant


def reach(m: Any) -> int:
    """Numbers from 2^-reach to 2^reach are divided by products."""
    return 500 if m.is_double else 60


@define("quotient_by_reciprocal", 4, public=False)
def quotient_by_reciprocal(m: Math, x: E, c: E, reciprocal: E, least: E) -> E:
    """x / c with reciprocal = 1 / c rounded: q = x r, then q + (x - q c) r (Markstein).

    Exact where nothing underflows: ``least``, 2^-reach, is the smallest x that is taken, and is negative for a c
    that is out of reach itself: then no x passes, not even 0.
    """
    q = x * reciprocal
    value = m.fma(m.fnma(q, c, x), reciprocal, q)
    value = m.from_bits(m.bits(value) | (m.bits(q) & m.sign_bit))  # a zero keeps its sign
    low, high = _exponent_bits(m, -reach(m)), _exponent_bits(m, reach(m))
    above = (m.bits(x) & ~m.sign_bit) - m.bits(least)
    far = E(m, m.f.icmp("ugt", above.v, m.i(high - low).v)) & (above != -low)
    return m.rarely(far, value, lambda: x / c)


@define("root_by_products", public=False)
def root_by_products(m: Math, x: E) -> E:
    """sqrt(x) from AVX-512's estimate y of 1 / sqrt(x) to 14 bits.

    g = x y and h = y / 2 approach sqrt(x) and its half reciprocal (Goldschmidt): two steps in f64, one in f32. The
    last correction g + (x - g^2) h is then rounded as the root itself is.
    """
    bits = m.bits(x)
    low, high = _exponent_bits(m, m.pick(-960, -90)), _exponent_bits(m, m.bias + 1)
    some = bits != 0
    y = m.root_estimate(x, some)
    g, h = x * y, y * 0.5
    for _ in range(m.pick(2, 1)):
        r = m.fnma(g, h, 0.5)
        g, h = m.fma(g, r, g), m.fma(h, r, h)
    value = m.fma(m.fnma(g, g, x), h, g)
    far = E(m, m.f.icmp("uge", (bits - low).v, m.i(high - low).v)) & some
    return m.rarely(far, value, lambda: m.sqrt(x))
