"""share_buffers: lets a step that updates its first operand work in that operand's memory.

a = exp x ; b = scatter-add a i u     ->     b is written over a       (nobody else reads a)
"""

from __future__ import annotations

from collections import Counter

from jitney._compiler.graph import Graph, Node, Step
from jitney._compiler.nested import CONTROL


def share_buffers(graph: Graph) -> None:
    """Set ``shares`` of operands that die in an update."""
    updates = [(*pair, step) for step in graph.steps for pair in updated(step)]
    starts = [n for n in graph.nodes if n.target is not None and n.target[0].step.kind in CONTROL]
    if not updates and not starts:
        return
    uses = count_uses(graph)
    for operand, result, step in updates:
        if may_share(step, operand, result, uses) and _is_temporary(operand):
            operand.shares = result
    for start in starts:  # a loop goes on in the memory of what only begins it
        (operand,) = start.operands
        if operand.kind == "opaque" and not operand.small and _dies(operand, start.target[0], uses):
            operand.shares = start.target[0]


def updated(step: Step) -> list[tuple[Node, Node]]:
    """The (operand, result) pairs of a step that can share memory."""
    if step.kind == "loops" and step.eqn.primitive.lower.in_place:
        return [(step.inputs[0], step.outputs[0])]
    if step.kind == "cond":
        return [(operand, step.outputs[k]) for k, operand in step.plan.updated.items()]
    return []


def count_uses(graph: Graph) -> Counter:
    """How often each value is read."""
    uses = Counter(id(o) for node in graph.nodes if node.step is None for o in node.operands)
    for step in graph.steps:
        uses.update({id(n) for n in step.inputs})
    return uses


def may_share(step: Step, operand: Node, result: Node, uses: Counter) -> bool:
    """Whether the operand of an update is not needed afterwards."""
    return step.inputs.count(operand) == 1 and _dies(operand, result, uses)


def _dies(operand: Node, result: Node, uses: Counter) -> bool:
    if operand.out >= 0 or operand.placed or operand.kind == "input":
        return False
    if operand.aval.dtype != result.aval.dtype or operand.aval.shape != result.aval.shape:
        return False
    return uses[id(operand)] == 1


def _is_temporary(node: Node) -> bool:
    """Written by the program, into memory of its own."""
    return node.root or node.kind == "opaque"
