"""``jit(dynamic_shapes=...)``: one program for all lengths because the caller says so, or an error that says why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._base import sources
from jitney._control.jit import native
from jitney._core.avals import ShapedArray
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn
from jitney._lengths.families import Family
from jitney._lengths.fitting import Refusal
from jitney._lengths.outlines import Sample, Unreadable, observe

_MOST_FAMILIES = 8

Axes = frozenset[tuple[int, int]]  # (leaf, axis)
Trace = Callable[[Sequence[ShapedArray]], ClosedJaxpr]


class Asked:
    """The families of one function; ``name`` is its name in errors."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.families: list[Family] = []
        self.seen: list[tuple[ShapedArray, ...]] = []

    def runner(
        self, closed: ClosedJaxpr, avals: Sequence[ShapedArray], axes: Axes | None, trace: Trace
    ) -> Any:
        """What runs ``closed``, the program of inputs ``avals``; ``trace`` makes those of others."""
        if axes is None:
            axes = self._varying(avals)
        if not axes or min(avals[leaf].shape[axis] for leaf, axis in axes) < 2:
            return native(closed)
        try:
            return self._runner(closed, avals, axes, trace)
        except Unreadable as error:
            raise self._error(f"it has {error}, which is no data") from None
        except Refusal as refusal:
            eqn = refusal.eqn
            which = "" if eqn is None else f"of the operation {eqn.primitive.name!r}: "
            raise self._error(f"{which}{refusal}", eqn) from None

    def _runner(self, closed: ClosedJaxpr, avals: Sequence[ShapedArray], axes: Axes, trace: Trace) -> Any:
        if closed.effects:
            raise self._error("it has effects (prints, callbacks, checks), which would see the padded arrays")
        sample = observe(closed)
        for family in reversed(self.families):
            runner = family.runner(closed, sample, True)
            if runner is not None:
                return runner
        if len(self.families) >= _MOST_FAMILIES:
            raise self._error(f"its programs of different lengths are of more than {_MOST_FAMILIES} kinds")
        family = Family([*self._neighbours(sample, avals, axes, trace), sample])
        runner = family.runner(closed, sample, True)
        if runner is None:
            return native(closed)
        self.families.append(family)
        return runner

    def _varying(self, avals: Sequence[ShapedArray]) -> Axes:
        """The leading axes of the greatest length, and all axes that had other lengths before."""
        longest = max([a.shape[0] for a in avals if a.ndim], default=0)
        found = {(leaf, 0) for leaf, a in enumerate(avals) if a.ndim and a.shape[0] == longest}
        for before in self.seen:
            if [a.ndim for a in before] == [a.ndim for a in avals]:
                for leaf, (old, new) in enumerate(zip(before, avals, strict=True)):
                    found |= {
                        (leaf, d) for d, (n, m) in enumerate(zip(old.shape, new.shape, strict=True)) if n != m
                    }
        self.seen = [*self.seen[-7:], tuple(avals)]
        return frozenset(found)

    def _neighbours(
        self, sample: Sample, avals: Sequence[ShapedArray], axes: Axes, trace: Trace
    ) -> list[Sample]:
        """The programs of two near-by lengths, which must have the same form."""
        problem: Exception | None = None
        for scale in (1, None):  # steps of 2; else doubled, as sizes may have to be divisible by something
            found = []
            for round_ in (0, 1):
                other = _changed(avals, axes, scale, round_)
                try:
                    found.append(observe(trace(other)))
                except (TypeError, ValueError, IndexError) as error:
                    problem = problem or error
                    break
            else:
                for near in found:
                    if near.form != sample.form:
                        text, eqns = _difference(sample, near)
                        raise self._error(text, *eqns)
                return found
        raise self._error(f"at another length it raises {type(problem).__name__}: {problem}") from problem

    def _error(self, text: str, *eqns: JaxprEqn) -> ValueError:
        places = [sources.excerpt(eqn.source) for eqn in eqns if eqn is not None]
        return ValueError(
            f"jit({self.name}, dynamic_shapes=...): there is no program for all lengths, because {text}. Leave dynamic_shapes out: "
            "then the function is compiled for each length where it has to be."
            + "".join(f"\n  at {place}" for place in places if place)
        )


def _changed(avals: Sequence[ShapedArray], axes: Axes, scale: int | None, round_: int) -> list[ShapedArray]:
    """Inputs of other lengths; equal lengths stay equal, different ones change differently."""
    lengths = sorted({avals[leaf].shape[axis] for leaf, axis in axes})
    new = {}
    for number, n in enumerate(lengths):
        by = (2 + 4 * round_) if number % 2 == 0 else (6 - 4 * round_)
        new[n] = n + by * (1 + number // 2) if scale else n * (1 + by // 2)
    found = []
    for leaf, aval in enumerate(avals):
        shape = [new[n] if (leaf, axis) in axes else n for axis, n in enumerate(aval.shape)]
        found.append(aval.update(shape=tuple(shape)))
    return found


def _difference(one: Sample, other: Sample) -> tuple[str, list[JaxprEqn]]:
    """How the traces differ, and the operations where they begin to."""
    why = "its traces at different lengths differ{} (a loop or a branch of Python on the length)"
    for a, b in zip(one.eqns, other.eqns, strict=False):
        if a.primitive is not b.primitive or len(a.invars) != len(b.invars):
            return why.format(f": {a.primitive.name!r} at one, {b.primitive.name!r} at another"), [a, b]
    more = max(one.eqns, other.eqns, key=len)
    return why.format(""), more[min(len(one.eqns), len(other.eqns)) :][:1]
