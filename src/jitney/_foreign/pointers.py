"""What holds the address of a C function, and what it says about the signature.  Begin at :func:`find`.

ctypes, cffi, Numba's ``cfunc``, SciPy's ``LowLevelCallable``, Cython's capsules, f2py's ``_cpointer``, plain addresses.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any, NamedTuple

import numpy as np

from jitney._foreign.signatures import Signature, parse

_PYTHONAPI = 4  # ctypes.FUNCFLAG_PYTHONAPI
_CAPSULES = ctypes.pythonapi


class Pointer(NamedTuple):
    """A C function's address; ``signature`` as it is known; ``data`` is the user's pointer of a ``LowLevelCallable``."""

    name: str
    address: int
    signature: str | None
    data: int | None
    python: bool  # it must be called under Python's lock
    owner: Any  # what the code lives as long as


def find(fn: Any) -> Pointer | None:
    """The pointer in ``fn``; None if it is none."""
    for look in (_of_ctypes, _of_cffi, _of_low_level_callable, _of_numba, _of_capsule, _of_number):
        found = look(fn)
        if found is not None:
            return found
    return None


def fortran_pointer(fn: Any) -> Pointer | None:
    """The compiled routine behind a function of f2py's, whose signature the user must give."""
    capsule = getattr(fn, "_cpointer", None)
    if capsule is None or type(capsule).__name__ != "PyCapsule":
        return None
    name = str(getattr(fn, "__name__", "fortran")).removeprefix("function ")
    return Pointer(name, _capsule_address(capsule), None, None, False, fn)


def same_types(declared: Signature, known: Signature) -> bool:
    """Whether two signatures are called alike: the user's may name, mark and measure what the other only types."""
    alike = [
        (p.pointer, None if p.pointer and q.dtype is None else p.dtype)
        == (q.pointer, None if p.pointer and q.dtype is None else q.dtype)
        for p, q in zip(declared.params, known.params, strict=False)
    ]
    return declared.result == known.result and len(declared.params) == len(known.params) and all(alike)


# -- ctypes


def _of_ctypes(fn: Any) -> Pointer | None:
    if not isinstance(fn, ctypes._CFuncPtr):
        return None
    address = ctypes.cast(fn, ctypes.c_void_p).value or 0
    kept = getattr(fn, "_objects", None) or {}
    of_python = type(kept.get("0")).__name__ == "CThunkObject" or bool(fn._flags_ & _PYTHONAPI)
    name = getattr(fn, "__name__", None) or f"the function at {address:#x}"
    signature = None
    if fn.argtypes is not None:
        result = "void" if fn.restype is None else _ctypes_name(fn.restype)
        signature = f"{result} ({', '.join(map(_ctypes_name, fn.argtypes))})"
    return Pointer(str(name), address, signature, None, of_python, fn)


def _ctypes_name(kind: Any) -> str:
    """The type in C's words; a name that the parser refuses, where there are none."""
    if kind is ctypes.c_void_p:
        return "void *"
    pointed = getattr(kind, "_type_", None)
    if isinstance(pointed, type):  # POINTER(c_double)
        return f"{_ctypes_name(pointed)} *"
    dtype = getattr(kind, "_dtype_", None)  # numpy.ctypeslib.ndpointer
    if dtype is not None:
        return f"{np.dtype(dtype).name} *"
    try:
        return np.dtype(kind).name
    except TypeError:
        return getattr(kind, "__name__", repr(kind))


# -- cffi


def _of_cffi(fn: Any) -> Pointer | None:
    backend = sys.modules.get("_cffi_backend")
    if backend is None or not isinstance(fn, backend._CDataBase):
        return None
    kind = backend.typeof(fn)
    if kind.kind != "function":
        raise TypeError(f"jitney.foreign: {fn!r} is of C type {kind.cname}, not the address of a function.")
    if kind.ellipsis:
        raise TypeError(
            f"jitney.foreign: {fn!r} takes any number of arguments; wrap it in a C function that does not."
        )
    address = int(backend.cast(backend.new_primitive_type("uintptr_t"), fn))
    signature = f"{kind.result.cname} ({', '.join(a.cname for a in kind.args)})"
    return Pointer(f"cffi function at {address:#x}", address, signature, None, "calling" in repr(fn), fn)


# -- Numba, SciPy, Cython


def _of_numba(fn: Any) -> Pointer | None:
    """Anything with ``address`` and a signature such as ``(float64, int32) -> float64``, as Numba's ``cfunc`` gives."""
    address = getattr(fn, "address", None)
    sig = getattr(fn, "_sig", None)
    if not isinstance(address, int) or sig is None:
        return None
    signature = f"{sig.return_type} ({', '.join(map(str, sig.args))})"
    name = getattr(fn, "__name__", None) or getattr(fn, "_pyfunc", fn).__name__
    return Pointer(str(name), address, signature, None, False, fn)


def _of_low_level_callable(fn: Any) -> Pointer | None:
    scipy = sys.modules.get("scipy._lib._ccallback")
    if scipy is None or not isinstance(fn, scipy.LowLevelCallable):
        return None
    capsule = tuple.__getitem__(fn, 0)
    found = _of_capsule(capsule)
    assert found is not None
    context = _CAPSULES.PyCapsule_GetContext
    context.restype, context.argtypes = ctypes.c_void_p, [ctypes.py_object]
    inner = find(fn.function)
    name = found.name if inner is None else inner.name
    return found._replace(
        name=name, data=context(capsule) or 0, owner=fn, python=inner is not None and inner.python
    )


def _of_capsule(fn: Any) -> Pointer | None:
    if type(fn).__name__ != "PyCapsule":
        return None
    get_name = _CAPSULES.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    signature = get_name(fn)
    address = _capsule_address(fn)
    text = None if signature is None else signature.decode(errors="replace")
    return Pointer(f"the function at {address:#x}", address, text, None, False, fn)


def _capsule_address(capsule: Any) -> int:
    get_name = _CAPSULES.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = _CAPSULES.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return get_pointer(capsule, get_name(capsule)) or 0


def _of_number(fn: Any) -> Pointer | None:
    if isinstance(fn, bool) or not isinstance(fn, int):
        return None
    return Pointer(f"the function at {fn:#x}", fn, None, None, False, None)


def known_signature(pointer: Pointer, declared: str | None) -> Signature:
    """The signature of a pointer: the user's, checked against what the pointer says of itself; ``TypeError`` if unknown."""
    if not pointer.address:
        raise ValueError(f"jitney.foreign: {pointer.name} is a null pointer.")
    if pointer.signature is None and declared is None:
        raise TypeError(
            f"jitney.foreign: nothing is known of the parameters of {pointer.name}. Pass signature='double f(double, int)' (C's "
            "words), or set argtypes and restype of a ctypes function."
        )
    if declared is None:
        return parse(pointer.signature or "", pointer.name)
    found = parse(declared, pointer.name)
    if pointer.signature is not None and not same_types(found, parse(pointer.signature, pointer.name)):
        raise TypeError(
            f"jitney.foreign: signature={declared!r} does not fit {pointer.name}, which says of itself that it is "
            f"{pointer.signature!r}."
        )
    return found


__all__ = ["Pointer", "find", "fortran_pointer", "known_signature"]
