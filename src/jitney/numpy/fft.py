"""``jitney.numpy.fft``: discrete Fourier transforms under NumPy's names.

The transform of x has the elements sum_j x[j] exp(-2 pi i j k / n). ``norm`` says where the factor 1/n goes: ``"backward"``
(the default) to the inverse transforms, ``"forward"`` to the others, ``"ortho"`` half to each. Transforms of real numbers leave
out what the symmetry X[-k] = conj(X[k]) gives. Single precision stays single precision.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._api.calls import expose as _expose
from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney._ops.fft import FftType as _Type
from jitney._ops.fft import fft_p as _fft_p
from jitney._ops.fft import operand_dtype as _operand_dtype
from jitney.numpy.operands import array_operand, convert, to_axes

_INVERSE = (_Type.IFFT, _Type.IRFFT)


# -- what all have in common --------------------------------------------------------------------------


def _factor(norm: str | None, lengths: Sequence[int], inverse: bool) -> float:
    """What the transform, which divides by the number of points if it is an inverse one, is to be multiplied by."""
    points = math.prod(lengths)
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')
    if norm in (None, "backward"):
        return 1.0
    if norm == "ortho":
        return math.sqrt(points) if inverse else 1 / math.sqrt(points)
    return float(points) if inverse else 1 / points


def _axes(name: str, axes: Any, s: Any, ndim: int) -> tuple[int, ...]:
    """The axes of a transform along several."""
    if axes is None:
        chosen = list(range(ndim)) if s is None else list(range(ndim - len(s), ndim))
        if s is not None and len(s) > ndim:
            raise ValueError(f"{name}: {len(s)} lengths were given for an array of {ndim} dimensions.")
    else:
        chosen = [operator.index(a) for a in axes]
    for a in chosen:
        if not -ndim <= a < ndim:
            raise np.exceptions.AxisError(a, ndim)
    out = tuple(a % ndim for a in chosen)
    if len(set(out)) != len(out):
        raise ValueError(f"{name} does not support repeated axes. Got axes {tuple(axes)}.")
    return out


def _resized(x: Any, axes: Sequence[int], sizes: Sequence[int]) -> Any:
    """Cut or padded with zeros at the ends of ``axes``."""
    shape = get_aval(x).shape
    target = list(shape)
    for a, n in zip(axes, sizes, strict=True):
        target[a] = n
    if tuple(target) == shape:
        return x
    kept = tuple(map(min, shape, target))
    if kept != shape:
        x = raw.slice_(x, (0,) * len(shape), kept)
    if kept != tuple(target):
        x = raw.pad(x, get_aval(x).dtype.type(0), [(0, n - k, 0) for n, k in zip(target, kept, strict=True)])
    return x


def _converted(name: str, x: Any, kind: _Type) -> Any:
    dtype = get_aval(x).dtype
    if kind is _Type.RFFT and dtype.kind == "c":
        raise ValueError(f"only real valued inputs supported for {name}")
    return convert(x, _operand_dtype(kind, dtype))


def _transform(name: str, kind: _Type, a: Any, s: Any, axes: Any, norm: str | None) -> Any:
    x = array_operand(f"jax.numpy.fft.{name}", a)
    ndim = get_aval(x).ndim
    if s is not None:
        s = tuple(map(operator.index, s))
        if axes is not None and len(s) != len(axes):
            raise ValueError("Shape and axes have different lengths.")
        if any(n < 1 for n in s):
            raise ValueError("Shape should be positive.")
    axes = _axes(f"jax.numpy.fft.{name}", axes, s, ndim)
    if not axes:
        return _converted(name, x, kind) if kind in (_Type.FFT, _Type.IFFT) else x
    x = _converted("rfft", x, kind)
    shape = get_aval(x).shape
    if s is None:
        lengths = [shape[a] for a in axes]
        if kind is _Type.IRFFT:
            lengths[-1] = max(0, 2 * (lengths[-1] - 1))
    else:
        lengths = list(s)
    given = [*lengths[:-1], lengths[-1] // 2 + 1] if kind is _Type.IRFFT else lengths
    x = _resized(x, axes, given)
    factor = _factor(norm, lengths, kind in _INVERSE)
    order = [*(d for d in range(ndim) if d not in axes), *axes]
    x = _along_last(kind, raw.transpose(x, order) if order != list(range(ndim)) else x, lengths)
    if order != list(range(ndim)):
        x = raw.transpose(x, [order.index(d) for d in range(ndim)])
    return x if factor == 1 else ew.mul(x, get_aval(x).dtype.type(factor))


def _along_last(kind: _Type, x: Any, lengths: Sequence[int]) -> Any:
    """The transform along the last axes, three at a time as ``lax.fft`` takes them."""
    if len(lengths) <= 3:
        return _fft_p.bind(x, fft_lengths=tuple(lengths), fft_type=kind)
    others = _Type.IFFT if kind in _INVERSE else _Type.FFT
    ndim, rest = get_aval(x).ndim, len(lengths) - 3
    first, last = list(range(ndim - len(lengths))), list(range(ndim - 3, ndim))
    middle = list(range(ndim - len(lengths), ndim - 3))
    order = [*first, *last, *middle]
    back = [order.index(d) for d in range(ndim)]

    def outer(y: Any) -> Any:
        return raw.transpose(_along_last(others, raw.transpose(y, order), lengths[:rest]), back)

    inner = lambda y: _fft_p.bind(y, fft_lengths=tuple(lengths[rest:]), fft_type=kind)  # noqa: E731
    return inner(outer(x)) if kind is _Type.IRFFT else outer(inner(x))


def _one(name: str, kind: _Type, a: Any, n: int | None, axis: int, norm: str | None) -> Any:
    if isinstance(axis, (tuple, list)) or axis is None:
        raise ValueError(
            f"jax.numpy.fft.{name} does not support multiple axes. Please use jax.numpy.fft.{name}n. Got axis = {axis!r}."
        )
    return _transform(name, kind, a, None if n is None else (n,), (axis,), norm)


def _two(name: str, kind: _Type, a: Any, s: Any, axes: Any, norm: str | None) -> Any:
    if len(axes) != 2:
        raise ValueError(f"jax.numpy.fft.{name} only supports 2 axes. Got axes = {axes!r}.")
    return _transform(name, kind, a, s, axes, norm)


# -- along one axis -----------------------------------------------------------------------------------


def fft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The discrete Fourier transform along an axis.

    Args:
        a: real or complex array.
        n: length of the transform: the axis is cut, or padded with zeros, to it.
        axis: along which to transform.
        norm: see the module.

    Returns:
        Complex array of the shape of ``a``, but ``n`` elements along ``axis``.

    Raises:
        ValueError: for an axis that ``a`` does not have, ``n < 1``, and unknown ``norm``.

    >>> import jitney.numpy as jnp
    >>> jnp.fft.fft(jnp.array([1.0, 0.0, -1.0, 0.0]))
    Array([0.+0.j, 2.+0.j, 0.+0.j, 2.+0.j], dtype=complex128)
    """
    return _one("fft", _Type.FFT, a, n, axis, norm)


def ifft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of ``fft``, with the same arguments.

    >>> import jitney.numpy as jnp
    >>> jnp.fft.ifft(jnp.array([4.0, 0.0, 0.0, 0.0])).real
    Array([1., 1., 1., 1.], dtype=float64)
    """
    return _one("ifft", _Type.IFFT, a, n, axis, norm)


def rfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The first ``n // 2 + 1`` elements of the Fourier transform of real numbers; the others are their conjugates.

    Args and errors as those of ``fft``; ``ValueError`` for complex ``a``.

    >>> import jitney.numpy as jnp
    >>> jnp.fft.rfft(jnp.array([1.0, 0.0, -1.0, 0.0]))
    Array([0.+0.j, 2.+0.j, 0.+0.j], dtype=complex128)
    """
    return _one("rfft", _Type.RFFT, a, n, axis, norm)


def irfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The real numbers of which ``a`` is the ``rfft``.

    Args:
        a: array with ``n // 2 + 1`` elements along ``axis`` (cut or padded to that). The imaginary parts of the first, and for even
            ``n`` of the last, are taken as 0.
        n: how many real numbers; ``2 * (a.shape[axis] - 1)`` by default.
        axis: along which to transform.
        norm: see the module.

    >>> import jitney.numpy as jnp
    >>> jnp.fft.irfft(jnp.fft.rfft(jnp.array([1.0, 2.0, 4.0])), n=3)
    Array([1., 2., 4.], dtype=float64)
    """
    return _one("irfft", _Type.IRFFT, a, n, axis, norm)


def hfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The real Fourier transform of a Hermitian sequence, of which ``a`` is the first half; ``n`` is its length.

    >>> import jitney.numpy as jnp
    >>> jnp.fft.hfft(jnp.array([1.0, 2.0, 3.0]))
    Array([ 8., -2.,  0., -2.], dtype=float64)
    """
    x = array_operand("jax.numpy.fft.hfft", a)
    swapped = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}
    return _one("irfft", _Type.IRFFT, jnp.conj(x), n, axis, swapped.get(norm, norm))


def ihfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of ``hfft``: the first ``n // 2 + 1`` elements of a Hermitian sequence with the real transform ``a``.

    >>> import jitney.numpy as jnp
    >>> jnp.fft.ihfft(jnp.array([8.0, -2.0, 0.0, -2.0])).real
    Array([1., 2., 3.], dtype=float64)
    """
    swapped = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}
    return jnp.conj(_one("rfft", _Type.RFFT, a, n, axis, swapped.get(norm, norm)))


# -- along several axes -------------------------------------------------------------------------------


def fftn(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Any:
    """The Fourier transform along several axes.

    Args:
        a: real or complex array.
        s: lengths along ``axes``, which are cut or padded with zeros to them.
        axes: along which to transform; all by default, or the last ``len(s)``.
        norm: see the module.

    Raises:
        ValueError: for axes that ``a`` does not have, repeated axes, and lengths that are not positive or as many as the axes.

    >>> import jitney.numpy as jnp
    >>> jnp.fft.fftn(jnp.ones((2, 2))).real.tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    """
    return _transform("fftn", _Type.FFT, a, s, axes, norm)


def ifftn(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Any:
    """The inverse of ``fftn``, with the same arguments."""
    return _transform("ifftn", _Type.IFFT, a, s, axes, norm)


def rfftn(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Any:
    """``rfft`` along the last of ``axes``, ``fft`` along the others."""
    return _transform("rfftn", _Type.RFFT, a, s, axes, norm)


def irfftn(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Any:
    """The inverse of ``rfftn``; ``s[-1]``, by default even, is the number of real numbers along the last of ``axes``."""
    return _transform("irfftn", _Type.IRFFT, a, s, axes, norm)


def fft2(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Any:
    """``fftn`` along two axes."""
    return _two("fft2", _Type.FFT, a, s, axes, norm)


def ifft2(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Any:
    """``ifftn`` along two axes."""
    return _two("ifft2", _Type.IFFT, a, s, axes, norm)


def rfft2(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Any:
    """``rfftn`` along two axes."""
    return _two("rfft2", _Type.RFFT, a, s, axes, norm)


def irfft2(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Any:
    """``irfftn`` along two axes."""
    return _two("irfft2", _Type.IRFFT, a, s, axes, norm)


# -- frequencies --------------------------------------------------------------------------------------


def _spacing(name: str, n: Any, d: Any) -> tuple[int, Any]:
    if isinstance(n, (list, tuple)) or np.ndim(n) > 0:
        raise ValueError(f"The n argument of jax.numpy.fft.{name} only takes an int. Got n = {n}.")
    if isinstance(d, (list, tuple)) or get_aval(d).ndim > 0:
        raise ValueError(f"The d argument of jax.numpy.fft.{name} only takes a single value. Got d = {d}.")
    return operator.index(n), d


def _frequencies(places: np.ndarray, n: int, d: Any, dtype: Any) -> Any:
    kind = np.dtype(dtype) if dtype is not None else dtypes.default_dtype("f")
    k = jnp.asarray(places.astype(kind))
    return k / (jnp.asarray(d, kind) * n) if n else k


def fftfreq(n: int, d: Any = 1.0, *, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of the elements of ``fft`` of ``n`` samples that are ``d`` apart, in cycles per unit of ``d``.

    >>> import jitney.numpy as jnp
    >>> jnp.fft.fftfreq(4, 0.5)
    Array([ 0. ,  0.5, -1. , -0.5], dtype=float64)
    """
    n, d = _spacing("fftfreq", n, d)
    places = np.arange(n)
    return _frequencies(np.where(places < (n + 1) // 2, places, places - n), n, d, dtype)


def rfftfreq(n: int, d: Any = 1.0, *, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of the elements of ``rfft`` of ``n`` samples that are ``d`` apart.

    >>> import jitney.numpy as jnp
    >>> jnp.fft.rfftfreq(4)
    Array([0.  , 0.25, 0.5 ], dtype=float64)
    """
    n, d = _spacing("rfftfreq", n, d)
    return _frequencies(np.arange(n // 2 + 1), n, d, dtype)


def _rolled(name: str, x: Any, axes: Any, sign: int) -> Any:
    x = array_operand(f"jax.numpy.fft.{name}", x)
    shape = get_aval(x).shape
    chosen = (
        range(len(shape))
        if axes is None
        else to_axes(axes if np.ndim(axes) == 0 else tuple(axes), len(shape))
    )
    steps = tuple(shape[a] // 2 if sign > 0 else -(shape[a] // 2) for a in chosen)
    return jnp.roll(x, steps, tuple(chosen))


def fftshift(x: Any, axes: Any = None) -> Any:
    """Moves the element of frequency 0 to the middle of each of ``axes`` (all by default).

    >>> import jitney.numpy as jnp
    >>> jnp.fft.fftshift(jnp.fft.fftfreq(5)).tolist()
    [-0.4, -0.2, 0.0, 0.2, 0.4]
    """
    return _rolled("fftshift", x, axes, 1)


def ifftshift(x: Any, axes: Any = None) -> Any:
    """The inverse of ``fftshift``."""
    return _rolled("ifftshift", x, axes, -1)


_expose(globals())
