"""Frozen nodes in the library: in every lowering, in both precisions, in derivatives (against NEST: nest_face/test_frozen.py)."""

import jax
import numpy as np
import pytest

import jaxnest as jn


def network(frozen=(False, True, False), generator=False):
    net = jn.Network(h=0.5)
    train = net.create("spike_generator", spike_times=[1.0, 2.0, 4.5, 6.0], name="train")
    silent = net.create("poisson_generator", rate=1e4, frozen=True, name="silent")
    current = net.create("dc_generator", 2, amplitude=[50.0, 80.0], frozen=[generator, False], name="current")
    relay = net.create("parrot_neuron", 2, frozen=[False, True], name="relay")
    cells = net.create("iaf_psc_exp", 3, frozen=np.array(frozen), I_e=300.0, V_m=-60.0, name="cells")
    net.connect(train, relay, weight=1.0, delay=1.0)
    net.connect(relay, cells, weight=jn.uniform(100.0, 400.0), delay=1.5, name="in")
    net.connect(silent, cells, weight=100.0, delay=1.0)
    net.connect(current, cells, weight=1.0, delay=1.0)
    net.connect(cells, cells, weight=-50.0, delay=2.0)
    net.connect(net.create("multimeter", record_from=["V_m"], interval=0.5, name="meter"), cells)
    net.connect(cells, net.create("spike_recorder", name="spikes"))
    return net


@pytest.mark.parametrize("x64", [False, True])
def test_frozen_nodes_stay_in_every_lowering(x64):
    with jax.enable_x64(x64):
        found = []
        for options in ({"delivery": "events", "lowering": "xla"}, {"delivery": "dense"}, {"delivery": "events"}):
            sim = jn.Simulation(network(), **options)
            sim.run(12.0)
            found.append(sim.traces(sim.network["meter"]).V_m)
            assert (found[-1][:, 1] == -60.0).all()
            assert np.ptp(found[-1][:, 0]) > 1.0
            assert 1 not in sim.spikes(sim.network["spikes"]).senders
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-12 if x64 else 1e-5)


def test_generators_that_are_frozen_give_nothing():
    with jax.enable_x64(True):
        one, both = (jn.Simulation(network(generator=g)) for g in (True, False))
        for sim in (one, both):
            sim.run(5.0)
        assert one.traces(one.network["meter"]).V_m[-1, 0] < both.traces(both.network["meter"]).V_m[-1, 0]


def test_frozen_neurons_have_no_derivative():
    program = network().compile(delivery="dense")

    def loss(params):
        _, record = program.simulate(params, program.connections, program.init(params), 12.0)
        return record.traces["meter"].V_m[-1, 1]

    gradient = jax.grad(loss, allow_int=True)(program.params)
    assert np.all(np.asarray(program.get(gradient, "in.weight")) == 0)


def test_what_is_refused():
    net = jn.Network()
    with pytest.raises(jn.ConfigurationError, match="frozen="):
        net.create("iaf_psc_exp", 3, frozen=[True, False])
    with pytest.raises(jn.ConfigurationError, match="cannot be frozen"):
        net.create("multimeter", frozen=True)
    net.create("iaf_psc_exp", 3, frozen=True)
    with pytest.raises(jn.ConfigurationError, match="waiting"):
        net.compile(waiting=0.1)
    assert jn.Network(2.0**-5, tics_per_ms=1024).h == 2.0**-5
    with pytest.raises(jn.ConfigurationError, match="multiple of"):
        jn.Network(0.03, tics_per_ms=1024)
