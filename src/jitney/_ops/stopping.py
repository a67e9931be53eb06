"""``stop_gradient``: hide a value's tangent from the derivatives around it."""

from __future__ import annotations

from typing import Any

from jitney._core.primitive import Primitive
from jitney._core.tangents import Zero
from jitney._core.trace import get_aval
from jitney._kernel.rules import Map

stop_gradient_p = Primitive("stop_gradient")
stop_gradient_p.abstract = lambda x: x
stop_gradient_p.numpy = lambda x: x
# The value stays behind a stop_gradient, for the derivatives further out.
stop_gradient_p.jvp = lambda primals, tangents: (stop_gradient_p.bind(primals[0]), Zero.of(primals[0]))
stop_gradient_p.transpose = lambda ct, x: [None]  # as jvp: nothing flows
stop_gradient_p.batch = lambda size, args, dims: (stop_gradient_p.bind(args[0]), dims[0])
stop_gradient_p.lower = Map(lambda b, x: x)


def stop_gradient_leaf(x: Any) -> Any:
    """An array without its tangent; values that have no tangent pass unchanged."""
    if get_aval(x).dtype.kind not in "fcV":
        return x
    return stop_gradient_p.bind(x)
