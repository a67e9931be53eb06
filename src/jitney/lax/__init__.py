"""``jitney.lax``: the primitives as functions, with JAX's names and signatures."""

from jitney._api.calls import expose as _expose
from jitney._api.unsupported import of as _unsupported
from jitney._base.lazily import at_first_use as _at_first_use
from jitney._control.jit import jit_p
from jitney._ops.contraction import dot_general_p
from jitney._ops.dynamic_slices import *
from jitney._ops.elementwise import *
from jitney._ops.gamma_functions import *
from jitney._ops.indexing import *
from jitney._ops.ordering import *
from jitney._ops.reductions import *
from jitney._ops.shapes import *
from jitney._ops.splitting import *
from jitney._ops.stopping import stop_gradient_p
from jitney.lax.arithmetic import *
from jitney.lax.arrays import *
from jitney.lax.ordering import *
from jitney.lax.slicing import *

_expose(globals())

__getattr__, __dir__ = _at_first_use(
    globals(),
    {
        "jitney.lax.assembling": """
            approx_max_k approx_min_k approx_top_k_p broadcast_like dtype empty mulhi mulhi_p platform_dependent
            reduce_precision reduce_precision_p shape_as_value stack stack_p tile tile_p unstack
            unstack_p
        """.split(),
        "jitney.lax.collectives": """
            all_gather all_gather_p all_to_all all_to_all_p axis_index axis_index_p axis_size
            pbroadcast pmax pmax_p pmean pmin pmin_p ppermute ppermute_p pshuffle psum psum_p
            psum_scatter pswapaxes
        """.split(),
        "jitney.lax.control_flow": """
            associative_scan cond cond_p fori_loop map scan scan_p switch
        """.split(),
        "jitney.lax.custom_solves": """
            custom_linear_solve custom_root
        """.split(),
        "jitney._control.custom_linear_solve": ["linear_solve_p"],
        "jitney._ops.barriers": ["optimization_barrier_p"],
        "jitney.lax.convolution": """
            ConvDimensionNumbers conv conv_dimension_numbers conv_general_dilated
            conv_general_dilated_local conv_general_dilated_p conv_general_dilated_patches
            conv_general_permutations conv_general_shape_tuple conv_shape_tuple conv_transpose
            conv_transpose_shape_tuple conv_with_general_padding
        """.split(),
        "jitney.lax.fourier": "FftType fft fft_p".split(),
        "jitney.lax.marks": """
            after_all after_all_p composite create_token create_token_p dce_sink dce_sink_p device_put_p
            eq_to_p le_to_p lt_to_p pcast ragged_all_to_all_p select_and_scatter_p sharding_constraint_p
            stage stage_p with_sharding_constraint
        """.split(),
        "jitney.lax.precisions": """
            AccuracyMode ConvGeneralDilatedDimensionNumbers DotAlgorithm DotAlgorithmPreset
            DotDimensionNumbers PrecisionLike Tolerance
        """.split(),
        "jitney.lax.random_bits": "RandomAlgorithm rng_bit_generator rng_bit_generator_p".split(),
        "jitney.lax.ragged": """
            RaggedDotDimensionNumbers ragged_dot ragged_dot_general scaled_dot
        """.split(),
        "jitney.lax.while_loops": """
            counted_while_p while_loop while_p
        """.split(),
        "jitney.lax.windows": """
            padtype_to_pads reduce reduce_p reduce_window reduce_window_max_p reduce_window_min_p
            reduce_window_p reduce_window_shape_tuple reduce_window_sum_p select_and_gather_add_p
            select_and_scatter_add_p
        """.split(),
    },
    modules=("linalg",),
    expose=_expose,
    otherwise=_unsupported("lax"),
)
