"""When a program made of a user's function may serve again: what the function reads besides its arguments.

``jit`` reads globals and closures once, when it traces. Functions that are called as SciPy's and emcee's are, with a Python
function to be compiled behind the scenes, must not: a data set that was exchanged between two calls has to count. Begin
at :class:`Programs`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import sys
import sysconfig
import threading
import types
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._base.config import config
from jitney._base.sources import PACKAGE_DIR
from jitney._core import tree
from jitney._core.trace import ArrayImpl, is_array_like

_SCALARS = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))
_THEMSELVES = (ArrayImpl, np.dtype, np.ufunc, types.BuiltinFunctionType)  # do not change
_MOST_BYTES = 1 << 20  # of an array that is compared by content
_MOST_PARTS = 2000
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
    objects with their attributes and their classes' methods; arrays with their contents. What is installed (not the user's
    own files) is taken not to change.
    """
    try:
        return _Reader().of(fun)
    except (_Unknown, RecursionError):
        return None


class _Plain:
    """An object whose attributes are all there is to it."""


class _Reader:
    """One walk through what a function reads; things that are met again are named by their number."""

    def __init__(self) -> None:
        self.met: dict[int, int] = {}
        self.alive: list[Any] = []  # so that no number names two things

    def of(self, x: Any) -> Hashable:
        kind = type(x)
        if kind in _SCALARS:
            return kind, repr(x) if kind in (float, complex) else x  # 0.0 is not -0.0
        if isinstance(x, _THEMSELVES):
            return _Same(x)
        number = self.met.get(id(x))
        if number is not None:
            return "again", number
        if len(self.met) > _MOST_PARTS:
            raise _Unknown
        self.met[id(x)] = len(self.met)
        self.alive.append(x)
        return self.parts(x, kind)

    def all(self, xs: Iterable[Any]) -> tuple[Hashable, ...]:
        return tuple([self.of(x) for x in xs])

    def parts(self, x: Any, kind: type) -> Hashable:
        if isinstance(x, (np.ndarray, np.generic)):
            return _contents(x)
        if kind is types.FunctionType:
            return self.function(x)
        if kind is types.MethodType:
            return "method", self.of(x.__func__), self.of(x.__self__)
        if kind is functools.partial:
            return kind, self.all((x.func, x.args, x.keywords))
        if isinstance(x, types.ModuleType):
            return _Same(x)
        if isinstance(x, type):
            return self.type(x)
        if kind in (tuple, list) or isinstance(x, tuple):
            return self.of(kind), self.all(x)
        if kind is dict:
            return kind, self.all(x), self.all(x.values())
        if callable(x) and hasattr(x, "__wrapped__"):  # what jit, vmap and others return
            return _Same(x), self.of(x.__wrapped__)
        if dataclasses.is_dataclass(x) and kind.__dataclass_params__.frozen:
            return self.of(kind), self.all(getattr(x, field.name) for field in dataclasses.fields(x))
        if kind.__basicsize__ == _Plain.__basicsize__ and hasattr(x, "__dict__"):
            return _Same(x), self.of(kind), self.of(vars(x))
        raise _Unknown

    def function(self, fun: types.FunctionType) -> Hashable:
        code = fun.__code__
        try:
            closure = self.all(cell.cell_contents for cell in fun.__closure__ or ())
        except ValueError:  # a variable without a value yet
            raise _Unknown from None
        if code.co_filename.startswith(_INSTALLED):
            return _Same(fun), closure
        found: list[Hashable] = []
        names = sorted(set(_names(code)))
        for name in names:
            if name in fun.__globals__:
                value = fun.__globals__[name]
                found.append((name, self.of(value)))
                if isinstance(value, types.ModuleType) and not _installed(value):
                    found += [(n, self.of(vars(value)[n])) for n in names if n in vars(value)]
        return code, closure, tuple(found), self.of(fun.__defaults__), self.of(fun.__kwdefaults__)

    def type(self, cls: type) -> Hashable:
        """The class, and what stands in it if the user wrote it."""
        found: list[Hashable] = [_Same(cls)]
        module = sys.modules.get(cls.__module__)
        if module is not None and _installed(module):
            return found[0]
        for name, value in vars(cls).items():
            if isinstance(value, property):
                found.append((name, self.all((value.fget, value.fset))))
            elif isinstance(value, (staticmethod, classmethod)):
                found.append((name, self.of(value.__func__)))
            elif isinstance(value, types.FunctionType):
                file = value.__code__.co_filename
                by_dataclass = file == "<string>" and name.startswith("__")
                if not by_dataclass and not file.startswith(_INSTALLED):
                    found.append((name, self.of(value)))
            elif not name.startswith(("__", "_abc_impl")):
                found.append((name, self.of(value)))
        return (*found, self.all(cls.__bases__))


def _contents(x: Any) -> Hashable:
    if x.nbytes > _MOST_BYTES or x.dtype.hasobject:
        raise _Unknown
    return x.shape, x.dtype, hashlib.blake2b(np.ascontiguousarray(x).data, digest_size=16).digest()


def _installed(module: types.ModuleType) -> bool:
    if module.__name__ == "__main__":  # of a session, whichever program began it
        return False
    file = getattr(module, "__file__", None)
    return module.__name__ in sys.stdlib_module_names if file is None else file.startswith(_INSTALLED)


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
        rest = reads(self._key[0]) if any(x is not None for x in self._key[0]) else ()
        return None if rest is None else (rest, *self._key[1:])


def _is_data(x: Any) -> bool:
    if type(x) in (float, complex):
        return True
    if isinstance(x, (bool, int, np.integer, np.bool_)):
        return False
    return dtypes.is_supported(x.dtype) if isinstance(x, (np.ndarray, np.generic)) else is_array_like(x)


class Programs:
    """Compiled programs of users' functions, the latest of them: ``programs.get(key, make)``."""

    def __init__(self, most: int = 64) -> None:
        self._made: OrderedDict[Hashable, Any] = OrderedDict()
        self._most = most
        self._lock = threading.Lock()

    def get(self, parts: Sequence[Hashable | None], make: Callable[[], Any]) -> Any:
        """What ``make()`` returned for equal ``parts``; made anew where one of them is None (unknown)."""
        if any(part is None for part in parts):
            return make()
        key = (*parts, config.trace_key)
        with self._lock:
            found = self._made.get(key)
            if found is None:
                found = self._made[key] = make()
                if len(self._made) > self._most:
                    self._made.popitem(last=False)
            else:
                self._made.move_to_end(key)
            return found
