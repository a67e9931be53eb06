"""Rows of ``lax``: sorting and cumulative functions."""

from __future__ import annotations

import numpy as np

from .table import Op, bad, given, op, sample

_NAN = np.array([3.0, np.nan, -np.inf, 1.0, np.inf, -0.0, 0.0])

# fmt: off
ROWS: list[Op] = [
    op("lax.sort", sample("f8[5]"), sample("f8[3,4]", dimension=0), sample("i4[5]"), sample("b[3]"), sample("u1[4]"), sample("f4[5]"), given(_NAN), order=2,
       bad=[bad("f8[3]", ValueError, dimension=1, jax=Exception), bad("f8", (TypeError, ValueError), jax=Exception)]),
    op("lax.sort", "f8[0]", "f8[2,0]", order=1, label="lax.sort, nothing"),
    op("lax.sort", given((np.array([2.0, 1.0, 2.0]), np.arange(3)), num_keys=1), given((np.array([1, 1, 0]), np.array([3.0, 2.0, 1.0])), num_keys=2), label="lax.sort, several"),
    op("lax.sort_key_val", "f8[5] f8[5]", "i8[5] f8[5]", order=1, batch=False),
    op("lax.top_k", sample("f8[5]", k=2), sample("f8[2,5]", k=3), sample("i8[4]", k=4), order=1),
    *(op(f"lax.{n}", sample("f8[5]"), sample("f8[3,4]", axis=1), sample("f8[3,4]", axis=0, reverse=True), sample("i8[5]"), sample("f4[4]"), "f8[0]", order=2,
         bad=[bad("f8[3]", ValueError, axis=1, jax=Exception)]) for n in ("cumsum", "cumprod")),
    *(op(f"lax.{n}", sample("f8[5]"), sample("f8[3,4]", axis=1), sample("f8[3,4]", axis=0, reverse=True), sample("i8[5]"), given(_NAN), order=1) for n in ("cummax", "cummin")),
    op("lax.cumlogsumexp", sample("f8[5]"), sample("f8[3,4]", axis=1, reverse=True), order=2),
]
