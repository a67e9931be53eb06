"""``jitney.cache``: compiled programs on disk, where later processes find them.

A program that any process of yours has compiled is loaded, not compiled: same operations, shapes and dtypes, same
jitney, same libraries, same CPU. Nothing needs to be done for it::

    python -m jitney.cache          what is there
    python -m jitney.cache path     where it is
    python -m jitney.cache clear    remove it

The directory is ``JITNEY_CACHE_DIR``, else ``$XDG_CACHE_HOME/jitney``, else ``~/.cache/jitney`` (``~/Library/Caches/jitney``
on macOS, ``%LOCALAPPDATA%\\jitney\\cache`` on Windows); only its owner can read it. What was not used for longest goes
when it holds more than 1 GiB. ``JITNEY_CACHE=0`` turns it off, and so does a directory that cannot be written.

JAX's switches are obeyed: ``jitney.config.update`` of ``jax_enable_compilation_cache``, ``jax_compilation_cache_dir``,
``jax_compilation_cache_max_size`` (bytes; -1 for no limit, 0 for no cache), ``jax_persistent_cache_min_compile_time_secs``,
``jax_persistent_cache_min_entry_size_bytes``, ``jax_raise_persistent_cache_errors``.

Programs with callbacks, or with operations that other libraries define, are compiled in every process.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

from jitney._api.calls import expose as _expose


@dataclasses.dataclass(frozen=True)
class CacheInfo:
    """The state of the cache: the directory, and what this process had of it.

    Attributes:
        directory: where the entries are; None if the cache is off.
        entries: the number of compiled programs there.
        bytes: their size.
        limit: the size that they are kept under; None if there is no limit.
        hits: programs that this process did not need to compile.
        shared: those of the hits that this process itself had compiled or loaded before.
        misses: programs that this process compiled.
        uncacheable: programs that this process compiled and that no process can reuse.
        seconds_saved: what the compilation of the hits had taken, less what the hits took.
    """

    directory: str | None
    entries: int
    bytes: int
    limit: int | None
    hits: int
    shared: int
    misses: int
    uncacheable: int
    seconds_saved: float

    def __str__(self) -> str:
        if self.directory is None:
            return "The cache of compiled programs is off."
        limit = "no limit" if self.limit is None else f"limit {_size(self.limit)}"
        return f"{self.directory}: {self.entries} programs, {_size(self.bytes)} ({limit})"


def info() -> CacheInfo:
    """What the cache holds and what it has saved this process.

    Example:
        >>> import jitney
        >>> jitney.cache.info().hits >= 0
        True
    """
    from jitney._compiler import cached

    store, counts = cached.open_store(), cached.statistics
    entries = [] if store is None else store.entries()
    return CacheInfo(
        None if store is None else store.directory,
        len(entries),
        sum(e.size for e in entries),
        None if store is None else store.limit,
        counts.hits,
        counts.shared,
        counts.misses,
        counts.uncacheable,
        counts.seconds_saved,
    )


def clear() -> int:
    """Remove all compiled programs from the directory and return how many there were.

    Running programs and those that processes have loaded stay; files that are not the cache's stay, too.
    """
    from jitney._compiler import cached

    store = cached.open_store()
    cached.forget()
    return 0 if store is None else store.clear()


def path() -> str | None:
    """The directory of the cache; None if it is off."""
    from jitney._compiler import cached

    store = cached.open_store()
    return None if store is None else store.directory


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _main(arguments: Sequence[str]) -> int:
    """The command ``python -m jitney.cache [show|clear|path]``; its exit status."""
    command = arguments[0] if arguments else "show"
    if len(arguments) > 1 or command not in ("show", "clear", "path"):
        print("usage: python -m jitney.cache [show|clear|path]", file=sys.stderr)
        return 2
    if command == "show":
        print(info())
    elif path() is None:
        print(info(), file=sys.stderr)
        return 1
    elif command == "path":
        print(path())
    else:
        print(f"{clear()} programs removed from {path()}")
    return 0


__all__ = ["CacheInfo", "clear", "info", "path"]

_expose(globals())

if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
