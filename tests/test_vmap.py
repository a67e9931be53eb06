"""``vmap``: every form of in_axes and out_axes, its errors, and the batch rules of all primitives at two levels."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import pytest

import jitney
from comparing import assert_close, assert_raises_alike, assert_same
from jitney import tree
from jitney._core.jaxpr import subjaxprs
from jitney._core.primitive import Primitive, registry
from jitney._ops import contraction, elementwise, indexing, ordering, reductions, shapes, splitting
from opdb import ROWS
from opdb.table import Op, Sample

X = np.arange(12.0).reshape(4, 3) / 7
Pair = collections.namedtuple("Pair", "a b")


class Box:
    """A tree node with a static label."""

    def __init__(self, value: Any, label: str = "box") -> None:
        self.value, self.label = value, label


for _library in (jax, jitney):
    _library.tree_util.register_pytree_node(
        Box, lambda box: ((box.value,), box.label), lambda label, kids: Box(kids[0], label)
    )


# -- forms ----------------------------------------------------------------------------------------------

FORMS: dict[str, Callable[[Any], Any]] = {
    "default": lambda L: L.vmap(lambda a: a * 2)(X),
    "second axis": lambda L: L.vmap(lambda a: a * 2, in_axes=1)(X),
    "negative in": lambda L: L.vmap(lambda a: a.sum(), in_axes=-1)(X),
    "negative out": lambda L: L.vmap(lambda a: a, out_axes=-1)(X),
    "list": lambda L: L.vmap(lambda a, b: a + b, in_axes=[0, None])(X, X[0]),
    "not mapped": lambda L: L.vmap(lambda a, b: (a + b, b), in_axes=(None, 0))(X[0], X),
    "dict": lambda L: L.vmap(lambda t: t["u"] @ t["v"], in_axes=({"u": 0, "v": 1},))({"u": X, "v": X.T}),
    "prefix": lambda L: L.vmap(lambda t, s: t[0] + t[1][0] + s, in_axes=(1, None))((X, [X]), 1.0),
    "named tuple": lambda L: L.vmap(lambda t: t.a * t.b, in_axes=(Pair(0, None),))(Pair(X, 2.0)),
    "custom node": lambda L: L.vmap(lambda b: b.value.sum(), in_axes=(Box(1),))(Box(X)),
    "custom node out": lambda L: L.vmap(lambda a: Box(a), out_axes=Box(1))(X).value,
    "None in the argument": lambda L: L.vmap(lambda t: t[0])((X, None)),
    "None for None": lambda L: L.vmap(lambda t: t[0], in_axes=((0, None),))((X, None)),
    "keyword": lambda L: L.vmap(lambda a, b: a + b, in_axes=1)(X, b=X[:3, 0]),
    "keyword tree": lambda L: L.vmap(lambda a, *, o: a * o["s"])(X, o={"s": X[:, 0]}),
    "out tree": lambda L: L.vmap(lambda a: {"p": a, "q": (a, a)}, out_axes={"p": 0, "q": 1})(X),
    "out None": lambda L: L.vmap(lambda a: (a, 1.0), out_axes=(0, None))(X),
    "out nothing": lambda L: L.vmap(lambda a: None)(X),
    "constant out": lambda L: L.vmap(lambda a: (1, L.numpy.ones(2)), out_axes=(0, 1))(X),
    "axis_size": lambda L: L.vmap(lambda: 2.0, axis_size=3)(),
    "axis_size unmapped": lambda L: L.vmap(lambda a: a, in_axes=None, axis_size=3)(X),
    "axis_size agrees": lambda L: L.vmap(lambda a: a, axis_size=4)(X),
    "spmd_axis_name": lambda L: L.vmap(lambda a: a, spmd_axis_name="d")(X),
    "sum_match": lambda L: L.vmap(lambda a: a, sum_match=True)(X),
    "no examples": lambda L: L.vmap(lambda a: a + 1)(X[:0]),
    "any object unmapped": lambda L: L.vmap(lambda a, f: f(a), in_axes=(0, None))(X, L.numpy.sin),
    "scalar results": lambda L: L.vmap(lambda a: a.sum(), out_axes=-1)(X),
    "nested": lambda L: L.vmap(L.vmap(lambda a, b: a - b, in_axes=(None, 0)), in_axes=(0, None))(X, X),
    "nested outs": lambda L: L.vmap(L.vmap(lambda a, b: a * b, (0, 0), 1), (0, 1), 2)(
        X[..., None] * X[0], np.moveaxis(X[..., None] * X[0], 0, 1)
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_form(name: str) -> None:
    assert_same(FORMS[name](jitney), FORMS[name](jax))


def test_keeps_name_and_documentation() -> None:
    def volume(x: Any) -> Any:
        """Of a box."""
        return x.prod()

    mapped = jitney.vmap(volume)
    assert mapped.__name__ == "volume" and mapped.__doc__ == "Of a box."
    assert mapped.__wrapped__ is volume


# -- errors ---------------------------------------------------------------------------------------------


def _generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    "fun, words",
    [
        (lambda L: L.vmap(lambda a, b: a, in_axes=(0,))(X, X), ["len(in_axes)=1", "len(args)=2"]),
        (
            lambda L: L.vmap(lambda a, b, c: a, in_axes=(0, 1, 1))(X, X, X),
            ["size 3: axis 1 of argument b", "argument c", "size 4: axis 0 of argument a", "(4, 3)"],
        ),
        (lambda L: L.vmap(lambda a, b: a)({"u": X, "v": X[:2]}, X), ["a['v']", "size 2", "size 4"]),
        (lambda L: L.vmap(lambda a, b=None: a)(X, b=X[:2]), ["argument b", "size 2"]),
        (lambda L: L.vmap(lambda a: a, axis_size=3)(X), ["axis_size", "size 3", "size 4"]),
        (lambda L: L.vmap(lambda a: a)(1.0), ["axis 0", "argument a", "rank 0"]),
        (lambda L: L.vmap(lambda a: a, in_axes=2)(X), ["axis 2", "at least 3", "(4, 3)"]),
        (lambda L: L.vmap(lambda a: a, in_axes=-3)(X), ["axis -3", "at least 3"]),
        (lambda L: L.vmap(lambda a: a, in_axes=None)(X), ["axis_size"]),
        (lambda L: L.vmap(lambda: 1)(), ["axis_size"]),
        (lambda L: L.vmap(lambda a: a, in_axes=({"w": 0},))({"u": X}), ["in_axes[0]", "'w'", "'u'"]),
        (lambda L: L.vmap(lambda a: a, in_axes=([0, 0],))((X, X)), ["in_axes[0]", "list", "tuple"]),
        (lambda L: L.vmap(lambda a: a, in_axes="a"), ["in_axes", "'a'"]),
        (lambda L: L.vmap(lambda a: a, in_axes=(0, "a")), ["in_axes", "'a'"]),
        (lambda L: L.vmap(lambda a: a, in_axes=0.5), ["in_axes", "0.5"]),
        (lambda L: L.vmap(lambda a: a, in_axes=True), ["in_axes", "True"]),
        (lambda L: L.vmap(lambda a: a, in_axes={"a": 0}), ["in_axes", "dict"]),
        (lambda L: L.vmap(lambda a: a, out_axes="a"), ["out_axes", "'a'"]),
        (lambda L: L.vmap(lambda a: a, out_axes=None)(X), ["out_axes", "None", "batched on axis 0"]),
        (
            lambda L: L.vmap(lambda a: {"p": a, "q": 1.0}, out_axes={"p": None, "q": None})(X),
            ["out_axes['p']", "None"],
        ),
        (lambda L: L.vmap(lambda a: (a, a), out_axes=(0, 0, 0))(X), ["out_axes", "length 3"]),
        (lambda L: L.vmap(lambda a: (a, a), out_axes={"a": 0})(X), ["out_axes", "dict", "tuple"]),
        (lambda L: L.vmap(lambda a: a, out_axes=5)(X), ["axis 5", "rank 2"]),
        (lambda L: L.vmap(lambda a: a, out_axes=-3)(X), ["axis -3"]),
        (lambda L: L.vmap(lambda a: a)("text"), ["argument a", "str"]),
        (lambda L: L.vmap(lambda a: "text")(X), ["str"]),
        (lambda L: L.vmap(3), ["callable"]),
        (lambda L: L.vmap(_generator), ["generator"]),
    ],
)  # fmt: skip
def test_error(fun: Callable[[Any], Any], words: list[str]) -> None:
    assert_raises_alike(fun, *words)


# -- batch rules ----------------------------------------------------------------------------------------


def _arrays(sample: Sample) -> bool:
    return bool(sample.traced) and all(isinstance(x, np.ndarray) for x in sample.arguments)


def _rows() -> list[Op]:
    found = []
    for row in ROWS:
        try:
            row.of(jitney)
        except AttributeError:
            continue
        if row.batch and not row.concrete and any(map(_arrays, row.samples)):
            found.append(row)
    return found


def _stacked(x: Any, count: int, axis: int | None) -> Any:
    other = np.ravel(x)[::-1].reshape(np.shape(x))
    return x if axis is None else np.stack([other if k % 2 else x for k in range(count)], axis=axis)


def _taken(x: Any, number: int, axis: int | None) -> Any:
    return x if axis is None else np.take(x, number, axis=axis)


def _two_levels(count: int) -> Iterator[tuple[tuple, tuple]]:
    """Axes of the inner and the outer map: all operands at both; one inside and another (or itself) outside."""
    yield (0,) * count, (-1,) * count
    if count > 1:
        for place in range(min(count, 2)):
            alone = tuple(0 if k == place else None for k in range(count))
            yield alone, tuple(None if k == place else -1 for k in range(count))
            yield alone, (0,) * count


@pytest.mark.parametrize("part", range(4))
def test_nested(part: int) -> None:
    """Two maps over different axes of different operands give what each example alone gives."""
    for row in _rows()[part::4]:
        for sample in [s for s in row.samples if _arrays(s)][:2]:
            fun = sample.function(row.of(jitney))
            for inner, outer in _two_levels(len(sample.arguments)):
                xs = [_stacked(x, 2, a) for x, a in zip(sample.arguments, inner, strict=True)]
                xs = [_stacked(x, 3, a) for x, a in zip(xs, outer, strict=True)]
                got = tree.leaves(jitney.vmap(jitney.vmap(fun, in_axes=inner), in_axes=outer)(*xs))
                for i, j in ((0, 0), (1, 1)):
                    one = [_taken(x, i, a) for x, a in zip(xs, outer, strict=True)]
                    one = [_taken(x, j, a) for x, a in zip(one, inner, strict=True)]
                    for g, w in zip(got, tree.leaves(fun(*one)), strict=True):
                        what = f"{row.id} {sample.text} {sample.params} {inner} {outer}"
                        assert_close(np.asarray(g)[i, j], w, 1e-11, what)


def _equations(jaxpr: Any, names: set[str]) -> int:
    count = 0
    for eqn in jaxpr.eqns:
        names.add(eqn.primitive.name)
        count += 1 + sum(_equations(inner, names) for inner in subjaxprs(eqn.params))
    return count


def _gradient(fun: Callable[..., Any]) -> Callable[..., Any]:
    def pulled(*xs: Any) -> Any:
        out, pull = jitney.vjp(fun, *xs)
        ones = lambda y: (
            jitney.numpy.ones_like(y) if y.dtype.kind in "fc" else np.zeros(y.shape, jitney.float0)
        )
        return pull(tree.map(ones, out))

    return pulled


def test_one_program_for_the_whole_batch() -> None:
    """Programs of batches of 2 and of 5 have as many equations, those of gradients too."""
    for row, sample in itertools.chain.from_iterable(
        zip(itertools.repeat(row), [s for s in row.samples if _arrays(s)][:1], strict=False)
        for row in _rows()
    ):
        funs = [sample.function(row.of(jitney))]
        if row.order and all(x.dtype in ("f8", "c16") for x in sample.arguments):
            funs.append(_gradient(funs[0]))
        for fun in funs:
            counts = []
            for size in (2, 5):
                xs = [_stacked(x, size, 0) for x in sample.arguments]
                counts.append(_equations(jitney.make_jaxpr(jitney.vmap(fun))(*xs), set()))
            assert counts[0] == counts[1], f"{row.id} {sample.text} {sample.params}: {counts}"


def test_every_primitive_has_a_batch_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """The op table maps every first-order primitive that has operands."""
    from jitney._transforms.batching import BatchTrace

    process, seen = BatchTrace.process, set()

    def watched(self: Any, primitive: Any, args: tuple, params: dict[str, Any]) -> Any:
        seen.add(primitive.name)
        return process(self, primitive, args, params)

    monkeypatch.setattr(BatchTrace, "process", watched)
    for row in ROWS:
        for sample in [s for s in row.samples if _arrays(s)] if not row.concrete else ():
            try:
                fun = sample.function(row.of(jitney))
            except AttributeError:
                continue
            fun = (
                _gradient(fun)
                if row.order and all(x.dtype in ("f8", "c16") for x in sample.arguments)
                else fun
            )
            jitney.make_jaxpr(jitney.vmap(fun))(*[_stacked(x, 2, 0) for x in sample.arguments])
    table = (contraction, elementwise, indexing, ordering, reductions, shapes, splitting)
    ours = {p.name for module in table for p in vars(module).values() if isinstance(p, Primitive)}
    # Derivatives with respect to parameters have no row; ``sort_by`` is what is left of a sort whose keys nobody reads.
    assert ours - seen <= {"iota", "igamma_grad_a", "random_gamma_grad", "sort_by"}
    assert all(registry[name].batch is not None or registry[name].expand is not None for name in ours)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "i8", "u8"])
@pytest.mark.parametrize("count", [1, 2, 3, 300])
def test_choice_by_integers(dtype: str, count: int) -> None:
    """Numbers of cases of any integer dtype; those out of range choose the nearest."""
    least = np.iinfo(dtype).min
    which = np.array([0, 1, 2, 100, least if dtype[0] == "i" else 5, np.iinfo(dtype).max], dtype)
    cases = [np.full(6, float(k)) for k in range(count)]
    want = [float(min(max(int(w), 0), count - 1)) for w in which]
    for fun in (jitney.lax.select_n, jitney.jit(jitney.lax.select_n)):
        assert fun(which, *cases).tolist() == want
    alone = jitney.vmap(jitney.lax.select_n, in_axes=(0, *[None] * count))(which, *[c[0] for c in cases])
    assert alone.tolist() == want
