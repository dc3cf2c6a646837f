"""Leaky integrate-and-fire neuron for e-prop plasticity."""

from __future__ import annotations

from jaxnest.neurons._eprop_steps import Subtracting


class eprop_iaf(Subtracting):
    r"""Leaky integrate-and-fire neuron with delta-shaped input, for e-prop plasticity in every step or at every spike.

        V[n] = P V[n - 1] + z_in[n] + tau_m / C_m (1 - P) I[n - 1],    P = exp(-h / tau_m)

    of V relative to E_L, at least V_min. Where V >= V_th and it is not refractory, it spikes, and V falls by V_th - E_L. The gradient of
    a step is L e_bar + c_reg (f_av - f_target) e_bar_reg: of the eligibility trace e = psi z_bar (see `eprop_iaf_bsshslm_2020`),
    filtered with `kappa` and with `kappa_reg`, and of the firing rate, filtered with `kappa_reg`.

    Source: Bellec et al. (2020), Nat Commun 11:3625; Korcsak-Gorzo, Espinoza Valverde, Stapmanns et al. (2025), as NEST 3.10 has it.
    """
