"""``jitney.scipy.stats``: one module for each distribution, loaded at first use."""

import importlib as _importlib
from typing import Any as _Any

_DISTRIBUTIONS = (
    "bernoulli",
    "beta",
    "binom",
    "cauchy",
    "chi2",
    "dirichlet",
    "expon",
    "gamma",
    "geom",
    "gumbel_l",
    "gumbel_r",
    "laplace",
    "logistic",
    "nbinom",
    "norm",
    "pareto",
    "poisson",
    "t",
    "truncnorm",
    "uniform",
    "vonmises",
)


def __getattr__(name: str) -> _Any:
    """Import a distribution when it is asked for."""
    if name in _DISTRIBUTIONS:
        return _importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_DISTRIBUTIONS)
