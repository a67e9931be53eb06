"""``jitney.scipy``: special functions and probability distributions of arrays, loaded at first use."""

import importlib as _importlib
from typing import Any as _Any

_MODULES = """
    cluster fft integrate interpolate linalg ndimage optimize signal sparse spatial special stats
""".split()


def __getattr__(name: str) -> _Any:
    """Import a submodule when it is asked for: ``import jitney`` stays quick."""
    if name in _MODULES:
        try:
            return _importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_MODULES)
