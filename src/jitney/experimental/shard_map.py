"""``jitney.experimental.shard_map``: ``jitney.shard_map`` with the parameters that it had first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitney._api.calls import expose as _expose
from jitney._api.mapping import shard_map as _shard_map


def shard_map(
    f: Callable[..., Any],
    mesh: Any,
    in_specs: Any,
    out_specs: Any,
    check_rep: bool = True,
    auto: Any = frozenset(),
) -> Any:
    """``jitney.shard_map``; the axes of the mesh in ``auto`` are not named inside, ``check_rep`` is accepted."""
    names = frozenset(mesh.axis_names) - frozenset(auto)
    return _shard_map(f, mesh=mesh, in_specs=in_specs, out_specs=out_specs, axis_names=names)


__all__ = ["shard_map"]

_expose(globals())
