"""Calls from native code back to the NumPy meaning of an equation."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._base import sources


def view(aval: Any) -> Callable[[int], np.ndarray]:
    """A function of an address: the array of type ``aval`` that lies there."""
    shape, dtype = aval.shape, aval.dtype
    if aval.size == 0:
        return lambda address: np.empty(shape, dtype)
    memory = (ctypes.c_char * aval.nbytes).from_address
    return lambda address: np.ndarray(shape, dtype, memory(address))


class HostCall:
    """A function of addresses (of the inputs that are no literals) that runs the meaning of ``primitive``.

    ``literals`` has a value for each input that is one, else None; without a primitive it is a copy.
    """

    __slots__ = (
        "in_avals",
        "inputs",
        "literals",
        "many",
        "meaning",
        "out_avals",
        "outputs",
        "params",
        "primitive",
        "source",
    )

    def __init__(
        self,
        primitive: Any,
        params: dict[str, Any],
        literals: Sequence[np.ndarray | None],
        in_avals: Sequence[Any],
        out_avals: Sequence[Any],
        source: Any = None,
    ) -> None:
        self.source = source  # where in the user's code the equation stands; not known of programs from disk
        self.primitive, self.params, self.literals = primitive, params, literals
        self.in_avals, self.out_avals = in_avals, out_avals
        self.meaning: Any = _same if primitive is None else primitive.numpy or primitive.impl
        self.many = primitive is not None and primitive.multiple_results
        self.inputs = [view(aval) if x is None else None for x, aval in zip(literals, in_avals, strict=True)]
        self.outputs = [view(aval) for aval in out_avals]

    def __call__(self, in_addresses: tuple[int, ...], out_addresses: tuple[int, ...]) -> None:
        rest = iter(in_addresses)
        args = [x if at is None else at(next(rest)) for x, at in zip(self.literals, self.inputs, strict=True)]
        try:
            with np.errstate(all="ignore"):
                results = self.meaning(*args, **self.params)
        except Exception as error:
            sources.blame(error, self.source)
            raise
        results = results if self.many else [results]
        for address, at, result in zip(out_addresses, self.outputs, results, strict=True):
            at(address)[...] = np.asarray(result)


def _same(x: Any) -> Any:
    return x


def host_function(step: Any) -> HostCall:
    """The call that a step makes."""
    literals = [np.asarray(n.value, n.aval.dtype) if n.kind == "literal" else None for n in step.inputs]
    in_avals, out_avals = [n.aval for n in step.inputs], [n.aval for n in step.outputs]
    if step.eqn is None:  # a copy
        return HostCall(None, {}, literals, in_avals, out_avals)
    return HostCall(step.eqn.primitive, step.eqn.params, literals, in_avals, out_avals, step.eqn.source)
