"""What all pair-based STDP models with weight dependence share; they differ in which spikes make a pair."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Parameter, State, Synapse, Values, power


class PairSTDP(Synapse):
    r"""STDP with power-law weight dependence.

        potentiation:  w/Wmax += lambda (1 - w/Wmax)^mu_plus K_plus
        depression:    w/Wmax -= alpha lambda (w/Wmax)^mu_minus K_minus

    clipped to [0, Wmax] (towards 0 from below for a negative Wmax). The whole delay is dendritic.

    Source: Guetig et al. (2003), J Neurosci 23:3697; Morrison, Diesmann & Gerstner (2008), Biol Cybern 98:459.
    """

    tau_plus = Parameter(20.0, "ms", "time constant of the presynaptic trace", gt=0)
    lambda_ = Parameter(0.01, "", "step size")
    alpha = Parameter(1.0, "", "asymmetry: depression over potentiation")
    mu_plus = Parameter(1.0, "", "weight dependence exponent of potentiation")
    mu_minus = Parameter(1.0, "", "weight dependence exponent of depression")
    Wmax = Parameter(100.0, "", "largest weight")

    weight = State(1.0, "", "weight of the last event")
    w = State("weight", "", "weight, including postsynaptic spikes since the last event")

    reads_post = True

    @staticmethod
    def check(p: Values) -> str | None:
        if ((p.weight >= 0) != (p.Wmax >= 0)).any():
            return "weight and Wmax must have the same sign"
        return None

    @staticmethod
    def potentiated(p: Values, w: Any, Kplus: Any) -> Any:
        """The weight after a potentiation by the presynaptic trace `Kplus`."""
        x = w / p.Wmax
        x = x + p.lambda_ * power(1.0 - x, p.mu_plus) * Kplus
        return jnp.where(x < 1.0, x * p.Wmax, p.Wmax)

    @staticmethod
    def depressed(p: Values, w: Any, Kminus: Any) -> Any:
        """The weight after a depression by the postsynaptic trace `Kminus`."""
        x = w / p.Wmax
        x = x - p.alpha * p.lambda_ * power(x, p.mu_minus) * Kminus
        return jnp.where(x > 0.0, x * p.Wmax, 0.0)
