"""Weights with which layers fire from the start: their inputs make the membrane potential fluctuate up to threshold.

Source: Rossbroich, Gygax & Zenke (2022), Neuromorph Comput Eng 2:044016.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnest._declare import nearest
from jaxnest.connectivity.distributions import Normal
from jaxnest.errors import ConfigurationError
from jaxnest.simulation._network import Population


@dataclass(frozen=True)
class Kernel:
    """The integrals over time of a potential ε(t) (mV) after one event of weight 1: `area` of ε (mV ms), `power` of ε² (mV² ms)."""

    area: float
    power: float


@dataclass(frozen=True)
class Moments:
    """Of membrane potentials that do not spike, in mV: the mean over neurons and time, the standard deviation `std` in time
    of one neuron (root of the mean over neurons of its square), and `between`, that of the neurons' means."""

    mean: float
    std: float
    between: float


def kernels(post: Any) -> tuple[Kernel, Kernel]:
    """The kernels of positive and of negative weights in the neurons of a population.

        iaf_psc_delta   ε = exp(-t / tau_m)
        iaf_psc_exp     ε = (exp(-a t) - exp(-b t)) / (b - a) / C_m
        iaf_psc_alpha   ε = e b ((exp(-a t) - exp(-b t)) / (b - a)² - t exp(-b t) / (b - a)) / C_m

    with a = 1 / tau_m, b = 1 / tau_syn. Where parameters differ between neurons their means are used.

    **Raises:** `ConfigurationError` for other models.
    """
    find = _known(post)
    p = _means(post)
    return find(p, "tau_syn_ex"), find(p, "tau_syn_in")


def membrane_moments(post: Any, n: float, rate: float, mean: float = 0.0, std: float = 0.0) -> Moments:
    """Mean and standard deviations of the potential of neurons that do not spike, under `n` Poisson inputs each.

    **Arguments:** `post`: a `Population` of iaf_psc_delta, iaf_psc_exp or iaf_psc_alpha. `n`: inputs of a neuron. `rate`: of each, in spikes/s.
    `mean`, `std`: of their weights, which are normally distributed: positive ones act with tau_syn_ex, others with tau_syn_in.

        mean = E_L + I_e tau_m / C_m + n rate E[w A],   std² = n rate E[w² P],   between² = n rate² Var[w A]

    with A = ∫ε dt, P = ∫ε² dt of the kernel that goes with the sign of w (Campbell's theorem).

    **Raises:** `ConfigurationError` for another model, or numbers that are negative.
    """
    _check(n=n, rate=rate)
    if not (math.isfinite(mean) and math.isfinite(std) and std >= 0):
        raise ConfigurationError(f"membrane_moments: mean={mean!r} and std={std!r} must be finite, std >= 0")
    per_ms = rate * 1e-3
    halves, both = _halves(mean, std), kernels(post)
    first = sum(one * k.area for (one, _), k in zip(halves, both))
    second = sum(two * k.area**2 for (_, two), k in zip(halves, both))
    power = sum(two * k.power for (_, two), k in zip(halves, both))
    spread = math.sqrt(n * max(second - first**2, 0.0)) * per_ms
    return Moments(_resting(_means(post)) + n * per_ms * first, math.sqrt(n * per_ms * power), spread)


def fluctuation_driven(post: Any, n: float, rate: float, *, xi: float = 2.0, share: float = 1.0) -> Normal:
    """A distribution of weights for `Network.connect` that makes the potentials of `post` fluctuate up to threshold.

    Excitation and inhibition cancel on average, so that V_m stays around where it is without events; its standard deviation
    is a 1/`xi` of the distance from there to V_th.

    **Arguments:**

    - `post`: the `Population` that gets the connections, of iaf_psc_delta, iaf_psc_exp or iaf_psc_alpha.
    - `n`: connections that each of its neurons gets.
    - `rate`: mean rate of their sources, in spikes/s.
    - `xi`: how many standard deviations of the potential threshold lies above its mean: with default parameters, neurons fire
      at some 20 to 30 spikes/s with 1, 5 to 10 with 2, and 1 to 2 with 3.
    - `share`: of the variance that this projection gives; those of all projections to `post` (feed-forward, recurrent) shall
      add up to 1.

    **Returns:** a `jaxnest.normal`, in pA, or mV for iaf_psc_delta; of mean 0 if tau_syn_ex = tau_syn_in.

    **Raises:** `ConfigurationError` for another model, for numbers out of range, or where `I_e` alone brings the neurons
    to threshold.
    """
    _check(n=n, rate=rate, xi=xi, share=share)
    if share > 1:
        raise ConfigurationError(f"fluctuation_driven: share={share!r} must be at most 1")
    excitatory, inhibitory = kernels(post)
    p = _means(post)
    distance = p["V_th"] - _resting(p)
    if distance <= 0:
        raise ConfigurationError(f"{post.name}: I_e={p['I_e']:g} pA alone brings V_m to threshold; lower it, or raise V_th")

    def excess(mean: float) -> float:
        (above, _), (below, _) = _halves(mean, 1.0)
        return above * excitatory.area + below * inhibitory.area

    from scipy.optimize import brentq  # here, since it is slow to import

    # for weights of standard deviation 1
    mean = 0.0 if excitatory.area == inhibitory.area else float(brentq(excess, -8.0, 8.0, xtol=1e-14))
    unit = membrane_moments(post, n, rate, mean, 1.0).std
    std = math.sqrt(share) * distance / (xi * unit)
    return Normal(mean * std, std)


def _delta(p: Mapping[str, float], tau_syn: str) -> Kernel:
    return Kernel(p["tau_m"], 0.5 * p["tau_m"])


def _exponential(p: Mapping[str, float], tau_syn: str) -> Kernel:
    m, s, C = p["tau_m"], p[tau_syn], p["C_m"]
    return Kernel(m * s / C, (m * s / C) ** 2 / (2.0 * (m + s)))


def _alpha(p: Mapping[str, float], tau_syn: str) -> Kernel:
    m, s, C = p["tau_m"], p[tau_syn], p["C_m"]
    a, b = 1.0 / m, 1.0 / s
    return Kernel(math.e * m * s / C, (math.e * b / C) ** 2 * (2.0 * b + a) / (4.0 * a * b**3 * (a + b) ** 2))


_KERNELS: dict[str, Callable[[Mapping[str, float], str], Kernel]] = {
    "iaf_psc_delta": _delta,
    "iaf_psc_exp": _exponential,
    "iaf_psc_alpha": _alpha,
}


def _known(post: Any) -> Callable[[Mapping[str, float], str], Kernel]:
    if not isinstance(post, Population):
        raise ConfigurationError(f"{post!r} is no population; give what Network.create returned")
    model = post.model.name
    if model not in _KERNELS:
        raise ConfigurationError(f"{post.name}: the kernel of {model} is not known; {nearest(model, list(_KERNELS))}")
    return _KERNELS[model]


def _means(post: Any) -> dict[str, float]:
    return {name: float(np.mean(post.values[name])) for name in post.model.parameters if np.size(post.values[name])}


def _resting(p: Mapping[str, float]) -> float:
    """The potential without events, mV."""
    return p["E_L"] + p["I_e"] * p["tau_m"] / p["C_m"]


def _halves(mean: float, std: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """First and second moments of the positive and of the negative part of a normal distribution."""
    if std == 0:
        return (max(mean, 0.0), max(mean, 0.0) ** 2), (min(mean, 0.0), min(mean, 0.0) ** 2)
    z = mean / std
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    above = 0.5 * math.erfc(-z / math.sqrt(2.0))
    first = mean * above + std * density
    second = (mean**2 + std**2) * above + mean * std * density
    return (first, second), (mean - first, mean**2 + std**2 - second)


def _check(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ConfigurationError(f"{name}={value!r} must be a positive number")
