"""Wrong input gets an error before anything compiles, naming parameter, value and mend; the network stays as it was."""

import numpy as np
import pytest

import jaxnest as jn


def network():
    net = jn.Network()
    net.create("iaf_psc_exp", 10, name="cells")
    net.create("poisson_generator", name="noise", rate=100.0)
    net.create("spike_recorder", name="recorder")
    net.create("multimeter", name="meter", record_from=["V_m"])
    return net


def snapshot(net):
    return list(net.populations), list(net.projections), list(net.recordings)


CREATE = [
    ({"tau_m": -1.0}, ["tau_m", "-1", "> 0"]),
    ({"tau_syn_ex": 0.0}, ["tau_syn_ex", "0", "> 0"]),
    ({"C_m": -250.0}, ["C_m", "-250", "> 0 pF"]),
    ({"t_ref": -0.1}, ["t_ref", "-0.1", ">= 0"]),
    ({"I_e": np.nan}, ["I_e", "NaN"]),
    ({"V_m": np.nan}, ["V_m", "NaN"]),
    ({"tau_mm": 10.0}, ["tau_mm", "did you mean 'tau_m'"]),
    ({"V_reset": -50.0}, ["V_reset", "-50", "less than", "V_th", "-55"]),
    ({"tau_m": [1.0, 2.0]}, ["tau_m", "(2,)", "(3,)"]),
    ({"tau_m": [10.0, 20.0, -5.0]}, ["tau_m", "> 0"]),
    ({"tau_m": "ten"}, ["tau_m", "ten"]),
    ({"tau_m": jn.uniform(-5.0, -1.0)}, ["tau_m", "> 0"]),
]


@pytest.mark.parametrize(("params", "words"), CREATE)
def test_create_refuses(params, words):
    net = network()
    before = snapshot(net)
    with pytest.raises(jn.ConfigurationError) as e:
        net.create("iaf_psc_exp", 3, name="bad", **params)
    assert all(w in str(e.value) for w in (*words, "bad")), str(e.value)
    assert snapshot(net) == before


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        (("iaf_psc_exq",), {}, ["iaf_psc_exq", "iaf_psc_exp"]),
        (("iaf_psc_exp", 0), {}, ["n=0", "positive"]),
        (("iaf_psc_exp", 2.5), {}, ["n=2.5"]),
        (("iaf_psc_exp",), {"name": "cells"}, ["cells", "taken"]),
        (("poisson_generator",), {"rate": -5.0}, ["rate", "-5", ">= 0"]),
        (("poisson_generator",), {"start": 0.05}, ["start", "0.05", "h=0.1"]),
        (("spike_generator",), {"spike_times": [0.0, 1.0]}, ["spike_times", "> 0"]),
        (("spike_generator",), {"spike_times": [2.0, 1.0]}, ["spike_times", "order"]),
        (("spike_generator",), {"spike_times": [1.04]}, ["spike_times", "1.04", "1 ms"]),
        (("spike_generator",), {"spike_times": [1.0], "spike_weights": [1.0, 2.0]}, ["spike_weights", "2", "1"]),
        (("multimeter",), {"interval": 0.15}, ["interval", "0.15"]),
        (("multimeter",), {"interval": 0.0}, ["interval", "> 0"]),
    ],
)
def test_create_refuses_models_and_devices(args, kwargs, words):
    net = network()
    before = snapshot(net)
    with pytest.raises(jn.ConfigurationError) as e:
        net.create(*args, **kwargs)
    assert all(w in str(e.value) for w in words), str(e.value)
    assert snapshot(net) == before


CONNECT = [
    ({"delay": 0.04}, ["delay", "0.04"]),
    ({"delay": 0.0}, ["delay", "0"]),
    ({"delay": -1.0}, ["delay", "-1"]),
    ({"delay": np.nan}, ["delay", "nan"]),
    ({"weight": np.inf}, ["weight", "inf"]),
    ({"weight": [1.0, 2.0]}, ["weight", "(2,)", "100"]),
    ({"weight": "big"}, ["weight", "big"]),
    ({"rule": jn.fixed_indegree(20, allow_multapses=False)}, ["indegree", "20", "10"]),
    ({"rule": {"rule": "pairwise_bernoulli", "p": 1.5}}, ["p=1.5", "0 <= p <= 1"]),
    ({"rule": "fixed_indgree"}, ["fixed_indgree", "fixed_indegree"]),
    ({"rule": jn.explicit([0, 11], [0, 0])}, ["11", "10"]),
    ({"receptor": 2}, ["receptor", "2"]),
    ({"synapse": "stdp_synapze"}, ["stdp_synapze", "stdp_synapse"]),
    ({"synapse": "stdp_synapse", "tau_plus": -20.0}, ["tau_plus", "-20", "> 0"]),
    ({"synapse": "stdp_synapse", "tau_pluss": 20.0}, ["tau_pluss", "tau_plus"]),
    ({"U": 0.5}, ["static_synapse", "U"]),
    ({"weight_recorder": 3}, ["weight_recorder"]),
]


@pytest.mark.parametrize(("kwargs", "words"), CONNECT)
def test_connect_refuses(kwargs, words):
    net = network()
    before = snapshot(net)
    with pytest.raises(jn.ConfigurationError) as e:
        net.connect(net["cells"], net["cells"], **kwargs)
    assert all(w in str(e.value) for w in words), str(e.value)
    assert snapshot(net) == before


def test_connect_refuses_what_cannot_be_connected():
    net = network()
    before = snapshot(net)
    cells, noise, recorder, meter = (net[n] for n in ("cells", "noise", "recorder", "meter"))
    other = jn.Network().create("iaf_psc_exp")
    for args, kwargs, words in [
        ((cells, noise), {}, ["noise"]),
        ((recorder, cells), {}, ["connect(neurons, recorder)"]),
        ((cells, meter), {}, ["connect(recorder, neurons)"]),
        ((cells, other), {}, ["another network"]),
        ((cells, "cells"), {}, ["cells"]),
        ((noise, cells), {"synapse": "stdp_synapse"}, ["noise", "parrot_neuron"]),
        ((noise + cells, cells), {}, ["separately"]),
        ((cells, recorder), {"rule": jn.one_to_one()}, ["rule"]),
    ]:
        with pytest.raises(jn.ConfigurationError) as e:
            net.connect(*args, **kwargs)
        assert all(w in str(e.value) for w in words), str(e.value)
    with pytest.raises(jn.ConfigurationError, match="V_n"):
        net.connect(net.create("multimeter", name="wrong", record_from=["V_n"]), cells)
    assert snapshot(net)[1:] == before[1:]


@pytest.mark.parametrize("h", [0.0, -0.1, np.nan, 0.0123456])
def test_resolution_is_checked(h):
    with pytest.raises(jn.ConfigurationError, match="h="):
        jn.Network(h=h)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"delivery": "fast"}, ["delivery", "fast"]),
        ({"solver": "euler"}, ["solver", "euler"]),
        ({"substeps": 0}, ["substeps", "0"]),
        ({"surrogate": "fast_sigmoit"}, ["fast_sigmoit", "fast_sigmoid"]),
    ],
)
def test_options_of_compile_are_checked(options, words):
    with pytest.raises(jn.ConfigurationError) as e:
        network().compile(**options)
    assert all(w in str(e.value) for w in words)


def test_run_refuses_a_time_off_the_grid_and_a_negative_one():
    sim = jn.Simulation(network())
    for time in (1.05, -1.0, np.nan, np.inf):
        with pytest.raises(jn.ConfigurationError, match="time"):
            sim.run(time)
    assert sim.time == 0.0


def test_set_refuses_and_changes_nothing():
    net = network()
    sim = jn.Simulation(net)
    params, state = sim.params, sim.state
    for owner, values, words in [
        ("cells", {"tau_m": -1.0}, ["tau_m", "-1"]),
        ("cells", {"I_e": 5.0, "tau_x": 1.0}, ["tau_x"]),
        ("cells", {"V_th": -80.0}, ["V_reset", "V_th"]),
        ("cells", {"I_e": [1.0, 2.0]}, ["I_e", "(2,)"]),
        ("cell", {"I_e": 1.0}, ["cell", "cells"]),
        ("noise", {"rate": -1.0}, ["rate"]),
    ]:
        with pytest.raises(jn.ConfigurationError) as e:
            sim.set(owner, **values)
        assert all(w in str(e.value) for w in words), str(e.value)
        assert sim.params is params
        assert sim.state is state


def test_a_value_that_becomes_nan_is_located():
    net = jn.Network()
    net.create("iaf_psc_exp", 3, name="fine")
    cells = net.create("iaf_psc_exp", 4, name="cells")
    source = net.create("spike_generator", spike_times=[10.0])
    net.connect(source, cells[2:3], weight=3e38, delay=2.0)
    net.connect(source, cells[2:3], weight=3e38, delay=2.0)
    sim = jn.Simulation(net)
    with pytest.raises(jn.SimulationError, match=r"I_syn_ex of iaf_psc_exp cells\[2\].*12\.000 ms"):
        sim.run(50.0)
    assert sim.time < 13.0
