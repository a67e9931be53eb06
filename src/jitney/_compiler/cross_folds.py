"""Folds of one space along its rows and along its columns, in one pass: what they fold is computed once.

    r = reduce_sum[axes=1] y ; c = reduce_sum[axes=0] y
      ->   for blk of rows { for i of blk { for j vector (acc) { acc += y[i, j] ; part[blk, j] += y[i, j] } ; r[i] <- acc } }
           for j { c[j] <- part[0, j] + part[1, j] + .. }

The gradient of a function of all pairs is such a thing. ``cross`` (a part of ``fuse``) finds the kernels, ``write_cross``
writes them. The number of blocks follows from the shape alone, so that results do not depend on the number of threads.
"""

from __future__ import annotations

import math
from typing import Any

from jitney._compiler.chunks import block_extent
from jitney._compiler.options import options
from jitney._compiler.short_axes import LONGEST
from jitney._kernel import index as ix
from jitney._kernel.ir import Buffer

_LEAST = 64  # rows and columns
_DEAR = 8.0  # cost of an element from which two accumulators in memory are better than computing it twice
_MOST_COLUMNS = 3072  # longer sums of rows are better cut into pieces
_BLOCKS = 8
_BLOCK_ROWS = 32


def cross(kernels: list[Any]) -> list[Any]:
    """The kernels, some of which do the folds of another one besides (``crossing``)."""
    if not options.enabled("cross_folds"):
        return kernels
    waiting: dict[tuple, Any] = {}
    taken: set[int] = set()
    for kernel in kernels:
        axis = _folded_axis(kernel)
        if axis is None:
            continue
        row, column = _plane(kernel.shape)
        other = waiting.get((kernel.level, kernel.shape, column if axis == row else row))
        if other is None:
            waiting[kernel.level, kernel.shape, axis] = kernel
            continue
        along, down = (other, kernel) if axis == row else (kernel, other)
        if along.crossing is None and id(down) not in taken and id(along) not in taken:
            along.crossing = down
            taken.add(id(down))
    return [k for k in kernels if id(k) not in taken]


def _plane(shape: tuple[int, ...]) -> tuple[int, int]:
    """The axes of rows and columns: the last two that are not written out; (-1, -1) if there are others."""
    count = len(shape)
    while count and math.prod(shape[count - 1 :]) <= LONGEST:
        count -= 1
    axes = [d for d in range(count) if shape[d] > 1]
    return (axes[0], axes[1]) if len(axes) == 2 else (-1, -1)


def _folded_axis(kernel: Any) -> int | None:
    """The axis of the plane along which a kernel folds, if that is all it does, and dear."""
    row, column = _plane(kernel.shape)
    if row < 0 or min(kernel.shape[row], kernel.shape[column]) < _LEAST:
        return None
    if kernel.shape[column] > _MOST_COLUMNS:
        return None
    if any(root.kind != "reduce" or root.rule.lift is not None for root in kernel.roots):
        return None
    axes = [d for d in kernel.axes or () if kernel.shape[d] > 1]
    dear = any(_is_dear(root.operands[0]) for root in kernel.roots)
    return axes[0] if len(axes) == 1 and axes[0] in (row, column) and dear else None


def _is_dear(node: Any) -> bool:
    return not (node.root or node.complete) and node.cost >= _DEAR


def write_cross(along: Any, down: Any, parallel: bool) -> None:
    """Both nests over one space: ``along`` folds its rows, ``down`` its columns."""
    _Cross(along, down, parallel).write()


class _Cross:
    """The two nests, and the accumulators of the columns: a row of them for each block of rows."""

    def __init__(self, along: Any, down: Any, parallel: bool) -> None:
        self.kind = "parallel" if parallel else "serial"
        self.along, self.down, self.b = along, down, along.b
        (self.row,), (self.column,) = along.kept, down.kept
        self.rows, self.columns = along.shape[self.row], down.shape[self.column]
        self.size = max(_BLOCK_ROWS, -(-self.rows // _BLOCKS))
        self.count = -(-self.rows // self.size)
        self.index: list[Any] = [ix.constant(0)] * len(along.shape)
        size = self.count * self.columns
        self.parts: list[list[Buffer]] = [
            [along.lowering.temporary(dtype, size) for dtype, _ in fold.starts]
            for fold, _ in down.tracks(self.index)
        ]

    def write(self) -> None:
        buffers = [x for parts in self.parts for x in parts]
        for x in buffers:
            x.changing = True
        self._blocks()
        for x in buffers:
            x.changing = False
            x.version += 1
        self._join()

    def _blocks(self) -> None:
        b, work = self.b, self.along.cost + self.down.cost
        with b.counted(self.count, self.count, self.kind, "c") as node:
            node.work = work * self.size * self.columns
            block = ix.variable(node.var)
            first = block * self.columns
            extent, most = block_extent(b, self.rows, self.size, node)
            with b.loop(self.columns, "vector", "j") as j:
                for (fold, _), parts in zip(self.down.tracks(self.index), self.parts, strict=True):
                    for x, value in zip(parts, fold.neutral(), strict=True):
                        b.store(x, first + j, value)
            with b.counted(extent, most, "serial", "r") as rows:
                self.index[self.row] = block * self.size + ix.variable(rows.var)
                self._row(first)

    def _row(self, first: Any) -> None:
        """One row: its own folds in registers, those of the columns in memory."""
        b, along, down = self.b, self.along, self.down
        inits = [fold.neutral() for fold, _ in along.tracks(self.index)]
        with b.counted(self.columns, self.columns, "vector", "s") as node:
            node.work = along.cost + down.cost
            j = self.index[self.column] = ix.variable(node.var)
            carries = [
                [b.carry(node, x, n) for x, n in zip(init, fold.neutral(), strict=True)]
                for (fold, _), init in zip(along.tracks(self.index), inits, strict=True)
            ]
            for (fold, place), carried in zip(along.tracks(self.index), carries, strict=True):
                new = fold.step(b, [c.phi for c in carried], along.element(fold, place))
                for c, value in zip(carried, new, strict=True):
                    c.next = value
            for (fold, place), parts in zip(down.tracks(self.index), self.parts, strict=True):
                new = fold.step(b, [b.load(x, first + j) for x in parts], down.element(fold, place))
                for x, value in zip(parts, new, strict=True):
                    b.store(x, first + j, value)
        along.add_regions(node, [fold for fold, _ in along.tracks(self.index)])
        for (fold, place), carried in zip(along.tracks(self.index), carries, strict=True):
            along.finish(fold, place, [c.result for c in carried], None)

    def _join(self) -> None:
        """The folds of the columns, block by block."""
        b, down = self.b, self.down
        with b.loop(self.columns, "vector", "j") as j:
            self.index[self.column] = j
            for (fold, place), parts in zip(down.tracks(self.index), self.parts, strict=True):
                values = [b.load(x, j) for x in parts]
                for block in range(1, self.count):
                    values = fold.combine(b, values, [b.load(x, j + block * self.columns) for x in parts])
                down.finish(fold, place, values, None)


__all__ = ["cross", "write_cross"]
