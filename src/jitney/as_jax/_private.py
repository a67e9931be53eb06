"""Names of JAX's private modules (``jax._src``) that published packages import, each from a public module here.

These are not promised by JAX, nor by jitney: the table follows what packages use.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

# private module -> the public modules of jitney where its names are looked up, in this order
SOURCES = {
    "ad_checkpoint": "ad_checkpoint",
    "ad_util": "extend.core.primitives interpreters.ad",
    "api": "",
    "api_util": "api_util",
    "array": "",
    "basearray": "typing",
    "callback": "experimental debug",
    "checkify": "experimental.checkify",
    "compiler": "",
    "config": "",
    "core": "core extend.core extend.core.primitives as_jax._stand_ins",
    "custom_batching": "custom_batching",
    "custom_derivatives": "custom_derivatives",
    "debugging": "debug",
    "dispatch": "as_jax._stand_ins",
    "dtypes": "dtypes numpy as_jax._stand_ins",
    "errors": "errors",
    "flatten_util": "flatten_util",
    "interpreters": "interpreters",
    "interpreters.ad": "interpreters.ad",
    "interpreters.batching": "interpreters.batching",
    "interpreters.mlir": "interpreters.mlir",
    "interpreters.partial_eval": "interpreters.partial_eval",
    "interpreters.pxla": "interpreters.pxla",
    "lax": "lax",
    "lax.control_flow": "lax",
    "lax.lax": "lax",
    "lax.linalg": "lax.linalg",
    "lax.slicing": "lax",
    "linear_util": "extend.linear_util",
    "mesh": "sharding",
    "named_sharding": "sharding",
    "nn": "nn",
    "nn.functions": "nn",
    "nn.initializers": "nn.initializers",
    "numpy": "numpy",
    "numpy.lax_numpy": "numpy",
    "numpy.linalg": "numpy.linalg",
    "numpy.util": "as_jax._stand_ins",
    "prng": "extend.random random",
    "public_test_util": "test_util",
    "random": "random",
    "scipy": "scipy",
    "sharding": "sharding",
    "sharding_impls": "sharding",
    "source_info_util": "extend.source_info_util",
    "stages": "stages",
    "state": "ref",
    "state.types": "ref extend.core",
    "test_util": "test_util",
    "traceback_util": "as_jax._stand_ins",
    "tree_util": "tree_util",
    "typing": "typing",
    "util": "as_jax._stand_ins",
    "xla_bridge": "extend.backend",
}


def fill(module: ModuleType, name: str) -> None:
    """Give ``module`` the names of the private module ``name`` ("" is the package of all of them)."""
    private = f"jax._src.{name}" if name else "jax._src"
    if name and name not in SOURCES:
        raise ModuleNotFoundError(
            f"{private} is private to JAX, and jitney has nothing in its place: import the public name.",
            name=private,
        )

    def look_up(wanted: str) -> Any:
        if wanted.startswith("__"):
            raise AttributeError(wanted)
        below = f"{name}.{wanted}".removeprefix(".")
        if below in SOURCES:
            return importlib.import_module(f"jax._src.{below}")
        for source in ["", *SOURCES[name].split()] if name else ():
            found = getattr(importlib.import_module(f"jitney.{source}".removesuffix(".")), wanted, None)
            if found is not None:
                return found
        raise AttributeError(
            f"{private}.{wanted} is private to JAX, and jitney has no such name: import the public name."
        )

    module.__dict__["__getattr__"] = look_up
