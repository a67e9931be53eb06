"""Limits the threads of the BLAS libraries that NumPy and SciPy have loaded, through their C functions.

Begin at :func:`limit`. Such a number holds for a whole process, hence the least of all limits that are in force does.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Hashable
from typing import Any

from jitney import _ext
from jitney._base.forks import renew

# Modules that are linked to BLAS.
_NUMPY, _SCIPY = "numpy._core._multiarray_umath", "scipy.linalg.cython_blas"
# Pairs of functions: the number of threads, and its setter.
_FUNCTIONS = (
    *(
        (f"{before}openblas_get_num_threads{after}", f"{before}openblas_set_num_threads{after}")
        for before in ("scipy_", "")
        for after in ("64_", "")
    ),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
    ("bli_thread_get_num_threads", "bli_thread_set_num_threads"),
)

_lock = renew(threading.Lock())
_limits: dict[Hashable, int] = {}
_found: dict[str, tuple[Any, Any] | None] = {}  # the pair of functions of each module
_own = 0  # NumPy's number before there was a limit


def limit(who: Hashable, threads: int) -> None:
    """Let BLAS use ``threads`` at most until ``release(who)``, or until ``who`` asks for another number."""
    with _lock:
        _limits[who] = threads
        _apply(min(_limits.values()))


def release(who: Hashable) -> None:
    """Give up the limit of ``who``; after the last one, libraries have the numbers that they had before."""
    with _lock:
        if _limits.pop(who, None) is not None:
            _apply(min(_limits.values(), default=0))


def _apply(threads: int) -> None:
    """Limit all libraries to ``threads``; 0: their own numbers again."""
    global _own
    functions = _functions(_NUMPY)
    if functions is not None:
        get, put = functions
        if threads:
            _own = _own or get()
            put(min(threads, _own))
        elif _own:
            put(_own)
            _own = 0
    # SciPy's, which the extension calls and limits by itself too, also if it is loaded later.
    if _SCIPY not in _found and _functions(_SCIPY) is not None:
        addresses = [ctypes.cast(f, ctypes.c_void_p).value or 0 for f in _functions(_SCIPY) or ()]
        _ext.set_library({"get_num_threads": addresses[0], "set_num_threads": addresses[1]})
    _ext.limit_library(threads)


def _functions(name: str) -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """The functions of the library that a module is linked to, if it is loaded."""
    if name not in _found and name in sys.modules:
        _found[name] = _find(sys.modules[name].__file__)
    return _found.get(name)


def _find(path: str | None) -> tuple[Any, Any] | None:
    try:
        library = ctypes.CDLL(path)
    except (OSError, TypeError):
        return None
    for get_name, put_name in _FUNCTIONS:
        if hasattr(library, get_name) and hasattr(library, put_name):
            get, put = getattr(library, get_name), getattr(library, put_name)
            get.restype, get.argtypes = ctypes.c_int, ()
            put.restype, put.argtypes = None, (ctypes.c_int,)
            return get, put
    return None
