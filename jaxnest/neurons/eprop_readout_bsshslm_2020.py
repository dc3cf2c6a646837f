"""Readout neuron for e-prop plasticity, of Bellec et al. (2020)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Env, Inputs, Parameter, State, Values
from jaxnest.neurons._eprop import Readout
from jaxnest.neurons._eprop_2020 import TO_READOUT, TO_RECURRENT, Regular, fault_of_windows


class eprop_readout_bsshslm_2020(Regular, Readout):
    r"""Leaky integrator that compares its V_m with a target signal, and sends the difference as a learning signal.

    The readout signal y of a step is V_m of the step before (`loss` "mean_squared_error"), or exp(V_m) over its sum over the readouts that
    it hears at receptor 1, and itself ("cross_entropy"). The error is y - y*, with the target y* heard at receptor 2; all three are 0
    outside of the learning window. A synapse's gradient is the sum over an interval of the errors times its filtered spikes.

    Source: Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein & Maass (2020), Nat Commun 11:3625.
    """

    loss = Parameter(0.0, "", "what is minimised", choices=("mean_squared_error", "cross_entropy"))

    readout_signal_unnorm = State(0.0, "mV", "readout signal before it is normalised")

    recordables = ("V_m", "error_signal", "readout_signal", "readout_signal_unnorm", "target_signal")
    emits = ("error_signal", "rate")
    hears = ("readout_signal", "target_signal")
    signal_ports = {"rate": ("readout_signal", "target_signal")}
    shift = TO_RECURRENT + TO_READOUT
    recurrent = False

    @staticmethod
    def check(p: Values) -> str | None:
        return fault_of_windows(p)

    @staticmethod
    def signal(p: Values, k: Values, s: Values, env: Env) -> Values:
        return Values(error_signal=s.error_signal, rate=jnp.where(p.loss > 0, s.readout_signal_unnorm, 0.0))

    @classmethod
    def step(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        begins = (cls.place(k, env.step) == 0) & (p.eprop_reset_neurons_on_update > 0)
        V = jnp.maximum(cls.integrated(k, jnp.where(begins, 0.0, s.V_m), s, x), k.V_min)
        plain, before = V + p.E_L, s.readout_signal_unnorm
        entropy = p.loss > 0
        total = x.signals.readout_signal + before
        y = jnp.where(entropy, before / jnp.where(total == 0, 1.0, total), before)
        outside = cls.place(k, env.step - 1) < k.interval - k.window
        new = s.replace(
            V_m=V,
            i_in=x.current + p.I_e,
            readout_signal_unnorm=jnp.where(entropy, jnp.exp(jnp.where(entropy, plain, 0.0)), plain),
            readout_signal=jnp.where(outside, 0.0, y),
            target_signal=jnp.where(outside, 0.0, x.signals.target_signal),
            error_signal=jnp.where(outside, 0.0, y - x.signals.target_signal),
        )
        return new, jnp.zeros_like(V)

    @classmethod
    def shows(cls, p: Values, k: Values, s: Values, heard: Values, env: Env) -> Values:
        return Values(L=s.error_signal, P=k.P, P_z=k.P_z, interval=k.interval, window=k.window)

    @classmethod
    def learned(cls, s: Values, t: Values, kappa: Any, counts: Any) -> Values:
        """A synapse after a step that `counts`, or whose time is over. An error belongs to the step before."""
        z_bar = jnp.where(counts, t.P * s.z_bar + t.P_z * s.z, 0.0)
        return s.replace(z_bar=z_bar, integral=s.integral + t.L * s.z_bar)
