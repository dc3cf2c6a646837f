"""A step of neurons whose spikes have times within the step: pure and differentiable.

A neuron that is free goes from V at the begin of a step to V' at its end, as its model says; where V' reaches V_th, it has spiked at the
fraction f = (V_th - V) / (V' - V) of the step. It is held at V_reset from then on, for `t_ref`: in the step in which that
ends, it is held for the fraction f and free for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxnest._values import Values
from jaxnest.neurons._base import Env, Inputs, Neuron
from jaxnest.simulation._plan import SourceGroup


class Parts(NamedTuple):
    """What is differentiated in a step: parameters and constants of each group, and the resolution."""

    params: Mapping[str, Values]
    constants: Mapping[str, Values]
    h: Any


def timed_step(
    model: type[Neuron], p: Values, k: Values, h: Any, s: Values, part: Any, x: Inputs
) -> tuple[Values, Any, Any, Any]:
    """The states after the step, the fraction at which refractoriness will end, and for each neuron whether it spiked, and
    the fraction of the step at which it did.

    `part` (N,) is the fraction of the last step of refractoriness for which the neuron is held.
    """
    threshold_at: list[Any] = []

    def run(spikes: bool) -> Values:
        def fire(above: Any) -> Any:
            threshold_at.append(above)
            return jnp.full_like(above, 1.0 if spikes else 0.0)

        env = Env(h, fire, _no_random_numbers)
        return model.step(p, k, s.replace(refractory=jnp.zeros_like(s.refractory)), x, env)[0]

    free, reset = run(False), run(True)
    above = threshold_at[0]
    left = s.refractory
    held = jnp.where(left >= 2, 1.0, jnp.where(left == 1, part, 0.0)).astype(above.dtype)
    potential = held * reset.V_m + (1.0 - held) * free.V_m
    end = above + potential - free.V_m
    begin = above + s.V_m - free.V_m
    spiked = (end >= 0) & (left < 2)
    rise = jnp.where(spiked & (end > begin), end - begin, 1.0)
    fraction = held + (1.0 - held) * jnp.clip(-begin / rise, 0.0, 1.0)
    new = free.replace(
        V_m=jnp.where(spiked, reset.V_m, potential),
        refractory=jnp.where(spiked, reset.refractory, jnp.maximum(left - 1, 0)),
    )
    return new, jnp.where(spiked, fraction, part), spiked, jnp.where(spiked, fraction, 0.0)


def fault(model: type[Neuron], p: Mapping[str, Any]) -> str | None:
    """Why spikes of these neurons have no differentiable times, or None."""
    if not model.timed:
        return f"{model.name} has no spikes with times within a step (models that have: those with `timed = True`)"
    for name in ("delta", "refractory_input"):
        if name in p and bool(jnp.any(p[name] > 0)):
            return f"{model.name} with {name} > 0 has none; set {name} to 0"
    return None


def _no_random_numbers(draw: int) -> Any:
    return jnp.ones(())


def amplitudes(
    spiked: Any, fraction: Any, sources: Mapping[str, Values], plan_sources: Sequence[SourceGroup], first: Any, h: Any
) -> tuple[Any, Any]:
    """The rows (L + 1, n_sources) of amplitudes of the spikes of a slice, row 0 of the step before the first; and 1 where they may depend on
    the time of a spike, though they may be 0.

    A spike at the fraction f of a step is 1 - f of a spike at its begin and f of one at its end. `spiked`, `fraction` (L, N) are those of the
    neurons, which are the first of all sources; `sources` the parameters of generators.
    """
    on = spiked.astype(fraction.dtype)
    none = jnp.zeros_like(on[:1])

    def at_both_ends(begin: Any, end: Any) -> tuple[Any, Any]:
        return jnp.concatenate([begin, none]), jnp.concatenate([none, end])

    early, late = at_both_ends(on * (1.0 - fraction), on * fraction)
    parts = [(early + late, jnp.maximum(*at_both_ends(on, on)))]
    parts += [g.model.amplitudes(sources[g.key], first, spiked.shape[0], g.n, h) for g in plan_sources]
    rows, visited = (jnp.concatenate(each, axis=1) for each in zip(*parts, strict=True))
    return rows, visited.astype(rows.dtype)
