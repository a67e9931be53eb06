"""Equations solved by functions of the user's, with exact derivatives: ``custom_linear_solve``, ``custom_root``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import as_arrays, check_callable, check_leaf, check_outputs
from jitney._control.custom_jvp import custom_jvp_call_p
from jitney._control.custom_linear_solve import LinearSolveTuple, linear_solve_p
from jitney._core import tree
from jitney._core.jaxpr import ClosedJaxpr, Jaxpr, evaluate
from jitney._core.staging import stage
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._ops.elementwise import neg_p
from jitney._ops.raw import instantiate
from jitney._transforms.jvp import jvp_flat
from jitney._transforms.linearize import linearize_flat
from jitney._transforms.transpose import transpose_jaxpr


class _Function:
    """A function of one tree as a program of its constants and the tree's leaves."""

    __slots__ = ("closed", "consts", "out_tree")

    out_tree: Any

    def __init__(self, fun: Callable[[Any], Any], in_tree: Any, avals: Sequence[Any], what: str) -> None:
        def flat(*xs: Any) -> list[Any]:
            outs, self.out_tree = tree.flatten(fun(tree.unflatten(in_tree, xs)))
            check_outputs(outs, fun, what, self.out_tree)
            return outs

        closed = stage(flat, avals)
        jaxpr = closed.jaxpr
        self.closed = ClosedJaxpr(jaxpr.replace(constvars=[], invars=[*jaxpr.constvars, *jaxpr.invars]), ())
        self.consts = closed.consts


def _shapes(avals: Sequence[Any]) -> list[tuple[int, ...]]:
    return [a.shape for a in avals]


def _check_solves(function: _Function, name: str, b_tree: Any, b_avals: Sequence[Any], has_aux: bool) -> None:
    """``function`` gives the structure and shapes of b (and, with ``has_aux``, something else)."""
    out_tree, avals = function.out_tree, function.closed.out_avals
    if has_aux:
        pair = tree.unflatten(out_tree, avals)
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ValueError(
                f"{name}() of custom_linear_solve must return a pair (x, aux) as has_aux is True, but returned the structure "
                f"{out_tree}."
            )
        avals, out_tree = tree.flatten(pair[0])
    if _shapes(avals) != _shapes(b_avals):
        raise ValueError(f"{name}() output shapes must match b, got {_shapes(avals)} and {_shapes(b_avals)}")
    if out_tree != b_tree:
        raise TypeError(f"{name}() output pytree structure must match b, got {out_tree} and {b_tree}.")


def custom_linear_solve(
    matvec: Callable[[Any], Any],
    b: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    transpose_solve: Callable[[Callable[[Any], Any], Any], Any] | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """The solution x of ``matvec(x) = b`` by ``solve``, whose derivatives are those of the equation.

    Args:
        matvec: a linear function of trees like ``b`` to trees like ``b``.
        b: the right-hand side, an array or tree.
        solve: ``solve(matvec, b) -> x``; it may iterate, and is never differentiated.
        transpose_solve: ``transpose_solve(vecmat, b) -> x`` with the transposed operator, for reverse mode.
        symmetric: the operator is its own transpose; ``solve`` then serves for both.
        has_aux: ``solve`` and ``transpose_solve`` return ``(x, aux)``; aux is not differentiated.

    Returns:
        x, of the structure of ``b`` (with ``has_aux``, a pair of x and aux).

    Raises:
        ValueError: results of the functions do not have the shapes of ``b``.
        TypeError: nor its structure; or reverse mode is asked for without ``transpose_solve``.

    Example:
        >>> import jitney
        >>> f = lambda b: jitney.lax.custom_linear_solve(
        ...     lambda x: 2 * x, b, lambda matvec, b: b / 2, symmetric=True)
        >>> float(f(3.0)), float(jitney.grad(f)(3.0))
        (1.5, 0.5)
    """
    for function, name in ((matvec, "matvec"), (solve, "solve")):
        check_callable(function, f"custom_linear_solve ({name})")
    if transpose_solve is None and symmetric:
        transpose_solve = solve
    leaves, b_tree = tree.flatten(b)
    avals = [
        check_leaf(x, f"b{s}", "custom_linear_solve")
        for x, s in zip(leaves, tree.leaf_suffixes(b), strict=True)
    ]
    staged = lambda fun, name: _Function(fun, b_tree, avals, f"custom_linear_solve ({name})")  # noqa: E731

    forward = staged(matvec, "matvec")
    _check_solves(forward, "matvec", b_tree, avals, False)
    solver = staged(lambda b: solve(matvec, b), "solve")
    _check_solves(solver, "solve", b_tree, avals, has_aux)
    parts = [forward, None, solver, None]
    if transpose_solve is not None:
        transposed = transpose_solve
        vecmat = matvec if symmetric else _transposed(forward, b_tree, avals)
        back = staged(lambda b: transposed(vecmat, b), "transpose_solve")
        _check_solves(back, "transpose_solve", b_tree, avals, has_aux)
        parts[1] = forward if symmetric else staged(vecmat, "the transpose of matvec")
        parts[3] = back
    outs = linear_solve_p.bind(
        *[c for part in parts if part is not None for c in part.consts],
        *leaves,
        const_lengths=LinearSolveTuple(*[0 if part is None else len(part.consts) for part in parts]),
        jaxprs=LinearSolveTuple(*[None if part is None else part.closed for part in parts]),
    )
    return tree.unflatten(solver.out_tree, as_arrays(outs))


def _transposed(function: _Function, b_tree: Any, avals: Sequence[Any]) -> Callable[[Any], Any]:
    """The transpose of a linear function."""
    count = len(function.consts)
    linear = (False,) * count + (True,) * len(avals)
    program, nonzero = transpose_jaxpr(function.closed, linear, (True,) * len(avals))

    def vecmat(y: Any) -> Any:
        found = iter(evaluate(program.jaxpr, program.consts, *function.consts, *tree.leaves(y)))
        outs = [next(found) if nz else instantiate(Zero(a)) for nz, a in zip(nonzero, avals, strict=True)]
        return tree.unflatten(b_tree, outs)

    return vecmat


def custom_root(
    f: Callable[[Any], Any],
    initial_guess: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    tangent_solve: Callable[[Callable[[Any], Any], Any], Any],
    has_aux: bool = False,
) -> Any:
    """A root of ``f`` by ``solve``, whose derivatives are those of the equation ``f(x) = 0``.

    Args:
        f: a function of a tree to a tree of the same structure; it is differentiated with respect to what
            it closes over.
        initial_guess: where ``solve`` begins; the result does not depend on it smoothly.
        solve: ``solve(f, initial_guess) -> x`` with ``f(x) = 0``; it may iterate, and is never differentiated.
        tangent_solve: ``tangent_solve(g, y) -> x`` with ``g(x) = y`` for the linear function ``g``, which is
            ``f`` linearised at the root.
        has_aux: ``solve`` returns ``(x, aux)``; aux is not differentiated.

    Returns:
        The root, of the structure of ``initial_guess`` (with ``has_aux``, a pair of it and aux).

    Raises:
        TypeError: the functions do not return trees of the structure of ``initial_guess``.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> def sqrt(a):
        ...     solve = lambda f, x: jnp.sqrt(a)
        ...     return jitney.lax.custom_root(lambda x: x**2 - a, 1.0, solve, lambda g, y: y / g(1.0))
        >>> float(jitney.grad(sqrt)(4.0))
        0.25
    """
    for function, name in ((f, "f"), (solve, "solve"), (tangent_solve, "tangent_solve")):
        check_callable(function, f"custom_root ({name})")
    leaves, x_tree = tree.flatten(initial_guess)
    suffixes = tree.leaf_suffixes(initial_guess)
    avals = [check_leaf(x, f"initial_guess{s}", "custom_root") for x, s in zip(leaves, suffixes, strict=True)]
    residual = _Function(f, x_tree, avals, "custom_root (f)")
    _check_structure(residual.out_tree, "f()", "initial_guess", x_tree)
    solver = _Function(lambda x: solve(f, x), x_tree, avals, "custom_root (solve)")
    _check_structure(_main_tree(solver.out_tree, has_aux), "solve()", "initial_guess", x_tree)

    def tangent(g: Callable[..., list[Any]], y: Sequence[Any]) -> list[Any]:
        linear = lambda x: tree.unflatten(x_tree, g(*tree.leaves(x)))  # noqa: E731
        found, out_tree = tree.flatten(tangent_solve(linear, tree.unflatten(x_tree, y)))
        _check_structure(out_tree, "tangent_solve()", "x", x_tree)
        return found

    outs = _bind_root(residual, solver, leaves, tangent)
    return tree.unflatten(solver.out_tree, as_arrays(outs))


def _bind_root(
    residual: _Function, solver: _Function, guess: list[Any], tangent: Callable[..., list[Any]]
) -> Any:
    """The call, with the constants of both functions as operands; its derivative is by a rule."""
    of_f, count = len(residual.consts), len(guess)
    jaxpr: Jaxpr = residual.closed.jaxpr
    apply_f = lambda *xs: evaluate(jaxpr, (), *xs)  # noqa: E731

    def run(*args: Any) -> list[Any]:
        return evaluate(solver.closed.jaxpr, (), *args[of_f:])

    def _root_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list, list]:
        outs = bind(primals)
        x, consts = outs[:count], primals[:of_f]
        moved = jvp_flat(lambda *cs: apply_f(*cs, *x), consts, tangents[:of_f])[1]
        if all(type(t) is Zero for t in moved):
            return outs, [Zero.of(y) for y in outs]
        linear = linearize_flat(lambda *xs: apply_f(*consts, *xs), x)[1]
        g = lambda *ts: [instantiate(t) for t in linear.apply(ts)]  # noqa: E731
        dx = tangent(g, [neg_p.bind(instantiate(t)) for t in moved])
        return outs, [*[_of_type(t, y) for t, y in zip(dx, x, strict=True)], *map(Zero.of, outs[count:])]

    def bind(args: Sequence[Any]) -> list[Any]:
        return custom_jvp_call_p.bind(
            *args,
            name="_custom_root",
            fun=run,
            jvp=_root_jvp,
            num_consts=0,
            num_nondiff=0,
            symbolic_zeros=False,
        )

    return bind([*residual.consts, *solver.consts, *guess])


def _of_type(t: Any, x: Any) -> Any:
    want, have = get_aval(x), get_aval(t)
    if want.shape != have.shape or want.dtype != have.dtype:
        raise TypeError(
            f"tangent_solve() of custom_root must give tangents of the type of the root, {want.str_short()}, but gave "
            f"{have.str_short()}."
        )
    return t


def _main_tree(out_tree: Any, has_aux: bool) -> Any:
    if not has_aux:
        return out_tree
    pair = tree.unflatten(out_tree, range(out_tree.num_leaves))
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise ValueError(
            f"solve() produced a pytree with structure {out_tree}, but a pytree tuple with auxiliary output was expected "
            "because has_aux was set to True."
        )
    return tree.structure(pair[0])


def _check_structure(out_tree: Any, name: str, wanted: str, x_tree: Any) -> None:
    if out_tree != x_tree:
        raise TypeError(f"{name} output pytree structure must match {wanted}, got {out_tree} and {x_tree}.")


__all__ = ["custom_linear_solve", "custom_root"]
