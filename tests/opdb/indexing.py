"""Rows of indexing: ``x[...]``, ``x.at[...]``, dynamic slices, gather and scatter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .table import Op, bad, given, op

X = np.arange(12.0).reshape(3, 4) / 5 - 1
CUBE = np.arange(24.0).reshape(2, 3, 4) / 7
_I = np.array([2, 0, 2])
_J = np.array([[0, 1], [-1, 3]])


def _shapes(operands: tuple) -> str:
    return " ".join("x".join(map(str, np.shape(x))) or "scalar" for x in operands)


def read(text: str, *operands: Any, **fields: Any) -> Op:
    """``x[...]``; ``i`` and ``j`` are the second and third operand."""
    code = compile(f"x[{text}]", "<index>", "eval")

    def make(j: Any) -> Callable[..., Any]:
        return lambda x, *rest: eval(
            code, {"x": j.numpy.asarray(x), "np": np} | dict(zip("ij", rest, strict=False))
        )

    return op(
        "numpy.ndarray.__getitem__",
        given(*operands),
        make=make,
        label=f"x[{text}], {_shapes(operands)}",
        **{"order": 2} | fields,
    )


def write(text: str, method: str, *operands: Any, **fields: Any) -> Op:
    """``x.at[...].method(y)``; ``i`` and ``j`` are the third and fourth operand."""
    code = compile(f"x.at[{text}].{method}", "<at>", "eval")

    def make(j: Any) -> Callable[..., Any]:
        return lambda x, y, *rest: eval(
            code,
            {"x": j.numpy.asarray(x), "y": y, "np": np, "jnp": j.numpy} | dict(zip("ij", rest, strict=False)),
        )

    return op(
        "numpy.ndarray.at",
        given(*operands),
        make=make,
        label=f"x.at[{text}].{method}, {_shapes(operands)}",
        **{"order": 2} | fields,
    )


def numbers(name: str, *operands: Any, kind: str = "Gather", label: str = "", **params: Any) -> Op:
    """A gather or scatter; ``params`` with tuples of axes are its dimension numbers."""
    axes = {k: v for k, v in params.items() if isinstance(v, tuple) and k != "slice_sizes"}
    rest = {k: v for k, v in params.items() if k not in axes}

    def make(j: Any) -> Callable[..., Any]:
        dnums = getattr(j.lax, f"{kind}DimensionNumbers")(**axes)
        return lambda *xs: getattr(j.lax, name)(*xs, dnums, **rest)

    return op(f"lax.{name}", given(*operands), make=make, order=2, label=f"lax.{name}{label}", batch=True)


_AT = np.array([1, 1])  # a start index for each axis

# fmt: off
ROWS: list[Op] = [
    *(read(t, X) for t in ("0", "-1", "1, 2", "1:", ":, 1", "::-1", "..., 0", "None, 1:3, None", "::2, 3:0:-2", "0:0", "-2:, :-1", "...", "(0, 1)", "np.s_[1:2]")),
    *(read(t, CUBE) for t in ("1, ..., 2", ":, 1", "..., None, 0", "1, None, :, 1:3")),
    *(read(t, X, _I) for t in ("i", "i, 1", "i, :2", "i[:, None]", "1, i", ":, i", "..., i", "i - 3", "None, i")),
    *(read(t, X, _I, _J) for t in ("j[0]", "i[:2], j[0]", "i[:, None], j[0]", "j - 1")),
    *(read(t, CUBE, _I - 1, _J) for t in ("0, :, j", "i, :, i", "j[:, 0], :, 1:3", "i[:2], j[0]")),
    read("i", X, np.array(1)),
    read("i, j", X, np.array(1), np.array(-1)),
    read("i:i+2", X, np.array(1), concrete=True),
    read("np.array([True, False, True])", X),
    read("x > 0", X, concrete=True, order=0),
    op("numpy.ndarray.__getitem__", given(np.arange(3.0), np.array([5, -7, 1])), make=lambda j: lambda x, i: j.numpy.asarray(x)[i], label="x[outside]", order=0),
    op("numpy.ndarray.__getitem__", label="x[...], misuse", make=lambda j: lambda x, i: j.numpy.asarray(x)[i], bad=[
        bad(given(X, (0, 0, 0)), IndexError), bad(given(X, "a"), TypeError), bad(given(X, 1.5), TypeError), bad(given(X, [0, 1]), TypeError),
        bad(given(X, np.ones(2)), TypeError), bad(given(X, np.ones(4, bool)), IndexError, jax=Exception), bad(given(X, slice(0, 1.5)), TypeError, jax=Exception)]),
    *(write(t, m, X, np.array(0.5)) for t in ("0", "1, 2", "1:", ":, 1", "::-1", "::2, 3:0:-2") for m in ("set(y)", "add(y)")),
    *(write("1:3, 1", m, X, np.array([0.5, -1.5])) for m in ("set(y)", "add(y)", "subtract(y)", "multiply(y)", "mul(y)", "divide(y)", "min(y)", "max(y)")),
    write("1", "power(y)", X, np.array(2.0), order=0),
    write("1", "power(2)", X, np.array(2.0), order=1),
    *(write("i", m, X, np.ones(4) * 0.3, _I[:2]) for m in ("set(y)", "add(y)", "multiply(y, unique_indices=True)", "min(y)", "max(y)")),
    write("i", "multiply(y)", X, np.ones((3, 4)) * 0.3, _I, order=0),
    *(write("i", m, X, np.ones((3, 4)) * 0.3, _I) for m in ("add(y)", "subtract(y)")),
    *(write("i, 1", m, X, np.array(0.5), _I) for m in ("add(y)", "get()")),
    write("i, j[0, 0]", "add(y)", X, np.array([0.5, 1.0, 2.0]), _I, _J),
    write("i", "set(y)", X, np.array(1.0), np.array([7, -9, 1])),
    write("i", "add(y, mode='clip')", X, np.array(1.0), np.array([7, -9, 1])),
    write("i", "get(mode='fill', fill_value=3.0)", X, np.array(1.0), np.array([7, -9, 1])),
    write("i", "get(mode='clip')", X, np.array(1.0), np.array([7, -9, 1])),
    write("1", "apply(jnp.sin)", X, np.array(0.0)),
    write("np.array([True, False, True])", "set(y)", X, np.array(1.0)),
    op("lax.dynamic_slice", given(X, _AT, slice_sizes=(2, 2)), given(np.arange(5.0), np.array([3]), slice_sizes=(3,)), given(np.arange(5.0), np.array([-2]), slice_sizes=(2,)),
       order=2, bad=[bad(given(X, np.array([1]), slice_sizes=(2, 2)), (TypeError, ValueError), jax=Exception), bad(given(X, _AT, slice_sizes=(4, 2)), TypeError)]),
    op("lax.dynamic_slice_in_dim", given(X, np.array(1), slice_size=2), given(X, np.array(1), slice_size=2, axis=1), order=1),
    op("lax.dynamic_index_in_dim", given(X, np.array(1)), given(X, np.array(-1), axis=1, keepdims=False), order=1),
    op("lax.dynamic_update_slice", given(X, np.ones((2, 2)) * 0.5, _AT), given(np.arange(5.0), np.ones(3), np.array([4])), order=2,
       bad=[bad(given(X, np.ones((4, 2)), _AT), TypeError), bad(given(X, np.ones((2, 2), "f4"), _AT), TypeError)]),
    op("lax.dynamic_update_slice_in_dim", given(X, np.ones((1, 4)), np.array(1), axis=0), order=1),
    op("lax.dynamic_update_index_in_dim", given(X, np.ones(4), np.array(1), axis=0), order=1),
    numbers("gather", X, _I[:, None], offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,), slice_sizes=(1, 4)),
    numbers("gather", X, np.array([[0, 1], [2, 3], [1, 0]]), offset_dims=(), collapsed_slice_dims=(0, 1), start_index_map=(0, 1), slice_sizes=(1, 1), label=", points"),
    numbers("gather", X, np.array([[0], [1]]), offset_dims=(1, 2), collapsed_slice_dims=(), start_index_map=(1,), slice_sizes=(2, 3), label=", windows"),
    *(numbers(f"scatter{how}", X, _I[:2, None], np.ones((2, 4)) * 0.4, kind="Scatter", update_window_dims=(1,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,))
      for how in ("", "_add", "_min", "_max")),
    numbers("scatter_mul", X, _I[:2, None], np.ones((2, 4)) * 0.4, kind="Scatter", update_window_dims=(1,), inserted_window_dims=(0,),
            scatter_dims_to_operand_dims=(0,), unique_indices=True),
    numbers("scatter_add", X, _I[:, None], np.ones((3, 4)) * 0.4, kind="Scatter", update_window_dims=(1,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,), label=", twice"),
]
