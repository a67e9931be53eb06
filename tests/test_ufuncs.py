"""``ufunc`` objects and their methods, narrow dtypes, tokens and other small names, against JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jjnp
import ml_dtypes
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from comparing import assert_same

X = np.arange(12).reshape(3, 4) - 5
UFUNCS = "add multiply subtract maximum minimum logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor"
FLOATS = "add multiply subtract maximum logaddexp logaddexp2"
CALLS: list[tuple[str, Any]] = [
    ("reduce", lambda u: u.reduce(X)),
    ("reduce all", lambda u: u.reduce(X, axis=None)),
    ("reduce, kept", lambda u: u.reduce(X, axis=1, keepdims=True)),
    ("reduce, from", lambda u: u.reduce(X, axis=1, initial=1)),
    ("reduce, where", lambda u: u.reduce(X, where=X % 2 == 0, initial=1)),
    ("accumulate", lambda u: u.accumulate(X, axis=1)),
    ("outer", lambda u: u.outer(X[0], X[1])),
    ("at", lambda u: u.at(X, np.array([0, 0, 2]), 3, inplace=False)),
]


@pytest.mark.parametrize("call", [c for _, c in CALLS], ids=[n for n, _ in CALLS])
@pytest.mark.parametrize("name", UFUNCS.split())
def test_methods(name: str, call: Any) -> None:
    x = X if name.startswith("bitwise") or name.startswith("logical") else X.astype(float)
    try:
        want = call(getattr(jjnp, name))
    except (TypeError, ValueError, NotImplementedError) as error:
        with pytest.raises(type(error)):
            call(getattr(jnp, name))
        return
    assert_same(call(getattr(jnp, name)), want, 1e-12, False, f"{name} {x.dtype}")


@pytest.mark.parametrize("name", FLOATS.split())
def test_methods_of_floats_compile_and_differentiate(name: str) -> None:
    x = np.linspace(-1, 2, 12).reshape(3, 4)
    for call in (lambda u, x: u.reduce(x, axis=1), lambda u, x: u.accumulate(x)):
        ours, theirs = getattr(jnp, name), getattr(jjnp, name)
        got = jitney.jit(jitney.grad(lambda x, call=call, u=ours: jnp.sum(jnp.sin(call(u, x)))))(x)
        want = jax.grad(lambda x, call=call, u=theirs: jjnp.sum(jjnp.sin(call(u, x))))(x)
        assert_same(got, want, 1e-10, False, name)


def test_reduceat_is_that_of_numpy() -> None:
    x, places = np.arange(24.0).reshape(2, 12), np.array([0, 4, 2, 7])
    for name in ("add", "multiply", "maximum", "subtract"):
        want = getattr(np, name).reduceat(x, places, axis=1)
        assert_same(getattr(jnp, name).reduceat(x, places, axis=1), want, 1e-12, False, name)


def test_frompyfunc() -> None:
    for j in (jnp, jjnp):
        f = j.frompyfunc(lambda x, y: x + 2 * y, 2, 1, identity=0)
        assert isinstance(f, j.ufunc) and isinstance(j.add, j.ufunc) and not isinstance(j.sin, j.ufunc)
        assert (f.nin, f.nout, f.nargs, f.identity) == (2, 1, 2, 0)
        assert f(np.arange(3), np.ones((2, 1))).shape == (2, 3)
        assert f.reduce(np.arange(4)).tolist() == 12 and f.outer(np.arange(2), np.arange(2)).tolist() == [
            [0, 2],
            [1, 3],
        ]
        assert f.accumulate(np.arange(4)).tolist() == [0, 2, 6, 12]
        assert f.at(np.zeros(3), np.array([0, 0, 1]), 1.0, inplace=False).tolist() == [4, 2, 0]
        assert [y.tolist() for y in j.frompyfunc(lambda x: (x, x + 1), 1, 2)(np.arange(2))] == [
            [0, 1],
            [1, 2],
        ]
    for bad in (
        lambda: jnp.negative.reduce(X),
        lambda: jnp.subtract.reduce(np.zeros((0, 2))),
        lambda: jnp.subtract.reduce(X, where=X > 0),
    ):
        with pytest.raises(ValueError):
            bad()
    for unsupported in (
        lambda: jnp.add(X, X, out=X),
        lambda: jnp.negative(X, where=X > 0),
        lambda: jnp.add.at(X, 0, 1),
        lambda: jnp.add.reduce(X, out=X),
    ):
        with pytest.raises(NotImplementedError):
            unsupported()
    with pytest.raises(TypeError, match="needs a function"):
        jnp.frompyfunc(3, 1, 1)


FLOAT_NAMES = (
    "float4_e2m1fn float8_e3m4 float8_e4m3 float8_e4m3fn float8_e5m2 float8_e4m3b11fnuz float8_e4m3fnuz float8_e5m2fnuz"
).split()
INTEGER_NAMES = "int2 int4 uint2 uint4".split()


@pytest.mark.parametrize("name", [*FLOAT_NAMES, *INTEGER_NAMES])
def test_narrow_dtypes(name: str) -> None:
    dtype = np.dtype(getattr(ml_dtypes, name))
    x = jnp.array([1, 0, 1]).astype(name)
    assert x.dtype == dtype == getattr(jnp, name).dtype and (x + 1).dtype == dtype
    assert jnp.concatenate([x, x])[1:4].astype(float).tolist() == [0, 1, 1]
    assert jitney.jit(lambda x: x * x)(x).astype(float).tolist() == [1, 0, 1]
    assert jnp.issubdtype(dtype, jnp.floating) == name.startswith("float")
    assert jnp.issubdtype(dtype, jnp.integer) == ("int" in name)
    assert jitney.dtypes.itemsize_bits(name) == jax.dtypes.itemsize_bits(name)
    limits = jnp.finfo if name.startswith("float") else jnp.iinfo
    assert limits(dtype).max == (jjnp.finfo if name.startswith("float") else jjnp.iinfo)(dtype).max
    with pytest.raises(jitney.dtypes.TypePromotionError):
        x + jnp.ones(3, jnp.float32 if name.startswith("float") else jnp.int8)


def test_dtype_functions() -> None:
    for j in (jitney, jax):
        assert j.dtypes.scalar_type_of(np.float32(1)) is float and j.dtypes.scalar_type_of(True) is bool
        assert j.dtypes.issubdtype(np.int32, np.integer) and j.dtypes.finfo("float32").bits == 32
        with pytest.raises(TypeError):
            j.dtypes.scalar_type_of("x")
        with pytest.raises(ValueError):
            j.dtypes.canonicalize_dtype(j.random.key(0).dtype)
        assert j.dtypes.canonicalize_dtype(j.random.key(0).dtype, True) == j.random.key(0).dtype


def test_total_order() -> None:
    a = np.array([0.0, -0.0, np.nan, -np.inf, np.inf, 1.0, -1.0, 5e-324])
    x, y = np.meshgrid(a, a)
    for name in ("eq_to_p", "lt_to_p", "le_to_p"):
        for dtype in ("f8", "f4", "i4"):
            with np.errstate(all="ignore"):
                u, v = x.astype(dtype), y.astype(dtype)
            got = getattr(jitney.lax, name).bind(jnp.array(u), jnp.array(v))
            assert_same(
                got, getattr(jax.lax, name).bind(jjnp.array(u), jjnp.array(v)), 0, False, f"{name} {dtype}"
            )


def test_marks() -> None:
    lax = jitney.lax
    scaled = lax.composite(lambda x, *, by: x * by, "my.scaled", version=2)
    assert float(jitney.jit(jitney.grad(lambda x: scaled(x, by=3)))(1.0)) == 3
    token = lax.after_all(lax.create_token(), lax.create_token())
    assert isinstance(jitney.jit(lambda t: t)(token), jitney.extend.core.Token)
    with pytest.raises(TypeError, match="not a token"):
        lax.after_all(1.0)
    with pytest.raises(ValueError, match="unexpected `to`"):
        lax.pcast(1.0, "i", to="else")
    assert lax.mul(np.int8(100), np.int8(100), out_dtype=np.int32).dtype == np.int32
    with pytest.raises(NotImplementedError, match="device_put"):
        lax.device_put_p.bind(1.0)
    with pytest.raises(NotImplementedError, match="group_offset"):
        lax.ragged_dot(np.ones((2, 2)), np.ones((1, 2, 2)), np.array([2]), group_offset=np.array([0]))
    for j in (jitney, jax):
        presets = j.lax.DotAlgorithmPreset
        assert [p.name for p in presets][:3] == [
            "DEFAULT",
            "ANY_F8_ANY_F8_F32",
            "ANY_F8_ANY_F8_F32_FAST_ACCUM",
        ]
        assert presets.BF16_BF16_F32.accumulation_type is np.float32
        assert presets.F16_F16_F16.supported_lhs_types == (np.float16,)
        with pytest.raises(ValueError):
            j.lax.Tolerance(atol=-1.0)


def test_lax_dot_is_general() -> None:
    x, y = np.arange(24.0).reshape(2, 3, 4), np.arange(8.0).reshape(2, 4)
    numbers = (((2,), (1,)), ((0,), (0,)))
    assert_same(
        jitney.lax.dot(x, y, dimension_numbers=numbers),
        jax.lax.dot(x, y, dimension_numbers=numbers),
        1e-12,
        False,
        "",
    )
    with pytest.raises(ValueError, match="dimension_numbers"):
        jitney.lax.dot(x, y)
