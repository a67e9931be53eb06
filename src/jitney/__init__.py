"""jitney: NumPy-style Python in, one native function out, with exact derivatives and automatic batching.

Begin with ``jit``, ``grad``, ``vmap`` and ``jitney.numpy``; ARCHITECTURE.md describes the house inside.
"""

from jitney import _setup, dtypes, errors, lax, numpy, tree, tree_util
from jitney._api.autodiff import (
    grad,
    hessian,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    linear_transpose,
    linearize,
    value_and_grad,
    vjp,
)
from jitney._api.devices import (
    block_until_ready,
    default_backend,
    device_count,
    device_get,
    device_put,
    devices,
    local_device_count,
    local_devices,
)
from jitney._api.inspection import eval_shape, make_jaxpr, typeof
from jitney._api.jit import clear_caches, jit
from jitney._api.stages import ShapeDtypeStruct
from jitney._api.vmap import vmap
from jitney._base.config import config
from jitney._base.dtypes import float0
from jitney._base.lazily import at_first_use as _at_first_use
from jitney._core.trace import Array

__version__ = "0.1.0"


# What many programs never need is imported at its first use.
__getattr__, __dir__ = _at_first_use(
    globals(),
    {
        "jitney._api.callbacks": """
            effects_barrier pure_callback
        """.split(),
        "jitney._api.checkpoint": """
            checkpoint checkpoint_policies remat
        """.split(),
        "jitney._api.closures": """
            closure_convert
        """.split(),
        "jitney._api.contexts": """
            check_tracer_leaks checking_leaks debug_infs debug_key_reuse debug_nans
            default_device default_matmul_precision default_prng_impl disable_jit enable_checks
            enable_custom_prng enable_x64 ensure_compile_time_eval explain_cache_misses
            legacy_prng_key log_compiles no_tracing numpy_dtype_promotion numpy_rank_promotion
            softmax_custom_jvp threefry_partitionable transfer_guard
        """.split(),
        "jitney._api.cpu_threads": """
            threads
        """.split(),
        "jitney._api.custom_jvp": """
            custom_jvp
        """.split(),
        "jitney._api.custom_vjp": """
            custom_gradient custom_vjp
        """.split(),
        "jitney._api.inspecting": """
            inspect
        """.split(),
        "jitney._api.naming": """
            named_call named_scope
        """.split(),
        "jitney._api.profiling": """
            profile
        """.split(),
        "jitney._api.references": """
            Ref empty_ref free_ref freeze new_ref
        """.split(),
    },
    modules="""
        ad_checkpoint api_util cache core custom_batching custom_derivatives debug experimental extend flatten_util
        interpreters random ref scipy test_util
    """.split(),
)
