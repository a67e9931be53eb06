"""float_of_half and half_of_float: a number in 16 bits, held as the low bits of a float, and the number itself.

AVX-512 has instructions for both; without them they are some steps on the bits.
"""

from __future__ import annotations

from ..ir import writer as ir
from .lang import E, Math
from .registry import define

_BIAS_GAP = 127 - 15


@define("float_of_half")
def float_of_half(m: Math, x: E) -> E:
    u = m.bits(x)
    if "avx512f" in m.features:
        half = m.f.bitcast(m.f.trunc_to(u.v, "i16"), ir.retype(m.T, "half"))
        return E(m, m.f.fpext(half, "float"))
    size = (u & 0x7FFF) << 13
    # The exponent is too small; that makes subnormal numbers right as well.
    usual = m.bits(m.from_bits(size) * 2.0**_BIAS_GAP)
    size = m.select(size >= 0x7C00 << 13, size | 0x7F800000, usual)
    return m.from_bits(size | ((u & 0x8000) << 16))


@define("half_of_float")
def half_of_float(m: Math, x: E) -> E:
    """Ties to even."""
    if "avx512f" in m.features:
        half = m.f.bitcast(m.f.fptrunc(x.v, "half"), ir.retype(m.T, "i16"))
        return m.from_bits(E(m, m.f.zext(half, "i32")))
    u = m.bits(x)
    size = u & 0x7FFFFFFF
    word = (size + (0xFFF - (_BIAS_GAP << 23)) + ((size >> 13) & 1)) >> 13
    # Below 2^-14 a sum with 1/2 rounds at the last bit of subnormal numbers.
    near = m.bits(m.from_bits(size) + 0.5) - 0x3F000000
    word = m.select(size < 0x38800000, near, word)
    word = m.select(size >= 0x47800000, 0x7C00, word)
    word = m.select(size > 0x7F800000, 0x7E00, word)
    return m.from_bits(word | ((u >> 16) & 0x8000))
