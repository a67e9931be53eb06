"""NumPy indexing: ``x[idx]`` as slices, gathers and reshapes.

An index is first made *canonical* (one entry for each axis, new axes apart). Static ints and slices alone
become ``slice``/``squeeze``/``rev`` equations; scalars known at run time only become ``dynamic_slice``; anything else
one ``gather``, planned by :func:`plan`, which ``at.py`` shares for scatters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jitney import _ext
from jitney._base import dtypes, errors
from jitney._base.config import config
from jitney._control.guarding import check_places
from jitney._core import tree
from jitney._core.trace import LARGE_EAGER, ArrayImpl, Tracer, current_trace, get_aval, raise_for_tracer
from jitney._ops import dynamic_slices, gather_layouts, raw
from jitney._ops import elementwise as ew
from jitney._ops import indexing as ops
from jitney._ops.shapes import rev_p

wrap = _ext.wrap

Entry = Any  # an int, a slice, None, or an integer array (ndarray, Array or tracer)


# -- canonical form -----------------------------------------------------------------------------------


def canonical(idx: Any, shape: tuple[int, ...]) -> list[Entry]:
    """One entry for each axis of ``shape``, with ``None`` entries for new axes; masks become index arrays."""
    entries = list(idx) if isinstance(idx, tuple) else [idx]
    entries = [e for raw_entry in entries for e in _entry(raw_entry)]
    taken = sum(_takes_an_axis(e) and e is not Ellipsis for e in entries)
    if taken > len(shape):
        raise IndexError(f"Too many indices: array is {len(shape)}-dimensional, but {taken} were indexed")
    dots = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    place = dots[0] if dots else len(entries)
    entries[place : place + 1] = [slice(None)] * (len(shape) - taken)
    axis = 0
    for i, entry in enumerate(entries):
        if not _takes_an_axis(entry):
            continue
        if isinstance(entry, int):
            entries[i] = _static_int(entry, axis, shape[axis])
        axis += 1
    _check_masks(entries, shape)
    return entries


def _takes_an_axis(e: Entry) -> bool:
    return e is not None and not isinstance(e, _ScalarMask)


def _entry(e: Any) -> list[Entry]:
    """One user entry as canonical ones (a mask of rank n becomes n index arrays)."""
    kind = type(e)
    if kind is int or kind is slice or e is None or e is Ellipsis:
        return [_static_slice(e)] if kind is slice else [e]
    if kind is bool or kind is np.bool_:
        return [_ScalarMask(bool(e))]
    if kind is _Unchecked:
        return [np.asarray(e)]
    if isinstance(e, str):
        raise TypeError(f"jitney does not support string indexing; got idx={e!r}")
    if isinstance(e, (list, tuple)):
        return _entry(_listed(e))
    if not isinstance(e, (np.ndarray, np.generic, ArrayImpl, Tracer)):
        if hasattr(e, "__index__"):
            return [e.__index__()]
        raise TypeError(
            f"Indexer must have integer or boolean type, got indexer of type {kind.__name__}: {e!r}"
        )
    aval = get_aval(e)
    if aval.dtype.kind == "b":
        return _mask_entries(e)
    if aval.dtype.kind not in "iu":
        raise TypeError(f"Indexer must have integer or boolean type, got indexer with type {aval.dtype.name}")
    if not isinstance(e, Tracer):
        array = e._np if kind is ArrayImpl else np.asarray(e)
        return [int(array)] if array.ndim == 0 else [array]
    return [e]


def _listed(e: Any) -> Any:
    """The index array that a list stands for in NumPy; an error where Python's ways are off."""
    if not config.jitney_python_control_flow:
        raise TypeError(
            "Using a non-tuple sequence for multidimensional indexing is not allowed; use `arr[jnp.array(seq)]` "
            "instead of `arr[seq]`."
        )
    if any(isinstance(x, Tracer) for x in tree.leaves(e)):
        from jitney.numpy.conversion import asarray

        return asarray(e)
    array = np.asarray(e)
    return array if array.size else array.astype(int)


class _ScalarMask:
    """``x[True]`` or ``x[False]``: a new axis of size 1 or 0."""

    __slots__ = ("keep",)

    def __init__(self, keep: bool) -> None:
        self.keep = keep


class _MaskPart(np.ndarray):
    """One of the index arrays of a boolean mask, which remembers the mask's size along its axis."""

    mask_size: int


def _mask_entries(e: Any) -> list[Entry]:
    if isinstance(e, Tracer):
        concrete = e.concrete()
        if concrete is None:
            raise_for_tracer(
                e,
                errors.NonConcreteBooleanIndexError,
                (
                    "An array was indexed with a traced boolean mask ({aval}): the result's shape would depend on values.",
                    "Write jnp.where(mask, x, fill) and reduce with where=mask, or x.at[...] with jnp.where.",
                ),
            )
        e = concrete
    mask = e._np if type(e) is ArrayImpl else np.asarray(e)
    if mask.ndim == 0:
        return [_ScalarMask(bool(mask))]
    parts = []
    for axis, places in enumerate(np.nonzero(mask)):
        part = places.view(_MaskPart)
        part.mask_size = mask.shape[axis]
        parts.append(part)
    return parts


def _check_masks(entries: list[Entry], shape: tuple[int, ...]) -> None:
    axis = 0
    for i, e in enumerate(entries):
        if e is None or isinstance(e, _ScalarMask):
            continue
        if type(e) is _MaskPart:
            if e.mask_size not in (shape[axis], 0):  # as in NumPy: a mask of no elements chooses none
                raise IndexError(
                    f"boolean index did not match shape of indexed array: axis {axis} has size {shape[axis]}, the mask {e.mask_size}"
                )
            entries[i] = np.asarray(e)
        axis += 1


def _static_slice(s: slice) -> slice:
    """A slice whose parts are Python ints or None."""
    parts: list[int | None] = []
    for part in (s.start, s.stop, s.step):
        if part is None:
            parts.append(None)
            continue
        if isinstance(part, Tracer) and part.concrete() is None:
            raise_for_tracer(
                part,
                IndexError,
                (
                    "Array slice indices must have static start/stop/step, but one is traced ({aval}).",
                    "Write lax.dynamic_slice(x, (start,), (size,)) with a fixed size.",
                ),
            )
        try:
            parts.append(part.__index__())
        except (AttributeError, TypeError):
            raise TypeError(f"slice indices must be integers or None, got {part!r}") from None
    if parts[2] == 0:
        raise ValueError("slice step cannot be zero")
    return slice(*parts)


def _static_int(i: int, axis: int, size: int) -> int:
    if not -size <= i < size:
        raise IndexError(f"index {i} is out of bounds for axis {axis} with size {size}")
    return i + size if i < 0 else i


# -- x[idx] -------------------------------------------------------------------------------------------


def getitem(x: Any, idx: Any) -> Any:
    """``x[idx]`` with NumPy's rules; index arrays out of bounds are clamped, static ints raise IndexError."""
    return take(x, idx)


def take(
    x: Any,
    idx: Any,
    mode: Any = None,
    fill_value: Any = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    wrap_negative_indices: bool = True,
) -> Any:
    """``x.at[idx].get(...)``."""
    shape = x.shape
    scalar_masks = _has_scalar_mask(idx)
    if (mode is not None or not wrap_negative_indices) and not scalar_masks:
        # With a mode, static ints follow it as well.
        idx = _ints_as_arrays(idx)
    try:
        entries = canonical(idx, shape)
    except TypeError:
        found = None if mode is not None else _of_unknown_length(x, idx)
        if found is None:
            raise
        return found
    if not wrap_negative_indices:
        entries = not_wrapped(entries, shape)
    if mode is None and type(x) is ArrayImpl and current_trace() is None and x.size < LARGE_EAGER:
        done = _eager(x, entries)
        if done is not None:
            return done
    if mode is None and config.check_bounds:
        check_entries(entries, shape)
    if any(isinstance(e, _ScalarMask) for e in entries):
        added, index = without_scalar_masks(entries)
        return take(raw.expand_dims(x, added), index, mode, fill_value)
    if mode is None and all(e is None or isinstance(e, (int, slice)) for e in entries):
        return _basic(x, entries)
    if mode is None and _is_dynamic_slice(entries, shape):
        return _dynamic(x, entries)
    layout = plan(entries, shape)
    return _gather(x, layout, mode, fill_value, indices_are_sorted, unique_indices)


def _of_unknown_length(x: Any, idx: Any) -> Any:
    """``x[mask]`` of a traced mask; None if the index is something else."""
    from jitney.numpy import selections

    return selections.taken(x, idx)


def not_wrapped(entries: Sequence[Entry], shape: tuple[int, ...]) -> list[Entry]:
    """Entries whose negative indices are out of bounds: further below by the size that ``normalize`` will add."""
    found, axis = [], 0
    for e in entries:
        arrays = isinstance(e, (Tracer, ArrayImpl, np.ndarray))
        found.append(normalize(e, -shape[axis]) if arrays else e)
        axis += e is not None and not isinstance(e, _ScalarMask)
    return found


def check_entries(entries: Sequence[Entry], shape: tuple[int, ...]) -> None:
    """Guard the index arrays; static ints have been checked."""
    axis = 0
    for e in entries:
        if e is None or isinstance(e, _ScalarMask):
            continue
        if isinstance(e, (Tracer, np.ndarray)):
            check_places(shape, axis, e)
        axis += 1


def _has_scalar_mask(idx: Any) -> bool:
    entries = idx if isinstance(idx, tuple) else (idx,)
    return any(isinstance(e, (bool, np.bool_)) for e in entries)


def _ints_as_arrays(idx: Any) -> Any:
    """Python ints as arrays of rank 0 that are not checked against the size."""
    entries = idx if isinstance(idx, tuple) else (idx,)
    return tuple(np.array(e).view(_Unchecked) if type(e) is int else e for e in entries)


class _Unchecked(np.ndarray):
    """An index of rank 0 that follows the mode instead of raising."""


def _eager(x: Any, entries: list[Entry]) -> Any:
    """NumPy's own indexing for small concrete arrays with indices in bounds; None if it does not apply."""
    axis = 0
    for e in entries:
        if e is None:
            continue
        if isinstance(e, (Tracer, _ScalarMask)):
            return None
        if isinstance(e, np.ndarray) and e.size:
            size = x.shape[axis]
            if e.min() < -size or e.max() >= size:
                return None
        axis += 1
    return wrap(x._np[tuple(entries)], x.weak_type)


def without_scalar_masks(entries: Sequence[Entry]) -> tuple[list[int], tuple[Entry, ...]]:
    """Axes of size 1 to be added to the array, and the index of it: a scalar mask is the index array ``[0]`` or ``[]`` there."""
    added, found, axis = [], [], 0
    for e in entries:
        if isinstance(e, _ScalarMask):
            added.append(axis)
            e = np.zeros(int(e.keep), int)
        found.append(e)
        axis += e is not None
    return added, tuple(found)


def _basic(x: Any, entries: Sequence[Entry]) -> Any:
    """Static ints, slices and new axes only."""
    shape = get_aval(x).shape
    start, limit, strides, dropped, flipped = [], [], [], [], []
    axis = 0
    for e in entries:
        if e is None:
            continue
        n = shape[axis]
        if isinstance(e, int):
            lo, hi, step = e, e + 1, 1
            dropped.append(axis)
        else:
            lo, hi, step = _forward(e, n)
            if e.step is not None and e.step < 0 and hi > lo:
                flipped.append(axis)
        start.append(lo)
        limit.append(hi)
        strides.append(step)
        axis += 1
    if tuple(start) != (0,) * len(shape) or tuple(limit) != shape or any(s != 1 for s in strides):
        x = raw.slice_(x, start, limit, tuple(strides) if any(s != 1 for s in strides) else None)
    if flipped:
        x = rev_p.bind(x, dimensions=tuple(flipped))
    x = raw.squeeze(x, dropped)
    new = _new_axes(entries)
    return raw.expand_dims(x, new) if new else x


def _forward(s: slice, n: int) -> tuple[int, int, int]:
    """The range of a slice, ascending: ``[::-1]`` of size 3 is ``(0, 3, 1)``."""
    span = range(*s.indices(n))
    if not span:
        return 0, 0, 1
    step = abs(span.step)
    lo, hi = min(span[0], span[-1]), max(span[0], span[-1]) + 1
    return lo, hi, step


def _new_axes(entries: Sequence[Entry]) -> tuple[int, ...]:
    """Positions of new axes in the result of a basic index."""
    new, position = [], 0
    for e in entries:
        if e is None:
            new.append(position)
        if not isinstance(e, int):
            position += 1
    return tuple(new)


def _is_dynamic_slice(entries: Sequence[Entry], shape: tuple[int, ...]) -> bool:
    """Scalars known at run time beside static ints and slices of step 1."""
    axis = 0
    for e in entries:
        if e is None:
            continue
        if isinstance(e, slice):
            if range(*e.indices(shape[axis])).step != 1:
                return False
        elif not isinstance(e, int) and not (isinstance(e, Tracer) and e.ndim == 0):
            return False
        if shape[axis] == 0:
            return False
        axis += 1
    return True


def _dynamic(x: Any, entries: Sequence[Entry]) -> Any:
    shape = get_aval(x).shape
    dtype = dtypes.default_dtype("i")
    starts, sizes, dropped = [], [], []
    axis = 0
    for e in entries:
        if e is None:
            continue
        n = shape[axis]
        if isinstance(e, slice):
            lo, hi, _ = _forward(e, n)
            starts.append(dtype.type(lo))
            sizes.append(hi - lo)
        else:
            starts.append(dtype.type(e) if isinstance(e, int) else normalize(e, n, dtype))
            sizes.append(1)
            dropped.append(axis)
        axis += 1
    out = raw.squeeze(dynamic_slices.dynamic_slice(x, starts, sizes), dropped)
    kept = [0 if isinstance(e, Tracer) else e for e in entries]
    new = _new_axes(kept)
    return raw.expand_dims(out, new) if new else out


def normalize(i: Any, size: int, dtype: np.dtype | None = None) -> Any:
    """Indices with negative ones counted from the end, as ``dtype`` (default int64)."""
    dtype = dtype or dtypes.default_dtype("i")
    if isinstance(i, np.ndarray):
        i = np.asarray(i)
        if i.dtype.kind == "u" or not i.size or i.min() >= 0:
            return i.astype(dtype, copy=False)
        i = i.astype(dtype)
        return np.where(i < 0, i + size, i)
    aval = get_aval(i)
    i = ew.convert(i, dtype)
    if aval.dtype.kind == "u":
        return i
    return ew.select(ew.lt(i, dtype.type(0)), ew.add(i, dtype.type(size)), i, get_aval(i))


# -- the general case ---------------------------------------------------------------------------------


class Layout(NamedTuple):
    """How an index reads windows of an operand.

    ``vectors``: index vectors ``[*counting, k]``; ``indexed``: the operand axis of each component; ``sizes``: window
    sizes; ``dropped``: operand axes of which one element is taken; ``windows``: positions of window axes in the
    result; ``new``: positions of new axes in the final result; ``shape``: the final shape; ``flat``: the shape before
    new axes.
    """

    vectors: Any
    indexed: tuple[int, ...]
    sizes: tuple[int, ...]
    dropped: tuple[int, ...]
    windows: tuple[int, ...]
    new: tuple[int, ...]
    flat: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def gather_numbers(self) -> Any:
        return gather_layouts.GatherDimensionNumbers(self.windows, self.dropped, self.indexed)

    @property
    def scatter_numbers(self) -> Any:
        return gather_layouts.ScatterDimensionNumbers(self.windows, self.dropped, self.indexed)


def plan(entries: Sequence[Entry], shape: tuple[int, ...]) -> Layout:
    """Plan a gather or scatter.

    Index arrays (and ints beside them) broadcast together; their axes stand where they stood if they are
    neighbours, else in front. Slices with step 1 are windows; other slices count with axes of their own.
    """
    advanced = [i for i, e in enumerate(entries) if not (e is None or isinstance(e, slice))]
    arrays = [i for i in advanced if not isinstance(entries[i], int)]
    together = bool(arrays) and advanced[-1] - advanced[0] == len(advanced) - 1
    block_shape = _broadcast([np.shape(entries[i]) for i in arrays])
    block_at = advanced[0] if together else 0

    tokens: list[
        tuple[str, Any]
    ] = []  # of the result: ("window", axis), ("count", axis or None), ("new", None)
    components: list[
        tuple[int, Any, int | None]
    ] = []  # (operand axis, indices, counting axis or None for the block)
    sizes, dropped = list(shape), []
    counting: list[int] = []
    block_start = -1
    axis = 0

    def open_block() -> None:
        nonlocal block_start
        block_start = len(counting)
        counting.extend(block_shape)
        tokens.extend([("count", None)] * len(block_shape))

    if arrays and not together:
        open_block()
    for position, e in enumerate(entries):
        if arrays and together and position == block_at:
            open_block()
        if e is None:
            tokens.append(("new", None))
            continue
        n = shape[axis]
        if isinstance(e, slice):
            span = range(*e.indices(n))
            if span.step == 1:
                sizes[axis] = len(span)
                tokens.append(("window", axis))
                if len(span) != n:
                    components.append((axis, np.asarray(span.start if span else 0), None))
            else:
                components.append((axis, np.arange(span.start, span.stop, span.step), len(counting)))
                counting.append(len(span))
                tokens.append(("count", None))
                sizes[axis] = 1
                dropped.append(axis)
        else:
            components.append((axis, e if isinstance(e, Tracer) else np.asarray(e), None))
            sizes[axis] = 1
            dropped.append(axis)
        axis += 1
    return _layout(shape, tokens, components, counting, block_start, len(block_shape), sizes, dropped)


def _layout(
    shape: tuple[int, ...],
    tokens: list,
    components: list,
    counting: list[int],
    block_start: int,
    block_rank: int,
    sizes: list,
    dropped: list,
) -> Layout:
    vectors = _vectors(shape, components, counting, block_start, block_rank)
    present = [t for t in tokens if t[0] != "new"]
    windows = tuple(i for i, t in enumerate(present) if t[0] == "window")
    counts = iter(counting)
    flat = tuple(sizes[t[1]] if t[0] == "window" else next(counts) for t in present)
    rest = iter(flat)
    final = tuple(1 if t[0] == "new" else next(rest) for t in tokens)
    new = tuple(i for i, t in enumerate(tokens) if t[0] == "new")
    indexed = tuple(c[0] for c in components)
    return Layout(vectors, indexed, tuple(sizes), tuple(dropped), windows, new, flat, final)


def _vectors(
    shape: tuple[int, ...], components: list, counting: list[int], block_start: int, block_rank: int
) -> Any:
    """The index vectors: every component broadcast to the counting axes, stacked along a last axis."""
    dtype = dtypes.default_dtype("i")
    columns = []
    for axis, indices, own in components:
        wrapped = normalize(indices, shape[axis], dtype)
        rank = np.ndim(indices)
        if own is not None:
            dims: tuple[int, ...] = (own,)
        else:
            dims = tuple(range(block_start + block_rank - rank, block_start + block_rank))
        columns.append((wrapped, dims))
    total = tuple(counting)
    if not any(isinstance(c, Tracer) for c, _ in columns):
        if current_trace() is None and len(columns) == 1 and columns[0][1] == tuple(range(len(total))):
            (c, _) = columns[0]  # used at once: no copy
            c = c._np if type(c) is ArrayImpl else np.asarray(c)
            if c.shape == total:
                return c.reshape((*total, 1))
        out = np.empty((*total, len(columns)), dtype)
        for k, (c, dims) in enumerate(columns):
            c = c._np if type(c) is ArrayImpl else np.asarray(c)
            out[..., k] = c.reshape([c.shape[dims.index(d)] if d in dims else 1 for d in range(len(total))])
        return out
    pieces = [raw.broadcast_in_dim(c, (*total, 1), dims) for c, dims in columns]
    return raw.concatenate(pieces, len(total))


def _broadcast(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(f"Incompatible shapes for broadcasting: index arrays have shapes {shapes}") from None


def _gather(x: Any, layout: Layout, mode: Any, fill_value: Any, is_sorted: bool, unique: bool) -> Any:
    aval = get_aval(x)
    if 0 in layout.shape or aval.size == 0:
        return raw.full(layout.shape, 0, aval.dtype)
    chosen = (
        gather_layouts.PROMISE_IN_BOUNDS if mode is None else gather_layouts.GatherScatterMode.from_any(mode)
    )
    out = ops.gather(
        x,
        layout.vectors,
        layout.gather_numbers,
        layout.sizes,
        chosen,
        fill_value=fill_value,
        indices_are_sorted=is_sorted,
        unique_indices=unique,
    )
    return raw.reshape(out, layout.shape) if layout.new else out
