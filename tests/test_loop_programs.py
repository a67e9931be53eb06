"""Programs of loops as scientists write them: values and gradients, alone and batched, compiled, against JAX."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy
import numpy as np
import pytest

import jitney
import jitney.numpy
from comparing import assert_close
from jitney._compiler.choose_widths import _apart
from jitney._kernel import index as ix
from jitney._kernel.ir import For

rng = np.random.default_rng(0)


def layers(m: Any, a: Any, x: Any) -> Any:
    return m.lax.scan(lambda c, _: (m.numpy.tanh(a @ c), None), x, None, length=5)[0].sum()


def lstm(m: Any, w: Any, xs: Any) -> Any:
    n = m.numpy

    def step(state: Any, x: Any) -> Any:
        h, s = state
        i, f, g, o = n.split(w @ n.concatenate([x, h]), 4)
        s = s / (1 + n.exp(-f)) + n.tanh(g) / (1 + n.exp(-i))
        h = n.tanh(s) / (1 + n.exp(-o))
        return (h, s), h

    return (m.lax.scan(step, (n.zeros(6), n.zeros(6)), xs)[1] ** 2).sum()


def heat(m: Any, u: Any) -> Any:
    def step(u: Any, _: Any) -> Any:
        around = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2]
        return u.at[1:-1, 1:-1].add(0.2 * (around - 4 * u[1:-1, 1:-1])), None

    return (m.lax.scan(step, u, None, length=4)[0] ** 2).sum()


def pendulums(m: Any, x: Any) -> Any:
    def one(x: Any) -> Any:
        def step(s: Any, _: Any) -> Any:
            y, v = s
            v = v - 0.01 * m.numpy.sin(y)
            return (y + 0.01 * v, v), None

        return m.lax.scan(step, (x, x * 0), None, length=20)[0][0]

    return m.vmap(one)(x).sum()


def choices(m: Any, x: Any) -> Any:
    n = m.numpy

    def step(c: Any, y: Any) -> Any:
        return m.lax.cond(y > 0, lambda c: c * 0.9 + n.sin(c), lambda c: c - 0.1 * n.cos(c), c), c

    return m.lax.scan(step, 0.1 * x[0], x)[1].sum()


def alignment(m: Any, a: Any, b: Any) -> Any:
    n = m.numpy

    def row(prev: Any, ai: Any) -> Any:
        def cell(left: Any, t: Any) -> Any:
            bj, diagonal, up = t
            v = n.minimum(n.minimum(left, up) + 1, diagonal + n.abs(ai - bj))
            return v, v

        _, r = m.lax.scan(cell, prev[0] + 1, (b, prev[:-1], prev[1:]))
        return n.concatenate([prev[:1] + 1, r]), None

    return m.lax.scan(row, n.arange(b.shape[0] + 1.0), a)[0][-1]


def hidden_states(m: Any, log_t: Any, log_b: Any) -> Any:
    n = m.numpy

    def step(alpha: Any, lb: Any) -> Any:
        top = alpha.max()
        return n.log((n.exp(alpha - top)[:, None] * n.exp(log_t)).sum(0)) + top + lb, None

    alpha = m.lax.scan(step, log_b[0], log_b[1:])[0]
    return n.log(n.exp(alpha - alpha.max()).sum()) + alpha.max()


def fixed_points(m: Any, x: Any) -> Any:
    n = m.numpy

    def step(s: Any) -> Any:
        return n.abs(n.cos(s[1]) - s[1]).max(), n.cos(s[1]), s[2] + 1

    return m.lax.while_loop(lambda s: (s[0] > 1e-3) & (s[2] < 1000), step, (1.0, x, 0))[1].sum()


def scattered(m: Any, x: Any, idx: Any) -> Any:
    def step(c: Any, i: Any) -> Any:
        return c.at[i].add(c[(i * 7) % 50] * 0.01), c[i]

    return m.lax.scan(step, x, idx)[1].sum()


def recurrence(m: Any, x: Any) -> Any:
    combine = lambda a, b: (a[0] * b[0], b[0] * a[1] + b[1])  # noqa: E731
    return m.lax.associative_scan(combine, (x * 0.9, x))[1].sum()


def recomputed(m: Any, x: Any) -> Any:
    n = m.numpy
    f = m.checkpoint(lambda c: n.sin(c) * 1.1 + n.cos(c) * c)
    return m.lax.scan(lambda c, _: (f(c), None), x, None, length=6)[0].sum()


PROGRAMS = {
    layers: (rng.normal(size=(20, 20)) * 0.2, rng.normal(size=20)),
    lstm: (rng.normal(size=(24, 10)) * 0.3, rng.normal(size=(7, 4))),
    heat: (rng.normal(size=(9, 11)),),
    pendulums: (rng.normal(size=37),),
    choices: (rng.normal(size=50),),
    alignment: (rng.normal(size=6), rng.normal(size=8)),
    hidden_states: (np.log(rng.dirichlet(np.ones(8), 8)), rng.normal(size=(12, 8))),
    fixed_points: (rng.normal(size=50),),
    scattered: (rng.normal(size=50), rng.integers(0, 50, 100)),
    recurrence: (rng.uniform(size=40),),
    recomputed: (rng.normal(size=30),),
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_program(program: Any) -> None:
    args = PROGRAMS[program]
    got = jitney.jit(lambda *a: program(jitney, *a))(*args)
    assert_close(got, jax.jit(lambda *a: program(jax, *a))(*args), 1e-12)
    if program is fixed_points:
        return
    batch = [np.stack([a, a[::-1]]) for a in args]
    forms = [lambda m, f: m.grad(f), lambda m, f: m.vmap(m.grad(f))]
    for form, given in zip(forms, (args, batch), strict=True):
        got = jitney.jit(form(jitney, lambda *a: program(jitney, *a)))(*given)
        assert_close(got, jax.jit(form(jax, lambda *a: program(jax, *a)))(*given), 1e-11)


def test_iterations_that_are_said_to_be_independent_are() -> None:
    """Two accesses of a vector loop over i, with a serial loop over r inside, by trying all pairs."""
    for n, m, ci, cr, a0, b0 in itertools.product(
        (3, 8), (1, 4), (1, 2, 5), (0, 1, 3, 8, 10), (0, 1), (0, 2, 9)
    ):
        node = For(ix.LoopVar("i", 0, n - 1, 1), n, "vector")
        inner = ix.variable(ix.LoopVar("r", 0, m - 1, 2))
        a, b = (ix.variable(node.var) * ci + inner * cr + c for c in (a0, b0))
        said = _apart(a, b, node)
        places = list(itertools.product(range(n), range(m)))
        meets = [
            i == j
            for (i, r), (j, s) in itertools.product(places, places)
            if ci * i + cr * r + a0 == ci * j + cr * s + b0
        ]
        if not all(meets):  # in different iterations
            assert said is None, (n, m, ci, cr, a0, b0)
        elif said is not None:
            assert said == (not meets)


def stacks_returned_by_a_body(m: Any, u: Any) -> Any:
    """Two stacks of a scan inside a body are that body's results: they are read as a whole."""

    def sweep(v: Any, w: Any) -> Any:
        both = lambda p, r: ((p[0] + r[0], p[1] - r[1]),) * 2
        sums = m.lax.scan(both, (0.0, 0.0), (v, w))[1]
        return m.lax.scan(both, (0.0, 0.0), sums, reverse=True)[1]

    (v, w), _ = m.lax.scan(lambda c, _: (sweep(*c), None), (u, u + 1), None, length=2)
    return v @ w


def test_stacks_that_are_results_of_a_body_are_arrays() -> None:
    u = rng.standard_normal(6)
    got = jitney.jit(lambda u: stacks_returned_by_a_body(jitney, u))(u)
    assert_close(got, stacks_returned_by_a_body(jax, u))


# -- updates in place: what else reads the old value, and when


def _row_times_element(m: Any, a: Any, v: Any, s: Any, k: Any) -> Any:
    n, lax = m.numpy, m.lax

    def body(i: Any, a: Any) -> Any:
        a = 0.5 * a.at[k].set(v) * a[i % 5, k]
        other = 0.4 * lax.dynamic_update_index_in_dim(v, s, i, 0)
        return n.sin(0.5 * lax.dynamic_update_index_in_dim(a, v, i, 0) + other)

    return lax.fori_loop(-1, 1, body, a)


def _column(m: Any, a: Any, v: Any) -> Any:
    a = a.at[:, m.numpy.asarray(2)].set(v[2])
    return m.numpy.sum(a * (1.5 + a)) + m.numpy.sum(v * v)


def _stacked_update(m: Any, w: Any, k: Any, s: Any) -> Any:
    n = m.numpy

    def body(w: Any, _: Any) -> Any:
        w = (0.3 * w).at[n.stack([k, 7 + 0 * k])].add(0.3 * s)
        return w, w.at[k].set(s)

    return m.lax.scan(body, w, None, 16)


def _closed_over(m: Any, w: Any, a: Any) -> Any:
    on = m.numpy.asarray(True)
    w, a = m.lax.cond(on, lambda w, a=a: (w, a), lambda w, a=a: (a.mean(0), a), w)
    return (w**2).sum() + (a**2).sum()


UPDATES = {
    _row_times_element: (
        lambda m, f: m.vmap(f),
        (rng.normal(size=(3, 5, 17)), rng.normal(size=(3, 17)), rng.normal(size=3), np.array([0, 3, 4])),
    ),
    _column: (
        lambda m, f: m.vmap(m.grad(f, (0, 1))),
        (rng.normal(size=(3, 1, 16)), rng.normal(size=(3, 16))),
    ),
    _stacked_update: (lambda m, f: f, (np.arange(16.0), 0, 0.5)),
    _closed_over: (lambda m, f: m.vmap(m.grad(f, (0, 1))), (np.ones((3, 3)), np.ones((3, 5, 3)))),
}


@pytest.mark.parametrize("program", UPDATES, ids=lambda p: p.__name__)
def test_update(program: Any) -> None:
    form, args = UPDATES[program]
    got = jitney.jit(form(jitney, lambda *a: program(jitney, *a)))(*args)
    want = jax.jit(form(jax, lambda *a: program(jax, *a)))(*args)
    jax.tree.map(lambda g, w: assert_close(g, w, 1e-12), got, want)
