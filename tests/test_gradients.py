"""Gradients of every registered model: finite differences where the path is smooth, finite and non-zero through spikes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn
from jaxnest.neurons._base import Routing
from jaxnest.synapses._base import Coupling

T = 20.0
IN = np.array([3.0, 5.0, 5.1, 9.0, 14.0])
# An event of about 0.1 mV, by what the model takes as a weight: mV, nS or pA.
WEIGHTS = {"iaf_psc_delta": 0.3, "izhikevich": 0.3}
# What a model needs so that its potential stays below threshold, and that any solver can be differentiated.
QUIET = {"izhikevich": {"I_e": -6.0}, "gif_psc_exp": {"lambda_0": 0.0}}
SPIKING = {"aeif_cond_exp": 1500.0, "aeif_cond_alpha": 1500.0, "hh_psc_alpha": 800.0, "izhikevich": 15.0, "gif_psc_exp": 600.0}

# The spikes of two models have no gradients; models that hear or send continuous signals have tests of their own.
spiking_models = sorted(
    {name for name, m in jn.neurons.neurons.items() if m.sends and not (m.hears or m.teaches)}
    - {"parrot_neuron", "ignore_and_fire"}
)

#: of the models that are solved numerically one; the others, which take XLA a minute to differentiate, run with --slow
LONG = ("aeif_cond_alpha", "aeif_cond_exp", "hh_psc_alpha", "iaf_cond_alpha")
each_model = [pytest.param(m, marks=pytest.mark.slow) if m in LONG else m for m in spiking_models]


def weight_of(model):
    return WEIGHTS.get(model, 1.0 if "cond" in model else 20.0)


def receptors_of(model):
    return (1, 2) if jn.neurons.neurons[model].routing is Routing.PORTS else (None, None)


def params_of(model, **more):
    ports = {"tau_syn": [1.5, 6.0]} if jn.neurons.neurons[model].routing is Routing.PORTS else {}
    unequal = {"tau_syn_ex": 1.5, "tau_syn_in": 6.0}
    known = jn.neurons.neurons[model].parameters
    return {**ports, **{k: v for k, v in unequal.items() if k in known}, **more}


def driven(model, surrogate, *, delivery="dense", params=(), current=10.0, seed=0, n=2):
    """Two neurons under excitation and inhibition in the same step, a current, and a recurrent connection."""
    net = jn.Network(seed=seed)
    cells = net.create(model, n, name="cells", **params_of(model, **dict(params)))
    source = net.create("spike_generator", name="source", spike_times=IN)
    w, (first, second) = weight_of(model), receptors_of(model)
    sign = 1.0 if second is not None and "cond" in model else -1.0
    net.connect(source, cells, weight=w, delay=1.0, receptor=first, name="ex")
    net.connect(source, cells, weight=0.7 * sign * w, delay=1.0, receptor=second, name="in")
    net.connect(cells, cells, weight=0.5 * w, delay=2.5, receptor=first, name="rec")  # longer than t_ref
    if jn.neurons.neurons[model].accepts_current:
        dc = net.create("dc_generator", name="dc", amplitude=current)
        net.connect(dc, cells, weight=0.5, delay=1.0, name="dc->cells")
    meter = net.create("multimeter", name="meter", record_from=["V_m"], interval=0.1)
    net.connect(meter, cells)
    recorder = net.create("spike_recorder", name="spikes")
    net.connect(cells, recorder)
    return net.compile(delivery=delivery, surrogate=surrogate, solver="fixed")


def no_surrogate(x):
    """The exact derivative of a spike off the threshold, so that finite differences apply."""
    return jnp.zeros_like(x)


def trace_loss(program, params, time=T):
    _, record = program.simulate(params, program.connections, program.init(params, seed=1), time)
    V = record.traces["meter"].V_m
    return jnp.mean((V + 65.0) * jnp.sin(jnp.arange(V.size).reshape(V.shape) * 0.37 + 1.0))


def float_leaves(params):
    leaves = jax.tree_util.tree_flatten_with_path(params)[0]
    return [(path, leaf) for path, leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]


def check_against_differences(loss, params, *, skip=(), rtol=1e-4, eps=1e-5):
    """jax.grad of `loss` against central differences, for every element of every float leaf (but `skip`)."""
    f = jax.jit(loss)
    grads = jax.tree_util.tree_flatten_with_path(jax.jit(jax.grad(loss, allow_int=True))(params))[0]
    leaves, tree = jax.tree_util.tree_flatten_with_path(params)
    checked = nonzero = 0
    for number, ((path, leaf), (_, grad)) in enumerate(zip(leaves, grads, strict=True)):
        name = jax.tree_util.keystr(path)
        if not jnp.issubdtype(leaf.dtype, jnp.floating) or any(s in name for s in skip):
            continue
        flat = np.asarray(leaf).ravel()
        for i in range(min(flat.size, 3)):
            step = eps * max(1.0, abs(flat[i])) if np.isfinite(flat[i]) else 0.0
            if step == 0.0:
                continue
            values = []
            for shift in (step, -step):
                moved = flat.copy()
                moved[i] += shift
                changed = [x for _, x in leaves]
                changed[number] = jnp.asarray(moved.reshape(leaf.shape))
                values.append(float(f(jax.tree_util.tree_unflatten(tree, changed))))
            difference = (values[0] - values[1]) / (2 * step)
            got = float(np.asarray(grad).ravel()[i])
            assert np.isfinite(got), f"{name}[{i}]: gradient {got}"
            assert abs(got - difference) <= rtol * abs(difference) + 1e-9, f"{name}[{i}]: {got} against {difference}"
            checked += 1
            nonzero += abs(difference) > 1e-8
    assert nonzero >= 3, "the loss must depend on something"
    return checked


@pytest.mark.parametrize("model", each_model)
def test_gradient_of_a_smooth_trace_agrees_with_finite_differences(model, x64):
    program = driven(model, no_surrogate, params=QUIET.get(model, {}))
    params = program.params
    _, record = program.simulate(params, program.connections, program.init(params, seed=1), T)
    assert record.spikes["spikes"].sum() == 0
    check_against_differences(lambda p: trace_loss(program, p), params, skip=("['h']",))


@pytest.mark.parametrize(
    "model", [m for m in spiking_models if {"tau_syn_ex", "tau_m"} <= set(jn.neurons.neurons[m].parameters)]
)
def test_gradient_where_time_constants_are_equal(model, x64):
    program = driven(model, no_surrogate, params=QUIET.get(model, {}))
    # Set in the parameters, since NEST (and so `create`) refuses it for some models.
    params = program.set(program.params, {f"cells.{name}": 10.0 for name in ("tau_syn_ex", "tau_syn_in", "tau_m")})
    check_against_differences(lambda p: trace_loss(program, p), params, skip=("['h']",))


# The lowering has no part in a model; one model of each kind of receptor and solver is enough for the second one.
@pytest.mark.parametrize(
    ("model", "delivery"),
    [pytest.param(m, "dense", marks=pytest.mark.slow if m in LONG else ()) for m in spiking_models]
    + [(m, "events") for m in ("iaf_psc_delta", "iaf_psc_exp", "iaf_psc_exp_multisynapse", "iaf_cond_exp")],
)
def test_gradient_through_spikes_is_finite_and_not_zero(model, delivery, x64):
    program = driven(model, "fast_sigmoid", delivery=delivery, params={"I_e": SPIKING.get(model, 600.0)}, current=50.0)

    def count(params):
        _, record = program.simulate(params, program.connections, program.init(params, seed=1), 30.0)
        return record.spikes["spikes"].sum()

    spikes, grads = jax.jit(jax.value_and_grad(count, allow_int=True))(program.params)
    assert spikes > 1
    for path, g in float_leaves_of_grad(grads):
        assert np.isfinite(np.asarray(g)).all(), jax.tree_util.keystr(path)
    cells = program.get(grads, "cells.I_e")
    assert (np.asarray(cells) > 0).all(), "more current, more spikes"
    assert float(jnp.abs(program.get(grads, "ex.weight")).sum()) > 0
    assert float(jnp.abs(program.get(grads, "rec.weight")).sum()) > 0


@pytest.mark.parametrize("model", each_model)
def test_no_nan_with_no_spikes_at_threshold_and_at_reset(model, x64):
    parameters = jn.neurons.neurons[model].parameters
    start = {"V_m": -65.0, **QUIET.get(model, {})}
    program = driven(model, "fast_sigmoid", params=start, current=0.0)

    @jax.jit
    def gradient(params):
        def loss(p):
            _, record = program.simulate(p, program.connections, program.init(p, seed=1), 5.0)
            return record.spikes["spikes"].sum() + jnp.mean(record.traces["meter"].V_m)

        return jax.grad(loss, allow_int=True)(params)

    for name in (None, "V_th", "V_reset"):
        if name is None or name in parameters:
            at = -65.0 if name is None else parameters[name].default
            params = program.set(program.params, {"cells.V_m": at})
            for path, g in float_leaves_of_grad(gradient(params)):
                assert np.isfinite(np.asarray(g)).all(), (name, jax.tree_util.keystr(path))


def float_leaves_of_grad(grads):
    return [(p, g) for p, g in jax.tree_util.tree_flatten_with_path(grads)[0] if g.dtype != jax.dtypes.float0]


plastic_models = [  # those with a third factor: test_modulation.py
    name
    for name, model in sorted(jn.synapses.synapses.items())
    if not (model.static or model.reads_modulator or issubclass(model, Coupling) or model.eager)
]


def plastic(model, delivery="dense"):
    """A plastic projection between neurons whose spike times do not depend on it."""
    net = jn.Network()
    source = net.create("spike_generator", 2, name="source", spike_times=[[2.0, 9.0, 16.0, 17.0], [4.0, 12.0, 30.0]])
    strong = net.create("spike_generator", name="strong", spike_times=[6.0, 11.0, 18.0, 26.0])
    pre = net.create("parrot_neuron", 2, name="pre")
    post = net.create("iaf_psc_exp", 2, name="post", tau_minus=[18.0, 25.0])
    net.connect(source, pre, jn.one_to_one(), delay=1.0)
    net.connect(strong, post, weight=6000.0, delay=[1.0, 1.3])
    params = {"Wmax": 60.0} if "Wmax" in jn.synapses.synapses[model].parameters else {}
    params |= {"n": 4.0, "tau_fac": 50.0} if model == "quantal_stp_synapse" else {}
    net.connect(pre, post, synapse=model, weight=20.0, delay=1.2, name="plastic", **params)
    meter = net.create("multimeter", name="meter", record_from=["V_m"], interval=0.1)
    net.connect(meter, post)
    recorder = net.create("spike_recorder", name="spikes")
    net.connect(post, recorder)
    return net.compile(delivery=delivery, surrogate=no_surrogate)


#: of each kind of rule one; the others run with --slow
QUICK = (
    "stdp_synapse",
    "tsodyks2_synapse",
)


@pytest.mark.parametrize("model", [m if m in QUICK else pytest.param(m, marks=pytest.mark.slow) for m in plastic_models])
def test_gradient_through_plasticity_agrees_with_finite_differences(model, x64):
    program = plastic(model)
    _, record = program.simulate(program.params, program.connections, program.init(program.params), 30.0)
    assert record.spikes["spikes"].sum() == 8
    if jn.synapses.synapses[model].stochastic:
        grads = jax.jit(jax.grad(lambda p: trace_loss(program, p, 30.0), allow_int=True))(program.params)
        for name in jn.synapses.synapses[model].parameters:
            g = np.asarray(program.get(grads, f"plastic.{name}"))
            assert np.isfinite(g).all()
            assert np.abs(g).sum() > 0
        return
    n = check_against_differences(lambda p: trace_loss(program, p, 30.0), program.params, skip=("['h']",), eps=1e-6)
    assert n > 10


def test_plastic_events_ask_for_the_dense_lowering_when_differentiated(x64):
    program = plastic("stdp_synapse", delivery="events")
    with pytest.raises(jn.ConfigurationError, match="dense"):
        jax.grad(lambda p: trace_loss(program, p), allow_int=True)(program.params)


def static_net(delivery):
    program = driven("iaf_psc_exp", "fast_sigmoid", delivery=delivery, params={"I_e": 500.0}, n=3)

    def loss(weight, seed):
        params = program.set(program.params, {"rec.weight": weight, "ex.weight": 3.0 * weight.mean()})
        _, record = program.simulate(params, program.connections, program.init(params, seed), 30.0)
        return jnp.mean(record.traces["meter"].V_m ** 2) * 1e-3 + record.spikes["spikes"].sum() * 0.01

    return loss, jnp.linspace(5.0, 25.0, 9)


@pytest.mark.parametrize("delivery", ["dense", "events"])
def test_gradients_under_jit_vmap_and_their_combinations(delivery, x64):
    loss, weight = static_net(delivery)
    keys = jnp.array([[0, 1], [0, 2], [0, 3]], jnp.uint32)
    jitted = jax.jit(jax.grad(loss))
    plain = jnp.stack([jitted(weight, k) for k in keys])
    assert float(jnp.abs(plain).min()) > 0
    np.testing.assert_allclose(jax.grad(loss)(weight, keys[0]), plain[0], rtol=1e-9)
    mapped = jax.jit(jax.vmap(jax.grad(loss), (None, 0)))(weight, keys)
    np.testing.assert_allclose(mapped, plain, rtol=1e-9)
    weights = jnp.stack([weight, 1.1 * weight, 0.9 * weight])
    over_weights = jax.jit(jax.vmap(jax.grad(loss), (0, None)))(weights, keys[0])
    np.testing.assert_allclose(over_weights[0], plain[0], rtol=1e-9)
    summed = jax.jit(jax.grad(lambda w: jax.vmap(loss, (None, 0))(w, keys).sum()))(weight)
    np.testing.assert_allclose(summed, plain.sum(0), rtol=1e-9)


@pytest.mark.parametrize("delivery", ["dense", "events"])
def test_forward_and_reverse_mode_agree(delivery, x64):
    loss, weight = static_net(delivery)
    key = jnp.array([0, 1], jnp.uint32)
    direction = jnp.cos(jnp.arange(9.0))
    forward = jax.jit(lambda w: jax.jvp(lambda w: loss(w, key), (w,), (direction,))[1])(weight)
    np.testing.assert_allclose(forward, jax.jit(jax.grad(loss))(weight, key) @ direction, rtol=1e-9)


def test_both_lowerings_have_the_same_gradient(x64):
    key = jnp.array([0, 1], jnp.uint32)
    dense, events = (static_net(d) for d in ("dense", "events"))
    np.testing.assert_allclose(
        jax.jit(jax.grad(dense[0]))(dense[1], key), jax.jit(jax.grad(events[0]))(events[1], key), rtol=1e-9
    )


def test_checkpointing_changes_no_gradient(x64):
    program = driven("iaf_psc_exp", "fast_sigmoid", params={"I_e": 500.0})

    def loss(params, checkpoint):
        state = program.init(params)
        _, record = program.simulate(params, program.connections, state, 33.0, checkpoint=checkpoint)
        return jnp.mean(record.traces["meter"].V_m ** 2) + record.spikes["spikes"].sum()

    plain, kept = (jax.jit(jax.grad(lambda p, c=c: loss(p, c), allow_int=True))(program.params) for c in (False, True))
    for (path, a), (_, b) in zip(float_leaves_of_grad(plain), float_leaves_of_grad(kept), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=jax.tree_util.keystr(path))


def test_rate_of_a_poisson_generator_has_the_gradient_of_the_mean(x64):
    net = jn.Network()
    cells = net.create("iaf_psc_exp", 50, name="cells")
    noise = net.create("poisson_generator", name="noise", rate=5000.0)
    net.connect(noise, cells, weight=10.0, delay=1.0)
    meter = net.create("multimeter", name="meter", record_from=["I_syn_ex"], interval=0.1)
    net.connect(meter, cells)
    program = net.compile()

    def mean_current(rate):
        params = program.set(program.params, {"noise.rate": rate})
        _, record = program.simulate(params, program.connections, program.init(params), 50.0)
        return record.traces["meter"].I_syn_ex[200:].mean()

    # In the steady state the mean is rate * weight * tau_syn, up to the sum of a geometric series on the grid.
    expected = 1e-3 * 10.0 * 0.1 / (1 - np.exp(-0.1 / 2.0))
    assert jax.jit(jax.grad(mean_current))(5000.0) == pytest.approx(expected, rel=1e-3)


def test_default_surrogate_follows_the_rate_of_a_recurrent_network():
    """In float32 over 1,500 steps; a surrogate as high as 1/mV overflows here."""
    net = jn.Network(seed=1)
    exc = net.create("iaf_psc_exp", 160, name="exc", V_m=jn.uniform(-70.0, -55.0))
    inh = net.create("iaf_psc_exp", 40, name="inh", V_m=jn.uniform(-70.0, -55.0))
    noise = net.create("poisson_generator", name="noise", rate=7000.0)
    net.connect(noise, exc + inh, weight=40.0, delay=1.0)
    net.connect(exc, exc + inh, jn.fixed_indegree(16), weight=jn.normal(60.0, 6.0), delay=jn.uniform(1.0, 2.0))
    net.connect(inh, exc + inh, jn.fixed_indegree(4), weight=-360.0, delay=1.0)
    recorder = net.create("spike_recorder", name="spikes")
    net.connect(exc + inh, recorder)
    program = net.compile()

    def rate(drive, key):
        params = program.set(program.params, {"noise.rate": drive})
        _, record = program.simulate(params, program.connections, program.init(params, key), 150.0)
        return record.spikes["spikes"][500:].mean() * 1e4

    keys = jnp.array([[0, s] for s in range(4)], jnp.uint32)
    mean = jax.jit(lambda drive: jax.vmap(rate, (None, 0))(drive, keys).mean())
    difference = (mean(7700.0) - mean(6300.0)) / 1400.0
    gradient = jax.jit(jax.grad(lambda drive: jax.vmap(rate, (None, 0))(drive, keys).mean()))(7000.0)
    assert 0.4 * difference < gradient < 2.5 * difference
