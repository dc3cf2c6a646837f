"""What nodes and connections show and remember between runs, on NEST and on jaxnest."""

import numpy as np
import pytest


def same(both, script):
    wanted, got = both(script)
    np.testing.assert_allclose(np.asarray(got, float), np.asarray(wanted, float), rtol=1e-9, atol=1e-12)


def test_calcium_counts_spikes_and_decays(both):
    def script(nest):
        train = nest.Create("spike_generator", params={"spike_times": [1.0, 4.0, 4.1]})
        cells = nest.Create("parrot_neuron", 3, {"tau_Ca": [10.0, 20.0, 10.0], "beta_Ca": 0.5})
        nest.Connect(train, cells[:2])
        seen = []
        for t in (3.0, 3.0, 10.0):
            nest.Simulate(t)
            seen.append(cells.Ca)
        cells[0].Ca = 3.0
        nest.Simulate(10.0)
        cells.tau_Ca = 5.0
        nest.Create("parrot_neuron")
        nest.Simulate(1.0)
        return [*seen, cells.Ca, cells.t_spike]

    same(both, script)


@pytest.mark.parametrize("model", ["stdp_synapse", "stdp_triplet_synapse"])
def test_weights_of_the_wrong_sign_are_taken_by_connect_alone(both, nest, model):
    spec = {"synapse_model": model, "weight": -1.0}
    cells = nest.Create("parrot_neuron", 2)
    nest.Connect(cells[0], cells[1], syn_spec=spec)
    with pytest.raises(nest.NESTErrors.BadProperty):
        nest.Connect(cells[0], cells[1], syn_spec={**spec, "tau_plus": 3.0})


def test_weights_of_the_wrong_sign_become_zero(both):
    def script(nest):
        cells, trains = nest.Create("parrot_neuron", 3), nest.Create("spike_generator", 2)
        trains.set([{"spike_times": [5.0, 15.0, 33.0]}, {"spike_times": [7.0, 12.0, 30.0]}])
        nest.Connect(trains, cells[:2], "one_to_one")
        nest.Connect(cells[0], cells[1], syn_spec={"synapse_model": "stdp_synapse", "weight": -1.0})
        nest.Connect(cells[0], cells[2], syn_spec={"synapse_model": "stdp_synapse", "weight": 2.0})
        seen = [nest.GetConnections(cells).weight]
        for _ in range(4):
            nest.Simulate(10.0)
            seen.append(nest.GetConnections(cells).weight)
        return seen

    same(both, script)


def test_weights_are_shown_before_the_last_slice_is_delivered(both):
    def script(nest):
        cells, train = nest.Create("parrot_neuron", 2), nest.Create("spike_generator")
        train.spike_times = [5.0, 15.0, 33.0]
        nest.Connect(train, cells, syn_spec={"delay": 1.3})
        nest.Connect(cells[0], cells[1], syn_spec={"synapse_model": "stdp_synapse", "delay": 1.3})
        nest.Connect(cells[0], nest.Create("spike_recorder"))  # whose delay of 1 ms is the shortest
        seen = []
        for _ in range(40):
            nest.Simulate(1.0)
            seen.append(nest.GetConnections(cells, cells).weight)
        return seen

    same(both, script)


def test_setting_some_leaves_the_others(both):
    def script(nest):
        cells, more = nest.Create("iaf_psc_alpha", 3, {"I_e": 300.0}), nest.Create("iaf_psc_alpha", params={"I_e": 200.0})
        parrots, train = nest.Create("parrot_neuron", 4), nest.Create("spike_generator", params={"spike_times": [3.0, 9.0]})
        nest.Connect(train, parrots)
        for target in parrots[2:]:
            nest.Connect(parrots[:2], target, syn_spec={"synapse_model": "stdp_synapse", "lambda": 0.3})
        nest.Simulate(20.0)
        conns = nest.GetConnections(parrots, parrots)
        before = conns.weight
        conns[0].weight = 50.0
        cells[1].V_m = -60.0
        seen = [*cells.V_m, more.V_m, *before, *conns.weight]
        nest.Simulate(5.0)
        return [*seen, *cells.V_m, more.V_m, *conns.weight]

    same(both, script)


def test_ports_of_unequal_numbers(both):
    def script(nest):
        cells = [nest.Create("iaf_psc_exp_multisynapse", params={"tau_syn": taus}) for taus in ([1.0], [1.0, 2.0], [3.0, 1.0])]
        train = nest.Create("spike_generator", params={"spike_times": [1.0]})
        for cell in cells:
            nest.Connect(train, cell, syn_spec={"weight": 50.0, "receptor_type": cell.n_synapses})
        nest.Simulate(7.0)
        return [cell.V_m for cell in cells]

    same(both, script)


def test_noise_is_held_when_the_network_grows(nest):
    noise = nest.Create("noise_generator", params={"mean": 100.0, "dt": 1000.0, "std": 50.0})
    cells = nest.Create("iaf_psc_delta", 2, {"V_th": 1e9, "tau_m": 1e9})
    nest.Connect(noise, cells)
    nest.Simulate(100.0)
    risen = np.array(cells.V_m) + 70.0
    nest.Connect(nest.Create("parrot_neuron"), cells)
    nest.Simulate(100.0)
    np.testing.assert_allclose((np.array(cells.V_m) + 70.0) / risen, 2.0, atol=0.05)


def test_errors_of_a_run_are_nests(nest):
    cell = nest.Create("iaf_psc_alpha")
    nest.Simulate(1.0)
    with pytest.raises(nest.NESTErrors.BadProperty):
        cell.tau_m = -1.0
    nest.Simulate(1.0)
    assert nest.biological_time == 2.0
