"""``curve_fit``: SciPy's, with exact Jacobians, and as one compiled loop where its options permit."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import optimize as scipy_optimize

from jitney import numpy as jnp
from jitney._core.trace import get_aval
from jitney.optimize import _levenberg_marquardt as lm
from jitney.optimize._fits import covariance, solve, solve_traced
from jitney.optimize._functions import Function, starting_point, tracing, vector
from jitney.optimize._least_squares import MESSAGES, UNBOUNDED, box, unbounded
from jitney.optimize._losses import LOSSES
from jitney.scipy.linalg import solve_triangular

_MINPACKS = {"ftol", "xtol", "gtol", "maxfev"}
_TRFS = _MINPACKS | {"max_nfev", "loss", "f_scale"}


def curve_fit(
    f: Callable[..., Any],
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = UNBOUNDED,
    method: str | None = None,
    jac: Any = None,
    *,
    full_output: bool = False,
    nan_policy: str | None = None,
    **kwargs: Any,
) -> Any:
    """Parameters with which a model fits data best, and their covariance, with exact derivatives.

    Signature and results are those of ``scipy.optimize.curve_fit``, whose page describes what is not said here.

    Args:
        f: the model, ``f(xdata, *params)``, made of functions of jitney; it is compiled.
        xdata: whatever the model takes; an array, as a rule.
        ydata: the data, of shape ``[m]``.
        p0: where to start; by default 1 for each parameter in the signature of ``f``.
        sigma: standard deviations of the data ``[m]``, or their covariance ``[m, m]``.
        absolute_sigma: whether ``sigma`` is taken as it is; else, residuals say how large it is.
        jac: None for exact derivatives; a function is SciPy's business, and ``f`` is then called as it is.
        bounds, method: ``"lm"`` (the choice without bounds) and ``"trf"`` (with bounds) are one compiled Levenberg-Marquardt loop,
            which ends as SciPy's methods of these names do (``ftol``, ``xtol``, ``gtol``, ``maxfev``); ``"trf"`` takes ``loss``
            and ``f_scale``, too.
        full_output, nan_policy: with these, or other methods and options, SciPy's solvers run on compiled functions.

    Returns:
        ``popt`` of shape ``[n]`` and ``pcov`` of shape ``[n, n]``, NumPy arrays; with ``full_output``, SciPy's further three. Inside
        of ``jit``, ``vmap`` or ``grad`` they are traced arrays with the derivatives of a minimum; a fit that fails is NaN then.

    Raises:
        RuntimeError: no minimum within ``maxfev`` evaluations (200 (n + 1); each gives residuals and Jacobian).
        ValueError: data are not finite or of shapes that do not fit.
        TypeError: more parameters than data; the model is complex, or cannot be traced (the note says what to do).

    Moré, "The Levenberg-Marquardt algorithm", Lecture Notes in Mathematics 630 (1978).

    >>> import jitney.numpy as jnp
    >>> from jitney.optimize import curve_fit
    >>> t = jnp.linspace(0.0, 4.0, 20)
    >>> popt, pcov = curve_fit(lambda t, a, b: a * jnp.exp(-b * t), t, 2.5 * jnp.exp(-1.3 * t))
    >>> popt.round(6)
    array([2.5, 1.3])
    """
    free = unbounded(bounds)
    ours = (
        jac is None
        and method in ((None, "lm", "trf") if free else (None, "trf"))
        and not full_output
        and nan_policy is None
        and set(kwargs) <= (_MINPACKS if free and method != "trf" else _TRFS)
        and str(kwargs.get("loss", "linear")) in LOSSES
    )
    if tracing() and not ours:
        raise ValueError(
            "curve_fit on traced values (inside of jit, vmap or grad) runs as one compiled loop, which knows methods 'lm' and 'trf' "
            "without jac, full_output, nan_policy and options besides tolerances and maxfev."
        )
    if ours:
        task = _Task(f, p0, bounds, "lm" if free and method != "trf" else "trf", kwargs, tracing())
        if tracing():
            return _traced(task, xdata, ydata, sigma, absolute_sigma)
        found = _compiled(task, xdata, ydata, sigma, absolute_sigma, check_finite is not False)
        if found is not None:
            return found
    options = {
        "p0": p0,
        "sigma": sigma,
        "absolute_sigma": absolute_sigma,
        "check_finite": check_finite,
        "bounds": bounds,
        "method": method,
        "full_output": full_output,
        "nan_policy": nan_policy,
        **kwargs,
    }
    if jac is not None:
        return scipy_optimize.curve_fit(f, xdata, ydata, jac=jac, **options)
    model = _Model(f)
    return scipy_optimize.curve_fit(model, xdata, ydata, jac=model.jacobian, **options)


class _Model:
    """A compiled model, as SciPy calls it."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self._f = f
        self.__signature__ = inspect.signature(f)  # from which SciPy counts parameters

    def __call__(self, xdata: Any, *params: Any) -> Any:
        return self._at(xdata).value()(np.array(params, float))

    def jacobian(self, xdata: Any, *params: Any) -> Any:
        return self._at(xdata).jacobian()(np.array(params, float))

    def _at(self, xdata: Any) -> Function:
        return Function("f", _called(self._f), (xdata,), None, vector, users=self._f)


def _called(f: Callable[..., Any]) -> Callable[..., Any]:
    """The model as a function of a vector of parameters and the rest."""
    return lambda p, xdata: f(xdata, *[p[i] for i in range(get_aval(p).size)])


def _count(f: Callable[..., Any]) -> int:
    """How many parameters a model has."""
    kinds = [p.kind for p in inspect.signature(f).parameters.values()]
    positional = [
        k for k in kinds if k in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ]
    if inspect.Parameter.VAR_POSITIONAL in kinds or len(positional) < 2:
        raise ValueError(
            "Unable to determine number of fit parameters: give p0, as the signature of f does not tell how many there are."
        )
    return len(positional) - 1


class _Task:
    """A model to be fitted: where to start, when to end, by which rules."""

    def __init__(
        self, f: Callable[..., Any], p0: Any, bounds: Any, method: str, options: dict[str, Any], traced: bool
    ) -> None:
        self.f, self.method = f, method
        self.start = starting_point(_middle(_count(f), bounds) if p0 is None else p0, traced)
        n = get_aval(self.start).size
        ftol, gtol = (1.49012e-8, 0.0) if method == "lm" else (1e-8, 1e-8)
        tolerances = [options.get(name, t) for name, t in (("ftol", ftol), ("xtol", ftol), ("gtol", gtol))]
        most = (
            options.get("max_nfev") or options.get("maxfev") or (200 * (n + 1) if method == "lm" else 100 * n)
        )
        self.limits = lm.Limits(*map(float, tolerances), int(most))  # type: ignore[call-arg]
        self.rules = lm.Rules(
            method == "lm", True, 100.0 if method == "lm" else 1.0, False, options.get("loss", "linear")
        )
        self.limits = self.limits._replace(margin=float(options.get("f_scale", 1.0)))
        self.sound = True  # whether the bounds make sense
        if not unbounded(bounds):
            pair = box(bounds, self.start)
            self.sound = pair is not None
            if pair is not None:
                self.limits = self.limits._replace(low=pair[0], high=pair[1])
                self.rules = self.rules._replace(bounded=True)


def _middle(n: int, bounds: Any) -> Any:
    """SciPy's choice: 1 where there are no bounds, the middle of two, at a distance of 1 from one."""
    start = np.ones(n)
    pair = None if unbounded(bounds) else box(bounds, start)
    if pair is None:
        return start
    low, high = pair
    below, above = np.isfinite(low), np.isfinite(high)
    start[below] = low[below] + 1
    start[above] = high[above] - 1
    both = below & above
    start[both] = 0.5 * (low[both] + high[both])
    return start


def _residuals(f: Callable[..., Any], xdata: Any, ydata: Any, sigma: Any) -> Function:
    """How far the model is off, in units of ``sigma``."""
    model = _called(f)

    def off(p: Any, xdata: Any, ydata: Any, sigma: Any) -> Any:
        residuals = vector(model(p, xdata) - ydata)
        if sigma is None:
            return residuals
        if get_aval(sigma).ndim < 2:
            return residuals / sigma
        lower = jnp.linalg.cholesky(sigma)
        return solve_triangular(lower, residuals, lower=True)

    return Function("f", off, (xdata, ydata, sigma), None, vector, users=f)


def _checked_sigma(sigma: Any, size: int) -> None:
    if sigma is not None and get_aval(sigma).shape not in ((), (1,), (size,), (size, size)):
        raise ValueError(
            f"`sigma` has incorrect shape: {get_aval(sigma).shape}, for {size} data; give one standard deviation each, or the "
            "covariance matrix of all."
        )


def _compiled(
    task: _Task, xdata: Any, ydata: Any, sigma: Any, absolute_sigma: bool, check_finite: bool
) -> Any:
    """``popt, pcov``, or None where SciPy's solver is better or says better what is wrong."""
    as_data = np.asarray_chkfinite if check_finite else np.asarray
    ydata = as_data(ydata, float)
    if isinstance(xdata, (list, tuple, np.ndarray)):
        xdata = as_data(xdata, float)
    elif hasattr(xdata, "__array__"):
        xdata = np.asarray(xdata)
    if sigma is not None:
        sigma = np.asarray(sigma, float)
        _checked_sigma(sigma, ydata.size)
    start, limits = task.start, task.limits
    n = start.size
    if (
        not task.sound
        or ydata.ndim != 1
        or n == 0
        or ydata.size == 0
        or task.method == "lm"
        and n > ydata.size
    ):
        return None
    if task.rules.bounded and not np.all((start >= limits.low) & (start <= limits.high)):
        return None
    fit = solve(_residuals(task.f, xdata, ydata, sigma), start, np.ones(n), limits, task.rules)
    if fit is None:
        return None
    if fit.status == lm.LIMIT:
        text = f"Number of calls to function has reached maxfev = {fit.evaluations}."
        raise RuntimeError(
            f"Optimal parameters not found: {text if task.method == 'lm' else MESSAGES[lm.LIMIT]}"
        )
    return np.array(fit.x), _pcov(np.asarray(fit.jacobian), float(fit.square), absolute_sigma)


def _pcov(jacobian: Any, square: float, absolute_sigma: bool) -> Any:
    """The covariance of the parameters; infinite, with SciPy's warning, where the data do not tell."""
    m, n = jacobian.shape
    _, s, vectors = np.linalg.svd(jacobian, full_matrices=False)
    known = m >= n and s[-1] > np.finfo(float).eps * max(m, n) * s[0] and (absolute_sigma or m > n)
    if not known:
        warnings.warn(
            "Covariance of the parameters could not be estimated",
            category=scipy_optimize.OptimizeWarning,
            stacklevel=4,
        )
        return np.full((n, n), np.inf)
    pcov = (vectors.T / s**2) @ vectors
    return pcov if absolute_sigma else pcov * (square / (m - n))


def _traced(task: _Task, xdata: Any, ydata: Any, sigma: Any, absolute_sigma: bool) -> Any:
    ydata = jnp.asarray(ydata, float)
    if isinstance(xdata, (list, tuple)):
        xdata = jnp.asarray(xdata)
    sigma = None if sigma is None else jnp.asarray(sigma, float)
    m, n = get_aval(ydata).size, get_aval(task.start).size
    _checked_sigma(sigma, m)
    if not task.sound:
        raise ValueError(
            "bounds must be a pair (low, high) of numbers or vectors of the parameters, with low < high."
        )
    if get_aval(ydata).ndim != 1 or not 0 < n <= m:
        raise TypeError(
            f"curve_fit needs data of shape [m] with no fewer data than parameters, but there are {n} parameters and data of shape "
            f"{get_aval(ydata).shape}."
        )
    function = _residuals(task.f, xdata, ydata, sigma)
    fit = solve_traced(function.here, task.start, jnp.ones(n), task.limits, task.rules)
    pcov = covariance(fit.jacobian)
    if not absolute_sigma:
        pcov = pcov * (fit.square / (m - n)) if m > n else jnp.full((n, n), jnp.inf)
    found = fit.status > 0
    return jnp.where(found, fit.x, jnp.nan), jnp.where(found, pcov, jnp.nan)
