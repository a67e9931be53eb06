"""conv_general_dilated: convolutions along any number of spatial axes, with all of their rules.

The result at place p sums ``image[batch, feature, p * stride - low + t * rhs_dilation] * kernel[output, feature, t]`` over features and
places t of the window; the image's elements are ``lhs_dilation`` apart, zeros between and around. (It is a correlation: the kernel
is not turned round.) Both transposes are convolutions again, and batch axes become features, images or groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jitney._core import plugs
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.trace import get_aval
from jitney._kernel.rules import Routine, RoutineCall
from jitney._ops import raw
from jitney._ops.families import bilinear_transpose, standard_jvp
from jitney._ops.shapes import rev_p


class ConvDimensionNumbers(NamedTuple):
    """Which axes are which: ``(batch, feature, *spatial)`` of image and result, ``(output, feature, *spatial)`` of the kernel."""

    lhs_spec: Sequence[int]
    rhs_spec: Sequence[int]
    out_spec: Sequence[int]


Pads = tuple[tuple[int, int], ...]


def _spread(n: int, dilation: int) -> int:
    """The length of ``n`` elements that are ``dilation`` apart."""
    return (n - 1) * dilation + 1 if n else 0


def _sizes(shape: Sequence[int], spec: Sequence[int]) -> tuple[int, ...]:
    return tuple(shape[d] for d in spec)


class Geometry(NamedTuple):
    """The parameters of a convolution that say where windows lie."""

    window_strides: tuple[int, ...]
    padding: Pads
    lhs_dilation: tuple[int, ...]
    rhs_dilation: tuple[int, ...]

    def out_sizes(self, image: Sequence[int], window: Sequence[int]) -> tuple[int, ...]:
        """How many windows there are along each spatial axis."""
        out = []
        for n, w, s, (lo, hi), near, far in zip(
            image, window, self[0], self[1], self[2], self[3], strict=True
        ):
            room = max(lo + hi + _spread(n, near), 0) - _spread(w, far)
            out.append(max(room // s + 1, 0))
        return tuple(out)


# -- types --------------------------------------------------------------------------------------------


def _check_counts(
    lhs: ShapedArray, rhs: ShapedArray, dims: ConvDimensionNumbers, groups: tuple[int, int]
) -> None:
    name, (features, batches) = "conv_general_dilated", groups
    for what, count in (("feature", features), ("batch", batches)):
        if count <= 0:
            raise ValueError(f"{name} {what}_group_count must be a positive integer, got {count}.")
    if features > 1 and batches > 1:
        raise ValueError(
            f"{name}: at most one of feature_group_count and batch_group_count may be > 1, got {features} and {batches}."
        )
    channels, images = lhs.shape[dims.lhs_spec[1]], lhs.shape[dims.lhs_spec[0]]
    outputs, taken = rhs.shape[dims.rhs_spec[0]], rhs.shape[dims.rhs_spec[1]]
    if channels % features:
        raise ValueError(
            f"{name} feature_group_count must divide lhs feature dimension size, but {features} does not divide {channels}."
        )
    if channels // features != taken:
        raise ValueError(
            f"{name} lhs feature dimension size divided by feature_group_count must equal the rhs input feature dimension "
            f"size, but {channels} // {features} != {taken}."
        )
    if images % batches:
        raise ValueError(
            f"{name} batch_group_count must divide lhs batch dimension size, but {batches} does not divide {images}."
        )
    for what, count in (("feature", features), ("batch", batches)):
        if outputs % count:
            raise ValueError(
                f"{name} rhs output feature dimension size must be a multiple of {what}_group_count, but {outputs} is not a "
                f"multiple of {count}."
            )


def check_geometry(rank: int, geometry: Geometry) -> None:
    """Refuse numbers that are not as many as the spatial axes, and steps that are not positive."""
    for what, value in zip(geometry._fields, geometry, strict=True):
        if len(value) != rank:
            raise ValueError(
                f"conv_general_dilated window and {what} must have the same number of dimensions, but got {rank} and {len(value)}"
            )
        if what != "padding" and any(n <= 0 for n in value):  # type: ignore[operator]
            raise ValueError(f"conv_general_dilated {what} must be positive, got {value}.")


def _abstract(
    lhs: ShapedArray,
    rhs: ShapedArray,
    *,
    dimension_numbers: ConvDimensionNumbers,
    feature_group_count: int,
    batch_group_count: int,
    preferred_element_type: Any,
    precision: Any = None,
    out_sharding: Any = None,
    **geometry: Any,
) -> ShapedArray:
    dims, frame = dimension_numbers, Geometry(**geometry)
    if lhs.ndim != rhs.ndim:
        raise TypeError(f"convolution requires lhs and rhs ndim to be equal, got {lhs.ndim} and {rhs.ndim}.")
    if lhs.dtype != rhs.dtype and preferred_element_type is None:
        raise TypeError(
            f"lax.conv_general_dilated requires arguments to have the same dtypes, got {lhs.dtype.name}, {rhs.dtype.name}."
        )
    check_geometry(lhs.ndim - 2, frame)
    _check_counts(lhs, rhs, dims, (feature_group_count, batch_group_count))
    sizes = frame.out_sizes(_sizes(lhs.shape, dims.lhs_spec[2:]), _sizes(rhs.shape, dims.rhs_spec[2:]))
    logical = (lhs.shape[dims.lhs_spec[0]] // batch_group_count, rhs.shape[dims.rhs_spec[0]], *sizes)
    shape = [0] * len(logical)
    for d, n in zip(dims.out_spec, logical, strict=True):
        shape[d] = n
    dtype = np.dtype(preferred_element_type) if preferred_element_type is not None else lhs.dtype
    return shaped_array(tuple(shape), dtype, lhs.weak_type and rhs.weak_type)


# -- meaning ------------------------------------------------------------------------------------------


def _padded(x: Any, frame: Geometry) -> Any:
    """``[batch, feature, *spatial]`` with holes and padding; negative padding cuts."""
    shape = [
        max(lo + hi + _spread(n, near), 0)
        for n, (lo, hi), near in zip(x.shape[2:], frame.padding, frame.lhs_dilation, strict=True)
    ]
    out = np.zeros((*x.shape[:2], *shape), x.dtype)
    to, of = [slice(None)] * 2, [slice(None)] * 2
    for n, size, (lo, _), near in zip(x.shape[2:], shape, frame.padding, frame.lhs_dilation, strict=True):
        first = max(0, -(lo // near)) if lo < 0 else 0
        last = min(n, max(0, -((lo - size) // near)))
        to.append(
            slice(lo + first * near, lo + (last - 1) * near + 1 if last > first else lo + first * near, near)
        )
        of.append(slice(first, max(last, first)))
    out[tuple(to)] = x[tuple(of)]
    return out


def _meaning(
    lhs: Any,
    rhs: Any,
    *,
    dimension_numbers: ConvDimensionNumbers,
    feature_group_count: int,
    batch_group_count: int,
    preferred_element_type: Any,
    precision: Any = None,
    out_sharding: Any = None,
    **geometry: Any,
) -> Any:
    """By products of windows, a strided view, and kernels, group by group."""
    dims, frame = dimension_numbers, Geometry(**geometry)
    dtype = np.dtype(preferred_element_type) if preferred_element_type is not None else lhs.dtype
    work = np.dtype(np.float32) if dtype.kind == "V" or dtype.itemsize == 2 and dtype.kind == "f" else dtype
    work = np.dtype(np.int64) if work.kind == "b" else np.promote_types(work, work)
    x = np.transpose(lhs, dims.lhs_spec).astype(work, copy=False)
    w = np.transpose(rhs, dims.rhs_spec).astype(work, copy=False)
    rank, sizes = x.ndim - 2, frame.out_sizes(x.shape[2:], w.shape[2:])
    outputs = w.shape[0]
    shape = (x.shape[0] // batch_group_count, outputs, *sizes)
    out = np.zeros(shape, work)
    if out.size and w.size and x.size:
        x = _padded(x, frame)
        windows = np.lib.stride_tricks.as_strided(
            x,
            (*x.shape[:2], *sizes, *w.shape[2:]),
            (
                *x.strides[:2],
                *(step * s for step, s in zip(x.strides[2:], frame.window_strides, strict=True)),
                *(step * d for step, d in zip(x.strides[2:], frame.rhs_dilation, strict=True)),
            ),
            writeable=False,
        )
        groups = feature_group_count * batch_group_count
        inner = tuple(range(2 + rank, 2 + 2 * rank))
        parts = np.split(windows, groups, 0 if batch_group_count > 1 else 1)
        each = outputs // groups
        for g, part in enumerate(parts):
            kernel = w[g * each : (g + 1) * each]
            product = np.tensordot(part, kernel, ((1, *inner), tuple(range(1, 2 + rank))))
            out[:, g * each : (g + 1) * each] = np.moveaxis(product, -1, 1)
    if dtype.kind == "b":
        out = out != 0
    return np.transpose(out, np.argsort(dims.out_spec)).astype(dtype, copy=False)


def _plan(
    avals: Any,
    *,
    dimension_numbers: ConvDimensionNumbers,
    feature_group_count: int,
    batch_group_count: int,
    preferred_element_type: Any,
    precision: Any = None,
    out_sharding: Any = None,
    **geometry: Any,
) -> RoutineCall | None:
    """The routine's arguments: bytes, counts, and steps in memory; then a row for each spatial axis."""
    lhs, rhs = avals
    dims, frame = dimension_numbers, Geometry(**geometry)
    if lhs.dtype not in (np.float32, np.float64) or rhs.dtype != lhs.dtype or not 3 <= lhs.ndim <= 16:
        return None
    if preferred_element_type is not None and np.dtype(preferred_element_type) != lhs.dtype:
        return None
    out = _abstract(
        lhs,
        rhs,
        dimension_numbers=dims,
        feature_group_count=feature_group_count,
        batch_group_count=batch_group_count,
        preferred_element_type=None,
        **geometry,
    )
    if not (lhs.size and rhs.size and out.size) or max(lhs.size, rhs.size, out.size) >= 2**31:
        return None
    x, w, y = ([_step(a.shape, d) for d in spec] for a, spec in zip((lhs, rhs, out), dims, strict=True))
    images, channels = _sizes(lhs.shape, dims.lhs_spec[:2])
    outputs = rhs.shape[dims.rhs_spec[0]]
    args = [
        lhs.dtype.itemsize,
        lhs.ndim - 2,
        feature_group_count,
        batch_group_count,
        images,
        channels,
        outputs,
    ]
    args += [*x[:2], *w[:2], *y[:2]]
    for k in range(lhs.ndim - 2):
        args += [
            lhs.shape[dims.lhs_spec[k + 2]],
            rhs.shape[dims.rhs_spec[k + 2]],
            out.shape[dims.out_spec[k + 2]],
        ]
        args += [frame.window_strides[k], frame.padding[k][0], frame.lhs_dilation[k], frame.rhs_dilation[k]]
        args += [x[k + 2], w[k + 2], y[k + 2]]
    work = out.size * rhs.size // outputs
    return RoutineCall("jt_convolve", tuple(map(int, args)), nanoseconds=0.05 * work)


def _step(shape: Sequence[int], d: int) -> int:
    return math.prod(shape[d + 1 :])


# -- derivatives --------------------------------------------------------------------------------------


def _split_axis(x: Any, axis: int, outer: int) -> Any:
    """``[..., n, ...]`` as ``[..., outer, n // outer, ...]``."""
    shape = get_aval(x).shape
    return raw.reshape(x, (*shape[:axis], outer, shape[axis] // outer, *shape[axis + 1 :]))


def _join_axis(x: Any, axis: int, into: int) -> Any:
    """Move ``axis`` ahead of axis ``into`` (numbered without ``axis``) and make one axis of both."""
    moved = raw.move_axis(x, axis, into)
    shape = get_aval(moved).shape
    return raw.reshape(moved, (*shape[:into], shape[into] * shape[into + 1], *shape[into + 2 :]))


def _regroup(x: Any, source: int, target: int, groups: int) -> Any:
    """Take the groups out of axis ``source`` and put them, as the slower part, into axis ``target``."""
    if groups == 1:
        return x
    return _join_axis(_split_axis(x, source, groups), source, target)


def _image_transpose(
    ct: Any,
    rhs: Any,
    aval: ShapedArray,
    *,
    dimension_numbers: ConvDimensionNumbers,
    feature_group_count: int,
    batch_group_count: int,
    preferred_element_type: Any,
    **params: Any,
) -> Any:
    """Of the image: the turned kernel with inputs and outputs exchanged slides over the cotangent."""
    frame, rest = _geometry(params)
    image, kernel, out = dimension_numbers
    window = _sizes(get_aval(rhs).shape, kernel[2:])
    pads = []
    for n, m, w, s, (lo, _), near, far in zip(
        _sizes(aval.shape, image[2:]), _sizes(get_aval(ct).shape, out[2:]), window, *frame, strict=True
    ):
        before = _spread(w, far) - 1 - lo
        after = _spread(n, near) + _spread(w, far) - 1 - _spread(m, s) - before
        pads.append((before, after))
    groups = feature_group_count if feature_group_count > 1 else batch_group_count
    kernel_t = _regroup(rhs, kernel[0], kernel[1], groups)
    kernel_t = rev_p.bind(kernel_t, dimensions=tuple(kernel[2:])) if window else kernel_t
    if 0 in get_aval(ct).shape:
        return raw.zeros(aval)
    total = conv_general_dilated_p.bind(
        ct,
        kernel_t,
        window_strides=frame.lhs_dilation,
        padding=tuple(pads),
        lhs_dilation=frame.window_strides,
        rhs_dilation=frame.rhs_dilation,
        dimension_numbers=ConvDimensionNumbers(out, (kernel[1], kernel[0], *kernel[2:]), image),
        feature_group_count=groups,
        batch_group_count=1,
        preferred_element_type=preferred_element_type,
        **rest,
    )
    return _regroup(total, image[1], image[0], batch_group_count)


def _kernel_transpose(
    ct: Any,
    lhs: Any,
    aval: ShapedArray,
    *,
    dimension_numbers: ConvDimensionNumbers,
    feature_group_count: int,
    batch_group_count: int,
    preferred_element_type: Any,
    **params: Any,
) -> Any:
    """Of the kernel: the cotangent slides over the image, of which images and features have exchanged their roles."""
    frame, rest = _geometry(params)
    image, kernel, out = dimension_numbers
    pads = []
    for n, m, w, s, (lo, _), near, far in zip(
        _sizes(get_aval(lhs).shape, image[2:]),
        _sizes(get_aval(ct).shape, out[2:]),
        _sizes(aval.shape, kernel[2:]),
        *frame,
        strict=True,
    ):
        pads.append((lo, _spread(w, far) + _spread(m, s) - 1 - _spread(n, near) - lo))
    if 0 in get_aval(ct).shape or 0 in get_aval(lhs).shape:
        return raw.zeros(aval)
    swap = lambda spec: (spec[1], spec[0], *spec[2:])  # noqa: E731
    return conv_general_dilated_p.bind(
        lhs,
        ct,
        window_strides=frame.rhs_dilation,
        padding=tuple(pads),
        lhs_dilation=frame.lhs_dilation,
        rhs_dilation=frame.window_strides,
        dimension_numbers=ConvDimensionNumbers(swap(image), swap(out), swap(kernel)),
        feature_group_count=batch_group_count,
        batch_group_count=feature_group_count,
        preferred_element_type=preferred_element_type,
        **rest,
    )


def _geometry(params: dict[str, Any]) -> tuple[Geometry, dict[str, Any]]:
    """The geometry, and what else the parameters hold."""
    frame = Geometry(**{name: params[name] for name in Geometry._fields})
    return frame, {name: value for name, value in params.items() if name not in Geometry._fields}


# -- batches ------------------------------------------------------------------------------------------


def _batch(
    size: int,
    args: Any,
    dims: Any,
    *,
    dimension_numbers: ConvDimensionNumbers,
    feature_group_count: int,
    batch_group_count: int,
    **params: Any,
) -> tuple[Any, int]:
    (x, w), (dx, dw) = args, dims
    image, kernel, out = dimension_numbers
    groups = feature_group_count * batch_group_count
    features, batches = feature_group_count, batch_group_count

    def bind(x: Any, w: Any) -> Any:
        return conv_general_dilated_p.bind(
            x,
            w,
            dimension_numbers=dimension_numbers,
            feature_group_count=features,
            batch_group_count=batches,
            **params,
        )

    if dw is None:
        # as more images: [groups, batch, images of a group]
        y = bind(_insert(x, dx, image[0], batches), w)
        return _split_axis(y, out[0], size), out[0]
    if dx is None:
        y = bind(x, _insert(w, dw, kernel[0], groups))
        if groups == 1:
            return _split_axis(y, out[1], size), out[1]
        y = _split_axis(_split_axis(y, out[1], groups), out[1] + 1, size)
        y = raw.move_axis(y, out[1] + 1, 0)
        return _merge(y, out[1] + 1), 0
    # as more groups, each with its own images or features
    if batches > 1:
        batches *= size
        x = _join_axis(x, dx, image[0])
    else:
        features *= size
        x = _join_axis(x, dx, image[1])
    return _split_axis(bind(x, _join_axis(w, dw, kernel[0])), out[1], size), out[1]


def _merge(x: Any, axis: int) -> Any:
    """Axes ``axis`` and ``axis + 1`` as one."""
    shape = get_aval(x).shape
    return raw.reshape(x, (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))


def _insert(x: Any, source: int, target: int, groups: int) -> Any:
    """Put axis ``source`` into axis ``target`` (numbered without it), between its ``groups`` and what a group holds."""
    if groups == 1:
        return _join_axis(x, source, target)
    x = raw.move_axis(x, source, 0)
    x = _split_axis(x, target + 1, groups)
    return _merge(_join_axis(x, 0, target + 1), target)


# -- the primitive ------------------------------------------------------------------------------------

conv_general_dilated_p = Primitive("conv_general_dilated")
conv_general_dilated_p.abstract = _abstract
conv_general_dilated_p.numpy = _meaning
conv_general_dilated_p.may_warn = True
conv_general_dilated_p.jvp = standard_jvp(
    conv_general_dilated_p,
    [
        lambda g, ans, x, w, **params: conv_general_dilated_p.bind(g, w, **params),
        lambda g, ans, x, w, **params: conv_general_dilated_p.bind(x, g, **params),
    ],
)
conv_general_dilated_p.transpose = bilinear_transpose(_image_transpose, _kernel_transpose)
conv_general_dilated_p.batch = _batch
conv_general_dilated_p.lower = Routine(_plan)


def _eager(x: Any, w: Any, **params: Any) -> Any:
    """By the compiled program: NumPy would write the windows to memory."""
    return plugs.evaluate_large(
        conv_general_dilated_p, [x, w], [get_aval(x), get_aval(w)], dict(sorted(params.items()))
    )


conv_general_dilated_p.impl = _eager
