"""The op table: a row for each function, in one file per idea; ``table.py`` says what a row is."""

from __future__ import annotations

from . import contraction, elementwise, reductions, shapes
from .table import Op

ROWS: list[Op] = [
    *elementwise.ROWS,
    *shapes.ROWS,
    *reductions.ROWS,
    *contraction.ROWS,
]
