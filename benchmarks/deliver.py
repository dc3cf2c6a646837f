"""Delivery alone: what an event takes along a table of Brunel's size, in XLA and in C++.

12,500 `iaf_psc_delta` neurons fire by a constant current, 36 spikes/s each, along 15.6 million synapses whose weights
(1e-30 and -5e-30 mV) change nothing, as in Brunel's network with 10,000 excitatory neurons among them. sim_s is the time
of the run less that of the same network without synapses, which fires the same spikes. --scale is of neurons and of
indegrees.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import _jaxnest, _nest, brunel
from ._request import Request, Spec

SPEC = Spec(cases=("xla", "native"), by_lowering=True, real_time=False)
NEURON = {**brunel.NEURON, "I_e": 1.3745}  # pA: 26 ms from reset to threshold, 2 ms refractory
WEIGHT = 1e-30  # mV; not 0, so that nothing can leave it out, and no subnormal number even in float32


def jaxnest(request: Request) -> dict[str, Any]:
    import jaxnest

    n_exc, n_inh, c_exc, c_inh = brunel.sizes(request.scale)
    n = n_exc + n_inh
    request = replace(request, lowering=request.case)

    def describe(jn: Any, connected: bool) -> tuple[Any, Any]:
        net = jn.Network(seed=request.seed)
        cells = net.create("iaf_psc_delta", n, **{**NEURON, "V_m": jn.uniform(0.0, NEURON["V_th"])})
        if connected:
            exc, inh = cells[:n_exc], cells[n_exc:]
            net.connect(exc, cells, jn.fixed_indegree(c_exc), weight=WEIGHT, delay=brunel.DELAY)
            net.connect(inh, cells, jn.fixed_indegree(c_inh), weight=-brunel.G * WEIGHT, delay=brunel.DELAY)
        recorder = net.create("spike_recorder")
        net.connect(cells, recorder)
        return net, recorder

    try:
        bare, *_ = _jaxnest.measure(request, lambda jn: describe(jn, False))
    except jaxnest.ConfigurationError as fault:
        return {"skipped": str(fault)}
    found, sim, recorder = _jaxnest.measure(request, lambda jn: describe(jn, True), n * (c_exc + c_inh))
    found["sim_s"] -= bare["sim_s"]
    return found | _jaxnest.spiking(sim, recorder, [n_exc, n_inh], [n * c_exc, n * c_inh])


def nest(request: Request) -> dict[str, Any]:
    n_exc, n_inh, c_exc, c_inh = brunel.sizes(request.scale)

    def describe(nest: Any, connected: bool) -> list[Any]:
        cells = nest.Create("iaf_psc_delta", n_exc + n_inh, NEURON)
        cells.V_m = nest.random.uniform(0.0, NEURON["V_th"])
        if connected:
            for source, indegree, weight in (
                (cells[:n_exc], c_exc, WEIGHT),
                (cells[n_exc:], c_inh, -brunel.G * WEIGHT),
            ):
                rule = {"rule": "fixed_indegree", "indegree": indegree}
                nest.Connect(source, cells, rule, {"weight": weight, "delay": brunel.DELAY})
        else:
            nest.set(min_delay=brunel.DELAY, max_delay=brunel.DELAY)
        recorder = nest.Create("spike_recorder")
        nest.Connect(cells, recorder, syn_spec={"delay": brunel.DELAY})
        return [recorder]

    bare = _nest.measure(request, lambda module: describe(module, False), n_exc + n_inh)
    found = _nest.measure(request, lambda module: describe(module, True), n_exc + n_inh)
    found["sim_s"] -= bare["sim_s"]
    return found
