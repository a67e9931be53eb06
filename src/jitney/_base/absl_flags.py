"""The switches of the configuration as flags of absl's command line: ``--jax_debug_nans``, ``--jax_enable_x64=false``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jitney._base.config import Config


def add(config: Config) -> None:
    """Define a flag for each switch; what the command line sets counts once absl has read it."""
    from absl import app, flags

    define = {bool: flags.DEFINE_bool, int: flags.DEFINE_integer, float: flags.DEFINE_float}
    for name, value in config.values.items():
        if name not in flags.FLAGS:
            define.get(type(value), flags.DEFINE_string)(name, value, "switch of jitney's configuration")
    app.call_after_init(lambda: complete(config, flags))


def complete(config: Config, flags: Any) -> None:
    """Take over the values of flags that the command line set."""
    for name in config.values:
        if name in flags.FLAGS and flags.FLAGS[name].present:
            config.update(name, flags.FLAGS[name].value)


def parse(config: Config) -> None:
    """Read the command line of this process, ignoring what are no switches."""
    from absl import flags

    add(config)
    flags.FLAGS(sys.argv[:1] + [text for text in sys.argv[1:] if text.startswith("--jax")], known_only=True)
    complete(config, flags)
