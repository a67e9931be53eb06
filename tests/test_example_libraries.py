"""Optimizers and layers of the example libraries, step by step and layer by layer as JAX's."""

from __future__ import annotations

from typing import Any

import jax
import jax.example_libraries.optimizers
import jax.example_libraries.stax
import numpy as np
import pytest

import jitney
from jitney.example_libraries import optimizers, stax

THEIRS = jax.example_libraries.optimizers
LAYERS = jax.example_libraries.stax
RNG = np.random.default_rng(0)
PARAMS = {"w": RNG.normal(size=(2, 3)), "b": (RNG.normal(size=3),)}
GRADIENTS = [jax.tree.map(lambda x: RNG.normal(size=x.shape), PARAMS) for _ in range(5)]


def assert_trees_agree(got: Any, want: Any, rtol: float = 1e-12) -> None:
    ours, theirs = jitney.tree.leaves(got), jax.tree.leaves(want)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-14)


# -- optimizers -----------------------------------------------------------------------------------------------

CASES = [
    ("sgd", (0.1,)),
    ("momentum", (0.1, 0.8)),
    ("nesterov", (0.1, 0.8)),
    ("adagrad", (0.1,)),
    ("rmsprop", (0.1,)),
    ("rmsprop_momentum", (0.1,)),
    ("adam", (0.1,)),
    ("adamax", (0.1,)),
    ("sm3", (0.1,)),
]


@pytest.mark.parametrize("name, arguments", CASES, ids=[name for name, _ in CASES])
def test_five_steps(name: str, arguments: tuple) -> None:
    found = []
    for library in (optimizers, THEIRS):
        init, update, get_params = getattr(library, name)(*arguments)
        state = init(PARAMS)
        for i, g in enumerate(GRADIENTS):
            state = update(i, g, state)
        found.append((get_params(state), state))
    assert_trees_agree(*(params for params, _ in found))
    if name != "sm3":  # whose state holds shapes as well in JAX
        assert_trees_agree(*(state for _, state in found))


def test_compiled_steps() -> None:
    init, update, get_params = optimizers.adam(optimizers.exponential_decay(0.1, 2, 0.5))
    step = jitney.jit(update)
    state = compiled = init(PARAMS)
    for i, g in enumerate(GRADIENTS):
        state, compiled = update(i, g, state), step(i, g, compiled)
    assert_trees_agree(get_params(compiled), get_params(state), 1e-10)


def test_schedules() -> None:
    def sizes(m: Any) -> list[Any]:
        schedules = [
            m.constant(0.3),
            m.exponential_decay(0.3, 4, 0.9),
            m.inverse_time_decay(0.3, 4, 0.9),
            m.inverse_time_decay(0.3, 4, 0.9, staircase=True),
            m.polynomial_decay(0.3, 4, 0.1, 2.0),
            m.piecewise_constant([2, 5], [1.0, 0.5, 0.1]),
            m.make_schedule(0.2),
        ]
        return [schedule(i) for schedule in schedules for i in (0, 2, 3, 7)]

    np.testing.assert_allclose(sizes(optimizers), sizes(THEIRS), rtol=1e-13)
    with pytest.raises(TypeError):
        optimizers.make_schedule(np.ones(2))
    with pytest.raises(ValueError, match="must be sequences"):
        optimizers.piecewise_constant(1, [1.0, 2.0])
    with pytest.raises(ValueError, match="one shorter"):
        optimizers.piecewise_constant([1, 2], [1.0, 2.0])


def test_norms() -> None:
    np.testing.assert_allclose(optimizers.l2_norm(PARAMS), THEIRS.l2_norm(PARAMS), rtol=1e-14)
    for most in (0.5, 100.0):
        assert_trees_agree(optimizers.clip_grads(PARAMS, most), THEIRS.clip_grads(PARAMS, most))


def test_states_can_be_taken_apart_and_are_checked() -> None:
    init, update, get_params = optimizers.momentum(0.1, 0.9)
    state = update(0, GRADIENTS[0], init(PARAMS))
    marked = optimizers.unpack_optimizer_state(state)
    assert isinstance(marked["w"], optimizers.JoinPoint)
    assert [np.shape(x) for x in marked["w"].subtree] == [(2, 3), (2, 3)]
    again = optimizers.pack_optimizer_state(marked)
    for a, b in zip(jitney.tree.leaves(again), jitney.tree.leaves(state), strict=True):
        assert a is b
    assert jitney.tree.structure(again) == jitney.tree.structure(state)
    with pytest.raises(TypeError, match="did not match the parameter tree"):
        update(0, {"w": GRADIENTS[0]["w"]}, state)
    with pytest.raises(TypeError, match="JoinPoints"):
        optimizers.pack_optimizer_state(PARAMS)

    @optimizers.optimizer
    def broken() -> Any:
        return (lambda x: (x, x)), (lambda i, g, state: state[0]), (lambda state: state[0])

    init, update, _ = broken()
    with pytest.raises(TypeError, match="did not match its input structure"):
        update(0, GRADIENTS[0], init(PARAMS))


# -- layers ---------------------------------------------------------------------------------------------------

IMAGES, VECTORS = (2, 6, 5, 3), (2, 4)
MADE: dict[str, tuple[Any, tuple]] = {
    "Dense": (lambda m: m.Dense(3), VECTORS),
    "Conv": (lambda m: m.Conv(4, (3, 2), (2, 1), "SAME"), IMAGES),
    "GeneralConv": (lambda m: m.GeneralConv(("NCHW", "OIHW", "NCHW"), 2, (2, 2)), (2, 3, 5, 4)),
    "ConvTranspose": (lambda m: m.ConvTranspose(2, (3, 3), (2, 2)), IMAGES),
    "Conv1DTranspose": (lambda m: m.Conv1DTranspose(2, (3,), (2,), "SAME"), (2, 5, 3)),
    "BatchNorm": (lambda m: m.BatchNorm(), IMAGES),
    "BatchNorm of an axis": (lambda m: m.BatchNorm(0, center=False), VECTORS),
    "MaxPool": (lambda m: m.MaxPool((2, 2), (2, 1)), IMAGES),
    "SumPool": (lambda m: m.SumPool((3, 2), padding="SAME"), IMAGES),
    "AvgPool": (lambda m: m.AvgPool((3, 2), (2, 2), "SAME"), IMAGES),
    "AvgPool with spec": (lambda m: m.AvgPool((2, 2), spec="NCHW"), (2, 3, 5, 4)),
    "Flatten": (lambda m: m.Flatten, IMAGES),
    "FanOut": (lambda m: m.serial(m.FanOut(2), m.parallel(m.Dense(3), m.Identity)), VECTORS),
    "FanInSum": (lambda m: m.serial(m.FanOut(2), m.parallel(m.Dense(4), m.Relu), m.FanInSum), VECTORS),
    "FanInConcat": (lambda m: m.serial(m.FanOut(3), m.FanInConcat()), VECTORS),
    "Dropout": (lambda m: m.serial(m.Dense(3), m.Dropout(0.6), m.Dense(2)), VECTORS),
    "Dropout in tests": (lambda m: m.Dropout(0.6, mode="test"), VECTORS),
    "elementwise": (lambda m: m.elementwise(abs), VECTORS),
    "shape_dependent": (lambda m: m.shape_dependent(lambda shape: m.Dense(shape[-1] + 1)), VECTORS),
}
FUNCTIONS = "Tanh Relu Exp LogSoftmax Softmax Softplus Sigmoid Elu LeakyRelu Selu Gelu Identity".split()
MADE |= {name: ((lambda name: lambda m: getattr(m, name))(name), VECTORS) for name in FUNCTIONS}


@pytest.mark.parametrize("name", MADE)
def test_layers(name: str) -> None:
    make, shape = MADE[name]
    x, found = RNG.normal(size=shape), []
    for library, layers in ((jitney, stax), (jax, LAYERS)):
        init, apply = make(layers)
        out_shape, params = init(library.random.key(1), (-1, *shape[1:]))
        found.append((out_shape, params, apply(params, x, rng=library.random.key(2))))
    (shape_of_ours, *ours), (shape_of_theirs, *theirs) = found
    assert jitney.tree.leaves(shape_of_ours) == jax.tree.leaves(shape_of_theirs)
    assert_trees_agree(ours, theirs, 1e-9)


def test_dropout_needs_a_key() -> None:
    _, apply = stax.Dropout(0.5)
    with pytest.raises(ValueError, match="rng=key"):
        apply((), np.ones(3))
