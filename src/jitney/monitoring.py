"""``jitney.monitoring``: events that programs record, and functions that listen to them.

jitney itself records none: see ``jitney.profile`` and ``jitney.inspect`` for what it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_events: list[Callable[..., None]] = []
_durations: list[Callable[..., None]] = []
_spans: list[Callable[..., None]] = []
_scalars: list[Callable[..., None]] = []


def record_event(event: str, **kwargs: str | int) -> None:
    """Tell all listeners of events: ``listener(event, **kwargs)``.

    Example:
        >>> import jitney
        >>> heard = []
        >>> jitney.monitoring.register_event_listener(heard.append)
        >>> jitney.monitoring.record_event("/step")
        >>> heard
        ['/step']
        >>> jitney.monitoring.clear_event_listeners()
    """
    for listener in list(_events):
        listener(event, **kwargs)


def record_event_duration_secs(event: str, duration: float, **kwargs: str | int) -> None:
    """Tell all listeners of durations: ``listener(event, seconds, **kwargs)``."""
    for listener in list(_durations):
        listener(event, duration, **kwargs)


def record_event_time_span(event: str, start_time: float, end_time: float, **kwargs: str | int) -> None:
    """Tell all listeners of spans: ``listener(event, start, end, **kwargs)``, in seconds."""
    for listener in list(_spans):
        listener(event, start_time, end_time, **kwargs)


def record_scalar(event: str, value: float | int, **kwargs: str | int) -> None:
    """Tell all listeners of scalars: ``listener(event, value, **kwargs)``."""
    for listener in list(_scalars):
        listener(event, value, **kwargs)


def register_event_listener(callback: Callable[..., None]) -> None:
    """Call ``callback`` at each ``record_event``."""
    _events.append(callback)


def register_event_duration_secs_listener(callback: Callable[..., None]) -> None:
    """Call ``callback`` at each ``record_event_duration_secs``."""
    _durations.append(callback)


def register_event_time_span_listener(callback: Callable[..., None]) -> None:
    """Call ``callback`` at each ``record_event_time_span``."""
    _spans.append(callback)


def register_scalar_listener(callback: Callable[..., None]) -> None:
    """Call ``callback`` at each ``record_scalar``."""
    _scalars.append(callback)


def unregister_event_listener(callback: Callable[..., None]) -> None:
    """Undo ``register_event_listener``; ``ValueError`` if ``callback`` is none."""
    _forget(_events, callback)


def unregister_event_duration_listener(callback: Callable[..., None]) -> None:
    """Undo ``register_event_duration_secs_listener``; ``ValueError`` if ``callback`` is none."""
    _forget(_durations, callback)


def unregister_event_time_span_listener(callback: Callable[..., None]) -> None:
    """Undo ``register_event_time_span_listener``; ``ValueError`` if ``callback`` is none."""
    _forget(_spans, callback)


def unregister_scalar_listener(callback: Callable[..., None]) -> None:
    """Undo ``register_scalar_listener``; ``ValueError`` if ``callback`` is none."""
    _forget(_scalars, callback)


def _forget(listeners: list[Callable[..., None]], callback: Any) -> None:
    if callback not in listeners:
        raise ValueError(f"{callback!r} is not registered as a listener of this kind.")
    listeners.remove(callback)


def clear_event_listeners() -> None:
    """Forget all listeners."""
    for listeners in (_events, _durations, _spans, _scalars):
        listeners.clear()


__all__ = [
    "clear_event_listeners",
    "record_event",
    "record_event_duration_secs",
    "record_event_time_span",
    "record_scalar",
    "register_event_duration_secs_listener",
    "register_event_listener",
    "register_event_time_span_listener",
    "register_scalar_listener",
    "unregister_event_duration_listener",
    "unregister_event_listener",
    "unregister_event_time_span_listener",
    "unregister_scalar_listener",
]
