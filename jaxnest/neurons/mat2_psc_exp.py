"""Non-resetting integrate-and-fire neuron with an adaptive threshold of two time scales."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.events.propagators import current_propagator, exp_propagators
from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, State, Values, steps_up


class mat2_psc_exp(Neuron):
    r"""Multi-timescale adaptive threshold (MAT) neuron with exponential post-synaptic currents.

        C_m dV/dt = -C_m (V - E_L) / tau_m + I_syn_ex + I_syn_in + I_e + I_stim
        dI_syn_X/dt = -I_syn_X / tau_syn_X;  an arriving event of weight w (pA) adds w to I_syn_X
        V_th = omega + V_th_alpha_1 + V_th_alpha_2,  dV_th_alpha_j/dt = -V_th_alpha_j / tau_j

    X is ex for positive, in for negative weights. When V >= V_th the neuron spikes and each V_th_alpha_j rises by
    alpha_j; V is not reset and goes on, but for `t_ref` (rounded up to the grid) there is no further spike.
    Integrated exactly on the grid.

    Source: Kobayashi, Tsubo & Shinomoto (2009), Front Comput Neurosci 3:9.
    """

    E_L = Parameter(-70.0, "mV", "resting potential")
    C_m = Parameter(100.0, "pF", "membrane capacitance", gt=0)
    tau_m = Parameter(5.0, "ms", "membrane time constant", gt=0)
    tau_syn_ex = Parameter(1.0, "ms", "decay time of excitatory currents", gt=0)
    tau_syn_in = Parameter(3.0, "ms", "decay time of inhibitory currents", gt=0)
    t_ref = Parameter(2.0, "ms", "time without a further spike", gt=0)
    tau_1 = Parameter(10.0, "ms", "short time constant of the threshold", gt=0)
    tau_2 = Parameter(200.0, "ms", "long time constant of the threshold", gt=0)
    alpha_1 = Parameter(37.0, "mV", "rise of the short part of the threshold at a spike")
    alpha_2 = Parameter(2.0, "mV", "rise of the long part of the threshold at a spike")
    omega = Parameter(-51.0, "mV", "resting threshold (absolute, not relative to E_L)")
    I_e = Parameter(0.0, "pA", "constant external current")

    V_m = State("E_L", "mV", "membrane potential", relative_to="E_L")
    V_th = State("omega", "mV", "threshold")
    V_th_alpha_1 = State(0.0, "mV", "short part of the threshold")
    V_th_alpha_2 = State(0.0, "mV", "long part of the threshold")
    I_syn_ex = State(0.0, "pA", "excitatory synaptic current")
    I_syn_in = State(0.0, "pA", "inhibitory synaptic current")
    I_stim = State(0.0, "pA", "current of generators, acting in the next step")
    refractory = State(0, "steps", "steps of refractoriness left", dtype="int")

    recordables = ("V_m", "V_th")

    @staticmethod
    def check(p: Values) -> str | None:
        if (p.tau_m == p.tau_syn_ex).any() or (p.tau_m == p.tau_syn_in).any():
            return "tau_m must differ from tau_syn_ex and tau_syn_in, as in NEST"
        return None

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(
            P11ex=jnp.exp(-h / p.tau_syn_ex),
            P11in=jnp.exp(-h / p.tau_syn_in),
            P22=jnp.expm1(-h / p.tau_m),
            P21ex=exp_propagators(h, p.tau_m, p.tau_syn_ex, p.C_m),
            P21in=exp_propagators(h, p.tau_m, p.tau_syn_in, p.C_m),
            P20=current_propagator(h, p.tau_m, p.C_m),
            P11th=jnp.exp(-h / p.tau_1),
            P22th=jnp.exp(-h / p.tau_2),
            omega=p.omega - p.E_L,
            t_ref=steps_up(p.t_ref, h),
        )

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        free = s.refractory == 0
        # relative to E_L, as V_m
        V = s.V_m * k.P22 + s.V_m + s.I_syn_ex * k.P21ex + s.I_syn_in * k.P21in + (p.I_e + s.I_stim) * k.P20
        short, long = s.V_th_alpha_1 * k.P11th, s.V_th_alpha_2 * k.P22th
        spike = jnp.where(free, env.fire(V - (k.omega + long + short)), 0.0)
        short, long = env.choose(spike, short + p.alpha_1, short), env.choose(spike, long + p.alpha_2, long)
        new = s.replace(
            V_m=V,
            V_th=p.E_L + k.omega + short + long,
            V_th_alpha_1=short,
            V_th_alpha_2=long,
            I_syn_ex=s.I_syn_ex * k.P11ex + x.ex,
            I_syn_in=s.I_syn_in * k.P11in + x.inh,
            I_stim=x.current,
            refractory=jnp.where(spike > 0, k.t_ref, jnp.where(free, 0, s.refractory - 1)),
        )
        return new, spike
