"""Networks over several devices compute, bit for bit, what one device computes."""

import os
import signal
import threading
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxnest as jn
from jaxnest import distributed
from jaxnest._cli import main


def network(kind: str) -> tuple[jn.Network, dict]:
    """Excitation and inhibition with several delays, multapses, two models, relays, generators, and targets of unequal in-degree."""
    net = jn.Network(seed=5)
    exc = net.create("iaf_psc_delta" if kind == "delta" else "iaf_psc_exp", 61, name="exc", V_m=jn.uniform(-69.0, -56.0))
    inh = net.create("iaf_psc_alpha", 18, name="inh")
    relay = net.create("parrot_neuron", 3, name="relay")
    noise = net.create("poisson_generator", 2, name="noise", rate=[4000.0, 3000.0])
    timed = net.create("spike_generator", name="timed", spike_times=[1.0, 2.5, 30.0])
    current = net.create("dc_generator", name="current", amplitude=[120.0])
    net.connect(noise[:1], exc, weight=2.0 if kind == "delta" else 60.0, delay=1.5)
    net.connect(noise[1:], inh[4:] + relay, jn.pairwise_bernoulli(0.8), weight=80.0, delay=jn.uniform(0.5, 1.2))
    net.connect(timed, exc[:40] + relay, weight=jn.uniform(0.5, 1.0), delay=2.0)
    net.connect(current, inh, jn.fixed_outdegree(9))
    plastic = {"synapse": "stdp_synapse", "lambda_": 0.1, "Wmax": 150.0} if kind == "stdp" else {}
    weight = jn.normal(0.8, 0.2) if kind == "delta" else jn.uniform(30.0, 60.0)
    net.connect(exc, exc + inh, jn.fixed_indegree(15), weight=weight, delay=jn.uniform(0.8, 3.0), name="from exc", **plastic)
    net.connect(
        inh, exc + inh, jn.pairwise_bernoulli(0.3), weight=-2.0 if kind == "delta" else -100.0, delay=0.9, name="from inh"
    )
    net.connect(relay, exc[::2], jn.fixed_total_number(70), weight=1.0, delay=1.1, name="relayed")
    pairs = np.random.default_rng(0).integers(0, 18, (2, 50))
    net.connect(inh, inh, jn.explicit(pairs[0], pairs[1]), weight=-20.0, delay=0.7, name="listed")
    spikes = net.create("spike_recorder", name="spikes")
    net.connect(exc + inh + relay + timed, spikes)
    net.connect(noise[1:], spikes)
    meter = net.create("multimeter", name="meter", record_from=["V_m"], interval=0.5)
    net.connect(meter, inh[::3] + exc[50:] + exc[2:9])
    return net, {"spikes": spikes, "meter": meter}


def recorded(sim: jn.Simulation, of: dict) -> tuple[np.ndarray, ...]:
    spikes, traces = sim.spikes(of["spikes"]), sim.traces(of["meter"])
    return spikes.times, spikes.ids, traces.times, traces.V_m


def final(sim: jn.Simulation) -> tuple[np.ndarray, ...]:
    weights = [sim.get(name, "weight") for name in ("from exc", "from inh", "relayed", "listed")]
    return (*weights, sim.get("exc", "V_m"), sim.get("inh", "I_e"))


def assert_equal(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


_WHOLE: dict = {}


@pytest.fixture
def whole():
    """By kind and lowering, what one device computes in 60 ms."""

    def run(kind: str, lowering: str = "auto"):
        if (kind, lowering) not in _WHOLE:
            net, of = network(kind)
            sim = jn.Simulation(net, seed=2, delivery="events", lowering=lowering).run(60.0)
            _WHOLE[kind, lowering] = recorded(sim, of), final(sim)
        return _WHOLE[kind, lowering]

    return run


@pytest.mark.parametrize(
    ("kind", "devices", "lowering"),
    [
        ("stdp", 4, "auto"),
        ("delta", 2, "xla"),
        pytest.param("exp", 1, "auto", marks=pytest.mark.slow),
        pytest.param("exp", 3, "auto", marks=pytest.mark.slow),
        pytest.param("stdp", 2, "xla", marks=pytest.mark.slow),
        pytest.param("delta", 4, "auto", marks=pytest.mark.slow),
    ],
)
def test_any_number_of_devices_gives_the_same_bits(whole, kind, devices, lowering):
    net, of = network(kind)
    sim = distributed.Simulation(net, seed=2, mesh=distributed.mesh_of(devices), lowering=lowering)
    sim.run(13.3).run(46.7)
    assert len(sim.spikes(of["spikes"])) > 300
    expected, values = whole(kind, lowering)
    assert_equal(recorded(sim, of), expected)
    assert_equal(final(sim), values)


def test_each_device_holds_its_part_of_the_connections():
    net, _ = network("exp")
    sim = distributed.Simulation(net, mesh=distributed.mesh_of(4))
    for key, table in ((t.key, sim.connections[t.key]) for t in sim.plan.tables):
        held = np.asarray(table.row_ptr[:, -1])
        assert table.target.shape[1] == max(held.max(), 2), key
        assert len(table.target.sharding.device_set) == 4
    load = sum(np.asarray(sim.connections[t.key].row_ptr[:, -1]) for t in sim.plan.tables)
    assert load.max() < 1.15 * load.mean()


def test_a_run_goes_on_with_another_number_of_devices(whole, tmp_path):
    """From a checkpoint between slices of the run, on one device, and on another mesh; parameters that were set, and recordings, go along."""
    pytest.importorskip("orbax.checkpoint")
    net, of = network("stdp")
    sim = distributed.Simulation(net, seed=2, mesh=distributed.mesh_of(3))
    sim.run(20.0, checkpoint=tmp_path, every=7.3)
    for other in (
        jn.Simulation(net, seed=7, delivery="events"),
        distributed.Simulation(net, seed=8, mesh=distributed.mesh_of(2)),
    ):
        assert other.resume(tmp_path)
        assert other.time == 20.0
        other.run(40.0)
        assert_equal(recorded(other, of), whole("stdp")[0])
        assert_equal(final(other), whole("stdp")[1])


def test_values_are_set_and_read_as_on_one_device():
    found = []
    for make in (
        lambda net: jn.Simulation(net, seed=2, delivery="events"),
        lambda net: distributed.Simulation(net, seed=2, mesh=distributed.mesh_of(4)),
    ):
        net, of = network("exp")
        sim = make(net)
        sim.run(5.0)
        rng = np.random.default_rng(1)
        sim.set("exc", tau_m=rng.uniform(8.0, 12.0, 61), V_m=-60.0)
        sim.set("inh", V_th=-56.0)
        sim.set("from exc", weight=rng.uniform(20.0, 50.0, len(net["from exc"])))
        sim.set("noise", rate=5000.0)
        sim.run(20.0)
        found.append((*recorded(sim, of), *final(sim), sim.get("exc", "tau_m"), sim.get("inh", "V_th")))
    assert_equal(*found)


def test_parts_of_single_neurons_keep_values_of_their_own():
    found = []
    for make in (
        lambda net: jn.Simulation(net, delivery="events"),
        lambda net: distributed.Simulation(net, mesh=distributed.mesh_of(4)),
    ):
        net = jn.Network()
        four = net.create("iaf_psc_exp", 4, name="four", V_th=[-60.0, -58.0, -56.0, -54.0], I_e=400.0)
        one = net.create("iaf_psc_alpha", name="one", E_L=-60.0)
        net.connect(four, four + one, weight=10.0)
        spikes = net.create("spike_recorder")
        net.connect(four + one, spikes)
        sim = make(net).run(50.0)
        found.append((sim.spikes(spikes).ids, sim.get("four", "V_th"), sim.get("four", "V_m"), sim.get("one", "V_m")))
    assert len(found[0][0]) > 5
    assert_equal(*found)


def test_sigterm_ends_a_run_with_a_checkpoint(tmp_path):
    pytest.importorskip("orbax.checkpoint")
    net, _ = network("exp")
    sim = jn.Simulation(net, seed=2)
    timer = threading.Timer(1.5, signal.raise_signal, (signal.SIGTERM,))
    timer.start()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match=str(128 + signal.SIGTERM)):
        sim.run(1e7, checkpoint=tmp_path)
    timer.join()
    assert signal.getsignal(signal.SIGTERM) == before
    other = jn.Simulation(net, seed=3)
    assert other.resume(tmp_path)
    assert other.time == sim.time > 0
    assert not other.resume(Path(tmp_path, "nothing"))
    with pytest.raises(jn.ConfigurationError, match="is of the network"):
        jn.Simulation(jn.Network(), seed=1).resume(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda net: net.connect(net["exc"], net["inh"], synapse="bernoulli_synapse"), "draws random numbers"),
        (lambda net: net.create("iaf_psc_exp", 4, name="still", frozen=True), "frozen"),
        (lambda net: net.create("spike_generator", spike_times=[1.0], spike_weights=[2.0]), "spike_weights"),
    ],
)
def test_what_does_not_work_yet_is_refused(change, message):
    net, _ = network("exp")
    change(net)
    with pytest.raises(jn.ConfigurationError, match=message):
        distributed.Simulation(net, mesh=distributed.mesh_of(2))


def test_wrong_devices_are_refused():
    with pytest.raises(jn.ConfigurationError, match="jax_num_cpu_devices"):
        distributed.mesh_of(1 + len(jax.devices()))
    net, _ = network("exp")
    with pytest.raises(jn.ConfigurationError, match="matrix"):
        distributed.Simulation(net, delivery="matrix")


_SCRIPT = """
import os, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(sys.argv[3])])  # XLA makes as many threads
sys.path.insert(0, {tests!r})
import jax, numpy as np
from jaxnest import distributed
from test_distributed import network, recorded, final
net, of = network(sys.argv[1])
sim = distributed.Simulation(net, seed=2)
assert len(sim.mesh.devices) == jax.process_count() == int(sys.argv[2])
sim.run(20.0).run(40.0)
found = (*recorded(sim, of), *final(sim))  # all processes ask
if jax.process_index() == 0:
    np.savez({out!r}, *found)
print("told by", jax.process_index())
"""
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


@pytest.mark.skipif(_CORES < 2, reason="one processor only")
@pytest.mark.parametrize(
    ("processes", "kind", "threads"),
    [
        (2, "stdp", _CORES),
        *(
            pytest.param(n, kind, threads, marks=pytest.mark.slow)
            for n in (2, 4)
            for kind in ("exp", "stdp")
            for threads in (1, _CORES)
            if (n, kind, threads) != (2, "stdp", _CORES)
        ),
    ],
)
def test_several_processes_are_one_run(whole, processes, kind, threads, tmp_path, capfd, monkeypatch):
    """Also what is printed is printed once."""
    monkeypatch.setenv("XLA_FLAGS", "")
    script, out = tmp_path / "script.py", tmp_path / "out.npz"
    script.write_text(_SCRIPT.format(tests=str(Path(__file__).parent), out=str(out)))
    assert main(["launch", "-n", str(processes), str(script), kind, str(processes), str(threads)]) == 0
    told = capfd.readouterr().out
    assert told.count("told by") == 1
    with np.load(out) as found:
        assert_equal(found.values(), (*whole(kind)[0], *whole(kind)[1]))


@pytest.mark.parametrize(
    "how",
    [
        "raise ValueError('no such luck')",
        pytest.param("sys.exit(3)", marks=pytest.mark.slow),
        pytest.param("os.kill(os.getpid(), 9)", marks=pytest.mark.slow),
    ],
)
def test_a_process_that_dies_ends_the_run(how, tmp_path, capfd):
    script = tmp_path / "script.py"
    script.write_text(f"import os, sys, time, jax\nif jax.process_index() == 1:\n    {how}\ntime.sleep(300)\n")
    code = distributed.launch(2, str(script), [])
    error = capfd.readouterr().err
    assert code == {"s": 3, "o": 137, "r": 1}[how[0]]
    assert "process 1 ended" in error
    assert "luck" in error or how[0] != "r"


def test_launching_nothing_is_refused(tmp_path):
    with pytest.raises(jn.ConfigurationError, match="no file"):
        distributed.launch(2, str(tmp_path / "nothing.py"), [])
    with pytest.raises(jn.ConfigurationError, match="at least 1"):
        distributed.launch(0, __file__, [])
