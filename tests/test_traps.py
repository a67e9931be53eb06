"""Where derivatives are finite though a slope on the way is not: the branch not taken, norms at 0, repeated eigenvalues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
import scipy.linalg

import jitney
import jitney.numpy as jnp
from jitney import lax, nn
from jitney.as_jax import JAX_DEFAULTS
from jitney.scipy import special, stats

inf, nan = np.inf, np.nan
where = jnp.where


class Trap:
    """A function, a place, and the derivative there; the second one where it has a meaning."""

    def __init__(self, fun: Callable[..., Any], at: Any, slope: Any, second: Any = None) -> None:
        self.fun, self.at, self.slope, self.second = fun, at, slope, second


def _normalised(x: Any) -> Any:
    size = jnp.sqrt(jnp.sum(x**2))
    return jnp.sum(where(size > 0, x / size, 0.0))


def _distances(x: Any) -> Any:
    return jnp.sum(jnp.sqrt(jnp.sum((x[:, None] - x[None]) ** 2, -1)))


def _ahead(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` behind a choice, itself a compiled function."""
    return lambda x: where(x > 0, jitney.jit(f)(x), 0.0)


def _missing(of: Callable[..., Any]) -> Callable[..., Any]:
    return lambda m: of(jnp.array([1.0, nan, 3.0]).astype(m.dtype) * m)


def _in_scan(m: Any) -> Any:
    def step(total: Any, y: Any) -> tuple[Any, None]:
        return total + where(jnp.isnan(y), 0.0, (y * m - 2.0) ** 2), None

    return lax.scan(step, jnp.zeros_like(m), jnp.array([1.0, nan, 3.0]).astype(m.dtype))[0]


def _roots(x: Any) -> Any:
    return lax.scan(lambda c, _: (jnp.sqrt(c), None), x, None, length=3)[0]


def _in_cond(x: Any) -> Any:
    return jnp.sum(jitney.vmap(lambda v: lax.cond(v > 0, jnp.log, lambda v: 0.0 * v, v))(x))


# The value of each function is finite at its place. Slopes are limits or, where the function has a kink and
# several slopes, the one of least size; a branch that was not taken counts for nothing.
TRAPS: dict[str, Trap] = {
    # branches that are not taken
    "where sqrt": Trap(lambda x: where(x > 0, jnp.sqrt(x), 0.0), 0.0, 0.0, 0.0),
    "where sqrt of -1": Trap(lambda x: where(x > 0, jnp.sqrt(x), 0.0), -1.0, 0.0, 0.0),
    "where log": Trap(lambda x: where(x > 0, jnp.log(x), 0.0), 0.0, 0.0, 0.0),
    "where 1 / x": Trap(lambda x: where(x != 0, 1 / x, 0.0), 0.0, 0.0, 0.0),
    "where x**-2": Trap(lambda x: where(x != 0, x**-2, 0.0), 0.0, 0.0, 0.0),
    "where x**0.3": Trap(lambda x: where(x > 0, x**0.3, 0.0), 0.0, 0.0, 0.0),
    "where cbrt": Trap(lambda x: where(x > 0, jnp.cbrt(x), 0.0), 0.0, 0.0, 0.0),
    "where rsqrt": Trap(lambda x: where(x > 0, lax.rsqrt(x), 0.0), 0.0, 0.0, 0.0),
    "where arccos": Trap(lambda x: where(x < 1, jnp.arccos(x), 0.0), 1.0, 0.0, 0.0),
    "where arcsin": Trap(lambda x: where(x < 1, jnp.arcsin(x), 0.0), 1.0, 0.0, 0.0),
    "where arccosh": Trap(lambda x: where(x > 1, jnp.arccosh(x), 0.0), 1.0, 0.0, 0.0),
    "where arctanh": Trap(lambda x: where(x < 1, jnp.arctanh(x), 0.0), 1.0, 0.0, 0.0),
    "where log1p": Trap(lambda x: where(x > -1, jnp.log1p(x), 0.0), -1.0, 0.0, 0.0),
    "where gammaln": Trap(lambda x: where(x > 0, special.gammaln(x), 0.0), 0.0, 0.0, 0.0),
    "where logit": Trap(lambda x: where(x > 0, special.logit(x), 0.0), 0.0, 0.0, 0.0),
    "where erfinv": Trap(lambda x: where(x < 1, special.erfinv(x), 0.0), 1.0, 0.0, 0.0),
    "where arctan2": Trap(lambda x: where(x == 0, 1.0, jnp.arctan2(x, x)), 0.0, 0.0, 0.0),
    "where sin x / x": Trap(lambda x: where(x == 0, 1.0, jnp.sin(x) / x), 0.0, 0.0, 0.0),
    "where x / abs x": Trap(lambda x: where(x == 0, 0.0, x / jnp.abs(x)), 0.0, 0.0, 0.0),
    "where exp(-1 / x**2)": Trap(lambda x: where(x == 0, 0.0, jnp.exp(-1 / x**2)), 0.0, 0.0, 0.0),
    "exp(-1 / x**2)": Trap(lambda x: jnp.exp(-1 / x**2), 0.0, 0.0, 0.0),
    "where x / norm": Trap(_normalised, [0.0, 0.0], [0.0, 0.0], np.zeros((2, 2))),
    "where log sum": Trap(lambda x: where(jnp.sum(x) > 0, jnp.log(jnp.sum(x)), 0.0), [0.0, 0.0], [0.0, 0.0]),
    "two choices": Trap(lambda x: where(x > 0, jnp.sqrt(x), where(x < 0, jnp.log(-x), 1.0)), 0.0, 0.0, 0.0),
    "where of a gather": Trap(
        lambda x: jnp.sum(where(jnp.array([True, False]), jnp.sqrt(x)[jnp.array([0, 1])], 0.0)),
        [4.0, 0.0],
        [0.25, 0.0],
        [[-1 / 32, 0], [0, 0]],
    ),
    "cond in vmap": Trap(_in_cond, [0.0, 4.0], [0.0, 0.25], [[0, 0], [0, -1 / 16]]),
    "jit behind where": Trap(_ahead(lambda x: jnp.log(x) * x), 0.0, 0.0, 0.0),
    "scan behind where": Trap(lambda x: where(x > 0, _roots(x), 0.0), 0.0, 0.0, 0.0),
    # overflow on the side that is not taken
    "softplus": Trap(lambda x: where(x > 30, x, jnp.log1p(jnp.exp(x))), 1000.0, 1.0, 0.0),
    "sigmoid": Trap(
        lambda x: where(x >= 0, 1 / (1 + jnp.exp(-x)), jnp.exp(x) / (1 + jnp.exp(x))), 1000.0, 0.0, 0.0
    ),
    "huber": Trap(lambda x: where(jnp.abs(x) < 1, 0.5 * x**4, jnp.abs(x) - 0.5), 1e30, 1.0, 0.0),
    # data that is missing
    "nansum": Trap(_missing(lambda y: jnp.nansum((y - 2.0) ** 2)), 2.0, 24.0, 20.0),
    "nanmean": Trap(_missing(jnp.nanmean), 2.0, 2.0, 0.0),
    "nanstd": Trap(_missing(jnp.nanstd), 2.0, 1.0, 0.0),
    "missing in scan": Trap(_in_scan, 2.0, 24.0, 20.0),
    # 0 * log 0
    "xlogy by y": Trap(lambda y: special.xlogy(0.0, y), 0.0, 0.0, 0.0),
    "poisson": Trap(lambda mu: stats.poisson.logpmf(0, mu), 0.0, -1.0, 0.0),
    "bernoulli": Trap(lambda p: stats.bernoulli.logpmf(1, p), 1.0, 1.0, -1.0),
    "gamma density": Trap(lambda x: stats.gamma.logpdf(x, 1.0), 0.0, -1.0, 0.0),
    "beta density": Trap(lambda x: stats.beta.logpdf(x, 1.0, 1.0), 0.0, 0.0, 0.0),
    "gammainc": Trap(lambda x: special.gammainc(1.0, x), 0.0, 1.0, -1.0),
    "logsumexp of nothing": Trap(
        lambda x: where(jnp.any(x > -inf), special.logsumexp(x), 0.0), [-inf, -inf], [0.0, 0.0]
    ),
    "softmax of nothing": Trap(
        lambda x: jnp.sum(where(x > -inf, nn.softmax(x), 0.0)), [-inf, -inf], [0.0, 0.0]
    ),
    "logaddexp of nothing": Trap(lambda x: where(x > -inf, jnp.logaddexp(x, x), 0.0), -inf, 0.0),
    # powers
    "x**0": Trap(lambda x: x**0.0, 0.0, 0.0, 0.0),
    "x**y at 0": Trap(lambda x: jnp.sum(jnp.power(x, jnp.arange(4.0).astype(x.dtype))), 0.0, 1.0, 2.0),
    "0**y": Trap(lambda y: jnp.power(0.0, y), 2.0, 0.0, 0.0),
    "x**1.5": Trap(lambda x: x**1.5, 0.0, 0.0),
    "x sqrt(x)": Trap(lambda x: x * jnp.sqrt(x), 0.0, 0.0),
    # roots of what has a minimum
    "sqrt(x**2)": Trap(lambda x: jnp.sqrt(x**2), 0.0, 0.0),
    "sqrt(x * x)": Trap(lambda x: jnp.sqrt(x * x), 0.0, 0.0),
    "sqrt(1 - cos)": Trap(lambda x: jnp.sqrt(1 - jnp.cos(x)), 0.0, 0.0),
    "sqrt of clipped": Trap(lambda x: jnp.sqrt(jnp.clip(x, 0.0, 1.0)), -1.0, 0.0, 0.0),
    "sqrt of relu": Trap(lambda x: jnp.sqrt(nn.relu(x)), -1.0, 0.0, 0.0),
    "norm": Trap(jnp.linalg.norm, [0.0, 0.0], [0.0, 0.0]),
    "norm of order 3": Trap(lambda x: jnp.linalg.norm(x, ord=3), [0.0, 0.0], [0.0, 0.0]),
    "sqrt(x @ x)": Trap(lambda x: jnp.sqrt(x @ x), [0.0, 0.0], [0.0, 0.0]),
    "sqrt(x @ a @ x)": Trap(
        lambda x: jnp.sqrt(x @ jnp.array([[2.0, 1.0], [1.0, 3.0]]).astype(x.dtype) @ x),
        [0.0, 0.0],
        [0.0, 0.0],
    ),
    "rows": Trap(
        lambda x: jnp.sum(jnp.sqrt(jnp.einsum("ij,ij->i", x, x))), np.zeros((2, 2)), np.zeros((2, 2))
    ),
    "distances": Trap(_distances, [[0.0, 0.0], [3.0, 4.0]], [[-1.2, -1.6], [1.2, 1.6]]),
    "hypot": Trap(lambda x: jnp.hypot(x[0], x[1]) * 0 + jnp.abs(x[0] + 1j * x[1]), [0.0, 0.0], [0.0, 0.0]),
    "std": Trap(jnp.std, [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
    "mean / std": Trap(
        lambda x: where(jnp.std(x) > 0, jnp.mean(x) / jnp.std(x), 0.0),
        [1.0, 1.0],
        [0.0, 0.0],
        np.zeros((2, 2)),
    ),
    "arctan2": Trap(lambda x: jnp.arctan2(x[0], x[1]), [0.0, 0.0], [0.0, 0.0]),
    "sqrt(k x)": Trap(lambda x: jnp.sum(jnp.sqrt(jnp.arange(2.0).astype(x.dtype) * x)), 4.0, 0.25, -1 / 32),
    # kinks and folds
    "sinc": Trap(jnp.sinc, 0.0, 0.0, -(np.pi**2) / 3),
    "max": Trap(jnp.max, [1.0, 1.0], [0.5, 0.5], np.zeros((2, 2))),
    "clip": Trap(lambda x: jnp.clip(x, 0.0, 1.0), 0.0, 0.5, 0.0),
    "prod": Trap(jnp.prod, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
}


@pytest.mark.parametrize("name", TRAPS)
def test_trap(name: str) -> None:
    """In both modes, eager, compiled and in batches, in both precisions."""
    trap = TRAPS[name]
    for dtype, rtol in ((np.float64, 1e-12), (np.float32, 2e-6)):
        x, want = jnp.array(trap.at, dtype), np.asarray(trap.slope, dtype)
        close = lambda got, want=want, rtol=rtol: np.testing.assert_allclose(got, want, rtol, rtol)
        gradient, forward = jitney.grad(trap.fun), jitney.jacfwd(trap.fun)
        assert np.isfinite(trap.fun(x))
        assert gradient(x).dtype == dtype
        close(gradient(x))
        close(forward(x))
        close(jitney.jit(gradient)(x))
        for both in jitney.jit(jitney.vmap(gradient))(jnp.stack([x, x])):
            close(both)
        if dtype == np.float64 and trap.second is not None:
            for second in (jitney.jacrev(gradient), jitney.jit(jitney.jacfwd(gradient))):
                np.testing.assert_allclose(second(x), trap.second, 1e-12, 1e-12)


def test_as_jax_where_that_is_finite() -> None:
    """Nothing else changes: what JAX says is finite is the same here."""
    for name in ("max", "clip", "sinc", "prod", "huber"):
        trap = TRAPS[name]
        x = np.asarray(trap.at)
        with jitney.config.temporarily("safe_grad", False):
            np.testing.assert_allclose(jitney.grad(trap.fun)(jnp.array(x)), trap.slope, 1e-12)


# -- what stays infinite ----------------------------------------------------------------------------------

ENDLESS: dict[str, tuple[Callable[..., Any], float, float]] = {
    "sqrt": (jnp.sqrt, 0.0, inf),
    "cbrt": (jnp.cbrt, 0.0, inf),
    "x**0.5": (lambda x: x**0.5, 0.0, inf),
    "log": (jnp.log, 0.0, inf),
    "1 / x": (lambda x: 1 / x, 0.0, -inf),
    "arcsin": (jnp.arcsin, 1.0, inf),
    "arccos": (jnp.arccos, 1.0, -inf),
    "arctanh": (jnp.arctanh, 1.0, inf),
    "sqrt(x (1 - x))": (lambda x: jnp.sqrt(x * (1 - x)), 0.0, inf),
    "sum of a root": (lambda x: x + jnp.sqrt(x), 0.0, inf),
    "entr": (special.entr, 0.0, inf),
    "x log x": (lambda x: special.xlogy(x, x), 0.0, -inf),
    "nan": (lambda x: x * nan, 0.0, nan),
    "log of -1": (lambda x: jnp.sqrt(x), -1.0, nan),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_is_infinite_stays(name: str) -> None:
    fun, x, want = ENDLESS[name]
    for derivative in (jitney.grad(fun), jitney.jacfwd(fun), jitney.jit(jitney.grad(fun))):
        np.testing.assert_equal(float(derivative(x)), want)


def test_columns_of_a_jacobian_do_not_mix() -> None:
    x = jnp.array([0.0, 1.0])
    for jacobian in (jitney.jacrev, jitney.jacfwd):
        np.testing.assert_array_equal(jacobian(jnp.sqrt)(x), [[inf, 0], [0, 0.5]])


# -- the switch -------------------------------------------------------------------------------------------


def test_switch() -> None:
    fun = TRAPS["where sqrt"].fun
    gradient = jitney.jit(jitney.grad(fun))
    assert gradient(0.0) == 0.0
    with jitney.config.temporarily("safe_grad", False):
        assert np.isnan(gradient(0.0))
        assert np.isnan(jitney.grad(fun)(0.0))
        assert not jitney.config.safe_grad
    assert gradient(0.0) == 0.0
    assert JAX_DEFAULTS["safe_grad"] is False


def test_switch_inside_of_loops_and_calls() -> None:
    """Derivatives of one program under both settings, which share nothing."""
    cases = (
        jitney.jit(fun := TRAPS["where log"].fun),
        lambda x: lax.fori_loop(0, 2, lambda i, c: c + fun(x), x),
        lambda x: lax.cond(x > 1, fun, lambda v: 2 * fun(v), x),
    )
    for f in cases:
        for _ in range(2):
            assert np.isfinite(jitney.grad(f)(0.0))
            with jitney.config.temporarily("safe_grad", False):
                assert np.isnan(jitney.grad(f)(0.0))


def test_programs_without_the_switch_are_those_of_jax() -> None:
    def texts(lib: Any) -> str:
        return str(lib.make_jaxpr(lib.grad(lambda x: lib.numpy.log(x) * lib.numpy.sqrt(x)))(1.0))

    with jitney.config.temporarily("safe_grad", False):
        assert texts(jitney) == texts(jax)
    assert "strong_mul" in texts(jitney)


def test_debug_nans_says_what_is_nan() -> None:
    """A gradient that is finite raises nothing; one that is not does."""
    with jitney.config.temporarily("jax_debug_nans", True):
        assert jitney.grad(TRAPS["where log"].fun)(0.0) == 0.0
        assert jitney.grad(TRAPS["sqrt(x**2)"].fun)(0.0) == 0.0
        with pytest.raises(FloatingPointError):
            jitney.grad(jnp.sqrt)(-1.0)


# -- repeated eigenvalues -----------------------------------------------------------------------------------

_RNG = np.random.default_rng(0)
_WEIGHTS = _RNG.normal(size=(3, 3))
_TURN = np.linalg.qr(_RNG.normal(size=(3, 3)))[0]
REPEATED = {
    "unit": np.eye(3),
    "zero": np.zeros((3, 3)),
    "pair": _TURN @ np.diag([1.0, 1.0, 3.0]) @ _TURN.T,
    "diagonal": np.diag([2.0, 3.0, 3.0]),
}


def _slopes(f: Callable[[np.ndarray], float], a: np.ndarray) -> np.ndarray:
    out, h = np.zeros_like(a), 1e-4
    for place in np.ndindex(a.shape):
        step = np.zeros_like(a)
        step[place] = h
        out[place] = (f(a + step) - f(a - step)) / (2 * h)
    return out


def _matrix_function(f: Callable[..., Any]) -> Callable[..., Any]:
    def fun(a: Any) -> Any:
        w, v = jnp.linalg.eigh(a)
        return jnp.sum((v * f(w)) @ v.T * _WEIGHTS)

    return fun


@pytest.mark.parametrize("name", REPEATED)
def test_functions_of_symmetric_matrices(name: str) -> None:
    a = REPEATED[name]
    fun = _matrix_function(jnp.exp)
    want = _slopes(lambda a: np.sum(scipy.linalg.expm((a + a.T) / 2) * _WEIGHTS), a)
    for derivative in (jitney.grad(fun), jitney.jit(jitney.grad(fun)), jitney.jacfwd(fun)):
        np.testing.assert_allclose(derivative(a), want, atol=2e-6)
    np.testing.assert_allclose(fun(a), np.sum(scipy.linalg.expm(a) * _WEIGHTS), rtol=1e-12)


def test_projectors() -> None:
    def fun(a: Any, lib: Any = jnp) -> Any:
        v = lib.linalg.eigh(a)[1][:, :2]
        return lib.sum(v @ v.T * _WEIGHTS)

    a = REPEATED["pair"]
    want = _slopes(lambda a: fun((a + a.T) / 2, np), a)
    np.testing.assert_allclose(jitney.grad(fun)(a), want, atol=2e-6)


def test_functions_of_eigenvalues_to_second_order() -> None:
    """The Hessian of trace(a**2), of which ``eigvalsh`` sees the symmetric part."""
    hessian = jitney.hessian(lambda a: jnp.sum(jnp.linalg.eigvalsh(a) ** 2))(np.eye(3))
    i, j, k, m = np.ix_(*[range(3)] * 4)
    want = ((i == k) & (j == m)).astype(float) + ((i == m) & (j == k))
    np.testing.assert_allclose(hessian, want, atol=1e-6)
    np.testing.assert_array_equal(
        jitney.grad(lambda a: jnp.max(jnp.linalg.eigvalsh(a)))(np.eye(2)), np.eye(2) / 2
    )


@pytest.mark.parametrize("name", REPEATED)
def test_singular_vectors_of_repeated_values(name: str) -> None:
    a = REPEATED[name]

    def whole(a: Any) -> Any:
        u, s, v = jnp.linalg.svd(a)
        return jnp.sum((u * s) @ v * _WEIGHTS)

    def rotation(a: Any) -> Any:
        u, _, v = jnp.linalg.svd(a)
        return jnp.sum(u @ v * _WEIGHTS)

    np.testing.assert_allclose(jitney.grad(whole)(a), _WEIGHTS, atol=1e-6)
    if name != "zero":
        want = _slopes(lambda a: np.sum(scipy.linalg.polar(a)[0] * _WEIGHTS), a)
        np.testing.assert_allclose(jitney.jit(jitney.grad(rotation))(a), want, atol=1e-6)


def test_other_eigenvalues_stay_as_they_are() -> None:
    a = np.diag([1.0, 2.0, 2.0, 5.0])
    w, slopes = jitney.jvp(lambda a: jnp.linalg.eigh(a)[0], (a,), (np.eye(4),))
    assert w[0] == 1.0 and w[3] == 5.0
    np.testing.assert_allclose(w, [1, 2, 2, 5], atol=1e-7)
    np.testing.assert_allclose(jnp.sum(w), 10.0, rtol=1e-15)
    np.testing.assert_allclose(slopes, 1.0, rtol=1e-14)
