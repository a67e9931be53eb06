"""rng_bit_generator, Threefry and Philox on words, jitney.extend.random: bit for bit as JAX's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import jax
import jax.extend.random as theirs
import numpy as np
import pytest

import jitney
import jitney.extend.random as ours
import jitney.numpy as jnp
from jitney import lax

STATES = [np.array(x, np.uint32) for x in ([1, 2, 3, 4], [0xFFFFFFFF, 2, 0xFFFFFFFE, 0xFFFFFFFF])]


@pytest.fixture(autouse=True, scope="module")
def quick_oracle() -> Iterator[None]:
    """JAX compiles for most of the time here; with fewer optimizations its numbers are the same."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.mark.parametrize(
    ("algorithm", "dtype"),
    [(0, "uint32"), *itertools.product([1, 2], ["uint8", "uint32", "uint64"])],
)
def test_bits_as_jax(algorithm: int, dtype: str) -> None:
    shapes = [(3, 5), (4, 6), (2, 3, 5)] if algorithm == 1 else [(), (0,), (11,)]
    for state, shape in [(STATES[0], shape) for shape in shapes] + [(STATES[1], (12,))]:
        want = jax.lax.rng_bit_generator(state, shape, dtype, jax.lax.RandomAlgorithm(algorithm))
        got = lax.rng_bit_generator(state, shape, dtype, lax.RandomAlgorithm(algorithm))
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=f"{shape} {state}")
            assert a.dtype == b.dtype


def test_states_of_two_words_compiled_and_batched() -> None:
    state = np.array([1 + (2 << 32), 3 + (4 << 32)], np.uint64)
    want = jax.lax.rng_bit_generator(state, (5,), "uint64")
    run = jitney.jit(lambda s: lax.rng_bit_generator(s, (5,), "uint64"))
    for got in (run(state), lax.rng_bit_generator(state, (5,), "uint64")):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert "host" not in run.lower(state).compile().as_text()
    after, bits = jitney.vmap(lambda s: lax.rng_bit_generator(s, (3,)))(np.stack(STATES))
    for row, each in enumerate(STATES):
        one = lax.rng_bit_generator(each, (3,))
        np.testing.assert_array_equal(after[row], one[0])
        np.testing.assert_array_equal(bits[row], one[1])


def test_parameters_in_programs() -> None:
    texts = [
        str(m.make_jaxpr(lambda k, m=m: m.lax.rng_bit_generator(k, (3,)))(STATES[0])) for m in (jitney, jax)
    ]
    assert texts[0] == texts[1]


def test_misuse() -> None:
    with pytest.raises(TypeError, match="unsupported dtype int32"):
        lax.rng_bit_generator(STATES[0], (2,), "int32")
    for bad in (np.zeros(3, np.uint32), np.zeros(4, np.int32), np.zeros((2, 2), np.uint32)):
        with pytest.raises(TypeError, match="requires a key of type"):
            lax.rng_bit_generator(bad, (2,))
    for refused in (lax.rng_uniform, ours.define_prng_impl):
        with pytest.raises(NotImplementedError):
            refused()
    for impl, error in ((3, TypeError), ("other", ValueError)):
        with pytest.raises(error):
            jitney.random.key(0, impl=impl)
    with pytest.raises(TypeError, match="requires uint32 arguments"):
        ours.threefry_2x32(jnp.zeros(2), jnp.zeros(3, jnp.uint32))


@pytest.mark.parametrize("count", [0, 1, 2, 7, (2, 3)])
def test_threefry_as_jax(count: object) -> None:
    words = np.arange(np.prod(count), dtype=np.uint32).reshape(count)
    pair = np.array([7, 11], np.uint32)
    want = theirs.threefry_2x32(jax.numpy.asarray(pair), jax.numpy.asarray(words))
    np.testing.assert_array_equal(np.asarray(ours.threefry_2x32(pair, words)), np.asarray(want))
    np.testing.assert_array_equal(np.asarray(jitney.jit(ours.threefry_2x32)(pair, words)), np.asarray(want))


def test_keys_of_an_implementation() -> None:
    for seeds in (3, np.arange(4)):
        want = theirs.random_seed(seeds, theirs.threefry_prng_impl)
        got = ours.random_seed(seeds, ours.threefry_prng_impl)
        np.testing.assert_array_equal(jitney.random.key_data(got), jax.random.key_data(want))
    got = ours.seed_with_impl(ours.threefry_prng_impl, 5)
    np.testing.assert_array_equal(jitney.random.key_data(got), jax.random.key_data(jax.random.key(5)))
    words = [jnp.uint32(n) for n in range(4)]
    want = theirs.threefry2x32_p.bind(*[jax.numpy.uint32(n) for n in range(4)])
    assert [int(x) for x in ours.threefry2x32_p.bind(*words)] == [int(x) for x in want]
