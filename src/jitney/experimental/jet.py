"""``jitney.experimental.jet``: Taylor-mode differentiation."""

from jitney._api.jet import jet

__all__ = ["jet"]
