"""What functions that a traced part calls must not change: arrays of NumPy's, which would be changed in every case, and
generators of random numbers, which a loop of the program would ask once for all steps."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from jitney._base.sources import PACKAGE_DIR

_LARGEST = 1 << 26  # bytes of an array that is compared


def user_frame() -> Any:
    """The innermost frame of the user's."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE_DIR):
        frame = frame.f_back
    return frame


@contextmanager
def unchanged_arrays(frame: Any) -> Iterator[None]:
    """Around the trace of a part: an error where a variable's array of NumPy's has other elements after it."""
    arrays = {
        name: (x, x.copy())
        for name, x in ({} if frame is None else frame.f_locals).items()
        if type(x) is np.ndarray and x.flags.writeable and x.dtype != object and x.nbytes <= _LARGEST
    }
    yield
    for name, (x, before) in arrays.items():
        if x.tobytes() != before.tobytes():
            x[...] = before
            raise TypeError(
                f"{name}, an array of NumPy's, was changed by a function that is called under a condition (or in a loop) that is "
                f"traced, so that it would be changed in every case. Let the function return a new array, {name} = ..."
            )


@contextmanager
def undrawn(frame: Any) -> Iterator[None]:
    """Around the trace of a loop of the program with known steps: an error where it draws random numbers in Python."""
    names = {} if frame is None else {**frame.f_globals, **frame.f_locals}
    kinds = (np.random.Generator, np.random.RandomState, random.Random)
    generators = {id(x): x for x in names.values() if isinstance(x, kinds)}
    before = [(x, _state(x)) for x in (*generators.values(), random._inst, np.random.mtrand._rand)]  # type: ignore[attr-defined]
    yield
    drawn = [(x, state) for x, state in before if not _equal(_state(x), state)]
    for x, state in drawn:
        _set_state(x, state)
    if drawn:
        raise TypeError("a traced loop draws random numbers in Python, which it would do once for all steps")


def _state(x: Any) -> Any:
    if isinstance(x, np.random.Generator):
        return x.bit_generator.state
    return x.get_state(legacy=False) if isinstance(x, np.random.RandomState) else x.getstate()


def _set_state(x: Any, state: Any) -> None:
    if isinstance(x, np.random.Generator):
        x.bit_generator.state = state
    elif isinstance(x, np.random.RandomState):
        x.set_state(state)
    else:
        x.setstate(state)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(_equal(a[key], b[key]) for key in a)
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) else bool(a == b)
