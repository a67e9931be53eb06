"""Names of JAX's that make no sense here, each with the reason: they import, and raise NotImplementedError when used.

One place for all of them. A public module asks ``stand_in`` for a name that it does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_MLIR = (
    "jitney's compiler makes no MLIR; give a primitive a body by mlir.register_lowering(p, mlir.lower_fun(fun)), and look at "
    "programs by jitney.inspect or jit(f).lower(x).as_text()"
)
_XLA = "it configures XLA, which jitney does not use"
_SERVER = "profiles are not sent to other processes; use jitney.profile or profiler.trace(directory)"
_EXPORT = (
    "compiled programs are kept for this machine only, by jitney.cache; export the function from JAX itself, whose names "
    "it uses"
)
_FFI = "functions with XLA's binary interface cannot be called; use pure_callback, or write the function in jitney.numpy"
_DEVICES = "there is one device, whose threads share the work"
_STATE = "its numbers depend on how often a program ran before; use jitney.random.uniform with a key"
_HIGH = "it concerns JAX's experimental types of higher level, which jitney does not have"

# module below jitney -> names -> why, and what to do
_LISTS: dict[str, dict[str, str]] = {
    "": {
        "ad": "it concerns accumulating cotangents into references, which vjp does not do here",
        "live_arrays": "arrays are freed with their last reference and are not listed",
        "no_execution": "programs run when they are called; use jit(f).lower(x).compile() to compile without running",
    },
    "distributed": {"initialize": _DEVICES + "; start independent processes instead"},
    "experimental": {"EArray cur_qdd primal_tangent_dtype": _HIGH},
    "experimental.sparse": {
        """BCSR COO CSC CSR bcsr_broadcast_in_dim bcsr_concatenate bcsr_dot_general bcsr_extract bcsr_fromdense
        bcsr_sum_duplicates bcsr_todense coo_fromdense coo_matmat coo_matvec coo_todense csr_fromdense csr_matmat
        csr_matvec csr_todense""": "arrays are stored in coordinates; use BCOO and its functions",
        """bcoo_dot_general_p bcoo_dot_general_sampled_p bcoo_extract_p bcoo_fromdense_p bcoo_sort_indices_p
        bcoo_spdot_general_p bcoo_sum_duplicates_p bcoo_todense_p bcoo_transpose_p bcsr_dot_general_p bcsr_extract_p
        bcsr_fromdense_p bcsr_todense_p coo_fromdense_p coo_matmat_p coo_matvec_p coo_todense_p csr_fromdense_p
        csr_matmat_p csr_matvec_p csr_todense_p todense_p""": "sparse functions are made of gathers and scatters; there is no primitive of their own",
        "ad api bcoo bcsr coo csr random transform util": "everything is in jitney.experimental.sparse itself",
        "bcoo_conv_general_dilated bcoo_dot_general_sampled bcoo_gather": "use mat.todense()",
        "jacfwd jacobian jacrev": "take the Jacobian of a function of mat.data",
        "SparseTracer sparsify": "call the methods of BCOO and the bcoo_ functions",
    },
    "experimental.sparse.linalg": {
        "lobpcg_standard": "use jitney.numpy.linalg.eigh of mat.todense()",
        "spsolve spsolve_p": "use jitney.scipy.sparse.linalg.gmres(lambda x: mat @ x, b), or numpy.linalg.solve of mat.todense()",
    },
    "export": {
        """DisabledSafetyCheck Exported SymbolicScope default_export_platform deserialize export is_symbolic_dim
        maximum_supported_calling_convention_version minimum_supported_calling_convention_version
        register_namedtuple_serialization register_pytree_node_serialization symbolic_args_specs symbolic_shape""": _EXPORT
    },
    "extend": {
        "lowering mlir xla": _MLIR,
        "pallas": "kernels of Pallas are for accelerators; write the loop in lax or numpy, it is compiled",
        "sharding": _DEVICES,
    },
    "extend.core.primitives": {"rng_uniform_p": _STATE},
    "extend.random": {
        "define_prng_impl": "keys are those of Threefry, whose bits are compiled",
    },
    "extend.backend": {
        "backend_xla_version get_compile_options register_backend_cache register_backend_factory": _XLA,
    },
    "ffi": {
        """build_ffi_lowering_function ffi_call ffi_lowering include_dir pycapsule register_ffi_target
        register_ffi_target_as_batch_partitionable register_ffi_type register_ffi_type_id""": _FFI
    },
    "interpreters.batching": {
        "register_vmappable unregister_vmappable": "mapped values are arrays; register the class as a tree node instead"
    },
    "interpreters.mlir": {
        """AxisContext ConstantHandler DEVICE_TO_DEVICE_TYPE LoweringParameters LoweringResult Mesh MeshAxisName ModuleContext
        RECV_FROM_HOST_TYPE SEND_TO_HOST_TYPE SPMDAxisContext ShapePolyLoweringState ShardingContext Token TokenSet Value
        aval_to_ir_type aval_to_ir_types core_call_lowering dense_int_array dense_int_elements dtype_to_ir_type
        emit_python_callback flatten_ir_types flatten_ir_values i32_attr i64_attr ir ir_attribute ir_constant ir_constants
        ir_tree_registry ir_type_handlers jaxpr_subcomp lower_jaxpr_to_fun lower_jaxpr_to_module make_ir_context
        merge_mlir_modules module_to_bytecode module_to_string register_constant_handler shape_tensor token_type
        unflatten_ir_values_like_types""": _MLIR
    },
    "interpreters.partial_eval": {
        """custom_partial_eval_rules dce_jaxpr_call_rule dce_jaxpr_closed_call_rule
        partial_eval_jaxpr_custom_rules""": "partial evaluation has its rules in the slots of primitives (interpreters.partial_eval.dce_rules)"
    },
    "interpreters.ad": {"jvp": "use jitney.jvp", "linearize": "use jitney.linearize"},
    "interpreters.pxla": {"create_compile_options": _XLA},
    "interpreters.xla": {"Backend canonicalize_dtype_handlers": _XLA},
    "lax": {
        "precv psend ragged_all_to_all": _DEVICES,
        "rng_uniform rng_uniform_p": _STATE,
    },
    "nn": {
        "get_scaled_dot_general_config scaled_dot_general scaled_matmul": "products of numbers scaled in blocks are "
        "instructions of accelerators; use lax.dot_general on numbers of 16 bits or more"
    },
    "profiler": {
        "ProfileData ProfileEvent ProfilePlane": "profiles are pages and tables; see jitney.profile",
        "device_memory_profile save_device_memory_profile": "see jit(f).lower(x).compile().memory_analysis()",
        "register_subprocess start_server stop_server": _SERVER,
    },
}
REASONS = {
    module: {name: reason for names, reason in lists.items() for name in names.split()}
    for module, lists in _LISTS.items()
}


class _RefusingClass(type):
    """Classes that cannot be made and have no instances."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(cls.__doc__)


class _Refusal:
    """A function or module that only says why it is not there."""

    def __init__(self, path: str, message: str) -> None:
        self.__module__, _, self.__name__ = path.rpartition(".")
        self.__qualname__, self.__doc__ = self.__name__, message

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(self.__doc__)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(self.__doc__)


def stand_in(module: str, name: str) -> Any:
    """The object for ``jitney.<module>.<name>`` that raises when it is used; AttributeError for a name not listed.

    Names that begin with a capital letter are classes (so that ``isinstance`` works), others functions.
    """
    reason = REASONS.get(module, {}).get(name)
    path = f"jitney.{module}.{name}" if module else f"jitney.{name}"
    if reason is None:
        raise AttributeError(f"module {path.rpartition('.')[0]!r} has no attribute {name!r}")
    message = f"{path} is not supported: {reason}."
    if name[0].isupper():
        return _RefusingClass(name, (), {"__doc__": message, "__module__": path.rpartition(".")[0]})
    return _Refusal(path, message)


def of(module: str) -> Callable[[str], Any]:
    """``stand_in`` for the names of one module."""
    return lambda name: stand_in(module, name)


def is_unsupported(value: Any) -> bool:
    """True for what ``stand_in`` made."""
    return isinstance(value, (_RefusingClass, _Refusal))
