"""``jitney.lib``: the version of the compiled extension, which is jitney's own."""

from jitney import __version__ as __version__
