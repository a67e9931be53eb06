"""Proves a loop program well formed: definitions before uses, dtypes, levels, carries."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._kernel.index import Dynamic, Index, LoopVar, Quotient
from jitney._kernel.ir import Call, For, LoopProgram, Store, Value

_BOOL = np.dtype(bool)
_SAME = frozenset(
    (
        "add",
        "sub",
        "mul",
        "div",
        "rem",
        "min",
        "max",
        "and",
        "or",
        "xor",
        "shl",
        "shr_logical",
        "shr_arithmetic",
        "eq",
        "ne",
        "lt",
        "le",
        "copysign",
    )
)


class LoopError(AssertionError):
    """The loop program breaks a rule of the grammar in ``ir.py``."""


def check_loops(program: LoopProgram) -> None:
    """Raise ``LoopError`` at the first statement that is wrong."""
    _Checker().block(program.body, 0)


class _Checker:
    def __init__(self) -> None:
        self.known: set[Any] = set()
        self.ragged: set[LoopVar] = set()  # counters whose range is only a bound

    def fail(self, s: Any, why: str) -> None:
        what = f"{s.op} {s.dtype}" if isinstance(s, Value) else type(s).__name__
        raise LoopError(f"{what}: {why}")

    def block(self, body: list, level: int, loop: For | None = None) -> list[Any]:
        """Check the statements; gives what they define."""
        added: list[Any] = []
        for s in body:
            if type(s) is Value:
                self.value(s, level)
                self.known.add(s)
                added.append(s)
            elif type(s) is Store:
                self.store(s)
            elif type(s) is For:
                self.loop(s, level, added)
            elif type(s) is not Call:
                self.fail(s, "is no statement")
        if loop is not None:
            self.yields(loop)
        return added

    def value(self, v: Value, level: int) -> None:
        if v.level != level:
            self.fail(v, f"stands at level {level} but says {v.level}")
        for a in v.args:
            if a not in self.known:
                self.fail(v, f"reads {a} before it is computed")
        if v.op in _SAME and v.args[0].dtype != v.args[1].dtype:
            self.fail(v, f"operands of dtypes {v.args[0].dtype} and {v.args[1].dtype}")
        if v.op in ("eq", "ne", "lt", "le", "test") and v.dtype != _BOOL:
            self.fail(v, "a comparison must be bool")
        if v.op == "load":
            buffer, index = v.attr
            if buffer.dtype != v.dtype:
                self.fail(v, f"loads from {buffer.dtype} elements")
            self.index(v, index)
            exact = not any(index.depends_on(r) for r in self.ragged)
            if not v.args and exact and (index.lo < 0 or index.hi >= buffer.size):
                self.fail(v, f"reads {buffer}[{index}], range [{index.lo}, {index.hi}] of {buffer.size}")
        elif v.op in ("index", "test"):
            self.index(v, v.attr if v.op == "index" else v.attr.of)

    def store(self, s: Store) -> None:
        if s.value not in self.known:
            self.fail(s, f"stores {s.value} before it is computed")
        if s.value.dtype != s.buffer.dtype:
            self.fail(s, f"{s.value.dtype} into {s.buffer.dtype} elements")
        self.index(s, s.index)
        if s.buffer.kind in ("in", "const"):
            self.fail(s, f"writes to the input {s.buffer}")

    def index(self, s: Any, index: Index) -> None:
        for atom, _ in index.terms:
            if type(atom) is Quotient:
                self.index(s, atom.of)
            else:
                key = atom.value if type(atom) is Dynamic else atom
                if key not in self.known:
                    self.fail(s, f"index {index} uses {atom} outside of its loop")

    def loop(self, node: For, level: int, added: list[Any]) -> None:
        if node.var.level != level + 1:
            self.fail(node, f"counter of level {node.var.level} in a block of level {level}")
        if isinstance(node.extent, Value):
            self.ragged.add(node.var)
            if node.extent not in self.known:
                self.fail(node, "extent is used before it is computed")
        if any(c.init not in self.known for c in node.carries):
            self.fail(node, "a carry begins with an unknown value")
        inner: list[Any] = [node.var, *(c.phi for c in node.carries)]
        self.known.update(inner)
        self.known.difference_update(inner + self.block(node.body, level + 1, node))
        results = [c.result for c in node.carries]
        self.known.update(results)
        added.extend(results)

    def yields(self, node: For) -> None:
        """What a loop hands to its next iteration, checked at the end of its body."""
        for c in node.carries:
            if c.next is None or c.next not in self.known or c.next.dtype != c.phi.dtype:
                self.fail(node, "a carry's next value is missing or of another dtype")
        folded = {n for numbers, _ in node.folds for n in numbers}
        if node.kind == "vector" and node.width > 1 and folded != set(range(len(node.carries))):
            self.fail(node, "a vector loop needs a fold for every carry")
