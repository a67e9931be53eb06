"""Activations, normalisations and initializers against JAX: values, dtypes, derivatives, batches, compiled."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jitney
from jitney import nn

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(size=20) * 3, [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 40.0, -40.0]])
ACTIVATIONS = """
    celu elu gelu hard_sigmoid hard_silu hard_swish hard_tanh identity leaky_relu log_sigmoid mish relu relu6 selu sigmoid
    silu soft_sign softplus sparse_plus sparse_sigmoid squareplus swish tanh
""".split()


def same(name: str, got: Any, want: Any, tolerance: float) -> None:
    assert got.dtype == want.dtype, name
    assert got.shape == want.shape, name
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [*ACTIVATIONS, "exact gelu", "log1mexp"])
def test_activations(name: str, dtype: Any) -> None:
    x = X.astype(dtype)
    tolerance = (
        1e-13 if dtype == np.float64 else 1e-5 if name == "gelu" else 2e-6
    )  # digits of 1 + tanh cancel
    if name == "exact gelu":
        ours, theirs = (lambda x, m=m: m.nn.gelu(x, approximate=False) for m in (jitney, jax))
    else:
        ours, theirs = getattr(nn, name), getattr(jax.nn, name)
    if name == "log1mexp":
        x = np.abs(x) + dtype(1e-3)
    same(name, ours(x), theirs(x), tolerance)
    same(name, jitney.jit(ours)(x), theirs(x), tolerance)
    same(name, jitney.jit(jitney.vmap(jitney.grad(ours)))(x), jax.vmap(jax.grad(theirs))(x), 3 * tolerance)
    assert ours(1.5).weak_type == jax.numpy.asarray(theirs(1.5)).weak_type


def test_integers() -> None:
    x = np.arange(-3, 9)
    for name in ("relu", "relu6", "hard_tanh", "leaky_relu", "elu", "gelu", "softplus", "soft_sign"):
        same(name, getattr(nn, name)(x), getattr(jax.nn, name)(x), 1e-12)


def test_glu() -> None:
    x = RNG.normal(size=(4, 6))
    for axis in (0, 1, -1):
        same("glu", nn.glu(x, axis), jax.nn.glu(x, axis), 1e-13)
    with pytest.raises(AssertionError, match="even number"):
        nn.glu(x[:3], 0)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "logmeanexp", "standardize"])
@pytest.mark.parametrize("axis", [-1, 0, (0, 1)])
@pytest.mark.parametrize("masked", [False, True])
def test_along_axes(name: str, axis: Any, masked: bool) -> None:
    x = RNG.normal(size=(5, 7)) * 4
    where = RNG.random((5, 7)) < 0.7 if masked else None
    where = (
        where
        if where is None
        else (where | np.eye(5, 7, dtype=bool) | np.eye(5, 7, -2, dtype=bool) | (x > 4))
    )
    if masked:
        where[:, 3] = True
    ours = lambda x: getattr(nn, name)(x, axis=axis, where=where)  # noqa: E731
    theirs = lambda x: getattr(jax.nn, name)(x, axis=axis, where=where)  # noqa: E731
    same(name, ours(x), theirs(x), 1e-12)
    same(name, jitney.jit(ours)(x), theirs(x), 1e-12)
    weights = np.cos(np.arange(35.0)).reshape(5, 7)

    def total(f: Any, n: Any) -> Any:
        def of(x: Any) -> Any:
            y = f(x)
            finite = n.where(n.isfinite(y), y, 0.0)
            return n.sum(finite * (weights if y.shape == x.shape else 1.0))

        return of

    got = jitney.jit(jitney.grad(total(ours, jitney.numpy)))(x)
    same(name, got, jax.grad(total(theirs, jax.numpy))(x), 1e-11)


def test_softmax_far_out() -> None:
    x = np.array([[1e4, 0.0, -np.inf], [-1e4, -1e4, -1e4]])
    same("softmax", nn.softmax(x), jax.nn.softmax(x), 1e-15)
    same("log_softmax", nn.log_softmax(x), jax.nn.log_softmax(x), 1e-12)


def test_one_hot() -> None:
    x = np.array([[0, 2, 5], [-1, 1, 3]])
    for axis in (-1, 0, 1, -2):
        for dtype in (None, "float32", "int32", bool):
            same(
                "one_hot",
                nn.one_hot(x, 4, dtype=dtype, axis=axis),
                jax.nn.one_hot(x, 4, dtype=dtype, axis=axis),
                0,
            )
    with pytest.raises(ValueError, match="out of bounds"):
        nn.one_hot(x, 4, axis=3)


INITIALIZERS = {
    "constant": (3.0,),
    "delta_orthogonal": (2.0,),
    "glorot_normal": (),
    "glorot_uniform": (),
    "he_normal": (),
    "he_uniform": (),
    "lecun_normal": (),
    "lecun_uniform": (),
    "normal": (0.3,),
    "orthogonal": (1.5,),
    "truncated_normal": (0.4,),
    "uniform": (0.2,),
    "xavier_uniform": (0, 1),
}


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("dtype", [None, "float32"])
def test_initializers(name: str, dtype: Any) -> None:
    shape = (3, 4, 6)
    ours = getattr(nn.initializers, name)(*INITIALIZERS[name])
    theirs = getattr(jax.nn.initializers, name)(*INITIALIZERS[name])
    got = ours(jitney.random.key(3), shape, *([dtype] if dtype else []))
    want = theirs(jax.random.key(3), shape, *([dtype] if dtype else []))
    same(name, got, want, 1e-12 if want.dtype == np.float64 else 2e-6)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg", "fan_geo_avg"])
def test_variance_scaling(mode: str) -> None:
    args = (0.7, mode, "normal", (0, 1), 3, 2)
    got = nn.initializers.variance_scaling(*args)(jitney.random.key(1), (2, 3, 4, 5))
    same(mode, got, jax.nn.initializers.variance_scaling(*args)(jax.random.key(1), (2, 3, 4, 5)), 1e-12)


def test_misuse() -> None:
    key = jitney.random.key(0)
    with pytest.raises(ValueError, match="two axes"):
        nn.initializers.he_normal()(key, (3,))
    with pytest.raises(ValueError, match="mode"):
        nn.initializers.variance_scaling(1.0, "fan", "normal")(key, (3, 3))
    with pytest.raises(ValueError, match="distribution"):
        nn.initializers.variance_scaling(1.0, "fan_in", "cauchy")(key, (3, 3))
    with pytest.raises(ValueError, match="algorithm"):
        nn.standardize(X, algorithm="slow")


# -- attention


def _heads(batch: int, length: int, heads: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(batch, length, heads, 8))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": 0.3, "is_causal": True},
        {"local_window_size": (1, 2)},
        {"local_window_size": 2, "is_causal": True},
        {"query_seq_lengths": np.int32([3, 5]), "key_value_seq_lengths": np.int32([7, 4])},
        {"bias": RNG.normal(size=(2, 4, 5, 7))},
        {"mask": RNG.random((1, 4, 5, 7)) < 0.7, "bias": RNG.normal(size=(1, 1, 5, 7))},
        {"return_residual": True},
    ],
)
def test_attention(options: dict[str, Any]) -> None:
    groups = 2
    q, k, v = _heads(2, 5, 4, 0), _heads(2, 7, groups, 1), _heads(2, 7, groups, 2)
    ours = lambda q, k, v: nn.dot_product_attention(q, k, v, **options)  # noqa: E731
    theirs = lambda q, k, v: jax.nn.dot_product_attention(q, k, v, **options)  # noqa: E731
    for f in (ours, jitney.jit(ours)):
        for got, want in zip(jax.tree.leaves(f(q, k, v)), jax.tree.leaves(theirs(q, k, v)), strict=True):
            same("attention", np.asarray(got), np.asarray(want), 3e-6)  # JAX scores in float32
    if "bias" in options:
        total = lambda f, n: lambda q, k, v: n.sum(n.sin(f(q, k, v)))  # noqa: E731
        got = jitney.jit(jitney.grad(total(ours, jitney.numpy), (0, 1, 2)))(q, k, v)
        want = jax.grad(total(theirs, jax.numpy), (0, 1, 2))(q, k, v)
        for g, w in zip(got, want, strict=True):
            same("attention", g, w, 3e-6)


@pytest.mark.parametrize("groups", [4, 1])
def test_attention_groups(groups: int) -> None:
    q, k, v = _heads(2, 5, 4, 0), _heads(2, 7, groups, 1), _heads(2, 7, groups, 2)
    same("attention", nn.dot_product_attention(q, k, v), jax.nn.dot_product_attention(q, k, v), 3e-6)


def test_attention_without_a_batch() -> None:
    q, k, v = (x[0] for x in (_heads(1, 5, 4, 0), _heads(1, 7, 2, 1), _heads(1, 7, 2, 2)))
    same("attention", nn.dot_product_attention(q, k, v), jax.nn.dot_product_attention(q, k, v), 3e-6)
    with pytest.raises(ValueError, match="multiple of groups"):
        nn.dot_product_attention(q[:, :3], k, v)
