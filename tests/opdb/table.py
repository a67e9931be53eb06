"""What a row of the op table is, and how its sample arrays are made.  ``tests/test_opdb.py`` runs the rows.

A sample's operands are written as ``"f8[2,3] i4 float"``: an array, a scalar array, a (weakly typed) Python
scalar.  Their values are random but fixed: they depend on the text alone.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

_DTYPES = {"b": np.dtype(bool), "bf": np.dtype(ml_dtypes.bfloat16)}
_PYTHON = {"float": float, "int": int, "bool": bool, "complex": complex}
_TOKEN = re.compile(r"(?P<name>[a-z]+\d*)(\[(?P<shape>[\d,]*)\])?$")


@dataclass(frozen=True)
class Sample:
    """One call: ``fun(*operands, **params)``, or ``fun(operands, **params)`` if ``pack``."""

    operands: tuple
    params: dict[str, Any]
    pack: bool = False
    text: str = ""
    traced: tuple[
        int, ...
    ] = ()  # the operands that transformations see; the others are constants of the program

    @property
    def arguments(self) -> tuple:
        return tuple(self.operands[i] for i in self.traced)

    def function(self, fun: Any) -> Any:
        """``fun`` as a function of the traced operands."""

        def call(*arguments: Any) -> Any:
            operands = list(self.operands)
            for place, x in zip(self.traced, arguments, strict=True):
                operands[place] = x
            return self.call(fun, *operands)

        return call

    def call(self, fun: Any, *operands: Any) -> Any:
        return fun(list(operands), **self.params) if self.pack else fun(*operands, **self.params)


@dataclass(frozen=True)
class Bad:
    """A call that must raise ``error``; JAX raises the same class unless ``jax`` names another (None: not asked)."""

    sample: Sample
    error: type[Exception] | tuple[type[Exception], ...]
    jax: Any = ...


@dataclass(frozen=True)
class Op:
    """A row: a function (a path below ``jitney`` and ``jax``), its samples, and what to check of it."""

    name: str
    samples: tuple[Sample, ...]
    order: int = 0  # how many derivatives to check
    tolerance: float = 1e-12  # relative, in float64
    bad: tuple[Bad, ...] = ()
    reference: Any = None  # a NumPy or SciPy function, where JAX's values are not the ones to have
    weak: bool = True  # whether the weak type must be JAX's
    batch: bool = True  # whether any element of an operand may be swapped with any other
    concrete: bool = (
        False  # needs concrete operands, because they decide the result's shape: not traced at all
    )
    label: str = ""
    make: Any = None  # library -> function, where a path does not say it
    unique: Any = None  # (library, result) -> what is compared, of results that are not unique

    @property
    def id(self) -> str:
        return self.label or self.name

    def of(self, library: Any) -> Any:
        """The function in ``library`` (``jitney`` or ``jax``)."""
        if self.make is not None:
            return self.make(library)
        fun = library
        for part in self.name.split("."):
            fun = getattr(fun, part)
        if self.unique is None:
            return fun
        return lambda *xs, **params: self.unique(library, fun(*xs, **params))


def array(token: str, seed: str, within: tuple[float, float], ints: tuple[int, int]) -> Any:
    """The operand that ``token`` describes."""
    match = _TOKEN.match(token)
    assert match, token
    name, shape = match["name"], tuple(int(n) for n in (match["shape"] or "").split(",") if n)
    rng = np.random.default_rng(zlib.crc32(f"{seed} {token}".encode()))
    if name in _PYTHON:
        return _PYTHON[name](rng.integers(*ints) if name in ("int", "bool") else rng.uniform(*within))
    dtype = _DTYPES.get(name) or np.dtype(name)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        lo, hi = ints
        return np.asarray(rng.integers(max(lo, 0) if dtype.kind == "u" else lo, hi, shape)).astype(dtype)
    x = rng.uniform(*within, shape)
    if dtype.kind == "c":
        x = x + 1j * rng.uniform(*within, shape)
    return np.asarray(x).astype(dtype)


def sample(
    text: str,
    within: tuple[float, float] = (-2.0, 2.0),
    ints: tuple[int, int] = (-4, 6),
    pack: bool = False,
    **params: Any,
) -> Sample:
    """The sample with operands ``text`` and keyword arguments ``params``."""
    tokens = text.split()
    operands = tuple(array(t, f"{number}", within, ints) for number, t in enumerate(tokens))
    return Sample(operands, params, pack, text, tuple(range(len(operands))))


def given(*operands: Any, pack: bool = False, **params: Any) -> Sample:
    """The sample with these very operands; arrays among them are traced."""
    return Sample(
        operands, params, pack, "given", tuple(i for i, x in enumerate(operands) if isinstance(x, np.ndarray))
    )


def bad(text: str | Sample, error: Any, *, jax: Any = ..., **params: Any) -> Bad:
    return Bad(sample(text, **params) if isinstance(text, str) else text, error, jax)


def op(
    name: str, *samples: str | Sample, within: Any = (-2.0, 2.0), ints: Any = (-4, 6), **fields: Any
) -> Op:
    """A row; samples may be plain operand texts."""
    made = tuple(sample(s, within, ints) if isinstance(s, str) else s for s in samples)
    if "bad" in fields:
        fields["bad"] = tuple(fields["bad"])
    return Op(name, made, **fields)


SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5])


def unary(name: str, dtypes: str = "f8 f4", special: bool = True, **fields: Any) -> Op:
    """A row for an elementwise function of one operand."""
    first, *others = dtypes.split()
    python = {"f": "float", "i": "int", "c": "complex", "b": "bool"}.get(first[0], "")
    texts = [f"{first}[2,3]", first, f"{first}[0]", f"{first}[1,3,1]", python, *(f"{d}[3]" for d in others)]
    samples: list[str | Sample] = [t for t in texts if t]
    if special and first == "f8":
        samples.append(given(SPECIAL))
    return op(name, *samples, **fields)


def binary(name: str, dtypes: str = "f8 f4", special: bool = True, **fields: Any) -> Op:
    """A row for an elementwise ``lax`` function of two operands (equal shapes, or scalars)."""
    first, *others = dtypes.split()
    python = {"f": "float", "i": "int", "c": "complex", "b": "bool"}.get(first[0], "")
    texts = [
        f"{first}[2,3] {first}[2,3]",
        f"{first} {first}",
        f"{first}[0] {first}[0]",
        f"{first}[3] {first}",
    ]
    texts += [f"{first} {first}[2,1]", *(f"{d}[3] {d}[3]" for d in others)]
    texts += [f"{first}[3] {python}", f"{python} {first}[3]", f"{python} {python}"] if python else []
    samples: list[str | Sample] = list(texts)
    if special and first == "f8":
        samples.append(given(np.repeat(SPECIAL, len(SPECIAL)), np.tile(SPECIAL, len(SPECIAL))))
    mismatch = [bad(f"{first}[3] {first}[4]", TypeError), bad(f"{first}[3] {first}[2,3]", TypeError)]
    mixed = [bad("f8[3] f4[3]", TypeError)] if first == "f8" else []
    fields["bad"] = (*mismatch, *mixed, *fields.get("bad", ()))
    return op(name, *samples, **fields)
