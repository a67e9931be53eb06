"""The transformations that users call: jit, grad, vmap, jvp, vjp, jacobians, make_jaxpr."""
