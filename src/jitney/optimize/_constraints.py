"""Constraints of ``minimize`` with the derivatives that solvers ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scipy.optimize import BFGS, NonlinearConstraint

from jitney.optimize._functions import Function, stacked


def with_derivatives(constraints: Any, second: bool) -> Any:
    """The same constraints; those without derivatives get exact ones, with ``second`` of second order too.

    SciPy's ``NonlinearConstraint`` says ``jac="2-point"`` and ``hess=BFGS()`` where nothing was said: exact ones take their place.
    """
    several = isinstance(constraints, (list, tuple))
    made = [_one(c, second) for c in (constraints if several else [constraints])]
    return made if several else made[0]


def _one(constraint: Any, second: bool) -> Any:
    if isinstance(constraint, dict):
        if constraint.get("jac") is not None or not callable(constraint.get("fun")):
            return constraint
        function = _function(constraint["fun"], constraint.get("args", ()))
        return {**constraint, "fun": function.value(), "jac": function.jacobian(), "args": ()}
    if isinstance(constraint, NonlinearConstraint) and constraint.jac == "2-point":
        function = _function(constraint.fun, ())
        unsaid = isinstance(constraint.hess, BFGS)
        hess = function.weighted_hessian() if second and unsaid else constraint.hess
        return NonlinearConstraint(
            function.value(),
            constraint.lb,
            constraint.ub,
            function.jacobian(),
            hess,
            constraint.keep_feasible,
            constraint.finite_diff_rel_step,
            constraint.finite_diff_jac_sparsity,
        )
    return constraint


def _function(fun: Callable[..., Any], args: Any) -> Function:
    args = args if isinstance(args, tuple) else (args,)
    return Function("a constraint", fun, args, None, stacked)
