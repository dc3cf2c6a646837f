"""Symmetric spike-timing dependent plasticity with constant depression."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Parameter, Post, Pre, State, Synapse, Values


class vogels_sprekeler_synapse(Synapse):
    r"""Plasticity that strengthens a synapse whatever the order of spikes, and weakens it at each presynaptic one.

        at each postsynaptic spike:  |w| += eta K_plus
        at each presynaptic spike:   |w| += eta K_minus,   then |w| -= eta alpha

    clipped to [0, |Wmax|], with the sign of Wmax. K_plus decays with `tau`, K_minus with the `tau_minus` of the
    postsynaptic neuron, which should be the same. The whole delay is dendritic.

    Source: Vogels, Sprekeler, Zenke, Clopath & Gerstner (2011), Science 334:1569.
    """

    tau = Parameter(20.0, "ms", "time constant of the presynaptic trace", gt=0)
    alpha = Parameter(0.12, "", "constant depression, over eta: 2 tau times the target rate")
    eta = Parameter(0.001, "", "learning rate")
    Wmax = Parameter(1.0, "", "largest weight")

    weight = State(0.5, "", "weight of the last event")
    w = State("weight", "", "weight, including postsynaptic spikes since the last event")
    Kplus = State(0.0, "", "presynaptic trace after the last presynaptic spike", ge=0)

    reads_post = True

    @staticmethod
    def check(p: Values) -> str | None:
        if ((p.weight != 0) & ((p.weight >= 0) != (p.Wmax >= 0))).any():
            return "weight and Wmax must have the same sign"
        return None

    @staticmethod
    def potentiated(p: Values, w: Any, K: Any) -> Any:
        sign = jnp.where(p.Wmax < 0, -1.0, 1.0)
        size = sign * w
        size = jnp.where(size < 0.0, -size, size) + p.eta * K
        size = jnp.where(size < 0.0, -size, size)
        return jnp.where(size < sign * p.Wmax, sign * size, p.Wmax)

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        Kplus = s.Kplus * jnp.exp(-post.since_last / p.tau)
        return s.replace(w=vogels_sprekeler_synapse.potentiated(p, s.w, Kplus))

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        sign = jnp.where(p.Wmax < 0, -1.0, 1.0)
        size = sign * vogels_sprekeler_synapse.potentiated(p, s.w, pre.K_minus) - p.alpha * p.eta
        w = jnp.where(size > 0.0, sign * size, 0.0)
        Kplus = s.Kplus * jnp.exp(-pre.since_last / p.tau) + 1.0
        return s.replace(weight=w, w=w, Kplus=Kplus), w
