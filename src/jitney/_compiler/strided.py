"""strided: sees a value that only moves indices as memory with an offset and a step for each axis.

y = transpose x ; z = slice y     ->     z[i, j] is element 40 + i + 10 j of x

Begin at :func:`strided_view`: it asks the rules of views where they read, which composes any chain of them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from jitney._kernel import index as ix
from jitney._kernel.index import Index, LoopVar


class Strided(NamedTuple):
    """Element ``i`` of a value is element ``offset + sum(i * strides)`` of the memory of ``node``."""

    node: Any
    offset: int
    strides: tuple[int, ...]


def strided_view(node: Any) -> Strided:
    """The memory behind ``node``: that of what it is a view of, if it is one; else its own."""
    axes = [LoopVar(f"i{d}", 0, n - 1, 1) for d, n in enumerate(node.aval.shape)]
    place: Any = tuple([ix.variable(v) if v.hi else ix.constant(0) for v in axes])
    found = Strided(node, 0, contiguous(node.aval.shape))
    while not in_memory(node) and node.kind == "pull" and not node.small and len(node.operands) == 1:
        moved = _read_place(node, place)
        if moved is None:
            break
        node, place = node.operands[0], moved
        flat = ix.linearize(place, node.aval.shape)
        steps = _steps(flat, axes)
        # What is computed for the view alone is computed as the view.
        if steps is not None and (in_memory(node) or node.aval.size == math.prod(v.hi + 1 for v in axes)):
            found = Strided(node, flat.const, steps)
    return found


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of an array without gaps."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def whole_run(node: Any) -> Strided | None:
    """The memory of another value in which the elements of ``node`` lie one after the other, if there is such memory."""
    if node.kind != "pull" or node.small or node.needed or not node.aval.size:
        return None
    view = strided_view(node)
    source = view.node
    if source is node or source.small or not (source.complete or source.kind in ("opaque", "reduce")):
        return None
    wanted = contiguous(node.aval.shape)
    same = all(n == 1 or a == b for n, a, b in zip(node.aval.shape, view.strides, wanted, strict=True))
    return view if same else None


def in_memory(node: Any) -> bool:
    """Whether the elements of ``node`` are written to memory in any case."""
    return node.complete or node.kind in ("input", "opaque") or (node.needed and not node.small)


class _NoView(Exception):
    """A rule does more than move indices."""


class _Source:
    """An operand that notes where it is read."""

    def __init__(self, node: Any) -> None:
        self.aval = node.aval
        self.shape, self.dtype = node.aval.shape, node.aval.dtype
        self.place: Any = None

    def read(self, idx: Any) -> _Source:
        if self.place is not None:
            raise _NoView
        self.place = tuple([i if type(i) is Index else ix.constant(int(i)) for i in idx])
        return self


class _NoBuilder:
    def __getattr__(self, name: str) -> Any:
        raise _NoView


def _read_place(node: Any, place: tuple) -> tuple | None:
    """Where a view reads its operand for its element ``place``; None if it is no view."""
    source = _Source(node.operands[0])
    params = node.eqn.params if node.eqn is not None else {}
    try:
        value = node.rule.element(_NoBuilder(), place, source, **params)
    except (_NoView, TypeError):  # a TypeError: an index that only the program knows
        return None
    return source.place if value is source else None


def _steps(flat: Index, axes: list[LoopVar]) -> tuple[int, ...] | None:
    steps = dict.fromkeys(axes, 0)
    for atom, step in flat.terms:
        if atom not in steps:
            return None
        steps[atom] = step
    return tuple(steps.values())
