"""Pytrees through optree with JAX's rules: None has no leaves, dict keys are sorted, registered classes."""

from __future__ import annotations

import collections
import functools
import reprlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

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


class PyTreeDef:
    """The structure of a tree: node types, keys and static data, with ``*`` where the leaves are.

    Made by ``tree.structure`` and ``tree.flatten``; compared and hashed by value, and picklable where the
    node types are.

    Example:
        >>> import jitney
        >>> jitney.tree.structure({"b": (1, 2), "a": None})
        PyTreeDef({'a': None, 'b': (*, *)})
    """

    __slots__ = ("spec",)

    def __init__(self, spec: Any) -> None:
        self.spec = spec

    @property
    def num_leaves(self) -> int:
        """How many leaves a tree of this structure has."""
        return self.spec.num_leaves

    @property
    def num_nodes(self) -> int:
        """How many nodes it has, leaves and ``None`` included."""
        return self.spec.num_nodes

    def is_leaf(self) -> bool:
        """True for the structure of a single leaf."""
        return self.spec.is_leaf()

    def unflatten(self, leaves: Iterable[Any], /) -> Any:
        """The tree of this structure with ``leaves``; ``ValueError`` if their number differs."""
        try:
            return self.spec.unflatten(leaves)
        except ValueError as error:
            raise _renamed(error) from None

    def flatten_up_to(self, tree: Any, /) -> list[Any]:
        """The subtrees of ``tree`` at the places of this structure's leaves; ``ValueError`` if it does not fit."""
        try:
            return self.spec.flatten_up_to(tree)
        except ValueError as error:
            raise _renamed(error) from None

    def children(self) -> list[PyTreeDef]:
        """The structures right below the root."""
        return [PyTreeDef(s) for s in self.spec.children()]

    def node_data(self) -> tuple[type, Any] | None:
        """The root's type and static data (keys of dicts); None for a leaf."""
        if self.spec.is_leaf():
            return None
        top = self.spec.one_level()
        return top.walk(range(top.num_leaves), lambda kind, data, _: (kind, node_aux(kind, data)))

    def compose(self, inner: PyTreeDef, /) -> PyTreeDef:
        """This structure with ``inner`` in place of each leaf."""
        if type(inner) is not PyTreeDef:
            raise TypeError(f"compose takes a PyTreeDef, got {inner!r} of type {type(inner).__name__}")
        return PyTreeDef(self.spec.compose(inner.spec))

    def walk(self, f_node: Callable[[tuple, Any], Any], f_leaf: Any, leaves: Iterable[Any], /) -> Any:
        """Fold a tree from below: ``f_node(children, static data)`` of what its children gave, ``f_leaf(leaf)``.

        The static data of a named tuple are its class.
        """

        def fold(kind: type, data: Any, kids: tuple) -> Any:
            return f_node(kids, kind if _is_plain_named_tuple(kind) else node_aux(kind, data))

        return self.spec.walk(leaves, fold, f_leaf)

    def from_iterable_tree(self, tree: Any, /) -> Any:
        """The tree of this structure whose nodes are given as plain iterables, nested alike."""

        def build(spec: Any, part: Any) -> Any:
            if spec.is_leaf():
                return part
            parts = list(part) if isinstance(part, Iterable) else [part]
            if len(parts) != spec.num_children:
                raise ValueError(f"{spec.num_children} children are needed in {self}, got {part!r}")
            pairs = zip(spec.children(), parts, strict=True)
            return spec.one_level().unflatten([build(s, p) for s, p in pairs])

        return build(self.spec, tree)

    @staticmethod
    def from_node_data_and_children(
        registry: Any, node_data: tuple[type, Any] | None, children: Iterable[PyTreeDef]
    ) -> PyTreeDef:
        """The structure with a root of ``node_data`` (see ``node_data``) over ``children``."""
        kids = list(children)
        if node_data is None:
            return structure(0)
        kind, aux = node_data
        top = structure(_node(kind, aux, [object() for _ in kids])).spec.one_level()
        below = iter(kids)
        return PyTreeDef(top.transform(None, lambda _: next(below).spec))

    def __eq__(self, other: object) -> bool:
        return self.spec == other.spec if type(other) is PyTreeDef else NotImplemented

    def __hash__(self) -> int:
        return hash(self.spec)

    def __repr__(self) -> str:
        return f"PyTreeDef({self.spec.walk(range(self.spec.num_leaves), _node_text, lambda _: '*')})"

    def __reduce__(self) -> tuple:
        return PyTreeDef, (self.spec,)


PyTreeDef.__module__ = "jitney.tree_util"


def _renamed(error: ValueError) -> ValueError:
    """An error of optree that speaks of our class; others (of a registered class's functions) as they are."""
    text = str(error)
    return ValueError(text.replace("PyTreeSpec", "PyTreeDef")) if "PyTreeSpec" in text else error


def node_aux(kind: type, data: Any) -> Any:
    """The static data of a node, in JAX's form."""
    if kind in registered:
        return data
    if kind is collections.OrderedDict:
        return tuple(data)
    if kind is collections.defaultdict:
        return data[0], tuple(data[1])
    return None if issubclass(kind, tuple) else data


def _node_text(kind: type, data: Any, kids: Sequence[str]) -> str:
    if kind not in registered:
        if kind is type(None):
            return "None"
        if kind is tuple:
            return f"({', '.join(kids)}{',' if len(kids) == 1 else ''})"
        if kind is list:
            return f"[{', '.join(kids)}]"
        if kind is dict:
            return "{" + ", ".join(f"{key!r}: {kid}" for key, kid in zip(data, kids, strict=True)) + "}"
        if _is_plain_named_tuple(kind):
            return f"CustomNode(namedtuple[{kind.__name__}], [{', '.join(kids)}])"
    return f"CustomNode({kind.__name__}[{node_aux(kind, data)}], [{', '.join(kids)}])"


def is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _is_plain_named_tuple(kind: type) -> bool:
    return is_named_tuple(kind) and kind not in registered


def _node(kind: type, aux: Any, children: list[Any]) -> Any:
    """A node made of its static data and children."""
    if kind in registered:
        return registered[kind].unflatten(aux, tuple(children))
    if kind is type(None):
        return None
    if kind in (dict, collections.OrderedDict):
        return kind(zip(aux, children, strict=True))
    if kind is collections.defaultdict:
        return collections.defaultdict(aux[0], zip(aux[1], children, strict=True))
    return kind(*children) if is_named_tuple(kind) else kind(children)


def _ordered(spec: Any) -> Any:
    """``spec`` whose dicts are rebuilt with sorted keys: optree would keep the order in which they came."""
    if spec.num_nodes == spec.num_leaves:
        return spec
    try:
        return _with_sorted_keys(spec)
    except TypeError:  # static data that cannot be hashed
        return spec.transform(_sorted_node)


# Specs that differ in the order of keys alone are equal: one of them is found for all.
@functools.lru_cache(maxsize=4096)
def _with_sorted_keys(spec: Any) -> Any:
    return spec.transform(_sorted_node)


def _sorted_node(spec: Any) -> Any:
    if spec.type not in (dict, collections.defaultdict):
        return spec
    node = spec.unflatten([0] * spec.num_leaves)
    items = {key: 0 for key in spec.entries()}
    made = items if type(node) is dict else collections.defaultdict(node.default_factory, items)
    return optree.tree_structure(made, namespace=NAMESPACE)


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], PyTreeDef]:
    """Leaves and structure of ``tree``; what ``is_leaf`` is true of counts as a leaf."""
    found, spec = optree.tree_flatten(tree, is_leaf, namespace=NAMESPACE)
    return found, PyTreeDef(_ordered(spec))


def as_treedef(function: str, x: Any) -> PyTreeDef:
    """``x``, if it is a structure; else ``TypeError``."""
    if not isinstance(x, PyTreeDef):
        raise TypeError(
            f"{function} takes the structure of a tree (a PyTreeDef, from tree.structure or tree.flatten), got "
            f"{type(x).__name__}: {reprlib.repr(x)}."
        )
    return x


def unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """The tree of structure ``treedef`` with ``leaves``."""
    if type(treedef) is not PyTreeDef:
        as_treedef("tree.unflatten(treedef, leaves)", treedef)
    return treedef.unflatten(leaves)


def leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of ``tree``, in the order of ``flatten``."""
    return optree.tree_leaves(tree, is_leaf, namespace=NAMESPACE)


def structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> PyTreeDef:
    """The structure of ``tree``."""
    return PyTreeDef(_ordered(optree.tree_structure(tree, is_leaf, namespace=NAMESPACE)))


def map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The tree of ``f(leaf, *others)``; ``others`` are the subtrees of ``rest`` at the leaf's place.

    Raises ``ValueError``, with the place, where a tree of ``rest`` does not have the nodes of ``tree``.

    Example:
        >>> import jitney
        >>> jitney.tree.map(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
        {'a': 11, 'b': (22, 33)}
    """
    found, treedef = flatten(tree, is_leaf)
    if not rest:
        return treedef.unflatten([f(x) for x in found])
    columns = [up_to(treedef, tree, other, "tree", is_leaf) for other in rest]
    return treedef.unflatten([f(*xs) for xs in zip(found, *columns, strict=True)])


def up_to(treedef: PyTreeDef, prefix: Any, tree: Any, name: str, is_leaf: Any = None) -> list[Any]:
    """``treedef.flatten_up_to(tree)`` where ``treedef`` is ``prefix``'s; an error names where they differ."""
    try:
        return treedef.flatten_up_to(tree)
    except ValueError as error:
        from jitney._core.paths import prefix_errors

        for found in prefix_errors(prefix, tree, is_leaf):
            raise found(name) from None
        raise error


class Node(NamedTuple):
    """How a registered class is taken apart and rebuilt."""

    flatten: Callable[[Any], tuple]
    unflatten: Callable[[Any, Any], Any]
    flatten_with_keys: Callable[[Any], tuple] | None


registered: dict[type, Node] = {}
_BUILTIN = frozenset(
    (tuple, list, dict, type(None), collections.OrderedDict, collections.defaultdict, collections.deque)
)


def register_node(
    nodetype: type,
    flatten_func: Callable[[Any], tuple],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_with_keys_func: Callable[[Any], tuple] | None = None,
) -> None:
    """Make instances of ``nodetype`` inner nodes of trees.

    ``flatten_func(x) -> (children, aux)`` with hashable static data ``aux``; ``unflatten_func(aux, children)``
    is its inverse; ``flatten_with_keys_func(x) -> ((key, child) pairs, aux)`` also names the children.

    Raises ``TypeError`` for what is no class or function, ``ValueError`` for a class that is a node already.
    """
    if not isinstance(nodetype, type):
        raise TypeError(f"only classes can be registered as tree nodes, got {nodetype!r}")
    for function in (flatten_func, unflatten_func):
        if not callable(function):
            raise TypeError(
                f"registering {nodetype!r} as a tree node needs functions to flatten and unflatten it, "
                f"got {function!r}"
            )
    if nodetype in registered or nodetype in _BUILTIN:
        raise ValueError(f"Duplicate registration: {nodetype!r} is a tree node already")
    registered[nodetype] = Node(flatten_func, unflatten_func, flatten_with_keys_func)
    if type(optree) is _AtFirstUse:
        optree.registrations.append((nodetype, flatten_func, unflatten_func))
    else:
        optree.register_pytree_node(nodetype, flatten_func, unflatten_func, namespace=NAMESPACE)


def register_dataclass(cls: Any, data_fields: Sequence[str], meta_fields: Sequence[str]) -> Any:
    """Make a class an inner node: ``data_fields`` are children, ``meta_fields`` are static."""
    from jitney._core.paths import GetAttrKey

    data_fields, meta_fields = tuple(data_fields), tuple(meta_fields)
    keys = [GetAttrKey(name) for name in data_fields]

    def flatten_fn(x: Any) -> tuple[tuple, Hashable]:
        return tuple([getattr(x, f) for f in data_fields]), tuple([getattr(x, f) for f in meta_fields])

    def with_keys(x: Any) -> tuple[list, Hashable]:
        data, meta = flatten_fn(x)
        return list(zip(keys, data, strict=True)), meta

    def construct(meta: Any, data: Any) -> Any:
        return cls(**dict(zip((*meta_fields, *data_fields), (*meta, *data), strict=True)))

    register_node(cls, flatten_fn, construct, with_keys)
    return cls


def dataclass_fields(cls: Any) -> tuple[list[str], list[str]]:
    """The data fields and the static fields that a dataclass declares by its fields' metadata."""
    import dataclasses  # by who uses them, it is loaded already

    fields = [f for f in dataclasses.fields(cls) if f.init]
    static = [f.name for f in fields if f.metadata.get("static", False)]
    return [f.name for f in fields if f.name not in static], static


def leaf_suffixes(tree: Any) -> list[str]:
    """``['a'][0]`` for each leaf, to be appended to an argument's name."""
    from jitney._core.paths import flatten_with_path, keystr

    return [keystr(path) for path, _ in flatten_with_path(tree)[0]]


def broadcast_prefix(prefix: Any, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """``prefix``'s leaves, each repeated for the leaves of ``tree`` below it; ``None`` is a leaf here."""
    none_leaf = (lambda x: x is None) if is_leaf is None else (lambda x: x is None or is_leaf(x))
    return list(_repeated(prefix, tree, none_leaf, "prefix"))


def broadcast(prefix_tree: Any, full_tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The tree of ``full_tree``'s structure whose leaves are ``prefix_tree``'s, each repeated below its place."""
    return structure(full_tree, is_leaf).unflatten(
        _repeated(prefix_tree, full_tree, is_leaf, "prefix_tree", True)
    )


def _repeated(prefix: Any, tree: Any, is_leaf: Any, name: str, stop: bool = False) -> Iterator[Any]:
    found, treedef = flatten(prefix, is_leaf)
    for value, subtree in zip(found, up_to(treedef, prefix, tree, name, is_leaf), strict=True):
        yield from [value] * len(leaves(subtree, is_leaf if stop else None))


def template(treedef: PyTreeDef) -> Any:
    """How C++ rebuilds an output tree: None for one leaf, nested builtins with leaf numbers, or a callable."""
    spec = treedef.spec
    if spec.is_leaf():
        return None
    example = spec.unflatten(range(spec.num_leaves))
    return example if _is_builtin(example) else spec.unflatten


def _is_builtin(x: Any) -> bool:
    if x is None or type(x) is int:
        return True
    if type(x) in (tuple, list):
        return all(_is_builtin(v) for v in x)
    return type(x) is dict and all(_is_builtin(v) for v in x.values())
