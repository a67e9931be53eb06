"""C functions of arrays: from the shapes of arguments to the call.  Begin at :class:`CArrays`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._base.dtypes import canonicalize_dtype
from jitney._core.avals import ShapedArray, shaped_array
from jitney._foreign.signatures import Param, Signature, names_in, size_of
from jitney._kernel.foreign import CFunction
from jitney._kernel.rules import RoutineCall

_NS = 500.0  # what a call is taken to last at least, and for each element
_NS_ELEMENT = 2.0
_SIZES = ("size", "place")  # by value, by address


class CArrays:
    """A C function that takes addresses: which parameters are arguments, sizes and results.

    Sizes are integer parameters that brackets name (or addresses of integers, as Fortran takes them), or, without any brackets, the only integer parameter: the number of
    elements of every argument. Addresses marked ``const`` are arguments, the others results; where none is marked, all are
    arguments of a function that returns a number, and the last ones are the results of one that does not.
    """

    def __init__(
        self, function: CFunction, signature: Signature, vectorized: bool, n_out: int | None
    ) -> None:
        self.name, self.function, self.vectorized = function.name, function, vectorized
        fixed = dict(function.fixed)
        self.params = [p for n, p in enumerate(signature.params) if n not in fixed]
        self.signature = signature
        self.measured = any(p.dims for p in self.params)
        self.flat = False
        self.kinds = self._kinds(n_out)
        self.n_args = sum(k in ("in", "value") for k in self.kinds)
        self.n_results = (signature.result is not None) + self.kinds.count("out")
        if vectorized and not (self.flat and "value" not in self.kinds and signature.result is None):
            raise ValueError(
                f"jitney.foreign: vectorized=True needs a C function from arrays of any length to such arrays, as '(const double* x, "
                f"int64_t n, double* out)'; {self.name} is {signature.text!r}. Without it, batches are loops in native code."
            )

    @property
    def key(self) -> tuple:
        return self.function, self.signature, self.vectorized, tuple(self.kinds)

    def __eq__(self, other: object) -> bool:
        return type(other) is CArrays and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return self.name

    # -- roles of parameters

    def _kinds(self, n_out: int | None) -> list[str]:
        used = {name for p in self.params for d in p.dims or () for name in names_in(d)}
        kinds = []
        pointers = [p for p in self.params if p.pointer and not self._by_address(p, used)]
        marked = any(p.const for p in pointers)
        results = len(pointers) if marked else 0
        if not marked and self.signature.result is None:
            results = n_out if n_out is not None else 1
        first_result = len(pointers) - results
        seen = 0
        integers = [p for p in self.params if not p.pointer and p.dtype is not None and p.dtype.kind in "iu"]
        for p in self.params:
            if p.dtype is None:
                raise self._error("void * is no array: only SciPy's LowLevelCallable brings data for it")
            if self._by_address(p, used):
                kinds.append("place")
            elif p.pointer:
                kinds.append("in" if p.const or (not marked and seen < first_result) else "out")
                seen += 1
            elif p.name in used and p.name:
                kinds.append("size")
            elif not self.measured and p in integers:
                if len(integers) > 1:
                    raise self._error("of several integers, it does not say which is the length of what")
                kinds.append("size")
                self.flat = True
            else:
                kinds.append("value")
        sizes = {p.name for p, kind in zip(self.params, kinds, strict=True) if kind in _SIZES}
        if self.measured and used - sizes:
            raise self._error(f"the size {sorted(used - sizes)[0]} is no parameter")
        if self.signature.result is None and "out" not in kinds:
            raise self._error(
                "nothing is returned: mark arguments as const, results are written to the other addresses"
            )
        if self.flat and "in" not in kinds:
            raise self._error("no argument says how many elements there are")
        return kinds

    @staticmethod
    def _by_address(p: Param, used: set[str]) -> bool:
        return (
            p.pointer and p.dims is None and p.dtype is not None and p.dtype.kind in "iu" and p.name in used
        )

    def _error(self, why: str) -> ValueError:
        return ValueError(
            f"jitney.foreign: the signature {self.signature.text!r} of {self.name} does not say enough: {why}. Say it as in "
            "signature='void f(int64_t n, const double x[n], double out[n])'."
        )

    # -- types

    def arg_params(self) -> list[Param]:
        """The parameters that are arguments of the Python function, in order."""
        return [p for p, kind in zip(self.params, self.kinds, strict=True) if kind in ("in", "value")]

    def results(
        self, avals: Sequence[ShapedArray], described: Sequence[ShapedArray] | None
    ) -> tuple[ShapedArray, ...]:
        """The types of the results; ``described`` by ``out=``."""
        sizes = self.sizes(avals)
        arrays = [a for p, a in zip(self.arg_params(), avals, strict=True) if p.pointer]
        found: list[ShapedArray] = []
        if self.signature.result is not None:
            found.append(shaped_array((), canonicalize_dtype(self.signature.result)))
        for p, kind in zip(self.params, self.kinds, strict=True):
            if kind != "out":
                continue
            given = described[len(found)] if described is not None and len(found) < len(described) else None
            if p.dims is not None:
                shape = tuple([self._size(d, sizes) for d in p.dims])
            elif given is not None:
                shape = given.shape
            elif self.flat:
                shape = arrays[0].shape
            else:
                raise ValueError(
                    f"jitney.foreign: the shapes of what {self.name} returns are not known: pass out=jitney.ShapeDtypeStruct(shape, "
                    f"dtype), or measure the arrays of {self.signature.text!r} in brackets."
                )
            found.append(shaped_array(shape, canonicalize_dtype(p.dtype)))
        if described is not None and [(a.shape, a.dtype) for a in found] != [
            (a.shape, a.dtype) for a in described
        ]:
            raise TypeError(
                f"jitney.foreign: out= describes {_listed(described)}, but {self.name} with the signature {self.signature.text!r} "
                f"gives {_listed(found)}."
            )
        return tuple(found)

    def _size(self, expression: str, sizes: dict[str, int]) -> int:
        size = size_of(expression, sizes)
        if size < 0:
            raise ValueError(f"jitney.foreign: the size [{expression}] of a result of {self.name} is {size}.")
        return size

    def sizes(self, avals: Sequence[ShapedArray]) -> dict[str, int]:
        """What the integer parameters are for arguments of these types; ``TypeError`` where shapes do not fit."""
        params = self.arg_params()
        found: dict[str, int] = {}
        if self.flat:
            arrays = [a for p, a in zip(params, avals, strict=True) if p.pointer]
            if len({a.size for a in arrays}) > 1:
                raise TypeError(
                    f"jitney.foreign: {self.name} takes arrays of one length, got the shapes {_shapes(arrays)}."
                )
            name = next(p.name for p, kind in zip(self.params, self.kinds, strict=True) if kind == "size")
            return {name: arrays[0].size}
        for position, (p, aval) in enumerate(zip(params, avals, strict=True)):
            if p.dims is None:
                continue
            if aval.ndim != len(p.dims):
                raise self._misfit(position, p, aval, found)
            for d, n in zip(p.dims, aval.shape, strict=True):
                if d.isidentifier():
                    found.setdefault(d, n)
        for p, kind in zip(self.params, self.kinds, strict=True):
            if kind in _SIZES and p.name not in found:
                raise self._error(f"no argument has {p.name} as a length of its own")
        for position, (p, aval) in enumerate(zip(params, avals, strict=True)):
            if p.dims is not None and tuple([size_of(d, found) for d in p.dims]) != aval.shape:
                raise self._misfit(position, p, aval, found)
        return found

    def _misfit(self, position: int, p: Param, aval: ShapedArray, sizes: dict[str, int]) -> TypeError:
        wanted = "".join(f"[{d}]" for d in p.dims or ())
        known = ", ".join(f"{name} = {n}" for name, n in sizes.items())
        return TypeError(
            f"jitney.foreign: argument {position} of {self.name} has shape {aval.shape}, but the signature "
            f"{self.signature.text!r} wants {p.name or 'it'}{wanted}{' where ' + known if known else ''}."
        )

    # -- calls

    def _arguments(self, avals: Sequence[ShapedArray]) -> list[tuple[str, int]]:
        """Where each parameter comes from, see ``ir.Call``."""
        sizes = self.sizes(avals)
        counts = {"in": 0, "out": int(self.signature.result is not None)}
        found: list[tuple[str, int]] = []
        for p, kind in zip(self.params, self.kinds, strict=True):
            if kind in _SIZES:
                n = sizes[p.name]
                if n > np.iinfo(p.dtype).max:
                    raise TypeError(
                        f"jitney.foreign: {n} elements are too many for {p.dtype} of {self.name}."
                    )
                found.append((kind, n))
            elif kind == "out":
                found.append((kind, counts["out"]))
                counts["out"] += 1
            else:
                found.append((kind, counts["in"]))
                counts["in"] += 1
        return found

    def plan(self, avals: Sequence[ShapedArray], results: Sequence[ShapedArray]) -> RoutineCall | None:
        """The native call."""
        types = [p.dtype for p in self.arg_params()] + self._result_dtypes()
        if self.function.python or types != [a.dtype for a in (*avals, *results)]:  # 64-bit types may be off
            return None
        elements = sum(math.prod(a.shape) for a in (*avals, *results))
        args = tuple(self._arguments(avals))
        return RoutineCall(
            self.function.symbol, args, nanoseconds=_NS + _NS_ELEMENT * elements, foreign=self.function
        )

    def run(self, args: Sequence[np.ndarray], results: Sequence[ShapedArray]) -> list[np.ndarray]:
        """The call through ``ctypes``."""
        typed = [
            np.ascontiguousarray(x, p.dtype) if p.pointer else x.astype(p.dtype, copy=False)
            for p, x in zip(self.arg_params(), args, strict=True)
        ]
        outs = [np.empty(r.shape, t) for r, t in zip(results, self._result_dtypes(), strict=True)]
        meanings: dict[str, Any] = {
            "in": lambda k: typed[k].ctypes.data,
            "out": lambda k: outs[k].ctypes.data,
            "value": lambda k: typed[k].item(),
            "size": lambda n: n,
            "place": lambda n: places.setdefault(n, np.array(n)).ctypes.data,
        }
        places: dict[int, np.ndarray] = {}
        arguments = self._arguments([shaped_array(x.shape, x.dtype) for x in args])
        returned = self.function.call(*[meanings[kind](k) for kind, k in arguments])
        if self.signature.result is not None:
            outs[0][...] = returned
        return [y.astype(r.dtype, copy=False) for y, r in zip(outs, results, strict=True)]

    def _result_dtypes(self) -> list[Any]:
        own = [] if self.signature.result is None else [self.signature.result]
        return own + [p.dtype for p, kind in zip(self.params, self.kinds, strict=True) if kind == "out"]


def _listed(avals: Sequence[ShapedArray]) -> str:
    return ", ".join(f"{a.dtype}{list(a.shape)}" for a in avals)


def _shapes(avals: Sequence[ShapedArray]) -> str:
    return ", ".join(str(a.shape) for a in avals)
