"""What all transformations share: argument checks, argument selection, wrapping of results."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from jitney import _ext
from jitney._base import dtypes, sources
from jitney._core import plugs, refs, tree
from jitney._core.avals import ShapedArray
from jitney._core.staging import DebugInfo, argument_names
from jitney._core.trace import ArrayImpl, Tracer, get_aval, is_array_like, to_numpy

T = TypeVar("T")


def check_callable(fun: Any, transformation: str) -> None:
    if not callable(fun):
        raise TypeError(
            f"Expected a callable value as the argument of {transformation}, got {fun!r} of type {type(fun)}."
        )
    if inspect.isgeneratorfunction(fun):
        raise TypeError(
            f"Expected a function, got the generator function {fun!r}: {transformation} cannot run generators."
        )


def boundary(wrapper: Callable[..., Any], fun: Any = None, doc: str = "") -> Callable[..., Any]:
    """``wrapper`` as a public callable: errors leave it without the library's own frames."""
    public = _ext.Boundary(wrapper)
    functools.update_wrapper(public, fun if fun is not None else wrapper)
    vars(public).pop("_made", None)  # which is how ``fun`` was made
    if doc:
        public.__doc__ = doc
    return public


def as_indices(argnums: Any) -> tuple[int, ...]:
    """``argnums`` (an int or a sequence of ints) as a tuple."""
    try:
        return (operator.index(argnums),)
    except TypeError:
        pass
    try:
        return tuple(operator.index(i) for i in argnums)
    except TypeError:
        raise TypeError(
            f"Arguments are chosen by their number, an integer or a sequence of integers, got {argnums!r}. "
            "(jit takes names as static_argnames and donate_argnames.)"
        ) from None


def select_args(
    fun: Callable[..., Any], argnums: Any, args: tuple, kwargs: dict[str, Any], what: str
) -> tuple[Callable[..., Any], tuple]:
    """``fun`` as a function of the arguments ``argnums`` alone, and those arguments."""
    numbers = as_indices(argnums)
    for number in numbers:
        if not -len(args) <= number < len(args):
            forward = number >= 0 and what in ("grad", "value_and_grad")  # JAX's choice of class
            raise (TypeError if forward else ValueError)(
                f"{what} got argnums={argnums}, which requires at least {max(number + 1, -number)} positional arguments "
                f"to be passed by the caller, but got only {len(args)} positional arguments."
            )
    places = [n % len(args) for n in numbers]
    if len(set(places)) < len(places):
        raise TypeError(f"{what} got argnums={argnums}, which names an argument twice.")

    def partial(*selected: Any) -> Any:
        full = list(args)
        for place, value in zip(places, selected, strict=True):
            full[place] = value
        return fun(*full, **kwargs)

    return partial, tuple(args[p] for p in places)


class FlatFunction:
    """``fun`` of trees as a function of leaves to leaves; remembers the output's tree (and the aux).

    Traced leaves of the aux are returned after the outputs, so that the transformation gives their values
    like those of outputs; ``main`` takes them off again.
    """

    __slots__ = ("_aux_leaves", "_aux_tree", "fun", "has_aux", "in_tree", "out_tree", "what")

    def __init__(self, fun: Callable[..., Any], in_tree: Any, what: str, has_aux: bool = False) -> None:
        self.fun = fun
        self.in_tree = in_tree
        self.what = what
        self.has_aux = has_aux
        self.out_tree: Any = None
        self._aux_leaves: list[Any] = []
        self._aux_tree: Any = None

    def __call__(self, *leaves: Any) -> list[Any]:
        out = self.fun(*tree.unflatten(self.in_tree, leaves))
        if self.has_aux:
            if not isinstance(out, (tuple, list)) or len(out) != 2:
                raise TypeError(
                    f"{self.what} with has_aux=True expects the function to return a pair (output, aux), got "
                    f"{f'an array {get_aval(out).str_short()}' if is_array_like(out) else f'a {type(out).__name__}'}."
                )
            out, aux = out
            self._aux_leaves, self._aux_tree = tree.flatten(aux)
        flat, self.out_tree = tree.flatten(out)
        check_outputs(flat, self.fun, self.what, self.out_tree)
        if any([isinstance(x, Tracer) and x.aval.dtype == bool for x in flat]):  # it may be a mask
            plugs.refuse_lengths(out, self.what)
        return flat + [x for x in self._aux_leaves if isinstance(x, Tracer)]

    def aux_count(self) -> int:
        """How many of the values that a call returns belong to the aux."""
        return sum(isinstance(x, Tracer) for x in self._aux_leaves)

    def main(self, outs: Sequence[Any]) -> list[Any]:
        """The outputs among the values of a call; the others become the leaves of ``aux``."""
        count = len(outs) - self.aux_count()
        values = iter(outs[count:])
        self._aux_leaves = [next(values) if isinstance(x, Tracer) else x for x in self._aux_leaves]
        return list(outs[:count])

    @property
    def aux(self) -> Any:
        return tree.unflatten(self._aux_tree, self._aux_leaves)


def check_outputs(leaves: Sequence[Any], fun: Any, what: str, out_tree: Any, described: bool = False) -> None:
    """Raise ``TypeError`` for an output that is no array; with ``described``, a type may stand for one."""
    if refs.in_use():
        place = lambda n: f" at output{tree.leaf_suffixes(tree.unflatten(out_tree, leaves))[n]}"  # noqa: E731
        refs.check_no_refs(leaves, f"function {sources.function_location(fun)} traced for {what}", place)
    for number, leaf in enumerate(leaves):
        if described and isinstance(getattr(leaf, "aval", None), ShapedArray):
            continue
        if (
            not is_array_like(leaf)
            or isinstance(leaf, (np.ndarray, np.generic))
            and not dtypes.is_supported(leaf.dtype)
        ):
            path = tree.leaf_suffixes(tree.unflatten(out_tree, leaves))[number]
            raise TypeError(
                f"{what} needs a function that returns arrays or scalars (or trees of them), but {sources.function_location(fun)} "
                f"returned a {type(leaf).__name__}{' at output' + path if path else ''}: {leaf!r}."
            )


def check_leaf(leaf: Any, name: str, what: str) -> ShapedArray:
    """The aval of an argument leaf; a TypeError that names the argument if it cannot be an array."""
    if is_array_like(leaf):
        if not isinstance(leaf, (np.ndarray, np.generic)) or dtypes.is_supported(leaf.dtype):
            return get_aval(leaf)
        kind = f"a NumPy array of dtype {leaf.dtype}"
    else:
        kind = "a function" if type(leaf) is _ext.Boundary else f"of type {type(leaf).__name__}"
    raise TypeError(
        f"Cannot interpret the argument {name} of {what} as an array: it is {kind} ({_short(leaf)}). "
        "Arguments must be arrays, numbers or trees of them; pass others as static (jit(f, static_argnames=...)) or by closure."
    )


def _short(x: Any) -> str:
    text = repr(x)
    return text if len(text) < 60 else text[:57] + "..."


def leaf_names(fun: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> list[str]:
    return argument_names(fun, args, kwargs, tree.leaf_suffixes)


def debug_info(kind: str, fun: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> DebugInfo:
    return DebugInfo(kind, fun, leaf_names(fun, args, kwargs))


def as_array(x: Any) -> Any:
    """A result as an array: Python and NumPy values are wrapped, arrays and tracers pass."""
    if type(x) is ArrayImpl or isinstance(x, Tracer):
        return x
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype == dtypes.float0:
        return x
    aval = get_aval(x)
    return _ext.wrap(to_numpy(x), aval.weak_type)


def as_arrays(xs: Sequence[Any]) -> list[Any]:
    return [as_array(x) for x in xs]


def expose(namespace: dict[str, Any], own: bool = False) -> None:
    """Make the functions of a public module boundaries: their errors show the user's frames only.

    ``own`` leaves what the module imports from others as it is.
    """
    made: dict[Any, Any] = {}  # aliases stay one object, which pickle finds by its own name
    for name, value in list(namespace.items()):
        if own and getattr(value, "__module__", None) != namespace["__name__"]:
            continue
        if type(value) is _FUNCTION and not name.startswith("_"):
            if value not in made:
                made[value] = public = _ext.Boundary(value)  # takes over name, documentation and signature
                vars(public).update(vars(value))  # such as the methods of ufuncs
            public.__module__, public.__qualname__ = namespace["__name__"], name  # where pickle finds it
            namespace[name] = made[value]


def expose_methods(cls: type[T]) -> type[T]:
    """Make the public methods of a class boundaries, its calls and its construction among them."""
    for name, value in list(vars(cls).items()):
        if type(value) is _FUNCTION and (not name.startswith("_") or name in ("__init__", "__call__")):
            if not inspect.isgeneratorfunction(value):
                setattr(cls, name, boundary(value))
    return cls


_FUNCTION = type(expose)
