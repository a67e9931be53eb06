"""Where arrays lie, shown: ``inspect_array_sharding`` and its kin. With one device, the answer is always the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.shardings import Sharding, sharding_of


def inspect_array_sharding(value: Any, *, callback: Callable[[Sharding], None]) -> None:
    """Call ``callback`` with the sharding of ``value``.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.debug.inspect_array_sharding(jnp.ones(2), callback=print)
        SingleDeviceSharding(device=CpuDevice(id=0), memory_kind=device)
    """
    callback(sharding_of(value))


def visualize_sharding(
    shape: Sequence[int],
    sharding: Sharding,
    *,
    use_color: bool = True,
    scale: float = 1.0,
    min_width: int = 9,
    max_width: int = 80,
    color_map: Any = None,
) -> None:
    """Print which device holds which part of an array of one or two axes: a box, as there is one device.

    Raises:
        ValueError: arrays of other ranks.

    Example:
        >>> import jitney
        >>> jitney.debug.visualize_sharding((4,), jitney.sharding.SingleDeviceSharding(jitney.devices()[0]))
        +---------+
        |  CPU 0  |
        +---------+
    """
    if len(shape) not in (1, 2):
        raise ValueError("`visualize_sharding` only works for shapes with 1 or 2 dimensions.")
    width = max(min_width, 7)
    line = f"+{'-' * width}+"
    print("\n".join((line, f"|{'CPU 0':^{width}}|", line)))


def visualize_array_sharding(arr: Any, **kwargs: Any) -> None:
    """Print which device holds which part of ``arr``; options are those of ``visualize_sharding``."""
    visualize_sharding(arr.shape, sharding_of(arr), **kwargs)
