"""Windows that slide over an array: the view that shows them, and folds over each of them.

Begin at :class:`Frame`, the geometry that all have in common. ``windows`` gives every window its own axes, as an index rule;
folds are reductions over these axes, which the compiler reads without writing the windows to memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitney._core import plugs
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._core.trace import LARGE_EAGER, get_aval
from jitney._kernel.rules import Pull
from jitney._ops import elementwise as ew
from jitney._ops import indexing, raw, reductions
from jitney._ops.families import check_kinds, linear

_INT64 = np.dtype(np.int64)


class Frame(NamedTuple):
    """Along each axis: size and step of the window, padding of the operand, spacing of its and of the window's elements.

    The operand is spread (``base_dilation - 1`` holes between neighbours), padded, and looked at through windows
    whose elements are ``window_dilation`` apart and whose starts are ``window_strides`` apart.
    """

    window_dimensions: tuple[int, ...]
    window_strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    base_dilation: tuple[int, ...]
    window_dilation: tuple[int, ...]

    def params(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in sorted(self._fields)}

    def extended(self) -> Frame:
        """The frame with a leading axis that windows do not slide along."""
        one = (1,)
        return Frame(
            one + self.window_dimensions,
            one + self.window_strides,
            ((0, 0), *self.padding),
            one + self.base_dilation,
            one + self.window_dilation,
        )

    @property
    def axes(self) -> list[int]:
        """The axes along which a window has several elements."""
        return [d for d, n in enumerate(self.window_dimensions) if n != 1]

    def padded_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(
            lo + hi + n + max(n - 1, 0) * (step - 1)
            for n, (lo, hi), step in zip(shape, self.padding, self.base_dilation, strict=True)
        )

    def out_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """How many windows there are along each axis."""
        return counts(self.padded_shape(shape), self)

    def padded(self, x: Any, fill: Any) -> Any:
        """The operand spread and padded with the scalar ``fill``."""
        return raw.pad(
            x, fill, [(lo, hi, d - 1) for (lo, hi), d in zip(self.padding, self.base_dilation, strict=True)]
        )

    def unpadded(self, x: Any, shape: Sequence[int]) -> Any:
        """The elements of a padded array that come from an operand of ``shape``; the transpose of ``padded``."""
        if 0 in shape:
            return raw.zeros(shaped_array(tuple(shape), get_aval(x).dtype))
        zero = get_aval(x).dtype.type(0)
        cut = raw.pad(x, zero, [(-lo, -hi, 0) for lo, hi in self.padding])
        sizes = get_aval(cut).shape
        return raw.slice_(cut, (0,) * len(sizes), sizes, self.base_dilation)

    def view(self, x: Any, fill: Any) -> Any:
        """All windows: their numbers along the first axes, the places inside (along ``axes``) last."""
        return windows_p.bind(
            self.padded(x, fill),
            window_dimensions=self.window_dimensions,
            window_dilation=self.window_dilation,
            window_strides=self.window_strides,
        )


def counts(padded: Sequence[int], frame: Any) -> tuple[int, ...]:
    """How many windows fit in each axis of a padded array."""
    return tuple(
        max((n - (w - 1) * d - 1) // s + 1, 0)
        for n, w, s, d in zip(
            padded, frame.window_dimensions, frame.window_strides, frame.window_dilation, strict=True
        )
    )


def check_frame(name: str, x: ShapedArray, frame: Frame) -> None:
    for field, value in zip(frame._fields, frame, strict=True):
        if len(value) != x.ndim:
            raise TypeError(
                f"{name} got the wrong number of {field} for operand: got operand shape {x.shape} with {field} {value}."
            )
        if field != "padding" and any(n <= 0 for n in value):
            raise TypeError(f"{name} {field} must have every element be strictly positive, got {value}.")
    if any(n < 0 for n in frame.padded_shape(x.shape)):
        raise TypeError(f"{name}: padding {frame.padding} leaves nothing of operand shape {x.shape}.")


def _eager(prim: Primitive) -> Callable[..., Any]:
    """Evaluation at once: windows that are many elements together are folded by a compiled kernel, never written."""

    def evaluate(*args: Any, window_dimensions: tuple[int, ...], **params: Any) -> Any:
        params["window_dimensions"] = window_dimensions
        avals = [get_aval(x) for x in args]
        if avals[-1].size * math.prod(window_dimensions) >= LARGE_EAGER:
            return plugs.evaluate_large(prim, args, avals, dict(sorted(params.items())))
        return prim.expand(*args, **params)

    return evaluate


# -- windows ----------------------------------------------------------------------------------------

windows_p = Primitive("windows")


class _Slide(NamedTuple):
    window_dimensions: tuple[int, ...]
    window_dilation: tuple[int, ...]
    window_strides: tuple[int, ...]

    @property
    def axes(self) -> list[int]:
        return [d for d, n in enumerate(self.window_dimensions) if n != 1]


def _windows_abstract(x: ShapedArray, **params: Any) -> ShapedArray:
    slide = _Slide(**params)
    inside = tuple(slide.window_dimensions[d] for d in slide.axes)
    return shaped_array(counts(x.shape, slide) + inside, x.dtype, x.weak_type)


def _np_windows(x: Any, **params: Any) -> Any:
    slide = _Slide(**params)
    shape = _windows_abstract(get_aval(x), **params).shape
    if 0 in shape:
        return np.empty(shape, x.dtype)
    between = [step * s for step, s in zip(x.strides, slide.window_strides, strict=True)]
    within = [x.strides[d] * slide.window_dilation[d] for d in slide.axes]
    return np.lib.stride_tricks.as_strided(x, shape, between + within, writeable=False)


def _windows_element(b: Any, idx: Any, x: Any, **params: Any) -> Any:
    slide = _Slide(**params)
    place = [i * s for i, s in zip(idx, slide.window_strides, strict=False)]
    for k, d in enumerate(slide.axes):
        place[d] = place[d] + idx[len(place) + k] * slide.window_dilation[d]
    return x.read(tuple(place))


def _windows_transpose(ct: Any, x: Any, **params: Any) -> Any:
    """Add every window's elements at their places in the operand."""
    slide = _Slide(**params)
    shape, whole = get_aval(ct).shape, x.aval.shape
    number = lambda axis: raw.iota(_INT64, shape, axis)  # noqa: E731
    starts = [ew.mul(number(d), _INT64.type(s)) for d, s in enumerate(slide.window_strides)]
    for k, d in enumerate(slide.axes):
        starts[d] = ew.add(starts[d], ew.mul(number(len(whole) + k), _INT64.type(slide.window_dilation[d])))
    return _add_at(ct, starts, whole)


def _add_at(values: Any, places: Sequence[Any], shape: Sequence[int]) -> Any:
    """An array of ``shape`` with ``values`` added at ``places`` (an index array for each axis), zeros elsewhere."""
    aval = get_aval(values)
    if not shape:
        return raw.reduce_sum(values, tuple(range(aval.ndim)))
    flat: Any = None
    for place, step in zip(places, np.cumprod((1, *reversed(shape[1:])))[::-1].tolist(), strict=True):
        part = ew.mul(place, _INT64.type(step))
        flat = part if flat is None else ew.add(flat, part)
    dnums = indexing.ScatterDimensionNumbers((), (0,), (0,))
    total = indexing.scatter_add_p.bind(
        raw.zeros(shaped_array((math.prod(shape),), aval.dtype)),
        raw.reshape(flat, (aval.size, 1)),
        raw.reshape(values, (aval.size,)),
        **indexing.scatter_params(dnums, indexing.PROMISE_IN_BOUNDS),
    )
    return raw.reshape(total, shape)


def _windows_batch(size: int, args: Any, dims: Any, **params: Any) -> tuple[Any, int]:
    x = raw.move_axis(args[0], dims[0], 0)
    return windows_p.bind(x, **{name: (1, *value) for name, value in params.items()}), 0


windows_p.abstract = _windows_abstract
windows_p.numpy = _np_windows
linear(windows_p, _windows_transpose)
windows_p.batch = _windows_batch
windows_p.lower = Pull(_windows_element)

# -- sums and extrema of windows --------------------------------------------------------------------


def _window_fold(
    name: str, kinds: str, fill: Callable[[np.dtype], Any], fold: Callable[[Any, Sequence[int]], Any]
) -> Primitive:
    """A fold of each window; holes and padding count as ``fill(dtype)``, which does not change it."""
    prim = Primitive(name)

    def abstract(x: ShapedArray, **params: Any) -> ShapedArray:
        check_kinds(name, [x], kinds)
        frame = Frame(**params)
        check_frame(name, x, frame)
        return shaped_array(frame.out_shape(x.shape), x.dtype, x.weak_type)

    def expand(x: Any, **params: Any) -> Any:
        aval = get_aval(x)
        abstract(aval, **params)
        view = Frame(**params).view(x, aval.dtype.type(fill(aval.dtype)))
        return fold(view, range(aval.ndim, get_aval(view).ndim))

    def batch(size: int, args: Any, dims: Any, **params: Any) -> tuple[Any, int]:
        return prim.bind(raw.move_axis(args[0], dims[0], 0), **Frame(**params).extended().params()), 0

    prim.abstract, prim.expand, prim.batch = abstract, expand, batch
    prim.impl = _eager(prim)
    return prim


reduce_window_sum_p = _window_fold("reduce_window_sum", "iufc", lambda dtype: 0, reductions.reduce_sum)
reduce_window_max_p = _window_fold("reduce_window_max", "biuf", reductions.smallest, reductions.reduce_max)
reduce_window_min_p = _window_fold("reduce_window_min", "biuf", reductions.largest, reductions.reduce_min)


def _window_sum_transpose(ct: Any, x: Any, **params: Any) -> Any:
    """Each element of the operand sums the cotangents of the windows that it lies in."""
    frame, shape = Frame(**params), x.aval.shape
    if 0 in shape or 0 in get_aval(ct).shape:
        return raw.zeros(shaped_array(shape, get_aval(ct).dtype))
    config = []
    for n, out, w, s, (lo, _), base, d in zip(
        shape, get_aval(ct).shape, *frame[:2], frame.padding, *frame[3:], strict=True
    ):
        reach = (w - 1) * d
        wanted = (n - 1) * base + 1 + reach  # places that windows of cotangents are read from
        low = reach - lo
        config.append((low, wanted - low - ((out - 1) * s + 1), s - 1))
    spread = raw.pad(ct, get_aval(ct).dtype.type(0), config)
    ones = (1,) * len(shape)
    back = frame._replace(
        window_strides=frame.base_dilation, padding=((0, 0),) * len(shape), base_dilation=ones
    )
    return reduce_window_sum_p.bind(spread, **back.params())


linear(reduce_window_sum_p, _window_sum_transpose)


def _window_extremum_jvp(prim: Primitive, select: Primitive) -> Callable[..., Any]:
    def jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
        (x,), (g,) = primals, tangents
        ans = prim.bind(x, **params)
        if type(g) is Zero:
            return ans, Zero.of(ans)
        return ans, select_and_gather_add_p.bind(g, x, select_prim=select, **params)

    return jvp


reduce_window_max_p.jvp = _window_extremum_jvp(reduce_window_max_p, ew.ge_p)
reduce_window_min_p.jvp = _window_extremum_jvp(reduce_window_min_p, ew.le_p)

# -- what stands at the extrema ---------------------------------------------------------------------


def _chosen(operand: Any, frame: Frame, select_prim: Primitive) -> Any:
    """The number, inside its window, of the first extremum of each window (int64)."""
    aval = get_aval(operand)
    largest = select_prim in (ew.ge_p, ew.gt_p)
    worst = (reductions.smallest if largest else reductions.largest)(aval.dtype)
    view = _flat_windows(frame.view(operand, aval.dtype.type(worst)), aval.ndim)
    prim = reductions.argmax_p if largest else reductions.argmin_p
    return prim.bind(view, axes=(aval.ndim,), index_dtype=_INT64)


def _flat_windows(view: Any, ndim: int) -> Any:
    """Windows with one axis for the places inside."""
    shape = get_aval(view).shape
    return raw.reshape(view, (*shape[:ndim], math.prod(shape[ndim:])))


select_and_gather_add_p = Primitive("select_and_gather_add")
select_and_scatter_add_p = Primitive("select_and_scatter_add")


def _gather_abstract(
    tangents: ShapedArray, operand: ShapedArray, *, select_prim: Any, **params: Any
) -> ShapedArray:
    frame = Frame(**params)
    check_frame("select_and_gather_add", operand, frame)
    if tangents.shape != operand.shape:
        raise TypeError(
            f"select_and_gather_add tangents and operand shapes must match, got {tangents.shape} and {operand.shape}."
        )
    return shaped_array(frame.out_shape(operand.shape), tangents.dtype)


def _gather_expand(tangents: Any, operand: Any, *, select_prim: Any, **params: Any) -> Any:
    frame, aval = Frame(**params), get_aval(tangents)
    if 0 in frame.out_shape(aval.shape):
        return raw.zeros(shaped_array(frame.out_shape(aval.shape), aval.dtype))
    view = _flat_windows(frame.view(tangents, aval.dtype.type(0)), aval.ndim)
    place = raw.expand_dims(_chosen(operand, frame, select_prim), (aval.ndim,))
    return raw.squeeze(indexing.take_along_axis(view, place, aval.ndim), (aval.ndim,))


def _gather_transpose(ct: Any, tangents: Any, operand: Any, *, select_prim: Any, **params: Any) -> Any:
    frame = Frame(**params)
    if any(n != 1 for n in frame.base_dilation + frame.window_dilation):
        return _scatter_selected(ct, operand, frame, select_prim)
    names = ("padding", "window_dimensions", "window_strides")
    return select_and_scatter_add_p.bind(
        ct, operand, select_prim=select_prim, **{name: params[name] for name in names}
    )


def _scatter_frame(
    padding: tuple, window_dimensions: tuple[int, ...], window_strides: tuple[int, ...]
) -> Frame:
    ones = (1,) * len(window_dimensions)
    return Frame(window_dimensions, window_strides, padding, ones, ones)


def _scatter_selected(source: Any, operand: Any, frame: Frame, select_prim: Primitive) -> Any:
    """Add each element of ``source`` where its window of ``operand`` has its extremum."""
    shape, aval = get_aval(operand).shape, get_aval(source)
    if 0 in aval.shape or 0 in shape:
        return raw.zeros(shaped_array(shape, aval.dtype))
    rest = _chosen(operand, frame, select_prim)
    places: list[Any] = [None] * len(shape)
    for d in reversed(range(len(shape))):
        width = frame.window_dimensions[d]
        start = ew.mul(raw.iota(_INT64, aval.shape, d), _INT64.type(frame.window_strides[d]))
        if width > 1:
            inside = ew.mul(ew.rem(rest, _INT64.type(width)), _INT64.type(frame.window_dilation[d]))
            start, rest = ew.add(start, inside), ew.div(rest, _INT64.type(width))
        places[d] = start
    return frame.unpadded(_add_at(source, places, frame.padded_shape(shape)), shape)


def _scatter_abstract(
    source: ShapedArray, operand: ShapedArray, *, select_prim: Any, **params: Any
) -> ShapedArray:
    frame = _scatter_frame(**params)
    check_frame("select_and_scatter_add", operand, frame)
    if source.shape != frame.out_shape(operand.shape):
        raise TypeError(
            f"select_and_scatter_add needs one source element for each of the {frame.out_shape(operand.shape)} windows, got "
            f"source shape {source.shape}."
        )
    return shaped_array(operand.shape, source.dtype)


def _scatter_transpose(ct: Any, source: Any, operand: Any, *, select_prim: Any, **params: Any) -> Any:
    frame = _scatter_frame(**params)
    return select_and_gather_add_p.bind(ct, operand, select_prim=select_prim, **frame.params())


def _pair_batch(prim: Primitive, extend: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[..., Any]:
    def batch(size: int, args: Any, dims: Any, *, select_prim: Any, **params: Any) -> tuple[Any, int]:
        xs = [
            raw.broadcast_leading(x, size) if d is None else raw.move_axis(x, d, 0)
            for x, d in zip(args, dims, strict=True)
        ]
        return prim.bind(*xs, select_prim=select_prim, **extend(params)), 0

    return batch


def _extend_scatter(params: dict[str, Any]) -> dict[str, Any]:
    wide = _scatter_frame(**params).extended().params()
    return {name: wide[name] for name in params}


select_and_gather_add_p.abstract = _gather_abstract
select_and_gather_add_p.expand = _gather_expand
linear(select_and_gather_add_p, _gather_transpose)
select_and_gather_add_p.batch = _pair_batch(
    select_and_gather_add_p, lambda params: Frame(**params).extended().params()
)
select_and_scatter_add_p.abstract = _scatter_abstract
select_and_scatter_add_p.expand = lambda source, operand, *, select_prim, **params: _scatter_selected(
    source, operand, _scatter_frame(**params), select_prim
)
linear(select_and_scatter_add_p, _scatter_transpose)
for _prim in (select_and_gather_add_p, select_and_scatter_add_p):
    _prim.impl = _eager(_prim)
select_and_scatter_add_p.batch = _pair_batch(select_and_scatter_add_p, _extend_scatter)

__all__ = [
    "reduce_window_max_p",
    "reduce_window_min_p",
    "reduce_window_sum_p",
    "select_and_gather_add_p",
    "select_and_scatter_add_p",
]
