"""What a loop nest will read and ask of its indices, found out before it is written.

Begin at :func:`survey`.  The elements of the nest's roots are pulled once, into a program that is thrown away: its loads
tell along which axes memory is contiguous, its conditions where a pad, a roll or a concatenation begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jitney._compiler.graph import Node
from jitney._kernel import index as ix
from jitney._kernel.builder import Builder
from jitney._kernel.index import Condition, Index, LoopVar
from jitney._kernel.ir import Value

_MOST_PIECES = 4  # into which conditions may cut one axis


@dataclass
class Survey:
    """The reads of memory and the conditions of one element, as functions of one counter for each axis."""

    vars: list[LoopVar | None]
    reads: list[tuple[Node, Index]] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    size: int = 0  # operations of one element

    def across(self, axis: int) -> list[int]:
        """The axes along which memory is contiguous that is read with long steps along ``axis``."""
        var, found = self.vars[axis], set()
        for _, index in self.reads:
            if var is None or abs(_coefficient(index, var)) < 2:
                continue
            for d, other in enumerate(self.vars):
                if other is not None and d != axis and abs(_coefficient(index, other)) == 1:
                    found.add(d)
        return sorted(found)

    def pieces(self, axis: int) -> list[tuple[int, int]]:
        """The ranges of ``axis`` in each of which no condition changes; one if there would be too many."""
        var = self.vars[axis]
        if var is None:
            return [(0, 1)]
        ends = {0, var.hi + 1}
        for condition in self.conditions:
            ends.update(p for p in _changes(condition, var) if 0 < p <= var.hi)
        cuts = sorted(ends)
        if len(cuts) > _MOST_PIECES + 1:
            return [(0, var.hi + 1)]
        return list(zip(cuts, cuts[1:], strict=False))


def survey(lowering: Any, roots: list[Node], shape: tuple[int, ...]) -> Survey:
    """What the elements of ``roots``, all of the same ``shape``, read and ask."""
    found = Survey(
        [LoopVar("ijklmnpq"[d % 8], 0, n - 1, d + 1) if n > 1 else None for d, n in enumerate(shape)]
    )
    surveyor = _surveyor(type(lowering))(lowering, found)
    index = tuple(ix.variable(v) if v is not None else ix.constant(0) for v in found.vars)
    for root in roots:
        surveyor.pull(root, index)
    bodies = [scope.body for scope in surveyor.b.scopes]
    values = [s for body in bodies for s in body if type(s) is Value]
    found.conditions = [v.attr for v in values if v.op == "test"]
    found.size = len(values)
    return found


@cache
def _surveyor(base: type) -> Any:
    """A lowering of the same kind that writes nothing down and stops at what is in memory or in registers."""

    class Surveyor(base):  # type: ignore[misc]
        def __init__(self, lowering: Any, found: Survey) -> None:
            self.graph, self.program, self.refused = lowering.graph, lowering.program, lowering.refused
            self.level, self.lanes, self.space = 0, lowering.lanes, None
            self.memo: dict[Any, Value] = {}
            self.spilled: dict[Node, Any] = {}
            self.found = found
            self.b = Builder([])
            for _ in found.vars:
                self.b.push([])

        def _pull(self, node: Node, idx: tuple[Index, ...]) -> Value:
            known = node.kind in ("map", "pull") and not (node.complete or node.small or node.outer)
            if node.kind == "literal" or known:
                return super()._pull(node, idx)  # type: ignore[no-any-return]
            place = ix.linearize(idx, node.aval.shape)
            if node.complete:
                self.found.reads.append((node, place))
            return self.b.emit("param", node.aval.dtype, (), (node, place), place.level)

    return Surveyor


def _coefficient(index: Index, var: LoopVar) -> int:
    return index.coefficient(var) or 0


def _changes(condition: Condition, var: LoopVar) -> list[int]:
    """Where along ``var`` a condition on it alone changes."""
    of = condition.of
    if len(of.terms) != 1 or of.terms[0][0] is not var:
        return []
    c = of.terms[0][1]
    if condition.kind == "ge":  # c * var + const >= 0
        return [-(of.const // c)] if c > 0 else [of.const // -c + 1]
    if of.const % c:
        return []
    at = -of.const // c
    return [at, at + 1]


__all__ = ["Survey", "survey"]
