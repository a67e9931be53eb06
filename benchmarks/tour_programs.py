"""The tour's programs: the Plummer profile, statistics of many rows, the velocity log-posterior."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import case
from programs import ready


def modules() -> dict[str, tuple[Any, Any, Any]]:
    """``{name: (package, numpy, scipy.stats)}`` of the two engines."""
    import jax
    import jax.numpy
    import jax.scipy.stats

    import jitney
    import jitney.numpy
    import jitney.scipy.stats

    return {
        "jitney": (jitney, jitney.numpy, jitney.scipy.stats),
        "jax": (jax, jax.numpy, jax.scipy.stats),
    }


def both(build: Any) -> dict[str, Any]:
    return {name: build(*room) for name, room in modules().items()}


# -- Plummer ------------------------------------------------------------------------------------------

RADII = np.linspace(0, 1000, 1_000_000)


def plummer(n: Any) -> Any:
    return lambda r, sigma0, a: n.sqrt(sigma0**2 / n.sqrt(1 + r**2 / a**2))


def _plummer_numba() -> Any:
    import numba

    @numba.njit(parallel=True)
    def f(r: Any, sigma0: float, a: float) -> Any:
        out = np.empty_like(r)
        for i in numba.prange(r.size):
            out[i] = np.sqrt(sigma0**2 / np.sqrt(1 + r[i] ** 2 / a**2))
        return out

    return lambda: f(RADII, 15.0, 200.0)


@case("Plummer 1M, compiled", "tour", 0.40)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any, _: Any) -> Any:
        f = m.jit(plummer(n))
        return lambda: ready(f(RADII, 15, 200))

    run = plummer(np)
    return both(build) | {"numpy": lambda: run(RADII, 15, 200), "numba": _plummer_numba()}


@case("Plummer 1M, compiled", "tour", 0.30, kind="first", repeats=9)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any, _: Any) -> Any:
        def fresh() -> Any:
            f = m.jit(plummer(n))
            return lambda: ready(f(RADII, 15, 200))

        return fresh

    return both(build)


@case("Plummer 1M, eager", "tour", 1.0)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any, _: Any) -> Any:
        f, r = plummer(n), n.array(RADII)
        return lambda: ready(f(r, 15, 200))

    run = plummer(np)
    return both(build) | {"numpy": lambda: run(RADII, 15, 200)}


# -- statistics of rows ---------------------------------------------------------------------------------

ROWS = np.random.default_rng(1).normal(loc=np.arange(50)[:, None], size=(50, 1000))


def statistics_of(n: Any) -> Any:
    return lambda x: (n.mean(x), n.std(x))


@case("mean and std of 50 x 1000, Python loop", "tour", 0.30)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any, _: Any) -> Any:
        f, data = statistics_of(n), n.array(ROWS)
        return lambda: ready(n.array([f(x) for x in data]))

    f = statistics_of(np)
    return both(build) | {"numpy": lambda: np.array([f(x) for x in ROWS])}


@case("mean and std of 50 x 1000, vmap eager", "tour", 0.50)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any, _: Any) -> Any:
        f, data = m.vmap(statistics_of(n)), n.array(ROWS)
        return lambda: ready(f(data))

    return both(build) | {"numpy": lambda: (ROWS.mean(1), ROWS.std(1))}


@case("mean and std of 50 x 1000, vmap and jit", "tour", 0.40)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any, _: Any) -> Any:
        f, data = m.jit(m.vmap(statistics_of(n))), n.array(ROWS)
        return lambda: ready(f(data))

    return both(build) | {"numpy": lambda: (ROWS.mean(1), ROWS.std(1))}


# -- the velocity log-posterior --------------------------------------------------------------------------

_rng = np.random.default_rng(2)
ERRORS = np.abs(_rng.normal(0, 1, 1000)) + 0.1
VELOCITIES = _rng.normal(150, 20, 1000) + ERRORS * _rng.normal(size=1000)
POINT = np.array([150.0, 20.0])


def log_posterior(n: Any, stats: Any) -> Any:
    def log_likelihood(params: Any, v: Any, dv: Any) -> Any:
        mean, std = params
        return n.sum(stats.norm.logpdf(v, loc=mean, scale=n.sqrt(std**2 + dv**2)))

    def log_prior(params: Any) -> Any:
        mean, std = params
        return n.sum(
            stats.uniform.logpdf(loc=n.array([0, 0]), scale=n.array([200, 100]), x=n.array([mean, std]))
        )

    return lambda params, v, dv: log_likelihood(params, v, dv) + log_prior(params)


def log_posterior_numpy(params: Any, v: Any, dv: Any) -> float:
    """The likelihood as a careful NumPy user writes it: few passes, no distribution objects."""
    mean, std = params
    if not (0 <= mean <= 200 and 0 <= std <= 100):
        return -np.inf
    variance = std**2 + dv**2
    likelihood = -0.5 * np.sum((v - mean) ** 2 / variance + np.log(2 * np.pi * variance))
    return likelihood - np.log(200.0) - np.log(100.0)


def log_posterior_numba() -> Any:
    import math

    import numba

    @numba.njit
    def f(params: Any, v: Any, dv: Any) -> float:
        mean, std = params[0], params[1]
        if not (0 <= mean <= 200 and 0 <= std <= 100):
            return -math.inf
        total = 0.0
        for i in range(v.size):
            variance = std * std + dv[i] * dv[i]
            total += (v[i] - mean) ** 2 / variance + math.log(2 * math.pi * variance)
        return -0.5 * total - math.log(200.0) - math.log(100.0)

    return f


def _compiled(against_arrays: bool) -> Any:
    def build(m: Any, n: Any, stats: Any) -> Any:
        f = m.jit(log_posterior(n, stats))
        convert = n.array if against_arrays else np.array
        args = [convert(a) for a in (POINT, VELOCITIES, ERRORS)]
        return lambda: ready(f(*args))

    return build


def _others() -> dict[str, Any]:
    compiled = log_posterior_numba()
    return {
        "numpy": lambda: log_posterior_numpy(POINT, VELOCITIES, ERRORS),
        "numba": lambda: compiled(POINT, VELOCITIES, ERRORS),
    }


@case("log-posterior, compiled, NumPy arrays in", "tour", 0.30, kind="first", repeats=9)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any, stats: Any) -> Any:
        def fresh() -> Any:
            f = m.jit(log_posterior(n, stats))
            return lambda: ready(f(POINT, VELOCITIES, ERRORS))

        return fresh

    return both(build)


@case("log-posterior, compiled, NumPy arrays in", "tour", 0.10, also={"numba": 1.0})
def _() -> dict[str, Any]:
    return both(_compiled(False)) | _others()


@case("log-posterior, compiled, own arrays in", "tour", 0.10)
def _() -> dict[str, Any]:
    return both(_compiled(True))


@case("log-posterior, eager", "tour", 0.10)
def _() -> dict[str, Any]:
    def build(m: Any, n: Any, stats: Any) -> Any:
        f = log_posterior(n, stats)
        return lambda: ready(f(POINT, VELOCITIES, ERRORS))

    return both(build)


@case("log-posterior of 100 walkers, vmap and jit", "tour", 0.50)
def _() -> dict[str, Any]:
    walkers = POINT + _rng.normal(size=(100, 2))

    def build(m: Any, n: Any, stats: Any) -> Any:
        f = m.jit(m.vmap(log_posterior(n, stats), in_axes=(0, None, None)))
        return lambda: ready(f(walkers, VELOCITIES, ERRORS))

    return both(build) | {"numpy": lambda: [log_posterior_numpy(p, VELOCITIES, ERRORS) for p in walkers]}
