"""Neuromodulated plasticity by NEST's functions: the same script on NEST and here."""

import numpy as np
import pytest

RULE = {"tau_plus": 17.0, "tau_c": 50.0, "tau_n": 30.0, "A_plus": 0.5, "A_minus": 0.65, "b": 0.1, "Wmin": 15.0, "Wmax": 70.0}


def network(nest, suffix="", interval=1, recorder=False):
    """A few neurons each way, dopaminergic ones that are driven, and plastic synapses with mixed delays and multapses."""
    rng = np.random.default_rng(5)
    transmitter = nest.Create("volume_transmitter", params={"deliver_interval": interval})
    nodes = {}
    for name, model, n in (("pre", "parrot_neuron", 4), ("post", "iaf_psc_exp", 5), ("dopa", "iaf_psc_alpha", 3)):
        times = [{"spike_times": np.round(np.flatnonzero(rng.random(1900) < 0.03) * 0.1 + 1.0, 1)} for _ in range(n)]
        drive = nest.Create("spike_generator", n, times)
        nodes[name] = nest.Create(model, n)
        nest.Connect(drive, nodes[name], "one_to_one", {"weight": 1 if name == "pre" else 2500.0, "delay": 0.9})
        if name != "pre":
            nodes[name].tau_minus = 15.0
    inhibition = nest.Create("poisson_generator", params={"rate": 10.0})
    nest.Connect(inhibition, nodes["post"][:1], syn_spec={"weight": -1.0})
    for node, delay in zip(nodes["dopa"], (0.8, 1.5, 2.3), strict=True):
        nest.Connect(node, transmitter, syn_spec={"delay": delay, "weight": -3.0})
    common = {"volume_transmitter": transmitter, **RULE}
    if recorder:
        common["weight_recorder"] = recorder = nest.Create("weight_recorder")
    nest.CopyModel(f"stdp_dopamine_synapse{suffix}", "plastic", common)
    n = 30
    ends = [np.array(nodes[k].tolist())[rng.integers(0, len(nodes[k]), n)] for k in ("pre", "post")]
    given = {
        "weight": rng.uniform(20, 60, n),
        "delay": np.round(rng.permutation(np.arange(8, 8 + n)) * 0.1, 1),
        "c": rng.uniform(-1, 1, n),
    }
    nest.Connect(*ends, "one_to_one", {"synapse_model": "plastic", **given})
    return transmitter, nodes, recorder


def synapses(nest):
    found = nest.GetConnections(synapse_model="plastic")
    columns = {k: np.array(found.get(k)) for k in ("source", "target", "delay", "weight", "c", "n", "Kplus")}
    order = np.lexsort([columns[k] for k in ("delay", "target", "source")])
    return {k: v[order] for k, v in columns.items()}


def compare(wanted, got, rtol=1e-9):
    assert wanted.keys() == got.keys()
    for key, value in wanted.items():
        assert value.shape == got[key].shape, key
        np.testing.assert_allclose(got[key], value, rtol=rtol, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("suffix, interval", [("", 1), ("_hpc", 4)])
def test_network(both, suffix, interval):
    """What connections show after each of several runs, and all weights that were sent."""

    def script(nest):
        _, _, recorder = network(nest, suffix, interval, recorder=True)
        found = {}
        for k, time in enumerate((80.0, 0.3, 39.7, 100.0)):
            nest.Simulate(time)
            found |= {f"{k}: {key}": v for key, v in synapses(nest).items() if interval == 1 or key not in ("c", "n")}
        e = recorder.get("events")
        order = np.lexsort([e[k] for k in ("weights", "times", "targets", "senders")])
        return found | {f"events: {k}": np.asarray(v, float)[order] for k, v in e.items() if k != "ports"}

    wanted, got = both(script)
    assert len(wanted["events: weights"]) > 200
    assert (wanted["3: weight"] == RULE["Wmax"]).any() and len(np.unique(wanted["3: weight"])) > 5
    compare(wanted, got)


def test_going_on_after_more_was_connected(both):
    """Synapses and the transmitter's history outlive new nodes and connections, another transmitter and other properties."""

    def script(nest):
        _, nodes, _ = network(nest)
        nest.Simulate(60.0)
        other = nest.Create("volume_transmitter")
        nest.Connect(nodes["dopa"], other, syn_spec={"delay": 0.8})
        nest.Connect(
            nodes["pre"][:2], nodes["post"][:2], "one_to_one", {"synapse_model": "plastic", "weight": 33.0, "delay": 1.0}
        )
        nest.Simulate(60.0)
        found = {f"0: {k}": v for k, v in synapses(nest).items()}
        nest.GetConnections(synapse_model="plastic").set(weight=40.0)
        nest.SetDefaults("plastic", {"volume_transmitter": other, "A_plus": 5.0})
        nest.Simulate(80.0)
        return found | {f"1: {k}": v for k, v in synapses(nest).items()}

    compare(*both(script))


def test_defaults(same):
    def shown(nest):
        found = nest.GetDefaults("stdp_dopamine_synapse")
        drop = ("synapse_modelid", "weight_recorder")
        return {k: v for k, v in found.items() if k not in drop}

    same(shown)

    def transmitter(nest):
        found = nest.GetDefaults("volume_transmitter")
        return {k: v for k, v in found.items() if k not in ("model_id", "elementsize")} | {
            "node": {k: v for k, v in nest.Create("volume_transmitter").get().items() if k != "model_id"}
        }

    same(transmitter)


@pytest.mark.parametrize("suffix", ["", "_hpc", "_lbl"])
def test_transmitter_belongs_to_the_model(same, suffix):
    model = f"stdp_dopamine_synapse{suffix}"

    def script(nest):
        vt = nest.Create("volume_transmitter", 2)
        nest.SetDefaults(model, {"volume_transmitter": vt[0]})
        nest.CopyModel(model, "other", {"volume_transmitter": vt[1], "b": 2.0})
        nest.CopyModel(model, "like")
        return [nest.GetDefaults(m, "volume_transmitter").tolist() for m in (model, "other", "like")]

    assert same(script) == [[1], [2], [1]]


CONNECT = "stdp_dopamine_synapse"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda nest, vt, n: nest.Connect(n, n, syn_spec=CONNECT),
        lambda nest, vt, n: nest.SetDefaults(CONNECT, {"volume_transmitter": vt}),
        lambda nest, vt, n: nest.SetDefaults(CONNECT, {"volume_transmitter": n[0]}),
        lambda nest, vt, n: nest.SetDefaults(CONNECT, {"volume_transmitter": 1}),
        lambda nest, vt, n: nest.SetDefaults(CONNECT, {"vt": 1}),
        lambda nest, vt, n: nest.Connect(n, n, syn_spec={"synapse_model": CONNECT, "volume_transmitter": vt[0]}),
        lambda nest, vt, n: nest.Connect(n, n, syn_spec={"synapse_model": CONNECT, "b": 1.0}),
        lambda nest, vt, n: nest.Connect(n, n, syn_spec={"synapse_model": CONNECT, "vt": 1.0}),
        lambda nest, vt, n: nest.Connect(vt, n),
        lambda nest, vt, n: nest.Connect(vt, nest.Create("spike_recorder")),
        lambda nest, vt, n: nest.Connect(nest.Create("spike_generator"), vt),
        lambda nest, vt, n: nest.Connect(nest.Create("poisson_generator"), vt),
        lambda nest, vt, n: nest.Connect(nest.Create("multimeter"), vt),
        lambda nest, vt, n: nest.Connect(n, vt, syn_spec="stdp_synapse"),
        lambda nest, vt, n: nest.Connect(n, vt, syn_spec={"receptor_type": 1}),
        lambda nest, vt, n: nest.Connect(n, vt, {"rule": "fixed_indegree", "indegree": 1}),
        lambda nest, vt, n: vt[0].set(deliver_interval=2.0),
        lambda nest, vt, n: vt[0].set(V_m=2.0),
    ],
)
def test_errors_are_those_of_nest(same, wrong):
    name = same(lambda nest: wrong(nest, nest.Create("volume_transmitter", 2), nest.Create("parrot_neuron", 2)))
    assert isinstance(name, str)


def test_common_properties_are_not_those_of_a_connection(same):
    def connected(nest, key):
        vt, n = nest.Create("volume_transmitter"), nest.Create("parrot_neuron", 2)
        nest.SetDefaults(CONNECT, {"volume_transmitter": vt})
        nest.Connect(n[:1], n[1:], syn_spec=CONNECT)
        synapse = nest.GetConnections()
        synapse.set(**{key: vt if key == "volume_transmitter" else 2.0})
        return synapse.get(key)

    assert [same(lambda nest, key=key: connected(nest, key)) for key in ("c", "n", "Kplus", "b", "volume_transmitter")] == [
        2.0, 2.0, 2.0, "UnaccessedDictionaryEntry", "UnaccessedDictionaryEntry",
    ]  # fmt: skip


def test_connections_to_a_transmitter(same):
    """They are listed among those of neurons, by all models without spike-timing dependence, and can be deleted."""

    def script(nest):
        n, vt = nest.Create("iaf_psc_alpha", 2), nest.Create("volume_transmitter", 2)
        nest.Connect(n, n)
        nest.Connect(n, vt, syn_spec={"weight": -2.0})
        nest.Connect(n, vt, syn_spec="tsodyks_synapse")
        found = [list(nest.GetConnections().get(k)) for k in ("source", "target", "weight", "port", "synapse_model")]
        nest.Disconnect(n[0], vt[0])
        return found, [list(nest.GetConnections().get(k)) for k in ("source", "target", "weight")]

    same(script)
