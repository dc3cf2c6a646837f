"""The cortical microcircuit of Potjans & Diesmann (2014): four layers under 1 mm² of cortex, 77,169 neurons.

Tables: Potjans & Diesmann (2014), Cereb Cortex 24:785, as in the reference implementation for NEST
(`Potjans_2014`, today microcircuit-PD14-model, version with Poisson input), which the scaling uses too. Where the two
differ, the reference implementation is followed: inhibitory delays have a mean of 0.75 ms (paper: 0.8), and initial
potentials are drawn for each population (paper: from one distribution of mean -58 and standard deviation 10 mV).

Down-scaling: van Albada, Helias & Diesmann (2015), PLoS Comput Biol 11:e1004490. Indegrees shrink by `k_scale`, weights
grow by 1 / sqrt(k_scale), which keeps the variance of the input, and a constant current makes up for the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaxnest.connectivity.distributions import normal
from jaxnest.connectivity.rules import explicit, fixed_total_number
from jaxnest.errors import ConfigurationError
from jaxnest.simulation import Network, Nodes, Population

#: the populations, by layer, excitatory before inhibitory; the order of every table below
POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
#: neurons
FULL_SIZES = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
#: probability that a pair is connected at least once, (target, source)
PROBABILITIES = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
    ]
)
#: connections that each neuron receives from outside, each with Poisson spikes of `EXTERNAL_RATE`
EXTERNAL_INDEGREES = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
EXTERNAL_RATE = 8.0  # spikes/s
EXTERNAL_DELAY = 1.5  # ms
PSP = 0.15  # mV, excitatory; from L4E to L23E twice that
G = -4.0  # inhibitory weights, in excitatory ones
WEIGHT_SPREAD = 0.1  # relative standard deviation
DELAYS = np.array([1.5, 0.75])  # ms, mean: from excitatory, from inhibitory neurons
DELAY_SPREAD = 0.5  # relative standard deviation
NEURON = {
    "E_L": -65.0,
    "V_th": -50.0,
    "V_reset": -65.0,
    "C_m": 250.0,
    "tau_m": 10.0,
    "tau_syn_ex": 0.5,
    "tau_syn_in": 0.5,
    "t_ref": 2.0,
}
#: mean and standard deviation of the initial potentials, mV
INITIAL_V = (
    np.array([-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43]),
    np.array([5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48]),
)
#: mean rates at full scale, spikes/s, as measured with the reference implementation (one run); the scaling needs them
FULL_RATES = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])
#: published irregularity (CV of interspike intervals) and synchrony at full scale under Poisson input, from 60 s and
#: about 1000 neurons a population: Romaro et al. (2021), Neural Comput 33:1993, Tables A.3 and A.5
FULL_CV = np.array([0.938, 0.916, 0.891, 0.873, 0.847, 0.809, 0.924, 0.819])
FULL_SYNCHRONY = np.array([2.9, 1.8, 3.0, 1.7, 4.4, 1.1, 1.2, 1.0])


@dataclass(frozen=True)
class Sizes:
    """The numbers of a scaled microcircuit: `neurons` (8,); `synapses` and `weights` (mean, pA), both (8 targets,
    8 sources); `external` (8,) connections from outside, of `external_weight` pA; `current` (8,) pA."""

    neurons: np.ndarray
    synapses: np.ndarray
    weights: np.ndarray
    external: np.ndarray
    external_weight: float
    current: np.ndarray


def psc_of_psp(C_m: float, tau_m: float, tau_syn: float) -> float:
    """The exponential current (pA) whose postsynaptic potential has a peak of 1 mV."""
    ratio = tau_m / tau_syn
    exponent = 1.0 / (tau_syn - tau_m)
    return C_m * (tau_syn - tau_m) / (tau_m * tau_syn * (ratio ** (tau_m * exponent) - ratio ** (tau_syn * exponent)))


def sizes(scale: float = 1.0, k_scale: float | None = None) -> Sizes:
    """Neurons, synapses, weights and currents of the microcircuit, scaled as `microcircuit` says.

    A probability C of at least one connection means ln(1 - C) / ln(1 - 1 / (N_pre N_post)) connections.

    **Raises:** `ConfigurationError` unless both scales are in (0, 1].
    """
    k_scale = scale if k_scale is None else k_scale
    for name, value in (("scale", scale), ("k_scale", k_scale)):
        if not 0.0 < value <= 1.0:
            raise ConfigurationError(f"{name}={value!r} must be in (0, 1]; 1 is the full microcircuit")
    neurons = np.round(FULL_SIZES * scale).astype(int)
    if neurons.min() < 2:
        raise ConfigurationError(f"scale={scale!r} leaves {neurons.min()} neurons in L5I; give at least 0.002")
    pairs = np.outer(FULL_SIZES, FULL_SIZES).astype(float)
    synapses = np.log1p(-PROBABILITIES) / np.log1p(-1.0 / pairs)
    unit = PSP * psc_of_psp(NEURON["C_m"], NEURON["tau_m"], NEURON["tau_syn_ex"])
    weights = np.tile([unit, unit * G], (8, 4))
    weights[0, 2] *= 2.0
    indegrees = synapses / FULL_SIZES[:, None]
    full_input = (weights * indegrees) @ FULL_RATES + unit * EXTERNAL_INDEGREES * EXTERNAL_RATE  # pA spikes/s
    root = np.sqrt(k_scale)
    return Sizes(
        neurons=neurons,
        synapses=np.round(synapses * scale * k_scale).astype(int),
        weights=weights / root,
        external=np.round(EXTERNAL_INDEGREES * k_scale).astype(int),
        external_weight=float(unit / root),
        current=(1.0 - root) * full_input * NEURON["tau_syn_ex"] * 1e-3,
    )


def microcircuit(
    scale: float = 1.0,
    k_scale: float | None = None,
    *,
    h: float = 0.1,
    seed: int = 0,
    min_delay: float | None = None,
) -> tuple[Network, dict[str, Population]]:
    """The cortical microcircuit, ready to record from and to run.

    **Arguments:** `scale`: of the numbers of neurons; `k_scale`: of the indegrees (default: as `scale`); `h`: the
    resolution in ms; `seed`: of connections, weights, delays and initial potentials; `min_delay` (ms, default `h`):
    delays are drawn until they round to it or more. A longer one is a change of the model that makes it faster.

    **Returns:** the network, and its eight populations by name (`POPULATIONS`). The network also holds the
    eight Poisson generators ``"external"``, whose rates are those of all external connections of a neuron together.

    **Raises:** `ConfigurationError` for scales that are not in (0, 1], or too small.
    """
    s = sizes(scale, k_scale)
    shortest = h if min_delay is None else float(min_delay)
    if not h <= shortest <= DELAYS.min():
        raise ConfigurationError(f"min_delay={min_delay!r} must be between h={h} and {DELAYS.min()} ms")
    net = Network(h=h, seed=seed)
    populations = {
        name: net.create(
            "iaf_psc_exp",
            int(s.neurons[i]),
            name=name,
            **NEURON,
            I_e=s.current[i],
            V_m=normal(INITIAL_V[0][i], INITIAL_V[1][i]),
        )
        for i, name in enumerate(POPULATIONS)
    }
    external = net.create("poisson_generator", 8, name="external", rate=EXTERNAL_RATE * s.external)
    net.connect(
        external,
        sum(populations.values(), Nodes(())),
        explicit(np.repeat(np.arange(8), s.neurons), np.arange(s.neurons.sum())),
        weight=s.external_weight,
        delay=max(round(EXTERNAL_DELAY / h), 1) * h,
        name="drive",
    )
    for i, target in enumerate(POPULATIONS):
        for j, source in enumerate(POPULATIONS):
            if s.synapses[i, j] == 0:
                continue
            mean, delay = s.weights[i, j], DELAYS[j % 2]
            net.connect(
                populations[source],
                populations[target],
                fixed_total_number(int(s.synapses[i, j])),
                weight=normal(
                    mean,
                    abs(mean) * WEIGHT_SPREAD,
                    **({"min": 0.0} if mean > 0 else {"max": 0.0}),  # keeps its sign
                ),
                delay=normal(delay, delay * DELAY_SPREAD, min=shortest - 0.5 * h),
            )
    return net, populations
