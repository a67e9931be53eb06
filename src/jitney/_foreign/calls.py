"""The three ways to call a foreign function: C functions of numbers, C functions of arrays, Python functions.

Begin at :func:`call_of`.  A ``Call`` takes the tuple of the user's arguments and gives the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import jitney.numpy as jnp
from jitney._api.calls import as_array
from jitney._api.stages import ShapeDtypeStruct
from jitney._base import dtypes
from jitney._core import tree
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.trace import current_trace, get_aval, is_array_like, to_numpy
from jitney._foreign.arrays import CArrays
from jitney._foreign.pointers import Pointer, find, fortran_pointer, known_signature
from jitney._foreign.primitives import PythonFunction, foreign_call_p, foreign_map_p
from jitney._foreign.signatures import FLAG, Param, Signature
from jitney._kernel.foreign import CFunction


class Call:
    """How a function is called: its ``name``, and whether it is ``elementwise``."""

    name: str
    described: str
    elementwise = False

    def __call__(self, args: tuple) -> Any:
        raise NotImplementedError

    def of_complex(self) -> Call:
        """The same function of complex numbers."""
        raise TypeError(
            f"jitney.foreign: derivative='complex' calls {self.name} with complex numbers, which a C function of real ones does "
            "not take: use derivative='finite', or give jvp= or vjp=."
        )


def call_of(
    fn: Any, *, signature: str | None, out: Any, vectorized: bool, gil: bool | None, name: str | None
) -> Call:
    """The way to call ``fn``."""
    pointer = find(fn)
    if pointer is None and signature is not None:
        pointer = fortran_pointer(fn)
        if pointer is None:
            raise TypeError(
                f"jitney.foreign: signature= describes a pointer to a C function, but {fn!r} of type {type(fn).__name__} is none. "
                "A Python function is described by out=."
            )
    if pointer is None:
        if not callable(fn):
            raise TypeError(
                f"jitney.foreign needs a pointer to a C function or a callable, got {fn!r} of type {type(fn).__name__}."
            )
        return _Python(fn, out, vectorized, name or _name_of(fn))
    known = known_signature(pointer, signature)
    function = _c_function(pointer, known, gil, name)
    if not known.elementwise:
        return _CArrays(function, known, out, vectorized)
    if out is not None:
        raise TypeError(
            f"jitney.foreign: {function.name} maps numbers to a number ({known.text!r}), so that its result has the shape of its "
            "arguments: leave out= away."
        )
    return _CNumbers(function, known)


def _c_function(pointer: Pointer, known: Signature, gil: bool | None, name: str | None) -> CFunction:
    fixed = []
    for n, p in enumerate(known.params):
        if p.pointer and p.dtype is None:
            if pointer.data is None:
                raise TypeError(
                    f"jitney.foreign: {known.text!r} takes a void *, which numbers and arrays are not. Give it by "
                    "scipy.LowLevelCallable(function, user_data), or write a C function around it."
                )
            fixed.append((n, pointer.data))
        elif p.name == FLAG:
            fixed.append((n, 1))
    return CFunction(
        name or pointer.name,
        pointer.address,
        known.result,
        tuple([None if p.pointer else p.dtype for p in known.params]),
        tuple(fixed),
        pointer.python if gil is None else bool(gil),
        pointer.owner,
    )


def _name_of(fn: Any) -> str:
    found = getattr(fn, "__name__", None) or type(fn).__name__
    return str(found).removeprefix("function ")  # as f2py names its own


# -- C functions


def _converted(x: Any, p: Param, number: int, name: str) -> Any:
    """An argument in the type of a C parameter, which may only be wider; ``TypeError`` else."""
    if not is_array_like(x):
        raise TypeError(
            f"jitney.foreign: argument {number} of {name} must be an array or number, got {x!r} of type {type(x).__name__}."
        )
    aval = get_aval(x)
    wanted = dtypes.canonicalize_dtype(p.dtype)
    if aval.dtype == wanted:
        return x
    if aval.weak_type and aval.dtype.kind in "iu":  # Python's integers are of any type that holds them
        fits = p.dtype.kind in "fc" or (p.dtype.kind in "iu" and (type(x) is not int or _holds(p.dtype, x)))
    else:
        fits = np.can_cast(aval.dtype, p.dtype, "same_kind" if aval.weak_type else "safe")
    if not fits:
        raise TypeError(
            f"jitney.foreign: argument {number} of {name} is {aval.str_short()}, where C takes {p.dtype.name}. Convert it: "
            f"x.astype('{p.dtype.name}')."
        )
    return jnp.asarray(x).astype(wanted)


def _holds(dtype: np.dtype, x: int) -> bool:
    info = np.iinfo(dtype)
    return info.min <= x <= info.max


def _checked_count(args: tuple, wanted: int, name: str, text: str) -> None:
    if len(args) != wanted:
        raise TypeError(f"jitney.foreign: {name} ({text!r}) takes {wanted} arguments, got {len(args)}.")


def _equal_ranks(xs: Sequence[Any], scalars: bool = False) -> list[Any]:
    """Arrays of one rank by axes of size 1 in front; scalars may stay as they are."""
    shapes = [np.shape(x) if isinstance(x, np.ndarray) else get_aval(x).shape for x in xs]
    rank = max(map(len, shapes), default=0)
    return [
        x if len(s) == rank or (not s and not scalars) else jnp.reshape(x, (1,) * (rank - len(s)) + s)
        for x, s in zip(xs, shapes, strict=True)
    ]


class _CNumbers(Call):
    """``double f(double, ...)``: elementwise."""

    elementwise = True

    def __init__(self, function: CFunction, signature: Signature) -> None:
        self.name, self.function, self.signature = function.name, function, signature
        self.described = f"C, {signature.text}"
        fixed = dict(function.fixed)
        self.params = [p for n, p in enumerate(signature.params) if n not in fixed]
        assert signature.result is not None
        self.result = signature.result

    def __call__(self, args: tuple) -> Any:
        _checked_count(args, len(self.params), self.name, self.signature.text)
        xs = [_converted(x, p, n, self.name) for n, (x, p) in enumerate(zip(args, self.params, strict=True))]
        dtype = dtypes.canonicalize_dtype(self.result)
        return foreign_map_p.bind(*_equal_ranks(xs), function=self.function, dtype=dtype)


class _CArrays(Call):
    """``void f(int64_t n, const double x[n], double out[n])``."""

    def __init__(self, function: CFunction, signature: Signature, out: Any, vectorized: bool) -> None:
        self.name, self.signature, self.out = function.name, signature, out
        self.described = f"C, {signature.text}"
        count = None if out is None or _is_function(out) else len(tree.leaves(out))
        self.function = CArrays(function, signature, vectorized, count)

    def __call__(self, args: tuple) -> Any:
        function = self.function
        _checked_count(args, function.n_args, self.name, self.signature.text)
        params = function.arg_params()
        xs = [_converted(x, p, n, self.name) for n, (x, p) in enumerate(zip(args, params, strict=True))]
        avals = [get_aval(x) for x in xs]
        for n, (p, aval) in enumerate(zip(params, avals, strict=True)):
            if not p.pointer and aval.ndim:
                raise TypeError(
                    f"jitney.foreign: argument {n} of {self.name} must be a number, as in {self.signature.text!r}, got "
                    f"{aval.str_short()}. jitney.vmap maps over its axes."
                )
        described, out_tree = _described(self.out, avals, None, self.name)
        results = function.results(avals, described)
        outs = foreign_call_p.bind(*xs, function=function, results=results)
        if out_tree is not None:
            return tree.unflatten(out_tree, outs)
        return outs[0] if len(outs) == 1 else tuple(outs)


# -- Python functions


class _Python(Call):
    """A callable of NumPy arrays, or of trees of them."""

    def __init__(self, fn: Callable[..., Any], out: Any, vectorized: bool, name: str) -> None:
        self.fn, self.out, self.name = fn, out, name
        self.elementwise = isinstance(fn, np.ufunc) and fn.signature is None and fn.nout == 1 and out is None
        self.vectorized = vectorized or self.elementwise
        self.described = "a ufunc" if self.elementwise else "Python"
        self._found: dict[Any, tuple[tuple[ShapedArray, ...], Any]] = {}
        self._flat: dict[Any, PythonFunction] = {}

    def __call__(self, args: tuple) -> Any:
        leaves, in_tree = tree.flatten(args)
        for n, x in enumerate(leaves):
            if not is_array_like(x):
                raise TypeError(
                    f"jitney.foreign: the argument {tree.leaf_suffixes(args)[n]} of {self.name} is {x!r} of type "
                    f"{type(x).__name__}, not an array. Let the function close over it (functools.partial)."
                )
        if self.elementwise:
            leaves = _equal_ranks(leaves, True)
        avals = tuple([get_aval(x).strip_weak_type() for x in leaves])
        if self.out is None and not self.elementwise and current_trace() is None:
            return self._at_once(leaves, in_tree, avals)
        results, out_tree = self.types(avals, in_tree)
        outs = foreign_call_p.bind(*leaves, function=self._flat_function(in_tree, out_tree), results=results)
        return tree.unflatten(out_tree, outs)

    def types(self, avals: tuple[ShapedArray, ...], in_tree: Any) -> tuple[tuple[ShapedArray, ...], Any]:
        """The types of the results, and their tree."""
        found = self._found.get((avals, in_tree))
        if found is None:
            if self.out is not None:
                described, out_tree = _described(self.out, avals, in_tree, self.name)
                assert described is not None
                found = described, out_tree
            elif self.elementwise:
                found = (self._ufunc_type(avals),), tree.structure(0)
            else:
                found = self._by_example(avals, in_tree)
            self._found[avals, in_tree] = found
        return found

    def _ufunc_type(self, avals: tuple[ShapedArray, ...]) -> ShapedArray:
        shape = np.broadcast_shapes(*[a.shape for a in avals])
        given = [a.dtype for a in avals]
        try:
            dtype = self.fn.resolve_dtypes((*given, None))[-1]  # type: ignore[attr-defined]
        except TypeError:
            cure = "Use derivative='finite'" if any(d.kind == "c" for d in given) else "Convert them"
            raise TypeError(
                f"jitney.foreign: {self.name} takes no {', '.join(map(str, given))}. {cure}."
            ) from None
        return shaped_array(shape, dtypes.canonicalize_dtype(dtype))

    def _by_example(
        self, avals: tuple[ShapedArray, ...], in_tree: Any
    ) -> tuple[tuple[ShapedArray, ...], Any]:
        ones = [np.ones(a.shape, a.dtype) for a in avals]
        try:
            result = self.fn(*tree.unflatten(in_tree, ones))
        except Exception as error:
            raise RuntimeError(
                f"jitney.foreign: to find the types of its results, {self.name!r} was called with arrays of ones of types "
                f"{', '.join(a.str_short() for a in avals)}, and raised {type(error).__name__}: {error}. Describe them by out=: a "
                "ShapeDtypeStruct or a function of the arguments' types."
            ) from error
        return self._types_of(result)

    def _types_of(self, result: Any) -> tuple[tuple[ShapedArray, ...], Any]:
        outs, out_tree = tree.flatten(result)
        return tuple([self._type_of(y) for y in outs]), out_tree

    def _type_of(self, y: Any) -> ShapedArray:
        value = np.asarray(y)
        if not dtypes.is_supported(value.dtype):
            raise TypeError(
                f"jitney.foreign: {self.name!r} returned {y!r} of type {type(y).__name__}, which is no array that jitney has."
            )
        return shaped_array(value.shape, dtypes.canonicalize_dtype(value.dtype))

    def _at_once(self, leaves: Sequence[Any], in_tree: Any, avals: tuple[ShapedArray, ...]) -> Any:
        """A call outside of transformations, whose result tells its types itself."""
        result = self.fn(*tree.unflatten(in_tree, [np.array(to_numpy(x)) for x in leaves]))
        found = self._found[avals, in_tree] = self._types_of(result)
        outs = [np.array(y, a.dtype) for y, a in zip(tree.leaves(result), found[0], strict=True)]
        return tree.unflatten(found[1], [as_array(y) for y in outs])

    def _flat_function(self, in_tree: Any, out_tree: Any) -> PythonFunction:
        key = in_tree, out_tree
        if key not in self._flat:
            fn, leaf = self.fn, tree.structure(0)
            plain = in_tree == tree.structure((0,) * in_tree.num_leaves) and out_tree == leaf

            def call(*leaves: Any) -> Sequence[Any]:
                result = fn(*(leaves if plain else tree.unflatten(in_tree, leaves)))
                if plain and type(result) is np.ndarray:
                    return (result,)
                outs, found = tree.flatten(result)
                if found != out_tree:
                    raise RuntimeError(
                        f"The foreign function {self.name!r} returned a tree {found}, but {out_tree} was expected: describe its "
                        "results by out=."
                    )
                return outs

            self._flat[key] = PythonFunction(self.name, call, self.vectorized)
        return self._flat[key]

    def of_complex(self) -> Call:
        if self.elementwise:
            return self

        def out(*types: Any) -> Any:
            leaves, in_tree = tree.flatten(types)
            real = tuple([shaped_array(t.shape, _real(t.dtype)) for t in leaves])
            results, out_tree = self.types(real, in_tree)
            return tree.unflatten(out_tree, [ShapeDtypeStruct(r.shape, _complex(r.dtype)) for r in results])

        return _Python(self.fn, out, self.vectorized, f"{self.name} (of complex numbers)")


def _real(dtype: np.dtype) -> np.dtype:
    return np.empty(0, dtype).real.dtype


def _complex(dtype: np.dtype) -> np.dtype:
    return np.result_type(dtype, np.complex64) if dtype.kind == "f" else dtype


def _is_function(out: Any) -> bool:
    return callable(out) and not hasattr(out, "dtype")


def _described(
    out: Any, avals: Sequence[ShapedArray], in_tree: Any, name: str
) -> tuple[tuple[ShapedArray, ...] | None, Any]:
    """What ``out=`` says of the results, and their tree; None twice if it says nothing."""
    if out is None:
        return None, None
    if _is_function(out):
        types = [ShapeDtypeStruct(a.shape, a.dtype) for a in avals]
        out = out(*(types if in_tree is None else tree.unflatten(in_tree, types)))
    leaves, out_tree = tree.flatten(out)
    found = []
    for leaf in leaves:
        if not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
            raise TypeError(
                f"jitney.foreign: out= of {name} describes a result by {leaf!r} of type {type(leaf).__name__}: use "
                "jitney.ShapeDtypeStruct(shape, dtype), or a function of the arguments' types that returns it."
            )
        dtype = dtypes.canonicalize_dtype(dtypes.as_dtype(leaf.dtype))
        found.append(shaped_array(tuple(leaf.shape), dtype))
    return tuple(found), out_tree


__all__ = ["Call", "call_of"]
