"""``jitney.core``: types of values, traces and tracers, evaluation of programs.

``jitney.extend.core`` has the parts that programs are made of.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from jitney._api.calls import expose as _expose
from jitney._core.avals import AbstractValue, ShapedArray
from jitney._core.jaxpr import Atom, Jaxpr
from jitney._core.jaxpr import evaluate as _evaluate
from jitney._core.trace import Trace, Tracer, get_aval
from jitney._core.trace import under as _under

ParamDict = dict[str, Any]
Value = Any


def eval_jaxpr(
    jaxpr: Jaxpr, consts: Sequence[Any], *args: Any, propagate_source_info: bool = True
) -> list[Any]:
    """The outputs of a program for the values ``consts`` of its constvars and ``args`` of its inputs.

    Each equation is bound in turn, so that transformations around see them. ``ValueError`` if the number of
    values is wrong.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> closed = jitney.make_jaxpr(lambda x: 2 * jnp.sin(x))(0.0)
        >>> jitney.core.eval_jaxpr(closed.jaxpr, closed.consts, 0.0)
        [Array(0., dtype=float64, weak_type=True)]
    """
    for what, wanted, given in (("constants", jaxpr.constvars, consts), ("inputs", jaxpr.invars, args)):
        if len(wanted) != len(given):
            raise ValueError(f"eval_jaxpr: the program takes {len(wanted)} {what}, got {len(given)}")
    return _evaluate(jaxpr, consts, *args)


@contextlib.contextmanager
def ensure_compile_time_eval() -> Iterator[None]:
    """``with ensure_compile_time_eval():`` computes on concrete values at once, also while a function is traced."""
    with _under(None):
        yield


eval_context = ensure_compile_time_eval


def is_concrete(x: Any) -> bool:
    """True if the value of ``x`` is known now."""
    return not isinstance(x, Tracer) or x.concrete() is not None


def max_dim(d1: int, d2: int) -> int:
    """The larger of two sizes."""
    return max(d1, d2)


def min_dim(d1: int, d2: int) -> int:
    """The smaller of two sizes."""
    return min(d1, d2)


__all__ = [
    "AbstractValue",
    "Atom",
    "ParamDict",
    "ShapedArray",
    "Trace",
    "Tracer",
    "Value",
    "ensure_compile_time_eval",
    "eval_context",
    "eval_jaxpr",
    "get_aval",
    "is_concrete",
    "max_dim",
    "min_dim",
]

_expose(globals())
