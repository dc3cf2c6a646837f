"""Astrocytes, and the neurons that hear their slow inward currents, against live NEST and by their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn
from jaxnest._values import Values
from jaxnest.neurons._base import Env, Inputs

H, TIME = 0.1, 200.0
RECORDED = {"cells": ("V_m", "w", "g_ex", "I_SIC"), "astrocytes": ("IP3", "Ca_astro", "h_IP3R")}
#: the second one has more calcium than there can be, the fourth is below the threshold of currents, and crosses it
ASTROCYTES = {
    "Ca_astro": [0.3, 3.0, 0.25, 0.19],
    "IP3": [0.4, 1.0, 0.6, 3.0],
    "Ca_tot": [2.0, 0.6, 2.0, 2.0],
    "delta_IP3": [0.01, 0.02, 0.01, 0.03],
    "SIC_scale": [1.0, 1.5, 1.0, 0.7],
}
CELLS = {"I_e": [300.0, 600.0, 650.0], "t_ref": [0.0, 2.0, 1.0]}
SPIKES = np.arange(2.0, TIME, 3.7).round(1)


def wires():
    """Weights and delays from four astrocytes to three neurons, (12,) by target; the first delay is one step."""
    rng = np.random.default_rng(1)
    delay = rng.integers(1, 25, 12) * H
    delay[0] = H
    return rng.uniform(5.0, 40.0, 12), delay


def network(**params):
    net = jn.Network(h=H)
    astrocytes = net.create("astrocyte_lr_1994", 4, name="astrocytes", **{**ASTROCYTES, **params})
    cells = net.create("aeif_cond_alpha_astro", 3, name="cells", **CELLS)
    weight, delay = wires()
    net.connect(astrocytes, cells, synapse="sic_connection", weight=weight, delay=delay, name="sic")
    net.connect(astrocytes, cells[:2], synapse="sic_connection", weight=-3.0, delay=0.4, name="again")
    net.connect(cells, astrocytes, weight=2.0, delay=0.3, name="third")
    net.connect(cells, cells, weight=1.0, delay=1.3, name="recurrent")
    source = net.create("spike_generator", name="source", spike_times=SPIKES)
    net.connect(source, astrocytes, weight=1.5, delay=1.0, name="glutamate")
    net.connect(source, cells, weight=3.0, delay=1.0, name="ex")
    current = net.create("dc_generator", amplitude=1e-4, start=20.0, stop=100.0)
    net.connect(current, astrocytes, delay=1.0, name="noise")
    for name, recordables in RECORDED.items():
        net.connect(net.create("multimeter", name=f"of {name}", record_from=recordables, interval=H), net[name])
    net.connect(cells, net.create("spike_recorder", name="spikes"))
    return net


def in_nest():
    """Traces (steps, n) by name, and the spikes' times and senders."""
    nest = pytest.importorskip("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    astrocytes = nest.Create("astrocyte_lr_1994", 4, ASTROCYTES)
    cells = nest.Create("aeif_cond_alpha_astro", 3, CELLS)
    weight, delay = (x.reshape(3, 4) for x in wires())
    nest.Connect(astrocytes, cells, "all_to_all", {"synapse_model": "sic_connection", "weight": weight, "delay": delay})
    nest.Connect(astrocytes, cells[:2], "all_to_all", {"synapse_model": "sic_connection", "weight": -3.0, "delay": 0.4})
    nest.Connect(cells, astrocytes, "all_to_all", {"weight": 2.0, "delay": 0.3})
    nest.Connect(cells, cells, "all_to_all", {"weight": 1.0, "delay": 1.3})
    source = nest.Create("spike_generator", params={"spike_times": SPIKES})
    nest.Connect(source, astrocytes, syn_spec={"weight": 1.5})
    nest.Connect(source, cells, syn_spec={"weight": 3.0})
    nest.Connect(nest.Create("dc_generator", params={"amplitude": 1e-4, "start": 20.0, "stop": 100.0}), astrocytes)
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    meters = {}
    for name, nodes in (("cells", cells), ("astrocytes", astrocytes)):
        meters[name] = nest.Create("multimeter", params={"record_from": RECORDED[name], "interval": H})
        nest.Connect(meters[name], nodes)
    nest.Simulate(TIME)
    traces = {}
    for name, meter in meters.items():
        order = np.lexsort((meter.events["senders"], meter.events["times"]))
        n = len(np.unique(meter.events["senders"]))
        traces |= {key: meter.events[key][order].reshape(-1, n) for key in RECORDED[name]}
    order = np.lexsort((recorder.events["senders"], recorder.events["times"]))
    return traces, recorder.events["times"][order], recorder.events["senders"][order] - cells[0].global_id


def traces_of(sim):
    return {key: sim.traces(sim.network[f"of {name}"])[key] for name, keys in RECORDED.items() for key in keys}


@pytest.fixture(scope="module")
def run():
    """Traces by name, and spikes."""
    with jax.enable_x64(True):
        sim = jn.Simulation(network()).run(TIME)
        return traces_of(sim), sim.spikes(sim.network["spikes"])


# what adaptive steps to a tolerance of 1e-6 make of rounding; astrocytes take steps of h alone
TOLERANCES = {"V_m": 1e-7, "w": 1e-8, "g_ex": 1e-7, "I_SIC": 1e-9, "IP3": 1e-12, "Ca_astro": 1e-12, "h_IP3R": 1e-12}


def test_a_network_is_that_of_nest(run):
    wanted, times, senders = in_nest()
    found, spikes = run
    assert len(times) > 10
    np.testing.assert_allclose(spikes.times, times, atol=1e-9)
    np.testing.assert_array_equal(spikes.senders, senders)
    assert wanted["I_SIC"].max() > 100.0
    for key, tolerance in TOLERANCES.items():
        np.testing.assert_allclose(found[key][: len(wanted[key])], wanted[key], rtol=0, atol=tolerance, err_msg=key)


def test_a_current_is_that_of_the_calcium_a_delay_earlier(run):
    """At the end of a step; that of the initial calcium is not sent."""
    found, _ = run
    excess = 1000.0 * (found["Ca_astro"] - 0.19669)
    sent = np.where(excess > 1.0, np.log(np.maximum(excess, 1.0)) * ASTROCYTES["SIC_scale"], 0.0)
    assert (sent[:, 3] > 0).any()
    assert not sent[0, 3]
    weight, delay = wires()
    expected = np.zeros_like(found["I_SIC"])
    twice = [(-3.0, 4, k // 4, k % 4) for k in range(8)]
    for w, steps, cell, astrocyte in [*zip(weight, np.round(delay / H).astype(int), *divmod(np.arange(12), 4)), *twice]:
        expected[steps:, cell] += w * sent[:-steps, astrocyte]
    np.testing.assert_allclose(found["I_SIC"], expected, rtol=1e-12, atol=1e-12)


def test_a_run_that_is_split_is_the_same(run, x64):
    split = jn.Simulation(network())
    for time in (0.1, 33.3, 0.0, TIME - 33.4):
        split.run(time)
    for key, value in traces_of(split).items():
        np.testing.assert_array_equal(value, run[0][key], err_msg=key)


def alone(weight):
    """An astrocyte that gets one event, at 1001 ms."""
    net = jn.Network(h=H)
    astrocyte = net.create("astrocyte_lr_1994", name="astrocyte", IP3=0.1604)
    net.connect(net.create("spike_generator", spike_times=[1000.0]), astrocyte, weight=[weight], delay=1.0)
    meter = net.create("multimeter", name="meter", record_from=["IP3", "Ca_astro", "h_IP3R"], interval=50.0)
    net.connect(meter, astrocyte)
    return jn.Simulation(net)


def test_float32_follows_slow_calcium():
    """IP3 changes by less from step to step than float32 resolves."""
    nest = pytest.importorskip("nest")
    nest.ResetKernel()
    astrocyte, meter = nest.Create("astrocyte_lr_1994", params={"IP3": 0.1604}), nest.Create("multimeter")
    meter.set(record_from=["IP3", "Ca_astro", "h_IP3R"], interval=50.0)
    nest.Connect(meter, astrocyte)
    nest.Simulate(1000.0)
    sim = alone(1.0).run(1000.0)
    traces = sim.traces(sim.network["meter"])
    assert traces["IP3"].dtype == np.float32
    for key in RECORDED["astrocytes"]:
        wanted = meter.events[key]
        np.testing.assert_allclose(traces[key][: len(wanted), 0], wanted, rtol=1e-6, err_msg=key)
    assert sim.run(1.0).get("astrocyte", "IP3")[0] - traces["IP3"][-1, 0] == pytest.approx(2e-4, rel=1e-3)


def test_an_event_of_negative_weight_stops_the_run():
    """As in NEST, when it arrives."""
    sim = alone(-1.0).run(1000.9)
    with pytest.raises(jn.SimulationError, match=r"IP3 of astrocyte_lr_1994 astrocyte\[0\] became nan"):
        sim.run(1.0)


def test_derivatives_of_steps_agree_with_central_differences(x64):
    """Of a step of astrocytes, at rest, with currents, and with too much calcium; and of the neurons that hear them."""
    astrocyte, cell = jn.neurons.astrocyte_lr_1994, jn.neurons.aeif_cond_alpha_astro
    env = Env(H, jnp.zeros_like, lambda draw: 0.0, "fixed", 1)
    none = jnp.zeros(3)
    states = {"Ca_astro": jnp.array([0.073, 0.4, 3.0]), "IP3": jnp.array([0.2, 0.5, 1.0]), "h_IP3R": jnp.full(3, 0.7)}
    more = dict.fromkeys(("J_noise", "SIC", "step_size"), none)
    at = {key: jnp.full(3, p.default) for key, p in astrocyte.parameters.items()} | states
    quiet = {"dg_ex", "g_ex", "dg_in", "g_in", "w", "I_stim", "I_SIC", "step_size"}
    begin = Values(V_m=jnp.full(3, -70.0), refractory=jnp.zeros(3, jnp.int32), **dict.fromkeys(quiet, none))
    theirs = Values({key: jnp.full(3, p.default) for key, p in cell.parameters.items()})

    def loss(values):
        p = Values({key: values[key] for key in astrocyte.parameters})
        s = Values({key: values[key] for key in states} | more, residue=jnp.zeros((3, 3)))
        s, _ = astrocyte.step(p, Values(), s, Inputs(ex=none + 2.0, inh=none, current=none + 1e-3), env)
        sic = 100.0 * astrocyte.signal(p, Values(), s, env).sic
        x = Inputs(ex=none, inh=none, current=none, signals=Values(sic=sic))
        neuron, _ = cell.step(theirs, cell.constants(theirs, H), begin.replace(I_SIC=sic), x, env)
        return jnp.sum(s.IP3 + 3.0 * s.Ca_astro - s.h_IP3R + neuron.I_SIC + neuron.V_m)

    gradient = jax.grad(loss)(at)
    for key, value in at.items():
        shift = 1e-5 * value
        slope = float(loss({**at, key: value + shift}) - loss({**at, key: value - shift})) / 2
        assert slope != 0, key
        assert float(jnp.vdot(gradient[key], shift)) == pytest.approx(slope, rel=1e-4, abs=1e-12), key


@pytest.mark.slow
def test_gradients_of_a_network_agree_with_central_differences(x64):
    """Of I_SIC and V_m below threshold, with respect to all parameters of astrocytes, weights, and what the neurons have."""
    net = jn.Network(h=H)
    astrocytes = net.create("astrocyte_lr_1994", 2, name="astrocytes", Ca_astro=[0.25, 0.3], IP3=[0.4, 0.8], delta_IP3=0.1)
    cells = net.create("aeif_cond_alpha_astro", 2, name="cells")
    source = net.create("spike_generator", spike_times=[1.0, 2.5, 6.0])
    net.connect(source, astrocytes, weight=1.5, delay=0.5, name="in")
    net.connect(
        astrocytes, cells, synapse="sic_connection", weight=[3.0, 9.0, 4.0, 5.0], delay=[0.1, 0.5, 1.2, 0.7], name="out"
    )
    meter = net.create("multimeter", name="meter", record_from=["V_m", "I_SIC"], interval=0.5)
    net.connect(meter, cells)
    program = net.compile(solver="fixed", surrogate=jnp.zeros_like)
    paths = [f"astrocytes.{key}" for key in astrocytes.model.parameters] + ["in.weight", "out.weight", "cells.g_L", "cells.C_m"]
    at = {path: program.get(program.params, path) for path in paths}

    @jax.jit
    @jax.value_and_grad
    def loss(values):
        params = program.set(program.params, values)
        _, record = program.simulate(params, program.connections, program.init(params), 12.0)
        traces = record.traces["meter"]
        return jnp.sum((traces.V_m + 70.0) ** 2) + jnp.sum(traces.I_SIC**2)

    gradient = loss(at)[1]
    for path in paths:
        direction = np.random.default_rng(len(path)).normal(size=at[path].shape) * np.abs(at[path])
        ends = [loss({**at, path: at[path] + sign * 1e-5 * direction})[0] for sign in (1, -1)]
        slope = float(ends[0] - ends[1]) / 2e-5
        assert abs(slope) > 1e-7, path
        assert float(jnp.vdot(gradient[path], direction)) == pytest.approx(slope, rel=1e-4), path


REFUSED = {
    **dict.fromkeys(("Ca_tot", "Kd_IP3_1", "Kd_IP3_2", "Kd_act", "Km_SERCA", "SIC_scale", "ratio_ER_cyt", "tau_IP3"), 0.0),
    **dict.fromkeys(("IP3_0", "Kd_inh", "SIC_th", "delta_IP3", "k_IP3R", "rate_IP3R", "rate_L", "rate_SERCA"), -1e-3),
    "IP3": -1e-3,
    "Ca_astro": -1e-3,
    "h_IP3R": 1.1,
}


@pytest.mark.parametrize("key", REFUSED)
def test_bad_values_are_refused_as_by_nest(key):
    net = jn.Network()
    with pytest.raises(jn.ConfigurationError, match=key):
        net.create("astrocyte_lr_1994", 2, **{key: REFUSED[key]})
    assert net.size == 0
    nest = pytest.importorskip("nest")
    nest.ResetKernel()
    with pytest.raises(nest.NESTErrors.BadProperty):
        nest.Create("astrocyte_lr_1994", 2, {key: REFUSED[key]})


BAD = [
    (("aeif_cond_alpha_astro", "aeif_cond_alpha_astro"), {"synapse": "sic_connection"}, "sends no 'sic'"),
    (("astrocyte_lr_1994", "astrocyte_lr_1994"), {"synapse": "sic_connection"}, "does not hear"),
    (("astrocyte_lr_1994", "aeif_cond_alpha"), {"synapse": "sic_connection"}, "does not hear"),
    (("astrocyte_lr_1994", "aeif_cond_alpha_astro"), {}, "sends no spikes"),
    (("aeif_cond_alpha_astro", "astrocyte_lr_1994"), {"synapse": "stdp_synapse"}, "needs targets that spike"),
    (("astrocyte_lr_1994", "aeif_cond_alpha_astro"), {"synapse": "sic_connection", "receptor": 1}, "has none"),
    (("astrocyte_lr_1994", "spike_recorder"), {}, "cannot record"),
]


@pytest.mark.parametrize(("models", "given", "says"), BAD)
def test_what_cannot_be_connected_is_refused(models, given, says):
    net = jn.Network()
    pre, post = (net.create(model) for model in models)
    with pytest.raises(jn.ConfigurationError, match=says):
        net.connect(pre, post, **given)
    assert not net.projections
