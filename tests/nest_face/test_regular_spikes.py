"""Neurons that spike at given intervals: `ignore_and_fire`, and `ignore_and_spike` of other models. Against live NEST."""

import numpy as np
import pytest


def spikes(recorder):
    events = recorder.events
    order = np.lexsort((events["senders"], events["times"]))
    return list(zip(events["senders"][order].tolist(), events["times"][order].round(6).tolist(), strict=True))


def test_ignore_and_fire_in_a_plastic_network(same):
    """Rates and phases off the grid; a change of any property begins the phase anew; neurons that come later."""

    def script(nest):
        clocks = nest.Create(
            "ignore_and_fire", 4, params={"rate": [13.7, 50.0, 101.3, 333.0], "phase": [0.3, 1.0, 0.77, 0.013]}
        )
        cells = nest.Create("iaf_psc_exp", 2, params={"I_e": 300.0})
        nest.Connect(nest.Create("spike_generator", params={"spike_times": [1.0, 2.0, 3.0]}), clocks)
        nest.Connect(nest.Create("dc_generator", params={"amplitude": 100.0}), clocks)
        nest.Connect(clocks, cells, syn_spec={"weight": 200.0, "synapse_model": "stdp_synapse"})
        nest.Connect(clocks, clocks, syn_spec={"weight": -5.0, "delay": 1.5})
        recorder = nest.Create("spike_recorder")
        nest.Connect(clocks + cells, recorder)
        nest.Simulate(43.3)
        clocks[1].rate = 77.0
        nest.Simulate(20.0)
        clocks[2].set(phase=0.5)
        clocks[0].tau_minus = 15.0
        more = nest.Create("ignore_and_fire", params={"rate": 30.0})
        nest.Connect(more, cells)
        nest.Connect(more, recorder)
        nest.Simulate(60.0)
        weights = sorted(np.round(nest.GetConnections(clocks, cells).get("weight"), 9).tolist())
        return spikes(recorder), weights

    assert len(same(script)[0]) > 50


@pytest.mark.parametrize("bad", [{"phase": 0.0}, {"phase": 1.1}, {"rate": 0.0}])
def test_ignore_and_fire_refuses(same, bad):
    assert same(lambda nest: nest.Create("ignore_and_fire", params=bad)) == "BadProperty"


def test_ignore_and_fire_has_nothing_to_record(same):
    def connected(nest, fields):
        node = nest.Create("ignore_and_fire")
        nest.Connect(nest.Create("multimeter", params={"record_from": fields}), node)
        return node.recordables, nest.GetDefaults("ignore_and_fire", "recordables")

    assert same(lambda nest: connected(nest, [])) is not None
    assert same(lambda nest: connected(nest, ["V_m"]), "V_m") == "IllegalConnection"


def test_forced_spikes(same):
    """Switched on, off and on again, with new intervals, some shorter than t_ref; by defaults, too; and V_m all the while."""

    def script(nest):
        cells = nest.Create("iaf_psc_delta", 3, params={"I_e": 500.0})
        recorder, meter = nest.Create("spike_recorder"), nest.Create("multimeter", params={"record_from": ["V_m"]})
        nest.Connect(cells, recorder)
        nest.Connect(meter, cells)
        nest.Connect(cells[0], cells[1:], syn_spec={"weight": 1.0, "delay": 1.3})
        nest.Simulate(25.3)
        cells[0].set(ignore_and_spike=True, ignore_and_spike_offset=3.3, ignore_and_spike_interval=0.7)
        nest.Simulate(10.0)
        cells[1].ignore_and_spike = True
        nest.Simulate(20.0)
        cells[1].ignore_and_spike_interval = 4.44
        cells[0].ignore_and_spike = False
        nest.Simulate(30.0)
        cells[0].set({"ignore_and_spike": True, "V_m": -60.0})
        nest.SetDefaults("iaf_psc_delta", {"ignore_and_spike": True, "ignore_and_spike_offset": 2.0})
        more = nest.Create("iaf_psc_delta", 2, params={"ignore_and_spike_interval": [5.0, 6.0]})
        nest.Connect(more, recorder)
        nest.Connect(more, cells, syn_spec={"weight": 3.0})
        nest.Simulate(20.0)
        events = meter.events
        order = np.lexsort((events["senders"], events["times"]))
        shown = [n.get(["ignore_and_spike", "ignore_and_spike_interval", "ignore_and_spike_offset"]) for n in cells + more]
        return spikes(recorder), events["V_m"][order][:250].round(8).tolist(), shown

    assert len(same(script)[0]) > 80


def test_only_some_models_heed_it(same):
    def script(nest):
        nest.CopyModel("iaf_psc_delta", "forced", {"ignore_and_spike": True})
        models = ("iaf_psc_exp", "parrot_neuron", "ignore_and_fire", "forced")
        nodes = [nest.Create(model, params={"ignore_and_spike": True}) for model in models]
        recorder = nest.Create("spike_recorder")
        for node in nodes:
            nest.Connect(node, recorder)
        nest.Simulate(150.0)
        return spikes(recorder)

    assert {sender for sender, _ in same(script)} == {3, 4}


@pytest.mark.parametrize("model", ["iaf_psc_delta", "iaf_psc_alpha"])
@pytest.mark.parametrize(
    "bad",
    [
        {"ignore_and_spike_offset": 0.0},
        {"ignore_and_spike_interval": -1.0},
        {"ignore_and_spike": 1},
    ],
)
def test_wrong_settings_are_refused(same, model, bad):
    assert same(lambda nest: nest.Create(model, params=bad)) in ("BadProperty", "TypeMismatch")
    assert same(lambda nest: nest.SetDefaults(model, bad)) in ("BadProperty", "TypeMismatch")
