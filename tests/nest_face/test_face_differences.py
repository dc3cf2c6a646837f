"""Where the face does not do what NEST does: each row of docs/differences_from_nest.md that no other test shows."""

import numpy as np
import pytest

import jaxnest.nest as nest

WITHOUT_EFFECT = {
    "adaptive_target_buffers": False,
    "buffer_size_spike_data": 8,
    "buffer_size_target_data": 8,
    "growth_factor_buffer_target_data": 2.0,
    "keep_source_table": False,
    "local_num_threads": 3,
    "max_buffer_size_target_data": 1024,
    "rng_type": "Philox_64",
    "spike_buffer_grow_extra": 0.7,
    "spike_buffer_shrink_limit": 0.3,
    "spike_buffer_shrink_spare": 0.2,
    "structural_plasticity_update_interval": 50.0,
    "total_num_virtual_procs": 2,
    "update_time_limit": 10.0,
    "use_compressed_spikes": False,
    "wfr_comm_interval": 2.0,
}


@pytest.fixture(autouse=True)
def fresh():
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    yield
    nest.ResetKernel()


def network():
    """Random connections, a drive, two recorders; their events in an order that no thread can change."""
    cells = nest.Create("iaf_psc_alpha", 8, {"V_m": nest.random.uniform(-70.0, -56.0), "I_e": 200.0})
    noise, spikes, meter = (
        nest.Create("poisson_generator", 1, {"rate": 9000.0}),
        nest.Create("spike_recorder"),
        nest.Create("voltmeter"),
    )
    nest.Connect(noise, cells, syn_spec={"weight": 60.0})
    nest.Connect(
        cells, cells, {"rule": "fixed_indegree", "indegree": 3}, {"weight": 100.0, "delay": nest.random.uniform(0.5, 2.0)}
    )
    nest.Connect(cells, spikes)
    nest.Connect(meter, cells)
    nest.Simulate(60.0)
    tables = (spikes.events, meter.events)
    return [np.sort(np.rec.fromarrays(list(t.values()), names=list(t))) for t in tables]


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_setting_without_effect(name):
    expected = network()
    assert len(expected[0]) > 10
    nest.ResetKernel()
    setattr(nest, name, WITHOUT_EFFECT[name])
    assert nest.get(name) == WITHOUT_EFFECT[name]
    for a, b in zip(expected, network(), strict=True):
        np.testing.assert_array_equal(a, b)


NOT_YET = {
    "structural plasticity": lambda: nest.EnableStructuralPlasticity(),
    "structural_plasticity_synapses": lambda: nest.set(
        structural_plasticity_synapses={"s": {"synapse_model": "static_synapse"}}
    ),
    "synaptic_elements": lambda: nest.Create("iaf_psc_alpha", params={"synaptic_elements": {"a": {"growth_curve": "linear"}}}),
    "frozen transmitter": lambda: nest.Create("volume_transmitter", params={"frozen": True}),
    "synaptic_elements_param": lambda: nest.Create("iaf_psc_alpha").set(synaptic_elements_param={"a": {"z": 1.0}}),
    "connected elements": lambda: nest.Connect(
        *[nest.Create("iaf_psc_alpha")] * 2, syn_spec={"pre_synaptic_element": "a", "post_synaptic_element": "b"}
    ),
    "recorder by bernoulli_synapse": lambda: nest.Connect(
        nest.Create("iaf_psc_alpha"), nest.Create("spike_recorder"), syn_spec="bernoulli_synapse"
    ),
    "MUSIC": lambda: nest.SetAcceptableLatency("port", 1.0),
    "MPI": lambda: nest.set_communicator(None),
}


@pytest.mark.parametrize("what", NOT_YET)
def test_not_there_yet(what):
    with pytest.raises(nest.NESTErrors.NotImplemented, match=r"jaxnest does not|MUSIC|MPI"):
        NOT_YET[what]()


@pytest.mark.parametrize(
    "call",
    [
        lambda: nest.Create("ht_neuron"),
        lambda: nest.Connect(*[nest.Create("iaf_psc_alpha")] * 2, syn_spec="clopath_synapse"),
        lambda: nest.GetDefaults("glif_cond"),
        lambda: nest.CopyModel("urbanczik_synapse", "mine"),
    ],
)
def test_models_that_jaxnest_lacks_are_unknown(call):
    with pytest.raises(nest.NESTError, match="NEST has it, jaxnest does not yet"):
        call()


def test_biological_time_cannot_be_set_back():
    nest.Create("iaf_psc_alpha")
    nest.Simulate(1.0)
    with pytest.raises(nest.NESTErrors.NotImplemented, match="jaxnest does not yet"):
        nest.biological_time = 0.0


def test_connections_made_after_a_run_miss_the_spikes_of_its_last_slice():
    source = nest.Create("spike_generator", params={"spike_times": [9.5]})
    relay, cell, spikes = nest.Create("parrot_neuron"), nest.Create("parrot_neuron"), nest.Create("spike_recorder")
    nest.Connect(source, relay, syn_spec={"delay": 0.5})
    nest.Connect(cell, spikes)
    nest.Connect(relay, cell, syn_spec={"delay": 1.0, "receptor_type": 1})
    nest.Simulate(10.0)  # the relay spikes at 10.0, at the end of the run
    nest.Connect(relay, cell, syn_spec={"delay": 1.0})
    nest.Simulate(10.0)
    assert spikes.n_events == 0  # NEST: 1


def test_a_wrong_output_is_refused():
    with pytest.raises(ValueError, match="output"):
        nest.Create("iaf_psc_alpha").get("V_m", output="abc")


def test_an_unknown_property_of_connections_raises():
    nodes = nest.Create("iaf_psc_alpha", 2)
    nest.Connect(nodes, nodes)
    with pytest.raises(KeyError):
        nest.GetConnections().get("nope")


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_weights_must_be_finite(weight):
    nodes = nest.Create("iaf_psc_alpha", 2)
    with pytest.raises(nest.NESTErrors.BadProperty):
        nest.Connect(nodes, nodes, syn_spec={"weight": weight})
    assert nest.num_connections == 0


@pytest.mark.parametrize("key", ["V_m", "C_m"])
def test_true_is_no_number(key):
    with pytest.raises(nest.NESTErrors.TypeMismatch):
        nest.Create("iaf_psc_alpha").set({key: True})


def test_one_wrong_value_of_several_changes_nothing():
    nodes = nest.Create("iaf_psc_alpha", 3)
    with pytest.raises(nest.NESTErrors.BadProperty):
        nodes.C_m = [100.0, -1.0, 100.0]
    assert nodes.C_m == (250.0,) * 3


def test_connections_of_one_source_stand_in_the_order_of_connecting():
    nodes = nest.Create("iaf_psc_alpha", 4)
    for target in (3, 1, 0, 2):
        nest.Connect(nodes[0], nodes[target])
    assert nest.GetConnections().target == [4, 2, 1, 3]
