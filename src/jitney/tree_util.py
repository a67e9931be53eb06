"""``jitney.tree_util``: trees of arrays, paths in them, and registration of classes as tree nodes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from jitney._api.calls import expose as _expose
from jitney._core import paths as _paths
from jitney._core import tree as _tree
from jitney._core.paths import DictKey, FlattenedIndexKey, GetAttrKey, KeyPath, SequenceKey, keystr
from jitney._core.tree import PyTreeDef

KeyEntry = TypeVar("KeyEntry", bound=Any)

tree_flatten = _tree.flatten
tree_leaves = _tree.leaves
tree_map = _tree.map
tree_structure = _tree.structure
tree_broadcast = _tree.broadcast
tree_flatten_with_path = _paths.flatten_with_path
register_pytree_node = _tree.register_node
_MISSING = object()


def tree_unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """The tree of structure ``treedef`` with ``leaves``; ``ValueError`` if their number differs.

    Example:
        >>> from jitney.tree_util import tree_structure, tree_unflatten
        >>> tree_unflatten(tree_structure({"a": 0, "b": [0]}), [1, 2])
        {'a': 1, 'b': [2]}
    """
    return _tree.as_treedef("tree_unflatten(treedef, leaves)", treedef).unflatten(leaves)


def tree_leaves_with_path(
    tree: Any, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> list[tuple[KeyPath, Any]]:
    """The leaves of ``tree``, each with its key path.

    Example:
        >>> from jitney.tree_util import keystr, tree_leaves_with_path
        >>> [(keystr(path), leaf) for path, leaf in tree_leaves_with_path({"a": [1, 2]})]
        [("['a'][0]", 1), ("['a'][1]", 2)]
    """
    return _paths.flatten_with_path(tree, is_leaf, is_leaf_takes_path)[0]


def tree_map_with_path(
    f: Callable[..., Any],
    tree: Any,
    *rest: Any,
    is_leaf: Callable[..., bool] | None = None,
    is_leaf_takes_path: bool = False,
) -> Any:
    """Like ``tree_map``, with the leaf's key path as first argument of ``f``.

    Example:
        >>> from jitney.tree_util import keystr, tree_map_with_path
        >>> tree_map_with_path(lambda path, x: f"{keystr(path)} is {x}", {"a": [1, 2]})
        {'a': ["['a'][0] is 1", "['a'][1] is 2"]}
    """
    found, treedef = _paths.flatten_with_path(tree, is_leaf, is_leaf_takes_path)
    stop = None if is_leaf_takes_path else is_leaf
    columns = [_tree.up_to(treedef, tree, other, "tree", stop) for other in rest]
    return treedef.unflatten([f(path, x, *xs) for (path, x), *xs in zip(found, *columns, strict=True)])


def tree_all(tree: Any, *, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """True if every leaf is true."""
    return all(_tree.leaves(tree, is_leaf))


def tree_reduce(
    function: Callable[[Any, Any], Any],
    tree: Any,
    initializer: Any = _MISSING,
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """Fold the leaves from the left; ``TypeError`` without leaves and without ``initializer``.

    Example:
        >>> from jitney.tree_util import tree_reduce
        >>> tree_reduce(lambda a, b: a + b, {"a": 1, "b": (2, 3)})
        6
    """
    leaves = _tree.leaves(tree, is_leaf)
    if initializer is _MISSING:
        return functools.reduce(function, leaves)
    return functools.reduce(function, leaves, initializer)


def tree_reduce_associative(
    operation: Callable[[Any, Any], Any],
    tree: Any,
    *,
    identity: Any = _MISSING,
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """Fold the leaves with an associative ``operation``, in halves, so that results combine in few steps.

    Without leaves the result is ``identity``; a ``TypeError`` if that is not given.

    Example:
        >>> from jitney.tree_util import tree_reduce_associative
        >>> tree_reduce_associative(lambda a, b: f"({a}{b})", list("abcd"))
        '((ab)(cd))'
    """
    leaves = _tree.leaves(tree, is_leaf)
    if not leaves:
        if identity is _MISSING:
            raise TypeError("tree_reduce_associative of a tree without leaves needs an identity")
        return identity

    def fold(xs: Sequence[Any]) -> Any:
        half = len(xs) // 2
        return xs[0] if len(xs) == 1 else operation(fold(xs[:half]), fold(xs[half:]))

    return fold(leaves)


def tree_transpose(
    outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None, pytree_to_transpose: Any
) -> Any:
    """Turn a tree of ``outer`` structure with ``inner`` trees as leaves inside out.

    ``inner_treedef`` may be None: the first inner tree's structure. ``TypeError`` if the tree is not of that form.

    Example:
        >>> from jitney.tree_util import tree_structure, tree_transpose
        >>> tree_transpose(tree_structure([0, 0]), None, [{"a": 1, "b": 2}, {"a": 3, "b": 4}])
        {'a': [1, 3], 'b': [2, 4]}
    """
    for given in (outer_treedef,) if inner_treedef is None else (outer_treedef, inner_treedef):
        _tree.as_treedef("tree_transpose(outer_treedef, inner_treedef, tree)", given)
    if outer_treedef.num_leaves == 0:
        raise ValueError(
            "tree_transpose: the outer structure has no leaves, so that there are no inner trees"
        )
    if inner_treedef is None:
        inner_treedef = _tree.structure(outer_treedef.flatten_up_to(pytree_to_transpose)[0])
    expected = outer_treedef.compose(inner_treedef)
    try:
        parts = expected.flatten_up_to(pytree_to_transpose)
    except ValueError:
        got = _tree.structure(pytree_to_transpose)
        raise TypeError(f"tree_transpose: expected a tree of structure\n{expected}\nbut got\n{got}") from None
    width = inner_treedef.num_leaves
    return inner_treedef.unflatten([outer_treedef.unflatten(parts[i::width]) for i in range(width)])


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """The structures right below the root."""
    return _tree.as_treedef("treedef_children", treedef).children()


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """True if the structure is one node: a leaf, ``None`` or an empty container."""
    return _tree.as_treedef("treedef_is_leaf", treedef).num_nodes == 1


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of a tuple of trees of ``treedefs``."""
    parts = [_tree.as_treedef("treedef_tuple", part) for part in treedefs]
    return PyTreeDef.from_node_data_and_children(default_registry, (tuple, None), parts)


def build_tree(treedef: PyTreeDef, xs: Any) -> Any:
    """The tree of structure ``treedef`` from nested iterables ``xs`` of the same form."""
    return _tree.as_treedef("build_tree", treedef).from_iterable_tree(xs)


def all_leaves(iterable: Iterable[Any], is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """True if every item is a leaf."""
    return all(_tree.structure(x, is_leaf).is_leaf() for x in iterable)


def is_tree_node(typ: type) -> bool:
    """True if instances of the class ``typ`` are inner nodes."""
    return typ in _tree.registered or typ in _tree._BUILTIN or _tree.is_named_tuple(typ)


def flatten_one_level(tree: Any) -> tuple[Any, Any]:
    """The children of a node and its static data; ``ValueError`` for a leaf."""
    parts = default_registry.flatten_one_level(tree)
    if parts is None:
        raise ValueError(f"can't tree-flatten type: {type(tree)}")
    return tuple(parts[0]), parts[1]


def flatten_one_level_with_keys(tree: Any) -> tuple[Any, Any]:
    """The (key, child) pairs of a node and its static data; ``ValueError`` for a leaf."""
    parts = _paths.one_level(tree)
    if parts is None:
        raise ValueError(f"can't tree-flatten type: {type(tree)}")
    return parts


def broadcast_prefix(
    prefix_tree: Any, full_tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> list[Any]:
    """The leaves of ``prefix_tree``, each repeated for the leaves of ``full_tree`` below its place."""
    return _tree.leaves(_tree.broadcast(prefix_tree, full_tree, is_leaf), is_leaf)


def prefix_errors(
    prefix_tree: Any, full_tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> list[Callable[[str], ValueError]]:
    """Why ``prefix_tree`` is no prefix of ``full_tree``: one function for each place that differs.

    Each maps a name for the prefix tree to a ``ValueError`` that names the place.
    """
    return _paths.prefix_errors(prefix_tree, full_tree, is_leaf)


def register_pytree_with_keys(
    nodetype: type,
    flatten_with_keys: Callable[[Any], tuple],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_func: Callable[[Any], tuple] | None = None,
) -> None:
    """Make instances of ``nodetype`` nodes whose children have names.

    ``flatten_with_keys(x) -> ((key, child) pairs, aux)``; ``flatten_func``, if given, does the same without
    the keys, faster.
    """
    if not callable(flatten_with_keys):
        raise TypeError(f"flatten_with_keys must be a function, got {flatten_with_keys!r}")
    if flatten_func is None:

        def flatten_func(x: Any) -> tuple:
            pairs, aux = flatten_with_keys(x)
            return [child for _, child in pairs], aux

    _tree.register_node(nodetype, flatten_func, unflatten_func, flatten_with_keys)


def register_pytree_node_class(cls: type) -> type:
    """Class decorator: the class has ``tree_flatten`` and the classmethod ``tree_unflatten(aux, children)``."""
    _tree.register_node(cls, lambda x: x.tree_flatten(), cls.tree_unflatten)
    return cls


def register_pytree_with_keys_class(cls: type) -> type:
    """Class decorator: the class has ``tree_flatten_with_keys`` and ``tree_unflatten(aux, children)``.

    Its own ``tree_flatten``, if it has one, is used where no keys are needed.
    """
    plain = (lambda x: x.tree_flatten()) if hasattr(cls, "tree_flatten") else None
    register_pytree_with_keys(cls, lambda x: x.tree_flatten_with_keys(), cls.tree_unflatten, plain)
    return cls


def register_dataclass(
    nodetype: Any,
    data_fields: Sequence[str] | None = None,
    meta_fields: Sequence[str] | None = None,
    drop_fields: Sequence[str] = (),
) -> Any:
    """Make a dataclass a node: data fields are children, meta fields are static (hashable, compared by ``==``).

    Without field lists, fields with ``metadata={"static": True}`` are static and the others are data. Other
    classes need both lists; they are rebuilt by ``nodetype(**fields)``. Also a class decorator.

    Raises ``TypeError`` if only one list is given, ``ValueError`` if the lists overlap or do not name exactly
    the dataclass's fields (besides ``drop_fields``, which get their defaults).

    Example:
        >>> import dataclasses, jitney
        >>> @jitney.tree_util.register_dataclass
        ... @dataclasses.dataclass
        ... class Star:
        ...     mass: float
        ...     name: str = dataclasses.field(metadata={"static": True})
        >>> jitney.tree.map(lambda x: 2 * x, Star(1.0, "Vega"))
        Star(mass=2.0, name='Vega')
    """
    if (data_fields is None) != (meta_fields is None):
        raise TypeError(
            "register_dataclass needs both data_fields and meta_fields, or neither of them; got "
            f"data_fields={data_fields}, meta_fields={meta_fields}"
        )
    if data_fields is None or meta_fields is None:
        import dataclasses

        if not dataclasses.is_dataclass(nodetype):
            raise TypeError(
                f"register_dataclass needs data_fields and meta_fields: {nodetype!r} is no dataclass"
            )
        data, meta = _tree.dataclass_fields(nodetype)
        data_fields = [name for name in data if name not in drop_fields]
        meta_fields = [name for name in meta if name not in drop_fields]
    _check_fields(nodetype, tuple(data_fields), tuple(meta_fields), tuple(drop_fields))
    return _tree.register_dataclass(nodetype, data_fields, meta_fields)


def _check_fields(
    nodetype: Any, data: tuple[str, ...], meta: tuple[str, ...], dropped: tuple[str, ...]
) -> None:
    given = {*data, *meta}
    if set(data) & set(meta):
        raise ValueError(f"fields of {nodetype!r} are both data and meta: {sorted(set(data) & set(meta))}")
    import dataclasses

    if not dataclasses.is_dataclass(nodetype):
        return
    declared = {f.name for f in dataclasses.fields(nodetype) if f.init} - set(dropped)
    if missing := declared - given:
        raise ValueError(
            f"fields of {nodetype!r} are neither data, meta nor dropped: {sorted(missing)}. "
            "Name them in data_fields, meta_fields or drop_fields."
        )
    for name in sorted(given - declared):
        import difflib

        close = difflib.get_close_matches(name, declared, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{nodetype!r} has no field {name!r} that its constructor takes.{hint}")


def register_static(cls: type) -> type:
    """Class decorator: instances are nodes without leaves, compared by ``==`` (static data of a structure)."""
    _tree.register_node(cls, lambda x: ((), x), lambda aux, _: aux)
    return cls


class _Function:
    """A partial function that ``functools.partial`` must not merge with: static as a whole."""

    def __init__(self, fun: Callable[..., Any]) -> None:
        self.fun = fun
        functools.update_wrapper(self, fun)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fun(*args, **kwargs)

    def __hash__(self) -> int:
        return hash(self.fun)

    def __eq__(self, other: object) -> bool:
        return type(other) is _Function and self.fun == other.fun

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.fun!r})"


class Partial(functools.partial):
    """``functools.partial`` as a tree node: the bound arguments are leaves, the function is static.

    So it can be an argument of transformed functions.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> add_two = jitney.tree_util.Partial(jnp.add, 2.0)
        >>> jitney.jit(lambda f, x: f(x))(add_two, 1.0)
        Array(3., dtype=float64, weak_type=True)
    """

    def __new__(cls, func: Callable[..., Any], *args: Any, **kw: Any) -> Partial:
        return super().__new__(
            cls, _Function(func) if isinstance(func, functools.partial) else func, *args, **kw
        )


_tree.register_node(
    Partial,
    lambda p: ((p.args, p.keywords), p.func),
    lambda func, children: Partial(func, *children[0], **children[1]),
)


class PyTreeRegistry:
    """What is a tree node, as an object; there is one, ``default_registry``."""

    def flatten(self, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], PyTreeDef]:
        """Leaves and structure of ``tree``."""
        return _tree.flatten(tree, is_leaf)

    def flatten_one_level(self, tree: Any) -> tuple[Any, Any] | None:
        """The children of a node and its static data; None for a leaf."""
        node = _tree.registered.get(type(tree))
        if node is not None:
            children, aux = node.flatten(tree)[:2]
            return list(children), aux
        parts = _paths.one_level(tree)
        return None if parts is None else ([child for _, child in parts[0]], parts[1])

    def flatten_one_level_with_keys(self, tree: Any) -> tuple[Any, Any] | None:
        """The (key, child) pairs of a node and its static data; None for a leaf."""
        return _paths.one_level(tree)

    def flatten_with_path(self, tree: Any, is_leaf: Any = None, is_leaf_takes_path: bool = False) -> Any:
        """``[(key path, leaf)]`` and the structure."""
        return _paths.flatten_with_path(tree, is_leaf, is_leaf_takes_path)

    def is_node(self, typ: type) -> bool:
        """True if instances of the class are inner nodes."""
        return is_tree_node(typ)

    def register_node(self, *args: Any) -> None:
        """As ``register_pytree_node``."""
        _tree.register_node(*args)


default_registry = PyTreeRegistry()

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "Partial",
    "PyTreeDef",
    "SequenceKey",
    "all_leaves",
    "broadcast_prefix",
    "build_tree",
    "default_registry",
    "flatten_one_level",
    "flatten_one_level_with_keys",
    "is_tree_node",
    "keystr",
    "prefix_errors",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_pytree_with_keys",
    "register_pytree_with_keys_class",
    "register_static",
    "tree_all",
    "tree_broadcast",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_with_path",
    "tree_reduce",
    "tree_reduce_associative",
    "tree_structure",
    "tree_transpose",
    "tree_unflatten",
    "treedef_children",
    "treedef_is_leaf",
    "treedef_tuple",
]

_expose(globals())
