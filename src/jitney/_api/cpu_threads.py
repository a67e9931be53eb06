"""``threads``: how many CPU threads the calls inside of a ``with`` block may use."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from jitney import _ext
from jitney._base import blas_threads
from jitney._base.config import number_of_threads


class _Entered(threading.local):
    """The blocks that this thread is in: the limit around each, and its name to BLAS."""

    def __init__(self) -> None:
        self.blocks: list[tuple[int, object]] = []


_entered = _Entered()


class threads(contextlib.ContextDecorator):  # noqa: N801  (used like a function)
    """Let compiled programs called in a ``with`` block, or in a function decorated with it, use ``n`` threads.

    The limit holds for calls from the thread that entered the block, also for functions compiled before; blocks nest.
    Products of matrices by BLAS keep it too, but as BLAS has one number for the process, it holds for other Python
    threads' products meanwhile. ``config.num_threads`` is the number outside of such blocks.

    Args:
        n: how many threads, at least 1.

    Raises:
        TypeError: if ``n`` is no integer.
        ValueError: if ``n`` is below 1.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> with jitney.threads(1):
        ...     y = jnp.exp(jnp.ones(1000))
        >>> @jitney.threads(1)
        ... def one_of_many_processes(x):
        ...     return jnp.sum(jnp.sin(x))
    """

    def __init__(self, n: int) -> None:
        self.n = number_of_threads("threads", n)

    def __enter__(self) -> threads:
        who = object()
        _entered.blocks.append((_ext.limit_threads(self.n), who))
        blas_threads.limit(who, self.n)
        return self

    def __exit__(self, *_: Any) -> None:
        before, who = _entered.blocks.pop()
        blas_threads.release(who)
        _ext.limit_threads(before)
