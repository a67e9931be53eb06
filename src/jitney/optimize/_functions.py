"""A user's function in the compiled forms that solvers ask for: values, gradients, Jacobians, Hessians, whole loops."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._api.autodiff import grad, hessian, jacfwd, jacrev, jvp, value_and_grad
from jitney._api.jit import jit
from jitney._api.reuse import Operands, Programs, reads
from jitney._base import dtypes
from jitney._base.errors import JitneyTypeError
from jitney._core import plugs
from jitney._core.trace import current_trace, get_aval

_PROGRAMS = Programs()
_SECONDS = 0.1  # of a call, after which Python looks for Ctrl-C
_FIRST = 4  # iterations of the second call, when it is not known yet how long they take
_MOST = 1 << 30


class Function:
    """``fun(x, *args, **kwargs)`` as a function of ``x`` alone, compiled in the forms asked for.

    ``shaped`` checks what ``fun`` returns and gives it the shape that solvers expect; it belongs to ``kind``, which names
    the role of the function. Where ``fun`` is a function of ours around one of the user's, that one is given as ``users``.
    """

    def __init__(
        self,
        kind: str,
        fun: Callable[..., Any],
        args: Any,
        kwargs: Any,
        shaped: Callable[[Any], Any],
        users: Callable[..., Any] | None = None,
    ) -> None:
        if not callable(fun if users is None else users):
            raise TypeError(f"{kind} must be a function, got {fun if users is None else users!r}.")
        self.kind, self._fun = kind, fun
        self.operands = Operands((tuple(args), dict(kwargs or {})))
        values = self.operands.values

        def pure(x: Any, leaves: Any) -> Any:
            args, kwargs = values(leaves)
            return shaped(fun(x, *args, **kwargs))

        self.pure = pure  # as it is traced; ``leaves`` are the arrays among its further arguments
        role = (kind, shaped, getattr(fun, "__code__", None) if users is not None else None)
        key = (reads(fun if users is None else users), self.operands.key, role)
        #: programs by name, and how many iterations of a loop are short, by the name of its program
        self._programs, self.pace = _PROGRAMS.get(key, lambda: ({}, {}))

    def plain(self, x: Any) -> Any:
        """The function as it is."""
        args, kwargs = self.operands.values(self.operands.leaves)
        return self._fun(x, *args, **kwargs)

    def here(self, x: Any) -> Any:
        """The function inside of a trace."""
        return self.pure(x, self.operands.leaves)

    def program(self, name: Any, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Any:
        """``jit(make(self.pure))``, a function of ``x`` (or more) and ``leaves``; the same one for equal functions."""
        found = self._programs.get(name)
        if found is None:
            found = self._programs[name] = jit(make(self.pure))
        return found

    def run(self, name: Any, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Callable[..., Any]:
        """The program as a function of NumPy arrays, without the further arguments."""
        made, leaves = self.program(name, make), self.operands.leaves

        def call(*values: Any) -> Any:
            try:
                return made(*values, leaves)
            except JitneyTypeError as error:
                self.explain(error)
                raise

        return call

    def explain(self, error: BaseException) -> None:
        """Say what to do with a function that cannot be traced."""
        text = (
            f"jitney.optimize compiles {self.kind} to take its derivatives, so it must be made of functions of jitney or NumPy. With jac=... (a "
            "function, or '2-point' for differences) it is called as it is; scipy.optimize does so always."
        )
        if text not in getattr(error, "__notes__", ()):
            error.add_note(text)

    # -- forms

    def value(self) -> Callable[[Any], Any]:
        """``x -> fun(x)``."""
        return _as_numpy(self.run("value", lambda f: f))

    def value_and_gradient(self) -> Callable[[Any], tuple[float, np.ndarray]]:
        """``x -> (fun(x), gradient)``, in one call."""
        run = self.run("value and gradient", value_and_grad)

        def both(x: Any) -> tuple[float, np.ndarray]:
            value, gradient = run(x)
            return float(value), np.array(gradient)

        return both

    def hessian(self) -> Callable[[Any], Any]:
        """``x -> Hessian``."""
        return _as_numpy(self.run("hessian", hessian))

    def hessian_product(self) -> Callable[[Any, Any], Any]:
        """``x, p -> Hessian @ p``, without the Hessian."""

        def make(f: Callable[..., Any]) -> Callable[..., Any]:
            return lambda x, p, leaves: jvp(lambda x: grad(f)(x, leaves), (x,), (p,))[1]

        run = _as_numpy(self.run("hessian product", make))
        return lambda x, p: run(x, np.asarray(p, np.result_type(x)))

    def jacobian(self) -> Callable[[Any], Any]:
        """``x -> Jacobian``, of shape ``[m, n]``."""
        return _as_numpy(self.run("jacobian", jacobian_of))

    def weighted_hessian(self) -> Callable[[Any, Any], Any]:
        """``x, v -> sum of v[i] * Hessian of fun(x)[i]``."""

        def make(f: Callable[..., Any]) -> Callable[..., Any]:
            return lambda x, v, leaves: hessian(lambda x: jnp.vdot(v, f(x, leaves)))(x)

        return _as_numpy(self.run("weighted hessian", make))


def jacobian_of(f: Callable[..., Any]) -> Callable[..., Any]:
    """Forwards or backwards, whichever takes fewer runs of ``f``, whose further arguments stay what they are."""

    def jacobian(x: Any, *more: Any) -> Any:
        from jitney._api.inspection import eval_shape

        several = get_aval(x).size > 2 * eval_shape(f, x, *more).size
        return (jacrev if several else jacfwd)(f)(x, *more)

    return jacobian


def _as_numpy(run: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: np.array(run(*values))  # solvers may write to what they get


def number(value: Any) -> Any:
    """What an objective returned, as a number."""
    aval = get_aval(value)
    if aval.size != 1:
        raise ValueError(
            f"The user-provided objective function must return a scalar value, but it returned an array of shape {aval.shape}."
        )
    _check_real(aval)
    return jnp.reshape(value, ()).astype(_floating(aval))


def vector(value: Any) -> Any:
    """What a function of residuals or constraints returned, as a vector."""
    plugs.refuse_lengths(value, "optimize")
    aval = get_aval(value)
    if aval.ndim > 1:
        raise ValueError(
            f"The function must return a vector of at most one axis, but it returned an array of shape {aval.shape}; ravel it."
        )
    _check_real(aval)
    return jnp.reshape(value, (-1,)).astype(_floating(aval))


def stacked(value: Any) -> Any:
    """The same where a list or tuple of numbers is a vector, too."""
    return vector(jnp.stack([jnp.asarray(v) for v in value]) if isinstance(value, (list, tuple)) else value)


def _floating(aval: Any) -> Any:
    return jnp.result_type(aval.dtype, float) if aval.dtype.kind != "f" else aval.dtype


def _check_real(aval: Any) -> None:
    if aval.dtype.kind == "c":
        raise TypeError(
            "The function returned complex numbers, of which there is no least one: return a real number, such as abs(z)**2, or real "
            "and imaginary parts as residuals."
        )


def starting_point(x0: Any, traced: bool = False) -> Any:
    """``x0`` as a vector of floating-point numbers."""
    array: Any = jnp.atleast_1d(jnp.asarray(x0)) if traced else np.atleast_1d(np.asarray(x0))
    if array.ndim != 1:
        raise ValueError(f"'x0' must only have one dimension, but its shape is {array.shape}.")
    if array.dtype.kind == "c":
        raise TypeError("x0 must be real: give real and imaginary parts as parameters of their own.")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"x0 must hold numbers, got {x0!r}.")
    if array.dtype.kind == "f":
        return array if traced else np.array(array)
    return array.astype(dtypes.default_dtype("f"))


def tracing() -> bool:
    """Whether a trace runs, so that values are not known."""
    return current_trace() is not None


def drive(
    function: Function,
    name: Any,
    start: Callable[[int], Any],
    advance: Callable[[Any, int], Any],
) -> Any:
    """The state at the end of a loop: ``start(until)``, then ``advance(state, until)`` as long as ``state.status`` is negative.

    Calls take a tenth of a second at most, as far as is known: how long iterations take is remembered from the last loop.
    """
    count = function.pace.get(name, 1)  # the first call compiles
    began = time.perf_counter()
    state = start(count)
    if name in function.pace:
        count = _adapted(count, int(state.iterations), time.perf_counter() - began)
    else:
        count = _FIRST
    while int(state.status) < 0:
        before = int(state.iterations)
        began = time.perf_counter()
        state = advance(state, before + count)
        count = _adapted(count, int(state.iterations) - before, time.perf_counter() - began)
    function.pace[name] = count
    return state


def _adapted(count: int, done: int, taken: float) -> int:
    """How many iterations may follow ``done`` ones that took ``taken`` seconds."""
    return min(max(int(min(8 * count, _SECONDS * max(done, 1) / max(taken, 1e-9))), 1), _MOST)
