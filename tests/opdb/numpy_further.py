"""Rows of ``numpy``: sets, histograms, polynomials, bits, selection, functions that put."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Op, bad, given, op, sample

_A, _B = np.array([3, 1, 2, 3, 5, 1]), np.array([[2, 3], [7, 7]])
_X = np.array([0.5, 1.5, 2.5, 0.1, 0.1, 2.9])
_Y = np.array([1.0, 2.0, 3.5, 0.2, 0.4, 2.0])
_SETS = "intersect1d setdiff1d setxor1d union1d"


def _roots(library: Any) -> Any:
    """Roots in an order of their own, which is not that of eigenvalues."""
    return lambda p: library.numpy.sort_complex(library.numpy.roots(p, strip_zeros=False))


# fmt: off
ROWS: list[Op] = [
    *(op(f"numpy.{n}", given(_A, _B), given(_X, _Y), concrete=True) for n in _SETS.split()),
    *(op(f"numpy.{n}", given(_A, _B, size=3, **({} if n == "setdiff1d" else {"fill_value": 9})), batch=False, label=f"numpy.{n}, size")
      for n in ("intersect1d", "setdiff1d", "union1d")),
    op("numpy.isin", given(_A, _B), given(_A, _B, invert=True), given(_B, _A), given(np.array(3), _A)),
    *(op(f"numpy.{n}", given(_A), given(_B), concrete=True) for n in ("unique_all", "unique_counts", "unique_inverse", "unique_values")),
    *(op(f"numpy.{n}", given(_A, size=3), batch=False, label=f"numpy.{n}, size") for n in ("unique_all", "unique_counts", "unique_inverse", "unique_values")),
    op("numpy.histogram2d", given(_X, _Y, bins=3), given(_X, _Y, bins=(2, 3), range=((0, 3), (0, 4)), density=True), batch=False),
    op("numpy.histogramdd", given(np.stack([_X, _Y], 1), bins=3), batch=False),
    op("numpy.histogram_bin_edges", given(_X, bins=4), given(_X, bins=3, range=(0.0, 2.0)), given(_A, bins=2), batch=False),
    op("numpy.poly", "f8[3]", "f8[2,2]", order=1, tolerance=1e-9),
    op("numpy.polysub", "f8[3] f8[2]", "f8[2] f8[4]", order=2),
    op("numpy.polydiv", "f8[4] f8[2]", order=1, within=(0.5, 2)),
    op("numpy.polyfit", given(_X, _Y, 2), given(_X, _Y, 1, w=_Y), given(_X, np.stack([_X, _Y], 1), 1), given(_X, _Y, 1, cov="unscaled"), order=1, tolerance=1e-8, weak=False,
       bad=[bad(given(_X, _Y, -1), ValueError), bad(given(_X, _Y[:2], 1), TypeError), bad(given(_B, _Y, 1), TypeError)]),
    op("numpy.roots", given(np.array([2.0, -3.0, 0.5, 1.0])), given(np.array([0.0, 1.0, -3.0, 2.0])), given(np.array([1.0, 2.0j])), given(np.array([3])), make=_roots, tolerance=1e-9),
    op("numpy.packbits", given(np.arange(12) % 3), given((np.arange(22) % 3 == 0).reshape(2, 11), axis=1), given(_B, axis=0, bitorder="little"),
       bad=[bad("f8[3]", TypeError), bad(given(_A, bitorder="x"), ValueError)]),
    op("numpy.unpackbits", given(np.array([[1, 2], [128, 255]], np.uint8)), given(np.array([[1, 2], [128, 255]], np.uint8), axis=1, count=9),
       given(np.array([7, 9], np.uint8), count=-3, bitorder="little"), bad=[bad("i8[3]", TypeError)]),
    op("numpy.argpartition", given(np.array([3.0, 1.0, 2.0]), 1), sample("f8[2,3]", kth=1, axis=1), batch=False),
    op("numpy.partition", given(np.array([3.0, 1.0, 2.0]), 1), sample("f8[2,3]", kth=1, axis=1), batch=False),
    op("numpy.sort_complex", "f8[4]", given(np.array([2 + 1j, 1 - 1j, 1 - 2j]))),
    op("numpy.array_equiv", "f8[3] f8[3]", given(np.ones(3), np.ones((2, 3))), batch=False),
    *(op(f"numpy.{n}", sample("f8[2,3]", axis=1), sample("f8[3]"), "i4[3]", sample("i4[3]", include_initial=True), order=1) for n in ("cumulative_sum", "cumulative_prod")),
    op("numpy.dsplit", sample("f8[2,2,4]", indices_or_sections=2), order=1),
    op("numpy.fill_diagonal", sample("f8[3,3] f8", inplace=False), sample("f8[2,3] f8", inplace=False), order=1),
    op("numpy.diag_indices_from", "f8[3,3]"),
    op("numpy.tril_indices_from", "f8[3,4]", sample("f8[3,3]", k=1)),
    op("numpy.triu_indices_from", "f8[3,4]", sample("f8[3,3]", k=-1)),
    op("numpy.place", given(np.arange(6.0), np.arange(6) % 2 == 0, np.array([10.0, 20.0]), inplace=False), batch=False),
    op("numpy.put", given(np.arange(6.0), np.array([1, 4]), np.array([10.0, 20.0]), inplace=False), given(np.zeros((2, 2)), np.array([3]), np.array([1.0]), inplace=False)),
    op("numpy.put_along_axis", given(np.zeros((2, 3)), np.array([[0], [2]]), np.array([[5.0], [6.0]]), 1, inplace=False)),
    op("numpy.kaiser", given(5, 8.6), given(1, 0.5)),
    op("numpy.unwrap", given(np.array([0.0, 3.0, 6.5, 9.0, -2.0])), sample("f8[2,5]", axis=0), sample("f8[5]", within=(-9, 9), period=3.0), batch=False),
]
