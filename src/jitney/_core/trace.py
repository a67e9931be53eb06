"""Traces and tracers: who interprets a primitive right now, and the stand-ins that user code computes with.

One thread-local *current trace* decides what ``bind`` does; ``None`` means evaluate at once.  A trace
that transforms (jvp, vmap) holds its parent and makes it current while a rule runs, so transformations
nest in any order without levels or tags.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NoReturn

import numpy as np

from jitney import _ext
from jitney._base import dtypes, errors, sources
from jitney._base.config import config
from jitney._core import plugs
from jitney._core.avals import ShapedArray, shaped_array

ArrayImpl = _ext.ArrayImpl
current_trace = _ext.current_trace
swap_trace = _ext.set_trace

# Arrays at least this long are evaluated by a compiled kernel instead of NumPy (SIMD math, threads).
LARGE_EAGER = 32768


class Trace:
    """An interpreter of primitives; ``process(primitive, args, params)`` returns what ``bind`` returns.

    Libraries subclass it: they set ``parent_trace`` to the trace around (``take_current_trace`` gives it) and
    define ``process_primitive(primitive, args, params)``, which runs while the parent is current. ``args`` are
    the operands as the user passed them: tracers of this trace (``x._trace is self``) among any other values.
    """

    __slots__ = ("__weakref__",)

    def process(self, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        with under(getattr(self, "parent_trace", None)):
            return self.process_primitive(primitive, args, params)

    def __class_getitem__(cls, tracer_type: Any) -> type[Trace]:
        """``Trace[MyTracer]``, for annotations."""
        return cls

    def process_primitive(self, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define process_primitive")


class EvalTrace(Trace):
    """Evaluates at once. It stands for "no trace" where a trace object is wanted."""

    __slots__ = ()

    def process(self, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        with under(None):
            return primitive.bind(*args, **params)

    def process_primitive(self, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        return self.process(primitive, args, params)

    def __repr__(self) -> str:
        return "EvalTrace"


eval_trace = EvalTrace()


class under:
    """``with under(trace):`` makes ``trace`` (``None``: eager) the current one of this thread."""

    __slots__ = ("before", "trace")

    def __init__(self, trace: Trace | None) -> None:
        self.trace = None if trace is eval_trace else trace

    def __enter__(self) -> None:
        self.before = swap_trace(self.trace)

    def __exit__(self, *_: Any) -> None:
        swap_trace(self.before)


class ArrayMeta(type):
    """Makes ``isinstance(x, Array)`` true of concrete arrays and of tracers."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return (
            isinstance(instance, (ArrayImpl, Tracer))
            if cls is Array
            else type.__instancecheck__(cls, instance)
        )

    def __subclasscheck__(cls, subclass: type) -> bool:
        if cls is Array:
            return issubclass(subclass, (ArrayImpl, Tracer)) or subclass is Array
        return type.__subclasscheck__(cls, subclass)


class Array(metaclass=ArrayMeta):
    """The type of all jitney arrays, concrete or traced; for ``isinstance`` and annotations."""

    __slots__ = ()

    def __new__(cls, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("Array cannot be constructed directly: use jitney.numpy.array(...)")


Array.__module__ = "jitney"


class Tracer:
    """A stand-in for an array while a function is traced; array methods are installed by ``numpy``.

    Libraries subclass it for their own traces: pass the trace and the aval on, or define ``aval`` as a property.
    """

    # base and views: what shares memory in NumPy, known where items are assigned (``_flow/assigning.py``)
    __slots__ = ("__weakref__", "_trace", "_twin", "aval", "base", "views")
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]

    _trace: Any
    aval: ShapedArray
    may_be_stale = False  # whether a program was converted that assigns items

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__.startswith(
            "jitney."
        ):  # what Python's own messages and those of others call a traced value
            cls.__module__, cls.__name__ = "jitney", "TracedArray"

    def __init__(self, trace: Trace, aval: ShapedArray | None = None) -> None:
        self._trace = trace
        if aval is not None:
            self.aval = aval

    def __getattr__(self, name: str) -> Any:
        # The aval of an array that was changed under another name is gone.
        if name == "aval" and not getattr(self._trace, "alive", True):
            raise_leaked(self, "an operation")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def twin(self) -> Any:
        """The same value as another object, which stays what it is where the user's is changed under another name."""
        if getattr(self, "_twin", None) is None:
            self._twin = self.again()
        return self._twin

    def again(self) -> Any:
        """The same value as a new object."""
        made = object.__new__(type(self))
        names = {slot for kind in type(self).__mro__ for slot in getattr(kind, "__slots__", ())}
        for name in names - {"__weakref__", "_twin", "base", "views"}:
            if hasattr(self, name):
                setattr(made, name, getattr(self, name))
        if hasattr(made, "__dict__"):  # of libraries
            vars(made).update(vars(self))
        return made

    def full_lower(self) -> Any:
        """The simplest value that stands for the same: here the tracer itself."""
        return self

    def to_concrete_value(self) -> Any | None:
        """The concrete array behind this tracer, or None if tracing hid it."""
        return self.concrete()

    def concrete(self) -> Any | None:
        """The concrete array behind this tracer, if tracing did not hide it (``grad`` of eager code)."""
        return None

    def origin(self) -> str:
        """One sentence on which arguments this value comes from."""
        return ""

    def source(self) -> Any:
        """Where in the user's code the value was made, if that was recorded."""
        return None

    def arguments(self) -> list[str]:
        """Names of the arguments of a jitted function that this value is computed from."""
        return []

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> np.dtype:
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        return self.aval.ndim

    @property
    def size(self) -> int:
        return self.aval.size

    @property
    def itemsize(self) -> int:
        return self.aval.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.aval.nbytes

    @property
    def weak_type(self) -> bool:
        return self.aval.weak_type

    def __len__(self) -> int:
        return len(self.aval)

    def __iter__(self) -> Iterator[Any]:
        if not self.aval.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.aval.shape[0]))  # type: ignore[index]

    def __bool__(self) -> bool:
        return bool(_concrete_or_raise(self, errors.TracerBoolConversionError, _BOOL))

    def __index__(self) -> int:
        return _concrete_or_raise(self, errors.TracerIntegerConversionError, _INDEX).__index__()

    def __int__(self) -> int:
        return int(_concrete_or_raise(self, errors.ConcretizationTypeError, _scalar_text("int")))

    def __float__(self) -> float:
        return float(_concrete_or_raise(self, errors.ConcretizationTypeError, _scalar_text("float")))

    def __complex__(self) -> complex:
        return complex(_concrete_or_raise(self, errors.ConcretizationTypeError, _scalar_text("complex")))

    def __round__(self, ndigits: int | None = None) -> Any:
        return self.round(ndigits or 0)  # type: ignore[attr-defined]

    def item(self, *args: int) -> Any:
        return _concrete_or_raise(self, errors.ConcretizationTypeError, _scalar_text("x.item")).item(*args)

    def tolist(self) -> Any:
        return _concrete_or_raise(self, errors.ConcretizationTypeError, _scalar_text("x.tolist")).tolist()

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise_for_tracer(self, errors.TracerArrayConversionError, _ARRAY)

    def __format__(self, spec: str) -> str:
        value = self.concrete()
        return format(value, spec) if value is not None and spec else str(self)

    def __setitem__(self, *_: Any) -> NoReturn:
        raise TypeError(
            f"A traced array ({self.aval.str_short()}) is immutable and does not support item assignment. "
            "Instead of x[idx] = y, use x = x.at[idx].set(y) or another .at[] method."
        )

    def block_until_ready(self) -> Any:
        return self

    def copy_to_host_async(self) -> None:
        return None

    def __repr__(self) -> str:
        if config.jitney_python_control_flow and current_trace() is not None and self.concrete() is None:
            frame: Any = sys._getframe(1)
            while frame.f_code.co_filename == __file__ or frame.f_code.co_name == "__repr__":
                frame = frame.f_back
            plugs.note_text(frame)  # ``print`` is converted to one that shows the value of each run
        return f"{type(self).__name__}<{self.aval.str_short()}>"

    def __deepcopy__(self, _memo: Any) -> Any:
        return self

    def __copy__(self) -> Any:
        return self


# What happened, and what to write instead; {aval} and {what} are filled in, and where the value depends
# on arguments of a jitted function, a line on static arguments follows.
_BOOL = (
    "Python asked for the truth of a traced value ({aval}): `if`, `while`, `and`, `or`, `not`, `assert` and "
    "chained comparisons need a concrete one.",
    "Write jnp.where(a > b, x, y) or lax.cond(a > b, f, g, x) for a choice, lax.while_loop for a loop, and & | ~ in "
    "place of and, or, not.",
)
_INDEX = (
    "Python needs an integer, but this value is traced ({aval}): range(n), list[i] and shapes need a concrete one.",
    "For a loop use lax.fori_loop(0, n, body, init) or lax.scan; index a jnp array (x[i]) in place of a list, or choose "
    "among functions with lax.switch. Sizes must be known.",
)
_ARRAY = (
    "A traced value ({aval}) was passed to NumPy, which needs concrete numbers.",
    "Use jitney.numpy (jnp.sin instead of np.sin) inside transformed functions.",
)


def _scalar_text(what: str) -> tuple[str, str]:
    return (
        f"{what}() needs a concrete number, but this value is traced ({{aval}}).",
        "Keep it an array (x.astype(...) changes the type), or compute it outside of the function.",
    )


def _concrete_or_raise(tracer: Tracer, error: type[Exception], text: tuple[str, str]) -> Any:
    value = tracer.concrete()
    if value is None:
        raise_for_tracer(tracer, error, text)
    return value


def raise_for_tracer(tracer: Tracer, error: type[Exception], text: tuple[str, str]) -> NoReturn:
    """Raise ``error`` with the user's line, the arguments behind ``tracer`` and what to write instead."""
    what, cure = text
    # The user's line and its carets are the last frame of the filtered traceback: no need to repeat them.
    lines = [what.replace("{aval}", tracer.aval.str_short()), tracer.origin(), cure]
    names = list(dict.fromkeys(name.split("[")[0] for name in tracer.arguments()))
    if names:
        shown = repr(names[0]) if len(names) == 1 else repr(tuple(names[:4]))
        lines.append(
            f"If few values occur, make it static (compiled anew for each): jit(f, static_argnames={shown})."
        )
    raise error("\n".join(line for line in lines if line))


def raise_leaked(tracer: Tracer, where: str) -> NoReturn:
    """Raise ``UnexpectedTracerError``: a tracer is used after (or outside of) its function, or is stale."""
    stale = getattr(tracer._trace, "stale", None)
    if stale:
        raise TypeError(stale)
    inner: Any = tracer
    while isinstance(inner, Tracer) and inner.source() is None:
        inner = getattr(inner, "primal", getattr(inner, "value", None))
    made = [tracer.origin()]
    if isinstance(inner, Tracer):
        made.append(f"The value was made at {sources.excerpt(inner.source())}")
    raise errors.UnexpectedTracerError(
        f"A traced value {tracer.aval.str_short()} leaked out of the function that made it and reached {where}."
        + "".join(f"\n{line}" for line in made if line)
        + "\nTransformed functions must not store values in globals, attributes or closures: return them instead."
    )


# -- avals of anything ------------------------------------------------------------------------------


_PYTHON_SCALARS = (bool, int, float, complex)


def get_aval(x: Any) -> ShapedArray:
    """The aval of an array, tracer, NumPy array or scalar; ``TypeError`` for anything else."""
    kind = type(x)
    if kind is ArrayImpl or isinstance(x, Tracer):
        return x.aval
    if kind in _PYTHON_SCALARS:
        return shaped_array((), dtypes.scalar_dtype(x), kind is not bool)
    if isinstance(x, np.generic):
        return _scalar_aval(dtypes.canonicalize_dtype(x.dtype))
    if isinstance(x, np.ndarray):
        return shaped_array(x.shape, dtypes.canonicalize_dtype(x.dtype), False)
    if isinstance(x, ShapedArray):
        return x
    if hasattr(x, "__jax_array__"):
        return get_aval(x.__jax_array__())
    if isinstance(getattr(x, "aval", None), ShapedArray):  # Undefined, ShapeDtypeStruct
        return x.aval
    if isinstance(x, int):  # IntEnum and other subclasses
        return shaped_array((), dtypes.default_dtype("i"), True)
    raise TypeError(f"Value {x!r} with type {kind} is not a valid array type")


@lru_cache(maxsize=64)
def _scalar_aval(dtype: np.dtype) -> ShapedArray:
    return shaped_array((), dtypes.as_dtype(dtype))


def is_array_like(x: Any) -> bool:
    """True if ``x`` can be an operand: array, tracer, NumPy array or scalar, Python scalar."""
    kind = type(x)
    return (
        kind is ArrayImpl
        or kind in _PYTHON_SCALARS
        or isinstance(x, (Tracer, np.ndarray, np.generic, int))
        or hasattr(x, "__jax_array__")
    )


def to_numpy(x: Any) -> np.ndarray:
    """``x`` as an ndarray in its canonical dtype, without a copy where possible."""
    if type(x) is ArrayImpl:
        return x._np
    if isinstance(x, Tracer):
        raise_leaked(x, "an eager operation")
    if hasattr(x, "__jax_array__"):
        return to_numpy(x.__jax_array__())
    if isinstance(x, np.generic) and x.dtype == dtypes.canonicalize_dtype(x.dtype):
        return x  # ufuncs take NumPy scalars as they are
    array = np.asarray(x)
    aval_dtype = (
        dtypes.scalar_dtype(x) if type(x) in _PYTHON_SCALARS else dtypes.canonicalize_dtype(array.dtype)
    )
    return array if array.dtype == aval_dtype else array.astype(aval_dtype)


# -- eager evaluation ---------------------------------------------------------------------------------


def evaluate_eagerly(primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
    """Evaluate ``primitive`` at once: NumPy for small arrays, a cached compiled kernel for large ones."""
    if primitive.impl is not None:
        return primitive.impl(*args, **params)
    if primitive.expand is not None:
        if primitive.abstract is not None:
            primitive.abstract(*[get_aval(x) for x in args], **params)  # says what is wrong with the operands
        return primitive.expand(*args, **params)
    if primitive.numpy is None:
        raise NotImplementedError(f"Evaluation rule for {primitive.name!r} not implemented")
    avals, values, largest = [], [], 0
    for arg in args:
        if type(arg) is ArrayImpl:
            aval, value = arg.aval, arg._np
        elif isinstance(arg, Tracer):
            raise_leaked(arg, f"the operation {primitive.name!r}")
        else:
            aval, value = get_aval(arg), to_numpy(arg)
        avals.append(aval)
        values.append(value)
        if aval.size > largest:
            largest = aval.size
    out_aval = primitive.abstract(*avals, **params)
    if primitive.multiple_results:
        largest = max(largest, *(a.size for a in out_aval), 0)
    elif out_aval.size > largest:
        largest = out_aval.size
    if largest >= LARGE_EAGER and primitive.lower is not None:
        return plugs.evaluate_large(primitive, args, avals, params)
    if primitive.may_warn:
        with np.errstate(all="ignore"):
            out = primitive.numpy(*values, **params)
    else:
        out = primitive.numpy(*values, **params)
    if primitive.multiple_results:
        return [_wrap(value, aval) for value, aval in zip(out, out_aval, strict=True)]
    return _wrap(out, out_aval)


def _wrap(value: Any, aval: ShapedArray) -> Any:
    if value.dtype != aval.dtype:
        value = value.astype(aval.dtype)
    return _ext.wrap(value, aval.weak_type)
