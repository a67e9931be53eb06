"""``jitney.as_jax``: programs and packages that say ``import jax`` run on jitney, unmodified.

Three ways in; each works whether or not JAX is installed:

- ``python -m jitney.as_jax script.py arguments`` (or ``-m module``, ``-c code``) runs a program;
- ``pytest -p jitney.as_jax`` runs tests;
- ``import jitney.as_jax; jitney.as_jax.install()`` comes before the first ``import jax`` of a process.

From then on ``jax`` and its submodules are jitney's, ``jax.__version__`` and ``importlib.metadata.version("jax")`` name
the version of JAX whose public names these are, and JAX's defaults hold: 64-bit types are off until
``jax_enable_x64`` is set. What jitney's arrays and compiler do is the same as under its own name.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from jitney._base.config import config, environment_name
from jitney.as_jax._finder import ROOTS, VERSION, Finder

# Where JAX's defaults differ from jitney's; a switch that the environment sets keeps that value.
JAX_DEFAULTS: dict[str, Any] = {
    "jax_enable_x64": False,
    "jitney_python_control_flow": False,
    "jitney_dynamic_shapes": "off",
    "safe_grad": False,
}

_finder = Finder()


def install() -> None:
    """Make ``import jax``, and all of its submodules, give jitney in this process.

    Installing twice is harmless. ``RuntimeError`` if the real JAX has been imported already: its arrays and
    functions cannot become jitney's.

    Example:
        >>> import jitney.as_jax
        >>> jitney.as_jax.install()  # doctest: +SKIP
        >>> import jax, jax.numpy as jnp  # doctest: +SKIP
        >>> jax.grad(jnp.sin)(0.0)  # doctest: +SKIP
        Array(1., dtype=float32, weak_type=True)
    """
    if installed():
        return
    _refuse_if_imported()
    for name, value in JAX_DEFAULTS.items():
        if environment_name(name) not in os.environ:
            config.update(name, value)
    sys.meta_path.insert(0, _finder)


def installed() -> bool:
    """Whether ``import jax`` gives jitney in this process."""
    return _finder in sys.meta_path


def _refuse_if_imported() -> None:
    for name in ROOTS:
        module = sys.modules.get(name)
        if module is not None:
            place = getattr(module, "__file__", None) or "a place that is not known"
            raise RuntimeError(
                f"jitney.as_jax.install() must come before the first import of {name}: {name} has been imported "
                f"already, from {place}. Call install() at the top of the program, or start it by "
                "`python -m jitney.as_jax script.py`."
            )


def pytest_addoption() -> None:
    """The hook of pytest that runs first of all for ``-p jitney.as_jax``."""
    install()


__all__ = ["JAX_DEFAULTS", "VERSION", "install", "installed"]
