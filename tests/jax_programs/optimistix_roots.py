"""A program for JAX: lineax's linear solves, optimistix's roots, minima and least squares; prints them as JSON."""

import json

import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx

matrix, vector = jnp.array([[2.0, 1.0], [1.0, 3.0]]), jnp.array([1.0, 2.0])


def direct(vector):
    return lx.linear_solve(lx.MatrixLinearOperator(matrix), vector).value


positive = lx.MatrixLinearOperator(matrix, lx.positive_semidefinite_tag)
found = {
    "direct": direct(vector),
    "gradient": jax.grad(lambda v: direct(v).sum())(vector),
    "conjugate gradients": lx.linear_solve(positive, vector, solver=lx.CG(1e-6, 1e-6)).value,
    "root": optx.root_find(
        lambda y, a: jnp.cos(y) - a * y, optx.Newton(1e-8, 1e-8), jnp.array(0.5), 1.0
    ).value,
    "minimum": optx.minimise(
        lambda y, a: jnp.sum((y - a) ** 2), optx.BFGS(1e-8, 1e-8), jnp.zeros(3), jnp.arange(3.0)
    ).value,
    "least squares": optx.least_squares(
        lambda y, a: jnp.array([10 * (y[1] - y[0] ** 2), 1 - y[0]]),
        optx.LevenbergMarquardt(1e-8, 1e-8),
        jnp.array([-1.2, 1.0]),
        None,
    ).value,
}
print(json.dumps({name: value.tolist() for name, value in found.items()}))
