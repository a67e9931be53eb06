"""Messages to the user through Python's ``logging``, which is imported at the first one."""

from __future__ import annotations


def warn(text: str) -> None:
    """To the logger ``jitney``: on stderr unless the program says otherwise."""
    import logging

    logging.getLogger("jitney").warning(text)


def inform(text: str) -> None:
    """To the logger ``jitney.debug`` at level INFO."""
    import logging

    logging.getLogger("jitney.debug").info(text)
