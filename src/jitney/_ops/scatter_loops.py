"""Many updates of few places: parts of the updates are combined in copies of their own, then the copies with the operand.

Neighbouring updates often meet the same place, and the second would wait until the first is written. Two copies
take turns in one thread, and threads have copies of their own. How many there are follows from the shapes alone,
so that results do not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._kernel import index as ix
from jitney._kernel.builder import Block
from jitney._kernel.ir import Buffer

_BYTES = 1 << 16  # of all copies, which lie on the stack
_MOST_PARTS = 8
_LEAST = 1 << 12  # updates that are worth a copy

Update = Callable[[tuple, Block], None]  # update(idx, target): fold update number idx into its place


def number_of_parts(shape: Sequence[int], itemsize: int, updates: Sequence[int]) -> int:
    """How many copies of an operand pay; 0 if none does. Only updates along one axis are cut into parts."""
    size, count = math.prod(shape), math.prod(updates)
    if count != max(updates, default=1):
        return 0
    parts = _MOST_PARTS
    while parts > 1 and (
        parts * size * itemsize > _BYTES or count < parts * _LEAST or 4 * parts * size > count
    ):
        parts //= 2
    return parts if parts > 1 else 0


def place_or_spare(b: Any, start: Any, size: int) -> ix.Index:
    """A place of a vector of ``size`` elements; the one behind them for places outside."""
    unsigned = np.dtype(f"u{start.dtype.itemsize}")
    place = b.cast(start, unsigned)  # negative ones are large
    if size < np.iinfo(unsigned).max:
        place = b.min(place, b.const(size, unsigned))
    return ix.variable(ix.Dynamic(b.cast(place, np.dtype(np.int64)), 0, size))


def update_in_parts(
    b: Any,
    out: Block,
    updates: Sequence[int],
    parts: int,
    update: Update,
    neutral: Any,
    merge: Callable[..., Any],
    spare: bool,
) -> None:
    """Fold all updates into ``out``; ``neutral`` is what the copies begin with, ``merge(b, x, y)`` joins two of them.

    ``spare``: copies of a vector have one more element, for updates that are dropped.
    """
    wanted, axis = math.prod(out.shape), int(np.argmax(updates))
    shape = (wanted + 1,) if spare else out.shape
    size, chunk = math.prod(shape), updates[axis] // parts
    copies = Buffer(f"copies{next(b.names)}", out.dtype, parts * size, "stack")
    copies.changing = True
    index: list[Any] = [0] * len(updates)

    def at(i: Any) -> tuple:
        index[axis] = i
        return tuple(index)

    with b.counted(parts // 2, parts // 2, "parallel", "p") as node:
        node.work = 3.0 * chunk
        pair = ix.variable(node.var)
        with b.loop(2 * size, "vector") as i:
            b.store(copies, pair * (2 * size) + i, b.const(neutral, out.dtype))
        with b.loop(chunk) as i:
            for half in range(2):
                target = Block(copies, shape, pair * (2 * size) + half * size)
                update(at(pair * (2 * chunk) + (half * chunk + i)), target)
    for i in range(parts * chunk, updates[axis]):
        update(at(i), out)
    with b.loop(wanted, "vector") as i:
        value = b.load(out, i)
        for part in range(parts):
            value = merge(b, value, b.load(copies, i + part * size))
        b.store(out, i, value)
