"""jitney.scipy against SciPy (values), JAX (types, signatures) and finite differences (derivatives)."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import jax
import jax.scipy.special
import jax.scipy.stats
import numpy as np
import pytest
import scipy.special
import scipy.stats

import jitney
import jitney.numpy as jnp
from comparing import assert_close, check_first
from jitney.scipy import special, stats

EDGES = np.array(
    [0.0, -0.0, -1, -2, -0.5, -1.5, 1e-9, 1e-300, 0.3, 1, 1.5, 2, 5.5, 20, 100.5, 1e5, np.inf, np.nan]
)
GRID = [v.ravel() for v in np.meshgrid([0, -1.0, 1, 2, np.inf, np.nan], [0, -1, -0.5, 1, 2, np.inf, np.nan])]
LARGE = [v.ravel() for v in np.meshgrid([1e-8, 0.3, 1, 3.0, 9.9, 10, 11, 100, 1e3], [2.0, 9.99, 10, 50, 1e4])]
POSITIVE = [v.ravel() for v in np.meshgrid([0.2, 1.0, 3.5, 20.0], [0.1, 1.0, 4.0, 25.0])]

# function, operands, greatest relative error against SciPy
VALUES = [
    *((name, (EDGES,), 4e-16) for name in "erf erfc expit logit entr i0e i1e gammasgn".split()),
    *((name, (EDGES[EDGES != np.inf],), 4e-16) for name in ("i0", "i1")),  # SciPy's are NaN at infinity
    ("gammaln", (EDGES,), 4e-16),
    ("digamma", (np.delete(EDGES, [0, 1]),), 4e-16),
    ("gamma", (EDGES,), 1e-13),
    ("erfinv", (np.linspace(-1, 1, 41),), 1e-15),
    ("ndtr", (np.linspace(-39, 9, 97),), 4e-16),
    ("log_ndtr", (np.append(np.linspace(-60, 9, 139), [-1e4, 40, np.inf, np.nan]),), 1e-15),
    (
        "ndtri",
        (np.concatenate([10.0 ** -np.arange(0, 320, 3.7), np.linspace(0, 1, 101), [-1, 2, np.nan]]),),
        2e-15,
    ),
    ("beta", POSITIVE, 1e-13),
    *((name, GRID, 4e-16) for name in ("xlogy", "xlog1py", "rel_entr", "kl_div")),
    *((name, POSITIVE, 1e-15) for name in ("gammainc", "gammaincc")),
    ("betainc", (*POSITIVE, np.linspace(0, 1, 16)), 1e-15),
    ("zeta", ([1.5, 2.0, 7.0], [0.3, 1.0, 9.0]), 1e-15),
    ("polygamma", (np.array([0, 1, 3]), np.array([0.5, 2.0, 9.0])), 1e-15),
    ("factorial", (np.array([0, 3, -1, 20]),), 1e-14),
    ("comb", (np.array([5.0, 5, 30, 4]), np.array([2.0, 5, 15, 6])), 1e-14),
    ("poch", (np.array([2.0, 0.5, 3]), np.array([3.0, 2.5, 0])), 1e-14),
]


def _same(got: Any, want: Any, tolerance: float, absolute: float = 1e-300) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=tolerance, atol=absolute)


@pytest.mark.parametrize("name, operands, tolerance", VALUES, ids=[v[0] for v in VALUES])
def test_values(name: str, operands: Any, tolerance: float) -> None:
    operands = [np.asarray(x) for x in operands]
    with np.errstate(all="ignore"):
        want = getattr(scipy.special, name)(*operands)
    _same(getattr(special, name)(*operands), want, tolerance)
    # Native mathematics, beside NumPy's meaning of the primitives.
    _same(jitney.jit(getattr(special, name))(*operands), want, max(tolerance, 2e-13))


def test_betaln_keeps_digits_where_scipy_loses_them() -> None:
    _same(special.betaln(*LARGE), scipy.special.betaln(*LARGE), 1e-13, 1e-10)
    _same(special.betaln(1.0, 1e4), np.log(1e-4), 4e-16)
    # mpmath, 20 digits
    _same(special.betaln(1e6, 0.5), -6.3353902110574369650, 4e-16)


def _public(module: Any) -> list[str]:
    return [n for n in dir(module) if not n.startswith("_")]


@pytest.mark.parametrize("name", [n for n in _public(special) if callable(getattr(special, n))])
def test_signature_and_documentation(name: str) -> None:
    mine, theirs = getattr(special, name), getattr(jax.scipy.special, name)
    defaults = [
        [(p.name, p.default) for p in inspect.signature(f).parameters.values()] for f in (mine, theirs)
    ]
    assert defaults[0] == defaults[1]
    assert mine.__doc__


@pytest.mark.parametrize(
    "x", [1, 1.0, True, np.float32(0.5), np.arange(1, 3), np.ones(2, np.float32)], ids=repr
)
@pytest.mark.parametrize("name", "erf erfc gammaln digamma i0e i1 expit entr gamma logsumexp softmax".split())
def test_types(name: str, x: Any) -> None:
    if name == "softmax" and x is True:
        pytest.skip("JAX subtracts booleans")
    got, want = getattr(special, name)(x), getattr(jax.scipy.special, name)(x)
    assert (got.dtype, got.shape, got.weak_type) == (want.dtype, want.shape, want.weak_type)


@pytest.mark.parametrize("name", ["erf", "gammaln", "xlogy", "logsumexp", "ndtr"])
def test_lists_are_refused_as_by_jax(name: str) -> None:
    with jitney.config.temporarily("jitney_python_control_flow", False), pytest.raises(TypeError, match=name):
        getattr(special, name)(*[[1.0]] * (2 if name == "xlogy" else 1))


# -- logsumexp and kin --------------------------------------------------------------------------------

_A = np.array([[1.0, 2.0, -3.0], [0.5, -np.inf, 700.0]])


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"axis": 0},
        {"axis": (0, 1), "keepdims": True},
        {"axis": 1, "b": np.array([1.0, -2.0, 0.5]), "return_sign": True},
        {"b": np.array([1.0, -1.0, 0.0])},
        {"axis": -1, "where": np.array([[True, False, True], [True, True, False]])},
        {"return_sign": True},
    ],
    ids=str,
)
def test_logsumexp(arguments: dict[str, Any]) -> None:
    want = jax.scipy.special.logsumexp(_A, **arguments)
    for got in (
        special.logsumexp(_A, **arguments),
        jitney.jit(lambda a: special.logsumexp(a, **arguments))(_A),
    ):
        for g, w in zip(jax.tree.leaves(tuple(np.asarray(v) for v in (got if isinstance(got, tuple) else (got,)))),
                        jax.tree.leaves(want), strict=True):  # fmt: skip
            assert_close(g, w)


def test_logsumexp_of_complex_numbers() -> None:
    z = np.array([1 + 1j, 2.0, -0.5j])
    _same(special.logsumexp(z), jax.scipy.special.logsumexp(z), 1e-14)
    for got, want in zip(
        special.logsumexp(z, return_sign=True), jax.scipy.special.logsumexp(z, return_sign=True), strict=True
    ):
        _same(got, want, 1e-14)


def test_logsumexp_of_nothing() -> None:
    nothing = jnp.array([-jnp.inf, -jnp.inf])
    assert special.logsumexp(nothing) == -np.inf
    np.testing.assert_array_equal(jitney.grad(special.logsumexp)(nothing), [0.0, 0.0])
    assert special.logsumexp(jnp.zeros((0,))) == -np.inf
    assert special.logsumexp(jnp.array([np.inf, 1.0])) == np.inf


def test_softmax() -> None:
    x = np.array([[1.0, 1000.0, -5.0], [0.0, 1.0, 2.0]])
    for axis in (None, 1):
        for name in ("softmax", "log_softmax"):
            _same(getattr(special, name)(x, axis=axis), getattr(scipy.special, name)(x, axis=axis), 1e-14)


# -- derivatives --------------------------------------------------------------------------------------

_P = np.array([0.3, 1.7, 2.9])
_Q = np.array([0.9, 0.4, 3.1])
_U = np.array([0.1, 0.5, 0.93])


@pytest.mark.parametrize(
    "function, operands",
    [
        *(
            (getattr(special, n), [_P])
            for n in "erf erfc gammaln digamma gamma expit entr ndtr log_ndtr i0 i1 i0e i1e".split()
        ),
        *((getattr(special, n), [_U]) for n in ("erfinv", "logit", "ndtri")),
        *(
            (getattr(special, n), [_P, _Q])
            for n in "xlogy xlog1py rel_entr kl_div beta betaln gammainc gammaincc".split()
        ),
        (lambda x: special.betainc(1.5, 2.5, x), [_U]),
        (lambda x: special.polygamma(2, x), [_P]),
        (lambda x: special.log_ndtr(-20.0 * x), [_P]),
        (special.logsumexp, [_P]),
        (lambda a, b: special.logsumexp(a, b=b), [_P, _Q]),
        (lambda x: special.softmax(x), [_P]),
        (lambda x: special.multigammaln(x + 2, 3), [_P]),
        (stats.norm.logpdf, [_P, np.array(0.4), np.array(1.3)]),
        (stats.norm.logcdf, [_P, np.array(0.4), np.array(1.3)]),
        (stats.norm.ppf, [_U, np.array(0.4), np.array(1.3)]),
        (stats.gamma.logpdf, [_P, np.array(2.2), np.array(0.1), np.array(1.3)]),
        (stats.beta.logpdf, [_U, np.array(2.2), np.array(1.6)]),
        (stats.t.logpdf, [_P, np.array(3.3), np.array(0.1), np.array(1.3)]),
        (stats.truncnorm.logpdf, [_U, np.array(-0.5), np.array(1.4)]),
        (lambda mu: stats.poisson.logpmf(jnp.arange(3), mu), [_P]),
    ],
)
def test_derivatives(function: Any, operands: list[np.ndarray]) -> None:
    check_first(lambda *xs: [function(*xs)], operands, 1e-6)


def test_derivatives_at_zero_and_in_tails() -> None:
    assert jitney.grad(special.xlogy)(0.0, 2.0) == np.log(2)
    assert jitney.grad(special.xlogy, 1)(0.0, 0.0) == 0
    assert jitney.grad(special.xlog1py)(0.0, 2.0) == np.log(3)
    tails = jnp.array([-40.0, -19.9, 0.0, 40.0])
    slopes = jitney.vmap(jitney.grad(special.log_ndtr))(tails)
    np.testing.assert_allclose(slopes, [40.02496882, 19.94987407, 0.79788456, 0.0], rtol=1e-4)
    assert np.isfinite(np.asarray(jitney.vmap(jitney.grad(jitney.grad(special.log_ndtr)))(tails))).all()
    assert jitney.grad(stats.expon.logpdf)(-1.0) == 0


def test_derivatives_that_are_not_known_are_errors() -> None:
    with pytest.raises(ValueError, match="polygamma"):
        jitney.grad(jitney.lax.polygamma)(1.0, 2.0)


# -- distributions ------------------------------------------------------------------------------------

_X = np.array([-3.0, -1, -0.2, 0, 0.3, 0.9, 1, 2.5, 7, np.nan])
_K = np.array([-1.0, 0, 1, 2, 2.5, 5])
_PROBABILITIES = np.array([0.1, 0.5, 0.9])
_SHAPES = {"df": 3.3, "a": 2.2, "b": 1.7, "c": 0.4, "mu": 2.5, "p": 0.3, "n": 6.0, "kappa": 1.3, "beta": 1.6}
_FUNCTIONS = [
    (d, f)
    for d in stats._DISTRIBUTIONS
    if d not in ("dirichlet", "multinomial", "multivariate_normal")
    for f in _public(getattr(jax.scipy.stats, d))
    if f != "entropy"
]


@pytest.mark.parametrize("distribution, name", _FUNCTIONS)
def test_distribution(distribution: str, name: str) -> None:
    mine, theirs = (getattr(getattr(m, distribution), name) for m in (stats, jax.scipy.stats))
    parameters = inspect.signature(theirs).parameters
    assert [(p.name, p.default) for p in inspect.signature(mine).parameters.values()] == [
        (p.name, p.default) for p in parameters.values()
    ]
    assert mine.__doc__
    first, *rest = parameters
    shapes = (
        [-0.5, 1.4]
        if distribution == "truncnorm"
        else [_SHAPES[n] for n in rest if n not in ("loc", "scale")]
    )
    x = _PROBABILITIES if name in ("ppf", "isf") else _K if first == "k" else _X
    moved = [1.0 if first == "k" else 0.3, 1.7][: sum(n in ("loc", "scale") for n in rest)]
    for more in ([], moved):
        with np.errstate(all="ignore"):
            want = getattr(getattr(scipy.stats, distribution), name, theirs)(x, *shapes, *more)
        _same(mine(x, *shapes, *more), want, 1e-12, 1e-15)
        _same(jitney.jit(mine)(x, *shapes, *more), want, 1e-11, 1e-15)
        np.testing.assert_equal(np.asarray(mine(x.astype(np.float32), *shapes, *more)).dtype, np.float32)


def test_dirichlet() -> None:
    x, alpha = np.array([0.2, 0.3, 0.5]), np.array([1.0, 2.0, 3.0])
    _same(stats.dirichlet.logpdf(x, alpha), scipy.stats.dirichlet.logpdf(x, alpha), 1e-14)
    _same(stats.dirichlet.pdf(x[:2], alpha), scipy.stats.dirichlet.pdf(x, alpha), 1e-14)
    assert stats.dirichlet.logpdf(np.array([0.2, 0.3, 0.7]), alpha) == -np.inf


def test_defaults_cost_no_equations() -> None:
    jaxpr = jitney.make_jaxpr(stats.norm.logpdf)(jnp.ones(3))
    assert len(jaxpr.jaxpr.eqns) == 3


def test_import_is_lazy() -> None:
    code = (
        "import sys, jitney; assert 'jitney.scipy.special' not in sys.modules; assert 'scipy' not in sys.modules; "
        "jitney.scipy.stats.norm.logpdf; assert 'jitney.scipy.stats.gamma' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
