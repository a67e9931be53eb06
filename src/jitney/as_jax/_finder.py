"""The import hook: ``jax.numpy`` is found as the module ``jitney.numpy``; distributions ``jax`` and ``jaxlib`` exist."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import jitney
from jitney.as_jax import _private

VERSION = "0.10.2"  # of JAX, whose public names these are
ROOTS = ("jax", "jaxlib")


class Finder(importlib.metadata.DistributionFinder):
    """Finds ``jax``, ``jaxlib`` and everything below them; nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        loader = _loader(fullname)
        if loader is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, loader, origin=jitney.__file__, is_package=True)

    def find_distributions(self, context: Any = None) -> Iterator[importlib.metadata.Distribution]:
        wanted = getattr(context, "name", None)
        for name in ROOTS:
            if wanted is None or wanted.lower() == name:
                yield _Distribution(name)


def _loader(fullname: str) -> Any:
    root, _, below = fullname.partition(".")
    if root not in ROOTS:
        return None
    if root == "jaxlib" or not below or below in _VERSIONS or below.split(".")[0] == "_src":
        return _Made()
    if any(part.startswith("_") for part in below.split(".")):
        return None
    ours = f"jitney.{below}"
    try:
        found = importlib.util.find_spec(ours)
    except ModuleNotFoundError:  # of its parent
        found = None
    return None if found is None else _Renamed(ours)


class _Renamed:
    """Loads a module of jitney's; the other name means the same module."""

    def __init__(self, ours: str) -> None:
        self.ours = ours

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(self.ours)


class _Made:
    """Fills the modules that jitney has not under its own name: roots, versions, private ones."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        root, _, below = module.__name__.partition(".")
        if below in _VERSIONS or root == "jaxlib":
            module.__dict__.update(_version())
        elif not below:
            _fill_root(module)
        else:
            _private.fill(module, below.removeprefix("_src").removeprefix("."))


def _version() -> dict[str, Any]:
    return {"__version__": VERSION, "__version_info__": tuple(int(part) for part in VERSION.split("."))}


_VERSIONS = ("version", "lib")  # these say JAX's version, not jitney's


def _fill_root(module: ModuleType) -> None:
    module.__dict__.update(_version())
    module.__doc__ = jitney.__doc__
    module.__file__ = jitney.__file__

    def of_jitney(name: str) -> Any:
        if name in ("_src", *_VERSIONS):
            return importlib.import_module(f"{module.__name__}.{name}")
        return getattr(jitney, name)

    module.__dict__.update(__getattr__=of_jitney, __dir__=lambda: sorted({*dir(jitney), *_VERSIONS}))


class _Distribution(importlib.metadata.Distribution):
    """What ``importlib.metadata`` says of ``jax`` and ``jaxlib``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def read_text(self, filename: str) -> str | None:
        if filename != "METADATA":
            return None
        return f"Metadata-Version: 2.1\nName: {self._name}\nVersion: {VERSION}\nSummary: jitney {jitney.__version__}\n"

    def locate_file(self, path: Any) -> Any:
        raise FileNotFoundError(f"{self._name} stands for jitney and has no files of its own: {path}")
