"""The compiled program as an object that the extension can call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jitney._compiler.recipe import const_array
from jitney._core.jaxpr import ClosedJaxpr
from jitney._kernel.foreign import CFunction
from jitney._kernel.ir import Branch, Call, For, LoopProgram, While

if TYPE_CHECKING:
    from jitney._compiler.graph import Graph

_RELEASE_NS = 3_000.0  # below this, giving up the GIL costs more than it brings


class Parts(NamedTuple):
    """What an executable needs besides its code and the types of the program."""

    consts: list[np.ndarray]
    scratch_bytes: int
    callables: list[Any]
    release_gil: bool
    forward: list[int]


def parts_of(simple: ClosedJaxpr, graph: Graph, program: LoopProgram) -> Parts:
    """The parts of the executable of ``program``, which ``simple`` became."""
    consts = [const_array(c, v.aval) for c, v in zip(simple.consts, simple.jaxpr.constvars, strict=True)]
    # Nobody knows how long foreign code takes, or whether it asks for Python.
    foreign = any([type(call) is CFunction for call, _, _ in program.callables])
    release = foreign or estimate(program.body) > _RELEASE_NS
    return Parts(consts, program.scratch_bytes, list(program.callables), release, list(graph.forward))


def make_executable(closed: ClosedJaxpr, parts: Parts, code: Any) -> Any:
    """An ``_ext.Executable`` around machine code, which lives as long as it.

    ``closed`` says what the caller gets, weak types included.
    """
    from jitney import _ext

    outs = [v.aval for v in closed.jaxpr.outvars]
    return _ext.Executable(
        code.address,
        [a.dtype for a in outs],
        [a.shape for a in outs],
        [a.weak_type for a in outs],
        parts.consts,
        [v.aval.dtype for v in closed.jaxpr.invars],
        parts.scratch_bytes,
        parts.callables,
        parts.release_gil,
        code,
        parts.forward,
    )


def estimate(body: list) -> float:
    """Rough running time in nanoseconds."""
    total = 0.0
    for s in body:
        if type(s) is For:
            n = s.extent if isinstance(s.extent, int) else s.var.hi + 1
            total += n * max(s.work, estimate(s.body), 0.05)
        elif type(s) is While:  # nobody knows how often: let other threads run
            total += 1000 * (1.0 + estimate(s.body))
        elif type(s) is Branch:
            total += max(map(estimate, s.regions), default=0.0)
        elif type(s) is Call:
            total += s.nanoseconds
    return total
