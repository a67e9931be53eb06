"""A program for JAX: shapes and dtypes in annotations, checked when functions run; prints what was accepted as JSON."""

import json

import jax
import jax.numpy as jnp
from beartype import beartype
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree, Shaped, TypeCheckError, jaxtyped


@jaxtyped(typechecker=beartype)
def matmul(a: Float[Array, "rows inner"], b: Float[Array, "inner columns"]) -> Float[Array, "rows columns"]:
    return a @ b


@jaxtyped(typechecker=beartype)
def pick(values: Shaped[Array, " n"], index: Int[Array, ""]) -> Shaped[Array, ""]:
    return values[index]


@jaxtyped(typechecker=beartype)
def noise(key: PRNGKeyArray, tree: PyTree[Float[Array, "..."]]) -> Float[Array, " 3"]:
    return jax.random.normal(key, (3,)) + sum(leaf.sum() for leaf in jax.tree.leaves(tree))


def accepted(function, *args):
    try:
        jax.block_until_ready(function(*args))
        return True
    except TypeCheckError:
        return False


a, b = jnp.ones((2, 3)), jnp.ones((3, 4))
key = jax.random.key(0)
print(
    json.dumps(
        {
            "eager": accepted(matmul, a, b),
            "inner sizes differ": accepted(matmul, a, a),
            "integers": accepted(matmul, a.astype(int), b),
            "rank": accepted(matmul, a, b[0]),
            "jit": accepted(jax.jit(matmul), a, b),
            "jit, inner sizes differ": accepted(jax.jit(matmul), a, a),
            "grad": accepted(jax.grad(lambda a: matmul(a, b).sum()), a),
            "vmap": accepted(jax.vmap(matmul), a[None], b[None]),
            "index": accepted(pick, jnp.arange(3.0), jnp.asarray(1)),
            "float index": accepted(pick, jnp.arange(3.0), jnp.asarray(1.0)),
            "key": accepted(noise, key, {"x": a, "y": [b]}),
            "raw key": accepted(noise, jax.random.PRNGKey(0), {"x": a}),
            "no key": accepted(noise, a, {"x": a}),
            "NumPy array": accepted(matmul, jax.device_get(a), b),
        }
    )
)
