"""Connect: rules, what they refuse, arrays and Parameters as values: the same code on NEST and on jaxnest."""

import numpy as np
import pytest


def rows(nest, *keys):
    c = nest.GetConnections()
    return sorted(zip(*(np.atleast_1d(c.get(k)).tolist() for k in ("source", "target", *keys)), strict=True)) if len(c) else []


SPECS = [
    None, "all_to_all", "one_to_one", {}, "nope", 3, {"rule": 3}, {"rule": "all_to_all", "nope": 1}, {"rule": "all_to_all", "indegree": 1},
    {"rule": "all_to_all", "allow_autapses": 1}, {"rule": "all_to_all", "allow_autapses": False}, {"rule": "all_to_all", "p": 0.5},
    {"rule": "one_to_one", "allow_autapses": False}, {"rule": "one_to_one", "make_symmetric": True},
    {"rule": "all_to_all", "make_symmetric": True}, {"rule": "pairwise_bernoulli", "p": 1.0, "make_symmetric": True},
    {"rule": "fixed_indegree"}, {"rule": "fixed_indegree", "indegree": 2.0}, {"rule": "fixed_indegree", "indegree": -1},
    {"rule": "fixed_indegree", "indegree": 0}, {"rule": "fixed_indegree", "indegree": True}, {"rule": "fixed_indegree", "indegree": "a"},
    {"rule": "fixed_indegree", "indegree": 5, "allow_multapses": False}, {"rule": "fixed_indegree", "indegree": 2**63},
    {"rule": "fixed_indegree", "indegree": 4, "allow_multapses": False}, {"rule": "fixed_outdegree", "outdegree": -1},
    {"rule": "fixed_outdegree", "outdegree": 5, "allow_multapses": False}, {"rule": "fixed_total_number"},
    {"rule": "fixed_total_number", "N": -1}, {"rule": "fixed_total_number", "N": 0}, {"rule": "fixed_total_number", "N": 1.0},
    {"rule": "fixed_total_number", "N": 17, "allow_multapses": False}, {"rule": "fixed_total_number", "N": 9, "allow_multapses": False},
    {"rule": "pairwise_bernoulli"}, {"rule": "pairwise_bernoulli", "p": 1.1}, {"rule": "pairwise_bernoulli", "p": -0.1},
    {"rule": "pairwise_bernoulli", "p": 1}, {"rule": "pairwise_bernoulli", "p": 0.0}, {"rule": "pairwise_bernoulli", "p": "a"},
    {"rule": "pairwise_poisson"}, {"rule": "pairwise_poisson", "pairwise_avg_num_conns": -1.0},
    {"rule": "pairwise_poisson", "pairwise_avg_num_conns": 0.0}, {"rule": "pairwise_poisson", "pairwise_avg_num_conns": 1, "allow_multapses": False},
    {"rule": "symmetric_pairwise_bernoulli", "p": 0.5}, {"rule": "symmetric_pairwise_bernoulli", "p": 0.5, "allow_autapses": False},
    {"rule": "symmetric_pairwise_bernoulli", "p": 1.0, "allow_autapses": False, "make_symmetric": True},
]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("itself", [True, False])
def test_rules(same, spec, itself):
    def pairs(nest):
        n = nest.Create("iaf_psc_alpha", 4)
        nest.Connect(n, n if itself else nest.Create("iaf_psc_alpha", 4), spec)
        return rows(nest)

    same(pairs)


SYNAPSES = [
    ("all_to_all", {"weight": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]}), ("all_to_all", {"weight": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]}),
    ("all_to_all", {"weight": [1.0] * 6}), ({"rule": "pairwise_bernoulli", "p": 1.0}, {"weight": [1.0] * 6}),
    ("all_to_all", {"nope": 1.0}), ("all_to_all", {"synapse_model": "nope"}), ("all_to_all", {"synapse_model": 3}), ("all_to_all", "nope"),
    ("all_to_all", 3), ("all_to_all", [{"weight": 1.0}]), ("all_to_all", {"weight": "a"}), ("all_to_all", {"weight": True}),
    ("all_to_all", {"weight": 2}), ("all_to_all", {"weight": 2**63}), ("all_to_all", {"delay": 0.04}), ("all_to_all", {"delay": 0.05}),
    ("all_to_all", {"delay": 1.26}), ("all_to_all", {"delay": -1.0}), ("all_to_all", {"delay": 2}), ("all_to_all", {"delay": np.inf}),
    ("all_to_all", {"receptor_type": 1}), ("all_to_all", {"synapse_label": 1}),
    ("all_to_all", {"synapse_model": "static_synapse_lbl", "synapse_label": -2}),
    ("all_to_all", {"synapse_model": "stdp_synapse", "alpha": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]}),
    ("all_to_all", {"synapse_model": "stdp_synapse", "nope": 1.0}), ("all_to_all", {"Wmax": 1.0}),
    ({"rule": "fixed_indegree", "indegree": 1}, {"weight": [[1.0], [2.0], [3.0]]}),
    ({"rule": "fixed_indegree", "indegree": 1}, {"weight": [[1.0, 2.0, 3.0]]}),
    ({"rule": "fixed_total_number", "N": 2}, {"weight": [1.0]}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "spec"), SYNAPSES, ids=str)
def test_values(same, rule, spec):
    def made(nest):
        nest.Connect(nest.Create("iaf_psc_alpha", 2), nest.Create("iaf_psc_alpha", 3), rule, spec)
        table = rows(nest, "weight", "delay")
        return [row[1:] for row in table] if "indegree" in str(rule) else table

    same(made)


def test_one_to_one_values_both_ways(same):
    def made(nest):
        spec = {"weight": [1.0, 2.0], "delay": [2.0, 3.0]}
        nest.Connect(
            nest.Create("iaf_psc_alpha", 2),
            nest.Create("iaf_psc_alpha", 2),
            {"rule": "one_to_one", "make_symmetric": True},
            spec,
        )
        return rows(nest, "weight", "delay")

    assert len(same(made)) == 4


def test_parameters_both_ways_are_refused(same):
    def fails(nest):
        n = nest.Create("iaf_psc_alpha", 2)
        nest.Connect(n, n, {"rule": "one_to_one", "make_symmetric": True}, {"weight": nest.random.uniform()})

    assert same(fails) == "NotImplemented"


@pytest.mark.parametrize(
    "spec",
    [
        lambda nest, p: {"rule": "pairwise_bernoulli", "p": p(2.0)},
        lambda nest, p: {"rule": "pairwise_poisson", "pairwise_avg_num_conns": p(0.0)},
        lambda nest, p: {"rule": "fixed_total_number", "N": p(3.0)},
    ],
)
def test_parameters_in_rules(same, spec):
    def made(nest):
        nest.Connect(
            nest.Create("iaf_psc_alpha", 3),
            nest.Create("iaf_psc_alpha", 3),
            spec(nest, lambda v: nest.CreateParameter("constant", {"value": v})),
            {"weight": nest.CreateParameter("constant", {"value": 2.5})},
        )
        return rows(nest, "weight")

    same(made)


@pytest.mark.parametrize("name", ["indegree", "outdegree"])
def test_degree_as_parameter(nest, name):
    n, m = nest.Create("iaf_psc_alpha", 30), nest.Create("iaf_psc_alpha", 40)
    nest.Connect(n, m, {"rule": f"fixed_{name}", name: 1 + nest.random.uniform_int(4), "allow_multapses": False})
    c = nest.GetConnections()
    nodes, side = (m, c.target) if name == "indegree" else (n, c.source)
    counts = np.bincount(side, minlength=71)[list(nodes.global_id)]
    assert set(counts) == {1, 2, 3, 4}
    assert len(set(zip(c.source, c.target, strict=True))) == len(c)


def test_symmetric_between_populations(nest):
    """Truncated binomial numbers for the targets, and as many connections back."""
    n, m = nest.Create("iaf_psc_alpha", 20), nest.Create("iaf_psc_alpha", 300)
    nest.Connect(n, m, {"rule": "symmetric_pairwise_bernoulli", "p": 0.3, "allow_autapses": False, "make_symmetric": True})
    c = nest.GetConnections()
    pairs = list(zip(c.source, c.target, strict=True))
    forward = [p for p in pairs if p[0] <= 20]
    assert len(set(pairs)) == len(pairs) and sorted((t, s) for s, t in forward) == sorted(set(pairs) - set(forward))
    assert abs(len(forward) - 1800) < 6 * np.sqrt(6000 * 0.3 * 0.7)


def test_too_few_sources_apart_from_itself():
    """NEST searches for ever here."""
    import jaxnest.nest as nest

    nest.ResetKernel()
    n = nest.Create("iaf_psc_alpha", 4)
    with pytest.raises(nest.NESTErrors.BadProperty):
        nest.Connect(n, n, {"rule": "fixed_indegree", "indegree": 4, "allow_multapses": False, "allow_autapses": False})


@pytest.mark.parametrize(
    ("pre", "post", "rule"),
    [
        ([1, 2], [3, 4], None), ([1, 1], [3, 4], "one_to_one"), ([1, 1], [3, 4], None), ([1, 2, 2], [3, 4], "one_to_one"),
        ([2, 1], [3, 4], None), ([2, 1], [3, 4], "one_to_one"), ([1.0, 2.0], [3, 4], "one_to_one"), ([1, 2], [3, 9], "one_to_one"),
        ([[1, 2]], [[3, 4]], "one_to_one"),
    ],
    ids=str,
)  # fmt: skip
def test_ids(same, pre, post, rule):
    def made(nest):
        nest.Create("iaf_psc_alpha", 4)
        nest.Connect(pre, post, rule, {"synapse_model": "static_synapse"})
        return rows(nest)

    same(made)


@pytest.mark.parametrize(
    ("pre", "post"),
    [
        ("spike_recorder", "iaf_psc_alpha"),
        ("iaf_psc_alpha", "multimeter"),
        ("iaf_psc_alpha", "poisson_generator"),
        ("iaf_psc_alpha", "voltmeter"),
    ],
)
def test_illegal(same, pre, post):
    def fails(nest):
        nest.Connect(nest.Create(pre), nest.Create(post))

    assert same(fails, "Creation of connection is not possible") == "IllegalConnection"


def test_a_failed_connect_changes_nothing(nest):
    n = nest.Create("iaf_psc_alpha", 3)
    nest.Connect(n, n)
    with pytest.raises(nest.NESTErrors.BadDelay):
        nest.Connect(n, n, syn_spec={"delay": 0.01})
    assert nest.num_connections == 9


def test_parameters_need_positions(same):
    def fails(nest):
        n = nest.Create("iaf_psc_alpha", 3)
        nest.Connect(n, n, {"rule": "pairwise_bernoulli", "p": nest.spatial.distance})

    assert same(fails) == "TypeError"


def test_weights_by_distance(same):
    def made(nest):
        layer = nest.Create("iaf_psc_alpha", positions=nest.spatial.free([[0.0, 0.0], [3.0, 4.0]], extent=[20.0, 20.0]))
        nest.Connect(layer, layer, {"rule": "pairwise_bernoulli", "p": 1.0}, {"weight": nest.spatial.distance, "delay": 1.5})
        return rows(nest, "weight", "delay")

    same(made)
