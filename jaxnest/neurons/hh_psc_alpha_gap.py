"""Hodgkin-Huxley neuron with alpha-shaped synaptic currents and gap junctions."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Env, Inputs, Parameter, State, Values, steps_up
from jaxnest.neurons._gap import GapNeuron, gap_current
from jaxnest.neurons._ode import STEP_SIZE, count_down, linoid

_REST = -69.60401191631222


def _opening(V: Any, exp: Any, linoid: Any) -> dict[str, tuple[Any, Any]]:
    """The rates (1/ms) at which gates open and close at a potential (mV)."""
    return {
        "Act_m": (540.0 * linoid((V - 75.5) / 13.5), 1.2262 * exp(-V / 42.248)),
        "Inact_h": (0.0035 * exp(-V / 24.186), 0.0884 * linoid((V + 51.25) / 5.2)),
        "Act_n": (0.0322 * linoid((V + 44.0) / 2.3), 0.0043 * exp(-(V + 44.0) / 34.0)),
        "Inact_p": (11.8 * linoid((V - 95.0) / 11.8), 0.025 * exp(-V / 22.222)),
    }


_AT_REST = {
    name: opens / (opens + closes) for name, (opens, closes) in _opening(_REST, math.exp, lambda x: x / -math.expm1(-x)).items()
}


class hh_psc_alpha_gap(GapNeuron):
    r"""Hodgkin-Huxley neuron of a fast-spiking interneuron, with post-synaptic currents shaped like an alpha function and gap junctions.

        C_m dV/dt = -g_Na m^3 h (V - E_Na) - (g_Kv1 n^4 + g_Kv3 p^2) (V - E_K) - g_L (V - E_L) + I_syn_ex + I_syn_in + I_e + I_stim + I_gap
        I_gap = sum_j g_j (V_j - V)
        dz/dt = alpha_z(V) (1 - z) - beta_z(V) z  for z in m (Act_m), h (Inact_h), n (Act_n), p (Inact_p)
        dI_syn_X/dt = dI_X - I_syn_X / tau_syn_X
        d(dI_X)/dt = -dI_X / tau_syn_X;  an arriving event of weight w (pA) adds w e / tau_syn_X to dI_X

    X is ex for positive, in for negative weights. The neuron spikes at the end of the first step in which V fell and is still >= 0, and then not
    again for `t_ref` (rounded up to the grid); V is not reset. Solved numerically; for gap junctions see `GapNeuron`.

    Source: Mancilla, Lewis, Pinto, Rinzel & Connors (2007), J Neurosci 27:2058; Hahne et al. (2015), Front Neuroinform 9:22.
    """

    E_L = Parameter(-70.0, "mV", "leak reversal potential")
    C_m = Parameter(40.0, "pF", "membrane capacitance", gt=0)
    g_Na = Parameter(4500.0, "nS", "peak conductance of sodium", ge=0)
    g_Kv1 = Parameter(9.0, "nS", "peak conductance of potassium, Kv1", ge=0)
    g_Kv3 = Parameter(9000.0, "nS", "peak conductance of potassium, Kv3", ge=0)
    g_L = Parameter(10.0, "nS", "leak conductance", ge=0)
    E_Na = Parameter(74.0, "mV", "reversal potential of sodium")
    E_K = Parameter(-90.0, "mV", "reversal potential of potassium")
    tau_syn_ex = Parameter(0.2, "ms", "rise time of excitatory currents", gt=0)
    tau_syn_in = Parameter(2.0, "ms", "rise time of inhibitory currents", gt=0)
    t_ref = Parameter(2.0, "ms", "time after a spike in which no other is counted", ge=0)
    I_e = Parameter(0.0, "pA", "constant external current")

    V_m = State(_REST, "mV", "membrane potential")
    Act_m = State(_AT_REST["Act_m"], "", "activation of sodium, m", ge=0)
    Inact_h = State(_AT_REST["Inact_h"], "", "inactivation of sodium, h", ge=0)
    Act_n = State(_AT_REST["Act_n"], "", "activation of potassium, n", ge=0)
    Inact_p = State(_AT_REST["Inact_p"], "", "activation of potassium, p", ge=0)
    dI_ex = State(0.0, "pA/ms", "drive of the excitatory synaptic current")
    I_syn_ex = State(0.0, "pA", "excitatory synaptic current")
    dI_in = State(0.0, "pA/ms", "drive of the inhibitory synaptic current")
    I_syn_in = State(0.0, "pA", "inhibitory synaptic current")
    I_stim = State(0.0, "pA", "current of generators, acting in the next step")
    refractory = State(0, "steps", "steps left in which no spike is counted", dtype="int")
    step_size = STEP_SIZE

    recordables = ("V_m", "I_syn_ex", "I_syn_in", "Act_m", "Inact_h", "Act_n", "Inact_p")

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(rise_ex=math.e / p.tau_syn_ex, rise_in=math.e / p.tau_syn_in, t_ref=steps_up(p.t_ref, h))

    @staticmethod
    def rates(p: Values, s: Values, signals: Values, h: Any) -> Values:
        V, m, n = s.V_m, s.Act_m, s.Act_n
        I_Na = p.g_Na * m * m * m * s.Inact_h * (V - p.E_Na)
        I_K = (p.g_Kv1 * n * n * n * n + p.g_Kv3 * s.Inact_p * s.Inact_p) * (V - p.E_K)
        I_L = p.g_L * (V - p.E_L)
        I_gap = gap_current(signals, V, s.phase)
        gates = {z: opens * (1.0 - s[z]) - closes * s[z] for z, (opens, closes) in _opening(V, jnp.exp, linoid).items()}
        return Values(
            V_m=(-(I_Na + I_K + I_L) + s.I_stim + p.I_e + s.I_syn_ex + s.I_syn_in + I_gap) / p.C_m,
            dI_ex=-s.dI_ex / p.tau_syn_ex,
            I_syn_ex=s.dI_ex - s.I_syn_ex / p.tau_syn_ex,
            dI_in=-s.dI_in / p.tau_syn_in,
            I_syn_in=s.dI_in - s.I_syn_in / p.tau_syn_in,
            phase=jnp.ones_like(V) / h,
            **gates,
        )

    @classmethod
    def step(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        s, spike = cls.advanced(p, s, x, env, 0.0, eps_abs=1e-6)
        new = s.replace(
            dI_ex=s.dI_ex + x.ex * k.rise_ex,
            dI_in=s.dI_in + x.inh * k.rise_in,
            I_stim=x.current,
            refractory=count_down(s.refractory, spike, k.t_ref),
        )
        return new, spike
