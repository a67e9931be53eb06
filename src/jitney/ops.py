"""``jitney.ops``: sums, products and extrema of the segments of an array."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney._api.calls import expose as _expose
from jitney._core.trace import Tracer

__all__ = ["segment_max", "segment_min", "segment_prod", "segment_sum"]


def segment_sum(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    bucket_size: int | None = None,
    mode: Any = None,
    out_sharding: Any = None,
) -> Any:
    """The sum of the rows of ``data`` with each number of ``segment_ids``.

    Args:
        data: shape ``(n, ...)``.
        segment_ids: integers, shape ``(n,)``; rows with numbers outside of ``0 .. num_segments - 1`` are left out.
        num_segments: size of the first axis of the result; by default one more than the largest number, which must be
            known then (not under ``jit``).
        indices_are_sorted: a promise, which nothing depends on here.
        unique_indices: a promise that no number comes twice, which derivatives of products need.
        bucket_size: accepted for programs that give it; rows are summed in one go.
        mode: what happens to numbers outside, as in ``lax.scatter``; by default they are dropped.
        out_sharding: accepted; there is one device.

    Raises:
        ValueError: ``num_segments`` is missing under ``jit``, or negative; not one number for each row.

    >>> import jitney
    >>> jitney.ops.segment_sum(jitney.numpy.arange(4.0), jitney.numpy.array([0, 1, 0, 5]), 3)
    Array([2., 1., 0.], dtype=float64)
    """
    return _segments(
        "segment_sum", lax.scatter_add, _zero, data, segment_ids, num_segments, unique_indices, mode
    )


def segment_prod(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    bucket_size: int | None = None,
    mode: Any = None,
    out_sharding: Any = None,
) -> Any:
    """The product of the rows of ``data`` with each number; of none, it is 1. Arguments as of :func:`segment_sum`."""
    return _segments(
        "segment_prod", lax.scatter_mul, _one, data, segment_ids, num_segments, unique_indices, mode
    )


def segment_max(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    bucket_size: int | None = None,
    mode: Any = None,
    out_sharding: Any = None,
) -> Any:
    """The largest of the rows with each number; of none, the least number there is. Arguments as of :func:`segment_sum`."""
    return _segments(
        "segment_max", lax.scatter_max, _least, data, segment_ids, num_segments, unique_indices, mode
    )


def segment_min(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    bucket_size: int | None = None,
    mode: Any = None,
    out_sharding: Any = None,
) -> Any:
    """The least of the rows with each number; of none, the largest number there is. Arguments as of :func:`segment_sum`."""
    return _segments(
        "segment_min", lax.scatter_min, _largest, data, segment_ids, num_segments, unique_indices, mode
    )


def _zero(dtype: np.dtype) -> Any:
    return 0


def _one(dtype: np.dtype) -> Any:
    return 1


def _least(dtype: np.dtype) -> Any:
    if dtype.kind == "b":
        return False
    return jnp.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def _largest(dtype: np.dtype) -> Any:
    if dtype.kind == "b":
        return True
    return jnp.iinfo(dtype).max if dtype.kind in "iu" else np.inf


def _segments(
    name: str,
    scatter: Callable[..., Any],
    neutral: Callable[[np.dtype], Any],
    data: Any,
    segment_ids: Any,
    num_segments: int | None,
    unique: bool,
    mode: Any,
) -> Any:
    data, ids = jnp.asarray(data), jnp.asarray(segment_ids)
    if ids.ndim != 1 or data.shape[:1] != ids.shape:
        raise ValueError(
            f"{name} needs one number for each row of data; got segment_ids of shape {ids.shape} for {data.shape}"
        )
    if num_segments is None:
        if isinstance(ids, Tracer):
            raise ValueError(
                f"{name} needs num_segments where segment_ids is traced: the size of the result must be known"
            )
        num_segments = int(np.max(np.asarray(ids), initial=-1)) + 1
    count = operator.index(num_segments)
    if count < 0:
        raise ValueError(f"{name} needs num_segments >= 0, got {count}")
    start = jnp.full((count, *data.shape[1:]), neutral(data.dtype), data.dtype)
    numbers = lax.ScatterDimensionNumbers(
        update_window_dims=tuple(range(1, data.ndim)),
        inserted_window_dims=(0,),
        scatter_dims_to_operand_dims=(0,),
    )
    how = lax.GatherScatterMode.FILL_OR_DROP if mode is None else lax.GatherScatterMode.from_any(mode)
    return scatter(start, ids[:, None], data, numbers, unique_indices=unique, mode=how)


_expose(globals())
