"""Programs for all lengths of an axis: programs that differ in numbers only become one of fixed capacity."""


def load_rules() -> None:
    """Import the modules that state rules."""
    from jitney._lengths import loops, moving, rules  # noqa: F401
