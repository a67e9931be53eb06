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
    task_id = 0
    local_hardware_id = 0

    def memory_stats(self) -> None:
        """Nothing is counted."""

    def __repr__(self) -> str:
        return "CpuDevice(id=0)"

    def __str__(self) -> str:
        return "cpu:0"

    def __reduce__(self) -> Any:
        return _cpu, ()


_CPU = Device()


def _cpu() -> Device:
    return _CPU


def _check_backend(backend: Any) -> None:
    if backend not in (None, "cpu"):
        raise RuntimeError(f"Unknown backend: {backend!r} requested, but the only one there is 'cpu'.")


def devices(backend: str | None = None) -> list[Device]:
    """All devices: the CPU. ``RuntimeError`` for a ``backend`` other than ``"cpu"``."""
    _check_backend(backend)
    return [_CPU]


def local_devices(
    process_index: int | None = None, backend: str | None = None, host_id: int | None = None
) -> list[Device]:
    """The devices of a process: the CPU. ``ValueError`` for a process other than 0."""
    _check_backend(backend)
    if process_index not in (None, 0) or host_id not in (None, 0):
        raise ValueError(
            f"Unknown process_index {process_index if host_id is None else host_id}: there is one, 0."
        )
    return [_CPU]


def device_count(backend: str | None = None) -> int:
    """The number of devices: 1."""
    return len(devices(backend))


def local_device_count(backend: str | None = None) -> int:
    """The number of devices of this process: 1."""
    return len(devices(backend))


def default_backend() -> str:
    """``"cpu"``."""
    return "cpu"


def process_index(backend: str | None = None) -> int:
    """The number of this process: 0."""
    return 0


def process_count(backend: str | None = None) -> int:
    """The number of processes: 1."""
    return 1


def process_indices(backend: str | None = None) -> list[int]:
    """The numbers of all processes."""
    return [0]


def host_id(backend: str | None = None) -> int:
    """The same as ``process_index``."""
    return 0


def host_count(backend: str | None = None) -> int:
    """The same as ``process_count``."""
    return 1


def host_ids(backend: str | None = None) -> list[int]:
    """The same as ``process_indices``."""
    return [0]


def device_put(
    x: Any, device: Any = None, *, src: Any = None, donate: Any = False, may_alias: Any = None
) -> Any:
    """The leaves of ``x`` as arrays.

    Args:
        device: a device or a sharding, or a tree of them; checked, there is one device.
        src, donate, may_alias: accepted.

    Raises:
        ValueError: ``device`` is none, or a sharding does not fit its array.
    """
    if device is not None and device is not _CPU:
        from jitney._api.shardings import check_shardings

        check_shardings(x, device, "device_put")
    return tree.map(as_array, x)


def device_get(x: Any) -> Any:
    """The leaves of ``x`` as NumPy arrays."""
    return tree.map(lambda v: v if isinstance(v, Tracer) else to_numpy(v), x)


def block_until_ready(x: Any) -> Any:
    """``x`` itself: every result is complete when the call that makes it returns."""
    return x


def copy_to_host_async(x: Any) -> Any:
    """``x`` itself: arrays lie in host memory."""
    return x
