"""Taylor mode beside repeated forward differentiation; check_grads and its kin."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.experimental.jet
import jax.test_util
import numpy as np
import pytest

import jitney
from comparing import assert_same
from jitney import lax, test_util
from jitney import numpy as jnp
from jitney.experimental.jet import jet

X = np.array([0.3, 0.8])
CURVE = [np.array([1.0, -0.5]), np.array([0.3, 0.2]), np.array([0.0, 1.0])]

ELEMENTARY = (
    "exp exp2 expm1 log log1p sqrt sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arctanh square sort cumsum "
    "abs sinc floor"
).split()
PROGRAMS: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(jnp, name) for name in ELEMENTARY},
    "arccosh": lambda x: jnp.arccosh(1 + x),
    "erf": lambda x: lax.erf(x) + lax.erfc(x * x),
    "gamma": lax.lgamma,
    "logistic": lambda x: lax.logistic(x) * lax.rsqrt(x),
    "power": lambda x: x**2.5,
    "x**x": lambda x: x**x,
    "integer powers": lambda x: x**3 + x**-2,
    "quotient": lambda x: jnp.sin(x) / (1 + x * x),
    "matmul": lambda x: jnp.outer(x, x) @ x,
    "where": lambda x: jnp.where(x > 0.5, x**3, jnp.cos(x)),
    "max": lambda x: jnp.max(x * x),
    "indexing": lambda x: x[1] * x[::-1],
    "joining": lambda x: jnp.pad(jnp.concatenate([x, x * x]), 1) * 2.0,
    "prod": jnp.prod,
    "broadcasting": lambda x: x[0] * x + 2.0,
    "constant": lambda x: jnp.arange(3.0),
    "jit": jitney.jit(lambda x: jnp.exp(x) * x),
    "checkpoint": jitney.checkpoint(jnp.sin),
    "scan": lambda x: lax.scan(lambda c, _: (c * jnp.sin(c), c), x, None, length=2)[1],
    "cond": lambda x: lax.cond(x[0] > 0, jnp.sin, jnp.cos, x),
    "while": lambda x: lax.while_loop(lambda s: s[1] < 3, lambda s: (s[0] * s[0], s[1] + 1), (x, 0))[0],
}


def along(f: Callable[[Any], Any], order: int) -> list[Any]:
    """Value and derivatives of ``f`` along the curve, by nested jvp."""
    curve = lambda t: X + sum(c * t**k / math.factorial(k) for k, c in enumerate(CURVE[:order], 1))
    g = lambda t: f(jnp.asarray(curve(t)))
    found = []
    for _ in range(order + 1):
        found.append(np.asarray(g(0.0)))
        g = lambda t, g=g: jitney.jvp(g, (t,), (1.0,))[1]
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_along_a_curve(name: str) -> None:
    f = PROGRAMS[name]
    wanted = along(f, 3)
    for run in (jet, jitney.jit(lambda x, terms: jet(f, (x,), (terms,)))):
        value, terms = run(f, (X,), (CURVE,)) if run is jet else run(X, CURVE)
        for got, want in zip([value, *terms], wanted, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


CASES: list[Callable[[Any, Any, Any], Any]] = [
    lambda jet, lib, jnp: jet(jnp.sin, (1.0,), ((1.0, 0.0, 0.0),)),
    lambda jet, lib, jnp: jet(jnp.sin, (1.0,), ((1.0, 0.0, 0.0),), factorial_scaled=False),
    lambda jet, lib, jnp: jet(lambda x, y: {"a": x * y}, (1.0, 2.0), ((1.0, 0.0), (1.0, 1.0))),
    lambda jet, lib, jnp: jet(jnp.sin, (1.0,), ((),)),
    lambda jet, lib, jnp: jet(lambda x: x.astype(jnp.float32), (1.0,), ((1.0, 2.0),)),
    lambda jet, lib, jnp: jet(lambda x: 3.0, (1.0,), ((1.0, 2.0),)),
    lambda jet, lib, jnp: lib.grad(lambda x: jet(jnp.sin, (x,), ([1.0, 0.0],))[1][1])(0.5),
    lambda jet, lib, jnp: lib.vmap(lambda x: jet(jnp.exp, (x,), ([1.0, 0.0],))[1][1])(jnp.arange(3.0)),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_beside_jax(number: int) -> None:
    got = CASES[number](jet, jitney, jnp)
    assert_same(got, CASES[number](jax.experimental.jet.jet, jax, jax.numpy), weak=False)


def test_misuse() -> None:
    with pytest.raises(ValueError, match="inconsistent lengths"):
        jet(lambda x, y: x * y, (1.0, 2.0), ((1.0, 0.0), (1.0,)))
    with pytest.raises(ValueError, match="position 0"):
        jet(lambda d: d["a"], ({"a": 1.0},), ((1.0,),))
    with pytest.raises(ValueError, match="shape"):
        jet(jnp.sin, (1.0,), ((np.ones(3),),))


# -- test_util ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f, args",
    [
        (jnp.sin, (1.0,)),
        (jnp.sin, (np.float32(1.0),)),
        (jnp.tanh, (0.3 + 0.2j,)),
        (jnp.abs, (1.0 + 2.0j,)),
        (lambda d: d["a"] * d["b"][0] ** 2, ({"a": 1.0, "b": (np.ones(3),)},)),
        (lambda x, n: (x**n, n), (2.0, 3)),
    ],
)
def test_right_derivatives_pass(f: Any, args: Any) -> None:
    test_util.check_grads(f, args, order=2)
    test_util.check_jvp(f, lambda p, t: jitney.jvp(f, p, t), args)
    test_util.check_vjp(f, lambda *xs: jitney.vjp(f, *xs), args)


def wrong(lib: Any) -> Any:
    f = lib.custom_jvp(lib.numpy.sin)
    f.defjvp(lambda p, t: (f(*p), t[0] * 2))
    return f


@pytest.mark.parametrize("modes", ["fwd", ["rev"], ("fwd", "rev")])
def test_wrong_derivatives_are_found(modes: Any) -> None:
    for lib, util in ((jitney, test_util), (jax, jax.test_util)):
        with pytest.raises(
            AssertionError, match="JVP tangent" if modes != ["rev"] else "VJP cotangent projection"
        ):
            util.check_grads(wrong(lib), (1.0,), 1, modes=modes)


def test_wrong_second_derivative_is_found() -> None:
    f = jitney.custom_jvp(jnp.sin)
    slope = jitney.custom_jvp(jnp.cos)
    f.defjvp(lambda p, t: (f(*p), t[0] * slope(*p)))
    slope.defjvp(lambda p, t: (slope(*p), t[0]))
    test_util.check_grads(f, (1.0,), 1)
    with pytest.raises(AssertionError, match="JVP of JVP|VJP of JVP|JVP"):
        test_util.check_grads(f, (1.0,), 2)


def test_wrong_values_and_modes() -> None:
    with pytest.raises(AssertionError, match="here primal"):
        test_util.check_jvp(jnp.sin, lambda p, t: (p[0], t[0]), (1.0,), err_msg="here")
    with pytest.raises(ValueError, match="modes"):
        test_util.check_grads(jnp.sin, (1.0,), 1, modes="forward")
