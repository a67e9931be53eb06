"""cut_blocks: says where long blocks are cut into functions of their own.

    { s1 ; s2 ; ... ; s5000 }     ->     { part 0: s1 .. s300 ; part 1: s301 .. s600 ; ... }

LLVM schedules and allocates registers for a whole block at once, in time that grows faster than the block. What one part
computes for another passes through memory (``emit_parts``). Statements inside of vector and parallel loops stay together.
"""

from __future__ import annotations

from typing import Any

from jitney._kernel.ir import Branch, Buffer, Call, For, LoopProgram, Store, Value, While, blocks, touched

_LONGEST = 1000  # instructions of a block that is left whole
_PART = 300  # about so many in each part
_CALL = 12
_LOOP = 8


def cut_blocks(program: LoopProgram) -> None:
    """Set ``program.cuts``; memory on the stack that several parts use moves to the scratch arena."""
    program.cuts = {}
    _measure(program.body, program)
    if program.cuts:
        _share_stack(program.body, program, {}, object())


def _measure(body: list, program: LoopProgram) -> int:
    """About the number of instructions of a block, where it is not cut."""
    sizes = [_size(s, program) for s in body]
    total = sum(sizes)
    if total <= _LONGEST:
        return total
    places, run = [], 0
    for n, size in enumerate(sizes):
        # A bundle is a vector, and the lanes that are taken out of it stand behind it.
        if run and run + size > _PART and getattr(body[n], "op", "") != "lane":
            places.append(n)
            run = 0
        run += size
    program.cuts[id(body)] = places
    return _CALL * (len(places) + 1)


def _size(s: Any, program: LoopProgram) -> int:
    kind = type(s)
    if kind is Value:
        return s.op != "const"
    if kind is Store:
        return 1
    if kind is Call:
        return _CALL
    if s in program.nests:
        return _CALL + len(program.nests[s].buffers)
    if kind is For and (s.kind == "parallel" or (s.kind == "vector" and s.width > 1)):
        return _LOOP + _whole(s.body) * (s.copies + (s.width > 1))
    return _LOOP + sum(_measure(block, program) for block in blocks(s))


def _whole(body: list) -> int:
    """The instructions of a block that must not be cut."""
    total = 0
    for s in body:
        if type(s) in (For, While, Branch):
            total += _LOOP + sum(map(_whole, blocks(s)))
        else:
            total += 1
    return total


def _share_stack(body: list, program: LoopProgram, users: dict[Buffer, Any], part: Any) -> None:
    """Move the stack buffers that more than one part touches; ``part`` is the one around."""
    cuts, nests = program.cuts, program.nests
    starts = frozenset(cuts.get(id(body), ()))
    if id(body) in cuts:
        part = object()
    for n, s in enumerate(body):
        if n in starts:
            part = object()
        if type(s) in (While, Branch) or (
            type(s) is For and s not in nests and s.kind != "parallel" and s.width == 1
        ):
            for block in blocks(s):
                _share_stack(block, program, users, part)
            swapped = [] if type(s) is Branch else [b for pair in s.swaps for b in pair]
            _note(swapped, users, part)
        else:
            _note(touched(s), users, part)


def _note(buffers: Any, users: dict[Buffer, Any], part: Any) -> None:
    for b in buffers:
        if b.kind == "stack" and users.setdefault(b, part) is not part:
            b.kind = "scratch"
