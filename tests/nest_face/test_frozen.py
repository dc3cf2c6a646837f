"""Frozen nodes, resolutions off the grid of 1 µs, the current of a noise_generator: on NEST and on jaxnest."""

import numpy as np
import pytest

CELLS = [("iaf_psc_delta", {}), ("iaf_psc_exp", {"I_e": 300.0}), ("iaf_cond_exp", {"I_e": 200.0})]


def same(both, script, rtol=1e-9):
    wanted, got = both(script)
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=rtol, atol=1e-9)


@pytest.mark.parametrize(("model", "params"), CELLS, ids=[m for m, _ in CELLS])
def test_frozen_neurons_in_a_network(both, model, params):
    """What arrives at frozen neurons waits in the ring of min_delay + max_delay; they send nothing and are not sampled."""

    def script(nest):
        nest.resolution = 0.5
        weight = 2.0 if "cond" not in model else 1.0
        trains = nest.Create("spike_generator", 3)
        for k, train in enumerate(trains):
            train.spike_times = [1.0 + k] + [0.5 * t for t in range(6, 120) if t % (5 + 2 * k) == 0]
        relays, cells = nest.Create("parrot_neuron", 3), nest.Create(model, 6, params)
        spikes, meter = (
            nest.Create("spike_recorder"),
            nest.Create("multimeter", params={"record_from": ["V_m"], "interval": 0.5}),
        )
        nest.Connect(trains, relays, "one_to_one", {"delay": 2.0})
        for delay, size in ((1.0, 300.0), (3.5, -100.0), (1.0, 200.0)):
            size = size * 0.05 if model == "iaf_psc_delta" else size * 0.02 * weight if "cond" in model else size
            nest.Connect(relays, cells, syn_spec={"delay": delay, "weight": size})
        nest.Connect(cells, cells, syn_spec={"delay": 1.5, "weight": 0.5 if model != "iaf_psc_exp" else 50.0})
        plastic = {"synapse_model": "stdp_synapse", "delay": 1.0, "weight": 1.0, "Wmax": 3.0}
        nest.Connect(cells[:2], cells[4:], syn_spec=plastic)
        nest.Connect(cells + relays, spikes)
        nest.Connect(meter, cells)
        nest.Simulate(7.0)
        cells[1:4].frozen = True
        relays[2].frozen = True
        nest.Simulate(9.0)
        cells[2].frozen = False
        relays[2].frozen = False
        nest.Simulate(6.5)
        cells.frozen = False
        nest.Simulate(15.0)
        found = [meter.events[k] for k in ("senders", "times", "V_m")]
        found += [spikes.events[k] for k in ("senders", "times")]
        weights = nest.GetConnections(cells[:2], cells[4:], synapse_model="stdp_synapse").weight
        return [*found, cells.V_m, weights, cells.frozen]

    same(both, script, rtol=1e-7 if "cond" in model else 1e-9)


def test_frozen_generators_send_nothing(both):
    def script(nest):
        nest.resolution = 0.5
        trains = nest.Create("spike_generator", 2, {"spike_times": [1.0, 2.5, 4.0, 5.5, 7.0, 8.5, 12.0, 13.0, 20.0]})
        dc = nest.Create("dc_generator", 2, {"amplitude": 1.0})
        steps = nest.Create("step_current_generator", 2)
        steps.set(amplitude_times=[1.0, 4.0, 12.0, 14.0], amplitude_values=[1.0, 2.0, 3.0, 4.0])
        ac = nest.Create("ac_generator", params={"amplitude": 1.0, "frequency": 50.0})
        poisson = nest.Create("poisson_generator", params={"rate": 1e4})
        cells = nest.Create("iaf_psc_delta", 7, {"tau_m": 100.0, "C_m": 1.0, "V_th": 1e9, "E_L": 0.0, "V_m": 0.0})
        spikes, silent = nest.Create("spike_recorder"), nest.Create("spike_recorder")
        meter, currents = (nest.Create("multimeter", params={"record_from": [k], "interval": 0.5}) for k in ("V_m", "I"))
        nest.Connect(trains, cells[:2], "one_to_one", {"weight": 2.0})
        nest.Connect(dc, cells[2:4], "one_to_one")
        nest.Connect(steps, cells[4:6], "one_to_one")
        nest.Connect(ac, cells[6])
        nest.Connect(trains, spikes)
        nest.Connect(poisson, silent)
        nest.Connect(meter, cells)
        nest.Connect(currents, dc + steps + ac)
        poisson.frozen = True
        nest.Simulate(3.0)
        for nodes in (trains[0], dc[1], steps[0], ac):
            nodes.frozen = True
        nest.Simulate(6.0)
        for nodes in (trains, dc, steps, ac):
            nodes.frozen = False
        nest.Simulate(6.0)
        found = [spikes.events[k] for k in ("senders", "times")] + [[silent.n_events]]
        return [
            *found,
            *(meter.events[k] for k in ("senders", "V_m")),
            *(currents.events[k] for k in ("senders", "times", "I")),
        ]

    same(both, script)


def test_what_may_be_frozen(nest):
    for model in ("multimeter", "voltmeter"):
        with pytest.raises(nest.NESTErrors.BadProperty, match="cannot be frozen"):
            nest.Create(model, params={"frozen": True})
    with pytest.raises(nest.NESTErrors.UnaccessedDictionaryEntry):
        nest.SetDefaults("iaf_psc_alpha", {"frozen": True})
    cells = nest.Create("iaf_psc_alpha", 3)
    with pytest.raises(nest.NESTErrors.TypeMismatch):
        cells.frozen = 1
    cells.frozen = [True, False, True]
    assert cells.frozen == (True, False, True)
    assert len(nest.GetNodes({"frozen": True})) == 2


def test_a_frozen_recorder_records(both):
    def script(nest):
        train, spikes = nest.Create("spike_generator", params={"spike_times": [1.0, 2.0]}), nest.Create("spike_recorder")
        spikes.frozen = True
        nest.Connect(train, spikes)
        nest.Simulate(5.0)
        return [spikes.events["times"]]

    same(both, script)


@pytest.mark.parametrize(("tics", "h"), [(1024, 2.0**-5), (1024, 3 * 2.0**-10), (2000, 0.0505), (7, 3 / 7)])
def test_resolutions_beside_the_grid(both, tics, h):
    def script(nest):
        nest.set(tics_per_ms=tics, resolution=h)
        train = nest.Create("spike_generator", params={"spike_times": [h * k for k in (3, 4, 50, 100, 101)]})
        relay, cell = nest.Create("parrot_neuron"), nest.Create("iaf_psc_exp", params={"I_e": 390.0})
        spikes, meter = nest.Create("spike_recorder"), nest.Create("multimeter", params={"record_from": ["V_m"]})
        meter.interval = 5 * h
        nest.Connect(train, relay, syn_spec={"delay": 1.3})
        nest.Connect(relay, cell, syn_spec={"delay": 0.66, "weight": 900.0})
        nest.Connect(cell + relay, spikes)
        nest.Connect(meter, cell)
        nest.Simulate(400 * h)
        settings = [nest.tics_per_ms, nest.ms_per_tic, nest.tics_per_step, nest.min_delay, nest.max_delay, nest.biological_time]
        return [spikes.events["times"], spikes.events["senders"], meter.events["times"], meter.events["V_m"], settings]

    same(both, script)


def test_the_current_of_a_noise_generator_is_the_mean_over_its_targets(nest):
    noise = nest.Create("noise_generator", 2, {"mean": 100.0, "std": 10.0, "dt": 0.5, "start": 1.0, "stop": 8.0})
    cells = nest.Create("iaf_psc_delta", 3, {"tau_m": 1e9, "C_m": 1.0, "E_L": 0.0, "V_m": 0.0, "V_th": 1e9})
    current = nest.Create("multimeter", params={"record_from": ["I"], "interval": 0.1})
    potential = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": 0.1})
    alone = nest.Create("noise_generator", params={"mean": 5.0})
    nest.Connect(noise[0], cells[:2], syn_spec={"delay": 0.1})
    nest.Connect(noise[1], cells[2], syn_spec={"delay": 0.1})
    nest.Connect(current, noise + alone)
    nest.Connect(potential, cells)
    for t in (3.0, 0.7, 10.0):
        nest.Simulate(t)
    found, volts = current.events, potential.events
    given = np.array([found["I"][found["senders"] == node] for node in noise.global_id])
    slope = np.array([np.diff(volts["V_m"][volts["senders"] == node]) / 0.1 for node in cells.global_id])
    size = slope.shape[1] - 1
    np.testing.assert_allclose(given[0][:size], slope[:2, 1:].mean(axis=0)[:size], atol=1e-3)
    np.testing.assert_allclose(given[1][:size], slope[2, 1:][:size], atol=1e-3)
    assert (given == 0).sum(axis=1).min() > 30
    assert not found["I"][found["senders"] == alone.global_id].any()


def test_the_current_of_a_noise_generator_needs_one_thread(nest):
    nest.local_num_threads = 2
    noise, meter = nest.Create("noise_generator"), nest.Create("multimeter", params={"record_from": ["I"]})
    with pytest.raises(nest.NESTErrors.KernelException, match="single-threaded"):
        nest.Connect(meter, noise)


def test_events_that_flush_do_not_reach_recorders(both):
    def script(nest):
        train = nest.Create("spike_generator", params={"spike_times": [10.0]})
        relay, spikes = nest.Create("parrot_neuron", params={"flush_event_send_interval": 5.0}), nest.Create("spike_recorder")
        nest.Connect(train, relay)
        nest.Connect(relay, spikes)
        nest.Simulate(30.0)
        return [spikes.events["times"], [relay.flush_event_send_interval]]

    same(both, script)


def test_weights_given_as_a_list_are_checked(nest):
    cells = nest.Create("parrot_neuron", 2)
    nest.Connect(cells, cells)
    connections = nest.GetConnections()
    with pytest.raises(nest.NESTErrors.TypeMismatch):
        connections.weight = [1.0, 2.0, "a", 3.0]
    connections.weight = [1, 2.0, 3.0, np.float64(4)]
    assert connections.weight == [1.0, 2.0, 3.0, 4.0]
