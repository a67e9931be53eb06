"""Calls from native code back to the NumPy meaning of an equation."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np


def view(address: int, aval: Any) -> np.ndarray:
    """The array of type ``aval`` that lies at ``address``."""
    if aval.size == 0:
        return np.empty(aval.shape, aval.dtype)
    memory = (ctypes.c_char * aval.nbytes).from_address(address)
    return np.frombuffer(memory, aval.dtype).reshape(aval.shape)


def host_function(step: Any) -> Callable[[tuple[int, ...], tuple[int, ...]], None]:
    """A function of addresses (of the inputs that are no literals) that runs a step's meaning."""
    literals = [np.asarray(n.value, n.aval.dtype) if n.kind == "literal" else None for n in step.inputs]
    in_avals = [n.aval for n in step.inputs]
    out_avals = [n.aval for n in step.outputs]
    if step.eqn is None:  # a copy
        meaning: Any = lambda x: x  # noqa: E731
        many, params = False, {}
    else:
        primitive = step.eqn.primitive
        meaning, many, params = primitive.numpy or primitive.impl, primitive.multiple_results, step.eqn.params

    def call(in_addresses: tuple[int, ...], out_addresses: tuple[int, ...]) -> None:
        rest = iter(in_addresses)
        args = [
            view(next(rest), aval) if x is None else x for x, aval in zip(literals, in_avals, strict=True)
        ]
        with np.errstate(all="ignore"):
            results = meaning(*args, **params)
        for address, aval, result in zip(
            out_addresses, out_avals, results if many else [results], strict=True
        ):
            view(address, aval)[...] = np.asarray(result)

    return call
