"""Couplings by continuous signals, and the neurons that hear them, against live NEST and by their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn

N, H = 4, 0.1


def wires(seed):
    """Recurrent weights of both signs, several delays, and weights of instantaneous couplings: (N * N,) by target."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, 1.0, N * N), rng.integers(1, 20, N * N) * H, rng.normal(0.0, 0.5, N * N)


def network(model, params, seed=1):
    net = jn.Network(h=H)
    nodes = net.create(model, N, name="nodes", **params)
    weight, delay, instant = wires(seed)
    net.connect(nodes, nodes, synapse="rate_connection_delayed", weight=weight, delay=delay, name="delayed")
    net.connect(nodes, nodes, synapse="rate_connection_delayed", weight=-weight / 3, delay=2 * H, name="again")
    net.connect(nodes, nodes, synapse="rate_connection_instantaneous", weight=instant, name="instant")
    meter = net.create("multimeter", name="meter", record_from=["rate"], interval=H)
    net.connect(meter, nodes)
    return net


def recorded(net, time, seed=0):
    return jn.Simulation(net, seed=seed).run(time).traces(net["meter"])


def in_nest(model, params, time, seed=1):
    nest = pytest.importorskip("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=H, wfr_tol=1e-12, wfr_max_iterations=100, wfr_comm_interval=0.5)
    given = {k: list(v) if np.ndim(v) else bool(v) if isinstance(v, bool) else v for k, v in params.items()}
    nodes = nest.Create(model, N, given)
    weight, delay, instant = (x.reshape(N, N) for x in wires(seed))
    for spec in (
        {"synapse_model": "rate_connection_delayed", "weight": weight, "delay": delay},
        {"synapse_model": "rate_connection_delayed", "weight": -weight / 3, "delay": 2 * H},
        {"synapse_model": "rate_connection_instantaneous", "weight": instant},
    ):
        nest.Connect(nodes, nodes, "all_to_all", spec)
    meter = nest.Create("multimeter", params={"record_from": ["rate"], "interval": H})
    nest.Connect(meter, nodes)
    nest.Simulate(time)
    order = np.lexsort((meter.events["senders"], meter.events["times"]))
    return meter.events["rate"][order].reshape(-1, N)


START = np.linspace(-0.5, 1.0, N)
CASES = [
    ("lin_rate_ipn", {"mu": 1.0, "g": 0.3, "sigma": 0.0}),
    ("lin_rate_ipn", {"mu": 1.0, "g": 0.3, "sigma": 0.0, "lambda": 0.0, "rectify_output": True, "rectify_rate": 0.2}),
    ("lin_rate_ipn", {"mu": 1.0, "g": 0.3, "sigma": 0.0, "mult_coupling": True, "theta_ex": 2.0, "theta_in": 1.0}),
    ("lin_rate_opn", {"mu": 1.0, "g": 0.3, "sigma": 0.0, "mult_coupling": True, "theta_ex": 2.0, "g_in": 0.5}),
    ("tanh_rate_ipn", {"rate": START, "sigma": 0.0, "linear_summation": False, "theta": np.linspace(0.0, 0.3, N)}),
    ("tanh_rate_opn", {"rate": START, "sigma": 0.0, "tau": np.linspace(5.0, 9.0, N)}),
    ("threshold_lin_rate_ipn", {"mu": 0.5, "sigma": 0.0, "alpha": 0.8, "theta": 0.1}),
    ("threshold_lin_rate_opn", {"mu": 0.5, "sigma": 0.0, "linear_summation": False}),
    ("sigmoid_rate_ipn", {"mu": 0.5, "sigma": 0.0, "beta": 2.0, "linear_summation": False}),
    ("sigmoid_rate_gg_1998_ipn", {"mu": 0.1, "sigma": 0.0, "g": 0.4}),
    ("rate_transformer_lin", {"rate": START, "g": 0.5}),
    ("rate_transformer_tanh", {"rate": START, "linear_summation": False}),
    ("rate_transformer_threshold_lin", {"rate": START, "alpha": 0.7}),
    ("rate_transformer_sigmoid", {"rate": START}),
    ("rate_transformer_sigmoid_gg_1998", {"rate": START, "g": 0.3}),
    ("rate_transformer_gauss", {"rate": START, "mu": 0.2, "sigma": 0.7}),
]


@pytest.mark.parametrize(("model", "params"), CASES, ids=[f"{k}-{model}" for k, (model, _) in enumerate(CASES)])
def test_rates_are_those_of_nest(model, params):
    with jax.enable_x64(True):
        rate = recorded(network(model, params), 20.0)["rate"]
    wanted = in_nest(model, params, 20.0)
    assert np.abs(wanted).max() > 0.05
    np.testing.assert_allclose(rate[: len(wanted)], wanted, rtol=0, atol=1e-12)


def siegert(low):
    """Six neurons, some driven below threshold, coupled all to all."""
    rng = np.random.default_rng(3)
    params = {
        "tau": 2.0,
        "tau_m": [5.0, 10.0, 20.0, 10.0, 10.0, 10.0],
        "tau_syn": [0.0, 0.5, 2.0, 0.0, 0.5, 0.5],
        "mean": [20.0, 50.0, 0.0, 0.0, 30.0, 5.0],
    }
    scale = 0.02 if low else 1.0
    return params, rng.normal(0.1, 0.2, (6, 6)), rng.uniform(0.1, 3.0, (6, 6)) * scale


@pytest.mark.parametrize("low", [False, True])
def test_siegert_neurons_are_those_of_nest(low):
    nest = pytest.importorskip("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=H, wfr_tol=1e-12, wfr_max_iterations=100, wfr_comm_interval=0.5)
    params, drift, diffusion = siegert(low)
    theirs = nest.Create("siegert_neuron", 6, params)
    spec = {"synapse_model": "diffusion_connection", "drift_factor": drift, "diffusion_factor": diffusion}
    nest.Connect(theirs, theirs, "all_to_all", spec)
    recorder = nest.Create("multimeter", params={"record_from": ["rate"], "interval": H})
    nest.Connect(recorder, theirs)
    nest.Simulate(30.0)
    order = np.lexsort((recorder.events["senders"], recorder.events["times"]))
    wanted = recorder.events["rate"][order].reshape(-1, 6)
    with jax.enable_x64(True):
        net = jn.Network(h=H)
        ours = net.create("siegert_neuron", 6, **{k: np.array(v) for k, v in params.items()})
        factors = {"drift_factor": drift.ravel(), "diffusion_factor": diffusion.ravel()}
        net.connect(ours, ours, synapse="diffusion_connection", **factors)
        meter = net.create("multimeter", name="meter", record_from=["rate"], interval=H)
        net.connect(meter, ours)
        rate = recorded(net, 30.0)["rate"]
    assert wanted[-1].max() > 10.0
    np.testing.assert_allclose(rate[: len(wanted)], wanted, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("model", ["lin_rate_ipn", "lin_rate_opn"])
def test_noise_has_the_variance_of_the_equations(model):
    """Of an Ornstein-Uhlenbeck process with input noise sigma^2 / 2; of output noise, the noise itself has sigma^2 tau / h."""
    net = jn.Network(h=0.5, seed=4)
    nodes = net.create(model, 400, sigma=2.0, tau=5.0, mu=1.5)
    meter = net.create("multimeter", name="meter", record_from=["rate", "noise"], interval=20.0)
    net.connect(meter, nodes)
    traces = recorded(net, 420.0, seed=2)
    rate, noise = traces["rate"][2:], traces["noise"][2:]
    assert np.std(noise) == pytest.approx(2.0, rel=0.05)
    assert np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1] == pytest.approx(0.0, abs=0.05)
    if model == "lin_rate_ipn":
        assert np.mean(rate) == pytest.approx(1.5, abs=0.1)
        assert np.var(rate) == pytest.approx(2.0, rel=0.1)
    else:
        np.testing.assert_allclose(rate, 1.5, rtol=1e-4)


def test_gradients_agree_with_central_differences():
    with jax.enable_x64(True):
        net = network("tanh_rate_ipn", {"rate": START, "sigma": 0.0, "tau": 7.0, "linear_summation": False, "g": 0.9})
        program = net.compile()
        state = program.init()

        def loss(values):
            params = program.set(program.params, values)
            _, record = program.simulate(params, program.connections, state, 10.0)
            return jnp.sum(record.traces["meter"].rate[-20:] ** 2)

        paths = ("delayed.weight", "instant.weight", "nodes.tau", "nodes.g", "nodes.mu")
        at = {path: program.get(program.params, path) for path in paths}
        gradient = jax.grad(loss)(at)
        for path in paths:
            direction = np.random.default_rng(len(path)).normal(size=at[path].shape)
            ends = [loss({**at, path: at[path] + sign * 1e-5 * direction}) for sign in (1, -1)]
            slope = float(ends[0] - ends[1]) / 2e-5
            assert abs(slope) > 1e-4
            assert float(jnp.vdot(gradient[path], direction)) == pytest.approx(slope, rel=1e-6)


def test_a_run_that_is_split_and_values_that_are_set():
    with jax.enable_x64(True):
        params = {"rate": START, "sigma": 0.3}
        whole = jn.Simulation(network("tanh_rate_ipn", params), seed=3).run(12.0)
        split = jn.Simulation(network("tanh_rate_ipn", params), seed=3)
        for time in (0.1, 3.3, 0.0, 8.6):
            split.run(time)
        np.testing.assert_array_equal(*(sim.traces(sim.network["meter"])["rate"] for sim in (whole, split)))
        weight, delay, _ = wires(1)
        found = whole.program.connections_of("delayed")
        np.testing.assert_array_equal(whole.get("delayed", "weight"), weight.reshape(N, N)[found["post"], found["pre"]])
        np.testing.assert_allclose(found["delay"], delay.reshape(N, N)[found["post"], found["pre"]])
        whole.set("delayed", weight=0.0)
        whole.set("instant", weight=0.0)
        whole.set("again", weight=0.0)
        whole.set("nodes", sigma=0.0)
        whole.run(200.0)
        np.testing.assert_allclose(whole.traces(whole.network["meter"])["rate"][-1], 0.0, atol=1e-6)


def test_unequal_indegrees_and_several_models():
    """Sums over rows of unequal lengths, from and to two models at once."""
    with jax.enable_x64(True):
        net = jn.Network(h=H)
        a = net.create("lin_rate_ipn", 3, name="a", sigma=0.0, rate=[1.0, 2.0, 3.0])
        b = net.create("threshold_lin_rate_ipn", 2, name="b", sigma=0.0, tau=H)
        net.connect(
            a, b, jn.explicit([0, 1, 2, 2], [0, 0, 0, 1]), synapse="rate_connection_instantaneous", weight=[1.0, 2.0, 3.0, -1.0]
        )
        sim = jn.Simulation(net).run(H)
        np.testing.assert_allclose(sim.get("b", "rate"), [14.0 * (1 - np.exp(-1)), 0.0])


BAD = [
    (("iaf_psc_exp", "lin_rate_ipn"), {"synapse": "rate_connection_delayed"}, "sends no 'rate'"),
    (("lin_rate_ipn", "iaf_psc_exp"), {"synapse": "rate_connection_delayed"}, "does not hear"),
    (("lin_rate_ipn", "siegert_neuron"), {"synapse": "rate_connection_delayed"}, "does not hear"),
    (("lin_rate_ipn", "siegert_neuron"), {"synapse": "diffusion_connection"}, "sends no 'diffusion'"),
    (("lin_rate_ipn", "iaf_psc_exp"), {}, "sends no spikes"),
    (("iaf_psc_exp", "lin_rate_ipn"), {}, "hears no spikes"),
    (("poisson_generator", "lin_rate_ipn"), {}, "hears no spikes"),
    (("lin_rate_ipn", "lin_rate_ipn"), {"synapse": "rate_connection_instantaneous", "delay": 2.0}, "has no delay"),
    (("siegert_neuron", "siegert_neuron"), {"synapse": "diffusion_connection", "weight": 2.0}, "has no weight"),
    (("lin_rate_ipn", "lin_rate_ipn"), {"synapse": "rate_connection_delayed", "receptor": 1}, "has none"),
]


@pytest.mark.parametrize(("models", "given", "says"), BAD)
def test_what_cannot_be_coupled_is_refused(models, given, says):
    net = jn.Network()
    pre, post = (net.create(model) for model in models)
    with pytest.raises(jn.ConfigurationError, match=says):
        net.connect(pre, post, **given)
    assert not net.projections


def test_flags_are_true_or_false():
    with pytest.raises(jn.ConfigurationError, match="True or False"):
        jn.Network().create("lin_rate_ipn", mult_coupling=0.5)
