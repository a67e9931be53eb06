"""Declarations of C functions: ``"double f(int n, const double x[n])"`` as a :class:`Signature`.  Begin at :func:`parse`.

Types are C's (``double``, ``unsigned int``, ``int64_t``, ``size_t`` ...), NumPy's (``float64``, ``int32``) or those of Cython and
Numba for the same. Arrays are pointers, or have their shapes in brackets: sizes are names of integer parameters, numbers
and what ``+ - * //`` makes of them.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_TYPES: dict[str, str] = {
    "double": "d",
    "float": "f",
    "char": "b",
    "signed char": "b",
    "unsigned char": "B",
    "short": "h",
    "unsigned short": "H",
    "int": "i",
    "signed": "i",
    "signed int": "i",
    "unsigned": "I",
    "unsigned int": "I",
    "long": "l",
    "unsigned long": "L",
    "long long": "q",
    "unsigned long long": "Q",
    "size_t": "uintp",
    "ssize_t": "intp",
    "Py_ssize_t": "intp",
    "ptrdiff_t": "intp",
    "intp": "intp",
    "bool": "?",
    "_Bool": "?",
    "boolean": "?",
    "float complex": "complex64",
    "double complex": "complex128",
    "float _Complex": "complex64",
    "double _Complex": "complex128",
}
for _bits in (8, 16, 32, 64):
    for _name in (f"int{_bits}", f"uint{_bits}"):
        _TYPES[_name] = _TYPES[f"{_name}_t"] = _name
_TYPES |= {"intptr_t": "intp", "uintptr_t": "uintp", "float32": "f", "float64": "d"}
_TYPES |= {name: name for name in ("complex64", "complex128")}

_IGNORED = frozenset(("restrict", "__restrict", "__restrict__", "volatile", "extern", "static", "inline"))
FLAG = "__pyx_skip_dispatch"  # the last parameter of functions that Cython also offers to Python
_PARAM = re.compile(
    r"^(?P<words>[\w\s]*?)(?P<stars>[*\s]*(?:const\b|restrict\b|__restrict\b|[*\s])*)(?P<name>\w+)?\s*(?P<dims>(\[[^\]]*\]\s*)*)$"
)
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


class Param(NamedTuple):
    """One parameter: its type (None: ``void``), whether it is an address, and the shape in brackets if there is one."""

    dtype: np.dtype | None
    name: str = ""
    pointer: bool = False
    const: bool = False
    dims: tuple[str, ...] | None = None


class Signature(NamedTuple):
    """What a C function takes and returns (``result`` None: nothing)."""

    result: np.dtype | None
    params: tuple[Param, ...]
    text: str

    @property
    def elementwise(self) -> bool:
        """Whether numbers come in and a number goes out."""
        return self.result is not None and not any(p.pointer and p.dtype is not None for p in self.params)


def parse(text: str, what: str) -> Signature:
    """The signature that a declaration states; ``ValueError`` if it is none. ``what`` names the function in errors."""
    found = re.fullmatch(r"\s*(?P<head>[^()]*)\((?P<params>.*)\)\s*(noexcept|nogil|\s|;)*", text, re.DOTALL)
    if found is None:
        raise _error(text, what, "it has no list of parameters in parentheses")
    head = _words(found["head"])
    result = _result(head, text, what)
    inside = found["params"].strip()
    pieces = [] if inside in ("", "void") else [p.strip() for p in inside.split(",")]
    params = tuple(_param(p, text, what) for p in pieces)
    for p in params:
        if p.dtype is not None and p.dtype.kind == "c" and not p.pointer:
            raise _error(text, what, "complex numbers are passed by address only")
    return Signature(result, params, text)


def size_of(expression: str, sizes: dict[str, int]) -> int:
    """The value of a size; ``KeyError`` for a name that is not known."""

    def value(node: ast.AST) -> int:
        if isinstance(node, ast.Expression):
            return value(node.body)
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return node.value
        if isinstance(node, ast.Name):
            return sizes[node.id]
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        raise ValueError(expression)

    return value(ast.parse(expression, mode="eval"))


def names_in(expression: str) -> list[str]:
    """The names in a size."""
    return [node.id for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Name)]


def _words(text: str) -> list[str]:
    return [w for w in text.replace("*", " * ").split() if w not in _IGNORED]


def _result(words: Sequence[str], text: str, what: str) -> np.dtype | None:
    words = [w for w in words if w != "const"]
    if "*" in words:
        raise _error(text, what, "it returns an address; results must be numbers or be written to parameters")
    for kept in (len(words), len(words) - 1):  # with or without the function's name
        name = " ".join(words[:kept])
        if name in ("void", "none", ""):
            return None
        if _is_type(name):
            dtype = _dtype(name)
            if dtype.kind == "c":
                raise _error(text, what, "complex numbers are passed by address only")
            return dtype
    raise _error(text, what, f"{' '.join(words)!r} is no type of a result that is known")


def _param(text: str, whole: str, what: str) -> Param:
    found = _PARAM.match(text)
    if found is None:
        raise _error(whole, what, f"the parameter {text!r} is no type with a name")
    words = _words(found["words"])
    const = "const" in words
    words = [w for w in words if w != "const"]
    name = found["name"] or ""
    stars = found["stars"].count("*")
    joined = " ".join(words)
    if not (joined == "void" or _is_type(joined)) or (not stars and _is_type(f"{joined} {name}")):
        joined, name = " ".join([*words, name]), ""  # the last word belongs to the type
    if joined == "const":
        joined = ""
    dims = tuple(d.strip() for d in re.findall(r"\[([^\]]*)\]", found["dims"]))
    if stars > 1 or (stars and dims):
        raise _error(whole, what, f"the parameter {text!r} is an address of addresses")
    for d in dims:
        _check_size(d, text, whole, what)
    if joined == "void":
        if not stars:
            raise _error(whole, what, f"the parameter {text!r} has no type")
        return Param(None, name, True, const)
    if not _is_type(joined):
        raise _error(whole, what, f"{joined!r} is no type that is known")
    return Param(_dtype(joined), name, bool(stars or dims), const, dims or None)


def _check_size(size: str, text: str, whole: str, what: str) -> None:
    try:
        size_of(size, dict.fromkeys(names_in(size), 1))
    except (SyntaxError, ValueError):
        raise _error(whole, what, f"the size [{size}] of {text!r} is no integer expression") from None


def _plain(name: str) -> str:
    for prefix in ("npy_", "__pyx_t_5numpy_", "__pyx_t_", "np."):
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
    return name.replace("double_complex", "double complex").replace("float_complex", "float complex")


def _is_type(name: str) -> bool:
    return _plain(name) in _TYPES or _plain(name).removesuffix("_t") in _TYPES


def _dtype(name: str) -> np.dtype:
    plain = _plain(name)
    return np.dtype(_TYPES.get(plain) or _TYPES[plain.removesuffix("_t")])


def _error(text: str, what: str, why: str) -> ValueError:
    return ValueError(
        f"jitney.foreign: the signature {text!r} of {what} is not understood: {why}. Write it as in C, such as "
        "signature='double f(double x, int n)' or 'void f(int64_t n, const double x[n], double out[n])'."
    )


__all__ = ["FLAG", "Param", "Signature", "names_in", "parse", "size_of"]
