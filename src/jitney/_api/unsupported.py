"""Names of JAX's that make no sense here, each with the reason: they import, and raise NotImplementedError when used.

One place for all of them. A public module asks ``stand_in`` for a name that it does not have.
"""

from __future__ import annotations

from typing import Any

_PALLAS = "kernels of Pallas are written for accelerators; write the loop in lax or numpy, it is compiled"

# module below jitney -> names -> why, and what to do
REASONS: dict[str, dict[str, str]] = {}


class _Refusing(type):
    """Classes that cannot be made and have no instances."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(cls.__doc__)


def stand_in(module: str, name: str) -> Any:
    """The object for ``jitney.<module>.<name>`` that raises when it is used; AttributeError for a name not listed.

    Names that begin with a capital letter are classes (so that ``isinstance`` works), others functions.
    """
    reason = REASONS.get(module, {}).get(name)
    path = f"jitney.{module}.{name}" if module else f"jitney.{name}"
    if reason is None:
        raise AttributeError(f"module {path.rpartition('.')[0]!r} has no attribute {name!r}")
    message = f"{path} is not supported: {reason}."
    if name[0].isupper():
        return _Refusing(name, (), {"__doc__": message, "__module__": path.rpartition(".")[0]})

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(message)

    refuse.__name__, refuse.__qualname__, refuse.__doc__ = name, name, message
    refuse.unsupported = True  # type: ignore[attr-defined]
    return refuse


def is_unsupported(value: Any) -> bool:
    """True for what ``stand_in`` made."""
    return isinstance(value, _Refusing) or getattr(value, "unsupported", False) is True
