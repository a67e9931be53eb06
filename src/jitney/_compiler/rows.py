"""Which operands are read within one row: at the same leading index, anywhere in short last axes.

    cross a b, shape (n, 3): element [i, 0] reads a[i, 1], a[i, 2], b[i, 1], b[i, 2]       ->  rows of a and of b

Loops write the elements of short last axes out (``nests``), so that whatever a row reads of a row is computed once.
"""

from __future__ import annotations

import math
from typing import Any

from jitney._compiler.graph import Node
from jitney._compiler.short_axes import leading
from jitney._kernel import index as ix
from jitney._kernel.builder import Builder
from jitney._kernel.index import LoopVar
from jitney._kernel.ir import Unsupported, Value

_LANES = 16  # least size of an axis along which rows follow each other


def row_edges(node: Node) -> tuple[bool, ...]:
    """For each operand of an index function, whether it is read within the row of the element."""
    shape = node.aval.shape
    count = leading(shape)
    if not count and node.kind == "pull" and shape and shape[-1] >= _LANES:
        count = len(shape)  # a column of rows
    if not count:
        return (False,) * len(node.operands)
    if node.kind == "map":
        return tuple(o.aval.shape[:count] == shape[:count] for o in node.operands)
    return _pulled(node, count) if node.rule.cheap else (False,) * len(node.operands)


def _pulled(node: Node, count: int) -> tuple[bool, ...]:
    """The same for a view, by asking it for every element of one row."""
    shape = node.aval.shape
    b = Builder([])
    lead = []
    for d, n in enumerate(shape[:count]):
        b.push([])
        lead.append(ix.variable(LoopVar("i", 0, n - 1, d + 1)) if n > 1 else ix.constant(0))
    probes = [_Probe(b, o, lead) for o in node.operands]
    params = node.eqn.params if node.eqn is not None else {}
    try:
        for place in range(math.prod(shape[count:])):
            rest = []
            for n in reversed(shape[count:]):
                place, k = divmod(place, n)
                rest.append(ix.constant(k))
            node.rule.element(b, (*lead, *reversed(rest)), *probes, **params)
    except Unsupported:
        return (False,) * len(probes)
    return tuple(p.within for p in probes)


class _Probe:
    """An operand that notes whether its reads stay in the row at ``lead``."""

    def __init__(self, b: Builder, node: Node, lead: list[Any]) -> None:
        self.b, self.aval, self.lead = b, node.aval, lead
        self.shape, self.dtype = node.aval.shape, node.aval.dtype
        self.within = self.shape[: len(lead)] == tuple(i.hi + 1 for i in lead)

    def read(self, idx: Any) -> Value:
        for wanted, got in zip(self.lead, idx, strict=False):
            if not (got == wanted if type(got) is ix.Index else got == wanted.const and not wanted.terms):
                self.within = False
        level = max((i.level for i in idx if type(i) is ix.Index), default=0)
        return self.b.emit("param", self.dtype, (), (id(self), tuple(idx)), level)


__all__ = ["row_edges"]
