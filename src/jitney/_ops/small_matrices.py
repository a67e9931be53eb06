"""Many small matrices at once, in lanes: eigenvalues by Jacobi's rotations, QR by Householder's reflections.

The loop over matrices is the vector loop; all elements of one matrix are values. Jacobi's method with rotations in
cyclic order: G. Golub, C. Van Loan, "Matrix Computations", 8.5; its eigenvectors are as orthogonal as LAPACK's and small
eigenvalues at least as accurate (J. Demmel, K. Veselic, "Jacobi's method is more accurate than QR", 1992).
"""

from __future__ import annotations

import math
from typing import Any

_MOST_ROWS = 4  # more of them would not stay in registers
_FEWEST = 16  # matrices from which lanes pay
_SWEEPS = {
    4: 6,
    8: 7,
}  # by bytes of a number: one more than what random and graded matrices were seen to need


def _many(x: Any) -> bool:
    return x.dtype.kind == "f" and math.prod(x.shape[:-2]) >= _FEWEST


def in_lanes_eigh(in_avals: Any, **params: Any) -> bool:
    """Whether these matrices are diagonalised in lanes."""
    (x,) = in_avals
    return _many(x) and 2 <= x.shape[-1] <= _MOST_ROWS


def in_lanes_qr(in_avals: Any, *, full_matrices: bool) -> bool:
    """Whether these matrices are factored in lanes."""
    (x,) = in_avals
    m, n = x.shape[-2:]
    return _many(x) and 1 <= n <= m <= _MOST_ROWS


# -- eigh -------------------------------------------------------------------------------------------------


def eigh_loops(b: Any, outs: Any, ins: Any, *, lower: bool) -> None:
    """Vectors and values."""
    vectors, values = outs
    _diagonalise(b, ins[0], vectors, values, lower)


def eigenvalues_loops(b: Any, outs: Any, ins: Any, *, lower: bool) -> None:
    """Values alone."""
    _diagonalise(b, ins[0], None, outs[0], lower)


def _diagonalise(b: Any, x: Any, vectors: Any, values: Any, lower: bool) -> None:
    n = x.shape[-1]
    sweeps = _SWEEPS[x.dtype.itemsize]
    with b.loop(math.prod(x.shape[:-2]), "vector") as lane:
        pairs = [(i, j) for i in range(n) for j in range(i + 1)]
        place = lambda i, j: lane * (n * n) + (i * n + j if lower else j * n + i)  # noqa: E731
        start = [b.load(x, place(i, j)) for i, j in pairs]
        zero, one = b.like(0, start[0]), b.like(1, start[0])
        if vectors is not None:
            start += [one if i == j else zero for i in range(n) for j in range(n)]
        with b.counted(sweeps, sweeps, "serial") as node:
            carries = [b.carry(node, v) for v in start]
            now = [c.phi for c in carries]
            a = dict(zip(pairs, now, strict=False))
            v = [now[len(pairs) + i * n : len(pairs) + (i + 1) * n] for i in range(n)] if vectors else []
            for q in range(1, n):
                for p in range(q):
                    _rotate(b, a, v, p, q, n)
            for carry, after in zip(carries, [*[a[ij] for ij in pairs], *sum(v, [])], strict=True):
                carry.next = after
        done = [c.result for c in carries]
        w = [done[pairs.index((i, i))] for i in range(n)]
        columns = [[done[len(pairs) + i * n + j] for i in range(n)] if vectors else [] for j in range(n)]
        _sort(b, w, columns)
        for j in range(n):
            b.store(values, lane * n + j, w[j])
            for i, element in enumerate(columns[j]):
                b.store(vectors, lane * (n * n) + (i * n + j), element)


def _rotate(b: Any, a: dict, v: list[list[Any]], p: int, q: int, n: int) -> None:
    """Make the element (q, p) zero by a rotation of the axes p and q through the smaller angle."""
    at = lambda i, j: (max(i, j), min(i, j))  # noqa: E731
    off = a[q, p]
    zero, one = b.like(0, off), b.like(1, off)
    ratio = b.div(b.sub(a[q, q], a[p, p]), b.add(off, off))
    root = b.sqrt(b.add(b.mul(ratio, ratio), one))
    tangent = b.copysign(b.div(one, b.add(b.abs(ratio), root)), ratio)
    tangent = b.select(b.eq(off, zero), zero, tangent)
    cosine = b.div(one, b.sqrt(b.add(b.mul(tangent, tangent), one)))
    sine = b.mul(tangent, cosine)
    change = b.mul(tangent, off)
    a[p, p], a[q, q], a[q, p] = b.sub(a[p, p], change), b.add(a[q, q], change), b.mul(off, zero)
    turned = lambda x, y: (  # noqa: E731
        b.sub(b.mul(cosine, x), b.mul(sine, y)),
        b.add(b.mul(sine, x), b.mul(cosine, y)),
    )
    for r in range(n):
        if r not in (p, q):
            a[at(r, p)], a[at(r, q)] = turned(a[at(r, p)], a[at(r, q)])
    for row in v:
        row[p], row[q] = turned(row[p], row[q])


def _sort(b: Any, w: list[Any], columns: list[list[Any]]) -> None:
    """Ascending values, their columns with them."""
    for last in range(len(w) - 1, 0, -1):
        for k in range(last):
            swap = b.lt(w[k + 1], w[k])
            w[k], w[k + 1] = b.select(swap, w[k + 1], w[k]), b.select(swap, w[k], w[k + 1])
            left, right = columns[k], columns[k + 1]
            columns[k] = [b.select(swap, y, x) for x, y in zip(left, right, strict=True)]
            columns[k + 1] = [b.select(swap, x, y) for x, y in zip(left, right, strict=True)]


# -- qr ---------------------------------------------------------------------------------------------------


def qr_loops(b: Any, outs: Any, ins: Any, *, full_matrices: bool) -> None:
    """Reflections that make columns zero below the diagonal; Q is what they make of unit vectors."""
    q_out, r_out = outs
    (x,) = ins
    m, n = x.shape[-2:]
    k = q_out.shape[-1]
    with b.loop(math.prod(x.shape[:-2]), "vector") as lane:
        a = [[b.load(x, lane * (m * n) + (i * n + j)) for j in range(n)] for i in range(m)]
        zero, one = b.like(0, a[0][0]), b.like(1, a[0][0])
        reflections = []
        for j in range(min(m - 1, n)):
            v, scale, a[j][j] = _reflection(b, [a[i][j] for i in range(j, m)])
            for i in range(j + 1, m):
                a[i][j] = zero
            for c in range(j + 1, n):
                _reflect(b, a, v, scale, j, c)
            reflections.append((j, v, scale))
        q = [[one if i == j else zero for j in range(k)] for i in range(m)]
        for j, v, scale in reversed(reflections):
            for c in range(j, k):
                _reflect(b, q, v, scale, j, c)
        for i in range(m):
            for j in range(k):
                b.store(q_out, lane * (m * k) + (i * k + j), q[i][j])
        for i in range(k):
            for j in range(n):
                b.store(r_out, lane * (k * n) + (i * n + j), a[i][j])


def _reflection(b: Any, x: list[Any]) -> tuple[list[Any], Any, Any]:
    """``(v, scale, beta)``: ``1 - scale v v^T`` maps ``x`` to ``beta e_1``, ``v_1 = 1``, with LAPACK's signs."""
    zero, one = b.like(0, x[0]), b.like(1, x[0])
    largest = b.abs(x[0])
    for e in x[1:]:
        largest = b.max(largest, b.abs(e))
    unit = b.select(b.eq(largest, zero), one, largest)
    total = zero
    for e in x:
        part = b.div(e, unit)
        total = b.add(total, b.mul(part, part))
    beta = b.neg(b.copysign(b.mul(unit, b.sqrt(total)), x[0]))
    below = zero
    for e in x[1:]:
        below = b.max(below, b.abs(e))
    nothing = b.eq(below, zero)
    beta = b.select(nothing, x[0], beta)
    difference = b.select(nothing, one, b.sub(x[0], beta))
    scale = b.select(nothing, zero, b.div(b.sub(beta, x[0]), b.select(nothing, one, beta)))
    return [one, *[b.div(e, difference) for e in x[1:]]], scale, beta


def _reflect(b: Any, a: list[list[Any]], v: list[Any], scale: Any, row: int, column: int) -> None:
    """One column under ``1 - scale v v^T``, which concerns the rows from ``row`` on."""
    product = a[row][column]
    for k in range(1, len(v)):
        product = b.add(product, b.mul(v[k], a[row + k][column]))
    product = b.mul(product, scale)
    a[row][column] = b.sub(a[row][column], product)
    for k in range(1, len(v)):
        a[row + k][column] = b.sub(a[row + k][column], b.mul(v[k], product))
