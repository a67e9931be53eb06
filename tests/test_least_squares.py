"""Least squares and fits of models: SciPy's results and errors, bounds, losses, known problems."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import optimize as so

import jitney
import jitney.numpy as jnp
from decay_fits import DATA, SIGMA, START, TIMES, banana, calls_of_scipy, decay, decay_numpy
from jitney import optimize
from jitney.optimize._losses import LOSSES


@pytest.fixture
def by_scipy(monkeypatch):
    return calls_of_scipy(monkeypatch)


@pytest.mark.parametrize("method", ["trf", "lm"])
def test_least_squares_are_scipys(method, by_scipy):
    residuals = lambda p, y: (decay(TIMES, *p) - y) / SIGMA  # noqa: E731
    plain = lambda p, y: (decay_numpy(TIMES, *p) - y) / SIGMA  # noqa: E731
    for data in DATA[:3]:
        ours = optimize.least_squares(residuals, START, method=method, args=(data,))
        assert not by_scipy
        theirs = so.least_squares(plain, START, method=method, args=(data,), jac="cs")
        by_scipy.clear()
        assert set(ours) == set(theirs) and ours.status > 0 and "termination condition" in ours.message
        np.testing.assert_allclose(ours.x, theirs.x, rtol=2e-5)
        np.testing.assert_allclose(ours.cost, theirs.cost, rtol=1e-8)
        np.testing.assert_allclose(ours.jac, theirs.jac, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(ours.fun, theirs.fun, atol=1e-4)
        np.testing.assert_allclose(ours.grad, ours.jac.T @ ours.fun, atol=1e-9)
        assert ours.nfev == ours.njev <= theirs.nfev + 2


PROBLEMS = {  # Moré, Garbow, Hillstrom, "Testing unconstrained optimization software" (1981)
    "rosenbrock": (banana, [-1.2, 1.0], 0.0),
    "freudenstein-roth": (
        lambda x: jnp.array(
            [-13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1], -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]]
        ),
        [0.5, -2.0],
        48.98425368,
    ),
    "helix": (
        lambda x: jnp.array(
            [
                10 * (x[2] - 10 * jnp.arctan2(x[1], x[0]) / (2 * np.pi)),
                10 * (jnp.sqrt(x[0] ** 2 + x[1] ** 2) - 1),
                x[2],
            ]
        ),
        [-1.0, 0.0, 0.0],
        0.0,
    ),
    "powell": (
        lambda x: jnp.array(
            [
                x[0] + 10 * x[1],
                np.sqrt(5) * (x[2] - x[3]),
                (x[1] - 2 * x[2]) ** 2,
                np.sqrt(10) * (x[0] - x[3]) ** 2,
            ]
        ),
        [3.0, -1.0, 0.0, 1.0],
        0.0,
    ),
    "badly scaled": (lambda x: jnp.array([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2]), [1.0, 1.0], 0.0),
}


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("method", ["trf", "lm"])
def test_known_problems(name, method):
    fun, start, least = PROBLEMS[name]
    found = optimize.least_squares(
        fun, start, method=method, xtol=1e-12, ftol=1e-12, gtol=1e-12, max_nfev=1000
    )
    np.testing.assert_allclose(2 * found.cost, least, rtol=1e-8, atol=1e-10)
    assert found.success


def test_options_of_least_squares(by_scipy):
    few = optimize.least_squares(banana, [-1.2, 1.0], max_nfev=3)
    assert (few.status, few.success, few.nfev) == (0, False, 3) and "maximum number" in few.message
    scaled = optimize.least_squares(banana, [-1.2, 1.0], x_scale=[1.0, 0.5], ftol=None)
    np.testing.assert_allclose(scaled.x, 1.0, atol=1e-7)
    assert not by_scipy
    for options in (
        {"loss": lambda z: np.array([z, np.ones_like(z), np.zeros_like(z)])},
        {"bounds": ([0, 0], [2, 2]), "method": "dogbox"},
        {"method": "dogbox"},
        {"tr_solver": "lsmr"},
        {"jac": "3-point"},
        {"jac": lambda x: np.array([[-20 * x[0], 10], [-1, 0]])},
    ):
        found = optimize.least_squares(banana, [0.5, 0.5], **options)
        np.testing.assert_allclose(found.x, 1.0, atol=1e-4)
    assert len(by_scipy) == 6
    np.testing.assert_allclose(optimize.least_squares(lambda x, a: x - a, 0.0, kwargs={"a": 2.0}).x, [2.0])
    wide = optimize.least_squares(lambda x: x[:1] + x[1:] - 1, [0.0, 3.0])  # fewer residuals than variables
    np.testing.assert_allclose(wide.x.sum(), 1.0)
    with pytest.raises(ValueError, match="not finite in the initial point"):
        optimize.least_squares(lambda x: x * jnp.nan, [1.0])
    with pytest.raises(ValueError, match="less than the number of variables"):
        optimize.least_squares(lambda x: x[:1], [1.0, 2.0], method="lm")
    with pytest.raises(ValueError, match="vector of at most one axis"):
        optimize.least_squares(lambda x: jnp.outer(x, x), [1.0, 2.0])
    with pytest.raises(TypeError, match="complex"):
        optimize.least_squares(lambda x: x * 1j, [1.0, 2.0])
    with pytest.raises(ValueError, match="`method` must be"):
        optimize.least_squares(banana, [1.0, 2.0], method="newton")


# -- curve_fit


def test_curve_fit_is_scipys(by_scipy):
    covariance = np.diag(SIGMA**2) + 0.002
    cases = [
        {},
        {"sigma": SIGMA},
        {"sigma": SIGMA, "absolute_sigma": True},
        {"sigma": covariance, "absolute_sigma": True},
        {"sigma": 0.1, "absolute_sigma": True},
        {"method": "lm"},
    ]
    for data, options in zip(DATA, cases, strict=True):
        popt, pcov = optimize.curve_fit(decay, TIMES, data, START, **options)
        assert not by_scipy
        want, covered = so.curve_fit(decay_numpy, TIMES, data, START, **options)
        by_scipy.clear()
        np.testing.assert_allclose(popt, want, rtol=2e-5)
        np.testing.assert_allclose(pcov, covered, rtol=1e-3)
        assert type(popt) is type(pcov) is np.ndarray
    ones = optimize.curve_fit(lambda t, a, b: a + b * t, TIMES, 2 + 3 * TIMES)[0]  # from the signature
    np.testing.assert_allclose(ones, [2, 3])
    lists = optimize.curve_fit(lambda t, a: a * t, [1.0, 2.0, 3.0], [2.0, 4.0, 6.1], p0=1.0)
    np.testing.assert_allclose(lists[0], [2.021429], rtol=1e-6)
    plane = np.stack([TIMES, TIMES**2])
    several = optimize.curve_fit(lambda x, a, b: a * x[0] + b * x[1], plane, 2 * plane[0] - plane[1])[0]
    np.testing.assert_allclose(several, [2, -1])


def test_curve_fit_by_scipys_solvers(by_scipy):
    popt = optimize.curve_fit(decay, TIMES, DATA[0], START, SIGMA)[0]
    for options in (
        {"method": "trf", "x_scale": "jac"},
        {"bounds": (0, [10, 1000, 20]), "method": "dogbox"},
        {"method": "dogbox", "x_scale": "jac"},
        {"nan_policy": "omit"},
        {"full_output": True},
        {"jac": "cs", "method": "trf"},
    ):
        model = decay_numpy if "jac" in options else decay
        found, pcov, *more = optimize.curve_fit(model, TIMES, DATA[0], START, SIGMA, **options)
        np.testing.assert_allclose(found, popt, rtol=1e-3)
        assert len(more) == (3 if "full_output" in options else 0)
    assert by_scipy == ["curve_fit"] * 6


def test_models_without_a_derivative_where_they_start(by_scipy):
    """The slope of a root at 0 is infinite; SciPy's solver has its own ways."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimize.curve_fit(lambda t, a, b: jnp.sqrt(a) + b * t, TIMES, 1 + TIMES, p0=[0.0, 1.0])
    assert by_scipy == ["curve_fit"]


def test_misuse_of_curve_fit():
    line = lambda t, a, b: a + b * t  # noqa: E731
    with pytest.raises(ValueError, match="Unable to determine number of fit parameters"):
        optimize.curve_fit(lambda *a: a[0], TIMES, TIMES)
    with pytest.raises(TypeError, match="must not exceed"):
        optimize.curve_fit(line, TIMES[:1], TIMES[:1])
    with pytest.raises(ValueError, match="infs or NaNs"):
        optimize.curve_fit(line, TIMES, TIMES * np.nan)
    with pytest.raises(ValueError, match="must not be empty"):
        optimize.curve_fit(line, [], [])
    with pytest.raises(ValueError, match="incorrect shape"):
        optimize.curve_fit(line, TIMES, TIMES, sigma=np.ones(3))
    with pytest.raises(RuntimeError, match="Optimal parameters not found.*maxfev = 3"):
        optimize.curve_fit(decay, TIMES, DATA[0], START, maxfev=3)
    with pytest.raises(TypeError, match="positional argument"):
        optimize.curve_fit(line, TIMES, TIMES, p0=[1.0, 2.0, 3.0])
    with pytest.warns(so.OptimizeWarning, match="could not be estimated"):
        pcov = optimize.curve_fit(line, TIMES[:2], TIMES[:2])[1]
    assert np.all(np.isinf(pcov))
    with pytest.raises(TypeError, match="complex"):
        optimize.curve_fit(lambda t, a: a * t * 1j, TIMES, TIMES)


def test_data_that_do_not_tell(by_scipy):
    """Two parameters of which only the sum matters: SciPy's factorisation is used."""
    popt, _ = optimize.curve_fit(lambda t, a, b: a * t + b * t, TIMES, 3 * TIMES)
    assert by_scipy == ["curve_fit"]
    np.testing.assert_allclose(popt.sum(), 3.0)


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "linear"])
def test_derivatives_of_losses(loss):
    z = np.array([0.0, 0.3, 0.9, 1.1, 5.0, 1e3])
    step = 1e-5 * (1 + z)
    value, first, second = (np.asarray(v) for v in LOSSES[loss](z))
    above, below = (LOSSES[loss](z + side * step) for side in (1, -1))
    np.testing.assert_allclose(first, (np.asarray(above[0]) - below[0]) / (2 * step), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(second, (np.asarray(above[1]) - below[1]) / (2 * step), rtol=1e-6, atol=1e-9)
    want = so.least_squares(lambda x: x, np.sqrt(z[4:5]), loss=loss, max_nfev=1).cost
    np.testing.assert_allclose(0.5 * value[4], want)


@pytest.mark.parametrize("loss", ["soft_l1", "cauchy"])
def test_losses(loss, by_scipy):
    """Outliers that a robust loss leaves aside."""
    data = DATA[1].copy()
    data[[4, 9]] += 3.0, -2.0
    start, options = [1.0, 100.0, 5.0], {"loss": loss, "f_scale": 1.5, "xtol": 1e-10, "ftol": 1e-12}
    residuals = lambda p, n: (n(TIMES, *p) - data) / SIGMA  # noqa: E731
    ours = optimize.least_squares(lambda p: residuals(p, decay), start, **options)
    popt, pcov = optimize.curve_fit(decay, TIMES, data, start, SIGMA, method="trf", **options)
    assert not by_scipy and ours.success
    theirs = so.least_squares(lambda p: residuals(p, decay_numpy), start, jac="cs", **options)
    want, covered = so.curve_fit(decay_numpy, TIMES, data, start, SIGMA, method="trf", **options)
    np.testing.assert_allclose(ours.cost, theirs.cost, rtol=1e-9)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-3)
    np.testing.assert_allclose(ours.fun, residuals(ours.x, decay_numpy), rtol=1e-12)
    np.testing.assert_allclose(ours.jac, theirs.jac, rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(ours.grad, theirs.grad, atol=1e-2)
    np.testing.assert_allclose(popt, want, rtol=1e-3)
    np.testing.assert_allclose(pcov, covered, rtol=2e-2)
    inside = jitney.jit(
        lambda y: optimize.curve_fit(decay, TIMES, y, start, SIGMA, method="trf", **options)[0]
    )
    np.testing.assert_allclose(inside(data), popt, rtol=1e-6)
    with pytest.raises(ValueError, match="supports only 'linear' loss"):
        optimize.least_squares(banana, [1.0, 1.0], loss=loss, method="lm")


BOXES = [
    (0.0, [10.0, 1000.0, 20.0]),  # none holds
    ([0.0, 0.0, 0.0], [1.0, 1000.0, 20.0]),  # one holds
    ([0.0, 0.0, 5.2], [1.0, 1000.0, np.inf]),  # two hold
    ([-np.inf, 70.0, -np.inf], [np.inf, 80.0, np.inf]),
]


@pytest.mark.parametrize("bounds", BOXES, ids=["none", "one", "two", "between"])
def test_fits_within_bounds(bounds, by_scipy):
    start = np.clip([0.5, 75.0, 5.5], bounds[0], bounds[1])
    popt, pcov = optimize.curve_fit(decay, TIMES, DATA[0], start, SIGMA, bounds=bounds)
    residuals = lambda p: (decay(TIMES, *p) - DATA[0]) / SIGMA  # noqa: E731
    ours = optimize.least_squares(residuals, start, bounds=so.Bounds(*np.broadcast_arrays(*bounds)))
    assert not by_scipy
    want, covered = so.curve_fit(decay_numpy, TIMES, DATA[0], start, SIGMA, bounds=bounds, xtol=1e-12)
    theirs = so.least_squares(
        lambda p: (decay_numpy(TIMES, *p) - DATA[0]) / SIGMA, start, bounds=bounds, xtol=1e-12
    )
    np.testing.assert_allclose(popt, want, rtol=1e-4)
    np.testing.assert_allclose(pcov, covered, rtol=5e-3)
    np.testing.assert_allclose(ours.x, popt, rtol=1e-4)
    assert np.all(ours.active_mask * ours.grad <= 0) and np.all(
        ours.active_mask[theirs.active_mask != 0] != 0
    )
    np.testing.assert_allclose(ours.cost, theirs.cost, rtol=1e-7)
    assert np.all((popt >= bounds[0]) & (popt <= bounds[1])) and ours.optimality < 1e-2 and ours.success
    inside = jitney.jit(lambda y: optimize.curve_fit(decay, TIMES, y, start, SIGMA, bounds=bounds)[0])
    np.testing.assert_allclose(inside(DATA[0]), popt, rtol=1e-6)


def test_bounds_of_fits():
    middle = optimize.curve_fit(decay, TIMES, DATA[0], bounds=([0, 50, 4], [2, 150, np.inf]))[0]
    np.testing.assert_allclose(middle, optimize.curve_fit(decay, TIMES, DATA[0], START)[0], rtol=1e-4)
    fit = lambda y: optimize.curve_fit(decay, TIMES, y, [0.5, 75.0, 5.0], bounds=(0, [1, 1e3, 20]))[0]  # noqa: E731
    slopes = np.asarray(jitney.jacobian(fit)(DATA[0]))
    assert np.all(slopes[0] == 0) and np.all(slopes[2] != 0)  # the first one is held
    numeric = (fit(DATA[0] + 1e-3 * np.eye(15)[3]) - fit(DATA[0] - 1e-3 * np.eye(15)[3])) / 2e-3
    np.testing.assert_allclose(slopes[:, 3], numeric, rtol=1e-2, atol=1e-4)
    for bounds, text in (((1, 0), "lower bound|lb|strictly less"), (([5, 6], [7, 8]), "outside of provided")):
        with pytest.raises(ValueError, match=text):
            optimize.least_squares(banana, [1.0, 1.0], bounds=bounds)
    with pytest.raises(ValueError, match="bounds must be a pair"):
        jitney.jit(lambda x: optimize.least_squares(banana, x, bounds=(1, 0)).x)(np.ones(2))
    with pytest.raises(ValueError, match="'lm'"):
        optimize.least_squares(banana, [1.0, 1.0], bounds=(0, 2), method="lm")


def test_residuals_of_unknown_length_say_so():
    x = np.linspace(0, 1, 20)

    def residuals(p):
        r = 2 * x + 1 - (p[0] * x + p[1])
        return r[jnp.abs(r) < 10]

    with pytest.raises(TypeError, match=r"x\[mask\].* Return jnp.where"):
        optimize.least_squares(residuals, [1.0, 0.0])
    kept = lambda p: jnp.where(jnp.abs(p[0] * x) < 10, 2 * x + 1 - (p[0] * x + p[1]), 0)  # noqa: E731
    np.testing.assert_allclose(optimize.least_squares(kept, [1.0, 0.0]).x, [2.0, 1.0])
