"""environment: what decides the code of a program besides the program: this jitney, its libraries, this CPU.

Begin at :func:`environment`.
"""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib.util import find_spec

import numpy as np

from jitney import _ext
from jitney._base.config import config
from jitney._base.sources import LOADED_NS, PACKAGE_DIR
from jitney._compiler.fingerprint import digest

_FORMAT = 1  # of encodings and entries
# A file of each library that every release of it changes.
_LIBRARIES = {"llvmlite": ("binding", "libllvmlite"), "scipy": ("", "version.py")}


def environment() -> bytes | None:
    """Bytes; None if the code of this process may not be what lies on disk."""
    fixed = _fixed()
    return None if fixed is None else fixed + repr(config.trace_key).encode()


@cache
def _fixed() -> bytes | None:
    sources = _sources(PACKAGE_DIR)
    stat = os.stat(_ext.__file__)
    sources.append((os.path.basename(_ext.__file__), stat.st_size, stat.st_mtime_ns))
    if max(changed for _, _, changed in sources) > LOADED_NS:
        return None  # somebody works on jitney: what this process imported is unknown
    parts = (
        _FORMAT,
        _version(),
        sources,
        sys.implementation.cache_tag,
        sys.platform,
        platform.machine(),
        np.__version__,
        [_library(name, *place) for name, place in _LIBRARIES.items()],
        os.environ.get("JITNEY_CPU"),
        _cpu(),
    )
    return digest(repr(parts).encode())


def _version() -> str:
    import jitney

    return jitney.__version__


def _sources(directory: str, under: str = "") -> list[tuple[str, int, int]]:
    """Name, size and time of change of every Python file of jitney's, which is what Python goes by, too."""
    found = []
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            name = f"{under}/{entry.name}"
            if entry.name.endswith(".py"):
                stat = entry.stat()
                found.append((name, stat.st_size, stat.st_mtime_ns))
            elif entry.name != "__pycache__" and entry.is_dir():
                found += _sources(entry.path, name)
    return found


def _library(name: str, folder: str, start: str) -> tuple:
    """What tells a release of a library from others, without an import of it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        return (name,)
    with os.scandir(os.path.join(os.path.dirname(spec.origin), folder)) as entries:
        files = sorted(
            (e.name, e.stat().st_size, e.stat().st_mtime_ns) for e in entries if e.name.startswith(start)
        )
    return (name, *files)


def _cpu() -> bytes | str:
    """The CPU by what it says of itself, or by LLVM's name for it."""
    identity = _ext.cpu_identity()
    if identity:
        return identity
    from jitney._compiler.machine import host_target

    return repr(host_target())
