"""``jitney.lax``: the primitives as functions, with JAX's names and signatures."""

from jitney._api.calls import expose as _expose
from jitney._control.jit import jit_p
from jitney._ops.contraction import dot_general_p
from jitney._ops.elementwise import *
from jitney._ops.indexing import *
from jitney._ops.ordering import *
from jitney._ops.reductions import *
from jitney._ops.shapes import *
from jitney._ops.splitting import *
from jitney._ops.stopping import stop_gradient_p
from jitney.lax.arithmetic import *
from jitney.lax.arrays import *
from jitney.lax.assembling import *
from jitney.lax.collectives import *
from jitney.lax.control_flow import *
from jitney.lax.custom_solves import *
from jitney.lax.ordering import *
from jitney.lax.slicing import *
from jitney.lax.while_loops import *
from jitney.lax.windows import *

_expose(globals())


def __getattr__(name: str) -> object:
    if name == "linalg":  # imported at first use, so that ``import jitney`` stays cheap
        import importlib

        return importlib.import_module("jitney.lax.linalg")
    raise AttributeError(f"module 'jitney.lax' has no attribute {name!r}")
