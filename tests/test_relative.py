"""Membrane potentials that are kept relative to E_L: what it gains, and that nobody who asks for V_m notices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn
from jaxnest.connectivity.rules import explicit
from jaxnest.events import native
from jaxnest.neurons import neurons

needs_library = pytest.mark.skipif(not native.available(), reason="XLA contracts products and sums: only C++ adds as NEST does")

N, SYNAPSES = 40, 500
relative_models = [  # those with e-prop plasticity: test_eprop.py
    name for name, m in neurons.items() if not m.teaches and any(s.relative_to for s in m.states.values())
]


@pytest.fixture
def nest():
    nest = pytest.importorskip("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    return nest


def wiring(model):
    """Sources, targets, weights, delays (ms) of a network with multapses, of excitatory and inhibitory neurons, and currents."""
    rng = np.random.default_rng(1)
    pre, post = rng.integers(0, N, (2, SYNAPSES))
    weight = np.where(pre < 0.8 * N, 20.0, -60.0) * rng.uniform(0.5, 1.5, SYNAPSES)
    if model == "iaf_psc_delta":
        weight = weight / 100
    current = rng.uniform(400.0, 480.0, N) if model == "mat2_psc_exp" else rng.uniform(300.0, 420.0, N)
    return pre, post, weight, rng.integers(5, 40, SYNAPSES) / 10, current


def traces_of_nest(nest, model, *times, between=lambda nodes: None):
    """V_m (steps, N) of NEST, and the nodes; `between` changes them between two runs."""
    pre, post, weight, delay, current = wiring(model)
    nodes = nest.Create(model, N, {"I_e": current})
    meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": 0.1})
    nest.Connect(meter, nodes)
    ports = {"receptor_type": np.ones(SYNAPSES, int)} if "multisynapse" in model else {}
    nest.Connect(1 + pre, 1 + post, "one_to_one", {"weight": weight, "delay": delay, **ports})
    for k, time in enumerate(times):
        if k:
            between(nodes)
        nest.Simulate(time)
    events = meter.events
    return events["V_m"][np.lexsort((events["senders"], np.round(events["times"], 3)))].reshape(-1, N), nodes


def network(model):
    pre, post, weight, delay, current = wiring(model)
    net = jn.Network()
    cells = net.create(model, N, name="cells", I_e=current)
    meter = net.create("multimeter", name="meter", record_from=["V_m"], interval=0.1)
    net.connect(meter, cells)
    ports = {"receptor": 1} if "multisynapse" in model else {}
    net.connect(cells, cells, explicit(pre, post), weight=weight, delay=delay, **ports)
    return net, cells, meter


#: models whose steps C++ does as NEST; of the others alpha_propagators or the sum over receptors are rounded otherwise
BITS = {"iaf_psc_exp": 0.0, "iaf_psc_delta": 0.0, "iaf_psc_alpha": 3e-14, "mat2_psc_exp": 3e-14}


@needs_library
@pytest.mark.parametrize("model", relative_models)
def test_traces_in_float64_are_those_of_nest(model, nest, x64):
    expected, _ = traces_of_nest(nest, model, 300.0)
    net, _, meter = network(model)
    found = jn.Simulation(net).run(300.0).traces(meter).V_m[: len(expected)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=BITS.get(model, 3e-13))


@pytest.mark.parametrize("model", relative_models)
def test_traces_in_float32_are_near_those_of_nest(model, nest):
    expected, _ = traces_of_nest(nest, model, 20.0)
    net, _, meter = network(model)
    found = jn.Simulation(net).run(20.0).traces(meter).V_m[: len(expected)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=8e-5)


@pytest.mark.parametrize("model", relative_models)
def test_E_L_may_change_in_a_run_and_V_m_stays(model, nest, x64):
    kept = []

    def change(nodes):
        before = np.array(nodes.V_m)
        nodes.E_L = np.linspace(-72.5, -66.3, N)
        np.testing.assert_allclose(nodes.V_m, before, rtol=0, atol=3e-14)
        kept.append(before)

    expected, nodes = traces_of_nest(nest, model, 20.0, 30.0, between=change)
    net, cells, meter = network(model)
    sim = jn.Simulation(net).run(20.0)
    sim.set(cells, E_L=np.linspace(-72.5, -66.3, N))
    np.testing.assert_allclose(sim.get(cells, "V_m"), kept[0], rtol=0, atol=1e-12)
    sim.run(30.0)
    np.testing.assert_allclose(sim.traces(meter).V_m[: len(expected)], expected, rtol=0, atol=1e-11)
    np.testing.assert_allclose(sim.get(cells, "V_m"), nodes.V_m, rtol=0, atol=1e-11)


def test_setting_what_is_there_changes_no_bit():
    net, *_ = network("iaf_psc_exp")
    sim = jn.Simulation(net).run(10.0)
    state, program = sim.state, sim.program
    same = program.set(state, {"cells.V_m": program.get(state, "cells.V_m")})
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(same), strict=True):
        np.testing.assert_array_equal(a, b)
    changed = program.get(state, "cells.V_m").at[3].set(-61.0)
    after = program.set(state, {"cells.V_m": changed})
    np.testing.assert_array_equal(program.get(after, "cells.V_m"), changed)
    np.testing.assert_array_equal(
        jax.jacobian(lambda v: program.get(program.set(state, {"cells.V_m": v}), "cells.V_m"))(changed), np.eye(N)
    )


def test_derivatives_to_E_L_and_V_m_of_a_run_that_goes_on(x64):
    net = jn.Network()
    for model in relative_models:
        cells = net.create(model, 2, name=model, I_e=30.0, E_L=[-70.0, -69.0])
        net.connect(net.create("multimeter", name=f"meter of {model}", record_from=["V_m"], interval=0.1), cells)
    program = net.compile()
    begun, _ = program.simulate(program.params, program.connections, program.init(), 5.0)

    def last(E_L, V_m):
        params = program.set(program.params, {f"{model}.E_L": E_L for model in relative_models})
        state = program.set(begun, {f"{model}.V_m": V_m for model in relative_models})
        traces = program.simulate(params, program.connections, state, 5.0)[1].traces
        return {model: traces[f"meter of {model}"].V_m[-1] for model in relative_models}

    found = jax.jacobian(last, (0, 1))(jnp.array([-68.0, -71.0]), jnp.array([-66.0, -67.0]))
    for model, (to_E_L, to_V_m) in found.items():
        decay = jnp.exp(-5.0 / program.get(program.params, f"{model}.tau_m"))
        np.testing.assert_allclose(to_V_m, jnp.diag(decay), atol=1e-12, err_msg=model)
        np.testing.assert_allclose(to_E_L, jnp.diag(1 - decay), atol=1e-12, err_msg=model)
