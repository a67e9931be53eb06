"""A program for JAX: diffrax's adaptive solver of Lotka-Volterra's equations, and its gradient; prints them as JSON."""

import json

import diffrax
import jax
import jax.numpy as jnp


def field(t, y, rates):
    prey, predators = y
    both = prey * predators
    return jnp.stack([rates[0] * prey - rates[1] * both, rates[3] * both - rates[2] * predators])


def solve(rates):
    return diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        diffrax.Tsit5(),
        t0=0.0,
        t1=10.0,
        dt0=0.1,
        y0=jnp.array([1.0, 1.0]),
        args=rates,
        saveat=diffrax.SaveAt(ts=jnp.linspace(0, 10, 5)),
        stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-6),
    ).ys


rates = jnp.array([1.5, 1.0, 3.0, 1.0])
gradient = jax.grad(lambda rates: solve(rates)[-1, 0])(rates)
print(json.dumps({"solution": solve(rates).tolist(), "gradient": gradient.tolist()}))
