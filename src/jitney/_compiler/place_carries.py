"""place_carries: finds which arrays that a loop carries can be updated in place.

    body(c): s = reduce_sum c ; d = scatter c i u ; in (d, ..)    ->    d is written over c, after s was computed

The new state may take the old one's memory if everything else that reads the old state has been computed before,
or reads it, element by element, in the very loop that writes it. A writer that comes too early is moved to a later
stage. ``time`` is (level, phase): in one level registers come first, then whole-array steps, then loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitney._compiler.graph import Graph, Node, Step
from jitney._compiler.share_buffers import count_uses, may_share, updated

_ROUNDS = 8
_REGISTERS, _STEPS, _LOOPS = range(3)


def place_carries(
    graph: Graph, carries: list[tuple[Node, Node]], assign_levels: Callable[[Graph], None]
) -> set[int]:
    """Numbers of the (old state, new state) pairs that can share memory; levels may be raised."""
    reads = _Reads(graph, {id(old) for old, _ in carries})
    uses = count_uses(graph)
    candidates = {}
    for number, (old, new) in enumerate(carries):
        writer = _first_writer(old, new, uses)
        if writer is not None:
            candidates[number] = (old, writer)
    for _ in range(_ROUNDS):
        late = {n: reads.conflicts(old, writer) for n, (old, writer) in candidates.items()}
        late = {n: found for n, found in late.items() if found}
        if not late:
            break
        for number, found in late.items():
            writer = candidates[number][1]
            writer.floor = max(writer.floor, 1 + max(level for level, _ in found))
        assign_levels(graph)
    return {n for n, (old, writer) in candidates.items() if not reads.conflicts(old, writer)}


def _first_writer(old: Node, new: Node, uses: Any) -> Node | None:
    """The node whose computation begins to write the new state's memory; None if that cannot be the old one's."""
    if new.kind in ("map", "pull", "reduce") and new.root:
        return new
    step = new.step
    if step is None or new is old:
        return None
    for before, result in updated(step):
        if result is not new:
            continue
        if before is old:
            return new if step.inputs.count(old) == 1 else None
        if may_share(step, before, new, uses):
            return _first_writer(old, before, uses)
    if step.kind in ("scan", "while"):
        starts = [n for n in step.inputs if n.target is not None and n.target[0] is new]
        return starts[0] if starts and old not in step.inputs else None
    if step.kind == "join" or old in step.inputs:
        return None
    return new


class _Reads:
    """Who reads the old states, when, and whether element by element."""

    def __init__(self, graph: Graph, carried: set[int]) -> None:
        self.carried = carried
        self.memo: dict[int, dict[Node, bool]] = {}
        self.readers: dict[int, list[tuple[Any, bool]]] = {c: [] for c in carried}
        for node in graph.nodes:
            if node.root or (node.small and node.kind in ("map", "reduce", "pull")):
                for old, aligned in self._found(node).items():
                    self.readers[id(old)].append((node, aligned))
                    node.eager = node.eager or node.small
        for step in graph.steps:
            for operand in step.inputs:
                if id(operand) in carried:
                    self.readers[id(operand)].append((step, False))

    def _found(self, node: Node) -> dict[Node, bool]:
        """The old states that computing ``node`` reads from memory."""
        known = self.memo.get(id(node))
        if known is not None:
            return known
        found: dict[Node, bool] = {}
        shape = node.aval.shape
        for operand, edge in zip(node.operands, node.edges, strict=True):
            same = edge == "same" and (node.kind == "reduce" or operand.aval.shape == shape)
            if id(operand) in self.carried:
                found[operand] = found.get(operand, True) and same
            elif not (operand.small or operand.root or operand.complete or operand.kind == "opaque"):
                for old, aligned in self._found(operand).items():
                    found[old] = found.get(old, True) and aligned and same
        self.memo[id(node)] = found
        return found

    def conflicts(self, old: Node, writer: Node) -> list[tuple[int, int]]:
        """The times of readers that would meet the new state."""
        when, found = _time(writer), []
        for reader, aligned in self.readers[id(old)]:
            if reader is writer or reader is writer.step:
                if not aligned and reader is writer:
                    found.append((1 << 30, 0))  # never
                continue
            time = _time(reader)
            together = isinstance(reader, Node) and reader.kind != "reduce" and time == when
            together = together and when[1] == _LOOPS and reader.aval.shape == writer.aval.shape
            if time < when or (together and aligned):
                continue
            found.append(time)
        return found


def _time(item: Node | Step) -> tuple[int, int]:
    if isinstance(item, Step) or item.step is not None:
        return item.level, _STEPS
    return item.level, _REGISTERS if item.small else _LOOPS
