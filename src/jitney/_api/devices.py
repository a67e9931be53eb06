"""Devices and transfers: there is one device, the CPU, and results are ready when a call returns."""

from __future__ import annotations

from typing import Any

from jitney._api.calls import as_array
from jitney._core import tree
from jitney._core.trace import Tracer, to_numpy


class Device:
    """The CPU."""

    id = 0
    platform = "cpu"
    device_kind = "cpu"
    process_index = 0
    host_id = 0

    def __repr__(self) -> str:
        return "CpuDevice(id=0)"


_CPU = Device()


def devices(backend: str | None = None) -> list[Device]:
    """All devices: the CPU."""
    return [_CPU]


local_devices = devices


def device_count(backend: str | None = None) -> int:
    return 1


local_device_count = device_count


def default_backend() -> str:
    return "cpu"


def device_put(x: Any, device: Any = None, **_: Any) -> Any:
    """The leaves of ``x`` as arrays."""
    return tree.map(as_array, x)


def device_get(x: Any) -> Any:
    """The leaves of ``x`` as NumPy arrays."""
    return tree.map(lambda v: v if isinstance(v, Tracer) else to_numpy(v), x)


def block_until_ready(x: Any) -> Any:
    """``x`` itself: every result is complete when the call that makes it returns."""
    return x
