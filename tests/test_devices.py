"""Devices: what they emit, when, with what gradient; what they refuse. NEST's own results: the conformance scenarios."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn

H = 0.1


def passive(n=1, **params):
    net = jn.Network(h=H)
    return net, net.create("iaf_psc_exp", n, V_th=1e6, name="cells", **params)


def potential(net, cells, time, **options):
    meter = net.create("multimeter", record_from=["V_m"], interval=H)
    net.connect(meter, cells)
    return jn.Simulation(net, **options).run(time).traces(meter).V_m


@pytest.mark.parametrize(
    "model, path, value, params",
    [
        ("dc_generator", "amplitude", 100.0, {}),
        ("ac_generator", "frequency", 30.0, {"amplitude": 100.0, "phase": 20.0}),
        ("step_current_generator", "amplitude_values", [100.0, -50.0], {"amplitude_times": [1.0, 4.0]}),
        ("noise_generator", "std", 100.0, {"mean": 20.0, "std_mod": 50.0, "frequency": 200.0}),
    ],
)
def test_currents_have_gradients(x64, model, path, value, params):
    net, cells = passive(3)
    generator = net.create(model, name="generator", **{path: value}, **params)
    net.connect(generator, cells, weight=[1.0, -2.0, 0.5])
    program = net.compile()

    def outcome(x):
        p = program.set(program.params, {f"generator.{path}": x})
        state, _ = program.simulate(p, program.connections, program.init(p), 8.0)
        return jnp.sum(jnp.arange(1.0, 4.0) * state.nodes["iaf_psc_exp"].V_m)

    outcome = jax.jit(outcome)
    value = jnp.asarray(value)
    found, step = jax.jit(jax.grad(outcome))(value), 1e-4
    for place in np.ndindex(value.shape):
        moved = [outcome(value.at[place].add(sign * step)) for sign in (1, -1)]
        np.testing.assert_allclose(found[place], (moved[0] - moved[1]) / (2 * step), rtol=1e-6)
        assert found[place] != 0


def test_rates_have_the_gradient_of_the_mean(x64):
    net, _cells = passive(2)
    times = {"rate_times": [1.0, 5.0], "rate_values": [2000.0, 8000.0]}
    generator = net.create("inhomogeneous_poisson_generator", name="generator", **times)
    recorder = net.create("spike_recorder", name="recorder")
    net.connect(generator, recorder)
    program = net.compile()

    def count(rates):
        p = program.set(program.params, {"generator.rate_values": rates})
        _, record = program.simulate(p, program.connections, program.init(p), 8.0)
        return jnp.sum(record.spikes["recorder"])

    np.testing.assert_allclose(jax.grad(count)(jnp.array([2000.0, 8000.0])), [40 * H * 1e-3, 31 * H * 1e-3])


def test_noise_without_deviation_has_a_finite_gradient(x64):
    net, cells = passive()
    net.connect(net.create("noise_generator", name="generator", mean=10.0), cells)
    program = net.compile()

    def outcome(x):
        p = program.set(program.params, {"generator.std": x[0], "generator.std_mod": x[1]})
        return program.simulate(p, program.connections, program.init(p), 3.0)[0].nodes["iaf_psc_exp"].V_m[0]

    assert np.isfinite(jax.grad(outcome)(jnp.zeros(2))).all()


def test_spikes_of_opposite_weight_do_not_cancel(x64):
    """+500 and -500 at one time reach different channels; multiplicities multiply; relays count."""
    net = jn.Network(h=H)
    spikes = {"spike_times": [1.0, 1.0, 3.0], "spike_weights": [5.0, -5.0, 0.5], "spike_multiplicities": [1, 1, 3]}
    generator = net.create("spike_generator", **spikes)
    cells = net.create("iaf_psc_exp", 1, V_th=1e6, tau_syn_ex=2.0, tau_syn_in=6.0)
    relay = net.create("parrot_neuron", 1)
    recorder, meter = (
        net.create("spike_recorder"),
        net.create("multimeter", record_from=["I_syn_ex", "I_syn_in"], interval=H),
    )
    net.connect(generator, cells, weight=100.0)
    net.connect(generator, relay, weight=-7.0)
    net.connect(relay, recorder)
    net.connect(meter, cells)
    for delivery in ("events", "dense"):
        sim = jn.Simulation(net, delivery=delivery).run(6.0)
        traces = sim.traces(meter)
        at = np.round(traces.times / H).astype(int) == 20
        assert traces.I_syn_ex[at, 0] == 500.0 and traces.I_syn_in[at, 0] == -500.0
        later = np.round(traces.times / H).astype(int) == 40
        np.testing.assert_allclose(traces.I_syn_ex[later, 0], 150.0 + 500.0 * np.exp(-1.0))
        np.testing.assert_array_equal(sim.spikes(recorder).times, [2.0, 2.0, 4.0, 4.0, 4.0])


def test_spike_weights_have_gradients(x64):
    net, cells = passive()
    generator = net.create("spike_generator", name="generator", spike_times=[1.0, 1.0, 2.0], spike_weights=[3.0, -4.0, 1.0])
    net.connect(generator, cells, weight=10.0, delay=1.0)
    program = net.compile()

    def charge(x):
        nodes = {**program.params["nodes"], "generator": program.params["nodes"]["generator"].replace(spike_weights=x)}
        p = {**program.params, "nodes": nodes}
        s = program.simulate(p, program.connections, program.init(p), 3.0)[0].nodes["iaf_psc_exp"]
        return s.I_syn_ex[0] + 2 * s.I_syn_in[0]

    decay = np.exp(-1.0 / 2.0)
    np.testing.assert_allclose(jax.grad(charge)(jnp.array([3.0, -4.0, 1.0])), [10 * decay, 20 * decay, 10.0])


def test_spike_times_count_from_origin_and_may_change(x64):
    net = jn.Network(h=H)
    windows = {"origin": [0.0, 2.0, 0.0], "start": [0.0, 0.0, 1.0], "stop": [np.inf, 2.0, 3.0]}
    generator = net.create("spike_generator", 3, spike_times=[1.0, 2.0, 3.0, 4.0], **windows)
    recorder = net.create("spike_recorder")
    net.connect(generator, recorder)
    sim = jn.Simulation(net).run(5.0)
    first = [[1.0, 2.0, 3.0, 4.0], [3.0, 4.0], [2.0, 3.0]]
    assert [list(t) for t in sim.spikes(recorder).by_sender()] == first
    sim.set(generator, spike_times=[4.0, 5.0, 6.0, 6.0, 7.0], stop=[np.inf, 100.0, 3.0])
    sim.run(3.0)
    assert [list(t) for t in sim.spikes(recorder).by_sender()] == [
        first[0] + [6.0, 6.0, 7.0],
        first[1] + [6.0, 7.0, 8.0, 8.0],
        first[2],
    ]


def test_times_off_the_grid_are_refused_or_rounded_up():
    net, _cells = passive()
    with pytest.raises(jn.ConfigurationError, match="multiple of the resolution"):
        net.create("step_current_generator", amplitude_times=[0.25], amplitude_values=[1.0])
    with pytest.raises(jn.ConfigurationError, match="multiple of the resolution"):
        net.create("spike_generator", spike_times=[0.25])
    rounded = [
        net.create(
            "step_current_generator", amplitude_times=[0.21, 0.5], amplitude_values=[1.0, 2.0], allow_offgrid_times=True
        ),
        net.create("spike_generator", spike_times=[0.21, 0.5], allow_offgrid_times=True),
    ]
    np.testing.assert_allclose(rounded[0].values["amplitude_times"][:, 0], [0.3, 0.5])
    np.testing.assert_array_equal(rounded[1].options["step"], [3, 5])
    with pytest.raises(jn.ConfigurationError, match="increase"):
        net.create(
            "step_current_generator",
            amplitude_times=[0.21, 0.25],
            amplitude_values=[1.0, 2.0],
            allow_offgrid_times=True,
        )


@pytest.mark.parametrize(
    "model, params, words",
    [
        ("step_current_generator", {"amplitude_times": [1.0, 1.0], "amplitude_values": [1.0, 2.0]}, "increase"),
        ("step_current_generator", {"amplitude_times": [0.0], "amplitude_values": [1.0]}, "> 0"),
        ("step_current_generator", {"amplitude_times": [1.0, 2.0], "amplitude_values": [1.0]}, "same length"),
        ("inhomogeneous_poisson_generator", {"rate_times": [1.0], "rate_values": [-1.0]}, "rate_values"),
        ("noise_generator", {"std": 1.0, "std_mod": 2.0}, "std_mod"),
        ("noise_generator", {"dt": 0.25}, "dt"),
        ("dc_generator", {"start": 2.0, "stop": 1.0}, "stop"),
        ("ac_generator", {"start": 0.05}, "start"),
        ("spike_generator", {"spike_times": [1.0], "spike_weights": [1.0, 2.0]}, "spike_weights"),
        ("spike_generator", {"spike_times": [1.0], "spike_multiplicities": [-1]}, "spike_multiplicities"),
    ],
)
def test_impossible_devices_are_refused(model, params, words):
    net = jn.Network(h=H)
    with pytest.raises(jn.ConfigurationError, match=words):
        net.create(model, **params)
    assert not net.populations


def test_weighted_spikes_need_static_synapses():
    net, cells = passive()
    generator = net.create("spike_generator", spike_times=[1.0], spike_weights=[2.0])
    with pytest.raises(jn.ConfigurationError, match="parrot_neuron"):
        net.connect(generator, cells, synapse="stdp_synapse")


def test_lists_change_length_within_a_run(x64):
    net, cells = passive(2)
    lists = {"amplitude_times": [[1.0, 3.0], [2.0, np.inf]], "amplitude_values": [[100.0, 200.0], [50.0, 0.0]]}
    generator = net.create("step_current_generator", 2, name="generator", **lists)
    net.connect(generator, cells, "one_to_one", delay=H)
    sim = jn.Simulation(net).run(5.0)
    key = sim.program.plan.drives[0].key
    values = [np.asarray(sim.state.nodes[key].amplitude)]
    sim.set(generator, amplitude_times=[4.0, 6.0, 7.0], amplitude_values=[1.0, 2.0, 3.0])
    for _ in range(3):
        sim.run(1.0)
        values.append(np.asarray(sim.state.nodes[key].amplitude))
    np.testing.assert_array_equal(values, [[200.0, 50.0], [2.0, 2.0], [3.0, 3.0], [3.0, 3.0]])
    with pytest.raises(jn.ConfigurationError, match="same length"):
        sim.set(generator, amplitude_times=[9.0])


def test_a_recorder_hears_a_poisson_generator_of_its_own(x64):
    net = jn.Network(h=H)
    generator = net.create("poisson_generator", 3, rate=[0.0, 500.0, 50000.0], start=2.0, stop=400.0)
    relay = net.create("parrot_neuron", 3)
    recorders = (
        net.create("spike_recorder", name="a"),
        net.create("spike_recorder", name="b"),
        net.create("spike_recorder"),
    )
    net.connect(generator, relay, "one_to_one", delay=H)
    for recorder in recorders[:2]:
        net.connect(generator, recorder)
    net.connect(relay, recorders[2])
    sim = jn.Simulation(net, seed=5).run(150.3).run(349.7)
    trains = [sim.spikes(recorder).by_sender() for recorder in recorders]
    for train in trains:
        assert len(train[0]) == 0 and abs(len(train[1]) - 199) < 75 and abs(len(train[2]) - 19900) < 750
    assert np.unique(trains[0][2])[[0, -1]].tolist() == [2.2, 400.1]
    assert len(np.intersect1d(trains[0][1], trains[1][1])) < 40  # trains of their own
    whole = jn.Simulation(net, seed=5).run(500.0)
    np.testing.assert_array_equal(whole.spikes(recorders[0]).times, sim.spikes(recorders[0]).times)


def test_noise_is_held_for_dt_and_drawn_for_each_connection(x64):
    """C dV/dt of a membrane without leak gives the current back."""
    net, cells = passive(400, tau_m=1e9, C_m=1.0)
    generator = net.create("noise_generator", mean=5.0, std=3.0, dt=0.5, start=1.0, std_mod=3.0, frequency=250.0)
    net.connect(generator, cells, delay=H)
    V = np.vstack([np.full(400, -70.0), potential(net, cells, 12.0)])
    current = np.diff(V, axis=0) / H  # row n: step n
    first = 11  # max(a, 1) + d
    assert not current[:first].round(6).any() and current[first].any()
    held = current[first : first + 100].reshape(20, 5, 400)
    np.testing.assert_allclose(held, np.broadcast_to(held[:, :1], held.shape), atol=1e-6)
    drawn = held[:, 0]
    assert abs(drawn.mean() - 5.0) < 0.2 and abs(np.corrcoef(drawn[::2, 0], drawn[::2, 1])[0, 1]) < 0.9
    t = 5 * np.arange(20) + 1  # steps of activity at each draw
    expected = 3.0 * np.sqrt(1 + np.sin(2 * np.pi * 0.25 * t * H))
    assert np.abs(drawn.std(axis=1) - expected).max() < 0.5


def test_times_beyond_the_precision_of_float32_are_refused():
    net = jn.Network(h=H)
    generator = net.create("dc_generator", start=3_000_000.1)
    cells = net.create("iaf_psc_exp")
    net.connect(generator, cells)
    with jax.enable_x64(False), pytest.raises(jn.ConfigurationError, match="float64"):
        net.compile()
