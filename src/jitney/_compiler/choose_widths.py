"""choose_widths: gives each vector loop its number of lanes and of copies of its body.

    for i < 1000 vector { f64 ... }   ->   for i < 1000 vector 8 x 4        (AVX-512; 4 x 4 with AVX2)

Lanes fill a register with the widest type of the loop; light bodies get several copies, which hides latency
(in folds: as many separate accumulators).
"""

from __future__ import annotations

from typing import Any

from jitney._kernel.ir import Buffer, Call, For, LoopProgram, Store, Value

_MATH_WEIGHT = 20
_WEIGHTS = {"const": 0, "div": 3, "sqrt": 3, "load": 1, "index": 1}


def choose_widths(program: LoopProgram, register_bytes: int) -> None:
    """Set ``width`` and ``copies`` of vector loops; loops that cannot have lanes become serial."""
    _visit(program.body, register_bytes, False)


def _visit(body: list, register_bytes: int, inside: bool) -> None:
    for s in body:
        if type(s) is For:
            vector = s.kind == "vector" and not inside
            if vector:
                _choose(s, register_bytes)
                vector = s.width > 1
            elif s.kind == "vector":
                s.kind = "serial"
            _visit(s.body, register_bytes, inside or vector)


def _choose(node: For, register_bytes: int) -> None:
    facts = _Facts()
    facts.collect(node.body)
    width = max(2, register_bytes // max(facts.widest, 1)) if facts.repeatable() else 1
    width = min(width, 64)
    if isinstance(node.extent, int):
        while width > node.extent:
            width //= 2
    if width < 2:
        node.kind, node.width = "serial", 1
        return
    node.width = width
    wanted = 4 if facts.weight <= 10 else 2 if facts.weight <= 24 else 1
    node.copies = _copies(node.extent, width, wanted)


def _copies(extent: Any, width: int, wanted: int) -> int:
    """At most ``wanted`` (or one more), dividing the vectors of the loop if possible."""
    if not isinstance(extent, int):
        return wanted
    vectors = extent // width
    if vectors < wanted * 2:
        return 1
    if wanted > 1:
        for candidate in (wanted, wanted + 1, wanted - 1):
            if candidate > 1 and vectors % candidate == 0:
                return candidate
    return wanted


class _Facts:
    """What a loop body contains."""

    def __init__(self) -> None:
        self.widest = 1
        self.weight = 0
        self.lanes = True
        self.read: set[Buffer] = set()
        self.written: set[Buffer] = set()

    def collect(self, body: list) -> None:
        for s in body:
            if type(s) is Value:
                self._value(s)
            elif type(s) is Store:
                self.written.add(s.buffer)
                self.widest = max(self.widest, s.buffer.dtype.itemsize)
                self.weight += 1
            elif type(s) is For:
                self.lanes = self.lanes and s.kind != "parallel"
                for c in s.carries:
                    self.widest = max(self.widest, c.init.dtype.itemsize)
                self.collect(s.body)
            elif type(s) is Call:
                self.lanes = False

    def repeatable(self) -> bool:
        """Whether an iteration may run twice (the last vector reaches back): it reads nothing that it writes."""
        return self.lanes and not (self.read & self.written)

    def _value(self, v: Value) -> None:
        if v.op == "load":
            self.read.add(v.attr[0])
        if v.dtype.kind != "b":
            self.widest = max(self.widest, v.dtype.itemsize)
        self.weight += _MATH_WEIGHT if v.op == "math" else _WEIGHTS.get(v.op, 1)
