"""``checkpoint`` (``remat``): less memory for reverse mode, by computing values again; its policies; what is kept."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jitney._api.calls import (
    as_arrays,
    as_indices,
    boundary,
    check_callable,
    check_leaf,
    check_outputs,
    leaf_names,
)
from jitney._api.pickling import remade
from jitney._base import sources
from jitney._control.remat import remat_p
from jitney._core import tree
from jitney._core.avals import ShapedArray
from jitney._core.jaxpr import ClosedJaxpr, JaxprEqn, Literal
from jitney._core.staging import DebugInfo, hoist_tracers, stage
from jitney._core.trace import Tracer
from jitney._ops.barriers import name_p
from jitney._transforms.linearize import linearize_flat


@remade
def checkpoint(
    fun: Callable[..., Any],
    *,
    prevent_cse: bool | Sequence[bool] = True,
    policy: Callable[..., Any] | None = None,
    static_argnums: int | tuple[int, ...] = (),
    static_argnames: str | Iterable[str] = (),
    concrete: Any = None,
) -> Callable[..., Any]:
    """``fun`` with a backward pass that computes intermediate values again instead of keeping them.

    Args:
        fun: a function of arrays and trees of them. It is traced: Python control flow on values needs
            ``static_argnums``.
        prevent_cse: keep the compiler from sharing values between the forward computation and the
            recomputation. Within ``scan``, False does as well.
        policy: which results may be kept, one of ``checkpoint_policies``; None keeps none.
        static_argnums: positions of arguments that are Python values.
        static_argnames, concrete: accepted; keyword arguments are always traced.

    Raises:
        ValueError: ``static_argnums`` is out of range for a call.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> f = jitney.checkpoint(lambda x: jnp.sin(jnp.sin(x)))
        >>> float(jitney.grad(f)(0.0))
        1.0
    """
    check_callable(fun, "checkpoint")
    numbers = as_indices(static_argnums)

    def call(*args: Any, **kwargs: Any) -> Any:
        program = _trace(fun, numbers, args, kwargs, "checkpoint / remat")
        closed, hoisted = hoist_tracers(program.closed)
        outs = remat_p.bind(
            *hoisted,
            *program.leaves,
            jaxpr=closed,
            prevent_cse=prevent_cse,
            differentiated=False,
            policy=policy,
        )
        return tree.unflatten(program.out_tree, as_arrays(outs))

    return boundary(call, fun)


class _Program:
    """A call, traced: its program, the operands, their names, and the tree of its result."""

    __slots__ = ("closed", "leaves", "names", "out_tree")

    def __init__(self, closed: ClosedJaxpr, leaves: list[Any], names: list[str], out_tree: Any) -> None:
        self.closed, self.leaves, self.names, self.out_tree = closed, leaves, names, out_tree


def _trace(
    fun: Callable[..., Any], static: tuple[int, ...], args: tuple, kwargs: dict[str, Any], what: str
) -> _Program:
    for n in static:
        if not -len(args) <= n < len(args):
            raise ValueError(
                f"the static_argnums of checkpoint must be at least -{len(args)} and less than {len(args)} for a call with "
                f"{len(args)} positional arguments, but got {static}."
            )
    fixed = {n % len(args) for n in static}
    dynamic = tuple(a for n, a in enumerate(args) if n not in fixed)
    leaves, in_tree = tree.flatten((dynamic, kwargs))
    names = _names(fun, fixed, args, kwargs)
    avals = [check_leaf(x, name, what) for x, name in zip(leaves, names, strict=True)]
    out_tree: Any = None

    def flat(*xs: Any) -> list[Any]:
        nonlocal out_tree
        given, named = tree.unflatten(in_tree, xs)
        rest = iter(given)
        outs, out_tree = tree.flatten(
            fun(*[a if n in fixed else next(rest) for n, a in enumerate(args)], **named)
        )
        check_outputs(outs, fun, what, out_tree)
        return outs

    return _Program(stage(flat, avals, DebugInfo(what, fun, names)), leaves, names, out_tree)


def _names(fun: Any, fixed: set[int], args: tuple, kwargs: dict[str, Any]) -> list[str]:
    """A readable name for each traced leaf."""
    marker = object()
    shown = tuple(marker if n in fixed else a for n, a in enumerate(args))
    leaves = tree.leaves((shown, {k: kwargs[k] for k in sorted(kwargs)}))
    names = leaf_names(fun, shown, kwargs)
    return [name for name, leaf in zip(names, leaves, strict=False) if leaf is not marker]


def checkpoint_name(x: Any, name: str) -> Any:
    """``x`` (an array or tree) with a name that the policies of ``checkpoint`` can choose it by.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> from jitney.ad_checkpoint import checkpoint_name
        >>> keep = jitney.checkpoint_policies.save_only_these_names("s")
        >>> f = jitney.checkpoint(lambda x: jnp.cos(checkpoint_name(jnp.sin(x), "s")), policy=keep)
        >>> float(jitney.grad(f)(0.0))
        -0.0
    """
    return tree.map(lambda leaf: name_p.bind(leaf, name=name), x)


# -- policies -------------------------------------------------------------------------------------------


class _Verdict:
    """What a policy may answer in place of True or False."""

    def __init__(self, name: str, keeps: bool) -> None:
        self._name, self._keeps = name, keeps

    def __bool__(self) -> bool:
        return self._keeps

    def __repr__(self) -> str:
        return self._name


Saveable = _Verdict("Saveable", True)
Recompute = _Verdict("Recompute", False)


class Offloadable(_Verdict):
    """The answer of a policy that keeps a value in another memory; there is one, so it is kept."""

    def __init__(self, src: str, dst: str) -> None:
        super().__init__("Offloadable", True)
        self.src, self.dst = src, dst


def everything_saveable(*_: Any, **__: Any) -> bool:
    """Keep all values, as without ``checkpoint``."""
    return True


def nothing_saveable(*_: Any, **__: Any) -> bool:
    """Keep no values but the inputs, as without a policy."""
    return False


@dataclasses.dataclass(frozen=True)
class DotsSaveable:
    """Keep the results of matrix products (those without batch axes only, if so set)."""

    only_if_no_batch_dims: bool

    def __call__(self, primitive: Any, *_: Any, **params: Any) -> bool:
        if primitive.name == "dot_general":
            (_, (batch, _)) = params["dimension_numbers"]
            return not (self.only_if_no_batch_dims and batch)
        return primitive.name == "conv_general_dilated"


@dataclasses.dataclass(frozen=True)
class SaveOnlyTheseNames:
    """Keep the values that ``checkpoint_name`` gave one of these names."""

    saveable_names: frozenset[str]

    def __call__(self, primitive: Any, *_: Any, **params: Any) -> bool:
        return primitive is name_p and params["name"] in self.saveable_names


@dataclasses.dataclass(frozen=True)
class SaveAnyNamesButThese:
    """Keep named values, but for these names."""

    names: frozenset[str]

    def __call__(self, primitive: Any, *_: Any, **params: Any) -> bool:
        return primitive is name_p and params["name"] not in self.names


def save_only_these_names(*names_which_can_be_saved: str) -> SaveOnlyTheseNames:
    """A policy that keeps the values with one of these names, and no others."""
    return SaveOnlyTheseNames(frozenset(names_which_can_be_saved))


def save_any_names_but_these(*names_not_to_save: str) -> SaveAnyNamesButThese:
    """A policy that keeps named values, but for these names."""
    return SaveAnyNamesButThese(frozenset(names_not_to_save))


def save_anything_except_these_names(*names_not_to_save: str) -> Callable[..., bool]:
    """A policy that keeps all values but those with one of these names."""
    names = frozenset(names_not_to_save)

    def policy(primitive: Any, *_: Any, **params: Any) -> bool:
        return not (primitive is name_p and params["name"] in names)

    return policy


def save_from_both_policies(policy_1: Callable[..., Any], policy_2: Callable[..., Any]) -> Callable[..., Any]:
    """A policy that keeps what either of two policies keeps."""

    def policy(primitive: Any, *avals: Any, **params: Any) -> Any:
        return policy_1(primitive, *avals, **params) or policy_2(primitive, *avals, **params)

    return policy


def offload_dot_with_no_batch_dims(offload_src: str, offload_dst: str) -> Callable[..., bool]:
    """A policy that keeps matrix products without batch axes; one memory is all there is to keep them in."""
    return DotsSaveable(only_if_no_batch_dims=True)


def save_and_offload_only_these_names(
    *,
    names_which_can_be_saved: Sequence[str],
    names_which_can_be_offloaded: Sequence[str],
    offload_src: str,
    offload_dst: str,
) -> SaveOnlyTheseNames:
    """A policy that keeps values with one of these names; one memory is all there is to keep them in.

    Raises ``ValueError`` if a name is in both lists.
    """
    both = set(names_which_can_be_saved) & set(names_which_can_be_offloaded)
    if both:
        raise ValueError(
            f"The names should be exclusive and should not intersect: {sorted(both)} are in both lists."
        )
    return save_only_these_names(*names_which_can_be_saved, *names_which_can_be_offloaded)


checkpoint_policies = types.SimpleNamespace(
    everything_saveable=everything_saveable,
    nothing_saveable=nothing_saveable,
    dots_saveable=DotsSaveable(only_if_no_batch_dims=False),
    checkpoint_dots=DotsSaveable(only_if_no_batch_dims=False),
    dots_with_no_batch_dims_saveable=DotsSaveable(only_if_no_batch_dims=True),
    checkpoint_dots_with_no_batch_dims=DotsSaveable(only_if_no_batch_dims=True),
    offload_dot_with_no_batch_dims=offload_dot_with_no_batch_dims,
    save_any_names_but_these=save_any_names_but_these,
    save_anything_except_these_names=save_anything_except_these_names,
    save_only_these_names=save_only_these_names,
    save_from_both_policies=save_from_both_policies,
    save_and_offload_only_these_names=save_and_offload_only_these_names,
)


# -- what is kept ---------------------------------------------------------------------------------------


def saved_residuals(f: Callable[..., Any], *args: Any, **kwargs: Any) -> list[tuple[ShapedArray, str]]:
    """The values that the backward pass of ``f`` would keep: the type of each, and where it comes from.

    Example:
        >>> import jitney, jitney.numpy as jnp
        >>> from jitney.ad_checkpoint import saved_residuals
        >>> saved_residuals(jitney.checkpoint(lambda x: jnp.sin(jnp.sin(x))), 1.0)
        [(ShapedArray(float64[], weak_type=True), 'from the argument x')]
    """
    check_callable(f, "saved_residuals")
    leaves, in_tree = tree.flatten((args, kwargs))
    names = leaf_names(f, args, kwargs)
    avals = [check_leaf(x, name, "saved_residuals") for x, name in zip(leaves, names, strict=True)]

    def flat(*xs: Any) -> list[Any]:
        given, named = tree.unflatten(in_tree, xs)
        return tree.leaves(f(*given, **named))

    def residuals(*xs: Any) -> list[Any]:
        linear = linearize_flat(flat, xs)[1].closed
        return [c for c in linear.consts if isinstance(c, Tracer)]

    closed = stage(residuals, avals)
    made = {v: eqn for eqn in closed.eqns for v in eqn.outvars}
    places = dict(zip(closed.jaxpr.invars, names, strict=True))
    found: dict[Any, str] = {}
    for atom in closed.jaxpr.outvars:
        if type(atom) is Literal:
            found[atom] = "from a literal"
        elif atom in places:
            found[atom] = f"from the argument {places[atom]}"
        elif atom in made:
            found[atom] = _described(made[atom])
        else:
            found[atom] = "from a constant"
    order = [*closed.jaxpr.invars, *made]
    rank = {v: n for n, v in enumerate(order)}
    atoms = sorted(found, key=lambda a: rank.get(a, -1))
    return [(atom.aval, found[atom]) for atom in atoms]


def _described(eqn: JaxprEqn) -> str:
    where = sources.resolve(eqn.source)
    place = (
        f" from {where.file}:{where.line}:{where.column + 1} ({where.function})" if where is not None else ""
    )
    if eqn.primitive is name_p:
        return f"named '{eqn.params['name']}'{place}"
    return f"output of {_inner_name(eqn)}{place}"


def _inner_name(eqn: JaxprEqn) -> str:
    return f"jitted function '{eqn.params['name']}'" if eqn.primitive.name == "jit" else eqn.primitive.name


def print_saved_residuals(f: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Print what ``saved_residuals`` gives, one value per line."""
    for aval, where in saved_residuals(f, *args, **kwargs):
        print(f"{aval.str_short()} {where}")


checkpoint = boundary(checkpoint)
remat = checkpoint
