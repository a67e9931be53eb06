"""Primitives that read and write at computed places: gather and the scatters.

Begin at ``Layout`` in ``gather_layouts.py``: all rules below are written on it.

Windows that leave the operand, by mode: ``CLIP`` moves them back inside; ``FILL_OR_DROP`` gathers the fill
value and drops the whole update; ``PROMISE_IN_BOUNDS`` acts as ``CLIP`` for gathers and as ``FILL_OR_DROP`` for
scatters, so that a broken promise never touches memory outside the operand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.jaxpr import Jaxpr, evaluate
from jitney._core.primitive import Primitive
from jitney._core.staging import stage
from jitney._core.tangents import Zero, is_undefined
from jitney._core.trace import get_aval, to_numpy, under
from jitney._kernel.rules import Loops, Pull
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.families import check_kinds, check_same_dtype
from jitney._ops.gather_layouts import (
    CLIP,
    FILL_OR_DROP,
    PROMISE_IN_BOUNDS,
    GatherDimensionNumbers,
    GatherScatterMode,
    Layout,
    ScatterDimensionNumbers,
    addressed_first,
    gather_layout,
    np_addresses,
    np_one_window,
    np_starts,
    scatter_layout,
    window_sizes,
)
from jitney._ops.scatter_loops import number_of_parts, place_or_spare, update_in_parts
from jitney._ops.strong_products import stopped

# -- gather -----------------------------------------------------------------------------------------

gather_p = Primitive("gather")


def gather_params(
    dnums: GatherDimensionNumbers,
    slice_sizes: Sequence[int],
    mode: GatherScatterMode,
    *,
    fill_value: Any = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
) -> dict[str, Any]:
    """The params of a gather equation."""
    return {
        "dimension_numbers": dnums,
        "fill_value": fill_value,
        "indices_are_sorted": indices_are_sorted,
        "mode": mode,
        "slice_sizes": tuple(slice_sizes),
        "unique_indices": unique_indices,
    }


def gather(
    x: Any, indices: Any, dnums: GatherDimensionNumbers, slice_sizes: Sequence[int], mode: Any, **more: Any
) -> Any:
    return gather_p.bind(x, indices, **gather_params(dnums, slice_sizes, mode, **more))


def default_fill(dtype: np.dtype) -> Any:
    """What a gather gives outside: nan, the least integer, the greatest unsigned integer or True."""
    if dtype.kind == "i":
        return np.iinfo(dtype).min
    if dtype.kind == "u":
        return np.iinfo(dtype).max
    return True if dtype.kind == "b" else math.nan


def _check_axes(name: str, field: str, axes: Sequence[int], ndim: int, ordered: bool) -> None:
    if len(set(axes)) != len(axes) or not all(0 <= a < ndim for a in axes):
        raise TypeError(f"{field} in {name} must be different axes in [0, {ndim}), got {tuple(axes)}.")
    if ordered and list(axes) != sorted(axes):
        raise TypeError(f"{field} in {name} must be sorted, got {tuple(axes)}.")


def _check_windows(
    name: str,
    fields: Sequence[str],
    dnums: GatherDimensionNumbers,
    x: ShapedArray,
    indices: ShapedArray,
    result_ndim: int,
) -> None:
    """What gather and scatter demand alike of dimension numbers, operand and indices."""
    offset, collapsed, index_map, batching, index_batching = fields
    if indices.dtype.kind not in "iu":
        raise ValueError(f"{name} indices must have an integer type, got {indices.dtype.name}.")
    if not indices.ndim:
        raise TypeError(f"{name} indices need a last axis that holds the index vectors, got a scalar.")
    _check_axes(name, offset, dnums.offset_dims, result_ndim, True)
    _check_axes(name, collapsed, dnums.collapsed_slice_dims, x.ndim, True)
    _check_axes(name, index_map, dnums.start_index_map, x.ndim, False)
    _check_axes(name, batching, dnums.operand_batching_dims, x.ndim, True)
    _check_axes(name, index_batching, dnums.start_indices_batching_dims, indices.ndim - 1, False)
    if len(dnums.start_index_map) != indices.shape[-1]:
        raise TypeError(
            f"{name} has {len(dnums.start_index_map)} elements in {index_map}, but the index vectors (last axis of the "
            f"indices of shape {indices.shape}) have {indices.shape[-1]}. These two numbers must be equal."
        )
    present = x.ndim - len(dnums.collapsed_slice_dims) - len(dnums.operand_batching_dims)
    if len(dnums.offset_dims) != present:
        raise TypeError(
            f"{name}: each operand axis must be in {offset} (one entry per axis), {collapsed} or {batching}; "
            f"got {dnums} for operand shape {x.shape}."
        )
    if {*dnums.operand_batching_dims} & {*dnums.collapsed_slice_dims, *dnums.start_index_map}:
        raise TypeError(f"{name}: {batching} must not occur in {collapsed} or {index_map}, got {dnums}.")
    pairs = list(zip(dnums.operand_batching_dims, dnums.start_indices_batching_dims, strict=False))
    if len(dnums.operand_batching_dims) != len(dnums.start_indices_batching_dims) or any(
        x.shape[d] != indices.shape[i] for d, i in pairs
    ):
        raise TypeError(
            f"{name}: {batching} and {index_batching} must pair axes of equal size, got {dnums} for operand shape "
            f"{x.shape} and indices shape {indices.shape}."
        )


_GATHER_FIELDS = GatherDimensionNumbers._fields
_SCATTER_FIELDS = ScatterDimensionNumbers._fields


def _gather_abstract(
    x: Any,
    indices: Any,
    *,
    dimension_numbers: Any,
    slice_sizes: tuple,
    indices_are_sorted: bool,
    unique_indices: bool,
    mode: Any,
    fill_value: Any,
) -> ShapedArray:
    if len(slice_sizes) != x.ndim:
        raise TypeError(
            f"gather must have one slice size per operand axis, got {slice_sizes} for shape {x.shape}."
        )
    ndim = indices.ndim - 1 + len(dimension_numbers.offset_dims)
    _check_windows("gather", _GATHER_FIELDS, dimension_numbers, x, indices, ndim)
    for d, (size, n) in enumerate(zip(slice_sizes, x.shape, strict=True)):
        if not 0 <= size <= n:
            raise TypeError(
                f"gather slice size {size} along axis {d} is out of range for operand shape {x.shape}."
            )
    for d in (*dimension_numbers.collapsed_slice_dims, *dimension_numbers.operand_batching_dims):
        if slice_sizes[d] > 1 or (slice_sizes[d] != 1 and d in dimension_numbers.collapsed_slice_dims):
            raise TypeError(
                f"gather can only collapse axes of slice size 1, but axis {d} has {slice_sizes[d]}."
            )
    lay = gather_layout(dimension_numbers, x.shape, slice_sizes, indices.ndim - 1)
    shape = [0] * ndim
    for axis, n in zip(lay.counting, indices.shape[:-1], strict=True):
        shape[axis] = n
    for d, axis in lay.inside:
        shape[axis] = slice_sizes[d]
    return shaped_array(tuple(shape), x.dtype, x.weak_type)


def _np_gather(
    x: Any, indices: Any, *, dimension_numbers: Any, slice_sizes: tuple, mode: Any, fill_value: Any, **_: Any
) -> Any:
    lay = gather_layout(dimension_numbers, x.shape, slice_sizes, indices.ndim - 1)
    if indices.ndim == 1:
        index, inside = np_one_window(indices, lay)
        out = x[index].copy()
        return out if inside or mode is not FILL_OR_DROP else np.full_like(out, _fill(x.dtype, fill_value))
    starts, good = np_starts(indices, lay, mode is not FILL_OR_DROP)
    addresses = np_addresses(lay, indices.shape[:-1], starts)
    source = addressed_first(x, lay)
    if len(addresses) == 1:
        out = source.take(addresses[0], axis=0)
    else:
        out = source[addresses]
    if good is not None:
        mask = good.reshape(good.shape + (1,) * (out.ndim - good.ndim))
        out = np.where(mask, out, _fill(x.dtype, fill_value))
    return out.transpose(lay.to_result)


def _fill(dtype: np.dtype, fill_value: Any) -> Any:
    return np.asarray(default_fill(dtype) if fill_value is None else fill_value).astype(dtype)


def _gather_jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    x, indices = primals
    ans = gather_p.bind(x, indices, **params)
    if type(tangents[0]) is Zero:
        return ans, Zero.of(ans)
    return ans, gather_p.bind(tangents[0], indices, **{**params, "fill_value": 0})


def _gather_transpose(
    ct: Any,
    x: Any,
    indices: Any,
    *,
    dimension_numbers: Any,
    mode: Any,
    indices_are_sorted: bool,
    unique_indices: bool,
    **_: Any,
) -> list[Any]:
    params = scatter_params(
        ScatterDimensionNumbers(*dimension_numbers),
        mode,
        indices_are_sorted=indices_are_sorted,
        unique_indices=unique_indices,
    )
    return [scatter_add_p.bind(raw.zeros(x.aval.strip_weak_type()), indices, ct, **params), None]


def _shifted(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(a + 1 for a in axes)


def _gather_batch(
    size: int,
    args: Any,
    dims: Any,
    *,
    dimension_numbers: Any,
    slice_sizes: tuple,
    indices_are_sorted: bool,
    unique_indices: bool,
    mode: Any,
    fill_value: Any,
) -> Any:
    (x, indices), (dx, di) = args, dims
    offset, collapsed, index_map, batching, index_batching = dimension_numbers
    if dx is not None:
        x = raw.move_axis(x, dx, 0)
        collapsed, index_map, batching = map(_shifted, (collapsed, index_map, batching))
        slice_sizes = (size if di is None else min(size, 1), *slice_sizes)
    if di is not None:
        indices = raw.move_axis(indices, di, 0)
        index_batching = _shifted(index_batching)
    offset = _shifted(offset)
    if di is None:
        offset = (0, *offset)
    elif dx is not None:
        batching, index_batching = (0, *batching), (0, *index_batching)
    dnums = GatherDimensionNumbers(offset, collapsed, index_map, batching, index_batching)
    out = gather(
        x,
        indices,
        dnums,
        slice_sizes,
        mode,
        fill_value=fill_value,
        indices_are_sorted=indices_are_sorted and dx is None,
        unique_indices=unique_indices and (dx is None or di is None),
    )
    return out, 0


def _gather_element(
    b: Any,
    idx: Any,
    x: Any,
    indices: Any,
    *,
    dimension_numbers: Any,
    slice_sizes: tuple,
    mode: Any,
    fill_value: Any,
    **_: Any,
) -> Any:
    """Read the operand at the window's start plus the place inside; where the window leaves, the fill value."""
    lay = gather_layout(dimension_numbers, x.aval.shape, slice_sizes, indices.aval.ndim - 1)
    fill = mode is FILL_OR_DROP
    place, good = _native_place(b, lay, idx, lambda where: indices.read(where), fill)
    if not fill:
        return x.read(tuple(place))
    other = default_fill(x.aval.dtype) if fill_value is None else fill_value
    return b.guard(good, lambda: x.read(tuple(place)), lambda: b.const(other, x.aval.dtype))


def _native_place(
    b: Any, lay: Layout, idx: Sequence[Any], read: Callable[[tuple], Any], checked: bool
) -> tuple[list[Any], list[Any]]:
    """The operand index for element ``idx`` of the result and, if ``checked``, the conditions for it to be inside."""
    window = tuple(idx[axis] for axis in lay.counting)
    place: list[Any] = [0] * len(lay.shape)
    good = []
    for d, axis in lay.inside:
        place[d] = idx[axis]
    for d, position in lay.batching:
        place[d] = window[position]
    for k, (d, limit) in enumerate(lay.limits):
        start = read((*window, k))
        if checked:
            good += _native_inside(b, start, limit)
        place[d] = b.to_index(start, 0, limit) + place[d]
    return place, good


def _native_inside(b: Any, start: Any, limit: int) -> list[Any]:
    """Conditions for ``0 <= start <= limit``; those that the index dtype guarantees are left out."""
    bounds = np.iinfo(start.dtype)
    if limit < bounds.max:
        unsigned = np.dtype(f"u{start.dtype.itemsize}")  # negative ones are large
        return [b.le(b.cast(start, unsigned), b.const(limit, unsigned))]
    return [] if bounds.min >= 0 else [b.ge(start, b.const(0, start.dtype))]


gather_p.abstract = lru_cache(maxsize=4096)(_gather_abstract)
gather_p.numpy = _np_gather
gather_p.jvp = _gather_jvp
gather_p.transpose = _gather_transpose
gather_p.batch = _gather_batch
gather_p.lower = Pull(_gather_element)

# -- scatter: what all of them share ----------------------------------------------------------------


def scatter_params(
    dnums: ScatterDimensionNumbers,
    mode: GatherScatterMode,
    *,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    update_jaxpr: Any = None,
) -> dict[str, Any]:
    """The params of a scatter equation."""
    return {
        "dimension_numbers": dnums,
        "indices_are_sorted": indices_are_sorted,
        "mode": mode,
        "unique_indices": unique_indices,
        "update_consts": (),
        "update_jaxpr": update_jaxpr,
    }


def _scatter_abstract(name: str, kinds: str) -> Callable[..., ShapedArray]:
    def abstract(x: Any, indices: Any, updates: Any, *, dimension_numbers: Any, **_: Any) -> ShapedArray:
        check_kinds(name, [x], kinds)
        check_same_dtype(name, [x, updates])
        dnums = GatherDimensionNumbers(*dimension_numbers)
        ndim = indices.ndim - 1 + len(dnums.offset_dims)
        if indices.ndim and updates.ndim != ndim:
            raise TypeError(
                f"{name} updates must have {ndim} axes ({indices.ndim - 1} that count windows and {len(dnums.offset_dims)} "
                f"inside them), got updates shape {updates.shape} for indices shape {indices.shape}."
            )
        _check_windows(name, _SCATTER_FIELDS, dnums, x, indices, updates.ndim)
        lay = scatter_layout(dimension_numbers, x.shape, updates.shape, indices.ndim - 1)
        if any(updates.shape[axis] != n for axis, n in zip(lay.counting, indices.shape[:-1], strict=True)):
            raise TypeError(
                f"{name}: axes {tuple(lay.counting)} of the updates, of shape {updates.shape}, must have the sizes of the "
                f"leading axes of the indices, of shape {indices.shape}."
            )
        if any(updates.shape[axis] > x.shape[d] for d, axis in lay.inside):
            raise TypeError(
                f"{name} windows of {lay.sizes} elements are larger than the operand's shape {x.shape}."
            )
        return x

    return abstract


def _np_scatter(write: Callable[[Any, tuple, Any, bool], None]) -> Callable[..., Any]:
    """The meaning of a scatter whose ``write(target, addresses, updates, unique)`` puts updates in place."""

    def meaning(
        x: Any,
        indices: Any,
        updates: Any,
        *,
        dimension_numbers: Any,
        mode: Any,
        unique_indices: bool,
        update_jaxpr: Any = None,
        **_: Any,
    ) -> Any:
        out = x.copy()
        if updates.size == 0:
            return out
        lay = scatter_layout(dimension_numbers, x.shape, updates.shape, indices.ndim - 1)
        if indices.ndim == 1 and update_jaxpr is None:
            index, inside = np_one_window(indices, lay)
            if inside or mode is CLIP:
                write(out, index, updates, True)
            return out
        starts, good = np_starts(indices, lay, mode is CLIP)
        addresses = np_addresses(lay, indices.shape[:-1], starts, good)
        updates = updates.transpose(lay.from_result)
        if good is not None:
            updates = updates[good]
        put = write if update_jaxpr is None else _np_apply(update_jaxpr)
        put(addressed_first(out, lay), addresses, updates, unique_indices)
        return out

    return meaning


def _np_apply(program: Jaxpr) -> Callable[..., None]:
    """Replace elements by the program's result, window by window (a place that occurs twice is changed twice)."""

    def write(target: Any, addresses: tuple, updates: Any, unique: bool) -> None:
        shape = addresses[0].shape
        for number in np.ndindex(shape):
            place = tuple(np.broadcast_to(a, shape)[number] for a in addresses)
            with under(None):
                (value,) = evaluate(program, (), target[place], updates[number])
            target[place] = to_numpy(value)

    return write


def _np_combine(ufunc: np.ufunc) -> Callable[..., None]:
    """Fold updates into their places; places that occur several times take all of theirs."""

    def write(target: Any, addresses: tuple, updates: Any, unique: bool) -> None:
        if unique:
            target[addresses] = ufunc(target[addresses], updates)
        else:
            ufunc.at(target, addresses, updates)

    return write


def _scatter_batch(prim: Primitive) -> Callable[..., Any]:
    def batch(size: int, args: Any, dims: Any, *, dimension_numbers: Any, **params: Any) -> Any:
        (x, indices, updates), (dx, di, du) = args, dims
        window, inserted, index_map, batching, index_batching = dimension_numbers
        inserted, index_map, batching = map(_shifted, (inserted, index_map, batching))
        x, updates, window = (
            raw.batch_first(x, dx, size),
            raw.batch_first(updates, du, size),
            _shifted(window),
        )
        if di is None:  # the same places for all examples: the batch axis runs inside windows
            window = (0, *window)
        else:
            indices = raw.move_axis(indices, di, 0)
            batching, index_batching = (0, *batching), (0, *_shifted(index_batching))
        dnums = ScatterDimensionNumbers(window, inserted, index_map, batching, index_batching)
        return prim.bind(x, indices, updates, dimension_numbers=dnums, **params), 0

    return batch


def _scatter_loops(
    combine: Callable[..., Any] | None, neutral: Callable[[np.dtype], Any], merge: Callable[..., Any] | None
) -> Loops:
    """Copy the operand, then loop over the updates; ``combine(b, old, update)`` or None: replace.

    ``neutral`` and ``merge``: see ``update_in_parts``.
    """

    def build(b: Any, outs: Any, ins: Any, *, dimension_numbers: Any, mode: Any, **_: Any) -> None:
        (out,), (x, indices, updates) = outs, ins
        b.copy(out, x, math.prod(x.shape))
        if 0 in updates.shape:
            return
        lay = scatter_layout(dimension_numbers, x.shape, updates.shape, len(indices.shape) - 1)

        def update(idx: tuple, target: Any) -> None:
            if target.shape != out.shape:
                start = b.load(indices, (*[idx[axis] for axis in lay.counting], 0))
                place = place_or_spare(b, start, x.shape[0])
                b.store(target, place, combine(b, b.load(target, place), b.load(updates, idx)))
                return
            place, good = _native_place(b, lay, idx, lambda where: b.load(indices, where), mode is not CLIP)
            place, nothing = tuple(place), b.const(0, np.int64)
            value = b.load(updates, idx)
            if combine is not None:  # places are clamped, so that this load needs no guard
                value = combine(b, b.load(target, place), value)

            def write() -> Any:
                b.store(target, place, value)
                return nothing

            b.guard(good, write, nothing)

        parts = 0 if combine is None else number_of_parts(x.shape, x.dtype.itemsize, updates.shape)
        if parts:
            spare = len(x.shape) == 1 and lay.direct is not None and mode is not CLIP
            update_in_parts(b, out, updates.shape, parts, update, neutral(x.dtype), merge or combine, spare)
        else:
            nested_loops(b, updates.shape, lay.from_result, lambda idx: update(idx, out))

    def supports(in_avals: Any, *, update_jaxpr: Any = None, **_: Any) -> bool:
        return update_jaxpr is None and in_avals[0].size > 0

    return Loops(build, supports, in_place=True, streams=(1, 2))


def nested_loops(
    b: Any,
    shape: Sequence[int],
    order: Sequence[int],
    body: Callable[[tuple], None],
    innermost: str = "serial",
) -> None:
    """``body(idx)`` for all indices of ``shape``, the axes of ``order`` from the outside in."""
    idx: list[Any] = [0] * len(shape)
    last = max((n for n, axis in enumerate(order) if shape[axis] > 1), default=-1)

    def open_axis(number: int) -> None:
        if number == len(order):
            body(tuple(idx))
            return
        axis = order[number]
        if shape[axis] == 1:
            open_axis(number + 1)
            return
        with b.loop(shape[axis], innermost if number == last else "serial") as i:
            idx[axis] = i
            open_axis(number + 1)

    open_axis(0)


def scatter_family(
    name: str,
    kinds: str,
    write: Callable[..., None],
    combine: Callable[..., Any] | None,
    neutral: Callable[[np.dtype], Any] = lambda dtype: None,
    merge: Callable[..., Any] | None = None,
) -> Primitive:
    """A scatter; its derivative slots are filled by the caller."""
    prim = Primitive(name)
    prim.abstract = lru_cache(maxsize=4096)(_scatter_abstract(name, kinds))
    prim.numpy = _np_scatter(write)
    prim.batch = _scatter_batch(prim)
    prim.lower = _scatter_loops(combine, neutral, merge)
    if combine is not None:
        prim.may_warn = True  # inf - inf and the like
        prim.print_params = lambda eqn: {
            **eqn.params,
            "update_jaxpr": _update_program(name, eqn.invars[0].aval.dtype),
        }
    return prim


@lru_cache(maxsize=256)
def _update_program(name: str, dtype: np.dtype) -> Jaxpr:
    """The scalar program of an update, as JAX prints it among the params."""
    scalar = shaped_array((), dtype)
    bind = {"add": ew.add, "sub": ew.sub, "mul": ew.mul, "min": ew.minimum, "max": ew.maximum}[name[-3:]]
    return stage(lambda x, y: [bind(x, y)], [scalar, scalar]).jaxpr


def gather_at_updates(x: Any, indices: Any, updates: ShapedArray, params: dict[str, Any]) -> Any:
    """The elements of ``x`` at the places that a scatter of ``updates`` writes; 0 where it drops."""
    dnums = params["dimension_numbers"]
    sizes = window_sizes(dnums, get_aval(x).shape, updates.shape)
    return gather(
        x,
        indices,
        GatherDimensionNumbers(*dnums),
        sizes,
        params["mode"],
        fill_value=0,
        indices_are_sorted=params["indices_are_sorted"],
        unique_indices=params["unique_indices"],
    )


def _aval(x: Any) -> ShapedArray:
    return x.aval if is_undefined(x) else get_aval(x)


# -- scatter (replace) ------------------------------------------------------------------------------


def _write_last(target: Any, addresses: tuple, updates: Any, unique: bool) -> None:
    target[addresses] = updates


scatter_p = scatter_family("scatter", "biufck", _write_last, None)


def _scatter_jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    x, indices, updates = primals
    if params["update_jaxpr"] is not None:
        raise NotImplementedError(
            "scatter_apply is not differentiable: use gather, the function, and scatter."
        )
    ans = scatter_p.bind(x, indices, updates, **params)
    if type(tangents[0]) is Zero and type(tangents[2]) is Zero:
        return ans, Zero.of(ans)
    g_x, g_updates = raw.instantiate(tangents[0]), raw.instantiate(tangents[2])
    if params["unique_indices"]:
        return ans, scatter_p.bind(g_x, indices, g_updates, **params)
    # Number the windows, scatter the numbers, and see which update won each place (0: none did).
    numbers = _window_numbers(get_aval(indices), get_aval(updates), params["dimension_numbers"])
    unwritten = raw.full(get_aval(x).shape, 0, np.dtype(np.uint32))
    winners = scatter_p.bind(unwritten, indices, numbers, **params)
    won = ew.eq(numbers, gather_at_updates(winners, indices, get_aval(updates), params))
    g_x = raw.select(ew.eq(winners, unwritten), g_x, raw.zeros(get_aval(g_x)))
    g_updates = raw.select(won, g_updates, raw.zeros(get_aval(g_updates)))
    return ans, scatter_add_p.bind(g_x, indices, g_updates, **params)


def _window_numbers(indices: ShapedArray, updates: ShapedArray, dnums: ScatterDimensionNumbers) -> Any:
    """1, 2, ... for the windows, in the shape of the updates."""
    counts = indices.shape[:-1]
    numbers = raw.reshape(raw.iota(np.dtype(np.uint32), (math.prod(counts),)), counts)
    axes = [a for a in range(updates.ndim) if a not in dnums.update_window_dims]
    one = raw.full(updates.shape, 1, np.dtype(np.uint32))
    return ew.add(raw.broadcast_in_dim(numbers, updates.shape, axes), one)


def _scatter_transpose(ct: Any, x: Any, indices: Any, updates: Any, **params: Any) -> list[Any]:
    if not params["unique_indices"]:
        raise NotImplementedError("scatter transpose is only implemented where unique_indices=True")
    aval = _aval(updates)
    zeros = raw.zeros(shaped_array(aval.shape, get_aval(ct).dtype))
    return [
        scatter_p.bind(ct, indices, zeros, **params) if is_undefined(x) else None,
        None,
        gather_at_updates(ct, indices, aval, params) if is_undefined(updates) else None,
    ]


scatter_p.jvp = _scatter_jvp
scatter_p.transpose = _scatter_transpose

# -- scatter-add, scatter-sub: linear in both -------------------------------------------------------


def _nothing(dtype: np.dtype) -> Any:
    """What changes no number by being added, -0.0 neither."""
    return -0.0 if dtype.kind == "f" else 0


scatter_add_p = scatter_family(
    "scatter-add", "iufc", _np_combine(np.add), lambda b, x, y: b.add(x, y), _nothing
)
scatter_sub_p = scatter_family(
    "scatter-sub",
    "iufc",
    _np_combine(np.subtract),
    lambda b, x, y: b.sub(x, y),
    _nothing,
    lambda b, x, y: b.add(x, y),
)


def _make_linear(prim: Primitive, sign: Callable[[Any], Any]) -> None:
    def jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
        x, indices, updates = primals
        ans = prim.bind(x, indices, updates, **params)
        if type(tangents[0]) is Zero and type(tangents[2]) is Zero:
            return ans, Zero.of(ans)
        return ans, prim.bind(raw.instantiate(tangents[0]), indices, raw.instantiate(tangents[2]), **params)

    def transpose(ct: Any, x: Any, indices: Any, updates: Any, **params: Any) -> list[Any]:
        at = sign(gather_at_updates(ct, indices, _aval(updates), params)) if is_undefined(updates) else None
        return [ct if is_undefined(x) else None, None, at]

    prim.jvp, prim.transpose = jvp, transpose


_make_linear(scatter_add_p, lambda ct: ct)
_make_linear(scatter_sub_p, ew.neg)

# -- scatter-mul ------------------------------------------------------------------------------------

scatter_mul_p = scatter_family(
    "scatter-mul", "iufc", _np_combine(np.multiply), lambda b, x, y: b.mul(x, y), lambda d: 1
)


def _scatter_mul_jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    x, indices, updates = primals
    g_x, _, g_updates = tangents
    ans = scatter_mul_p.bind(x, indices, updates, **params)
    total: Any = Zero.of(ans)
    if type(g_x) is not Zero:
        total = scatter_mul_p.bind(g_x, indices, updates, **params)
    if type(g_updates) is not Zero:
        if not params["unique_indices"]:
            raise NotImplementedError("scatter_mul gradients are only implemented if `unique_indices=True`")
        here = ew.mul(g_updates, gather_at_updates(x, indices, get_aval(updates), params))
        spread = scatter_add_p.bind(raw.zeros(get_aval(x).strip_weak_type()), indices, here, **params)
        total = raw.add_tangents(total, spread)
    return ans, total


def _scatter_mul_transpose(ct: Any, x: Any, indices: Any, updates: Any, **params: Any) -> list[Any]:
    return [scatter_mul_p.bind(ct, indices, updates, **params), None, None]


scatter_mul_p.jvp = _scatter_mul_jvp
scatter_mul_p.transpose = _scatter_mul_transpose

# -- scatter-min, scatter-max -----------------------------------------------------------------------


def _extreme(dtype: np.dtype, greatest: bool) -> Any:
    if dtype.kind == "f":
        return math.inf if greatest else -math.inf
    if dtype.kind == "b":
        return greatest
    return np.iinfo(dtype).max if greatest else np.iinfo(dtype).min


scatter_min_p = scatter_family(
    "scatter-min",
    "biuf",
    _np_combine(np.minimum),
    lambda b, x, y: b.min(x, y),
    lambda d: _extreme(d, True),
)
scatter_max_p = scatter_family(
    "scatter-max",
    "biuf",
    _np_combine(np.maximum),
    lambda b, x, y: b.max(x, y),
    lambda d: _extreme(d, False),
)


def _extremum_jvp(prim: Primitive) -> Callable[..., Any]:
    """All that attain an extremum share its tangent equally."""

    def jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
        x, indices, updates = primals
        ans = prim.bind(x, indices, updates, **params)
        if type(tangents[0]) is Zero and type(tangents[2]) is Zero:
            return ans, Zero.of(ans)
        dtype = get_aval(ans).dtype
        from_x = ew.convert(ew.eq(x, ans), dtype)
        from_updates = ew.convert(
            ew.eq(updates, gather_at_updates(ans, indices, get_aval(updates), params)), dtype
        )
        count = scatter_add_p.bind(from_x, indices, from_updates, **params)
        g_x = stopped(raw.instantiate(tangents[0]), from_x)
        g_updates = stopped(raw.instantiate(tangents[2]), from_updates)
        return ans, ew.div(scatter_add_p.bind(g_x, indices, g_updates, **params), count)

    return jvp


scatter_min_p.jvp = _extremum_jvp(scatter_min_p)
scatter_max_p.jvp = _extremum_jvp(scatter_max_p)


def take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    """``x[..., indices[..., i, ...], ...]`` along ``axis`` for indices that are known to be in bounds."""
    aval = get_aval(indices)
    others = tuple(d for d in range(aval.ndim) if d != axis)
    dnums = GatherDimensionNumbers((), (axis,), (axis,), others, others)
    return gather(x, raw.reshape(indices, (*aval.shape, 1)), dnums, (1,) * aval.ndim, PROMISE_IN_BOUNDS)


__all__ = sorted(name for name in globals() if name.endswith("_p"))
