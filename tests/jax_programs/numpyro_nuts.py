"""A program for JAX: numpyro's NUTS on eight schools, its first draws in double precision; prints them as JSON."""

import json

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS

numpyro.enable_x64()
effects = jnp.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
errors = jnp.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def model():
    mean = numpyro.sample("mean", dist.Normal(0, 5))
    spread = numpyro.sample("spread", dist.HalfCauchy(5))
    with numpyro.plate("schools", len(effects)):
        offset = numpyro.sample("offset", dist.Normal(0, 1))
        numpyro.sample("observed", dist.Normal(mean + spread * offset, errors), obs=effects)


sampler = MCMC(NUTS(model), num_warmup=10, num_samples=20, progress_bar=False)
sampler.run(jax.random.PRNGKey(1))
draws = sampler.get_samples()
print(json.dumps({name: draws[name][:5].tolist() for name in ("mean", "spread")}))
