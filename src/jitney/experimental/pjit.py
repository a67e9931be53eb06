"""``jitney.experimental.pjit``: an old name of ``jitney.jit``."""

from jitney._api.jit import jit as pjit

__all__ = ["pjit"]
