"""``jitney.image``: images in other sizes."""

from jitney._api.calls import expose as _expose
from jitney.image._kernels import ResizeMethod
from jitney.image._resampling import resize, scale_and_translate

__all__ = ["ResizeMethod", "resize", "scale_and_translate"]

_expose(globals())
