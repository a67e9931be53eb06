"""Rows of ``scipy.stats``: distributions of counts and vectors, quantiles, statistics of samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Op, Sample, bad, given, op, sample

_K = np.array([0.0, 1.0, 2.0, 5.0])
_TRIALS = np.array([4.0, 5.0, 2.0, 9.0])
_CHANCE = np.array([0.3, 0.5, 0.9, 0.2])
_ODD = np.array([-1.0, 0.5, 1.0, 3.0])  # numbers that most counts cannot be
_SIMPLEX = np.array([[0.2, 0.5], [0.3, 0.1], [0.5, 0.4]])
_COVARIANCE = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 1.5]])
_TIES = np.array([[3.0, 1.0, 3.0, 2.0], [1.0, 1.0, 1.0, 0.0]])

# distribution: its functions, and the parameters after the count
_COUNTS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "bernoulli": ("pmf logpmf cdf", (_CHANCE,)),
    "betabinom": ("pmf logpmf", (_TRIALS, 1.0 + _CHANCE, 2.0 + _CHANCE)),
    "binom": ("pmf logpmf", (_TRIALS, _CHANCE)),
    "geom": ("pmf logpmf", (_CHANCE,)),
    "nbinom": ("pmf logpmf", (_TRIALS, _CHANCE)),
    "poisson": ("pmf logpmf cdf", (_TRIALS,)),
}
_QUANTILES = {
    "cauchy": "ppf isf",
    "expon": "ppf",
    "gumbel_l": "ppf",
    "gumbel_r": "ppf",
    "logistic": "ppf isf",
}


def _scipy(name: str) -> Any:
    def call(*xs: Any, **params: Any) -> Any:
        import scipy.stats

        distribution, method = name.split(".")
        with np.errstate(all="ignore"):
            return np.asarray(getattr(getattr(scipy.stats, distribution), method)(*xs, **params))

    return call


def counts(distribution: str, method: str, parameters: tuple[Any, ...]) -> Op:
    """A distribution of counts; derivatives are those by the parameters at possible counts."""
    name = f"{distribution}.{method}"
    ones = tuple(p[0] for p in parameters)
    samples: list[Sample] = [
        given(_K if distribution != "geom" else _K + 1, *parameters),
        given(_ODD, *ones),
    ]
    return op(f"scipy.stats.{name}", *samples, reference=_scipy(name), tolerance=1e-11)


def truncated(method: str) -> Op:
    x = sample("f8[2,3]", (-0.9, 1.9)).operands[0]
    inside = given(x, np.array(-1.0), np.array(2.0))
    return op(
        f"scipy.stats.truncnorm.{method}",
        inside,
        reference=_scipy(f"truncnorm.{method}"),
        order=1,
        tolerance=1e-11,
    )


# fmt: off
ROWS: list[Op] = [
    *(counts(d, method, row[1]) for d, row in _COUNTS.items() for method in row[0].split()),
    op("scipy.stats.bernoulli.ppf", given(np.array([0.1, 0.7, 1.0, 0.0, -0.1]), 0.4)),
    op("scipy.stats.poisson.entropy", given(np.array([0.5, 3.0, 30.0, 200.0])), reference=_scipy("poisson.entropy"), order=1, tolerance=1e-9, within=(0.2, 3)),
    *(truncated(method) for method in "pdf logpdf cdf logcdf sf logsf".split()),
    *(op(f"scipy.stats.{d}.{method}", "f8[2,3]", sample("f8[3] f8 f8", (0.2, 0.9)), order=1, within=(0.05, 0.95))
      for d, methods in _QUANTILES.items() for method in methods.split()),
    op("scipy.stats.pareto.ppf", sample("f8[3] f8", (0.2, 0.9)), sample("f8[3] f8 f8 f8", (0.2, 0.9)), order=1),
    *(op(f"scipy.stats.dirichlet.{method}", given(_SIMPLEX, np.array([1.0, 2.0, 3.0])), given(_SIMPLEX[:2], np.array([0.5, 2.0, 3.0])), batch=False)
      for method in ("pdf", "logpdf")),
    *(op(f"scipy.stats.gennorm.{method}", sample("f8[2,3] f8", (0.5, 2)), sample("f8[3] float", (-2, -0.5)), "f4[3] f4", order=1, within=(0.5, 2))
      for method in ("pdf", "logpdf", "cdf")),
    *(op(f"scipy.stats.wrapcauchy.{method}", given(np.array([0.1, 2.0, 6.0]), np.array([0.2, 0.5, 0.9])), order=1)
      for method in ("pdf", "logpdf")),
    *(op(f"scipy.stats.multinomial.{method}", given(np.array([[1, 2, 3], [0, 1, 5]]), 6, np.array([0.2, 0.3, 0.5])),
         given(np.array([1.0, 2.0, 3.0]), 7, np.array([0.2, 0.3, 0.5])), batch=False, tolerance=1e-11, reference=_scipy(f"multinomial.{method}")) for method in ("pmf", "logpmf")),  # JAX sums counts of all rows
    *(op(f"scipy.stats.multivariate_normal.{method}", given(np.array([[0.1, 0.2, 0.3], [1.0, 2.0, -1.0]]), np.array([0.3, 0.1, -0.1]), _COVARIANCE),
         given(np.array([0.1, 0.2, 0.3]), np.zeros(3), np.stack([_COVARIANCE, 2 * _COVARIANCE])), "f8[2,3] f8[3] f8", "f8[3] f8 f8", "f4[3] f4[3] f4",
         order=1, batch=False, tolerance=1e-11, within=(0.5, 2), bad=[bad("f8[3] f8[3] f8[2,2]", ValueError)]) for method in ("pdf", "logpdf")),
    op("scipy.stats.rankdata", given(_TIES), given(_TIES, axis=1), *(given(_TIES, m, axis=-1) for m in ("min", "max", "dense", "ordinal")), "i8[2,3]", "f4[5]",
       bad=[bad(given(_TIES, "other"), ValueError), bad(given(_TIES, nan_policy="omit"), NotImplementedError)]),
    op("scipy.stats.mode", given(_TIES), given(_TIES, axis=1, keepdims=True), given(_TIES, axis=None), "i8[2,6]",
       bad=[bad(given(_TIES, nan_policy="omit"), NotImplementedError)]),
    op("scipy.stats.sem", "f8[4,3]", sample("f8[4,3]", axis=1, ddof=0, keepdims=True), sample("f8[2,3]", axis=None), "f4[4]", "i8[5]",
       given(np.array([1.0, np.nan, 2.0, 4.0]), nan_policy="omit"), order=1, batch=False),
]
# fmt: on
