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


def with_jvp(lib: Any) -> Callable[[Any], Any]:
    f = lib.custom_jvp(lambda x: positive(lib)(x))
    f.defjvp(lambda primals, tangents: (f(*primals), tangents[0] * primals[0]))
    return lambda x: f(x)


def with_vjp(lib: Any) -> Callable[[Any], Any]:
    """A check in the backward rule, which shows the cotangent."""

    def bwd(x: Any, ct: Any) -> tuple:
        lib.experimental.checkify.check(ct < 0, "cotangent {}", ct)
        return (ct * x,)

    f = lib.custom_vjp(lambda x: x * 2)
    f.defvjp(lambda x: (x * 2, x), bwd)
    return lambda x: f(x)


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
    "switch": (
        lambda lib: (
            lambda i, x: lib.lax.switch(i, [lambda x: x, positive(lib), lambda x: positive(lib)(x - 1)], x)
        ),
        (7, 0.5),
    ),
    "scan in scan": (
        lambda lib: (
            lambda y: lib.lax.scan(
                lambda c, _: (
                    lib.lax.scan(lambda d, a: (d + a, lib.numpy.log(d - a)), c, lib.numpy.arange(3.0))[0]
                    - 10,
                    None,
                ),
                1.0,
                y,
            )[0]
        ),
        (X,),
    ),
    "custom_jvp": (lambda lib: with_jvp(lib), (-1.0,)),
    "grad of custom_jvp": (lambda lib: lib.grad(with_jvp(lib)), (-1.0,)),
    "grad of custom_vjp": (lambda lib: lib.grad(with_vjp(lib)), (2.0,)),
    "vmap of cond": (
        lambda lib: lib.vmap(lambda x: lib.lax.cond(x > 1, positive(lib), lambda x: x, x - 2)),
        (X,),
    ),
    "vmap of windows": (
        lambda lib: lib.vmap(lambda x, i: lib.lax.dynamic_slice(x, (i,), (2,))),
        (np.ones((3, 4)), np.array([0, 1, 4])),
    ),
    "vmap of x[i]": (lambda lib: lib.vmap(lambda x, i: x[i]), (np.ones((3, 4)), np.array([0, 1, 4]))),
    "grad of x[i]": (
        lambda lib: lambda x, i: lib.grad(lambda x: x[i].sum())(x),
        (np.ones((3, 4)), 3),
    ),
    "take_along_axis": (
        lambda lib: lambda x, i: lib.numpy.take_along_axis(x, i, axis=1),
        (np.ones((3, 4)), np.array([[0], [1], [5]])),
    ),
    "map": (lambda lib: lambda x: lib.lax.map(positive(lib), x), (np.array([1.0, -1.0]),)),
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


def collatz(n: Any) -> Any:
    def body(state: Any) -> Any:
        n, count = state
        checkify.check(n < 30, "{} at step {}", n, count)
        return jnp.where(n % 2 == 0, n // 2, 3 * n + 1), count + 1

    return jitney.lax.while_loop(lambda state: state[0] > 1, body, (n, 0))[1]


def test_batched_loops_check_the_examples_that_run() -> None:
    def counts(x: Any) -> Any:
        def body(c: Any) -> Any:
            checkify.check(c < 2, "{} is too far", c)
            return c + 1 + 0 * jnp.log(2 - c)

        return jitney.lax.while_loop(lambda c: c < 2, body, x)

    numbers = jnp.arange(1, 12)
    for wrap in (jitney.vmap, lambda f: jitney.jit(jitney.vmap(f)), lambda f: jitney.vmap(jitney.jit(f))):
        error, _ = checkify.checkify(wrap(counts), errors=checkify.all_checks)(jnp.asarray([0.0, 1.0]))
        assert error.get() is None
        error, steps = checkify.checkify(wrap(collatz))(numbers)
        assert error.get() == "34 at step 1 (`check` failed)"
        assert steps.tolist() == [0, 1, 7, 2, 5, 8, 16, 3, 19, 6, 14]
    error, _ = jitney.vmap(checkify.checkify(collatz))(numbers)
    assert error.get().splitlines()[0] == "at mapped index 6: 34 at step 3 (`check` failed)"
    assert len(error.get().splitlines()) == 3
    twice = jitney.vmap(jitney.vmap(collatz))
    with pytest.raises(ValueError, match=r"vmap\(checkify\(f\)\)"):
        checkify.checkify(twice)(numbers.reshape(1, -1))


def test_errors_of_batches_are_handed_on(theirs: Any) -> None:
    def thrown(lib: Any, levels: int) -> Callable[[Any], Any]:
        module = lib.experimental.checkify
        f = module.checkify(positive(lib))
        for _ in range(levels):
            f = lib.vmap(f)

        def run(x: Any) -> Any:
            error, y = f(x)
            module.check_error(error)
            return y

        return run

    found = [
        lib.jit(lib.experimental.checkify.checkify(thrown(lib, 1)))(X - 1)[0].get()
        for lib in (jitney, theirs)
    ]
    assert found == ["must be positive, got 0.0 (`check` failed)"] * 2
    grid = jnp.asarray([[1.0, -2.0], [-3.0, 4.0]])
    assert "got -3.0" in checkify.checkify(thrown(jitney, 2))(grid)[0].get()
    assert "got -3.0" in checkify.checkify(jitney.vmap(thrown(jitney, 1)))(grid)[0].get()
    assert checkify.checkify(thrown(jitney, 2))(jnp.ones((2, 0)))[0].get() is None
    with pytest.raises(checkify.JaxRuntimeError, match="at mapped index 0, 1"):
        thrown(jitney, 2)(grid)


def test_errors_name_the_line() -> None:
    error, _ = jitney.jit(checkify.checkify(positive(jitney)))(-1.0)
    with pytest.raises(checkify.JaxRuntimeError) as raised:
        error.throw()
    assert 'check(x > 0, "must be positive' in raised.value.__notes__[0]
    error, _ = checkify.checkify(jitney.jit(lambda x: jnp.sin(x) / x), errors=checkify.div_checks)(0.0)
    exception = error.get_exception()
    assert type(exception).__name__ == "DivisionByZeroError" and str(exception) == "division by zero"
    assert "jnp.sin(x) / x" in exception.__notes__[0]  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="must be positive"):  # in the program, though not run
        jitney.jit(lambda x: jitney.lax.cond(x > 5, positive(jitney), lambda x: x, x))(1.0)


def test_indices_of_small_types() -> None:
    f = checkify.checkify(lambda x, i: jitney.lax.dynamic_slice(x, (i,), (2,)), checkify.index_checks)
    assert f(jnp.ones(300), np.int8(5))[0].get() is None
    assert "index 200 is out of bounds" in f(jnp.ones(20), np.uint8(200))[0].get()


KEEPS_NAN: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    "abs": lambda lib: lib.lax.abs,
    "neg": lambda lib: lib.lax.neg,
    "sign": lambda lib: lib.lax.sign,
    "floor": lambda lib: lib.lax.floor,
    "exp": lambda lib: lib.lax.exp,
    "integer_pow": lambda lib: lambda x: x**2,
    "max": lambda lib: lambda x: lib.lax.max(x, x),
    "clamp": lambda lib: lambda x: lib.lax.clamp(0.0, x, 1.0),
    "reduce_max": lambda lib: lib.numpy.max,
    "reduce_sum": lambda lib: lib.numpy.sum,
    "cumsum": lambda lib: lambda x: lib.lax.cumsum(x),
    "sort": lambda lib: lib.numpy.sort,
    "complex": lambda lib: lambda x: lib.lax.complex(x, x),
    "where": lambda lib: lambda x: lib.numpy.where(x > 0, x, 1.0),
    "float32": lambda lib: lambda x: lib.lax.convert_element_type(x, np.float32),
    "scatter": lambda lib: lambda x: lib.numpy.zeros(4).at[0].add(x[0]),
}


@pytest.mark.parametrize("name", KEEPS_NAN)
def test_operations_on_nan(theirs: Any, name: str) -> None:
    x = np.array([np.nan, 2.0, 1.0, 0.5])
    found = []
    for lib in (jitney, theirs):
        module = lib.experimental.checkify
        f = module.checkify(KEEPS_NAN[name](lib), errors=module.nan_checks)
        found.append(lib.jit(f)(x)[0].get())
    assert found[0] == found[1]


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
