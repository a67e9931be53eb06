"""Integers and choices: randint, bernoulli, rademacher, geometric, permutation, choice, categorical."""

from __future__ import annotations

import math
import operator
from functools import lru_cache
from typing import Any

import numpy as np

from jitney import _ext, lax
from jitney import numpy as jnp
from jitney._base import dtypes
from jitney._core.trace import Tracer, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import ordering, raw
from jitney.numpy.operands import array_operand, convert, to_axis
from jitney.random import _sampling as sampling
from jitney.random._sampling import (
    common_shape,
    float_dtype,
    int_dtype,
    is_small,
    key_of,
    random_bits,
    sample,
    shape_of,
    small_bits,
    split_key,
)

__all__ = [
    "bernoulli",
    "bits",
    "categorical",
    "choice",
    "geometric",
    "permutation",
    "rademacher",
    "randint",
]

# -- bits, integers -------------------------------------------------------------------------------------


def bits(key: Any, shape: Any = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Random bits as unsigned integers.

    Args:
        key: a key, typed or raw.
        shape: shape of the result.
        dtype: an unsigned dtype, uint64 by default.

    Raises:
        ValueError: for other dtypes.

    >>> import jitney
    >>> jitney.random.bits(jitney.random.key(7), (2,), "uint64")
    Array([15571024786774969728,   837714335556982463], dtype=uint64)
    """
    if dtype is None:
        made = np.dtype(f"u{dtypes.default_dtype('i').itemsize}")
    else:
        made = dtypes.requested(dtype)
    if made.kind != "u":
        raise ValueError(f"dtype argument to `bits` must be an unsigned int dtype, got {made}")
    return random_bits(key_of("bits", key), 8 * made.itemsize, shape_of("bits", shape))


def randint(
    key: Any, shape: Any, minval: Any, maxval: Any, dtype: Any = None, *, out_sharding: Any = None
) -> Any:
    """Integers uniform in ``[minval, maxval)``.

    Args:
        key: a key, typed or raw.
        shape: shape of the result.
        minval, maxval: bounds, integers or arrays that broadcast to ``shape``. Where ``maxval <= minval`` the
            result is ``minval``.
        dtype: an integer dtype, int64 by default.

    Raises:
        TypeError: for dtypes that are no integers.
        ValueError: if the bounds do not broadcast to ``shape``.

    >>> import jitney
    >>> jitney.random.randint(jitney.random.key(0), (3,), 0, 10).shape
    (3,)
    """
    made = dtypes.default_dtype("i") if dtype is None else dtypes.requested(dtype)
    if made.kind not in "iu":
        raise TypeError(f"randint only accepts integer dtypes, got {made}")
    shape = shape_of("randint", shape)
    if not (type(minval) is type(maxval) is int):
        shape = common_shape("randint", shape, _integer(minval), _integer(maxval))
    key = key_of("randint", key)
    if made.itemsize >= 4:
        return sample(_randint, key, minval, maxval, shape=shape, dtype=made)
    info = np.iinfo(made)
    bounds = (
        jnp.clip(minval, int(info.min), int(info.max)),
        jnp.clip(maxval, int(info.min), int(info.max) + 1),
    )
    return ew.convert(sample(_randint, key, *bounds, shape=shape, dtype=np.dtype("i4")), made)


def _integer(x: Any) -> Any:
    """A bound as an operand; Python integers may exceed every dtype."""
    return np.int64(0) if type(x) in (int, float, bool) else array_operand("randint", x)


def _randint(key: Any, minval: Any, maxval: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Two draws of the full width, reduced to the span; so the excess of small results is far below 1 in 2**32."""
    lo, span, multiplier = (_of_numbers if type(minval) is type(maxval) is int else _of_bounds)(
        minval, maxval, len(shape), dtype
    )
    if isinstance(span, np.generic) and span and is_small(key, shape):
        return _ext.wrap(_np_randint(key, shape, lo, span, multiplier))
    higher, lower = (random_bits(k, 8 * dtype.itemsize, shape) for k in split_key(key))
    if isinstance(span, np.generic) and span == 0:  # every integer of the dtype
        offset = ew.add(ew.mul(higher, multiplier), lower)
    else:
        offset = ew.add(ew.mul(ew.rem(higher, span), multiplier), ew.rem(lower, span))
        offset = ew.rem(offset, span)
    return ew.add(lo, ew.convert(offset, dtype))


def _of_bounds(minval: Any, maxval: Any, rank: int, dtype: np.dtype) -> tuple[Any, Any, Any]:
    """The lower bound, how many integers there are between the bounds, and 2**width modulo that."""
    info = np.iinfo(dtype)
    lo, _ = _clipped(minval, info, rank, dtype)
    hi, beyond = _clipped(maxval, info, rank, dtype)
    unsigned = np.dtype(f"u{dtype.itemsize}")
    if not (isinstance(lo, np.generic) and isinstance(hi, np.generic)):
        return (lo, *_spans(lo, hi, beyond, unsigned))
    wide = max(int(hi) - int(lo), 1) + (beyond and hi > lo)
    wide %= 1 << 8 * dtype.itemsize
    half = (1 << 4 * dtype.itemsize) % wide if wide else 0
    square = (half * half) % (1 << 8 * dtype.itemsize)
    return lo, unsigned.type(wide), unsigned.type(square % wide if wide else square)


_of_numbers = lru_cache(maxsize=256)(_of_bounds)


def _np_randint(key: Any, shape: tuple[int, ...], lo: Any, span: Any, multiplier: Any) -> np.ndarray:
    """A few integers, by NumPy."""
    offset, lower = (small_bits(k, 8 * span.itemsize, shape) for k in split_key(key))
    offset %= span
    offset *= multiplier
    lower %= span
    offset += lower
    offset %= span
    out = offset.view(lo.dtype)
    out += lo
    return out


def _clipped(x: Any, info: Any, rank: int, dtype: np.dtype) -> tuple[Any, Any]:
    """A bound inside of the dtype, and whether it was above it."""
    if type(x) in (bool, int, float):
        x = math.trunc(x)
        return dtype.type(min(max(x, int(info.min)), int(info.max))), x > info.max
    x = array_operand("randint", x)
    own = get_aval(x).dtype
    if own.kind not in "iu":
        x, own = ew.convert(x, dtype), dtype
    limits = np.iinfo(own)
    beyond: Any = False
    if limits.max > info.max:
        beyond = ew.gt(x, own.type(info.max))
        x = ew.minimum(x, own.type(info.max))
    if limits.min < info.min:
        x = ew.maximum(x, own.type(info.min))
    x = convert(x, dtype)
    ndim = get_aval(x).ndim
    if 0 < ndim < rank:
        x = raw.expand_dims(x, range(rank - ndim))
        beyond = raw.expand_dims(beyond, range(rank - ndim)) if beyond is not False else False
    return x, beyond


def _spans(lo: Any, hi: Any, beyond: Any, unsigned: np.dtype) -> tuple[Any, Any]:
    """How many integers there are between the bounds, and 2**width modulo that."""
    above = ew.gt(*jnp.broadcast_arrays(hi, lo))
    span = jnp.where(above, ew.convert(ew.sub(hi, lo), unsigned), unsigned.type(1))
    if beyond is not False:
        span = jnp.where(jnp.logical_and(beyond, above), span + unsigned.type(1), span)
    half = ew.rem(unsigned.type(1 << 4 * unsigned.itemsize), span)
    return span, ew.rem(ew.mul(half, half), span)


def bernoulli(
    key: Any, p: Any = 0.5, shape: Any = None, mode: str = "low", *, out_sharding: Any = None
) -> Any:
    """True with probability ``p``.

    Args:
        key: a key, typed or raw.
        p: probability, a number or float array.
        shape: shape of the result, that of ``p`` by default.
        mode: ``"high"`` draws two numbers for each and resolves small probabilities better.

    Raises:
        TypeError: if ``p`` is no float.
        ValueError: if ``p`` does not broadcast to ``shape``.
    """
    if mode not in ("high", "low"):
        raise ValueError(f"bernoulli: mode must be 'high' or 'low', got {mode!r}.")
    p = array_operand("bernoulli", p)
    if dtypes.kind_of(get_aval(p).dtype) != "f":
        raise TypeError(f"bernoulli probability `p` must have a floating dtype, got {get_aval(p).dtype}.")
    shape = common_shape("bernoulli", shape, p)
    return sample(_bernoulli, key_of("bernoulli", key), p, shape=shape, high=mode == "high")


def _bernoulli(key: Any, p: Any, *, shape: tuple[int, ...], high: bool) -> Any:
    dtype = get_aval(p).dtype
    if not high:
        return sampling.uniform01(key, shape, dtype) < p
    both = sampling.uniform01(key, (2, *shape), dtype)
    return both[1] * dtype.type(sampling.finfo(dtype).eps) < p - both[0]


def rademacher(key: Any, shape: Any = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """-1 or 1, with equal probability."""
    made = int_dtype("rademacher", dtype) if dtype is None else dtypes.requested(dtype)
    return sample(_rademacher, key_of("rademacher", key), shape=shape_of("rademacher", shape), dtype=made)


def _rademacher(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    heads = _bernoulli(key, dtypes.default_dtype("f").type(0.5), shape=shape, high=False)
    return dtype.type(2) * ew.convert(heads, dtype) - dtype.type(1)


def geometric(key: Any, p: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """How many trials of probability ``p`` it takes to succeed: 1, 2, ..."""
    made = int_dtype("geometric", dtype)
    p = array_operand("geometric", p)
    if dtypes.kind_of(get_aval(p).dtype) != "f":
        p = ew.convert(p, dtypes.default_dtype("f"))
    shape = common_shape("geometric", shape, p)
    return sample(_geometric, key_of("geometric", key), p, shape=shape, dtype=made)


def _geometric(key: Any, p: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    work = get_aval(p).dtype
    u = sampling.uniform01(key, shape, work)
    u = jnp.where(u == 0, work.type(1), u)
    return ew.convert(jnp.floor(jnp.log(u) / jnp.log1p(-p)) + work.type(1), dtype)


# -- permutation ----------------------------------------------------------------------------------------


def permutation(
    key: Any, x: Any, axis: int = 0, independent: bool = False, *, out_sharding: Any = None
) -> Any:
    """A random order: of 0 .. x-1 for an integer, of the slices along ``axis`` for an array.

    Args:
        key: a key, typed or raw.
        x: an integer or an array.
        axis: which axis to shuffle.
        independent: shuffle each vector along ``axis`` by itself.

    Raises:
        TypeError: if ``x`` is a scalar but no integer.

    >>> import jitney
    >>> sorted(jitney.random.permutation(jitney.random.key(0), 3).tolist())
    [0, 1, 2]
    """
    key = key_of("permutation", key)
    if not getattr(x, "ndim", np.ndim(x) if isinstance(x, (list, tuple)) else 0):
        return _shuffle(key, jnp.arange(_count("permutation", x)), 0)
    x = array_operand("permutation", x)
    axis = to_axis(axis, get_aval(x).ndim)
    if independent or get_aval(x).ndim == 1:
        return _shuffle(key, x, axis)
    order = _shuffle(key, jnp.arange(get_aval(x).shape[axis]), 0)
    return jnp.take(x, order, axis, unique_indices=True)


def _count(name: str, n: Any) -> int:
    try:
        return operator.index(n)
    except TypeError:
        if isinstance(n, Tracer):
            raise
        raise TypeError(f"{name}: x must be an integer or at least 1-dimensional, got {n!r}.") from None


def _shuffle(key: Any, x: Any, axis: int) -> Any:
    """Sorted by random numbers, so often that equal ones hardly matter: 3 ln(size) / ln(2**32) rounds."""
    shape = get_aval(x).shape
    size = max(1, math.prod(shape))
    for _ in range(math.ceil(3 * math.log(size) / math.log(2**32 - 1))):
        key, subkey = split_key(key)
        _, x = ordering.sort([random_bits(subkey, 32, shape), x], axis)
    return x


# -- choice ---------------------------------------------------------------------------------------------


def choice(
    key: Any,
    a: Any,
    shape: Any = (),
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    mode: Any = None,
) -> Any:
    """Random elements of an array.

    Args:
        key: a key, typed or raw.
        a: an array, or an integer n for ``arange(n)``.
        shape: how many elements, as a shape.
        replace: whether an element may be drawn twice.
        p: probabilities, one for each element; equal ones by default.
        axis: the axis of ``a`` along which elements lie.
        mode: as of ``gumbel``, used without replacement by probabilities.

    Returns:
        an array in which ``axis`` of ``a`` is replaced by ``shape``.

    Raises:
        ValueError: for an empty ``a``, for more elements than there are without replacement, for probabilities of
            another size.

    >>> import jitney
    >>> jitney.random.choice(jitney.random.key(0), 5, (2,), replace=False).shape
    (2,)
    """
    key, shape = key_of("choice", key), shape_of("choice", shape)
    if isinstance(a, (list, tuple)):
        raise TypeError(f"choice requires an array or an integer, got {type(a).__name__}: use jnp.array(a).")
    single = not getattr(a, "ndim", 0)
    if single:
        a = count = _count("choice", a) if not isinstance(a, float) else int(a)
    else:
        a = array_operand("choice", a)
        axis = to_axis(axis, get_aval(a).ndim)
        count = get_aval(a).shape[axis]
    drawn = math.prod(shape)
    if count <= 0 and drawn:
        raise ValueError("a must be greater than 0 unless no samples are taken")
    if not replace and drawn > count:
        raise ValueError(
            f"Cannot take a larger sample (size {drawn}) than population (size {count}) when 'replace=False'"
        )
    if p is not None:
        p = array_operand("choice", p)
        if get_aval(p).shape != (count,):
            raise ValueError(
                "p must be None or a 1D vector with the same size as a.shape[axis]. "
                f"p has shape {get_aval(p).shape} and a.shape[axis] is {count}."
            )
        (p,) = [p] if dtypes.is_inexact(get_aval(p).dtype) else [ew.convert(p, dtypes.default_dtype("f"))]
        places = _weighted(key, p, shape, drawn, replace, mode)
    elif replace:
        places = sample(_randint, key, 0, count, shape=shape, dtype=dtypes.default_dtype("i"))
    else:
        order = permutation(key, a, axis)
        return _reshaped(
            lax.slice_in_dim(order, 0, drawn, axis=0 if single else axis), shape, 0 if single else axis
        )
    if single:
        return ew.convert(places, dtypes.default_dtype("i"))
    if get_aval(a).shape[axis] == 0:
        return jnp.zeros((*a.shape[:axis], *shape, *a.shape[axis + 1 :]), a.dtype)
    return jnp.take(a, places, axis)


def _reshaped(x: Any, shape: tuple[int, ...], axis: int) -> Any:
    sizes = get_aval(x).shape
    return raw.reshape(x, (*sizes[:axis], *shape, *sizes[axis + 1 :]))


def _weighted(key: Any, p: Any, shape: tuple[int, ...], drawn: int, replace: bool, mode: Any) -> Any:
    """Places drawn by probabilities: by bisection of their sums, or the greatest of Gumbel numbers plus logarithms."""
    if replace:
        sums = jnp.cumsum(p)
        r = sums[-1] * (1 - sampling.uniform01(key, shape, get_aval(sums).dtype))
        return jnp.searchsorted(sums, r)
    noise = _gumbel_noise(key, get_aval(p).shape, get_aval(p).dtype, mode)
    _, places = lax.top_k(noise + jnp.log(p), drawn)
    return raw.reshape(places, shape)


def _gumbel_noise(key: Any, shape: tuple[int, ...], dtype: np.dtype, mode: Any) -> Any:
    from jitney.random._continuous import gumbel

    return gumbel(key, shape, dtype, mode)


def categorical(
    key: Any,
    logits: Any,
    axis: int = -1,
    shape: Any = None,
    replace: bool = True,
    mode: Any = None,
    *,
    out_sharding: Any = None,
) -> Any:
    """Places along ``axis``, drawn with probabilities proportional to ``exp(logits)``.

    Args:
        key: a key, typed or raw.
        logits: float array; ``axis`` runs over the categories.
        axis: which axis.
        shape: shape of the result, by default that of ``logits`` without ``axis``, which must broadcast to it.
        replace: whether samples of the leading axes of ``shape`` may be equal.
        mode: as of ``gumbel``.

    Raises:
        ValueError: if ``logits`` without ``axis`` does not broadcast to ``shape``.
    """
    key, logits = key_of("categorical", key), array_operand("categorical", logits)
    if not dtypes.is_inexact(get_aval(logits).dtype):
        logits = ew.convert(logits, float_dtype("categorical", None))
    sizes = get_aval(logits).shape
    axis = to_axis(axis, len(sizes)) if sizes else 0
    batch = sizes[:axis] + sizes[axis + 1 :]
    if shape is None:
        shape = batch
    else:
        shape = shape_of("categorical", shape)
        _check_batch(shape, batch)
    extra = shape[: len(shape) - len(batch)]
    inner = list(shape[len(extra) :])
    inner.insert(axis, sizes[axis])
    dtype = get_aval(logits).dtype
    if replace:
        noise = _gumbel_noise(key, (*extra, *inner), dtype, mode)
        return jnp.argmax(noise + raw.expand_dims(logits, range(len(extra))), axis + len(extra))
    return _without_replacement(key, logits, axis, extra, tuple(inner), mode)


def _check_batch(shape: tuple[int, ...], batch: tuple[int, ...]) -> None:
    try:
        fits = np.broadcast_shapes(shape, batch) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"categorical: logits have shape {batch} without their axis, which does not broadcast to shape {shape}."
        )


def _without_replacement(
    key: Any, logits: Any, axis: int, extra: tuple[int, ...], inner: tuple[int, ...], mode: Any
) -> Any:
    drawn = math.prod(extra)
    if drawn > inner[axis]:
        raise ValueError(
            f"categorical: Number of samples without replacement ({drawn}) cannot exceed number of categories ({inner[axis]})."
        )
    noise = _gumbel_noise(key, get_aval(logits).shape, get_aval(logits).dtype, mode)
    moved = raw.move_axis(noise + logits, axis, len(inner) - 1)
    _, places = lax.top_k(moved, drawn)
    places = raw.move_axis(places, len(inner) - 1, 0)
    return raw.reshape(places, (*extra, *get_aval(places).shape[1:]))
