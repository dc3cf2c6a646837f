"""What the adaptive exponential integrate-and-fire models (`aeif_*`) share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxnest._values import Values
from jaxnest.neurons import _ode
from jaxnest.neurons._base import Env, steps_up


def check(p: Values) -> str | None:
    """What is wrong with the parameters of an aeif model taken together."""
    if np.any(p.V_peak < p.V_th):
        return f"V_peak={p.V_peak} must not be less than V_th={p.V_th}"
    with np.errstate(divide="ignore", invalid="ignore"):
        if np.any((p.Delta_T > 0) & ((p.V_peak - p.V_th) / p.Delta_T >= _largest_exponent(np.float64))):
            return f"Delta_T={p.Delta_T} makes the spike current overflow below V_peak: raise Delta_T or lower V_peak"
    return None


def constants(p: Values, h: Any) -> Values:
    """`V_peak`, where a spike is detected, and `t_ref`, the steps of refractoriness that begin within a step."""
    t_ref = steps_up(p.t_ref, h)
    return Values(V_peak=jnp.where(p.Delta_T > 0, p.V_peak, p.V_th), t_ref=jnp.where(t_ref > 0, t_ref + 1, 0))


def membrane(p: Values, s: Values) -> Any:
    """V as it enters the equations: V_reset while refractory, and no more than V_peak."""
    return jnp.where(s.refractory > 0, p.V_reset, jnp.minimum(s.V_m, p.V_peak))


def spike_current(p: Values, V: Any) -> Any:
    """g_L Delta_T exp((V - V_th) / Delta_T) in pA, and 0 for Delta_T = 0."""
    smooth = p.Delta_T > 0
    Delta_T = jnp.where(smooth, p.Delta_T, 1.0)
    exponent = jnp.minimum((V - p.V_th) / Delta_T, _largest_exponent(V.dtype))
    return jnp.where(smooth, p.g_L * Delta_T * jnp.exp(jnp.where(smooth, exponent, 0.0)), 0.0)


def voltage_rate(p: Values, s: Values, current: Any, env: Env) -> Any:
    """dV/dt in mV/ms under `current` (pA), 0 while refractory.

    No solver resolves the divergence of the upstroke beyond its smallest sub-step, where it would throw V anywhere
    (NEST raises NumericalInstability then). So V rises by no more than twice V_peak - V_reset in such a sub-step.
    """
    smallest = env.h / env.substeps if env.solver == "fixed" else env.h * jnp.finfo(s.V_m.dtype).eps
    rate = jnp.minimum(current / p.C_m, 2 * (p.V_peak - p.V_reset) / smallest)
    return jnp.where(s.refractory > 0, 0.0, rate)


def integrate(rates: Callable[[Values], Values], p: Values, k: Values, s: Values, env: Env) -> tuple[Values, Any]:
    """One step with spikes inside: the states, and the number of spikes (N,)."""
    tol = p.gsl_error_tol
    return _ode.integrate(
        rates, s, env, eps_abs=tol, eps_rel=tol, a_y=0.0, a_dydt=1.0, event=lambda s: _detect_spike(p, k, s, env)
    )


def _detect_spike(p: Values, k: Values, s: Values, env: Env) -> tuple[Values, Any]:
    """The end of a sub-step: a spike where V >= V_peak, which resets V, raises w by b and begins refractoriness.

    Where NEST raises NumericalInstability, V becomes NaN, which a `Simulation` reports.
    """
    free = s.refractory == 0
    unstable = (s.V_m < -1e3) | (jnp.abs(s.w) > 1e6)
    spike = jnp.where(free, env.fire(s.V_m - k.V_peak), 0.0)
    V = jnp.where(free, env.choose(spike, p.V_reset, s.V_m), p.V_reset)
    s = s.replace(
        V_m=jnp.where(unstable, jnp.nan, V),
        w=s.w + p.b * spike,
        refractory=jnp.where(spike > 0, k.t_ref, s.refractory),
    )
    return s, spike


def _largest_exponent(dtype: Any) -> float:
    """As NEST, with room for a factor of 1e20; in float64 `check` keeps every exponent below."""
    return float(np.log(float(jnp.finfo(dtype).max)) - np.log(1e20))
