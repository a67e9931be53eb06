"""How the space of a loop nest is cut: boxes inside of which nothing has to be asked, groups that transpose memory.

    out[i] = x[i-1] if i >= 1 else 0, i < n      ->   for i < 1 { 0 }  ;  for i < n - 1 { x[i] }
    out[i, j] = x[j, i], 2000 x 2000             ->   for i < 250 { for j vector { out[8i, j] .. out[8i+7, j] } }

Begin at :func:`boxes`.  A pad, a roll or a stencil tests indices in every iteration; outside of a thin border the
answer is known. Where memory is contiguous along another axis than the lanes, as many neighbours along that axis as
fill a cache line are written together, so that whole vectors are read and transposed in registers.
"""

from __future__ import annotations

import math
from typing import Any

from jitney._compiler.options import options
from jitney._compiler.survey import Survey, survey

_LEAST = 4096  # elements from which a nest is looked into
_LINE = 64  # bytes
_MOST_WRITTEN = 800  # operations that cutting may make of the operations of one element
_GROUPED = 40  # operations of one element that are still repeated for a whole group

Spans = list[tuple[int, int]]
Box = tuple[Spans, tuple[int, int] | None]


def boxes(nest: Any) -> list[Box]:
    """Spans of all axes that cover the nest, each with the axis and size of its groups (None: single elements)."""
    whole: Spans = list(nest.spans)
    if nest.flat or math.prod(nest.shape) < _LEAST or not nest.kept or not options.enabled("boxes"):
        return [(whole, None)]
    found = survey(nest.lowering, nest.roots, nest.shape)
    return [box for spans in _cut(found, nest, whole) for box in _grouped(found, nest, spans)]


def _cut(found: Survey, nest: Any, whole: Spans) -> list[Spans]:
    """The inner box, and for each axis the borders that it leaves."""
    if not found.conditions:
        return [whole]
    inner: Spans = list(whole)
    borders: list[Spans] = []
    room = _MOST_WRITTEN // max(found.size, 1)
    for d in nest.kept:
        pieces = found.pieces(d)
        if len(pieces) == 1 or len(borders) + len(pieces) > room:
            continue
        largest = max(pieces, key=lambda p: p[1] - p[0])
        borders += [[*inner[:d], piece, *inner[d + 1 :]] for piece in pieces if piece != largest]
        inner[d] = largest
    return [inner, *borders]


def _grouped(found: Survey, nest: Any, spans: Spans) -> list[Box]:
    """Groups along an axis where that makes contiguous reads, and what is left of the axis."""
    vector = nest.vector_axis()
    size = max((root.aval.dtype.itemsize for root in nest.roots), default=8)
    count = max(_LINE // max(size, 4), 2)
    for axis in found.across(vector):
        lo, hi = spans[axis]
        wide = spans[vector][1] - spans[vector][0]
        if axis not in nest.kept or found.size > _GROUPED or hi - lo < 4 * count or wide < count:
            continue
        end = hi - (hi - lo) % count
        out: list[Box] = [([*spans[:axis], (lo, end), *spans[axis + 1 :]], (axis, count))]
        if end < hi:
            out.append(([*spans[:axis], (end, hi), *spans[axis + 1 :]], None))
        return out
    return [(spans, None)]


__all__ = ["boxes"]
