"""``jitney.scipy.cluster``: vector quantization."""

from jitney.scipy.cluster import vq

__all__ = ["vq"]
