"""What neurons with e-prop plasticity have in common: surrogate gradients, and what they teach their synapses.

NEST's neurons keep archives of what they did, from which a synapse computes its gradient when a spike comes. Here all traces of a
synapse advance in every step, by the rules of its target (`learned`): the same sums, in memory that does not grow.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, Routing, State, Values, steps_up

#: so many steps are never reached
_NEVER = 1 << 29
_SURROGATES = ("piecewise_linear", "exponential", "fast_sigmoid_derivative", "arctan_derivative")


def interval_steps(t: Any, h: Any) -> Any:
    """An interval `t` (ms), which may be infinite, in steps."""
    return steps_up(jnp.minimum(t, _NEVER * h / 1000.0), h)


class Leaky(Neuron):
    """A leaky integrator: V_m, relative to E_L, decays, and gets what arrives, and the current of the step before."""

    tau_minus = tau_minus_triplet = None  # type: ignore[assignment]  # no other synapse learns from its spikes
    E_L = Parameter(-70.0, "mV", "leak potential")
    C_m = Parameter(250.0, "pF", "membrane capacitance", gt=0)
    tau_m = Parameter(10.0, "ms", "membrane time constant", gt=0)
    I_e = Parameter(0.0, "pA", "constant external current")
    V_min = Parameter(-float("inf"), "mV", "lowest value of V_m")

    V_m = State("E_L", "mV", "membrane potential", relative_to="E_L")
    i_in = State(0.0, "pA", "current that acts in the next step")

    routing = Routing.SINGLE

    @classmethod
    def constants(cls, p: Values, h: Any) -> Values:
        P = jnp.exp(-h / p.tau_m)
        return Values(P=P, P_i=p.tau_m / p.C_m * (1.0 - P), P_z=jnp.ones_like(P), V_min=p.V_min - p.E_L)

    @staticmethod
    def integrated(k: Values, V: Any, s: Values, x: Inputs) -> Any:
        """V_m at the end of a step, from `V` at its beginning."""
        return k.P_i * s.i_in + k.P_z * x.spikes + k.P * V


class Recurrent(Leaky):
    """A neuron that spikes, with a surrogate gradient and a learning signal."""

    V_th = Parameter(-55.0, "mV", "spike threshold")
    t_ref = Parameter(2.0, "ms", "refractory period", ge=0)
    c_reg = Parameter(0.0, "", "coefficient of the regularisation of firing rates", ge=0)
    f_target = Parameter(10.0, "Hz", "target of the regularisation of firing rates", ge=0)
    surrogate_gradient_function = Parameter(0.0, "", "surrogate of the derivative of a spike", choices=_SURROGATES)
    surrogate_gradient_height = Parameter(0.3, "", "its value at threshold", gt=0)
    surrogate_gradient_width = Parameter(1.0, "mV", "its width", gt=0)
    flush_event_send_interval = Parameter(float("inf"), "ms", "time after a spike at which synapses close their account", gt=0)

    surrogate_gradient = State(0.0, "", "surrogate gradient of the last step")
    learning_signal = State(0.0, "", "learning signal that arrived in the last step")
    refractory = State(0, "steps", "steps of refractoriness left", dtype="int")
    last_event = State(0, "steps", "step of the last spike or flush event", dtype="int")
    flush = State(0.0, "", "whether a flush event was sent in the last step")

    recordables: tuple[str, ...] = ("V_m", "learning_signal", "surrogate_gradient")
    hears = ("learning_signal",)
    may_flush = True

    @staticmethod
    def check(p: Values) -> str | None:
        return "V_th must not be less than V_min" if (p.V_th < p.V_min).any() else None

    @classmethod
    def constants(cls, p: Values, h: Any) -> Values:
        return Values(
            **super().constants(p, h),
            V_th=p.V_th - p.E_L,
            t_ref=steps_up(p.t_ref, h),
            flush=interval_steps(p.flush_event_send_interval, h),
            f_target=p.f_target / 1000.0 * h,
        )

    @staticmethod
    def flushes(p: Values, k: Values, s: Values) -> Any:
        return s.flush

    @staticmethod
    def threshold(p: Values, k: Values, s: Values, z: Any, kept: Any = 1.0) -> tuple[Any, dict[str, Any]]:
        """The threshold in a step before which the spikes `z` were, relative to E_L, and the states that it changes. Of these only the part `kept`
        is left from the step before."""
        return k.V_th, {}

    @staticmethod
    def of_threshold(p: Values, k: Values) -> dict[str, Any]:
        """What synapses see of how the threshold changes."""
        return {}

    @staticmethod
    def eligible(s: Values, t: Values, z_bar: Any) -> tuple[Any, Any]:
        """The eligibility trace of synapses with the filtered spikes `z_bar`, and its slow component."""
        return t.psi * z_bar, s.slow

    @staticmethod
    def decayed(s: Values, t: Values) -> Any:
        """The slow component of the eligibility trace after a step in which nothing adds to it."""
        return s.slow

    @staticmethod
    def surrogate(p: Values, above: Any, refractory: Any) -> Any:
        """The surrogate gradient `above` (mV) the threshold, 0 while neurons are refractory."""
        u = jnp.abs(above) / p.surrogate_gradient_width
        kinds = [jnp.maximum(0.0, 1.0 - u), jnp.exp(-u), (1.0 + u) ** -2, 1.0 / (1.0 + u**2)]
        chosen = jnp.select([p.surrogate_gradient_function == k for k in range(len(kinds))], kinds)
        return jnp.where(refractory > 0, 0.0, p.surrogate_gradient_height * chosen)

    @staticmethod
    def sent(k: Values, s: Values, spike: Any, n: Any) -> dict[str, Any]:
        """The states that say when a neuron sent something last, after step `n`."""
        due = (s.last_event > 0) & (n - s.last_event >= k.flush)
        flush = (spike == 0) & due
        return {"flush": flush.astype(spike.dtype), "last_event": jnp.where((spike > 0) | flush, n, s.last_event)}


class Adaptive(Neuron):
    """A neuron whose threshold adapts: V_th + adapt_beta a, and a decays, and increases by 1 at a spike. Comes before a `Recurrent` among the bases."""

    adapt_beta = Parameter(1.0, "", "what adaptation adds to the threshold", ge=0)
    adapt_tau = Parameter(10.0, "ms", "time constant of adaptation", gt=0)

    adaptation = State(0.0, "", "adaptation")
    V_th_adapt = State("V_th", "mV", "adaptive threshold", relative_to="E_L")

    recordables: tuple[str, ...] = ("V_m", "V_th_adapt", "adaptation", "learning_signal", "surrogate_gradient")

    @classmethod
    def constants(cls, p: Values, h: Any) -> Values:
        return Values(**super().constants(p, h), P_adapt=jnp.exp(-h / p.adapt_tau))

    @staticmethod
    def threshold(p: Values, k: Values, s: Values, z: Any, kept: Any = 1.0) -> tuple[Any, dict[str, Any]]:
        adaptation = k.P_adapt * (s.adaptation * kept) + z
        threshold = k.V_th + p.adapt_beta * adaptation
        return threshold, {"adaptation": adaptation, "V_th_adapt": threshold}

    @staticmethod
    def of_threshold(p: Values, k: Values) -> dict[str, Any]:
        return {"beta": p.adapt_beta, "P_adapt": k.P_adapt}

    @staticmethod
    def eligible(s: Values, t: Values, z_bar: Any) -> tuple[Any, Any]:
        e = t.psi * (z_bar - t.beta * s.slow)
        return e, t.P_adapt * s.slow + e

    @staticmethod
    def decayed(s: Values, t: Values) -> Any:
        return t.P_adapt * s.slow


class Readout(Leaky):
    """A leaky integrator that does not spike, and compares V_m with a target signal."""

    E_L = Parameter(0.0, "mV", "leak potential")

    error_signal = State(0.0, "mV", "difference of readout and target")
    readout_signal = State(0.0, "mV", "readout signal")
    target_signal = State(0.0, "mV", "target signal")

    recordables: tuple[str, ...] = ("V_m", "error_signal", "readout_signal", "target_signal")
    sends = False
    emits: tuple[str, ...] = ("error_signal",)
    emits_new = True

    @staticmethod
    def signal(p: Values, k: Values, s: Values, env: Env) -> Values:
        return Values(error_signal=s.error_signal)
