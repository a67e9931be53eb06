"""Small functions of JAX's private modules that packages call; each does what they expect of it."""

from __future__ import annotations

from typing import Any

from jitney._api.callbacks import effects_barrier
from jitney._base.sources import PACKAGE_DIR
from jitney._core.trace import current_trace


def trace_state_clean() -> bool:
    """Whether nothing is being traced, differentiated or batched."""
    return current_trace() is None


class ExtendedDType:
    """The base of element types of other libraries' own. They can be described; arrays of them cannot be made."""


DType = Any

# -- traceback_util: which frames a traceback hides. jitney hides its own, and those of nobody else. -------

_exclude_paths: list[str] = []


def register_exclusion(path: str) -> None:
    """Note that the frames of ``path`` are a library's."""
    _exclude_paths.append(path)


def include_frame(frame: Any) -> bool:
    """Whether a frame is of no library that was noted, and not jitney's."""
    file = frame.f_code.co_filename
    return not file.startswith((PACKAGE_DIR, *_exclude_paths))


def api_boundary(fun: Any = None, **options: Any) -> Any:
    """``fun`` itself: tracebacks keep the frames of the libraries above."""
    return fun if fun is not None else lambda f: f


# -- dispatch ---------------------------------------------------------------------------------------------


def wait_for_tokens() -> None:
    """Wait for callbacks and prints of programs that run."""
    effects_barrier()


# -- util -------------------------------------------------------------------------------------------------


def safe_zip(*xs: Any) -> list[tuple]:
    """``zip`` as a list; ``ValueError`` if lengths differ."""
    return list(zip(*xs, strict=True))


def safe_map(fun: Any, *xs: Any) -> list[Any]:
    """``map`` as a list; ``ValueError`` if lengths differ."""
    return [fun(*row) for row in zip(*xs, strict=True)]


def unzip2(pairs: Any) -> tuple[tuple, tuple]:
    """The first and the second items of pairs."""
    rows = [tuple(row) for row in pairs]
    return tuple(a for a, _ in rows), tuple(b for _, b in rows)


def split_list(xs: Any, lengths: Any) -> list[list[Any]]:
    """Pieces of ``xs`` of the given lengths, and the rest."""
    xs, out = list(xs), []
    for length in lengths:
        out.append(xs[:length])
        xs = xs[length:]
    return [*out, xs]
