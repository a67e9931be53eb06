"""Named holes through which a low floor reaches what a higher floor provides.

Each is filled exactly once, at import of the room named beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _empty(*_: Any, **__: Any) -> Any:
    raise RuntimeError("jitney was imported in part: import jitney before its inner modules")


compile_jaxpr: Callable[..., Any] = _empty  # _compiler: ClosedJaxpr -> _ext.Executable
evaluate_large: Callable[..., Any] = _empty  # _compiler: one primitive on large arrays, by a cached kernel
clear_eager_kernels: Callable[[], None] = lambda: None  # _compiler: forget the kernels of evaluate_large
release_memory: Callable[[], None] = lambda: None  # _compiler: give back what forgotten programs held
convert_control_flow: Callable[[BaseException], bool] = lambda _: (
    False
)  # _flow: write a function anew that asked for a traced truth
note_text: Callable[[Any], None] = lambda _: None  # _flow: a frame asked for the text of a traced value
convert_prints: Callable[..., bool] = lambda *_: False  # _flow: write functions anew that print traced values
rolled_loops: Any = None  # _flow: the room ``rolling``, once it was needed
bound_lengths: Callable[[Any, int], Any] = (
    _empty  # numpy: a result with arrays of a size in place of selections
)
refuse_lengths: Callable[[Any, str], None] = lambda *_: None  # numpy: an error for selections in a result
converted_source: Callable[[Any], str | None] = lambda _: (
    None
)  # _flow: the text of a function that was written anew
program_of_all_lengths: Callable[[Any], Any] = lambda _: (
    None
)  # _lengths: what runs a ClosedJaxpr of one length among many
forget_lengths: Callable[[], None] = lambda: None  # _lengths: forget programs of all lengths
