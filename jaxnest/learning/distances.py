"""Distances between spike trains.

| function | trains are | derivative |
|---|---|---|
| `van_rossum` | spikes (n_steps, n) on the grid | through the surrogate, and with respect to `tau` |
| `van_rossum_of_times` | times (k,) ms | exact |
| `victor_purpura` | times on the host | none (it takes NumPy arrays only) |
| `victor_purpura_on_grid` | spikes (n_steps, n) on the grid | through the surrogate |
| `coincidence_factor` | times on the host | none |
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
from jaxnest.learning._arrays import floats


@jax.jit
def van_rossum(spikes: Any, target: Any, tau: Any, h: float) -> Any:
    """The squared van Rossum distance of each neuron's spikes to its target, (n,); use its mean as a loss.

        D² = (2 / tau) ∫ (f - g)² dt,   f(t) = Σ exp(-(t - t_i) / tau) over the spikes t_i <= t, g likewise of the target

    over all times, also after the end of the record, so that it is exact on the grid. A spike that has no partner adds 1;
    for tau → 0 it counts all spikes that do not coincide, for tau → ∞ it is the squared difference of the counts.

    `spikes` and `target` (n_steps, n), `tau` and `h` in ms. Source: van Rossum (2001), Neural Comput 13:751, whose D² is
    half of this; normalised as by Houghton & Kreuz (2012), Network 23:48.
    """
    spikes = floats(spikes)
    decay = jnp.exp(-h / jnp.asarray(tau, spikes.dtype))

    def step(trace: Any, difference: Any) -> tuple[Any, Any]:
        trace = decay * trace + difference
        return trace, trace

    last, traces = lax.scan(step, jnp.zeros(spikes.shape[1:], spikes.dtype), spikes - target)
    return (1.0 - decay**2) * (traces**2).sum(0) + decay**2 * last**2


@jax.jit
def van_rossum_of_times(a: Any, b: Any, tau: Any) -> Any:
    """The squared van Rossum distance (see `van_rossum`) of two trains of spike times: (k,) and (m,) ms, filled up with inf.

    Differentiable with respect to times, such as those that `EventProp` gives.
    """
    a, b = (jnp.asarray(x, jnp.result_type(float, a, b)) for x in (a, b))
    return _overlap(a, a, tau) + _overlap(b, b, tau) - 2.0 * _overlap(a, b, tau)


def _overlap(a: Any, b: Any, tau: Any) -> Any:
    """The sum over pairs of exp(-|t_i - t_j| / tau)."""
    there = jnp.isfinite(a)[:, None] & jnp.isfinite(b)[None, :]
    a, b = (jnp.where(jnp.isfinite(x), x, 0.0) for x in (a, b))
    return jnp.where(there, jnp.exp(-jnp.abs(a[:, None] - b[None, :]) / tau), 0.0).sum()


def victor_purpura(a: Any, b: Any, cost: float) -> float:
    """The Victor-Purpura distance of two trains of spike times (ms): what it costs at least to make one of the other, where a
    spike is added or taken away for 1, and moved by t for `cost` t (cost in 1/ms).

    Computed on the host, without derivatives: see `victor_purpura_on_grid`. Source: Victor & Purpura (1996), J Neurophysiol 76:1310.

    **Raises:** `ConfigurationError` for a negative cost, or for traced arrays.
    """
    a, b = _train("victor_purpura", a), _train("victor_purpura", b)
    if not cost >= 0:
        raise ConfigurationError(f"victor_purpura: cost={cost!r} must be >= 0")
    if len(a) == 0 or len(b) == 0:
        return float(len(a) + len(b))
    places = np.arange(len(b) + 1.0)
    row = places.copy()
    for i, t in enumerate(a):
        moved = row[:-1] + (cost * np.abs(t - b) if math.isfinite(cost) else np.where(t == b, 0.0, np.inf))
        best = np.concatenate([[i + 1.0], np.minimum(row[1:] + 1.0, moved)])
        row = np.minimum.accumulate(best - places) + places  # or a spike of b added, any number of times
    return float(row[-1])


@partial(jax.jit, static_argnames=("cost", "h"))
def victor_purpura_on_grid(spikes: Any, target: Any, cost: float, h: float) -> Any:
    """The Victor-Purpura distance of each neuron's spikes to its target, (n,): differentiable through the surrogate.

    For numbers of spikes s_k and s'_k in step k the distance is the largest Σ f_k (s_k - s'_k) over all functions of time with
    |f_k| <= 1 and |f_k - f_{k+1}| <= cost h (the dual of the cheapest transport). So it is convex in the spikes, its
    derivative is that f, and for whole numbers it is exactly `victor_purpura`.

    `spikes` and `target` (n_steps, n); `cost` in 1/ms, rounded up so that 2 / (cost h) is an integer, the number of values that f
    may have: work and memory of a gradient grow with n_steps n 2 / (cost h).

    **Raises:** `ConfigurationError` unless cost > 0, and for more than 4096 values of f.
    """
    if not (cost > 0 and h > 0):
        raise ConfigurationError(f"victor_purpura_on_grid: cost={cost!r} and h={h!r} must be > 0")
    jumps = max(1, math.floor(2.0 / (cost * h) + 1e-9))
    if jumps > 4096:
        raise ConfigurationError(
            f"victor_purpura_on_grid: cost={cost!r} per ms needs {jumps} values at h={h!r}; use a higher cost, or sum the steps in bins"
        )
    spikes = floats(spikes)
    value = jnp.linspace(-1.0, 1.0, jumps + 1, dtype=spikes.dtype)
    n = spikes.shape[1]
    beyond = jnp.full((n, 1), -jnp.inf, spikes.dtype)

    def step(best: Any, difference: Any) -> tuple[Any, None]:
        up = jnp.concatenate([beyond, best[:, :-1]], axis=1)
        down = jnp.concatenate([best[:, 1:], beyond], axis=1)
        best = jnp.maximum(best, jnp.maximum(up, down))
        return best + difference[:, None] * value[None, :], None

    start = jnp.zeros((n, jumps + 1), spikes.dtype)
    best, _ = lax.scan(step, start, spikes - target)
    return best.max(1)


def coincidence_factor(a: Any, b: Any, duration: float, window: float = 4.0) -> float:
    """The coincidence factor Γ of a model's spike times `a` with recorded ones `b` (ms): 1 if all coincide within `window`, about
    0 for a Poisson train of the model's rate.

        Γ = (N_coinc - 2 r window N_b) / ((N_a + N_b) / 2) / (1 - 2 r window),   r = N_a / duration

    Each spike is in one coincidence at most. Computed on the host. NaN if neither has spikes.
    Source: Kistler, Gerstner & van Hemmen (1997), Neural Comput 9:1015; Jolivet et al. (2008), J Neurosci Methods 169:417.

    **Raises:** `ConfigurationError` if 2 r window is not below 1: then coincidences say nothing.
    """
    a, b = _train("coincidence_factor", a), _train("coincidence_factor", b)
    chance = 2.0 * len(a) / duration * window
    if not chance < 1:
        raise ConfigurationError(f"coincidence_factor: window={window!r} ms is too wide for {len(a)} spikes in {duration!r} ms")
    if len(a) + len(b) == 0:
        return math.nan
    together = i = j = 0
    while i < len(a) and j < len(b):  # the earliest partner that is left is the best one
        if abs(a[i] - b[j]) <= window:
            together, i, j = together + 1, i + 1, j + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return (together - chance * len(b)) / (0.5 * (len(a) + len(b))) / (1.0 - chance)


def _train(what: str, times: Any) -> np.ndarray:
    """Spike times as a sorted array, without those that are inf."""
    if isinstance(times, jax.core.Tracer):
        raise ConfigurationError(
            f"{what} is computed on the host and has no derivative; use van_rossum or victor_purpura_on_grid"
        )
    array = np.asarray(times, np.float64)
    if array.ndim != 1 or np.isnan(array).any():
        raise ConfigurationError(f"{what}: spike times must be (k,) and not NaN, not of shape {array.shape}")
    return np.sort(array[array < np.inf])
