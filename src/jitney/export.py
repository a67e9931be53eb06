"""``jitney.export``: programs for other machines and processes; none are written here. Its names import, and say what to do instead when they are used."""

from __future__ import annotations

from typing import Any

from jitney._api.unsupported import REASONS as _REASONS
from jitney._api.unsupported import stand_in as _stand_in


def __getattr__(name: str) -> Any:
    return _stand_in("export", name)


def __dir__() -> list[str]:
    return sorted(_REASONS["export"])
