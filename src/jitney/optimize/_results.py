"""``OptimizeResult`` of SciPy's, as a tree: what traced programs return of a fit."""

from __future__ import annotations

from typing import Any

from scipy.optimize import OptimizeResult

from jitney._core import tree
from jitney._core.trace import is_array_like

__all__ = ["OptimizeResult"]


def _flatten(result: OptimizeResult) -> tuple[list[Any], Any]:
    names = tuple(sorted(n for n, v in result.items() if not isinstance(v, str) and is_array_like(v)))
    rest = tuple([(n, v) for n, v in sorted(result.items()) if n not in names])
    return [result[n] for n in names], (names, rest)


def _unflatten(data: Any, values: Any) -> OptimizeResult:
    names, rest = data
    return OptimizeResult({**dict(zip(names, values, strict=True)), **dict(rest)})


tree.register_node(OptimizeResult, _flatten, _unflatten)
