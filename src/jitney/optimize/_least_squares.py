"""``least_squares``: SciPy's, with exact Jacobians, and as one compiled loop where its options permit."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import optimize as scipy_optimize

from jitney import numpy as jnp
from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney.optimize import _levenberg_marquardt as lm
from jitney.optimize._fits import Fit, solve, solve_traced
from jitney.optimize._functions import Function, starting_point, tracing, vector
from jitney.optimize._losses import LOSSES
from jitney.optimize._results import OptimizeResult

UNBOUNDED = (-np.inf, np.inf)
MESSAGES = {
    lm.LIMIT: "The maximum number of function evaluations is exceeded.",
    lm.GRADIENT: "`gtol` termination condition is satisfied.",
    lm.VALUE: "`ftol` termination condition is satisfied.",
    lm.STEP: "`xtol` termination condition is satisfied.",
    lm.VALUE_AND_STEP: "Both `ftol` and `xtol` termination conditions are satisfied.",
}
# What only SciPy's solvers know, and what these options are where nobody gave them.
_SCIPYS: dict[str, Any] = {
    "diff_step": None,
    "tr_solver": None,
    "tr_options": None,
    "jac_sparsity": None,
    "verbose": 0,
    "callback": None,
    "workers": None,
}


def least_squares(
    fun: Callable[..., Any],
    x0: Any,
    jac: Any = None,
    bounds: Any = UNBOUNDED,
    method: str = "trf",
    ftol: float | None = 1e-8,
    xtol: float | None = 1e-8,
    gtol: float | None = 1e-8,
    x_scale: Any = None,
    loss: Any = "linear",
    f_scale: float = 1.0,
    diff_step: Any = None,
    tr_solver: Any = None,
    tr_options: Mapping[str, Any] | None = None,
    jac_sparsity: Any = None,
    max_nfev: int | None = None,
    verbose: int = 0,
    args: tuple = (),
    kwargs: Mapping[str, Any] | None = None,
    callback: Any = None,
    workers: Any = None,
) -> OptimizeResult:
    """The least sum of squares of a function's values, with exact derivatives.

    Signature, options and result are those of ``scipy.optimize.least_squares``, whose page describes what is not said here.

    Args:
        fun: ``fun(x, *args, **kwargs)`` gives the residuals, of shape ``[m]``; it is compiled.
        x0: where to start, of shape ``[n]``.
        jac: None for exact derivatives; a function, or ``"2-point"``, ``"3-point"``, ``"cs"``, is SciPy's business, and ``fun``
            is then called as it is.
        method: ``"trf"`` (with or without bounds) and ``"lm"`` run as one compiled Levenberg-Marquardt loop, which differs in
            how it ends: as SciPy's ``trf`` and ``lm`` (MINPACK) do. With a function as ``loss`` and options of SciPy's solvers,
            SciPy's solvers run on compiled functions.
        x_scale: scales of the parameters; by default, the loop takes those of the Jacobian's columns.

    Returns:
        SciPy's ``OptimizeResult``. Of the compiled loop, ``nfev`` and ``njev`` are both the number of evaluations of residuals
        and Jacobian together. Inside of ``jit``, ``vmap`` or ``grad`` its values are traced ones, it has no ``message``, and
        ``x`` has the derivatives of a minimum.

    Raises:
        TypeError: residuals are complex, or ``fun`` cannot be traced (the note says what to do).
        ValueError: residuals have two axes, are not finite at ``x0``, or options do not fit together.

    Moré, "The Levenberg-Marquardt algorithm", Lecture Notes in Mathematics 630 (1978).

    >>> import jitney.numpy as jnp
    >>> from jitney.optimize import least_squares
    >>> least_squares(lambda p: jnp.array([10 * (p[1] - p[0] ** 2), 1 - p[0]]), [2.0, 2.0]).x.round(6)
    array([1., 1.])
    """
    options = {
        "diff_step": diff_step,
        "tr_solver": tr_solver,
        "tr_options": tr_options,
        "jac_sparsity": jac_sparsity,
        "verbose": verbose,
        "callback": callback,
        "workers": workers,
    }
    tolerances = {"ftol": ftol, "xtol": xtol, "gtol": gtol}
    ours = (
        jac is None
        and isinstance(loss, str)
        and loss in LOSSES
        and (method == "trf" or method == "lm" and loss == "linear" and unbounded(bounds))
        and all(_unsaid(given, _SCIPYS[name]) for name, given in options.items())
        and all(t is None or np.ndim(t) == 0 for t in tolerances.values())
        and any(t is not None for t in tolerances.values())
    )
    function = Function("fun", fun, args, kwargs, vector)
    plan = functools.partial(
        _plan,
        bounds=bounds,
        method=method,
        tolerances=tolerances,
        x_scale=x_scale,
        max_nfev=max_nfev,
        loss=loss,
        f_scale=f_scale,
    )
    if tracing():
        if not ours:
            raise ValueError(
                "least_squares on traced values (inside of jit, vmap or grad) runs as one compiled loop, which knows method 'trf', and "
                "'lm' without bounds and losses, without jac, functions as losses and options of SciPy's solvers."
            )
        return _traced(function, x0, plan)
    if ours:
        found = _compiled(function, x0, plan)
        if found is not None:
            return found
    options |= {"x_scale": x_scale, "max_nfev": max_nfev}
    more = {name: given for name, given in options.items() if given is not None}
    more |= {"loss": loss, "f_scale": f_scale, **tolerances}
    if jac is not None:
        return scipy_optimize.least_squares(
            fun, x0, jac, bounds, method, args=args, kwargs=dict(kwargs or {}), **more
        )
    start = starting_point(x0)
    return scipy_optimize.least_squares(function.value(), start, function.jacobian(), bounds, method, **more)


def _unsaid(given: Any, default: Any) -> bool:
    return given is None or isinstance(given, type(default)) and given == default


def unbounded(bounds: Any) -> bool:
    """Whether bounds do not bound anything."""
    if bounds is UNBOUNDED:
        return True
    pair = sides(bounds)
    return pair is not None and bool(np.all(pair[0] == -np.inf) and np.all(pair[1] == np.inf))


def sides(bounds: Any) -> tuple[Any, Any] | None:
    """Lower and upper bounds; None if that is not what they are."""
    if isinstance(bounds, scipy_optimize.Bounds):
        bounds = (bounds.lb, bounds.ub)
    if not (isinstance(bounds, (tuple, list)) and len(bounds) == 2):
        return None
    return np.asarray(bounds[0], float), np.asarray(bounds[1], float)


def box(bounds: Any, x: Any) -> tuple[Any, Any] | None:
    """Bounds of each parameter; None if SciPy has something to say to them."""
    pair = sides(bounds)
    if pair is None:
        return None
    try:
        low, high = (np.broadcast_to(side, x.shape).astype(x.dtype) for side in pair)
    except ValueError:
        return None
    return (low, high) if np.all(low < high) else None


_Plan = tuple[Any, lm.Limits, lm.Rules]


def _plan(
    x: Any,
    bounds: Any,
    method: str,
    tolerances: Mapping[str, Any],
    x_scale: Any,
    max_nfev: Any,
    loss: str,
    f_scale: Any,
) -> _Plan | None:
    """Scale, limits and rules of the loop; None if SciPy has something to say to the bounds."""
    n, dtype = get_aval(x).size, dtypes.canonicalize_dtype(x.dtype)
    scaled = x_scale is None or isinstance(x_scale, str)
    if isinstance(x_scale, str) and x_scale != "jac":
        raise ValueError(f"`x_scale` must be 'jac' or positive numbers, got {x_scale!r}.")
    scale = jnp.ones(n, dtype) if scaled else jnp.broadcast_to(1 / jnp.asarray(x_scale, dtype), (n,))
    ftol, xtol, gtol = (0.0 if t is None else float(t) for t in tolerances.values())
    most = 100 * n if max_nfev is None else int(max_nfev)
    limits = lm.Limits(ftol, xtol, gtol, most, margin=float(f_scale))
    if method == "lm":
        return scale, limits, lm.Rules(True, scaled, 100.0)
    rules = lm.Rules(False, scaled, 1.0, not unbounded(bounds), loss)
    if rules.bounded:
        pair = box(bounds, x)
        if pair is None:
            return None
        limits = limits._replace(low=pair[0], high=pair[1])
    return scale, limits, rules


def _compiled(function: Function, x0: Any, plan: Callable[[Any], _Plan | None]) -> OptimizeResult | None:
    start = starting_point(x0)
    planned = plan(start)
    if planned is None or start.size == 0 or not np.all(np.isfinite(start)):
        return None  # SciPy says what is wrong
    scale, limits, rules = planned
    if rules.bounded and not np.all((start >= limits.low) & (start <= limits.high)):
        return None
    fit = solve(function, start, np.asarray(scale), limits, rules)
    if fit is None or rules.cosines and len(fit.residuals) < start.size:
        return None
    arrays = Fit(*map(np.array, fit[:5]), fit.status, fit.evaluations)  # type: ignore[call-arg]
    found = _result(arrays, np, limits, rules)
    found.update(cost=float(found.cost), message=MESSAGES[fit.status], success=fit.status > 0)
    return found


def _traced(function: Function, x0: Any, plan: Callable[[Any], _Plan | None]) -> OptimizeResult:
    start = starting_point(x0, traced=True)
    planned = plan(start)
    if planned is None:
        raise ValueError(
            "bounds must be a pair (low, high) of numbers or vectors of the parameters, with low < high."
        )
    scale, limits, rules = planned
    fit = solve_traced(function.here, start, scale, limits, rules)
    found = _result(fit, jnp, limits, rules)
    found.update(success=fit.status > 0)
    return found


def _result(fit: Fit, n: Any, limits: lm.Limits, rules: lm.Rules) -> OptimizeResult:
    gradient = fit.gradient
    active = n.zeros(len(fit.x), int)
    if rules.bounded:
        active = n.where(fit.x <= limits.low, -1, n.where(fit.x >= limits.high, 1, active))
    downhill = n.where(active * gradient < 0, 0.0, gradient)
    return OptimizeResult(
        x=fit.x,
        cost=0.5 * fit.square,
        fun=fit.residuals,
        jac=fit.jacobian,
        grad=gradient,
        optimality=n.max(n.abs(downhill)),
        active_mask=active,
        nfev=fit.evaluations,
        njev=fit.evaluations,
        status=fit.status,
    )
