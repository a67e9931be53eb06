"""Physics and geometry: N-body, stencils, spectral solvers, fractals, rotations, spherical harmonics."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import Thunk
from programs import Engine, normal, program, uniform

GROUP = "simulation"
BODIES = 1000


def _accelerations(n: Any, x: Any, mass: Any) -> Any:
    """Softened gravity of all pairs."""
    d = x[None, :, :] - x[:, None, :]
    r2 = (d**2).sum(-1) + 1e-2
    return (d * (mass / (r2 * n.sqrt(r2)))[:, :, None]).sum(1)


def _single(answer: Any) -> Any:
    """Solvers agree within their tolerances, not to the last place."""
    return np.float32(answer)


@program(
    "Lotka-Volterra by odeint, 100 times",
    GROUP,
    numpy=False,
    target=0.33,
    gradient=4.0,
    gradient_target=0.33,
    check=_single,
)
def _(m: Engine) -> Any:
    def slope(y: Any, t: Any, p: Any) -> Any:
        return m.np.stack([p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]])

    def energy(p: Any, y0: Any, ts: Any) -> Any:
        return (m.ode.odeint(slope, y0, ts, p) ** 2).mean()

    return energy, (np.array([1.5, 1.0, 3.0, 1.0]), np.array([10.0, 5.0]), np.linspace(0.0, 15.0, 100))


def _numba_forces() -> Thunk:
    import numba

    @numba.njit(fastmath=True)
    def forces(x: Any, mass: Any) -> Any:
        out = np.zeros_like(x)
        for i in range(len(x)):
            a = b = c = 0.0
            for j in range(len(x)):
                u, v, w = x[j, 0] - x[i, 0], x[j, 1] - x[i, 1], x[j, 2] - x[i, 2]
                r2 = u * u + v * v + w * w + 1e-2
                f = mass[j] / (r2 * np.sqrt(r2))
                a, b, c = a + f * u, b + f * v, c + f * w
            out[i, 0], out[i, 1], out[i, 2] = a, b, c
        return out

    return lambda: forces(normal(BODIES, 3), uniform(0.0, 1.0, BODIES))


@program("N-body forces, n=1000", GROUP, numba=_numba_forces, memory=True)
def _(m: Engine) -> Any:
    return lambda x, mass: _accelerations(m.np, x, mass), (normal(BODIES, 3), uniform(0.0, 1.0, BODIES))


@program("N-body potential, n=1000", GROUP, gradient=3.0)
def _(m: Engine) -> Any:
    def potential(x: Any, mass: Any) -> Any:
        r2 = ((x[:, None, :] - x[None, :, :]) ** 2).sum(-1) + 1e-2
        return -0.5 * m.np.sum(mass[:, None] * mass[None, :] / m.np.sqrt(r2))

    return potential, (normal(BODIES, 3), uniform(0.0, 1.0, BODIES))


@program("N-body, 100 bodies, 100 leapfrog steps", GROUP)
def _(m: Engine) -> Any:
    def orbit(x: Any, v: Any, mass: Any) -> Any:
        def step(_: Any, state: Any) -> Any:
            x, v = state
            v = v + 0.005 * _accelerations(m.np, x, mass)
            x = x + 0.01 * v
            return x, v + 0.005 * _accelerations(m.np, x, mass)

        return m.lax.fori_loop(0, 100, step, (x, v))

    return orbit, (normal(100, 3), 0.1 * normal(100, 3, seed=1), uniform(0.0, 0.01, 100))


def _numpy_heat() -> Thunk:
    start = normal(512, 512)

    def run() -> Any:
        u = start.copy()
        for _ in range(100):
            around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
            u[1:-1, 1:-1] += 0.2 * (around - 4 * u[1:-1, 1:-1])
        return u

    return run


def _numba_heat() -> Thunk:
    import numba

    @numba.njit(fastmath=True)
    def run(u: Any) -> Any:
        u = u.copy()
        new = u.copy()
        for _ in range(100):
            for i in range(1, u.shape[0] - 1):
                for j in range(1, u.shape[1] - 1):
                    around = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]
                    new[i, j] = u[i, j] + 0.2 * (around - 4 * u[i, j])
            u, new = new, u
        return u

    return lambda: run(normal(512, 512))


@program("heat equation, 512x512, 100 steps", GROUP, numpy=_numpy_heat, numba=_numba_heat, memory=True)
def _(m: Engine) -> Any:
    def step(_: Any, u: Any) -> Any:
        around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
        return u.at[1:-1, 1:-1].add(0.2 * (around - 4 * u[1:-1, 1:-1]))

    return lambda u: m.lax.fori_loop(0, 100, step, u), (normal(512, 512),)


@program("wave equation with roll, 512x512, 50 steps", GROUP)
def _(m: Engine) -> Any:
    roll = m.np.roll

    def step(_: Any, state: Any) -> Any:
        u, before = state
        around = roll(u, 1, 0) + roll(u, -1, 0) + roll(u, 1, 1) + roll(u, -1, 1)
        return 2 * u - before + 0.1 * (around - 4 * u), u

    return lambda u: m.lax.fori_loop(0, 50, step, (u, u))[0], (normal(512, 512),)


@program("shallow water, 256x256, 50 steps", GROUP)
def _(m: Engine) -> Any:
    """Height and velocities on a periodic grid, centred differences in space, forward in time."""
    roll = m.np.roll

    def slope(q: Any, axis: int) -> Any:
        return 0.5 * (roll(q, -1, axis) - roll(q, 1, axis))

    def step(_: Any, state: Any) -> Any:
        h, u, v = state
        du = -u * slope(u, 0) - v * slope(u, 1) - 9.8 * slope(h, 0)
        dv = -u * slope(v, 0) - v * slope(v, 1) - 9.8 * slope(h, 1)
        dh = -slope((h + 1) * u, 0) - slope((h + 1) * v, 1)
        return h + 0.001 * dh, u + 0.001 * du, v + 0.001 * dv

    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    start = 0.1 * np.exp(-20 * (x**2 + y**2)), np.zeros((256, 256)), np.zeros((256, 256))
    return lambda *s: m.lax.fori_loop(0, 50, step, s), start


@program("Poisson equation by FFT, 512x512", GROUP)
def _(m: Engine) -> Any:
    k = 2 * np.pi * np.fft.fftfreq(512)
    square = k[:, None] ** 2 + k[None, :] ** 2
    square[0, 0] = 1.0

    def solve(density: Any, square: Any) -> Any:
        return m.np.fft.ifft2(-m.np.fft.fft2(density) / square).real

    return solve, (normal(512, 512) - normal(512, 512).mean(), square)


def _numba_mandelbrot() -> Thunk:
    import numba

    @numba.njit(fastmath=True)
    def count(size: int) -> Any:
        out = np.zeros((size, size), np.int64)
        for i in range(size):
            for j in range(size):
                a, b = -2.0 + 2.5 * j / (size - 1), -1.25 + 2.5 * i / (size - 1)
                x = y = 0.0
                for k in range(50):
                    x, y = x * x - y * y + a, 2 * x * y + b
                    if x * x + y * y > 4:
                        break
                    out[i, j] = k + 1
        return out

    return lambda: count(500)


@program("Mandelbrot 500x500, 50 steps, in whole arrays", GROUP, numba=_numba_mandelbrot)
def _(m: Engine) -> Any:
    n = m.np

    def count(a: Any, b: Any) -> Any:
        def step(_: Any, state: Any) -> Any:
            x, y, steps = state
            inside = x * x + y * y <= 4
            x, y = n.where(inside, x * x - y * y + a, x), n.where(inside, 2 * x * y + b, y)
            return x, y, steps + (x * x + y * y <= 4)

        zero = n.zeros_like(a)
        return m.lax.fori_loop(0, 50, step, (zero, zero, n.zeros(a.shape, int)))[2]

    b, a = np.mgrid[-1.25:1.25:500j, -2:0.5:500j]
    return count, (np.ascontiguousarray(a), np.ascontiguousarray(b))


@program("Mandelbrot 500x500, vmap of while_loop", GROUP, numpy=False, numba=_numba_mandelbrot)
def _(m: Engine) -> Any:
    def count(a: Any, b: Any) -> Any:
        def going(state: Any) -> Any:
            x, y, k = state
            return (x * x + y * y <= 4) & (k < 51)

        def step(state: Any) -> Any:
            x, y, k = state
            return x * x - y * y + a, 2 * x * y + b, k + 1

        return m.lax.while_loop(going, step, (0.0 * a, 0.0 * b, 0))[2] - 1

    b, a = np.mgrid[-1.25:1.25:500j, -2:0.5:500j]
    return m.vmap(m.vmap(count)), (np.ascontiguousarray(a), np.ascontiguousarray(b))


@program("rotate 1M points by quaternions", GROUP, memory=True)
def _(m: Engine) -> Any:
    n = m.np

    def rotate(q: Any, x: Any) -> Any:
        q = q / n.sqrt((q**2).sum(-1, keepdims=True))
        w, v = q[:, :1], q[:, 1:]
        t = 2 * n.cross(v, x)
        return x + w * t + n.cross(v, t)

    return rotate, (normal(1_000_000, 4), normal(1_000_000, 3, seed=1))


@program("one rotation matrix on 1M points", GROUP)
def _(m: Engine) -> Any:
    return lambda r, x: x @ r.T, (normal(3, 3), normal(1_000_000, 3, seed=1))


@program("spherical harmonics up to l=6, 100k directions", GROUP)
def _(m: Engine) -> Any:
    """Associated Legendre functions by their recurrences in l, times cosines of the azimuth."""
    n = m.np

    def harmonics(cosine: Any, azimuth: Any) -> Any:
        sine = n.sqrt(1 - cosine**2)
        out = []
        diagonal = n.ones_like(cosine)
        for order in range(7):
            before, current = 0.0 * cosine, diagonal
            for degree in range(order, 7):
                out.append(current * n.cos(order * azimuth))
                ahead = (2 * degree + 1) * cosine * current - (degree + order) * before
                before, current = current, ahead / (degree - order + 1)
            diagonal = -(2 * order + 1) * sine * diagonal
        return n.stack(out, axis=-1)

    return harmonics, (uniform(-1.0, 1.0, 100_000), uniform(0.0, 6.28, 100_000, seed=1))


@program("Ising sweep on a checkerboard, 512x512", GROUP)
def _(m: Engine) -> Any:
    n = m.np
    board = np.indices((512, 512)).sum(0) % 2

    def sweep(spins: Any, chance: Any, board: Any) -> Any:
        for colour in (0, 1):
            around = sum(n.roll(spins, s, axis) for axis in (0, 1) for s in (1, -1))
            flip = (board == colour) & (chance < n.exp(-0.8 * spins * around))
            spins = n.where(flip, -spins, spins)
        return spins

    return sweep, (np.sign(normal(512, 512)), uniform(0.0, 1.0, 512, 512), board)


@program("light curves: 1000 Keplerian velocities of 1000 times", GROUP)
def _(m: Engine) -> Any:
    """Radial velocities with eccentric anomalies by five Newton steps."""
    n = m.np

    def velocities(t: Any, period: Any, e: Any) -> Any:
        mean = 2 * np.pi * t[None, :] / period[:, None]
        e = e[:, None]
        x = mean + e * n.sin(mean)
        for _ in range(5):
            x = x - (x - e * n.sin(x) - mean) / (1 - e * n.cos(x))
        true = 2 * n.arctan2(n.sqrt(1 + e) * n.sin(x / 2), n.sqrt(1 - e) * n.cos(x / 2))
        return n.cos(true + 0.3) + e * n.cos(0.3)

    return velocities, (
        uniform(0.0, 100.0, 1000),
        uniform(1.0, 50.0, 1000, seed=1),
        uniform(0.0, 0.7, 1000, seed=2),
    )
