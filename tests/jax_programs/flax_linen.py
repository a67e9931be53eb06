"""A program for JAX: flax's convolution, batch normalisation, dropout and LSTM; prints values and gradients as JSON."""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp


class Convolutional(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.Conv(8, (3, 3))(x)
        x = nn.BatchNorm(use_running_average=not train)(x)
        x = nn.avg_pool(nn.relu(x), (2, 2), (2, 2))
        x = nn.Dropout(0.5, deterministic=not train)(x.reshape((x.shape[0], -1)))
        return nn.Dense(10)(x)


x = jax.random.normal(jax.random.key(1), (4, 8, 8, 1))
network = Convolutional()
variables = network.init(jax.random.key(0), x, False)


def loss(params):
    bound = {"params": params, "batch_stats": variables["batch_stats"]}
    out, changed = network.apply(bound, x, True, mutable=["batch_stats"], rngs={"dropout": jax.random.key(2)})
    return jnp.sum(out**2), changed


gradient, changed = jax.grad(loss, has_aux=True)(variables["params"])
recurrent = nn.RNN(nn.LSTMCell(5))
sequence = jnp.ones((2, 7, 3))
weights = recurrent.init(jax.random.key(0), sequence)
found = {
    "output": network.apply(variables, x, False)[0],
    "gradient": [jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)],
    "statistics": [jnp.sum(leaf) for leaf in jax.tree.leaves(changed)],
    "recurrent": recurrent.apply(weights, sequence)[0, -1],
}
print(json.dumps({name: jnp.asarray(value).tolist() for name, value in found.items()}))
