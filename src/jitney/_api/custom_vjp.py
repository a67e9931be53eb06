"""``custom_vjp``, ``custom_gradient``: functions with a reverse derivative of the user's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import as_array, as_arrays, boundary
from jitney._api.closures import close_over
from jitney._api.custom_rules import (
    Declaration,
    SymbolicZero,
    check_pair,
    check_rule_outputs,
    merge,
    name_of,
    rule_values,
)
from jitney._api.pickling import reduce_object
from jitney._base import errors
from jitney._control.custom_vjp import custom_vjp_call_p
from jitney._core import tree
from jitney._core.avals import float0, tangent_aval
from jitney._core.tangents import Zero
from jitney._core.trace import Tracer, get_aval
from jitney._core.tree import map as map_tree
from jitney._ops.elementwise import convert
from jitney._ops.raw import instantiate


class CustomVJPPrimal:
    """An argument as a ``fwd`` rule with ``symbolic_zeros=True`` gets it.

    ``value`` is the argument; ``perturbed`` says whether it is differentiated with respect to.
    """

    __slots__ = ("perturbed", "value")

    def __init__(self, value: Any, perturbed: bool) -> None:
        self.value = value
        self.perturbed = perturbed

    def __repr__(self) -> str:
        return f"CustomVJPPrimal(value={self.value}, perturbed={self.perturbed})"


CustomVJPPrimal.__module__ = "jitney.custom_derivatives"


def custom_vjp_primal_tree_values(tree: Any) -> Any:
    """The tree of the values of a tree of ``CustomVJPPrimal``; ``TypeError`` for other leaves."""

    def value(leaf: Any) -> Any:
        if type(leaf) is not CustomVJPPrimal:
            raise TypeError(f"unexpected leaf type {type(leaf)}: every leaf must be a CustomVJPPrimal.")
        return leaf.value

    return map_tree(value, tree)


class custom_vjp:
    """A function whose reverse-mode derivative is given by ``defvjp``.

    Args:
        fun: a function of arrays or trees of them. It is called with positional arguments.
        nondiff_argnums: positions of arguments that are not differentiated and never traced (functions,
            flags, sizes); ``fwd`` gets all arguments, ``bwd`` gets these first.
        nondiff_argnames: the same by name.

    Calling it raises ``AttributeError`` as long as no rule is defined; differentiating it forwards (``jvp``,
    ``jacfwd``) is a ``TypeError``, as is a rule's result that does not fit.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> @jitney.custom_vjp
        ... def clipped(x):
        ...     return x
        >>> clipped.defvjp(lambda x: (x, None), lambda _, ct: (jnp.clip(ct, -1.0, 1.0),))
        >>> float(jitney.grad(lambda x: 5 * clipped(x))(2.0))
        1.0
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        nondiff_argnums: Sequence[int] = (),
        nondiff_argnames: Sequence[str] = (),
    ) -> None:
        self.declaration = Declaration(fun, nondiff_argnums, nondiff_argnames, "custom_vjp")
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.nondiff_argnums = tuple(sorted(self.declaration.nondiff))
        self.fwd: Callable[..., Any] | None = None
        self.bwd: Callable[..., Any] | None = None
        self.symbolic_zeros = False
        self.optimize_remat = False

    def defvjp(
        self,
        fwd: Callable[..., Any],
        bwd: Callable[..., Any],
        symbolic_zeros: bool = False,
        optimize_remat: bool = False,
    ) -> None:
        """Define the derivative.

        Args:
            fwd: ``fwd(*args) -> (output, residuals)``; the residuals are what ``bwd`` needs.
            bwd: ``bwd(*nondiff, residuals, ct) -> cotangents``, a tuple with one tree for each differentiated
                argument; ``None`` stands for zeros.
            symbolic_zeros: ``fwd`` gets its arguments' leaves as ``CustomVJPPrimal`` (value, perturbed), and
                cotangents that are known to be zero come as ``SymbolicZero``.
            optimize_remat: accepted; the compiler drops what no result needs in any case.
        """
        self.fwd, self.bwd = fwd, bwd
        self.symbolic_zeros = symbolic_zeros
        self.optimize_remat = optimize_remat

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.fwd is None or self.bwd is None:
            raise AttributeError(
                f"No VJP defined for custom_vjp function {self.declaration.name} using defvjp."
            )
        call = _Call(self, self.declaration.resolve(args, kwargs))
        outs = custom_vjp_call_p.bind(
            *call.leaves,
            name=self.declaration.name,
            fun=call.run,
            fwd=call.forward(),
            bwd=call.backward(),
            num_consts=0,
            symbolic_zeros=self.symbolic_zeros,
        )
        return tree.unflatten(call.out_tree, as_arrays(outs))

    __call__ = boundary(__call__)  # type: ignore[method-assign]
    __reduce_ex__ = reduce_object


custom_vjp.__module__ = "jitney"


class _Call:
    """One call: its arguments as flat operands, the function and the rules of flat lists."""

    def __init__(self, owner: custom_vjp, args: tuple) -> None:
        self.owner = owner
        self.declaration = owner.declaration
        self.fixed, dynamic = self.declaration.split(args)
        for number, value in self.fixed.items():
            if any(isinstance(leaf, Tracer) for leaf in tree.leaves(value)):
                raise errors.UnexpectedTracerError(
                    f"Found a traced value in argument {number} of the custom_vjp function {self.declaration.name}, which "
                    "nondiff_argnums says is not differentiated. Such arguments are for what is no array, as functions and "
                    "flags: pass arrays as ordinary arguments, and return None for their cotangents."
                )
        self.leaves, self.in_tree = self.declaration.leaves(args, dynamic)
        self.out_tree: Any = None

    def run(self, *xs: Any) -> list[Any]:
        outs, self.out_tree = self.declaration.call(self.fixed, self.in_tree, xs)
        return outs

    def forward(self) -> Callable[..., tuple[list, list, Any]]:
        """``fwd`` as a function of flat lists."""
        user, symbolic = self.owner.fwd, self.owner.symbolic_zeros
        described = f"Custom VJP fwd rule {name_of(user)} for function {self.declaration.name}"

        def fwd(primals: Sequence[Any], perturbed: Sequence[bool]) -> tuple[list, list, Any]:
            primals = rule_values(primals)
            if symbolic:
                primals = [CustomVJPPrimal(x, p) for x, p in zip(primals, perturbed, strict=True)]
            pair = user(*merge(self.fixed, tree.unflatten(self.in_tree, primals)))
            wanted = "the function's output and residuals (what the backward pass needs)"
            out, residuals = check_pair(pair, described, wanted)
            outs, out_tree = tree.flatten(out)
            if self.out_tree is not None and self.out_tree != out_tree:
                raise TypeError(
                    f"{described} must produce a pair whose first element has the structure of the function's output "
                    f"{self.out_tree}, but got {out_tree}."
                )
            self.out_tree = out_tree
            kept, residual_tree = tree.flatten(residuals)
            check_rule_outputs([*outs, *kept], described)
            avals = [get_aval(x.value if symbolic else x) for x in primals]
            return outs, kept, (residual_tree, out_tree, avals)

        fwd.__name__ = name_of(user)
        return fwd

    def backward(self) -> Callable[..., list[Any]]:
        """``bwd`` as a function of flat lists."""
        user, symbolic = self.owner.bwd, self.owner.symbolic_zeros

        def bwd(context: Any, residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
            residual_tree, out_tree, avals = context
            given = [
                (SymbolicZero(ct.aval) if symbolic else instantiate(ct)) if type(ct) is Zero else as_array(ct)
                for ct in cts
            ]
            found = user(
                *self.fixed.values(),
                tree.unflatten(residual_tree, rule_values(residuals)),
                tree.unflatten(out_tree, given),
            )
            return self._checked(found, avals)

        bwd.__name__ = name_of(user)
        return bwd

    def _checked(self, found: Any, avals: Sequence[Any]) -> list[Any]:
        """A cotangent or ``Zero`` for each leaf of the arguments."""
        described = f"Custom VJP bwd rule {name_of(self.owner.bwd)} for function {self.declaration.name}"
        leaves = _spread(found, tree.unflatten(self.in_tree, range(len(avals))))
        if leaves is None:
            raise TypeError(
                f"{described} must return a tuple with one cotangent, in the structure of the argument, for each argument "
                f"of the function:\n  the arguments are    {_text(self.in_tree)}\n"
                f"  the rule returned    {_text(tree.structure(found))}\n"
                "None may stand for a cotangent that is zero."
            )
        check_rule_outputs([ct for ct in leaves if ct is not None], described)
        return [
            self._cotangent(ct, aval, n, described)
            for n, (ct, aval) in enumerate(zip(leaves, avals, strict=True))
        ]

    def _cotangent(self, ct: Any, aval: Any, number: int, described: str) -> Any:
        want = tangent_aval(aval)
        if ct is None or type(ct) is SymbolicZero or want.dtype == float0:
            return Zero(want)
        have = get_aval(ct)
        if have.shape != want.shape or have.dtype.kind != want.dtype.kind:
            path = tree.leaf_suffixes(tree.unflatten(self.in_tree, range(self.in_tree.num_leaves)))[number]
            raise ValueError(
                f"{described} must return a cotangent of the shape and kind of its argument, but args{path} is "
                f"{aval.str_short()} and its cotangent {have.str_short()}."
            )
        return ct if have.dtype == want.dtype else convert(ct, want.dtype, want.weak_type)


def _text(structure: Any) -> str:
    return str(structure).removeprefix("PyTreeDef(").removesuffix(")")


def _spread(found: Any, like: Any) -> list[Any] | None:
    """The leaves of ``found``, where None stands for all leaves of a subtree; None if the structures differ."""
    if isinstance(found, list) and len(found) == len(like):
        found = tuple(found)
    given, treedef = tree.flatten(found, is_leaf=lambda x: x is None)
    try:
        subtrees = treedef.flatten_up_to(like)
    except ValueError:
        return None
    out = []
    for ct, subtree in zip(given, subtrees, strict=True):
        if ct is None:
            out += [None] * len(tree.leaves(subtree))
        elif type(subtree) is int:
            out.append(ct)
        else:
            return None
    return out


def custom_gradient(fun: Callable[..., Any]) -> custom_vjp:
    """A function that returns its value and its pullback, as a function with that derivative.

    Args:
        fun: ``fun(*args) -> (value, pullback)``; ``pullback(ct)`` gives the cotangents of ``args``: a tuple,
            or a single one if there is one argument.

    Example:
        >>> import jitney
        >>> square = jitney.custom_gradient(lambda x: (x**2, lambda ct: 3 * ct))
        >>> float(square(3.0)), float(jitney.grad(square)(3.0))
        (9.0, 3.0)
    """

    @functools.wraps(fun)
    def value(*args: Any, **kwargs: Any) -> Any:
        return check_pair(
            fun(*args, **kwargs), f"custom_gradient function {name_of(fun)}", "value and pullback"
        )[0]

    def fwd(*args: Any, **kwargs: Any) -> Any:
        out, pullback = check_pair(
            fun(*args, **kwargs), f"custom_gradient function {name_of(fun)}", "value and pullback"
        )
        zeros = tree.map(lambda y: instantiate(Zero.of(y)), out)
        return out, (close_over(pullback, zeros), args)

    def bwd(residuals: Any, ct: Any) -> Any:
        pullback, args = residuals
        found = pullback(ct)
        return (found,) if len(args) == 1 and not isinstance(found, (tuple, list)) else found

    public = custom_vjp(value)
    public.defvjp(fwd, bwd)
    return public
