"""Leaky integrate-and-fire neuron with alpha-shaped synaptic currents."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from jaxnest.events.propagators import alpha_propagators, current_propagator
from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, State, Values, steps_up


class iaf_psc_alpha(Neuron):
    r"""Leaky integrate-and-fire neuron with alpha-shaped post-synaptic currents.

        C_m dV/dt = -C_m (V - E_L) / tau_m + I_syn_ex + I_syn_in + I_e + I_stim
        dI_syn_X/dt = dI_X - I_syn_X / tau_syn_X,  d(dI_X)/dt = -dI_X / tau_syn_X
        an arriving event of weight w (pA) adds w e / tau_syn_X to dI_X, so that I_syn_X peaks at w, tau_syn_X later

    X is ex for positive, in for negative weights. When V >= V_th the neuron spikes, V is set to V_reset and held
    for `t_ref` (rounded up to the grid). V is kept from falling below V_min. Integrated exactly on the grid.

    Source: Rotter & Diesmann (1999), Biol Cybern 81:381; Diesmann, Gewaltig, Rotter & Aertsen (2001), Neurocomputing
    38-40:565.
    """

    E_L = Parameter(-70.0, "mV", "resting potential")
    C_m = Parameter(250.0, "pF", "membrane capacitance", gt=0)
    tau_m = Parameter(10.0, "ms", "membrane time constant", gt=0)
    tau_syn_ex = Parameter(2.0, "ms", "rise time of excitatory currents", gt=0)
    tau_syn_in = Parameter(2.0, "ms", "rise time of inhibitory currents", gt=0)
    t_ref = Parameter(2.0, "ms", "refractory period", ge=0)
    V_th = Parameter(-55.0, "mV", "spike threshold")
    V_reset = Parameter(-70.0, "mV", "reset potential")
    V_min = Parameter(-float("inf"), "mV", "lowest value of V_m")
    I_e = Parameter(0.0, "pA", "constant external current")

    V_m = State("E_L", "mV", "membrane potential", relative_to="E_L")
    I_syn_ex = State(0.0, "pA", "excitatory synaptic current")
    I_syn_in = State(0.0, "pA", "inhibitory synaptic current")
    dI_ex = State(0.0, "pA/ms", "what makes the excitatory current rise")
    dI_in = State(0.0, "pA/ms", "what makes the inhibitory current rise")
    I_stim = State(0.0, "pA", "current of generators, acting in the next step")
    refractory = State(0, "steps", "steps of refractoriness left", dtype="int")

    recordables = ("V_m", "I_syn_ex", "I_syn_in")
    timed = True
    ordered = (("V_reset", "V_th"),)

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        P31ex, P32ex = alpha_propagators(h, p.tau_m, p.tau_syn_ex, p.C_m)
        P31in, P32in = alpha_propagators(h, p.tau_m, p.tau_syn_in, p.C_m)
        return Values(
            P11ex=jnp.exp(-h / p.tau_syn_ex),
            P11in=jnp.exp(-h / p.tau_syn_in),
            P31ex=P31ex,
            P31in=P31in,
            P32ex=P32ex,
            P32in=P32in,
            P21ex=h * jnp.exp(-h / p.tau_syn_ex),
            P21in=h * jnp.exp(-h / p.tau_syn_in),
            P33=jnp.expm1(-h / p.tau_m),
            P30=current_propagator(h, p.tau_m, p.C_m),
            jump_ex=math.e / p.tau_syn_ex,
            jump_in=math.e / p.tau_syn_in,
            V_th=p.V_th - p.E_L,
            V_reset=p.V_reset - p.E_L,
            V_min=p.V_min - p.E_L,
            t_ref=steps_up(p.t_ref, h),
        )

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        free = s.refractory == 0
        V = (  # relative to E_L, as V_m
            (p.I_e + s.I_stim) * k.P30
            + s.dI_ex * k.P31ex
            + s.I_syn_ex * k.P32ex
            + s.dI_in * k.P31in
            + s.I_syn_in * k.P32in
            + s.V_m * k.P33
            + s.V_m
        )
        V = jnp.where(free, jnp.maximum(V, k.V_min), s.V_m)
        spike = jnp.where(free, env.fire(V - k.V_th), 0.0)
        new = s.replace(
            V_m=env.choose(spike, k.V_reset, V),
            I_syn_ex=s.dI_ex * k.P21ex + s.I_syn_ex * k.P11ex,
            I_syn_in=s.dI_in * k.P21in + s.I_syn_in * k.P11in,
            dI_ex=s.dI_ex * k.P11ex + k.jump_ex * x.ex,
            dI_in=s.dI_in * k.P11in + k.jump_in * x.inh,
            I_stim=x.current,
            refractory=jnp.where(spike > 0, k.t_ref, jnp.where(free, 0, s.refractory - 1)),
        )
        return new, spike
