"""Blobs, what a probability function returns besides the probability: from arrays of their own to emcee's one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def packed(blobs: Sequence[Any], lead: int, dtype: Any) -> Any:
    """One array of the blobs, whose first ``lead`` axes are the steps' and walkers'; None if there are none.

    With names in ``dtype`` each blob is a field. A single blob stays the array that it is, without axes of size 1; several
    are stacked along one more axis.
    """
    if not blobs:
        return None
    arrays = [np.asarray(b) for b in blobs]
    kind = None if dtype is None else np.dtype(dtype)
    if kind is not None and kind.names is not None:
        return _structured(arrays, lead, kind)
    shapes = {a.shape for a in arrays}
    if len(shapes) > 1:
        raise ValueError(
            f"Blobs of different shapes {[a.shape[lead:] for a in arrays]} do not fit into one array: give each a name and a "
            "type, as in blobs_dtype=[('chi2', float), ('model', float, (15,))]."
        )
    one = arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=lead)
    if len(arrays) == 1:
        one = one.reshape(*one.shape[:lead], *[n for n in one.shape[lead:] if n != 1])
    return one if kind is None else one.astype(kind)


def _structured(arrays: Sequence[np.ndarray], lead: int, kind: np.dtype) -> np.ndarray:
    names = kind.names or ()
    if len(names) != len(arrays):
        raise ValueError(
            f"blobs_dtype has {len(names)} fields ({', '.join(names)}), but log_prob_fn returns {len(arrays)} values after the "
            "log probability."
        )
    out = np.empty(arrays[0].shape[:lead], kind)
    for name, array in zip(names, arrays, strict=True):
        out[name] = array
    return out
