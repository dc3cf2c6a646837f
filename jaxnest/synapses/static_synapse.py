"""Synapse of constant weight."""

from __future__ import annotations

from typing import Any

from jaxnest.synapses._base import Pre, Synapse, Values


class static_synapse(Synapse):
    """A synapse whose events carry a constant weight, each synapse its own (or all the same)."""

    static = True

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        return s, p.weight
