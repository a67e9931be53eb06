"""``check_bounds`` and ``check_overflow``: what raises, what does not, in eager and compiled code and under transformations."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney import lax
from jitney.errors import IntegerDivisionError
from jitney.experimental import checkify

X = jnp.arange(5.0)
MOST, LEAST = 2**63 - 1, -(2**63)
MODES = {"eager": lambda f: f, "jit": jitney.jit}


@pytest.fixture
def bounds() -> Iterator[None]:
    with jitney.check_bounds(True):
        yield


@pytest.fixture
def overflow() -> Iterator[None]:
    with jitney.check_overflow(True):
        yield


def _names_the_line(caught: Any, mode: str) -> bool:
    """In the traceback where the operation ran at once, in the message where a program did."""
    said = f"at {__file__}:" in str(caught.value)
    return str(caught.traceback[-1].path) == __file__ and not said if mode == "eager" else said


# -- bounds ------------------------------------------------------------------------------------------------

ROWS = lax.GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,))
PLACES = lax.ScatterDimensionNumbers((), (0,), (0,))

OUTSIDE: dict[str, tuple[Callable[..., Any], Any, str]] = {
    "x[i]": (lambda i: X[i], 7, "index 7 is out of bounds for axis 0 with size 5"),
    "x[-i]": (lambda i: X[i], -6, "index -6 is out of bounds for axis 0 with size 5"),
    "x[array]": (lambda i: X[i], [0, 9], "index 9 is out of bounds for axis 0 with size 5"),
    "uint8": (lambda i: X[i], np.uint8(200), "index 200 is out of bounds"),
    "uint64": (lambda i: X[i], np.uint64(2**63 + 1), "is out of bounds for axis 0"),
    "second axis": (
        lambda i: jnp.ones((2, 3))[:, i],
        [1, 3],
        r"index 3 is out of bounds for axis 1 with size 3 of an array of shape \(2, 3\)",
    ),
    "set": (lambda i: X.at[i].set(1.0), 5, "index 5 is out of bounds"),
    "add": (lambda i: X.at[i].add(1.0), [[1], [6]], "index 6 is out of bounds"),
    "take": (lambda i: jnp.take(X, i), 5, "index 5 is out of bounds"),
    "take_along_axis": (lambda i: jnp.take_along_axis(X, i, 0), [5], "index 5 is out of bounds"),
    "dynamic_slice": (
        lambda i: lax.dynamic_slice(X, (i,), (2,)),
        4,
        "a window of size 2 at index 4 leaves axis 0",
    ),
    "dynamic_update_slice": (
        lambda i: lax.dynamic_update_slice(X, X[:2], (i,)),
        -7,
        "at index -2 leaves axis 0",
    ),
    "dynamic_index_in_dim": (lambda i: lax.dynamic_index_in_dim(X, i), 5, "index 5 is out of bounds"),
    "lax.gather": (
        lambda i: lax.gather(jnp.ones((3, 2)), i, ROWS, (1, 2)),
        [[3]],
        "index 3 is out of bounds",
    ),
    "lax.scatter": (lambda i: lax.scatter_add(X, i, X[:1], PLACES), [[-1]], "index -1 is out of bounds"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", OUTSIDE)
def test_indices_out_of_bounds(name: str, mode: str, bounds: None) -> None:
    fun, index, text = OUTSIDE[name]
    index = jnp.asarray(index)
    with pytest.raises(IndexError, match=text) as caught:
        MODES[mode](fun)(index)
    assert _names_the_line(caught, mode) or index.ndim == 0  # concrete scalars raise in any case
    if mode == "jit":
        with jitney.check_bounds(False):
            jitney.jit(fun)(index)


INSIDE: dict[str, Callable[..., Any]] = {
    "negative": lambda: X[jnp.asarray([-5, 4])],
    "mode drop": lambda: X.at[jnp.asarray([7])].set(1.0, mode="drop"),
    "mode fill": lambda: X.at[jnp.asarray([7])].get(mode="fill"),
    "mode clip": lambda: X.at[jnp.asarray([7])].get(mode="clip"),
    "take clip": lambda: jnp.take(X, jnp.asarray([7]), mode="clip"),
    "take wrap": lambda: jnp.take(X, jnp.asarray([7]), mode="wrap"),
    "take fill": lambda: jnp.take(X, jnp.asarray([7]), mode="fill"),
    "empty": lambda: X[jnp.zeros(0, int)],
    "segments": lambda: jitney.ops.segment_sum(X, jnp.asarray([0, 1, 1, 0, 2]), 3),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", INSIDE)
def test_indices_that_are_meant(name: str, mode: str) -> None:
    want = MODES[mode](INSIDE[name])()
    with jitney.check_bounds(True):
        np.testing.assert_array_equal(MODES[mode](INSIDE[name])(), want)


def total(n: Any) -> Any:
    return lax.fori_loop(0, n, lambda i, s: s + X[i], 0.0)


def stacked(x: Any) -> Any:
    return lax.scan(lambda s, i: (s + x[i], x[i] ** 2), 0.0, jnp.arange(x.shape[0] + 1) - 1)[0]


def guarded_by_cond(i: Any) -> Any:
    return lax.cond(i < 5, lambda i: X[i], lambda i: -1.0, i)


def guarded_by_if(i: Any) -> Any:
    if i < 5:
        return X[i]
    return -1.0


@pytest.mark.parametrize("mode", MODES)
def test_transformations_and_control_flow(mode: str, bounds: None) -> None:
    J = MODES[mode]
    assert float(J(total)(5)) == 10.0
    with pytest.raises(IndexError, match="index 5 is out of bounds"):
        J(total)(8)
    np.testing.assert_allclose(J(jitney.grad(stacked))(X), [1.0, 1.0, 1.0, 1.0, 2.0])
    for f in (guarded_by_cond, guarded_by_if):
        np.testing.assert_array_equal(J(jitney.vmap(f))(jnp.arange(3, 8)), [3.0, 4.0, -1.0, -1.0, -1.0])
        assert float(J(f)(9)) == -1.0
        with pytest.raises(IndexError, match="index -8 is"):
            J(f)(-8)
    # examples that are done do not fail, and others do
    np.testing.assert_array_equal(
        J(jitney.vmap(jitney.vmap(total)))(jnp.asarray([[1, 5], [0, 2]])), [[0, 10], [0, 1]]
    )
    with pytest.raises(IndexError, match="index 5 is"):
        J(jitney.vmap(total))(jnp.asarray([1, 6]))
    with pytest.raises(IndexError, match="index 9 is"):
        J(jitney.vmap(lambda i: X[i]))(jnp.asarray([1, 9]))
    with pytest.raises(IndexError, match="index 7 is"):
        J(jitney.value_and_grad(lambda x, i: x[i] ** 2))(X, jnp.asarray(7))
    with pytest.raises(IndexError, match="index 7 is"):
        J(jitney.checkpoint(lambda x, i: x[i] ** 2))(X, jnp.asarray(7))
    with pytest.raises(IndexError, match="index 7 is"):
        J(ruled)(X, jnp.asarray(7))


@jitney.custom_jvp
def ruled(x: Any, i: Any) -> Any:
    return x[i] * 2


ruled.defjvps(lambda t, y, x, i: t[0], None)


# -- overflow ------------------------------------------------------------------------------------------------

i64, i32 = jnp.int64, jnp.int32

TOO_LARGE: dict[str, tuple[Callable[..., Any], tuple, str]] = {
    "add": (lambda x, y: x + y, (i64(MOST), i64(1)), f"integer overflow: {MOST} \\+ 1 does not fit int64"),
    "add int8": (lambda x, y: x + y, (jnp.int8(-100), jnp.int8(-100)), "-100 \\+ -100 does not fit int8"),
    "add arrays": (
        lambda x: x + x,
        (jnp.full((2, 3), 2**62),),
        r"x \+ y does not fit int64, in an array of shape \(2, 3\)",
    ),
    "sub": (lambda x, y: x - y, (i64(LEAST), i64(1)), " - 1 does not fit int64"),
    "mul": (lambda x, y: x * y, (i64(2**40), i64(2**23)), r"1099511627776 \* 8388608 does not fit int64"),
    "mul int32": (lambda x, y: x * y, (i32(2**16), i32(2**15)), r"65536 \* 32768 does not fit int32"),
    "neg": (lambda x: -x, (i32(-(2**31)),), r"-\(-2147483648\) does not fit int32"),
    "abs": (lambda x: jnp.abs(x), (i64(LEAST),), r"abs\(-9223372036854775808\)"),
    "square": (lambda x: jnp.square(x), (i32(50_000),), r"50000 \*\* 2|50000 \* 50000"),
    "floor_divide": (lambda x, y: x // y, (i64(LEAST), i64(-1)), "/ -1 does not fit int64"),
    "lax.div": (lambda x, y: lax.div(x, y), (i64(LEAST), i64(-1)), "/ -1 does not fit int64"),
    "power": (lambda x, y: x**y, (i64(3), i64(40)), r"3 \*\* 40 does not fit int64"),
    "power of a number": (lambda x: x**5, (i32(100),), r"100 \*\* 5 does not fit int32"),
    "sum": (lambda x: jnp.sum(x), (jnp.full(4, 2**62),), "a sum does not fit int64"),
    "sum over an axis": (
        lambda x: jnp.sum(x, 0),
        (jnp.full((4, 2), 2**62),),
        r"for a result of shape \(2,\)",
    ),
    "cumsum": (lambda x: jnp.cumsum(x), (jnp.full(4, 2**62),), "a running sum does not fit int64"),
    "prod": (lambda x: jnp.prod(x), (jnp.arange(1, 22),), "a product does not fit int64"),
    "cumprod": (lambda x: jnp.cumprod(x), (jnp.arange(1, 22),), "a running product does not fit"),
    "matmul": (lambda x: x @ x, (jnp.full((2, 2), 2**32),), "a product of matrices does not fit"),
    "at add": (lambda x: x.at[0].add(1), (jnp.full(3, MOST),), r"x\.at\[\]\.add does not fit int64"),
    "float as int": (lambda x: x.astype(i32), (jnp.asarray(3e9),), "3000000000.0 as int32 does not fit"),
    "nan as int": (lambda x: x.astype(i64), (jnp.asarray([1.0, np.nan]),), "a number of float64 as int64"),
    "2**63 as int": (lambda x: x.astype(i64), (jnp.asarray(2.0**63),), "as int64 does not fit"),
    "narrower": (lambda x: x.astype(jnp.int8), (i64(300),), "300 as int8 does not fit"),
    "unsigned": (lambda x: x.astype(jnp.uint32), (i64(-1),), "-1 as uint32 does not fit"),
    "signed": (lambda x: x.astype(i64), (jnp.uint64(2**63 + 1),), "9223372036854775809 as int64"),
    "shift": (lambda x, y: x << y, (i64(1), i64(64)), "a shift by 64 bits of int64"),
    "shift back": (lambda x, y: x >> y, (i64(1), i64(-1)), "a shift by -1 bits of int64"),
    "shifts": (lambda x, y: x << y, (jnp.arange(3), jnp.asarray([1, 70, 2])), "a shift by 64 or more bits"),
    "division by zero": (lambda x, y: x // y, (i64(3), i64(0)), "integer division by zero, of int64"),
    "remainder": (
        lambda x, y: x % y,
        (i64(3), jnp.asarray([1, 0])),
        "remainder of an integer division by zero",
    ),
    "unsigned division": (lambda x, y: x // y, (jnp.uint8(3), jnp.uint8(0)), "division by zero, of uint8"),
    "divmod": (lambda x, y: divmod(x, y), (i64(3), i64(0)), "integer division by zero"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", TOO_LARGE)
def test_integers_that_do_not_fit(name: str, mode: str, overflow: None) -> None:
    fun, args, text = TOO_LARGE[name]
    with pytest.raises(OverflowError, match=text) as caught:
        MODES[mode](fun)(*args)
    assert _names_the_line(caught, mode)
    assert isinstance(caught.value, IntegerDivisionError) == ("zero" in text)
    assert isinstance(caught.value, ZeroDivisionError) == ("zero" in text)


FITS: dict[str, tuple[Callable[..., Any], tuple]] = {
    "add": (lambda x, y: x + y, (i64(MOST), i64(-1))),
    "mul": (lambda x, y: x * y, (i64(-(2**40)), i64(2**23))),
    "cancels": (lambda x: jnp.sum(x), (jnp.asarray([2**62, 2**62, -(2**62)]),)),
    "floor_divide": (lambda x, y: x // y, (i64(LEAST), jnp.asarray([1, 3, -2]))),
    "remainder": (lambda x, y: x % y, (i64(LEAST), jnp.asarray([1, 3, -1]))),
    "power": (lambda x, y: x**y, (i64(3), jnp.asarray([0, 39]))),
    "least": (lambda x: x.astype(i32), (jnp.asarray(-2147483648.9),)),
    "most": (lambda x: x.astype(jnp.uint8), (jnp.asarray([255.5, -0.5, 0.0]),)),
    "unsigned wraps": (lambda x, y: x + y * x - y, (jnp.uint8(200), jnp.uint8(100))),
    "float": (lambda x: x * x, (jnp.asarray(1e300),)),
    "bool": (lambda x: jnp.sum(x) + x.astype(jnp.int8), (jnp.ones(3, bool),)),
    "shift": (lambda x, y: x << y, (i64(1), jnp.asarray([0, 63]))),
    "sort": (lambda x: jnp.sort(x), (jnp.asarray([LEAST, MOST, 0]),)),
    "searchsorted": (lambda x: jnp.searchsorted(x, x), (jnp.asarray([LEAST, 0, MOST]),)),
    "mean": (lambda x: jnp.mean(x), (jnp.arange(9),)),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FITS)
def test_integers_that_fit(name: str, mode: str) -> None:
    fun, args = FITS[name]
    want = MODES[mode](fun)(*args)
    with jitney.check_overflow(True):
        np.testing.assert_array_equal(MODES[mode](fun)(*args), want)


@pytest.mark.parametrize("mode", MODES)
def test_random_numbers_wrap_inside(mode: str, overflow: None) -> None:
    def draw(seed: Any) -> Any:
        key = jitney.random.fold_in(jitney.random.key(seed), 7)
        a, b, c, d = jitney.random.split(key, 4)
        return (
            jitney.random.normal(a, (3,), jnp.float32),
            jitney.random.randint(b, (3,), 0, 10),
            jitney.random.permutation(c, 5),
            jitney.random.poisson(d, 3.0, (4,)),
            jitney.random.bits(a, (3,), jnp.uint8),
        )

    MODES[mode](draw)(2**40 + 3)


def factorial(n: Any) -> Any:
    return lax.fori_loop(1, n + 1, lambda i, p: p * i, 1)


@pytest.mark.parametrize("mode", MODES)
def test_loops_and_examples(mode: str, overflow: None) -> None:
    J = MODES[mode]
    assert int(J(factorial)(20)) == 2432902008176640000
    text = r"2432902008176640000 \* 21 does not fit int64"
    with pytest.raises(OverflowError, match=text):
        J(factorial)(21)
    assert int(J(jitney.vmap(factorial))(jnp.arange(21))[-1]) == 2432902008176640000
    with pytest.raises(OverflowError, match=text):
        J(jitney.vmap(factorial))(jnp.arange(22))
    large = J(jitney.vmap(lambda n: lax.cond(n < 100, lambda: n * 2**56, lambda: n)))
    np.testing.assert_array_equal(large(jnp.asarray([1, 2000])), [2**56, 2000])
    with pytest.raises(OverflowError, match="does not fit int64"):
        J(jitney.grad(lambda x, n: x * (n * n)))(2.0, i64(2**40))


def test_loops_end_at_the_first_failure(overflow: None) -> None:
    endless = jitney.jit(lambda n: lax.while_loop(lambda n: n > 0, lambda n: n * 2 - n + 2**60, n))
    with pytest.raises(OverflowError, match="does not fit int64"):
        endless(i64(1))
    forever = jitney.jit(lambda n: lax.while_loop(lambda n: True | (n > 0), lambda n: n * 2, n))
    with pytest.raises(OverflowError, match="does not fit int64"):
        forever(i64(1))


def test_what_follows_from_a_guarded_program(bounds: None, overflow: None) -> None:
    def powers(x: Any, n: Any) -> Any:
        return lax.fori_loop(0, n, lambda i, s: s * 1.5 + x[i], 0.0)

    def solved(b: Any, i: Any) -> Any:
        return lax.custom_linear_solve(lambda v: v * X[i], b, lambda _, b: b / X[i], symmetric=True)

    np.testing.assert_allclose(jitney.jit(jitney.grad(powers))(X, 3), [2.25, 1.5, 1.0, 0.0, 0.0])
    with pytest.raises(IndexError, match="index 5"):
        jitney.jit(jitney.grad(powers))(X, 6)
    assert float(jitney.jit(jitney.grad(solved))(2.0, 4)) == 0.25
    with pytest.raises(IndexError, match="index 7"):
        jitney.jit(solved)(2.0, 7)
    with pytest.raises(IndexError, match="index 8"):
        jitney.jit(jitney.hessian(lambda x, i: x[i] ** 3))(X, 8)
    with pytest.raises(OverflowError):
        jitney.jit(lambda v: lax.reduce(v, np.int64(0), lambda a, b: a + b, (0,)))(jnp.full(4, 2**62))
    with pytest.raises(IndexError, match="index 9"):
        jitney.jit(lambda i: lax.map(lambda k: jitney.jit(lambda k: X[k])(k), i))(jnp.asarray([1, 9]))
    counts = jitney.jit(lambda i: jitney.ops.segment_sum(X, i, 3))(jnp.asarray([0, 1, 9, 1, -1]))
    np.testing.assert_array_equal(counts, [0, 4, 0])  # numbers out of range are dropped by definition


# -- switches --------------------------------------------------------------------------------------------------


def test_compiled_functions_follow_the_switch() -> None:
    f = jitney.jit(lambda x, i: x[i])
    assert float(f(X, 7)) == 4.0
    jitney.config.check_bounds = True
    try:
        assert jitney.config.read("check_bounds") is True
        with pytest.raises(IndexError):
            f(X, 7)
        assert float(f(X, 3)) == 3.0
        with pytest.raises(IndexError):
            f.lower(X, 7).compile()(X, 7)
    finally:
        jitney.config.update("check_bounds", False)
    assert float(f(X, 7)) == 4.0
    assert "check" not in str(jitney.make_jaxpr(lambda x, i: x[i])(X, 7))


def test_structures_and_both_switches(bounds: None, overflow: None) -> None:
    f = jitney.jit(lambda x, i: {"a": (x[i], i * 2**40), "b": None})
    assert float(f(X, 2)["a"][0]) == 2.0 and f(X, 2)["b"] is None
    with pytest.raises(IndexError):
        f(X, 7)
    with pytest.raises(OverflowError):
        jitney.jit(lambda x, n: {"a": n * 2**40, "b": x[0]})(X, i64(2**23))


def test_checkify_leaves_guards_alone(bounds: None) -> None:
    def f(i: Any) -> Any:
        checkify.check(i > 0, "not positive")
        return X[i]

    error, y = jitney.jit(checkify.checkify(f))(2)
    assert error.get() is None and float(y) == 2.0
    error, _ = jitney.jit(checkify.checkify(f))(-1)
    assert "not positive" in error.get()
    with pytest.raises(IndexError, match="index 7"):
        jitney.jit(checkify.checkify(f))(7)


def test_the_environment() -> None:
    program = (
        "import jitney, jitney.numpy as jnp\n"
        "for f in (lambda x, i: x[i] + 0, lambda x, i: x[0] * i):\n"
        "    try:\n"
        "        jitney.jit(f)(jnp.arange(3) + 2**62, 3)\n"
        "    except (IndexError, OverflowError) as e:\n"
        "        print(type(e).__name__)\n"
    )
    environment = {**os.environ, "JITNEY_CHECK_BOUNDS": "1", "JITNEY_CHECK_OVERFLOW": "on"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["IndexError", "OverflowError"], done.stdout + done.stderr


# -- assert, by the same mechanism -------------------------------------------------------------------------------


@jitney.jit
def positive(x: Any) -> Any:
    assert jnp.all(x > 0), "the {numbers} must be positive"  # here
    return jnp.log(x)


def test_asserts_of_compiled_functions() -> None:
    assert float(positive(1.0)) == 0.0
    for call in (positive, jitney.vmap(positive), jitney.grad(lambda x: jnp.sum(positive(x)))):
        with pytest.raises(
            AssertionError, match=r"(?s)the \{numbers\} must be positive.*in positive.*# here"
        ):
            call(jnp.asarray([1.0, -1.0]))
