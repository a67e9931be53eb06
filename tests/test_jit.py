"""``jit``: signatures and retracing, static arguments, trees, closures, stages, caches, 32-bit mode."""

from __future__ import annotations

import collections
import copy
import dataclasses
import functools
import gc
import pickle
import subprocess
import sys
import weakref
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from comparing import assert_raises_alike, assert_same, parity

X = np.array([1.0, 2.0, 3.0])


class Pair(NamedTuple):
    left: Any
    right: Any


class Counter:
    """A function that counts how often Python runs it."""

    def __init__(self, fun: Any, **options: Any) -> None:
        self.traces = 0

        @functools.wraps(fun)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.traces += 1
            return fun(*args, **kwargs)

        self.call = jitney.jit(counted, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)


# -- when a function is traced again -------------------------------------------------------------------

_SAME = {
    "another value": [(1.0,), (2.0,)],
    "equal arrays": [(X,), (X + 1,)],
    "jitney and NumPy arrays": [(X,), (jitney.device_put(X),)],
    "NumPy scalar and 0-d array": [(np.float64(1),), (np.array(2.0),)],
    "order of dict": [({"a": 1.0, "b": X},), ({"b": X, "a": 2.0},)],
    "strides of an array": [(np.ones((3, 4)),), (np.ones((4, 3)).T,)],
    "another byte order of layout": [(np.ones((3, 4)),), (np.asfortranarray(np.ones((3, 4))),)],
    "result of another call": [(X,), (jitney.jit(lambda x: x + 1)(X),)],
}
_DIFFERENT = {
    "shape": [(X,), (X[:2],), (X[None],)],
    "dtype": [(X,), (X.astype("f4"),), (X.astype(int),)],
    "weak type": [(1.0,), (np.float64(1.0),)],
    "kind of Python scalar": [(1.0,), (1,), (True,), (1j,)],
    "tree": [((X, X),), ([X, X],), ({"a": X, "b": X},), (Pair(X, X),), ((X, (X,)),), (None,)],
    "number of arguments": [(X,), (X, X)],
    "dict keys": [({"a": X},), ({"b": X},)],
}


@pytest.mark.parametrize("name", _SAME)
def test_does_not_retrace(name: str) -> None:
    count = Counter(lambda *args: jitney.tree.leaves(args))
    for args in _SAME[name] * 2:
        count(*args)
    assert count.traces == 1


@pytest.mark.parametrize("name", _DIFFERENT)
def test_retraces(name: str) -> None:
    count = Counter(lambda *args: jitney.tree.leaves(args))
    for number, args in enumerate(_DIFFERENT[name], 1):
        count(*args)
        assert count.traces == number
    for args in _DIFFERENT[name]:
        count(*args)
    assert count.traces == len(_DIFFERENT[name])


def test_positional_and_keyword_give_the_same() -> None:
    count = Counter(lambda x, y=2.0: x * y)
    assert [
        float(count(3.0)),
        float(count(3.0, 4.0)),
        float(count(3.0, y=4.0)),
        float(count(y=4.0, x=3.0)),
    ] == [6, 12, 12, 12]


def test_retraces_when_static_values_change() -> None:
    count = Counter(lambda x, n: x * n, static_argnums=1)
    assert [float(count(2.0, n)) for n in (1, 2, 1, 3, 2)] == [2, 4, 2, 6, 4]
    assert count.traces == 3


def test_static_values_of_equal_value_and_other_type() -> None:
    count = Counter(lambda x, n: x * n, static_argnums=1)
    assert [str(count(1, n).dtype) for n in (1, 1.0, True)] == ["int64", "float64", "int64"]


def test_retraces_in_32_bits() -> None:
    count = Counter(lambda x: x * 2.0)
    assert count(1.0).dtype == np.float64
    with jitney.config.temporarily("jax_enable_x64", False):
        assert count(1.0).dtype == np.float32
        assert count(X).dtype == np.float32
    assert count(1.0).dtype == np.float64
    assert count.traces == 3


# -- static arguments -------------------------------------------------------------------------------------


def _power(x: Any, n: int, *, sign: int = 1, mode: str = "up") -> Any:
    out = x
    for _ in range(n - 1):
        out = out * x
    return (out if mode == "up" else 1 / out) * sign


def test_static_argnames_infer_positions_and_back() -> None:
    by_name = jitney.jit(_power, static_argnames=("n", "mode"))
    by_number = jitney.jit(_power, static_argnums=(1,))
    for f in (by_name, by_number):
        assert float(f(2.0, 3)) == 8.0
        assert float(f(2.0, n=3)) == 8.0
    assert float(by_name(2.0, 2, mode="down")) == 0.25
    assert float(jitney.jit(_power, static_argnums=-1, static_argnames="mode")(2.0, 2)) == 4.0


def test_static_names_as_text() -> None:
    assert float(jitney.jit(_power, static_argnames="n")(2.0, n=2, sign=-1)) == -4.0


def test_static_default() -> None:
    @functools.partial(jitney.jit, static_argnames=("n",))
    def f(x: Any, n: int = 2) -> Any:
        return [x] * n

    assert len(f(1.0)) == 2
    assert len(f(1.0, 3)) == 3


def test_static_function_and_tuple() -> None:
    f = jitney.jit(lambda g, x, shape: jnp.reshape(g(x), shape), static_argnums=(0, 2))
    assert f(jnp.sin, np.ones(6), (2, 3)).shape == (2, 3)
    assert f(jnp.cos, np.ones(6), (3, 2)).shape == (3, 2)


def test_static_self() -> None:
    class Model:
        def __init__(self, scale: float) -> None:
            self.scale = scale

        @functools.partial(jitney.jit, static_argnums=0)
        def __call__(self, x: Any) -> Any:
            return x * self.scale

        @functools.partial(jitney.jit, static_argnames=("self", "n"))
        def power(self, x: Any, n: int = 2) -> Any:
            return self.scale * x**n

    two, three = Model(2.0), Model(3.0)
    assert [float(two(5.0)), float(three(5.0)), float(two(6.0))] == [10, 15, 12]
    assert float(two.power(3.0)) == 18.0
    assert float(three.power(3.0, n=1)) == 9.0


def test_bound_methods_and_callables() -> None:
    class Scale:
        def __init__(self, by: float) -> None:
            self.by = by

        def run(self, x: Any) -> Any:
            return x * self.by

        __call__ = run

    assert float(jitney.jit(Scale(2.0).run)(3.0)) == 6.0
    assert float(jitney.jit(Scale(2.0))(3.0)) == 6.0
    assert float(jitney.jit(functools.partial(_power, n=2))(3.0)) == 9.0
    assert float(jitney.jit(jnp.sin)(0.0)) == 0.0


def test_decorator_forms() -> None:
    @jitney.jit
    def plain(x: Any) -> Any:
        """What it does."""
        return x + 1

    @jitney.jit(static_argnums=1)
    def with_options(x: Any, n: int) -> Any:
        return x * n

    assert plain.__name__ == "plain" and plain.__doc__ == "What it does."
    assert plain.__wrapped__(1) == 2
    assert float(with_options(2.0, 3)) == 6.0
    assert "plain" in repr(plain)


_STATIC_MISUSE = {
    "unhashable": lambda j: j.jit(lambda x, n: x, static_argnums=1)(1.0, [1]),
    "array": lambda j: j.jit(lambda x, n: x, static_argnums=1)(1.0, np.ones(2)),
    "no such position": lambda j: j.jit(lambda x: x, static_argnums=3),
    "no such name": lambda j: j.jit(lambda x: x, static_argnames="y"),
    "text": lambda j: j.jit(lambda x: x)("text"),
    "object": lambda j: j.jit(lambda x: x)(object()),
    "object array": lambda j: j.jit(lambda x: x)(np.array([None])),
    "text array": lambda j: j.jit(lambda x: x)(np.array(["a"])),
    "returns text": lambda j: j.jit(lambda x: "text")(1.0),
    "returns object": lambda j: j.jit(lambda x: {"a": object()})(1.0),
    "no function": lambda j: j.jit(3),
    "generator": lambda j: j.jit(_generator),
    "missing argument": lambda j: j.jit(lambda x, y: x)(1.0),
    "unknown keyword": lambda j: j.jit(lambda x: x)(1.0, z=2.0),
    "inside": lambda j: j.jit(lambda x: x + {}["missing"])(1.0),
    "lower other type": lambda j: j.jit(lambda x: x).lower(1.0).compile()(X),
    "lower other tree": lambda j: j.jit(lambda x: x).lower(1.0).compile()((1.0,)),
}


def _generator(x: Any) -> Any:
    yield x


@pytest.mark.parametrize("name", _STATIC_MISUSE)
def test_misuse(name: str) -> None:
    assert_raises_alike(_STATIC_MISUSE[name])


def test_a_failed_trace_leaves_no_trace() -> None:
    f = jitney.jit(lambda x: 1 / 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            f(1.0)
    assert float(jnp.sin(0.0)) == 0.0
    assert float(jitney.jit(lambda x: x + 1)(1.0)) == 2.0


# -- trees of arguments and results -------------------------------------------------------------------------


@parity
def test_result_trees(j: Any) -> Any:
    f = lambda x: {"b": (x, [x + 1, None]), "a": Pair(x, ()), "c": {}, "d": 3.0, "e": [[], (x,)]}
    return j.jit(f)(2.0)


def test_results_keep_their_types() -> None:
    out = jitney.jit(lambda x: (Pair(x, None), collections.OrderedDict(b=x, a=x), {"z": x, "a": x}, []))(1.0)
    assert type(out[0]) is Pair and out[0].right is None
    assert type(out[1]) is collections.OrderedDict and list(out[1]) == ["b", "a"]
    assert type(out[2]) is dict and sorted(out[2]) == ["a", "z"]
    assert out[3] == []
    assert jitney.jit(lambda x: None)(1.0) is None
    assert jitney.jit(lambda x: ())(1.0) == ()


def test_dataclass_arguments() -> None:
    @jitney.tree_util.register_dataclass
    @dataclasses.dataclass
    class Body:
        position: Any
        mass: float
        name: str = dataclasses.field(default="body", metadata={"static": True})

    count = Counter(lambda b: Body(b.position * b.mass, b.mass, b.name + "!"))
    out = count(Body(X, 2.0))
    assert type(out) is Body and out.name == "body!"
    np.testing.assert_array_equal(out.position, 2 * X)
    count(Body(X, 3.0))
    assert count.traces == 1
    count(Body(X, 3.0, "other"))
    assert count.traces == 2
    assert jitney.grad(lambda b: jnp.sum(b.position**2))(Body(X, 2.0)).name == "body"


def test_registered_class() -> None:
    @jitney.tree_util.register_pytree_node_class
    class Box:
        def __init__(self, value: Any, label: str) -> None:
            self.value, self.label = value, label

        def tree_flatten(self) -> Any:
            return (self.value,), self.label

        @classmethod
        def tree_unflatten(cls, label: str, children: Any) -> Any:
            return cls(*children, label)

    out = jitney.jit(lambda box: Box(box.value + 1, box.label))(Box(X, "a"))
    assert type(out) is Box and out.label == "a"
    np.testing.assert_array_equal(out.value, X + 1)


@parity
def test_inputs_and_constants_as_outputs(j: Any) -> Any:
    f = lambda x, y: (x, x, y, 1, 2.5, True, np.float32(3), X, np.arange(2), x * 1.0)
    return j.jit(f)(X, 2), j.jit(lambda: 3)(), j.jit(lambda x: x)(1), j.jit(lambda x: x)(True)


@parity
def test_shapes_at_the_edge(j: Any) -> Any:
    f = j.jit(lambda x: (x * 2, x.sum(), x.reshape(-1)))
    return [f(np.zeros(s)) for s in ((0,), (3, 0), (1, 1), ())]


@parity
def test_many_arguments(j: Any) -> Any:
    f = j.jit(lambda *xs, **named: sum(xs) + sum(named[k] * i for i, k in enumerate(sorted(named))))
    return f(*np.arange(40.0), **{f"k{i}": float(i) for i in range(20)})


@parity
def test_dtypes_through(j: Any) -> Any:
    f = j.jit(lambda x: (x, x + x, x.astype("complex64")))
    kinds = (
        "bool",
        "int8",
        "uint8",
        "int32",
        "uint64",
        "float16",
        "bfloat16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    )
    return [f(j.numpy.ones(2, k)) for k in kinds]


def test_inputs_are_not_changed_and_results_do_not_alias() -> None:
    x = X.copy()
    y = jitney.jit(lambda x: x)(x)
    x[0] = 100.0
    np.testing.assert_array_equal(y, X)


@pytest.mark.parametrize(
    "options", [{"donate_argnums": 0}, {"donate_argnames": "x"}, {"keep_unused": True}, {"inline": True}]
)
def test_options_are_accepted(options: dict) -> None:
    f = jitney.jit(lambda x: x + 1, **options)
    a = jnp.asarray(X)
    np.testing.assert_array_equal(f(a), X + 1)


# -- closures ---------------------------------------------------------------------------------------------


def test_closed_over_arrays_are_hidden_arguments() -> None:
    big, small = jnp.asarray(np.arange(100000.0)), jnp.asarray(X)
    jaxpr = jitney.make_jaxpr(lambda x: big * x + small[0])(2.0)
    assert [c.aval.shape for c in jaxpr.jaxpr.constvars] == [(100000,), (3,)]
    assert jaxpr.consts[0] is big
    assert len(str(jaxpr)) < 1000
    f = jitney.jit(lambda x: big * x)
    np.testing.assert_array_equal(f(2.0), 2 * np.arange(100000.0))
    np.testing.assert_array_equal(jitney.jit(lambda x: f(x) + big)(2.0), 3 * np.arange(100000.0))


def test_closed_over_numpy_arrays() -> None:
    table = np.arange(5.0)
    f = jitney.jit(lambda x: jnp.asarray(table) + x)
    np.testing.assert_array_equal(f(1.0), table + 1)


def test_closures_see_the_values_of_the_trace() -> None:
    scale = 2.0
    f = jitney.jit(lambda x: x * scale)
    assert float(f(3.0)) == 6.0
    scale = 5.0
    assert float(f(3.0)) == 6.0


# -- nesting, disabling, inspection ------------------------------------------------------------------------


@parity
def test_nested_jit(j: Any) -> Any:
    a = j.jit(lambda x, n: x * n, static_argnums=1)
    b = j.jit(lambda x: a(x, 2) + a(x, 3))
    return b(X), j.jit(lambda x: b(b(x)))(X), j.jit(j.jit(j.jit(lambda x: x + 1)))(1)


def test_inner_function_is_traced_once_per_signature() -> None:
    count = Counter(lambda x: x * 2)
    jitney.jit(lambda x: count(x) + count(x + 1) + count(x * 2))(X)
    assert count.traces == 1


def test_disable_jit(no_jit: None) -> None:
    seen = []

    @jitney.jit
    def f(x: Any) -> Any:
        seen.append(float(x))
        return x + 1 if x > 0 else x

    assert float(f(1.0)) == 2.0
    assert float(f(-1.0)) == -1.0
    assert seen == [1.0, -1.0]


@parity
def test_eval_shape(j: Any) -> Any:
    f = lambda x, y: {"dot": j.numpy.dot(x, y), "x": x}
    out = j.eval_shape(f, j.ShapeDtypeStruct((2, 3), "float32"), np.ones((3, 4), "f4"))
    return [(v.shape, v.dtype.itemsize) for v in (out["dot"], out["x"])]


def test_eval_shape_computes_nothing() -> None:
    out = jitney.eval_shape(lambda x: x @ x.T, jitney.ShapeDtypeStruct((10**7, 10**3), np.float64))
    assert out == jitney.ShapeDtypeStruct((10**7, 10**7), np.float64)
    assert repr(out) == "ShapeDtypeStruct(shape=(10000000, 10000000), dtype=float64)"


def test_stages() -> None:
    f = jitney.jit(lambda x, n: {"y": x * n}, static_argnums=1)
    traced = f.trace(X, 3)
    assert "mul" in str(traced.jaxpr) and traced.out_info["y"].shape == (3,)
    lowered = f.lower(X, 3)
    assert "mul" in lowered.as_text()
    compiled = lowered.compile()
    np.testing.assert_array_equal(compiled(X)["y"], 3 * X)
    assert f.eval_shape(X, 3)["y"].dtype == np.float64


def test_clear_caches() -> None:
    count = Counter(lambda x: x * 2)
    count(1.0), count(2.0)
    assert count.traces == 1
    count.call.clear_cache()
    count(1.0)
    assert count.traces == 2
    jitney.clear_caches()
    assert float(count(1.5)) == 3.0
    assert count.traces == 3


def test_functions_are_freed() -> None:
    class Marker:
        pass

    marker = Marker()
    f = jitney.jit(lambda x, held=(marker,): x + len(held))
    assert float(f(1.0)) == 2.0
    assert float(jitney.grad(f)(1.0)) == 1.0
    alive = weakref.ref(marker)
    del f, marker
    gc.collect()
    assert alive() is None


def test_closed_over_arrays_are_freed() -> None:
    class Holder:
        def __init__(self) -> None:
            self.array = jnp.asarray(np.arange(1000.0))

    def used_and_forgotten(holder: Any) -> Any:
        jitney.jit(lambda x: holder.array * x)(2.0)
        return weakref.ref(holder)

    alive = used_and_forgotten(Holder())
    gc.collect()
    assert alive() is None


# -- results ---------------------------------------------------------------------------------------------


def test_results_pickle_and_copy() -> None:
    out = jitney.jit(lambda x: {"a": x * 2, "n": x.sum()})(X)
    for again in (pickle.loads(pickle.dumps(out)), copy.deepcopy(out), copy.copy(out)):
        np.testing.assert_array_equal(again["a"], 2 * X)
        assert type(again["a"]) is type(out["a"])
    weak = pickle.loads(pickle.dumps(jitney.jit(lambda x: x)(1.0)))
    assert weak.weak_type


def test_results_convert() -> None:
    y = jitney.jit(lambda x: x * 2)(3)
    assert (int(y), float(y), y.item(), y.tolist(), bool(y), range(10)[y]) == (6, 6.0, 6, 6, True, 6)
    assert f"{jitney.jit(lambda x: x * 2)(1.5):.2f}" == "3.00"


# -- 32 bits -----------------------------------------------------------------------------------------------


def test_32_bit_mode(no_x64: None) -> None:
    def run(j: Any) -> Any:
        f = j.jit(lambda x: (x, x * 2, x.sum(), j.numpy.arange(3), j.numpy.linspace(0, 1, 3), 2.5, 3, x / 3))
        return f(X), f(np.arange(3)), j.grad(lambda x: x**2)(3.0), j.numpy.asarray(X), j.numpy.asarray([1, 2])

    assert_same(run(jitney), run(jax), 3e-6)


@parity
def test_float32_stays(j: Any) -> Any:
    x = X.astype("f4")
    f = lambda x: j.numpy.sum(j.numpy.exp(-0.5 * x**2) / 3 + 2)
    return (
        j.jit(f)(x),
        j.jit(j.grad(f))(x),
        j.jit(lambda x, y: x * y)(x, 2.0),
        j.jit(lambda x, y: x * y)(x, np.float64(2)),
    )


@parity
def test_weak_types_inside(j: Any) -> Any:
    f = j.jit(lambda x, n: (x + n, x * 2, x + 2.5, n + 1.5, n * np.int8(3), x == n))
    return [
        f(x, n)
        for x, n in ((np.float32(1), 2), (1, np.int8(2)), (np.int32(1), 2.5), (True, 2), (1.0, np.float16(1)))
    ]


def test_operators_work_when_only_the_package_is_imported() -> None:
    code = (
        "import jitney, numpy as np; print(jitney.jit(lambda x: x * 2 + 1)(np.ones(2)), jitney.numpy.ones(1))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[3. 3.] [1.]"
