"""Images in other sizes: ``resize`` and ``scale_and_translate``, one axis after the other."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from jitney import lax
from jitney import numpy as jnp
from jitney._api.jit import jit
from jitney._api.linear_call import linear_call
from jitney.image._kernels import ResizeMethod, dense, moved_weights, taps, transposed_taps
from jitney.scipy.operands import promoted

_MOST_TAPS = 24  # of which a sum is written out; longer ones are matrix products


def resize(
    image: Any,
    shape: Sequence[int],
    method: str | ResizeMethod,
    antialias: bool = True,
    precision: Any = lax.Precision.HIGHEST,
) -> Any:
    """``image`` with ``shape``: every axis whose size changes is resampled, as if it had the same length before and after.

    Args:
        image: of any number of axes; batches and channels are axes that keep their size.
        shape: sizes wanted.
        method: a :class:`ResizeMethod` or its name: ``"nearest"``; ``"linear"``, ``"bilinear"``, ``"trilinear"`` or
            ``"triangle"``; ``"cubic"``, ``"bicubic"`` or ``"tricubic"``; ``"lanczos3"``; ``"lanczos5"``.
        antialias: make kernels wider where an axis gets smaller, so that every element counts.
        precision: accepted; sums have the precision of their dtype.

    Returns:
        An array of the dtype of ``image``; integers become floating-point numbers unless the method is ``"nearest"``.

    Raises:
        ValueError: another number of axes, or an unknown method.

    >>> import jitney
    >>> jitney.image.resize(jitney.numpy.array([0.0, 1.0]), (4,), "linear")
    Array([0.  , 0.25, 0.75, 1.  ], dtype=float64)
    """
    image, method = jnp.asarray(image), _method(method)
    shape = tuple(operator.index(n) for n in shape)
    if len(shape) != image.ndim:
        raise ValueError(
            f"shape must have length equal to the number of dimensions of x; {shape} vs {image.shape}"
        )
    if any(n < 0 for n in shape):
        raise ValueError(f"resize needs sizes that are not negative, got shape {shape}")
    axes = tuple(d for d, n in enumerate(shape) if n != image.shape[d])
    if any(image.shape[d] == 0 for d in axes):
        raise ValueError(f"resize cannot make {shape} from the empty axes of {image.shape}")
    if method is ResizeMethod.NEAREST:
        for d in axes:
            image = _nearest(image, d, shape[d])
        return image
    (image,) = promoted("resize", image)
    return _resized(image, shape, method, bool(antialias)) if axes else image


def scale_and_translate(
    image: Any,
    shape: Sequence[int],
    spatial_dims: Sequence[int],
    scale: Any,
    translation: Any,
    method: str | ResizeMethod,
    antialias: bool = True,
    precision: Any = lax.Precision.HIGHEST,
) -> Any:
    """``image`` scaled, then moved, along some axes, and seen in a window of ``shape``.

    The element of the result at ``y`` (centres are at half integers) is that of ``image`` at ``(y - translation) / scale``,
    zero where that is outside.

    Args:
        image: of any number of axes.
        shape: sizes of the result; axes that are not in ``spatial_dims`` keep theirs.
        spatial_dims: axes that are scaled and moved.
        scale: one number for each of them; differentiable.
        translation: one number for each of them; differentiable.
        method: as of :func:`resize`, but not ``"nearest"``.
        antialias: make kernels wider where the scale is less than 1.
        precision: accepted.

    Raises:
        ValueError: another number of axes, other sizes of axes that are not scaled, another method.

    >>> import jitney
    >>> x = jitney.numpy.arange(4.0)
    >>> jitney.image.scale_and_translate(x, (4,), (0,), jitney.numpy.array([1.0]), jitney.numpy.array([1.0]), "linear")
    Array([0., 0., 1., 2.], dtype=float64)
    """
    image, method = jnp.asarray(image), _method(method)
    shape = tuple(operator.index(n) for n in shape)
    if len(shape) != image.ndim:
        raise ValueError(
            f"shape must have length equal to the number of dimensions of x; {shape} vs {image.shape}"
        )
    if method is ResizeMethod.NEAREST:
        raise ValueError("scale_and_translate has no method 'nearest': round indices and gather them")
    axes = _axes(spatial_dims, image.ndim)
    kept = [d for d in range(image.ndim) if d not in axes and shape[d] != image.shape[d]]
    if kept:
        raise ValueError(
            f"scale_and_translate changes the axes {axes} only, but shape {shape} differs from {image.shape} in axis {kept[0]}"
        )
    (image,) = promoted("scale_and_translate", image)
    scale, translation = promoted("scale_and_translate", jnp.asarray(scale), jnp.asarray(translation))
    for name, x in (("scale", scale), ("translation", translation)):
        if x.shape != (len(axes),):
            raise ValueError(
                f"scale_and_translate needs one {name} for each of {len(axes)} axes, got shape {x.shape}"
            )
    return _moved(image, scale, translation, shape, axes, method, bool(antialias))


def _method(given: Any) -> ResizeMethod:
    return ResizeMethod.from_string(given) if isinstance(given, str) else ResizeMethod(given)


def _axes(given: Sequence[int], rank: int) -> tuple[int, ...]:
    axes = tuple(operator.index(d) for d in given)
    if not all(-rank <= d < rank for d in axes):
        raise ValueError(f"spatial_dims {axes} are not axes of an image with {rank} dimensions")
    axes = tuple(d % rank for d in axes)
    if len(set(axes)) < len(axes):
        raise ValueError(f"spatial_dims {axes} name an axis twice")
    return axes


def _nearest(image: Any, axis: int, wanted: int) -> Any:
    """Elements whose centres are nearest, the later one of two."""
    places = (2 * np.arange(wanted) + 1) * image.shape[axis] // (2 * wanted)
    return jnp.take(image, places, axis, mode="promise_in_bounds")


@partial(jit, static_argnums=(1, 2, 3))
def _resized(image: Any, shape: tuple[int, ...], method: ResizeMethod, antialias: bool) -> Any:
    # Those that get smaller first, so that there is less to do for the others.
    changed = sorted(
        (d for d in range(image.ndim) if shape[d] != image.shape[d]), key=lambda d: shape[d] / image.shape[d]
    )
    for d in changed:
        image = _along(image, d, (image.shape[d], shape[d], method, antialias))
    return image


def _along(image: Any, axis: int, how: tuple) -> Any:
    """The linear map of one axis, and its transpose: sums of a few shifted images, or products with a matrix."""
    few, back = taps(*how), transposed_taps(*how)
    forward = _sum(axis, *few) if few[0].shape[1] <= _MOST_TAPS else _product(axis, how, False)
    backward = _sum(axis, *back) if back[0].shape[1] <= _MOST_TAPS else _product(axis, how, True)
    return linear_call(lambda _, x: forward(x), lambda _, ct: backward(ct), (), image)


def _sum(axis: int, places: np.ndarray, weights: np.ndarray) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        shape = [-1 if d == axis else 1 for d in range(x.ndim)]
        terms = [
            jnp.take(x, places[:, k], axis, mode="promise_in_bounds")
            * weights[:, k].astype(x.dtype).reshape(shape)
            for k in range(places.shape[1])
        ]
        return sum(terms[1:], terms[0])

    return run


def _product(axis: int, how: tuple, transposed: bool) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        matrix = dense(*how).T if transposed else dense(*how)
        return _contracted(x, matrix.astype(x.dtype), axis)

    return run


def _contracted(x: Any, matrix: Any, axis: int) -> Any:
    """``matrix`` times the columns of ``x`` along ``axis``."""
    return jnp.moveaxis(jnp.tensordot(matrix, x, ((1,), (axis,))), 0, axis)


@partial(jit, static_argnums=(3, 4, 5, 6))
def _moved(
    image: Any,
    scale: Any,
    translation: Any,
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    method: ResizeMethod,
    antialias: bool,
) -> Any:
    for number, d in enumerate(axes):
        matrix = moved_weights(
            image.shape[d], shape[d], scale[number], translation[number], method, antialias
        )
        image = _contracted(image, matrix.astype(image.dtype), d)
    return image
