"""A program for JAX: tinygp's likelihoods, dense and quasi-separable, and their gradient; prints them as JSON."""

import json

import jax
import jax.numpy as jnp
from tinygp import GaussianProcess, kernels

x = jnp.linspace(0, 5, 30)
y = jnp.sin(x)


def misfit(parameters):
    kernel = jnp.exp(parameters["size"]) * kernels.Matern32(jnp.exp(parameters["scale"]))
    return -GaussianProcess(kernel, x, diag=0.1).log_probability(y)


value, gradient = jax.jit(jax.value_and_grad(misfit))({"size": 0.0, "scale": 0.0})
process = GaussianProcess(kernels.quasisep.Matern32(scale=1.5), x, diag=0.1)
found = {
    "value": value,
    "gradient": jnp.stack([gradient["size"], gradient["scale"]]),
    "quasi-separable": process.log_probability(y),
    "mean": process.condition(y, x[:3]).gp.mean,
}
print(json.dumps({name: value.tolist() for name, value in found.items()}))
