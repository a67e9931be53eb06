"""Reads and writes of short rows in vector loops: whole vectors and shuffles in place of gathers and scatters.

    for i < n vector 8 { x[3i] x[3i+1] x[3i+2] }     ->   3 loads of 8 neighbours, 2 shuffles for each value
    for j < n vector 8 { x[nj+i] ... x[nj+i+7] }     ->   8 loads of 8 neighbours, an 8 x 8 transposition

Begin at :func:`find_rows`, which says which accesses of a loop's body belong together: those to one buffer at indices
that differ by a constant. No element between the first and the last of them that the program needs is passed.
"""

from __future__ import annotations

from typing import Any

from jitney._compiler.emit_ops import memory_type
from jitney._compiler.ir import vec
from jitney._kernel.index import Dynamic, Index, LoopVar, Quotient
from jitney._kernel.ir import Branch, Buffer, Call, For, Store, Value, While, blocks

_LONGEST = 8  # steps between lanes that neighbours still fill with loads of whole vectors


class Row:
    """Accesses of one block to ``buffer`` at ``index + k`` for ``k`` of ``places``; lanes are ``stride`` apart."""

    __slots__ = ("buffer", "index", "last", "places", "stores", "stride")

    def __init__(self, buffer: Buffer, index: Index, stride: int, places: list[int]) -> None:
        self.buffer, self.index, self.stride, self.places = buffer, index, stride, places
        self.stores: dict[int, Store] = {}  # by place, of a row that is written
        self.last: Store | None = None


def find_rows(node: For) -> dict[Any, Row]:
    """The row of each load and store in the body of a vector loop that is part of one."""
    found: dict[Any, Row] = {}
    _find(node, node.body, found)
    return found


def _find(node: For, body: list, found: dict[Any, Row]) -> None:
    loads: dict[Any, list[Value]] = {}
    stores: dict[Any, list[Store]] = {}
    for s in body:
        if type(s) is Value:
            if s.op == "load" and not s.args and not s.attr[0].changing and _steps(s.attr[1], node.var) > 1:
                loads.setdefault((s.attr[0], s.attr[1].terms), []).append(s)
        elif type(s) is Store:
            if s.predicate is None and type(s.index) is Index and _steps(s.index, node.var) > 1:
                stores.setdefault((s.buffer, s.index.terms), []).append(s)
        elif type(s) is not Call:
            for inner in blocks(s):
                _find(node, inner, found)
    for (buffer, terms), group in loads.items():
        _add_loads(buffer, terms, _steps(group[0].attr[1], node.var), group, node.width, found)
    for (buffer, terms), writes in stores.items():
        if _undisturbed(body, writes):
            _add_stores(buffer, terms, _steps(writes[0].index, node.var), writes, node.width, found)


def _steps(index: Index, var: LoopVar) -> int:
    """The distance between lanes; 0 where it is none or not even."""
    for atom, _ in index.terms:
        kind = type(atom)
        if (kind is Dynamic or kind is Quotient) and atom.level >= var.level:
            return 0
    return index.coefficient(var) or 0


def _add_loads(
    buffer: Buffer, terms: tuple, stride: int, loads: list[Value], width: int, found: dict[Any, Row]
) -> None:
    places = sorted({v.attr[1].const for v in loads})
    for first, members in _clusters(places, stride, width):
        row = Row(buffer, Index(first, terms), stride, [p - first for p in members])
        for v in loads:
            if v.attr[1].const in members:
                found[v] = row


def _add_stores(
    buffer: Buffer, terms: tuple, stride: int, stores: list[Store], width: int, found: dict[Any, Row]
) -> None:
    by_place = {s.index.const: s for s in stores}  # type: ignore[union-attr]
    if len(by_place) < len(stores):
        return  # one element written twice: their order matters
    for first, members in _clusters(sorted(by_place), stride, width):
        whole = members == list(range(first, first + len(members)))
        if not whole or len(members) != (stride if stride <= _LONGEST else width):
            continue
        row = Row(buffer, Index(first, terms), stride, [p - first for p in members])
        row.stores = {p - first: by_place[p] for p in members}
        row.last = [s for s in stores if s.index.const in members][-1]  # type: ignore[union-attr]
        found.update(dict.fromkeys(row.stores.values(), row))


def _clusters(places: list[int], stride: int, width: int) -> list[tuple[int, list[int]]]:
    """Places that one row covers: less than ``stride`` apart, or runs of ``width`` neighbours where lanes are far."""
    out: list[tuple[int, list[int]]] = []
    if stride <= _LONGEST:
        while places:
            members = [p for p in places if p < places[0] + stride]
            if stride <= 4 or 2 * len(members) >= stride:
                out.append((members[0], members))
            places = places[len(members) :]
        return out
    while places:
        run = 1
        while run < width and run < len(places) and places[run] == places[0] + run:
            run += 1
        if run == width:
            out.append((places[0], places[:run]))
        places = places[run:]
    return out


def _undisturbed(body: list, stores: list[Store]) -> bool:
    """Whether nothing else touches the buffer between the first and the last of ``stores``."""
    buffer, left = stores[0].buffer, len(stores)
    inside = False
    for s in body:
        if type(s) is Store and any(s is w for w in stores):
            inside, left = True, left - 1
            if not left:
                return True
        elif inside and _may_touch(s, buffer):
            return False
    return False


def _may_touch(s: Any, buffer: Buffer) -> bool:
    if type(s) is Value:
        return s.op == "load" and s.attr[0] is buffer
    if type(s) is Store:
        return s.buffer is buffer
    return type(s) in (Call, For, While, Branch)


# -- writing them


def load_row(e: Any, v: Value, row: Row, copy: int) -> Any:
    """One load of a row, as a vector; the row is read where its first load stands."""
    place = v.attr[1].const - row.index.const
    if row.stride > _LONGEST:
        columns = e.once(e.level, ("row", id(row), copy), lambda: _read_block(e, row, copy))
        return columns[place]
    parts = e.once(e.level, ("row", id(row), copy), lambda: _read_neighbours(e, row, copy))
    starts = _starts(row, e.width)
    wanted = [place + row.stride * k for k in range(e.width)]
    return _collect(e, parts, starts, wanted)


def _starts(row: Row, width: int) -> list[int]:
    """Where the vectors begin that hold the row's elements; the last reaches back rather than beyond."""
    span = row.stride * (width - 1) + row.places[-1] + 1
    return [min(p, span - width) for p in range(0, span, width)]


def _read_neighbours(e: Any, row: Row, copy: int) -> list:
    shift = copy * e.width * row.stride
    return [_read(e, row, shift + start) for start in _starts(row, e.width)]


def _read(e: Any, row: Row, shift: int) -> Any:
    wide = vec(memory_type(row.buffer.dtype), e.width)
    return e.f.load(wide, e.address(row.buffer, row.index, shift), row.buffer.dtype.itemsize)


def _read_block(e: Any, row: Row, copy: int) -> list:
    """One column of ``width`` neighbours for each lane, transposed."""
    first = copy * e.width
    return transpose(e.f, [_read(e, row, (first + k) * row.stride) for k in range(e.width)])


def _collect(e: Any, parts: list, starts: list[int], wanted: list[int]) -> Any:
    """The elements ``wanted`` (counted from the row's first) out of the vectors that begin at ``starts``."""
    width = len(wanted)
    held = [max(q for q, start in enumerate(starts) if start <= p) for p in wanted]
    used = sorted(set(held))
    found: Any = None
    for n, q in enumerate(used):
        own = [p - starts[q] if h == q else -1 for p, h in zip(wanted, held, strict=True)]
        if n == 0:
            found, picks = parts[q], own
            continue
        picks = [k + width if k >= 0 else old for k, old in zip(own, picks, strict=True)]
        found = e.f.shuffle(found, parts[q], picks)
        picks = [k if p >= 0 else -1 for k, p in enumerate(picks)]
    return found if len(used) > 1 else e.f.shuffle(found, None, picks)


def store_row(e: Any, row: Row, copy: int, values: dict[int, Any]) -> None:
    """All elements of a row: ``values[k]`` holds, lane by lane, what belongs at place k."""
    size, width = row.buffer.dtype.itemsize, e.width
    columns = [values[k] for k in row.places]
    first = copy * width * row.stride
    if row.stride > _LONGEST:
        vectors = list(enumerate(transpose(e.f, columns)))
        places = [(first + k * row.stride, x) for k, x in vectors]
    else:
        places = [
            (first + start, _interleave(e, columns, start)) for start in range(0, row.stride * width, width)
        ]
    for shift, value in places:
        e.f.store(value, e.address(row.buffer, row.index, shift), size)


def _interleave(e: Any, columns: list, start: int) -> Any:
    """The ``width`` elements from ``start`` on of the columns taken in turn."""
    n, width = len(columns), e.width
    of = [divmod(p, n) for p in range(start, start + width)]  # lane, column
    found: Any = None
    picks: list[int] = []
    for column in sorted({c for _, c in of}):
        own = [lane if c == column else -1 for lane, c in of]
        if found is None:
            found, picks = columns[column], own
            continue
        picks = [k + width if k >= 0 else old for k, old in zip(own, picks, strict=True)]
        found = e.f.shuffle(found, columns[column], picks)
        picks = [k if p >= 0 else -1 for k, p in enumerate(picks)]
    return found


def transpose(f: Any, rows: list) -> list:
    """The columns of a square of vectors, in log2(width) stages: swap halves, then quarters of them, ..."""
    width = len(rows)
    half = width // 2
    while half:
        out = list(rows)
        for i in range(width):
            if i & half:
                continue
            j = i | half
            low = [k if not k & half else width + (k ^ half) for k in range(width)]
            high = [k ^ half if not k & half else width + k for k in range(width)]
            out[i] = f.shuffle(rows[i], rows[j], low)
            out[j] = f.shuffle(rows[i], rows[j], high)
        rows = out
        half //= 2
    return rows


__all__ = ["Row", "find_rows", "load_row", "store_row", "transpose"]
