"""Layers around eager evaluation: while one is put on, every eager operation goes through it.

Without layers, eager operations go the direct way, through the extension where they are small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitney import _ext
from jitney._core import trace as _trace

Evaluator = Callable[[Any, tuple, dict[str, Any]], Any]

direct: Evaluator = _trace.evaluate_eagerly
_layers: dict[int, Callable[[Evaluator], Evaluator]] = {}
_limit = 0


def put(place: int, layer: Callable[[Evaluator], Evaluator]) -> None:
    """Put a layer on: ``layer(evaluator beneath)`` is the evaluator. Higher places are further out."""
    global _limit
    if not _layers:
        _limit = _ext.set_eager_limit(-1)  # operators must come here as well
    _layers[place] = layer
    _compose()


def take(place: int) -> None:
    """Take the layer at ``place`` off, if there is one."""
    if _layers.pop(place, None) is not None and not _layers:
        _ext.set_eager_limit(_limit)
    _compose()


def _compose() -> None:
    evaluator = direct
    for _, layer in sorted(_layers.items()):
        evaluator = layer(evaluator)
    _trace.evaluate_eagerly = evaluator
