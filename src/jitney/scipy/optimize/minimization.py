"""``minimize`` and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jitney._core.trace import get_aval
from jitney.numpy.operands import array_operand, promote_inexact
from jitney.scipy.optimize import _quasi_newton

__all__ = ["OptimizeResults", "minimize"]


class OptimizeResults(NamedTuple):
    """What :func:`minimize` found: a tree of arrays."""

    x: Any  #: where
    success: Any  #: whether the gradient became small enough
    status: Any  #: 0 if so; 1: too many iterations; others: see minimize
    fun: Any  #: the value there
    jac: Any  #: the gradient there
    hess_inv: Any  #: an approximation of the inverse of the matrix of second derivatives; None for the limited-memory method
    nfev: Any  #: how often the function was evaluated
    njev: Any  #: how often its gradient
    nit: Any  #: the number of iterations


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: tuple = (),
    *,
    method: str,
    tol: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> OptimizeResults:
    """A local minimum of a function of a vector, by its gradients.

    Args:
        fun: ``fun(x, *args) -> number``, made of operations that have derivatives.
        x0: where to start, of shape ``[n]``.
        args: further arguments of ``fun``.
        method: ``"BFGS"``, or ``"l-bfgs-experimental-do-not-rely-on-this"`` (with limited memory, for many variables).
        tol: the norm of gradients that are small enough, in place of ``options["gtol"]``.
        options: of BFGS: ``maxiter`` (200 n), ``norm`` (of gradients, the largest component), ``gtol`` (1e-5), ``line_search_maxiter`` (10).
            With limited memory: ``maxiter``, ``norm``, ``maxcor`` (how many steps are remembered, 10), ``ftol`` (2.2e-9), ``gtol`` (1e-5),
            ``maxfun`` and ``maxgrad`` (greatest numbers of evaluations), ``maxls`` (of evaluations for one step, 20).

    Returns:
        :class:`OptimizeResults`. ``status`` is 0 when the gradient is small, 1 after ``maxiter`` iterations, 2 after ``maxfun`` and 3
        after ``maxgrad`` evaluations, 4 when the value decreases by less than ``ftol``, and 5 when no step was found that
        decreases the value.

    Raises:
        TypeError: ``args`` is no tuple, or there is no such option.
        ValueError: another method, ``x0`` no vector, ``fun`` gives no number.

    Nocedal, Wright, "Numerical Optimization", 2nd edition, algorithms 3.5, 3.6, 6.1 and 7.4; steps that rounding errors hide are
    accepted by Hager and Zhang's approximate conditions, SIAM J. Optim. 16, 2005.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.optimize import minimize
    >>> minimize(lambda x: ((x - 3.0) ** 2).sum(), jnp.zeros(2), method="BFGS").x.round(5)
    Array([3., 3.], dtype=float64)
    """
    if not isinstance(args, tuple):
        raise TypeError(f"args argument to minimize must be a tuple, got {args!r}")
    chosen = dict(options or {})
    if tol is not None:
        chosen["gtol"] = tol
    (start,) = promote_inexact(array_operand("minimize", x0))
    if get_aval(start).ndim != 1:
        raise ValueError(f"minimize: x0 must be a vector, got shape {get_aval(start).shape}; ravel it.")
    value = lambda x: fun(x, *args)  # noqa: E731
    name = method.lower() if isinstance(method, str) else method
    if name == "bfgs":
        return OptimizeResults(*_quasi_newton.bfgs(value, start, **chosen))
    if name == "l-bfgs-experimental-do-not-rely-on-this":
        return OptimizeResults(*_quasi_newton.limited_memory_bfgs(value, start, **chosen))
    raise ValueError(
        f"Method {method} not recognized; methods are 'BFGS' and 'l-bfgs-experimental-do-not-rely-on-this'."
    )
