"""Errors as a user meets them: the class, the user's own line, what to do; short, and without our frames.

Each program runs in a process of its own and ends with an uncaught error.  ``# here`` marks the line that the
message must show.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from typing import Any

import jax
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from comparing import assert_raises_alike

_HEAD = "import numpy as np\nimport jitney\nimport jitney.numpy as jnp\nfrom jitney import grad, jit, vmap\n"

# name: (class, words of the message, program)
_PROGRAMS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "if": (
        "TracerBoolConversionError",
        ("x", "jnp.where", "static_argnames"),
        """
        @jit
        def f(x, y):
            if x > 0:  # here
                return y
            return -y
        f(1.0, 2.0)
        """,
    ),
    "while": (
        "TracerBoolConversionError",
        ("count", "static_argnames"),
        """
        @jit
        def f(count):
            while count > 0:  # here
                count = count - 1
            return count
        f(3)
        """,
    ),
    "and": (
        "TracerBoolConversionError",
        ("low", "&"),
        """
        @jit
        def f(low, high):
            return low and high  # here
        f(True, False)
        """,
    ),
    "range": (
        "TracerIntegerConversionError",
        ("n", "static_argnames", "static_argnames"),
        """
        @jit
        def f(x, n):
            for _ in range(n):  # here
                x = x * 2
            return x
        f(1.0, 3)
        """,
    ),
    "list index": (
        "TracerIntegerConversionError",
        ("i", "static_argnames"),
        """
        names = [1.0, 2.0, 3.0]
        @jit
        def f(i):
            return names[i]  # here
        f(1)
        """,
    ),
    "float": (
        "ConcretizationTypeError",
        ("x", "float("),
        """
        import math
        @jit
        def f(x):
            return math.sin(x)  # here
        f(1.0)
        """,
    ),
    "int": (
        "ConcretizationTypeError",
        ("x", "int("),
        """
        @jit
        def f(x):
            return int(x)  # here
        f(1.0)
        """,
    ),
    "item": (
        "ConcretizationTypeError",
        ("x", "item"),
        """
        @jit
        def f(x):
            return x.item()  # here
        f(1.0)
        """,
    ),
    "np.sin": (
        "TracerArrayConversionError",
        ("x", "jnp.sin"),
        """
        @jit
        def f(x):
            return np.sin(x)  # here
        f(1.0)
        """,
    ),
    "np.asarray": (
        "TracerArrayConversionError",
        ("x", "jitney.numpy"),
        """
        @jit
        def f(x):
            return jnp.sum(np.asarray(x))  # here
        f(np.ones(3))
        """,
    ),
    "traced shape": (
        "TypeError",
        ("n", "concrete"),
        """
        @jit
        def f(n):
            return jnp.zeros(n)  # here
        f(3)
        """,
    ),
    "mask": (
        "NonConcreteBooleanIndexError",
        ("x", "where"),
        """
        @jit
        def f(x):
            return x[x > 0]  # here
        f(np.ones(3))
        """,
    ),
    "leak": (
        "UnexpectedTracerError",
        ("leaked", "return"),
        """
        kept = []
        @jit
        def f(x):
            kept.append(x * 2)
            return x
        f(1.0)
        print(kept[0] + 1)  # here
        """,
    ),
    "item assignment": (
        "TypeError",
        (".at[", "immutable"),
        """
        x = jnp.zeros(3)
        x[0] = 1.0  # here
        """,
    ),
    "item assignment in jit": (
        "TypeError",
        (".at[", "immutable"),
        """
        @jit
        def f(x):
            x[0] = 1.0  # here
            return x
        f(np.zeros(3))
        """,
    ),
    "shapes": (
        "ValueError",
        ("(2, 3)", "(4,)"),
        """
        def model(x, y):
            return x + y  # here
        model(jnp.ones((2, 3)), jnp.ones(4))
        """,
    ),
    "shapes in jit": (
        "ValueError",
        ("(2, 3)", "(4,)"),
        """
        @jit
        def model(x, y):
            return x * y  # here
        model(np.ones((2, 3)), np.ones(4))
        """,
    ),
    "dot": (
        "TypeError",
        ("3", "4"),
        """
        y = jnp.dot(jnp.ones((2, 3)), jnp.ones(4))  # here
        """,
    ),
    "list argument": (
        "TypeError",
        ("list", "jnp.array"),
        """
        y = jnp.sin([1.0, 2.0])  # here
        """,
    ),
    "ragged list": (
        "ValueError",
        ("inhomogeneous",),
        """
        y = jnp.array([[1.0, 2.0], [3.0]])  # here
        """,
    ),
    "object array": (
        "TypeError",
        ("None",),
        """
        y = jnp.array([1.0, None])  # here
        """,
    ),
    "text": (
        "TypeError",
        ("str",),
        """
        y = jit(lambda x: x)("text")  # here
        """,
    ),
    "reshape": (
        "TypeError",
        ("(5,)", "(2, 3)"),
        """
        y = jnp.ones(5).reshape(2, 3)  # here
        """,
    ),
    "grad of a vector": (
        "TypeError",
        ("scalar-output", "jnp.sum", "(3,)"),
        """
        g = grad(lambda x: x ** 2)(np.ones(3))  # here
        """,
    ),
    "grad of an integer": (
        "TypeError",
        ("int64", "3.0"),
        """
        def loss(x):
            return x ** 2
        g = grad(loss)(3)  # here
        """,
    ),
    "grad to complex": (
        "TypeError",
        ("complex", "holomorphic"),
        """
        g = grad(lambda x: x * 1j)(3.0)  # here
        """,
    ),
    "if in grad of jit": (
        "TracerBoolConversionError",
        ("x", "jnp.where"),
        """
        @jit
        def f(x):
            y = x * 2
            if y > 3:  # here
                return y
            return -y
        grad(f)(1.0)
        """,
    ),
    "if in vmap": (
        "TracerBoolConversionError",
        ("jnp.where",),
        """
        def f(x):
            if x > 3:  # here
                return x
            return -x
        vmap(f)(np.arange(4.0))
        """,
    ),
    "vmap sizes": (
        "ValueError",
        ("inconsistent", "x", "y", "(3,)", "(4,)"),
        """
        def add(x, y):
            return x + y
        vmap(add)(np.ones(3), np.ones(4))  # here
        """,
    ),
    "unhashable static": (
        "ValueError",
        ("hash", "tuple"),
        """
        f = jit(lambda x, shape: jnp.reshape(x, shape), static_argnames="shape")
        f(np.ones(4), shape=[2, 2])  # here
        """,
    ),
    "user error in jit": (
        "ZeroDivisionError",
        (),
        """
        def inner(x):
            return x / (1 - 1) + 1 / 0  # here
        jit(lambda x: inner(x))(1.0)
        """,
    ),
    "axis": (
        "AxisError",
        ("axis 2", "2"),
        """
        y = jnp.sum(jnp.ones((2, 3)), axis=2)  # here
        """,
    ),
    "update": (
        "ValueError",
        ("values of shape (2,)",),
        """
        @jit
        def f(x):
            return x.at[0].set(jnp.ones(2))  # here
        f(jnp.zeros(3))
        """,
    ),
}


def _run(name: str, **environment: str) -> str:
    program = _HEAD + textwrap.dedent(_PROGRAMS[name][2])
    done = subprocess.run(
        [sys.executable, "-W", "error", _script(program)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"JITNEY_PYTHON_CONTROL_FLOW": "0"} | environment,  # JAX's errors
    )
    assert done.returncode == 1, f"ended with {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stderr


_FOLDER: Any = None


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    global _FOLDER
    _FOLDER = tmp_path_factory.mktemp("programs")


def _script(program: str) -> str:
    path = _FOLDER / "program.py"
    path.write_text(program)
    return str(path)


def _marked(name: str) -> str:
    line = next(line for line in _PROGRAMS[name][2].splitlines() if "# here" in line)
    return line.split("#")[0].strip()


@pytest.mark.parametrize("name", _PROGRAMS)
def test_traceback(name: str) -> None:
    error, words, _ = _PROGRAMS[name]
    text = _run(name)
    lines = text.rstrip().splitlines()
    assert re.search(rf"^(\S+\.)?{error}\b", text, re.M), text
    assert _marked(name) in text, text
    message = text[re.search(rf"^(\S+\.)?{error}\b", text, re.M).start() :]  # type: ignore[union-attr]
    for word in words:
        assert word in message, f"{word!r} is missing:\n{text}"
    frames = re.findall(r'File "(.*?)"', text)
    assert not [f for f in frames if os.sep + "jitney" + os.sep in f], text
    assert len(lines) <= 12, f"{len(lines)} lines:\n{text}"
    assert max(map(len, lines)) <= 400, text


def test_full_traceback_shows_the_library() -> None:
    text = _run("if", JITNEY_TRACEBACK="full")
    assert [f for f in re.findall(r'File "(.*?)"', text) if os.sep + "jitney" + os.sep in f], text
    assert "TracerBoolConversionError" in text


def test_error_classes_have_the_names_and_bases_of_jax() -> None:
    for name in (
        "ConcretizationTypeError",
        "NonConcreteBooleanIndexError",
        "TracerArrayConversionError",
        "TracerBoolConversionError",
        "TracerIntegerConversionError",
        "UnexpectedTracerError",
    ):
        ours, theirs = getattr(jitney.errors, name), getattr(jax.errors, name)
        bases = {c for c in theirs.__mro__ if c.__module__ == "builtins"}
        assert bases <= set(ours.__mro__), name
        for parent in theirs.__mro__:
            mine = getattr(jitney.errors, parent.__name__, None)
            assert mine is None or issubclass(ours, mine), (name, parent.__name__)


# Misuse whose class must be JAX's: a lambda of the library.
_ALIKE: dict[str, tuple[Any, ...]] = {
    "add text": (lambda j: j.numpy.ones(2) + "a",),
    "add None": (lambda j: j.numpy.ones(2) + None,),
    "add list": (lambda j: j.numpy.ones(2) + [1.0, 2.0],),
    "sin of list": (lambda j: j.numpy.sin([1.0]), "list"),
    "sin of text": (lambda j: j.numpy.sin("a"), "str"),
    "sin of None": (lambda j: j.numpy.sin(None),),
    "sin of object array": (lambda j: j.numpy.sin(np.array([None])), "object"),
    "sin of dates": (lambda j: j.numpy.sin(np.array(["2020-01-01"], "M8[D]")),),
    "array of text": (lambda j: j.numpy.array("abc"),),
    "array of dict": (lambda j: j.numpy.array({}),),
    "array of set": (lambda j: j.numpy.array({1, 2}),),
    "array ragged": (lambda j: j.numpy.array([[1], [1, 2]]),),
    "array too large int": (lambda j: j.numpy.array(2**70),),
    "zeros negative": (lambda j: j.numpy.zeros((-1,)),),
    "zeros float": (lambda j: j.numpy.zeros(2.5),),
    "zeros dtype": (lambda j: j.numpy.zeros(2, "object"), "dtype"),
    "zeros unknown dtype": (lambda j: j.numpy.zeros(2, "no such dtype"),),
    "broadcast": (lambda j: j.numpy.ones((2, 3)) + j.numpy.ones((2, 2)), "(2, 3)", "(2, 2)"),
    "where broadcast": (lambda j: j.numpy.where(j.numpy.ones(2) > 0, j.numpy.ones(3), 0.0),),
    "matmul": (lambda j: j.numpy.ones((2, 3)) @ j.numpy.ones((2, 3)), "(2, 3)"),
    "matmul scalar": (lambda j: j.numpy.matmul(2.0, j.numpy.ones(3)),),
    "dot": (lambda j: j.numpy.dot(j.numpy.ones((2, 3)), j.numpy.ones(2)),),
    "einsum": (lambda j: j.numpy.einsum("ij,jk->ik", j.numpy.ones((2, 3)), j.numpy.ones((2, 3))),),
    "reshape": (lambda j: j.numpy.ones(6).reshape(4, -1),),
    "concatenate rank": (lambda j: j.numpy.concatenate([j.numpy.ones(2), j.numpy.ones((2, 2))]),),
    "concatenate nothing": (lambda j: j.numpy.concatenate([]),),
    "stack": (lambda j: j.numpy.stack([j.numpy.ones(2), j.numpy.ones(3)]),),
    "sum axis": (lambda j: j.numpy.sum(j.numpy.ones(3), axis=1), "1"),
    "sum axis type": (lambda j: j.numpy.sum(j.numpy.ones(3), axis=1.5),),
    "max of nothing": (lambda j: j.numpy.max(j.numpy.ones(0)),),
    "argmax of nothing": (lambda j: j.numpy.argmax(j.numpy.ones(0)),),
    "index out of range": (lambda j: j.numpy.ones((2, 3))[0, 0, 0], "indices"),
    "index text": (lambda j: j.numpy.ones(3)["a"],),
    "index float": (lambda j: j.numpy.ones(3)[1.5],),
    "index list": (lambda j: j.numpy.ones(3)[[0, 1]],),
    "index float array": (lambda j: j.numpy.ones(3)[j.numpy.ones(2)],),
    "index mask shape": (lambda j: j.numpy.ones(3)[j.numpy.ones(2) > 0],),
    "setitem": (lambda j: j.numpy.ones(3).__setitem__(0, 1.0), ".at["),
    "bool of array": (lambda j: bool(j.numpy.ones(2)),),
    "bool of empty": (lambda j: bool(j.numpy.ones(0)),),
    "int of array": (lambda j: int(j.numpy.ones(2)),),
    "index of float": (lambda j: range(j.numpy.ones(())),),
    "float of complex": (lambda j: float(j.numpy.ones((), complex)),),
    "iterate a scalar": (lambda j: list(j.numpy.ones(())),),
    "len of a scalar": (lambda j: len(j.numpy.ones(())),),
    "hash": (lambda j: hash(j.numpy.ones(2)),),
    "bitwise of floats": (lambda j: j.numpy.ones(2) & j.numpy.ones(2),),
    "less of complex mod": (lambda j: j.numpy.ones(2, complex) % 2,),
    "floor of complex": (lambda j: j.numpy.floor(j.numpy.ones(2, complex)),),
    "transpose": (lambda j: j.numpy.transpose(j.numpy.ones((2, 3)), (0, 0)),),
    "squeeze": (lambda j: j.numpy.squeeze(j.numpy.ones((2, 3)), 0),),
    "unpack": (lambda j: (lambda a, b: a)(*j.numpy.ones(3)),),
    "linspace": (lambda j: j.numpy.linspace(0, 1, -1),),
    "arange": (lambda j: j.numpy.arange(0, 1, 0.0),),
    "clip of nothing": (lambda j: j.numpy.clip(),),
    "out argument": (lambda j: j.numpy.sum(j.numpy.ones(2), out=np.ones(())),),
    "unknown config": (lambda j: j.config.update("no_such_option", True), "no_such_option"),
    "lax of mixed dtypes": (lambda j: j.lax.add(np.ones(2), np.ones(2, "f4")), "float32"),
    "lax of shapes": (lambda j: j.lax.add(np.ones(2), np.ones(3)), "(2,)", "(3,)"),
}


@pytest.mark.parametrize("name", _ALIKE)
def test_class_is_that_of_jax(name: str) -> None:
    fun, *words = _ALIKE[name]
    with jitney.config.temporarily("jitney_python_control_flow", False):
        assert_raises_alike(fun, *words)


@pytest.mark.parametrize(
    "name", [n for n in _ALIKE if n not in ("hash", "unknown config", "zeros negative", "linspace")]
)
def test_misuse_in_jit_ends_in_a_python_error(name: str) -> None:
    """The same inside a compiled function: an exception, never a crash."""
    off = jitney.config.temporarily("jitney_python_control_flow", False)
    with off, pytest.raises(Exception) as caught:
        jitney.jit(lambda: _ALIKE[name][0](jitney))()
    assert str(caught.value)


def test_the_engine_works_after_errors() -> None:
    assert float(jitney.jit(lambda x: jnp.sum(x * 2))(np.ones(3))) == 6.0
    assert float(jitney.grad(lambda x: x**2)(3.0)) == 6.0
