"""Leaky integrate-and-fire neuron with a reset, for e-prop plasticity."""

from __future__ import annotations

from jaxnest.neurons._eprop_steps import Resetting


class eprop_iaf_psc_delta(Resetting):
    r"""The `iaf_psc_delta` for e-prop plasticity: V is set to V_reset at a spike, and held there for `t_ref`; else as `eprop_iaf`.

    Source: Bellec et al. (2020), Nat Commun 11:3625; Korcsak-Gorzo, Espinoza Valverde, Stapmanns et al. (2025), as NEST 3.10 has it.
    """
