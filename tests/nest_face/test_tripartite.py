"""TripartiteConnect, and networks of neurons and astrocytes, next to live NEST."""

from collections import Counter

import numpy as np
import pytest

import jaxnest.nest as face

THIRD = {"rule": "third_factor_bernoulli_with_pool"}
ALL = {"rule": "all_to_all"}
SIC = {"third_out": "sic_connection"}


def parrots(nest, *sizes):
    return [nest.Create("parrot_neuron", n) for n in sizes]


def pairs(nest, pre, post):
    """Places of sources and targets of all connections, each (n,)."""
    found = nest.GetConnections(pre, post)
    first = [nodes[0].global_id for nodes in (pre, post)]
    return np.array(list(found.sources())) - first[0], np.array(list(found.targets())) - first[1]


@pytest.mark.parametrize(("sizes", "size"), [((3, 4, 4), 1), ((3, 6, 2), 1), ((3, 2, 6), 3)])
def test_pools_that_are_blocks(nest, sizes, size):
    """Each target has its own pool, in the order of the collections."""
    pre, post, third = parrots(nest, *sizes)
    nest.TripartiteConnect(pre, post, third, ALL, {**THIRD, "pool_type": "block", "pool_size": size})
    source, target = pairs(nest, third, post)
    first = target * size if size > 1 else target * sizes[2] // sizes[1]
    assert ((source >= first) & (source < first + size)).all()
    assert len(source) == len(pairs(nest, pre, third)[0]) == sizes[0] * sizes[1]
    if size == 1:  # all is certain
        joined = Counter(zip(*pairs(nest, pre, third), strict=True))
        expected = Counter((s, t * sizes[2] // sizes[1]) for s in range(sizes[0]) for t in range(sizes[1]))
        assert joined == expected


def test_statistics_of_random_pools(nest):
    """Connections with a third factor, nodes of a pool, and how often each is drawn."""
    nest.rng_seed = 3
    pre, post, third = parrots(nest, 40, 60, 30)
    primary = {"rule": "pairwise_bernoulli", "p": 0.5}
    nest.TripartiteConnect(pre, post, third, primary, {**THIRD, "p": 0.4, "pool_size": 5})
    n = len(nest.GetConnections(pre, post))
    out, into = pairs(nest, third, post), pairs(nest, pre, third)
    made = len(out[0])
    assert abs(n - 1200) < 4 * np.sqrt(600)
    assert abs(made - 0.4 * n) < 4 * np.sqrt(0.24 * n)
    np.testing.assert_array_equal(np.bincount(out[0], minlength=30), np.bincount(into[1], minlength=30))
    sizes = [len(np.unique(out[0][out[1] == k])) for k in range(60)]
    assert max(sizes) == 5
    assert np.mean(sizes) == pytest.approx(4.1, abs=0.35)  # of 5, with 8 draws
    assert len(np.unique(out[0])) == 30
    degree = np.bincount(out[1], minlength=60)
    assert np.var(degree) == pytest.approx(40 * 0.2 * 0.8, rel=0.6)


def test_probability_0_and_1(nest):
    for p, expected in ((0, 0), (1.0, 12)):
        nest.ResetKernel()
        pre, post, third = parrots(nest, 3, 4, 5)
        nest.TripartiteConnect(pre, post, third, ALL, {**THIRD, "p": p})
        assert [len(nest.GetConnections(*ends)) for ends in ((pre, post), (pre, third), (third, post))] == [
            12,
            expected,
            expected,
        ]


REFUSED = {
    "no rule": ({}, THIRD, None),
    "no third rule": (ALL, {}, None),
    "unknown rule": ({"rule": "tripartite_bernoulli_with_pool"}, THIRD, None),
    "unknown third rule": (ALL, {"rule": "one_to_one"}, None),
    "symmetric": ({"rule": "one_to_one", "make_symmetric": True}, THIRD, None),
    "symmetric third": (ALL, {**THIRD, "make_symmetric": True}, None),
    "not a flag": (ALL, {**THIRD, "make_symmetric": "no"}, None),
    "unknown key": ({**ALL, "foo": 1}, THIRD, None),
    "mask": ({"rule": "pairwise_bernoulli", "p": 1.0, "mask": {"circular": {"radius": 1.0}}}, THIRD, None),
    "unknown key of synapses": (ALL, THIRD, {"third_in": {"foo": 1}}),
    "unknown synapse": (ALL, THIRD, {"third_out": "foo"}),
    "list": (ALL, THIRD, {"primary": {"weight": [1.0, 2.0]}}),
    "p < 0": (ALL, {**THIRD, "p": -0.1}, None),
    "p > 1": (ALL, {**THIRD, "p": 1.1}, None),
    "p is text": (ALL, {**THIRD, "p": "a"}, None),
    "pool too large": (ALL, {**THIRD, "pool_size": 9}, None),
    "no pool": (ALL, {**THIRD, "pool_size": 0}, None),
    "pool_size is a float": (ALL, {**THIRD, "pool_size": 2.0}, None),
    "pool_type": (ALL, {**THIRD, "pool_type": "foo"}, None),
    "pool_type is a number": (ALL, {**THIRD, "pool_type": 1}, None),
    "blocks do not fit": (ALL, {**THIRD, "pool_type": "block", "pool_size": 4}, None),
    "other degree": ({"rule": "one_to_one"}, THIRD, None),
}


@pytest.mark.parametrize("what", REFUSED)
def test_errors(same, what):
    def connect(nest):
        conn_spec, third_spec, syn_specs = REFUSED[what]
        nest.TripartiteConnect(*parrots(nest, 3, 4, 8), conn_spec, third_spec, syn_specs and dict(syn_specs))

    assert isinstance(same(connect), str)


@pytest.mark.parametrize("place", range(3))
def test_collections_that_are_none_or_empty(same, place):
    for wrong in (lambda nest: nest.NodeCollection([]), lambda nest: [1]):

        def connect(nest, wrong=wrong):
            nodes = parrots(nest, 2, 2, 2)
            nodes[place] = wrong(nest)
            nest.TripartiteConnect(*nodes, ALL, THIRD)

        assert same(connect) in ("IllegalConnection", "TypeError")


def test_an_astrocyte_sends_by_sic_connection_alone(same):
    def connect(nest):
        models = ("parrot_neuron", "aeif_cond_alpha_astro", "astrocyte_lr_1994")
        nest.TripartiteConnect(*(nest.Create(model, 2) for model in models), ALL, THIRD)

    assert same(connect) == "IllegalConnection"


@pytest.mark.parametrize(
    ("given", "error"),
    [({"foo": 1}, "UnaccessedDictionaryEntry"), ({"p": np.nan}, "BadProperty"), ({"allow_autapses": False}, "NotImplemented")],
)
def test_what_nest_ignores_is_refused(given, error):
    face.ResetKernel()
    with pytest.raises(getattr(face.NESTErrors, error)):
        face.TripartiteConnect(*parrots(face, 2, 2, 2), ALL, {**THIRD, **given})
    assert face.num_connections == 0


def test_no_device_is_a_third_factor():
    face.ResetKernel()
    pre, post = parrots(face, 2, 2)
    with pytest.raises(face.NESTErrors.IllegalConnection, match="without proxies"):
        face.TripartiteConnect(pre, post, face.Create("spike_recorder"), ALL, THIRD)
    assert face.num_connections == 0


def test_what_nodes_and_connections_show(same):
    def shown(nest):
        astrocyte, cell = nest.Create("astrocyte_lr_1994", params={"IP3_0": 0.2}), nest.Create("aeif_cond_alpha_astro")
        nest.Connect(astrocyte, cell, syn_spec={"synapse_model": "sic_connection", "weight": 2.0})
        nodes = [{k: v for k, v in node.get().items() if k != "model_id"} for node in (astrocyte, cell)]
        keys = ["source", "target", "weight", "delay", "synapse_model", "port", "receptor", "sizeof"]
        return *nodes, nest.GetConnections().get(keys)

    assert same(shown)[0]["IP3"] == 0.16


def test_a_network_of_neurons_and_astrocytes(both):
    """With pools of one, nothing is left to chance."""

    def simulate(nest):
        cells = nest.Create("aeif_cond_alpha_astro", 4, {"I_e": [700.0, 650.0, 300.0, 400.0]})
        astrocytes = nest.Create("astrocyte_lr_1994", 2, {"IP3": [1.0, 0.5], "Ca_astro": 0.25, "delta_IP3": 0.02})
        specs = {"third_out": {"synapse_model": "sic_connection", "weight": 5.0, "delay": 0.7}, "third_in": {"delay": 0.3}}
        pools = {**THIRD, "pool_type": "block", "pool_size": 1}
        nest.TripartiteConnect(cells, cells, astrocytes, {**ALL, "allow_autapses": False}, pools, specs)
        meter = nest.Create("multimeter", params={"record_from": ["V_m", "I_SIC"], "interval": 0.1})
        nest.Connect(meter, cells)
        nest.Simulate(60.0)
        nest.Simulate(40.0)
        order = np.lexsort((meter.events["senders"], meter.events["times"]))
        return *(np.asarray(meter.events[key])[order] for key in ("V_m", "I_SIC")), np.asarray(astrocytes.get("IP3"))

    wanted, found = both(simulate)
    assert wanted[1].max() > 50.0
    assert wanted[2].max() > 1.0
    for a, b, tolerance in zip(wanted, found, (1e-7, 1e-9, 1e-12), strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=tolerance)


def test_currents_under_way_when_a_connection_is_made(both):
    """NEST loses them, jaxnest does not."""

    def simulate(nest):
        astrocyte, cells = nest.Create("astrocyte_lr_1994", params={"Ca_astro": 0.3}), nest.Create("aeif_cond_alpha_astro", 2)
        meter = nest.Create("multimeter", params={"record_from": ["I_SIC"], "interval": 0.1})
        nest.Connect(meter, cells)
        for cell, delay in zip(cells, (0.5, 0.8), strict=True):
            nest.Connect(astrocyte, cell, syn_spec={"synapse_model": "sic_connection", "delay": delay})
            nest.Simulate(2.0)
        order = np.lexsort((meter.events["senders"], meter.events["times"]))
        return np.asarray(meter.events["I_SIC"])[order].reshape(-1, 2)

    wanted, found = both(simulate)
    np.testing.assert_allclose(found[:20], wanted[:20], atol=1e-12)
    np.testing.assert_allclose(found[28:], wanted[28:], atol=1e-12)
    assert not wanted[20:24].any()
    assert found[22:28].all()
    np.testing.assert_allclose(found[27:, 1], found[24:-3, 0], atol=1e-12)
