"""``jitney.experimental.sparse.linalg``: nothing yet; its names say what to do instead when they are used."""

from __future__ import annotations

from typing import Any

from jitney._api.unsupported import stand_in as _stand_in


def __getattr__(name: str) -> Any:
    return _stand_in("experimental.sparse.linalg", name)
