"""Spike-timing dependent plasticity of nearest neighbours, each in one pair at most."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Post, Pre, State, Values
from jaxnest.synapses._pair_stdp import PairSTDP


class stdp_nn_restr_synapse(PairSTDP):
    r"""The `stdp_synapse` in which only neighbouring spikes of the two sides make pairs (restricted symmetric scheme).

        potentiation, at the first postsynaptic spike after a presynaptic one:  with this one
        depression, at the first presynaptic spike after postsynaptic ones:     with the last postsynaptic spike before it

    Spikes at the same time make no pair. As in NEST, time 0 counts as a presynaptic spike for potentiation.

    Source: Morrison, Aertsen & Diesmann (2007), Neural Comput 19:1437; Morrison, Diesmann & Gerstner (2008),
    Biol Cybern 98:459.
    """

    paired = State(0.0, "", "1 if a postsynaptic spike came since the last presynaptic one")

    inner = ("w", "paired")

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        w = PairSTDP.potentiated(p, s.w, jnp.exp(-post.since_last / p.tau_plus))
        return s.replace(w=jnp.where(s.paired > 0.0, s.w, w), paired=jnp.ones_like(s.paired))

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        w = jnp.where(s.paired > 0.0, PairSTDP.depressed(p, s.w, pre.K_minus_nearest), s.w)
        return s.replace(weight=w, w=w, paired=jnp.zeros_like(s.paired)), w
