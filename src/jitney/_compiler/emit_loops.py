"""Writes loops in LLVM IR: serial ones, vector loops with their rests and folds, parallel bodies.

Begin at :meth:`LoopEmitter.loop`.  A vector loop runs whole strides of copies, then single vectors; the last of
these reaches back over lanes that are done already, so that no access is masked. Where that cannot be (an iteration
must not run twice, or there may be less than one vector of them), the rest runs under a mask.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from typing import Any

from jitney._compiler import emit_ops
from jitney._compiler.emit_ops import llvm_type
from jitney._compiler.emit_rows import Row, find_rows
from jitney._compiler.emit_varying import find_varying
from jitney._compiler.ir import FunctionWriter, const, const_lanes, iota, vec
from jitney._compiler.ir import Value as Text
from jitney._kernel.index import LoopVar
from jitney._kernel.ir import Branch, Buffer, Call, For, Region, Value, While, blocks, touched


class Function:
    """The function being written: where each level stands, what is known in it, what it captured."""

    def __init__(self, f: FunctionWriter, first: int, parent: Function | None) -> None:
        self.f, self.first, self.parent = f, first, parent
        self.blocks = {first: f.entry}
        self.caches: dict[int, dict] = {first: {}}
        self.env: dict[Any, Any] = {}
        self.captured: list[tuple[Any, str]] = []
        self.private: set[Buffer] = set()  # stack buffers of this function alone
        self.part = False  # see ``emit_parts``
        self.threaded = parent is not None and parent.threaded  # run by several threads
        self.homes: dict[Any, Function] = {}  # the parts called here, by what they computed
        self.exports: dict[Any, int] = {}  # what other parts need of this one, and its places in the frame
        self.needs: dict[Any, str] = {}  # what this part needs of the function around, and its types
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
    varying: set[Any]  # what differs between the lanes of the vector loop, as far as loops in it ask
    masks: list | None  # the active lanes of each copy, where not all are
    clipped: bool  # some lanes of the present vector are no iterations at all
    ragged: set[LoopVar]  # counters that are in range for active lanes only
    rows: dict[Any, Row]  # accesses of the present vector loop that belong together
    moved_at: dict[Buffer, int]  # the level of a pointer that loops have moved
    facts: Facts
    under: Any
    only: Any
    varies: Any

    # -- values that loops carry

    def wide(self, carries: list) -> list[bool]:
        """Which carries are lanes."""
        return [c.phi in self.varying for c in carries]

    def flat(self, values: list, wide: list[bool]) -> list:
        """Values one after the other, each with all its copies if it is lanes."""
        found: list = []
        for v, lanes in zip(values, wide, strict=True):
            found += [self.lanes(v, k) for k in range(self.copies)] if lanes else [self.scalar(v)]
        return found

    def bind(self, keys: list, wide: list[bool], flat: list) -> None:
        """Make ``flat``, which may be longer, what ``keys`` are."""
        at = 0
        for key, lanes in zip(keys, wide, strict=True):
            if lanes:
                self.fn.env[key] = flat[at : at + self.copies]
                at += self.copies
            else:
                self.fn.env[key] = flat[at]
                at += 1

    def place(self, buffers: list[Buffer], pointers: list, level: int) -> None:
        """Where buffers are from here on, known since ``level``."""
        for b, pointer in zip(buffers, pointers, strict=True):
            self.fn.env[b] = pointer
            self.moved_at[b] = level

    def swapped(self, node: For | While, moved: list[Buffer]) -> list:
        """Where buffers are for the next iteration."""
        env = self.fn.env
        for a, b in node.swaps:
            env[a], env[b] = env[b], env[a]
        return [env[b] for b in moved]

    # -- loops

    def loop(self, node: For) -> None:
        if self._is_parallel(node):
            self._parallel(node)
        elif node.kind == "vector" and node.width > 1 and self.vector is None:
            self._vector(node)
        else:
            self._serial(node)

    def _is_parallel(self, node: For) -> bool:
        """Threads must not call the host, and swap buffers for themselves only."""
        if node.kind != "parallel" or self.fn.threaded or self.vector is not None:
            return False
        return not (node.carries or self.facts.moved(node) or node in self.facts.hosts)

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
        level, moved, wide = node.var.level, self.facts.moved(node), self.wide(node.carries)
        inits = self.flat([c.init for c in node.carries], wide) + [self.base(b) for b in moved]
        outside = self.masks
        ends = self._ends(node)
        if ends is not None:
            hi, sure = self._last(ends), False
            self.ragged.add(node.var)
        else:
            hi, sure = self.extent(node), isinstance(node.extent, int)

        def body(i: Any, phis: list) -> list:
            self.fn.env[node.var] = i
            self.bind([c.phi for c in node.carries], wide, phis)
            self.place(moved, phis[len(phis) - len(moved) :], level)
            if ends is not None:
                count = self.f.splat(i, self.width)
                self.masks = self.under(outside, [self.f.icmp("slt", count, end) for end in ends])
            self.statements(node.body, level)
            nexts = self.flat([c.next for c in node.carries], wide)
            if ends is not None:
                nexts = self.only(self.masks, nexts, phis[: len(nexts)])
                self.masks = outside
            return nexts + self.swapped(node, moved)

        if node.extent == 0:
            results = inits
        elif node.extent == 1:
            results = self.single(level, const("i64", 0), inits, body)
        else:
            results = self.repeat(level, const("i64", 0), hi, 1, sure, inits, body)
        self.bind([c.result for c in node.carries], wide, results)
        self.place(moved, results[len(results) - len(moved) :], level - 1)

    def _ends(self, node: For) -> list | None:
        """The number of iterations of each lane, if they differ; none of those that are not active."""
        if not (isinstance(node.extent, Value) and self.vector is not None and self.varies(node.extent)):
            return None
        ends = [self.lanes(node.extent, c) for c in range(self.copies)]
        return ends if self.masks is None else self.only(self.masks, ends, [const(x.type, 0) for x in ends])

    def _last(self, ends: list) -> Any:
        return self.f.reduce("smax", functools.reduce(self.f.smax, ends))

    # -- vector loops: whole strides of copies, then single vectors, the last one reaching back over done lanes

    def _vector(self, node: For) -> None:
        w, u, n = node.width, node.copies, node.extent
        f, stride = self.f, node.width * node.copies
        self.vector, self.width = node.var, w
        self.varying, self.rows = find_varying(node), find_rows(node)
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
        self.varying, self.rows = set(), {}
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
        if left % w and (node.exact or _least(node.extent) < w):
            return self._masked_rest(node, sums, start, left)
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

    def _masked_rest(self, node: For, sums: list, start: Any, left: int) -> list:
        """The same with lanes that are no iterations masked off."""
        w, f, total = node.width, self.f, self.extent(node)

        def run(i: Any, phis: list) -> list:
            mask = f.icmp("slt", iota(vec("i64", w)), f.splat(f.sub(total, i), w))
            self.masks, self.clipped = [mask], True
            nexts = self._vector_body(node, i, phis, 1, mask)
            self.masks, self.clipped = None, False
            return nexts

        if 0 < left < w:
            return self.single(node.var.level, start, sums, run)
        return self.repeat(node.var.level, start, total, w, left > 0, sums, run)

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
        self.fn.private, self.fn.threaded = self.facts.private(node), True

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
        self.symbols.add("jt_parallel")
        f.call(
            "jt_parallel",
            "void",
            [
                Text(f"@{name}", "ptr"),
                frame,
                self.extent(node),
                const("i64", max(node.grain, 1)),
                const("double", node.work),  # nanoseconds, which decide whether threads pay
            ],
        )

    def _captured_value(self, key: Any, type_: str) -> Any:
        return self.scalar(key) if isinstance(key, Value) else self.lookup(key, type_)


class Facts:
    """What the emitter asks of statements with blocks: which call the host, which change where buffers are."""

    def __init__(self, body: list) -> None:
        self.body = body
        self.hosts: set[Any] = set()
        self._moved: dict[Any, list[Buffer]] = {}
        self._collect(body)

    def moved(self, s: Any) -> list[Buffer]:
        """The buffers that lie elsewhere after ``s``."""
        return self._moved.get(s, [])

    def private(self, node: For) -> set[Buffer]:
        """Stack buffers used in ``node`` alone: the threads that run it have one each."""
        inside = Counter(b for b in touched(node) if b.kind == "stack")
        if not inside:
            return set()
        whole = Counter(b for s in self.body for b in touched(s) if b in inside)
        return {b for b, count in inside.items() if whole[b] == count}

    def _collect(self, body: list) -> tuple[bool, dict[Buffer, None]]:
        calls, moves = False, dict[Buffer, None]()
        for s in body:
            if type(s) is Call:
                calls = calls or s.symbol == "host"
            elif type(s) in (For, While, Branch):
                host, moved = False, dict[Buffer, None]()
                for block in blocks(s):
                    found = self._collect(block)
                    host, moved = host or found[0], moved | found[1]
                if type(s) is not Branch:
                    moved |= dict.fromkeys(b for pair in s.swaps for b in pair)
                if host:
                    self.hosts.add(s)
                if moved:
                    self._moved[s] = list(moved)
                calls, moves = calls or host, moves | moved
        return calls, moves


def _least(extent: int | Value) -> int:
    """A number that a loop's extent is never below."""
    if isinstance(extent, int):
        return extent
    if extent.op == "const":
        return int(extent.attr.value)
    if extent.op == "index":
        return extent.attr.lo
    return min(map(_least, extent.args)) if extent.op == "min" else 0


def _divisor(extent: Value) -> int:
    """A number that every value of a loop's extent is a multiple of; 0 for one that is always 0."""
    if extent.op == "const":
        return int(extent.attr.value)
    if extent.op == "index":
        return math.gcd(extent.attr.const, *[c for _, c in extent.attr.terms])
    return math.gcd(*map(_divisor, extent.args)) if extent.op == "min" else 1
