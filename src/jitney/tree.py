"""``jitney.tree``: functions of trees (nested tuples, lists, dicts, registered classes) of arrays."""

from jitney._core.tree import (
    flatten as flatten,
    leaves as leaves,
    map as map,
    structure as structure,
    unflatten as unflatten,
)
from jitney.tree_util import tree_all as all, tree_reduce as reduce, tree_transpose as transpose  # noqa: A004

__all__ = ["all", "flatten", "leaves", "map", "reduce", "structure", "transpose", "unflatten"]
