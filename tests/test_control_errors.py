"""Wrong uses of loops and branches as a user meets them: JAX's class, the leaf, both types, the user's own line.

Each program runs in a process of its own and ends with an uncaught error; ``# here`` marks the last line shown.  The
same text with JAX's modules must raise the same class.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import textwrap
from typing import Any

import jax
import numpy as np
import pytest

_NAMES = "custom_jvp custom_vjp grad jit jvp lax vmap"
_HEAD = f"import numpy as np\nimport jitney.numpy as jnp\nfrom jitney import {_NAMES.replace(' ', ', ')}\n"

# name: (class, words of the message, program)
_PROGRAMS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "scan dtype": (
        "TypeError",
        ("carry['n']", "f64[3]", "i64[3]", ".astype('float64')", "step"),
        """
        def step(c, x):
            return {"n": c["n"].astype(int), "s": c["s"] + x}, x
        lax.scan(step, {"n": np.ones(3), "s": 0.0}, np.ones(4))  # here
        """,
    ),
    "scan shape": (
        "TypeError",
        ("carry[1]", "f64[]", "f64[2]", "step"),
        """
        def step(c, x):
            return (c[0], c[1] + x), x
        lax.scan(step, (0, 0.0), np.ones((4, 2)))  # here
        """,
    ),
    "scan structure": (
        "TypeError",
        ("carry in", "carry out", "'a'", "'b'", "step"),
        """
        def step(c, x):
            return {"a": c["a"], "b": x}, None
        def run(x):
            return lax.scan(step, {"a": 0.0}, x)  # here
        jit(run)(np.ones(3))
        """,
    ),
    "scan without a pair": (
        "TypeError",
        ("pair (carry, y)", "f64[]", "step", "None"),
        """
        def step(c, x):
            return c + x
        lax.scan(step, 0.0, np.ones(3))  # here
        """,
    ),
    "scan leading axes": (
        "ValueError",
        ("xs['a'] has 3", "xs['b'] has 4"),
        """
        xs = {"a": np.ones(3), "b": np.ones((4, 2))}
        lax.scan(lambda c, x: (c, x), 0.0, xs)  # here
        """,
    ),
    "scan length": (
        "ValueError",
        ("length", "7", "3"),
        """
        lax.scan(lambda c, x: (c, x), 0.0, np.ones(3), length=7)  # here
        """,
    ),
    "scan without length": (
        "ValueError",
        ("length", "xs"),
        """
        lax.scan(lambda c, x: (c, x), 0.0)  # here
        """,
    ),
    "scan traced length": (
        "ConcretizationTypeError",
        ("length", "count", "i64[]", "fori_loop"),
        """
        @jit
        def run(count):
            return lax.scan(lambda c, x: (c, x), 0.0, None, length=count)  # here
        run(3)
        """,
    ),
    "map leading axes": (
        "ValueError",
        ("xs[0] has 3", "xs[1] has 2"),
        """
        lax.map(lambda x: x[0] + x[1], (np.ones(3), np.ones(2)))  # here
        """,
    ),
    "fori dtype": (
        "TypeError",
        ("val['a']", "f64[3]", "bool[3]", "body"),
        """
        def body(i, v):
            return {"a": v["a"] > i}
        lax.fori_loop(0, 3, body, {"a": np.ones(3)})  # here
        """,
    ),
    "fori traced bound": (
        "TypeError",
        ("val comes as f32[2]", "f64[2]", "body"),
        """
        def body(i, v):
            return v.astype(np.float64)
        @jit
        def run(n):
            return lax.fori_loop(0, n, body, np.ones(2, np.float32))  # here
        run(3)
        """,
    ),
    "fori traced bound, structure": (
        "TypeError",
        ("carry in:  *", "carry out: (*, *)", "body"),
        """
        def body(i, v):
            return v, i
        jit(lambda n: lax.fori_loop(0, n, body, 1.0))(3)  # here
        """,
    ),
    "custom_vjp of another shape": (
        "ValueError",
        ("back", "args[1]", "f64[3]", "f64[2]"),
        """
        @custom_vjp
        def product(x, y):
            return (x * y).sum()
        def back(res, ct):
            return 1.0, np.ones(2)
        product.defvjp(lambda x, y: (product(x, y), None), back)
        grad(product)(1.0, np.ones(3))  # here
        """,
    ),
    "fori bounds": (
        "TypeError",
        ("int32", "int64"),
        """
        lax.fori_loop(np.int32(0), jnp.int64(3), lambda i, v: v, 0.0)  # here
        """,
    ),
    "while shape": (
        "TypeError",
        ("val[1]", "f64[2]", "f64[4]", "body"),
        """
        def body(c):
            return c[0] + 1, jnp.concatenate([c[1], c[1]])
        lax.while_loop(lambda c: c[0] < 3, body, (0, np.ones(2)))  # here
        """,
    ),
    "while structure": (
        "TypeError",
        ("carry in:  (*, *)", "carry out: [*, *]", "body"),
        """
        def body(c):
            return [c[0] + 1, c[1]]
        lax.while_loop(lambda c: c[0] < 3, body, (0, 1.0))  # here
        """,
    ),
    "while condition": (
        "TypeError",
        ("bool[]", "bool[3]", "test", "jnp.any"),
        """
        def test(x):
            return x < 3
        lax.while_loop(test, lambda x: x + 1, np.ones(3))  # here
        """,
    ),
    "while condition of a number": (
        "TypeError",
        ("bool[]", "i64[]", "test"),
        """
        def test(x):
            return 3 - x
        lax.while_loop(test, lambda x: x + 1, 0)  # here
        """,
    ),
    "branch dtypes": (
        "TypeError",
        ("output['y']", "f64[3]", "i64[3]", "half", "whole", ".astype("),
        """
        def half(x):
            return {"y": x / 2}
        def whole(x):
            return {"y": x.astype(int)}
        @jit
        def run(p, x):
            return lax.cond(p, half, whole, x)  # here
        run(True, np.ones(3))
        """,
    ),
    "branch trees": (
        "TypeError",
        ("f64[]", "one", "two", "true_fun", "false_fun"),
        """
        def one(x):
            return x
        def two(x):
            return x, x
        lax.cond(True, one, two, 1.0)  # here
        """,
    ),
    "branch without return": (
        "TypeError",
        ("None", "f64[]", "true_fun", "false_fun"),
        """
        def nothing(x):
            x + 1
        lax.cond(True, lambda x: x, nothing, 1.0)  # here
        """,
    ),
    "switch shapes": (
        "TypeError",
        ("branches[2]", "f64[3]", "f64[]", "total"),
        """
        def total(x):
            return x.sum()
        lax.switch(1, [jnp.sin, jnp.cos, total], np.ones(3))  # here
        """,
    ),
    "predicate with axes": (
        "TypeError",
        ("scalar", "(3,)", "jnp.where"),
        """
        x = np.arange(3.0)
        lax.cond(x > 1, jnp.sin, jnp.cos, x)  # here
        """,
    ),
    "complex predicate": (
        "TypeError",
        ("complex128", "boolean"),
        """
        lax.cond(1j, jnp.sin, jnp.cos, 1.0)  # here
        """,
    ),
    "float index": (
        "TypeError",
        ("float64", "integer", "astype"),
        """
        lax.switch(np.float64(1.0), [jnp.sin, jnp.cos], 1.0)  # here
        """,
    ),
    "an operand that is no array": (
        "TypeError",
        ("operand[0]['name']", "str", "'a'"),
        """
        lax.cond(True, lambda d: d["x"], lambda d: -d["x"], {"x": 1.0, "name": "a"})  # here
        """,
    ),
    "a result that is no array": (
        "TypeError",
        ("'text'", "str", "step"),
        """
        def step(c, x):
            return c, {"y": "text"}
        lax.scan(step, 0.0, np.ones(3))  # here
        """,
    ),
    "leak out of a loop": (
        "UnexpectedTracerError",
        ("f64[]", "leaked"),
        """
        kept = []
        def step(c, x):
            kept.append(c * x)
            return c, x
        lax.scan(step, 0.0, np.ones(3))
        jnp.sin(kept[0])  # here
        """,
    ),
    "leak out of a branch": (
        "UnexpectedTracerError",
        ("f64[]", "leaked"),
        """
        kept = []
        def left(x):
            kept.append(x + 1)
            return x
        @jit
        def run(p, x):
            y = lax.cond(p, left, lambda x: -x, x)
            return y + kept[0]  # here
        run(True, 1.0)
        """,
    ),
    "if in a body": (
        "TracerBoolConversionError",
        ("bool[]", "jnp.where"),
        """
        def step(c, x):
            if x > 0:  # here
                c = c + x
            return c, None
        lax.scan(step, 0.0, np.ones(3))
        """,
    ),
    "error in a body": (
        "TypeError",
        ("(3,)", "(2,)"),
        """
        def step(c, x):
            return c + jnp.ones(3) * jnp.ones(2), None  # here
        jit(lambda v: lax.scan(step, 0.0, v))(np.ones(3))
        """,
    ),
    "range of a counter": (
        "TracerIntegerConversionError",
        ("i64[]",),
        """
        def body(i, x):
            for _ in range(i):  # here
                x = x + 1
            return x
        lax.fori_loop(0, 3, body, 0.0)
        """,
    ),
    "in_axes tree": (
        "ValueError",
        ("in_axes",),
        """
        def f(d):
            return d["a"] + d["b"]
        vmap(f, in_axes=({"a": 0},))({"a": np.ones(3), "b": np.ones(3)})  # here
        """,
    ),
    "in_axes length": (
        "ValueError",
        ("in_axes", "2", "1"),
        """
        vmap(lambda x, y: x + y, in_axes=(0,))(np.ones(3), np.ones(3))  # here
        """,
    ),
    "custom_jvp without a rule": (
        "AttributeError",
        ("double", "defjvp"),
        """
        @custom_jvp
        def double(x):
            return 2 * x
        grad(double)(1.0)  # here
        """,
    ),
    "custom_vjp of another tree": (
        "TypeError",
        ("back", "(*, *)", "(*,)"),
        """
        @custom_vjp
        def product(x, y):
            return x * y
        def back(res, ct):
            return (ct,)
        product.defvjp(lambda x, y: (x * y, None), back)
        grad(product)(1.0, 2.0)  # here
        """,
    ),
}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("programs") / "program.py"


@pytest.mark.parametrize("name", _PROGRAMS)
def test_traceback(name: str, script: pathlib.Path) -> None:
    error, words, program = _PROGRAMS[name]
    script.write_text(_HEAD + textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"JITNEY_PYTHON_CONTROL_FLOW": "0"},  # JAX's errors
    )
    text = done.stderr
    assert done.returncode == 1, f"ended with {done.returncode}\n{done.stdout}{text}"
    found = re.search(rf"^(\S+\.)?{error}\b", text, re.M)
    assert found, text
    for word in words:
        assert word in text[found.start() :], f"{word!r} is missing:\n{text}"
    frames = re.findall(r'File "(.*?)", line (\d+)', text[: found.start()])
    assert not [f for f, _ in frames if os.sep + "jitney" + os.sep in f], text
    last = script.read_text().splitlines()[int(frames[-1][1]) - 1]
    assert "# here" in last, f"the last frame shows {last!r}:\n{text}"
    lines = text.rstrip().splitlines()
    assert len(lines) <= 12, f"{len(lines)} lines:\n{text}"
    assert max(map(len, lines)) <= 400, text


@pytest.mark.parametrize("name", _PROGRAMS)
def test_class_is_that_of_jax(name: str) -> None:
    error, _, program = _PROGRAMS[name]
    names: dict[str, Any] = {n: getattr(jax, n) for n in _NAMES.split()}
    with pytest.raises(Exception) as caught:
        exec(textwrap.dedent(program), {"np": np, "jnp": jax.numpy, **names})  # noqa: S102
    assert error in [c.__name__ for c in type(caught.value).__mro__], repr(caught.value)
