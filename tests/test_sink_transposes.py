"""Transpositions move behind arithmetic: what is computed stays the same, and runs through memory as it lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitney
import jitney.numpy as jnp
from jitney import lax
from jitney._compiler.drop_dead import drop_dead
from jitney._compiler.sink_transposes import sink_transposes

RNG = np.random.default_rng(0)


def transposes(fun: Callable, *args: Any) -> list[int]:
    """The sizes of what is transposed after the pass."""
    closed = drop_dead(sink_transposes(drop_dead(jitney.make_jaxpr(fun)(*args))))
    return [e.outvars[0].aval.size for e in closed.jaxpr.eqns if e.primitive.name == "transpose"]


@pytest.mark.parametrize(
    ("fun", "left"),
    [
        (lambda x: x.T.sum(1), 0),
        (lambda x: x.T.T, 0),
        (lambda x: jnp.exp(x.T).T + 1, 0),
        (lambda x: (x.T - x.T.mean(1, keepdims=True)).std(1), 0),
        (lambda x: jnp.argmax(x.T * 2, axis=0), 0),
        (lambda x: jnp.where(x.T > 0, x.T, 0.0), 1),
        (lambda x: x.T + jnp.arange(50.0), 1),  # known numbers along an axis follow
        (lambda x: x.T + jnp.ones((40, 50)) * x[0, 0], 1),
        (lambda x: x.T + jnp.sin(x.reshape(40, 50)), 1),  # operands disagree
        (lambda x: jnp.cumsum(x.T * 2, axis=1), 1),
    ],
)
def test_what_is_left(fun: Callable, left: int) -> None:
    x = RNG.normal(size=(50, 40))
    assert transposes(fun, x).count(2000) == left
    np.testing.assert_allclose(jitney.jit(fun)(x), fun(jnp.array(x)), rtol=1e-13)


def test_a_fold_of_several_axes_keeps_the_order_of_the_others() -> None:
    x = RNG.normal(size=(6, 7, 8, 9))

    def f(x: Any) -> Any:
        y = lax.transpose(x, (2, 0, 3, 1)) * 2
        return y.sum((1,)), y.max((0, 2)), y.min(3), y.prod((0, 1, 2, 3)), jnp.argmin(y, axis=2)

    assert max(transposes(f, x)) < x.size  # of what is left of three or two axes
    for got, want in zip(jitney.jit(f)(x), f(jnp.array(x)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_small_arrays_stay() -> None:
    x = RNG.normal(size=(5, 4))
    assert transposes(lambda x: jnp.exp(x.T).T, x) == [20, 20]


def test_derivatives_and_loops() -> None:
    x = RNG.normal(size=(50, 40))

    def loss(x: Any) -> Any:
        y = x.T - x.T.mean(1, keepdims=True)
        return jnp.sum((y @ y.T) ** 2) + lax.fori_loop(0, 3, lambda i, y: jnp.sin(y).T.T * 0.5, y).sum()

    np.testing.assert_allclose(jitney.jit(jitney.grad(loss))(x), jitney.grad(loss)(jnp.array(x)), rtol=1e-9)


@settings(max_examples=60)
@given(st.data())
def test_random_programs(data: st.DataObject) -> None:
    shape = data.draw(st.permutations([3, 17, 1, 29]))
    size = shape[0] * shape[1] * shape[2] * shape[3]
    steps = data.draw(
        st.lists(
            st.tuples(st.integers(0, 6), st.integers(0, 20), st.permutations(range(4))),
            min_size=2,
            max_size=8,
        )
    )

    def f(x: Any, w: Any) -> list[Any]:
        pool = [x]
        for op, k, axes in steps:
            a = pool[k % len(pool)]
            others = [b for b in pool if b.shape == a.shape]
            if op < 3:
                b = lax.transpose(a, axes)
            elif op == 3:
                b = a * others[k % len(others)] - 0.5
            elif op == 4:
                b = a - a.sum(k % 4, keepdims=True) / 30
            elif op == 5:
                b = a + jnp.resize(w, a.shape[k % 4 :])
            else:
                b = jnp.where(jnp.argmax(a, axis=k % 4, keepdims=True) > 1, a, 2.0)
            pool.append(b)
        return [*pool[-2:], pool[-1].max(steps[0][1] % 4), pool[-1].sum((0, 2))]

    x, w = np.sin(np.arange(size)).reshape(shape), np.cos(np.arange(5.0))
    for got, want in zip(jitney.jit(f)(x, w), f(jnp.array(x), jnp.array(w)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)
