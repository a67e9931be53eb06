"""Arrays as objects: operators with all kinds of operands, methods, attributes, protocols; concrete and traced."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import jax.numpy
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp

METHODS = (
    "all any argmax argmin argsort astype at choose clip compress conj conjugate copy cumprod cumsum diagonal dot dtype flatten "
    "imag item itemsize mT max mean min nbytes ndim nonzero prod ptp ravel real repeat reshape round searchsorted shape "
    "size sort squeeze std sum swapaxes T take tolist trace transpose var view block_until_ready weak_type aval"
).split()
CONCRETE = (
    "device devices delete is_deleted is_ready is_fully_addressable is_fully_replicated on_device_size_in_bytes tobytes "
    "to_device copy_to_host_async unsafe_buffer_pointer __array__ __array_namespace__ __dlpack__ __dlpack_device__"
).split()


def test_attributes() -> None:
    x = jnp.ones((2, 2))
    seen = []
    jitney.jit(lambda t: seen.append({name for name in METHODS if hasattr(t, name)}) or t)(x)
    missing = {name for name in METHODS + CONCRETE if not hasattr(x, name)}
    assert not missing
    assert set(METHODS) == seen[0]


def test_is_instance() -> None:
    x = jnp.ones(2)
    assert isinstance(x, jitney.Array)
    assert isinstance(x, jnp.ndarray)
    kinds = []
    jitney.jit(lambda t: kinds.append(isinstance(t, jnp.ndarray)) or t)(x)
    assert kinds == [True]
    assert not isinstance(np.ones(2), jnp.ndarray)


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
    "<": lambda a, b: a < b,
    "==": lambda a, b: a == b,
    "divmod": divmod,
}
OPERANDS: list[Any] = [
    2,
    1.5,
    np.float32(2),
    np.int64(3),
    np.array([1.0, 2.0, 3.0]),
    np.array(2),
    True,
    np.array([1, 2, 3], np.int8),
]


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("reflected", [False, True])
def test_operators_with_foreign_operands(name: str, reflected: bool) -> None:
    apply = OPERATORS[name]
    for other in OPERANDS:
        for values in (np.array([4.0, 5.0, 6.5]), np.array([4, 5, 6]), np.array([4, 5, 6], np.float32)):
            run = lambda x, other=other: apply(other, x) if reflected else apply(x, other)  # noqa: E731
            wanted = run(jax.numpy.array(values))
            for got in (run(jnp.array(values)), jitney.jit(run)(jnp.array(values))):
                pairs = zip(got, wanted, strict=True) if name == "divmod" else [(got, wanted)]
                for mine, theirs in pairs:
                    assert isinstance(mine, jitney.Array)
                    assert mine.dtype == theirs.dtype
                    np.testing.assert_allclose(np.asarray(mine), np.asarray(theirs), rtol=1e-6)


def test_unknown_operands_get_their_turn() -> None:
    class Quantity:
        __array_priority__ = 2000

        def __radd__(self, other: Any) -> str:
            return "radd"

        def __eq__(self, other: object) -> Any:
            return "eq"

        __hash__ = None  # type: ignore[assignment]

    assert jnp.ones(2) + Quantity() == "radd"
    assert (jnp.ones(2) == Quantity()) == "eq"
    assert (jnp.ones(2) == None) is False  # noqa: E711
    assert (jnp.ones(2) != "text") is True


def test_objects_that_know_their_array() -> None:
    class Wrapped:
        def __jax_array__(self) -> Any:
            return jnp.array([1.0, 2.0])

    assert (jnp.ones(2) + Wrapped()).tolist() == [2.0, 3.0]
    assert jnp.sin(Wrapped()).shape == (2,)
    assert jnp.array(Wrapped()).tolist() == [1.0, 2.0]
    assert jitney.jit(lambda x: x * Wrapped())(jnp.ones(2)).tolist() == [1.0, 2.0]


def test_numpy_values_do_not_alias() -> None:
    buffer = np.arange(3.0)
    made = [
        jnp.array(buffer),
        jnp.asarray(buffer),
        jnp.ravel(buffer),
        jnp.reshape(buffer, (3, 1)),
        jnp.positive(buffer),
        jnp.real(buffer),
    ]
    made += [
        jnp.floor(buffer.astype(int)),
        jnp.conj(buffer),
        jnp.squeeze(buffer),
        jnp.broadcast_to(buffer, (2, 3)),
        jnp.where(True, buffer, 0.0),
    ]
    made += [jnp.transpose(buffer), jnp.concatenate([buffer]), jnp.clip(buffer), jnp.maximum(buffer, -9.0)]
    program = jitney.jit(lambda x: x + buffer)
    program(jnp.zeros(3))
    buffer[:] = 77.0
    for array in made:
        assert float(np.max(np.asarray(array))) == 2.0
    assert program(jnp.zeros(3)).tolist() == [0.0, 1.0, 2.0]


def test_python_protocols() -> None:
    x = jnp.array([1.5, 2.5])
    assert copy.copy(x) is x
    assert pickle.loads(pickle.dumps(x)).tolist() == [1.5, 2.5]
    assert f"{x[0]:.2f}" == "1.50"
    assert [float(v) for v in x] == [1.5, 2.5]
    assert 1.5 in x
    assert complex(x[0]) == 1.5 + 0j
    assert [10, 20, 30][jnp.array(1)] == 20
    assert round(x, 0).tolist() == [2.0, 2.0]
    assert np.asarray(x).base is not None or not np.asarray(x).flags.writeable
    assert jnp.__name__ == x.__array_namespace__().__name__


def test_repr() -> None:
    assert repr(jnp.array([1, 2, 3])) == "Array([1, 2, 3], dtype=int64)"
    assert repr(jnp.float32(2)) == "Array(2., dtype=float32)"
    assert repr(jnp.asarray(2.0)) == "Array(2., dtype=float64, weak_type=True)"


def test_views() -> None:
    x = jnp.array([1.0, 2.0])
    assert x.view(jnp.int64).view(jnp.float64).tolist() == [1.0, 2.0]
    assert x.view(jnp.int32).shape == (4,)
    assert jitney.jit(lambda v: v.view(jnp.int32))(x).tolist() == x.view(jnp.int32).tolist()


def test_methods_in_programs() -> None:
    x = jnp.arange(6.0).reshape(2, 3)
    cases: list[Callable[[Any], Any]] = [
        lambda v: v.sum(0),
        lambda v: v.mean(1, keepdims=True),
        lambda v: v.T.reshape(-1),
        lambda v: v.at[0, 1].set(9.0).max(),
        lambda v: v.astype(int).prod(),
        lambda v: v.clip(1, 3).flatten(),
        lambda v: v.round().std(),
        lambda v: v.var(axis=1, ddof=1),
        lambda v: (v @ v.T).trace(),
        lambda v: v[::-1, None, 1:].squeeze(),
        lambda v: abs(-v) // 2 % 2,
    ]
    for case in cases:
        np.testing.assert_allclose(jitney.jit(case)(x), case(x))


def test_scalar_types() -> None:
    assert jnp.float64 == np.float64
    assert np.dtype(jnp.float32) == np.float32
    assert jnp.zeros(2, jnp.bfloat16).dtype == jnp.bfloat16
    assert jnp.ones(2).dtype == jnp.float64
    assert {jnp.float32: 1}[jnp.float32] == 1
    assert isinstance(np.float64(1), jnp.float64)
    assert not isinstance(1, jnp.float64)
    assert repr(jnp.float64) == "<class 'jitney.numpy.float64'>"


def test_32_bit_mode(no_x64: None) -> None:
    assert jnp.array([1.0]).dtype == np.float32
    assert jnp.arange(3).dtype == np.int32
    assert jnp.sin(np.float64(1.0)).dtype == np.float32
    assert (jnp.arange(3) / 2).dtype == np.float32
    assert jnp.linspace(0, 1, 3).dtype == np.float32
    assert jnp.sum(jnp.ones(3, bool)).dtype == np.int32
    assert (np.arange(3.0) + jnp.ones(3)).dtype == np.float32


@pytest.mark.parametrize(
    "operation", [operator.add, operator.sub, operator.mul, operator.truediv, operator.lt, operator.eq]
)
def test_operators_take_ndarrays_in_place(operation) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 4, 3))
    ours = jnp.array(x)
    for other in (y, y[::-1], np.asfortranarray(y), y.astype(">f8"), np.asarray(2.5), y.astype(np.float32)):
        for out, expected in (
            (operation(ours, other), operation(x, other)),
            (operation(other, ours), operation(other, x)),
        ):
            assert (
                isinstance(out, jitney.Array) and out.shape == expected.shape and out.dtype == expected.dtype
            )
            np.testing.assert_array_equal(np.asarray(out), expected)
    kept = ours + y
    before = np.asarray(kept).copy()
    y[:] = 0  # the result holds no reference to the operand
    np.testing.assert_array_equal(np.asarray(kept), before)


def test_no_attribute_of_a_tracer_hides_a_method_of_arrays() -> None:
    """What a tracer of some kind needs for itself is stored under names that arrays do not have."""
    of_arrays = {name for name in dir(type(jnp.ones(2))) if not name.startswith("_")} - {"aval"}

    def look(x: Any) -> Any:
        own = {name for kind in type(x).__mro__ for name in getattr(kind, "__slots__", ())}
        assert not own & of_arrays, f"{type(x).__name__}: {own & of_arrays}"
        return x * 1.0

    x = jnp.ones(2)
    jitney.make_jaxpr(look)(x)
    jitney.vmap(look)(x)
    jitney.jvp(look, (x,), (x,))
    jitney.vjp(look, x)


def test_arrays_are_gone_through_backwards() -> None:
    assert [float(v) for v in reversed(jnp.arange(3.0))] == [2.0, 1.0, 0.0]
    assert [v.shape for v in reversed(jnp.ones((2, 3)))] == [(3,), (3,)]
    with pytest.raises(TypeError, match="0-d"):
        reversed(jnp.array(1.0))
