"""Which values of a vector loop differ between its lanes, where loops and branches inside make that a question.

for i < n vector { while (s <- x[i]) (k <- 0) { test s < 1 ; ... } }   ->   s, k vary: each lane has a test of its own
"""

from __future__ import annotations

from typing import Any

from jitney._kernel.index import Dynamic, Index, LoopVar, Quotient
from jitney._kernel.ir import Branch, For, Value, While, blocks

_NESTED = (For, While, Branch)


def find_varying(node: For) -> set[Any]:
    """The values in the body of ``node`` that may differ between lanes; nothing, if no phi or result asks."""
    if not any(type(s) in _NESTED for s in node.body):
        return set()
    found = _Varying(node)
    before = -1
    while before != len(found.values):
        before = len(found.values)
        found.block(node.body)
    return found.values


class _Varying:
    """One walk after another adds to ``values`` until nothing changes."""

    def __init__(self, node: For) -> None:
        self.var: LoopVar = node.var
        self.values: set[Any] = {c.phi for c in node.carries}

    def block(self, body: list) -> None:
        for s in body:
            if type(s) is Value:
                if s not in self.values and self.value(s):
                    self.values.add(s)
            elif type(s) in _NESTED:
                for inner in blocks(s):
                    self.block(inner)
                if type(s) is Branch:
                    self.branch(s)
                else:
                    self.loop(s)

    def value(self, v: Value) -> bool:
        if any(a in self.values for a in v.args):
            return True
        if v.op == "load":
            return self.index(v.attr[1])
        if v.op == "index":
            return self.index(v.attr)
        return v.op == "test" and self.index(v.attr.of)

    def index(self, index: Index) -> bool:
        return any(self.atom(a) for a, _ in index.terms)

    def atom(self, atom: Any) -> bool:
        if type(atom) is Dynamic:
            return atom.value in self.values
        return self.index(atom.of) if type(atom) is Quotient else atom is self.var

    def loop(self, node: For | While) -> None:
        """With a count of iterations of their own, lanes stop at different values of every carry."""
        ends = node.extent if type(node) is For else node.test  # type: ignore[union-attr]
        apart = ends in self.values
        for c in node.carries:
            if apart or c.init in self.values or c.next in self.values:
                self.values.update((c.phi, c.result))

    def branch(self, node: Branch) -> None:
        apart = node.selector in self.values
        for k, r in enumerate(node.results):
            if apart or any(row[k] in self.values for row in node.values):
                self.values.add(r)
