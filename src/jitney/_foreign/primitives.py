"""The primitives behind foreign functions: ``foreign_map`` (C functions of numbers) and ``foreign_call`` (of arrays).

    b = foreign_map[function=j0] a                     elementwise: a call for each element, in fused native loops
    b c = foreign_call[function=f results=(..)] a      a call on whole arrays, of C or Python

They have no derivatives: those stand in a ``custom_jvp`` around them (``functions.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from jitney import _ext
from jitney._control.callbacks import _one_by_one
from jitney._control.jit import native
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.staging import stage
from jitney._core.trace import get_aval, to_numpy
from jitney._kernel.foreign import CFunction
from jitney._kernel.rules import Map, Routine, RoutineCall
from jitney._ops import raw
from jitney._ops.families import broadcast, elementwise_batch
from jitney._transforms.batching import place_axis


class ArrayFunction(Protocol):
    """What ``foreign_call`` calls: equal if a call of one is a call of the other."""

    name: str
    vectorized: bool  # a batch along the leading axes of all arguments is one call

    def run(self, args: Sequence[np.ndarray], results: Sequence[ShapedArray]) -> list[np.ndarray]:
        """The results of one call."""
        ...

    def plan(self, avals: Sequence[ShapedArray], results: Sequence[ShapedArray]) -> RoutineCall | None:
        """How compiled code calls it; None: through Python."""
        ...


def _no_transpose(name: str) -> NotImplementedError:
    return NotImplementedError(
        f"reverse-mode differentiation asks for the transpose of the foreign function {name!r}, which was called with tangents "
        "inside of a derivative rule: pass vjp=... beside jvp=..., or the foreign function itself as jvp=."
    )


# -- foreign_map ------------------------------------------------------------------------------------

_NO_DERIVATIVE = "the derivative of a foreign function is a rule around its call, which Taylor series do not see; nest jitney.jvp"

foreign_map_p = Primitive("foreign_map")
foreign_map_p.no_derivative = _NO_DERIVATIVE


def _map_abstract(*avals: ShapedArray, function: CFunction, dtype: np.dtype) -> ShapedArray:
    return shaped_array(broadcast(function.name, avals), dtype)


def _map_numpy(*xs: Any, function: CFunction, dtype: np.dtype) -> Any:
    fixed = dict(function.fixed)
    types = [p for n, p in enumerate(function.params) if n not in fixed]
    arrays: Any = [np.asarray(x, t) for x, t in zip(xs, types, strict=True)]
    call = function.call if function.fixed else function.pointer
    if not any([a.ndim for a in arrays]):
        return np.asarray(call(*[a.item() for a in arrays]), function.result).astype(dtype, copy=False)
    arrays = np.broadcast_arrays(*arrays)
    columns = [a.ravel() for a in arrays]
    if columns[0].size >= _CHUNK and not function.python:
        found = _in_chunks(function, columns)
    else:
        found = np.fromiter(map(call, *[c.tolist() for c in columns]), function.result, columns[0].size)
    return found.reshape(arrays[0].shape).astype(dtype, copy=False)


# Elements of a kernel for uncompiled code, which is made once for a function, not for each shape.
_CHUNK = 256


def _in_chunks(function: CFunction, columns: Sequence[np.ndarray]) -> np.ndarray:
    """The results for flat arrays by one compiled kernel; its last call reaches back over elements that are done."""
    if function.kernel is None:
        run = lambda *xs: [foreign_map_p.bind(*xs, function=function, dtype=function.result)]  # noqa: E731
        function.kernel = stage(run, [shaped_array((_CHUNK,), c.dtype) for c in columns])
    kernel, size = native(function.kernel), columns[0].size
    found = np.empty(size, function.result)
    for start in range(0, size, _CHUNK):
        part = slice(min(start, size - _CHUNK), min(start, size - _CHUNK) + _CHUNK)
        found[part] = to_numpy(kernel.execute([np.ascontiguousarray(c[part]) for c in columns])[0])
    return found


def _map_lower(b: Any, *xs: Any, function: CFunction, dtype: np.dtype) -> Any:
    return b.cast(b.foreign(function, *xs), dtype)


def _map_transpose(*_: Any, function: CFunction, **__: Any) -> Any:
    raise _no_transpose(function.name)


foreign_map_p.abstract = _map_abstract
foreign_map_p.numpy = _map_numpy
foreign_map_p.lower = Map(_map_lower)
foreign_map_p.batch = elementwise_batch(foreign_map_p)
foreign_map_p.transpose = _map_transpose

# -- foreign_call -----------------------------------------------------------------------------------

foreign_call_p = Primitive("foreign_call", multiple_results=True)
foreign_call_p.no_derivative = _NO_DERIVATIVE


def _call_numpy(*args: Any, function: ArrayFunction, results: Sequence[ShapedArray]) -> list[Any]:
    return function.run([np.asarray(x) for x in args], results)


def _call_eagerly(*args: Any, function: ArrayFunction, results: Sequence[ShapedArray]) -> list[Any]:
    outs = function.run([np.asarray(to_numpy(x)) for x in args], results)
    return [_ext.wrap(np.array(y), False) for y in outs]  # copies: the function may keep its own


def _call_batch(
    size: int, args: Sequence[Any], dims: Sequence[int | None], *, function: ArrayFunction, results: Any
) -> tuple[list, list]:
    """One call for the batch, or a loop over its examples."""
    if not function.vectorized:
        moved = [x if d is None else raw.move_axis(x, d, 0) for x, d in zip(args, dims, strict=True)]
        return _one_by_one(foreign_call_p, size, moved, dims, {"function": function, "results": results}, 1)
    moved = [place_axis(x, d, size, 0) for x, d in zip(args, dims, strict=True)]
    batched = tuple([shaped_array((size, *r.shape), r.dtype) for r in results])
    outs = foreign_call_p.bind(*moved, function=function, results=batched)
    return outs, [0] * len(outs)


def _call_plan(avals: Sequence[ShapedArray], *, function: ArrayFunction, results: Any) -> RoutineCall | None:
    return function.plan(avals, results)


def _call_transpose(*_: Any, function: ArrayFunction, **__: Any) -> Any:
    raise _no_transpose(function.name)


foreign_call_p.abstract = lambda *_, results, **__: list(results)
foreign_call_p.numpy = _call_numpy
foreign_call_p.impl = _call_eagerly
foreign_call_p.batch = _call_batch
foreign_call_p.lower = Routine(_call_plan, of_complex=True)
foreign_call_p.transpose = _call_transpose


class PythonFunction(NamedTuple):
    """A Python function of NumPy arrays: ``call`` of flat lists of them."""

    name: str
    call: Callable[..., Sequence[Any]]
    vectorized: bool

    def run(self, args: Sequence[np.ndarray], results: Sequence[ShapedArray]) -> list[np.ndarray]:
        outs = self.call(
            *[np.array(x) for x in args]
        )  # copies: the memory of a running program is not the user's
        if len(outs) != len(results):
            raise RuntimeError(
                f"The foreign function {self.name!r} returned {len(outs)} arrays, but out= describes {len(results)}."
            )
        return [
            self.checked(n, y, aval, len(outs)) for n, (y, aval) in enumerate(zip(outs, results, strict=True))
        ]

    def checked(self, number: int, y: Any, aval: ShapedArray, count: int) -> np.ndarray:
        """A result as an array of the type that was promised; Python's numbers take on its dtype."""
        if type(y) is np.ndarray and y.dtype == aval.dtype and y.shape == aval.shape:
            return y
        value = np.asarray(y)
        number_of_python = type(y) in (bool, int, float, complex)
        fits = value.dtype == aval.dtype or (
            number_of_python and np.can_cast(value.dtype, aval.dtype, "same_kind")
        )
        if value.shape != aval.shape or not fits:
            which = f"result {number}" if count > 1 else "the result"
            raise RuntimeError(
                f"{which} of the foreign function {self.name!r} is {value.dtype}{list(value.shape)}, where "
                f"{aval.dtype}{list(aval.shape)} was expected. Describe it by out=jitney.ShapeDtypeStruct(shape, dtype) or a "
                "function of the arguments' types, or convert it (np.asarray(y, dtype))."
            )
        return value.astype(aval.dtype, copy=False)

    def plan(self, avals: Sequence[ShapedArray], results: Sequence[ShapedArray]) -> RoutineCall | None:
        return None


__all__ = ["PythonFunction", "foreign_call_p", "foreign_map_p", "get_aval"]
