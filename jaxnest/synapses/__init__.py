"""Synapse models."""

from jaxnest.synapses.bernoulli_synapse import bernoulli_synapse
from jaxnest.synapses.cont_delay_synapse import cont_delay_synapse
from jaxnest.synapses.diffusion_connection import diffusion_connection
from jaxnest.synapses.eprop_learning_signal_connection import eprop_learning_signal_connection
from jaxnest.synapses.eprop_learning_signal_connection_bsshslm_2020 import eprop_learning_signal_connection_bsshslm_2020
from jaxnest.synapses.eprop_synapse import eprop_synapse
from jaxnest.synapses.eprop_synapse_bsshslm_2020 import eprop_synapse_bsshslm_2020
from jaxnest.synapses.gap_junction import gap_junction
from jaxnest.synapses.ht_synapse import ht_synapse
from jaxnest.synapses.jonke_synapse import jonke_synapse
from jaxnest.synapses.quantal_stp_synapse import quantal_stp_synapse
from jaxnest.synapses.rate_connection_delayed import rate_connection_delayed
from jaxnest.synapses.rate_connection_instantaneous import rate_connection_instantaneous
from jaxnest.synapses.sic_connection import sic_connection
from jaxnest.synapses.static_synapse import static_synapse
from jaxnest.synapses.static_synapse_hom_w import static_synapse_hom_w
from jaxnest.synapses.stdp_dopamine_synapse import stdp_dopamine_synapse
from jaxnest.synapses.stdp_facetshw_synapse_hom import stdp_facetshw_synapse_hom
from jaxnest.synapses.stdp_nn_pre_centered_synapse import stdp_nn_pre_centered_synapse
from jaxnest.synapses.stdp_nn_restr_synapse import stdp_nn_restr_synapse
from jaxnest.synapses.stdp_nn_symm_synapse import stdp_nn_symm_synapse
from jaxnest.synapses.stdp_pl_synapse_hom import stdp_pl_synapse_hom
from jaxnest.synapses.stdp_synapse import stdp_synapse
from jaxnest.synapses.stdp_synapse_hom import stdp_synapse_hom
from jaxnest.synapses.stdp_triplet_synapse import stdp_triplet_synapse
from jaxnest.synapses.tsodyks2_synapse import tsodyks2_synapse
from jaxnest.synapses.tsodyks_synapse import tsodyks_synapse
from jaxnest.synapses.tsodyks_synapse_hom import tsodyks_synapse_hom
from jaxnest.synapses.vogels_sprekeler_synapse import vogels_sprekeler_synapse

#: every synapse model by NEST's name
synapses = {
    model.name: model
    for model in (
        bernoulli_synapse,
        cont_delay_synapse,
        diffusion_connection,
        eprop_learning_signal_connection,
        eprop_learning_signal_connection_bsshslm_2020,
        eprop_synapse,
        eprop_synapse_bsshslm_2020,
        gap_junction,
        ht_synapse,
        jonke_synapse,
        quantal_stp_synapse,
        rate_connection_delayed,
        rate_connection_instantaneous,
        sic_connection,
        static_synapse,
        static_synapse_hom_w,
        stdp_dopamine_synapse,
        stdp_facetshw_synapse_hom,
        stdp_nn_pre_centered_synapse,
        stdp_nn_restr_synapse,
        stdp_nn_symm_synapse,
        stdp_pl_synapse_hom,
        stdp_synapse,
        stdp_synapse_hom,
        stdp_triplet_synapse,
        tsodyks2_synapse,
        tsodyks_synapse,
        tsodyks_synapse_hom,
        vogels_sprekeler_synapse,
    )
}

__all__ = ["synapses", *synapses]
