"""jitney.numpy against jax.numpy: values, shapes, dtypes and weak types of every expression of the table."""

from __future__ import annotations

import re
import warnings
from typing import Any

import jax
import jax.numpy
import numpy as np
import pytest

import jitney
import jitney.numpy
from numpy_cases import CASES, INPUTS

_NAMES = re.compile(r"(?<![\w.])[A-Za-z](?![\w(=])")


def _used(case: str) -> list[str]:
    lambda_arguments = set(re.findall(r"lambda (\w)", case)) | set(re.findall(r"lambda \w, (\w)", case))
    return sorted({n for n in _NAMES.findall(case) if n in INPUTS} - lambda_arguments)


def _evaluate(case: str, numpy: Any, values: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(case, {"jnp": numpy, "np": np, **values})  # noqa: S307


def _inputs(case: str, numpy: Any) -> dict[str, Any]:
    return {name: numpy.asarray(INPUTS[name]) for name in _used(case)}


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value]


def _compare(mine: Any, theirs: Any, weak: bool = True) -> None:
    assert isinstance(mine, (list, tuple)) == isinstance(theirs, (list, tuple))
    ours, wanted = _leaves(mine), _leaves(theirs)
    assert len(ours) == len(wanted)
    for a, b in zip(ours, wanted, strict=True):
        if not isinstance(b, jax.Array):
            assert a == b
            continue
        assert isinstance(a, jitney.Array)
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        if weak and a.dtype != bool:
            assert a.weak_type == b.weak_type
        x, y = np.asarray(a), np.asarray(b)
        if x.dtype.kind in "fcV":
            kind = np.complex128 if x.dtype.kind == "c" else np.float64
            tolerance = {2: 4e-3, 4: 4e-6, 8: 2e-13, 16: 2e-13}[
                x.dtype.itemsize if x.dtype.kind != "c" else x.dtype.itemsize // 2
            ]
            np.testing.assert_allclose(x.astype(kind), y.astype(kind), rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(x, y)


# Weak types that depend on how JAX forms its constants; ours follow from the operands.
_WEAK_DIFFERS = re.compile(
    r"jnp\.(log2|log10|deg2rad|rad2deg|radians|degrees|sinc|rint|nan_to_num|logspace|full_like)\("
)


@pytest.mark.parametrize("case", CASES)
def test_same_as_jax(case: str) -> None:
    try:
        wanted = _evaluate(case, jax.numpy, _inputs(case, jax.numpy))
    except (TypeError, ValueError, NotImplementedError):
        with pytest.raises((TypeError, ValueError, NotImplementedError)):
            _evaluate(case, jitney.numpy, _inputs(case, jitney.numpy))
        return
    _compare(
        _evaluate(case, jitney.numpy, _inputs(case, jitney.numpy)),
        wanted,
        weak=not _WEAK_DIFFERS.search(case),
    )
