"""Fits of a decay, the problems of tests of ``jitney.optimize``; who calls SciPy's solvers."""

from __future__ import annotations

import numpy as np
from scipy import optimize as so

import jitney.numpy as jnp

TIMES = np.linspace(0.0, 1000.0, 15)
SIGMA = np.full(15, 0.1)
DATA = np.exp(-TIMES / 100.0) + 5.0 + SIGMA * np.random.default_rng(3).normal(size=(6, 15))
START = np.array([5.0, 200.0, 10.0])


def decay(t, a, b, c):
    return a * jnp.exp(-t / b) + c


def decay_numpy(t, a, b, c):
    return a * np.exp(-t / b) + c


def misfit(p, t, y, s):
    return jnp.sum(0.5 * ((decay(t, *p) - y) / s) ** 2)


def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def banana(x):
    return jnp.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def calls_of_scipy(monkeypatch):
    """Names of SciPy's functions that were called."""
    called = []
    for name in ("minimize", "least_squares", "curve_fit", "root"):
        real = getattr(so, name)
        monkeypatch.setattr(so, name, lambda *a, n=name, f=real, **k: (called.append(n), f(*a, **k))[1])
    return called
