"""The tour's fits: an exponential decay by scipy.optimize.minimize, a velocity dispersion by emcee."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import case
from tour_programs import ERRORS, VELOCITIES, both, log_posterior, log_posterior_numpy

_rng = np.random.default_rng(3)
TIMES = np.linspace(0.0, 1000.0, 15)
SIGMA = np.full(15, 0.1)
# How many evaluations BFGS takes from finite differences is luck (rounding decides): average over data sets.
DATA = np.exp(-TIMES / 100.0) + 5.0 + SIGMA * _rng.normal(size=(12, 15))
START = (5.0, 200.0, 10.0)


def loss(n: Any) -> Any:
    def decay(t: Any, a: Any, b: Any, c: Any) -> Any:
        return a * n.exp(-t / b) + c

    return lambda params, t, y, s: n.sum(0.5 * ((decay(t, *params) - y) / s) ** 2)


def _minimize(fun: Any, jac: Any = None) -> list[Any]:
    """The fit of each data set."""
    from scipy.optimize import minimize

    def fit(data: Any) -> Any:
        gradient = None if jac is None else (lambda p: jac(p, TIMES, data, SIGMA))
        return minimize(lambda p: fun(p, TIMES, data, SIGMA), x0=START, tol=1e-10, jac=gradient)

    return [fit(data) for data in DATA]


@case("minimize 12 fits, eager", "fits", 0.20, repeats=5)
def _() -> dict[str, Any]:
    f = loss(np)
    return both(lambda m, n, s: lambda: _minimize(loss(n))) | {"numpy": lambda: _minimize(f)}


@case("minimize 12 fits, jit", "fits", 0.40)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any, _: Any) -> Any:
        f = m.jit(loss(n))
        return lambda: _minimize(f)

    f = loss(np)
    return both(build) | {"numpy": lambda: _minimize(f)}


@case("minimize 12 fits, jit and gradient", "fits", 0.40)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any, _: Any) -> Any:
        f, g = m.jit(loss(n)), m.jit(m.jacobian(loss(n)))
        return lambda: _minimize(f, g)

    return both(build)


def _sample(fun: Any, steps: int) -> Any:
    import emcee

    start = np.array([130.0, 10.0]) + 0.1 * np.random.default_rng(4).normal(size=(100, 2))
    sampler = emcee.EnsembleSampler(100, 2, fun, args=(VELOCITIES, ERRORS))
    sampler.random_state = np.random.RandomState(5).get_state()
    return sampler.run_mcmc(start, steps)


@case(
    "emcee, 100 walkers x 1000 steps, compiled",
    "fits",
    0.35,
    also={"numpy": 1 / 1.8},
    repeats=3,
    least_seconds=0.0,
)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any, stats: Any) -> Any:
        f = m.jit(log_posterior(n, stats))
        return lambda: _sample(f, 1000)

    return both(build) | {"numpy": lambda: _sample(log_posterior_numpy, 1000)}


@case("emcee, 100 walkers x 5 steps, eager", "fits", 0.10, repeats=3, least_seconds=0.0)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any, stats: Any) -> Any:
        f = log_posterior(n, stats)
        return lambda: _sample(f, 5)

    return both(build)
