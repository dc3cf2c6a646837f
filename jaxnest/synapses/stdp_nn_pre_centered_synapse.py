"""Spike-timing dependent plasticity of nearest neighbours, centred on presynaptic spikes."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Post, Pre, State, Values
from jaxnest.synapses._pair_stdp import PairSTDP


class stdp_nn_pre_centered_synapse(PairSTDP):
    r"""The `stdp_synapse` in which a presynaptic spike pairs with the last postsynaptic spike before and the first after it.

        potentiation, at the first postsynaptic spike after presynaptic ones:  with all of these since the one before it
        depression, at each presynaptic spike:                                 with the last postsynaptic spike before it

    Spikes at the same time make no pair.

    Source: Izhikevich & Desai (2003), Neural Comput 15:1511; Morrison, Diesmann & Gerstner (2008), Biol Cybern 98:459.
    """

    Kplus = State(0.0, "", "trace, after the last presynaptic spike, of those that make pairs", ge=0)
    paired = State(0.0, "", "1 if a postsynaptic spike came since the last presynaptic one")

    inner = ("w", "paired")

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        Kplus = s.Kplus * jnp.exp(-post.since_last / p.tau_plus)
        w = jnp.where(s.paired > 0.0, s.w, PairSTDP.potentiated(p, s.w, Kplus))
        return s.replace(w=w, paired=jnp.ones_like(s.paired))

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        w = PairSTDP.depressed(p, s.w, pre.K_minus_nearest)
        Kplus = jnp.where(s.paired > 0.0, 0.0, s.Kplus) * jnp.exp(-pre.since_last / p.tau_plus) + 1.0
        return s.replace(weight=w, w=w, Kplus=Kplus, paired=jnp.zeros_like(s.paired)), w
