"""``custom_vmap``: a function with a batching rule of the user's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from jitney._api.calls import as_arrays, boundary, check_outputs
from jitney._api.custom_rules import Declaration, check_rule_outputs, name_of
from jitney._api.pickling import reduce_object
from jitney._control.custom_vmap import custom_vmap_call_p
from jitney._core import tree
from jitney._core.staging import hoist_tracers, stage
from jitney._core.trace import get_aval


class custom_vmap:
    """A function that ``vmap`` batches by the rule given to ``def_vmap``.

    Args:
        fun: a function of arrays or trees of them. It is traced: no Python control flow on values.

    Calling it raises ``AttributeError`` as long as no rule is defined. Derivatives batch by the derivative of
    the rule in forward mode; in reverse mode ``vmap`` inside of ``grad`` uses the rule, and ``grad`` inside of
    ``vmap`` batches the function itself.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> @jitney.custom_batching.custom_vmap
        ... def total(x):
        ...     return jnp.sum(x)
        >>> @total.def_vmap
        ... def total_rule(axis_size, in_batched, xs):
        ...     return jnp.sum(xs, axis=1), in_batched[0]
        >>> jitney.vmap(total)(jnp.ones((3, 2))).tolist()
        [2.0, 2.0, 2.0]
    """

    def __init__(self, fun: Callable[..., Any]) -> None:
        self.declaration = Declaration(fun, (), (), "custom_vmap")
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.vmap_rule: Callable[..., Any] | None = None

    def def_vmap(self, vmap_rule: Callable[..., Any]) -> Callable[..., Any]:
        """Define the rule: ``vmap_rule(axis_size, in_batched, *args) -> (output, out_batched)``.

        ``in_batched`` is a list of the structure of the arguments that says which leaves have a batch axis
        (axis 0); ``out_batched`` says the same of the output's.  Returns the rule, so that this is a decorator.
        """
        self.vmap_rule = vmap_rule
        return vmap_rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.vmap_rule is None:
            raise AttributeError(
                f"No batching rule defined for custom_vmap function {self.declaration.name} using def_vmap."
            )
        args = self.declaration.resolve(args, kwargs)
        leaves, in_tree = self.declaration.leaves(args, args)
        out_tree: Any = None

        def flat(*xs: Any) -> list[Any]:
            nonlocal out_tree
            outs, out_tree = self.declaration.call({}, in_tree, xs)
            return outs

        program, hoisted = hoist_tracers(stage(flat, [get_aval(x) for x in leaves]))
        outs = custom_vmap_call_p.bind(
            *hoisted,
            *leaves,
            name=self.declaration.name,
            call_jaxpr=program,
            num_consts=len(hoisted),
            rule=_flat_rule(self.vmap_rule, in_tree, out_tree),
            in_tree=tree.structure(([], args)),
            out_tree=out_tree,
        )
        return tree.unflatten(out_tree, as_arrays(outs))

    __call__ = boundary(__call__)  # type: ignore[method-assign]
    __reduce_ex__ = reduce_object


custom_vmap.__module__ = "jitney.custom_batching"


def _flat_rule(
    user: Callable[..., Any], in_tree: Any, out_tree: Any
) -> Callable[..., tuple[list, list[bool]]]:
    """The rule as a function of flat lists."""
    described = f"custom vmap rule ({name_of(user)})"

    def rule(size: int, batched: Sequence[bool], *args: Any) -> tuple[list, list[bool]]:
        in_batched = list(tree.unflatten(in_tree, batched))
        result = user(size, in_batched, *tree.unflatten(in_tree, args))
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise ValueError(
                f"the {described} must return a pair of output and batching specification, but returned {result!r}."
            )
        outs, found_tree = tree.flatten(result[0])
        spec, spec_tree = tree.flatten(result[1])
        if found_tree != spec_tree:
            raise ValueError(
                f"structure of output value and output batching specification returned by {described} do not match.\n"
                f"Output values: {found_tree}\nBatching spec: {spec_tree}"
            )
        if found_tree != out_tree:
            raise ValueError(
                f"structure of output returned by {described} does not match that of original custom-vmapped function.\n"
                f"Original output: {out_tree}\nRule output: {found_tree}"
            )
        check_rule_outputs(outs, f"the {described}")
        check_outputs(outs, user, "custom_vmap", out_tree)
        for y, is_batched in zip(outs, spec, strict=True):
            shape = get_aval(y).shape
            if is_batched and shape[:1] != (size,):
                raise ValueError(
                    f"the {described} returned an output of shape {shape} that it says is batched: its axis 0 must have "
                    f"the size of the batch, {size}."
                )
        return outs, [bool(b) for b in spec]

    rule.__name__ = name_of(user)
    return rule
