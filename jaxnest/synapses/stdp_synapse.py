"""Spike-timing dependent plasticity, pair-based, with weight dependence."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Post, Pre, State, Values
from jaxnest.synapses._pair_stdp import PairSTDP


class stdp_synapse(PairSTDP):
    r"""Pair-based STDP with power-law weight dependence (all-to-all pairing).

        potentiation, at each postsynaptic spike:  w/Wmax += lambda (1 - w/Wmax)^mu_plus K_plus
        depression, at each presynaptic spike:     w/Wmax -= alpha lambda (w/Wmax)^mu_minus K_minus

    clipped to [0, Wmax] (towards 0 from below for a negative Wmax). K_plus decays with `tau_plus`, K_minus with the
    `tau_minus` of the postsynaptic neuron. The whole delay is dendritic.

    Source: Guetig et al. (2003), J Neurosci 23:3697; Morrison, Diesmann & Gerstner (2008), Biol Cybern 98:459.
    """

    Kplus = State(0.0, "", "presynaptic trace after the last presynaptic spike", ge=0)

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        return s.replace(w=PairSTDP.potentiated(p, s.w, s.Kplus * jnp.exp(-post.since_last / p.tau_plus)))

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        w = PairSTDP.depressed(p, s.w, pre.K_minus)
        Kplus = s.Kplus * jnp.exp(-pre.since_last / p.tau_plus) + 1.0
        return s.replace(weight=w, w=w, Kplus=Kplus), w
