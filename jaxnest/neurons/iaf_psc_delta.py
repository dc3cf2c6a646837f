"""Leaky integrate-and-fire neuron with delta-shaped synaptic currents."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, Routing, State, Values, steps_up


class iaf_psc_delta(Neuron):
    r"""Leaky integrate-and-fire neuron with delta-shaped post-synaptic currents.

        dV/dt = -(V - E_L) / tau_m + (I_e + I_stim) / C_m;  an arriving event of weight w (mV) adds w to V

    When V >= V_th the neuron spikes, V is set to V_reset and held for `t_ref` (rounded up to the grid). V is kept from
    falling below V_min. Events that arrive while the neuron is refractory are lost; with `refractory_input` they
    wait, decaying with tau_m, and are added in the first step after the refractory period. Integrated exactly on the
    grid.

    Source: Rotter & Diesmann (1999), Biol Cybern 81:381; Diesmann, Gewaltig, Rotter & Aertsen (2001), Neurocomputing
    38-40:565.
    """

    E_L = Parameter(-70.0, "mV", "resting potential")
    C_m = Parameter(250.0, "pF", "membrane capacitance", gt=0)
    tau_m = Parameter(10.0, "ms", "membrane time constant", gt=0)
    t_ref = Parameter(2.0, "ms", "refractory period", ge=0)
    V_th = Parameter(-55.0, "mV", "spike threshold")
    V_reset = Parameter(-70.0, "mV", "reset potential")
    V_min = Parameter(-float("inf"), "mV", "lowest value of V_m")
    I_e = Parameter(0.0, "pA", "constant external current")
    refractory_input = Parameter(False, "", "whether events wait for the end of the refractory period", ge=0, le=1)

    V_m = State("E_L", "mV", "membrane potential", relative_to="E_L")
    waiting = State(0.0, "mV", "input of the refractory period, as far as it will be left at its end")
    I_stim = State(0.0, "pA", "current of generators, acting in the next step")
    refractory = State(0, "steps", "steps of refractoriness left", dtype="int")

    recordables = ("V_m",)
    timed = True
    routing = Routing.SINGLE
    ordered = (("V_reset", "V_th"),)

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(
            P33=jnp.exp(-h / p.tau_m),
            P30=1 / p.C_m * (1 - jnp.exp(-h / p.tau_m)) * p.tau_m,
            V_th=p.V_th - p.E_L,
            V_reset=p.V_reset - p.E_L,
            V_min=p.V_min - p.E_L,
            t_ref=steps_up(p.t_ref, h),
            any_waits=jnp.any(p.refractory_input > 0.5),
        )

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        free = s.refractory == 0
        waits = p.refractory_input > 0.5
        # relative to E_L, as V_m
        V = (p.I_e + s.I_stim) * k.P30 + s.V_m * k.P33 + x.spikes + jnp.where(waits, s.waiting, 0.0)
        V = jnp.where(free, jnp.maximum(V, k.V_min), s.V_m)
        spike = jnp.where(free, env.fire(V - k.V_th), 0.0)

        def some_wait() -> Any:
            decayed = x.spikes * jnp.exp(-s.refractory * env.h / p.tau_m)
            return jnp.where(waits, jnp.where(free, 0.0, s.waiting + decayed), s.waiting)

        new = s.replace(
            V_m=env.choose(spike, k.V_reset, V),
            waiting=lax.cond(k.any_waits, some_wait, lambda: s.waiting),
            I_stim=x.current,
            refractory=jnp.where(spike > 0, k.t_ref, jnp.where(free, 0, s.refractory - 1)),
        )
        return new, spike
