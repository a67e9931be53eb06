"""Threefry-2x32 on words: keys as they are inside of compiled programs, where they are unsigned 64-bit numbers.

A word holds the key (k0, k1) as ``k0 | k1 << 32``. The cipher is that of J. Salmon et al., "Parallel random numbers: as
easy as 1, 2, 3", SC11 (2011), with 20 rounds; element ``i`` of a result is the encryption of the counter ``i``.
The primitives on key arrays are in ``keys.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney import _ext
from jitney._core.avals import shaped_array
from jitney._core.primitive import Primitive
from jitney._kernel import index as ix
from jitney._kernel.rules import Map, Pull
from jitney._ops import raw
from jitney._ops.families import broadcast, elementwise_batch

U32, U64 = np.dtype(np.uint32), np.dtype(np.uint64)
_UINT = {8: np.dtype("u1"), 16: np.dtype("u2"), 32: U32, 64: U64}

_TURNS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA

# -- one element --------------------------------------------------------------------------------------


def _cipher(b: Any, word: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """The counter ``(x0, x1)`` encrypted under the key in ``word``."""
    k0, k1 = _halves(b, word)
    keys = (k0, k1, b.xor(b.xor(k0, k1), b.const(_PARITY, U32)))
    x0, x1 = b.add(x0, k0), b.add(x1, k1)
    for group in range(5):
        for turn in _TURNS[group % 2]:
            x0 = b.add(x0, x1)
            x1 = b.xor(_rotated(b, x1, turn), x0)
        x0 = b.add(x0, keys[(group + 1) % 3])
        x1 = b.add(x1, b.add(keys[(group + 2) % 3], b.const(group + 1, U32)))
    return x0, x1


def _rotated(b: Any, x: Any, n: int) -> Any:
    return b.or_(b.shl(x, b.const(n, U32)), b.shr_logical(x, b.const(32 - n, U32)))


def _halves(b: Any, word: Any) -> tuple[Any, Any]:
    return b.cast(word, U32), b.cast(b.shr_logical(word, b.const(32, U64)), U32)


def _joined(b: Any, low: Any, high: Any) -> Any:
    return b.or_(b.cast(low, U64), b.shl(b.cast(high, U64), b.const(32, U64)))


def _counter(b: Any, place: tuple, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """The number of an element of ``shape``, as its high and low half."""
    flat = ix.linearize(place, shape)
    if math.prod(shape) <= 1 << 32:
        return b.const(0, U32), b.index_value(flat, U32)
    low, high = _halves(b, b.index_value(flat, U64))
    return high, low


# -- seed, fold_in ------------------------------------------------------------------------------------


def np_seed(seeds: Any) -> Any:
    """The words of the keys of integer seeds: their high and low halves."""
    if seeds.dtype.itemsize == 8:
        return np.bitwise_or(seeds.astype(U64) >> np.uint64(32), seeds.astype(U64) << np.uint64(32))
    return np.left_shift(seeds.astype(U32).astype(U64), np.uint64(32))


def _lower_seed(b: Any, seed: Any) -> Any:
    if seed.dtype.itemsize < 8:
        return b.shl(b.cast(b.cast(seed, U32), U64), b.const(32, U64))
    low, high = _halves(b, b.cast(seed, U64))
    return _joined(b, high, low)


def np_fold_in(words: Any, data: Any) -> Any:
    """The words of new keys, one for each key and 32-bit number."""
    words, data = np.broadcast_arrays(words, data)
    counters = np.left_shift(data, np.uint64(32), dtype=U64, out=np.empty(data.shape, U64))
    return _ext.threefry_fold(words, counters).reshape(words.shape)


def _lower_fold_in(b: Any, word: Any, data: Any) -> Any:
    return _joined(b, *_cipher(b, word, b.const(0, U32), data))


seed_p = Primitive("threefry_seed")
seed_p.abstract = lambda x: shaped_array(x.shape, U64)
seed_p.numpy = np_seed
seed_p.batch = elementwise_batch(seed_p)
seed_p.lower = Map(_lower_seed)

fold_in_p = Primitive("threefry_fold_in")
fold_in_p.abstract = lambda words, data: shaped_array(broadcast("threefry_fold_in", [words, data]), U64)
fold_in_p.numpy = np_fold_in
fold_in_p.batch = elementwise_batch(fold_in_p)
fold_in_p.lower = Map(_lower_fold_in)

# -- split, bits --------------------------------------------------------------------------------------


def np_split(words: Any, *, shape: tuple[int, ...]) -> Any:
    """The words of ``shape`` new keys for each key."""
    return _ext.threefry_split(words, math.prod(shape)).reshape(words.shape + shape)


def _split_element(b: Any, idx: Any, words: Any, *, shape: tuple[int, ...]) -> Any:
    ahead = words.aval.ndim
    high, low = _counter(b, idx[ahead:], shape)
    return _joined(b, *_cipher(b, words.read(idx[:ahead]), high, low))


def np_bits(words: Any, *, bit_width: int, shape: tuple[int, ...]) -> Any:
    """Random unsigned integers of ``bit_width`` bits, ``shape`` for each key."""
    return _ext.threefry_bits(words, math.prod(shape), bit_width).reshape(words.shape + shape)


def _bits_element(b: Any, idx: Any, words: Any, *, bit_width: int, shape: tuple[int, ...]) -> Any:
    ahead = words.aval.ndim
    high, low = _counter(b, idx[ahead:], shape)
    x0, x1 = _cipher(b, words.read(idx[:ahead]), high, low)
    return _joined(b, x1, x0) if bit_width == 64 else b.cast(b.xor(x0, x1), _UINT[bit_width])


def bits_dtype(bit_width: int) -> np.dtype:
    """The unsigned dtype of ``bit_width`` bits."""
    if bit_width not in _UINT:
        raise TypeError(f"random_bits: bit_width must be 8, 16, 32 or 64, got {bit_width}.")
    return _UINT[bit_width]


def leading_batch(prim: Primitive) -> Any:
    """Keys in any axes give results with the keys' axes first."""

    def batch(size: int, args: Any, dims: Any, **params: Any) -> tuple[Any, int]:
        return prim.bind(raw.move_axis(args[0], dims[0], 0), **params), 0

    return batch


split_p = Primitive("threefry_split")
split_p.abstract = lambda words, *, shape: shaped_array(words.shape + shape, U64)
split_p.numpy = np_split
split_p.batch = leading_batch(split_p)
split_p.lower = Pull(_split_element, cheap=False)

bits_p = Primitive("threefry_bits")
bits_p.abstract = lambda words, *, bit_width, shape: shaped_array(words.shape + shape, bits_dtype(bit_width))
bits_p.numpy = np_bits
bits_p.batch = leading_batch(bits_p)
bits_p.lower = Pull(_bits_element, cheap=False)
