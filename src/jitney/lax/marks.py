"""Functions that say something about values and compute nothing: names of compositions, tokens, where values lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitney._api.calls import as_array
from jitney._api.shardings import with_sharding_constraint as with_sharding_constraint
from jitney._core import tree
from jitney._core.primitive import Primitive
from jitney._ops.total_order import eq_to_p as eq_to_p
from jitney._ops.total_order import le_to_p as le_to_p
from jitney._ops.total_order import lt_to_p as lt_to_p
from jitney._ops.unbound import after_all_p as after_all_p
from jitney._ops.unbound import create_token_p as create_token_p
from jitney._ops.unbound import dce_sink_p as dce_sink_p
from jitney._ops.unbound import device_put_p as device_put_p
from jitney._ops.unbound import ragged_all_to_all_p as ragged_all_to_all_p
from jitney._ops.unbound import select_and_scatter_p as select_and_scatter_p
from jitney._ops.unbound import sharding_constraint_p as sharding_constraint_p
from jitney.lax.operands import operand as as_operand

stage_p = Primitive("stage")
stage_p.abstract = lambda x: x
stage_p.expand = lambda x: x


def stage(x: Any, /) -> Any:
    """``x`` as an array, and inside a traced function as a value of its program."""
    return stage_p.bind(as_operand("stage", x))


class Token:
    """What effects are ordered by in JAX; here they happen in the order of the program. A tree without leaves."""


tree.register_node(Token, lambda token: ((), None), lambda aux, children: Token())


def create_token(_: Any = None) -> Token:
    """A token; it orders nothing."""
    return Token()


def after_all(*operands: Token) -> Token:
    """A token behind ``operands``.

    Raises:
        TypeError: an operand is no token.
    """
    for number, token in enumerate(operands):
        if not isinstance(token, Token):
            raise TypeError(f"after_all: operand {number} is of type {type(token).__name__}, not a token.")
    return Token()


def dce_sink(val: Any, *, prevent_mlir_dce: bool = False) -> None:
    """Nothing: what nobody reads is not computed, ``val`` included; ``jitney.debug.callback`` reads values."""


def composite(decomposition: Callable[..., Any], name: str, version: int = 0) -> Callable[..., Any]:
    """``decomposition`` under a name that other compilers know; here it is the function itself.

    Args:
        decomposition: a function of arrays, with attributes of the composition as keyword arguments.
        name: ``"namespace.name"``.
        version: of the meaning of ``name``.

    Raises:
        ValueError: ``name`` is empty.

    Example:
        >>> from jitney import lax
        >>> scaled = lax.composite(lambda x, *, by: x * by, "my.scaled")
        >>> float(scaled(2.0, by=3))
        6.0
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"composite: the name must be a non-empty string, got {name!r}.")

    def call(*args: Any, **attributes: Any) -> Any:
        return tree.map(as_array, decomposition(*args, **attributes))

    return call


_CASTS = ("unreduced", "reduced", "varying")


def pcast(x: Any, axis_name: Any, *, to: str) -> Any:
    """``x``, stated to vary (or not) along a named axis; ``x`` itself, as types do not tell here.

    Raises:
        ValueError: ``to`` is none of ``"varying"``, ``"reduced"``, ``"unreduced"``.
    """
    if to not in _CASTS:
        raise ValueError(f"Got unexpected `to` value {to!r}. Allowed are {', '.join(_CASTS)}.")
    return tree.map(as_array, x)


__all__ = [
    "Token",
    "after_all",
    "composite",
    "create_token",
    "dce_sink",
    "pcast",
    "stage",
    "stage_p",
    "with_sharding_constraint",
]
