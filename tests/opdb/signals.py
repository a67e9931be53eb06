"""Rows of Fourier transforms and convolutions."""

from __future__ import annotations

from .table import Op, bad, op, sample

# fmt: off
ROWS: list[Op] = [
    op("numpy.fft.fft", "c16[3,5]", sample("f8[4,3]", axis=0, norm="ortho"), "c8[4]", order=2, batch=False,
       bad=[bad("f8[4]", ValueError, n=0), bad("f8", ValueError)]),
    op("numpy.fft.rfftn", "f8[3,4]", sample("f8[3,5]", axes=(1, 0)), order=2, batch=False, bad=[bad("c16[3]", ValueError)]),
    op("numpy.fft.irfft", sample("c16[2,4]", n=7), "c16[3]", order=1, batch=False),
    op("lax.conv_general_dilated", sample("f8[2,3,6] f8[4,3,2]", window_strides=(2,), padding="SAME"),
       sample("f8[2,4,5] f8[2,2,3]", window_strides=(1,), padding=((2, 1),), lhs_dilation=(2,), feature_group_count=2),
       sample("c16[1,1,5] c16[1,1,3]", window_strides=(1,), padding="VALID"), order=2, batch=False, tolerance=1e-11,
       bad=[bad("f8[2,3,6] f8[4,2,2]", ValueError, window_strides=(1,), padding="SAME"),
            bad("f8[2,3,6] f8[4,3]", TypeError, window_strides=(1,), padding="SAME")]),
    op("scipy.signal.convolve", "f8[6] f8[3]", sample("f8[3,4] f8[2,2]", mode="same"), sample("f8[6] f8[3]", method="fft"),
       order=2, batch=False, tolerance=1e-11, bad=[bad("f8[3] f8[2,2]", ValueError)]),
    op("scipy.fft.dct", "f8[2,5]", sample("f8[4,3]", axis=0, norm="ortho"), order=2, batch=False, tolerance=1e-11,
       bad=[bad("f8[4]", NotImplementedError, type=1)]),
]
