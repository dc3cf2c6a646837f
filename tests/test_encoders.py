"""Encoders, initial weights and the diagnosis of a layer: against formulas, and in networks that run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

import jaxnest as jn
from jaxnest.events.random import key_from_seed
from jaxnest.learning import diagnose, encoders, fluctuation_driven, membrane_moments
from jaxnest.learning.initialise import kernels

# --- encoders ---------------------------------------------------------------------------------------------------------


def test_poisson_counts_are_reproducible_and_have_the_rate():
    rates = jnp.asarray([[0.0, 50.0, 400.0], [5.0, 5.0, 2000.0]])
    spikes = np.asarray(encoders.poisson(rates, 5000, 1.0, seed=3))
    assert spikes.shape == (2, 5000, 3) and (spikes == np.round(spikes)).all()
    expected = np.asarray(rates) * 1e-3
    np.testing.assert_allclose(spikes.mean(1), expected, atol=4 * np.sqrt(expected.max() / 5000))
    np.testing.assert_allclose(spikes.var(1), expected, rtol=0.2, atol=4e-3)
    assert abs(np.corrcoef(spikes[1, :, 0], spikes[1, :, 1])[0, 1]) < 0.05, "equal rates, other numbers"
    for seed in (key_from_seed(3), jax.random.wrap_key_data(key_from_seed(3))):
        np.testing.assert_array_equal(encoders.poisson(rates, 5000, 1.0, seed), spikes)
    longer = np.asarray(encoders.poisson(rates, 6000, 1.0, seed=3))
    np.testing.assert_array_equal(longer[:, :5000], spikes)
    slope = jax.grad(lambda r: encoders.poisson(r, 100, 1.0, 0).sum())(rates)
    np.testing.assert_allclose(slope, 0.1, rtol=1e-5)  # of the mean count
    keys = jnp.stack([key_from_seed(k) for k in (0, 1)])
    mapped = jax.vmap(lambda r, k: encoders.poisson(r, 50, 1.0, k))(rates, keys)
    np.testing.assert_array_equal(mapped[1], encoders.poisson(rates[1], 50, 1.0, 1))


def test_latency(x64):
    x = np.array([1.0, 0.75, 0.2, 0.1, 0.0])
    np.testing.assert_allclose(encoders.latency(x, 20.0, first=2.0, threshold=0.1), [2.0, 7.0, 18.0, np.inf, np.inf])
    charged = encoders.latency(x, 30.0, threshold=0.1, tau=20.0)
    np.testing.assert_allclose(charged, [20 * np.log(1 / 0.9), 20 * np.log(0.75 / 0.65), 20 * np.log(2.0), np.inf, np.inf])
    slope = jax.grad(lambda x: encoders.latency(x, 20.0, threshold=0.1)[:3].sum())(jnp.asarray(x))
    np.testing.assert_allclose(slope, [-20 / 0.9] * 3 + [0, 0])


def test_rank_and_the_way_to_spikes(x64):
    x = np.array([[0.3, 0.9, 0.3, -1.0], [4.0, 3.0, 2.0, 1.0]])
    times = np.asarray(encoders.rank(x, 0.5, first=0.1, threshold=0.0))
    np.testing.assert_allclose(times, [[0.6, 0.1, 1.1, np.inf], [0.1, 0.6, 1.1, 1.6]])
    spikes = np.asarray(encoders.spikes_at(times, 12, 0.1))
    assert spikes.shape == (2, 12, 4)
    back = [encoders.spike_times(s, 0.1) for s in spikes]
    assert [[list(t) for t in b] for b in back] == [[[0.6], [0.1], [1.1], []], [[0.1], [0.6], [1.1], []]]
    assert [list(t) for t in encoders.spike_times(np.array([[2, 0], [1, 1]]), 0.5)] == [[0.5, 0.5, 1.0], [1.0]]
    np.testing.assert_array_equal(encoders.spikes_at(np.array([0.0, 0.11, 0.2]), 3, 0.1).argmax(0), [0, 1, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_times_on_the_grid_stay_there(dtype, x64):
    steps = np.arange(1, 20_001, 7)
    times = (steps * 0.1).astype(dtype)
    found = np.asarray(encoders.spikes_at(times[None, :8], 20_000, 0.1))[0]
    np.testing.assert_array_equal(found.argmax(0), steps[:8] - 1)
    last = np.asarray(encoders.spikes_at(times[-8:], 20_000, 0.1))
    np.testing.assert_array_equal(last.argmax(0), steps[-8:] - 1)


def test_generator_and_array_send_the_same_spikes():
    times = encoders.latency(np.array([0.9, 0.5, 0.2]), 10.0, first=1.0)
    spikes = np.asarray(encoders.spikes_at(times, 110, 0.1))
    net = jn.Network()
    array = net.create("spike_input", 3, spikes=spikes)
    generator = net.create("spike_generator", 3, spike_times=encoders.spike_times(spikes, 0.1))
    recorder = net.create("spike_recorder", name="r")
    net.connect(array + generator, recorder)
    program = net.compile()
    _, record = program.simulate(program.params, program.connections, program.init(), 11.0)
    np.testing.assert_array_equal(record.spikes["r"][:, :3], spikes)
    np.testing.assert_array_equal(record.spikes["r"][:, 3:], spikes)


def test_delta_follows_the_signal(x64):
    t = np.arange(400)[:, None] * 0.05
    signal = np.concatenate([np.sin(t), 5 * np.cos(3 * t)], axis=1)
    spikes = np.asarray(encoders.delta(signal, 0.07))
    assert spikes.shape == (400, 4) and (spikes >= 0).all() and (spikes[0] > 1).any(), "a jump sends several"
    assert ((spikes[:, :2] == 0) | (spikes[:, 2:] == 0)).all()
    assert np.abs(encoders.delta_decode(spikes, 0.07) - signal).max() < 0.07 * (1 + 1e-9)
    batch = np.stack([signal, -signal])
    start = np.array([[0.0, 5.0], [0.0, -5.0]])
    both = encoders.delta(batch, 0.07, start=start)
    np.testing.assert_array_equal(both[1], np.concatenate([both[0, :, 2:], both[0, :, :2]], axis=1))
    assert np.abs(encoders.delta_decode(both, 0.07, start=start) - batch).max() < 0.07 * (1 + 1e-9)


def test_current_is_iaf_psc_delta_under_constant_current(x64):
    values = np.array([0.9, 1.0, 1.05, 1.7, 4.0])
    spikes = encoders.current(values, 600, 0.1, tau_m=8.0, threshold=1.0, t_ref=0.25)
    net = jn.Network()
    cells = net.create("iaf_psc_delta", 5, E_L=0.0, V_m=0.0, V_reset=0.0, V_th=1.0, tau_m=8.0, C_m=8.0, t_ref=0.25, I_e=values)
    recorder = net.create("spike_recorder", name="r")
    net.connect(cells, recorder)
    program = net.compile()
    _, record = program.simulate(program.params, program.connections, program.init(), 60.0)
    np.testing.assert_array_equal(spikes, record.spikes["r"])
    assert list(spikes[:, :2].sum(0)) == [0, 0] and (spikes[:, 2:].sum(0) > 1).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: encoders.latency(np.ones(2), 1.0, first=2.0), "first"),
        (lambda: encoders.latency(np.ones(2), 1.0, tau=5.0), "threshold"),
        (lambda: encoders.rank(np.ones(2), 0.0), "interval"),
        (lambda: encoders.delta(np.ones((2, 2)), 0.0), "threshold"),
        (lambda: encoders.current(np.ones(2), 10, 0.1, tau_m=0.0), "tau_m"),
        (lambda: encoders.poisson(np.ones(2), 10, 0.1, jnp.zeros(3)), "seed"),
        (lambda: encoders.spike_times(np.full((2, 2), 0.5), 0.1), "integers"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(jn.ConfigurationError, match=message):
        call()


# --- initial weights --------------------------------------------------------------------------------------------------

MODELS = ("iaf_psc_delta", "iaf_psc_exp", "iaf_psc_alpha")
UNEQUAL = {"iaf_psc_delta": {}, "iaf_psc_exp": dict(tau_syn_ex=1.5, tau_syn_in=4.0), "iaf_psc_alpha": dict(tau_syn_in=3.0)}


def response(post, tau_syn):
    """The potential after one event of weight 1, by the equations."""
    m, C, s = (float(post.values[k]) for k in ("tau_m", "C_m", tau_syn))
    a, b = 1 / m, 1 / s
    if post.model.name == "iaf_psc_exp":
        return lambda t: (np.exp(-a * t) - np.exp(-b * t)) / (b - a) / C
    return lambda t: np.e * b / C * ((np.exp(-a * t) - np.exp(-b * t)) / (b - a) ** 2 - t * np.exp(-b * t) / (b - a))


def test_kernels_are_integrals_of_the_response():
    net = jn.Network()
    for model in MODELS[1:]:
        post = net.create(model, 2, **UNEQUAL[model])
        for kernel, tau in zip(kernels(post), ("tau_syn_ex", "tau_syn_in"), strict=True):
            epsilon = response(post, tau)
            assert kernel.area == pytest.approx(quad(epsilon, 0, 300, limit=200)[0])
            assert kernel.power == pytest.approx(quad(lambda t, f=epsilon: f(t) ** 2, 0, 300, limit=200)[0])
    post = net.create("iaf_psc_delta", tau_m=7.0)
    assert [(k.area, k.power) for k in kernels(post)] == [(7.0, 3.5)] * 2


def layer(model, xi, *, n=80, rate=15.0, threshold=None, time=1000.0, shares=(1.0,)):
    """A layer of 150 neurons under Poisson trains; potentials from 100 ms on, rates."""
    net = jn.Network(seed=2)
    post = net.create(model, 150, name="post", **UNEQUAL[model])
    projections = [fluctuation_driven(post, n, rate, xi=xi, share=s) for s in shares]
    if threshold is not None:
        post = net.create(model, 150, name="silent", V_th=threshold, **UNEQUAL[model])
    train = net.create("poisson_generator", rate=rate)
    for weight in projections:
        relays = net.create("parrot_neuron", 250)
        net.connect(train, relays)
        net.connect(relays, post, jn.fixed_indegree(n), weight=weight, delay=1.0)
    meter, recorder = net.create("voltmeter"), net.create("spike_recorder")
    net.connect(meter, post)
    net.connect(post, recorder)
    simulation = jn.Simulation(net, seed=4).run(time)
    return simulation.traces(meter).V_m[100:], post, projections, diagnose(simulation)[post.name]


@pytest.mark.parametrize(
    ("model", "shares"), [("iaf_psc_delta", (1.0,)), ("iaf_psc_exp", (1.0,)), ("iaf_psc_alpha", (0.7, 0.3))]
)
def test_potentials_have_the_moments_that_theory_gives(model, shares):
    V, post, projections, _ = layer(model, 2.0, threshold=1e6, shares=shares)
    distance = 15.0
    assert np.sqrt(V.var(0).mean()) == pytest.approx(distance / 2.0, rel=0.05)
    moments = [membrane_moments(post, 80, 15.0, w.mean, w.std) for w in projections]
    assert sum(m.std**2 for m in moments) == pytest.approx((distance / 2.0) ** 2)
    between = np.sqrt(sum(m.between**2 for m in moments))
    assert V.mean(0).std() == pytest.approx(between, rel=0.2)
    assert V.mean() == pytest.approx(-70.0, abs=4 * between / np.sqrt(150))
    assert all(m.mean == pytest.approx(-70.0, abs=1e-9) for m in moments)


@pytest.mark.parametrize("model", MODELS)
def test_layers_fire_within_the_range(model):
    much, some, little = (layer(model, xi)[3] for xi in (1.0, 2.0, 3.0))
    assert 12.0 < much.rate < 40.0 and much.silent < 0.05
    assert 3.0 < some.rate < 12.0 and some.silent < 0.35
    assert 0.3 < little.rate < 4.0
    assert much.saturated == some.saturated == 0


def test_initial_weights_refuse_what_they_cannot_do():
    net = jn.Network()
    with pytest.raises(jn.ConfigurationError, match="kernel"):
        fluctuation_driven(net.create("iaf_cond_exp"), 10, 5.0)
    driven = net.create("iaf_psc_exp", I_e=400.0)
    with pytest.raises(jn.ConfigurationError, match="I_e"):
        fluctuation_driven(driven, 10, 5.0)
    post = net.create("iaf_psc_exp", name="post")
    for wrong in (dict(n=0, rate=5.0), dict(n=10, rate=5.0, xi=-1.0), dict(n=10, rate=5.0, share=1.5)):
        with pytest.raises(jn.ConfigurationError):
            fluctuation_driven(post, **wrong)
    with pytest.raises(jn.ConfigurationError, match="population"):
        membrane_moments("post", 10, 5.0)


# --- diagnosis --------------------------------------------------------------------------------------------------------


def three_layers():
    net = jn.Network()
    a = net.create("iaf_psc_exp", 10, name="a", I_e=np.where(np.arange(10) < 4, 0.0, 600.0))
    b = net.create("iaf_psc_exp", 5, name="b")
    c = net.create("iaf_psc_delta", 4, name="c")
    d = net.create("iaf_psc_delta", 3, name="d", t_ref=0.0, I_e=1e5)
    lone = net.create("iaf_psc_delta", 2, name="lone")
    net.connect(a, b, weight=1.0)
    net.connect(b, c, weight=1.0)
    r = net.create("spike_recorder", name="r")
    net.connect(a[2:] + b, r)
    other = net.create("spike_recorder", name="other")
    net.connect(d + c + lone, other)
    return net


def test_diagnosis_of_a_record_and_of_a_simulation():
    net = three_layers()
    program = net.compile()
    _, record = program.simulate(program.params, program.connections, program.init(), 200.0)
    found = diagnose(record, net)
    again = diagnose(jn.Simulation(net).run(200.0))
    assert [str(x) for x in found] == [str(x) for x in again]
    a, b, c, d, lone = (found[name] for name in ("a", "b", "c", "d", "lone"))
    assert (a.n, a.silent, a.verdict) == (8, 0.25, "partly silent")
    assert a.rate == pytest.approx(0.75 * a.highest, rel=1e-6)
    assert b.verdict == "silent" and any("fluctuation_driven" in line for line in b.advice)
    assert c.verdict == "silent" and "(b)" in c.advice[0], "its sources are to be mended first"
    assert d.verdict == "saturated" and d.rate > 5000 and any("t_ref" in line for line in d.advice)
    assert "connected" in lone.advice[0]
    assert not found.healthy and "100% silent" in str(found)
    plain = diagnose(record)
    assert sorted(x.population for x in plain) == ["other", "r"] and plain["r"].silent == pytest.approx(7 / 13)
    with pytest.raises(jn.ConfigurationError, match="other"):
        plain["othe"]


def test_diagnosis_of_a_batch_and_what_it_refuses():
    net = jn.Network()
    x = net.create("spike_input", 2, name="x", spikes=np.zeros((50, 2)))
    cells = net.create("iaf_psc_delta", 2, name="cells")
    net.connect(x, cells, jn.one_to_one(), weight=20.0)
    recorder = net.create("spike_recorder", name="r")
    net.connect(cells, recorder)
    program = net.compile()

    def run(spikes):
        params = program.set(program.params, {"x.spikes": spikes})
        return program.simulate(params, program.connections, program.init(), 6.0)[1]

    batch = np.zeros((3, 50, 2), np.float32)
    batch[1, 10, 0] = 1
    found = diagnose(jax.vmap(run)(batch), net)["cells"]
    assert found.silent == 0.5 and found.rate == pytest.approx(1000.0 / 6.0 / 3.0 / 2.0, rel=1e-5)
    with pytest.raises(jn.ConfigurationError, match="Record"):
        diagnose(3, net)
    with pytest.raises(jn.ConfigurationError, match="own"):
        diagnose(run(batch[0]), three_layers())
    with pytest.raises(jn.ConfigurationError, match="recorded nothing"):
        diagnose(jn.Simulation(net))
