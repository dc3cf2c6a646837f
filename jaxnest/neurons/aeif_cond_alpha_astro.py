"""Adaptive exponential integrate-and-fire neuron with alpha-shaped conductances, next to astrocytes."""

from __future__ import annotations

from typing import Any

from jaxnest.neurons._base import Env, Inputs, State, Values
from jaxnest.neurons.aeif_cond_alpha import aeif_cond_alpha


class aeif_cond_alpha_astro(aeif_cond_alpha):
    """`aeif_cond_alpha` with the slow inward currents of astrocytes, by `sic_connection`: I_SIC (pA) is added to the other currents.

    Source: Brette & Gerstner (2005), J Neurophysiol 94:3637; Nadkarni & Jung (2003), Phys Rev Lett 91:268101.
    """

    I_SIC = State(0.0, "pA", "current of astrocytes, acting in the next step")

    recordables = ("V_m", "g_ex", "g_in", "w", "I_SIC")  # type: ignore[assignment]
    hears = ("sic",)

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        new, spikes = aeif_cond_alpha.step(p, k, s.replace(I_stim=s.I_stim + s.I_SIC), x, env)
        return new.replace(I_SIC=x.signals.sic), spikes
