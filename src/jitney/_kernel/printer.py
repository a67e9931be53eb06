"""Writes a loop program as text (see the grammar in ``ir.py``)."""

from __future__ import annotations

from typing import Any

from jitney._kernel.ir import Branch, Buffer, Call, For, LoopProgram, Store, Value, While


def print_loops(program: LoopProgram) -> str:
    """One line per statement; values are numbered in order of appearance."""
    writer = _Writer()
    for buffer in program.buffers:
        writer.buffer(buffer)
    writer.block(program.body, 0)
    return "\n".join(writer.lines)


def print_statements(body: list) -> str:
    """The same for some statements of a program."""
    writer = _Writer()
    writer.block(body, 0)
    return "\n".join(writer.lines)


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[Any, str] = {}

    def buffer(self, b: Buffer) -> None:
        inside = f" in {b.inside.name}" if b.inside is not None else ""
        self.lines.append(f"{b.kind} {b.name} : {b.dtype}[{b.size}]{inside}")

    def name(self, v: Value) -> str:
        if v.op == "const":
            return f"{v.attr!r}"
        found = self.names.get(v)
        if found is None:
            found = self.names[v] = f"%{len(self.names)}"
            # Indices name dynamic values by number: keep the same one.
            v.name = len(self.names) - 1
        return found

    def block(self, body: list, depth: int) -> None:
        pad = "  " * depth
        for s in body:
            if type(s) is Value:
                if s.op != "const":
                    self.lines.append(f"{pad}{self.value(s)}")
            elif type(s) is Store:
                when = "" if s.predicate is None else f" if {self.name(s.predicate)}"
                self.lines.append(f"{pad}store {s.buffer}[{s.index}] <- {self.name(s.value)}{when}")
            elif type(s) is For:
                self.loop(s, depth)
            elif type(s) is While:
                self.while_loop(s, depth)
            elif type(s) is Branch:
                self.branch(s, depth)
            else:
                self.call(s, pad)

    def value(self, v: Value) -> str:
        args = " ".join(map(self.name, v.args))
        if v.op == "load":
            buffer, index = v.attr
            when = f" if {args}" if v.args else ""
            return f"{self.name(v)} = load {buffer}[{index}]{when}"
        attr = "" if v.attr is None else f" {v.attr}"
        return f"{self.name(v)} = {v.op}{attr} {v.dtype} {args}".rstrip()

    def loop(self, node: For, depth: int) -> None:
        pad = "  " * depth
        kind = node.kind
        if kind == "vector" and node.width > 1:
            kind += f" {node.width} x {node.copies}"
        extent = node.extent if isinstance(node.extent, int) else self.name(node.extent)
        self.lines.append(f"{pad}for {node.var} < {extent} {kind}{self.carries(node)} {{")
        self.block(node.body, depth + 1)
        self.yields(node, pad)

    def while_loop(self, node: While, depth: int) -> None:
        pad = "  " * depth
        self.lines.append(f"{pad}while{self.carries(node)} {{")
        self.block(node.head, depth + 1)
        self.lines.append(f"{pad}  test {self.name(node.test) if node.test is not None else '?'}")
        self.block(node.body, depth + 1)
        self.yields(node, pad)

    def carries(self, node: For | While) -> str:
        carries = "".join(f" ({self.name(c.phi)} <- {self.name(c.init)})" for c in node.carries)
        return carries + "".join(f" {a} <-> {b}" for a, b in node.swaps)

    def yields(self, node: For | While, pad: str) -> None:
        for c in node.carries:
            following = self.name(c.next) if c.next is not None else "?"
            self.lines.append(f"{pad}  {self.name(c.result)} yields {following}")
        self.lines.append(f"{pad}}}")

    def branch(self, node: Branch, depth: int) -> None:
        pad = "  " * depth
        self.lines.append(f"{pad}branch {self.name(node.selector)} {{")
        for k, region in enumerate(node.regions):
            self.lines.append(f"{pad} case {k}:")
            self.block(region, depth + 1)
            for result, v in zip(node.results, node.values[k], strict=True):
                self.lines.append(f"{pad}  {self.name(result)} yields {self.name(v)}")
        self.lines.append(f"{pad}}}")

    def call(self, s: Call, pad: str) -> None:
        what = f"host {s.number}" if s.symbol == "host" else f"{s.symbol} {s.arguments}"
        ins, outs = ", ".join(map(repr, s.inputs)), ", ".join(map(repr, s.outputs))
        self.lines.append(f"{pad}call {what} ({ins}) -> ({outs})")
