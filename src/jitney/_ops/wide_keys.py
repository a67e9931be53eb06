"""Random keys of four words: ``rbg`` and ``unsafe_rbg``, whose bits are those of ``rng_bit_generator``.

A key is two Threefry keys one after the other. Both kinds draw bits by encrypting counters (Philox, ``counter_ciphers.py``) under
the key as state; ``rbg`` makes new keys of both halves by Threefry, ``unsafe_rbg`` draws them. An array of keys draws from its
first key, whence ``vmap`` over keys gives other numbers than a loop over them.

Functions here work on the two halves as unsigned 64-bit numbers. In compiled programs a key is a complex128 whose parts have
the bits of the halves (``_compiler/keys_as_words.py``): primitives that move numbers move them, and nothing computes with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw, threefry
from jitney._ops.counter_ciphers import DEFAULT, rng_bit_generator_p, spread
from jitney._ops.threefry import U32, U64

PAIR = np.dtype(np.complex128)
_F64 = np.dtype(np.float64)
_STRIDE = 10  # blocks of four words that lie between drawn keys

Halves = tuple[Any, Any]


# -- on halves ----------------------------------------------------------------------------------------


def seed(seeds: Any) -> Halves:
    """The key of an integer: its Threefry key, twice."""
    half = threefry.seed_p.bind(seeds)
    return half, half


def split(low: Any, high: Any, *, shape: tuple[int, ...], drawn: bool) -> Halves:
    """New keys, ``shape`` for each key."""
    if drawn:
        whole = (*get_aval(low).shape, *shape)
        words = _draw(low, high, (_STRIDE * math.prod(whole), 4), U32)
        words = raw.slice_(words, (0, 0), get_aval(words).shape, (_STRIDE, 1))
        return _halves_of_words(raw.reshape(words, (*whole, 4)))
    return threefry.split_p.bind(low, shape=shape), threefry.split_p.bind(high, shape=shape)


def fold_in(low: Any, high: Any, data: Any, *, drawn: bool) -> Halves:
    """New keys, one for each key and 32-bit number."""
    if drawn:
        shape = get_aval(data).shape
        words = _draw(*seed(data), (*shape, _STRIDE, 4), U32)
        begin = (*(0 for _ in shape), _STRIDE - 1, 0)
        last = raw.reshape(raw.slice_(words, begin, (*shape, _STRIDE, 4)), (*shape, 4))
        a, b = _halves_of_words(last)
        return _xor(low, a), _xor(high, b)
    return threefry.fold_in_p.bind(low, data), threefry.fold_in_p.bind(high, data)


def bits(low: Any, high: Any, *, bit_width: int, shape: tuple[int, ...]) -> Any:
    """Random unsigned integers, ``shape`` for each key."""
    return _draw(low, high, (*get_aval(low).shape, *shape), threefry.bits_dtype(bit_width))


def words_of(low: Any, high: Any) -> Any:
    """The four words of keys, in a last axis."""
    parts = [ew.bitcast_convert_type_p.bind(x, new_dtype=U32) for x in (low, high)]
    return raw.concatenate(parts, get_aval(parts[0]).ndim - 1)


def _halves_of_words(words: Any) -> Halves:
    shape = get_aval(words).shape[:-1]
    pairs = ew.bitcast_convert_type_p.bind(raw.reshape(words, (*shape, 2, 2)), new_dtype=U64)
    zeros = (0,) * len(shape)
    low = raw.slice_(pairs, (*zeros, 0), (*shape, 1))
    high = raw.slice_(pairs, (*zeros, 1), (*shape, 2))
    return raw.reshape(low, shape), raw.reshape(high, shape)


def _draw(low: Any, high: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Numbers from the first key."""
    if not math.prod(shape):
        return raw.full(shape, 0, dtype)
    state = raw.concatenate([_first(low), _first(high)], 0)
    params: dict[str, Any] = {"shape": shape, "dtype": dtype, "algorithm": DEFAULT, "out_sharding": None}
    return rng_bit_generator_p.bind(state, **params)[1]


def _first(x: Any) -> Any:
    aval = get_aval(x)
    return raw.slice_(raw.reshape(x, (aval.size,)), (0,), (1,))


def _xor(x: Any, y: Any) -> Any:
    shape = np.broadcast_shapes(get_aval(x).shape, get_aval(y).shape)
    return ew.xor(*(spread(v, shape) for v in (x, y)))


# -- in compiled programs -----------------------------------------------------------------------------


def _halves_of(pairs: Any) -> Halves:
    parts = (ew.real_p.bind(pairs), ew.imag_p.bind(pairs))
    low, high = (ew.bitcast_convert_type_p.bind(x, new_dtype=U64) for x in parts)
    return low, high


def _pairs(halves: Halves) -> Any:
    return ew.complex_p.bind(*(ew.bitcast_convert_type_p.bind(x, new_dtype=_F64) for x in halves))


def _equal(pairs: Sequence[Any]) -> Any:
    (a, b), (c, d) = map(_halves_of, pairs)
    return ew.and_p.bind(ew.eq_p.bind(a, c), ew.eq_p.bind(b, d))


def _primitive(name: str, expand: Callable[..., Any], abstract: Callable[..., ShapedArray]) -> Primitive:
    made = Primitive(f"wide_key_{name}")
    made.expand = expand
    made.abstract = abstract
    return made


def _broadcast(keys: ShapedArray, data: ShapedArray, **params: Any) -> ShapedArray:
    return shaped_array(np.broadcast_shapes(keys.shape, data.shape), PAIR)


seed_p = _primitive("seed", lambda x: _pairs(seed(x)), lambda x: shaped_array(x.shape, PAIR))
wrap_p = _primitive(
    "wrap", lambda words: _pairs(_halves_of_words(words)), lambda x: shaped_array(x.shape[:-1], PAIR)
)
unwrap_p = _primitive(
    "unwrap", lambda keys: words_of(*_halves_of(keys)), lambda x: shaped_array((*x.shape, 4), U32)
)
split_p = _primitive(
    "split",
    lambda keys, **params: _pairs(split(*_halves_of(keys), **params)),
    lambda keys, *, shape, drawn: shaped_array(keys.shape + shape, PAIR),
)
fold_in_p = _primitive(
    "fold_in", lambda keys, data, **params: _pairs(fold_in(*_halves_of(keys), data, **params)), _broadcast
)
bits_p = _primitive(
    "bits",
    lambda keys, **params: bits(*_halves_of(keys), **params),
    lambda keys, *, bit_width, shape: shaped_array(keys.shape + shape, threefry.bits_dtype(bit_width)),
)
eq_p = _primitive(
    "eq", lambda *keys: _equal(keys), lambda x, y: shaped_array(_broadcast(x, y).shape, np.dtype(bool))
)
ne_p = _primitive(
    "ne",
    lambda *keys: ew.not_p.bind(_equal(keys)),
    lambda x, y: shaped_array(_broadcast(x, y).shape, np.dtype(bool)),
)
