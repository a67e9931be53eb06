"""Structural operations that rules of any primitive may call: reshape, broadcast, transpose, sum, zeros ...

They reach their primitives by name, because those primitives are themselves built of families, whose rules
call these functions.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray
from jitney._core.primitive import registry
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval


def _named(name: str) -> Callable[..., Any]:
    return registry[name].bind


def broadcast_in_dim(x: Any, shape: Sequence[int], dims: Sequence[int]) -> Any:
    shape, dims = tuple(shape), tuple(dims)
    if get_aval(x).shape == shape and dims == tuple(range(len(shape))):
        return x
    return _named("broadcast_in_dim")(x, shape=shape, broadcast_dimensions=dims, sharding=None)


def broadcast_leading(x: Any, size: int) -> Any:
    """Repeat ``x`` along a new first axis."""
    shape = get_aval(x).shape
    return broadcast_in_dim(x, (size, *shape), tuple(range(1, len(shape) + 1)))


def batch_first(x: Any, dim: int | None, size: int) -> Any:
    """``x`` with its batch axis ``dim`` in front, made by repetition if it has none."""
    return broadcast_leading(x, size) if dim is None else move_axis(x, dim, 0)


def batches_first(xs: Sequence[Any], dims: Sequence[int | None], size: int) -> list[Any]:
    """All ``xs`` with their batch axes in front."""
    return [batch_first(x, d, size) for x, d in zip(xs, dims, strict=True)]


def broadcast_to_same_rank(x: Any, shape: Sequence[int]) -> Any:
    """Expand size-1 axes (or a scalar) to ``shape``."""
    return broadcast_in_dim(x, shape, tuple(range(len(shape))) if get_aval(x).ndim else ())


def reshape(x: Any, shape: Sequence[int]) -> Any:
    shape = tuple(shape)
    if get_aval(x).shape == shape:
        return x
    return _named("reshape")(x, new_sizes=shape, dimensions=None, sharding=None)


def squeeze(x: Any, dimensions: Sequence[int]) -> Any:
    return _named("squeeze")(x, dimensions=tuple(dimensions)) if dimensions else x


def expand_dims(x: Any, dimensions: Sequence[int]) -> Any:
    """Insert size-1 axes so that they stand at ``dimensions`` of the result."""
    shape = get_aval(x).shape
    new = set(dimensions)
    rank = len(shape) + len(new)
    kept = tuple(d for d in range(rank) if d not in new)
    sizes = iter(shape)
    return broadcast_in_dim(x, tuple(1 if d in new else next(sizes) for d in range(rank)), kept)


def transpose(x: Any, permutation: Sequence[int]) -> Any:
    permutation = tuple(map(operator.index, permutation))
    if permutation == tuple(range(get_aval(x).ndim)):
        return x
    return _named("transpose")(x, permutation=permutation)


def move_axis(x: Any, source: int, target: int) -> Any:
    """``x`` with axis ``source`` moved to ``target``."""
    if source == target:
        return x
    order = [d for d in range(get_aval(x).ndim) if d != source]
    order.insert(target, source)
    return transpose(x, order)


def pad(x: Any, value: Any, config: Sequence[tuple[int, int, int]]) -> Any:
    config = tuple((int(lo), int(hi), int(inner)) for lo, hi, inner in config)
    return (
        x
        if len(config) == get_aval(x).ndim and not any(map(any, config))
        else _named("pad")(x, value, padding_config=config)
    )


def concatenate(xs: Sequence[Any], dimension: int) -> Any:
    return _named("concatenate")(*xs, dimension=dimension) if len(xs) != 1 else xs[0]


def split(x: Any, sizes: Sequence[int], axis: int) -> list[Any]:
    return _named("split")(x, sizes=tuple(sizes), axis=axis)


def full(shape: Sequence[int], value: Any, dtype: np.dtype) -> Any:
    """An array of ``shape`` filled with a scalar."""
    scalar = np.dtype(dtype).type(value) if not hasattr(value, "aval") else value
    return broadcast_in_dim(scalar, shape, ())


def zeros(aval: ShapedArray) -> Any:
    """Zeros of the type ``aval`` (``float0`` arrays are NumPy arrays)."""
    if aval.dtype.kind == "V" and aval.dtype.names:
        return np.zeros(aval.shape, aval.dtype)
    if aval.weak_type and aval.dtype.kind in "ifc" and aval.dtype.itemsize >= 8:
        return broadcast_in_dim({"i": 0, "f": 0.0, "c": 0j}[aval.dtype.kind], aval.shape, ())
    return full(aval.shape, 0, aval.dtype)


def iota(dtype: np.dtype, shape: Sequence[int], dimension: int = 0) -> Any:
    return _named("iota")(dtype=np.dtype(dtype), shape=tuple(shape), dimension=dimension, sharding=None)


def reduce_sum(x: Any, axes: Sequence[int]) -> Any:
    return _named("reduce_sum")(x, axes=tuple(axes), out_sharding=None) if len(axes) else x


def slice_(x: Any, start: Sequence[int], limit: Sequence[int], strides: Sequence[int] | None = None) -> Any:
    return _named("slice")(x, start_indices=tuple(start), limit_indices=tuple(limit), strides=strides)


def select(which: Any, on_true: Any, on_false: Any) -> Any:
    """``on_true`` where ``which``, else ``on_false``; all of one shape."""
    return _named("select_n")(which, on_false, on_true)


def subtract(x: Any, y: Any) -> Any:
    return _named("sub")(x, y)


def add_tangents(x: Any, y: Any) -> Any:
    """Sum of two tangents or cotangents, either of which may be a symbolic zero."""
    if type(x) is Zero:
        return y
    if type(y) is Zero:
        return x
    return _named("add_any")(x, y)


def instantiate(x: Any) -> Any:
    """A symbolic zero as an array of zeros; anything else unchanged."""
    return zeros(x.aval) if type(x) is Zero else x
