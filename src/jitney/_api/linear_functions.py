"""The linear functions that ``vjp`` and ``linearize`` return: trees whose leaves are the residuals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._api.calls import as_array, boundary
from jitney._core import tree
from jitney._core.avals import float0, tangent_aval
from jitney._core.jaxpr import ClosedJaxpr
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._ops import shapes
from jitney._ops.elementwise import convert
from jitney._transforms.linearize import LinearMap


def instantiate_all(cts: Sequence[Any], primals: Sequence[Any]) -> list[Any]:
    """Cotangents as arrays of the shape of their inputs."""
    out = []
    for ct, x in zip(cts, primals, strict=True):
        aval = get_aval(x)
        if type(ct) is Zero:
            ct = np.zeros(aval.shape, float0) if ct.aval.dtype == float0 else shapes.zeros(aval)
        out.append(as_array(ct))
    return out


def check_tangent(x: Any, t: Any, what: str) -> Any:
    aval, have = get_aval(x), get_aval(t)
    want = tangent_aval(aval)
    if have.shape != aval.shape:
        raise ValueError(
            f"{what} called with different primal and tangent shapes; got primal shape {aval.shape} and tangent shape {have.shape}."
        )
    if have.dtype != want.dtype:
        raise TypeError(
            f"primal and tangent arguments to {what} do not match; dtypes must be equal, or in case of int/bool primal dtype "
            f"the tangent dtype must be float0. Got primal dtype {aval.dtype.name} and so expected tangent dtype "
            f"{want.dtype.name if want.dtype != float0 else 'float0'}, but got tangent dtype {have.dtype.name} instead."
        )
    return Zero(want) if want.dtype == float0 else convert(t, want.dtype, True) if want.weak_type else t


def _check_linear_tangent(x: Any, t: Any) -> Any:
    aval, have = get_aval(x), get_aval(t)
    want = tangent_aval(aval)
    if have.shape != want.shape or have.dtype != want.dtype:
        raise ValueError(
            "linearized function called on tangent values inconsistent with the original primal values: got tangent of "
            f"type {have.str_short()} for primal of type {aval.str_short()}, but expected {want.str_short()}."
        )
    return check_tangent(x, t, "the linearized function")


class LinearFunction:
    """A linear map with the trees and types of the function that it came from."""

    def __init__(
        self, linear: LinearMap, in_tree: Any, out_tree: Any, outs: Sequence[Any], leaves: Sequence[Any]
    ) -> None:
        self.linear = linear
        self.in_tree = in_tree
        self.out_tree = out_tree
        self.out_avals = [get_aval(y) for y in outs]
        self.in_avals = [get_aval(x) for x in leaves]


class Pullback(LinearFunction):
    """The function that ``vjp`` returns: output cotangents to a tuple of input cotangents."""

    def _pull(self, ct: Any) -> tuple:
        cts, ct_tree = tree.flatten(ct)
        if ct_tree != self.out_tree:
            raise ValueError(
                f"unexpected tree structure of argument to vjp function: got {ct_tree}, but expected to match {self.out_tree}."
            )
        for given, aval in zip(cts, self.out_avals, strict=True):
            self._check(given, aval)
        return tree.unflatten(self.in_tree, instantiate_all(self.linear.transpose(cts), self.in_avals))

    @staticmethod
    def _check(ct: Any, aval: Any) -> None:
        have, want = get_aval(ct), tangent_aval(aval)
        if have.shape == aval.shape and have.dtype == aval.dtype:  # of an integer output, it is ignored
            return
        if have.shape != want.shape or have.dtype != want.dtype:
            raise ValueError(
                f"unexpected shape or dtype of argument to vjp function: got {have.str_short()}, but expected {want.str_short()} "
                f"because the corresponding output of the differentiated function had type {aval.str_short()}."
            )

    __call__ = boundary(_pull)


class Pushforward(LinearFunction):
    """The function that ``linearize`` returns: input tangents to output tangents."""

    def _push(self, *tangents: Any) -> Any:
        given, given_tree = tree.flatten(tangents)
        if given_tree != self.in_tree:
            raise TypeError(
                f"linearized function called with tangents of structure {given_tree}, expected {self.in_tree}."
            )
        checked = [_check_linear_tangent(x, t) for x, t in zip(self.in_avals, given, strict=True)]
        return tree.unflatten(self.out_tree, instantiate_all(self.linear.apply(checked), self.out_avals))

    __call__ = boundary(_push)


class _Fixed:
    """What a linear function is made of besides its residuals; equal to itself only."""

    def __init__(self, function: LinearFunction) -> None:
        self.kind = type(function)
        self.state = {name: value for name, value in vars(function).items() if name != "linear"}
        linear = function.linear
        self.parts = linear.closed.jaxpr, linear.zero_in, linear.zero_out


def _residuals(function: LinearFunction) -> tuple[tuple[Any, ...], _Fixed]:
    if "fixed" not in vars(function):
        function.fixed = _Fixed(function)
    return tuple(function.linear.closed.consts), function.fixed


def _with_residuals(fixed: _Fixed, residuals: Any) -> LinearFunction:
    made = object.__new__(fixed.kind)
    vars(made).update(fixed.state, fixed=fixed)
    jaxpr, zero_in, zero_out = fixed.parts
    made.linear = LinearMap(ClosedJaxpr(jaxpr, tuple(residuals)), zero_in, zero_out)
    return made


# The functions are trees whose leaves are the residuals, so that they pass through compiled functions.
for _kind in (Pullback, Pushforward):
    tree.register_node(_kind, _residuals, _with_residuals)
