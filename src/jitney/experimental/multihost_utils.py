"""``jitney.experimental.multihost_utils``: what several processes do together. There is one process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jitney._api.calls import as_array as _as_array
from jitney._api.calls import expose as _expose
from jitney._api.devices import devices as _devices
from jitney._core import tree as _tree


def broadcast_one_to_all(in_tree: Any, is_source: bool | None = None) -> Any:
    """The tree of the source process as NumPy arrays: ``in_tree``."""
    return _tree.map(np.asarray, in_tree)


def process_allgather(in_tree: Any, tiled: bool = False) -> Any:
    """The arrays of all processes, along a new first axis, or with ``tiled`` along the first one.

    Example:
        >>> from jitney.experimental import multihost_utils
        >>> multihost_utils.process_allgather(2.0).shape
        (1,)
    """
    return _tree.map(lambda x: np.asarray(x) if tiled else np.asarray(x)[None], in_tree)


def sync_global_devices(name: str) -> None:
    """Wait for all processes: there are no others."""


def assert_equal(in_tree: Any, fail_message: str = "") -> None:
    """Check that all processes have the same values: they have."""


def reached_preemption_sync_point(step_id: int) -> bool:
    """Whether processes agreed to stop at this step: never."""
    return False


@contextlib.contextmanager
def live_devices(devices: Sequence[Any]) -> Iterator[list[Any]]:
    """Those of ``devices`` whose processes live: all."""
    yield [d for d in devices if d in _devices()]


def host_local_array_to_global_array(local_inputs: Any, global_mesh: Any, pspecs: Any) -> Any:
    """The arrays that the parts of all processes make: the parts, as arrays."""
    return _tree.map(_as_array, local_inputs)


def global_array_to_host_local_array(global_inputs: Any, global_mesh: Any, pspecs: Any) -> Any:
    """The parts of this process: all."""
    return _tree.map(_as_array, global_inputs)


__all__ = [
    "assert_equal",
    "broadcast_one_to_all",
    "global_array_to_host_local_array",
    "host_local_array_to_global_array",
    "live_devices",
    "process_allgather",
    "reached_preemption_sync_point",
    "sync_global_devices",
]

_expose(globals())
