"""Slices, gathers and scatters of ``jitney.lax``: reading and writing at places known only at run time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._base.config import config
from jitney._control.guarding import check_places
from jitney._core.avals import shaped_array
from jitney._core.staging import stage
from jitney._core.trace import ArrayImpl, Tracer, get_aval
from jitney._ops import dynamic_slices, gather_layouts, raw
from jitney._ops import elementwise as ew
from jitney._ops import indexing as ix
from jitney._ops.dynamic_slices import dynamic_slice_p as dynamic_slice_p
from jitney._ops.dynamic_slices import dynamic_update_slice_p as dynamic_update_slice_p
from jitney._ops.gather_layouts import GatherDimensionNumbers as GatherDimensionNumbers
from jitney._ops.gather_layouts import GatherScatterMode as GatherScatterMode
from jitney._ops.gather_layouts import ScatterDimensionNumbers as ScatterDimensionNumbers
from jitney._ops.indexing import gather_p as gather_p
from jitney._ops.indexing import scatter_add_p as scatter_add_p
from jitney._ops.indexing import scatter_max_p as scatter_max_p
from jitney._ops.indexing import scatter_min_p as scatter_min_p
from jitney._ops.indexing import scatter_mul_p as scatter_mul_p
from jitney._ops.indexing import scatter_p as scatter_p
from jitney._ops.indexing import scatter_sub_p as scatter_sub_p
from jitney.lax.operands import operand as as_operand
from jitney.lax.operands import operands as as_operands
from jitney.lax.operands import to_axis

# -- static slices ----------------------------------------------------------------------------------


def slice(
    operand: Any,
    start_indices: Sequence[int],
    limit_indices: Sequence[int],
    strides: Sequence[int] | None = None,
) -> Any:
    """The block from ``start_indices`` up to, not including, ``limit_indices``, every ``strides``-th element.

    One entry per axis, with ``0 <= start <= limit <= size`` and ``stride > 0``: negative indices do not count from
    the end (use ``x[...]`` or :func:`slice_in_dim`). The dtype stays. Raises ``TypeError`` outside these bounds.

    >>> from jitney import lax, numpy as jnp
    >>> lax.slice(jnp.arange(6), (1,), (5,), (2,))
    Array([1, 3], dtype=int64)
    """
    x = as_operand("slice", operand)
    steps = None if strides is None else _static("slice", strides)
    return raw.slice_(x, _static("slice", start_indices), _static("slice", limit_indices), steps)


def _static(name: str, numbers: Sequence[Any]) -> tuple[int, ...]:
    return tuple(_static_int(name, n) for n in numbers)


def _static_int(name: str, n: Any) -> int:
    try:
        return n.__index__()
    except AttributeError:
        raise TypeError(f"{name}: indices must be integers, got {n!r} of type {type(n).__name__}.") from None


def slice_in_dim(
    operand: Any, start_index: int | None, limit_index: int | None, stride: int = 1, axis: int = 0
) -> Any:
    """``operand[start_index:limit_index:stride]`` along one ``axis``, with static bounds.

    Negative bounds count from the end, None means the end of the axis; a bound outside of the axis is a
    ``TypeError``. The other axes and the dtype stay.

    >>> from jitney import lax, numpy as jnp
    >>> lax.slice_in_dim(jnp.arange(6), -3, None)
    Array([3, 4, 5], dtype=int64)
    """
    x = as_operand("slice_in_dim", operand)
    shape = get_aval(x).shape
    axis = to_axis("slice_in_dim", axis, len(shape))
    starts, limits, strides = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis] = _static_bound(start_index, 0, shape[axis])
    limits[axis] = _static_bound(limit_index, shape[axis], shape[axis])
    strides[axis] = _static_int("slice_in_dim", stride)
    return raw.slice_(x, starts, limits, tuple(strides))


def _static_bound(bound: Any, default: int, size: int) -> int:
    if bound is None:
        return default
    number = _static_int("slice_in_dim", bound)
    return number + size if number < 0 else number


def index_in_dim(operand: Any, index: int, axis: int = 0, keepdims: bool = True) -> Any:
    """The elements at a static ``index`` along ``axis``, which stays with size 1 unless ``keepdims`` is false.

    Negative indices count from the end. Raises ``IndexError`` if ``index`` is out of bounds.

    >>> from jitney import lax, numpy as jnp
    >>> lax.index_in_dim(jnp.arange(6).reshape(2, 3), 1, keepdims=False)
    Array([3, 4, 5], dtype=int64)
    """
    x = as_operand("index_in_dim", operand)
    shape = get_aval(x).shape
    axis = to_axis("index_in_dim", axis, len(shape))
    number = _static_int("index_in_dim", index)
    if not -shape[axis] <= number < shape[axis]:
        raise IndexError(f"index {number} is out of bounds for axis {axis} with size {shape[axis]}")
    number %= shape[axis]
    out = slice_in_dim(x, number, number + 1, 1, axis)
    return out if keepdims else raw.squeeze(out, (axis,))


# -- dynamic slices ---------------------------------------------------------------------------------


def dynamic_slice(
    operand: Any,
    start_indices: Any,
    slice_sizes: Sequence[int],
    *,
    allow_negative_indices: bool | Sequence[bool] = True,
) -> Any:
    """A block of static ``slice_sizes`` at ``start_indices`` that may be computed.

    ``start_indices``: one integer scalar per axis (or a 1-D integer array). Negative ones count from the end;
    then a block that would leave the operand is moved back inside. The result has shape ``slice_sizes`` and
    the operand's dtype. Raises ``TypeError`` for indices that are no integer scalars and for sizes larger
    than the operand.

    >>> from jitney import lax, numpy as jnp
    >>> lax.dynamic_slice(jnp.arange(6), (2,), (3,))
    Array([2, 3, 4], dtype=int64)
    >>> lax.dynamic_slice(jnp.arange(6), (100,), (3,))
    Array([3, 4, 5], dtype=int64)
    """
    x = as_operand("dynamic_slice", operand)
    shape = get_aval(x).shape
    starts = _start_indices("dynamic_slice", start_indices, shape, allow_negative_indices)
    sizes = _static("dynamic_slice", slice_sizes)
    _check_windows(shape, starts, sizes)
    return dynamic_slices.dynamic_slice(x, starts, sizes)


def dynamic_slice_in_dim(
    operand: Any, start_index: Any, slice_size: int, axis: int = 0, *, allow_negative_indices: bool = True
) -> Any:
    """:func:`dynamic_slice` along one ``axis``; the other axes are taken whole.

    >>> from jitney import lax, numpy as jnp
    >>> lax.dynamic_slice_in_dim(jnp.arange(6), 1, 2)
    Array([1, 2], dtype=int64)
    """
    x = as_operand("dynamic_slice_in_dim", operand)
    shape = get_aval(x).shape
    axis = to_axis("dynamic_slice_in_dim", axis, len(shape))
    sizes = [*shape[:axis], _static_int("dynamic_slice_in_dim", slice_size), *shape[axis + 1 :]]
    starts = _starts_along("dynamic_slice", start_index, shape, axis, allow_negative_indices)
    _check_windows(shape, starts, sizes)
    return dynamic_slices.dynamic_slice(x, starts, sizes)


def dynamic_index_in_dim(
    operand: Any, index: Any, axis: int = 0, keepdims: bool = True, *, allow_negative_indices: bool = True
) -> Any:
    """The elements at a computed ``index`` along ``axis``, which stays with size 1 unless ``keepdims`` is false.

    >>> from jitney import lax, numpy as jnp
    >>> lax.dynamic_index_in_dim(jnp.arange(6).reshape(2, 3), 1, keepdims=False)
    Array([3, 4, 5], dtype=int64)
    """
    out = dynamic_slice_in_dim(operand, index, 1, axis, allow_negative_indices=allow_negative_indices)
    return out if keepdims else raw.squeeze(out, (to_axis("dynamic_index_in_dim", axis, get_aval(out).ndim),))


def dynamic_update_slice(
    operand: Any, update: Any, start_indices: Any, *, allow_negative_indices: bool | Sequence[bool] = True
) -> Any:
    """A copy of ``operand`` in which the block at ``start_indices`` is ``update``.

    ``update`` has the operand's rank and dtype and is nowhere larger. Start indices as in
    :func:`dynamic_slice`: a block that would leave the operand is moved back inside. Raises ``TypeError`` for
    unfit ranks, sizes, dtypes and indices.

    >>> from jitney import lax, numpy as jnp
    >>> lax.dynamic_update_slice(jnp.zeros(4), jnp.ones(2), (1,))
    Array([0., 1., 1., 0.], dtype=float64)
    """
    x, new = as_operands("dynamic_update_slice", operand, update)
    shape = get_aval(x).shape
    starts = _start_indices("dynamic_update_slice", start_indices, shape, allow_negative_indices)
    _check_windows(shape, starts, get_aval(new).shape)
    return dynamic_slices.dynamic_update_slice(x, new, starts)


def dynamic_update_slice_in_dim(
    operand: Any, update: Any, start_index: Any, axis: int, *, allow_negative_indices: bool = True
) -> Any:
    """:func:`dynamic_update_slice` along one ``axis``; along the others the block starts at 0.

    >>> from jitney import lax, numpy as jnp
    >>> lax.dynamic_update_slice_in_dim(jnp.zeros(4), jnp.ones(2), 1, axis=0)
    Array([0., 1., 1., 0.], dtype=float64)
    """
    x, new = as_operands("dynamic_update_slice", operand, update)
    shape = get_aval(x).shape
    axis = to_axis("dynamic_update_slice_in_dim", axis, len(shape))
    starts = _starts_along("dynamic_update_slice", start_index, shape, axis, allow_negative_indices)
    _check_windows(shape, starts, get_aval(new).shape)
    return dynamic_slices.dynamic_update_slice(x, new, starts)


def dynamic_update_index_in_dim(
    operand: Any, update: Any, index: Any, axis: int, *, allow_negative_indices: bool = True
) -> Any:
    """A copy of ``operand`` whose elements at ``index`` along ``axis`` are ``update`` (with or without that axis).

    >>> from jitney import lax, numpy as jnp
    >>> lax.dynamic_update_index_in_dim(jnp.zeros(3), 5.0, 1, axis=0)
    Array([0., 5., 0.], dtype=float64)
    """
    x, new = as_operands("dynamic_update_slice", operand, update)
    ndim = get_aval(x).ndim
    axis = to_axis("dynamic_update_index_in_dim", axis, ndim)
    if get_aval(new).ndim != ndim:
        if get_aval(new).ndim != ndim - 1:
            raise TypeError(
                f"dynamic_update_index_in_dim: the update of shape {get_aval(new).shape} must have the axes of the "
                f"operand of shape {get_aval(x).shape}, with or without axis {axis}."
            )
        new = raw.expand_dims(new, (axis,))
    return dynamic_update_slice_in_dim(x, new, index, axis, allow_negative_indices=allow_negative_indices)


def _check_windows(shape: tuple, starts: Sequence[Any], sizes: Sequence[int]) -> None:
    """Guard start indices from which negative ones have been taken out."""
    if config.check_bounds and len(starts) == len(sizes) == len(shape):
        for axis, (start, size) in enumerate(zip(starts, sizes, strict=True)):
            if size <= shape[axis]:
                check_places(shape, axis, start, size, False)


def _check_vectors(shape: tuple, vectors: Any, axes: Sequence[int], sizes: Sequence[int]) -> None:
    """Guard index vectors, whose component ``k`` (along their last axis) is a place along ``axes[k]``."""
    rank = get_aval(vectors).ndim
    if not rank or get_aval(vectors).shape[-1] != len(axes):
        return  # refused by the operation
    lead = get_aval(vectors).shape[:-1]
    for k, axis in enumerate(axes):
        part = raw.slice_(vectors, (*(0,) * len(lead), k), (*lead, k + 1))
        check_places(shape, axis, raw.reshape(part, lead), sizes[axis], False)


def _update_windows(shape: tuple, updates: tuple, numbers: ScatterDimensionNumbers) -> list[int]:
    """The sizes of the windows that a scatter writes."""
    whole = iter([updates[d] for d in numbers.update_window_dims if d < len(updates)])
    inserted = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    return [1 if d in inserted else next(whole, 1) for d in range(len(shape))]


def _starts_along(name: str, index: Any, shape: tuple, axis: int, wrap: bool) -> list[Any]:
    """``index`` at ``axis`` and zeros elsewhere."""
    return _start_indices(name, [index if d == axis else 0 for d in range(len(shape))], shape, wrap)


def _start_indices(name: str, indices: Any, shape: tuple, wrap: bool | Sequence[bool]) -> list[Any]:
    """Start indices as scalars of one integer dtype, negative ones counted from the end."""
    if wrap is True and type(indices) in (tuple, list) and len(indices) == len(shape) and _all_small(indices):
        scalar = dtypes.default_dtype("i").type  # the common case, without the checks below
        return [scalar(i + n if i < 0 else i) for i, n in zip(indices, shape, strict=True)]
    parts = _split_indices(name, indices)
    if len(parts) != len(shape):
        raise ValueError(
            f"{name}: {len(parts)} start indices were given for an operand of shape {shape}: one per axis."
        )
    dtype = _index_dtype(name, parts, shape)
    wraps = [wrap] * len(shape) if isinstance(wrap, bool) else list(wrap)
    return [_start_index(name, i, n, dtype, w) for i, n, w in zip(parts, shape, wraps, strict=True)]


def _all_small(indices: Sequence[Any]) -> bool:
    return all([type(i) is int and -(1 << 31) <= i < (1 << 31) for i in indices])


def _split_indices(name: str, indices: Any) -> list[Any]:
    """The scalars of a sequence or of a 1-D array; concrete ones as NumPy or Python scalars."""
    if isinstance(indices, Tracer):
        (n,) = _check_1d(name, indices.shape)
        return [raw.squeeze(raw.slice_(indices, (i,), (i + 1,), (1,)), (0,)) for i in range(n)]
    if isinstance(indices, (ArrayImpl, np.ndarray)):
        _check_1d(name, indices.shape)
        return list(np.asarray(indices))
    return [np.asarray(i)[()] if isinstance(i, (ArrayImpl, np.ndarray)) else i for i in indices]


def _check_1d(name: str, shape: tuple) -> tuple:
    if len(shape) != 1:
        raise ValueError(
            f"{name}: start indices must be a sequence of scalars or a 1-D array, got shape {shape}."
        )
    return shape


def _index_dtype(name: str, parts: Sequence[Any], shape: tuple) -> np.dtype:
    """The dtype in which indices are computed: theirs, int64 where they differ or where sizes do not fit."""
    found = set()
    for part in parts:
        aval = get_aval(part)
        if aval.dtype.kind not in "iu":
            listed = ", ".join(get_aval(p).dtype.name for p in parts)
            raise TypeError(f"index arguments to {name} must be integers of the same type, got: {listed}")
        if aval.shape:
            raise TypeError(f"start_indices arguments to {name} must be scalars, got shape {aval.shape}.")
        if type(part) is not int:
            found.add(aval.dtype)
    default = dtypes.default_dtype("i")
    dtype = found.pop() if len(found) == 1 else default
    fits = not shape or max(shape) <= np.iinfo(dtype).max
    return dtype if fits and not found else default


def _start_index(name: str, index: Any, size: int, dtype: np.dtype, wrap: bool) -> Any:
    if not isinstance(index, Tracer):
        number = int(index)
        if number < 0 and not wrap:
            raise ValueError(
                f"{name}: index {number} is out of bounds for an axis of size {size} with allow_negative_indices=False."
            )
        number = number + size if number < 0 else number
        bounds = np.iinfo(dtype)  # any number beyond the size means the same
        return dtype.type(min(max(number, bounds.min), bounds.max))
    if not wrap or dtype.kind == "u":
        return ew.convert(index, dtype)
    negative = ew.lt(index, get_aval(index).dtype.type(0))
    whole = ew.convert(index, dtype)
    wrapped = ew.add(whole, dtype.type(size))
    return raw.select(negative, wrapped, index if get_aval(index).dtype == dtype else whole)


# -- gather and scatter -----------------------------------------------------------------------------


def gather(
    operand: Any,
    start_indices: Any,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Sequence[int],
    *,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    mode: str | GatherScatterMode | None = None,
    fill_value: Any = None,
) -> Any:
    """Read a window of ``slice_sizes`` elements at each index vector (the last axis of ``start_indices``).

    The result has the leading axes of ``start_indices`` and, at ``dimension_numbers.offset_dims``, the axes of the
    windows; its dtype is the operand's. ``mode`` decides about windows outside: ``"clip"`` moves them
    inside, ``"fill"`` gives ``fill_value`` (default: nan, the least or, if unsigned, greatest integer), None
    promises that there are none. Most code is clearer with ``x[indices]``. Raises ``TypeError`` for inconsistent
    dimension numbers, ``ValueError`` for indices that are no integers.

    >>> from jitney import lax, numpy as jnp
    >>> rows = lax.GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,))
    >>> lax.gather(jnp.arange(6).reshape(3, 2), jnp.array([[2], [0]]), rows, (1, 2))
    Array([[4, 5],
           [0, 1]], dtype=int64)
    """
    x, indices = as_operand("gather", operand), as_operand("gather", start_indices)
    parsed = gather_layouts.PROMISE_IN_BOUNDS if mode is None else GatherScatterMode.from_any(mode)
    if parsed is GatherScatterMode.ONE_HOT:
        raise ValueError('gather has no mode "one_hot": use "clip", "fill" or "promise_in_bounds".')
    fill = None
    if parsed is gather_layouts.FILL_OR_DROP:
        fill = ix.default_fill(get_aval(x).dtype) if fill_value is None else np.asarray(fill_value).item()
    numbers, sizes = GatherDimensionNumbers(*map(tuple, dimension_numbers)), _static("gather", slice_sizes)
    if mode is None and config.check_bounds:
        _check_vectors(get_aval(x).shape, indices, numbers.start_index_map, sizes)
    return ix.gather(
        x,
        indices,
        numbers,
        sizes,
        parsed,
        fill_value=fill,
        unique_indices=unique_indices,
        indices_are_sorted=indices_are_sorted,
    )


def _scatter(
    prim: Any,
    operand: Any,
    indices: Any,
    updates: Any,
    numbers: Any,
    indices_are_sorted: bool,
    unique_indices: bool,
    mode: Any,
    update_jaxpr: Any = None,
) -> Any:
    name = prim.name.replace("-", "_")
    x, new = as_operands(name, operand, updates)
    dnums = ScatterDimensionNumbers(*map(tuple, numbers))
    if mode is None and config.check_bounds:
        shape = get_aval(x).shape
        window = _update_windows(shape, get_aval(new).shape, dnums)
        _check_vectors(shape, as_operand(name, indices), dnums.scatter_dims_to_operand_dims, window)
    params = ix.scatter_params(
        dnums,
        GatherScatterMode.from_any(mode),
        update_jaxpr=update_jaxpr,
        indices_are_sorted=indices_are_sorted,
        unique_indices=unique_indices,
    )
    return prim.bind(x, as_operand(name, indices), new, **params)


_SCATTER_DOC = """{summary}

    A window of updates belongs to each index vector (the last axis of ``scatter_indices``): ``updates`` has the
    leading axes of the indices and, at ``dimension_numbers.update_window_dims``, the axes of the windows.
    Operand and updates have one dtype, which is the result's, as is the operand's shape. ``mode``: ``"drop"`` (the
    default) skips windows that are not wholly inside the operand, ``"clip"`` moves them inside.
    ``unique_indices=True`` promises that no element is written twice. {more}
    Raises ``TypeError`` for inconsistent shapes, dtypes and dimension numbers, ``ValueError`` for indices that are no
    integers. Most code is clearer with ``x.at[indices]``.

    >>> from jitney import lax, numpy as jnp
    >>> points = lax.ScatterDimensionNumbers((), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,))
    >>> lax.{name}(jnp.array([1., 2., 3.]), jnp.array([[0], [2]]), jnp.array([10., 20.]), points)
    {result}
    """


def _scatter_function(prim: Any, summary: str, result: str, more: str = "") -> Callable[..., Any]:
    name = prim.name.replace("-", "_")

    def scatter_function(
        operand: Any,
        scatter_indices: Any,
        updates: Any,
        dimension_numbers: ScatterDimensionNumbers,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: str | GatherScatterMode | None = None,
    ) -> Any:
        return _scatter(
            prim,
            operand,
            scatter_indices,
            updates,
            dimension_numbers,
            indices_are_sorted,
            unique_indices,
            mode,
        )

    scatter_function.__name__ = scatter_function.__qualname__ = name
    scatter_function.__doc__ = _SCATTER_DOC.format(summary=summary, more=more, name=name, result=result)
    return scatter_function


scatter = _scatter_function(
    scatter_p,
    "A copy of ``operand`` in which windows are replaced by updates.",
    "Array([10.,  2., 20.], dtype=float64)",
    "Of several updates of one element the last one stays.",
)
scatter_add = _scatter_function(
    scatter_add_p,
    "A copy of ``operand`` with updates added to windows.",
    "Array([11.,  2., 23.], dtype=float64)",
)
scatter_sub = _scatter_function(
    scatter_sub_p,
    "A copy of ``operand`` with updates subtracted from windows.",
    "Array([ -9.,   2., -17.], dtype=float64)",
)
scatter_mul = _scatter_function(
    scatter_mul_p,
    "A copy of ``operand`` with windows multiplied by updates.",
    "Array([10.,  2., 60.], dtype=float64)",
    "Derivatives with respect to updates need ``unique_indices=True``.",
)
scatter_min = _scatter_function(
    scatter_min_p,
    "A copy of ``operand`` with windows lowered to updates.",
    "Array([1., 2., 3.], dtype=float64)",
)
scatter_max = _scatter_function(
    scatter_max_p,
    "A copy of ``operand`` with windows raised to updates.",
    "Array([10.,  2., 20.], dtype=float64)",
)


def scatter_apply(
    operand: Any,
    scatter_indices: Any,
    func: Callable[[Any], Any],
    dimension_numbers: ScatterDimensionNumbers,
    *,
    update_shape: Sequence[int] = (),
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: str | GatherScatterMode | None = None,
) -> Any:
    """A copy of ``operand`` in which elements of windows are replaced by ``func`` of them (twice where they occur twice).

    ``func`` maps a scalar to a scalar of the same dtype; ``update_shape`` is the shape that ``updates`` of
    :func:`scatter` would have.

    >>> from jitney import lax, numpy as jnp
    >>> points = lax.ScatterDimensionNumbers((), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,))
    >>> lax.scatter_apply(jnp.array([1., 2.]), jnp.array([[1], [1]]), lax.square, points, update_shape=(2,))
    Array([ 1., 16.], dtype=float64)
    """
    x = as_operand("scatter_apply", operand)
    scalar = shaped_array((), get_aval(x).dtype)
    closed = stage(lambda value, _: [func(value)], [scalar, scalar])
    if closed.consts:
        raise NotImplementedError("scatter_apply: func must not close over arrays.")
    updates = raw.full(tuple(update_shape), 0, scalar.dtype)
    return _scatter(
        scatter_p,
        x,
        scatter_indices,
        updates,
        dimension_numbers,
        indices_are_sorted,
        unique_indices,
        mode,
        closed.jaxpr,
    )


def index_take(src: Any, idxs: Sequence[Any], axes: Sequence[int]) -> Any:
    """``src`` at index arrays ``idxs`` along ``axes``, all 1-D and of one length, which leads the result.

    Indices are taken modulo the axes' sizes.

    >>> from jitney import lax, numpy as jnp
    >>> lax.index_take(jnp.arange(6).reshape(2, 3), (jnp.array([1, 0]), jnp.array([2, -1])), (0, 1))
    Array([5, 2], dtype=int64)
    """
    x = as_operand("index_take", src)
    aval = get_aval(x)
    axes = [to_axis("index_take", a, aval.ndim) for a in axes]
    columns = []
    for index, axis in zip(idxs, axes, strict=True):
        column = as_operand("index_take", index)
        size = get_aval(column).dtype.type(aval.shape[axis])
        rest = ew.rem(column, _like(column, size))
        rest = raw.select(ew.lt(rest, _like(rest, 0)), ew.add(rest, _like(rest, size)), rest)
        columns.append(raw.expand_dims(rest, (1,)))
    sizes = tuple(1 if d in axes else n for d, n in enumerate(aval.shape))
    offset = tuple(range(1, aval.ndim - len(axes) + 1))
    numbers = GatherDimensionNumbers(offset, tuple(sorted(axes)), tuple(axes))
    return gather(x, raw.concatenate(columns, 1), numbers, sizes)


def _like(x: Any, value: Any) -> Any:
    aval = get_aval(x)
    return raw.full(aval.shape, value, aval.dtype)


__all__ = sorted(
    name
    for name, value in globals().items()
    if not name.startswith("_")
    and (
        name.endswith("_p")
        or getattr(value, "__module__", "") == __name__
        or name in ("GatherDimensionNumbers", "GatherScatterMode", "ScatterDimensionNumbers")
    )
)
