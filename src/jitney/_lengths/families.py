"""Families: programs of one form, and the general programs that run them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from jitney._control.jit import native
from jitney._core.jaxpr import ClosedJaxpr, Literal, Named
from jitney._lengths.fitting import Fit, Refusal
from jitney._lengths.outlines import Sample, Unreadable, observe, renumbered
from jitney._lengths.rewriting import General, generalise, largest
from jitney._lengths.running import Runner
from jitney._lengths.sightings import Sighting

_MOST_SEARCHES = 4
_SMALLEST = 1024  # the least capacity
_MUCH_ROOM, _ROOM = 1 << 14, 1 << 17  # elements of the largest value up to which capacities grow by 4, by 2


class Compiled:
    """A general program, the time that compiling it took, and memory for its inputs."""

    def __init__(self, general: General) -> None:
        self.general = general
        inputs = set(general.closed.jaxpr.invars)
        # What runs are given, for the next one; not where a result is an input itself.
        self.reusable = not any(v in inputs for v in general.closed.jaxpr.outvars if type(v) is not Literal)
        self.spare: list[list[Any]] = []
        started = perf_counter()
        self.executable = native(general.closed)
        self.seconds = perf_counter() - started


class Family:
    """A fit and its general programs, one for each capacity."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.fit = Fit([*samples[:-1], _of_nobody(samples[-1])])
        self.programs: dict[tuple[int, ...], Compiled] = {}

    def runner(self, closed: ClosedJaxpr, sample: Sample, settled: bool) -> Runner | None:
        """What runs a program of this family; None if it is none. ``settled``: it is never compiled by itself."""
        scalars = self.fit.scalars(sample)
        if scalars is None or min(self.fit.lengths(sample)) < 2:
            return None
        capacity = self.capacity(sample)
        numbers = self.fit.at_capacity(capacity)
        for at_capacity, value, kind in zip(numbers, sample.values, sample.kinds, strict=True):
            if kind == "size" and value > at_capacity:
                return None
        found = self.programs.get(capacity)
        if found is None:
            outline = renumbered(self.fit.base.outline.closed, numbers)
            found = self.programs[capacity] = Compiled(generalise(self.fit, outline))
        consts = [c for c, moves in zip(sample.consts, self.fit.consts, strict=True) if moves]
        return Runner(closed, found, consts, scalars, settled)

    def capacity(self, sample: Sample) -> tuple[int, ...]:
        """Sizes for a program: with much room where that costs little."""
        lengths = self.fit.lengths(sample)
        for grown, room in ((_by_four, _MUCH_ROOM), (_by_two, _ROOM)):
            capacity = tuple([grown(n) for n in lengths])
            if self.elements(capacity) <= room:
                return capacity
        return tuple([_by_quarters(n) for n in lengths])

    def elements(self, capacity: Sequence[int]) -> int:
        """The elements of the largest value."""
        return largest(renumbered(self.fit.base.outline.closed, self.fit.at_capacity(capacity)))


def _of_nobody(sample: Sample) -> Sample:
    """The sample without the program and the function that it is of, which it would keep alive."""
    outline = sample.outline
    jaxpr = outline.closed.jaxpr
    info = jaxpr.debug_info
    if info is not None:
        info = type(info)(info.kind, Named(info.func_name), info.arg_names, info.result_paths)
    closed = ClosedJaxpr(jaxpr.replace(debug_info=info), outline.closed.consts)
    return sample._replace(outline=outline._replace(closed=closed))


def _by_four(n: int) -> int:
    found = _SMALLEST
    while found < n:
        found *= 4
    return found


def _by_two(n: int) -> int:
    return max(16, 1 << (n - 1).bit_length())


def _by_quarters(n: int) -> int:
    """The next of 4, 5, 6 and 7 times a power of two, and a multiple of 16."""
    unit = max(16, 1 << max(0, n.bit_length() - 3))
    return -(-n // unit) * unit


class Families:
    """The families of programs with the same operations."""

    def __init__(self, sighting: Sighting) -> None:
        self.sighting = sighting
        self.found: list[Family] = []
        self.next_search = 0
        self.asked = 0
        self.lock = threading.RLock()

    def runner(self, closed: ClosedJaxpr) -> Runner | None:
        """What runs ``closed``; None where it is to be compiled by itself."""
        with self.lock:
            return self._runner(closed)

    def _runner(self, closed: ClosedJaxpr) -> Runner | None:
        if not self.found and self.sighting.searches >= _MOST_SEARCHES:
            return None
        self.asked += 1
        if not self.found and self.asked <= self.next_search:
            return None
        try:
            sample = observe(closed)
        except Unreadable:
            self.sighting.searches = _MOST_SEARCHES
            return None
        for family in reversed(self.found):
            runner = self._try(lambda f=family: f.runner(closed, sample, False))  # type: ignore[misc]
            if runner is not None:
                return runner
        return self._search(closed, sample)

    def _search(self, closed: ClosedJaxpr, sample: Sample) -> Runner | None:
        """A new family for ``closed``, of the programs that have its form."""
        if self.sighting.searches >= _MOST_SEARCHES:
            return None
        samples = [s for c in self.sighting.living() if c is not closed and _alike(s := observe(c), sample)]
        if len(samples) < 2:
            return None
        self.sighting.searches += 1
        self.next_search = self.asked + 4 ** len(self.found)
        made = self._try(lambda: Family([*samples, sample]))
        runner = None if made is None else self._try(lambda: made.runner(closed, sample, False))
        if runner is not None:
            self.found.append(made)
        return runner

    def _try(self, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except (Refusal, Unreadable):
            return None


def _alike(one: Sample, other: Sample) -> bool:
    """Whether two programs have one form and differ in a length."""
    return one.form == other.form and one.numbers[: one.inputs] != other.numbers[: other.inputs]
