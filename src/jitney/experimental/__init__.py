"""``jitney.experimental``: what JAX keeps under this name."""

from jitney._api.callbacks import io_callback
from jitney._api.unsupported import of as _unsupported
from jitney._base.lazily import at_first_use as _at_first_use

__getattr__, __dir__ = _at_first_use(
    globals(),
    {},
    modules="""
        checkify compilation_cache compute_on jet layout mesh_utils multihost_utils ode pjit shard_map sparse
    """.split(),
    otherwise=_unsupported("experimental"),
)

__all__ = ["io_callback"]
