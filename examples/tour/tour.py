# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a formula to a posterior: a tour of jitney
#
# jitney takes numerical Python written in the NumPy manner and does three things to it. It
# **compiles** a whole function into one piece of native code (`jit`), it **differentiates** it
# exactly (`grad`), and it **batches** it, turning a function of one thing into a function of many
# (`vmap`). The three compose: the compiled gradient of a batched function is a function like any
# other. Names and behaviour are those of JAX, so what you learn here carries over in both
# directions. Numbers are 64-bit unless you ask otherwise.
#
# This is a script and a notebook at once. Run it with `make tour`, or open it in Jupyter through
# jupytext. It measures as it goes, and checks every number it shows against something it did not
# compute the same way: a formula, NumPy, or the truth the mock data were drawn from.

# %% imports and set-up tags=["hide-input"]
import ctypes
import ctypes.util
import os
import pickle
import time
from functools import partial

import emcee
import matplotlib.pyplot as plt
import numpy as np
import scipy.optimize
from astropy.stats import knuth_bin_width
from corner import corner
from report import COLOURS, INK, Race, Tour
from scipy.optimize import minimize

import jitney
import jitney.numpy as jnp
from jitney.ensemble import EnsembleSampler
from jitney.optimize import curve_fit
from jitney.scipy.stats import norm, uniform

tour = Tour("From a formula to a posterior: a tour of jitney", source=globals().get("__file__"))
rng = np.random.default_rng(20240607)
steps = int(os.environ.get("JITNEY_TOUR_STEPS", "1000"))  # emcee steps; fewer for a quick look

# %% [markdown]
# ## One formula, three ways
#
# The stars of a Plummer sphere, seen in projection, have the velocity dispersion
# *σ*(*R*) = *σ*<sub>0</sub> (1 + *R*²/*a*²)<sup>−1/4</sup> (Dejonghe 1987, MNRAS 224, 13). Here it
# is for NumPy, and for jitney. All that changes is where `sqrt` comes from.


# %%
def plummer_dispersion_numpy(r, sigma0, a):
    return np.sqrt(sigma0**2 / np.sqrt(1 + r**2 / a**2))


def plummer_dispersion(r, sigma0, a):
    return jnp.sqrt(sigma0**2 / jnp.sqrt(1 + r**2 / a**2))


plummer_dispersion_jit = jitney.jit(plummer_dispersion)

# %% [markdown]
# A million radii is far more than any cluster needs; it makes the arithmetic, and the traffic to
# memory, the thing that is timed. Called as it stands, the jitney version runs **eagerly**: operation
# by operation, each writing a full array for the next one to read, just as NumPy does. Wrapped in
# `jit`, it is traced once, and the five operations become a single loop that reads each radius and
# writes each dispersion once. The first call pays for the tracing and the compiling, and the first of
# a process for loading LLVM as well.

# %%
r = np.linspace(0.0, 1000.0, 1_000_000)  # pc
sigma0, a = 15.0, 200.0  # km/s, pc

tour.race(
    "Plummer dispersion, a million radii",
    numpy=lambda: plummer_dispersion_numpy(r, sigma0, a),
    eager=lambda: plummer_dispersion(r, sigma0, a),
    compiled=lambda: plummer_dispersion_jit(r, sigma0, a),
)

want = plummer_dispersion_numpy(r, sigma0, a)
tour.same("eager equals NumPy", plummer_dispersion(r, sigma0, a), want, within=1e-14)
tour.same("compiled equals NumPy", plummer_dispersion_jit(r, sigma0, a), want, within=1e-14)
tour.check("results are 64-bit", plummer_dispersion_jit(r, sigma0, a).dtype == np.float64)

# %% [markdown]
# ## Python's control flow in a compiled function
#
# To compile a function, jitney first runs it on stand-ins for its arguments, *tracers*, that know
# their shape and type and record what is done to them, and have no value yet. The recording is the program.
# A Python `if` on a traced value cannot be answered by a stand-in. Elsewhere that is an error; here the
# function is then read from its source and written anew, with that statement as a choice *inside* the program.


# %%
def fold(x):
    if x > 0:
        return -x
    return x


fold_branch = jitney.jit(fold)
tour.say(f"plain Python: fold(5) = {fold(5)}, fold(-5) = {fold(-5)}")
tour.check("a compiled if does what if does", (int(fold_branch(5)), int(fold_branch(-5))) == (-5, -5))
print(jitney.inspect(fold).source)

# %% [markdown]
# `where` computes both sides and selects. It lets a loop over many numbers stay a straight line, and so
# be done several numbers at a time.


# %%
def fold_where(x):
    return jnp.where(x > 0, -x, x)


fold_jit = jitney.jit(fold_where)
tour.check("where does what if did", (int(fold_jit(5)), int(fold_jit(-5))) == (-5, -5))

# %% [markdown]
# A loop over a range that is data becomes a loop of the program, of which reverse-mode derivatives can be taken, too.


# %%
def add_repeatedly(value, turns):
    for _ in range(turns):
        value = value + 1
    return value


tour.check("a loop of traced length", int(jitney.jit(add_repeatedly)(5, 10)) == 15)

# %% [markdown]
# What JAX says of both stays available, for programs that must run there as well.

# %%
with jitney.config.temporarily("jitney_python_control_flow", False):
    with tour.expect(jitney.errors.TracerBoolConversionError, showing="if x > 0:"):
        jitney.jit(fold)(5)

# %% [markdown]
# Where the number of turns is not data but part of *which program is meant*, say so: a **static**
# argument keeps its Python value, and each new value gets a program of its own.

# %%
add_static = jitney.jit(add_repeatedly, static_argnums=1)
tour.check(
    "a static argument is compiled for each value",
    (int(add_static(5, 10)), int(add_static(5, 100))) == (15, 105),
)

# %% [markdown]
# `jit` is most often written as a decorator, through `functools.partial` where it takes options.
# The count below shows another consequence of tracing: the Python in the function runs while it is
# being *traced*, and not when it is called again. Side effects belong outside.

# %%
traces = []


@jitney.jit
def double(x):
    traces.append(x)
    return 2 * x


@partial(jitney.jit, static_argnames="power")
def raised(x, power):
    return x**power


double(3.0), double(4.0), double(5.0)
tour.check("three calls, one trace", len(traces) == 1 and float(double(6.0)) == 12.0)
double(jnp.arange(3.0))
tour.check("another shape, another trace", len(traces) == 2)
tour.check("partial and static_argnames", float(raised(3.0, power=2)) == 9.0)

# %% [markdown]
# Methods follow the same rule. Marking `self` static compiles one program per object, with the
# object's attributes as constants in it.


# %%
class Plummer:
    """A Plummer sphere of central dispersion sigma0 (km/s) and scale radius a (pc)."""

    def __init__(self, sigma0, a):
        self.sigma0, self.a = sigma0, a

    @partial(jitney.jit, static_argnums=0)
    def dispersion(self, r):
        return plummer_dispersion(r, self.sigma0, self.a)


compact, extended = Plummer(15.0, 200.0), Plummer(9.0, 600.0)
for name, sphere in (("compact", compact), ("extended", extended)):
    by_numpy = plummer_dispersion_numpy(r, sphere.sigma0, sphere.a)
    tour.same(f"method of the {name} sphere", sphere.dispersion(r), by_numpy, within=1e-14)

# %% plotting code tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.9))
for sphere, name in ((compact, "compact"), (extended, "extended")):
    curve = sphere.dispersion(r)[::1000]
    label = rf"{name}: $\sigma_0={sphere.sigma0:.0f}$ km/s, $a={sphere.a:.0f}$ pc"
    (line,) = ax.plot(r[::1000], curve, label=label)
    ax.plot(sphere.a, sphere.sigma0 * 2**-0.25, "o", ms=5, color=line.get_color())
ax.set(xlabel=r"projected radius $R$ (pc)", ylabel=r"velocity dispersion $\sigma(R)$ (km/s)")
ax.set(xlim=(0, 1000), ylim=(0, 16))
ax.legend(loc="lower left")
tour.figure(fig, "plummer", "Two Plummer spheres; the dots mark the scale radius, *R* = *a*.")

# %% [markdown]
# NumPy's functions and Python's own take traced values, too. One slip is left that everyone makes once: letting a
# tracer out of the function that it belongs to.

# %%
tour.check(
    "np.sin and float of a traced value", float(jitney.jit(lambda x: np.sin(float(x)))(0.5)) == np.sin(0.5)
)

leaked = []
jitney.jit(lambda x: leaked.append(x))(0.5)
with tour.expect(jitney.errors.UnexpectedTracerError, showing="leaked[0] + 1"):
    leaked[0] + 1

# %% [markdown]
# ## One becomes many
#
# Write the function for one star, one spectrum, one walker; `vmap` makes it a function of a whole batch,
# with no axis to keep count of. Fifty samples of a thousand numbers:


# %%
def mean_and_spread(x):
    return jnp.mean(x), jnp.std(x)


samples = rng.normal(loc=np.arange(50)[:, None], scale=1.0, size=(50, 1000))
data = jnp.array(samples)

one_by_one = jitney.jit(mean_and_spread)
tour.race(
    "mean and spread of 50 samples, loop",
    numpy=lambda: np.array([(np.mean(x), np.std(x)) for x in samples]),
    eager=lambda: jnp.array([mean_and_spread(x) for x in data]),
    compiled=lambda: jnp.array([one_by_one(x) for x in data]),
)

all_at_once = jitney.vmap(mean_and_spread)
all_at_once_jit = jitney.jit(all_at_once)
tour.race(
    "mean and spread of 50 samples, batched",
    numpy=lambda: (np.mean(samples, axis=1), np.std(samples, axis=1)),
    eager=lambda: all_at_once(data),
    compiled=lambda: all_at_once_jit(data),
)

want = np.array([samples.mean(axis=1), samples.std(axis=1)])
loop = jnp.array([mean_and_spread(x) for x in data]).T
tour.same("batched equals the loop", jnp.array(all_at_once(data)), loop, within=1e-13)
tour.same("compiled batched equals NumPy", jnp.array(all_at_once_jit(data)), want, within=1e-13)

# %% [markdown]
# `in_axes` says which arguments are batched and along which axis; nesting gives outer products. A
# grid of dispersions over radius and scale length, from the function of one number each:

# %%
over_radius = jitney.vmap(plummer_dispersion, in_axes=(0, None, None))
over_both = jitney.jit(jitney.vmap(over_radius, in_axes=(None, None, 0)))
radii, scales = np.linspace(0, 1000, 60), np.linspace(50, 600, 40)
grid = over_both(radii, sigma0, scales)
tour.check("nested vmap has shape (40, 60)", grid.shape == (40, 60))
by_broadcasting = plummer_dispersion_numpy(radii[None, :], sigma0, scales[:, None])
tour.same("nested vmap equals broadcasting", grid, by_broadcasting, within=1e-14)

# %% [markdown]
# ## Exact derivatives
#
# `grad` applies the chain rule to the operations that the function performs. Nothing is approximated by
# finite steps and nothing is manipulated as symbols: the derivative is another numerical program,
# correct to rounding. `grad` wants a function with a scalar value; `vmap` carries it to many points.


# %%
def wave_and_log(x):
    return jnp.sin(x) + jnp.log(x)


def wave_and_log_slope(x):  # by hand, to compare with
    return np.cos(x) + 1 / x


slope = jitney.vmap(jitney.grad(wave_and_log))
slope_jit = jitney.jit(slope)
x = np.linspace(0.1, 10.0, 1000)

tour.race(
    "derivative of sin x + log x, 1000 points",
    numpy=lambda: wave_and_log_slope(x),
    eager=lambda: slope(x),
    compiled=lambda: slope_jit(x),
)
tour.same("eager derivative equals the formula", slope(x), wave_and_log_slope(x))
tour.same("compiled derivative equals the formula", slope_jit(x), wave_and_log_slope(x))
curvature = jitney.vmap(jitney.grad(jitney.grad(wave_and_log)))(x)
tour.same("second derivative equals the formula", curvature, -np.sin(x) - 1 / x**2)

# %% plotting code tags=["hide-input"]
fig, (top, low) = plt.subplots(
    2, 1, figsize=(6.4, 4.8), sharex=True, height_ratios=(3, 1), layout="constrained"
)
top.plot(x, wave_and_log(x), color=INK, label=r"$f(x)=\sin x+\ln x$")
top.plot(x, wave_and_log_slope(x), color="#b9cfdf", lw=5, label=r"d$f$/d$x$ by hand")
top.plot(x, slope_jit(x), color=COLOURS["compiled"], ls="--", label=r"d$f$/d$x$ by grad")
top.set(ylabel="value", ylim=(-4, 11.5))
top.legend()
difference = (np.asarray(slope_jit(x)) - wave_and_log_slope(x)) / np.finfo(float).eps
low.plot(x, difference, ".", ms=2.5, color=COLOURS["compiled"])
low.axhline(0, color=INK, lw=0.6)
bound = max(2.0, 1.15 * np.abs(difference).max())
low.set(xlabel="$x$", ylabel=r"difference ($\epsilon$)", xlim=(0, 10), ylim=(-bound, bound))
tour.figure(
    fig,
    "gradient",
    "A function and its derivative, by hand and by `grad`. Below, their difference in units of the "
    "rounding unit, 2.2 × 10<sup>−16</sup>.",
)

# %% [markdown]
# ### Through an `if`
#
# Under `grad` alone, without `jit`, the arguments *do* have values, so ordinary Python control flow
# works: the derivative is that of the branch which was taken. First a function put together to be awkward,
# then one that astronomers meet: the initial mass function of Kroupa (2001, MNRAS 322, 231), a power
# law whose slope depends on where the mass falls. Its logarithmic slope, d ln *ξ* / d ln *m*, must come
# out as exactly the −*α* that was put in.


# %%
def awkward(x, y):
    if 5 < x < 10:
        return x**2 + y**2
    elif x < 5:
        return jnp.sin(x) + jnp.log(y)
    else:
        return jnp.sqrt(x) + jnp.exp(y)


def kroupa(m):
    if m < 0.08:
        return m**-0.3
    elif m < 0.5:
        return 0.08 * m**-1.3
    return 0.08 * 0.5 * m**-2.3


xs, y = np.linspace(0.01, 15.0, 150), 3.0
awkward_slope = np.array([jitney.grad(awkward)(x, y) for x in xs])
by_hand = np.where(xs < 5, np.cos(xs), np.where(xs < 10, 2 * xs, 0.5 / np.sqrt(xs)))
tour.same("derivative through if equals the branch's own", awkward_slope, by_hand)

slope_in_y = np.array([jitney.grad(awkward, argnums=1)(x, y) for x in xs[::10]])
by_hand = np.where(xs < 5, 1 / y, np.where(xs < 10, 2 * y, np.exp(y)))[::10]
tour.same("the same in the second argument", slope_in_y, by_hand)

masses = np.geomspace(0.01, 10.0, 200)
imf = np.array([kroupa(m) for m in masses])
imf_slope = masses / imf * np.array([jitney.grad(kroupa)(m) for m in masses])
alpha = np.where(masses < 0.08, 0.3, np.where(masses < 0.5, 1.3, 2.3))
tour.same("logarithmic slope of the mass function equals -α", imf_slope, -alpha)

# %% plotting code tags=["hide-input"]
fig, axes = plt.subplots(2, 2, figsize=(8.4, 4.8), sharex="col", height_ratios=(3, 2))
(f_ax, imf_ax), (df_ax, slope_ax) = axes


def broken(ax, x, y, at, **style):
    """Plot y(x) without joining it across the breaks."""
    piece = np.searchsorted(at, x)
    for k in range(len(at) + 1):
        ax.plot(x[piece == k], y[piece == k], **style)


broken(f_ax, xs, np.array([awkward(x, y) for x in xs]), (5, 10), color=COLOURS["compiled"])
broken(df_ax, xs, awkward_slope, (5, 10), color=COLOURS["eager"])
f_ax.set(ylabel="$f(x, 3)$", title="an awkward function", ylim=(0, 125))
df_ax.set(xlabel="$x$", ylabel=r"$\partial f/\partial x$", xlim=(0, 15), ylim=(-3, 23))
imf_ax.loglog(masses, imf, color=COLOURS["compiled"])
broken(slope_ax, masses, imf_slope, (0.08, 0.5), color=COLOURS["eager"])
imf_ax.set(ylabel=r"$\xi(m)$ (arbitrary)", title="an initial mass function")
slope_ax.set(xlabel=r"$m$ (M$_\odot$)", ylabel=r"d ln $\xi$ / d ln $m$")
slope_ax.set(xscale="log", xlim=(0.01, 10), ylim=(-2.8, 0.2), yticks=(-2.3, -1.3, -0.3))
for ax, breaks in ((f_ax, (5, 10)), (df_ax, (5, 10)), (imf_ax, (0.08, 0.5)), (slope_ax, (0.08, 0.5))):
    for at in breaks:
        ax.axvline(at, color="#c9cdd2", lw=0.8, ls=":", zorder=0)
slope_ax.yaxis.minorticks_off()
fig.align_ylabels()
tour.figure(
    fig,
    "branches",
    "Two functions with an `if` in them (above) and their derivatives by `grad` (below). Dotted "
    "lines mark where the branch changes.",
)

# %% [markdown]
# ### What a slope is good for
#
# An optimiser that knows only values feels its way; one that knows slopes can aim. Take a Lorentzian
# as a stand-in for a likelihood and stand on it at four places. The sign of the slope says which way
# is up, and its size how steep the ground is: steep near the peak, where a short step suffices, and nearly
# flat far out, where a long one is needed.


# %%
def lorentzian(x, x0, gamma):
    return 1 / (1 + ((x - x0) / gamma) ** 2)


lorentzian_slope = jitney.vmap(jitney.grad(lorentzian), in_axes=(0, None, None))
theta = np.linspace(-10, 10, 1000)
profile, climb = lorentzian(theta, 0.0, 1.0), lorentzian_slope(theta, 0.0, 1.0)
tour.same("slope of the Lorentzian equals the formula", climb, -2 * theta / (1 + theta**2) ** 2)

places = np.array([-5.0, -1.0, 1.0, 5.0])
at_places = np.asarray(lorentzian_slope(places, 0.0, 1.0))
tour.check(
    "slopes point at the peak, and are steeper near it",
    (np.sign(at_places) == -np.sign(places)).all() and abs(at_places[1]) > abs(at_places[0]),
    "slopes " + ", ".join(f"{s:+.3f}" for s in at_places),
)

# %% plotting code tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.9))
ax.plot(theta, profile, color=COLOURS["compiled"], label=r"$P(D\,|\,\theta)$")
ax.plot(theta, climb, color=COLOURS["eager"], ls="--", label=r"d$P$/d$\theta$ by grad")
heights = lorentzian(places, 0.0, 1.0)
for place, height, rise in zip(places, heights, at_places, strict=True):
    reach = 1.6 / np.hypot(1, 6 * rise)
    ends = np.array([-reach, reach])
    ax.plot(place + ends, height + rise * ends, color=INK, lw=1.1, zorder=4)
ax.plot(places, heights, "o", color=INK, ms=5.5, zorder=5)
ax.axhline(0, color="#c9cdd2", lw=0.8, zorder=0)
ax.set(xlabel=r"$\theta$", ylabel=r"$P(D\,|\,\theta)$ and its slope", xlim=(-10, 10))
ax.legend(loc="upper right")
tour.figure(fig, "lorentzian", "A Lorentzian, its derivative, and tangents at four places.")

# %% [markdown]
# ## Fitting a decay
#
# Fifteen photometric epochs of a fading supernova on top of the steady light of its host galaxy. Once the
# tail is powered by the decay of <sup>56</sup>Co its flux falls off exponentially, with a mean life of
# 111.3 days. Three parameters: amplitude, mean life, host.


# %%
def decay(t, amplitude, life, host):
    return amplitude * jnp.exp(-t / life) + host


def misfit(params, t, flux, error):
    return jnp.sum(0.5 * ((decay(t, *params) - flux) / error) ** 2)


truth = np.array([1.0, 111.3, 5.0])  # mJy, days, mJy
t = np.linspace(0.0, 1000.0, 15)  # days
error = np.full(t.shape, 0.1)  # mJy
flux = np.asarray(decay(t, *truth)) + error * rng.standard_normal(t.size)

# %% [markdown]
# SciPy's BFGS does the fitting. Without a gradient it must estimate one from finite differences, one
# more evaluation per parameter and step. The same `misfit` serves as it is, compiled, and compiled
# together with its exact gradient.


# %%
def misfit_numpy(params, t, flux, error):
    amplitude, life, host = params
    model = amplitude * np.exp(-t / life) + host
    return np.sum(0.5 * ((model - flux) / error) ** 2)


start = np.array([5.0, 200.0, 10.0])
fit = partial(minimize, x0=start, args=(t, flux, error), tol=1e-10)

misfit_jit = jitney.jit(misfit)
slopes = jitney.jacobian(misfit)
slopes_jit = jitney.jit(slopes)

tour.race(
    "fit of a decay, values only",
    numpy=lambda: fit(misfit_numpy),
    eager=lambda: fit(misfit),
    compiled=lambda: fit(misfit_jit),
)
tour.race(
    "fit of a decay, with its gradient",
    eager=lambda: fit(misfit, jac=slopes),
    compiled=lambda: fit(misfit_jit, jac=slopes_jit),
)

# %% [markdown]
# Since the derivatives can be differentiated again, the covariance of the fit is one line: the
# inverse of the Hessian at the minimum.

# %%
fits = {
    "values only, eager": fit(misfit),
    "values only, compiled": fit(misfit_jit),
    "with gradient, compiled": fit(misfit_jit, jac=slopes_jit),
}
best = fits["with gradient, compiled"].x
hessian = np.asarray(jitney.jit(jitney.hessian(misfit))(best, t, flux, error))
covariance = np.linalg.inv(hessian)
width = np.sqrt(np.diag(covariance))

names = ("amplitude (mJy)", "mean life (d)", "host (mJy)")
lines = [f"{'':17}{'truth':>9}{'fit':>10}{'±':>8}"]
for name, true, value, sigma in zip(names, truth, best, width, strict=True):
    lines.append(f"{name:17}{true:9.3f}{value:10.3f}{sigma:8.3f}")
lines += [f"{how}: {f.nfev} evaluations, {f.njev} gradients" for how, f in fits.items()]
tour.say("\n".join(lines))

for name, true, value, sigma in zip(names, truth, best, width, strict=True):
    off = abs(value - true) / sigma
    tour.check(f"{name} within 3σ of the truth", off < 3, f"{off:.2f} σ")
for how, f in fits.items():
    steepness = np.max(np.abs(np.asarray(slopes_jit(f.x, t, flux, error)) * width))
    tour.check(f"{how}: gradient vanishes", steepness < 1e-3, f"largest {steepness:.1e} per σ")

decline = np.exp(-t / best[1])
by_hand = (decay(t, *best) - flux) / error**2
by_hand = by_hand @ np.stack([decline, best[0] * decline * t / best[1] ** 2, np.ones(15)], axis=1)
tour.same("gradient of the misfit equals the formula", slopes_jit(best, t, flux, error), by_hand)

# %% plotting code tags=["hide-input"]
fig, (top, low) = plt.subplots(2, 1, figsize=(6.4, 4.8), sharex=True, height_ratios=(3, 1))
fine = np.linspace(-20, 1020, 400)
shape = np.asarray(jitney.vmap(jitney.grad(lambda p, t: decay(t, *p)), in_axes=(None, 0))(best, fine))
band = np.sqrt(np.einsum("ti,ij,tj->t", shape, covariance, shape))
model = np.asarray(decay(fine, *best))
top.fill_between(fine, model - band, model + band, color=COLOURS["compiled"], alpha=0.18, lw=0)
top.plot(fine, model, color=COLOURS["compiled"], label=r"fit, with its $1\sigma$ band")
top.plot(fine, decay(fine, *truth), color=INK, ls=":", lw=1.2, label="truth")
top.errorbar(t, flux, error, fmt="o", ms=4.5, color=INK, elinewidth=0.9, label="mock photometry")
top.set(ylabel="flux (mJy)")
top.legend()
low.errorbar(t, (flux - decay(t, *best)) / error, 1.0, fmt="o", ms=4.5, color=INK, elinewidth=0.9)
low.axhline(0, color=COLOURS["compiled"])
low.set(xlabel="time since peak (days)", ylabel=r"residual ($\sigma$)", xlim=(-20, 1020), ylim=(-4, 4))
tour.figure(
    fig,
    "decay",
    "A supernova's cobalt tail on its host galaxy. The band is the fit's own covariance, carried "
    "through the model with `grad`.",
)

# %% [markdown]
# ## Weighing a cluster
#
# The velocities of a thousand stars, each with its own error, and two unknowns: the cluster's mean
# velocity and its intrinsic dispersion. This is the inference that turns a spectroscopic run into a
# dynamical mass.

# %%
true_mean, true_spread, stars = 150.0, 20.0, 1000  # km/s
dv = rng.uniform(0.5, 2.0, stars)  # each star's error, km/s
v = rng.normal(true_mean, true_spread, stars) + dv * rng.standard_normal(stars)


def log_likelihood(params, v, dv):
    mean, spread = params
    return jnp.sum(norm.logpdf(v, loc=mean, scale=jnp.sqrt(spread**2 + dv**2)))


def log_prior(params):
    mean, spread = params
    low, size = jnp.array([0, 0]), jnp.array([200, 100])
    return jnp.sum(uniform.logpdf(jnp.array([mean, spread]), loc=low, scale=size))


def log_posterior(params, v, dv):
    return log_likelihood(params, v, dv) + log_prior(params)


# %% [markdown]
# A sampler calls this a hundred thousand times, on small arrays, from Python. There the cost of a *call*
# counts as much as that of the arithmetic. For comparison, the same posterior as a careful
# NumPy user would write it:


# %%
def log_posterior_numpy(params, v, dv):
    mean, spread = params
    if not (0 <= mean <= 200 and 0 <= spread <= 100):
        return -np.inf
    variance = spread**2 + dv**2
    chi2 = np.sum((v - mean) ** 2 / variance + np.log(2 * np.pi * variance))
    return -0.5 * chi2 - np.log(200.0 * 100.0)


log_posterior_jit = jitney.jit(log_posterior)
here = np.array([148.0, 21.0])
tour.race(
    "log-posterior of 1000 stars, one call",
    numpy=lambda: log_posterior_numpy(here, v, dv),
    eager=lambda: log_posterior(here, v, dv),
    compiled=lambda: log_posterior_jit(here, v, dv),
)
want = log_posterior_numpy(here, v, dv)
tour.same("eager log-posterior equals NumPy", log_posterior(here, v, dv), want)
tour.same("compiled log-posterior equals NumPy", log_posterior_jit(here, v, dv), want)
outside = np.array([148.0, -3.0])
tour.check("outside the prior it is -inf", float(log_posterior_jit(outside, v, dv)) == -np.inf)

# %% [markdown]
# Now emcee (Foreman-Mackey et al. 2013, PASP 125, 306), with 100 walkers started in the wrong place. The
# samplers get the same seed. So long as they are told the same probabilities they take the same
# steps, and the chains can be compared number by number.

# %%
walkers = 100
begin = np.array([130.0, 10.0]) + 0.1 * rng.standard_normal((walkers, 2))
luck = np.random.RandomState(42).get_state()


def sample(log_prob, steps, label, **options):
    """Run emcee from `begin`; return the sampler and the seconds per step of all walkers."""
    sampler = emcee.EnsembleSampler(walkers, 2, log_prob, **options)
    clock = time.perf_counter()
    sampler.run_mcmc(emcee.State(begin, random_state=luck), steps, **tour.bar(label))
    return sampler, (time.perf_counter() - clock) / steps


clock = time.perf_counter()
for params in begin[:10]:
    log_posterior(params, v, dv)
eager_call = (time.perf_counter() - clock) / 10
eager_steps = int(np.clip(8.0 / (walkers * eager_call), 5, steps // 5))

by_numpy, numpy_step = sample(log_posterior_numpy, steps, "NumPy   ", args=(v, dv))
by_eager, eager_step = sample(log_posterior, eager_steps, "eager   ", args=(v, dv))
by_jit, jit_step = sample(log_posterior_jit, steps, "compiled", args=(v, dv))
tour.record(Race("emcee, one step of 100 walkers", numpy_step, eager_step, jit_step))

# %% [markdown]
# A stretch move proposes half of the walkers at once, so all of their posteriors may be computed in
# one call: batch the function over its first argument, compile it, and tell emcee.

# %%
batched = jitney.jit(jitney.vmap(log_posterior, in_axes=(0, None, None)))
tour.race(
    "log-posterior, 100 walkers at once",
    numpy=lambda: np.array([log_posterior_numpy(p, v, dv) for p in begin]),
    eager=lambda: jitney.vmap(log_posterior, in_axes=(0, None, None))(begin, v, dv),
    compiled=lambda: batched(begin, v, dv),
)

by_vmap, vmap_step = sample(
    lambda params: np.asarray(batched(params, v, dv)), steps, "batched ", vectorize=True
)
tour.record(Race("emcee, one step, walkers batched", numpy_step, None, vmap_step))

chain = by_jit.get_chain()
tour.same("compiled chain equals the NumPy chain", chain, by_numpy.get_chain(), within=1e-10)
tour.same("eager chain equals it too", by_eager.get_chain(), chain[:eager_steps], within=1e-10)
tour.same("batched chain equals it too", by_vmap.get_chain(), chain, within=1e-10)

# %% [markdown]
# Does the answer deserve belief? The truth should lie within the posterior's width, and
# the width itself should be what the curvature of the posterior at its peak predicts.

# %%
burn = steps // 2
draws = by_jit.get_chain(flat=True, discard=burn)
middle, spread = np.median(draws, axis=0), draws.std(axis=0)

peak = minimize(
    lambda p: -log_posterior_jit(p, v, dv),
    x0=here,
    jac=jitney.jit(jitney.grad(lambda p: -log_posterior(p, v, dv))),
).x
information = -np.asarray(jitney.jit(jitney.hessian(log_posterior))(peak, v, dv))
predicted = np.sqrt(np.diag(np.linalg.inv(information)))

for i, (name, true) in enumerate((("mean", true_mean), ("dispersion", true_spread))):
    off = abs(middle[i] - true) / spread[i]
    tour.say(f"{name}: {middle[i]:.2f} ± {spread[i]:.2f} km/s, drawn from {true:.0f} km/s")
    tour.check(f"the {name} is recovered within its posterior width", off < 2, f"{off:.2f} σ")
    shift = abs(middle[i] - peak[i]) / spread[i]
    tour.check(f"its median is the peak of the posterior for the {name}", shift < 0.25, f"{shift:.2f} σ")
    ratio = spread[i] / predicted[i]
    tour.check(f"its width is that of the curvature for the {name}", 0.8 < ratio < 1.25, f"× {ratio:.3f}")

# %% plotting code tags=["hide-input"]
_, edges = knuth_bin_width(v, return_bins=True)
fig, ax = plt.subplots(figsize=(6.4, 3.9))
ax.hist(v, bins=edges, density=True, color="#d3d8de", edgecolor="white", label="1000 stars")
speed = np.linspace(75, 225, 301)
some = rng.choice(draws, 300)
noise = np.mean(dv**2)
models = np.asarray(jitney.vmap(lambda p: norm.pdf(speed, loc=p[0], scale=jnp.sqrt(p[1] ** 2 + noise)))(some))
low, mid, high = np.percentile(models, [2.5, 50, 97.5], axis=0)
ax.fill_between(speed, low, high, color=COLOURS["compiled"], alpha=0.25, lw=0)
ax.plot(speed, mid, color=COLOURS["compiled"], label="posterior, median and 95%")
drawn_from = norm.pdf(speed, loc=true_mean, scale=np.sqrt(true_spread**2 + noise))
ax.plot(speed, drawn_from, color=INK, ls=":", lw=1.4, label="the truth")
ax.set(xlabel="line-of-sight velocity (km/s)", ylabel="density (s/km)", xlim=(75, 225))
ax.set(ylim=(0, 0.0245))
ax.legend(loc="upper left")
tour.figure(fig, "velocities", "Mock velocities in bins of Knuth's rule, with the recovered model.")

fig = plt.figure(figsize=(5.6, 5.6), layout="none")
with plt.rc_context({"xtick.minor.visible": False, "ytick.minor.visible": False}):
    corner(
        draws,
        labels=["mean velocity (km/s)", "dispersion (km/s)"],
        truths=[true_mean, true_spread],
        truth_color=COLOURS["eager"],
        color=COLOURS["compiled"],
        bins=40,
        smooth=1.5,
        max_n_ticks=4,
        labelpad=-0.1,
        levels=(0.393, 0.865),
        show_titles=False,
        plot_datapoints=False,
        fill_contours=True,
        fig=fig,
    )
for ax, label, m, s in zip(fig.axes[::3], ("mean", "dispersion"), middle, spread, strict=True):
    ax.set_title(f"{label}: {m:.2f} ± {s:.2f} km/s", fontsize=12)
for ax in fig.axes:
    ax.tick_params(labelrotation=0)
tour.figure(
    fig,
    "corner",
    "Posterior of mean and dispersion, 100 walkers with the first half of their steps discarded. "
    "Contours hold 39 and 86% of the probability, one and two *σ* in two dimensions; lines mark the truth.",
)

fig, axes = plt.subplots(2, 1, figsize=(6.4, 4.2), sharex=True)
for ax, i, label, true in zip(axes, (0, 1), ("mean", "dispersion"), (150, 20), strict=True):
    ax.plot(chain[:, ::5, i], color=COLOURS["compiled"], lw=0.4, alpha=0.45)
    ax.axhline(true, color=COLOURS["eager"], lw=1.4)
    ax.axvspan(0, burn, color="#8a8578", alpha=0.1, lw=0)
    ax.set(ylabel=f"{label} (km/s)", xlim=(0, steps))
axes[1].set(xlabel="step")
axes[0].text(burn / 2, 132, "discarded", ha="center", color="#6c675c")
fig.align_ylabels()
tour.figure(fig, "chains", "Every fifth walker on its way from the wrong place to the right one.")

# %% [markdown]
# ## Arrays that do not change
#
# A jitney array never changes once made. This is what allows a function to be traced, reordered and
# differentiated without surprises. Assigning to an element is refused:

# %%
arr = jnp.array([1, 2, 3, 4, 5])

with tour.expect(TypeError, showing="arr[3] = 10"):
    arr[3] = 10

# %% [markdown]
# The `.at` property says the same thing as an expression: a *new* array that differs in one place. The
# old one stays as it was, so the result has to be given a name.

# %%
updated = arr.at[3].set(10)
tour.say(f"arr                 {arr!r}\narr.at[3].set(10)   {updated!r}")
tour.check("the original is untouched", arr.tolist() == [1, 2, 3, 4, 5])
tour.check("the copy is updated", updated.tolist() == [1, 2, 3, 10, 5])
for method, operand, result in (
    ("add", 5, [1, 2, 3, 15, 5]),
    ("mul", 2, [1, 2, 3, 20, 5]),
    ("max", 3, [1, 2, 3, 10, 5]),
    ("min", 3, [1, 2, 3, 3, 5]),
):
    changed = getattr(updated.at[3], method)(operand)
    tour.check(f".at[3].{method}({operand})", changed.tolist() == result, f"{changed}")

# %% [markdown]
# An update of one element that copies the whole array sounds wasteful. Inside a compiled function it
# is not one: where the old array is never used again, the compiler writes in place.


# %%
@jitney.jit
def mask_edges(image):
    image = image.at[0].set(0.0).at[-1].set(0.0)
    return image.at[:, 0].set(0.0).at[:, -1].set(0.0)


image = rng.poisson(100.0, (512, 512)).astype(float)
want = np.zeros_like(image)
want[1:-1, 1:-1] = image[1:-1, 1:-1]
tour.same("compiled updates of a 512 × 512 image", mask_edges(image), want, within=0)

# %% [markdown]
# ## What used to be awkward
#
# Programs that are traced and compiled trip over the same things everywhere: loops that end early, items that are
# assigned, selections, slopes of branches not taken, indices out of bounds, C code, processes. Each has a page in `docs/`.
#
# ### A loop that ends when it is done
#
# Kepler's equation by Newton's method, written as one would on paper, with a `break`. Compiled it is a native loop,
# for two thousand planets one in which each lane of the processor works until its own planet is done; and it has derivatives.


# %%
def eccentric_anomaly(mean, e):
    x = mean
    for _ in range(50):
        step = (x - e * np.sin(x) - mean) / (1 - e * np.cos(x))
        x = x - step
        if abs(step) < 1e-12:
            break
    return x


planets = jitney.jit(jitney.vmap(eccentric_anomaly))
means, eccentricities = rng.uniform(0, np.pi, 2_000), rng.uniform(0, 0.9, 2_000)
tour.race(
    "Kepler's equation, 2,000 planets",
    numpy=lambda: [eccentric_anomaly(m, e) for m, e in zip(means, eccentricities, strict=True)],
    compiled=lambda: planets(means, eccentricities),
)
found = np.asarray(planets(means, eccentricities))
tour.same("Kepler's equation holds", found - eccentricities * np.sin(found), means, within=1e-11)
slope = jitney.vmap(jitney.grad(jitney.jit(eccentric_anomaly)))(means, eccentricities)
tour.same("and so does its derivative", slope, 1 / (1 - eccentricities * np.cos(found)), within=1e-9)

# %% [markdown]
# ### Items and selections
#
# Outliers are clipped until the rest agrees: the mask depends on the data, the number of rounds as well. In NumPy and
# in jitney it is the same function.


# %%
def clipped(x):
    keep = np.ones_like(x, dtype=bool)
    for _ in range(20):
        middle, spread = x[keep].mean(), x[keep].std()
        new = abs(x - middle) < 3 * spread
        if (new == keep).all():
            break
        keep = new
    return x[keep].mean(), x[keep]


counts = np.concatenate([rng.normal(10.0, 1.0, 100_000), rng.uniform(-50, 50, 2_000)])
clipped_jit = jitney.jit(clipped)
tour.race(
    "clipping 102,000 numbers",
    numpy=lambda: clipped(counts),
    compiled=lambda: clipped_jit(counts),
)
tour.same("the same mean is left", clipped_jit(counts)[0], clipped(counts)[0], within=1e-12)
tour.check("and the same numbers", np.array_equal(clipped_jit(counts)[1], clipped(counts)[1]))


# %% [markdown]
# A walk that writes its steps where they belong. Compiled, the array is written in place; eager, `x = x.at[i].set(v)`
# writes in place as well, as long as nobody else holds `x`.


# %%
def walk(steps):
    path = np.zeros(len(steps) + 1)
    i = 0
    while i < len(steps):
        path[i + 1] = 0.9 * path[i] + steps[i]
        i += 1
    return path


steps_taken = rng.normal(size=20_000)
walk_jit = jitney.jit(walk)
tour.race("20,000 steps of a walk", numpy=lambda: walk(steps_taken), compiled=lambda: walk_jit(steps_taken))
tour.same("the same path", walk_jit(steps_taken), walk(steps_taken), within=1e-12)

large = jnp.zeros(1_000_000)
clock = time.perf_counter()
for i in range(1000):
    large = large.at[i].set(1.0)
each = (time.perf_counter() - clock) / 1000
tour.say(f"one eager update of an array of a million numbers: {1e6 * each:.1f} µs")
tour.check("the updates are there", float(large.sum()) == 1000.0)

# %% [markdown]
# ### Slopes of what was not taken
#
# Where a root is not taken, its infinite slope at 0 counts nothing; a norm has a slope at 0.

# %%
tour.same("slope of a guarded root at 0", jitney.grad(lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0))(0.0), 0.0)
tour.same("slope of a norm at 0", jitney.grad(jnp.linalg.norm)(jnp.zeros(3)), np.zeros(3))

# %% [markdown]
# ### Mistakes that stay silent elsewhere
#
# An index that is off by one reads the last element, and an integer that is too large wraps around. Two switches make them
# errors, compiled too, with the numbers and the line.

# %%
table = jnp.array([10.0, 20.0, 30.0])
look_up = jitney.jit(lambda i: table[i])
tour.say(f"look_up(7) = {float(look_up(7))}, silently the last one")
with jitney.check_bounds(True), tour.expect(IndexError, showing="table[i]"):
    look_up(7)

# %% [markdown]
# ### C code with derivatives
#
# A function of the C library, with its slope, inside of compiled loops: no Python is run.

# %%
libm = ctypes.CDLL(ctypes.util.find_library("m"))
for function in (libm.erf, libm.exp):
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double]
slow_erf = np.vectorize(libm.erf)
erf = jitney.foreign(libm.erf, derivative=[lambda x: 2 / np.sqrt(np.pi) * jnp.exp(-(x**2))])
some_x = np.linspace(-2, 2, 10_000)
area = jitney.jit(lambda x: jnp.sum(erf(x) ** 2))
tour.race(
    "C's erf of 10,000 numbers", numpy=lambda: (slow_erf(some_x) ** 2).sum(), compiled=lambda: area(some_x)
)
tour.same("C's erf squared and summed", area(some_x), (slow_erf(some_x) ** 2).sum(), within=1e-12)
slopes = 4 / np.sqrt(np.pi) * slow_erf(some_x) * np.exp(-(some_x**2))
tour.same("and its gradient", jitney.grad(area)(some_x), slopes, within=1e-12)

# %% [markdown]
# ### Fits that know their slopes, a sampler that stays inside
#
# `jitney.optimize` has SciPy's functions; gradients, Jacobians and Hessians come by themselves, and small fits run compiled as a
# whole. `jitney.ensemble` has emcee's sampler; all steps of all walkers are one native loop.


# %%
def decay_numpy(t, amplitude, life, host):
    return amplitude * np.exp(-t / life) + host


popt, pcov = curve_fit(decay, t, flux, p0=start, sigma=error)
by_scipy = scipy.optimize.curve_fit(decay_numpy, t, flux, p0=start, sigma=error)
tour.race(
    "curve_fit of the decay",
    numpy=lambda: scipy.optimize.curve_fit(decay_numpy, t, flux, p0=start, sigma=error),
    compiled=lambda: curve_fit(decay, t, flux, p0=start, sigma=error),
)
tour.same("SciPy's parameters", popt, by_scipy[0], within=1e-5)

inside = EnsembleSampler(walkers, 2, log_posterior, args=(v, dv), seed=42)
inside.run_mcmc(begin, 10)
inside.reset()
clock = time.perf_counter()
inside.run_mcmc(begin, steps)
inside_step = (time.perf_counter() - clock) / steps
tour.record(Race("100 walkers, one step in compiled code", numpy_step, None, inside_step))
inner = inside.get_chain(flat=True, discard=burn)
for i, name in enumerate(("mean", "dispersion")):
    shift = abs(inner[:, i].mean() - draws[:, i].mean()) / draws[:, i].std()
    tour.check(f"the {name} is emcee's", shift < 0.3, f"{shift:.2f} σ")

# %% [markdown]
# ### Lengths and processes
#
# A loop over data sets of many lengths compiles few programs; compiled functions travel to other processes, where nothing is
# compiled again, and child processes share the processors.


# %%
def skewness(x):
    return (((x - x.mean()) / x.std()) ** 3).mean()


samples = [rng.normal(size=n) for n in range(300, 500)]
for setting, programs in (("auto", "few programs"), ("off", "one program a length")):
    with jitney.config.temporarily("jitney_dynamic_shapes", setting):
        of_any_length = jitney.jit(skewness)
        clock = time.perf_counter()
        skews = [float(of_any_length(x)) for x in samples]
        tour.say(f"200 data sets of 200 lengths, {programs}: {time.perf_counter() - clock:.2f} s")
tour.same("skewness of each", skews, [skewness(x) for x in samples], within=1e-10)

travelled = pickle.loads(pickle.dumps(log_posterior_jit))
tour.same("a function that travelled", travelled(here, v, dv), log_posterior_jit(here, v, dv), within=0)

# %% [markdown]
# ## What to keep in mind
#
# - **Functions are pure.** What they return depends on their arguments alone. Appending to a list and
#   reading a global that changes happen while tracing, if at all.
# - **Shapes are fixed** within one compiled program. What a mask selects can be reduced, computed with and returned;
#   what needs its elements side by side must be given a size.
# - **What selects a program** rather than a number is static.
# - **Derivatives** stop at the border: code in C or Fortran behind a Python call has those that you supply.
#
# And the balance of the tour: where the whole computation is one array operation there is little to
# gain over NumPy. Where a formula has several steps, where the same formula is called many times on small data, or
# where its slope is wanted, there is a lot.

# %%
tour.finish()
