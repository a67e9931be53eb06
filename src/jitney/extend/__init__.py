"""``jitney.extend``: what libraries need that add primitives, transformations or interpreters."""

from jitney._api.unsupported import of as _unsupported
from jitney._base.lazily import at_first_use as _at_first_use
from jitney.extend import core, linear_util, source_info_util

__getattr__, __dir__ = _at_first_use(
    globals(), {}, modules=("backend", "random"), otherwise=_unsupported("extend")
)

__all__ = ["core", "linear_util", "source_info_util"]
