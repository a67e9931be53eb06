"""The op table inside of transformations and control flow: each differentiable operation once, in every column below."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import jitney
from comparing import assert_close, direction, pair
from jitney import lax, tree
from opdb import ROWS
from opdb.table import Op, Sample
from test_opdb import _arrays, _differentiable, _smooth

Smooth = tuple[Callable[..., list[Any]], list[Any]]


def _total(fun: Callable[..., list[Any]], xs: list[Any], seed: int = 5) -> Callable[..., Any]:
    """The outputs as one number, whose derivative is that of all of them."""
    weights = [direction(y, seed) for y in fun(*xs)]
    return lambda *xs: sum((w * y).real.sum() for w, y in zip(weights, fun(*xs), strict=True))


def _gradient(fun: Callable[..., Any], xs: list[Any]) -> tuple:
    return jitney.grad(fun, argnums=tuple(range(len(xs))))(*xs)


def _equal(got: Any, want: Any, what: str) -> None:
    for g, w in zip(got, want, strict=True):
        assert_close(g, w, 1e-11, what)


def linearized(fun: Callable[..., list[Any]], xs: list[Any]) -> None:
    """linearize, and the map applied twice, against jvp."""
    ts = [direction(x, 1) for x in xs]
    _, push = jitney.linearize(fun, *xs)
    want = jitney.jvp(fun, tuple(xs), tuple(ts))[1]
    _equal(push(*ts), want, "linearize")
    _equal(push(*[2 * t for t in ts]), [2 * np.asarray(t) for t in want], "twice the tangent")


def transposed(fun: Callable[..., list[Any]], xs: list[Any]) -> None:
    """<ct, J t> = <J' ct, t> for the linear map and its ``linear_transpose``."""
    ts = [direction(x, 1) for x in xs]
    ys, push = jitney.linearize(fun, *xs)
    cts = [direction(y, 2) for y in ys]
    pulled = jitney.linear_transpose(push, *xs)(cts)
    np.testing.assert_allclose(pair(pulled, ts), pair(cts, push(*ts)), rtol=1e-10, atol=1e-10)


def remat(fun: Callable[..., list[Any]], xs: list[Any]) -> None:
    """The gradient of a checkpointed function, compiled."""
    total = _total(fun, xs)
    got = jitney.jit(lambda *xs: _gradient(jitney.checkpoint(total), list(xs)))(*xs)
    _equal(got, _gradient(total, xs), "checkpoint")


def custom_rules(fun: Callable[..., list[Any]], xs: list[Any]) -> None:
    """The operation in functions whose rules are its own derivatives."""
    total = _total(fun, xs)
    want = _gradient(total, xs)

    forward = jitney.custom_jvp(total)
    forward.defjvp(lambda primals, tangents: jitney.jvp(total, primals, tangents))
    _equal(_gradient(forward, xs), want, "custom_jvp")

    reverse = jitney.custom_vjp(total)
    reverse.defvjp(lambda *xs: (total(*xs), xs), lambda xs, ct: jitney.vjp(total, *xs)[1](ct))
    _equal(_gradient(reverse, xs), want, "custom_vjp")


def in_a_scan(fun: Callable[..., list[Any]], xs: list[Any]) -> None:
    """The operation in a compiled scan over two examples: value and gradient."""
    total = _total(fun, xs)
    stacked = [np.stack([x, x]) for x in xs]

    def loop(*stacked: Any) -> Any:
        return lax.scan(lambda c, xs: (c + total(*xs), None), 0.0, stacked)[0]

    value, gradient = jitney.jit(lambda *s: (loop(*s), jitney.grad(loop, argnums=tuple(range(len(xs))))(*s)))(
        *stacked
    )
    assert_close(value, 2 * np.asarray(total(*xs)), 1e-11, "scan")
    _equal(gradient, [np.stack([g, g]) for g in _gradient(total, xs)], "gradient of scan")


def in_a_branch(fun: Callable[..., list[Any]], xs: list[Any]) -> None:
    """The operation in one branch of a compiled cond, taken and not taken."""
    total = _total(fun, xs)

    def either(on: Any, *xs: Any) -> Any:
        return lax.cond(on, total, lambda *xs: sum(x.real.sum() for x in xs), *xs)

    program = jitney.jit(jitney.grad(either, argnums=tuple(range(1, 1 + len(xs)))))
    _equal(program(True, *xs), _gradient(total, xs), "gradient of the branch")
    _equal(program(False, *xs), [np.ones_like(x) for x in map(np.asarray, xs)], "of the other one")


def batched_twice(fun: Callable[..., list[Any]], xs: list[Any]) -> None:
    """Gradients under two levels of vmap along different axes."""
    total = _total(fun, xs)
    grid = [np.stack([np.stack([x, x], axis=-1)] * 3) for x in xs]
    gradient = lambda *xs: _gradient(total, list(xs))  # noqa: E731
    mapped = jitney.vmap(jitney.vmap(gradient, in_axes=-1))
    for got, want in zip(mapped(*grid), _gradient(total, xs), strict=True):
        assert got.shape == (3, 2, *np.shape(want))
        assert_close(got, np.broadcast_to(want, got.shape), 1e-11, "vmap of vmap")


COLUMNS = (linearized, transposed, remat, custom_rules, in_a_scan, in_a_branch, batched_twice)


def _representatives() -> Iterator[tuple[Op, Sample]]:
    """One sample with inexact operands for each name in the table."""
    seen = set()
    for row in ROWS:
        if row.name in seen or row.concrete or row.order < 1:
            continue
        if not _present(row):
            continue
        samples = _differentiable(row, 1)
        if samples and _has_results(row, samples[0]):
            seen.add(row.name)
            yield row, samples[0]


def _has_results(row: Op, sample: Sample) -> bool:
    """Whether there is something to differentiate (of argmax there is not)."""
    fun, xs = _smooth(row, sample)
    return bool(fun(*xs))


def _discrete() -> Iterator[tuple[Op, Sample]]:
    """One sample of arrays for each name that has no derivative."""
    seen = {row.name for row, _ in _representatives()}
    for row in ROWS:
        samples = [s for s in row.samples if _arrays(s) and all(x.size for x in s.arguments)]
        if row.name not in seen and samples and not row.concrete and _present(row):
            seen.add(row.name)
            yield row, samples[0]


def _present(row: Op) -> bool:
    try:
        row.of(jitney)
    except AttributeError:
        return False
    return True


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("row, sample", list(_representatives()), ids=lambda v: getattr(v, "name", ""))
def test_cell(row: Op, sample: Sample, column: Callable[..., None]) -> None:
    column(*_smooth(row, sample))


@pytest.mark.parametrize("row, sample", list(_discrete()), ids=lambda v: getattr(v, "name", ""))
def test_values_in_loops_and_branches(row: Op, sample: Sample) -> None:
    """Operations without derivatives, compiled in a scan over two examples and in a branch."""
    fun = sample.function(row.of(jitney))
    want = tree.leaves(fun(*sample.arguments))

    def program(on: Any, *stacked: Any) -> Any:
        step = lambda c, xs: (c + 1, tree.leaves(fun(*xs)))
        again = lambda *xs: tree.leaves(fun(*xs))
        zeros = lambda *xs: [jitney.numpy.zeros_like(y) for y in again(*xs)]
        _, ys = lax.scan(step, 0, stacked)
        return ys, lax.cond(on, again, zeros, *[x[0] for x in stacked])

    stacked = [np.stack([x, x]) for x in sample.arguments]
    ys, chosen = jitney.jit(program)(True, *stacked)
    _, other = jitney.jit(program)(False, *stacked)
    for y, one, zero, w in zip(ys, chosen, other, want, strict=True):
        assert_close(y, np.stack([w, w]), 1e-12, f"scan of {row.name}")
        assert_close(one, w, 1e-12, f"branch of {row.name}")
        assert_close(zero, np.zeros_like(w), 1e-12, f"other branch of {row.name}")
