"""``once``: what several threads ask for at the same time is made by the first of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

from jitney._base.forks import in_child

_making: dict[Hashable, threading.Event] = {}


class _Mine(threading.local):
    count = 0  # of what this thread is making


_mine = _Mine()


def once(key: Hashable, known: Callable[[], Any], make: Callable[[], Any]) -> Any:
    """``known()`` where that is not None, else ``make()``, which makes it known; other threads wait for it meanwhile.

    A thread that is making something itself does not wait, so that no two wait for each other.
    """
    while True:
        found = known()
        if found is not None:
            return found
        mine = threading.Event()
        other = _making.setdefault(key, mine)
        if other is mine:
            _mine.count += 1
            try:
                return make()
            finally:
                _mine.count -= 1
                _making.pop(key, None)
                mine.set()
        if _mine.count:
            return make()
        other.wait()


def _forget() -> None:
    """No other thread lives in a forked child."""
    _making.clear()
    _mine.count = 0


in_child(_forget)
