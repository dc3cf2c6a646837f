"""Leaky integrate-and-fire neuron with exponential synaptic currents of any number of time constants."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.events.propagators import exp_propagators
from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, Routing, State, Values, steps_up


class iaf_psc_exp_multisynapse(Neuron):
    r"""Leaky integrate-and-fire neuron with exponential post-synaptic currents, one time constant a receptor.

        C_m dV/dt = -C_m (V - E_L) / tau_m + sum_k I_k + I_e + I_stim
        dI_k/dt = -I_k / tau_syn[k];  an event of weight w (pA) that arrives at receptor k adds w to I_k

    Receptors are numbered 1, 2, ... as in `tau_syn`; a connection's sign does not matter. When V >= V_th the neuron
    spikes, V is set to V_reset and held for `t_ref` (rounded up to the grid). Integrated exactly on the grid.
    Recordables are V_m, I_syn (the sum of all currents), and I_syn_1, I_syn_2, ...

    Source: Rotter & Diesmann (1999), Biol Cybern 81:381; Tsodyks, Uziel & Markram (2000), J Neurosci 20:RC50.
    """

    E_L = Parameter(-70.0, "mV", "resting potential")
    C_m = Parameter(250.0, "pF", "membrane capacitance", gt=0)
    tau_m = Parameter(10.0, "ms", "membrane time constant", gt=0)
    tau_syn = Parameter((2.0,), "ms", "decay time of the current of each receptor", gt=0, dim="ports")
    t_ref = Parameter(2.0, "ms", "refractory period", ge=0)
    V_th = Parameter(-55.0, "mV", "spike threshold")
    V_reset = Parameter(-70.0, "mV", "reset potential")
    I_e = Parameter(0.0, "pA", "constant external current")

    V_m = State("E_L", "mV", "membrane potential", relative_to="E_L")
    I_syn = State(0.0, "pA", "sum of the synaptic currents")
    I_port = State(0.0, "pA", "synaptic current of each receptor", dim="ports")
    I_stim = State(0.0, "pA", "current of generators, acting in the next step")
    refractory = State(0, "steps", "steps of refractoriness left", dtype="int")

    recordables = ("V_m", "I_syn")
    timed = True
    numbered = {"I_syn_": "I_port"}
    routing = Routing.PORTS
    ordered = (("V_reset", "V_th"),)

    @staticmethod
    def check(p: Values) -> str | None:
        return "tau_m must differ from every tau_syn, as in NEST" if (p.tau_syn == p.tau_m).any() else None

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(
            P11=jnp.exp(-h / p.tau_syn),
            P22=jnp.exp(-h / p.tau_m),
            P21=exp_propagators(h, p.tau_m[None], p.tau_syn, p.C_m[None]),
            P20=p.tau_m / p.C_m * (1.0 - jnp.exp(-h / p.tau_m)),
            V_th=p.V_th - p.E_L,
            V_reset=p.V_reset - p.E_L,
            t_ref=steps_up(p.t_ref, h),
        )

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        free = s.refractory == 0
        # relative to E_L, as V_m
        V = s.V_m * k.P22 + (p.I_e + s.I_stim) * k.P20 + jnp.sum(k.P21 * s.I_port, axis=0)
        V = jnp.where(free, V, s.V_m)
        spike = jnp.where(free, env.fire(V - k.V_th), 0.0)
        I_port = s.I_port * k.P11 + x.ports
        new = s.replace(
            V_m=env.choose(spike, k.V_reset, V),
            I_syn=jnp.sum(I_port, axis=0),
            I_port=I_port,
            I_stim=x.current,
            refractory=jnp.where(spike > 0, k.t_ref, jnp.where(free, 0, s.refractory - 1)),
        )
        return new, spike
