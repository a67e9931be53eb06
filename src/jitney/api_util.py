"""``jitney.api_util``: what transformations of functions of trees share: flattening, selecting, abstracting arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import as_indices, check_leaf
from jitney._api.calls import expose as _expose
from jitney._core import paths as _paths
from jitney._core import staging as _staging
from jitney._core import tree as _tree
from jitney._core.avals import ShapedArray
from jitney.extend import linear_util as _lu


def flatten_fun_nokwargs(fun: _lu.WrappedFun, in_tree: Any) -> tuple[_lu.WrappedFun, Callable[[], Any]]:
    """``fun`` as a function of the leaves of its positional arguments to the leaves of its result.

    ``in_tree`` is the structure of the tuple of arguments. The second result gives the structure of the
    function's result, once it was called.

    Example:
        >>> from jitney import api_util, tree
        >>> from jitney.extend import linear_util as lu
        >>> flat, in_tree = tree.flatten((1, {"y": 2}))
        >>> fun, out_tree = api_util.flatten_fun_nokwargs(lu.wrap_init(lambda x, d: [x + d["y"]]), in_tree)
        >>> fun.call_wrapped(*flat), out_tree()
        ([3], PyTreeDef([*]))
    """
    return _flat_args(fun, in_tree)


def flatten_fun(fun: _lu.WrappedFun, in_tree: Any) -> tuple[_lu.WrappedFun, Callable[[], Any]]:
    """Like ``flatten_fun_nokwargs``; ``in_tree`` is the structure of the pair ``(args, kwargs)``."""
    return _flat_args_and_kwargs(fun, in_tree)


@_lu.transformation_with_aux2
def _flat_args(f: Callable[..., Any], store: Any, in_tree: Any, *leaves: Any) -> list[Any]:
    out, treedef = _tree.flatten(f(*in_tree.unflatten(leaves)))
    store.store(treedef)
    return out


@_lu.transformation_with_aux2
def _flat_args_and_kwargs(f: Callable[..., Any], store: Any, in_tree: Any, *leaves: Any) -> list[Any]:
    args, kwargs = in_tree.unflatten(leaves)
    out, treedef = _tree.flatten(f(*args, **kwargs))
    store.store(treedef)
    return out


def argnums_partial(
    f: _lu.WrappedFun,
    dyn_argnums: int | Sequence[int],
    args: Sequence[Any],
    require_static_args_hashable: bool = True,
) -> tuple[_lu.WrappedFun, tuple]:
    """``f`` as a function of the arguments ``dyn_argnums`` alone, and those arguments.

    ``ValueError`` if a number is out of range, or if another argument is not hashable although it must be.
    """
    numbers = as_indices(dyn_argnums)
    for number in numbers:
        if not -len(args) <= number < len(args):
            raise ValueError(
                f"argument numbers must lie between {-len(args)} and {len(args) - 1} for {len(args)} arguments, "
                f"got {number}"
            )
    places = sorted({n % len(args) for n in numbers})
    fixed = tuple(_Fixed(x) for i, x in enumerate(args) if i not in places)
    if require_static_args_hashable:
        for item in fixed:
            _check_hashable(item.value)
    return _with_fixed(f, tuple(places), len(args), fixed), tuple(args[i] for i in places)


class _Fixed:
    """A static argument; equal by value where it is hashable, else by identity."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        try:
            return hash(self.value)
        except TypeError:
            return id(self.value)

    def __eq__(self, other: object) -> bool:
        if type(other) is not _Fixed:
            return False
        return self.value is other.value or (_is_hashable(self.value) and self.value == other.value)


def _is_hashable(x: Any) -> bool:
    try:
        hash(x)
    except TypeError:
        return False
    return True


def _check_hashable(x: Any) -> None:
    if not _is_hashable(x):
        raise ValueError(
            f"Non-hashable static arguments cannot be used: got {x!r} of type {type(x)}. Pass it as an array "
            "argument, or make its type hashable."
        )


@_lu.transformation2
def _with_fixed(
    f: Callable[..., Any],
    places: tuple[int, ...],
    count: int,
    fixed: tuple[_Fixed, ...],
    *given: Any,
    **kwargs: Any,
) -> Any:
    rest, own = iter(fixed), iter(given)
    return f(*[next(own) if i in places else next(rest).value for i in range(count)], **kwargs)


def flatten_axes(
    name: str, treedef: Any, axis_tree: Any, *, kws: bool = False, tupled_args: bool = False
) -> list[Any]:
    """One axis for each leaf of ``treedef``: ``axis_tree`` is a tree prefix of it in which None is a leaf.

    With ``kws``, ``treedef`` is of ``(args, kwargs)`` and ``axis_tree`` speaks of ``args`` alone; keyword
    arguments get axis 0. ``ValueError`` that names the place if ``axis_tree`` is no prefix.
    """
    args_def = treedef.children()[0] if kws else treedef
    proxy = args_def.unflatten([object()] * args_def.num_leaves)
    try:
        axes = _tree.broadcast_prefix(axis_tree, proxy)
    except ValueError:
        reasons = [e(name) for e in _paths.prefix_errors(axis_tree, proxy, lambda x: x is None)]
        hint = (
            f" {name} of several arguments must be a tuple with one item for each argument."
            if tupled_args and not isinstance(axis_tree, tuple)
            else ""
        )
        listed = "".join(f"\n  {reason}" for reason in reasons)
        raise ValueError(
            f"{name} specification must be a tree prefix of the corresponding value.{hint}{listed}"
        ) from None
    return axes + [0] * (treedef.num_leaves - len(axes))


def shaped_abstractify(x: Any) -> ShapedArray:
    """The type (shape, dtype, weak type) of an array or scalar; ``TypeError`` for anything else."""
    aval = getattr(x, "aval", None)
    return aval if isinstance(aval, ShapedArray) else check_leaf(x, "x", "shaped_abstractify")


def donation_vector(
    donate_argnums: Sequence[int], donate_argnames: Sequence[str], in_tree: Any, kws: bool = True
) -> tuple[bool, ...]:
    """Whether each leaf of a call belongs to a donated argument; ``in_tree`` is of ``(args, kwargs)``."""
    args_def, kwargs_def = in_tree.children() if kws else (in_tree, None)
    flags: list[bool] = []
    for number, child in enumerate(args_def.children()):
        flags += [number in donate_argnums] * child.num_leaves
    if kwargs_def is not None:
        for key, child in zip(kwargs_def.node_data()[1], kwargs_def.children(), strict=True):
            flags += [key in donate_argnames] * child.num_leaves
    return tuple(flags)


def rebase_donate_argnums(donate_argnums: Sequence[int], static_argnums: Sequence[int]) -> tuple[int, ...]:
    """The numbers of donated arguments once the static ones are taken out; ``ValueError`` if one is both."""
    if set(donate_argnums) & set(static_argnums):
        raise ValueError(f"arguments cannot be donated and static: {donate_argnums=} and {static_argnums=}")
    return tuple(n - sum(s < n for s in static_argnums) for n in sorted(donate_argnums))


def debug_info(
    traced_for: str,
    fun: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    *,
    static_argnums: Sequence[int] = (),
    static_argnames: Sequence[str] = (),
    result_paths_thunk: Any = None,
    sourceinfo: str | None = None,
    signature: Any = None,
) -> _staging.DebugInfo:
    """What a trace is of, for error messages and printed programs: the transformation, the function, its arguments."""
    names = _staging.argument_names(fun, args, kwargs, _tree.leaf_suffixes)
    return _staging.DebugInfo(traced_for, fun, tuple(names))


def safe_map(f: Callable[..., Any], *sequences: Any) -> list[Any]:
    """``map`` over sequences of equal length as a list; ``ValueError`` if the lengths differ."""
    return [f(*xs) for xs in zip(*sequences, strict=True)]


__all__ = [
    "argnums_partial",
    "debug_info",
    "donation_vector",
    "flatten_axes",
    "flatten_fun",
    "flatten_fun_nokwargs",
    "rebase_donate_argnums",
    "safe_map",
    "shaped_abstractify",
]

_expose(globals())
