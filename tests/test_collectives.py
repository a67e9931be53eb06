"""Collectives over named axes of ``vmap``: values, derivatives and programs against the installed JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import jitney
from comparing import assert_raises_alike, assert_same, check_first, parity

X = np.arange(1.0, 25.0).reshape(4, 3, 2) / 7
SQUARE = np.arange(1.0, 33.0).reshape(4, 4, 2) / 5


def _each(name: str, x: Any, make: Callable[[Any], Callable[[Any], Any]], **axes: Any) -> Any:
    """A pair: ``vmap`` of ``make(library)`` over a named axis in jitney and in JAX are alike."""

    def test() -> None:
        got = jitney.vmap(make(jitney), axis_name="i", **axes)(x)
        assert_same(got, jax.vmap(make(jax), axis_name="i", **axes)(x), what=name)
        compiled = jitney.jit(jitney.vmap(make(jitney), axis_name="i", **axes))(x)
        assert_same(compiled, got, what=f"jit {name}")
        inner = jitney.vmap(jitney.jit(make(jitney)), axis_name="i", **axes)(x)
        assert_same(inner, got, what=f"{name} of jit")

    return pytest.param(test, id=name)


@pytest.mark.parametrize(
    "test",
    [
        _each("psum", X, lambda L: lambda x: L.lax.psum(x, "i")),
        _each("psum of a middle axis", X, lambda L: lambda x: L.lax.psum(x, "i"), in_axes=1, out_axes=2),
        _each("psum without axis", X, lambda L: lambda x: L.lax.psum(x, "i"), out_axes=None),
        _each("psum of a tree", X, lambda L: lambda x: L.lax.psum({"a": x, "b": (1, x > 1)}, "i")),
        _each("psum of a constant", X, lambda L: lambda x: L.lax.psum(L.numpy.ones(3), "i") * x.sum()),
        _each("psum with a position", X, lambda L: lambda x: L.lax.psum(x, ("i", 1)), in_axes=1),
        _each("pmean", X, lambda L: lambda x: x - L.lax.pmean(x, "i")),
        _each("pmean of integers", np.arange(4), lambda L: lambda x: L.lax.pmean(x, "i")),
        _each("pmax", X, lambda L: lambda x: L.lax.pmax(x, "i"), in_axes=2),
        _each("pmin", X, lambda L: lambda x: L.lax.pmin((x, 2 * x), "i")),
        _each("pmax of a constant", X, lambda L: lambda x: x * L.lax.pmax(L.numpy.arange(2.0), "i")),
        _each("axis_index", X, lambda L: lambda x: L.lax.axis_index("i") + x),
        _each("axis_size", X, lambda L: lambda x: L.lax.axis_size("i") * x),
        _each("all_gather", X, lambda L: lambda x: L.lax.all_gather(x, "i")),
        _each("all_gather at the end", X, lambda L: lambda x: L.lax.all_gather(x, "i", axis=-1), in_axes=1),
        _each("all_gather tiled", X, lambda L: lambda x: L.lax.all_gather(x, "i", axis=1, tiled=True)),
        _each("all_gather of a constant", X, lambda L: lambda x: L.lax.all_gather(L.numpy.ones(2), "i") + x[0]),
        _each("ppermute", X, lambda L: lambda x: L.lax.ppermute(x, "i", [(k, (k + 1) % 4) for k in range(4)])),
        _each("pshuffle", X, lambda L: lambda x: L.lax.pshuffle(x, "i", [2, 0, 1]), in_axes=1),
        _each("all_to_all 0 1", SQUARE, lambda L: lambda x: L.lax.all_to_all(x, "i", 0, 1)),
        _each("all_to_all 1 0", SQUARE, lambda L: lambda x: L.lax.all_to_all(x.T, "i", 1, 0), in_axes=1),
        _each("all_to_all 0 0", SQUARE, lambda L: lambda x: L.lax.all_to_all(x, "i", 0, 0)),
        _each("all_to_all tiled", X, lambda L: lambda x: L.lax.all_to_all(x, "i", 0, 1, tiled=True), in_axes=2, ),
        _each("pswapaxes", SQUARE, lambda L: lambda x: L.lax.pswapaxes(x, "i", 0)),
        _each("psum_scatter", SQUARE, lambda L: lambda x: L.lax.psum_scatter(x, "i")),
        _each(
            "psum_scatter tiled",
            X,
            lambda L: lambda x: L.lax.psum_scatter(x, "i", scatter_dimension=0, tiled=True),
            in_axes=2,
        ),
        _each("inside jit", X, lambda L: L.jit(lambda x: x + L.lax.axis_index("i") * L.lax.psum(1, "i"))),
        _each("jit without batched operand", X, lambda L: lambda x: L.jit(lambda: L.lax.axis_index("i"))() + x),
        _each("grad inside", X, lambda L: L.grad(lambda x: L.lax.psum(L.numpy.sin(x).sum(), "i") ** 2)),
        _each("normalise", X, lambda L: lambda x: L.numpy.exp(x) / L.lax.psum(L.numpy.exp(x), "i")),
    ],
)  # fmt: skip
def test_value(test: Callable[[], None]) -> None:
    test()


def _nested(L: Any) -> Any:
    """Two named axes; collectives over each and over both."""

    def one(x: Any, y: Any) -> Any:
        return {
            "inner": L.lax.psum(x * y, "j"),
            "outer": L.lax.psum(x * y, "i"),
            "both": L.lax.psum(x * y, ("i", "j")),
            "max": L.lax.pmax(x - y, ("j", "i")),
            "index": L.lax.axis_index(("i", "j")) + L.lax.axis_index("j") * 100,
            "gather": L.lax.all_gather(L.lax.all_gather(x, "j"), "i"),
            "mean": L.lax.pmean(y, ("i", "j")),
            "sizes": (L.lax.psum(1, ("i", "j")), L.lax.axis_size("i")),
        }

    inner = L.vmap(one, in_axes=(0, None), axis_name="j")
    return L.vmap(inner, in_axes=(1, 0), out_axes=0, axis_name="i")(X, X[0])


test_nested = parity(_nested)


def test_nested_compiled() -> None:
    assert_same(jitney.jit(lambda: _nested(jitney))(), _nested(jitney))


def test_inner_name_hides_outer() -> None:
    got = jitney.vmap(
        lambda x: jitney.vmap(lambda y: jitney.lax.psum(y, "i"), axis_name="i")(x), axis_name="i"
    )(X)
    np.testing.assert_allclose(got, np.broadcast_to(X.sum(1, keepdims=True), X.shape))


def _both(fun: Callable[[Any], Any], x: Any) -> np.ndarray:
    """``fun`` of each example of two mapped axes, which are called i and j."""
    return np.asarray(jitney.vmap(jitney.vmap(fun, axis_name="j"), axis_name="i")(x))


def test_several_names_at_once() -> None:
    """Moves over two axes are moves over the one axis that they make together, the last running fastest."""
    lax = jitney.lax
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6))
    flat = x.reshape(6, 6, 6)
    names = ("i", "j")
    pairs = [(0, 4), (5, 1), (2, 2), (4, 0)]
    cases: list[tuple[Callable[[Any, Any], Any], str]] = [
        (lambda v, n: lax.all_gather(v, n), "all_gather"),
        (lambda v, n: lax.all_gather(v, n, axis=1, tiled=True), "tiled"),
        (lambda v, n: lax.all_to_all(v, n, 0, 1), "all_to_all"),
        (lambda v, n: lax.all_to_all(v, n, 1, 0, tiled=True), "all_to_all tiled"),
        (lambda v, n: lax.psum_scatter(v, n), "psum_scatter"),
        (lambda v, n: lax.psum_scatter(v, n, scatter_dimension=1, tiled=True), "psum_scatter tiled"),
        (lambda v, n: lax.ppermute(v, n, pairs), "ppermute"),
    ]
    for fun, what in cases:
        want = np.asarray(jitney.vmap(lambda v, fun=fun: fun(v, "k"), axis_name="k")(flat))
        got = _both(lambda v, fun=fun: fun(v, names), x)
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=1e-12, err_msg=what)


def test_sends_to_nobody_give_zeros() -> None:
    got = jitney.vmap(lambda x: jitney.lax.ppermute(x, "i", [(0, 2), (3, 1)]), axis_name="i")(X)
    np.testing.assert_array_equal(got, np.stack([0 * X[0], X[3], X[0], 0 * X[0]]))
    got = jitney.vmap(lambda x: jitney.lax.pbroadcast(x, "i", 2), axis_name="i")(X)
    np.testing.assert_array_equal(got, np.stack([X[2]] * 4))


def test_size_is_an_int() -> None:
    found = []
    jitney.vmap(lambda x: found.append(jitney.lax.psum(1, "i")) or x, axis_name="i")(X)
    assert found == [4] and type(found[0]) is int


def test_traces_depend_on_the_axes_around() -> None:
    """A jitted function called under axes of different sizes is traced for each."""
    f = jitney.jit(lambda x: x * jitney.lax.psum(1, "i"))
    assert jitney.vmap(f, axis_name="i")(np.ones(3)).tolist() == [3.0] * 3
    assert jitney.vmap(f, axis_name="i")(np.ones(5)).tolist() == [5.0] * 5
    twice = jitney.vmap(jitney.vmap(f, axis_name="j"), axis_name="i")(np.ones((2, 3)))
    assert np.asarray(twice).tolist() == [[2.0] * 3] * 2
    with pytest.raises(NameError, match="unbound axis name: i"):
        f(1.0)


# -- control flow -------------------------------------------------------------------------------------


def _loops(L: Any) -> list[Any]:
    def in_scan(x: Any) -> Any:
        step = lambda c, row: (L.lax.pmean(c, "i") + row * L.lax.axis_index("i"), L.lax.psum(row, "i"))
        return L.lax.scan(step, L.numpy.zeros(2), x)

    def in_cond(x: Any) -> Any:
        yes, no = (lambda v: L.lax.psum(v, "i")), (lambda v: v - L.lax.axis_index("i"))
        return L.lax.cond(L.lax.axis_index("i") > 1, lambda v: 2 * v, no, x), L.lax.cond(True, yes, no, x)

    def in_while(x: Any) -> Any:
        more = lambda state: state[0] < L.lax.axis_index("i") + 2
        return L.lax.while_loop(more, lambda state: (state[0] + 1, L.numpy.sin(state[1])), (0, x))

    def in_fori(x: Any) -> Any:
        return L.lax.fori_loop(0, 3, lambda k, v: v + L.lax.pmean(v, "i") / (k + 1), x)

    def unbatched_scan(x: Any) -> Any:
        return x + L.lax.scan(lambda c, _: (c + L.lax.axis_index("i"), None), 0, None, length=3)[0]

    return [L.vmap(f, axis_name="i")(X) for f in (in_scan, in_cond, in_while, in_fori, unbatched_scan)]


test_control_flow = parity(_loops)


def test_control_flow_compiled() -> None:
    assert_same(jitney.jit(lambda: _loops(jitney))(), _loops(jitney))


def test_loop_derivative() -> None:
    def loss(x: Any) -> list[Any]:
        def each(v: Any) -> Any:
            step = lambda c, row: (jitney.numpy.sin(c) + jitney.lax.pmean(row * c, "i"), c)
            return jitney.lax.scan(step, v[0], v)

        return jitney.tree.leaves(jitney.vmap(each, axis_name="i")(x))

    check_first(loss, [X])


def _rules(L: Any) -> list[Any]:
    """Collectives inside custom rules, rematerialised functions and derivatives."""

    @L.custom_jvp
    def square(v: Any) -> Any:
        return L.lax.psum(v**2, "i")

    square.defjvp(lambda p, t: (square(*p), L.lax.psum(3 * p[0] * t[0], "i")))

    @L.custom_vjp
    def cube(v: Any) -> Any:
        return L.lax.psum(v**3, "i")

    cube.defvjp(lambda v: (cube(v), v), lambda v, ct: (L.lax.psum(5 * ct * v, "i"),))
    again = L.checkpoint(lambda v: L.lax.psum(L.numpy.sin(v), "i").sum() * v[0])
    rows = X[:, :, 0]
    mapped = lambda f: L.vmap(f, axis_name="i")
    return [
        mapped(lambda v: square(v) + cube(L.numpy.ones(3)))(rows),
        mapped(L.grad(lambda v: square(v).sum() + cube(v).sum() + again(v)))(rows),
        L.jit(L.grad(lambda x: mapped(lambda v: square(v) + cube(v) + again(v))(x).sum()))(rows),
        mapped(L.hessian(lambda v: (L.lax.psum(L.numpy.sin(v), "i") ** 2).sum()))(rows),
        mapped(lambda v: L.linearize(lambda v: L.lax.psum(L.numpy.sin(v), "i"), v)[1](v))(rows),
    ]


test_custom_rules = parity(_rules)


def test_loop_that_examples_leave_one_by_one() -> None:
    """Those still running go on reading the values with which others have stopped; derivatives follow."""

    def each(v: Any, bound: Any) -> Any:
        step = lambda s: (s[0] + 1, jitney.numpy.sin(s[1]) * jitney.lax.pmean(s[1], "i"))
        return jitney.lax.while_loop(lambda s: s[0] < bound, step, (0, v))[1]

    bounds = np.array([1, 3, 0, 2])
    mapped = lambda x: jitney.vmap(each, axis_name="i")(x, bounds)
    rows = want = np.random.default_rng(2).uniform(0.5, 1.0, (4, 3))
    for k in range(3):
        want = np.where((k < bounds)[:, None], np.sin(want) * want.mean(0), want)
    np.testing.assert_allclose(mapped(rows), want, rtol=1e-12)
    np.testing.assert_allclose(jitney.jit(mapped)(rows), want, rtol=1e-12)
    check_first(lambda x: [mapped(x)], [rows])


def test_fold_by_an_operation_with_collectives() -> None:
    def each(x: Any) -> list[Any]:
        add = lambda a, b: a + b * jitney.lax.psum(1, "i") - jitney.lax.axis_index("i") * b
        return [jitney.lax.reduce(x, 0.0, add, (0,)), jitney.lax.reduce_window(x, 0.0, add, (1, 1))]

    alone, windows = jitney.vmap(each, axis_name="i")(X[:, :1])
    weights = (4 - np.arange(4))[:, None]
    np.testing.assert_allclose(alone, X[:, 0] * weights, rtol=1e-12)
    np.testing.assert_allclose(windows, X[:, :1] * weights[..., None], rtol=1e-12)


# -- derivatives --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "each",
    [
        lambda L, x: L.lax.psum(x**2, "i") * x,
        lambda L, x: L.lax.pmean(x, "i") * L.numpy.sin(x),
        lambda L, x: L.lax.all_gather(x, "i", axis=1) ** 2,
        lambda L, x: L.lax.all_gather(x, "i", axis=1, tiled=True) ** 2,
        lambda L, x: L.lax.ppermute(x**2, "i", [(0, 1), (1, 3), (3, 0), (2, 2)]) * x,
        lambda L, x: L.lax.psum_scatter(x**2, "i"),
    ],
)
def test_derivatives(each: Callable[[Any, Any], Any]) -> None:
    """Inside and outside of the vmap, as JAX; and against finite differences."""

    def outside(L: Any) -> Any:
        total = lambda x: (L.vmap(lambda v: each(L, v), axis_name="i")(x) ** 2).sum()
        return L.grad(total)(SQUARE), L.vmap(L.grad(lambda v: each(L, v).sum()), axis_name="i")(SQUARE)

    assert_same(outside(jitney), outside(jax))
    check_first(lambda x: [jitney.vmap(lambda v: each(jitney, v), axis_name="i")(x)], [SQUARE])


@pytest.mark.parametrize(
    "each",
    [
        lambda lax, x: lax.all_to_all(x**2, "i", 0, 0) * x,
        lambda lax, x: lax.all_to_all(x**2, "i", 1, 0) * x,
        lambda lax, x: lax.pmax(x, "i") * x,
        lambda lax, x: lax.pmin(x, ("i", 0)) * x,
        lambda lax, x: lax.pbroadcast(x**2, "i", 1) * x,
        lambda lax, x: lax.psum_scatter(x**2, "i", tiled=True),
        lambda lax, x: lax.ppermute(x**2, "i", [(0, 2)]) + x,
    ],
)
def test_derivatives_beyond_jax(each: Callable[[Any, Any], Any]) -> None:
    x = np.random.default_rng(1).normal(size=(4, 4, 4))
    check_first(lambda x: [jitney.vmap(lambda v: each(jitney.lax, v), axis_name="i")(x)], [x])


# -- programs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fun",
    [
        lambda lax, x: lax.psum(x, "i"),
        lambda lax, x: lax.psum((x, 2 * x, 1), ("i", "j")),
        lambda lax, x: lax.psum(x, ("i", 0)),
        lambda lax, x: lax.psum(x > 1, "i"),
        lambda lax, x: lax.psum(x, "i", axis_index_groups=[[0, 1], [2, 3]]),
        lambda lax, x: lax.psum(1, "i", axis_index_groups=[[0, 1], [2, 3]]),
        lambda lax, x: lax.pmean(x, "i"),
        lambda lax, x: lax.pmin(x, "i"),
        lambda lax, x: lax.axis_index(("i", "j")),
        lambda lax, x: lax.all_gather(x, "i", axis=1, tiled=True),
        lambda lax, x: lax.all_gather(x, ("i", "j")),
        lambda lax, x: lax.all_to_all(x, "i", 0, 1),
        lambda lax, x: lax.all_to_all(x, ("i",), 0, 1, tiled=True),
        lambda lax, x: lax.ppermute(x, "i", [(0, 1), (1, 0)]),
        lambda lax, x: lax.pshuffle(x, "i", [1, 0, 3, 2]),
        lambda lax, x: lax.pswapaxes(x, "i", 0),
        lambda lax, x: lax.psum_scatter(x, "i"),
        lambda lax, x: lax.psum_scatter(x, "i", tiled=True),
        lambda lax, x: lax.pbroadcast(x, "i", 1),
    ],
)
def test_program(fun: Callable[[Any, Any], Any]) -> None:
    x, env = np.ones((4, 3)), [("i", 4), ("j", 2)]
    text = lambda L: str(L.make_jaxpr(lambda x: fun(L.lax, x), axis_env=env)(x))
    assert text(jitney) == text(jax)


@pytest.mark.usefixtures("jax_derivatives")
def test_program_of_gradient() -> None:
    text = lambda L: str(
        L.make_jaxpr(L.grad(lambda x: L.lax.psum(L.numpy.sin(x).sum(), "i")), axis_env=[("i", 4)])(X)
    )
    assert text(jitney) == text(jax)


def test_vmap_turns_a_sum_over_names_into_one_over_positions() -> None:
    text = lambda L: str(
        L.make_jaxpr(L.vmap(lambda x: L.lax.psum(x, "i"), out_axes=None, axis_name="i"))(np.ones((4, 3)))
    )
    assert text(jitney) == text(jax)


# -- misuse -------------------------------------------------------------------------------------------


def _mapped(fun: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    return lambda L: L.vmap(lambda x: fun(L.lax, x), axis_name="i")(X)


@pytest.mark.parametrize(
    "fun, words",
    [
        (lambda lax, x: lax.psum(x, "k"), ["unbound axis name: k", "'i'"]),
        (lambda lax, x: lax.axis_index("k"), ["unbound axis name: k"]),
        (lambda lax, x: lax.axis_size("k"), ["unbound axis name: k"]),
        (lambda lax, x: lax.all_gather(x, "i", axis=7), ["axis 7"]),
        (lambda lax, x: lax.all_to_all(x, "i", 0, 1), ["4 and 3"]),
        (lambda lax, x: lax.psum("text", "i"), ["str"]),
        (lambda lax, x: lax.psum(x, "i", axis_index_groups=[[0, 1], [2, 3]]), ["axis_index_groups"]),
    ],
)
def test_misuse(fun: Callable[[Any, Any], Any], words: list[str]) -> None:
    assert_raises_alike(_mapped(fun), *words)


@pytest.mark.parametrize(
    "fun",
    [
        lambda lax, x: lax.all_to_all(x, "i", 0, 1, tiled=True),
        lambda lax, x: lax.psum_scatter(x, "i"),
        lambda lax, x: lax.psum_scatter(x, "i", tiled=True),
    ],
)
def test_sizes_that_do_not_fit(fun: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(ValueError, match="3.*4"):
        _mapped(fun)(jitney)


@pytest.mark.parametrize("perm", [[(0, 1), (0, 2)], [(0, 1), (2, 1)], [(0, 7)]])
def test_bad_permutations(perm: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="ppermute"):
        _mapped(lambda lax, x: lax.ppermute(x, "i", perm))(jitney)


def test_outside_of_vmap() -> None:
    assert_raises_alike(lambda L: L.lax.psum(1.0, "i"), "unbound axis name: i")
    assert_raises_alike(lambda L: L.jit(lambda x: L.lax.axis_index("i"))(1.0), "none")
