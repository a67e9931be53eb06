"""From a program and the numbers that vary to one program of fixed capacity.

Values have the sizes at capacity. Of an axis that varies the first ``n`` elements are those of the program that was traced, whatever
stands behind them; ``n`` is a further input. An operation whose rule (``rules.py``) keeps this is applied as it is, what must not
see the elements behind gets them replaced by something neutral first. The result is traced like any other function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitney._base.config import config
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.jaxpr import ClosedJaxpr, Literal
from jitney._core.primitive import registry
from jitney._core.staging import stage
from jitney._core.trace import get_aval
from jitney._kernel.rules import Map
from jitney._lengths.fitting import Fit, Refusal
from jitney._lengths.outlines import Hole, Length, Outline, Step, renumbered
from jitney._ops import raw


def integer_dtype() -> np.dtype:
    """The integers that programs count in."""
    return np.dtype(np.int64 if config.x64_enabled else np.int32)


def integer(n: int) -> Any:
    """A known number as a scalar of a program."""
    return integer_dtype().type(n)


class Value(NamedTuple):
    """A value at capacity and its sizes, of which some vary."""

    x: Any
    dims: tuple[int, ...]

    @property
    def open_axes(self) -> tuple[int, ...]:
        """The axes whose length varies."""
        return tuple([d for d, n in enumerate(self.dims) if type(n) is Length])


Rule = Callable[["Rewriting", Step, list[Value]], Any]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Make a function the rule of the operations ``names``."""

    def add(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return add


def as_it_is(rewriting: Rewriting, step: Step, ins: list[Value]) -> Any:
    """The operation keeps the first elements right."""
    return step.eqn.primitive.bind(*[v.x for v in ins], **plain(step))


def plain(step: Step) -> dict[str, Any]:
    """The parameters at capacity."""
    return {name: _plain(value, step) for name, value in step.params.items()}


def _plain(value: Any, step: Step) -> Any:
    if type(value) is Length:
        if not value.bounded:
            raise Refusal("a parameter is no simple function of the lengths", step.eqn)
        return int(value)
    if type(value) is Outline:
        if value.varies:
            raise Refusal("its programs depend on the length", step.eqn)
        return value.closed
    if isinstance(value, tuple):
        items = [_plain(v, step) for v in value]
        return tuple(items) if type(value) is tuple else type(value)(*items)
    if isinstance(value, list):
        return [_plain(v, step) for v in value]
    return value


def varies(value: Any) -> bool:
    """Whether a parameter has a number that varies."""
    if isinstance(value, tuple):
        return any(map(varies, value))
    return type(value) is Length or (type(value) is Outline and value.varies)


class Rewriting:
    """The values of one program while it is rewritten."""

    def __init__(self, scalars: Sequence[Any]) -> None:
        self.scalars = scalars

    # -- what rules ask for -----------------------------------------------------------------------

    def length(self, n: int, dtype: np.dtype | None = None) -> Any:
        """A size or parameter as a scalar of the program."""
        dtype = dtype or integer_dtype()
        if type(n) is not Length:
            return dtype.type(n)
        return convert(self.scalars[n.place], dtype)

    def inside(self, dims: Sequence[int], axes: Sequence[int]) -> Any:
        """Which elements are before the ends of ``axes``."""
        shape, found = tuple(map(int, dims)), None
        for axis in axes:
            places = raw.iota(integer_dtype(), shape, axis)
            here = registry["lt"].bind(places, self.length(dims[axis]))
            found = here if found is None else registry["and"].bind(found, here)
        return found

    def masked(self, value: Value, axes: Sequence[int], neutral: Any) -> Any:
        """The elements before the ends of ``axes``, and ``neutral`` (a scalar) elsewhere."""
        axes = [d for d in axes if type(value.dims[d]) is Length]
        if not axes:
            return value.x
        other = raw.broadcast_in_dim(neutral, get_aval(value.x).shape, ())
        return raw.select(self.inside(value.dims, axes), value.x, other)

    # -- running ----------------------------------------------------------------------------------

    def run(self, outline: Outline, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        """The results of a program on values at capacity."""
        jaxpr = outline.closed.jaxpr
        env: dict[Any, Value] = {}
        for var, x, dims in zip(jaxpr.constvars, consts, outline.const_dims, strict=True):
            env[var] = Value(x, dims)
        for var, x, dims in zip(jaxpr.invars, args, outline.in_dims, strict=True):
            env[var] = Value(x, dims)
        for step in outline.steps:
            outs = self.step(step, [self.read(env, a) for a in step.ins])
            for var, x, dims in zip(step.eqn.outvars, outs, step.dims, strict=True):
                env[var] = Value(x, dims)
        return [self.read(env, a).x for a in outline.outs]

    def read(self, env: dict[Any, Value], atom: Any) -> Value:
        if type(atom) is Hole:
            return Value(self.scalars[atom.place], ())
        return Value(atom.val, ()) if type(atom) is Literal else env[atom]

    def step(self, step: Step, ins: list[Value]) -> list[Any]:
        """The results of one equation."""
        primitive = step.eqn.primitive
        if not step.varies and not any(v.open_axes for v in ins):
            out = primitive.bind(*[v.x for v in ins], **step.eqn.params)
            return list(out) if primitive.multiple_results else [out]
        found = self.rule_of(step)
        try:
            out = found(self, step, ins)
        except (TypeError, ValueError, IndexError) as error:
            raise Refusal(f"it does not work at the capacity of the program ({error})", step.eqn) from error
        outs = list(out) if primitive.multiple_results else [out]
        for x, dims, var in zip(outs, step.dims, step.eqn.outvars, strict=True):
            aval = get_aval(x)
            if aval.shape != tuple(map(int, dims)) or aval.dtype != var.aval.dtype:
                raise Refusal("its result has another shape at the capacity of the program", step.eqn)
        return outs

    def rule_of(self, step: Step) -> Rule:
        primitive = step.eqn.primitive
        if registry.get(primitive.name) is primitive:
            if primitive.name in RULES:
                return RULES[primitive.name]
            if isinstance(primitive.lower, Map) and not varies(tuple(step.params.values())):
                return as_it_is
        raise Refusal("it is not known how to compute it for all lengths at once", step.eqn)


def convert(x: Any, dtype: np.dtype) -> Any:
    """A scalar in another dtype."""
    if get_aval(x).dtype == dtype and not get_aval(x).weak_type:
        return x
    return registry["convert_element_type"].bind(x, new_dtype=dtype, weak_type=False)


# -- whole programs -----------------------------------------------------------------------------------


class General(NamedTuple):
    """The program of one capacity: inputs are the constants that vary, the inputs, the scalars."""

    closed: ClosedJaxpr
    const_dims: list[tuple[int, ...]]  # of the constants that vary
    in_dims: list[tuple[int, ...]]
    out_dims: list[tuple[int, ...]]
    kinds: list[ShapedArray]  # types of the scalars


def outline_at(closed: ClosedJaxpr, fit: Fit, capacity: Sequence[int]) -> Outline:
    """The program with its numbers at capacity."""
    return renumbered(closed, fit.at_capacity(capacity))


def largest(outline: Outline) -> int:
    """The elements of the largest value."""
    sizes = [math.prod(d) for d in outline.in_dims]
    sizes += [math.prod(d) for step in outline.steps for d in step.dims]
    return max(sizes, default=0)


def generalise(fit: Fit, outline: Outline) -> General:
    """The program for all lengths up to the capacity of ``outline``; ``Refusal`` where there is none."""
    from jitney._lengths import load_rules

    load_rules()
    jaxpr = outline.closed.jaxpr
    moving = [d for d, moves in zip(outline.const_dims, fit.consts, strict=True) if moves]
    moving_vars = [v for v, moves in zip(jaxpr.constvars, fit.consts, strict=True) if moves]
    avals = [_at(v.aval, d) for v, d in zip(moving_vars, moving, strict=True)]
    avals += [_at(v.aval, d) for v, d in zip(jaxpr.invars, outline.in_dims, strict=True)]
    kinds = [shaped_array((), integer_dtype(), False) if kind is None else kind for kind in fit.kinds]
    avals += kinds
    ends = (len(moving), len(moving) + len(jaxpr.invars))

    def body(*args: Any) -> list[Any]:
        given = iter(args[: ends[0]])
        consts = [
            next(given) if moves else c for moves, c in zip(fit.consts, outline.closed.consts, strict=True)
        ]
        return Rewriting(args[ends[1] :]).run(outline, consts, args[ends[0] : ends[1]])

    closed = stage(body, avals)
    closed.jaxpr.debug_info = jaxpr.debug_info
    out_dims = [_dims_of(outline, a) for a in outline.outs]
    return General(closed, moving, list(outline.in_dims), out_dims, kinds)


def _at(aval: ShapedArray, dims: Sequence[int]) -> ShapedArray:
    return shaped_array(tuple(map(int, dims)), aval.dtype, aval.weak_type)


def _dims_of(outline: Outline, atom: Any) -> tuple[int, ...]:
    """The sizes of a result."""
    jaxpr = outline.closed.jaxpr
    if type(atom) in (Literal, Hole):
        return ()
    for var, dims in zip(
        [*jaxpr.invars, *jaxpr.constvars], [*outline.in_dims, *outline.const_dims], strict=True
    ):
        if var is atom:
            return dims
    return next(
        d for step in outline.steps for v, d in zip(step.eqn.outvars, step.dims, strict=True) if v is atom
    )
