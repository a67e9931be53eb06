"""Sparse arrays under operations that move or add up elements. Where an axis changes its kind, places say so."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._api.vmap import vmap
from jitney.experimental.sparse._bcoo import BCOO, bcoo_fromdense, flat, unbatched


class SparseEfficiencyError(ValueError):
    """An operation that would store many more elements than there are."""


class SparseEfficiencyWarning(UserWarning):
    """An operation that stores many more elements than there are."""


class CuSparseEfficiencyWarning(SparseEfficiencyWarning):
    """Concerns a library for graphics processors; never given."""


def bcoo_update_layout(
    mat: BCOO, *, n_batch: int | None = None, n_dense: int | None = None, on_inefficient: str | None = "error"
) -> BCOO:
    """The same array with other numbers of batch and dense axes.

    Raises:
        SparseEfficiencyError: more of them, unless ``on_inefficient`` is ``"warn"`` or None: all elements are then looked at.
    """
    batch = mat.n_batch if n_batch is None else operator.index(n_batch)
    dense = mat.n_dense if n_dense is None else operator.index(n_dense)
    if batch < 0 or dense < 0 or batch + dense > mat.ndim:
        raise ValueError(f"n_batch={batch}, n_dense={dense} do not fit an array with {mat.ndim} axes.")
    if batch <= mat.n_batch and dense <= mat.n_dense:
        return BCOO(flat(mat, batch, dense), shape=mat.shape)
    if on_inefficient == "error":
        raise SparseEfficiencyError(
            f"update_layout from n_batch={mat.n_batch}, n_dense={mat.n_dense} to n_batch={batch}, n_dense={dense} looks at all "
            "elements. Pass on_inefficient=None to allow it."
        )
    total = mat.nse * math.prod(mat.shape[: mat.n_batch]) * math.prod(mat.shape[mat.ndim - mat.n_dense :])
    within = math.prod(mat.shape[batch : mat.ndim - dense])
    return bcoo_fromdense(mat.todense(), nse=min(total, within), n_batch=batch, n_dense=dense)


def bcoo_transpose(mat: BCOO, *, permutation: Sequence[int]) -> BCOO:
    """The axes permuted; batch, sparse and dense axes stay among themselves.

    Raises:
        NotImplementedError: they do not: use ``bcoo_update_layout`` first.
    """
    axes = tuple(operator.index(d) % mat.ndim for d in permutation)
    if sorted(axes) != list(range(mat.ndim)):
        raise ValueError(f"permutation {tuple(permutation)} is none of {mat.ndim} axes.")
    n, m = mat.n_batch, mat.n_batch + mat.n_sparse
    groups = axes[:n], axes[n:m], axes[m:]
    if any(
        sorted(g) != list(r) for g, r in zip(groups, (range(n), range(n, m), range(m, mat.ndim)), strict=True)
    ):
        raise NotImplementedError(
            "Permutation of batch, sparse and dense axes with each other: use update_layout(n_batch=0, n_dense=0) first."
        )
    batch = groups[0]
    data = mat.data.transpose((*batch, n, *(d - m + n + 1 for d in groups[2])))
    indices = mat.indices[..., np.array([d - n for d in groups[1]], int)].transpose((*batch, n, n + 1))
    shape = tuple(mat.shape[d] for d in axes)
    return BCOO((data, indices), shape=shape, unique_indices=mat.unique_indices)


def _keys(rows: Any, within: Sequence[int]) -> Any:
    """A number for each row of places, in their order; the largest for those outside."""
    inside = jnp.all((rows >= 0) & (rows < jnp.asarray(within, rows.dtype)), axis=-1)
    key = jnp.zeros(rows.shape[:-1], int)
    for k, n in enumerate(within):
        key = key * n + rows[..., k]
    return jnp.where(inside, key, math.prod(within))


def bcoo_sort_indices(mat: BCOO) -> BCOO:
    """The elements in the order of their places."""
    within = mat.shape[mat.n_batch : mat.n_batch + mat.n_sparse]

    def one(data: Any, rows: Any) -> tuple[Any, Any]:
        order = jnp.argsort(_keys(rows, within), stable=True)
        return data[order], rows[order]

    found = _over_batch(one, mat.n_batch)(*unbatched(mat))
    return BCOO(found, shape=mat.shape, indices_sorted=True, unique_indices=mat.unique_indices)


def _over_batch(function: Any, count: int) -> Any:
    for _ in range(count):
        function = vmap(function)
    return function


def bcoo_sum_duplicates(mat: BCOO, nse: int | None = None) -> BCOO:
    """Every place at most once: elements at equal places are added, and sorted.

    Args:
        nse: how many elements to store; by default as many as there are places, which asks for their values.
    """
    return sum_duplicates(mat, nse, False)


def sum_duplicates(mat: BCOO, nse: int | None, remove_zeros: bool) -> BCOO:
    within = mat.shape[mat.n_batch : mat.n_batch + mat.n_sparse]
    end = math.prod(within)

    def one(data: Any, rows: Any) -> tuple[Any, Any, Any]:
        keys = _keys(rows, within)
        order = jnp.argsort(keys, stable=True)
        sorted_keys, values = keys[order], data[order]
        first = jnp.concatenate([jnp.ones(min(1, keys.size), bool), sorted_keys[1:] != sorted_keys[:-1]])
        group = jnp.cumsum(first) - 1
        sums = jnp.zeros_like(values).at[group].add(values)
        places = jnp.full(keys.shape, end).at[group].set(sorted_keys)
        if remove_zeros:
            empty = ~jnp.any(sums != 0, axis=tuple(range(1, sums.ndim)))
            order = jnp.argsort(jnp.where(empty, end, places), stable=True)
            places, sums = jnp.where(empty, end, places)[order], sums[order]
        count = jnp.sum(places < end)
        sums = jnp.where((places < end).reshape(-1, *[1] * (sums.ndim - 1)), sums, 0)
        return sums, places, count

    data, keys, counts = _over_batch(one, mat.n_batch)(*unbatched(mat))
    size = int(jnp.max(counts)) if nse is None and counts.size else nse or 0
    n, have = mat.n_batch, keys.shape[-1]
    if size > have:
        more = [(0, 0)] * n + [(0, size - have)]
        keys = jnp.pad(keys, more, constant_values=end)
        data = jnp.pad(data, [*more, *[(0, 0)] * mat.n_dense])
    keys, data = keys[..., :size], data[(slice(None),) * n + (slice(0, size),)]
    known = (
        jnp.stack(jnp.unravel_index(jnp.minimum(keys, max(end - 1, 0)), within), -1)
        if within
        else keys[..., None][..., :0]
    )
    indices = jnp.where((keys < end)[..., None], known, jnp.asarray(within, int)).astype(mat.indices.dtype)
    return BCOO((data, indices), shape=mat.shape, indices_sorted=True, unique_indices=True)


def bcoo_reduce_sum(mat: BCOO, *, axes: Sequence[int]) -> BCOO:
    """The sum over some axes: the places without them."""
    gone = {operator.index(d) % mat.ndim for d in axes}
    n, m = mat.n_batch, mat.n_batch + mat.n_sparse
    if any(d < n or d >= m for d in gone):
        mat = bcoo_update_layout(mat, n_batch=0, n_dense=0)
        n, m = 0, mat.ndim
    inside = jnp.all(
        (mat.indices >= 0) & (mat.indices < jnp.asarray(mat.shape[n:m], mat.indices.dtype)), axis=-1
    )
    data = jnp.where(inside.reshape(*inside.shape, *[1] * mat.n_dense), mat.data, 0)
    kept = [d - n for d in range(n, m) if d not in gone]
    shape = tuple(s for d, s in enumerate(mat.shape) if d not in gone)
    return BCOO((data, mat.indices[..., np.array(kept, int)]), shape=shape)


def bcoo_reshape(
    mat: BCOO, *, new_sizes: Sequence[int], dimensions: Sequence[int] | None = None, sharding: Any = None
) -> BCOO:
    """The elements in row-major order (of axes ``dimensions``) in a new shape, without batch and dense axes."""
    if dimensions is not None:
        mat = bcoo_transpose(mat, permutation=dimensions)
    sizes = [operator.index(s) for s in new_sizes]
    if sizes.count(-1) == 1:
        rest = -math.prod(sizes)
        sizes[sizes.index(-1)] = mat.size // rest if rest else 0
    if math.prod(sizes) != mat.size:
        raise ValueError(f"cannot reshape an array of shape {mat.shape} into shape {tuple(new_sizes)}")
    data, rows = flat(mat)
    keys = _keys(rows, mat.shape)
    places = (
        jnp.stack(jnp.unravel_index(jnp.minimum(keys, max(mat.size - 1, 0)), tuple(sizes)), -1)
        if sizes
        else rows[:, :0]
    )
    outside = jnp.asarray(sizes, places.dtype)
    indices = jnp.where((keys < mat.size)[:, None], places, outside).astype(rows.dtype)
    return BCOO((data, indices), shape=sizes, unique_indices=mat.unique_indices)


def bcoo_squeeze(arr: BCOO, *, dimensions: Sequence[int]) -> BCOO:
    """Axes of size 1 removed."""
    gone = {operator.index(d) % arr.ndim for d in dimensions}
    if any(arr.shape[d] != 1 for d in gone):
        raise ValueError(
            f"cannot select an axis to squeeze out which has size not equal to one, got {arr.shape}."
        )
    return bcoo_reduce_sum(arr, axes=tuple(gone))


def bcoo_slice(
    mat: BCOO,
    *,
    start_indices: Sequence[int],
    limit_indices: Sequence[int],
    strides: Sequence[int] | None = None,
) -> BCOO:
    """A part of the array: elements outside of it are stored no more as elements, but still take their room."""
    steps = [1] * mat.ndim if strides is None else list(strides)
    n, m = mat.n_batch, mat.n_batch + mat.n_sparse
    data, indices = unbatched(mat)
    cut = [slice(a, b, s) for a, b, s in zip(start_indices, limit_indices, steps, strict=True)]
    data = data[(*cut[:n], slice(None), *cut[m:])]
    indices = indices[tuple(cut[:n])]
    lows, highs, step = (jnp.asarray(v[n:m], indices.dtype) for v in (start_indices, limit_indices, steps))
    inside = jnp.all((indices >= lows) & (indices < highs) & ((indices - lows) % step == 0), axis=-1)
    sizes = tuple(len(range(a, b, s)) for a, b, s in zip(start_indices, limit_indices, steps, strict=True))
    outside = jnp.asarray(sizes[n:m], indices.dtype)
    moved = jnp.where(inside[..., None], (indices - lows) // step, outside)
    data = jnp.where(inside.reshape(*inside.shape, *[1] * mat.n_dense), data, 0)
    return BCOO((data, moved), shape=sizes, unique_indices=mat.unique_indices)


def bcoo_rev(operand: BCOO, dimensions: Sequence[int]) -> BCOO:
    """The order of elements along some axes reversed."""
    axes = {operator.index(d) % operand.ndim for d in dimensions}
    data, rows = flat(operand)
    found = []
    for d, size in enumerate(operand.shape):
        c = rows[:, d]
        found.append(jnp.where(c < size, size - 1 - c, c) if d in axes else c)
    return BCOO((data, jnp.stack(found, -1)), shape=operand.shape, unique_indices=operand.unique_indices)


def bcoo_concatenate(operands: Sequence[BCOO], *, dimension: int) -> BCOO:
    """Sparse arrays joined along an axis; the result has no batch and dense axes."""
    if not operands:
        raise ValueError("bcoo_concatenate: operands must be non-empty")
    axis = operator.index(dimension) % operands[0].ndim
    shapes = [list(m.shape) for m in operands]
    if any(s[:axis] + s[axis + 1 :] != shapes[0][:axis] + shapes[0][axis + 1 :] for s in shapes):
        raise ValueError(
            f"bcoo_concatenate: shapes {[m.shape for m in operands]} differ outside of axis {axis}."
        )
    parts, offset, total = [], 0, sum(s[axis] for s in shapes)
    for m in operands:
        data, rows = flat(m)
        keys = _keys(rows, m.shape)
        at = rows[:, axis]
        at = jnp.where(keys < m.size, at + offset, total)
        parts.append((data, rows.at[:, axis].set(at.astype(rows.dtype))))
        offset += m.shape[axis]
    shape = [*shapes[0][:axis], total, *shapes[0][axis + 1 :]]
    return BCOO((jnp.concatenate([d for d, _ in parts]), jnp.concatenate([r for _, r in parts])), shape=shape)


def bcoo_broadcast_in_dim(
    mat: BCOO, *, shape: Sequence[int], broadcast_dimensions: Sequence[int], sharding: Any = None
) -> BCOO:
    """``lax.broadcast_in_dim``: elements are stored once for each place that they go to."""
    sizes = tuple(operator.index(s) for s in shape)
    axes = tuple(operator.index(d) for d in broadcast_dimensions)
    data, rows = flat(mat)
    fresh = [d for d in range(len(sizes)) if d not in axes or mat.shape[axes.index(d)] != sizes[d]]
    grid = jnp.indices([sizes[d] for d in fresh], dtype=rows.dtype).reshape(len(fresh), -1)
    count = math.prod(sizes[d] for d in fresh)
    found: list[Any] = []
    inside = _keys(rows, mat.shape) < mat.size
    for d, size in enumerate(sizes):
        own = grid[fresh.index(d)][None] if d in fresh else rows[:, axes.index(d)][:, None]
        own = jnp.broadcast_to(own, (data.size, count))
        found.append(jnp.where(inside[:, None], own, size).ravel())
    indices = jnp.stack(found, -1) if found else jnp.zeros((data.size, 0), rows.dtype)
    return BCOO((jnp.repeat(data, count), indices), shape=sizes)


def bcoo_dynamic_slice(mat: BCOO, start_indices: Sequence[Any], slice_sizes: Sequence[int]) -> BCOO:
    """A part of given size from a place that may be traced; it is moved inside of the array where it leaves it."""
    data, rows = flat(mat)
    sizes = tuple(operator.index(s) for s in slice_sizes)
    starts = jnp.stack(
        [jnp.clip(jnp.asarray(s), 0, n - k) for s, n, k in zip(start_indices, mat.shape, sizes, strict=True)]
    )
    moved = rows - starts.astype(rows.dtype)
    ends = jnp.asarray(sizes, rows.dtype)
    inside = jnp.all((moved >= 0) & (moved < ends), axis=-1) & (_keys(rows, mat.shape) < mat.size)
    return BCOO((jnp.where(inside, data, 0), jnp.where(inside[:, None], moved, ends)), shape=sizes)


def getitem(mat: BCOO, idx: Any) -> Any:
    """``mat[idx]`` for integers, slices, an ellipsis and None."""
    parts = list(idx if isinstance(idx, tuple) else (idx,))
    if any(not (p is None or p is Ellipsis or isinstance(p, (int, np.integer, slice))) for p in parts):
        raise NotImplementedError(
            "Sparse arrays are indexed by integers and slices; others: mat.todense()[idx]."
        )
    used = sum(p is not None and p is not Ellipsis for p in parts)
    if used > mat.ndim:
        raise IndexError(f"Too many indices: got {used} for an array with {mat.ndim} axes.")
    if Ellipsis not in parts:
        parts.append(Ellipsis)
    at = parts.index(Ellipsis)
    parts[at : at + 1] = [slice(None)] * (mat.ndim - used)
    starts: list[int] = []
    limits: list[int] = []
    steps: list[int] = []
    back: list[int] = []
    gone: list[int] = []
    fresh: list[int] = []
    for p in parts:
        if p is None:
            fresh.append(len(starts) - len(gone) + len(fresh))
            continue
        d, size = len(starts), mat.shape[len(starts)]
        if not isinstance(p, slice):
            place = operator.index(p)
            if not -size <= place < size:
                raise IndexError(f"index {place} is out of bounds for axis {d} with size {size}")
            place %= size
            gone.append(d)
            p = slice(place, place + 1)
        places = range(size)[p]
        if places.step < 0:
            back.append(d)
            places = places[::-1]
        starts.append(places.start)
        limits.append(max(places.stop, places.start))
        steps.append(places.step)
    found = bcoo_slice(mat, start_indices=starts, limit_indices=limits, strides=steps)
    found = bcoo_rev(found, back) if back else found
    found = bcoo_squeeze(found, dimensions=gone) if gone else found
    if fresh:
        shape = list(found.shape)
        for d in fresh:
            shape.insert(d, 1)
        axes = [d for d in range(len(shape)) if d not in fresh]
        found = bcoo_broadcast_in_dim(found, shape=shape, broadcast_dimensions=axes)
    return found
