"""Peak memory of one program in a process of its own. Begin with :func:`growth`, which the harness calls there."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
from pathlib import Path

import cases  # noqa: F401
from programs import PROGRAMS, convert, engine, ready

STATUS, FORGET_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def growth(name: str, who: str) -> float:
    """Bytes by which the first call of a program (trace, compile, run) raises the resident memory at its peak.

    Arguments are there before, and the compiler has compiled something small.
    """
    m = engine(who)
    small = m.compile(lambda x: m.np.exp(x).sum())
    ready(small(m.np.ones(10)))
    fun, args = PROGRAMS[name](m)
    args = ready(convert(m, args))
    f = m.compile(fun)
    _give_back_free()
    before = _start()
    ready(f(*args))
    return max(_peak() - before, 4096)


def _give_back_free() -> None:
    """Memory that the arguments were made in is no longer there to be used, unseen, by the call."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def _start() -> float:
    """Resident bytes now; the peak is counted from here on, where the system can do that."""
    if not FORGET_PEAK.exists():
        return _peak()
    FORGET_PEAK.write_text("5")
    return _field("VmRSS")


def _peak() -> float:
    if FORGET_PEAK.exists():
        return _field("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _field(name: str) -> float:
    line = next(x for x in STATUS.read_text().splitlines() if x.startswith(name))
    return float(line.split()[1]) * 1024
