"""Programs as they stand in tutorials and in scientific code, with only the import changed: jitney beside JAX."""

from __future__ import annotations

import dataclasses
import functools
from collections import namedtuple
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import jax
import jax.flatten_util
import jax.scipy
import numpy as np
import pytest
import scipy.optimize
import scipy.special

import jitney
from comparing import assert_same

PROGRAMS: dict[str, Callable[[Any], Any]] = {}


def program(fun: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of the library that returns a function and its arguments; both run alone and in ``jit``."""
    PROGRAMS[fun.__name__] = fun
    return fun


@program
def hmc(jax: Any) -> Any:
    """HMC of a correlated normal, leapfrog by scan, chains by vmap."""
    jnp, lax, random = jax.numpy, jax.lax, jax.random
    precision = jnp.array([[2.0, 0.6], [0.6, 1.0]])

    def log_density(q):
        return -0.5 * q @ precision @ q

    def leapfrog(q, p, step, n):
        grad = jax.grad(log_density)

        def one(state, _):
            q, p = state
            p = p + 0.5 * step * grad(q)
            q = q + step * p
            p = p + 0.5 * step * grad(q)
            return (q, p), None

        (q, p), _ = lax.scan(one, (q, p), None, length=n)
        return q, p

    def kernel(q, key):
        k1, k2 = random.split(key)
        p = random.normal(k1, q.shape)
        q2, p2 = leapfrog(q, p, 0.1, 8)
        energy = lambda q, p: log_density(q) - 0.5 * jnp.sum(p**2)
        accept = jnp.log(random.uniform(k2)) < energy(q2, p2) - energy(q, p)
        q = jnp.where(accept, q2, q)
        return q, (q, accept)

    def chain(key, q0):
        return lax.scan(kernel, q0, random.split(key, 12))

    def run(key):
        keys = random.split(key, 3)
        return jax.vmap(chain)(keys, jnp.zeros((3, 2)))

    return run, (random.key(0),)


@program
def nuts_like(jax: Any) -> Any:
    """Slice sampler with doubling, while loops in vmap."""
    jnp, lax, random = jax.numpy, jax.lax, jax.random

    class State(NamedTuple):
        left: Any
        right: Any
        key: Any
        depth: Any

    def log_density(x):
        return jnp.logaddexp(-0.5 * (x - 2) ** 2, -0.5 * (x + 2) ** 2)

    def sample(x, key):
        key, k1, k2 = random.split(key, 3)
        height = log_density(x) - random.exponential(k1)
        left = x - random.uniform(k2)
        state = State(left, left + 1.0, key, 0)

        def expand(s):
            key, sub = random.split(s.key)
            width = s.right - s.left
            go_left = random.bernoulli(sub)
            return State(
                jnp.where(go_left, s.left - width, s.left),
                jnp.where(go_left, s.right, s.right + width),
                key,
                s.depth + 1,
            )

        def inside(s):
            return (s.depth < 6) & ((log_density(s.left) > height) | (log_density(s.right) > height))

        state = lax.while_loop(inside, expand, state)

        def propose(carry):
            left, right, key, _, _ = carry
            key, sub = random.split(key)
            y = random.uniform(sub, minval=left, maxval=right)
            ok = log_density(y) > height
            left = jnp.where(ok | (y > x), left, y)
            right = jnp.where(ok | (y < x), right, y)
            return left, right, key, y, ok

        init = (state.left, state.right, state.key, x, False)
        *_, y, _ = lax.while_loop(lambda c: jnp.logical_not(c[-1]), propose, init)
        return y, state.depth

    def run(key):
        def step(x, key):
            y, depth = sample(x, key)
            return y, (y, depth)

        _, (xs, depths) = jax.vmap(lambda k: lax.scan(step, 0.5, random.split(k, 6)))(random.split(key, 4))
        return {"samples": xs, "depths": depths, "mean": xs.mean(axis=1)}

    return run, (random.PRNGKey(3),)


@program
def rnn_training(jax: Any) -> Any:
    """LSTM by scan, trained by SGD in a fori_loop."""
    jnp, lax, random = jax.numpy, jax.lax, jax.random
    H, D = 8, 3

    def init(key):
        k1, k2, k3 = random.split(key, 3)
        return {
            "cell": {"W": random.normal(k1, (D + H, 4 * H)) * 0.3, "b": jnp.zeros(4 * H)},
            "out": (random.normal(k2, (H, 1)) * 0.3, jnp.zeros(1)),
        }

    def cell(params, carry, x):
        h, c = carry
        z = jnp.concatenate([x, h], axis=-1) @ params["W"] + params["b"]
        i, f, g, o = jnp.split(z, 4, axis=-1)
        c = jax.lax.logistic(f) * c + jax.lax.logistic(i) * jnp.tanh(g)
        h = jax.lax.logistic(o) * jnp.tanh(c)
        return (h, c), h

    def predict(params, xs):
        batch = xs.shape[1]
        carry = (jnp.zeros((batch, H)), jnp.zeros((batch, H)))
        _, hs = lax.scan(functools.partial(cell, params["cell"]), carry, xs)
        W, b = params["out"]
        return hs @ W + b

    def loss(params, xs, ys):
        return jnp.mean((predict(params, xs) - ys) ** 2)

    def train(key):
        key, sub = random.split(key)
        params = init(sub)
        xs = random.normal(key, (10, 4, D))
        ys = jnp.cumsum(xs.sum(-1, keepdims=True), axis=0) * 0.1

        def step(params, _):
            value, grads = jax.value_and_grad(loss)(params, xs, ys)
            return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), value

        return lax.scan(step, params, None, length=5)

    return train, (random.key(1),)


@program
def neural_ode(jax: Any) -> Any:
    """Runge-Kutta integration with an adjoint by custom_vjp."""
    jnp, lax, random = jax.numpy, jax.lax, jax.random

    def rk4(f, y, t, dt, *args):
        add = lambda y, k, s: jax.tree.map(lambda a, b: a + s * b, y, k)
        k1 = f(y, t, *args)
        k2 = f(add(y, k1, dt / 2), t + dt / 2, *args)
        k3 = f(add(y, k2, dt / 2), t + dt / 2, *args)
        k4 = f(add(y, k3, dt), t + dt, *args)
        return jax.tree.map(lambda y, a, b, c, d: y + dt / 6 * (a + 2 * b + 2 * c + d), y, k1, k2, k3, k4)

    @functools.partial(jax.custom_vjp, nondiff_argnums=(0, 3))
    def odeint(f, y0, ts, n, params):
        dt = (ts[1] - ts[0]) / n
        return lax.fori_loop(0, n, lambda i, y: rk4(f, y, ts[0] + i * dt, dt, params), y0)

    def forward(f, y0, ts, n, params):
        y1 = odeint(f, y0, ts, n, params)
        return y1, (y1, ts, params)

    def backward(f, n, res, g):
        y1, ts, params = res
        dt = -(ts[1] - ts[0]) / n

        def dynamics(state, t, params):
            y, a, _ = state
            dy, pullback = jax.vjp(lambda y, p: f(y, t, p), y, params)
            da, dp = pullback(a)
            return dy, -da, jax.tree.map(jnp.negative, dp)

        state = (y1, g, jax.tree.map(jnp.zeros_like, params))
        state = lax.fori_loop(0, n, lambda i, s: rk4(dynamics, s, ts[1] + i * dt, dt, params), state)
        _, a, dp = state
        return a, jnp.zeros_like(ts), dp

    odeint.defvjp(forward, backward)

    def mlp(y, t, params):
        for W, b in params[:-1]:
            y = jnp.tanh(y @ W + b)
        W, b = params[-1]
        return y @ W + b

    sizes = [2, 8, 2]
    keys = random.split(random.key(0), 2)
    params = [(0.5 * random.normal(k, (m, n)), jnp.zeros(n)) for k, m, n in zip(keys, sizes[:-1], sizes[1:])]

    def loss(params, y0):
        y1 = jax.vmap(lambda y: odeint(mlp, y, jnp.array([0.0, 1.0]), 10, params))(y0)
        return jnp.mean((y1 - jnp.array([1.0, -1.0])) ** 2)

    return jax.value_and_grad(loss), (params, jnp.array([[0.1, 0.2], [0.5, -0.3], [1.0, 0.0]]))


@program
def implicit_root(jax: Any) -> Any:
    """Derivatives of Newton's root by custom_root, of a linear solve by custom_linear_solve (conjugate gradients)."""
    jnp, lax = jax.numpy, jax.lax

    def newton(f, x0):
        def body(state):
            x, _ = state
            dx = f(x) / jax.grad(f)(x)
            return x - dx, jnp.abs(dx)

        return lax.while_loop(lambda s: s[1] > 1e-12, body, (x0, jnp.inf))[0]

    def kepler(mean_anomaly, e):
        f = lambda E: E - e * jnp.sin(E) - mean_anomaly
        return lax.custom_root(f, mean_anomaly, newton, lambda g, y: y / g(1.0))

    def cg(matvec, b):
        def body(state):
            x, r, p, rs = state
            Ap = matvec(p)
            alpha = rs / (p @ Ap)
            x, r = x + alpha * p, r - alpha * Ap
            new = r @ r
            return x, r, r + (new / rs) * p, new

        x = jnp.zeros_like(b)
        return lax.while_loop(lambda s: s[3] > 1e-24, body, (x, b, b, b @ b))[0]

    def stiffness(k, u):
        pad = jnp.concatenate([jnp.zeros(1), u, jnp.zeros(1)])
        strain = jnp.diff(pad)
        force = k * strain
        return -jnp.diff(force)

    def compliance(k, b):
        u = lax.custom_linear_solve(functools.partial(stiffness, k), b, cg, symmetric=True)
        return b @ u

    def run(m, k, b):
        dE = jax.vmap(jax.grad(kepler, argnums=(0, 1)), (0, None))(m, 0.3)
        hess = jax.grad(jax.grad(kepler))(0.7, 0.3)
        return dE, hess, jax.value_and_grad(compliance)(k, b)

    return run, (jnp.linspace(0.1, 3.0, 5), jnp.linspace(1.0, 2.0, 7), jnp.ones(6))


@program
def gaussian_process(jax: Any) -> Any:
    """Marginal likelihood, its gradient and prediction."""
    jnp = jax.numpy
    sp = jax.scipy.linalg

    def rbf(params, x, y):
        d = (x[:, None, :] - y[None, :, :]) / jnp.exp(params["log_scale"])
        return jnp.exp(2 * params["log_amp"]) * jnp.exp(-0.5 * jnp.sum(d**2, axis=-1))

    def nll(params, x, y):
        K = rbf(params, x, x) + jnp.exp(2 * params["log_noise"]) * jnp.eye(x.shape[0])
        L = jnp.linalg.cholesky(K)
        alpha = sp.cho_solve((L, True), y)
        return 0.5 * y @ alpha + jnp.sum(jnp.log(jnp.diag(L))) + 0.5 * len(y) * jnp.log(2 * jnp.pi)

    def predict(params, x, y, new):
        K = rbf(params, x, x) + jnp.exp(2 * params["log_noise"]) * jnp.eye(len(x))
        factor = sp.cho_factor(K, lower=True)
        cross = rbf(params, x, new)
        mean = cross.T @ sp.cho_solve(factor, y)
        v = sp.solve_triangular(factor[0], cross, lower=True)
        return mean, jnp.exp(2 * params["log_amp"]) - jnp.sum(v**2, axis=0)

    def run(params, x, y, new):
        value, grads = jax.value_and_grad(nll)(params, x, y)
        return value, grads, predict(params, x, y, new)

    rng = np.random.RandomState(0)
    x = jnp.asarray(rng.uniform(-2, 2, (20, 2)))
    params = {"log_amp": 0.1, "log_scale": jnp.array([0.0, 0.2]), "log_noise": -1.0}
    return run, (params, x, jnp.sin(x[:, 0]) * x[:, 1], jnp.asarray(rng.uniform(-2, 2, (5, 2))))


@program
def kalman_parallel(jax: Any) -> Any:
    """Kalman filter as an associative scan, against the sequential one."""
    jnp, lax = jax.numpy, jax.lax
    F = jnp.array([[1.0, 0.1], [0.0, 1.0]])
    Q = 0.01 * jnp.eye(2)
    Hm = jnp.array([[1.0, 0.0]])
    R = jnp.array([[0.5]])

    def sequential(ys, m0, P0):
        def step(carry, y):
            m, P = carry
            m, P = F @ m, F @ P @ F.T + Q
            S = Hm @ P @ Hm.T + R
            K = jnp.linalg.solve(S, Hm @ P).T
            m = m + K @ (y - Hm @ m)
            P = P - K @ S @ K.T
            ll = -0.5 * ((y - Hm @ F @ carry[0]) ** 2 / S[0] + jnp.log(2 * jnp.pi * S[0]))[0]
            return (m, P), (m, P, ll)

        _, (ms, Ps, ll) = lax.scan(step, (m0, P0), ys)
        return ms, Ps, ll.sum()

    def element(m0, P0):
        def generic(y):
            S = Hm @ Q @ Hm.T + R
            K = jnp.linalg.solve(S, Hm @ Q.T).T
            A = F - K @ Hm @ F
            b = K @ y
            C = Q - K @ Hm @ Q
            rhs = F.T @ Hm.T
            eta = rhs @ jnp.linalg.solve(S, y)
            J = rhs @ jnp.linalg.solve(S, Hm @ F)
            return A, b, C, J, eta

        def first(y):
            m1, P1 = F @ m0, F @ P0 @ F.T + Q
            S = Hm @ P1 @ Hm.T + R
            K = jnp.linalg.solve(S, Hm @ P1).T
            return (
                jnp.zeros_like(F),
                m1 + K @ (y - Hm @ m1),
                P1 - K @ S @ K.T,
                jnp.zeros_like(F),
                jnp.zeros(2),
            )

        return first, generic

    @jax.vmap
    def combine(e1, e2):
        A1, b1, C1, J1, eta1 = e1
        A2, b2, C2, J2, eta2 = e2
        I = jnp.eye(2)
        D = jnp.linalg.inv(I + C1 @ J2)
        E = jnp.linalg.inv(I + J2 @ C1)
        return (
            A2 @ D @ A1,
            A2 @ D @ (b1 + C1 @ eta2) + b2,
            A2 @ D @ C1 @ A2.T + C2,
            A1.T @ E @ J2 @ A1 + J1,
            A1.T @ E @ (eta2 - J2 @ b1) + eta1,
        )

    def parallel(ys, m0, P0):
        first, generic = element(m0, P0)
        head = jax.tree.map(lambda a: a[None], first(ys[0]))
        rest = jax.vmap(generic)(ys[1:])
        elements = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), head, rest)
        _, ms, Ps, _, _ = lax.associative_scan(combine, elements)
        return ms, Ps

    ys = jnp.asarray(np.sin(np.arange(9) * 0.5)[:, None])

    def run(ys):
        return sequential(ys, jnp.zeros(2), jnp.eye(2)), parallel(ys, jnp.zeros(2), jnp.eye(2))

    return run, (ys,)


@program
def hmm(jax: Any) -> Any:
    """Forward algorithm in logarithms; posterior by gradients; Viterbi backwards."""
    jnp, lax = jax.numpy, jax.lax
    logsumexp = jax.scipy.special.logsumexp

    def log_softmax(x):
        return x - logsumexp(x, axis=-1, keepdims=True)

    def forward(params, obs):
        log_pi, log_A, log_B = (log_softmax(params[k]) for k in ("pi", "A", "B"))

        def step(alpha, o):
            alpha = logsumexp(alpha[:, None] + log_A, axis=0) + log_B[:, o]
            return alpha, alpha

        alpha0 = log_pi + log_B[:, obs[0]]
        last, alphas = lax.scan(step, alpha0, obs[1:])
        return logsumexp(last)

    def viterbi(params, obs):
        log_pi, log_A, log_B = (log_softmax(params[k]) for k in ("pi", "A", "B"))

        def step(delta, o):
            scores = delta[:, None] + log_A
            return scores.max(0) + log_B[:, o], jnp.argmax(scores, axis=0)

        delta, pointers = lax.scan(step, log_pi + log_B[:, obs[0]], obs[1:])
        last = jnp.argmax(delta)

        def back(state, ptr):
            previous = ptr[state]
            return previous, previous

        _, path = lax.scan(back, last, pointers, reverse=True)
        return jnp.append(path, last), delta.max()

    rng = np.random.RandomState(1)
    params = {k: jnp.asarray(rng.randn(*s)) for k, s in [("pi", (3,)), ("A", (3, 3)), ("B", (3, 5))]}
    obs = jnp.asarray(rng.randint(0, 5, 12))
    return lambda p, o: (jax.value_and_grad(forward)(p, o), viterbi(p, o)), (params, obs)


@program
def em_mixture(jax: Any) -> Any:
    """Expectation maximisation of a mixture until the likelihood stands still."""
    jnp, lax = jax.numpy, jax.lax
    logsumexp = jax.scipy.special.logsumexp

    class Mixture(NamedTuple):
        log_w: Any
        mu: Any
        sigma: Any

    def e_step(m, x):
        logp = m.log_w + jax.scipy.stats.norm.logpdf(x[:, None], m.mu, m.sigma)
        total = logsumexp(logp, axis=1)
        return jnp.exp(logp - total[:, None]), total.sum()

    def m_step(r, x):
        n = r.sum(0)
        mu = (r * x[:, None]).sum(0) / n
        var = (r * (x[:, None] - mu) ** 2).sum(0) / n
        return Mixture(jnp.log(n / len(x)), mu, jnp.sqrt(var + 1e-6))

    def fit(x, start):
        def cond(s):
            _, old, new, it = s
            return (jnp.abs(new - old) > 1e-8 * jnp.abs(new)) & (it < 200)

        def body(s):
            m, _, old, it = s
            r, ll = e_step(m, x)
            return m_step(r, x), old, ll, it + 1

        return lax.while_loop(cond, body, (start, -jnp.inf, -1e300, 0))

    rng = np.random.RandomState(2)
    x = np.concatenate([rng.randn(30) - 2, 0.5 * rng.randn(20) + 1.5])
    start = Mixture(jnp.log(jnp.array([0.5, 0.5])), jnp.array([-1.0, 1.0]), jnp.ones(2))
    return fit, (jnp.asarray(x), start)


@program
def levenberg_marquardt(jax: Any) -> Any:
    """Curve fitting with jacfwd in a while loop."""
    jnp, lax = jax.numpy, jax.lax

    def model(theta, t):
        a, b, c = theta
        return a * jnp.exp(-b * t) + c

    def fit(theta, t, y):
        residual = lambda th: model(th, t) - y
        jac = jax.jacfwd(residual)

        def body(s):
            theta, lam, cost, it, _ = s
            J, r = jac(theta), residual(theta)
            A = J.T @ J
            g = J.T @ r
            step = jnp.linalg.solve(A + lam * jnp.diag(jnp.diag(A)), g)
            new = theta - step
            new_cost = 0.5 * jnp.sum(residual(new) ** 2)
            better = new_cost < cost
            theta, lam, cost = lax.cond(
                better, lambda: (new, lam / 3, new_cost), lambda: (theta, lam * 2, cost)
            )
            return theta, lam, cost, it + 1, jnp.linalg.norm(g)

        start = (theta, 1e-2, 0.5 * jnp.sum(residual(theta) ** 2), 0, jnp.array(jnp.inf))
        return lax.while_loop(lambda s: (s[4] > 1e-3) & (s[3] < 50), body, start)[:4]

    t = np.linspace(0, 4, 25)
    y = 2.5 * np.exp(-1.3 * t) + 0.5 + 0.01 * np.cos(20 * t)
    return fit, (jnp.array([1.0, 1.0, 0.0]), jnp.asarray(t), jnp.asarray(y))


@program
def bfgs(jax: Any) -> Any:
    """BFGS with backtracking line search: a while loop in a while loop."""
    jnp, lax = jax.numpy, jax.lax

    class State(NamedTuple):
        x: Any
        f: Any
        g: Any
        H: Any
        k: Any

    def rosenbrock(x):
        return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    def minimise(fun, x0):
        vg = jax.value_and_grad(fun)
        f0, g0 = vg(x0)

        def line_search(s, p):
            slope = s.g @ p
            fails = lambda t: fun(s.x + t * p) > s.f + 1e-4 * t * slope
            return lax.while_loop(lambda t: fails(t) & (t > 1e-10), lambda t: 0.5 * t, 1.0)

        def body(s):
            p = -s.H @ s.g
            t = line_search(s, p)
            x = s.x + t * p
            f, g = vg(x)
            dx, dg = x - s.x, g - s.g
            rho = 1.0 / jnp.vdot(dg, dx)
            I = jnp.eye(len(x))
            V = I - rho * jnp.outer(dx, dg)
            H = jnp.where(jnp.isfinite(rho) & (rho > 0), V @ s.H @ V.T + rho * jnp.outer(dx, dx), s.H)
            return State(x, f, g, H, s.k + 1)

        start = State(x0, f0, g0, jnp.eye(len(x0)), 0)
        return lax.while_loop(lambda s: (jnp.max(jnp.abs(s.g)) > 1e-6) & (s.k < 12), body, start)

    return functools.partial(minimise, rosenbrock), (jnp.array([-1.2, 1.0, 0.5]),)


@program
def adam(jax: Any) -> Any:
    """Adam on a tree of parameters with a cosine schedule; per-example gradients clipped."""
    jnp, lax, random = jax.numpy, jax.lax, jax.random
    tree_map = jax.tree_util.tree_map

    def init_mlp(sizes, key):
        keys = random.split(key, len(sizes))
        return [
            {"w": random.normal(k, (m, n)) / jnp.sqrt(m), "b": jnp.zeros((n,))}
            for k, m, n in zip(keys, sizes[:-1], sizes[1:])
        ]

    def predict(params, x):
        for layer in params[:-1]:
            x = jnp.maximum(x @ layer["w"] + layer["b"], 0)
        return x @ params[-1]["w"] + params[-1]["b"]

    def loss(params, x, label):
        logits = predict(params, x)
        return jax.scipy.special.logsumexp(logits) - logits[label]

    def clipped(params, xs, labels):
        def one(x, label):
            g = jax.grad(loss)(params, x, label)
            norm = jnp.sqrt(sum(jnp.sum(l**2) for l in jax.tree_util.tree_leaves(g)))
            return tree_map(lambda l: l / jnp.maximum(norm, 1.0), g)

        return tree_map(lambda g: g.mean(0), jax.vmap(one)(xs, labels))

    def update(state, grads, lr, b1=0.9, b2=0.999, eps=1e-8):
        params, m, v, t = state
        t = t + 1
        m = tree_map(lambda m, g: b1 * m + (1 - b1) * g, m, grads)
        v = tree_map(lambda v, g: b2 * v + (1 - b2) * g**2, v, grads)
        scale = lr * jnp.sqrt(1 - b2**t) / (1 - b1**t)
        params = tree_map(lambda p, m, v: p - scale * m / (jnp.sqrt(v) + eps), params, m, v)
        return params, m, v, t

    def train(key):
        k1, k2, k3 = random.split(key, 3)
        params = init_mlp([4, 6, 3], k1)
        xs = random.normal(k2, (16, 4))
        labels = random.randint(k3, (16,), 0, 3)
        zeros = tree_map(jnp.zeros_like, params)

        def step(i, state):
            lr = 0.01 * 0.5 * (1 + jnp.cos(jnp.pi * i / 20))
            return update(state, clipped(state[0], xs, labels), lr)

        return lax.fori_loop(0, 20, step, (params, zeros, zeros, 0))

    return train, (random.key(5),)


@program
def ising(jax: Any) -> Any:
    """Metropolis of the Ising model: single spin flips by .at, then checkerboard sweeps."""
    jnp, lax, random = jax.numpy, jax.lax, jax.random
    L = 8

    def single(spins, key, beta, n):
        def flip(i, state):
            spins, key = state
            key, k1, k2 = random.split(key, 3)
            x, y = random.randint(k1, (2,), 0, L)
            around = spins[(x + 1) % L, y] + spins[x - 1, y] + spins[x, (y + 1) % L] + spins[x, y - 1]
            delta = 2 * spins[x, y] * around
            accept = random.uniform(k2) < jnp.exp(-beta * delta)
            return spins.at[x, y].multiply(jnp.where(accept, -1, 1)), key

        return lax.fori_loop(0, n, flip, (spins, key))

    mask = (jnp.arange(L)[:, None] + jnp.arange(L)) % 2 == 0

    def sweep(spins, key):
        for colour, k in zip((mask, ~mask), random.split(key)):
            around = sum(jnp.roll(spins, s, a) for s in (1, -1) for a in (0, 1))
            accept = random.uniform(k, spins.shape) < jnp.exp(-2 * 0.4 * spins * around)
            spins = jnp.where(accept & colour, -spins, spins)
        return spins, spins.sum()

    def run(key):
        k1, k2, k3 = random.split(key, 3)
        spins = 2 * random.bernoulli(k1, 0.5, (L, L)).astype(jnp.int32) - 1
        spins, _ = single(spins, k2, 0.4, 40)
        return lax.scan(sweep, spins, random.split(k3, 10))

    return run, (random.key(7),)


@program
def alignment(jax: Any) -> Any:
    """Needleman-Wunsch in nested fori_loops, its smooth version and gradient; batched."""
    jnp, lax = jax.numpy, jax.lax

    def align(a, b, score, gap, smooth_max):
        n, m = len(a), len(b)
        table = jnp.zeros((n + 1, m + 1))
        table = table.at[:, 0].set(-gap * jnp.arange(n + 1)).at[0, :].set(-gap * jnp.arange(m + 1))

        def row(i, table):
            def column(j, table):
                options = jnp.stack(
                    [
                        table[i - 1, j - 1] + score[a[i - 1], b[j - 1]],
                        table[i - 1, j] - gap,
                        table[i, j - 1] - gap,
                    ]
                )
                return table.at[i, j].set(smooth_max(options))

            return lax.fori_loop(1, m + 1, column, table)

        return lax.fori_loop(1, n + 1, row, table)[n, m]

    def run(a, b, score):
        hard = align(a, b, score, 1.0, jnp.max)
        soft = lambda a, b, s: align(a, b, s, 1.0, jax.scipy.special.logsumexp)
        return (
            hard,
            jax.value_and_grad(soft, argnums=2)(a, b, score),
            jax.vmap(soft, (None, 0, None))(a, jnp.stack([b, b[::-1]]), score),
        )

    score = 2.0 * np.eye(4) - 1.0
    return run, (jnp.array([0, 1, 2, 3, 1, 0]), jnp.array([1, 2, 2, 3, 0]), jnp.asarray(score))


@program
def n_body(jax: Any) -> Any:
    """Gravitation: forces as a gradient of the energy, velocity Verlet by scan."""
    jnp, lax = jax.numpy, jax.lax

    def energy(x, m):
        i, j = jnp.triu_indices(len(m), k=1)
        r = jnp.linalg.norm(x[i] - x[j], axis=-1)
        return -jnp.sum(m[i] * m[j] / jnp.sqrt(r**2 + 0.01))

    force = jax.grad(lambda x, m: -energy(x, m))

    @functools.partial(jax.jit, static_argnames=("n",))
    def simulate(x, v, m, dt=0.01, n=10):
        def step(carry, _):
            x, v, a = carry
            x = x + v * dt + 0.5 * a * dt**2
            new = force(x, m) / m[:, None]
            v = v + 0.5 * (a + new) * dt
            total = energy(x, m) + 0.5 * jnp.sum(m[:, None] * v**2)
            return (x, v, new), (x, total)

        return lax.scan(step, (x, v, force(x, m) / m[:, None]), None, length=n)

    def run(x, v, m):
        (x1, v1, _), (path, total) = simulate(x, v, m, n=30)
        sensitivity = jax.jacrev(lambda v: simulate(x, v, m, n=5)[0][0][0])(v)
        return x1, v1, path[-1], total, sensitivity

    rng = np.random.RandomState(3)
    return run, (
        jnp.asarray(rng.randn(5, 3)),
        jnp.asarray(0.1 * rng.randn(5, 3)),
        jnp.asarray(rng.rand(5) + 0.5),
    )


@program
def heat(jax: Any) -> Any:
    """Heat equation: explicit scheme, Crank-Nicolson by tridiagonal scans, inverse problem by gradient."""
    jnp, lax = jax.numpy, jax.lax

    def laplacian(u):
        return jnp.roll(u, 1, 0) + jnp.roll(u, -1, 0) + jnp.roll(u, 1, 1) + jnp.roll(u, -1, 1) - 4 * u

    def explicit(u, kappa, n=20):
        return lax.fori_loop(
            0, n, lambda i, u: u.at[1:-1, 1:-1].add(0.2 * (kappa * laplacian(u))[1:-1, 1:-1]), u
        )

    def thomas(a, b, c, d):
        def forward(carry, row):
            cp, dp = carry
            a, b, c, d = row
            w = b - a * cp
            return (c / w, (d - a * dp) / w), (c / w, (d - a * dp) / w)

        _, (cp, dp) = lax.scan(forward, (0.0, 0.0), (a, b, c, d))

        def back(x, row):
            cp, dp = row
            x = dp - cp * x
            return x, x

        return lax.scan(back, 0.0, (cp, dp), reverse=True)[1]

    def crank_nicolson(u, r):
        n = u.shape[0]
        a = jnp.full(n, -r / 2).at[0].set(0.0)
        c = jnp.full(n, -r / 2).at[-1].set(0.0)
        b = jnp.full(n, 1 + r)

        def step(u, _):
            rhs = (1 - r) * u + r / 2 * (jnp.pad(u[:-1], (1, 0)) + jnp.pad(u[1:], (0, 1)))
            return thomas(a, b, c, rhs), None

        return lax.scan(step, u, None, length=4)[0]

    def run(u, r):
        target = explicit(u, 0.7)
        misfit = lambda kappa: jnp.mean((explicit(u, kappa) - target) ** 2)
        return target, jax.value_and_grad(misfit)(0.4), jax.jvp(crank_nicolson, (u[3], r), (u[4], 1.0))

    rng = np.random.RandomState(4)
    return run, (jnp.asarray(rng.rand(10, 12)), 0.5)


@program
def remat_scan(jax: Any) -> Any:
    """Deep residual stack: checkpoint in scan, with a policy, in float32."""
    jnp, lax, random = jax.numpy, jax.lax, jax.random

    def block(x, params):
        w1, w2 = params
        return x + jnp.tanh(x @ w1) @ w2

    def network(body, params, x):
        x, norms = lax.scan(lambda x, p: (body(x, p), jnp.linalg.norm(x)), x, params)
        return jnp.sum(x**2) + norms.mean()

    def run(params, x):
        plain = jax.grad(functools.partial(network, block))(params, x)
        ck = jax.value_and_grad(functools.partial(network, jax.checkpoint(block)))(params, x)
        policy = jax.checkpoint_policies.dots_with_no_batch_dims_saveable
        dots = jax.grad(functools.partial(network, jax.remat(block, policy=policy)), argnums=1)(params, x)
        return plain, ck, dots

    k1, k2, k3 = random.split(random.key(0), 3)
    params = (0.1 * random.normal(k1, (6, 5, 7), "float32"), 0.1 * random.normal(k2, (6, 7, 5), "float32"))
    return run, (params, random.normal(k3, (3, 5), "float32"))


@program
def cookbook(jax: Any) -> Any:
    """The topics of an autodiff tutorial: gradients, HVPs, Jacobians, Hessians, complex, straight-through."""
    jnp = jax.numpy
    from_ = jax.random

    def sigmoid(x):
        return 0.5 * (jnp.tanh(x / 2) + 1)

    def predict(W, b, inputs):
        return sigmoid(jnp.dot(inputs, W) + b)

    inputs = jnp.array([[0.52, 1.12, 0.77], [0.88, -1.08, 0.15], [0.52, 0.06, -1.30], [0.74, -2.49, 1.39]])
    targets = jnp.array([True, True, False, True])

    def loss(W, b):
        preds = predict(W, b, inputs)
        return -jnp.sum(jnp.log(preds * targets + (1 - preds) * (1 - targets)))

    def hvp_fr(f, x, v):
        return jax.jvp(jax.grad(f), (x,), (v,))[1]

    def hvp_rr(f, x, v):
        return jax.grad(lambda x: jnp.vdot(jax.grad(f)(x), v))(x)

    def hvp_rf(f, x, v):
        return jax.grad(lambda x: jax.jvp(f, (x,), (v,))[1])(x)

    def straight_through(x):
        return x + jax.lax.stop_gradient(jnp.round(x) - x)

    def vmjp(f, x, M):
        _, pull = jax.vjp(f, x)
        (out,) = jax.vmap(pull)(M)
        return out

    def run(W, b):
        f = lambda W: loss(W, b)
        J1 = jax.jacfwd(lambda W: predict(W, b, inputs))(W)
        J2 = jax.jacrev(lambda W: predict(W, b, inputs))(W)
        z = jax.grad(lambda z: jnp.real(jnp.cosh(z) * jnp.exp(1j * z)))(1.0 + 2.0j)
        holo = jax.grad(jnp.sin, holomorphic=True)(0.3 + 0.2j)
        per_example = jax.vmap(jax.grad(lambda W, x: predict(W, b, x)), (None, 0))(W, inputs)
        third = jax.grad(jax.grad(jax.grad(jnp.tanh)))(2.0)
        ste = jax.grad(lambda x: jnp.sum(straight_through(x) ** 2))(jnp.array([0.4, 1.6]))
        lin_y, f_lin = jax.linearize(f, W)
        return {
            "grads": jax.grad(loss, (0, 1))(W, b),
            "hvps": (hvp_fr(f, W, W), hvp_rr(f, W, W), hvp_rf(f, W, W), jax.hessian(f)(W) @ W),
            "jacobians": (J1, J2),
            "complex": (z, holo),
            "per_example": per_example,
            "third": third,
            "ste": ste,
            "linear": (lin_y, f_lin(W)),
            "vmjp": vmjp(lambda W: predict(W, b, inputs), W, jnp.eye(4)),
            "hess_tree": jax.hessian(lambda p: jnp.sum(jnp.sin(p["a"]) * p["b"]))({"a": W, "b": 2 * W}),
        }

    k1, k2 = from_.split(from_.key(0))
    return run, (from_.normal(k1, (3,)), from_.normal(k2, ()))


@program
def custom_rules(jax: Any) -> Any:
    """Custom derivative rules: log1pexp, clipped gradients, fixed point with residuals, debug of gradients."""
    jnp, lax = jax.numpy, jax.lax

    @jax.custom_jvp
    def log1pexp(x):
        return jnp.log(1.0 + jnp.exp(x))

    @log1pexp.defjvp
    def log1pexp_jvp(primals, tangents):
        (x,), (t,) = primals, tangents
        return log1pexp(x), (1 - 1 / (1 + jnp.exp(x))) * t

    @jax.custom_jvp
    def f(x, y):
        return x**2 * y

    f.defjvps(lambda t, ans, x, y: 2 * x * y * t, None)

    @functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
    def clip_gradient(lo, hi, x):
        return x

    clip_gradient.defvjp(lambda lo, hi, x: (x, None), lambda lo, hi, _, g: (jnp.clip(g, lo, hi),))

    @functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
    def fixed_point(g, a, x_guess):
        def cond(c):
            return jnp.abs(c[0] - c[1]) > 1e-10

        return lax.while_loop(cond, lambda c: (c[1], g(a, c[1])), (x_guess, g(a, x_guess)))[1]

    def fwd(g, a, x0):
        x = fixed_point(g, a, x0)
        return x, (a, x)

    def rev(g, res, x_bar):
        a, x = res
        _, vjp_a = jax.vjp(lambda a: g(a, x), a)
        _, vjp_x = jax.vjp(lambda x: g(a, x), x)
        adj = fixed_point(lambda b, u: x_bar + vjp_x(u)[0], 0.0, x_bar)
        return vjp_a(adj)[0], jnp.zeros_like(x)

    fixed_point.defvjp(fwd, rev)
    newton_sqrt = lambda a: fixed_point(lambda a, x: 0.5 * (x + a / x), a, a)

    def run(x):
        return (
            jax.vmap(jax.grad(log1pexp))(x * 100),
            jax.grad(jax.grad(log1pexp))(0.3),
            jax.jacfwd(f, (0, 1))(2.0, 3.0),
            jax.grad(lambda x: jnp.sum(jnp.sin(clip_gradient(-0.75, 0.75, x))))(x),
            jax.value_and_grad(newton_sqrt)(2.0),
            jax.vmap(jax.grad(newton_sqrt))(x + 2),
        )

    return run, (jnp.array([0.1, 0.5, 1.5]),)


@program
def control_flow(jax: Any) -> Any:
    """cond, switch, nested loops, dynamic slices, collatz, sieve, histogram by segment."""
    jnp, lax = jax.numpy, jax.lax

    def collatz(n):
        def step(s):
            n, k = s
            return lax.cond(n % 2 == 0, lambda n: n // 2, lambda n: 3 * n + 1, n), k + 1

        return lax.while_loop(lambda s: s[0] != 1, step, (n, 0))[1]

    def sieve(n):
        def strike(i, flags):
            return lax.cond(
                flags[i],
                lambda f: jnp.where((jnp.arange(n) % i == 0) & (jnp.arange(n) > i), False, f),
                lambda f: f,
                flags,
            )

        return lax.fori_loop(2, int(n**0.5) + 1, strike, jnp.arange(n) > 1)

    def power_iteration(A):
        def body(v, _):
            w = A @ v
            w = w / jnp.linalg.norm(w)
            return w, w @ A @ w

        return lax.scan(body, jnp.ones(A.shape[0]), None, length=15)

    def moving(x, w):
        return jax.vmap(lambda i: lax.dynamic_slice_in_dim(x, i, w).mean())(jnp.arange(x.shape[0] - w + 1))

    branches = [jnp.sin, lambda x: x**2, lambda x: jnp.zeros_like(x)]

    def run(A, x):
        return {
            "collatz": jax.vmap(collatz)(jnp.arange(1, 12)),
            "primes": sieve(50),
            "power": power_iteration(A),
            "moving": moving(x, 3),
            "switch": [lax.switch(i, branches, x) for i in range(3)],
            "switch_batched": jax.vmap(lambda i, x: lax.switch(i, branches, x))(jnp.arange(5) % 4, x[:5]),
            "switch_grad": jax.vmap(jax.grad(lambda x, i: lax.switch(i, branches, x)), (0, 0))(
                x[:3], jnp.arange(3)
            ),
            "map": lax.map(lambda r: jnp.sort(r)[-2], A),
            "cumulative": lax.associative_scan(jnp.maximum, x),
            "reduce": lax.reduce(x, 0.0, lax.add, (0,)),
        }

    A = np.random.RandomState(0).rand(4, 4)
    return run, (jnp.asarray(A + A.T), jnp.linspace(-1, 2, 9))


@program
def pytrees(jax: Any) -> Any:
    """Registered classes, keys with paths, transposed trees, ravel, in jit, grad, vmap and scan."""
    jnp, lax, tu = jax.numpy, jax.lax, jax.tree_util
    ravel_pytree = import_module(jax.__name__ + ".flatten_util").ravel_pytree

    @tu.register_pytree_node_class
    class Special:
        def __init__(self, x, y, name):
            self.x, self.y, self.name = x, y, name

        def tree_flatten(self):
            return (self.x, self.y), self.name

        @classmethod
        def tree_unflatten(cls, name, children):
            return cls(*children, name)

    @functools.partial(tu.register_dataclass, data_fields=["w", "b"], meta_fields=["act"])
    @dataclasses.dataclass
    class Dense:
        w: Any
        b: Any
        act: str = "tanh"

        def __call__(self, x):
            return getattr(jnp, self.act)(x @ self.w + self.b)

    Point = namedtuple("Point", ["u", "v"])

    def run(s, layer, x):
        tree = {"s": Special(*s, "hi"), "p": Point(x, [x.sum(), None])}
        doubled = tu.tree_map(lambda l: l * 2, tree)
        g = jax.grad(lambda l: jnp.sum(l(x)))(Dense(*layer))
        flat, unravel = ravel_pytree((tree, layer))
        back = unravel(flat + 1)
        paths = [tu.keystr(k) for k, _ in tu.tree_leaves_with_path(doubled)]
        assert paths == ["['p'].u", "['p'].v[0]", "['s'][<flat index 0>]", "['s'][<flat index 1>]"], paths
        out, hist = lax.scan(lambda c, _: (tu.tree_map(jnp.cos, c), c["p"].u), tree, None, length=3)
        batched = jax.vmap(lambda t, y: t["p"].u * y, in_axes=({"s": None, "p": Point(0, None)}, 0))(tree, x)
        moved = tu.tree_transpose(tu.tree_structure((0, 0)), tu.tree_structure([0, 0]), ([x, x], [x, x]))
        total = tu.tree_reduce(lambda a, b: a + jnp.sum(b), doubled, 0.0)
        return (
            tu.tree_leaves(doubled),
            (g.w, g.b),
            flat,
            tu.tree_leaves(back),
            hist,
            batched,
            moved,
            total,
            tu.tree_leaves(out),
        )

    rng = np.random.RandomState(0)
    return run, (
        (jnp.arange(3.0), 2.0),
        (jnp.asarray(rng.randn(4, 2)), jnp.zeros(2)),
        jnp.asarray(rng.randn(4)),
    )


@program
def collectives(jax: Any) -> Any:
    """Batch normalisation, all-gather attention and ring sums over a named axis of vmap."""
    jnp, lax = jax.numpy, jax.lax

    def batch_norm(x):
        mean = lax.pmean(x, "batch")
        var = lax.pmean((x - mean) ** 2, "batch")
        return (x - mean) / jnp.sqrt(var + 1e-5)

    def loss(w, x):
        return lax.psum(jnp.sum(batch_norm(x @ w) ** 3), "batch")

    def ring(x):
        n = lax.psum(1, "i")
        shifted = lax.ppermute(x, "i", [(j, (j + 1) % n) for j in range(n)])
        return shifted + lax.axis_index("i") * lax.all_gather(x, "i").sum()

    def logsumexp(x):
        top = lax.pmax(x, "i")
        return jnp.log(lax.psum(jnp.exp(x - top), "i")) + top

    def run(w, x):
        return (
            jax.vmap(batch_norm, axis_name="batch")(x),
            jax.vmap(jax.value_and_grad(loss), (None, 0), axis_name="batch")(w, x),
            jax.vmap(ring, axis_name="i")(x[:, 0]),
            jax.vmap(jax.vmap(lambda x: lax.psum(x, ("i", "j")), axis_name="j"), axis_name="i")(x),
            jax.vmap(logsumexp, axis_name="i", out_axes=None)(x[:, 1]),
            jax.vmap(lambda x: lax.all_to_all(x, "i", 0, 0), axis_name="i")(x[:3, :3]),
        )

    rng = np.random.RandomState(0)
    return run, (jnp.asarray(rng.randn(3, 2)), jnp.asarray(rng.randn(5, 3)))


@program
def callbacks(jax: Any) -> Any:
    """SciPy in a program by pure_callback with a derivative of its own; prints."""
    jnp, lax = jax.numpy, jax.lax

    @jax.custom_jvp
    def jv(v, z):
        v, z = jnp.asarray(v), jnp.asarray(z)
        shape = jax.ShapeDtypeStruct(jnp.broadcast_shapes(v.shape, z.shape), z.dtype)
        return jax.pure_callback(
            lambda v, z: scipy.special.jv(v, z).astype(z.dtype),
            shape,
            v.astype(z.dtype),
            z,
            vmap_method="broadcast_all",
        )

    @jv.defjvp
    def jv_jvp(primals, tangents):
        v, z = primals
        _, dz = tangents
        below, above = jv(jnp.asarray(v) - 1, z), jv(jnp.asarray(v) + 1, z)
        return jv(v, z), dz * jnp.where(jnp.asarray(v) == 0, -above, 0.5 * (below - above))

    def run(z):
        jax.debug.print("z[0] = {x:.3f}", x=z[0])
        total = lax.fori_loop(0, 3, lambda n, t: t + jv(n, z), jnp.zeros_like(z))
        return (
            jv(1, z),
            jax.vmap(jax.grad(lambda z: jv(2, z)))(z),
            jax.vmap(jax.grad(jax.grad(lambda z: jv(0, z))))(z),
            total,
        )

    return run, (jnp.linspace(0.5, 4.0, 4),)


@program
def references(jax: Any) -> Any:
    """Mutable arrays as accumulators in jit, fori_loop and cond."""
    jnp, lax = jax.numpy, jax.lax

    def run(x):
        table = jax.new_ref(jnp.zeros((3, 4)))
        count = jax.new_ref(0)

        def body(i, total):
            table[i] = x * i
            table[i, 1] += 1.0
            count[...] += 1
            lax.cond(i == 1, lambda: count.__setitem__(..., count[...] + 10), lambda: None)
            return total + table[i].sum()

        total = lax.fori_loop(0, 3, body, 0.0)
        return total, table[...], count[...]

    return run, (jnp.arange(4.0),)


@program
def sde(jax: Any) -> Any:
    """Euler-Maruyama of a stochastic volatility model: option price, pathwise Greeks, antithetic, in float32."""
    jnp, lax, random = jax.numpy, jax.lax, jax.random

    def path(params, key):
        s0, v0, kappa, theta, xi, rho = params

        def step(carry, z):
            s, v = carry
            z1, z2 = z[0], rho * z[0] + jnp.sqrt(1 - rho**2) * z[1]
            vp = jnp.maximum(v, 0.0)
            s = s * jnp.exp(-0.5 * vp * 0.05 + jnp.sqrt(vp * 0.05 + 1e-12) * z1)
            v = v + kappa * (theta - vp) * 0.05 + xi * jnp.sqrt(vp * 0.05 + 1e-12) * z2
            return (s, v), s

        z = random.normal(key, (20, 2), dtype=jnp.float32)
        both = [lax.scan(step, (s0, v0), e * z)[1] for e in (1, -1)]
        return jnp.stack(both)

    def price(params, key):
        paths = jax.vmap(path, (None, 0))(params, random.split(key, 32))
        return jnp.mean(jnp.maximum(paths[..., -1] - 1.0, 0.0)), jnp.quantile(
            paths[..., -1], jnp.array([0.05, 0.5])
        )

    params = tuple(jnp.float32(p) for p in (1.0, 0.04, 1.5, 0.04, 0.3, -0.6))
    return jax.value_and_grad(price, has_aux=True), (params, random.key(11))


@program
def logistic_newton(jax: Any) -> Any:
    """Logistic regression by Newton with jax.hessian; Laplace evidence; influence by implicit differentiation."""
    jnp, lax = jax.numpy, jax.lax

    def objective(w, x, y, lam):
        logits = x @ w
        return jnp.sum(jnp.logaddexp(0.0, logits) - y * logits) + 0.5 * lam * w @ w

    def fit(x, y, lam):
        def step(w, _):
            g = jax.grad(objective)(w, x, y, lam)
            H = jax.hessian(objective)(w, x, y, lam)
            return w - jnp.linalg.solve(H, g), jnp.linalg.norm(g)

        return lax.scan(step, jnp.zeros(x.shape[1]), None, length=6)

    def evidence(lam, x, y):
        w, _ = fit(x, y, lam)
        H = jax.hessian(objective)(w, x, y, lam)
        sign, logdet = jnp.linalg.slogdet(H)
        return -objective(w, x, y, lam) - 0.5 * logdet + 0.5 * len(w) * jnp.log(lam)

    def run(x, y, lams):
        w, norms = fit(x, y, 1.0)
        return w, norms, jax.vmap(jax.value_and_grad(evidence), (0, None, None))(lams, x, y)

    rng = np.random.RandomState(0)
    x = rng.randn(24, 3)
    y = (x @ np.array([1.0, -2.0, 0.5]) + 0.3 * rng.randn(24) > 0).astype(float)
    return run, (jnp.asarray(x), jnp.asarray(y), jnp.array([0.1, 1.0, 10.0]))


@program
def particle_filter(jax: Any) -> Any:
    """Bootstrap particle filter with systematic resampling, segment sums and choice."""
    jnp, lax, random = jax.numpy, jax.lax, jax.random

    def resample(key, log_w):
        w = jnp.exp(log_w - jax.scipy.special.logsumexp(log_w))
        n = w.shape[0]
        points = (jnp.arange(n) + random.uniform(key)) / n
        return jnp.searchsorted(jnp.cumsum(w), points).clip(0, n - 1)

    def step(carry, inputs):
        particles, log_z = carry
        y, key = inputs
        k1, k2 = random.split(key)
        particles = 0.9 * particles + 0.5 * random.normal(k1, particles.shape)
        log_w = jax.scipy.stats.norm.logpdf(y, particles, 0.3)
        log_z = log_z + jax.scipy.special.logsumexp(log_w) - jnp.log(len(particles))
        index = resample(k2, log_w)
        ess = 1 / jnp.sum(jnp.exp(2 * (log_w - jax.scipy.special.logsumexp(log_w))))
        counts = jnp.zeros(len(particles), int).at[index].add(1)
        return (particles[index], log_z), (particles.mean(), ess, counts.max())

    def run(ys, key):
        k1, k2, k3 = random.split(key, 3)
        start = (random.normal(k1, (40,)), 0.0)
        (particles, log_z), out = lax.scan(step, start, (ys, random.split(k2, len(ys))))
        picked = random.choice(k3, particles, (5,), replace=False)
        return log_z, out, picked, random.permutation(k3, 6), jnp.histogram(particles, bins=4)

    return run, (jnp.asarray(np.sin(np.arange(8) * 0.7)), random.key(2))


@program
def k_means_pca(jax: Any) -> Any:
    """k-means until labels stand still; principal components by SVD; QR; distances by einsum."""
    jnp, lax = jax.numpy, jax.lax

    def k_means(x, centres):
        def assign(c):
            d = jnp.einsum("nd,nd->n", x, x)[:, None] - 2 * jnp.einsum("nd,kd->nk", x, c) + jnp.sum(c**2, 1)
            return jnp.argmin(d, axis=1)

        def body(s):
            c, labels, _ = s
            hot = (labels[:, None] == jnp.arange(len(c))).astype(x.dtype)
            new = jnp.where(hot.sum(0)[:, None] > 0, hot.T @ x / jnp.maximum(hot.sum(0), 1)[:, None], c)
            new_labels = assign(new)
            return new, new_labels, jnp.any(new_labels != labels)

        return lax.while_loop(lambda s: s[2], body, (centres, assign(centres), True))

    def pca(x):
        x = x - x.mean(0)
        u, s, vt = jnp.linalg.svd(x, full_matrices=False)
        q, r = jnp.linalg.qr(x)
        w, v = jnp.linalg.eigh(x.T @ x)
        return s**2 / jnp.sum(s**2), jnp.abs(vt), w, jnp.abs(r), jnp.cov(x, rowvar=False)

    def run(x, c):
        spread = jax.grad(lambda x: jnp.sum(jnp.linalg.svd(x, compute_uv=False)[:2]))(x)
        return k_means(x, c), pca(x), spread

    rng = np.random.RandomState(5)
    x = np.concatenate([rng.randn(10, 3) + 3, rng.randn(12, 3) - 2, rng.randn(8, 3) * 0.5])
    return run, (jnp.asarray(x), jnp.asarray(x[:3]))


@program
def game_of_life(jax: Any) -> Any:
    """Cellular automaton in integers and booleans: scan, where, roll, bit counts, uint8."""
    jnp, lax = jax.numpy, jax.lax

    def step(board, _):
        neighbours = sum(
            jnp.roll(board, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)
        )
        board = ((neighbours == 3) | ((board == 1) & (neighbours == 2))).astype(jnp.uint8)
        return board, (board.sum(), lax.population_count(board).max())

    def rule110(cells, _):
        left, right = jnp.roll(cells, 1), jnp.roll(cells, -1)
        pattern = (left << 2) | (cells << 1) | right
        return (110 >> pattern) & 1, pattern

    def run(board):
        return lax.scan(step, board, None, length=12), lax.scan(rule110, board[0].astype(jnp.int32), length=6)

    return run, (jnp.asarray(np.random.RandomState(0).randint(0, 2, (9, 11)), dtype=jnp.uint8),)


@program
def spectral_flow(jax: Any) -> Any:
    """Complex dynamics: Schroedinger by split steps with a DFT matrix, expm, unitarity, Wirtinger gradient."""
    jnp, lax = jax.numpy, jax.lax
    n = 16

    def run(psi, strength):
        x = jnp.linspace(-4, 4, n, endpoint=False)
        k = 2 * jnp.pi * jnp.arange(n) / n
        dft = jnp.exp(-1j * jnp.outer(jnp.arange(n), k)) / jnp.sqrt(n)
        kinetic = jnp.exp(-0.5j * 0.05 * jnp.minimum(k, 2 * jnp.pi - k) ** 2)

        def evolve(psi, strength):
            v = jnp.exp(-0.5j * 0.05 * strength * x**2)

            def step(psi, _):
                psi = v * (dft.conj().T @ (kinetic * (dft @ (v * psi))))
                return psi, jnp.sum(x * jnp.abs(psi) ** 2)

            return lax.scan(step, psi, length=10)

        final, mean = evolve(psi, strength)
        hamiltonian = jnp.diag(x**2) - jnp.eye(n, k=1) - jnp.eye(n, k=-1)
        u = jax.scipy.linalg.expm(-0.1j * hamiltonian)
        g = jax.grad(lambda s: evolve(psi, s)[1][-1])(strength)
        wirtinger = jax.grad(lambda p: jnp.sum(jnp.abs(evolve(p, strength)[0]) ** 4))(psi)
        return final, mean, u @ psi, g, wirtinger

    x = np.linspace(-4, 4, n, endpoint=False)
    psi = np.exp(-((x - 1) ** 2) + 1j * x)
    return run, (jnp.asarray(psi / np.linalg.norm(psi)), 1.0)


@program
def attention(jax: Any) -> Any:
    """Transformer block with masks, layer norm and a key-value cache decoded by scan; float32 and bfloat16."""
    jnp, lax, random = jax.numpy, jax.lax, jax.random
    D, heads, T = 8, 2, 6

    def softmax(x):
        x = jnp.exp(x - lax.stop_gradient(x.max(-1, keepdims=True)))
        return x / x.sum(-1, keepdims=True)

    def norm(x, g):
        return (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-6) * g

    def block(p, x):
        q, k, v = jnp.einsum("td,dchk->cthk", norm(x, p["g"]), p["qkv"])
        scores = jnp.einsum("thk,shk->hts", q, k) / jnp.sqrt(D / heads).astype(x.dtype)
        scores = jnp.where(jnp.tril(jnp.ones((len(x), len(x)), bool)), scores, jnp.finfo(x.dtype).min)
        return x + jnp.einsum("hts,shk,hkd->td", softmax(scores), v, p["out"])

    def decode(p, xs):
        def step(cache, inputs):
            i, x = inputs
            q, k, v = jnp.einsum("d,dchk->chk", norm(x, p["g"]), p["qkv"])
            ks = lax.dynamic_update_index_in_dim(cache[0], k, i, 0)
            vs = cache[1].at[i].set(v)
            scores = jnp.einsum("hk,shk->hs", q, ks) / jnp.sqrt(D / heads).astype(x.dtype)
            scores = jnp.where(jnp.arange(T) <= i, scores, -jnp.inf)
            return (ks, vs), x + jnp.einsum("hs,shk,hkd->d", softmax(scores), vs, p["out"])

        zeros = jnp.zeros((T, heads, D // heads), xs.dtype)
        return lax.scan(step, (zeros, zeros), (jnp.arange(T), xs))[1]

    def run(p, x):
        grads = jax.grad(lambda p: jnp.sum(block(p, x) ** 2))(p)
        low = jax.tree.map(lambda a: a.astype(jnp.bfloat16), (p, x))
        return block(p, x), decode(p, x), grads, block(*low).dtype.name == "bfloat16"

    k = random.split(random.key(9), 3)
    p = {
        "qkv": 0.4 * random.normal(k[0], (D, 3, heads, D // heads), jnp.float32),
        "out": 0.4 * random.normal(k[1], (heads, D // heads, D), jnp.float32),
        "g": jnp.ones(D, jnp.float32),
    }
    return run, (p, random.normal(k[2], (T, D), jnp.float32))


@program
def variational(jax: Any) -> Any:
    """Variational inference: reparametrised ELBO, natural scale, scipy.optimize-free; bijectors; vmap over keys."""
    jnp, lax, random = jax.numpy, jax.lax, jax.random
    stats = jax.scipy.stats

    def log_joint(z, y):
        mu, log_sigma = z
        prior = stats.norm.logpdf(mu, 0.0, 10.0) + stats.norm.logpdf(log_sigma)
        return prior + jnp.sum(stats.norm.logpdf(y, mu, jnp.exp(log_sigma)))

    def elbo(params, key, y):
        loc, log_scale = params["loc"], params["log_scale"]
        eps = random.normal(key, (8, *loc.shape))
        z = loc + jnp.exp(log_scale) * eps
        return jnp.mean(jax.vmap(log_joint, (0, None))(z, y)) + log_scale.sum()

    @jax.jit
    def step(carry, key):
        params, momentum = carry
        value, grads = jax.value_and_grad(lambda p: -elbo(p, key, y))(params)
        momentum = jax.tree.map(lambda m, g: 0.9 * m + g, momentum, grads)
        params = jax.tree.map(lambda p, m: p - 0.002 * m, params, momentum)
        return (params, momentum), value

    y = jnp.asarray(np.random.RandomState(0).randn(15) * 2 + 1)

    def run(key):
        params = {"loc": jnp.zeros(2), "log_scale": jnp.zeros(2)}
        momentum = jax.tree.map(jnp.zeros_like, params)
        (params, _), values = lax.scan(step, (params, momentum), random.split(key, 25))
        gamma = jax.grad(lambda a: stats.gamma.logpdf(1.3, a))(2.0)
        return params, values, gamma, stats.beta.logpdf(0.3, 2.0, 3.5), stats.t.logpdf(0.2, 4.0)

    return run, (random.key(21),)


def ensemble(jax: Any) -> Any:
    """A jitted log-probability of trees, sampled by an ensemble of walkers in NumPy."""
    jnp = jax.numpy
    ravel_pytree = import_module(jax.__name__ + ".flatten_util").ravel_pytree
    t = np.linspace(0, 1, 20)
    y = 2 * t + 1 + 0.1 * np.cos(30 * t)
    start, unravel = ravel_pytree({"slope": 1.0, "line": {"offset": 0.0, "log_noise": -1.0}})

    @jax.jit
    def log_prob(theta):
        p = unravel(theta)
        r = (y - p["slope"] * t - p["line"]["offset"]) * jnp.exp(-p["line"]["log_noise"])
        return -0.5 * jnp.sum(r**2) - len(t) * p["line"]["log_noise"] - 0.5 * theta @ theta

    rng = np.random.RandomState(0)
    walkers = np.asarray(start) + 0.1 * rng.randn(8, 3)
    log_p = np.array([log_prob(w) for w in walkers])
    accepted = 0
    for _ in range(15):
        for k in range(len(walkers)):
            other = walkers[(k + rng.randint(1, len(walkers))) % len(walkers)]
            z = (rng.rand() + 1) ** 2 / 2
            new = other + z * (walkers[k] - other)
            new_log_p = log_prob(new)
            if np.log(rng.rand()) < 2 * np.log(z) + new_log_p - log_p[k]:
                walkers[k], log_p[k], accepted = new, float(new_log_p), accepted + 1
    return walkers, log_p, np.array(accepted)


def scipy_fit(jax: Any) -> Any:
    """scipy.optimize.minimize with a value and gradient from jit, Hessian products, and a root with jacfwd."""
    jnp = jax.numpy
    ravel_pytree = import_module(jax.__name__ + ".flatten_util").ravel_pytree

    def loss(p):
        return (p["a"] - 1) ** 2 + 10 * jnp.sum((p["b"] - jnp.array([p["a"] ** 2, jnp.cos(p["a"])])) ** 2)

    x0, unravel = ravel_pytree({"a": 0.2, "b": jnp.ones(2)})
    flat = lambda x: loss(unravel(x))
    hvp = jax.jit(lambda x, v: jax.jvp(jax.grad(flat), (x,), (v,))[1])
    quasi = scipy.optimize.minimize(jax.jit(jax.value_and_grad(flat)), x0, jac=True, method="L-BFGS-B")
    newton = scipy.optimize.minimize(
        jax.jit(flat), x0, jac=jax.jit(jax.grad(flat)), hessp=hvp, method="Newton-CG", tol=1e-9
    )
    system = lambda x: jnp.array([x[0] ** 2 + x[1] - 3, x[0] - jnp.sin(x[1])])
    root = scipy.optimize.root(
        jax.jit(system), np.array([0.2, 2.9]), jac=jax.jit(jax.jacfwd(system)), tol=1e-12
    )
    assert quasi.success and newton.success and root.success
    np.testing.assert_allclose(quasi.x, newton.x, atol=1e-3)
    return newton.x, unravel(newton.x), root.x


def checked(jax: Any) -> Any:
    """User checks and index checks as values, inside a scan."""
    checkify = import_module(jax.__name__ + ".experimental.checkify")
    jnp = jax.numpy

    def newton(x):
        def step(x, _):
            checkify.check(x > 0, "the iterate {x} is not positive", x=x)
            x = x - jnp.log(x) * x
            return x, x

        return jax.lax.scan(step, x, None, length=4)

    safe = jax.jit(checkify.checkify(newton))
    (good, value), (bad, _) = safe(2.0), safe(3.0)
    assert good.get() is None
    assert bad.get().startswith("the iterate -0.29583"), bad.get()
    out_of_bounds, _ = checkify.checkify(lambda x, i: x[i], errors=checkify.index_checks)(jnp.arange(3.0), 5)
    assert "out-of-bounds" in out_of_bounds.get()
    return value


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    """Values, dtypes and tree structures of the program alone and compiled are those of JAX."""
    fun, args = PROGRAMS[name](jitney)
    oracle, theirs = PROGRAMS[name](jax)
    # Most of the time is JAX's compiler, which has less to do without optimisations.
    want = jax.jit(oracle, compiler_options={"xla_backend_optimization_level": 0})(*theirs)
    alone, compiled = fun(*args), jitney.jit(fun)(*args)
    for got in (alone, compiled):
        assert str(jitney.tree.structure(jax.tree.map(lambda _: 0, want))) == str(
            jitney.tree.structure(jitney.tree.map(lambda _: 0, got))
        )
        assert_same(got, want, 1e-8, weak=False, what=name)
    assert_same(compiled, alone, 1e-8, weak=False, what=f"{name} compiled")


@pytest.mark.parametrize("script", [ensemble, scipy_fit, checked])
def test_script(script: Callable[[Any], Any]) -> None:
    """Scripts that compile parts of what they do."""
    assert_same(script(jitney), script(jax), 1e-8, weak=False)
