"""The down-scaled microcircuit of Potjans & Diesmann (2014) in PyNEST, from the published tables alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxnest.models import potjans_diesmann as tables


def simulate(scale: float, seed: int, time: float, transient: float = 500.0, threads: int = 1) -> np.ndarray:
    """The mean rates (8,) in spikes/s of the populations in (transient, transient + time] ms."""
    import nest

    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.resolution = 0.1
    nest.local_num_threads = threads
    nest.rng_seed = seed
    nodes, recorders = create(nest, scale, transient)
    nest.Simulate(transient + time)
    return np.array([r.n_events / len(p) for r, p in zip(recorders, nodes)]) / time * 1000


def create(nest: Any, scale: float, start: float = 0.0) -> tuple[list[Any], list[Any]]:
    """Create the network in the module `nest`: its eight populations, and their spike recorders, from `start` ms on."""
    neuron = tables.NEURON
    tau_m, tau_s, C = neuron["tau_m"], neuron["tau_syn_ex"], neuron["C_m"]
    # the peak of the potential that a current exp(-t / tau_s) pA causes, and where it lies
    peak = np.log(tau_m / tau_s) / (1 / tau_s - 1 / tau_m)
    height = (np.exp(-peak / tau_m) - np.exp(-peak / tau_s)) * tau_m * tau_s / (tau_m - tau_s) / C
    J = tables.PSP / height
    N = tables.FULL_SIZES
    nodes, recorders = [], []
    for i in range(8):
        inputs = [J * tables.EXTERNAL_INDEGREES[i] * tables.EXTERNAL_RATE]
        for j in range(8):
            synapses = np.log(1 - tables.PROBABILITIES[i, j]) / np.log(1 - 1 / (float(N[i]) * N[j]))
            inputs.append(_weight(J, i, j) * synapses / N[i] * tables.FULL_RATES[j])
        current = (1 - np.sqrt(scale)) * sum(inputs) * tau_s / 1000
        population = nest.Create("iaf_psc_exp", round(N[i] * scale), params={**neuron, "I_e": current})
        population.V_m = nest.random.normal(tables.INITIAL_V[0][i], tables.INITIAL_V[1][i])
        rate = tables.EXTERNAL_RATE * round(tables.EXTERNAL_INDEGREES[i] * scale)
        generator = nest.Create("poisson_generator", params={"rate": rate})
        nest.Connect(generator, population, syn_spec={"weight": J / np.sqrt(scale), "delay": tables.EXTERNAL_DELAY})
        recorder = nest.Create("spike_recorder", params={"start": start})
        nest.Connect(population, recorder)
        nodes.append(population)
        recorders.append(recorder)
    for i in range(8):
        for j in range(8):
            synapses = np.log(1 - tables.PROBABILITIES[i, j]) / np.log(1 - 1 / (float(N[i]) * N[j]))
            n = round(synapses * scale * scale)
            if n == 0:
                continue
            mean = _weight(J, i, j) / np.sqrt(scale)
            bounds = {"min": 0.0, "max": np.inf} if mean > 0 else {"min": -np.inf, "max": 0.0}
            delay = tables.DELAYS[j % 2]
            nest.Connect(
                nodes[j],
                nodes[i],
                {"rule": "fixed_total_number", "N": n},
                {
                    "weight": nest.math.redraw(nest.random.normal(mean, abs(mean) * tables.WEIGHT_SPREAD), **bounds),
                    "delay": nest.math.redraw(nest.random.normal(delay, delay * tables.DELAY_SPREAD), min=0.05, max=np.inf),
                },
            )
    return nodes, recorders


def _weight(J: float, target: int, source: int) -> float:
    if source % 2:
        return J * tables.G
    return 2 * J if (target, source) == (0, 2) else J
