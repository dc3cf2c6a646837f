"""Programs over meshes record what a program on one device records, and have its gradients; `fit` finds what it finds there."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxnest as jn
from jaxnest import distributed
from jaxnest.learning import Bounded, dale, fit

PATHS = ("rec.weight", "from inh.weight", "exc.tau_m", "exc.V_th", "exc.I_e", "inh.I_e", "x.spikes")


def network(full: bool = False) -> jn.Network:
    """Recurrent excitation and inhibition with several delays, multapses and unequal in-degree; `full`: of other models, and with generators."""
    net, unit = jn.Network(h=0.5, seed=5), 50.0 if full else 1.0
    x = net.create("spike_input", 4, name="x", spikes=[[0.0] * 4] * 24)
    model = "iaf_psc_exp" if full else "iaf_psc_delta"
    exc = net.create(model, 11, name="exc", V_m=jn.uniform(-62.0, -56.0), I_e=jn.uniform(400.0, 600.0), tau_m=9.0)
    inh = net.create("iaf_psc_alpha" if full else model, 4, name="inh", V_th=-57.0, I_e=450.0)
    net.connect(x, exc[:7], weight=jn.uniform(2.0 * unit, 6.0 * unit), name="in")
    rule, weight = jn.fixed_indegree(6), jn.uniform(1.0 * unit, 3.0 * unit)
    net.connect(exc, exc + inh, rule, weight=weight, delay=jn.uniform(1.0, 2.6), name="rec")
    net.connect(inh, exc + inh, jn.pairwise_bernoulli(0.5), weight=-4.0 * unit, delay=1.0, name="from inh")
    spikes = net.create("spike_recorder", name="spikes")
    net.connect(inh + exc[3:] + x, spikes)
    if full:
        noise = net.create("poisson_generator", 2, name="noise", rate=[4000.0, 3000.0])
        timed = net.create("spike_generator", name="timed", spike_times=[1.0, 2.5, 10.0])
        net.connect(noise[:1], exc, weight=40.0, delay=1.5)
        net.connect(noise[1:], inh, weight=jn.uniform(20.0, 40.0), delay=jn.uniform(1.0, 2.0), name="noisy")
        net.connect(timed, exc[:6], weight=300.0, delay=2.0, name="timed in")
        net.connect(timed + noise[1:], spikes)
    meter = net.create("multimeter", name="meter", record_from=["V_m"], interval=1.0)
    net.connect(meter, inh[::2] + exc[8:] + exc[2:5])
    return net


def inputs(*lead: int) -> np.ndarray:
    return (np.random.default_rng(0).random((*lead, 24, 4)) < 0.2).astype(float)


def weighed(record) -> jax.Array:
    """A number to which all that was recorded contributes."""
    spikes, potential = record.spikes["spikes"], record.traces["meter"].V_m
    a, b = (jnp.cos(jnp.arange(float(x.size))).reshape(x.shape) for x in (spikes, potential))
    return (a * spikes).sum() + 0.1 * (b * potential).sum()


def gradients(program, paths=PATHS, times=(12.0,), **how):
    """The record, and the gradient of what it weighs, of one trial with the input spikes that are set."""
    params = program.set(program.params, {"x.spikes": inputs()})

    def run(values):
        changed = program.set(params, values)
        state, weight = program.init(changed, 3), 0.0
        for time in times:
            state, record = program.simulate(changed, program.connections, state, time, **how)
            weight += weighed(record)
        return weight, record

    (_, record), gradient = jax.jit(jax.value_and_grad(run, has_aux=True))({p: program.get(params, p) for p in paths})
    return record, gradient


def assert_close(found, expected, tolerance=1e-12):
    """In the relative 2-norm."""
    assert set(found) == set(expected)
    for path, x in expected.items():
        x = np.asarray(x)
        assert np.linalg.norm(x) > 0, path
        assert np.linalg.norm(np.asarray(found[path]) - x) <= tolerance * np.linalg.norm(x), path


def assert_same_records(found, expected):
    np.testing.assert_array_equal(found.times, expected.times)
    np.testing.assert_array_equal(found.spikes["spikes"], expected.spikes["spikes"])
    np.testing.assert_allclose(found.traces["meter"].V_m, expected.traces["meter"].V_m, rtol=1e-14)


@pytest.mark.slow
def test_records_and_gradients_are_those_of_one_device(x64):
    net = network()
    expected, gradient = gradients(net.compile(delivery="events"))
    assert expected.spikes["spikes"][:, :12].sum() > 20
    record, found = gradients(distributed.Program(net, mesh=distributed.mesh_of(2)))
    assert_same_records(record, expected)
    assert_close(found, gradient)


@pytest.mark.slow
def test_gradients_lie_where_the_parameters_lie(x64):
    """On any mesh with an axis that is not the trials'."""
    net, found = network(), []
    for program in (net.compile(delivery="events"), distributed.Program(net, mesh=jax.make_mesh((4,), ("cells",)))):

        def loss(tables, program=program):
            params = {**program.set(program.params, {"x.spikes": inputs()}), "tables": tables}
            return weighed(program.simulate(params, program.connections, program.init(params), 12.0)[1])

        gradient = jax.jit(jax.grad(loss))(program.params["tables"])
        found.append({path: program.get({**program.params, "tables": gradient}, path) for path in ("rec.weight", "in.weight")})
    for x, y in zip(jax.tree.leaves(gradient), jax.tree.leaves(program.params["tables"]), strict=True):
        assert x.sharding.is_equivalent_to(y.sharding, x.ndim)
        assert len(x) == 4 and len(x.addressable_shards[0].data) == 1
    assert_close(*found)


_FULL: dict = {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("devices", "checkpoint", "lowering"),
    [(1, False, "auto"), (2, False, "auto"), (4, False, "auto"), (4, True, "auto"), (2, True, "xla")],
)
def test_gradients_are_those_of_one_device_also(x64, devices, checkpoint, lowering):
    """Through several runs that end within slices, one of them too short for a sample; with C++ also of other models, and generators."""
    full = lowering == "auto"
    more = ("inh.tau_m", "inh.V_th", "noise.rate", "noisy.weight", "timed in.weight", "exc.V_m") if full else ()
    net, paths, times = network(full), (*PATHS, *more), (3.5, 8.5) if full else (8.0, 0.5)
    if lowering not in _FULL:
        _FULL[lowering] = gradients(net.compile(delivery="events", lowering=lowering), paths, times)
    program = distributed.Program(net, mesh=distributed.mesh_of(devices), lowering=lowering)
    record, found = gradients(program, paths, times, checkpoint=checkpoint)
    assert_same_records(record, _FULL[lowering][0])
    assert_close(found, _FULL[lowering][1])


def batch_loss(program, vmap, time=12.0):
    """A loss of a batch of trials, with a target for each."""

    def one(params, key, spikes, target):
        params = program.set(params, {"x.spikes": spikes})
        _, record = program.simulate(params, program.connections, program.init(params, key), time)
        rate = record.spikes["spikes"][:, :12].mean()
        return (100.0 * (rate - target)) ** 2 + 1e-2 * ((record.traces["meter"].V_m + 65.0) ** 2).mean(), rate

    def loss(params, key, batch):
        keys = key[None] + jnp.arange(len(batch["target"]), dtype=jnp.uint32)[:, None]
        losses, rates = vmap(one, (None, 0, 0, 0))(params, keys, batch["spikes"], batch["target"])
        return losses.mean(), {"rates": rates}

    return loss


def fitted(program, vmap, steps=3, **options):
    batches = [{"spikes": x, "target": np.linspace(0.02, 0.08, 4)} for x in inputs(3, 4)]
    learned = {"rec.weight": dale, "exc.tau_m": (5.0, 20.0), "inh.V_th": Bounded(shared=True)}
    options = {"optimiser": optax.sgd(0.05), "batches": batches, "progress": False, **options}
    return fit(program, batch_loss(program, vmap), learned, steps=steps, **options)


def assert_same_fits(found, expected):
    np.testing.assert_allclose(found.history.loss, expected.history.loss, rtol=1e-12)
    np.testing.assert_allclose(found.history.aux["rates"], expected.history.aux["rates"], rtol=1e-12)
    assert_close(found.history.gradients, expected.history.gradients)
    assert_close(found.values, expected.values)


def test_a_fit_over_trials_and_neurons_is_that_of_one_device(x64):
    net = network()
    expected = fitted(net.compile(delivery="events"), jax.vmap)
    assert len(set(expected.history.loss)) == 3
    program = distributed.Program(net, mesh=distributed.mesh_of(neurons=2, trials=2))
    result = fitted(program, program.vmap)
    assert_same_fits(result, expected)
    for path, value in result.values.items():  # the parameters that come out lie where those of the program lie
        np.testing.assert_array_equal(program.get(result.params, path), value)
    weight = result.params["tables"]["static.fixed"].weight
    assert weight.sharding == program.params["tables"]["static.fixed"].weight.sharding
    assert weight.addressable_shards[0].data.shape[0] == 1


@pytest.mark.slow
@pytest.mark.parametrize(("neurons", "trials"), [(None, 4), (1, 4), (4, None), (4, 1)])
def test_fits_over_other_meshes_are_those_of_one_device(x64, tmp_path, neurons, trials):
    """Also if they go on from a checkpoint."""
    net = network()
    if "fit" not in _FULL:
        _FULL["fit"] = fitted(net.compile(delivery="events"), jax.vmap, validate=None)
    options = {} if neurons else {"delivery": "events"}
    program = distributed.Program(net, mesh=distributed.mesh_of(neurons, trials), **options)
    fitted(program, program.vmap, steps=2, checkpoint=tmp_path)
    assert_same_fits(fitted(program, program.vmap, checkpoint=tmp_path, resume=True), _FULL["fit"])


def test_trials_alone_are_spread_over_devices_that_have_the_whole_network(x64):
    """With matrices, too."""
    net = jn.Network(h=0.5)
    x = net.create("spike_input", 4, name="x", spikes=[[0.0] * 4] * 24)
    out = net.create("iaf_psc_delta", 3, name="out")
    net.connect(x, out, weight=np.linspace(4.0, 9.0, 12), name="in")
    spikes = net.create("spike_recorder", name="spikes")
    net.connect(out, spikes)
    found = []
    for program in (
        net.compile(delivery="matrix"),
        distributed.Program(net, mesh=distributed.mesh_of(trials=4), delivery="matrix"),
    ):
        vmap = program.vmap if isinstance(program, distributed.Program) else jax.vmap

        def loss(weight, spikes, program=program):
            params = program.set(program.params, {"in.weight": weight, "x.spikes": spikes})
            _, record = program.simulate(params, program.connections, program.init(params), 12.0)
            return (record.spikes["spikes"].sum(0) - jnp.arange(3.0)) @ jnp.arange(1.0, 4.0), record.spikes["spikes"]

        def mean(weight, batch, vmap=vmap, loss=loss):
            losses, spikes = vmap(loss, (None, 0))(weight, batch)
            return (losses**2).mean(), spikes

        compiled = jax.jit(jax.value_and_grad(mean, has_aux=True))
        (_, spikes), gradient = compiled(program.get(program.params, "in.weight"), inputs(8))
        found.append((spikes, gradient))
    assert found[0][0].sum() > 8
    assert {shard.data.shape[0] for shard in found[1][0].addressable_shards} == {2}  # each device has two trials of eight
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert_close({"in.weight": found[1][1]}, {"in.weight": found[0][1]})


def test_values_are_set_and_read_as_on_one_device(x64):
    rng, found = np.random.default_rng(1), []
    weights, taus = rng.uniform(20.0, 50.0, len(network()["rec"])), rng.uniform(8.0, 12.0, 11)
    net = network(full=True)
    for program in (net.compile(delivery="events"), distributed.Program(net, mesh=distributed.mesh_of(4))):
        changes = {
            "exc.tau_m": taus,
            "inh.V_th": -56.0,
            "inh.E_L": np.arange(4) - 66.0,
            "rec.weight": weights,
            "noise.rate": 5.0,
        }
        params = program.set(program.params, changes)
        state = program.set(program.init(params, 4), {"exc.V_m": taus - 70.0})
        of_params = [program.get(params, path) for path in (*changes, "noisy.weight")]
        of_state = [program.get(state, "exc.V_m")]
        found.append([*of_params, *of_state, *program.connections_of("rec").values()])
        with pytest.raises(jn.ConfigurationError, match="tau_m"):
            program.get(params, "exc.tau")
        with pytest.raises(jn.ConfigurationError, match="fit"):
            program.set(params, {"exc.tau_m": taus[1:]})
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_does_not_work_is_refused():
    net = network()
    two = distributed.mesh_of(2)
    with pytest.raises(jn.ConfigurationError, match="matrix"):
        distributed.Program(net, mesh=two, delivery="matrix")
    with pytest.raises(jn.ConfigurationError, match="one beside 'trials'"):
        distributed.Program(net, mesh=jax.sharding.Mesh(np.array(jax.devices()[:4]).reshape(2, 2), ("a", "b")))
    with pytest.raises(jn.ConfigurationError, match="one run"):
        distributed.Simulation(net, mesh=distributed.mesh_of(2, 2))
    with pytest.raises(jn.ConfigurationError, match="jax_num_cpu_devices"):
        distributed.mesh_of(2, len(jax.devices()))
    program = distributed.Program(net, mesh=distributed.mesh_of(trials=4))
    with pytest.raises(jn.ConfigurationError, match="6 cannot be spread evenly over 4"):
        program.vmap(lambda x: x * 2)(jnp.arange(6))
    with pytest.raises(jn.ConfigurationError, match="multiple"):
        program.simulate(program.params, program.connections, program.init(), 0.3)
    net.connect(net["exc"], net["exc"], synapse="stdp_synapse", name="plastic")
    program = distributed.Program(net, mesh=two)
    with pytest.raises(jn.ConfigurationError, match="no derivative"):
        gradients(program, ("exc.I_e",))


_SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
from jaxnest import distributed
from test_distributed_program import fitted, network
found = {{}}
for name, mesh in (("neurons", distributed.mesh_of(2)), ("trials", distributed.mesh_of(trials=2))):
    assert jax.process_count() == mesh.size == 2
    program = distributed.Program(network(), mesh=mesh, **({{}} if name == "neurons" else {{"delivery": "events"}}))
    result = fitted(program, program.vmap)  # all processes fit
    found |= {{f"{{name}} {{path}}": value for path, value in result.values.items()}}
if jax.process_index() == 0:
    np.savez({out!r}, **found)
"""


@pytest.mark.slow
def test_two_processes_fit_together(x64, tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")
    script, out = tmp_path / "script.py", tmp_path / "out.npz"
    script.write_text(_SCRIPT.format(tests=str(Path(__file__).parent), out=str(out)))
    assert distributed.launch(2, str(script), []) == 0
    expected = fitted(network().compile(delivery="events"), jax.vmap).values
    with np.load(out) as found:
        for name in ("neurons", "trials"):
            assert_close({path: found[f"{name} {path}"] for path in expected}, expected)
