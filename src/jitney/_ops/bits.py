"""Operations on the bits of numbers: floats rounded to fewer bits, the upper half of integer products."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.families import broadcast, check_kinds, check_same_dtype, linear

# -- reduce_precision -------------------------------------------------------------------------------

reduce_precision_p = Primitive("reduce_precision")


def _precision_abstract(x: ShapedArray, *, exponent_bits: int, mantissa_bits: int) -> ShapedArray:
    check_kinds("reduce_precision", [x], "f")
    if exponent_bits < 1:
        raise ValueError(f"reduce_precision: exponent_bits must be positive; got {exponent_bits}")
    if mantissa_bits < 0:
        raise ValueError(f"reduce_precision: mantissa_bits must be non-negative; got {mantissa_bits}")
    return x


def _layout(dtype: np.dtype) -> tuple[int, int]:
    """The numbers of exponent and mantissa bits of a float dtype."""
    one, next_one = np.ones((), dtype), np.ones((), dtype).view(f"u{dtype.itemsize}") + 1
    gap = float(next_one.astype(f"u{dtype.itemsize}").view(dtype)) - float(one)
    mantissa = -int(np.log2(gap))
    return 8 * dtype.itemsize - 1 - mantissa, mantissa


def _precision_expand(x: Any, *, exponent_bits: int, mantissa_bits: int) -> Any:
    """Round to nearest even; what is too large becomes infinite, what would be subnormal becomes zero."""
    aval = get_aval(x)
    _precision_abstract(aval, exponent_bits=exponent_bits, mantissa_bits=mantissa_bits)
    word = np.dtype(f"u{aval.dtype.itemsize}")
    exponent, mantissa = _layout(aval.dtype)
    bits = ew.bitcast_convert_type_p.bind(x, new_dtype=word)
    sign_bit = word.type(1 << (8 * word.itemsize - 1))
    if mantissa_bits < mantissa:
        drop = mantissa - mantissa_bits
        odd = ew.and_(ew.shift_right_logical_p.bind(bits, word.type(drop)), word.type(1))
        bits = ew.add(ew.add(bits, odd), word.type((1 << (drop - 1)) - 1))
        bits = ew.and_(bits, word.type(~((1 << drop) - 1) & np.iinfo(word).max))
    if exponent_bits < exponent:
        bias, reach = (1 << (exponent - 1)) - 1, (1 << (exponent_bits - 1)) - 1
        infinite = word.type(((1 << exponent) - 1) << mantissa)
        sign, size = ew.and_(bits, sign_bit), ew.and_(bits, infinite)
        choose = lambda mask, value, rest: raw.select(mask, ew.or_(sign, word.type(value)), rest)  # noqa: E731
        bits = choose(ew.gt(size, word.type((bias + reach) << mantissa)), infinite, bits)
        bits = choose(ew.le(size, word.type((bias - reach) << mantissa)), 0, bits)
    out = ew.bitcast_convert_type_p.bind(bits, new_dtype=aval.dtype)
    strong = ew.convert(x, aval.dtype)
    return ew.convert(raw.select(ew.ne(strong, strong), strong, out), aval.dtype, aval.weak_type)


def _same(prim: Primitive) -> Any:
    return lambda size, args, dims, **params: (prim.bind(*args, **params), dims[0])


reduce_precision_p.abstract = _precision_abstract
reduce_precision_p.expand = _precision_expand
linear(reduce_precision_p, lambda ct, x, **params: reduce_precision_p.bind(ct, **params))
reduce_precision_p.batch = _same(reduce_precision_p)

# -- mulhi ------------------------------------------------------------------------------------------

mulhi_p = Primitive("mulhi")


def _mulhi_abstract(x: ShapedArray, y: ShapedArray) -> ShapedArray:
    check_kinds("mulhi", [x, y], "iu")
    check_same_dtype("mulhi", [x, y])
    return shaped_array(broadcast("mulhi", [x, y]), x.dtype, x.weak_type and y.weak_type)


def _mulhi_expand(x: Any, y: Any) -> Any:
    dtype = get_aval(x).dtype
    _mulhi_abstract(get_aval(x), get_aval(y))
    if dtype.itemsize < 8:
        wide = np.dtype(f"{dtype.kind}{2 * dtype.itemsize}")
        product = ew.mul(ew.convert(x, wide), ew.convert(y, wide))
        shift = ew.shift_right_arithmetic_p if dtype.kind == "i" else ew.shift_right_logical_p
        return ew.convert(shift.bind(product, wide.type(8 * dtype.itemsize)), dtype)
    if dtype.kind == "u":
        return _upper_word(x, y)
    # Of signed numbers, as of unsigned ones less what their sign bits stand for.
    word = np.dtype(np.uint64)
    x, y = (ew.convert(v, dtype) for v in (x, y))
    bits_x, bits_y = (ew.bitcast_convert_type_p.bind(v, new_dtype=word) for v in (x, y))
    sign = lambda v: ew.bitcast_convert_type_p.bind(  # noqa: E731
        ew.shift_right_arithmetic_p.bind(v, dtype.type(63)), new_dtype=word
    )
    upper = ew.sub(_upper_word(bits_x, bits_y), ew.and_(sign(x), bits_y))
    return ew.bitcast_convert_type_p.bind(ew.sub(upper, ew.and_(sign(y), bits_x)), new_dtype=dtype)


def _upper_word(x: Any, y: Any) -> Any:
    """The upper 64 bits of a product, by halves of 32 bits."""
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    high = lambda v: ew.shift_right_logical_p.bind(v, half)  # noqa: E731
    low = lambda v: ew.and_(v, mask)  # noqa: E731
    middle = ew.add(ew.mul(high(x), low(y)), high(ew.mul(low(x), low(y))))
    carry = high(ew.add(ew.mul(low(x), high(y)), low(middle)))
    return ew.add(ew.add(ew.mul(high(x), high(y)), high(middle)), carry)


mulhi_p.abstract = _mulhi_abstract
mulhi_p.expand = _mulhi_expand

__all__ = ["mulhi_p", "reduce_precision_p"]
