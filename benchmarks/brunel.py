"""Brunel's (2000) network of 12,500 `iaf_psc_delta` neurons and 15.6 million static synapses.

--scale is of neurons and of indegrees.
"""

from __future__ import annotations

from typing import Any

from . import _jaxnest, _nest
from ._request import Request, Spec

SPEC = Spec()
NEURON = {"tau_m": 20.0, "C_m": 1.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 20.0, "t_ref": 2.0, "V_m": 0.0}
WEIGHT, G, DRIVE, DELAY = 0.1, 5.0, 20_000.0, 1.5  # mV, -, spikes/s, ms


def sizes(scale: float) -> tuple[int, int, int, int]:
    """Excitatory and inhibitory neurons, and indegrees from each."""
    return round(10_000 * scale), round(2_500 * scale), round(1_000 * scale), round(250 * scale)


def describe_jaxnest(jn: Any, request: Request) -> tuple[Any, Any]:
    """The network and its spike_recorder."""
    n_exc, n_inh, c_exc, c_inh = sizes(request.scale)
    net = jn.Network(seed=request.seed)
    cells = net.create("iaf_psc_delta", n_exc + n_inh, name="cells", **NEURON)
    noise = net.create("poisson_generator", name="noise", rate=DRIVE)
    net.connect(noise, cells, weight=WEIGHT, delay=DELAY)
    net.connect(cells[:n_exc], cells, jn.fixed_indegree(c_exc), weight=WEIGHT, delay=DELAY)
    net.connect(cells[n_exc:], cells, jn.fixed_indegree(c_inh), weight=-G * WEIGHT, delay=DELAY)
    recorder = net.create("spike_recorder", name="recorder")
    net.connect(cells, recorder)
    return net, recorder


def describe_nest(nest: Any, request: Request) -> list[Any]:
    """Creates the network; its spike_recorder."""
    n_exc, n_inh, c_exc, c_inh = sizes(request.scale)
    cells = nest.Create("iaf_psc_delta", n_exc + n_inh, NEURON)
    noise = nest.Create("poisson_generator", params={"rate": DRIVE})
    nest.Connect(noise, cells, syn_spec={"weight": WEIGHT, "delay": DELAY})
    for source, indegree, weight in ((cells[:n_exc], c_exc, WEIGHT), (cells[n_exc:], c_inh, -G * WEIGHT)):
        nest.Connect(source, cells, {"rule": "fixed_indegree", "indegree": indegree}, {"weight": weight, "delay": DELAY})
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    return [recorder]


def jaxnest(request: Request) -> dict[str, Any]:
    n_exc, n_inh, c_exc, c_inh = sizes(request.scale)
    n = n_exc + n_inh
    found, sim, recorder = _jaxnest.measure(request, lambda jn: describe_jaxnest(jn, request), n * (c_exc + c_inh))
    return found | _jaxnest.spiking(sim, recorder, [n_exc, n_inh], [n * c_exc, n * c_inh])


def nest(request: Request) -> dict[str, Any]:
    n_exc, n_inh, *_ = sizes(request.scale)
    return _nest.measure(request, lambda module: describe_nest(module, request), n_exc + n_inh)
