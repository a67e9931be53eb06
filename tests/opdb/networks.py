"""Rows of ``nn`` and ``ops``: activations, probabilities, attention, segments."""

from __future__ import annotations

import numpy as np

from .table import Op, bad, given, op, sample

_SMOOTH = "celu elu gelu hard_tanh leaky_relu log_sigmoid mish selu soft_sign softplus squareplus"  # at 0, or nearly
_CORNERS = "hard_sigmoid hard_silu hard_swish relu relu6 sparse_plus sparse_sigmoid"
_IDS, _FULL = np.array([0, 2, 0, 5, -1]), np.array([0, 2, 0, 1, -1])

# fmt: off
ROWS: list[Op] = [
    *(op(f"nn.{n}", "f8[2,3]", "f4[3]", *(["i4[3]"] if n != "gelu" else []), "float", given(np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 40.0, -40.0])), order=1) for n in f"{_SMOOTH} {_CORNERS}".split()),
    *(op(f"nn.{n}", "f8[2,3]", "f4[3]", "float", given(np.array([0.0, np.inf, -np.inf, np.nan])), order=2, bad=[bad("i4[3]", TypeError)]) for n in ("sigmoid", "silu", "swish")),
    op("nn.tanh", "f8[2,3]", "i4[3]", "float", order=2),
    op("nn.identity", "f8[2,3]", "i4[3]", "float", order=1),
    op("nn.log1mexp", "f8[2,3]", "f4[3]", "float", order=2, within=(0.1, 3)),
    op("nn.gelu", "i4[3]", tolerance=1e-5, label="nn.gelu, integers"),  # in single precision, where digits of 1 + tanh cancel
    op("nn.gelu", sample("f8[2,3]", approximate=False), sample("f4[3]", approximate=False), order=2, label="nn.gelu, exact"),
    *(op(f"nn.{n}", sample("f8[3]", alpha=0.3), "f8[3] f8[3]", order=1, label=f"nn.{n}, alpha", within=(0.2, 2)) for n in ("celu", "elu")),
    op("nn.glu", "f8[2,4]", sample("f8[2,3]", axis=0), order=2, bad=[bad("f8[3]", AssertionError), bad("i4[4]", TypeError)]),
    # JAX's log_softmax of integers warns of a cast of its own.
    *(op(f"nn.{n}", "f8[2,3]", "f4[3]", *(["i4[3]"] if n != "log_softmax" else []), sample("f8[2,3]", axis=0), sample("f8[2,3]", axis=(0, 1)), sample("f8[3]", where=np.array([True, False, True])), order=1)
      for n in ("softmax", "log_softmax", "logsumexp", "logmeanexp")),
    op("nn.standardize", "f8[2,5]", "f4[3]", "i4[3]", sample("f8[4,2]", axis=0), sample("f8[2,3]", axis=(0, 1)), sample("f8[3]", where=np.array([True, False, True])), bad=[bad("f8", (IndexError, ValueError))]),
    op("nn.standardize", sample("f8[2,5]", algorithm="stable"), sample("f8[2,3]", mean=0.5, variance=2.0, epsilon=0.1), label="nn.standardize, options", bad=[bad("f8[3]", ValueError, algorithm="x")]),
    # The sum of standardized numbers has no slope, that of their cubes has one.
    op("nn.standardize", "f8[5]", sample("f8[5]", algorithm="stable"), order=1, make=lambda library: lambda x, **params: library.nn.standardize(x, **params) ** 3, batch=False, label="nn.standardize, derivatives"),
    op("nn.one_hot", given(np.array([0, 2, 5, -1]), num_classes=3), given(np.array([[1, 0]]), num_classes=2, axis=0), given(np.array([1]), num_classes=2, dtype=np.int32)),
    # JAX's scores are of single precision.
    op("nn.dot_product_attention", "f8[2,3,2,4] f8[2,5,2,4] f8[2,5,2,4]", "f8[3,4,4] f8[5,2,4] f8[5,2,4]", 
       sample("f8[1,3,2,4] f8[1,3,2,4] f8[1,3,2,4]", is_causal=True, scale=0.3, return_residual=True), sample("f8[1,4,1,2] f8[1,4,1,2] f8[1,4,1,2]", local_window_size=(1, 0), key_value_seq_lengths=np.array([3], np.int32)),
       order=1, tolerance=1e-6, batch=False, bad=[bad("f8[2,3,2,4] f8[2,5,2,4] f8[2,4,2,4]", ValueError), bad("f8[3,2,4] f8[5,2,4] f8[5,2,4]", ValueError, implementation="x")]),
    *(op(f"ops.{n}", given(np.arange(1.0, 6.0), _IDS, num_segments=4), given(np.arange(10.0).reshape(5, 2) - 4, _IDS, num_segments=3), given(np.arange(5), abs(_IDS), num_segments=7), batch=False,
         bad=[bad(given(np.arange(5.0), _IDS, num_segments=-1), ValueError)]) for n in ("segment_sum", "segment_prod", "segment_max", "segment_min")),
    *(op(f"ops.{n}", given(np.arange(1.0, 6.0), _FULL, num_segments=3), given(np.cos(np.arange(10.0)).reshape(5, 2), _FULL, num_segments=3), order=1, batch=False, label=f"ops.{n}, derivatives")
      for n in ("segment_sum", "segment_max", "segment_min")),
    op("ops.segment_prod", given(np.arange(1.0, 6.0), np.arange(5)[::-1].copy(), num_segments=5, unique_indices=True), order=1, batch=False, label="ops.segment_prod, derivatives"),
    *(op(f"ops.{n}", given(np.arange(1.0, 6.0), abs(_IDS)), concrete=True, label=f"ops.{n}, number of segments") for n in ("segment_sum", "segment_max")),
]
# fmt: on
