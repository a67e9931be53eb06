"""Units of the compiler: index algebra, the builder, the checker, the memory plan, jaxpr passes."""

from __future__ import annotations

import concurrent.futures
import gc
import itertools
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler_cases import compiled, staged
from jitney import lax
from jitney._compiler.choose_widths import choose_widths
from jitney._compiler.pipeline import compile_program, lower, simplify
from jitney._compiler.plan_memory import plan_memory
from jitney._kernel import index as ix
from jitney._kernel.builder import Builder
from jitney._kernel.checker import LoopError, check_loops
from jitney._kernel.ir import Buffer, LoopProgram, Store, Value

F8 = np.dtype("f8")


def counter(n, name="i", level=1):
    return ix.variable(ix.LoopVar(name, 0, n - 1, level))


def test_reshapes_of_indices_vanish():
    i = counter(24)
    assert ix.linearize(ix.delinearize(i, (2, 3, 4)), (2, 3, 4)) == i
    j, k = counter(6, "j"), counter(4, "k", 2)
    flat = ix.linearize((j, k), (6, 4))
    assert ix.delinearize(flat, (6, 4)) == (j, k)
    assert (flat + 0) // 4 == j and flat % 4 == k


def test_comparisons_are_decided_by_ranges():
    i = counter(10)
    assert (i < 10) is True and (i >= 0) is True and (i > 9) is False and i.eq(12) is False
    assert isinstance(i < 5, ix.Condition)
    with pytest.raises(TypeError, match="not known at compile time"):
        bool(i < 5)


@given(st.lists(st.tuples(st.sampled_from("+-*/%t"), st.integers(1, 7)), max_size=8))
def test_index_arithmetic_is_arithmetic(steps):
    a, b = ix.LoopVar("a", 0, 11, 1), ix.LoopVar("b", 0, 4, 2)
    index = ix.variable(a) * 5 + ix.variable(b)
    meaning = lambda x, y: x * 5 + y  # noqa: E731
    for op, n in steps:
        index, meaning = _step(index, meaning, op, n)
    for x, y in itertools.product(range(12), range(5)):
        assert index.evaluate({a: x, b: y}) == meaning(x, y)
        assert index.lo <= meaning(x, y) <= index.hi


def _step(index, f, op, n):
    if op == "+":
        return index + n, lambda x, y: f(x, y) + n
    if op == "-":
        return n - index, lambda x, y: n - f(x, y)
    if op == "*":
        return index * n, lambda x, y: f(x, y) * n
    if op == "/":
        return index // n, lambda x, y: f(x, y) // n
    if op == "%":
        return index % n, lambda x, y: f(x, y) % n
    return index // n * n + index % n, lambda x, y: f(x, y)


def test_builder_shares_and_hoists():
    body = []
    b = Builder(body)
    x = Buffer("x", F8, 8, "in")
    with b.loop(8) as i:
        inside = b.mul(b.load(x, i), b.load(x, 0))
        assert b.mul(b.load(x, i), b.load(x, 0)) is inside
        assert inside.level == 1 and b.load(x, 0).level == 0
    assert b.const(0.0, F8) is not b.const(-0.0, F8)
    assert b.const(0, np.int64) is not b.const(False, bool)


def test_builder_refuses_mixed_dtypes():
    b = Builder([])
    with pytest.raises(TypeError, match="must cast first"):
        b.add(b.const(1.0, F8), b.const(1, np.int64))


def test_checker_finds_what_is_wrong():
    program = LoopProgram()
    b = Builder(program.body)
    x, y = Buffer("x", F8, 8, "in"), Buffer("y", F8, 8, "out")
    with b.loop(9) as i:
        b.store(y, i, b.load(x, i))
    with pytest.raises(LoopError, match="reads x"):
        check_loops(program)
    program = LoopProgram()
    program.body.append(Store(y, ix.constant(0), Value("add", F8, (), None, 0, 0)))
    with pytest.raises(LoopError, match="before it is computed"):
        check_loops(program)


def test_temporaries_share_memory():
    program = LoopProgram()
    b = Builder(program.body)
    x = Buffer("x", F8, 1000, "in")
    temporaries = [Buffer(f"t{k}", F8, 1000, "scratch") for k in range(4)]
    for source, target in itertools.pairwise([x, *temporaries]):
        with b.loop(1000) as i:
            b.store(target, i, b.load(source, i))
    plan_memory(program)
    assert program.scratch_bytes == 2 * 8000
    assert [t.offset for t in temporaries] == [0, 8000, 0, 8000]


def test_equal_equations_and_identities_go():
    def fun(x):
        a, b = lax.exp(x), lax.exp(x)
        return lax.add(lax.mul(a, np.float64(1.0)), lax.neg(lax.neg(b)))

    names = [e.primitive.name for e in simplify(staged(fun, np.zeros(3))).jaxpr.eqns]
    assert names == ["exp", "add"]


def test_one_loop_for_siblings():
    closed = staged(lambda x: (lax.exp(x), lax.reduce_sum(x, (0,)), lax.reduce_max(x, (0,))), np.zeros(1000))
    _, program = lower(simplify(closed))
    assert sum(type(s).__name__ == "For" for s in program.body) == 1


def test_code_is_freed_with_its_executable():
    executable = compile_program(staged(lambda x: lax.exp(x), np.zeros(3)))
    gone = weakref.ref(executable)
    del executable
    gc.collect()
    assert gone() is None


def test_an_unknown_primitive_says_so():
    from jitney._core.primitive import Primitive

    strange = Primitive("strange_for_test")
    strange.abstract = lambda x: x
    with pytest.raises(NotImplementedError, match="strange_for_test has neither"):
        compiled(staged(lambda x: strange.bind(x), np.zeros(3)), np.zeros(3))


def test_sums_do_not_depend_on_threads_and_are_accurate():
    rng = np.random.default_rng(0)
    x = rng.random(1_000_003)
    closed = staged(lambda x: lax.reduce_sum(x, (0,)), x)
    executable = compile_program(closed)
    results = {float(executable.execute([x])[0]) for _ in range(10)}
    assert len(results) == 1
    import math

    exact = math.fsum(x)
    assert abs(results.pop() - exact) <= 4 * np.spacing(exact)
    single = x.astype("f4")
    got = float(compile_program(staged(lambda x: lax.reduce_sum(x, (0,)), single)).execute([single])[0])
    assert abs(got - math.fsum(single)) <= 8 * np.spacing(np.float32(got))


def test_loops_that_read_what_they_write_have_no_lanes():
    program = LoopProgram()
    b = Builder(program.body)
    y = Buffer("y", F8, 100, "out")
    y.changing = True
    with b.loop(99, "vector") as i:
        b.store(y, i, b.add(b.load(y, i), b.load(y, i + 1)))
    choose_widths(program, 32)
    assert program.body[0].kind == "serial"


def test_many_threads_compile_at_once():
    def work(number):
        x = np.full(100 + number, 0.5)
        closed = staged(lambda x: lax.reduce_sum(lax.exp(lax.mul(x, x)), (0,)), x)
        return float(compiled(closed, x)[0]), np.exp(0.25) * len(x)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for got, want in pool.map(work, range(40)):
            assert got == pytest.approx(want, rel=1e-13)


def test_live_programs_survive_the_release_of_memory():
    from jitney._compiler.machine import release_memory

    x = np.arange(100.0)
    make = lambda: compile_program(staged(lambda x: lax.floor(lax.exp(lax.mul(x, x))), x / 50))  # noqa: E731
    first = make()
    before = np.asarray(first.execute([x / 50])[0])
    for _ in range(3):
        release_memory()
        second = make()
        for program in (first, second):
            np.testing.assert_array_equal(np.asarray(program.execute([x / 50])[0]), before)
