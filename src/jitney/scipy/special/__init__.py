"""``jitney.scipy.special``: error, gamma and Bessel functions, entropies, logsumexp."""

from jitney._api.calls import expose as _expose
from jitney.scipy.special._bessel import bessel_jn, i0, i0e, i1, i1e
from jitney.scipy.special._boxcox import boxcox, boxcox1p
from jitney.scipy.special._entropy import entr, expit, kl_div, logit, rel_entr, xlog1py, xlogy
from jitney.scipy.special._error import erf, erfc, erfinv, log_ndtr, ndtr, ndtri
from jitney.scipy.special._gamma import (
    bernoulli,
    beta,
    betainc,
    betaln,
    comb,
    digamma,
    factorial,
    gamma,
    gammainc,
    gammaincc,
    gammaln,
    gammasgn,
    loggamma,
    multigammaln,
    poch,
    polygamma,
    zeta,
)
from jitney.scipy.special._harmonics import sph_harm_y
from jitney.scipy.special._hypergeometric import hyp1f1, hyp2f1
from jitney.scipy.special._integrals import (
    dawsn,
    erfcx,
    exp1,
    expi,
    expn,
    fresnel,
    owens_t,
    sici,
    spence,
    wofz,
)
from jitney.scipy.special._softmax import log_softmax, logsumexp, softmax

__all__ = [
    "bernoulli",
    "bessel_jn",
    "beta",
    "betainc",
    "betaln",
    "boxcox",
    "boxcox1p",
    "comb",
    "dawsn",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp1",
    "expi",
    "expit",
    "expn",
    "factorial",
    "fresnel",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammaln",
    "gammasgn",
    "hyp1f1",
    "hyp2f1",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "kl_div",
    "log_ndtr",
    "log_softmax",
    "loggamma",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "owens_t",
    "poch",
    "polygamma",
    "rel_entr",
    "sici",
    "softmax",
    "spence",
    "sph_harm_y",
    "wofz",
    "xlog1py",
    "xlogy",
    "zeta",
]

_expose(globals())
