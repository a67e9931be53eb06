"""Matrix products by BLAS: function pointers from ``scipy.linalg.cython_blas``, transposition folded in."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from jitney._kernel.ir import Call, Unsupported


@cache
def blas_pointer(name: str) -> int:
    """The address of a BLAS routine (Fortran calling convention)."""
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__[name]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return get_pointer(capsule, get_name(capsule))


def lower_product(lowering: Any, step: Any) -> None:
    """``[batch, m, k] x [batch, k, n]`` as one call of gemm for each batch entry.

    Row-major C = A B is column-major C' = B' A', so that the operands change places.
    """
    batch, m, n, k = step.plan
    x, y = step.inputs
    (cx, cy), (bx, by) = step.eqn.params["dimension_numbers"]
    left = _layout(x.aval.ndim, bx, cx)
    right = _layout(y.aval.ndim, by, cy)
    if left is None or right is None:
        raise Unsupported("a product whose axes are not those of a (transposed) matrix")
    symbol = "dgemm" if x.aval.dtype.itemsize == 8 else "sgemm"
    lowering.program.symbols[symbol] = blas_pointer(symbol)
    inputs = [lowering.part(x), lowering.part(y)]
    # For the left operand "plain" has the contracted axes last; for the right one they come last when transposed.
    arguments = (batch, m, n, k, left == "first", right == "last")
    lowering.b.call(Call(symbol, inputs, [lowering.part(step.outputs[0], True)], -1, arguments))


def _layout(rank: int, batch: tuple[int, ...], contracted: tuple[int, ...]) -> str | None:
    """Whether the contracted axes stand ``first`` or ``last`` after the batch axes; None if neither."""
    if tuple(batch) != tuple(range(len(batch))):
        return None
    rest = tuple(range(len(batch), rank))
    if tuple(contracted) == rest[-len(contracted) :] and contracted:
        return "last"
    if tuple(contracted) == rest[: len(contracted)]:
        return "first"
    return None
