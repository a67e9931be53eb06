"""share_buffers: lets updates work in the memory of what they update, in loops and outside of them.

    a = exp x ; s = reduce_sum a ; b = scatter a i u     ->     b is written over a, after s was computed
    body(c): .. d = scatter c i u ; in (d, ..)           ->     the new state d is written over the old one, c

A result may take the memory of its operand (the new state of a loop that of the old one) if everything else that reads
the operand has been computed before, or reads it element by element in the very loop that writes. A writer that comes
too early is moved to a later stage. ``time`` is (level, phase): in one level registers come first, then
whole-array steps, then loops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jitney._compiler.graph import Graph, Node, Step
from jitney._compiler.nested import CONTROL

_ROUNDS = 8
_REGISTERS, _STEPS, _LOOPS = range(3)
_NEVER = (1 << 30, 0)


class Link(NamedTuple):
    """``result`` may be written to the memory of ``operand``; ``writer`` is what begins to write it."""

    operand: Node
    result: Node
    writer: Node


def share_buffers(
    graph: Graph, carries: Sequence[tuple[Node, Node]], assign_levels: Callable[[Graph], None]
) -> set[int]:
    """Set ``shares`` of operands that are updated in place; give the numbers of the ``carries`` that are.

    Levels may be raised.
    """
    links = _links(graph)
    if not links and not carries:
        return set()
    reads = _Reads(graph, {id(link.operand) for link in links} | {id(old) for old, _ in carries})
    wanted = [*links, *_carried(carries, links)]
    _delay(graph, wanted, reads, assign_levels)
    links = [link for link in links if not reads.conflicts(link)]
    for link in links:
        if link.operand.kind != "input":
            link.operand.shares = link.result
    found = _carried(carries, links)
    kept = {id(link.operand) for link in found if not reads.conflicts(link)}
    return {number for number, (old, _) in enumerate(carries) if id(old) in kept}


def _delay(
    graph: Graph, links: Sequence[Link], reads: _Reads, assign_levels: Callable[[Graph], None]
) -> None:
    """Move writers behind the readers that they would disturb, where that is possible."""
    for _ in range(_ROUNDS):
        late = [(link, found) for link in links if (found := reads.conflicts(link)) and _NEVER not in found]
        if not late:
            return
        for link, found in late:
            link.writer.floor = max(link.writer.floor, 1 + max(level for level, _ in found))
        assign_levels(graph)


# -- what may share


def _links(graph: Graph) -> list[Link]:
    """Updates, and loops that go on in the memory of what they begin with."""
    links = [
        Link(operand, result, result)
        for step in graph.steps
        for operand, result in updated(step)
        if step.inputs.count(operand) == 1
    ]
    for start in graph.nodes:
        if start.target is not None and start.target[0].step.kind in CONTROL:
            (operand,) = start.operands
            if operand.kind == "opaque":
                links.append(Link(operand, start.target[0], start))
    results = {id(node) for node in graph.outputs}  # of a loop's body: read when all else has been computed
    return [link for link in links if id(link.operand) not in results and _may_die(link.operand, link.result)]


def updated(step: Step) -> list[tuple[Node, Node]]:
    """The (operand, result) pairs of a step that can share memory."""
    if step.kind == "loops" and step.eqn.primitive.lower.in_place:
        return [(step.inputs[0], step.outputs[0])]
    if step.kind == "cond":
        return [(operand, step.outputs[k]) for k, operand in step.plan.updated.items()]
    return []


def _may_die(operand: Node, result: Node) -> bool:
    """Whether the operand is memory of the program's own, of the right type."""
    if operand.aval.dtype != result.aval.dtype or operand.aval.shape != result.aval.shape:
        return False
    if operand.kind == "input":
        return operand.carried
    return (
        operand.out < 0
        and not operand.placed
        and not operand.small
        and (operand.root or operand.kind == "opaque")
    )


def _carried(carries: Sequence[tuple[Node, Node]], links: Sequence[Link]) -> list[Link]:
    """The old and the new states of a loop, each with what begins to write over the old one."""
    before = {id(link.result): link for link in links}
    found = []
    for old, new in carries:
        writer = _first_writer(old, new, before)
        if writer is not None:
            found.append(Link(old, new, writer))
    return found


def _first_writer(old: Node, new: Node, before: dict[int, Link]) -> Node | None:
    """The node whose computation begins to write the new state's memory; None if that cannot be the old one's."""
    if new is old:
        return None
    if new.kind in ("map", "pull", "reduce") and new.root:
        return new
    if new.step is None:
        return None
    link = before.get(id(new))
    if link is not None and link.operand is old:
        return link.writer
    if link is not None and link.operand.kind != "input":
        return _first_writer(old, link.operand, before)
    if new.step.kind in ("scan", "while"):
        starts = [n for n in new.step.inputs if n.target is not None and n.target[0] is new]
        return starts[0] if starts and old not in new.step.inputs else None
    return None if new.step.kind == "join" or old in new.step.inputs else new


# -- who reads what, and when


class _Reads:
    """Who reads the watched values, when, and whether element by element."""

    def __init__(self, graph: Graph, watched: set[int]) -> None:
        self.watched = watched
        self.memo: dict[int, dict[Node, bool]] = {}
        self.readers: dict[int, list[tuple[Any, bool]]] = {c: [] for c in watched}
        for node in graph.nodes:
            if node.root or (node.small and node.kind in ("map", "reduce", "pull")):
                for value, aligned in self._found(node).items():
                    self.readers[id(value)].append((node, aligned))
                    node.eager = node.eager or node.small
        for step in graph.steps:
            for operand in step.inputs:
                if id(operand) in watched:
                    self.readers[id(operand)].append((step, False))

    def _found(self, node: Node) -> dict[Node, bool]:
        """The watched values that computing ``node`` reads from memory."""
        known = self.memo.get(id(node))
        if known is not None:
            return known
        found: dict[Node, bool] = {}
        shape = node.aval.shape
        for operand, edge in zip(node.operands, node.edges, strict=True):
            same = edge == "same" and (node.kind == "reduce" or operand.aval.shape == shape)
            if id(operand) in self.watched:
                found[operand] = found.get(operand, True) and same
            elif not (operand.small or operand.root or operand.complete or operand.kind == "opaque"):
                for value, aligned in self._found(operand).items():
                    found[value] = found.get(value, True) and aligned and same
        self.memo[id(node)] = found
        return found

    def conflicts(self, link: Link) -> list[tuple[int, int]]:
        """The times of readers that would meet the result where they want the operand."""
        writer, when, found = link.writer, _time(link.writer), []
        for reader, aligned in self.readers[id(link.operand)]:
            if reader is writer or reader is writer.step:
                if not aligned and reader is writer:
                    found.append(_NEVER)
                continue
            time = _time(reader)
            together = isinstance(reader, Node) and reader.kind != "reduce" and time == when
            together = together and when[1] == _LOOPS and reader.aval.shape == writer.aval.shape
            if not (time < when or (together and aligned)):
                found.append(time)
        return found


def _time(item: Node | Step) -> tuple[int, int]:
    if isinstance(item, Step) or item.step is not None:
        return item.level, _STEPS
    return item.level, _REGISTERS if item.small else _LOOPS
