"""Adaptive exponential integrate-and-fire neuron with alpha-shaped synaptic conductances."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from jaxnest.neurons import _aeif
from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, State, Values
from jaxnest.neurons._ode import STEP_SIZE


class aeif_cond_alpha(Neuron):
    r"""Adaptive exponential integrate-and-fire neuron with post-synaptic conductances shaped like an alpha function.

        C_m dV/dt = -g_L (V - E_L) + g_L Delta_T exp((V - V_th) / Delta_T)
                    - g_ex (V - E_ex) - g_in (V - E_in) - w + I_e + I_stim
        tau_w dw/dt = a (V - E_L) - w
        dg_X/dt = dg_X - g_X / tau_syn_X
        d(dg_X)/dt = -dg_X / tau_syn_X;  an arriving event of weight W (nS) adds |W| e / tau_syn_X to dg_X

    so that g_X has its peak |W| after tau_syn_X. X is ex for positive, in for negative weights. When V >= V_peak (V_th
    for Delta_T = 0) at the end of a sub-step of the solver the neuron spikes, w grows by b, V is set to V_reset and
    held for `t_ref` (rounded up to the grid). With `t_ref` = 0 it may spike several times in one step.

    Source: Brette & Gerstner (2005), J Neurophysiol 94:3637.
    """

    E_L = Parameter(-70.6, "mV", "leak reversal potential")
    C_m = Parameter(281.0, "pF", "membrane capacitance", gt=0)
    g_L = Parameter(30.0, "nS", "leak conductance")
    E_ex = Parameter(0.0, "mV", "excitatory reversal potential")
    E_in = Parameter(-85.0, "mV", "inhibitory reversal potential")
    tau_syn_ex = Parameter(0.2, "ms", "rise time of excitatory conductances", gt=0)
    tau_syn_in = Parameter(2.0, "ms", "rise time of inhibitory conductances", gt=0)
    Delta_T = Parameter(2.0, "mV", "slope factor of the upstroke", ge=0)
    a = Parameter(4.0, "nS", "subthreshold adaptation")
    b = Parameter(80.5, "pA", "spike-triggered adaptation")
    tau_w = Parameter(144.0, "ms", "time constant of adaptation", gt=0)
    t_ref = Parameter(0.0, "ms", "refractory period", ge=0)
    V_th = Parameter(-50.4, "mV", "threshold of spike initiation")
    V_peak = Parameter(0.0, "mV", "potential at which a spike is detected")
    V_reset = Parameter(-60.0, "mV", "reset potential")
    I_e = Parameter(0.0, "pA", "constant external current")
    gsl_error_tol = Parameter(1e-6, "", "tolerance of the adaptive solver", gt=0)

    V_m = State("E_L", "mV", "membrane potential")
    dg_ex = State(0.0, "nS/ms", "drive of the excitatory conductance")
    g_ex = State(0.0, "nS", "excitatory conductance", ge=0)
    dg_in = State(0.0, "nS/ms", "drive of the inhibitory conductance")
    g_in = State(0.0, "nS", "inhibitory conductance", ge=0)
    w = State(0.0, "pA", "adaptation current")
    I_stim = State(0.0, "pA", "current of generators, acting in the next step")
    refractory = State(0, "steps", "steps of refractoriness left", dtype="int")
    step_size = STEP_SIZE

    recordables = ("V_m", "g_ex", "g_in", "w")
    ordered = (("V_reset", "V_peak"),)
    check = staticmethod(_aeif.check)

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(**_aeif.constants(p, h), rise_ex=math.e / p.tau_syn_ex, rise_in=math.e / p.tau_syn_in)

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        def rates(s: Values) -> Values:
            V = _aeif.membrane(p, s)
            I_ion = -p.g_L * (V - p.E_L) + _aeif.spike_current(p, V)
            I_syn = s.g_ex * (V - p.E_ex) + s.g_in * (V - p.E_in)
            return Values(
                V_m=_aeif.voltage_rate(p, s, I_ion - I_syn - s.w + p.I_e + s.I_stim, env),
                dg_ex=-s.dg_ex / p.tau_syn_ex,
                g_ex=s.dg_ex - s.g_ex / p.tau_syn_ex,
                dg_in=-s.dg_in / p.tau_syn_in,
                g_in=s.dg_in - s.g_in / p.tau_syn_in,
                w=(p.a * (V - p.E_L) - s.w) / p.tau_w,
            )

        s, spikes = _aeif.integrate(rates, p, k, s, env)
        new = s.replace(
            dg_ex=s.dg_ex + x.ex * k.rise_ex,
            dg_in=s.dg_in - x.inh * k.rise_in,
            I_stim=x.current,
            refractory=jnp.maximum(s.refractory - 1, 0),
        )
        return new, spikes
