"""``scipy.signal`` against JAX and SciPy: convolutions by either method, spectra, trends."""

from __future__ import annotations

from typing import Any

import jax
import jax.scipy.signal
import numpy as np
import pytest
import scipy.signal

import jitney
import jitney.scipy.signal as signal
from comparing import assert_raises_alike, assert_same, check_first

RNG = np.random.default_rng(0)
SHAPES = [
    ((20,), (7,)),
    ((6,), (11,)),
    ((9, 8), (3, 5)),
    ((4, 3, 5), (2, 3, 2)),
    ((900,), (3,)),
    ((3000,), (40,)),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolutions(shapes: Any, mode: str) -> None:
    x, y = (RNG.normal(size=s) for s in shapes)
    z = y * (1 + 2j)
    for method in ("direct", "fft", "auto"):
        fun = jitney.jit(
            lambda x, y, z, m=method: (signal.convolve(x, y, mode, m), signal.correlate(x, z, mode, m))
        )
        got, turned = fun(x, y, z)
        np.testing.assert_allclose(got, scipy.signal.convolve(x, y, mode, "direct"), atol=1e-11)
        np.testing.assert_allclose(turned, scipy.signal.correlate(x, z, mode, "direct"), atol=1e-11)
    if mode != "same" or x.size > y.size:
        np.testing.assert_allclose(
            signal.fftconvolve(x, y, mode), scipy.signal.fftconvolve(x, y, mode), atol=1e-11
        )


def test_long_vectors_in_pieces() -> None:
    x, y = RNG.normal(size=40_000), RNG.normal(size=700)
    fun = jitney.jit(lambda x, y: signal.convolve(x, y, "same"))
    assert "fft" in str(jitney.make_jaxpr(fun)(x, y))
    np.testing.assert_allclose(fun(x, y), scipy.signal.convolve(x, y, "same"), atol=1e-10)
    ct = RNG.normal(size=x.shape)
    (pulled,) = jitney.vjp(lambda x: fun(x, y), x)[1](ct)
    t = RNG.normal(size=x.shape)
    np.testing.assert_allclose(np.vdot(pulled, t), np.vdot(ct, fun(t, y)), rtol=1e-9)


def test_planes() -> None:
    x, y = RNG.normal(size=(7, 9)), RNG.normal(size=(3, 4))
    for mode in ("full", "same", "valid"):
        for name in ("convolve2d", "correlate2d"):
            got, want = (getattr(L, name)(x, y, mode) for L in (signal, scipy.signal))
            np.testing.assert_allclose(got, want, atol=1e-12)
    check_first(lambda x, y: [signal.convolve2d(x, y)], (x, y))
    rows = signal.fftconvolve(x, x, axes=1)
    np.testing.assert_allclose(rows, scipy.signal.fftconvolve(x, x, axes=1), atol=1e-12)


X = RNG.normal(size=(2, 100))
SPECTRA = {
    "stft": lambda s, x: s.stft(x, nperseg=32),
    "stft, other": lambda s, x: s.stft(x, 10.0, "hamming", 24, 10, 40, boundary="even", padded=False),
    "stft, first axis": lambda s, x: s.stft(x.T, nperseg=16, axis=0, boundary=None, detrend="constant"),
    "stft, odd": lambda s, x: s.stft(x, nperseg=9, boundary="odd"),
    "stft, complex": lambda s, x: s.stft(
        x + 1j * x[::-1], nperseg=16, boundary="constant", return_onesided=False
    ),
    "welch": lambda s, x: s.welch(x, 5.0, nperseg=32),
    "welch, median": lambda s, x: s.welch(
        x, nperseg=20, average="median", scaling="spectrum", detrend="linear"
    ),
    "welch, first axis": lambda s, x: s.welch(x.T, nperseg=20, axis=0, nfft=33, return_onesided=False),
    "csd": lambda s, x: s.csd(x[0], x[1, :70], nperseg=32, window=np.hanning(32)),
    "csd, median": lambda s, x: s.csd(x, x[:1], nperseg=16, average="median"),
    "istft": lambda s, x: s.istft(s.stft(x[0], nperseg=32)[2], nperseg=32),
    "istft, other": lambda s, x: s.istft(s.stft(x, 2.0, "boxcar", 16, 12)[2], 2.0, "boxcar", 16, 12),
    "istft, axes": lambda s, x: s.istft(
        s.stft(x.T, nperseg=9, axis=0)[2], nperseg=9, freq_axis=0, time_axis=-1
    ),
    "detrend": lambda s, x: [s.detrend(x)],
    "detrend, pieces": lambda s, x: [s.detrend(x.T, 0, bp=[30, 70])],
    "detrend, mean": lambda s, x: [s.detrend(x, type="constant")],
}


@pytest.mark.parametrize("case", SPECTRA.values(), ids=SPECTRA)
def test_spectra(case: Any) -> None:
    got = jitney.jit(lambda x: tuple(case(signal, x)))(X)
    for mine, known in zip(got, case(scipy.signal, X), strict=True):
        np.testing.assert_allclose(mine, known, atol=1e-11)


@pytest.mark.parametrize("name", ["stft", "csd", "istft, other", "detrend"])
def test_spectra_like_jax(name: str) -> None:
    for mine, theirs in zip(SPECTRA[name](signal, X), SPECTRA[name](jax.scipy.signal, X), strict=True):
        assert_same(mine, theirs, 1e-11, weak=False)


def test_derivatives_of_spectra() -> None:
    x = RNG.normal(size=40)
    check_first(lambda x: [signal.welch(x, nperseg=16)[1]], (x,))
    check_first(lambda x: [signal.istft(signal.stft(x, nperseg=8)[2] * 2.0, nperseg=8)[1]], (x,))


WRONG = {
    "rank": lambda s: s.convolve(np.ones(4), np.ones((2, 2))),
    "mode": lambda s: s.convolve(np.ones(4), np.ones(2), "other"),
    "method": lambda s: s.convolve(np.ones(4), np.ones(2), method="other"),
    "empty": lambda s: s.correlate(np.ones(4), np.ones(0)),
    "neither larger": lambda s: s.convolve(np.ones((2, 8)), np.ones((3, 2)), "valid"),
    "plane": lambda s: s.convolve2d(np.ones(4), np.ones(2)),
    "boundary": lambda s: s.correlate2d(np.ones((3, 3)), np.ones((2, 2)), boundary="wrap"),
    "fft shapes": lambda s: s.fftconvolve(np.ones((3, 3)), np.ones((2, 2)), axes=1),
    "fft rank": lambda s: s.fftconvolve(np.ones((3, 3)), np.ones(2)),
    "trend": lambda s: s.detrend(np.ones(4), type="other"),
    "places": lambda s: s.detrend(np.ones(4), bp=[9]),
    "overwrite": lambda s: s.detrend(np.ones(4), overwrite_data=True),
    "no segment": lambda s: s.stft(np.ones(40), nperseg=0),
    "overlap": lambda s: s.stft(np.ones(40), nperseg=8, noverlap=8),
    "transform": lambda s: s.stft(np.ones(40), nperseg=8, nfft=4),
    "extension": lambda s: s.stft(np.ones(40), nperseg=8, boundary="other"),
    "scaling": lambda s: s.welch(np.ones(40), nperseg=8, scaling="other"),
    "average": lambda s: s.welch(np.ones(40), nperseg=8, average="other"),
    "window": lambda s: s.welch(np.ones(40), window=np.ones(8), nperseg=4),
    "window rank": lambda s: s.welch(np.ones(40), window=np.ones((2, 2))),
    "ranks": lambda s: s.csd(np.ones(40), np.ones((2, 40)), nperseg=8),
    "shapes": lambda s: s.csd(np.ones((3, 40)), np.ones((2, 40)), nperseg=8),
    "vector": lambda s: s.istft(np.ones(4)),
    "axes": lambda s: s.istft(np.ones((4, 4)), time_axis=0, freq_axis=0),
    "short": lambda s: s.istft(np.ones((4, 4)), nperseg=200),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_misuse(call: Any) -> None:
    assert_raises_alike(lambda L: call(L.scipy.signal))
