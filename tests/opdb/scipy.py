"""Rows of ``scipy``: special functions and distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Op, bad, given, op, sample

_P = {"within": (0.2, 3)}
_U = {"within": (0.05, 0.95)}

# name: (text of operands after x, their range, the range of x, methods); values are SciPy's
_DISTRIBUTIONS: dict[str, tuple[str, tuple[float, float], tuple[float, float], str]] = {
    "beta": ("f8[3] f8[3]", (1.2, 3), (0.1, 0.9), "pdf logpdf cdf logcdf sf logsf"),
    "cauchy": ("f8 f8", (0.5, 2), (-2, 2), "pdf logpdf cdf logcdf sf logsf"),
    "chi2": ("f8", (2.5, 5), (0.5, 4), "pdf logpdf cdf logcdf sf logsf"),
    "expon": ("f8 f8", (0.1, 0.9), (1, 3), "pdf logpdf cdf logcdf sf logsf"),
    "gamma": ("f8", (1.2, 3), (0.5, 4), "pdf logpdf cdf logcdf sf logsf"),
    "gumbel_l": ("f8 f8", (0.5, 2), (-1, 2), "pdf logpdf cdf logcdf sf logsf"),
    "gumbel_r": ("f8 f8", (0.5, 2), (-1, 2), "pdf logpdf cdf logcdf sf logsf"),
    "laplace": ("f8 f8", (0.5, 0.9), (1, 2), "pdf logpdf cdf"),
    "logistic": ("f8 f8", (0.5, 2), (-1, 2), "pdf logpdf cdf sf"),
    "pareto": ("f8", (1.5, 3), (1.2, 3), "pdf logpdf cdf logcdf sf logsf"),
    "t": ("f8", (2, 5), (-1, 2), "pdf logpdf"),
    "uniform": ("f8 f8", (0.1, 0.2), (0.21, 0.29), "sf"),
    "vonmises": ("f8", (0.5, 2), (-1, 2), "pdf logpdf"),
}


def _scipy_stats(name: str, method: str) -> Any:
    def call(*xs: Any) -> Any:
        import scipy.stats

        return np.asarray(getattr(getattr(scipy.stats, name), method)(*xs))

    return call


def distribution(name: str, method: str) -> Op:
    others, within, x_within, _ = _DISTRIBUTIONS[name]
    x, rest = sample("f8[2,3]", x_within), sample(others, within)
    order = (
        0 if name == "beta" or name in ("gamma", "chi2") and "pdf" not in method else 1
    )  # in their shape parameters
    return op(
        f"scipy.stats.{name}.{method}",
        given(*x.operands, *rest.operands),
        reference=_scipy_stats(name, method),
        order=order,
        tolerance=1e-9,
    )


def _scipy_special(name: str) -> Any:
    def call(*xs: Any) -> Any:
        import scipy.special

        return np.asarray(getattr(scipy.special, name)(*xs))

    return call


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
    *(distribution(name, method) for name, row in _DISTRIBUTIONS.items() for method in row[3].split()),
    op("scipy.special.log_softmax", "f8[2,3]", sample("f8[2,3]", axis=0), order=2),
    op("scipy.special.softmax", "f8[2,3]", sample("f8[2,3]", axis=0), order=2),
    *(op(f"scipy.special.{n}", "f8[3] f8[3]", order=1, **_P) for n in ("rel_entr", "kl_div", "beta")),
    *(op(f"scipy.special.{n}", given(np.array([0.0, 1.0, 5.0]), *rest), weak=False) for n, rest in (("factorial", ()), ("gammasgn", ()), ("poch", (np.array([1.0, 2.0, 3.0]),)))),
    *(op(f"scipy.special.{n}", "f8[2,3]", "f4[3]", "f8", "i8[2]", "float", order=2, ints=(1, 6), bad=[bad(given("text"), TypeError)], **_P)
      for n in ("erfcx", "dawsn", "expi")),
    op("scipy.special.exp1", "f8[2,3]", "f4[3]", "f8", "i8[2]", "float", reference=_scipy_special("exp1"), order=2, ints=(1, 6), **_P),
    *(op(f"scipy.special.{n}", "f8[2,3]", "f4[3]", "i8[2]", "float", order=2, ints=(1, 6), **_P) for n in ("sici", "fresnel")),
    op("scipy.special.spence", "f8[2,3]", "f4[3]", "float", order=2, bad=[bad("i8[2]", TypeError)], **_P),
    *(op(f"scipy.special.{n}", "f8[2,3] f8[3]", "f4[3] f4[3]", "float f8[3]", "float float", order=2, **_P) for n in ("boxcox", "boxcox1p")),
    op("scipy.special.boxcox", given(np.array([0.0, 0.0, 0.0, 2.0, -1.0]), np.array([1.0, 0.0, -1.0, 0.0, 1.0])), label="scipy.special.boxcox, edges"),
    op("scipy.special.owens_t", "f8[2,3] f8[3]", "f8[3] f8[3]", "float f8[3]", order=2),
    op("scipy.special.expn", given(np.array([0.0, 1.0, 2.0, 5.0]), np.array([0.5, 0.2, 1.5, 3.0])), given(np.array([2, 3]), np.array([0.5, 1.5], np.float32)),
       given(np.array([-1.0, 2.5, 1.0]), np.array([1.0, 1.0, 0.0])), batch=False),
    op("scipy.special.bessel_jn", sample("f8[2,3]", v=3), sample("f8", v=0), sample("i8[2]", (0, 1), (1, 6), v=2), order=1,
       bad=[bad("c16[2]", ValueError, v=2), bad("f8[2]", TypeError, v=1.5)], **_P),
    op("scipy.special.hyp1f1", "f8[2,3] f8[3] f8[3]", "f4[3] f4[3] float", "i8[2] float float", reference=_scipy_special("hyp1f1"), order=1, ints=(1, 6), tolerance=1e-11, **_P),
    op("scipy.special.hyp2f1", "f8[3] f8[3] f8[3] f8[3]", reference=_scipy_special("hyp2f1"), order=1, tolerance=1e-11, **_U),
    op("scipy.special.wofz", "f8[2,3]", "f4[3]", "c16[2,3]", "c8[3]", "float", order=1),
    op("scipy.special.erfcx", "c16[2,3]", label="scipy.special.erfcx, complex"),
    op("scipy.special.loggamma", "f8[2,3]", "f4[3]", "i8[2]", "float", order=2, ints=(1, 6), **_P),
    op("scipy.special.loggamma", "c16[2,3]", "c8[3]", tolerance=1e-11, label="scipy.special.loggamma, complex", **_P),
    op("scipy.special.sph_harm_y", given(np.array([0, 2, 3, 4]), np.array([0, 1, -2, 4]), np.array([0.3, 0.5, 1.0, 2.0]), np.array([0.4, 1.0, 2.0, 3.0])), batch=False,
       bad=[bad(given(np.array([1.0]), np.array([1]), np.array([0.3]), np.array([0.4])), TypeError), bad(given(np.array([1]), np.array([1]), np.array([0.3]), np.array([0.4]), diff_n=1), NotImplementedError)]),
    op("scipy.special.betainc", "f8[3] f8[3] f8[3]", "f8[2,3] float f8[3]", order=1, reference=_scipy_special("betainc"), tolerance=1e-11, **_U),
    op("scipy.special.zeta", "f8[3] f8[3]", "f8 f8", order=1, reference=_scipy_special("zeta"), tolerance=1e-11, within=(1.2, 3)),
    op("scipy.special.polygamma", given(np.array([0, 1, 2]), np.array([0.5, 1.5, 2.5])), given(2, np.array([0.5, 1.5])), bad=[bad("f8[2] f8[2]", ValueError)], batch=False),
    op("scipy.special.comb", given(np.array([5.0, 10.0, 3.0]), np.array([2.0, 3.0, 4.0])), sample("f8[3] f8[3]", (3, 8), repetition=True), order=1, within=(1, 6)),
    op("scipy.special.multigammaln", sample("f8[3]", (3, 6), d=3), sample("f8", (3, 6), d=1), order=1),
    op("scipy.special.bernoulli", given(0), given(1), given(2), reference=_scipy_special("bernoulli"), bad=[bad(given(-1), ValueError)], concrete=True),
]
# fmt: on
