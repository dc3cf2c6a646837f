"""Neuron that fires at fixed intervals, whatever reaches it."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, Routing, State, Values, steps_up


class ignore_and_fire(Neuron):
    """Fires `rate` times a second at equal intervals and ignores its inputs: for checks and benchmarks of a network's traffic.

    The first spike is in the step that begins `phase` of an interval after the start, every further one an interval after
    the last; both times are rounded up to the grid. A changed `rate` counts from the next spike on; where `wait` is set
    to -1, `phase` begins anew (as it does in NEST at every change of a parameter). Spikes are given, so they have no gradients.

    Source: NEST 3.10's model of this name.
    """

    phase = Parameter(1.0, "", "time to the first spike in units of an interval", gt=0, le=1)
    rate = Parameter(10.0, "1/s", "firing rate", gt=0)

    wait = State(-1, "steps", "steps to the next spike; -1: as `phase` says", dtype="int")

    routing = Routing.SINGLE

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(first=steps_up(p.phase / p.rate * 1000.0, h), interval=steps_up(1.0 / p.rate * 1000.0, h))

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        wait = jnp.where(s.wait < 0, k.first, s.wait)
        fires = wait == 0
        return s.replace(wait=jnp.where(fires, k.interval, wait) - 1), jnp.where(fires, 1.0, 0.0)
