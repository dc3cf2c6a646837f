"""Synapse with e-prop plasticity of Bellec et al. (2020)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxnest.synapses._base import Now, Parameter, State, Values
from jaxnest.synapses._eprop import Eprop, optimized


class eprop_synapse_bsshslm_2020(Eprop):
    """Learns from the gradient of each update interval, which its target says how to compute.

    The gradient of an interval reaches from the first spike in it to its end. The weight changes at the first spike that comes
    after that, if it does not arrive in the first step of an interval of a recurrent neuron: such spikes are lost. A flush event of
    the source closes an interval without a spike. With `average_gradient`, gradients are divided by the steps of the learning window.

    Source: Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein & Maass (2020), Nat Commun 11:3625.
    """

    tau_m_readout = Parameter(10.0, "ms", "time constant of the filter of eligibility traces", gt=0)
    average_gradient = Parameter(0.0, "", "whether gradients are averaged over the learning window", flag=True)

    late = State(0.0, "", "filtered eligibility trace of the step before")
    sum_e = State(0.0, "", "sum of eligibility traces of the interval")
    integral = State(0.0, "", "gradient of the interval so far")
    end = State(0.0, "", "when the interval ends, in steps (0: that of the first)")
    flushed = State(0.0, "", "whether the last event was a flush event")

    eager = "eprop_synapse_bsshslm_2020"
    common = (*Eprop.common, "average_gradient")
    inner = (*Eprop.inner, "late", "sum_e", "integral", "end", "flushed")

    @staticmethod
    def on_step(p: Values, s: Values, now: Now) -> tuple[Values, Any, Any]:
        t, model, stamp = now.target, now.model, now.stamp
        shift = model.shift  # type: ignore[attr-defined]
        end = jnp.where(s.end == 0, t.interval, s.end)
        kappa = jnp.exp(-now.h / p.tau_m_readout)
        s = model.learned(s, t, kappa, stamp - 1 < end + shift)  # type: ignore[attr-defined]
        place = lax.rem(stamp - shift, t.interval)
        heard = ~(model.recurrent & (place == 0))  # type: ignore[attr-defined]
        flush = now.flush & ~now.spike & heard & (s.flushed == 0)
        spike = now.spike & heard
        closes = (spike | flush) & (stamp > end + shift)
        gradient = s.integral / jnp.where(p.average_gradient > 0, t.window, 1)
        s = s.replace(gradient=s.gradient + jnp.where(closes, gradient, 0.0))
        update = jnp.maximum((stamp - shift) // t.interval, 0)
        s = optimized(p, s, spike & (closes | (s.flushed > 0)), update)
        anew = closes | (spike & (s.flushed > 0))
        s = s.replace(
            **{key: jnp.where(anew, 0.0, s[key]) for key in ("z_bar", "slow", "e_bar", "late", "sum_e", "integral")},
            z=jnp.where(spike, 1.0, 0.0),
            end=jnp.where(closes, (update + 1) * t.interval, end),
            flushed=jnp.where(spike, 0.0, jnp.where(flush, 1.0, s.flushed)),
            weight=jnp.where(spike, s.w, s.weight),
        )
        return s, s.weight, heard
