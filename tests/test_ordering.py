"""Sorting, top_k and cumulative operations: against JAX, compiled, derived and batched."""

from __future__ import annotations

import doctest
import itertools
from typing import Any

import numpy as np
import pytest

import jitney
from comparing import assert_same, check_first
from jitney._ops import ordering
from jitney.lax import ordering as lo

jax = pytest.importorskip("jax")
jlax = jax.lax

CUMULATIVE = ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
REAL = ("f8", "f4", "i4", "u1")
INF, NAN = np.inf, np.nan
SPECIAL = np.array([0.0, -0.0, NAN, -INF, INF, -NAN, 0.0, -0.0, 1.0, -1.0])


def bits(x: Any) -> list:
    """Values with the signs of their zeros (NaN as text)."""
    return ["nan" if np.isnan(v) else float(v).hex() for v in np.asarray(x).ravel()]


def samples(dtype: str) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    shapes = [(5,), (3, 4), (2, 1, 3), (0,), (1,)] if dtype == "f8" else [(3, 4)]
    return [(rng.normal(size=shape) * 3).astype(dtype) for shape in shapes]


def accepts(name: str, dtype: str) -> bool:
    return dtype in {"cumlogsumexp": ("f8", "f4", "c16"), "cummax": REAL, "cummin": REAL}.get(
        name, (*REAL, "c16")
    )


# -- cumulative operations --------------------------------------------------------------------------


@pytest.mark.parametrize("name,dtype", [(n, d) for n in CUMULATIVE for d in (*REAL, "c16") if accepts(n, d)])
def test_cumulative_as_jax_eager_and_compiled(name: str, dtype: str) -> None:
    for x in samples(dtype):
        for axis, reverse in itertools.product(range(x.ndim), (False, True)):
            want = getattr(jlax, name)(x, axis, reverse)
            assert_same(getattr(lo, name)(x, axis, reverse), want)
            assert_same(jitney.jit(lambda x: getattr(lo, name)(x, axis, reverse))(x), want)


@pytest.mark.parametrize("name", CUMULATIVE)
def test_cumulative_of_infinities_and_nan(name: str) -> None:
    for x in ([-INF, -INF, 1.0, 3.0], [1.0, NAN, 2.0, 0.0], [0.0, INF, 1.0, INF]):
        want = getattr(jlax, name)(np.array(x))
        assert_same(getattr(lo, name)(np.array(x)), want)
        assert_same(jitney.jit(getattr(lo, name))(np.array(x)), want)


def test_cumulative_on_long_axes_runs_native() -> None:
    x = np.random.default_rng(0).normal(size=(50, 4000))
    for name, axis in itertools.product(CUMULATIVE, (0, 1)):
        large = np.asarray(getattr(lo, name)(x, axis))  # larger than LARGE_EAGER: by the compiled kernel
        meaning = getattr(ordering, name + "_p").numpy(x, axis=axis, reverse=False)
        np.testing.assert_allclose(large, meaning, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", CUMULATIVE)
@pytest.mark.parametrize("reverse", [False, True])
def test_derivatives_of_cumulative(name: str, reverse: bool) -> None:
    rng = np.random.default_rng(1)
    for shape, axis in [((7,), 0), ((2, 5), 1), ((4, 2), 0), ((1,), 0)]:
        check_first(lambda x: [getattr(lo, name)(x, axis, reverse)], [rng.normal(size=shape)])


def test_gradients_at_zeros_and_ties_as_jax() -> None:
    for name, x in [
        ("cumprod", [1.0, 0.0, 3.0, 0.0, 2.0]),
        ("cummax", [1.0, 1.0, 0.0, 2.0, 2.0]),
        ("cummin", [1.0, 1.0, 2.0, 0.0, 0.0]),
    ]:
        got = jitney.grad(lambda v: jitney.lax.reduce_sum(getattr(lo, name)(v), (0,)))(np.array(x))
        assert_same(got, jax.grad(lambda v: getattr(jlax, name)(v).sum())(np.array(x)))


def test_gradient_of_cumlogsumexp_at_infinities_is_a_number() -> None:
    x = np.array([-INF, 1.0, 0.0, 3.0, INF])
    got = jitney.grad(lambda v: jitney.lax.reduce_sum(lo.cumlogsumexp(v), (0,)))(x)
    assert np.isfinite(np.asarray(got)).all()


@pytest.mark.parametrize("name", CUMULATIVE)
def test_batches_of_cumulative(name: str) -> None:
    x = np.random.default_rng(2).normal(size=(3, 4, 2))
    for dim in range(3):
        fun = lambda v: getattr(lo, name)(v, 1)
        got = jitney.vmap(fun, in_axes=dim)(x)
        want = np.stack([np.asarray(fun(np.take(x, k, axis=dim))) for k in range(x.shape[dim])])
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-13)


def test_prefix_scan_of_every_length() -> None:
    for n, reverse in itertools.product(range(10), (False, True)):
        x = np.arange(1.0, n + 1)
        (got,) = ordering.prefix_scan(lambda a, b: (jitney.lax.add(a[0], b[0]),), (x,), 0, reverse)
        want = np.cumsum(x[::-1])[::-1] if reverse else np.cumsum(x)
        np.testing.assert_array_equal(np.asarray(got), want)


# -- sort -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u1", "c16", "?", "bfloat16"])
def test_sort_as_jax(dtype: str) -> None:
    for x in samples("f8")[: None if dtype == "f8" else 2]:
        x = np.asarray(jax.numpy.asarray(np.round(x)).astype(dtype))
        for axis in range(x.ndim):
            assert_same(lo.sort(x, axis), jlax.sort(x, axis))
            assert_same(jitney.jit(lambda v: lo.sort(v, axis))(x), jlax.sort(x, axis))


def test_sort_of_several_arrays_as_jax() -> None:
    rng = np.random.default_rng(4)
    for shape, axis in [((9,), 0), ((3, 5), 0), ((3, 5), 1)]:
        keys = [rng.integers(0, 3, shape), np.round(rng.normal(size=shape)), rng.normal(size=shape)]
        for num_keys in (1, 2, 3):
            want = jlax.sort(keys, axis, num_keys=num_keys)
            assert_same(lo.sort(keys, axis, num_keys=num_keys), want)
            assert_same(jitney.jit(lambda *ks: lo.sort(ks, axis, num_keys=num_keys))(*keys), want)
    assert_same(lo.sort_key_val(keys[0], keys[2]), jlax.sort_key_val(keys[0], keys[2]))


def test_sort_puts_nan_last_and_keeps_the_order_of_zeros() -> None:
    assert bits(lo.sort(SPECIAL)) == bits(jlax.sort(SPECIAL))
    places = np.arange(10)
    assert_same(lo.sort((SPECIAL, places))[1], jlax.sort((SPECIAL, places))[1])


def test_derivatives_of_sort() -> None:
    x = np.random.default_rng(5).normal(size=(3, 4))
    for axis in (0, 1):
        check_first(lambda v: [lo.sort(v, axis)], [x])
        check_first(lambda v, w: list(lo.sort((v, w), axis)), [x, x[::-1] ** 2])
    weights = np.arange(3.0)
    ties = np.array([2.0, 1.0, 1.0])
    got = jitney.grad(lambda v: jitney.lax.reduce_sum(jitney.lax.mul(lo.sort(v), weights), (0,)))(ties)
    assert_same(got, jax.grad(lambda v: jlax.sort(v) @ weights)(ties))


def test_batches_of_sort() -> None:
    x = np.random.default_rng(6).normal(size=(3, 4))
    np.testing.assert_array_equal(np.asarray(jitney.vmap(lo.sort, 1)(x)), np.sort(x.T, axis=1))
    places = np.arange(4)
    _, got = jitney.vmap(lambda k, v: lo.sort((k, v)), (0, None))(x, places)
    np.testing.assert_array_equal(np.asarray(got), np.argsort(x, axis=1))


def test_argsort_is_stable_in_both_directions() -> None:
    x = np.array([[2, 1, 2, 1, 3]])
    for descending in (False, True):
        want = jax.numpy.argsort(x, axis=1, descending=descending)
        assert_same(ordering.argsort(x, 1, descending=descending), want)


# -- top_k ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u1", "?", "bfloat16"])
def test_top_k_as_jax(dtype: str) -> None:
    for x in samples("f8")[:2]:
        x = np.asarray(jax.numpy.asarray(np.round(x)).astype(dtype))
        for axis in range(x.ndim):
            k = min(2, x.shape[axis])
            assert_same(lo.top_k(x, k, axis=axis), jlax.top_k(x, k, axis=axis))
    assert_same(lo.top_k(x, 0), jlax.top_k(x, 0))


def test_top_k_orders_special_values_as_jax() -> None:
    got, want = lo.top_k(SPECIAL, 10), jlax.top_k(SPECIAL, 10)
    assert bits(got[0]) == bits(want[0])
    assert_same(got[1], want[1])


def test_derivatives_and_batches_of_top_k() -> None:
    x = np.random.default_rng(7).normal(size=(3, 4))
    for axis in (0, 1):
        check_first(lambda v: [lo.top_k(v, 2, axis=axis)[0]], [x])
    got = jitney.vmap(lambda v: lo.top_k(v, 2), 1)(x)
    assert_same(got, jax.vmap(lambda v: jlax.top_k(v, 2), 1)(x))


# -- programs, misuse -------------------------------------------------------------------------------

PROGRAMS = [
    lambda lax, x: lax.cumsum(x, 1, reverse=True),
    lambda lax, x: lax.sort(x),
    lambda lax, x: lax.sort((x, x), num_keys=2),
    lambda lax, x: lax.top_k(x, 2),
    lambda lax, x: lax.cumlogsumexp(x, axis=1),
]


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_programs_print_as_in_jax(number: int) -> None:
    x = np.ones((3, 4))
    got = jitney.make_jaxpr(lambda x: PROGRAMS[number](lo, x))(x)
    want = jax.make_jaxpr(lambda x: PROGRAMS[number](jlax, x))(x)
    assert str(got).split() == str(want).split()


X = np.arange(5.0)
ERRORS = [
    (TypeError, lambda lax: lax.cumsum(X > 1)),
    (ValueError, lambda lax: lax.cumsum(1.0)),
    (ValueError, lambda lax: lax.cumsum(X, axis=-1)),
    (ValueError, lambda lax: lax.cumsum(X, axis=1)),
    (TypeError, lambda lax: lax.cumsum([1, 2])),
    (ValueError, lambda lax: lax.sort(X, dimension=3)),
    (TypeError, lambda lax: lax.sort((X, X[:2]))),
    (TypeError, lambda lax: lax.sort([])),
    (ValueError, lambda lax: lax.sort((X, X), num_keys=3)),
    (ValueError, lambda lax: lax.sort((X, X), num_keys=0)),
    (ValueError, lambda lax: lax.top_k(X, 11)),
    (ValueError, lambda lax: lax.top_k(X, -1)),
    (TypeError, lambda lax: lax.top_k(X, 2.5)),
    (ValueError, lambda lax: lax.top_k(X + 1j, 1)),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_misuse_raises_the_class_of_jax(number: int) -> None:
    error, call = ERRORS[number]
    for lax in (jlax, lo):
        with pytest.raises(error):
            call(lax)


def test_weak_types_as_jax() -> None:
    for call in (lambda lax, x: lax.sort(x), lambda lax, x: lax.cummax(x), lambda lax, x: lax.top_k(x, 1)[0]):
        got = jitney.make_jaxpr(lambda s: call(lo, jitney.lax.broadcast(s, (2,))))(2.0)
        want = jax.make_jaxpr(lambda s: call(jlax, jlax.broadcast(s, (2,))))(2.0)
        assert got.out_avals[0].weak_type == want.out_avals[0].weak_type


def test_examples_of_the_docstrings() -> None:
    import jitney.numpy  # noqa: F401  (the examples use it)
    from jitney.lax import slicing

    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    functions = [(name, getattr(room, name)) for room in (slicing, lo) for name in room.__all__]
    for name, function in functions:
        if callable(function) and not name.endswith("_p"):
            for example in doctest.DocTestFinder(recurse=False).find(function, name):
                runner.run(example)
    assert runner.tries > 60 and not runner.failures


def test_no_rule_that_a_user_could_ask_for_is_missing() -> None:
    from jitney._ops import report

    assert report.gaps(report.primitives()) == []
    assert "primitives" in report.summary(report.primitives())
    assert len(report.matrix(report.primitives()).splitlines()) == len(report.primitives()) + 1
