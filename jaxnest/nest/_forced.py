"""NEST's `ignore_and_spike`: neurons that spike at fixed intervals, whatever their potentials do.

NEST takes these properties for every neuron; of the models that jaxnest has, only `iaf_psc_delta` heeds them. The first time that
one of them is set for it, all its nodes change to a core model that can be forced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from jaxnest.nest._errors import NESTErrors
from jaxnest.neurons import iaf_psc_delta as plain
from jaxnest.neurons._base import Env, Inputs, Parameter, State, Values, steps_up

if TYPE_CHECKING:
    from jaxnest.nest._kernel import Kernel

KEYS = frozenset(["ignore_and_spike", "ignore_and_spike_interval", "ignore_and_spike_offset"])


class iaf_psc_delta_forced(plain):
    """`iaf_psc_delta` whose neurons with `ignore_and_spike` spike `ignore_and_spike_offset` after that was set, and then at equal
    intervals, during refractoriness too. V_m is set to V_reset at these spikes and at no others."""

    ignore_and_spike = Parameter(0.0, "", "spike at fixed times, not at the threshold", ge=0, le=1)
    ignore_and_spike_interval = Parameter(100.0, "ms", "time between forced spikes", gt=0)
    ignore_and_spike_offset = Parameter(1.0, "ms", "time to the first forced spike", gt=0)

    wait = State(-1, "steps", "steps to the next forced spike; -1: `ignore_and_spike_offset`", dtype="int")

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        first, interval = steps_up(p.ignore_and_spike_offset, h), steps_up(p.ignore_and_spike_interval, h)
        return Values({**plain.constants(p, h), "first": first, "interval": interval})

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        forced = p.ignore_and_spike > 0.5
        wait = jnp.where(s.wait < 0, k.first, s.wait)
        wait = jnp.where(forced, wait - 1, wait)
        due = forced & (wait == 0)

        def fire(above: Any) -> Any:
            return jnp.where(forced, jnp.where(due, 1.0, 0.0), env.fire(above))

        new, spike = plain.step(p, k, s, x, replace(env, fire=fire))
        return new.replace(
            V_m=jnp.where(due, k.V_reset, new.V_m),
            refractory=jnp.where(due, k.t_ref, new.refractory),
            wait=jnp.where(due, k.interval, wait),
        ), jnp.where(due, 1.0, spike)


def check_forced(owner: str, params: Mapping[str, Any]) -> None:
    """Check the properties of forced spikes among `params`, each one value or an array. `owner` begins the message.

    **Raises:** `BadProperty`.
    """
    for key in ("ignore_and_spike_offset", "ignore_and_spike_interval"):
        if key in params and not (np.asarray(params[key], float) > 0).all():
            raise NESTErrors.BadProperty(f"{owner}: {key} > 0 required.")


def heed(kernel: Kernel, model: str, keys: Iterable[str]) -> None:
    """Let all nodes of the core model behind `model` be forced, if `keys` of it are about to be set that ask for this."""
    if KEYS.isdisjoint(keys) or kernel.models.nodes[model].core is not plain:
        return
    for name, known in kernel.models.nodes.items():
        if known.core is plain:
            kernel.models.nodes[name] = replace(known, core=iaf_psc_delta_forced)
    for block in kernel.blocks:
        if block.model.core is plain:
            block.model = replace(block.model, core=iaf_psc_delta_forced)
    if kernel.engine is not None:
        kernel.engine.stale = True


__all__ = ["KEYS", "check_forced", "heed", "iaf_psc_delta_forced"]
