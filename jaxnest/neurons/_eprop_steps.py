"""What neurons with e-prop plasticity of Korcsak-Gorzo et al. (2025), which learn in every step or at every spike, have in common."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Env, Inputs, Parameter, State, Values
from jaxnest.neurons._eprop import Recurrent, interval_steps


class Persistent(Recurrent):
    """A recurrent neuron of Korcsak-Gorzo et al., whose synapses learn in every step, or at every spike."""

    kappa = Parameter(0.97, "", "decay of the filtered eligibility trace in a step", ge=0, le=1)
    kappa_reg = Parameter(0.97, "", "decay of the filter of the regularisation in a step", ge=0, le=1)
    eprop_isi_trace_cutoff = Parameter(float("inf"), "ms", "time after a spike from which gradients are taken to be 0", ge=0)

    z = State(0.0, "", "whether it spiked in the last step")
    f_av = State(0.0, "spikes/ms", "average firing rate")
    regularisation = State(0.0, "", "regularisation of the firing rate in the last step")
    before_psi = State(0.0, "", "surrogate gradient of the step before")
    before_regularisation = State(0.0, "", "regularisation of the step before")

    teaches = "eprop_synapse"

    @classmethod
    def constants(cls, p: Values, h: Any) -> Values:
        return Values(**super().constants(p, h), cutoff=interval_steps(p.eprop_isi_trace_cutoff, h))

    @classmethod
    def told(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env, spike: Any, psi: Any) -> dict[str, Any]:
        """The states that synapses learn from, after a step."""
        f_av = p.kappa_reg * s.f_av + (1.0 - p.kappa_reg) * spike / env.h
        return {
            "z": spike,
            "surrogate_gradient": psi,
            "learning_signal": x.signals.learning_signal,
            "f_av": f_av,
            "regularisation": p.c_reg * (f_av - k.f_target),
            "before_psi": s.surrogate_gradient,
            "before_regularisation": s.regularisation,
            **cls.sent(k, s, spike, env.step),
        }

    @classmethod
    def shows(cls, p: Values, k: Values, s: Values, heard: Values, env: Env) -> Values:
        return Values(
            psi=s.before_psi,
            L=heard.learning_signal,
            regularisation=s.before_regularisation,
            P=k.P,
            P_z=k.P_z,
            kappa=p.kappa,
            kappa_reg=p.kappa_reg,
            cutoff=k.cutoff,
            **cls.of_threshold(p, k),
        )

    @classmethod
    def learned(cls, s: Values, t: Values, z: Any) -> tuple[Values, Any]:
        """A synapse after a step with the spikes `z`, and what the step adds to its gradient."""
        z_bar = t.P * s.z_bar + t.P_z * z
        e, slow = cls.eligible(s, t, z_bar)
        e_bar = t.kappa * s.e_bar + e
        e_bar_reg = t.kappa_reg * s.e_bar_reg + (1.0 - t.kappa_reg) * e
        new = s.replace(z_bar=z_bar, slow=slow, e_bar=e_bar, e_bar_reg=e_bar_reg)
        return new, t.L * e_bar + t.regularisation * e_bar_reg

    @classmethod
    def forgotten(cls, s: Values, t: Values) -> Values:
        """A synapse after a step beyond the cutoff, in which its traces only decay."""
        traces = {"z_bar": t.P * s.z_bar, "e_bar": t.kappa * s.e_bar, "e_bar_reg": t.kappa_reg * s.e_bar_reg}
        return s.replace(**traces, slow=cls.decayed(s, t))


class Subtracting(Persistent):
    """A recurrent neuron whose V_m falls by V_th - E_L at a spike."""

    @classmethod
    def step(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        refractory = jnp.maximum(s.refractory - 1, 0)
        V = jnp.maximum(cls.integrated(k, s.V_m, s, x), k.V_min)
        threshold, more = cls.threshold(p, k, s, s.z)
        spike = jnp.where(refractory == 0, env.fire(V - threshold), 0.0)
        psi = cls.surrogate(p, V - threshold, refractory)
        new = s.replace(
            V_m=env.choose(spike, V - k.V_th, V),
            i_in=x.current + p.I_e,
            refractory=jnp.where(spike > 0, k.t_ref, refractory),
            **cls.told(p, k, s, x, env, spike, psi),
            **more,
        )
        return new, spike


class Resetting(Persistent):
    """A recurrent neuron whose V_m is set to V_reset at a spike, and held there while it is refractory."""

    V_reset = Parameter(-70.0, "mV", "reset potential")
    refractory_input = Parameter(0.0, "", "whether events wait for the end of the refractory period", flag=True)

    waiting = State(0.0, "mV", "input of the refractory period, as far as it will be left at its end")

    @staticmethod
    def check(p: Values) -> str | None:
        return "V_reset must be less than V_th" if (p.V_reset >= p.V_th).any() else Recurrent.check(p)

    @classmethod
    def constants(cls, p: Values, h: Any) -> Values:
        return Values(**super().constants(p, h), V_reset=p.V_reset - p.E_L)

    @classmethod
    def step(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        free = s.refractory == 0
        waits = p.refractory_input > 0
        V = k.P_i * (s.i_in + p.I_e) + k.P * s.V_m + x.spikes + jnp.where(waits, s.waiting, 0.0)
        V = jnp.where(free, jnp.maximum(V, k.V_min), s.V_m)
        decayed = s.waiting + x.spikes * jnp.exp(-s.refractory * env.h / p.tau_m)
        refractory = jnp.where(free, 0, s.refractory - 1)
        _, more = cls.threshold(p, k, s, s.z)
        more = {key: jnp.where(free, value, s[key]) for key, value in more.items()}  # waits while the neuron is refractory
        threshold = more.get("V_th_adapt", k.V_th)
        spike = env.fire(V - threshold)
        psi = cls.surrogate(p, V - threshold, refractory)
        new = s.replace(
            V_m=env.choose(spike, k.V_reset, V),
            i_in=x.current,
            waiting=jnp.where(waits & ~free, decayed, 0.0),
            refractory=jnp.where(spike > 0, k.t_ref, refractory),
            **cls.told(p, k, s, x, env, spike, psi),
            **more,
        )
        return new, spike
