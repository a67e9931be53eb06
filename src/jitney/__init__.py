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
from jitney._api.calls import expose as _expose
from jitney._api.devices import (
    Device,
    block_until_ready,
    copy_to_host_async,
    default_backend,
    device_count,
    device_get,
    device_put,
    devices,
    host_count,
    host_id,
    host_ids,
    local_device_count,
    local_devices,
    process_count,
    process_index,
    process_indices,
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
__version_info__ = (0, 1, 0)


def _unsupported(name):  # type: ignore[no-untyped-def]
    from jitney._api.unsupported import stand_in

    return stand_in("", name)


_expose(globals())

# What many programs never need is imported at its first use.
__getattr__, __dir__ = _at_first_use(
    globals(),
    {
        "jitney._api.autodiff": ["fwd_and_bwd"],
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
            allow_f16_reductions array_garbage_collection_guard auto_pcast check_bounds check_overflow check_tracer_leaks
            checking_leaks debug_infs debug_key_reuse debug_nans default_device
            default_matmul_precision default_prng_impl disable_jit enable_checks enable_custom_prng
            enable_x64 ensure_compile_time_eval explain_cache_misses jax2tf_associative_scan_reductions
            legacy_prng_key log_compiles make_user_context no_tracing numpy_dtype_promotion
            numpy_rank_promotion remove_size_one_mesh_axis_from_type softmax_custom_jvp thread_guard
            threefry_partitionable transfer_guard transfer_guard_device_to_device
            transfer_guard_device_to_host transfer_guard_host_to_device
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
        "jitney._api.environment": ["print_environment_info"],
        "jitney._api.inspecting": """
            inspect
        """.split(),
        "jitney._api.mapping": "pmap shard_map smap".split(),
        "jitney._api.meshes": "make_mesh set_mesh".split(),
        "jitney._api.naming": """
            named_call named_scope
        """.split(),
        "jitney._api.profiling": """
            profile
        """.split(),
        "jitney._api.references": """
            Ref empty_ref free_ref freeze new_ref
        """.split(),
        "jitney._api.shardings": """
            NamedSharding P Shard make_array_from_callback make_array_from_process_local_data
            make_array_from_single_device_arrays memory reshard
        """.split(),
        "jitney._api.slices": ["ds"],
        "jitney._foreign": ["ForeignFunction", "foreign"],
    },
    modules="""
        ad_checkpoint api_util cache core custom_batching custom_derivatives debug distributed dlpack ensemble
        example_libraries experimental export extend ffi flatten_util image interpreters lib monitoring nn ops optimize profiler random ref scipy
        sharding stages test_util typing version
    """.split(),
    expose=_expose,
    otherwise=_unsupported,
)
