"""How gather and scatter count: modes, dimension numbers, and the layout that they mean.

Begin at :class:`Layout`.  Gather and scatter move *windows*: for each vector of start indices one block of
``slice_sizes`` elements of the operand.  The layout says which axes of the gathered array (or of the
updates) count windows and which run inside them.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

INT64_MAX = np.iinfo(np.int64).max

# -- vocabulary -------------------------------------------------------------------------------------


class GatherScatterMode(enum.Enum):
    """What happens to windows that are not inside the operand."""

    CLIP = 1
    FILL_OR_DROP = 2
    PROMISE_IN_BOUNDS = 3
    ONE_HOT = 4

    @staticmethod
    def from_any(s: str | GatherScatterMode | None) -> GatherScatterMode:
        """A mode from its name (``clip``, ``fill``, ``drop``, ``promise_in_bounds``); None is ``FILL_OR_DROP``."""
        if isinstance(s, GatherScatterMode):
            return s
        if s is None:
            return GatherScatterMode.FILL_OR_DROP
        if s not in _MODE_NAMES:
            raise ValueError(f'Unknown gather mode "{s}": use one of {", ".join(_MODE_NAMES)}.')
        return _MODE_NAMES[s]


CLIP = GatherScatterMode.CLIP
FILL_OR_DROP = GatherScatterMode.FILL_OR_DROP
PROMISE_IN_BOUNDS = GatherScatterMode.PROMISE_IN_BOUNDS
_MODE_NAMES = {
    "clip": CLIP,
    "fill": FILL_OR_DROP,
    "drop": FILL_OR_DROP,
    "promise_in_bounds": PROMISE_IN_BOUNDS,
    "one_hot": GatherScatterMode.ONE_HOT,
}


class GatherDimensionNumbers(NamedTuple):
    """How a gather reads windows.

    ``offset_dims``: axes of the result that run inside windows; ``collapsed_slice_dims``: operand axes of window size 1
    that the result lacks; ``start_index_map``: the operand axis of each component of an index vector (the last axis of
    the indices); ``operand_batching_dims`` and ``start_indices_batching_dims``: axes of operand and
    indices that advance together.
    """

    offset_dims: tuple[int, ...]
    collapsed_slice_dims: tuple[int, ...]
    start_index_map: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    start_indices_batching_dims: tuple[int, ...] = ()


class ScatterDimensionNumbers(NamedTuple):
    """How a scatter writes windows: the fields of :class:`GatherDimensionNumbers`, seen from the updates."""

    update_window_dims: tuple[int, ...]
    inserted_window_dims: tuple[int, ...]
    scatter_dims_to_operand_dims: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    scatter_indices_batching_dims: tuple[int, ...] = ()


# -- windows ----------------------------------------------------------------------------------------


class Layout:
    """Where the elements of windows stand in the gathered array (or the updates), called *result* here.

    ``counting``: axes of the result that count windows, one for each axis of the indices but the last;
    ``inside``: pairs ``(operand axis, result axis)`` that run inside windows; ``batching``: pairs ``(operand axis,
    position in counting)``; ``limits``: pairs ``(operand axis, greatest start)`` for each component of an index vector.
    """

    __slots__ = (
        "absent",
        "addressed",
        "batching",
        "counting",
        "direct",
        "from_result",
        "inside",
        "limits",
        "ndim",
        "partial",
        "shape",
        "sizes",
        "to_result",
        "whole",
    )

    def __init__(self, dnums: GatherDimensionNumbers, shape: tuple, sizes: tuple, window_counts: int) -> None:
        self.shape, self.sizes = shape, sizes
        self.absent = absent = {*dnums.collapsed_slice_dims, *dnums.operand_batching_dims}
        running = [d for d in range(len(shape)) if d not in absent]
        self.inside = list(zip(running, dnums.offset_dims, strict=True))
        self.ndim = window_counts + len(self.inside)
        taken = set(dnums.offset_dims)
        self.counting = [axis for axis in range(self.ndim) if axis not in taken]
        self.batching = list(zip(dnums.operand_batching_dims, dnums.start_indices_batching_dims, strict=True))
        self.limits = [(d, shape[d] - sizes[d]) for d in dnums.start_index_map]
        # Axes that windows cover wholly are sliced by NumPy, the others addressed by index arrays.
        self.whole = [d for d in running if sizes[d] == shape[d]]
        self.addressed = [d for d in range(len(shape)) if d not in set(self.whole)]
        self.partial = [d for d in self.addressed if d not in absent]
        # Where windows are points of the addressed axes, their starts are the addresses.
        component = {d: k for k, d in enumerate(dnums.start_index_map)}
        plain = self.addressed and not self.partial and all(d in component for d in self.addressed)
        self.direct = [component[d] for d in self.addressed] if plain else None
        axis_of = dict(self.inside)
        order = [*self.counting, *(axis_of[d] for d in self.partial), *(axis_of[d] for d in self.whole)]
        self.from_result = tuple(order)
        self.to_result = tuple(int(i) for i in np.argsort(order)) if order else ()


@lru_cache(maxsize=2048)
def gather_layout(dnums: GatherDimensionNumbers, shape: tuple, sizes: tuple, window_counts: int) -> Layout:
    return Layout(dnums, shape, sizes, window_counts)


@lru_cache(maxsize=2048)
def scatter_layout(
    dnums: ScatterDimensionNumbers, shape: tuple, updates_shape: tuple, window_counts: int
) -> Layout:
    return Layout(
        GatherDimensionNumbers(*dnums), shape, window_sizes(dnums, shape, updates_shape), window_counts
    )


def window_sizes(dnums: ScatterDimensionNumbers, shape: Sequence[int], updates_shape: Sequence[int]) -> tuple:
    """The size of a scatter's windows along each operand axis."""
    absent = {*dnums.inserted_window_dims, *dnums.operand_batching_dims}
    sizes = iter([updates_shape[axis] for axis in dnums.update_window_dims])
    return tuple(1 if d in absent else next(sizes) for d in range(len(shape)))


def np_one_window(indices: Any, lay: Layout) -> tuple[tuple, bool]:
    """The only window as a basic index, moved inside the operand, and whether it was there at once."""
    first, inside = [0] * len(lay.shape), True
    for (d, limit), start in zip(lay.limits, indices.tolist(), strict=True):
        first[d] = moved = min(max(start, 0), limit)
        inside = inside and moved == start
    index = [f if d in lay.absent else slice(f, f + lay.sizes[d]) for d, f in enumerate(first)]
    return tuple(index), inside


def np_starts(indices: Any, lay: Layout, clip: bool) -> tuple[list[Any], Any]:
    """The first element of each window along each indexed axis, inside the operand; and which were so at once.

    Both have the shape of the indices but for the last axis; the mask is None if all windows are inside.
    """
    starts, good = [], None
    for k, (_, limit) in enumerate(lay.limits):
        start = indices[..., k]
        if start.dtype.kind == "u" and start.dtype.itemsize == 8:
            start = np.minimum(start, np.uint64(INT64_MAX))
        start = start.astype(np.int64, copy=False)
        moved = np.minimum(np.maximum(start, 0), limit)
        if not clip:
            here = start == moved
            good = here if good is None else good & here
        starts.append(moved)
    return starts, None if good is None or good.all() else good


def np_addresses(lay: Layout, counts: tuple, starts: Sequence[Any], chosen: Any = None) -> tuple:
    """An index array for each addressed operand axis, over ``(*counts, *partial sizes)``.

    With a mask ``chosen`` over ``counts``, windows are numbered by one axis that skips the others.
    """
    if lay.direct is not None:
        return tuple(starts[k] if chosen is None else starts[k][chosen] for k in lay.direct)
    pick = (lambda a: np.broadcast_to(a, counts)[chosen]) if chosen is not None else (lambda a: a)
    first: dict[int, Any] = {}
    for d, position in lay.batching:
        steps = np.arange(lay.shape[d]).reshape([-1 if p == position else 1 for p in range(len(counts))])
        first[d] = pick(steps)
    for (d, _), start in zip(lay.limits, starts, strict=True):
        first[d] = pick(start)
    deep = len(lay.partial)
    leading = 1 if chosen is not None else len(counts)
    addresses = []
    for d in lay.addressed:
        place = first.get(d)
        place = np.zeros((1,) * leading, np.int64) if place is None else place
        place = place.reshape(place.shape + (1,) * deep)
        if d in lay.partial:
            at = lay.partial.index(d)
            place = place + np.arange(lay.sizes[d]).reshape([-1 if p == at else 1 for p in range(deep)])
        addresses.append(place)
    windows = (int(np.count_nonzero(chosen)),) if chosen is not None else counts
    full = (*windows, *(lay.sizes[d] for d in lay.partial))
    if not addresses:  # windows are the whole operand: address a new first axis
        return (np.zeros(full, np.int64),)
    addresses[0] = np.broadcast_to(addresses[0], np.broadcast_shapes(addresses[0].shape, full))
    return tuple(addresses)


def addressed_first(x: Any, lay: Layout) -> Any:
    """A view of the operand with its addressed axes in front (a new one if there is none)."""
    view = x.transpose([*lay.addressed, *lay.whole])
    return view if lay.addressed else view[None]
