"""Folds along outer axes that go over memory in its order, with a row of accumulators in the nearest cache.

    for j < 1000 vector { for r < 500 { acc += x[r, j] } }   ->   for r < 500 { for j < 1000 vector { acc[j] += x[r, j] } }

Begin at :func:`write_rows`.  Worth it where memory is written on the way or is larger than the caches; a fold of less
keeps its accumulators in registers and walks down the columns (``nests``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from jitney._compiler.chunks import block_extent, chunk_size
from jitney._compiler.options import options
from jitney._kernel import index as ix

_LEAST_ROWS = 4
_LEAST_COLUMNS = 64
_ROW_BYTES = 16384  # of the accumulators of one chunk
_BEYOND_CACHE = 4 << 20  # bytes of an operand whose columns are not walked down


def by_rows(nest: Any, vector: int) -> bool:
    """Whether the folds of ``nest``, whose lanes run along ``vector``, are better done row by row."""
    if not nest.folds or not nest.folded or vector in nest.axes or not options.enabled("fold_rows"):
        return False
    rows = math.prod(nest.shape[d] for d in nest.folded)
    if rows < _LEAST_ROWS or nest.count(vector) < _LEAST_COLUMNS:
        return False
    size = math.prod(nest.shape) * nest.folds[0].starts[0][0].itemsize
    return size >= _BEYOND_CACHE or any(root.kind != "reduce" for root in nest.roots)


def write_rows(nest: Any, axis: int, index: list[Any], block: Any, parallel: bool) -> None:
    """The folds at ``index``, for all columns along ``axis``, in chunks."""
    n, b = nest.count(axis), nest.b
    each = sum(dtype.itemsize for fold, _ in nest.tracks(index) for dtype, _ in fold.starts)
    size = chunk_size(n, max(_LEAST_COLUMNS, _ROW_BYTES // each))
    count = -(-n // size)
    if count == 1:
        _Columns(nest, axis, index, ix.constant(0), (n, n), block).write()
        return
    with b.counted(count, count, "parallel" if parallel else "serial", "c") as node:
        node.work = nest.cost * size * math.prod(nest.shape[d] for d in nest.folded)
        span = block_extent(b, n, size, node)
        _Columns(nest, axis, index, ix.variable(node.var) * size, span, block).write()


class _Columns:
    """Some neighbouring columns: ``span`` is their number and the most that it can be."""

    def __init__(
        self, nest: Any, axis: int, index: list[Any], start: Any, span: tuple[Any, int], block: Any
    ) -> None:
        self.nest, self.b, self.axis, self.index, self.start, self.block = (
            nest,
            nest.b,
            axis,
            index,
            start,
            block,
        )
        self.extent, self.most = span
        self.held = [
            [nest.lowering.temporary(dtype, self.most, stack=True) for dtype, _ in fold.starts]
            for fold, _ in nest.tracks(index)
        ]

    def write(self) -> None:
        buffers = [x for row in self.held for x in row]
        for x in buffers:
            x.changing = True
        self._sweep(lambda fold, place, old: fold.neutral())
        self._rows(self.nest.folded)
        self._sweep(lambda fold, place, old: self.nest.finish(fold, place, old(), self.block))
        for x in buffers:
            x.changing = False

    def _rows(self, axes: list[int]) -> None:
        """Loops over the folded axes around one row."""
        nest = self.nest
        if not axes:
            self._sweep(
                lambda fold, place, old: fold.step(self.b, old(), nest.element(fold, place)), maps=True
            )
            return
        axis = axes[0]
        extent, most, start = nest.shape[axis], nest.shape[axis], ix.constant(0)
        if self.block is not None and axis == self.block.axis:
            extent, most, start = self.block.extent, self.block.size, self.block.start
        with self.b.counted(extent, most, "serial", "rstuvw"[axis % 6]) as node:
            self.index[axis] = start + ix.variable(node.var)
            self._rows(axes[1:])

    def _sweep(self, body: Callable[..., Any], maps: bool = False) -> None:
        """``body(fold, place, old)`` gives what each accumulator becomes (None: nothing), along the row."""
        nest, b = self.nest, self.b
        with b.counted(self.extent, self.most, "vector", "j") as node:
            node.work = nest.cost
            j = ix.variable(node.var)
            self.index[self.axis] = nest.at(self.axis, self.start + j)
            if maps:
                nest.store_maps(self.index)
            for (fold, place), row in zip(nest.tracks(self.index), self.held, strict=True):
                new = body(fold, place, lambda row=row: [b.load(x, j) for x in row])
                for x, value in zip(row, new or (), strict=new is not None):
                    b.store(x, j, value)


__all__ = ["by_rows", "write_rows"]
