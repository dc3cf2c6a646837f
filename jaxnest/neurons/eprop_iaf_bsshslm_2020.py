"""Leaky integrate-and-fire neuron for e-prop plasticity, of Bellec et al. (2020)."""

from __future__ import annotations

from jaxnest.neurons._eprop_2020 import Recurrent2020


class eprop_iaf_bsshslm_2020(Recurrent2020):
    r"""Leaky integrate-and-fire neuron with delta-shaped input, for e-prop plasticity at the end of each interval.

        V[n] = P V[n - 1] + P_z z_in[n] + tau_m / C_m (1 - P) I[n - 1] - (V_th - E_L) z[n - 1],    P = exp(-h / tau_m)

    of V relative to E_L, at least V_min. It spikes where V >= V_th and it is not refractory. P_z is 1, or 1 - P without
    `regular_spike_arrival`. An eligibility trace is e = psi z_bar, with the surrogate gradient psi (`surrogate_gradient_function`, by
    name), which is 0 in the refractory period, and z_bar, the input spikes of the synapse, filtered as V is. A gradient is the sum
    over an interval of L e_bar, with the learning signal L and e filtered as readouts are, and of e times the regularisation
    c_reg (f - f_target) / T of the interval of T steps with the firing rate f.

    Source: Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein & Maass (2020), Nat Commun 11:3625.
    """
