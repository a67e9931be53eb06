"""Probabilities from scores, one-hot codes, and arrays of mean 0 and variance 1."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney.scipy.operands import promoted
from jitney.scipy.special import logsumexp

Axis = int | tuple[int, ...] | None


def softmax(x: Any, axis: Axis = -1, where: Any = None) -> Any:
    """Exponentials divided by their sum along ``axis``; elements that are not in ``where`` are left out, and give 0.

    >>> from jitney import nn
    >>> nn.softmax([0.0, 0.0])
    Array([0.5, 0.5], dtype=float64)
    """
    (x,) = promoted("softmax", jnp.asarray(x))
    top = jnp.max(x, axis, where=where, initial=-np.inf, keepdims=True)
    top = lax.stop_gradient(jnp.where(jnp.isneginf(top), 0.0, top))  # rows of -inf are 0 / 0
    raised = jnp.exp((x if where is None else jnp.where(where, x, top)) - top)
    result = raised / raised.sum(axis, where=where, keepdims=True)
    return result if where is None else jnp.where(where, result, 0)


def log_softmax(x: Any, axis: Axis = -1, where: Any = None) -> Any:
    """Logarithm of :func:`softmax`: ``x`` less the logarithm of the sum of exponentials; ``-inf`` where left out."""
    (x,) = promoted("log_softmax", jnp.asarray(x))
    top = jnp.max(x, axis, where=where, initial=-np.inf, keepdims=True)
    shifted = (x if where is None else jnp.where(where, x, -np.inf)) - lax.stop_gradient(top)
    total = jnp.log(jnp.sum(jnp.exp(shifted), axis, where=where, keepdims=True))
    result = shifted - total
    return result if where is None else jnp.where(where, result, -np.inf)


def logmeanexp(x: Any, axis: Axis = None, where: Any = None, keepdims: bool = False) -> Any:
    """Logarithm of the mean of exponentials along ``axis``."""
    x = jnp.asarray(x)
    total = logsumexp(x, axis=axis, where=where, keepdims=keepdims)
    count = jnp.sum(jnp.broadcast_to(True if where is None else where, x.shape), axis, keepdims=keepdims)
    return total - jnp.log(count.astype(total.dtype))


def one_hot(x: Any, num_classes: int, *, dtype: Any = None, axis: int = -1) -> Any:
    """Ones at the places that integers name, zeros elsewhere, along a new ``axis`` of ``num_classes`` elements.

    Integers outside of ``0 .. num_classes - 1`` give zeros alone.

    >>> from jitney import nn
    >>> nn.one_hot([1, 3], 3)
    Array([[0., 1., 0.],
           [0., 0., 0.]], dtype=float64)
    """
    x, count = jnp.asarray(x), operator.index(num_classes)
    place = axis if axis >= 0 else x.ndim + 1 + axis
    if not 0 <= place <= x.ndim:
        raise np.exceptions.AxisError(axis, x.ndim + 1)
    shape = [count if d == place else 1 for d in range(x.ndim + 1)]
    codes = jnp.arange(count, dtype=x.dtype).reshape(shape)
    return (jnp.expand_dims(x, place) == codes).astype(jnp.float_ if dtype is None else dtype)


def standardize(
    x: Any,
    axis: Axis = -1,
    mean: Any = None,
    variance: Any = None,
    epsilon: Any = 1e-5,
    where: Any = None,
    *,
    algorithm: str = "fast",
) -> Any:
    """``(x - mean) / sqrt(variance + epsilon)`` along ``axis``; mean and variance are those of ``x`` unless given.

    Args:
        x: numbers.
        axis: along which mean and variance are taken.
        mean: known mean, of a shape that broadcasts.
        variance: known variance, likewise.
        epsilon: is added to the variance.
        where: which elements count for mean and variance.
        algorithm: ``"fast"`` (mean of squares less square of the mean) or ``"stable"`` (mean of squared differences).

    Raises:
        ValueError: another algorithm.
    """
    if algorithm not in ("fast", "stable"):
        raise ValueError(f"algorithm must be 'fast' or 'stable', got {algorithm!r}")
    (x,) = promoted("standardize", jnp.asarray(x))
    if mean is None:
        mean = jnp.mean(x, axis, keepdims=True, where=where)
    if variance is None:
        if algorithm == "fast":
            variance = jnp.mean(jnp.square(x), axis, keepdims=True, where=where) - jnp.square(mean)
        else:
            variance = jnp.mean(jnp.square(x - mean), axis, keepdims=True, where=where)
    return (x - mean) * lax.rsqrt(variance + epsilon)
