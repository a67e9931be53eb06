"""Trees: what is a node, what is a leaf, in which order; the functions of ``tree`` and ``tree_util``."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jitney
from comparing import assert_raises_alike


class Point(NamedTuple):
    x: Any
    y: Any


TREES: dict[str, Any] = {
    "leaf": 1,
    "None": None,
    "tuple": (1, 2, (3,)),
    "list": [1, [2, []]],
    "empty": (),
    "dict": {"b": 1, "a": 2, "c": {"z": 3, "y": 4}},
    "dict of ints": {3: "three", 1: "one"},
    "nothing inside": {"a": None, "b": (), "c": [None]},
    "namedtuple": Point(1, Point(2, None)),
    "OrderedDict": collections.OrderedDict([("b", 1), ("a", 2)]),
    "defaultdict": collections.defaultdict(list, {"b": 1, "a": 2}),
    "text": ("ab", {"k": "cd"}),
    "set is a leaf": [{1}],
    "array": (np.arange(3), [np.float32(1)]),
    "mixed": [(1, {"b": [2, Point(3, 4)], "a": None}), 5],
}


@pytest.mark.parametrize("name", TREES)
def test_leaves_and_order(name: str) -> None:
    tree = TREES[name]
    ours, theirs = jitney.tree.leaves(tree), jax.tree.leaves(tree)
    assert len(ours) == len(theirs)
    assert all(a is b for a, b in zip(ours, theirs, strict=True))
    flat, structure = jitney.tree.flatten(tree)
    again = jitney.tree.unflatten(structure, flat)
    assert type(again) is type(tree)
    assert jitney.tree.structure(again) == structure
    assert structure.num_leaves == len(flat)


@pytest.mark.parametrize("name", TREES)
def test_map(name: str) -> None:
    """Equal results; a dict keeps the order in which it was written, where JAX sorts it."""
    pair = lambda *xs: (len(xs), type(xs[0]).__name__)
    got, want = (lib.tree.map(pair, TREES[name], TREES[name]) for lib in (jitney, jax))
    assert got == want and type(got) is type(want)


def test_structures_differ_by_keys_types_and_None() -> None:
    different = [
        (1, 2),
        [1, 2],
        {"a": 1, "b": 2},
        {"a": 1, "c": 2},
        Point(1, 2),
        (1, None),
        (1, (2,)),
        1,
        None,
        (1,),
    ]
    structures = [jitney.tree.structure(t) for t in different]
    for i, a in enumerate(structures):
        for k, b in enumerate(structures):
            assert (a == b) == (i == k)
    assert jitney.tree.structure({"a": 1, "b": 2}) == jitney.tree.structure({"b": 5, "a": 6})
    assert hash(jitney.tree.structure({"a": 1, "b": 2})) == hash(jitney.tree.structure({"b": 5, "a": 6}))


def test_is_leaf() -> None:
    tree = [None, (1, None), {"a": None}]
    for is_leaf in (lambda x: x is None, lambda x: isinstance(x, tuple), lambda x: isinstance(x, list)):
        assert jitney.tree.leaves(tree, is_leaf=is_leaf) == jax.tree.leaves(tree, is_leaf=is_leaf)


def test_reduce_all_transpose() -> None:
    for lib in (jitney, jax):
        assert lib.tree.reduce(lambda a, b: a + b, {"a": 1, "b": (2, 3)}) == 6
        assert lib.tree.reduce(lambda a, b: a + [b], (1, None, 2), []) == [1, 2]
        assert lib.tree.all([True, {"a": 1}]) and not lib.tree.all([True, 0])
        outer, inner = lib.tree.structure([0, 0]), lib.tree.structure({"a": 0, "b": 0})
        assert lib.tree.transpose(outer, inner, [{"a": 1, "b": 2}, {"a": 3, "b": 4}]) == {
            "a": [1, 3],
            "b": [2, 4],
        }


def test_registered_classes() -> None:
    class Range:
        def __init__(self, lo: Any, hi: Any, unit: str) -> None:
            self.lo, self.hi, self.unit = lo, hi, unit

    jitney.tree_util.register_pytree_node(
        Range, lambda r: ((r.lo, r.hi), r.unit), lambda unit, kids: Range(*kids, unit)
    )
    r = jitney.tree.map(lambda x: x * 2, Range(1, (2, 3), "m"))
    assert (r.lo, r.hi, r.unit) == (2, (4, 6), "m")
    assert jitney.tree.structure(Range(1, 2, "m")) != jitney.tree.structure(Range(1, 2, "s"))
    with pytest.raises(ValueError):
        jitney.tree_util.register_pytree_node(Range, lambda r: ((), None), lambda aux, kids: None)


def test_registered_dataclass() -> None:
    @jitney.tree_util.register_dataclass
    @dataclasses.dataclass(frozen=True)
    class Star:
        mass: Any
        position: Any
        name: str = dataclasses.field(metadata={"static": True}, default="")

    star = Star(1.0, [2.0, 3.0], "Vega")
    assert jitney.tree.leaves(star) == [1.0, 2.0, 3.0]
    twice = jitney.tree.map(lambda x: 2 * x, star)
    assert twice == Star(2.0, [4.0, 6.0], "Vega")

    @dataclasses.dataclass
    class Explicit:
        a: Any
        b: Any

    jitney.tree_util.register_dataclass(Explicit, data_fields=["b"], meta_fields=["a"])
    assert jitney.tree.leaves(Explicit("static", 1)) == [1]


def test_static_class_and_partial() -> None:
    @jitney.tree_util.register_static
    class Name(str):
        pass

    assert jitney.tree.leaves([Name("x"), 1]) == [1]
    assert jitney.tree.structure(Name("x")) == jitney.tree.structure(Name("x"))
    assert jitney.tree.structure(Name("x")) != jitney.tree.structure(Name("y"))
    bound = jitney.tree_util.Partial(lambda a, b, c: (a, b, c), 1, c=3)
    again = jitney.tree.map(lambda x: x * 10, bound)
    assert again(2) == (10, 2, 30)


_MISUSE = {
    "map of different lengths": lambda j: j.tree.map(lambda a, b: a, (1, 2), (1, 2, 3)),
    "map of different keys": lambda j: j.tree.map(lambda a, b: a, {"a": 1}, {"b": 1}),
    "map of different types": lambda j: j.tree.map(lambda a, b: a, (1, 2), [1, 2]),
    "map of a leaf and a node": lambda j: j.tree.map(lambda a, b: a, (1, (2, 3)), (1, 2)),
    "too few leaves": lambda j: j.tree.unflatten(j.tree.structure((1, 2)), [1]),
    "too many leaves": lambda j: j.tree.unflatten(j.tree.structure((1, 2)), [1, 2, 3]),
    "reduce of nothing": lambda j: j.tree.reduce(lambda a, b: a, ()),
}


@pytest.mark.parametrize("name", _MISUSE)
def test_misuse(name: str) -> None:
    assert_raises_alike(_MISUSE[name])


def test_keys_that_do_not_compare() -> None:
    """JAX refuses such a dict; sorting by type and insertion keeps it usable, at least without a crash."""
    tree = {"a": 1, 2: "two"}
    assert sorted(map(str, jitney.tree.leaves(tree))) == ["1", "two"]


_LEAVES = st.integers() | st.none() | st.text(max_size=2)
_RANDOM = st.recursive(
    _LEAVES,
    lambda kids: (
        st.lists(kids, max_size=3)
        | st.lists(kids, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), kids, max_size=3)
        | st.builds(Point, kids, kids)
    ),
    max_leaves=12,
)


@given(_RANDOM)
def test_random_trees(tree: Any) -> None:
    assert jitney.tree.leaves(tree) == jax.tree.leaves(tree)
    flat, structure = jitney.tree.flatten(tree)
    assert jitney.tree.unflatten(structure, flat) == tree
    assert jitney.tree.structure(jitney.tree.unflatten(structure, range(len(flat)))) == structure
    assert jitney.tree.map(lambda x: x, tree) == tree
