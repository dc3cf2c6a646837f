"""The cortical microcircuit of Potjans & Diesmann (2014), down-scaled to a fifth by default.

--scale 1: 77,169 neurons, 299 million synapses. Spikes of all neurons are recorded from the start. Means over the
repeats are compared: of a single seed and 1 s the total rate varies by about 1 % at --scale 0.2.
"""

from __future__ import annotations

from typing import Any

from . import _jaxnest, _nest
from ._request import Request, Spec

SPEC = Spec(scale=0.2)


def jaxnest(request: Request) -> dict[str, Any]:
    from jaxnest.models import potjans_diesmann as tables

    def describe(_: Any) -> tuple[Any, Any]:
        net, populations = tables.microcircuit(request.scale, seed=request.seed)
        recorder = net.create("spike_recorder")
        net.connect(sum(populations.values()), recorder)
        return net, recorder

    s = tables.sizes(request.scale)
    found, sim, recorder = _jaxnest.measure(request, describe, int(s.synapses.sum()))
    return found | _jaxnest.spiking(sim, recorder, s.neurons.tolist(), s.synapses.sum(0).tolist())


def nest(request: Request) -> dict[str, Any]:
    from jaxnest.models import potjans_diesmann as tables

    from . import nest_microcircuit

    neurons = int(tables.sizes(request.scale).neurons.sum())
    return _nest.measure(request, lambda module: nest_microcircuit.create(module, request.scale)[1], neurons)
