"""The mean-field rate of leaky integrate-and-fire neurons."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erfcx

from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, Routing, State, Values

#: |zeta(1/2)| / sqrt(2)
_SHIFT = 2.0652531522312172 / 2.0
#: beyond so many standard deviations below threshold the rate is 0 (some 1e-16 Hz)
_SILENT = 6.0
_NODES = 48


class siegert_neuron(Neuron):
    r"""A node whose rate X (Hz) follows that of leaky integrate-and-fire neurons with input of given mean mu and variance sigma^2.

        tau dX/dt = -X + mean + Phi(mu, sigma^2),   mu = sum_j drift_factor_j X_j,   sigma^2 = sum_j diffusion_factor_j X_j
        1 / Phi = t_ref + tau_m sqrt(pi) int from y_r to y_th of exp(s^2) (1 + erf(s)) ds
        y_th = (theta - mu) / sigma + a,   y_r = (V_reset - mu) / sigma + a,   a = |zeta(1/2)| sqrt(tau_syn / (2 tau_m))

    Phi is 0 where the threshold is more than 6 sigma above the mean; without noise it is the rate of the deterministic neuron (NEST has
    none there). The integral is computed by Gauss and Legendre's rule with 48 nodes in each of three pieces (relative error below 1e-9).

    Source: Fourcaud & Brunel (2002), Neural Comput 14:2057; Schuecker, Diesmann & Helias (2015), Phys Rev E 92:052119, eq. 25; Hahne et al.
    (2017), Front Neuroinform 11:34.
    """

    tau = Parameter(1.0, "ms", "time constant of the rate", gt=0)
    tau_m = Parameter(5.0, "ms", "membrane time constant", gt=0)
    tau_syn = Parameter(0.0, "ms", "time constant of synaptic currents", ge=0)
    t_ref = Parameter(2.0, "ms", "refractory period", ge=0)
    mean = Parameter(0.0, "Hz", "constant input, added to the rate")
    theta = Parameter(15.0, "mV", "threshold, relative to rest")
    V_reset = Parameter(0.0, "mV", "reset, relative to rest")

    rate = State(0.0, "Hz", "rate")

    recordables = ("rate",)
    ordered = (("V_reset", "theta"),)
    routing = Routing.NONE
    accepts_current = False
    sends = False
    emits = ("diffusion",)
    hears = ("drift", "diffusion")

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(P1=jnp.exp(-h / p.tau), P2=-jnp.expm1(-h / p.tau))

    @staticmethod
    def signal(p: Values, k: Values, s: Values, env: Env) -> Values:
        return Values(diffusion=s.rate)

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        rate = k.P1 * s.rate + k.P2 * (p.mean + transfer(p, x.signals.drift, x.signals.diffusion))
        return s.replace(rate=rate), jnp.zeros_like(rate)


def transfer(p: Values, mu: Any, variance: Any) -> Any:
    """The rate (n,) in Hz at an input of mean `mu` (mV) and `variance` (mV^2)."""
    noisy = variance > 0
    sigma = jnp.sqrt(jnp.where(noisy, variance, 1.0))
    silent = p.theta - mu > _SILENT * jnp.where(noisy, sigma, 0.0)
    usual = noisy & ~silent
    shift = _SHIFT * jnp.sqrt(jnp.where(p.tau_syn > 0, p.tau_syn / p.tau_m, 1.0)) * (p.tau_syn > 0)
    y_th = jnp.where(usual, (p.theta - mu) / sigma + shift, 1.0)
    y_r = jnp.where(usual, (p.V_reset - mu) / sigma + shift, 0.0)
    # all times exp(-top^2), so that nothing overflows
    top = jnp.maximum(y_th, 0.0)
    scale = jnp.exp(-(top**2))
    highest = top[None]
    above = _integral(lambda s: jnp.exp(s**2 - highest**2) * (2.0 - jnp.exp(-(s**2)) * _erfcx(s)), jnp.maximum(y_r, 0.0), top)
    below = scale * _under(jnp.maximum(-y_th, 0.0), jnp.maximum(-y_r, 0.0))
    period = scale * p.t_ref + p.tau_m * jnp.sqrt(jnp.pi) * (above + below)
    driven = ~noisy & (mu > p.theta)
    ratio = jnp.where(driven, (mu - p.V_reset) / jnp.where(driven, mu - p.theta, 1.0), 2.0)
    regular = 1e3 / (p.t_ref + p.tau_m * jnp.log(ratio))
    return jnp.where(usual, 1e3 * scale / period, jnp.where(driven, regular, 0.0))


def _erfcx(x: Any) -> Any:
    """exp(x^2) erfc(x); for large x by its asymptotic series (JAX 0.10.1 gives 0 between 26.54 and 26.64)."""
    small = x < 15.0
    y = 0.5 / jnp.where(small, 15.0, x) ** 2
    series = 1.0 - y * (1.0 - 3.0 * y * (1.0 - 5.0 * y * (1.0 - 7.0 * y * (1.0 - 9.0 * y))))
    return jnp.where(small, erfcx(jnp.where(small, x, 1.0)), series * jnp.sqrt(2.0 * y / jnp.pi))


def _integral(f: Any, low: Any, high: Any) -> Any:
    """The integral of `f`, of arrays (nodes, n), from `low` (n,) to `high` (n,)."""
    half, middle = 0.5 * (high - low), 0.5 * (high + low)
    nodes, weights = (jnp.asarray(x, half.dtype)[:, None] for x in np.polynomial.legendre.leggauss(_NODES))
    return half * (weights * f(middle[None] + half[None] * nodes)).sum(axis=0)


def _under(low: Any, high: Any) -> Any:
    """The integral of exp(s^2) erfc(s) from `low` to `high` >= 0, which falls as 1 / s: of sinh(t), over t."""
    return _integral(lambda t: _erfcx(jnp.sinh(t)) * jnp.cosh(t), jnp.arcsinh(low), jnp.arcsinh(high))
