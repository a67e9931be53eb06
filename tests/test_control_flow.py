"""cond, switch, scan, map, fori_loop, associative_scan: values, programs, derivatives, batching, misuse."""

from __future__ import annotations

import gc
import importlib
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from comparing import assert_raises_alike, assert_same
from jitney import lax
from jitney._control import scan as scan_rules
from jitney._core.jaxpr import subjaxprs

rng = np.random.default_rng(0)


def rooms(library: Any) -> tuple[Any, Any]:
    return importlib.import_module(library.__name__ + ".numpy"), library.lax


# -- programs ---------------------------------------------------------------------------------------

V = np.arange(3.0)
M = np.ones((3, 3))
AT = Callable[..., Any]

PROGRAMS: dict[str, tuple[Callable[[Any, Any, Any], AT], tuple]] = {
    "cond": (
        lambda L, np_, lax: lambda p, x: lax.cond(p, lambda x: x + 1.0, lambda x: x * 2.0, x),
        (True, V),
    ),
    "cond of a number": (
        lambda L, np_, lax: lambda p, x: lax.cond(p, lambda x: x + 1.0, lambda x: x * 2.0, x),
        (3, V),
    ),
    "cond of a constant": (lambda L, np_, lax: lambda x: lax.cond(True, np_.sin, lambda x: x * 2.0, x), (V,)),
    "cond of two operands": (
        lambda L, np_, lax: lambda p, x: lax.cond(p, x, lambda x: x + 1.0, x, lambda x: x * 2.0),
        (True, V),
    ),
    "cond that closes over": (
        lambda L, np_, lax: lambda p, x, y, z: lax.cond(p, lambda x: x + z, lambda x: x * y + z, x),
        (True, V, V, V),
    ),
    "cond that hands through": (
        lambda L, np_, lax: lambda p, x, y: lax.cond(p, lambda x, y: (x, y), lambda x, y: (2 * x, y), x, y),
        (True, V, V),
    ),
    "cond of literals": (lambda L, np_, lax: lambda p: lax.cond(p, lambda: 1.0, lambda: 2.0), (True,)),
    "switch": (
        lambda L, np_, lax: lambda i, x: lax.switch(i, [np_.sin, lambda x: x * 2.0, lambda x: x], x),
        (1, V),
    ),
    "switch of one": (lambda L, np_, lax: lambda i, x: lax.switch(i, [np_.sin], x), (1, V)),
    "switch of closures": (
        lambda L, np_, lax: lambda i, x: lax.switch(i, [lambda: x, lambda: x * 2, lambda: 3 * x]),
        (3, V),
    ),
    "scan": (lambda L, np_, lax: lambda c, xs: lax.scan(lambda c, x: (c + x, c * x), c, xs), (1.0, V)),
    "scan with closures": (
        lambda L, np_, lax: lambda c, xs, b, w: lax.scan(lambda c, x: (w @ c + x + b, c * x), c, xs),
        (V, M, V, M),
    ),
    "scan without xs": (
        lambda L, np_, lax: lambda c: lax.scan(lambda c, _: (c * 2.0, None), c, None, length=4),
        (1.0,),
    ),
    "scan of nothing": (lambda L, np_, lax: lambda xs: lax.scan(lambda c, x: (c + x, c), 0.0, xs), (V[:0],)),
    "scan backwards": (
        lambda L, np_, lax: lambda xs: lax.scan(lambda c, x: (c + x, c * x), 0.0, xs, reverse=True, unroll=2),
        (V,),
    ),
    "scan unrolled": (
        lambda L, np_, lax: lambda xs: lax.scan(lambda c, x: (c + x, c * x), 0.0, xs, unroll=True),
        (V,),
    ),
    "scan whose carries stay": (
        lambda L, np_, lax: (
            lambda c, xs, k: lax.scan(lambda c, x: ((c[0] + k * c[1], c[1]), (c[1], x, k)), c, xs)
        ),
        ((1.0, 2.0), V, 3.0),
    ),
    "scan from a weak integer": (
        lambda L, np_, lax: lambda xs: lax.scan(lambda c, x: (c + x, None), 0, xs),
        (V.astype(np.float32),),
    ),
    "scan to literals": (
        lambda L, np_, lax: lambda xs: lax.scan(lambda c, x: (c + x, (1, c)), 2.0, xs),
        (V,),
    ),
    "scan with cond": (
        lambda L, np_, lax: lambda xs: lax.map(lambda i: lax.cond(i < 2, lambda: 1.0, lambda: 2.0), xs),
        (V,),
    ),
    "scan with jit": (
        lambda L, np_, lax: (
            lambda c, xs: lax.scan(lambda c, x: (L.jit(lambda a: np_.sin(a))(c) * x, None), c, xs)
        ),
        (np.float64(1.0), V),
    ),
    "map": (lambda L, np_, lax: lambda xs: lax.map(lambda x: x * 2.0, xs), (V,)),
    "map by batches": (
        lambda L, np_, lax: lambda xs: lax.map(lambda x: x * 2.0, xs, batch_size=3),
        (np.arange(7.0),),
    ),
    "map by whole batches": (
        lambda L, np_, lax: lambda xs: lax.map(lambda t: (t[0] * 2.0, t[1]), (xs, xs), batch_size=2),
        (np.arange(6.0),),
    ),
    "map by one batch": (lambda L, np_, lax: lambda xs: lax.map(lambda x: x * 2.0, xs, batch_size=9), (V,)),
    "fori_loop": (lambda L, np_, lax: lambda c: lax.fori_loop(0, 5, lambda i, c: c * i, c), (1.0,)),
    "fori_loop of NumPy integers": (
        lambda L, np_, lax: lambda c: lax.fori_loop(np.int32(2), 5, lambda i, c: c * i, c),
        (1.0,),
    ),
    "fori_loop of nothing": (
        lambda L, np_, lax: lambda c: lax.fori_loop(5, 0, lambda i, c: c * i, c),
        (1.0,),
    ),
    "fori_loop unrolled": (
        lambda L, np_, lax: lambda c: lax.fori_loop(0, 5, lambda i, c: c * i, c, unroll=True),
        (1.0,),
    ),
    "fori_loop to a traced bound": (
        lambda L, np_, lax: lambda n, c: lax.fori_loop(0, n, lambda i, c: c * i, c),
        (5, 1.0),
    ),
    "fori_loop from a traced bound": (
        lambda L, np_, lax: lambda n, c: lax.fori_loop(n, 10, lambda i, c: c * i, c),
        (5, 1.0),
    ),
    "jvp of scan": (
        lambda L, np_, lax: (
            lambda c, xs: L.jvp(lambda c: lax.scan(lambda c, x: (c * x, c + x), c, xs), (c,), (c,))
        ),
        (1.0, V),
    ),
    "grad of scan": (
        lambda L, np_, lax: (
            lambda c, xs: L.grad(lambda c: lax.scan(lambda c, x: (np_.sin(c) * x, c + x), c, xs)[0])(c)
        ),
        (1.0, V),
    ),
    "vmap of scan": (
        lambda L, np_, lax: lambda c, xs: L.vmap(lambda c: lax.scan(lambda c, x: (c * x, c + x), c, xs))(c),
        (V, V),
    ),
    "vmap of scan over xs": (
        lambda L, np_, lax: (
            lambda xs: L.vmap(lambda xs: lax.scan(lambda c, y: (c + y, c * y), 1.0, xs), in_axes=1)(xs)
        ),
        (np.ones((4, 3)),),
    ),
    "vmap of fori_loop": (
        lambda L, np_, lax: lambda x: L.vmap(lambda x: lax.fori_loop(0, 3, lambda i, c: c * x, 1.0))(x),
        (V,),
    ),
    "vmap of cond": (
        lambda L, np_, lax: (
            lambda p, x: L.vmap(lambda p, x: lax.cond(p, lambda x: x + 1.0, lambda x: x * 2.0, x))(p, x)
        ),
        (V > 1, V),
    ),
    "vmap of switch": (
        lambda L, np_, lax: (
            lambda i, x: L.vmap(
                lambda i, x: lax.switch(i, [lambda x: x + 1.0, lambda x: x * 2.0, lambda x: x], x)
            )(i, x)
        ),
        (np.arange(3), V),
    ),
    "jvp of cond": (
        lambda L, np_, lax: (
            lambda p, x: L.jvp(lambda x: lax.cond(p, np_.sin, lambda x: x**2 * 3, x), (x,), (x,))
        ),
        (True, 1.0),
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.usefixtures("jax_derivatives")
def test_program_and_value(name: str) -> None:
    """The program's text is JAX's; its value too, eager and compiled."""
    make, args = PROGRAMS[name]
    ours, theirs = make(jitney, *rooms(jitney)), make(jax, *rooms(jax))
    assert str(jitney.make_jaxpr(ours)(*args)) == str(jax.make_jaxpr(theirs)(*args))
    want = theirs(*args)
    assert_same(ours(*args), want, what="eager")
    assert_same(jitney.jit(ours)(*args), want, weak=False, what="compiled")


# -- transformations --------------------------------------------------------------------------------


def recurrent(np_: Any, lax: Any) -> AT:
    """A matrix in every step, and results of two shapes."""

    def f(w: Any, h: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = np_.tanh(w @ h + x)
            return h, (h * x, np_.sum(h))

        h, (ys, sums) = lax.scan(step, h, xs)
        return np_.sum(h**2) + np_.sum(ys) + np_.sum(np_.sin(sums))

    return f


def indexed(np_: Any, lax: Any) -> AT:
    """Reads of a constant and of a carried array, writes into the latter."""

    def f(a: Any, x: Any) -> Any:
        def body(i: Any, c: Any) -> Any:
            s, array = c
            v = a[i] * array[i - 1] + np_.sin(s)
            return s * 0.9 + v, array.at[i].set(v)

        s, array = lax.fori_loop(1, 5, body, (1.0, x))
        return s + np_.sum(array * a)

    return f


def chosen(np_: Any, lax: Any) -> AT:
    def f(x: Any, y: Any) -> Any:
        return np_.sum(lax.cond(np_.sum(x) > 0, lambda x: np_.sin(x) * y, lambda x: x**2 * np_.exp(y) + x, x))

    return f


def choices_in_a_loop(np_: Any, lax: Any) -> AT:
    def f(x: Any, y: Any) -> Any:
        def step(c: Any, a: Any) -> Any:
            c = lax.cond(a > 0, lambda c: c * np_.sin(a) + y[0], lambda c: c * a**2 - np_.cos(c * y[1]), c)
            cases = [lambda u: u, lambda u: u * u, lambda u: np_.exp(u)]
            return c, lax.switch(np_.floor(a * 3).astype(int), cases, c)

        c, ys = lax.scan(step, 1.0, x, reverse=True)
        return c + np_.sum(ys)

    return f


def nested(np_: Any, lax: Any) -> AT:
    """A loop in a loop, with work that is the same in each iteration of the outer."""

    def f(x: Any, w: Any) -> Any:
        def outer(c: Any, a: Any) -> Any:
            d, ys = lax.scan(lambda d, b: (d * w + np_.sin(b * a), d * b * np_.cos(w)), c, x)
            return d, np_.sum(ys)

        c, ys = lax.scan(outer, 0.5, x)
        return c + np_.sum(ys)

    return f


def prefixes(np_: Any, lax: Any) -> AT:
    def f(x: Any, a: Any) -> Any:
        ys = lax.associative_scan(np_.matmul, np_.cos(a), reverse=True)
        zs = lax.associative_scan(lambda p, q: {"u": p["u"] * q["u"]}, {"u": x}, axis=-1)
        return np_.sum(ys**2) + np_.sum(np_.sin(zs["u"]))

    return f


X = rng.normal(size=5)
LOOPS = {
    "recurrent": (recurrent, (rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=(6, 3)))),
    "indexed": (indexed, (X, X + 1)),
    "chosen": (chosen, (np.abs(X), X)),
    "not chosen": (chosen, (-np.abs(X), X)),
    "choices": (choices_in_a_loop, (X, X[:3])),
    "nested": (nested, (X, 0.7)),
    "prefixes": (prefixes, (rng.normal(size=(2, 5)), rng.normal(size=(4, 2, 2)))),
}


def expected(make: Any, args: tuple, batch: tuple) -> dict[str, Any]:
    """JAX's results; few of its programs, because each takes a while to compile."""
    f = make(*rooms(jax))
    every = tuple(range(len(args)))
    tangents = tuple(np.cos(a) for a in args)
    first = (0,) + (None,) * (len(args) - 1)
    grad, value = jax.jit(jax.grad(f, every)), jax.jit(f)
    weighed = lambda *a: sum((g * jax.numpy.cos(g)).sum() for g in grad(*a))
    mapped = lambda *a: (jax.vmap(f, in_axes=first)(*a) ** 2).sum()
    stack = lambda trees: jax.tree.map(lambda *xs: np.stack(xs), *trees)
    forward = jax.jit(lambda *a: jax.jvp(jax.value_and_grad(f, every), a, tangents))(*args)
    return {
        "value": value(*args),
        "grad": grad(*args),
        "jvp": (forward[0][0], forward[1][0]),
        "jvp of grad": (forward[0][1], forward[1][1]),
        "grad of grad": jax.jit(jax.grad(weighed, every))(*args),
        "vmap": stack([value(*one) for one in zip(*batch, strict=True)]),
        "vmap of grad": stack([grad(*one) for one in zip(*batch, strict=True)]),
        "one batched": stack([grad(one, *args[1:]) for one in batch[0]]),
        "grad of vmap": jax.jit(jax.grad(mapped, every))(batch[0], *args[1:]),
    }


@pytest.mark.parametrize("name", LOOPS)
def test_transformations(name: str) -> None:
    make, given = LOOPS[name]
    args = tuple(np.asarray(a, float) for a in given)
    batch = tuple(np.stack([a, a * 0.5, -a]) for a in args)
    want = expected(make, args, batch)
    args, batch = tuple(map(jnp.asarray, args)), tuple(map(jnp.asarray, batch))
    f = make(*rooms(jitney))
    every = tuple(range(len(args)))
    tangents = tuple(map(jnp.cos, args))
    first = (0,) + (None,) * (len(args) - 1)
    grad = jitney.grad(f, every)
    along = lambda *a: jitney.jvp(f, a, tangents)[1]
    weighed = lambda *a: sum(jnp.sum(g * jnp.cos(g)) for g in grad(*a))
    mapped = lambda *a: jnp.sum(jitney.vmap(f, in_axes=first)(*a) ** 2)

    def check(what: str, got: Any, wanted: Any) -> None:
        assert_same(got, wanted, 1e-9, weak=False, what=what)

    check("value", f(*args), want["value"])
    check("jit", jitney.jit(f)(*args), want["value"])
    check("grad", grad(*args), want["grad"])
    check("jit of grad", jitney.jit(grad)(*args), want["grad"])
    check("grad of jit", jitney.grad(jitney.jit(f), every)(*args), want["grad"])
    check("jvp", jitney.jvp(f, args, tangents), want["jvp"])
    check("linearize", jitney.linearize(f, *args)[1](*tangents), want["jvp"][1])
    check("jvp of grad", jitney.jvp(grad, args, tangents), want["jvp of grad"])
    check("grad of jvp", jitney.grad(along, every)(*args), want["jvp of grad"][1])
    check("grad of grad", jitney.grad(weighed, every)(*args), want["grad of grad"])
    check("vmap", jitney.vmap(f)(*batch), want["vmap"])
    check("vmap of grad", jitney.vmap(grad)(*batch), want["vmap of grad"])
    check("jit of vmap of grad", jitney.jit(jitney.vmap(grad))(*batch), want["vmap of grad"])
    check("vmap, one batched", jitney.vmap(grad, in_axes=first)(batch[0], *args[1:]), want["one batched"])
    check("grad of vmap", jitney.grad(mapped, every)(batch[0], *args[1:]), want["grad of vmap"])


def test_gradients_of_unchosen_examples_do_not_spoil_the_sum() -> None:
    xs = jnp.array([4.0, -1.0])
    f = lambda a: jnp.sum(jitney.vmap(lambda x: lax.cond(x > 0, lambda: a * jnp.sqrt(x), lambda: a))(xs))
    assert float(jitney.grad(f)(1.0)) == 3.0


def test_linear_transpose_with_a_counter() -> None:
    """A loop that is linear in its carry and counts: the counter runs before the transposed loop."""
    weights = jnp.arange(1.0, 5.0)
    step = lambda i, c: c * weights[i] + i * c
    f = lambda x: lax.fori_loop(0, 4, step, x)
    _, linear = jitney.linearize(f, 2.0)
    assert float(linear(1.0)) == float(jitney.grad(f)(2.0)) == 1 * 3 * 5 * 7


# -- what reverse mode keeps ------------------------------------------------------------------------


def residuals(f: Callable[..., Any], *args: Any) -> list[tuple[int, ...]]:
    """Shapes of what the forward loop of ``grad(f)`` stacks beside its own results."""
    closed = jitney.make_jaxpr(jitney.grad(f))(*args)
    forward = next(e for e in closed.eqns if e.primitive.name == "scan")
    return [v.aval.shape for v in forward.outvars[forward.params["num_carry"] :]]


def test_residuals_that_do_not_change_are_not_stacked() -> None:
    w = jnp.ones((4, 4))
    f = lambda h: jnp.sum(lax.scan(lambda h, _: (jnp.tanh(jnp.sin(w) @ h), None), h, None, length=6)[0])
    assert residuals(f, jnp.ones(4)) == [(6, 4)]  # tanh, but not sin(w)


def test_residuals_are_kept_once_and_small() -> None:
    def step(i: Any, x: Any) -> Any:
        mask = (i > 2) & (i % 2 == 0)
        scale = jnp.full((50,), jnp.cos(x.sum()))
        return jnp.where(mask, x * scale, x * jnp.sin(x) + jnp.sin(x))

    f = lambda x: jnp.sum(lax.fori_loop(0, 5, step, x))
    shapes = residuals(f, jnp.ones(50))
    assert (5, 50) in shapes and sum(np.prod(s) for s in shapes) <= 5 * (4 * 50 + 8), shapes


def test_zero_tangents_stay_symbolic() -> None:
    """Carries without a tangent have none in the derived loop."""
    f = lambda x: lax.fori_loop(0, 5, lambda i, c: (c[0] * x, c[1] + 1.0), (1.0, 0.0))[0]
    closed = jitney.make_jaxpr(lambda x: jitney.jvp(f, (x,), (1.0,)))(2.0)
    (loop,) = [e for e in closed.eqns if e.primitive.name == "scan"]
    assert loop.params["num_carry"] == 4  # the counter, two values, one tangent


def test_cotangents_are_added_in_place() -> None:
    """What a read of an array contributes is added to the sum itself, as one scatter and one add."""
    f = lambda a: lax.scan(lambda c, i: (c * a[i], None), 1.0, jnp.arange(4))[0]
    closed = jitney.make_jaxpr(jitney.grad(f))(jnp.ones(4))
    backward = [e for e in closed.eqns if e.primitive.name == "scan"][-1].params["jaxpr"].jaxpr
    total = backward.eqns[-1]
    assert total.primitive.name == "add_any" and total.invars[0] in backward.invars
    assert backward.eqns[-2].outvars[0] is total.invars[1]


def test_dead_parts_of_loops_are_dropped() -> None:
    from jitney._core.dce import live_eqns

    def f(x: Any) -> Any:
        def step(c: Any, a: Any) -> Any:
            used, dead = c
            return (used + a, dead * jnp.exp(a)), (jnp.sin(dead), used)

        (used, _), (_, column) = lax.scan(step, (0.0, 1.0), x)
        return used, column

    closed = jitney.make_jaxpr(f)(jnp.ones(3))
    (loop,), _ = live_eqns(closed.jaxpr)
    assert loop.params["num_carry"] == 1 and len(loop.outvars) == 2
    assert [e.primitive.name for e in loop.params["jaxpr"].eqns if e.primitive.name in ("exp", "sin")] == []


# -- traces are shared ------------------------------------------------------------------------------


def test_a_body_is_traced_once() -> None:
    traced = []

    def body(c: Any, x: Any) -> Any:
        traced.append(c)
        return c + x, None

    for _ in range(3):
        lax.scan(body, 0.0, jnp.ones(3))
    assert len(traced) == 1
    lax.scan(body, jnp.zeros(2), jnp.ones((3, 2)))
    assert len(traced) == 2


def test_a_rebound_variable_is_seen() -> None:
    scale = jnp.array([2.0])

    def body(c: Any, x: Any) -> Any:
        return c + x * scale, None

    assert float(lax.scan(body, jnp.zeros(1), jnp.ones(3))[0][0]) == 6.0
    scale = jnp.array([3.0])
    assert float(lax.scan(body, jnp.zeros(1), jnp.ones(3))[0][0]) == 9.0


def test_traces_do_not_keep_functions_alive() -> None:
    scale = jnp.ones(3)
    body = lambda c, x: (c + x * scale[0], None)
    lax.scan(body, 0.0, jnp.ones(3))
    gone = weakref.ref(body)
    del body
    gc.collect()
    assert gone() is None


def test_equal_programs_are_one_object() -> None:
    def program(scale: float) -> Any:
        closed = jitney.make_jaxpr(lambda xs: lax.scan(lambda c, x: (c + jnp.sin(x) * scale, x), 0.0, xs))(V)
        return closed.eqns[-1].params["jaxpr"]

    assert program(2.0) is program(2.0)
    assert program(2.0) is not program(3.0)
    assert program(0.0) is not program(-0.0)


def test_long_eager_loops_run_natively() -> None:
    xs = jnp.ones(100_000)
    total, _ = lax.scan(lambda c, x: (c + x * jnp.cos(c) ** 2, None), 0.0, xs)
    want, _ = jax.lax.scan(lambda c, x: (c + x * jax.numpy.cos(c) ** 2, None), 0.0, np.ones(100_000))
    assert_same(total, want, 1e-9)


def test_cleared_caches_are_filled_again() -> None:
    body = lambda c, x: (c + x, None)
    before = lax.scan(body, 0.0, jnp.ones(5000))[0]
    jitney.clear_caches()
    assert float(lax.scan(body, 0.0, jnp.ones(5000))[0]) == float(before) == 5000.0


# -- types of all kinds -----------------------------------------------------------------------------


class Pair(NamedTuple):
    a: Any
    b: Any


def narrow_floats(library: Any, np_: Any, lax: Any) -> Any:
    return lax.scan(lambda c, x: (c + x, c * x), np_.bfloat16(1), np_.arange(4, dtype=np_.bfloat16))


def complex_numbers(library: Any, np_: Any, lax: Any) -> Any:
    f = lambda z: lax.scan(lambda c, x: (c * z + x, c), 1j, np_.arange(4.0))
    pullback = library.vjp(lambda z: f(z)[1], 1 + 1j)[1]
    return (
        library.jit(f)(1 + 1j),
        library.grad(lambda r: abs(f(r + 2j)[0]))(1.0),
        pullback(np_.ones(4) * (1 + 2j)),
    )


def booleans(library: Any, np_: Any, lax: Any) -> Any:
    f = lambda: lax.scan(lambda c, x: (c & (x > 1), ~c), True, np_.arange(4.0))
    return f(), library.jit(f)()


def named_tuples(library: Any, np_: Any, lax: Any) -> Any:
    f = lambda x: tuple(
        lax.fori_loop(0, 3, lambda i, p: Pair(p.a * x, [p.b[0] + i]), Pair(1.0, [np_.zeros(2)]))
    )
    return f(2.0), library.jvp(f, (2.0,), (1.0,))


def integers(library: Any, np_: Any, lax: Any) -> Any:
    def f(x: Any, n: Any) -> Any:
        return lax.scan(lambda c, i: ((c[0] * x + i, c[1] + 1), i * c[1]), (x, n), np_.arange(3))[0][0]

    return library.grad(f)(2.0, 3), library.grad(f, (0, 1), allow_int=True)(2.0, 3)


def nothing(library: Any, np_: Any, lax: Any) -> Any:
    return lax.scan(lambda c, x: (c, {}), (), {}, length=3), lax.map(lambda x: (x, None), np_.arange(3))


def numpy_values(library: Any, np_: Any, lax: Any) -> Any:
    step = lambda c, x: (np.float64(2.0) * c + np.arange(2.0), x)
    return lax.scan(step, np.ones(2), np.arange(3.0)), lax.cond(
        np.bool_(True), lambda: np.ones(2), lambda: np.zeros(2)
    )


def many_axes(library: Any, np_: Any, lax: Any) -> Any:
    f = lambda x: lax.scan(lambda c, a: (c + a, c * a), np_.zeros(2), x, reverse=True)
    return library.vmap(f, in_axes=2, out_axes=1)(np_.arange(24.0).reshape(3, 2, 4))


def random_keys(library: Any, np_: Any, lax: Any) -> Any:
    random = importlib.import_module(library.__name__ + ".random")
    key = random.key(0)

    def step(key: Any, _: Any) -> Any:
        key, now = random.split(key)
        return key, random.uniform(now, (2,))

    draws = lambda key: lax.scan(step, key, None, length=3)[1]
    choice = lambda m: lax.cond(m > 0, lambda k: random.uniform(k) * m, lambda k: m * 2.0, key)
    return (
        draws(key),
        library.jit(draws)(key),
        library.grad(choice)(1.0),
        lax.map(random.uniform, random.split(key, 4)),
    )


def choices_of_choices(library: Any, np_: Any, lax: Any) -> Any:
    def f(p: Any, q: Any, x: Any) -> Any:
        first = lambda x: lax.cond(q, np_.sin, lambda y: y * x**2, x)
        second = lambda x: np_.exp(x) * lax.cond(q, lambda: x, lambda: 1.0)
        return lax.cond(p, first, second, x)

    grad = library.grad(f, 2)
    flags = np.array([True, False]), np.array([False, True])
    return [grad(p, q, 1.3) for p in (True, False) for q in (True, False)], library.vmap(grad)(
        *flags, np.ones(2)
    )


KINDS = [
    narrow_floats,
    complex_numbers,
    booleans,
    named_tuples,
    integers,
    nothing,
    numpy_values,
    many_axes,
    random_keys,
    choices_of_choices,
]


@pytest.mark.parametrize("case", KINDS, ids=lambda f: f.__name__)
def test_kinds_of_values(case: Callable[..., Any]) -> None:
    assert_same(case(jitney, *rooms(jitney)), case(jax, *rooms(jax)), 1e-9, weak=False)


# -- eager evaluation -------------------------------------------------------------------------------


def test_results_are_arrays() -> None:
    for out in (
        lax.cond(True, lambda x: x, lambda x: x, 1.0),
        lax.cond(True, lambda: 1.0, lambda: 2.0),
        lax.scan(lambda c, x: (c, c), 1.0, None, length=2)[0],
        lax.fori_loop(0, 0, lambda i, c: c, 3),
        lax.fori_loop(0, 3, lambda i, c: c, np.ones(2)),
    ):
        assert isinstance(out, jitney.Array)


def test_operand_keyword_and_structures() -> None:
    assert float(lax.cond(True, lambda x: x["a"][0], lambda x: x["b"], operand={"a": [1.0], "b": 2.0})) == 1.0
    assert float(lax.cond(False, lambda _: 1.0, lambda _: 2.0, operand=None)) == 2.0
    assert float(lax.cond(True, 1.0, lambda x: x, 2.0, lambda y: -y)) == 1.0
    assert float(lax.switch(-7, [lambda x: x, lambda x: -x], 2.0)) == 2.0
    assert float(lax.switch(jnp.uint8(200), [lambda x: x, lambda x: -x], 2.0)) == -2.0
    carry, ys = lax.scan(lambda c, x: ({"n": c["n"] + x["v"].sum()}, x), {"n": 0.0}, {"v": jnp.ones((2, 3))})
    assert float(carry["n"]) == 6.0 and ys["v"].shape == (2, 3)


def test_without_jit_python_runs_the_steps() -> None:
    seen = []

    def body(c: Any, x: Any) -> Any:
        seen.append(float(c))
        return c + x, c * x

    with jitney.config.temporarily("jax_disable_jit", True):
        total, ys = lax.scan(body, 1.0, jnp.arange(3.0), reverse=True)
        assert float(total) == 4.0 and seen == [1.0, 3.0, 4.0]
        np.testing.assert_array_equal(ys, [0.0, 3.0, 2.0])
        assert lax.cond(True, lambda: "any value", lambda: 0) == "any value"
        assert int(lax.fori_loop(0, 4, lambda i, c: c + i, 0)) == 6
        with pytest.raises(ValueError, match="no steps"):
            lax.scan(body, 1.0, jnp.arange(0.0))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis"), [((7,), 0), ((1,), 0), ((0,), 0), ((8, 3), 0), ((2, 9), 1), ((2, 9), -1)]
)
def test_associative_scan(shape: tuple, axis: int, reverse: bool) -> None:
    x = rng.normal(size=shape)
    for ufunc in (np.add, np.multiply, np.maximum):
        got = lax.associative_scan(getattr(jnp, ufunc.__name__), x, reverse=reverse, axis=axis)
        want = (
            np.flip(ufunc.accumulate(np.flip(x, axis), axis), axis) if reverse else ufunc.accumulate(x, axis)
        )
        assert_same(got, want, 1e-12)


def test_associative_scan_of_products() -> None:
    a = rng.normal(size=(33, 2, 2))
    got = jitney.jit(lambda a: lax.associative_scan(jnp.matmul, a))(a)
    want = [a[0]]
    for factor in a[1:]:
        want.append(want[-1] @ factor)
    assert_same(got, np.stack(want), 1e-9)


# -- misuse -----------------------------------------------------------------------------------------

MISUSE: dict[str, tuple[Callable[[Any, Any], Any], tuple[str, ...]]] = {
    "carry of another structure": (
        lambda n, lax: lax.scan(lambda c, x: ((c, c), x), 1.0, V),
        ("carry in", "(*, *)"),
    ),
    "carry of another dtype": (
        lambda n, lax: lax.scan(lambda c, x: ({"a": [c["a"][0].astype(n.int32)]}, x), {"a": [1.0]}, V),
        ("carry['a'][0]", "f64[]", "i32[]", ".astype('float64')"),
    ),
    "carry of another shape": (lambda n, lax: lax.scan(lambda c, x: (c + x, x), 1.0, M), ("carry", "f64[3]")),
    "no pair": (lambda n, lax: lax.scan(lambda c, x: c, 1.0, V), ("pair (carry, y)", "f64[]")),
    "three results": (lambda n, lax: lax.scan(lambda c, x: (c, c, c), 1.0, V), ("pair",)),
    "leading axes": (
        lambda n, lax: lax.scan(lambda c, x: (c, c), 1.0, (V, V[:2])),
        ("xs[0] has 3", "xs[1] has 2"),
    ),
    "length": (lambda n, lax: lax.scan(lambda c, x: (c, c), 1.0, V, length=7), ("7", "3")),
    "no length": (lambda n, lax: lax.scan(lambda c, x: (c, c), 1.0), ("length",)),
    "scalar xs": (lambda n, lax: lax.scan(lambda c, x: (c, c), 1.0, 3.0), ("leading axis",)),
    "unroll": (lambda n, lax: lax.scan(lambda c, x: (c, c), 1.0, V, unroll=-1), ("unroll",)),
    "no function": (lambda n, lax: lax.scan(3, 1.0, V), ("callable",)),
    "result that is no array": (lambda n, lax: lax.scan(lambda c, x: (c, "a"), 1.0, V), ("'a'",)),
    "init that is no array": (lambda n, lax: lax.scan(lambda c, x: (c, c), {"k": "a"}, V), ("carry['k']",)),
    "branch structures": (
        lambda n, lax: lax.cond(True, lambda x: (x, x), lambda x: x, 1.0),
        ("true_fun", "false_fun"),
    ),
    "branch types": (
        lambda n, lax: lax.cond(True, lambda x: {"a": x}, lambda x: {"a": x.astype(n.int32)}, n.ones(3)),
        ("output['a']", "f64[3]", "i32[3]", ".astype('float64')"),
    ),
    "predicate with axes": (
        lambda n, lax: lax.cond(n.ones(3) > 0, lambda: 1, lambda: 2),
        ("(3,)", "jnp.any"),
    ),
    "predicate None": (lambda n, lax: lax.cond(None, lambda: 1, lambda: 2), ("None",)),
    "complex predicate": (lambda n, lax: lax.cond(1j, lambda: 1, lambda: 2), ("complex128",)),
    "predicate of text": (lambda n, lax: lax.cond("a", lambda: 1, lambda: 2), ("'a'",)),
    "no branch function": (lambda n, lax: lax.cond(True, 3, lambda: 2), ("callable",)),
    "both operands": (
        lambda n, lax: lax.cond(True, lambda x: x, lambda x: x, 1.0, operand=2.0),
        ("operand",),
    ),
    "no branches": (lambda n, lax: lax.switch(1, [], 1.0), ("Empty",)),
    "float index": (lambda n, lax: lax.switch(1.0, [lambda: 1, lambda: 2]), ("float64",)),
    "index with axes": (lambda n, lax: lax.switch(n.arange(3), [lambda: 1, lambda: 2]), ("(3,)",)),
    "switch types": (lambda n, lax: lax.switch(1, [lambda x: x, lambda x: 1], 1.0), ("branches[1]", "i64[]")),
    "fori_loop structure": (
        lambda n, lax: lax.fori_loop(0, 3, lambda i, c: (c, c), 1.0),
        ("val in", "(*, *)"),
    ),
    "fori_loop type": (
        lambda n, lax: lax.fori_loop(0, 3, lambda i, c: {"a": c["a"].astype(int)}, {"a": n.ones(2)}),
        ("val['a']", "f64[2]", "i64[2]"),
    ),
    "fori_loop bounds": (
        lambda n, lax: lax.fori_loop(np.int32(0), n.int64(3), lambda i, c: c, 1.0),
        ("int32", "int64"),
    ),
    "fori_loop without function": (lambda n, lax: lax.fori_loop(0, 3, 3, 1.0), ("callable",)),
    "prefixes of two sizes": (lambda n, lax: lax.associative_scan(lambda a, b: a, (V, V[:2])), ("axis 0",)),
    "prefixes of another structure": (
        lambda n, lax: lax.associative_scan(lambda a, b: (a, b), V),
        ("structure",),
    ),
}


@pytest.mark.parametrize("name", MISUSE)
def test_misuse(name: str) -> None:
    call, words = MISUSE[name]
    assert_raises_alike(lambda library: call(*rooms(library)), *words)


def test_traced_length_and_unroll() -> None:
    with pytest.raises(jitney.errors.ConcretizationTypeError, match="fori_loop"):
        jitney.jit(lambda n: lax.scan(lambda c, x: (c, c), 1.0, None, length=n))(3)
    with pytest.raises(ValueError, match="unroll"):
        jitney.jit(lambda n: lax.fori_loop(0, n, lambda i, c: c, 1.0, unroll=2))(3)


def test_rules_merge_positions() -> None:
    """Values and tangents by parts: ``(a, da, b, c, dc)`` from ``(a, b, c, da, dc)``."""
    assert scan_rules._merged((True, False, True), (1, 1)) == [0, 3, 1, 2, 4]


def test_programs_have_no_constants() -> None:
    w = jnp.arange(3.0)
    closed = jitney.make_jaxpr(jitney.grad(lambda x: lax.scan(lambda c, a: (c * w[0] * a, None), x, w)[0]))(
        1.0
    )
    assert all(not p.consts for e in closed.eqns for p in subjaxprs(e.params))


def test_no_steps_without_jit(no_jit: None) -> None:
    """The body of a ``fori_loop`` that takes no step is not run."""
    for m in (jitney, jax):
        assert m.lax.fori_loop(3, 1, lambda i, x: 1 / 0, 2.0) == 2.0
