"""jitney.random: the bits and samples of JAX's threefry, keys under every transformation, misuse, statistics."""

from __future__ import annotations

import copy
import doctest
import importlib
import math
import pickle
from typing import Any

import numpy as np
import pytest
import scipy.stats

import jitney
import jitney.numpy as jnp
from jitney import lax, random

jax = pytest.importorskip("jax")

P = np.array([0.2, 0.3, 0.5])
GRID = np.arange(12.0).reshape(3, 4)
COV = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 3.0]])
LOGITS = np.arange(6.0).reshape(2, 3)

# name -> sampler of (module, key): the result is JAX's to the bit
EXACT = {
    "split": lambda r, k: r.key_data(r.split(k, 3)),
    "split_shape": lambda r, k: r.key_data(r.split(k, (2, 3))),
    "fold_in": lambda r, k: r.key_data(r.fold_in(k, 5)),
    "fold_in_array": lambda r, k: r.key_data(r.fold_in(k, np.int32(-5))),
    "clone": lambda r, k: r.key_data(r.clone(k)),
    "bits8": lambda r, k: r.bits(k, (5,), "uint8"),
    "bits16": lambda r, k: r.bits(k, (2, 3), "uint16"),
    "bits32": lambda r, k: r.bits(k, (2, 3), "uint32"),
    "bits64": lambda r, k: r.bits(k, (4,)),
    "uniform": lambda r, k: r.uniform(k, (7,)),
    "uniform_f4": lambda r, k: r.uniform(k, (7,), "float32"),
    "uniform_f2": lambda r, k: r.uniform(k, (7,), "float16"),
    "randint": lambda r, k: r.randint(k, (9,), 0, 10),
    "randint_u1": lambda r, k: r.randint(k, (50,), 0, 256, "uint8"),
    "randint_i1": lambda r, k: r.randint(k, (50,), -100, 500, "int8"),
    "randint_u2": lambda r, k: r.randint(k, (50,), 3, 60, "uint16"),
    "randint_i4": lambda r, k: r.randint(k, (5,), -3, 12, "int32"),
    "randint_i4_all": lambda r, k: r.randint(k, (5,), -(2**31), 2**31, "int32"),
    "randint_u8": lambda r, k: r.randint(k, (5,), 0, 100, "uint64"),
    "randint_empty": lambda r, k: r.randint(k, (3,), 4, 4),
    "randint_arrays": lambda r, k: r.randint(k, (2, 3), np.array([1, 2, 3]), np.array([[4], [1]])),
    "bernoulli": lambda r, k: r.bernoulli(k, 0.3, (10,)),
    "bernoulli_p": lambda r, k: r.bernoulli(k, P),
    "bernoulli_high": lambda r, k: r.bernoulli(k, P, (4, 3), mode="high"),
    "rademacher": lambda r, k: r.rademacher(k, (4,)),
    "geometric": lambda r, k: r.geometric(k, 0.3, (5,)),
    "permutation": lambda r, k: r.permutation(k, 10),
    "permutation_two_rounds": lambda r, k: r.permutation(k, 3000),
    "permutation_axis": lambda r, k: r.permutation(k, GRID, axis=1),
    "permutation_independent": lambda r, k: r.permutation(k, GRID, axis=1, independent=True),
    "choice": lambda r, k: r.choice(k, 10, (3,)),
    "choice_one": lambda r, k: r.choice(k, 5),
    "choice_no_replace": lambda r, k: r.choice(k, 4, (2, 2), replace=False),
    "choice_p": lambda r, k: r.choice(k, np.arange(3.0), (4,), p=P),
    "choice_p_no_replace": lambda r, k: r.choice(k, 3, (2,), replace=False, p=P),
    "choice_axis": lambda r, k: r.choice(k, GRID, (2, 2), axis=1),
    "choice_axis_no_replace": lambda r, k: r.choice(k, GRID, (2,), axis=1, replace=False),
    "categorical": lambda r, k: r.categorical(k, np.log(P)),
    "categorical_shape": lambda r, k: r.categorical(k, np.log(P), shape=(5,)),
    "categorical_axis": lambda r, k: r.categorical(k, LOGITS, axis=0),
    "categorical_batch": lambda r, k: r.categorical(k, LOGITS, shape=(4, 2)),
    "poisson": lambda r, k: r.poisson(k, 3.0, (50,)),
    "poisson_means": lambda r, k: r.poisson(k, np.array([0.0, 1.0, 30.0, 1000.0])),
    "categorical_no_replace": lambda r, k: r.categorical(k, LOGITS, shape=(2, 2), replace=False),
}

# ... to a few ulp of the largest element
CLOSE = {
    "uniform_bounds": lambda r, k: r.uniform(k, (2, 3), minval=np.array([1.0, 2.0, 3.0]), maxval=5),
    "uniform_bounds_f4": lambda r, k: r.uniform(k, (7,), "float32", -1, 2),
    "normal": lambda r, k: r.normal(k, (40,)),
    "normal_scalar": lambda r, k: r.normal(k),
    "normal_f4": lambda r, k: r.normal(k, (40,), "float32"),
    "normal_f2": lambda r, k: r.normal(k, (40,), "float16"),
    "normal_c16": lambda r, k: r.normal(k, (3,), "complex128"),
    "normal_c8": lambda r, k: r.normal(k, (3,), "complex64"),
    "lognormal": lambda r, k: r.lognormal(k, 0.5, (3,)),
    "truncated_normal": lambda r, k: r.truncated_normal(k, np.array([-1.0, 0.0]), 2.0, (3, 2)),
    "exponential": lambda r, k: r.exponential(k, (3,)),
    "gumbel": lambda r, k: r.gumbel(k, (3,)),
    "gumbel_high": lambda r, k: r.gumbel(k, (30,), mode="high"),
    "laplace": lambda r, k: r.laplace(k, (3,)),
    "laplace_f4": lambda r, k: r.laplace(k, (30,), "float32"),
    "cauchy": lambda r, k: r.cauchy(k, (3,)),
    "logistic": lambda r, k: r.logistic(k, (3,)),
    "rayleigh": lambda r, k: r.rayleigh(k, 2.0, (3,)),
    "weibull_min": lambda r, k: r.weibull_min(k, 2.0, 3.0, (3,)),
    "pareto": lambda r, k: r.pareto(k, 2.0, (3,)),
    "maxwell": lambda r, k: r.maxwell(k, (3,)),
    "double_sided_maxwell": lambda r, k: r.double_sided_maxwell(k, 1.0, 2.0, (3,)),
    "triangular": lambda r, k: r.triangular(k, 0.0, 1.0, 2.0, (30,)),
    "wald": lambda r, k: r.wald(k, 1.5, (30,)),
    "gamma": lambda r, k: r.gamma(k, 2.5, (6,)),
    "gamma_small": lambda r, k: r.gamma(k, np.array([0.3, 0.9, 4.0])),
    "gamma_f4": lambda r, k: r.gamma(k, 0.7, (6,), "float32"),
    "loggamma": lambda r, k: r.loggamma(k, np.array([0.01, 0.9, 4.0])),
    "beta": lambda r, k: r.beta(k, 1.0, 2.0, (6,)),
    "dirichlet": lambda r, k: r.dirichlet(k, np.array([1.0, 2.0, 3.0]), (4,)),
    "chisquare": lambda r, k: r.chisquare(k, 2.0, (6,)),
    "f": lambda r, k: r.f(k, 3.0, 4.0, (6,)),
    "t": lambda r, k: r.t(k, 3.0, (6,)),
    "multivariate_normal": lambda r, k: r.multivariate_normal(k, P, COV, (4,)),
    "multivariate_normal_one": lambda r, k: r.multivariate_normal(k, P, COV, method="eigh") ** 2,
    "generalized_normal": lambda r, k: r.generalized_normal(k, 1.5, (4,)),
    "ball": lambda r, k: r.ball(k, 3, shape=(2,)),
    "orthogonal": lambda r, k: r.orthogonal(k, 3, (2,)),
    "orthogonal_wide": lambda r, k: r.orthogonal(k, 2, m=4),
}


def close(got: Any, want: Any, exact: bool) -> None:
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype and got.shape == want.shape
    if exact:
        np.testing.assert_array_equal(got, want)
        return
    allowed = 64 * np.finfo(want.dtype).eps
    np.testing.assert_allclose(got, want, rtol=allowed, atol=allowed * np.abs(want).max())


@pytest.mark.parametrize("name", [*EXACT, *CLOSE])
def test_samples_are_those_of_jax(name: str) -> None:
    f = (EXACT | CLOSE)[name]
    compiled = jitney.jit(lambda k: f(random, k))
    for seed in (0, 1234567890123):
        want = f(jax.random, jax.random.key(seed))
        close(f(random, random.key(seed)), want, name in EXACT)
        close(compiled(random.key(seed)), want, name in EXACT)
    raw = f(random, random.PRNGKey(seed))
    close(raw, want, name in EXACT)


@pytest.mark.parametrize("name", ["bits64", "uniform", "randint", "permutation", "categorical", "split"])
def test_batches_of_keys_are_single_keys(name: str) -> None:
    f = EXACT[name]
    keys = random.split(random.key(3), 4)
    batched = jitney.vmap(lambda k: f(random, k))(keys)
    for i in range(4):
        np.testing.assert_array_equal(batched[i], f(random, keys[i]))
    np.testing.assert_array_equal(jitney.jit(jitney.vmap(lambda k: f(random, k)))(keys), batched)


def test_large_arrays_are_compiled_and_equal_small_ones() -> None:
    key, n = random.key(5), 40_000
    for f in (random.uniform, random.bits, random.exponential):
        whole = np.asarray(f(key, (n,)))
        close(whole[:100], f(key, (100,)), f is not random.exponential)
        close(whole, getattr(jax.random, f.__name__)(jax.random.key(5), (n,)), f is not random.exponential)


@pytest.mark.parametrize(
    "seed", [0, 7, -1, 2**31, 2**40 + 5, np.int32(-5), np.uint8(3), np.int64(-7), np.uint64(2**63 + 1)]
)
def test_seeds(seed: Any) -> None:
    want = jax.random.PRNGKey(seed)
    np.testing.assert_array_equal(random.PRNGKey(seed), want)
    np.testing.assert_array_equal(random.key_data(random.key(seed)), want)
    np.testing.assert_array_equal(jitney.jit(random.PRNGKey)(seed), want)


def test_key_arrays() -> None:
    ours, theirs = random.split(random.key(7), (2, 3)), jax.random.split(jax.random.key(7), (2, 3))
    assert repr(ours) == repr(theirs) and repr(ours[0, 1]) == repr(theirs[0, 1])
    assert str(ours.dtype) == "key<fry>" and ours.shape == (2, 3) and ours.size == 6 and ours.ndim == 2
    assert isinstance(ours, jitney.Array) and jitney.tree.leaves(ours) == [ours]
    for move in (
        lambda np_, k: k[1],
        lambda np_, k: k[:, ::-1],
        lambda np_, k: k.T,
        lambda np_, k: k.reshape(6),
        lambda np_, k: np_.concatenate([k, k]),
        lambda np_, k: np_.stack([k[0], k[1]], 1),
        lambda np_, k: np_.where(np.array([True, False, True]), k[0], k[1]),
        lambda np_, k: k[np.array([1, 0, 1])],
        lambda np_, k: np_.broadcast_to(k[0, 0], (2, 2)),
        lambda np_, k: np_.expand_dims(k, 0),
    ):
        want = jax.random.key_data(move(jax.numpy, theirs))
        np.testing.assert_array_equal(random.key_data(move(jnp, ours)), want)
        np.testing.assert_array_equal(jitney.jit(lambda k: random.key_data(move(jnp, k)))(ours), want)  # noqa: B023


def test_wrap_and_unwrap() -> None:
    key = random.key(9)
    words = random.key_data(key)
    np.testing.assert_array_equal(random.key_data(random.wrap_key_data(words)), words)
    assert random.key_impl(key) == "threefry2x32" and key.dtype == random.key_dtype()
    np.testing.assert_array_equal(random.key_data(words), words)
    assert random.split(random.PRNGKey(0), (2, 2)).shape == (2, 2, 2)


def test_keys_in_control_flow() -> None:
    key = random.key(3)
    data = random.key_data
    loop = jitney.jit(
        lambda k: lax.while_loop(lambda s: s[1] < 3, lambda s: (random.split(s[0])[0], s[1] + 1), (k, 0))
    )
    want = key
    for _ in range(3):
        want = random.split(want)[0]
    np.testing.assert_array_equal(data(loop(key)[0]), data(want))
    choose = lambda p, k: lax.cond(p, lambda k: random.split(k)[0], lambda k: random.fold_in(k, 1), k)  # noqa: E731
    for choose_ in (choose, jitney.jit(choose)):
        np.testing.assert_array_equal(data(choose_(True, key)), data(random.split(key)[0]))
        np.testing.assert_array_equal(data(choose_(False, key)), data(random.fold_in(key, 1)))
    keys = random.split(key, 4)
    np.testing.assert_array_equal(lax.map(random.normal, keys), [random.normal(k) for k in keys])
    for put in (lambda ks, k: ks.at[1].set(k), jitney.jit(lambda ks, k: ks.at[1].set(k))):
        np.testing.assert_array_equal(put(keys, key) == keys, [True, False, True, True])
    np.testing.assert_array_equal(jitney.jit(lambda ks, i: data(ks[i]))(keys, 2), data(keys[2]))
    slope = jitney.grad(lambda x: lax.scan(lambda c, k: (c * x + random.normal(k), None), x, keys)[0])
    np.testing.assert_allclose(jitney.jit(slope)(1.0), slope(1.0), rtol=1e-12)
    gradient = jitney.vjp(lambda x, k: x * random.normal(k), 1.0, key)[1](1.0)
    assert gradient[0] == random.normal(key) and gradient[1].dtype == jitney.float0


def test_keys_as_objects() -> None:
    key = random.key(3)
    assert bool(pickle.loads(pickle.dumps(key)) == key) and bool(copy.deepcopy(key) == key)
    assert jnp.issubdtype(key.dtype, jitney.dtypes.prng_key) and not jnp.issubdtype(key.dtype, np.number)
    assert not jnp.issubdtype(np.float32, jitney.dtypes.prng_key)
    assert jitney.eval_shape(lambda: random.split(key)).dtype == key.dtype


def test_jaxprs() -> None:
    key, theirs = random.key(5), jax.random.key(5)
    ours = str(jitney.make_jaxpr(lambda: random.split(key))())
    assert ours == str(jax.make_jaxpr(lambda: jax.random.split(theirs))())
    for f in (
        lambda r: lambda k: r.split(k, 3),
        lambda r: lambda k: r.fold_in(k, 3),
        lambda r: lambda k: r.bits(k, (2,), "uint32"),
        lambda r: lambda k: r.key_data(k),
    ):
        ours = str(jitney.make_jaxpr(f(random))(random.key(0)))
        assert ours == str(jax.make_jaxpr(f(jax.random))(jax.random.key(0)))
    ours, theirs = (m.make_jaxpr(m.random.key)(3) for m in (jitney, jax))
    assert str(ours) == str(theirs)
    ours, theirs = (m.make_jaxpr(m.random.split)(m.random.PRNGKey(3)) for m in (jitney, jax))
    assert str(ours) == str(theirs)


def metropolis(key: Any) -> Any:
    def step(state: Any, _: Any) -> Any:
        x, density, key = state
        key, for_step, for_test = random.split(key, 3)
        proposal = x + 0.5 * random.normal(for_step, (2,))
        proposed = -0.5 * jnp.sum(proposal**2)
        accept = jnp.log(random.uniform(for_test)) < proposed - density
        state = jnp.where(accept, proposal, x), jnp.where(accept, proposed, density), key
        return state, state[0]

    return lax.scan(step, (jnp.zeros(2), jnp.array(0.0), key), None, length=50)


def test_markov_chain_in_a_scan_is_native() -> None:
    from jitney._compiler.pipeline import lower, simplify

    def plain(key: Any) -> Any:
        x, density = np.zeros(2), 0.0
        for _ in range(50):
            key, for_step, for_test = jax.random.split(key, 3)
            proposal = x + 0.5 * np.asarray(jax.random.normal(for_step, (2,)))
            proposed = -0.5 * np.sum(proposal**2)
            if np.log(jax.random.uniform(for_test)) < proposed - density:
                x, density = proposal, proposed
        return x

    (x, _, key), path = jitney.jit(metropolis)(random.key(2))
    np.testing.assert_allclose(x, plain(jax.random.key(2)), rtol=1e-12)
    assert key.dtype == random.key_dtype() and path.shape == (50, 2)
    _, program = lower(simplify(jitney.make_jaxpr(metropolis)(random.key(2))))
    assert not program.callables
    batched = jitney.vmap(lambda k: metropolis(k)[1])(random.split(random.key(2), 3))
    np.testing.assert_allclose(batched[1], metropolis(random.split(random.key(2), 3)[1])[1], rtol=1e-12)


def test_scan_over_keys_and_carried_keys() -> None:
    keys = random.split(random.key(1), 6)
    _, drawn = jitney.jit(lambda ks: lax.scan(lambda c, k: (c, random.uniform(k)), 0, ks))(keys)
    np.testing.assert_array_equal(drawn, [float(random.uniform(k)) for k in keys])
    last, out = jitney.jit(
        lambda k: lax.scan(lambda k, _: (random.fold_in(k, 1), random.split(k)), k, None, length=3)
    )(random.key(4))
    assert out.shape == (3, 2) and out.dtype == keys.dtype
    np.testing.assert_array_equal(
        random.key_data(last),
        random.key_data(random.fold_in(random.fold_in(random.fold_in(random.key(4), 1), 1), 1)),
    )


def test_derivatives_of_parameters() -> None:
    key = random.key(8)
    np.testing.assert_allclose(jitney.grad(lambda s: random.normal(key) * s)(2.0), random.normal(key))
    for f in (
        lambda r, k, x: r.uniform(k, (3,), minval=x, maxval=2 * x).sum(),
        lambda r, k, x: r.truncated_normal(k, -x, x, (3,)).sum(),
        lambda r, k, x: r.weibull_min(k, x, x, (3,)).sum(),
        lambda r, k, x: r.pareto(k, x, (3,)).sum(),
        lambda r, k, x: r.wald(k, x, (3,)).sum(),
    ):
        ours = jitney.grad(lambda x: f(random, key, x))  # noqa: B023
        theirs = jax.jit(jax.grad(lambda x: f(jax.random, jax.random.key(8), x)))  # noqa: B023
        np.testing.assert_allclose(ours(1.3), theirs(1.3), rtol=1e-9, atol=1e-9)
        second = (theirs(1.3 + 1e-5) - theirs(1.3 - 1e-5)) / 2e-5
        np.testing.assert_allclose(
            jitney.hessian(lambda x: f(random, key, x))(1.3), second, rtol=1e-6, atol=1e-6
        )  # noqa: B023
    assert jitney.jit(jitney.grad(lambda x, k: x * random.normal(k)))(1.0, key) == random.normal(key)


def test_derivatives_of_gamma_numbers() -> None:
    def total(r: Any, key: Any) -> Any:
        return lambda a: r.gamma(key, a, (5,)).sum() + r.loggamma(key, a, (3,)).sum() + r.t(key, a)

    want = jax.jit(jax.grad(total(jax.random, jax.random.key(2))))(0.7)
    slope = jitney.grad(total(random, random.key(2)))
    np.testing.assert_allclose(slope(0.7), want, rtol=1e-9)
    np.testing.assert_allclose(jitney.jit(slope)(0.7), want, rtol=1e-9)
    keys = random.split(random.key(1), 3)
    batched = jitney.vmap(lambda k: random.gamma(k, 2.0, (2,)))(keys)
    np.testing.assert_allclose(batched, [random.gamma(k, 2.0, (2,)) for k in keys], rtol=1e-13)


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ValueError, lambda k: random.multivariate_normal(k, np.zeros(2), np.eye(3))),
        (ValueError, lambda k: random.multivariate_normal(k, 0.0, np.eye(3))),
        (ValueError, lambda k: random.multivariate_normal(k, np.zeros(2), np.eye(2), method="foo")),
        (ValueError, lambda k: random.gamma(k, np.ones(3), (2,))),
        (ValueError, lambda k: random.poisson(k, 1.0, dtype="float32")),
        (TypeError, lambda k: random.key(1.5)),
        (TypeError, lambda k: random.key(np.zeros(3, int))),
        (OverflowError, lambda k: random.key(10**20)),
        (ValueError, lambda k: random.key(0, impl="foo")),
        (TypeError, lambda k: random.split(3)),
        (TypeError, lambda k: random.split(np.zeros(3, np.uint32))),
        (ValueError, lambda k: random.split(random.split(k))),
        (TypeError, lambda k: random.split(k, 2.5)),
        (ValueError, lambda k: random.normal(random.split(k))),
        (ValueError, lambda k: random.normal(np.zeros((3, 2), np.uint32))),
        (ValueError, lambda k: random.normal(k, (2,), int)),
        (TypeError, lambda k: random.normal(None, (2,))),
        (ValueError, lambda k: random.uniform(k, (2,), "complex64")),
        (TypeError, lambda k: random.uniform(k, (2,), minval=np.zeros(3))),
        (TypeError, lambda k: random.uniform(k, (2.5,))),
        (TypeError, lambda k: random.uniform(k, (-1,))),
        (OverflowError, lambda k: random.fold_in(k, -1)),
        (TypeError, lambda k: random.fold_in(k, np.arange(3))),
        (ValueError, lambda k: random.bits(k, (), "int32")),
        (TypeError, lambda k: random.randint(k, (), 0, 2, "float32")),
        (ValueError, lambda k: random.randint(k, (2,), 0, np.ones(3, int))),
        (TypeError, lambda k: random.bernoulli(k, 1)),
        (ValueError, lambda k: random.bernoulli(k, P, (2,))),
        (ValueError, lambda k: random.choice(k, -3)),
        (ValueError, lambda k: random.choice(k, 5, (10,), replace=False)),
        (ValueError, lambda k: random.choice(k, np.ones((2, 2)), p=np.ones(3))),
        (ValueError, lambda k: random.choice(k, np.ones((2, 2)), axis=5)),
        (TypeError, lambda k: random.permutation(k, 1.5)),
        (ValueError, lambda k: random.permutation(k, np.ones(3), axis=2)),
        (ValueError, lambda k: random.categorical(k, LOGITS, shape=(5,))),
        (ValueError, lambda k: random.truncated_normal(k, np.zeros(3), 1.0, (2,))),
        (TypeError, lambda k: random.wrap_key_data(np.zeros(3, np.uint32))),
        (TypeError, lambda k: random.wrap_key_data(np.zeros(2))),
        (TypeError, lambda k: k + 1),
        (TypeError, lambda k: -k),
        (TypeError, lambda k: np.asarray(k)),
        (TypeError, lambda k: float(k)),
        (TypeError, lambda k: int(k)),
        (TypeError, lambda k: jnp.sin(k)),
        (TypeError, lambda k: k.astype(float)),
        (TypeError, lambda k: jitney.jit(lambda k: k.astype(float))(k)),
        (TypeError, lambda k: jitney.jit(lambda k: k + 1)(k)),
        (TypeError, lambda k: jitney.grad(random.normal)(k)),
        (TypeError, lambda k: random.split(k).sum()),
    ],
)
def test_misuse(error: type[Exception], call: Any) -> None:
    with pytest.raises(error):
        call(random.key(0))


DISTRIBUTIONS = {
    "uniform": (lambda k, n: random.uniform(k, n), scipy.stats.uniform()),
    "normal": (lambda k, n: random.normal(k, n), scipy.stats.norm()),
    "exponential": (lambda k, n: random.exponential(k, n), scipy.stats.expon()),
    "gumbel": (lambda k, n: random.gumbel(k, n), scipy.stats.gumbel_r()),
    "laplace": (lambda k, n: random.laplace(k, n), scipy.stats.laplace()),
    "cauchy": (lambda k, n: random.cauchy(k, n), scipy.stats.cauchy()),
    "logistic": (lambda k, n: random.logistic(k, n), scipy.stats.logistic()),
    "truncated_normal": (lambda k, n: random.truncated_normal(k, -1.0, 2.0, n), scipy.stats.truncnorm(-1, 2)),
    "rayleigh": (lambda k, n: random.rayleigh(k, 2.0, n), scipy.stats.rayleigh(scale=2)),
    "weibull_min": (lambda k, n: random.weibull_min(k, 2.0, 3.0, n), scipy.stats.weibull_min(3, scale=2)),
    "pareto": (lambda k, n: random.pareto(k, 2.0, n), scipy.stats.pareto(2)),
    "maxwell": (lambda k, n: random.maxwell(k, n), scipy.stats.maxwell()),
    "triangular": (lambda k, n: random.triangular(k, 0.0, 0.5, 2.0, n), scipy.stats.triang(0.25, scale=2)),
    "wald": (lambda k, n: random.wald(k, 1.5, n), scipy.stats.invgauss(1.5)),
    "lognormal": (lambda k, n: random.lognormal(k, 0.5, n), scipy.stats.lognorm(0.5)),
    "gamma": (lambda k, n: random.gamma(k, 0.6, n), scipy.stats.gamma(0.6)),
    "beta": (lambda k, n: random.beta(k, 0.6, 2.0, n), scipy.stats.beta(0.6, 2.0)),
    "t": (lambda k, n: random.t(k, 3.0, n), scipy.stats.t(3.0)),
    "f": (lambda k, n: random.f(k, 3.0, 5.0, n), scipy.stats.f(3.0, 5.0)),
    "generalized_normal": (lambda k, n: random.generalized_normal(k, 1.5, n), scipy.stats.gennorm(1.5)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name: str) -> None:
    draw, law = DISTRIBUTIONS[name]
    samples = np.asarray(draw(random.key(11), (4000,)))
    assert scipy.stats.kstest(samples, law.cdf).pvalue > 1e-3


def test_frequencies() -> None:
    key, n = random.key(12), 20_000
    counts = np.bincount(random.categorical(key, np.log(P), shape=(n,)), minlength=3)
    assert scipy.stats.chisquare(counts, n * P).pvalue > 1e-3
    counts = np.bincount(random.choice(key, 3, (n,), p=P), minlength=3)
    assert scipy.stats.chisquare(counts, n * P).pvalue > 1e-3
    assert scipy.stats.chisquare(np.bincount(random.randint(key, (n,), 0, 7))).pvalue > 1e-3
    assert abs(float(jnp.mean(random.bernoulli(key, 0.3, (n,)))) - 0.3) < 5 * math.sqrt(0.21 / n)
    assert abs(float(jnp.mean(random.geometric(key, 0.3, (n,)))) - 1 / 0.3) < 0.1


@pytest.mark.parametrize(
    "name", ["_keys", "_binomial", "_continuous", "_discrete", "_multivariate", "_rejection"]
)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"jitney.random.{name}")
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    "dtypes", [("f4", "f4"), ("f4", "f8"), ("i4", "f4"), ("i4", "i4"), ("i8", "i8")], ids="-".join
)
def test_multivariate_normal_draws_in_the_dtype_of_its_parameters(dtypes: tuple[str, str]) -> None:
    mean, cov = np.array([1, 2], dtypes[0]), np.array([[2, 1], [1, 3]], dtypes[1])
    with jax.enable_x64(True):
        want = np.asarray(jax.random.multivariate_normal(jax.random.key(7), mean, cov))
    got = np.asarray(random.multivariate_normal(random.key(7), mean, cov))
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-5)
