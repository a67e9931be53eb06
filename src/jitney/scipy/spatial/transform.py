"""``jitney.scipy.spatial.transform``: rotations of space, and between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from jitney import numpy as jnp
from jitney import random as _random
from jitney._api.calls import expose_methods
from jitney._core.trace import get_aval
from jitney.numpy.operands import array_operand, promote_inexact
from jitney.scipy.spatial import _quaternions as _q

__all__ = ["Rotation", "Slerp"]


def _floats(name: str, x: Any, length: int | None = None) -> Any:
    """An inexact array of rank 1 at least, whose last axis has ``length`` elements."""
    (x,) = promote_inexact(array_operand(f"Rotation.{name}", jnp.asarray(x)))
    shape = get_aval(x).shape
    if length is not None and (not shape or shape[-1] != length):
        raise ValueError(f"Rotation.{name}: expected an array of shape [..., {length}], got {shape}.")
    return x


@expose_methods
class Rotation(NamedTuple):
    """One rotation of space or an array of them; a tree with the quaternions as its leaf.

    Made by :meth:`from_quat`, :meth:`from_matrix`, :meth:`from_rotvec`, :meth:`from_mrp`, :meth:`from_euler`, :meth:`identity` and
    :meth:`random`.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.spatial.transform import Rotation
    >>> turn = Rotation.from_euler("z", 90.0, degrees=True)
    >>> turn.apply(jnp.array([1.0, 0.0, 0.0])).round(6).tolist()
    [0.0, 1.0, 0.0]
    """

    quat: Any

    @classmethod
    def concatenate(cls, rotations: Sequence[Rotation]) -> Rotation:
        """Arrays of rotations, one after the other."""
        return cls(jnp.concatenate([rotation.quat for rotation in rotations]))

    @classmethod
    def from_euler(cls, seq: str, angles: Any, degrees: bool = False) -> Rotation:
        """Successive rotations about axes.

        Args:
            seq: up to three axes, ``"x"``, ``"y"``, ``"z"`` that stay or ``"X"``, ``"Y"``, ``"Z"`` that move along.
            angles: a number or ``[n]`` for one axis, ``[k]`` or ``[n, k]`` for k axes.
            degrees: angles are in degrees, not in radians.

        Raises:
            ValueError: other axes, or angles that do not fit.
        """
        axes, moving = _q.axes_of(seq)
        x = _floats("from_euler", angles)
        shape = get_aval(x).shape
        if len(axes) == 1 and (not shape or len(shape) == 1):
            x = x[..., None]
        elif not shape or shape[-1] != len(axes):
            raise ValueError(f"Rotation.from_euler: angles of shape {shape} do not fit {len(axes)} axes.")
        if degrees:
            x = x * (math.pi / 180)
        return cls(_q.from_euler(axes, moving, x))

    @classmethod
    def from_matrix(cls, matrix: Any) -> Rotation:
        """From rotation matrices of shape ``[..., 3, 3]``."""
        x = _floats("from_matrix", matrix, 3)
        if get_aval(x).shape[-2:] != (3, 3):
            raise ValueError(f"Rotation.from_matrix: expected shape [..., 3, 3], got {get_aval(x).shape}.")
        return cls(_q.from_matrix(x))

    @classmethod
    def from_mrp(cls, mrp: Any) -> Rotation:
        """From modified Rodrigues parameters ``[..., 3]``: axes, as long as the tangent of a quarter of the angle."""
        return cls(_q.from_mrp(_floats("from_mrp", mrp, 3)))

    @classmethod
    def from_quat(cls, quat: Any) -> Rotation:
        """From quaternions ``(x, y, z, w)`` of shape ``[..., 4]``, which are normalized."""
        return cls(_q.normalize(_floats("from_quat", quat, 4)))

    @classmethod
    def from_rotvec(cls, rotvec: Any, degrees: bool = False) -> Rotation:
        """From vectors ``[..., 3]`` along the axis, as long as the angle."""
        x = _floats("from_rotvec", rotvec, 3)
        return cls(_q.from_rotvec(x * (math.pi / 180) if degrees else x))

    @classmethod
    def identity(cls, num: int | None = None, dtype: Any = float) -> Rotation:
        """The rotation by 0, or ``num`` of them."""
        one = jnp.array([0, 0, 0, 1], dtype)
        return cls(one if num is None else jnp.tile(one, (num, 1)))

    @classmethod
    def random(cls, random_key: Any, num: int | None = None) -> Rotation:
        """A random rotation, uniform over all, or ``num`` of them."""
        return cls.from_quat(_random.normal(random_key, (4,) if num is None else (num, 4)))

    def __getitem__(self, indexer: Any) -> Rotation:  # type: ignore[override]
        """Rotations of an array."""
        if self.single:
            raise TypeError("Single rotation is not subscriptable.")
        return Rotation(self.quat[indexer])

    def __len__(self) -> int:
        """The number of rotations."""
        if self.single:
            raise TypeError("Single rotation has no len().")
        return get_aval(self.quat).shape[0]

    def __mul__(self, other: Rotation) -> Rotation:  # type: ignore[override]
        """The rotation ``other`` followed by this one."""
        return Rotation(_q.normalize(_q.multiply(self.quat, other.quat)))

    def apply(self, vectors: Any, inverse: bool = False) -> Any:
        """Turned vectors, of shape ``[..., 3]``; leading axes broadcast.

        Args:
            vectors: of shape ``[3]`` or ``[n, 3]``.
            inverse: turn the other way.
        """
        quat, x = promote_inexact(self.quat, _floats("apply", vectors, 3))
        matrix = _q.to_matrix(_q.conjugate(quat) if inverse else quat)
        return jnp.einsum("...ij,...j->...i", matrix, x)

    def as_euler(self, seq: str, degrees: bool = False) -> Any:
        """Angles ``[..., 3]`` about the three axes of ``seq``; where only a sum of two is determined, the last is 0."""
        axes, moving = _q.axes_of(seq)
        if len(axes) != 3:
            raise ValueError(f"Expected 3 axes, got {seq!r}.")
        angles = _q.to_euler(axes, moving, self.quat)
        return angles * (180 / math.pi) if degrees else angles

    def as_matrix(self) -> Any:
        """Matrices ``[..., 3, 3]``."""
        return _q.to_matrix(self.quat)

    def as_mrp(self) -> Any:
        """Modified Rodrigues parameters ``[..., 3]``, at most of length 1."""
        return _q.to_mrp(self.quat)

    def as_rotvec(self, degrees: bool = False) -> Any:
        """Vectors ``[..., 3]`` along the axis, as long as the angle, at most pi."""
        x = _q.to_rotvec(self.quat)
        return x * (180 / math.pi) if degrees else x

    def as_quat(self, canonical: bool = False, scalar_first: bool = False) -> Any:
        """Quaternions ``[..., 4]``, ``(x, y, z, w)``.

        Args:
            canonical: the one of the two for a rotation whose last component that is not 0 is positive.
            scalar_first: ``(w, x, y, z)`` instead.
        """
        quat = _q.canonical(self.quat) if canonical else self.quat
        return jnp.roll(quat, 1, axis=-1) if scalar_first else quat

    def inv(self) -> Rotation:
        """The inverse rotation."""
        return Rotation(_q.conjugate(self.quat))

    def magnitude(self) -> Any:
        """The angle, from 0 to pi."""
        return _q.magnitude(self.quat)

    def mean(self, weights: Any = None) -> Rotation:
        """The rotation with the least weighted sum of squared distances (as matrices) from those of this array."""
        quat = self.quat if weights is None else self.quat * jnp.asarray(weights)[..., None]
        _, vectors = jnp.linalg.eigh(jnp.swapaxes(quat, -1, -2) @ self.quat)
        return Rotation.from_quat(vectors[..., -1])

    @property
    def single(self) -> bool:
        """Whether this is one rotation, not an array."""
        return get_aval(self.quat).ndim == 1


@expose_methods
class Slerp(NamedTuple):
    """Rotations at constant angular velocity between given ones; made by :meth:`init`, called with times.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.spatial.transform import Rotation, Slerp
    >>> turns = Rotation.from_euler("z", jnp.array([0.0, 90.0]), degrees=True)
    >>> slerp = Slerp.init(jnp.array([0.0, 1.0]), turns)
    >>> float(slerp(0.5).as_euler("xyz", degrees=True)[2].round(6))
    45.0
    """

    times: Any
    timedelta: Any
    rotations: Rotation
    rotvecs: Any

    @classmethod
    def init(cls, times: Any, rotations: Rotation) -> Slerp:
        """Between ``rotations`` (at least two) at ascending ``times``, as many.

        Raises:
            TypeError: ``rotations`` is no :class:`Rotation`.
            ValueError: fewer than two rotations, or another number of times.
        """
        if not isinstance(rotations, Rotation):
            raise TypeError("`rotations` must be a `Rotation` instance.")
        if rotations.single or len(rotations) == 1:
            raise ValueError("`rotations` must be a sequence of at least 2 rotations.")
        (moments,) = promote_inexact(array_operand("Slerp.init", jnp.asarray(times)))
        shape = get_aval(moments).shape
        if len(shape) != 1:
            raise ValueError(
                f"Expected times to be specified in a 1 dimensional array, got {len(shape)} dimensions."
            )
        if shape[0] != len(rotations):
            raise ValueError(
                f"Expected number of rotations to be equal to number of timestamps given, got {len(rotations)} "
                f"rotations and {shape[0]} timestamps."
            )
        before, after = rotations[:-1], rotations[1:]
        return cls(moments, jnp.diff(moments), before, (before.inv() * after).as_rotvec())

    def __call__(self, times: Any) -> Rotation:
        """The rotations at ``times``: a number, or a vector of them."""
        (moments,) = promote_inexact(array_operand("Slerp", jnp.asarray(times)))
        rank = get_aval(moments).ndim
        if rank > 1:
            raise ValueError("`times` must be at most 1-dimensional.")
        last = get_aval(self.timedelta).shape[0] - 1
        place = jnp.clip(jnp.searchsorted(self.times, moments) - 1, 0, last)
        part = (moments - self.times[place]) / self.timedelta[place]
        return self.rotations[place] * Rotation.from_rotvec(self.rotvecs[place] * part[..., None])
