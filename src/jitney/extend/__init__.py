"""``jitney.extend``: what libraries need that add primitives, transformations or interpreters."""

from jitney.extend import core, linear_util, source_info_util

__all__ = ["core", "linear_util", "source_info_util"]
