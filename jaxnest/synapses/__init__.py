"""Synapse models."""

from jaxnest.synapses.bernoulli_synapse import bernoulli_synapse
from jaxnest.synapses.static_synapse import static_synapse
from jaxnest.synapses.static_synapse_hom_w import static_synapse_hom_w
from jaxnest.synapses.stdp_pl_synapse_hom import stdp_pl_synapse_hom
from jaxnest.synapses.stdp_synapse import stdp_synapse
from jaxnest.synapses.stdp_synapse_hom import stdp_synapse_hom
from jaxnest.synapses.stdp_triplet_synapse import stdp_triplet_synapse
from jaxnest.synapses.tsodyks2_synapse import tsodyks2_synapse
from jaxnest.synapses.tsodyks_synapse import tsodyks_synapse

#: every synapse model by NEST's name
synapses = {
    model.name: model
    for model in (
        bernoulli_synapse,
        static_synapse,
        static_synapse_hom_w,
        stdp_pl_synapse_hom,
        stdp_synapse,
        stdp_synapse_hom,
        stdp_triplet_synapse,
        tsodyks2_synapse,
        tsodyks_synapse,
    )
}

__all__ = ["synapses", *synapses]
