"""Which loops of many known steps become loops of the program, though Python could write them out.

Those that assign items: written out, a loop of a thousand steps takes seconds to compile. Inside of a loop of the program the
number of a step is traced, and so it is in what is left of a known range after a ``break`` that is traced. Where Python turns out
to need it, in the body or after the loop, the trace is begun anew with the loop written out; ``with_control_flow`` asks for that
when a trace ends in an error, and takes it back where it was no help: the error was another one.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from jitney._core import plugs
from jitney._core.trace import current_trace
from jitney._flow.steps import COUNTED

plugs.rolled_loops = sys.modules[__name__]

STEPS = 32  # so many are written out always
OUTER_STEPS = (
    4  # the same of a loop around loops of the program: as many loops take long to compile, and run no faster
)
MOST = 10_000  # more never: it would take long, to end in the same error in most cases

_Loop = tuple[str, int]  # its file and line

_written_out: set[_Loop] = set()  # those of which Python needs the steps


class _Rolled(threading.local):
    """Loops that became loops of the program since the outermost trace of this thread began."""

    def __init__(self) -> None:
        self.loops: list[tuple[_Loop, int]] = []  # with the number of their steps, 0 if it is not known
        self.made = 0  # loops of the program, of all kinds, so far


_rolled = _Rolled()


def made() -> int:
    """How many loops of the program were made."""
    return _rolled.made


def count_one() -> None:
    _rolled.made += 1


def wanted(items: Any, body: Any, line: int, around: bool = False) -> bool:
    """Whether a loop over ``items`` (None: a ``while``) is to be one of the program, which is noted. ``around``: loops of the
    program are inside of it."""
    few = OUTER_STEPS if around else STEPS
    if current_trace() is None or isinstance(items, COUNTED) and len(items) <= few:
        return False
    return possible(items, body, line)


def possible(items: Any, body: Any, line: int) -> bool:
    """Whether nothing is known against a loop of the program, which is noted."""
    loop = body.__code__.co_filename, line
    if loop in _written_out or items is not None and not isinstance(items, COUNTED):
        return False
    _rolled.loops.append((loop, 0 if items is None else len(items)))
    return True


def mark() -> int:
    return len(_rolled.loops)


def write_out(since: int) -> set[_Loop]:
    """Loops that were noted since ``mark``, which will be written out from now on."""
    found = {loop for loop, steps in _rolled.loops[since:] if steps <= MOST} - _written_out
    _written_out.update(found)
    del _rolled.loops[since:]
    return found


def take_back(loops: set[_Loop]) -> None:
    """These were written out, and it was no help."""
    _written_out.difference_update(loops)


def forget() -> None:
    """The outermost trace is over."""
    _rolled.loops.clear()
