"""The matrix: every row of the op table through every column (value, compiled, derivatives, batching, misuse)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import pytest

import jitney
from comparing import assert_close, assert_same, check_first, check_second
from jitney import tree
from opdb import ROWS
from opdb.table import Op, Sample

_JITTED: dict[int, Any] = {}


def _arrays(sample: Sample) -> bool:
    return bool(sample.traced) and all(isinstance(x, np.ndarray) for x in sample.arguments)


def _differentiable(row: Op, limit: int = 3) -> list[Sample]:
    """The first samples that have 64-bit inexact operands and no special values."""
    good = []
    for sample in row.samples:
        kinds = [x.dtype.str[1:] for x in sample.arguments] if _arrays(sample) else []
        finite = all(np.all(np.isfinite(x)) for x in sample.arguments) if kinds else False
        if (
            finite
            and any(k in ("f8", "c16") for k in kinds)
            and not any(k in ("f4", "c8", "f2") for k in kinds)
        ):
            good.append(sample)
    return good[:limit]


def _smooth(row: Op, sample: Sample) -> tuple[Callable[..., list[Any]], list[Any]]:
    """The row's function of the inexact operands alone, with a list as result, and these operands."""
    places = [i for i, x in enumerate(sample.arguments) if x.dtype.kind in "fc"]
    fun = sample.function(row.of(jitney))

    def smooth(*xs: Any) -> list[Any]:
        arguments = list(sample.arguments)
        for place, x in zip(places, xs, strict=True):
            arguments[place] = x
        return [y for y in tree.leaves(fun(*arguments)) if y.dtype.kind in "fc"]

    return smooth, [sample.arguments[i] for i in places]


def _call(row: Op, sample: Sample, library: Any) -> Any:
    return sample.call(row.of(library), *sample.operands)


# -- columns ----------------------------------------------------------------------------------------


def value(row: Op) -> None:
    """Values, dtypes, shapes and weak types are JAX's (or the reference's)."""
    for sample in row.samples:
        got = _call(row, sample, jitney)
        if row.reference is not None:
            want = sample.call(row.reference, *sample.operands)
            assert_same(got, want, row.tolerance, False, sample.text)
        else:
            assert_same(got, _of_jax(row, sample), row.tolerance, row.weak, f"{sample.text} {sample.params}")


def _of_jax(row: Op, sample: Sample) -> Any:
    """JAX's value: of one program where it can be, which it compiles faster than those of each operation."""
    if row.concrete or not _arrays(sample):
        return _call(row, sample, jax)
    try:
        return jax.jit(sample.function(row.of(jax)))(*sample.arguments)
    except Exception:  # it needs a number, or its program warns
        return _call(row, sample, jax)


def compiled(row: Op) -> None:
    """A compiled call gives what an eager one gives."""
    for sample in row.samples:
        got, want = jitney.jit(sample.function(row.of(jitney)))(*sample.arguments), _call(row, sample, jitney)
        assert_same(got, want, 1e-13, True, f"{sample.text} {sample.params}")


def forward(row: Op) -> None:
    """jvp against finite differences, vjp against jvp."""
    for sample in _differentiable(row):
        check_first(*_smooth(row, sample))


def second(row: Op) -> None:
    """The derivatives' derivatives, forward and reverse, against finite differences."""
    for sample in _differentiable(row, 2):
        check_second(*_smooth(row, sample))


def compiled_reverse(row: Op) -> None:
    """The compiled vjp gives what the eager one gives."""
    for sample in _differentiable(row, 2):
        fun, xs = _smooth(row, sample)
        cts = [np.ones_like(y) for y in map(np.asarray, fun(*xs))]
        pull = lambda xs, cts: jitney.vjp(fun, *xs)[1](cts)
        for got, want in zip(jitney.jit(pull)(xs, cts), pull(xs, cts), strict=True):
            assert_close(got, want, 1e-12, f"{sample.text} {sample.params}")


def batched(row: Op) -> None:
    """vmap over every choice of axes equals a loop."""
    fun = row.of(jitney)
    for sample in [s for s in row.samples if _arrays(s)][:4]:
        mapped = sample.function(fun)
        for axes in _choices(sample):
            examples = [
                np.stack([x, _shuffled(x)], axis=a) if a is not None else x
                for x, a in zip(sample.arguments, axes, strict=True)
            ]
            got = jitney.vmap(mapped, in_axes=axes)(*examples)
            _assert_loop(got, mapped, sample, axes)


def compiled_batched(row: Op) -> None:
    """The compiled vmap equals a loop."""
    fun = row.of(jitney)
    for sample in [s for s in row.samples if _arrays(s)][:1]:
        mapped = sample.function(fun)
        axes = (0,) * len(sample.arguments)
        examples = [np.stack([x, _shuffled(x)]) for x in sample.arguments]
        _assert_loop(jitney.jit(jitney.vmap(mapped))(*examples), mapped, sample, axes)


def _shuffled(x: Any) -> Any:
    return np.asarray(np.ravel(x)[::-1].reshape(np.shape(x)))


def _choices(sample: Sample) -> Iterator[tuple[int | None, ...]]:
    """Each operand alone, first axis and last; then all together, at the first axes and at different ones."""
    count = len(sample.arguments)
    for place in range(count):
        for axis in (0, -1):
            yield tuple(axis if i == place else None for i in range(count))
    if count > 1:
        yield (0,) * count
        yield tuple(itertools.islice(itertools.cycle((-1, 0)), count))


def _assert_loop(got: Any, fun: Any, sample: Sample, axes: Any) -> None:
    for number in range(2):
        operands = [
            _shuffled(x) if number and a is not None else x
            for x, a in zip(sample.arguments, axes, strict=True)
        ]
        want = tree.leaves(fun(*operands))
        for g, w in zip(tree.leaves(got), want, strict=True):
            assert_close(np.asarray(g)[number], w, 1e-12, f"{sample.text} {sample.params} in_axes={axes}")


def misuse(row: Op) -> None:
    """Bad calls raise the class that JAX raises, with a message; where Python's ways are off, which accept more."""
    with jitney.config.temporarily("jitney_python_control_flow", False):
        _misuse(row)


def _misuse(row: Op) -> None:
    for case in row.bad:
        what = f"{case.sample.text} {case.sample.operands if case.sample.text == 'given' else ''} {case.sample.params}"
        for library, error in ((jax, case.error if case.jax is ... else case.jax), (jitney, case.error)):
            if error is None:
                continue
            try:
                result = _call(row, case.sample, library)
            except Exception as raised:
                assert isinstance(raised, error), (
                    f"{library.__name__}, {what}: {type(raised).__name__}: {raised}"
                )
                assert library is jax or str(raised), f"{what}: no message"
            else:
                raise AssertionError(f"{library.__name__}, {what}: expected {error}, got {result!r}")


# -- cells --------------------------------------------------------------------------------------------


def _cells() -> Iterator[Any]:
    for row in ROWS:
        columns: list[Any] = [value] if row.samples else []
        if not row.concrete:
            columns += [compiled] if row.samples else []
        if row.batch and not row.concrete and any(map(_arrays, row.samples)):
            columns += [batched, compiled_batched]
        if row.order >= 1 and _differentiable(row):
            columns += [forward, compiled_reverse]
        if row.order >= 2 and _differentiable(row):
            columns.append(second)
        if row.bad:
            columns.append(misuse)
        try:
            row.of(jitney)
            marks: tuple = ()
        except AttributeError:
            columns, marks = [value], (pytest.mark.skip(f"jitney has no {row.name} yet"),)
        for column in columns:
            yield pytest.param(row, column, id=f"{row.id}-{column.__name__}", marks=marks)


@pytest.mark.parametrize("row, column", list(_cells()))
def test_cell(row: Op, column: Callable[[Op], None]) -> None:
    column(row)


def test_rows_have_their_own_names() -> None:
    names = [row.id for row in ROWS]
    assert len(names) == len(set(names)), sorted({n for n in names if names.count(n) > 1})
