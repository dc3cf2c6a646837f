"""Spike-timing dependent plasticity that is modulated by dopamine."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Modulation, Parameter, Post, Pre, State, Synapse, Values


class stdp_dopamine_synapse(Synapse):
    r"""STDP that leaves an eligibility trace c, which the concentration n of dopamine above a baseline b turns into weight.

        dw/dt = c (n - b)         clipped to [Wmin, Wmax] at each spike
        dc/dt = -c / tau_c        c += A_plus K_plus at each postsynaptic spike, c -= A_minus K_minus at each presynaptic one
        dn/dt = -n / tau_n        n += 1 / tau_n at each dopaminergic spike

    Dopaminergic spikes are those that reach the volume transmitter which the projection names as its ``modulator``. K_plus
    decays with `tau_plus`, K_minus with the `tau_minus` of the postsynaptic neuron. The whole delay is dendritic.

    Source: Izhikevich (2007), Cereb Cortex 17:2443; Potjans, Morrison & Diesmann (2010), Front Comput Neurosci 4:141.
    """

    tau_plus = Parameter(20.0, "ms", "time constant of the presynaptic trace", gt=0)
    tau_c = Parameter(1000.0, "ms", "time constant of the eligibility trace", gt=0)
    tau_n = Parameter(200.0, "ms", "time constant of the concentration of dopamine", gt=0)
    A_plus = Parameter(1.0, "", "eligibility of a pair, pre before post")
    A_minus = Parameter(1.5, "", "loss of eligibility of a pair, post before pre")
    b = Parameter(0.0, "", "baseline of the concentration of dopamine")
    Wmin = Parameter(0.0, "", "smallest weight")
    Wmax = Parameter(200.0, "", "largest weight")

    weight = State(1.0, "", "weight at the last event or update")
    w = State("weight", "", "weight, including what came since then")
    Kplus = State(0.0, "", "presynaptic trace at the last event or update", ge=0)
    c = State(0.0, "", "eligibility trace")
    n = State(0.0, "", "concentration of dopamine")
    at = State(0.0, "ms", "the time of w, c and n since the last event or update")

    reads_post = reads_modulator = True
    inner = ("w", "at")
    common = ("tau_plus", "tau_c", "tau_n", "A_plus", "A_minus", "b", "Wmin", "Wmax")

    @staticmethod
    def on_modulator(p: Values, s: Values, spike: Modulation) -> Values:
        s = _advanced(p, s, spike.since_last)
        return s.replace(n=s.n + spike.multiplicity / p.tau_n)

    @staticmethod
    def on_post(p: Values, s: Values, post: Post) -> Values:
        s = _advanced(p, s, post.since_last)
        return s.replace(c=s.c + p.A_plus * s.Kplus * jnp.exp(-post.since_last / p.tau_plus))

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        s = stdp_dopamine_synapse.on_update(p, s, pre.since_last)
        return s.replace(c=s.c - p.A_minus * pre.K_minus, Kplus=s.Kplus + 1.0), s.w

    @staticmethod
    def on_update(p: Values, s: Values, since_last: Any) -> Values:
        s = _advanced(p, s, since_last)
        return s.replace(weight=s.w, Kplus=s.Kplus * jnp.exp(-since_last / p.tau_plus), at=jnp.zeros_like(s.at))


def _advanced(p: Values, s: Values, time: Any) -> Values:
    """The states at `time` (ms) since the last event or update; the equations solved exactly."""
    dt = time - s.at
    rate = (p.tau_c + p.tau_n) / (p.tau_c * p.tau_n)
    w = s.w - s.c * (s.n / rate * jnp.expm1(-rate * dt) - p.b * p.tau_c * jnp.expm1(-dt / p.tau_c))
    w = jnp.where(w < p.Wmin, p.Wmin, w)
    w = jnp.where(w > p.Wmax, p.Wmax, w)
    return s.replace(w=w, c=s.c * jnp.exp(-dt / p.tau_c), n=s.n * jnp.exp(-dt / p.tau_n), at=jnp.broadcast_to(time, dt.shape))
