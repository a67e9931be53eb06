"""Abstract values: what is known of an array before it has numbers (shape, dtype, weak type)."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

import numpy as np

from jitney._base.dtypes import is_key


class AbstractValue:
    """What is known of a value before it has one: its type."""

    __slots__ = ()


class ShapedArray(AbstractValue):
    """Shape, dtype and weak type of an array; interned, so equal avals are nearly always identical."""

    __slots__ = ("_hash", "dtype", "ndim", "shape", "size", "weak_type")

    shape: tuple[int, ...]
    dtype: np.dtype
    weak_type: bool

    sharding = None  # with one device a type says nothing of where an array is

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype,
        weak_type: bool = False,
        *,
        sharding: Any = None,
        manual_axis_type: Any = None,
        memory_space: Any = None,
    ) -> None:
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.weak_type = bool(weak_type)
        self.ndim = len(self.shape)
        self.size = math.prod(self.shape)
        self._hash = hash((self.shape, self.dtype, self.weak_type))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            type(other) is ShapedArray
            and self._hash == other._hash
            and self.shape == other.shape
            and self.dtype == other.dtype
            and self.weak_type == other.weak_type
        )

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def update(self, **changes: Any) -> ShapedArray:
        """A copy with some of ``shape``, ``dtype``, ``weak_type`` replaced."""
        return shaped_array(
            changes.get("shape", self.shape),
            changes.get("dtype", self.dtype),
            changes.get("weak_type", self.weak_type),
        )

    def strip_weak_type(self) -> ShapedArray:
        return shaped_array(self.shape, self.dtype, False) if self.weak_type else self

    def at_least_vspace(self) -> ShapedArray:
        """The type of a tangent of this value (``float0`` where the value is not differentiable)."""
        return tangent_aval(self)

    to_tangent_aval = at_least_vspace

    def str_short(self, short_dtypes: bool = True) -> str:
        """``f64[3,2]``."""
        name = short_dtype(self.dtype) if short_dtypes else self.dtype.name
        return f"{name}[{','.join(map(str, self.shape))}]"

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapedArray({self.dtype.name}[{','.join(map(str, self.shape))}]{weak})"

    def __reduce__(self) -> tuple:
        return shaped_array, (self.shape, self.dtype, self.weak_type)


@lru_cache(maxsize=16384)
def shaped_array(shape: tuple[int, ...], dtype: np.dtype, weak_type: bool = False) -> ShapedArray:
    """The interned aval of ``shape`` and ``dtype``."""
    return ShapedArray(shape, dtype, weak_type)


float0 = np.dtype([("float0", np.void, 0)])


@lru_cache(maxsize=4096)
def tangent_aval(aval: ShapedArray) -> ShapedArray:
    kind = aval.dtype.kind
    if kind in "fc" or (
        kind == "V" and aval.dtype != float0 and not is_key(aval.dtype)
    ):  # 'V': bfloat16 and the float8 family
        return shaped_array(aval.shape, aval.dtype, aval.weak_type)
    return shaped_array(aval.shape, float0, False)


_SHORT = {"float": "f", "int": "i", "uint": "u", "complex": "c", "bfloat": "bf"}


@cache
def short_dtype(dtype: np.dtype) -> str:
    """``f64`` for float64, ``i32`` for int32, ``bool`` for bool."""
    if dtype == float0:
        return "float0"
    name = dtype.name
    stem = name.rstrip("0123456789")
    if stem in _SHORT and stem != name:
        return _SHORT[stem] + name[len(stem) :]
    return name
