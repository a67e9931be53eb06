"""``jitney.debug``: look into programs while they run."""

from jitney._api.array_pictures import inspect_array_sharding, visualize_array_sharding, visualize_sharding
from jitney._api.callbacks import debug_breakpoint as breakpoint
from jitney._api.callbacks import debug_callback as callback
from jitney._api.callbacks import debug_log as log
from jitney._api.callbacks import debug_print as print
from jitney._api.calls import expose as _expose
from jitney._core.effects import DebugEffect, OrderedDebugEffect

__all__ = [
    "DebugEffect",
    "OrderedDebugEffect",
    "breakpoint",
    "callback",
    "inspect_array_sharding",
    "log",
    "print",
    "visualize_array_sharding",
    "visualize_sharding",
]

_expose(globals())
