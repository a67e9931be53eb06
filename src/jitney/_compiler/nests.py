"""Loop nests: the axes of a kernel, their order and kinds, folds and their accumulators.

Begin at :class:`Nest`.  Folds longer than a few thousand elements are cut into blocks whose results are folded
again, so that sums are pairwise, independent of the number of threads, and parallel.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

from jitney._compiler.boxes import boxes
from jitney._compiler.chunks import block_extent, chunk_size
from jitney._compiler.fold_rows import by_rows, write_rows
from jitney._compiler.graph import Node, nanoseconds
from jitney._compiler.options import options
from jitney._compiler.short_axes import LONGEST
from jitney._core.avals import shaped_array
from jitney._kernel import index as ix
from jitney._kernel.builder import Builder
from jitney._kernel.ir import Buffer, For, Value

BLOCK = 1024  # elements that one run of accumulators sums before partial sums are paired
_SPLIT = 3 * BLOCK  # folds longer than this are cut into blocks
_PARALLEL_NS = 10_000.0  # estimated serial time from which threads may pay (the pool decides)
_CHUNK_NS = 2_500.0  # least work of one parallel chunk
_ROWS = 16  # results from which each is folded in one go, block after block
_MOST_CARRIES = 8  # accumulators of a loop whose folds have several results each


class Fold:
    """A reduce node as a fold of one or several values at once."""

    def __init__(self, lowering: Any, node: Node) -> None:
        self.lowering, self.node, self.rule = lowering, node, node.rule
        dtype = node.operands[0].aval.dtype
        start = node.rule.init(dtype)
        self.starts = [(dtype, start)] if node.rule.lift is None else list(start)
        self.partials: list[Buffer] = []
        self.sources: list[Buffer] = []  # partial results of blocks to fold instead of the operand

    def neutral(self) -> list[Value]:
        return [self.lowering.b.const(value, dtype) for dtype, value in self.starts]

    def element(self, index: list[Any]) -> list[Value]:
        """The values of one element of the operand."""
        b = self.lowering.b
        if self.sources:
            (x,) = self.node.operands
            return [b.load(s, self.lowering.position(x, tuple(index))) for s in self.sources]
        value = self.lowering.pull(self.node.operands[0], tuple(index))
        return [value] if self.rule.lift is None else list(self.rule.lift(b, value, index, self.node.value))

    def combine(self, b: Builder, xs: list[Value], ys: list[Value]) -> list[Value]:
        if self.rule.lift is None:
            return [self.rule.combine(b, xs[0], ys[0])]
        return list(self.rule.combine(b, xs, ys))

    def step(self, b: Builder, xs: list[Value], ys: list[Value]) -> list[Value]:
        """Fold in what comes after everything in ``xs``."""
        return self.combine(b, xs, ys) if self.rule.step is None else list(self.rule.step(b, xs, ys))

    def finish(self, values: list[Value]) -> Value:
        if self.rule.finish is None:
            return values[0]
        return self.rule.finish(self.lowering.b, values, **self.node.eqn.params)


class Nest:
    """One loop nest: its axes (merged where the kernel is flat), their order, and its body."""

    def __init__(
        self,
        lowering: Any,
        shape: tuple[int, ...],
        axes: tuple[int, ...],
        roots: list[Node],
        merge: bool = True,
    ) -> None:
        self.lowering, self.b, self.roots = lowering, lowering.b, roots
        self.flat = merge and options.enabled("merge_axes") and all(_flat_root(r) for r in roots)
        self.shape, self.axes = _merge(shape, frozenset(axes)) if self.flat else (shape, frozenset(axes))
        self.cost = nanoseconds(_work(roots) + 0.5)
        self.kept = [d for d in range(len(self.shape)) if d not in self.axes and self.shape[d] > 1]
        self.folded = [d for d in sorted(self.axes) if self.shape[d] > 1]
        self.folds = [Fold(lowering, r) for r in roots if r.kind == "reduce"]
        self.unrolled = self._unroll()
        self.spans = [(0, n) for n in shape] if not self.flat else [(0, n) for n in self.shape]
        self.group: tuple[int, int] | None = None  # an axis of which so many places are written out together

    def _unroll(self) -> list[int]:
        """Last axes too short for lanes: their elements are written out, and lanes run along the axis before.

        for i < 10000 { for j < 3 vector {..} }   ->   for i < 10000 vector { j = 0; j = 1; j = 2 }

        A fold that goes on outside of them has one accumulator for each element that is kept.
        """
        axes = sorted(self.kept + self.folded)
        last: list[int] = []
        while axes and self.shape[axes[-1]] * math.prod(self.shape[d] for d in last) <= LONGEST:
            last.append(axes.pop())
        if not last or not axes or self.shape[axes[-1]] < 16 or not options.enabled("unroll"):
            return []
        if any(d not in last for d in self.folded):
            carries = sum(len(fold.starts) for fold in self.folds)
            if carries * math.prod(self.shape[d] for d in last if d in self.kept) > _MOST_CARRIES:
                return []
        self.kept = [d for d in self.kept if d not in last]
        self.folded = [d for d in self.folded if d not in last]
        return sorted(last)

    def _each(self, index: list[Any], kept: bool) -> list[list[Any]]:
        """The indices of the unrolled axes' elements: of the kept ones, or of the folded ones."""
        axes = [d for d in self.unrolled if (d not in self.axes) == kept]
        places = []
        for at in itertools.product(*(range(self.shape[d]) for d in axes)):
            place = list(index)
            for d, i in zip(axes, at, strict=True):
                place[d] = ix.constant(i)
            places.append(place)
        if kept and self.group is not None:
            axis, count = self.group
            places = [[*p[:axis], p[axis] + k, *p[axis + 1 :]] for p in places for k in range(count)]
        return places

    def write(self) -> None:
        count = math.prod(self.shape[d] for d in self.folded)
        self.cost *= math.prod(self.shape[d] for d in self.unrolled)
        total = self.cost * count * math.prod(self.shape[d] for d in self.kept)
        parallel = total > _PARALLEL_NS and options.enabled("parallelize")
        outside = self.lowering.space
        self.lowering.space = self.shape if self.flat else None
        if self.folds and count > _SPLIT and options.enabled("split_folds"):
            self._write_blocks(parallel)
        else:
            self._write_whole(parallel)
        self.lowering.space = outside

    # -- folds in one go, and maps

    def _write_whole(self, parallel: bool) -> None:
        if self.folds:
            self._write_box(parallel)
            return
        for spans, group in boxes(self):
            self.spans, self.group = spans, group
            self._write_box(parallel)

    def _write_box(self, parallel: bool) -> None:
        """The part of the nest between ``spans``."""
        index: list[Any] = [ix.constant(0)] * len(self.shape)
        kept = []
        for d in self.kept:
            if self.count(d) > 1:
                kept.append(d)
            else:
                index[d] = ix.constant(self.spans[d][0])
        vector = max(kept + self.folded, default=-1)
        if by_rows(self, vector):
            outer = kept[:-1]
            rows = lambda: write_rows(self, vector, index, None, parallel and not outer)  # noqa: E731
            self._open(outer, index, vector, parallel, rows)
            return
        if parallel and len(kept) == 1 and vector == kept[0]:
            self._write_chunks(vector, index)
            return
        self._open(kept, index, vector, parallel, lambda: self._write_folds(index, vector, self.folded, None))

    def count(self, axis: int) -> int:
        """Iterations of the loop over a kept axis."""
        lo, hi = self.spans[axis]
        return (hi - lo) // (self.group[1] if self.group and self.group[0] == axis else 1)

    def at(self, axis: int, i: Any) -> Any:
        """The place on a kept axis in iteration ``i`` of its loop."""
        step = self.group[1] if self.group and self.group[0] == axis else 1
        return i * step + self.spans[axis][0]

    def _write_chunks(self, axis: int, index: list[Any]) -> None:
        """One long axis, cut into chunks for threads."""
        n = self.count(axis)
        work = self.cost * math.prod(self.shape[d] for d in self.folded)
        size = chunk_size(n, max(64 if self.folded else 512, int(_CHUNK_NS / work)))
        count = -(-n // size)
        if count == 1:
            write = lambda: self._write_folds(index, axis, self.folded, None)  # noqa: E731
            self._open([axis], index, axis, False, write)
            return
        with self.b.counted(count, count, "parallel", "c") as node:
            node.work = work * size
            start = ix.variable(node.var) * size
            extent, most = block_extent(self.b, n, size, node)
            with self.b.counted(extent, most, "vector") as inner:
                inner.work = work
                index[axis] = self.at(axis, start + ix.variable(inner.var))
                self._write_folds(index, axis, self.folded, None)

    def vector_axis(self) -> int:
        """The axis that lanes run along: the last one that is not of size 1."""
        return max(self.kept + self.folded, default=-1)

    def _open(self, axes: list[int], index: list[Any], vector: int, parallel: bool, body: Any) -> None:
        """Loops over ``axes`` from the outside in, around ``body()``."""
        if not axes:
            body()
            return
        axis = axes[0]
        kind = "vector" if axis == vector else "parallel" if parallel else "serial"
        count = self.count(axis)
        with self.b.counted(count, count, kind, "ijklmnpq"[axis % 8]) as node:
            rest = math.prod(self.shape[d] for d in (*axes[1:], *self.folded))
            node.work = self.cost * rest * (self.group[1] if self.group else 1)
            index[axis] = self.at(axis, ix.variable(node.var))
            self._open(axes[1:], index, vector, False, body)

    def _write_folds(self, index: list[Any], vector: int, axes: list[int], block: Any) -> None:
        """Maps at ``index``; folds over ``axes`` with one carry each, results stored at the kept index."""
        if not self.folds:
            self.store_maps(index)
            return
        if not axes:
            self.store_maps(index)
            for fold, place in self.tracks(index):
                self.finish(fold, place, self.element(fold, place), block)
            return
        inits = [fold.neutral() for fold, _ in self.tracks(index)]
        results = self._fold_axis(index, vector, axes, inits, block)
        for (fold, place), values in zip(self.tracks(index), results, strict=True):
            self.finish(fold, place, values, block)

    def tracks(self, index: list[Any]) -> list[tuple[Fold, list[Any]]]:
        """Each fold with each place of the unrolled axes that are kept: what has accumulators of its own."""
        return [(fold, place) for place in self._each(index, True) for fold in self.folds]

    def _fold_axis(
        self, index: list[Any], vector: int, axes: list[int], inits: list[list[Value]], block: Any
    ) -> list:
        """Loop over ``axes[0]`` carrying the folds; inner axes inside."""
        axis, b = axes[0], self.b
        extent, most, start = self.shape[axis], self.shape[axis], ix.constant(0)
        if block is not None and axis == block.axis:
            extent, most, start = block.extent, block.size, block.start
        with b.counted(extent, most, "vector" if axis == vector else "serial", "rstuvw"[axis % 6]) as node:
            node.work = self.cost * math.prod(self.shape[d] for d in axes[1:])
            carries = [
                [b.carry(node, x, n) for x, n in zip(init, fold.neutral(), strict=True)]
                for (fold, _), init in zip(self.tracks(index), inits, strict=True)
            ]
            index[axis] = start + ix.variable(node.var)
            phis = [[c.phi for c in group] for group in carries]
            if len(axes) > 1:
                nexts = self._fold_axis(index, vector, axes[1:], phis, block)
            else:
                self.store_maps(index)
                nexts = [
                    fold.step(b, p, self.element(fold, place))
                    for (fold, place), p in zip(self.tracks(index), phis, strict=True)
                ]
            for group, following in zip(carries, nexts, strict=True):
                for c, x in zip(group, following, strict=True):
                    c.next = x
        if node.kind == "vector":
            self.add_regions(node, [fold for fold, _ in self.tracks(index)])
        return [[c.result for c in group] for group in carries]

    def add_regions(self, node: For, folds: list[Fold]) -> None:
        """How lanes are combined at the end of a vector loop."""
        first = 0
        for fold in folds:
            count = len(fold.starts)
            dtypes = [dtype for dtype, _ in fold.starts]
            region = self.b.region(
                dtypes * 2, lambda rb, *v, _fold=fold, _n=count: _fold.combine(rb, list(v[:_n]), list(v[_n:]))
            )
            node.folds.append((tuple(range(first, first + count)), region))
            first += count

    def element(self, fold: Fold, index: list[Any]) -> list[Value]:
        """What one step folds in: an element, or all of the unrolled ones as a balanced tree."""
        values = [fold.element(place) for place in self._each(index, False)]
        while len(values) > 1:
            pairs = [fold.combine(self.b, u, v) for u, v in zip(values[::2], values[1::2], strict=False)]
            values = pairs + values[len(pairs) * 2 :]
        return values[0]

    def store_maps(self, index: list[Any]) -> None:
        """All maps at ``index``; every value is there before the first is stored, which may overwrite an operand."""
        maps = [root for root in self.roots if root.kind != "reduce"]
        stores = [
            (root, place, self.lowering.pull(root, tuple(place)))
            for outer in (self._each(index, True) if maps else ())
            for place in self._each(outer, False)
            for root in maps
        ]
        for root, place, value in stores:
            self.lowering.store_root(root, place, self.shape, value)

    def _wide(self) -> list[int]:
        """The axes of the results, unrolled or not."""
        return [d for d in range(len(self.shape)) if d not in self.axes and self.shape[d] > 1]

    def finish(self, fold: Fold, index: list[Any], values: list[Value], block: Any) -> None:
        """Store a finished fold (of a block: a partial result); one of everything stays in a register too."""
        if block is not None:
            places = self._wide()
            position = ix.linearize(
                [block.number, *(index[d] for d in places)], [block.count, *(self.shape[d] for d in places)]
            )
            for buffer, value in zip(fold.partials, values, strict=True):
                self.b.store(buffer, position, value)
            return
        value = fold.finish(values)
        if not self._wide():
            self._keep_scalar(fold.node, value)
            return
        kept = [d for d in range(len(self.shape)) if d not in self.axes]
        position = ix.linearize([index[d] for d in kept], [self.shape[d] for d in kept])
        buffer = self.lowering.buffer_of(fold.node)
        self.b.store(buffer, position + fold.node.base, value)

    def _keep_scalar(self, root: Node, value: Value) -> None:
        """A fold of everything is a register from here on, and in memory where it is asked for."""
        key = (root, (ix.constant(0),) * root.aval.ndim, None)
        self.lowering.memo[key] = value
        if root.out >= 0 or root.needed:
            buffer = self.lowering.buffer_of(root)
            self.b.store(buffer, root.base, value)

    # -- long folds: blocks, then a fold of the partial results

    def _write_blocks(self, parallel: bool) -> None:
        block = _Block(self, self.folded)
        index: list[Any] = [ix.constant(0)] * len(self.shape)
        vector = self.vector_axis()
        for fold in self.folds:
            fold.partials = [
                self.lowering.temporary(dtype, block.count * block.outer) for dtype, _ in fold.starts
            ]
        outer = self._outside_blocks(vector, block)
        inner = [d for d in self.kept if d not in outer]

        def write(kind: str) -> None:
            with self.b.counted(block.count, block.count, kind, "blk") as node:
                node.work = self.cost * block.size * block.inner * math.prod(self.shape[d] for d in inner)
                block.place(self.b, node)
                if by_rows(self, vector):
                    rows = lambda: write_rows(self, vector, index, block, False)  # noqa: E731
                    self._open(inner[:-1], index, vector, False, rows)
                    return
                self._open(
                    inner, index, vector, False, lambda: self._write_folds(index, vector, self.folded, block)
                )

        if outer:
            self._open(outer, index, vector, parallel, lambda: write("serial"))
        else:
            write("parallel" if parallel else "serial")
        for fold in self.folds:
            self._fold_partials(fold, block)

    def _outside_blocks(self, vector: int, block: _Block) -> list[int]:
        """The kept axes that loops go over outside of those over blocks, so that memory is read in one run.

        for blk < 16 { for i < 128 { 1024 of row i } }   ->   for i < 128 { for blk < 16 { 1024 of row i } }
        """
        rows = block.axis > max(self.kept, default=block.axis) and vector not in self.kept
        return self.kept if rows and block.outer >= _ROWS else []

    def _fold_partials(self, fold: Fold, block: _Block) -> None:
        """The same fold once more, over the blocks' results (axis 0)."""
        root = fold.node
        sizes = tuple(self.shape[d] for d in self._wide())
        source = Node("opaque", shaped_array((block.count, *sizes), root.operands[0].aval.dtype, False))
        source.complete = True
        again = Node("reduce", shaped_array(sizes, root.aval.dtype, False), (source,), root.rule, root.eqn)
        again.value, again.root = (0,), True
        again.out, again.needed = root.out, root.needed
        if sizes or root.out >= 0 or root.needed:
            again.buffer = self.lowering.buffer_of(root)
            again.base = root.base
        nest = Nest(self.lowering, source.aval.shape, (0,), [again])
        nest.folds[0].sources = fold.partials
        nest.write()
        if not sizes:
            value = self.lowering.memo[(again, (), None)]
            self.lowering.memo[(root, (ix.constant(0),) * root.aval.ndim, None)] = value


class _Block:
    """How a long fold is cut: along ``axis``, ``count`` blocks of ``size``."""

    def __init__(self, nest: Nest, folded: list[int]) -> None:
        self.axis = folded[0]
        self.inner = math.prod(nest.shape[d] for d in folded[1:])
        self.outer = math.prod(nest.shape[d] for d in nest._wide())
        n = nest.shape[self.axis]
        self.size = chunk_size(n, max(1, BLOCK // self.inner)) if self.inner < BLOCK else 1
        self.count = -(-n // self.size)
        self.whole = n
        self.number: Any = None
        self.start: Any = None
        self.extent: Any = None

    def place(self, b: Builder, node: For) -> None:
        """The block that the open loop ``node`` is at."""
        self.number = ix.variable(node.var)
        self.start = self.number * self.size
        self.extent, self.size = block_extent(b, self.whole, self.size, node)


def _merge(shape: tuple[int, ...], axes: frozenset[int]) -> tuple[tuple[int, ...], frozenset[int]]:
    """Neighbouring axes that are both kept or both folded become one: ``(3, 4, 5), {1, 2} -> (3, 20), {1}``."""
    merged: list[int] = []
    folded: list[bool] = []
    for d, n in enumerate(shape):
        if n == 1:
            continue
        if merged and folded[-1] == (d in axes):
            merged[-1] *= n
        else:
            merged.append(n)
            folded.append(d in axes)
    return tuple(merged), frozenset(d for d, f in enumerate(folded) if f)


def _flat_root(root: Node) -> bool:
    if root.kind == "reduce" and root.rule.lift is not None:
        return False  # it asks for places along its own axes
    inner = root.operands[0] if root.kind == "reduce" else root
    return inner.flat


def _work(roots: list[Node]) -> float:
    """What one element of all roots costs: of each value that is not in memory or registers yet, once."""
    total, seen, pending = float(len(roots)), set(roots), list(roots)
    while pending:
        node = pending.pop()
        if node.kind != "reduce":
            total += node.own
        for o in node.operands:
            if not (o.root or o.complete or o.small or o.kind in ("literal", "opaque") or o in seen):
                seen.add(o)
                pending.append(o)
    return total
