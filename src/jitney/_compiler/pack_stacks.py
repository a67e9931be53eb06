"""pack_stacks: what one scan stacks for another one lies together, one record for each iteration.

    a[n], b[n,3] = scan ..  ;  .. = scan[reverse] a b     ->     one buffer of n records (a, b0, b1, b2)

The derivative of a loop reads dozens of small residuals per iteration; one stream of records needs fewer cache
lines, pages and address registers than dozens of arrays.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from jitney._compiler.graph import Graph, Node, Step
from jitney._kernel.builder import NATIVE
from jitney._kernel.ir import Buffer

_LARGEST = 64  # elements per iteration; what is larger is a stream of its own


class Record:
    """The layout that several stacks share: ``row`` elements per iteration."""

    __slots__ = ("buffer", "row")

    def __init__(self) -> None:
        self.buffer: Buffer | None = None
        self.row = 0


def pack_stacks(graph: Graph) -> None:
    """Set ``record`` and ``base`` of the stacks that only scans read."""
    scans = [s for s in graph.steps if s.kind == "scan"]
    if len(scans) < 2:
        return
    uses = Counter(id(o) for node in graph.nodes if node.step is None for o in node.operands)
    uses.update(id(n) for step in graph.steps for n in _read_as_a_whole(step))
    uses.update(id(n) for n in graph.outputs)
    for step in scans:
        groups: dict[Any, list[Node]] = {}
        for node in step.outputs[step.eqn.params["num_carry"] :]:
            if not uses[id(node)] and node.out < 0 and not node.placed and node.aval.dtype in NATIVE:
                if 0 < math.prod(node.aval.shape[1:]) <= _LARGEST:
                    groups.setdefault(node.aval.dtype, []).append(node)
        for nodes in groups.values():
            if len(nodes) > 1:
                _pack(nodes)


def _read_as_a_whole(step: Step) -> list[Node]:
    """What a step reads other than slice by slice."""
    if step.kind != "scan":
        return step.inputs
    params = step.eqn.params
    return step.inputs[: params["num_consts"] + params["num_carry"]]


def _pack(nodes: list[Node]) -> None:
    record = Record()
    for node in nodes:
        node.record, node.base = record, record.row
        record.row += math.prod(node.aval.shape[1:])
