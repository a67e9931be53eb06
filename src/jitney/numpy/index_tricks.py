"""Objects that are indexed rather than called: ``mgrid``, ``ogrid``, ``r_``, ``c_``, ``s_``, ``index_exp``."""

from __future__ import annotations

from typing import Any

from jitney._core.trace import get_aval
from jitney._ops import raw
from jitney.numpy import creation, joining, manipulation
from jitney.numpy.operands import promote_dtypes

__all__ = [
    "c_",
    "index_exp",
    "mgrid",
    "ogrid",
    "r_",
    "s_",
]


def _range(s: slice) -> Any:
    """``start:stop:step`` as numbers; an imaginary step is a count, ends included."""
    start = 0 if s.start is None else s.start
    step = 1 if s.step is None else s.step
    if isinstance(step, complex) or getattr(getattr(step, "dtype", None), "kind", "") == "c":
        return creation.linspace(start, s.stop, int(abs(step)))
    return creation.arange(start, s.stop, step)


class _Grid:
    """``mgrid[0:2, 0:3]``: index arrays over a grid; ``ogrid`` leaves them unexpanded."""

    def __init__(self, sparse: bool) -> None:
        self.sparse = sparse

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return _range(key)
        axes = promote_dtypes(*[_range(s) for s in key])
        if self.sparse:
            return manipulation.meshgrid(*axes, indexing="ij", sparse=True)
        full = manipulation.meshgrid(*axes, indexing="ij")
        return joining.stack(full) if full else creation.zeros((0,))


class _Join:
    """``r_[1:4, 0, x]``: ranges, numbers and arrays joined along an axis (the last one for ``c_``)."""

    def __init__(self, axis: int, rank: int, one_d: int) -> None:
        self.axis, self.rank, self.one_d = axis, rank, one_d

    def __getitem__(self, key: Any) -> Any:
        items = list(key) if isinstance(key, tuple) else [key]
        axis, rank, one_d = self.axis, self.rank, self.one_d
        if items and isinstance(items[0], str):
            numbers = [int(n) for n in items.pop(0).split(",")]
            axis = numbers[0]
            rank = numbers[1] if len(numbers) > 1 else rank
            one_d = numbers[2] if len(numbers) > 2 else one_d
        parts = [self._part(item, rank, one_d) for item in items]
        return joining.concatenate(parts, axis)

    def _part(self, item: Any, rank: int, one_d: int) -> Any:
        x = _range(item) if isinstance(item, slice) else creation.asarray(item)
        have = get_aval(x).ndim
        if have == 0:
            x, have = raw.reshape(x, (1,)), 1
        if have >= rank:
            return x
        missing = rank - have
        front = missing if one_d < 0 else one_d
        return raw.expand_dims(x, [*range(front), *range(front + have, rank)])


class _Expression:
    """``s_[1:, ::2]``: the index itself."""

    def __init__(self, as_tuple: bool) -> None:
        self.as_tuple = as_tuple

    def __getitem__(self, key: Any) -> Any:
        return (key,) if self.as_tuple and not isinstance(key, tuple) else key


mgrid, ogrid = _Grid(sparse=False), _Grid(sparse=True)
r_, c_ = _Join(0, 1, -1), _Join(-1, 2, 0)
s_, index_exp = _Expression(as_tuple=False), _Expression(as_tuple=True)
