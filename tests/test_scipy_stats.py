"""scipy.stats beyond one formula: kernel density estimates, entropies, ranks and modes, documentation."""

from __future__ import annotations

import doctest
import importlib
from typing import Any

import jax
import jax.scipy.stats
import mpmath
import numpy as np
import pytest
import scipy.stats

import jitney
import jitney.numpy as jnp
from comparing import assert_same, check_first
from jitney.scipy import stats

RNG = np.random.default_rng(5)
SAMPLE = RNG.normal(size=(2, 12)) * np.array([[1.0], [3.0]])
WEIGHTS = RNG.uniform(0.5, 2, 12)


@pytest.mark.parametrize("dataset", [SAMPLE, SAMPLE[0]], ids=["planes", "numbers"])
@pytest.mark.parametrize(
    "options", [{}, {"weights": WEIGHTS, "bw_method": "silverman"}, {"bw_method": 0.7}], ids=str
)
def test_kernel_density(dataset: np.ndarray, options: dict[str, Any]) -> None:
    ours, theirs, known = (m.gaussian_kde(dataset, **options) for m in (stats, jax.scipy.stats, scipy.stats))
    points = RNG.normal(size=(ours.d, 5))
    for name in ("neff", "dataset", "weights", "covariance", "inv_cov"):
        assert_same(getattr(ours, name), getattr(theirs, name), 1e-12, what=name)
    for name in ("evaluate", "logpdf", "pdf", "__call__"):
        assert_same(getattr(ours, name)(points), getattr(theirs, name)(points), 1e-12, what=name)
    np.testing.assert_allclose(ours.logpdf(points), known.logpdf(points), rtol=1e-11)
    assert_same(ours.integrate_kde(ours), theirs.integrate_kde(theirs), 1e-12)
    normal = np.zeros(ours.d), np.eye(ours.d)
    assert_same(ours.integrate_gaussian(*normal), theirs.integrate_gaussian(*normal), 1e-12)
    if ours.d == 1:
        assert_same(ours.integrate_box_1d(-0.5, 1.0), theirs.integrate_box_1d(-0.5, 1.0), 1e-12)
    drawn = ours.resample(jitney.random.key(0), (3,))
    assert_same(drawn, theirs.resample(jax.random.key(0), (3,)), 1e-10)
    assert (ours.d, ours.n) == (theirs.d, theirs.n)


def test_kernel_density_is_a_tree() -> None:
    density = stats.gaussian_kde(SAMPLE)
    leaves, structure = jitney.tree.flatten(density)
    assert len(leaves) == 5
    points = np.zeros((2, 1))
    again = jitney.tree.unflatten(structure, leaves)
    np.testing.assert_array_equal(again(points), density(points))
    np.testing.assert_allclose(jitney.jit(lambda d, x: d.logpdf(x))(density, points), density.logpdf(points))
    check_first(lambda x, w: [stats.gaussian_kde(x, weights=w).logpdf(points)], [SAMPLE, WEIGHTS], 1e-6)
    many = jitney.vmap(lambda x: stats.gaussian_kde(x)(points))(np.stack([SAMPLE, 2 * SAMPLE]))
    np.testing.assert_allclose(many[0], density(points))


def test_kernel_density_refuses() -> None:
    density = stats.gaussian_kde(SAMPLE)
    for wrong, error in [
        (lambda m: m.gaussian_kde(np.zeros(1)), ValueError),
        (lambda m: m.gaussian_kde(SAMPLE, weights=np.ones(3)), ValueError),
        (lambda m: m.gaussian_kde(SAMPLE, weights=np.ones((3, 2))), ValueError),
        (lambda m: m.gaussian_kde(SAMPLE, bw_method="other"), ValueError),
        (lambda m: m.gaussian_kde(SAMPLE * 1j), NotImplementedError),
        (lambda m: m.gaussian_kde(SAMPLE)(np.zeros((3, 4))), ValueError),
        (lambda m: m.gaussian_kde(SAMPLE).integrate_box_1d(0, 1), ValueError),
        (lambda m: m.gaussian_kde(SAMPLE[0]).integrate_box_1d(np.zeros(2), 1), ValueError),
        (lambda m: m.gaussian_kde(SAMPLE).integrate_kde(m.gaussian_kde(SAMPLE[0])), ValueError),
        (lambda m: m.gaussian_kde(SAMPLE).integrate_gaussian(np.zeros(3), np.eye(2)), ValueError),
        (lambda m: m.gaussian_kde(SAMPLE).integrate_gaussian(np.zeros(2), np.eye(3)), ValueError),
        (lambda m: m.gaussian_kde(SAMPLE).integrate_box(0, 1), NotImplementedError),
        (lambda m: m.gaussian_kde(SAMPLE).set_bandwidth(), NotImplementedError),
    ]:
        for module in (stats, jax.scipy.stats):
            with pytest.raises(error):
                wrong(module)
    with pytest.raises(AttributeError):
        density.neff = 3  # type: ignore[misc]


def test_entropy_of_poisson_for_all_means() -> None:
    means = np.array([1e-9, 1e-3, 0.7, 5.0, 40.0, 63.9, 64.0, 64.1, 90.0, 500.0, 1e6])

    def exact(mu: float) -> float:
        if mu > 1000:
            x = mpmath.mpf(mu)
            return float(mpmath.log(2 * mpmath.pi * mpmath.e * x) / 2 - 1 / (12 * x) - 1 / (24 * x**2))
        total = mpmath.mpf(0)
        with mpmath.workdps(30):
            for k in range(int(mu + 12 * mu**0.5 + 40)):
                p = k * mpmath.log(mu) - mu - mpmath.loggamma(k + 1)
                total -= p * mpmath.exp(p)
        return float(total)

    np.testing.assert_allclose(stats.poisson.entropy(means), [exact(m) for m in means], rtol=1e-13)
    np.testing.assert_array_equal(stats.poisson.entropy(np.array([0.0, -1.0, np.nan])), [0, np.nan, np.nan])


@pytest.mark.parametrize("method", ["average", "min", "max", "dense", "ordinal"])
def test_ranks(method: str) -> None:
    x = RNG.integers(0, 4, (3, 7)).astype(float)
    for axis in (None, 0, 1):
        np.testing.assert_array_equal(
            jitney.jit(lambda x: stats.rankdata(x, method, axis=axis))(x),
            scipy.stats.rankdata(x, method, axis=axis),
        )
    x[1, 2] = x[1, 3] = np.nan
    assert_same(stats.rankdata(x, method), jax.scipy.stats.rankdata(x, method))
    assert_same(stats.rankdata(x, method, axis=1), jax.scipy.stats.rankdata(x, method, axis=1))


def test_modes() -> None:
    x = RNG.integers(0, 3, (4, 9))
    for axis, keep in [(0, False), (1, True), (None, False), (None, True)]:
        got, want = stats.mode(x, axis, keepdims=keep), scipy.stats.mode(x, axis, keepdims=keep)
        np.testing.assert_array_equal(got.mode, want.mode)
        np.testing.assert_array_equal(got.count, want.count)
    y = np.array([1.0, np.nan, np.nan, 1.0, np.nan])
    assert_same(tuple(stats.mode(y)), tuple(jax.scipy.stats.mode(y)))


@pytest.mark.parametrize(
    "name",
    """scipy.stats.betabinom scipy.stats.gennorm scipy.stats.wrapcauchy scipy.stats.multinomial
    scipy.stats.multivariate_normal scipy.stats.poisson scipy.stats.norm scipy.stats._statistics
    scipy.stats._kernel_density""".split(),
)
def test_examples(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"jitney.{name}"))
    assert found.attempted and not found.failed


def test_tails() -> None:
    """Far from the middle, where differences of probabilities lose digits."""
    np.testing.assert_allclose(stats.gennorm.cdf(-9.0, 1.5), scipy.stats.gennorm.cdf(-9.0, 1.5), rtol=1e-11)
    density = stats.gaussian_kde(jnp.array([0.0, 1.0]))
    assert np.isfinite(density.logpdf(jnp.array([300.0]))).all()


@pytest.mark.parametrize(
    "name, parameters",
    [
        ("poisson", (3.0,)),
        ("binom", (5, 0.4)),
        ("bernoulli", (0.3,)),
        ("geom", (0.3,)),
        ("nbinom", (4, 0.3)),
        ("betabinom", (5, 1.0, 2.0)),
    ],
)
def test_what_is_no_number_has_no_probability(name: str, parameters: tuple) -> None:
    distribution, theirs = getattr(stats, name), getattr(scipy.stats, name)
    for f in ("logpmf", "pmf"):
        counts = np.array([np.nan, 2.5, -1.0])
        np.testing.assert_array_equal(
            getattr(distribution, f)(counts, *parameters), getattr(theirs, f)(counts, *parameters)
        )
