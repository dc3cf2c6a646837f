"""Spike-timing dependent plasticity, pair-based, with parameters that all synapses share."""

from __future__ import annotations

from jaxnest._values import Values
from jaxnest.synapses.stdp_synapse import stdp_synapse


class stdp_synapse_hom(stdp_synapse):
    """The `stdp_synapse` with one value of each parameter for all synapses of a projection."""

    common = ("tau_plus", "lambda", "alpha", "mu_plus", "mu_minus", "Wmax")

    @staticmethod
    def check(p: Values) -> str | None:
        return None
