"""``root``: SciPy's, with exact Jacobians."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scipy import optimize as scipy_optimize

from jitney.optimize._functions import Function, stacked, starting_point
from jitney.optimize._results import OptimizeResult

_TAKE_JACOBIANS = ("hybr", "lm")


def root(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: str = "hybr",
    jac: Any = None,
    tol: float | None = None,
    callback: Any = None,
    options: Mapping[str, Any] | None = None,
) -> OptimizeResult:
    """Where a function of several variables vanishes, with exact Jacobians.

    Signature, options and result are those of ``scipy.optimize.root``, which runs on the compiled function and its Jacobian.

    Args:
        fun: ``fun(x, *args)`` gives as many values as ``x`` has; made of functions of jitney, it is compiled.
        x0: where to start, of shape ``[n]``.
        args: further arguments of ``fun``.
        method: ``"hybr"`` and ``"lm"`` use the Jacobian; others only the compiled function.
        jac: None for exact derivatives; with anything else, ``fun`` is called as it is.

    Raises:
        TypeError: values are complex, or ``fun`` cannot be traced (the note says what to do).
        ValueError: as SciPy says.

    >>> import jitney.numpy as jnp
    >>> from jitney.optimize import root
    >>> root(lambda x: jnp.array([x[0] ** 2 + x[1] ** 2 - 2, x[0] - x[1]]), [2.0, 0.5]).x.round(6)
    array([1., 1.])
    """
    args = args if isinstance(args, tuple) else (args,)
    given = {
        "method": method,
        "tol": tol,
        "callback": callback,
        "options": None if options is None else dict(options),
    }
    if jac is not None:
        return scipy_optimize.root(fun, x0, args, jac=jac, **given)
    function = Function("fun", fun, args, None, stacked)
    start = starting_point(x0)
    if method.lower() in _TAKE_JACOBIANS:
        given["jac"] = function.jacobian()
    return scipy_optimize.root(function.value(), start, **given)
