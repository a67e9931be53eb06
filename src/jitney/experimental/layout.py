"""``jitney.experimental.layout``: descriptions of memory layouts."""

from jitney._api.calls import expose as _expose
from jitney._api.layouts import Format, Layout, with_layout_constraint

_expose(globals())

__all__ = ["Format", "Layout", "with_layout_constraint"]
