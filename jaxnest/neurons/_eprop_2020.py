"""What neurons with e-prop plasticity of Bellec et al. (2020), which learn at the end of each interval, have in common."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, State, Values
from jaxnest.neurons._eprop import Recurrent, interval_steps

#: steps from a generator's spike to the recurrent neurons, and from there to readouts
TO_RECURRENT, TO_READOUT = 2, 1


class Regular(Neuron):
    """Of the models of Bellec et al.: what is common to a run, and how spikes arrive."""

    regular_spike_arrival = Parameter(1.0, "", "whether spikes act at the end of their step, else at its beginning", flag=True)
    eprop_update_interval = Parameter(1000.0, "ms", "time from one update of weights to the next", gt=0)
    eprop_learning_window = Parameter(1000.0, "ms", "time at the end of each interval in which errors count", gt=0)
    eprop_reset_neurons_on_update = Parameter(1.0, "", "whether neurons begin each interval at rest", flag=True)

    teaches = "eprop_synapse_bsshslm_2020"
    of_kernel = ("eprop_update_interval", "eprop_learning_window", "eprop_reset_neurons_on_update")
    #: steps by which the intervals of these neurons lie later than the generators'
    shift: int = TO_RECURRENT
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


class Recurrent2020(Regular, Recurrent):
    """A recurrent neuron of Bellec et al. (2020), whose synapses learn at the end of each interval."""

    z = State(0.0, "", "whether it spiked in the last step")
    n_spikes = State(0.0, "", "spikes of the running interval")
    regularisation = State(0.0, "", "regularisation of the firing rate, of the interval that ended in the last step")

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
        threshold, more = cls.threshold(p, k, s, z, kept)
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
        return Values(
            psi=s.surrogate_gradient,
            L=heard.learning_signal,
            regularisation=s.regularisation,
            ends=cls.place(k, env.step) == k.interval - 1,
            P=k.P,
            P_z=k.P_z,
            interval=k.interval,
            window=k.window,
            **cls.of_threshold(p, k),
        )

    @classmethod
    def learned(cls, s: Values, t: Values, kappa: Any, counts: Any) -> Values:
        """A synapse after a step that `counts`, or whose time is over. A learning signal belongs to the trace two steps before it arrives."""
        z_bar = t.P * s.z_bar + t.P_z * s.z
        e, slow = cls.eligible(s, t, z_bar)
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
