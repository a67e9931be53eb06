"""blas: the pointers to BLAS and LAPACK that SciPy exports, given to the routines of the extension that call them.

Begin at :func:`routine_address`. Only the two modules that hold the pointers are loaded, at the first need: importing
all of ``scipy.linalg`` takes ten times as long.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

_TIMEOUT = "OPENBLAS_THREAD_TIMEOUT"
_BLAS = "gemm gemv trsm trsv"
_LAPACK = "potrf getrf geqrf gelqf gesdd geev gehrd trsyl gees geqp3"
# By type: what has another name for real and for complex numbers, or is needed of real ones alone.
_OWN = {
    "s": "orgqr orglq syevd sytrd",
    "d": "orgqr orglq syevd sytrd",
    "c": "ungqr unglq heevd hetrd",
    "z": "ungqr unglq heevd hetrd",
}


@cache
def routine_address(name: str) -> int:
    """The address of a routine of the extension by its name, its BLAS or LAPACK loaded; KeyError if there is none."""
    from jitney import _ext

    found = _ext.symbols().get(name)
    if found is None:
        found = _ext.library_symbols()[name]
        load_library()
    return found


@cache
def load_library() -> None:
    """Give the extension the pointers that its routines call."""
    from jitney import _ext

    with _short_vigils():
        blas, lapack = _extension("cython_blas"), _extension("cython_lapack")
    names = {f"{t}{name}": blas for t in "sdcz" for name in _BLAS.split()}
    names |= {"ssyrk": blas, "dsyrk": blas}
    names |= {f"{t}{name}": lapack for t in "sdcz" for name in f"{_LAPACK} {_OWN[t]}".split()}
    addresses = {name: _pointer(module, name) for name, module in names.items()}
    _ext.set_library(addresses | _thread_switches(blas))


@contextlib.contextmanager
def _short_vigils() -> Iterator[None]:
    """OpenBLAS's threads look out for work, busily, for 2^20 cycles (0.3 ms) rather than 2^26, unless the user says so.

    They read that once, when they are loaded; later loops would have to share the cores with them.
    """
    if _TIMEOUT in os.environ:
        yield
        return
    os.environ[_TIMEOUT] = "20"
    try:
        yield
    finally:
        os.environ.pop(_TIMEOUT, None)


def _extension(name: str) -> ModuleType:
    """A compiled module of ``scipy.linalg``, without the package around it if that is not loaded."""
    full = f"scipy.linalg.{name}"
    if "scipy.linalg" in sys.modules:
        return importlib.import_module(full)
    import scipy

    spec = importlib.machinery.PathFinder.find_spec(full, [os.path.join(scipy.__path__[0], "linalg")])
    if spec is None or spec.loader is None:
        return importlib.import_module(full)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Who imports scipy.linalg later gets the same module, as an attribute of the package.
    sys.modules.pop(full, None)
    return module


def _pointer(module: Any, name: str) -> int:
    capsule = module.__pyx_capi__[name]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    signature = get_name(capsule)
    if b"int *" not in signature:
        raise ImportError(
            f"SciPy's {name} takes no 32-bit integers but {signature!r}: install another build of SciPy"
        )
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return get_pointer(capsule, signature)


def _thread_switches(blas: Any) -> dict[str, int]:
    """OpenBLAS's functions that say and set how many threads it uses, as the library calls them; else none."""
    try:
        library = ctypes.CDLL(blas.__file__)
    except OSError:
        return {}
    for prefix in ("scipy_openblas", "openblas"):
        functions = [getattr(library, f"{prefix}_{verb}_num_threads", None) for verb in ("set", "get")]
        if all(functions):
            places = [ctypes.cast(f, ctypes.c_void_p).value or 0 for f in functions if f is not None]
            return {"set_num_threads": places[0], "get_num_threads": places[1]}
    return {}
