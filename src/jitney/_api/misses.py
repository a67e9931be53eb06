"""What ``explain_cache_misses`` says: why a function is traced again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitney import _ext
from jitney._base import logs, sources


def explain(fun: Any, key: tuple, previous: Sequence[tuple], names: Sequence[str]) -> None:
    """Say which argument made this call another signature, compared with the closest that is known."""
    lines = [f"TRACING CACHE MISS at {sources.resolve(_ext.user_frame())}:"]
    where = sources.function_location(fun)
    if not previous:
        lines.append(f"  never seen function:\n    {where}")
    else:
        found = min((_differences(key, old, names) for old in reversed(previous)), key=len)
        lines.append(f"  for {where}")
        lines.append("  all previously seen signatures differ. The closest one differs in:")
        lines += [f"  * {text}" for text in found]
    logs.warn("\n".join(lines))


def _differences(now: tuple, before: tuple, names: Sequence[str]) -> list[str]:
    tree, avals, static, axes, settings = now
    old_tree, old_avals, old_static, old_axes, old_settings = before
    if tree != old_tree:
        return [f"structure of the arguments: now {tree} and before {old_tree}"] * 3  # least close
    found = [
        f"at {name}, now {_type_text(a)} and before {_type_text(b)}"
        for name, a, b in zip(names, avals, old_avals, strict=False)
        if a != b
    ]
    current, known = ({name: repr(value) for name, _, value in items} for items in (static, old_static))
    found += [
        f"static argument {name!r}, now {current.get(name, 'not given')} and before {known.get(name, 'not given')}"
        for name in {**current, **known}
        if current.get(name) != known.get(name)
    ]
    if axes != old_axes:
        found.append(f"named axes: now {axes} and before {old_axes}")
    if settings != old_settings:
        found.append(f"configuration: now {settings} and before {old_settings}")
    return found


def _type_text(aval: Any) -> str:
    return aval.str_short() + (" (weak)" if aval.weak_type else "")
