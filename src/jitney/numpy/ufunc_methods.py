"""``ufunc``: elementwise functions with NumPy's methods ``reduce``, ``accumulate``, ``at``, ``outer``, ``reduceat``.

The functions of NumPy's that are ufuncs in JAX carry these methods as attributes; ``frompyfunc`` makes others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import boundary
from jitney._api.inspection import eval_shape
from jitney._api.stages import ShapeDtypeStruct
from jitney._core.trace import get_aval
from jitney.numpy import (
    conversion,
    creation,
    cumulative,
    joining,
    manipulation,
    reductions,
    searching,
    ufuncs,
)
from jitney.numpy.operands import array_operand, to_axes, to_axis
from jitney.numpy.ufuncs import refuse_keywords
from jitney.numpy.vectorizing import vectorize

Function = Callable[..., Any]


class _AlsoFunctions(type):
    """``isinstance(jnp.add, jnp.ufunc)`` holds, though ``add`` is a plain function."""

    def __instancecheck__(cls, instance: Any) -> bool:
        of_function = getattr(instance, "__dict__", {}).get("_ufunc")
        return type.__instancecheck__(cls, instance) or type.__instancecheck__(cls, of_function)


class ufunc(metaclass=_AlsoFunctions):
    """A function of scalars as one of arrays that broadcast, with NumPy's methods. See ``frompyfunc``."""

    def __init__(
        self,
        func: Function,
        /,
        nin: int,
        nout: int,
        *,
        name: str | None = None,
        nargs: int | None = None,
        identity: Any = None,
        call: Function | None = None,
        reduce: Function | None = None,
        accumulate: Function | None = None,
        at: Function | None = None,
        reduceat: Function | None = None,
    ) -> None:
        if not callable(func):
            raise TypeError(f"ufunc needs a function, got {func!r} of type {type(func).__name__}.")
        self._func = func
        self._elementwise = call or vectorize(func)
        self._reduce, self._accumulate, self._at, self._reduceat = reduce, accumulate, at, reduceat
        self.__name__ = name or getattr(func, "__name__", "function")
        self.__doc__ = func.__doc__
        self.nin = nin
        self.nout = nout
        self.nargs = nin if nargs is None else nargs
        self.identity = identity

    def __repr__(self) -> str:
        return f"<jnp.ufunc '{self.__name__}'>"

    def __hash__(self) -> int:
        return hash((self._func, self.__name__, self.identity, self.nin, self.nout))

    def __eq__(self, other: object) -> bool:
        mine = (self._func, self.__name__, self.identity, self.nin, self.nout)
        return isinstance(other, ufunc) and mine == (
            other._func,
            other.__name__,
            other.identity,
            other.nin,
            other.nout,
        )

    @boundary
    def __call__(self, *args: Any, out: None = None, where: None = None) -> Any:
        """The function of each element of ``args``; ``out`` and ``where`` must be None."""
        refuse_keywords(self.__name__, out, where)
        if len(args) != self.nin:
            raise TypeError(
                f"{self.__name__} takes {self.nin} positional arguments but {len(args)} were given."
            )
        return self._elementwise(*args)

    def _binary(self, method: str) -> None:
        if self.nin != 2:
            raise ValueError(f"{method} only supported for binary ufuncs")
        if self.nout != 1:
            raise ValueError(f"{method} only supported for functions returning a single value")

    @boundary
    def reduce(
        self,
        a: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Any:
        """The elements along ``axis`` (None: all of them) put together from first to last.

        Args:
            a: an array.
            axis: an int, several, or None.
            dtype: dtype to compute in.
            out: None.
            keepdims: whether the axes stay, with size 1.
            initial: what to begin with; needed for ``where`` unless the function has an identity.
            where: elements to take.

        Raises:
            ValueError: the function is not binary, or there is nothing to begin with.

        Example:
            >>> import jitney.numpy as jnp
            >>> jnp.subtract.reduce(jnp.array([5, 2, 1]))
            Array(2, dtype=int64)
        """
        self._binary("reduce")
        refuse_keywords(f"{self.__name__}.reduce", out, None)
        if where is not None and initial is None and self.identity is None:
            raise ValueError(
                f"reduction operation {self.__name__!r} does not have an identity, so to use a where mask one has to specify "
                "'initial'."
            )
        if self._reduce is not None:
            extra = {} if dtype is None else {"dtype": dtype}
            return self._reduce(a, axis=axis, keepdims=keepdims, initial=initial, where=where, **extra)
        return self._fold(array_operand(self.__name__, a), axis, dtype, keepdims, initial, where)

    def _fold(self, x: Any, axis: Any, dtype: Any, keepdims: bool, initial: Any, where: Any) -> Any:
        x = x if dtype is None else conversion.astype(x, dtype)
        axes = to_axes(axis, x.ndim)
        kept = [n for d, n in enumerate(x.shape) if d not in axes]
        rows = manipulation.reshape(manipulation.moveaxis(x, axes, tuple(range(len(axes)))), (-1, *kept))
        if where is not None:
            mask = manipulation.broadcast_to(where, x.shape)
            mask = manipulation.reshape(
                manipulation.moveaxis(mask, axes, tuple(range(len(axes)))), (-1, *kept)
            )
            initial = self.identity if initial is None else initial
        else:
            mask = None
        if initial is None:
            if rows.shape[0] == 0 and self.identity is None:
                raise ValueError(
                    f"zero-size array to reduction operation {self.__name__} which has no identity"
                )
            initial = rows[0] if rows.shape[0] else self.identity
            rows = rows[1:]
        found = self._scan(initial, rows, mask)[0]
        return manipulation.expand_dims(found, axes) if keepdims else found

    def _scan(self, start: Any, rows: Any, mask: Any = None) -> tuple[Any, Any]:
        """The fold of ``rows`` from ``start`` on, and all its steps."""
        from jitney.lax.control_flow import scan

        first = manipulation.broadcast_to(conversion.asarray(start), rows.shape[1:])
        dtype = _result_dtype(self._elementwise, first, rows)

        def step(carry: Any, taken: Any) -> Any:
            x, m = taken
            made = conversion.astype(self._elementwise(carry, x), dtype)
            made = made if m is None else searching.where(m, made, carry)
            return made, made

        return scan(step, conversion.astype(first, dtype), (rows, mask))

    @boundary
    def accumulate(self, a: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
        """All intermediate results of ``reduce`` along ``axis``.

        Example:
            >>> import jitney.numpy as jnp
            >>> jnp.subtract.accumulate(jnp.array([5, 2, 1]))
            Array([5, 3, 2], dtype=int64)
        """
        self._binary("accumulate")
        refuse_keywords(f"{self.__name__}.accumulate", out, None)
        x = array_operand(self.__name__, a)
        place = to_axis(axis, x.ndim)
        if self._accumulate is not None:
            return self._accumulate(x, axis=place, dtype=dtype)
        x = manipulation.moveaxis(x if dtype is None else conversion.astype(x, dtype), place, 0)
        if x.shape[0] == 0:
            return manipulation.moveaxis(x, 0, place)
        _, steps = self._scan(x[0], x[1:])
        first = conversion.astype(x[:1], get_aval(steps).dtype)
        return manipulation.moveaxis(joining.concatenate([first, steps]), 0, place)

    @boundary
    def at(self, a: Any, indices: Any, b: Any = None, /, *, inplace: bool = True) -> Any:
        """A copy of ``a`` with the function applied at ``indices``, one after the other where they repeat.

        Args:
            a: an array.
            indices: any index.
            b: second operands of a binary function, which broadcast to the shape of ``a[indices]``.
            inplace: must be False: arrays never change.

        Raises:
            NotImplementedError: ``inplace`` is True.

        Example:
            >>> import jitney.numpy as jnp
            >>> jnp.add.at(jnp.zeros(3), jnp.array([0, 0, 2]), 1.0, inplace=False)
            Array([2., 0., 1.], dtype=float64)
        """
        if inplace:
            raise NotImplementedError(
                "Because arrays are immutable, ufunc.at() cannot operate inplace like np.ufunc.at(). Pass inplace=False and "
                "use the result: arr = jnp.add.at(arr, ind, val, inplace=False)."
            )
        if (b is None) != (self.nin == 1) or self.nin not in (1, 2) or self.nout != 1:
            raise ValueError(
                f"{self.__name__}.at needs operands for {self.nin} arguments: a and b of a binary function."
            )
        x = conversion.asarray(a)
        if self._at is not None:
            return self._at(x, indices, b)
        return self._one_by_one(x, indices, b)

    def _one_by_one(self, x: Any, indices: Any, b: Any) -> Any:
        from jitney.lax.control_flow import fori_loop

        numbers = manipulation.reshape(creation.arange(x.size), x.shape)
        places = numbers.at[indices].get(mode="fill", fill_value=x.size)
        second = None if b is None else manipulation.ravel(manipulation.broadcast_to(b, places.shape))
        places = manipulation.ravel(places)
        if self.identity is True or self.identity is False:  # logical functions give truth values
            x = x != 0

        def step(i: Any, flat: Any) -> Any:
            place = places[i]
            old = flat.at[place].get(mode="clip")
            new = self._elementwise(old) if second is None else self._elementwise(old, second[i])
            return flat.at[place].set(conversion.astype(new, get_aval(flat).dtype), mode="drop")

        return manipulation.reshape(fori_loop(0, places.size, step, manipulation.ravel(x)), x.shape)

    @boundary
    def outer(self, A: Any, B: Any, /) -> Any:
        """The function of every pair of elements, of shape ``A.shape + B.shape``.

        Example:
            >>> import jitney.numpy as jnp
            >>> jnp.add.outer(jnp.array([10, 20]), jnp.array([1, 2]))
            Array([[11, 12],
                   [21, 22]], dtype=int64)
        """
        self._binary("outer")
        x, y = array_operand(self.__name__, A), array_operand(self.__name__, B, 1)
        return self._elementwise(manipulation.reshape(x, (*x.shape, *[1] * y.ndim)), y)

    @boundary
    def reduceat(self, a: Any, indices: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
        """``reduce`` of the slices from each index to the next one (of the single element where that is not larger).

        Example:
            >>> import jitney.numpy as jnp
            >>> jnp.add.reduceat(jnp.array([1, 2, 3, 4]), jnp.array([0, 2]))
            Array([3, 7], dtype=int64)
        """
        self._binary("reduceat")
        refuse_keywords(f"{self.__name__}.reduceat", out, None)
        if self._reduceat is not None:
            return self._reduceat(a, indices, axis=axis, dtype=dtype)
        x, starts = array_operand(self.__name__, a), conversion.asarray(indices)
        if starts.ndim != 1:
            raise ValueError(f"reduceat: indices must be one-dimensional, got shape {starts.shape}.")
        place = to_axis(axis, x.ndim)
        x = manipulation.moveaxis(x if dtype is None else conversion.astype(x, dtype), place, 0)
        count = conversion.asarray([x.shape[0]], get_aval(starts).dtype)
        ends = joining.concatenate([starts[1:], count])
        return manipulation.moveaxis(self._slices(x, starts, ends), 0, place)

    def _slices(self, x: Any, starts: Any, ends: Any) -> Any:
        """The fold of ``x[start:end]`` for each pair, all at once: a step takes one row of ``x``."""
        from jitney.lax.control_flow import scan

        first = x[starts]
        dtype = _result_dtype(self._elementwise, first, first[None])
        column = (-1, *[1] * (x.ndim - 1))
        starts, ends = manipulation.reshape(starts, column), manipulation.reshape(ends, column)

        def step(carry: Any, taken: Any) -> Any:
            i, row = taken
            made = conversion.astype(self._elementwise(carry, row), dtype)
            return searching.where((starts < i) & (i < ends), made, carry), None

        rows = (creation.arange(x.shape[0]), x)
        return scan(step, conversion.astype(first, dtype), rows)[0]


def _result_dtype(function: Function, first: Any, rows: Any) -> Any:
    return eval_shape(function, first, ShapeDtypeStruct(rows.shape[1:], get_aval(rows).dtype)).dtype


def frompyfunc(func: Function, /, nin: int, nout: int, *, identity: Any = None) -> ufunc:
    """A function of scalars as a ``ufunc``: it broadcasts, and has ``reduce``, ``accumulate``, ``at`` and ``outer``.

    Args:
        func: a function of ``nin`` scalars, written in jitney's functions.
        nin, nout: how many operands it takes and how many results it has.
        identity: what ``reduce`` of nothing is.

    Raises:
        TypeError: ``func`` is no function.

    Example:
        >>> import jitney.numpy as jnp
        >>> larger = jnp.frompyfunc(lambda x, y: jnp.where(x > y, x, y), 2, 1)
        >>> larger.reduce(jnp.array([1, 3, 2]))
        Array(3, dtype=int64)
    """
    return ufunc(func, nin, nout, identity=identity)


def _scattering(method: str) -> Function:
    return lambda x, indices, b: getattr(x.at[indices], method)(b)


def _subtracting(x: Any, indices: Any, b: Any) -> Any:
    return x.at[indices].add(-conversion.asarray(b))


def _logical(fold: Function, name: str) -> Function:
    def reduce(a: Any, axis: Any, keepdims: bool, initial: Any, where: Any, dtype: Any = None) -> Any:
        found = fold(a, axis=axis, keepdims=keepdims, where=where)
        found = found if initial is None else getattr(ufuncs, name)(found, initial)
        return found if dtype is None else conversion.astype(found, dtype)

    return reduce


_INF = float("inf")
# name -> operands, identity, and what is faster than the general methods
_METHODS: Sequence[tuple[str, int, Any, dict[str, Any]]] = (
    ("add", 2, 0, {"reduce": reductions.sum, "accumulate": cumulative.cumsum, "at": _scattering("add")}),
    (
        "multiply",
        2,
        1,
        {"reduce": reductions.prod, "accumulate": cumulative.cumprod, "at": _scattering("multiply")},
    ),
    ("subtract", 2, None, {"at": _subtracting}),
    ("maximum", 2, None, {"reduce": reductions.max, "at": _scattering("max")}),
    ("minimum", 2, None, {"reduce": reductions.min, "at": _scattering("min")}),
    ("logical_and", 2, True, {"reduce": _logical(reductions.all, "logical_and")}),
    ("logical_or", 2, False, {"reduce": _logical(reductions.any, "logical_or")}),
    ("logical_xor", 2, False, {}),
    ("bitwise_and", 2, -1, {}),
    ("bitwise_or", 2, 0, {}),
    ("bitwise_xor", 2, 0, {}),
    ("logaddexp", 2, -_INF, {}),
    ("logaddexp2", 2, -_INF, {}),
    ("negative", 1, None, {}),
)


def install(namespace: dict[str, Any]) -> None:
    """Give the public functions of ``namespace`` their methods."""
    for name, nin, identity, faster in _METHODS:
        function = namespace[name]
        made = ufunc(function, nin, 1, name=name, identity=identity, call=function, **faster)
        for attribute in (
            "nin",
            "nout",
            "nargs",
            "identity",
            "reduce",
            "accumulate",
            "at",
            "outer",
            "reduceat",
        ):
            setattr(function, attribute, getattr(made, attribute))
        function._ufunc = made


__all__ = ["frompyfunc", "ufunc"]
