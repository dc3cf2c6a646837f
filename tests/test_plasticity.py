"""Plastic synapses against a plain reference, where the machinery is strained: narrow blocks, tiny logs, multiplicities."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn
from jaxnest.events import native
from jaxnest.simulation import _tables
from jaxnest.simulation._advance import advance

H = 0.1
TRIPLET = {"Aplus": 0.3, "Aminus": 0.5, "Aplus_triplet": 0.4, "Aminus_triplet": 0.2, "Wmax": 95.0}
TAU_MINUS, TAU_MINUS_TRIPLET = 17.0, 90.0


def trains(rng, n, steps, share, twice=True):
    """For each of `n` neurons its spikes as (step, multiplicity)."""
    out = []
    for _ in range(n):
        at = np.flatnonzero(rng.random(steps) < share) + 2
        out.append([(int(s), int(rng.integers(1, 4)) if twice else 1) for s in at])
    return out


def reference(pre, post, delay, weight):
    """The triplet rule with NEST's conventions, spike by spike: (weights sent by stamp, last weight)."""
    p = {"tau_plus": 16.8, "tau_plus_triplet": 101.0, **TRIPLET}
    post = [s for s, m in post for _ in range(m)]
    K, slow, kept, last = 0.0, 0.0, [], None
    for s in post:  # traces just after each postsynaptic spike
        if last is not None:
            K, slow = K * np.exp(-(s - last) * H / TAU_MINUS), slow * np.exp(-(s - last) * H / TAU_MINUS_TRIPLET)
        K, slow, last = K + 1, slow + 1, s
        kept.append((s, K, slow))
    w, Kplus, Kplus_triplet, t_last, sent = weight, 0.0, 0.0, 0, []
    for t in (s for s, m in pre for _ in range(m)):
        for s, _, slow in kept:
            if t_last - delay < s <= t - delay:
                rise = Kplus * np.exp(-(s + delay - t_last) * H / p["tau_plus"])
                w = min(w + rise * (p["Aplus"] + p["Aplus_triplet"] * (slow - 1)), p["Wmax"])
        Kplus_triplet *= np.exp(-(t - t_last) * H / p["tau_plus_triplet"])
        before = [(s, K) for s, K, _ in kept if s < t - delay]
        K = before[-1][1] * np.exp(-(t - delay - before[-1][0]) * H / TAU_MINUS) if before else 0.0
        w = max(w - K * (p["Aminus"] + p["Aminus_triplet"] * Kplus_triplet), 0.0)
        Kplus = Kplus * np.exp(-(t - t_last) * H / p["tau_plus"]) + 1
        Kplus_triplet += 1
        t_last = t
        sent.append((t, w))
    return sent, w


def network(pre, post, pairs, delays, weights, synapse="stdp_triplet_synapse", log=True, **params):
    """Parrots that fire at given steps (multiplicities too), joined by plastic synapses onto their deaf receptor."""
    net = jn.Network(h=H)
    parrots = []
    for name, spikes in (("pre", pre), ("post", post)):
        given = {
            "spike_times": [[(s - 1) * H for s, _ in train] for train in spikes],
            "spike_multiplicities": [[m for _, m in train] for train in spikes],
        }
        drive = net.create("spike_generator", len(spikes), name=f"{name}_drive", **given)
        taus = {"tau_minus": TAU_MINUS, "tau_minus_triplet": TAU_MINUS_TRIPLET}
        parrots.append(net.create("parrot_neuron", len(spikes), name=name, **taus))
        net.connect(drive, parrots[-1], "one_to_one", delay=H)
    recorder = net.create("weight_recorder") if log else None
    receptor = 1 if synapse.startswith("stdp") else None
    rule = jn.explicit(*pairs)
    projection = net.connect(
        *parrots,
        rule,
        synapse=synapse,
        weight=weights,
        delay=delays,
        receptor=receptor,
        weight_recorder=recorder,
        **params,
    )
    return net, projection


def tiny_log(sim, length):
    """The same simulation with a log of `length` spikes a neuron."""
    plan = dataclasses.replace(sim.program.plan, log_length=length)
    sim.program.plan = plan
    sim.state = jax.tree.map(lambda x: jnp.array(x, copy=True), sim.program.init(sim.params))
    sim._advance = jax.jit(partial(advance, plan, sim.program.fire), donate_argnums=(2, 3))


def check(sim, projection, pre, post, pairs, delays, weights, steps, chunks=None, log=True):
    for part in chunks or [steps]:
        sim.run(round(part * H, 6))
    log = sim.weights(projection) if log else None
    ends = sim.program.connections_of(projection.name)
    final = sim.get(projection, "weight")
    given = np.lexsort(pairs[::-1])
    np.testing.assert_array_equal(ends["pre"], pairs[0][given])
    worked = False
    for k, g in enumerate(given):
        cut = [(s, m) for s, m in pre[pairs[0][g]] if s <= steps]
        sent, last = reference(cut, post[pairs[1][g]], delays[g], weights[g])
        if log is not None:
            mine = log.connections == k
            np.testing.assert_array_equal(np.round(log.times[mine] / H), [t for t, _ in sent])
            np.testing.assert_allclose(log.weights[mine], [w for _, w in sent], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(final[k], last, rtol=1e-9, atol=1e-9)
        worked |= bool(sent) and last != weights[g]
    assert worked


def strained(rng, share_pre=0.08, share_post=0.3, steps=300, n_pre=5, n_post=7, n=60, delays=(3, 40), twice=True):
    pre, post = trains(rng, n_pre, steps - 1, share_pre, twice), trains(rng, n_post, steps - 1, share_post, twice)
    pre[3] = []  # a source that never fires, and one that fires at the very end only
    pre[4] = [(steps - 2, 1)]
    pairs = rng.integers(0, n_pre, n), rng.integers(0, n_post, n)  # multapses among them
    return pre, post, pairs, rng.integers(*delays, n), rng.uniform(20.0, 90.0, n)


@pytest.mark.parametrize("delivery, width", [("events", 1), ("events", 3), ("events", 32), ("dense", 32)])
def test_rows_of_several_blocks(x64, monkeypatch, delivery, width):
    monkeypatch.setattr(_tables, "block_width", lambda n, rows: min(n, width))
    pre, post, pairs, delays, weights = case = strained(np.random.default_rng(width))
    net, projection = network(pre, post, pairs, delays * H, weights, **TRIPLET)
    sim = jn.Simulation(net, delivery=delivery)
    assert next(t for t in sim.program.plan.tables if t.key == projection.name).layout.width == width
    check(sim, projection, *case, steps=300)


#: a table with a weight recorder is XLA's, so in C++ only the last weights are seen
LOWERINGS = ["xla", pytest.param("native", marks=pytest.mark.skipif(not native.available(), reason=native.status()))]


@pytest.mark.parametrize("lowering", LOWERINGS)
@pytest.mark.parametrize("every_step", [False, True])
def test_log_is_emptied_in_time(x64, monkeypatch, every_step, lowering):
    """The smallest log that may work, and postsynaptic neurons that fire in every step."""
    monkeypatch.setattr(_tables, "block_width", lambda n, rows: 7)
    pre, post, pairs, delays, weights = case = strained(np.random.default_rng(5), 0.02, steps=500, delays=(4, 9))
    if every_step:
        post[0] = post[1] = [(s, 1 + (s % 5 == 0)) for s in range(2, 499)]
    recorded = lowering == "xla"
    net, projection = network(pre, post, pairs, delays * H, weights, log=recorded, **TRIPLET)
    sim = jn.Simulation(net, delivery="events", lowering=lowering)
    longest, L = 8, sim.program.plan.slice_steps
    tiny_log(sim, 2 * (longest + L + 1))
    check(sim, projection, *case, steps=500, log=recorded)
    log = sim.state.history["parrot_neuron"]
    assert int(jnp.max(log.count)) > 3 * log.stamp.shape[1]  # it was filled several times
    assert int(sim.state.tables[projection.name].done) > 0  # and had to be emptied


@pytest.mark.parametrize(
    "delivery, lowering",
    [("events", "xla"), pytest.param("events", *LOWERINGS[1].values, marks=LOWERINGS[1].marks), ("dense", "xla")],
)
def test_splitting_a_run_changes_nothing(x64, delivery, lowering):
    """A slice of 4 steps is cut in every way; sources fire twice and more within one."""
    rng = np.random.default_rng(9)
    pre, post, pairs, delays, weights = case = strained(rng, 0.5, 0.3, steps=120, delays=(4, 30))
    recorded = lowering == "xla"
    net, projection = network(pre, post, pairs, delays * H, weights, log=recorded, **TRIPLET)
    whole = jn.Simulation(net, delivery=delivery, lowering=lowering)
    check(whole, projection, *case, steps=120, log=recorded)
    parts = jn.Simulation(net, delivery=delivery, lowering=lowering)
    check(parts, projection, *case, steps=120, chunks=[1, 2, 3, 5, 1, 8, 13, 1, 1, 1, 34, 50], log=recorded)
    if recorded:
        np.testing.assert_array_equal(whole.weights(projection).weights, parts.weights(projection).weights)
    np.testing.assert_array_equal(whole.get(projection, "weight"), parts.get(projection, "weight"))


def test_targets_with_ports_keep_their_own_history(x64):
    """The second receptor's synapses read the spikes of the neuron they end on."""
    net = jn.Network(h=H)
    pre = net.create("spike_generator", 1, spike_times=[5.0, 25.0, 45.0])
    post = net.create("iaf_psc_exp_multisynapse", 3, tau_syn=[2.0, 2.0], I_e=[0.0, 450.0, 800.0])
    ends = jn.explicit(np.zeros(6, int), np.tile(np.arange(3), 2))
    receptor = np.repeat([1, 2], 3)
    plastic = net.connect(pre, post, ends, synapse="stdp_synapse", weight=10.0, receptor=receptor, alpha=0.1)
    sim = jn.Simulation(net, delivery="events").run(60.0)
    weights = sim.get(plastic, "weight")
    np.testing.assert_array_equal(weights[:3], weights[3:])
    assert weights[0] == 10.0 and len(np.unique(weights)) == 3


@pytest.mark.parametrize("delivery", ["events", "dense"])
def test_bernoulli_draws_for_every_spike_and_synapse(x64, delivery):
    """Multiplicities draw one by one; what is lost is neither heard nor recorded; splits do not matter."""
    times = [(s, 3) for s in range(2, 400, 4)]
    pairs = np.zeros(20, int), np.arange(20)
    p = np.repeat([0.0, 0.3, 0.8, 1.0], 5)
    net, projection = network([times], [[]] * 20, pairs, 0.5, 7.0, "bernoulli_synapse", p_transmit=p)
    recorder = net.create("spike_recorder")
    net.connect(net["post"], recorder)
    sim = jn.Simulation(net, delivery=delivery, seed=3)
    sim.run(12.3).run(30.0)
    log = sim.weights(projection)
    assert (log.weights == 7.0).all()
    logged = np.bincount(log.connections, minlength=20)
    heard = np.array([len(t) for t in sim.spikes(recorder).by_sender()])
    np.testing.assert_array_equal(logged, heard)
    sent = 3 * len(times)
    assert (logged[:5] == 0).all() and (logged[15:] == sent).all()
    assert abs(logged[5:10].sum() / (5 * sent) - 0.3) < 0.04 and abs(logged[10:15].sum() / (5 * sent) - 0.8) < 0.04
    _, per_event = np.unique(
        log.connections[np.isin(log.connections, range(5, 10))] * 1000
        + np.round(log.times[np.isin(log.connections, range(5, 10))] / H),
        return_counts=True,
    )
    assert set(per_event) == {1, 2, 3}  # not all or none of the three


@pytest.mark.parametrize(
    "synapse, params",
    [("bernoulli_synapse", {"p_transmit": 0.5}), ("quantal_stp_synapse", {"n": 6, "a": 5, "tau_rec": 5.0, "U": 0.3})],
)
def test_both_lowerings_draw_the_same(x64, synapse, params):
    times = [(s, 2) for s in range(2, 200, 4)]
    pairs = np.zeros(20, int), np.arange(20)
    logs = []
    for delivery in ("events", "dense"):
        net, projection = network([times], [[]] * 20, pairs, 0.5, 7.0, synapse, **params)
        sim = jn.Simulation(net, delivery=delivery, seed=4).run(30.0)
        log = sim.weights(projection)
        logs.append(sorted(zip(log.times, log.connections, log.weights, strict=True)))
    assert logs[0] == logs[1] and len(logs[0]) > 300  # many, of about 1,000 and 440


def experiment(synapse, twice=True, **params):
    """A function from values of "plastic" (by name) to a number that depends on what the synapses became or sent."""
    rng = np.random.default_rng(2)
    net = jn.Network(h=H)
    pre, post = trains(rng, 2, 120, 0.08, twice), trains(rng, 1, 120, 0.08, twice)
    drives = [
        net.create(
            "spike_generator",
            len(spikes),
            name=name,
            spike_times=[[s * H for s, _ in t] for t in spikes],
            spike_multiplicities=[[m for _, m in t] for t in spikes],
        )
        for name, spikes in (("pre", pre), ("post", post))
    ]
    reads_post = synapse.startswith("stdp")
    cell = net.create("parrot_neuron" if reads_post else "iaf_psc_exp", **({} if reads_post else {"V_th": 1e4}))
    if reads_post:  # a relay fires when it is told to
        net.connect(drives[1], cell, delay=H)
    receptor = 1 if reads_post else None
    net.connect(drives[0], cell, synapse=synapse, delay=[0.5, 1.1], receptor=receptor, name="plastic", **params)
    program = net.compile(delivery="dense")

    def outcome(values):
        p = program.set(program.params, {f"plastic.{name}": value for name, value in values.items()})
        state, _ = program.simulate(p, program.connections, program.init(p), 15.0)
        if reads_post:
            return jnp.sum(jnp.array([1.0, -0.3]) * program.get(state, "plastic.weight"))
        return jnp.sum(state.nodes["iaf_psc_exp"].V_m)

    return outcome


@pytest.mark.parametrize(
    "synapse, values, params",
    [
        ("stdp_synapse", {"lambda": 0.01, "tau_plus": 15.0, "weight": 40.0, "mu_plus": 0.4, "mu_minus": 0.7}, {}),
        pytest.param(
            "stdp_pl_synapse_hom", {"mu": 0.4, "lambda": 0.02, "alpha": 0.1, "weight": 30.0}, {}, marks=pytest.mark.slow
        ),
        (
            "stdp_triplet_synapse",
            {"Aplus": 0.3, "Aplus_triplet": 0.1, "Aminus_triplet": 0.02, "tau_plus": 15.0},
            {"weight": 40.0},
        ),
        (
            "tsodyks_synapse",
            {"tau_rec": 100.0, "tau_psc": 100.0, "U": 0.3, "tau_fac": 50.0},
            {"x": 0.5, "y": 0.2, "weight": 50.0},
        ),
        pytest.param(
            "tsodyks2_synapse",
            {"tau_rec": 100.0, "U": 0.3, "tau_fac": 50.0, "weight": 50.0},
            {},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_gradients_are_those_of_finite_differences(x64, synapse, values, params):
    """Through multiplicities on both sides; and where tau_psc equals tau_rec."""
    outcome = jax.jit(experiment(synapse, **params))
    found = jax.jit(jax.grad(outcome))(values)
    for name, value in values.items():
        step = 1e-5 * max(1.0, abs(value))
        moved = [outcome({**values, name: value + sign * step}) for sign in (1, -1)]
        difference = float(moved[0] - moved[1]) / (2 * step)
        assert abs(difference) > 1e-6, name
        np.testing.assert_allclose(found[name], difference, rtol=1e-4, err_msg=name)


def test_gradients_at_the_bounds_are_finite(x64):
    gradient = jax.jit(jax.grad(experiment("stdp_synapse", twice=False)))
    for mu in (0.0, 0.4, 1.0):
        for weight in (0.0, 100.0):
            found = gradient({"weight": weight, "lambda": 0.5, "mu_plus": mu, "mu_minus": mu, "Wmax": 100.0})
            assert all(np.isfinite(x) for x in found.values())


def test_bernoulli_gradient_is_that_of_the_mean(x64):
    net = jn.Network(h=H)
    source = net.create("spike_generator", 1, spike_times=[1.0])
    cells = net.create("iaf_psc_exp", 40, name="cells")
    net.connect(source, cells, synapse="bernoulli_synapse", weight=np.repeat([100.0, -50.0], 20), p_transmit=0.5, name="b")
    program = net.compile(delivery="dense")

    def total(p):
        params = program.set(program.params, {"b.p_transmit": p})
        state, _ = program.simulate(params, program.connections, program.init(params), 2.0)
        s = state.nodes["iaf_psc_exp"]
        return jnp.stack([s.I_syn_ex.sum(), s.I_syn_in.sum()])

    assert set(np.unique(total(0.5))) <= set(100.0 * np.arange(21)) | set(-50.0 * np.arange(21))
    np.testing.assert_allclose(jax.jacrev(total)(0.5), [2000.0, -1000.0])


@pytest.mark.parametrize(
    "synapse, params, words",
    [
        ("stdp_synapse", {"weight": -1.0}, "same sign"),
        ("stdp_triplet_synapse", {"Wmax": -1.0}, "same sign"),
        ("stdp_synapse", {"Kplus": -1.0}, "Kplus"),
        ("stdp_synapse_hom", {"alpha": [1.0, 2.0]}, "common"),
        ("stdp_pl_synapse_hom", {"weight": -1.0}, "weight"),
        ("static_synapse_hom_w", {"weight": [1.0, 2.0]}, "common"),
        ("bernoulli_synapse", {"p_transmit": 1.1}, "p_transmit"),
        ("tsodyks_synapse", {"x": 0.6, "y": 0.5}, "x \\+ y"),
        ("tsodyks_synapse", {"tau_rec": 0.0}, "tau_rec"),
        ("tsodyks2_synapse", {"u": 1.5}, "u must"),
        ("tsodyks2_synapse", {"U": -0.5}, "U"),
        ("quantal_stp_synapse", {"n": -1}, "must be >= 0"),
        ("quantal_stp_synapse", {"a": 2.5}, "whole number"),
        ("quantal_stp_synapse", {"u": 1.5}, "u must"),
        ("ht_synapse", {"P": 1.5}, "P must"),
        ("vogels_sprekeler_synapse", {"Wmax": -1.0}, "same sign"),
        ("stdp_nn_restr_synapse", {"paired": 1.0}, "paired"),
        ("tsodyks_synapse_hom", {"weight": [1.0, 2.0]}, "common"),
        ("jonke_synapse", {"tau_plus": 0.0}, "tau_plus"),
        ("stdp_facetshw_synapse_hom", {"lookuptable_0": [1] * 15}, "16 integers"),
        ("stdp_facetshw_synapse_hom", {"init_flag": 1}, "first spike"),
        ("cont_delay_synapse", {"delay": 0.05}, "less than one step"),
    ],
)
def test_impossible_synapses_are_refused(synapse, params, words):
    net = jn.Network()
    cells = net.create("iaf_psc_exp", 2)
    with pytest.raises(jn.ConfigurationError, match=words):
        net.connect(cells, cells, "one_to_one", synapse=synapse, **params)
    assert not net.projections
