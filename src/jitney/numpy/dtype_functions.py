"""Dtypes as users see them: scalar types, promotion and questions about dtypes."""

from __future__ import annotations

import builtins
from functools import lru_cache
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.promotion import result_type as _result_type
from jitney._core.trace import ArrayImpl, Tracer
from jitney.numpy import creation

__all__ = [
    "ComplexWarning",
    "bool",
    "bool_",
    "can_cast",
    "cdouble",
    "character",
    "complex128",
    "complex64",
    "complex_",
    "complexfloating",
    "csingle",
    "double",
    "dtype",
    "finfo",
    "flexible",
    "float16",
    "float32",
    "float64",
    "float_",
    "floating",
    "generic",
    "iinfo",
    "inexact",
    "int16",
    "int32",
    "int64",
    "int8",
    "int_",
    "integer",
    "isdtype",
    "issubdtype",
    "number",
    "object_",
    "promote_types",
    "result_type",
    "signedinteger",
    "single",
    "uint",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
    "unsignedinteger",
]


dtype = np.dtype
generic, number, inexact, floating, complexfloating = (
    np.generic,
    np.number,
    np.inexact,
    np.floating,
    np.complexfloating,
)
integer, signedinteger, unsignedinteger = np.integer, np.signedinteger, np.unsignedinteger
flexible, character, object_ = np.flexible, np.character, np.object_
ComplexWarning = np.exceptions.ComplexWarning


class _ScalarType(type):
    """``jnp.float64``: names a dtype, compares equal to NumPy's type, and makes arrays when called."""

    dtype: np.dtype

    def __hash__(self) -> int:
        return hash(self.dtype.type)

    def __eq__(self, other: object) -> builtins.bool:
        return self is other or self.dtype.type == other

    def __ne__(self, other: object) -> builtins.bool:
        return not self == other

    def __call__(self, x: Any) -> Any:
        return creation.asarray(x, dtype=self.dtype)

    def __instancecheck__(self, instance: Any) -> builtins.bool:
        return isinstance(instance, self.dtype.type)

    def __repr__(self) -> str:
        return f"<class 'jitney.numpy.{self.__name__}'>"


def _scalar_type(name: str, of: Any) -> Any:
    made = np.dtype(of)
    cls = _ScalarType(
        name, (), {"dtype": made, "__doc__": f"The dtype {made.name}; as a function, an array of it."}
    )
    cls.__module__ = "jitney.numpy"
    return cls


bool_ = _scalar_type("bool", bool)
int8, int16, int32, int64 = (_scalar_type(f"int{n}", f"i{n // 8}") for n in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (_scalar_type(f"uint{n}", f"u{n // 8}") for n in (8, 16, 32, 64))
float16, float32, float64 = (_scalar_type(f"float{n}", f"f{n // 8}") for n in (16, 32, 64))
complex64, complex128 = (_scalar_type(f"complex{n}", f"c{n // 8}") for n in (64, 128))


@lru_cache(maxsize=8)
def extension_type(name: str) -> Any:
    """``jnp.bfloat16`` and kin, made when first asked for (they import ``ml_dtypes``)."""
    return _scalar_type(name, dtypes.extension_types()[name])


bool = bool_  # noqa: A001
int_, uint, float_, complex_ = int64, uint64, float64, complex128
single, double, csingle, cdouble = float32, float64, complex64, complex128


def _as_type(x: Any) -> Any:
    return x.dtype if isinstance(x, (_ScalarType, ArrayImpl, Tracer)) else x


def result_type(*args: Any) -> np.dtype:
    """The dtype that arrays, scalars and dtypes promote to.

    >>> import jitney.numpy as jnp
    >>> jnp.result_type(jnp.float32, 1.0)
    dtype('float32')
    """
    if not args:
        raise ValueError("at least one array or dtype is required")
    return _result_type(*[a.dtype if isinstance(a, _ScalarType) else a for a in args])


def promote_types(a: Any, b: Any) -> np.dtype:
    """The dtype that two dtypes promote to; Python scalar types are weak."""
    weak = [t in (int, float, complex) if type(t) is type else False for t in (a, b)]
    types = tuple((dtypes.canonicalize_dtype(_as_type(t)), w) for t, w in zip((a, b), weak, strict=True))
    return dtypes.promote(types)[0]


_NUMBERS = (np.number, np.generic)
_ABOVE = {
    "f": (np.floating, np.inexact, *_NUMBERS),
    "i": (np.signedinteger, np.integer, *_NUMBERS),
    "u": (np.unsignedinteger, np.integer, *_NUMBERS),
}


def issubdtype(arg1: Any, arg2: Any) -> Any:
    """True if dtype ``arg1`` is ``arg2`` or below it, as ``issubdtype(x.dtype, jnp.floating)``."""
    first = _as_type(arg1)
    if dtypes.is_key(first) or arg2 in (dtypes.prng_key, dtypes.extended):
        key_kinds = (first, dtypes.prng_key, dtypes.extended, np.generic)
        return dtypes.is_key(first) and any(arg2 is kind for kind in key_kinds)
    try:
        made = np.dtype(first) if not (isinstance(first, type) and issubclass(first, np.generic)) else None
    except TypeError:
        made = None
    if made is not None and made.isbuiltin == 2 and not dtypes.is_key(made):  # bfloat16 and the narrow types
        if isinstance(arg2, type) and issubclass(arg2, np.generic):
            return arg2 in _ABOVE[dtypes.kind_of(made)] or arg2 is made.type
        return made == dtypes.as_dtype(_as_type(arg2))
    return np.issubdtype(first, _as_type(arg2))


def isdtype(dtype: Any, kind: Any) -> Any:
    """True if ``dtype`` is of a kind: a dtype, one of "bool", "integral", "real floating", ... or a tuple of these."""
    made = dtypes.as_dtype(_as_type(dtype))
    kinds = {
        "bool": "b",
        "signed integer": "i",
        "unsigned integer": "u",
        "integral": "iu",
        "real floating": "f",
        "complex floating": "c",
        "numeric": "iufc",
    }
    for one in kind if isinstance(kind, tuple) else (kind,):
        if isinstance(one, str) and one in kinds:
            if dtypes.kind_of(made) in kinds[one]:
                return True
        elif isinstance(one, str) and one not in np.sctypeDict and one != "bfloat16":
            raise ValueError(f"Unrecognized kind {one!r}; expected one of {list(kinds)}")
        elif dtypes.as_dtype(_as_type(one)) == made:
            return True
    return False


def can_cast(from_: Any, to: Any, casting: Any = "safe") -> Any:
    """True if values of dtype ``from_`` can be cast to ``to`` under NumPy's rule ``casting``."""
    return np.can_cast(_as_type(from_), _as_type(to), casting)


def finfo(dtype: Any) -> Any:
    """Limits of a floating dtype: ``eps``, ``max``, ``tiny`` ..."""
    made = _as_type(dtype) if not hasattr(dtype, "dtype") else dtype.dtype
    made = np.dtype(made)
    if made.kind in "fc" and made.isbuiltin == 1:
        return np.finfo(made)
    import ml_dtypes

    return ml_dtypes.finfo(made)


def iinfo(int_type: Any) -> Any:
    """Limits of an integer dtype: ``min``, ``max``, ``bits``."""
    made = _as_type(int_type) if not hasattr(int_type, "dtype") else int_type.dtype
    made = np.dtype(made)
    if not dtypes.is_small_integer(made):
        return np.iinfo(made)
    import ml_dtypes

    return ml_dtypes.iinfo(made)
