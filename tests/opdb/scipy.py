"""Rows of ``scipy``: special functions and distributions."""

from __future__ import annotations

import numpy as np

from .table import Op, bad, given, op, sample

_P = {"within": (0.2, 3)}
_U = {"within": (0.05, 0.95)}

# fmt: off
ROWS: list[Op] = [
    *(op(f"scipy.special.{n}", "f8[2,3]", "f4[3]", "f8", "i8[2]", "float", given(np.array([0.0, np.inf, -np.inf, np.nan])), order=2,
         bad=[bad(given("text"), TypeError)]) for n in ("erf", "erfc", "expit")),
    op("scipy.special.erfinv", "f8[2,3]", "f4[3]", "float", within=(-0.9, 0.9), order=2),
    *(op(f"scipy.special.{n}", "f8[2,3]", "f4[3]", "f8", "i8[2]", order=2, ints=(1, 6), **_P) for n in ("gammaln", "digamma")),
    op("scipy.special.gamma", "f8[2,3]", "f8", order=1, **_P),
    op("scipy.special.logit", "f8[2,3]", "f4[3]", "float", order=2, **_U),
    *(op(f"scipy.special.{n}", "f8[2,3] f8[3]", "f8[3] float", order=1, **_P) for n in ("xlogy", "xlog1py")),
    *(op(f"scipy.special.{n}", given(np.array([0.0, 0.0, 1.0]), np.array([0.0, 2.0, 0.0])), label=f"scipy.special.{n}, zeros") for n in ("xlogy", "xlog1py")),
    *(op(f"scipy.special.{n}", "f8[2,3]", order=1, **_P) for n in ("entr",)),
    *(op(f"scipy.special.{n}", "f8[2,3]", "f4[3]", order=1) for n in ("ndtr", "log_ndtr", "i0e", "i1e", "i0", "i1")),
    op("scipy.special.ndtri", "f8[2,3]", "f4[3]", order=1, **_U),
    op("scipy.special.betaln", "f8[3] f8[3]", order=1, **_P),
    *(op(f"scipy.special.{n}", "f8[3] f8[3]", tolerance=1e-10, **_P) for n in ("gammainc", "gammaincc")),
    op("scipy.special.logsumexp", sample("f8[2,3]"), sample("f8[2,3]", axis=0), sample("f8[2,3]", axis=(0, 1), keepdims=True), "i8[3]", "f4[3]",
       sample("f8[2,3]", axis=1, b=np.array([0.5, 2.0, 1.0])), given(np.array([-np.inf, -np.inf])), given(np.array([np.inf, 1.0])), given(np.array([1000.0, 1000.0])), order=2),
    *(op(f"scipy.stats.norm.{n}", "f8[2,3]", "f8[2,3] f8[3]", sample("f8[3]", loc=0.5, scale=2.0), "f8 f8", "f4[3]", "float", order=2)
      for n in ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf")),
    *(op(f"scipy.stats.norm.{n}", "f8[2,3]", sample("f8[3]", (0.1, 0.9), loc=0.5, scale=2.0), order=1, **_U) for n in ("ppf", "isf")),
    *(op(f"scipy.stats.uniform.{n}", "f8[2,3]", sample("f8[3]", (0.2, 0.9), loc=0.1, scale=2.0), "float", order=1, weak=False, **_U)
      for n in ("pdf", "logpdf", "cdf", "ppf")),
]
