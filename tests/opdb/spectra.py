"""Rows of ``scipy.signal``, ``scipy.fft`` and ``scipy.integrate`` beside convolution of one kind."""

from __future__ import annotations

from .table import Op, bad, op, sample

# fmt: off
ROWS: list[Op] = [
    *(op(f"scipy.signal.{name}", "f8[4,5] f8[2,3]", sample("f8[4,3] f8[2,2]", mode="same"), sample("f8[4,3] f8[2,2]", mode="valid"), sample("c16[3,3] c16[2,2]"),
         sample("i8[3,3] f4[2,2]"), order=1, batch=False, tolerance=1e-11,
         bad=[bad("f8[3] f8[2]", ValueError), bad("f8[3,3] f8[2,2]", NotImplementedError, boundary="wrap"), bad("f8[3,3] f8[2,2]", ValueError, mode="other")])
      for name in ("convolve2d", "correlate2d")),
    op("scipy.signal.correlate", "f8[6] f8[3]", sample("f8[3,4] f8[2,2]", mode="same"), sample("c16[6] c16[3]", method="fft"), order=1, batch=False, tolerance=1e-11,
       bad=[bad("f8[3] f8[2,2]", ValueError), bad("f8[3] f8[2]", ValueError, method="other")]),
    op("scipy.signal.fftconvolve", "f8[6] f8[3]", sample("f8[3,4] f8[3,2]", axes=1), sample("c16[6] f8[3]", mode="valid"), order=1, batch=False, tolerance=1e-11,
       bad=[bad("f8[3] f8[2,2]", ValueError), bad("f8[3,4] f8[2,2]", ValueError, axes=1)]),
    op("scipy.signal.detrend", "f8[2,5]", sample("f8[5,2]", axis=0, type="constant"), sample("f8[6]", bp=3), "f4[5]", batch=False, tolerance=1e-11,
       bad=[bad("f8[4]", ValueError, type="other")]),
    op("scipy.signal.stft", sample("f8[32]", nperseg=8), sample("f8[2,20]", nperseg=8, noverlap=3, boundary=None, padded=False, window="boxcar"),
       sample("c16[20]", nperseg=8, return_onesided=False), order=1, batch=False, tolerance=1e-11, bad=[bad("f8[20]", ValueError, nperseg=8, noverlap=8)]),
    op("scipy.signal.istft", sample("c16[5,9]", nperseg=8), sample("c16[5,6]", nperseg=8, noverlap=6, boundary=False), order=1, batch=False, tolerance=1e-11,
       bad=[bad("c16[5]", ValueError)]),
    op("scipy.signal.csd", sample("f8[32] f8[32]", nperseg=8), sample("f8[32] f8[32]", nperseg=8, average="median", scaling="spectrum"), order=1, batch=False, tolerance=1e-11),
    op("scipy.signal.welch", sample("f8[32]", nperseg=8), sample("f8[2,32]", nperseg=16, detrend="linear", fs=10.0), sample("f8[32,2]", axis=0, nperseg=8, detrend=False),
       order=1, batch=False, tolerance=1e-11),
    op("scipy.fft.idct", "f8[2,5]", sample("f8[4,3]", axis=0, norm="ortho"), order=1, batch=False, tolerance=1e-11, bad=[bad("f8[4]", NotImplementedError, type=1)]),
    *(op(f"scipy.fft.{name}", "f8[2,5]", sample("f8[4,3]", axes=(0,), norm="ortho"), sample("f8[4,3]", s=(3, 4)), "f4[3,2]", order=1, batch=False, tolerance=1e-11,
         bad=[bad("f8[4]", NotImplementedError, type=1)]) for name in ("dctn", "idctn")),
    op("scipy.integrate.trapezoid", "f8[2,3]", "f8[2,3] f8[3]", sample("f8[4]", dx=0.5), sample("f8[4,2]", axis=0), "i8[3]", "f4[3]", order=1, batch=False),
    *(op("scipy.ndimage.map_coordinates", sample("f8[4,5] f8[2,6]", (-1.5, 5.5), order=1, mode=mode), sample("f8[4] f8[1,6]", (-2.7, 6.7), order=0, mode=mode),
         label=f"scipy.ndimage.map_coordinates, {mode}", order=1 if mode == "mirror" else 0, batch=False) for mode in ("nearest", "wrap", "mirror", "reflect")),
    op("scipy.ndimage.map_coordinates", sample("f8[4,5] f8[2,6]", (-1.5, 5.5), order=1, cval=3.0), sample("i8[4] f8[1,6]", (-1.5, 5.5), order=1), sample("f4[4] f4[1,6]", (-1.5, 5.5), order=0),
       order=1, batch=False, bad=[bad("f8[4] f8[2,3]", ValueError, order=1), bad("f8[4] f8[1,3]", NotImplementedError, order=3),
                                  bad("f8[4] f8[1,3]", NotImplementedError, order=1, mode="other")]),
    op("scipy.cluster.vq.vq", "f8[4,3] f8[2,3]", "f8[4] f8[3]", "f4[4,3] f4[2,3]", order=1, batch=False, bad=[bad("f8[3] f8[2,3]", ValueError), bad("f8[1,1,1] f8[1,1,1]", ValueError)]),
]
# fmt: on
