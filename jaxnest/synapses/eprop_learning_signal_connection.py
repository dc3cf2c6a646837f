"""Feedback of a readout neuron with e-prop plasticity."""

from __future__ import annotations

from jaxnest.synapses.eprop_learning_signal_connection_bsshslm_2020 import eprop_learning_signal_connection_bsshslm_2020


class eprop_learning_signal_connection(eprop_learning_signal_connection_bsshslm_2020):
    """Carries the error of a readout neuron to a recurrent neuron, as a learning signal, one step later.

    Source: Korcsak-Gorzo, Espinoza Valverde, Stapmanns et al. (2025), as NEST 3.10 has it.
    """
