"""Spike-timing dependent plasticity of nearest neighbours, on both sides."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Post, Pre, Values
from jaxnest.synapses._pair_stdp import PairSTDP


class stdp_nn_symm_synapse(PairSTDP):
    r"""The `stdp_synapse` in which every spike pairs with the last one of the other side only (symmetric scheme).

        potentiation, at each postsynaptic spike:  with the last presynaptic spike before it
        depression, at each presynaptic spike:     with the last postsynaptic spike before it

    Spikes at the same time make no pair. As in NEST, time 0 counts as a presynaptic spike for potentiation.

    Source: Morrison, Aertsen & Diesmann (2007), Neural Comput 19:1437; Morrison, Diesmann & Gerstner (2008),
    Biol Cybern 98:459.
    """

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        return s.replace(w=PairSTDP.potentiated(p, s.w, jnp.exp(-post.since_last / p.tau_plus)))

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        w = PairSTDP.depressed(p, s.w, pre.K_minus_nearest)
        return s.replace(weight=w, w=w), w
