"""Spike-timing dependent plasticity, pair-based, with weight dependence."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Parameter, Post, Pre, State, Synapse, Values, power


class stdp_synapse(Synapse):
    r"""Pair-based STDP with power-law weight dependence (all-to-all pairing).

        potentiation, at each postsynaptic spike:  w/Wmax += lambda (1 - w/Wmax)^mu_plus K_plus
        depression, at each presynaptic spike:     w/Wmax -= alpha lambda (w/Wmax)^mu_minus K_minus

    clipped to [0, Wmax] (towards 0 from below for a negative Wmax). K_plus decays with `tau_plus`, K_minus with the
    `tau_minus` of the postsynaptic neuron. The whole delay is dendritic.

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
    Kplus = State(0.0, "", "presynaptic trace after the last presynaptic spike", ge=0)

    reads_post = True

    @staticmethod
    def check(p: Values) -> str | None:
        if ((p.weight >= 0) != (p.Wmax >= 0)).any():
            return "weight and Wmax must have the same sign"
        return None

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        x = s.w / p.Wmax
        x = x + p.lambda_ * power(1.0 - x, p.mu_plus) * s.Kplus * jnp.exp(-post.since_last / p.tau_plus)
        return s.replace(w=jnp.where(x < 1.0, x * p.Wmax, p.Wmax))

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        x = s.w / p.Wmax
        x = x - p.alpha * p.lambda_ * power(x, p.mu_minus) * pre.K_minus
        w = jnp.where(x > 0.0, x * p.Wmax, 0.0)
        Kplus = s.Kplus * jnp.exp(-pre.since_last / p.tau_plus) + 1.0
        return s.replace(weight=w, w=w, Kplus=Kplus), w
