"""Losses on what `Program.simulate` records: numbers that are small where a network does what it should.

`spikes` are (n_steps, n), 0 or 1 with surrogate derivatives, as in ``record.spikes["recorder"]``; traces (n_samples, n) as in
``record.traces["meter"].V_m``. All are pure functions of one example and give a scalar, unless they say otherwise: use
`jax.vmap` for a batch, and the mean over it.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxnest.errors import ConfigurationError
from jaxnest.learning._arrays import floats

# --- what is read from spikes -----------------------------------------------------------------------------------------


def rates(spikes: Any, h: float) -> Any:
    """The mean rate of each neuron, (n,) in spikes/s. `h` (ms) is the length of a step."""
    return spikes.mean(0) * (1e3 / h)


@jax.jit
def first_spike_times(spikes: Any, h: float) -> Any:
    """The time of each neuron's first spike, (n,) ms (the right edge of its step); (n_steps + 1) h for a silent neuron.

    It is h times one plus the sum over steps of the product of (1 - spike) so far, so it has a derivative through the
    surrogate: a spike that came in an earlier step would bring the time forward, and one less would put it off to the second.
    """
    spikes = floats(spikes)
    there = jnp.where(spikes > 1, jnp.ones_like(spikes), spikes)

    def step(carry: tuple[Any, Any], row: Any) -> tuple[Any, None]:
        silent, steps = carry
        silent = silent * (1.0 - row)
        return (silent, steps + silent), None

    one = jnp.ones(there.shape[1:], there.dtype)
    return h * lax.scan(step, (one, one), there)[0][1]


# --- classification ---------------------------------------------------------------------------------------------------


def cross_entropy_of_counts(spikes: Any, label: Any, scale: float = 1.0) -> Any:
    """Cross-entropy of the softmax of `scale` times the spike counts, with the class `label` (a neuron's number)."""
    return _cross_entropy(scale * spikes.sum(0), label)


def cross_entropy_of_maxima(traces: Any, label: Any, scale: float = 1.0) -> Any:
    """Cross-entropy of the softmax of `scale` (1/mV) times the largest values in time of `traces` (n_samples, n).

    For readouts that do not spike: neurons whose V_th is out of reach. Source: Cramer et al. (2022), IEEE TNNLS 33:2744.
    """
    return _cross_entropy(scale * traces.max(0), label)


def cross_entropy_of_times(
    times: Any, label: Any, *, tau: float, silent: float, early: float = 0.0, tau_early: float | None = None
) -> Any:
    """Cross-entropy of the softmax of -t / tau: the neuron of the right class shall spike first.

    **Arguments:**

    - `times`: (n,) ms of the first spikes, inf for silent neurons.
    - `label`: the number of the neuron that should be first.
    - `tau` (ms): how much earlier is clearly earlier.
    - `silent` (ms): what the time of a silent neuron counts as (later than all others); such a neuron has no derivative.
    - `early`, `tau_early` (ms, by default `tau`): adds early (exp(t_label / tau_early) - 1), which draws the right neuron
      forward in time.

    Source: Göltz et al. (2021), Nat Mach Intell 3:823; Wunderlich & Pehle (2021), Sci Rep 11:12829.
    """
    times = jnp.where(jnp.isfinite(times), times, silent)
    loss = _cross_entropy(-times / tau, label)
    if early:
        loss = loss + early * jnp.expm1(jnp.take(times, label) / (tau if tau_early is None else tau_early))
    return loss


def cross_entropy_of_first_spikes(
    spikes: Any, label: Any, *, h: float, tau: float, early: float = 0.0, tau_early: float | None = None
) -> Any:
    """`cross_entropy_of_times` of `first_spike_times`: here silent neurons have a derivative, too."""
    silent = (spikes.shape[0] + 1) * h
    times = first_spike_times(spikes, h)
    return cross_entropy_of_times(times, label, tau=tau, silent=silent, early=early, tau_early=tau_early)


def _cross_entropy(logits: Any, label: Any) -> Any:
    import optax  # here, since it is slow to import

    return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(label, jnp.int32))


# --- rates ------------------------------------------------------------------------------------------------------------


def rate_target(spikes: Any, target: Any, h: float, *, population: bool = False) -> Any:
    """The mean over neurons of (rate - target)², in (spikes/s)²; `target` is a number or (n,).

    With `population`, the square of what the mean over neurons of rate - target is.
    """
    error = rates(spikes, h) - target
    return error.mean() ** 2 if population else (error**2).mean()


def rate_bounds(spikes: Any, h: float, *, low: float = 0.0, high: float = math.inf, population: bool = False) -> Any:
    """How far rates lie outside [low, high] spikes/s: the mean over neurons of the square of the distance.

    With `population`, of the mean rate of all neurons. Usual is a `low` for each neuron, which brings silent ones
    back, and a `high` for the population. Source: Zenke & Vogels (2021), Neural Comput 33:899.

    **Raises:** `ConfigurationError` unless 0 <= low <= high.
    """
    if not 0 <= low <= high:
        raise ConfigurationError(f"rate_bounds: low={low!r} and high={high!r} must be 0 <= low <= high")
    rate = rates(spikes, h)
    if population:
        rate = rate.mean(keepdims=True)
    outside = jnp.maximum(low - rate, 0.0) ** 2
    if math.isfinite(high):
        outside = outside + jnp.maximum(rate - high, 0.0) ** 2
    return outside.mean()


# --- synchrony --------------------------------------------------------------------------------------------------------


def synchrony(signals: Any) -> Any:
    """Golomb's measure χ²: the variance in time of the neurons' mean over the mean of their variances.

    `signals` (n_samples, n) are potentials, or spike counts in bins (see `binned`). It is 1 where all neurons do the
    same, about 1/n where they are independent, and 0 where nothing changes. It is differentiable everywhere, which its
    root χ is not.

    Source: Golomb & Rinzel (1994), Physica D 72:259; Golomb, Hansel & Mato (2001), in Handbook of Biological Physics 4.
    """
    of_mean = signals.mean(1).var()
    mean_of = signals.var(0).mean()
    return of_mean / jnp.where(mean_of > 0, mean_of, 1.0)


def binned(spikes: Any, width: float, h: float) -> Any:
    """Spike counts (n_bins, n) in bins of `width` ms, a multiple of `h`; steps after the last whole bin are left out.

    **Raises:** `ConfigurationError` if `width` is no multiple of `h`, or longer than the record.
    """
    per_bin = round(width / h)
    if per_bin < 1 or abs(per_bin * h - width) > 1e-6 * width:
        raise ConfigurationError(f"width={width!r} must be a positive multiple of h={h!r}")
    n_bins = spikes.shape[0] // per_bin
    if n_bins == 0:
        raise ConfigurationError(f"width={width!r} is longer than the {spikes.shape[0] * h:g} ms recorded")
    return spikes[: n_bins * per_bin].reshape(n_bins, per_bin, *spikes.shape[1:]).sum(1)


def synchrony_target(spikes: Any, target: float, h: float, *, width: float = 5.0) -> Any:
    """(χ² - target)², of `synchrony` of the spike counts in bins of `width` ms."""
    return (synchrony(binned(spikes, width, h)) - target) ** 2


# --- traces -----------------------------------------------------------------------------------------------------------


def trace_loss(V: Any, target: Any, weight: Any = None) -> Any:
    """The weighted mean of (V - target)², in mV²; `V` and `target` (n_samples, n), `weight` the same or (n_samples, 1), >= 0.

    With a weight from `away_from_spikes`, what a reset or the shape of a recorded action potential does to the
    potential is left out. 0 if all weights are 0.
    """
    if weight is None:
        return ((V - target) ** 2).mean()
    weight = jnp.broadcast_to(weight, V.shape)
    total = weight.sum()
    error = jnp.where(weight > 0, V - target, 0.0)  # where the weight is 0, a target may be NaN
    return (weight * error**2).sum() / jnp.where(total > 0, total, 1.0)


def away_from_spikes(*spikes: Any, h: float, before: float = 2.0, after: float = 5.0, inside: float = 0.0) -> Any:
    """Weights (n_steps, n) for `trace_loss`: `inside` from `before` ms before a spike to `after` ms after it, elsewhere 1.

    `spikes` are one or several arrays (n_steps, n), such as a model's and the recording's, in the steps of the trace
    (a multimeter with interval h); `h` is the length of a step. The weights are constants: they have no derivative.

    **Raises:** `ConfigurationError` if no spikes are given, or of different shapes.
    """
    if not spikes or len({jnp.shape(s) for s in spikes}) != 1:
        raise ConfigurationError(f"away_from_spikes: give spikes of one shape, not {[jnp.shape(s) for s in spikes]}")
    n_steps = spikes[0].shape[0]
    spiked = sum((lax.stop_gradient(s) > 0).astype(jnp.int32) for s in spikes)
    total = jnp.concatenate([jnp.zeros_like(spiked[:1]), jnp.cumsum(spiked, axis=0)])  # spikes in the steps before k
    k = jnp.arange(n_steps)
    last = jnp.minimum(k + 1 + round(before / h), n_steps)
    first = jnp.maximum(k - round(after / h), 0)
    return jnp.where(total[last] > total[first], inside, 1.0)
