"""The Fourier transform of ``jitney.lax``."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import fft as ops
from jitney._ops.fft import FftType as FftType
from jitney._ops.fft import fft_p as fft_p
from jitney.lax.operands import operand as as_operand

_KINDS = {**FftType.__members__}


def _kind(fft_type: Any) -> FftType:
    if isinstance(fft_type, str):
        if fft_type not in _KINDS:
            raise ValueError(f"Unknown FFT type '{fft_type}'")
        return _KINDS[fft_type]
    if not isinstance(fft_type, FftType):
        raise TypeError(f"Unknown FFT type value '{fft_type}'")
    return fft_type


def fft(x: Any, fft_type: FftType | str, fft_lengths: Sequence[int]) -> Any:
    """The discrete Fourier transform along the last ``len(fft_lengths)`` axes.

    Args:
        x: complex for ``FFT`` and ``IFFT`` (other dtypes are converted), real for ``RFFT``; for ``IRFFT`` the half of a Hermitian
            transform that ``RFFT`` gives: the last axis has ``fft_lengths[-1] // 2 + 1`` elements.
        fft_type: an ``FftType`` or its name. ``FFT`` and ``RFFT`` are sums; the inverse transforms divide by the number of points.
        fft_lengths: of the transform, along the last axes of the array of which, or to which, it is the transform.

    Returns:
        Complex for all types but ``IRFFT``, in the precision of ``x``.

    Raises ``ValueError`` for lengths that are not those of ``x``, for complex operands of ``RFFT`` and unknown names.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.fft(jnp.array([1.0, 0.0, 0.0, 0.0]), "RFFT", (4,)).real.tolist()
        [1.0, 1.0, 1.0]
    """
    kind = _kind(fft_type)
    x = as_operand("fft", x)
    dtype = get_aval(x).dtype
    if kind is FftType.RFFT and dtype.kind == "c":
        raise ValueError("only real valued inputs supported for rfft")
    x = ew.convert(x, ops.operand_dtype(kind, dtype))
    return ops.fft_p.bind(x, fft_lengths=tuple(operator.index(n) for n in fft_lengths), fft_type=kind)


__all__ = ["FftType", "fft", "fft_p"]
