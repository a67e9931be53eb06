"""A line that says how far a chain is: tqdm's bar where tqdm is installed, plain text elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

_EVERY = 0.2  # seconds


def progress_bar(show: bool | str, total: int | None, options: dict[str, Any] | None) -> Any:
    """An object with ``update(n)`` and ``close()``; ``show`` may name a module of tqdm, such as ``"notebook"``."""
    if not show:
        return _Silent()
    try:
        import tqdm
    except ImportError:
        return _Plain(total)
    bar = tqdm.tqdm if show is True else getattr(tqdm, f"tqdm_{show}")
    return bar(total=total, **(options or {}))


class _Silent:
    def update(self, n: int) -> None:
        pass

    def close(self) -> None:
        pass


class _Plain:
    def __init__(self, total: int | None) -> None:
        self._total, self._done, self._shown = total, 0, 0.0

    def update(self, n: int) -> None:
        self._done += n
        if time.monotonic() - self._shown > _EVERY:
            self._show()

    def close(self) -> None:
        self._show()
        print(file=sys.stderr)

    def _show(self) -> None:
        self._shown = time.monotonic()
        of = "" if self._total is None else f" of {self._total}"
        print(f"\r{self._done}{of} steps", end="", file=sys.stderr, flush=True)
