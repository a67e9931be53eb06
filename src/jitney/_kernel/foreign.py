"""Functions of other languages as compiled code calls them: an address, the types of C, and what keeps it alive.

Value     foreign hypot f64 %1 %2                      one call for each lane, types as declared
Call      hypot (in 0) (size 100) (out 0)              a call on whole arrays, see ``arguments`` of ``ir.Call``
"""

from __future__ import annotations

import ctypes
import pickle
from functools import cached_property
from typing import Any

import numpy as np

_C_TYPES: dict[str, Any] = {
    "?": ctypes.c_bool,
    "b": ctypes.c_byte,
    "B": ctypes.c_ubyte,
    "h": ctypes.c_short,
    "H": ctypes.c_ushort,
    "i": ctypes.c_int,
    "I": ctypes.c_uint,
    "l": ctypes.c_long,
    "L": ctypes.c_ulong,
    "q": ctypes.c_longlong,
    "Q": ctypes.c_ulonglong,
    "f": ctypes.c_float,
    "d": ctypes.c_double,
}


class CFunction:
    """A C function: where it is, and its parameters.

    ``params`` are dtypes of what is passed by value, and None for pointers; ``fixed`` are the values of those that are the
    same in every call (pointers to data of the user's, flags), by position. ``result`` is a dtype, or None for
    ``void``. With ``python`` it is called one at a time under Python's lock, never from compiled loops. Functions are equal
    if a call of one is a call of the other.
    """

    def __init__(
        self,
        name: str,
        address: int,
        result: np.dtype | None,
        params: tuple[np.dtype | None, ...],
        fixed: tuple[tuple[int, int], ...] = (),
        python: bool = False,
        owner: Any = None,
    ) -> None:
        self.name, self.address, self.result, self.params = name, address, result, params
        self.fixed, self.python, self.owner = fixed, python, owner
        self.kernel: Any = None  # a program of some elements, for code that is not compiled

    @property
    def key(self) -> tuple:
        """What a call depends on."""
        return self.address, self.result, self.params, self.fixed, self.python

    def __eq__(self, other: object) -> bool:
        return type(other) is CFunction and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def symbol(self) -> str:
        """The function's name in compiled code: that of one address called in one way."""
        types = "".join("p" if p is None else p.char for p in (self.result, *self.params))
        return f"jt_foreign_{self.address:x}_{types}".replace("?", "x")

    @cached_property
    def pointer(self) -> Any:
        """The function as ``ctypes`` calls it."""
        kind = ctypes.PYFUNCTYPE if self.python else ctypes.CFUNCTYPE
        params = [ctypes.c_void_p if p is None else _C_TYPES[p.char] for p in self.params]
        return kind(None if self.result is None else _C_TYPES[self.result.char], *params)(self.address)

    def call(self, *given: Any) -> Any:
        """One call: ``given`` are the numbers and addresses of parameters that are not fixed."""
        if not self.fixed:
            return self.pointer(*given)
        fixed, rest = dict(self.fixed), iter(given)
        return self.pointer(*[fixed[n] if n in fixed else next(rest) for n in range(len(self.params))])

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise pickle.PicklingError(
            f"Can't pickle a program that calls the foreign function {self.name!r}: its address means nothing in another process."
        )

    def __call__(self, *_: Any) -> None:
        """Executables hold what they need as callables; this one is never called by them."""
        raise AssertionError(f"{self} is called by its address")

    def __repr__(self) -> str:
        return self.name
