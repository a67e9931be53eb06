"""checkify: checks of the user's and automatic ones, in control flow, under transformations; against the installed JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney.experimental import checkify


@pytest.fixture(scope="module")
def theirs() -> Any:
    import jax
    import jax.experimental.checkify

    return jax


def positive(lib: Any) -> Callable[[Any], Any]:
    check = lib.experimental.checkify.check

    def f(x: Any) -> Any:
        x = lib.numpy.asarray(x)
        check(x > 0, "must be positive, got {x}", x=x)
        return lib.numpy.log(x)

    return f


X = np.arange(3.0)
PROGRAMS: dict[str, tuple[Callable[[Any], Callable[..., Any]], tuple]] = {
    "log": (lambda lib: lib.numpy.log, (-1.0,)),
    "log of 1": (lambda lib: lib.numpy.log, (1.0,)),
    "1 / 0": (lambda lib: lambda x: x / 0, (1.0,)),
    "0 / x": (lambda lib: lambda x: 0 / x, (0.0,)),
    "3 // 0": (lambda lib: lambda x: x // 0, (3,)),
    "3 % 0": (lambda lib: lambda x: x % 0, (3,)),
    "x[5]": (lambda lib: lambda x, i: x[i], (X, 5)),
    "x[2]": (lambda lib: lambda x, i: x[i], (X, 2)),
    "x[-5]": (lambda lib: lambda x, i: x[i], (X, -5)),
    "x[many]": (lambda lib: lambda x, i: x[i], (X, np.array([1, 9, 0, 7]))),
    "set": (lambda lib: lambda x, i: lib.numpy.asarray(x).at[i].set(1.0), (X, 5)),
    "add": (
        lambda lib: lambda x, i: lib.numpy.asarray(x).at[i, 0].add(1.0),
        (np.ones((3, 2)), np.array([0, 4])),
    ),
    "window": (lambda lib: lambda x, i: lib.lax.dynamic_slice(x, (i,), (2,)), (X, 2)),
    "write": (lambda lib: lambda x, i: lib.lax.dynamic_update_slice(x, x[:2], (i,)), (X, 2)),
    "user": (positive, (-1.0,)),
    "user, sound": (positive, (1.0,)),
    "jit": (lambda lib: lib.jit(positive(lib)), (-1.0,)),
    "scan": (
        lambda lib: (
            lambda x: lib.lax.scan(lambda c, a: (lib.numpy.log(c - a), c), x, lib.numpy.arange(5.0))[0]
        ),
        (3.0,),
    ),
    "check in scan": (
        lambda lib: (
            lambda x: lib.lax.scan(lambda c, a: (positive(lib)(c) * 0 + c - a, a), x, lib.numpy.arange(5.0))[
                0
            ]
        ),
        (3.0,),
    ),
    "while": (
        lambda lib: lambda x: lib.lax.while_loop(lambda c: c < 4, lambda c: lib.numpy.log(c), x),
        (0.5,),
    ),
    "check in while": (
        lambda lib: lambda x: lib.lax.while_loop(lambda c: c > -3, lambda c: positive(lib)(c) * 0 + c - 1, x),
        (2.0,),
    ),
    "check in a condition": (
        lambda lib: lambda x: lib.lax.while_loop(lambda c: positive(lib)(c) * 0 + c > -3, lambda c: c - 1, x),
        (2.0,),
    ),
    "fori": (
        lambda lib: lambda x, n: lib.lax.fori_loop(0, n, lambda i, c: c + x[i], 0.0),
        (X, 5),
    ),
    "cond": (lambda lib: lambda x: lib.lax.cond(x > 0, lambda x: x, lib.numpy.log, x), (-0.5,)),
    "check in cond": (lambda lib: lambda x: lib.lax.cond(x > 0, lambda x: x, positive(lib), x), (-0.5,)),
    "cond, sound": (lambda lib: lambda x: lib.lax.cond(x > 0, lambda x: x, positive(lib), x), (0.5,)),
    "grad": (lambda lib: lib.grad(positive(lib)), (-1.0,)),
    "grad of jit": (lambda lib: lib.jit(lib.grad(positive(lib))), (-1.0,)),
    "vmap inside": (lambda lib: lib.vmap(positive(lib)), (np.array([1.0, -1.0, -2.0]),)),
    "remat": (lambda lib: lib.checkpoint(lib.numpy.log), (-1.0,)),
    "two": (
        lambda lib: (
            lambda x: (
                (
                    lib.experimental.checkify.check(x[0] > 0, "a {}", x[0]),
                    lib.experimental.checkify.check(x[1] > 0, "b"),
                )
                and x
            )
        ),
        (np.array([-1.0, -1.0]),),
    ),
    "second": (
        lambda lib: (
            lambda x: (
                (
                    lib.experimental.checkify.check(x[0] > 0, "a {}", x[0]),
                    lib.experimental.checkify.check(x[1] > 0, "b {k} {}", x[1], k=x),
                )
                and x
            )
        ),
        (np.array([1.0, -1.0]),),
    ),
}
KINDS = (
    "user_checks",
    "nan_checks",
    "div_checks",
    "index_checks",
    "float_checks",
    "automatic_checks",
    "all_checks",
)


@pytest.mark.parametrize("name", PROGRAMS)
def test_messages_are_those_of_jax(theirs: Any, name: str) -> None:
    make, args = PROGRAMS[name]
    for kinds in KINDS if name in ("0 / x", "x[5]", "scan") else ("all_checks",):
        found = []
        for lib in (jitney, theirs):
            module = lib.experimental.checkify
            f = module.checkify(make(lib), errors=getattr(module, kinds))
            error, out = lib.jit(f)(*args)
            found.append((error.get(), lib.tree.map(np.asarray, out)))
            if lib is jitney:
                eager, same = f(*args)
                assert eager.get() == error.get()
                np.testing.assert_allclose(same, out, equal_nan=True)
        assert found[0][0] == found[1][0], kinds
        np.testing.assert_allclose(found[0][1], found[1][1], equal_nan=True)


def test_errors_are_thrown(theirs: Any) -> None:
    for lib in (theirs, jitney):
        module = lib.experimental.checkify
        error, _ = module.checkify(positive(lib))(-1.0)
        with pytest.raises(module.JaxRuntimeError, match=r"must be positive, got -1.0 \(`check` failed\)"):
            error.throw()
        with pytest.raises(module.JaxRuntimeError):
            module.check_error(error)
        assert issubclass(module.JaxRuntimeError, ValueError)
        sound, _ = module.checkify(positive(lib))(1.0)
        assert sound.get() is None
        sound.throw()
        with pytest.raises(module.JaxRuntimeError):
            positive(lib)(-1.0)
        positive(lib)(1.0)
        with pytest.raises(ValueError, match="functionalized"):
            lib.jit(positive(lib))(1.0)


def test_batches(theirs: Any) -> None:
    found = []
    for lib in (theirs, jitney):
        f = lib.experimental.checkify.checkify(positive(lib))
        for run in (lib.vmap(f), lib.jit(lib.vmap(f))):
            error, _ = run(np.array([1.0, -1.0, -2.0]))
            found.append(error.get())
            with pytest.raises(ValueError, match="got -2.0"):
                error.throw()
    assert len(set(found)) == 1 and "at mapped index 2: must be positive, got -2.0" in found[0]
    twice = [
        lib.vmap(lib.vmap(lib.experimental.checkify.checkify(positive(lib))))(
            np.array([[1.0, -1.0], [-2.0, 3.0]])
        )[0]
        for lib in (jitney, theirs)
    ]
    assert twice[0].get() == twice[1].get()


def test_checks_inside_of_checks() -> None:
    def f(x: Any) -> Any:
        error, y = checkify.checkify(positive(jitney))(x)
        checkify.check_error(error)
        return y

    assert checkify.checkify(f)(-1.0)[0].get() == "must be positive, got -1.0 (`check` failed)"
    assert jitney.jit(checkify.checkify(f))(-1.0)[0].get() == "must be positive, got -1.0 (`check` failed)"
    with pytest.raises(checkify.JaxRuntimeError):
        f(-1.0)


def test_debug_checks() -> None:
    def f(x: Any) -> Any:
        checkify.debug_check(x > 0, "not positive: {}", jnp.asarray(x))
        return x

    assert float(f(-1.0)) == -1.0
    assert float(jitney.jit(f)(-1.0)) == -1.0
    assert checkify.checkify(f)(-1.0)[0].get() == "not positive: -1.0 (`check` failed)"


def test_derivatives_of_checked_functions() -> None:
    f = checkify.checkify(positive(jitney), errors=checkify.all_checks)
    assert float(jitney.grad(lambda x: f(x)[1])(2.0)) == 0.5
    (error, slope) = jitney.jit(jitney.value_and_grad(lambda x: f(x)[::-1], has_aux=True))(2.0)[0][1], 0.5
    assert error.get() is None and slope == 0.5

    @jitney.custom_jvp
    def twice(x: Any) -> Any:
        return x * 2

    twice.defjvp(lambda primals, tangents: (twice(*primals), 7 * tangents[0]))
    g = checkify.checkify(lambda x: twice(x), errors=checkify.user_checks)
    assert float(jitney.grad(lambda x: g(x)[1])(1.0)) == 7.0


def test_errors_are_trees() -> None:
    error, _ = checkify.checkify(positive(jitney))(-1.0)
    leaves, structure = jitney.tree.flatten(error)
    assert all(isinstance(x, jitney.Array) for x in leaves)
    assert jitney.tree.unflatten(structure, leaves).get() == error.get()
    assert checkify.init_error.get() is None
    assert jitney.jit(lambda: checkify.init_error)().get() is None
    assert jitney.jit(lambda e: e)(error).get() == error.get()
    assert "must be positive" in repr(error)


def test_misuse(theirs: Any) -> None:
    def cases(lib: Any) -> list[Any]:
        check, np_ = lib.experimental.checkify.check, lib.numpy
        return [
            lambda: check(3, "x"),
            lambda: check(np_.array([True, False]), "x"),
            lambda: check(False, "m {}", "a"),
            lambda: check(False, "m {a}", a=1),
            lambda: check(False, "m {}"),
            lambda: lib.experimental.checkify.check_error("x"),
            lambda: lib.experimental.checkify.checkify(3)(1.0),
        ]

    for ours, wanted in zip(cases(jitney), cases(theirs), strict=True):
        with pytest.raises(Exception) as expected:  # noqa: PT011
            wanted()
        with pytest.raises(expected.type if expected.type.__module__ == "builtins" else Exception):
            ours()
    with pytest.raises(TypeError, match="user_checks"):
        checkify.checkify(jnp.log, errors={"nan"})
