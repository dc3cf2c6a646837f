"""E-prop plasticity against live NEST: weights, readouts and learning signals over several update intervals; and what is refused."""

import jax
import numpy as np
import pytest

import jaxnest as jn
from jaxnest import nest as face

N_IN, N_REC, N_OUT = 3, 4, 2
STATIC = {"synapse_model": "static_synapse", "delay": 1.0}


def nodes_2020(nest, models, loss, flush, given):
    interval = 30.0
    nest.set(eprop_update_interval=interval, eprop_learning_window=given.pop("window", interval))
    common = {"C_m": 1.0, "E_L": 0.0, "tau_m": 30.0, "V_m": 0.0, "regular_spike_arrival": False}
    rec = {**common, "V_th": 0.03, "t_ref": 0.0, "c_reg": 300.0, "f_target": 10.0}
    rec |= {"surrogate_gradient_height": 10.0, "surrogate_gradient_width": 0.03, "flush_event_send_interval": flush}
    return rec, {**common, "loss": loss}


def nodes_persistent(nest, models, loss, flush, given):
    cutoff = given.pop("cutoff", float("inf"))
    common = {"C_m": 1.0, "E_L": 0.0, "tau_m": 30.0, "V_m": 0.0, "eprop_isi_trace_cutoff": cutoff}
    rec = {**common, "V_th": 0.03, "t_ref": 0.0, "c_reg": 0.5, "f_target": 10.0, "kappa": 0.95, "kappa_reg": 0.9}
    rec |= {"surrogate_gradient_height": 10.0, "surrogate_gradient_width": 0.03, "flush_event_send_interval": flush}
    return rec, common


def run(nest, kind, models, seed, p, optimizer, loss="mean_squared_error", flush=float("inf"), average=True, **given):
    """A recurrent network that learns to follow a random target: weights (runs, synapses), traces by name, spikes."""
    rng = np.random.default_rng(seed)
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.resolution = 1.0
    steps = 150
    rec_params, out_params = (nodes_2020 if kind.endswith("2020") else nodes_persistent)(nest, models, loss, flush, given)
    suffix = "_bsshslm_2020" if kind.endswith("2020") else ""
    rec_params |= given
    spikes_in, inputs = nest.Create("spike_generator", N_IN), nest.Create("parrot_neuron", N_IN)
    rec = None
    for model in models:
        mine = {k: v for k, v in rec_params.items() if "psc" in model or k not in ("V_reset", "refractory_input")}
        mine |= {"adapt_beta": 0.02, "adapt_tau": 50.0} if "adapt" in model else {}
        part = nest.Create(model, N_REC // len(models), mine)
        rec = part if rec is None else rec + part
    out = nest.Create(f"eprop_readout{suffix}", N_OUT, out_params)
    target, window = nest.Create("step_rate_generator", N_OUT), nest.Create("step_rate_generator")
    common = {"optimizer": optimizer} | ({"average_gradient": average} if suffix else {})
    nest.SetDefaults(kind, common)
    size = 1.0 if suffix or "V_reset" in given else 0.05
    ends = [(inputs, rec), (rec, rec), (rec, out)]
    for pre, post in ends:
        weight = size * rng.normal(size=(len(post), len(pre))) / np.sqrt(len(pre))
        spec = {"synapse_model": kind, "delay": 1.0, "weight": weight} | ({"tau_m_readout": 30.0} if suffix else {})
        nest.Connect(pre, post, "all_to_all", spec)
    feedback = {
        "synapse_model": f"eprop_learning_signal_connection{suffix}",
        "delay": 1.0,
        "weight": rng.normal(size=(N_REC, N_OUT)),
    }
    nest.Connect(out, rec, "all_to_all", feedback)
    rate = {"synapse_model": "rate_connection_delayed", "delay": 1.0}
    nest.Connect(target, out, "one_to_one", {**rate, "receptor_type": 2})
    if suffix:
        nest.Connect(out, out, {"rule": "all_to_all", "allow_autapses": False}, {**rate, "receptor_type": 1})
    if not suffix:
        nest.Connect(window, out, "all_to_all", {**rate, "receptor_type": 1})
    window.set(amplitude_times=[3.0, 100.0, 120.0], amplitude_values=[1.0, 0.0, 1.0])
    nest.Connect(spikes_in, inputs, "one_to_one", STATIC)
    for generator in spikes_in:
        generator.spike_times = np.sort(rng.choice(steps, int(p * steps), replace=False)) + 1.0
    for generator in target:
        generator.set(amplitude_times=np.arange(steps) + 4.0, amplitude_values=rng.normal(size=steps))
    meters = {}
    for name, which in (("out", out), ("rec", rec)):
        fields = ["V_m", "readout_signal", "target_signal", "error_signal"] if name == "out" else ["V_m", "surrogate_gradient"]
        fields += ["learning_signal"] if name == "rec" and suffix else []
        meters[name] = nest.Create("multimeter", params={"record_from": fields, "interval": 1.0})
        nest.Connect(meters[name], which, "all_to_all", STATIC)
    recorder = nest.Create("spike_recorder")
    nest.Connect(rec, recorder, "all_to_all", STATIC)
    weights = []
    for _ in range(steps // 15):
        nest.Simulate(15.0)
        found = nest.GetConnections(synapse_model=kind).get(["source", "target", "weight"])
        weights.append([w for *_, w in sorted(zip(found["source"], found["target"], found["weight"], strict=True))])
    traces = {}
    for name, meter in meters.items():
        order = np.lexsort((meter.events["senders"], meter.events["times"]))
        last = steps - 1
        for key, values in meter.events.items():
            now = np.asarray(meter.events["times"])[order] <= last
            traces[f"{name} {key}"] = np.asarray(values)[order][now]
    spikes = sorted(zip(recorder.events["times"].tolist(), recorder.events["senders"].tolist(), strict=True))
    return np.array(weights), traces, [s for s in spikes if s[0] < steps - 1]


def agrees(*args, moved=1e-4, spiking=True, **kwargs):
    live = pytest.importorskip("nest")
    expected, found = (run(nest, *args, **kwargs) for nest in (live, face))
    assert expected[2] == found[2]
    assert (len(found[2]) > 10) == spiking
    assert np.abs(expected[0][-1] - expected[0][0]).max() > moved
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-12)
    assert expected[1].keys() == found[1].keys()
    for name, values in expected[1].items():
        np.testing.assert_allclose(found[1][name], values, rtol=0, atol=1e-11, err_msg=name)


ADAM = {"type": "adam", "eta": 5e-3}
BOTH_2020 = ("eprop_iaf_bsshslm_2020", "eprop_iaf_adapt_bsshslm_2020")
#: of one structure, so that they are compiled once
CASES_2020 = {
    "descent": ({"type": "gradient_descent", "eta": 1e-3}, {"average": False}),
    "adam": (ADAM, {"flush": 30.0, "window": 20.0, "loss": "cross_entropy"}),
    "few spikes, and batches": ({**ADAM, "batch_size": 2}, {"flush": 30.0, "t_ref": 25.0, "surrogate_gradient_width": 0.3}),
}


@pytest.mark.parametrize("name", CASES_2020)
def test_learns_at_the_end_of_intervals_as_nest(name):
    optimizer, more = CASES_2020[name]
    agrees("eprop_synapse_bsshslm_2020", BOTH_2020, 1, 0.2, optimizer, **more)


CASES = {
    "descent": ({"type": "gradient_descent"}, {}),
    "adam, with a cutoff": ({"type": "adam"}, {"cutoff": 8.0, "flush": 20.0, "t_ref": 10.0}),
    "at spikes": ({"type": "gradient_descent", "optimize_each_step": False, "batch_size": 3}, {"cutoff": 1.0}),
}


@pytest.mark.parametrize("name", CASES)
def test_learns_in_every_step_as_nest(name):
    optimizer, more = CASES[name]
    agrees("eprop_synapse", ("eprop_iaf_adapt",), 1, 0.2, optimizer, **more)


@pytest.mark.slow
def test_neurons_with_reset_as_nest():
    more = {"V_th": 0.5, "V_reset": -0.5, "t_ref": 2.0, "refractory_input": True}
    agrees("eprop_synapse", ("eprop_iaf_psc_delta", "eprop_iaf_psc_delta_adapt"), 3, 0.3, {"type": "adam"}, **more)


@pytest.mark.slow
@pytest.mark.parametrize("surrogate", ["exponential", "fast_sigmoid_derivative", "arctan_derivative"])
@pytest.mark.parametrize("model", ["eprop_iaf", "eprop_iaf_psc_delta"])
def test_all_surrogates_as_nest(model, surrogate):
    more = {"V_th": 0.5, "V_reset": -0.5, "t_ref": 2.0} if "psc" in model else {}
    agrees("eprop_synapse", (model,), 3, 0.3, {"type": "adam"}, surrogate_gradient_function=surrogate, **more)


def test_a_rate_acts_at_once_in_nodes_that_are_younger():
    def target(nest):
        nest.ResetKernel()
        nest.resolution = 1.0
        older = nest.Create("eprop_readout")
        rates = nest.Create("step_rate_generator")
        younger = nest.Create("eprop_readout")
        rates.set(amplitude_times=[3.0, 5.0], amplitude_values=[2.0, 4.0], start=2.0)
        for receptor in (1, 2):
            spec = {"synapse_model": "rate_connection_delayed", "delay": 1.0, "receptor_type": receptor}
            nest.Connect(rates, older + younger, syn_spec=spec)
        meters = [
            nest.Create("multimeter", params={"record_from": [key], "interval": 1.0}) for key in ("target_signal", "rate")
        ]
        nest.Connect(meters[0], older + younger, syn_spec=STATIC)
        nest.Connect(meters[1], rates, syn_spec=STATIC)
        nest.Simulate(9.0)
        return [sorted(zip(*(m.events[k][:n] for k in ("senders", "times", key)), strict=True))
                for m, key, n in zip(meters, ("target_signal", "rate"), (14, 7), strict=True)]  # fmt: skip

    live = pytest.importorskip("nest")
    expected = target(live)
    assert max(value for *_, value in expected[0]) == 16.0
    assert target(face) == expected


INTERVAL = {"eprop_update_interval": 10.0, "eprop_learning_window": 10.0}
CELL = {"C_m": 1.0, "E_L": 0.0, "V_th": 0.3, "t_ref": 0.0, **INTERVAL}


def small(delay=1.0, **options):
    """One input, one neuron, one readout, in the core."""
    net = jn.Network(h=1.0)
    inputs = net.create("spike_generator", 2, name="inputs", spike_times=[[2.0, 5.0, 9.0, 14.0, 27.0], [3.0, 8.0, 25.0]])
    cells = net.create("eprop_iaf_bsshslm_2020", 3, name="cells", **{**CELL, **options})
    readout = net.create("eprop_readout_bsshslm_2020", name="readout", **INTERVAL)
    target = net.create("step_rate_generator", name="target", amplitude_times=[5.0, 12.0], amplitude_values=[1.0, -1.0])
    plastic = {"synapse": "eprop_synapse_bsshslm_2020", "delay": delay}
    net.connect(inputs, cells, name="in", weight=np.array([0.2, 0.25, 0.3, 0.15, 0.1, 0.2]), eta=0.1, **plastic)
    net.connect(cells, readout, name="out", weight=0.1, optimizer="adam", **plastic)
    net.connect(readout, cells, name="back", synapse="eprop_learning_signal_connection_bsshslm_2020", weight=0.5)
    net.connect(target, readout, name="aim", synapse="rate_connection_delayed", receptor=2)
    net.connect(cells, net.create("spike_recorder", name="spikes"))
    return net


@pytest.mark.parametrize("lowering", [pytest.param("xla", marks=pytest.mark.slow), "auto"])
def test_both_deliveries_agree(x64, lowering):
    weights = np.array([0.2, 0.25, 0.3, 0.15, 0.1, 0.2])
    found = []
    for delivery in ("events", "dense"):
        net = jn.Network(h=1.0)
        inputs = net.create("spike_generator", 2, spike_times=[[2.0, 5.0, 9.0, 14.0, 27.0], [3.0, 8.0, 25.0]])
        cells = net.create("eprop_iaf_bsshslm_2020", 3, c_reg=50.0, **CELL)
        options = {"weight": weights, "eta": 0.1, "synapse": "eprop_synapse_bsshslm_2020"}
        net.connect(inputs, cells, name="in", **options)
        sim = jn.Simulation(net, delivery=delivery, lowering=lowering)
        sim.run(17.0)
        sim.run(23.0)
        found.append(sim.get("in", "weight"))
    assert np.abs(np.sort(found[0]) - np.sort(weights)).max() > 1e-3
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-15)


def test_there_is_no_derivative():
    program = small().compile(delivery="dense")

    def loss(weight):
        params = program.set(program.params, {"in.weight": weight})
        state, _ = program.simulate(params, program.connections, program.init(params), 3.0)
        return program.get(state, "out.weight").sum()

    with pytest.raises(jn.ConfigurationError, match="e-prop plasticity have none"):
        jax.grad(loss)(np.full(6, 0.2, np.float32))


REFUSED = {
    "a delay of two steps": (lambda: small(delay=2.0), "delay of one step"),
    "an unknown surrogate": (lambda: small(surrogate_gradient_function="nope"), "must be one of 'piecewise_linear'"),
    "flush events within an interval": (lambda: small(flush_event_send_interval=5.0), "must not be shorter"),
    "a threshold below V_min": (lambda: small(V_min=1.0), "V_min"),
    "frozen neurons": (lambda: small(frozen=True), "frozen"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_makes_no_sense_is_refused(what):
    call, message = REFUSED[what]
    with pytest.raises(jn.ConfigurationError, match=message):
        call()


WIRES = {
    "another kind of target": (("cells", "others"), {"synapse": "eprop_synapse_bsshslm_2020"}, "does not support"),
    "STDP to e-prop neurons": (("cells", "cells"), {"synapse": "stdp_synapse"}, "needs targets that spike"),
    "a receptor that is not there": (
        ("target", "readout"),
        {"synapse": "rate_connection_delayed", "receptor": 3},
        r"in 1 \.\.\. 2",
    ),
    "a rate without a receptor": (("target", "readout"), {"synapse": "rate_connection_delayed"}, r"in 1 \.\.\. 2"),
    "a rate at once": (("target", "readout"), {"synapse": "rate_connection_instantaneous", "receptor": 2}, "does not hear"),
    "a late learning signal": (
        ("readout", "cells"),
        {"synapse": "eprop_learning_signal_connection_bsshslm_2020", "delay": 3.0},
        "delay of one step",
    ),
    "a weight beyond its bounds": (
        ("cells", "cells"),
        {"synapse": "eprop_synapse_bsshslm_2020", "weight": 101.0},
        "Wmin, Wmax",
    ),
    "an unknown optimiser": (("cells", "cells"), {"synapse": "eprop_synapse_bsshslm_2020", "optimizer": "sgd"}, "'adam'"),
}


@pytest.mark.parametrize("what", WIRES)
def test_wires_that_cannot_be(what):
    net = small()
    net.create("eprop_iaf", name="others")
    (pre, post), options, message = WIRES[what]
    with pytest.raises(jn.ConfigurationError, match=message):
        net.connect(net[pre], net[post], **options)


def test_the_optimizer_in_nests_face():
    live = pytest.importorskip("nest")
    for nest in (live, face):
        nest.ResetKernel()
        nest.resolution = 1.0
        nest.SetDefaults("eprop_synapse", {"optimizer": {"type": "adam", "eta": 0.01, "beta_1": 0.8}})
        shown = nest.GetDefaults("eprop_synapse")["optimizer"]
        assert (shown["optimizer"], shown["eta"], shown["beta_1"], shown["epsilon"]) == ("adam", 0.01, 0.8, 1e-7)
        with pytest.raises(nest.NESTErrors.BadProperty):
            nest.SetDefaults("eprop_synapse", {"optimizer": {"type": "sgd"}})
        cells = nest.Create("eprop_iaf", 2)
        nest.Connect(cells, cells, syn_spec={"synapse_model": "eprop_synapse"})
        found = nest.GetConnections()
        found.set([{"optimizer": {"m": 0.5, "v": 0.25}}] * 4)
        assert found.get("optimizer") == [{"m": 0.5, "v": 0.25}] * 4
        with pytest.raises(nest.NESTErrors.BadParameter):
            nest.SetDefaults("eprop_synapse", {"optimizer": {"type": "gradient_descent"}})
        with pytest.raises(nest.NESTErrors.IllegalConnection):
            nest.Connect(cells, cells, syn_spec={"synapse_model": "eprop_synapse", "delay": 2.0})


def rich(nest, times):
    """Spikes of multiplicity, currents, potentials in mV, bounds that are reached, recorded weights; nodes that come between runs."""
    rng = np.random.default_rng(3)
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.set(resolution=0.5, eprop_update_interval=12.0, eprop_learning_window=8.0, eprop_reset_neurons_on_update=False)
    cell = {
        "C_m": 100.0,
        "c_reg": 30.0,
        "E_L": -65.0,
        "f_target": 20.0,
        "I_e": 150.0,
        "t_ref": 1.0,
        "V_m": -60.0,
        "V_min": -66.0,
    }
    cell |= {"surrogate_gradient_height": 1.0, "surrogate_gradient_width": 5.0}
    spikes, inputs = nest.Create("spike_generator", 2), nest.Create("parrot_neuron", 2)
    rec = nest.Create("eprop_iaf_bsshslm_2020", 3, cell) + nest.Create("eprop_iaf_adapt_bsshslm_2020", 2, cell)
    out = nest.Create("eprop_readout_bsshslm_2020", 1, {"C_m": 50.0, "E_L": 1.0, "I_e": 3.0, "V_min": -2.0, "tau_m": 7.0})
    target, current = nest.Create("step_rate_generator"), nest.Create("dc_generator", params={"amplitude": 40.0, "start": 5.0})
    recorder = nest.Create("weight_recorder")
    optimizer = {"type": "adam", "eta": 1e-2, "Wmin": -3.0, "Wmax": 3.0}
    kind = "eprop_synapse_bsshslm_2020"
    nest.SetDefaults(kind, {"optimizer": optimizer, "average_gradient": True, "weight_recorder": recorder})
    static = {"synapse_model": "static_synapse", "delay": 0.5}
    nest.Connect(spikes, inputs, "one_to_one", static)
    nest.Connect(current, rec[:2] + out, "all_to_all", static)
    for pre, post in ((inputs, rec), (rec, rec), (rec, out)):
        spec = {"synapse_model": kind, "delay": 0.5, "weight": rng.normal(size=(len(post), len(pre)))}
        nest.Connect(pre, post, "all_to_all", spec)
    feedback = {"synapse_model": "eprop_learning_signal_connection_bsshslm_2020", "delay": 0.5, "weight": 0.7}
    nest.Connect(out, rec, "all_to_all", feedback)
    rate = {"synapse_model": "rate_connection_delayed", "delay": 0.5, "receptor_type": 2, "weight": 2.0}
    nest.Connect(target, out, "one_to_one", rate)
    target.set(amplitude_times=np.arange(2.0, 118.0), amplitude_values=rng.normal(size=116))
    for generator in spikes:
        moments = np.unique(np.round(np.sort(rng.uniform(1, 118, 40)) * 2) / 2)
        generator.set(spike_times=moments, spike_multiplicities=[int(k) for k in rng.integers(1, 3, len(moments))])
    for k, time in enumerate(times):
        if k:
            nest.Create("eprop_iaf_bsshslm_2020")
        nest.Simulate(time)
    found = nest.GetConnections(synapse_model=kind).get(["source", "target", "weight", "optimizer"])
    moments = [[o["m"], o["v"]] for o in found.pop("optimizer")]
    final = [[w, *own] for _, _, w, own in sorted(zip(*found.values(), moments, strict=True))]
    columns = recorder.get("events")
    events = sorted(zip(*(columns[k] for k in ("times", "senders", "targets", "weights")), strict=True))
    nest.ResetKernel()
    nest.eprop_reset_neurons_on_update = True  # which NEST's ResetKernel leaves as it is
    return np.array(final), events


@pytest.mark.slow
@pytest.mark.parametrize("times", [[120.0], [43.0, 77.0]])
def test_recorded_weights_as_nest(times):
    live = pytest.importorskip("nest")
    expected, found = rich(live, [120.0]), rich(face, times)
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=1e-12)


def test_settings_of_the_kernel_and_what_is_not_there_yet():
    for nest in (pytest.importorskip("nest"), face):
        nest.ResetKernel()
        nest.verbosity = nest.VerbosityLevel.QUIET
        nest.set(resolution=1.0, eprop_update_interval=50.0, eprop_learning_window=20.0)
        assert (nest.eprop_update_interval, nest.eprop_learning_window) == (50.0, 20.0)
        assert nest.eprop_reset_neurons_on_update
        for wrong in ({"eprop_update_interval": 0.0}, {"eprop_learning_window": 60.0}):
            with pytest.raises(nest.NESTErrors.KernelException):
                nest.set(**wrong)
        with pytest.raises(nest.NESTErrors.BadProperty):
            nest.Create("eprop_iaf_bsshslm_2020", params={"flush_event_send_interval": 49.0})
        with pytest.raises(nest.NESTErrors.BadProperty):
            nest.SetDefaults("eprop_readout_bsshslm_2020", {"loss": "absolute"})
        cell = nest.Create("eprop_iaf_bsshslm_2020", params={"f_target": 20.0, "flush_event_send_interval": 50.0})
        assert cell.get("f_target") == 0.02
    with pytest.raises(face.NESTErrors.NotImplemented, match="ignore_and_spike"):
        face.Create("eprop_iaf", params={"ignore_and_spike": True})
    relay = face.Create("parrot_neuron", params={"flush_event_send_interval": 100.0})
    face.Connect(relay, cell, syn_spec={"synapse_model": "eprop_synapse_bsshslm_2020"})
    with pytest.raises(face.NESTErrors.NotImplemented, match="flush_event_send_interval"):
        face.Simulate(1.0)
