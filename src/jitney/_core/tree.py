"""Pytrees through optree with JAX's rules: None has no leaves, dict keys are sorted, registered classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

NAMESPACE = "jitney"


class _AtFirstUse:
    """Stands for the module ``optree`` until one of its functions is needed: it costs as much as all of us."""

    def __init__(self) -> None:
        self.registrations: list[tuple] = []

    def __getattr__(self, name: str) -> Any:
        global optree
        import optree as module

        if optree is self:
            while self.registrations:
                module.register_pytree_node(*self.registrations.pop(), namespace=NAMESPACE)
            optree = module
        return getattr(module, name)


optree: Any = _AtFirstUse()


def __getattr__(name: str) -> Any:
    if name == "PyTreeDef":
        return optree.PyTreeSpec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], Any]:
    """Leaves and structure of ``tree``."""
    return optree.tree_flatten(tree, is_leaf, namespace=NAMESPACE)


def unflatten(treedef: Any, leaves: Iterable[Any]) -> Any:
    """The tree of structure ``treedef`` with ``leaves``."""
    return treedef.unflatten(leaves)


def leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    return optree.tree_leaves(tree, is_leaf, namespace=NAMESPACE)


def structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    return optree.tree_structure(tree, is_leaf, namespace=NAMESPACE)


def map(fun: Callable[..., Any], tree: Any, *rest: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    return optree.tree_map(fun, tree, *rest, is_leaf=is_leaf, namespace=NAMESPACE)


def register_node(
    cls: type, flatten_fn: Callable[[Any], tuple], unflatten_fn: Callable[[Any, Any], Any]
) -> None:
    """Make instances of ``cls`` inner nodes: ``flatten_fn(x) -> (children, aux)``."""
    if type(optree) is _AtFirstUse:
        optree.registrations.append((cls, flatten_fn, unflatten_fn))
    else:
        optree.register_pytree_node(cls, flatten_fn, unflatten_fn, namespace=NAMESPACE)


def register_dataclass(cls: type, data_fields: Sequence[str], meta_fields: Sequence[str]) -> type:
    """Make a dataclass an inner node: ``data_fields`` are children, ``meta_fields`` are static."""

    def flatten_fn(x: Any) -> tuple[tuple, Hashable]:
        return tuple(getattr(x, f) for f in data_fields), tuple(getattr(x, f) for f in meta_fields)

    def unflatten_fn(meta: Any, data: Any) -> Any:
        new: Any = object.__new__(cls)
        for name, value in zip((*meta_fields, *data_fields), (*meta, *data), strict=True):
            object.__setattr__(new, name, value)
        return new

    def construct(meta: Any, data: Any) -> Any:
        if dataclasses.is_dataclass(cls):
            fields = dict(zip((*meta_fields, *data_fields), (*meta, *data), strict=True))
            return cls(**fields)
        return unflatten_fn(meta, data)

    register_node(cls, flatten_fn, construct)
    return cls


def leaf_suffixes(tree: Any) -> list[str]:
    """``['a'][0]`` for each leaf, to be appended to an argument's name."""
    return [path_text(path) for path in optree.tree_paths(tree, namespace=NAMESPACE)]


def path_text(path: Sequence[Any]) -> str:
    return "".join(f"[{key!r}]" for key in path)


def broadcast_prefix(prefix: Any, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """``prefix``'s leaves, each repeated for the leaves of ``tree`` below it; ``None`` is a leaf here."""
    none_leaf = (lambda x: x is None) if is_leaf is None else (lambda x: x is None or is_leaf(x))
    result: list[Any] = []

    def extend(value: Any, subtree: Any) -> None:
        result.extend([value] * len(leaves(subtree)))

    prefix_leaves, prefix_def = optree.tree_flatten(prefix, none_leaf, namespace=NAMESPACE)
    for value, subtree in zip(prefix_leaves, prefix_def.flatten_up_to(tree), strict=True):
        extend(value, subtree)
    return result


def template(treedef: Any) -> Any:
    """How C++ rebuilds an output tree: None for one leaf, nested builtins with leaf numbers, or a callable."""
    if treedef.is_leaf():
        return None
    example = treedef.unflatten(range(treedef.num_leaves))
    return example if _is_builtin(example) else treedef.unflatten


def _is_builtin(x: Any) -> bool:
    if x is None or type(x) is int:
        return True
    if type(x) in (tuple, list):
        return all(_is_builtin(v) for v in x)
    return type(x) is dict and all(_is_builtin(v) for v in x.values())
