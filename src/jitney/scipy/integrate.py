"""``jitney.scipy.integrate``: integrals of samples."""

from jitney.numpy import trapezoid

__all__ = ["trapezoid"]
