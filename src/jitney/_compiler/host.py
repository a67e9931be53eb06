"""Calls from native code back to the NumPy meaning of an equation."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np


def view(address: int, aval: Any) -> np.ndarray:
    """The array of type ``aval`` that lies at ``address``."""
    if aval.size == 0:
        return np.empty(aval.shape, aval.dtype)
    memory = (ctypes.c_char * aval.nbytes).from_address(address)
    return np.frombuffer(memory, aval.dtype).reshape(aval.shape)


class HostCall:
    """A function of addresses (of the inputs that are no literals) that runs the meaning of ``primitive``.

    ``literals`` has a value for each input that is one, else None; without a primitive it is a copy.
    """

    __slots__ = ("in_avals", "literals", "many", "meaning", "out_avals", "params", "primitive")

    def __init__(
        self,
        primitive: Any,
        params: dict[str, Any],
        literals: Sequence[np.ndarray | None],
        in_avals: Sequence[Any],
        out_avals: Sequence[Any],
    ) -> None:
        self.primitive, self.params, self.literals = primitive, params, literals
        self.in_avals, self.out_avals = in_avals, out_avals
        self.meaning: Any = _same if primitive is None else primitive.numpy or primitive.impl
        self.many = primitive is not None and primitive.multiple_results

    def __call__(self, in_addresses: tuple[int, ...], out_addresses: tuple[int, ...]) -> None:
        rest = iter(in_addresses)
        args = [
            view(next(rest), aval) if x is None else x
            for x, aval in zip(self.literals, self.in_avals, strict=True)
        ]
        with np.errstate(all="ignore"):
            results = self.meaning(*args, **self.params)
        for address, aval, result in zip(
            out_addresses, self.out_avals, results if self.many else [results], strict=True
        ):
            view(address, aval)[...] = np.asarray(result)


def _same(x: Any) -> Any:
    return x


def host_function(step: Any) -> HostCall:
    """The call that a step makes."""
    literals = [np.asarray(n.value, n.aval.dtype) if n.kind == "literal" else None for n in step.inputs]
    in_avals, out_avals = [n.aval for n in step.inputs], [n.aval for n in step.outputs]
    if step.eqn is None:  # a copy
        return HostCall(None, {}, literals, in_avals, out_avals)
    return HostCall(step.eqn.primitive, step.eqn.params, literals, in_avals, out_avals)
