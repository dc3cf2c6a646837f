"""Synapse of constant weight."""

from jaxnest.synapses._base import Synapse


class static_synapse(Synapse):
    """A synapse whose events carry a constant weight, each synapse its own (or all the same)."""

    static = True
