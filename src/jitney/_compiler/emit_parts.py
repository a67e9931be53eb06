"""Writes blocks that ``cut_blocks`` has cut: each part is a function, called in turn.

Begin at :meth:`PartEmitter.in_parts`.  Parts have the parameters of the program itself. A value that another part needs has
a place in the frame, behind the scratch memory: the part that computes it stores it at its end, once it turns out
to be needed, and others load it where they first do. What comes from around the block is stored ahead of the
first call that needs it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from jitney._compiler.emit_loops import Function
from jitney._compiler.emit_nests import NestEmitter
from jitney._compiler.ir import FunctionWriter, const
from jitney._kernel.ir import Buffer, Call, For, LoopProgram, Value, While, blocks

MAIN_PARAMS = ["ptr", "ptr", "ptr"]


class PartEmitter(NestEmitter):
    """The part of the emitter that writes parts."""

    program: LoopProgram
    level: int
    parts: list[Function]
    slots: dict[Any, int]  # the place of a value in the frame
    frame_start: int  # in the scratch memory

    def in_parts(self, body: list, level: int, cuts: list[int]) -> None:
        """The block as calls of its parts."""
        outer = self.fn
        stored: set[Any] = set()
        for first, last in pairwise([0, *cuts, len(body)]):
            segment = body[first:last]
            part = self._part(segment, level)
            moved = list(dict.fromkeys(b for s in segment for b in self.facts.moved(s)))
            for b in moved:
                part.exports[b] = self._slot(b)
            self.fn, self.f, self.level = outer, outer.f, level
            self.f.position(outer.block(level))
            for key, type_ in part.needs.items():
                if key not in stored:
                    stored.add(key)
                    value = self.base(key) if isinstance(key, Buffer) else self.lookup(key, type_)
                    self.f.store(value, self._place(key), 8)
            self._call_part(part, any(map(_calls_host, segment)))
            for b in moved:
                stored.discard(b)
                self.place([b], [self.f.load("ptr", self._place(b), 8)], level)
            for s in segment:
                outer.homes.update(dict.fromkeys(_defined(s), part))

    def _part(self, segment: list, level: int) -> Function:
        """Write the function of a segment; its end is left open."""
        name = f"jt_part{len(self.parts)}"
        writer = FunctionWriter(name, "i32", MAIN_PARAMS, linkage="internal", attributes="noinline nounwind")
        self.fn, self.f = Function(writer, level, self.fn), writer
        self.fn.part = True
        self.parts.append(self.fn)
        self.statements(segment, level)
        return self.fn

    def _call_part(self, part: Function, may_fail: bool) -> None:
        f = self.f
        status = f.call(part.f.name, "i32", f.args, declare=False)
        if not may_fail:
            return
        failed, on = f.block("failed"), f.block("on")
        f.cbr(f.icmp("ne", status, const("i32", 0)), failed, on)
        f.position(failed)
        f.ret(status)
        f.position(on)
        self.fn.move(self.level, on)

    def finish_parts(self) -> None:
        """End all parts: store what others turned out to need."""
        for part in self.parts:
            self.fn, self.f = part, part.f
            self.f.position(part.block(part.first))
            for key in part.exports:
                self.f.store(part.env[key], self._place(key), 8)
            self.f.ret(const("i32", 0))
            self.module.add(self.f)
        if self.slots:
            self.program.scratch_bytes = self.frame_start + 8 * len(self.slots)

    # -- the frame

    def from_outside(self, fn: Function, key: Any, type_: str) -> Any:
        """A value that ``fn`` has not computed itself: of a part that it called, or of what is around it."""
        home = fn.homes.get(key)
        if home is None:
            above = fn.parent
            while above is not None and above.part and key not in above.homes:
                above = above.parent
            home = above.homes.get(key) if above is not None else None
        if home is not None:
            home.exports[key] = self._slot(key)
        else:
            self._slot(key)
            fn.needs[key] = type_
        f, level = fn.f, max(fn.first, key.level if isinstance(key, Value) else 0)
        here = f.current
        f.position(fn.block(level))
        fn.env[key] = f.load(type_, self._place(key), 8)
        f.position(here)
        return fn.env[key]

    def _slot(self, key: Any) -> int:
        return self.slots.setdefault(key, len(self.slots))

    def _place(self, key: Any) -> Any:
        """The pointer to a value's place in the frame, from the function being written."""
        return self.f.gep("i64", self._frame(), const("i64", self._slot(key)))

    def _frame(self) -> Any:
        """The pointer to the frame."""
        found = self.fn.env.get("frame")
        if found is None:
            f = self.f
            here = f.current
            f.ahead()
            arena = f.load("ptr", f.args[2], 8)
            found = self.fn.env["frame"] = f.gep("i8", arena, const("i64", self.frame_start))
            f.position(here)
        return found


def _defined(s: Any) -> list:
    """The values that a statement leaves to those after it."""
    kind = type(s)
    if kind is Value:
        return [] if s.op == "const" else [s]
    if kind is For or kind is While:
        return [c.result for c in s.carries]
    return list(getattr(s, "results", ()))


def _calls_host(s: Any) -> bool:
    if type(s) is Call:
        return s.symbol == "host"
    if not hasattr(s, "swaps") and not hasattr(s, "regions"):
        return False
    return any(_calls_host(inner) for block in blocks(s) for inner in block)
