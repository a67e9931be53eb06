"""The ensemble sampler: emcee's interface, its results and errors, and the same statistics."""

from __future__ import annotations

import pickle
import sys

import emcee
import numpy as np
import pytest
from scipy.integrate import quad

import jitney
import jitney.numpy as jnp
from jitney.ensemble import EnsembleSampler, State, walkers_independent
from jitney.ensemble.autocorr import AutocorrError, function_1d, integrated_time
from jitney.ensemble.backends import Backend, HDFBackend
from jitney.ensemble.moves import DEMove, DESnookerMove, Move, StretchMove, moves_of

COVARIANCE = np.array([[2.0, 0.9], [0.9, 1.0]])
INVERSE = np.linalg.inv(COVARIANCE)
MEAN = np.array([3.0, -1.0])


def gaussian(x):
    away = x - MEAN
    return -0.5 * away @ INVERSE @ away


def start(nwalkers=20, ndim=2):
    return MEAN[:ndim] + np.random.default_rng(1).normal(size=(nwalkers, ndim))


def sampler(fun=gaussian, nwalkers=20, seed=5, **options):
    return EnsembleSampler(nwalkers, 2, fun, seed=seed, **options)


def run(fun=gaussian, steps=30, **options):
    made = sampler(fun, **options)
    made.run_mcmc(start(made.nwalkers), steps)
    return made


# -- statistics


def check_moments(made, discard=200, sigmas=5.0):
    """Mean and covariance within what the autocorrelation time allows."""
    tau = made.get_autocorr_time(discard=discard, quiet=True)
    draws = made.get_chain(discard=discard, flat=True)
    independent = len(draws) / tau
    off = np.abs(draws.mean(axis=0) - MEAN) / np.sqrt(np.diag(COVARIANCE) / independent)
    assert np.all(off < sigmas), off
    np.testing.assert_allclose(np.cov(draws.T), COVARIANCE, atol=6 * 2 * np.sqrt(2 / independent.min()))


def test_moments_acceptance_and_autocorrelation_are_those_of_emcee():
    ours = run(steps=2500, nwalkers=30)
    check_moments(ours)
    theirs = emcee.EnsembleSampler(
        30, 2, lambda x: -0.5 * np.einsum("ni,ij,nj->n", x - MEAN, INVERSE, x - MEAN), vectorize=True
    )
    theirs.random_state = np.random.RandomState(3).get_state()
    theirs.run_mcmc(start(30), 2500)
    assert abs(ours.acceptance_fraction.mean() - theirs.acceptance_fraction.mean()) < 0.01
    assert ours.acceptance_fraction.std() < 0.03
    np.testing.assert_allclose(
        ours.get_autocorr_time(discard=100), theirs.get_autocorr_time(discard=100), rtol=0.2
    )


def test_the_velocity_posterior():
    """Where the maximum and the curvature say how wide it is."""
    from jitney.scipy.stats import norm, uniform

    rng = np.random.default_rng(2)
    dv = rng.uniform(0.5, 2.0, 300)
    v = rng.normal(150.0, 20.0, 300) + dv * rng.standard_normal(300)

    def log_posterior(params, v, dv):
        mean, spread = params
        prior = uniform.logpdf(jnp.array([mean, spread]), jnp.array([0, 0]), jnp.array([200, 100]))
        return jnp.sum(norm.logpdf(v, mean, jnp.sqrt(spread**2 + dv**2))) + jnp.sum(prior)

    made = EnsembleSampler(40, 2, log_posterior, args=(v, dv), seed=1)
    made.run_mcmc(np.array([130.0, 10.0]) + 0.1 * rng.standard_normal((40, 2)), 1500)
    draws = made.get_chain(discard=500, flat=True)
    peak = np.array([np.average(v, weights=1 / (dv**2 + v.var())), np.sqrt(v.var() - np.mean(dv**2))])
    information = -np.asarray(jitney.hessian(log_posterior)(peak, v, dv))
    width = np.sqrt(np.diag(np.linalg.inv(information)))
    assert np.all(np.abs(draws.mean(axis=0) - peak) < 0.2 * width)
    np.testing.assert_allclose(draws.std(axis=0), width, rtol=0.1)


class Jump(Move):
    """A symmetric step of fixed size."""

    def propose(self, key, walkers, others):
        return walkers + jitney.random.normal(key, walkers.shape), jnp.zeros(len(walkers))


@pytest.mark.parametrize(
    "moves",
    [
        StretchMove(1.5),
        [(DEMove(), 0.7), (DESnookerMove(), 0.3)],
        [StretchMove(), Jump()],
    ],
    ids=["stretch", "snooker", "mixture"],
)
def test_moves(moves):
    made = run(steps=4000, moves=moves, nwalkers=21)
    check_moments(made)


def test_moves_of_emcees():
    theirs = [(emcee.moves.StretchMove(a=3.0), 1), (emcee.moves.DEMove(gamma0=0.5), 3)]
    assert moves_of(theirs) == ((StretchMove(3.0), DEMove(gamma0=0.5)), (0.25, 0.75))
    assert moves_of(emcee.moves.DESnookerMove()) == ((DESnookerMove(),), (1.0,))
    assert moves_of(None) == ((StretchMove(2.0),), (1.0,))


def test_weights_of_moves():
    """A move that is never drawn, and half of the time one that stays."""

    class Still(Move):
        def propose(self, key, walkers, others):
            return walkers, jnp.full(len(walkers), -jnp.inf)

    moves = [(Still(), 0.5), (StretchMove(), 0.5), (Still(), 0.0)]
    fraction = run(steps=2000, moves=moves).acceptance_fraction.mean()
    full = run(steps=2000).acceptance_fraction.mean()
    assert abs(fraction / full - 0.5) < 0.05


# -- the same chain, however it is run


def test_chains_follow_from_the_seed_alone():
    whole = run(steps=50)
    np.testing.assert_array_equal(run(steps=50).get_chain(), whole.get_chain())
    assert not np.array_equal(run(steps=50, seed=6).get_chain(), whole.get_chain())

    pieces = sampler()
    state = pieces.run_mcmc(start(), 7)
    pieces.run_mcmc(None, 13)
    pieces.run_mcmc(pieces.get_last_sample(), 30)
    np.testing.assert_array_equal(pieces.get_chain(), whole.get_chain())
    other = sampler(seed=77)
    other.run_mcmc(state, 43)  # the state knows its random numbers
    np.testing.assert_array_equal(other.get_chain(), whole.get_chain()[7:])
    np.testing.assert_array_equal(other.get_log_prob(), whole.get_log_prob()[7:])

    stepwise, seen = sampler(), []
    for state in stepwise.sample(start(), iterations=50):
        seen.append(state.coords)
        assert stepwise.iteration == len(seen)
        np.testing.assert_array_equal(state.log_prob, stepwise.get_log_prob()[-1])
    np.testing.assert_array_equal(np.stack(seen), whole.get_chain())
    np.testing.assert_array_equal(stepwise.acceptance_fraction, whole.acceptance_fraction)


def test_an_iteration_that_is_left_goes_on_where_it_was():
    made = sampler()
    for state in made.sample(start(), iterations=None):
        last = state
        if made.iteration == 9:
            break
    made.run_mcmc(last, 21)
    np.testing.assert_array_equal(made.get_chain(), run(steps=30).get_chain())


def test_thinning():
    every = run(steps=30)
    third = sampler()
    third.run_mcmc(start(), 10, thin_by=3)
    np.testing.assert_array_equal(third.get_chain(), every.get_chain(thin=3))
    assert third.iteration == 10
    older = sampler()
    for _ in older.sample(start(), iterations=30, thin=3):
        pass
    np.testing.assert_array_equal(older.get_chain(), third.get_chain())
    with pytest.raises(ValueError, match="Invalid thinning"):
        third.run_mcmc(None, 3, thin_by=0)


def test_numpys_random_state_is_a_seed():
    seed = np.random.RandomState(42).get_state()
    chains = []
    for state in (seed, seed, np.random.RandomState(43).get_state()):
        made = EnsembleSampler(20, 2, gaussian)
        made.run_mcmc(emcee.State(start(), random_state=state), 10)
        chains.append(made.get_chain())
    np.testing.assert_array_equal(chains[0], chains[1])
    assert not np.array_equal(chains[0], chains[2])


def test_data_count_when_a_run_begins():
    """Not when the function was first compiled, as under jit."""
    data = np.array([1.0, 2.0])

    def log_prob(x):
        return -jnp.sum((x - data) ** 2)

    made = sampler(log_prob)
    made.run_mcmc(start(), 3)
    first = made.compute_log_prob(start())[0]
    data += 5.0
    made.run_mcmc(start(), 3)
    second = made.compute_log_prob(start())[0]
    np.testing.assert_allclose(second, -np.sum((start() - data) ** 2, axis=1))
    assert not np.allclose(first, second)
    np.testing.assert_allclose(
        made.get_log_prob()[-1], -np.sum((made.get_chain()[-1] - data) ** 2, axis=1), rtol=1e-13
    )


# -- results


def test_results_are_indexed_as_emcees():
    ours = run(lambda x: (gaussian(x), x[0], 2 * x[1]), steps=23)
    theirs = emcee.EnsembleSampler(20, 2, lambda x: (float(gaussian(x)), x[0], 2 * x[1]))
    theirs.run_mcmc(start(), 1)
    theirs.backend.chain, theirs.backend.log_prob = ours.get_chain(), ours.get_log_prob()
    theirs.backend.blobs, theirs.backend.iteration = ours.get_blobs(), 23
    for options in ({}, {"flat": True}, {"thin": 4}, {"discard": 5}, {"discard": 3, "thin": 2, "flat": True}):
        for name in ("get_chain", "get_log_prob", "get_blobs"):
            np.testing.assert_array_equal(getattr(ours, name)(**options), getattr(theirs, name)(**options))
        assert np.array_equal(ours.get_value("chain", **options), ours.get_chain(**options))
    assert ours.chain.shape == (20, 23, 2) and ours.lnprobability.shape == (20, 23)
    assert ours.flatchain.shape == (460, 2) and ours.flatlnprobability.shape == (460,)
    np.testing.assert_array_equal(ours.blobs[..., 1], 2 * ours.get_chain()[..., 1])
    last = ours.get_last_sample()
    np.testing.assert_array_equal(last.coords, ours.get_chain()[-1])
    coords, log_prob, random_state, blobs = last
    assert len(last) == 4 and last[0] is coords and random_state[0] == "jitney"
    np.testing.assert_array_equal(blobs, ours.get_blobs()[-1])


@pytest.mark.parametrize("lengths", [1, 2, 7, 100])
def test_autocorrelation_times_are_emcees(lengths):
    rng = np.random.default_rng(lengths)
    x = np.cumsum(rng.normal(size=(300, 4, 2)), axis=0) % lengths + rng.normal(size=(300, 4, 2))
    want = emcee.autocorr.integrated_time(x, tol=0)
    np.testing.assert_allclose(integrated_time(x, tol=0), want, rtol=1e-10)
    np.testing.assert_allclose(
        integrated_time(x[:, :, 0], tol=0), emcee.autocorr.integrated_time(x[:, :, 0], tol=0), rtol=1e-10
    )
    np.testing.assert_allclose(
        integrated_time(x[:, 0], tol=0, has_walkers=False),
        emcee.autocorr.integrated_time(x[:, 0], tol=0, has_walkers=False),
        rtol=1e-10,
    )
    np.testing.assert_allclose(function_1d(x[:, 0, 0]), emcee.autocorr.function_1d(x[:, 0, 0]), atol=1e-12)


def test_chains_too_short(caplog):
    made = run(steps=20)
    with pytest.raises(AutocorrError, match="shorter than 50 times") as caught:
        made.get_autocorr_time()
    np.testing.assert_array_equal(made.get_autocorr_time(quiet=True), caught.value.tau)
    assert "shorter than 50 times" in caplog.text
    np.testing.assert_allclose(
        made.get_autocorr_time(tol=0, discard=4, thin=2),
        2 * emcee.autocorr.integrated_time(made.get_chain(discard=4, thin=2), tol=0),
    )
    with pytest.raises(ValueError, match="nsteps, nwalkers, ndim"):
        integrated_time(np.zeros((2, 2, 2, 2)))


def test_blobs():
    one = run(lambda x: (gaussian(x), x[0]), steps=5)
    np.testing.assert_array_equal(one.get_blobs(), one.get_chain()[..., 0])
    arrays = sampler(lambda x: (gaussian(x), jnp.stack([x, 2 * x]))).compute_log_prob(start())[1]
    np.testing.assert_array_equal(arrays, np.stack([start(), 2 * start()], axis=1))
    named = run(
        lambda x: (gaussian(x), x[0], x > 0, 3),
        steps=5,
        blobs_dtype=[("first", float), ("above", bool, (2,)), ("n", int)],
    )
    assert named.get_blobs().dtype.names == ("first", "above", "n")
    np.testing.assert_array_equal(named.get_blobs()["above"], named.get_chain() > 0)
    assert np.all(named.get_blobs(flat=True)["n"] == 3)
    assert run(steps=2).get_blobs() is None
    named.run_mcmc(None, 3)
    np.testing.assert_array_equal(named.get_blobs()["first"], named.get_chain()[..., 0])
    with pytest.raises(ValueError, match="blobs_dtype="):
        run(lambda x: (gaussian(x), x, x[0]), steps=2)
    with pytest.raises(ValueError, match="2 fields"):
        run(lambda x: (gaussian(x), x[0]), steps=2, blobs_dtype=[("a", float), ("b", float)])


def test_ways_to_write_the_probability():
    whole = run(steps=10).get_chain()

    def many(x):
        return -0.5 * jnp.einsum("ni,ij,nj->n", x - MEAN, INVERSE, x - MEAN)

    np.testing.assert_allclose(run(many, steps=10, vectorize=True).get_chain(), whole, rtol=1e-9)
    values = [gaussian(x) for x in start()]

    def check(fun, **options):
        np.testing.assert_allclose(sampler(fun, **options).compute_log_prob(start())[0], values)

    check(lambda p: gaussian(jnp.stack([p["a"], p["b"]])), parameter_names=["a", "b"])
    check(lambda p: gaussian(p["all"]), parameter_names={"all": [0, 1]})
    check(
        lambda x, mean, inverse, power=2: -0.5 * (x - mean) @ inverse @ (x - mean) * power / 2,
        args=(MEAN, INVERSE),
        kwargs={"power": 2},
    )


def test_python_conditions():
    def log_prior(x):
        if 0 < x[0] < 5 and x[1] < 0:
            return 0.0
        return -jnp.inf

    def log_prob(x):
        prior = log_prior(x)
        if not jnp.isfinite(prior):
            return -jnp.inf
        return prior + gaussian(x)

    made = run(log_prob, steps=500)
    begin = made.compute_log_prob(start())[0]
    assert np.isneginf(begin).any() and np.isfinite(begin).any()
    late = made.get_chain(discard=100, flat=True)
    assert np.all((late[:, 0] > 0) & (late[:, 0] < 5) & (late[:, 1] < 0))
    assert np.all(np.isfinite(made.get_log_prob(discard=100)))


# -- what must not be


def test_nan_is_refused_with_its_place():
    with pytest.raises(ValueError, match=r"(?s)returned NaN: for walker 3 of the initial state.*\[9.0"):
        begin = start()
        begin[3] = 9.0, 0.0
        sampler(lambda x: jnp.where(x[0] > 8.5, jnp.nan, gaussian(x))).run_mcmc(begin, 3)
    made = sampler(lambda x: jnp.where(x[0] > 8, jnp.nan, gaussian(x)))
    with pytest.raises(ValueError, match="returned NaN: for walker .* at the proposed parameters") as caught:
        made.run_mcmc(start(), 5000)
    assert 0 < made.iteration < 5000 and f"after {made.iteration} steps" in str(caught.value)
    assert np.all(made.get_chain()[..., 0] <= 8)
    assert float(str(caught.value).split("[")[1].split(",")[0]) > 8
    with pytest.raises(ValueError, match="returned NaN"):
        made.compute_log_prob([[9.0, 0.0]])


def test_infinities():
    nowhere = run(lambda x: -jnp.inf, steps=4)
    np.testing.assert_array_equal(nowhere.get_chain(), np.broadcast_to(start(), (4, 20, 2)))
    assert nowhere.acceptance_fraction.max() == 0

    class Far(Move):
        def propose(self, key, walkers, others):
            return walkers / 0, jnp.zeros(len(walkers))

    with pytest.raises(ValueError, match="parameter value was infinite"):
        run(moves=Far())
    for bad, text in ((np.inf, "infinite"), (np.nan, "NaN")):
        with pytest.raises(ValueError, match=f"parameter value was {text}"):
            sampler().run_mcmc(np.where(start() > 3, bad, start()), 2)


def test_misuse():
    made = sampler()
    with pytest.raises(ValueError, match="initial_state=None"):
        made.run_mcmc(None, 2)
    with pytest.raises(ValueError, match=r"incompatible input dimensions \(7, 2\)"):
        made.run_mcmc(start()[:7], 2)
    with pytest.raises(ValueError, match="condition number"):
        made.run_mcmc(np.zeros((20, 2)), 2)
    made.run_mcmc(np.zeros((20, 2)), 2, skip_initial_state_check=True)
    with pytest.raises(RuntimeError, match="twice the number of dimensions"):
        EnsembleSampler(3, 2, gaussian).run_mcmc(start(3), 2)
    with pytest.raises(TypeError, match="real numbers"):
        made.run_mcmc(start() + 0j, 2)
    for call in ("get_chain", "get_last_sample", "get_autocorr_time"):
        with pytest.raises(AttributeError, match="run the sampler with 'store == True'"):
            getattr(sampler(), call)()
    with pytest.raises(TypeError, match="must be a function"):
        EnsembleSampler(4, 2, 3)
    with pytest.raises(ValueError, match="Is a sum missing"):
        run(lambda x: x)
    with pytest.raises(TypeError, match="complex"):
        run(lambda x: gaussian(x) * 1j)
    with pytest.raises(ValueError, match="a must be greater than 1"):
        StretchMove(0.5)
    with pytest.raises(ValueError, match="no compiled form"):
        sampler(moves=emcee.moves.GaussianMove(1.0))
    with pytest.raises(TypeError, match="must be a jitney.ensemble.moves.Move"):
        sampler(moves="stretch")
    with pytest.raises(ValueError, match="Weights of moves"):
        sampler(moves=[(StretchMove(), -1.0)])
    with pytest.raises(ValueError, match="either a, of the stretch"):
        sampler(moves=StretchMove(), a=3.0)
    with pytest.raises(ValueError, match="2 different names"):
        sampler(parameter_names=["a", "a"])
    with pytest.raises(ValueError, match="incompatible with the shape"):
        EnsembleSampler(22, 2, gaussian, backend=run(steps=2).backend)


def test_functions_that_cannot_be_traced_are_named():
    def untraceable(x):
        return -quad(lambda u: (u - x[0]) ** 2, 0.0, 1.0)[0]

    with pytest.raises(jitney.errors.JAXTypeError) as caught:
        run(untraceable)
    assert any("emcee.EnsembleSampler" in note for note in caught.value.__notes__)


# -- around


def test_progress(capsys, monkeypatch):
    run(steps=1)
    made = sampler()
    made.run_mcmc(start(), 40, progress=True, progress_kwargs={"desc": "walking"})
    assert "walking" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tqdm", None)
    made.run_mcmc(start(), 40, progress=True, thin_by=2)
    assert "80 of 80 steps" in capsys.readouterr().err


def test_interrupts_leave_what_was_done(monkeypatch):
    from jitney.ensemble import _progress

    class Impatient(_progress._Silent):
        def update(self, n):
            raise KeyboardInterrupt

    monkeypatch.setattr("jitney.ensemble.sampler.progress_bar", lambda *a: Impatient())
    made = sampler()
    with pytest.raises(KeyboardInterrupt):
        made.run_mcmc(start(), 40)
    monkeypatch.undo()
    assert 0 < made.iteration < 40
    made.run_mcmc(made.get_last_sample(), 40 - made.iteration)
    np.testing.assert_array_equal(made.get_chain(), run(steps=40).get_chain())


def test_backends_go_on():
    backend = Backend()
    first = sampler(backend=backend)
    first.run_mcmc(start(), 10)
    second = sampler(backend=backend, seed=99)
    second.run_mcmc(None, 20)
    np.testing.assert_array_equal(second.get_chain(), run(steps=30).get_chain())
    second.reset()
    assert second.iteration == 0
    second.run_mcmc(None, 3, store=False)
    assert second.iteration == 0
    theirs = emcee.backends.Backend()
    made = run(lambda x: (gaussian(x), x[0]), steps=12, backend=theirs)
    np.testing.assert_array_equal(theirs.get_chain(), run(steps=12).get_chain())
    np.testing.assert_array_equal(made.get_blobs(), made.get_chain()[..., 0])
    np.testing.assert_allclose(made.acceptance_fraction, run(steps=12).acceptance_fraction)


def test_files(tmp_path):
    pytest.importorskip("h5py")
    name = str(tmp_path / "chain.h5")
    made = run(lambda x: (gaussian(x), x[0]), steps=12, backend=HDFBackend(name))
    for _ in made.sample(made.get_last_sample(), iterations=8):
        pass
    read = emcee.backends.HDFBackend(name, read_only=True)
    want = run(steps=20)
    np.testing.assert_array_equal(read.get_chain(), want.get_chain())
    np.testing.assert_array_equal(read.get_blobs(), want.get_chain()[..., 0])
    np.testing.assert_allclose(read.accepted / 20, want.acceptance_fraction)
    again = sampler(lambda x: (gaussian(x), x[0]), seed=1, backend=HDFBackend(name))
    again.run_mcmc(None, 10)
    np.testing.assert_array_equal(again.get_chain(), run(steps=30).get_chain())


def test_files_without_h5py(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match="h5py is not installed"):
        HDFBackend("chain.h5")


def test_states_and_pickles():
    state = State(start(), log_prob=np.zeros(20))
    copied = State(state, copy=True)
    copied.coords[0] = 7.0
    assert state.coords[0, 0] != 7.0 and len(state) == 3
    made = run(steps=5)
    again = pickle.loads(pickle.dumps(made))
    again.run_mcmc(None, 5)
    np.testing.assert_array_equal(again.get_chain(), run(steps=10).get_chain())
    assert walkers_independent(start()) and not walkers_independent(np.ones((4, 2)))
