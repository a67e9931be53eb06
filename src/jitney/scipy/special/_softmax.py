"""Sums of exponentials that neither overflow nor underflow: logsumexp, softmax, log_softmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitney import lax
from jitney._core.trace import get_aval
from jitney._ops import elementwise as ew
from jitney._ops import raw, reductions
from jitney.numpy import ufuncs as uf
from jitney.numpy.elementwise import real
from jitney.numpy.operands import broadcast_shapes, broadcast_to, is_eager_float, quiet, to_axes, wrap
from jitney.scipy.operands import promoted, strong
from jitney.scipy.operands import where as choose


def logsumexp(
    a: Any,
    axis: Any = None,
    b: Any = None,
    keepdims: bool = False,
    return_sign: bool = False,
    where: Any = None,
) -> Any:
    """``log(sum(b * exp(a)))`` over ``axis`` (all axes by default), without overflow.

    Args:
        a: array; ``-inf`` counts as an absent term, and its derivative is 0.
        axis: an int or a tuple of ints.
        b: factors that broadcast with ``a`` (default 1); they may be negative.
        keepdims: keep reduced axes with size 1.
        return_sign: return the logarithm of the absolute value and the sign (for complex ``a`` the phase).
        where: mask of the terms to count.

    Returns:
        array of ``a``'s floating dtype, or two of them; NaN where the sum is negative and no sign is returned.

    >>> import jitney.numpy as jnp
    >>> from jitney.scipy.special import logsumexp
    >>> logsumexp(jnp.array([1000.0, 1000.0]))
    Array(1000.69314718, dtype=float64)
    """
    if b is None and where is None and not return_sign and is_eager_float(a):
        return wrap(quiet(_np_logsumexp, a._np, to_axes(axis, a.ndim), bool(keepdims)))
    factor = None
    if b is None:
        (a,) = promoted("logsumexp", a)
    else:
        a, factor = promoted("logsumexp", a, b)
        shape = broadcast_shapes(get_aval(a).shape, get_aval(factor).shape)
        a, factor = broadcast_to(strong(a), shape), broadcast_to(strong(factor), shape)
        a = choose(uf.equal(factor, 0), -math.inf, a)
    a = strong(a)
    if where is not None:
        shape = broadcast_shapes(get_aval(a).shape, get_aval(where).shape)
        a = choose(where, broadcast_to(a, shape), -math.inf)
        factor = None if factor is None else broadcast_to(factor, shape)
    axes = to_axes(axis, get_aval(a).ndim)
    largest = _largest(a, axes)
    terms = uf.exp(a - _expand(largest, a, axes))
    total = raw.reduce_sum(terms if factor is None else factor * terms, axes)
    out, sign = _log_and_sign(total, return_sign)
    # Added last, so that an infinite maximum comes back.
    out = out + (
        largest
        if get_aval(out).dtype == get_aval(largest).dtype
        else ew.convert(largest, get_aval(out).dtype)
    )
    if keepdims:
        out, sign = _expand(out, a, axes, False), None if sign is None else _expand(sign, a, axes, False)
    return (out, sign) if return_sign else out


def _np_logsumexp(a: np.ndarray, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The same in NumPy, for small concrete arrays."""
    largest = np.maximum.reduce(a, axis=axes, keepdims=True, initial=-math.inf)
    largest = np.where(np.isfinite(largest), largest, 0).astype(a.dtype)
    total = np.add.reduce(np.exp(a - largest), axis=axes, keepdims=True)
    out = np.log(total) + largest
    return out if keepdims else out.reshape([n for d, n in enumerate(a.shape) if d not in axes])


def _largest(a: Any, axes: tuple[int, ...]) -> Any:
    """The greatest real part, or 0 where it is infinite or there is none; a constant for derivatives."""
    values = lax.stop_gradient(real(a))
    largest = reductions.reduce_max_p.bind(values, axes=axes, out_sharding=None)
    return choose(uf.less(uf.abs(largest), math.inf), largest, 0.0)


def _expand(x: Any, like: Any, axes: tuple[int, ...], full: bool = True) -> Any:
    """A reduced array with its axes back, of size 1 or (``full``) broadcast to the shape of ``like``."""
    shape = get_aval(like).shape
    kept = tuple(d for d in range(len(shape)) if d not in axes)
    sizes = shape if full else tuple(1 if d in axes else n for d, n in enumerate(shape))
    return raw.broadcast_in_dim(x, sizes, kept)


def _log_and_sign(total: Any, return_sign: bool) -> tuple[Any, Any]:
    """``log`` of a sum, -inf (with derivative 0) where it is zero; of its size and its sign if they are asked for."""
    empty = uf.equal(total, 0)
    sign = None
    if return_sign:
        sign = uf.sign(total)
        total = uf.abs(total)
    return choose(empty, -math.inf, uf.log(choose(empty, 1.0, total))), sign


def softmax(x: Any, /, *, axis: Any = None) -> Any:
    """``exp(x) / sum(exp(x))`` over ``axis`` (all axes by default)."""
    x, axes, shifted = _shifted("softmax", x, axis)
    terms = uf.exp(shifted)
    return terms / _expand(raw.reduce_sum(terms, axes), x, axes, False)


def log_softmax(x: Any, /, *, axis: Any = None) -> Any:
    """Logarithm of :func:`softmax`."""
    x, axes, shifted = _shifted("log_softmax", x, axis)
    return shifted - _expand(uf.log(raw.reduce_sum(uf.exp(shifted), axes)), x, axes, False)


def _shifted(name: str, x: Any, axis: Any) -> tuple[Any, tuple[int, ...], Any]:
    """``x`` minus its maximum, which is a constant for derivatives."""
    (x,) = promoted(name, x)
    x = strong(x)
    axes = to_axes(axis, get_aval(x).ndim)
    largest = reductions.reduce_max_p.bind(lax.stop_gradient(x), axes=axes, out_sharding=None)
    return x, axes, x - _expand(largest, x, axes, False)
