"""``jitney.lax``: the primitives as functions, with JAX's names and signatures."""

from jitney._core.tangents import Zero as Zero
from jitney._ops.contraction import dot_general_p as dot_general_p
from jitney._ops.elementwise import *  # noqa: F403  (the primitives themselves: exp_p, add_p, ...)
from jitney._ops.reductions import (
    argmax_p as argmax_p,
    argmin_p as argmin_p,
    reduce_and_p as reduce_and_p,
    reduce_max_p as reduce_max_p,
    reduce_min_p as reduce_min_p,
    reduce_or_p as reduce_or_p,
    reduce_prod_p as reduce_prod_p,
    reduce_sum_p as reduce_sum_p,
    reduce_xor_p as reduce_xor_p,
)
from jitney._ops.shapes import (
    broadcast_in_dim_p as broadcast_in_dim_p,
    concatenate_p as concatenate_p,
    iota_p as iota_p,
    pad_p as pad_p,
    reshape_p as reshape_p,
    rev_p as rev_p,
    slice_p as slice_p,
    squeeze_p as squeeze_p,
    transpose_p as transpose_p,
)
from jitney._control.jit import jit_p as jit_p
from jitney.lax.arithmetic import *  # noqa: F403
from jitney.lax.arrays import *  # noqa: F403
