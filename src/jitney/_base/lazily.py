"""Names of a module that are imported at their first use, so that importing the module itself stays cheap (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jitney import _ext


def at_first_use(
    namespace: dict[str, Any],
    sources: Mapping[str, Iterable[str]],
    modules: Iterable[str] = (),
    expose: Callable[[dict[str, Any]], None] | None = None,
    otherwise: Callable[[str], Any] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` for the module of ``namespace``.

    ``sources`` says which names come from which module, ``modules`` names modules below this one. ``expose`` is applied
    to a namespace of the new name before it enters. ``otherwise`` gives names that are found nowhere, or raises.
    """
    package = namespace["__name__"]
    places = {name: module for module, names in sources.items() for name in names}
    below = frozenset(modules)

    def load(name: str) -> Any:
        if name in below:
            return importlib.import_module(f"{package}.{name}")
        if name not in places:
            if otherwise is not None and not name.startswith("_"):
                namespace[name] = otherwise(name)
                return namespace[name]
            # of a known module and name, so that Python asks: did you mean ...?
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package]
            )
        found = {"__name__": package, name: getattr(importlib.import_module(places[name]), name)}
        if expose is not None:
            expose(found)
        namespace[name] = found[name]
        return found[name]

    def names() -> list[str]:
        return sorted({*namespace, *places, *below})

    return _ext.Boundary(load), names
