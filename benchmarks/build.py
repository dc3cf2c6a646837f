"""Time to build alone: three rules at the size of Brunel's network, and that network itself.

12,500 `iaf_psc_delta` neurons, 15.6 million static synapses of one weight and delay. build_s has all that precedes
a first run but XLA's compilation; in NEST creation, connection and preparation. ratio compares build_s, and
peer_sim_s is the peer's build_s. peak/final: what the largest resident memory of the build exceeds that before it, over
the bytes of the tables that are kept.
"""

from __future__ import annotations

from typing import Any

from . import _jaxnest, _nest, brunel
from ._request import Request, Spec

SPEC = Spec(
    cases=("fixed_indegree", "fixed_total_number", "pairwise_bernoulli", "brunel"),
    timed="build_s",
    # a Bernoulli number has a standard deviation of 0.02 % of 15.6 million, and of 1 % at --scale 0.02
    same={"synapses": 0.02},
)


def jaxnest(request: Request) -> dict[str, Any]:
    n, indegree = _sizes(request)

    def describe(jn: Any) -> tuple[Any, Any]:
        if request.case == "brunel":
            return brunel.describe_jaxnest(jn, request)
        net = jn.Network(seed=request.seed)
        cells = net.create("iaf_psc_delta", n, **brunel.NEURON)
        rule = {
            "fixed_indegree": lambda: jn.fixed_indegree(indegree),
            "fixed_total_number": lambda: jn.fixed_total_number(n * indegree),
            "pairwise_bernoulli": lambda: jn.pairwise_bernoulli(indegree / n),
        }[request.case]()
        net.connect(cells, cells, rule, weight=brunel.WEIGHT, delay=brunel.DELAY)
        return net, None

    found, sim, _ = _jaxnest.measure(request, describe, n * indegree, run=False)
    drives = n if request.case == "brunel" else 0
    return found | {"synapses": sum(map(len, sim.network.projections)) - drives}


def nest(request: Request) -> dict[str, Any]:
    import nest

    n, indegree = _sizes(request)

    def describe(_: Any) -> list[Any]:
        if request.case == "brunel":
            return brunel.describe_nest(nest, request)
        cells = nest.Create("iaf_psc_delta", n, brunel.NEURON)
        numbers = {
            "fixed_indegree": {"indegree": indegree},
            "fixed_total_number": {"N": n * indegree},
            "pairwise_bernoulli": {"p": indegree / n},
        }[request.case]
        nest.Connect(cells, cells, {"rule": request.case, **numbers}, {"weight": brunel.WEIGHT, "delay": brunel.DELAY})
        return []

    found = _nest.measure(request, describe, n, run=False)
    devices = 2 * n if request.case == "brunel" else 0
    return found | {"synapses": nest.num_connections - devices}


def _sizes(request: Request) -> tuple[int, int]:
    """Neurons, and connections onto each."""
    n_exc, n_inh, c_exc, c_inh = brunel.sizes(request.scale)
    return n_exc + n_inh, c_exc + c_inh
