"""The rows of docs/differences_from_nest.md."""

import numpy as np
import pytest

import jaxnest as jn


@pytest.fixture
def nest():
    nest = pytest.importorskip("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    return nest


def test_potential_starts_at_E_L(nest):
    assert nest.Create("iaf_psc_exp", params={"E_L": -60.0}).V_m == -70.0
    net = jn.Network()
    cells = net.create("iaf_psc_exp", E_L=-60.0)
    assert jn.Simulation(net).get(cells, "V_m") == -60.0


def test_multimeter_reaches_the_end(nest):
    cell = nest.Create("iaf_psc_exp")
    meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": 0.1})
    nest.Connect(meter, cell)
    nest.Simulate(10.0)
    assert meter.events["times"][-1] == pytest.approx(9.0)
    net = jn.Network()
    ours = net.create("multimeter", record_from=["V_m"], interval=0.1)
    net.connect(ours, net.create("iaf_psc_exp"))
    times = jn.Simulation(net).run(10.0).traces(ours).times
    np.testing.assert_allclose(times, np.arange(1, 101) * 0.1)


def test_spikes_are_in_order_of_time(nest):
    times = [[5.0, 5.5], [5.2, 5.4]]
    generators = nest.Create("spike_generator", 2, [{"spike_times": t} for t in times])
    recorder = nest.Create("spike_recorder")
    nest.Connect(generators, recorder)
    nest.Simulate(10.0)
    assert (np.diff(recorder.events["times"]) < 0).any()
    net = jn.Network()
    sources = net.create("spike_generator", 2, spike_times=times)
    ours = net.create("spike_recorder")
    net.connect(sources, ours)
    spikes = jn.Simulation(net).run(10.0).spikes(ours)
    np.testing.assert_allclose(spikes.times, [5.0, 5.2, 5.4, 5.5])
    np.testing.assert_array_equal(spikes.senders, [0, 1, 1, 0])
