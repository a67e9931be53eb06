"""``jitney.random``: random numbers from explicit keys, the same bits as jax.random's threefry.

Begin with ``key`` and ``split`` in ``_keys.py``; samplers are functions of a key, a shape and parameters.
"""

from jitney._api.calls import expose as _expose
from jitney.random._binomial import *  # noqa: F403
from jitney.random._continuous import *  # noqa: F403
from jitney.random._discrete import *  # noqa: F403
from jitney.random._keys import *  # noqa: F403
from jitney.random._multivariate import *  # noqa: F403
from jitney.random._rejection import *  # noqa: F403

_expose(globals())
