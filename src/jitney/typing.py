"""``jitney.typing``: types for annotations of functions of arrays.

``ArrayLike`` is what functions take as an array: an ``Array``, a NumPy array or scalar, a Python number. ``DTypeLike`` is
what they take as a dtype. Neither is for ``isinstance``: use ``jitney.Array`` and ``jitney.numpy.dtype``.
"""

from __future__ import annotations

from typing import Any, Protocol, Union

import numpy as np

from jitney._core.trace import Array


class _HasDtype(Protocol):
    @property
    def dtype(self) -> np.dtype: ...


ArrayLike = Union[Array, np.ndarray, np.bool_, np.number, bool, int, float, complex]  # noqa: UP007
DTypeLike = Union[str, type[Any], np.dtype, _HasDtype]  # noqa: UP007

__all__ = ["ArrayLike", "DTypeLike"]
