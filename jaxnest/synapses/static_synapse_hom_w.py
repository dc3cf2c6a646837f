"""Synapse of constant weight, the same for all."""

from __future__ import annotations

from jaxnest.synapses.static_synapse import static_synapse


class static_synapse_hom_w(static_synapse):
    """A `static_synapse` of which all synapses of a projection have one common weight."""

    common = ("weight",)
