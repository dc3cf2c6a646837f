"""Encoders: from numbers to spikes.

`poisson`, `current` and `delta` give spikes (..., n_steps, n), which ``"name.spikes"`` of a `spike_input` takes for each example;
`latency` and `rank` give one time a neuron, (..., n) ms, inf for none, which `spikes_at` turns into spikes. `spike_times` makes
of spikes what a `spike_generator` takes. Row k of spikes is the step that ends at (k + 1) h.

Rates have the derivative of the mean count, times of `latency` that of their formula; other encoders have none.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnest.errors import ConfigurationError
from jaxnest.events import random
from jaxnest.learning._arrays import floats

_STREAM = 0x656E636F  # far from those of devices and neurons, so that a network's seed may serve here, too


def poisson(rates: Any, n_steps: int, h: float, seed: Any) -> Any:
    """Poisson trains: how many spikes there are in each step, as from NEST's poisson_generator, (..., n_steps, n).

    **Arguments:** `rates`: (..., n) spikes/s, >= 0. `seed`: an integer, a key uint32[2] (from
    `jaxnest.events.random.key_from_seed` or `jax.random.PRNGKey`) or a key from `jax.random.key`. A number depends on seed, step
    and place in `rates` only: so under `jax.vmap` give each example a key of its own.

    A negative rate, or one with more than 262,140 spikes a step, gives NaN. The derivative is that of the mean count.
    """
    return _poisson(floats(rates), _key(seed), h, n_steps)


@partial(jax.jit, static_argnames="n_steps")
def _poisson(rates: Any, key: Any, h: Any, n_steps: int) -> Any:
    mean = jnp.expand_dims(rates * (1e-3 * h), -2)
    ident = jnp.arange(rates.size, dtype=jnp.int32).reshape(mean.shape)
    step = jnp.arange(n_steps, dtype=jnp.int32).reshape((1,) * (rates.ndim - 1) + (n_steps, 1))
    return random.poisson(random.poisson_table(mean), key, _STREAM, step, ident)


def latency(values: Any, last: float, *, first: float = 0.0, threshold: float = 0.0, tau: float | None = None) -> Any:
    """The larger a value, the earlier its one spike: times (..., n) ms, inf for values that are not above `threshold`.

    - without `tau`: times between `first` (value 1 and more) and `last` (value `threshold`), linear in the value;
    - with `tau` (ms): first + tau log(value / (value - threshold)), when a leaky integrator that is charged towards the value passes
      `threshold` > 0; inf for times after `last`. Source: Cramer et al. (2022), IEEE TNNLS 33:2744.

    **Raises:** `ConfigurationError` unless 0 <= first <= last, threshold < 1, and with `tau` threshold > 0.
    """
    if not 0 <= first <= last or not threshold < 1:
        raise ConfigurationError(
            f"latency: first={first!r}, last={last!r}, threshold={threshold!r} must be 0 <= first <= last, < 1"
        )
    values = floats(values)
    above = values > threshold
    safe = jnp.where(above, values, 1.0)
    if tau is None:
        times = first + (last - first) * (1.0 - safe) / (1.0 - threshold)
        return jnp.where(above, jnp.where(safe > 1, first, times), jnp.inf)
    if not (tau > 0 and threshold > 0):
        raise ConfigurationError(f"latency: tau={tau!r} and threshold={threshold!r} must be > 0")
    times = first - tau * jnp.log1p(-threshold / safe)
    return jnp.where(above & (times <= last), times, jnp.inf)


def rank(values: Any, interval: float, *, first: float = 0.0, threshold: float = -math.inf) -> Any:
    """One spike each in the order of the values, the largest at `first`, then every `interval` ms: times (..., n) ms.

    Of equal values the one with the lower index is first. inf for values that are not above `threshold`. Source: Thorpe &
    Gautrais (1998), in Computational Neuroscience: Trends in Research.

    **Raises:** `ConfigurationError` unless interval > 0 and first >= 0.
    """
    if not (interval > 0 and first >= 0):
        raise ConfigurationError(f"rank: interval={interval!r} must be > 0, first={first!r} >= 0")
    values = floats(values)
    place = jnp.argsort(jnp.argsort(-values, axis=-1, stable=True), axis=-1)
    return jnp.where(values > threshold, first + interval * place.astype(values.dtype), jnp.inf)


def delta(signal: Any, threshold: float, *, start: Any = 0.0) -> Any:
    """Spikes where a signal has changed by `threshold`: (..., n_steps, 2 n), the first n for rises, the others for falls.

    A sigma-delta modulator: the sum of all that was sent so far, times `threshold`, follows the signal (..., n_steps, n), from
    `start` (a number or (..., n)) on. A step sends as many spikes as are needed, so `delta_decode` is never off by
    `threshold` or more (but for rounding). Source: Yousefzadeh et al. (2019), IEEE AICAS.

    **Raises:** `ConfigurationError` unless threshold > 0.
    """
    if not threshold > 0:
        raise ConfigurationError(f"delta: threshold={threshold!r} must be > 0")
    signal = lax.stop_gradient(floats(signal))
    return _delta(signal, threshold, jnp.asarray(start, signal.dtype))


@jax.jit
def _delta(signal: Any, threshold: Any, start: Any) -> Any:
    rows = jnp.moveaxis(signal, -2, 0)

    def step(sent: Any, row: Any) -> tuple[Any, Any]:
        change = (row - start) / threshold - sent
        spikes = jnp.sign(change) * jnp.floor(jnp.abs(change))
        return sent + spikes, spikes

    _, spikes = lax.scan(step, jnp.zeros(rows.shape[1:], signal.dtype), rows)
    spikes = jnp.moveaxis(spikes, 0, -2)
    return jnp.concatenate([jnp.maximum(spikes, 0.0), jnp.maximum(-spikes, 0.0)], axis=-1)


def delta_decode(spikes: Any, threshold: float, *, start: Any = 0.0) -> Any:
    """The signal (..., n_steps, n) that spikes (..., n_steps, 2 n) from `delta` stand for."""
    up, down = jnp.split(floats(spikes), 2, axis=-1)
    total = threshold * jnp.cumsum(up - down, axis=-2)
    start = jnp.asarray(start, total.dtype)
    return total + (start if start.ndim == 0 else jnp.expand_dims(start, -2))


def current(values: Any, n_steps: int, h: float, *, tau_m: float = 10.0, threshold: float = 1.0, t_ref: float = 0.0) -> Any:
    """The spikes of leaky integrate-and-fire neurons under constant currents, (..., n_steps, n): regular trains.

    The potential begins at 0, goes towards the value (..., n) with `tau_m` (ms), and at `threshold` goes back to 0 for `t_ref` (ms,
    rounded up to the grid): values up to `threshold` give no spike. It is `iaf_psc_delta` with I_e = value C_m / tau_m. (To
    inject a current into the neurons of a network themselves, set their ``"name.I_e"``.)

    **Raises:** `ConfigurationError` unless tau_m > 0, threshold > 0 and t_ref >= 0.
    """
    if not (tau_m > 0 and threshold > 0 and t_ref >= 0):
        raise ConfigurationError(f"current: tau_m={tau_m!r}, threshold={threshold!r} must be > 0, t_ref={t_ref!r} >= 0")
    rest = math.ceil(round(t_ref / h, 9))
    return _current(lax.stop_gradient(floats(values)), -math.expm1(-h / tau_m), threshold, rest, n_steps)


@partial(jax.jit, static_argnames="n_steps")
def _current(values: Any, rise: Any, threshold: Any, rest: Any, n_steps: int) -> Any:
    def step(carry: Any, _: None) -> tuple[Any, Any]:
        v, wait = carry
        free = wait == 0
        v = jnp.where(free, v + rise * (values - v), v)
        spike = free & (v >= threshold)
        return (jnp.where(spike, 0.0, v), jnp.where(spike, rest, jnp.maximum(wait - 1, 0))), spike.astype(values.dtype)

    start = jnp.zeros_like(values), jnp.zeros(values.shape, jnp.int32)
    return jnp.moveaxis(lax.scan(step, start, None, length=n_steps)[1], 0, -2)


def spikes_at(times: Any, n_steps: int, h: float) -> Any:
    """Spikes (..., n_steps, n) at `times` (..., n) ms, rounded up to the grid; none where a time is inf or after the end.

    A time of 0 falls into the first step.
    """
    times = lax.stop_gradient(floats(times))
    step = times / h
    slack = 1e-6 + 4.0 * jnp.finfo(step.dtype).eps * step  # a time on the grid may be off by rounding
    step = jnp.maximum(jnp.ceil(step - jnp.where(jnp.isfinite(step), slack, 0.0)), 1.0) - 1.0
    steps = jnp.arange(n_steps, dtype=times.dtype).reshape((1,) * (times.ndim - 1) + (n_steps, 1))
    return (jnp.expand_dims(step, -2) == steps).astype(times.dtype)


def spike_times(spikes: Any, h: float) -> list[np.ndarray]:
    """The times (ms) of spikes (n_steps, n) for `spike_generator.spike_times`: one array a neuron, several spikes in a step
    several times. On the host.

    **Raises:** `ConfigurationError` for other shapes, or numbers of spikes that are no integers >= 0.
    """
    counts = np.asarray(spikes)
    if counts.ndim != 2 or (counts < 0).any() or (counts != np.round(counts)).any():
        raise ConfigurationError(f"spike_times: spikes of shape {counts.shape} must be (n_steps, n), integers >= 0")
    stamps = np.round(np.arange(1, len(counts) + 1) * h, 6)
    return [np.repeat(stamps, column.astype(int)) for column in counts.T]


def _key(seed: Any) -> Any:
    if isinstance(seed, (int, np.integer)):
        return random.key_from_seed(int(seed))
    if isinstance(seed, jax.Array) and jnp.issubdtype(seed.dtype, jax.dtypes.prng_key):
        seed = jax.random.key_data(seed)
    key = jnp.asarray(seed)
    if key.shape != (2,) or key.dtype != jnp.uint32:
        raise ConfigurationError(f"seed must be an integer or one key of two words, not {key.dtype}{key.shape}")
    return key
