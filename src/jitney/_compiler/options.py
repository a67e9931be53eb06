"""Switches of the compiler: passes turned off by name, checks between passes, what is printed."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jitney._base.config import config


@dataclass
class Options:
    """``disabled`` holds names of passes; ``debug`` names of stages to print; ``check`` runs the checkers."""

    disabled: set[str] = field(default_factory=set)
    debug: frozenset[str] = frozenset()
    check: bool = False

    def enabled(self, name: str) -> bool:
        return name not in self.disabled

    def show(self, stage: str, title: str, text: Any) -> None:
        """Print ``text()`` when ``stage`` (or ``passes``) is being debugged."""
        if self.debug and stage in self.debug:
            print(f"---- {title}\n{text()}", file=sys.stderr)


options = Options(
    debug=frozenset(filter(None, os.environ.get("JITNEY_DEBUG", "").replace("|", ",").split(","))),
    check=bool(os.environ.get("JITNEY_CHECK")),
)


def _obey(checks: bool) -> None:
    options.check = bool(checks) or bool(os.environ.get("JITNEY_CHECK"))


config.on_change("jax_enable_checks", _obey)


@contextlib.contextmanager
def without(*names: str) -> Iterator[None]:
    """Compile without these passes."""
    added = set(names) - options.disabled
    options.disabled |= added
    try:
        yield
    finally:
        options.disabled -= added
