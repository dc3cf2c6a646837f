"""Collects spikes and passes them on to synapses."""

from __future__ import annotations

from typing import Any

from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, Routing, Values


class volume_transmitter(Neuron):
    """Passes the spikes that reach it on to all synapses of the projections that name it as their modulator.

    Every `deliver_interval` slices of the network's shortest delay it brings these synapses up to date, before the presynaptic
    spikes of the slice that ends then reach them. So a longer interval makes weights more exact, which then are up to date
    less often.

    Source: Potjans, Morrison & Diesmann (2010), Front Comput Neurosci 4:141.
    """

    tau_minus = tau_minus_triplet = None  # type: ignore[assignment]  # no synapse learns from when it "spikes"
    deliver_interval = Parameter(1.0, "", "interval of the updates, in shortest delays of the network", ge=1)

    routing = Routing.COUNT
    accepts_current = False
    sends = False

    @staticmethod
    def check(p: Values) -> str | None:
        return "deliver_interval must be a whole number" if (p.deliver_interval % 1 != 0).any() else None

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        return s, x.spikes
