"""The text of jaxprs is JAX's, letter by letter, for small functions."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp  # noqa: F401  (installs the array methods)

V, M = np.arange(3.0), np.ones((2, 3))
N, B, Z = np.arange(4), np.array([True, False]), np.ones(2, complex)

_CASES: dict[str, Any] = {
    "identity": (lambda j: lambda x: x, 1.0),
    "constant": (lambda j: lambda x: 2.0, 1.0),
    "nothing": (lambda j: lambda: (),),
    "one equation": (lambda j: j.lax.sin, 1.0),
    "two equations": (lambda j: lambda x: j.lax.mul(j.lax.sin(x), 2.0), 1.0),
    "tree": (lambda j: lambda p: {"b": j.lax.add(p["a"][0], p["a"][1]), "a": p["a"][0]}, {"a": (1.0, 2.0)}),
    "unused equation": (lambda j: lambda x: (j.lax.sin(x), j.lax.cos(x))[0], V),
    "operators": (lambda j: lambda x, y: -x + y * x - y / x, V, V),
    "scalars": (lambda j: lambda x: 1 + x * 2 - 3.5, V),
    "scalars of integers": (lambda j: lambda x: 1 + x * 2, N),
    "power": (lambda j: lambda x: (x**2, x**3, x**-1, x**0.5), V),
    "comparison": (lambda j: lambda x, y: (x < y, x >= y, x == y, x != y), V, V),
    "logic": (lambda j: lambda x, y: (x & y, x | y, x ^ y, ~x), B, B),
    "integers": (lambda j: lambda x, y: (x & y, x | y, x ^ y, ~x), N, N),
    "numpy sin": (lambda j: j.numpy.sin, V),
    "exp of square": (lambda j: lambda x: j.numpy.exp(-(x**2)), V),
    "unary functions": (
        lambda j: (
            lambda x: [
                getattr(j.numpy, n)(x) for n in ("cos", "exp", "log", "sqrt", "tanh", "abs", "negative")
            ]
        ),
        V,
    ),
    "sum": (lambda j: lambda x: j.lax.reduce_sum(x, axes=(0,)), M),
    "max": (lambda j: lambda x: j.lax.reduce_max(x, axes=(0, 1)), M),
    "reshape": (lambda j: lambda x: j.lax.reshape(x, (3, 2)), M),
    "transpose": (lambda j: lambda x: j.lax.transpose(x, (1, 0)), M),
    "broadcast": (lambda j: lambda x: j.lax.broadcast_in_dim(x, (2, 3), (1,)), V),
    "squeeze": (lambda j: lambda x: j.lax.squeeze(x, (0,)), M[:1]),
    "expand_dims": (lambda j: lambda x: j.lax.expand_dims(x, (0,)), V),
    "slice": (lambda j: lambda x: j.lax.slice(x, (1,), (3,)), V),
    "slice with strides": (lambda j: lambda x: j.lax.slice(x, (0, 0), (2, 3), (1, 2)), M),
    "pad": (lambda j: lambda x: j.lax.pad(x, 0.0, ((1, 1, 0),)), V),
    "concatenate": (lambda j: lambda x: j.lax.concatenate([x, x], 0), V),
    "rev": (lambda j: lambda x: j.lax.rev(x, (0,)), V),
    "iota": (lambda j: lambda: j.lax.iota("int32", 3),),
    "dot": (lambda j: lambda x, y: j.lax.dot_general(x, y, (((1,), (0,)), ((), ()))), M, M.T),
    "batched dot": (
        lambda j: lambda x, y: j.lax.dot_general(x, y, (((2,), (1,)), ((0,), (0,)))),
        M[None],
        M.T[None],
    ),
    "convert": (lambda j: lambda x: j.lax.convert_element_type(x, np.float32), V),
    "astype": (lambda j: lambda x: x.astype("int32"), V),
    "select": (lambda j: lambda c, x, y: j.lax.select(c, x, y), B, V[:2], V[:2]),
    "clamp": (lambda j: lambda x: j.lax.clamp(0.0, x, 1.0), V),
    "integer_pow": (lambda j: lambda x: j.lax.integer_pow(x, 3), V),
    "argmax": (lambda j: lambda x: j.lax.argmax(x, 0, np.int32), V),
    "complex": (lambda j: lambda x: (j.lax.real(x), j.lax.imag(x), j.lax.conj(x)), Z),
    "float32": (lambda j: lambda x: x * 2 + 1, V.astype("f4")),
    "bool and int8": (lambda j: lambda x, n: (x, n), B, N.astype("i1")),
    "closed-over array": (lambda j: (lambda c: lambda x: j.lax.mul(x, c))(j.numpy.asarray(V)), V),
    "jit": (lambda j: j.jit(lambda x: j.lax.sin(x)), V),
    "named jit": (lambda j: lambda x: j.jit(_named(j))(x), V),
    "jit of the same twice": (
        lambda j: lambda x: j.lax.cos(j.jit(lambda x, y: j.lax.add(j.lax.mul(x, y), x))(x, x)),
        1.0,
    ),
    "jit of a scalar": (lambda j: lambda x: j.jit(lambda x, y: j.lax.mul(x, y))(x, 2.0), 1.0),
    "jit in jit": (lambda j: lambda x: j.lax.cos(j.jit(_twice(j))(j.lax.exp(x))), 1.0),
    "long parameters": (
        lambda j: lambda x: j.jit(lambda x: j.lax.pad(x, 0.0, ((1, 1, 0),) * 6))(x),
        np.ones((1,) * 6),
    ),
    "grad": (lambda j: j.grad(lambda x: j.lax.sin(x)), 1.0),
    "grad of a product": (lambda j: j.grad(lambda x, y: x * y), 1.0, 2.0),
    "vmap": (lambda j: j.vmap(lambda x: j.lax.sin(x) * 2), V),
    "vmap of a dot": (lambda j: j.vmap(lambda x, y: j.lax.dot(x, y)), M, M),
    "jvp": (lambda j: lambda x, t: j.jvp(j.lax.exp, (x,), (t,)), 1.0, 1.0),
    "many variables": (lambda j: lambda x: _chain(j, x, 30), 1.0),
}


def _named(j: Any) -> Any:
    def wave(x: Any) -> Any:
        return j.lax.cos(x)

    return wave


def _twice(j: Any) -> Any:
    inner = j.jit(lambda x, y: j.lax.add(j.lax.mul(x, j.lax.sin(y)), x))
    return lambda x: j.lax.mul(inner(x, x), j.lax.exp(x))


def _chain(j: Any, x: Any, count: int) -> Any:
    for _ in range(count):
        x = j.lax.sin(x)
    return x


@pytest.mark.parametrize("name", _CASES)
@pytest.mark.usefixtures("jax_derivatives")
def test_text(name: str) -> None:
    fun, *args = _CASES[name]
    got, want = (str(j.make_jaxpr(fun(j))(*args)) for j in (jitney, jax))
    assert got == want
