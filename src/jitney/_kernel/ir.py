"""The loop IR: one native function as structured loops over scalar values.

Grammar::

    program ::= buffer* stmt*
    buffer  ::= in | const | out | scratch | stack          name, dtype, number of elements
    stmt    ::= value                                        a pure operation, a load, a get
              | store buffer[index] <- value   (if value)
              | for var < extent kind (carry)* swap* { stmt* yield value* }
              | while (carry)* swap* { stmt* test value stmt* yield value* }
              | branch value { stmt* yield value* }*         runs the region that the selector says
              | call symbol(part...)                         a native or host function on (parts of) buffers
    part    ::= buffer | buffer[index...]                    from an element on
    swap    ::= buffer <-> buffer                            exchange their memory after each iteration
    value   ::= op dtype (value*) attr                       single assignment
    kind    ::= serial | vector width x copies | parallel grain
    carry   ::= phi <- init ; next ; neutral

Values are scalars with a NumPy dtype. A ``vector`` loop has scalar meaning; its iterations are
independent but for carries, which are folded lane by lane with the loop's ``folds`` regions.
The results of a ``while`` are its phis when the test is first false; its swaps, like those of a ``for``, happen
after each iteration, so that the first of two swapped buffers is what the next iteration reads.
``level`` of a value is the nesting depth of the block that it stands in (0: the function's body).
Loops, branches and calls of the function's body know their ``origin``: the equations that they compute.

Operations: the vocabulary of ``builder.py``, and ``const`` (attr: number), ``index`` (attr: Index),
``test`` (attr: Condition), ``load`` (attr: buffer, index; an optional argument is the predicate: where
it is false the value is 0 and nothing is read), ``math`` (attr: name), ``foreign`` (attr: the C function), ``phi`` and ``param``. ``bundle`` (attr: name) is a function of each
of its arguments, of which ``lane`` (attr: number) is one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jitney._kernel.index import Index, LoopVar


class Unsupported(Exception):
    """A rule or the compiler has no native form for this case; the equation calls its NumPy meaning."""


class Value:
    """One scalar operation and its result."""

    __slots__ = ("args", "attr", "dtype", "level", "name", "op")

    def __init__(self, op: str, dtype: np.dtype, args: tuple, attr: Any, level: int, name: int) -> None:
        self.op, self.dtype, self.args, self.attr = op, dtype, args, attr
        self.level, self.name = level, name

    def __repr__(self) -> str:
        return f"%{self.name}"


class Buffer:
    """A flat run of elements in memory.

    ``kind``: ``in``/``const``/``out`` (``number`` says which), ``scratch`` (``offset`` into the arena, set by
    the memory plan; or it lies ``inside`` of an output) or ``stack``. ``changing`` buffers are read and written by explicit loops, so that a
    load stays where it is written. ``level``: loads are not placed further out, as the buffer is written there.
    ``version``: counted up whenever it has been written anew; loads before and after are different values.
    """

    __slots__ = (
        "changing",
        "dtype",
        "inside",
        "kind",
        "level",
        "name",
        "number",
        "offset",
        "size",
        "version",
    )

    def __init__(self, name: str, dtype: np.dtype, size: int, kind: str, number: int = 0) -> None:
        self.name, self.dtype, self.size, self.kind, self.number = name, dtype, size, kind, number
        self.offset = 0
        self.changing = False
        self.inside: Buffer | None = None
        self.level = self.version = 0

    def __repr__(self) -> str:
        return self.name


class Part:
    """A buffer from element ``base`` on, as calls take it."""

    __slots__ = ("base", "buffer")

    def __init__(self, buffer: Buffer, base: Index) -> None:
        self.buffer, self.base = buffer, base

    def __repr__(self) -> str:
        return f"{self.buffer}[{self.base}...]"


class Store:
    """``buffer[index] <- value``, where ``predicate`` holds."""

    __slots__ = ("buffer", "index", "predicate", "value")

    def __init__(
        self, buffer: Buffer, index: int | Index, value: Value, predicate: Value | None = None
    ) -> None:
        self.buffer, self.index, self.value, self.predicate = buffer, index, value, predicate


class Carry:
    """A loop-carried value: ``phi`` is ``init`` at first, then the last iteration's ``next``; ``result`` after."""

    __slots__ = ("init", "neutral", "next", "phi", "result")

    def __init__(self, phi: Value, init: Value, neutral: Value | None) -> None:
        self.phi, self.init, self.neutral = phi, init, neutral
        self.next: Value | None = None
        self.result: Value | None = None


class Region:
    """A pure function as statements: ``params -> results``."""

    __slots__ = ("body", "params", "results")

    def __init__(self, params: list[Value], body: list, results: list[Value]) -> None:
        self.params, self.body, self.results = params, body, results


class For:
    """``for var in range(extent)``; ``folds`` are ``(carry numbers, region)`` for vector loops."""

    __slots__ = (
        "body",
        "carries",
        "copies",
        "exact",
        "extent",
        "folds",
        "grain",
        "kind",
        "origin",
        "swaps",
        "var",
        "width",
        "work",
    )

    def __init__(self, var: LoopVar, extent: int | Value, kind: str) -> None:
        self.var, self.extent, self.kind = var, extent, kind
        self.body: list = []
        self.carries: list[Carry] = []
        self.folds: list[tuple[tuple[int, ...], Region]] = []
        self.swaps: list[tuple[Buffer, Buffer]] = []
        self.width, self.copies, self.grain = 1, 1, 0
        self.exact = False  # each iteration must run once: no overlapped last vector
        self.work = 0.0  # estimated nanoseconds per iteration
        self.origin: Any = None


class While:
    """Iterations as long as ``test``, which ``head`` computes ahead of each; ``body`` sees the values of ``head``.

    ``level`` is that of the values inside.
    """

    __slots__ = ("body", "carries", "head", "level", "origin", "swaps", "test")

    def __init__(self, level: int) -> None:
        self.level = level
        self.origin: Any = None
        self.carries: list[Carry] = []
        self.head: list = []
        self.test: Value | None = None
        self.body: list = []
        self.swaps: list[tuple[Buffer, Buffer]] = []


class Branch:
    """One of ``regions``, by ``selector`` (int64 below their number; bool: case 1 is true).

    ``values[k]`` are the results of region k; ``results`` what the statements after it see. ``level`` is that of
    the block that the statement stands in.
    """

    __slots__ = ("level", "origin", "regions", "results", "selector", "values")

    def __init__(self, selector: Value, count: int, level: int) -> None:
        self.selector, self.level = selector, level
        self.origin: Any = None
        self.regions: list[list] = [[] for _ in range(count)]
        self.values: list[list[Value]] = []
        self.results: list[Value] = []


class Call:
    """A call on buffers or parts of them: a native ``symbol`` with literal arguments, or host function ``number``.

    Native functions are routines (``rules.RoutineCall``), which take about ``nanoseconds``; or a ``foreign`` function, whose
    arguments are then pairs: ``("in", k)``, ``("out", k)``: the address of a buffer; ``("value", k)``: the number in
    input k; ``("size", n)``; ``("place", n)``: the address of an integer. What it returns goes to the first output.
    """

    __slots__ = ("arguments", "foreign", "inputs", "nanoseconds", "number", "origin", "outputs", "symbol")

    def __init__(
        self,
        symbol: str,
        inputs: Sequence[Buffer | Part],
        outputs: Sequence[Buffer | Part],
        number: int = -1,
        arguments: tuple = (),
        nanoseconds: float = 0.0,
        foreign: Any = None,
    ) -> None:
        self.foreign = foreign
        self.symbol, self.inputs, self.outputs = symbol, list(inputs), list(outputs)
        self.number, self.arguments, self.nanoseconds = number, arguments, nanoseconds
        self.origin: Any = None


def blocks(s: For | While | Branch) -> list[list]:
    """The blocks of statements inside a statement, in order."""
    if type(s) is For:
        return [s.body]
    return [s.head, s.body] if type(s) is While else s.regions  # type: ignore[union-attr]


def touched(s: Any) -> Iterator[Buffer]:
    """The buffers that a statement reads, writes or swaps, each as often as it does."""
    kind = type(s)
    if kind is Value:
        if s.op == "load":
            yield s.attr[0]
    elif kind is Store:
        yield s.buffer
    elif kind is Call:
        for x in (*s.inputs, *s.outputs):
            yield x.buffer if type(x) is Part else x
    else:
        if kind is not Branch:
            for pair in s.swaps:
                yield from pair
        for block in blocks(s):
            for inner in block:
                yield from touched(inner)


class LoopProgram:
    """The function: its buffers (``known``: the same as a set) and its body; ``names`` numbers temporaries."""

    __slots__ = (
        "body",
        "buffers",
        "callables",
        "cuts",
        "known",
        "names",
        "nests",
        "scratch_bytes",
        "symbols",
    )

    def __init__(self) -> None:
        self.known: set[Buffer] = set()
        self.names = itertools.count()
        self.buffers: list[Buffer] = []
        self.body: list = []
        self.callables: list[Any] = []
        self.symbols: dict[str, int] = {}
        self.cuts: dict[int, list[int]] = {}  # by block (its id): where it is cut into functions
        self.nests: dict[For, Any] = {}  # loops that are equal to others, see ``share_nests``
        self.scratch_bytes = 0
