"""Effects: callbacks and prints in programs, their order, transformations of them, errors; against the installed JAX."""

from __future__ import annotations

import logging
import threading
import traceback
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.experimental
import jitney.numpy as jnp
from jitney import lax


@pytest.fixture(scope="module")
def theirs() -> Any:
    import jax

    return jax


def both(theirs: Any, capsys: Any, program: Any) -> None:
    """``program(jax, jnp)`` prints and returns the same under both libraries."""
    import jax.experimental
    import jax.numpy

    found = []
    for library, numpy in ((jitney, jnp), (theirs, jax.numpy)):
        out = program(library, numpy)
        library.effects_barrier()
        found.append((capsys.readouterr().out, library.tree.map(np.asarray, out)))
    (our_text, ours), (their_text, wanted) = found
    assert our_text == their_text
    for a, b in zip(jitney.tree.leaves(ours), jitney.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b)


def shown(library: Any) -> Any:
    """A function with a print in it."""

    def f(x: Any) -> Any:
        library.debug.print("x={x} twice={}", x * 2, x=x)
        return x * 2

    return f


PROGRAMS = {
    "eager": lambda lib, np_: shown(lib)(1.5),
    "jit": lambda lib, np_: lib.jit(shown(lib))(1.5),
    "vmap": lambda lib, np_: lib.vmap(shown(lib))(np_.arange(3.0)),
    "jit of vmap": lambda lib, np_: lib.jit(lib.vmap(shown(lib)))(np_.arange(3.0)),
    "vmap of vmap": lambda lib, np_: lib.vmap(lib.vmap(shown(lib)))(np_.arange(4.0).reshape(2, 2)),
    "grad": lambda lib, np_: lib.grad(shown(lib))(2.0),
    "jit of grad": lambda lib, np_: lib.jit(lib.grad(shown(lib)))(2.0),
    "grad of jit": lambda lib, np_: lib.grad(lib.jit(shown(lib)))(2.0),
    "jvp": lambda lib, np_: lib.jvp(shown(lib), (2.0,), (1.0,)),
    "hessian": lambda lib, np_: lib.hessian(shown(lib))(2.0),
    "scan": lambda lib, np_: lib.lax.scan(lambda c, a: (shown(lib)(c) * a, c), 2.0, np_.arange(3.0)),
    "jit of scan": lambda lib, np_: lib.jit(
        lambda x: lib.lax.scan(lambda c, a: (shown(lib)(c) * a, c), x, np_.arange(3.0))
    )(2.0),
    "jit of grad of scan": lambda lib, np_: lib.jit(
        lib.grad(lambda x: lib.lax.scan(lambda c, a: (shown(lib)(c) * a, None), x, np_.arange(1.0, 4.0))[0])
    )(2.0),
    "vmap of scan": lambda lib, np_: lib.vmap(
        lambda x: lib.lax.scan(lambda c, a: (shown(lib)(c) + a, None), x, np_.arange(3.0))[0]
    )(np_.arange(2.0)),
    "cond": lambda lib, np_: [
        lib.jit(lambda x: lib.lax.cond(x > 0, shown(lib), lambda x: x, x))(v) for v in (1.0, -1.0)
    ],
    "grad of cond": lambda lib, np_: lib.grad(lambda x: lib.lax.cond(x > 0, shown(lib), lambda x: x, x))(1.0),
    "vmap of cond": lambda lib, np_: lib.vmap(lambda x: lib.lax.cond(x > 0, shown(lib), lambda x: x, x))(
        np_.arange(2.0)
    ),
    "while": lambda lib, np_: lib.jit(lambda x: lib.lax.while_loop(lambda c: c < 20, shown(lib), x))(1.0),
    "vmap of while": lambda lib, np_: lib.jit(
        lib.vmap(lambda x: lib.lax.while_loop(lambda c: c < 20, shown(lib), x))
    )(np_.arange(1.0, 3.0)),
    "fori": lambda lib, np_: lib.jit(
        lambda x: lib.lax.fori_loop(0, 3, lambda i, c: (lib.debug.print("i={}", i), c + i)[1], x, unroll=1)
    )(np_.ones(2)),
    "trees and statics": lambda lib, np_: lib.jit(
        lambda x: lib.debug.print("{x[a]} {s!r:>8} {x[b].shape} {}", None, x={"a": x, "b": x}, s="text")
    )(np_.ones((2, 2), np_.float32)),
    "nothing to show": lambda lib, np_: lib.jit(lambda: lib.debug.print("hello {{}}"))(),
    "callback": lambda lib, np_: lib.jit(
        lambda x: lib.debug.callback(lambda x, y, k: print(x, y, k), x, "text", k=3)
    )(np_.arange(2)),
    "ordered": lambda lib, np_: lib.jit(
        lambda x: [lib.debug.print("{} {}", i, x, ordered=True) for i in range(5)] and x
    )(1),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_prints_as_jax(theirs: Any, capsys: Any, name: str) -> None:
    both(theirs, capsys, PROGRAMS[name])


def test_program_text(theirs: Any) -> None:
    import jax.experimental
    import jax.numpy

    def f(lib: Any) -> Any:
        def program(x: Any) -> Any:
            lib.debug.print("x={x} y={}", x * 2, x=x)
            lib.debug.print("static {} {}", "text", x, ordered=True)
            y = lib.pure_callback(np.sin, x, x)
            z = lib.experimental.io_callback(np.sin, x, y)
            return lib.experimental.io_callback(np.cos, x, z, ordered=True)

        return program

    assert str(jitney.make_jaxpr(f(jitney))(1.0)) == str(theirs.make_jaxpr(f(theirs))(1.0))
    for method in ("sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized"):
        texts = []
        for lib, np_ in ((jitney, jnp), (theirs, jax.numpy)):
            call = lambda x, y, lib=lib: lib.pure_callback(np.add, x, x, y, vmap_method=method)  # noqa: E731
            texts.append(str(lib.make_jaxpr(lib.vmap(call, (0, None)))(np_.arange(3.0), 2.0)))
        assert texts[0] == texts[1]
    for lib, np_ in ((jitney, jnp), (theirs, jax.numpy)):
        texts.append(str(lib.make_jaxpr(lib.vmap(shown(lib)))(np_.arange(3.0))))
    assert texts[2] == texts[3]


@pytest.mark.parametrize(
    "method", ["sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized"]
)
@pytest.mark.parametrize("compiled", [False, True])
def test_pure_callback_batches(method: str, compiled: bool) -> None:
    shapes = []

    def add(x: Any, y: Any) -> Any:
        shapes.append((np.shape(x), np.shape(y)))
        return np.asarray(x) + np.asarray(y)

    f = jitney.vmap(lambda x, y: jitney.pure_callback(add, x, x, y, vmap_method=method), (1, None))
    x, y = jnp.arange(6.0).reshape(2, 3), jnp.ones(2)
    if method == "legacy_vectorized":
        y = jnp.ones(())
        f = jitney.vmap(lambda x, y: jitney.pure_callback(add, x, x, y, vmap_method=method), (0, None))
    out = (jitney.jit(f) if compiled else f)(x, y)
    if method == "legacy_vectorized":
        np.testing.assert_array_equal(out, x + 1)
        assert shapes == [((2, 3), ())]
        return
    np.testing.assert_array_equal(out, x.T + 1)
    wanted = {"expand_dims": [((3, 2), (1, 2))], "broadcast_all": [((3, 2), (3, 2))]}
    assert shapes == wanted.get(method, [((2,), (2,))] * 3)


def test_callbacks_take_and_return_trees() -> None:
    def f(x: Any) -> Any:
        return jitney.pure_callback(
            lambda x, *, k: {"a": x["b"] * k, "c": (x["b"] > 0,)},
            {"a": x, "c": (jitney.ShapeDtypeStruct(x.shape, bool),)},
            {"b": x},
            k=2,
        )

    out = jitney.jit(f)(jnp.arange(3.0))
    np.testing.assert_array_equal(out["a"], [0, 2, 4])
    np.testing.assert_array_equal(out["c"][0], [False, True, True])
    assert f(jnp.arange(3.0))["c"][0].dtype == bool


def test_callbacks_may_keep_their_arguments() -> None:
    kept: list[Any] = []

    @jitney.jit
    def f(x: Any) -> Any:
        def body(c: Any, _: Any) -> Any:
            jitney.debug.callback(kept.append, c)
            return c * 2, None

        return lax.scan(body, x, None, length=4)[0]

    f(jnp.ones(64))
    for i, x in enumerate(kept):
        assert isinstance(x, jitney.Array)
        np.testing.assert_array_equal(x, np.full(64, 2.0**i))


def test_random_keys() -> None:
    import jitney.random

    key = jitney.random.key(3)
    seen: list[Any] = []

    def f(key: Any) -> Any:
        jitney.debug.callback(seen.append, key)
        return jitney.pure_callback(
            lambda k: np.asarray(jitney.random.key_data(k)), jnp.zeros(2, "uint32"), key
        )

    data = jitney.random.key_data(key).tolist()
    for run in (f, jitney.jit(f)):
        assert run(key).tolist() == data
    assert [jitney.random.key_data(k).tolist() for k in seen] == [data, data]


def test_effects_are_kept_and_values_dropped() -> None:
    seen: list[str] = []

    @jitney.jit
    def f(x: Any) -> Any:
        jitney.pure_callback(lambda x: (seen.append("pure"), x)[1], x, x)
        jitney.experimental.io_callback(lambda x: (seen.append("io"), x)[1], x, x)
        jitney.experimental.io_callback(lambda x: (seen.append("io"), x)[1], x, x)
        jitney.debug.callback(lambda: seen.append("debug"))
        return x

    f(1.0)
    assert seen == ["io", "io", "debug"]
    f(2.0)
    assert seen == ["io", "io", "debug"] * 2


def test_order_is_that_of_the_program() -> None:
    seen: list[int] = []

    def note(i: int, x: Any, ordered: bool) -> None:
        jitney.debug.callback(lambda x: seen.append(i), x, ordered=ordered)

    @jitney.jit
    def f(x: Any) -> Any:
        a = jnp.sort(x)
        note(0, a, False)
        note(1, x, True)
        y = lax.cond(x[0] > 0, lambda x: (note(2, x, False), x)[1], lambda x: x, x)
        y = lax.fori_loop(0, 2, lambda i, c: (note(3, i, False), c + 1)[1], y)
        note(4, x, False)
        note(5, jnp.sum(y @ y), False)
        return y

    f(jnp.ones(100))
    assert seen == [0, 1, 2, 3, 3, 4, 5]


def test_effects_of_programs() -> None:
    def f(x: Any) -> Any:
        return lax.cond(x > 0, lambda x: (jitney.debug.print("{}", x), x)[1], lambda x: x, x)

    assert {str(e) for e in jitney.make_jaxpr(jitney.jit(f))(1.0).effects} == {"Debug"}
    assert not jitney.make_jaxpr(jnp.sin)(1.0).effects
    ordered = jitney.make_jaxpr(lambda x: jitney.experimental.io_callback(np.sin, x, x, ordered=True))(1.0)
    assert [e.ordered for e in ordered.effects] == [True]


# -- errors -------------------------------------------------------------------------------------------


class Own(Exception):
    pass


def fails(x: Any) -> Any:
    raise Own("from the callback")


def raising_programs() -> dict[str, Any]:
    def call(x: Any) -> Any:
        return jitney.pure_callback(fails, x, x)

    def loop(x: Any) -> Any:
        # The condition depends on the callback: garbage must not keep the loop alive.
        return lax.while_loop(lambda c: c < 10, lambda c: jitney.experimental.io_callback(fails, c, c), x)

    return {
        "eager": call,
        "jit": jitney.jit(call),
        "scan": jitney.jit(lambda x: lax.scan(lambda c, _: (call(c), None), x, None, length=3)[0]),
        "while": jitney.jit(loop),
        "cond": jitney.jit(lambda x: lax.cond(x > 0, call, lambda x: x, x)),
        "debug": jitney.jit(lambda x: jitney.debug.callback(fails, x)),
        "vmap": lambda x: jitney.jit(
            jitney.vmap(lambda x: jitney.pure_callback(fails, x, x, vmap_method="sequential"))
        )(x[None]),
    }


@pytest.mark.parametrize("name", ["eager", "jit", "scan", "while", "cond", "debug", "vmap"])
def test_exceptions_reach_the_caller(name: str) -> None:
    with pytest.raises(Own, match="from the callback") as caught:
        raising_programs()[name](jnp.ones(()))
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].name == "fails"
    assert all("/jitney/_" not in frame.filename for frame in frames[1:])


def test_exceptions_in_threads() -> None:
    f = jitney.jit(lambda x: jnp.sum(jitney.pure_callback(fails, x, x)))
    g = jitney.jit(lambda x: jnp.sum(jitney.pure_callback(np.sin, x, x)))
    found: list[Any] = []

    def work() -> None:
        for _ in range(20):
            try:
                f(jnp.ones(5))
            except Own as error:
                found.append(str(error))
            found.append(float(g(jnp.zeros(5))))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found.count("from the callback") == 80 and found.count(0.0) == 80


@pytest.mark.parametrize(
    "result", [np.ones(2), np.float32(1.0), (np.ones(()), 1), "text"], ids=["shape", "dtype", "tree", "text"]
)
@pytest.mark.parametrize("compiled", [False, True])
def test_results_are_checked(result: Any, compiled: bool) -> None:
    call = lambda x: jitney.pure_callback(lambda x: result, x, x)  # noqa: E731
    with pytest.raises(RuntimeError, match="callback"):
        (jitney.jit(call) if compiled else call)(jnp.ones(()))
    assert float(jitney.pure_callback(lambda x: 2, x := jnp.ones(()), x)) == 2.0


def test_misuse(theirs: Any) -> None:
    import jax.experimental
    import jax.numpy

    def cases(lib: Any, np_: Any) -> list[Any]:
        identity = lambda x: x  # noqa: E731
        scalar = lib.ShapeDtypeStruct((), np_.float64)
        debug, io_call = lib.debug, lib.experimental.io_callback
        return [
            lambda: debug.print("{} {}", 1),
            lambda: debug.print("{x}", 1),
            lambda: debug.print("{}", 1, x=2),
            lambda: debug.print(3),
            lambda: debug.callback(3),
            lambda: lib.pure_callback(identity, 1.0),
            lambda: lib.pure_callback(identity, scalar, 1.0, vmap_method="other"),
            lambda: lib.grad(lambda x: lib.pure_callback(identity, scalar, x))(1.0),
            lambda: lib.grad(lambda x: io_call(identity, scalar, x))(1.0),
            lambda: lib.vmap(lambda x: lib.pure_callback(identity, scalar, x))(np_.ones(2)),
            lambda: lib.vmap(lambda x: io_call(identity, scalar, x, ordered=True))(np_.ones(2)),
        ]

    for ours, wanted in zip(cases(jitney, jnp), cases(theirs, jax.numpy), strict=True):
        with pytest.raises(Exception) as expected:  # noqa: PT011
            wanted()
        with pytest.raises(expected.type):
            ours()
    with pytest.raises(TypeError, match=r"\[0\]\[0\].*str"):
        jitney.pure_callback(lambda x: x, jnp.ones(()), "text")


# -- the rest of debug --------------------------------------------------------------------------------


def test_log(caplog: Any) -> None:
    with caplog.at_level(logging.INFO, logger="jitney.debug"):
        jitney.jit(lambda x: jitney.debug.log("x={}", x))(2.0)
    assert caplog.messages == ["x=2.0"]


def test_breakpoint(monkeypatch: Any, capsys: Any) -> None:
    stops: list[Any] = []
    import sys

    def hook() -> None:
        stops.append(sys._getframe(1).f_locals["values"]["x"])

    monkeypatch.setattr(sys, "breakpointhook", hook)
    jitney.jit(lambda x: jitney.debug.breakpoint(x=x))(2.0)
    assert float(stops[0]) == 2.0
    assert "test_effects.py" in capsys.readouterr().out


def test_print_options_are_those_of_the_trace(capsys: Any) -> None:
    f = jitney.jit(lambda x: jitney.debug.print("{}", x))
    with np.printoptions(precision=2):
        f(jnp.asarray([1 / 3]))
    f(jnp.asarray([2 / 3]))
    assert capsys.readouterr().out == "[0.33]\n[0.67]\n"


def test_large_batches_are_loops(capsys: Any) -> None:
    f = jitney.jit(jitney.vmap(lambda x: jitney.debug.print("{}", x)))
    f(jnp.arange(200))
    assert capsys.readouterr().out.split() == [str(i) for i in range(200)]
    closed = jitney.make_jaxpr(jitney.vmap(lambda x: jitney.debug.print("{}", x)))(jnp.arange(200))
    assert [e.primitive.name for e in closed.eqns] == ["scan"]
