"""Fourier transforms and convolutions."""

from __future__ import annotations

from typing import Any

from programs import Engine, normal, program

GROUP = "transforms"


@program("fft 2^18", GROUP)
def _(m: Engine) -> Any:
    x = normal(1 << 18)
    return lambda x: m.np.fft.fft(x), (x + 1j * normal(1 << 18, seed=1),)


@program("rfft 2^18", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.fft.rfft(x), (normal(1 << 18),)


@program("irfft of 2^17 + 1", GROUP)
def _(m: Engine) -> Any:
    n = (1 << 17) + 1
    return lambda x: m.np.fft.irfft(x), (normal(n) + 1j * normal(n, seed=1),)


@program("fft2 512x512", GROUP)
def _(m: Engine) -> Any:
    x = normal(512, 512)
    return lambda x: m.np.fft.fft2(x), (x + 1j * normal(512, 512, seed=1),)


@program("fft of 1000 rows of 100", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.fft.fft(x), (normal(1000, 100),)


@program("power spectrum of 2^18", GROUP)
def _(m: Engine) -> Any:
    return lambda x: m.np.abs(m.np.fft.rfft(x)) ** 2, (normal(1 << 18),)


@program("convolve 100k with 101", GROUP)
def _(m: Engine) -> Any:
    return lambda x, k: m.np.convolve(x, k), (normal(100_000), normal(101, seed=1))


def _register_signal(length: int, width: int) -> None:
    @program(f"signal.convolve, {length} with {width}", GROUP)
    def _(m: Engine) -> Any:
        return lambda x, k: m.signal.convolve(x, k, mode="same"), (normal(length), normal(width, seed=1))


for _length in (100, 1000, 10_000, 100_000):
    for _width in (3, 10, 30, 100, 1000):
        if _width <= _length:
            _register_signal(_length, _width)


@program("signal.convolve2d, 512x512 with 7x7", GROUP)
def _(m: Engine) -> Any:
    return lambda x, k: m.signal.convolve2d(x, k, mode="same"), (normal(512, 512), normal(7, 7, seed=1))


@program("signal.fftconvolve, 512x512 with 64x64", GROUP)
def _(m: Engine) -> Any:
    return lambda x, k: m.signal.fftconvolve(x, k, mode="same"), (normal(512, 512), normal(64, 64, seed=1))


@program("conv2d, 8x3x64x64 by 16x3x3x3 f32", GROUP, numpy=False)
def _(m: Engine) -> Any:
    args = normal(8, 3, 64, 64, dtype="float32"), normal(16, 3, 3, 3, seed=1, dtype="float32")
    return lambda x, k: m.lax.conv_general_dilated(x, k, (1, 1), "SAME"), args
