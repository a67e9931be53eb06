"""``check_tracer_leaks``: who keeps a traced value after its function has returned."""

from __future__ import annotations

import gc
import types
import weakref
from typing import Any

from jitney._core.trace import Tracer

_MOST_SHOWN = 3


def raise_if_alive(trace: weakref.ref, what: Any) -> None:
    """Raise if the trace that ended still lives in tracers that somebody holds."""
    if trace() is None:
        return
    gc.collect()
    found = trace()
    if found is None:
        return
    leaked = [x for x in gc.get_referrers(found) if isinstance(x, Tracer)]
    if not leaked:
        return
    lines = [f"Leaked trace {type(found).__name__} of {what}. Leaked tracer(s):"]
    del leaked[_MOST_SHOWN:]
    for tracer in leaked:
        lines += ["", repr(tracer), tracer.origin(), *_holders(tracer, leaked)]
    raise Exception("\n".join(lines))  # of no finer class, as callers of other libraries expect


def _holders(tracer: Tracer, ours: list[Tracer]) -> list[str]:
    """What refers to ``tracer``, one level up and where that is a variable's."""
    lines = []
    for holder in gc.get_referrers(tracer):
        if holder is ours or isinstance(holder, types.FrameType):
            continue
        lines.append(f"{type(tracer).__name__} is referred to by {_describe(holder)}{_place(holder, tracer)}")
        lines += _names_of(holder)
    return lines


def _place(holder: Any, value: Any) -> str:
    """Where in a list or dict ``value`` is."""
    items = (
        enumerate(holder) if isinstance(holder, list) else holder.items() if isinstance(holder, dict) else ()
    )
    for key, item in items:
        if item is value:
            return f"[{key!r}]"
    return ""


def _describe(holder: Any) -> str:
    if isinstance(holder, dict) and "__name__" in holder:
        return f"the variables of module {holder['__name__']}"
    return f"a {type(holder).__name__}"


def _names_of(holder: Any) -> list[str]:
    lines = []
    for outer in gc.get_referrers(holder):
        if isinstance(outer, dict) and "__name__" in outer:
            lines += [f"  which is {outer['__name__']}.{name}" for name in _names_in(outer, holder)]
        elif isinstance(outer, types.CellType):
            lines.append("  which a function closes over")
    return lines


def _names_in(variables: dict[str, Any], value: Any) -> list[str]:
    return [name for name in variables if variables[name] is value]
