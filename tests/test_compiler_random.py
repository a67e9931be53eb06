"""Random programs: the slow evaluator of the loop IR = compiled = compiled with each pass off = NumPy meanings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler_cases import checking, close, compiled, evaluated, slowly, staged
from jitney import lax
from jitney._compiler import cut_blocks, lower_kernels, nests, reuse_outputs, share_nests
from jitney._compiler.options import without

PASSES = (
    "drop_dead",
    "simplify_algebra",
    "sink_transposes",
    "share_equal",
    "fuse",
    "merge_axes",
    "parallelize",
    "split_folds",
    "drop_unused",
    "choose_widths",
    "balance_divider",
    "llvm_passes",
)
SHAPES = ((), (1,), (3,), (20,), (4, 3), (3, 17), (2, 5, 6), (1, 40), (33, 2))


class Program:
    """A random sequence of operations, replayed from a list of choices."""

    def __init__(self, choices):
        self.choices = choices

    def __call__(self, *args):
        values = list(args)
        for op, i, j, k in self.choices:
            x, y = values[i % len(values)], values[j % len(values)]
            made = _OPS[op % len(_OPS)](x, y, k)
            if made is not None and made.size <= 3000:
                values.append(made)
        return values[len(args) :][-5:] or [lax.neg(args[0])]


def _matching(x, y, op):
    if x.shape == y.shape or not y.shape or not x.shape:
        return op(x, y)
    return op(x, lax.reduce_sum(y, tuple(range(len(y.shape)))))


def _view(x, y, k):
    rank = len(x.shape)
    if not rank:
        return lax.broadcast_in_dim(x, (3 + k % 5,), ())
    kind = k % 7
    if kind == 0:
        return lax.transpose(x, tuple(range(rank))[::-1])
    if kind == 1:
        return lax.reshape(x, (x.size,))
    if kind == 2:
        return lax.rev(x, (k % rank,))
    if kind == 3:
        return lax.pad(x, np.float64(0.5), [(k % 3, 1, k % 2)] * rank)
    if kind == 4:
        return lax.concatenate([x, lax.neg(x)], k % rank)
    if kind == 5:
        return lax.broadcast_in_dim(x, (*x.shape, 2), tuple(range(rank)))
    return lax.slice_p.bind(
        x, start_indices=(0,) * rank, limit_indices=tuple(max(1, n - k % 3) for n in x.shape), strides=None
    )


def _fold(x, y, k):
    axes = tuple(d for d in range(len(x.shape)) if (k >> d) & 1)
    return (lax.reduce_max if k % 3 == 0 else lax.reduce_sum)(x, axes) if axes else None


def _product(x, y, k):
    if len(x.shape) == 2 and len(y.shape) == 2 and x.shape[1] == y.shape[1]:
        return lax.dot_general(x, y, (((1,), (1,)), ((), ())))
    return None


_OPS = [
    lambda x, y, k: _matching(x, y, lax.add),
    lambda x, y, k: _matching(x, y, lax.mul),
    lambda x, y, k: _matching(x, y, lax.max),
    lambda x, y, k: lax.tanh(x),
    lambda x, y, k: lax.exp(lax.neg(lax.abs(x))),
    lambda x, y, k: lax.sqrt(lax.add(lax.abs(x), 0.1)),
    lambda x, y, k: lax.select(
        lax.gt(x, np.float64(0.1) if not x.shape else lax.full_like(x, 0.1)), x, lax.neg(x)
    ),
    _view,
    _view,
    _view,
    _fold,
    _fold,
    _product,
]


@st.composite
def programs(draw):
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    choice = st.tuples(st.integers(0, 100), st.integers(0, 30), st.integers(0, 30), st.integers(0, 20))
    choices = draw(st.lists(choice, min_size=1, max_size=14))
    rng = np.random.default_rng(draw(st.integers(0, 5)))
    return Program(choices), [rng.random(s) * 2 - 1 for s in shapes]


@settings(max_examples=120, deadline=None)
@given(programs())
def test_compiled_equals_evaluated(case):
    program, args = case
    closed = staged(program, *args)
    want = evaluated(closed, *args)
    with checking():
        got = compiled(closed, *args)
        slow = slowly(closed, *args)
    for g, s, w in zip(got, slow, want, strict=True):
        close(g, w, 1e-10)
        close(s, w, 1e-10)


@pytest.mark.parametrize("name", PASSES)
def test_each_pass_may_be_off(name):
    @settings(max_examples=25, deadline=None)
    @given(programs())
    def run(case):
        program, args = case
        closed = staged(program, *args)
        with checking(), without(name):
            got = compiled(closed, *args)
        for g, w in zip(got, evaluated(closed, *args), strict=True):
            close(g, w, 1e-10)

    run()


def test_small_programs_as_large_ones(monkeypatch):
    """Threads, shared nests, memory of results and cut blocks, as only large programs have them."""
    monkeypatch.setattr(nests, "_PARALLEL_NS", 20.0)
    monkeypatch.setattr(share_nests, "_LEAST", 4)
    monkeypatch.setattr(share_nests, "_LEAST_INSIDE", 4)
    monkeypatch.setattr(reuse_outputs, "_LEAST", 8)
    monkeypatch.setattr(lower_kernels, "_STACK_BYTES", 64)
    monkeypatch.setattr(cut_blocks, "_LONGEST", 12)
    monkeypatch.setattr(cut_blocks, "_PART", 5)

    @settings(max_examples=60, deadline=None)
    @given(programs())
    def run(case):
        program, args = case
        closed = staged(program, *args)
        with checking():
            got = compiled(closed, *args)
        for g, w in zip(got, evaluated(closed, *args), strict=True):
            close(g, w, 1e-10)

    run()
