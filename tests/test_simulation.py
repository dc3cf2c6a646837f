"""The loop: splitting, chunks, buffers, recompilation, interruption, recording, names and paths."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn
from jaxnest.simulation import _advance, _run


def network(plastic=False, seed=0, n=40):
    """Excitation and inhibition with several delays, so that slices are shorter than the longest delay."""
    net = jn.Network(seed=seed)
    exc = net.create("iaf_psc_exp", n, name="exc", V_m=jn.uniform(-70.0, -55.0))
    inh = net.create("iaf_psc_exp", n // 4, name="inh", tau_m=8.0)
    noise = net.create("poisson_generator", name="noise", rate=8000.0)
    net.connect(noise, exc + inh, weight=45.0, delay=1.0)
    net.connect(exc, exc + inh, jn.fixed_indegree(8), weight=jn.normal(30.0, 5.0), delay=jn.uniform(0.7, 2.5))
    net.connect(inh, exc + inh, jn.fixed_indegree(3), weight=-150.0, delay=0.7)
    if plastic:
        net.connect(exc, exc, jn.fixed_indegree(4), synapse="stdp_synapse", weight=20.0, delay=1.5, name="plastic")
    recorder = net.create("spike_recorder", name="recorder")
    net.connect(exc + inh, recorder)
    meter = net.create("multimeter", name="meter", record_from=["V_m", "I_syn_ex"], interval=0.5)
    net.connect(meter, inh[1:3] + exc[:2])
    return net


def results(sim):
    spikes, traces = sim.spikes(sim.network["recorder"]), sim.traces(sim.network["meter"])
    return spikes.times, spikes.senders, traces.times, traces.V_m, traces.I_syn_ex


def assert_same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("delivery", ["events", "dense"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_splitting_a_run_changes_nothing(delivery, dtype):
    with jax.enable_x64(dtype == "float64"):
        net = network(plastic=True)
        whole = jn.Simulation(net, seed=1, delivery=delivery).run(300.0)
        assert len(whole.spikes(net["recorder"])) > 300
        split = jn.Simulation(net, seed=1, delivery=delivery)
        for time in (0.1, 0.0, 33.3, 66.6, 0.7, 0.3, *[0.1] * 20, 197.0):
            split.run(time)
        assert split.time == whole.time == 300.0
        assert_same(results(whole), results(split))
        np.testing.assert_array_equal(whole.get("plastic", "weight"), split.get("plastic", "weight"))


def test_full_buffers_change_nothing(monkeypatch):
    net = network()
    whole = jn.Simulation(net, seed=1).run(200.0)
    monkeypatch.setattr(_advance, "_SPIKE_ROOM", 1)
    monkeypatch.setattr(_advance, "_SAMPLE_BYTES", 1)
    small = jn.Simulation(net, seed=1)
    calls = []
    advance = small._advance
    small._advance = lambda *args: calls.append(1) or advance(*args)
    small.run(200.0)
    assert len(calls) > 20
    assert_same(results(whole), results(small))


def test_both_lowerings_agree_bit_for_bit():
    with jax.enable_x64(True):
        net = network()
        events, dense = (jn.Simulation(net, seed=2, delivery=d).run(200.0) for d in ("events", "dense"))
        assert_same(results(events), results(dense))


@pytest.mark.parametrize("lowering", ["xla", "auto"])
def test_simulation_and_pure_function_agree(lowering):
    """Bit by bit in XLA; in C++, which steps neurons in runs only, up to rounding (so in double precision)."""
    with jax.enable_x64(lowering == "auto"):
        net = network()
        sim = jn.Simulation(net, seed=5, delivery="events", lowering=lowering).run(50.0)
        program = net.compile(delivery="events", lowering=lowering)
        _, record = jax.jit(lambda p, c, s: program.simulate(p, c, s, 50.0))(
            program.params, program.connections, program.init(seed=5)
        )
        steps, senders = np.nonzero(np.asarray(record.spikes["recorder"]))
        spikes = sim.spikes(net["recorder"])
        np.testing.assert_allclose(spikes.times, np.asarray(record.times)[steps], rtol=1e-6)
        np.testing.assert_array_equal(spikes.senders, senders)
        mine, pure = sim.traces(net["meter"]).V_m, record.traces["meter"].V_m
        if lowering == "xla":
            np.testing.assert_array_equal(mine, pure)
        else:
            np.testing.assert_allclose(mine, pure, rtol=1e-12)


def test_pure_function_can_be_split_anywhere_and_checkpointed():
    net = network(plastic=True)
    program = net.compile(delivery="dense")
    whole, record = program.simulate(program.params, program.connections, program.init(seed=5), 40.0)
    state, parts = program.init(seed=5), []
    for time in (0.5, 12.3, 0.2, 27.0):
        state, part = program.simulate(program.params, program.connections, state, time, checkpoint=True)
        parts.append(part)
    spikes = np.concatenate([p.spikes["recorder"] for p in parts])
    np.testing.assert_array_equal(record.spikes["recorder"], spikes)
    assert spikes.sum() > 10
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(a, b)


def test_any_time_and_changed_values_compile_nothing_again():
    net = network()
    sim = jn.Simulation(net, seed=1).run(10.0)
    compiled = sim._advance._cache_size()
    sim.run(0.3).run(123.4)
    sim.set("exc", I_e=100.0)
    sim.set("noise", rate=9000.0)
    sim.set("inh->exc+inh", weight=-100.0)
    sim.run(20.0)
    sim.set("exc", I_e=np.linspace(0.0, 10.0, 40))
    sim.run(20.0)
    assert sim._advance._cache_size() == compiled


def test_networks_of_one_structure_share_what_was_compiled():
    def run(rate=8000.0, n=40):
        net = jn.Network(seed=2)
        cells = net.create("iaf_psc_alpha", n, name="cells", I_e=jn.uniform(0.0, 400.0))
        noise = net.create("poisson_generator", name="noise", rate=rate)
        recorder, meter = net.create("spike_recorder", name="recorder"), net.create("voltmeter", name="meter")
        net.connect(noise, cells, weight=30.0)
        net.connect(cells, cells, jn.fixed_indegree(5), weight=20.0)
        net.connect(cells, recorder)
        net.connect(meter, cells[:5] if rate < 9000 else cells[3:8])
        return jn.Simulation(net, seed=1).run(20.0)

    first = run()
    compiled = first._advance._cache_size()
    second = run(rate=8500.0)
    assert second._advance is first._advance and first._advance._cache_size() == compiled
    assert not np.array_equal(first.get("cells", "V_m"), second.get("cells", "V_m"))
    third = run(rate=9500.0)  # other nodes are recorded: constants of the program
    assert third._advance is not first._advance
    np.testing.assert_array_equal(third.traces(third.network["meter"]).ids, np.arange(3, 8))
    np.testing.assert_allclose(third.traces(third.network["meter"]).V_m[-1], third.get("cells", "V_m")[3:8], rtol=1e-6)


def test_programs_of_networks_that_are_gone_are_forgotten():
    """Compiled programs take memory maps, of which a process has not many."""
    assert _run.compiled_advance.cache_info().maxsize == _run._SHARED <= 64
    gone = []
    for n in range(3):
        net = jn.Network()
        cells = net.create("iaf_psc_delta", 3 + n)
        net.connect(cells, net.create("spike_recorder"))
        gone.append(weakref.ref(jn.Simulation(net).run(1.0)._advance))
    _run.compiled_advance.cache_clear()
    gc.collect()
    assert not any(ref() for ref in gone)


def test_a_change_of_parameter_acts_and_can_be_read():
    net = jn.Network()
    a, b = net.create("iaf_psc_exp", 2, name="a"), net.create("iaf_psc_exp", 3, name="b")
    recorder = net.create("spike_recorder")
    net.connect(a + b, recorder)
    sim = jn.Simulation(net).run(50.0)
    assert len(sim.spikes(recorder)) == 0
    sim.set(b, I_e=[0.0, 500.0, 1000.0])
    sim.set(a, V_m=-56.0)
    np.testing.assert_array_equal(sim.get(a, "I_e"), [0.0, 0.0])
    np.testing.assert_array_equal(sim.get(b, "I_e"), [0.0, 500.0, 1000.0])
    np.testing.assert_array_equal(sim.get(a, "V_m"), [-56.0, -56.0])
    sim.run(50.0)
    assert [len(t) > 0 for t in sim.spikes(recorder).by_sender()] == [False, False, False, True, True]


def test_interruption_keeps_what_was_simulated(monkeypatch):
    net = network()
    whole = jn.Simulation(net, seed=1).run(200.0)
    sim = jn.Simulation(net, seed=1)
    wait = jax.block_until_ready
    calls = []

    def interrupted(x):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return wait(x)

    monkeypatch.setattr(jax, "block_until_ready", interrupted)
    sim._chunk = lambda: 300
    with pytest.raises(KeyboardInterrupt):
        sim.run(200.0)
    assert sim.time == 60.0
    sim.run(140.0)
    assert_same(results(whole), results(sim))


def test_progress_names_the_real_time_factor(capfd):
    jn.Simulation(network()).run(100.0, progress=True)
    shown = capfd.readouterr().err
    assert "100/100 ms" in shown
    assert "real-time factor" in shown


def test_seeds_map_and_runs_are_reproducible():
    net = network()
    program = net.compile(delivery="dense")

    @jax.jit
    @jax.vmap
    def count(key):
        _, record = program.simulate(program.params, program.connections, program.init(seed=key), 30.0)
        return record.spikes["recorder"].sum(0)

    keys = jnp.array([[0, 1], [0, 2], [0, 1]], jnp.uint32)
    counts = np.asarray(count(keys))
    np.testing.assert_array_equal(counts[0], counts[2])
    assert (counts[0] != counts[1]).any()
    single = jn.Simulation(net, seed=2, delivery="dense").run(30.0).spikes(net["recorder"])
    np.testing.assert_array_equal(counts[1], np.bincount(single.senders, minlength=50))


def test_a_result_depends_on_neither_device_nor_sharding_of_trials():
    devices = jax.devices()
    assert len(devices) >= 4
    net = network()
    program = net.compile(delivery="dense")
    mesh = jax.sharding.Mesh(np.array(devices[:4]), ("trial",))
    keys = jnp.array([[0, s] for s in range(8)], jnp.uint32)

    def count(key):
        _, record = program.simulate(program.params, program.connections, program.init(seed=key), 20.0)
        return record.spikes["recorder"].sum(0)

    plain = np.asarray(jax.jit(jax.vmap(count))(keys))
    sharded = jax.device_put(keys, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("trial")))
    np.testing.assert_array_equal(jax.jit(jax.vmap(count))(sharded), plain)


def test_paths_find_connections_in_the_tables():
    net = jn.Network(seed=3)
    a = net.create("iaf_psc_exp", 5, name="a")
    b = net.create(
        "iaf_psc_exp_multisynapse" if "iaf_psc_exp_multisynapse" in jn.neurons.neurons else "iaf_psc_exp", 4, name="b"
    )
    rng = np.random.default_rng(0)
    given = {}
    for name, (pre, post) in {"aa": (a, a), "ba": (b, a), "mixed": (a + b, a)}.items():
        n = 15
        pairs = rng.integers(0, len(jn.Nodes.of(pre)), n), rng.integers(0, 5, n)
        weight, delay = rng.normal(size=n), rng.integers(1, 9, n) * 0.5
        net.connect(pre, post, jn.explicit(*pairs), weight=weight, delay=delay, name=name)
        given[name] = (*pairs, weight, delay)
    program = net.compile()
    for name, (pre, post, weight, delay) in given.items():
        order = np.lexsort((post, pre))
        ends = program.connections_of(name)
        np.testing.assert_array_equal(ends["pre"], pre[order])
        np.testing.assert_array_equal(ends["post"], post[order])
        np.testing.assert_allclose(ends["delay"], delay[order])
        np.testing.assert_allclose(program.get(program.params, f"{name}.weight"), weight[order], rtol=1e-6)
    changed = program.set(program.params, {"ba.weight": np.arange(15.0)})
    np.testing.assert_array_equal(program.get(changed, "ba.weight"), np.arange(15.0))
    for other in ("aa", "mixed"):
        np.testing.assert_array_equal(program.get(changed, f"{other}.weight"), program.get(program.params, f"{other}.weight"))
    with pytest.raises(jn.ConfigurationError, match="did you mean 'mixed'"):
        program.get(program.params, "mixd.weight")


def test_weight_recorder_sees_every_event():
    net = jn.Network()
    source = net.create("spike_generator", spike_times=[1.0, 1.1, 7.0])
    cells = net.create("iaf_psc_exp", 3, name="cells")
    recorder = net.create("weight_recorder")
    projection = net.connect(source, cells, weight=[1.0, 2.0, 3.0], delay=2.0, weight_recorder=recorder, name="p")
    sim = jn.Simulation(net).run(5.0).run(5.0)
    events = sim.weights(projection)
    np.testing.assert_allclose(events.times, np.repeat([1.0, 1.1, 7.0], 3))
    np.testing.assert_array_equal(events.connections, [0, 1, 2] * 3)
    np.testing.assert_array_equal(events.weights, [1.0, 2.0, 3.0] * 3)


def test_multimeter_interval_offset_and_window():
    net = jn.Network()
    cell = net.create("iaf_psc_exp", I_e=300.0)
    every = net.create("multimeter", name="every", record_from=["V_m"], interval=0.1)
    some = net.create("multimeter", name="some", record_from=["V_m"], interval=2.0, offset=0.5, start=3.0, stop=9.0)
    net.connect(every, cell)
    net.connect(some, cell)
    sim = jn.Simulation(net).run(12.0)
    traces = sim.traces(some)
    np.testing.assert_allclose(traces.times, [4.5, 6.5, 8.5])
    np.testing.assert_array_equal(traces.V_m[:, 0], sim.traces(every).V_m[[44, 64, 84], 0])


def test_an_empty_network_and_a_run_of_nothing():
    net = jn.Network()
    assert jn.Simulation(net).run(5.0).time == 5.0
    net.create("iaf_psc_exp")
    assert jn.Simulation(net).run(0.0).time == 0.0
