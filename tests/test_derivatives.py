"""Derivatives: every option of grad, jvp, vjp, linearize, Jacobians and transposes, and the known traps, beside JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.scipy.special
import numpy as np
import pytest

import jitney
import jitney.scipy.special
from comparing import assert_raises_alike, assert_same, raised

float0 = np.dtype(jax.dtypes.float0)
X = np.arange(3.0)
C = X * (1 + 2j)
I = np.arange(3)

# Each gives equal trees, dtypes and tree structures in both libraries, or raises the same class.
OPTIONS = [
    lambda lib: lib.linear_transpose(lambda x: 2 * x, 1.0)(3.0),
    lambda lib: lib.linear_transpose(lambda x: 2 * x, X)(X),
    lambda lib: lib.linear_transpose(
        lambda x, y: {"a": x + 2 * y}, X, lib.ShapeDtypeStruct((3,), lib.numpy.float64)
    )({"a": X}),
    lambda lib: lib.linear_transpose(lambda x: x * 2, 3)(4),
    lambda lib: lib.linear_transpose(lambda x: x.astype(float), 3)(4.0),
    lambda lib: lib.linear_transpose(lambda x: x * 2j, 1j)(1j),
    lambda lib: lib.linear_transpose(lambda x: lib.numpy.sin(x), 1.0)(1.0),
    lambda lib: lib.linear_transpose(lambda x: x + 1, 1.0)(1.0),
    lambda lib: lib.linear_transpose(lambda x: x * 2, 1.0)(X),
    lambda lib: lib.linear_transpose(lambda x: x * 2, 1.0)((1.0,)),
    lambda lib: lib.linear_transpose(lambda x: x * 2, 1.0)(1),
    lambda lib: lib.linear_transpose(lambda x: x * 2, 1.0)(lib.numpy.float32(1)),
    lambda lib: lib.linear_transpose(lambda x: 2.0, 1.0)(1.0),
    lambda lib: lib.linear_transpose(lambda x: (x, x[0]), X)((X, 1.0)),
    lambda lib: lib.linear_transpose(lambda d: d["a"] @ X, {"a": X})(2.0),
    lambda lib: lib.linear_transpose(3, 1.0),
    lambda lib: lib.linear_transpose(lambda x: x > 2, 1.0),
    lambda lib: lib.linear_transpose(lambda x: x, "a"),
    lambda lib: lib.linear_transpose(lib.jit(lambda x: 3 * x), 1.0)(2.0),
    lambda lib: lib.vmap(lib.linear_transpose(lambda x: x @ X, X))(X),
    lambda lib: lib.jit(lib.linear_transpose(lambda x: x * X, X))(X),
    lambda lib: lib.linear_transpose(lambda x: lib.numpy.cumsum(x), X)(X),
    lambda lib: lib.linear_transpose(lambda x: x.real, C)(X),
    lambda lib: lib.linear_transpose(lambda x: x * True, 3)(4),
    lambda lib: lib.grad(lambda x: x**2)(3),
    lambda lib: lib.grad(lambda x: x * 2.0, allow_int=True)(3),
    lambda lib: lib.grad(lambda x, y: x * y, (0, 1), allow_int=True)(3, 2.0),
    lambda lib: lib.grad(lambda x: x, holomorphic=True)(1.0),
    lambda lib: lib.grad(lambda x: x**2, holomorphic=True)(1j + 2),
    lambda lib: lib.grad(lambda x: (x * x.conj()).real)(1 + 2j),
    lambda lib: lib.grad(lambda x: lib.numpy.abs(x) ** 2 * x.real)(1 + 2j),
    lambda lib: lib.grad(lambda x: x**2)(1j),
    lambda lib: lib.grad(lambda x: 1j * x)(1.0),
    lambda lib: lib.grad(lambda x: lib.numpy.real(lib.numpy.exp(1j * x)))(1.0),
    lambda lib: lib.grad(lambda x: x > 1)(1.0),
    lambda lib: lib.grad(lambda x: 3)(1.0),
    lambda lib: lib.grad(lambda x: x)(X),
    lambda lib: lib.grad(lambda x: (x, x))(1.0),
    lambda lib: lib.grad(lambda x: "a")(1.0),
    lambda lib: lib.grad(lambda x: None)(1.0),
    lambda lib: lib.grad(lambda x: x, 1)(1.0),
    lambda lib: lib.grad(lambda x: x, -2)(1.0),
    lambda lib: lib.grad(lambda x, y: x * y, -1)(1.0, 2.0),
    lambda lib: lib.grad(lambda x, y: x * y, (-1, 0))(1.0, 2.0),
    lambda lib: lib.grad(lambda x, y: x * y, [0])(1.0, 2.0),
    lambda lib: lib.grad(lambda x, y: x * y, (0, 0))(1.0, 2.0),
    lambda lib: lib.grad(lambda x, y: x * y, 1.5)(1.0, 2.0),
    lambda lib: lib.grad(lambda x, y=2.0: x * y)(x=1.0),
    lambda lib: lib.grad(lambda x, y=2.0: x * y)(1.0, y=3.0),
    lambda lib: lib.grad(lambda x: (x, 2), has_aux=True)(1.0),
    lambda lib: lib.grad(lambda x: x, has_aux=True)(1.0),
    lambda lib: lib.grad(lambda x: [x, 2], has_aux=True)(1.0),
    lambda lib: lib.grad(lambda x: (x, "a"), has_aux=True)(1.0),
    lambda lib: lib.value_and_grad(lambda x: (x, {"k": x * 2}), has_aux=True)(1.0),
    lambda lib: lib.grad(lambda x: x, reduce_axes=("i",))(1.0),
    lambda lib: lib.grad(lambda x: x[0])([1.0, 2.0]),
    lambda lib: lib.grad(lambda x: x["a"])({"a": 1.0, "b": None}),
    lambda lib: lib.grad(lambda x: x)("a"),
    lambda lib: lib.grad(lambda x: x)(None),
    lambda lib: lib.grad(lambda x: x.astype(lib.numpy.float32))(1.0),
    lambda lib: lib.grad(lambda x: x.astype(int) * 1.0)(1.0),
    lambda lib: lib.grad(lambda x: lib.numpy.float32(x))(lib.numpy.float32(1)),
    lambda lib: lib.value_and_grad(lambda x: x * 2)(np.float32(3)),
    lambda lib: lib.grad(lambda x: x * 2)(np.ones(())),
    lambda lib: lib.grad(lambda x: x * 2)(True),
    lambda lib: lib.jvp(lambda x: x * 2, (1.0,), (1.0,)),
    lambda lib: lib.jvp(lambda x: x * 2, 1.0, 1.0),
    lambda lib: lib.jvp(lambda x: x * 2, (1.0,), (X,)),
    lambda lib: lib.jvp(lambda x: x * 2, (1.0,), (1,)),
    lambda lib: lib.jvp(lambda x: x * 2, (1,), (1,)),
    lambda lib: lib.jvp(lambda x: x * 2, (1,), (np.zeros((), float0),)),
    lambda lib: lib.jvp(lambda x: x * 2, (lib.numpy.float32(1),), (1.0,)),
    lambda lib: lib.jvp(lambda x: x * 2, [1.0], [1.0]),
    lambda lib: lib.jvp(lambda x: x * 2, (1.0,), [1.0]),
    lambda lib: lib.jvp(lambda x: x * 2, (1.0,), (1.0, 2.0)),
    lambda lib: lib.jvp(lambda x: (x * 2, {"a": 3}), (1.0,), (1.0,)),
    lambda lib: lib.jvp(lambda x: (x * 2, {"a": x}), (1.0,), (1.0,), has_aux=True),
    lambda lib: lib.jvp(lambda x: x, (1.0,), (1.0,), has_aux=True),
    lambda lib: lib.jvp(lambda x: x > 1, (1.0,), (1.0,)),
    lambda lib: lib.jvp(lambda x: x * x, (1j,), (1.0,)),
    lambda lib: lib.jvp(lambda x: x * x, (1j,), (1j,)),
    lambda lib: lib.jvp(lambda x: x.real, (1j,), (2 + 1j,)),
    lambda lib: lib.jvp(lambda x: x, ("a",), (1.0,)),
    lambda lib: lib.vjp(lambda x: x * 2, 1.0)[1](1.0),
    lambda lib: lib.vjp(lambda x: x * 2, 1.0)[1](X),
    lambda lib: lib.vjp(lambda x: x * 2, 1.0)[1](1),
    lambda lib: lib.vjp(lambda x: x * 2, 1.0)[1]((1.0,)),
    lambda lib: lib.vjp(lambda x: x * 2, 1)[1](np.zeros((), float0)),
    lambda lib: lib.vjp(lambda x: x * 2, 1)[1](1),
    lambda lib: lib.vjp(lambda x: x * 2.0, 1)[1](1.0),
    lambda lib: lib.vjp(lambda x: (x, 3), 1.0)[1]((1.0, np.zeros((), float0))),
    lambda lib: lib.vjp(lambda x: (x, 3), 1.0)[1]((1.0, 0)),
    lambda lib: lib.vjp(lambda x: (x, {"k": x * 2}), 1.0, has_aux=True)[2],
    lambda lib: lib.vjp(lambda x: x, 1.0, has_aux=True),
    lambda lib: lib.vjp(lambda x: x * x, 1 + 2j)[1](1.0),
    lambda lib: lib.vjp(lambda x: x * x, 1 + 2j)[1](1j),
    lambda lib: lib.vjp(lambda x: x.real, 1 + 2j)[1](1.0),
    lambda lib: lib.vjp(lambda x: x * 1j, 1.0)[1](1j + 1),
    lambda lib: lib.vjp(lambda d: d["a"], {"a": 1.0, "b": 2.0})[1](1.0),
    lambda lib: lib.vjp(lambda x, y: x, 1.0, 2.0)[1](1.0),
    lambda lib: lib.vjp(lambda: 1.0)[1](1.0),
    lambda lib: lib.vjp(lambda x: x, "a"),
    lambda lib: lib.vjp(lambda x: x * 2, lib.numpy.float32(1))[1](1.0),
    lambda lib: lib.vjp(lambda x: x * 2, 1.0)[1](lib.numpy.float32(1)),
    lambda lib: lib.vjp(lambda x: x * 2, 1.0)[1](),
    lambda lib: lib.vjp(lambda x: x * 2, 1.0)[1](1.0, 2.0),
    lambda lib: lib.vjp(lambda x: x, 1.0)[1](np.float64(3)),
    lambda lib: lib.vjp(lambda x: (), 1.0)[1](()),
    lambda lib: lib.vjp(lambda x: x * 2, 1.0)[1](None),
    lambda lib: lib.linearize(lambda x: x * 2, 1.0)[1](3.0),
    lambda lib: lib.linearize(lambda x: x * 2, 1.0)[1](X),
    lambda lib: lib.linearize(lambda x: x * 2, 1.0)[1](1),
    lambda lib: lib.linearize(lambda x: (x * 2, 3), 1.0)[1](1.0),
    lambda lib: lib.linearize(lambda x: x * 2, 1.0)[1]((1.0,)),
    lambda lib: lib.linearize(lambda x: x * 2, 1)[1](1),
    lambda lib: lib.linearize(lambda x: x * 2, 1)[1](np.zeros((), float0)),
    lambda lib: lib.linearize(lambda x: (x * 2, x), 1.0, has_aux=True)[2],
    lambda lib: lib.linearize(lambda x, y: x * y, 1.0, 2.0)[1](1.0),
    lambda lib: lib.linearize(lambda x: 3.0, 1.0)[1](1.0),
    lambda lib: lib.linearize(lambda x: x * x, 1j)[1](1.0),
    lambda lib: lib.linearize(lambda x: x * x, 1j)[1](1j),
    lambda lib: lib.linearize(lambda x: x, "a"),
    lambda lib: lib.jacfwd(lambda x: x**2)(X),
    lambda lib: lib.jacrev(lambda x: x**2)(X),
    lambda lib: lib.jacrev(lambda x: x**2)(I),
    lambda lib: lib.jacfwd(lambda x: x**2)(I),
    lambda lib: lib.jacrev(lambda x: x**2.0, allow_int=True)(I),
    lambda lib: lib.jacrev(lambda x, y: x * y, (0, 1), allow_int=True)(I, X),
    lambda lib: lib.jacfwd(lambda x: x**2)(C),
    lambda lib: lib.jacrev(lambda x: x**2)(C),
    lambda lib: lib.jacfwd(lambda x: x**2, holomorphic=True)(C),
    lambda lib: lib.jacrev(lambda x: x**2, holomorphic=True)(C),
    lambda lib: lib.jacrev(lambda x: x.real)(C),
    lambda lib: lib.jacfwd(lambda x: x * 1j)(X),
    lambda lib: lib.jacrev(lambda x: x * 1j)(X),
    lambda lib: lib.jacfwd(lambda x: {"a": x["u"] * x["v"], "b": x["v"]})({"u": 1.0, "v": X}),
    lambda lib: lib.jacrev(lambda x: {"a": x["u"] * x["v"], "b": x["v"]})({"u": 1.0, "v": X}),
    lambda lib: lib.jacfwd(lambda x: (x, x * 3), has_aux=True)(X),
    lambda lib: lib.jacrev(lambda x: (x, x * 3), has_aux=True)(X),
    lambda lib: lib.jacfwd(lambda x, y: x * y, (0, 1))(X, 2.0),
    lambda lib: lib.jacrev(lambda x, y: x * y, (0,))(X, 2.0),
    lambda lib: lib.jacfwd(lambda x: 3)(1.0),
    lambda lib: lib.jacrev(lambda x: 3)(1.0),
    lambda lib: lib.jacfwd(lambda x: 3.0)(X),
    lambda lib: lib.hessian(lambda x: lib.numpy.sum(x**3))(X),
    lambda lib: lib.hessian(lambda x, y: lib.numpy.sum(x**3) * y, (0, 1))(X, 2.0),
    lambda lib: lib.hessian(lambda x: (lib.numpy.sum(x**3), x), has_aux=True)(X),
    lambda lib: lib.hessian(lambda x: x**3, holomorphic=True)(1j),
    lambda lib: lib.hessian(lambda x: x**3)(1),
    lambda lib: lib.jacfwd(lambda x: x)(lib.numpy.float32(1)),
    lambda lib: lib.jacfwd(lambda x: x)(X.astype(lib.numpy.float32)),
    lambda lib: lib.jacrev(lambda x: x.astype(lib.numpy.float32))(X),
    lambda lib: lib.jacfwd(lambda x: x.astype(lib.numpy.float32))(X),
    lambda lib: lib.jacfwd(lambda x, y: x * y, 1)(1.0),
    lambda lib: lib.jacrev(lambda x, y: x * y, (0, 1))(lib.numpy.float32(2), lib.numpy.float16(1)),
    lambda lib: lib.jacfwd(lambda x, y: x * y, (0, 1))(lib.numpy.float32(2), lib.numpy.float16(1)),
    lambda lib: lib.jacrev(lambda x: x, has_aux=True)(1.0),
]


@pytest.mark.parametrize("number", range(len(OPTIONS)))
def test_option(number: int) -> None:
    case = OPTIONS[number]
    if raised(case, jax) is not None:
        assert_raises_alike(case)
        return
    got, want = case(jitney), case(jax)
    assert_same(got, want, weak=False)
    ours = jitney.tree.structure(jitney.tree.map(lambda _: 0, got))
    assert ours == jitney.tree.structure(jitney.tree.map(lambda _: 0, want))


def test_product_of_linear_values_has_no_transpose() -> None:
    with pytest.raises(NotImplementedError, match="not linear"):
        jitney.linear_transpose(lambda x: x * x, 1.0)(1.0)


# -- complex functions: JAX's conventions ---------------------------------------------------------------

COMPLEX = {
    "modulus": lambda lib, z: lib.numpy.abs(z),
    "square": lambda lib, z: lib.numpy.real(z * z),
    "imaginary": lambda lib, z: lib.numpy.imag(lib.numpy.exp(z)),
    "conjugate": lambda lib, z: lib.numpy.real(z.conj() ** 3 * z),
    "angle": lambda lib, z: lib.numpy.angle(z),
    "mixed": lambda lib, z: z.real**2 * z.imag + lib.numpy.real(lib.numpy.sin(z) / (1 + z)),
    "quotient": lambda lib, z: lib.numpy.real(1 / z),
    "roots": lambda lib, z: lib.numpy.imag(lib.numpy.sqrt(z) * lib.numpy.log(z)),
    "power": lambda lib, z: lib.numpy.real(z**2.5),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex(name: str) -> None:
    def run(lib: Any) -> list[Any]:
        f = lambda z: COMPLEX[name](lib, z)
        z, t = lib.numpy.asarray(0.7 - 1.3j), lib.numpy.asarray(0.3 + 0.2j)
        return [
            lib.grad(f)(z),
            lib.jit(lib.grad(f))(z),
            lib.jvp(f, (z,), (t,)),
            lib.vjp(f, z)[1](lib.numpy.float64(2.0)),
            lib.jvp(lib.grad(f), (z,), (t,)),
            lib.grad(lambda x: f(x + 1j))(0.5),
        ]

    assert_same(run(jitney), run(jax), 1e-11, weak=False)


@pytest.mark.parametrize("name", ["exp", "sin", "tanh", "log", "sqrt", "square"])
def test_holomorphic(name: str) -> None:
    def run(lib: Any) -> list[Any]:
        f = getattr(lib.numpy, name)
        z = lib.numpy.array([0.7 - 1.3j, 1.1 + 0.4j])
        return [
            lib.vmap(lib.grad(f, holomorphic=True))(z),
            lib.jacfwd(f, holomorphic=True)(z),
            lib.hessian(lambda z: lib.numpy.sum(f(z)), holomorphic=True)(z),
        ]

    assert_same(run(jitney), run(jax), 1e-11, weak=False)


# -- places where derivatives go wrong ------------------------------------------------------------------

Case = tuple[Callable[..., Any], tuple]


def traps(lib: Any) -> dict[str, Case]:
    jnp, lax, special = lib.numpy, lib.lax, lib.scipy.special
    x, inf = jnp.array([0.0, -1.0, 4.0]), jnp.inf
    total = lambda f: lambda *xs: jnp.sum(f(*xs))
    weighted = lambda f: lambda x: jnp.sum(f(x) * jnp.arange(1.0, 4.0))
    cases: dict[str, Case] = {
        "guarded sqrt": (total(lambda x: jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0)), (x,)),
        "unguarded sqrt": (total(lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0)), (x,)),
        "guarded x log x": (lambda x: jnp.where(x == 0, 0.0, x * jnp.log(jnp.where(x == 0, 1.0, x))), (0.0,)),
        "logsumexp": (special.logsumexp, (jnp.array([-inf, 0.0, 1.0]),)),
        "logsumexp inf": (special.logsumexp, (jnp.array([inf, 1.0]),)),
        "logaddexp": (jnp.logaddexp, (-inf, 1.0)),
        "logaddexp inf": (jnp.logaddexp, (inf, inf)),
        "softplus": (lambda x: jnp.logaddexp(x, 0.0), (800.0,)),
        "logistic": (lax.logistic, (-800.0,)),
        "abs": (total(jnp.abs), (x,)),
        "sinc": (total(jnp.sinc), (x,)),
        "arctan2": (jnp.arctan2, (0.0, 0.0)),
        "arctan2 left": (jnp.arctan2, (0.0, -1.0)),
        "hypot": (jnp.hypot, (0.0, 0.0)),
        "xlogy": (special.xlogy, (0.0, 2.0)),
        "max": (jnp.max, (jnp.array([1.0, 2.0, 2.0]),)),
        "min": (jnp.min, (jnp.array([1.0, 1.0, 2.0]),)),
        "max of abs": (lambda x: jnp.max(jnp.abs(x)), (jnp.zeros(2),)),
        "maximum": (jnp.maximum, (1.0, 1.0)),
        "clip": (total(lambda x: jnp.clip(x, 0.0, 4.0)), (x,)),
        "sort": (weighted(jnp.sort), (jnp.array([2.0, 2.0, 1.0]),)),
        "median": (jnp.median, (jnp.array([1.0, 1.0, 3.0, 2.0]),)),
        "cumsum": (total(lambda x: jnp.cumsum(x) ** 2), (x,)),
        "cumprod": (weighted(jnp.cumprod), (x,)),
        "cummax": (weighted(lax.cummax), (jnp.array([1.0, 1.0, 0.0]),)),
        "prod": (jnp.prod, (jnp.array([0.0, 2.0, 3.0]),)),
        "prod of zeros": (jnp.prod, (jnp.array([0.0, 0.0, 3.0]),)),
        "sqrt": (jnp.sqrt, (0.0,)),
        "cbrt": (jnp.cbrt, (0.0,)),
        "std": (jnp.std, (jnp.ones(3),)),
        "mod": (jnp.mod, (5.0, 3.0)),
        "ldexp": (lambda x: jnp.ldexp(x, 3), (2.0,)),
        "copysign": (jnp.copysign, (0.0, -1.0)),
        "0 / 0": (lambda x, y: x / y, (0.0, 0.0)),
    }
    for base in (0.0, 2.0, -2.0):
        for exponent in (0.0, 1.0, 2.0, 0.5, -1.0):
            cases[f"{base}**{exponent}"] = (lambda x, y: x**y, (base, exponent))
    for n in (0, 1, 2, -1):
        cases[f"x**{n}"] = (total(lambda x, n=n: x**n), (x,))
        cases[f"x**array({n})"] = (total(lambda x, n=n: jnp.power(x, jnp.array(n))), (x,))
        cases[f"{n}**x"] = (total(lambda x, n=n: abs(n) ** x), (x,))
    return cases


@pytest.mark.parametrize("name", traps(jitney))
@pytest.mark.usefixtures("jax_derivatives")
def test_trap(name: str) -> None:
    def run(lib: Any) -> list[Any]:
        f, args = traps(lib)[name]
        args = tuple(lib.numpy.asarray(x) for x in args)
        numbers = tuple(range(len(args)))
        gradient = lib.grad(f, numbers)
        ones = tuple(lib.numpy.ones_like(x) for x in args)
        return [f(*args), gradient(*args), lib.jit(gradient)(*args), lib.jvp(gradient, args, ones)[1]]

    assert_same(run(jitney), run(jax), weak=False)


def test_sinc_at_zero_to_the_sixth_order() -> None:
    f: Any = jitney.numpy.sinc
    for order in range(1, 7):
        f = jitney.grad(f)
        want = 0.0 if order % 2 else (-1) ** (order // 2) * np.pi**order / (order + 1)
        np.testing.assert_allclose(float(f(0.0)), want, rtol=1e-14)


# -- higher orders ----------------------------------------------------------------------------------------

HIGHER: dict[str, Callable[[Any, Any], Any]] = {
    "exp(sin)": lambda jnp, x: jnp.exp(jnp.sin(x)),
    "x**x": lambda jnp, x: x**x,
    "tanh": lambda jnp, x: jnp.tanh(x * x),
    "arctan": lambda jnp, x: jnp.arctan(x) / (1 + x),
    "sqrt": lambda jnp, x: jnp.sqrt(x + x**3),
    "log1p": lambda jnp, x: jnp.log1p(x) * jnp.expm1(x),
    "sinh": lambda jnp, x: jnp.sinh(x) - jnp.arcsinh(x),
    "rational": lambda jnp, x: (x**2 - 3) / (x**4 + 1),
    "where": lambda jnp, x: jnp.where(x > 0.5, x**3, jnp.cos(x)),
    "norm": lambda jnp, x: jnp.sqrt(jnp.sum(jnp.stack([x, x**2, jnp.sin(x)]) ** 2)),
    "matmul": lambda jnp, x: jnp.sum(
        jnp.outer(jnp.stack([x, x * x]), jnp.arange(2.0) + x) @ jnp.stack([x, 1.0])
    ),
    "cumprod": lambda jnp, x: jnp.sum(jnp.cumprod(jnp.stack([x, x + 1, jnp.cos(x)]))),
    "power": lambda jnp, x: (1 + x) ** 2.5 * 2.0**x,
    "exp2": lambda jnp, x: jnp.exp2(x) * jnp.log2(1 + x),
    "arcs": lambda jnp, x: jnp.arcsin(x) * jnp.arccos(x) + jnp.arctanh(x) ** 2,
}


@pytest.mark.parametrize("name", HIGHER)
def test_higher_derivatives(name: str) -> None:
    def run(lib: Any) -> list[Any]:
        f = lambda x: HIGHER[name](lib.numpy, x)
        grad, jvp = lib.grad, lambda f: lambda x: lib.jvp(f, (x,), (1.0,))[1]
        x = 0.7
        return [
            f(x),
            grad(grad(f))(x),
            grad(grad(grad(f)))(x),
            jvp(grad(jvp(f)))(x),
            lib.jit(grad(jvp(grad(f))))(x),
        ]

    assert_same(run(jitney), run(jax), 1e-10, weak=False)


def test_sums_of_exponentials_have_second_derivatives_where_the_operands_are_equal() -> None:
    """Of logaddexp(x, 0), the logistic function's derivatives; JAX's of both functions."""
    softplus = lambda x: jitney.numpy.logaddexp(x, 0.0)
    got = [float(jitney.grad(softplus)(0.0))]
    got.append(float(jitney.grad(jitney.grad(softplus))(0.0)))
    got.append(float(jitney.grad(jitney.grad(jitney.grad(jitney.grad(softplus))))(0.0)))
    np.testing.assert_allclose(got, [1 / 2, 1 / 4, -1 / 8], rtol=1e-14)
    x = np.array([0.0, 0.5, -1.0, 40.0])
    for name in ("logaddexp", "logaddexp2"):
        ours, theirs = (
            lib.hessian(lambda x, f=getattr(lib.numpy, name): f(x, 2 * x[::-1]).sum())(x)
            for lib in (jitney, jax)
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_results_are_arrays_while_another_function_is_traced() -> None:
    def f(x: Any) -> Any:
        slope = jitney.grad(lambda y: y)(x)
        value, pullback = jitney.vjp(lambda y: 3.0, x)
        assert (slope.shape, slope.dtype, value.shape) == ((), np.float64, ())
        return slope * pullback(1.0)[0].astype(float)

    assert float(jitney.jit(f)(2.0)) == 0.0

    @jitney.custom_vjp
    def g(x: Any) -> Any:
        return x

    g.defvjp(lambda x: (x, None), lambda _, ct: (ct.reshape(()) * 2,))
    assert float(jitney.grad(g)(1.0)) == 2.0
    assert float(jitney.jit(jitney.grad(g))(1.0)) == 2.0
