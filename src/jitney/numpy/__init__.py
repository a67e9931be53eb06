"""``jitney.numpy``: NumPy's functions on jitney arrays, under the names and signatures of jax.numpy.

Each room lists its public names in ``__all__``; begin with ``ufuncs.py``.
"""

import sys

from jitney._api.calls import boundary as _boundary
from jitney._api.calls import expose as _expose
from jitney._core.trace import Array as ndarray
from jitney.numpy import array_methods as _array_methods
from jitney.numpy import ufunc_methods as _ufunc_methods
from jitney.numpy.arithmetic import *  # noqa: F403
from jitney.numpy.bits import *  # noqa: F403
from jitney.numpy.constants import *  # noqa: F403
from jitney.numpy.contractions import *  # noqa: F403
from jitney.numpy.conversion import *  # noqa: F403
from jitney.numpy.creation import *  # noqa: F403
from jitney.numpy.cumulative import *  # noqa: F403
from jitney.numpy.diagonals import *  # noqa: F403
from jitney.numpy.dtype_functions import *  # noqa: F403
from jitney.numpy.elementwise import *  # noqa: F403
from jitney.numpy.fitting import *  # noqa: F403
from jitney.numpy.gathering import *  # noqa: F403
from jitney.numpy.histograms import *  # noqa: F403
from jitney.numpy.index_tricks import *  # noqa: F403
from jitney.numpy.joining import *  # noqa: F403
from jitney.numpy.linear import *  # noqa: F403
from jitney.numpy.manipulation import *  # noqa: F403
from jitney.numpy.nan_reductions import *  # noqa: F403
from jitney.numpy.padding import *  # noqa: F403
from jitney.numpy.polynomials import *  # noqa: F403
from jitney.numpy.printing import *  # noqa: F403
from jitney.numpy.quantiles import *  # noqa: F403
from jitney.numpy.reductions import *  # noqa: F403
from jitney.numpy.searching import *  # noqa: F403
from jitney.numpy.selecting import *  # noqa: F403
from jitney.numpy.sets import *  # noqa: F403
from jitney.numpy.signals import *  # noqa: F403
from jitney.numpy.sorting import *  # noqa: F403
from jitney.numpy.statistics import *  # noqa: F403
from jitney.numpy.ufunc_methods import *  # noqa: F403
from jitney.numpy.ufuncs import *  # noqa: F403
from jitney.numpy.vectorizing import *  # noqa: F403
from jitney.numpy.windows import *  # noqa: F403

_expose(globals())
_ufunc_methods.install(globals())


def __getattr__(name: str) -> object:
    if name in ("fft", "linalg"):  # imported at first use, so that ``import jitney`` stays cheap
        import importlib

        return importlib.import_module(f"jitney.numpy.{name}")
    if name in ("__array_api_version__", "__array_namespace_info__"):
        from jitney.numpy import array_api

        return getattr(array_api, name)
    from jitney._base.dtypes import EXTENSION_NAMES
    from jitney.numpy.dtype_functions import extension_type

    if name in EXTENSION_NAMES:
        return extension_type(name)
    raise AttributeError(
        f"module 'jitney.numpy' has no attribute {name!r}", name=name, obj=sys.modules[__name__]
    )


__getattr__ = _boundary(__getattr__)
