"""``custom_jvp``: a function with a forward derivative of the user's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import as_array, as_arrays, boundary
from jitney._api.custom_rules import (
    Declaration,
    SymbolicZero,
    check_pair,
    check_rule_outputs,
    match_tangent,
    name_of,
    rule_values,
    suffix,
)
from jitney._api.pickling import reduce_object
from jitney._control.custom_jvp import custom_jvp_call_p
from jitney._core import tree
from jitney._core.tangents import Zero
from jitney._core.trace import Tracer
from jitney._ops.raw import add_tangents, instantiate
from jitney._ops.stopping import stop_gradient_leaf


class custom_jvp:
    """A function whose derivative is given by ``defjvp`` or ``defjvps``, in forward and in reverse mode.

    Args:
        fun: a function of arrays or trees of them. It is called with positional arguments.
        nondiff_argnums: positions of arguments that are not differentiated (functions, flags, sizes);
            the rule gets them first.
        nondiff_argnames: the same by name.

    Calling it raises ``AttributeError`` as long as no rule is defined, ``TypeError`` if arguments do not fit
    the function's signature, and, when differentiated, if what the rule returns does not fit.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> @jitney.custom_jvp
        ... def log1pexp(x):
        ...     return jnp.log(1.0 + jnp.exp(x))
        >>> @log1pexp.defjvp
        ... def log1pexp_jvp(primals, tangents):
        ...     (x,), (t,) = primals, tangents
        ...     return log1pexp(x), (1 - 1 / (1 + jnp.exp(x))) * t
        >>> float(jitney.grad(log1pexp)(100.0))
        1.0
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        nondiff_argnums: Sequence[int] = (),
        nondiff_argnames: Sequence[str] = (),
    ) -> None:
        self.declaration = Declaration(fun, nondiff_argnums, nondiff_argnames, "custom_jvp")
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.nondiff_argnums = tuple(sorted(self.declaration.nondiff))
        self.jvp: Callable[..., Any] | None = None
        self.symbolic_zeros = False

    def defjvp(self, jvp: Callable[..., Any], symbolic_zeros: bool = False) -> Callable[..., Any]:
        """Define the derivative: ``jvp(*nondiff, primals, tangents) -> (output, output tangent)``.

        Args:
            jvp: gets tuples of the arguments and of their tangents, and must be linear in the latter.
            symbolic_zeros: tangents that are known to be zero come as ``SymbolicZero`` instead of arrays.

        Returns:
            ``jvp``, so that this is a decorator.
        """
        self.jvp = jvp
        self.symbolic_zeros = symbolic_zeros
        return jvp

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Define the derivative for each argument: ``jvp(tangent, output, *args) -> output tangent``.

        ``None`` stands for an argument that the output does not depend on smoothly.  Raises ``TypeError`` if
        there are ``nondiff_argnums``.
        """
        if self.declaration.nondiff:
            raise TypeError("Can't use ``defjvps`` with ``nondiff_argnums``: use ``defjvp``.")

        def jvp(primals: tuple, tangents: tuple) -> tuple[Any, Any]:
            out = self(*primals)
            terms = [
                rule(t, out, *primals) for rule, t in zip(jvps, tangents, strict=False) if rule is not None
            ]
            if not terms:
                return out, tree.map(lambda y: instantiate(Zero.of(y)), out)
            return out, functools.reduce(lambda a, b: tree.map(add_tangents, a, b), terms)

        self.defjvp(jvp)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.jvp is None:
            raise AttributeError(
                f"No JVP defined for custom_jvp function {self.declaration.name} using defjvp."
            )
        args = self.declaration.resolve(args, kwargs)
        call = _Call(self, args)
        outs = custom_jvp_call_p.bind(
            *call.fixed_arrays,
            *call.leaves,
            name=self.declaration.name,
            fun=call.run,
            jvp=call.rule(),
            num_consts=0,
            num_nondiff=len(call.fixed_arrays),
            symbolic_zeros=self.symbolic_zeros,
        )
        return tree.unflatten(call.out_tree, as_arrays(outs))

    __call__ = boundary(__call__)  # type: ignore[method-assign]
    __reduce_ex__ = reduce_object


custom_jvp.__module__ = "jitney"


class _Call:
    """One call: its arguments as flat operands, the function and the rule of flat lists."""

    def __init__(self, owner: custom_jvp, args: tuple) -> None:
        self.owner = owner
        self.declaration = owner.declaration
        fixed, dynamic = self.declaration.split(args)
        self.leaves, self.in_tree = self.declaration.leaves(args, dynamic)
        # Traced values among the arguments that are not differentiated are operands too, so that rules find
        # them in whatever trace they are called under.
        self.fixed_leaves, self.fixed_tree = tree.flatten(fixed)
        self.fixed_arrays = [stop_gradient_leaf(x) for x in self.fixed_leaves if isinstance(x, Tracer)]
        self.out_tree: Any = None

    def fixed(self, arrays: Sequence[Any]) -> dict[int, Any]:
        given = iter(arrays)
        leaves = [next(given) if isinstance(x, Tracer) else x for x in self.fixed_leaves]
        return tree.unflatten(self.fixed_tree, leaves)

    def run(self, *xs: Any) -> list[Any]:
        count = len(self.fixed_arrays)
        outs, self.out_tree = self.declaration.call(self.fixed(xs[:count]), self.in_tree, xs[count:])
        return outs

    def rule(self) -> Callable[..., tuple[list, list]]:
        """The rule that this call was made with, as a function of flat lists."""
        user, symbolic = self.owner.jvp, self.owner.symbolic_zeros
        described = f"Custom JVP rule {name_of(user)} for function {self.declaration.name}"

        def jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list, list]:
            count = len(self.fixed_arrays)
            fixed = self.fixed(primals[:count])
            primals, tangents = rule_values(primals[count:]), tangents[count:]
            given = [
                (SymbolicZero(t.aval) if symbolic else instantiate(t)) if type(t) is Zero else as_array(t)
                for t in tangents
            ]
            pair = user(
                *fixed.values(), tree.unflatten(self.in_tree, primals), tree.unflatten(self.in_tree, given)
            )
            out, out_tangent = check_pair(pair, described, "primal and tangent outputs")
            return self._checked(out, out_tangent, described)

        jvp.__name__ = name_of(user)
        return jvp

    def _checked(self, out: Any, out_tangent: Any, described: str) -> tuple[list, list]:
        outs, out_tree = tree.flatten(out)
        tangents, tangent_tree = tree.flatten(out_tangent)
        if out_tree != tangent_tree:
            raise TypeError(
                f"{described} must produce primal and tangent outputs with equal container (pytree) structures, but "
                f"got {out_tree} and {tangent_tree} respectively."
            )
        check_rule_outputs([*outs, *tangents], described)
        if self.out_tree is not None and self.out_tree != out_tree:
            raise TypeError(
                f"{described} must produce a pair of primal and tangent outputs whose first element has the structure of "
                f"the function's output {self.out_tree}, but got {out_tree}."
            )
        self.out_tree = out_tree
        return outs, [
            match_tangent(t, y, described, suffix(out_tree, outs, n))
            for n, (y, t) in enumerate(zip(outs, tangents, strict=True))
        ]
