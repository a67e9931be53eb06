"""drop_unused: removes pure values of the loop program that nothing reads.

%1 = load x[0] ; %2 = exp %1 ; store y[0] <- %1     ->     %1 = load x[0] ; store y[0] <- %1
"""

from __future__ import annotations

from typing import Any

from jitney._kernel.index import Dynamic, Index, Quotient
from jitney._kernel.ir import For, LoopProgram, Store, Value


def drop_unused(program: LoopProgram) -> None:
    """One backward walk (uses come after definitions)."""
    used: set[Value] = set()
    program.body[:] = _kept(program.body, used)


def _kept(body: list, used: set[Value]) -> list:
    kept: list[Any] = []
    for s in reversed(body):
        kind = type(s)
        if kind is Value:
            if s not in used:
                continue
            used.update(s.args)
            _use_index(_index_of(s), used)
        elif kind is Store:
            used.add(s.value)
            if s.predicate is not None:
                used.add(s.predicate)
            _use_index(s.index, used)
        elif kind is For:
            if not _keep_loop(s, used):
                continue
        kept.append(s)
    kept.reverse()
    return kept


def _keep_loop(node: For, used: set[Value]) -> bool:
    """Whether anything is left of a loop."""
    for c in node.carries:
        used.add(c.next)
    node.body[:] = _kept(node.body, used)
    if not node.body and not node.carries:
        return False
    for c in node.carries:
        used.add(c.init)
    if isinstance(node.extent, Value):
        used.add(node.extent)
    return True


def _index_of(v: Value) -> Index | None:
    if v.op == "load":
        return v.attr[1]
    if v.op == "index":
        return v.attr
    return v.attr.of if v.op == "test" else None


def _use_index(index: Index | None, used: set[Value]) -> None:
    if index is None:
        return
    for atom, _ in index.terms:
        if type(atom) is Dynamic:
            used.add(atom.value)
        elif type(atom) is Quotient:
            _use_index(atom.of, used)
