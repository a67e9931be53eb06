"""The argument ``dynamic_shapes`` of ``jit``: which axes of which arguments have many lengths."""

from __future__ import annotations

import inspect
from typing import Any

from jitney._api.calls import as_indices
from jitney._core import tree
from jitney._core.trace import get_aval


def check(given: Any, fun: Any) -> Any:
    """``dynamic_shapes`` as it is kept: None, True, False, or ``{position or name: axes}``; an error for anything else."""
    if given is None or given is True or given is False:
        return given
    if not isinstance(given, dict):
        raise TypeError(
            "jit: dynamic_shapes is True, False, None, or a dict from names or positions of arguments to their axes, such as "
            f"{{'x': 0}}; got {given!r}."
        )
    try:
        parameters = inspect.signature(fun).parameters
    except (TypeError, ValueError):
        parameters = {}
    names = list(parameters)
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
    found: dict[int | str, tuple[int, ...]] = {}
    for key, axes in given.items():
        if isinstance(key, str) and names and key not in names:
            raise ValueError(
                f"jit: dynamic_shapes names the argument {key!r}; the function has {', '.join(names)}."
            )
        if not isinstance(key, str) and names and not 0 <= key < len(names) and not takes_any:
            raise ValueError(f"jit: dynamic_shapes names argument {key}; the function has {len(names)}.")
        found[key] = as_indices(axes)
        if isinstance(key, str) and key in names:
            found[names.index(key)] = found[key]
        elif not isinstance(key, str) and 0 <= key < len(names):
            found[names[key]] = found[key]
    return found


def axes_of(given: Any, call: Any) -> frozenset[tuple[int, int]] | None:
    """(leaf, axis) of the axes that are named; None where all may vary."""
    if given is True:
        return None
    marked = [
        *[
            tree.map(lambda _, i=i: given.get(i, ()), a)
            for i, a in enumerate(call.args)
            if i not in call.static_args
        ],
    ]
    named = {
        k: tree.map(lambda _, k=k: given.get(k, ()), v)
        for k, v in call.kwargs.items()
        if k not in call.static_kwargs
    }
    axes = tree.flatten((tuple(marked), {k: named[k] for k in sorted(named)}), is_leaf=_is_axes)[0]
    found = set()
    for number, (leaf, own) in enumerate(zip(call.leaves, axes, strict=True)):
        rank = get_aval(leaf).ndim
        for axis in own:
            if not -rank <= axis < rank:
                raise ValueError(
                    f"jit: dynamic_shapes names axis {axis} of an argument of shape {get_aval(leaf).shape}."
                )
            found.add((number, axis % rank))
    return frozenset(found)


def _is_axes(x: Any) -> bool:
    return type(x) is tuple and all(type(v) is int for v in x)


def runner(jitted: Any, call: Any, program: Any) -> Any:
    """What runs a call of a function that was compiled with ``dynamic_shapes``."""
    if jitted.asked is None:
        from jitney._lengths.asked import Asked

        jitted.asked = Asked(jitted.name)
    axes = axes_of(jitted.options.dynamic_shapes, call)
    avals = jitted.avals(call)
    return jitted.asked.runner(
        program.closed, avals, axes, lambda others: jitted.trace(call, list(others)).closed
    )
