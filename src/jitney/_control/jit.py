"""The ``jit`` primitive: a call of a program that is compiled as a whole.

Compilation inlines it, so a nested ``jit`` costs nothing at run time; derivatives and batching of a
compiled function are compiled functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from time import perf_counter
from typing import Any

from jitney._base import logs
from jitney._base.config import config
from jitney._base.once import once
from jitney._core import plugs
from jitney._core.dce import dce_jaxpr
from jitney._core.effects import guard_effect
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero, is_undefined
from jitney._core.trace import swap_trace
from jitney._transforms.batching import batch_jaxpr
from jitney._transforms.cotangents import Chosen, parts
from jitney._transforms.jvp import jvp_jaxpr
from jitney._transforms.linearize import PartialTrace, split_jaxpr
from jitney._transforms.transpose import transpose_jaxpr

jit_p = Primitive("jit", multiple_results=True, higher_order=True)


# While a profile is taken: what gives ``executable`` something that runs a program with a clock; its ``compiling(closed)``
# is the context in which native programs are compiled.
observer: Any = None


def executable(closed: ClosedJaxpr) -> Any:
    """What runs ``closed``: its native program, one that is observed, or one that raises what its guards found."""
    return guarded(closed) if guard_effect in closed.effects else observed(closed)


def guarded(closed: ClosedJaxpr) -> Any:
    """The program of a function that was traced with guards."""
    from jitney._control import guards

    return guards.guarded(closed)


def observed(closed: ClosedJaxpr) -> Any:
    observe = observer  # another thread may end its profile meanwhile
    return native(closed) if observe is None else observe(closed)


def native(closed: ClosedJaxpr) -> Any:
    """The native program of ``closed``, compiled at first use and kept with it."""
    found = closed.cache.get("executable")
    return (
        once(closed, lambda: closed.cache.get("executable"), lambda: _compile(closed))
        if found is None
        else found
    )


def quickest(closed: ClosedJaxpr) -> Any:
    """What runs ``closed`` soonest: its native program, or, where it is one of many lengths, one for all of them."""
    found = closed.cache.get("executable")
    if found is None and config.jitney_dynamic_shapes == "auto":
        if "general" not in closed.cache:
            closed.cache["general"] = plugs.program_of_all_lengths(closed)
        found = closed.cache["general"]
    return native(closed) if found is None else found


def _compile(closed: ClosedJaxpr) -> Any:
    observe = observer
    with nullcontext() if observe is None else observe.compiling(closed):
        made = _compile_logged(closed) if config.jax_log_compiles else plugs.compile_jaxpr(closed)
    closed.cache["executable"] = made
    return made


def _compile_logged(closed: ClosedJaxpr) -> Any:
    info = closed.jaxpr.debug_info
    name = info.func_name if info is not None else "a program"
    logs.warn(f"Compiling jit({name}) with types ({', '.join(a.str_short() for a in closed.in_avals)})")
    started = perf_counter()
    made = plugs.compile_jaxpr(closed)
    logs.warn(f"Finished compilation of jit({name}) in {perf_counter() - started:.6f} sec")
    return made


def _impl(*args: Any, jaxpr: ClosedJaxpr, **_: Any) -> list[Any]:
    if observer is None and guard_effect not in jaxpr.effects:
        return quickest(jaxpr).execute(list(args))
    return executable(jaxpr).execute(list(args))


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, name: str, **_: Any
) -> tuple[list, list]:
    nonzero = tuple(type(t) is not Zero for t in tangents)
    program, nonzero_out = jvp_jaxpr(jaxpr, nonzero)
    given = [t for t in tangents if type(t) is not Zero]
    outs = jit_p.bind(*primals, *given, jaxpr=program, name=name)
    count = len(nonzero_out)
    found = iter(outs[count:])
    return outs[:count], [
        next(found) if nz else Zero.of(y) for nz, y in zip(nonzero_out, outs[:count], strict=True)
    ]


def _partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """Run the known part now (compiled), stage the rest as a call that takes the residuals."""
    jaxpr, name = params["jaxpr"], params["name"]
    unknown_in = tuple(map(trace.unknown, args))
    split = split_jaxpr(jaxpr, unknown_in)
    known_args = [x for x, u in zip(args, unknown_in, strict=True) if not u]
    before = swap_trace(trace.parent)
    try:
        known_outs = jit_p.bind(*known_args, jaxpr=split.known, name=name)
    finally:
        swap_trace(before)
    count = len(known_outs) - split.residual_count
    known, residuals = iter(known_outs[:count]), known_outs[count:]
    unknown: Any = iter(())
    if any(split.unknown_out) or split.unknown.effects:
        invars = [trace.atom(r) for r in residuals]
        invars += [x._var for x, u in zip(args, unknown_in, strict=True) if u]
        unknown = iter(trace.record(jit_p, invars, {"jaxpr": split.unknown, "name": name}))
    return [next(unknown) if u else next(known) for u in split.unknown_out]


def _transpose(cts: Sequence[Any], *args: Any, jaxpr: ClosedJaxpr, name: str, **_: Any) -> list[Any]:
    linear = tuple(map(is_undefined, args))
    given = [ct for ct in cts if type(ct) is not Zero]
    program, nonzero_out = transpose_jaxpr(
        jaxpr, linear, tuple(type(ct) is not Zero for ct in cts), tuple(type(ct) is Chosen for ct in given)
    )
    known = [x for x, is_linear in zip(args, linear, strict=True) if not is_linear]
    outs = iter(jit_p.bind(*known, *parts(given), jaxpr=program, name=name))
    found = iter(nonzero_out)
    return [next(outs) if is_linear and next(found) else None for is_linear in linear]


def _batch(
    size: int, args: Sequence[Any], dims: Sequence[int | None], *, jaxpr: ClosedJaxpr, name: str, **_: Any
) -> tuple[list, list]:
    program, out_dims = batch_jaxpr(jaxpr, size, tuple(dims))
    return jit_p.bind(*args, jaxpr=program, name=name), list(out_dims)


def _dce(eqn: JaxprEqn, used_outs: list[bool]) -> JaxprEqn | None:
    program, used_ins = dce_jaxpr(eqn.params["jaxpr"], used_outs)
    if not any(used_outs) and not program.effects:
        return None
    return eqn.replace(
        invars=[v for v, used in zip(eqn.invars, used_ins, strict=True) if used],
        outvars=[v for v, used in zip(eqn.outvars, used_outs, strict=True) if used],
        params={"jaxpr": program, "name": eqn.params["name"]},
    )


jit_p.abstract = lambda *avals, jaxpr, **_: jaxpr.out_avals
jit_p.impl = _impl
jit_p.jvp = _jvp
jit_p.partial_eval = _partial_eval
jit_p.transpose = _transpose
jit_p.takes_chosen = True
jit_p.batch = _batch
jit_p.dce = _dce

jit_p.print_params = lambda eqn: {"name": eqn.params["name"], **dict(sorted(eqn.params.items()))}
