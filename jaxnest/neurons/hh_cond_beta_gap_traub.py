"""Traub's Hodgkin-Huxley neuron with beta-shaped synaptic conductances and gap junctions."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxnest.neurons._base import Env, Inputs, Parameter, State, Values, steps_up
from jaxnest.neurons._gap import GapNeuron, gap_current
from jaxnest.neurons._ode import STEP_SIZE, count_down, linoid


def _opening(V: Any, exp: Any, linoid: Any) -> dict[str, tuple[Any, Any]]:
    """The rates (1/ms) at which gates open and close at a potential (mV), relative to V_T."""
    return {
        "Act_m": (1.28 * linoid((V - 13.0) / 4.0), 1.4 * linoid((40.0 - V) / 5.0)),
        "Inact_h": (0.128 * exp((17.0 - V) / 18.0), 4.0 / (1.0 + exp((40.0 - V) / 5.0))),
        "Act_n": (0.16 * linoid((V - 15.0) / 5.0), 0.5 * exp((10.0 - V) / 40.0)),
    }


def _at_rest(name: str) -> Any:
    """The gate's equilibrium at E_L, there taken relative to 0 mV, as in NEST."""

    def init(p: Values) -> Any:
        plain = isinstance(p.E_L, (float, np.ndarray))
        opens, closes = _opening(p.E_L, np.exp if plain else jnp.exp, _linoid if plain else linoid)[name]
        return opens / (opens + closes)

    return init


def _linoid(x: Any) -> Any:
    return x / -np.expm1(-x)


class hh_cond_beta_gap_traub(GapNeuron):
    r"""Hodgkin-Huxley neuron of hippocampus (Traub), with post-synaptic conductances shaped like a beta function and gap junctions.

        C_m dV/dt = -g_Na m^3 h (V - E_Na) - g_K n^4 (V - E_K) - g_L (V - E_L) - g_ex (V - E_ex) - g_in (V - E_in) + I_e + I_stim + I_gap
        I_gap = sum_j g_j (V_j - V)
        dz/dt = alpha_z(V - V_T) (1 - z) - beta_z(V - V_T) z  for z in m (Act_m), h (Inact_h), n (Act_n)
        dg_X/dt = dg_X - g_X / tau_rise_X;  d(dg_X)/dt = -dg_X / tau_decay_X

    An arriving event of weight w (nS) lets g_X rise to a peak of w. X is ex for positive, in for negative weights. The neuron spikes at the end of the
    first step in which V fell and is still >= V_T + 30 mV, and then not again for `t_ref` (rounded up to the grid); V is not reset.
    Solved numerically; for gap junctions see `GapNeuron`.

    Source: Traub & Miles (1991), Neuronal Networks of the Hippocampus; Brette et al. (2007), J Comput Neurosci 23:349; Hahne et al. (2015),
    Front Neuroinform 9:22.
    """

    E_L = Parameter(-60.0, "mV", "leak reversal potential")
    C_m = Parameter(200.0, "pF", "membrane capacitance", gt=0)
    g_Na = Parameter(20000.0, "nS", "peak conductance of sodium", ge=0)
    g_K = Parameter(6000.0, "nS", "peak conductance of potassium", ge=0)
    g_L = Parameter(10.0, "nS", "leak conductance", ge=0)
    E_Na = Parameter(50.0, "mV", "reversal potential of sodium")
    E_K = Parameter(-90.0, "mV", "reversal potential of potassium")
    V_T = Parameter(-50.0, "mV", "what the gates' potentials are relative to; adjusts the threshold")
    E_ex = Parameter(0.0, "mV", "reversal potential of excitation")
    E_in = Parameter(-80.0, "mV", "reversal potential of inhibition")
    tau_rise_ex = Parameter(0.5, "ms", "rise time of excitatory conductances", gt=0)
    tau_decay_ex = Parameter(5.0, "ms", "decay time of excitatory conductances", gt=0)
    tau_rise_in = Parameter(0.5, "ms", "rise time of inhibitory conductances", gt=0)
    tau_decay_in = Parameter(10.0, "ms", "decay time of inhibitory conductances", gt=0)
    t_ref = Parameter(2.0, "ms", "time after a spike in which no other is counted", ge=0)
    I_e = Parameter(0.0, "pA", "constant external current")

    V_m = State("E_L", "mV", "membrane potential")
    Act_m = State(_at_rest("Act_m"), "", "activation of sodium, m", ge=0)
    Inact_h = State(_at_rest("Inact_h"), "", "inactivation of sodium, h", ge=0)
    Act_n = State(_at_rest("Act_n"), "", "activation of potassium, n", ge=0)
    dg_ex = State(0.0, "nS/ms", "drive of the excitatory conductance")
    g_ex = State(0.0, "nS", "excitatory conductance")
    dg_in = State(0.0, "nS/ms", "drive of the inhibitory conductance")
    g_in = State(0.0, "nS", "inhibitory conductance")
    I_stim = State(0.0, "pA", "current of generators, acting in the next step")
    refractory = State(0, "steps", "steps left in which no spike is counted", dtype="int")
    step_size = STEP_SIZE

    recordables = ("V_m", "g_ex", "g_in", "Act_m", "Inact_h", "Act_n")

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(
            rise_ex=_to_peak(p.tau_rise_ex, p.tau_decay_ex),
            rise_in=_to_peak(p.tau_rise_in, p.tau_decay_in),
            t_ref=steps_up(p.t_ref, h),
        )

    @staticmethod
    def rates(p: Values, s: Values, signals: Values, h: Any) -> Values:
        V, m, n = s.V_m, s.Act_m, s.Act_n
        I_Na = p.g_Na * m * m * m * s.Inact_h * (V - p.E_Na)
        I_K = p.g_K * n * n * n * n * (V - p.E_K)
        I_L = p.g_L * (V - p.E_L)
        I_syn = s.g_ex * (V - p.E_ex) + s.g_in * (V - p.E_in)
        I_gap = gap_current(signals, V, s.phase)
        gates = {z: opens - (opens + closes) * s[z] for z, (opens, closes) in _opening(V - p.V_T, jnp.exp, linoid).items()}
        return Values(
            V_m=(-I_Na - I_K - I_L - I_syn + s.I_stim + I_gap + p.I_e) / p.C_m,
            dg_ex=-s.dg_ex / p.tau_decay_ex,
            g_ex=s.dg_ex - s.g_ex / p.tau_rise_ex,
            dg_in=-s.dg_in / p.tau_decay_in,
            g_in=s.dg_in - s.g_in / p.tau_rise_in,
            phase=jnp.ones_like(V) / h,
            **gates,
        )

    @classmethod
    def step(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        s, spike = cls.advanced(p, s, x, env, p.V_T + 30.0)
        new = s.replace(
            dg_ex=s.dg_ex + x.ex * k.rise_ex,
            dg_in=s.dg_in - x.inh * k.rise_in,
            I_stim=x.current,
            refractory=count_down(s.refractory, spike, k.t_ref),
        )
        return new, spike


def _to_peak(rise: Any, decay: Any) -> Any:
    """What an event of weight 1 adds to the drive of a conductance, so that this peaks at 1."""
    equal = jnp.abs(decay - rise) < 1e-9 * (rise + decay)
    apart = jnp.where(equal, 2.0 * rise, decay)
    peak = apart * rise * jnp.log(apart / rise) / (apart - rise)
    usual = (1.0 / rise - 1.0 / apart) / (jnp.exp(-peak / apart) - jnp.exp(-peak / rise))
    return jnp.where(equal, math.e / decay, usual)
