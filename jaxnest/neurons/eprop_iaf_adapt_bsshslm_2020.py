"""Adaptive leaky integrate-and-fire neuron for e-prop plasticity, of Bellec et al. (2020)."""

from __future__ import annotations

from jaxnest.neurons._eprop import Adaptive
from jaxnest.neurons._eprop_2020 import Recurrent2020


class eprop_iaf_adapt_bsshslm_2020(Adaptive, Recurrent2020):
    r"""The `eprop_iaf_bsshslm_2020` with an adaptive threshold, V_th + adapt_beta a.

        a[n] = exp(-h / adapt_tau) a[n - 1] + z[n - 1]

    An eligibility trace is e = psi (z_bar - adapt_beta eps), with eps[n] = exp(-h / adapt_tau) eps[n - 1] + e[n - 1].

    Source: Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein & Maass (2020), Nat Commun 11:3625.
    """
