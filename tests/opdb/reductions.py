"""Rows of ``lax``: folds over axes, and the indices of extrema."""

from __future__ import annotations

import numpy as np

from .table import Op, bad, given, op, sample


def fold(name: str, dtypes: str, order: int = 0, empty: bool = True, refused: str = "") -> Op:
    first, *others = dtypes.split()
    samples = [sample(f"{first}[2,3]", axes=axes) for axes in ((0,), (1,), (0, 1), ())]
    samples += [
        sample(first, axes=()),
        sample(f"{first}[2,1,3]", axes=(0, 2)),
        sample(f"{first}[1]", axes=(0,)),
    ]
    samples += [sample(f"{d}[2,3]", axes=(1,)) for d in others]
    samples += [sample(f"{first}[0,3]", axes=(0,)), sample(f"{first}[3,0]", axes=(0,))] if empty else []
    wrong = [bad(f"{first}[2,3]", ValueError, axes=axes, jax=Exception) for axes in ((2,), (0, 0))]
    wrong += [bad(f"{d}[2,3]", TypeError, axes=(0,)) for d in refused.split()]
    return op(f"lax.{name}", *samples, order=order, bad=wrong)


_NAN = np.array([[1.0, np.nan, 3.0], [np.inf, 2.0, -np.inf]])

# fmt: off
ROWS: list[Op] = [
    fold("reduce_sum", "f8 f4 i8 i4 u1 c16 bf", order=2, refused="b"),
    fold("reduce_prod", "f8 f4 i8 i4 u1 c16", order=2, refused="b"),
    fold("reduce_max", "f8 f4 i8 u1 b", order=2),
    fold("reduce_min", "f8 f4 i8 u1 b", order=2),
    fold("reduce_and", "i8 u1 b", refused="f8"),
    fold("reduce_or", "i8 u1 b", refused="f8"),
    fold("reduce_xor", "i8 u1 b", refused="f8"),
    *(op(f"lax.{name}", given(_NAN, axes=(1,)), given(_NAN, axes=(0, 1)), label=f"lax.{name}, not finite")
      for name in ("reduce_max", "reduce_min", "reduce_sum", "reduce_prod")),
    op("lax.reduce_prod", given(np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 5.0]]), axes=(1,)), order=2, label="lax.reduce_prod, zeros"),
    *(op(f"lax.{name}", given(np.array([1.0, 3.0, 3.0, 0.0, 0.0]), axes=(0,)), label=f"lax.{name}, ties")
      for name in ("reduce_max", "reduce_min")),
    *(op(f"lax.{name}", sample("f8[2,3]", axis=0, index_dtype="int64"), sample("f8[2,3]", axis=1, index_dtype="int32"),
         sample("i4[3]", axis=0, index_dtype="uint8"), sample("b[3]", axis=0, index_dtype="int64"),
         given(_NAN, axis=1, index_dtype="int64"), given(np.zeros(3), axis=0, index_dtype="int64"), order=1,
         bad=[bad("f8[0]", ValueError, axis=0, index_dtype="int64"), bad("f8[2]", ValueError, axis=1, index_dtype="int64"),
              bad("c16[2]", TypeError, axis=0, index_dtype="int64")])
      for name in ("argmax", "argmin")),
]
