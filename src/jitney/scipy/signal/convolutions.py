"""Convolution and correlation of arrays: directly, or by Fourier transforms where these take less time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from jitney import lax
from jitney import numpy as jnp
from jitney._core.trace import get_aval
from jitney._ops import raw
from jitney._ops.shapes import rev_p
from jitney.numpy import fft as _fft
from jitney.numpy.operands import array_operand, promote_inexact

__all__ = ["convolve", "convolve2d", "correlate", "correlate2d", "fftconvolve"]

_MODES = ("full", "same", "valid")
# Nanoseconds: of a multiplication and addition in a direct convolution, of a point and a halving in a transform, of a call.
_DIRECT, _FOURIER, _CALL = 0.07, 0.3, 3000.0


# -- what all have in common --------------------------------------------------------------------------


def _pair(name: str, in1: Any, in2: Any, mode: str) -> tuple[Any, Any]:
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {list(_MODES)}")
    x, y = promote_inexact(array_operand(name, in1), array_operand(name, in2, 1))
    if get_aval(x).ndim != get_aval(y).ndim:
        raise ValueError("in1 and in2 must have the same number of dimensions")
    if get_aval(x).size == 0 or get_aval(y).size == 0:
        raise ValueError(
            f"zero-size arrays not supported in convolutions, got shapes {get_aval(x).shape} and {get_aval(y).shape}."
        )
    return x, y


def _turned(x: Any) -> Any:
    axes = tuple(d for d, n in enumerate(get_aval(x).shape) if n > 1)
    return rev_p.bind(x, dimensions=axes) if axes else x


def _cut(full: Any, start: Sequence[int], sizes: Sequence[int]) -> Any:
    shape = get_aval(full).shape
    if tuple(sizes) == shape:
        return full
    return raw.slice_(full, tuple(start), tuple(a + n for a, n in zip(start, sizes, strict=True)))


def _window(one: Sequence[int], two: Sequence[int], mode: str) -> tuple[list[int], list[int]]:
    """Which part of the full convolution of arrays of these shapes a mode gives: start and sizes."""
    if mode == "full":
        return [0] * len(one), [n + m - 1 for n, m in zip(one, two, strict=True)]
    if mode == "same":
        return [(m - 1) // 2 for m in two], list(one)
    if not any(all(a >= b for a, b in zip(*pair, strict=True)) for pair in ((one, two), (two, one))):
        raise ValueError("One input must be smaller than the other in every dimension.")
    pairs = list(zip(one, two, strict=True))
    return [min(p) - 1 for p in pairs], [max(p) - min(p) + 1 for p in pairs]


def _direct(x: Any, kernel: Any, start: Sequence[int], sizes: Sequence[int], precision: Any) -> Any:
    """Of ``x`` and a kernel that has been turned."""
    shape, window = get_aval(x).shape, get_aval(kernel).shape
    pads = [(m - 1 - a, a + k - n) for n, m, a, k in zip(shape, window, start, sizes, strict=True)]
    image, weights = (raw.expand_dims(v, (0, 1)) for v in (x, kernel))
    out = lax.conv_general_dilated(image, weights, (1,) * len(shape), pads, precision=precision)
    return raw.squeeze(out, (0, 1))


# -- by Fourier transforms ----------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def fast_length(n: int) -> int:
    """The least length from ``n`` on whose transform is fast: without prime factors above 5, whole vectors if it is long."""
    if n <= 16:
        return n
    step = 16 if n > 256 else 2
    best = 1 << (n - 1).bit_length()
    five = 1
    while five < best:
        number = five
        while number < best:
            twos = step
            while twos * number < n:
                twos *= 2
            best = min(best, twos * number)
            number *= 3
        five *= 5
    return best


def _transform_cost(lengths: Sequence[int]) -> float:
    points = math.prod(lengths)
    return _FOURIER * points * (2 + math.log2(points))


def _block(n: int, m: int) -> int:
    """The length of transforms with which the convolution of vectors of ``n`` and ``m`` elements takes the least time."""
    whole = fast_length(n + m - 1)
    best, least = whole, 3 * _transform_cost([whole])
    length = fast_length(2 * m)
    while length < whole:
        cost = (2 * -(-n // (length - m + 1)) + 1) * _transform_cost([length])
        if cost < least:
            best, least = length, cost
        length = fast_length(2 * length)
    return best


def _by_transforms(x: Any, y: Any, axes: Sequence[int]) -> Any:
    """The full convolution along ``axes``, the product of transforms."""
    one, two = get_aval(x).shape, get_aval(y).shape
    sizes = [one[a] + two[a] - 1 for a in axes]
    if len(one) == 1 and _block(max(*one, *two), min(*one, *two)) < sizes[0]:
        return _in_blocks(*((x, y) if one >= two else (y, x)))
    lengths = [fast_length(n) for n in sizes]
    if get_aval(x).dtype.kind == "c":
        product = _fft.fftn(x, lengths, axes) * _fft.fftn(y, lengths, axes)
        out = _fft.ifftn(product, lengths, axes)
    else:
        product = _fft.rfftn(x, lengths, axes) * _fft.rfftn(y, lengths, axes)
        out = _fft.irfftn(product, lengths, axes)
    whole = list(get_aval(out).shape)
    for a, n in zip(axes, sizes, strict=True):
        whole[a] = n
    return _cut(out, [0] * len(whole), whole)


def _in_blocks(x: Any, y: Any) -> Any:
    """The full convolution of a long vector and a shorter one: that of its pieces, added where they overlap."""
    (n,), (m,) = get_aval(x).shape, get_aval(y).shape
    length = _block(n, m)
    step = length - m + 1
    count = -(-n // step)
    zero = get_aval(x).dtype.type(0)
    pieces = raw.reshape(raw.pad(x, zero, [(0, count * step - n, 0)]), (count, step))
    if get_aval(x).dtype.kind == "c":
        parts = _fft.ifft(_fft.fft(pieces, length) * _fft.fft(y, length))
    else:
        parts = _fft.irfft(_fft.rfft(pieces, length) * _fft.rfft(y, length), length)
    first = raw.slice_(parts, (0, 0), (count, step))
    later = raw.slice_(parts, (0, step), (count, length))
    later = raw.pad(later, zero, [(1, 0, 0), (0, 2 * step - length, 0)])
    total = raw.pad(first, zero, [(0, 1, 0), (0, 0, 0)]) + later
    return _cut(raw.reshape(total, ((count + 1) * step,)), (0,), (n + m - 1,))


def _fourier_is_faster(one: Sequence[int], two: Sequence[int], sizes: Sequence[int]) -> bool:
    """Of arrays of these shapes, the convolution of which has ``sizes``."""
    products = math.prod(sizes) * math.prod(map(min, one, two))
    if len(one) == 1:
        length = _block(max(*one, *two), min(*one, *two))
        pieces = -(-max(*one, *two) // max(length - min(*one, *two) + 1, 1))
        fourier = (2 * pieces + 1) * _transform_cost([length])
    else:
        fourier = 3 * _transform_cost([fast_length(n + m - 1) for n, m in zip(one, two, strict=True)])
    return _CALL + fourier < _DIRECT * products


# -- the functions ------------------------------------------------------------------------------------


def _convolution(
    x: Any, y: Any, mode: str, method: str, precision: Any, turned: bool = False, late: bool = False
) -> Any:
    """Of two arrays; ``turned``: of ``y`` the reverse is given; ``late``: an even middle begins one place later."""
    if method not in ("auto", "direct", "fft"):
        raise ValueError(f"Got {method=}; expected 'auto', 'fft', or 'direct'.")
    one, two = get_aval(x).shape, get_aval(y).shape
    if not one:
        return x * y
    start, sizes = _window(one, two, mode)
    if late and mode == "same":
        start = [m // 2 for m in two]
    if method == "auto":
        fourier = get_aval(x).dtype.itemsize >= 4 and _fourier_is_faster(one, two, sizes)
        method = "fft" if fourier else "direct"
    if method == "fft":
        return _cut(_by_transforms(x, _turned(y) if turned else y, range(len(one))), start, sizes)
    if math.prod(one) < math.prod(two):
        return _direct(_turned(y) if turned else y, _turned(x), start, sizes, precision)
    return _direct(x, y if turned else _turned(y), start, sizes, precision)


def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto", precision: Any = None) -> Any:
    """The convolution of two arrays of any number of dimensions.

    Args:
        in1, in2: arrays of one rank; integers become floats.
        mode: ``"full"``, ``"same"`` (the middle, of the shape of ``in1``) or ``"valid"`` (where they overlap fully).
        method: ``"direct"`` (sums of products), ``"fft"``, or ``"auto"``: what takes less time for these shapes.
        precision: accepted.

    Raises:
        ValueError: for other modes and methods, ranks that differ, empty arrays, and, if ``mode`` is ``"valid"``, where neither
            array is the larger one along all axes.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.signal import convolve
    >>> convolve(jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, 1.0]))
    Array([1., 3., 5., 3.], dtype=float64)
    """
    x, y = _pair("convolve", in1, in2, mode)
    return _convolution(x, y, mode, method, precision)


def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto", precision: Any = None) -> Any:
    """The correlation of two arrays: the convolution of ``in1`` with the conjugate of ``in2`` reversed along all axes.

    Args and errors as those of ``convolve``.
    """
    x, y = _pair("correlate", in1, in2, mode)
    return _convolution(x, jnp.conj(y), mode, method, precision, turned=True)


def _plane(name: str, in1: Any, in2: Any, boundary: str, fillvalue: Any) -> None:
    if boundary != "fill" or fillvalue != 0:
        raise NotImplementedError(f"{name}() only supports boundary='fill', fillvalue=0")
    if jnp.ndim(in1) != 2 or jnp.ndim(in2) != 2:
        raise ValueError(f"{name}() only supports 2-dimensional inputs.")


def convolve2d(
    in1: Any,
    in2: Any,
    mode: str = "full",
    boundary: str = "fill",
    fillvalue: float = 0,
    precision: Any = None,
) -> Any:
    """``convolve`` of two matrices, directly.

    Raises:
        NotImplementedError: for other boundaries than zeros.
        ValueError: as ``convolve`` does.
    """
    _plane("convolve2d", in1, in2, boundary, fillvalue)
    x, y = _pair("convolve2d", in1, in2, mode)
    return _convolution(x, y, mode, "direct", precision)


def correlate2d(
    in1: Any,
    in2: Any,
    mode: str = "full",
    boundary: str = "fill",
    fillvalue: float = 0,
    precision: Any = None,
) -> Any:
    """``correlate`` of two matrices, directly; errors as of ``convolve2d``."""
    _plane("correlate2d", in1, in2, boundary, fillvalue)
    x, y = _pair("correlate2d", in1, in2, mode)
    return _convolution(x, jnp.conj(y), mode, "direct", precision, turned=True, late=True)


def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """The convolution along ``axes`` (all by default), by Fourier transforms; along the others the shapes must agree.

    Raises:
        ValueError: for other modes, ranks or shapes that differ, and empty arrays.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.signal import fftconvolve
    >>> fftconvolve(jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, 1.0])).round(12)
    Array([1., 3., 5., 3.], dtype=float64)
    """
    x, y = promote_inexact(array_operand("fftconvolve", in1), array_operand("fftconvolve", in2, 1))
    if get_aval(x).ndim != get_aval(y).ndim:
        raise ValueError("in1 and in2 should have the same dimensionality")
    x, y = _pair("fftconvolve", x, y, mode)
    rank = get_aval(x).ndim
    if rank == 0:
        return x * y
    chosen = _fft._axes("fftconvolve", (axes,) if isinstance(axes, int) else axes, None, rank)
    one, two = get_aval(x).shape, get_aval(y).shape
    if any(one[d] != two[d] for d in range(rank) if d not in chosen):
        raise ValueError(
            f"mapped axes must have same shape; got in1.shape={one} in2.shape={two} axes={chosen}"
        )
    parts = [
        _window((n,), (m,), mode) if d in chosen else ([0], [n])
        for d, (n, m) in enumerate(zip(one, two, strict=True))
    ]
    _window([one[d] for d in chosen], [two[d] for d in chosen], mode)
    return _cut(_by_transforms(x, y, chosen), [a[0] for a, _ in parts], [n[0] for _, n in parts])
