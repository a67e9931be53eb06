"""Writes loops in LLVM IR: serial ones, vector loops with their rests and folds, parallel bodies.

Begin at :meth:`LoopEmitter.loop`.  A vector loop runs whole strides of copies, then single vectors; the last of
these reaches back over lanes that are done already, so that no access is masked.
"""

from __future__ import annotations

import math
from typing import Any

from jitney._compiler import emit_ops
from jitney._compiler.emit_ops import llvm_type
from jitney._compiler.ir import FunctionWriter, const, const_lanes, iota, vec
from jitney._compiler.ir import Value as Text
from jitney._kernel.index import LoopVar
from jitney._kernel.ir import Buffer, For, Region, Value


class Function:
    """The function being written: where each level stands, what is known in it, what it captured."""

    def __init__(self, f: FunctionWriter, first: int, parent: Function | None) -> None:
        self.f, self.first, self.parent = f, first, parent
        self.blocks = {first: f.entry}
        self.caches: dict[int, dict] = {first: {}}
        self.env: dict[Any, Any] = {}
        self.captured: list[tuple[Any, str]] = []
        self.alias: dict[
            int, int
        ] = {}  # a level whose body is written once stands where its outer level stands

    def block(self, level: int) -> Any:
        """Where ``level`` is being written."""
        return self.blocks[self.alias.get(level, level)]

    def move(self, level: int, block: Any) -> None:
        """Write ``level`` in ``block`` from now on."""
        self.blocks[self.alias.get(level, level)] = block


class LoopEmitter:
    """The part of the emitter that writes loops."""

    f: FunctionWriter
    fn: Function
    module: Any
    symbols: set[str]
    vector: LoopVar | None
    width: int
    copies: int
    statements: Any
    scalar: Any
    lanes: Any
    lookup: Any
    base: Any

    # -- loops

    def loop(self, node: For) -> None:
        if node.kind == "parallel" and self.fn.parent is None and self.vector is None:
            self._parallel(node)
        elif node.kind == "vector" and node.width > 1 and self.vector is None:
            self._vector(node)
        else:
            self._serial(node)

    def extent(self, node: For) -> Any:
        return const("i64", node.extent) if isinstance(node.extent, int) else self.scalar(node.extent)

    def repeat(self, level: int, lo: Any, hi: Any, step: int, sure: bool, inits: list, body: Any) -> list:
        """``for i in lo, lo+step .. hi``: ``body(i, carried) -> carried``; ``sure``: at least one iteration."""
        f, fn = self.f, self.fn
        head = f.block("loop")
        f.position(head)
        i = f.phi("i64")
        phis = [f.phi(x.type) for x in inits]
        fn.blocks[level], fn.caches[level] = head, {}
        nexts = body(i, phis)
        tail = f.current
        following = f.add_nsw(i, const("i64", step))
        again = f.icmp("slt", following, hi)
        done = f.block("done")
        f.cbr(again, head, done)
        before = fn.block(level - 1)
        f.position(before)
        if sure:
            f.br(head)
        else:
            f.cbr(f.icmp("slt", lo, hi), head, done)
        i.add(lo, before)
        i.add(following, tail)
        for p, x, y in zip(phis, inits, nexts, strict=True):
            p.add(x, before)
            p.add(y, tail)
        del fn.blocks[level], fn.caches[level]
        f.position(done)
        fn.move(level - 1, done)
        if sure:
            return nexts
        results = [f.phi(x.type) for x in inits]
        for r, x, y in zip(results, inits, nexts, strict=True):
            r.add(x, before)
            r.add(y, tail)
        return results

    def single(self, level: int, i: Any, inits: list, body: Any) -> list:
        """The body once, for a known counter."""
        fn = self.fn
        fn.alias[level], fn.caches[level] = fn.alias.get(level - 1, level - 1), {}
        nexts = body(i, inits)
        del fn.alias[level], fn.caches[level]
        return nexts

    def _serial(self, node: For) -> None:
        level, hi = node.var.level, self.extent(node)
        lane_count = self.copies if self.vector is not None else 1
        many = self.vector is not None  # carries of a loop inside a vector loop differ between lanes
        inits: list = []
        for c in node.carries:
            inits += [self.lanes(c.init, k) for k in range(lane_count)] if many else [self.scalar(c.init)]

        def body(i: Any, phis: list) -> list:
            self.fn.env[node.var] = i
            for n, c in enumerate(node.carries):
                self.fn.env[c.phi] = phis[n * lane_count : (n + 1) * lane_count] if many else phis[n]
            self.statements(node.body, level)
            nexts: list = []
            for c in node.carries:
                nexts += [self.lanes(c.next, k) for k in range(lane_count)] if many else [self.scalar(c.next)]
            return nexts

        if node.extent == 0:
            results = inits
        elif node.extent == 1:
            results = self.single(level, const("i64", 0), inits, body)
        else:
            results = self.repeat(level, const("i64", 0), hi, 1, isinstance(node.extent, int), inits, body)
        for n, c in enumerate(node.carries):
            self.fn.env[c.result] = results[n * lane_count : (n + 1) * lane_count] if many else results[n]

    # -- vector loops: whole strides of copies, then single vectors, the last one reaching back over done lanes

    def _vector(self, node: For) -> None:
        w, u, n = node.width, node.copies, node.extent
        f, stride = self.f, node.width * node.copies
        self.vector, self.width = node.var, w
        if isinstance(n, int):
            whole, left = n // stride * stride, n % stride
            hi: Any = const("i64", whole)
        else:
            hi, whole, left = self.scalar(n), -1, 0
            multiple = _divisor(n)
            if multiple % stride:
                hi = f.mul(f.sdiv(hi, const("i64", stride)), const("i64", stride))
                left = -1 if multiple % w else -w
        neutral = [const(vec(llvm_type(c.init.dtype), w), c.neutral.attr.value) for c in node.carries]
        sums = [x for x in neutral for _ in range(u)]
        if whole:
            run = lambda i, phis: self._vector_body(node, i, phis, u, None)  # noqa: E731
            if whole == stride:
                sums = self.single(node.var.level, const("i64", 0), sums, run)
            else:
                sums = self.repeat(node.var.level, const("i64", 0), hi, stride, whole > 0, sums, run)
        self.width, self.copies = w, 1
        sums = self._fold_copies(node, sums, u)
        if left:
            sums = self._vector_rest(node, sums, hi, left)
        self.vector, self.width, self.copies = None, 1, 1
        self._fold_lanes(node, sums)

    def _vector_body(self, node: For, i: Any, phis: list, copies: int, mask: Any) -> list:
        self.copies = copies
        self.fn.env[node.var] = i
        for k, c in enumerate(node.carries):
            self.fn.env[c.phi] = phis[k * copies : (k + 1) * copies]
        self.statements(node.body, node.var.level)
        nexts = []
        for k, c in enumerate(node.carries):
            for copy in range(copies):
                value = self.lanes(c.next, copy)
                nexts.append(value if mask is None else self.f.select(mask, value, phis[k * copies + copy]))
        return nexts

    def _vector_rest(self, node: For, sums: list, start: Any, left: int) -> list:
        """The iterations after ``start``, a vector at a time; negative ``left``: some number, perhaps none."""
        w, f, level = node.width, self.f, node.var.level
        if isinstance(node.extent, int):
            n = node.extent
            if left <= w:
                mask = None if left == w else self._lanes_from(w - left)
                run = lambda i, phis: self._vector_body(node, i, phis, 1, mask)  # noqa: E731
                return self.single(level, const("i64", n - w), sums, run)
            total: Any = const("i64", n)
        else:
            total = self.scalar(node.extent)
        last = f.sub(total, const("i64", w))
        ragged = left % w != 0

        def run_clipped(i: Any, phis: list) -> list:
            if not ragged:
                return self._vector_body(node, i, phis, 1, None)
            at = f.select(f.icmp("slt", i, last), i, last)
            mask = None
            if node.carries:
                shift = f.splat(f.sub(i, at), w)
                mask = f.icmp("sge", iota(vec("i64", w)), shift)
            return self._vector_body(node, at, phis, 1, mask)

        return self.repeat(level, start, total, w, left > 0, sums, run_clipped)

    def _lanes_from(self, first: int) -> Any:
        return const_lanes(vec("i1", self.width), [k >= first for k in range(self.width)])

    def _fold_copies(self, node: For, sums: list, copies: int) -> list:
        """The accumulators of the copies, paired into one each."""
        return self._fold_groups(
            node, [sums[k * copies : (k + 1) * copies] for k in range(len(node.carries))]
        )

    def _fold_groups(self, node: For, groups: list[list]) -> list:
        while groups and len(groups[0]) > 1:
            half = len(groups[0]) // 2
            paired: list[list] = [[None] * half for _ in groups]
            for numbers, region in node.folds:
                for k in range(half):
                    xs = [groups[n][2 * k] for n in numbers] + [groups[n][2 * k + 1] for n in numbers]
                    for n, r in zip(numbers, self.region(region, xs), strict=True):
                        paired[n][k] = r
            groups = [p + g[half * 2 :] for p, g in zip(paired, groups, strict=True)]
        return [g[0] for g in groups]

    def _fold_lanes(self, node: For, sums: list) -> None:
        """Halve the vectors until one lane is left, then combine with what the carry began with."""
        f, w = self.f, node.width
        while sums and w > 1:
            half = w // 2
            low = [f.shuffle(x, None, list(range(half))) if half > 1 else f.extract(x, 0) for x in sums]
            high = [f.shuffle(x, None, list(range(half, w))) if half > 1 else f.extract(x, 1) for x in sums]
            w = half
            self.width = w
            sums = self._fold_groups(node, [[a, b] for a, b in zip(low, high, strict=True)])
        self.width = 1
        for numbers, region in node.folds:
            inits = [node.carries[n].init for n in numbers]
            found = [sums[n] for n in numbers]
            if not all(self._is_neutral(node.carries[n]) for n in numbers):
                found = self.region(region, [self.scalar(x) for x in inits] + found)
            for n, r in zip(numbers, found, strict=True):
                self.fn.env[node.carries[n].result] = r

    @staticmethod
    def _is_neutral(carry: Any) -> bool:
        return carry.init is carry.neutral

    def region(self, region: Region, args: list) -> list:
        """A pure function written in place, at the lanes of its arguments."""
        env = dict(zip(region.params, args, strict=True))

        def read(v: Value) -> Any:
            if v.op == "const":
                return const(vec(llvm_type(v.dtype), self.width), v.attr.value)
            return env[v]

        for v in region.body:
            if v.op != "const":
                env[v] = emit_ops.WRITERS[v.op](self, v, *[read(a) for a in v.args])
        return [read(v) for v in region.results]

    # -- parallel loops

    def _parallel(self, node: For) -> None:
        """The body as a function of a range of iterations, handed to the thread pool."""
        outer, outer_fn = self.f, self.fn
        name = f"jt_body{len(self.module.functions)}_{node.var.uid}"
        inner = FunctionWriter(name, "void", ["ptr", "i64", "i64"], linkage="internal")
        level = node.var.level
        self.fn, self.f = Function(inner, level - 1, outer_fn), inner
        self.fn.caches[level - 1] = {}

        def body(i: Any, phis: list) -> list:
            self.fn.env[node.var] = i
            self.statements(node.body, level)
            return []

        inner.position(inner.entry)
        self.repeat(level, inner.args[1], inner.args[2], 1, False, [], body)
        inner.ret()
        self.module.add(inner)
        captured = self.fn.captured
        self.fn, self.f = outer_fn, outer
        outer.position(outer_fn.block(level - 1))
        self._call_parallel(node, name, captured)

    def _call_parallel(self, node: For, name: str, captured: list) -> None:
        f = self.f
        frame = f.alloca("i64", max(len(captured), 1), 16)
        for slot, (key, type_) in enumerate(captured):
            value = self.base(key) if isinstance(key, Buffer) else self._captured_value(key, type_)
            f.store(value, f.gep("i64", frame, const("i64", slot)), 8)
        self.symbols.add("jt_parallel_for")
        f.call(
            "jt_parallel_for",
            "void",
            [Text(f"@{name}", "ptr"), frame, self.extent(node), const("i64", max(node.grain, 1))],
        )

    def _captured_value(self, key: Any, type_: str) -> Any:
        return self.scalar(key) if isinstance(key, Value) else self.lookup(key, type_)


def _divisor(extent: Value) -> int:
    """A number that every value of a loop's extent is a multiple of; 0 for one that is always 0."""
    if extent.op == "const":
        return int(extent.attr.value)
    if extent.op == "index":
        return math.gcd(extent.attr.const, *[c for _, c in extent.attr.terms])
    return math.gcd(*map(_divisor, extent.args)) if extent.op == "min" else 1
