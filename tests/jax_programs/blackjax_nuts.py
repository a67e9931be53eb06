"""A program for JAX: blackjax's NUTS with window adaptation on a straight line's posterior; prints moments as JSON."""

import json

import blackjax
import jax
import jax.numpy as jnp
import jax.scipy.stats as stats

jax.config.update("jax_enable_x64", True)

x = jnp.linspace(0, 1, 20)
y = 1.0 + 2.0 * x + 0.3 * jax.random.normal(jax.random.key(7), (20,))


def logdensity(position):
    mean = position["intercept"] + position["slope"] * x
    scale = jnp.exp(position["log_scale"])
    prior = sum(stats.norm.logpdf(value, 0.0, 5.0) for value in position.values())
    return prior + stats.norm.logpdf(y, mean, scale).sum()


warmup_key, sample_key = jax.random.split(jax.random.key(0))
start = {"intercept": 0.0, "slope": 0.0, "log_scale": 0.0}
warmup = blackjax.window_adaptation(blackjax.nuts, logdensity)
(state, parameters), _ = warmup.run(warmup_key, start, num_steps=500)
kernel = blackjax.nuts(logdensity, **parameters).step


@jax.jit
def sample(key, state):
    def one(state, key):
        state, info = kernel(key, state)
        return state, (state.position, info.acceptance_rate, info.is_divergent)

    return jax.lax.scan(one, state, jax.random.split(key, 1000))[1]


positions, acceptance, divergent = sample(sample_key, state)
moments = {name: [float(draws.mean()), float(draws.std())] for name, draws in positions.items()}
print(
    json.dumps(
        {"moments": moments, "acceptance": float(acceptance.mean()), "divergent": int(divergent.sum())}
    )
)
