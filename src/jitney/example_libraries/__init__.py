"""``jitney.example_libraries``: small libraries of optimizers and of layers of neural networks."""

from jitney._base.lazily import at_first_use as _at_first_use

__getattr__, __dir__ = _at_first_use(globals(), {}, modules=("optimizers", "stax"))
