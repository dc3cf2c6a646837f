"""`jaxnest.learning.fit`: bounds, mistakes, stopping, and fits of networks."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxnest as jn
from jaxnest.learning import Bounded, dale, fit, minibatches, positive
from jaxnest.learning.fitting import _step
from jaxnest.learning.fitting._bounds import transform
from jaxnest.learning.fitting._paths import free_from, params_from, relations, transforms
from tests.fitting import WEIGHTS, cells, quiet, towards

INF = float("inf")


@pytest.fixture(scope="module")
def program():
    return cells()


# --- bounds ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "low, high, start",
    [(0.0, INF, 10.0), (-INF, 0.0, -3.0), (-70.0, -50.0, -69.9), (2.0, INF, 2.001), (-INF, INF, -7.0), (0.0, 1e-3, 5e-4)],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_bounded_value_begins_where_it_was_and_stays_inside(x64, low, high, start, dtype):
    values = np.array([start, start * 1.0001])
    t = transform("p", values, Bounded(low, high), (-INF, INF))
    free = jnp.asarray(t.free(values).astype(dtype))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(t.value(free), values, rtol=20 * eps, atol=50 * eps * abs(values[0]))
    extreme = np.asarray(t.value(jnp.asarray([-1e30, -500.0, -90.0, -1.0, 0.0, 1.0, 90.0, 500.0, 1e30], dtype)))
    assert extreme.dtype == dtype
    assert (extreme > low).all() and (extreme < high).all()
    assert (np.diff(extreme) >= 0).all() or (np.diff(extreme) <= 0).all()
    slope = jax.grad(lambda f: t.value(f).sum())(free)
    step = 1e-5
    if dtype == "float64":
        np.testing.assert_allclose(slope, (t.value(free + step) - t.value(free - step)) / (2 * step), rtol=1e-4)
    assert (slope != 0).all() and np.isfinite(slope).all()


def test_whatever_the_optimiser_does_values_stay_inside(program):
    loss = towards(program, exc__tau_m=-100.0, exc__I_e=1e6)
    r = quiet(program, loss, {"exc.tau_m": None, "exc.I_e": (0.0, 500.0)}, steps=20, optimiser=optax.sgd(1e3))
    assert (r.values["exc.tau_m"] > 0).all() and (r.values["exc.I_e"] < 500).all()
    assert (r.values["exc.I_e"] > 499).all()


@pytest.mark.parametrize("bound", [dale, Bounded(high=70.0, keep_sign=True)])
def test_weights_keep_their_sign_and_zero_stays_zero(program, bound):
    start = np.asarray(program.get(program.params, "exc->inh.weight"))
    assert (start == 0).sum() == 1
    np.testing.assert_array_equal(np.sort(start), np.sort(WEIGHTS.ravel()))
    begun = transforms(program, program.params, {"exc->inh.weight": bound})
    free = free_from(begun, program, program.params)
    back = program.get(params_from(begun, program, program.params, free), "exc->inh.weight")
    np.testing.assert_allclose(back, start, rtol=1e-5)
    for target in (-1e3, 1e3):
        loss = towards(program, **{"exc->inh__weight": target})
        found = quiet(program, loss, {"exc->inh.weight": bound}, steps=30, optimiser=optax.adam(2.0)).values["exc->inh.weight"]
        np.testing.assert_array_equal(np.sign(found), np.sign(start))
        towards_it = np.sign(start) == np.sign(target)
        assert (np.abs(found) > np.abs(start))[towards_it].all() and (np.abs(found) < np.abs(start))[
            ~towards_it & (start != 0)
        ].all()
        assert bound.high is None or (np.abs(found) < bound.high).all()


def test_one_value_may_be_shared_and_what_a_model_shares_is(program):
    loss = towards(program, exc__I_e=np.array([50.0, 70.0]), inh__tau_m=20.0, plastic__lambda=0.05, multi__tau_syn=3.0)
    paths = {
        "exc.I_e": Bounded(shared=True),
        "inh.tau_m": None,
        "plastic.lambda_": positive,
        "multi.tau_syn": Bounded(shared=True),
    }
    r = quiet(program, loss, paths, steps=300, optimiser=optax.adam(0.03))
    assert r.values["exc.I_e"].shape == (2,) and len(set(r.values["exc.I_e"].tolist())) == 1
    assert r.values["multi.tau_syn"].shape == (2, 2)
    np.testing.assert_array_equal(r.values["multi.tau_syn"][:, 0], r.values["multi.tau_syn"][:, 1])
    np.testing.assert_allclose(r.values["exc.I_e"], 60.0, rtol=0.02)
    np.testing.assert_allclose(r.values["inh.tau_m"], 20.0, rtol=0.02)
    np.testing.assert_allclose(r.values["plastic.lambda"], 0.05, rtol=0.1)
    table = jax.tree.leaves(program.params["tables"])
    assert [x.shape for x in table] == [x.shape for x in jax.tree.leaves(r.params["tables"])]
    np.testing.assert_array_equal(program.get(program.params, "exc.I_e"), 100.0)  # where it began is untouched


def test_every_parameter_of_every_model_can_be_chosen_with_its_own_bounds():
    net = jn.Network()
    for name in jn.neurons.neurons:
        net.create(name, 2, name=name)
    program = net.compile()
    chosen, refused = 0, []
    for population in net.populations:
        for name, declared in population.model.parameters.items():
            path, default = f"{population.name}.{name}", np.asarray(declared.default)
            if default.size == 0:
                continue
            try:
                found = transforms(program, program.params, {path: Bounded(scale=1.0)})
            except jn.ConfigurationError as error:
                refused.append((path, default, declared, str(error)))
                continue
            values = params_from(found, program, program.params, free_from(found, program, program.params))
            np.testing.assert_allclose(program.get(values, path), program.get(program.params, path), rtol=1e-5)
            check = relations(program, program.params, found)
            assert check is None or check({path: program.get(program.params, path)}) is None
            chosen += 1
    assert chosen > 100
    for path, default, declared, message in refused:
        assert (default == declared.ge).any() or (default == declared.le).any() or not np.isfinite(default).all(), (
            path,
            message,
        )


# --- what is refused, before anything compiles ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters, options, message",
    [
        ({"exc.tau": None}, {}, r"exc has no value 'tau'; did you mean"),
        ({"excc.tau_m": None}, {}, r"no population or projection 'excc'; did you mean 'exc'"),
        ({}, {}, r"not empty"),
        ("exc.tau_m", {}, r"must be paths"),
        ({"exc.tau_m": 3.0}, {}, r"exc\.tau_m: 3\.0 is no bound"),
        ({"exc.tau_m": (5.0, 5.0)}, {}, r"low=5 must be less than high=5"),
        ({"exc.tau_m": (-1.0, 50.0)}, {}, r"exc\.tau_m: may be learned between 0 and inf ms only"),
        ({"exc.tau_m": (15.0, 50.0)}, {}, r"exc\.tau_m: starts at 10 ms, .* strictly between 15 and 50"),
        ({"exc.tau_m": (10.0, 50.0)}, {}, r"strictly between 10 and 50"),
        ({"exc.tau_m": Bounded(shared=True)}, {}, r"starts at different values"),
        ({"exc.tau_m": Bounded(scale=-1.0)}, {}, r"scale=-1\.0 must be positive"),
        ({"inh.I_e": None}, {}, r"inh\.I_e: starts at 0, .* give Bounded\(scale"),
        ({"inh.I_e": dale}, {}, r"has no sign to keep"),
        ({"exc->inh.weight": Bounded(-1.0, keep_sign=True)}, {}, r"must not be negative"),
        (["exc.tau_m", "exc.tau_m_"], {}, r"exc\.tau_m is given twice"),
        (["exc.tau_m"], {"steps": 0}, r"steps=0 must be a positive integer"),
        (["exc.tau_m"], {"steps": 2.5}, r"steps=2\.5 must be"),
        (["exc.tau_m"], {"batches": []}, r"batches: there are none"),
        (["exc.tau_m"], {"batches": 3}, r"must be a function of the step"),
        (["exc.tau_m"], {"batches": iter([])}, r"there are no more"),
        (["exc.tau_m"], {"patience": 3}, r"patience needs validate"),
        (["exc.tau_m"], {"validate": lambda p, k: 0.0, "validate_every": 9}, r"nothing would be validated"),
        (["exc.tau_m"], {"resume": True}, r"resume=True needs checkpoint"),
        (["exc.tau_m"], {"optimiser": "adam"}, r"must be one of optax"),
        (["exc.tau_m"], {"seed": -1}, r"seed=-1"),
        (["exc.tau_m"], {"checkpoint_every": 0}, r"checkpoint_every=0"),
    ],
)
def test_mistakes_are_told_before_anything_compiles(program, parameters, options, message):
    def loss(params, key, batch):
        raise AssertionError("the loss was traced")

    with pytest.raises(jn.ConfigurationError, match=message):
        quiet(program, loss, parameters, **{"steps": 5, **options})


@pytest.mark.parametrize("returned", [jnp.zeros(2), 3, (jnp.zeros(1), {})])
def test_a_loss_must_be_a_number(program, returned):
    with pytest.raises(jn.ConfigurationError, match="loss must return one real number"):
        quiet(program, lambda p, k, b: returned, ["exc.tau_m"], steps=1)


# --- steps ----------------------------------------------------------------------------------------------------------------


def test_a_plain_loop_does_the_same(program):
    loss = towards(program, exc__E_L=-60.0)
    r = quiet(program, loss, {"exc.E_L": Bounded(scale=1.0)}, steps=5, optimiser=optax.sgd(0.1), seed=3)

    @jax.jit
    def value_and_grad(E_L, key):
        return jax.value_and_grad(lambda x: loss(program.set(program.params, {"exc.E_L": x}), key, None), has_aux=True)(E_L)

    E_L, seed = program.get(program.params, "exc.E_L"), jn.events.random.key_from_seed(3)
    for step in range(5):
        (value, aux), gradient = value_and_grad(E_L, _step._key(seed, _step._STREAM, step))
        np.testing.assert_allclose(r.history.loss[step], value, rtol=1e-5)
        np.testing.assert_allclose(r.history.gradients["exc.E_L"][step], np.linalg.norm(gradient), rtol=1e-5)
        np.testing.assert_allclose(r.history.aux["rates.exc"][step], aux["rates"]["exc"], rtol=1e-5)
        E_L = E_L - 0.1 * gradient
    np.testing.assert_allclose(r.values["exc.E_L"], E_L, rtol=1e-6)
    assert (r.step, r.stopped, r.best) == (5, "steps", None)


def test_the_loss_is_traced_and_compiled_once_and_sees_new_keys_and_batches(program):
    traced, compilations, seen = [], [], []
    base = towards(program, exc__tau_m=12.0)

    def loss(params, key, batch):
        traced.append(batch["x"].shape)
        value, aux = base(params, key, None)
        return value, {**aux, "x": batch["x"].sum(), "key": key}

    def count(name, *_, **__):
        if name == "/jax/core/compile/backend_compile_duration":
            compilations.append(len(seen))

    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        batches = [{"x": np.full(3, i)} for i in range(4)]
        r = quiet(program, loss, ["exc.tau_m"], steps=10, batches=batches, callback=lambda p: seen.append(p.step))
    finally:
        jax.monitoring.unregister_event_duration_listener(count)
    assert traced == [(3,)] and seen == list(range(1, 11))
    assert not [c for c in compilations if 1 <= c < 10]
    np.testing.assert_array_equal(r.history.aux["x"], 3 * (np.arange(10) % 4))
    assert len({tuple(k) for k in r.history.aux["key"]}) == 10
    with pytest.raises(jn.ConfigurationError, match=r"that of step 2 has shapes \[\(2,\)\], others have \[\(3,\)\]"):
        quiet(program, loss, ["exc.tau_m"], steps=9, batches=[{"x": np.zeros(n)} for n in (3, 3, 2)])


def test_large_arrays_that_a_loss_closes_over_are_no_constants(program, monkeypatch):
    data = jnp.linspace(0.0, 1.0, 100_000)

    def loss(params, key, batch):
        return jnp.mean((program.get(params, "exc.tau_m").sum() * data - 20.0 * data) ** 2)

    def as_text():
        flat, held = _step.hoisted(loss, program.params, None, None)
        return jax.jit(flat).lower(held, program.params, None, None).as_text()

    plain = quiet(program, loss, ["exc.tau_m"], steps=5)
    jitted = quiet(program, jax.jit(loss), ["exc.tau_m"], steps=5)
    np.testing.assert_array_equal(plain.history.loss, jitted.history.loss)
    short = as_text()
    monkeypatch.setattr(_step, "_HOISTED", 10**12)
    inside = quiet(program, loss, ["exc.tau_m"], steps=5)
    np.testing.assert_allclose(plain.history.loss, inside.history.loss, rtol=1e-5)
    assert len(as_text()) > 400_000 > len(short)


def test_it_stops_when_asked_and_shows_how_it_goes(program, capsys):
    loss = towards(program, exc__tau_m=12.0)
    r = fit(program, loss, ["exc.tau_m"], steps=50, callback=lambda p: p.step == 3 and float(p.params()["h"]) > 0)
    assert (r.stopped, r.step, len(r.history.loss)) == ("callback", 3, 3)
    shown = capsys.readouterr().err
    assert "loss=" in shown and "rates.exc=" in shown and "50" in shown


def test_the_best_validation_is_kept_and_patience_ends_it(program):
    def wander(params, key, batch):
        return -program.get(params, "exc.tau_m").mean()

    def validate(params, key):
        return (program.get(params, "exc.tau_m").mean() - 18.0) ** 2

    r = quiet(program, wander, ["exc.tau_m"], steps=500, validate=validate, validate_every=2, patience=5)
    assert r.stopped == "patience" and r.step == r.best_step + 10 < 500
    assert abs(float(program.get(r.best, "exc.tau_m").mean()) - 18.0) < 0.2 < r.values["exc.tau_m"].mean() - 18.0
    np.testing.assert_array_equal(r.history.validated, np.arange(2, r.step + 1, 2))
    assert r.best_value == r.history.validation.min()
    frame = r.history.to_pandas()
    assert list(frame.columns) == ["loss", "gradient.exc.tau_m", "validation"] and frame.validation.notna().sum() == r.step // 2


def test_a_parameter_without_influence_is_told(program):
    with pytest.warns(UserWarning, match=r"inh\.C_m: its gradient was 0 in every step"):
        quiet(program, towards(program, exc__tau_m=12.0), ["exc.tau_m", "inh.C_m"], steps=2)


def test_an_optimiser_that_searches_along_a_line(program):
    def loss(params, key, batch):
        return jnp.mean((program.get(params, "exc.tau_m") - jnp.array([3.0, 70.0])) ** 2)

    r = quiet(program, loss, ["exc.tau_m"], steps=12, optimiser=optax.lbfgs())
    np.testing.assert_allclose(r.values["exc.tau_m"], [3.0, 70.0], rtol=1e-3)


def test_minibatches_show_every_example_once_an_epoch():
    x = np.arange(10)
    batch = minibatches({"x": x, "y": x * 2}, 3, seed=5)
    epochs = [np.concatenate([batch(e * 3 + i)["x"] for i in range(3)]) for e in range(3)]
    assert all(len(set(e.tolist())) == 9 for e in epochs) and (epochs[0] != epochs[1]).any()
    again = minibatches({"x": x, "y": x * 2}, 3, seed=5)
    np.testing.assert_array_equal(again(4)["y"], 2 * epochs[1][3:6])
    with pytest.raises(jn.ConfigurationError, match="size=11"):
        minibatches(x, 11)
    with pytest.raises(jn.ConfigurationError, match="different numbers"):
        minibatches((x, x[:3]), 2)


# --- a network ------------------------------------------------------------------------------------------------------------


def test_the_input_and_the_weight_of_a_network_are_found_from_its_potentials():
    net = jn.Network(seed=3)
    cells = net.create("iaf_psc_exp", 3, name="cells", I_e=[150.0, 200.0, 300.0])
    source = net.create("spike_generator", name="source", spike_times=[2.0, 6.5, 7.0, 12.0])
    net.connect(source, cells, weight=90.0, delay=1.0, name="in")
    net.connect(cells, cells, weight=-40.0, delay=1.5, name="recurrent")
    net.connect(net.create("multimeter", name="meter", record_from=["V_m"], interval=0.5), cells)
    program = net.compile()

    def potentials(params):
        state = program.init(params, seed=0)
        return program.simulate(params, program.connections, state, 15.0)[1].traces["meter"].V_m

    target = jax.jit(potentials)(program.params)

    def loss(params, key, batch):
        return jnp.mean((potentials(params) - target) ** 2)

    start = program.set(program.params, {"cells.I_e": 100.0, "in.weight": 40.0})
    learned = {"cells.I_e": (0.0, 1000.0), "in.weight": Bounded(keep_sign=True, shared=True)}
    r = quiet(program, loss, learned, params=start, steps=600, optimiser=optax.adam(optax.cosine_decay_schedule(0.1, 600)))
    assert r.history.loss[-1] < 1e-3 * r.history.loss[0]
    np.testing.assert_allclose(r.values["cells.I_e"], [150.0, 200.0, 300.0], rtol=0.02)
    np.testing.assert_allclose(r.values["in.weight"], 90.0, rtol=0.02)


def test_spike_times_and_delays_by_exact_gradients():
    from jaxnest.learning.eventprop import EventProp

    net = jn.Network()
    cell = net.create("iaf_psc_exp", 1, name="cell")
    net.connect(net.create("spike_generator", name="source", spike_times=[2.0]), cell, weight=5000.0, delay=1.0, name="in")
    net.connect(cell, net.create("spike_recorder", name="spikes"))
    exact = EventProp(net, learn_delays=True)

    def loss(params, key, batch):
        state = exact.init(params, 0)
        return (exact.simulate(params, exact.connections, state, 8.0)[1].first("spikes", 1)[0, 0] - 4.5) ** 2

    start = exact.set(exact.params, {"in.delay_offset": 0.5 * net.h})
    r = quiet(exact, loss, {"in.weight": dale, "in.delay_offset": None}, params=start, steps=60, optimiser=optax.adam(0.02))
    assert r.history.loss[-1] < 0.1 * r.history.loss[0]
    assert 0 < r.values["in.delay_offset"][0] < net.h
