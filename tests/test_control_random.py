"""Random programs with control flow: eager = compiled = slow evaluator = JAX, with each pass off; derivatives, batches.

``JITNEY_EXAMPLES=1000 pytest tests/test_control_random.py`` tries other and more programs.
"""

from __future__ import annotations

import os
import types
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import jitney
import jitney.numpy
from comparing import direction
from compiler_cases import close, slowly, staged
from control_programs import FLOATS, LONGEST, TYPES, Program, control_programs
from jitney._compiler.options import without

_MORE = int(os.environ.get("JITNEY_EXAMPLES", 0))
_FLOAT = [i for i, name in enumerate(TYPES) if name in FLOATS]
_WEIGHTS = (0.7, -0.3, 0.9, 0.4, 1.1)

PASSES = (
    "drop_dead",
    "simplify_algebra",
    "share_equal",
    "fuse",
    "merge_axes",
    "split_folds",
    "drop_unused",
    "choose_widths",
    "balance_divider",
    "share_buffers",
    "pack_stacks",
    "pack_math",
    "hoist_invariants",
    "llvm_passes",
)


def examples(count: int) -> Callable[[Any], Any]:
    """So many programs, always the same ones; more and others if the environment asks for them."""
    return settings(
        max_examples=_MORE or count,
        derandomize=not _MORE,
        deadline=None,
        report_multiple_bugs=False,
        phases=[Phase.explicit, Phase.generate] + [Phase.shrink] * (not _MORE),
        suppress_health_check=list(HealthCheck),
    )


# -- JAX --------------------------------------------------------------------------------------------


def _bounded_while(test: Any, body: Any, init: Any) -> Any:
    """``while_loop`` of few steps that JAX can differentiate in reverse."""
    init = jax.tree.map(jax.numpy.asarray, init)
    step = lambda c, _: (jax.lax.cond(test(c), body, lambda c: c, c), None)
    return jax.lax.scan(step, init, None, LONGEST)[0]


def _bounded_fori(lower: Any, upper: Any, body: Any, init: Any) -> Any:
    if isinstance(lower, int) and isinstance(upper, int):
        return jax.lax.fori_loop(lower, upper, body, init)
    return _bounded_while(lambda c: c[0] < upper, lambda c: (c[0] + 1, body(*c)), (lower, init))[1]


_jax_lax = types.SimpleNamespace(**vars(jax.lax))
_jax_lax.while_loop, _jax_lax.fori_loop = _bounded_while, _bounded_fori


def expected(program: Program, lax: Any = None) -> list[np.ndarray]:
    fun = jax.jit(program.of(jax, lax))
    return list(map(np.asarray, fun(*program.arguments)))


def total(program: Program, library: Any, lax: Any = None) -> Callable[..., Any]:
    """A number that depends on all float results, as a function of the float arguments."""
    fun = program.of(library, lax)

    def number(*floats: Any) -> Any:
        outs = fun(*floats, *program.arguments[len(floats) :])
        parts = [library.numpy.sum(outs[i] * (1.5 + outs[i])) for i in _FLOAT]
        return sum(weight * part for weight, part in zip(_WEIGHTS, parts, strict=True))

    return number


# -- the ways to run a program ----------------------------------------------------------------------


def compare(got: Any, want: Any, what: str) -> None:
    for name, g, w in zip(TYPES, got, want, strict=False):
        try:
            close(g, w, 1e-10)
        except AssertionError as error:
            raise AssertionError(f"{what}, {name}: {error}") from None


@examples(30)
@given(control_programs())
def test_values(program: Program) -> None:
    want, fun, args = expected(program), program.of(jitney), program.arguments
    before = [x.copy() for x in args]
    compare(jitney.jit(fun)(*args), want, "compiled")
    compare(fun(*args), want, "eager")
    compare(slowly(staged(fun, *args), *args), want, "evaluated")
    if "scan 0" not in program.kinds:
        with jitney.disable_jit():
            compare(fun(*args), want, "without jit")
    for x, y in zip(args, before, strict=True):
        np.testing.assert_array_equal(x, y, "an argument was overwritten")


@pytest.mark.parametrize("name", PASSES)
def test_each_pass_may_be_off(name: str) -> None:
    @examples(8)
    @given(control_programs())
    def run(program: Program) -> None:
        args = program.arguments
        want = jitney.jit(program.of(jitney))(*args)
        with without(name):
            compare(jitney.jit(program.of(jitney))(*args), want, f"without {name}")

    run()


@examples(13)
@given(control_programs())
def test_derivatives(program: Program) -> None:
    floats = program.arguments[: len(FLOATS)]
    places = tuple(range(len(floats)))
    ours, theirs = total(program, jitney), total(program, jax, _jax_lax)
    value, want = jax.jit(jax.value_and_grad(theirs, places))(*floats)
    number, got = jitney.jit(jitney.value_and_grad(ours, places))(*floats)
    close(number, np.asarray(value), 1e-10)
    compare(got, want, "gradient by")
    compare(jitney.grad(ours, places)(*floats), want, "eager gradient by")
    compare(
        jitney.jit(jitney.grad(jitney.checkpoint(ours), places))(*floats), want, "gradient of checkpoint by"
    )
    ts = [direction(x, 1) for x in floats]
    number, tangent = jitney.jit(lambda xs, ts: jitney.jvp(ours, xs, ts))(tuple(floats), tuple(ts))
    close(number, np.asarray(value), 1e-10)
    close(tangent, np.asarray(sum(np.sum(g * t) for g, t in zip(want, ts, strict=True))), 1e-10)


def _batch(program: Program) -> list[Any]:
    """Three examples, on their first axis."""
    others = lambda x: np.roll(x.ravel(), 1).reshape(x.shape) if x.ndim else x
    last = lambda x: ~x if x.dtype == bool else -x if x.dtype.kind == "f" else (x + 1) % 7
    return [np.stack([x, others(x), last(x)]) for x in program.arguments]


def _masks() -> Any:
    """Which of the arguments have a batch axis."""
    return st.lists(st.booleans(), min_size=len(TYPES), max_size=len(TYPES)).filter(any)


def _examples(batch: list[Any], program: Program, mask: list[bool]) -> tuple[list[Any], tuple[Any, ...]]:
    """Arguments with a batch axis where ``mask`` says so, and their ``in_axes``."""
    pairs = zip(batch, program.arguments, mask, strict=True)
    return [many if on else one for many, one, on in pairs], tuple(0 if on else None for on in mask)


def _one(args: list[Any], axes: tuple[Any, ...], i: int) -> list[Any]:
    return [x if axis is None else x[i] for x, axis in zip(args, axes, strict=True)]


@examples(16)
@given(control_programs(), _masks())
def test_batches(program: Program, mask: list[bool]) -> None:
    args, axes = _examples(_batch(program), program, mask)
    fun = jitney.jit(program.of(jitney))
    got = jitney.jit(jitney.vmap(program.of(jitney), axes))(*args)
    for i in range(3):
        compare([x[i] for x in got], fun(*_one(args, axes, i)), f"example {i}")


@examples(13)
@given(control_programs(level=2), _masks())
def test_derivatives_of_batches(program: Program, mask: list[bool]) -> None:
    args, axes = _examples(_batch(program), program, mask)
    slope = jitney.grad(total(program, jitney), tuple(range(len(FLOATS))))
    got, one = jitney.jit(jitney.vmap(slope, axes))(*args), jitney.jit(slope)
    for i in range(3):
        compare([x[i] for x in got], one(*_one(args, axes, i)), f"gradient of example {i} by")


@examples(8)
@given(control_programs(level=2))
def test_second_derivatives(program: Program) -> None:
    """Products with the Hessian, forward over reverse."""
    floats = tuple(program.arguments[: len(FLOATS)])
    ts = tuple(direction(x, 1) for x in floats)

    def product(m: Any, lax: Any = None) -> Any:
        slope = m.grad(total(program, m, lax), tuple(range(len(FLOATS))))
        return m.jit(lambda xs, ts: m.jvp(slope, xs, ts)[1])

    compare(product(jitney)(floats, ts), product(jax, _jax_lax)(floats, ts), "product with the Hessian,")
