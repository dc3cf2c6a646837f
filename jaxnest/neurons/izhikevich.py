"""Izhikevich's neuron."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, Routing, State, Values


class izhikevich(Neuron):
    r"""Izhikevich's simple model of spiking and bursting neurons (V in mV, t in ms).

        dV/dt = 0.04 V^2 + 5 V + 140 - U + I_e + I_stim;  an arriving event of weight w (mV) adds w to V
        dU/dt = a (b V - U)

    When V >= V_th the neuron spikes, V is set to c and U rises by d. V is kept from falling below V_min. Integrated by
    forward Euler. Without `consistent_integration` it is integrated as published: V in two half steps, in which events
    act as a current, then U with the new V; this is meant for h = 1 ms.

    Source: Izhikevich (2003), IEEE Trans Neural Netw 14:1569; Pauli et al. (2018), Front Neuroinform 12:46.
    """

    a = Parameter(0.02, "1/ms", "rate of the recovery variable")
    b = Parameter(0.2, "", "sensitivity of the recovery variable to V_m")
    c = Parameter(-65.0, "mV", "V_m after a spike")
    d = Parameter(8.0, "mV", "rise of U_m at a spike")
    V_th = Parameter(30.0, "mV", "spike threshold")
    V_min = Parameter(-float("inf"), "mV", "lowest value of V_m")
    I_e = Parameter(0.0, "pA", "constant external current (through a resistance of 1 GOhm)")
    consistent_integration = Parameter(True, "", "forward Euler, not the scheme published", ge=0, le=1)

    V_m = State(-65.0, "mV", "membrane potential")
    U_m = State(-13.0, "mV", "recovery variable")
    I_stim = State(0.0, "pA", "current of generators, acting in the next step")

    recordables = ("V_m", "U_m")
    routing = Routing.SINGLE

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        def slope(V: Any) -> Any:
            return 0.04 * V * V + 5.0 * V + 140.0 - s.U_m + s.I_stim + p.I_e

        consistent = p.consistent_integration > 0.5
        euler = s.V_m + (env.h * slope(s.V_m) + x.spikes)
        half = s.V_m + env.h * 0.5 * (slope(s.V_m) + x.spikes)
        published = half + env.h * 0.5 * (slope(half) + x.spikes)
        V = jnp.where(consistent, euler, published)
        U = s.U_m + env.h * p.a * (p.b * jnp.where(consistent, s.V_m, V) - s.U_m)
        V = jnp.maximum(V, p.V_min)
        spike = env.fire(V - p.V_th)
        new = s.replace(V_m=env.choose(spike, p.c, V), U_m=env.choose(spike, U + p.d, U), I_stim=x.current)
        return new, spike
