"""while_loop, and reverse mode through it: values, types and text as the oracle, derivatives as of unrolled loops."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from comparing import assert_raises_alike, assert_same, check_first, check_second
from jitney import lax
from jitney._control import reverse_while
from jitney.lax.while_loops import fori_while

jax.config.update("jax_enable_x64", True)


def fori(lib, n, body, init):
    """A loop with a bound that is not static, in either library."""
    if lib is jax:
        return jax.lax.fori_loop(0, jax.numpy.asarray(n), body, init)
    return fori_while(0, n, body, init)


def newton(lib, a):
    """A square root; the number of steps depends on the value."""
    return lib.lax.while_loop(
        lambda c: abs(c[0] * c[0] - a) > 1e-10, lambda c: ((c[0] + a / c[0]) / 2, c[1] + 1), (a, 0)
    )


# -- values, types, text ------------------------------------------------------------------------------

VALUES = {
    "scalar": lambda lib: lib.lax.while_loop(lambda c: c < 10, lambda c: c * 2, 1),
    "no step": lambda lib: lib.lax.while_loop(lambda c: c < 0, lambda c: c * 2, 1.5),
    "tree": lambda lib: lib.lax.while_loop(
        lambda c: c["i"] < 5,
        lambda c: {"i": c["i"] + 1, "x": [c["x"][0] * 2, c["x"][1] + c["x"][0]]},
        {"i": np.int32(0), "x": [np.ones(3), np.zeros(3)]},
    ),
    "weak int becomes float": lambda lib: lib.lax.while_loop(lambda c: c < 3, lambda c: c * 1.5, 1),
    "weak becomes strong": lambda lib: lib.lax.while_loop(
        lambda c: c < 3, lambda c: c * lib.numpy.float64(1.5), 1.0
    ),
    "weak becomes narrow": lambda lib: lib.lax.while_loop(
        lambda c: c < 3, lambda c: c * lib.numpy.float32(1.5), 1
    ),
    "strong stays": lambda lib: lib.lax.while_loop(
        lambda c: c < 3, lambda c: c * 1.5, lib.numpy.float64(1.0)
    ),
    "strong becomes weak": lambda lib: lib.lax.while_loop(
        lambda c: c < 3, lambda c: 5.0, lib.numpy.float64(1.0)
    ),
    "closure": lambda lib: lib.lax.while_loop(
        lambda c: c.sum() < np.float64(20), lambda c: c + np.arange(3.0), lib.numpy.zeros(3)
    ),
    "no leaves": lambda lib: lib.lax.while_loop(lambda c: False, lambda c: c, ()),
    "complex": lambda lib: lib.lax.while_loop(lambda z: abs(z) < 10, lambda z: z * (1 + 1j), 1 + 0.5j),
    "bool carry": lambda lib: lib.lax.while_loop(lambda c: c[0], lambda c: (c[1] < 3, c[1] + 1), (True, 0)),
    "long": lambda lib: lib.lax.while_loop(
        lambda c: c[0] < 20000, lambda c: (c[0] + 1, c[1] * 0.5 + 1), (0, 0.0)
    ),
    "newton": lambda lib: newton(lib, 2.0),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    fun = VALUES[name]
    assert_same(fun(jitney), fun(jax), what=name)
    assert_same(jitney.jit(lambda: fun(jitney))(), jax.jit(lambda: fun(jax))(), what="compiled " + name)


def _scaled(lib):
    return lambda x, y: lib.lax.while_loop(
        lambda c: c[0] < y, lambda c: (c[0] + 1.0, c[1] * lib.numpy.sin(x)), (x, y)
    )


def _counting(lib):
    return lambda x: lib.lax.while_loop(
        lambda c: c[0] < 3.0, lambda c: (c[0] + 1, c[1] * x, c[2] * 5), (0, x, 3)
    )


def _closing(lib):
    w = lib.numpy.arange(3.0)
    return lambda x: lib.lax.while_loop(
        lambda c: c[0].sum() < w.sum(), lambda c: (c[0] + w, c[1] + 1), (x, x)
    )


def _bounded(lib):
    return lambda x, n: lib.lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] * 2.0), (0, x))


TEXTS = {
    "consts": lambda lib: lib.make_jaxpr(_scaled(lib))(1.0, 2.0),
    "literals": lambda lib: lib.make_jaxpr(_counting(lib))(1.0),
    "closed over": lambda lib: lib.make_jaxpr(_closing(lib))(np.ones(3)),
    "fori": lambda lib: lib.make_jaxpr(lambda x, n: fori(lib, n, lambda i, c: c * x, 1.0))(2.0, 3),
    "jvp": lambda lib: lib.make_jaxpr(lambda x, t: lib.jvp(lambda x: _counting(lib)(x)[1], (x,), (t,)))(
        1.0, 1.0
    ),
    "vmap": lambda lib: lib.make_jaxpr(lib.vmap(lambda x: _bounded(lib)(x, 5.0)[1]))(np.ones(3)),
    "vmap of the predicate": lambda lib: lib.make_jaxpr(lib.vmap(_bounded(lib), (1, 0)))(
        np.ones((2, 3)), np.arange(3.0)
    ),
    "vmap of the carry alone": lambda lib: lib.make_jaxpr(
        lib.vmap(lambda x: lib.lax.while_loop(lambda c: c < 3.0, lambda c: c * 2.0, x))
    )(np.ones(3)),
    "vmap of vmap": lambda lib: lib.make_jaxpr(lib.vmap(lib.vmap(_bounded(lib))))(
        np.ones((2, 3)), np.ones((2, 3))
    ),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.usefixtures("jax_derivatives")
def test_text(name):
    assert str(TEXTS[name](jitney)) == re.sub(r"np\.int64\((\d)\)", r"\1", str(TEXTS[name](jax)))


def test_dead_carries_go():
    def fun(x):
        return lax.while_loop(
            lambda c: c[0] < 3,
            lambda c: (c[0] + 1, c[1] * x, c[2] * c[1], c[3] + c[4], c[4]),
            (0, x, x, x, x),
        )[1]

    from jitney._core.dce import dce_jaxpr

    closed = jitney.make_jaxpr(fun)(1.0)
    (eqn,) = dce_jaxpr(closed, (True,))[0].eqns
    assert len(eqn.outvars) == 2  # the counter and what is asked for
    assert not dce_jaxpr(closed, (False,))[0].eqns


# -- misuse -------------------------------------------------------------------------------------------


def _mistake(fun):
    return lambda lib: fun(lib.lax.while_loop, lib.numpy)


MISTAKES = {
    "structure": (_mistake(lambda w, np: w(lambda c: c[0] < 3, lambda c: c[0], (1, 2))), "structure"),
    "dtype": (
        _mistake(lambda w, np: w(lambda c: c[0] < 3, lambda c: (c[0] * 1.5, 1), (np.int32(1), 2))),
        "val[0]",
        "i32[]",
        "f64[]",
    ),
    "shape": (
        _mistake(lambda w, np: w(lambda c: True, lambda c: np.ones(3), np.ones(2))),
        "f64[2]",
        "f64[3]",
    ),
    "predicate shape": (_mistake(lambda w, np: w(lambda c: c < np.ones(3), lambda c: c, 1.0)), "bool[3]"),
    "predicate dtype": (_mistake(lambda w, np: w(lambda c: 1, lambda c: c, 1.0)), "boolean scalar"),
    "predicate tree": (_mistake(lambda w, np: w(lambda c: [True], lambda c: c, 1.0)), "boolean scalar"),
    "no function": (_mistake(lambda w, np: w(3, lambda c: c, 1.0)), "functions"),
    "no array": (_mistake(lambda w, np: w(lambda c: True, lambda c: c, {"a": "text"})), "['a']", "str"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    fun, *words = MISTAKES[name]
    assert_raises_alike(fun, *words)


# -- forward mode, batching ---------------------------------------------------------------------------


def test_jvp():
    def run(lib):
        return [
            lib.jvp(lambda a: newton(lib, a)[0], (2.0,), (1.0,)),
            lib.jvp(_scaled(lib), (0.5, 3.0), (1.0, 0.1)),
            lib.jit(lambda x, t: lib.jvp(_scaled(lib), (x, 3.0), (t, 0.1)))(0.5, 1.0),
            lib.jvp(lambda x: lib.jvp(lambda x: _scaled(lib)(x, 4.0)[1], (x,), (1.0,))[1], (0.5,), (1.0,)),
            lib.jvp(
                lambda x: fori(lib, 4, lambda i, c: (c[1], c[2], c[0] * x), (x, 1.0, 2.0)), (1.5,), (1.0,)
            ),
            lib.linearize(lambda a: newton(lib, a)[0], 2.0)[1](1.0),
            lib.jacfwd(lambda x: fori(lib, 3, lambda i, c: c[::-1] * x, x))(np.arange(3.0)),
        ]

    assert_same(run(jitney), run(jax))


def test_vmap():
    xs, ns = np.arange(1.0, 5.0), np.array([3, 0, 7, 1])

    def run(lib):
        power = lambda x, n: fori(lib, n, lambda i, c: c * x, 1.0)  # noqa: E731
        return [
            lib.vmap(lambda a: newton(lib, a))(xs),
            lib.jit(lib.vmap(lambda a: newton(lib, a)))(xs),
            lib.vmap(power)(xs, ns),
            lib.vmap(power, (None, 0))(2.0, ns),
            lib.vmap(power, (0, None))(xs, 3),
            lib.vmap(lib.vmap(power, (None, 0)), (0, None))(xs, ns),
            lib.vmap(lib.vmap(power, (0, None)), (None, 0))(xs, ns),
            lib.jit(lib.vmap(lib.vmap(power)))(xs.reshape(2, 2), ns.reshape(2, 2)),
            lib.vmap(lambda x: lib.jvp(lambda x: newton(lib, x)[0], (x,), (1.0,)))(xs),
            lib.jvp(lib.vmap(lambda x: newton(lib, x)[0]), (xs,), (xs,)),
            lib.vmap(lambda m, n: fori(lib, n, lambda i, c: m @ c, xs[:2]), (2, 0))(
                np.arange(16.0).reshape(2, 2, 4) / 16, ns
            ),
        ]

    assert_same(run(jitney), run(jax), weak=False)


def test_examples_that_finished_keep_their_value():
    """Beyond its last step an example's values may be anything."""

    def fun(x):
        return lax.while_loop(lambda c: c > 0, lambda c: jnp.where(c == 1, -1.0, jnp.log(c)), x)

    got = jitney.vmap(fun)(jnp.array([1.0, 20.0, 3.0, 0.5]))
    want = [float(fun(x)) for x in (1.0, 20.0, 3.0, 0.5)]
    np.testing.assert_allclose(got, want)


# -- reverse mode -------------------------------------------------------------------------------------


def unrolled(n, body, init):
    for i in range(n):
        init = body(i, init)
    return init


BODIES = {
    "product": (lambda x, i, c: c * x, 1.0),
    "nonlinear": (lambda x, i, c: jnp.sin(c) * x + 0.1 * i, 0.3),
    "invariant": (lambda x, i, c: c * jnp.exp(-x) + jnp.cos(x), 0.3),
    "reset": (lambda x, i, c: (c[1] * x, c[0] + x), (0.3, 0.2)),
    "shift": (lambda x, i, c: (c[1], c[2], c[0] * x), (0.3, 0.2, 0.1)),
    "array": (lambda x, i, c: jnp.sin(c[::-1]) * x + c, np.arange(3.0)),
    "matrix": (lambda x, i, c: jnp.tanh(jnp.array([[1.0, 2.0], [0.5, -1.0]]) * x @ c), np.arange(2.0)),
    "update": (lambda x, i, c: c.at[i % 3].set(c[i % 3 - 1] * x + i), jnp.arange(3.0)),
    "integer": (lambda x, i, c: (c[0] * jnp.where(c[1] % 2 == 0, x, 1.5), c[1] + 1), (1.0, 0)),
    "mixed": (lambda x, i, c: {"a": c["a"] * x, "b": c["b"] + c["a"] ** 2}, {"a": 1.0, "b": 0.0}),
    "constant": (lambda x, i, c: (x * 1.0, c[0] * c[1]), (0.5, 0.5)),
}


def _total(tree):
    return sum(jnp.sum(jnp.asarray(leaf) * (k + 1.0)) for k, leaf in enumerate(jitney.tree.leaves(tree)))


@pytest.mark.parametrize("name", BODIES)
def test_gradients_are_those_of_unrolled_loops(name):
    body, init = BODIES[name]

    def looped(x, n):
        return _total(fori_while(0, n, lambda i, c: body(x, i, c), init))

    def plain(x, n):
        return _total(unrolled(n, lambda i, c: body(x, i, c), init))

    compiled = jitney.jit(jitney.value_and_grad(looped))
    for n in (0, 1, 5):
        want = jitney.value_and_grad(plain)(0.7, n)
        assert_same(jitney.value_and_grad(looped)(0.7, n), want, weak=False, what=f"{n} steps")
        assert_same(compiled(0.7, n), want, weak=False, what=f"{n} steps, compiled")
    assert_same(jitney.grad(jitney.jit(looped))(0.7, 5), jitney.grad(plain)(0.7, 5), weak=False)
    for second in (
        jitney.hessian(looped),
        jitney.jit(jitney.grad(jitney.grad(looped))),
        lambda x, n: jitney.jvp(lambda x: jitney.grad(looped)(x, n), (x,), (1.0,))[1],
    ):
        assert_same(second(0.7, 4), jitney.grad(jitney.grad(plain))(0.7, 4), 1e-11, weak=False)


SMALL = {
    "whole": dict(),
    "one level": dict(_MOST_RECORDS=4, _LEAST=2, _MANY_STEPS=8, _KNOWN_BUFFER_BYTES=0),
    "two levels": dict(_MOST_RECORDS=2, _LEAST=2, _MANY_STEPS=8, _KNOWN_BUFFER_BYTES=0),
    "three levels": dict(_MOST_RECORDS=2, _LEAST=1, _MANY_STEPS=16, _KNOWN_BUFFER_BYTES=0),
    "pieces": dict(_MOST_RECORDS=2, _LEAST=2, _MANY_STEPS=1, _KNOWN_BUFFER_BYTES=0),
}


@pytest.mark.parametrize("plan", SMALL)
@pytest.mark.parametrize("batched", [False, True])
def test_every_plan_is_exact(plan, batched, monkeypatch):
    for name, value in SMALL[plan].items():
        monkeypatch.setattr(reverse_while, name, value)

    def body(x, i, c):
        return jnp.sin(c * x) + 0.1 * i + x

    looped = jitney.jit(jitney.grad(lambda x, n: fori_while(0, n, lambda i, c: body(x, i, c), x)))
    counts = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 40]
    want = [jitney.grad(lambda x: unrolled(n, lambda i, c: body(x, i, c), x))(0.7) for n in counts]
    if batched:
        got = jitney.vmap(looped, (None, 0))(0.7, jnp.array(counts))
    else:
        got = [looped(0.7, n) for n in counts]
    np.testing.assert_allclose(np.array(got), np.array(want), rtol=1e-12)


def test_second_derivatives_through_snapshots(monkeypatch):
    for name, value in SMALL["two levels"].items():
        monkeypatch.setattr(reverse_while, name, value)

    def looped(x, n):
        return fori_while(0, n, lambda i, c: jnp.sin(c * x) + x, x)

    plain = lambda x: unrolled(13, lambda i, c: jnp.sin(c * x) + x, x)  # noqa: E731
    want = jitney.grad(jitney.grad(plain))(0.7)
    assert_same(jitney.jit(jitney.hessian(looped))(0.7, 13), want, 1e-11, weak=False)
    assert_same(jitney.jit(jitney.grad(jitney.grad(looped)))(0.7, 13), want, 1e-11, weak=False)


def test_many_steps():
    """Longer than a buffer of records; the fixed point's derivative is known."""

    def fun(a, n):
        return fori_while(0, n, lambda i, x: (x + a / x) / 2, a)

    for n in (5000, 50_000):
        np.testing.assert_allclose(jitney.grad(fun)(3.0, n), 0.5 / np.sqrt(3.0), rtol=1e-12)
        np.testing.assert_allclose(jitney.jit(jitney.grad(fun))(3.0, n), 0.5 / np.sqrt(3.0), rtol=1e-12)

    def power(x, n):
        return fori_while(0, n, lambda i, c: c * x, 1.0)

    n, x = 30_000, 1.0001
    np.testing.assert_allclose(jitney.jit(jitney.grad(power))(x, n), n * x ** (n - 1), rtol=1e-9)
    np.testing.assert_allclose(jitney.jit(jitney.hessian(power))(x, n), n * (n - 1) * x ** (n - 2), rtol=1e-9)


def test_condition_on_the_differentiated_value():
    sqrt = lambda a: newton(jitney, a)[0]  # noqa: E731
    xs = jnp.array([0.5, 2.0, 100.0])
    want = 0.5 / np.sqrt(xs)
    np.testing.assert_allclose([jitney.grad(sqrt)(float(x)) for x in xs], want, rtol=1e-8)
    np.testing.assert_allclose(jitney.vmap(jitney.grad(sqrt))(xs), want, rtol=1e-8)
    np.testing.assert_allclose(jitney.grad(lambda xs: jitney.vmap(sqrt)(xs).sum())(xs), want, rtol=1e-8)
    np.testing.assert_allclose(
        jitney.jit(jitney.grad(lambda xs: jitney.vmap(sqrt)(xs).sum()))(xs), want, rtol=1e-8
    )
    np.testing.assert_allclose(
        jitney.vmap(jitney.grad(jitney.grad(sqrt)))(xs), -0.25 * np.asarray(xs) ** -1.5, rtol=1e-6
    )
    check_first(lambda a: [sqrt(a)], [np.float64(2.0)])
    check_second(lambda a: [sqrt(a)], [np.float64(2.0)], 1e-6)


def test_batched_counts_and_shared_parameters():
    """The sum over examples of a shared parameter's cotangents counts each example's own steps only."""
    xs, ns = jnp.array([0.5, -1.0, 2.0]), jnp.array([3, 0, 6])
    w = jnp.array([[0.3, -0.2], [0.1, 0.4]])

    def one(w, x, n, loop):
        return loop(n, lambda i, c: jnp.tanh(w @ c) + x, jnp.array([1.0, x])).sum()

    def batched(w, xs):
        return jitney.vmap(lambda x, n: one(w, x, n, lambda *a: fori_while(0, *a)))(xs, ns).sum()

    def plain(w, xs):
        return sum(one(w, xs[k], int(ns[k]), unrolled) for k in range(3))

    want = jitney.grad(plain, (0, 1))(w, xs)
    assert_same(jitney.grad(batched, (0, 1))(w, xs), want, 1e-12)
    assert_same(jitney.jit(jitney.grad(batched, (0, 1)))(w, xs), want, 1e-12)
    assert_same(jitney.hessian(batched)(w, xs), jitney.hessian(plain)(w, xs), 1e-11)
    check_first(lambda w, xs: [batched(w, xs)], [np.asarray(w), np.asarray(xs)])


def test_finished_examples_do_not_spoil_sums():
    """The body has an infinite derivative where an example stops; the others' gradient stays finite."""

    def fun(w, x):
        return lax.while_loop(lambda c: c > 0, lambda c: jnp.sqrt(c) * w - 1.0, x)

    xs = jnp.array([1.0, 4.0, 30.0])
    fall = lambda w: jitney.vmap(lambda x: jnp.minimum(fun(w, x), 0.0))(xs).sum()  # noqa: E731
    want = sum(float(jitney.grad(fun)(1.0, float(x))) for x in xs)
    np.testing.assert_allclose(jitney.grad(lambda w: jitney.vmap(lambda x: fun(w, x))(xs).sum())(1.0), want)
    assert np.isfinite(fall(1.0))


def test_nested_loops():
    def inner(loop, x, n):
        return loop(n, lambda j, d: d * x + 0.1 * j, x)

    def outer(loop, x, n):
        return loop(n, lambda i, c: jnp.sin(c) + inner(loop, c * x, i), 0.5)

    ours = lambda x, n: outer(lambda *a: fori_while(0, *a), x, n)  # noqa: E731
    plain = lambda x, n: outer(unrolled, x, n)  # noqa: E731
    first, second = jitney.grad(plain)(0.4, 4), jitney.grad(jitney.grad(plain))(0.4, 4)
    assert_same(jitney.grad(ours)(0.4, 4), first, 1e-11, weak=False)
    assert_same(jitney.jit(jitney.grad(ours))(0.4, 4), first, 1e-11, weak=False)
    assert_same(jitney.grad(jitney.grad(ours))(0.4, 4), second, 1e-11, weak=False)
    assert_same(jitney.hessian(ours)(0.4, 4), second, 1e-11, weak=False)
    got = jitney.vmap(jitney.grad(ours))(jnp.array([0.4, 0.5, 0.3]), jnp.array([4, 2, 0]))
    want = [jitney.grad(plain)(x, n) for x, n in ((0.4, 4), (0.5, 2), (0.3, 0))]
    np.testing.assert_allclose(got, np.array(want), rtol=1e-11)


def test_types_of_carries():
    def fun(x):
        return fori_while(
            0, 5, lambda i, c: (c[0] * x, c[1] + 1, ~c[2], c[3] * (1 + 1j)), (x, 0, True, 1j * x)
        )

    _, pull = jitney.vjp(fun, 1.5)
    ct = pull((1.0, np.zeros((), jax.dtypes.float0), np.zeros((), jax.dtypes.float0), 1.0 + 0j))
    want = 6 * 1.5**5 + np.real(1j * (1 + 1j) ** 5)
    np.testing.assert_allclose(ct[0], want)
    for dtype in ("float32", "float16", "bfloat16"):
        x = jnp.asarray(1.5, dtype)
        g = jitney.grad(lambda x: fori_while(0, 3, lambda i, c: c * x, x))(x)
        assert g.dtype == x.dtype and float(g) == 4 * 1.5**3


def test_not_finite():
    fun = lambda x, n: fori_while(0, n, lambda i, c: c * c * x, 1.0)  # noqa: E731
    assert np.isinf(jitney.grad(fun)(10.0, 20)) or np.isnan(jitney.grad(fun)(10.0, 20))
    assert np.isnan(jitney.grad(fun)(np.nan, 3))
    assert float(jitney.grad(fun)(np.nan, 0)) == 0.0


def test_linear_transpose_of_a_loop():
    """A loop that is linear in its argument, with a condition on something else."""
    fun = lambda x: fori_while(0, 3, lambda i, c: c * 2.0, x)  # noqa: E731
    _, linear = jitney.linearize(lambda x: fori_while(0, 3, lambda i, c: c * x, x), 2.0)
    assert float(jitney.grad(linear)(1.0)) == 32.0
    assert float(jitney.grad(jitney.jit(linear))(1.0)) == 32.0
    assert float(jitney.grad(lambda x: jitney.jvp(fun, (x,), (x,))[1])(1.0)) == 8.0


def test_a_loop_in_eager_code_is_compiled_when_it_is_long():
    got = lax.while_loop(lambda c: c[0] < 300_000, lambda c: (c[0] + 1, c[1] + c[0]), (0, 0))
    assert int(got[1]) == 300_000 * 299_999 // 2


def test_disabled_jit():
    seen = []
    jitney.config.update("jax_disable_jit", True)
    try:
        lax.while_loop(lambda c: c < 3, lambda c: seen.append(c) or c + 1, 0)
    finally:
        jitney.config.update("jax_disable_jit", False)
    assert len(seen) == 3


def _through_all_control_flow(lib, steps, x, outer, inner):
    """Loops of both kinds and a branch, in each other; ``outer`` and ``inner`` are the loops."""
    np_ = lib.numpy

    def step(c, t):
        c = lib.lax.cond(c.sum() > 0.5, lambda c: np_.sin(c) * x, lambda c: c + x * t, c)
        return inner(2, lambda j, d: d * x + 0.1 * j, c), c.sum()

    def loop(i, c):
        c, ys = lib.lax.scan(step, c, np_.arange(3.0))
        return c + ys.sum() * 0.1

    last = outer(steps, loop, np_.array([0.3, 0.1]))
    scanned, _ = lib.lax.scan(lambda c, t: (inner(2, lambda j, d: d * x + c, t), c), x, np_.array([0.1, 0.2]))
    return last.sum() + scanned


def test_control_flow_in_each_other():
    loop = lambda n, body, init: lax.fori_loop(0, jnp.asarray(n), body, init)  # noqa: E731
    plain = lambda n, body, init: jax.lax.fori_loop(0, n, body, init)  # noqa: E731
    ours = lambda x: _through_all_control_flow(jitney, 2, x, loop, loop)  # noqa: E731
    theirs = lambda x: _through_all_control_flow(jax, 2, x, plain, plain)  # noqa: E731
    assert_same(ours(0.7), theirs(0.7), 1e-11, weak=False)
    assert_same(jitney.grad(ours)(0.7), jax.grad(theirs)(0.7), 1e-11, weak=False)
    assert_same(jitney.jit(jitney.grad(ours))(0.7), jax.grad(theirs)(0.7), 1e-11, weak=False)
    xs = np.array([0.7, -0.3, 0.2])
    slopes = [jax.grad(theirs)(x) for x in xs]
    assert_same(jitney.vmap(jitney.grad(ours))(xs), np.stack(slopes), 1e-11, weak=False)
    assert_same(jitney.jacfwd(ours)(0.7), slopes[0], 1e-11, weak=False)


def test_many_examples_take_little_memory():
    """The buffers of the backward pass are sized for the batch."""
    from jitney._control.reverse_while import reverse_while_p

    def fun(x, n):
        return fori_while(0, n, lambda i, c: jnp.sin(c) * x, x)

    closed = jitney.make_jaxpr(jitney.vmap(jitney.grad(fun), (0, None)))(np.ones(100_000), 3)
    (eqn,) = [e for e in closed.eqns if e.primitive is reverse_while_p]
    parts = reverse_while._reversal(**eqn.params)
    plan = parts.plan(reverse_while.Undefined(eqn.invars[0].aval))
    assert plan.records * sum(a.nbytes for a in parts.record_avals) < 1 << 27


def test_the_name_means_the_native_loop():
    from jitney._control.while_loop import while_p
    from jitney._core.primitive import registry

    assert registry["while"] is while_p


def test_steps_that_are_computed_again_print_nothing(capsys):
    def fun(x):
        def body(c):
            jitney.debug.print("step {}", c[0])
            return c[0] + 1, c[1] * x

        return lax.while_loop(lambda c: c[0] < 3, body, (0, x))[1]

    for transform in (
        jitney.grad,
        lambda f: jitney.jit(jitney.grad(f)),
        lambda f: jitney.grad(jitney.jit(f)),
    ):
        assert float(transform(fun)(2.0)) == 32.0
        jitney.effects_barrier()
        assert capsys.readouterr().out.split("\n") == ["step 0", "step 1", "step 2", ""]
