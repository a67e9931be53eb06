"""``jitney.scipy.special``: error, gamma and Bessel functions, entropies, logsumexp."""

from jitney.scipy.special._bessel import i0 as i0, i0e as i0e, i1 as i1, i1e as i1e
from jitney.scipy.special._entropy import (
    entr as entr,
    expit as expit,
    kl_div as kl_div,
    logit as logit,
    rel_entr as rel_entr,
    xlog1py as xlog1py,
    xlogy as xlogy,
)
from jitney.scipy.special._error import (
    erf as erf,
    erfc as erfc,
    erfinv as erfinv,
    log_ndtr as log_ndtr,
    ndtr as ndtr,
    ndtri as ndtri,
)
from jitney.scipy.special._gamma import (
    beta as beta,
    betainc as betainc,
    betaln as betaln,
    comb as comb,
    digamma as digamma,
    factorial as factorial,
    gamma as gamma,
    gammainc as gammainc,
    gammaincc as gammaincc,
    gammaln as gammaln,
    gammasgn as gammasgn,
    multigammaln as multigammaln,
    poch as poch,
    polygamma as polygamma,
    zeta as zeta,
)
from jitney.scipy.special._softmax import log_softmax as log_softmax, logsumexp as logsumexp, softmax as softmax
