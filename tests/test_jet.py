"""Taylor mode beside repeated forward differentiation and beside JAX."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.experimental.jet
import numpy as np
import pytest

import jitney
from comparing import assert_same
from jitney import lax, test_util
from jitney import numpy as jnp
from jitney.experimental.jet import jet

X = np.array([0.3, 0.8])
CURVE = [np.array([1.0, -0.5]), np.array([0.3, 0.2]), np.array([0.0, 1.0]), np.array([-0.4, 0.0])]
ORDER = len(CURVE)

ELEMENTARY = (
    "exp exp2 expm1 log log1p sqrt cbrt sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arctanh square sort "
    "cumsum cumprod abs sinc floor sign negative prod max min fft"
).split()


def matrix(x: Any) -> Any:
    """A symmetric positive definite matrix."""
    return jnp.outer(x, x) + jnp.diag(1.0 + x)


@jitney.custom_jvp
def with_a_rule(x: Any) -> Any:
    return jnp.sin(x)


with_a_rule.defjvp(lambda primals, tangents: (with_a_rule(*primals), tangents[0] * jnp.cos(primals[0])))


def collatz(x: Any) -> Any:
    """A loop whose condition depends on the values."""
    return lax.while_loop(lambda s: jnp.sum(s[0]) < 20.0, lambda s: (s[0] * s[1] + 1.0, s[1]), (x, 2.0 + x))[
        0
    ]


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(jnp, name) for name in ELEMENTARY if name != "fft"},
    "arccosh": lambda x: jnp.arccosh(1 + x),
    "arctan2": lambda x: jnp.arctan2(x, 1 - x[::-1]),
    "erf": lambda x: lax.erf(x) + lax.erfc(x * x) * lax.erf_inv(x),
    "gamma": lambda x: lax.lgamma(x) * lax.digamma(x),
    "bessel": lambda x: lax.bessel_i0e(x),
    "logistic": lambda x: lax.logistic(x) * lax.rsqrt(x),
    "power": lambda x: x**2.5,
    "x**x": lambda x: x**x,
    "integer powers": lambda x: x**3 + x**-2 + x**0 + x**7,
    "quotient": lambda x: jnp.sin(x) / (1 + x * x) + 2.0 / x + x / 3.0,
    "remainder": lambda x: (5 * x) % (0.7 * x),
    "matmul": lambda x: jnp.outer(x, x) @ x + np.eye(2) @ x,
    "contraction": lambda x: jnp.einsum("ij,jk->ik", jnp.outer(x, x), matrix(x)),
    "where": lambda x: jnp.where(x > 0.5, x**3, jnp.cos(x)),
    "clip": lambda x: jnp.clip(x * x, 0.2, 0.3) + jnp.maximum(x, 0.5) - jnp.minimum(x, x[::-1]),
    "indexing": lambda x: x[1] * x[::-1],
    "gather": lambda x: (
        x[jnp.array([1, 0, 5])] + jnp.take(x * x, jnp.array([0, 1, 9]), mode="fill", fill_value=0)
    ),
    "updates": lambda x: jnp.zeros(3).at[0].set(x[0]).at[1].add(x[1]).at[:2].multiply(x),
    "slices": lambda x: lax.dynamic_update_slice(x * x, lax.dynamic_slice(x, (1,), (1,)), (0,)),
    "joining": lambda x: jnp.pad(jnp.concatenate([x, x * x]), 1, constant_values=3.0) * 2.0,
    "splitting": lambda x: jnp.split(x * x, 2)[0] * jnp.stack([x, x])[1],
    "broadcasting": lambda x: x[0] * x + 2.0 - x[1] + x[:, None],
    "mean and softmax": lambda x: jnp.mean(x) * jnp.exp(x) / jnp.sum(jnp.exp(x)),
    "complex": lambda x: jnp.abs(jnp.exp(1j * x) + x) + jnp.real(jnp.conj(x * 1j) * jnp.sqrt(x + 2j)),
    "float32": lambda x: jnp.sin(x.astype(jnp.float32)).astype(jnp.float64),
    "integers": lambda x: x * (x * 3).astype(int) + jnp.argmax(x),
    "constant": lambda x: jnp.arange(3.0),
    "no gradient": lambda x: lax.stop_gradient(x) * x,
    "solve": lambda x: jnp.linalg.solve(matrix(x), x * x),
    "solve transposed": lambda x: lax.linalg.triangular_solve(
        matrix(x), jnp.outer(x, x), left_side=False, lower=True, transpose_a=True, unit_diagonal=True
    ),
    "cholesky": lambda x: jnp.linalg.cholesky(matrix(x)),
    "determinant": lambda x: jnp.linalg.det(matrix(x)),
    "eigenvalues": lambda x: jnp.linalg.eigvalsh(matrix(x)),
    "jit": jitney.jit(lambda x: jnp.exp(x) * x),
    "checkpoint": jitney.checkpoint(lambda x: jnp.sin(x) * x),
    "custom_jvp": with_a_rule,
    "custom_jvp in jit": jitney.jit(lambda x: with_a_rule(x * x)),
    "scan": lambda x: lax.scan(lambda c, _: (c * jnp.sin(c), c), x, None, length=2)[1],
    "scan over it": lambda x: lax.scan(
        lambda c, y: (c + y * x, c * y), 0.0 * x, jnp.stack([x, x * x]), reverse=True
    ),
    "scan from a constant": lambda x: lax.scan(lambda c, y: (c[::-1], c[0] * y), np.ones(2), x),
    "spreading carries": lambda x: lax.scan(
        lambda c, _: ((c[1], c[2], x), c[0]), (x * 0, x * 0, 0 * x), None, 4
    ),
    "cond": lambda x: lax.cond(x[0] > 0, jnp.sin, jnp.cos, x),
    "cond with a constant": lambda x: lax.cond(x[0] > 0, lambda x: (x * x, x), lambda x: (np.ones(2), x), x),
    "switch": lambda x: lax.switch(1, [jnp.sin, jnp.cos, jnp.tan], x),
    "while": collatz,
    "fori_loop": lambda x: lax.fori_loop(0, 3, lambda i, s: s * x + i, x),
    "linear solve": lambda x: lax.custom_linear_solve(
        lambda v: matrix(x) @ v, x, lambda _, b: jnp.linalg.solve(matrix(x), b), symmetric=True
    ),
    "derivative": lambda x: jitney.grad(lambda y: jnp.sum(jnp.sin(y) * x * y))(x * x),
    "derivative of a loop": jitney.grad(
        lambda x: jnp.sum(lax.scan(lambda c, _: (c * jnp.sin(c), None), x, None, 2)[0])
    ),
    "batch": lambda x: jitney.vmap(lambda y: jnp.sin(y) * x)(x),
}


def along(f: Callable[[Any], Any], order: int) -> list[Any]:
    """Value and derivatives of ``f`` along the curve, by nested jvp; leaves of each."""
    curve = lambda t: X + sum(c * t**k / math.factorial(k) for k, c in enumerate(CURVE[:order], 1))
    g = lambda t: jitney.tree.leaves(f(jnp.asarray(curve(t))))
    found = []
    for _ in range(order + 1):
        found.append(g(0.0))
        g = lambda t, g=g: jitney.jvp(g, (t,), (1.0,))[1]
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_along_a_curve(name: str) -> None:
    f = PROGRAMS[name]
    wanted = along(f, ORDER)
    tolerance = 1e-4 if name == "float32" else 1e-9
    run = lambda x, terms: jet(f, (x,), (terms,))
    for way in [run] if name in ELEMENTARY else [run, jitney.jit(run)]:
        value, terms = way(X, CURVE)
        leaves = jitney.tree.leaves(value)
        found = jitney.tree.leaves(terms)
        assert len(found) == ORDER * len(leaves)
        for n, y in enumerate(leaves):
            column = [y, *found[n * ORDER : (n + 1) * ORDER]]
            for k, (got, want) in enumerate(zip(column, wanted, strict=True)):
                scale = max(1.0, float(np.max(np.abs(want[n]))))
                np.testing.assert_allclose(
                    got, want[n], rtol=tolerance, atol=tolerance * scale, err_msg=f"term {k}"
                )
                assert got.shape == y.shape and got.dtype == y.dtype


CASES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "sin": lambda jet, lib, jnp: jet(jnp.sin, (1.0,), ((1.0, 0.0, 0.0),)),
    "coefficients": lambda jet, lib, jnp: jet(jnp.exp, (0.5,), ((1.0, 1.0, 1.0),), factorial_scaled=False),
    "two arguments": lambda jet, lib, jnp: jet(
        lambda x, y: {"a": x * y}, (1.0, 2.0), ((1.0, 0.0), (1.0, 1.0))
    ),
    "no terms": lambda jet, lib, jnp: jet(jnp.sin, (1.0,), ((),)),
    "lists": lambda jet, lib, jnp: jet(jnp.sin, [1.0], [[1.0, 0.0]]),
    "an array of terms": lambda jet, lib, jnp: jet(jnp.sin, (1.0,), (np.array([1.0, 0.5]),)),
    "broadcast terms": lambda jet, lib, jnp: jet(jnp.sin, (np.ones(3),), ((1.0, 0.5),)),
    "an integer": lambda jet, lib, jnp: jet(lambda x: x * 2.5, (1,), ((1.0, 0.0),)),
    "float32": lambda jet, lib, jnp: jet(jnp.sin, (np.float32(1.0),), ((1.0, 0.0),)),
    "complex": lambda jet, lib, jnp: jet(jnp.sin, (1.0 + 1j,), ((1.0, 1j),)),
    "conversion": lambda jet, lib, jnp: jet(lambda x: x.astype(jnp.float32), (1.0,), ((1.0, 2.0),)),
    "constants": lambda jet, lib, jnp: jet(
        lambda x: (3.0, 2, jnp.ones(2, "float32"), x > 1, jnp.floor(x)), (1.0,), ((1.0, 2.0),)
    ),
    "nothing": lambda jet, lib, jnp: jet(lambda x: None, (1.0,), ((1.0, 2.0),)),
    "powers of zero": lambda jet, lib, jnp: jet(lambda x: x**3, (0.0,), ((1.0, 1.0, 1.0),)),
    "ties": lambda jet, lib, jnp: jet(
        lambda x: (jnp.max(x), jnp.maximum(x, 2.0)),
        (np.array([1.0, 2.0, 2.0]),),
        ((np.array([1.0, 2.0, 4.0]),),),
    ),
    "grad": lambda jet, lib, jnp: lib.grad(lambda x: jet(jnp.sin, (x,), ([1.0, 0.0],))[1][1])(0.5),
    "grad in jit": lambda jet, lib, jnp: lib.jit(lib.grad(lambda x: jet(jnp.tanh, (x,), ([1.0, x],))[1][1]))(
        0.5
    ),
    "hessian": lambda jet, lib, jnp: lib.hessian(lambda x: jet(jnp.sin, (x,), ([x, 0.0],))[1][1])(0.5),
    "vmap": lambda jet, lib, jnp: lib.vmap(lambda x: jet(jnp.exp, (x,), ([1.0, 0.0],))[1][1])(
        jnp.arange(3.0)
    ),
    "vmap of terms": lambda jet, lib, jnp: lib.vmap(lambda v: jet(jnp.sin, (0.5,), ([v, 0.0],)))(
        jnp.arange(3.0)
    ),
    "of grad": lambda jet, lib, jnp: jet(lib.grad(lambda x: jnp.sin(x) * x), (0.5,), ((1.0, 0.0, 0.0),)),
    "of vmap": lambda jet, lib, jnp: jet(lib.vmap(jnp.sin), (np.ones(2),), ((np.ones(2), np.ones(2)),)),
    "of jet": lambda jet, lib, jnp: jet(
        lambda x: jet(jnp.sin, (x,), ((x, 1.0),))[1][1], (0.5,), ((1.0, 0.0),)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_beside_jax(name: str) -> None:
    got = CASES[name](jet, jitney, jnp)
    want = CASES[name](jax.experimental.jet.jet, jax, jax.numpy)
    assert str(jitney.tree.structure(got)) == str(jax.tree.structure(want))
    assert_same(got, jax.tree.map(jax.numpy.asarray, want), weak=False)


def test_programs_grow_slowly() -> None:
    """A primitive without a rule of its own is not differentiated again for each of its derivatives."""
    for f in (jnp.prod, jnp.arcsin, lax.lgamma, lambda x: jnp.linalg.solve(matrix(x), x)):
        sizes = [
            len(jitney.make_jaxpr(lambda x, f=f, n=n: jet(f, (x,), ([x] + [0 * x] * (n - 1),)))(X).jaxpr.eqns)
            for n in (3, 6)
        ]
        assert sizes[1] < 6 * sizes[0]


def test_control_flow_stays_control_flow() -> None:
    text = str(jitney.make_jaxpr(lambda x: jet(PROGRAMS["scan"], (x,), ([x, x],)))(X))
    assert text.count("scan[") == 1
    text = str(jitney.make_jaxpr(lambda x: jet(collatz, (x,), ([x, x, x],)))(X))
    assert text.count("while[") == 1
    text = str(jitney.make_jaxpr(lambda x: jet(PROGRAMS["cond with a constant"], (x,), ([x, x],)))(X))
    assert text.count("cond[") == 1


def test_derivatives_of_jet_through_loops() -> None:
    f = lambda x: jet(PROGRAMS["scan"], (x,), ([x, x],))[1][1]
    test_util.check_grads(f, (X,), order=1)
    batch = np.stack([X, 2 * X])
    np.testing.assert_allclose(jitney.vmap(f)(batch), np.stack([f(X), f(2 * X)]), rtol=1e-12)
    g = lambda x: jet(collatz, (x,), ([x, x],))[1][1]
    np.testing.assert_allclose(jitney.vmap(g)(batch), np.stack([g(X), g(2 * X)]), rtol=1e-12)


def test_integers_that_stay() -> None:
    still = [np.zeros((), jitney.float0)] * 2
    value, terms = jet(lambda x, n: x**n, (2.0, 3), ((1.0, 0.0), still))
    assert [float(t) for t in (value, *terms)] == [8.0, 12.0, 12.0]


def test_misuse() -> None:
    with pytest.raises(ValueError, match="inconsistent lengths"):
        jet(lambda x, y: x * y, (1.0, 2.0), ((1.0, 0.0), (1.0,)))
    with pytest.raises(ValueError, match="position 0 is not an array: dict"):
        jet(lambda d: d["a"], ({"a": 1.0},), ((1.0,),))
    with pytest.raises(ValueError, match="term 1 of the series at position 0"):
        jet(jnp.sin, (1.0,), ((1.0, "x"),))
    with pytest.raises(TypeError, match="2 primals but 1 series"):
        jet(lambda x, y: x * y, (1.0, 2.0), ((1.0, 0.0),))
    with pytest.raises(TypeError, match="shape"):
        jet(jnp.sin, (1.0,), ((np.ones(3),),))
    with pytest.raises(TypeError, match="dtypes must be equal"):
        jet(jnp.sin, (np.float32(1.0),), ((np.ones(()),),))
    with pytest.raises(TypeError, match="no derivatives"):
        jet(lambda x: x * 2, (1,), ((1, 0),))
    with pytest.raises(TypeError, match="callable"):
        jet(3, (1.0,), ((1.0,),))  # type: ignore[arg-type]
