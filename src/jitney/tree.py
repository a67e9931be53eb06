"""``jitney.tree``: functions of trees (nested tuples, lists, dicts, registered classes) of arrays."""

from __future__ import annotations

from typing import Any

from jitney.tree_util import tree_all as all  # noqa: A004
from jitney.tree_util import tree_broadcast as broadcast
from jitney.tree_util import tree_flatten as flatten
from jitney.tree_util import tree_flatten_with_path as flatten_with_path
from jitney.tree_util import tree_leaves as leaves
from jitney.tree_util import tree_leaves_with_path as leaves_with_path
from jitney.tree_util import tree_map as map  # noqa: A004
from jitney.tree_util import tree_map_with_path as map_with_path
from jitney.tree_util import tree_reduce as reduce
from jitney.tree_util import tree_reduce_associative as reduce_associative
from jitney.tree_util import tree_structure as structure
from jitney.tree_util import tree_transpose as transpose
from jitney.tree_util import tree_unflatten as unflatten


def static(**kwargs: Any) -> Any:
    """A dataclass field that ``register_dataclass`` takes as static; arguments as of ``dataclasses.field``.

    Example:
        >>> import dataclasses, jitney
        >>> @jitney.tree_util.register_dataclass
        ... @dataclasses.dataclass
        ... class Model:
        ...     weights: object
        ...     name: str = jitney.tree.static(default="model")
        >>> jitney.tree.leaves(Model(1.0))
        [1.0]
    """
    import dataclasses

    return dataclasses.field(metadata={**(kwargs.pop("metadata", None) or {}), "static": True}, **kwargs)


__all__ = [
    "all",
    "broadcast",
    "flatten",
    "flatten_with_path",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "reduce",
    "reduce_associative",
    "static",
    "structure",
    "transpose",
    "unflatten",
]
