"""``jitney.stages``: the types of the stages of compilation, ``jit(f).trace(x).lower().compile()``."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from jitney._api.stages import ArgInfo, Compiled, Lowered, Traced

CompilerOptions = dict[str, str | bool]


@runtime_checkable
class Wrapped(Protocol):
    """A function that ``jit`` made."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, compiled for the types of its arguments."""

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """Trace it for these arguments, up to the stage before machine code."""

    def trace(self, *args: Any, **kwargs: Any) -> Traced:
        """Trace it for these arguments."""


__all__ = ["ArgInfo", "Compiled", "CompilerOptions", "Lowered", "Traced", "Wrapped"]
