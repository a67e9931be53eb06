"""Loops and their gradients: ODEs, filters, fixed points, chains, carries of many leaves."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from harness import Thunk
from programs import Program, program

Built = tuple[Any, tuple]

# -- programs: the engine -> (function, arguments)


def _lorenz(x: Any, y: Any, z: Any) -> tuple:
    return 10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z


def lorenz_euler(m: Any) -> Built:
    def run(s0: Any) -> Any:
        def step(s: Any, _: Any) -> tuple:
            new = tuple(a + 0.001 * d for a, d in zip(s, _lorenz(*s), strict=True))
            return new, new[0]

        last, xs = m.lax.scan(step, (s0[0], s0[1], s0[2]), None, length=10_000)
        return last[0] + xs.sum()

    return run, (m.numpy.array([1.0, 1.1, 20.0]),)


def lorenz_rk4(m: Any) -> Built:
    n = m.numpy

    def flow(s: Any) -> Any:
        return n.array(_lorenz(*s))

    def run(s0: Any) -> Any:
        h = 0.0001

        def step(s: Any, _: Any) -> tuple:
            k1 = flow(s)
            k2 = flow(s + h / 2 * k1)
            k3 = flow(s + h / 2 * k2)
            k4 = flow(s + h * k3)
            return s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

        last, _ = m.lax.scan(step, s0, None, length=10_000)
        return last[0] ** 2 + last[1] * last[2]

    return run, (n.array([1.0, 1.1, 20.0]),)


def kalman(m: Any) -> Built:
    """Log-likelihood of a constant-velocity model with two measured coordinates, gains by ``linalg.solve``."""
    n = m.numpy
    rng = np.random.default_rng(0)
    data = n.array(np.cumsum(rng.normal(size=(1000, 2)), axis=0))

    def run(noise: Any, data: Any) -> Any:
        forward = n.array([[1.0, 0.1], [0.0, 1.0]])
        process = noise[0] ** 2 * n.array([[0.1, 0.05], [0.05, 0.1]])
        seen = n.eye(2)
        error = noise[1] ** 2 * n.eye(2)

        def step(state: Any, z: Any) -> tuple:
            mean, cov = state
            mean, cov = forward @ mean, forward @ cov @ forward.T + process
            s = seen @ cov @ seen.T + error
            gain = n.linalg.solve(s, seen @ cov).T
            r = z - seen @ mean
            likelihood = r @ n.linalg.solve(s, r) + n.log(s[0, 0] * s[1, 1] - s[0, 1] * s[1, 0])
            return (mean + gain @ r, cov - gain @ seen @ cov), likelihood

        _, terms = m.lax.scan(step, (n.zeros(2), n.eye(2)), data)
        return -0.5 * terms.sum()

    return run, (n.array([0.7, 1.3]), data)


def newton(m: Any) -> Built:
    def run(a: Any) -> Any:
        return m.lax.fori_loop(0, 100_000, lambda i, x: 0.5 * (x + a / x) + 1e-9 * i, a)

    return run, (m.numpy.array(2.0),)


def root_finder(m: Any) -> Built:
    """Kepler's equation for 10,000 orbits, each iterated until it has converged."""
    n = m.numpy

    def solve(mean: Any, e: Any) -> Any:
        def going(state: Any) -> Any:
            return (n.abs(state[1]) > 1e-12) & (state[2] < 50)

        def step(state: Any) -> tuple:
            x, _, k = state
            delta = (x - e * n.sin(x) - mean) / (1 - e * n.cos(x))
            return x - delta, delta, k + 1

        return m.lax.while_loop(going, step, (mean, n.ones_like(mean), 0))[0]

    rng = np.random.default_rng(1)
    return m.vmap(solve), (n.array(rng.uniform(0, 6.28, 10_000)), n.array(rng.uniform(0, 0.9, 10_000)))


def products(m: Any) -> Built:
    n = m.numpy
    angles = np.random.default_rng(2).uniform(0, 1, 100_000)
    rows = [[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]
    matrices = n.array(np.moveaxis(np.array(rows), -1, 0))
    return lambda a: m.lax.associative_scan(lambda x, y: n.matmul(x, y), a), (matrices,)


def matrix_scan(m: Any) -> Built:
    n = m.numpy
    start = n.array(np.random.default_rng(3).normal(size=(3, 3)) * 1.2)

    def run(a: Any) -> Any:
        last, _ = m.lax.scan(lambda c, _: (n.tanh(a @ c) + 0.1 * c, None), n.eye(3), None, length=1000)
        return last.sum()

    return run, (start,)


def in_place(m: Any) -> Built:
    n = m.numpy

    def run(x: Any) -> Any:
        return m.lax.fori_loop(2, 1000, lambda i, x: x.at[i].set(n.sin(x[i - 1]) + 0.5 * x[i - 2]), x).sum()

    return run, (n.array(np.random.default_rng(4).normal(size=1000)),)


def leaves(m: Any, count: int) -> Built:
    n = m.numpy

    def run(start: Any) -> Any:
        def step(c: Any, _: Any) -> tuple:
            return tuple(0.9 * c[i] + 0.1 * n.sin(c[(i + 1) % count]) for i in range(count)), None

        last, _ = m.lax.scan(step, tuple(start[i] for i in range(count)), None, length=1000)
        return sum(last)

    return run, (n.array(np.random.default_rng(5).normal(size=count)),)


def metropolis(m: Any) -> Built:
    """Random-walk Metropolis of a Gaussian in two dimensions; its gradient is that of the mean of the path."""
    n = m.numpy

    def run(scale: Any, key: Any) -> Any:
        def step(state: Any, key: Any) -> tuple:
            x, logp = state
            k1, k2 = m.random.split(key)
            y = x + scale * m.random.normal(k1, (2,))
            new = -0.5 * (y @ y)
            accept = n.log(m.random.uniform(k2)) < new - logp
            return (n.where(accept, y, x), n.where(accept, new, logp)), x[0]

        start = n.zeros(2)
        _, path = m.lax.scan(step, (start, -0.5 * (start @ start)), m.random.split(key, 1000))
        return path.mean()

    return run, (n.array(0.8), m.random.PRNGKey(0))


# -- by numba -------------------------------------------------------------------------------------------


def lorenz_numba() -> Thunk:
    import numba

    @numba.njit
    def run(x: float, y: float, z: float) -> float:
        total = 0.0
        for _ in range(10_000):
            dx, dy, dz = 10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z
            x, y, z = x + 0.001 * dx, y + 0.001 * dy, z + 0.001 * dz
            total += x
        return x + total

    return lambda: run(1.0, 1.1, 20.0)


def newton_numba() -> Thunk:
    import numba

    @numba.njit
    def run(a: float) -> float:
        x = a
        for i in range(100_000):
            x = 0.5 * (x + a / x) + 1e-9 * i
        return x

    return lambda: run(2.0)


def kepler_numba() -> Thunk:
    import numba

    @numba.njit
    def run(means: Any, es: Any) -> Any:
        out = np.empty_like(means)
        for i in range(means.size):
            x, delta, k = means[i], 1.0, 0
            while abs(delta) > 1e-12 and k < 50:
                delta = (x - es[i] * np.sin(x) - means[i]) / (1 - es[i] * np.cos(x))
                x, k = x - delta, k + 1
            out[i] = x
        return out

    rng = np.random.default_rng(1)
    args = rng.uniform(0, 6.28, 10_000), rng.uniform(0, 0.9, 10_000)
    return lambda: run(*args)


# -- the cases ------------------------------------------------------------------------------------------

CASES: tuple[tuple[str, Program, dict[str, Any]], ...] = (
    ("Lorenz, Euler scan, 10k steps", lorenz_euler, {"target": 1.0, "numba": lorenz_numba}),
    (
        "Lorenz, RK4 scan, 10k steps",
        lorenz_rk4,
        {"target": 0.7, "gradient": 3.0, "gradient_target": 0.05},
    ),
    (
        "Kalman filter, 1000 steps",
        kalman,
        {"target": 0.15, "gradient": 3.0, "gradient_target": 0.15, "memory": True},
    ),
    ("Newton, fori_loop, 100k", newton, {"target": 1.0, "numba": newton_numba}),
    ("Kepler, vmap of while_loop, 10k", root_finder, {"target": 0.5, "numba": kepler_numba}),
    ("associative_scan, 100k 2x2 products", products, {"target": 0.5}),
    ("3x3 matrix scan", matrix_scan, {"gradient": 3.0}),
    ("in-place fori_loop", in_place, {"gradient": 3.0}),
    ("scan with 16 leaves", partial(leaves, count=16), {"gradient": 3.0}),
    ("scan with 60 leaves", partial(leaves, count=60), {"gradient": 3.0}),
    ("Metropolis, 1000 steps", metropolis, {"gradient": 3.0}),
)
for _name, _program, _options in CASES:
    program(_name, "loops", numpy=False, first=0.35, **_options)(_program)
