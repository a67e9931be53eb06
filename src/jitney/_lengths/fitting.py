"""How the numbers of programs of one form follow from the lengths of their inputs.

Each number is the same in all samples, or it varies; numbers that are equal in every sample are one *scalar* of the general
program. What a varying size is at capacity follows from a formula in one or two input lengths; what a program's numbers
are at another length is never computed: they are read off that program's own trace (:meth:`Fit.scalars`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from jitney._lengths.outlines import FLOAT, SIZE, Hole, Length, Sample

Formula = Callable[[Sequence[int]], int]


class Refusal(Exception):
    """There is no program for all lengths; ``eqn`` is the operation that does not allow it."""

    def __init__(self, text: str, eqn: Any = None) -> None:
        super().__init__(text)
        self.eqn = eqn


class Fit:
    """The numbers of a family: which are constant, which vary, and which of these vary together."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.base = samples[-1]
        columns = list(zip(*[s.numbers for s in samples], strict=True))
        self.varying = [p for p, column in enumerate(columns) if any(c != column[0] for c in column)]
        found = {columns[p]: p for p in self.varying if p < self.base.inputs}
        if not found:
            raise Refusal("no length of an input varies")
        self.inputs: list[tuple] = list(found)  # the lengths that vary, by their values in the samples
        self.input_places = list(found.values())
        self.columns: dict[
            Any, int
        ] = {}  # scalars: a column of integers, or a column of constants with its type
        self.first: list[int] = []  # the number that each scalar is read off
        self.kinds: list[Any] = []
        self.formulas: list[Formula | None] = []
        self.of: dict[int, int] = {}  # number -> scalar
        for p in self.varying:
            self.of[p] = self._scalar(p, columns[p])
        self.consts = self._constants(samples)

    def _scalar(self, p: int, column: tuple) -> int:
        kind = self.base.kinds[p]
        if kind == FLOAT:
            raise Refusal("a parameter that is no integer depends on the length", self.eqn_at(p))
        constant = type(kind) is not str
        key = (kind, column) if constant else column
        if key not in self.columns:
            formula = None if constant else formula_of(column, self.inputs)
            self.columns[key] = len(self.first)
            self.first.append(p)
            self.kinds.append(key[0] if constant else None)
            self.formulas.append(formula)
        number = self.columns[key]
        if kind == SIZE and self.formulas[number] is None:
            sizes = ", ".join(map(str, column))
            raise Refusal(f"a size is no simple function of the lengths (it was {sizes})", self.eqn_at(p))
        return number

    def _constants(self, samples: Sequence[Sample]) -> list[bool]:
        """Which constants of the program differ."""
        return [
            any(c is not column[0] for c in column)
            for column in zip(*[s.consts for s in samples], strict=True)
        ]

    def eqn_at(self, p: int) -> Any:
        place = bisect_right(self.base.starts, p) - 1
        return self.base.eqns[place] if place >= 0 else None

    def scalars(self, sample: Sample) -> list[Any] | None:
        """The scalars of a program of this family; None if it is not one."""
        if len(sample.numbers) != len(self.base.numbers) or sample.form != self.base.form:
            return None
        expected = list(self.base.numbers)
        for p, number in self.of.items():
            expected[p] = sample.numbers[self.first[number]]
        if tuple(expected) != sample.numbers:
            return None
        for varies, mine, other in zip(self.consts, self.base.consts, sample.consts, strict=True):
            if not varies and mine is not other:
                return None
        return [sample.values[p] for p in self.first]

    def lengths(self, sample: Sample) -> tuple[int, ...]:
        """The input lengths of a program."""
        return tuple([sample.values[p] for p in self.input_places])

    def at_capacity(self, capacity: Sequence[int]) -> list[Any]:
        """All numbers, with those that vary as ``Length`` or ``Hole``."""
        values: list[Any] = []
        for number, formula in enumerate(self.formulas):
            if self.kinds[number] is not None:
                values.append(Hole(number))
            elif formula is None:
                values.append(Length(0, number, bounded=False))
            else:
                values.append(Length(formula(capacity), number))
        numbers = list(self.base.values)
        for p, number in self.of.items():
            numbers[p] = values[number]
        return numbers


def formula_of(column: Sequence[int], inputs: Sequence[Sequence[int]]) -> Formula | None:
    """The first formula that gives ``column`` from the input lengths, growing with each of them."""
    return _of_one(column, inputs) or _of_two(column, inputs)


def _line(column: Sequence[int], x: Sequence[int]) -> tuple[int, int] | None:
    """``column = a * x + b`` with integers."""
    i, j = x.index(min(x)), x.index(max(x))
    if x[i] == x[j] or (column[j] - column[i]) % (x[j] - x[i]):
        return None
    a = (column[j] - column[i]) // (x[j] - x[i])
    b = column[i] - a * x[i]
    return (a, b) if all(c == a * v + b for c, v in zip(column, x, strict=True)) else None


def _of_one(column: Sequence[int], inputs: Sequence[Sequence[int]]) -> Formula | None:
    for k, x in enumerate(inputs):
        line = _line(column, x)
        if line is not None:
            return lambda n, k=k, line=line: line[0] * n[k] + line[1]  # type: ignore[misc]
    for k, x in enumerate(inputs):
        for step in (2, 3, 4, 5, 8, 10):
            for up in (0, step - 1):
                line = _line(column, [(v + up) // step for v in x])
                if line is not None and line[0] == 1:
                    return lambda n, k=k, s=step, up=up, b=line[1]: (n[k] + up) // s + b  # type: ignore[misc]
    return None


def _of_two(column: Sequence[int], inputs: Sequence[Sequence[int]]) -> Formula | None:
    for k, x in enumerate(inputs):
        for m, y in enumerate(inputs[: k + 1]):
            line = _line(column, [v * w for v, w in zip(x, y, strict=True)])
            if line is not None:
                return lambda n, k=k, m=m, line=line: line[0] * n[k] * n[m] + line[1]  # type: ignore[misc]
            line = _line(column, [v + w for v, w in zip(x, y, strict=True)])
            if line is not None and line[0] == 1 and k != m:
                return lambda n, k=k, m=m, b=line[1]: n[k] + n[m] + b  # type: ignore[misc]
    return None
