"""Synapse with e-prop plasticity."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Now, State, Values
from jaxnest.synapses._eprop import Eprop, optimized


class eprop_synapse(Eprop):
    """Learns from the gradient of each step since its first spike, which its target says how to compute.

    The optimiser takes each gradient or, without `optimize_each_step`, the sum from one spike to the next. The weight that events carry
    changes at spikes (and flush events). From `eprop_isi_trace_cutoff` of the target after a spike on, gradients are 0, and the optimiser waits for the next one.

    Source: Bellec et al. (2020), Nat Commun 11:3625; Korcsak-Gorzo, Espinoza Valverde, Stapmanns et al. (2025), as NEST 3.10 has it.
    """

    z_before = State(0.0, "", "whether a spike arrived in the step before")
    e_bar_reg = State(0.0, "", "eligibility trace, filtered as the firing rate")
    left = State(-1.0, "", "steps to the cutoff (-1: before the first spike)")

    eager = "eprop_synapse"
    inner = (*Eprop.inner, "z_before", "e_bar_reg", "left")

    @staticmethod
    def on_step(p: Values, s: Values, now: Now) -> tuple[Values, Any, Any]:
        t, model, begun = now.target, now.model, s.left >= 0
        counts = s.left > 0
        learned, increment = model.learned(s, t, s.z_before)  # type: ignore[attr-defined]
        forgotten = model.forgotten(s, t)  # type: ignore[attr-defined]
        traces = ("z_bar", "slow", "e_bar", "e_bar_reg")
        s = s.replace(
            **{key: jnp.where(counts, learned[key], jnp.where(begun, forgotten[key], s[key])) for key in traces},
            z_before=jnp.where(counts, s.z, s.z_before),
            z=jnp.where(counts, 0.0, s.z),
            left=jnp.where(counts, s.left - 1.0, s.left),
            gradient=s.gradient + jnp.where(counts, increment, 0.0),
        )
        s = optimized(p, s, jnp.where(p.optimize_each_step > 0, counts, now.spike & begun), now.stamp - 1)
        s = s.replace(
            z=jnp.where(now.spike, 1.0, s.z),
            left=jnp.where(now.spike, t.cutoff, s.left).astype(s.left.dtype),
            weight=jnp.where(now.spike | now.flush, s.w, s.weight),
        )
        return s, s.weight, True
