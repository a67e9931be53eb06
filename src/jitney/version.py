"""``jitney.version``: the version as a string and as numbers."""

from jitney import __version__ as __version__
from jitney import __version_info__ as __version_info__
