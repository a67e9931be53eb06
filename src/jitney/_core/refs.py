"""Mutable references to arrays, which programs know nothing of.

A ``Ref`` holds the current value: a write computes the next value and keeps that, so that programs stay pure and every
transformation works.  Where a function is staged (``jit``, ``scan``, ``while``, ``cond``), the references that it uses
from outside become further inputs and results of its program:

    r[0] = x   in a scan's body   ->   a further carry   value' = scatter value 0 x

which compiled loops update in place.  ``find`` says which references a function uses; ``Held.bound`` stands for them
while it is traced.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from jitney import _ext
from jitney._core.avals import ShapedArray
from jitney._core.primitive import registry
from jitney._core.trace import ArrayImpl, Tracer, current_trace, get_aval, is_array_like, to_numpy


class AbstractRef:
    """The type of a reference: that of its array."""

    __slots__ = ("inner_aval",)

    def __init__(self, inner_aval: ShapedArray) -> None:
        self.inner_aval = inner_aval

    @property
    def shape(self) -> tuple[int, ...]:
        return self.inner_aval.shape

    @property
    def dtype(self) -> np.dtype:
        return self.inner_aval.dtype

    def str_short(self, short_dtypes: bool = True) -> str:
        return f"Ref{{{self.inner_aval.str_short(short_dtypes)}}}"

    def __eq__(self, other: object) -> bool:
        return type(other) is AbstractRef and self.inner_aval == other.inner_aval

    def __hash__(self) -> int:
        return hash((AbstractRef, self.inner_aval))

    def __repr__(self) -> str:
        return f"Ref{{{self.inner_aval.dtype.name}{list(self.shape)}}}".replace(" ", "")


class _State(threading.local):
    def __init__(self) -> None:
        self.searches: list[
            dict[int, tuple[Ref, Any]]
        ] = []  # references found so far, with their values before


_state = _State()
_alive = 0


def in_use() -> bool:
    """Whether there is any reference, so that functions must be searched for them."""
    return _alive > 0


class Ref:
    """A mutable reference to an array, made by ``jitney.new_ref``.

    ``ref[index]`` reads, ``ref[index] = value`` writes, ``ref.at[index]`` is a reference to a part.
    """

    __slots__ = ("__weakref__", "_depth", "_home", "_value")

    def __init__(self, value: Any) -> None:
        global _alive
        _alive += 1
        self._value = value
        self._home = current_trace()  # whose values it holds
        self._depth = len(_state.searches)  # searches below this one are of functions around

    def __del__(self) -> None:
        global _alive
        _alive -= 1

    @property
    def aval(self) -> AbstractRef:
        return AbstractRef(get_aval(self._value))

    @property
    def shape(self) -> tuple[int, ...]:
        return get_aval(self._value).shape

    @property
    def dtype(self) -> np.dtype:
        return get_aval(self._value).dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return get_aval(self._value).size

    @property
    def at(self) -> _At:
        """``ref.at[index]``: a reference to a part."""
        return _At(self, ())

    def addupdate(self, x: Any, idx: Any = ()) -> None:
        """``ref[idx] += x``."""
        addupdate(self, idx, x)

    @property
    def sharding(self) -> Any:
        """Where it lies."""
        return self._value.sharding

    @property
    def format(self) -> Any:
        """How it lies in memory."""
        return self._value.format

    @property
    def committed(self) -> bool:
        return True

    def read(self) -> Any:
        """The current value."""
        self._found()
        return self._value

    def write(self, value: Any) -> None:
        """Replace the value."""
        self._found()
        if isinstance(value, Tracer) and len(_state.searches) == self._depth:
            self._check_trace(value)
        self._value = value

    def _found(self) -> None:
        for search in _state.searches[self._depth :]:
            search.setdefault(id(self), (self, self._value))

    def _check_trace(self, value: Tracer) -> None:
        """The value must not belong to a transformation that began after the reference was made."""
        trace = current_trace()
        while trace is not None and trace is not self._home:
            if value._trace is trace:
                raise ValueError(
                    f"A value of a transformed function ({type(value).__name__}) cannot be written to a reference from outside "
                    f"({self.aval.str_short()}). Make the reference inside of the function, or pass it values that are not "
                    "transformed (lax.stop_gradient under derivatives, unmapped values under vmap)."
                )
            trace = getattr(trace, "parent", None)

    def __getitem__(self, index: Any) -> Any:
        return get(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        put(self, index, value)

    def __len__(self) -> int:
        return len(get_aval(self._value))

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        if isinstance(self._value, ArrayImpl):
            return repr(self._value).replace("Array", "Ref", 1)
        return self.aval.str_short()


Ref.__module__ = "jitney"


class _At:
    __slots__ = ("indices", "ref")

    def __init__(self, ref: Ref, indices: tuple) -> None:
        self.ref, self.indices = ref, indices

    def __getitem__(self, index: Any) -> Part:
        return Part(self.ref, (*self.indices, index))


class Part:
    """A part of a reference, at indices applied one after the other."""

    __slots__ = ("indices", "ref")

    def __init__(self, ref: Ref, indices: tuple) -> None:
        self.ref, self.indices = ref, indices

    @property
    def at(self) -> _At:
        return _At(self.ref, self.indices)

    @property
    def shape(self) -> tuple[int, ...]:
        return get_aval(get(self)).shape

    @property
    def dtype(self) -> np.dtype:
        return self.ref.dtype

    def __getitem__(self, index: Any) -> Any:
        return get(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        put(self, index, value)

    def __repr__(self) -> str:
        return f"{self.ref.aval.str_short()}" + "".join(f".at[{i}]" for i in self.indices)


# -- reading and writing ------------------------------------------------------------------------------


def new_ref(init_val: Any) -> Ref:
    """A reference whose first value is ``init_val``."""
    return Ref(as_array_value(init_val, "new_ref"))


def get(ref: Ref | Part, index: Any = ...) -> Any:
    """The array, or a part of it."""
    value, indices = _resolve(ref, index, "get")
    for i in indices:
        value = value if i is Ellipsis else value[_checked_index(i, value)]
    return value


def put(ref: Ref | Part, index: Any, value: Any) -> None:
    """Write ``value`` to a part."""
    _update(ref, index, value, "set", "swap")


def swap(ref: Ref | Part, index: Any, value: Any) -> Any:
    """Write ``value`` to a part; the part's value before."""
    old = get(ref, index)
    put(ref, index, value)
    return old


def addupdate(ref: Ref | Part, index: Any, value: Any) -> None:
    """Add ``value`` to a part."""
    _update(ref, index, value, "add", "addupdate")


def _update(ref: Ref | Part, index: Any, value: Any, method: str, what: str) -> None:
    whole, indices = _resolve(ref, index, what)
    new = as_array_value(value, what)
    steps = [whole]
    for i in indices[:-1]:
        steps.append(steps[-1][_checked_index(i, steps[-1])])
    last = steps[-1]
    _check_fits(
        _part_shape(_checked_index(indices[-1], last), last), get_aval(last).dtype, get_aval(new), what
    )
    for old, i in zip(reversed(steps), reversed(indices), strict=True):
        new = new if i is Ellipsis and method == "set" else getattr(old.at[i], method)(new)
        method = "set"
    (ref.ref if isinstance(ref, Part) else ref).write(new)


def _part_shape(index: Any, value: Any) -> tuple[int, ...]:
    """The shape of ``value[index]``, without reading it: traced integers count as zeros."""
    if index is Ellipsis:
        return get_aval(value).shape
    parts = index if isinstance(index, tuple) else (index,)
    known = tuple([np.zeros(p.shape, int) if isinstance(p, Tracer) and p.dtype != bool else p for p in parts])
    if any(isinstance(p, Tracer) for p in known):
        return get_aval(value[index]).shape  # raises: the shape depends on a traced mask
    known = tuple([p._np if isinstance(p, ArrayImpl) else p for p in known])
    return np.broadcast_to(np.zeros((), bool), get_aval(value).shape)[known].shape


def _resolve(ref: Any, index: Any, what: str) -> tuple[Any, tuple]:
    if not isinstance(ref, (Ref, Part)):
        raise TypeError(f"ref.{what} must be called on a Ref, got {ref!r} of type {type(ref).__name__}.")
    index = ... if index is None else index
    return (ref.ref.read(), (*ref.indices, index)) if isinstance(ref, Part) else (ref.read(), (index,))


def as_array_value(x: Any, what: str) -> Any:
    """An array of a strong type."""
    if isinstance(x, (Ref, Part)) or not is_array_like(x):
        kind = type(x).__name__
        raise TypeError(
            f"{what}: Argument {x!r} of type {kind} is not a valid JAX type: a reference holds an array."
        )
    aval = get_aval(x)
    if isinstance(x, Tracer):
        if not aval.weak_type:
            return x
        convert = registry["convert_element_type"].bind
        return convert(x, new_dtype=aval.dtype, weak_type=False)
    if type(x) is ArrayImpl and not aval.weak_type:
        return x
    return _ext.wrap(np.array(to_numpy(x), aval.dtype), False)


def _checked_index(index: Any, value: Any) -> Any:
    """Integers known now must be in bounds."""
    shape = get_aval(value).shape
    parts = index if isinstance(index, tuple) else (index,)
    if Ellipsis not in [p for p in parts if p is Ellipsis]:
        for part, size in zip(parts, shape, strict=False):
            if isinstance(part, (bool, Tracer)) or not isinstance(part, (int, np.integer)):
                if part is None or isinstance(part, bool):
                    break
                continue
            if not -size <= operator.index(part) < size:
                raise ValueError(f"Out of bound indexer: idx={part}, dim={size}.")
    return index


def _check_fits(shape: tuple[int, ...], dtype: np.dtype, value: ShapedArray, what: str) -> None:
    if shape != value.shape:
        raise ValueError(
            f"Invalid shape for `{what}`. Expected shape: {shape}. Value shape: {value.shape}. Broadcast the value "
            "(jnp.broadcast_to, jnp.full) to the part that is written."
        )
    if dtype != value.dtype:
        raise ValueError(
            f"Invalid dtype for `{what}`. Ref dtype: {dtype}. Value dtype: {value.dtype}. Convert the value with "
            f".astype({dtype.name!r})."
        )


# -- functions that use references --------------------------------------------------------------------


@contextmanager
def search() -> Iterator[dict[int, tuple[Ref, Any]]]:
    """Collects the references from outside that are used; their values are put back at the end."""
    found: dict[int, tuple[Ref, Any]] = {}
    _state.searches.append(found)
    try:
        yield found
    finally:
        _state.searches.pop()
        for ref, value in found.values():
            ref._value = value


def find(call: Callable[[], Any]) -> Held:
    """The references from outside that ``call`` uses."""
    with search() as found:
        call()
    return Held([ref for ref, _ in found.values()])


class Held:
    """References that a staged function uses."""

    __slots__ = ("refs",)

    def __init__(self, refs: Sequence[Ref]) -> None:
        self.refs = list(refs)

    def __bool__(self) -> bool:
        return bool(self.refs)

    def values(self) -> list[Any]:
        """The current values."""
        return [ref.read() for ref in self.refs]

    def assign(self, values: Sequence[Any]) -> None:
        for ref, value in zip(self.refs, values, strict=True):
            ref.write(value)

    @contextmanager
    def bound(self, values: Sequence[Any]) -> Iterator[None]:
        """The references hold ``values``, inputs of the current trace; afterwards what they held before."""
        before = [(ref._value, ref._home, ref._depth) for ref in self.refs]
        for ref, value in zip(self.refs, values, strict=True):
            ref._value, ref._home, ref._depth = value, current_trace(), len(_state.searches)
        try:
            yield
        finally:
            for ref, (value, home, depth) in zip(self.refs, before, strict=True):
                ref._value, ref._home, ref._depth = value, home, depth


def check_no_refs(leaves: Sequence[Any], what: str, names: Callable[[int], str]) -> None:
    """References cannot leave a staged function: nobody could tell which one came out."""
    for number, leaf in enumerate(leaves):
        if isinstance(leaf, (Ref, Part)):
            raise ValueError(
                f"{what} returned a mutable array reference of type {leaf.aval if isinstance(leaf, Ref) else leaf}"
                f"{names(number)}, but mutable array references cannot be returned. Return its value, ref[...]."
            )
