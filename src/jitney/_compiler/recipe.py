"""recipe: what an executable is made of besides its object code, as plain data that another process can use.

Functions are named by their symbols, operations by their names; no address is part of it.
"""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jitney._base.dtypes import EXTENSION_NAMES, KEY_DTYPES, extension_types, is_key
from jitney._compiler.fingerprint import NoEncoding, is_native, named, public_name
from jitney._compiler.host import HostCall
from jitney._core.avals import shaped_array
from jitney._core.primitive import natives
from jitney._core.trace import ArrayImpl

_PLAIN = frozenset((int, float, complex, bool, str, bytes, type(None)))
_KEPT_BYTES = 1 << 24  # of constants in one entry


class Recipe(NamedTuple):
    """The parts of an executable, as plain data."""

    entry: str
    symbols: tuple[str, ...]  # outside functions that the code calls
    consts: tuple  # for each: the number of a constant of the program, type and shape; or bytes in place of the number
    scratch_bytes: int
    release_gil: bool
    forward: tuple[int, ...]
    calls: (
        tuple  # of NumPy meanings: (operation, params, literals, types of inputs, types of outputs, counts)
    )
    seconds: float  # that compilation took


def dump(recipe: Recipe, image: bytes) -> bytes:
    """A recipe and an object file as bytes."""
    head = marshal.dumps(tuple(recipe))
    return len(head).to_bytes(8, "little") + head + image


def restore(payload: bytes) -> tuple[Recipe, bytes]:
    """What ``dump`` was given; the payload was checked to be one of this version's."""
    end = 8 + int.from_bytes(payload[:8], "little")
    return Recipe(*marshal.loads(payload[8:end])), payload[end:]


# -- constants


def describe_consts(used: Sequence[Any], avals: Sequence[Any], known: Sequence[Any]) -> tuple[tuple, bool]:
    """The constants that code reads, by their numbers in ``known`` or by their bytes; whether there are bytes."""
    numbers = {id(x): n for n, x in enumerate(known)}
    found: list[tuple] = []
    size = 0
    for value, aval in zip(used, avals, strict=True):
        source: int | bytes | None = numbers.get(id(value))
        if source is None:
            array = const_array(value, aval)
            size += array.nbytes
            if size > _KEPT_BYTES or array.dtype.hasobject:
                raise NoEncoding("large constants that passes made")
            source = array.tobytes()
        found.append((source, plain(aval.dtype), aval.shape))
    return tuple(found), size > 0 or any(type(source) is bytes for source, _, _ in found)


def restore_consts(described: tuple, known: Sequence[Any]) -> list[np.ndarray]:
    """The arrays that ``describe_consts`` was given."""
    found = []
    for source, dtype, shape in described:
        aval = shaped_array(shape, live(dtype))
        if type(source) is bytes:
            found.append(np.frombuffer(bytearray(source), aval.dtype).reshape(shape))
        else:
            found.append(const_array(known[source], aval))
    return found


def const_array(value: Any, aval: Any) -> np.ndarray:
    """A constant as the contiguous array that the program reads."""
    return np.ascontiguousarray(np.asarray(value), dtype=aval.dtype).reshape(aval.shape)


# -- calls of NumPy meanings


def describe_call(call: Any, n_in: int, n_out: int) -> tuple:
    """A host call of an operation of jitney's as plain data."""
    if not isinstance(call, HostCall):
        raise NoEncoding("a call of a Python function")
    if call.primitive is not None and not is_native(call.primitive):
        raise NoEncoding(f"the operation {call.primitive} of another library")
    types = [
        tuple((a.shape, plain(a.dtype), a.weak_type) for a in avals)
        for avals in (call.in_avals, call.out_avals)
    ]
    name = None if call.primitive is None else call.primitive.native
    return name, plain(call.params), plain(tuple(call.literals)), *types, n_in, n_out


def restore_call(described: tuple) -> tuple[HostCall, int, int]:
    """The call that ``describe_call`` was given; ``LookupError`` for an operation that is not loaded."""
    name, params, literals, in_types, out_types, n_in, n_out = described
    primitive = None if name is None else natives[name]
    if primitive is not None and not is_native(primitive):
        raise LookupError(name)
    avals = [
        [shaped_array(shape, live(dtype), weak) for shape, dtype, weak in t] for t in (in_types, out_types)
    ]
    return HostCall(primitive, live(params), live(literals), *avals), n_in, n_out


# -- values


def plain(x: Any) -> Any:
    """A value as data of Python's own types: what has another type becomes a tuple of its kind and parts."""
    kind = type(x)
    if kind in _PLAIN:
        return x
    if kind in (tuple, list, frozenset):
        return (kind.__name__, *map(plain, x))
    if kind is dict:
        return ("dict", *(plain(i) for item in x.items() for i in item))
    if isinstance(x, np.dtype):
        return ("dtype", _dtype_name(x))
    if isinstance(x, (np.generic, np.ndarray)) or kind is ArrayImpl:
        return _plain_array(x)
    name = public_name(kind if isinstance(x, tuple) else x)
    if isinstance(x, tuple) and name is not None:
        return ("named", *name, *map(plain, x))
    if name is not None:
        return ("name", *name)
    raise NoEncoding(f"a param of {kind.__module__}.{kind.__qualname__}")


def _plain_array(x: Any) -> tuple:
    value = np.asarray(x)
    scalar = isinstance(x, np.generic)
    if type(x) is ArrayImpl or value.dtype.hasobject:
        raise NoEncoding(f"a param that is an array of {value.dtype}")
    return ("scalar" if scalar else "array", _dtype_name(value.dtype), value.shape, value.tobytes())


def live(x: Any) -> Any:
    """What ``plain`` was given."""
    if type(x) is not tuple:
        return x
    kind, *parts = x
    if kind in ("tuple", "list", "frozenset"):
        return {"tuple": tuple, "list": list, "frozenset": frozenset}[kind](map(live, parts))
    if kind == "dict":
        items = list(map(live, parts))
        return dict(zip(items[::2], items[1::2], strict=True))
    if kind == "dtype":
        return _dtype(parts[0])
    if kind in ("scalar", "array"):
        dtype, shape, data = parts
        array = np.frombuffer(bytearray(data), _dtype(dtype)).reshape(shape)
        return array[()] if kind == "scalar" else array
    found = named(*parts[:2])
    if found is None:
        raise LookupError(parts[1])
    return found if kind == "name" else found(*map(live, parts[2:]))


def _dtype_name(dtype: np.dtype) -> str:
    if dtype.fields is not None or not (is_key(dtype) or dtype.isbuiltin):
        raise NoEncoding(f"arrays of {dtype}")
    return dtype.str if dtype.kind != "V" else dtype.name


def _dtype(name: str) -> np.dtype:
    if name in KEY_DTYPES:
        return KEY_DTYPES[name]
    return extension_types()[name] if name in EXTENSION_NAMES else np.dtype(name)
