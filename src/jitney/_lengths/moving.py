"""Rules of operations that move elements: slices, joins, padding, shapes, and reading and writing at computed places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._core.primitive import registry
from jitney._core.trace import get_aval
from jitney._lengths.fitting import Refusal
from jitney._lengths.neutral import highest, lowest, one, zero
from jitney._lengths.outlines import Length, Step
from jitney._lengths.rewriting import Rewriting, Value, as_it_is, convert, integer, integer_dtype, plain, rule
from jitney._ops import gather_layouts, indexing, raw


def add(x: Any, y: Any) -> Any:
    return registry["add"].bind(x, y)


def sub(x: Any, y: Any) -> Any:
    return registry["sub"].bind(x, y)


def least(x: Any, y: Any) -> Any:
    return registry["min"].bind(x, y)


def most(x: Any, y: Any) -> Any:
    return registry["max"].bind(x, y)


def pad_axis(x: Any, axis: int, low: int, high: int) -> Any:
    """Zeros before and behind."""
    aval = get_aval(x)
    config = [(low, high, 0) if d == axis else (0, 0, 0) for d in range(aval.ndim)]
    return raw.pad(x, aval.dtype.type(0), config)


def window(x: Any, axis: int, start: Any, size: int, step: int = 1) -> Any:
    """``size`` elements from the computed place ``start`` on, which lies in the axis; what is behind its end is zero."""
    shape = get_aval(x).shape
    span = (size - 1) * step + 1 if size else 0
    x = pad_axis(x, axis, 0, span)
    starts = [start if d == axis else integer(0) for d in range(len(shape))]
    sizes = tuple(span if d == axis else n for d, n in enumerate(shape))
    out = registry["dynamic_slice"].bind(x, *starts, slice_sizes=sizes)
    if step == 1:
        return out
    steps = tuple(step if d == axis else 1 for d in range(len(shape)))
    return raw.slice_(out, (0,) * len(shape), sizes, steps)


def shifted(x: Any, axis: int, by: Any, size: int) -> Any:
    """Element ``i`` is ``x[i - by]``, ``0 <= by <= size``; zero before."""
    shape = get_aval(x).shape
    x = pad_axis(x, axis, size, max(0, size - shape[axis]))
    starts = [sub(integer(size), by) if d == axis else integer(0) for d in range(len(shape))]
    sizes = tuple(size if d == axis else n for d, n in enumerate(shape))
    return registry["dynamic_slice"].bind(x, *starts, slice_sizes=sizes)


def places(shape: Sequence[int], axis: int) -> Any:
    return raw.iota(integer_dtype(), tuple(map(int, shape)), axis)


def below(x: Any, y: Any) -> Any:
    return registry["lt"].bind(x, y)


# -- slices -------------------------------------------------------------------------------------------


@rule("slice")
def _slice(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    (value,) = ins
    params = step.params
    steps = params["strides"] or (1,) * len(value.dims)
    if any(type(s) is Length for s in steps):
        raise Refusal("the step of a slice depends on the length", step.eqn)
    x = value.x
    moving = [d for d, low in enumerate(params["start_indices"]) if type(low) is Length]
    for axis in moving:
        low = rewriting.length(params["start_indices"][axis])
        x = window(x, axis, low, int(step.dims[0][axis]), steps[axis])
    low, high, by = [], [], []
    for axis, (start, size) in enumerate(zip(params["start_indices"], step.dims[0], strict=True)):
        first, every = (0, 1) if axis in moving else (int(start), steps[axis])
        low.append(first)
        high.append(first + (int(size) - 1) * every + 1 if size else first)
        by.append(every)
    return _slice_padded(x, low, high, by)


def _slice_padded(x: Any, low: list[int], high: list[int], by: list[int]) -> Any:
    """A slice that may reach behind the ends of ``x``."""
    shape = get_aval(x).shape
    beyond = [max(0, h - n) for h, n in zip(high, shape, strict=True)]
    if any(beyond):
        x = raw.pad(x, get_aval(x).dtype.type(0), [(0, n, 0) for n in beyond])
    if all(a == 0 and b == n and s == 1 for a, b, n, s in zip(low, high, get_aval(x).shape, by, strict=True)):
        return x
    return raw.slice_(x, low, high, None if all(s == 1 for s in by) else tuple(by))


@rule("rev")
def _rev(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    (value,) = ins
    out = as_it_is(rewriting, step, ins)
    for axis in step.params["dimensions"]:
        n = value.dims[axis]
        if type(n) is Length:  # what was behind the end now stands before the first element
            out = window(out, axis, sub(integer(int(n)), rewriting.length(n)), int(n))
    return out


@rule("dynamic_slice")
def _dynamic_slice(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    value, *starts = ins
    x, firsts = value.x, [s.x for s in starts]
    for axis, (n, size) in enumerate(zip(value.dims, step.params["slice_sizes"], strict=True)):
        if type(n) is Length or type(size) is Length:
            firsts[axis] = _clamped(rewriting, firsts[axis], n, size)
            x = pad_axis(x, axis, 0, int(size))
    return step.eqn.primitive.bind(x, *firsts, **plain(step))


def _clamped(rewriting: Rewriting, start: Any, n: int, size: int) -> Any:
    """The place of a window moved back inside an axis."""
    dtype = get_aval(start).dtype
    start = convert(start, dtype)
    last = sub(rewriting.length(n, dtype), rewriting.length(size, dtype))
    return most(least(start, last), dtype.type(0))


@rule("dynamic_update_slice")
def _dynamic_update_slice(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    value, update, *starts = ins
    firsts = [s.x for s in starts]
    x, new, guard = value.x, update.x, None
    for axis, (n, size) in enumerate(zip(value.dims, update.dims, strict=True)):
        if type(n) is not Length and type(size) is not Length:
            continue
        firsts[axis] = _clamped(rewriting, firsts[axis], n, size)
        if type(size) is Length and not (type(n) is Length and n.place == size.place):
            guard = axis if guard is None else -1
    if guard is None:
        return step.eqn.primitive.bind(x, new, *firsts)
    if guard < 0:
        raise Refusal("a window varies along several axes", step.eqn)
    # What is behind the end of the update must not be written: write into room behind, under a mask.
    room = int(update.dims[guard])
    wide = pad_axis(x, guard, 0, room)
    written = step.eqn.primitive.bind(wide, new, *firsts)
    inside = rewriting.inside(update.dims, (guard,))
    shape = get_aval(wide).shape
    marks = raw.broadcast_in_dim(np.bool_(False), shape, ())
    marks = registry["dynamic_update_slice"].bind(marks, inside, *firsts)
    out = raw.select(marks, written, wide)
    return raw.slice_(out, (0,) * len(shape), get_aval(x).shape)


# -- joins and padding --------------------------------------------------------------------------------


@rule("concatenate")
def _concatenate(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    axis = step.params["dimension"]
    sizes = [v.dims[axis] for v in ins]
    if not any(type(n) is Length for n in sizes[:-1]):
        return as_it_is(rewriting, step, ins)
    shape = step.dims[0]
    capacity, out, start = int(shape[axis]), None, None
    where = places(shape, axis)
    for value, n in zip(ins, sizes, strict=True):
        if out is None:
            out, start = _fitted(value.x, axis, capacity), rewriting.length(n)
            continue
        out = raw.select(below(where, start), out, shifted(value.x, axis, start, capacity))
        start = add(start, rewriting.length(n))
    return out


def _fitted(x: Any, axis: int, size: int) -> Any:
    have = get_aval(x).shape[axis]
    return pad_axis(x, axis, 0, size - have) if have <= size else _cut(x, axis, size)


def _cut(x: Any, axis: int, size: int) -> Any:
    shape = get_aval(x).shape
    return raw.slice_(x, (0,) * len(shape), tuple(size if d == axis else n for d, n in enumerate(shape)))


@rule("pad")
def _pad(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    value, neutral = ins
    x = value.x
    config = [tuple(c) for c in step.params["padding_config"]]
    open_axes = [d for d in value.open_axes if type(config[d][1]) is Length or config[d][1] > 0]
    x = rewriting.masked(value, open_axes, neutral.x) if open_axes else x
    shape, late = step.dims[0], []
    for axis, (low, high, inner) in enumerate(config):
        if type(inner) is Length:
            raise Refusal("the padding between elements depends on the length", step.eqn)
        n = get_aval(x).shape[axis]
        if type(low) is Length:
            late.append(axis)
            low = 0
        spread = n + max(n - 1, 0) * inner
        if (
            not any(type(v) is Length for v in (value.dims[axis], low, high, shape[axis]))
            and axis not in late
        ):
            continue
        config[axis] = (int(low), int(shape[axis]) - spread - int(low), inner)
    out = registry["pad"].bind(x, neutral.x, padding_config=tuple(tuple(map(int, c)) for c in config))
    for axis in late:
        by = rewriting.length(step.params["padding_config"][axis][0])
        size = int(shape[axis])
        before = below(places(shape, axis), by)
        moved = shifted(out, axis, most(by, integer(0)), size)
        filled = raw.broadcast_in_dim(neutral.x, get_aval(out).shape, ())
        out = raw.select(before, filled, moved)
    return out


@rule("split")
def _split(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    (value,) = ins
    axis, start = step.params["axis"], integer(0)
    found = []
    for size in step.params["sizes"]:
        found.append(window(value.x, axis, start, int(size)))
        start = add(start, rewriting.length(size))
    return found


# -- shapes -------------------------------------------------------------------------------------------


@rule("reshape")
def _reshape(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    if step.params.get("dimensions") is not None:
        raise Refusal("it reads the axes in another order", step.eqn)
    (value,) = ins
    old, new = value.dims, step.dims[0]
    if _keeps_order(old, new):
        return raw.reshape(value.x, tuple(map(int, new)))
    return _reshape_by_places(rewriting, value, new)


def _keeps_order(old: Sequence[int], new: Sequence[int]) -> bool:
    """Whether the first elements stay the first: sizes in front of what changes agree, and only the first of the rest varies."""
    old, new = ([n for n in s if type(n) is Length or n != 1] for s in (old, new))
    while old and new and _same(old[0], new[0]):
        old, new = old[1:], new[1:]
    while old and new and _same(old[-1], new[-1]):
        old, new = old[:-1], new[:-1]
    return not any(type(n) is Length for n in [*old[1:], *new[1:]])


def _same(n: int, m: int) -> bool:
    if type(n) is Length or type(m) is Length:
        return type(n) is type(m) and n.place == m.place  # type: ignore[attr-defined]
    return n == m


def _reshape_by_places(rewriting: Rewriting, value: Value, new: Sequence[int]) -> Any:
    """Each element's number in the order of the new sizes, and from it its place in the old ones."""
    shape, flat = tuple(map(int, new)), None
    for axis, n in enumerate(new):
        here = places(shape, axis)
        flat = here if flat is None else add(registry["mul"].bind(flat, rewriting.length(n)), here)
    capacity, source, weight = [int(n) for n in value.dims], integer(0), 1
    for axis in reversed(range(len(value.dims))):
        if axis:
            n = rewriting.length(value.dims[axis])
            place = registry["rem"].bind(flat, n)
            flat = registry["div"].bind(flat, n)
        else:
            place = flat
        source = add(source, registry["mul"].bind(place, integer(weight)))
        weight *= capacity[axis]
    numbers = gather_layouts.GatherDimensionNumbers((), (0,), (0,))
    line = raw.reshape(value.x, (math.prod(capacity),))
    return indexing.gather(
        line, raw.reshape(source, (*shape, 1)), numbers, (1,), gather_layouts.GatherScatterMode.CLIP
    )


# -- gather and scatter -------------------------------------------------------------------------------


@rule("gather")
def _gather(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    value, indices = ins
    params = step.params
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    x, at = value.x, indices.x
    drops = params["mode"].name == "FILL_OR_DROP"
    for component, axis in enumerate(numbers.start_index_map):
        n, size = value.dims[axis], sizes[axis]
        if type(n) is Length or type(size) is Length:
            if type(size) is Length:
                x = pad_axis(x, axis, 0, int(size))
            outside = get_aval(x).shape[axis]
            at = _bounded(rewriting, at, component, n, size, outside if drops else None)
    return step.eqn.primitive.bind(x, at, **plain(step))


def _bounded(rewriting: Rewriting, at: Any, component: int, n: int, size: int, outside: int | None) -> Any:
    """One component of places, not behind the last one: moved there, or to ``outside``, which nothing accepts."""
    aval = get_aval(at)
    last = sub(rewriting.length(n, aval.dtype), rewriting.length(size, aval.dtype))
    if outside is None:
        found = least(at, last)
    else:
        over = raw.broadcast_in_dim(_place(outside, aval.dtype), aval.shape, ())
        found = raw.select(registry["gt"].bind(at, last), over, at)
    return _of_component(at, component, found)


def _place(n: int, dtype: np.dtype) -> Any:
    if n > np.iinfo(dtype).max:
        raise TypeError(f"{n} is no {dtype.name}")
    return dtype.type(n)


def _of_component(at: Any, component: int, found: Any) -> Any:
    shape = get_aval(at).shape
    if shape[-1] == 1:
        return found
    here = registry["eq"].bind(places(shape, len(shape) - 1), integer(component))
    return raw.select(here, found, at)


_KEEPS = {
    "scatter-add": zero,
    "scatter-sub": zero,
    "scatter-mul": one,
    "scatter-min": highest,
    "scatter-max": lowest,
}


@rule("scatter", "scatter-add", "scatter-sub", "scatter-mul", "scatter-min", "scatter-max")
def _scatter(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    value, indices, updates = ins
    numbers = step.params["dimension_numbers"]
    mode = step.params["mode"]
    x, at, new = value.x, indices.x, updates.x
    sizes = _window_sizes(value.dims, updates.dims, numbers)
    room: dict[int, int] = {}
    for axis, size in enumerate(sizes):
        if type(size) is Length and not _same(size, value.dims[axis]):
            room[axis] = int(size)
    if room:
        return _write_window(rewriting, step, ins, sizes, room)
    for component, axis in enumerate(numbers.scatter_dims_to_operand_dims):
        n, size = value.dims[axis], sizes[axis]
        if type(n) is Length:
            clips = mode.name == "CLIP"
            at = _bounded(rewriting, at, component, n, size, None if clips else int(n))
    params = plain(step)
    counted = [d for d in indices.open_axes if d < len(indices.dims) - 1]
    if counted:
        at, params = _dropped(rewriting, at, indices.dims, counted, x, numbers, params, sizes)
    return step.eqn.primitive.bind(x, at, new, **params)


def _window_sizes(operand: Sequence[int], updates: Sequence[int], numbers: Any) -> list[int]:
    inside = iter(numbers.update_window_dims)
    flat = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    return [1 if d in flat else updates[next(inside)] for d in range(len(operand))]


def _dropped(
    rewriting: Rewriting,
    at: Any,
    dims: Sequence[int],
    axes: list[int],
    x: Any,
    numbers: Any,
    params: dict[str, Any],
    sizes: Sequence[int],
) -> tuple[Any, dict[str, Any]]:
    """Places behind the end of the list of places are outside of the operand, and what is outside is dropped."""
    if not numbers.scatter_dims_to_operand_dims:
        raise ValueError("every update has its own place")
    mode = type(params["mode"])
    dtype, shape = get_aval(at).dtype, get_aval(x).shape
    if params["mode"] is mode.CLIP:
        for component, axis in enumerate(numbers.scatter_dims_to_operand_dims):
            last = shape[axis] - int(sizes[axis])
            found = most(least(at, _place(last, dtype)), dtype.type(0))
            at = _of_component(at, component, found)
    outside = max(shape[axis] for axis in numbers.scatter_dims_to_operand_dims)
    over = raw.broadcast_in_dim(_place(outside, dtype), get_aval(at).shape, ())
    at = raw.select(rewriting.inside(dims, axes), at, over)
    changed = {"mode": mode.FILL_OR_DROP, "unique_indices": False, "indices_are_sorted": False}
    return at, {**params, **changed}


def _write_window(
    rewriting: Rewriting, step: Step, ins: list[Value], sizes: Sequence[int], room: dict[int, int]
) -> Any:
    """One window whose size varies: what it holds behind its end is replaced by what stands there, or by nothing to add."""
    value, indices, updates = ins
    numbers = step.params["dimension_numbers"]
    name = step.eqn.primitive.name
    if len(indices.dims) != 1 or numbers.operand_batching_dims or len(room) != 1:
        raise Refusal("windows of varying size", step.eqn)
    (axis,) = room
    x, at, new = value.x, indices.x, updates.x
    shape = get_aval(x).shape
    place = [d for d in range(len(shape)) if d not in numbers.inserted_window_dims].index(axis)
    window_axis = numbers.update_window_dims[place]
    x = pad_axis(x, axis, 0, room[axis])
    mode = step.params["mode"]
    for component, d in enumerate(numbers.scatter_dims_to_operand_dims):
        clips = mode.name == "CLIP"
        if type(value.dims[d]) is Length or type(sizes[d]) is Length:
            at = _bounded(
                rewriting, at, component, value.dims[d], sizes[d], None if clips else get_aval(x).shape[d]
            )
    inside = rewriting.inside(updates.dims, (window_axis,))
    if name == "scatter":
        marks = raw.broadcast_in_dim(np.bool_(False), get_aval(x).shape, ())
        params = {**plain(step), "update_jaxpr": None}
        marks = step.eqn.primitive.bind(marks, at, inside, **params)
        out = raw.select(marks, step.eqn.primitive.bind(x, at, new, **plain(step)), x)
    else:
        neutral = _KEEPS[name](get_aval(new).dtype, step)
        others = raw.broadcast_in_dim(neutral, get_aval(new).shape, ())
        out = step.eqn.primitive.bind(x, at, raw.select(inside, new, others), **plain(step))
    return raw.slice_(out, (0,) * len(shape), shape)
