"""Differential equations: solutions and derivatives against SciPy and JAX; trees, batches, times, what is not reached."""

from __future__ import annotations

from typing import Any

import jax
import jax.experimental.ode
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import jitney
from jitney import numpy as jnp
from jitney.experimental.ode import odeint


def lotka_volterra(n: Any) -> Any:
    def slope(y: Any, t: Any, p: Any) -> Any:
        return n.stack([p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]])

    return slope, np.array([2.0, 1.5]), np.linspace(0.0, 4.0, 7), np.array([1.5, 1.0, 3.0, 1.0])


def van_der_pol(n: Any) -> Any:
    def slope(y: Any, t: Any, mu: Any) -> Any:
        return n.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])

    return slope, np.array([2.0, 0.0]), np.linspace(0.0, 3.0, 31), np.array(10.0)


def pendulum(n: Any) -> Any:
    def slope(y: Any, t: Any, p: Any) -> Any:
        return n.stack([y[1], -p[0] * y[1] - p[1] * n.sin(y[0]) + 0.1 * n.cos(t)])

    return slope, np.array([3.0, 0.0]), np.array([0.0, 0.1, 2.0, 5.0]), np.array([0.25, 5.0])


@pytest.mark.parametrize("problem", [lotka_volterra, van_der_pol, pendulum])
def test_solutions_and_gradients(problem: Any) -> None:
    """SciPy's most accurate solution; JAX's gradient by start, times and parameters."""
    slope, y0, ts, p = problem(np)
    exact = solve_ivp(lambda t, y: slope(y, t, p), ts[[0, -1]], y0, "DOP853", ts, rtol=1e-12, atol=1e-12).y.T
    np.testing.assert_allclose(odeint(problem(jnp)[0], y0, ts, p), exact, rtol=2e-6, atol=2e-6)

    def gradient(m: Any, n: Any, solve: Any) -> Any:
        f = problem(n)[0]
        return m.jit(m.grad(lambda *x: n.sum(n.sin(solve(f, *x))), (0, 1, 2)))(y0, ts, p)

    got = gradient(jitney, jnp, odeint)
    want = gradient(jax, jax.numpy, jax.experimental.ode.odeint)
    for a, b in zip(got, want, strict=True):
        assert np.all(np.isfinite(b))
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def test_equations_that_forget_their_start() -> None:
    """Backwards in time they run away: reverse mode goes in pieces, and gives what forward mode gives."""
    slope, y0, _, mu = van_der_pol(jnp)
    f = lambda *x: jnp.sum(jnp.sin(odeint(slope, *x)))  # noqa: E731
    x = y0, np.array([0.0, 1.0, 3.0]), mu
    got, want = (jitney.jit(d(f, (0, 1, 2)))(*x) for d in (jitney.grad, jitney.jacfwd))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def decay(y: Any, t: Any, rate: Any) -> Any:
    return -rate * y


def test_derivatives_of_every_order() -> None:
    """Forward, reverse and each of the other, of exp(-r t)."""
    ts = np.array([0.0, 0.5, 1.5])
    f = lambda r: odeint(decay, 2.0, ts, r)[-1]  # noqa: E731
    value = 2 * np.exp(-1.5 * 0.7)
    first, second = -1.5 * value, 1.5**2 * value
    for d in (jitney.jacfwd, jitney.jacrev):
        np.testing.assert_allclose(d(f)(0.7), first, rtol=1e-6)
    for outer, inner in ((jitney.jacrev, jitney.jacfwd), (jitney.jacfwd, jitney.jacrev)):
        np.testing.assert_allclose(jitney.jit(outer(inner(f)))(0.7), second, rtol=1e-5)


def test_tangents_of_start_and_times() -> None:
    """``y = y0 exp(t0^2 - t^2)``: the equation depends on the time."""
    f = lambda y0, ts: odeint(lambda y, t: -2 * t * y, y0, ts)  # noqa: E731
    exact = lambda y0, ts: y0 * jnp.exp(ts[0] ** 2 - ts**2)  # noqa: E731
    x, ts = np.array(1.3), np.array([0.2, 0.5, 1.0])
    for d in (jitney.jacfwd, jitney.jacrev):
        got, want = d(f, (0, 1))(x, ts), d(exact, (0, 1))(x, ts)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


def test_trees_and_what_functions_close_over() -> None:
    ts = np.linspace(0.0, 2.0, 3)
    start = {"x": np.array([1.0, 0.0]), "v": (np.array(0.5),)}

    def end(stiffness: Any, drag: Any) -> Any:
        def slope(y: Any, t: Any, own: Any) -> Any:
            return {"x": -stiffness * y["x"], "v": (-own["drag"] * y["v"][0] + jnp.sum(y["x"]),)}

        found = odeint(slope, start, ts, {"drag": drag})
        assert found["x"].shape == (3, 2) and found["v"][0].shape == (3,)
        return jnp.sum(found["x"][-1])

    np.testing.assert_allclose(end(0.5, 1.0), np.exp(-1.0), rtol=1e-7)
    value, gradient = jitney.jit(jitney.value_and_grad(end, (0, 1)))(0.5, 1.0)
    np.testing.assert_allclose((value, *gradient), (np.exp(-1.0), -2 * np.exp(-1.0), 0.0), rtol=1e-6)


def test_slopes_with_the_elements_of_the_state() -> None:
    ts = np.linspace(0.0, 1.0, 3)
    want = odeint(lambda y, t: jnp.stack([y[1], -y[0]]), np.array([1.0, 0.0]), ts)
    np.testing.assert_array_equal(odeint(lambda y, t: [y[1], -y[0]], np.array([1.0, 0.0]), ts), want)
    x, v = odeint(lambda y, t: jnp.array([y[1], -y[0]]), (1, 0.0), ts)
    np.testing.assert_array_equal(x, want[:, 0])
    np.testing.assert_array_equal(v, want[:, 1])


def test_batches() -> None:
    """Every example takes steps of its own; gradients of batches, batches of gradients."""
    ts, rates = np.linspace(0.0, 1.0, 3), np.array([0.1, 1.0, 20.0])
    run = lambda r: odeint(decay, 1.0, ts, r)  # noqa: E731
    np.testing.assert_allclose(jitney.vmap(run)(rates), np.exp(-rates[:, None] * ts), rtol=1e-5, atol=1e-7)
    end = lambda r: run(r)[1]  # noqa: E731
    want = -0.5 * np.exp(-0.5 * rates)
    inside = jitney.jit(jitney.vmap(jitney.grad(end)))(rates)
    outside = jitney.jit(jitney.grad(lambda r: jitney.vmap(end)(r).sum()))(rates)
    forward = jitney.jvp(jitney.vmap(end), (rates,), (np.ones(3),))[1]
    for got in (inside, outside, forward):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_directions_and_dtypes() -> None:
    ts = np.array([1.0, 0.5, -1.0])
    np.testing.assert_allclose(odeint(decay, 1.0, ts, 1.0), np.exp(1 - ts), rtol=1e-7)
    single = odeint(decay, np.float32(1), ts[::-1].astype("f4"), np.float32(1), rtol=1e-5, atol=1e-5)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, np.exp(-1 - ts[::-1]), rtol=1e-4)
    turning = odeint(lambda y, t: 1j * y, np.array(1 + 0j), np.array([0.0, np.pi]))
    np.testing.assert_allclose(turning, [1, -1], atol=1e-6)
    assert odeint(decay, 1, np.array([0.0]), 1.0).shape == (1,)


def test_limits_of_steps() -> None:
    """What is not reached is NaN: too few steps, or a solution that ends."""
    few = odeint(decay, 1.0, np.array([0.0, 1e-3, 50.0]), 1.0, mxstep=3)
    assert np.isfinite(few[1]) and np.isnan(few[2])
    ends = odeint(lambda y, t: y**2, 1.0, np.array([0.0, 0.5, 2.0]))
    np.testing.assert_allclose(ends[:2], [1.0, 2.0], rtol=1e-6)
    assert not np.isfinite(ends[2])
    np.testing.assert_allclose(
        odeint(decay, 1.0, np.array([0.0, 1.0]), 1.0, hmax=0.01)[1], np.exp(-1), rtol=1e-12
    )


def test_equal_times() -> None:
    got = odeint(decay, 1.0, np.array([0.0, 0.0, 1.0, 1.0]), 1.0)
    np.testing.assert_allclose(got, np.exp(-np.array([0, 0, 1, 1])), rtol=1e-7)


def test_misuse() -> None:
    with pytest.raises(TypeError, match="t must be an array of floats"):
        odeint(decay, 1.0, np.arange(3), 1.0)
    with pytest.raises(TypeError, match="must have the elements of the state y0, 1 in all"):
        odeint(lambda y, t: [y, y], 1.0, np.array([0.0, 1.0]))
    with pytest.raises(TypeError, match="slope is complex"):
        odeint(lambda y, t: 1j * y, 1.0, np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="times of shape"):
        odeint(decay, 1.0, np.zeros((2, 2)), 1.0)
    with pytest.raises(TypeError, match="str"):
        odeint(decay, 1.0, np.array([0.0, 1.0]), "rate")
