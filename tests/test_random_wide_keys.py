"""Random keys of four words, rbg and unsafe_rbg: bit for bit those of JAX, eager, compiled and batched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp

KINDS = ("rbg", "unsafe_rbg")


@pytest.fixture(params=KINDS)
def impl(request: pytest.FixtureRequest) -> str:
    return request.param


def words(lib: Any, value: Any) -> np.ndarray:
    """Numbers of a result, of keys their words."""
    is_key = lib.dtypes.issubdtype(value.dtype, lib.dtypes.prng_key)
    return np.asarray(lib.random.key_data(value) if is_key else value)


PROGRAMS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "key": lambda lib, np_, k: k,
    "split": lambda lib, np_, k: lib.random.split(k, 3),
    "split in axes": lambda lib, np_, k: lib.random.split(k, (2, 3)),
    "fold_in": lambda lib, np_, k: lib.random.fold_in(k, 7),
    "clone": lambda lib, np_, k: lib.random.clone(k),
    "second": lambda lib, np_, k: lib.random.split(k)[1],
    "bits 8": lambda lib, np_, k: lib.random.bits(k, (3, 5), np.uint8),
    "bits 16": lambda lib, np_, k: lib.random.bits(k, (7,), np.uint16),
    "bits 32": lambda lib, np_, k: lib.random.bits(k, (2, 3), np.uint32),
    "bits 64": lambda lib, np_, k: lib.random.bits(k, (), np.uint64),
    "none": lambda lib, np_, k: lib.random.bits(k, (0, 3)),
    "uniform": lambda lib, np_, k: lib.random.uniform(k, (4,), np.float32),
    "permutation": lambda lib, np_, k: lib.random.permutation(k, 6),
    "where": lambda lib, np_, k: np_.where(np_.array([True, False]), lib.random.split(k), k),
    "equal": lambda lib, np_, k: lib.random.split(k, 3) == lib.random.split(k, 3)[1],
    "loop": lambda lib, np_, k: lib.lax.scan(
        lambda c, _: (lib.random.split(c)[0], lib.random.uniform(c)), k, None, length=3
    ),
}


def both(
    program: Callable[[Any, Any, Any], Any], impl: str, wrap: Callable[[Any, Any], Any]
) -> Iterator[Any]:
    for lib, np_ in ((jitney, jnp), (jax, jax.numpy)):
        keys = lib.random.split(lib.random.key(123456789012, impl=impl), 3)
        yield [words(lib, x) for x in lib.tree.leaves(wrap(lib, lambda k: program(lib, np_, k))(keys))]


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str, impl: str) -> None:
    ways: dict[str, Callable[[Any, Any], Any]] = {
        "eager": lambda lib, f: lambda keys: f(keys[0]),
        "vmap": lambda lib, f: lib.vmap(f),
        "nested vmap": lambda lib, f: lambda keys: lib.vmap(lib.vmap(f))(keys[None]),
    }
    for way, wrap in ways.items():
        if way == "nested vmap" and name not in ("split", "fold_in", "bits 32"):
            continue
        ours, theirs = both(PROGRAMS[name], impl, wrap)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b, way)
        compiled, _ = both(
            PROGRAMS[name],
            impl,
            lambda lib, f, wrap=wrap: jitney.jit(wrap(lib, f)) if lib is jitney else wrap(lib, f),
        )
        for a, b in zip(compiled, theirs, strict=True):
            np.testing.assert_array_equal(a, b, f"jit {way}")


def test_fold_in_of_mapped_numbers(impl: str) -> None:
    found = []
    for lib in (jitney, jax):
        k = lib.random.key(3, impl=impl)
        found.append(
            lib.random.key_data(lib.vmap(lambda i, k=k, lib=lib: lib.random.fold_in(k, i))(np.arange(4)))
        )
    np.testing.assert_array_equal(*map(np.asarray, found))


def test_words_are_kept_whatever_they_are(impl: str) -> None:
    """As floats some words would be NaN with payload, infinite, subnormal or a negative zero."""
    patterns = np.array(
        [
            [0x12345678, 0x7FF00001, 1, 0xFFF80000],
            [0, 0x80000000, 0, 0x7FF00000],
            [1, 0, 0xFFFFFFFF, 0xFFFFFFFF],
        ],
        np.uint32,
    )
    keys = jitney.random.wrap_key_data(jnp.array(patterns), impl=impl)

    @jitney.jit
    def moved(keys: Any, i: Any) -> Any:
        picked = jnp.where(i > 0, keys[i], keys[0])
        rest = jnp.concatenate([keys[1:], picked[None]])
        return rest, jitney.lax.fori_loop(0, 2, lambda _, ks: ks[::-1], rest), keys == keys

    a, b, same = moved(keys, 0)
    np.testing.assert_array_equal(jitney.random.key_data(a), patterns[[1, 2, 0]])
    np.testing.assert_array_equal(jitney.random.key_data(b), patterns[[1, 2, 0]])
    assert np.asarray(same).all()
    np.testing.assert_array_equal(jitney.jit(lambda: jitney.random.key_data(keys[1]))(), patterns[1])


def test_raw_keys_are_of_the_default_kind(impl: str) -> None:
    raw = jitney.random.PRNGKey(1, impl=impl)
    np.testing.assert_array_equal(raw, [0, 1, 0, 1])
    with pytest.raises(TypeError, match="threefry2x32 is a uint32 array whose last axis has size 2"):
        jitney.random.uniform(raw)
    with jitney.config.temporarily("jax_default_prng_impl", impl):
        x = jitney.jit(jitney.random.uniform)(raw)
        assert jitney.random.key(1).dtype is jitney.random.key_dtype(impl)
        with pytest.raises(TypeError, match="size 4"):
            jitney.random.uniform(jnp.zeros(2, np.uint32))
    assert x == jitney.random.uniform(jitney.random.key(1, impl=impl))


def test_kinds_do_not_mix(impl: str) -> None:
    wide, usual = jitney.random.key(0, impl=impl), jitney.random.key(0)
    assert jitney.random.key_impl(wide) == impl
    assert repr(wide.dtype) == {"rbg": "key<rbg>", "unsafe_rbg": "key<urbg>"}[impl]
    for combine in (
        lambda: wide == usual,
        lambda: jnp.stack([wide, usual]),
        lambda: jnp.where(True, wide, usual),
    ):
        with pytest.raises((TypeError, ValueError), match="key<"):
            combine()
    with pytest.raises(TypeError, match="size 4"):
        jitney.random.wrap_key_data(jnp.zeros(2, np.uint32), impl=impl)
    with pytest.raises(ValueError, match="unrecognized PRNG"):
        jitney.random.key(0, impl="mersenne")


def test_distributions_take_them(impl: str) -> None:
    found = []
    for lib in (jitney, jax):
        k = lib.random.key(8, impl=impl)
        found.append(
            [
                lib.random.normal(k, (3,)),
                lib.random.choice(k, 10, (4,), replace=False),
                lib.random.gamma(k, 2.5, (3,)),
                lib.random.truncated_normal(k, -1.0, 1.0, (3,)),
            ]
        )
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_parts_that_overflow_stay_parts() -> None:
    z = jitney.lax.complex(jnp.array([0.0, np.inf]), jnp.array([np.inf, -0.0]))
    np.testing.assert_array_equal(np.real(z), [0.0, np.inf])
    np.testing.assert_array_equal(np.signbit(np.imag(z)), [False, True])
