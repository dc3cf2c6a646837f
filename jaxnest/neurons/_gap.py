"""What neurons with gap junctions have in common: the current from potentials that change within a step."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Env, Inputs, Neuron, State, Values
from jaxnest.neurons._ode import falling, integrate

#: coefficients of a potential as a polynomial of the time in a step, from 0 to 1
_TERMS = 4


class GapNeuron(Neuron):
    """A neuron that hears the membrane potentials of others through gap junctions, as polynomials of the time within a step.

    The potentials of coupled neurons in a step depend on one another. They are found by waveform relaxation: all neurons make the step with the potentials
    that the others had in the last iteration, until these change no more (see `Relaxation`). Between the ends of a step a potential is
    interpolated: constant, linear, or by Hermite's cubic.

    Source: Hahne, Helias, Kunkel, Igarashi, Bolten, Frommer & Diesmann (2015), Front Neuroinform 9:22.
    """

    phase = State(0.0, "", "time in the step, from 0 to 1")

    emits = ("gap",)
    hears = ("gap_g", *(f"gap_{k}" for k in range(_TERMS)))
    relaxed = True

    @staticmethod
    def signal(p: Values, k: Values, s: Values, env: Env) -> Values:
        none = jnp.zeros_like(s.V_m)
        return Values(gap=jnp.stack([s.V_m, *[none] * (_TERMS - 1)]))

    @staticmethod
    def rates(p: Values, s: Values, signals: Values, h: Any) -> Values:
        """The time derivatives (1/ms) of the states that change continuously, `phase` among them."""
        raise NotImplementedError

    @classmethod
    def advanced(cls, p: Values, s: Values, x: Inputs, env: Env, threshold: Any, eps_abs: float = 1e-3) -> tuple[Values, Any]:
        """The states at the end of a step, without the events that arrive then, and the spikes: where V_m fell and is still at the threshold."""
        begin = s.replace(phase=jnp.zeros_like(s.V_m))
        end, _ = integrate(lambda at: cls.rates(p, at, x.signals, env.h), begin, env, eps_abs=eps_abs)
        return end, falling(s.V_m, end.V_m, threshold, s.refractory, env)

    @classmethod
    def waveform(cls, p: Values, k: Values, before: Values, after: Values, signals: Values, env: Env, order: int) -> Values:
        """The signal of a step that led from the states `before` to `after`, in which the neurons heard `signals`; of an
        interpolation `order` of 0, 1 or 3."""
        low, high = before.V_m, after.V_m
        none = jnp.zeros_like(low)
        if order == 0:
            return Values(gap=jnp.stack([low, none, none, none]))
        if order == 1:
            return Values(gap=jnp.stack([low, high - low, none, none]))
        first = env.h * cls.rates(p, before.replace(phase=none), signals, env.h).V_m
        last = env.h * cls.rates(p, after.replace(phase=none + 1.0, I_stim=before.I_stim), signals, env.h).V_m
        square = 3.0 * (high - low) - 2.0 * first - last
        cube = 2.0 * (low - high) + first + last
        return Values(gap=jnp.stack([low, first, square, cube]))


def gap_current(signals: Values, V: Any, phase: Any) -> Any:
    """The current (pA) through gap junctions into neurons at the potentials `V`: sum_j g_j (V_j - V)."""
    heard = signals.gap_0 + phase * (signals.gap_1 + phase * (signals.gap_2 + phase * signals.gap_3))
    return heard - signals.gap_g * V
