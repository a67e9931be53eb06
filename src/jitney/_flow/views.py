"""Which traced arrays have their elements in another one in NumPy: results of indices, methods and functions that are views there.

Nothing is noted before the first program was converted that assigns items; then methods of traced arrays and functions of
``jitney.numpy`` note what they return.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jitney import _ext
from jitney import numpy as jnp
from jitney._base.dtypes import is_key
from jitney._core import tree
from jitney._core.trace import ArrayImpl, Tracer, get_aval

# Functions whose results are views of their first argument in NumPy; where that depends on strides, they may be.
_FUNCTIONS = """
    reshape ravel transpose permute_dims matrix_transpose swapaxes moveaxis rollaxis squeeze expand_dims broadcast_to
    atleast_1d atleast_2d atleast_3d flip fliplr flipud rot90 diagonal split array_split hsplit vsplit dsplit unstack real imag
""".split()
_METHODS = "reshape ravel transpose swapaxes squeeze diagonal view".split()
_PROPERTIES = "T mT real imag".split()
# These give the array itself.
_SELF = frozenset("asarray stop_gradient optimization_barrier block_until_ready device_put".split())


def note_view(view: Any, base: Any) -> Any:
    """Remember that in NumPy ``view`` has its elements in ``base``."""
    if view is not base and isinstance(view, Tracer) and isinstance(base, Tracer) and get_aval(view).shape:
        view.base = base
        base.views = [*getattr(base, "views", ()), weakref.ref(view)]
    return view


def sharing(x: Any) -> Iterator[Any]:
    """``x``, and what shares its memory."""
    while (above := getattr(x, "base", None)) is not None:
        x = above
    pending = [x]
    while pending:
        found = pending.pop()
        yield found
        pending += [view for ref in getattr(found, "views", ()) if (view := ref()) is not None]


def _is_basic(index: Any) -> bool:
    """Whether NumPy gives a view for an index: integers, slices, None and dots."""
    parts = index if isinstance(index, tuple) else (index,)
    return not any(
        isinstance(part, (list, bool, np.bool_)) or getattr(part, "ndim", 0) or _is_mask(part)
        for part in parts
    )


def _is_mask(part: Any) -> bool:
    return isinstance(part, (Tracer, ArrayImpl)) and part.dtype == bool


def _noting(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, whose results are views of its first argument."""

    def noting(*args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        base = next(iter((*args, *kwargs.values())), None)
        if found is base:
            return _view_of(base, found)
        for view in tree.leaves(found) if isinstance(base, Tracer) else ():
            note_view(view, base)
        return found

    return _named_as(function, noting)


def _noting_all(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, whose results are views of its arguments, one by one."""

    def noting(*bases: Any, **kwargs: Any) -> Any:
        found = function(*bases, **kwargs)
        if isinstance(found, (tuple, list)):
            return type(found)(map(_view_of, bases, found))
        return _view_of(bases[0], found) if bases else found

    return _named_as(function, noting)


def _noting_itself(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, whose result is the array itself or a new one."""

    def noting(base: Any, *args: Any, **kwargs: Any) -> Any:
        found = function(base, *args, **kwargs)
        return _view_of(base, found) if found is base else found

    return _named_as(function, noting)


def _noting_items(getitem: Callable[..., Any]) -> Callable[..., Any]:
    def noting(base: Any, index: Any) -> Any:
        found = getitem(base, index)
        return _view_of(base, found) if _is_basic(index) else found

    return _named_as(getitem, noting)


def _view_of(base: Any, found: Any) -> Any:
    """``found`` noted as a view of ``base``: another object, if it is ``base``."""
    if found is base and isinstance(base, Tracer):
        found = base.again()
    return note_view(found, base)


def _named_as(function: Callable[..., Any], noting: Any) -> Any:
    noting.__name__, noting.__doc__ = function.__name__, function.__doc__
    return noting


def _as_new(function: Any, x: Any) -> Any:
    """A result that is one of the arguments: NumPy copies (``+x``, ``x.astype(x.dtype)``), but where it gives the array itself."""
    if getattr(function, "__name__", "") in _SELF:
        return x
    if isinstance(x, ArrayImpl):
        return x if is_key(x.dtype) else _ext.wrap(x._np, x.weak_type)
    return x.again() if isinstance(x, Tracer) else x


def _watch() -> None:
    """Let what gives views in NumPy say so, what copies there give another object, and programs keep twins of their constants."""
    Tracer.may_be_stale = True
    _ext.register_hook("same", _as_new)
    _exchange(vars(Tracer)["__getitem__"], _noting_items)
    for name in _METHODS:
        _exchange(vars(Tracer)[name], _noting)
    for name in ("conj", "conjugate"):
        _exchange(vars(Tracer)[name], _noting_itself)  # of real numbers
    for name in _PROPERTIES:
        found = vars(Tracer)[name]
        setattr(Tracer, name, property(_noting(found.fget), doc=found.__doc__))
    for name in (*_FUNCTIONS, "broadcast_arrays"):
        _exchange(
            getattr(jnp, name), _noting_all if name.startswith(("broadcast_arrays", "atleast")) else _noting
        )


def _exchange(public: Any, wrap: Callable[..., Any]) -> None:
    """Wrap what a public function calls, for all who hold it."""
    public._fn = wrap(public._fn)


_watch()
