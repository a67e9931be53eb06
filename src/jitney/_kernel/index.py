"""Index algebra: affine integer expressions over loop variables, with ranges.

Begin at :class:`Index`.  Indices take ``+ -`` with each other and ``+ - * // %`` with ints, and compare by
``< <= > >=`` or ``lt le gt ge eq ne``.  A comparison gives a ``bool`` when the ranges decide it, else a
:class:`Condition`.  Floor division and remainder are simplified by range, so that chains
of reshapes, transposes and slices end as affine addresses.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

_number = itertools.count(1)


class LoopVar:
    """The counter of a loop, in ``[lo, hi]``; ``level`` is the nesting depth of the loop's body."""

    __slots__ = ("hi", "level", "lo", "name", "uid")

    def __init__(self, name: str, lo: int, hi: int, level: int) -> None:
        self.name, self.lo, self.hi, self.level = name, lo, hi, level
        self.uid = next(_number)

    def __repr__(self) -> str:
        return self.name


class Dynamic:
    """An integer that the program computes (``value``: an ``ir.Value``), known to lie in ``[lo, hi]``."""

    __slots__ = ("hi", "level", "lo", "uid", "value")

    def __init__(self, value: Any, lo: int, hi: int) -> None:
        self.value, self.lo, self.hi, self.level = value, lo, hi, value.level
        self.uid = next(_number)

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is Dynamic
            and other.value is self.value
            and (other.lo, other.hi) == (self.lo, self.hi)
        )

    def __hash__(self) -> int:
        return hash((id(self.value), self.lo, self.hi))

    def __repr__(self) -> str:
        return f"%{self.value.name}"


class Quotient:
    """``floor(of / by)`` or, with ``rest``, ``of mod by``, where no range simplifies it."""

    __slots__ = ("_hash", "by", "hi", "level", "lo", "of", "rest", "uid")

    lo: int
    hi: int

    def __init__(self, of: Index, by: int, rest: bool) -> None:
        self.of, self.by, self.rest, self.level = of, by, rest, of.level
        self.lo, self.hi = (0, min(by - 1, max(of.hi, 0))) if rest else (of.lo // by, of.hi // by)
        if rest and of.lo < 0:
            self.hi = by - 1
        self._hash = hash((of, by, rest))
        self.uid = -2 * by - rest  # only an order of terms, the same in every run

    def __eq__(self, other: object) -> bool:
        return type(other) is Quotient and (other.by, other.rest, other.of) == (self.by, self.rest, self.of)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"({self.of}){'%' if self.rest else '//'}{self.by}"


Atom = LoopVar | Dynamic | Quotient


class Condition:
    """``of >= 0`` (kind ``ge``), ``of == 0`` (``eq``) or ``of != 0`` (``ne``), undecided by the ranges."""

    __slots__ = ("kind", "level", "of")

    def __init__(self, kind: str, of: Index) -> None:
        self.kind, self.of, self.level = kind, of, of.level

    def __eq__(self, other: object) -> bool:
        return type(other) is Condition and other.kind == self.kind and other.of == self.of

    def __hash__(self) -> int:
        return hash((self.kind, self.of))

    def __repr__(self) -> str:
        sign = {"ge": ">=", "eq": "==", "ne": "!="}[self.kind]
        return f"{self.of} {sign} 0"

    def __bool__(self) -> bool:
        raise TypeError(f"the condition {self} is not known at compile time: use b.guard or b.select")


class Index:
    """``const + sum(coefficient * atom)``, immutable, with its inclusive range ``[lo, hi]``."""

    __slots__ = ("_hash", "const", "hi", "level", "lo", "terms")

    def __init__(self, const: int, terms: tuple[tuple[Atom, int], ...]) -> None:
        self.const, self.terms = const, terms
        lo = hi = const
        level = 0
        for atom, c in terms:
            if c > 0:
                lo += c * atom.lo
                hi += c * atom.hi
            else:
                lo += c * atom.hi
                hi += c * atom.lo
            if atom.level > level:
                level = atom.level
        self.lo, self.hi, self.level = lo, hi, level
        self._hash = hash((const, terms))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            type(other) is Index and other.const == self.const and other.terms == self.terms
        )

    def __add__(self, other: int | Index) -> Index:
        if type(other) is Index:
            if not other.terms:
                other = other.const
            elif not self.terms:
                return other + self.const
            else:
                return combine(self.const + other.const, itertools.chain(self.terms, other.terms))
        return Index(self.const + int(other), self.terms) if other else self

    __radd__ = __add__

    def __neg__(self) -> Index:
        return self._scaled(-1)

    def __sub__(self, other: int | Index) -> Index:
        return self + (-other)

    def __rsub__(self, other: int | Index) -> Index:
        return -self + other

    def _scaled(self, k: int) -> Index:
        return Index(self.const * k, tuple((a, c * k) for a, c in self.terms))

    def __mul__(self, k: int) -> Index:
        k = int(k)
        return self if k == 1 else self._scaled(k) if k else constant(0)

    __rmul__ = __mul__

    def __floordiv__(self, by: int) -> Index:
        return _split(self, int(by))[0]

    def __mod__(self, by: int) -> Index:
        return _split(self, int(by))[1]

    def __index__(self) -> int:
        if self.terms:
            raise TypeError(f"the index {self} is not known at compile time")
        return self.const

    def __ge__(self, other: int | Index) -> bool | Condition:
        return _at_least_zero(self - other)

    def __gt__(self, other: int | Index) -> bool | Condition:
        return _at_least_zero(self - other - 1)

    def __le__(self, other: int | Index) -> bool | Condition:
        return _at_least_zero(other - self)

    def __lt__(self, other: int | Index) -> bool | Condition:
        return _at_least_zero(other - self - 1)

    def eq(self, other: int | Index) -> bool | Condition:
        return _zero("eq", self - other)

    def ne(self, other: int | Index) -> bool | Condition:
        return _zero("ne", self - other)

    lt, le, gt, ge = __lt__, __le__, __gt__, __ge__

    def coefficient(self, var: LoopVar) -> int | None:
        """The stride along ``var``; None where the index is not affine in it."""
        found = 0
        for atom, c in self.terms:
            if atom is var:
                found = c
            elif type(atom) is Quotient and atom.of.depends_on(var):
                return None
        return found

    def depends_on(self, var: LoopVar) -> bool:
        return any(a is var or (type(a) is Quotient and a.of.depends_on(var)) for a, _ in self.terms)

    def evaluate(self, env: Mapping[Any, int]) -> int:
        """The number, given one for each loop variable and dynamic value."""
        return self.const + sum(c * evaluate_atom(a, env) for a, c in self.terms)

    def __repr__(self) -> str:
        parts = [(f"{a!r}" if c == 1 else f"{c}*{a!r}") for a, c in self.terms]
        if self.const or not parts:
            parts.append(str(self.const))
        return " + ".join(parts).replace("+ -", "- ")


def evaluate_atom(atom: Atom, env: Mapping[Any, int]) -> int:
    if type(atom) is Quotient:
        number = atom.of.evaluate(env)
        return number % atom.by if atom.rest else number // atom.by
    return int(env[atom.value if type(atom) is Dynamic else atom])


def variable(atom: LoopVar | Dynamic) -> Index:
    """The index that is just ``atom``."""
    return Index(0, ((atom, 1),))


@lru_cache(maxsize=4096)
def constant(number: int) -> Index:
    """The index that is a known number."""
    return Index(number, ())


def combine(const: int, terms: Iterable[tuple[Atom, int]]) -> Index:
    """``const`` plus the sum of ``terms``, equal atoms merged; zeros dropped."""
    total: dict[Atom, int] = {}
    for atom, c in terms:
        total[atom] = total.get(atom, 0) + c
    kept = [(a, c) for a, c in total.items() if c]
    if not kept:
        return constant(const)
    if len(kept) > 1:
        kept = _rejoin(kept)
        kept.sort(key=lambda term: term[0].uid)
    return Index(const, tuple(kept))


def _rejoin(terms: list[tuple[Atom, int]]) -> list[tuple[Atom, int]]:
    """``k*b*(e//b) + k*(e%b)``  ->  ``k*e``."""
    if not any(type(a) is Quotient and a.rest for a, _ in terms):
        return terms
    table = dict(terms)
    for atom, c in terms:
        if type(atom) is Quotient and atom.rest:
            partner = _quotient(atom.of, atom.by).terms[0][0]
            if table.get(partner) == c * atom.by and atom.of.const == 0:
                del table[partner], table[atom]
                for a, k in atom.of.terms:
                    table[a] = table.get(a, 0) + k * c
                return _rejoin([(a, k) for a, k in table.items() if k])
    return terms


def _split(index: Index, by: int) -> tuple[Index, Index]:
    """``(index // by, index % by)``; by range, what is divisible leaves the quotient."""
    if by == 1:
        return index, constant(0)
    if by <= 0:
        raise ValueError(f"indices are divided by positive numbers only, not {by}")
    whole = [(a, c // by) for a, c in index.terms if c % by == 0]
    rest = tuple((a, c) for a, c in index.terms if c % by)
    left = Index(index.const % by, rest)
    quotient = combine(index.const // by, whole)
    if not rest:
        return quotient, left
    if left.lo >= 0 and left.hi < by:
        return quotient, left
    if left.lo // by == left.hi // by:
        k = left.lo // by
        return quotient + k, left - k * by
    return quotient + _quotient(left, by), variable_of(Quotient(left, by, True))


def _quotient(left: Index, by: int) -> Index:
    """``(e // a) // b``  ->  ``e // (a*b)``."""
    if not left.const and len(left.terms) == 1:
        atom, c = left.terms[0]
        if c == 1 and type(atom) is Quotient and not atom.rest:
            return variable_of(Quotient(atom.of, atom.by * by, False))
    return variable_of(Quotient(left, by, False))


def variable_of(atom: Quotient) -> Index:
    return Index(0, ((atom, 1),))


def _at_least_zero(index: Index) -> bool | Condition:
    if index.lo >= 0:
        return True
    return False if index.hi < 0 else Condition("ge", index)


def _zero(kind: str, gap: Index) -> bool | Condition:
    if gap.lo > 0 or gap.hi < 0:
        return kind == "ne"
    return kind == "eq" if gap.lo == gap.hi else Condition(kind, gap)


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Elements between neighbours along each axis of a C-contiguous array."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def linearize(index: Sequence[int | Index], shape: Sequence[int]) -> Index:
    """The flat position of element ``index`` in a C-contiguous array of ``shape``."""
    terms: list[tuple[Atom, int]] = []
    const, step = 0, 1
    for i, size in zip(reversed(index), reversed(shape), strict=True):
        if type(i) is Index:
            const += i.const * step
            terms += [(a, c * step) for a, c in i.terms] if step != 1 else i.terms
        else:
            const += int(i) * step
        step *= size
    return combine(const, terms) if terms else constant(const)


def delinearize(flat: Index, shape: Sequence[int]) -> tuple[Index, ...]:
    """The element index of flat position ``flat`` in an array of ``shape`` (inverse of ``linearize``)."""
    index: list[Index] = []
    for axis in range(len(shape) - 1, 0, -1):
        if shape[axis] == 1:
            index.append(constant(0))
        else:
            index.append(flat % shape[axis])
            flat = flat // shape[axis]
    if shape:
        index.append(constant(0) if shape[0] == 1 else flat)
    return tuple(reversed(index))
