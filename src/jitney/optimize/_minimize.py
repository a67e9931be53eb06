"""``minimize``: SciPy's, with exact derivatives, and as one compiled loop where its options permit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import optimize as scipy_optimize

from jitney import numpy as jnp
from jitney._api.autodiff import grad, value_and_grad
from jitney._base import dtypes
from jitney._base.errors import JitneyTypeError
from jitney._core.trace import get_aval
from jitney.optimize._constraints import with_derivatives
from jitney.optimize._functions import Function, drive, number, starting_point, tracing
from jitney.optimize._implicit import stationary
from jitney.optimize._results import OptimizeResult
from jitney.scipy.optimize._quasi_newton import State, bfgs_descent

_WITHOUT_GRADIENT = {"nelder-mead", "powell", "cobyla", "cobyqa"}
_NEED_HESSIAN = {"dogleg", "trust-exact"}
_TAKE_PRODUCTS = {"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"}
_WHOLE_HESSIAN = 100  # variables, up to which these methods are given the matrix
_LOOP_OPTIONS = {"gtol", "maxiter", "norm"}
_STATUS = {0: 0, 1: 1, 5: 2}  # of the loop -> of SciPy
_MESSAGES = {
    0: "Optimization terminated successfully.",
    1: "Maximum number of iterations has been exceeded.",
    2: "Desired error not necessarily achieved due to precision loss.",
    3: "NaN result encountered.",
}
_LINE_SEARCH = 40  # evaluations


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Any = None,
    options: Mapping[str, Any] | None = None,
) -> OptimizeResult:
    """A local minimum of a function of several variables, with exact derivatives.

    Signature, options and result are those of ``scipy.optimize.minimize``, whose page describes what is not said here.

    Args:
        fun: ``fun(x, *args)`` gives a number; made of functions of jitney, it is compiled.
        x0: where to start, of shape ``[n]``.
        args: further arguments of ``fun``.
        method: BFGS (the choice without bounds and constraints) runs as one compiled loop, if ``jac``, ``callback`` and options
            besides ``gtol``, ``norm`` and ``maxiter`` are not given; all else runs SciPy's solvers on compiled functions: value and
            gradient come from one call.
        jac: None for exact gradients. ``True`` means that ``fun`` returns value and gradient. With a function, or ``"2-point"`` and
            such, all is SciPy's business, and ``fun`` is called as it is.
        hess, hessp: None for exact second derivatives, where the method takes them: the matrix up to 100 variables and for methods
            that need it, else products with it.
        constraints: SciPy's; those without derivatives get exact ones.

    Returns:
        SciPy's ``OptimizeResult``. Of the compiled loop, ``nfev`` and ``njev`` are both the number of evaluations of value and
        gradient together. Inside of ``jit``, ``vmap`` or ``grad`` its values are traced ones, it has no ``message``, and ``x`` has the
        derivatives of a minimum.

    Raises:
        TypeError: values are complex, or ``fun`` cannot be traced (the note says what to do).
        ValueError: ``fun`` does not return a number, ``x0`` has two axes, or as SciPy says.

    Nocedal, Wright, "Numerical Optimization", 2nd edition, algorithms 3.5, 3.6 and 6.1.

    >>> import jitney.numpy as jnp
    >>> from jitney.optimize import minimize
    >>> minimize(lambda x: jnp.sum((x - 3.0) ** 2) + x[0] * x[1], [0.0, 0.0]).x.round(6)
    array([2., 2.])
    """
    if not isinstance(args, tuple):
        args = (args,)
    bounded = bounds is not None or _any(constraints)
    plain = not bounded and callback is None and jac is None and hess is None and hessp is None
    loop = plain and (method is None or _name(method) == "bfgs") and set(options or {}) <= _LOOP_OPTIONS
    function = Function("fun", fun, args, None, number)
    if tracing():
        if not loop:
            raise ValueError(
                "minimize on traced values (inside of jit, vmap or grad) runs as one compiled loop: BFGS without jac, bounds, "
                "constraints, callback and options besides gtol, norm and maxiter."
            )
        return _traced(function, x0, tol, options)
    if loop:
        return _compiled(function, x0, tol, options)
    given = {
        "method": method,
        "bounds": bounds,
        "tol": tol,
        "callback": callback,
        "options": None if options is None else dict(options),
    }
    if jac is not None and jac is not False:
        return scipy_optimize.minimize(
            fun, x0, args, jac=jac, hess=hess, hessp=hessp, constraints=constraints, **given
        )
    return _by_scipy(function, starting_point(x0), hess, hessp, constraints, bounded, given, args)


def _any(constraints: Any) -> bool:
    return not (isinstance(constraints, (tuple, list)) and len(constraints) == 0)


def _name(method: Any) -> str:
    return method.lower() if isinstance(method, str) else ""


# -- by SciPy


def _by_scipy(
    function: Function,
    x0: Any,
    hess: Any,
    hessp: Any,
    constraints: Any,
    bounded: bool,
    given: dict[str, Any],
    args: tuple,
) -> OptimizeResult:
    name = _name(given["method"])
    if name in _WITHOUT_GRADIENT:
        constrained = with_derivatives(constraints, False) if _any(constraints) else constraints
        return scipy_optimize.minimize(_value(function, x0), x0, constraints=constrained, **given)
    second = {"hess": _bound(hess, args), "hessp": _bound(hessp, args)}
    if hess is None and hessp is None and name in _NEED_HESSIAN | _TAKE_PRODUCTS:
        if name in _NEED_HESSIAN or x0.size <= _WHOLE_HESSIAN:
            second["hess"] = function.hessian()
        else:
            second["hessp"] = function.hessian_product()
    constrained = with_derivatives(constraints, name == "trust-constr") if _any(constraints) else constraints
    return scipy_optimize.minimize(
        function.value_and_gradient(), x0, jac=True, constraints=constrained, **second, **given
    )


def _bound(derivative: Any, args: tuple) -> Any:
    return (lambda *x: derivative(*x, *args)) if callable(derivative) and args else derivative


def _value(function: Function, x0: Any) -> Callable[[Any], Any]:
    """The compiled function; the function as it is, where it cannot be traced, as no derivative is asked for."""
    compiled = function.value()
    try:
        compiled(x0)
    except JitneyTypeError:
        return function.plain
    return compiled


# -- as one loop


def _settings(x: Any, tol: Any, options: Mapping[str, Any] | None) -> tuple[Any, Any, Any]:
    """``gtol``, ``maxiter``, ``norm``."""
    given = dict(options or {})
    gtol = given.get("gtol", 1e-5 if tol is None else tol)
    most = given.get("maxiter")
    return gtol, 200 * get_aval(x).size if most is None else most, float(given.get("norm", np.inf))


def _compiled(function: Function, x0: Any, tol: Any, options: Mapping[str, Any] | None) -> OptimizeResult:
    start = starting_point(x0)
    if start.size == 0:
        raise ValueError("minimize: x0 has no elements.")
    gtol, most, norm = _settings(start, tol, options)
    size, dtype = start.size, dtypes.canonicalize_dtype(start.dtype)

    def make_start(f: Callable[..., Any]) -> Callable[..., Any]:
        def start(x: Any, until: Any, gtol: Any, most: Any, leaves: Any) -> State:
            descent = bfgs_descent(lambda x: f(x, leaves), size, dtype, most, norm, gtol, _LINE_SEARCH)
            return descent.advance(descent.begin(x), until)

        return start

    def make_advance(f: Callable[..., Any]) -> Callable[..., Any]:
        def advance(state: State, until: Any, gtol: Any, most: Any, leaves: Any) -> State:
            descent = bfgs_descent(lambda x: f(x, leaves), size, dtype, most, norm, gtol, _LINE_SEARCH)
            return descent.advance(state, until)

        return advance

    limits = (float(gtol), int(most))
    run = function.run(("start", norm, size, dtype), make_start)
    if limits[1] <= 0:
        state = run(start, 0, *limits)
        state = state._replace(status=1) if int(state.status) < 0 else state
    else:
        state = drive(
            function,
            ("bfgs", norm, size, dtype),
            lambda until: run(start, until, *limits),
            lambda state, until: function.run(("advance", norm, size, dtype), make_advance)(
                state, until, *limits
            ),
        )
    found = _result(state._replace(x=np.array(state.x), gradient=np.array(state.gradient)))
    status = _STATUS[int(state.status)]
    if status == 2 and (np.isnan(found.jac).any() or np.isnan(found.x).any() or np.isnan(float(state.value))):
        status = 3
    found.update(
        fun=float(state.value),
        hess_inv=np.array(state.memory),
        status=status,
        success=status == 0,
        message=_MESSAGES[status],
        nfev=int(state.evaluations),
        njev=int(state.evaluations),
        nit=int(state.iterations),
    )
    return found


def _traced(function: Function, x0: Any, tol: Any, options: Mapping[str, Any] | None) -> OptimizeResult:
    start = starting_point(x0, traced=True)
    gtol, most, norm = _settings(start, tol, options)
    descent = bfgs_descent(function.here, get_aval(start).size, start.dtype, most, norm, gtol, _LINE_SEARCH)

    def solve(x0: Any) -> tuple[Any, Any]:
        state = descent.run(x0)
        return state.x, (state.status, state.memory, state.evaluations, state.iterations)

    x, (status, inverse, evaluations, iterations) = stationary(grad(function.here), start, solve)
    value, gradient = value_and_grad(function.here)(x)
    done = State(x, value, gradient, inverse, status, evaluations, iterations, None, None)
    found = _result(done)
    found.update(status=jnp.where(status == 5, 2, status), success=status == 0)
    return found


def _result(state: State) -> OptimizeResult:
    return OptimizeResult(
        x=state.x,
        fun=state.value,
        jac=state.gradient,
        hess_inv=state.memory,
        nfev=state.evaluations,
        njev=state.evaluations,
        nit=state.iterations,
    )
