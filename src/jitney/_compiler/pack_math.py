"""pack_math: computes equal functions of several independent scalars in the lanes of one vector.

    %3 = math sin %1 ; %4 = math sin %2      ->      %5 = bundle sin %1 %2 ; %3 = lane 0 %5 ; %4 = lane 1 %5

The body of a loop over scalars (a state of a few leaves, a small matrix in registers) has no vector loop of its own.
A vector function costs hardly more than a scalar one, in time and in code. Values are ordered by how many functions
deep they are; functions of one depth cannot depend on each other.
"""

from __future__ import annotations

from typing import Any

from jitney._compiler.drop_unused import index_of
from jitney._compiler.vmath import names
from jitney._kernel.index import Dynamic, Index, Quotient
from jitney._kernel.ir import Branch, For, LoopProgram, Store, Value, While, blocks

_LONGEST = 4000  # statements of a block that are ordered anew


def pack_math(program: LoopProgram, register_bytes: int) -> None:
    """Pack the scalar functions of all blocks outside of vector loops."""
    if register_bytes >= 16:
        _visit(program.body, register_bytes, frozenset(names()))


def _visit(body: list, register_bytes: int, known: frozenset[str]) -> None:
    for s in body:
        if type(s) is For and s.kind == "vector" and s.width > 1:
            continue
        if isinstance(s, (For, While, Branch)):
            for inner in blocks(s):
                _visit(inner, register_bytes, known)
    if sum(type(s) is Value and _packable(s, known) for s in body) > 1:
        body[:] = [s for run in _straight(body) for s in _pack(run, register_bytes, known)]


def _packable(v: Value, known: frozenset[str]) -> bool:
    return v.op == "math" and len(v.args) == 1 and v.attr in known


def _straight(body: list) -> list[list]:
    """The block cut where statements must keep their order: at loops and calls, and where memory just written is read."""
    runs: list[list] = [[]]
    written: set[Any] = set()
    for s in body:
        kind = type(s)
        if kind is Value and s.op == "load" and s.attr[0] in written:
            runs.append([])
            written = set()
        if kind is Value or kind is Store:
            runs[-1].append(s)
            if kind is Store:
                written.add(s.buffer)
            continue
        runs += [[s], []]
        written = set()
    return [run for run in runs if run]


def _pack(run: list, register_bytes: int, known: frozenset[str]) -> list:
    values = [s for s in run if type(s) is Value]
    if len(values) < 2 or len(run) > _LONGEST:
        return run
    depth: dict[Value, int] = {}
    groups: dict[tuple, list[Value]] = {}
    for v in values:
        below = max((depth.get(a, 0) for a in _operands(v)), default=0)
        packable = _packable(v, known)
        depth[v] = below + packable
        if packable:
            groups.setdefault((below, v.attr, v.dtype), []).append(v)
    if all(len(group) == 1 for group in groups.values()):
        return run
    ordered: list = sorted(values, key=lambda v: (depth[v], not _packable(v, known)))
    replaced: dict[Value, list] = {}
    for (_, _, dtype), group in groups.items():
        width = max(2, register_bytes // dtype.itemsize)
        for first in range(0, len(group), width):
            members = group[first : first + width]
            if len(members) > 1:
                replaced[members[0]] = _bundle(members)
                replaced.update((m, []) for m in members[1:])
    # Functions of one depth stand side by side ahead of what uses them, so that the whole group can take
    # the place of its first member: all operands are of less depth.
    packed = [x for v in ordered for x in replaced.get(v, (v,))]
    return packed + [s for s in run if type(s) is Store]


def _bundle(members: list[Value]) -> list[Value]:
    """One call, and the members as its lanes."""
    first = members[0]
    bundle = Value(
        "bundle", first.dtype, tuple(m.args[0] for m in members), first.attr, first.level, first.name
    )
    for k, m in enumerate(members):
        m.op, m.args, m.attr = "lane", (bundle,), k
    return [bundle, *members]


def _operands(v: Value) -> list[Value]:
    """The values that ``v`` is computed from, those of its index included."""
    found = list(v.args)
    pending = [index_of(v)]
    while pending:
        index: Index | None = pending.pop()
        for atom, _ in index.terms if index is not None else ():
            if type(atom) is Dynamic:
                found.append(atom.value)
            elif type(atom) is Quotient:
                pending.append(atom.of)
    return found
