"""Forked processes and workers of pools: locks that come free in the child, processors that are shared.

A child has one thread, so that a lock which another one held would never come free. Begin at :func:`renew` for locks of
simple tables, :func:`hold` for what must not be torn.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from jitney import _ext


def renew(lock: Any) -> Any:
    """Let forked children find ``lock`` free: what it guards is whole between any two instructions of Python."""
    in_child(lock._at_fork_reinit)
    return lock


def hold(lock: Any) -> Any:
    """Let a fork wait for ``lock``, under which no other lock of jitney's is taken."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


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
