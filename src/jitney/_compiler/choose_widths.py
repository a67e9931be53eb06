"""choose_widths: gives each vector loop its number of lanes and of copies of its body.

    for i < 1000 vector { f64 ... }   ->   for i < 1000 vector 8 x 4        (AVX-512; 4 x 4 with AVX2)

Lanes fill a register with the widest type of the loop, or with the one that most of a long body computes with; light
bodies get several copies, which hides latency (in folds: as many separate accumulators). A loop may read what it writes
if no iteration touches what another does; its iterations then run exactly once.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

from jitney._kernel.index import Index
from jitney._kernel.ir import Branch, Buffer, Call, For, LoopProgram, Store, Value, While, blocks

_MATH_WEIGHT = 20
_LIGHT, _HEAVY = 24, 100
_MOST = 0.6  # the part of a long body's work that decides how many lanes fill a register
_MOVES = frozenset(("const", "load", "index", "cast", "bitcast"))
_WEIGHTS = {"const": 0, "div": 3, "sqrt": 3, "load": 1, "index": 1, "foreign": 100}


def choose_widths(program: LoopProgram, register_bytes: int) -> None:
    """Set ``width`` and ``copies`` of vector loops; loops that cannot have lanes become serial."""
    _visit(program.body, register_bytes, False)


def _visit(body: list, register_bytes: int, inside: bool) -> None:
    for s in body:
        vector = type(s) is For and s.kind == "vector"
        if vector and not inside:
            _choose(s, register_bytes)
            vector = s.width > 1
        elif vector:
            s.kind, vector = "serial", False
        if type(s) in (For, While, Branch):
            for block in blocks(s):
                _visit(block, register_bytes, inside or vector)


def _choose(node: For, register_bytes: int) -> None:
    facts = _Facts()
    facts.collect(node.body)
    alone = _alone(node, facts) if facts.lanes and not node.swaps else None
    narrow = facts.narrow
    filling = facts.widest // 2 if narrow else facts.widest
    width = max(2, register_bytes // max(filling, 1)) if alone is not None else 1
    width = min(width, 64)
    if isinstance(node.extent, int):
        while width > node.extent:
            width //= 2
    if width < 2:
        node.kind, node.width = "serial", 1
        return
    node.width = width
    node.exact = node.exact or alone == "once"
    if (
        facts.whiles
    ):  # whose steps wait for each other: a second copy hides that, more wait for the slowest lane
        wanted = 2 if facts.weight <= _HEAVY else 1
    else:
        wanted = 4 if facts.weight <= 10 else 2 if facts.weight <= _LIGHT or narrow else 1
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
        self.work: Counter[int] = Counter()  # arithmetic, by the size of its elements
        self.lanes = True
        self.whiles = False
        self.read: dict[Buffer, list[Index]] = {}
        self.written: dict[Buffer, list[Index]] = {}

    def collect(self, body: list) -> None:
        for s in body:
            if type(s) is Value:
                self._value(s)
            elif type(s) is Store:
                self.written.setdefault(s.buffer, []).append(s.index)
                self.widest = max(self.widest, s.buffer.dtype.itemsize)
                self.weight += 1
            elif type(s) is Call:
                self.lanes = False
            else:
                self._nested(s)

    def _nested(self, s: For | While | Branch) -> None:
        if type(s) is Branch:
            held = s.results
        else:
            held = [c.phi for c in s.carries]  # type: ignore[union-attr]
            self.lanes = self.lanes and not s.swaps  # type: ignore[union-attr]
        self.lanes = self.lanes and not (type(s) is For and s.kind == "parallel")
        self.whiles = self.whiles or type(s) is While
        for v in held:
            self.widest = max(self.widest, v.dtype.itemsize)
        for block in blocks(s):
            self.collect(block)

    def _value(self, v: Value) -> None:
        if v.op == "load":
            self.read.setdefault(v.attr[0], []).append(v.attr[1])
        if v.dtype.kind != "b":
            self.widest = max(self.widest, v.dtype.itemsize)
        weight = _MATH_WEIGHT if v.op == "math" else _WEIGHTS.get(v.op, 1)
        self.weight += weight
        if v.op not in _MOVES:
            self.work[v.dtype.itemsize] += weight

    @property
    def narrow(self) -> bool:
        """Is most of a long body arithmetic on half of the widest type's bytes? Random bits in front of floats are."""
        half = self.widest // 2
        return self.weight > _LIGHT and self.work[half] > _MOST * self.work.total()


def _alone(node: For, facts: _Facts) -> str | None:
    """Whether iterations leave each other's elements alone: ``often`` if each may also run twice (the last vector
    reaches back), ``once`` if one reads what itself writes; None if iterations depend on each other."""
    found = "often"
    for buffer in facts.read.keys() & facts.written.keys():
        reads, writes = facts.read[buffer], facts.written[buffer]
        for first, second in itertools.product(writes, reads + writes):
            if _apart(first, second, node) is None:
                return None
        if not all(_apart(first, second, node) for first, second in itertools.product(writes, reads)):
            found = "once"
    return found


def _apart(a: Index, b: Index, node: For) -> bool | None:
    """Whether two accesses never meet in one iteration; None if they may meet in different ones."""
    step = a.coefficient(node.var)
    if not step or step != b.coefficient(node.var):
        return None
    (outer_a, inner_a), (outer_b, inner_b) = _around(a, node), _around(b, node)
    gap = outer_a - outer_b
    lo, hi = gap.lo + inner_a.lo - inner_b.hi, gap.hi + inner_a.hi - inner_b.lo
    # All distances are gap.const plus a multiple of this: 0, or the width of a row if inner loops walk along columns.
    unit = math.gcd(*[c for _, c in (*gap.terms, *inner_a.terms, *inner_b.terms)])
    for distance, first, last in ((gap.const, lo, hi), (-gap.const, -hi, -lo)):
        if _meets(first, last, distance, unit, abs(step), node.var.hi):
            return None
    return not (lo <= 0 <= hi and (gap.const % unit == 0 if unit else gap.const == 0))


def _meets(lo: int, hi: int, distance: int, unit: int, step: int, most: int) -> bool:
    """Whether some ``step * k``, k in 1 .. most, lies in ``[lo, hi]`` and is ``distance`` plus a multiple of ``unit``."""
    least, most = max(1, -(-lo // step)), min(most, hi // step)
    if unit == 0:
        return distance % step == 0 and least <= distance // step <= most
    common = math.gcd(step, unit)
    if distance % common:
        return False
    period = unit // common
    k = distance // common * pow(step // common, -1, period) % period
    return least + (k - least) % period <= most


def _around(index: Index, node: For) -> tuple[Index, Index]:
    """An index without the loop's counter: what is fixed while the loop runs, and what changes."""
    level = node.var.level
    fixed = tuple(t for t in index.terms if t[0].level < level)
    inner = tuple(t for t in index.terms if t[0].level >= level and t[0] is not node.var)
    return Index(index.const, fixed), Index(0, inner)
