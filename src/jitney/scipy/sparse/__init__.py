"""``jitney.scipy.sparse``: equations with operators that are known by what they do to vectors."""

from jitney.scipy.sparse import linalg

__all__ = ["linalg"]
