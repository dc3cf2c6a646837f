"""Recorders on NEST and on jaxnest: order and time of events, backends, currents of generators, times of generators."""

import numpy as np
import pytest


def same(both, script):
    wanted, got = both(script)
    assert wanted.keys() == got.keys()
    for key, value in wanted.items():
        if isinstance(value, str):
            assert got[key] == value, key
        else:
            np.testing.assert_allclose(
                np.asarray(got[key], float), np.asarray(value, float), rtol=1e-9, atol=1e-12, err_msg=key
            )


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_order_of_events(both, threads):
    def script(nest):
        nest.local_num_threads = threads
        cells = nest.Create("iaf_psc_alpha", 5, {"I_e": [400.0, 500.0, 600.0, 700.0, 800.0]})
        nest.Connect(cells, cells, syn_spec={"weight": 20.0, "delay": 1.7})
        spikes, meter = (
            nest.Create("spike_recorder"),
            nest.Create("multimeter", params={"record_from": ["V_m"], "interval": 0.7}),
        )
        nest.Connect(cells, spikes)
        nest.Connect(meter, cells)
        for t in (20.0, 13.3, 10.0):
            nest.Simulate(t)
        return {f"{k} {f}": v for k, r in (("s", spikes), ("m", meter)) for f, v in r.events.items()}

    same(both, script)


def test_weights_come_by_slice_source_time_and_port(both):
    def script(nest):
        recorder = nest.Create("weight_recorder")
        nest.CopyModel("static_synapse", "recorded", {"weight_recorder": recorder})
        trains = nest.Create("spike_generator", 3, {"spike_times": [1.0, 1.3, 2.0, 3.0, 4.0, 5.0]})
        pre, post = nest.Create("parrot_neuron", 3), nest.Create("parrot_neuron", 3)
        nest.Connect(trains, pre, "one_to_one")
        nest.Connect(pre, post, "all_to_all", {"synapse_model": "recorded"})
        nest.Connect(pre, post, "all_to_all", {"synapse_model": "recorded", "delay": 1.5, "weight": 2.0})
        found = {}
        for k, t in enumerate((4.0, 0.3)):
            nest.Simulate(t)
            found |= {f"{f} {k}": v for f, v in recorder.events.items()}
        return found

    same(both, script)


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("dc_generator", {"amplitude": 3.0, "start": 2.0, "stop": 4.0}),
        ("ac_generator", {"amplitude": 3.0, "frequency": 100.0, "offset": 1.0, "phase": 30.0, "start": 1.0}),
        ("step_current_generator", {"amplitude_times": [1.0, 2.5, 7.0], "amplitude_values": [2.0, 5.0, 1.0], "start": 2.0}),
    ],
)
def test_currents_of_generators(both, model, params):
    def script(nest):
        generators, cell = nest.Create(model, 2, params), nest.Create("iaf_psc_alpha")
        meter = nest.Create("multimeter", params={"record_from": ["I"], "interval": 0.3, "offset": 0.6})
        nest.Connect(meter, generators)
        nest.Connect(generators[0], cell)
        nest.Simulate(6.0)
        if "amplitude" in params:
            generators[0].amplitude = -1.0
        nest.Connect(nest.Create("iaf_psc_alpha"), cell)
        nest.Simulate(4.0)
        return meter.events

    same(both, script)


def test_meters_of_a_node_are_numbered(nest):
    cells = nest.Create("iaf_psc_alpha", 2)
    first, second = nest.Create("multimeter", 2), nest.Create("voltmeter")
    nest.Connect(first, cells)
    nest.Connect(second, cells)
    assert nest.GetConnections(first, cells).get("receptor") == [1, 1, 2, 2]
    assert nest.GetConnections(second, cells).get("receptor") == [3, 3]
    with pytest.raises(nest.NESTErrors.IllegalConnection):
        nest.Connect(second, cells[1])


def test_counts_of_events_for_every_backend(nest, tmp_path):
    nest.data_path = str(tmp_path)
    recorders = [nest.Create("spike_recorder", params={"record_to": to}) for to in ("memory", "ascii")]
    train = nest.Create("spike_generator", params={"spike_times": [1.0, 2.0]})
    for r in recorders:
        nest.Connect(train, r)
    nest.Simulate(5.0)
    assert [r.n_events for r in recorders] == [2, 2]
    assert "events" not in recorders[1].get()
    with pytest.raises(nest.NESTErrors.BadProperty):
        recorders[1].n_events = 3
    recorders[1].n_events = 0
    assert recorders[1].n_events == 0


def test_defaults_of_backends(nest, tmp_path):
    nest.data_path = str(tmp_path)
    nest.SetDefaults("spike_recorder", {"record_to": "ascii", "file_extension": "txt", "precision": 7})
    made = nest.Create("spike_recorder")
    assert (made.file_extension, made.precision, made.record_to) == ("txt", 7, "ascii")
    assert made.filenames[0].endswith("spike_recorder-1-0.txt")
    nest.SetDefaults("spike_recorder", {"record_to": "memory"})
    assert "file_extension" not in nest.GetDefaults("spike_recorder")
    assert nest.Create("multimeter", params={"file_extension": "a", "record_to": "ascii"}).file_extension == "a"
    with pytest.raises(nest.NESTErrors.UnaccessedDictionaryEntry):
        nest.Create("multimeter", params={"file_extension": "a", "record_to": "memory"})


# --- times of generators ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize(
    "params",
    [
        {"spike_times": [1.0, 1.9999, 3.0001]},
        {"spike_times": [1.0, 1.05, 3.0001], "allow_offgrid_times": True},
        {"spike_times": [1.0, 1.05, 1.05, 3.0001], "precise_times": True, "spike_multiplicities": [1, 2, 1, 1]},
        {"spike_times": [0.0, 1.0], "shift_now_spikes": True},
        {"spike_times": [1.0, 1.05, 3.0001], "precise_times": True, "origin": 2.0, "start": 1.0, "stop": 2.5},
    ],
)
def test_spikes_off_the_grid(both, params, steps):
    def script(nest):
        train, cell = nest.Create("spike_generator", params=params), nest.Create("iaf_psc_alpha")
        spikes, meter = nest.Create("spike_recorder", params={"time_in_steps": steps}), nest.Create("voltmeter")
        nest.Connect(train, spikes)
        nest.Connect(train, cell, syn_spec={"weight": 100.0})
        nest.Connect(meter, cell)
        nest.Simulate(10.0)
        return {"set": train.spike_times, **spikes.events, "V": meter.events["V_m"]}

    same(both, script)


@pytest.mark.parametrize(
    ("model", "params", "text"),
    [
        ("spike_generator", {"spike_times": [0.0]}, "spike time cannot be set to 0"),
        ("spike_generator", {"spike_times": [2.0, 1.0]}, "non-descending"),
        ("spike_generator", {"spike_times": [1.05]}, "Time point 1.05 is not representable"),
        ("spike_generator", {"precise_times": True, "allow_offgrid_times": True}, "precise_times cannot be set"),
        ("spike_generator", {"spike_times": [1.0], "spike_weights": [1.0, 2.0]}, "same number of elements"),
        ("step_current_generator", {"amplitude_times": [1.0]}, "must be reset together"),
        ("step_current_generator", {"amplitude_times": [1.0], "amplitude_values": [1.0, 2.0]}, "same size"),
        ("step_current_generator", {"amplitude_times": [0.0], "amplitude_values": [1.0]}, "strictly"),
        ("step_current_generator", {"amplitude_times": [1.0, 1.0], "amplitude_values": [1.0, 2.0]}, "strictly increasing"),
        ("inhomogeneous_poisson_generator", {"rate_values": [1.0]}, "must be reset together"),
        ("inhomogeneous_poisson_generator", {"rate_times": [0.0], "rate_values": [1.0]}, "strictly in the future"),
        ("inhomogeneous_poisson_generator", {"rate_times": [1.23], "rate_values": [1.0]}, "not representable"),
    ],
)
def test_times_that_are_refused(nest, model, params, text):
    with pytest.raises(nest.NESTErrors.BadProperty, match=text):
        nest.Create(model, params=params)
    with pytest.raises(nest.NESTErrors.BadProperty, match=text):
        nest.SetDefaults(model, params)


def test_draws_of_noise_lie_on_the_grid(nest):
    with pytest.raises(nest.NESTErrors.StepMultipleRequired):
        nest.Create("noise_generator", params={"dt": 0.25})
