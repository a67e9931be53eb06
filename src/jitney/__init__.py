"""jitney: NumPy-style Python in, one native function out, with exact derivatives and automatic batching.

Begin with ``jit``, ``grad``, ``vmap`` and ``jitney.numpy``; ARCHITECTURE.md describes the house inside.
"""

import os as _os

from jitney import _ext as _ext
from jitney._base import sources as _sources
from jitney._base.config import config as config

_ext.set_internal_prefix(_sources.PACKAGE_DIR, _os.environ.get("JITNEY_TRACEBACK", "") != "full")

from jitney import _setup as _setup  # noqa: E402
from jitney._api.autodiff import (  # noqa: E402
    grad as grad,
    hessian as hessian,
    jacfwd as jacfwd,
    jacobian as jacobian,
    jacrev as jacrev,
    jvp as jvp,
    linearize as linearize,
    value_and_grad as value_and_grad,
    vjp as vjp,
)
from jitney._api.devices import (  # noqa: E402
    block_until_ready as block_until_ready,
    default_backend as default_backend,
    device_count as device_count,
    device_get as device_get,
    device_put as device_put,
    devices as devices,
    local_device_count as local_device_count,
    local_devices as local_devices,
)
from jitney._api.inspection import eval_shape as eval_shape, make_jaxpr as make_jaxpr  # noqa: E402
from jitney._api.jit import clear_caches as clear_caches, jit as jit  # noqa: E402
from jitney._api.stages import ShapeDtypeStruct as ShapeDtypeStruct  # noqa: E402
from jitney._api.vmap import vmap as vmap  # noqa: E402
from jitney._base import errors as errors  # noqa: E402
from jitney._core.trace import Array as Array  # noqa: E402
from jitney import dtypes as dtypes, lax as lax, tree as tree, tree_util as tree_util  # noqa: E402
from jitney._base.dtypes import float0 as _float0  # noqa: E402

float0 = _float0
__version__ = "0.1.0"
