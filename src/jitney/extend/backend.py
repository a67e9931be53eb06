"""``jitney.extend.backend``: what runs programs: this process, on the CPU."""

from __future__ import annotations

from typing import Any

from jitney._api import devices as _devices
from jitney._api.calls import expose as _expose
from jitney._api.jit import clear_caches as _clear_caches
from jitney._api.unsupported import stand_in as _stand_in


class Client:
    """What runs programs."""

    platform = "cpu"
    platform_version = "jitney"
    runtime_type = "jitney"

    def devices(self) -> list[Any]:
        """All devices."""
        return _devices.devices()

    def local_devices(self) -> list[Any]:
        """The devices of this process."""
        return _devices.devices()

    def device_count(self) -> int:
        """How many devices there are."""
        return 1

    def local_device_count(self) -> int:
        """How many devices this process has."""
        return 1

    def process_index(self) -> int:
        """The number of this process."""
        return 0


_CLIENT = Client()


def get_backend(platform: Any = None) -> Client:
    """What runs programs; ``RuntimeError`` for a platform other than ``"cpu"``.

    Example:
        >>> from jitney.extend import backend
        >>> backend.get_backend().platform
        'cpu'
    """
    if isinstance(platform, Client):
        return platform
    _devices.devices(platform)
    return _CLIENT


def backends() -> dict[str, Client]:
    """All backends by name."""
    return {"cpu": _CLIENT}


def get_default_device() -> Any:
    """The device."""
    return _devices.devices()[0]


def clear_backends(_crash: bool = False) -> None:
    """Forget compiled programs."""
    _clear_caches()


def clear_in_memory_compilation_cache() -> None:
    """Forget compiled programs; those on disk stay."""
    _clear_caches()


def __getattr__(name: str) -> Any:
    return _stand_in("extend.backend", name)


__all__ = [
    "backends",
    "clear_backends",
    "clear_in_memory_compilation_cache",
    "get_backend",
    "get_default_device",
]

_expose(globals())
