"""Proves a loop program well formed: definitions before uses, dtypes, levels, carries."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._kernel.index import Dynamic, Index, LoopVar, Quotient
from jitney._kernel.ir import Branch, Call, Carry, For, LoopProgram, Part, Store, Value, While

_BOOL = np.dtype(bool)
_I64 = np.dtype(np.int64)
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

    def block(self, body: list, level: int) -> list[Any]:
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
            elif type(s) is While:
                self.while_loop(s, level, added)
            elif type(s) is Branch:
                self.branch(s, level, added)
            elif type(s) is Call:
                self.call(s)
            else:
                self.fail(s, "is no statement")
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
        if v.op == "select" and v.args[0].dtype != _BOOL:
            self.fail(v, f"chooses by {v.args[0].dtype}, not bool")
        if v.op == "load":
            buffer, index = v.attr
            if v.args and v.args[0].dtype != _BOOL:
                self.fail(v, f"a predicate of dtype {v.args[0].dtype}, not bool")
            if buffer.dtype != v.dtype:
                self.fail(v, f"loads from {buffer.dtype} elements")
            self.index(v, index)
            if not v.args:
                self.inside(v, buffer, index)
        elif v.op in ("index", "test"):
            self.index(v, v.attr if v.op == "index" else v.attr.of)

    def store(self, s: Store) -> None:
        if s.value not in self.known:
            self.fail(s, f"stores {s.value} before it is computed")
        if s.value.dtype != s.buffer.dtype:
            self.fail(s, f"{s.value.dtype} into {s.buffer.dtype} elements")
        if s.predicate is not None and (s.predicate not in self.known or s.predicate.dtype != _BOOL):
            self.fail(s, "its predicate is not computed before, or not bool")
        self.index(s, s.index)
        if s.predicate is None:
            self.inside(s, s.buffer, s.index)
        if s.buffer.kind in ("in", "const"):
            self.fail(s, f"writes to the input {s.buffer}")

    def inside(self, s: Any, buffer: Any, index: Index) -> None:
        """Every element that is read or written exists (as far as bounds of the counters tell)."""
        exact = not any(index.depends_on(r) for r in self.ragged)
        if exact and (index.lo < 0 or index.hi >= buffer.size):
            does = "writes" if type(s) is Store else "reads"
            self.fail(s, f"{does} {buffer}[{index}], range [{index.lo}, {index.hi}] of {buffer.size}")

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
        if isinstance(node.extent, Value) or node.extent == 0:
            self.ragged.add(node.var)
            if isinstance(node.extent, Value) and node.extent not in self.known:
                self.fail(node, "extent is used before it is computed")
        inner = self.enter(node, [node.var])
        added_within = self.block(node.body, level + 1)
        self.yields(node)
        folded = {n for numbers, _ in node.folds for n in numbers}
        if node.kind == "vector" and node.width > 1 and folded != set(range(len(node.carries))):
            self.fail(node, "a vector loop needs a fold for every carry")
        self.leave(node, inner + added_within, level, added)

    def while_loop(self, node: While, level: int, added: list[Any]) -> None:
        if node.level != level + 1:
            self.fail(node, f"of level {node.level} in a block of level {level}")
        inner = self.enter(node, [])
        inner += self.block(node.head, level + 1)
        if node.test is None or node.test not in self.known or node.test.dtype != _BOOL:
            self.fail(node, "its test is missing, not computed in its head, or not bool")
        inner += self.block(node.body, level + 1)
        self.yields(node)
        self.leave(node, inner, level, added)

    def enter(self, node: For | While, inner: list[Any]) -> list[Any]:
        """Check what a loop begins with; what is known inside, ``inner`` and its phis."""
        self.carried(node.carries, node)
        for a, b in node.swaps:
            if (a.size, a.dtype) != (b.size, b.dtype) or a is b:
                self.fail(node, f"swaps {a} with {b}, which is no other buffer of the same kind")
            if a.kind in ("in", "const") or b.kind in ("in", "const"):
                self.fail(node, f"swaps {a} with {b}, of which one must not be written")
        inner += [c.phi for c in node.carries]
        self.known.update(inner)
        return inner

    def carried(self, carries: list[Carry], node: For | While) -> None:
        for c in carries:
            if c.init not in self.known or c.init.dtype != c.phi.dtype:
                self.fail(node, "a carry begins with an unknown value or one of another dtype")

    def leave(self, node: For | While, inner: list[Any], level: int, added: list[Any]) -> None:
        self.known.difference_update(inner)
        self.results([c.result for c in node.carries], node, level, added)

    def results(self, results: list[Any], s: Any, level: int, added: list[Any]) -> None:
        if any(r is None or r.level != level for r in results):
            self.fail(s, f"a result is not of level {level}, where the statement stands")
        self.known.update(results)
        added.extend(results)

    def yields(self, node: For | While) -> None:
        """What a loop hands to its next iteration, checked at the end of its body."""
        for c in node.carries:
            if c.next is None or c.next not in self.known or c.next.dtype != c.phi.dtype:
                self.fail(node, "a carry's next value is missing or of another dtype")

    def branch(self, node: Branch, level: int, added: list[Any]) -> None:
        count = len(node.regions)
        if node.level != level:
            self.fail(node, f"of level {node.level} in a block of level {level}")
        if node.selector not in self.known or node.selector.dtype not in (_BOOL, _I64):
            self.fail(node, "its selector is not computed before, or neither bool nor int64")
        if count < 1 or len(node.values) != count or (node.selector.dtype == _BOOL and count != 2):
            self.fail(node, f"{count} cases with results of {len(node.values)}, by {node.selector.dtype}")
        for region, values in zip(node.regions, node.values, strict=True):
            inner = self.block(region, level + 1)
            if [v.dtype for v in values] != [r.dtype for r in node.results]:
                self.fail(node, "a case gives other results than the statement")
            if any(v not in self.known for v in values):
                self.fail(node, "a case gives a value that it does not know")
            self.known.difference_update(inner)
        self.results(node.results, node, level, added)

    def call(self, s: Call) -> None:
        for x in (*s.inputs, *s.outputs):
            if type(x) is Part:
                self.index(s, x.base)
        for x in s.outputs:
            buffer = x.buffer if type(x) is Part else x
            if buffer.kind in ("in", "const"):
                self.fail(s, f"writes to the input {buffer}")
