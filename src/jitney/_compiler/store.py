"""store: a directory of files, each a payload under a key.  Begin at :class:`Store`.

Any number of processes use it at once: a file appears whole (by renaming), and there are no locks.  A file that is
damaged, of another format or another user's is no entry.  When it grows over its limit, the files that were used
least recently go.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from typing import NamedTuple

from jitney._compiler.fingerprint import DIGEST_BYTES, digest

SUFFIX = ".jitney"
_MAGIC = b"jitney\0\1"
_HEAD = len(_MAGIC) + 2 * DIGEST_BYTES
_TOUCHED = 600.0  # a file that was used this long ago, in seconds, is marked as used again
_FORGOTTEN = 3600.0  # a file that a process began to write this long ago will not be finished
_SCANS = 64  # times that a store is looked through while its limit is written once
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Entry(NamedTuple):
    """A file of the store."""

    path: str
    size: int
    used: float


class Store:
    """Payloads in the files of ``directory``; about ``limit`` bytes of them (None: any number)."""

    def __init__(self, directory: str, limit: int | None = None) -> None:
        self.directory, self.limit = directory, limit

    def path(self, key: bytes) -> str:
        return os.path.join(self.directory, key.hex() + SUFFIX)

    def read(self, key: bytes) -> bytes | None:
        """The payload under ``key``; None if there is none that can be trusted."""
        try:
            file = os.open(self.path(key), _READ)
        except (OSError, ValueError):
            return None
        try:
            info = os.fstat(file)
            if not _is_trusted(info):
                return None
            data = _read_all(file, info.st_size)
            if time.time() - info.st_mtime > _TOUCHED:
                with contextlib.suppress(OSError):
                    os.utime(self.path(key))
        except OSError:
            return None
        finally:
            os.close(file)
        payload = data[_HEAD:]
        return payload if data[:_HEAD] == _MAGIC + key + digest(payload) else None

    def write(self, key: bytes, payload: bytes) -> None:
        """Put ``payload`` under ``key``, in place of what is there; ``OSError`` if that is not possible."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        name = os.path.join(self.directory, f".{os.getpid()}-{os.urandom(8).hex()}.tmp")
        file = os.open(name, _WRITE, 0o600)
        try:
            with open(file, "wb", closefd=True) as stream:
                stream.write(_MAGIC + key + digest(payload))
                stream.write(payload)
            os.replace(name, self.path(key))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        if self.limit is not None and _chance() * self.limit < _SCANS * len(payload):
            self.evict()

    def remove(self, key: bytes) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.path(key))

    def entries(self) -> list[Entry]:
        """All entries, in no order."""
        return [e for e in self._files() if e.path.endswith(SUFFIX)]

    def _files(self) -> list[Entry]:
        found = []
        try:
            with os.scandir(self.directory) as files:
                for file in files:
                    if not file.name.endswith((SUFFIX, ".tmp")):
                        continue
                    with contextlib.suppress(OSError):
                        info = file.stat(follow_symlinks=False)
                        if stat.S_ISREG(info.st_mode):
                            found.append(Entry(file.path, info.st_size, info.st_mtime))
        except OSError:
            pass
        return found

    def evict(self) -> None:
        """Remove what was used least recently until an eighth of the limit is free, and what was never finished."""
        files, now = self._files(), time.time()
        for file in files:
            if file.path.endswith(".tmp") and now - file.used > _FORGOTTEN:
                _unlink(file.path)
        entries = [e for e in files if e.path.endswith(SUFFIX)]
        total = sum(e.size for e in entries)
        if self.limit is None or total <= self.limit:
            return
        for entry in sorted(entries, key=lambda e: e.used):
            if total <= self.limit - self.limit // 8:
                break
            _unlink(entry.path)
            total -= entry.size

    def clear(self) -> int:
        """Remove all entries; the number of them."""
        files = self._files()
        for file in files:
            _unlink(file.path)
        return sum(e.path.endswith(SUFFIX) for e in files)


def _chance() -> float:
    """A random number from 0 to 1 that forked processes do not share."""
    return int.from_bytes(os.urandom(4), "little") / 2**32


def _is_trusted(info: os.stat_result) -> bool:
    """Whether a file is a plain one that only this user (or the administrator) can have written."""
    if not stat.S_ISREG(info.st_mode):
        return False
    if sys.platform == "win32":
        return True
    return info.st_uid in (0, os.geteuid()) and not info.st_mode & 0o022


def _read_all(file: int, size: int) -> bytes:
    parts = []
    while size > 0:
        part = os.read(file, size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
