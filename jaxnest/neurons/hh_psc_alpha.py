"""Hodgkin-Huxley neuron with alpha-shaped synaptic currents."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, State, Values, steps_up
from jaxnest.neurons._ode import STEP_SIZE, count_down, falling, integrate, linoid


class hh_psc_alpha(Neuron):
    r"""Hodgkin-Huxley neuron with post-synaptic currents shaped like an alpha function.

        C_m dV/dt = -g_Na m^3 h (V - E_Na) - g_K n^4 (V - E_K) - g_L (V - E_L) + I_syn_ex + I_syn_in + I_e + I_stim
        dz/dt = alpha_z(V) (1 - z) - beta_z(V) z  for z in m (Act_m), h (Inact_h), n (Act_n)
        dI_syn_X/dt = dI_X - I_syn_X / tau_syn_X
        d(dI_X)/dt = -dI_X / tau_syn_X;  an arriving event of weight w (pA) adds w e / tau_syn_X to dI_X

    so that I_syn_X has its peak w after tau_syn_X. X is ex for positive, in for negative weights. The neuron spikes at
    the end of the first step in which V fell and is still >= 0, and then not again for `t_ref` (rounded up to the
    grid); V is not reset. Solved numerically.

    Source: Hodgkin & Huxley (1952), J Physiol 117:500; Gerstner & Kistler (2002), Spiking Neuron Models.
    """

    E_L = Parameter(-54.402, "mV", "leak reversal potential")
    C_m = Parameter(100.0, "pF", "membrane capacitance", gt=0)
    g_Na = Parameter(12000.0, "nS", "peak conductance of sodium", ge=0)
    g_K = Parameter(3600.0, "nS", "peak conductance of potassium", ge=0)
    g_L = Parameter(30.0, "nS", "leak conductance", ge=0)
    E_Na = Parameter(50.0, "mV", "reversal potential of sodium")
    E_K = Parameter(-77.0, "mV", "reversal potential of potassium")
    tau_syn_ex = Parameter(0.2, "ms", "rise time of excitatory currents", gt=0)
    tau_syn_in = Parameter(2.0, "ms", "rise time of inhibitory currents", gt=0)
    t_ref = Parameter(2.0, "ms", "time after a spike in which no other is counted", ge=0)
    I_e = Parameter(0.0, "pA", "constant external current")

    # The channels begin in their equilibrium at -65 mV: alpha / (alpha + beta).
    V_m = State(-65.0, "mV", "membrane potential")
    Act_m = State(1 / (1 + 4 * math.expm1(2.5) / 2.5), "", "activation of sodium, m", ge=0)
    Inact_h = State(1 / (1 + 1 / 0.07 / (1 + math.exp(3))), "", "inactivation of sodium, h", ge=0)
    Act_n = State(1 / (1 + 0.125 * math.expm1(1.0) / 0.1), "", "activation of potassium, n", ge=0)
    dI_ex = State(0.0, "pA/ms", "drive of the excitatory synaptic current")
    I_syn_ex = State(0.0, "pA", "excitatory synaptic current")
    dI_in = State(0.0, "pA/ms", "drive of the inhibitory synaptic current")
    I_syn_in = State(0.0, "pA", "inhibitory synaptic current")
    I_stim = State(0.0, "pA", "current of generators, acting in the next step")
    refractory = State(0, "steps", "steps left in which no spike is counted", dtype="int")
    step_size = STEP_SIZE
    residue = State(0.0, "", "what rounding took from V_m, Act_m, Inact_h and Act_n", dim=4)

    recordables = ("V_m", "Act_m", "Inact_h", "Act_n", "I_syn_ex", "I_syn_in")

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(
            rise_ex=math.e / p.tau_syn_ex,
            rise_in=math.e / p.tau_syn_in,
            t_ref=steps_up(p.t_ref, h),
        )

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        def rates(s: Values) -> Values:
            V, m, h, n = s.V_m, s.Act_m, s.Inact_h, s.Act_n
            alpha_n = 0.1 * linoid((V + 55) / 10)
            beta_n = 0.125 * jnp.exp(-(V + 65) / 80)
            alpha_m = linoid((V + 40) / 10)
            beta_m = 4 * jnp.exp(-(V + 65) / 18)
            alpha_h = 0.07 * jnp.exp(-(V + 65) / 20)
            beta_h = 1 / (1 + jnp.exp(-(V + 35) / 10))
            I_Na = p.g_Na * m * m * m * h * (V - p.E_Na)
            I_K = p.g_K * n * n * n * n * (V - p.E_K)
            I_L = p.g_L * (V - p.E_L)
            return Values(
                V_m=(-(I_Na + I_K + I_L) + s.I_stim + p.I_e + s.I_syn_ex + s.I_syn_in) / p.C_m,
                Act_m=alpha_m * (1 - m) - beta_m * m,
                Inact_h=alpha_h * (1 - h) - beta_h * h,
                Act_n=alpha_n * (1 - n) - beta_n * n,
                dI_ex=-s.dI_ex / p.tau_syn_ex,
                I_syn_ex=s.dI_ex - s.I_syn_ex / p.tau_syn_ex,
                dI_in=-s.dI_in / p.tau_syn_in,
                I_syn_in=s.dI_in - s.I_syn_in / p.tau_syn_in,
            )

        V_before = s.V_m
        s, _ = integrate(rates, s, env, precise=("V_m", "Act_m", "Inact_h", "Act_n"))
        spike = falling(V_before, s.V_m, 0.0, s.refractory, env)
        new = s.replace(
            dI_ex=s.dI_ex + x.ex * k.rise_ex,
            dI_in=s.dI_in + x.inh * k.rise_in,
            I_stim=x.current,
            refractory=count_down(s.refractory, spike, k.t_ref),
        )
        return new, spike
