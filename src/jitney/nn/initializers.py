"""Initializers: functions ``init(key, shape, dtype)`` that draw the first weights of a layer."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from jitney import numpy as jnp
from jitney import random
from jitney._api.calls import boundary
from jitney._api.calls import expose as _expose
from jitney._base import dtypes

__all__ = [
    "Initializer",
    "constant",
    "delta_orthogonal",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

# Standard deviation of a standard normal that is cut off at -2 and 2.
_CUT = 0.87962566103423978
Axes = int | Sequence[int]


class Initializer(Protocol):
    """What the functions of this module give: a key, a shape and a dtype make an array."""

    def __call__(self, key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> Any: ...


def _dtype(given: Any, default: Any = None) -> np.dtype:
    wanted = given if given is not None else default
    return np.dtype(dtypes.default_dtype("f") if wanted is None else dtypes.requested(wanted))


def _initializer(draw: Callable[[Any, tuple, np.dtype], Any], default: Any) -> Initializer:
    """``draw(key, shape, dtype)``, with what callers may leave out."""

    def init(key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> Any:
        return draw(key, tuple(map(operator.index, shape)), _dtype(dtype, default))

    return boundary(init)


def zeros(key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> Any:
    """An array of zeros; the key is not used."""
    return jnp.zeros(shape, _dtype(dtype))


def ones(key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> Any:
    """An array of ones; the key is not used."""
    return jnp.ones(shape, _dtype(dtype))


def constant(value: Any, dtype: Any = None) -> Initializer:
    """An initializer of arrays filled with ``value``."""
    return _initializer(lambda key, shape, dtype: jnp.full(shape, value, dtype), dtype)


def uniform(scale: Any = 1e-2, dtype: Any = None) -> Initializer:
    """An initializer of numbers between 0 and ``scale``.

    >>> import jitney
    >>> jitney.nn.initializers.uniform(10.0)(jitney.random.key(0), (2,), "float32").shape
    (2,)
    """
    return _initializer(
        lambda key, shape, dtype: random.uniform(key, shape, dtype) * _as(scale, dtype), dtype
    )


def normal(stddev: Any = 1e-2, dtype: Any = None) -> Initializer:
    """An initializer of normal numbers with mean 0 and standard deviation ``stddev``."""
    return _initializer(
        lambda key, shape, dtype: random.normal(key, shape, dtype) * _as(stddev, dtype), dtype
    )


def truncated_normal(
    stddev: Any = 1e-2, dtype: Any = None, lower: Any = -2.0, upper: Any = 2.0
) -> Initializer:
    """An initializer of normal numbers cut off at ``lower`` and ``upper`` (in units of ``stddev``)."""

    def draw(key: Any, shape: tuple, dtype: np.dtype) -> Any:
        return random.truncated_normal(key, lower, upper, shape, dtype) * _as(stddev, dtype)

    return _initializer(draw, dtype)


def _as(number: Any, dtype: np.dtype) -> Any:
    return jnp.asarray(number, dtype)


def _axes(axes: Axes, rank: int) -> list[int]:
    return [operator.index(a) % rank for a in ((axes,) if isinstance(axes, int) else axes)]


def _fans(shape: tuple, in_axis: Axes, out_axis: Axes, batch_axis: Axes) -> tuple[float, float]:
    """Inputs of each output, and outputs that each input reaches."""
    if len(shape) < 2:
        raise ValueError(
            f"variance scaling needs an array with at least two axes, inputs and outputs; got shape {shape}"
        )
    inputs, outputs, batch = (
        math.prod(shape[a] for a in _axes(axes, len(shape))) for axes in (in_axis, out_axis, batch_axis)
    )
    field = math.prod(shape) / inputs / outputs / batch
    return inputs * field, outputs * field


def variance_scaling(
    scale: Any,
    mode: str,
    distribution: str,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: Any = None,
) -> Initializer:
    """An initializer whose numbers have variance ``scale / n``.

    Args:
        scale: of the variance.
        mode: what ``n`` is: ``"fan_in"`` (inputs of an output), ``"fan_out"``, ``"fan_avg"`` (their mean) or
            ``"fan_geo_avg"`` (their geometric mean).
        distribution: ``"truncated_normal"``, ``"normal"`` or ``"uniform"``.
        in_axis: axis or axes of the inputs.
        out_axis: of the outputs.
        batch_axis: that count for neither.
        dtype: of the arrays, where the caller names none.

    Raises:
        ValueError: an unknown mode or distribution, or fewer than two axes.

    Source: Glorot and Bengio (2010); He et al. (2015); LeCun et al. (1998).
    """

    def draw(key: Any, shape: tuple, dtype: np.dtype) -> Any:
        fan_in, fan_out = _fans(shape, in_axis, out_axis, batch_axis)
        counts = {
            "fan_in": fan_in,
            "fan_out": fan_out,
            "fan_avg": (fan_in + fan_out) / 2,
            "fan_geo_avg": (fan_in * fan_out) ** 0.5,
        }
        if mode not in counts:
            raise ValueError(
                f"invalid mode for variance scaling initializer: {mode}; one of {sorted(counts)}"
            )
        variance = jnp.array(scale / counts[mode], dtype=dtype)
        if distribution == "normal":
            return random.normal(key, shape, dtype) * jnp.sqrt(variance)
        if distribution == "uniform":
            return random.uniform(key, shape, dtype, -1) * jnp.sqrt(3 * variance)
        if distribution == "truncated_normal":
            deviation = jnp.sqrt(variance) / _as(_CUT, dtype)
            return random.truncated_normal(key, -2, 2, shape, dtype) * deviation
        raise ValueError(f"invalid distribution for variance scaling initializer: {distribution}")

    return _initializer(draw, dtype)


def _scaled(name: str, scale: float, mode: str, distribution: str, source: str) -> Callable[..., Initializer]:
    def make(
        in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None
    ) -> Initializer:
        return variance_scaling(scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = (
        f"An initializer with variance {scale:g} / n by :func:`variance_scaling`: {mode}, {distribution}.\n\n"
        f"    Source: {source}.\n    "
    )
    return make


_GLOROT = "Glorot and Bengio (2010)"
_LECUN = "LeCun et al. (1998)"
_HE = "He et al. (2015)"
glorot_uniform = xavier_uniform = _scaled("glorot_uniform", 1.0, "fan_avg", "uniform", _GLOROT)
glorot_normal = xavier_normal = _scaled("glorot_normal", 1.0, "fan_avg", "truncated_normal", _GLOROT)
lecun_uniform = _scaled("lecun_uniform", 1.0, "fan_in", "uniform", _LECUN)
lecun_normal = _scaled("lecun_normal", 1.0, "fan_in", "truncated_normal", _LECUN)
he_uniform = kaiming_uniform = _scaled("he_uniform", 2.0, "fan_in", "uniform", _HE)
he_normal = kaiming_normal = _scaled("he_normal", 2.0, "fan_in", "truncated_normal", _HE)


def orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """An initializer of matrices with orthonormal columns (or rows, where there are fewer), times ``scale``.

    Arrays of more axes are seen as matrices whose columns lie along ``column_axis``. They are uniformly distributed.

    Raises:
        ValueError: the shape has fewer than two axes.

    Source: Saxe, McClelland and Ganguli (2013).
    """

    def draw(key: Any, shape: tuple, dtype: np.dtype) -> Any:
        if len(shape) < 2:
            raise ValueError(f"orthogonal initializer requires at least a 2D shape, got {shape}")
        columns = shape[column_axis]
        rows = math.prod(shape) // columns
        drawn = random.normal(key, (max(rows, columns), min(rows, columns)), dtype)
        q, r = jnp.linalg.qr(drawn)
        q *= jnp.sign(jnp.diag(r))  # the distribution is uniform then
        if rows < columns:
            q = q.T
        others = [n for d, n in enumerate(shape) if d != column_axis % len(shape)]
        return _as(scale, dtype) * jnp.moveaxis(q.reshape((*others, columns)), -1, column_axis)

    return _initializer(draw, dtype)


def delta_orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """An initializer of convolution kernels that are orthogonal matrices in the middle and 0 elsewhere.

    Shapes are ``(*window, inputs, outputs)`` with one to three axes of the window and at most as many inputs as outputs.

    Raises:
        ValueError: another number of axes, or more inputs than outputs.

    Source: Xiao et al. (2018).
    """

    def draw(key: Any, shape: tuple, dtype: np.dtype) -> Any:
        if len(shape) not in (3, 4, 5):
            raise ValueError(f"delta orthogonal initializer requires 3D, 4D, or 5D shapes, got {shape}")
        if shape[-1] < shape[-2]:
            raise ValueError(f"the number of inputs (last axis but one) exceeds that of outputs: {shape}")
        matrix = orthogonal(scale, column_axis, dtype)(key, shape[-2:])
        middle = tuple([(n - 1) // 2 for n in shape[:-2]])
        return jnp.zeros(shape, dtype).at[middle].set(matrix)

    return _initializer(draw, dtype)


_expose(globals())
