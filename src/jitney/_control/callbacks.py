"""Primitives that call Python while a program runs: ``debug_callback``, ``debug_print``, ``pure_callback``, ``io_callback``.

Compiled programs call them back as host steps, in program order.  An exception of the user's function ends the program
and reaches the caller as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney import _ext
from jitney._base import logs
from jitney._base.dtypes import KEY_DTYPES, canonicalize_dtype, is_key
from jitney._control import scan
from jitney._core import tree
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.effects import (
    debug_effect,
    io_effect,
    ordered_debug_effect,
    ordered_io_effect,
)
from jitney._core.primitive import Primitive
from jitney._core.staging import stage
from jitney._core.trace import ArrayImpl, get_aval, to_numpy
from jitney._ops import raw
from jitney._transforms.batching import place_axis

debug_callback_p = Primitive("debug_callback", multiple_results=True)
debug_print_p = Primitive("debug_print", multiple_results=True)
pure_callback_p = Primitive("pure_callback", multiple_results=True)
io_callback_p = Primitive("io_callback", multiple_results=True)

VMAP_METHODS = ("sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized")


class FlatCallback:
    """The user's function as a function of flat arrays; leaves that are no arrays were put aside as ``static``."""

    __slots__ = ("callback_func", "in_tree", "static")

    def __init__(
        self, fun: Callable[..., Any], in_tree: Any, static: tuple[tuple[int, Any], ...] = ()
    ) -> None:
        self.callback_func = fun
        self.in_tree = in_tree
        self.static = static

    def __call__(self, *leaves: Any) -> Any:
        args, kwargs = merge_arguments(self.in_tree, leaves, self.static)
        return self.callback_func(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is FlatCallback
            and self.callback_func == other.callback_func
            and self.in_tree == other.in_tree
            and self.static == other.static
        )

    def __hash__(self) -> int:
        return hash((self.callback_func, self.in_tree))

    def __repr__(self) -> str:
        return f"_FlatCallback(callback_func={self.callback_func!r}, in_tree={self.in_tree})"


def merge_arguments(
    in_tree: Any, leaves: Sequence[Any], static: Sequence[tuple[int, Any]]
) -> tuple[tuple, dict[str, Any]]:
    """Arguments of the user's function, from the arrays and what was put aside."""
    if static:
        fixed = dict(static)
        rest = iter(leaves)
        leaves = [fixed[n] if n in fixed else next(rest) for n in range(len(fixed) + len(leaves))]
    args, kwargs = tree.unflatten(in_tree, leaves)
    return args, kwargs


def bind_callback(primitive: Primitive, leaves: Sequence[Any], **params: Any) -> list[Any]:
    """Apply a primitive of this module; it remembers which operands are random keys, which compiled programs hold as words."""
    dtypes = [get_aval(x).dtype for x in leaves]
    keys = tuple([(n, dtype.name) for n, dtype in enumerate(dtypes) if is_key(dtype)])
    return primitive.bind(*leaves, **params, **({"key_args": keys} if keys else {}))


def _as_arguments(leaves: Sequence[Any], keys: Sequence[tuple[int, str]] = ()) -> list[Any]:
    """Operands as arrays that the user's function may keep: the memory of a running program is not theirs."""
    found = []
    key_dtypes = dict(keys)
    for number, x in enumerate(leaves):
        if number in key_dtypes and type(x) is np.ndarray and not is_key(x.dtype):
            x = x.copy().view(KEY_DTYPES[key_dtypes[number]])
        if type(x) is np.ndarray and x.dtype is canonicalize_dtype(x.dtype):  # as compiled programs pass them
            x = _ext.wrap(np.array(x), False)
        elif type(x) is not ArrayImpl:
            aval = get_aval(x)
            x = _ext.wrap(np.array(to_numpy(x), aval.dtype), aval.weak_type)
        found.append(x)
    return found


# -- debug_callback, debug_print ----------------------------------------------------------------------


def _run_debug_callback(
    *args: Any, callback: Callable[..., Any], key_args: Sequence[tuple[int, str]] = (), **_: Any
) -> list[Any]:
    callback(*_as_arguments(args, key_args))
    return []


def _run_debug_print(
    *args: Any,
    fmt: str,
    in_tree: Any,
    static_args: Sequence[tuple[int, Any]],
    np_printoptions: Sequence[tuple[str, Any]],
    has_placeholders: bool,
    logging_record: Any,
    key_args: Sequence[tuple[int, str]] = (),
    **_: Any,
) -> list[Any]:
    text = fmt
    if has_placeholders:
        positional, named = merge_arguments(in_tree, _as_arguments(args, key_args), static_args)
        with np.printoptions(**dict(np_printoptions)):
            text = fmt.format(*positional, **named)
    if logging_record is None:
        sys.stdout.write(text + "\n")
    else:
        logs.inform(text)
    return []


_UNROLLED = 64  # examples of a staged batch whose calls are written out one by one


def _batch_debug(primitive: Primitive) -> Callable[..., Any]:
    def batch(size: int, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> tuple[list, list]:
        """One call for each example, in order."""
        moved = [x if d is None else raw.move_axis(x, d, 0) for x, d in zip(args, dims, strict=True)]
        if size <= _UNROLLED or all(type(x) is ArrayImpl for x in moved):
            for i in range(size):
                primitive.bind(
                    *[x if d is None else _example(x, i) for x, d in zip(moved, dims, strict=True)], **params
                )
            return [], []
        return _one_by_one(primitive, size, moved, dims, params, 1)

    return batch


def _example(x: Any, i: int) -> Any:
    shape = get_aval(x).shape
    starts, rest = (i, *(0 for _ in shape[1:])), shape[1:]
    return raw.squeeze(raw.slice_(x, starts, (i + 1, *rest), (1,) * len(shape)), (0,))


def _one_by_one(
    primitive: Primitive,
    size: int,
    args: Sequence[Any],
    dims: Sequence[int | None],
    params: dict[str, Any],
    unroll: int,
) -> tuple[list, list]:
    """A scan over the examples, which lie along the leading axes."""
    fixed = [x for x, d in zip(args, dims, strict=True) if d is None]
    columns = [x for x, d in zip(args, dims, strict=True) if d is not None]

    def body(*xs: Any) -> list[Any]:
        consts, elements = iter(xs[: len(fixed)]), iter(xs[len(fixed) :])
        return primitive.bind(*[next(consts) if d is None else next(elements) for d in dims], **params)

    elements = [shaped_array(a.shape[1:], a.dtype, a.weak_type) for a in map(get_aval, columns)]
    program = stage(body, [*map(get_aval, fixed), *elements])
    outs = scan.bind(fixed, [], columns, program, {"length": size, "reverse": False, "unroll": unroll})
    return outs, [0] * len(outs)


def _jvp_debug(primitive: Primitive) -> Callable[..., Any]:
    def jvp(primals: Sequence[Any], _: Sequence[Any], **params: Any) -> tuple[list, list]:
        """Values are shown, tangents are not."""
        return primitive.bind(*primals, **params), []

    return jvp


def _debug_effects(params: dict[str, Any]) -> frozenset:
    return frozenset((ordered_debug_effect if params["ordered"] else debug_effect,))


debug_callback_p.numpy = debug_callback_p.impl = _run_debug_callback
debug_callback_p.effects = lambda params: frozenset((params["effect"],))
debug_print_p.numpy = debug_print_p.impl = _run_debug_print
debug_print_p.effects = _debug_effects
for _primitive in (debug_callback_p, debug_print_p):
    _primitive.abstract = lambda *_, **__: []
    _primitive.jvp = _jvp_debug(_primitive)
    _primitive.batch = _batch_debug(_primitive)


# -- pure_callback, io_callback -----------------------------------------------------------------------


def _run_callback(
    *args: Any,
    callback: FlatCallback,
    result_avals: Sequence[ShapedArray],
    key_args: Sequence[tuple[int, str]] = (),
    **_: Any,
) -> list:
    outs = tree.leaves(callback(*_as_arguments(args, key_args)))
    if len(outs) != len(result_avals):
        raise RuntimeError(
            f"The callback {_name(callback)} returned {len(outs)} arrays, but result_shape_dtypes describes {len(result_avals)}. "
            "Return a tree of the structure of result_shape_dtypes."
        )
    return [
        _checked(n, x, aval, callback) for n, (x, aval) in enumerate(zip(outs, result_avals, strict=True))
    ]


def _checked(number: int, x: Any, aval: ShapedArray, callback: FlatCallback) -> np.ndarray:
    """A result as an array of the promised type; Python numbers take on its dtype."""
    if type(x) is np.ndarray and x.dtype == aval.dtype and x.shape == aval.shape:
        return x
    value = np.asarray(x)
    plain = type(x) in (bool, int, float, complex) and np.can_cast(
        np.asarray(x).dtype, aval.dtype, "same_kind"
    )
    if value.shape != aval.shape or (value.dtype != aval.dtype and not plain):
        raise RuntimeError(
            f"Result {number} of the callback {_name(callback)} is {value.dtype}{list(value.shape)}, but result_shape_dtypes "
            f"promised {aval.dtype}{list(aval.shape)}. Convert the result (np.asarray(y, dtype)), or describe it as it is."
        )
    return value.astype(aval.dtype, copy=False)


def _name(callback: FlatCallback) -> str:
    fun = callback.callback_func
    return getattr(fun, "__name__", None) or repr(fun)


def _eager_callback(*args: Any, **params: Any) -> list[Any]:
    return [_ext.wrap(np.array(y), False) for y in _run_callback(*args, **params)]


def _jvp_pure(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
    raise ValueError(
        f"Pure callbacks do not support JVP: nothing is known of the derivative of {_name(params['callback'])}. Please use "
        "`jitney.custom_jvp` (or custom_vjp) around the callback to define it."
    )


def _jvp_io(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
    raise ValueError(
        f"IO callbacks do not support JVP: nothing is known of the derivative of {_name(params['callback'])}. Pass it "
        "stop_gradient(x), or define a derivative with `jitney.custom_jvp`."
    )


def _batched_avals(avals: Sequence[ShapedArray], size: int) -> tuple[ShapedArray, ...]:
    return tuple([shaped_array((size, *a.shape), a.dtype, a.weak_type) for a in avals])


def _batch_pure(
    size: int, args: Sequence[Any], dims: Sequence[int | None], *, vmap_method: str | None, **params: Any
) -> tuple[list, list]:
    if vmap_method is None:
        raise NotImplementedError(
            "vmap is only supported for the pure_callback primitive when vmap_method is one of "
            f"{', '.join(map(repr, VMAP_METHODS))}. Got vmap_method=None. 'sequential' calls {_name(params['callback'])} once "
            "for each example; 'broadcast_all' calls it once on whole batches."
        )
    moved = [x if d is None else raw.move_axis(x, d, 0) for x, d in zip(args, dims, strict=True)]
    given = {**params, "vmap_method": vmap_method}
    if vmap_method.startswith("sequential"):
        unroll = size if vmap_method == "sequential_unrolled" else 1
        return _one_by_one(pure_callback_p, size, moved, dims, given, unroll)
    if vmap_method == "expand_dims":
        moved = [raw.expand_dims(x, (0,)) if d is None else x for x, d in zip(moved, dims, strict=True)]
    elif vmap_method == "broadcast_all":
        moved = [place_axis(x, None, size, 0) if d is None else x for x, d in zip(moved, dims, strict=True)]
    given["result_avals"] = _batched_avals(params["result_avals"], size)
    outs = pure_callback_p.bind(*moved, **given)
    return outs, [0] * len(outs)


def _batch_io(
    size: int, args: Sequence[Any], dims: Sequence[int | None], *, ordered: bool, **params: Any
) -> tuple[list, list]:
    if ordered:
        raise ValueError(
            "Cannot `vmap` ordered IO callback: examples of a batch have no order. Pass ordered=False, or use lax.map."
        )
    moved = [x if d is None else raw.move_axis(x, d, 0) for x, d in zip(args, dims, strict=True)]
    return _one_by_one(io_callback_p, size, moved, dims, {**params, "ordered": ordered}, 1)


for _primitive in (pure_callback_p, io_callback_p):
    _primitive.numpy = _run_callback
    _primitive.impl = _eager_callback
    _primitive.abstract = lambda *_, result_avals, **__: list(result_avals)
pure_callback_p.jvp = _jvp_pure
pure_callback_p.batch = _batch_pure
io_callback_p.jvp = _jvp_io
io_callback_p.batch = _batch_io
io_callback_p.effects = lambda params: frozenset((ordered_io_effect if params["ordered"] else io_effect,))
for _primitive in (debug_callback_p, debug_print_p, pure_callback_p, io_callback_p):
    _primitive.print_params = lambda eqn: {k: v for k, v in sorted(eqn.params.items()) if k != "key_args"}
