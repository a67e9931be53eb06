"""Which loops of many known steps become loops of the program, though Python could write them out.

Those that assign items: written out, a loop of a thousand steps takes seconds to compile. Inside of a loop of the program the
number of a step is traced. Where Python turns out to need it, in the body or after the loop, the trace is begun anew with the
loop written out; ``with_control_flow`` asks for that when a trace ends in an error.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from jitney._core import plugs
from jitney._core.trace import Tracer, current_trace

plugs.rolled_loops = sys.modules[__name__]

STEPS = 32  # so many are written out always

_written_out: set[tuple[str, int]] = set()  # loops, by file and line, of which Python needs the steps


class _Rolled(threading.local):
    """Loops that became loops of the program since the outermost trace of this thread began."""

    def __init__(self) -> None:
        self.loops: list[tuple[str, int]] = []


_rolled = _Rolled()


def wanted(items: Any, body: Any, line: int) -> bool:
    """Whether a loop over ``items`` (None: a ``while``) is to be one of the program, which is noted."""
    loop = body.__code__.co_filename, line
    if current_trace() is None or loop in _written_out:
        return False
    if items is not None and (not isinstance(items, (range, Tracer)) or len(items) <= STEPS):
        return False
    _rolled.loops.append(loop)
    return True


def mark() -> int:
    return len(_rolled.loops)


def write_out(since: int) -> bool:
    """Whether loops were noted since ``mark``; they will be written out from now on."""
    found = _rolled.loops[since:]
    _written_out.update(found)
    del _rolled.loops[since:]
    return bool(found)


def forget() -> None:
    """The outermost trace is over."""
    _rolled.loops.clear()
