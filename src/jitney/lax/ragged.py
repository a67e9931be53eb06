"""Products of matrices whose rows fall in groups, each with a matrix of its own; and products with scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._base import dtypes
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw
from jitney.lax.arithmetic import convert_element_type
from jitney.lax.arrays import broadcasted_iota, dot_general
from jitney.lax.operands import operand as as_operand
from jitney.lax.operands import operands as as_operands


class RaggedDotDimensionNumbers:
    """Which axes of a ragged product are contracted, ragged, or count groups.

    Args:
        dot_dimension_numbers: as for ``dot_general``.
        lhs_ragged_dimensions: the axis of the left operand that falls in groups (one number).
        rhs_group_dimensions: the axis of the right operand that counts groups (one number, or none).
    """

    def __init__(
        self,
        dot_dimension_numbers: Any,
        lhs_ragged_dimensions: Sequence[int],
        rhs_group_dimensions: Sequence[int],
    ) -> None:
        (contract_l, contract_r), (batch_l, batch_r) = dot_dimension_numbers
        self.dot_dimension_numbers = (
            (tuple(contract_l), tuple(contract_r)),
            (tuple(batch_l), tuple(batch_r)),
        )
        self.lhs_ragged_dimensions = tuple(lhs_ragged_dimensions)
        self.rhs_group_dimensions = tuple(rhs_group_dimensions)

    def _key(self) -> tuple:
        return self.dot_dimension_numbers, self.lhs_ragged_dimensions, self.rhs_group_dimensions

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RaggedDotDimensionNumbers) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return "RaggedDotDimensionNumbers({}, {}, {})".format(*self._key())


_ROWS = RaggedDotDimensionNumbers((((1,), (1,)), ((), ())), (0,), (0,))


def ragged_dot(
    lhs: Any,
    rhs: Any,
    group_sizes: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
    group_offset: Any = None,
    out_sharding: Any = None,
) -> Any:
    """The rows of ``lhs`` in consecutive groups, each multiplied by the matrix of its group.

    Args:
        lhs: shape ``(m, k)``.
        rhs: shape ``(g, k, n)``, a matrix for each group.
        group_sizes: integers of shape ``(g,)``: how many rows each group has. Rows behind the last group give zeros.
        precision, out_sharding: accepted.
        preferred_element_type: dtype of the result.
        group_offset: None.

    Returns:
        Shape ``(m, n)``.

    Raises:
        TypeError: shapes that do not fit, or group sizes that are no integers.
        NotImplementedError: ``group_offset`` is given.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.ragged_dot(jnp.ones((3, 1)), jnp.array([[[1.0]], [[5.0]]]), jnp.array([2, 1]))[:, 0]
        Array([1., 1., 5.], dtype=float64)
    """
    return ragged_dot_general(lhs, rhs, group_sizes, _ROWS, precision, preferred_element_type, group_offset)


def ragged_dot_general(
    lhs: Any,
    rhs: Any,
    group_sizes: Any,
    ragged_dot_dimension_numbers: RaggedDotDimensionNumbers,
    precision: Any = None,
    preferred_element_type: Any = None,
    group_offset: Any = None,
    out_sharding: Any = None,
) -> Any:
    """``dot_general`` with an axis of ``lhs`` that falls in groups of ``group_sizes``.

    Where this axis is a free one, ``rhs`` has an axis of groups, whose matrices multiply them. Where it is contracted,
    the result has a leading axis of groups. Where it is a batch axis, groups make no difference.

    Raises:
        TypeError: shapes or dimension numbers that do not fit, or group sizes that are no integers.
        NotImplementedError: ``group_offset`` is given.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> numbers = lax.RaggedDotDimensionNumbers((((0,), (0,)), ((), ())), [0], [])
        >>> lax.ragged_dot_general(jnp.ones((3, 1)), jnp.ones((3, 1)), jnp.array([2, 1]), numbers)[:, 0, 0]
        Array([2., 1.], dtype=float64)
    """
    if group_offset is not None:
        raise NotImplementedError(
            "ragged_dot: group_offset is not supported; slice rhs and group_sizes instead."
        )
    x, y, sizes = (as_operand("ragged_dot_general", v) for v in (lhs, rhs, group_sizes))
    numbers = ragged_dot_dimension_numbers
    if not isinstance(numbers, RaggedDotDimensionNumbers):
        raise TypeError(
            f"ragged_dot_general: ragged_dot_dimension_numbers must be lax.RaggedDotDimensionNumbers, got {numbers!r}."
        )
    (contract_l, contract_r), (batch_l, batch_r) = numbers.dot_dimension_numbers
    if len(numbers.lhs_ragged_dimensions) != 1 or len(numbers.rhs_group_dimensions) > 1:
        raise TypeError(
            "ragged_dot_general expects one lhs ragged dimension and at most one rhs group dimension."
        )
    if get_aval(sizes).dtype.kind not in "iu":
        raise TypeError("ragged_dot_general requires that group_sizes.dtype is subtype of np.integer.")
    (ragged,) = numbers.lhs_ragged_dimensions
    groups, rank = get_aval(sizes).shape[-1], get_aval(x).ndim
    free = [d for d in range(rank) if d not in contract_l and d not in batch_l]
    if ragged in batch_l:
        return dot_general(x, y, numbers.dot_dimension_numbers, precision, preferred_element_type)
    outer = [*batch_l, *(d for d in (contract_l if ragged in contract_l else free) if d < ragged)]
    masked = _masked(x, sizes, ragged, outer)  # a new first axis: the group, zeros elsewhere
    moved = lambda axes: tuple(d + 1 for d in axes)  # noqa: E731
    if ragged in contract_l:
        found = dot_general(
            masked,
            y,
            ((moved(contract_l), contract_r), (moved(batch_l), batch_r)),
            precision,
            preferred_element_type,
        )
        return raw.move_axis(found, len(batch_l), 0)
    if not numbers.rhs_group_dimensions:
        raise TypeError(
            "ragged_dot_general needs an rhs group dimension where the lhs ragged dimension is not contracted."
        )
    (group,) = numbers.rhs_group_dimensions
    if get_aval(y).shape[group] != groups:
        raise TypeError(f"expected rhs group dimension size to be {groups}, got {get_aval(y).shape[group]}.")
    return dot_general(
        masked,
        y,
        (((0, *moved(contract_l)), (group, *contract_r)), (moved(batch_l), batch_r)),
        precision,
        preferred_element_type,
    )


def _masked(x: Any, sizes: Any, ragged: int, outer: Sequence[int]) -> Any:
    """``x`` once for each group, with zeros in place of what belongs to others."""
    shape, groups = get_aval(x).shape, get_aval(sizes).shape[-1]
    ends = _running_sum(sizes)
    starts = raw.subtract(ends, sizes)
    full = (groups, *shape)
    lead = get_aval(sizes).ndim - 1
    if lead not in (0, len(outer)):
        raise TypeError(
            f"ragged_dot_general: group_sizes has {lead} leading axes, expected none or {len(outer)}: the axes {tuple(outer)}."
        )
    axes = (*(d + 1 for d in (outer if lead else ())), 0)
    spread = lambda v: _spread(v, full, axes)  # noqa: E731
    place = broadcasted_iota(get_aval(sizes).dtype, full, ragged + 1)
    inside = ew.and_p.bind(ew.ge_p.bind(place, spread(starts)), ew.lt_p.bind(place, spread(ends)))
    copies = raw.broadcast_in_dim(x, full, tuple(range(1, len(full))))
    return raw.select(inside, copies, raw.full(full, 0, get_aval(x).dtype))


def _spread(v: Any, full: Sequence[int], axes: Sequence[int]) -> Any:
    """``v``, whose axis ``i`` becomes axis ``axes[i]``, repeated to the shape ``full``."""
    order = sorted(range(len(axes)), key=lambda i: axes[i])
    return raw.broadcast_in_dim(raw.transpose(v, order), full, [axes[i] for i in order])


def _running_sum(sizes: Any) -> Any:
    from jitney.lax.ordering import cumsum

    return cumsum(sizes, axis=get_aval(sizes).ndim - 1)


def scaled_dot(
    lhs: Any,
    rhs: Any,
    *,
    lhs_scale: Any = None,
    rhs_scale: Any = None,
    dimension_numbers: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """``dot_general(lhs * lhs_scale, rhs * rhs_scale)``, where a scale holds for a run of elements along the contracted axis.

    Args:
        lhs, rhs: arrays, by default of shapes ``(batch, m, k)`` and ``(batch, k, n)``.
        lhs_scale, rhs_scale: arrays like them whose contracted axis divides that of the operand; None: 1.
        dimension_numbers: as for ``dot_general``.
        preferred_element_type: dtype of the sums and of the result, by default bfloat16.

    Raises:
        TypeError: a scale whose shape does not fit.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> found = lax.scaled_dot(jnp.ones((1, 1, 4)), jnp.ones((1, 4, 1)), lhs_scale=jnp.array([[[1.0, 2.0]]]))
        >>> float(found[0, 0, 0])
        6.0
    """
    x, y = (
        as_operands("scaled_dot", lhs, rhs)
        if get_aval(lhs).dtype == get_aval(rhs).dtype
        else (
            as_operand("scaled_dot", lhs),
            as_operand("scaled_dot", rhs),
        )
    )
    numbers = (((2,), (1,)), ((0,), (0,))) if dimension_numbers is None else dimension_numbers
    dtype = dtypes.canonicalize_dtype(
        dtypes.bfloat16 if preferred_element_type is None else preferred_element_type
    )
    (contract_l, contract_r), _ = numbers
    wide = np.dtype(np.float32) if dtype.itemsize < 4 else dtype
    found = dot_general(
        _scaled(x, lhs_scale, contract_l, wide, "lhs_scale"),
        _scaled(y, rhs_scale, contract_r, wide, "rhs_scale"),
        numbers,
    )
    return convert_element_type(found, dtype)


def _scaled(x: Any, scale: Any, contract: Sequence[int], dtype: Any, name: str) -> Any:
    shape = get_aval(x).shape
    x = convert_element_type(x, dtype)
    if scale is None:
        return x
    s = convert_element_type(as_operand("scaled_dot", scale), dtype)
    steps = get_aval(s).shape
    fits = len(steps) == len(shape) and all(
        n == m or d in contract and m and n % m == 0
        for d, (n, m) in enumerate(zip(shape, steps, strict=True))
    )
    if not fits:
        raise TypeError(
            f"scaled_dot: {name} of shape {steps} does not fit an operand of shape {shape}, contracted along {tuple(contract)}."
        )
    for d, (n, m) in enumerate(zip(shape, steps, strict=True)):
        if n != m:
            now = get_aval(s).shape
            runs = raw.broadcast_in_dim(
                s, (*now[: d + 1], n // m, *now[d + 1 :]), [*range(d + 1), *range(d + 2, len(now) + 1)]
            )
            s = raw.reshape(runs, (*now[:d], n, *now[d + 1 :]))
    return ew.mul_p.bind(x, s)


__all__ = ["RaggedDotDimensionNumbers", "ragged_dot", "ragged_dot_general", "scaled_dot"]
