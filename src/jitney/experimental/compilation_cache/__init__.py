"""``jitney.experimental.compilation_cache``: JAX's names for ``jitney.cache``."""

from jitney.experimental.compilation_cache import compilation_cache

__all__ = ["compilation_cache"]
