"""jitney.optimize: SciPy's minima, results and errors; what runs as one loop, what by SciPy; derivatives of fits."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import optimize as so
from scipy.integrate import quad

import jitney
import jitney.numpy as jnp
from decay_fits import DATA, SIGMA, START, TIMES, banana, calls_of_scipy, decay, misfit, rosenbrock
from jitney import optimize
from jitney._core.staging import StagingTrace
from jitney.errors import JAXTypeError
from jitney.optimize import _minimize


@pytest.fixture
def by_scipy(monkeypatch):
    return calls_of_scipy(monkeypatch)


# -- minimize


def test_the_compiled_loop_finds_scipys_minima(by_scipy):
    exact = jitney.jit(jitney.value_and_grad(misfit))
    for data in DATA:
        ours = optimize.minimize(misfit, START, (TIMES, data, SIGMA))
        assert not by_scipy
        theirs = so.minimize(exact, START, (TIMES, data, SIGMA), jac=True)
        by_scipy.clear()
        assert set(ours) == set(theirs) and ours.success and ours.status == 0
        assert ours.message == "Optimization terminated successfully."
        np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-4)
        np.testing.assert_allclose(ours.fun, theirs.fun, rtol=1e-9)
        assert np.max(np.abs(ours.jac)) < 1e-5
        np.testing.assert_allclose(ours.fun, misfit(ours.x, TIMES, data, SIGMA), rtol=1e-14)
        assert (
            isinstance(ours, so.OptimizeResult) and isinstance(ours.x, np.ndarray) and ours.x.flags.writeable
        )
        assert ours.nfev == ours.njev >= ours.nit


@pytest.mark.parametrize("n", [2, 12])
def test_rosenbrock(n):
    start = np.linspace(-1.2, 1.0, n)
    ours = optimize.minimize(rosenbrock, start, method="bfgs", tol=1e-8)
    theirs = so.minimize(so.rosen, start, jac=so.rosen_der, tol=1e-8)
    np.testing.assert_allclose(ours.x, 1.0, atol=1e-7)
    assert 0.5 < ours.nfev / theirs.nfev < 2
    assert np.all(np.linalg.eigvalsh(ours.hess_inv) > 0)


def test_endings():
    few = optimize.minimize(rosenbrock, np.zeros(2), options={"maxiter": 3})
    theirs = so.minimize(so.rosen, np.zeros(2), jac=so.rosen_der, options={"maxiter": 3})
    assert (few.status, few.success, few.nit, few.message) == (1, False, 3, theirs.message)
    none = optimize.minimize(rosenbrock, np.zeros(2), options={"maxiter": 0})
    assert (none.status, none.nit, none.nfev) == (1, 0, 1)
    never = optimize.minimize(lambda x: jnp.sum(x) * jnp.nan, np.ones(2))
    assert (never.status, never.message) == (3, "NaN result encountered.")
    # A gradient that rounding errors never let become as small as is asked for.
    rough = optimize.minimize(misfit, START, (TIMES, DATA[0], SIGMA), tol=1e-18)
    assert rough.status == 2 and rough.nit < 100 and "precision loss" in rough.message
    done = optimize.minimize(rosenbrock, np.ones(2))
    assert (done.status, done.nit) == (0, 0)
    flat = optimize.minimize(lambda x: (x[0] - 2) ** 2 + 0 * x[1], [0, 1])
    np.testing.assert_allclose(flat.x, [2, 1], atol=1e-5)
    euclid = optimize.minimize(rosenbrock, np.zeros(2), options={"norm": 2, "gtol": 1e-3})
    assert np.linalg.norm(euclid.jac) < 1e-3


@pytest.mark.parametrize(
    "method",
    "CG Newton-CG L-BFGS-B TNC SLSQP dogleg trust-ncg trust-krylov trust-exact trust-constr Nelder-Mead Powell COBYLA".split(),
)
def test_every_method(method, by_scipy):
    def bowl(x, centre):
        return jnp.sum(jnp.cosh(x - centre)) + 0.1 * x[0] * x[1]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # trust-constr's own
        found = optimize.minimize(bowl, [0.5, -0.5], np.array([1.0, -2.0]), method=method)
    assert by_scipy == ["minimize"] and found.success
    best = optimize.minimize(bowl, [0.5, -0.5], np.array([1.0, -2.0]), tol=1e-10)
    np.testing.assert_allclose(found.x, best.x, atol=1e-3)
    if method == "L-BFGS-B":
        assert found.nfev == found.njev < 12  # no differences


def test_products_with_hessians_of_many_variables(monkeypatch):
    monkeypatch.setattr(_minimize, "_WHOLE_HESSIAN", 2)
    for method in ("Newton-CG", "trust-ncg"):
        found = optimize.minimize(rosenbrock, np.zeros(4), method=method, tol=1e-8)
        np.testing.assert_allclose(found.x, 1.0, atol=1e-5)
        assert found.get("nhev", 1) > 0


def test_bounds_and_constraints():
    away = lambda x: jnp.sum((x - jnp.array([2.0, 3.0])) ** 2)  # noqa: E731
    bounded = optimize.minimize(away, [0.0, 0.0], bounds=[(0, 1), (0, 1)])
    np.testing.assert_allclose(bounded.x, 1.0, atol=1e-6)
    circle = {"type": "ineq", "fun": lambda x, r: r**2 - jnp.sum(x**2), "args": (1.0,)}
    pair = {"type": "eq", "fun": lambda x: [x[0] - x[1]]}
    want = np.array([2.0, 3.0]) / np.sqrt(13)
    for method in (None, "SLSQP", "trust-constr"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = optimize.minimize(away, [0.1, 0.1], method=method, constraints=circle)
        np.testing.assert_allclose(found.x, want, atol=1e-3)
    both = optimize.minimize(away, [0.1, 0.2], constraints=[circle, pair])
    np.testing.assert_allclose(both.x, np.sqrt(0.5), atol=1e-6)
    general = so.NonlinearConstraint(lambda x: jnp.sum(x**2), -np.inf, 1.0)
    for method in ("trust-constr", "SLSQP"):
        found = optimize.minimize(away, [0.1, 0.1], method=method, constraints=[general])
        np.testing.assert_allclose(found.x, want, atol=1e-3)
    linear = so.LinearConstraint([[1.0, 1.0]], -np.inf, 1.0)
    np.testing.assert_allclose(
        optimize.minimize(away, [0.0, 0.0], constraints=linear).x, [0.0, 1.0], atol=1e-6
    )


def test_derivatives_of_ones_own(by_scipy):
    calls = []

    def plain(x, a):
        calls.append(type(x))
        return float(np.sum((x - a) ** 2))

    found = optimize.minimize(plain, [0.0], 2.0, jac=lambda x, a: 2 * (x - a))
    np.testing.assert_allclose(found.x, [2.0], atol=1e-6)
    found = optimize.minimize(plain, [0.0], 2.0, jac="2-point")
    np.testing.assert_allclose(found.x, [2.0], atol=1e-6)
    assert set(calls) == {np.ndarray}
    pair = optimize.minimize(lambda x: (np.sum(x**2), 2 * x), [3.0], jac=True)
    np.testing.assert_allclose(pair.x, [0.0], atol=1e-6)
    found = optimize.minimize(rosenbrock, np.zeros(2), method="trust-exact", hess=lambda x: so.rosen_hess(x))
    np.testing.assert_allclose(found.x, 1.0, atol=1e-4)
    seen = []
    optimize.minimize(rosenbrock, np.zeros(2), callback=lambda x: seen.append(x))
    assert len(seen) > 3 and by_scipy[-1] == "minimize"


def test_functions_that_cannot_be_traced():
    def distance(x):
        return quad(lambda u: (u - x[0]) ** 2, 0.0, 1.0)[0]

    with pytest.raises(JAXTypeError) as caught:
        optimize.minimize(distance, [1.0])
    assert "jac=..." in caught.value.__notes__[-1] and "scipy.optimize" in caught.value.__notes__[-1]
    for options in ({"method": "Nelder-Mead"}, {"jac": "2-point"}):
        np.testing.assert_allclose(optimize.minimize(distance, [1.0], **options).x, 0.5, atol=1e-4)
    with pytest.raises(JAXTypeError) as caught:
        optimize.curve_fit(lambda t, a: quad(lambda u: a, 0.0, 1.0)[0] * t, TIMES, TIMES)
    assert "jac=..." in caught.value.__notes__[-1]


def test_python_conditions_in_functions():
    def huber(x):
        total = 0.0
        for i in range(2):
            if jnp.abs(x[i]) < 1:
                total += x[i] ** 2
            else:
                total += 2 * jnp.abs(x[i]) - 1
        return total

    np.testing.assert_allclose(optimize.minimize(huber, [3.0, -4.0]).x, 0.0, atol=1e-6)


def test_misuse_of_minimize():
    with pytest.raises(ValueError, match="must only have one dimension"):
        optimize.minimize(rosenbrock, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="must return a scalar"):
        optimize.minimize(lambda x: x, np.zeros(2))
    with pytest.raises(TypeError, match="complex"):
        optimize.minimize(lambda x: jnp.sum(x) * 1j, np.zeros(2))
    with pytest.raises(TypeError, match="x0 must be real"):
        optimize.minimize(rosenbrock, np.zeros(2) * 1j)
    with pytest.raises(TypeError, match="fun must be a function"):
        optimize.minimize(3.0, np.zeros(2))
    with pytest.raises(ValueError, match="no elements"):
        optimize.minimize(rosenbrock, [])
    with pytest.raises(ValueError, match="Unknown solver"):
        optimize.minimize(rosenbrock, np.zeros(2), method="newton")
    with pytest.raises(ValueError, match="on traced values"):
        jitney.jit(lambda x: optimize.minimize(rosenbrock, x, bounds=[(0, 1)] * 2).x)(np.zeros(2))
    np.testing.assert_allclose(optimize.minimize(lambda x: (x - 2) ** 2, 0).x, [2.0], atol=1e-6)


def test_data_count_at_every_call():
    """Globals, closures and arrays that are written to are not those of the first call."""
    centre = np.array([1.0, 2.0])

    def bowl(x):
        return jnp.sum((x - centre) ** 2)

    np.testing.assert_allclose(optimize.minimize(bowl, np.zeros(2)).x, [1, 2], atol=1e-6)
    centre[:] = 5.0, 6.0
    np.testing.assert_allclose(optimize.minimize(bowl, np.zeros(2)).x, [5, 6], atol=1e-6)


def test_equal_functions_are_compiled_once(monkeypatch):
    traced = []
    init = StagingTrace.__init__
    monkeypatch.setattr(StagingTrace, "__init__", lambda self, *a: (traced.append(1), init(self, *a))[1])
    for a in (2.0, 3.0, 4.0):
        optimize.minimize(lambda x, a: jnp.sum((x - a) ** 4), np.zeros(2), args=(a,))
        optimize.curve_fit(lambda t, a: a * t, TIMES, a * TIMES)
        traced.append(0)
    first, *others = "".join(map(str, traced)).split("0")[:3]
    assert len(first) > 3 and others == ["", ""]
    # The same function in other roles is another program.
    square = lambda x: x[:1] ** 2 + 1  # noqa: E731
    np.testing.assert_allclose(optimize.minimize(square, [2.0]).fun, 1.0)
    np.testing.assert_allclose(optimize.least_squares(square, [2.0]).fun, [1.0])


def test_long_loops_can_be_interrupted(monkeypatch):
    """Every call of the loop is short, and picks up where the last one ended."""
    clock = iter(range(10**6))
    start = np.linspace(-1, 1, 6)
    whole = optimize.minimize(lambda x: rosenbrock(x), start)
    monkeypatch.setattr("jitney.optimize._functions.time.perf_counter", lambda: next(clock))
    pieces = optimize.minimize(lambda x: rosenbrock(x), start)  # another line: not known to be fast
    assert next(clock) > 2 * (whole.nit - 10) > 20  # one iteration a call after the first ones
    np.testing.assert_array_equal(pieces.x, whole.x)
    assert (pieces.nit, pieces.nfev) == (whole.nit, whole.nfev)


# -- inside of traces


def test_batches_of_fits():
    popt, pcov = jitney.jit(jitney.vmap(lambda y: optimize.curve_fit(decay, TIMES, y, START, SIGMA)))(DATA)
    for i, data in enumerate(DATA):
        want = optimize.curve_fit(decay, TIMES, data, START, SIGMA)
        np.testing.assert_allclose(popt[i], want[0], rtol=1e-7)
        np.testing.assert_allclose(pcov[i], want[1], rtol=1e-5)
    tuples = jitney.jit(lambda a: optimize.minimize(rosenbrock, (a, 2 * a), tol=1e-8).x)(0.5)
    np.testing.assert_allclose(tuples, 1.0, atol=1e-7)
    starts = np.array([[-1.2, 1.0], [2.0, 2.0], [0.0, -3.0]])
    found = jitney.vmap(lambda x: optimize.minimize(rosenbrock, x, tol=1e-8))(starts)
    np.testing.assert_allclose(found.x, np.ones((3, 2)), atol=1e-7)
    assert found.success.tolist() == [True] * 3 and found.nit.shape == (3,) and "message" not in found
    single = optimize.minimize(rosenbrock, starts[1], tol=1e-8)
    assert int(found.nfev[1]) == single.nfev
    several = jitney.vmap(lambda x: optimize.least_squares(banana, x))(starts)
    np.testing.assert_allclose(several.x, np.ones((3, 2)), atol=1e-6)
    lost = jitney.jit(lambda y: optimize.curve_fit(decay, TIMES, y, START, maxfev=2))(DATA[0])
    assert np.all(np.isnan(lost[0])) and np.all(np.isnan(lost[1]))
    with pytest.raises(ValueError, match="on traced values"):
        jitney.jit(lambda y: optimize.curve_fit(decay, TIMES, y, START, method="dogbox")[0])(DATA[0])
    with pytest.raises(ValueError, match="on traced values"):
        jitney.jit(lambda x: optimize.least_squares(banana, x, tr_solver="exact").x)(starts[0])


def test_derivatives_of_fits():
    def tight(y):
        return optimize.curve_fit(decay, TIMES, y, START, SIGMA, ftol=1e-15, xtol=1e-15)[0]

    def numeric(f, y, step):
        return np.stack([(f(y + step * e) - f(y - step * e)) / (2 * step) for e in np.eye(len(y))], axis=-1)

    want = numeric(tight, DATA[0], 1e-3)
    np.testing.assert_allclose(
        jitney.jacobian(tight)(DATA[0]), want, rtol=1e-3, atol=1e-4 * np.abs(want).max()
    )
    np.testing.assert_allclose(jitney.jacfwd(tight)(DATA[0]), jitney.jacobian(tight)(DATA[0]), rtol=1e-6)

    def minimum(a):
        return optimize.minimize(
            lambda x: jnp.sum(jnp.cosh(x - a)) + 0.1 * x[0] * x[1], jnp.zeros(2), tol=1e-9
        ).x

    a = np.array([1.0, -2.0])
    np.testing.assert_allclose(
        jitney.jacobian(minimum)(a), numeric(lambda a: np.asarray(minimum(a)), a, 1e-4), atol=1e-6
    )
    value = jitney.grad(lambda a: optimize.minimize(lambda x: jnp.sum((x - a) ** 2) + a[0], jnp.zeros(2)).fun)
    np.testing.assert_allclose(value(a), [1.0, 0.0], atol=1e-6)


# -- root


def test_root(by_scipy):
    fun = lambda x, r: [x[0] ** 2 + x[1] ** 2 - r**2, x[0] - x[1]]  # noqa: E731
    for method in ("hybr", "lm", "krylov"):
        found = optimize.root(fun, [2.0, 0.5], np.sqrt(2.0), method=method)
        np.testing.assert_allclose(found.x, 1.0, atol=1e-5)
    assert optimize.root(fun, [2.0, 0.5], np.sqrt(2.0)).njev == 1
    found = optimize.root(lambda x: np.cos(x) - x, 0.5, jac=lambda x: -np.sin(x) - 1)
    np.testing.assert_allclose(found.x, 0.7390851332)
    assert set(by_scipy) == {"root"}
