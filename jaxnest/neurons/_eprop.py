"""What neurons with e-prop plasticity have in common: surrogate gradients, and what they teach their synapses.

NEST's neurons keep archives of what they did, from which a synapse computes its gradient when a spike comes. Here all traces of a
synapse advance in every step, by the rules of its target (`learned`): the same sums, in memory that does not grow.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, Routing, State, Values, steps_up

#: so many steps are never reached
_NEVER = 1 << 29
_SURROGATES = ("piecewise_linear", "exponential", "fast_sigmoid_derivative", "arctan_derivative")
#: steps from a generator's spike to the recurrent neurons, and from there to readouts
_TO_RECURRENT, _TO_READOUT = 2, 1


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


class Regular(Neuron):
    """Of the models of Bellec et al.: what is common to a run, and how spikes arrive."""

    regular_spike_arrival = Parameter(1.0, "", "whether spikes act at the end of their step, else at its beginning", flag=True)
    eprop_update_interval = Parameter(1000.0, "ms", "time from one update of weights to the next", gt=0)
    eprop_learning_window = Parameter(1000.0, "ms", "time at the end of each interval in which errors count", gt=0)
    eprop_reset_neurons_on_update = Parameter(1.0, "", "whether neurons begin each interval at rest", flag=True)

    teaches = "eprop_synapse_bsshslm_2020"
    of_kernel = ("eprop_update_interval", "eprop_learning_window", "eprop_reset_neurons_on_update")
    #: steps by which the intervals of these neurons lie later than the generators'
    shift: int = _TO_RECURRENT
    #: whether a spike that arrives in the first step of an interval is lost
    recurrent: bool = True

    @classmethod
    def constants(cls, p: Values, h: Any) -> Values:
        k = super().constants(p, h)
        interval, window = interval_steps(p.eprop_update_interval, h), interval_steps(p.eprop_learning_window, h)
        P_z = jnp.where(p.regular_spike_arrival > 0, 1.0, 1.0 - k.P)  # type: ignore[attr-defined]
        return Values({**k, "P_z": P_z, "interval": interval, "window": window})

    @classmethod
    def place(cls, k: Values, step: Any) -> Any:
        """The place of a step in its interval; negative before the first."""
        return lax.rem(step - cls.shift, k.interval)


def fault_of_windows(p: Values) -> str | None:
    """What is wrong with the intervals of a model of Bellec et al., or None."""
    if (p.eprop_learning_window > p.eprop_update_interval).any():
        return "eprop_learning_window must not be longer than eprop_update_interval"
    return None


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
    """A neuron whose threshold adapts: V_th + adapt_beta a, and a decays, and increases by 1 at a spike."""

    adapt_beta = Parameter(1.0, "", "what adaptation adds to the threshold", ge=0)
    adapt_tau = Parameter(10.0, "ms", "time constant of adaptation", gt=0)

    adaptation = State(0.0, "", "adaptation")
    V_th_adapt = State("V_th", "mV", "adaptive threshold", relative_to="E_L")

    recordables: tuple[str, ...] = ("V_m", "V_th_adapt", "adaptation", "learning_signal", "surrogate_gradient")

    @classmethod
    def constants(cls, p: Values, h: Any) -> Values:
        return Values(**super().constants(p, h), P_adapt=jnp.exp(-h / p.adapt_tau))

    @staticmethod
    def adapted(p: Values, k: Values, adaptation: Any, z: Any) -> tuple[Any, Any]:
        """Adaptation, and the threshold, after a step before which the spikes `z` were."""
        now = k.P_adapt * adaptation + z
        return now, k.V_th + p.adapt_beta * now


def eligible(s: Values, t: Values, z: Any, adaptive: bool) -> tuple[Any, Any, Any]:
    """The filtered spikes, the eligibility trace, and its slow component, of synapses in a step with the spikes `z`."""
    z_bar = t.P * s.z_bar + t.P_z * z
    if not adaptive:
        return z_bar, t.psi * z_bar, s.slow
    e = t.psi * (z_bar - t.beta * s.slow)
    return z_bar, e, t.P_adapt * s.slow + e


class Recurrent2020(Regular, Recurrent):
    """A recurrent neuron of Bellec et al. (2020), whose synapses learn at the end of each interval."""

    z = State(0.0, "", "whether it spiked in the last step")
    n_spikes = State(0.0, "", "spikes of the running interval")
    regularisation = State(0.0, "", "regularisation of the firing rate, of the interval that ended in the last step")

    adaptive: bool = False

    @staticmethod
    def check(p: Values) -> str | None:
        if (p.flush_event_send_interval < p.eprop_update_interval).any():
            return "flush_event_send_interval must not be shorter than eprop_update_interval"
        return Recurrent.check(p) or fault_of_windows(p)

    @classmethod
    def step(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        place = cls.place(k, env.step)
        kept = jnp.where((place == 0) & (p.eprop_reset_neurons_on_update > 0), 0.0, 1.0)
        refractory = jnp.maximum(jnp.where(kept > 0, s.refractory, 0) - 1, 0)
        z = s.z * kept
        V = jnp.maximum(cls.integrated(k, s.V_m * kept, s, x) - k.V_th * z, k.V_min)
        threshold, more = k.V_th, {}
        if cls.adaptive:
            adaptation, threshold = Adaptive.adapted(p, k, s.adaptation * kept, z)
            more = {"adaptation": adaptation, "V_th_adapt": threshold}
        spike = jnp.where(refractory == 0, env.fire(V - threshold), 0.0)
        count, last = s.n_spikes + spike, place == k.interval - 1
        new = s.replace(
            V_m=V,
            i_in=x.current + p.I_e,
            refractory=jnp.where(spike > 0, k.t_ref, refractory),
            z=spike,
            surrogate_gradient=cls.surrogate(p, V - threshold, refractory),
            learning_signal=x.signals.learning_signal,
            n_spikes=jnp.where(last, 0.0, count),
            regularisation=jnp.where(last, p.c_reg * (count / k.interval - k.f_target) / k.interval, 0.0),
            **cls.sent(k, s, spike, env.step),
            **more,
        )
        return new, spike

    @classmethod
    def shows(cls, p: Values, k: Values, s: Values, heard: Values, env: Env) -> Values:
        rest = {"beta": p.adapt_beta, "P_adapt": k.P_adapt} if cls.adaptive else {}
        return Values(
            psi=s.surrogate_gradient,
            L=heard.learning_signal,
            regularisation=s.regularisation,
            ends=cls.place(k, env.step) == k.interval - 1,
            P=k.P,
            P_z=k.P_z,
            interval=k.interval,
            window=k.window,
            **rest,
        )

    @classmethod
    def learned(cls, s: Values, t: Values, kappa: Any, counts: Any) -> Values:
        """A synapse after a step that `counts`, or whose time is over. A learning signal belongs to the trace two steps before it arrives."""
        z_bar, e, slow = eligible(s, t, s.z, cls.adaptive)
        e = jnp.where(counts, e, 0.0)
        e_bar = jnp.where(counts, kappa * s.e_bar + (1.0 - kappa) * e, 0.0)
        sum_e = s.sum_e + e
        return s.replace(
            z_bar=jnp.where(counts, z_bar, 0.0),
            slow=jnp.where(counts, slow, 0.0),
            e_bar=e_bar,
            late=s.e_bar,
            sum_e=jnp.where(t.ends, 0.0, sum_e),
            integral=s.integral + t.L * s.late + jnp.where(t.ends, t.regularisation * sum_e, 0.0),
        )


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


class Persistent(Recurrent):
    """A recurrent neuron of Korcsak-Gorzo et al., whose synapses learn in every step, or at every spike."""

    kappa = Parameter(0.97, "", "decay of the filtered eligibility trace in a step", ge=0, le=1)
    kappa_reg = Parameter(0.97, "", "decay of the filter of the regularisation in a step", ge=0, le=1)
    eprop_isi_trace_cutoff = Parameter(float("inf"), "ms", "time after a spike from which gradients are taken to be 0", ge=0)

    z = State(0.0, "", "whether it spiked in the last step")
    f_av = State(0.0, "spikes/ms", "average firing rate")
    regularisation = State(0.0, "", "regularisation of the firing rate in the last step")
    before_psi = State(0.0, "", "surrogate gradient of the step before")
    before_regularisation = State(0.0, "", "regularisation of the step before")

    teaches = "eprop_synapse"
    adaptive: bool = False

    @classmethod
    def constants(cls, p: Values, h: Any) -> Values:
        return Values(**super().constants(p, h), cutoff=interval_steps(p.eprop_isi_trace_cutoff, h))

    @classmethod
    def told(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env, spike: Any, psi: Any) -> dict[str, Any]:
        """The states that synapses learn from, after a step."""
        f_av = p.kappa_reg * s.f_av + (1.0 - p.kappa_reg) * spike / env.h
        return {
            "z": spike,
            "surrogate_gradient": psi,
            "learning_signal": x.signals.learning_signal,
            "f_av": f_av,
            "regularisation": p.c_reg * (f_av - k.f_target),
            "before_psi": s.surrogate_gradient,
            "before_regularisation": s.regularisation,
            **cls.sent(k, s, spike, env.step),
        }

    @classmethod
    def shows(cls, p: Values, k: Values, s: Values, heard: Values, env: Env) -> Values:
        rest = {"beta": p.adapt_beta, "P_adapt": k.P_adapt} if cls.adaptive else {}
        return Values(
            psi=s.before_psi,
            L=heard.learning_signal,
            regularisation=s.before_regularisation,
            P=k.P,
            P_z=k.P_z,
            kappa=p.kappa,
            kappa_reg=p.kappa_reg,
            cutoff=k.cutoff,
            **rest,
        )

    @classmethod
    def learned(cls, s: Values, t: Values, z: Any) -> tuple[Values, Any]:
        """A synapse after a step with the spikes `z`, and what the step adds to its gradient."""
        z_bar, e, slow = eligible(s, t, z, cls.adaptive)
        e_bar = t.kappa * s.e_bar + e
        e_bar_reg = t.kappa_reg * s.e_bar_reg + (1.0 - t.kappa_reg) * e
        new = s.replace(z_bar=z_bar, slow=slow, e_bar=e_bar, e_bar_reg=e_bar_reg)
        return new, t.L * e_bar + t.regularisation * e_bar_reg

    @classmethod
    def forgotten(cls, s: Values, t: Values) -> Values:
        """A synapse after a step beyond the cutoff, in which its traces only decay."""
        new = s.replace(z_bar=t.P * s.z_bar, e_bar=t.kappa * s.e_bar, e_bar_reg=t.kappa_reg * s.e_bar_reg)
        return new.replace(slow=t.P_adapt * s.slow) if cls.adaptive else new


class Subtracting(Persistent):
    """A recurrent neuron whose V_m falls by V_th - E_L at a spike."""

    @classmethod
    def step(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        refractory = jnp.maximum(s.refractory - 1, 0)
        V = jnp.maximum(cls.integrated(k, s.V_m, s, x), k.V_min)
        threshold, more = k.V_th, {}
        if cls.adaptive:
            adaptation, threshold = Adaptive.adapted(p, k, s.adaptation, s.z)
            more = {"adaptation": adaptation, "V_th_adapt": threshold}
        spike = jnp.where(refractory == 0, env.fire(V - threshold), 0.0)
        psi = cls.surrogate(p, V - threshold, refractory)
        new = s.replace(
            V_m=env.choose(spike, V - k.V_th, V),
            i_in=x.current + p.I_e,
            refractory=jnp.where(spike > 0, k.t_ref, refractory),
            **cls.told(p, k, s, x, env, spike, psi),
            **more,
        )
        return new, spike


class Resetting(Persistent):
    """A recurrent neuron whose V_m is set to V_reset at a spike, and held there while it is refractory."""

    V_reset = Parameter(-70.0, "mV", "reset potential")
    refractory_input = Parameter(0.0, "", "whether events wait for the end of the refractory period", flag=True)

    waiting = State(0.0, "mV", "input of the refractory period, as far as it will be left at its end")

    @staticmethod
    def check(p: Values) -> str | None:
        return "V_reset must be less than V_th" if (p.V_reset >= p.V_th).any() else Recurrent.check(p)

    @classmethod
    def constants(cls, p: Values, h: Any) -> Values:
        return Values(**super().constants(p, h), V_reset=p.V_reset - p.E_L)

    @classmethod
    def step(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        free = s.refractory == 0
        waits = p.refractory_input > 0
        V = k.P_i * (s.i_in + p.I_e) + k.P * s.V_m + x.spikes + jnp.where(waits, s.waiting, 0.0)
        V = jnp.where(free, jnp.maximum(V, k.V_min), s.V_m)
        decayed = s.waiting + x.spikes * jnp.exp(-s.refractory * env.h / p.tau_m)
        refractory = jnp.where(free, 0, s.refractory - 1)
        threshold, more = k.V_th, {}
        if cls.adaptive:
            adaptation, threshold = Adaptive.adapted(p, k, s.adaptation, s.z)
            adaptation = jnp.where(free, adaptation, s.adaptation)
            threshold = jnp.where(free, threshold, s.V_th_adapt)
            more = {"adaptation": adaptation, "V_th_adapt": threshold}
        spike = env.fire(V - threshold)
        psi = cls.surrogate(p, V - threshold, refractory)
        new = s.replace(
            V_m=env.choose(spike, k.V_reset, V),
            i_in=x.current,
            waiting=jnp.where(waits & ~free, decayed, 0.0),
            refractory=jnp.where(spike > 0, k.t_ref, refractory),
            **cls.told(p, k, s, x, env, spike, psi),
            **more,
        )
        return new, spike
