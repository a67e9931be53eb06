"""``jitney.debug``: look into programs while they run."""

from jitney._api.callbacks import debug_breakpoint as breakpoint
from jitney._api.callbacks import debug_callback as callback
from jitney._api.callbacks import debug_log as log
from jitney._api.callbacks import debug_print as print
from jitney._api.calls import expose as _expose

__all__ = ["breakpoint", "callback", "log", "print"]

_expose(globals())
