"""When a program made of a user's function may serve again: what the function reads besides its arguments.

``jit`` reads globals and closures once, when it traces. Functions that are called as SciPy's and emcee's are, with a Python
function to be compiled behind the scenes, must not: a data set that was exchanged between two calls has to count. Begin
at :class:`Programs`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import sysconfig
import types
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._base.config import config
from jitney._base.sources import PACKAGE_DIR
from jitney._core import tree
from jitney._core.trace import ArrayImpl, get_aval, is_array_like

_SCALARS = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))
_MOST_BYTES = 1 << 20  # of arrays that are compared by content
_DEPTH = 12  # of containers and of functions that call functions
_INSTALLED = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")} | {PACKAGE_DIR}
)


class _Unknown(Exception):
    """Something that may change without notice."""


class _Same:
    """An object that equals itself only; kept alive, so that its identity stays its own."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return type(other) is _Same and other.value is self.value


def reads(fun: Any) -> Hashable | None:
    """What ``fun`` is and reads, as a key: equal keys, equal programs. None where that cannot be told.

    Functions count with their code, defaults, closures and the globals that they name, and so do functions among these;
    arrays count with their contents.
    """
    try:
        return _of(fun, _DEPTH, [])
    except (_Unknown, RecursionError):
        return None


def _of(x: Any, depth: int, on_the_way: list[int]) -> Hashable:
    kind = type(x)
    if kind in _SCALARS:
        return kind, repr(x) if kind in (float, complex) else x  # 0.0 is not -0.0
    if isinstance(x, (ArrayImpl, np.dtype, type, types.ModuleType, types.BuiltinFunctionType, np.ufunc)):
        return _Same(x)
    if isinstance(x, (np.ndarray, np.generic)):
        return _of_array(x)
    if id(x) in on_the_way:  # a function that calls itself
        return "again", on_the_way.index(id(x))
    if depth == 0:
        raise _Unknown
    on_the_way = [*on_the_way, id(x)]
    into = lambda y: _of(y, depth - 1, on_the_way)  # noqa: E731
    if kind is types.FunctionType:
        return _of_function(x, into)
    if kind is types.MethodType:
        return "method", into(x.__func__), into(x.__self__)
    if kind is functools.partial:
        return kind, into(x.func), into(x.args), into(x.keywords)
    if kind in (tuple, list) or isinstance(x, tuple):
        return kind, tuple([into(y) for y in x])
    if kind is dict:
        return kind, tuple([(into(k), into(v)) for k, v in x.items()])
    if callable(x) and hasattr(x, "__wrapped__"):  # what jit, vmap and others return
        return _Same(x), into(x.__wrapped__)
    if dataclasses.is_dataclass(x) and kind.__dataclass_params__.frozen:
        return kind, tuple([into(getattr(x, field.name)) for field in dataclasses.fields(x)])
    if hasattr(x, "__dict__") and not hasattr(x, "__array__"):
        return kind, _Same(x), into(vars(x)), into(kind.__call__) if callable(x) else None
    raise _Unknown


def _of_array(x: Any) -> Hashable:
    if x.nbytes > _MOST_BYTES or x.dtype.hasobject:
        raise _Unknown
    return x.shape, x.dtype, hashlib.blake2b(np.ascontiguousarray(x).data, digest_size=16).digest()


def _of_function(fun: types.FunctionType, into: Callable[[Any], Hashable]) -> Hashable:
    code = fun.__code__
    if code.co_filename.startswith(_INSTALLED):
        return _Same(fun)
    cells = fun.__closure__ or ()
    try:
        closure = [into(cell.cell_contents) for cell in cells]
    except ValueError:  # a variable without a value yet
        raise _Unknown from None
    found: list[Hashable] = []
    for name in sorted(set(_names(code))):
        if name not in fun.__globals__:
            continue
        value = fun.__globals__[name]
        found.append((name, into(value)))
        if isinstance(value, types.ModuleType) and not _installed(value):
            found += [(name, n, into(vars(value)[n])) for n in sorted(set(_names(code))) if n in vars(value)]
    return code, tuple(closure), tuple(found), into(fun.__defaults__), into(fun.__kwdefaults__)


def _installed(module: types.ModuleType) -> bool:
    return (getattr(module, "__file__", None) or PACKAGE_DIR).startswith(_INSTALLED)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from _names(const)


class Operands:
    """Further arguments of a user's function: arrays become ``leaves`` of a program, all else is part of its ``key``.

    Integers stay what they are: they are lengths and choices more often than data.
    """

    def __init__(self, values: Any) -> None:
        flat, in_tree = tree.flatten(values)
        places = [n for n, x in enumerate(flat) if _is_data(x)]
        rest = [None if _is_data(x) else x for x in flat]
        self.leaves = [flat[n] for n in places]
        self._key = (rest, in_tree, tuple(places))

        def rebuilt(leaves: Sequence[Any]) -> Any:
            whole = list(rest)
            for place, leaf in zip(places, leaves, strict=True):
                whole[place] = leaf
            return tree.unflatten(in_tree, whole)

        #: what was given, with other leaves in the places of the arrays; programs keep it, and not the arrays
        self.values = rebuilt

    @property
    def key(self) -> Hashable | None:
        rest = reads(self._key[0])
        return None if rest is None else (rest, *self._key[1:])


def _is_data(x: Any) -> bool:
    if type(x) in (float, complex):
        return True
    if isinstance(x, (np.ndarray, np.generic)):
        return dtypes.is_supported(x.dtype)
    return not isinstance(x, (bool, int)) and is_array_like(x)


class Programs:
    """Compiled programs of users' functions, the latest of them: ``programs.get(key, make)``."""

    def __init__(self, most: int = 64) -> None:
        self._made: OrderedDict[Hashable, Any] = OrderedDict()
        self._most = most

    def get(self, parts: Sequence[Hashable | None], make: Callable[[], Any]) -> Any:
        """What ``make()`` returned for equal ``parts``; made anew where one of them is None (unknown)."""
        if any(part is None for part in parts):
            return make()
        key = (*parts, config.trace_key)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = make()
            while len(self._made) > self._most:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(key)
        return found

    def clear(self) -> None:
        self._made.clear()


def signature(values: Sequence[Any]) -> Hashable:
    """Shapes and dtypes."""
    return tuple([get_aval(x) for x in values])
