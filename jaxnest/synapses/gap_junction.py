"""Electrical synapse."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Coupling, Parameter, Values


class gap_junction(Coupling):
    """A gap junction: a current `weight` (V_pre - V_post) into the target; connected both ways, with the same weight. See
    `jaxnest.neurons._gap.GapNeuron` for how potentials within a step are found.

    Source: Hahne et al. (2015), Front Neuroinform 9:22.
    """

    weight = Parameter(1.0, "nS", "conductance")

    signal = "gap"
    delayed = False
    symmetric = True
    channels = ("gap_g", "gap_0", "gap_1", "gap_2", "gap_3")

    @staticmethod
    def carried(p: Values, x: Any) -> Values:
        terms = {f"gap_{k}": p.weight * x[k] for k in range(4)}
        return Values(gap_g=jnp.broadcast_to(p.weight, x[0].shape), **terms)
