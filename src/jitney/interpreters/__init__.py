"""``jitney.interpreters``: the rules of primitives, as tables in JAX's signatures."""

from jitney.interpreters import ad, batching, mlir, partial_eval, pxla, xla

__all__ = ["ad", "batching", "mlir", "partial_eval", "pxla", "xla"]
