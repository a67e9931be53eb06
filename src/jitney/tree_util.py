"""``jitney.tree_util``: trees of arrays, and registration of classes as tree nodes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jitney._core import tree as _tree

tree_flatten = _tree.flatten
tree_leaves = _tree.leaves
tree_map = _tree.map
tree_structure = _tree.structure
register_pytree_node = _tree.register_node
_MISSING = object()


def tree_unflatten(treedef: Any, leaves: Any) -> Any:
    """The tree of structure ``treedef`` with ``leaves``."""
    return _tree.unflatten(treedef, leaves)


def tree_all(tree: Any, *, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """True if every leaf is true."""
    return all(_tree.leaves(tree, is_leaf))


def tree_reduce(
    function: Callable[[Any, Any], Any], tree: Any, initializer: Any = _MISSING, is_leaf: Any = None
) -> Any:
    """Fold the leaves from the left."""
    leaves = _tree.leaves(tree, is_leaf)
    return (
        functools.reduce(function, leaves)
        if initializer is _MISSING
        else functools.reduce(function, leaves, initializer)
    )


def tree_transpose(outer_treedef: Any, inner_treedef: Any | None, pytree_to_transpose: Any) -> Any:
    """Turn a tree of ``outer`` structure with ``inner`` trees as leaves inside out."""
    children = outer_treedef.flatten_up_to(pytree_to_transpose)
    if inner_treedef is None:
        inner_treedef = _tree.structure(children[0])
    rows = [inner_treedef.flatten_up_to(c) for c in children]
    return inner_treedef.unflatten([outer_treedef.unflatten(column) for column in zip(*rows, strict=True)])


def register_pytree_node_class(cls: type) -> type:
    """Class decorator: the class has ``tree_flatten`` and the classmethod ``tree_unflatten(aux, children)``."""
    register_pytree_node(cls, lambda x: x.tree_flatten(), cls.tree_unflatten)  # type: ignore[attr-defined]
    return cls


def register_dataclass(
    nodetype: type, data_fields: Any = None, meta_fields: Any = None, drop_fields: Any = ()
) -> type:
    """Make a dataclass a tree node; without field lists, fields with ``metadata={'static': True}`` are static."""
    import dataclasses

    if data_fields is None or meta_fields is None:
        fields = [f for f in dataclasses.fields(nodetype) if f.init and f.name not in drop_fields]
        meta_fields = [f.name for f in fields if f.metadata.get("static")]
        data_fields = [f.name for f in fields if f.name not in meta_fields]
    return _tree.register_dataclass(nodetype, tuple(data_fields), tuple(meta_fields))


def register_static(cls: type) -> type:
    """Make instances of ``cls`` nodes without leaves, compared by ``==``."""
    register_pytree_node(cls, lambda x: ((), x), lambda aux, _: aux)
    return cls


class Partial(functools.partial):
    """``functools.partial`` whose arguments are leaves and whose function is static."""


_tree.register_node(
    Partial,
    lambda p: ((p.args, p.keywords), p.func),
    lambda func, children: Partial(func, *children[0], **children[1]),
)


def all_leaves(iterable: Any, is_leaf: Any = None) -> bool:
    """True if every item is a leaf."""
    return all(_tree.structure(x, is_leaf).is_leaf() for x in iterable)


def __getattr__(name: str) -> Any:
    if name == "PyTreeDef":
        return _tree.PyTreeDef
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
