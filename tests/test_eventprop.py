"""Exact gradients with respect to spike times: against differences of the simulation's own spike times, and against closed forms."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import jaxnest as jn
from jaxnest.learning import EventProp

CURRENT = {"iaf_psc_exp": 150.0, "iaf_psc_alpha": 90.0, "iaf_psc_delta": 2.0}


def recurrent(model, *, one_delay=False, h=0.1):
    """Two populations that excite and inhibit each other, with many delays, a multapse, and spikes between the points of the grid."""
    rng = np.random.default_rng(0)
    w = CURRENT[model]
    net = jn.Network(h=h)
    a = net.create(model, 6, name="a", I_e=np.linspace(403, 500, 6), V_m=np.linspace(-70, -60, 6))
    b = net.create(model, 4, name="b", I_e=np.full(4, 380.0))
    times = [[3.23, 17.01], [5.0, 9.57]]
    g = net.create("spike_generator", 2, name="g", spike_times=times, allow_offgrid_times=True)

    def delays(n):
        return 0.7 if one_delay else np.round(rng.uniform(0.3, 2.5, n) / h) * h

    net.connect(a, b, weight=w * rng.uniform(0.2, 1.5, 24), delay=delays(24))
    net.connect(b, a, weight=-w * rng.uniform(0.2, 1.5, 24), delay=delays(24))
    if not one_delay:
        net.connect(a[:2], b[:2], jn.one_to_one(), weight=0.3 * w, delay=1.1, name="again")
    net.connect(g, a, weight=2 * w * rng.uniform(0.5, 1.5, 12), delay=1.0)
    recorder = net.create("spike_recorder", name="r")
    net.connect(a + b, recorder)
    meter = net.create("multimeter", name="m", record_from=["V_m"], interval=0.5)
    net.connect(meter, a)
    return net


def loss_of(program, seconds=40.0, **options):
    weights = np.random.default_rng(1).normal(size=(3, 10))

    def loss(params):
        _, record = program.simulate(params, program.connections, program.init(params), seconds, **options)
        t = record.first("r", 3)
        return (jnp.where(jnp.isfinite(t), t, 0.0) * weights).sum() + 1e-3 * (record.traces["m"].V_m ** 2).sum()

    return loss


def difference(f, x, step):
    """The derivative of f by central differences of the fourth order. Steps are small, since where a spike moves across a point of the
    grid the derivative jumps a little."""
    return (8 * (f(x + step) - f(x - step)) - (f(x + 2 * step) - f(x - 2 * step))) / (12 * step)


@pytest.mark.parametrize(
    "model, delivery, lowering",
    [
        ("iaf_psc_exp", "events", "auto"),
        ("iaf_psc_delta", "events", "auto"),
        pytest.param("iaf_psc_alpha", "events", "auto", marks=pytest.mark.slow),
        pytest.param("iaf_psc_exp", "events", "xla", marks=pytest.mark.slow),
        pytest.param("iaf_psc_exp", "matrix", "auto", marks=pytest.mark.slow),
    ],
)
def test_gradient_is_that_of_the_spike_times(model, delivery, lowering, x64):
    """To weights, delays, every parameter of the neurons, and input times: relative 1e-5."""
    program = EventProp(
        recurrent(model, one_delay=delivery == "matrix"), learn_delays=True, delivery=delivery, lowering=lowering
    )
    offsets = {f"{name}.delay_offset": np.full(24, x) for name, x in (("a->b", 0.03), ("b->a", 0.04))}
    params = program.set(program.params, offsets)
    loss = jax.jit(loss_of(program))
    gradient = jax.jit(jax.grad(loss, allow_int=True))(params)
    seen = []
    for path in [f"{n}.{x}" for n in ("a->b", "b->a", "g->a") for x in ("weight", "delay_offset")]:
        value, exact = np.array(program.get(params, path)), np.asarray(program.get(gradient, path))
        along = np.sign(exact)

        def moved(s, path=path, value=value, along=along):
            return float(loss(program.set(params, {path: value + s * along})))

        seen.append((path, (exact * along).sum(), difference(moved, 0.0, 1e-5 if "delay" in path else 1e-6 * CURRENT[model])))
    synaptic = () if model == "iaf_psc_delta" else ("tau_syn_ex", "tau_syn_in")
    for name in ("tau_m", "C_m", "E_L", "I_e", "V_th", "V_reset", *synaptic):
        for path in (f"a.{name}", f"b.{name}"):
            value, exact = np.array(program.get(params, path)), np.asarray(program.get(gradient, path))

            def shifted(s, path=path, value=value):
                return float(loss(program.set(params, {path: value + s})))

            seen.append((path, exact.sum(), difference(shifted, 0.0, 1e-6 * abs(value[0]))))
    times = params["nodes"]["g"].time
    for i in range(4):

        def late(s, i=i):
            inputs = params["nodes"]["g"].replace(time=times.at[i].add(s))
            return float(loss({**params, "nodes": {**params["nodes"], "g": inputs}}))

        seen.append((f"time {i}", gradient["nodes"]["g"].time[i], difference(late, 0.0, 1e-5)))
    scale = max(abs(float(d)) for _, _, d in seen)
    for path, exact, by_difference in seen:
        assert abs(exact - by_difference) <= 1e-5 * abs(by_difference) + 1e-9 * scale, (path, exact, by_difference)
    assert sum(abs(float(d)) > 1e-3 * scale for _, _, d in seen) > 15  # most are no accident of a silent network


def one_neuron(model, h, **params):
    net = jn.Network(h=h)
    a = net.create(model, name="a", **params)
    recorder = net.create("spike_recorder", name="r")
    net.connect(a, recorder)
    return EventProp(net)


@pytest.mark.parametrize(
    "model", ["iaf_psc_exp", *(pytest.param(m, marks=pytest.mark.slow) for m in ("iaf_psc_alpha", "iaf_psc_delta"))]
)
def test_constant_current_in_closed_form(model, x64):
    """The first two spikes of a neuron with a constant current, and their derivatives. Times are right to the order h^2, slopes to h."""
    tau, c, e, th, reset, t_ref, current = 10.0, 250.0, -70.0, -55.0, -72.0, 2.0, 420.0

    def exact(at):
        limit = e + at["I_e"] * at["tau_m"] / c
        rise = [at["tau_m"] * jnp.log((limit - start) / (limit - at["V_th"])) for start in (e, reset)]
        return jnp.stack([rise[0], rise[0] + t_ref + rise[1]])

    at = {"tau_m": tau, "I_e": current, "V_th": th}
    expected, slopes = exact(at), jax.jacobian(exact)(at)
    for h in (0.2, 0.1) if model == "iaf_psc_exp" else (0.1,):
        program = one_neuron(model, h, tau_m=tau, C_m=c, E_L=e, V_th=th, V_reset=reset, t_ref=t_ref, I_e=current)

        def times(changes, program=program):
            params = program.set(program.params, {f"a.{k}": v for k, v in changes.items()})
            return program.simulate(params, program.connections, program.init(params), 60.0)[1].first("r", 2)[:, 0]

        found, slope = jax.jit(lambda at, f=times: (f(at), jax.jacrev(f)(at)))(at)
        assert jnp.abs(found - expected).max() < 0.05 * h**2
        for name, value in slopes.items():
            np.testing.assert_allclose(slope[name], value, rtol=0.1 * h)


def test_spike_caused_by_a_spike_in_closed_form(x64):
    """A spike that one event causes: its time solves V(t) = V_th, its derivative follows from the implicit function."""
    tau, tau_s, c, weight, at, delay, th = 10.0, 3.0, 250.0, 2600.0, 3.234, 1.5, 15.0

    def v(t, w):
        s = t - at - delay
        return w / c * tau * tau_s / (tau - tau_s) * (np.exp(-s / tau) - np.exp(-s / tau_s))

    t = brentq(lambda t: v(t, weight) - th, at + delay + 1e-9, at + delay + 4.0, xtol=1e-13)
    slope = (v(t + 1e-5, weight) - v(t - 1e-5, weight)) / 2e-5
    to_weight = -v(t, 1.0) / slope
    net = jn.Network(h=0.01)
    g = net.create("spike_generator", name="g", spike_times=[at], allow_offgrid_times=True)
    values = dict(tau_m=tau, tau_syn_ex=tau_s, C_m=c, E_L=0.0, V_m=0.0, V_reset=0.0, V_th=th)
    a = net.create("iaf_psc_exp", name="a", **values)
    net.connect(g, a, weight=weight, delay=delay)
    recorder = net.create("spike_recorder", name="r")
    net.connect(a, recorder)
    program = EventProp(net, learn_delays=True)

    def first(params):
        return program.simulate(params, program.connections, program.init(params), 20.0)[1].first("r")[0, 0]

    found, gradient = jax.jit(jax.value_and_grad(first, allow_int=True))(program.params)
    assert found == pytest.approx(t, abs=1e-4)
    assert program.get(gradient, "g->a.weight")[0] == pytest.approx(to_weight, rel=5e-3)
    assert program.get(gradient, "g->a.delay_offset")[0] == pytest.approx(1.0, rel=5e-3)
    assert gradient["nodes"]["g"].time[0] == pytest.approx(1.0, rel=5e-3)


def test_split_runs_and_checkpoints_change_nothing(x64):
    program = EventProp(recurrent("iaf_psc_exp"))
    whole = jax.jit(jax.value_and_grad(loss_of(program), allow_int=True))(program.params)
    again = jax.jit(jax.value_and_grad(loss_of(program, checkpoint=4), allow_int=True))(program.params)
    assert whole[0] == again[0]
    for path in ("a->b.weight", "b->a.weight", "a.I_e"):
        np.testing.assert_allclose(program.get(whole[1], path), program.get(again[1], path), rtol=1e-10, atol=1e-14)

    def state_after(params, times):
        state = program.init(params)
        for t in times:
            state, _ = program.simulate(params, program.connections, state, t)
        return state

    def last(params, times):
        nodes = state_after(params, times).nodes
        return nodes["iaf_psc_exp"].V_m.sum(), nodes

    gradients, nodes = [], []
    for times in ([30.0], [11.3, 18.7]):
        gradient, after = jax.jit(jax.grad(partial(last, times=times), has_aux=True, allow_int=True))(program.params)
        gradients.append(gradient)
        nodes.append(after)
    jax.tree.map(np.testing.assert_array_equal, *nodes)
    for path in ("a->b.weight", "g->a.weight", "a.I_e"):
        np.testing.assert_allclose(*(program.get(g, path) for g in gradients), rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("delivery", ["events", "matrix"])
def test_batches(delivery, x64):
    """A batch by `vmap` is its members one by one."""
    program = EventProp(recurrent("iaf_psc_exp", one_delay=True), delivery=delivery)
    loss = loss_of(program, 15.0)
    currents = jnp.linspace(380.0, 480.0, 3)[:, None] * jnp.ones((1, 6))

    def total(params):
        return jax.vmap(lambda i: loss(program.set(params, {"a.I_e": i})))(currents).sum()

    def one_by_one(params):
        return sum(loss(program.set(params, {"a.I_e": i})) for i in currents)

    (batch, gradient), (alone, expected) = (
        jax.jit(jax.value_and_grad(f, allow_int=True))(program.params) for f in (total, one_by_one)
    )
    assert batch == pytest.approx(float(alone), rel=1e-12)
    for path in ("a->b.weight", "b->a.weight", "g->a.weight", "b.tau_m"):
        np.testing.assert_allclose(program.get(gradient, path), program.get(expected, path), rtol=1e-9, atol=1e-12)


def test_generators_have_derivatives(x64):
    """A weight and the amplitude of a current, and the mean of Poisson numbers."""
    net = jn.Network(h=0.1)
    a = net.create("iaf_psc_exp", 3, name="a", I_e=300.0)
    dc = net.create("dc_generator", name="dc", amplitude=100.0)
    noise = net.create("poisson_generator", name="noise", rate=5000.0)
    net.connect(dc, a, weight=np.array([1.0, 1.2, 1.4]), delay=1.0)
    net.connect(noise, a, weight=np.full(3, 12.0), delay=1.0)
    recorder = net.create("spike_recorder", name="r")
    net.connect(a, recorder)
    program = EventProp(net)

    def loss(params):
        record = program.simulate(params, program.connections, program.init(params, 3), 40.0)[1]
        return record.first("r").sum()

    gradient = jax.jit(jax.grad(loss, allow_int=True))(program.params)
    loss = jax.jit(loss)
    for path, step in (("dc.amplitude", 1e-3), ("dc->a.weight", 1e-5), ("noise->a.weight", 1e-4)):
        value = np.asarray(program.get(program.params, path))

        def moved(s, path=path, value=value):
            return float(loss(program.set(program.params, {path: value + s})))

        assert np.sum(program.get(gradient, path)) == pytest.approx(difference(moved, 0.0, step), rel=1e-5)
    assert (np.asarray(program.get(gradient, "noise.rate")) < 0).all()  # more input, earlier spikes


def test_float32():
    program = EventProp(recurrent("iaf_psc_exp"))
    value, gradient = jax.jit(jax.value_and_grad(loss_of(program), allow_int=True))(program.params)
    assert value.dtype == jnp.float32
    assert np.isfinite(np.asarray(program.get(gradient, "a->b.weight"))).all()


def test_grid_runs_agree(x64):
    """On a fine grid the network is that of `Program`: the same spikes, within a step."""
    net = recurrent("iaf_psc_exp", h=0.02)
    program, grid = EventProp(net), net.compile()
    times = program.simulate(program.params, program.connections, program.init(), 40.0)[1].first("r", 3)
    record = grid.simulate(grid.params, grid.connections, grid.init(), 40.0)[1]
    on_grid = jnp.sort(jnp.where(record.spikes["r"] > 0, record.times[:, None], jnp.inf), axis=0)[:3]
    assert (jnp.isfinite(times) == jnp.isfinite(on_grid)).all()
    assert jnp.abs(jnp.where(jnp.isfinite(times), times - on_grid, 0.0)).max() < 0.2


def pair(model="iaf_psc_exp", synapse="static_synapse", delay=1.0, **params):
    net = jn.Network(h=0.1)
    a, b = net.create("iaf_psc_exp", name="a"), net.create(model, name="b", **params)
    net.connect(a, b, weight=1.0, delay=delay, synapse=synapse)
    return net


@pytest.mark.parametrize(
    "net, words",
    [
        (lambda: pair(delay=0.1), "at least two steps"),
        (lambda: pair(synapse="stdp_synapse"), "stdp_synapse"),
        (lambda: pair(model="aeif_cond_exp"), "aeif_cond_exp"),
        (lambda: pair(model="parrot_neuron"), "parrot_neuron"),
        (lambda: pair(delta=1.0), "delta"),
    ],
)
def test_what_has_no_exact_gradient_raises(net, words):
    with pytest.raises(jn.ConfigurationError, match=words):
        EventProp(net())


def test_wrong_time_and_option():
    program = EventProp(pair())
    with pytest.raises(jn.ConfigurationError, match="time"):
        program.simulate(program.params, program.connections, program.init(), 0.0)
    with pytest.raises(jn.ConfigurationError, match="delivery"):
        EventProp(pair(), delivery="dense")
