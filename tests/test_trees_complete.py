"""``jitney.tree`` and ``jitney.tree_util`` against JAX: paths, printing, registration, prefixes, structures."""

from __future__ import annotations

import collections
import dataclasses
import functools
import pickle
from typing import Any, NamedTuple

import jax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jitney
from comparing import assert_raises_alike


class Pair(NamedTuple):
    x: Any
    y: Any


class Plain:
    """Registered without names of its children."""

    def __init__(self, *kids: Any) -> None:
        self.kids = kids


class Named:
    """Registered with names."""

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b

    @classmethod
    def tree_unflatten(cls, aux: Any, kids: Any) -> Named:
        return cls(*kids)


@dataclasses.dataclass
class Star:
    mass: Any
    place: Any
    name: str = jitney.tree.static(default="")


class Label(str):
    pass


for _lib in (jitney, jax):
    _util = _lib.tree_util
    _util.register_pytree_node(Plain, lambda p: (p.kids, "aux"), lambda _, kids: Plain(*kids))
    Named.tree_flatten_with_keys = lambda n, u=_util: (((u.GetAttrKey("a"), n.a), ("second", n.b)), None)
    _util.register_pytree_with_keys(
        Named, Named.tree_flatten_with_keys, Named.tree_unflatten, lambda n: ((n.a, n.b), None)
    )
    _util.register_dataclass(Star)
    _util.register_static(Label)

TREES: dict[str, Any] = {
    "leaf": 1,
    "None": None,
    "empty": [(), {}, []],
    "nested": {"b": [1, (2, None)], "a": {"z": 3}},
    "one-tuple": (1,),
    "named tuple": Pair(1, [2]),
    "OrderedDict": collections.OrderedDict([("b", 1), ("a", (2,))]),
    "defaultdict": collections.defaultdict(list, {"b": 1, "a": 2}),
    "number keys": {3: 1, 1: 2},
    "plain class": [Plain(1, {"k": 2})],
    "named class": Named(1, (2, 3)),
    "dataclass": {"s": Star(1, [2], "Vega")},
    "static": [Label("x"), 1],
}


@pytest.mark.parametrize("name", TREES)
def test_structure_as_text_and_data(name: str) -> None:
    ours, theirs = (lib.tree.structure(TREES[name]) for lib in (jitney, jax))
    assert repr(ours) == repr(theirs)
    assert (ours.num_leaves, ours.num_nodes) == (theirs.num_leaves, theirs.num_nodes)
    assert ours.node_data() == theirs.node_data()
    assert list(map(repr, ours.children())) == list(map(repr, theirs.children()))
    assert pickle.loads(pickle.dumps(ours)) == ours
    assert jitney.tree_util.treedef_is_leaf(ours) == jax.tree_util.treedef_is_leaf(theirs)
    fold = lambda treedef: treedef.walk(lambda kids, data: (kids, data), str, range(treedef.num_leaves))
    assert fold(ours) == fold(theirs)
    if (data := ours.node_data()) is not None:
        registry = jitney.tree_util.default_registry
        assert ours.from_node_data_and_children(registry, data, ours.children()) == ours


@pytest.mark.parametrize("name", TREES)
def test_paths(name: str) -> None:
    texts = []
    for lib in (jitney, jax):
        util = lib.tree_util
        found, treedef = util.tree_flatten_with_path(TREES[name])
        assert treedef == util.tree_structure(TREES[name])
        assert found == util.tree_leaves_with_path(TREES[name])
        styles: list[dict[str, Any]] = [{}, {"simple": True, "separator": "/"}, {"separator": "|"}]
        texts.append([(leaf, [util.keystr(path, **style) for style in styles]) for path, leaf in found])
        texts[-1].append([tuple(map(repr, path)) for path, _ in found])
    assert texts[0] == texts[1]


def test_keys() -> None:
    for name, key in (("DictKey", "k"), ("SequenceKey", 3), ("GetAttrKey", "x"), ("FlattenedIndexKey", 3)):
        ours, theirs = (getattr(lib.tree_util, name)(key) for lib in (jitney, jax))
        assert (repr(ours), str(ours)) == (repr(theirs), str(theirs))
        assert ours == type(ours)(key) and hash(ours) == hash(type(ours)(key)) and ours != type(ours)(4)
        assert pickle.loads(pickle.dumps(ours)) == ours
        assert type(ours).__match_args__ == type(theirs).__match_args__


def test_is_leaf_with_paths() -> None:
    tree = {"a": [1, {"b": (2, 3)}], "c": None}
    for stop, takes_path in (
        (lambda x: isinstance(x, tuple), False),
        (lambda x: x is None, False),
        (lambda path, x: len(path) == 2, True),
        (lambda path, x: True, True),
    ):
        got, want = (
            lib.tree_util.tree_flatten_with_path(tree, stop, is_leaf_takes_path=takes_path)
            for lib in (jitney, jax)
        )
        assert [(tuple(map(repr, p)), x) for p, x in got[0]] == [(tuple(map(repr, p)), x) for p, x in want[0]]
        assert repr(got[1]) == repr(want[1])


def test_map_with_path() -> None:
    for lib in (jitney, jax):
        out = lib.tree.map_with_path(
            lambda p, x, y: (lib.tree_util.keystr(p), x, y), {"a": [1, 2]}, {"a": [3, (4,)]}
        )
        assert out == {"a": [("['a'][0]", 1, 3), ("['a'][1]", 2, (4,))]}


def test_reduce_associative() -> None:
    join = lambda a, b: f"({a}{b})"
    for count in range(1, 12):
        got, want = (lib.tree.reduce_associative(join, list("abcdefghijkl")[:count]) for lib in (jitney, jax))
        assert got == want
    assert jitney.tree.reduce_associative(join, (), identity="e") == "e"


def test_structures_from_structures() -> None:
    for lib in (jitney, jax):
        util = lib.tree_util
        inner, outer = util.tree_structure([1]), util.tree_structure({"a": 1, "b": (2,)})
        assert repr(util.treedef_tuple([inner, outer])) == "PyTreeDef(([*], {'a': *, 'b': (*,)}))"
        assert repr(outer.compose(inner)) == "PyTreeDef({'a': [*], 'b': ([*],)})"
        assert util.treedef_children(outer)[1] == util.tree_structure((0,))
        assert outer.from_iterable_tree((1, (2,))) == {"a": 1, "b": (2,)}
        assert util.tree_transpose(util.tree_structure((0, 0)), None, ([1, 2], [3, 4])) == [(1, 3), (2, 4)]
        assert util.flatten_one_level({"b": 1, "a": 2}) == ((2, 1), ("a", "b"))
        assert util.flatten_one_level(Plain(1, 2))[1] == "aux"
        assert [util.is_tree_node(t) for t in (int, dict, Plain, type(None), Pair)] == [False, *[True] * 4]
        assert util.all_leaves([1, "a"]) and not util.all_leaves([1, None])


def test_broadcast() -> None:
    full = {"a": 1, "b": (2, None, [3, 4])}
    for prefix in (0, {"a": 5, "b": 6}, {"a": 5, "b": (6, None, 7)}):
        assert jitney.tree.broadcast(prefix, full) == jax.tree.broadcast(prefix, full)
    assert jitney.tree_util.broadcast_prefix((1, 2), (0, [0, 0])) == [1, 2, 2]


def test_registered_classes_keep_their_names() -> None:
    @jitney.tree_util.register_pytree_with_keys_class
    class Keyed:
        def __init__(self, value: Any) -> None:
            self.value = value

        def tree_flatten_with_keys(self) -> tuple:
            return ((jitney.tree_util.GetAttrKey("value"), self.value),), "static"

        @classmethod
        def tree_unflatten(cls, aux: Any, kids: Any) -> Keyed:
            assert aux == "static"
            return cls(*kids)

    out = jitney.jit(jitney.grad(lambda k: k.value["x"] ** 2))(Keyed({"x": 3.0}))
    assert float(out.value["x"]) == 6.0
    (path, _), *_ = jitney.tree.leaves_with_path([out])
    assert jitney.tree_util.keystr(path) == "[0].value['x']"
    with pytest.raises(TypeError, match=r"k\.value\['x'\]"):
        jitney.jit(lambda k: k.value["x"])(Keyed({"x": "text"}))


def test_dataclass_fields() -> None:
    @dataclasses.dataclass
    class Model:
        weights: Any
        extra: Any = None
        derived: int = dataclasses.field(default=1, init=False)

    jitney.tree_util.register_dataclass(Model, ["weights"], [], drop_fields=["extra"])
    assert jitney.tree.map(lambda x: x + 1, Model(1, 5)) == Model(2)

    @functools.partial(jitney.tree_util.register_dataclass, data_fields=["b"], meta_fields=["a"])
    class Other:
        def __init__(self, a: Any, b: Any) -> None:
            self.a, self.b = a, b

    assert jitney.tree.leaves(Other("static", 1)) == [1]
    with pytest.raises(ValueError, match="wieghts.*Did you mean 'weights'"):
        jitney.tree_util.register_dataclass(
            dataclasses.make_dataclass("M", ["weights"]), ["weights", "wieghts"], []
        )


def test_partial() -> None:
    for lib in (jitney, jax):
        nested = lib.tree_util.Partial(lib.tree_util.Partial(max, 1), 2)
        assert lib.tree.leaves(nested) == [2] and nested() == 2
        assert lib.tree.structure(nested) == lib.tree.structure(lib.tree_util.Partial(nested.func, 3))
        assert repr(lib.tree_util.Partial(max, 1, k=2)) == "Partial(<built-in function max>, 1, k=2)"


@dataclasses.dataclass
class _Two:
    a: Any
    b: Any = 0
    c: int = dataclasses.field(default=0, init=False)


_MISUSE = {
    "one field list": lambda j: j.tree_util.register_dataclass(_Two, data_fields=["a"]),
    "missing field": lambda j: j.tree_util.register_dataclass(_Two, ["a"], []),
    "unknown field": lambda j: j.tree_util.register_dataclass(_Two, ["a", "b", "q"], []),
    "field without init": lambda j: j.tree_util.register_dataclass(_Two, ["a", "b", "c"], []),
    "field twice": lambda j: j.tree_util.register_dataclass(_Two, ["a", "b"], ["a"]),
    "no dataclass": lambda j: j.tree_util.register_dataclass(int),
    "register no class": lambda j: j.tree_util.register_pytree_node(3, None, None),
    "register twice": lambda j: j.tree_util.register_static(Label),
    "register a builtin": lambda j: j.tree_util.register_pytree_node(
        dict, lambda d: ((), None), lambda aux, kids: {}
    ),
    "one level of a leaf": lambda j: j.tree_util.flatten_one_level(1),
    "reduce nothing": lambda j: j.tree.reduce_associative(max, ()),
    "transpose another structure": lambda j: j.tree.transpose(
        j.tree.structure([0, 0]), j.tree.structure((0, 0)), [(1, 2), (3,)]
    ),
    "transpose nothing": lambda j: j.tree.transpose(j.tree.structure([]), j.tree.structure(1), []),
    "iterable of another form": lambda j: j.tree.structure({"a": (1, 2)}).from_iterable_tree((1, (2,))),
    "None beside a leaf": lambda j: j.tree.map(lambda a, b: a, None, 1),
}


@pytest.mark.parametrize("name", _MISUSE)
def test_misuse(name: str) -> None:
    assert_raises_alike(_MISUSE[name])


_MISMATCHES = {
    "keys": ({"a": {"x": 1}}, {"a": {"y": 1}}, ["tree['a']", "'x'", "'y'"]),
    "length": ([(1, 2)], [(1, 2, 3)], ["tree[0]", "2", "3"]),
    "type": ({"a": (1, [2])}, {"a": (1, (2,))}, ["tree['a'][1]", "list", "tuple"]),
    "leaf": ({"a": (1, (2,))}, {"a": (1, 2)}, ["tree['a'][1]", "tuple", "int"]),
    "None": ([None], [1], ["tree[0]", "None", "int"]),
    "static data": ([Star(1, 2, "Vega")], [Star(1, 2, "Sun")], ["tree[0]", "Vega", "Sun"]),
}


@pytest.mark.parametrize("name", _MISMATCHES)
def test_errors_name_the_place(name: str) -> None:
    ours, other, words = _MISMATCHES[name]
    assert_raises_alike(lambda j: j.tree.map(lambda a, b: a, ours, other), *words)
    assert_raises_alike(lambda j: j.tree.broadcast(ours, other), *words[1:])
    (error,) = jitney.tree_util.prefix_errors(ours, other)
    assert isinstance(error("in_axes"), ValueError) and "in_axes" + words[0][4:] in str(error("in_axes"))


_RANDOM = st.recursive(
    st.integers() | st.none(),
    lambda kids: (
        st.lists(kids, max_size=3)
        | st.lists(kids, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), kids, max_size=3)
        | st.builds(Pair, kids, kids)
        | st.builds(Star, kids, kids, st.text(max_size=1))
        | st.builds(Plain, kids)
        | st.builds(Named, kids, kids)
    ),
    max_leaves=12,
)


@given(_RANDOM, _RANDOM)
def test_random_trees(tree: Any, other: Any) -> None:
    """Texts, paths, node counts and which trees are prefixes of which, as JAX has them."""
    ours, theirs = jitney.tree.structure(tree), jax.tree.structure(tree)
    assert repr(ours) == repr(theirs) and ours.num_nodes == theirs.num_nodes
    assert pickle.loads(pickle.dumps(ours)) == ours
    paths = [
        [(lib.tree_util.keystr(path), leaf) for path, leaf in lib.tree.leaves_with_path(tree)]
        for lib in (jitney, jax)
    ]
    assert paths[0] == paths[1]
    same = [lib.tree.structure(tree) == lib.tree.structure(other) for lib in (jitney, jax)]
    assert same[0] == same[1]
    fits = []
    for lib in (jitney, jax):
        try:
            fits.append(lib.tree.leaves(lib.tree.broadcast(tree, other)))
        except ValueError:
            fits.append(None)
    assert fits[0] == fits[1]
    if fits[0] is None:
        assert jitney.tree_util.prefix_errors(tree, other)


def test_all_public_names_exist() -> None:
    for ours, theirs in ((jitney.tree_util, jax.tree_util), (jitney.tree, jax.tree)):
        missing = [n for n in dir(theirs) if not n.startswith("_") and not hasattr(ours, n)]
        assert not missing
