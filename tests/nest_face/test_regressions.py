"""Rules of devices and kernel that NEST's regression tests hold down: the same code on live NEST and on jaxnest."""

import numpy as np
import pytest

RULES = [
    {"rule": "fixed_indegree", "indegree": 1},
    {"rule": "fixed_outdegree", "outdegree": 1},
    {"rule": "fixed_total_number", "N": 1},
    {"rule": "pairwise_bernoulli", "p": 1.0},
    {"rule": "pairwise_poisson", "pairwise_avg_num_conns": 1.0},
]


@pytest.mark.parametrize("model", ["spike_recorder", "multimeter", "spike_generator", "dc_generator", "poisson_generator"])
def test_windows_of_devices_lie_on_the_grid(nest, model):
    nest.resolution = 1.0
    device = nest.Create(model, 3)
    for key in ("start", "stop", "origin"):
        for wrong in (1.5, -1.0):
            with pytest.raises(nest.NESTErrors.BadProperty, match=f"{key} must be a multiple of the simulation resolution"):
                device.set({key: wrong})
            with pytest.raises(nest.NESTErrors.BadProperty, match=f"{key} must be a multiple of the simulation resolution"):
                nest.SetDefaults(model, {key: wrong})
    with pytest.raises(nest.NESTErrors.BadProperty, match="stop >= start required"):
        device.set(start=5.0, stop=3.0)
    with pytest.raises(nest.NESTErrors.BadProperty, match="stop >= start required"):
        device.set(stop=[9.0, 8.0, 1.0], start=4.0)
    device.set(start=[1.0, 2.0, 3.0], stop=1e10)
    device.set(start=5.0)
    with pytest.raises(nest.NESTErrors.BadProperty, match="node ID 1: stop >= start required"):
        device[0].stop = 4.0


@pytest.mark.parametrize("rule", RULES)
def test_devices_are_no_targets_of_random_rules(nest, rule):
    neurons, recorders, generators = (
        nest.Create("iaf_psc_alpha", 2),
        nest.Create("spike_recorder", 2),
        nest.Create("dc_generator"),
    )
    with pytest.raises(nest.NESTErrors.IllegalConnection, match="Cannot use this rule to connect to nodes without proxies"):
        nest.Connect(neurons, recorders, rule)
    assert nest.num_connections == 0
    nest.Connect(generators, neurons, rule)


def test_a_generator_sends_by_one_synapse_model(nest):
    generators, neurons = nest.Create("spike_generator", 2), nest.Create("iaf_psc_alpha", 2)
    nest.CopyModel("static_synapse", "copy")
    nest.Connect(generators[0], neurons)
    nest.Connect(generators[1], neurons, syn_spec="copy")
    nest.Connect(generators[1], neurons, syn_spec="copy")
    for spec in ("copy", {"synapse_model": "copy", "weight": 2.0}):
        with pytest.raises(nest.NESTErrors.IllegalConnection, match="must use the same synapse type"):
            nest.Connect(generators[0], neurons, syn_spec=spec)
    with pytest.raises(nest.NESTErrors.IllegalConnection, match="must use the same synapse type"):
        nest.Connect(generators[1], nest.Create("spike_recorder"))
    both = nest.CollocatedSynapses({"synapse_model": "copy"}, {"synapse_model": "static_synapse"})
    with pytest.raises(nest.NESTErrors.IllegalConnection, match="must use the same synapse type"):
        nest.Connect(nest.Create("poisson_generator"), neurons, "all_to_all", both)


def test_a_meter_is_connected_once_to_a_node_that_it_can_read(nest):
    neurons = nest.Create("iaf_psc_alpha", 3)
    meters = nest.Create("multimeter", 2, {"record_from": ["V_m"]})
    nest.Connect(meters, neurons[:2])
    with pytest.raises(nest.NESTErrors.IllegalConnection, match="can only be connected once to a given node"):
        nest.Connect(meters[1], neurons[1])
    nest.Connect(meters[1], neurons[2])
    assert nest.num_connections == 5
    meter = nest.Create("multimeter", params={"record_from": ["V_m", "foo"]})
    with pytest.raises(nest.NESTErrors.IllegalConnection, match="Cannot connect with unknown recordable foo"):
        nest.Connect(meter, neurons)
    meter.record_from = ["V_m"]
    nest.Connect(meter, neurons)
    ports = nest.Create("iaf_psc_exp_multisynapse", 2, [{"tau_syn": [1.0]}, {"tau_syn": [1.0, 2.0]}])
    meter = nest.Create("multimeter", params={"record_from": ["I_syn_2"]})
    with pytest.raises(nest.NESTErrors.IllegalConnection, match="unknown recordable I_syn_2"):
        nest.Connect(meter, ports[0])
    nest.Connect(meter, ports[1])


@pytest.mark.parametrize("synapse", ["static_synapse", "static_synapse_lbl", "static_synapse_hom_w"])
def test_a_meter_takes_static_synapses(nest, synapse):
    nest.Connect(nest.Create("voltmeter"), nest.Create("iaf_psc_alpha"), syn_spec=synapse)


@pytest.mark.parametrize("synapse", ["static_synapse_hpc", "static_synapse_hom_w_hpc", "stdp_synapse", "tsodyks_synapse"])
def test_a_meter_takes_no_others(nest, synapse):
    nest.CopyModel(synapse, "copy")
    for model in (synapse, "copy"):
        with pytest.raises(nest.NESTErrors.IllegalConnection):
            nest.Connect(nest.Create("voltmeter"), nest.Create("iaf_psc_alpha"), syn_spec=model)


@pytest.mark.parametrize("generator", ["poisson_generator", "spike_generator", "dc_generator"])
def test_generators_need_static_synapses(nest, generator):
    neuron = nest.Create("iaf_psc_alpha")
    for synapse in ("stdp_synapse", "tsodyks_synapse", "bernoulli_synapse"):
        with pytest.raises(nest.NESTErrors.IllegalConnection):
            nest.Connect(nest.Create(generator), neuron, syn_spec=synapse)
    for synapse in ("static_synapse", "static_synapse_hpc", "static_synapse_hom_w", "static_synapse_lbl"):
        nest.Connect(nest.Create(generator), neuron, syn_spec=synapse)


def test_hpc_synapses_reach_receptor_0_only(nest):
    source, target = nest.Create("iaf_psc_alpha"), nest.Create("iaf_psc_exp_multisynapse", params={"tau_syn": [1.0, 2.0]})
    for synapse in ("static_synapse_hpc", "stdp_synapse_hpc"):
        with pytest.raises(nest.NESTErrors.IllegalConnection, match="Only rport==0 allowed for HPC synapses"):
            nest.Connect(source, target, syn_spec={"synapse_model": synapse, "receptor_type": 1})
    nest.Connect(source, target, syn_spec={"receptor_type": 1})


def test_there_are_so_many_synapse_models(nest):
    for k in range(nest.max_num_syn_models - len(nest.synapse_models)):
        nest.CopyModel("static_synapse", f"copy_{k}")
    with pytest.raises(nest.NESTErrors.KernelException, match="Synapse model count exceeded"):
        nest.CopyModel("static_synapse", "one_too_many")
    nest.CopyModel("iaf_psc_alpha", "a_node")


def test_create_takes_a_dict_in_the_place_of_n(nest):
    neuron = nest.Create("iaf_psc_alpha", {"V_m": -60.0})
    assert len(neuron) == 1 and neuron.V_m == -60.0
    with pytest.raises(ValueError):
        nest.Create("iaf_psc_alpha", {"V_m": -60.0}, {"C_m": 200.0})


def test_an_array_with_a_value_for_each_node_is_one_dimensional(nest):
    neurons = nest.Create("iaf_psc_alpha", 3, {"V_m": np.array([-60.0, -61.0, -62.0])})
    assert neurons.V_m == (-60.0, -61.0, -62.0)


def test_not_frozen_can_be_said(nest):
    for model in ("iaf_psc_alpha", "multimeter", "spike_generator"):
        nest.Create(model, 2).frozen = False
    with pytest.raises(nest.NESTErrors.BadProperty, match="cannot be frozen"):
        nest.Create("multimeter").frozen = True


@pytest.mark.parametrize(("rule", "key"), [("fixed_indegree", "indegree"), ("fixed_outdegree", "outdegree")])
def test_degrees_larger_than_the_population(nest, rule, key):
    neurons = nest.Create("iaf_psc_alpha", 3)
    with pytest.raises(nest.NESTErrors.BadProperty, match=f"{key.capitalize()} cannot be larger than population size"):
        nest.Connect(neurons, neurons, {"rule": rule, key: 4, "allow_multapses": False})


def test_delays_below_the_resolution(nest):
    nest.resolution = 0.3
    neuron = nest.Create("iaf_psc_alpha")
    with pytest.raises(nest.NESTErrors.BadDelay, match="Delay must be greater than or equal to resolution"):
        nest.Connect(neuron, neuron, syn_spec={"delay": 0.1})


def test_calcium_is_positive(nest):
    neurons = nest.Create("iaf_psc_alpha", 2)
    for key, wrong in (("tau_Ca", 0.0), ("tau_Ca", -1.0), ("beta_Ca", 0.0), ("beta_Ca", -1.0), ("Ca", -3.0)):
        with pytest.raises(nest.NESTErrors.BadProperty):
            neurons.set({key: wrong})
        with pytest.raises(nest.NESTErrors.BadProperty):
            nest.SetDefaults("iaf_psc_alpha", {key: wrong})
    neurons.set(tau_Ca=[50.0, 60.0], beta_Ca=0.5, Ca=0.0)
    assert neurons.tau_Ca == (50.0, 60.0)


def test_connections_deleted_one_by_one(nest):
    neurons = nest.Create("iaf_psc_alpha", 3)
    nest.Connect(neurons, neurons)
    connections = nest.GetConnections()
    connections[0].disconnect()
    with pytest.raises(nest.NESTErrors.InexistentConnection):
        connections[0].disconnect()
    connections[3].disconnect()
    connections[5:].disconnect()
    assert nest.num_connections == 3 and len(connections) == 9
    nest.Connect(neurons[0], neurons[0])
    connections[4].disconnect()
    assert set(zip(*nest.GetConnections().get(["source", "target"]).values(), strict=True)) == {(1, 1), (1, 2), (1, 3)}


def test_connections_of_devices_stay(nest):
    neuron, recorder, generator = (nest.Create(m) for m in ("iaf_psc_alpha", "spike_recorder", "poisson_generator"))
    nest.Connect(neuron, recorder)
    nest.Connect(generator, neuron)
    for connection in nest.GetConnections():
        with pytest.raises(nest.NESTErrors.InexistentConnection):
            connection.disconnect()
    assert nest.num_connections == 2


def test_of_longer_lists_the_first_values_count(nest):
    neurons = nest.Create("iaf_psc_alpha", 2, {"V_m": np.array([-60.0, -61.0, -62.0])})
    assert neurons.V_m == (-60.0, -61.0)
    neurons[0].V_m = [-64.0, -65.0]
    assert neurons.V_m == (-64.0, -61.0)
    for short in ([-60.0], []):
        with pytest.raises(IndexError):
            neurons.V_m = short
    nest.Connect(neurons, neurons, "one_to_one")
    connections = nest.GetConnections()
    connections.weight = [1.0, 2.0, 3.0]
    assert connections.weight == [1.0, 2.0]
    with pytest.raises(IndexError):
        connections.weight = [1.0]


def test_timers(nest):
    def seconds(name):
        return float(np.sum(nest.GetKernelStatus(f"time_{name}")))

    neurons = nest.Create("iaf_psc_alpha", 500)
    nest.Connect(neurons, neurons, {"rule": "fixed_indegree", "indegree": 10})
    for name in ("construction_create", "construction_connect", "construction_connect_cpu"):
        assert 0 < seconds(name) < 5
    assert seconds("simulate") == seconds("communicate_prepare") == 0
    nest.Simulate(50.0)
    long = seconds("simulate")
    assert long > 0 and seconds("simulate_cpu") > 0 and seconds("communicate_prepare") > 0
    nest.Simulate(0.1)
    assert 0 < seconds("simulate") < long
    nest.ResetKernel()
    assert seconds("construction_create") == seconds("simulate") == 0


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_of_connections_between_devices(nest, threads):
    nest.local_num_threads = threads
    currents, spikes = nest.Create("dc_generator", 2), nest.Create("poisson_generator", 3)
    neurons, recorders = nest.Create("iaf_psc_alpha", 2), nest.Create("spike_recorder", 2)
    nest.Connect(spikes, recorders)
    nest.Connect(neurons, recorders[1])
    nest.Connect(nest.Create("multimeter"), currents)
    found = nest.GetConnections().get(["source", "target", "target_thread", "port"])
    between = {(s, t): t % threads for s in (3, 4, 5) for t in (8, 9)} | {(10, t): t % threads for t in (1, 2)}
    wanted = between | {(s, 9): s % threads for s in (6, 7)}
    assert dict(zip(zip(found["source"], found["target"], strict=True), found["target_thread"], strict=True)) == wanted
