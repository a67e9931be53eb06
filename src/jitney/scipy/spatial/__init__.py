"""``jitney.scipy.spatial``: rotations of space."""

from jitney.scipy.spatial import transform

__all__ = ["transform"]
