"""A program as its form and its numbers: equal forms are the same operations, numbers are sizes and scalar constants.

    sum(x[1:]) / n      form: slice, reduce_sum, div ...      numbers: n, 1, n, n - 1, float(n)

One walk over a program, always in the same order, either notes both (:func:`observe`) or puts other numbers in the places
of the old ones (:func:`renumbered`).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitney._compiler.inline_calls import inline_calls
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

SIZE, PARAM, FLOAT = "size", "param", "float"  # kinds of numbers; that of a scalar constant is its type


class Unreadable(Exception):
    """A parameter of an operation is no data."""


class Length(int):
    """An integer that differs from length to length: as an int its value at capacity, ``place`` says which scalar it is."""

    place: int
    bounded: bool  # whether the value at capacity is known

    def __new__(cls, value: int, place: int, bounded: bool = True) -> Length:
        made = super().__new__(cls, value)
        made.place = place
        made.bounded = bounded
        return made


class Hole(NamedTuple):
    """A scalar constant that differs from length to length."""

    place: int


class Step(NamedTuple):
    """An equation with its numbers put anew."""

    eqn: JaxprEqn
    ins: tuple[Any, ...]  # Var, Literal, or Hole
    dims: tuple[tuple[int, ...], ...]  # shapes of the results
    params: dict[str, Any]  # programs are Outlines
    varies: bool  # whether any of these numbers is a Length or a Hole


class Outline(NamedTuple):
    """A program with its numbers put anew."""

    closed: ClosedJaxpr
    in_dims: tuple[tuple[int, ...], ...]
    const_dims: tuple[tuple[int, ...], ...]
    steps: list[Step]
    outs: tuple[Any, ...]
    varies: bool


class Sample(NamedTuple):
    """What one program says of its family."""

    form: tuple
    numbers: tuple  # comparable: NaN and zeros as text
    values: tuple  # the same, as they are
    kinds: tuple[Any, ...]
    starts: tuple[int, ...]  # the first number of each equation, inner ones included
    eqns: tuple[JaxprEqn, ...]
    consts: tuple
    inputs: int  # how many numbers are sizes of inputs
    outline: Outline


class _Walk:
    """One pass over a program."""

    def __init__(self, given: Iterator[Any] | None = None) -> None:
        self.form: list[Any] = []
        self.numbers: list[Any] = []
        self.values: list[Any] = []
        self.kinds: list[Any] = []
        self.starts: list[int] = []
        self.eqns: list[JaxprEqn] = []
        self.given = given
        self.names: dict[Var, int] = {}
        self.varying = 0
        self.inputs = 0

    def number(self, kind: Any, value: Any) -> Any:
        if self.given is not None:
            found = next(self.given)
            if type(found) is Length or type(found) is Hole:
                self.varying += 1
            return found
        self.kinds.append(kind)
        self.values.append(value)
        self.numbers.append(_comparable(value))
        return value

    def aval(self, aval: Any) -> tuple[int, ...]:
        self.form.append((aval.dtype, aval.weak_type, aval.ndim))
        return tuple([self.number(SIZE, n) for n in aval.shape])

    def define(self, var: Var) -> tuple[int, ...]:
        self.names[var] = len(self.names)
        return self.aval(var.aval)

    def atom(self, atom: Any) -> Any:
        if type(atom) is not Literal:
            self.form.append(self.names[atom])
            return atom
        self.form.append((type(atom.val), atom.aval.dtype, atom.aval.weak_type))
        found = self.number(atom.aval, atom.val)
        return found if type(found) is Hole else atom

    def program(self, closed: ClosedJaxpr) -> Outline:
        closed = inline_calls(closed)
        jaxpr, before = closed.jaxpr, self.varying
        self.form.append((len(jaxpr.invars), len(jaxpr.constvars), len(jaxpr.eqns)))
        in_dims = tuple([self.define(v) for v in jaxpr.invars])
        if not self.inputs:
            self.inputs = len(self.numbers)
        const_dims = tuple([self.define(v) for v in jaxpr.constvars])
        steps = [self.step(eqn) for eqn in jaxpr.eqns]
        outs = tuple([self.atom(a) for a in jaxpr.outvars])
        return Outline(closed, in_dims, const_dims, steps, outs, self.varying > before)

    def step(self, eqn: JaxprEqn) -> Step:
        self.starts.append(len(self.numbers))
        self.eqns.append(eqn)
        before = self.varying
        self.form.append(eqn.primitive)
        ins = tuple([self.atom(a) for a in eqn.invars])
        params = {}
        for name, value in eqn.params.items():
            self.form.append(name)
            params[name] = self.param(value)
        dims = tuple([self.define(v) for v in eqn.outvars])
        return Step(eqn, ins, dims, params, self.varying > before)

    def param(self, value: Any) -> Any:
        kind = type(value)
        if kind is int:
            self.form.append(int)
            return self.number(PARAM, value)
        if kind is tuple or kind is list:
            self.form.append((kind, len(value)))
            return kind([self.param(v) for v in value])
        if value is None or kind is bool or kind is str or isinstance(value, (np.dtype, enum.Enum, type)):
            self.form.append(value)
            return value
        if kind is ClosedJaxpr:
            if value.consts:
                raise Unreadable("a program with constants of its own")
            return self.program(value)
        if kind is Jaxpr:  # of scatters: what to do with one element
            if value.constvars or self.program(ClosedJaxpr(value, ())).varies:
                raise Unreadable("a program for one element that depends on the length")
            return value
        if isinstance(value, tuple):  # a named one
            self.form.append((kind, len(value)))
            return kind(*[self.param(v) for v in value])
        return self.other(value)

    def other(self, value: Any) -> Any:
        if isinstance(value, np.integer):
            self.form.append(type(value))
            return self.number(PARAM, int(value))
        if isinstance(value, (float, complex, np.floating)):
            self.form.append(type(value))
            return self.number(FLOAT, value)
        if isinstance(value, dict):
            self.form.append((dict, tuple(value)))
            return {k: self.param(v) for k, v in value.items()}
        if isinstance(value, frozenset) or type(value).__module__.startswith("jitney._ops."):
            self.form.append(value)
            return value
        raise Unreadable(f"a parameter of type {type(value).__name__}")


def _comparable(value: Any) -> Any:
    """Equal for what is bit for bit the same, as far as anybody can see."""
    if type(value) is int:
        return value
    if value != value or value == 0:
        return repr(value)
    return value


def observe(closed: ClosedJaxpr) -> Sample:
    """The form and the numbers of a program; ``Unreadable`` where it has parameters that are no data."""
    walk = _Walk()
    outline = walk.program(closed)
    return Sample(
        tuple(walk.form),
        tuple(walk.numbers),
        tuple(walk.values),
        tuple(walk.kinds),
        tuple(walk.starts),
        tuple(walk.eqns),
        tuple(outline.closed.consts),
        walk.inputs,
        outline,
    )


def renumbered(closed: ClosedJaxpr, numbers: Sequence[Any]) -> Outline:
    """The program with ``numbers`` in the places of its own."""
    return _Walk(iter(numbers)).program(closed)
