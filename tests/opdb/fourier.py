"""Rows of discrete Fourier transforms."""

from __future__ import annotations

from .table import Op, bad, op, sample

# fmt: off
ROWS: list[Op] = [
    *(op(f"numpy.fft.{n}", "f8[6]", "c16[2,5]", sample("f8[2,6]", axis=0, n=4), sample("f8[5]", n=8, norm="ortho"), order=1,
         bad=[bad("f8[4]", ValueError, n=0, jax=Exception), bad("f8[4]", ValueError, axis=1, jax=Exception)]) for n in ("ifft", "hfft")),
    *(op(f"numpy.fft.{n}", "f8[6]", sample("f8[2,5]", axis=0), sample("f8[5]", n=8, norm="forward"), order=1) for n in ("rfft", "ihfft")),
    *(op(f"numpy.fft.{n}", "f8[4,3]", "c16[2,2,3]", sample("f8[4,3]", s=(2, 2), norm="ortho"), order=1) for n in ("fft2", "ifft2", "fftn", "ifftn")),
    *(op(f"numpy.fft.{n}", "f8[4,3]", sample("f8[4,4]", s=(2, 4), axes=(0, 1)), order=1) for n in ("rfft2",)),
    *(op(f"numpy.fft.{n}", "c16[4,3]", sample("c16[4,3]", s=(4, 5)), order=1) for n in ("irfft2", "irfftn")),
    *(op(f"numpy.fft.{n}", "f8[5]", "f8[2,4]", sample("f8[2,4]", axes=1), order=1) for n in ("fftshift", "ifftshift")),
    *(op(f"numpy.fft.{n}", sample("", n=5), sample("", n=4, d=0.5)) for n in ("fftfreq", "rfftfreq")),
    op("lax.fft", sample("c16[2,4]", fft_type="FFT", fft_lengths=(4,)), sample("c16[6]", fft_type="IFFT", fft_lengths=(6,)), sample("f8[2,6]", fft_type="RFFT", fft_lengths=(6,)),
       sample("c16[2,4]", fft_type="IRFFT", fft_lengths=(6,)), order=1),
]
