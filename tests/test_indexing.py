"""Dynamic slices, gather and scatters: against a plain loop, against JAX, compiled, derived and batched."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import jitney
from comparing import assert_same, check_first
from jitney._compiler import build_graph
from jitney._ops import gather_layouts
from jitney._ops import indexing as ix
from jitney.lax import slicing as ls

jax = pytest.importorskip("jax")
jlax = jax.lax

mul, neg = jitney.lax.mul, jitney.lax.neg
CLIP, FILL, PROMISE = gather_layouts.CLIP, gather_layouts.FILL_OR_DROP, gather_layouts.PROMISE_IN_BOUNDS
POINTS = ((), (0,), (0,))
ROWS = ((1,), (0,), (0,))
SCATTERS = ("scatter", "scatter_add", "scatter_sub", "scatter_mul", "scatter_min", "scatter_max")
COMBINE = {
    "scatter": lambda x, y: y,
    "scatter_add": lambda x, y: x + y,
    "scatter_sub": lambda x, y: x - y,
    "scatter_mul": lambda x, y: x * y,
    "scatter_min": np.minimum,
    "scatter_max": np.maximum,
}


@pytest.fixture
def host_calls(monkeypatch: Any) -> list[str]:
    """Names of equations that compiled code hands back to NumPy."""
    names: list[str] = []
    add_step = build_graph.add_step

    def spy(graph: Any, kind: str, eqn: Any, *more: Any, **options: Any) -> Any:
        if kind == "host":
            names.append(eqn.primitive.name)
        return add_step(graph, kind, eqn, *more, **options)

    monkeypatch.setattr(build_graph, "add_step", spy)
    return names


def total(x: Any) -> Any:
    return jitney.lax.reduce_sum(x, (0,))


def gather_numbers(dn: tuple) -> Any:
    return gather_layouts.GatherDimensionNumbers(*dn)


def scatter_numbers(dn: tuple) -> Any:
    return gather_layouts.ScatterDimensionNumbers(*dn)


# -- a plain loop as the meaning --------------------------------------------------------------------


def windows(shape: tuple, sizes: tuple, indices: Any, dn: tuple, mode: Any, scatter: bool) -> Any:
    """Pairs (result index, operand index or None) in the order of the windows."""
    offset, collapsed, index_map, batching, index_batching = (*dn, (), ())[:5]
    running = [d for d in range(len(shape)) if d not in collapsed and d not in batching]
    ndim = indices.ndim - 1 + len(offset)
    counting = [a for a in range(ndim) if a not in offset]
    for count in np.ndindex(indices.shape[:-1]):
        start = [0] * len(shape)
        for d, i in zip(batching, index_batching, strict=True):
            start[d] = count[i]
        for k, d in enumerate(index_map):
            start[d] = int(indices[count][k])
        limit = [n - s for n, s in zip(shape, sizes, strict=True)]
        good = all(0 <= start[d] <= limit[d] for d in index_map)
        if mode is CLIP or (mode is PROMISE and not scatter):
            start = [min(max(s, 0), top) for s, top in zip(start, limit, strict=True)]
            good = True
        for inside in itertools.product(*(range(sizes[d]) for d in running)):
            result = [0] * ndim
            place = list(start)
            for a, i in zip(counting, count, strict=True):
                result[a] = i
            for a, d, i in zip(offset, running, inside, strict=True):
                result[a] = i
                place[d] += i
            yield tuple(result), tuple(place) if good else None


def slow_gather(x: Any, indices: Any, dn: tuple, sizes: tuple, mode: Any, shape: tuple) -> Any:
    out = np.full(shape, np.nan)
    for result, place in windows(x.shape, sizes, indices, dn, mode, False):
        if place is not None:
            out[result] = x[place]
    return out


def slow_scatter(name: str, x: Any, indices: Any, updates: Any, dn: tuple, sizes: tuple, mode: Any) -> Any:
    out = x.copy()
    for result, place in windows(x.shape, sizes, indices, dn, mode, True):
        if place is not None:
            out[place] = COMBINE[name](out[place], updates[result])
    return out


def random_case(rng: Any) -> tuple:
    """Operand shape, window sizes, indices (some outside) and dimension numbers that fit each other."""
    ndim = int(rng.integers(1, 4))
    shape = tuple(int(n) for n in rng.integers(1, 5, ndim))
    dims = list(range(ndim))
    batches = int(rng.integers(0, 2)) if rng.random() < 0.4 else 0
    batching = sorted(rng.permutation(dims)[:batches].tolist())
    rest = [d for d in dims if d not in batching]
    collapsed = sorted(d for d in rest if rng.random() < 0.5)
    index_map = [d for d in rng.permutation(rest).tolist() if rng.random() < 0.8]
    sizes = tuple(1 if d in collapsed or d in batching else int(rng.integers(1, shape[d] + 1)) for d in dims)
    count_axes = int(rng.integers(batches, batches + 3))
    counts = [int(n) for n in rng.integers(1, 4, count_axes)]
    index_batching = rng.permutation(count_axes)[:batches].tolist()
    for d, i in zip(batching, index_batching, strict=True):
        counts[i] = shape[d]
    offsets = ndim - len(collapsed) - batches
    offset = sorted(rng.permutation(count_axes + offsets)[:offsets].tolist())
    indices = rng.integers(-2, 5, (*counts, len(index_map))).astype(rng.choice(["i8", "i4", "i1"]))
    return (
        shape,
        sizes,
        indices,
        (tuple(offset), tuple(collapsed), tuple(index_map), tuple(batching), tuple(index_batching)),
    )


@pytest.mark.parametrize("seed", range(8))
def test_gather_and_scatters_equal_loops(seed: int, host_calls: list) -> None:
    rng = np.random.default_rng(seed)
    for number in range(40):
        shape, sizes, indices, dn = random_case(rng)
        mode = [CLIP, FILL, PROMISE][number % 3]
        x = rng.normal(size=shape)

        def gather(x: Any, i: Any) -> Any:
            return ix.gather(x, i, gather_numbers(dn), sizes, mode)

        got = np.asarray(gather(x, indices))
        want = slow_gather(x, indices, dn, sizes, mode, got.shape)
        np.testing.assert_array_equal(got, want)
        updates = rng.normal(size=got.shape)
        name = SCATTERS[number % 6]
        params = ix.scatter_params(scatter_numbers(dn), mode)

        def scatter(x: Any, i: Any, u: Any) -> Any:
            return getattr(ix, name + "_p").bind(x, i, u, **params)

        wanted = slow_scatter(name, x, indices, updates, dn, sizes, mode)
        np.testing.assert_allclose(np.asarray(scatter(x, indices, updates)), wanted, rtol=1e-13)
        if number < 12:  # the same compiled; operands that are computed in the program are read through
            np.testing.assert_array_equal(
                np.asarray(jitney.jit(lambda x, i: gather(neg(neg(x)), i))(x, indices)), want
            )
            compiled = jitney.jit(lambda x, i, u: neg(scatter(x, i, neg(neg(u)))))(x, indices, updates)
            np.testing.assert_allclose(np.asarray(compiled), -wanted, rtol=1e-13)
    assert not host_calls


# -- JAX --------------------------------------------------------------------------------------------

X = np.arange(5.0)
OUTSIDE = np.array([[7], [-1], [2], [2]])


@pytest.mark.parametrize("dtype", ["f8", "f4", "c16", "i4", "u1", "?", "bfloat16"])
@pytest.mark.parametrize("mode", ["clip", "fill", None])
def test_gather_outside_as_jax(dtype: str, mode: str | None) -> None:
    x = jax.numpy.arange(5).astype(dtype)
    want = jlax.gather(x, OUTSIDE, jlax.GatherDimensionNumbers(*POINTS), (1,), mode=mode)
    got = ls.gather(np.asarray(x), OUTSIDE, gather_numbers(POINTS), (1,), mode=mode)
    assert_same(got, want)


@pytest.mark.parametrize("name", SCATTERS)
@pytest.mark.parametrize("mode", ["clip", "drop", "promise_in_bounds"])
def test_scatter_outside_as_jax(name: str, mode: str) -> None:
    x, updates = np.arange(12).reshape(4, 3), np.arange(100, 112).reshape(4, 3) % 7
    want = getattr(jlax, name)(x, OUTSIDE, updates, jlax.ScatterDimensionNumbers(*ROWS), mode=mode)
    got = getattr(ls, name)(x, OUTSIDE, updates, scatter_numbers(ROWS), mode=mode)
    assert_same(got, want)


def test_partly_outside_windows_are_dropped_whole() -> None:
    numbers = ((1,), (), (0,))
    for mode in ("clip", "drop"):
        args = X, np.array([[3]]), np.full((1, 3), 9.0)
        want = jlax.scatter(*args, jlax.ScatterDimensionNumbers(*numbers), mode=mode)
        assert_same(ls.scatter(*args, scatter_numbers(numbers), mode=mode), want)


def test_nan_wins_in_scatter_min() -> None:
    out = ls.scatter_min(X, np.array([[3], [3]]), np.array([np.nan, -1.0]), scatter_numbers(POINTS))
    np.testing.assert_array_equal(np.asarray(out), [0, 1, 2, np.nan, 4])


def test_scatter_apply_applies_twice_where_an_index_occurs_twice() -> None:
    twice = np.array([[1], [1]])
    want = jlax.scatter_apply(
        jax.numpy.ones(3), twice, jax.numpy.sin, jlax.ScatterDimensionNumbers(*POINTS), update_shape=(2,)
    )
    assert_same(
        ls.scatter_apply(np.ones(3), twice, jitney.lax.sin, scatter_numbers(POINTS), update_shape=(2,)), want
    )


DYNAMIC_SLICES = [
    (X, (-1,), (2,)), (X, (-7,), (2,)), (X, (9,), (2,)), (X, (np.int32(3),), (0,)), (X, np.array([1]), (2,)),
    (np.arange(12).reshape(3, 4), (1, -2), (2, 3)), (np.arange(300), (np.uint8(250),), (2,)),
    (np.float64(3.0), (), ()),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(DYNAMIC_SLICES)))
def test_dynamic_slice_as_jax(case: int) -> None:
    x, starts, sizes = DYNAMIC_SLICES[case]
    assert_same(ls.dynamic_slice(x, starts, sizes), jlax.dynamic_slice(x, starts, sizes))


def test_dynamic_slice_of_long_axis_with_small_index_dtype() -> None:
    # JAX wraps within int8 here and reads the wrong place.
    assert np.asarray(ls.dynamic_slice(np.arange(300), (np.int8(-1),), (1,))) == [299]


@pytest.mark.parametrize("start", [-9, -2, 0, 1, 9])
def test_dynamic_update_slice_as_jax(start: int, host_calls: list) -> None:
    x, update = np.arange(12.0).reshape(4, 3), np.full((2, 2), 7.0)
    want = jlax.dynamic_update_slice(x, update, (start, 1))
    assert_same(ls.dynamic_update_slice(x, update, (start, 1)), want, weak=False)
    got = jitney.jit(lambda x, u, i: ls.dynamic_update_slice(x, u, (i, 1)))(x, update, start)
    assert_same(got, want, weak=False)
    block = jitney.jit(lambda x, i: ls.dynamic_slice(x, (1, i), (3, 2)))(x, start)
    assert_same(block, jlax.dynamic_slice(x, (1, start), (3, 2)), weak=False)
    assert not host_calls


IN_DIM = [
    ("dynamic_slice_in_dim", (X, 1, 2), {}),
    ("dynamic_slice_in_dim", (X, -2, 2), {"axis": -1}),
    ("dynamic_index_in_dim", (X, -1), {}),
    ("dynamic_index_in_dim", (X, 1, 0, False), {}),
    ("dynamic_update_slice_in_dim", (X, X[:2], 2, 0), {}),
    ("dynamic_update_index_in_dim", (X, 3.0, 1, 0), {}),
    ("dynamic_update_index_in_dim", (np.ones((2, 3)), np.zeros(3), 1, 0), {}),
    ("dynamic_update_index_in_dim", (np.ones((2, 3)), np.zeros((2, 1)), 2, 1), {}),
    ("slice", (X, (1,), (4,), (2,)), {}),
    ("slice_in_dim", (X, -2, None), {}),
    ("slice_in_dim", (X, None, -2, 2), {}),
    ("index_in_dim", (X, -1), {}),
    ("index_in_dim", (X, -1, 0, False), {}),
]


@pytest.mark.parametrize("case", range(len(IN_DIM)))
def test_slices_along_an_axis_as_jax(case: int) -> None:
    name, args, more = IN_DIM[case]
    assert_same(getattr(ls, name)(*args, **more), getattr(jlax, name)(*args, **more), weak=False)


def test_index_take_as_jax() -> None:
    x = np.arange(12.0).reshape(3, 4)
    for indices, axes in [(([0, 2],), (0,)), (([0, -1], [1, 7]), (0, 1))]:
        arrays = tuple(map(np.array, indices))
        assert_same(ls.index_take(x, arrays, axes), jlax.index_take(x, arrays, axes))


# -- jaxprs -----------------------------------------------------------------------------------------

PROGRAMS = [
    lambda lax, x, i: lax.dynamic_slice(x, (i, 0), (1, 2)),
    lambda lax, x, i: lax.dynamic_slice_in_dim(x, i, 2, 1),
    lambda lax, x, i: lax.dynamic_update_slice(x, x, (i, 0)),
    lambda lax, x, i: lax.slice_in_dim(x, 0, 2),
    lambda lax, x, i: lax.index_in_dim(x, 0, keepdims=False),
]


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
@pytest.mark.parametrize("index", [2, np.int32(2), np.uint8(1)])
def test_programs_print_as_in_jax(number: int, index: Any) -> None:
    x, program = np.ones((3, 4)), PROGRAMS[number]
    got = jitney.make_jaxpr(lambda x, i: program(ls, x, i))(x, index)
    try:
        want = jax.make_jaxpr(lambda x, i: program(jlax, x, i))(x, index)
    except TypeError:  # JAX refuses to mix dtypes of indices with Python ints
        return
    assert str(got) == str(want)


def test_params_are_those_of_jax() -> None:
    numbers = gather_numbers(POINTS)
    mine = jitney.make_jaxpr(lambda x, i: ls.gather(x, i, numbers, (1,), mode="fill"))(X, OUTSIDE).eqns[-1]
    theirs = jax.make_jaxpr(
        lambda x, i: jlax.gather(x, i, jlax.GatherDimensionNumbers(*POINTS), (1,), mode="fill")
    )(X, OUTSIDE).eqns[-1]
    assert {k: str(v) for k, v in mine.params.items()} == {k: str(v) for k, v in theirs.params.items()}
    mine = jitney.make_jaxpr(lambda x, i: ls.scatter(x, i, X[:4], scatter_numbers(POINTS)))(X, OUTSIDE).eqns[
        -1
    ]
    theirs = jax.make_jaxpr(lambda x, i: jlax.scatter(x, i, X[:4], jlax.ScatterDimensionNumbers(*POINTS)))(
        X, OUTSIDE
    ).eqns[-1]
    assert {k: str(v) for k, v in mine.params.items()} == {k: str(v) for k, v in theirs.params.items()}


@pytest.mark.parametrize("name", SCATTERS)
def test_scatters_print_as_in_jax(name: str) -> None:
    theirs = jlax.ScatterDimensionNumbers(*POINTS)
    got = jitney.make_jaxpr(lambda x, i, u: getattr(ls, name)(x, i, u, scatter_numbers(POINTS)))(
        X, OUTSIDE, X[:4]
    )
    want = jax.make_jaxpr(lambda x, i, u: getattr(jlax, name)(x, i, u, theirs))(X, OUTSIDE, X[:4])
    assert str(got).split() == str(want).split()


# -- derivatives ------------------------------------------------------------------------------------

REPEATED = np.array([[3], [2], [3]])


@pytest.mark.parametrize("mode", ["clip", "fill"])
def test_derivatives_of_gather(mode: str) -> None:
    check_first(lambda x: [ls.gather(x, OUTSIDE, gather_numbers(ROWS), (1, 2), mode=mode, fill_value=0.0)],
                [np.arange(12.0).reshape(4, 3)])  # fmt: skip


@pytest.mark.parametrize("name", ["scatter", "scatter_add", "scatter_sub", "scatter_mul"])
@pytest.mark.parametrize("mode", ["clip", "drop"])
def test_derivatives_of_scatters(name: str, mode: str) -> None:
    unique = np.array([[3], [0], [-9]]) if mode == "drop" else np.array([[3], [0], [1]])
    update = np.array([[1.5, 2.0], [3.0, -1.0], [0.5, 0.25]])
    fun = lambda x, u: [
        getattr(ls, name)(x, unique, u, scatter_numbers(ROWS), mode=mode, unique_indices=True)
    ]
    check_first(fun, [np.arange(8.0).reshape(4, 2), update])


@pytest.mark.parametrize("name", ["scatter", "scatter_add", "scatter_sub", "scatter_min", "scatter_max"])
@pytest.mark.parametrize("argument", [0, 1])
def test_gradients_at_repeated_indices_as_jax(name: str, argument: int) -> None:
    updates, weights = np.array([3.0, 2.0, 3.0]), np.arange(1.0, 6.0)
    ours = lambda x, u: total(mul(getattr(ls, name)(x, REPEATED, u, scatter_numbers(POINTS)), weights))
    theirs = lambda x, u: (
        getattr(jlax, name)(x, REPEATED, u, jlax.ScatterDimensionNumbers(*POINTS)) * weights
    ).sum()
    assert_same(jitney.grad(ours, argument)(X, updates), jax.grad(theirs, argument)(X, updates))


def test_scatter_mul_gradient_needs_unique_indices() -> None:
    fun = lambda u: total(ls.scatter_mul(X, REPEATED, u, scatter_numbers(POINTS)))
    with pytest.raises(NotImplementedError, match="unique_indices"):
        jitney.grad(fun)(np.ones(3))


@pytest.mark.parametrize("start", [-1, 1, 9])
def test_derivatives_of_dynamic_slices(start: int) -> None:
    x, update = np.arange(12.0).reshape(4, 3), np.full((2, 2), 7.0)
    check_first(lambda x: [ls.dynamic_slice(x, (start, 0), (2, 3))], [x])
    check_first(lambda x, u: [ls.dynamic_update_slice(x, u, (start, 1))], [x, update])


def test_second_derivative_through_gather_and_scatter() -> None:
    def fun(x: Any) -> Any:
        picked = ls.gather(x, REPEATED, gather_numbers(POINTS), (1,), mode="clip")
        spread = ls.scatter_add(x, REPEATED, mul(picked, picked), scatter_numbers(POINTS))
        return total(mul(mul(spread, spread), x))

    def theirs(x: Any) -> Any:
        picked = jlax.gather(x, REPEATED, jlax.GatherDimensionNumbers(*POINTS), (1,), mode="clip")
        spread = jlax.scatter_add(x, REPEATED, picked * picked, jlax.ScatterDimensionNumbers(*POINTS))
        return (spread * spread * x).sum()

    assert_same(jitney.hessian(fun)(X), jax.hessian(theirs)(X))
    assert_same(jitney.jit(jitney.hessian(fun))(X), jax.hessian(theirs)(X))


# -- batching ---------------------------------------------------------------------------------------


def loop_over(fun: Any, args: tuple, axes: tuple) -> Any:
    size = next(a.shape[d] for a, d in zip(args, axes, strict=True) if d is not None)
    take = lambda a, d, k: a if d is None else np.take(a, k, axis=d)
    return np.stack(
        [np.asarray(fun(*[take(a, d, k) for a, d in zip(args, axes, strict=True)])) for k in range(size)]
    )


AXES = [axes for axes in itertools.product((0, 1, None), repeat=3) if any(a is not None for a in axes)]


@pytest.mark.parametrize("mode", ["clip", "fill"])
def test_batches_of_gather_and_scatter_equal_loops(mode: str) -> None:
    rng = np.random.default_rng(5)
    for axes in AXES:
        x = rng.normal(size=(2, 2, 4, 3) if axes[0] is not None else (2, 4, 3))
        indices = rng.integers(-1, 5, (2, 2, 3, 1) if axes[1] is not None else (2, 3, 1))
        updates = rng.normal(size=(2, 2, 2, 3, 2) if axes[2] is not None else (2, 2, 3, 2))
        numbers = ((0, 3), (1,), (1,))  # whole first axis, one row, part of the last axis

        gather = lambda x, i, _: ls.gather(x, i, gather_numbers(numbers), (2, 1, 2), mode=mode)
        if axes[0] is not None or axes[1] is not None:
            args = (x, indices, updates)
            np.testing.assert_array_equal(
                np.asarray(jitney.vmap(gather, axes)(*args)), loop_over(gather, args, axes)
            )
        for name in ("scatter", "scatter_add"):
            scatter = lambda x, i, u: getattr(ls, name)(x, i, u, scatter_numbers(numbers), mode=mode)
            got = np.asarray(jitney.vmap(scatter, axes)(x, indices, updates))
            np.testing.assert_allclose(got, loop_over(scatter, (x, indices, updates), axes), rtol=1e-14)
            compiled = np.asarray(jitney.jit(jitney.vmap(scatter, axes))(x, indices, updates))
            np.testing.assert_allclose(compiled, got, rtol=1e-14)


def test_batches_of_dynamic_slices_equal_loops() -> None:
    x, starts = np.arange(24.0).reshape(2, 4, 3), np.array([-1, 7])
    update = np.arange(8.0).reshape(2, 2, 2) + 100
    read = lambda x, i: ls.dynamic_slice(x, (i, 1), (2, 2))
    write = lambda x, u, i: ls.dynamic_update_slice(x, u, (i, 1))
    for axes in itertools.product((0, None), repeat=2):
        args = tuple(a if d is not None else a[0] for a, d in zip((x, starts), axes, strict=True))
        if any(d is not None for d in axes):
            np.testing.assert_array_equal(
                np.asarray(jitney.vmap(read, axes)(*args)), loop_over(read, args, axes)
            )
    for axes in itertools.product((0, None), repeat=3):
        args = tuple(a if d is not None else a[0] for a, d in zip((x, update, starts), axes, strict=True))
        if any(d is not None for d in axes):
            np.testing.assert_array_equal(
                np.asarray(jitney.vmap(write, axes)(*args)), loop_over(write, args, axes)
            )


def test_nested_batches() -> None:
    x, indices = np.arange(24.0).reshape(2, 3, 4), np.array([[0, 1, 9], [3, 3, -1]])[..., None]
    one = lambda x, i: ls.gather(x, i, gather_numbers(POINTS), (1,), mode="clip")
    got = jitney.vmap(jitney.vmap(one))(x, indices)
    want = np.stack([[np.asarray(one(x[a, b], indices[a, b])) for b in range(3)] for a in range(2)])
    np.testing.assert_array_equal(np.asarray(got), want)


# -- misuse -----------------------------------------------------------------------------------------

ERRORS = [
    (TypeError, lambda lax, g, s: lax.gather(X, np.array([3]), g(*POINTS), (7,))),
    (TypeError, lambda lax, g, s: lax.gather(X, np.array([3]), g(*POINTS), (2,))),
    (TypeError, lambda lax, g, s: lax.gather(X, np.array([3]), g(*POINTS), (1, 1))),
    (TypeError, lambda lax, g, s: lax.gather(X, np.array([3]), g((), (0,), (1,)), (1,))),
    (TypeError, lambda lax, g, s: lax.gather(X, np.array([3, 3]), g(*POINTS), (1,))),
    (TypeError, lambda lax, g, s: lax.gather(X, np.array([3]), g((), (), (0,)), (1,))),
    (TypeError, lambda lax, g, s: lax.gather(X, np.array([3]), g((3,), (), (0,)), (1,))),
    (ValueError, lambda lax, g, s: lax.gather(X, np.array([3.0]), g(*POINTS), (1,))),
    (ValueError, lambda lax, g, s: lax.gather(X, np.array([3]), g(*POINTS), (1,), mode="wrap")),
    (TypeError, lambda lax, g, s: lax.scatter(X, np.array([3]), np.float32(1), s(*POINTS))),
    (ValueError, lambda lax, g, s: lax.scatter(X, np.array([3.0]), 1.0, s(*POINTS))),
    (TypeError, lambda lax, g, s: lax.scatter(X, 3, 1.0, s(*POINTS))),
    (TypeError, lambda lax, g, s: lax.scatter(X, REPEATED, 1.0, s(*POINTS))),
    (TypeError, lambda lax, g, s: lax.scatter(X, REPEATED, np.ones(2), s(*POINTS))),
    (TypeError, lambda lax, g, s: lax.scatter(X, REPEATED, np.ones((3, 7)), s((1,), (), (0,)))),
    (TypeError, lambda lax, g, s: lax.scatter_add(X > 1, REPEATED, np.ones(3, bool), s(*POINTS))),
    (TypeError, lambda lax, g, s: lax.dynamic_slice(X, (1.0,), (2,))),
    (TypeError, lambda lax, g, s: lax.dynamic_slice(X, (True,), (2,))),
    (TypeError, lambda lax, g, s: lax.dynamic_slice(X, (1,), (7,))),
    (TypeError, lambda lax, g, s: lax.dynamic_slice(X, (1,), (-1,))),
    (ValueError, lambda lax, g, s: lax.dynamic_slice(X, (1, 1), (2,))),
    (TypeError, lambda lax, g, s: lax.dynamic_slice(X, (np.array([1]),), (2,))),
    (ValueError, lambda lax, g, s: lax.dynamic_slice(X, (-1,), (2,), allow_negative_indices=False)),
    (TypeError, lambda lax, g, s: lax.dynamic_update_slice(X, np.ones(2, "f4"), (1,))),
    (TypeError, lambda lax, g, s: lax.dynamic_update_slice(X, np.ones((2, 2)), (1,))),
    (TypeError, lambda lax, g, s: lax.dynamic_update_slice(X, np.ones(9), (1,))),
    (IndexError, lambda lax, g, s: lax.index_in_dim(X, 7)),
    (TypeError, lambda lax, g, s: lax.slice_in_dim(X, 3, 9)),
    (TypeError, lambda lax, g, s: lax.slice_in_dim(X, 3, 1)),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_misuse_raises_the_class_of_jax(number: int) -> None:
    error, call = ERRORS[number]
    with pytest.raises(error):
        call(jlax, jlax.GatherDimensionNumbers, jlax.ScatterDimensionNumbers)
    with pytest.raises(error) as caught:
        call(ls, gather_layouts.GatherDimensionNumbers, gather_layouts.ScatterDimensionNumbers)
    assert len(str(caught.value)) > 20


def test_operands_are_not_changed() -> None:
    x = jitney.device_put(np.zeros(4))
    for compile_it in (lambda f: f, jitney.jit):
        compile_it(lambda x: ls.scatter_add(x, np.array([[1]]), np.ones(1), scatter_numbers(POINTS)))(x)
        compile_it(lambda x: ls.dynamic_update_slice(x, np.ones(2), (1,)))(x)
    np.testing.assert_array_equal(np.asarray(x), np.zeros(4))


def test_empty_updates_and_empty_operands() -> None:
    nothing = np.zeros((0, 1), int)
    for compile_it in (lambda f: f, jitney.jit):
        out = compile_it(lambda x, i: ls.scatter_add(x, i, np.zeros(0), scatter_numbers(POINTS)))(X, nothing)
        np.testing.assert_array_equal(np.asarray(out), X)
        assert compile_it(lambda x, i: ls.gather(x, i, gather_numbers(POINTS), (1,)))(X, nothing).shape == (
            0,
        )
        empty = compile_it(lambda x: ls.gather(x, np.array([[0]]), gather_numbers(ROWS), (1, 0)))(
            np.zeros((3, 0))
        )
        assert empty.shape == (1, 0)
