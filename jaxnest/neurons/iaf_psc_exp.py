"""Leaky integrate-and-fire neuron with exponential synaptic currents."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxnest.events.propagators import exp_propagators
from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, State, Values, happens, steps_up


class iaf_psc_exp(Neuron):
    r"""Leaky integrate-and-fire neuron with exponential post-synaptic currents.

        C_m dV/dt = -C_m (V - E_L) / tau_m + I_syn_ex + I_syn_in + I_e + I_stim
        dI_syn_X/dt = -I_syn_X / tau_syn_X;  an arriving event of weight w (pA) adds w to I_syn_X

    X is ex for positive, in for negative weights. When V >= V_th the neuron spikes, V is set to V_reset and held
    for `t_ref` (rounded up to the grid). Integrated exactly on the grid.

    With `delta` > 0 the threshold is soft: the neuron spikes in a step h with probability
    h rho exp((V - V_th) / delta), also while it is refractory (which then starts anew). Currents to receptor 1 are
    filtered with tau_syn_ex: they add to I_syn_ex what keeps it at their value in the steady state.

    Source: Rotter & Diesmann (1999), Biol Cybern 81:381; Tsodyks, Uziel & Markram (2000), J Neurosci 20:RC50.
    """

    E_L = Parameter(-70.0, "mV", "resting potential")
    C_m = Parameter(250.0, "pF", "membrane capacitance", gt=0)
    tau_m = Parameter(10.0, "ms", "membrane time constant", gt=0)
    tau_syn_ex = Parameter(2.0, "ms", "decay time of excitatory currents", gt=0)
    tau_syn_in = Parameter(2.0, "ms", "decay time of inhibitory currents", gt=0)
    t_ref = Parameter(2.0, "ms", "refractory period", ge=0)
    V_th = Parameter(-55.0, "mV", "spike threshold")
    V_reset = Parameter(-70.0, "mV", "reset potential")
    I_e = Parameter(0.0, "pA", "constant external current")
    rho = Parameter(0.01, "1/s", "firing intensity at a soft threshold", ge=0)
    delta = Parameter(0.0, "mV", "width of a soft threshold; 0: a hard one", ge=0)

    V_m = State("E_L", "mV", "membrane potential", relative_to="E_L")
    I_syn_ex = State(0.0, "pA", "excitatory synaptic current")
    I_syn_in = State(0.0, "pA", "inhibitory synaptic current")
    I_stim = State(0.0, "pA", "current of generators, acting in the next step")
    I_filtered = State(0.0, "pA", "current of generators to receptor 1, filtered from the next step on")
    refractory = State(0, "steps", "steps of refractoriness left", dtype="int")

    recordables = ("V_m", "I_syn_ex", "I_syn_in")
    timed = True
    ordered = (("V_reset", "V_th"),)
    stochastic = True
    current_receptors = 2

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(
            P11ex=jnp.exp(-h / p.tau_syn_ex),
            P11in=jnp.exp(-h / p.tau_syn_in),
            P22=jnp.exp(-h / p.tau_m),
            P21ex=exp_propagators(h, p.tau_m, p.tau_syn_ex, p.C_m),
            P21in=exp_propagators(h, p.tau_m, p.tau_syn_in, p.C_m),
            P20=p.tau_m / p.C_m * (1.0 - jnp.exp(-h / p.tau_m)),
            V_th=p.V_th - p.E_L,
            V_reset=p.V_reset - p.E_L,
            t_ref=steps_up(p.t_ref, h),
            any_soft=jnp.any(p.delta > 1e-10),
        )

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        free = s.refractory == 0
        # relative to E_L, as V_m
        V = s.V_m * k.P22 + s.I_syn_ex * k.P21ex + s.I_syn_in * k.P21in + (p.I_e + s.I_stim) * k.P20
        V = jnp.where(free, V, s.V_m)
        hard = jnp.where(free, env.fire(V - k.V_th), 0.0)

        def some_soft() -> Any:
            soft = p.delta > 1e-10
            exponent = (V - k.V_th) / jnp.where(soft, p.delta, 1.0)
            probability = 1e-3 * env.h * p.rho * jnp.exp(jnp.minimum(exponent, 60.0))
            return jnp.where(soft, happens(jnp.minimum(probability, 1.0), env.uniform(0)), hard)

        spike = lax.cond(k.any_soft, some_soft, lambda: hard)  # random numbers are drawn where they are needed only
        new = s.replace(
            V_m=env.choose(spike, k.V_reset, V),
            I_syn_ex=s.I_syn_ex * k.P11ex + (1.0 - k.P11ex) * s.I_filtered + x.ex,
            I_syn_in=s.I_syn_in * k.P11in + x.inh,
            I_stim=x.current,
            I_filtered=x.filtered,
            refractory=jnp.where(spike > 0, k.t_ref, jnp.where(free, 0, s.refractory - 1)),
        )
        return new, spike
