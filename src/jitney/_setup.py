"""Connects the rooms at import: fills the plugs of ``_core`` and tells the extension its hooks."""

from __future__ import annotations

import os
import sys
from typing import Any

from jitney import _ext
from jitney._base import forks, sources, threadpools
from jitney._base.config import DISPATCHED_UNDER, config
from jitney._core import plugs, tree
from jitney._core.avals import shaped_array


def _compile_jaxpr(closed: Any) -> Any:
    from jitney._compiler.cached import compile_cached

    return compile_cached(closed)


def _evaluate_large(primitive: Any, args: Any, avals: Any, params: Any) -> Any:
    from jitney._control.eager import evaluate_large

    return evaluate_large(primitive, args, avals, params)


def _program_of_all_lengths(closed: Any) -> Any:
    from jitney._lengths.sightings import program_of_all_lengths

    return program_of_all_lengths(closed)


def _forget_lengths() -> None:
    sightings = sys.modules.get("jitney._lengths.sightings")
    if sightings is not None:
        sightings.forget()


def _release_memory() -> None:
    machine = sys.modules.get("jitney._compiler.machine")
    if machine is not None:  # nothing was compiled otherwise
        machine.release_memory()


def _convert_control_flow(error: BaseException) -> bool:
    from jitney._flow.converting import convert

    return convert(error)


def _bound_lengths(out: Any, size: int) -> Any:
    from jitney.numpy.selections import bounded

    return bounded(out, size)


def _refuse_lengths(out: Any, what: str) -> None:
    from jitney.numpy.selections import refuse_in

    refuse_in(out, what)


def _note_text(frame: Any) -> None:
    from jitney._flow.printing import note_text

    note_text(frame)


def _convert_prints(code: Any = None) -> bool:
    if code is None and "jitney._flow.printing" not in sys.modules:
        return False
    from jitney._flow.printing import convert_prints

    return convert_prints(code)


def _converted_source(function: Any) -> str | None:
    if "jitney._flow.converting" not in sys.modules:
        return None
    from jitney._flow.converting import source_of

    return source_of(function)


def _flatten(x: Any) -> tuple[list[Any], Any]:
    return tree.flatten(x)


def _describe_failed_call(*call: Any) -> None:
    from jitney._api.failed_calls import describe

    describe(*call)


# Tracebacks end at the user's own line; JITNEY_TRACEBACK=full shows the library's frames too.
_ext.set_internal_prefix(sources.PACKAGE_DIR, os.environ.get("JITNEY_TRACEBACK", "") != "full")
_ext.set_helper_prefixes(sources.helper_directories())
_ext.register_hook("failed", _describe_failed_call)
plugs.compile_jaxpr = _compile_jaxpr
plugs.evaluate_large = _evaluate_large
plugs.release_memory = _release_memory
plugs.program_of_all_lengths = _program_of_all_lengths
plugs.forget_lengths = _forget_lengths
plugs.convert_control_flow = _convert_control_flow
plugs.bound_lengths = _bound_lengths
plugs.refuse_lengths = _refuse_lengths
plugs.note_text = _note_text
plugs.convert_prints = _convert_prints
plugs.converted_source = _converted_source
_ext.register_hook("aval", shaped_array)
_ext.register_hook("flatten", _flatten)
config.on_change("jax_enable_x64", _ext.set_x64)


def _check_results(_: Any) -> None:
    numerics = sys.modules.get("jitney._control.numerics")
    if config.checks_results or numerics is not None:
        from jitney._control import numerics

        numerics.switch(config.checks_results)


config.on_change("jax_debug_nans", _check_results)
config.on_change("jax_debug_infs", _check_results)


def _guard(_: Any) -> None:
    guards = sys.modules.get("jitney._control.guards")
    if config.check_overflow or guards is not None:
        from jitney._control import guards
        from jitney._control.overflow import RULES

        guards.switch(RULES if config.check_overflow else None)


config.on_change("check_overflow", _guard)
for _name in DISPATCHED_UNDER:
    config.on_change(_name, lambda _: _ext.config_key(config.dispatch_key))


def _limit_threads(n: int | None) -> None:
    _ext.set_num_threads(n or 0)
    asked = n is not None or "JITNEY_NUM_THREADS" in os.environ
    if asked or "jitney._base.blas_threads" in sys.modules:
        from jitney._base import blas_threads

        if asked:
            blas_threads.limit("process", _ext.get_num_threads())
        else:
            blas_threads.release("process")


config.on_change("num_threads", _limit_threads)
threadpools.register_when_imported()
forks.share_processors()
