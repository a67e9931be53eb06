"""Precisions and algorithms that JAX's functions take: accepted, as products and functions have full precision here."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, NamedTuple, Union

import numpy as np

from jitney._base import dtypes
from jitney.lax.arrays import Precision
from jitney.lax.convolution import ConvDimensionNumbers


class AccuracyMode(enum.Enum):
    """How accurate an elementary function is: always within 2 units in the last place."""

    HIGHEST = 1
    DEFAULT = 2


class Tolerance:
    """Errors that an elementary function may have; accepted.

    Raises ``ValueError`` for negative numbers.
    """

    def __init__(self, atol: float = 0.0, rtol: float = 0.0, ulps: int = 0) -> None:
        if atol < 0.0 or rtol < 0.0 or ulps < 0.0:
            raise ValueError("Tolerances must be non-negative.")
        self.atol, self.rtol, self.ulps = atol, rtol, ulps

    def _key(self) -> tuple:
        return self.atol, self.rtol, self.ulps

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tolerance) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Tolerance(atol={self.atol}, rtol={self.rtol}, ulps={self.ulps})"


class DotAlgorithm(NamedTuple):
    """How matrix products are computed; accepted as a ``precision``."""

    lhs_precision_type: Any
    rhs_precision_type: Any
    accumulation_type: Any
    lhs_component_count: int = 1
    rhs_component_count: int = 1
    num_primitive_operations: int = 1
    allow_imprecise_accumulation: bool = False


_HALF, _SINGLE, _DOUBLE = (np.float16,), (np.float32,), (np.float64,)


class DotAlgorithmPreset(enum.Enum):
    """Algorithms of matrix products by name; accepted as a ``precision``.

    A name tells the dtypes of the operands and of the sum, and how many products of parts are taken.
    """

    DEFAULT = enum.auto()
    ANY_F8_ANY_F8_F32 = enum.auto()
    ANY_F8_ANY_F8_F32_FAST_ACCUM = enum.auto()
    ANY_F8_ANY_F8_ANY = enum.auto()
    ANY_F8_ANY_F8_ANY_FAST_ACCUM = enum.auto()
    F16_F16_F16 = enum.auto()
    F16_F16_F32 = enum.auto()
    BF16_BF16_BF16 = enum.auto()
    BF16_BF16_F32 = enum.auto()
    BF16_BF16_F32_X3 = enum.auto()
    BF16_BF16_F32_X6 = enum.auto()
    BF16_BF16_F32_X9 = enum.auto()
    TF32_TF32_F32 = enum.auto()
    TF32_TF32_F32_X3 = enum.auto()
    F32_F32_F32 = enum.auto()
    F64_F64_F64 = enum.auto()

    def __repr__(self) -> str:
        return f"DotAlgorithmPreset.{self.name}"

    __str__ = __repr__

    @property
    def accumulation_type(self) -> Any:
        """The scalar type of sums; None where any will do."""
        parts = self.name.split("_")
        name = next((p for p in reversed(parts) if p in ("F16", "F32", "F64", "BF16", "ANY")), "ANY")
        return {"F16": np.float16, "F32": np.float32, "F64": np.float64, "BF16": dtypes.bfloat16}.get(name)

    def _operand_types(self) -> tuple[Any, ...] | None:
        first = self.name.split("_")[0]
        if first == "BF16":
            parts = self.name.count("_X") > 0
            return _SINGLE if parts else (dtypes.bfloat16, np.float32)
        return {"F16": _HALF, "TF32": _SINGLE, "F32": _SINGLE, "F64": _DOUBLE}.get(first)

    @property
    def supported_lhs_types(self) -> tuple[Any, ...] | None:
        """Scalar types that the left operand may have; None: any."""
        return self._operand_types()

    @property
    def supported_rhs_types(self) -> tuple[Any, ...] | None:
        """Scalar types that the right operand may have; None: any."""
        return self._operand_types()

    def supported_output_types(self, lhs_dtype: Any, rhs_dtype: Any) -> tuple[Any, ...] | None:
        """Scalar types that the result may have; None: any."""
        return None if self.accumulation_type is None else (self.accumulation_type,)


DotDimensionNumbers = tuple[tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]]
ConvGeneralDilatedDimensionNumbers = Union[tuple[str, str, str], ConvDimensionNumbers, None]  # noqa: UP007
PrecisionLike = Union[  # noqa: UP007
    None, str, Precision, tuple[str, str], tuple[Precision, Precision], DotAlgorithm, DotAlgorithmPreset
]

__all__ = [
    "AccuracyMode",
    "ConvGeneralDilatedDimensionNumbers",
    "DotAlgorithm",
    "DotAlgorithmPreset",
    "DotDimensionNumbers",
    "PrecisionLike",
    "Tolerance",
]
