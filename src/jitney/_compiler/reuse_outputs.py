"""reuse_outputs: temporaries live in the memory of outputs that are written later.

    y = exp x -> tmp0 ; s = sum tmp0 ; out0 = tmp0 / s     ->     tmp0 lies in out0, and is divided where it lies

An output is nobody's before its first element is written. The loop that writes it may still read the temporary, if
each iteration reads the very places that it then writes; its iterations run exactly once then.
"""

from __future__ import annotations

from typing import Any

from jitney._compiler.plan_memory import lifetimes, swapped_buffers
from jitney._kernel.ir import Branch, Buffer, Call, For, LoopProgram, Store, Value, While, blocks, touched

_LEAST = 4096  # bytes of a temporary that is worth the trouble

Life = tuple[int, int]


def reuse_outputs(program: LoopProgram) -> None:
    """Set ``inside`` of scratch buffers that an output has room for."""
    if not any(b.kind == "out" for b in program.buffers):
        return
    outs = _first_uses(program)
    swapped = {b for s in program.body for pair in swapped_buffers(s) for b in pair}
    taken: dict[Buffer, list[Life]] = {}
    lives = lifetimes(program.body)
    for buffer, life in sorted(lives.items(), key=lambda item: -_bytes(item[0])):
        if _bytes(buffer) < _LEAST or buffer in swapped:
            continue
        for out, first in outs.items():
            if out in swapped or _bytes(out) < _bytes(buffer) or _meets(life, taken.get(out, [])):
                continue
            if life[1] < first or (life[1] == first and _follows(program.body[first], buffer, out)):
                buffer.inside = out
                taken.setdefault(out, []).append(life)
                break


def _bytes(buffer: Buffer) -> int:
    return buffer.size * buffer.dtype.itemsize


def _meets(life: Life, others: list[Life]) -> bool:
    return any(a <= life[1] and life[0] <= b for a, b in others)


def _first_uses(program: LoopProgram) -> dict[Buffer, int]:
    """The first statement that touches each output, in one walk."""
    first: dict[Buffer, int] = {}
    for n, s in enumerate(program.body):
        for b in touched(s):
            if b.kind == "out":
                first.setdefault(b, n)
    return {b: first.get(b, len(program.body)) for b in program.buffers if b.kind == "out"}


def _follows(s: Any, buffer: Buffer, out: Buffer) -> bool:
    """Whether every store to ``out`` in the loop ``s`` comes after the loads of ``buffer`` from the same place."""
    if type(s) is not For or buffer.dtype.itemsize != out.dtype.itemsize:
        return False
    found: list[tuple[list, list[For]]] = []
    if not _blocks_with(s, buffer, out, [], found) or len(found) != 1:
        return False
    body, loops = found[0]
    places, stored = set(), set()
    for x in body:
        if type(x) is Value and x.op == "load" and x.attr[0] is buffer:
            if x.attr[1] in stored:
                return False
            places.add(x.attr[1])
        elif type(x) is Store and x.buffer is out:
            stored.add(x.index)
    if len(places) != 1 or stored != places:
        return False
    for loop in loops:
        loop.exact = True
    return True


def _blocks_with(s: Any, buffer: Buffer, out: Buffer, loops: list[For], found: list) -> bool:
    """Collect the innermost blocks that touch either; False if something else than loads and stores does."""
    inside = [*loops, s] if type(s) is For else loops
    for block in blocks(s):
        for x in block:
            if type(x) in (For, While, Branch):
                if not _blocks_with(x, buffer, out, inside, found):
                    return False
            elif any(b is buffer or b is out for b in touched(x)):
                if type(x) is Call or (type(x) is Store and x.buffer is buffer):
                    return False
                if type(x) is Value and x.attr[0] is out:
                    return False
                if not any(block is known for known, _ in found):
                    found.append((block, inside))
    return True


__all__ = ["reuse_outputs"]
