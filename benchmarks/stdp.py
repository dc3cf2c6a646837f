"""A plastic network after NEST's hpc_benchmark: 11,250 `iaf_psc_alpha` neurons, 12.7 million synapses.

The 8.1 million synapses between excitatory neurons are `stdp_pl_synapse_hom`. The original has 9,000 + 2,250 inputs a neuron
at any size; here there are a tenth of them. Each neuron has a Poisson drive of few, large events (5 times an excitatory
weight), which keeps the network from oscillating as a whole: 10 spikes/s. The initial weight is close to the fixed point
of the rule, w**(1 - mu) = tau_plus / (alpha tau_minus). --scale is of neurons and of indegrees.
"""

from __future__ import annotations

from typing import Any

from . import _jaxnest, _nest
from ._request import Request, Spec

SPEC = Spec(same={"rate_hz": 0.02, "weight_pa": 0.02, "weight_spread_pa": 0.05})
NEURON = {
    "C_m": 250.0,
    "tau_m": 10.0,
    "t_ref": 0.5,
    "E_L": 0.0,
    "V_th": 20.0,
    "V_reset": 0.0,
    "tau_syn_ex": 0.3258,
    "tau_syn_in": 0.3258,
    "tau_minus": 30.0,
}
STDP = {"alpha": 0.0513, "lambda": 0.1, "mu": 0.4, "tau_plus": 15.0}
WEIGHT, G, DELAY = 45.61, -5.0, 1.5  # pA, -, ms
DRIVE, DRIVE_WEIGHT = 2200.0, 5 * WEIGHT  # spikes/s, pA
INITIAL_V = (5.7, 7.2)  # mean and standard deviation, mV


def sizes(scale: float) -> tuple[int, int, int, int]:
    """Excitatory and inhibitory neurons, and indegrees from each."""
    return round(9_000 * scale), round(2_250 * scale), round(900 * scale), round(225 * scale)


def jaxnest(request: Request) -> dict[str, Any]:
    n_exc, n_inh, c_exc, c_inh = sizes(request.scale)
    n = n_exc + n_inh

    def describe(jn: Any) -> tuple[Any, Any]:
        net = jn.Network(seed=request.seed)
        cells = net.create("iaf_psc_alpha", n, name="cells", **NEURON, V_m=jn.normal(*INITIAL_V))
        exc, inh = cells[:n_exc], cells[n_exc:]
        noise = net.create("poisson_generator", rate=DRIVE)
        net.connect(noise, cells, weight=DRIVE_WEIGHT, delay=DELAY)
        plastic = {"synapse": "stdp_pl_synapse_hom", **STDP}
        net.connect(exc, exc, jn.fixed_indegree(c_exc), weight=WEIGHT, delay=DELAY, name="plastic", **plastic)
        net.connect(exc, inh, jn.fixed_indegree(c_exc), weight=WEIGHT, delay=DELAY)
        net.connect(inh, cells, jn.fixed_indegree(c_inh), weight=G * WEIGHT, delay=DELAY)
        recorder = net.create("spike_recorder")
        net.connect(cells, recorder)
        return net, recorder

    found, sim, recorder = _jaxnest.measure(request, describe, n * (c_exc + c_inh))
    weight = sim.get("plastic", "weight")
    found |= {"weight_pa": float(weight.mean(dtype="f8")), "weight_spread_pa": float(weight.std(dtype="f8"))}
    return found | _jaxnest.spiking(sim, recorder, [n_exc, n_inh], [n * c_exc, n * c_inh])


def nest(request: Request) -> dict[str, Any]:
    import nest
    import numpy as np

    n_exc, n_inh, c_exc, c_inh = sizes(request.scale)

    def describe(_: Any) -> list[Any]:
        cells = nest.Create("iaf_psc_alpha", n_exc + n_inh, NEURON)
        cells.V_m = nest.random.normal(*INITIAL_V)
        exc, inh = cells[:n_exc], cells[n_exc:]
        noise = nest.Create("poisson_generator", params={"rate": DRIVE})
        nest.Connect(noise, cells, syn_spec={"weight": DRIVE_WEIGHT, "delay": DELAY})
        nest.CopyModel("stdp_pl_synapse_hom", "plastic", STDP)
        excitatory = {"rule": "fixed_indegree", "indegree": c_exc}
        nest.Connect(exc, exc, excitatory, {"synapse_model": "plastic", "weight": WEIGHT, "delay": DELAY})
        nest.Connect(exc, inh, excitatory, {"weight": WEIGHT, "delay": DELAY})
        nest.Connect(inh, cells, {"rule": "fixed_indegree", "indegree": c_inh}, {"weight": G * WEIGHT, "delay": DELAY})
        recorder = nest.Create("spike_recorder")
        nest.Connect(cells, recorder)
        return [recorder]

    found = _nest.measure(request, describe, n_exc + n_inh)
    # of some hundred neurons only: NEST's list of all 8.1 million connections takes more memory than the network
    some = nest.NodeCollection(range(1, min(n_exc, 300) + 1))
    weight = np.array(nest.GetConnections(some, synapse_model="plastic").weight)
    return found | {"weight_pa": float(weight.mean()), "weight_spread_pa": float(weight.std())}
