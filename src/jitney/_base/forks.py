"""Forked processes and workers of pools: locks that come free in the child, processors that are shared.

A child has one thread, so that a lock which another one held would never come free. Begin at :func:`renew` for locks of
simple tables, :class:`HeldLock` for what must not be torn.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from jitney import _ext


def renew(lock: Any) -> Any:
    """Let forked children find ``lock`` free: what it guards is whole between any two instructions of Python."""
    in_child(lock._at_fork_reinit)
    return lock


class HeldLock:
    """A lock for which a fork waits, so that the child finds whole what it guards.

    Who waits comes next: threads that take it again and again do not keep a fork from it. ``beneath`` are other libraries'
    locks that are taken under it.
    """

    def __init__(self) -> None:
        self._next, self._lock = threading.Lock(), threading.Lock()
        self.beneath: list[Any] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before, after_in_parent=self._after, after_in_child=self._in_child
            )

    def _before(self) -> None:
        self.acquire()
        for lock in self.beneath:
            lock.acquire()

    def _after(self) -> None:
        for lock in self.beneath:
            lock.release()
        self.release()

    def _in_child(self) -> None:
        for lock in self.beneath:
            lock.release()
        self._next, self._lock = threading.Lock(), threading.Lock()  # others waited for the old ones

    def acquire(self) -> None:
        with self._next:
            self._lock.acquire()

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: Any) -> None:
        self.release()


def in_child(action: Callable[[], object]) -> None:
    """Call ``action()`` in forked children."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=action)


# What workers of pools were started with, by spawn, from a fork server, or by loky.
_STARTED = ("--multiprocessing-fork", "multiprocessing.forkserver", "loky.backend")


def share_processors() -> None:
    """If this is a worker process of a pool, let compiled programs share the processors with the other workers.

    Forked workers need not ask: the extension notices.
    """
    if any(mark in argument for argument in sys.orig_argv for mark in _STARTED):
        _ext.join_siblings(os.getppid())
