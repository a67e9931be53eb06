"""Convolutions of ``jitney.lax``: in any layout, strided, dilated, in groups; their transposes, patches, local ones."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitney._core.trace import get_aval
from jitney._ops import convolution as ops
from jitney._ops import raw
from jitney._ops.contraction import dot_general_p
from jitney._ops.convolution import ConvDimensionNumbers as ConvDimensionNumbers
from jitney._ops.convolution import conv_general_dilated_p as conv_general_dilated_p
from jitney._ops.shapes import rev_p
from jitney.lax.operands import operands as as_operands
from jitney.lax.windows import padtype_to_pads

# -- which axes are which -----------------------------------------------------------------------------


def conv_general_permutations(dimension_numbers: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """The axes ``(batch, feature, *spatial)``, ``(output, feature, *spatial)``, ``(batch, feature, *spatial)`` that three strings name.

    Raises ``TypeError`` where letters repeat or the strings have other spatial letters.

    Example:
        >>> from jitney import lax
        >>> lax.conv_general_permutations(("NHWC", "HWIO", "NCHW"))
        ((0, 3, 1, 2), (3, 2, 0, 1), (0, 1, 2, 3))
    """
    if not all(isinstance(text, str) for text in dimension_numbers):
        raise TypeError(
            f"convolution dimension_numbers are three texts such as ('NCHW', 'OIHW', 'NCHW'), got {dimension_numbers!r}."
        )
    for text, letters in zip(dimension_numbers, ("NC", "OI", "NC"), strict=True):
        if any(text.count(c) != 1 for c in letters):
            raise TypeError(
                f"convolution dimension_numbers elements must contain the characters {letters[0]!r} and {letters[1]!r} exactly once, "
                f"got {text}."
            )
        if len(set(text)) != len(text):
            raise TypeError(
                f"convolution dimension_numbers elements cannot have duplicate characters, got {text}."
            )
    lhs, rhs, out = dimension_numbers
    spatial = [c for c in rhs if c not in "OI"]
    if not set(lhs) - set("NC") == set(out) - set("NC") == set(spatial):
        raise TypeError(
            "convolution dimension_numbers elements must each have the same set of spatial characters, got "
            f"{tuple(dimension_numbers)}."
        )
    places = [
        tuple(text.index(c) for c in (*first, *spatial))
        for text, first in ((lhs, "NC"), (rhs, "OI"), (out, "NC"))
    ]
    return tuple(places)


def conv_dimension_numbers(
    lhs_shape: Sequence[int], rhs_shape: Sequence[int], dimension_numbers: Any
) -> ConvDimensionNumbers:
    """Which axes of image, kernel and result are which.

    Args:
        lhs_shape, rhs_shape: of image and kernel.
        dimension_numbers: three strings such as ``("NHWC", "HWIO", "NHWC")`` (N batch, C and I features, O outputs, other letters are
            spatial axes); None for batch and features ahead; a ``ConvDimensionNumbers`` is given back.

    Raises ``TypeError`` for ranks that differ and strings that do not fit.

    Example:
        >>> from jitney import lax
        >>> lax.conv_dimension_numbers((1, 8, 8, 3), (3, 3, 3, 4), ("NHWC", "HWIO", "NHWC")).lhs_spec
        (0, 3, 1, 2)
    """
    if isinstance(dimension_numbers, ConvDimensionNumbers):
        return dimension_numbers
    if len(lhs_shape) != len(rhs_shape):
        raise TypeError(
            f"convolution requires lhs and rhs ndim to be equal, got {len(lhs_shape)} and {len(rhs_shape)}."
        )
    rank = len(lhs_shape)
    if dimension_numbers is None:
        return ConvDimensionNumbers(*[tuple(range(rank))] * 3)
    if not isinstance(dimension_numbers, (list, tuple)):
        raise TypeError(
            f"convolution dimension_numbers must be tuple/list or None, got {type(dimension_numbers)}."
        )
    if len(dimension_numbers) != 3:
        raise TypeError(
            f"convolution dimension_numbers list/tuple must be length 3, got {len(dimension_numbers)}."
        )
    if not all(isinstance(text, str) for text in dimension_numbers):
        raise TypeError(
            f"convolution dimension_numbers elements must be strings, got {tuple(map(type, dimension_numbers))}."
        )
    for what, text in zip(("lhs", "rhs", "out"), dimension_numbers, strict=True):
        if len(text) != rank:
            raise TypeError(
                f"convolution {what} dimension_numbers must have as many characters as the operands have axes ({rank}), got "
                f"{text!r}."
            )
    return ConvDimensionNumbers(*conv_general_permutations(dimension_numbers))


def _ints(numbers: Any) -> tuple[int, ...]:
    return tuple(operator.index(n) for n in numbers)


def _window(function: str, filter_shape: Any, rank: int) -> tuple[int, ...]:
    """A window with a size for each spatial axis."""
    try:
        window = _ints(filter_shape)
    except TypeError:
        window = None
    if window is None or len(window) != rank:
        raise ValueError(
            f"{function}: filter_shape must have {rank} size{'s' * (rank != 1)}, of the window along each spatial axis; got {filter_shape!r}."
        )
    return window


def _sizes(shape: Sequence[int], spec: Sequence[int]) -> tuple[int, ...]:
    return tuple(shape[d] for d in spec)


def _pads(padding: Any, image: Sequence[int], window: Sequence[int], strides: Sequence[int]) -> ops.Pads:
    """``(low, high)`` for each spatial axis."""
    if isinstance(padding, str) or hasattr(padding, "name"):
        return tuple(padtype_to_pads(image, window, strides, padding))
    pads = [tuple(pair) for pair in padding]
    if any(len(pair) != 2 for pair in pads):
        raise TypeError(
            f"padding argument to conv_general_dilated should be a string or a sequence of (low, high) pairs, got {padding}."
        )
    if len(pads) != len(image):
        raise TypeError(
            f"Wrong number of explicit pads for convolution: expected {len(image)}, got {len(pads)}."
        )
    return tuple((operator.index(lo), operator.index(hi)) for lo, hi in pads)


# -- convolutions -------------------------------------------------------------------------------------


def conv_general_dilated(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Slide a kernel over images: at every place the sum of products of kernel and window, for every output feature.

    Args:
        lhs: images, ``[batch, feature, *spatial]`` unless ``dimension_numbers`` says otherwise.
        rhs: kernel, ``[output, feature, *spatial]``, of the dtype of ``lhs``.
        window_strides: how far apart windows begin along each spatial axis.
        padding: ``"VALID"`` (none), ``"SAME"`` or ``"SAME_LOWER"`` (as many windows as elements over the stride), or ``(low, high)``
            for each axis; negative padding cuts.
        lhs_dilation: how far apart the image's elements are put (zeros between); 1 by default.
        rhs_dilation: how far apart the kernel's elements are put; 1 by default.
        dimension_numbers: see :func:`conv_dimension_numbers`.
        feature_group_count: features and outputs fall into as many groups; the outputs of a group see its features only.
        batch_group_count: images and outputs fall into as many groups; the outputs of a group see its images only.
        precision: accepted; sums have the precision of their dtype.
        preferred_element_type: dtype of the result.

    Returns:
        ``[batch, output, *spatial]``, or as ``dimension_numbers`` says.

    Raises ``TypeError`` for ranks, dtypes and dimension numbers that do not fit, ``ValueError`` for counts, strides and dilations that
    do not, ``RuntimeError`` for an unknown padding.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.conv_general_dilated(jnp.arange(5.0).reshape(1, 1, 5), jnp.ones((1, 1, 2)), (1,), "VALID").ravel().tolist()
        [1.0, 3.0, 5.0, 7.0]
    """
    lhs, rhs = as_operands("conv_general_dilated", lhs, rhs)
    x, w = get_aval(lhs), get_aval(rhs)
    dims = conv_dimension_numbers(x.shape, w.shape, dimension_numbers)
    strides = _ints(window_strides)
    rank = len(dims.lhs_spec) - 2
    near = (1,) * rank if lhs_dilation is None else _ints(lhs_dilation)
    far = (1,) * rank if rhs_dilation is None else _ints(rhs_dilation)
    image, window = _sizes(x.shape, dims.lhs_spec[2:]), _sizes(w.shape, dims.rhs_spec[2:])
    if isinstance(padding, str):
        if any(n != 1 for n in near):
            raise ValueError(
                "String padding is not implemented for transposed convolution using this op. Please either exactly specify the "
                "required padding or use conv_transpose."
            )
        ops.check_geometry(rank, ops.Geometry(strides, ((0, 0),) * rank, near, far))
        window = tuple((n - 1) * d + 1 if n else 0 for n, d in zip(window, far, strict=True))
    pads = _pads(padding, image, window, strides)
    dtype = None if preferred_element_type is None else np.dtype(preferred_element_type)
    return conv_general_dilated_p.bind(
        lhs,
        rhs,
        batch_group_count=operator.index(batch_group_count),
        dimension_numbers=dims,
        feature_group_count=operator.index(feature_group_count),
        lhs_dilation=near,
        out_sharding=None,
        padding=pads,
        precision=precision,
        preferred_element_type=dtype,
        rhs_dilation=far,
        window_strides=strides,
    )


def conv(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """``conv_general_dilated`` of ``[batch, feature, *spatial]`` and ``[output, feature, *spatial]``, without dilation and groups."""
    return conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


def conv_with_general_padding(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None,
    rhs_dilation: Sequence[int] | None,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """``conv_general_dilated`` in the layout of ``conv``, with any padding and dilation."""
    return conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


_CHANNELS_LAST = {3: ("NHC", "HIO", "NHC"), 4: ("NHWC", "HWIO", "NHWC"), 5: ("NHWDC", "HWDIO", "NHWDC")}


def _transpose_pads(window: int, stride: int, padding: str) -> tuple[int, int]:
    """The padding with which a dilated convolution gives the size that the forward one came from."""
    if padding == "SAME":
        total = window + stride - 2
        low = window - 1 if stride > window - 1 else -(-total // 2)
    elif padding == "VALID":
        total = window + stride - 2 + max(window - stride, 0)
        low = window - 1
    else:
        raise RuntimeError(f"Unrecognized padding type: expected 'VALID' or 'SAME', got {padding}.")
    return low, total - low


def conv_transpose(
    lhs: Any,
    rhs: Any,
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    transpose_kernel: bool = False,
    precision: Any = None,
    preferred_element_type: Any = None,
    use_consistent_padding: bool = False,
) -> Any:
    """The transpose of a strided convolution: every element of the image adds a multiple of the kernel to the result.

    Args:
        lhs: images; channels last (``NHWC`` and the like) unless ``dimension_numbers`` says otherwise.
        rhs: kernel, ``HWIO`` likewise.
        strides: of the forward convolution.
        padding: ``"SAME"`` or ``"VALID"``: of the forward convolution; or ``(low, high)`` for each axis of the spread image.
        rhs_dilation: how far apart the kernel's elements are put.
        dimension_numbers: see :func:`conv_dimension_numbers`.
        transpose_kernel: take the kernel of the forward convolution: turned round, inputs and outputs exchanged. The result is then
            its derivative.
        precision, preferred_element_type: as of ``conv_general_dilated``.
        use_consistent_padding: explicit padding is that of the forward convolution, too.

    Raises ``RuntimeError`` for other paddings, and as ``conv_general_dilated`` does.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.conv_transpose(jnp.ones((1, 2, 1)), jnp.ones((2, 1, 1)), (2,), "SAME").ravel().tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    lhs, rhs = as_operands("conv_transpose", lhs, rhs)
    rank = get_aval(lhs).ndim
    if dimension_numbers is None:
        if rank not in _CHANNELS_LAST:
            raise ValueError(
                f"No 4+ dimensional dimension_number defaults: give dimension_numbers for {rank} axes."
            )
        dimension_numbers = _CHANNELS_LAST[rank]
    dims = conv_dimension_numbers(get_aval(lhs).shape, get_aval(rhs).shape, dimension_numbers)
    window = _sizes(get_aval(rhs).shape, dims.rhs_spec[2:])
    far = (1,) * len(window) if rhs_dilation is None else _ints(rhs_dilation)
    reach = [(n - 1) * d + 1 for n, d in zip(window, far, strict=True)]
    pads: Any = padding
    if isinstance(padding, str):
        pads = [_transpose_pads(k, s, padding) for k, s in zip(reach, strides, strict=True)]
    elif use_consistent_padding:
        pads = [(k - 1 - lo, k - 1 - hi) for k, (lo, hi) in zip(reach, padding, strict=True)]
    if transpose_kernel:
        for d in dims.rhs_spec[2:]:
            rhs = rev_p.bind(rhs, dimensions=(d,))
        order = list(range(rank))
        o, i = dims.rhs_spec[:2]
        order[o], order[i] = i, o
        rhs = raw.transpose(rhs, order)
    return conv_general_dilated(
        lhs,
        rhs,
        (1,) * len(window),
        pads,
        strides,
        far,
        dims,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


# -- windows ------------------------------------------------------------------------------------------


def conv_general_dilated_patches(
    lhs: Any,
    filter_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """The windows themselves: as many features as a window has elements, those of one feature side by side.

    Args:
        lhs: images, as of ``conv_general_dilated``.
        filter_shape: the window along each spatial axis.
        window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers, precision, preferred_element_type: as of
            ``conv_general_dilated``.

    Returns:
        The images with ``features * prod(filter_shape)`` features: feature c and place t of the window are feature
        ``c * prod(filter_shape) + t``.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.conv_general_dilated_patches(jnp.arange(3.0).reshape(1, 1, 3), (2,), (1,), "VALID").tolist()
        [[[0.0, 1.0], [1.0, 2.0]]]
    """
    (lhs,) = as_operands("conv_general_dilated_patches", lhs)
    aval, window = (
        get_aval(lhs),
        _window("conv_general_dilated_patches", filter_shape, get_aval(lhs).ndim - 2),
    )
    dims = conv_dimension_numbers(aval.shape, (1, 1, *window), dimension_numbers)
    channels, count = aval.shape[dims.lhs_spec[1]], int(np.prod(window))
    shape = [0] * aval.ndim
    kernel = np.tile(np.eye(count, dtype=aval.dtype), (channels, 1)).reshape(channels * count, 1, *window)
    for place, d in enumerate(dims.rhs_spec):
        shape[d] = place
    return conv_general_dilated(
        lhs,
        np.transpose(kernel, shape),
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        dims,
        channels,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


def conv_general_dilated_local(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    filter_shape: Sequence[int],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    precision: Any = None,
) -> Any:
    """A convolution whose kernel is another one at every place of the result.

    Args:
        lhs: images, as of ``conv_general_dilated``.
        rhs: kernels: ``[output, features * prod(filter_shape), *spatial axes of the result]``, or as ``dimension_numbers`` says.
        filter_shape: the window along each spatial axis.
        window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers, precision: as of ``conv_general_dilated``.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> kernels = jnp.array([[[1.0, 0.0], [0.0, 1.0]]])
        >>> lax.conv_general_dilated_local(jnp.array([[[5.0, 6.0, 7.0]]]), kernels, (1,), "VALID", (2,)).tolist()
        [[[5.0, 7.0]]]
    """
    lhs, rhs = as_operands("conv_general_dilated_local", lhs, rhs)
    _window("conv_general_dilated_local", filter_shape, get_aval(lhs).ndim - 2)
    dims = conv_dimension_numbers(get_aval(lhs).shape, get_aval(rhs).shape, dimension_numbers)
    patches = conv_general_dilated_patches(
        lhs,
        filter_shape,
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        ConvDimensionNumbers(dims.lhs_spec, dims.rhs_spec, dims.lhs_spec),
        precision,
    )
    (_, feature, *places), (_, taken, *kernel_places) = dims.lhs_spec, dims.rhs_spec
    found, given = get_aval(patches).shape, get_aval(rhs).shape
    wanted = [found[d] for d in (feature, *places)]
    if [given[d] for d in (taken, *kernel_places)] != wanted:
        raise ValueError(
            f"conv_general_dilated_local: the kernels have shape {given}; for images of shape {get_aval(lhs).shape} and windows of "
            f"{tuple(filter_shape)} they need {wanted[0]} inputs (features by places of the window) at each of {tuple(wanted[1:])} places."
        )
    out = dot_general_p.bind(
        *as_operands("conv_general_dilated_local", patches, rhs),
        dimension_numbers=(((feature,), (taken,)), (tuple(places), tuple(kernel_places))),
        precision=precision,
        preferred_element_type=None,
        out_sharding=None,
    )
    # [*places, batch, output] in the order of the dimension numbers
    have = [*dims.out_spec[2:], *dims.out_spec[:2]]
    return raw.transpose(out, [have.index(d) for d in range(len(have))])


# -- shapes -------------------------------------------------------------------------------------------


def conv_shape_tuple(
    lhs_shape: Sequence[int],
    rhs_shape: Sequence[int],
    strides: Sequence[int],
    pads: str | Sequence[tuple[int, int]],
    batch_group_count: int = 1,
) -> tuple[int, ...]:
    """The shape of ``conv``.

    Example:
        >>> from jitney import lax
        >>> lax.conv_shape_tuple((2, 3, 8, 8), (4, 3, 3, 3), (1, 1), "VALID")
        (2, 4, 6, 6)
    """
    image, window = lhs_shape[2:], rhs_shape[2:]
    ones = (1,) * len(image)
    frame = ops.Geometry(_ints(strides), _pads(pads, image, window, strides), ones, ones)
    return (lhs_shape[0] // batch_group_count, rhs_shape[0], *frame.out_sizes(image, window))


def conv_general_shape_tuple(
    lhs_shape: Sequence[int],
    rhs_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    dimension_numbers: Sequence[str],
) -> tuple[int, ...]:
    """The shape of ``conv_general_dilated`` without dilation."""
    lhs, rhs, out = conv_general_permutations(dimension_numbers)
    shape = conv_shape_tuple(_sizes(lhs_shape, lhs), _sizes(rhs_shape, rhs), window_strides, padding)
    return tuple(shape[out.index(d)] for d in range(len(out)))


def conv_transpose_shape_tuple(
    lhs_shape: Sequence[int],
    rhs_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    dimension_numbers: Sequence[str],
) -> tuple[int, ...]:
    """The shape of ``conv_transpose``."""
    lhs, rhs, out = conv_general_permutations(dimension_numbers)
    image, kernel = _sizes(lhs_shape, lhs), _sizes(rhs_shape, rhs)
    pads = (
        [_transpose_pads(k, s, padding) for k, s in zip(kernel[2:], window_strides, strict=True)]
        if isinstance(padding, str)
        else list(padding)
    )
    ones = (1,) * len(pads)
    frame = ops.Geometry(ones, tuple(pads), _ints(window_strides), ones)
    shape = (image[0], kernel[0], *frame.out_sizes(image[2:], kernel[2:]))
    return tuple(shape[out.index(d)] for d in range(len(out)))


__all__ = sorted(
    name
    for name, value in globals().items()
    if not name.startswith("_") and (name.endswith("_p") or getattr(value, "__module__", "") == __name__)
)
