"""Dtypes: defaults, 32-bit canonicalisation, and the promotion lattice with weak types.

The lattice (join = least upper bound; ``i*``, ``f*``, ``c*`` are the weak Python scalars)::

    bool -> i* -> {u8 -> u16 -> u32 -> u64,  i8 -> i16 -> i32 -> i64}   (uN -> i2N as well)
    u64, i64 -> f* -> {float8s, bf16, f16} -> f32 -> f64 ;  f* -> c* -> c64 -> c128 ; f32 -> c64 ; f64 -> c128
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np

from jitney import _ext
from jitney._base.config import config

SMALL_INTEGERS = ("int1", "int2", "int4", "uint1", "uint2", "uint4")
EXTENSION_NAMES = (
    "bfloat16",
    "float4_e2m1fn",
    "float6_e2m3fn",
    "float6_e3m2fn",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3b11fnuz",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    *SMALL_INTEGERS,
)


@lru_cache(maxsize=1)
def extension_types() -> dict[str, np.dtype]:
    """bfloat16 and the narrow types by name; ``ml_dtypes`` is imported when one is first asked for."""
    import ml_dtypes

    return {name: np.dtype(getattr(ml_dtypes, name)) for name in EXTENSION_NAMES}


def is_small_integer(dtype: np.dtype) -> bool:
    """True for integers of 1, 2 or 4 bits; an element takes a byte."""
    return dtype.kind == "V" and dtype.isbuiltin == 2 and not is_key(dtype) and dtype.name in SMALL_INTEGERS


def is_extension(dtype: np.dtype) -> bool:
    """True for bfloat16 and the narrower floats."""
    return dtype.isbuiltin == 2 and not is_key(dtype) and dtype.name not in SMALL_INTEGERS


def __getattr__(name: str) -> np.dtype:
    if name in EXTENSION_NAMES:
        return extension_types()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


float0 = np.dtype([("float0", np.void, 0)])

# The dtypes of arrays of random keys: key<fry>, of two words, and those of four, key<rbg> and key<urbg>.
KEY, RBG_KEY, URBG_KEY = _ext.key_dtype, _ext.rbg_key_dtype, _ext.urbg_key_dtype


def is_key(dtype: Any) -> bool:
    """True for the dtypes of random keys."""
    return dtype is KEY or dtype is RBG_KEY or dtype is URBG_KEY


class extended(np.generic):  # noqa: N801  (named as the scalar types of NumPy are)
    """Stands for all dtypes that are no numbers, in ``issubdtype``."""


class prng_key(extended):  # noqa: N801
    """Stands for the dtypes of random keys: ``issubdtype(key.dtype, jitney.dtypes.prng_key)``, ``key.dtype.type``."""


_ext.describe_key_dtypes(prng_key)
KEY_DTYPES = {dtype.name: dtype for dtype in (KEY, RBG_KEY, URBG_KEY)}


_bool = np.dtype(bool)

Node = Any  # an np.dtype or one of "i*", "f*", "c*"


@lru_cache(maxsize=2)
def _edges(with_extensions: bool) -> dict[Node, list[Node]]:
    """The lattice; most programs never need the part that ``ml_dtypes`` defines."""
    narrow = extension_types().items() if with_extensions else ()
    small = [t for name, t in narrow if name not in SMALL_INTEGERS]
    integers = [t for name, t in narrow if name in SMALL_INTEGERS]
    d = np.dtype
    u8, u16, u32, u64 = map(d, ("u1", "u2", "u4", "u8"))
    i8, i16, i32, i64 = map(d, ("i1", "i2", "i4", "i8"))
    f16, f32, f64, c64, c128 = map(d, ("f2", "f4", "f8", "c8", "c16"))
    edges: dict[Node, list[Node]] = {
        _bool: ["i*"],
        "i*": [u8, i8, *integers],
        u8: [i16, u16],
        u16: [i32, u32],
        u32: [i64, u64],
        u64: ["f*"],
        i8: [i16],
        i16: [i32],
        i32: [i64],
        i64: ["f*"],
        "f*": ["c*", f16, *small],
        f16: [f32],
        f32: [f64, c64],
        f64: [c128],
        "c*": [c64],
        c64: [c128],
        c128: [],
    }
    edges.update({f: [f32] if f.name == "bfloat16" else [] for f in small})
    edges.update({i: [] for i in integers})
    return edges


@cache
def _above(node: Node, with_extensions: bool) -> frozenset[Node]:
    found = {node}
    for nxt in _edges(with_extensions)[node]:
        found |= _above(nxt, with_extensions)
    return frozenset(found)


class TypePromotionError(ValueError):
    """Dtypes that have no implicit common type."""


TypePromotionError.__module__ = "jitney.dtypes"


@cache
def _join(nodes: frozenset[Node]) -> Node:
    if len(nodes) == 1:
        return next(iter(nodes))
    extended = any(isinstance(n, np.dtype) and n.isbuiltin == 2 for n in nodes)
    common = frozenset.intersection(*(_above(n, extended) for n in nodes))
    for candidate in common:
        if common <= _above(candidate, extended):
            return candidate
    names = ", ".join(sorted(str(n) for n in nodes))
    raise TypePromotionError(
        f"Input dtypes ({names}) have no available implicit dtype promotion path. "
        "Cast the inputs with x.astype(...) to the type that you want."
    )


_TO_32 = {np.dtype(a): np.dtype(b) for a, b in (("i8", "i4"), ("u8", "u4"), ("f8", "f4"), ("c16", "c8"))}
_DEFAULT_64 = {"b": _bool, "i": np.dtype("i8"), "f": np.dtype("f8"), "c": np.dtype("c16")}
_SCALAR_KIND = {bool: "b", int: "i", float: "f", complex: "c"}
_WEAK_NODE = {"i": "i*", "u": "i*", "f": "f*", "c": "c*", "b": _bool}
_WEAK_DEFAULT = {"i*": "i", "f*": "f", "c*": "c"}


_wide = True  # jax_enable_x64, kept at hand


def _set_wide(enabled: bool) -> None:
    global _wide
    _wide = bool(enabled)


config.on_change("jax_enable_x64", _set_wide)


def canonicalize_dtype(dtype: Any) -> np.dtype:
    """The dtype that an array of ``dtype`` really gets (32-bit when x64 is disabled)."""
    if not (isinstance(dtype, np.dtype) and dtype.kind in "biufc"):
        dtype = as_dtype(dtype)
    if not dtype.isnative:  # as read from FITS files
        dtype = dtype.newbyteorder("=")
    return dtype if _wide else _TO_32.get(dtype, dtype)


def requested(dtype: Any) -> np.dtype:
    """The dtype that an array gets for which a user named ``dtype``; a word about 64 bits that it does not get."""
    named = as_dtype(dtype)
    made = canonicalize_dtype(named)
    if made is not named and made.itemsize != named.itemsize:
        _narrowed(named, made)
    return made


def _narrowed(named: np.dtype, made: np.dtype) -> None:
    text = f"Explicitly requested dtype {named.name} is not available while jax_enable_x64 is off"
    cure = 'turn it on by config.update("jax_enable_x64", True) or in the environment, JAX_ENABLE_X64=1.'
    if config.read("jax_explicit_x64_dtypes") == "error":
        raise ValueError(f"{text}: {cure}")
    from jitney._base import sources

    sources.warn(f"{text}, and will be truncated to dtype {made.name}: {cure}")


def as_dtype(dtype: Any) -> np.dtype:
    """``np.dtype`` of a dtype, scalar type, Python type or name; TypeError for what arrays cannot hold."""
    if isinstance(dtype, np.dtype):
        result = dtype
    elif dtype in _SCALAR_KIND:
        return default_dtype(_SCALAR_KIND[dtype])
    elif isinstance(dtype, str) and dtype in EXTENSION_NAMES:
        return extension_types()[dtype]
    else:
        try:
            result = np.dtype(getattr(dtype, "dtype", dtype) if not isinstance(dtype, type) else dtype)
        except (TypeError, ValueError):
            raise TypeError(
                f"{dtype!r} is not a dtype, such as float, 'float32' or jnp.int8{_cure(dtype)}."
            ) from None
    if not is_supported(result):
        raise TypeError(
            f"dtype {result!r} is not a valid array type: arrays hold bool, int, uint, float and complex numbers only"
        )
    return result


def _cure(dtype: Any) -> str:
    whole = isinstance(dtype, int) or isinstance(dtype, tuple) and all(isinstance(n, int) for n in dtype)
    return "; the sizes of several axes are one argument, a tuple" if whole else ""


def is_supported(dtype: np.dtype) -> bool:
    return (
        dtype.kind in "biufc"
        and dtype.itemsize <= 16
        and dtype.char not in "gG"
        or is_extension(dtype)
        or is_small_integer(dtype)
        or dtype == float0
        or is_key(dtype)
    )


def default_dtype(kind: str) -> np.dtype:
    """Default dtype of kind ``b``, ``i``, ``f`` or ``c``."""
    dtype = _DEFAULT_64[kind]
    return dtype if _wide else _TO_32.get(dtype, dtype)


def scalar_dtype(value: Any) -> np.dtype:
    """The dtype of a Python scalar; ``OverflowError`` for an integer beyond it."""
    if type(value) is int and not -(1 << 31) <= value < 1 << 31:
        bits = 63 if _wide else 31
        if not -(1 << bits) <= value < 1 << bits:
            raise OverflowError(
                f"Python integer {value} does not fit dtype int{bits + 1}: give it a dtype, jnp.array({value}, dtype)."
            )
    return default_dtype(_SCALAR_KIND[type(value)])


def kind_of(dtype: np.dtype) -> str:
    """``b i u f c``, with bfloat16 and float8 counted as ``f``; ``k`` for random keys."""
    if is_key(dtype):
        return "k"
    if dtype.kind != "V" or dtype == float0:
        return dtype.kind
    return "f" if dtype.name not in SMALL_INTEGERS else dtype.name[0]


def is_inexact(dtype: np.dtype) -> bool:
    return dtype.kind in "fc" or is_extension(dtype)


def is_floating(dtype: np.dtype) -> bool:
    return dtype.kind == "f" or is_extension(dtype)


def promote(types: tuple[tuple[np.dtype, bool], ...]) -> tuple[np.dtype, bool]:
    """Common ``(dtype, weak_type)`` of several ``(dtype, weak_type)``."""
    return _promote(types, _wide)


@lru_cache(maxsize=8192)
def _promote(types: tuple[tuple[np.dtype, bool], ...], _x64: bool) -> tuple[np.dtype, bool]:
    dtypes = {dtype for dtype, _ in types}
    weak = all(w for _, w in types)
    if len(dtypes) == 1:
        return canonicalize_dtype(next(iter(dtypes))), weak
    keys = sorted(d.name for d in dtypes if is_key(d))
    if keys:
        others = ", ".join(sorted(d.name for d in dtypes if d.name != keys[0]))
        raise TypeError(f"Random keys (dtype {keys[0]}) do not combine with {others}: they are no numbers.")
    if weak:
        node = _join(frozenset(dtypes))
    else:
        node = _join(frozenset(_WEAK_NODE[kind_of(d)] if w else d for d, w in types))
        weak = isinstance(node, str)
    if isinstance(node, str):
        return default_dtype(_WEAK_DEFAULT[node]), weak
    return canonicalize_dtype(node), weak


def to_inexact(dtype: np.dtype) -> np.dtype:
    """The floating dtype that integers and booleans become in ``sin``, ``mean``, ``/``: 64 bits only for 64 bits."""
    if is_inexact(dtype):
        return dtype
    return default_dtype("f") if dtype.itemsize == 8 else np.dtype("f4")


@cache
def real_dtype(dtype: np.dtype) -> np.dtype:
    """``complex128 -> float64``; others unchanged."""
    return np.dtype({"c8": "f4", "c16": "f8"}.get(f"{dtype.kind}{dtype.itemsize}", dtype))


@cache
def complex_dtype(dtype: np.dtype) -> np.dtype:
    """``float64 -> complex128``; float32 and narrower -> complex64."""
    if dtype.kind == "c":
        return dtype
    return np.dtype("c16") if dtype == np.dtype("f8") or dtype.kind in "iu" else np.dtype("c8")
