"""Leaky integrate-and-fire neuron with alpha-shaped synaptic conductances."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, State, Values, steps_up
from jaxnest.neurons._ode import STEP_SIZE, count_down, integrate


class iaf_cond_alpha(Neuron):
    r"""Leaky integrate-and-fire neuron with post-synaptic conductances shaped like an alpha function.

        C_m dV/dt = -g_L (V - E_L) - g_ex (V - E_ex) - g_in (V - E_in) + I_e + I_stim
        dg_X/dt = dg_X - g_X / tau_syn_X
        d(dg_X)/dt = -dg_X / tau_syn_X;  an arriving event of weight w (nS) adds |w| e / tau_syn_X to dg_X

    so that g_X has its peak |w| after tau_syn_X. X is ex for positive, in for negative weights. When V >= V_th at the
    end of a step the neuron spikes, V is set to V_reset and held for `t_ref` (rounded up to the grid). Solved
    numerically; within a step V counts as V_th where it is above.

    Source: Meffin, Burkitt & Grayden (2004), J Comput Neurosci 16:159; Kuhn, Aertsen & Rotter (2004), J Neurosci 24:2345.
    """

    E_L = Parameter(-70.0, "mV", "leak reversal potential")
    C_m = Parameter(250.0, "pF", "membrane capacitance", gt=0)
    g_L = Parameter(16.6667, "nS", "leak conductance")
    E_ex = Parameter(0.0, "mV", "excitatory reversal potential")
    E_in = Parameter(-85.0, "mV", "inhibitory reversal potential")
    tau_syn_ex = Parameter(0.2, "ms", "rise time of excitatory conductances", gt=0)
    tau_syn_in = Parameter(2.0, "ms", "rise time of inhibitory conductances", gt=0)
    t_ref = Parameter(2.0, "ms", "refractory period", ge=0)
    V_th = Parameter(-55.0, "mV", "spike threshold")
    V_reset = Parameter(-60.0, "mV", "reset potential")
    I_e = Parameter(0.0, "pA", "constant external current")

    V_m = State("E_L", "mV", "membrane potential")
    dg_ex = State(0.0, "nS/ms", "drive of the excitatory conductance")
    g_ex = State(0.0, "nS", "excitatory conductance")
    dg_in = State(0.0, "nS/ms", "drive of the inhibitory conductance")
    g_in = State(0.0, "nS", "inhibitory conductance")
    I_stim = State(0.0, "pA", "current of generators, acting in the next step")
    refractory = State(0, "steps", "steps of refractoriness left", dtype="int")
    t_ref_remaining = State(0.0, "ms", "time of refractoriness left: follows `refractory`")
    step_size = STEP_SIZE

    recordables = ("V_m", "g_ex", "g_in", "t_ref_remaining")
    ordered = (("V_reset", "V_th"),)

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(
            rise_ex=math.e / p.tau_syn_ex,
            rise_in=math.e / p.tau_syn_in,
            t_ref=steps_up(p.t_ref, h),
        )

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        free = s.refractory == 0

        def rates(s: Values) -> Values:
            V = jnp.where(free, jnp.minimum(s.V_m, p.V_th), p.V_reset)
            I_L = p.g_L * (V - p.E_L)
            I_syn = s.g_ex * (V - p.E_ex) + s.g_in * (V - p.E_in)
            return Values(
                V_m=jnp.where(free, (-I_L - I_syn + s.I_stim + p.I_e) / p.C_m, 0.0),
                dg_ex=-s.dg_ex / p.tau_syn_ex,
                g_ex=s.dg_ex - s.g_ex / p.tau_syn_ex,
                dg_in=-s.dg_in / p.tau_syn_in,
                g_in=s.dg_in - s.g_in / p.tau_syn_in,
            )

        s, _ = integrate(rates, s, env)
        spike = jnp.where(free, env.fire(s.V_m - p.V_th), 0.0)
        refractory = count_down(s.refractory, spike, k.t_ref)
        new = s.replace(
            V_m=jnp.where(free, env.choose(spike, p.V_reset, s.V_m), p.V_reset),
            dg_ex=s.dg_ex + x.ex * k.rise_ex,
            dg_in=s.dg_in - x.inh * k.rise_in,
            I_stim=x.current,
            refractory=refractory,
            t_ref_remaining=refractory * env.h,
        )
        return new, spike
