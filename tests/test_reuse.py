"""What a function reads: keys that are equal as long as nothing has changed that a compiled program depends on."""

from __future__ import annotations

import abc
import functools
import sys
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney._api.reuse import Operands, Programs, reads

SHIFT = 1.0
HERE = sys.modules[__name__]


def reader(x, scale=2.0):
    return helper(x) * scale + SHIFT


def helper(x):
    return jnp.sum(x) if x is not None else recursive(3)


def recursive(n):
    return recursive(n - 1) if n else helper(0)


class Settings:
    power = 2


class Model(abc.ABC):  # noqa: B024
    """Attributes, a class's attribute, a property and a method that reads a global."""

    scale = 3.0

    def __init__(self, data):
        self.data = data

    @property
    def shifted(self):
        return self.data + SHIFT

    def log_prob(self, x):
        return -jnp.sum((x - self.shifted) ** Settings.power) * self.scale

    def __call__(self, x):
        return self.log_prob(x)


@dataclass(frozen=True)
class Frozen:
    width: float


def closing(data):
    return lambda x: x + data


MODEL = Model(np.zeros(2))
CASES = {
    "function": lambda: reader,
    "method": lambda: MODEL.log_prob,
    "object": lambda: MODEL,
    "closure": lambda: closing(MODEL),
    "partial": lambda: functools.partial(reader, scale=MODEL.data),
    "jitted": lambda: JITTED,
    "batched": lambda: BATCHED,
    "nested": lambda: closing([{"a": (reader, 1.0)}]),
}
JITTED, BATCHED = jitney.jit(reader), jitney.vmap(reader)


@pytest.mark.parametrize("name", CASES)
def test_changes_are_seen(name, monkeypatch):
    make = CASES[name]
    before = reads(make())
    assert before is not None and before == reads(make()) and hash(before) == hash(reads(make()))
    with monkeypatch.context() as patch:
        patch.setattr(HERE, "SHIFT", 2.0)
        assert reads(make()) != before
    assert reads(make()) == before
    if name in ("method", "object", "closure"):
        with monkeypatch.context() as patch:
            patch.setattr(Settings, "power", 4)
            assert reads(make()) != before
        with monkeypatch.context() as patch:
            patch.setattr(Model, "scale", 4.0)
            assert reads(make()) != before
        MODEL.data[0] = 1.0
        assert reads(make()) != before
        MODEL.data[0] = 0.0
    else:
        with monkeypatch.context() as patch:
            patch.setattr(HERE, "helper", lambda x: x)
            assert reads(make()) != before
    assert reads(make()) == before


def test_values():
    assert reads(closing(1.0)) == reads(closing(1.0)) != reads(closing(2.0))
    assert reads(closing(0.0)) != reads(closing(-0.0)) and reads(closing(1)) != reads(closing(True))
    assert reads(closing(np.nan)) == reads(closing(float("nan")))
    assert reads(closing(np.ones(3))) == reads(closing(np.ones(3))) != reads(closing(np.ones(3, np.float32)))
    assert reads(closing(Frozen(1.0))) == reads(closing(Frozen(1.0))) != reads(closing(Frozen(2.0)))
    assert reads(closing((1, [2]))) != reads(closing((1, [3])))
    one, two = [1], [1]
    assert reads(closing([one, one])) != reads(closing([one, [2]]))
    assert reads(closing(jnp.ones(3))) != reads(closing(jnp.ones(3)))  # immutable: equal if it is the same
    assert two == one
    loop: list = []
    loop.append(loop)
    assert reads(closing(loop)) == reads(closing(loop))


def test_what_may_change_unnoticed_has_no_key():
    class Listed(list):
        pass

    unknown = [object(), {1, 2}, OrderedDict(a=1), Listed([1]), np.zeros(1 << 20), np.array([None]), iter([])]
    for value in unknown:
        assert reads(closing(value)) is None
    assert reads(closing(list(range(5000)))) is not None
    assert reads(closing([[i] for i in range(5000)])) is None  # too much to look at


def test_classes_of_a_session():
    """Code that came from no file: what is typed, or given with -c."""
    names: dict = {"__name__": "__main__"}
    text = "class C:\n    def f(self, x):\n        return x * D\nD = 1.0\nc = C()\ng = lambda x: c.f(x)"
    exec(text, names)
    before = reads(names["g"])
    assert before is not None and reads(names["g"]) == before
    names["D"] = 2.0
    assert reads(names["g"]) != before


def test_operands():
    operands = Operands(((np.ones(2), 3, "text", 2.5), {"scale": np.float32(1.5), "n": True}))
    assert len(operands.leaves) == 3
    rebuilt = operands.values(["a", "b", "c"])
    assert rebuilt == (("a", 3, "text", "b"), {"n": True, "scale": "c"})
    assert operands.key == Operands(((np.zeros(5), 3, "text", 0.5), {"scale": 1.0, "n": True})).key
    assert operands.key != Operands(((np.ones(2), 4, "text", 2.5), {"scale": np.float32(1.5), "n": True})).key
    assert Operands((object(),)).key is None
    assert Operands((np.int64(3), np.True_)).leaves == []


def test_programs():
    programs, made = Programs(most=2), []
    get = lambda key: programs.get([key, 0], lambda: made.append(key) or len(made))  # noqa: E731
    assert [get(1), get(1), get(2), get(1), get(3), get(1), get(2)] == [1, 1, 2, 1, 3, 1, 4]
    assert [get(None), get(None)] == [5, 6]
    with jitney.config.temporarily("jax_enable_x64", False):
        assert get(1) == 7
