"""Programs so long that they are cut, into segments of loop nests and into functions; equal nests are one function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney import lax
from jitney._compiler import cut_blocks as cutting
from jitney._compiler import share_nests
from jitney._compiler.emit import emit
from jitney._compiler.machine import host_target
from jitney._compiler.pipeline import lower, simplify
from jitney._kernel.ir import LoopProgram

_RNG = np.random.default_rng(0)


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are cut already where a few instructions stand together."""
    monkeypatch.setattr(cutting, "_LONGEST", 12)
    monkeypatch.setattr(cutting, "_PART", 5)


def lowered(f: Callable, *args: Any) -> LoopProgram:
    return lower(simplify(jitney.make_jaxpr(f)(*args)))[1]


def scalars(x: Any) -> Any:
    a, b, c = x[0], x[1], x[2]
    for _ in range(4):
        a, b, c = a + 0.1 * (b - a), jnp.sin(b) + 0.1 * (a * (2 - c) - b), jnp.where(a > b, c, a * b)
    return a, b, c


def loops(x: Any) -> Any:
    """Loops whose bodies are cut, that swap buffers, and whose results others need."""

    def body(state: Any, k: Any) -> Any:
        a, v = state
        for _ in range(3):
            a = jnp.cos(a) + 0.5 * k
        return (a + v.sum(), v[::-1] * a), a * v[0]

    (a, v), ys = lax.scan(body, (x[0], jnp.concatenate([x] * 8)), jnp.arange(5.0))
    count = lax.while_loop(lambda s: s[0] < 3.0, lambda s: (s[0] + 0.5 + s[1] ** 2, s[1] * 0.5), (a * 0, a))
    return a, v, ys, count[1] + lax.cond(a > 0, lambda: a * 2, lambda: jnp.exp(a) - v[1])


def host(x: Any) -> Any:
    y = jitney.pure_callback(np.cumsum, jitney.ShapeDtypeStruct(x.shape, x.dtype), x * 2)
    return y * x[0] + jnp.sqrt(jnp.abs(y)) - x[1] * x[2]


@pytest.mark.parametrize("f", [scalars, loops, host], ids=lambda f: f.__name__)
def test_parts_compute_what_the_whole_does(f: Callable, short_parts: None) -> None:
    x = _RNG.normal(size=3)
    want, got = f(x), jitney.jit(f)(x)
    for w, g in zip(jitney.tree.leaves(want), jitney.tree.leaves(got), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-14)
    assert len(lowered(f, x).cuts) >= 1


def test_gradient_in_parts(short_parts: None) -> None:
    x = _RNG.normal(size=3)
    total = lambda x: sum(jnp.sum(y) for y in jitney.tree.leaves(scalars(x)))  # noqa: E731
    np.testing.assert_allclose(jitney.jit(jitney.grad(total))(x), jitney.grad(total)(x), rtol=1e-12)


def test_lanes_stay_with_their_bundle(short_parts: None) -> None:
    """Functions computed several at once leave a vector, which is no value that passes through memory."""

    def f(x: Any) -> Any:
        y = [jnp.sin(x[k]) for k in range(3)]
        return jnp.stack([y[0] * y[1] + k * y[2] for k in range(4)])

    x = _RNG.normal(size=3)
    np.testing.assert_allclose(jitney.jit(f)(x), f(x), rtol=1e-12)


def test_stack_memory_of_several_parts_is_shared(short_parts: None) -> None:
    def f(x: Any) -> Any:
        y = jnp.cumsum(jnp.sin(x))
        return y[::-1] + jnp.cumsum(y * 2)

    x = _RNG.normal(size=20)
    program = lowered(f, x)
    assert any(b.kind == "scratch" for b in program.buffers)
    np.testing.assert_allclose(jitney.jit(f)(x), f(x), rtol=1e-12)


def chain(n: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        for _ in range(n):
            x = jnp.sin(x) * 1.01 + 0.1
        return x

    return f


@pytest.mark.parametrize("shape", [(), (8,), (30,)])
def test_long_chains(shape: tuple[int, ...]) -> None:
    x, f = _RNG.normal(size=shape), chain(300)
    np.testing.assert_allclose(jitney.jit(f)(x), f(x), rtol=1e-9)
    total = lambda x: jnp.sum(f(x))  # noqa: E731
    np.testing.assert_allclose(jitney.jit(jitney.grad(total))(x), jitney.grad(total)(x), rtol=1e-7)


def test_chains_are_read_segment_by_segment() -> None:
    """No loop nest of a long chain has more than some hundred operations."""

    def longest(body: list) -> int:
        return max([len(body), *(longest(s.body) for s in body if hasattr(s, "body"))])

    x = np.ones(30)
    assert longest(lowered(chain(600), x).body) < 400
    assert longest(lowered(jitney.grad(lambda x: chain(600)(x).sum()), x).body) < 800


# -- equal loop nests


def repeated(x: Any) -> Any:
    """The same nests on other memory, in loops as well, with values from around them."""

    def body(v: Any, k: Any) -> Any:
        for _ in range(3):
            v = jnp.roll(jnp.sin(v) * k + 0.1, 1)
        return v, v.sum()

    for _ in range(4):
        x = jnp.cumsum(jnp.tanh(x @ x.T) @ x, axis=0) / 10 + x[0, 0]
    y, sums = lax.scan(body, x.ravel(), jnp.arange(3.0))
    return x, y, sums, [jnp.max(jnp.exp(x * c) + x.sum()) for c in (1.0, 2.0, 2.0)]


@pytest.mark.parametrize("cut", [False, True])
def test_equal_nests_are_one_function(cut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_nests, "_LEAST", 3)
    monkeypatch.setattr(share_nests, "_LEAST_INSIDE", 3)
    if cut:
        monkeypatch.setattr(cutting, "_LONGEST", 12)
        monkeypatch.setattr(cutting, "_PART", 5)
    x = _RNG.normal(size=(5, 5))
    program = lowered(repeated, x)
    keys = [nest.key for nest in program.nests.values()]
    assert len(keys) > 10
    text = emit(program, host_target())[0]
    assert text.count("define internal void @jt_nest") == len(set(keys)) < len(keys) / 2
    for want, got in zip(
        jitney.tree.leaves(repeated(x)), jitney.tree.leaves(jitney.jit(repeated)(x)), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)


def test_equal_nests_of_threads() -> None:
    """Segments of a chain on arrays that threads share; the first temporary lies in the memory of the result."""
    x = _RNG.normal(size=1000)
    total = lambda x: chain(200)(x).sum()  # noqa: E731
    program = lowered(jitney.grad(total), x)
    assert any(loop.kind == "parallel" for loop in program.nests)
    np.testing.assert_allclose(jitney.jit(jitney.grad(total))(x), jitney.grad(total)(x), rtol=1e-7)


def test_equal_nests_know_temporaries_in_the_memory_of_results() -> None:
    """Two equal nests of threads, the first of which writes a temporary that lies where the result will be."""
    x = _RNG.normal(size=100_000)
    f = lambda x: jnp.sin(jnp.sort(jnp.sin(x)))  # noqa: E731
    program = lowered(f, x)
    assert len(program.nests) == 2
    assert any(b.inside is not None for b in program.buffers)
    np.testing.assert_allclose(jitney.jit(f)(x), np.sin(np.sort(np.sin(x))), rtol=1e-14)


def test_many_buffers_are_no_burden_of_the_stack() -> None:
    program = lowered(jitney.grad(lambda x: chain(300)(x).sum()), np.ones(1000))
    assert sum(b.size * b.dtype.itemsize for b in program.buffers if b.kind == "stack") < 200_000


def test_a_function_called_often_is_compiled_once() -> None:
    @jitney.jit
    def step(x: Any) -> Any:
        for _ in range(48):
            x = jnp.cos(x) * 1.01 + 0.1
        return x

    def f(x: Any) -> Any:
        for _ in range(20):
            x = step(x)
        return x

    x = np.linspace(0, 1, 9)
    program = lowered(f, x)
    assert len({nest.key for nest in program.nests.values()}) <= 2
    np.testing.assert_allclose(jitney.jit(f)(x), f(x), rtol=1e-12)
