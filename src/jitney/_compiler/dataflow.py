"""What the kernels of a loop program take from each other: buffers, and numbers in registers.

Begin at :func:`flows`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jitney._kernel.index import Dynamic, Index, Quotient
from jitney._kernel.ir import Branch, Buffer, Call, For, LoopProgram, Part, Store, Value, While, blocks


@dataclass
class Flow:
    """What a kernel reads and writes, and the numbers of the kernels whose results it takes from registers."""

    reads: list[Buffer] = field(default_factory=list)
    writes: list[Buffer] = field(default_factory=list)
    needs: list[int] = field(default_factory=list)


def is_kernel(s: Any) -> bool:
    """Whether a statement of the function's body is one that is timed by itself."""
    return type(s) in (For, While, Branch, Call)


def flows(program: LoopProgram) -> list[Flow]:
    """One for each kernel, and a last one for the statements between them."""
    made: list[Flow] = []
    rest = Flow()
    sources: dict[int, list[Any]] = {}  # of a value in registers: kernels (numbers) and buffers
    for s in program.body:
        taken = [x for v in _values(s) for x in sources.get(id(v), ())]
        if is_kernel(s):
            made.append(_flow(s, taken))
            for v in _results(s):
                sources[id(v)] = [len(made) - 1]
        elif type(s) is Value:
            sources[id(s)] = list(dict.fromkeys([*taken, *loaded(s)]))
        elif type(s) is Store:
            makers = [x for x in taken if isinstance(x, int)]
            for flow in [made[n] for n in makers] or [rest]:
                _add(flow.writes, [s.buffer])
            if not makers:
                _add(rest.reads, [x for x in taken if isinstance(x, Buffer)])
    return [*made, rest]


def _flow(s: Any, taken: list[Any]) -> Flow:
    writes, reads = list(dict.fromkeys(written(s))), list(dict.fromkeys(loaded(s)))
    flow = Flow(reads, writes)
    _add(flow.reads, [x for x in taken if isinstance(x, Buffer)])
    _add(flow.needs, [x for x in taken if isinstance(x, int)])
    return flow


def _add(items: list, more: list) -> None:
    items += [x for x in dict.fromkeys(more) if x not in items]


def _results(s: Any) -> Iterator[Value]:
    if type(s) is Branch:
        yield from s.results
    elif type(s) is not Call:
        for carry in s.carries:
            yield carry.phi
            if carry.result is not None:
                yield carry.result


def _values(s: Any) -> Iterator[Value]:
    """The values that a statement and those in it take."""
    kind = type(s)
    if kind is Value:
        yield from s.args
        if s.op == "load":
            yield from _dynamic(s.attr[1])
        elif s.op == "index":
            yield from _dynamic(s.attr)
    elif kind is Store:
        yield s.value
        yield from _dynamic(s.index)
    elif kind is Call:
        for x in (*s.inputs, *s.outputs):
            if type(x) is Part:
                yield from _dynamic(x.base)
    else:
        yield from _control(s)
        for block in blocks(s):
            for inner in block:
                yield from _values(inner)


def _control(s: Any) -> Iterator[Value]:
    """The values that loops and branches take themselves."""
    if type(s) is Branch:
        yield s.selector
        for values in s.values:
            yield from values
        return
    for carry in s.carries:
        yield carry.init
        if carry.next is not None:
            yield carry.next
    if type(s) is For and isinstance(s.extent, Value):
        yield s.extent


def _dynamic(index: Any) -> Iterator[Value]:
    if isinstance(index, Index):
        for atom, _ in index.terms:
            if type(atom) is Dynamic:
                yield atom.value
            elif type(atom) is Quotient:
                yield from _dynamic(atom.of)


def written(s: Any) -> Iterator[Buffer]:
    """The buffers that a statement and those in it write."""
    if type(s) is Store:
        yield s.buffer
    elif type(s) is Call:
        yield from (x.buffer if type(x) is Part else x for x in s.outputs)
    elif is_kernel(s):
        for block in blocks(s):
            for inner in block:
                yield from written(inner)


def loaded(s: Any) -> Iterator[Buffer]:
    """The buffers that a statement and those in it read."""
    if type(s) is Value:
        if s.op == "load":
            yield s.attr[0]
    elif type(s) is Call:
        yield from (x.buffer if type(x) is Part else x for x in s.inputs)
    elif is_kernel(s):
        for block in blocks(s):
            for inner in block:
                yield from loaded(inner)
