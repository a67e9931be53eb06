"""``jitney.scipy.fft``: discrete cosine transforms of type 2 under SciPy's names.

Transform and inverse cost one Fourier transform of n real numbers in another order (J. Makhoul, "A fast cosine transform in one
and two dimensions", IEEE Trans. ASSP 28, 1980).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._api.calls import expose as _expose
from jitney._core.trace import get_aval
from jitney._ops import raw
from jitney.numpy import fft as _fft
from jitney.numpy.operands import array_operand, promote_inexact


def _check(name: str, type: int, norm: str | None) -> None:
    if type != 2:
        raise NotImplementedError("Only DCT type 2 is implemented.")
    if norm not in (None, "backward", "ortho"):
        raise ValueError(f"jax.scipy.fft.{name}: norm={norm!r} is not implemented")


def _operand(name: str, x: Any) -> Any:
    (x,) = promote_inexact(array_operand(name, x))
    return x


def _phases(n: int, dtype: np.dtype) -> np.ndarray:
    """exp(-i pi k / 2n) for the first half of the frequencies."""
    angles = np.pi / (2 * n) * np.arange(n // 2 + 1)
    return np.exp(-1j * angles).astype(np.complex128 if dtype.itemsize == 8 else np.complex64)


def _forward(x: Any, ortho: bool) -> Any:
    """Along the last axis: even elements ahead, odd ones backwards."""
    aval = get_aval(x)
    n = aval.shape[-1]
    z = _fft.rfft(jnp.concatenate([x[..., ::2], x[..., 1::2][..., ::-1]], -1)) * _phases(n, aval.dtype)
    y = jnp.concatenate([2 * z.real, -2 * z.imag[..., 1 : (n + 1) // 2][..., ::-1]], -1)
    return y * _orthonormal(n, aval.dtype) if ortho else y


def _backward(y: Any, ortho: bool) -> Any:
    aval = get_aval(y)
    n = aval.shape[-1]
    y = y / _orthonormal(n, aval.dtype) if ortho else y
    half = n // 2
    behind = y[..., n - half :][..., ::-1]
    partner = jnp.concatenate([jnp.zeros_like(y[..., :1]), behind], -1)
    z = (y[..., : half + 1] - 1j * partner) * (0.5 * np.conj(_phases(n, aval.dtype)))
    v = _fft.irfft(z, n)
    even, odd = v[..., : (n + 1) // 2], v[..., (n + 1) // 2 :][..., ::-1]
    if n % 2:
        odd = raw.pad(odd, aval.dtype.type(0), [(0, 0, 0)] * (aval.ndim - 1) + [(0, 1, 0)])
    woven = jnp.stack([even, odd], -1).reshape(*aval.shape[:-1], 2 * ((n + 1) // 2))
    return woven[..., :n]


def _orthonormal(n: int, dtype: np.dtype) -> np.ndarray:
    weights = np.full(n, math.sqrt(1 / (2 * n)), dtype)
    weights[0] = math.sqrt(1 / (4 * n))
    return weights


def _along(step: Callable[[Any, bool], Any], x: Any, axis: int, n: int | None, ortho: bool) -> Any:
    ndim = get_aval(x).ndim
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    if get_aval(x).shape[axis] == 0:
        raise ValueError(
            f"cosine transforms need at least one element, got shape {get_aval(x).shape} and {axis=}."
        )
    x = raw.move_axis(x, axis % ndim, ndim - 1)
    if n is not None:
        if n < 1:
            raise ValueError(f"the length of a cosine transform must be positive, got {n}.")
        x = _fft._resized(x, [ndim - 1], [n])
    if get_aval(x).dtype.kind == "c":
        out = step(x.real, ortho) + 1j * step(x.imag, ortho)
    else:
        out = step(x, ortho)
    return raw.move_axis(out, ndim - 1, axis % ndim)


def _several(step: Callable[[Any, bool], Any], name: str, x: Any, s: Any, axes: Any, norm: str | None) -> Any:
    x = _operand(name, x)
    chosen = _fft._axes(f"jax.scipy.fft.{name}", axes, s, get_aval(x).ndim)
    sizes = [None] * len(chosen) if s is None else [operator.index(n) for n in s]
    if len(sizes) != len(chosen):
        raise ValueError("Shape and axes have different lengths.")
    for axis, n in zip(chosen, sizes, strict=True):
        x = _along(step, x, axis, n, norm == "ortho")
    return x


def dct(x: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The discrete cosine transform ``y[k] = 2 sum_j x[j] cos(pi k (2j + 1) / 2n)``.

    Args:
        x: array.
        type: 2.
        n: length: the axis is cut, or padded with zeros, to it.
        axis: along which to transform.
        norm: with ``"ortho"`` the transform is an orthogonal matrix.

    Raises:
        NotImplementedError: for other types.
        ValueError: for other norms, and an axis that ``x`` does not have.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.fft import dct
    >>> dct(jnp.array([1.0, 1.0, 1.0])).round(12).tolist()
    [6.0, 0.0, 0.0]
    """
    _check("dct", type, norm)
    return _along(_forward, _operand("dct", x), axis, n, norm == "ortho")


def idct(x: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of ``dct``, with the same arguments."""
    _check("idct", type, norm)
    return _along(_backward, _operand("idct", x), axis, n, norm == "ortho")


def dctn(
    x: Any,
    type: int = 2,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str | None = None,
) -> Any:
    """``dct`` along several axes (all by default, or the last ``len(s)``), to lengths ``s``."""
    _check("dctn", type, norm)
    return _several(_forward, "dctn", x, s, axes, norm)


def idctn(
    x: Any,
    type: int = 2,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str | None = None,
) -> Any:
    """The inverse of ``dctn``."""
    _check("idctn", type, norm)
    return _several(_backward, "idctn", x, s, axes, norm)


_expose(globals())
