"""Gap junctions against live NEST, their iterations, and their derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn

H, N = 0.1, 4
PAIRS = ((0, 1), (1, 2), (2, 3), (0, 3), (0, 3))  # of which one is a multapse
CURRENTS = {
    "hh_psc_alpha_gap": np.array([300.0, 100.0, 0.0, -20.0]),
    "hh_cond_beta_gap_traub": np.array([900.0, 300.0, 0.0, -60.0]),
}
EVENTS = {"hh_psc_alpha_gap": 50.0, "hh_cond_beta_gap_traub": 5.0}
SPIKING = ((0, 1, 1.0, 1.0), (1, 2, -1.0, 1.5), (0, 3, 1.0, 0.5), (0, 2, -1.0, 0.5))


def network(model, *, weight=20.0):
    net = jn.Network(h=H)
    cells = net.create(model, N, name="cells", I_e=CURRENTS[model])
    there, back = zip(*PAIRS, strict=True)
    net.connect(cells, cells, jn.explicit(there + back, back + there), synapse="gap_junction", weight=weight, name="gaps")
    for i, j, sign, delay in SPIKING:
        net.connect(cells[i], cells[j], weight=sign * EVENTS[model], delay=delay)
    meter = net.create("multimeter", name="meter", record_from=["V_m"], interval=H)
    net.connect(meter, cells)
    net.connect(cells, net.create("spike_recorder", name="spikes"))
    return net


def in_nest(model, time, order, interval=0.5):
    nest = pytest.importorskip("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=H, wfr_tol=1e-9, wfr_max_iterations=100, wfr_comm_interval=interval, wfr_interpolation_order=order)
    cells = nest.Create(model, N, {"I_e": list(CURRENTS[model])})
    for i, j in PAIRS:
        spec = {"synapse_model": "gap_junction", "weight": 20.0}
        nest.Connect(cells[i], cells[j], {"rule": "one_to_one", "make_symmetric": True}, spec)
    for i, j, sign, delay in SPIKING:
        nest.Connect(cells[i], cells[j], syn_spec={"weight": sign * EVENTS[model], "delay": delay})
    meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": H})
    nest.Connect(meter, cells)
    spikes = nest.Create("spike_recorder")
    nest.Connect(cells, spikes)
    nest.Simulate(time)
    order = np.lexsort((meter.events["senders"], meter.events["times"]))
    return meter.events["V_m"][order].reshape(-1, N), np.sort(spikes.events["times"])


CASES = [("hh_psc_alpha_gap", 3), ("hh_cond_beta_gap_traub", 3)]
MORE = [("hh_psc_alpha_gap", 0), ("hh_psc_alpha_gap", 1), ("hh_cond_beta_gap_traub", 1)]


@pytest.mark.parametrize(("model", "order"), [*CASES, *(pytest.param(*c, marks=pytest.mark.slow) for c in MORE)])
def test_potentials_and_spikes_are_those_of_nest(model, order):
    """As near to NEST as NEST with another interval of communication is to itself: sub-steps of its solver depend on the iterations, and their
    errors show most where a spike rises."""
    wanted, times = in_nest(model, 60.0, order)
    other, _ = in_nest(model, 60.0, order, interval=0.1)
    with jax.enable_x64(True):
        net = network(model)
        sim = jn.Simulation(net, relaxation=jn.Relaxation(1e-9, 100, order)).run(60.0)
        V_m = sim.traces(net["meter"])["V_m"]
        spikes = sim.spikes(net["spikes"])
    assert len(times) > 6
    np.testing.assert_allclose(np.sort(spikes.times), times, atol=1e-9)
    n = len(wanted)  # NEST keeps the last slice to itself
    own = np.abs(other[:n] - wanted).mean()
    assert own < 0.1
    assert np.abs(V_m[:n] - wanted).mean() < 3.0 * own + 5e-7
    np.testing.assert_allclose(V_m[:50], wanted[:50], rtol=0, atol=1e-3)


def test_interpolation_and_iterations_matter_and_converge():
    def run(relaxation):
        with jax.enable_x64(True):
            net = network("hh_psc_alpha_gap")
            return jn.Simulation(net, relaxation=relaxation).run(20.0).traces(net["meter"])["V_m"]

    best = run(jn.Relaxation(1e-12, 100, 3))
    assert np.abs(run(jn.Relaxation()) - best).max() < 1e-3  # the default tolerance is 1e-4 a step
    assert np.abs(run(jn.Relaxation(max_iterations=0)) - best).max() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True])
def test_derivatives_agree_with_central_differences(reverse):
    with jax.enable_x64(True):
        net = network("hh_psc_alpha_gap")
        program = net.compile(solver="fixed", relaxation=jn.Relaxation(max_iterations=2))
        state = program.init()

        @jax.jit
        def loss(values):
            params = program.set(program.params, values)
            _, record = program.simulate(params, program.connections, state, 1.0)
            return jnp.mean(record.traces["meter"].V_m ** 2)

        at = {path: program.get(program.params, path) for path in ("gaps.weight", "cells.g_L", "cells.I_e")}
        rng = np.random.default_rng(1)
        along = {path: jnp.asarray(rng.normal(size=values.shape)) for path, values in at.items()}
        ends = [loss({path: at[path] + sign * 1e-3 * along[path] for path in at}) for sign in (1, -1)]
        slope = float(ends[0] - ends[1]) / 2e-3
        found = jax.jvp(loss, (at,), (along,))[1]
        if reverse:
            gradient = jax.grad(loss)(at)
            assert float(jnp.abs(gradient["gaps.weight"]).min()) > 0
            found = sum(jnp.vdot(gradient[path], along[path]) for path in at)
        assert abs(slope) > 1e-2
        assert float(found) == pytest.approx(slope, rel=1e-6)


def test_what_goes_one_way_is_refused():
    net = jn.Network()
    cells = net.create("hh_psc_alpha_gap", 3)
    others = net.create("hh_psc_alpha_gap", 3)
    for pre, post, rule, weight in (
        (cells[0], cells[1], None, 1.0),
        (cells, others, None, 1.0),
        (cells, cells, None, np.arange(9.0)),
    ):
        with pytest.raises(jn.ConfigurationError, match="goes both ways"):
            net.connect(pre, post, rule, synapse="gap_junction", weight=weight)
    with pytest.raises(jn.ConfigurationError, match="has no delay"):
        net.connect(cells, cells, synapse="gap_junction", delay=1.0)
    with pytest.raises(jn.ConfigurationError, match="sends no 'gap'"):
        net.connect(net.create("hh_psc_alpha"), cells, synapse="gap_junction")
    assert not net.projections
    net.connect(cells, cells, synapse="gap_junction")
    with pytest.raises(jn.ConfigurationError, match="interpolation_order"):
        net.compile(relaxation=jn.Relaxation(interpolation_order=2))
