"""Primitives on arrays of random keys: seed, wrap, unwrap, split, fold_in, clone, bits.

A key is one element of dtype ``key<fry>``: key arrays are moved by the same primitives as numbers. In compiled
programs keys are words and these primitives those of ``threefry.py`` (``_compiler/keys_as_words.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._base.dtypes import KEY
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive, registry
from jitney._ops import threefry
from jitney._ops.families import broadcast, check_kinds, elementwise_batch
from jitney._ops.threefry import U32, U64, leading_batch


class Implementation:
    """A way to make random numbers from keys; ``tag`` is its short name, as printed in dtypes."""

    __slots__ = ("key_shape", "name", "tag")

    def __init__(self, name: str, tag: str, key_shape: tuple[int, ...]) -> None:
        self.name, self.tag, self.key_shape = name, tag, key_shape

    def __repr__(self) -> str:
        return self.tag


FRY = Implementation("threefry2x32", "fry", (2,))


def _check_keys(name: str, x: ShapedArray) -> None:
    if x.dtype != KEY:
        raise TypeError(
            f"{name} requires keys of dtype key<fry>, got {x.str_short()}. Make one: jitney.random.key(0)."
        )


# -- seed, wrap, unwrap -------------------------------------------------------------------------------


def _seed_abstract(seeds: ShapedArray, *, impl: Implementation) -> ShapedArray:
    check_kinds("random_seed", [seeds], "iu")
    return shaped_array(seeds.shape, KEY)


def _wrap_abstract(words: ShapedArray, *, impl: Implementation) -> ShapedArray:
    if words.dtype != U32 or words.shape[-1:] != (2,):
        raise TypeError(
            f"random_wrap requires uint32 key data whose last axis has size 2, got {words.str_short()}."
        )
    return shaped_array(words.shape[:-1], KEY)


def _unwrap_abstract(keys: ShapedArray) -> ShapedArray:
    _check_keys("random_unwrap", keys)
    return shaped_array((*keys.shape, 2), U32)


def _np_wrap(words: Any, *, impl: Implementation) -> Any:
    return np.ascontiguousarray(words).view(KEY).reshape(words.shape[:-1])


def _np_unwrap(keys: Any) -> Any:
    return np.ascontiguousarray(keys).view(U32).reshape((*np.shape(keys), 2))


random_seed_p = Primitive("random_seed")
random_seed_p.abstract = _seed_abstract
random_seed_p.numpy = lambda seeds, *, impl: _as_keys(threefry.np_seed(seeds))
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


def _as_keys(words: Any) -> Any:
    return np.asarray(words).view(KEY)


def _fold_in_abstract(keys: ShapedArray, data: ShapedArray) -> ShapedArray:
    _check_keys("random_fold_in", keys)
    if data.dtype != U32:
        raise TypeError(f"random_fold_in requires data of dtype uint32, got {data.str_short()}.")
    return shaped_array(broadcast("random_fold_in", [keys, data]), KEY)


def _split_abstract(keys: ShapedArray, *, shape: tuple[int, ...]) -> ShapedArray:
    _check_keys("random_split", keys)
    return shaped_array(keys.shape + shape, KEY)


def _bits_abstract(keys: ShapedArray, *, bit_width: int, shape: tuple[int, ...]) -> ShapedArray:
    _check_keys("random_bits", keys)
    return shaped_array(keys.shape + shape, threefry.bits_dtype(bit_width))


def _clone_abstract(keys: ShapedArray) -> ShapedArray:
    _check_keys("random_clone", keys)
    return keys


random_fold_in_p = Primitive("random_fold_in")
random_fold_in_p.abstract = _fold_in_abstract
random_fold_in_p.numpy = lambda keys, data: _as_keys(threefry.np_fold_in(keys, data))
random_fold_in_p.batch = elementwise_batch(random_fold_in_p)
random_fold_in_p.lower = threefry.fold_in_p.lower

random_split_p = Primitive("random_split")
random_split_p.abstract = _split_abstract
random_split_p.numpy = lambda keys, *, shape: _as_keys(threefry.np_split(keys, shape=shape))
random_split_p.batch = leading_batch(random_split_p)
random_split_p.lower = threefry.split_p.lower

random_bits_p = Primitive("random_bits")
random_bits_p.abstract = _bits_abstract
random_bits_p.numpy = threefry.np_bits
random_bits_p.batch = leading_batch(random_bits_p)
random_bits_p.lower = threefry.bits_p.lower

random_clone_p = Primitive("random_clone")
random_clone_p.abstract = _clone_abstract
random_clone_p.numpy = lambda keys: keys
random_clone_p.batch = lambda size, args, dims: (random_clone_p.bind(args[0]), dims[0])

# -- keys as words ------------------------------------------------------------------------------------

# What each primitive is in a compiled program, and with which params.
ON_WORDS: dict[Primitive, Any] = {
    random_seed_p: lambda params: (threefry.seed_p, {}),
    random_wrap_p: lambda params: (_bitcast(), {"new_dtype": U64}),
    random_unwrap_p: lambda params: (_bitcast(), {"new_dtype": U32}),
    random_fold_in_p: lambda params: (threefry.fold_in_p, params),
    random_split_p: lambda params: (threefry.split_p, params),
    random_bits_p: lambda params: (threefry.bits_p, params),
    random_clone_p: lambda params: (registry["copy"], {}),
}


def _bitcast() -> Primitive:
    return registry["bitcast_convert_type"]
