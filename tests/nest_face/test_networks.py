"""Whole networks, the same script on NEST and on jaxnest: the same spikes, the same traces to 1e-9."""

import numpy as np
import pytest

RTOL = 1e-9


def same(both, script):
    """Run `script(nest)`, which gives a dict of arrays, on both modules, and compare."""
    wanted, got = both(script)
    assert wanted.keys() == got.keys()
    for key, value in wanted.items():
        value, mine = np.asarray(value), np.asarray(got[key])
        assert value.shape == mine.shape, f"{key}: {value.shape} in NEST, {mine.shape} here"
        if value.dtype.kind in "iub":
            np.testing.assert_array_equal(mine, value, err_msg=key)
        else:
            scale = np.abs(value).max(initial=0.0)
            np.testing.assert_allclose(mine, value, rtol=RTOL, atol=1e-11 * scale, err_msg=key)
    return got


def events(recorder, *fields):
    """All columns of a recorder, rows in an order that does not depend on threads."""
    e = recorder.get("events")
    names = sorted(e)
    order = np.lexsort([np.asarray(e[n]) for n in reversed(names)] + [np.asarray(e["senders"]), np.asarray(e["times"])])
    return {n: np.asarray(e[n])[order] for n in names}


def recorded(**recorders):
    return {f"{name}.{key}": v for name, r in recorders.items() for key, v in events(r).items()}


def drive(nest, n, first=1.0, step=7.3, count=12):
    """`n` spike generators, each with its own regular train on the grid."""
    generators = nest.Create("spike_generator", n)
    times = [{"spike_times": np.round(first + 0.7 * k + (step + 0.4 * k) * np.arange(count), 1)} for k in range(n)]
    generators.set(times)
    return generators


NEURONS = {
    "iaf_psc_alpha": {"I_e": 380.0},
    "iaf_psc_exp": {"I_e": 600.0, "tau_syn_ex": 1.5, "tau_syn_in": 3.0},
    "iaf_psc_delta": {"I_e": 380.0},
    "iaf_cond_alpha": {"I_e": 260.0},
    "iaf_cond_exp": {"I_e": 260.0},
    "aeif_cond_alpha": {"I_e": 700.0},
    "aeif_cond_exp": {"I_e": 700.0},
    "hh_psc_alpha": {"I_e": 650.0},
    "mat2_psc_exp": {"I_e": 700.0},
    "gif_psc_exp": {"I_e": 60.0, "lambda_0": 0.0},
    "izhikevich": {"I_e": 6.0},
}
#: integrated by adaptive steps in NEST too: both are within the solvers' tolerance of the truth, not equal
ADAPTIVE = ("iaf_cond_alpha", "iaf_cond_exp", "aeif_cond_alpha", "aeif_cond_exp", "hh_psc_alpha")


def weights_for(model):
    small = model in ("iaf_cond_alpha", "iaf_cond_exp", "aeif_cond_alpha", "aeif_cond_exp")
    delta = model in ("iaf_psc_delta", "izhikevich")
    return (6.0, -8.0) if small else (1.5, -2.5) if delta else (120.0, -150.0)


@pytest.mark.parametrize("model", NEURONS)
def test_excitation_inhibition_delays_and_multapses(both, model):
    up, down = weights_for(model)

    def script(nest):
        cells = nest.Create(model, 4, NEURONS[model])
        excite, inhibit = drive(nest, 2), drive(nest, 2, first=2.0)
        nest.Connect(excite, cells, "all_to_all", {"weight": up, "delay": 1.5})
        nest.Connect(excite, cells, "all_to_all", {"weight": up / 2, "delay": 1.5})  # at the same time as the others
        nest.Connect(inhibit, cells, "all_to_all", {"weight": down, "delay": 0.7})
        nest.Connect(cells, cells, {"rule": "all_to_all", "allow_autapses": False}, {"weight": up / 3, "delay": 2.1})
        nest.Connect(cells[:2], cells[2:], "one_to_one", {"weight": down / 2, "delay": 0.3})
        meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": 0.1})
        coarse = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": 1.7, "offset": 0.4})
        spikes = nest.Create("spike_recorder")
        nest.Connect(meter, cells)
        nest.Connect(coarse, cells[1:3])
        nest.Connect(cells, spikes)
        nest.Simulate(60.0)
        return recorded(meter=meter, coarse=coarse, spikes=spikes)

    if model not in ADAPTIVE:
        got = same(both, script)
        assert len(got["spikes.times"]) or model == "gif_psc_exp"  # whose spikes are random
        return
    wanted, got = both(script)
    np.testing.assert_array_equal(got["spikes.times"], wanted["spikes.times"])
    np.testing.assert_array_equal(got["spikes.senders"], wanted["spikes.senders"])
    np.testing.assert_allclose(got["meter.V_m"], wanted["meter.V_m"], atol=0.1)


def test_receptors(both):
    def script(nest):
        cells = nest.Create("iaf_psc_exp_multisynapse", 2, {"tau_syn": [0.7, 2.0, 5.0]})
        alpha = nest.Create("iaf_psc_alpha_multisynapse", params={"tau_syn": [0.7, 2.0]})
        g = drive(nest, 3)
        for port in range(3):
            nest.Connect(g[port], cells, syn_spec={"weight": 80.0 - 60 * port, "delay": 0.4 + port, "receptor_type": port + 1})
        nest.Connect(g[:2], alpha, syn_spec={"weight": [[50.0, -70.0]], "delay": 1.2, "receptor_type": 2})
        meter = nest.Create("multimeter", params={"record_from": ["V_m", "I_syn_1", "I_syn_2"], "interval": 0.1})
        nest.Connect(meter, cells + alpha)
        nest.Simulate(40.0)
        return recorded(meter=meter)

    same(both, script)


@pytest.mark.parametrize("threads", [1, 3])
def test_multiplicities_and_weights_of_spikes(both, threads):
    def script(nest):
        nest.local_num_threads = threads
        g = nest.Create("spike_generator", params={"spike_times": [1.0, 3.0, 5.0], "spike_multiplicities": [1, 3, 2]})
        h = nest.Create("spike_generator", params={"spike_times": [2.0, 4.0], "spike_weights": [0.5, -2.0]})
        parrots = nest.Create("parrot_neuron", 2)
        cells = nest.Create("iaf_psc_alpha", 3)
        nest.Connect(g, parrots[0], syn_spec={"delay": 0.6})
        nest.Connect(parrots[0], parrots[1])
        nest.Connect(parrots[1], cells, syn_spec={"weight": 55.0})
        nest.Connect(h, cells, syn_spec={"weight": 77.0, "delay": 0.2})
        meter = nest.Create("voltmeter", params={"interval": 0.1})
        spikes = nest.Create("spike_recorder")
        nest.Connect(meter, cells)
        nest.Connect(parrots + g, spikes)
        nest.Simulate(20.0)
        return recorded(meter=meter, spikes=spikes)

    same(both, script)


SYNAPSES = {
    "stdp_synapse": {"weight": 60.0, "Wmax": 130.0, "lambda": 0.1, "mu_plus": 0.4, "mu_minus": 0.7},
    "stdp_synapse_hom": {"weight": 60.0},
    "stdp_triplet_synapse": {"weight": 60.0, "Wmax": 130.0, "Aplus": 0.4, "Aplus_triplet": 0.6},
    "stdp_pl_synapse_hom": {"weight": 60.0},
    "tsodyks_synapse": {"weight": 200.0, "tau_fac": 40.0, "U": 0.3},
    "tsodyks2_synapse": {"weight": 200.0, "tau_fac": 40.0, "U": 0.3},
    "static_synapse_hom_w": {},
    "ht_synapse": {"weight": 200.0, "tau_P": 60.0, "delta_P": 0.4},
    "tsodyks_synapse_hom": {"x": 0.7, "y": 0.1},
    "vogels_sprekeler_synapse": {"weight": 60.0, "Wmax": 130.0, "eta": 8.0, "alpha": 0.4},
    "stdp_nn_symm_synapse": {"weight": 60.0, "Wmax": 130.0, "lambda": 0.1, "mu_plus": 0.4, "mu_minus": 0.7},
    "stdp_nn_pre_centered_synapse": {"weight": 60.0, "Wmax": 130.0, "lambda": 0.1, "mu_plus": 0.4, "mu_minus": 0.7},
    "stdp_nn_restr_synapse": {"weight": 60.0, "Wmax": 130.0, "lambda": 0.1, "mu_plus": 0.4, "mu_minus": 0.7},
    "jonke_synapse": {"weight": 60.0},
    "stdp_facetshw_synapse_hom": {"weight": 60.0, "a_thresh_th": 0.7, "a_thresh_tl": 0.5},
}
#: what all synapses of the model have in common
SHARED = {
    "static_synapse_hom_w": {"weight": 60.0},
    "tsodyks_synapse_hom": {"weight": 200.0, "tau_fac": 40.0, "U": 0.3},
    "jonke_synapse": {"lambda": 4.0, "mu_plus": -0.01, "mu_minus": 0.002, "beta": 0.1},
    "stdp_facetshw_synapse_hom": {"driver_readout_time": 4.0, "reset_pattern": [1, 0, 1, 1, 0, 1]},
}


def plastic(nest, synapse, recorder=None):
    spec = dict(SYNAPSES[synapse], synapse_model="mine", delay=1.3)
    common = dict(SHARED.get(synapse, {}))
    if recorder is not None:
        common["weight_recorder"] = recorder
    nest.CopyModel(synapse, "mine", common)
    return spec


@pytest.mark.parametrize("parts", [(80.0,), (33.3, 46.7)])
@pytest.mark.parametrize("synapse", SYNAPSES)
def test_plastic_synapses(both, synapse, parts):
    def script(nest):
        weights = nest.Create("weight_recorder")
        spec = plastic(nest, synapse, weights)
        cells = nest.Create("iaf_psc_exp", 3, {"I_e": [370.0, 380.0, 390.0]})
        parrots = nest.Create("parrot_neuron", 2)
        nest.Connect(drive(nest, 2), parrots, "one_to_one")
        nest.Connect(parrots, cells, "all_to_all", spec)
        nest.Connect(cells, cells, "all_to_all", {**spec, "delay": 2.0})
        meter, spikes = nest.Create("voltmeter", params={"interval": 0.1}), nest.Create("spike_recorder")
        nest.Connect(meter, cells)
        nest.Connect(cells, spikes)
        for t in parts:
            nest.Simulate(t)
        now = {} if "weight" in SHARED.get(synapse, ()) else {"now": nest.GetConnections(synapse_model="mine").weight}
        return recorded(meter=meter, spikes=spikes, weights=weights) | now

    got = same(both, script)
    assert len(got["weights.weights"])


# --- between runs -------------------------------------------------------------------------------------------------


def start(nest, model="iaf_psc_alpha", n=4):
    cells = nest.Create(model, n, {"I_e": 380.0})
    g = drive(nest, 2)
    nest.Connect(g, cells, "all_to_all", {"weight": 90.0, "delay": 3.4})
    nest.Connect(cells, cells, "all_to_all", {"weight": -30.0, "delay": 1.1})
    meter, spikes = nest.Create("voltmeter", params={"interval": 0.1}), nest.Create("spike_recorder")
    nest.Connect(meter, cells)
    nest.Connect(cells, spikes)
    return cells, g, meter, spikes


def test_run_in_parts(both):
    def script(nest):
        _, _, meter, spikes = start(nest)
        counts = []
        for t in (10.0, 0.1, 7.7, 22.2):
            nest.Simulate(t)
            counts.append((meter.n_events, spikes.n_events))
        return recorded(meter=meter, spikes=spikes) | {"counts": counts}

    same(both, script)


def test_prepare_run_cleanup(both):
    def script(nest):
        _, _, meter, spikes = start(nest)
        with nest.RunManager():
            for _ in range(4):
                nest.Run(9.3)
        return recorded(meter=meter, spikes=spikes)

    same(both, script)


def test_nodes_and_connections_come_between_runs(both):
    def script(nest):
        cells, g, meter, spikes = start(nest)
        nest.Simulate(17.3)
        more = nest.Create("iaf_psc_alpha", 2, {"I_e": 400.0})
        nest.Connect(g[0], more, syn_spec={"weight": 70.0, "delay": 2.0})
        nest.Connect(more, cells, syn_spec={"weight": 40.0, "delay": 1.6})
        nest.Connect(cells[0], more, syn_spec={"weight": 33.0, "delay": 3.4})
        nest.Connect(more, spikes)
        nest.Simulate(20.2)
        other = nest.Create("iaf_psc_exp", params={"I_e": 420.0})
        nest.Connect(other, cells, syn_spec={"weight": 45.0, "delay": 1.5})
        nest.Simulate(20.0)
        return recorded(meter=meter, spikes=spikes)

    same(both, script)


def test_connections_are_deleted_between_runs(both):
    def script(nest):
        cells, _, meter, spikes = start(nest)
        nest.Simulate(20.0)
        nest.Disconnect(nest.GetConnections(cells[:2], cells))
        nest.Simulate(20.2)
        return recorded(meter=meter, spikes=spikes)

    same(both, script)


@pytest.mark.parametrize("synapse", [s for s in SYNAPSES if "weight" not in SHARED.get(s, ())])
def test_plastic_synapses_go_on_when_the_network_grows(both, synapse):
    def script(nest):
        spec = plastic(nest, synapse)
        cells = nest.Create("iaf_psc_exp", 3, {"I_e": [370.0, 380.0, 390.0]})
        parrots = nest.Create("parrot_neuron", 2)
        nest.Connect(drive(nest, 2), parrots, "one_to_one")
        nest.Connect(parrots, cells, "all_to_all", spec)
        meter, spikes = nest.Create("voltmeter", params={"interval": 0.1}), nest.Create("spike_recorder")
        nest.Connect(meter, cells)
        nest.Connect(cells, spikes)
        nest.Simulate(33.3)
        more = nest.Create("iaf_psc_exp", 2, {"I_e": 400.0})
        nest.Connect(more, cells, syn_spec={"weight": 20.0, "delay": 1.3})
        nest.Simulate(30.0)
        nest.Connect(cells, cells, "all_to_all", spec)  # plastic ones too
        nest.Simulate(30.0)
        return recorded(meter=meter, spikes=spikes) | {"now": nest.GetConnections(synapse_model="mine").get("weight")}

    same(both, script)


def test_nodes_are_changed_between_runs(both):
    def script(nest):
        cells, _, meter, spikes = start(nest)
        nest.Simulate(17.3)
        cells.set(I_e=[300.0, 390.0, 410.0, 380.0])
        cells[1].V_m = -58.0
        nest.Simulate(15.0)
        cells[2:].set(tau_m=[8.0, 12.0], C_m=240.0)
        cells.V_th = -54.0
        nest.Simulate(15.0)
        return recorded(meter=meter, spikes=spikes) | {"V_m": cells.V_m}

    same(both, script)


def test_static_weights_are_changed_between_runs(both):
    def script(nest):
        cells, g, meter, spikes = start(nest)
        nest.Simulate(20.0)
        conns = nest.GetConnections(cells, cells)
        conns.weight = [float(10 * k - 60) for k in range(len(conns))]
        nest.GetConnections(g, cells).set(weight=120.0)
        nest.Simulate(25.0)
        return recorded(meter=meter, spikes=spikes) | {"w": conns.weight}

    same(both, script)


def test_delays_are_changed_between_runs(both):
    def script(nest):
        cells, _, meter, spikes = start(nest)
        nest.Simulate(17.3)
        nest.GetConnections(cells[0], cells).set(delay=2.2)
        nest.Simulate(25.0)
        return recorded(meter=meter, spikes=spikes)

    same(both, script)


def test_weights_of_plastic_synapses_are_changed_between_runs(both):
    def script(nest):
        spec = plastic(nest, "stdp_synapse")
        cells = nest.Create("iaf_psc_exp", 2, {"I_e": [370.0, 390.0]})
        parrots = nest.Create("parrot_neuron", 2)
        nest.Connect(drive(nest, 2), parrots, "one_to_one")
        nest.Connect(parrots, cells, "all_to_all", spec)
        meter = nest.Create("voltmeter", params={"interval": 0.1})
        nest.Connect(meter, cells)
        nest.Simulate(33.3)
        conns = nest.GetConnections(parrots, cells)
        conns[0].weight = 100.0
        nest.Simulate(20.0)
        conns.set({"lambda": 0.3})
        nest.Simulate(20.0)
        return recorded(meter=meter) | {"w": conns.weight}

    same(both, script)


@pytest.mark.parametrize(
    ("model", "before", "after"),
    [
        ("dc_generator", {"amplitude": 300.0}, {"amplitude": -100.0}),
        ("dc_generator", {"amplitude": 300.0, "start": 3.0, "stop": 15.0}, {"stop": 25.0, "origin": 2.0}),
        ("ac_generator", {"amplitude": 200.0, "frequency": 60.0, "offset": 150.0}, {"phase": 90.0, "amplitude": 300.0}),
        ("ac_generator", {"amplitude": 200.0, "frequency": 60.0, "start": 4.0}, {"frequency": 30.0, "stop": 29.0}),
        (
            "step_current_generator",
            {"amplitude_times": [2.0, 9.5], "amplitude_values": [400.0, 200.0]},
            {"amplitude_times": [22.2, 30.0], "amplitude_values": [500.0, -200.0]},
        ),
        ("spike_generator", {"spike_times": [1.0, 9.5, 25.0]}, {"spike_times": [21.0, 22.0, 30.0]}),
        ("spike_generator", {"spike_times": [1.0, 9.5, 25.0, 28.0], "start": 3.0}, {"stop": 26.0}),
        ("spike_generator", {"spike_times": [1.0]}, {"spike_times": [21.0, 22.0], "spike_weights": [2.0, -3.0]}),
    ],
)
@pytest.mark.parametrize("grows", [False, True])
def test_generators_are_changed_between_runs(both, model, before, after, grows):
    def script(nest):
        cells = nest.Create("iaf_psc_alpha", 2)
        g = nest.Create(model, params=before)
        nest.Connect(g, cells, syn_spec={"weight": [[1.0], [1.5]] if "spike" not in model else 300.0, "delay": 0.7})
        meter = nest.Create("voltmeter", params={"interval": 0.1})
        nest.Connect(meter, cells)
        nest.Simulate(19.3)
        if grows:
            nest.Connect(nest.Create("iaf_psc_alpha"), cells, syn_spec={"delay": 0.7})
        nest.Simulate(1.0)
        g.set(after)
        nest.Simulate(20.0)
        return recorded(meter=meter)

    same(both, script)


def test_recorders_change_between_runs(both):
    def script(nest):
        cells, _, meter, spikes = start(nest)
        meter.set(start=5.0, stop=12.0)
        spikes.set(start=5.0)
        nest.Simulate(17.3)
        meter.set(start=20.0, stop=35.0)
        late = nest.Create("spike_recorder")
        nest.Connect(cells[1:], late)
        other = nest.Create("multimeter", params={"record_from": ["V_m", "I_syn_ex"], "interval": 0.3})
        nest.Connect(other, cells[:2])
        nest.Simulate(25.0)
        spikes.n_events = 0
        nest.Simulate(10.0)
        return recorded(meter=meter, spikes=spikes, late=late, other=other)

    same(both, script)


def test_order_of_events_with_one_thread(both):
    def script(nest):
        cells, _, meter, spikes = start(nest)
        both_meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": 0.7})
        nest.Connect(both_meter, cells)
        nest.Simulate(33.0)
        nest.Simulate(12.0)
        return {
            "meter": meter.events["senders"],
            "times": meter.events["times"],
            "spikes": spikes.events["senders"],
            "at": spikes.events["times"],
            "coarse": both_meter.events["times"],
        }

    same(both, script)
