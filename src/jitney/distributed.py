"""``jitney.distributed``: there is one process, whose threads share the work."""

from __future__ import annotations

from typing import Any

from jitney._api.unsupported import stand_in as _stand_in


def is_initialized() -> bool:
    """False: this process is no part of a larger program."""
    return False


def shutdown() -> None:
    """Nothing to do."""


def __getattr__(name: str) -> Any:
    return _stand_in("distributed", name)


__all__ = ["is_initialized", "shutdown"]
