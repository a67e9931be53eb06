"""Programs inside loops and branches as fused graphs, and the whole program as one.

Begin at :func:`fuse_graph`.  The branches of a ``cond`` are fused ahead of the graph around them, which must know whether
all of them leave a result in the memory of the same operand: then the ``cond`` can update that operand in place.
"""

from __future__ import annotations

from collections.abc import Sequence

from jitney._compiler.build_graph import build_body
from jitney._compiler.fuse import Kernel, fuse
from jitney._compiler.graph import Graph, Node, Step
from jitney._compiler.options import options
from jitney._compiler.pack_stacks import pack_stacks
from jitney._core.jaxpr import ClosedJaxpr

Pairs = Sequence[tuple[Node, Node]]


def fuse_graph(graph: Graph, refused: frozenset[int], carries: Pairs = ()) -> tuple[list[Kernel], set[int]]:
    """The kernels of a graph, and which of the ``carries`` in memory can be updated in place."""
    for step in graph.steps:
        if step.kind == "cond":
            step.plan = Branches(step, refused)
    found = fuse(graph, carries)
    if options.enabled("pack_stacks"):
        pack_stacks(graph)
    return found


class Body:
    """A program to be written inside: its graph, and what became of its fusion."""

    def __init__(
        self, refused: frozenset[int], closed: ClosedJaxpr, inputs: list[Node], wanted: list[bool]
    ) -> None:
        self.refused = refused
        self.graph: Graph = build_body(closed, inputs, wanted, refused)
        self.kernels: list[Kernel] = []
        self.in_place: set[int] = set()

    @property
    def outputs(self) -> list[Node]:
        return self.graph.outputs

    def fuse(self, carries: Pairs = ()) -> None:
        """Decide on kernels, and which of the ``carries`` in memory can be updated in place."""
        self.kernels, self.in_place = fuse_graph(self.graph, self.refused, carries)


class Branches:
    """The programs of a ``cond``; ``updated[k]`` is the operand in whose memory result ``k`` may be written."""

    def __init__(self, step: Step, refused: frozenset[int]) -> None:
        programs = step.eqn.params["branches"]
        wanted = [not n.small for n in step.outputs]
        pairs = _candidates(step, programs)
        self.bodies = []
        kept = set(pairs)
        for program in programs:
            inputs = [input_like(n) for n in step.inputs[1:]]
            for _, operand in pairs:
                inputs[operand].carried = True
            body = Body(refused, program, inputs, wanted)
            body.fuse([(inputs[j], body.outputs[k]) for k, j in pairs])
            kept &= {pair for number, pair in enumerate(pairs) if number in body.in_place}
            self.bodies.append(body)
        self.updated = {k: step.inputs[1 + j] for k, j in kept}


def _candidates(step: Step, programs: Sequence[ClosedJaxpr]) -> list[tuple[int, int]]:
    """(result, operand) pairs in memory where some branch gives the operand as it is."""
    pairs: dict[int, int] = {}
    for program in programs:
        places = {v: j for j, v in enumerate(program.jaxpr.invars)}
        for k, (out, node) in enumerate(zip(program.jaxpr.outvars, step.outputs, strict=True)):
            j = places.get(out)  # type: ignore[arg-type]
            if j is not None and not node.small and j not in pairs.values():
                if step.inputs.count(step.inputs[1 + j]) == 1:
                    pairs.setdefault(k, j)
    return list(pairs.items())


def input_like(node: Node) -> Node:
    """An input of a program inside that stands for ``node`` outside."""
    inner = Node("literal" if node.kind == "literal" else "input", node.aval)
    inner.small, inner.value = node.small, node.value
    inner.complete = not (node.small or node.kind == "literal")
    return inner
