"""Bits by encrypting counters under a state that a program carries on: rng_bit_generator; threefry2x32 on words.

J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011): Philox-4x32-10 and Threefry-2x32-20. A state
is a key of 64 bits and a counter of 64 bits; its counter goes on by the number of blocks that were used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.families import broadcast

U32, U64 = np.dtype(np.uint32), np.dtype(np.uint64)
_32 = np.uint64(32)

DEFAULT, THREE_FRY, PHILOX = range(3)  # algorithms; the default on CPUs is Philox

# -- Threefry -----------------------------------------------------------------------------------------------

threefry2x32_p = Primitive("threefry2x32", multiple_results=True)

_TURNS = ((13, 15, 26, 6), (17, 29, 16, 24))


def _threefry_abstract(*args: ShapedArray) -> list[ShapedArray]:
    if any(a.dtype != U32 for a in args):
        found = ", ".join(a.str_short() for a in args)
        raise TypeError(f"Arguments to threefry2x32 must have uint32 type, got {found}")
    return [shaped_array(broadcast("threefry2x32", args), U32)] * 2


def _threefry(k0: Any, k1: Any, x0: Any, x1: Any) -> list[Any]:
    shape = np.broadcast_shapes(*[get_aval(x).shape for x in (k0, k1, x0, x1)])
    k0, k1, x0, x1 = (spread(x, shape) for x in (k0, k1, x0, x1))
    keys = (k0, k1, ew.xor(ew.xor(k0, k1), np.uint32(0x1BD11BDA)))
    x0, x1 = ew.add(x0, k0), ew.add(x1, k1)
    for group in range(5):
        for turn in _TURNS[group % 2]:
            x0 = ew.add(x0, x1)
            x1 = ew.xor(_rotated(x1, turn), x0)
        x0 = ew.add(x0, keys[(group + 1) % 3])
        x1 = ew.add(x1, ew.add(keys[(group + 2) % 3], np.uint32(group + 1)))
    return [x0, x1]


def _rotated(x: Any, n: int) -> Any:
    return ew.or_(_left(x, np.uint32(n)), _right(x, np.uint32(32 - n)))


def _left(x: Any, n: Any) -> Any:
    return ew.shift_left_p.bind(x, n)


def _right(x: Any, n: Any) -> Any:
    return ew.shift_right_logical_p.bind(x, n)


def spread(x: Any, shape: Sequence[int]) -> Any:
    """``x`` broadcast to ``shape``."""
    have = get_aval(x).shape
    if have == tuple(shape):
        return x
    return raw.broadcast_in_dim(x, shape, range(len(shape) - len(have), len(shape)))


threefry2x32_p.abstract = _threefry_abstract
threefry2x32_p.expand = _threefry

# -- Philox -------------------------------------------------------------------------------------------------


def _philox(counter: Sequence[Any], key: Sequence[Any]) -> list[Any]:
    """The four words of each counter, as unsigned 32-bit numbers."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        p0 = ew.mul(ew.convert(c0, U64), np.uint64(0xD2511F53))
        p1 = ew.mul(ew.convert(c2, U64), np.uint64(0xCD9E8D57))
        c0, c1, c2, c3 = (
            ew.xor(ew.xor(_high(p1), c1), k0),
            _low(p1),
            ew.xor(ew.xor(_high(p0), c3), k1),
            _low(p0),
        )
        k0, k1 = ew.add(k0, np.uint32(0x9E3779B9)), ew.add(k1, np.uint32(0xBB67AE85))
    return [c0, c1, c2, c3]


def _low(x: Any) -> Any:
    return ew.convert(x, U32)


def _high(x: Any) -> Any:
    return ew.convert(_right(x, _32), U32)


# -- the generator ------------------------------------------------------------------------------------------

rng_bit_generator_p = Primitive("rng_bit_generator", multiple_results=True)


def _generator_abstract(
    key: ShapedArray, *, shape: tuple[int, ...], dtype: np.dtype, algorithm: Any, out_sharding: Any
) -> list[ShapedArray]:
    if (key.shape, key.dtype) not in (((4,), U32), ((2,), U64)):
        raise TypeError(
            f"rng_bit_generator requires a key of type uint32[4] or uint64[2], got {key.str_short()}."
        )
    return [key, shaped_array(shape, dtype)]


def _generate(
    key: Any, *, shape: tuple[int, ...], dtype: np.dtype, algorithm: Any, out_sharding: Any
) -> list[Any]:
    words = get_aval(key).dtype == U32
    pair = ew.bitcast_convert_type_p.bind(raw.reshape(key, (2, 2)), new_dtype=U64) if words else key
    low, state = (raw.reshape(raw.slice_(pair, (i,), (i + 1,)), ()) for i in range(2))
    draw = _by_threefry if int(algorithm) == THREE_FRY else _by_philox
    out, used = draw(low, state, tuple(shape), np.dtype(dtype))
    state = ew.add(state, np.uint64(used))
    pair = raw.concatenate([raw.reshape(x, (1,)) for x in (low, state)], 0)
    if words:
        pair = raw.reshape(ew.bitcast_convert_type_p.bind(pair, new_dtype=U32), (4,))
    return [pair, out]


def _by_philox(key: Any, state: Any, shape: tuple[int, ...], dtype: np.dtype) -> tuple[Any, int]:
    """Words in order, four of a block; a counter that overflows goes on in the upper half, which begins at the key."""
    count = math.prod(shape) * (2 if dtype.itemsize == 8 else 1)
    blocks = -(-count // 4)
    if not count:
        return raw.full(shape, 0, dtype), 0
    counter = ew.add(state, raw.iota(U64, (blocks,)))
    carry = ew.convert(ew.lt(counter, state), U64)
    upper = ew.add(key, carry)
    found = _philox([_low(counter), _high(counter), _low(upper), _high(upper)], [_low(key), _high(key)])
    flat = raw.reshape(raw.concatenate([raw.expand_dims(x, (1,)) for x in found], 1), (4 * blocks,))
    flat = raw.slice_(flat, (0,), (count,))
    if dtype.itemsize == 8:
        return ew.bitcast_convert_type_p.bind(raw.reshape(flat, (*shape, 2)), new_dtype=dtype), blocks
    return ew.convert(raw.reshape(flat, shape), dtype), blocks


def _by_threefry(key: Any, state: Any, shape: tuple[int, ...], dtype: np.dtype) -> tuple[Any, int]:
    """A block gives two numbers, which are neighbours along one axis: the first even one, or the longest."""
    if not math.prod(shape):
        return raw.full(shape, 0, dtype), 0
    split = dtype.itemsize < 8
    axis, half = _halved(shape) if split else (0, shape)
    blocks = math.prod(half)
    counter = ew.add(state, raw.reshape(raw.iota(U64, (blocks,)), half))
    x0, x1 = _threefry(_low(key), _high(key), _low(counter), _high(counter))
    if not split:
        return ew.or_(ew.convert(x0, U64), _left(ew.convert(x1, U64), _32)), blocks
    both = raw.concatenate([raw.expand_dims(x, (axis + 1,)) for x in (x0, x1)], axis + 1)
    whole = tuple(2 * n if i == axis else n for i, n in enumerate(half))
    out = raw.slice_(raw.reshape(both, whole), (0,) * len(whole), shape or (1,))
    return ew.convert(raw.reshape(out, shape), dtype), blocks


def _halved(shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The axis along which a shape is cut in two, and the shape of a half."""
    sizes = shape or (1,)
    longest = max(range(len(sizes)), key=lambda i: sizes[i])
    axis = next((i for i, n in enumerate(sizes) if n % 2 == 0), longest)
    return axis, tuple(-(-n // 2) if i == axis else n for i, n in enumerate(sizes))


rng_bit_generator_p.abstract = _generator_abstract
rng_bit_generator_p.expand = _generate

__all__ = ["DEFAULT", "PHILOX", "THREE_FRY", "rng_bit_generator_p", "threefry2x32_p"]
