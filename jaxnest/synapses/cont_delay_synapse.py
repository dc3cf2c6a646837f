"""Synapse of constant weight whose delay need not be a multiple of the resolution."""

from __future__ import annotations

from jaxnest.synapses.static_synapse import static_synapse


class cont_delay_synapse(static_synapse):
    """A `static_synapse` whose delay lies between points of the grid: its events count at the next one.

    All others round their delays to the nearest point. (NEST hands the rest on to neurons that know precise times.)
    """

    delay_rounds_up = True
