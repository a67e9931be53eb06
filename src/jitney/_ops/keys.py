"""Primitives on arrays of random keys: seed, wrap, unwrap, split, fold_in, clone, bits.

A key is one element of a dtype such as ``key<fry>``: key arrays are moved by the same primitives as numbers. In compiled
programs keys are words and these primitives those of ``threefry.py`` and ``wide_keys.py`` (``_compiler/keys_as_words.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._base.dtypes import KEY, RBG_KEY, URBG_KEY, is_key
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive, registry
from jitney._core.trace import to_numpy
from jitney._ops import threefry, wide_keys
from jitney._ops.families import broadcast, check_kinds, elementwise_batch
from jitney._ops.threefry import U32, U64, leading_batch


class Implementation:
    """A way to make random numbers from keys; ``tag`` is its short name, as printed in ``dtype``."""

    __slots__ = ("dtype", "key_shape", "name", "tag")

    def __init__(self, name: str, tag: str, key_shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.name, self.tag, self.key_shape, self.dtype = name, tag, key_shape, dtype

    def __repr__(self) -> str:
        return self.tag

    def __reduce__(self) -> str:
        return next(name for name, value in globals().items() if value is self)  # pickled by its name


FRY = Implementation("threefry2x32", "fry", (2,), KEY)
RBG = Implementation("rbg", "rbg", (4,), RBG_KEY)
UNSAFE_RBG = Implementation("unsafe_rbg", "urbg", (4,), URBG_KEY)
IMPLEMENTATIONS = {impl.name: impl for impl in (FRY, RBG, UNSAFE_RBG)}
_BY_DTYPE = {impl.dtype: impl for impl in IMPLEMENTATIONS.values()}


def implementation_of(dtype: np.dtype) -> Implementation:
    """The implementation whose keys have ``dtype``."""
    return _BY_DTYPE[dtype]


def _check_keys(name: str, x: ShapedArray) -> None:
    if not is_key(x.dtype):
        raise TypeError(
            f"{name} requires random keys, of a dtype such as key<fry>, got {x.str_short()}. "
            "Make one: jitney.random.key(0)."
        )


# -- seed, wrap, unwrap -------------------------------------------------------------------------------


def _seed_abstract(seeds: ShapedArray, *, impl: Implementation) -> ShapedArray:
    check_kinds("random_seed", [seeds], "iu")
    return shaped_array(seeds.shape, impl.dtype)


def _wrap_abstract(words: ShapedArray, *, impl: Implementation) -> ShapedArray:
    if words.dtype != U32 or words.shape[-1:] != impl.key_shape:
        raise TypeError(
            f"random_wrap requires uint32 key data whose last axis has size {impl.key_shape[0]} for keys of "
            f"{impl.name}, got {words.str_short()}."
        )
    return shaped_array(words.shape[:-1], impl.dtype)


def _unwrap_abstract(keys: ShapedArray) -> ShapedArray:
    _check_keys("random_unwrap", keys)
    return shaped_array((*keys.shape, *implementation_of(keys.dtype).key_shape), U32)


def _np_wrap(words: Any, *, impl: Implementation) -> Any:
    return np.ascontiguousarray(words).view(impl.dtype).reshape(words.shape[:-1])


def _np_unwrap(keys: Any) -> Any:
    shape = implementation_of(keys.dtype).key_shape
    return np.ascontiguousarray(keys).view(U32).reshape((*np.shape(keys), *shape))


def _np_seed(seeds: Any, *, impl: Implementation) -> Any:
    return _as_keys(threefry.np_seed(seeds), KEY) if impl is FRY else _wide(wide_keys.seed(seeds), impl.dtype)


random_seed_p = Primitive("random_seed")
random_seed_p.abstract = _seed_abstract
random_seed_p.numpy = _np_seed
random_seed_p.batch = elementwise_batch(random_seed_p)
random_seed_p.lower = threefry.seed_p.lower

random_wrap_p = Primitive("random_wrap")
random_wrap_p.abstract = _wrap_abstract
random_wrap_p.numpy = _np_wrap
random_wrap_p.batch = leading_batch(random_wrap_p)

random_unwrap_p = Primitive("random_unwrap")
random_unwrap_p.abstract = _unwrap_abstract
random_unwrap_p.numpy = _np_unwrap
random_unwrap_p.batch = leading_batch(random_unwrap_p)

# -- new keys, bits -----------------------------------------------------------------------------------


def _as_keys(words: Any, dtype: np.dtype) -> Any:
    return np.asarray(words).view(dtype)


def _halves(keys: Any) -> tuple[Any, Any]:
    """The halves of keys of four words, as 64-bit numbers."""
    pairs = np.ascontiguousarray(keys).view(U64).reshape((*np.shape(keys), 2))
    return pairs[..., 0], pairs[..., 1]


def _wide(halves: Sequence[Any], dtype: np.dtype) -> Any:
    """Keys of four words from their halves."""
    pairs = np.stack([to_numpy(half) for half in halves], -1)
    return pairs.view(dtype).reshape(pairs.shape[:-1])


def _np_fold_in(keys: Any, data: Any) -> Any:
    if keys.dtype is KEY:
        return _as_keys(threefry.np_fold_in(keys, data), KEY)
    return _wide(wide_keys.fold_in(*_halves(keys), data, drawn=_drawn(keys)), keys.dtype)


def _np_split(keys: Any, *, shape: tuple[int, ...]) -> Any:
    if keys.dtype is KEY:
        return _as_keys(threefry.np_split(keys, shape=shape), KEY)
    return _wide(wide_keys.split(*_halves(keys), shape=shape, drawn=_drawn(keys)), keys.dtype)


def _np_bits(keys: Any, *, bit_width: int, shape: tuple[int, ...]) -> Any:
    if keys.dtype is KEY:
        return threefry.np_bits(keys, bit_width=bit_width, shape=shape)
    return to_numpy(wide_keys.bits(*_halves(keys), bit_width=bit_width, shape=shape))


def _drawn(keys: Any) -> bool:
    """Whether new keys are drawn, not made by Threefry."""
    return keys.dtype is URBG_KEY


def _fold_in_abstract(keys: ShapedArray, data: ShapedArray) -> ShapedArray:
    _check_keys("random_fold_in", keys)
    if data.dtype != U32:
        raise TypeError(f"random_fold_in requires data of dtype uint32, got {data.str_short()}.")
    return shaped_array(broadcast("random_fold_in", [keys, data]), keys.dtype)


def _split_abstract(keys: ShapedArray, *, shape: tuple[int, ...]) -> ShapedArray:
    _check_keys("random_split", keys)
    return shaped_array(keys.shape + shape, keys.dtype)


def _bits_abstract(keys: ShapedArray, *, bit_width: int, shape: tuple[int, ...]) -> ShapedArray:
    _check_keys("random_bits", keys)
    return shaped_array(keys.shape + shape, threefry.bits_dtype(bit_width))


def _clone_abstract(keys: ShapedArray) -> ShapedArray:
    _check_keys("random_clone", keys)
    return keys


random_fold_in_p = Primitive("random_fold_in")
random_fold_in_p.abstract = _fold_in_abstract
random_fold_in_p.numpy = _np_fold_in
random_fold_in_p.batch = elementwise_batch(random_fold_in_p)
random_fold_in_p.lower = threefry.fold_in_p.lower

random_split_p = Primitive("random_split")
random_split_p.abstract = _split_abstract
random_split_p.numpy = _np_split
random_split_p.batch = leading_batch(random_split_p)
random_split_p.lower = threefry.split_p.lower

random_bits_p = Primitive("random_bits")
random_bits_p.abstract = _bits_abstract
random_bits_p.numpy = _np_bits
random_bits_p.batch = leading_batch(random_bits_p)
random_bits_p.lower = threefry.bits_p.lower

random_clone_p = Primitive("random_clone")
random_clone_p.abstract = _clone_abstract
random_clone_p.numpy = lambda keys: keys
random_clone_p.batch = lambda size, args, dims: (random_clone_p.bind(args[0]), dims[0])

# -- keys as words ------------------------------------------------------------------------------------

Rewritten = tuple[Primitive, dict[str, Any]]

# What each primitive is in a compiled program, and with which params, on keys of two words and on those of four.
ON_WORDS: dict[Primitive, Callable[[dict[str, Any]], Rewritten]] = {
    random_seed_p: lambda params: (threefry.seed_p, {}),
    random_wrap_p: lambda params: (_bitcast(), {"new_dtype": U64}),
    random_unwrap_p: lambda params: (_bitcast(), {"new_dtype": U32}),
    random_fold_in_p: lambda params: (threefry.fold_in_p, params),
    random_split_p: lambda params: (threefry.split_p, params),
    random_bits_p: lambda params: (threefry.bits_p, params),
    random_clone_p: lambda params: (registry["copy"], {}),
}
ON_WIDE_WORDS: dict[Primitive, Callable[[dict[str, Any], np.dtype], Rewritten]] = {
    random_seed_p: lambda params, dtype: (wide_keys.seed_p, {}),
    random_wrap_p: lambda params, dtype: (wide_keys.wrap_p, {}),
    random_unwrap_p: lambda params, dtype: (wide_keys.unwrap_p, {}),
    random_fold_in_p: lambda params, dtype: (wide_keys.fold_in_p, {"drawn": dtype is URBG_KEY}),
    random_split_p: lambda params, dtype: (wide_keys.split_p, {**params, "drawn": dtype is URBG_KEY}),
    random_bits_p: lambda params, dtype: (wide_keys.bits_p, params),
    random_clone_p: lambda params, dtype: (registry["copy"], {}),
    registry["eq"]: lambda params, dtype: (wide_keys.eq_p, {}),
    registry["ne"]: lambda params, dtype: (wide_keys.ne_p, {}),
}


def _bitcast() -> Primitive:
    return registry["bitcast_convert_type"]
