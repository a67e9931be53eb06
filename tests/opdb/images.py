"""Rows of ``jitney.image``."""

from __future__ import annotations

from typing import Any

from .table import Op, bad, op, sample


def _moved(library: Any) -> Any:
    """``scale_and_translate`` with its arrays first."""

    def call(image: Any, scale: Any, translation: Any, **params: Any) -> Any:
        return library.image.scale_and_translate(image, scale=scale, translation=translation, **params)

    return call


# fmt: off
ROWS: list[Op] = [
    op("image.resize", sample("f8[3,4]", shape=(5, 2), method="linear"), sample("f8[2,7,2]", shape=(2, 3, 2), method="cubic"),
       sample("f8[5,2]", shape=(8, 2), method="lanczos3", antialias=False), sample("f8[3]", shape=(3,), method="linear"),
       sample("i4[6]", shape=(4,), method="bilinear"), sample("b[6]", shape=(4,), method="cubic"),
       sample("i4[5,3]", shape=(3, 7), method="nearest"), sample("b[4]", shape=(7,), method="nearest"),
       order=2, batch=False,
       bad=[bad("f8[3]", ValueError, shape=(3, 3), method="linear"), bad("f8[3]", ValueError, shape=(4,), method="quadratic")]),
    op("image.resize", sample("f8[5,4]", shape=(8, 3), method="nearest"), sample("f4[4]", shape=(7,), method="nearest"),
       order=1, batch=False, label="image.resize nearest"),
    op("image.resize", sample("f4[5,6]", shape=(4, 9), method="linear"), sample("f4[7]", shape=(5,), method="lanczos5"),
       tolerance=1e-5, batch=False, label="image.resize single"),
    op("image.scale_and_translate",
       sample("f8[6] f8[1] f8[1]", within=(0.6, 1.8), shape=(5,), spatial_dims=(0,), method="cubic"),
       sample("f8[2,5,4] f8[2] f8[2]", within=(0.6, 1.8), shape=(2, 4, 6), spatial_dims=(1, -1), method="linear"),
       sample("f8[5] f8[1] f8[1]", within=(0.6, 1.8), shape=(6,), spatial_dims=(0,), method="lanczos3", antialias=False),
       sample("f8[4] f8[1] f8[1]", within=(0.6, 1.8), shape=(6,), spatial_dims=(0,), method="cubic-pytorch", antialias=False),
       sample("f8[4] f8[1] f8[1]", within=(0.6, 1.8), shape=(6,), spatial_dims=(0,), method="area"),
       make=_moved, order=1, batch=False,
       bad=[bad("f8[6] f8[1] f8[1]", ValueError, shape=(5, 2), spatial_dims=(0,), method="cubic"),
            bad("f8[6] f8[1] f8[1]", ValueError, shape=(5,), spatial_dims=(0,), method="nearest")]),
]
