"""A program for JAX: a perceptron learns sin(3 x) + x^2 by optax's Adam; prints the losses as JSON."""

import json

import jax
import jax.numpy as jnp
import optax

WIDTHS = [1, 32, 32, 1]


def init(key):
    keys = jax.random.split(key, len(WIDTHS) - 1)
    return [
        {"w": jax.random.normal(k, (m, n)) / jnp.sqrt(m), "b": jnp.zeros(n)}
        for k, m, n in zip(keys, WIDTHS[:-1], WIDTHS[1:])
    ]


def apply(params, x):
    for layer in params[:-1]:
        x = jnp.tanh(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


def loss(params, x, y):
    return optax.l2_loss(apply(params, x), y).mean()


x = jnp.linspace(-1, 1, 64)[:, None]
y = jnp.sin(3 * x) + x**2
params = init(jax.random.PRNGKey(0))
schedule = optax.cosine_decay_schedule(1e-2, decay_steps=200)
optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))
state = optimizer.init(params)


@jax.jit
def step(params, state):
    value, gradient = jax.value_and_grad(loss)(params, x, y)
    updates, state = optimizer.update(gradient, state, params)
    return optax.apply_updates(params, updates), state, value


losses = []
for _ in range(200):
    params, state, value = step(params, state)
    losses.append(float(value))

print(
    json.dumps(
        {"dtype": str(value.dtype), "losses": losses[::20] + losses[-1:], "count": int(state[1][0].count)}
    )
)
