"""Item assignment: ``a[i] = v`` on a traced array is ``a = assign(a, i, v)``, a new array that compiled code writes in place.

In NumPy every name of an array, and every view of it, shows the change. Here the names that are not assigned keep the old
values, so they become *stale*: their next use raises, with the line of the assignment. ``views.py`` remembers which traced arrays
share memory in NumPy. Arguments of the function that is traced are the caller's, who would see the change in NumPy: they are
refused, as are arrays of numbers that another name shows (``holders.py``).
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney import _ext
from jitney import numpy as jnp
from jitney._base import sources
from jitney._base.config import config
from jitney._core import tree
from jitney._core.staging import StagingTrace
from jitney._core.trace import ArrayImpl, Tracer, current_trace, get_aval, is_array_like
from jitney._flow import parts
from jitney._flow.holders import name_that_shows
from jitney._flow.views import sharing
from jitney.numpy.selections import Selection

# -- arrays that were changed under another name ----------------------------------------------------------


class Stale:
    """In place of the trace of an array that another name was assigned an item of."""

    alive = False

    def __init__(self, line: str) -> None:
        self.stale = (
            f"This array (or one that it is a view of) was changed at {line}, under another name. In NumPy it would show the "
            "change; here an assigned item makes a new array for the name that is assigned to. Use that name, or take a copy "
            "before: b = a.copy()."
        )


def is_stale(x: Any) -> bool:
    return isinstance(x, Tracer) and type(x._trace) is Stale


def outdate(x: Any, why: Stale) -> None:
    """Make ``x``, and what shares its memory, stale; one of an outer trace when the statement is over: other parts may read it."""
    if not isinstance(x, Tracer) or is_stale(x):
        return
    if x._trace is not current_trace() and parts.at_end(lambda: outdate(x, why)):
        return
    for found in list(sharing(x)):
        found._trace = why
        try:
            del found.aval  # whatever asks for it finds the reason
        except AttributeError:  # of tracers that derive theirs
            pass


# -- assignment -------------------------------------------------------------------------------------------

Path = Sequence[tuple[str, Any]]  # attributes and items from the variable to what is assigned an item

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.iadd,
    "Sub": operator.isub,
    "Mult": operator.imul,
    "Div": operator.itruediv,
    "FloorDiv": operator.ifloordiv,
    "Mod": operator.imod,
    "Pow": operator.ipow,
    "MatMult": operator.imatmul,
    "BitAnd": operator.iand,
    "BitOr": operator.ior,
    "BitXor": operator.ixor,
    "LShift": operator.ilshift,
    "RShift": operator.irshift,
}  # by the names of the syntax tree


def assign(root: Any, path: Path, index: Any, value: Any, how: str, name: str, line: int) -> Any:
    """``root.path[index] = value`` (or ``+=``: ``how`` names the operator); what the variable ``name`` holds after it."""
    if path:
        (kind, key), *rest = path
        inner = getattr(root, key) if kind == "attribute" else root[key]
        made = assign(inner, rest, index, value, how, name, line)
        if made is inner:
            return root
        if kind == "item":
            return assign(root, (), key, made, "", name, line)
        parts.unchanged(root, name, line)
        setattr(root, key, made)
        return root
    if not isinstance(root, np.ndarray):
        parts.unchanged(root, name, line)
    if how:
        value = _OPERATORS[how](element(root, index), value)
    # Of an array of NumPy's a new one is made, too, where the assignment itself depends on a traced condition.
    traced = _is_traced(index, value) or parts.is_inside_traced()
    if isinstance(root, (Tracer, ArrayImpl)) or isinstance(root, np.ndarray) and traced:
        return _updated(root, index, value)
    if isinstance(root, list) and _is_traced(index):
        _choose_item(root, index, value)
    else:
        root[index] = value
    return root


def augmented(x: Any, value: Any, how: str) -> Any:
    """``x += value``, where an array of NumPy's becomes a traced one."""
    if isinstance(x, np.ndarray) and (_is_traced(value) or parts.is_inside_traced()):
        _refuse_shown(x)
        x = jnp.asarray(x)
    return _OPERATORS[how](x, value)


def _is_traced(*values: Any) -> bool:
    return any(
        isinstance(x, Tracer) or isinstance(x, tuple) and any(isinstance(part, Tracer) for part in x)
        for x in values
    )


def _updated(array: Any, index: Any, value: Any) -> Any:
    if not config.jitney_python_control_flow:
        array[index] = value  # says what to write
    if isinstance(array, Tracer):
        _refuse_arguments(array)
    else:
        _refuse_shown(array)
    old = jnp.asarray(array)
    value = value if isinstance(value, Selection) else jnp.asarray(value)
    if value.dtype.kind == "c" and old.dtype.kind != "c":
        raise TypeError(
            f"complex numbers cannot be assigned to items of an array of dtype {old.dtype}: take the real part, or make the "
            "array complex."
        )
    new = old.at[index].set(value.astype(old.dtype))
    place = sources.resolve(_ext.user_frame())
    outdate(array, Stale(f"{place.file}:{place.line}" if place else "another line"))
    return new


def _refuse_shown(array: Any) -> None:
    name = name_that_shows(array, sys._getframe(1))
    if name is not None:
        raise TypeError(
            f"An item of an array of numbers is assigned, and {name} is (or has) the same memory: in NumPy it would show the "
            "change, but the changed array is a new one here. Return the new one and assign it, y = fill(y, x), or take a copy "
            "before, y = y.copy()."
        )


def _refuse_arguments(array: Any) -> None:
    for found in sharing(array):
        inner: Any = found
        while isinstance(under := getattr(inner, "primal", getattr(inner, "value", None)), Tracer):
            inner = under
        trace = inner._trace
        if isinstance(trace, StagingTrace) and inner._var in trace.invars and not trace.is_part:
            raise TypeError(
                f"An item of an argument is assigned ({get_aval(array).str_short()}). In NumPy the caller's array would change, "
                "which a compiled function does not do: assign to a copy, x = x.copy(), and return it."
            )


# -- items of lists ---------------------------------------------------------------------------------------


def element(items: Any, index: Any) -> Any:
    """``items[index]``, where ``items`` may be a list or an array of NumPy, and ``index`` traced."""
    if isinstance(items, (list, tuple)) and isinstance(index, Tracer):
        return _chosen(items, index)
    if isinstance(items, np.ndarray) and _is_traced(index):
        return jnp.asarray(items)[index]
    if isinstance(items, dict) and _is_traced(index):
        raise TypeError(
            f"a dict is asked for a traced key ({get_aval(index).str_short()}), which it cannot look up. Keep the values in a list or "
            "an array and index that, or choose with jnp.select([key == k for k in items], list(items.values()))."
        )
    return items[index]


def _chosen(items: Sequence[Any], index: Any) -> Any:
    if not items:
        raise IndexError("an item of an empty list is asked for")
    leaves, specs = zip(*map(tree.flatten, items), strict=True)
    if any(spec != specs[0] for spec in specs) or not all(is_array_like(x) for row in leaves for x in row):
        raise TypeError(
            f"a list is indexed by a traced integer ({get_aval(index).str_short()}), so that its items must be arrays or "
            "numbers of one form. Choose among functions with lax.switch(index, functions, *operands)."
        )
    columns = [_stacked(column, index) for column in zip(*leaves, strict=True)]
    return specs[0].unflatten(columns)


def _stacked(column: Sequence[Any], index: Any) -> Any:
    shapes = {get_aval(x).shape for x in column}
    if len(shapes) > 1:
        raise TypeError(
            f"a list is indexed by a traced integer, and its items have different shapes: {sorted(shapes)}."
        )
    return jnp.stack([jnp.asarray(x) for x in column])[index]


def _choose_item(items: list[Any], index: Any, value: Any) -> None:
    """``items[index] = value`` on a list: each item becomes the old or the new one."""
    size = len(items)
    for place in range(size):
        here = jnp.equal(jnp.where(index < 0, index + size, index), place)
        items[place] = tree.map(lambda new, old, here=here: jnp.where(here, new, old), value, items[place])
