"""Loop programs with control flow, written by hand: the slow evaluator and machine code agree."""

from __future__ import annotations

import contextlib
import re

import numpy as np
import pytest

from jitney import _ext
from jitney._compiler.balance_divider import balance_divider
from jitney._compiler.blas import routine_address
from jitney._compiler.choose_widths import choose_widths
from jitney._compiler.drop_unused import drop_unused
from jitney._compiler.emit import ENTRY, emit
from jitney._compiler.machine import assemble, host_target, symbol_addresses
from jitney._compiler.plan_memory import plan_memory
from jitney._kernel import index as ix
from jitney._kernel.builder import Block, Builder
from jitney._kernel.checker import LoopError, check_loops
from jitney._kernel.evaluator import run_loops
from jitney._kernel.ir import Buffer, Call, For, LoopProgram, Part, While
from jitney._kernel.printer import print_loops

F4, F8, I8, BOOL = np.dtype("f4"), np.dtype("f8"), np.dtype("i8"), np.dtype(bool)
WIDTHS = sorted({32, host_target().register_bytes})


class Program:
    """A loop program under construction: ``b`` builds it, ``run`` compares evaluator and machine code."""

    def __init__(self):
        self.program = LoopProgram()
        self.b = Builder(self.program.body)
        self.ins, self.outs = [], []
        self.temporaries = 0

    def input(self, size, dtype=F8):
        buffer = Buffer(f"x{len(self.ins)}", np.dtype(dtype), size, "in", len(self.ins))
        self.ins.append(buffer)
        self.program.buffers.append(buffer)
        return buffer

    def output(self, size, dtype=F8):
        buffer = Buffer(f"y{len(self.outs)}", np.dtype(dtype), size, "out", len(self.outs))
        self.outs.append(buffer)
        self.program.buffers.append(buffer)
        return buffer

    def temporary(self, size, dtype=F8, kind="scratch"):
        self.temporaries += 1
        buffer = Buffer(f"t{self.temporaries}", np.dtype(dtype), size, kind)
        self.program.buffers.append(buffer)
        return buffer

    def zeros(self, size, dtype=F8):
        """An output that begins as zeros."""
        buffer = self.output(size, dtype)
        with self.b.loop(size, "vector") as i:
            self.b.store(buffer, i, self.b.const(0, dtype))
        return buffer

    def evaluate(self, *args):
        outs = [np.zeros(b.size, b.dtype) for b in self.outs]
        run_loops(self.program, [np.asarray(a, b.dtype) for a, b in zip(args, self.ins, strict=True)], outs)
        return outs

    def text(self, register_bytes=None):
        """The LLVM text, after the passes; checks the program before and after."""
        check_loops(self.program)
        drop_unused(self.program)
        choose_widths(self.program, register_bytes or host_target().register_bytes)
        balance_divider(self.program, host_target().text)
        plan_memory(self.program)
        check_loops(self.program)
        return emit(self.program, host_target())

    def executable(self, register_bytes=None):
        text, symbols = self.text(register_bytes)
        code = assemble(text, ENTRY, symbol_addresses(symbols, self.program.symbols))
        return _ext.Executable(
            code.address,
            [b.dtype for b in self.outs],
            [(b.size,) for b in self.outs],
            [False for _ in self.outs],
            [],
            [b.dtype for b in self.ins],
            self.program.scratch_bytes,
            list(self.program.callables),
            False,
            code,
            [-1 for _ in self.outs],
        )

    def execute(self, *args, register_bytes=None):
        arrays = [np.asarray(a, b.dtype).reshape(-1) for a, b in zip(args, self.ins, strict=True)]
        return [np.asarray(x) for x in self.executable(register_bytes).execute(arrays)]


def run(build, *args, register_bytes=None):
    """Both ways of running what ``build(program)`` writes; gives the outputs of machine code."""
    slow, fast = Program(), Program()
    build(slow)
    build(fast)
    wants = slow.evaluate(*args)
    gots = fast.execute(*args, register_bytes=register_bytes)
    for got, want in zip(gots, wants, strict=True):
        np.testing.assert_array_equal(got, want)
    return gots


def newton(b, x, steps=60):
    """sqrt(x) by Newton's iteration until it does not move: (root, number of steps)."""
    half, one = b.const(0.5, x.dtype), b.const(1, I8)
    with b.while_loop([b.add(x, b.like(1, x)), b.const(0, I8)]) as node:
        y, count = (c.phi for c in node.carries)
        following = b.mul(half, b.add(y, b.div(x, y)))
        moves = b.and_(b.lt(following, y), b.lt(count, b.const(steps, I8)))
        b.test_while(node, moves)
        node.carries[0].next = following
        node.carries[1].next = b.add(count, one)
    return [c.result for c in node.carries]


def collatz(b, n):
    """Steps to 1: a branch inside of a while."""
    one, two, three = (b.const(k, I8) for k in (1, 2, 3))
    with b.while_loop([n, b.const(0, I8)]) as node:
        value, count = (c.phi for c in node.carries)
        b.test_while(node, b.gt(value, one))
        node.carries[0].next = either(
            b,
            b.eq(b.rem(value, two), one),
            lambda: b.add(b.mul(three, value), one),
            lambda: b.div(value, two),
        )
        node.carries[1].next = b.add(count, one)
    return node.carries[1].result


def either(b, condition, then, otherwise):
    node = b.branch(condition, 2)
    with b.case(node, 0):
        no = otherwise()
    with b.case(node, 1):
        yes = then()
    return b.end_branch(node, [[no], [yes]])[0]


# -- scalars


@pytest.mark.parametrize("x", [2.0, 0.0, 1e300, np.inf])
def test_while_carries_scalars(x):
    def build(p):
        source, root, count = p.input(1), p.output(1), p.output(1, I8)
        found = newton(p.b, p.b.load(source, 0))
        p.b.store(root, 0, found[0])
        p.b.store(count, 0, found[1])

    run(build, [x])


def test_while_of_no_iterations_gives_its_inits():
    def build(p):
        b, source, target = p.b, p.input(1), p.output(1)
        with b.while_loop([b.load(source, 0)]) as node:
            b.test_while(node, b.const(False, BOOL))
            node.carries[0].next = b.add(node.carries[0].phi, b.const(1.0, F8))
        b.store(target, 0, node.carries[0].result)

    assert run(build, [7.5])[0][0] == 7.5


@pytest.mark.parametrize("n", [1, 2, 27])
def test_branch_in_while(n):
    def build(p):
        source, target = p.input(1, I8), p.output(1, I8)
        p.b.store(target, 0, collatz(p.b, p.b.load(source, 0)))

    assert run(build, [n])[0][0] == {1: 0, 2: 1, 27: 111}[n]


def test_nested_whiles():
    """Sum of Collatz steps of 1 .. n, with an invariant that belongs outside."""

    def build(p):
        b, source, target = p.b, p.input(1, I8), p.output(1, I8)
        one, n = b.const(1, I8), b.load(source, 0)
        with b.while_loop([one, b.const(0, I8)]) as node:
            k, total = (c.phi for c in node.carries)
            b.test_while(node, b.le(k, b.mul(n, n)))
            node.carries[0].next = b.add(k, one)
            node.carries[1].next = b.add(total, collatz(b, k))
        b.store(target, 0, node.carries[1].result)

    run(build, [5])


@pytest.mark.parametrize("case", range(4))
def test_while_in_branch(case):
    def build(p):
        b = p.b
        which, source, target = p.input(1, I8), p.input(1), p.output(2)
        x, selector = b.load(source, 0), b.load(which, 0)
        node = b.branch(selector, 4)
        values = []
        with b.case(node, 0):
            values.append([newton(b, x)[0], x])
        with b.case(node, 1):
            values.append([b.neg(x), b.mul(x, x)])
        with b.case(node, 2):
            inner = b.branch(b.gt(x, b.const(3.0, F8)), 2)
            with b.case(inner, 0):
                low = newton(b, b.add(x, x))[0]
            with b.case(inner, 1):
                high = b.div(b.const(1.0, F8), x)
            values.append([x, b.end_branch(inner, [[low], [high]])[0]])
        with b.case(node, 3):
            values.append([b.mul(x, x), b.neg(x)])
        for k, v in enumerate(b.end_branch(node, values)):
            b.store(target, k, v)

    run(build, [case], [2.5])
    run(build, [case], [4.0])


def test_cases_keep_their_work():
    program = LoopProgram()
    b = Builder(program.body)
    x = Buffer("x", F8, 1, "in")
    v = b.load(x, 0)
    node = b.branch(b.gt(v, b.const(0.0, F8)), 2)
    with b.case(node, 0):
        low = b.neg(v)
    with b.case(node, 1):
        with b.loop(3) as i:
            b.store(Buffer("y", F8, 3, "out"), i, b.mul(v, v))
        high = b.mul(v, v)
    b.end_branch(node, [[low], [high]])
    assert high.level == 1 and high in node.regions[1] and low in node.regions[0]
    assert b.mul(v, v) is not high  # and forgets it
    check_loops(program)


def test_only_what_was_just_read_is_not_written_back():
    p = Program()
    b, target = p.b, p.output(1)
    target.changing = True
    b.store(target, 0, b.const(1.0, F8))
    before = b.load(target, 0)
    b.store(target, 0, before)
    assert p.program.body[-1] is before
    b.store(target, 0, b.const(2.0, F8))
    b.store(target, 0, before)
    assert p.execute()[0][0] == 1.0


def test_cheap_cases_are_chosen_without_a_jump():
    def build(p):
        b, source, target = p.b, p.input(1), p.output(1)
        x = b.load(source, 0)
        b.store(target, 0, either(b, b.lt(x, b.const(0.0, F8)), lambda: b.neg(x), lambda: b.add(x, x)))

    text = _text(build)
    assert "select i1" in text and "br " not in text
    assert run(build, [-3.0])[0][0] == 3.0 and run(build, [3.0])[0][0] == 6.0


def test_dead_carries_go():
    p = Program()
    b, source, target = p.b, p.input(1), p.output(1)
    with b.while_loop([b.load(source, 0), b.const(0, I8), b.const(1.0, F8)]) as node:
        x, count, idle = (c.phi for c in node.carries)
        b.test_while(node, b.lt(count, b.const(4, I8)))
        node.carries[0].next = b.mul(x, x)
        node.carries[1].next = b.add(count, b.const(1, I8))
        node.carries[2].next = b.mul(idle, x)
    with b.loop(3) as i:  # and a loop that does nothing
        b.mul(b.index_value(i), b.const(2, I8))
    b.store(target, 0, node.carries[0].result)
    drop_unused(p.program)
    check_loops(p.program)
    assert len(node.carries) == 2 and not any(type(s) is For for s in p.program.body)
    assert p.execute([2.0])[0][0] == 65536.0


# -- arrays


def test_loop_in_while_works_on_arrays():
    """Powers of a matrix-vector product until the norm is large."""
    n = 13

    def build(p):
        b, matrix, start, target = p.b, p.input(n * n), p.input(n), p.output(n)
        v, w = p.temporary(n), p.temporary(n)
        with b.loop(n, "vector") as i:
            b.store(v, i, b.load(start, i))
        v.level = w.level = 1
        with b.while_loop([b.const(0.0, F8)]) as node:
            b.test_while(node, b.lt(node.carries[0].phi, b.const(1e6, F8)))
            with b.loop(n) as i:
                with b.counted(n, n, "serial") as inner:
                    total = b.carry(inner, b.const(0.0, F8))
                    j = ix.variable(inner.var)
                    total.next = b.add(total.phi, b.mul(b.load(matrix, i * n + j), b.load(v, j)))
                b.store(w, i, total.result)
            with b.counted(n, n, "serial") as inner:
                total = b.carry(inner, b.const(0.0, F8))
                i = ix.variable(inner.var)
                total.next = b.add(total.phi, b.mul(b.load(w, i), b.load(w, i)))
            node.carries[0].next = total.result
            node.swaps.append((v, w))
        v.level = w.level = 0
        with b.loop(n, "vector") as i:
            b.store(target, i, b.load(v, i))

    rng = np.random.default_rng(0)
    run(build, rng.normal(size=n * n), rng.normal(size=n))
    run(build, rng.normal(size=n * n), rng.normal(size=n) * 1e9)


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 6])
@pytest.mark.parametrize("kind", ["for", "dynamic", "while", "parallel", "stack"])
def test_swapped_buffers(steps, kind):
    """x[i] <- x[i] + x[i - 1] for some steps, without copies."""
    n = 37

    def build(p):
        b, source, count, target, other = p.b, p.input(n), p.input(1, I8), p.output(n), p.output(n)
        first, second = (p.temporary(n, kind="stack" if kind == "stack" else "scratch") for _ in range(2))
        with b.loop(n, "vector") as i:
            b.store(first, i, b.load(source, i))
            b.store(second, i, b.const(-1.0, F8))

        def step(node):
            first.level = second.level = 1
            with b.loop(n, "parallel" if kind == "parallel" else "vector") as i:
                before = b.guard(i > 0, lambda: b.load(first, i - 1), b.const(0.0, F8))
                b.store(second, i, b.add(b.load(first, i), before))
            node.swaps.append((first, second))
            first.level = second.level = 0

        if kind == "while":
            with b.while_loop([b.const(0, I8)]) as node:
                b.test_while(node, b.lt(node.carries[0].phi, b.load(count, 0)))
                step(node)
                node.carries[0].next = b.add(node.carries[0].phi, b.const(1, I8))
        else:
            extent = b.load(count, 0) if kind == "dynamic" else steps
            with b.counted(extent, 100, "serial") as node:
                step(node)
        with b.loop(n, "vector") as i:
            b.store(target, i, b.load(first, i))
            b.store(other, i, b.load(second, i))

    x = np.arange(n, dtype=float)
    got = run(build, x, [steps])[0]
    for _ in range(steps):
        x = x + np.concatenate([[0.0], x[:-1]])
    np.testing.assert_array_equal(got, x)


@pytest.mark.parametrize("outer", [0, 1, 3])
@pytest.mark.parametrize("inner", [1, 2])
def test_swaps_inside_of_loops_and_branches(outer, inner):
    """A swapping loop in a case of a branch in a loop: where the buffers are is a matter of the way there."""

    def build(p):
        b, source, target = p.b, p.input(4), p.output(8)
        first, second = p.temporary(4), p.temporary(4)
        for k in range(4):
            b.store(first, k, b.load(source, k))
            b.store(second, k, b.const(0.5, F8))
        first.changing = second.changing = True
        with b.counted(outer, 5, "serial", "o") as around:
            even = b.test((ix.variable(around.var) % 2).eq(0))
            node = b.branch(even, 2)
            with b.case(node, 1):
                with b.counted(inner, 5, "serial", "k") as loop:
                    with b.loop(4) as i:
                        b.store(second, i, b.add(b.load(first, i), b.const(1.0, F8)))
                    loop.swaps.append((first, second))
            with b.case(node, 0), b.loop(4) as i:
                b.store(first, i, b.mul(b.load(first, i), b.const(3.0, F8)))
            b.end_branch(node, [[], []])
        for k in range(4):
            b.store(target, k, b.load(first, k))
            b.store(target, 4 + k, b.load(second, k))

    run(build, np.arange(4.0))


@pytest.mark.parametrize("kind", ["serial", "vector"])
@pytest.mark.parametrize("register_bytes", WIDTHS)
def test_computed_extents(kind, register_bytes):
    """for k < 20: the first k elements, in place of the extent at every level."""

    def build(p):
        b, source, target, sums = p.b, p.input(40), p.zeros(20 * 40), p.output(20)
        with b.counted(20, 20, "serial", "k") as outer:
            k = ix.variable(outer.var)
            extent = b.mul(b.index_value(k), b.const(2, I8))
            with b.counted(extent, 39, kind) as node:
                i = ix.variable(node.var)
                zero = b.const(0.0, F8)
                total = b.carry(node, zero, zero)
                x = b.load(source, i)
                b.store(target, k * 40 + i, b.mul(x, x))
                total.next = b.add(total.phi, x)
            region = b.region([F8, F8], lambda rb, x, y: [rb.add(x, y)])
            node.folds.append(((0,), region))
            b.store(sums, k, total.result)

    run(build, np.arange(40), register_bytes=register_bytes)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "i1"])
@pytest.mark.parametrize("register_bytes", WIDTHS)
def test_vector_loops_in_place_run_once(dtype, register_bytes):
    widths = set()

    def build(n, spread):
        def write(p):
            b, source, target = p.b, p.input(n * spread, dtype), p.output(n * spread, dtype)
            target.changing = True
            with b.loop(n * spread, "vector") as i:
                b.store(target, i, b.load(source, i))
            with b.loop(n, "vector") as i:
                for k in range(spread):
                    x = b.load(target, i * spread + k)
                    b.store(target, i * spread + k, b.add(b.add(x, x), b.like(1, x)))
            widths.add(p.program.body[-1])

        return write

    for n in (*range(1, 41), 100):
        for spread in (1, 3):
            run(build(n, spread), np.arange(n * spread) % 50, register_bytes=register_bytes)
    assert any(s.width > 1 and s.exact for s in widths)


def test_dependent_iterations_stay_serial():
    def width(gap, scale=1):
        p = Program()
        b, target = p.b, p.output(300)
        target.changing = True
        with b.loop(100, "vector") as i:
            b.store(target, i * scale + 100, b.neg(b.load(target, i * scale + 100 - gap)))
        choose_widths(p.program, 64)
        return p.program.body[-1].width, p.program.body[-1].exact

    assert width(1) == (1, False) and width(-3) == (1, False) and width(99) == (1, False)
    assert width(0) == (8, True) and width(100) == (8, False) and width(-100) == (8, False)
    assert width(1, 2) == (8, False) and width(2, 2) == (1, False)


def test_vector_loop_over_rows_in_place():
    """y[k, i] = y[k - 1, i] + x[k, i]: rows depend on each other, their elements do not."""
    m, n = 5, 19

    def build(p):
        b, source, target = p.b, p.input(m * n), p.output(m * n)
        target.changing = True
        with b.loop(m) as k, b.loop(n, "vector") as i:
            before = b.guard(k > 0, lambda: b.load(target, k * n - n + i), b.const(0.0, F8))
            b.store(target, k * n + i, b.add(before, b.load(source, k * n + i)))

    x = np.arange(m * n, dtype=float)
    np.testing.assert_array_equal(run(build, x)[0], x.reshape(m, n).cumsum(0).reshape(-1))


# -- calls


def test_host_call_in_while():
    n = 5

    def build(p, limit=50.0):
        b, source, target = p.b, p.input(n), p.output(3 * n)
        memory = p.temporary(n)

        def double(ins, outs):
            import ctypes

            x = np.frombuffer((ctypes.c_char * (8 * n)).from_address(ins[0]))
            y = np.frombuffer((ctypes.c_char * (8 * n)).from_address(outs[0]))
            if x[0] > limit:
                raise ValueError("too much")
            y[:] = 2 * x

        p.program.callables.append((double, 1, 1))
        for k in range(n):
            b.store(memory, k, b.load(source, k))
        memory.level = 2
        memory.changing = True
        with b.loop(3) as row:
            with b.while_loop([b.const(0, I8)]) as node:
                b.test_while(node, b.lt(node.carries[0].phi, b.const(2, I8)))
                b.call(Call("host", [memory], [Part(target, row * n)], 0))
                with b.loop(n) as i:
                    b.store(memory, i, b.load(Block(target, (n,), row * n), (i,)))
                node.carries[0].next = b.add(node.carries[0].phi, b.const(1, I8))

    x = np.arange(n) + 1.0
    got = run(build, x)[0].reshape(3, n)
    np.testing.assert_array_equal(got, [4 * x, 16 * x, 64 * x])
    failing = Program()
    build(failing, limit=8.0)
    with pytest.raises(ValueError, match="too much"):
        failing.execute(x)


def product(p, inputs, outputs, m, n, k, batch=1):
    """A call of BLAS: ``[batch, m, k] x [batch, k, n]``."""
    p.program.symbols["jt_product_float64"] = routine_address("jt_product_float64")
    loops = () if batch == 1 else (batch, m * k, k * n, m * n)
    arguments = (m, n, k, False, k, False, n, n, False, len(loops) // 4, *loops)
    return Call("jt_product_float64", inputs, outputs, arguments=arguments)


@pytest.mark.parametrize("batch", [1, 3])
def test_gemm_in_loop(batch):
    m, n, k, steps = 4, 3, 5, 3

    def build(p):
        b = p.b
        left = p.input(steps * batch * m * k)
        right = p.input(batch * k * n)
        target = p.output(steps * batch * m * n)
        with b.loop(steps) as i:
            node = b.branch(b.test(i > 0), 2)
            with b.case(node, 0), b.loop(batch * m * n) as j:
                b.store(target, i * (batch * m * n) + j, b.const(-1.0, F8))
            with b.case(node, 1):
                parts = [Part(left, i * (batch * m * k)), right], [Part(target, i * (batch * m * n))]
                b.call(product(p, *parts, m, n, k, batch))
            b.end_branch(node, [[], []])

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, steps * batch * m * k), rng.integers(0, 9, batch * k * n)
    got = run(build, x, y)[0].reshape(steps, batch, m, n)
    want = x.reshape(steps, batch, m, k) @ y.reshape(batch, k, n)
    np.testing.assert_array_equal(got[1:], want[1:])


def test_host_call_keeps_a_loop_from_the_threads():
    p = Program()
    target = p.output(4)

    def write(ins, outs):
        import ctypes

        ctypes.c_double.from_address(outs[0]).value = 3.0

    p.program.callables.append((write, 0, 1))
    with p.b.loop(4, "parallel") as i:
        p.b.call(Call("host", [], [Part(target, i)], 0))
    assert "jt_parallel_for" not in p.text()[0]
    np.testing.assert_array_equal(p.execute()[0], [3.0] * 4)


def test_stack_space_is_taken_once():
    """Every alloca stands in the entry block: a loop must not eat the stack."""
    p = Program()
    b, source, target = p.b, p.input(8), p.output(8)
    p.program.callables.append((print, 1, 1))
    with b.while_loop([b.const(0, I8)]) as node:
        b.test_while(node, b.lt(node.carries[0].phi, b.const(3, I8)))
        kept = b.variable(b.load(source, 0))
        b.call(Call("host", [source], [p.temporary(8)], 0))
        b.call(product(p, [source, source], [p.temporary(4)], 2, 2, 2))
        with b.loop(8, "parallel") as i:
            condition = b.gt(b.load(source, i), b.const(0.0, F8))
            with b._under(condition):
                b.store(target, 0, kept.get())
        node.carries[0].next = b.add(node.carries[0].phi, b.const(1, I8))
    text = p.text()[0]
    assert "alloca" in text
    for function in re.findall(r"define .*?\n}\n", text, re.S):
        entry, _, rest = function.partition("\nwhile")
        assert "alloca" not in re.sub(r"(?s)^.*?entry:.*?(?=\n\w+:)", "", function), entry


def test_control_flow_on_threads():
    """Loops, branches, products and a private variable inside of a parallel body, which captures what is around."""
    m, n = 40, 24

    def build(p):
        b, source, target, counts = p.b, p.input(m * n), p.output(m * n), p.output(m, I8)
        squares, right = p.zeros(m * 4), p.input(4)
        scale = b.load(source, 0)
        with b.while_loop([b.const(0, I8)]) as around:
            b.test_while(around, b.lt(around.carries[0].phi, b.const(2, I8)))
            shift = b.add(scale, b.cast(around.carries[0].phi, F8))
            with b.loop(m, "parallel") as r:
                with b.loop(n, "vector") as i:
                    x = b.add(b.mul(b.load(source, r * n + i), scale), shift)
                    b.store(target, r * n + i, newton(b, x)[0])
                total = b.variable(b.const(0, I8))
                with b.loop(n) as i:
                    large = b.gt(b.load(source, r * n + i), b.const(0.5, F8))
                    node = b.branch(large, 2)
                    with b.case(node, 0):
                        pass
                    with b.case(node, 1):
                        total.set(b.add(total.get(), collatz(b, b.index_value(i + 1))))
                    b.end_branch(node, [[], []])
                b.store(counts, r, total.get())
                parts = [Part(source, r * n), right], [Part(squares, r * 4)]
                b.call(product(p, *parts, 2, 2, 2))
            around.carries[0].next = b.add(around.carries[0].phi, b.const(1, I8))

    x = np.random.default_rng(0).integers(0, 16, m * n) / 8
    assert "jt_parallel" in _text(build)
    for _ in range(3):
        run(build, x, np.arange(4.0))


def _text(build):
    p = Program()
    build(p)
    return p.text()[0]


# -- lanes with ways of their own


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("n", [1, 3, 8, 16, 19, 33, 100])
@pytest.mark.parametrize("register_bytes", WIDTHS)
def test_while_of_each_lane(dtype, n, register_bytes):
    loops = []

    def build(p):
        b, source, root, count = p.b, p.input(n, dtype), p.output(n, dtype), p.output(n, I8)
        with b.loop(n, "vector") as i:
            found = newton(b, b.load(source, i))
            b.store(root, i, found[0])
            b.store(count, i, found[1])
        loops.append(p.program.body[-1])

    x = np.abs(np.random.default_rng(n).normal(size=n)) ** 9
    x[::3] = 0
    run(build, x, register_bytes=register_bytes)
    assert n < 8 or loops[-1].width > 1


@pytest.mark.parametrize("n", [5, 16, 37])
@pytest.mark.parametrize("register_bytes", WIDTHS)
def test_branch_in_while_of_each_lane(n, register_bytes):
    def build(p):
        b, source, target = p.b, p.input(n, I8), p.output(n, I8)
        with b.loop(n, "vector") as i:
            b.store(target, i, collatz(b, b.load(source, i)))

    run(build, np.arange(n) + 1, register_bytes=register_bytes)


@pytest.mark.parametrize("n", [4, 11, 40])
@pytest.mark.parametrize("register_bytes", WIDTHS)
def test_nested_whiles_of_each_lane(n, register_bytes):
    """Whiles in each other, loads by computed index and stores inside of them."""

    def build(p):
        b, source, table = p.b, p.input(n, I8), p.input(12)
        target, trace = p.output(n), p.zeros(n * 12)
        one, zero = b.const(1, I8), b.const(0, I8)
        with b.loop(n, "vector") as i:
            limit = b.load(source, i)
            with b.while_loop([zero, b.const(0.0, F8)]) as outer:
                k, total = (c.phi for c in outer.carries)
                b.test_while(outer, b.lt(k, limit))
                with b.while_loop([zero, total]) as inner:
                    j, part = (c.phi for c in inner.carries)
                    b.test_while(inner, b.lt(j, k))
                    place = ix.variable(ix.Dynamic(j, 0, 11))
                    inner.carries[0].next = b.add(j, one)
                    inner.carries[1].next = b.add(part, b.load(table, place))
                b.store(trace, i * 12 + ix.variable(ix.Dynamic(k, 0, 11)), inner.carries[1].result)
                outer.carries[0].next = b.add(k, one)
                outer.carries[1].next = inner.carries[1].result
            b.store(target, i, outer.carries[1].result)

    limits = np.random.default_rng(n).integers(0, 13, n)
    limits[0] = 0
    run(build, limits, np.arange(12) * 1.5, register_bytes=register_bytes)


@pytest.mark.parametrize("n", [8, 21])
@pytest.mark.parametrize("register_bytes", WIDTHS)
def test_loops_in_while_of_each_lane(n, register_bytes):
    """A loop with a common, and one with an own number of iterations, in a while of each lane; and one outside."""

    def build(p):
        b, source, table, target = p.b, p.input(n, I8), p.input(16), p.output(n)
        kept = p.zeros(n * 16)
        one = b.const(1, I8)

        def total(extent, start, read):
            with b.counted(extent, extent if isinstance(extent, int) else 16, "serial", "j") as node:
                c = b.carry(node, start)
                c.next = b.add(c.phi, read(ix.variable(node.var)))
            return c.result

        with b.loop(n, "vector") as i:
            limit = b.load(source, i)
            first = total(limit, b.const(1.0, F8), lambda j: b.load(table, j))
            with b.while_loop([b.const(0, I8), first]) as node:
                k, x = (c.phi for c in node.carries)
                b.test_while(node, b.lt(k, limit))
                common = total(7, x, lambda j: b.load(table, j + 2))
                own = total(k, common, lambda j: b.mul(x, b.load(table, j)))
                with b.counted(k, 16, "serial", "s") as inner:
                    b.store(kept, i * 16 + ix.variable(inner.var), own)
                node.carries[0].next = b.add(k, one)
                node.carries[1].next = b.div(own, b.const(64.0, F8))
            b.store(target, i, node.carries[1].result)

    limits = np.random.default_rng(n).integers(0, 17, n)
    run(build, limits, np.arange(16) / 4, register_bytes=register_bytes)


@pytest.mark.parametrize("n", [8, 21, 50])
@pytest.mark.parametrize("register_bytes", WIDTHS)
def test_branch_of_each_lane(n, register_bytes):
    """Light cases, cases with loops and stores, and a selector that no lane or every lane takes."""

    def build(p):
        b, which, source, table = p.b, p.input(n, I8), p.input(n), p.input(4)
        target, stored = p.output(n), p.output(n)
        with b.loop(n, "vector") as i:
            b.store(stored, i, b.const(-1.0, F8))
        with b.loop(n, "vector") as i:
            x, selector = b.load(source, i), b.load(which, i)
            node = b.branch(selector, 4)
            values = []
            with b.case(node, 0):
                values.append([b.mul(x, x), selector])
            with b.case(node, 1):
                values.append([newton(b, x)[0], b.const(7, I8)])
            with b.case(node, 2):
                b.store(stored, i, b.neg(x))
                values.append([b.load(table, ix.variable(ix.Dynamic(selector, 0, 3))), selector])
            with b.case(node, 3):
                negative = b.lt(x, b.const(1.0, F8))
                values.append([either(b, negative, lambda: b.neg(x), lambda: newton(b, x)[0]), selector])
            results = b.end_branch(node, values)
            b.store(target, i, b.add(results[0], b.cast(results[1], F8)))

    rng = np.random.default_rng(n)
    x = np.abs(rng.normal(size=n))
    for selectors in (rng.integers(0, 4, n), np.zeros(n), np.full(n, 2), np.arange(n) % 2):
        run(build, selectors, x, np.arange(4.0), register_bytes=register_bytes)


@pytest.mark.parametrize("n", [16, 21])
def test_common_control_flow_in_a_vector_loop_stays_scalar(n):
    """Tests that do not depend on the lane are ordinary jumps; counters and addresses stay scalar."""

    def write(p):
        b, source, count, target = p.b, p.input(n * 16), p.input(1, I8), p.output(n)
        limit = b.load(count, 0)
        with b.loop(n, "vector") as i:
            with b.while_loop([b.const(0, I8), b.const(0.0, F8)]) as node:
                k, total = (c.phi for c in node.carries)
                b.test_while(node, b.lt(k, limit))
                x = b.load(source, ix.variable(ix.Dynamic(k, 0, 15)) * n + i)
                even = b.eq(b.rem(k, b.const(2, I8)), b.const(0, I8))
                node.carries[0].next = b.add(k, b.const(1, I8))
                node.carries[1].next = either(b, even, lambda: b.add(total, x), lambda: b.mul(total, x))
            b.store(target, i, node.carries[1].result)

    p = Program()
    write(p)
    text = p.text()[0]
    assert "masked" not in text and "gather" not in text
    for k in (0, 1, 16):
        run(write, np.linspace(0, 2, n * 16), [k])


@pytest.mark.parametrize("n", range(1, 41, 3))
def test_masked_while_in_place(n):
    """In place and with a while: the rest of the vectors must not run twice either."""

    def build(p):
        b, source, target = p.b, p.input(n), p.output(n)
        target.changing = True
        with b.loop(n, "vector") as i:
            b.store(target, i, b.load(source, i))
        with b.loop(n, "vector") as i:
            root = newton(b, b.load(target, i))[0]
            b.store(target, i, b.add(root, b.load(target, i)))

    run(build, np.arange(n) * 0.7)


# -- text and checks


def test_printing():
    p = Program()
    b, x, y = p.b, p.input(2), p.output(2)
    s, t = p.temporary(2), p.temporary(2)
    with b.while_loop([b.load(x, 0)]) as node:
        test = b.lt(node.carries[0].phi, b.const(3.0, F8))
        b.test_while(node, test)
        inner = b.branch(test, 2)
        with b.case(inner, 0):
            b.call(Call("host", [x], [Part(s, ix.constant(1))], 0))
        with contextlib.ExitStack() as stack:
            stack.enter_context(b.case(inner, 1))
        b.end_branch(inner, [[node.carries[0].phi], [b.const(1.0, F8)]])
        node.swaps.append((s, t))
        node.carries[0].next = inner.results[0]
    b.store(y, 0, node.carries[0].result)
    check_loops(p.program)
    assert print_loops(p.program).splitlines()[4:] == [
        "%0 = load x0[0]",
        "while (%1 <- %0) t1 <-> t2 {",
        "  %2 = lt bool %1 3.0",
        "  test %2",
        "  branch %2 {",
        "   case 0:",
        "    call host 0 (x0) -> (t1[1...])",
        "    %3 yields %1",
        "   case 1:",
        "    %3 yields 1.0",
        "  }",
        "  %4 yields %3",
        "}",
        "store y0[0] <- %4",
    ]


def _broken_while(change):
    p = Program()
    b, x, y = p.b, p.input(2), p.output(2)
    with b.while_loop([b.load(x, 0)]) as node:
        b.test_while(node, b.lt(node.carries[0].phi, b.const(3.0, F8)))
        node.carries[0].next = b.add(node.carries[0].phi, b.load(x, 1))
    b.store(y, 0, node.carries[0].result)
    change(node, x, y)
    return p.program


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda node, x, y: setattr(node, "test", node.carries[0].phi), "test is missing"),
        (lambda node, x, y: setattr(node, "test", None), "test is missing"),
        (lambda node, x, y: setattr(node.carries[0], "next", None), "next value is missing"),
        (lambda node, x, y: setattr(node, "level", 2), "of level 2"),
        (lambda node, x, y: node.swaps.append((x, y)), "must not be written"),
        (lambda node, x, y: node.swaps.append((y, y)), "no other buffer"),
        (lambda node, x, y: setattr(node.carries[0].result, "level", 1), "result is not of level 0"),
    ],
)
def test_checker_knows_while(change, message):
    with pytest.raises(LoopError, match=message):
        check_loops(_broken_while(change))


def test_checker_knows_branch():
    def program(selector, values):
        p = Program()
        b, x = p.b, p.input(2)
        v = b.load(x, 0)
        node = b.branch(selector(b, v), 2)
        with b.case(node, 0):
            inside = b.neg(v)
        b.end_branch(node, values(b, v, inside))
        return p.program

    positive = lambda b, v: b.gt(v, b.const(0.0, F8))  # noqa: E731
    check_loops(program(positive, lambda b, v, inside: [[inside], [v]]))
    with pytest.raises(LoopError, match="neither bool nor int64"):
        check_loops(program(lambda b, v: v, lambda b, v, inside: [[v], [v]]))
    with pytest.raises(LoopError, match="does not know"):
        check_loops(program(positive, lambda b, v, inside: [[v], [inside]]))
    with pytest.raises(LoopError, match="other results"):
        check_loops(program(positive, lambda b, v, inside: [[v], [b.const(1, I8)]]))


def test_scratch_lives_through_loops_and_swaps():
    program = LoopProgram()
    b = Builder(program.body)
    a, c, d = (Buffer(name, F8, 100, "scratch") for name in "acd")
    with b.loop(100) as i:
        b.store(a, i, b.const(1.0, F8))
    with b.while_loop([b.const(0, I8)]) as node:
        b.test_while(node, b.lt(node.carries[0].phi, b.const(3, I8)))
        with b.loop(100) as i:
            b.store(c, i, b.load(a, i))
        node.swaps.append((a, c))
        node.carries[0].next = b.add(node.carries[0].phi, b.const(1, I8))
    assert type(program.body[-1]) is While
    with b.loop(100) as i:
        b.store(d, i, b.const(2.0, F8))
    with b.loop(100) as i:
        b.store(Buffer("y", F8, 100, "out"), i, b.add(b.load(a, i), b.load(d, i)))
    plan_memory(program)
    assert len({a.offset, c.offset, d.offset}) == 3


# -- random programs


class Random:
    """Writes a random body: arithmetic, loads, stores, loops and branches inside of each other."""

    def __init__(self, seed, p, lanes):
        self.rng = np.random.default_rng(seed)
        self.p, self.b, self.lanes = p, p.b, lanes
        self.table, self.state = p.input(16, I8), p.zeros(24 * 16, I8)
        self.state.changing = True
        self.twin = p.zeros(24 * 16, I8)
        self.twin.changing = True

    def pick(self, values):
        return values[self.rng.integers(len(values))]

    def small(self, value, most):
        """0 .. most as a value."""
        return self.b.and_(value, self.b.const(most, I8))

    def place(self, value):
        return ix.variable(ix.Dynamic(self.small(value, 15), 0, 15))

    def values(self, known, depth, count):
        """``known`` and what ``count`` more statements compute."""
        known = list(known)
        for _ in range(count):
            kinds = ["add", "mul", "xor", "load", "table", "store"]
            kinds += ["for", "while", "branch", "either"] if depth < 3 else []
            known += getattr(self, "_" + self.pick(kinds))(known, depth)
        return known

    def _add(self, known, depth):
        return [self.b.add(self.pick(known), self.b.const(int(self.rng.integers(-5, 6)), I8))]

    def _mul(self, known, depth):
        return [self.b.mul(self.pick(known), self.pick(known))]

    def _xor(self, known, depth):
        return [self.b.xor(self.pick(known), self.pick(known))]

    def _load(self, known, depth):
        return [self.b.load(self.state, self.row * 16 + self.place(self.pick(known)))]

    def _table(self, known, depth):
        return [self.b.load(self.table, self.place(self.pick(known)))]

    def _store(self, known, depth):
        place = self.row * 16 + self.place(self.pick(known))
        if self.rng.random() < 0.3:
            with self.b._under(self.b.lt(self.pick(known), self.pick(known))):
                self.b.store(self.state, place, self.pick(known))
        else:
            self.b.store(self.state, place, self.pick(known))
        return []

    def _for(self, known, depth):
        extent = int(self.rng.integers(0, 5)) if self.rng.random() < 0.5 else self.small(self.pick(known), 3)
        inits = [self.pick(known) for _ in range(self.rng.integers(0, 3))]
        with self.b.counted(extent, 5, "serial") as node:
            carries = [self.b.carry(node, x) for x in inits]
            inner = [*known, *(c.phi for c in carries), self.b.index_value(ix.variable(node.var))]
            found = self.values(inner, depth + 1, 3)
            for c in carries:
                c.next = self.pick(found)
            self.swap(node)
        return [c.result for c in carries]

    def _while(self, known, depth):
        limit = self.small(self.pick(known), 3)
        inits = [self.b.const(0, I8), *(self.pick(known) for _ in range(self.rng.integers(0, 3)))]
        with self.b.while_loop(inits) as node:
            phis = [c.phi for c in node.carries]
            head = self.values([*known, *phis], 3, 2)
            self.b.test_while(node, self.b.lt(phis[0], limit))
            found = self.values(head, depth + 1, 3)
            node.carries[0].next = self.b.add(phis[0], self.b.const(1, I8))
            for c in node.carries[1:]:
                c.next = self.pick(found)
            self.swap(node)
        return [c.result for c in node.carries]

    def swap(self, node):
        if not self.lanes and self.rng.random() < 0.3:
            node.swaps.append((self.state, self.twin))

    def _branch(self, known, depth):
        count = int(self.pick([1, 2, 4]))
        node = self.b.branch(self.small(self.pick(known), count - 1), count)
        return self.cases(node, known, depth)

    def _either(self, known, depth):
        node = self.b.branch(self.b.lt(self.pick(known), self.pick(known)), 2)
        return self.cases(node, known, depth)

    def cases(self, node, known, depth):
        count, results = len(node.regions), int(self.rng.integers(0, 3))
        values = []
        for k in range(count):
            with self.b.case(node, k):
                found = self.values(known, depth + 1, int(self.rng.integers(0, 4)))
                values.append([self.pick(found) for _ in range(results)])
        return self.b.end_branch(node, values)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs(seed):
    n = [1, 7, 8, 19, 24][seed % 5]
    lanes = seed % 4 != 0

    def build(p):
        b, source, target = p.b, p.input(n, I8), p.output(n, I8)
        random = Random(seed, p, lanes)
        common = b.load(source, 0)
        with b.loop(n, "vector" if lanes else "serial") as i:
            random.row = i
            known = random.values([common, b.load(source, i), b.index_value(i)], 0, 6)
            total = known[0]
            for v in known[1:]:
                total = b.xor(b.mul(total, b.const(31, I8)), v)
            b.store(target, i, total)

    rng = np.random.default_rng(seed)
    x, table = rng.integers(-20, 20, n), rng.integers(-20, 20, 16)
    for register_bytes in WIDTHS:
        run(build, x, table, register_bytes=register_bytes)
