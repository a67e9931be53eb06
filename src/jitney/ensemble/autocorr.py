"""``jitney.ensemble.autocorr``: how many steps of a chain count as one independent sample."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from jitney import numpy as jnp

__all__ = ["AutocorrError", "function_1d", "integrated_time"]

_COLUMNS = 1 << 21  # numbers that are transformed at once


class AutocorrError(Exception):
    """A chain is too short for its autocorrelation time; ``tau`` is the estimate all the same."""

    def __init__(self, tau: Any, *args: Any) -> None:
        self.tau = tau
        super().__init__(*args)


def function_1d(x: Any) -> Any:
    """The autocorrelation function of a series, 1 at lag 0.

    Args:
        x: of shape ``[n]``.

    Returns:
        A NumPy array of shape ``[n]``.

    Raises:
        ValueError: ``x`` has another number of axes.

    >>> from jitney.ensemble.autocorr import function_1d
    >>> function_1d([1.0, -1.0, 1.0, -1.0]).round(2).tolist()
    [1.0, -0.75, 0.5, -0.25]
    """
    x = np.asarray(x, float)
    if x.ndim != 1:
        raise ValueError(f"function_1d needs a series of one axis, got an array of shape {x.shape}.")
    return np.asarray(_correlations(x[:, None])[:, 0])


def _correlations(x: Any) -> Any:
    """Autocorrelation functions of the columns of ``x``, each 1 at lag 0."""
    n = len(x)
    size = 2 << max(n - 1, 1).bit_length()  # zeros beside the series: products do not run around its end
    spectrum = jnp.fft.rfft(x - jnp.mean(x, axis=0), size, axis=0)
    power = spectrum.real**2 + spectrum.imag**2
    sums = jnp.fft.irfft(power, size, axis=0)[:n]
    return sums / sums[0]


def integrated_time(
    x: Any, c: float = 5, tol: float = 50, quiet: bool = False, has_walkers: bool = True
) -> Any:
    """The integrated autocorrelation time of each parameter, in steps.

    Autocorrelation functions are averaged over the walkers, and summed up to the first lag that is ``c`` times the sum.

    Args:
        x: chains, of shape ``[nsteps, nwalkers, ndim]``; ``[nsteps, nwalkers]`` of one parameter; ``[nsteps]`` of one walker.
        c: the window, in autocorrelation times.
        tol: how many autocorrelation times long a chain must be; 0 asks for nothing.
        quiet: whether a chain that is too short is only logged.
        has_walkers: whether two axes mean steps and walkers; else, steps and parameters.

    Returns:
        A NumPy array of shape ``[ndim]``.

    Raises:
        AutocorrError: the chain is shorter than ``tol`` times the result; the error's ``tau`` holds it.
        ValueError: ``x`` has no or more than three axes.

    Sokal, "Monte Carlo Methods in Statistical Mechanics" (1996); the average over walkers is Foreman-Mackey's.

    >>> import numpy as np
    >>> from jitney.ensemble.autocorr import integrated_time
    >>> white = np.random.default_rng(0).normal(size=(2000, 10, 1))
    >>> integrated_time(white).round(1)
    array([1.])
    """
    x = np.asarray(x, float)
    if x.ndim == 1:
        x = x[:, None, None]
    elif x.ndim == 2:
        x = x[:, :, None] if has_walkers else x[:, None, :]
    if x.ndim != 3:
        raise ValueError(f"integrated_time needs chains of shape [nsteps, nwalkers, ndim], got {x.shape}.")
    steps, walkers, ndim = x.shape
    at_once = max(1, _COLUMNS // max(steps, 1))
    sums = np.zeros((steps, ndim))
    for first in range(0, walkers, at_once):
        for parameter in range(ndim):
            some = _correlations(x[:, first : first + at_once, parameter])
            sums[:, parameter] += np.asarray(jnp.sum(some, axis=1))
    times = 2 * np.cumsum(sums / walkers, axis=0) - 1
    beyond = np.arange(steps)[:, None] >= c * times
    window = np.where(beyond.any(axis=0), np.argmax(beyond, axis=0), steps - 1)
    tau = times[window, np.arange(ndim)]
    short = tol * tau > steps
    if short.any():
        text = (
            f"The chain is shorter than {tol} times the integrated autocorrelation time for {short.sum()} parameter(s). "
            f"Use this estimate with caution and run a longer chain!\nN/{tol} = {steps / tol:.0f};\ntau: {tau}"
        )
        if not quiet:
            raise AutocorrError(tau, text)
        logging.getLogger(__name__).warning(text)
    return tau
