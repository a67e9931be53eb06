"""plan_memory: places temporaries in one scratch arena; buffers whose lives do not overlap share bytes.

tmp0: written by loop 0, read by loop 1;  tmp1: written by loop 2    ->    both at offset 0
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any

from jitney._kernel.ir import Branch, Buffer, For, LoopProgram, While, blocks, touched

_ALIGN = 64
_STACK = 1 << 17  # bytes of buffers that a program may have on the stack


def plan_memory(program: LoopProgram) -> None:
    """Set ``offset`` of scratch buffers and ``scratch_bytes`` of the program."""
    _limit_stack(program)
    arena = _Arena()
    lives = lifetimes(program.body)
    for buffer, (first, last) in sorted(lives.items(), key=lambda item: item[1]):
        arena.free_before(first)
        size = -(-max(buffer.size * buffer.dtype.itemsize, 1) // _ALIGN) * _ALIGN
        buffer.offset = arena.take(size, last)
    program.scratch_bytes = arena.top


def _limit_stack(program: LoopProgram) -> None:
    """Move buffers from the stack to the arena where there are many; threads keep those of their own."""
    users: dict[Buffer, For | None] = {}
    _note_users(program.body, None, users)
    if sum(b.size * b.dtype.itemsize for b in users) > _STACK:
        for buffer, thread in users.items():
            if thread is None:
                buffer.kind = "scratch"


def _note_users(body: list, around: For | None, users: dict[Buffer, For | None]) -> None:
    """By stack buffer: the parallel loop that alone uses it, or None."""
    for s in body:
        loop = s if around is None and type(s) is For and s.kind == "parallel" else around
        found: Iterable[Buffer] = ()
        if loop is around and type(s) in (For, While, Branch):
            for block in blocks(s):
                _note_users(block, loop, users)
            if type(s) is not Branch:
                found = [b for pair in s.swaps for b in pair]
        else:
            found = touched(s)
        for b in found:
            if b.kind == "stack" and users.setdefault(b, loop) is not loop:
                users[b] = None


class _Arena:
    """Which bytes are in use, as the program runs."""

    def __init__(self) -> None:
        self.top = 0
        self.used: list[tuple[int, int, int]] = []  # a heap of (end of life, offset, end offset)
        self.gaps: list[tuple[int, int]] = []  # (offset, end offset) below the top, in order, none touch

    def take(self, size: int, last: int) -> int:
        """The first place for ``size`` bytes that are used until statement ``last``."""
        for n, (lo, hi) in enumerate(self.gaps):
            if hi - lo >= size:
                self.gaps[n : n + 1] = [(lo + size, hi)] if hi - lo > size else []
                offset = lo
                break
        else:
            if self.gaps and self.gaps[-1][1] == self.top:
                offset = self.gaps.pop()[0]
            else:
                offset = self.top
            self.top = offset + size
        heappush(self.used, (last, offset, offset + size))
        return offset

    def free_before(self, first: int) -> None:
        """Give back what is not used from statement ``first`` on."""
        while self.used and self.used[0][0] < first:
            _, lo, hi = heappop(self.used)
            at = bisect(self.gaps, (lo, hi))
            if at < len(self.gaps) and self.gaps[at][0] == hi:
                hi = self.gaps.pop(at)[1]
            if at and self.gaps[at - 1][1] == lo:
                at -= 1
                lo = self.gaps.pop(at)[0]
            self.gaps.insert(at, (lo, hi))


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
