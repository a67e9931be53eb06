"""``jitney.experimental.mesh_utils``: arrays of devices for meshes. There is one device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._api.calls import expose as _expose
from jitney._api.devices import devices as _devices


def create_device_mesh(
    mesh_shape: Sequence[int],
    devices: Sequence[Any] | None = None,
    *,
    contiguous_submeshes: bool = False,
    allow_split_physical_axes: bool = False,
) -> np.ndarray:
    """An array of devices of shape ``mesh_shape``.

    Raises:
        ValueError: the shape asks for another number of devices than there are.

    Example:
        >>> from jitney.experimental import mesh_utils
        >>> mesh_utils.create_device_mesh((1, 1)).shape
        (1, 1)
    """
    found = list(_devices() if devices is None else devices)
    if math.prod(mesh_shape) != len(found):
        raise ValueError(
            f"Number of devices {len(found)} must equal the product of mesh_shape {tuple(mesh_shape)}"
        )
    return np.array(found, dtype=object).reshape(tuple(mesh_shape))


def create_hybrid_device_mesh(
    mesh_shape: Sequence[int],
    dcn_mesh_shape: Sequence[int],
    devices: Sequence[Any] | None = None,
    *,
    process_is_granule: bool = False,
    should_sort_granules_by_key: bool = True,
    allow_split_physical_axes: bool = False,
) -> np.ndarray:
    """The same for several groups of devices, of which there is one: shapes are multiplied axis by axis."""
    return create_device_mesh([a * b for a, b in zip(mesh_shape, dcn_mesh_shape, strict=True)], devices)


__all__ = ["create_device_mesh", "create_hybrid_device_mesh"]

_expose(globals())
