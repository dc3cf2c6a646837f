"""Synapse models one by one, against live NEST: what it shows and refuses, and what those do that no scenario has."""

import numpy as np
import pytest

MODELS = (
    *("ht_synapse", "quantal_stp_synapse", "stdp_facetshw_synapse_hom", "cont_delay_synapse", "vogels_sprekeler_synapse"),
    *("tsodyks_synapse_hom", "stdp_nn_symm_synapse", "stdp_nn_pre_centered_synapse", "stdp_nn_restr_synapse", "jonke_synapse"),
)
BOOKKEEPING = {"synapse_modelid", "synapse_id", "num_connections", "weight_recorder", "element_type", "has_delay"}


@pytest.mark.parametrize("model", MODELS)
def test_defaults_and_properties(same, model):
    def script(nest):
        cells = nest.Create("iaf_psc_alpha", 2)
        nest.Connect(cells[0], cells[1], syn_spec={"synapse_model": model})
        shown = nest.GetDefaults(model), nest.GetConnections().get(), nest.GetDefaults(model + "_lbl")
        return [{k: v for k, v in d.items() if k not in BOOKKEEPING | {"synapse_model", "requires_symmetric"}} for d in shown]

    same(script)


def connected(model, **spec):
    def script(nest):
        cells = nest.Create("iaf_psc_alpha", 2)
        nest.Connect(cells[0], cells[1], syn_spec={"synapse_model": model, **spec})
        return nest.GetConnections().get(list(spec))

    return script


def by_default(model, **values):
    def script(nest):
        nest.SetDefaults(model, values)
        return {k: np.asarray(nest.GetDefaults(model, k)).tolist() for k in values}

    return script


@pytest.mark.parametrize(
    "script",
    [
        connected("ht_synapse", tau_P=0.0),
        connected("ht_synapse", delta_P=1.1),
        connected("ht_synapse", P=-0.1),
        connected("ht_synapse", P=0.3, delta_P=0.5),
        connected("quantal_stp_synapse", n=3, a=5),
        connected("quantal_stp_synapse", n=3.0),
        connected("quantal_stp_synapse", a=[2.5]),
        connected("quantal_stp_synapse", u=1.5),
        connected("tsodyks_synapse_hom", weight=2.0),
        connected("tsodyks_synapse_hom", x=0.7, y=0.5),
        connected("tsodyks_synapse_hom", u=3.0),
        connected("jonke_synapse", Kplus=-1.0),
        connected("jonke_synapse", tau_plus=2.0),
        connected("vogels_sprekeler_synapse", weight=-1.0, alpha=0.1),
        connected("vogels_sprekeler_synapse", weight=0.0, Wmax=-1.0),
        connected("vogels_sprekeler_synapse", Kplus=-1.0),
        connected("stdp_nn_symm_synapse", Kplus=1.0),
        connected("stdp_nn_restr_synapse", weight=-1.0, alpha=1.0),
        connected("stdp_nn_restr_synapse", paired=1.0),
        connected("stdp_nn_pre_centered_synapse", Kplus=-1.0),
        connected("stdp_facetshw_synapse_hom", a_causal=0.2, next_readout_time=0.1, synapse_id=3),
        connected("stdp_facetshw_synapse_hom", Wmax=3.0),
        connected("stdp_facetshw_synapse_hom", weight_per_lut_entry=3.0),
        # the time constants of these are not looked at
        connected("stdp_synapse", tau_plus=0.0, Wmax=0.0),
        connected("stdp_nn_symm_synapse", tau_plus=-1.0),
        connected("stdp_triplet_synapse", tau_plus_triplet=0.0),
        connected("vogels_sprekeler_synapse", tau=0.0),
        # Connect rounds delays, whatever the model
        connected("cont_delay_synapse", delay=1.34),
        connected("cont_delay_synapse", delay=0.05),
        by_default("cont_delay_synapse", delay=1.34),
        by_default("cont_delay_synapse", delay=0.05),
        by_default("tsodyks_synapse_hom", U=1.2),
        by_default("quantal_stp_synapse", n=5),
        by_default("quantal_stp_synapse", n=2.5),
        by_default("stdp_facetshw_synapse_hom", lookuptable_0=[1] * 15),
        by_default("stdp_facetshw_synapse_hom", lookuptable_1=[16] * 16),
        by_default("stdp_facetshw_synapse_hom", lookuptable_2=[1] * 16, configbit_1=[1, 1, 1, 0], reset_pattern=[0] * 6),
        by_default("stdp_facetshw_synapse_hom", configbit_0=[1] * 3),
        by_default("stdp_facetshw_synapse_hom", reset_pattern=[1] * 3),
        by_default("stdp_facetshw_synapse_hom", no_synapses=130, synapses_per_driver=10, readout_cycle_duration=195.0),
    ],
)
def test_values_are_taken_or_refused(same, script):
    same(script)


@pytest.mark.parametrize(
    "set_to, error",
    [
        (by_default("stdp_facetshw_synapse_hom", weight_per_lut_entry=3.0), "NotImplemented"),
        (by_default("stdp_facetshw_synapse_hom", readout_cycle_duration=3.0), "NotImplemented"),
        (by_default("stdp_facetshw_synapse_hom", init_flag=1), "BadProperty"),
    ],
)
def test_what_follows_from_other_values(set_to, error):
    import jaxnest.nest as nest

    nest.ResetKernel()
    with pytest.raises(getattr(nest.NESTErrors, error)):
        set_to(nest)


def test_time_constants_that_are_not_positive_do_not_simulate():
    import jaxnest.nest as nest

    nest.ResetKernel()
    connected("stdp_synapse", tau_plus=0.0)(nest)
    with pytest.raises(nest.NESTErrors.BadProperty, match=r"tau_plus.*> 0"):
        nest.Simulate(1.0)


@pytest.mark.parametrize(
    "model, key", [("static_synapse_hom_w", "weight"), ("tsodyks_synapse_hom", "weight"), ("stdp_synapse_hom", "lambda")]
)
def test_common_values_belong_to_the_model(same, model, key):
    """Connections do not show them, and those that there are have them when they are changed."""

    def script(nest):
        g = nest.Create("spike_generator", params={"spike_times": [1.0, 5.0, 9.0, 13.0]})
        parrot, cells = nest.Create("parrot_neuron"), nest.Create("iaf_psc_exp", 2, {"I_e": 600.0})
        nest.Connect(g, parrot)
        nest.Connect(parrot, cells, syn_spec={"synapse_model": model})
        found = nest.GetConnections(parrot)
        seen = []
        for value in (0.2, 0.9):
            nest.SetDefaults(model, {key: 50.0 * value if key == "weight" else value})
            nest.Simulate(15.0)
            seen += [round(v, 9) for v in cells.V_m]
        return [*seen, key in found.get(), *([] if key == "weight" else [round(w, 9) for w in found.weight])]

    same(script)


@pytest.mark.parametrize("delay", [0.3, 1.34, 2.25])
def test_delays_between_points_of_the_grid(same, delay):
    def script(nest):
        nest.SetDefaults("cont_delay_synapse", {"delay": delay})
        g = nest.Create("spike_generator", params={"spike_times": [1.0, 3.2]})
        parrots = nest.Create("parrot_neuron", 3)
        nest.Connect(g, parrots[0])
        nest.Connect(parrots[0], parrots[1:], syn_spec={"synapse_model": "cont_delay_synapse"})
        found = nest.GetConnections(parrots[0], parrots[1:])
        found[1].delay = 1.11
        spikes = nest.Create("spike_recorder")
        nest.Connect(parrots, spikes)
        nest.Simulate(10.0)
        e = spikes.events
        heard = sorted(zip(np.round(e["times"], 9).tolist(), e["senders"].tolist(), strict=True))
        return heard, np.round(found.delay, 9).tolist(), round(nest.min_delay, 9), round(nest.max_delay, 9)

    same(script)


FACETS = {
    "driver_readout_time": 4.0,
    "tau_plus": 15.0,
    "tau_minus_stdp": 30.0,
    "a_thresh_th": 0.7,
    "a_thresh_tl": 0.5,
    "reset_pattern": [1, 0, 1, 1, 0, 1],
    "lookuptable_2": [15 - k for k in range(16)],
}


@pytest.mark.parametrize("drivers", [50, 4])
def test_weights_of_four_bits(both, drivers):
    """Synapses to three neurons and two parrots; by fours, they are read out one group after the other."""

    def script(nest):
        weights = nest.Create("weight_recorder")
        nest.CopyModel(
            "stdp_facetshw_synapse_hom", "mine", {**FACETS, "synapses_per_driver": drivers, "weight_recorder": weights}
        )
        rng = np.random.default_rng(1)
        generators = nest.Create("spike_generator", 5)
        for k in range(5):  # sources fire in different steps, so the order of their synapses' first spikes is one only
            steps = np.unique(rng.integers(20 + 3 * k, 2500, 40))
            generators[k].spike_times = np.round(0.1 * np.concatenate([[10 + 3 * k], steps + (steps % 5 != k) * 0]), 1)
        pre, post = nest.Create("parrot_neuron", 3), nest.Create("parrot_neuron", 2)
        nest.Connect(generators, pre + post, "one_to_one")
        for delay in (1.3, 2.0):  # multapses
            spec = {
                "synapse_model": "mine",
                "receptor_type": 1,
                "delay": delay,
                "weight": [[30.0, 55.0, 90.0], [7.0, 0.0, 100.0]],
            }
            nest.Connect(pre, post, "all_to_all", spec)
        nest.Simulate(120.0)
        nest.Simulate(140.0)
        found = nest.GetConnections(pre, post)
        keys = ("weight", "a_causal", "a_acausal", "next_readout_time", "delay", "source", "target")
        rows = sorted(zip(*(np.round(found.get(k), 9).tolist() for k in keys), strict=True), key=lambda r: (r[5], r[6], r[4]))
        e = weights.events
        log = sorted(
            zip(
                np.round(e["times"], 6).tolist(),
                e["senders"].tolist(),
                e["targets"].tolist(),
                e["weights"].tolist(),
                strict=True,
            )
        )
        return np.array(rows), np.array(log)

    wanted, got = both(script)
    for theirs, ours in zip(wanted, got, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    assert len(np.unique(got[1][:, 3])) > 6  # tables were at work


def test_release_sites_succeed_at_random(both):
    """Numbers of released vesicles of 600 synapses at each of a train's spikes: their distribution is NEST's."""
    params = {"U": 0.3, "u": 0.2, "n": 7, "a": 5, "tau_rec": 30.0, "tau_fac": 40.0}

    def script(nest):
        nest.rng_seed = 7
        weights = nest.Create("weight_recorder")
        nest.CopyModel("quantal_stp_synapse", "mine", {"weight_recorder": weights})
        g = nest.Create(
            "spike_generator", params={"spike_times": [1.0, 4.0, 9.0, 40.0, 41.0], "spike_multiplicities": [1, 1, 2, 1, 1]}
        )
        parrot, targets = nest.Create("parrot_neuron"), nest.Create("parrot_neuron", 600)
        nest.Connect(g, parrot)
        nest.Connect(parrot, targets, syn_spec={"synapse_model": "mine", "weight": 2.0, **params})
        spikes = nest.Create("spike_recorder")
        nest.Connect(targets, spikes)
        nest.Simulate(50.0)
        found = nest.GetConnections(parrot, targets)
        assert found.n == [7] * 600 and all(isinstance(a, int) for a in found.a)
        e = weights.events
        assert len(e["times"]) == spikes.n_events  # what is lost is neither heard nor recorded
        return np.round(e["times"], 1), np.asarray(e["weights"]) / 2.0, np.array(found.a), found[0].u

    (times, counts, left, u), (our_times, our_counts, our_left, our_u) = both(script)
    assert abs(u - our_u) < 1e-12
    for t in np.unique(times):
        theirs, ours = (
            np.bincount(c[s == t].astype(int), minlength=15)[:15] for s, c in ((times, counts), (our_times, our_counts))
        )
        n = max(theirs.sum(), ours.sum())
        spread = np.sqrt(theirs + ours + 1.0)
        assert np.all(np.abs(theirs - ours) < 4.5 * spread), (t, theirs, ours)
        assert abs(theirs.sum() - ours.sum()) < 4.5 * np.sqrt(n)
    theirs, ours = (np.bincount(x, minlength=8) for x in (left, our_left))
    assert np.all(np.abs(theirs - ours) < 4.5 * np.sqrt(theirs + ours + 1.0)), (theirs, ours)


def test_sizes_of_connections(same):
    def script(nest):
        cells = nest.Create("iaf_psc_alpha", 2)
        models = (
            "static_synapse",
            "static_synapse_hpc",
            "stdp_synapse_lbl",
            "stdp_triplet_synapse",
            "stdp_triplet_synapse_lbl",
        )
        for model in models:
            nest.Connect(cells[0], cells[1], syn_spec={"synapse_model": model})
        found = [nest.GetConnections(synapse_model=m).get() for m in models]
        return [nest.GetDefaults(m).get("sizeof") for m in models], [c.get("sizeof") for c in found]

    assert same(script)[0] == [32, 16, 104, None, 120]


def test_recorders_listen_by_synapses_with_depression(same):
    """All spikes are recorded, and the synapses change: at once, though the last slice has not been delivered elsewhere."""

    def script(nest):
        cells = nest.Create("iaf_psc_exp", 5, params={"I_e": [400.0, 500.0, 600.0, 700.0, 800.0]})
        recorders = nest.Create("spike_recorder", 2)
        spec = {"synapse_model": "tsodyks_synapse", "weight": 3.0, "delay": 1.5, "U": 0.3}
        nest.Connect(cells, recorders[0], syn_spec=spec)
        nest.Connect(cells[:3], recorders, syn_spec={"synapse_model": "ht_synapse", "weight": 2.0})
        nest.Connect(cells, cells, syn_spec={"synapse_model": "tsodyks_synapse", "weight": 10.0})
        nest.Connect(cells[::2], recorders[1], syn_spec={"synapse_model": "tsodyks_synapse_hom"})
        nest.Simulate(50.0)
        heard = nest.GetConnections(cells, recorders[0], synapse_model="tsodyks_synapse")
        heard.x = 0.2
        heard[1].U = 0.9
        late = nest.Create("iaf_psc_exp", params={"I_e": 450.0})
        nest.Connect(late, recorders, syn_spec={"synapse_model": "tsodyks2_synapse"})
        nest.Simulate(60.0)
        states = []
        for model in ("tsodyks_synapse", "tsodyks_synapse_hom", "tsodyks2_synapse", "ht_synapse"):
            found = nest.GetConnections(synapse_model=model).get(["source", "target", "P" if model[0] == "h" else "x"])
            states.append(sorted(zip(*(np.round(column, 9).tolist() for column in found.values()), strict=True)))
        return states, [r.n_events for r in recorders]

    assert min(same(script)[1]) > 20


@pytest.mark.parametrize("model", ["stdp_synapse", "jonke_synapse"])
def test_recorders_do_not_listen_by_stdp(same, model):
    def script(nest):
        nest.Connect(nest.Create("iaf_psc_exp"), nest.Create("spike_recorder"), syn_spec={"synapse_model": model})

    assert same(script) == "IllegalConnection"
