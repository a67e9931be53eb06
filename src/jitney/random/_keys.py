"""Making keys and taking them apart: key, PRNGKey, split, fold_in, clone, key_data, wrap_key_data."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from jitney import _ext
from jitney._base import dtypes
from jitney._base.dtypes import KEY
from jitney._core.trace import ArrayImpl, Tracer, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops.keys import (
    FRY,
    Implementation,
    random_clone_p,
    random_fold_in_p,
    random_seed_p,
    random_split_p,
    random_unwrap_p,
)
from jitney.lax.operands import to_shape
from jitney.numpy.operands import array_operand
from jitney.random._sampling import single_key, typed_keys, wrapped

__all__ = [
    "PRNGKey",
    "clone",
    "fold_in",
    "key",
    "key_data",
    "key_dtype",
    "key_impl",
    "split",
    "wrap_key_data",
]

_U32 = np.dtype(np.uint32)


def _check_impl(impl: Any) -> None:
    if impl is None or impl in (FRY.name, FRY.tag) or impl is FRY or impl is KEY:
        return
    if isinstance(impl, str) and impl in ("rbg", "unsafe_rbg"):
        raise NotImplementedError(
            f'keys of "{impl}" are not supported: they draw other numbers under vmap. Use the default keys, which '
            "are compiled, or jitney.lax.rng_bit_generator with a state of your own."
        )
    if not isinstance(impl, (str, np.dtype, Implementation)):
        raise TypeError(f'impl must be "threefry2x32" or None, got {impl!r} of type {type(impl).__name__}.')
    raise ValueError(
        f'unrecognized PRNG implementation "{impl}": jitney makes random numbers with "threefry2x32".'
    )


def key(seed: Any, *, impl: Any = None, dtype: Any = None) -> Any:
    """A random key from an integer seed.

    Args:
        seed: an integer or integer scalar array.
        impl: ``"threefry2x32"`` or None.
        dtype: the dtype of a key in place of ``impl``.

    Returns:
        a scalar array of dtype ``key<fry>``. Samplers take it; ``split`` and ``fold_in`` make more of it.

    Raises:
        TypeError: for seeds that are no integer scalars.
        OverflowError: for Python integers beyond 64 bits.

    >>> import jitney
    >>> jitney.random.split(jitney.random.key(0)).shape
    (2,)
    """
    _check_impl(impl)
    if dtype is not None and dtype is not KEY:
        raise ValueError(f"key: dtype must be that of random keys, key<fry>, got {dtype}.")
    return _seeded("key", seed)


def PRNGKey(seed: Any, *, impl: Any = None) -> Any:  # noqa: N802  (JAX's name)
    """A raw random key from an integer seed: a uint32 array of shape ``[2]``. ``key`` makes typed ones.

    >>> import jitney
    >>> jitney.random.PRNGKey(7)
    Array([0, 7], dtype=uint32)
    """
    _check_impl(impl)
    return random_unwrap_p.bind(_seeded("PRNGKey", seed))


def _seeded(name: str, seed: Any) -> Any:
    if type(seed) is int:
        if current_trace() is None and 0 <= seed < 1 << 32 and not isinstance(seed, bool):
            return _ext.wrap(np.asarray(np.uint64(seed << 32)).view(KEY))
        if not -(1 << 63) <= seed < 1 << 63:
            raise OverflowError(f"{name}: the seed {seed} does not fit into 64 bits.")
        return random_seed_p.bind(np.int64(seed), impl=FRY)
    aval = get_aval(array_operand(name, seed))
    if dtypes.kind_of(aval.dtype) not in "iu":
        raise TypeError(f"PRNG key seed must be an integer; got {aval.str_short()} ({seed!r}).")
    if aval.shape:
        raise TypeError(
            f"{name} accepts a scalar seed, but was given an array of shape {aval.shape} != (). Use jitney.vmap for batching."
        )
    return random_seed_p.bind(seed, impl=FRY)


def split(key: Any, num: Any = 2) -> Any:
    """New, independent keys from one; the old one should not be used again.

    Args:
        key: a key, typed or raw.
        num: how many, or the shape of the array of new keys.

    Returns:
        keys of shape ``[num]`` (raw: uint32 ``[num, 2]``).

    >>> import jitney
    >>> key, subkey = jitney.random.split(jitney.random.key(0))
    """
    keys, typed = single_key("split", key)
    shape = (num,) if type(num) is int and num >= 0 else to_shape("split", _whole(num))
    out = random_split_p.bind(keys, shape=shape)
    return out if typed else random_unwrap_p.bind(out)


def _whole(num: Any) -> Any:
    return num if isinstance(num, (tuple, list)) else (operator.index(num),)


def fold_in(key: Any, data: Any) -> Any:
    """A new key from a key and a number, such as the count of a loop.

    Args:
        key: a key, typed or raw.
        data: an integer below 2**32 or an integer scalar array.

    Raises:
        TypeError: if ``data`` is no scalar.
        OverflowError: for Python integers that do not fit into 32 bits.
    """
    keys, typed = single_key("fold_in", key)
    if type(data) is int:
        if not 0 <= data < 1 << 32:
            raise OverflowError(f"Python integer {data} out of bounds for uint32: fold_in takes 32 bits.")
        if type(keys) is ArrayImpl and typed and current_trace() is None:
            words = _ext.threefry_fold(keys._np, np.array(data << 32, np.uint64))
            return _ext.wrap(words.view(KEY).reshape(()))
        number: Any = np.uint32(data)
    else:
        number = array_operand("fold_in", data)
        if get_aval(number).shape:
            raise TypeError(
                f"fold_in accepts a scalar, but was given an array of shape {get_aval(number).shape} != (). "
                "Use jitney.vmap for batching."
            )
        number = ew.convert(number, _U32)
    out = random_fold_in_p.bind(keys, number)
    return out if typed else random_unwrap_p.bind(out)


def clone(key: Any) -> Any:
    """The same key again, for code that means to use it twice."""
    keys, typed = typed_keys("clone", key)
    return random_clone_p.bind(keys) if typed else key


def key_data(keys: Any) -> Any:
    """The words of keys: uint32, shape ``[*keys.shape, 2]``. Raw keys are given as they are.

    >>> import jitney
    >>> jitney.random.key_data(jitney.random.key(7))
    Array([0, 7], dtype=uint32)
    """
    made, typed = typed_keys("key_data", keys)
    return random_unwrap_p.bind(made) if typed else array_operand("key_data", keys)


def wrap_key_data(key_bits_array: Any, *, impl: Any = None, dtype: Any = None) -> Any:
    """Typed keys from their words.

    Args:
        key_bits_array: uint32 of shape ``[..., 2]``.
        impl: ``"threefry2x32"`` or None.

    Raises:
        TypeError: for other dtypes or shapes.
    """
    _check_impl(impl)
    if type(key_bits_array) is not ArrayImpl and not isinstance(key_bits_array, (Tracer, np.ndarray)):
        raise TypeError(f"wrap_key_data requires a uint32 array, got {type(key_bits_array).__name__}.")
    return wrapped("wrap_key_data", array_operand("wrap_key_data", key_bits_array))


def key_impl(keys: Any) -> str:
    """The name of the implementation that keys belong to."""
    typed_keys("key_impl", keys)
    return FRY.name


def key_dtype(impl_spec: Any = None) -> np.dtype:
    """The dtype of keys."""
    _check_impl(impl_spec)
    return KEY
