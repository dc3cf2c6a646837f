"""Spike-timing dependent plasticity with a power law."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Parameter, Post, Pre, State, Synapse, Values, power


class stdp_pl_synapse_hom(Synapse):
    r"""STDP with power-law potentiation and multiplicative depression, for excitatory synapses.

        potentiation, at each postsynaptic spike:  w += lambda w^mu K_plus
        depression, at each presynaptic spike:     w -= alpha lambda w K_minus

    never below 0. All synapses of a projection share the parameters. The whole delay is dendritic.

    Source: Morrison, Aertsen & Diesmann (2007), Neural Comput 19:1437.
    """

    tau_plus = Parameter(20.0, "ms", "time constant of the presynaptic trace", gt=0)
    lambda_ = Parameter(0.1, "", "step size")
    alpha = Parameter(1.0, "", "asymmetry: depression over potentiation")
    mu = Parameter(0.4, "", "weight dependence exponent of potentiation")

    weight = State(1.0, "", "weight of the last event")
    w = State("weight", "", "weight, including postsynaptic spikes since the last event")
    Kplus = State(0.0, "", "presynaptic trace after the last presynaptic spike")

    reads_post = True
    common = ("tau_plus", "lambda", "alpha", "mu")

    @staticmethod
    def check(p: Values) -> str | None:
        return "weight must be >= 0: a power of it is taken" if (p.weight < 0).any() else None

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        Kplus = s.Kplus * jnp.exp(-post.since_last / p.tau_plus)
        return s.replace(w=s.w + p.lambda_ * power(s.w, p.mu) * Kplus)

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        w = s.w - p.lambda_ * p.alpha * s.w * pre.K_minus
        w = jnp.where(w > 0.0, w, 0.0)
        Kplus = s.Kplus * jnp.exp(-pre.since_last / p.tau_plus) + 1.0
        return s.replace(weight=w, w=w, Kplus=Kplus), w
