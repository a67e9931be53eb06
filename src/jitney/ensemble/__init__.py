"""``jitney.ensemble``: the affine-invariant ensemble sampler with emcee's interface, as one compiled loop."""

from jitney._api.calls import expose as _expose
from jitney._base.lazily import at_first_use as _at_first_use
from jitney.ensemble.sampler import EnsembleSampler, walkers_independent
from jitney.ensemble.state import State

__getattr__, __dir__ = _at_first_use(globals(), {}, modules=("autocorr", "backends", "moves"))

__all__ = ["EnsembleSampler", "State", "autocorr", "backends", "moves", "walkers_independent"]  # noqa: F822

_expose(globals())
