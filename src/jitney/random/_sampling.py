"""What all samplers share: keys, shapes and dtypes of their arguments; bits and uniform numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from jitney import _ext
from jitney._api.jit import jit
from jitney._base import dtypes
from jitney._base.config import config
from jitney._base.dtypes import KEY, is_key
from jitney._core.trace import LARGE_EAGER, ArrayImpl, Tracer, current_trace, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.keys import IMPLEMENTATIONS, Implementation, random_bits_p, random_split_p, random_wrap_p
from jitney.lax.operands import to_shape
from jitney.numpy.operands import array_operand, broadcast_to, convert

_UINTS: dict[int, np.dtype] = {8: np.dtype("u1"), 16: np.dtype("u2"), 32: np.dtype("u4"), 64: np.dtype("u8")}
_U32 = _UINTS[32]
_ONE = np.int8(1)

# -- arguments ----------------------------------------------------------------------------------------


def typed_keys(name: str, key: Any) -> tuple[Any, bool]:
    """An array of keys, and whether it came as one (not as raw uint32 words, which are wrapped)."""
    if type(key) is ArrayImpl or isinstance(key, Tracer):
        if is_key(key.dtype):
            return key, True
    elif not isinstance(key, (np.ndarray, np.generic)) and not hasattr(key, "__jax_array__"):
        raise TypeError(
            f"{name} requires a random key, got {key!r} of type {type(key).__name__}. Make one: jitney.random.key(0)."
        )
    return wrapped(name, array_operand(name, key)), False


def wrapped(name: str, words: Any, impl: Implementation | None = None) -> Any:
    """Keys made of raw words, of ``impl`` or of the kind that ``config.jax_default_prng_impl`` names."""
    impl = impl or IMPLEMENTATIONS[config.jax_default_prng_impl]
    aval = get_aval(words)
    if aval.dtype != _U32 or aval.shape[-1:] != impl.key_shape:
        raise TypeError(
            f"{name}: a raw key of {impl.name} is a uint32 array whose last axis has size {impl.key_shape[0]}, got "
            f"{aval.str_short()}. Make keys with jitney.random.key(seed)."
        )
    return random_wrap_p.bind(words, impl=impl)


def single_key(name: str, key: Any) -> tuple[Any, bool]:
    """One key, and whether it is typed."""
    keys, typed = typed_keys(name, key)
    if keys.ndim:
        raise ValueError(
            f"{name} accepts a single key, but was given a key array of shape {keys.shape} != (). "
            "Use jitney.vmap for batching."
        )
    return keys, typed


def key_of(name: str, key: Any) -> Any:
    """The single key of a sampler."""
    if type(key) is ArrayImpl and is_key(key.dtype) and key.ndim == 0:
        return key
    return single_key(name, key)[0]


def shape_of(name: str, shape: Any) -> tuple[int, ...]:
    """A shape argument; a single integer is a shape of one axis."""
    if type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape):
        return shape
    return to_shape(name, shape)


def common_shape(name: str, shape: Any, *params: Any) -> tuple[int, ...]:
    """The shape of samples: as asked, if the parameters broadcast to it, else the parameters' own."""
    shapes = [get_aval(p).shape for p in params]
    if shape is None:
        return np.broadcast_shapes(*shapes)
    shape = shape_of(name, shape)
    try:
        fits = np.broadcast_shapes(shape, *shapes) == shape
    except ValueError:
        fits = False
    if not fits:
        listed = ", ".join(map(str, shapes))
        raise ValueError(
            f"{name}: parameters of shapes {listed} do not broadcast to shape {shape}. "
            "The argument shape is that of the result, the parameters' axes included."
        )
    return shape


def float_dtype(name: str, dtype: Any, kinds: str = "f") -> np.dtype:
    """A dtype argument of a continuous sampler, float64 by default."""
    if dtype is None or dtype is float:
        return dtypes.default_dtype("f")
    made = dtypes.requested(dtype)
    if dtypes.kind_of(made) not in kinds:
        wanted = "a float or complex dtype" if "c" in kinds else "a float dtype"
        raise ValueError(f"dtype argument to `{name}` must be {wanted}, got {made}")
    return made


def int_dtype(name: str, dtype: Any) -> np.dtype:
    """A dtype argument of a discrete sampler, int64 by default."""
    made = dtypes.default_dtype("i") if dtype is None else dtypes.requested(dtype)
    if made.kind not in "iu":
        raise ValueError(f"dtype argument to `{name}` must be an int dtype, got {made}")
    return made


def parameter(name: str, x: Any, dtype: np.dtype, shape: tuple[int, ...] | None = None) -> Any:
    """A parameter of a distribution as an array of ``dtype`` (and ``shape``)."""
    x = convert(array_operand(name, x), dtype)
    return x if shape is None else broadcast_to(x, shape)


# -- evaluation ---------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _compiled(core: Callable[..., Any], static: tuple[str, ...]) -> Any:
    return jit(core, static_argnames=static)


def sample(core: Callable[..., Any], *args: Any, **static: Any) -> Any:
    """``core(*args, **static)``; where many numbers are asked for at once, as one compiled function."""
    if current_trace() is None and math.prod(static["shape"]) >= LARGE_EAGER:
        return _compiled(core, tuple(static))(*args, **static)
    return core(*args, **static)


def is_small(key: Any, shape: tuple[int, ...]) -> bool:
    """Whether numbers are made at once by the extension."""
    return (
        type(key) is ArrayImpl
        and key.dtype is KEY
        and current_trace() is None
        and math.prod(shape) < LARGE_EAGER
    )


# -- bits and uniform numbers ----------------------------------------------------------------------------


def split_key(key: Any, num: int = 2) -> list[Any]:
    """Several keys from one, as a list."""
    if is_small(key, ()):
        words = _ext.threefry_split(key._np, num).view(KEY)
        return [_ext.wrap(words[i : i + 1].reshape(())) for i in range(num)]
    keys = random_split_p.bind(key, shape=(num,))
    return [raw.squeeze(raw.slice_(keys, (i,), (i + 1,), (1,)), (0,)) for i in range(num)]


def random_bits(key: Any, bit_width: int, shape: tuple[int, ...]) -> Any:
    return random_bits_p.bind(key, bit_width=bit_width, shape=shape)


@lru_cache(maxsize=16)
def _format(dtype: np.dtype) -> tuple[int, int, Any]:
    """How many bits are drawn, how many of them are dropped, and the bits of the number 1."""
    info = np.finfo(dtype) if dtype.kind == "f" else _extension_info(dtype)
    width = 8 * dtype.itemsize
    drawn = width if info.nmant >= 8 else 8
    unsigned = _UINTS[width]
    return drawn, drawn - info.nmant, np.ones((), dtype).view(unsigned)[()]


def _extension_info(dtype: np.dtype) -> Any:
    import ml_dtypes

    return ml_dtypes.finfo(dtype)


def finfo(dtype: np.dtype) -> Any:
    """Machine limits of any floating dtype."""
    return np.finfo(dtype) if dtype.kind == "f" else _extension_info(dtype)


def uniform01(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Numbers in [0, 1): random bits behind the point of numbers in [1, 2), less 1."""
    if dtype.kind == "f" and is_small(key, shape):
        return _ext.wrap(_np_uniform01(key, shape, dtype))
    drawn, dropped, one = _format(dtype)
    bits = ew.convert(random_bits(key, drawn, shape), one.dtype)
    bits = ew.or_p.bind(ew.shift_right_logical_p.bind(bits, one.dtype.type(dropped)), one)
    return ew.sub(ew.bitcast_convert_type_p.bind(bits, new_dtype=dtype), dtype.type(1))


def _np_uniform01(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The same for a few numbers."""
    if dtype.itemsize >= 4:
        return small_uniform(key, shape, dtype, 0.0, 1.0)
    drawn, dropped, one = _format(dtype)
    bits = small_bits(key, drawn, shape)
    bits >>= dropped
    bits |= one
    numbers = bits.view(dtype)
    numbers -= _ONE
    return numbers


def small_uniform(key: Any, shape: tuple[int, ...], dtype: np.dtype, lo: float, span: float) -> np.ndarray:
    """Numbers in [lo, lo + span) in a new array of NumPy, of 32 or 64 bits."""
    return _ext.threefry_uniform(key._np, math.prod(shape), 8 * dtype.itemsize, lo, span).reshape(shape)


def small_bits(key: Any, bit_width: int, shape: tuple[int, ...]) -> np.ndarray:
    """Random bits in a new array of NumPy."""
    return _ext.threefry_bits(key._np, math.prod(shape), bit_width).reshape(shape)


def uniform(key: Any, shape: tuple[int, ...], dtype: np.dtype, minval: Any = 0.0, maxval: Any = 1.0) -> Any:
    """Numbers in [minval, maxval), whose bounds are numbers or arrays that broadcast to ``shape``."""
    if type(minval) is type(maxval) is float and minval == 0.0 and maxval == 1.0:
        return uniform01(key, shape, dtype)
    lo, hi = (_bound(x, len(shape), dtype) for x in (minval, maxval))
    numbers = isinstance(lo, np.generic) and isinstance(hi, np.generic)
    span = hi - lo if numbers else ew.sub(hi, lo)
    if numbers and dtype.kind == "f" and is_small(key, shape):
        if dtype.itemsize >= 4:
            return _ext.wrap(small_uniform(key, shape, dtype, float(lo), float(span)))
        out = _np_uniform01(key, shape, dtype)
        out *= span
        out += lo
        return _ext.wrap(np.maximum(out, lo, out=out))
    unit = uniform01(key, shape, dtype)
    return ew.maximum(lo, ew.add(ew.mul(unit, span), lo))


def _bound(x: Any, rank: int, dtype: np.dtype) -> Any:
    if isinstance(x, np.generic) and x.dtype == dtype:
        return x
    if type(x) in (bool, int, float):
        return dtype.type(x)
    x = convert(array_operand("uniform", x), dtype)
    aval = get_aval(x)
    return raw.expand_dims(x, range(rank - aval.ndim)) if 0 < aval.ndim < rank else x
