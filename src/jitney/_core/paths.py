"""Key paths: where in a tree a leaf is, as keys and as text; and where one tree is no prefix of another."""

from __future__ import annotations

import collections
from collections.abc import Callable, Hashable, Iterator
from typing import Any, NoReturn

from jitney._core import tree as _tree

KeyPath = tuple[Any, ...]


class _Key:
    """One step of a path, immutable; the single field is named by ``__match_args__``."""

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()

    @property
    def _value(self) -> Any:
        return getattr(self, self.__match_args__[0])

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: cannot set {name!r}")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._value == other._value

    def __hash__(self) -> int:
        return hash((type(self), self._value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.__match_args__[0]}={self._value!r})"

    def __reduce__(self) -> tuple:
        return type(self), (self._value,)


class SequenceKey(_Key):
    """The place ``[idx]`` in a tuple or list."""

    __slots__ = __match_args__ = ("idx",)

    def __init__(self, idx: int) -> None:
        object.__setattr__(self, "idx", idx)

    def __str__(self) -> str:
        return f"[{self._value!r}]"


class DictKey(_Key):
    """The place ``[key]`` in a dict."""

    __slots__ = __match_args__ = ("key",)

    def __init__(self, key: Hashable) -> None:
        object.__setattr__(self, "key", key)

    def __str__(self) -> str:
        return f"[{self._value!r}]"


class GetAttrKey(_Key):
    """The attribute ``.name`` of an object."""

    __slots__ = __match_args__ = ("name",)

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "name", name)

    def __str__(self) -> str:
        return f".{self._value}"


class FlattenedIndexKey(_Key):
    """The child number ``key`` of a registered class that does not name its children."""

    __slots__ = __match_args__ = ("key",)

    def __init__(self, key: int) -> None:
        object.__setattr__(self, "key", key)

    def __str__(self) -> str:
        return f"[<flat index {self._value}>]"


for _class in (SequenceKey, DictKey, GetAttrKey, FlattenedIndexKey):
    _class.__module__ = "jitney.tree_util"


def keystr(keys: KeyPath, *, simple: bool = False, separator: str = "") -> str:
    """A key path as text: ``['a'][0].x``, or with ``simple`` the bare names, joined by ``separator``.

    Example:
        >>> from jitney.tree_util import DictKey, SequenceKey, keystr
        >>> keystr((DictKey("a"), SequenceKey(0))), keystr((DictKey("a"), SequenceKey(0)), simple=True, separator="/")
        ("['a'][0]", 'a/0')
    """
    return separator.join(map(_simple if simple else str, keys))


def _simple(key: Any) -> str:
    return str(key._value if isinstance(key, _Key) else key)


def one_level(x: Any) -> tuple[list[tuple[Any, Any]], Any] | None:
    """``[(key, child)]`` and the static data of a node; None for a leaf."""
    kind = type(x)
    node = _tree.registered.get(kind)
    if node is not None:
        if node.flatten_with_keys is not None:
            pairs, aux = node.flatten_with_keys(x)
            return [(key, child) for key, child in pairs], aux
        children, aux = node.flatten(x)[:2]
        return [(FlattenedIndexKey(i), child) for i, child in enumerate(children)], aux
    if kind is tuple or kind is list:
        return [(SequenceKey(i), child) for i, child in enumerate(x)], None
    if kind is dict or kind is collections.defaultdict:
        keys = tuple(_tree.structure(x).spec.entries())
        aux = keys if kind is dict else (x.default_factory, keys)
        return [(DictKey(key), x[key]) for key in keys], aux
    if kind is collections.OrderedDict:
        return [(DictKey(key), child) for key, child in x.items()], tuple(x)
    if x is None:
        return [], None
    if isinstance(x, tuple) and _tree.is_named_tuple(kind):
        return [(GetAttrKey(name), getattr(x, name)) for name in kind._fields], None
    if isinstance(x, (tuple, collections.deque)):
        return _other_sequence(x)
    return None


def _other_sequence(x: Any) -> tuple[list[tuple[Any, Any]], Any] | None:
    """What optree takes apart besides: deques and the structs of the standard library."""
    if _tree.structure(x).is_leaf():
        return None
    return [(SequenceKey(i), child) for i, child in enumerate(x)], None


def flatten_with_path(
    tree: Any, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> tuple[list[tuple[KeyPath, Any]], _tree.PyTreeDef]:
    """``[(key path, leaf)]`` and the structure; ``is_leaf(x)``, or ``is_leaf(path, x)``, ends the descent."""
    found: list[tuple[KeyPath, Any]] = []
    stops: list[bool] = []  # in the order in which nodes are met, which is also that of ``flatten``

    def visit(x: Any, path: KeyPath) -> None:
        if is_leaf is not None:
            stops.append(bool(is_leaf(path, x) if is_leaf_takes_path else is_leaf(x)))
        parts = None if stops and stops[-1] else one_level(x)
        if parts is None:
            found.append((path, x))
            return
        for key, child in parts[0]:
            visit(child, (*path, key))

    visit(tree, ())
    if is_leaf is None:
        return found, _tree.structure(tree)
    answers = iter(stops)
    return found, _tree.structure(tree, lambda _: next(answers))


def prefix_errors(
    prefix: Any, tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> list[Callable[[str], ValueError]]:
    """Why ``prefix`` is no prefix of ``tree``: for each place, a function from the prefix's name to an error."""
    return list(_mismatches(prefix, tree, is_leaf, ()))


def _mismatches(prefix: Any, tree: Any, is_leaf: Any, path: KeyPath) -> Iterator[Callable[[str], ValueError]]:
    if is_leaf is not None and is_leaf(prefix):
        return
    ours = one_level(prefix)
    if ours is None:
        return
    theirs = one_level(tree)
    if type(prefix) is not type(tree) or theirs is None:
        yield _error(path, f"expected {_named(prefix)} (as in the prefix), got {_named(tree)}")
    elif isinstance(prefix, dict) and set(prefix) != set(tree):
        yield _error(path, "the keys differ: " + _difference(set(prefix), set(tree)))
    elif len(ours[0]) != len(theirs[0]):
        kind = type(prefix).__name__
        yield _error(
            path,
            f"{kind} of length {len(ours[0])} in the prefix, {len(theirs[0])} in the tree",
        )
    elif ours[1] != theirs[1]:
        kind = type(prefix).__name__
        yield _error(
            path, f"the static data of {kind} differ: {ours[1]!r} in the prefix, {theirs[1]!r} in the tree"
        )
    else:
        for (key, mine), (_, other) in zip(ours[0], theirs[0], strict=True):
            yield from _mismatches(mine, other, is_leaf, (*path, key))


def _named(x: Any) -> str:
    return "None" if x is None else type(x).__name__


def _difference(ours: set, theirs: set) -> str:
    sides = (("prefix", ours - theirs), ("tree", theirs - ours))
    return ", ".join(
        f"{', '.join(sorted(map(repr, keys)))} only in the {side}" for side, keys in sides if keys
    )


def _error(path: KeyPath, text: str) -> Callable[[str], ValueError]:
    return lambda name: ValueError(f"pytree structure error at {name}{keystr(path)}: {text}.")
