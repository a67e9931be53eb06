"""``jitney.experimental.sparse``: arrays of which only some elements are stored, in coordinate format (``BCOO``).

Functions compute with gathers and scatters of the stored elements, so they compile, batch and differentiate.
"""

from jitney._api.calls import expose as _expose
from jitney._api.unsupported import of as _unsupported
from jitney._base.lazily import at_first_use as _at_first_use
from jitney.experimental.sparse._bcoo import (
    BCOO,
    JAXSparse,
    bcoo_extract,
    bcoo_fromdense,
    bcoo_todense,
    todense,
)
from jitney.experimental.sparse._products import bcoo_dot_general, bcoo_multiply_dense, bcoo_multiply_sparse
from jitney.experimental.sparse._shapes import (
    CuSparseEfficiencyWarning,
    SparseEfficiencyError,
    SparseEfficiencyWarning,
    bcoo_broadcast_in_dim,
    bcoo_concatenate,
    bcoo_dynamic_slice,
    bcoo_reduce_sum,
    bcoo_reshape,
    bcoo_rev,
    bcoo_slice,
    bcoo_sort_indices,
    bcoo_squeeze,
    bcoo_sum_duplicates,
    bcoo_transpose,
    bcoo_update_layout,
)
from jitney.experimental.sparse._transforms import empty, eye, grad, random_bcoo, value_and_grad

_expose(globals())

__getattr__, __dir__ = _at_first_use(
    globals(), {}, modules=("linalg",), otherwise=_unsupported("experimental.sparse")
)
