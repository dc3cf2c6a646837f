"""Rate neurons, siegert_neuron, gap junctions: the same code on NEST and on jaxnest."""

import numpy as np
import pytest


def ends(pre, post, spec, n=1, rule="one_to_one"):
    """Connecting two nodes of these models, and what is there then."""

    def made(nest):
        nest.Connect(nest.Create(pre, n), nest.Create(post, n), rule, spec)
        connections = nest.GetConnections()
        return (
            connections.get(["source", "target", "weight", "delay", "synapse_model", "receptor"]),
            nest.min_delay,
            nest.max_delay,
        )

    return made


MADE = [
    ends("lin_rate_ipn", "tanh_rate_opn", {"synapse_model": "rate_connection_instantaneous", "weight": -0.5}),
    ends("lin_rate_ipn", "rate_transformer_sigmoid", {"synapse_model": "rate_connection_delayed", "weight": 2.0, "delay": 1.5}),
    ends("lin_rate_ipn", "siegert_neuron", {"synapse_model": "rate_connection_instantaneous"}),
    ends("iaf_psc_alpha", "lin_rate_ipn", {"synapse_model": "rate_connection_delayed"}),
    ends("lin_rate_ipn", "iaf_psc_alpha", {"synapse_model": "rate_connection_delayed"}),
    ends("lin_rate_ipn", "lin_rate_ipn", {"synapse_model": "rate_connection_instantaneous", "delay": 2.0}),
    ends("lin_rate_ipn", "lin_rate_ipn", {"synapse_model": "rate_connection_delayed", "receptor_type": 2}),
    ends("lin_rate_ipn", "lin_rate_ipn", {}),
    ends("lin_rate_ipn", "iaf_psc_alpha", {"synapse_model": "stdp_synapse"}),
    ends("iaf_psc_alpha", "lin_rate_ipn", {}),
    ends("lin_rate_ipn", "spike_recorder", {}),
    ends("poisson_generator", "lin_rate_ipn", {}),
    ends("dc_generator", "lin_rate_ipn", {}),
    ends("siegert_neuron", "siegert_neuron", {"synapse_model": "diffusion_connection", "weight": 2.0}),
    ends("siegert_neuron", "siegert_neuron", {"synapse_model": "diffusion_connection", "delay": 2.0}),
    ends("hh_psc_alpha_gap", "hh_psc_alpha_gap", {"synapse_model": "gap_junction"}),
    ends("hh_psc_alpha_gap", "hh_psc_alpha_gap", {"synapse_model": "gap_junction"}, 2, "all_to_all"),
    ends(
        "hh_psc_alpha_gap",
        "hh_psc_alpha_gap",
        {"synapse_model": "gap_junction"},
        2,
        {"rule": "one_to_one", "make_symmetric": True},
    ),
    ends(
        "hh_psc_alpha_gap", "hh_psc_alpha", {"synapse_model": "gap_junction"}, 1, {"rule": "one_to_one", "make_symmetric": True}
    ),
]


@pytest.mark.parametrize("do", MADE)
def test_connecting(same, do):
    same(do)


STATUS = [
    lambda nest, n: n.get(["mu", "mean", "sigma", "std", "linear_summation", "mult_coupling", "rate", "noise"]),
    lambda nest, n: (n.set(std=2.0), n.get(["sigma", "std"]))[1],
    lambda nest, n: (n.set(mu=[1.0, 2.0]), n.get(["mu", "mean"]))[1],
    lambda nest, n: n.set(sigma=-1.0),
    lambda nest, n: n.set(linear_summation=1.0),
    lambda nest, n: n.set(noise=1.0),
    lambda nest, n: n.get("node_uses_wfr"),
    lambda nest, n: n.get("recordables"),
    lambda nest, n: n.get("element_type"),
    lambda nest, n: nest.GetDefaults("rate_connection_instantaneous", ["has_delay", "requires_symmetric", "weight"]),
    lambda nest, n: nest.GetDefaults("gap_junction", ["has_delay", "requires_symmetric", "weight"]),
    lambda nest, n: nest.SetDefaults("diffusion_connection", {"weight": 2.0}),
    lambda nest, n: nest.SetDefaults("rate_connection_instantaneous", {"delay": 2.0}),
]


@pytest.mark.parametrize("do", STATUS)
def test_properties(same, do):
    same(lambda nest: do(nest, nest.Create("lin_rate_ipn", 2)))


@pytest.mark.parametrize("grows", [False, True])
def test_a_network_that_changes_in_a_run(both, grows):
    """Values that are set, and nodes and connections that come. (These make NEST forget delayed rates that are under way, so there are none then.)"""

    def script(nest):
        nest.set(resolution=0.1, wfr_tol=1e-12, wfr_max_iterations=100)
        a = nest.Create("tanh_rate_ipn", 3, {"sigma": 0.0, "mu": [0.3, -0.2, 0.5], "rate": [0.1, 0.5, -0.3]})
        meter = nest.Create("multimeter", params={"record_from": ["rate"], "interval": 0.5})
        nest.Connect(meter, a)
        if not grows:
            nest.Connect(a, a, syn_spec={"synapse_model": "rate_connection_delayed", "weight": 0.7, "delay": 2.0})
        nest.Connect(a[:1], a[1:], syn_spec={"synapse_model": "rate_connection_instantaneous", "weight": -1.2})
        nest.Simulate(5.0)
        a.tau = 6.0
        nest.GetConnections(synapse_model="rate_connection_instantaneous").weight = 0.4
        if grows:
            b = nest.Create("lin_rate_ipn", 1, {"sigma": 0.0, "g": 0.5})
            nest.Connect(a, b, syn_spec={"synapse_model": "rate_connection_instantaneous", "weight": 0.3})
            nest.Connect(b, a, syn_spec={"synapse_model": "rate_connection_instantaneous", "weight": -0.6})
        nest.Simulate(5.0)
        order = np.lexsort((meter.events["senders"], meter.events["times"]))
        return [*meter.events["rate"][order][:54], *a.rate]

    wanted, found = both(script)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)
