"""Who else would see an array of numbers change: names of the functions that run, which may read it later.

Only traced arrays can be made stale. An item of another one is assigned only where no name shows the old values
afterwards. Whether a variable may be read is looked up in the bytecode, from the call that a frame is in to where it is
assigned again. Attributes and items are followed one level; an array that only a deeper object holds is not found.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from jitney._base.sources import PACKAGE_DIR
from jitney._core.trace import ArrayImpl
from jitney._flow.sources import OURS


def name_that_shows(array: Any, frame: types.FrameType | None) -> str | None:
    """A variable of ``frame`` or its callers that has the memory of ``array`` and may be read after the present calls.

    ``array`` is one of NumPy's, or one of ours that is concrete.
    """
    modules: set[int] = set()
    while frame is not None:
        if not frame.f_code.co_filename.startswith(PACKAGE_DIR):
            if frame.f_locals is not frame.f_globals:
                for name in _names(frame.f_locals, array):
                    if may_be_read(frame.f_code, frame.f_lasti, name):
                        return name
            if id(frame.f_globals) not in modules:
                modules.add(id(frame.f_globals))
                for name in _names(frame.f_globals, array):
                    return name
        frame = frame.f_back
    return None


def _names(variables: dict[str, Any], array: Any) -> Iterator[str]:
    for name, value in list(variables.items()):
        if not name.startswith(OURS) and any(_shows(part, array) for part in _parts(value)):
            yield name


def _shows(part: Any, array: Any) -> bool:
    """Whether ``part`` has memory of ``array``; copies of ours, which never change, may as well, and do not count."""
    if isinstance(part, np.ndarray) and isinstance(array, np.ndarray):
        return np.may_share_memory(part, array)
    if not isinstance(part, ArrayImpl) or not isinstance(array, ArrayImpl):
        return False
    if part is array:
        return True
    one, other = part._np, array._np
    return (one.shape, one.strides) != (other.shape, other.strides) and np.may_share_memory(one, other)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, (np.ndarray, ArrayImpl)):
        return [value]
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, (types.ModuleType, types.FunctionType, type)):
        return []
    return list(getattr(value, "__dict__", {}).values())


def may_be_read(code: types.CodeType, offset: int, name: str) -> bool:
    """Whether ``code`` may read a variable after the instruction at ``offset``, before it assigns it."""
    instructions, following = _graph(code)
    present = max(
        (at for at in instructions if at <= offset), default=-1
    )  # a call's offset may be that of its cache
    pending, seen = list(following.get(present, ())), set()
    while pending:
        here = pending.pop()
        if here in seen:
            continue
        seen.add(here)
        uses = instructions[here].argval == name and instructions[here].opname
        if uses and uses.startswith("LOAD"):
            return True
        if not (uses and uses.startswith(("STORE", "DELETE"))):
            pending += following[here]
    return False


@lru_cache(maxsize=64)
def _graph(code: types.CodeType) -> tuple[dict[int, dis.Instruction], dict[int, tuple[int, ...]]]:
    """The instructions by their offsets, and those that can follow each."""
    listed = list(dis.get_instructions(code))
    following: dict[int, tuple[int, ...]] = {}
    for one, after in zip(listed, [*listed[1:], None], strict=True):
        goes_on = not one.opname.startswith(("RETURN", "RAISE", "RERAISE", "JUMP")) and after is not None
        jumps = one.opcode in dis.hasjrel or one.opcode in dis.hasjabs
        following[one.offset] = (*((after.offset,) if goes_on else ()), *((one.argval,) if jumps else ()))
    return {one.offset: one for one in listed}, following
