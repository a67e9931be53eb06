"""Spectra of signals: short-time Fourier transforms, periodograms averaged over segments, removal of trends.

Segments are a view of the signal, of which transforms are taken together. Welch, "The use of fast Fourier transform for the estimation
of power spectra", IEEE Trans. Audio 15, 1967; Griffin, Lim, "Signal estimation from modified short-time Fourier transform", 1984.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jitney import numpy as jnp
from jitney._core.trace import Tracer, get_aval
from jitney._ops import raw
from jitney._ops.windows import windows_p
from jitney.numpy import fft as _fft
from jitney.numpy.operands import array_operand, broadcast_shapes, promote_inexact

__all__ = ["csd", "detrend", "istft", "stft", "welch"]

_BOUNDARIES = ("even", "odd", "constant", "zeros", None)


# -- trends -------------------------------------------------------------------------------------------


def _detrended(x: Any, kind: str) -> Any:
    """Without the mean, or without the line of least squares, along the last axis."""
    if kind not in ("constant", "linear"):
        raise ValueError("Trend type must be 'linear' or 'constant'.")
    x = x - jnp.mean(x, -1, keepdims=True)
    n = get_aval(x).shape[-1]
    if kind == "constant" or n < 2:
        return x
    t = np.arange(n) - (n - 1) / 2
    t = (t / np.sqrt(np.sum(t * t))).astype(np.zeros(0, get_aval(x).dtype).real.dtype)
    return x - jnp.sum(x * t, -1, keepdims=True) * t


def detrend(data: Any, axis: int = -1, type: str = "linear", bp: Any = 0, overwrite_data: None = None) -> Any:
    """Remove the mean (``"constant"``) or the line of least squares (``"linear"``) along an axis.

    Args:
        data: array.
        axis: along which.
        type: ``"linear"`` or ``"constant"``.
        bp: places at which a new line begins.
        overwrite_data: not available.

    Raises:
        ValueError: for other types, and places outside of the axis.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.signal import detrend
    >>> detrend(jnp.array([1.0, 2.0, 4.0]), type="constant").round(3).tolist()
    [-1.333, -0.333, 1.667]
    """
    if overwrite_data is not None:
        raise NotImplementedError("overwrite_data argument not implemented.")
    if type not in ("constant", "linear"):
        raise ValueError("Trend type must be 'linear' or 'constant'.")
    (x,) = promote_inexact(array_operand("detrend", data))
    x = jnp.moveaxis(x, axis, -1)
    n = get_aval(x).shape[-1]
    if type == "constant":
        out = _detrended(x, type)
    else:
        places = sorted({0, *np.atleast_1d(np.asarray(bp, int)).tolist(), n})
        if places[0] < 0 or places[-1] > n:
            raise ValueError(
                "Breakpoints must be non-negative and less than length of data along given axis."
            )
        pieces = [_detrended(x[..., a:b], type) for a, b in zip(places[:-1], places[1:], strict=True)]
        out = jnp.concatenate(pieces, -1)
    return jnp.moveaxis(out, -1, axis)


# -- segments -----------------------------------------------------------------------------------------


class _Segments(NamedTuple):
    """The window of a segment, how far apart segments begin, and the length of their transforms."""

    window: Any
    step: int
    transformed: int

    @property
    def length(self) -> int:
        return int(self.window.shape[0])


def _integer(name: str, value: Any) -> int:
    return value.__index__() if hasattr(value, "__index__") else int(value)


def _get_window(window: Any, nperseg: int | None, n: int) -> Any:
    """The window as an array, of ``nperseg`` elements (256 by default, at most ``n``) if it is given by name."""
    if isinstance(window, (str, tuple)):
        length = min(256 if nperseg is None else nperseg, n)
        from scipy.signal import get_window

        return get_window(window, length)
    window = window if isinstance(window, Tracer) else np.asarray(window)
    if window.ndim != 1:
        raise ValueError("window must be 1-D")
    if window.shape[0] > n:
        raise ValueError("window is longer than input signal")
    if nperseg is not None and window.shape[0] != nperseg:
        raise ValueError("value specified for nperseg is different from length of window")
    return window


def _segments(window: Any, nperseg: Any, noverlap: Any, nfft: Any, n: int) -> _Segments:
    if nperseg is not None:
        nperseg = _integer("nperseg", nperseg)
        if nperseg < 1:
            raise ValueError("nperseg must be a positive integer")
    window = _get_window(window, nperseg, n)
    length = window.shape[0]
    transformed = length if nfft is None else _integer("nfft", nfft)
    if transformed < length:
        raise ValueError("nfft must be greater than or equal to nperseg.")
    overlap = length // 2 if noverlap is None else _integer("noverlap", noverlap)
    if overlap >= length:
        raise ValueError("noverlap must be less than nperseg.")
    return _Segments(window, length - overlap, transformed)


def _view(x: Any, segments: _Segments) -> Any:
    """Segments along a new last axis."""
    rank, length = get_aval(x).ndim, segments.length
    return (
        windows_p.bind(
            x,
            window_dimensions=(1,) * (rank - 1) + (length,),
            window_dilation=(1,) * rank,
            window_strides=(1,) * (rank - 1) + (segments.step,),
        )
        if length > 1
        else raw.expand_dims(x[..., :: segments.step], (rank,))
    )


def _extended(x: Any, boundary: str | None, count: int) -> Any:
    """``count`` elements more at both ends of the last axis."""
    if boundary not in _BOUNDARIES:
        raise ValueError(f"Unknown boundary option '{boundary}', must be one of: {list(_BOUNDARIES)}")
    if boundary is None or count == 0:
        return x
    n = get_aval(x).shape[-1]
    if boundary in ("even", "odd") and count > n - 1:
        raise ValueError(f"The extension at the ends ({count}) must be shorter than the signal ({n}).")
    if boundary == "zeros":
        zero = get_aval(x).dtype.type(0)
        return raw.pad(x, zero, [(0, 0, 0)] * (get_aval(x).ndim - 1) + [(count, count, 0)])
    first, last = x[..., :1], x[..., -1:]
    if boundary == "constant":
        before, after = (jnp.repeat(v, count, -1) for v in (first, last))
    else:
        before = x[..., 1 : count + 1][..., ::-1]
        after = x[..., n - 1 - count : n - 1][..., ::-1]
        if boundary == "odd":
            before, after = 2 * first - before, 2 * last - after
    return jnp.concatenate([before, x, after], -1)


def _transforms(x: Any, segments: _Segments, trend: Any, onesided: bool) -> Any:
    """``[..., segment, frequency]``."""
    view = _view(x, segments)
    if callable(trend):
        view = trend(view)
    elif trend:
        view = _detrended(view, trend)
    window = jnp.asarray(segments.window, np.zeros(0, get_aval(x).dtype).real.dtype)
    transform = _fft.rfft if onesided else _fft.fft
    return transform(view * window, segments.transformed)


def _signal(name: str, x: Any, axis: int) -> Any:
    (x,) = promote_inexact(array_operand(name, x))
    return jnp.moveaxis(x, axis, -1)


def _frequencies(segments: _Segments, fs: Any, onesided: bool) -> Any:
    return (_fft.rfftfreq if onesided else _fft.fftfreq)(segments.transformed, 1 / fs)


def _times(segments: _Segments, n: int, fs: Any, boundary: str | None) -> Any:
    """The middles of segments of an extended signal of ``n`` elements."""
    middles = np.arange(segments.length / 2, n - segments.length / 2 + 1, segments.step)
    times = jnp.asarray(middles) / fs
    return times - (segments.length / 2) / fs if boundary is not None else times


def _energy(window: Any, scaling: str, fs: Any) -> Any:
    if scaling == "density":
        return 1.0 / (fs * (window * window).sum())
    if scaling == "spectrum":
        return 1.0 / window.sum() ** 2
    raise ValueError(f"Unknown scaling: {scaling}")


# -- spectra ------------------------------------------------------------------------------------------


def stft(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int = 256,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = False,
    return_onesided: bool = True,
    boundary: str | None = "zeros",
    padded: bool = True,
    axis: int = -1,
) -> tuple[Any, Any, Any]:
    """The short-time Fourier transform: transforms of windowed, overlapping segments.

    Args:
        x: signal.
        fs: samples per unit of time.
        window: of a segment: an array, or a name that ``scipy.signal.get_window`` knows.
        nperseg: length of a segment (that of ``window``, if it is an array).
        noverlap: elements that neighbouring segments share; half a segment by default.
        nfft: length of the transforms, to which segments are padded.
        detrend: ``"constant"``, ``"linear"``, a function of segments, or False.
        return_onesided: of real signals give the frequencies that are not negative only.
        boundary: how the signal is extended by half a segment at both ends: ``"zeros"``, ``"even"``, ``"odd"``, ``"constant"``, None.
        padded: add zeros at the end so that there is a whole number of segments.
        axis: along which.

    Returns:
        Frequencies, times of the segments' middles, and the transforms, with the times as the last axis.

    Raises:
        ValueError: for lengths and names that do not fit.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.signal import stft
    >>> stft(jnp.ones(64), nperseg=16)[2].shape
    (9, 9)
    """
    x = _signal("stft", x, axis)
    if get_aval(x).size == 0:
        empty = jnp.zeros(get_aval(x).shape)
        return empty, empty, empty.astype(complex)
    if isinstance(window, (str, tuple)) and boundary is not None and nperseg is not None:
        nperseg = min(_integer("nperseg", nperseg), get_aval(x).shape[-1]) if nperseg >= 1 else nperseg
    segments = _segments(window, nperseg, noverlap, nfft, get_aval(x).shape[-1])
    x = _extended(x, boundary, segments.length // 2)
    if padded:
        more = -(get_aval(x).shape[-1] - segments.length) % segments.step % segments.length
        zero = get_aval(x).dtype.type(0)
        x = raw.pad(x, zero, [(0, 0, 0)] * (get_aval(x).ndim - 1) + [(0, more, 0)])
    onesided = return_onesided and get_aval(x).dtype.kind != "c"
    out = _transforms(x, segments, detrend, onesided)
    scale = jnp.asarray(1.0 / segments.window.sum(), np.zeros(0, get_aval(out).dtype).real.dtype)
    rank = get_aval(x).ndim
    out = jnp.moveaxis(
        out * scale, (-1, -2), (axis % rank, rank)
    )  # frequencies where the signal was, times last
    return _frequencies(segments, fs, onesided), _times(segments, get_aval(x).shape[-1], fs, boundary), out


def csd(
    x: Any,
    y: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Any, Any]:
    """The cross power spectral density by Welch's method: products of the transforms of segments, averaged.

    Args:
        x, y: signals, broadcast against each other; the shorter is padded with zeros. ``y=None`` stands for ``x``.
        fs, window, nperseg, noverlap, nfft, detrend, return_onesided, axis: as of ``stft``.
        scaling: ``"density"`` (power per frequency) or ``"spectrum"`` (power).
        average: ``"mean"`` or ``"median"`` over segments.

    Returns:
        Frequencies, and ``conj(X) Y`` at them along ``axis``.

    Raises:
        ValueError: for lengths, names and shapes that do not fit.
    """
    same = y is None or y is x
    x = _signal("csd", x, axis)
    if not same:
        x, y = promote_inexact(x, _signal("csd", y, axis))
        if get_aval(x).ndim != get_aval(y).ndim:
            raise ValueError(
                f"two-arguments must have the same rank ({get_aval(x).ndim} vs {get_aval(y).ndim})."
            )
        try:
            broadcast_shapes(get_aval(x).shape[:-1], get_aval(y).shape[:-1])
        except ValueError as error:
            raise ValueError("x and y cannot be broadcast together.") from error
        n = max(get_aval(v).shape[-1] for v in (x, y))
        x, y = (_fft._resized(v, [get_aval(v).ndim - 1], [n]) for v in (x, y))
    if get_aval(x).size == 0 or (not same and get_aval(y).size == 0):
        empty = jnp.zeros(get_aval(x).shape)
        return empty, empty
    segments = _segments(window, nperseg, noverlap, nfft, get_aval(x).shape[-1])
    onesided = return_onesided and get_aval(x).dtype.kind != "c"
    scale = _energy(segments.window, scaling, fs)
    one = _transforms(x, segments, detrend, onesided)
    if same:
        power = one.real**2 + one.imag**2
    else:
        power = jnp.conj(one) * _transforms(y, segments, detrend, onesided)
    power = power * jnp.asarray(scale, np.zeros(0, get_aval(one).dtype).real.dtype)
    if onesided:
        power = power * _twice(segments.transformed, np.zeros(0, get_aval(power).dtype).real.dtype)
    out = jnp.moveaxis(_averaged(power, average), -1, axis)
    return _frequencies(segments, fs, onesided), out


def _twice(n: int, dtype: np.dtype) -> np.ndarray:
    """The weights of frequencies that stand for negative ones, too."""
    weights = np.full(n // 2 + 1, 2, dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return weights


def _averaged(power: Any, average: str) -> Any:
    """Over segments; the median of exponentially distributed numbers is made to agree with their mean."""
    if average == "mean":
        return jnp.mean(power, -2)
    if average != "median":
        raise ValueError(f'average must be "median" or "mean", got {average}')
    n = get_aval(power).shape[-2]
    k = 2 * np.arange(1.0, (n - 1) // 2 + 1)
    bias = 1 + np.sum(1 / (k + 1) - 1 / k)
    if get_aval(power).dtype.kind == "c":
        middle = jnp.median(power.real, -2) + 1j * jnp.median(power.imag, -2)
    else:
        middle = jnp.median(power, -2)
    return middle / bias


def welch(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Any, Any]:
    """The power spectral density: ``csd`` of a signal with itself; frequencies and real numbers.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.signal import welch
    >>> welch(jnp.ones(64), nperseg=16)[1].shape
    (9,)
    """
    return csd(x, None, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average)


def istft(
    Zxx: Any,  # noqa: N803
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    input_onesided: bool = True,
    boundary: bool = True,
    time_axis: int = -1,
    freq_axis: int = -2,
) -> tuple[Any, Any]:
    """The signal of which ``Zxx`` is the ``stft``: windowed segments, added, over the sum of squared windows.

    Args:
        Zxx: transforms.
        fs, window, nperseg, noverlap, nfft: those of ``stft``.
        input_onesided: whether the negative frequencies were left out.
        boundary: whether the signal was extended.
        time_axis, freq_axis: where the segments and the frequencies are.

    Returns:
        Times, as many as the first axis of the signal is long, and the signal.

    Raises:
        ValueError: for shapes and lengths that do not fit.
    """
    z = array_operand("istft", Zxx)
    rank = get_aval(z).ndim
    if rank < 2:
        raise ValueError("Input stft must be at least 2d!")
    if freq_axis % rank == time_axis % rank:
        raise ValueError("Must specify differing time and frequency axes!")
    z = jnp.moveaxis(z, (time_axis, freq_axis), (-2, -1))
    z = z if get_aval(z).dtype.kind == "c" else z.astype(complex)
    natural = 2 * (get_aval(z).shape[-1] - 1) if input_onesided else get_aval(z).shape[-1]
    length = natural if nperseg is None else _integer("nperseg", nperseg)
    if length < 1:
        raise ValueError("nperseg must be a positive integer")
    transformed = (length if input_onesided and length == natural + 1 else natural) if nfft is None else nfft
    if transformed < length:
        raise ValueError(f"FFT length ({transformed}) must be longer than nperseg ({length}).")
    overlap = length // 2 if noverlap is None else _integer("noverlap", noverlap)
    if overlap >= length:
        raise ValueError("noverlap must be less than nperseg.")
    if isinstance(window, (str, tuple)):
        weights = _get_window(window, length, length)
    else:
        weights = window if isinstance(window, Tracer) else np.asarray(window)
        if weights.ndim != 1:
            raise ValueError("window must be 1-D")
        if weights.shape[0] != length:
            raise ValueError(f"window must have length of {length}")
    pieces = (_fft.irfft if input_onesided else _fft.ifft)(z, transformed)[..., :length]
    dtype = np.zeros(0, get_aval(pieces).dtype).real.dtype
    shape = jnp.asarray(weights, dtype)
    total = _overlapped(pieces * (shape * jnp.asarray(weights.sum(), dtype)), length - overlap)
    count = get_aval(pieces).shape[-2]
    norm = _overlapped(jnp.broadcast_to(shape * shape, (count, length)), length - overlap)
    if boundary:
        half = length // 2
        stop = get_aval(total).shape[-1] - half
        total, norm = total[..., half:stop], norm[half:stop]
    x = total / jnp.where(norm > 1e-10, norm, 1)
    x = jnp.moveaxis(x, -1, time_axis % rank - (freq_axis % rank < time_axis % rank)) if rank > 2 else x
    return jnp.arange(get_aval(x).shape[0]) / jnp.asarray(fs, float), x


def _overlapped(pieces: Any, step: int) -> Any:
    """The sum of segments that begin ``step`` apart: ``[..., count, length] -> [..., (count - 1) * step + length]``."""
    *lead, count, length = get_aval(pieces).shape
    parts = -(-length // step)
    nothing: list[tuple[int, int, int]] = [(0, 0, 0)] * len(lead)
    zero = get_aval(pieces).dtype.type(0)
    wide = raw.pad(pieces, zero, [*nothing, (0, 0, 0), (0, parts * step - length, 0)])
    total: Any = None
    for k in range(parts):
        part = raw.pad(
            wide[..., k * step : (k + 1) * step], zero, [*nothing, (k, parts - 1 - k, 0), (0, 0, 0)]
        )
        total = part if total is None else total + part
    flat = raw.reshape(total, (*lead, (count + parts - 1) * step))
    return flat[..., : (count - 1) * step + length]
