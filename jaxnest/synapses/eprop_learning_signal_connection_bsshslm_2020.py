"""Feedback of a readout neuron with e-prop plasticity of Bellec et al. (2020)."""

from __future__ import annotations

from typing import Any

from jaxnest.synapses._base import Coupling, Parameter, Values


class eprop_learning_signal_connection_bsshslm_2020(Coupling):
    """Carries the error of a readout neuron to a recurrent neuron, as a learning signal, one step later.

    Source: Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein & Maass (2020), Nat Commun 11:3625.
    """

    weight = Parameter(1.0, "", "weight")

    signal = "error_signal"
    channels = ("learning_signal",)

    @staticmethod
    def carried(p: Values, x: Any) -> Values:
        return Values(learning_signal=p.weight * x)
