"""The cost model counts what jaxnest needs, finds the constants that runs were made with, and says what does not fit."""

import json

import jax
import numpy as np
import pytest

import jaxnest as jn
from jaxnest import distributed
from jaxnest.distributed import plan
from jaxnest.models import microcircuit

_SIZE = plan.Size(12_000, 6e6, 10.0, min_delay=1.0, max_delay=2.0)


def _held(tree):
    return sum(x.addressable_shards[0].data.nbytes for x in jax.tree.leaves(tree))


@pytest.mark.parametrize("plastic", [False, True])
def test_memory_is_that_of_a_parted_network(plastic):
    net = jn.Network()
    cells = net.create("iaf_psc_exp", 3000, name="cells", V_m=jn.uniform(-70.0, -60.0))
    weight, more = jn.uniform(1.0, 2.0), {"synapse": "stdp_synapse"} if plastic else {}
    net.connect(cells, cells, jn.fixed_indegree(100), weight=weight, delay=jn.uniform(0.5, 2.0), **more)
    net.connect(cells, net.create("spike_recorder", name="spikes"))
    sim = distributed.Simulation(net, mesh=distributed.mesh_of(2))
    size = plan.size_of(net, 5.0)
    assert (size.neurons, size.synapses, size.min_delay, size.max_delay) == (3000, 300_000.0, 0.5, 2.0)
    needed = plan.memory(size, plan.machines()["cpu"], 2)
    tables = _held((sim.connections, sim.params["tables"], sim.state.tables))
    rest = _held((sim.params["nodes"], sim.state.nodes, sim.state.pending))
    assert needed["connections"] + needed["row pointers"] == pytest.approx(tables, rel=0.02)
    assert needed["neurons"] == pytest.approx(rest + 9 * 1500, rel=0.02)
    assert needed["ring"] == _held(sim.state.ring)
    assert needed["histories"] == pytest.approx(_held(sim.state.history), rel=0.02)
    assert needed["recordings"] == pytest.approx(_held(sim._buffers.spikes), rel=0.01)


def test_what_shrinks_with_the_devices_and_what_does_not():
    machine = plan.machines()["h100-kernel"]
    one, four = (plan.predict(_SIZE, machine, n) for n in (1, 4))
    assert four.bytes["connections"] == one.bytes["connections"] / 4 == 9 * 6e6 / 4
    assert four.bytes["row pointers"] == one.bytes["row pointers"] == 4 * 12_000
    counts = plan.work(_SIZE, machine, 4)
    assert (counts["step"], counts["neuron"], counts["source"]) == (10, 10 * 3000, 10 * 12_000)
    assert counts["event"] == pytest.approx(6e6 / 4 * 0.01)  # 10 spikes/s in a slice of 1 ms
    assert counts["row"] == pytest.approx(120.0)
    assert (counts["near"], counts["far"]) == (3, 0)
    assert plan.work(_SIZE, machine, 16)["far"] == 1
    assert one.factor == pytest.approx(1000.0 * sum(one.times.values()))
    assert four.received == 4 * four.sent == 4 * (256 * 4 + 8)


@pytest.mark.parametrize(
    ("neurons", "synapses", "fault"), [(10**7, 1e12, "GB of 72"), (10**9, 1e9, "neurons are more than 2^31")]
)
def test_what_cannot_run_is_told(neurons, synapses, fault):
    found = plan.predict(plan.Size(neurons, synapses, 1.0), plan.machines()["h100"], 64)
    assert any(fault in text for text in found.faults)
    assert not plan.predict(_SIZE, plan.machines()["h100"], 64).faults


def _records(seconds):
    """Runs of a machine with known constants."""
    records = []
    for rate in (0.0, 20.0):
        for neurons, degree in ((2000, 200), (5000, 400), (8000, 900)):
            for devices in (1, 2, 4, 8):
                size = plan.Size(neurons, neurons * degree, rate, connection=4.0)
                counts = plan.work(size, plan.machines()["cpu"], devices)
                took = sum(counts[name] * seconds[name] for name in counts) * size.slices
                told = {"neurons": neurons, "synapses": neurons * degree, "rate_hz": rate, "h": 0.1, "min_delay": 1.5}
                records.append({"devices": devices, "time_ms": 1000.0, "sim_s": took, **told})
    return records


def test_a_fit_finds_the_constants(tmp_path, capsys):
    true = dict.fromkeys(plan.CONSTANTS, 0.0)
    true |= {"step": 20e-6, "neuron": 4e-9, "event": 2e-9, "row": 50e-9, "source": 0.2e-9, "near": 7e-6}
    records = _records(true)
    found = plan.fit(plan.read(records), plan.machines()["cpu"])
    assert np.abs(found.residuals).max() < 1e-6
    for name, value in true.items():
        assert found.machine.seconds[name] == pytest.approx(value, rel=1e-3, abs=1e-12), name
    file = tmp_path / "runs.json"
    file.write_text(json.dumps(records))
    assert plan.main(["--measured", str(file), "--neurons", "1e4", "--synapses", "1e7", "--devices", "1", "2"]) == 0
    told = capsys.readouterr().out
    assert "event: 2 ns" in told and "| predicted |" in told and "limited by" in told
    assert plan.main(["--measured", str(file), "--rate", "3"]) == 2
    assert "--rate is of a network" in capsys.readouterr().err


def test_the_command_tells_published_networks(capsys):
    assert plan.main(["--network", "microcircuit", "--devices", "8", "--byte-ns", "1"]) == 0
    told = capsys.readouterr().out
    assert "77,169 neurons" in told and "as given" in told and "cannot run" not in told
    assert plan.main(["--network", "brain"]) == 0
    told = capsys.readouterr().out
    assert told.count("devices cannot run it") >= 4 and "all spikes" in told
    assert plan.main(["--network", "brain", "--listed", "--devices", "4096"]) == 0
    assert "NOT BUILT" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --network"),
        (["--neurons", "100"], "--synapses"),
        (["--neurons", "-3", "--synapses", "5"], "neurons=-3"),
        (["--neurons", "nan", "--synapses", "5"], "neurons=0"),
        (["--network", "microcircuit", "--devices", "0"], "devices=0"),
        (["--network", "microcircuit", "--rate", "1e5"], "rate=100000"),
        (["--network", "microcircuit", "--min-delay", "0.01"], "min_delay=0.01"),
        (["--network", "microcircuit", "--event-ns", "-1"], "--event-ns"),
        (["--network", "microcircuit", "--memory", "0"], "--memory"),
        (["--network", "microcircuit", "--machine", "h100", "--own"], "--own"),
        (["--measured", "nothing.json"], "nothing.json"),
        (["--measured", "nothing.json", "--machine", "h100"], "leave --machine out"),
    ],
)
def test_nonsense_is_refused(arguments, message, capsys):
    assert plan.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_records_of_something_else_are_refused(tmp_path, capsys):
    file = tmp_path / "runs.json"
    file.write_text('[{"benchmark": "brunel", "sim_s": 1.0}]')
    assert plan.main(["--measured", str(file)]) == 2
    assert "no number for devices" in capsys.readouterr().err


def test_the_size_of_the_microcircuit():
    net, _ = microcircuit(0.02)
    size = plan.size_of(net, 3.0)
    assert size.connection == 9.0 and size.min_delay == pytest.approx(0.1) and size.max_delay > 2.0
    full = plan.NETWORKS["microcircuit"][0]()
    assert full.neurons == 77_169 and full.synapses == pytest.approx(0.3e9, rel=0.01) and full.segments == 60
