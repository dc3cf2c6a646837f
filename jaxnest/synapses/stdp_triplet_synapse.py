"""Spike-timing dependent plasticity of spike triplets."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Parameter, Post, Pre, State, Synapse, Values


class stdp_triplet_synapse(Synapse):
    r"""The triplet rule, all-to-all.

        potentiation, at each postsynaptic spike:  |w| += K_plus (Aplus + Aplus_triplet K_minus_triplet)
        depression, at each presynaptic spike:     |w| -= K_minus (Aminus + Aminus_triplet K_plus_triplet)

    clipped to [0, |Wmax|], with the sign of Wmax. K_plus and K_plus_triplet decay with `tau_plus` and
    `tau_plus_triplet`, the others with `tau_minus` and `tau_minus_triplet` of the postsynaptic neuron; the triplet
    traces are those just before the spike. The whole delay is dendritic.

    Source: Pfister & Gerstner (2006), J Neurosci 26:9673.
    """

    tau_plus = Parameter(16.8, "ms", "time constant of the presynaptic trace", gt=0)
    tau_plus_triplet = Parameter(101.0, "ms", "time constant of the slow presynaptic trace", gt=0)
    Aplus = Parameter(5e-10, "", "potentiation of a pair")
    Aminus = Parameter(7e-3, "", "depression of a pair")
    Aplus_triplet = Parameter(6.2e-3, "", "potentiation of a triplet")
    Aminus_triplet = Parameter(2.3e-4, "", "depression of a triplet")
    Wmax = Parameter(100.0, "", "largest weight")

    weight = State(1.0, "", "weight of the last event")
    w = State("weight", "", "weight, including postsynaptic spikes since the last event")
    Kplus = State(0.0, "", "presynaptic trace after the last presynaptic spike", ge=0)
    Kplus_triplet = State(0.0, "", "slow presynaptic trace after the last presynaptic spike", ge=0)

    reads_post = True

    @staticmethod
    def check(p: Values) -> str | None:
        if ((p.weight >= 0) != (p.Wmax >= 0)).any():
            return "weight and Wmax must have the same sign"
        return None

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        sign = jnp.where(p.Wmax < 0, -1.0, 1.0)
        Kplus = s.Kplus * jnp.exp(-post.since_last / p.tau_plus)
        size = sign * s.w + Kplus * (p.Aplus + p.Aplus_triplet * post.K_minus_triplet)
        return s.replace(w=jnp.where(size < sign * p.Wmax, sign * size, p.Wmax))

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        sign = jnp.where(p.Wmax < 0, -1.0, 1.0)
        Kplus_triplet = s.Kplus_triplet * jnp.exp(-pre.since_last / p.tau_plus_triplet)
        size = sign * s.w - pre.K_minus * (p.Aminus + p.Aminus_triplet * Kplus_triplet)
        w = jnp.where(size > 0.0, sign * size, 0.0)
        Kplus = s.Kplus * jnp.exp(-pre.since_last / p.tau_plus) + 1.0
        return s.replace(weight=w, w=w, Kplus=Kplus, Kplus_triplet=Kplus_triplet + 1.0), w
