"""The tour's fits: an exponential decay by scipy.optimize.minimize, a velocity dispersion by emcee."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import case
from tour_programs import ERRORS, VELOCITIES, both, log_posterior, log_posterior_numpy, modules

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


# -- compiled loops against SciPy and emcee with the other's derivatives


def _starts(walkers: int) -> Any:
    return np.array([148.0, 21.0]) + 0.1 * np.random.default_rng(4).normal(size=(walkers, 2))


def _summary(chain: Any) -> Any:
    """Samplers draw other numbers: what must agree is where the posterior is, up to a tenth."""
    return np.round(np.mean(chain, axis=0) / 100)


def _ensemble(steps: int) -> Any:
    from jitney.ensemble import EnsembleSampler
    from jitney.numpy import array

    _, n, stats = modules()["jitney"]
    args = (array(VELOCITIES), array(ERRORS))
    sampler = EnsembleSampler(100, 2, log_posterior(n, stats), args=args, seed=5)

    def run() -> Any:
        sampler.reset()
        sampler.run_mcmc(_starts(100), steps)
        return sampler.get_chain(flat=True)

    return run


def _emcee(log_prob: Any, steps: int, vectorize: bool = False) -> Any:
    import emcee

    sampler = emcee.EnsembleSampler(100, 2, log_prob, vectorize=vectorize)

    def run() -> Any:
        sampler.reset()
        sampler.run_mcmc(_starts(100), steps)
        return sampler.get_chain(flat=True)

    return run


@case(
    "ensemble sampler, 100 walkers x 200 steps, one at a time",
    "fits",
    0.10,
    repeats=3,
    least_seconds=0.0,
    check=_summary,
)
def _() -> dict[str, Any]:
    m, n, stats = modules()["jax"]
    f = m.jit(log_posterior(n, stats))
    v, dv = n.array(VELOCITIES), n.array(ERRORS)
    return {
        "jitney": _ensemble(200),
        "jax": _emcee(lambda p: float(f(p, v, dv)), 200),
        "numpy": _emcee(lambda p: log_posterior_numpy(p, VELOCITIES, ERRORS), 200),
    }


@case(
    "ensemble sampler, 100 walkers x 1000 steps, vmap",
    "fits",
    0.20,
    repeats=3,
    least_seconds=0.0,
    check=_summary,
)
def _() -> dict[str, Any]:
    m, n, stats = modules()["jax"]
    f = m.jit(m.vmap(log_posterior(n, stats), in_axes=(0, None, None)))
    v, dv = n.array(VELOCITIES), n.array(ERRORS)
    return {
        "jitney": _ensemble(1000),
        "jax": _emcee(lambda p: np.asarray(f(p, v, dv)), 1000, vectorize=True),
    }


def _model(n: Any) -> Any:
    return lambda t, a, b, c: a * n.exp(-t / b) + c


def _values(fits: Any) -> Any:
    """The misfits, which do not depend on the last digits of parameters."""
    f = loss(np)
    return [round(float(f(np.asarray(p), TIMES, data, SIGMA)), 5) for p, data in zip(fits, DATA, strict=True)]


@case("minimize 12 fits, exact gradients", "fits", 0.10, check=lambda fits: [round(f.fun, 6) for f in fits])
def _() -> dict[str, Any]:
    from scipy.optimize import minimize

    import jitney.numpy
    from jitney import optimize

    own, options = loss(jitney.numpy), {"x0": START, "tol": 1e-6}
    m, n, _ = modules()["jax"]
    both_at_once = m.jit(m.value_and_grad(loss(n)))
    plain = loss(np)
    with_arguments = [(TIMES, data, SIGMA) for data in DATA]
    return {
        "jitney": lambda: [optimize.minimize(own, args=a, **options) for a in with_arguments],
        "jax": lambda: [minimize(both_at_once, args=a, jac=True, **options) for a in with_arguments],
        "numpy": lambda: [minimize(plain, args=a, **options) for a in with_arguments],
    }


@case("curve_fit 12 fits, exact Jacobians", "fits", 0.30, check=_values)
def _() -> dict[str, Any]:
    from scipy.optimize import curve_fit

    import jitney.numpy
    from jitney import optimize

    own, plain = _model(jitney.numpy), _model(np)
    m, n, _ = modules()["jax"]
    f = m.jit(_model(n))
    columns = m.jit(lambda t, *p: n.stack(m.jacfwd(_model(n), argnums=(1, 2, 3))(t, *p), axis=1))
    return {
        "jitney": lambda: [optimize.curve_fit(own, TIMES, data, START, SIGMA)[0] for data in DATA],
        "jax": lambda: [curve_fit(f, TIMES, data, START, SIGMA, jac=columns)[0] for data in DATA],
        "numpy": lambda: [curve_fit(plain, TIMES, data, START, SIGMA)[0] for data in DATA],
    }


@case(
    "curve_fit 1000 data sets, vmap", "fits", also={"numpy": 0.1}, repeats=3, check=lambda x: np.round(x, 2)
)
def _() -> dict[str, Any]:
    from scipy.optimize import curve_fit

    import jitney
    import jitney.numpy
    from jitney import optimize

    noise = 0.02 * np.random.default_rng(6).normal(size=(1000, 15))
    many = np.exp(-TIMES / 100.0) + 5.0 + noise
    own, plain = _model(jitney.numpy), _model(np)
    fits = jitney.jit(jitney.vmap(lambda y: optimize.curve_fit(own, TIMES, y, START, SIGMA)[0]))
    return {
        "jitney": lambda: np.asarray(fits(many)),
        "numpy": lambda: np.array([curve_fit(plain, TIMES, y, START, SIGMA)[0] for y in many]),
    }


@case("curve_fit 12 fits, bounds", "fits", 0.30, check=_values)
def _() -> dict[str, Any]:
    from scipy.optimize import curve_fit

    import jitney.numpy
    from jitney import optimize

    own, plain, bounds = _model(jitney.numpy), _model(np), ([0, 0, 0], [10, 1000, 20])
    m, n, _ = modules()["jax"]
    f = m.jit(_model(n))
    columns = m.jit(lambda t, *p: n.stack(m.jacfwd(_model(n), argnums=(1, 2, 3))(t, *p), axis=1))
    args = [(TIMES, data, START, SIGMA) for data in DATA]
    return {
        "jitney": lambda: [optimize.curve_fit(own, *a, bounds=bounds)[0] for a in args],
        "jax": lambda: [curve_fit(f, *a, bounds=bounds, jac=columns)[0] for a in args],
        "numpy": lambda: [curve_fit(plain, *a, bounds=bounds)[0] for a in args],
    }


@case("minimize Rosenbrock of 10, exact gradients", "fits", 0.10, check=lambda fit: np.round(fit.x, 4))
def _() -> dict[str, Any]:
    from scipy.optimize import minimize, rosen

    import jitney.numpy
    from jitney import optimize

    def rosenbrock(n: Any) -> Any:
        return lambda x: n.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    start = np.linspace(-1.0, 0.8, 10)
    own = rosenbrock(jitney.numpy)
    m, n, _ = modules()["jax"]
    both_at_once = m.jit(m.value_and_grad(rosenbrock(n)))
    return {
        "jitney": lambda: optimize.minimize(own, start, tol=1e-7),
        "jax": lambda: minimize(both_at_once, start, jac=True, tol=1e-7),
        "numpy": lambda: minimize(rosen, start),
    }
