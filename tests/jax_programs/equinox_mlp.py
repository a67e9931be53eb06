"""A program for JAX: an equinox network trained by optax; prints its losses as JSON."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

network = eqx.nn.MLP(
    in_size=2, out_size=1, width_size=16, depth=2, activation=jnp.tanh, key=jax.random.key(0)
)
x = jax.random.normal(jax.random.key(1), (64, 2))
y = jnp.sum(x**2, axis=1, keepdims=True)


@eqx.filter_value_and_grad
def loss(network, x, y):
    return jnp.mean((jax.vmap(network)(x) - y) ** 2)


optimizer = optax.adam(1e-2)
state = optimizer.init(eqx.filter(network, eqx.is_array))


@eqx.filter_jit
def step(network, state, x, y):
    value, gradient = loss(network, x, y)
    updates, state = optimizer.update(gradient, state)
    return eqx.apply_updates(network, updates), state, value


losses = []
for _ in range(50):
    network, state, value = step(network, state, x, y)
    losses.append(float(value))
print(json.dumps({"losses": losses[::10]}))
