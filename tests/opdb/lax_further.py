"""Rows of ``lax``: assembling, convolutions under other names, ragged and scaled products, rounding of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Op, bad, given, op, sample

_GROUPS = np.array([1, 2])


def _ragged(contracted: bool) -> Any:
    """``ragged_dot_general`` with its numbers, which every library makes itself."""

    def make(library: Any) -> Any:
        numbers = library.lax.RaggedDotDimensionNumbers
        rows = numbers((((1,), (1,)), ((), ())), [0], [0])
        columns = numbers((((0,), (0,)), ((), ())), [0], [])
        return lambda x, y, sizes: library.lax.ragged_dot_general(
            x, y, sizes, columns if contracted else rows
        )

    return make


def _indices(library: Any) -> Any:
    return lambda x, i: library.lax.index_take(x, [i], [0])


def _scatter(name: str) -> Any:
    def make(library: Any) -> Any:
        lax = library.lax
        numbers = lax.ScatterDimensionNumbers((), (0,), (0,))
        if name == "scatter_apply":
            return lambda x, i: lax.scatter_apply(x, i, lambda v: 2 * v, numbers, update_shape=(2,))
        return lambda x, i, u: lax.scatter_sub(x, i, u, numbers)

    return make


_FLAT = np.array([[0], [2]])
# fmt: off
ROWS: list[Op] = [
    op("lax.stack", sample("f8[2] f8[2]", pack=True), sample("f8[2,3] f8[2,3]", pack=True, axis=2), order=1,
       bad=[bad("f8[2] f8[3]", ValueError, pack=True, jax=Exception)]),
    op("lax.unstack", "f8[2,3]", sample("f8[2,3]", axis=1), order=1),
    op("lax.tile", sample("f8[2]", reps=(2,)), sample("f8[2,1]", reps=(1, 3)), order=1),
    op("lax.split", sample("f8[5]", sizes=(2, 3)), sample("f8[2,3]", sizes=(1, 2), axis=1), order=1),
    op("lax.stage", "f8[2]", "f8", "float", order=2),
    op("lax.broadcast_like", "f8[3] f8[2,3]", "f8 f8[2]", order=1),
    op("lax.mulhi", given(np.array([2**31 - 1, -5], np.int32), np.array([2**30, 2**31 - 1], np.int32)), given(np.array([2**63], np.uint64), np.array([6], np.uint64))),
    op("lax.reduce_precision", sample("f8[3]", exponent_bits=5, mantissa_bits=3), sample("f4[3]", exponent_bits=8, mantissa_bits=7)),
    *(op(f"lax.{n}", sample("f8[5]", k=2), sample("f8[2,4]", k=1, reduction_dimension=0), order=1) for n in ("approx_max_k", "approx_min_k")),
    op("lax.index_take", given(np.arange(6.0).reshape(3, 2), np.array([2, 0])), make=_indices),
    op("lax.scatter_sub", given(np.arange(4.0), _FLAT, np.array([1.0, 2.0])), make=_scatter("scatter_sub"), order=1),
    op("lax.scatter_apply", given(np.arange(4.0), _FLAT), make=_scatter("scatter_apply"), batch=False),
    op("lax.igamma_grad_a", "f8[3] f8[3]", within=(0.5, 3), tolerance=1e-9),
    op("lax.random_gamma_grad", "f8[3] f8[3]", within=(0.5, 3), tolerance=1e-9),
    op("lax.ragged_dot", given(np.arange(12.0).reshape(4, 3), np.sin(np.arange(24.0)).reshape(2, 3, 4), _GROUPS), order=1, batch=False,
       bad=[bad(given(np.ones((4, 3)), np.ones((2, 3, 4)), np.array([1.0, 2.0])), TypeError), bad(given(np.ones((4, 3)), np.ones((2, 3, 4)), np.array([1])), TypeError)]),
    op("lax.ragged_dot_general", given(np.arange(6.0).reshape(2, 3), np.sin(np.arange(12.0)).reshape(2, 3, 2), np.array([1, 1])), make=_ragged(False), order=1, batch=False),
    op("lax.ragged_dot_general", given(np.arange(8.0).reshape(4, 2), np.sin(np.arange(8.0)).reshape(4, 2), _GROUPS), make=_ragged(True), order=1, batch=False, label="lax.ragged_dot_general, contracted"),
    op("lax.scaled_dot", sample("f8[2,3,4] f8[2,4,2]"), given(np.ones((2, 3, 8)), np.ones((2, 8, 4)), lhs_scale=np.full((2, 3, 2), 2.0), rhs_scale=np.full((2, 2, 4), 3.0), preferred_element_type=np.float32),
       batch=False),
    op("lax.conv", sample("f8[1,2,5,5] f8[3,2,2,2]", window_strides=(1, 1), padding="SAME"), order=1, batch=False),
    op("lax.conv_with_general_padding", sample("f8[1,1,5] f8[1,1,2]", window_strides=(1,), padding=[(1, 0)], lhs_dilation=(1,), rhs_dilation=(2,)), order=1, batch=False),
    op("lax.conv_transpose", sample("f8[1,4,2] f8[2,2,3]", strides=(2,), padding="SAME"), order=1, batch=False),
    op("lax.conv_general_dilated_local", sample("f8[1,1,4] f8[1,2,3]", window_strides=(1,), padding="VALID", filter_shape=(2,)), order=1, batch=False),
    op("lax.conv_general_dilated_patches", sample("f8[1,1,5]", filter_shape=(2,), window_strides=(1,), padding="VALID"), order=1, batch=False),
]
