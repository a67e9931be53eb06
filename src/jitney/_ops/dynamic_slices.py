"""Blocks at computed places: dynamic_slice and dynamic_update_slice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero, is_undefined
from jitney._core.trace import get_aval
from jitney._kernel.rules import Loops, Pull
from jitney._ops import raw
from jitney._ops.families import check_same_dtype
from jitney._ops.gather_layouts import CLIP, GatherDimensionNumbers, ScatterDimensionNumbers
from jitney._ops.indexing import gather_p, gather_params, nested_loops, scatter_p, scatter_params

# -- dynamic_slice ----------------------------------------------------------------------------------

dynamic_slice_p = Primitive("dynamic_slice")


def _check_starts(name: str, x: ShapedArray, starts: Sequence[ShapedArray]) -> None:
    if len(starts) != x.ndim:
        raise TypeError(
            f"{name} needs one start index per axis, got {len(starts)} for operand shape {x.shape}."
        )
    if any(s.shape for s in starts):
        raise TypeError(
            f"{name} start indices must be scalars, got shapes {', '.join(str(s.shape) for s in starts)}."
        )
    if any(s.dtype.kind not in "iu" or s.dtype != starts[0].dtype for s in starts):
        listed = ", ".join(s.dtype.name for s in starts)
        raise TypeError(f"index arguments to {name} must be integers of the same type, got: {listed}")


def _dynamic_slice_abstract(x: Any, *starts: Any, slice_sizes: tuple) -> ShapedArray:
    if len(slice_sizes) != x.ndim:
        raise TypeError(
            f"dynamic_slice slice_sizes {slice_sizes} must have one size per axis of shape {x.shape}."
        )
    for size, n in zip(slice_sizes, x.shape, strict=True):
        if not 0 <= size <= n:
            raise TypeError(
                f"dynamic_slice slice_sizes must lie between zero and the operand's sizes, got slice_sizes {slice_sizes} "
                f"for operand shape {x.shape}."
            )
    _check_starts("dynamic_slice", x, starts)
    return shaped_array(tuple(slice_sizes), x.dtype, x.weak_type)


def _np_window(starts: Sequence[Any], shape: Sequence[int], sizes: Sequence[int]) -> tuple[slice, ...]:
    """The block of ``sizes`` at ``starts``, moved back inside ``shape``."""
    firsts = [min(max(int(s), 0), n - size) for s, n, size in zip(starts, shape, sizes, strict=True)]
    return tuple([slice(first, first + size) for first, size in zip(firsts, sizes, strict=True)])


def _dynamic_slice_jvp(primals: Any, tangents: Any, *, slice_sizes: tuple) -> tuple[Any, Any]:
    x, *starts = primals
    ans = dynamic_slice(x, starts, slice_sizes)
    if type(tangents[0]) is Zero:
        return ans, Zero.of(ans)
    return ans, dynamic_slice(tangents[0], starts, slice_sizes)


def _dynamic_slice_transpose(ct: Any, x: Any, *starts: Any, slice_sizes: tuple) -> list[Any]:
    return [dynamic_update_slice(raw.zeros(x.aval), ct, starts), *[None] * len(starts)]


def _dynamic_slice_batch(size: int, args: Any, dims: Any, *, slice_sizes: tuple) -> Any:
    (x, *starts), (dx, *ds) = args, dims
    if all(d is None for d in ds):
        x = raw.move_axis(x, dx, 0)
        return dynamic_slice(x, [_zero_like_index(starts), *starts], (size, *slice_sizes)), 0
    rank = len(starts)
    dnums = GatherDimensionNumbers(tuple(range(rank)), (), tuple(range(rank)))
    indices = _stack_starts(size, starts, ds)
    return gather_p.batch(size, (x, indices), (dx, 0), **gather_params(dnums, slice_sizes, CLIP))


def _zero_like_index(starts: Sequence[Any]) -> Any:
    return get_aval(starts[0]).dtype.type(0) if starts else np.int64(0)


def _stack_starts(size: int, starts: Sequence[Any], dims: Sequence[int | None]) -> Any:
    """Index vectors ``[size, rank]`` from scalars, some of them batched."""
    columns = [
        raw.broadcast_in_dim(s, (size, 1), () if d is None else (0,))
        for s, d in zip(starts, dims, strict=True)
    ]
    return raw.concatenate(columns, 1)


def _dynamic_slice_element(b: Any, idx: Any, x: Any, *starts: Any, slice_sizes: tuple) -> Any:
    return x.read(_from_starts(b, idx, x.aval.shape, starts, slice_sizes))


def _from_starts(
    b: Any, idx: Any, shape: Sequence[int], starts: Sequence[Any], sizes: Sequence[int]
) -> tuple:
    """Operand indices of element ``idx`` of a window."""
    return tuple(
        i if n == size else b.to_index(s.read(()), 0, n - size) + i
        for i, n, s, size in zip(idx, shape, starts, sizes, strict=True)
    )


dynamic_slice_p.abstract = lru_cache(maxsize=4096)(_dynamic_slice_abstract)
dynamic_slice_p.numpy = lambda x, *starts, slice_sizes: x[_np_window(starts, x.shape, slice_sizes)].copy()
dynamic_slice_p.jvp = _dynamic_slice_jvp
dynamic_slice_p.transpose = _dynamic_slice_transpose
dynamic_slice_p.batch = _dynamic_slice_batch
dynamic_slice_p.lower = Pull(_dynamic_slice_element)

# -- dynamic_update_slice ---------------------------------------------------------------------------

dynamic_update_slice_p = Primitive("dynamic_update_slice")


def _update_slice_abstract(x: Any, update: Any, *starts: Any) -> ShapedArray:
    check_same_dtype("dynamic_update_slice", [x, update])
    if x.ndim != update.ndim:
        raise TypeError(
            f"dynamic_update_slice update must have the same rank as operand, got update shape {update.shape} for "
            f"operand shape {x.shape}."
        )
    if any(m > n for m, n in zip(update.shape, x.shape, strict=True)):
        raise TypeError(
            f"dynamic_update_slice update must not be larger than the operand, got update shape {update.shape} for "
            f"operand shape {x.shape}."
        )
    _check_starts("dynamic_update_slice", x, starts)
    return shaped_array(x.shape, x.dtype, False)


def _np_update_slice(x: Any, update: Any, *starts: Any) -> Any:
    out = x.copy()
    out[_np_window(starts, x.shape, update.shape)] = update
    return out


def _update_slice_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    x, update, *starts = primals
    ans = dynamic_update_slice(x, update, starts)
    if type(tangents[0]) is Zero and type(tangents[1]) is Zero:
        return ans, Zero.of(ans)
    return ans, dynamic_update_slice(raw.instantiate(tangents[0]), raw.instantiate(tangents[1]), starts)


def _update_slice_transpose(ct: Any, x: Any, update: Any, *starts: Any) -> list[Any]:
    aval = update.aval if is_undefined(update) else get_aval(update)
    ct_x = dynamic_update_slice(ct, raw.zeros(aval.strip_weak_type()), starts) if is_undefined(x) else None
    ct_update = dynamic_slice(ct, starts, aval.shape) if is_undefined(update) else None
    return [ct_x, ct_update, *[None] * len(starts)]


def _update_slice_batch(size: int, args: Any, dims: Any) -> Any:
    (x, update, *starts), (dx, du, *ds) = args, dims
    if all(d is None for d in ds):
        x, update = raw.batch_first(x, dx, size), raw.batch_first(update, du, size)
        return dynamic_update_slice(x, update, [_zero_like_index(starts), *starts]), 0
    rank = len(starts)
    dnums = ScatterDimensionNumbers(tuple(range(rank)), (), tuple(range(rank)))
    params = scatter_params(dnums, CLIP, indices_are_sorted=True, unique_indices=True)
    return scatter_p.batch(size, (x, _stack_starts(size, starts, ds), update), (dx, 0, du), **params)


def _update_slice_element(b: Any, idx: Any, x: Any, update: Any, *starts: Any) -> Any:
    """Read the update inside of its window, the operand elsewhere."""
    inside, place = [], []
    for i, n, start, size in zip(idx, x.aval.shape, starts, update.aval.shape, strict=True):
        if size != n:
            i = i - b.to_index(start.read(()), 0, n - size)
            inside += [i.ge(0), i.lt(size)]
        place.append(i)
    if 0 in update.aval.shape:
        return x.read(idx)
    return b.guard(inside, lambda: update.read(tuple(place)), lambda: x.read(idx))


def _update_slice_loops(b: Any, outs: Any, ins: Any) -> None:
    """Copy the operand, then write the update over it."""
    (out,), (x, update, *starts) = outs, ins
    b.copy(out, x, math.prod(x.shape))
    if 0 in update.shape:
        return
    first = [
        b.to_index(b.load(s, ()), 0, n - m) for s, n, m in zip(starts, x.shape, update.shape, strict=True)
    ]

    def body(idx: tuple) -> None:
        b.store(out, tuple(f + i for f, i in zip(first, idx, strict=True)), b.load(update, idx))

    nested_loops(b, update.shape, range(len(x.shape)), body, "vector")


dynamic_update_slice_p.abstract = lru_cache(maxsize=4096)(_update_slice_abstract)
dynamic_update_slice_p.numpy = _np_update_slice
dynamic_update_slice_p.jvp = _update_slice_jvp
dynamic_update_slice_p.transpose = _update_slice_transpose
dynamic_update_slice_p.batch = _update_slice_batch
dynamic_update_slice_p.lower = Loops(_update_slice_loops, in_place=True, pull=Pull(_update_slice_element))

# -- raw operations ---------------------------------------------------------------------------------


def dynamic_slice(x: Any, starts: Sequence[Any], slice_sizes: Sequence[int]) -> Any:
    return dynamic_slice_p.bind(x, *starts, slice_sizes=tuple(slice_sizes))


def dynamic_update_slice(x: Any, update: Any, starts: Sequence[Any]) -> Any:
    return dynamic_update_slice_p.bind(x, update, *starts)


__all__ = sorted(name for name in globals() if name.endswith("_p"))
