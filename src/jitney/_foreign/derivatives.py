"""Derivatives of foreign functions: by rules of the user's, by differences, by a complex step.  Begin at :class:`Rule`.

A derivative is a linear map of tangents. Where it is written in jitney's operations, it is transposed like anything
else; where it is not (a foreign ``jvp``, differences), or has a transpose of its own (``vjp``), it is a ``linear_call`` with two
programs. One that is missing is made of the other, a call for each component. Second derivatives are derivatives of these
programs by the arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import jitney.numpy as jnp
from jitney._api.custom_rules import SymbolicZero
from jitney._api.linear_call import linear_call
from jitney._base.dtypes import float0
from jitney._core import tree
from jitney._core.avals import ShapedArray
from jitney._core.trace import get_aval
from jitney._foreign import differences
from jitney._foreign.calls import Call
from jitney._foreign.slopes import (
    by_columns,
    by_differences,
    elementwise_by_differences,
    elementwise_slope,
    flat_elementwise,
    over_basis,
    slope_along,
)
from jitney._ops.strong_products import chain

METHODS = ("finite", "complex")
Flat = Callable[..., list[Any]]


class Rule:
    """How one foreign function is differentiated."""

    def __init__(self, call: Call, jvp: Any, vjp: Any, derivative: Any, step: float | None) -> None:
        self.call, self.user_jvp, self.user_vjp, self.step = call, jvp, vjp, step
        self.method: str | None = derivative if isinstance(derivative, str) else None
        self.partials: tuple[Callable[..., Any], ...] | None = None
        self._complex: Any = None
        if derivative is not None and not isinstance(derivative, str):
            self.partials = (derivative,) if callable(derivative) else tuple(derivative)
        self._check(derivative)
        if self.method == "complex":
            self._complex = self._of_complex()

    def _check(self, derivative: Any) -> None:
        name = self.call.name
        if derivative is not None and (self.user_jvp is not None or self.user_vjp is not None):
            raise TypeError(f"jitney.foreign: {name} has jvp= or vjp= and derivative=: give one of them.")
        for which, rule in (("jvp", self.user_jvp), ("vjp", self.user_vjp)):
            if rule is not None and not callable(rule):
                raise TypeError(f"jitney.foreign: {which}= of {name} must be a function, got {rule!r}.")
        if self.method is not None and self.method not in METHODS:
            raise ValueError(
                f"jitney.foreign: derivative={derivative!r} of {name} is unknown: 'finite' (differences), 'complex' (a complex step) "
                "or a sequence of the partial derivatives."
            )
        if self.partials is not None and not (self.call.elementwise and all(map(callable, self.partials))):
            why = (
                "takes functions"
                if self.call.elementwise
                else "is for elementwise functions: give jvp= or vjp="
            )
            raise TypeError(f"jitney.foreign: derivative=[...] of {name} {why}.")
        if self.step is not None and (self.method != "finite" or not self.step > 0):
            raise ValueError(
                f"jitney.foreign: step={self.step!r} of {name}: a positive number, for derivative='finite'."
            )

    def _of_complex(self) -> Any:
        from jitney._foreign.functions import ForeignFunction

        call = self.call.of_complex()
        return ForeignFunction(call, Rule(call, None, None, None, None), None)

    @property
    def described(self) -> str:
        """How, in words."""
        given = [n for n, r in (("jvp", self.user_jvp), ("vjp", self.user_vjp)) if r is not None]
        if self.partials is not None:
            given = ["partial derivatives"]
        return (
            f"derivative by {self.method or ' and '.join(given)}" if self.method or given else "no derivative"
        )

    # -- the rule of custom_jvp

    def jvp(self, function: Any, primals: tuple, tangents: tuple) -> tuple[Any, Any]:
        """The result and its tangent."""
        out = function(*primals)
        moved = _Moved(primals, tangents, out)
        if not moved.places or not moved.results:
            return out, moved.result_tangents([])
        if not (self.method or self.partials or self.user_jvp or self.user_vjp):
            raise ValueError(
                f"foreign function {self.call.name!r} has no derivative: pass jvp=..., vjp=... or derivative='finite'"
            )
        if self.partials is not None or (self.call.elementwise and self._by_partials()):
            return out, moved.result_tangents([self._elementwise(function, moved)])
        if self.call.elementwise:
            moved.broadcast()
        if self.user_jvp is not None and self.user_vjp is None and not _is_foreign(self.user_jvp):
            return out, moved.result_tangents(self._forward(function, moved)(moved.leaves, moved.tangents))
        forward = self._forward(function, moved)
        backward = self._backward(moved, forward)
        return out, moved.result_tangents(linear_call(forward, backward, moved.leaves, moved.tangents))

    def _by_partials(self) -> bool:
        """Whether an elementwise function has no map of tangents that is written in jitney's operations."""
        return self.method is not None or (self.user_vjp is None and _is_foreign(self.user_jvp))

    # -- elementwise functions

    def _elementwise(self, function: Any, moved: _Moved) -> Any:
        total: Any = None
        shape = moved.out_avals[0].shape
        for place, t in zip(moved.places, moved.tangents, strict=True):
            slope = self._partial(function, moved.leaves, place, shape)
            term = chain(
                *[jnp.broadcast_to(jnp.asarray(x).astype(moved.result_dtype), shape) for x in (t, slope)]
            )
            total = term if total is None else total + term
        return total

    def _partial(self, function: Any, xs: Sequence[Any], place: int, shape: tuple[int, ...]) -> Any:
        if self.partials is not None:
            if place >= len(self.partials):
                raise TypeError(
                    f"jitney.foreign: {self.call.name} is differentiated by argument {place}, but derivative= has "
                    f"{len(self.partials)} partial derivatives."
                )
            slope = self.partials[place](*xs)
            if np.broadcast_shapes(get_aval(slope).shape, shape) != shape:
                raise TypeError(
                    f"jitney.foreign: partial derivative {place} of {self.call.name} is {get_aval(slope).str_short()}, but the "
                    f"result has shape {shape}."
                )
            return slope
        if self.user_jvp is not None:
            floats = [n for n, x in enumerate(xs) if get_aval(x).dtype.kind in "fc"]
            return self.user_jvp(*xs, *[jnp.full_like(xs[n], float(n == place)) for n in floats])
        full = [jnp.broadcast_to(x, shape) if n == place else x for n, x in enumerate(xs)]
        if self.method == "complex" and get_aval(xs[place]).dtype.kind == "f":
            run = lambda *xs: differences.complex_partial(flat_elementwise(self._complex), xs, place)  # noqa: E731
            return elementwise_by_differences(run, None, 1.0)(*full)
        return elementwise_slope(flat_elementwise(function), place, self.step, 1.0)(*full)

    # -- maps of tangents, of flat lists: residuals are the arguments

    def _forward(self, function: Any, moved: _Moved) -> Callable[[list, list], list]:
        if self.user_jvp is not None:
            return lambda xs, ts: self._call_jvp(moved, xs, ts)
        if self.user_vjp is not None:
            return lambda xs, ts: self._by_rows(moved, xs, ts)
        if self.method == "complex" and all(
            get_aval(moved.leaves[p]).dtype.kind == "f" for p in moved.places
        ):
            count = len(moved.leaves)
            run = lambda *both: _complex_along(moved, self._complex, both[:count], both[count:])  # noqa: E731
            return lambda xs, ts: by_differences(run, None, 1.0)(*xs, *ts)
        return slope_along(lambda *xs: _float_results(moved, function, xs), moved.places, self.step, 1.0)

    def _backward(self, moved: _Moved, forward: Any) -> Callable[[list, list], list]:
        if self.user_vjp is not None:
            return lambda xs, cts: self._call_vjp(moved, xs, cts)
        return lambda xs, cts: by_columns(moved.places, forward, xs, cts)

    def _call_jvp(self, moved: _Moved, xs: Sequence[Any], ts: Sequence[Any]) -> list[Any]:
        full = [_zero_tangent(x) for x in xs]
        for p, t in zip(moved.places, ts, strict=True):
            full[p] = t
        if _is_foreign(self.user_jvp):
            floats = [t for t in full if get_aval(t).dtype != float0]
            found = self.user_jvp(*xs, *floats)
        else:
            found = self.user_jvp(moved.arguments(xs), moved.arguments(full))
        leaves, found_tree = tree.flatten(found)
        if found_tree != moved.out_tree:
            raise TypeError(
                f"jitney.foreign: jvp= of {self.call.name} returned {found_tree}, but tangents have the structure of the result, "
                f"{moved.out_tree}."
            )
        picked = [leaves[n] for n in moved.results]
        wanted = [moved.out_avals[n] for n in moved.results]
        return self._fitted(picked, wanted, "jvp= of", "a tangent")

    def _call_vjp(self, moved: _Moved, xs: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        full = [_zero_tangent(y) for y in moved.out_avals]
        for n, ct in zip(moved.results, cts, strict=True):
            full[n] = ct
        if _is_foreign(self.user_vjp):
            found = self.user_vjp(*xs, *[c for c in full if get_aval(c).dtype != float0])
        else:
            found = self.user_vjp(moved.arguments(xs), tree.unflatten(moved.out_tree, full))
        return self._cotangents(moved, xs, found)

    def _cotangents(self, moved: _Moved, xs: Sequence[Any], found: Any) -> list[Any]:
        """The leaves of what ``vjp`` returned that belong to arguments which move; None stands for zeros."""
        arguments = moved.arguments(xs)
        if len(arguments) == 1 and type(found) is not tuple:
            found = (found,)
        if type(found) in (tuple, list) and _is_foreign(self.user_vjp) and len(found) < len(arguments):
            rest = iter(found)  # one for each argument of floats
            found = tuple([next(rest, None) if _has_floats(a) else None for a in arguments])
        if type(found) not in (tuple, list) or len(found) != len(arguments):
            got = f"{len(found)} entries" if isinstance(found, (tuple, list)) else f"a {type(found).__name__}"
            raise TypeError(
                f"jitney.foreign: vjp= of {self.call.name} must return a tuple with a cotangent for each of {len(arguments)} "
                f"arguments, got {got}."
            )
        leaves: list[Any] = []
        for n, (a, ct) in enumerate(zip(arguments, found, strict=True)):
            own, a_tree = tree.flatten(a)
            given, ct_tree = ([None] * len(own), a_tree) if ct is None else tree.flatten(ct)
            if ct_tree != a_tree:
                raise TypeError(
                    f"jitney.foreign: vjp= of {self.call.name} returned {ct_tree} for argument {n}, which is {a_tree}."
                )
            leaves += given
        picked = [jnp.zeros_like(xs[p]) if leaves[p] is None else leaves[p] for p in moved.places]
        return self._fitted(picked, [get_aval(xs[p]) for p in moved.places], "vjp= of", "a cotangent")

    def _fitted(self, found: list[Any], wanted: Sequence[ShapedArray], what: str, kind: str) -> list[Any]:
        """What a rule returned, in the dtypes of what it belongs to; ``TypeError`` for other shapes."""
        for x, aval in zip(found, wanted, strict=True):
            got = get_aval(x)
            if got.shape != aval.shape or (got.dtype.kind == "c" and aval.dtype.kind != "c"):
                raise TypeError(
                    f"jitney.foreign: {what} {self.call.name} returned {kind} {got.str_short()} for {aval.str_short()}."
                )
        return [jnp.asarray(x).astype(a.dtype) for x, a in zip(found, wanted, strict=True)]

    def _by_rows(self, moved: _Moved, xs: Sequence[Any], ts: Sequence[Any]) -> list[Any]:
        """Tangents from ``vjp``: a call for each component of the results, one if they are elementwise."""
        if self.call.elementwise:
            slopes = self._call_vjp(moved, xs, [jnp.ones(moved.out_avals[0].shape, moved.result_dtype)])
            return [sum(chain(t, slope) for t, slope in zip(ts, slopes, strict=True))]
        found = []
        for k, n in enumerate(moved.results):
            aval = moved.out_avals[n]

            def row(e: Any, k: int = k) -> Any:
                cts = [
                    e if j == k else _zero_tangent(moved.out_avals[m]) for j, m in enumerate(moved.results)
                ]
                grads = self._call_vjp(moved, xs, cts)
                return sum(jnp.sum(g * t).astype(aval.dtype) for g, t in zip(grads, ts, strict=True))

            found.append(jnp.reshape(over_basis(row, aval), aval.shape))
        return found

    # -- errors

    def errors(self, function: Any, args: tuple) -> Any:
        """The estimated errors of all derivatives at ``args``."""
        if self.method is None:
            raise ValueError(
                f"foreign function {self.call.name!r} has no derivative by differences or a complex step whose error could be "
                "estimated: pass derivative='finite' or 'complex'."
            )
        moved = _Moved(args, tree.map(lambda x: x, args), function(*args))
        moved.keep_floats()
        found = self._elementwise_errors(function, moved) if self.call.elementwise else None
        if found is None:
            found = [_columns_errors(self, function, moved, k) for k in range(len(moved.places))]
        leaves: list[Any] = [None] * len(moved.leaves)
        for p, per_result in zip(moved.places, found, strict=True):
            rest = iter(per_result)
            full = [next(rest) if n in moved.results else None for n in range(len(moved.out_avals))]
            leaves[p] = tree.unflatten(moved.out_tree, full)
        arguments = moved.arguments(leaves)
        return arguments[0] if len(arguments) == 1 else arguments

    def _elementwise_errors(self, function: Any, moved: _Moved) -> list[list[Any]]:
        shape = moved.out_avals[0].shape
        found = []
        for p in moved.places:
            full = [jnp.broadcast_to(x, shape) if n == p else x for n, x in enumerate(moved.leaves)]
            slope, error = differences.partial(flat_elementwise(function), full, p, self.step)
            if self.method == "complex":
                step = self._partial(function, moved.leaves, p, shape)
                error = disagreement(step, slope, error)
            found.append([error])
        return found


def disagreement(step: Any, slope: Any, error: Any) -> Any:
    """The error of a complex step: its rounding, or what differences see beyond their own error if more."""
    rounding = 4 * differences.epsilon_of(step) * jnp.abs(step)
    return jnp.maximum(rounding, jnp.maximum(jnp.abs(step - slope) - error, 0))


class _Moved:
    """The flat arguments of one call, those that have tangents, and its flat results."""

    def __init__(self, primals: tuple, tangents: tuple, out: Any) -> None:
        self.leaves, self.in_tree = tree.flatten(primals)
        given = tree.leaves(tangents)
        self.places = [
            n
            for n, (x, t) in enumerate(zip(self.leaves, given, strict=True))
            if type(t) is not SymbolicZero and get_aval(x).dtype.kind in "fc"
        ]
        self.tangents = [given[n] for n in self.places]
        outs, self.out_tree = tree.flatten(out)
        self.out_avals = [get_aval(y) for y in outs]
        self.results = [n for n, a in enumerate(self.out_avals) if a.dtype.kind in "fc"]

    @property
    def result_dtype(self) -> np.dtype:
        return self.out_avals[0].dtype

    def broadcast(self) -> None:
        """Arguments of an elementwise function, and their tangents, get its result's shape."""
        shape = self.out_avals[0].shape
        self.leaves = [jnp.broadcast_to(x, shape) for x in self.leaves]
        self.tangents = [jnp.broadcast_to(t, shape) for t in self.tangents]

    def keep_floats(self) -> None:
        """All arguments of floats move."""
        self.places = [n for n, x in enumerate(self.leaves) if get_aval(x).dtype.kind in "fc"]
        self.leaves = [jnp.asarray(x) for x in self.leaves]

    def arguments(self, leaves: Sequence[Any]) -> tuple:
        return tree.unflatten(self.in_tree, list(leaves))

    def runner(self, function: Any, xs: Sequence[Any]) -> Flat:
        """``function`` of those arguments that move, to results of floats."""

        def run(*moving: Any) -> list[Any]:
            full = list(xs)
            for p, x in zip(self.places, moving, strict=True):
                full[p] = x
            outs = tree.leaves(function(*self.arguments(full)))
            return [outs[n] for n in self.results]

        return run

    def result_tangents(self, found: Sequence[Any]) -> Any:
        rest = iter(found)
        full = [next(rest, None) if n in self.results else None for n in range(len(self.out_avals))]
        return tree.unflatten(
            self.out_tree,
            [_zero_tangent(a) if t is None else t for t, a in zip(full, self.out_avals, strict=True)],
        )


def _zero_tangent(x: Any) -> Any:
    aval = get_aval(x)
    return jnp.zeros(aval.shape, aval.dtype) if aval.dtype.kind in "fc" else np.zeros(aval.shape, float0)


def _is_foreign(f: Any) -> bool:
    from jitney._foreign.functions import ForeignFunction

    return isinstance(f, ForeignFunction)


def _has_floats(argument: Any) -> bool:
    return any(get_aval(x).dtype.kind in "fc" for x in tree.leaves(argument))


def _complex_along(moved: _Moved, function: Any, xs: Sequence[Any], ts: Sequence[Any]) -> list[Any]:
    return differences.complex_along(moved.runner(function, xs), [xs[p] for p in moved.places], ts)


def _float_results(moved: _Moved, function: Any, xs: Sequence[Any]) -> list[Any]:
    outs = tree.leaves(function(*moved.arguments(xs)))
    return [outs[n] for n in moved.results]


def _columns_errors(rule: Rule, function: Any, moved: _Moved, k: int) -> list[Any]:
    """The errors of the derivatives of all results by the k-th argument that moves."""
    aval = get_aval(moved.leaves[moved.places[k]])
    xs = moved.leaves
    moving = [xs[p] for p in moved.places]

    def column(e: Any) -> list[Any]:
        ts = [e if j == k else jnp.zeros_like(x) for j, x in enumerate(moving)]
        slopes, errors = differences.along(moved.runner(function, xs), moving, ts, rule.step)
        if rule.method == "complex":
            steps = _complex_along(moved, rule._complex, xs, ts)
            errors = [disagreement(*each) for each in zip(steps, slopes, errors, strict=True)]
        return errors

    found = over_basis(column, aval)
    return [jnp.reshape(jnp.moveaxis(e, 0, -1), (*e.shape[1:], *aval.shape)) for e in found]


__all__ = ["METHODS", "Rule"]
