"""``jitney.scipy.stats``: one module for each distribution, and statistics of samples, loaded at first use."""

from jitney._api.calls import expose as _expose
from jitney._base.lazily import at_first_use as _at_first_use

_DISTRIBUTIONS = """
    bernoulli beta betabinom binom cauchy chi2 dirichlet expon gamma gennorm geom gumbel_l gumbel_r laplace logistic
    multinomial multivariate_normal nbinom norm pareto poisson t truncnorm uniform vonmises wrapcauchy
""".split()

__getattr__, __dir__ = _at_first_use(
    globals(),
    {
        "jitney.scipy.stats._kernel_density": ["gaussian_kde"],
        "jitney.scipy.stats._statistics": ["mode", "rankdata", "sem"],
    },
    modules=_DISTRIBUTIONS,
    expose=_expose,
)
