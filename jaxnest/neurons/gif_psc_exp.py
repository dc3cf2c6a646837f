"""Generalized integrate-and-fire neuron with exponential synaptic currents."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.events.propagators import current_propagator, exp_propagators
from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, State, Values, happens, steps_up


class gif_psc_exp(Neuron):
    r"""Generalized integrate-and-fire neuron (GIF): escape noise, spike-triggered currents, adaptive threshold.

        C_m dV/dt = -g_L (V - E_L) - I_stc + I_syn_ex + I_syn_in + I_e + I_stim
        dI_syn_X/dt = -I_syn_X / tau_syn_X;  an arriving event of weight w (pA) adds w to I_syn_X
        I_stc = sum_i stc_i,            dstc_i/dt = -stc_i / tau_stc[i]
        E_sfa = V_T_star + sum_i sfa_i,  dsfa_i/dt = -sfa_i / tau_sfa[i]

    X is ex for positive, in for negative weights. The neuron spikes in a step h with probability 1 - exp(-lambda h),
    lambda = lambda_0 exp((V - E_sfa) / Delta_V). Then stc_i rises by q_stc[i] and sfa_i by q_sfa[i]; in the next step,
    and for `t_ref` (rounded up to the grid), V is V_reset and there is no spike. Each current acts on V in the step in
    which its events arrive. Integrated exactly on the grid.

    Source: Mensi et al. (2012), J Neurophysiol 107:1756; Pozzorini et al. (2015), PLoS Comput Biol 11:e1004275.
    """

    E_L = Parameter(-70.0, "mV", "resting potential")
    C_m = Parameter(80.0, "pF", "membrane capacitance", gt=0)
    g_L = Parameter(4.0, "nS", "leak conductance", gt=0)
    tau_syn_ex = Parameter(2.0, "ms", "decay time of excitatory currents", gt=0)
    tau_syn_in = Parameter(2.0, "ms", "decay time of inhibitory currents", gt=0)
    t_ref = Parameter(4.0, "ms", "refractory period", ge=0)
    V_reset = Parameter(-55.0, "mV", "reset potential")
    V_T_star = Parameter(-35.0, "mV", "base of the threshold")
    Delta_V = Parameter(0.5, "mV", "width of the threshold", gt=0)
    lambda_0 = Parameter(1.0, "1/s", "firing intensity at the threshold", ge=0)
    tau_sfa = Parameter((), "ms", "decay times of the threshold's adaptation", gt=0, dim="sfa", pad=1.0)
    q_sfa = Parameter((), "mV", "rises of the threshold at a spike", dim="sfa", pad=0.0)
    tau_stc = Parameter((), "ms", "decay times of the spike-triggered currents", gt=0, dim="stc", pad=1.0)
    q_stc = Parameter((), "pA", "rises of the spike-triggered currents at a spike", dim="stc", pad=0.0)
    I_e = Parameter(0.0, "pA", "constant external current")

    V_m = State("E_L", "mV", "membrane potential")
    E_sfa = State(0.0, "mV", "threshold of this step")
    I_stc = State(0.0, "pA", "sum of the spike-triggered currents of this step")
    sfa = State(0.0, "mV", "parts of the threshold's adaptation", dim="sfa")
    stc = State(0.0, "pA", "spike-triggered currents", dim="stc")
    I_syn_ex = State(0.0, "pA", "excitatory synaptic current")
    I_syn_in = State(0.0, "pA", "inhibitory synaptic current")
    I_stim = State(0.0, "pA", "current of generators, acting in the next step")
    refractory = State(0, "steps", "steps of refractoriness left", dtype="int")

    recordables = ("V_m", "E_sfa", "I_stc", "I_syn_ex", "I_syn_in")
    stochastic = True

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        tau_m = p.C_m / p.g_L
        return Values(
            P11ex=jnp.exp(-h / p.tau_syn_ex),
            P11in=jnp.exp(-h / p.tau_syn_in),
            P21ex=exp_propagators(h, tau_m, p.tau_syn_ex, p.C_m),
            P21in=exp_propagators(h, tau_m, p.tau_syn_in, p.C_m),
            P33=jnp.exp(-h / tau_m),
            P30=current_propagator(h, tau_m, p.C_m),
            P_sfa=jnp.exp(-h / p.tau_sfa),
            P_stc=jnp.exp(-h / p.tau_stc),
            t_ref=steps_up(p.t_ref, h),
        )

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        free = s.refractory == 0
        I_stc = jnp.sum(s.stc, axis=0)
        E_sfa = p.V_T_star + jnp.sum(s.sfa, axis=0)
        I_syn_ex = s.I_syn_ex * k.P11ex + x.ex
        I_syn_in = s.I_syn_in * k.P11in + x.inh
        U = (s.I_stim + p.I_e - I_stc) * k.P30 + (s.V_m - p.E_L) * k.P33 + I_syn_ex * k.P21ex + I_syn_in * k.P21in
        V = jnp.where(free, p.E_L + U, p.V_reset)
        # The exponent is bounded where a spike is certain, so that neither value nor derivative overflows.
        intensity = 1e-3 * p.lambda_0 * jnp.exp(jnp.minimum((V - E_sfa) / p.Delta_V, 60.0))
        spike = jnp.where(free, happens(-jnp.expm1(-intensity * env.h), env.uniform(0)), 0.0)
        new = s.replace(
            V_m=V,
            E_sfa=E_sfa,
            I_stc=I_stc,
            sfa=s.sfa * k.P_sfa + p.q_sfa * spike[None],
            stc=s.stc * k.P_stc + p.q_stc * spike[None],
            I_syn_ex=I_syn_ex,
            I_syn_in=I_syn_in,
            I_stim=x.current,
            refractory=jnp.where(spike > 0, k.t_ref, jnp.where(free, 0, s.refractory - 1)),
        )
        return new, spike
