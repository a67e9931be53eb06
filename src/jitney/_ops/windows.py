"""Windows that slide over an array: the view that shows them, and folds over each of them.

Begin at :class:`Frame`, the geometry that all have in common. Folds go along one axis after the other, each an elementwise
operation on shifted slices (``sliding``); long windows are folds of folds of shorter ones. ``windows`` gives every window its own
axes, as an index rule.
"""

from __future__ import annotations

import itertools
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
from jitney._ops import gather_layouts, indexing, raw, reductions
from jitney._ops.barriers import optimization_barrier_p
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

    def slices(self, padded: Any) -> list[Any]:
        """For each place inside a window the elements there, of all windows of a padded array."""
        sizes = counts(get_aval(padded).shape, self)
        places = itertools.product(*map(range, self.window_dimensions))
        return [
            strided(
                padded,
                [k * d for k, d in zip(at, self.window_dilation, strict=True)],
                sizes,
                self.window_strides,
            )
            for at in places
        ]


def strided(x: Any, start: Sequence[int], sizes: Sequence[int], steps: Sequence[int]) -> Any:
    """``sizes`` elements along each axis, ``steps`` apart."""
    limit = [a + (n - 1) * s + 1 for a, n, s in zip(start, sizes, steps, strict=True)]
    if tuple(limit) == get_aval(x).shape and not any(start) and all(s == 1 for s in steps):
        return x
    return raw.slice_(x, tuple(start), tuple(limit), tuple(steps))


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


def _eager(prim: Primitive, small: Callable[..., Any]) -> Callable[..., Any]:
    """Evaluation at once: windows that are many elements together are folded by a compiled kernel, never written."""

    def evaluate(*args: Any, window_dimensions: tuple[int, ...], **params: Any) -> Any:
        params["window_dimensions"] = window_dimensions
        avals = [get_aval(x) for x in args]
        if avals[-1].size * math.prod(window_dimensions) >= LARGE_EAGER:
            return plugs.evaluate_large(prim, args, avals, dict(sorted(params.items())))
        return small(*args, **params)

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
    dnums = gather_layouts.ScatterDimensionNumbers((), (0,), (0,))
    total = indexing.scatter_add_p.bind(
        raw.zeros(shaped_array((math.prod(shape),), aval.dtype)),
        raw.reshape(flat, (aval.size, 1)),
        raw.reshape(values, (aval.size,)),
        **indexing.scatter_params(dnums, gather_layouts.PROMISE_IN_BOUNDS),
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


_SHORT = 12  # elements of a window that are folded at once
_CACHED = 16  # reads from which an axis is folded ahead of the next one


def sliding(
    x: Any, axis: int, size: int, apart: int, step: int, combine: Callable[[Any, Any], Any], twice: bool
) -> Any:
    """``y[i] = x[i * step] o x[i * step + apart] o ...``, ``size`` elements along ``axis``; ``twice``: x o x is x.

    A long window is one of windows: eight elements first, then every eighth of these folds.
    """
    shape = get_aval(x).shape
    count = (shape[axis] - (size - 1) * apart - 1) // step + 1
    sizes = [count if d == axis else n for d, n in enumerate(shape)]
    steps = [step if d == axis else 1 for d in range(len(shape))]
    at = lambda y, k: strided(y, [k if d == axis else 0 for d in range(len(shape))], sizes, steps)  # noqa: E731
    if size <= _SHORT:
        return _tree([at(x, k * apart) for k in range(size)], combine)
    eights = materialised(sliding(x, axis, 8, apart, 1, combine, twice))
    whole, rest = divmod(size, 8)
    total = sliding(eights, axis, whole, 8 * apart, step, combine, twice)
    total = strided(total, [0] * len(shape), sizes, [1] * len(shape))
    if rest and twice:
        return combine(total, at(eights, (size - 8) * apart))
    if rest:
        total = combine(total, _tree([at(x, (8 * whole + k) * apart) for k in range(rest)], combine))
    return total


def _tree(parts: list[Any], combine: Callable[[Any, Any], Any]) -> Any:
    """All of ``parts``, combined pairwise."""
    while len(parts) > 1:
        pairs = [combine(a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)]
        parts = pairs + parts[len(pairs) * 2 :]
    return parts[0]


def materialised(x: Any) -> Any:
    """``x``, written to memory ahead of what reads it."""
    return optimization_barrier_p.bind(x)[0]


def _slide(x: Any, frame: Frame, fill: Any, combine: Callable[[Any, Any], Any], twice: bool) -> Any:
    """Folds of all windows: along the axes with the longest steps first, which leave the least."""
    y, reads = frame.padded(x, fill), 1
    windows = zip(frame.window_dimensions, frame.window_strides, frame.window_dilation, strict=True)
    for axis, (size, step, apart) in sorted(enumerate(windows), key=lambda item: (-item[1][1], -item[0])):
        if size == 1 and step == 1:
            continue
        reads *= min(size, _SHORT)
        if reads > _CACHED and reads > size:
            y, reads = materialised(y), size
        y = sliding(y, axis, size, apart, step, combine, twice)
    return y


def _window_fold(
    name: str,
    kinds: str,
    fill: Callable[[np.dtype], Any],
    fold: Callable[[Any, Sequence[int]], Any],
    combine: Callable[[Any, Any], Any],
) -> Primitive:
    """A fold of each window; holes and padding count as ``fill(dtype)``, which does not change it."""
    prim = Primitive(name)

    def abstract(x: ShapedArray, **params: Any) -> ShapedArray:
        check_kinds(name, [x], kinds)
        frame = Frame(**params)
        check_frame(name, x, frame)
        return shaped_array(frame.out_shape(x.shape), x.dtype, x.weak_type)

    def expand(x: Any, **params: Any) -> Any:
        aval, frame = get_aval(x), Frame(**params)
        if 0 in abstract(aval, **params).shape or 0 in aval.shape:
            return at_once(x, **params)
        return _slide(x, frame, aval.dtype.type(fill(aval.dtype)), combine, combine is not ew.add)

    def at_once(x: Any, **params: Any) -> Any:
        aval = get_aval(x)
        abstract(aval, **params)
        view = Frame(**params).view(x, aval.dtype.type(fill(aval.dtype)))
        return fold(view, range(aval.ndim, get_aval(view).ndim))

    def batch(size: int, args: Any, dims: Any, **params: Any) -> tuple[Any, int]:
        return prim.bind(raw.move_axis(args[0], dims[0], 0), **Frame(**params).extended().params()), 0

    prim.abstract, prim.expand, prim.batch = abstract, expand, batch
    prim.impl = _eager(prim, at_once)
    return prim


reduce_window_sum_p = _window_fold(
    "reduce_window_sum", "iufc", lambda dtype: 0, reductions.reduce_sum, ew.add
)
reduce_window_max_p = _window_fold(
    "reduce_window_max", "biuf", reductions.smallest, reductions.reduce_max, ew.maximum
)
reduce_window_min_p = _window_fold(
    "reduce_window_min", "biuf", reductions.largest, reductions.reduce_min, ew.minimum
)


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
    if math.prod(frame.window_dimensions) <= _FEW:
        parts = frame.slices(frame.padded(operand, aval.dtype.type(worst)))
        numbers = [raw.full(get_aval(p).shape, k, _INT64) for k, p in enumerate(parts)]
        return _first_extrema(parts, numbers, largest)
    view = _flat_windows(frame.view(operand, aval.dtype.type(worst)), aval.ndim)
    prim = reductions.argmax_p if largest else reductions.argmin_p
    return prim.bind(view, axes=(aval.ndim,), index_dtype=_INT64)


_FEW = 64  # elements of windows that are looked at one by one


def _first_extrema(parts: Sequence[Any], others: Sequence[Any], largest: bool) -> Any:
    """What stands in ``others`` where ``parts`` have their first extremum; the first nan is one."""
    best, found = parts[0], others[0]
    floating = get_aval(best).dtype.kind in "fV"
    for part, other in zip(parts[1:], others[1:], strict=True):
        better = ew.gt(part, best) if largest else ew.lt(part, best)
        if floating:
            better = ew.or_(better, ew.and_(ew.ne(part, part), ew.eq(best, best)))
        best, found = raw.select(better, part, best), raw.select(better, other, found)
    return found


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
    if math.prod(frame.window_dimensions) <= _FEW:
        largest = select_prim in (ew.ge_p, ew.gt_p)
        worst = (reductions.smallest if largest else reductions.largest)(get_aval(operand).dtype)
        parts = frame.slices(frame.padded(operand, get_aval(operand).dtype.type(worst)))
        return _first_extrema(parts, frame.slices(frame.padded(tangents, aval.dtype.type(0))), largest)
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
    if math.prod(frame.window_dimensions) <= _FEW and all(n == 1 for n in frame.window_strides):
        return _gathered(source, materialised(rest), frame, shape)
    places: list[Any] = [None] * len(shape)
    for d in reversed(range(len(shape))):
        width = frame.window_dimensions[d]
        start = ew.mul(raw.iota(_INT64, aval.shape, d), _INT64.type(frame.window_strides[d]))
        if width > 1:
            inside = ew.mul(ew.rem(rest, _INT64.type(width)), _INT64.type(frame.window_dilation[d]))
            start, rest = ew.add(start, inside), ew.div(rest, _INT64.type(width))
        places[d] = start
    return frame.unpadded(_add_at(source, places, frame.padded_shape(shape)), shape)


def _gathered(source: Any, chosen: Any, frame: Frame, shape: Sequence[int]) -> Any:
    """The same where windows begin at every place: an element sums what the windows around it give to it."""
    aval, whole = get_aval(source), frame.padded_shape(shape)
    zero = raw.zeros(aval)
    terms = []
    for k, at in enumerate(itertools.product(*map(range, frame.window_dimensions))):
        start = [i * d for i, d in zip(at, frame.window_dilation, strict=True)]
        given = raw.select(ew.eq(chosen, raw.full(aval.shape, k, _INT64)), source, zero)
        config = [(a, n - a - m, 0) for a, n, m in zip(start, whole, aval.shape, strict=True)]
        terms.append(raw.pad(given, aval.dtype.type(0), config))
    return frame.unpadded(_tree(terms, ew.add), shape)


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
        xs = raw.batches_first(args, dims, size)
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
    _prim.impl = _eager(_prim, _prim.expand)
select_and_scatter_add_p.batch = _pair_batch(select_and_scatter_add_p, _extend_scatter)

__all__ = [
    "reduce_window_max_p",
    "reduce_window_min_p",
    "reduce_window_sum_p",
    "select_and_gather_add_p",
    "select_and_scatter_add_p",
]
