"""Code for every CPU that there are names for: LLVM accepts it, and it uses the registers and instructions of its target."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from compiler_cases import checking, staged
from jitney import lax
from jitney._compiler.emit import emit
from jitney._compiler.machine import assembly, object_code
from jitney._compiler.pipeline import lower, simplify
from jitney._compiler.targets import LEVELS
from jitney._compiler.vmath import definition, names
from jitney.scipy import special


def _chain(x):
    return jnp.exp(-x * x) + jnp.sqrt(jnp.abs(x)) / (1 + x)


def _far_more(x):
    """Functions with several branches, tables or calls."""
    return special.gammaln(x) + special.erfinv(x) * jnp.tanh(x) + special.expit(x) ** 1.5 + jnp.sin(x) % 0.3


def _control(x):
    def body(k, carry):
        return lax.cond(k % 2 == 0, lambda c: c * x, lambda c: c + jnp.sum(x), carry)

    return lax.fori_loop(0, 7, body, x)


def _newton(x):
    step = lambda r: r - (r * r - 2) / (2 * r)
    return jitney.vmap(lambda start: lax.while_loop(lambda r: jnp.abs(r * r - 2) > 1e-9, step, start))(x)


def _random(x):
    return jitney.random.normal(jitney.random.key(3), x.shape) + x


X, ROWS = np.linspace(0.1, 0.9, 2000), np.ones((64, 50))
PROGRAMS: dict[str, tuple[Any, ...]] = {
    "chain": (_chain, X),
    "single": (_chain, X.astype("f4")),
    "far_more": (_far_more, X),
    "sums": (lambda x: (jnp.sum(x), jnp.max(x, 1), jnp.argmin(x, 0)), ROWS),
    "integers": (lambda x: (x.astype(int) // 3, x.astype("i2") << 2, x > 0.5), ROWS),
    "views": (lambda x: (x.T[::2] + 1, jnp.concatenate([x, x[::-1]]), x[:, jnp.array([3, 1])]), ROWS),
    "complex": (lambda x: jnp.exp(1j * x) / (x + 2j), X),
    "product": (lambda x: x[:8, :8] @ x[:8, :8], ROWS),
    "control": (_control, X),
    "newton": (_newton, X),
    "random": (_random, X),
}


def _text(program: tuple[Any, ...], name: str) -> str:
    fun, *args = program
    simple = simplify(staged(fun, *args))
    return emit(lower(simple, LEVELS[name])[1], LEVELS[name])[0]


@pytest.mark.parametrize("name", LEVELS)
def test_programs_assemble(name: str) -> None:
    target = LEVELS[name]
    for key, program in PROGRAMS.items():
        text = _text(program, name)
        with checking():
            assert object_code(text, target), key
        assert ("@llvm.x86" in text) <= name.startswith("x86-64"), key
        widest = max([int(n) for n in re.findall(r"<(\d+) x double>", text)], default=0)
        if key in ("chain", "sums"):
            assert widest * 8 == target.register_bytes, key


# What the vector code of ``chain`` is made of, and what it must do without.
INSTRUCTIONS = {
    "x86-64": (r"\bmulpd\s+.*%xmm", r"%ymm|vmulpd|vfmadd|callq\s+fma"),
    "x86-64-v2": (r"\bmulpd\s+.*%xmm", r"%ymm|vmulpd|vfmadd|callq\s+fma"),
    "x86-64-v3": (r"vfn?madd\w*pd\s+.*%ymm", r"%zmm"),
    "x86-64-v4": (r"vfn?madd\w*pd\s+.*%zmm", r"callq\s+exp"),
    "aarch64": (r"\bfml[as]\s+v\d+\.2d", r"\bbl\s+(exp|fma)"),
}


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_instructions_are_those_of_the_target(name: str) -> None:
    wanted, unwanted = INSTRUCTIONS[name]
    asm = assembly(_text(PROGRAMS["chain"], name), LEVELS[name])
    assert re.search(wanted, asm)
    assert not re.search(unwanted, asm), re.search(unwanted, asm)


def test_random_bits_rotate_in_vectors() -> None:
    program = (lambda x: jitney.random.bits(jitney.random.key(0), x.shape, "uint32"), X)
    assert "vprold" in assembly(_text(program, "x86-64-v4"), LEVELS["x86-64-v4"])
    assert "vpslld" in assembly(_text(program, "x86-64-v3"), LEVELS["x86-64-v3"])
    assert re.search(r"shl\s+v\d+\.[24]s", assembly(_text(program, "aarch64"), LEVELS["aarch64"]))


def test_math_functions_have_forms_for_every_target() -> None:
    for name in names():
        for cpu in ("x86-64", "x86-64-v3", "aarch64"):
            d = definition(name, "<2 x double>", LEVELS[cpu].text)
            everything = d.text + "".join(part.text for part in d.deps)
            assert "@llvm.x86" not in everything, (name, cpu)
            # Without the instruction it would be a call of the C library for each lane.
            assert ("@llvm.fma" not in everything) or cpu != "x86-64", name
