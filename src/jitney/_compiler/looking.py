"""A program looked at while it is compiled and run: what each pass made, its kernels, and the time of each.

Begin at :func:`look` and :class:`Timed`.  A timed program is the same one with a clock reading after each kernel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from jitney._base.sources import Location, resolve
from jitney._compiler import pipeline
from jitney._compiler.cost import statement_cost
from jitney._compiler.dataflow import Flow, flows, is_kernel
from jitney._compiler.emit import ENTRY, emit
from jitney._compiler.executable import make_executable, parts_of
from jitney._compiler.loading import load, symbol_addresses
from jitney._compiler.machine import assembly, host_target, object_code
from jitney._core.jaxpr import ClosedJaxpr
from jitney._kernel.ir import Branch, Buffer, Call, For, LoopProgram, Store, Value, While, blocks
from jitney._kernel.printer import print_loops, print_statements


class Pass(NamedTuple):
    """One pass over the whole program: its name, and the program before and after as text."""

    name: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        """Whether the pass changed anything."""
        return self.before != self.after


class BufferUse(NamedTuple):
    """A run of elements in memory: ``kind`` is ``in``, ``const``, ``out``, ``scratch`` or ``stack``."""

    name: str
    kind: str
    dtype: str
    size: int
    nbytes: int

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{self.size}]"


@dataclass
class Kernel:
    """A loop nest, loop with a body, branch or library call of the compiled function.

    ``flops``, ``transcendentals`` and ``bytes`` are counts of one run; ``predicted`` and ``measured`` are seconds
    (``measured`` is None until the program was run with a clock). ``lines`` says which lines of the user's code it
    computes, with their shares of its cost, which sum to 1. ``needs`` are the kernels whose results it takes from
    registers. The last kernel of a program, of kind ``registers``, is what stands between the others.
    """

    number: int
    kind: str
    shape: tuple[int, ...]
    operations: list[str]
    lines: dict[Location, float]
    reads: list[BufferUse]
    writes: list[BufferUse]
    needs: list[int]
    flops: float
    transcendentals: float
    bytes: float
    predicted: float
    loops: str
    parallel: bool
    measured: float | None = None


@dataclass
class Look:
    """Everything that compiling a program made."""

    closed: ClosedJaxpr
    passes: list[Pass]
    program: LoopProgram
    kernels: list[Kernel]
    llvm: str
    const_bytes: int
    _asm: str = field(default="", repr=False)

    @property
    def asm(self) -> str:
        """The machine code as assembly text, for this processor."""
        if not self._asm:
            self._asm = assembly(self.llvm)
        return self._asm

    @property
    def loops(self) -> str:
        """The whole loop program."""
        return print_loops(self.program)


def look(closed: ClosedJaxpr) -> Look:
    """Compile ``closed`` and keep what every step made; nothing is run."""
    texts: list[tuple[str, str]] = [("the program as traced", str(closed))]
    with pipeline.watching(lambda name, ir: texts.append((name, _text(ir)))):
        simple = pipeline.simplify(closed)
        graph, program = pipeline.lower(simple)
    passes, before = [], ""
    for name, text in texts:
        passes.append(Pass(name, before, text))
        before = text
    llvm, _ = emit(program, host_target())
    consts = sum(v.aval.nbytes for v in simple.jaxpr.constvars)
    return Look(closed, passes[1:], program, kernels_of(program, simple), llvm, consts)


def _text(ir: Any) -> str:
    return print_loops(ir) if isinstance(ir, LoopProgram) else str(ir)


# -- kernels


def kernels_of(program: LoopProgram, simple: ClosedJaxpr) -> list[Kernel]:
    """The kernels of a loop program, in the order in which they run, and last what stands between them."""
    found = flows(program)
    kernels = [_kernel(n, s, found[n]) for n, s in enumerate(s for s in program.body if is_kernel(s))]
    return [*kernels, _between(program, simple, len(kernels), found[-1])]


def _kernel(number: int, s: Any, flow: Flow) -> Kernel:
    origin, counts = s.origin, statement_cost(s)
    eqns = [] if origin is None else origin.eqns
    return Kernel(
        number,
        "library call" if type(s) is Call and s.symbol != "host" else _KINDS.get(type(s), "") or origin.kind,
        _shape(s),
        list(dict.fromkeys(e.primitive.name for e, _ in eqns)),
        _lines(eqns),
        [_use(b) for b in flow.reads],
        [_use(b) for b in flow.writes],
        flow.needs,
        float(counts["flops"]),
        float(counts["transcendentals"]),
        float(counts["bytes accessed"]),
        _predict(s) * 1e-9,
        print_statements([s]),
        type(s) is For and s.kind == "parallel",
    )


def _between(program: LoopProgram, simple: ClosedJaxpr, number: int, flow: Flow) -> Kernel:
    """What is computed in registers, of the equations that no kernel computes."""
    rest = [s for s in program.body if not is_kernel(s)]
    counts = sum((statement_cost(s) for s in rest), Counter[str]())
    origins = [s.origin for s in program.body if is_kernel(s) and s.origin is not None]
    elsewhere = {id(e) for o in origins for e, _ in o.eqns}
    eqns = [
        (e, 1.0)
        for e in simple.jaxpr.eqns
        if id(e) not in elsewhere
        and all(v.aval.size <= _REGISTERS for v in e.outvars)
        and not e.primitive.higher_order
    ]
    return Kernel(
        number,
        "registers",
        (),
        list(dict.fromkeys(e.primitive.name for e, _ in eqns)),
        _lines(eqns),
        [_use(b) for b in flow.reads],
        [_use(b) for b in flow.writes],
        [],
        float(counts["flops"]),
        float(counts["transcendentals"]),
        float(counts["bytes accessed"]),
        sum(_predict(s) for s in rest) * 1e-9,
        print_statements(rest),
        False,
    )


_REGISTERS = 64  # elements of arrays that may be computed outside of loops


def _use(b: Buffer) -> BufferUse:
    return BufferUse(b.name, b.kind, str(b.dtype), b.size, b.size * b.dtype.itemsize)


def _predict(s: Any) -> float:
    """Nanoseconds: what the compiler estimates, or where it does not care, by the operations."""
    kind = type(s)
    if kind is Value:
        return _NS.get(s.attr if s.op == "math" and s.attr == "sqrt" else s.op, 0.4)
    if kind is Store:
        return _NS["load"]
    if kind is Call:
        return s.nanoseconds
    if kind is For:
        n = s.extent if isinstance(s.extent, int) else s.var.hi + 1
        inside = s.work or sum(map(_predict, s.body)) / max(s.width, 1)
        return n * max(inside, 0.05)
    return max((sum(map(_predict, block)) for block in blocks(s)), default=0.0)


# A scalar operation on the way of a dependency, roughly.
_NS = {
    "math": 6.0,
    "foreign": 15.0,
    "sqrt": 4.0,
    "div": 3.0,
    "load": 0.3,
    "const": 0.0,
    "phi": 0.0,
    "param": 0.0,
    "index": 0.1,
    "get": 0.0,
}


def _shape(s: Any) -> tuple[int, ...]:
    """What a kernel goes over: all elements, or the steps of a loop with a body."""
    if s.origin is None:
        return ()
    steps = type(s) is For and s.origin.kind not in ("loop", "reduction") and isinstance(s.extent, int)
    return (s.extent,) if steps else s.origin.shape


_KINDS = {Call: "host call", Branch: "branch", While: "loop"}


def _lines(eqns: Sequence[tuple[Any, float]]) -> dict[Location, float]:
    shares: dict[Location, float] = {}
    for eqn, cost in eqns:
        where = resolve(eqn.source)
        if where is not None:
            line = where._replace(column=-1, end_column=-1)
            shares[line] = shares.get(line, 0.0) + max(cost, 1e-9)
    total = sum(shares.values())
    return {line: share / total for line, share in shares.items()}


# -- time


class Timed:
    """A program compiled with a clock reading after each of its kernels: ``execute`` runs it, ``seconds`` tells.

    ``pass_seconds`` and ``llvm_seconds`` are what compiling it took.
    """

    def __init__(self, closed: ClosedJaxpr) -> None:
        started = perf_counter()
        simple = pipeline.simplify(closed)
        graph, program = pipeline.lower(simple)
        self.pass_seconds = perf_counter() - started
        self.kernels = kernels_of(program, simple)
        # The last entry is the time outside of kernels: registers, and what comes after the last kernel.
        self.table = np.zeros((len(self.kernels), 2), np.int64)
        _add_ticks(program, self.table.ctypes.data)
        started = perf_counter()
        text, symbols = emit(program, host_target())
        parts = parts_of(simple, graph, program)  # after emit, which adds to the scratch memory
        code = load(object_code(text), ENTRY, symbol_addresses(symbols, program.symbols))
        self.llvm_seconds = perf_counter() - started
        self.executable = make_executable(closed, parts, _TimedCode(code, self.table))
        self.execute = self.executable.execute

    def reset(self) -> None:
        """Forget the readings."""
        self.table[:] = 0

    @property
    def runs(self) -> int:
        """How often the program was run since the last ``reset``."""
        return int(self.table[-1, 1])

    def seconds(self) -> list[float]:
        """Mean time of a run in each kernel, the last of which is the time between the others."""
        return [float(t) * 1e-9 for t in self.table[:, 0] / max(self.runs, 1)]


class _TimedCode:
    """Machine code that keeps the table it writes to."""

    def __init__(self, code: Any, table: np.ndarray) -> None:
        self.address, self.code, self.table = code.address, code, table


def _add_ticks(program: LoopProgram, table: int) -> None:
    """A clock reading at the start, ahead of what precedes a kernel, and after each."""
    rest = sum(map(is_kernel, program.body))
    tick = lambda part: Call("jt_tick", [], [], arguments=(table, part))  # noqa: E731
    body: list[Any] = [tick(-1)]
    number = 0
    for s in program.body:
        if is_kernel(s):
            body += [s, tick(number)]
            number += 1
        else:
            body.append(s)
    program.body = [*body, tick(rest)]
