"""What the compiler makes of loops and branches: loop programs as text, and values where buffers are shared or swapped.

``JITNEY_UPDATE_GOLDENS=1 pytest tests/test_compiler_control.py`` rewrites ``tests/goldens/control_*.txt``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from compiler_cases import assert_golden, close, slowly, staged
from jitney import lax
from jitney._compiler.options import without

rng = np.random.default_rng(0)


# -- texts ------------------------------------------------------------------------------------------


def scalars(x: Any) -> Any:
    """A carry in a register, one element of ``x`` read and one stacked in each step."""
    return lax.scan(lambda c, y: (0.9 * c + y, c), 0.0, x)


def product(a: Any, c: Any) -> Any:
    """A small matrix and the carry stay in registers."""
    return lax.scan(lambda c, _: (jnp.tanh(a @ c), None), c, None, 10)[0]


def in_place(u: Any, x: Any) -> Any:
    """A large carry has one buffer."""
    return lax.scan(lambda u, y: (0.5 * u + y, None), u, x)[0]


def stencil(u: Any) -> Any:
    """Neighbours are read: two buffers change roles."""
    left, right = lambda u: lax.pad(u[:-1], 0.0, [(1, 0, 0)]), lambda u: lax.pad(u[1:], 0.0, [(0, 1, 0)])
    return lax.scan(lambda u, _: (0.5 * u + 0.25 * (left(u) + right(u)), None), u, None, 10)[0]


def one_element(x: Any) -> Any:
    """A step writes one element of the buffer, nothing else."""
    return lax.fori_loop(1, 100, lambda i, x: x.at[i].set(jnp.sin(x[i - 1])), x)


def newton(a: Any) -> Any:
    """A loop of unknown length in registers."""
    return lax.while_loop(lambda x: jnp.abs(x * x - a) > 1e-9, lambda x: 0.5 * (x + a / x), a)


def branch(x: Any, p: Any) -> Any:
    """One branch writes an element of the loop's buffer, the other leaves it alone."""
    step = lambda i, x: lax.cond(p[i], lambda x: x.at[i].set(2.0 * x[i] + x[0]), lambda x: x, x)
    return lax.fori_loop(0, 100, step, x)


def oscillators(x: Any) -> Any:
    """Four equal functions of scalars are one of four lanes."""

    def step(c: Any, _: Any) -> Any:
        a, b, c, d = c
        return (jnp.exp(-b), jnp.exp(-c), jnp.exp(-d), jnp.exp(-a)), None

    return lax.scan(step, (x, 2 * x, 3 * x, 4 * x), None, 10)[0]


def invariant(w: Any, x: Any) -> Any:
    """The sum over ``w`` is computed once."""
    return lax.scan(lambda c, y: (c + y * jnp.exp(w).sum(), None), 0.0, x)[0]


V = np.zeros(100)


def update_chain(x: Any) -> Any:
    """One copy of the argument, then updates in place."""
    for i in range(4):
        x = x.at[i].add(x[i + 1] * 2)
    return x


def scatter_in_scan(x: Any, places: Any) -> Any:
    return lax.scan(lambda a, i: (a.at[i].add(a[i + 1]), None), x, places)[0]


GOLDENS: dict[str, tuple[Any, ...]] = {
    "scalars": (scalars, V),
    "product": (product, np.zeros((4, 4)), np.zeros(4)),
    "in_place": (in_place, V, np.zeros(10)),
    "stencil": (stencil, V),
    "one_element": (one_element, V),
    "one_element_gradient": (jitney.grad(lambda x: one_element(x).sum()), V),
    "while": (newton, np.zeros(())),
    "while_lanes": (jitney.vmap(newton), V),
    "branch": (branch, V, V > 0),
    "packed": (oscillators, np.zeros(())),
    "invariant": (invariant, V, np.zeros(10)),
    "update_chain": (update_chain, np.zeros(2000)),
    "scatter_in_scan": (scatter_in_scan, np.zeros(2000), np.arange(9)),
}


@pytest.mark.parametrize("name", GOLDENS)
def test_golden(name: str) -> None:
    fun, *args = GOLDENS[name]
    assert_golden(f"control_{name}", staged(fun, *args))


# -- values -----------------------------------------------------------------------------------------

_CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {}


def case(*args: Any) -> Callable[[Any], Any]:
    """``fun(m, *args)`` as a test: ``m`` is a library."""

    def add(fun: Any) -> Any:
        _CASES[fun.__name__] = fun, tuple(np.asarray(x) for x in args)
        return fun

    return add


def normal(*shape: int) -> Any:
    return rng.normal(size=shape)


@case(normal(40), normal(3), 2.0)
def carries_that_stay(m: Any, u: Any, v: Any, s: Any) -> Any:
    step = lambda c, _: ((c[0], c[1] * c[2], c[2], c[3] + c[0][3]), c[0][1])
    return m.lax.scan(step, (u, v, s, 0.0), None, 4)


@case(1.0, 2.0, normal(3), normal(3), normal(50), normal(50))
def carries_that_swap(m: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:
    return m.lax.fori_loop(0, 5, lambda i, t: (t[1], t[0], t[3], t[2], t[5], t[4]), (a, b, c, d, e, f))


@case(1.0, 2.0, 3.0, normal(50), normal(50), normal(50))
def carries_that_rotate(m: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:
    step = lambda i, t: (t[1], t[2], t[0] + 1.0, t[4], t[5], 0.5 * t[3])
    return m.lax.fori_loop(0, 7, step, (a, b, c, d, e, f))


@case(normal(50), normal(50))
def carries_that_swap_in_a_while(m: Any, a: Any, b: Any) -> Any:
    step = lambda c: (c[0] + 1, c[2], c[1] + c[2][::-1])
    return m.lax.while_loop(lambda c: (c[0] < 9) & (c[1][0] < 1e3), step, (0, a, b))


@case(normal(50), normal(6))
def a_carry_that_is_an_output_and_stacked(m: Any, u: Any, x: Any) -> Any:
    def step(c: Any, y: Any) -> Any:
        new = c * 0.5 + y
        return new, (new, c, new)

    return m.lax.scan(step, u, x)


@case(0.5, normal(30))
def one_value_stacked_twice(m: Any, s: Any, x: Any) -> Any:
    def step(c: Any, y: Any) -> Any:
        z = m.numpy.sin(c + y)
        return z, (z, z, y, y, c, 1.0)

    return m.lax.scan(step, s, x)


@case(normal(0), normal(0, 3), normal(5))
def carries_of_size_zero(m: Any, u: Any, w: Any, x: Any) -> Any:
    step = lambda c, y: ((c[0] * 2, c[1] + 1, c[2] + c[0].sum() + c[1].sum() + y), (c[0], c[2]))
    return m.lax.scan(step, (u, w, 0.0), x)


@case(normal(40), normal(0), normal(0, 40))
def no_steps(m: Any, u: Any, x: Any, y: Any) -> Any:
    return m.lax.scan(lambda c, z: ((c[0] + z[1] * z[0], c[1] + 1), (c[0], c[1])), (u, 3), (x, y))


@case(normal(40), normal(1), normal(1, 40))
def one_step(m: Any, u: Any, x: Any, y: Any) -> Any:
    return m.lax.scan(lambda c, z: ((c[0] + z[1] * z[0], c[1] + 1), (c[0], c[1])), (u, 3), (x, y))


@case(normal(20), normal(20).astype("f4"), np.arange(20, dtype="i4"), np.arange(20) % 3 == 0, normal(20) * 1j)
def in_reverse(m: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    def step(state: Any, x: Any) -> Any:
        a, b, c, d, e = x
        p, q, r, s, t = state
        new = (m.numpy.where(d, p, 0.5 * p + a), q * b, (r * 3 + c) % 17, s ^ d, t * 0.5 + e)
        return new, (new, x)

    init = (0.0, np.float32(1.0), np.int32(1), False, 1j)
    return m.lax.scan(step, init, (a, b, c, d, e), reverse=True)


@case(normal(9, 11))
def nested_updates(m: Any, x: Any) -> Any:
    row = lambda i, x: m.lax.fori_loop(0, 11, lambda j, x: x.at[i, j].set(x[i, j] + x[i - 1, j] * 0.5), x)
    return m.lax.fori_loop(1, 9, row, x)


@case(normal(40), 3)
def a_read_before_an_update(m: Any, x: Any, k: Any) -> Any:
    def step(i: Any, c: Any) -> Any:
        x, s = c
        old = x[k]
        return x.at[k].set(s + old), 0.5 * old

    return m.lax.fori_loop(0, 6, step, (x, 1.0))


@case(normal(40), 3)
def a_read_after_an_update(m: Any, x: Any, k: Any) -> Any:
    def step(i: Any, c: Any) -> Any:
        x, s = c
        new = x.at[3].set(s + x[4])
        return new, 0.5 * new[k] + x[3]

    return m.lax.fori_loop(0, 6, step, (x, 1.0))


@case(normal(40))
def the_old_state_read_after_an_update(m: Any, x: Any) -> Any:
    def step(x: Any, i: Any) -> Any:
        new = x.at[i].set(0.5 + 0.5 * x[i + 1])
        return new.at[i + 2].set(0.3 * x[i] + 0.3 * new[i]), (x[i], new[i], x.mean())

    return m.lax.scan(step, x, np.arange(30))


@case(normal(40), normal(40))
def two_updates_in_a_row(m: Any, x: Any, y: Any) -> Any:
    step = lambda i, x: x.at[i].set(y[i]).at[i + 1].add(x[i]).at[0].multiply(0.5)
    return m.lax.fori_loop(0, 39, step, x)


@case(normal(40))
def updates_of_one_value_twice(m: Any, x: Any) -> Any:
    """Both results need a buffer of their own."""

    def step(i: Any, c: Any) -> Any:
        x, y = c
        return x.at[i].set(y[i] + 1.0), x.at[i + 1].set(y[i] - 1.0)

    return m.lax.fori_loop(0, 20, step, (x, x))


@case(normal(40), normal(40))
def an_update_of_what_is_needed_later(m: Any, x: Any, y: Any) -> Any:
    def step(i: Any, c: Any) -> Any:
        z = c * 0.5 + y
        return z.at[i].set(3.0) + z[::-1]

    return m.lax.fori_loop(0, 10, step, x), x.at[2].set(y[0]), x


@case(normal(40))
def an_update_of_a_constant(m: Any, x: Any) -> Any:
    """The same zeros begin in every step."""
    step = lambda c, i: (c + m.numpy.zeros(40).at[i].set(c[i] + 1.0), c[i])
    return m.lax.scan(step, x, np.arange(10))


@case(normal(40), normal(40))
def slices_that_overlap(m: Any, x: Any, y: Any) -> Any:
    step = lambda i, x: x.at[1:].set(x[:-1] + y[1:]).at[:-2].add(x[2:])
    return m.lax.fori_loop(0, 5, step, x)


@case(normal(60), normal(60))
def a_large_condition(m: Any, x: Any, y: Any) -> Any:
    test = lambda c: (m.numpy.abs(c[0] - c[1]).max() > 0.1) & (c[2] < 50)
    return m.lax.while_loop(test, lambda c: (0.5 * (c[0] + c[1]), c[0], c[2] + 1), (x, y, 0))


@case(normal(60))
def a_condition_on_what_is_updated(m: Any, x: Any) -> Any:
    test = lambda c: (c[1] < 59) & (c[0][c[1]] < 2.0)
    return m.lax.while_loop(test, lambda c: (c[0].at[c[1]].add(1.0).at[c[1] + 1].add(0.1), c[1] + 1), (x, 0))


@case(normal(12), normal(40))
def a_branch_in_a_while_in_a_scan(m: Any, x: Any, u: Any) -> Any:
    def step(u: Any, y: Any) -> Any:
        def inner(c: Any) -> Any:
            j, u, s = c
            u, s = m.lax.cond(
                u[j] > s, lambda u, s: (u.at[j].multiply(0.5), s + y), lambda u, s: (u, s * 0.9), u, s
            )
            return j + 1, u, s

        j, u, s = m.lax.while_loop(lambda c: (c[0] < 8) & (c[2] < 3.0), inner, (0, u, y))
        return u, (j, s, u[:2])

    return m.lax.scan(step, u, x)


@case(normal(40), normal(40), 7)
def branches_that_swap(m: Any, x: Any, y: Any, k: Any) -> Any:
    def step(i: Any, c: Any) -> Any:
        swap, keep = lambda a, b: (b, a), lambda a, b: (a, b)
        update = lambda a, b: (a.at[i].set(b[k]), b + 1.0)
        return m.lax.switch((i * k) % 3, [swap, keep, update], *c)

    return m.lax.fori_loop(0, 11, step, (x, y))


@case(np.arange(40), normal(40) > 0, normal(40).astype("f4"), np.arange(40, dtype="u1"), 5)
def kinds_of_carries(m: Any, q: Any, p: Any, f: Any, u: Any, k: Any) -> Any:
    def step(i: Any, c: Any) -> Any:
        q, p, f, u, k, b = c
        new = (q.at[i].add(k), p.at[i + 1].set(~p[i]), f * np.float32(0.5) + f[i], u + u[::-1])
        return *new, k - 1, b ^ p[k]

    return m.lax.fori_loop(0, 12, step, (q, p, f, u, k, True))


@case(normal(40) + 1j * normal(40), 0.5 + 0.3j, normal(3) * (1 + 2j))
def complex_carries(m: Any, z: Any, c: Any, w: Any) -> Any:
    def step(state: Any, x: Any) -> Any:
        z, c, w = state
        return (z.at[3].set(c) * c, c * c + x, w[::-1] * c), (c, z[3])

    return m.lax.scan(step, (z, c, w), 0.1j * np.arange(5))


@case(normal(20), normal(4, 6))
def operations_of_the_host(m: Any, x: Any, a: Any) -> Any:
    step = lambda c, y: (m.numpy.sort(m.numpy.sin(3 * c + y[0])), m.numpy.argsort(y))
    return m.lax.scan(step, x, a)


@case(normal(20), normal(5))
def operations_of_the_host_in_branches(m: Any, x: Any, a: Any) -> Any:
    step = lambda c, y: (m.lax.cond(y > 0, m.numpy.sort, lambda x: x * y, c), m.numpy.median(c))
    return m.lax.scan(step, x, a)


@case(normal(6, 6))
def solutions_of_equations_in_loops(m: Any, a: Any) -> Any:
    step = lambda i, x: m.numpy.linalg.solve(a + 10 * m.numpy.eye(6), m.numpy.ones(6) + 0.1 * x)
    return m.lax.fori_loop(0, 3, step, m.numpy.zeros(6))


@case(normal(30), normal(30))
def an_input_is_a_carry_of_two_loops(m: Any, x: Any, y: Any) -> Any:
    first = m.lax.fori_loop(0, 9, lambda i, x: x.at[i].set(0.0), x)
    second = m.lax.fori_loop(0, 9, lambda i, x: x.at[i + 1].add(y[i]), x)
    return first, second, x


@case(normal(30))
def a_result_begins_two_loops(m: Any, x: Any) -> Any:
    y = m.numpy.sin(x)
    first = m.lax.fori_loop(0, 9, lambda i, x: x.at[i].set(0.0), y)
    return first, m.lax.fori_loop(0, 9, lambda i, x: x.at[i + 1].add(y[i]), y)


@case(normal(30))
def one_value_begins_two_carries(m: Any, x: Any) -> Any:
    step = lambda i, c: (c[0].at[i].set(1.0), c[1] + c[0][i])
    return m.lax.fori_loop(0, 9, step, (2.0 * x,) * 2)


@case(normal(7, 40))
def rows_as_carries(m: Any, a: Any) -> Any:
    return m.lax.scan(lambda c, x: (x, c + x), a[0], a[1:])


@case(normal(7, 40))
def stacks_of_what_is_read(m: Any, a: Any) -> Any:
    return m.lax.scan(lambda c, x: (c + x[0], (x, x[::-1], c)), 0.0, a)


@case(normal(5, 40), 2)
def a_carry_that_is_indexed_in_its_own_loop(m: Any, a: Any, k: Any) -> Any:
    """Rows move within one buffer."""
    step = lambda i, a: a.at[i].set(a[(i + k) % 5] + a[i, 0]).at[:, i].multiply(0.5)
    return m.lax.fori_loop(0, 5, step, a)


@case(np.arange(16.0), 0, 0.5)
def an_update_that_is_only_stacked(m: Any, w: Any, k: Any, s: Any) -> Any:
    def step(w: Any, _: Any) -> Any:
        w = (0.3 * w).at[m.numpy.stack([k, 7 + k])].add(0.3 * s)
        return w, w.at[k].set(s)

    return m.lax.scan(step, w, None, 16)


@case(normal(3, 5, 17), normal(3, 17), [1, 2, 3])
def batched_updates_by_what_they_update(m: Any, a: Any, v: Any, k: Any) -> Any:
    def one(a: Any, v: Any, k: Any) -> Any:
        step = lambda i, a: m.numpy.sin(0.5 * a.at[k].set(v) * a[i % 5, k])
        return m.lax.fori_loop(-1, 1, step, a)

    return m.vmap(one)(a, v, k)


@case(normal(3, 1, 16), normal(3, 16))
def batched_updates_by_what_is_read(m: Any, a: Any, v: Any) -> Any:
    return m.vmap(lambda a, v: a.at[:, m.numpy.asarray(2)].set(v[2]))(a, v) + v[:, None] ** 2


@case(normal(3, 16), normal(5, 16), 2)
def batched_updates_by_what_is_not_batched(m: Any, v: Any, a: Any, k: Any) -> Any:
    def one(v: Any, a: Any) -> Any:
        a = 2.0 * a
        return (v.at[m.numpy.stack([k])].set(a[k, k]) ** 2).sum() + (a * (1.5 + a)).sum()

    return m.vmap(m.value_and_grad(one, (0, 1)), (0, None))(v, a)


@case(normal(3, 3), normal(3, 5, 3))
def batched_branches_of_what_they_close_over(m: Any, w: Any, a: Any) -> Any:
    def one(w: Any, a: Any) -> Any:
        w, a = m.lax.cond(m.numpy.asarray(True), lambda w: (w, a), lambda w: (a.mean(0), a), w)
        return (w**2).sum() + (a**2).sum()

    return m.vmap(m.value_and_grad(one, (0, 1)))(w, a)


@case(normal(3, 4), 2)
def loops_without_steps_in_loops(m: Any, a: Any, k: Any) -> Any:
    def step(_: Any, a: Any) -> Any:
        inner = lambda a, x: (m.numpy.sin(0.5 * a.at[:, k].set(0.3)), None)
        return m.lax.scan(inner, 2 * a, None, 0)[0]

    return m.lax.fori_loop(0, 3, step, a)


_SMOOTH = [
    name
    for name in _CASES
    if name
    not in (
        "carries_that_swap_in_a_while",
        "a_large_condition",
        "a_condition_on_what_is_updated",
        "a_branch_in_a_while_in_a_scan",
        "no_steps",
    )
]


@pytest.mark.parametrize("name", _CASES)
def test_value(name: str) -> None:
    fun, args = _CASES[name]
    want = list(map(np.asarray, jax.tree.leaves(jax.jit(lambda *xs: fun(jax, *xs))(*args))))
    before = [x.copy() for x in args]
    ours = lambda *xs: jitney.tree.leaves(fun(jitney, *map(jnp.asarray, xs)))
    runs = {"compiled": jitney.jit(ours)(*args)}
    if not any(x.dtype.kind == "c" for x in (*args, *want)):  # the loop program has pairs of real numbers
        runs["evaluated"] = slowly(staged(ours, *args), *args)
    with without("share_buffers"):
        runs["without shared buffers"] = jitney.jit(lambda *xs: ours(*xs))(*args)
    for what, got in runs.items():
        assert len(got) == len(want)
        for place, (g, w) in enumerate(zip(got, want, strict=True)):
            try:
                close(g, w, 1e-12 if w.dtype != np.float32 else 1e-5)
            except AssertionError as error:
                raise AssertionError(f"{what}, output {place}: {error}") from None
    for x, y in zip(args, before, strict=True):
        np.testing.assert_array_equal(x, y, "an argument was overwritten")


@pytest.mark.parametrize("name", _SMOOTH)
def test_gradient(name: str) -> None:
    fun, args = _CASES[name]
    places = tuple(i for i, x in enumerate(args) if x.dtype == np.float64)
    if not places:
        return

    def total(m: Any) -> Any:
        def number(*xs: Any) -> Any:
            leaves = jitney.tree.leaves(fun(m, *map(m.numpy.asarray, xs)))
            parts = [
                m.numpy.sum(m.numpy.sin(y)) for y in map(m.numpy.asarray, leaves) if y.dtype == np.float64
            ]
            return sum(weight * part for weight, part in enumerate(parts, 1))

        return m.jit(m.grad(number, places))

    for got, want in zip(total(jitney)(*args), total(jax)(*args), strict=True):
        close(got, np.asarray(want), 1e-11)
