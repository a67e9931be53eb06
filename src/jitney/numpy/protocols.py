"""NumPy's own functions on traced arrays: ``np.sin(x)``, ``np.sum(x, axis=0)`` are those of ``jitney.numpy`` (NEP 13, NEP 18)."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitney._base import errors
from jitney._base.config import config
from jitney._core.trace import Tracer, raise_for_tracer

_PASSED = (
    "A traced value ({aval}) was passed to {name} of NumPy, which needs concrete numbers.",
    "Use jitney.numpy (jnp.{short}) inside transformed functions.",
)


def _of_numpy(name: str, module: str) -> Any:
    """Our function for NumPy's ``module.name``; None if there is none."""
    from jitney import numpy as jnp

    parts = module.split(".")
    home: Any = jnp if parts == ["numpy"] else getattr(jnp, parts[1], None) if len(parts) == 2 else None
    return getattr(home, name, None)


def _refuse(tracer: Tracer, name: str) -> None:
    text = tuple(part.replace("{name}", f"np.{name}").replace("{short}", name) for part in _PASSED)
    raise_for_tracer(tracer, errors.TracerArrayConversionError, text)  # type: ignore[arg-type]


def array_ufunc(self: Tracer, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """``ufunc(*inputs)`` (or its ``reduce``, ...) as a function of jitney's.

    Operators between an array of NumPy's and a traced one come here as well, and work with all settings.
    """
    from jitney.numpy import selections

    if selections.found_in(inputs, {}):
        return NotImplemented  # they know what the function is of them
    name = ufunc.__name__
    function = _of_numpy(name, "numpy")
    operator = len(inputs) == 2 and method == "__call__" and not kwargs
    if function is None or not (operator or config.jitney_python_control_flow):
        _refuse(self, name)
    if kwargs.get("out") is not None:
        raise TypeError(
            f"np.{name} was to write a traced result into an array of NumPy's (out=, or an operator such as a += x, which "
            "changes a in place). Write a = a + x, or make the array with jitney.numpy."
        )
    kwargs.pop("out", None)
    return (function if method == "__call__" else getattr(function, method))(*inputs, **kwargs)


def array_function(self: Tracer, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """``function(*args, **kwargs)``, one of NumPy's that is no ufunc, as a function of jitney's."""
    from jitney.numpy import selections

    if not config.jitney_python_control_flow:
        return function._implementation(*args, **kwargs)
    ours = _of_numpy(function.__name__, function.__module__)
    if ours is None:
        _refuse(self, function.__name__)
    if selections.found_in(args, kwargs):
        return selections.call(ours, args, kwargs)
    return ours(*args, **kwargs)


def install() -> None:
    Tracer.__array_ufunc__ = array_ufunc  # type: ignore[attr-defined]
    Tracer.__array_function__ = array_function  # type: ignore[attr-defined]
