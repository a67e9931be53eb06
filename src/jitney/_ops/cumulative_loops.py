"""Loops of the cumulative operations: running values stay in registers, several rows are done side by side.

Sums and products are added up in order, each prefix from the one before it, so that results are those of the definition
and never decrease where no term is negative. An addition takes some cycles until the next can begin: rows are
therefore taken four at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney._kernel import index as ix
from jitney._kernel.ir import Buffer

_SIDE_BY_SIDE = 4  # rows
_THREADS = 1 << 15  # elements from which rows are shared among threads
_BLOCK = 256  # elements whose exponentials are computed together
_F64 = np.dtype(np.float64)

Combine = Callable[..., Any]
Scan = Callable[
    ..., None
]  # scan(b, out, x, n, places): some rows along their axis; places[r](k) is where element k lies


def cumulative_loops(combine: Combine, scan: Scan | None = None) -> Callable[..., None]:
    """The rule of a cumulative operation whose step is ``combine(b, running, x)``.

    ``scan`` writes rows of contiguous elements in another way than step by step.
    """
    along = scan or (lambda b, out, x, n, places: _scan(b, out, x, n, places, combine))

    def build(b: Any, outs: Any, ins: Any, *, axis: int, reverse: bool) -> None:
        (out,), (x,) = outs, ins
        shape = tuple(x.shape)
        outer, n, inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
        if outer * n * inner == 0:
            return
        place = lambda o, k, i: o * (n * inner) + ((n - 1 - k) if reverse else k) * inner + i  # noqa: E731
        if inner > 1:
            _each(b, outer, n * inner, lambda o: _scan_rows(b, out, x, n, inner, o, place, combine))
            return
        group = _SIDE_BY_SIDE if outer >= _SIDE_BY_SIDE and scan is None else 1

        def rows(o: Any, count: int) -> None:
            along(b, out, x, n, [lambda k, r=r: place(o + r, k, 0) for r in range(count)])

        _each(b, outer // group, n * group, lambda o: rows(o * group, group))
        for o in range(outer - outer % group, outer):
            rows(o, 1)

    return build


def _each(b: Any, count: int, elements: int, body: Callable[[Any], None]) -> None:
    """``body(i)`` for i < count, on threads where there is enough to do."""
    if count <= 1:
        if count:
            body(0)
        return
    kind = "parallel" if count * elements >= _THREADS else "serial"
    with b.counted(count, count, kind, "o") as node:
        node.work = float(elements)
        body(ix.variable(node.var))


def _scan(b: Any, out: Any, x: Any, n: int, places: list[Callable[[Any], Any]], combine: Combine) -> None:
    starts = [b.load(x, place(0)) for place in places]
    for place, start in zip(places, starts, strict=True):
        b.store(out, place(0), start)
    if n > 1:
        _serial(
            b,
            n - 1,
            starts,
            lambda k, running: [
                _stored(b, out, place(k + 1), combine(b, v, b.load(x, place(k + 1))))
                for place, v in zip(places, running, strict=True)
            ],
        )


def _stored(b: Any, out: Any, place: Any, value: Any) -> Any:
    b.store(out, place, value)
    return value


def _serial(b: Any, n: int, inits: list[Any], step: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
    """``running = step(k, running)`` for k < n, in registers; the last ones."""
    with b.counted(n, n, "serial", "k") as node:
        carries = [b.carry(node, v) for v in inits]
        for carry, value in zip(carries, step(ix.variable(node.var), [c.phi for c in carries]), strict=True):
            carry.next = value
    return [c.result for c in carries]


def _scan_rows(
    b: Any, out: Any, x: Any, n: int, inner: int, o: Any, place: Callable[..., Any], combine: Combine
) -> None:
    """Each row is the row before it combined with the operand's, vectorised along the row."""
    with b.loop(inner, "vector") as i:
        b.store(out, place(o, 0, i), b.load(x, place(o, 0, i)))
    if n > 1:
        with b.loop(n - 1) as k, b.loop(inner, "vector") as i:
            following = combine(b, b.load(out, place(o, k, i)), b.load(x, place(o, k + 1, i)))
            b.store(out, place(o, k + 1, i), following)


# -- log(exp(x0) + ... + exp(xk)) ---------------------------------------------------------------------


def scan_logsumexp(b: Any, out: Any, x: Any, n: int, places: list[Callable[[Any], Any]]) -> None:
    """The running maximum r and the sum s of exp(x - r), rescaled whenever r grows; results are ``r + log(s)``.

    (Milakov, Gimelshein, "Online normalizer calculation for softmax", 2018.) What depends on the element before is one
    maximum and one product with sum; exponentials and logarithms of a block are vectors.
    """
    (place,) = places
    first = b.load(x, place(0))
    b.store(out, place(0), first)
    if n == 1:
        return
    names = [Buffer(f"lse{next(b.names)}", d, _BLOCK + 1, "stack") for d in (x.dtype, _F64, _F64)]
    for buffer in names:
        buffer.changing = True
    state = b.variable(first), b.variable(b.const(1.0, _F64))
    whole = (n - 1) // _BLOCK
    if whole:
        with b.loop(whole, name="blk") as block:
            _logsumexp_block(b, out, x, _BLOCK, lambda k: place(block * _BLOCK + (k + 1)), names, state)
    if (n - 1) % _BLOCK:
        start = whole * _BLOCK + 1
        _logsumexp_block(b, out, x, (n - 1) % _BLOCK, lambda k: place(k + start), names, state)


def _logsumexp_block(
    b: Any, out: Any, x: Any, size: int, place: Callable[[Any], Any], names: list[Buffer], state: Any
) -> None:
    greatest, scale, term = names
    last, total = state
    b.store(greatest, 0, last.get())
    (r,) = _serial(
        b,
        size,
        [last.get()],
        lambda k, running: [_stored(b, greatest, k + 1, b.max(running[0], b.load(x, place(k))))],
    )
    last.set(r)
    with b.loop(size, "vector") as k:
        v, before = b.load(x, place(k)), b.load(greatest, k)
        zero, one = b.const(0.0, v.dtype), b.const(1.0, _F64)
        gap = b.select(b.eq(v, before), zero, b.sub(v, before))  # also of equal infinities
        small = b.cast(b.math("exp", b.neg(b.abs(gap))), _F64)
        grows = b.gt(gap, zero)
        b.store(scale, k, b.select(grows, small, one))
        b.store(term, k, b.select(grows, one, small))
    (s,) = _serial(
        b,
        size,
        [total.get()],
        lambda k, running: [_stored(b, term, k, b.fma(running[0], b.load(scale, k), b.load(term, k)))],
    )
    total.set(s)
    with b.loop(size, "vector") as k:
        log = b.math("log", b.cast(b.load(term, k), x.dtype))
        b.store(out, place(k), b.add(b.load(greatest, k + 1), log))
