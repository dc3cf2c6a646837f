"""The third factor: `stdp_dopamine_synapse` by a `volume_transmitter`, against live NEST and against itself."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn
from jaxnest.simulation._advance import advance

H, TIME = 0.1, 150.0
#: fast enough that weights reach both bounds and come back
RULE = {"tau_plus": 17.0, "tau_c": 50.0, "tau_n": 30.0, "A_plus": 3.0, "A_minus": 2.0, "b": 0.04, "Wmin": 15.0, "Wmax": 70.0}


@dataclasses.dataclass
class Case:
    """Parrots that fire at given times, dopaminergic ones among them, and plastic synapses with multapses."""

    seed: int
    shortest: int = 7
    interval: int = 1
    n: int = 40

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        sizes, rates = {"pre": 5, "post": 6, "dopa": 3}, {"pre": 0.015, "post": 0.02, "dopa": 0.03}
        steps = int(TIME / H)
        self.trains = {
            k: [np.round((np.flatnonzero(rng.random(steps - 60) < rates[k]) + 2) * H, 1) for _ in range(size)]
            for k, size in sizes.items()
        }
        self.pairs = rng.integers(0, 5, self.n), rng.integers(0, 6, self.n)
        self.delays = np.round(rng.integers(self.shortest, self.shortest + 30, self.n) * H, 1)
        self.to_transmitter = np.round(rng.integers(self.shortest, self.shortest + 20, 3) * H, 1)
        self.weights, self.c, self.n_0 = rng.uniform(20, 60, self.n), rng.uniform(-1, 1, self.n), rng.uniform(0, 0.1, self.n)

    def network(self):
        net = jn.Network(h=H)
        transmitter = net.create("volume_transmitter", deliver_interval=self.interval)
        nodes = {}
        for name, trains in self.trains.items():
            drive = net.create("spike_generator", len(trains), name=f"{name}_drive", spike_times=[list(t) for t in trains])
            nodes[name] = net.create("parrot_neuron", len(trains), name=name)
            net.connect(drive, nodes[name], "one_to_one", delay=self.shortest * H)
        net.connect(nodes["dopa"], transmitter, delay=self.to_transmitter)
        recorder = net.create("weight_recorder")
        projection = net.connect(
            nodes["pre"], nodes["post"], jn.explicit(*self.pairs), synapse="stdp_dopamine_synapse", weight=self.weights,
            delay=self.delays, receptor=1, modulator=transmitter, weight_recorder=recorder, c=self.c, n=self.n_0, **RULE,
        )  # fmt: skip
        return net, projection

    def simulated(self, parts=(TIME,), **options):
        net, projection = self.network()
        sim = jn.Simulation(net, **options)
        for part in parts:
            sim.run(part)
        return sim, projection

    def in_nest(self, nest):
        """Weights and c of the synapses at the end, and all that was sent: source, target, time, weight, sorted."""
        nest.ResetKernel()
        nest.verbosity = nest.VerbosityLevel.ERROR
        nest.resolution = H
        transmitter = nest.Create("volume_transmitter", params={"deliver_interval": self.interval})
        nodes = {}
        for name, trains in self.trains.items():
            drive = nest.Create("spike_generator", len(trains), params=[{"spike_times": t} for t in trains])
            nodes[name] = nest.Create("parrot_neuron", len(trains))
            nest.Connect(drive, nodes[name], "one_to_one", {"delay": self.shortest * H})
        for node, delay in zip(nodes["dopa"], self.to_transmitter, strict=True):
            nest.Connect(node, transmitter, syn_spec={"delay": delay})
        recorder = nest.Create("weight_recorder")
        nest.CopyModel(
            "stdp_dopamine_synapse", "plastic", {"volume_transmitter": transmitter, "weight_recorder": recorder, **RULE}
        )
        ends = [np.array(nodes[k].tolist())[i] for k, i in zip(("pre", "post"), self.pairs, strict=True)]
        given = {
            "weight": self.weights,
            "delay": self.delays,
            "receptor_type": np.ones(self.n, int),
            "c": self.c,
            "n": self.n_0,
        }
        nest.Connect(*ends, "one_to_one", {"synapse_model": "plastic", **given})
        synapses = nest.GetConnections(synapse_model="plastic")
        order = [
            int(np.argmin(abs(self.weights - w))) for w in synapses.weight
        ]  # by the initial weights, all of them different
        nest.Simulate(TIME)
        final = np.empty((2, self.n))
        final[:, order] = synapses.weight, synapses.c
        e = recorder.events
        sent = np.array(
            [e["senders"] - nodes["pre"][0].global_id, e["targets"] - nodes["post"][0].global_id, e["times"], e["weights"]]
        )
        return final, sent[:, np.lexsort(sent[::-1])]


def results(sim, projection, case):
    order = sim.program.order_of(projection.name)
    final = np.empty((2, case.n))
    final[:, order] = np.asarray(sim.get(projection, "weight")), np.asarray(sim.get(projection, "c"))
    log = sim.weights(projection)
    ends = sim.program.connections_of(projection.name)
    sent = np.array([ends["pre"][log.connections], ends["post"][log.connections], log.times, log.weights])
    return final, sent[:, np.lexsort(sent[::-1])]


@pytest.mark.parametrize(
    "delivery, shortest, interval", [("dense", 1, 1), ("events", 7, 1), ("dense", 3, 4), ("events", 36, 1)]
)
def test_weights_are_those_of_nest(x64, delivery, shortest, interval):
    """Mixed delays, multapses, many slices and both bounds; a slice longer than the longest of other networks, too."""
    nest = pytest.importorskip("nest")
    case = Case(shortest + interval, shortest, interval)
    wanted, sent = case.in_nest(nest)
    sim, projection = case.simulated(delivery=delivery)
    final, mine = results(sim, projection, case)
    np.testing.assert_array_equal(mine[:2], sent[:2])
    np.testing.assert_allclose(mine[2:], sent[2:], rtol=1e-10)
    np.testing.assert_allclose(final[0], wanted[0], rtol=1e-10)  # at the end all is silent
    if interval == 1 and delivery == "events":
        np.testing.assert_allclose(final[1], wanted[1], rtol=1e-9, atol=1e-9)
    weights = mine[3]
    assert (weights == RULE["Wmin"]).any() and (weights == RULE["Wmax"]).any() and len(np.unique(weights)) > 200


@pytest.mark.parametrize("delivery, lowering", [("events", "auto"), pytest.param("dense", "auto", marks=pytest.mark.slow)])
def test_splitting_a_run_changes_nothing(x64, delivery, lowering):
    case = Case(3, interval=3)
    whole, parts = (
        case.simulated(parts, delivery=delivery, lowering=lowering) for parts in ((TIME,), (13.3, 50.0, 0.1, TIME - 63.4))
    )
    for a, b in zip(results(*whole, case), results(*parts, case), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_single_precision():
    case = Case(5)
    found = [results(*case.simulated(delivery=d), case)[1] for d in ("events", "dense")]
    with jax.enable_x64(True):
        exact = results(*case.simulated(delivery="events"), case)[1]
    for mine in found:
        np.testing.assert_allclose(mine[3], exact[3], rtol=2e-4)


def test_logs_are_emptied_in_time(x64):
    """Without updates for long, and logs that hold hardly more than the longest delay: nothing is lost."""
    case = Case(6, interval=10**6)
    wanted = results(*case.simulated(delivery="events"), case)
    net, projection = case.network()
    sim = jn.Simulation(net, delivery="events")
    assert sim.program.plan.log_length > 100
    plan = dataclasses.replace(sim.program.plan, log_length=2 * 12)
    sim.program.plan = plan
    sim.state = jax.tree.map(lambda x: jnp.array(x, copy=True), sim.program.init(sim.params))
    sim._advance = jax.jit(partial(advance, plan, sim.program.fire), donate_argnums=(2, 3))
    sim.run(TIME)
    found = results(sim, projection, case)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-11)


def test_interval_is_a_parameter(x64):
    """A longer interval gives other weights, as in NEST, and compiles nothing."""
    net, projection = Case(7).network()
    program = net.compile(delivery="events")
    run = jax.jit(lambda params: program.simulate(params, program.connections, program.init(params), TIME)[0])
    weights = []
    for interval in (1.0, 100.0):
        state = run(program.set(program.params, {"volume_transmitter.deliver_interval": interval}))
        weights.append(np.asarray(program.get(state, f"{projection.name}.weight")))
    assert run._cache_size() == 1
    assert not np.allclose(*weights, rtol=1e-3)


def test_gradients_are_those_of_finite_differences(x64):
    """Of the sum of the final weights, with bounds out of reach, with respect to the rule's parameters and initial values."""
    case = Case(8, n=12)
    net, projection = case.network()
    program = net.compile(delivery="dense")
    wide = program.set(program.params, {f"{projection.name}.{k}": v for k, v in (("Wmin", -1e6), ("Wmax", 1e6))})
    names = [f"{projection.name}.{k}" for k in ("A_plus", "A_minus", "b", "tau_c", "tau_n", "tau_plus", "weight", "c", "n")]

    def loss(values):
        params = program.set(wide, values)
        state, _ = program.simulate(params, program.connections, program.init(params), 60.0)
        return jnp.sum(program.get(state, f"{projection.name}.weight") ** 2) / 1e3

    run, values = jax.jit(loss), {name: program.get(wide, name) for name in names}
    gradients = jax.jit(jax.grad(loss))(values)
    for name in names:
        step = 1e-5
        up, down = (run({**values, name: values[name] + sign * step}) for sign in (1, -1))
        assert float(gradients[name].sum()) == pytest.approx(float(up - down) / (2 * step), rel=1e-4, abs=1e-7), name
        assert float(jnp.abs(gradients[name]).sum()) > 0, name


def nodes():
    net = jn.Network()
    return net, net.create("parrot_neuron", 2), net.create("volume_transmitter", 2), net.create("iaf_psc_alpha", 2)


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda net, p, vt, n: net.connect(p, n, synapse="stdp_dopamine_synapse"), "needs modulator="),
        (lambda net, p, vt, n: net.connect(p, n, synapse="stdp_dopamine_synapse", modulator=vt), "has 2 nodes"),
        (lambda net, p, vt, n: net.connect(p, n, synapse="stdp_dopamine_synapse", modulator=p[0]), "no volume_transmitter"),
        (lambda net, p, vt, n: net.connect(p, n, synapse="stdp_dopamine_synapse", modulator=3), "no population"),
        (lambda net, p, vt, n: net.connect(p, n, synapse="stdp_dopamine_synapse", modulator=nodes()[2][0]), "another network"),
        (lambda net, p, vt, n: net.connect(p, n, modulator=vt[0]), "has no modulator"),
        (lambda net, p, vt, n: net.connect(vt, n), "sends no spikes"),
        (lambda net, p, vt, n: net.connect(p, vt, synapse="stdp_synapse"), "needs targets that spike"),
        (lambda net, p, vt, n: net.connect(p, vt, receptor=1), "has no receptors"),
        (lambda net, p, vt, n: net.connect(vt, net.create("spike_recorder")), "cannot record"),
        (lambda net, p, vt, n: net.create("volume_transmitter", deliver_interval=0), "must be >= 1"),
        (lambda net, p, vt, n: net.create("volume_transmitter", deliver_interval=1.5), "whole number"),
        (lambda net, p, vt, n: net.create("volume_transmitter", tau_minus=3.0), "no parameter"),
        (lambda net, p, vt, n: net.connect(p, n, synapse="stdp_dopamine_synapse", modulator=vt[0], at=1.0), "no parameter"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, words):
    given = nodes()
    with pytest.raises(jn.ConfigurationError, match=words):
        wrong(*given)
    assert not given[0].projections


def test_two_transmitters_do_not_mix(x64):
    """Of two equal projections, that changes whose transmitter gets the spikes."""
    net = jn.Network()
    drive = net.create("spike_generator", 1, spike_times=[5.0, 25.0, 45.0, 65.0])
    pre, post = net.create("parrot_neuron", 1, name="pre"), net.create("parrot_neuron", 1, name="post")
    silent, loud = (net.create("volume_transmitter", 1, name=name) for name in ("silent", "loud"))
    net.connect(drive, pre, delay=1.0)
    net.connect(drive, post, delay=3.0)
    net.connect(pre, loud)
    both = [
        net.connect(pre, post, synapse="stdp_dopamine_synapse", receptor=1, modulator=m, name=f"by_{m.name}")
        for m in (silent, loud)
    ]
    for delivery in ("events", "dense"):
        sim = jn.Simulation(net, delivery=delivery)
        sim.run(80.0)
        still, moved = (float(sim.get(p, "weight")[0]) for p in both)
        assert still == 1.0 and abs(moved - 1.0) > 1e-3


def test_slices_can_be_shorter_and_not_longer():
    net, _ = Case(9).network()
    assert net.compile(min_delay=0.3).plan.slice_steps == 3
    with pytest.raises(jn.ConfigurationError, match="at most the shortest delay"):
        net.compile(min_delay=1.0)
