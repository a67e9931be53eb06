"""``jitney.experimental.ode``: solutions of ordinary differential equations, with derivatives of all that they depend on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._api.calls import check_callable, check_leaf
from jitney._api.calls import expose as _expose
from jitney._base import dtypes, sources
from jitney._control.bodies import close_over as _close_over
from jitney._control.bodies import intern, rearranged, trace_body
from jitney._core import tree
from jitney._core.jaxpr import ClosedJaxpr
from jitney._core.trace import get_aval
from jitney.experimental._dormand_prince import Control, System
from jitney.experimental._sensitivity import solution

__all__ = ["odeint"]


def odeint(
    func: Callable[..., Any],
    y0: Any,
    t: Any,
    *args: Any,
    rtol: float = 1.4e-8,
    atol: float = 1.4e-8,
    mxstep: float = np.inf,
    hmax: float = np.inf,
) -> Any:
    """Solve ``dy/dt = func(y, t, *args)`` from ``y0``, by the pair of Dormand and Prince with steps of adapted size.

    Args:
        func: gives the slope of the state; a tree like ``y0``, or anything with the same elements in the same order.
        y0: the state at ``t[0]``, an array or a tree of arrays.
        t: times, floating-point numbers of shape ``(n,)`` that go up, or down.
        args: further arguments of ``func``, arrays or trees of them.
        rtol: relative error allowed for a step.
        atol: absolute error allowed for a step; errors are compared with ``atol + rtol * abs(y)``, in the mean square.
        mxstep: most steps from one time to the next.
        hmax: largest step.

    Returns:
        A tree like ``y0``: the states at the times ``t``, along a new first axis. States that are not reached (within
        ``mxstep`` steps, or with any step that makes a difference to the time) are NaN.

    Raises:
        TypeError: times are no floating-point numbers, an argument is no array, or ``func`` gives another number of elements.
        ValueError: times are not along one axis, or there are none.

    Derivatives by ``y0``, ``t``, ``args`` and whatever ``func`` closes over follow from the linearised equation in forward mode,
    and from the adjoint one in reverse mode, at any order; both are solved with the same tolerances, and reverse mode
    keeps the states at ``t`` only. From one of them it finds the states before backwards in time, and in shorter pieces where that
    misses the state known at the time before, as in stiff equations.

    Sources: Dormand and Prince (1980); Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I; Chen et al.
    (2018) for reverse mode.

    >>> import jitney, jitney.numpy as jnp
    >>> from jitney.experimental.ode import odeint
    >>> decay = lambda rate: odeint(lambda y, t: -rate * y, 1.0, jnp.array([0.0, 1.0]))[1]
    >>> round(float(decay(2.0)), 6), round(float(jitney.grad(decay)(2.0)), 6)
    (0.135335, -0.135335)
    """
    check_callable(func, "odeint")
    ts = _times(t)
    leaves, y_tree = tree.flatten(y0)
    state = [_as_state(x, number) for number, x in enumerate(leaves)]
    rest, in_tree = tree.flatten((tree.unflatten(y_tree, leaves), 0.0, *args))
    rest = rest[len(leaves) + 1 :]
    for x in rest:
        check_leaf(x, "", "odeint")
    program, closed_over = _program(func, y_tree, in_tree, state, ts, rest)
    control = Control(float(rtol), float(atol), float(mxstep), float(hmax))
    states, _ = solution(System(program, len(state), control), state, ts, [*rest, *closed_over], None)
    return tree.unflatten(y_tree, states)


def _times(t: Any) -> Any:
    ts = jnp.asarray(t)
    if not dtypes.is_floating(ts.dtype):
        raise TypeError(f"t must be an array of floats, but got {t}")
    if ts.ndim != 1 or ts.shape[0] == 0:
        raise ValueError(f"odeint needs times of shape (n,) with n >= 1, got shape {ts.shape}")
    return ts


def _as_state(x: Any, number: int) -> Any:
    check_leaf(x, f"y0 (leaf {number})", "odeint")
    x = jnp.asarray(x)
    return x.astype(x.dtype if x.dtype.kind in "fcV" else dtypes.default_dtype("f"))


def _program(
    func: Callable[..., Any], y_tree: Any, in_tree: Any, state: list[Any], ts: Any, rest: list[Any]
) -> tuple[ClosedJaxpr, list[Any]]:
    """The equation as a program ``(*state, t, *args, *values)``, and the values that ``func`` closes over."""
    wanted = [get_aval(y) for y in state]

    def fitted(fun: Callable[..., Any]) -> Callable[..., Any]:
        return lambda y, t, *args: _fit(fun(y, t, *args), y_tree, wanted, func)

    avals = [*wanted, get_aval(ts[0]), *map(get_aval, rest)]
    body = trace_body(func, in_tree, avals, "odeint", lambda leaves, out_tree: None, "odeint", fitted)
    closed, values = _close_over(body.closed)
    inputs = len(values) + len(avals)
    order = [*range(len(values), inputs), *range(len(values))]
    return intern(rearranged(closed, order, range(len(state)))), values


def _fit(slope: Any, y_tree: Any, wanted: list[Any], func: Any) -> list[Any]:
    """The leaves of what ``func`` gave, in the shapes and dtypes of the state."""
    found = [jnp.asarray(x) for x in tree.leaves(slope)]
    if [x.shape for x in found] != [a.shape for a in wanted]:
        count, want = sum(x.size for x in found), sum(a.size for a in wanted)
        if count != want:
            raise TypeError(
                f"odeint: the slope must have the elements of the state y0, {want} in all, but "
                f"{sources.function_location(func)} gave {count}: {tree.structure(slope)} of shapes {[x.shape for x in found]}"
            )
        flat = jnp.concatenate([x.ravel() for x in found])
        ends = np.cumsum([a.size for a in wanted])
        found = [flat[end - a.size : end].reshape(a.shape) for end, a in zip(ends, wanted, strict=True)]
    for x, a in zip(found, wanted, strict=True):
        if x.dtype.kind == "c" and a.dtype.kind != "c":
            raise TypeError(
                f"odeint: the slope is complex and the state y0 is not; start with a complex state: {sources.function_location(func)}"
            )
    return [x.astype(a.dtype) for x, a in zip(found, wanted, strict=True)]


_expose(globals())
