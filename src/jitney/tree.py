"""``jitney.tree``: functions of trees (nested tuples, lists, dicts, registered classes) of arrays."""

from jitney._core.tree import (
    flatten as flatten,
)
from jitney._core.tree import (
    leaves as leaves,
)
from jitney._core.tree import (
    map as map,
)
from jitney._core.tree import (
    structure as structure,
)
from jitney._core.tree import (
    unflatten as unflatten,
)
from jitney.tree_util import tree_all as all  # noqa: A004
from jitney.tree_util import tree_reduce as reduce
from jitney.tree_util import tree_transpose as transpose

__all__ = ["all", "flatten", "leaves", "map", "reduce", "structure", "transpose", "unflatten"]
