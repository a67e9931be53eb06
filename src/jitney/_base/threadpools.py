"""Enters our thread pool into threadpoolctl, if that is used: its limits then hold for compiled programs too.

Begin at :func:`register_when_imported`.
"""

from __future__ import annotations

import sys
from typing import Any

_NAME = "threadpoolctl"


def register_when_imported() -> None:
    """Register with threadpoolctl now, if it has been imported, else as soon as it is."""
    module = sys.modules.get(_NAME)
    if module is not None:
        _register(module)
    else:
        sys.meta_path.insert(0, _Finder())  # type: ignore[arg-type]


class _Finder:
    """Finds threadpoolctl as others do, and registers with it once it has been run."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != _NAME:
            return None
        import importlib.util

        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                run(module)
                _register(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _register(module: Any) -> None:
    if not hasattr(module, "register"):  # before version 3
        return

    class Controller(module.LibController):  # type: ignore[misc, name-defined]
        """The pool of compiled programs, as the extension exports it."""

        user_api = internal_api = "jitney"
        filename_prefixes = ("_ext",)
        check_symbols = ("jitney_get_num_threads", "jitney_set_num_threads")

        def get_num_threads(self) -> int:
            return self.dynlib.jitney_get_num_threads()

        def set_num_threads(self, num_threads: int) -> None:
            self.dynlib.jitney_set_num_threads(num_threads)

        def get_version(self) -> None:
            return None

    module.register(Controller)
