"""``jitney.experimental.compute_on``: where parts of a program are computed. There is one place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

_TYPES = ("device", "device_host", "tpu_sparsecore")


@contextlib.contextmanager
def compute_on(compute_type: str) -> Iterator[None]:
    """Accepted: everything is computed on the CPU.

    Raises:
        ValueError: no known ``compute_type``.

    Example:
        >>> from jitney.experimental.compute_on import compute_on
        >>> with compute_on("device_host"):
        ...     1 + 1
        2
    """
    if compute_type not in _TYPES:
        raise ValueError(f"Invalid compute_type received. Only {_TYPES} are supported. Got {compute_type!r}.")
    yield


def compute_on2(
    f: Callable[..., Any] | None = None,
    *,
    compute_type: str,
    out_memory_spaces: Any,
    compiler_options: Any = None,
) -> Any:
    """``f`` itself: everything is computed on the CPU. Without ``f``, a decorator."""
    return f if f is not None else lambda g: g


__all__ = ["compute_on", "compute_on2"]
