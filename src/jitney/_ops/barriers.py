"""``optimization_barrier`` and ``name``: identities that say something about values, not compute with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._kernel.rules import Map
from jitney._ops import families
from jitney._ops.raw import instantiate

# One operand of a barrier in compiled code.  The compiler shares equal equations, and the results of two
# barriers are equal to nothing but each other: what is computed from them is computed again.
keep_apart_p = Primitive("keep_apart")
keep_apart_p.numpy = lambda x: x
keep_apart_p.abstract = lambda x: x
keep_apart_p.batch = families.elementwise_batch(keep_apart_p)
keep_apart_p.lower = Map(lambda b, x: x)
families.linear(keep_apart_p, lambda ct, x: keep_apart_p.bind(ct))

optimization_barrier_p = Primitive("optimization_barrier", multiple_results=True)


def _barrier_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list, list]:
    outs = optimization_barrier_p.bind(*primals)
    real = [t for t in tangents if t.aval.dtype.kind != "V" or t.aval.dtype.names is None]
    found = iter(optimization_barrier_p.bind(*map(instantiate, real)))
    return outs, [next(found) if any(t is r for r in real) else t for t in tangents]


def _barrier_transpose(cts: Sequence[Any], *args: Any) -> list[Any]:
    if all(type(ct) is Zero for ct in cts):
        return [None] * len(args)
    return optimization_barrier_p.bind(*map(instantiate, cts))


optimization_barrier_p.abstract = lambda *avals: list(avals)
optimization_barrier_p.impl = lambda *xs: list(xs)
optimization_barrier_p.expand = lambda *xs: [keep_apart_p.bind(x) for x in xs]
optimization_barrier_p.jvp = _barrier_jvp
optimization_barrier_p.transpose = _barrier_transpose
optimization_barrier_p.batch = lambda size, args, dims: (optimization_barrier_p.bind(*args), list(dims))

name_p = Primitive("name")


def _name_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, name: str) -> tuple[Any, Any]:
    return name_p.bind(*primals, name=name), tangents[0]


name_p.numpy = lambda x, *, name: x
name_p.abstract = lambda x, *, name: x
name_p.jvp = _name_jvp
name_p.batch = families.elementwise_batch(name_p)
name_p.lower = Map(lambda b, x, *, name: x)
