"""Eager evaluation of one primitive on large arrays, by a native kernel compiled once per signature."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from jitney._control.jit import executable
from jitney._core import plugs
from jitney._core.avals import ShapedArray
from jitney._core.jaxpr import ClosedJaxpr
from jitney._core.staging import stage

_LIMIT = 512
_kernels: OrderedDict[Any, ClosedJaxpr] = OrderedDict()


def evaluate_large(
    primitive: Any, args: Sequence[Any], avals: Sequence[ShapedArray], params: dict[str, Any]
) -> Any:
    """``primitive.bind(*args, **params)`` through its own compiled program."""
    key: Any = (primitive, tuple(avals), tuple(params.items()))
    try:
        program = _kernels.get(key)
    except TypeError:  # unhashable params: compile for this call alone
        key = program = None
    if program is None:
        program = stage(lambda *xs: _as_list(primitive, primitive.bind(*xs, **params)), avals)
        if key is not None:
            _kernels[key] = program
            if len(_kernels) > _LIMIT:
                _kernels.popitem(last=False)
    else:
        _kernels.move_to_end(key)
    outs = executable(program).execute(list(args))
    return outs if primitive.multiple_results else outs[0]


def _as_list(primitive: Any, out: Any) -> list[Any]:
    return out if primitive.multiple_results else [out]


def clear() -> None:
    _kernels.clear()


plugs.clear_eager_kernels = clear
