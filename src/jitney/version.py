"""``jitney.version``: the version as a string and as numbers."""

from jitney import __version__ as __version__

__version_info__ = tuple(int(part) for part in __version__.split("."))
