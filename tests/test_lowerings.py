"""The C++ lowering against XLA's: the sums of delivery and their derivatives, steps of neurons, Poisson counts, recording;
and that results depend neither on threads nor on there being a library."""

import json
import os
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn
from jaxnest._cli import main
from jaxnest.events import native, random
from jaxnest.events.deliver import Layout, Table, deliver
from jaxnest.events.native import _generate, steps
from jaxnest.neurons import neurons
from jaxnest.simulation import _tables

needs_library = pytest.mark.skipif(not native.available(), reason="jaxnest was installed without a C++ compiler")
FORMS = ({"dense": False, "native": True}, {"dense": False}, {"dense": True})


@pytest.fixture(params=[True, False], ids=["float64", "float32"])
def dtype(request):
    with jax.enable_x64(request.param):
        yield jnp.float64 if request.param else jnp.float32


def case(dtype, inhibitory, one_delay, one_weight, first_source, seed=0):
    """A table of 40 rows with multapses and empty rows, and what is delivered along it, multiplicities among it.

    `one_delay` may be "segments": rows are sorted by delay, then by target."""
    rng = np.random.default_rng(seed)
    rows, n, columns, sources, slots = 40, 3000, 50, 46, 21
    pre, post = rng.integers(0, rows - 2, n), rng.integers(0, columns, n)
    segments, shortest = (17, 3) if one_delay == "segments" else (1, 0)
    delay = rng.integers(3, 20, 1 if one_delay is True else n).astype(np.uint8)
    row = pre * segments + (delay - shortest if segments > 1 else 0)
    order = np.lexsort((post, row))
    pointers = np.searchsorted(row[order], np.arange(rows * segments + 1))
    delay = delay if one_delay is True else delay[order]
    table = Table(jnp.asarray(pointers, jnp.int32), jnp.asarray(post[order], jnp.int32), jnp.asarray(delay))
    weight = jnp.asarray(rng.normal(size=1 if one_weight else n), dtype)
    spikes = np.where(rng.random((7, sources)) < 0.2, rng.integers(-2, 4, (7, sources)), 0)
    ring = jnp.asarray(rng.normal(size=(slots, 2 * columns + 10)), dtype)
    layout = Layout(inhibitory, 64, first_source, 0, columns, segments, shortest)
    return (
        ring,
        jnp.asarray(spikes, dtype),
        weight,
        lambda r, s, w, **form: deliver(r, s, w, jnp.int32(17), table, layout, **form),
    )


CASES = [(i, d, w, f) for i in (0, 50) for d in (True, False, "segments") for w in (True, False) for f in (0, 3)]


@needs_library
@pytest.mark.parametrize("shape", CASES, ids=str)
def test_all_lowerings_of_delivery_agree_bit_for_bit(shape, dtype):
    ring, spikes, weight, f = case(dtype, *shape)
    native_, xla, dense = (jax.jit(partial(f, **form))(ring, spikes, weight) for form in FORMS)
    assert (native_ != ring).any()
    np.testing.assert_array_equal(native_, xla)
    np.testing.assert_array_equal(dense, xla)


@needs_library
@pytest.mark.parametrize("shape", [c for k, c in enumerate(CASES) if k % 3 == k // 6 % 3], ids=str)
def test_derivatives_of_all_lowerings_agree(shape, dtype):
    """First and second derivatives, in both modes and mapped over a batch; the dense form is JAX's own."""
    ring, spikes, weight, f = case(dtype, *shape)
    rng = np.random.default_rng(1)
    near = {"rtol": 1e-11, "atol": 1e-10} if dtype == jnp.float64 else {"rtol": 2e-4, "atol": 2e-2}
    primals = (ring, spikes, weight)
    tangents = tuple(jnp.asarray(rng.normal(size=x.shape), dtype) for x in primals)
    results = []
    for form in FORMS:
        g = partial(f, **form)
        gradient = jax.grad(lambda r, s, w, g=g: (g(r, s, w) ** 2).sum(), (0, 1, 2))
        batch = (jnp.stack([ring, 2 * ring]), spikes, jnp.stack([weight, -weight]))
        results.append(
            (
                jax.jit(lambda g=g: jax.vjp(g, *primals)[1](tangents[0]))(),
                jax.jit(lambda g=g: jax.jvp(g, primals, tangents)[1])(),
                jax.jit(lambda gradient=gradient: jax.jvp(gradient, primals, tangents)[1])(),
                jax.jit(jax.vmap(gradient, (0, None, 0)))(*batch),
            )
        )
    for mine in results[:2]:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **near), mine, results[2])


@needs_library
@pytest.mark.parametrize("n", [1, 31, 32, 33, 1000])
@pytest.mark.parametrize("lam", [0.0, 2.0, 37.5, "each its own"])
def test_poisson_counts_are_the_same_numbers(lam, n, dtype):
    ident = jnp.asarray(np.random.default_rng(0).integers(0, 2**31 - 1, n), jnp.int32)
    table = random.poisson_table(jnp.linspace(0.0, 9.0, n) if lam == "each its own" else jnp.array([lam]))
    draw = partial(random.poisson, table, random.key_from_seed(7), 1025, jnp.int32(5), ident)
    mine, xla = jax.jit(partial(draw, native=True))(), jax.jit(draw)()
    assert mine.dtype == xla.dtype == dtype
    np.testing.assert_array_equal(mine, xla)


def network(model, n=120, **params):
    """Recurrent, driven, with several delays, multapses, both signs and currents."""
    net = jn.Network(seed=3)
    cells = net.create(model, n, name="cells", **params)
    relay = net.create("parrot_neuron", 3, name="relay")  # a model without C++ beside it
    noise = net.create("poisson_generator", name="noise", rate=3000.0)
    current = net.create("dc_generator", name="current", amplitude=120.0, start=5.0)
    scale = 1.0 if model == "iaf_psc_delta" else 8.0 if model == "izhikevich" else 90.0
    net.connect(noise, relay, delay=1.0)
    net.connect(noise, cells, weight=0.8 * scale, delay=0.5)
    net.connect(current, cells[:50], delay=0.3)
    net.connect(relay, cells, weight=scale, delay=1.0)
    net.connect(cells[:90], cells, jn.fixed_indegree(20), weight=jn.normal(scale, 0.1 * scale), delay=jn.uniform(0.3, 2.0))
    net.connect(cells[90:], cells, jn.fixed_indegree(10), weight=-1.5 * scale, delay=0.6)
    spikes = net.create("spike_recorder", name="spikes")
    net.connect(cells, spikes)
    return net, cells, spikes


STEPPED = {
    "iaf_psc_delta": {"refractory_input": True},
    "iaf_psc_exp": {"delta": 2.0, "rho": 100.0},
    "iaf_psc_alpha": {"tau_m": jn.uniform(8.0, 12.0)},
    "ignore_and_fire": {"rate": jn.uniform(20.0, 300.0)},
    "izhikevich": {},
    "mat2_psc_exp": {},
}


def test_steps_in_cpp_are_those_of_these_models():
    written = [m.name for m in neurons.values() if _generate.has_step(m)]
    assert sorted(written) == sorted(STEPPED)


@pytest.mark.parametrize("name", ["rules", "steps"])
def test_generated_sources_are_those_of_the_models(name):
    assert (_generate.FOLDER / f"{name}.inc").read_text() == _generate.text(name), (
        "a model has changed: run python -m jaxnest.events.native._generate and install again"
    )


@needs_library
@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize(
    "model",
    [m if m in ("iaf_psc_exp", "iaf_psc_alpha", "parrot_neuron") else pytest.param(m, marks=pytest.mark.slow) for m in STEPPED],
)
def test_networks_are_the_same_in_both_lowerings(model, special, x64, monkeypatch):
    params = STEPPED[model] if special else {}
    if special:
        segments_everywhere(monkeypatch)
    assert steps.number(neurons[model]) is not None
    runs = []
    for lowering in ("native", "xla"):
        net, cells, spikes = network(model, **params)
        sim = jn.Simulation(net, seed=5, lowering=lowering, delivery="events").run(60.0).run(40.3)
        runs.append((sim.spikes(spikes), sim.get(cells, next(iter(neurons[model].states)))))
    (mine, v), (xla, v_xla) = runs
    assert len(xla) > 50
    np.testing.assert_array_equal(mine.times, xla.times)
    np.testing.assert_array_equal(mine.senders, xla.senders)
    np.testing.assert_allclose(v, v_xla, rtol=1e-9)


def segments_everywhere(monkeypatch):
    monkeypatch.setattr(_tables, "_SEGMENT_FROM", 0)
    monkeypatch.setattr(_tables, "_RING_FROM", 0)


@needs_library
@pytest.mark.parametrize("shortest", [0.1, 0.7])
def test_events_delivered_when_due_are_those_delivered_when_emitted(shortest, x64, monkeypatch):
    """Slices of one and of several steps; split runs, and the pure function that goes on from the middle of a run."""

    def build():
        net = jn.Network(seed=3)
        cells = net.create("iaf_psc_exp", 120, name="cells", V_m=jn.uniform(-70.0, -52.0))
        more = net.create("iaf_psc_alpha", 30, name="more", I_e=400.0)
        noise = net.create("poisson_generator", name="noise", rate=3000.0)
        net.connect(noise, cells + more, weight=90.0, delay=4.0)
        net.connect(cells, cells + more, jn.fixed_indegree(20), weight=jn.normal(50.0, 90.0), delay=jn.uniform(shortest, 3.0))
        net.connect(more, cells, jn.fixed_indegree(10), weight=-60.0, delay=jn.uniform(shortest, 5.0))
        spikes = net.create("spike_recorder", name="spikes")
        net.connect(cells + more, spikes)
        return net, spikes

    def run(*times):
        net, spikes = build()
        sim = jn.Simulation(net, seed=5, delivery="events", lowering="native")
        for time in times:
            sim.run(time)
        return sim, sim.spikes(spikes)

    plain, expected = run(50.0)
    assert len(expected) > 200 and plain.state.queue is None
    segments_everywhere(monkeypatch)
    whole, spikes = run(50.0)
    split, again = run(20.3, 0.1, 29.6)
    np.testing.assert_array_equal(spikes.times, expected.times)
    np.testing.assert_array_equal(spikes.senders, expected.senders)
    for key in ("iaf_psc_exp", "iaf_psc_alpha"):
        np.testing.assert_allclose(whole.state.nodes[key].V_m, plain.state.nodes[key].V_m, rtol=1e-9)
    np.testing.assert_array_equal(again.times, spikes.times)
    jax.tree.map(np.testing.assert_array_equal, split.state, whole.state)  # bit for bit, what is queued too
    assert (np.asarray(whole.state.queue.count) > 0).any()

    half, _ = run(20.3)
    program = half.program
    state, record = program.simulate(half.params, half.connections, half.state, 29.7)
    fired = np.argwhere(np.asarray(record.spikes["spikes"]))
    late = expected.times > 20.35
    np.testing.assert_allclose(np.asarray(record.times)[fired[:, 0]], expected.times[late], rtol=1e-9)
    np.testing.assert_array_equal(fired[:, 1], expected.senders[late])
    assert not np.asarray(state.queue.count).any()


@needs_library
def test_a_value_that_is_not_finite_is_located_in_both_lowerings():
    faults = []
    for lowering in ("native", "xla"):
        net, cells, _ = network("iaf_psc_exp")
        sim = jn.Simulation(net, seed=5, lowering=lowering).run(10.0)
        sim.set(cells[0:1].parts[0][0], V_m=np.where(np.arange(120) == 7, 1e38, -60.0))
        sim.params = sim.program.set(sim.params, {"cells.C_m": 1e-38})
        with pytest.raises(jn.SimulationError) as fault:
            sim.run(10.0)
        faults.append(str(fault.value))
    assert faults[0] == faults[1]


_RUN = """
import hashlib, json, os, sys
threads, library = map(int, sys.argv[1:])
os.sched_setaffinity(0, list(sorted(os.sched_getaffinity(0)))[:threads])
os.environ["JAXNEST_NATIVE"] = str(library)
os.environ["JAX_ENABLE_X64"] = "1"
import numpy as np
import jaxnest as jn
from jaxnest.events import native
from jaxnest.simulation import _tables
_tables._SEGMENT_FROM = _tables._RING_FROM = 0
net = jn.Network(seed=2)
exc = net.create("iaf_psc_delta", 8000, name="exc", V_m=jn.uniform(-70.0, -55.0))
inh = net.create("iaf_psc_delta", 2000, name="inh", V_m=jn.uniform(-70.0, -55.0))
noise = net.create("poisson_generator", name="noise", rate=20000.0)
net.connect(noise, exc + inh, weight=0.12, delay=1.5)
net.connect(exc, exc + inh, jn.fixed_indegree(80), weight=jn.normal(0.3, 0.03), delay=jn.uniform(1.0, 2.0))
net.connect(inh, exc, jn.fixed_indegree(20), weight=-1.5, delay=1.5)
net.connect(exc, inh, jn.fixed_indegree(10), synapse="stdp_synapse", weight=0.3, delay=1.0, Wmax=1.0, lambda_=0.1)
spikes = net.create("spike_recorder")
net.connect(exc + inh, spikes)
sim = jn.Simulation(net, seed=1).run(60.0)
out = sim.spikes(spikes)
V = np.concatenate([sim.get(exc, "V_m"), sim.get(inh, "V_m")])
w = sim.get(net.projections[-1], "weight")
assert len(out) > 1000 and w.std() > 0
digest = lambda *x: hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in x)).hexdigest()
print(json.dumps([native.status(), digest(out.times, out.senders), digest(V, w), float(V.sum()), float(w.sum())]))
"""


def _run(threads, library):
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(threads), str(library)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@needs_library
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor only")
def test_threads_change_nothing_and_without_the_library_the_network_is_the_same():
    one, two, without = _run(1, 1), _run(2, 1), _run(2, 0)
    assert one[:3] == two[:3]
    assert without[0] == "off (JAXNEST_NATIVE=0)"
    assert without[1] == one[1]  # spikes; membrane potentials and weights up to rounding
    np.testing.assert_allclose(without[3:], one[3:], rtol=1e-9)


def test_lowering_is_checked_and_told(capsys, monkeypatch):
    net, _, _ = network("iaf_psc_exp")
    with pytest.raises(jn.ConfigurationError, match="lowering='fast' must be"):
        net.compile(lowering="fast")
    monkeypatch.setattr(native, "library", lambda: None)
    with pytest.raises(jn.ConfigurationError, match="lowering='native' needs the C\\+\\+ library"):
        net.compile(lowering="native")
    assert not net.compile().plan.native
    assert main(["info"]) == 0
    assert native.status() in capsys.readouterr().out
