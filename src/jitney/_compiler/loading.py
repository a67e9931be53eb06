"""loading: an object file -> machine code in memory.  Begin at :func:`load`.

The extension links the objects that our emitter makes itself (ELF, x86-64), so that a program from the disk cache
needs no LLVM; other kinds go to LLVM's JITLink (``machine.link``).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from functools import cache
from typing import Any

from jitney import _ext


class Code:
    """Machine code that lives as long as this object; ``address`` is its entry."""

    __slots__ = ("address", "owner")

    def __init__(self, address: int, owner: Any) -> None:
        self.address, self.owner = address, owner


def load(image: bytes, entry: str, symbols: dict[str, int]) -> Code:
    """Link an object file; ``symbols`` are the outside functions that its module declares."""
    loaded = _ext.load_object(image, entry, lambda name: outside_address(name, symbols))
    if loaded is not None:
        return Code(loaded.address, loaded)
    from jitney._compiler.machine import link

    return link(image, entry, symbols)


def outside_address(name: str, given: dict[str, int]) -> int:
    """Where a function that compiled code calls is: a given one, the extension's, the C library's, BLAS's."""
    address = given.get(name) or address_of(name)
    if not address:
        raise RuntimeError(
            f"compiled code needs {name}, which is neither in the extension nor in the C library"
        )
    return address


@cache
def address_of(name: str) -> int:
    """The address of a function by its name alone, 0 if there is none: what other processes will find, too."""
    return _ext.symbols().get(name) or _process_symbol(name) or _library_symbol(name)


def symbol_addresses(names: Iterable[str], given: dict[str, int]) -> dict[str, int]:
    """Addresses of the outside symbols that a module needs."""
    return {name: outside_address(name, given) for name in names}


def _process_symbol(name: str) -> int:
    for library in (None, "libm.so.6", "libm.dylib"):
        try:
            return ctypes.cast(getattr(ctypes.CDLL(library), name), ctypes.c_void_p).value or 0
        except (AttributeError, OSError):
            continue
    return 0


def _library_symbol(name: str) -> int:
    from jitney._compiler.blas import routine_address

    try:
        return routine_address(name)
    except (KeyError, ImportError):
        return 0
