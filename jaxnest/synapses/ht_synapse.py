"""Synapse with depression after Hill and Tononi."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Parameter, Pre, State, Synapse, Values


class ht_synapse(Synapse):
    r"""Short-term depression: each spike uses up a share of a pool of vesicles, which recovers.

        dP/dt = (1 - P) / tau_P;   at a spike, which carries ``weight P``:  P -= delta_P P

    Source: Hill & Tononi (2005), J Neurophysiol 93:1671.
    """

    tau_P = Parameter(500.0, "ms", "time constant of the pool's recovery", gt=0)
    delta_P = Parameter(0.125, "", "share of the pool that a spike uses up", ge=0, le=1)

    P = State(1.0, "", "the pool after the last spike, in [0, 1]", ge=0)

    @staticmethod
    def check(p: Values) -> str | None:
        return "P must be in [0, 1]" if (p.P > 1).any() else None

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        P = 1.0 - (1.0 - s.P) * jnp.exp(-pre.since_last / p.tau_P)
        return s.replace(P=(1.0 - p.delta_P) * P), p.weight * P
