"""Coupling of neurons with astrocytes."""

from __future__ import annotations

from typing import Any

from jaxnest.synapses._base import Coupling, Parameter, Values


class sic_connection(Coupling):
    """Carries the slow inward current of an astrocyte, times `weight`, to a neuron.

    A current is what the astrocyte has at the end of a step, and in place `delay` later.

    Source: Nadkarni & Jung (2003), Phys Rev Lett 91:268101.
    """

    weight = Parameter(1.0, "", "weight")

    signal = "sic"
    channels = ("sic",)

    @staticmethod
    def carried(p: Values, x: Any) -> Values:
        return Values(sic=p.weight * x)
