"""Readout neuron for e-prop plasticity."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Env, Inputs, Parameter, State, Values
from jaxnest.neurons._eprop import Readout, interval_steps


class eprop_readout(Readout):
    r"""Leaky integrator that compares its V_m with a target signal, and sends the difference as a learning signal.

    The readout signal y is V_m, and the error y - y*, with the target y* heard at receptor 2; all three are multiplied with the
    signal heard at receptor 1, which says when errors count. The gradient of a step at a synapse is the error times the filtered spikes.

    Source: Bellec et al. (2020), Nat Commun 11:3625; Korcsak-Gorzo, Espinoza Valverde, Stapmanns et al. (2025), as NEST 3.10 has it.
    """

    eprop_isi_trace_cutoff = Parameter(float("inf"), "ms", "time after a spike from which gradients are taken to be 0", ge=0)

    before_error = State(0.0, "mV", "error of the step before")

    hears = ("eprop_learning_window", "target_signal")
    signal_ports = {"rate": ("eprop_learning_window", "target_signal")}
    teaches = "eprop_synapse"

    @classmethod
    def constants(cls, p: Values, h: Any) -> Values:
        return Values(**super().constants(p, h), cutoff=interval_steps(p.eprop_isi_trace_cutoff, h))

    @classmethod
    def step(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        V = jnp.maximum(cls.integrated(k, s.V_m, s, x), k.V_min)
        y, target, window = V + p.E_L, x.signals.target_signal, x.signals.eprop_learning_window
        new = s.replace(
            V_m=V,
            i_in=x.current + p.I_e,
            readout_signal=y * window,
            target_signal=target * window,
            error_signal=(y - target) * window,
            before_error=s.error_signal,
        )
        return new, jnp.zeros_like(V)

    @classmethod
    def shows(cls, p: Values, k: Values, s: Values, heard: Values, env: Env) -> Values:
        return Values(L=s.before_error, P=k.P, P_z=k.P_z, cutoff=k.cutoff)

    @classmethod
    def learned(cls, s: Values, t: Values, z: Any) -> tuple[Values, Any]:
        """A synapse after a step with the spikes `z`, and what the step adds to its gradient."""
        z_bar = t.P * s.z_bar + t.P_z * z
        return s.replace(z_bar=z_bar), t.L * z_bar

    @classmethod
    def forgotten(cls, s: Values, t: Values) -> Values:
        """A synapse after a step beyond the cutoff, in which its trace only decays."""
        return s.replace(z_bar=t.P * s.z_bar)
