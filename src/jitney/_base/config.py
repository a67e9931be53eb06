"""Configuration: a few named switches with JAX's names, updatable at any time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

_DEFAULTS: dict[str, Any] = {
    "jax_enable_x64": True,
    "jax_debug_nans": False,
    "jax_debug_infs": False,
    "jax_disable_jit": False,
    "jax_check_tracer_leaks": False,
    "jax_log_compiles": False,
    "jax_numpy_rank_promotion": "allow",
    "jax_numpy_dtype_promotion": "standard",
    "jax_default_matmul_precision": None,
    "jax_platforms": None,
    "jax_platform_name": "",
    "jax_traceback_filtering": "auto",
    "jitney_check": False,  # run the IR checkers between compiler passes
}


class Config:
    """Switches of the engine: ``config.update("jax_enable_x64", False)``, ``config.jax_enable_x64``."""

    def __init__(self) -> None:
        self._values = dict(_DEFAULTS)
        self._listeners: dict[str, list[Callable[[Any], None]]] = {}
        for name in self._values:
            text = os.environ.get(name.upper())
            if text is not None:
                self._values[name] = _parse(text, self._values[name])

    def update(self, name: str, value: Any) -> None:
        """Set switch ``name``; unknown names raise ``AttributeError``."""
        if name not in self._values:
            known = ", ".join(sorted(self._values))
            raise AttributeError(f"Unrecognized config option: {name!r}. Known options: {known}")
        self._values[name] = value
        for listener in self._listeners.get(name, ()):
            listener(value)

    def on_change(self, name: str, listener: Callable[[Any], None]) -> None:
        """Call ``listener(value)`` now and at every update of ``name``."""
        self._listeners.setdefault(name, []).append(listener)
        listener(self._values[name])

    def read(self, name: str) -> Any:
        return self._values[name]

    @contextlib.contextmanager
    def temporarily(self, name: str, value: Any) -> Iterator[None]:
        """Hold switch ``name`` at ``value`` inside a ``with`` block."""
        before = self._values[name]
        self.update(name, value)
        try:
            yield
        finally:
            self.update(name, before)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(f"Unrecognized config option: {name!r}") from None

    @property
    def x64_enabled(self) -> bool:
        return self._values["jax_enable_x64"]


def _parse(text: str, default: Any) -> Any:
    if isinstance(default, bool):
        return text.strip().lower() in ("1", "true", "yes", "on")
    return text


config = Config()
