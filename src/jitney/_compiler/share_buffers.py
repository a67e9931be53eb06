"""share_buffers: lets a step that updates its first operand work in that operand's memory.

a = exp x ; b = scatter-add a i u     ->     b is written over a       (nobody else reads a)
"""

from __future__ import annotations

from collections import Counter

from jitney._compiler.graph import Graph, Node, Step


def share_buffers(graph: Graph) -> None:
    """Set ``shares`` of operands that die in an update."""
    steps = [s for s in graph.steps if s.kind == "loops" and s.eqn.primitive.lower.in_place]
    if not steps:
        return
    uses = Counter(id(o) for node in graph.nodes if node.step is None for o in node.operands)
    for step in graph.steps:
        uses.update({id(n) for n in step.inputs})
    for step in steps:
        if _may_share(step, uses):
            step.inputs[0].shares = step.outputs[0]


def _may_share(step: Step, uses: Counter) -> bool:
    operand, result = step.inputs[0], step.outputs[0]
    if operand.out >= 0 or operand.aval.dtype != result.aval.dtype or operand.aval.shape != result.aval.shape:
        return False
    return uses[id(operand)] == 1 and step.inputs.count(operand) == 1 and _is_temporary(operand)


def _is_temporary(node: Node) -> bool:
    """Written by the program, into memory of its own."""
    return node.root or node.kind == "opaque"
