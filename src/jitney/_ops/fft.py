"""fft: the discrete Fourier transform along the last axes, complex or of real numbers; the extension computes it.

``fft`` has complex operands; compiled programs, which hold complex numbers as pairs of reals, use ``fft_of_pairs``: the same
numbers seen as real arrays with one more axis of length 2.
"""

from __future__ import annotations

import enum
import math
from typing import Any

import numpy as np

from jitney._core import plugs
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._kernel.rules import Routine, RoutineCall
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.families import linear


class FftType(enum.IntEnum):
    """Which transform: complex, its inverse, of real numbers, or to real numbers."""

    FFT = 0
    IFFT = 1
    RFFT = 2
    IRFFT = 3


def _complex_of(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.complex128 if dtype.itemsize == 8 else np.complex64)


def _real_of(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.float64 if dtype.itemsize == 16 else np.float32)


def operand_dtype(kind: FftType, dtype: np.dtype) -> np.dtype:
    """The dtype in which an operand of ``dtype`` is transformed: integers as floats of their width, nothing below 32 bits.

    Half precision has no transforms of real numbers.
    """
    if kind is FftType.RFFT and dtype.itemsize == 2 and dtype.kind not in "iu":
        return dtype
    if dtype.kind != "c":
        double = dtype == np.float64 or (dtype.kind in "iu" and dtype.itemsize == 8)
        dtype = np.dtype(np.float64 if double else np.float32)
        return dtype if kind is FftType.RFFT else _complex_of(dtype)
    return dtype


def _halved(lengths: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of what is not redundant in the transform of real numbers."""
    return (*lengths[:-1], lengths[-1] // 2 + 1)


def _abstract(x: ShapedArray, *, fft_type: FftType, fft_lengths: tuple[int, ...]) -> ShapedArray:
    kind, rank = FftType(fft_type), len(fft_lengths)
    if x.ndim < rank:
        raise ValueError(
            f"FFT input shape {x.shape} must have at least as many input dimensions as fft_lengths {fft_lengths}."
        )
    inner, wanted = x.shape[x.ndim - rank :], fft_lengths
    if kind is FftType.RFFT:
        if x.dtype not in (np.float32, np.float64):
            raise ValueError(f"RFFT input must be float32 or float64, got {x.dtype.name}.")
        dtype, shape = _complex_of(x.dtype), _halved(fft_lengths) if rank else ()
    else:
        if x.dtype.kind != "c":
            raise ValueError(f"{kind.name} input must be complex64 or complex128, got {x.dtype.name}.")
        dtype, shape = x.dtype, fft_lengths
        if kind is FftType.IRFFT:
            dtype, wanted = _real_of(x.dtype), _halved(fft_lengths) if rank else ()
    if inner != wanted:
        needed = f" (for IRFFT the last is {wanted[-1]})" if kind is FftType.IRFFT and wanted else ""
        raise ValueError(
            f"FFT input shape {x.shape} minor dimensions must be equal to fft_lengths {fft_lengths}{needed}."
        )
    return shaped_array(x.shape[: x.ndim - rank] + shape, dtype)


def _meaning(x: Any, *, fft_type: FftType, fft_lengths: tuple[int, ...]) -> Any:
    if not fft_lengths or x.size == 0 or 0 in fft_lengths:
        aval = _abstract(get_aval(x), fft_type=fft_type, fft_lengths=fft_lengths)
        return x.copy() if not fft_lengths and aval.dtype == x.dtype else np.zeros(aval.shape, aval.dtype)
    axes = tuple(range(x.ndim - len(fft_lengths), x.ndim))
    if len(axes) == 1:
        by_kind: Any = (np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft)
        return by_kind[fft_type](x, fft_lengths[0])
    by_kind = (np.fft.fftn, np.fft.ifftn, np.fft.rfftn, np.fft.irfftn)
    return by_kind[fft_type](x, fft_lengths, axes)


def _plan(avals: Any, *, fft_type: FftType, fft_lengths: tuple[int, ...]) -> RoutineCall | None:
    """The routine's arguments: kind, bytes of a real number, how many transforms, their lengths."""
    (x,) = avals
    if not fft_lengths or x.size == 0 or 0 in fft_lengths:
        return None
    pairs = fft_type != FftType.RFFT and x.dtype.kind != "c"
    batch = math.prod(x.shape[: x.ndim - pairs - len(fft_lengths)])
    size = x.dtype.itemsize // (2 if x.dtype.kind == "c" else 1)
    points = batch * math.prod(fft_lengths)
    return RoutineCall(
        "jt_fft",
        (int(fft_type), size, batch, len(fft_lengths), *fft_lengths),
        nanoseconds=points * (2 + math.log2(points)) / 4,
    )


def _transpose(ct: Any, x: Any, *, fft_type: FftType, fft_lengths: tuple[int, ...]) -> Any:
    """Complex transforms are symmetric; those of real numbers are each other's transposes but for weights."""
    if fft_type in (FftType.FFT, FftType.IFFT):
        return fft_p.bind(ct, fft_type=fft_type, fft_lengths=fft_lengths)
    total = math.prod(fft_lengths)
    if fft_type == FftType.RFFT:
        weights = _Weights(get_aval(ct), fft_lengths)
        out = fft_p.bind(
            ew.mul(ew.conj(ct), weights.reciprocal()), fft_type=FftType.IRFFT, fft_lengths=fft_lengths
        )
        return ew.mul(out, get_aval(out).dtype.type(total))
    out = fft_p.bind(ct, fft_type=FftType.RFFT, fft_lengths=fft_lengths)
    return ew.conj(ew.mul(out, _Weights(get_aval(out), fft_lengths).over(total)))


class _Weights:
    """How often a point of the transform of real numbers stands for one of the full transform: once or twice."""

    def __init__(self, aval: ShapedArray, lengths: tuple[int, ...]) -> None:
        self.aval = aval
        self.once = [0, *([aval.shape[-1] - 1] if lengths[-1] % 2 == 0 else [])]

    def _array(self, once: float, twice: float) -> Any:
        values = np.full(self.aval.shape[-1], twice, self.aval.dtype)
        values[self.once] = once
        return values.reshape((1,) * (self.aval.ndim - 1) + values.shape)

    def reciprocal(self) -> Any:
        return self._array(1, 0.5)

    def over(self, total: int) -> Any:
        return self._array(1 / total, 2 / total)


def _batch(size: int, args: Any, dims: Any, **params: Any) -> tuple[Any, int]:
    return fft_p.bind(raw.move_axis(args[0], dims[0], 0), **params), 0


fft_p = Primitive("fft")
fft_p.abstract = _abstract
fft_p.numpy = _meaning
fft_p.may_warn = True
linear(fft_p, _transpose)
fft_p.batch = _batch
fft_p.lower = Routine(_plan, of_complex=True)


def _eager(x: Any, *, fft_type: FftType, fft_lengths: tuple[int, ...]) -> Any:
    """The compiled program of a transform takes less time than NumPy, however small the array is."""
    return plugs.evaluate_large(
        fft_p, [x], [get_aval(x)], {"fft_lengths": fft_lengths, "fft_type": FftType(fft_type)}
    )


fft_p.impl = _eager


# -- of pairs


def _as_pairs(aval: ShapedArray) -> ShapedArray:
    return shaped_array((*aval.shape, 2), _real_of(aval.dtype)) if aval.dtype.kind == "c" else aval


def _as_complex(x: ShapedArray) -> ShapedArray:
    return shaped_array(x.shape[:-1], _complex_of(x.dtype))


def _pairs_abstract(x: ShapedArray, *, fft_type: FftType, fft_lengths: tuple[int, ...]) -> ShapedArray:
    given = x if fft_type == FftType.RFFT else _as_complex(x)
    return _as_pairs(_abstract(given, fft_type=fft_type, fft_lengths=fft_lengths))


def _pairs_meaning(x: Any, *, fft_type: FftType, fft_lengths: tuple[int, ...]) -> Any:
    given = x if fft_type == FftType.RFFT else np.ascontiguousarray(x).view(_complex_of(x.dtype))[..., 0]
    out = _meaning(given, fft_type=fft_type, fft_lengths=fft_lengths)
    if out.dtype.kind != "c":
        return out
    return np.ascontiguousarray(out).reshape(*out.shape, 1).view(out.real.dtype)


fft_of_pairs_p = Primitive("fft_of_pairs")
fft_of_pairs_p.abstract = _pairs_abstract
fft_of_pairs_p.numpy = _pairs_meaning
fft_of_pairs_p.may_warn = True
fft_of_pairs_p.lower = Routine(_plan)


def _axes_abstract(x: ShapedArray, *, inverse: bool, axes: tuple[int, ...]) -> ShapedArray:
    return shaped_array(x.shape, x.dtype)


def _axes_meaning(x: Any, *, inverse: bool, axes: tuple[int, ...]) -> Any:
    z = np.ascontiguousarray(x).view(_complex_of(x.dtype))[..., 0]
    out = (np.fft.ifftn if inverse else np.fft.fftn)(z, axes=axes)
    return np.ascontiguousarray(out).reshape(*out.shape, 1).view(x.dtype)


def _axes_plan(avals: Any, *, inverse: bool, axes: tuple[int, ...]) -> RoutineCall | None:
    (x,) = avals
    shape = x.shape[:-1]
    if x.size == 0 or not axes:
        return None
    points = math.prod(shape)
    ns = points * (2 + math.log2(max(math.prod(shape[a] for a in axes), 1))) / 4
    return RoutineCall(
        "jt_fft", (4 + inverse, x.dtype.itemsize, len(axes), len(shape), *shape, *axes), nanoseconds=ns
    )


# Complex transforms along any axes, where ``fft`` would stand between transposes.
fft_along_p = Primitive("fft_along")
fft_along_p.abstract = _axes_abstract
fft_along_p.numpy = _axes_meaning
fft_along_p.may_warn = True
fft_along_p.lower = Routine(_axes_plan)
