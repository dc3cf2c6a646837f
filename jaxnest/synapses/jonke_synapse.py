"""Spike-timing dependent plasticity with exponential weight dependence."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Parameter, Post, Pre, State, Synapse, Values


class jonke_synapse(Synapse):
    r"""Pair-based STDP with exponential weight dependence and a constant drift.

        at each postsynaptic spike:  w += lambda (exp(mu_plus w) K_plus - beta),            at most Wmax
        at each presynaptic spike:   w -= lambda (alpha exp(mu_minus w) K_minus + beta),    at least 0

    Nothing changes where lambda = 0. All synapses of a projection share the parameters. The whole delay is dendritic.

    Source: Nessler, Pfeiffer, Buesing & Maass (2013), PLoS Comput Biol 9:e1003037; Jonke, Legenstein, Habenschuss &
    Maass (2017), J Neurosci 37:8511.
    """

    alpha = Parameter(1.0, "", "depression over potentiation")
    beta = Parameter(0.0, "", "decrease at each spike, over lambda")
    lambda_ = Parameter(0.01, "", "step size")
    mu_plus = Parameter(0.0, "", "weight dependence of potentiation")
    mu_minus = Parameter(0.0, "", "weight dependence of depression")
    tau_plus = Parameter(20.0, "ms", "time constant of the presynaptic trace", gt=0)
    Wmax = Parameter(100.0, "", "largest weight")

    weight = State(1.0, "", "weight of the last event")
    w = State("weight", "", "weight, including postsynaptic spikes since the last event")
    Kplus = State(0.0, "", "presynaptic trace after the last presynaptic spike", ge=0)

    reads_post = True
    common = ("alpha", "beta", "lambda", "mu_plus", "mu_minus", "tau_plus", "Wmax")

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        Kplus = s.Kplus * jnp.exp(-post.since_last / p.tau_plus)
        w = s.w + p.lambda_ * (jnp.exp(p.mu_plus * s.w) * Kplus - p.beta)
        return s.replace(w=jnp.where(p.lambda_ == 0.0, s.w, jnp.where(w < p.Wmax, w, p.Wmax)))

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        w = s.w - p.lambda_ * (p.alpha * jnp.exp(p.mu_minus * s.w) * pre.K_minus + p.beta)
        w = jnp.where(p.lambda_ == 0.0, s.w, jnp.where(w > 0.0, w, 0.0))
        Kplus = s.Kplus * jnp.exp(-pre.since_last / p.tau_plus) + 1.0
        return s.replace(weight=w, w=w, Kplus=Kplus), w
