"""Primitives of JAX's that no function here binds: names for tables of rules that other libraries key by primitives."""

from __future__ import annotations

from typing import Any

from jitney._core.primitive import Primitive


def _unbound(name: str, reason: str, multiple_results: bool = False) -> Primitive:
    def refuse(*args: Any, **params: Any) -> Any:
        raise NotImplementedError(f"The primitive {name} is not supported: {reason}.")

    made = Primitive(name, multiple_results=multiple_results)
    made.abstract = made.expand = refuse
    return made


_TOKENS = "the order of effects needs no tokens here"
_DEVICES = "there is one device"
_INLINED = "functions are inlined where they are called, or called by jit"

after_all_p = _unbound("after_all", _TOKENS)
create_token_p = _unbound("create_token", _TOKENS)
dce_sink_p = _unbound("dce_sink", "what nobody reads is not computed", True)
device_put_p = _unbound("device_put", _DEVICES, True)
ragged_all_to_all_p = _unbound("ragged_all_to_all", _DEVICES)
sharding_constraint_p = _unbound("sharding_constraint", _DEVICES)
select_and_scatter_p = _unbound("select_and_scatter", "use the derivative of reduce_window")
call_p = _unbound("call", _INLINED, True)
closed_call_p = _unbound("closed_call", _INLINED, True)
empty2_p = _unbound("empty2", "memory is always written before it is read")
remat_opt_p = _unbound("remat_opt", "custom_vjp with optimize_remat is an ordinary custom_vjp", True)
get_p = _unbound("get", "references are read while functions are traced")
swap_p = _unbound("swap", "references are written while functions are traced")

__all__ = [
    "after_all_p",
    "call_p",
    "closed_call_p",
    "create_token_p",
    "dce_sink_p",
    "device_put_p",
    "empty2_p",
    "get_p",
    "ragged_all_to_all_p",
    "remat_opt_p",
    "select_and_scatter_p",
    "sharding_constraint_p",
    "swap_p",
]
