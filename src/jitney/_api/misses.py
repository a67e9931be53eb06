"""What ``explain_cache_misses`` and ``log_compiles`` say: why a function is traced again, and how long it took."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from jitney import _ext
from jitney._base import sources

logger = logging.getLogger("jitney")


def log(text: str) -> None:
    """Tell the user; by default on stderr."""
    logger.warning(text)


def explain(fun: Any, key: tuple, previous: Sequence[tuple], names: Sequence[str]) -> None:
    """Say which argument made this call another signature, compared with the closest that is known."""
    lines = [f"TRACING CACHE MISS at {sources.resolve(_ext.user_frame())}:"]
    where = sources.function_location(fun)
    if not previous:
        lines.append(f"  never seen function:\n    {where}")
    else:
        found = min((_differences(key, old, names) for old in previous), key=len)
        lines.append(f"  for {where}")
        lines.append("  all previously seen signatures differ. The closest one differs in:")
        lines += [f"  * {text}" for text in found]
    log("\n".join(lines))


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
    values = {name: value for name, _, value in old_static}
    found += [
        f"static argument {name!r}, now {value!r} and before {values.get(name)!r}"
        for (name, kind, value), old in zip(static, old_static, strict=False)
        if (name, kind, value) != old
    ]
    if len(static) != len(old_static):
        found.append(f"static arguments given: now {len(static)} and before {len(old_static)}")
    if axes != old_axes:
        found.append(f"named axes: now {axes} and before {old_axes}")
    if settings != old_settings:
        found.append(f"configuration: now {settings} and before {old_settings}")
    return found


def _type_text(aval: Any) -> str:
    return aval.str_short() + (" (weak)" if aval.weak_type else "")
