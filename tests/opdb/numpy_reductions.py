"""Rows of ``numpy``: reductions, cumulative functions, statistics, sorting, counting."""

from __future__ import annotations

import numpy as np

from .table import Op, bad, given, op, sample

NAN = np.array([[1.0, np.nan, 3.0], [np.inf, 2.0, -np.inf], [np.nan, np.nan, np.nan]])
SOME_NAN = np.array([[1.0, np.nan, 3.0], [4.5, 2.0, -1.0]])


def fold(
    name: str,
    dtypes: str = "f8 f4 i8 i4 u1 b c16",
    order: int = 2,
    empty: bool = True,
    where: bool = True,
    **fields: object,
) -> Op:
    first, *others = dtypes.split()
    samples = [sample(f"{first}[2,3]", axis=a) for a in (None, 0, -1, (0, 1))]
    samples += [
        sample(f"{first}[2,3,2]", axis=(0, 2), keepdims=True),
        sample(first),
        sample(f"{first}[2,3]", keepdims=True),
    ]
    samples += [sample(f"{d}[2,3]", axis=1) for d in others] + [given(2.5), given(3)]
    samples += [sample(f"{first}[0]"), sample(f"{first}[0,3]", axis=0)] if empty else []
    samples += (
        [sample(f"{first}[2,3]", where=np.array([True, False, True]), **({} if empty else {"initial": 1.0}))]
        if where
        else []
    )
    wrong = [
        *(bad(f"{first}[2,3]", ValueError, axis=a, jax=Exception) for a in (2, (0, 0))),
        bad(given([1.0, 2.0]), TypeError),
    ]
    return op(f"numpy.{name}", *samples, order=order, bad=wrong, **fields)  # type: ignore[arg-type]


# fmt: off
ROWS: list[Op] = [
    fold("sum"),
    fold("prod"),
    fold("mean", empty=False, where=False),
    fold("max", "f8 f4 i8 u1 b", empty=False),
    fold("min", "f8 f4 i8 u1 b", empty=False),
    fold("amax", "f8", empty=False, order=1),
    fold("amin", "f8", empty=False, order=1),
    fold("any", "b i8 f8", order=0),
    fold("all", "b i8 f8", order=0),
    *(op(f"numpy.{n}", sample("f8[3,4]"), sample("f8[3,4]", axis=0), sample("f8[3,4]", axis=1, ddof=1), sample("i8[4]"), sample("f4[4]"),
         sample("c16[4]"), sample("f8[3,4]", axis=(0, 1), keepdims=True), sample("f8[3]", correction=1), order=2) for n in ("var", "std")),
    *(op(f"numpy.{n}", sample("f8[3,4]"), sample("f8[3,4]", axis=0), given(NAN[:2], axis=1), given(NAN[:2]), sample("i8[3]"), order=1)
      for n in ("ptp",)),
    *(op(f"numpy.{n}", *(sample(f"{d}[2,3]", axis=a) for d in ("f8", "i8", "b") for a in (None, 1)), given(NAN, axis=0), sample("f4[3]", keepdims=True),
         bad=[bad("f8[0]", ValueError), bad("f8[2]", ValueError, axis=1, jax=Exception)]) for n in ("argmax", "argmin")),
    op("numpy.sum", sample("i4[3]", dtype="float32"), sample("f4[3]", dtype="float64"), sample("f8[3]", initial=2.0), sample("b[3]", dtype=int),
       label="numpy.sum, dtype"),
    op("numpy.mean", sample("f4[3]", dtype="float64"), sample("f8[2,3]", where=np.array([True, False, True])), label="numpy.mean, dtype"),
    *(op(f"numpy.{n}", *(sample(f"{d}[2,3]", axis=a) for d, a in (("f8", None), ("f8", 0), ("f8", -1), ("i8", 1), ("f4", 0), ("b", 0), ("c16", 1))),
         sample("f8[3]", dtype="float32"), order=2, bad=[bad("f8[2]", ValueError, axis=1)]) for n in ("cumsum", "cumprod")),
    op("numpy.count_nonzero", sample("f8[2,3]"), sample("b[2,3]", axis=0), sample("i8[2,3]", axis=1, keepdims=True)),
    *(op(f"numpy.{n}", given(SOME_NAN), given(SOME_NAN, axis=0), given(SOME_NAN, axis=1), sample("i8[3]"), sample("f4[2,3]", axis=0))
      for n in ("nansum", "nanprod", "nanmean", "nanmax", "nanmin", "nanvar", "nanstd", "nanargmax", "nanargmin", "nanmedian", "nancumsum", "nancumprod")),
    *(op(f"numpy.{n}", sample("f8[3,4]"), sample("f8[3,4]", axis=0), sample("f8[5]"), sample("i8[4]"), sample("f4[2,3]", axis=1, keepdims=True),
         given(NAN[:2], axis=1), order=1) for n in ("median",)),
    *(op(f"numpy.{n}", sample("f8[5]", q=q), sample("f8[3,4]", q=np.array([q, q / 2]), axis=1), sample("f8[3,4]", q=q, axis=0, keepdims=True),
         sample("f8[5]", q=q, method="lower"), sample("f8[5]", q=q, method="nearest"), sample("i8[4]", q=q), order=1)
      for n, q in (("quantile", 0.3), ("percentile", 30.0), ("nanquantile", 0.3), ("nanpercentile", 30.0))),
    op("numpy.average", sample("f8[2,3]"), sample("f8[2,3]", axis=0, weights=np.array([1.0, 3.0])), sample("i8[4]"), order=1),
    op("numpy.cov", "f8[3,5]", "f8[5]", sample("f8[3,5]", ddof=0), order=1),
    op("numpy.corrcoef", "f8[3,5]", order=1),
    # order
    *(op(f"numpy.{n}", sample("f8[5]"), sample("f8[3,4]", axis=0), sample("f8[3,4]"), sample("f8[3,4]", axis=None), sample("i8[5]"), sample("b[3]"),
         given(NAN, axis=1), sample("f8[0]"), sample("f8[5]", descending=True), given(np.array([2, 1, 2, 1, 0]), stable=True),
         given(np.array([0.0, -0.0, 1.0, -0.0])), order=1 if n == "sort" else 0, bad=[bad("f8[3]", ValueError, axis=1)]) for n in ("sort", "argsort")),
    op("numpy.lexsort", given((np.array([1, 1, 0, 0]), np.array([3, 2, 3, 2])))),
    *(op(f"numpy.{n}", sample("f8[7]", kth=3), sample("f8[3,4]", kth=1, axis=0)) for n in ()),
    op("numpy.searchsorted", given(np.array([0.0, 1.0, 1.0, 2.0]), np.array([1.0, -1.0, 3.0, 0.5])),
       given(np.array([0.0, 1.0, 1.0, 2.0]), np.array([1.0, -1.0, np.nan]), side="right"), given(np.arange(4), np.float64(2.5))),
    op("numpy.digitize", given(np.array([0.2, 6.4, 3.0, 1.6]), np.array([0.0, 1.0, 2.5, 4.0, 10.0])), given(np.array([1.0, 2.0]), np.array([3.0, 2.0, 1.0]), right=True)),
    op("numpy.bincount", given(np.array([0, 1, 1, 3]), length=5), given(np.array([0, 1, 1]), weights=np.array([0.5, 1.0, 2.0]), length=4)),
    op("numpy.bincount", given(np.array([0, 1, 1])), given(np.array([0, 4]), minlength=3), concrete=True, label="numpy.bincount, no length"),
    op("numpy.histogram", given(np.array([0.1, 0.4, 0.9, 1.7]), bins=4), given(np.array([0.1, 0.4, 0.9]), bins=np.array([0.0, 0.5, 1.0]))),
    op("numpy.diff", sample("f8[5]"), sample("f8[2,4]", axis=0), sample("f8[5]", n=2), sample("i8[4]"), sample("b[4]"), sample("f8[3]", prepend=0.0), order=1),
    op("numpy.ediff1d", sample("f8[5]"), sample("f8[2,2]"), order=1),
    op("numpy.gradient", sample("f8[5]"), sample("f8[3,4]", axis=0), given(np.arange(5.0) ** 2, 0.5), order=1),
    op("numpy.trapezoid", sample("f8[5]"), sample("f8[5]", dx=0.5), "f8[5] f8[5]", order=1),
    op("numpy.interp", given(np.array([-1.0, 0.5, 1.2, 2.7, 5.0]), np.arange(4.0), np.array([0.0, 2.0, 1.0, 3.0])),
       given(np.array([-1.0, 5.0]), np.arange(3.0), np.arange(3.0), left=-7.0, right=7.0), order=1),
    op("numpy.convolve", "f8[5] f8[3]", sample("f8[5] f8[3]", mode="same"), sample("f8[5] f8[3]", mode="valid"), order=1),
    op("numpy.correlate", "f8[5] f8[3]", sample("f8[5] f8[3]", mode="full"), order=1),
]
