"""``jitney.custom_derivatives``: derivative rules for Python functions, and what such rules meet."""

from jitney._api.closures import closure_convert
from jitney._api.custom_jvp import custom_jvp
from jitney._api.custom_rules import SymbolicZero, zero_from_primal
from jitney._api.custom_vjp import (
    CustomVJPPrimal,
    custom_gradient,
    custom_vjp,
    custom_vjp_primal_tree_values,
)
from jitney._api.linear_call import linear_call
from jitney._control.custom_jvp import custom_jvp_call_p
from jitney._control.custom_vjp import custom_vjp_call_p
from jitney._ops.unbound import remat_opt_p

__all__ = [
    "CustomVJPPrimal",
    "SymbolicZero",
    "closure_convert",
    "custom_gradient",
    "custom_jvp",
    "custom_jvp_call_p",
    "custom_vjp",
    "custom_vjp_call_p",
    "custom_vjp_primal_tree_values",
    "linear_call",
    "remat_opt_p",
    "zero_from_primal",
]
