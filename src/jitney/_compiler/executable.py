"""The compiled program as an object that the extension can call."""

from __future__ import annotations

from typing import Any

from jitney._compiler.graph import Graph
from jitney._core.jaxpr import ClosedJaxpr
from jitney._kernel.ir import Branch, For, LoopProgram, While

_RELEASE_NS = 10_000.0  # below this, giving up the GIL costs more than it brings

_ITERATIONS = 10  # of a loop whose end is computed


def make_executable(
    closed: ClosedJaxpr, simple: ClosedJaxpr, graph: Graph, program: LoopProgram, code: Any
) -> Any:
    """An ``_ext.Executable`` around machine code that lives as long as it.

    ``closed`` says what the caller gets (weak types included), ``simple`` is what was compiled.
    """
    from jitney import _ext

    outs = closed.jaxpr.outvars
    consts = [const_array(c, v.aval) for c, v in zip(simple.consts, simple.jaxpr.constvars, strict=True)]
    return _ext.Executable(
        code.address,
        [a.aval.dtype for a in outs],
        [a.aval.shape for a in outs],
        [a.aval.weak_type for a in outs],
        consts,
        [v.aval.dtype for v in closed.jaxpr.invars],
        program.scratch_bytes,
        list(program.callables),
        estimate(program.body) > _RELEASE_NS,
        code,
        list(graph.forward),
    )


def const_array(value: Any, aval: Any) -> Any:
    """A constant as the contiguous array that the program reads."""
    import numpy as np

    return np.ascontiguousarray(np.asarray(value), dtype=aval.dtype).reshape(aval.shape)


def estimate(body: list) -> float:
    """Rough running time in nanoseconds."""
    total = 0.0
    for s in body:
        if type(s) is For:
            n = s.extent if isinstance(s.extent, int) else s.var.hi + 1
            total += n * max(s.work, estimate(s.body), 0.1)
        elif type(s) is While:  # nobody knows how often: let other threads run
            total += 1000 * (1.0 + estimate(s.body))
        elif type(s) is Branch:
            total += max(map(estimate, s.regions), default=0.0)
        elif type(s) is While:
            total += _ITERATIONS * max(estimate(s.head) + estimate(s.body), 1.0)
        elif type(s) is Branch:
            total += max(map(estimate, s.regions))
    return total
