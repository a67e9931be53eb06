"""Making keys and taking them apart: key, PRNGKey, split, fold_in, clone, key_data, wrap_key_data."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from jitney import _ext
from jitney._base import dtypes
from jitney._base.config import config
from jitney._base.dtypes import KEY, is_key
from jitney._core.trace import ArrayImpl, Tracer, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops.keys import (
    FRY,
    IMPLEMENTATIONS,
    Implementation,
    implementation_of,
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


def implementation_named(impl: Any) -> Implementation:
    """What ``impl`` names: an implementation, its name or short name, a dtype of keys; None is the default."""
    if impl is None:
        return IMPLEMENTATIONS[config.jax_default_prng_impl]
    if isinstance(impl, Implementation) and impl in IMPLEMENTATIONS.values():
        return impl
    for known in IMPLEMENTATIONS.values():
        if impl is known.dtype or (isinstance(impl, str) and impl in (known.name, known.tag)):
            return known
    names = ", ".join(f'"{name}"' for name in IMPLEMENTATIONS)
    if not isinstance(impl, (str, np.dtype, Implementation)):
        raise TypeError(f"impl must be one of {names} or None, got {impl!r} of type {type(impl).__name__}.")
    raise ValueError(f'unrecognized PRNG implementation "{impl}": there are {names}.')


def key(seed: Any, *, impl: Any = None, dtype: Any = None) -> Any:
    """A random key from an integer seed.

    Args:
        seed: an integer or integer scalar array.
        impl: ``"threefry2x32"``, the default; or ``"rbg"`` or ``"unsafe_rbg"``, whose numbers are cheaper to make, but under
            ``vmap`` over keys are not those of a loop over them.
        dtype: the dtype of a key in place of ``impl``.

    Returns:
        a scalar array of dtype ``key<fry>``, ``key<rbg>`` or ``key<urbg>``. Samplers take it; ``split`` and ``fold_in`` make more of it.

    Raises:
        TypeError: for seeds that are no integer scalars.
        OverflowError: for Python integers beyond 64 bits.

    >>> import jitney
    >>> jitney.random.split(jitney.random.key(0)).shape
    (2,)
    """
    return _seeded("key", seed, _chosen("key", impl, dtype))


def _chosen(name: str, impl: Any, dtype: Any) -> Implementation:
    if dtype is not None and impl is not None:
        raise ValueError(f"{name}: give impl or dtype, not both; got {impl!r} and {dtype}.")
    if dtype is not None and not is_key(dtype):
        raise ValueError(f"{name}: dtype must be that of random keys, such as key<fry>, got {dtype}.")
    return implementation_named(dtype if impl is None else impl)


def PRNGKey(seed: Any, *, impl: Any = None) -> Any:  # noqa: N802  (JAX's name)
    """A raw random key from an integer seed: a uint32 array of shape ``[2]`` (rbg: ``[4]``). ``key`` makes typed ones.

    >>> import jitney
    >>> jitney.random.PRNGKey(7)
    Array([0, 7], dtype=uint32)
    """
    return random_unwrap_p.bind(_seeded("PRNGKey", seed, implementation_named(impl)))


def _seeded(name: str, seed: Any, impl: Implementation) -> Any:
    if type(seed) is int:
        if impl is FRY and current_trace() is None and 0 <= seed < 1 << 32 and not isinstance(seed, bool):
            return _ext.wrap(np.asarray(np.uint64(seed << 32)).view(KEY))
        if not -(1 << 63) <= seed < 1 << 63:
            raise OverflowError(f"{name}: the seed {seed} does not fit into 64 bits.")
        return random_seed_p.bind(np.int64(seed), impl=impl)
    aval = get_aval(array_operand(name, seed))
    if dtypes.kind_of(aval.dtype) not in "iu":
        raise TypeError(f"PRNG key seed must be an integer; got {aval.str_short()} ({seed!r}).")
    if aval.shape:
        raise TypeError(
            f"{name} accepts a scalar seed, but was given an array of shape {aval.shape} != (). Use jitney.vmap for batching."
        )
    return random_seed_p.bind(seed, impl=impl)


def split(key: Any, num: Any = 2) -> Any:
    """New, independent keys from one; the old one should not be used again.

    Args:
        key: a key, typed or raw.
        num: how many, or the shape of the array of new keys.

    Returns:
        keys of shape ``[num]`` (raw: uint32 ``[num, 2]``, of rbg ``[num, 4]``).

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
        if type(keys) is ArrayImpl and keys.dtype is KEY and typed and current_trace() is None:
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
    """The words of keys: uint32, shape ``[*keys.shape, 2]`` (rbg: 4). Raw keys are given as they are.

    >>> import jitney
    >>> jitney.random.key_data(jitney.random.key(7))
    Array([0, 7], dtype=uint32)
    """
    made, typed = typed_keys("key_data", keys)
    return random_unwrap_p.bind(made) if typed else array_operand("key_data", keys)


def wrap_key_data(key_bits_array: Any, *, impl: Any = None, dtype: Any = None) -> Any:
    """Typed keys from their words.

    Args:
        key_bits_array: uint32 of shape ``[..., 2]`` (rbg: ``[..., 4]``).
        impl: which kind of keys, as in ``key``.
        dtype: the dtype of keys in place of ``impl``.

    Raises:
        TypeError: for other dtypes or shapes.
    """
    chosen = _chosen("wrap_key_data", impl, dtype)
    if type(key_bits_array) is not ArrayImpl and not isinstance(key_bits_array, (Tracer, np.ndarray)):
        raise TypeError(f"wrap_key_data requires a uint32 array, got {type(key_bits_array).__name__}.")
    return wrapped("wrap_key_data", array_operand("wrap_key_data", key_bits_array), chosen)


def key_impl(keys: Any) -> str:
    """The name of the implementation that keys belong to."""
    return implementation_of(typed_keys("key_impl", keys)[0].dtype).name


def key_dtype(impl_spec: Any = None) -> np.dtype:
    """The dtype of keys of a kind, as in ``key``."""
    return implementation_named(impl_spec).dtype
