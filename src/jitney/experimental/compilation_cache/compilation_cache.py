"""Where compiled programs are kept on disk: JAX's names for what ``jitney.cache`` does."""

from __future__ import annotations

import os

from jitney._base.config import config as _config


def set_cache_dir(path: str | os.PathLike[str]) -> None:
    """Keep compiled programs in the directory ``path``; the same as ``config.jax_compilation_cache_dir``."""
    _config.update("jax_compilation_cache_dir", os.fspath(path))


def reset_cache() -> None:
    """Keep them in the default directory again; what is on disk stays."""
    _config.update("jax_compilation_cache_dir", None)


__all__ = ["reset_cache", "set_cache_dir"]
