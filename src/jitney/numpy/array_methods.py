"""Operators, methods and attributes of arrays, concrete (``ArrayImpl``) and traced (``Tracer``) alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitney import _ext
from jitney._api.calls import boundary
from jitney._api.devices import devices as _devices
from jitney._api.failed_calls import shown, written_as
from jitney._base import dtypes
from jitney._core.trace import ArrayImpl, Tracer, get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney.numpy import (
    arithmetic,
    creation,
    cumulative,
    diagonals,
    elementwise,
    gathering,
    indexing,
    linear,
    manipulation,
    protocols,
    reductions,
    searching,
    selecting,
    sorting,
    ufuncs,
)
from jitney.numpy.at import IndexUpdater
from jitney.numpy.operands import PYTHON_SCALARS, wrap

Function = Callable[..., Any]

_ACCEPTED = (Tracer, np.ndarray, np.generic, int, float, complex)
_PLAIN = PYTHON_SCALARS | {ArrayImpl}


# -- operators ----------------------------------------------------------------------------------------


def _is_operand(x: Any) -> bool:
    return type(x) in _PLAIN or isinstance(x, _ACCEPTED) or hasattr(x, "__jax_array__")


def _deferring(function: Function, form: str = "") -> Function:
    """An operator, written ``form``, that leaves operands it does not know to their own methods."""

    def implementation(x: Any, y: Any) -> Any:
        if _is_operand(x) and _is_operand(y):
            return function(x, y)
        if form:
            _refuse_containers(x, y, form)
        return NotImplemented

    return implementation


def _refuse_containers(x: Any, y: Any, form: str) -> None:
    """Raise for lists, dictionaries, text and None, which combine with no array."""
    other = x if _is_operand(y) else y
    kind = type(other)
    if kind not in (list, tuple, dict, set, str, bytes, type(None)):
        return
    if (
        "*" in form
        and hasattr(other, "__mul__")
        and all(a is other or get_aval(a).dtype.kind in "iu" for a in (x, y))
    ):
        return  # a sequence is repeated
    cure = ""
    if kind in (list, tuple):
        cure = f" Make an array of the {kind.__name__} first: jnp.array(...)."
    elif kind is dict:
        cure = " Leaf by leaf it is done by jitney.tree.map."
    raise TypeError(f"unsupported operand type(s): {form.format(shown(x), shown(y))}.{cure}")


def _swapped(function: Function) -> Function:
    return lambda x, y: function(y, x)


_BINARY: dict[str, Function] = {
    "add": ufuncs.add.general,
    "sub": ufuncs.subtract.general,
    "mul": ufuncs.multiply.general,
    "truediv": ufuncs.true_divide.general,
    "floordiv": arithmetic.floor_divide,
    "mod": arithmetic.remainder,
    "divmod": arithmetic.divmod,
    "pow": arithmetic.power,
    "matmul": lambda x, y: linear.matmul(x, y),
    "and": ufuncs.bitwise_and.general,
    "or": ufuncs.bitwise_or.general,
    "xor": ufuncs.bitwise_xor.general,
    "lshift": ufuncs.left_shift,
    "rshift": ufuncs.right_shift,
}
_COMPARISONS: dict[str, Function] = {
    "eq": ufuncs.equal.general,
    "ne": ufuncs.not_equal.general,
    "lt": ufuncs.less.general,
    "le": ufuncs.less_equal.general,
    "gt": ufuncs.greater.general,
    "ge": ufuncs.greater_equal.general,
}
_UNARY: dict[str, Function] = {
    "neg": ew.neg,
    "pos": ufuncs.positive,
    "abs": ufuncs.absolute,
    "invert": ew.not_,
}


# How messages write the operators, and name them.
_WRITTEN = {
    "add": ("{0} + {1}", "add"),
    "sub": ("{0} - {1}", "subtract"),
    "mul": ("{0} * {1}", "multiply"),
    "truediv": ("{0} / {1}", "divide"),
    "floordiv": ("{0} // {1}", "floor_divide"),
    "mod": ("{0} % {1}", "remainder"),
    "divmod": ("divmod({0}, {1})", "divmod"),
    "pow": ("{0} ** {1}", "power"),
    "matmul": ("{0} @ {1}", "matmul"),
    "and": ("{0} & {1}", "bitwise_and"),
    "or": ("{0} | {1}", "bitwise_or"),
    "xor": ("{0} ^ {1}", "bitwise_xor"),
    "lshift": ("{0} << {1}", "left_shift"),
    "rshift": ("{0} >> {1}", "right_shift"),
    "eq": ("{0} == {1}", "equal"),
    "ne": ("{0} != {1}", "not_equal"),
    "lt": ("{0} < {1}", "less"),
    "le": ("{0} <= {1}", "less_equal"),
    "gt": ("{0} > {1}", "greater"),
    "ge": ("{0} >= {1}", "greater_equal"),
    "neg": ("-{0}", "negative"),
    "pos": ("+{0}", "positive"),
    "abs": ("abs({0})", "abs"),
    "invert": ("~{0}", "invert"),
}


def _install_operators() -> None:
    for name, function in {**_BINARY, **_COMPARISONS}.items():
        form, called = _WRITTEN[name]
        asked = "" if name in ("eq", "ne") else form
        implementation = written_as(_deferring(function, asked), form, called)
        _ext.register_operator(name, implementation)
        setattr(Tracer, f"__{name}__", written_as(boundary(implementation), form, called))
        if name in _BINARY:
            form = form.format("{1}", "{0}")
            reflected = boundary(_deferring(_swapped(function), asked and form))
            setattr(Tracer, f"__r{name}__", written_as(reflected, form, called))
    for name, function in _UNARY.items():
        _ext.register_operator(name, written_as(function, *_WRITTEN[name]))
        method = boundary(lambda self, _function=function: _function(self))
        setattr(Tracer, f"__{name}__", written_as(method, *_WRITTEN[name]))
    _ext.register_operator("getitem", written_as(indexing.getitem, "{0}[{1}]", ""))
    Tracer.__getitem__ = written_as(boundary(indexing.getitem), "{0}[{1}]", "")


# -- methods ------------------------------------------------------------------------------------------


def _reshape(
    self: Any, *args: Any, order: str = "C", copy: bool | None = None, out_sharding: Any = None
) -> Any:
    """The elements in a new shape: ``x.reshape(2, -1)`` or ``x.reshape((2, -1))``."""
    shape = args[0] if len(args) == 1 and not isinstance(args[0], (int, np.integer)) else args
    return manipulation.reshape(self, shape, order)


def _transpose(self: Any, *args: Any) -> Any:
    """The axes permuted (by default reversed): ``x.transpose(1, 0)`` or ``x.transpose((1, 0))``."""
    if not args or (len(args) == 1 and args[0] is None):
        return manipulation.transpose(self)
    return manipulation.transpose(
        self, args[0] if len(args) == 1 and not isinstance(args[0], (int, np.integer)) else args
    )


def _astype(self: Any, dtype: Any, copy: bool = False, device: Any = None) -> Any:
    """The elements converted to ``dtype``."""
    return creation.astype(self, dtype)


def _flatten(self: Any, order: str = "C", *, out_sharding: Any = None) -> Any:
    """The elements in one axis."""
    return manipulation.ravel(self, order)


def _clip(self: Any, min: Any = None, max: Any = None) -> Any:
    """The elements held between ``min`` and ``max``."""
    return elementwise.clip(self, min, max)


def _view(self: Any, dtype: Any = None, type: None = None) -> Any:
    """The bits read as another dtype; narrower ones lengthen the last axis, wider ones shorten it."""
    if type is not None:
        raise NotImplementedError("`type` argument of array.view() is not supported.")
    if dtype is None:
        return self
    made = dtypes.requested(dtype)
    aval = get_aval(self)
    if aval.dtype == made:
        return self
    if aval.ndim == 0 and aval.dtype.itemsize != made.itemsize:
        raise ValueError("view() of a 0d array is only supported if the itemsize is unchanged.")
    if "bool" in (aval.dtype.name, made.name) or "c" in (aval.dtype.kind, made.kind):
        if isinstance(self, Tracer):
            raise TypeError("view() between bool or complex and other dtypes works on concrete arrays only.")
        return wrap(np.array(self._np.view(made)))
    old, new = aval.dtype.itemsize, made.itemsize
    bits = lambda x: ew.bitcast_convert_type_p.bind(x, new_dtype=made)  # noqa: E731
    if old == new:
        return bits(self)
    if old > new:
        return raw.reshape(bits(self), (*aval.shape[:-1], aval.shape[-1] * (old // new)))
    if aval.shape[-1] % (new // old):
        raise ValueError(
            f"view(): the last axis, of size {aval.shape[-1]}, does not divide into {made.name} numbers."
        )
    return bits(raw.reshape(self, (*aval.shape[:-1], aval.shape[-1] * old // new, new // old)))


def _copy(self: Any) -> Any:
    """A copy."""
    return creation.array(self, copy=True)


def _dot(self: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """The dot product with ``b``: see ``jitney.numpy.dot``."""
    return linear.dot(self, b, precision=precision, preferred_element_type=preferred_element_type)


def _round(self: Any, decimals: int = 0, out: Any = None) -> Any:
    """Rounded to ``decimals``, halves to even."""
    return elementwise.round(self, decimals, out)


def _round_operator(self: Any, ndigits: int | None = None) -> Any:
    rounded = elementwise.round(self, ndigits or 0)
    return int(rounded) if ndigits is None and isinstance(self, ArrayImpl) and self.ndim == 0 else rounded


def _nonzero(self: Any, *, fill_value: Any = None, size: int | None = None) -> Any:
    """Indices of nonzero elements."""
    return selecting.nonzero(self, size=size, fill_value=fill_value)


def _block_until_ready(self: Any) -> Any:
    """The array itself: results are always ready."""
    return self


def _no_effect(self: Any) -> None:
    """Nothing to do: arrays live in host memory and are freed with their last reference."""


def _array_namespace(self: Any, *, api_version: str | None = None) -> Any:
    """The module ``jitney.numpy``."""
    import jitney.numpy
    from jitney.numpy.array_api import VERSIONS

    if api_version is not None and api_version not in VERSIONS:
        raise ValueError(f"api_version={api_version!r} is not available; these are: {', '.join(VERSIONS)}.")
    return jitney.numpy


def _to_device(self: Any, device: Any, *, stream: Any = None) -> Any:
    """The array itself: there is one device, the CPU."""
    return self


def _tobytes(self: Any, order: str = "C") -> bytes:
    """The raw bytes in row-major order."""
    return np.asarray(self).tobytes(order)


def _methods() -> dict[str, Function]:
    """Name -> function whose first argument is the array."""
    same_name = {
        reductions: "all any max mean min prod ptp std sum var argmax argmin",
        manipulation: "ravel squeeze swapaxes",
        diagonals: "diagonal trace",
        gathering: "choose repeat take",
        sorting: "argsort sort searchsorted argpartition",
        cumulative: "cumsum cumprod",
    }
    found = {
        name: getattr(module, name)
        for module, names in same_name.items()
        for name in names.split()
        if hasattr(module, name)
    }
    found |= {name: ufuncs.conj for name in ("conj", "conjugate")}
    found |= {
        "reshape": _reshape,
        "transpose": _transpose,
        "astype": _astype,
        "flatten": _flatten,
        "clip": _clip,
        "view": _view,
        "copy": _copy,
        "dot": _dot,
        "round": _round,
        "nonzero": _nonzero,
        "compress": _compress,
        "byteswap": _byteswap,
        "__round__": _round_operator,
        "__array_namespace__": _array_namespace,
        "to_device": _to_device,
    }
    return found


def _byteswap(self: Any) -> Any:
    """The bytes of every element in reverse order."""
    aval = get_aval(self)
    bytes_ = _view(manipulation.reshape(self, (*aval.shape, 1)), np.uint8)
    return manipulation.reshape(_view(manipulation.flip(bytes_, -1), aval.dtype), aval.shape)


def _compress(
    self: Any,
    condition: Any,
    axis: int | None = None,
    *,
    out: None = None,
    size: int | None = None,
    fill_value: Any = 0,
) -> Any:
    """The slices along ``axis`` where ``condition`` holds."""
    return searching.compress(condition, self, axis, size=size, fill_value=fill_value, out=out)


_CONCRETE_METHODS: dict[str, Function] = {
    "__reversed__": lambda self: reversed(list(self)),
    "addressable_data": lambda self, index: self,
    "block_until_ready": _block_until_ready,
    "copy_to_host_async": _no_effect,
    "delete": _no_effect,
    "tobytes": _tobytes,
    "devices": lambda self: set(_devices()),
    "is_ready": lambda self: True,
    "on_device_size_in_bytes": lambda self: self.nbytes,
}

_PROPERTIES: dict[str, Function] = {
    "T": manipulation.transpose,
    "mT": manipulation.matrix_transpose,
    "real": elementwise.real,
    "imag": elementwise.imag,
    "at": IndexUpdater,
}


def _sharding(self: Any) -> Any:
    from jitney._api.shardings import sharding_of

    return sharding_of(self)


def _format(self: Any) -> Any:
    from jitney._api.layouts import rows

    return rows(self.ndim, _sharding(self))


def _shards(self: Any) -> Any:
    from jitney._api.shardings import shards_of

    return shards_of(self)


_CONCRETE_PROPERTIES: dict[str, Function] = {
    "sharding": _sharding,
    "format": _format,
    "addressable_shards": _shards,
    "global_shards": _shards,
    "device": lambda self: _devices()[0],
    "is_fully_addressable": lambda self: True,
    "is_fully_replicated": lambda self: True,
    "committed": lambda self: False,
    "_value": lambda self: self._np,
    "strides": lambda self: self._np.strides,
}


def _install_methods() -> None:
    for kind in (ArrayImpl, Tracer):
        for name, function in _methods().items():
            setattr(kind, name, written_as(boundary(function), f".{name}", f"array.{name}"))
        for name, function in _PROPERTIES.items():
            setattr(kind, name, property(function))
    for name, function in _CONCRETE_METHODS.items():
        setattr(ArrayImpl, name, function)
    for name, function in _CONCRETE_PROPERTIES.items():
        setattr(ArrayImpl, name, property(function))


_install_operators()
_install_methods()
protocols.install()
