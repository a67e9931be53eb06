"""fingerprint: a program -> bytes that equal programs, and only equal ones, share.  Begin at :func:`encode`.

A program becomes a list of numbers - for each equation the operation, its params, operands and types of results -
and tables of what the numbers stand for, in the order in which it first occurs; programs in params are encoded alone
and stand in tables as their digests.  Two programs with one encoding compile to one code.

Large constants count with their types: code reads them from memory, and no pass looks at the values of a constant of
more than ``VALUE_BYTES`` bytes.  Small ones count with their values.  Names of functions, places in
the user's source, and rules of derivatives and batching do not count.  A program that holds what has no faithful
encoding, such as a user's function, is refused with :class:`NoEncoding`.
"""

from __future__ import annotations

import enum
import struct
import sys
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney._core.avals import ShapedArray
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, Literal, Var
from jitney._core.primitive import Primitive, natives
from jitney._core.trace import ArrayImpl, Tracer

try:
    from _blake2 import blake2b  # hashlib loads OpenSSL, for more than it takes to encode most programs
except ImportError:
    from hashlib import blake2b

DIGEST_BYTES = 20
VALUE_BYTES = 1024
_double = struct.Struct("<d").pack

# Params that code depends on, of operations that have others (rules of the user's, names): see ``inline_calls``.
_MEANING = {
    "jit": ("jaxpr",),
    "custom_jvp_call": ("call_jaxpr", "num_consts"),
    "custom_vjp_call": ("call_jaxpr", "num_consts"),
    "custom_vmap_call": ("call_jaxpr", "num_consts"),
    "remat2": ("jaxpr", "prevent_cse", "differentiated"),
    "reduce": ("jaxpr", "dimensions"),
}


class NoEncoding(Exception):
    """What a program holds that two processes cannot agree on."""


def digest(data: bytes) -> bytes:
    """A short name for ``data`` that other data does not have."""
    return blake2b(data, digest_size=DIGEST_BYTES).digest()


def encode(closed: ClosedJaxpr) -> tuple[bytes, list[Any]]:
    """The encoding of a program, and the constants in it and inside, each once."""
    encoder = Encoder()
    return encoder.program(closed), encoder.consts


class Encoder:
    """Encodes a program and those inside of it."""

    def __init__(self) -> None:
        self.consts: list[Any] = []  # of all programs; an encoding depends on which are the same object
        self._const_numbers: dict[int, int] = {}
        self._programs: dict[int, bytes] = {}
        self._kept: list[Any] = []  # so that the ids above stay their own

    def const(self, value: Any) -> int:
        number = self._const_numbers.get(id(value))
        if number is None:
            if isinstance(value, Tracer):
                raise NoEncoding("a constant that is being traced")
            number = self._const_numbers[id(value)] = len(self.consts)
            self.consts.append(value)
        return number

    def program(self, closed: ClosedJaxpr | Jaxpr) -> bytes:
        """The encoding of one program."""
        found = self._programs.get(id(closed))
        if found is None:
            jaxpr, consts = (
                (closed.jaxpr, closed.consts) if isinstance(closed, ClosedJaxpr) else (closed, None)
            )
            found = self._programs[id(closed)] = _Tables(self).program(jaxpr, consts)
            self._kept.append(closed)
        return found


class _Tables:
    """The numbers of one program and what they stand for."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.primitives: dict[Any, int] = {}
        self.params: dict[bytes, int] = {}
        self.types: dict[Any, int] = {}
        self.type_ids: dict[int, int] = {}
        self.literals: dict[Any, int] = {}

    def program(self, jaxpr: Jaxpr, consts: list[Any] | None) -> bytes:
        out: list[int] = [len(jaxpr.constvars), len(jaxpr.invars), len(jaxpr.outvars), consts is not None]
        numbers: dict[Any, int] = {}
        type_ids, primitives = self.type_ids, self.primitives
        for var, value in zip(jaxpr.constvars, consts or [None] * len(jaxpr.constvars), strict=True):
            numbers[var] = len(numbers)
            out += (self.type(var.aval), *((0, 0) if consts is None else self.constant(value, var.aval)))
        for var in jaxpr.invars:
            numbers[var] = len(numbers)
            out.append(self.type(var.aval))
        append, number_of = out.append, numbers.get
        for eqn in jaxpr.eqns:
            primitive, params, operands, results = eqn.primitive, eqn.params, eqn.invars, eqn.outvars
            number = primitives.get(primitive)
            append(self.primitive(primitive) if number is None else number)
            append(self.parameters(primitive, params) if params else 0)
            append(len(operands))
            for atom in operands:
                number = number_of(atom)
                append(self.literal(atom) if number is None else number)
            append(len(results))
            for var in results:
                numbers[var] = len(numbers)
                aval = var.aval
                number = type_ids.get(id(aval))
                append(self.type(aval) if number is None else number)
                if type(var) is not Var:
                    append(-1)  # nobody reads it, and passes may know that by its class
        for atom in jaxpr.outvars:
            number = number_of(atom)
            append(self.literal(atom) if number is None else number)
        parts = [array("q", out).tobytes(), *self._tables()]
        return b"".join(len(part).to_bytes(8, "little") + part for part in parts)

    def _tables(self) -> list[bytes]:
        types = [(a.shape, a.dtype, a.weak_type) for a in self.types]
        return [
            "\0".join(p.native for p in self.primitives).encode(),
            _joined(list(self.params)),
            "\0".join(f"{shape!r} {_dtype(dtype)} {weak}" for shape, dtype, weak in types).encode(),
            _joined([kind + b" " + value for kind, value, _ in self.literals]),
            array("q", [type_ for _, _, type_ in self.literals]).tobytes(),
        ]

    def type(self, aval: Any) -> int:
        if type(aval) is not ShapedArray:
            raise NoEncoding(f"a value of type {aval}")
        number = self.types.setdefault(aval, len(self.types))
        self.type_ids[id(aval)] = number
        self.encoder._kept.append(aval)
        return number

    def primitive(self, primitive: Any) -> int:
        if not is_native(primitive):
            raise NoEncoding(f"the operation {primitive} of another library")
        return self.primitives.setdefault(primitive, len(self.primitives))

    def constant(self, value: Any, aval: Any) -> tuple[int, int]:
        """The number of a constant, and of its value if that counts."""
        number = self.encoder.const(value)
        if aval.ndim and aval.nbytes > VALUE_BYTES:
            return number, 0
        return number, self._number_of_literal(b"const", array_bytes(value), aval)

    def literal(self, atom: Any) -> int:
        if type(atom) is not Literal:
            raise NoEncoding("a variable that nothing defines")
        value = atom.val
        kind = type(value)
        if kind is float:
            return self._number_of_literal(b"f", _double(value), atom.aval)
        if kind is int or kind is bool:
            return self._number_of_literal(b"i" if kind is int else b"b", repr(value).encode(), atom.aval)
        return self._number_of_literal(b"v", self.value(value), atom.aval)

    def _number_of_literal(self, kind: bytes, value: bytes, aval: Any) -> int:
        key = kind, value, self.type(aval)
        return -2 - self.literals.setdefault(key, len(self.literals))

    def parameters(self, primitive: Any, params: dict[str, Any]) -> int:
        """The number of these params, from 1 on."""
        wanted = _MEANING.get(primitive.name)
        if wanted is not None:
            if wanted[0] not in params:
                raise NoEncoding(f"a call of {primitive} without its program")
            params = {name: params[name] for name in wanted if name in params}
        value = self.value
        text = _joined([name.encode() + b"=" + value(x) for name, x in params.items()])
        return self.params.setdefault(text, len(self.params) + 1)

    def value(self, x: Any) -> bytes:
        """One param; the first letters tell the kinds apart."""
        kind = type(x)
        if kind is int or kind is bool or x is None or kind is str or x is Ellipsis:
            return repr(x).encode()
        if kind is tuple or kind is list:
            if all([type(i) is int for i in x]):
                return repr(x).encode()
            return _joined([b"tuple" if kind is tuple else b"list", *map(self.value, x)])
        encoded = _ENCODERS.get(kind)
        if encoded is not None:
            return encoded(x)
        return self._other_value(x)

    def _other_value(self, x: Any) -> bytes:
        """What is rare among params."""
        kind = type(x)
        if isinstance(x, (ClosedJaxpr, Jaxpr)):
            return self._program_value(x)
        if isinstance(x, np.dtype):
            return b"dtype " + _dtype(x).encode()
        if isinstance(x, np.generic):
            return b"scalar " + array_bytes(x)
        if kind is np.ndarray or kind is ArrayImpl:
            return b"array " + array_bytes(x)
        if kind is dict:
            return _joined([b"dict", *(self.value(i) for item in x.items() for i in item)])
        if kind is frozenset or kind is set:
            return _joined([b"set", *sorted(map(self.value, x))])
        if kind is slice:
            return _joined([b"slice", self.value((x.start, x.stop, x.step))])
        if isinstance(x, tuple) and hasattr(kind, "_fields"):
            return _joined([b"named", self.value(kind), *map(self.value, x)])
        if isinstance(x, enum.Enum):
            return _joined([b"enum", self.value(kind), x.name.encode()])
        if isinstance(x, Primitive) and is_native(x):
            return b"primitive " + x.native.encode()
        name = public_name(x)
        if name is not None:
            return f"name {name[0]}:{name[1]}".encode()
        raise NoEncoding(f"a param of {kind.__module__}.{kind.__qualname__}")

    def _program_value(self, program: ClosedJaxpr | Jaxpr) -> bytes:
        """A program by its digest; its constants have been numbered in the order of the whole."""
        return b"program " + digest(self.encoder.program(program))


def is_native(primitive: Any) -> bool:
    """Whether the operation, with all of its rules, is jitney's own."""
    return isinstance(primitive, Primitive) and natives.get(primitive.native or "") is primitive


def public_name(x: Any) -> tuple[str, str] | None:
    """Module and name of a class, function or constant of jitney's or NumPy's that is found by them."""
    module, name = getattr(x, "__module__", None), getattr(x, "__qualname__", None)
    if name is None and "__reduce__" in vars(type(x)):  # a constant that is pickled by its name
        name = x.__reduce__()
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    if module.split(".")[0] not in ("jitney", "numpy", "builtins"):
        return None
    return (module, name) if named(module, name) is x else None


def named(module: str, name: str) -> Any:
    """What has this name; None if nothing."""
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _joined(parts: list[bytes]) -> bytes:
    """Parts one can tell apart again."""
    return b"".join([b"%d:%b" % (len(part), part) for part in parts])


def _dtype(dtype: np.dtype) -> str:
    if dtype.fields is not None:
        raise NoEncoding(f"arrays of {dtype}")
    return f"{dtype.str}/{dtype.name}"


def array_bytes(x: Any) -> bytes:
    value = np.asarray(x)
    if value.dtype.hasobject:
        raise NoEncoding("an array of Python objects")
    return f"{_dtype(value.dtype)} {value.shape!r} ".encode() + np.ascontiguousarray(value).tobytes()


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    float: lambda x: b"float " + _double(x),
    complex: lambda x: b"complex " + _double(x.real) + _double(x.imag),
    bytes: lambda x: b"bytes " + x,
}

__all__ = [
    "VALUE_BYTES",
    "DIGEST_BYTES",
    "Encoder",
    "NoEncoding",
    "array_bytes",
    "digest",
    "encode",
    "is_native",
    "named",
    "public_name",
]
