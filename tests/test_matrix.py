"""Matrix products for tables that connect all with all, and arrays of spikes as input: the same as the other lowerings."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn

WEIGHT = {"iaf_psc_exp": 400.0, "iaf_psc_delta": 12.0}


def layers(model, spikes):
    """Input, a recurrent layer with two delays, a second layer, and a sparse projection that is no matrix."""
    w = WEIGHT[model]
    net = jn.Network(h=1.0)
    x = net.create("spike_input", 20, name="x", spikes=spikes)
    a, b = net.create(model, 30, name="a"), net.create(model, 5, name="b")
    net.connect(x, a, weight=jn.normal(0.3 * w, w), delay=2.0)
    net.connect(a, b, weight=jn.normal(0.0, w), delay=1.0)
    net.connect(a, a, weight=jn.normal(-0.1 * w, 0.4 * w), delay=3.0)
    net.connect(a, b, jn.fixed_indegree(3), weight=jn.normal(w, 0.1 * w), delay=jn.uniform(1.0, 4.0), name="sparse")
    recorder = net.create("spike_recorder", name="r")
    net.connect(a + b, recorder)
    return net


def some_spikes(seed=0, p=0.1):
    return (np.random.default_rng(seed).random((50, 20)) < p) * 1.0


@pytest.mark.parametrize("model", ["iaf_psc_exp", pytest.param("iaf_psc_delta", marks=pytest.mark.slow)])
def test_matrices_compute_the_same(model, x64):
    found = {}
    for delivery in ("dense", "events", "matrix"):
        program = layers(model, some_spikes()).compile(delivery=delivery)

        def loss(params, program=program):
            record = program.simulate(params, program.connections, program.init(params), 60.0)[1]
            return (record.spikes["r"] * jnp.arange(35.0)[None]).sum(), record.spikes["r"]

        (value, spikes), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True, allow_int=True))(program.params)
        weights = [program.get(gradient, f"{name}.weight") for name in ("x->a", "a->b", "a->a", "sparse")]
        found[delivery] = (value, spikes, *weights, gradient["nodes"]["x"].spikes)
        matrices = [t.key for t in program.plan.tables if t.layout.matrix]
        assert matrices == (["x->a", "a->b", "a->a"] if delivery == "matrix" else [])
    assert found["dense"][1].sum() > 20
    assert jnp.abs(found["dense"][2]).max() > 0
    for delivery in ("events", "matrix"):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12), found[delivery], found["dense"])


def test_a_batch_of_inputs():
    """A batch by `vmap` over the array of spikes is its members one by one."""
    program = layers("iaf_psc_exp", some_spikes()).compile(delivery="matrix")
    batch = jnp.stack([jnp.asarray(some_spikes(k)) for k in range(4)])

    def counts(spikes):
        params = program.set(program.params, {"x.spikes": spikes})
        return program.simulate(params, program.connections, program.init(params), 60.0)[1].spikes["r"].sum(0)

    together = jax.jit(jax.vmap(counts))(batch)
    one = jax.jit(counts)
    np.testing.assert_array_equal(together, jnp.stack([one(x) for x in batch]))
    assert len({float(x.sum()) for x in together}) > 1


def test_what_is_no_matrix_is_left_alone():
    """Pairs that are missing or there twice, and delays of their own."""
    net = jn.Network(h=0.1)
    a, b = net.create("iaf_psc_exp", 6, name="a"), net.create("iaf_psc_exp", 6, name="b")
    net.connect(a, a, jn.all_to_all(allow_autapses=False), weight=1.0, name="no autapses")
    net.connect(a, b, weight=1.0, delay=jn.uniform(1.0, 3.0), name="delays")
    net.connect(a, b, jn.fixed_total_number(36), weight=1.0, name="multapses")
    net.connect(a, b, weight=1.0, delay=1.0, name="full")
    program = net.compile(delivery="matrix")
    assert [t.key for t in program.plan.tables if t.layout.matrix] == ["full"]


def test_simulation_reads_an_array_of_spikes():
    """In step k the row k from origin on, in (start, stop]; nothing after its end. The same as a spike_generator."""
    spikes = some_spikes(3, 0.3)
    spikes[5, 2] = 2.0
    times = [(np.flatnonzero(np.repeat(s > 0, 1)) + 1.0) for s in spikes.T]
    counts = [s[s > 0] for s in spikes.T]

    def counted(create, **window):
        net = jn.Network(h=1.0)
        x = create(net, window)
        a = net.create("iaf_psc_exp", 8, name="a")
        net.connect(x, a, weight=np.random.default_rng(0).normal(300.0, 100.0, 160), delay=1.0)
        meter = net.create("multimeter", name="m", record_from=["V_m"], interval=1.0)
        net.connect(meter, a)
        recorder = net.create("spike_recorder", name="r")
        net.connect(x, recorder)
        sim = jn.Simulation(net, seed=1).run(80.0)
        return np.asarray(sim.traces(meter)["V_m"]), np.asarray(sim.spikes(recorder).times)

    for window in ({}, {"start": 10.0, "stop": 30.0}, {"origin": 7.0}):
        ours = counted(lambda net, w: net.create("spike_input", 20, name="x", spikes=spikes, **w), **window)
        shifted = [t + window.get("origin", 0.0) for t in times]
        rest = {k: v for k, v in window.items() if k != "origin"}
        theirs = counted(
            lambda net, w, s=shifted: net.create(
                "spike_generator", 20, name="x", spike_times=s, spike_multiplicities=counts, **w
            ),
            **rest,
        )
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(np.unique(ours[1]), np.unique(theirs[1]))


@pytest.mark.parametrize(
    "spikes, words",
    [
        (np.zeros((5, 3)), "shape"),
        (np.zeros(4), "shape"),
        (-np.ones((5, 4)), ">= 0"),
        (np.full((5, 4), np.nan), "finite"),
        ([["a"]], "numbers"),
    ],
)
def test_wrong_arrays_are_refused(spikes, words):
    with pytest.raises(jn.ConfigurationError, match=words):
        jn.Network().create("spike_input", 4, name="x", spikes=spikes)


def test_unknown_delivery_is_refused():
    with pytest.raises(jn.ConfigurationError, match="matrix"):
        layers("iaf_psc_exp", some_spikes()).compile(delivery="product")
