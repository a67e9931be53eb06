"""plan_memory: places temporaries in one scratch arena; buffers whose lives do not overlap share bytes.

tmp0: written by loop 0, read by loop 1;  tmp1: written by loop 2    ->    both at offset 0
"""

from __future__ import annotations

from typing import Any

from jitney._kernel.ir import Branch, Buffer, For, LoopProgram, While, blocks, touched

_ALIGN = 64


def plan_memory(program: LoopProgram) -> None:
    """Set ``offset`` of scratch buffers and ``scratch_bytes`` of the program."""
    lives = lifetimes(program.body)
    active: list[tuple[int, int, int]] = []  # (end of life, offset, end offset)
    top = 0
    for buffer, (first, last) in sorted(lives.items(), key=lambda item: item[1]):
        active = [a for a in active if a[0] >= first]
        size = -(-max(buffer.size * buffer.dtype.itemsize, 1) // _ALIGN) * _ALIGN
        buffer.offset = _first_gap(active, size)
        active.append((last, buffer.offset, buffer.offset + size))
        top = max(top, buffer.offset + size)
    program.scratch_bytes = top


def _first_gap(active: list[tuple[int, int, int]], size: int) -> int:
    offset = 0
    for _, lo, hi in sorted(active, key=lambda a: a[1]):
        if offset + size <= lo:
            return offset
        offset = max(offset, hi)
    return offset


def lifetimes(body: list) -> dict[Buffer, tuple[int, int]]:
    """First and last statement of the function's body that touches each scratch buffer."""
    lives: dict[Buffer, tuple[int, int]] = {}
    swapped: list[tuple[Buffer, Buffer]] = []
    for number, s in enumerate(body):
        swapped += swapped_buffers(s)
        for buffer in touched(s):
            if buffer.kind == "scratch" and buffer.inside is None:
                first = lives[buffer][0] if buffer in lives else number
                lives[buffer] = (first, number)
    _join(lives, swapped)
    return lives


def _join(lives: dict[Buffer, tuple[int, int]], swapped: list[tuple[Buffer, Buffer]]) -> None:
    """Swapped buffers may lie in each other's memory from then on, so that both live until the last use of either."""
    changed = True
    while changed:
        changed = False
        for pair in swapped:
            known = [b for b in pair if b in lives]
            last = max((lives[b][1] for b in known), default=0)
            for b in known:
                if lives[b][1] < last:
                    lives[b] = (lives[b][0], last)
                    changed = True


def swapped_buffers(s: Any) -> list[tuple[Buffer, Buffer]]:
    """The pairs that loops in a statement swap."""
    if type(s) not in (For, While, Branch):
        return []
    own = [] if type(s) is Branch else list(s.swaps)
    return own + [pair for block in blocks(s) for inner in block for pair in swapped_buffers(inner)]
