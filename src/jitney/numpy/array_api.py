"""What the Python array API standard (2024.12) asks a namespace about itself: its version, dtypes, devices, capabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._api import devices as _devices
from jitney._base import dtypes

__array_api_version__ = "2024.12"
VERSIONS = ("2021.12", "2022.12", "2023.12", __array_api_version__)

_KINDS = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float32", "float64"),
    "complex floating": ("complex64", "complex128"),
}
_KINDS["integral"] = _KINDS["signed integer"] + _KINDS["unsigned integer"]
_KINDS["numeric"] = _KINDS["integral"] + _KINDS["real floating"] + _KINDS["complex floating"]


class ArrayNamespaceInfo:
    """What ``jitney.numpy`` supports of the array API standard.

    Example:
        >>> import jitney.numpy as jnp
        >>> jnp.__array_namespace_info__().default_dtypes()["real floating"]
        dtype('float64')
    """

    def capabilities(self) -> dict[str, Any]:
        """What holds in compiled code, too: masks and lengths that depend on data are complete in eager code only."""
        return {"boolean indexing": False, "data-dependent shapes": False, "max dimensions": 64}

    def default_device(self) -> None:
        """None: arrays are where no device is named."""

    def devices(self) -> list[Any]:
        """The devices that ``device=`` takes."""
        return [None, *_devices.devices()]

    def _check(self, method: str, device: Any) -> None:
        if device not in self.devices():
            raise ValueError(f"{method}: {device!r} is none of the devices, which are {self.devices()}.")

    def default_dtypes(self, *, device: Any = None) -> dict[str, np.dtype]:
        """The dtypes of arrays for which none is named; 32-bit ones where ``jax_enable_x64`` is off."""
        self._check("default_dtypes", device)
        kinds = {"real floating": "f", "complex floating": "c", "integral": "i", "indexing": "i"}
        return {kind: dtypes.default_dtype(letter) for kind, letter in kinds.items()}

    def dtypes(self, *, device: Any = None, kind: str | tuple[str, ...] | None = None) -> dict[str, np.dtype]:
        """The dtypes of the standard by their names, all or those of a kind; 64-bit ones where ``jax_enable_x64`` is on.

        Args:
            device: one of ``devices()``.
            kind: "bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric", or a
                tuple of them.

        Raises:
            ValueError: for another kind.
        """
        self._check("dtypes", device)
        kinds = ("bool", "numeric") if kind is None else (kind,) if isinstance(kind, str) else tuple(kind)
        unknown = [k for k in kinds if k not in _KINDS]
        if unknown:
            raise ValueError(
                f"dtypes: unknown kind {unknown[0]!r}; known are {', '.join(map(repr, _KINDS))}."
            )
        names = dict.fromkeys(name for k in kinds for name in _KINDS[k])
        return {name: np.dtype(name) for name in names if dtypes.canonicalize_dtype(name) == np.dtype(name)}


def __array_namespace_info__() -> ArrayNamespaceInfo:  # noqa: N807
    """What this namespace supports of the array API standard."""
    return ArrayNamespaceInfo()
