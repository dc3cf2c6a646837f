"""Short-term plasticity with a synaptic current of finite duration and parameters that all synapses share."""

from __future__ import annotations

from jaxnest._values import Values
from jaxnest.synapses.tsodyks_synapse import tsodyks_synapse


class tsodyks_synapse_hom(tsodyks_synapse):
    """The `tsodyks_synapse` with one weight and one value of each parameter for all synapses of a projection."""

    common = ("weight", "tau_psc", "tau_fac", "tau_rec", "U")

    @staticmethod
    def check(p: Values) -> str | None:
        return "x + y must not exceed 1" if (p.x + p.y > 1).any() else None
