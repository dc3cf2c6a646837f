"""Relay neuron."""

from __future__ import annotations

from typing import Any

from jaxnest.neurons._base import Env, Inputs, Neuron, Routing, Values


class parrot_neuron(Neuron):
    """Repeats every spike that arrives, in the step in which it arrives.

    Weights do not matter; spikes that arrive together leave as one of their number (its multiplicity). Connections to
    receptor 1 are heard by the synapse's plasticity alone: what they bring is not repeated.
    """

    routing = Routing.COUNT
    accepts_current = False

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        return s, x.spikes
