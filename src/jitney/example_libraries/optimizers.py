"""``jitney.example_libraries.optimizers``: optimizers of trees of parameters, as triples of functions.

``init, update, get_params = adam(1e-3)``; ``state = init(params)``; ``state = update(i, gradient, state)``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from jitney import numpy as jnp
from jitney._api.calls import expose as _expose
from jitney._core import tree

Schedule = Callable[[Any], Any]


# -- states ---------------------------------------------------------------------------------------------------


class OptimizerState:
    """What an optimizer knows: for each parameter the leaves of its state, and the trees they belong to."""

    __slots__ = ("packed_state", "subtree_defs", "tree_def")

    def __init__(self, packed_state: Any, tree_def: Any, subtree_defs: Any) -> None:
        self.packed_state, self.tree_def, self.subtree_defs = packed_state, tree_def, subtree_defs

    def __iter__(self) -> Iterator[Any]:
        return iter((self.packed_state, self.tree_def, self.subtree_defs))


tree.register_node(
    OptimizerState,
    lambda state: ((state.packed_state,), (state.tree_def, state.subtree_defs)),
    lambda static, leaves: OptimizerState(leaves[0], *static),
)


class Optimizer(NamedTuple):
    """Three functions: parameters to a state; step, gradient and state to the next state; a state to its parameters."""

    init_fn: Callable[[Any], OptimizerState]
    update_fn: Callable[[Any, Any, OptimizerState], OptimizerState]
    params_fn: Callable[[OptimizerState], Any]


class JoinPoint:
    """A mark in a tree where the tree of parameters ends and the state of one parameter, ``subtree``, begins."""

    def __init__(self, subtree: Any) -> None:
        self.subtree = subtree

    def __iter__(self) -> Iterator[Any]:
        yield self.subtree


def unpack_optimizer_state(opt_state: OptimizerState) -> Any:
    """The state as a tree like the parameters, with a :class:`JoinPoint` in the place of each, fit to be saved."""
    packed, outer, inner = opt_state
    return tree.unflatten(
        outer, [JoinPoint(tree.unflatten(t, leaves)) for t, leaves in zip(inner, packed, strict=True)]
    )


def pack_optimizer_state(marked_pytree: Any) -> OptimizerState:
    """What :func:`unpack_optimizer_state` was given.

    Raises ``TypeError`` if a leaf is no :class:`JoinPoint`.
    """
    marks, outer = tree.flatten(marked_pytree)
    for mark in marks:
        if not isinstance(mark, JoinPoint):
            raise TypeError(
                f"pack_optimizer_state needs a tree whose leaves are JoinPoints, got a {type(mark).__name__}"
            )
    return _packed([mark.subtree for mark in marks], outer)


def _packed(states: Sequence[Any], outer: Any) -> OptimizerState:
    pairs = [tree.flatten(state) for state in states]
    return OptimizerState(tuple(tuple(leaves) for leaves, _ in pairs), outer, tuple(t for _, t in pairs))


def optimizer(opt_maker: Callable[..., Any]) -> Callable[..., Optimizer]:
    """Make an optimizer of trees out of one of single arrays.

    Args:
        opt_maker: gives functions ``init(x)``, ``update(i, gradient, state)`` and ``get_params(state)`` of one array; a state is any
            tree of arrays.

    Raises:
        TypeError: a gradient, or a new state, has another structure than the parameters, or the state before.
    """

    @functools.wraps(opt_maker)
    def made(*args: Any, **kwargs: Any) -> Optimizer:
        init, update, get_params = opt_maker(*args, **kwargs)

        def init_all(x0_tree: Any) -> OptimizerState:
            xs, outer = tree.flatten(x0_tree)
            return _packed([init(x) for x in xs], outer)

        def states_of(state: OptimizerState) -> list[Any]:
            pairs = zip(state.subtree_defs, state.packed_state, strict=True)
            return [tree.unflatten(inner, leaves) for inner, leaves in pairs]

        def update_all(i: Any, grad_tree: Any, opt_state: OptimizerState) -> OptimizerState:
            gradients, found = tree.flatten(grad_tree)
            if found != opt_state.tree_def:
                raise TypeError(
                    f"optimizer update function was passed a gradient tree that did not match the parameter tree structure "
                    f"with which it was initialized: parameter tree {opt_state.tree_def} and grad tree {found}."
                )
            states = [update(i, g, s) for g, s in zip(gradients, states_of(opt_state), strict=True)]
            new = _packed(states, opt_state.tree_def)
            for before, after in zip(opt_state.subtree_defs, new.subtree_defs, strict=True):
                if before != after:
                    raise TypeError(
                        f"optimizer update function produced an output structure that did not match its input structure: "
                        f"input {before} and output {after}."
                    )
            return new

        def params_of_all(opt_state: OptimizerState) -> Any:
            return tree.unflatten(opt_state.tree_def, [get_params(s) for s in states_of(opt_state)])

        return Optimizer(init_all, update_all, params_of_all)

    return made


# -- optimizers -----------------------------------------------------------------------------------------------


def _first(state: tuple) -> Any:
    return state[0]


@optimizer
def sgd(step_size: Any) -> Any:
    """Gradient descent; ``step_size`` is a number, or a function from the step to one, here and below."""
    size = make_schedule(step_size)
    return (lambda x0: x0), (lambda i, g, x: x - size(i) * g), (lambda x: x)


@optimizer
def momentum(step_size: Schedule, mass: float) -> Any:
    """Gradient descent with momentum (Polyak 1964)."""
    size = make_schedule(step_size)

    def update(i: Any, g: Any, state: tuple) -> tuple:
        x, velocity = state
        velocity = mass * velocity + g
        return x - size(i) * velocity, velocity

    return _with_zeros, update, _first


@optimizer
def nesterov(step_size: Schedule, mass: float) -> Any:
    """Gradient descent with Nesterov's momentum (Sutskever et al. 2013)."""
    size = make_schedule(step_size)

    def update(i: Any, g: Any, state: tuple) -> tuple:
        x, velocity = state
        velocity = mass * velocity + g
        return x - size(i) * (mass * velocity + g), velocity

    return _with_zeros, update, _first


def _with_zeros(x0: Any) -> tuple:
    return x0, jnp.zeros_like(x0)


def _with_two_zeros(x0: Any) -> tuple:
    return x0, jnp.zeros_like(x0), jnp.zeros_like(x0)


def _inverse_root(x: Any) -> Any:
    """``1 / sqrt(x)``, and 0 where there was nothing yet."""
    return jnp.where(x > 0, 1.0 / jnp.sqrt(jnp.where(x > 0, x, 1)), 0.0)


@optimizer
def adagrad(step_size: Schedule, momentum: float = 0.9) -> Any:
    """Adagrad (Duchi, Hazan and Singer 2011) with momentum."""
    size = make_schedule(step_size)

    def update(i: Any, g: Any, state: tuple) -> tuple:
        x, squares, mean = state
        squares = squares + jnp.square(g)
        mean = (1.0 - momentum) * (g * _inverse_root(squares)) + momentum * mean
        return x - size(i) * mean, squares, mean

    return _with_two_zeros, update, _first


@optimizer
def rmsprop(step_size: Schedule, gamma: float = 0.9, eps: float = 1e-8) -> Any:
    """RMSProp (Tieleman and Hinton 2012)."""
    size = make_schedule(step_size)

    def update(i: Any, g: Any, state: tuple) -> tuple:
        x, squares = state
        squares = squares * gamma + jnp.square(g) * (1.0 - gamma)
        return x - size(i) * g / jnp.sqrt(squares + eps), squares

    return _with_zeros, update, _first


@optimizer
def rmsprop_momentum(
    step_size: Schedule, gamma: float = 0.9, eps: float = 1e-8, momentum: float = 0.9
) -> Any:
    """RMSProp with momentum (Graves 2013)."""
    size = make_schedule(step_size)

    def update(i: Any, g: Any, state: tuple) -> tuple:
        x, squares, moved = state
        squares = squares * gamma + jnp.square(g) * (1.0 - gamma)
        moved = momentum * moved + size(i) * g / jnp.sqrt(squares + eps)
        return x - moved, squares, moved

    return _with_two_zeros, update, _first


@optimizer
def adam(step_size: Schedule, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Any:
    """Adam (Kingma and Ba 2015)."""
    size = make_schedule(step_size)

    def update(i: Any, g: Any, state: tuple) -> tuple:
        x, mean, squares = state
        mean = (1 - b1) * g + b1 * mean
        squares = (1 - b2) * jnp.square(g) + b2 * squares
        steps = jnp.asarray(i + 1, mean.dtype)
        unbiased = mean / (1 - jnp.asarray(b1, mean.dtype) ** steps)
        deviation = jnp.sqrt(squares / (1 - jnp.asarray(b2, mean.dtype) ** steps))
        return x - size(i) * unbiased / (deviation + eps), mean, squares

    return _with_two_zeros, update, _first


@optimizer
def adamax(step_size: Schedule, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Any:
    """Adam with the maximum norm (Kingma and Ba 2015, section 7)."""
    size = make_schedule(step_size)

    def update(i: Any, g: Any, state: tuple) -> tuple:
        x, mean, largest = state
        mean = (1 - b1) * g + b1 * mean
        largest = jnp.maximum(b2 * largest, jnp.abs(g))
        unbias = 1 - jnp.asarray(b1, mean.dtype) ** jnp.asarray(i + 1, mean.dtype)
        return x - (size(i) / unbias) * mean / (largest + eps), mean, largest

    return _with_two_zeros, update, _first


@optimizer
def sm3(step_size: Schedule, momentum: float = 0.9) -> Any:
    """SM3-II (Anil et al. 2019): Adagrad with one sum for each index of each axis, instead of one for each element."""
    size = make_schedule(step_size)

    def init(x0: Any) -> tuple:
        x0 = jnp.asarray(x0)
        return x0, jnp.zeros_like(x0), [jnp.zeros(n, x0.dtype) for n in x0.shape]

    def update(i: Any, g: Any, state: tuple) -> tuple:
        x, mean, sums = state
        axes = range(x.ndim)
        spread = [s.reshape([-1 if d == axis else 1 for d in axes]) for axis, s in enumerate(sums)]
        found = functools.reduce(jnp.minimum, spread, jnp.inf) if spread else 0.0
        found = found + jnp.square(g)
        mean = (1.0 - momentum) * (g * _inverse_root(found)) + momentum * mean
        sums = [found.max(tuple(d for d in axes if d != axis)) for axis in axes]
        return x - size(i) * mean, mean, sums

    return init, update, _first


# -- step sizes -----------------------------------------------------------------------------------------------


def constant(step_size: Any) -> Schedule:
    """The same size at every step."""

    def schedule(i: Any) -> Any:
        return step_size

    return schedule


def exponential_decay(step_size: Any, decay_steps: Any, decay_rate: Any) -> Schedule:
    """``step_size * decay_rate ** (i / decay_steps)``."""

    def schedule(i: Any) -> Any:
        return step_size * decay_rate ** (i / decay_steps)

    return schedule


def inverse_time_decay(
    step_size: Any, decay_steps: Any, decay_rate: Any, staircase: bool = False
) -> Schedule:
    """``step_size / (1 + decay_rate * i / decay_steps)``, the quotient ``i / decay_steps`` rounded down if ``staircase``."""

    def schedule(i: Any) -> Any:
        if staircase:
            return step_size / (1 + decay_rate * jnp.floor(i / decay_steps))
        return step_size / (1 + decay_rate * i / decay_steps)

    return schedule


def polynomial_decay(step_size: Any, decay_steps: Any, final_step_size: Any, power: float = 1.0) -> Schedule:
    """From ``step_size`` to ``final_step_size`` in ``decay_steps`` steps, the difference as a power of what is left."""

    def schedule(step_num: Any) -> Any:
        left = 1 - jnp.minimum(step_num, decay_steps) / decay_steps
        return left**power * (step_size - final_step_size) + final_step_size

    return schedule


def piecewise_constant(boundaries: Any, values: Any) -> Schedule:
    """``values[n]`` after ``n`` of the ``boundaries``.

    Raises ``ValueError`` if there is not one value more than boundaries.
    """
    ends, sizes = jnp.array(boundaries), jnp.array(values)
    if not ends.ndim == sizes.ndim == 1:
        raise ValueError("boundaries and values must be sequences")
    if ends.shape[0] != sizes.shape[0] - 1:
        raise ValueError("boundaries length must be one shorter than values length")

    def schedule(i: Any) -> Any:
        return sizes[jnp.sum(i > ends)]

    return schedule


def make_schedule(scalar_or_schedule: Any) -> Schedule:
    """A function from steps to sizes: the argument, or the constant function of it.

    Raises ``TypeError`` for what is neither a function nor a scalar.
    """
    if callable(scalar_or_schedule):
        return scalar_or_schedule
    if jnp.ndim(scalar_or_schedule) == 0:
        return constant(scalar_or_schedule)
    raise TypeError(type(scalar_or_schedule))


# -- gradients ------------------------------------------------------------------------------------------------


def l2_norm(tree: Any) -> Any:
    """Root of the sum of the squares of all elements of the leaves."""
    return jnp.sqrt(sum(jnp.vdot(x, x) for x in _leaves(tree)))


def clip_grads(grad_tree: Any, max_norm: Any) -> Any:
    """The tree times the number that makes its norm ``max_norm``, where it is larger."""
    norm = l2_norm(grad_tree)
    return tree.map(lambda g: jnp.where(norm < max_norm, g, g * (max_norm / norm)), grad_tree)


_leaves = tree.leaves


_expose(globals(), own=True)
