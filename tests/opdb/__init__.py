"""The op table: a row for each function, in one file per idea; ``table.py`` says what a row is."""

from __future__ import annotations

from . import (
    contraction,
    elementwise,
    fourier,
    images,
    indexing,
    lax_further,
    linear_algebra,
    networks,
    numpy_contraction,
    numpy_elementwise,
    numpy_further,
    numpy_reductions,
    numpy_shapes,
    ordering,
    reductions,
    scipy,
    scipy_linalg,
    shapes,
    signals,
    spectra,
    statistics,
)
from .table import Op

ROWS: list[Op] = [
    *elementwise.ROWS,
    *shapes.ROWS,
    *reductions.ROWS,
    *contraction.ROWS,
    *numpy_elementwise.ROWS,
    *numpy_reductions.ROWS,
    *numpy_shapes.ROWS,
    *numpy_contraction.ROWS,
    *indexing.ROWS,
    *ordering.ROWS,
    *scipy.ROWS,
    *signals.ROWS,
    *numpy_further.ROWS,
    *lax_further.ROWS,
    *fourier.ROWS,
    *images.ROWS,
    *linear_algebra.ROWS,
    *scipy_linalg.ROWS,
    *networks.ROWS,
    *statistics.ROWS,
    *spectra.ROWS,
]
