"""Running a general program on values of some length: pad, call, cut."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from jitney import _ext
from jitney._control.jit import native
from jitney._core.jaxpr import ClosedJaxpr
from jitney._core.trace import to_numpy
from jitney._lengths.outlines import Length

if TYPE_CHECKING:
    from jitney._lengths.families import Compiled

_LEAST_COMPILE = (
    0.05  # seconds that compiling is taken to cost at least, as the cache on disk may have the program
)

Box = tuple[slice, ...]


class Runner:
    """Runs one program by the general program of its family; stands where its ``Executable`` would.

    Called by the dispatcher with the leaves of a call. A program whose time at capacity has cost as much as its own compilation
    would is compiled by itself, unless it is ``settled`` that there is one program for all lengths.
    """

    __slots__ = ("__weakref__", "budget", "closed", "compiled", "ins", "n_outputs", "outs", "own", "tail")

    def __init__(
        self,
        closed: ClosedJaxpr,
        compiled: Compiled,
        consts: Sequence[Any],
        scalars: Sequence[Any],
        settled: bool,
    ) -> None:
        general = compiled.general
        self.closed = weakref.ref(closed)
        self.compiled = compiled
        self.own: Any = None
        lengths = list(scalars)
        avals = closed.in_avals
        self.ins = [
            None if box is None else (tuple(map(int, dims)), box, aval.dtype)
            for dims, aval in zip(general.in_dims, avals, strict=True)
            for box in (_box(dims, lengths),)
        ]
        self.outs = [
            None if box is None else (box, aval.weak_type, _views(dims, lengths))
            for dims, aval in zip(general.out_dims, closed.out_avals, strict=True)
            for box in (_box(dims, lengths),)
        ]
        self.n_outputs = len(self.outs)
        padded = [
            c if (b := _box(dims, lengths)) is None else _padded(to_numpy(c), tuple(map(int, dims)), b)
            for c, dims in zip(consts, general.const_dims, strict=True)
        ]
        values = [
            _ext.wrap(np.asarray(v, kind.dtype), kind.weak_type)
            for v, kind in zip(scalars, general.kinds, strict=True)
        ]
        # Constants go before the inputs, scalars behind.
        self.tail = (padded, values)
        seconds = max(compiled.seconds, _LEAST_COMPILE)
        self.budget = math.inf if settled else seconds / _waste(general, lengths)

    def execute(self, args: Sequence[Any]) -> list[Any]:
        """The results of the program on ``args``."""
        if self.own is not None:
            return self.own.execute(list(args))
        started = perf_counter()
        compiled, before, behind = self.compiled, *self.tail
        try:
            memory = compiled.spare.pop()
        except IndexError:  # the first run, or others are running
            memory = [None if how is None else np.zeros(how[0], how[2]) for how in self.ins]
        values = list(args)
        for number, how in enumerate(self.ins):
            if how is not None:  # what is left behind the end of an earlier run does no harm
                values[number] = memory[number]
                memory[number][how[1]] = to_numpy(args[number])
        outs = compiled.executable.execute([*before, *values, *behind])
        if compiled.reusable:
            compiled.spare.append(memory)
        for number, how in enumerate(self.outs):
            if how is not None:
                outs[number] = _cut(outs[number], *how)
        self.budget -= perf_counter() - started
        if self.budget < 0:
            self.settle()
        return outs

    def __call__(self, leaves: list[Any]) -> Any:
        if self.own is not None:
            return self.own
        return self.execute(leaves)

    def settle(self) -> None:
        """Compile the program by itself."""
        closed = self.closed()
        self.budget = math.inf
        if closed is not None:
            self.own = native(closed)


def _padded(x: np.ndarray, shape: tuple[int, ...], box: Box) -> np.ndarray:
    """``x`` with zeros behind it."""
    out = np.zeros(shape, x.dtype)
    out[box] = x
    return out


def _cut(out: Any, box: Box, weak: bool, view: bool) -> Any:
    found = out._np[box]
    return _ext.wrap(found if view else found.copy(), weak)


def _box(dims: Sequence[int], lengths: Sequence[Any]) -> Box | None:
    """Where the elements of a value are in one at capacity; None: it is the same."""
    if not any(type(n) is Length for n in dims):
        return None
    return tuple([slice(0, lengths[n.place]) if type(n) is Length else slice(None) for n in dims])


def _views(dims: Sequence[int], lengths: Sequence[Any]) -> bool:
    """Whether a result is large, lies together, and fills most of the memory at capacity."""
    if type(dims[0]) is not Length or any(type(n) is Length for n in dims[1:]):
        return False
    return math.prod(dims) > 1 << 14 and 2 * lengths[dims[0].place] >= int(dims[0])


def _waste(general: Any, lengths: Sequence[Any]) -> float:
    """The part of the work at capacity that an own program would not have."""
    have = want = 1
    for dims in [*general.in_dims, *general.out_dims]:
        have += math.prod(map(int, dims))
        want += math.prod([lengths[n.place] if type(n) is Length else n for n in dims])
    return max(0.1, 1 - want / have)
