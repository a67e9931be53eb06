"""jitney.numpy inside transformations: compiled equals eager, vmap equals a loop, gradients equal differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from numpy_cases import CASES, INPUTS
from test_numpy_values import _compare, _evaluate, _leaves, _used

# Results whose shape or type depends on values, and Python numbers.
_NOT_TRACEABLE = (
    "jnp.extract(b, x)",
    "jnp.compress(b, X, axis=0)",
    "[float(a) for a in x]",
    "x.item(1)",
    "x.tolist()",
)
_PROGRAMS = [c for c in CASES if _used(c) and c not in _NOT_TRACEABLE and "result_type" not in c]


def _as_jax(x: Any) -> Any:
    return jax.numpy.asarray(np.asarray(x)) if isinstance(x, jitney.Array) else x


@pytest.mark.parametrize("start", range(16))
def test_compiled_equals_eager(start: int) -> None:
    for case in _PROGRAMS[start::16]:
        values = {name: jnp.asarray(INPUTS[name]) for name in _used(case)}
        try:
            wanted = _evaluate(case, jnp, values)
        except (TypeError, ValueError, NotImplementedError):
            continue
        got = jitney.jit(lambda values, case=case: _evaluate(case, jnp, values))(values)
        ours, theirs = _leaves(got), _leaves(wanted)
        assert len(ours) == len(theirs), case
        for a, b in zip(ours, theirs, strict=True):
            if isinstance(b, jitney.Array):
                assert a.weak_type == b.weak_type, case
                _compare(a, _as_jax(b), weak=False)


X = np.array([[0.3, -1.2, 2.5], [1.1, 0.4, -0.7]])
P = np.array([[0.2, 0.45, 0.7], [0.9, 0.15, 0.6]])

DIFFERENTIABLE: list[tuple[str, Callable[[Any], Any], np.ndarray]] = [
    *[
        (name, getattr(jnp, name), P)
        for name in (
            "sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arctanh exp exp2 expm1 log log1p log2 log10 sqrt cbrt "
            "square reciprocal deg2rad sinc i0 negative abs"
        ).split()
    ],
    ("arccosh", lambda x: jnp.arccosh(1 + x), P),
    ("power", lambda x: x**2.5 + 1.7**x + x**x + x**3 + x**-2, P),
    ("divide", lambda x: (x + 1) / (x * x + 2), X),
    ("remainder", lambda x: x % 0.8 + jnp.fmod(x, 1.3), X),
    ("hypot", lambda x: jnp.hypot(x, x[::-1] + 0.5), X),
    ("arctan2", lambda x: jnp.arctan2(x, x[::-1] + 0.1), X),
    ("logaddexp", lambda x: jnp.logaddexp(x, x[::-1]) + jnp.logaddexp2(x, 0.5), X),
    ("maximum", lambda x: jnp.maximum(x, 0.1) * jnp.minimum(x, 0.9), X),
    ("where", lambda x: jnp.where(x > 0, jnp.sin(x), x**2), X),
    ("clip", lambda x: jnp.clip(x, -0.5, 1.0) * x, X),
    ("copysign", lambda x: jnp.copysign(x, x[::-1]) * x, X),
    ("sum", lambda x: jnp.sum(x**2, axis=0) * jnp.sum(x, axis=(0, 1)), X),
    ("prod", lambda x: jnp.prod(x, axis=1), X),
    ("mean", lambda x: jnp.mean(x, axis=0, keepdims=True) * x, X),
    ("var", lambda x: jnp.var(x, axis=1, ddof=1), X),
    ("std", lambda x: jnp.std(x), X),
    ("max", lambda x: jnp.max(x, axis=0) * jnp.min(x, axis=1).sum(), X),
    ("median", lambda x: jnp.median(x, axis=1), X),
    ("quantile", lambda x: jnp.quantile(x, jnp.array([0.3, 0.8]), axis=1), X),
    ("average", lambda x: jnp.average(x, weights=x**2), X),
    ("nansum", lambda x: jnp.nansum(x) + jnp.nanmean(x), X),
    ("cov", lambda x: jnp.cov(x), X),
    ("reshape", lambda x: x.reshape(3, 2).T @ x.T, X),
    ("concatenate", lambda x: jnp.concatenate([x, x**2], axis=1), X),
    ("stack", lambda x: jnp.stack([x, jnp.sin(x)], axis=-1), X),
    ("split", lambda x: jnp.split(x, 3, axis=1)[1] ** 2, X),
    ("pad", lambda x: jnp.pad(x**2, 1) * 2 + jnp.pad(x, 1, mode="edge"), X),
    ("reflect", lambda x: jnp.pad(x, 2, mode="reflect") ** 2, X),
    ("roll", lambda x: jnp.roll(x, 1, axis=1) * x, X),
    ("tile", lambda x: jnp.tile(x, (2, 2)) ** 2, X),
    ("repeat", lambda x: jnp.repeat(x, 2, axis=0) ** 2, X),
    ("take", lambda x: jnp.take(x, jnp.array([2, 0, 2]), axis=1) ** 2, X),
    ("take_along_axis", lambda x: jnp.take_along_axis(x, jnp.argsort(x, axis=1), 1) ** 2, X),
    ("index", lambda x: x[0, ::-1] * x[1, 2] + x[:, None, 1].sum(), X),
    ("at", lambda x: x.at[0].multiply(3.0).at[:, 1].set(x[:, 0] ** 2), X),
    ("diag", lambda x: jnp.diag(x[0]) @ x.T + jnp.diagonal(x).sum(), X),
    ("tril", lambda x: jnp.tril(x) * jnp.triu(x, 1) + jnp.tril(x), X),
    ("linspace", lambda x: jnp.linspace(x[0], x[1] ** 2, 4), X),
    ("vander", lambda x: jnp.vander(x[0]), P),
    ("polyval", lambda x: jnp.polyval(x[0], x[1]), X),
    ("matmul", lambda x: x @ x.T, X),
    ("outer", lambda x: jnp.outer(x, x), X),
    ("meshgrid", lambda x: sum(g.sum() ** 2 for g in jnp.meshgrid(x[0], x[1])), X),
    ("select", lambda x: jnp.select([x > 1, x > 0], [x**2, jnp.sin(x)], x), X),
    ("nan_to_num", lambda x: jnp.nan_to_num(x) ** 2, X),
]


def _scalar(function: Callable[[Any], Any], weights: Any) -> Callable[[Any], Any]:
    """A weighted sum of the results, so that every element counts differently."""
    return lambda x: jnp.sum(jnp.ravel(function(x)) * weights)


def _weights(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    return np.cos(np.arange(np.size(np.asarray(function(jnp.array(x))))) + 0.3)


def _differences(function: Callable[[Any], Any], x: np.ndarray, step: float = 1e-5) -> np.ndarray:
    out = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        out[place] = (float(function(jnp.array(up))) - float(function(jnp.array(down)))) / (2 * step)
    return out


@pytest.mark.parametrize(
    ("function", "x"), [c[1:] for c in DIFFERENTIABLE], ids=[c[0] for c in DIFFERENTIABLE]
)
def test_gradient(function: Callable[[Any], Any], x: np.ndarray) -> None:
    scalar = _scalar(function, _weights(function, x))
    exact = jitney.grad(scalar)(jnp.array(x))
    np.testing.assert_allclose(np.asarray(exact), _differences(scalar, x), rtol=2e-8, atol=2e-8)
    np.testing.assert_allclose(
        np.asarray(jitney.jit(jitney.grad(scalar))(jnp.array(x))), np.asarray(exact), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize(
    ("function", "x"), [c[1:] for c in DIFFERENTIABLE], ids=[c[0] for c in DIFFERENTIABLE]
)
def test_batched(function: Callable[[Any], Any], x: np.ndarray) -> None:
    stack = np.stack([x, x * 0.9, x + 0.01])
    wanted = np.stack([np.asarray(function(jnp.array(one))) for one in stack])
    np.testing.assert_allclose(
        np.asarray(jitney.vmap(function)(jnp.array(stack))), wanted, rtol=1e-12, atol=1e-13
    )
    last = jitney.vmap(function, in_axes=-1, out_axes=0)(jnp.array(np.moveaxis(stack, 0, -1)))
    np.testing.assert_allclose(np.asarray(last), wanted, rtol=1e-12, atol=1e-13)


def test_gradients_at_special_points() -> None:
    """Where NumPy users meet them: zeros, ties, the edges of clip."""
    grad = jitney.grad
    assert float(grad(lambda x: jnp.sinc(x))(0.0)) == 0.0
    assert float(grad(lambda x: jnp.maximum(x, 1.0))(1.0)) == 0.5
    assert float(grad(lambda x: jnp.abs(x))(0.0)) == 1.0
    assert float(grad(lambda x: x**2)(0.0)) == 0.0
    assert np.asarray(grad(lambda x: jnp.max(x))(jnp.ones(2))).tolist() == [0.5, 0.5]
    assert np.asarray(grad(lambda x: jnp.prod(x))(jnp.array([0.0, 2.0, 3.0]))).tolist() == [6.0, 0.0, 0.0]
    assert np.asarray(grad(jnp.logaddexp, (0, 1))(np.inf, np.inf)).tolist() == [1.0, 1.0]
    assert np.asarray(grad(jnp.logaddexp, (0, 1))(2.0, 2.0)).tolist() == [0.5, 0.5]
    assert np.asarray(grad(jnp.nanvar)(jnp.array([1.0, np.nan, 2.0]))).tolist() == [-0.5, 0.0, 0.5]
    for point in (-1.0, 0.0, 0.5, 1.0, 2.0):
        mine = grad(lambda x: jnp.clip(x, 0.0, 1.0))(point)
        assert float(mine) == float(jax.grad(lambda x: jax.numpy.clip(x, 0.0, 1.0))(point))


JAXPRS: list[tuple[str, Callable[[Any], Callable[..., Any]], list[Any]]] = [
    ("row", lambda np_: lambda a, b: a + b, [np.ones((3, 4)), np.ones(4)]),
    ("int float", lambda np_: lambda a: a + 1.5, [np.arange(3)]),
    ("power", lambda np_: lambda a: a**2, [np.ones(3)]),
    ("root", lambda np_: lambda a: a**0.5, [np.ones(3)]),
    ("index", lambda np_: lambda a: a[0], [np.ones((3, 4))]),
    ("reverse", lambda np_: lambda a: a[::-1], [np.ones(3)]),
    ("new axis", lambda np_: lambda a: a[:, None], [np.ones(3)]),
    ("reshape", lambda np_: lambda a: a.reshape(4, 3), [np.ones((3, 4))]),
    ("transpose", lambda np_: lambda a: a.T, [np.ones((3, 4))]),
    ("negative", lambda np_: lambda a: -abs(a), [np.ones(3)]),
    ("compare", lambda np_: lambda a: (a > 1) & (a < 2), [np.ones(3)]),
]


@pytest.mark.parametrize(("make", "args"), [c[1:] for c in JAXPRS], ids=[c[0] for c in JAXPRS])
def test_same_jaxpr_text(make: Callable[..., Any], args: list[Any]) -> None:
    mine = jitney.make_jaxpr(make(jnp))(*map(jnp.asarray, args))
    theirs = jax.make_jaxpr(make(jax.numpy))(*map(jax.numpy.asarray, args))
    assert str(mine) == str(theirs)


_PRIMITIVES: list[tuple[str, list[Any]]] = [
    ("sum", [np.ones((3, 4))]),
    ("mean", [np.arange(3)]),
    ("max", [np.ones(3)]),
    ("argmax", [np.ones((3, 4))]),
    ("flip", [np.ones(3)]),
    ("squeeze", [np.ones((1, 3))]),
    ("concatenate", [[np.ones(3), np.ones(3)]]),
    ("sqrt", [np.arange(3)]),
    ("hypot", [np.ones(3), np.ones(3)]),
    ("where", [np.ones(3) > 0, np.ones(3), np.ones(3)]),
    ("isfinite", [np.ones(3)]),
]


@pytest.mark.parametrize(("name", "args"), _PRIMITIVES, ids=[p[0] for p in _PRIMITIVES])
def test_same_primitives(name: str, args: list[Any]) -> None:
    """Our functions are not wrapped in nested jits; inside theirs are the same primitives."""
    mine = [str(e.primitive) for e in jitney.make_jaxpr(getattr(jnp, name))(*args).jaxpr.eqns]
    assert sorted(mine) == sorted(_flat(jax.make_jaxpr(getattr(jax.numpy, name))(*args).jaxpr))


def _flat(jaxpr: Any) -> list[str]:
    out = []
    for eqn in jaxpr.eqns:
        inner = eqn.params.get("jaxpr")
        out += _flat(inner.jaxpr) if eqn.primitive.name in ("jit", "pjit") else [eqn.primitive.name]
    return out
