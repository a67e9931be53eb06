"""``jitney.extend.core.primitives``: every primitive under its name with ``_p``."""

from __future__ import annotations

from importlib import import_module as _import_module

from jitney import lax as _lax
from jitney._api.unsupported import stand_in as _stand_in
from jitney._core.primitive import Primitive as _Primitive
from jitney._core.primitive import registry as _registry

# Where JAX's attribute is not the primitive's name.
_NAMES = {
    "add_jaxvals_p": "add_any",
    "linear_solve_p": "custom_linear_solve",
    "remat_p": "remat2",
    "scatter_add_p": "scatter-add",
    "scatter_max_p": "scatter-max",
    "scatter_min_p": "scatter-min",
    "scatter_mul_p": "scatter-mul",
}
# Modules that register primitives when they are imported, which not every program needs.
_LATER = (
    "jitney._ops.counter_ciphers",
    "jitney._ops.unbound",
    "jitney._control.remat",
    "jitney._control.custom_vjp",
    "jitney.lax.linalg",
    "jitney.lax.random_bits",
    "jitney.random",
)
_ATTRIBUTES = {name: attribute for attribute, name in _NAMES.items()}


def __getattr__(name: str) -> _Primitive:
    found = getattr(_lax, name, None) if name.endswith("_p") else None
    if found is None and name.endswith("_p"):
        found = _registry.get(_NAMES.get(name, name[:-2]))
    for module in _LATER if found is None and name.endswith("_p") else ():
        _import_module(module)
        found = found or _registry.get(_NAMES.get(name, name[:-2]))
    if isinstance(found, _Primitive):
        return found
    return _stand_in("extend.core.primitives", name)


def __dir__() -> list[str]:
    return sorted(_ATTRIBUTES.get(name, f"{name}_p") for name in _registry)
