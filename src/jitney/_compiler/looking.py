"""A program looked at while it is compiled and run: what each pass made, its kernels, and the time of each.

Begin at :func:`look` and :class:`Timed`.  A timed program is the same one with a clock reading after each kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from jitney._base.sources import Location, resolve
from jitney._compiler import pipeline
from jitney._compiler.cost import statement_cost
from jitney._compiler.emit import ENTRY, emit
from jitney._compiler.executable import estimate, make_executable, parts_of
from jitney._compiler.loading import load, symbol_addresses
from jitney._compiler.machine import assembly, host_target, object_code
from jitney._core.jaxpr import ClosedJaxpr
from jitney._kernel.ir import Branch, Buffer, Call, For, LoopProgram, While, touched
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


@dataclass
class Kernel:
    """A loop nest, loop with a body, branch or library call of the compiled function.

    ``flops``, ``transcendentals`` and ``bytes`` are counts of one run; ``predicted`` and ``measured`` are seconds
    (``measured`` is None until the program was run with a clock). ``lines`` says which lines of the user's code it
    computes, with their shares of its cost, which sum to 1.
    """

    number: int
    kind: str
    shape: tuple[int, ...]
    operations: list[str]
    lines: dict[Location, float]
    reads: list[str]
    writes: list[str]
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
    return Look(closed, passes[1:], program, kernels_of(program), llvm)


def _text(ir: Any) -> str:
    return print_loops(ir) if isinstance(ir, LoopProgram) else str(ir)


# -- kernels


def kernels_of(program: LoopProgram) -> list[Kernel]:
    """The kernels of a loop program, in the order in which they run."""
    return [_kernel(number, s) for number, s in enumerate(_timed_statements(program))]


def _timed_statements(program: LoopProgram) -> list[Any]:
    return [s for s in program.body if type(s) in (For, While, Branch, Call)]


def _kernel(number: int, s: Any) -> Kernel:
    origin, counts = s.origin, statement_cost(s)
    eqns = [] if origin is None else origin.eqns
    reads, writes = _buffers(s)
    return Kernel(
        number,
        "library call" if type(s) is Call and s.symbol != "host" else _KINDS.get(type(s), "") or origin.kind,
        () if origin is None else origin.shape,
        list(dict.fromkeys(e.primitive.name for e, _ in eqns)),
        _lines(eqns),
        reads,
        writes,
        float(counts["flops"]),
        float(counts["transcendentals"]),
        float(counts["bytes accessed"]),
        estimate([s]) * 1e-9,
        print_statements([s]),
        type(s) is For and s.kind == "parallel",
    )


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


def _buffers(s: Any) -> tuple[list[str], list[str]]:
    """Names of the buffers read and written, with their types."""
    written = {b for b in _written(s)}
    read = [b for b in dict.fromkeys(touched(s)) if b not in written or b in _loaded(s)]
    return [_describe(b) for b in read], [_describe(b) for b in dict.fromkeys(_written(s))]


def _describe(b: Buffer) -> str:
    return f"{b.name}: {b.dtype}[{b.size}]"


def _written(s: Any) -> Iterator[Buffer]:
    from jitney._kernel.ir import Part, Store, blocks

    if type(s) is Store:
        yield s.buffer
    elif type(s) is Call:
        for x in s.outputs:
            yield x.buffer if type(x) is Part else x
    elif type(s) in (For, While, Branch):
        for block in blocks(s):
            for inner in block:
                yield from _written(inner)


def _loaded(s: Any) -> set[Buffer]:
    from jitney._kernel.ir import Part, Value, blocks

    if type(s) is Value:
        return {s.attr[0]} if s.op == "load" else set()
    if type(s) is Call:
        return {x.buffer if type(x) is Part else x for x in s.inputs}
    if type(s) in (For, While, Branch):
        return set().union(*(_loaded(inner) for block in blocks(s) for inner in block), set())
    return set()


# -- time


class Timed:
    """A program compiled with a clock reading after each of its kernels: ``execute`` runs it, ``seconds`` tells."""

    def __init__(self, closed: ClosedJaxpr) -> None:
        simple = pipeline.simplify(closed)
        graph, program = pipeline.lower(simple)
        self.kernels = kernels_of(program)
        # The last entry is the time outside of kernels: registers, and what comes after the last kernel.
        self.table = np.zeros((len(self.kernels) + 1, 2), np.int64)
        parts = parts_of(simple, graph, program)
        _add_ticks(program, self.table.ctypes.data)
        text, symbols = emit(program, host_target())
        code = load(object_code(text), ENTRY, symbol_addresses(symbols, program.symbols))
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
        """Mean time of a run in each kernel, and last the time outside of them."""
        return [float(t) * 1e-9 for t in self.table[:, 0] / max(self.runs, 1)]


class _TimedCode:
    """Machine code that keeps the table it writes to."""

    def __init__(self, code: Any, table: np.ndarray) -> None:
        self.address, self.code, self.table = code.address, code, table


def _add_ticks(program: LoopProgram, table: int) -> None:
    """A clock reading at the start, ahead of what precedes a kernel, and after each."""
    rest = len(_timed_statements(program))
    tick = lambda part: Call("jt_tick", [], [], arguments=(table, part))  # noqa: E731
    body: list[Any] = [tick(-1)]
    number = 0
    for s in program.body:
        if type(s) in (For, While, Branch, Call):
            body += [s, tick(number)]
            number += 1
        else:
            body.append(s)
    program.body = [*body, tick(rest)]
