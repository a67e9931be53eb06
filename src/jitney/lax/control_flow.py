"""Choices and loops of known length: ``cond``, ``switch``, ``scan``, ``map``, ``fori_loop``, ``associative_scan``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._api.calls import as_arrays, check_outputs
from jitney._api.failed_calls import described, shown
from jitney._api.vmap import vmap
from jitney._base import dtypes, sources
from jitney._base.config import config
from jitney._base.errors import ConcretizationTypeError
from jitney._control import cond as cond_rules
from jitney._control import scan as scan_rules
from jitney._control.bodies import Body, trace_body
from jitney._control.cond import cond_p as cond_p
from jitney._control.scan import scan_p as scan_p
from jitney._core import tree
from jitney._core.avals import ShapedArray, shaped_array
from jitney._core.trace import ArrayImpl, Tracer, get_aval, is_array_like, raise_for_tracer, to_numpy
from jitney._ops import elementwise as ew
from jitney._ops import raw, shapes
from jitney.lax import discharging
from jitney.lax.operands import PYTHON_SCALARS, to_axis
from jitney.lax.operands import operand as as_operand
from jitney.lax.slicing import index_in_dim
from jitney.lax.while_loops import fori_while

_MISSING: Any = type("_Missing", (), {"__repr__": lambda self: "<none>"})()


# -- operands and results ---------------------------------------------------------------------------


def _leaves(what: str, name: str, value: Any) -> tuple[list[Any], Any]:
    """Leaves that can be operands, and the structure; a TypeError names the leaf that cannot."""
    leaves, structure = tree.flatten(value)
    for number, leaf in enumerate(leaves):
        if not is_array_like(leaf) or isinstance(leaf, (np.ndarray, np.generic)):
            try:
                leaves[number] = as_operand(what, leaf)
            except TypeError:
                raise TypeError(
                    f"lax.{what}: {name}{_paths(structure)[number]} of type {type(leaf).__name__} is not an array or a "
                    f"number: {leaf!r}. Close over values that are no arrays in place of passing them."
                ) from None
        elif hasattr(leaf, "__jax_array__"):
            leaves[number] = leaf.__jax_array__()
    return leaves, structure


def _paths(structure: Any) -> list[str]:
    return tree.leaf_suffixes(tree.unflatten(structure, range(structure.num_leaves)))


def _check_function(what: str, name: str, fun: Any) -> None:
    if not callable(fun):
        raise TypeError(f"lax.{what}: {name} argument should be callable, got {described(fun)}.")


def _output_check(what: str, fun: Any) -> Callable[[list[Any], Any], None]:
    return lambda leaves, out_tree: check_outputs(leaves, fun, what, out_tree)


def _concrete(x: Any) -> Any | None:
    """The value of ``x`` if it is known now."""
    return x.concrete() if isinstance(x, Tracer) else x


# -- cond and switch --------------------------------------------------------------------------------


def cond(
    pred: Any,
    true_fun: Any,
    false_fun: Any,
    *operands: Any,
    operand: Any = _MISSING,
) -> Any:
    """``true_fun(*operands)`` if ``pred`` holds, else ``false_fun(*operands)``; only the chosen one runs.

    Args:
        pred: a scalar, boolean or a number (true if it is not zero).
        true_fun, false_fun: functions of ``operands`` whose results are trees of equal structure, shapes and dtypes.
            Both are traced; they may close over arrays.
        operands: arrays, scalars or trees of them.
        operand: in place of ``operands``, the only operand.

    The form ``cond(pred, true_operand, true_fun, false_operand, false_fun)`` gives each function its own operand.
    Under ``vmap`` with a predicate for each example both functions run, and the results are selected.

    Raises:
        TypeError: ``pred`` is no scalar, or the results of the functions differ in structure or type.

    Example:
        >>> from jitney import lax
        >>> float(lax.cond(2.0 > 1.0, lambda x: x + 1, lambda x: -x, 3.0))
        4.0
    """
    if len(operands) == 2 and not callable(true_fun) and callable(false_fun) and callable(operands[1]):
        return _cond_of_two(pred, true_fun, false_fun, *operands)
    if operand is not _MISSING:
        if operands:
            raise TypeError(
                f"lax.cond: if the 'operand' keyword is passed then no positional operands can be passed, got "
                f"operand={operand!r} and positional operands {operands!r}."
            )
        operands = (operand,)
    return _cond(pred, (true_fun, false_fun), operands)


def _cond_of_two(pred: Any, true_operand: Any, true_fun: Any, false_operand: Any, false_fun: Any) -> Any:
    first = lambda fun: lambda x, y: fun(x)
    second = lambda fun: lambda x, y: fun(y)
    return _cond(pred, (true_fun, false_fun), (true_operand, false_operand), (first, second))


_Adapt = Callable[[Callable[..., Any]], Callable[..., Any]]


def _itself(fun: Callable[..., Any]) -> Callable[..., Any]:
    return fun


def _cond(
    pred: Any, funs: tuple[Any, Any], operands: tuple, adapt: tuple[_Adapt, _Adapt] = (_itself, _itself)
) -> Any:
    for name, fun in zip(("true_fun", "false_fun"), funs, strict=True):
        _check_function("cond", name, fun)
    _check_pred(pred)
    if config.jax_disable_jit and _concrete(pred) is not None:
        place = 0 if _concrete(pred) else 1
        return adapt[place](funs[place])(*operands)
    leaves, in_tree = _leaves("cond", "operand", operands)
    adapted = [a(fun) for fun, a in zip(funs, adapt, strict=True)]
    held = discharging.used_by(adapted, operands)
    if held:
        return discharging.branches(
            lambda given, xs: _cond(pred, (given[0], given[1]), xs), held, adapted, operands
        )
    bodies = [
        _trace_branch("cond", fun, in_tree, leaves, None if a is _itself else place, a)
        for place, (fun, a) in enumerate(zip(funs, adapt, strict=True))
    ]
    _check_branches("cond", ("true_fun", "false_fun"), funs, bodies)
    return _choose(_as_index(pred), bodies, (1, 0), leaves)


def _trace_branch(
    what: str, fun: Any, in_tree: Any, leaves: Sequence[Any], variant: Any = None, adapt: _Adapt = _itself
) -> Body:
    avals = [get_aval(x) for x in leaves]
    return trace_body(fun, in_tree, avals, what, _output_check(what, fun), variant, adapt)


def _check_pred(pred: Any) -> None:
    if pred is None:
        raise TypeError("lax.cond: the predicate is None; pass a boolean scalar.")
    if not is_array_like(pred):
        raise TypeError(f"lax.cond: Pred must be a scalar, got {pred!r} of type {type(pred).__name__}.")
    aval = get_aval(pred)
    if aval.shape:
        raise TypeError(
            f"lax.cond: Pred must be a scalar, got an array of shape {aval.shape}. Reduce it (jnp.any, jnp.all), or "
            "choose element by element with jnp.where."
        )
    if dtypes.kind_of(aval.dtype) not in "biuf":
        raise TypeError(f"lax.cond: Pred type must be either boolean or number, got {aval.dtype.name}.")


def _as_index(pred: Any) -> Any:
    if not isinstance(pred, Tracer):
        return np.int32(bool(to_numpy(pred)))
    if pred.aval.dtype != bool:
        pred = ew.ne(pred, pred.aval.dtype.type(0))
    return ew.convert(pred, np.dtype(np.int32))


def switch(
    index: Any, branches: Sequence[Callable[..., Any]], *operands: Any, operand: Any = _MISSING
) -> Any:
    """``branches[index](*operands)``; the index is clamped to the branches, and only the chosen one runs.

    Args:
        index: an integer scalar.
        branches: functions of ``operands`` whose results are trees of equal structure, shapes and dtypes.
        operands: arrays, scalars or trees of them.

    Raises:
        TypeError: ``index`` is no integer scalar, or the results of the branches differ in structure or type.
        ValueError: there are no branches.

    Example:
        >>> from jitney import lax
        >>> float(lax.switch(2, [lambda x: x, lambda x: 2 * x, lambda x: 3 * x], 5.0))
        15.0
    """
    if not isinstance(branches, (tuple, list)) or not all(callable(b) for b in branches):
        if not hasattr(branches, "__iter__"):
            raise TypeError(
                f"lax.switch: branches argument should be a sequence of callables, got {branches!r}."
            )
        branches = list(branches)
    for number, branch in enumerate(branches):
        _check_function("switch", f"branches[{number}]", branch)
    _check_index(index)
    if operand is not _MISSING:
        if operands:
            raise TypeError(
                "lax.switch: if the 'operand' keyword is passed then no positional operands can be passed."
            )
        operands = (operand,)
    if not branches:
        raise ValueError("lax.switch: Empty branch sequence.")
    if len(branches) == 1:
        return branches[0](*operands)
    if config.jax_disable_jit and _concrete(index) is not None:
        return branches[min(max(int(_concrete(index)), 0), len(branches) - 1)](*operands)
    leaves, in_tree = _leaves("switch", "operand", operands)
    held = discharging.used_by(branches, operands)
    if held:
        return discharging.branches(lambda given, xs: switch(index, given, *xs), held, branches, operands)
    bodies = [_trace_branch("switch", f, in_tree, leaves) for f in branches]
    _check_branches("switch", [f"branches[{n}]" for n in range(len(bodies))], branches, bodies)
    clamped = ew.clamp_p.bind(np.int32(0), _as_int32(index), np.int32(len(branches) - 1))
    return _choose(clamped, bodies, range(len(bodies)), leaves)


def _check_index(index: Any) -> None:
    if not is_array_like(index):
        raise TypeError(
            f"lax.switch: Branch index must be an integer scalar, got {index!r} of type {type(index).__name__}."
        )
    aval = get_aval(index)
    if aval.shape:
        raise TypeError(f"lax.switch: Branch index must be scalar, got an array of shape {aval.shape}.")
    if dtypes.kind_of(aval.dtype) not in "iu":
        raise TypeError(
            f"lax.switch: Index type must be an integer, got {aval.dtype.name}. Use lax.cond for a boolean, or "
            "x.astype(int)."
        )


def _as_int32(index: Any) -> Any:
    if isinstance(index, Tracer):
        return ew.convert(index, np.dtype(np.int32))
    return np.int32(min(max(int(to_numpy(index)), -1), 2**31 - 1))


def _check_branches(what: str, names: Sequence[str], funs: Sequence[Any], bodies: Sequence[Body]) -> None:
    """Raise unless all branches return the same structure and types."""
    first = bodies[0]
    for number, other in enumerate(bodies[1:], 1):
        both = f"  {names[0]} is {sources.function_location(funs[0])}\n  {names[number]} is {sources.function_location(funs[number])}\n"
        if first.out_tree != other.out_tree:
            raise TypeError(
                f"lax.{what}: the branches must return the same tree structure, but they differ:\n{both}"
                f"  {names[0]} returns {_structure_text(first)}\n  {names[number]} returns {_structure_text(other)}\n"
                "Return the same containers, keys and number of leaves from each."
            )
        wrong = []
        for mine, theirs, path in zip(first.out_avals, other.out_avals, _paths(first.out_tree), strict=True):
            if (mine.shape, mine.dtype) != (theirs.shape, theirs.dtype):
                wrong.append(
                    f"  output{path}: {names[0]} gives {mine.str_short()}, {names[number]} gives {theirs.str_short()}: "
                    + _cure(mine, theirs, names[number])
                )
        if wrong:
            raise TypeError(
                f"lax.{what}: the branches must have equal output types, but they differ:\n{both}"
                + "\n".join(wrong[:4])
            )


def _cure(wanted: ShapedArray, got: ShapedArray, where: str) -> str:
    if wanted.shape == got.shape:
        return f"convert it with .astype({wanted.dtype.name!r}) in {where}"
    return "reshape or broadcast one of them"


def _structure_text(body: Body) -> str:
    return str(tree.unflatten(body.out_tree, [a.str_short() for a in body.out_avals]))


def _choose(index: Any, bodies: Sequence[Body], order: Sequence[int], leaves: Sequence[Any]) -> Any:
    """The results of the branches ``bodies``, whose numbers are ``order``."""
    branches, consts, forwarded = cond_rules.make_branches([b.closed for b in bodies], order)
    operands = [*consts, *leaves]
    computed: Any = iter(())
    if branches[0].out_avals or any(b.effects for b in branches):
        computed = iter(cond_p.bind(index, *operands, branches=branches))
    outs = [next(computed) if place is None else operands[place] for place in forwarded]
    return tree.unflatten(bodies[0].out_tree, as_arrays(outs))


# -- scan -------------------------------------------------------------------------------------------


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    _split_transpose: bool = False,
) -> tuple[Any, Any]:
    """Carry a value through the elements of ``xs`` along their leading axis, and stack what each step returns.

    As Python::

        def scan(f, init, xs):
            carry, ys = init, []
            for x in xs:
                carry, y = f(carry, x)
                ys.append(y)
            return carry, stack(ys)

    Args:
        f: ``(carry, x) -> (carry, y)``; the carry keeps its tree structure, shapes and dtypes.
        init: the first carry: an array, a scalar or a tree of these. Python scalars take the dtype of the carry
            that ``f`` returns.
        xs: arrays with a leading axis of one size, a tree of such, or None.
        length: the number of steps; needed if ``xs`` has no arrays.
        reverse: go through ``xs`` from the end; ``ys`` stay in the order of ``xs``.
        unroll: how many steps to write in a row in compiled code; True: all. It does not change the result.

    Returns:
        The last carry, and the tree of stacked ``y``.

    Raises:
        TypeError: ``f`` returns no pair, or a carry of another structure or type.
        ValueError: leading axes differ from each other or from ``length``, or neither is given.

    The loop is one operation for every transformation: it is compiled once whatever its length, and reverse mode
    stores only what the backward pass needs.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> total, sums = lax.scan(lambda c, x: (c + x, c + x), 0, jnp.arange(4))
        >>> int(total), sums
        (6, Array([0, 1, 3, 6], dtype=int64))
    """
    _check_function("scan", "f", f)
    return _scan("scan", f, _itself, init, xs, length, reverse, unroll)


def _scan(
    what: str,
    f: Any,
    adapt: _Adapt,
    init: Any,
    xs: Any,
    length: Any,
    reverse: bool,
    unroll: Any,
    carry_name: str = "carry",
    variant: Any = None,
) -> Any:
    carry, carry_tree = _leaves(what, carry_name, init)
    columns, xs_tree = _leaves(what, "xs", xs)
    length = _length(what, columns, xs_tree, length)
    unroll = _unroll(what, unroll, length)
    if config.jax_disable_jit:
        return _python_scan(adapt(f), carry, carry_tree, columns, xs_tree, length, reverse)
    in_tree = tree.structure((tree.unflatten(carry_tree, carry), tree.unflatten(xs_tree, columns)))
    x_avals = [shaped_array(a.shape[1:], a.dtype, a.weak_type) for a in [get_aval(x) for x in columns]]
    held = discharging.used_by([adapt(f)], (init, tree.unflatten(xs_tree, x_avals)))
    if held:
        pure = lambda g, first: _scan(what, g, _itself, first, xs, length, reverse, unroll, carry_name)
        return discharging.scan(pure, held, adapt(f), init)
    check = _carry_check(what, carry_name, f, carry_tree)

    def traced() -> Body:
        avals = [get_aval(x) for x in carry] + x_avals
        return trace_body(f, in_tree, avals, what, check, variant, adapt)

    body = traced()
    promoted = [_promoted(x, a) for x, a in zip(carry, body.out_avals, strict=False)]
    if any(new is not old for new, old in zip(promoted, carry, strict=True)):
        carry = promoted
        body = traced()
    _check_carry_types(what, carry_name, f, carry_tree, carry, body.out_avals)
    outs = scan_rules.apply_body(body.closed, carry, columns, length, bool(reverse), unroll)
    return tree.unflatten(body.out_tree, as_arrays(outs))


def _length(what: str, columns: Sequence[Any], xs_tree: Any, length: Any) -> int:
    """The number of steps, from the leading axes or ``length``."""
    sizes = []
    for number, x in enumerate(columns):
        shape = get_aval(x).shape
        if not shape:
            raise ValueError(
                f"lax.{what} got a value with no leading axis to scan over: xs{_paths(xs_tree)[number]} is the scalar {shown(x)}. "
                "Close over what is the same in each step."
            )
        sizes.append(shape[0])
    if length is not None:
        length = _as_length(what, length)
    if len(set(sizes)) > 1:
        listed = ", ".join(f"xs{p} has {n}" for p, n in zip(_paths(xs_tree), sizes, strict=True))
        raise ValueError(f"lax.{what} got values with different leading axis sizes: {listed}.")
    if length is None:
        if not sizes:
            raise ValueError(
                f"lax.{what} got no values to scan over and `length` not provided: pass xs or length."
            )
        return sizes[0]
    if sizes and sizes[0] != length:
        raise ValueError(
            f"lax.{what} got `length` argument of {length}, which disagrees with the leading axis size {sizes[0]} of xs."
        )
    return length


def _as_length(what: str, length: Any) -> int:
    if isinstance(length, Tracer) and length.concrete() is None:
        raise_for_tracer(
            length,
            ConcretizationTypeError,
            (
                f"The `length` argument of lax.{what} must be a concrete integer, but it is traced ({{aval}}).",
                "For a number of steps known only at run time use lax.fori_loop or lax.while_loop.",
            ),
        )
    number = int(length)
    if number < 0:
        raise ValueError(f"lax.{what}: `length` must not be negative, got {number}.")
    return number


def _unroll(what: str, unroll: Any, length: int) -> int:
    if isinstance(unroll, (bool, np.bool_)):
        return max(length, 1) if unroll else 1
    try:
        number = operator.index(unroll)
    except TypeError:
        number = -1
    if number < 0:
        raise ValueError(f"lax.{what}: `unroll` must be a bool or a non-negative int, got {unroll!r}.")
    return number


def _promoted(x: Any, out: ShapedArray) -> Any:
    """A weakly typed first carry in the dtype that the body gives its place."""
    aval = get_aval(x)
    if not aval.weak_type or aval.dtype == out.dtype or aval.shape != out.shape:
        return x
    dtype, weak = dtypes.promote(((aval.dtype, True), (out.dtype, out.weak_type)))
    if dtype != out.dtype:
        return x
    if type(x) in PYTHON_SCALARS:
        value = dtype.type(x)
        return value.item() if weak else value
    return ew.convert(x, dtype, weak)


def _leaf_name(name: str, path: str) -> str:
    """``carry['a']``; the carry of ``fori_loop`` is ``(i, val)``."""
    if name == "val":
        return f"val{path[3:]}" if path.startswith("[1]") else "i"
    return name + path


def _carry_check(what: str, name: str, f: Any, carry_tree: Any) -> Callable[[list[Any], Any], None]:
    """Whether a body returned a pair of a carry of the right structure and anything."""

    def check(leaves: list[Any], out_tree: Any) -> None:
        if len(out_tree.children()) != 2:
            shown = tree.unflatten(out_tree, [_short_type(x) for x in leaves])
            raise TypeError(
                f"lax.{what}: the body {sources.function_location(f)} must return a pair (carry, y), got {shown}. "
                "Return (carry, None) if there is nothing to stack."
            )
        found = out_tree.children()[0]
        if found != carry_tree:
            mine, theirs = (t.children()[1] if name == "val" else t for t in (carry_tree, found))
            raise TypeError(
                f"lax.{what}: the body {sources.function_location(f)} must return a carry of the same tree structure "
                f"as it takes, but they differ:\n  {name} in:  {_tree_text(mine)}\n  {name} out: {_tree_text(theirs)}\n"
                "Return the same containers, keys and number of leaves."
            )
        check_outputs(leaves, f, what, out_tree)

    return check


def _short_type(x: Any) -> str:
    return get_aval(x).str_short() if is_array_like(x) else repr(x)


def _tree_text(structure: Any) -> str:
    return str(structure).removeprefix("PyTreeDef(").removesuffix(")")


def _check_carry_types(
    what: str, name: str, f: Any, carry_tree: Any, carry: Sequence[Any], outs: Sequence[ShapedArray]
) -> None:
    wrong = []
    for x, out, path in zip(carry, outs, _paths(carry_tree), strict=False):
        aval = get_aval(x)
        if (aval.shape, aval.dtype) != (out.shape, out.dtype):
            cure = (
                f"convert it with .astype({aval.dtype.name!r}), or begin with {out.dtype.name}"
                if aval.shape == out.shape
                else f"keep its shape, or begin with shape {out.shape}"
            )
            wrong.append(
                f"  {_leaf_name(name, path)} comes in as {aval.str_short()} and goes out as {out.str_short()}: {cure}"
            )
    if wrong:
        raise TypeError(
            f"lax.{what}: the body {sources.function_location(f)} must return a carry of the types that it takes, but they "
            "differ:\n" + "\n".join(wrong[:4])
        )


def _python_scan(
    f: Any, carry: list[Any], carry_tree: Any, columns: list[Any], xs_tree: Any, length: int, reverse: bool
) -> Any:
    """The loop in Python, for debugging without ``jit``."""
    if length == 0:
        raise ValueError(
            "lax.scan of no steps cannot run under disable_jit: without tracing the body, the types of its results are "
            "not known."
        )
    state = tree.unflatten(carry_tree, carry)
    steps = []
    for i in reversed(range(length)) if reverse else range(length):
        x = tree.unflatten(xs_tree, [index_in_dim(c, i, keepdims=False) for c in columns])
        state, y = f(state, x)
        steps.append(y)
    if reverse:
        steps.reverse()
    stack = lambda *ys: raw.concatenate([raw.expand_dims(y, (0,)) for y in ys], 0)
    return state, tree.map(stack, *steps)


def map(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """``f`` of each element along the leading axis, one after the other, with the results stacked.

    Args:
        f: a function of one element (a tree, if ``xs`` is one).
        xs: arrays with a leading axis of one size, or a tree of such.
        batch_size: how many elements to take at once by ``vmap``; a remainder is taken at the end.

    ``vmap`` takes all elements at once; ``map`` needs the memory of one (or of ``batch_size``).

    Raises:
        ValueError: leading axes differ.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.map(lambda x: x * x, jnp.arange(4))
        Array([0, 1, 4, 9], dtype=int64)
    """
    _check_function("map", "f", f)
    if batch_size is None:
        return _scan("map", f, lambda fun: lambda _, x: ((), fun(x)), (), xs, None, False, 1)[1]
    columns, xs_tree = _leaves("map", "xs", xs)
    length = _length("map", columns, xs_tree, None)
    size = operator.index(batch_size)
    count = length // size if size > 0 else 0
    if count == 0:
        return vmap(f)(xs)
    whole, rest = [], []
    for x in columns:
        main = _rows(x, 0, count * size) if count * size < length else x
        whole.append(raw.reshape(main, (count, size, *get_aval(x).shape[1:])))
        if count * size < length:
            rest.append(_rows(x, count * size, length))
    batches = tree.unflatten(xs_tree, whole)
    adapt = lambda fun: lambda _, x: ((), vmap(fun)(x))
    found = _scan("map", f, adapt, (), batches, None, False, 1, variant="batches")[1]
    flat = lambda y: raw.reshape(y, (count * size, *get_aval(y).shape[2:]))
    if count * size == length:
        return tree.map(flat, found)
    last = vmap(f)(tree.unflatten(xs_tree, rest))
    return tree.map(lambda y, z: shapes.concatenate([flat(y), z], 0), found, last)


def _rows(x: Any, start: int, stop: int) -> Any:
    shape = get_aval(x).shape
    return raw.slice_(x, (start, *[0] * (len(shape) - 1)), (stop, *shape[1:]))


# -- fori_loop --------------------------------------------------------------------------------------


def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, Any], Any],
    init_val: Any,
    *,
    unroll: int | bool | None = None,
) -> Any:
    """``for i in range(lower, upper): val = body_fun(i, val)``, as one operation that can be compiled.

    Args:
        lower, upper: integers. Python and NumPy integers fix the number of steps; with arrays (also traced ones) it is
            known only at run time, and the loop is a ``while_loop``.
        body_fun: ``(i, val) -> val``; the value keeps its tree structure, shapes and dtypes.
        init_val: the first value: an array, a scalar or a tree of these.
        unroll: how many steps to write in a row in compiled code; for fixed bounds only.

    Returns:
        The last value; ``init_val`` if ``upper <= lower``.

    Raises:
        TypeError: the bounds differ in dtype, or ``body_fun`` changes a structure or type.
        ValueError: ``unroll`` with bounds that are not fixed.

    Example:
        >>> from jitney import lax
        >>> int(lax.fori_loop(1, 6, lambda i, x: x * i, 1))
        120
    """
    _check_function("fori_loop", "body_fun", body_fun)
    for name, bound in (("lower", lower), ("upper", upper)):
        _check_bound(name, bound)
    dtype = _bounds_dtype(lower, upper)
    if not isinstance(lower, (Tracer, ArrayImpl)) and not isinstance(upper, (Tracer, ArrayImpl)):
        first, last = int(lower), int(upper)
        if last <= first and config.jax_disable_jit:
            return init_val  # without tracing the body
        init = (first, init_val)
        (_, value), _ = _scan(
            "fori_loop",
            body_fun,
            _counted,
            init,
            None,
            max(last - first, 0),
            False,
            1 if unroll is None else unroll,
            "val",
        )
        return value
    if unroll is not None and unroll is not False and unroll != 1:
        raise ValueError(
            "lax.fori_loop: `unroll` needs a number of steps that is known when tracing: pass Python integers as bounds."
        )
    return fori_while(_as_bound(lower, dtype), _as_bound(upper, dtype), body_fun, init_val)


def _counted(body_fun: Callable[..., Any]) -> Callable[..., Any]:
    def step(carry: Any, _: Any) -> Any:
        i, value = carry
        return (ew.add(i, get_aval(i).dtype.type(1).item()), body_fun(i, value)), None

    return step


def _check_bound(name: str, bound: Any) -> None:
    if not is_array_like(bound):
        raise TypeError(
            f"lax.fori_loop: {name} must be an integer, got {bound!r} of type {type(bound).__name__}."
        )
    aval = get_aval(bound)
    if aval.shape or dtypes.kind_of(aval.dtype) == "c":
        raise TypeError(f"lax.fori_loop: {name} must be an integer scalar, got {aval.str_short()}.")


def _bounds_dtype(lower: Any, upper: Any) -> np.dtype:
    """The common dtype of the bounds; a weakly typed integer takes the other's."""
    first, second = get_aval(lower), get_aval(upper)
    if first.dtype == second.dtype:
        return first.dtype
    strong = [a.dtype for a in (first, second) if not a.weak_type]
    if len(strong) == 1 and all(dtypes.kind_of(a.dtype) in "iu" for a in (first, second)):
        return strong[0]
    raise TypeError(
        f"lax.fori_loop: lower and upper must have equal types, got {first.dtype.name} and {second.dtype.name}. "
        "Convert one of them with .astype."
    )


def _as_bound(x: Any, dtype: np.dtype) -> Any:
    if get_aval(x).dtype == dtype:
        return x
    return dtype.type(x) if type(x) is int else ew.convert(x, dtype)


# -- associative_scan -------------------------------------------------------------------------------


def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All prefixes ``fn(... fn(fn(x0, x1), x2) ..., xk)`` of elements along ``axis``, for an associative ``fn``.

    Args:
        fn: combines two trees of slices element by element along ``axis``: it takes whole ranges at once, as
            NumPy-style operations and ``jnp.matmul`` do. ``fn(fn(a, b), c)`` must be ``fn(a, fn(b, c))``.
        elems: arrays of one size along ``axis``, or a tree of such.
        reverse: combine from the end.
        axis: the axis of the elements.

    Returns:
        Arrays of the shapes of ``elems``.

    Raises:
        ValueError: the sizes along ``axis`` differ, or ``fn`` changes the structure.
        TypeError: ``fn`` changes a type.

    Example:
        >>> import jitney.numpy as jnp
        >>> from jitney import lax
        >>> lax.associative_scan(jnp.multiply, jnp.array([1, 2, 3, 4]))
        Array([ 1,  2,  6, 24], dtype=int64)
    """
    _check_function("associative_scan", "fn", fn)
    leaves, structure = _leaves("associative_scan", "elems", elems)
    if not leaves:
        return elems
    axis = to_axis("associative_scan", axis, get_aval(leaves[0]).ndim)
    sizes = [a.shape[axis] if a.ndim > axis else -1 for a in (get_aval(x) for x in leaves)]
    if len(set(sizes)) > 1:
        shown = [get_aval(x).shape for x in leaves]
        raise ValueError(
            f"lax.associative_scan: arrays must have the same size along axis {axis}, got the shapes {shown}."
        )
    if sizes[0] < 2:
        return tree.unflatten(structure, as_arrays(leaves))
    # One pass through the elements costs less than the rounds of a tree of pairs: fn runs once for each element,
    # its operands stay in registers and cache, and the program is small.
    moved = [raw.move_axis(x, axis, 0) for x in leaves]
    size, last = sizes[0], sizes[0] - 1
    first = [_rows(x, last, size) if reverse else _rows(x, 0, 1) for x in moved]
    rest = [_rows(x, 0, last) if reverse else _rows(x, 1, size) for x in moved]
    carry = tree.unflatten(structure, [raw.squeeze(x, (0,)) for x in first])
    found = _scan(
        "associative_scan",
        fn,
        lambda fun: _prefix_step(fun, axis),
        carry,
        tree.unflatten(structure, rest),
        None,
        reverse,
        1,
        "elems",
        axis,
    )[1]
    outs = []
    for x, y in zip(first, tree.leaves(found), strict=True):
        whole = raw.concatenate([y, x] if reverse else [x, y], 0)
        outs.append(raw.move_axis(whole, 0, axis))
    return tree.unflatten(structure, as_arrays(outs))


def _prefix_step(fn: Callable[..., Any], axis: int) -> Callable[..., Any]:
    """A step of a scan: ``fn`` of ranges of one element along ``axis``."""
    widen = lambda value: tree.map(lambda x: raw.expand_dims(x, (axis,)), value)

    def step(carry: Any, x: Any) -> Any:
        found = fn(widen(carry), widen(x))
        if tree.structure(found) != tree.structure(x):
            raise ValueError(
                "lax.associative_scan: fn must return the tree structure of its arguments, "
                f"{_tree_text(tree.structure(x))}, got {_tree_text(tree.structure(found))}."
            )
        out = tree.map(lambda y: _narrowed(y, axis), found)
        return out, out

    return step


def _narrowed(y: Any, axis: int) -> Any:
    shape = get_aval(y).shape
    if len(shape) <= axis or shape[axis] != 1:
        raise ValueError(
            f"lax.associative_scan: fn must keep the size of its arguments along axis {axis}: ranges of 1 element gave the "
            f"shape {shape}."
        )
    return raw.squeeze(y, (axis,))


__all__ = ["associative_scan", "cond", "cond_p", "fori_loop", "map", "scan", "scan_p", "switch"]
