"""Between words of narrow types and single precision (or 32-bit integers), in the kernel language.

A format is a sign bit, an exponent and a mantissa; what its words mean beyond that (infinities, NaNs, where values end) is
read off ml_dtypes, which defines it. Rounding is to nearest, ties to even; a double is rounded to odd before, so that it
is rounded once.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from jitney._base import dtypes

_BITS, _INT = np.dtype(np.uint32), np.dtype(np.int32)
SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


class Format(NamedTuple):
    """The words of a small float."""

    bits: int
    mantissa: int
    least: int  # the exponent of the smallest normal number
    largest: int  # the word of the largest finite number
    infinity: int | None  # the word of +inf
    nans: int | None  # the first word, without its sign, that is NaN
    nan: int  # the word that NaN becomes
    beyond: tuple[int, int]  # the words of what is too large: positive, negative
    negative_zero: bool


@cache
def _format(kind: str) -> Format:
    import ml_dtypes

    dtype, info = dtypes.as_dtype(kind), ml_dtypes.finfo(kind)
    half = 1 << (info.bits - 1)
    values = np.arange(half, dtype=np.uint8).view(dtype).astype(SINGLE)
    first = lambda found: int(np.argmax(found)) if found.any() else None  # noqa: E731
    word = lambda x: int(np.array(x, SINGLE).astype(dtype).view(np.uint8)) & (2 * half - 1)  # noqa: E731
    return Format(
        info.bits,
        info.nmant,
        int(info.minexp),
        int(np.argmax(np.where(np.isfinite(values), values, -1))),
        first(np.isinf(values)),
        first(np.isnan(values)),
        word(np.nan),
        (word(np.inf), word(-np.inf)),
        word(-0.0) == half and not np.isnan(np.array(half, np.uint8).view(dtype).astype(SINGLE)),
    )


def widen(b: Any, word: Any, *, kind: str) -> Any:
    """The number that a word stands for."""
    u = b.cast(word, _BITS)
    if kind in dtypes.SMALL_INTEGERS:
        return _widen_integer(b, u, kind)
    if kind == "bfloat16":
        return b.bitcast(b.shl(u, b.const(16, _BITS)), SINGLE)
    if kind == "float16":
        return b.math("float_of_half", b.bitcast(u, SINGLE))
    if kind == "float8_e8m0fnu":
        return _widen_power(b, u)
    return _widen_float(b, u, _format(kind))


def narrow(b: Any, x: Any, *, kind: str) -> Any:
    """The word of the nearest number, ties to even; of an integer its last bits."""
    word = np.dtype(np.uint16) if kind in ("bfloat16", "float16") else np.dtype(np.uint8)
    if kind in dtypes.SMALL_INTEGERS:
        return b.cast(b.and_(b.bitcast(x, _BITS), b.const((1 << _width(kind)) - 1, _BITS)), word)
    if x.dtype == DOUBLE:
        x = _rounded_to_odd(b, x)
    if kind == "bfloat16":
        return b.cast(b.select(b.ne(x, x), b.const(0x7FC0, _BITS), _cut(b, b.bitcast(x, _BITS), 16)), word)
    if kind == "float16":
        return b.cast(b.bitcast(b.math("half_of_float", x), _BITS), word)
    if kind == "float8_e8m0fnu":
        return b.cast(_narrow_power(b, x), word)
    return b.cast(_narrow_float(b, x, _format(kind)), word)


def next_word(b: Any, x: Any, y: Any, *, kind: str) -> Any:
    """The word after ``x`` on the way to ``y``."""
    word, one = x.dtype, b.const(1, x.dtype)
    value, goal = widen(b, x, kind=kind), widen(b, y, kind=kind)
    zero = b.const(0.0, SINGLE)
    away = b.eq(b.lt(value, goal), b.gt(value, zero))  # words grow with the size of numbers
    step = b.select(away, b.add(x, one), b.sub(x, one))
    if kind != "float8_e8m0fnu":
        signed = kind in ("bfloat16", "float16") or _format(kind).negative_zero
        half = b.const(1 << (15 if word.itemsize == 2 else _format(kind).bits - 1), word)
        if not signed:  # what would be -0 is NaN
            step = b.select(b.eq(step, half), b.const(0, word), step)
        least = b.select(b.lt(goal, zero), b.add(half, one), one)
        step = b.select(b.eq(value, zero), least, step)
    step = b.select(b.eq(value, goal), y, step)
    nan = narrow(b, b.const(np.nan, SINGLE), kind=kind)
    return b.select(b.or_(b.ne(value, value), b.ne(goal, goal)), nan, step)


def _cut(b: Any, u: Any, count: int) -> Any:
    """``u`` without its last ``count`` bits, rounded to nearest, ties to even."""
    last = b.and_(b.shr_logical(u, b.const(count, _BITS)), b.const(1, _BITS))
    return b.shr_logical(b.add(b.add(u, b.const((1 << (count - 1)) - 1, _BITS)), last), b.const(count, _BITS))


def _rounded_to_odd(b: Any, x: Any) -> Any:
    """A double in single precision such that rounding it once more gives what rounding the double gives."""
    near = b.cast(x, SINGLE)
    back, one = b.cast(near, DOUBLE), b.const(1, _BITS)
    bits = b.bitcast(near, _BITS)
    truncated = b.select(b.gt(b.abs(back), b.abs(x)), b.sub(bits, one), bits)
    inexact = b.and_(b.ne(back, x), b.eq(x, x))
    return b.bitcast(b.select(inexact, b.or_(truncated, one), bits), SINGLE)


# -- small floats -----------------------------------------------------------------------------------------


def _widen_float(b: Any, u: Any, f: Format) -> Any:
    shift, half = 23 - f.mantissa, 1 << (f.bits - 1)
    size = b.and_(u, b.const(half - 1, _BITS))
    bias = (f.least - 1 + 127) << 23  # from its exponent to that of single precision
    normal = b.bitcast(b.add(b.shl(size, b.const(shift, _BITS)), b.const(bias, _BITS)), SINGLE)
    below = b.mul(b.cast(size, SINGLE), b.const(2.0 ** (f.least - f.mantissa), SINGLE))
    value = b.select(b.lt(size, b.const(1 << f.mantissa, _BITS)), below, normal)
    if f.infinity is not None:
        value = b.select(b.eq(size, b.const(f.infinity, _BITS)), b.const(np.inf, SINGLE), value)
    if f.nans is not None:
        value = b.select(b.ge(size, b.const(f.nans, _BITS)), b.const(np.nan, SINGLE), value)
    negative = b.ne(b.and_(u, b.const(half, _BITS)), b.const(0, _BITS))
    value = b.select(negative, b.neg(value), value)
    if not f.negative_zero:
        value = b.select(b.eq(u, b.const(half, _BITS)), b.const(np.nan, SINGLE), value)
    return value


def _narrow_float(b: Any, x: Any, f: Format) -> Any:
    shift, half = 23 - f.mantissa, 1 << (f.bits - 1)
    u = b.bitcast(x, _BITS)
    size = b.and_(u, b.const(0x7FFFFFFF, _BITS))
    bias = (f.least - 1 + 127) << f.mantissa
    normal = b.sub(_cut(b, size, shift), b.const(bias, _BITS))
    # Below the normal numbers, adding a power of two leaves the bits that count at the end of the sum.
    power = b.const(2.0 ** (f.least - f.mantissa + 23), SINGLE)
    below = b.sub(b.bitcast(b.add(b.bitcast(size, SINGLE), power), _BITS), b.bitcast(power, _BITS))
    small = b.lt(b.bitcast(size, SINGLE), b.const(2.0**f.least, SINGLE))
    code = b.select(small, below, normal)
    negative = b.ne(b.and_(u, b.const(0x80000000, _BITS)), b.const(0, _BITS))
    signed = b.select(negative, b.or_(code, b.const(half, _BITS)), code)
    if not f.negative_zero:
        signed = b.select(b.eq(code, b.const(0, _BITS)), code, signed)
    beyond = b.select(negative, b.const(f.beyond[1], _BITS), b.const(f.beyond[0], _BITS))
    signed = b.select(b.gt(code, b.const(f.largest, _BITS)), beyond, signed)
    return b.select(b.ne(x, x), b.const(f.nan, _BITS), signed)


# -- powers of two: float8_e8m0fnu has neither sign nor zero ----------------------------------------------


def _widen_power(b: Any, u: Any) -> Any:
    value = b.bitcast(b.shl(u, b.const(23, _BITS)), SINGLE)
    value = b.select(b.eq(u, b.const(0, _BITS)), b.const(2.0**-127, SINGLE), value)
    return b.select(b.eq(u, b.const(255, _BITS)), b.const(np.nan, SINGLE), value)


def _narrow_power(b: Any, x: Any) -> Any:
    u, nan = b.bitcast(x, _BITS), b.const(255, _BITS)
    code = b.shr_logical(b.add(u, b.const(1 << 22, _BITS)), b.const(23, _BITS))  # ties go up
    below = b.cast(b.ge(u, b.const(0x00600000, _BITS)), _BITS)  # under 2^-126 numbers are evenly spaced
    code = b.select(b.lt(u, b.const(1 << 23, _BITS)), below, code)
    inside = b.and_(b.gt(x, b.const(0.0, SINGLE)), b.lt(code, nan))
    return b.select(inside, code, nan)


# -- small integers ---------------------------------------------------------------------------------------


def _width(kind: str) -> int:
    return int(kind[-1])


def _widen_integer(b: Any, u: Any, kind: str) -> Any:
    unused = b.const(32 - _width(kind), _BITS if kind[0] == "u" else _INT)
    if kind[0] == "u":
        return b.bitcast(b.shr_logical(b.shl(u, unused), unused), _INT)
    return b.shr_arithmetic(b.shl(b.bitcast(u, _INT), unused), unused)
