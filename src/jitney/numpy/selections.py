"""``x[mask]`` of traced arrays: elements of which it is not known how many there are.

A ``Selection`` is the array and the mask. Elementwise functions compute on the whole array, reductions count what the mask
keeps, and ``x[mask] = v`` chooses element by element: all of it is ordinary, native code of fixed shapes. What needs the elements
side by side (their order, their number as a shape) says so. A selection that leaves compiled code becomes the array
that it stands for. Places that the mask drops hold 1/2 (or 1), where functions and their derivatives are finite.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

from jitney import _ext
from jitney._base import dtypes
from jitney._base.config import config
from jitney._base.sources import PACKAGE_DIR
from jitney._control.guarding import check_places, quietly, wanted
from jitney._core import tree
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, Literal, evaluate, subjaxprs
from jitney._core.staging import StagedTracer, hoist_tracers, stage
from jitney._core.trace import ArrayImpl, Tracer, current_trace, get_aval, is_array_like
from jitney._kernel.rules import Map
from jitney.numpy import reductions, ufuncs


class Selection:
    """The elements of ``values`` where ``mask`` is true: the array ``x[mask]``, whose length is not known before it runs.

    Shape ``[count, *rest]`` for a mask over the leading axes of ``values``. Arithmetic, elementwise functions of
    ``jitney.numpy`` and reductions take it; another index or mask selects from it.
    """

    __slots__ = ("mask", "values")
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 2000

    def __init__(self, values: Any, mask: Any) -> None:
        self.values, self.mask = values, mask

    def __repr__(self) -> str:
        return f"Selection({get_aval(self.values).str_short()} where {get_aval(self.mask).str_short()})"

    # -- what is known of it

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype

    @property
    def ndim(self) -> int:
        return 1 + len(self.rest)

    @property
    def rest(self) -> tuple[int, ...]:
        """The axes that the mask does not select along."""
        return tuple(get_aval(self.values).shape[get_aval(self.mask).ndim :])

    @property
    def count(self) -> Any:
        """How many are selected: a traced integer."""
        return reductions.sum(self.mask, dtype=dtypes.default_dtype("i"))

    @property
    def size(self) -> Any:
        return self.count * math.prod(self.rest)

    @property
    def shape(self) -> tuple[Any, ...]:
        return (self.count, *self.rest)

    def __len__(self) -> NoReturn:
        raise TypeError(
            "len(x[mask]) must be a Python integer, and the mask is traced: x[mask].size is the number as an array."
        )

    def __iter__(self) -> NoReturn:
        raise unknown("a loop over x[mask]")

    def __bool__(self) -> NoReturn:
        raise unknown("the truth of x[mask]")

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise unknown("an array of NumPy's")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs.get("out") is not None:
            raise unknown(f"np.{ufunc.__name__}.{method}")
        return call(_jnp(ufunc.__name__), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call(_jnp(function.__name__), args, kwargs)

    # -- items

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, Selection):
            if index.dtype == bool and same_mask(index.mask, self.mask):
                return select(self.values, self.mask & index.values)
            raise unknown("x[mask] indexed by another selection")
        if isinstance(index, slice) or index is Ellipsis or index is None or isinstance(index, tuple):
            if index == slice(None) or index is Ellipsis:
                return self
            raise unknown("a slice of x[mask]")
        if get_aval(index).dtype.kind not in "iu":
            raise unknown("x[mask] indexed by another mask")
        jnp = whole_numpy()
        flat = jnp.ravel(self.mask)
        place = jnp.where(index < 0, index + self.count, index)
        # The place of the k-th element that is selected.
        where = jnp.searchsorted(jnp.cumsum(flat), place + 1)
        return jnp.reshape(self.values, (flat.size, *self.rest))[where]

    def astype(self, dtype: Any) -> Selection:
        return elementwise(lambda x: x.astype(dtype), (self,), {})

    def apply(self, function: Callable[..., Any]) -> Any:
        """``function``, one of single numbers, of each element."""
        return elementwise(function, (self,), {})

    def __getattr__(self, name: str) -> NoReturn:
        if hasattr(Tracer, name):
            raise AttributeError(_needs_number(f"x[mask].{name}"))
        raise AttributeError(f"x[mask] has no attribute {name!r}: the mask is traced.")


def _needs_number(what: str) -> str:
    return (
        f"{what} needs the number of elements, and the mask is traced. What is elementwise or a reduction can be done with "
        "x[mask]; for the rest, fix a size with jnp.nonzero(mask, size=n) or keep all elements with jnp.where(mask, x, fill)."
    )


def unknown(what: str) -> TypeError:
    return TypeError(_needs_number(what))


def whole_numpy() -> Any:
    from jitney import numpy

    return numpy


def _jnp(name: str) -> Callable[..., Any]:
    found = getattr(whole_numpy(), name, None)
    if found is None:
        raise TypeError(f"jitney.numpy has no {name}, which np.{name} of a traced selection stands for.")
    return found


# -- making and leaving -----------------------------------------------------------------------------------


def select(x: Any, mask: Any) -> Selection:
    """``x[mask]``, ``mask`` over the leading axes of ``x``."""
    aval, chosen = get_aval(x), get_aval(mask)
    if aval.shape[: chosen.ndim] != chosen.shape:
        axis = next(
            (i for i, (a, b) in enumerate(zip(aval.shape, chosen.shape, strict=False)) if a != b), None
        )
        if axis is None:
            raise IndexError(
                f"Too many indices: array is {aval.ndim}-dimensional, but {chosen.ndim} were indexed"
            )
        raise IndexError(
            f"boolean index did not match shape of indexed array: axis {axis} has size {aval.shape[axis]}, the mask "
            f"{chosen.shape[axis]}"
        )
    filler = 0.5 if dtypes.is_inexact(aval.dtype) else 1
    jnp = whole_numpy()
    return Selection(jnp.where(over(mask, aval.ndim), x, aval.dtype.type(filler)), mask)


def over(mask: Any, ndim: int) -> Any:
    """The mask with axes of size 1 for those that it does not select along."""
    shape = get_aval(mask).shape
    return whole_numpy().reshape(mask, (*shape, *(1,) * (ndim - len(shape))))


def traced_mask(index: Any) -> Any:
    """The mask of ``x[mask]`` where it is traced, and Python's ways are on; else None."""
    if not isinstance(index, Tracer) or not config.jitney_python_control_flow:
        return None
    aval = get_aval(index)
    return index if aval.dtype == bool and aval.ndim and index.concrete() is None else None


def _flatten(selection: Selection) -> tuple[tuple[Any, Any], Any]:
    known = is_array_like(selection.mask) and is_array_like(selection.values)
    return (selection.values, selection.mask), (get_aval(selection.mask).ndim if known else None)


def _unflatten(ndim: Any, children: Sequence[Any]) -> Any:
    values, mask = children
    if type(values) is ArrayImpl and type(mask) is ArrayImpl and current_trace() is None and ndim is not None:
        if mask.ndim != ndim:
            raise TypeError(
                "x[mask] was returned from a function under vmap: the results of the examples have different lengths, which "
                "no array holds. Return jnp.where(mask, x, fill), or what is computed of x[mask]."
            )
        return _ext.wrap(np.asarray(values._np[mask._np]))
    return Selection(values, mask)


tree.register_node(Selection, _flatten, _unflatten)


def taken(x: Any, index: Any) -> Any:
    """``x[index]`` where a traced mask or a selection of places is in the index; None if that is not so."""
    chosen = _places_of(index)
    if chosen is not None:
        kept = [_kept(part) if isinstance(part, Selection) else part for part in chosen.entries]
        return Selection(x[tuple(kept)], chosen.mask)
    if not isinstance(index, tuple):
        mask = traced_mask(index)
        return None if mask is None else select(x, mask)
    mask = traced_mask(index[0]) if index else None
    if mask is None or not all(part is Ellipsis or isinstance(part, (int, slice)) for part in index[1:]):
        return None
    ahead = (slice(None),) * get_aval(mask).ndim
    return select(x[(*ahead, *index[1:])], mask)


class _Places(NamedTuple):
    """An index that begins with selections of places by one mask, or with integers beside them."""

    entries: tuple[Any, ...]
    mask: Any
    axis: int  # along which the first selection takes places
    rest: int  # how many axes of an array are left out by the index


def _places_of(index: Any) -> _Places | None:
    entries = index if isinstance(index, tuple) else (index,)
    chosen = [part for part in entries if isinstance(part, Selection)]
    if not chosen or any(part.dtype.kind not in "iu" for part in chosen):
        return None
    if not all(same_mask(part.mask, chosen[0].mask) for part in chosen):
        raise IndexError("an index has places that two different masks select: their numbers may differ.")
    takes = [isinstance(part, Selection) or _is_integer(part) for part in entries]
    if not takes[0] or not all(t or isinstance(p, slice) for t, p in zip(takes, entries, strict=True)):
        raise IndexError(
            "places that a traced mask selects come first in an index, x[places, 1:], with integers and slices beside them: "
            "move their axes to the front, jnp.moveaxis(x, axis, 0)[places]."
        )
    return _Places(
        entries,
        chosen[0].mask,
        next(i for i, p in enumerate(entries) if isinstance(p, Selection)),
        sum(takes),
    )


def _is_integer(part: Any) -> bool:
    return is_array_like(part) and get_aval(part).ndim == 0 and get_aval(part).dtype.kind in "iu"


def _kept(places: Selection) -> Any:
    """Places to read at; those that the mask drops may lie anywhere, so that they would be found out of bounds."""
    return whole_numpy().where(places.mask, places.values, 0) if config.check_bounds else places.values


_UPDATES: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda x, v: v,
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "min": lambda x, v: ufuncs.minimum(x, v),
    "max": lambda x, v: ufuncs.maximum(x, v),
}


def updated(name: str, x: Any, index: Any, values: Any) -> Any:
    """``x.at[index].set(values)`` and the like where the index is a traced mask or a selection of places; None if not."""
    jnp = whole_numpy()
    chosen = _places_of(index)
    if chosen is not None:
        return _updated_at(name, x, chosen, values)
    mask = traced_mask(index)
    if mask is None:
        return None
    kept = select(x, mask)  # checks the shapes
    rest = len(kept.rest)
    if isinstance(values, Selection):
        if not same_mask(values.mask, mask):
            raise TypeError(
                "Elements that one mask selects are assigned to those that another one selects: their numbers may differ."
            )
        values = values.values
    else:
        _check_assigned(values, rest)
    new = _UPDATES[name](x, values)
    return jnp.where(over(mask, get_aval(x).ndim), jnp.asarray(new).astype(x.dtype), x)


def _check_assigned(values: Any, rest: int) -> None:
    if get_aval(values).ndim > rest:
        raise TypeError(
            f"values of shape {get_aval(values).shape} are assigned to x[mask], which is not known to have as many elements. "
            "Assign a number, or elements selected by the same mask: x[mask] = y[mask]."
        )


def _updated_at(name: str, x: Any, chosen: _Places, values: Any) -> Any:
    shape = get_aval(x).shape
    rest = len(shape) - chosen.rest
    if isinstance(values, Selection):
        if not same_mask(values.mask, chosen.mask) or len(values.rest) > rest:
            raise unknown("an assignment of elements that another mask selects")
        values = _aligned(values, get_aval(values.mask).ndim, rest)
    else:
        _check_assigned(values, rest)
    entries = list(chosen.entries)
    for axis, part in enumerate(entries):
        if isinstance(part, Selection):
            check_places(shape, axis, _kept(part))
            entries[axis] = part.values
    # What the mask drops is written behind the end: nowhere.
    entries[chosen.axis] = whole_numpy().where(chosen.mask, entries[chosen.axis], shape[chosen.axis])
    return getattr(x.at[tuple(entries)], name)(values, mode="drop")


def places(mask: Any) -> tuple[Selection, ...]:
    """``nonzero`` of a traced mask."""
    jnp = whole_numpy()
    shape = get_aval(mask).shape
    axes = [
        jnp.broadcast_to(jnp.expand_dims(jnp.arange(n), [j for j in range(len(shape)) if j != i]), shape)
        for i, n in enumerate(shape)
    ]
    return tuple(Selection(axis, mask) for axis in axes)


def rows(columns: Sequence[Selection]) -> Selection:
    """Several selections by one mask as the columns of one."""
    return Selection(whole_numpy().stack([c.values for c in columns], -1), columns[0].mask)


def refuse_in(out: Any, what: str) -> None:
    """An error for selections in what a function returns that is differentiated."""
    for x in tree.leaves(out, is_leaf=lambda x: isinstance(x, Selection)):
        if isinstance(x, Selection):
            raise TypeError(
                f"x[mask], whose length depends on values, was returned from a function under {what} in a traced program: no array "
                "holds its derivative. Return jnp.where(mask, x, 0), which has the same sums and squares, or what is computed of "
                "x[mask]; or differentiate outside of jit."
            )


def bounded(out: Any, size: int) -> Any:
    """A result whose selections are arrays of ``size`` elements, zeros behind the selected ones; more of them are an error."""
    from jitney._control.guards import require

    jnp = whole_numpy()

    def one(x: Any) -> Any:
        if not isinstance(x, Selection):
            return x
        count = x.count
        text = f"{{0}} elements are selected, more than jit(..., max_size={size}) has room for"
        require(count > size, ValueError, text, [count])
        flat = jnp.reshape(x.mask, (-1,))
        (places,) = jnp.nonzero(flat, size=size, fill_value=flat.size)
        values = jnp.reshape(x.values, (flat.size, *x.rest))
        return values.at[places].get(mode="fill", fill_value=0)

    return tree.map(one, out, is_leaf=lambda x: isinstance(x, Selection))


# -- masks ------------------------------------------------------------------------------------------------


def same_mask(a: Any, b: Any) -> bool:
    """Whether two masks are the same value: one variable, or equal computations of the same variables."""
    if a is b:
        return True
    while isinstance(a, Tracer) and type(a) is type(b) and not isinstance(a, StagedTracer):
        if a._trace is not b._trace or getattr(a, "dim", None) != getattr(b, "dim", None):
            return False
        under = [getattr(x, "primal", getattr(x, "value", None)) for x in (a, b)]
        a, b = under
        if a is b:
            return True
    if type(a) is type(b) is ArrayImpl:
        return a.shape == b.shape and bool(np.array_equal(a._np, b._np))
    if type(a) is not StagedTracer or type(b) is not StagedTracer or a._trace is not b._trace:
        return False
    made = {v: eqn for eqn in a._trace.eqns for v in eqn.outvars}
    return _same_atoms(a._var, b._var, made)


def _same_atoms(x: Any, y: Any, made: dict[Any, Any]) -> bool:
    if x is y:
        return True
    if type(x) is Literal and type(y) is Literal:
        return x.aval == y.aval and bool(np.all(np.asarray(x.val) == np.asarray(y.val)))
    if type(x) is Literal or type(y) is Literal or x not in made or y not in made:
        return False
    e, f = made[x], made[y]
    return (
        e.primitive is f.primitive
        and not e.effects
        and e.outvars.index(x) == f.outvars.index(y)
        and len(e.invars) == len(f.invars)
        and _equal(e.params, f.params)
        and all(_same_atoms(a, b, made) for a, b in zip(e.invars, f.invars, strict=True))
    )


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:
        return False


# -- functions --------------------------------------------------------------------------------------------


def found_in(args: Any, kwargs: dict[str, Any]) -> list[Selection]:
    found: list[Selection] = []
    for x in (*args, *kwargs.values()):
        found += [x] if isinstance(x, Selection) else found_in(x, {}) if isinstance(x, (list, tuple)) else []
    return found


def refused(function: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """A public function of jitney's refused its arguments: what it gives for selections, if the user called it with some."""
    if "." in getattr(function, "__qualname__", "."):
        return NotImplemented  # a method, such as x.at[mask].set, which knows them
    if not found_in(args, kwargs) or sys._getframe(1).f_code.co_filename.startswith(PACKAGE_DIR):
        return NotImplemented
    return call(function, args, kwargs)


def call(function: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    name = getattr(function, "__name__", "")
    from jitney.numpy.selected_functions import FUNCTIONS

    special = FUNCTIONS.get(name)
    if special is not None and function is getattr(whole_numpy(), name, None):
        return special(*args, **kwargs)
    return elementwise(function, args, kwargs)


def elementwise(function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """An elementwise function of selections by one mask and of what broadcasts against their elements."""
    selections = found_in(args, kwargs)
    mask = selections[0].mask
    if not all(same_mask(s.mask, mask) for s in selections):
        raise TypeError(
            "Elements that two different masks select are combined: their numbers may differ. Use one mask for both, "
            "m = x > 0; a[m] + b[m]."
        )
    leaves, spec = tree.flatten((args, kwargs), is_leaf=lambda x: isinstance(x, Selection))
    rest = max(len(s.rest) for s in selections)
    operands = [x for x in leaves if isinstance(x, Selection) or _is_array(x)]
    for x in operands:
        if not isinstance(x, Selection) and get_aval(x).ndim > rest and get_aval(x).shape[-rest - 1] != 1:
            raise TypeError(
                f"x[mask] meets an array of shape {get_aval(x).shape}, which is not known to have as many elements. Select "
                "from it with the same mask, y[mask]."
            )
    depth = get_aval(mask).ndim
    values = [_aligned(x, depth, rest) for x in operands]

    def whole(*xs: Any) -> Any:
        given = iter(xs)
        filled = [next(given) if isinstance(x, Selection) or _is_array(x) else x for x in leaves]
        called, named = spec.unflatten(filled)
        return function(*called, **named)

    out_spec: list[Any] = []

    def flat(*xs: Any) -> list[Any]:
        outs, made = tree.flatten(whole(*xs))
        out_spec[:] = [made]
        return outs

    with quietly():
        closed, outer = hoist_tracers(stage(flat, [get_aval(v) for v in values]))
    shape = np.broadcast_shapes(*[get_aval(v).shape for v in values])
    if not _is_elementwise(closed.jaxpr, shape[len(shape) - rest :]) or any(
        a.shape != shape for a in closed.out_avals
    ):
        raise unknown(f"{getattr(function, '__name__', 'a function')} of x[mask]")
    with quietly():
        outs = evaluate(closed.jaxpr, closed.consts, *outer, *values)
    if config.check_overflow and wanted():
        whole(
            *[
                _with_ones(v, mask) if isinstance(x, Selection) else v
                for x, v in zip(operands, values, strict=True)
            ]
        )
    return tree.unflatten(out_spec[0], [Selection(out, mask) for out in outs])


def _with_ones(values: Any, mask: Any) -> Any:
    """Numbers for guards to look at: those that the mask drops are such as do not overflow, and may be divisors."""
    return whole_numpy().where(over(mask, get_aval(values).ndim), values, get_aval(values).dtype.type(1))


def _is_array(x: Any) -> bool:
    return isinstance(x, (Tracer, ArrayImpl, np.ndarray)) and bool(get_aval(x).ndim)


def _aligned(x: Any, depth: int, rest: int) -> Any:
    """An operand such that the axes of elements are the last ones of all."""
    if not isinstance(x, Selection):
        shape = get_aval(x).shape
        return whole_numpy().reshape(x, shape[-rest:] if rest else ())
    shape = get_aval(x.values).shape
    return whole_numpy().reshape(x.values, (*shape[:depth], *(1,) * (rest - len(x.rest)), *shape[depth:]))


# Operations that move no elements and are not rows of the elementwise table.
_STILL = frozenset(("broadcast_in_dim", "copy", "stop_gradient", "name", "squeeze", "reshape"))


# The same of complex numbers, which are pairs where elements are computed: of them an operation takes a part or makes one.
_OF_PAIRS = frozenset(("real", "imag", "conj", "complex"))


def _is_elementwise(jaxpr: Jaxpr, rest: tuple[int, ...]) -> bool:
    """Whether every number of the results is one of the operands' numbers at its place, or varies along the axes ``rest`` only."""
    for eqn in jaxpr.eqns:
        inner = [p.jaxpr if isinstance(p, ClosedJaxpr) else p for p in subjaxprs(eqn.params)]
        if inner:
            if eqn.primitive.name not in ("jit", "pjit", "custom_jvp_call", "custom_vjp_call", "closed_call"):
                return False
            if not all(_is_elementwise(program, rest) for program in inner):
                return False
        elif eqn.primitive.name in _STILL:
            shapes = {v.aval.shape for v in (*eqn.invars, *eqn.outvars)}
            if len(shapes) > 1 and not all(_is_below(v.aval.shape, rest) for v in eqn.invars):
                return False
        elif eqn.primitive.name in _OF_PAIRS or isinstance(eqn.primitive.lower, Map):
            continue
        elif not _expands_elementwise(eqn, rest):
            return False
    return True


def _is_below(shape: tuple[int, ...], rest: tuple[int, ...]) -> bool:
    """Whether an array of ``shape`` is the same for all selected elements."""
    ahead = len(shape) - len(rest)
    return all(n == 1 for n in shape[: max(ahead, 0)])


def _expands_elementwise(eqn: Any, rest: tuple[int, ...]) -> bool:
    if eqn.primitive.expand is None:
        return False
    avals: list[ShapedArray] = [shaped_array(v.aval.shape, v.aval.dtype) for v in eqn.invars]

    def flat(*xs: Any) -> list[Any]:
        out = eqn.primitive.expand(*xs, **eqn.params)
        return list(out) if eqn.primitive.multiple_results else [out]

    closed, _ = hoist_tracers(stage(flat, avals))
    return _is_elementwise(closed.jaxpr, rest)


# -- operators --------------------------------------------------------------------------------------------


def _operator(name: str) -> None:
    function = getattr(operator, f"__{name}__", None) or {"divmod": divmod, "round": round}[name]
    setattr(Selection, f"__{name}__", lambda self, *others: elementwise(function, (self, *others), {}))


def _reversed(name: str) -> None:
    function = getattr(operator, f"__{name}__", None) or divmod
    setattr(Selection, f"__r{name}__", lambda self, other: elementwise(function, (other, self), {}))


_BINARY = "add sub mul truediv floordiv mod divmod pow and or xor lshift rshift".split()
for _name in [*_BINARY, *"eq ne lt le gt ge neg pos abs invert".split()]:
    _operator(_name)
for _name in _BINARY:
    _reversed(_name)
# A selection is not known to have the length of an array: @ sums over elements of the same mask, or over an axis of each.
Selection.__matmul__ = lambda self, other: call(_jnp("matmul"), (self, other), {})  # type: ignore[attr-defined]
Selection.__rmatmul__ = lambda self, other: call(_jnp("matmul"), (other, self), {})  # type: ignore[attr-defined]
for _name in ("real", "imag"):
    setattr(Selection, _name, property(lambda self, _name=_name: elementwise(_jnp(_name), (self,), {})))


def _methods() -> None:
    for name in "sum mean var std prod max min any all ptp argmax argmin cumsum cumprod sort dot".split():
        setattr(Selection, name, lambda self, *args, _n=name, **kwargs: call(_jnp(_n), (self, *args), kwargs))
    for name in "round conj clip".split():
        setattr(
            Selection,
            name,
            lambda self, *args, _n=name, **kwargs: elementwise(_jnp(_n), (self, *args), kwargs),
        )


_methods()
_ext.register_hook("refused", refused)
