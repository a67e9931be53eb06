"""drop_unused: removes pure values of the loop program that nothing reads, and carries that feed only themselves.

%1 = load x[0] ; %2 = exp %1 ; store y[0] <- %1     ->     %1 = load x[0] ; store y[0] <- %1
"""

from __future__ import annotations

from typing import Any

from jitney._kernel.index import Dynamic, Index, Quotient
from jitney._kernel.ir import Branch, Call, For, LoopProgram, Part, Store, Value, While, blocks


def drop_unused(program: LoopProgram) -> None:
    """Mark what stores, calls and the loops around them need, from the end on; then take the rest away."""
    marks = _Marks()
    marks.block(program.body)
    _sweep(program.body, marks)


class _Marks:
    """The values that are needed, and the loops and branches that write memory or change where buffers are."""

    def __init__(self) -> None:
        self.used: set[Value | None] = set()
        self.writing: dict[Any, bool] = {}

    def needed(self, s: For | While | Branch) -> bool:
        """Whether a statement is kept: it writes memory, or a result of it is used."""
        results = s.results if type(s) is Branch else [c.result for c in s.carries]  # type: ignore[union-attr]
        return self.writes(s) or any(r in self.used for r in results)

    def writes(self, s: Any) -> bool:
        if type(s) is Value:
            return False
        if type(s) in (Store, Call):
            return True
        found = self.writing.get(s)
        if found is None:
            found = type(s) is not Branch and bool(s.swaps)
            found = self.writing[s] = found or any(self.writes(t) for block in blocks(s) for t in block)
        return found

    def block(self, body: list) -> None:
        """One backward walk (uses come after definitions)."""
        for s in reversed(body):
            kind = type(s)
            if kind is Value:
                if s in self.used:
                    self.used.update(s.args)
                    self.index(index_of(s))
            elif kind is Store:
                self.used.update((s.value, s.predicate))
                self.index(s.index)
            elif kind is Call:
                for x in (*s.inputs, *s.outputs):
                    self.index(x.base if type(x) is Part else None)
            elif self.needed(s):
                if kind is Branch:
                    self.branch(s)
                else:
                    self.loop(s)

    def branch(self, node: Branch) -> None:
        self.used.add(node.selector)
        for region, values in zip(node.regions, node.values, strict=True):
            self.used.update(v for r, v in zip(node.results, values, strict=True) if r in self.used)
            self.block(region)

    def loop(self, node: For | While) -> None:
        """The body, again for as long as it turns out to need more carries of the iteration before."""
        if type(node) is For:
            if isinstance(node.extent, Value):
                self.used.add(node.extent)
        else:
            self.used.add(node.test)  # type: ignore[union-attr]
        live = -1
        while True:
            groups = _groups(node)
            kept = [g for g in groups if any(c.result in self.used or c.phi in self.used for c in g)]
            if len(kept) == live:
                break
            live = len(kept)
            for group in kept:
                self.used.update(c.result for c in group)
                self.used.update(c.next for c in group)
                self.used.update(c.init for c in group)
            for block in reversed(blocks(node)):
                self.block(block)

    def index(self, index: Index | None) -> None:
        if index is None:
            return
        for atom, _ in index.terms:
            if type(atom) is Dynamic:
                self.used.add(atom.value)
            elif type(atom) is Quotient:
                self.index(atom.of)


def _groups(node: For | While) -> list[list]:
    """Carries that only go together: those that lanes are folded with at once."""
    if type(node) is For and node.folds:
        return [[node.carries[n] for n in numbers] for numbers, _ in node.folds]
    return [[c] for c in node.carries]


def _sweep(body: list, marks: _Marks) -> None:
    kept: list[Any] = []
    for s in body:
        if type(s) is Value:
            if s not in marks.used:
                continue
        elif type(s) in (For, While, Branch):
            if not marks.needed(s):
                continue
            for block in blocks(s):
                _sweep(block, marks)
            if type(s) is Branch:
                _sweep_results(s, marks.used)
            else:
                _sweep_carries(s, marks.used)
        kept.append(s)
    body[:] = kept


def _sweep_results(node: Branch, used: set[Value | None]) -> None:
    keep = [r in used for r in node.results]
    node.values = [[v for v, k in zip(row, keep, strict=True) if k] for row in node.values]
    node.results = [r for r in node.results if r in used]


def _sweep_carries(node: For | While, used: set[Value | None]) -> None:
    kept = [n for n, c in enumerate(node.carries) if c.result in used]
    if len(kept) == len(node.carries):
        return
    if type(node) is For:
        place = {n: k for k, n in enumerate(kept)}
        node.folds = [
            (tuple(place[n] for n in numbers), region)
            for numbers, region in node.folds
            if numbers[0] in place
        ]
    node.carries = [node.carries[n] for n in kept]


def index_of(v: Value) -> Index | None:
    """The index that a load, an index value or a test computes with."""
    if v.op == "load":
        return v.attr[1]
    if v.op == "index":
        return v.attr
    return v.attr.of if v.op == "test" else None
