"""Gradient descent through a spiking network: which external drive gives each population a wanted rate?"""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from jaxnest.errors import ConfigurationError
from jaxnest.events.random import key_from_seed
from jaxnest.models.potjans_diesmann import microcircuit
from jaxnest.simulation import Nodes

SCALE, K_SCALE, H = 0.02, 0.01, 0.25
TRANSIENT, TIME = 50.0, 150.0  # ms: from where on spikes count, and simulated in all
LEARNING_RATE = 0.06  # of the logarithm of the drives, at first; a cosine brings it to a tenth
RAISED = 1.3  # the drives to be found, in published ones; a copy this small hardly fires with those themselves
_OTHERS = 4  # simulations in each step that measure the rates
_REPEATS = 16  # simulations that a rate to report is averaged over


@dataclass(frozen=True)
class Fit:
    """What `fit_drive` found: drives (8,) and rates (8,) in spikes/s, `losses` (n_steps,)."""

    losses: np.ndarray
    start_drive: np.ndarray
    found_drive: np.ndarray
    true_drive: np.ndarray
    start_rates: np.ndarray
    found_rates: np.ndarray
    target_rates: np.ndarray
    neurons: int
    synapses: int
    seconds: float
    compile_seconds: float

    def distance(self, rates: np.ndarray) -> float:
        """The loss of mean rates: the mean over populations of ((rate - target) / (target + 1))²."""
        return float(np.mean(((rates - self.target_rates) / (self.target_rates + 1.0)) ** 2))


def surrogate(x: Any) -> Any:
    """A wide and low triangle, x in mV.

    In a recurrent network the surrogate derivatives of tau_m / h steps add up, and each carries a reset by 15 mV: with
    a height near 1 the gradient grows without bound. With this one the derivatives of the eight rates by the eight
    drives agree with finite differences of averages to a correlation of 0.9, at 0.6 times their size.
    """
    return 0.01 * jnp.maximum(0.0, 1.0 - jnp.abs(x) / 5.0)


def fit_drive(
    steps: int = 50,
    seed: int = 0,
    progress: Callable[[int, float], None] | None = None,
    raised: float = RAISED,
) -> Fit:
    """Find the rates of the external Poisson input of the eight populations of a small microcircuit from the rates with
    which these fire, by Adam on the gradient of a loss on their spike counts.

    The drives to be found are the published ones times `raised`; the descent begins with the published ones, and
    every step of it sees other random numbers.

    **Arguments:** `steps`: of the descent; `progress(step, loss)` is called after each.

    **Raises:** `ConfigurationError` if `steps` is less than 1.
    """
    if steps < 1:
        raise ConfigurationError(f"steps={steps!r} must be at least 1")
    net, populations = microcircuit(SCALE, K_SCALE, h=H, seed=seed)
    recorder = net.create("spike_recorder")
    net.connect(sum(populations.values(), Nodes(())), recorder)
    program = net.compile(delivery="dense", surrogate=surrogate)
    n = np.array([p.n for p in populations.values()])
    owner = np.repeat(np.arange(8), n)
    published = program.get(program.params, "external.rate")
    first = round(TRANSIENT / H)

    def rates(log_factor: Any, params: Any, connections: Any, key: Any) -> Any:
        params = program.set(params, {"external.rate": published * jnp.exp(log_factor)})
        _, record = program.simulate(params, connections, program.init(params, key), TIME, checkpoint=True)
        counts = jax.ops.segment_sum(record.spikes[recorder.name][first:].sum(0), owner, 8)
        return counts / n.astype(np.float32) / (TIME - TRANSIENT) * 1e3

    def loss_and_gradient(log_factor: Any, target: Any, params: Any, connections: Any, keys: Any) -> Any:
        """How far the rates are, by some simulations, and the gradient of that, by one other. From one simulation, the
        same chance that makes rates high makes their derivatives large: on average that pushes drives down."""
        others = lax.map(lambda key: rates(log_factor, params, connections, key), keys[1:]).mean(0)
        error = (others - target) / (target + 1.0)
        slope = 2.0 * error / (target + 1.0) / 8.0

        def along(log_factor: Any) -> Any:
            return (rates(log_factor, params, connections, keys[0]) * slope).sum()

        return jnp.mean(error**2), jax.grad(along)(log_factor)

    optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, steps, alpha=0.1))

    @jax.jit
    def descend(log_factor: Any, opt: Any, target: Any, params: Any, connections: Any, keys: Any) -> Any:
        value, gradient = loss_and_gradient(log_factor, target, params, connections, keys)
        change, opt = optimizer.update(gradient, opt)
        return optax.apply_updates(log_factor, change), opt, value

    began = clock.perf_counter()
    arrays = (program.params, program.connections)
    forward = jax.jit(rates)

    def measured(log_factor: Any, base: int) -> np.ndarray:
        every = [forward(log_factor, *arrays, key_from_seed(base + i)) for i in range(_REPEATS)]
        return np.mean([np.asarray(r) for r in every], axis=0)

    def keys_of(step: int) -> Any:
        return jnp.stack([key_from_seed(10_000 + step * (_OTHERS + 1) + i) for i in range(_OTHERS + 1)])

    start_at = jnp.zeros(8)
    target_rates = measured(jnp.full(8, np.log(raised)), 3000)
    start_rates = measured(start_at, 1000)
    opt = optimizer.init(start_at)
    wanted = jnp.asarray(target_rates, published.dtype)
    compiled = clock.perf_counter()
    step_once = descend.lower(start_at, opt, wanted, *arrays, keys_of(0)).compile()
    compile_seconds = clock.perf_counter() - compiled
    log_factor, losses, tail = start_at, [], []
    for step in range(steps):
        log_factor, opt, value = step_once(log_factor, opt, wanted, *arrays, keys_of(step))
        losses.append(float(value))
        if step >= steps - max(steps // 5, 1):
            tail.append(np.asarray(log_factor))
        if progress is not None:
            progress(step, losses[-1])
    found = jnp.asarray(np.mean(tail, axis=0))  # of the last fifth, so that the noise of single steps averages out
    base = np.asarray(published)
    return Fit(
        losses=np.array(losses),
        start_drive=base * np.exp(np.asarray(start_at)),
        true_drive=base * raised,
        found_drive=base * np.exp(np.asarray(found)),
        start_rates=start_rates,
        found_rates=measured(found, 2000),
        target_rates=target_rates,
        neurons=int(n.sum()),
        synapses=sum(len(p) for p in net.projections if p.name != "drive"),
        seconds=clock.perf_counter() - began,
        compile_seconds=compile_seconds,
    )
