"""Rotations as unit quaternions ``(x, y, z, w)``: products, and conversions from and to other forms.

Arrays of shape ``[..., 4]``; leading axes broadcast. Series in the squared angle keep values and derivatives right at the
identity. Euler angles by Bernardes, Viollet, "Quaternion to Euler angles conversion", PLoS ONE 17(11), 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney import numpy as jnp
from jitney._core.trace import get_aval

_SMALL = 1e-3  # squared angles below which series are used: their first omitted term is below 1e-19


def parts(q: Any) -> tuple[Any, Any, Any, Any]:
    """The components of the last axis."""
    return q[..., 0], q[..., 1], q[..., 2], q[..., 3]


def normalize(q: Any) -> Any:
    """Unit quaternions."""
    return q / jnp.sqrt(jnp.sum(jnp.square(q), -1, keepdims=True))


def multiply(p: Any, q: Any) -> Any:
    """The rotation ``q`` followed by ``p``."""
    x1, y1, z1, w1 = parts(p)
    x2, y2, z2, w2 = parts(q)
    return jnp.stack(
        [
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
        ],
        -1,
    )


def conjugate(q: Any) -> Any:
    """The inverse rotation."""
    return q * np.array([-1, -1, -1, 1], get_aval(q).dtype)


def upper(q: Any) -> Any:
    """The one of ``q`` and ``-q`` (the same rotation) with ``w >= 0``."""
    return jnp.where(q[..., 3:] < 0, -q, q)


def canonical(q: Any) -> Any:
    """The one of ``q`` and ``-q`` whose last component that is not 0 is positive (of w, x, y, z in this order)."""
    x, y, z, w = parts(q)
    negative = (w < 0) | ((w == 0) & ((x < 0) | ((x == 0) & ((y < 0) | ((y == 0) & (z < 0))))))
    return jnp.where(negative[..., None], -q, q)


def magnitude(q: Any) -> Any:
    """The angle of the rotation, from 0 to pi."""
    return 2 * jnp.arctan2(jnp.sqrt(jnp.sum(jnp.square(q[..., :3]), -1)), jnp.abs(q[..., 3]))


# -- matrices -----------------------------------------------------------------------------------------


def to_matrix(q: Any) -> Any:
    """``[..., 3, 3]`` matrices."""
    x, y, z, w = parts(q)
    rows = [
        [x * x - y * y - z * z + w * w, 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), -x * x + y * y - z * z + w * w, 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), -x * x - y * y + z * z + w * w],
    ]
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


def from_matrix(m: Any) -> Any:
    """From ``[..., 3, 3]`` matrices: the column of ``4 q q^T`` with the largest diagonal element, normalized."""
    (a, b, c), (d, e, f), (g, h, i) = ([m[..., r, s] for s in range(3)] for r in range(3))
    diagonal = jnp.stack([1 + a - e - i, 1 - a + e - i, 1 - a - e + i, 1 + a + e + i], -1)
    sums = [b + d, c + g, f + h]  # 4 x y, 4 x z, 4 y z
    differences = [h - f, c - g, d - b]  # 4 x w, 4 y w, 4 z w
    columns = [
        [diagonal[..., 0], sums[0], sums[1], differences[0]],
        [sums[0], diagonal[..., 1], sums[2], differences[1]],
        [sums[1], sums[2], diagonal[..., 2], differences[2]],
        [*differences, diagonal[..., 3]],
    ]
    largest = jnp.argmax(diagonal, -1)[..., None]
    chosen = jnp.stack(columns[3], -1)
    for number in range(3):
        chosen = jnp.where(largest == number, jnp.stack(columns[number], -1), chosen)
    return normalize(chosen)


# -- rotation vectors and modified Rodrigues parameters -----------------------------------------------


def _series(x: Any, coefficients: Sequence[float]) -> Any:
    total: Any = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total


_COSINE = [(-1) ** k / math.factorial(2 * k) for k in range(7)]
_SINE = [(-1) ** k / math.factorial(2 * k + 1) for k in range(7)]
_ARCTANGENT = [(-1) ** k / (2 * k + 1) for k in range(7)]


def from_rotvec(v: Any) -> Any:
    """From vectors ``[..., 3]`` along the axis, as long as the angle."""
    square = 0.25 * jnp.sum(jnp.square(v), -1, keepdims=True)
    small = square < _SMALL
    half = jnp.sqrt(jnp.where(small, 1.0, square))
    near = jnp.where(small, square, 0.0)
    sine = jnp.where(small, _series(near, _SINE), jnp.sin(half) / half)
    cosine = jnp.where(small, _series(near, _COSINE), jnp.cos(half))
    return jnp.concatenate([0.5 * sine * v, cosine], -1)


def to_rotvec(q: Any) -> Any:
    """Vectors along the axis, as long as the angle (up to pi)."""
    q = upper(q)
    xyz, w = q[..., :3], q[..., 3:]
    square = jnp.sum(jnp.square(xyz), -1, keepdims=True)
    small = square < _SMALL * jnp.square(w)
    sine = jnp.sqrt(jnp.where(small, 1.0, square))
    cosine = jnp.where(small, w, 1.0)
    near = jnp.where(small, square / jnp.square(cosine), 0.0)
    scale = jnp.where(small, _series(near, _ARCTANGENT) / cosine, jnp.arctan2(sine, w) / sine)
    return 2 * scale * xyz


def from_mrp(m: Any) -> Any:
    """From vectors ``[..., 3]`` along the axis, as long as the tangent of a quarter of the angle."""
    square = jnp.sum(jnp.square(m), -1, keepdims=True)
    return jnp.concatenate([2 * m, 1 - square], -1) / (1 + square)


def to_mrp(q: Any) -> Any:
    """Vectors along the axis, as long as the tangent of a quarter of the angle (up to 1)."""
    q = upper(q)
    return q[..., :3] / (1 + q[..., 3:])


# -- Euler angles -------------------------------------------------------------------------------------


def axes_of(seq: str) -> tuple[list[int], bool]:
    """The axes that ``"xyz"`` (fixed) or ``"XYZ"`` (moved along) names, and whether they move; ValueError for others."""
    if not isinstance(seq, str) or not 1 <= len(seq) <= 3:
        raise ValueError(
            f"Expected axis specification to be a non-empty string of upto 3 characters, got {seq!r}"
        )
    moving = all(c in "XYZ" for c in seq)
    if not moving and not all(c in "xyz" for c in seq):
        raise ValueError(
            f"Expected axes from `seq` to be from ['x', 'y', 'z'] or ['X', 'Y', 'Z'], got {seq!r}"
        )
    if any(seq[k] == seq[k + 1] for k in range(len(seq) - 1)):
        raise ValueError(f"Expected consecutive axes to be different, got {seq!r}")
    return ["xyz".index(c) for c in seq.lower()], moving


def _about(axis: int, angle: Any) -> Any:
    zero = jnp.zeros_like(angle)
    q = [zero, zero, zero, jnp.cos(0.5 * angle)]
    q[axis] = jnp.sin(0.5 * angle)
    return jnp.stack(q, -1)


def from_euler(axes: Sequence[int], moving: bool, angles: Any) -> Any:
    """From angles ``[..., len(axes)]`` of successive rotations."""
    total: Any = None
    for number, axis in enumerate(axes):
        step = _about(axis, angles[..., number])
        if total is None:
            total = step
        else:
            total = multiply(total, step) if moving else multiply(step, total)
    return total


def to_euler(axes: Sequence[int], moving: bool, q: Any) -> Any:
    """Angles ``[..., 3]`` of three successive rotations; where only a sum of two is determined, the last is 0."""
    i, j, k = reversed(axes) if moving else axes
    proper = i == k
    if proper:
        k = 3 - i - j
    sign = (i - j) * (j - k) * (k - i) // 2
    x = parts(q)
    if proper:
        a, b, c, d = x[3], x[i], x[j], x[k] * sign
    else:
        a, b, c, d = x[3] - x[j], x[i] + x[k] * sign, x[j] + x[3], x[k] * sign - x[i]
    one, two = jnp.square(a) + jnp.square(b), jnp.square(c) + jnp.square(d)
    tiny = np.finfo(get_aval(q).dtype).eps ** 2 * 1e4
    first_locked, second_locked = two <= tiny * one, one <= tiny * two
    middle = 2 * jnp.arctan2(jnp.sqrt(two), jnp.sqrt(one))
    half_sum, half_difference = jnp.arctan2(b, a), jnp.arctan2(d, c)
    locked = first_locked | second_locked
    alone = jnp.where(first_locked, 2 * half_sum, 2 * half_difference * (1 if moving else -1))
    first, last = half_sum - half_difference, half_sum + half_difference
    if moving:
        first, last = jnp.where(locked, 0.0, first), jnp.where(locked, alone, last)
    else:
        first, last = jnp.where(locked, alone, first), jnp.where(locked, 0.0, last)
    if not proper:
        last = last * sign
        middle = middle - math.pi / 2
    wrapped = [
        jnp.where(v < -math.pi, v + 2 * math.pi, jnp.where(v > math.pi, v - 2 * math.pi, v))
        for v in (first, last)
    ]
    first, last = wrapped
    return jnp.stack([last, middle, first] if moving else [first, middle, last], -1)
