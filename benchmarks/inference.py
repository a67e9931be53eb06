"""Statistics and machine learning: likelihoods, posteriors and their gradients, regression, sampling, clustering."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import Thunk
from programs import Engine, integers, normal, program, uniform

GROUP = "inference"


@program("Gaussian process regression, n=500", GROUP, gradient=3.0, memory=True)
def _(m: Engine) -> Any:
    """Log marginal likelihood with a squared-exponential kernel, as a function of its three parameters."""
    n = m.np

    def likelihood(params: Any, x: Any, y: Any) -> Any:
        amplitude, scale, noise = n.exp(params)
        distance = (x[:, None] - x[None, :]) / scale
        kernel = amplitude**2 * n.exp(-0.5 * distance**2) + (noise**2 + 1e-8) * n.eye(x.size)
        factor = n.linalg.cholesky(kernel)
        z = m.linalg.solve_triangular(factor, y, lower=True)
        return -0.5 * z @ z - n.log(n.diagonal(factor)).sum() - 0.5 * x.size * np.log(2 * np.pi)

    x = np.sort(uniform(0.0, 10.0, 500))
    return likelihood, (np.log(np.array([1.0, 0.7, 0.3])), x, np.sin(x) + 0.3 * normal(500))


@program("logistic regression, 10000x50", GROUP, gradient=3.0, memory=True)
def _(m: Engine) -> Any:
    n = m.np

    def loss(w: Any, x: Any, y: Any) -> Any:
        scores = x @ w
        return n.mean(n.logaddexp(0.0, scores) - y * scores) + 0.01 * w @ w

    x = normal(10_000, 50)
    y = (x @ normal(50, seed=1) + normal(10_000, seed=2) > 0).astype(float)
    return loss, (0.1 * normal(50, seed=3), x, y)


@program("eight schools, log density", GROUP, gradient=3.0)
def _(m: Engine) -> Any:
    n = m.np
    effects = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    errors = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])

    def density(p: Any, y: Any, s: Any) -> Any:
        mean, log_spread, raw = p[0], p[1], p[2:]
        schools = mean + n.exp(log_spread) * raw
        prior = -0.5 * (mean / 5) ** 2 - n.log1p((n.exp(log_spread) / 5) ** 2) + log_spread
        return prior - 0.5 * n.sum(raw**2) - 0.5 * n.sum(((y - schools) / s) ** 2)

    return density, (0.5 * normal(10), effects, errors)


@program("random effects, 1000 groups, 20k rows", GROUP, gradient=3.0)
def _(m: Engine) -> Any:
    n = m.np

    def density(effects: Any, hyper: Any, group: Any, x: Any, y: Any) -> Any:
        mean, slope, log_spread, log_noise = hyper
        spread, noise = n.exp(log_spread), n.exp(log_noise)
        residual = y - (mean + spread * effects[group] + slope * x)
        return -0.5 * n.sum(effects**2) - 0.5 * n.sum((residual / noise) ** 2) - y.size * log_noise

    group, x = integers(0, 1000, 20_000), normal(20_000)
    y = 1.0 + normal(1000, seed=1)[group] + 0.5 * x + normal(20_000, seed=2)
    return density, (normal(1000, seed=3), np.array([1.0, 0.5, 0.1, 0.0]), group, x, y)


@program("Poisson regression, 100k counts", GROUP, gradient=3.0)
def _(m: Engine) -> Any:
    n = m.np

    def likelihood(w: Any, x: Any, counts: Any) -> Any:
        eta = x @ w
        return n.sum(counts * eta - n.exp(eta) - m.special.gammaln(counts + 1.0))

    x = normal(100_000, 5) * 0.3
    return likelihood, (0.1 * normal(5, seed=1), x, integers(0, 12, 100_000).astype(float))


@program("negative binomial likelihood, 100k counts", GROUP, gradient=3.0)
def _(m: Engine) -> Any:
    n, lgamma = m.np, m.special.gammaln

    def likelihood(p: Any, counts: Any, exposure: Any) -> Any:
        size, rate = n.exp(p[0]), n.exp(p[1]) * exposure
        terms = lgamma(counts + size) - lgamma(size) - lgamma(counts + 1.0)
        return n.sum(terms + size * n.log(size / (size + rate)) + counts * n.log(rate / (size + rate)))

    args = integers(0, 30, 100_000).astype(float), uniform(0.5, 2.0, 100_000)
    return likelihood, (np.array([0.5, 1.2]), *args)


@program("Cox partial likelihood, 10000 subjects", GROUP, gradient=3.0)
def _(m: Engine) -> Any:
    """Subjects in order of falling survival time: those at risk are all before."""
    n = m.np

    def likelihood(w: Any, x: Any, died: Any) -> Any:
        eta = x @ w
        return n.sum(died * (eta - n.log(n.cumsum(n.exp(eta)))))

    return likelihood, (0.1 * normal(10), normal(10_000, 10), (normal(10_000, seed=1) > 0).astype(float))


@program("mixture of 5 Gaussians, 100k points", GROUP, gradient=3.0)
def _(m: Engine) -> Any:
    n = m.np

    def likelihood(p: Any, x: Any) -> Any:
        means, spreads, weights = p[0], n.exp(p[1]), p[2] - m.special.logsumexp(p[2])
        terms = weights - n.log(spreads) - 0.5 * ((x[:, None] - means) / spreads) ** 2
        return n.sum(m.special.logsumexp(terms, axis=1))

    return likelihood, (normal(3, 5), normal(100_000, seed=1))


@program("HMC, 1000 leapfrog steps in 100 dimensions", GROUP, numpy=False)
def _(m: Engine) -> Any:
    """A Gaussian with a dense precision; the gradient is taken from its log density."""

    def potential(q: Any, precision: Any) -> Any:
        return 0.5 * q @ (precision @ q)

    force = m.grad(potential)

    def trajectory(q: Any, p: Any, precision: Any) -> Any:
        def step(_: Any, state: Any) -> Any:
            q, p = state
            p = p - 0.05 * force(q, precision)
            q = q + 0.1 * p
            return q, p - 0.05 * force(q, precision)

        return m.lax.fori_loop(0, 1000, step, (q, p))

    a = normal(100, 100, seed=2)
    return trajectory, (normal(100), normal(100, seed=1), a @ a.T / 400 + np.eye(100))


def _numba_density() -> Thunk:
    import numba

    @numba.njit(fastmath=True)
    def density(grid: Any, points: Any, width: float) -> Any:
        out = np.empty(grid.size)
        for i in range(grid.size):
            total = 0.0
            for j in range(points.size):
                total += np.exp(-0.5 * ((grid[i] - points[j]) / width) ** 2)
            out[i] = total / (points.size * width * np.sqrt(2 * np.pi))
        return out

    return lambda: density(np.linspace(-4.0, 4.0, 1000), normal(10_000), 0.1)


@program("kernel density, 10k points at 1000", GROUP, numba=_numba_density, memory=True)
def _(m: Engine) -> Any:
    n = m.np

    def density(grid: Any, points: Any, width: Any) -> Any:
        z = (grid[:, None] - points[None, :]) / width
        return n.exp(-0.5 * z**2).sum(1) / (points.size * width * np.sqrt(2 * np.pi))

    return density, (np.linspace(-4.0, 4.0, 1000), normal(10_000), 0.1)


@program("k-means step, 10k points, 50 centres, 8-d", GROUP, memory=True)
def _(m: Engine) -> Any:
    """Nearest centre of each point by pairwise distances."""
    n = m.np

    def nearest(x: Any, centres: Any) -> Any:
        return n.argmin(((x[:, None, :] - centres[None, :, :]) ** 2).sum(-1), axis=1)

    return nearest, (normal(10_000, 8), normal(50, 8, seed=1))


@program("pairwise distances, 1000x1000, 3-d", GROUP)
def _(m: Engine) -> Any:
    def distances(x: Any, y: Any) -> Any:
        return m.np.sqrt(((x[:, None, :] - y[None, :, :]) ** 2).sum(-1))

    return distances, (normal(1000, 3), normal(1000, 3, seed=1))


@program("means of 1M values in 100 bins", GROUP, numpy=False)
def _(m: Engine) -> Any:
    """Profile of y over x: values sorted into bins of equal width, their means."""
    n = m.np

    def profile(x: Any, y: Any) -> Any:
        i = n.clip((x * 100).astype(int), 0, 99)
        counts = n.zeros(100).at[i].add(1.0)
        return n.zeros(100).at[i].add(y) / counts

    return profile, (uniform(0.0, 1.0, 1_000_000), normal(1_000_000))


@program("bootstrap: 1000 means of 1000", GROUP)
def _(m: Engine) -> Any:
    return lambda x, i: m.np.std(x[i].mean(1)), (normal(1000), integers(0, 1000, 1000, 1000))


@program("covariance and correlations, 10000x20", GROUP)
def _(m: Engine) -> Any:
    return lambda x: (m.np.cov(x, rowvar=False), m.np.corrcoef(x, rowvar=False)), (normal(10_000, 20),)
