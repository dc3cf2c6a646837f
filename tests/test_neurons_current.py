"""What the scenarios do not show of the current-based models, Izhikevich's neuron and the parrot."""

import jax
import numpy as np
import pytest
from scipy import stats

import jaxnest as jn


def run(model, time, inputs=(), n=1, record=("V_m",), h=0.1, seed=0, **params):
    """Simulate `n` cells driven by `inputs` (times, weight, receptor): the traces, the spikes and the simulation."""
    net = jn.Network(h=h)
    cells = net.create(model, n, name="cells", **params)
    for times, weight, receptor in inputs:
        net.connect(net.create("spike_generator", spike_times=times), cells, weight=weight, receptor=receptor)
    meter, spikes = net.create("multimeter", record_from=list(record), interval=h), net.create("spike_recorder")
    if record:
        net.connect(meter, cells)
    net.connect(cells, spikes)
    sim = jn.Simulation(net, seed=seed).run(time)
    return sim.traces(meter) if record else None, sim.spikes(spikes), sim


def live(model, time, inputs=(), n=1, record=("V_m",), h=0.1, **params):
    """The same in NEST: traces (n_samples, n), spike times, positions of the cells that spiked."""
    nest = pytest.importorskip("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.resolution = h
    cells = nest.Create(model, n, params)
    for times, weight, receptor in inputs:
        spec = {"weight": weight, "delay": 1.0, "receptor_type": receptor or 0}
        nest.Connect(nest.Create("spike_generator", params={"spike_times": times}), cells, syn_spec=spec)
    meter = nest.Create("multimeter", params={"record_from": list(record), "interval": h})
    spikes = nest.Create("spike_recorder")
    if record:
        nest.Connect(meter, cells)
    nest.Connect(cells, spikes)
    nest.Simulate(time)
    order = np.lexsort((meter.events["senders"], meter.events["times"])) if record else []
    traces = {name: meter.events[name][order].reshape(-1, n) for name in record}
    return traces, np.sort(spikes.events["times"]), spikes.events["senders"] - int(cells[0].global_id)


def agree(model, time, inputs=(), record=("V_m",), atol=1e-9, **params):
    with jax.enable_x64(True):
        traces, spikes, _ = run(model, time, inputs, record=record, **params)
    wanted, times, _ = live(model, time, inputs, record=record, **params)
    np.testing.assert_allclose(spikes.times, times, atol=1e-9)
    for name in record:
        there = wanted[name]
        np.testing.assert_allclose(traces[name][: len(there)], there, rtol=0, atol=atol)
    return spikes


BAD = [
    *((m, {"C_m": 0.0}) for m in ("iaf_psc_delta", "iaf_psc_alpha", "iaf_psc_exp", "mat2_psc_exp", "gif_psc_exp")),
    *((m, {"tau_m": -1.0}) for m in ("iaf_psc_delta", "iaf_psc_alpha_multisynapse", "iaf_psc_exp_multisynapse")),
    *((m, {"t_ref": -0.1}) for m in ("iaf_psc_delta", "iaf_psc_alpha", "iaf_psc_exp_multisynapse", "gif_psc_exp")),
    *((m, {"V_reset": -55.0}) for m in ("iaf_psc_delta", "iaf_psc_alpha", "iaf_psc_exp", "iaf_psc_alpha_multisynapse")),
    *((m, {"tau_syn": [2.0, 0.0]}) for m in ("iaf_psc_alpha_multisynapse", "iaf_psc_exp_multisynapse")),
    ("iaf_psc_exp_multisynapse", {"tau_syn": [2.0, 10.0]}),  # equal to tau_m
    ("iaf_psc_exp", {"rho": -1.0}),
    ("iaf_psc_exp", {"delta": -1.0}),
    ("mat2_psc_exp", {"t_ref": 0.0}),
    ("mat2_psc_exp", {"tau_m": 3.0}),  # equal to tau_syn_in
    ("gif_psc_exp", {"Delta_V": 0.0}),
    ("gif_psc_exp", {"lambda_0": -1.0}),
    ("gif_psc_exp", {"tau_sfa": [10.0, 20.0]}),
    ("gif_psc_exp", {"tau_stc": [10.0], "q_stc": [1.0, 2.0]}),
    ("gif_psc_exp", {"tau_stc": [0.0], "q_stc": [1.0]}),
    ("izhikevich", {"e": 1.0}),
]
GOOD = [
    ("mat2_psc_exp", {"alpha_1": -3.0}),
    ("gif_psc_exp", {"V_reset": -20.0, "lambda_0": 0.0}),
    ("izhikevich", {"a": -0.02, "c": 40.0}),
    ("iaf_psc_alpha", {"tau_syn_ex": 10.0}),
    ("iaf_psc_alpha_multisynapse", {"tau_syn": [10.0, 2.0]}),
]


@pytest.mark.parametrize(("model", "params"), BAD)
def test_what_nest_refuses_is_refused(model, params):
    with pytest.raises(jn.ConfigurationError, match=r"|".join(params)):
        jn.Network().create(model, **params)
    nest = pytest.importorskip("nest")
    nest.ResetKernel()
    with pytest.raises(nest.NESTError):
        nest.Create(model, params=params)


@pytest.mark.parametrize(("model", "params"), GOOD)
def test_what_nest_takes_is_taken(model, params):
    jn.Network().create(model, **params)
    nest = pytest.importorskip("nest")
    nest.ResetKernel()
    nest.Create(model, params=params)


MODELS = [
    "gif_psc_exp",
    "iaf_psc_alpha",
    "iaf_psc_alpha_multisynapse",
    "iaf_psc_delta",
    "iaf_psc_exp",
    "iaf_psc_exp_multisynapse",
    "ignore_and_fire",
    "izhikevich",
    "mat2_psc_exp",
    "parrot_neuron",
]


@pytest.mark.parametrize("model", MODELS)
def test_defaults_and_recordables_are_those_of_nest(model):
    nest = pytest.importorskip("nest")
    nest.ResetKernel()
    defaults, cls = nest.GetDefaults(model), jn.neurons.neurons[model]
    for name, parameter in cls.parameters.items():
        ours, theirs = np.asarray(parameter.default, float), np.asarray(defaults[name], float)
        if name == "V_min":  # NEST stands for "none" by the lowest of all doubles in two models
            theirs = np.where(theirs < -1e300, -np.inf, theirs)
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    names = cls.readable(dict.fromkeys(("ports", "sfa", "stc"), 1))
    assert set(names) == set(defaults.get("recordables", ()))
    bookkeeping = {"beta_Ca", "tau_Ca", "frozen", "flush_event_send_interval", "n_synapses", "has_connections"}
    settable = {k for k, v in defaults.items() if isinstance(v, float)} - bookkeeping
    settable -= {k for k in settable if k.startswith("ignore_and_spike")} | {"Ca", "t_spike", "post_trace"}
    assert settable <= set(cls.parameters) | set(cls.states)


@pytest.mark.parametrize("wait", [False, True])
def test_delta_input_of_the_refractory_period_is_lost_or_waits(wait):
    # The first event fires the cell at 2.0 ms; then it is refractory until 4.0 ms.
    inputs = [([1.0], 20.0, None), ([1.5, 2.0, 3.0], 3.0, None)]
    spikes = agree("iaf_psc_delta", 10.0, inputs, refractory_input=wait)
    assert spikes.times.tolist() == [2.0]
    with jax.enable_x64(True):
        traces, _, _ = run("iaf_psc_delta", 4.2, inputs, refractory_input=wait)
    decayed = 3.0 * (np.exp(-0.16) + np.exp(-0.11) + np.exp(-0.01))
    assert traces.V_m[40, 0] == pytest.approx(-70.0 + decayed * wait, abs=1e-2)


@pytest.mark.parametrize("model", ["iaf_psc_exp_multisynapse", "iaf_psc_alpha_multisynapse"])
def test_each_port_has_its_own_current(model):
    inputs = [([1.0], 100.0, 1), ([1.0], -50.0, 2), ([3.0], -20.0, 3), ([3.0], 10.0, 1)]
    record = ("V_m", "I_syn", "I_syn_1", "I_syn_2", "I_syn_3")
    agree(model, 30.0, inputs, record, tau_syn=[0.5, 3.0, 20.0])
    with jax.enable_x64(True):
        traces, _, _ = run(model, 30.0, inputs, record=record, tau_syn=[0.5, 3.0, 20.0])
    total = sum(traces[f"I_syn_{k}"] for k in (1, 2, 3))
    np.testing.assert_allclose(traces.I_syn, total, atol=1e-12)
    assert traces.I_syn_2.max() == 0.0
    assert traces.I_syn_1.min() == 0.0


def test_ports_that_are_not_there_are_refused():
    net = jn.Network()
    source = net.create("spike_generator", spike_times=[1.0])
    cells = net.create("iaf_psc_exp_multisynapse", tau_syn=[1.0, 2.0])
    for receptor in (None, 0, 3):
        with pytest.raises(jn.ConfigurationError, match="receptor"):
            net.connect(source, cells, receptor=receptor)
    with pytest.raises(jn.ConfigurationError, match="I_syn_3"):
        net.connect(net.create("multimeter", record_from=["I_syn_3"]), cells)


def test_cells_with_unequal_numbers_of_ports_run_together():
    with jax.enable_x64(True):
        net = jn.Network()
        source = net.create("spike_generator", spike_times=[1.0])
        one = net.create("iaf_psc_exp_multisynapse", name="one", tau_syn=[2.0])
        three = net.create("iaf_psc_exp_multisynapse", 2, name="three", tau_syn=[[1.0, 2.0, 4.0], [2.0, 3.0, 5.0]])
        net.connect(source, one, weight=100.0, receptor=1)
        net.connect(source, three[:1], weight=100.0, receptor=2)
        net.connect(source, three[1:], weight=100.0, receptor=1)
        meter = net.create("multimeter", record_from=["V_m"], interval=0.1)
        net.connect(meter, one + three)
        V = jn.Simulation(net).run(20.0).traces(meter).V_m
    assert V.max() > -69.5
    np.testing.assert_array_equal(V[:, 0], V[:, 1])
    np.testing.assert_array_equal(V[:, 0], V[:, 2])


def test_plasticity_finds_the_neuron_behind_every_port():
    """The same STDP at port 1 and port 3 of cells that spike alike."""
    with jax.enable_x64(True):
        net = jn.Network()
        pre = net.create("parrot_neuron", name="pre")
        net.connect(net.create("spike_generator", spike_times=[5.0, 20.0, 35.0]), pre)
        post = net.create("iaf_psc_exp_multisynapse", 2, name="post", tau_syn=[2.0, 2.0, 2.0], I_e=[500.0, 0.0])
        for port in (1, 3):
            net.connect(pre, post, synapse="stdp_synapse", weight=1.0, receptor=port, name=f"port {port}")
        weights = {}
        for delivery in ("dense", "events"):
            sim = jn.Simulation(net, delivery=delivery).run(60.0)
            weights[delivery] = [sim.get(f"port {port}", "weight") for port in (1, 3)]
    for first, third in weights.values():
        np.testing.assert_array_equal(first, third)
        assert first[0] != 1.0
        assert first[1] == 1.0
    np.testing.assert_allclose(weights["dense"], weights["events"], rtol=1e-12)


@pytest.mark.parametrize("delivery", ["dense", "events"])
def test_parrots_repeat_multiplicities_and_ignore_weights_and_port_1(delivery):
    net = jn.Network()
    source = net.create("spike_generator", spike_times=[1.0, 3.0], spike_multiplicities=[2, 1])
    first, second = net.create("parrot_neuron", name="first"), net.create("parrot_neuron", 2, name="second")
    net.connect(source, first, weight=-7.0, name="in")
    net.connect(first, second, weight=0.5, delay=2.0)
    net.connect(first, second, jn.explicit([0, 0], [1, 0]), weight=0.0, delay=2.0, receptor=[0, 1])
    spikes = net.create("spike_recorder")
    net.connect(second, spikes)
    sim = jn.Simulation(net, delivery=delivery).run(10.0)
    by = sim.spikes(spikes).by_sender()
    assert by[0].tolist() == [4.0, 4.0, 6.0]
    assert by[1].tolist() == [4.0] * 4 + [6.0] * 2
    assert sim.get("in", "weight") == -7.0


def test_parrots_refuse_currents_and_other_ports():
    net = jn.Network()
    parrot = net.create("parrot_neuron")
    with pytest.raises(jn.ConfigurationError, match="receptor"):
        net.connect(parrot, parrot, receptor=2)
    if "dc_generator" in jn.devices.devices:
        with pytest.raises(jn.ConfigurationError, match="current"):
            net.connect(net.create("dc_generator"), parrot)


def test_mat2_threshold_adds_up_and_decays_on_two_scales():
    with jax.enable_x64(True):
        traces, spikes, sim = run("mat2_psc_exp", 200.0, record=("V_m", "V_th"), I_e=700.0)
    t = traces.times
    jump = [37.0 * np.exp(-(t - s) / 10.0) + 2.0 * np.exp(-(t - s) / 200.0) for s in spikes.times]
    expected = -51.0 + sum(np.where(t > s - 1e-6, j, 0.0) for s, j in zip(spikes.times, jump, strict=True))
    assert len(spikes) > 3
    np.testing.assert_allclose(traces.V_th[:, 0], expected, atol=1e-9)
    assert np.diff(traces.V_m[:, 0]).min() >= 0.0  # V is not reset
    both = sim.get("cells", "V_th_alpha_1") + sim.get("cells", "V_th_alpha_2")
    np.testing.assert_allclose(both, traces.V_th[-1] + 51.0, atol=1e-12)
    agree("mat2_psc_exp", 200.0, record=("V_m", "V_th"), I_e=700.0)


@pytest.mark.parametrize("consistent", [True, False])
@pytest.mark.parametrize("h", [0.1, 1.0])
def test_izhikevich_in_both_schemes(consistent, h):
    inputs = [([5.0, 20.0, 21.0], 6.0, None), ([20.0, 60.0], -4.0, None)]
    params = {"a": 0.1, "d": 2.0, "I_e": 6.0, "V_min": -68.0}
    # Every upstroke multiplies a difference in the last bit by about a thousand, so few of them are looked at.
    spikes = agree("izhikevich", 75.0, inputs, ("V_m", "U_m"), atol=1e-7, h=h, consistent_integration=consistent, **params)
    assert len(spikes) > 2


HAZARD = {"I_e": 150.0, "V_T_star": -42.0, "Delta_V": 1.5, "lambda_0": 5.0}
ADAPTING = {"tau_sfa": [60.0, 5.0], "q_sfa": [2.0, 10.0], "tau_stc": [20.0], "q_stc": [10.0]}
SOFT = {"I_e": 300.0, "delta": 2.0, "rho": 100.0, "t_ref": 5.0, "V_reset": -65.0}


@pytest.mark.parametrize(("model", "params"), [("gif_psc_exp", HAZARD | ADAPTING), ("iaf_psc_exp", SOFT)])
def test_escape_noise_has_the_distribution_of_nest(model, params):
    n, T = 300, 500.0
    _, times, senders = live(model, T, n=n, record=(), **params)
    wanted = statistics_of(times, senders, n)
    _, spikes, sim = run(model, T, n=n, record=(), **params)
    recorder = sim.network.populations[-1]
    for seed in (1, 2, 3):
        sim.state = sim.program.init(sim.params, seed)
        before = len(sim.spikes(recorder))
        sim.run(T)
        spikes = sim.spikes(recorder)
        got = statistics_of(spikes.times[before:], spikes.senders[before:], n)
        for a, b in zip(wanted, got, strict=True):
            assert len(a) > 200
            assert stats.ks_2samp(np.round(a, 6), np.round(b, 6)).pvalue > 0.001


def statistics_of(times, senders, n):
    """Spike counts, first spikes, and intervals between spikes."""
    order = np.lexsort((times, senders))
    times, senders = np.asarray(times)[order], np.asarray(senders)[order]
    first = times[np.r_[True, np.diff(senders) != 0]]
    return np.bincount(senders, minlength=n), first, np.diff(times)[np.diff(senders) == 0]


def test_a_soft_threshold_may_fire_a_refractory_neuron():
    """As in NEST: during the refractory period the hazard is that of V_reset, and a spike starts the period anew."""
    _, spikes, _ = run("iaf_psc_exp", 400.0, n=50, record=(), delta=1.0, rho=1e5, V_th=-69.0, V_reset=-70.0, t_ref=20.0)
    intervals = np.concatenate([np.diff(t) for t in spikes.by_sender()])
    assert intervals.min() < 19.0


def test_hard_and_soft_thresholds_share_a_population():
    with jax.enable_x64(True):
        _, mixed, _ = run("iaf_psc_exp", 200.0, n=2, I_e=500.0, delta=[0.0, 5.0], rho=200.0)
    np.testing.assert_array_equal(mixed.by_sender()[0], live("iaf_psc_exp", 200.0, record=(), I_e=500.0)[1])


def test_gif_cells_of_unequal_numbers_of_adaptations_share_a_population():
    sure = {"Delta_V": 1e-8, "I_e": 300.0}
    lists = [([100.0, 10.0], [3.0, 5.0]), ([], []), ([30.0], [2.0])]
    each = [{"tau_sfa": tau, "q_sfa": q} for tau, q in lists]
    with jax.enable_x64(True):
        _, together, _ = run("gif_psc_exp", 200.0, n=3, **sure, **{k: [p[k] for p in each] for k in each[0]})
    with pytest.raises(jn.ConfigurationError, match="q_sfa"):
        jn.Network().create("gif_psc_exp", 2, tau_sfa=[[1.0, 2.0], [3.0]], q_sfa=[[1.0], [2.0, 3.0]])
    for i, params in enumerate(each):
        _, times, _ = live("gif_psc_exp", 200.0, record=(), **sure, **params)
        np.testing.assert_allclose(together.by_sender()[i], times, atol=1e-9)
