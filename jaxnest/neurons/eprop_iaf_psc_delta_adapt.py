"""Adaptive leaky integrate-and-fire neuron with a reset, for e-prop plasticity."""

from __future__ import annotations

from jaxnest.neurons._eprop import Adaptive
from jaxnest.neurons._eprop_steps import Resetting


class eprop_iaf_psc_delta_adapt(Adaptive, Resetting):
    r"""The `eprop_iaf_psc_delta` with an adaptive threshold, which waits while the neuron is refractory: see `eprop_iaf_adapt_bsshslm_2020`.

    Source: Bellec et al. (2020), Nat Commun 11:3625; Korcsak-Gorzo, Espinoza Valverde, Stapmanns et al. (2025), as NEST 3.10 has it.
    """
