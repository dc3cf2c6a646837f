"""Leaky integrate-and-fire neuron with alpha-shaped synaptic currents of any number of time constants."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from jaxnest.events.propagators import alpha_propagators
from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, Routing, State, Values, steps_up


class iaf_psc_alpha_multisynapse(Neuron):
    r"""Leaky integrate-and-fire neuron with alpha-shaped post-synaptic currents, one time constant a receptor.

        C_m dV/dt = -C_m (V - E_L) / tau_m + sum_k I_k + I_e + I_stim
        dI_k/dt = dI_k' - I_k / tau_syn[k],  d(dI_k')/dt = -dI_k' / tau_syn[k]
        an event of weight w (pA) that arrives at receptor k adds w e / tau_syn[k] to dI_k', so that I_k peaks at w

    Receptors are numbered 1, 2, ... as in `tau_syn`; a connection's sign does not matter. When V >= V_th the neuron
    spikes, V is set to V_reset and held for `t_ref` (rounded up to the grid). V is kept from falling below V_min.
    Integrated exactly on the grid. Recordables are V_m, I_syn (the sum of all currents), and I_syn_1, I_syn_2, ...

    Source: Rotter & Diesmann (1999), Biol Cybern 81:381; Diesmann, Gewaltig, Rotter & Aertsen (2001), Neurocomputing
    38-40:565.
    """

    E_L = Parameter(-70.0, "mV", "resting potential")
    C_m = Parameter(250.0, "pF", "membrane capacitance", gt=0)
    tau_m = Parameter(10.0, "ms", "membrane time constant", gt=0)
    tau_syn = Parameter((2.0,), "ms", "rise time of the current of each receptor", gt=0, dim="ports")
    t_ref = Parameter(2.0, "ms", "refractory period", ge=0)
    V_th = Parameter(-55.0, "mV", "spike threshold")
    V_reset = Parameter(-70.0, "mV", "reset potential")
    V_min = Parameter(-float("inf"), "mV", "lowest value of V_m")
    I_e = Parameter(0.0, "pA", "constant external current")

    V_m = State("E_L", "mV", "membrane potential", relative_to="E_L")
    I_syn = State(0.0, "pA", "sum of the synaptic currents")
    I_port = State(0.0, "pA", "synaptic current of each receptor", dim="ports")
    dI_port = State(0.0, "pA/ms", "what makes the current of each receptor rise", dim="ports")
    I_stim = State(0.0, "pA", "current of generators, acting in the next step")
    refractory = State(0, "steps", "steps of refractoriness left", dtype="int")

    recordables = ("V_m", "I_syn")
    timed = True
    numbered = {"I_syn_": "I_port"}
    routing = Routing.PORTS
    ordered = (("V_reset", "V_th"),)

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        P31, P32 = alpha_propagators(h, p.tau_m[None], p.tau_syn, p.C_m[None])
        return Values(
            P11=jnp.exp(-h / p.tau_syn),
            P21=h * jnp.exp(-h / p.tau_syn),
            P31=P31,
            P32=P32,
            P33=jnp.exp(-h / p.tau_m),
            P30=1 / p.C_m * (1 - jnp.exp(-h / p.tau_m)) * p.tau_m,
            jump=math.e / p.tau_syn,
            V_th=p.V_th - p.E_L,
            V_reset=p.V_reset - p.E_L,
            V_min=p.V_min - p.E_L,
            t_ref=steps_up(p.t_ref, h),
        )

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        free = s.refractory == 0
        synaptic = jnp.sum(k.P31 * s.dI_port + k.P32 * s.I_port, axis=0)
        V = (p.I_e + s.I_stim) * k.P30 + s.V_m * k.P33 + synaptic  # relative to E_L, as V_m
        V = jnp.where(free, jnp.maximum(V, k.V_min), s.V_m)
        spike = jnp.where(free, env.fire(V - k.V_th), 0.0)
        I_port = s.dI_port * k.P21 + s.I_port * k.P11
        new = s.replace(
            V_m=env.choose(spike, k.V_reset, V),
            I_syn=jnp.sum(I_port, axis=0),
            I_port=I_port,
            dI_port=s.dI_port * k.P11 + k.jump * x.ports,
            I_stim=x.current,
            refractory=jnp.where(spike > 0, k.t_ref, jnp.where(free, 0, s.refractory - 1)),
        )
        return new, spike
