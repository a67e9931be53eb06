"""How functions travel to other processes: by name, or as the transformation that made them and its arguments.

``pickle`` finds a function by its name; functions without one that other processes can find (lambdas, those of a notebook)
go through cloudpickle where it is installed. Begin at :func:`reduce`, which the extension's functions call, and
:func:`remade`, which transformations wear.
"""

from __future__ import annotations

import functools
import importlib
import pickle
import sys
import threading
import types
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from jitney import _ext

F = TypeVar("F", bound=Callable[..., Any])
Place = tuple[str, str]  # a module, and a name in it


def remade(transformation: F) -> F:
    """``transformation`` with a memory: functions that it returns know how they were made."""
    place = (transformation.__module__, transformation.__qualname__)

    @functools.wraps(transformation)
    def make(*args: Any, **kwargs: Any) -> Any:
        made = transformation(*args, **kwargs)
        if type(made) in (_ext.Boundary, _ext.JitFunction):
            vars(made)["_made"] = (place, args, kwargs)
        return made

    public: Any = _ext.Boundary(make)  # no frames of ours where the transformation refuses its arguments
    public.__wrapped__ = transformation
    return public  # type: ignore[no-any-return]


# -- names ----------------------------------------------------------------------------------------------


def find(module: str, name: str) -> Any:
    """The object of that name."""
    found = sys.modules.get(module) or importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _place(thing: Any) -> Place | None:
    """Where ``thing`` can be found by name: under its own, or under another one of its module."""
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    if module is None:
        return None
    name = getattr(thing, "__qualname__", None) or ""
    try:
        if find(module.__name__, name) is thing:
            return module.__name__, name
    except AttributeError:
        pass
    names = [name for name, value in list(vars(module).items()) if value is thing]
    return (module.__name__, names[0]) if names else None


def _pickler_by_value() -> Any:
    """The module of the pickler at work if that pickles functions by their code, as cloudpickle does; None for others."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.rpartition(".")[2] in ("cloudpickle", "cloudpickle_fast") or name == "dill._dill":
            return sys.modules[name]
        if name not in (__name__, "pickle"):
            return None
        frame = frame.f_back
    return None


# -- sending ----------------------------------------------------------------------------------------------


class _State(threading.local):
    """What is on the way: functions that this thread is pickling, those that it is making of what it received."""

    def __init__(self) -> None:
        self.sending: list[Any] = []
        self.bound: list[bool] = []  # whether each refers to one that is further out
        self.receiving: list[_Later] = []


_state = _State()


def reduce(function: Any) -> tuple:
    """``__reduce__`` of functions that transformations return."""
    place, by_value = _place(function), _pickler_by_value()
    if place is not None and (place[0] != "__main__" or by_value is None):
        return find, place
    made = vars(function).get("_made")
    if made is None:
        if place is not None:
            return find, place
        raise pickle.PicklingError(
            f"Can't pickle {function!r}: no module has it under a name. Define it at the top of a module."
        )
    for number, outer in enumerate(_state.sending):
        if outer is function:  # its code refers to it
            _state.bound[number + 1 :] = [True] * (len(_state.bound) - number - 1)
            return _later, (number,)
    _state.sending.append(function)
    _state.bound.append(False)
    try:
        data = _dumps(made[1:], by_value, function)
    finally:
        _state.sending.pop()
        bound = _state.bound.pop()
    return receive, (made[0], data, not bound)


def reduce_object(self: Any, protocol: Any = 2) -> Any:
    """``__reduce_ex__`` of objects that stand for a function: by name as functions are, else by their attributes."""
    place = _place(self)
    if place is not None and (place[0] != "__main__" or _pickler_by_value() is None):
        return find, place
    return object.__reduce_ex__(self, protocol)


def _dumps(parts: tuple, by_value: Any, function: Any) -> bytes:
    if by_value is not None:
        return by_value.dumps(parts)
    try:
        return pickle.dumps(parts, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        why = error
    by_value = _cloudpickle()
    if by_value is None:
        raise pickle.PicklingError(
            f"Can't pickle {function!r}: {why}. Plain pickle finds functions by their names in modules: define this one at the "
            "top of a module, or install cloudpickle, which takes lambdas and functions within functions as well."
        )
    return by_value.dumps(parts)


def _cloudpickle() -> Any:
    try:
        return importlib.import_module("cloudpickle")
    except ImportError:
        return sys.modules.get("joblib.externals.cloudpickle")


# -- receiving --------------------------------------------------------------------------------------------


class _Later:
    """A function that refers to itself, until it is made."""

    function: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


_MOST = 128
_received: OrderedDict[bytes, Any] = OrderedDict()


def receive(place: Place, data: bytes, alone: bool) -> Any:
    """The function that the transformation at ``place`` makes of the arguments in ``data``.

    A compiled function that comes again, as with each task of a pool, is the one that came before, with its programs.
    """
    from hashlib import blake2b

    key = blake2b(repr(place).encode() + data, digest_size=16).digest()
    found = _received.get(key) if alone else None
    if found is not None:
        return found
    later = _Later()
    _state.receiving.append(later)
    try:
        args, kwargs = pickle.loads(data)
        made = later.function = find(*place)(*args, **kwargs)
    finally:
        _state.receiving.pop()
    if alone and type(made) is _ext.JitFunction:
        _received[key] = made
        while len(_received) > _MOST:
            _received.popitem(last=False)
    return made


def _later(number: int) -> Any:
    return _state.receiving[number]


_ext.register_hook("reduce", reduce)
