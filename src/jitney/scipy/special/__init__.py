"""``jitney.scipy.special``: error, gamma and Bessel functions, entropies, logsumexp."""

from jitney.scipy.special._error import (
    erf as erf,
    erfc as erfc,
    erfinv as erfinv,
    log_ndtr as log_ndtr,
    ndtr as ndtr,
    ndtri as ndtri,
)
