"""SynapseCollection, GetConnections, Disconnect: the same code on NEST and on jaxnest."""

import numpy as np
import pytest


def network(nest):
    n = nest.Create("iaf_psc_alpha", 4)
    nest.Connect(n[:2], n[:2], "one_to_one", {"weight": [1.0, 2.0], "delay": [1.5, 2.5]})
    nest.Connect(n[2:3], n[2:], "all_to_all", {"synapse_model": "stdp_synapse"})
    nest.Connect(n[:1], n[3:], "all_to_all", {"synapse_model": "static_synapse_lbl", "synapse_label": 7})
    return n


READS = [
    lambda nest, n, c: c,
    lambda nest, n, c: c[0],
    lambda nest, n, c: c.get("weight"),
    lambda nest, n, c: c[0].get("weight"),
    lambda nest, n, c: c.get(["source", "target", "target_thread", "synapse_model", "port", "receptor", "delay"]),
    lambda nest, n, c: c[0].get(("weight", "delay")),
    lambda nest, n, c: c.get("alpha"),
    lambda nest, n, c: c.alpha,
    lambda nest, n, c: c.get(1),
    lambda nest, n, c: c[0].get("nope"),
    lambda nest, n, c: c.get(["nope", "weight"]),
    lambda nest, n, c: sorted(c.get()),
    lambda nest, n, c: c.get(["weight", "delay"], output="json"),
    lambda nest, n, c: c.get(["weight", "delay"], output="pandas").to_dict("list"),
    lambda nest, n, c: [x.source for x in c],
    lambda nest, n, c: c[1:3].source,
    lambda nest, n, c: c[-1].source,
    lambda nest, n, c: c[100],
    lambda nest, n, c: c[[0, 1]],
    lambda nest, n, c: c == nest.GetConnections(),
    lambda nest, n, c: c == 1,
    lambda nest, n, c: list(c.sources()) + list(c.targets()),
    lambda nest, n, c: nest.GetConnections(synapse_label=99).get("weight"),
    lambda nest, n, c: nest.GetConnections(synapse_label=99).get(),
    lambda nest, n, c: len(nest.GetConnections(synapse_label=99)),
    lambda nest, n, c: str(nest.GetConnections(synapse_label=99)),
    lambda nest, n, c: nest.GetConnections("a"),
    lambda nest, n, c: nest.GetConnections([1, 2]),
    lambda nest, n, c: nest.GetConnections(synapse_model="nope"),
    lambda nest, n, c: nest.GetConnections(synapse_model=3),
    lambda nest, n, c: nest.GetConnections(synapse_label=1.0),
    lambda nest, n, c: nest.GetConnections(n[:1], n, "static_synapse_lbl", 7).target,
    lambda nest, n, c: (nest.Connect(n, n), c.weight)[1],
]


@pytest.mark.parametrize("read", READS)
def test_read(same, read):
    same(lambda nest: read(nest, network(nest), nest.GetConnections()))


SETTINGS = [
    {"weight": 3.0}, {"weight": [1.0, 2.0, 3.0, 4.0, 5.0]}, {"weight": [1.0, 2.0]},
    {"weight": [2.0] * 7}, {"weight": np.arange(1.0, 6.0)}, {"weight": 4},
    {"weight": 1.0, "delay": 2.0}, [{"weight": float(i + 1)} for i in range(5)], [{"weight": 9.0}, {"delay": 3.0}, {}, {}, {}],
    [{"weight": 1.0}], {"nope": 1}, {"alpha": 2.0}, "weight", 3, {"source": 1}, {"synapse_model": "stdp_synapse"},
    {"delay": 0.0}, {"delay": 0.05}, {"delay": 1.26}, {"delay": -1.0}, {"weight": 2**63}, {"weight": True}, {"synapse_label": 3},
]  # fmt: skip


@pytest.mark.parametrize("params", SETTINGS, ids=str)
def test_set(same, params):
    def values(nest):
        network(nest)
        connections = nest.GetConnections()
        connections.set(params)
        return connections.get(["weight", "delay"]), connections.alpha, connections[2].synapse_label

    same(values)


def test_set_attribute(same):
    def values(nest):
        network(nest)
        connections = nest.GetConnections()
        connections.weight = [1.0, 2.0, 3.0, 4.0, 5.0]
        connections[1].delay = 3.0
        return connections.get(["weight", "delay"])

    same(values)
    same(lambda nest: (network(nest), setattr(nest.GetConnections(), "nope", 1.0)))


def test_a_label_by_default(same):
    def labels(nest):
        nest.SetDefaults("static_synapse_lbl", {"synapse_label": 9})
        cells = nest.Create("iaf_psc_alpha", 2)
        nest.Connect(cells, cells, syn_spec="static_synapse_lbl")
        nest.Connect(cells[:1], cells[1:], syn_spec={"synapse_model": "static_synapse_lbl", "synapse_label": 4})
        return nest.GetConnections().get(["synapse_label", "weight"])

    assert 9 in same(labels)["synapse_label"]


def test_parameter_is_refused(same):
    def fails(nest):
        network(nest)
        nest.GetConnections().set(weight=nest.random.uniform(1.0, 2.0))

    assert same(fails) == "TypeMismatch"


@pytest.mark.parametrize(
    "do",
    [
        lambda nest, n: nest.Disconnect(n[:1], n[:1]),
        lambda nest, n: nest.Disconnect(n[:1], n[1:2]),
        lambda nest, n: nest.Disconnect(
            n[2:3], n[2:], conn_spec={"rule": "all_to_all"}, syn_spec={"synapse_model": "stdp_synapse"}
        ),
        lambda nest, n: nest.Disconnect(n[2:3], n[2:]),
        lambda nest, n: nest.Disconnect(n[:1], n[:1], syn_spec="nope"),
        lambda nest, n: nest.Disconnect(nest.GetConnections()[:3]),
        lambda nest, n: nest.Disconnect([1], n[2:]),
        lambda nest, n: nest.Disconnect(1),
        lambda nest, n: nest.Disconnect(),
        lambda nest, n: nest.Disconnect(n[2:3], n[2:], conn_spec="fixed_indegree"),
    ],
)
def test_disconnect(same, do):
    def left(nest):
        n = network(nest)
        do(nest, n)
        c = nest.GetConnections()
        return list(zip(c.source, c.target, c.synapse_model, strict=True))

    same(left)


@pytest.mark.parametrize("threads", [1, 3])
def test_ports_and_threads(same, threads):
    """Each source has one target a thread and model: then NEST's order among them is known."""

    def table(nest):
        nest.local_num_threads = threads
        n, g, r = nest.Create("iaf_psc_alpha", 3), nest.Create("poisson_generator", 2), nest.Create("spike_recorder", 2)
        s, m = nest.Create("spike_generator", 2), nest.Create("multimeter")
        nest.Connect(n, n, "one_to_one")
        nest.Connect(g, n, "all_to_all")
        nest.Connect(s, n, "all_to_all")
        nest.Connect(n, r, "all_to_all")
        nest.Connect(m, n)
        rows = []
        for c in (nest.GetConnections(), nest.GetConnections(n[1:]), nest.GetConnections(target=n[2])):
            rows.append(sorted(zip(c.source, c.target, c.target_thread, c.port, strict=True)))
        return rows

    same(table)


def test_reset_leaves_nothing(nest):
    network(nest)
    connections = nest.GetConnections()
    nest.ResetKernel()
    assert connections.get() == {} and connections.get("weight") == ()
    connections.set(weight=3.0)


def test_distances(same):
    def values(nest):
        layer = nest.Create(
            "iaf_psc_alpha", positions=nest.spatial.free([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]], extent=[30.0, 30.0])
        )
        nest.Connect(layer[:1], layer[2], "one_to_one")
        return nest.GetConnections().distance

    same(values)
