"""Exact propagators of the leaky integrate-and-fire neuron driven by decaying synaptic currents.

The membrane obeys ``C dV/dt = -C V / tau_m + I(t)``. Over a step h an initial current moves V by a number that the
textbook writes as a difference of exponentials divided by ``tau_m - tau_syn``, which is 0/0 at ``tau_syn == tau_m``.
Here everything is written instead with the entire functions

    phi(x) = int_0^1 exp(s x) ds,    rise(x) = int_0^1 s exp(s x) ds,    fall(x) = int_0^1 (1 - s) exp(s x) ds

at x <= 0, by their series near 0 and their closed form elsewhere. Values and derivatives of every order are then smooth
through ``tau_syn == tau_m``, and nothing overflows however small a time constant is.

Sources: Rotter & Diesmann (1999) Biol. Cybern. 81:381-402; Hochbruck & Ostermann (2010) Acta Numerica 19:209-286 (the
phi functions). NEST computes the same numbers in ``libnestutil/iaf_propagator``.

Arguments broadcast; the result has their common float dtype.
"""

import math

import jax
import jax.numpy as jnp


def exp_propagators(h, tau_m, tau_syn, C_m) -> jax.Array:
    """P21 of ``iaf_psc_exp``: V after a step per unit of exponential current at its beginning.

    The whole step is ``V' = exp(-h/tau_m) V + P21 I`` and ``I' = exp(-h/tau_syn) I``.

    Args:
      h: step [ms].
      tau_m: membrane time constant [ms].
      tau_syn: time constant of the current [ms].
      C_m: capacitance [pF].

    Returns:
      P21 [mV/pA].
    """
    slow, gap, _ = _slow_and_gap(h, tau_m, tau_syn)
    return h / C_m * jnp.exp(-slow) * _phi(gap)


def alpha_propagators(h, tau_m, tau_syn, C_m) -> tuple[jax.Array, jax.Array]:
    """P31 and P32 of ``iaf_psc_alpha``: V after a step per unit of dI and of I at its beginning.

    NEST's convention: a spike of weight w [pA] adds ``w e / tau_syn`` to dI [pA/ms], so that I peaks at w. The whole
    step is ``V' = exp(-h/tau_m) V + P31 dI + P32 I``, ``I' = exp(-h/tau_syn) (I + h dI)`` and
    ``dI' = exp(-h/tau_syn) dI``.

    Args:
      h: step [ms].
      tau_m: membrane time constant [ms].
      tau_syn: time constant of the alpha function [ms].
      C_m: capacitance [pF].

    Returns:
      P31 [mV ms/pA] and P32 [mV/pA].
    """
    slow, gap, membrane_is_slow = _slow_and_gap(h, tau_m, tau_syn)
    P32 = h / C_m * jnp.exp(-slow) * _phi(gap)
    P31 = h * h / C_m * jnp.exp(-slow) * jnp.where(membrane_is_slow, _rise(gap), _fall(gap))
    return P31, P32


def current_propagator(h, tau_m, C_m) -> jax.Array:
    """P20: V after a step per unit of constant current, ``tau_m / C_m (1 - exp(-h / tau_m))`` [mV/pA].

    Args:
      h: step [ms].
      tau_m: membrane time constant [ms].
      C_m: capacitance [pF].
    """
    return -tau_m / C_m * jnp.expm1(-h / tau_m)


def _slow_and_gap(h, tau_m, tau_syn):
    """The slower of the two decays over h, minus the distance of the two, and whether the membrane is the slower."""
    distance = jnp.asarray(h * (tau_syn - tau_m) / (tau_m * tau_syn))  # h/tau_m - h/tau_syn, free of cancellation
    membrane_is_slow = distance <= 0
    slow = jnp.where(membrane_is_slow, h / tau_m, h / tau_syn)
    return slow, jnp.where(membrane_is_slow, distance, -distance), membrane_is_slow


def _near_or_far(x, coefficient, closed_form):
    """sum_n coefficient(n) x^n for -1 <= x <= 0, closed_form(x) below; neither branch ever sees the other's x."""
    near = x >= -1
    x_near = jnp.where(near, x, 0)
    terms = 21 if x.dtype == jnp.float64 else 12  # the first one left out is below the rounding of the sum
    series = jnp.full_like(x, coefficient(terms - 1))
    for n in reversed(range(terms - 1)):
        series = series * x_near + coefficient(n)
    return jnp.where(near, series, closed_form(jnp.where(near, -1, x)))


def _phi(x):
    return _near_or_far(x, lambda n: 1 / math.factorial(n + 1), lambda x: jnp.expm1(x) / x)


def _rise(x):
    return _near_or_far(x, lambda n: 1 / (math.factorial(n) * (n + 2)), lambda x: (jnp.exp(x) - jnp.expm1(x) / x) / x)


def _fall(x):
    return _near_or_far(x, lambda n: 1 / math.factorial(n + 2), lambda x: (jnp.expm1(x) / x - 1) / x)
