"""Arithmetic on pairs hi + lo, twice as precise as the format (T. Dekker, Numer. Math. 18, 1971)."""

from __future__ import annotations

from .lang import E, Math

Pair = tuple[E, E]


def pair_sum(m: Math, a: Pair, b: Pair) -> Pair:
    s, e = m.two_sum(a[0], b[0])
    t, f = m.two_sum(a[1], b[1])
    s, e = m.fast_two_sum(s, e + t)
    return m.fast_two_sum(s, e + f)


def pair_plus(m: Math, a: Pair, b) -> Pair:
    """With one float."""
    s, e = m.two_sum(a[0], b)
    return m.fast_two_sum(s, e + a[1])


def pair_product(m: Math, a: Pair, b: Pair) -> Pair:
    p, e = m.two_prod(a[0], b[0])
    return m.fast_two_sum(p, m.fma(a[0], b[1], m.fma(a[1], b[0], e)))


def pair_times(m: Math, a: Pair, b: E) -> Pair:
    p, e = m.two_prod(a[0], b)
    return m.fast_two_sum(p, m.fma(a[1], b, e))


def pair_quotient(m: Math, a: Pair, b: Pair) -> Pair:
    q = a[0] / b[0]
    p, e = m.two_prod(q, b[0])
    rest = ((a[0] - p) - e) + m.fnma(q, b[1], a[1])
    return m.fast_two_sum(q, rest / b[0])
