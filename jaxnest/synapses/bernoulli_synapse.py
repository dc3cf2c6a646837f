"""Synapse of constant weight that loses spikes at random."""

from __future__ import annotations

from typing import Any

from jax import lax

from jaxnest.synapses._base import Parameter, Pre, Synapse, Values


class bernoulli_synapse(Synapse):
    """A synapse that passes each spike on with probability `p_transmit`, independently of all others.

    The derivative with respect to `p_transmit` is that of the mean.

    Source: Lefort, Tomm, Sarria & Petersen (2009), Neuron 61:301; Teramae, Tsubo & Fukai (2012), Sci Rep 2:485.
    """

    p_transmit = Parameter(1.0, "", "probability that a spike is passed on", ge=0, le=1)

    stochastic = True

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any, Any]:
        passed = (pre.uniform < p.p_transmit).astype(pre.uniform.dtype)
        return s, p.weight, passed + (p.p_transmit - lax.stop_gradient(p.p_transmit))
