"""``foreign``: a C or Python function as an operation of jitney's.  Begin at :func:`foreign`.

A ``ForeignFunction`` finds out at its making how it is called (``_CNumbers``, ``_CArrays``, ``_Python``) and how it is
differentiated (``derivatives.Rule``); its calls are ``custom_jvp`` calls around a primitive of ``primitives.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import boundary
from jitney._api.custom_jvp import custom_jvp
from jitney._core.trace import current_trace
from jitney._foreign.calls import Call, call_of
from jitney._foreign.derivatives import Rule


class ForeignFunction:
    """A function of C or Python that ``foreign`` made an operation; called with positional arguments."""

    def __init__(self, call: Call, rule: Rule, wrapped: Any) -> None:
        self._call, self._rule = call, rule
        self.__wrapped__ = wrapped
        self.__name__ = self.__qualname__ = call.name
        self.__doc__ = getattr(wrapped, "__doc__", None)

        def run(*args: Any) -> Any:
            return call(args)

        run.__name__ = run.__qualname__ = call.name

        def derivative(primals: tuple, tangents: tuple) -> tuple[Any, Any]:
            return rule.jvp(self, primals, tangents)

        self._differentiable = custom_jvp(run)
        self._differentiable.defjvp(derivative, symbolic_zeros=True)

    def __call__(self, *args: Any) -> Any:
        if current_trace() is None:
            return self._call(args)
        return self._differentiable(*args)

    __call__ = boundary(__call__)  # type: ignore[method-assign]

    def derivative_error(self, *args: Any) -> Any:
        """Estimated absolute errors of the derivatives at ``args``, where they are differences or complex steps.

        Returns:
            An array for the argument, a tuple for several: of the result's shape for functions of numbers and ufuncs, whose
            derivatives are elementwise; else of the shape of the Jacobian, the result's and then the argument's.
            None for arguments that are not floats. What is NaN or infinite: no step gave finite values.

        Raises:
            ValueError: the derivative was given (``jitney.test_util.check_grads`` compares it with differences).

        Example:
            >>> import jitney, numpy as np
            >>> f = jitney.foreign(np.arctan, derivative="finite")
            >>> error = f.derivative_error(0.5)
            >>> bool(abs(jitney.grad(f)(0.5) - 0.8) < error < 1e-9)
            True
        """
        return self._rule.errors(self, args)

    derivative_error = boundary(derivative_error)

    def __repr__(self) -> str:
        return f"<foreign function {self.__name__}: {self._call.described}; {self._rule.described}>"


ForeignFunction.__module__ = "jitney"


def foreign(
    fn: Any = None,
    *,
    signature: str | None = None,
    out: Any = None,
    jvp: Callable[..., Any] | None = None,
    vjp: Callable[..., Any] | None = None,
    derivative: str | Sequence[Callable[..., Any]] | None = None,
    step: float | None = None,
    vectorized: bool = False,
    gil: bool | None = None,
    name: str | None = None,
) -> Any:
    """A C, Fortran, Cython, Numba or NumPy function as an operation that compiles, batches and differentiates.

    A pointer to a C function of numbers (``double f(double, int)``) becomes an elementwise function: arguments broadcast,
    and compiled loops call the pointer itself, without Python's lock, from as many threads as there are. A pointer to one of
    arrays (``void f(int64_t n, const double x[n], double out[n])``) is called by compiled code with the memory of its
    arguments, row by row. Any other callable is called with NumPy arrays, under the lock. Functions are taken to be
    pure: calls may be left out, shared or repeated.

    Args:
        fn: a ctypes or cffi function pointer, Numba ``cfunc``, SciPy ``LowLevelCallable``, capsule of Cython's, an address; or a
            Python callable (NumPy function, ufunc, f2py or Cython function). Without it, a decorator is returned.
        signature: the function in C's words, where the pointer does not say it itself or not enough. Of arrays, names of
            integer parameters in brackets are their sizes, filled in at each call; ``const`` ones are arguments, the others
            results. Without brackets, the only integer is the number of elements of every array.
        out: what the function returns, where neither signature nor arguments tell: a ``ShapeDtypeStruct`` (or any tree of things
            with shape and dtype), or a function from those of the arguments to it. Without it, a Python function is
            called once with arrays of ones when it is traced.
        jvp: ``jvp(primals, tangents) -> tangent of the result``; both are tuples with one entry for each argument. A foreign
            function is called with all primals and then all tangents, flat.
        vjp: ``vjp(primals, cotangent) -> cotangents of the arguments``, a tuple (of one argument: it alone will do). A
            foreign function is called with the primals and then the cotangent. With both, forward mode uses ``jvp``
            and reverse mode ``vjp``; one of them alone serves both, the other way by one call for each component.
        derivative: ``"finite"``: central differences extrapolated by Ridders' method; ``"complex"``: a complex step, for Python
            functions that are analytic and take complex arrays; or, for elementwise functions, a sequence with the partial
            derivatives, each a function of the same arguments. Derivatives of derivatives are differences again.
        step: the largest step of differences; by default 1/8 of the argument's size, and of 1 for smaller ones.
        vectorized: under ``vmap`` a Python function is called once with a leading axis on all arguments (and returns it), a C
            function of arrays with as many more elements. Otherwise batches are loops.
        gil: call the pointer one at a time and under Python's lock: for code that is not thread-safe or runs Python.
        name: the name in messages and jaxprs.

    Returns:
        A function of positional arguments, with ``derivative_error(*args)``, the estimated errors of differences.

    Raises:
        TypeError: nothing is known of a pointer's parameters; when called, arguments that do not fit them (dtypes are
            only widened), or several ways to differentiate at once.
        ValueError: a signature that is not understood; when differentiated, a function without derivative.
        RuntimeError: when called, results that are not as described.
        Exception: what a Python function raises reaches the caller.

    Example:
        >>> import ctypes, jitney, jitney.numpy as jnp
        >>> libm = ctypes.CDLL(None)
        >>> cosine = jitney.foreign(libm.cos, signature="double cos(double)", derivative=[lambda x: -jnp.sin(x)])
        >>> f = jitney.jit(lambda x: jnp.sum(cosine(x) ** 2))
        >>> round(float(f(jnp.arange(3.0))), 6), round(float(jitney.grad(f)(jnp.arange(3.0))[1]), 6)
        (1.465105, -0.909297)
    """
    options = {
        "signature": signature,
        "out": out,
        "jvp": jvp,
        "vjp": vjp,
        "derivative": derivative,
        "step": step,
        "vectorized": vectorized,
        "gil": gil,
        "name": name,
    }
    if fn is None:
        return functools.partial(foreign, **options)
    call = call_of(fn, signature=signature, out=out, vectorized=bool(vectorized), gil=gil, name=name)
    rule = Rule(call, jvp, vjp, derivative, step)
    return ForeignFunction(call, rule, fn)


foreign.__module__ = "jitney"
foreign = boundary(foreign)

__all__ = ["ForeignFunction", "foreign"]
