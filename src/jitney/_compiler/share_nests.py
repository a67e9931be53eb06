"""share_nests: finds loop nests that do the same to other memory, to be written as one function.

    for i < 8 { store tmp1[i] <- sin(tmp0[i]) } ; for i < 8 { store tmp2[i] <- sin(tmp1[i]) }
      ->   nest(a, b): for i < 8 { store b[i] <- sin(a[i]) }      nest(tmp0, tmp1) ; nest(tmp1, tmp2)

Sub-programs that a program repeats, and the segments of a long chain, come to machine code once. Nests are equal if
they differ in the names of values and buffers only; what stands inside of vector or parallel loops is part of them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from jitney._kernel.index import Dynamic, Index, LoopVar, Quotient
from jitney._kernel.ir import Branch, Buffer, For, LoopProgram, Store, Value, While, blocks, touched

_LEAST = 20  # instructions of a nest from which one more call is better than one more copy of it
_LEAST_INSIDE = 200  # of one that an outer loop repeats: what does not change there would be computed anew
_LOOP = 8
_MATH = 5


class Nest:
    """A nest without names: its ``key``, the buffers it touches and the values from around it, in order of use."""

    __slots__ = ("buffers", "key", "outside")

    def __init__(self, key: tuple, buffers: list[Buffer], outside: list[Any]) -> None:
        self.key, self.buffers, self.outside = key, buffers, outside


def share_nests(program: LoopProgram) -> None:
    """Set ``program.nests``: by loop, what it is without names, where another loop is the same."""
    alike: dict[tuple, list[For]] = {}
    _collect(program.body, alike)
    program.nests = {}
    stack = Counter(b for s in program.body for b in touched(s) if b.kind == "stack")
    for loops in alike.values():
        same: dict[tuple, list[tuple[For, Nest]]] = {}
        for loop in loops if len(loops) > 1 else ():
            nest = _Walk().nest(loop)
            if nest is not None and not (_threaded(loop) and _private(loop, stack)):
                same.setdefault(nest.key, []).append((loop, nest))
        for pairs in same.values():
            if len(pairs) > 1:
                program.nests.update(pairs)


def _threaded(s: Any) -> bool:
    """Whether threads run a part of the statement."""
    if type(s) not in (For, While, Branch):
        return False
    return getattr(s, "kind", "") == "parallel" or any(_threaded(t) for block in blocks(s) for t in block)


def _private(node: For, stack: Counter[Buffer]) -> bool:
    """Whether a loop uses memory on the stack that nobody else does: threads have some of their own each."""
    inside = Counter(b for b in touched(node) if b.kind == "stack")
    return any(stack[b] == count for b, count in inside.items())


def _collect(body: list, alike: dict[tuple, list[For]]) -> None:
    """Loops that may be nests, by what is quickly seen of them; those inside of serial ones as well."""
    for s in body:
        if type(s) not in (For, While, Branch):
            continue
        if type(s) is For and not s.swaps:
            size = _LOOP + _size(s.body) * s.copies
            if size >= (_LEAST if s.var.level == 1 else _LEAST_INSIDE):
                times = s.extent if isinstance(s.extent, int) else -1
                alike.setdefault((times, s.kind, s.width, s.var.level, size), []).append(s)
        if type(s) is not For or (s.kind == "serial" and s.width == 1):
            for block in blocks(s):
                _collect(block, alike)


def _size(body: list) -> int:
    """About the number of instructions of a block, loops inside included."""
    total = len(body)
    for s in body:
        if type(s) is Value:
            total += _MATH * (s.op == "math")
        elif type(s) in (For, While, Branch):
            total += _LOOP + sum(map(_size, blocks(s)))
    return total


class _Other(Exception):
    """Something that only stands where it stands."""


class _Walk:
    """Numbers values, loop counters and buffers in the order in which a nest first names them."""

    def __init__(self) -> None:
        self.names: dict[Any, int] = {}
        self.numbers: dict[Buffer, int] = {}
        self.outside: list[Any] = []

    def nest(self, node: For) -> Nest | None:
        try:
            key = self.loop(node)
        except _Other:
            return None
        return Nest(key, list(self.numbers), self.outside)

    def define(self, x: Any) -> None:
        self.names[x] = len(self.names)

    def use(self, x: Any) -> Any:
        if type(x) is Value and x.op == "const":
            return x.dtype.char, repr(x.attr.value)
        number = self.names.get(x)
        if number is None:
            number = self.names[x] = len(self.names)
            self.outside.append(x)
        return number

    def optional(self, x: Value | None) -> Any:
        return None if x is None else self.use(x)

    def buffer(self, b: Buffer) -> tuple:
        return self.numbers.setdefault(b, len(self.numbers)), b.dtype.str

    def index(self, index: int | Index) -> Any:
        if not isinstance(index, Index):
            return index
        return index.const, index.lo >= 0, tuple([(self.atom(a), c) for a, c in index.terms])

    def atom(self, atom: Any) -> Any:
        kind = type(atom)
        if kind is LoopVar:
            return self.use(atom)
        if kind is Dynamic:
            return "d", self.use(atom.value)
        assert kind is Quotient
        return "q", self.index(atom.of), atom.by, atom.rest

    def block(self, body: list) -> tuple:
        return tuple([self.statement(s) for s in body if not (type(s) is Value and s.op == "const")])

    def statement(self, s: Any) -> tuple:
        kind = type(s)
        if kind is Value:
            found = (s.op, s.dtype.char, tuple([self.use(a) for a in s.args]), self.attribute(s))
            self.define(s)
            return found
        if kind is Store:
            return self.buffer(s.buffer), self.index(s.index), self.use(s.value), self.optional(s.predicate)
        if kind is For:
            return self.loop(s)
        raise _Other

    def attribute(self, v: Value) -> Any:
        if v.op == "load":
            return self.buffer(v.attr[0]), self.index(v.attr[1])
        if v.op == "index":
            return self.index(v.attr)
        if v.op == "test":
            return v.attr.kind, self.index(v.attr.of)
        if v.attr is None or isinstance(v.attr, (str, int)):
            return v.attr
        raise _Other

    def loop(self, node: For) -> tuple:
        extent = node.extent
        if node.swaps or (isinstance(extent, Value) and extent.op != "const" and extent not in self.names):
            raise _Other
        about = (node.kind, node.width, node.copies, node.exact, node.grain, node.var.level)
        times = extent if isinstance(extent, int) else ("v", self.use(extent))
        work = node.work if node.kind == "parallel" else 0.0
        inits = tuple([(self.use(c.init), self.optional(c.neutral)) for c in node.carries])
        self.define(node.var)
        for c in node.carries:
            self.define(c.phi)
        body = self.block(node.body)
        nexts = tuple([self.optional(c.next) for c in node.carries])
        folds = tuple([(numbers, self.region(region)) for numbers, region in node.folds])
        for c in node.carries:
            self.define(c.result)
        return about, times, work, inits, body, nexts, folds

    def region(self, region: Any) -> tuple:
        for p in region.params:
            self.define(p)
        return self.block(region.body), tuple([self.use(r) for r in region.results])
