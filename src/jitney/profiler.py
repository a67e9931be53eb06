"""``jitney.profiler``: JAX's names for taking profiles; what is written is the page of ``jitney.profile``."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jitney._api.calls import expose as _expose
from jitney._api.naming import named_scope as _named_scope
from jitney._api.unsupported import stand_in as _stand_in

_running: list[tuple[Any, Path]] = []


class ProfileOptions:
    """Accepted by ``start_trace`` and ``trace``: any attribute may be set, none has a meaning here."""


def start_trace(
    log_dir: os.PathLike | str,
    create_perfetto_link: bool = False,
    create_perfetto_trace: bool = False,
    profiler_options: ProfileOptions | None = None,
) -> None:
    """Begin a profile; ``stop_trace`` writes it to ``log_dir/profile.html``.

    Raises:
        RuntimeError: a profile is being taken.
    """
    if _running:
        raise RuntimeError("Profile has already been started. Only one profile may be run at a time.")
    from jitney._api.profiling import profile

    taken = profile()
    taken.__enter__()
    _running.append((taken, Path(log_dir)))


def stop_trace() -> None:
    """End the profile that ``start_trace`` began and write its page.

    Raises:
        RuntimeError: no profile was begun.
    """
    if not _running:
        raise RuntimeError("No profile started")
    taken, directory = _running.pop()
    taken.__exit__(None, None, None)
    directory.mkdir(parents=True, exist_ok=True)
    taken.save(directory / "profile.html")


@contextlib.contextmanager
def trace(
    log_dir: os.PathLike | str,
    create_perfetto_link: bool = False,
    create_perfetto_trace: bool = False,
    profiler_options: ProfileOptions | None = None,
) -> Iterator[None]:
    """Profile a ``with`` block; its page is ``log_dir/profile.html``. See ``jitney.profile`` for the numbers themselves.

    Example:
        >>> import jitney, tempfile, os
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with jitney.profiler.trace(folder):
        ...         y = jitney.numpy.ones(3) + 1
        ...     os.listdir(folder)
        ['profile.html']
    """
    start_trace(log_dir)
    try:
        yield
    finally:
        stop_trace()


class TraceAnnotation(contextlib.ContextDecorator):
    """Name what a ``with`` block traces: the same as ``named_scope``; ``kwargs`` are accepted."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        self._scope = _named_scope(name)

    def __enter__(self) -> TraceAnnotation:
        self._scope.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._scope.__exit__(*error)


class StepTraceAnnotation(TraceAnnotation):
    """Name a step of a training loop."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)


def annotate_function(
    func: Callable[..., Any], name: str | None = None, **decorator_kwargs: Any
) -> Callable[..., Any]:
    """``func`` with a ``TraceAnnotation`` of its name around each call.

    Example:
        >>> import jitney
        >>> float(jitney.profiler.annotate_function(jitney.numpy.sin)(0.0))
        0.0
    """
    label = name or getattr(func, "__name__", "function")

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with TraceAnnotation(label, **decorator_kwargs):
            return func(*args, **kwargs)

    return wrapped


def __getattr__(name: str) -> Any:
    return _stand_in("profiler", name)


__all__ = [
    "ProfileOptions",
    "StepTraceAnnotation",
    "TraceAnnotation",
    "annotate_function",
    "start_trace",
    "stop_trace",
    "trace",
]

_expose(globals())
