"""Derivatives: ``grad``, ``value_and_grad``, ``jvp``, ``vjp``, ``linearize``, Jacobians, Hessians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitney._api.calls import (
    FlatFunction,
    as_array,
    as_arrays,
    boundary,
    check_callable,
    check_leaf,
    leaf_names,
    select_args,
)
from jitney._api.failed_calls import shown
from jitney._api.linear_functions import Pullback, Pushforward, check_tangent, instantiate_all
from jitney._api.pickling import remade
from jitney._api.stages import ShapeDtypeStruct
from jitney._api.vmap import vmap
from jitney._base import dtypes
from jitney._core import tree
from jitney._core.avals import float0
from jitney._core.staging import DebugInfo, stage
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._ops import shapes
from jitney._ops.elementwise import convert
from jitney._ops.families import literal
from jitney._ops.raw import instantiate, zeros
from jitney._transforms.jvp import jvp_flat
from jitney._transforms.linearize import linearize_flat
from jitney._transforms.transpose import backward_pass


@remade
def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    reduce_axes: Sequence[Any] = (),
) -> Callable[..., Any]:
    """The gradient of a scalar function, by reverse-mode differentiation.

    Args:
        fun: a function whose output is a real scalar (or ``(scalar, aux)`` with ``has_aux``).
        argnums: which positional arguments to differentiate with respect to.
        has_aux: ``fun`` returns a pair; the second item is handed through.
        holomorphic: treat ``fun`` as complex differentiable.
        allow_int: integer arguments get gradients of dtype ``float0`` instead of an error.

    Returns:
        A function with the arguments of ``fun`` that returns the gradient, in the tree structure of the
        selected argument (a tuple of them if ``argnums`` is a sequence), and ``aux`` if ``has_aux``.

    Raises:
        TypeError: the output is not a real scalar, or an argument is not real floating-point.

    Example:
        >>> import jitney
        >>> float(jitney.grad(lambda x: x**3)(2.0))
        12.0
    """
    _check_reduce_axes(reduce_axes, "grad")
    value_and_gradient = _value_and_grad(fun, argnums, has_aux, holomorphic, allow_int, "grad")

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, g = value_and_gradient(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return boundary(gradient, fun)


@remade
def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    reduce_axes: Sequence[Any] = (),
) -> Callable[..., Any]:
    """Value and gradient of a scalar function in one pass; arguments as for ``grad``.

    Returns:
        A function that returns ``(value, gradient)``; with ``has_aux``, ``((value, aux), gradient)``.

    Example:
        >>> import jitney
        >>> value, slope = jitney.value_and_grad(lambda x: x**2)(3.0)
        >>> float(value), float(slope)
        (9.0, 6.0)
    """
    _check_reduce_axes(reduce_axes, "value_and_grad")
    return boundary(_value_and_grad(fun, argnums, has_aux, holomorphic, allow_int, "value_and_grad"), fun)


def _check_reduce_axes(reduce_axes: Sequence[Any], what: str) -> None:
    if reduce_axes:
        raise NotImplementedError(
            f"reduce_axes argument to {what} is deprecated in JAX and does nothing here: sum over the axes with lax.psum."
        )


def _value_and_grad(
    fun: Any, argnums: Any, has_aux: bool, holomorphic: bool, allow_int: bool, what: str
) -> Callable[..., Any]:
    check_callable(fun, what)

    def run(*args: Any, **kwargs: Any) -> Any:
        partial, selected = select_args(fun, argnums, args, kwargs, what)
        leaves, in_tree = _checked_leaves(fun, args, kwargs, selected, what, holomorphic, allow_int)
        flat = FlatFunction(partial, in_tree, what, has_aux)
        outs, linear = linearize_flat(flat, leaves, flat.aux_count)
        outs = flat.main(outs)
        value = tree.unflatten(flat.out_tree, outs)
        _check_scalar(value, outs, holomorphic, what)
        cts = linear.transpose([literal(outs[0], 1.0)])
        gradients = tree.unflatten(in_tree, instantiate_all(cts, leaves))
        gradient = gradients if not isinstance(argnums, int) and hasattr(argnums, "__len__") else gradients[0]
        value = as_array(value)
        return ((value, flat.aux) if has_aux else value), gradient

    return run


def _input_name(fun: Any, args: Any, kwargs: Any, selected: Any, number: int) -> str:
    leaf = tree.leaves(selected)[number]
    for name, other in zip(leaf_names(fun, args, kwargs), tree.leaves((args, kwargs)), strict=False):
        if other is leaf:
            return name
    return f"number {number}"


def _checked_leaves(
    fun: Any, args: Any, kwargs: Any, selected: Any, what: str, holomorphic: bool, allow_int: bool
) -> tuple[list[Any], Any]:
    """Leaves and structure of the selected arguments, each fit to be differentiated with respect to."""
    leaves, in_tree = tree.flatten(selected)
    for number, leaf in enumerate(leaves):
        name = lambda n=number: _input_name(fun, args, kwargs, selected, n)
        _check_input(leaf, name, what, holomorphic, allow_int)
    return leaves, in_tree


def _check_input(leaf: Any, name: Callable[[], str], what: str, holomorphic: bool, allow_int: bool) -> None:
    try:
        aval = check_leaf(leaf, "", what)
    except TypeError:
        aval = check_leaf(leaf, name(), what)
    kind = dtypes.kind_of(aval.dtype)
    if holomorphic and kind != "c":
        raise TypeError(
            f"{what} with holomorphic=True requires inputs with complex dtype, but got {aval.dtype.name} for the argument {name()}."
        )
    if kind == "c" and not holomorphic and what == "jacfwd":
        raise TypeError(
            f"{what} requires real-valued inputs (input dtype that is a sub-dtype of np.floating), but got {aval.dtype.name} "
            f"for the argument {name()}. For holomorphic differentiation, pass holomorphic=True. For differentiation of "
            "non-holomorphic functions involving complex inputs, use jitney.vjp directly."
        )
    if kind in "biuk" and not allow_int:
        raise TypeError(
            f"{what} requires real- or complex-valued inputs (input dtype that is a sub-dtype of np.inexact), but got "
            f"{aval.dtype.name} for the argument {name()}. If you want to use Boolean- or integer-valued inputs, use vjp or "
            "set allow_int to True; to differentiate at an integer point pass a float (3.0 instead of 3)."
        )


def _check_scalar(value: Any, outs: Sequence[Any], holomorphic: bool, what: str) -> None:
    if len(outs) != 1 or value is not outs[0]:
        raise TypeError(
            f"Gradient only defined for scalar-output functions. Output was: {shown(value)}. Return one number, or use jacobian."
        )
    aval = get_aval(value)
    if aval.shape:
        raise TypeError(
            f"Gradient only defined for scalar-output functions. Output had shape: {aval.shape}. "
            "Reduce it to a number (jnp.sum, jnp.mean), or use jacobian."
        )
    kind = dtypes.kind_of(aval.dtype)
    if holomorphic and kind != "c":
        raise TypeError(
            f"{what} with holomorphic=True requires outputs with complex dtype, but got {aval.dtype.name}."
        )
    if not holomorphic and kind != "f":
        extra = " For holomorphic differentiation, pass holomorphic=True." if kind == "c" else ""
        raise TypeError(
            f"{what} requires real-valued outputs (output dtype that is a sub-dtype of np.floating), but got {aval.dtype.name}.{extra}"
        )


def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> Any:
    """Value of ``fun(*primals)`` and its derivative along ``tangents`` (forward mode).

    Args:
        primals: the arguments, a tuple or list.
        tangents: directions, with the structure, shapes and dtypes of ``primals``.

    Returns:
        ``(value, tangent)``, or ``(value, tangent, aux)`` with ``has_aux``.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> y, dy = jitney.jvp(jnp.square, (3.0,), (1.0,))
        >>> float(dy)
        6.0
    """
    return _jvp(fun, primals, tangents, has_aux)


def _jvp(fun: Any, primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    check_callable(fun, "jvp")
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError(
            f"primal and tangent arguments to jvp must be tuples or lists; found {type(primals).__name__} and {type(tangents).__name__}."
        )
    leaves, in_tree = tree.flatten(tuple(primals))
    tangent_leaves, tangent_tree = tree.flatten(tuple(tangents))
    if in_tree != tangent_tree or type(primals) is not type(tangents):
        raise TypeError(
            f"primal and tangent arguments to jvp must have the same tree structure; primals have tree structure {in_tree} "
            f"whereas tangents have tree structure {tangent_tree}."
        )
    checked = [check_tangent(x, t, "jvp") for x, t in zip(leaves, tangent_leaves, strict=True)]
    flat = FlatFunction(fun, in_tree, "jvp", has_aux)
    outs, out_tangents = jvp_flat(flat, leaves, checked)
    outs = flat.main(outs)
    out_tangents = out_tangents[: len(outs)]
    value = tree.unflatten(flat.out_tree, as_arrays(outs))
    tangent = tree.unflatten(flat.out_tree, instantiate_all(out_tangents, outs))
    return (value, tangent, flat.aux) if has_aux else (value, tangent)


def fwd_and_bwd(
    fun: Callable[..., Any], argnums: Any, has_aux: bool = False, jitted: bool = True
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The two halves of reverse mode as functions of their own.

    Args:
        fun: the function.
        argnums: numbers of the positional arguments to differentiate by.
        has_aux: whether ``fun`` returns a pair of result and auxiliary data.
        jitted: whether both functions are compiled.

    Returns:
        ``forward(*args) -> (result, residuals)``, with the auxiliary data behind if there are any, and
        ``backward(residuals, cotangent) -> cotangents``: a tuple, or one cotangent if ``argnums`` is an int.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> forward, backward = jitney.fwd_and_bwd(jnp.sin, 0)
        >>> value, residuals = forward(0.0)
        >>> float(backward(residuals, 2.0))
        2.0
    """
    check_callable(fun, "fwd_and_bwd")

    def forward(*args: Any, **kwargs: Any) -> Any:
        partial, selected = select_args(fun, argnums, args, kwargs, "fwd_and_bwd")
        return _vjp(partial, *selected, has_aux=has_aux)

    def backward(residuals: Any, outgrad: Any) -> Any:
        found = residuals(outgrad)
        return found[0] if isinstance(argnums, int) else found

    if not jitted:
        return boundary(forward, fun), boundary(backward)
    from jitney._api.jit import jit

    return jit(forward), jit(backward)


def vjp(
    fun: Callable[..., Any], *primals: Any, has_aux: bool = False, reduce_axes: Sequence[Any] = ()
) -> Any:
    """Value of ``fun(*primals)`` and the function that pulls output cotangents back to the inputs.

    Returns:
        ``(value, pullback)``, or ``(value, pullback, aux)``; ``pullback(ct)`` is a tuple with one
        cotangent for each of ``primals``.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> y, pullback = jitney.vjp(jnp.sin, 0.0)
        >>> float(pullback(1.0)[0])
        1.0
    """
    _check_reduce_axes(reduce_axes, "vjp")
    return _vjp(fun, *primals, has_aux=has_aux)


def _vjp(fun: Any, *primals: Any, has_aux: bool = False) -> Any:
    check_callable(fun, "vjp")
    leaves, in_tree = tree.flatten(primals)
    for number, leaf in enumerate(leaves):
        check_leaf(leaf, f"number {number}", "vjp")
    flat = FlatFunction(fun, in_tree, "vjp", has_aux)
    outs, linear = linearize_flat(flat, leaves, flat.aux_count)
    outs = flat.main(outs)
    pullback = Pullback(linear, in_tree, flat.out_tree, outs, leaves)
    value = tree.unflatten(flat.out_tree, as_arrays(outs))
    return (value, pullback, flat.aux) if has_aux else (value, pullback)


def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Value of ``fun(*primals)`` and its derivative there as a linear function of tangents.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> y, push = jitney.linearize(jnp.sin, 0.0)
        >>> float(push(2.0))
        2.0
    """
    check_callable(fun, "linearize")
    leaves, in_tree = tree.flatten(primals)
    flat = FlatFunction(fun, in_tree, "linearize", has_aux)
    outs, linear = linearize_flat(flat, leaves, flat.aux_count)
    outs = flat.main(outs)
    push = Pushforward(linear, in_tree, flat.out_tree, outs, leaves)
    value = tree.unflatten(flat.out_tree, as_arrays(outs))
    return (value, push, flat.aux) if has_aux else (value, push)


def linear_transpose(
    fun: Callable[..., Any], *primals: Any, reduce_axes: Sequence[Any] = ()
) -> Callable[..., Any]:
    """The transpose of a linear function: a map from cotangents of its output to cotangents of its arguments.

    Args:
        fun: a function that is linear in its arguments, of floating-point numbers or of integers.
        primals: arguments, of which shapes and dtypes count only; ``ShapeDtypeStruct`` will do.

    Returns:
        A function of one tree like the output, which returns a tuple with a tree like each of ``primals``.

    Raises:
        TypeError: dtypes that linear functions do not have, or a cotangent unlike the output.
        NotImplementedError: a step of ``fun`` is not linear.

    Example:
        >>> import jitney
        >>> transpose = jitney.linear_transpose(lambda x, y: 2 * x + 3 * y, 1.0, 1.0)
        >>> [float(ct) for ct in transpose(1.0)]
        [2.0, 3.0]
    """
    check_callable(fun, "linear_transpose")
    _check_reduce_axes(reduce_axes, "linear_transpose")
    leaves, in_tree = tree.flatten(primals)
    names = leaf_names(fun, primals, {})
    avals = [
        x.aval if isinstance(x, ShapeDtypeStruct) else check_leaf(x, name, "linear_transpose")
        for x, name in zip(leaves, names, strict=True)
    ]
    flat = FlatFunction(fun, in_tree, "linear_transpose")
    closed = stage(flat, avals, DebugInfo("linear_transpose", fun, names))
    out_tree, out_avals = flat.out_tree, closed.out_avals
    kinds = ["".join({dtypes.kind_of(a.dtype) for a in some}) for some in (avals, out_avals)]
    if not all(set(kind) <= set("fc") for kind in kinds) and not all(
        set(kind) <= set("biu") for kind in kinds
    ):
        raise TypeError(
            "linear_transpose only supports [float or complex -> float or complex], and integer -> integer functions, but "
            f"got {[a.dtype.name for a in avals]} -> {[a.dtype.name for a in out_avals]}."
        )

    def transposed(ct: Any) -> tuple:
        cts, ct_tree = tree.flatten(ct)
        if ct_tree != out_tree:
            raise TypeError(
                f"cotangent tree does not match function output, expected {out_tree} but got {ct_tree}."
            )
        for given, aval in zip(cts, out_avals, strict=True):
            have = get_aval(given)
            if have.shape != aval.shape or have.dtype != aval.dtype:
                raise TypeError(
                    f"cotangent type does not match function output, expected {aval.str_short()} but got "
                    f"{have.str_short()}."
                )
        found = backward_pass(closed.jaxpr, closed.consts, [True] * len(avals), (), cts)
        outs = [zeros(a) if type(x) is Zero else x for x, a in zip(found, avals, strict=True)]
        return tree.unflatten(in_tree, as_arrays(outs))

    return boundary(transposed)


# -- Jacobians --------------------------------------------------------------------------------------


def _basis(avals: Sequence[Any]) -> list[Any]:
    """For leaves of ``avals``, the standard basis of their concatenation, one array per leaf."""
    sizes = [a.size for a in avals]
    total = sum(sizes)
    out, start = [], 0
    for aval, size in zip(avals, sizes, strict=True):
        rows = np.zeros((total, size), aval.dtype)
        rows[np.arange(start, start + size), np.arange(size)] = 1
        out.append(convert(as_array(rows.reshape(total, *aval.shape)), aval.dtype, aval.weak_type))
        start += size
    return out


def _split_rows(rows: Any, avals: Sequence[Any], axis: int) -> list[Any]:
    """Cut the basis axis of ``rows`` in pieces of the shapes of ``avals``."""
    shape = get_aval(rows).shape
    out, start = [], 0
    for aval in avals:
        lo = tuple(start if d == axis else 0 for d in range(len(shape)))
        hi = tuple(start + aval.size if d == axis else n for d, n in enumerate(shape))
        piece = (
            rows
            if aval.size == shape[axis]
            else shapes.slice_p.bind(rows, start_indices=lo, limit_indices=hi, strides=None)
        )
        out.append(shapes.reshape(piece, (*shape[:axis], *aval.shape, *shape[axis + 1 :])))
        start += aval.size
    return out


@remade
def jacrev(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """The Jacobian of ``fun``, row by row in reverse mode (best for few outputs).

    Returns:
        A function whose result has the tree of the output with the tree of the selected argument below
        each leaf; each leaf has the output's shape followed by the input's.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.jacrev(lambda x: x**2)(jnp.array([1.0, 2.0])).tolist()
        [[2.0, 0.0], [0.0, 4.0]]
    """
    check_callable(fun, "jacrev")

    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        partial, selected = select_args(fun, argnums, args, kwargs, "jacrev")
        leaves, in_tree = _checked_leaves(fun, args, kwargs, selected, "jacrev", holomorphic, allow_int)
        flat = FlatFunction(partial, in_tree, "jacrev", has_aux)
        outs, linear = linearize_flat(flat, leaves, flat.aux_count)
        outs = flat.main(outs)
        out_avals = [get_aval(y) for y in outs]
        _check_outputs_real(out_avals, "jacrev", holomorphic)
        in_avals = [get_aval(x) for x in leaves]
        pull = lambda cts: _with_integer_zeros(linear.transpose(cts), in_avals)  # noqa: E731
        rows = vmap(pull)(_basis(out_avals)) if outs else []
        columns = [_split_rows(r, out_avals, 0) for r in rows]
        result = tree.unflatten(
            flat.out_tree,
            [_per_argument(in_tree, [c[k] for c in columns], argnums) for k in range(len(outs))],
        )
        return (result, flat.aux) if has_aux else result

    return boundary(jacobian_of, fun)


jacobian = jacrev


@remade
def jacfwd(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The Jacobian of ``fun``, column by column in forward mode (best for few inputs); as ``jacrev``."""
    check_callable(fun, "jacfwd")

    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        partial, selected = select_args(fun, argnums, args, kwargs, "jacfwd")
        leaves, in_tree = _checked_leaves(fun, args, kwargs, selected, "jacfwd", holomorphic, False)
        flat = FlatFunction(partial, in_tree, "jacfwd", has_aux)
        in_avals = [get_aval(x) for x in leaves]

        def push(tangents: Any) -> Any:
            outs, out_tangents = jvp_flat(flat, leaves, tangents)
            outs = flat.main(outs)
            return _with_integer_zeros(out_tangents[: len(outs)], [get_aval(y) for y in outs])

        columns = vmap(push, out_axes=-1)(_basis(in_avals))
        pieces = [_split_rows(c, in_avals, get_aval(c).ndim - 1) for c in columns]
        result = tree.unflatten(flat.out_tree, [_per_argument(in_tree, p, argnums) for p in pieces])
        return (result, flat.aux) if has_aux else result

    return boundary(jacobian_of, fun)


def _with_integer_zeros(tangents: Sequence[Any], avals: Sequence[Any]) -> list[Any]:
    """Tangents or cotangents as arrays; those of integers as integer zeros, which have axes to be batched over."""
    return [
        zeros(aval) if type(t) is Zero and t.aval.dtype == float0 else instantiate(t)
        for t, aval in zip(tangents, avals, strict=True)
    ]


def _per_argument(in_tree: Any, leaves: Sequence[Any], argnums: Any) -> Any:
    arguments = tree.unflatten(in_tree, as_arrays(leaves))
    return arguments if hasattr(argnums, "__len__") else arguments[0]


def _check_outputs_real(avals: Sequence[Any], what: str, holomorphic: bool) -> None:
    for aval in avals:
        kind = dtypes.kind_of(aval.dtype)
        if (kind == "c") != holomorphic or kind in "biu":
            wanted = "complex" if holomorphic else "real floating-point"
            raise TypeError(f"{what} requires {wanted} outputs, but got {aval.dtype.name}.")


def hessian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The Hessian of ``fun``: forward mode over reverse mode.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> jitney.hessian(lambda x: jnp.sum(x**3))(jnp.array([1.0, 2.0])).tolist()
        [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacfwd(
        jacrev(fun, argnums, has_aux=has_aux, holomorphic=holomorphic),
        argnums,
        has_aux=has_aux,
        holomorphic=holomorphic,
    )


jvp = boundary(jvp)
vjp = boundary(vjp)
linearize = boundary(linearize)
linear_transpose = boundary(linear_transpose)
