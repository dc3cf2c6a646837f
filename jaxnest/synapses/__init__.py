"""Synapse models."""

from jaxnest.synapses.static_synapse import static_synapse
from jaxnest.synapses.stdp_synapse import stdp_synapse

#: every synapse model by NEST's name
synapses = {model.name: model for model in (static_synapse, stdp_synapse)}

__all__ = ["static_synapse", "stdp_synapse", "synapses"]
