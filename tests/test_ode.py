"""The RKF45 steppers against live NEST, analytic solutions and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnest.events.ode import rkf45_adaptive, rkf45_fixed

H = 0.1


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture
def nest():
    nest = pytest.importorskip("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    return nest


# --- the three models, in NEST's default parameters -----------------------------------------------


def _iaf_cond_exp(y, refractory, I_e=0.0):
    V, g_ex, g_in = y
    V = jnp.where(refractory > 0, -60.0, jnp.minimum(V, -55.0))
    dV = (-16.6667 * (V + 70.0) + I_e - g_ex * V - g_in * (V + 85.0)) / 250.0
    return jnp.stack([jnp.where(refractory > 0, 0.0, dV), -g_ex / 0.2, -g_in / 2.0])


def _iaf_cond_exp_step(state, arriving, I_e=0.0):
    y, h, r = state
    y, h, r = rkf45_adaptive(lambda y, r: _iaf_cond_exp(y, r, I_e), y, h, H, eps_abs=1e-3, aux=r)
    V, g_ex, g_in = y[0], y[1] + arriving[0], y[2] + arriving[1]
    spikes = (r == 0) & (V >= -55.0)
    V = jnp.where((r > 0) | spikes, -60.0, V)
    r = jnp.where(spikes, 20, jnp.maximum(r - 1, 0))
    return (jnp.stack([V, g_ex, g_in]), h, r), (V, spikes)


def _aeif_cond_exp(y, aux, I_e):
    V, g_ex, g_in, w = y
    held = aux["r"] > 0
    V = jnp.where(held, -60.0, jnp.minimum(V, 0.0))
    spike_current = 30.0 * 2.0 * jnp.exp((V + 50.4) / 2.0)
    dV = (-30.0 * (V + 70.6) + spike_current - g_ex * V - g_in * (V + 85.0) - w + I_e) / 281.0
    dw = (4.0 * (V + 70.6) - w) / 144.0
    return jnp.stack([jnp.where(held, 0.0, dV), -g_ex / 0.2, -g_in / 2.0, dw])


def _aeif_substep(refractory_steps):
    def after_substep(y, aux):
        V, g_ex, g_in, w = y
        spikes = (aux["r"] == 0) & (V >= 0.0)
        V = jnp.where((aux["r"] > 0) | spikes, -60.0, V)
        w = jnp.where(spikes, w + 80.5, w)
        counter = refractory_steps + 1 if refractory_steps else 0
        aux = {"r": jnp.where(spikes, counter, aux["r"]), "count": aux["count"] + spikes}
        return jnp.stack([V, g_ex, g_in, w]), aux

    return after_substep


def _hh_rates(V):
    alpha_n = 0.01 * (V + 55.0) / (1.0 - jnp.exp(-(V + 55.0) / 10.0))
    alpha_m = 0.1 * (V + 40.0) / (1.0 - jnp.exp(-(V + 40.0) / 10.0))
    alpha_h = 0.07 * jnp.exp(-(V + 65.0) / 20.0)
    beta_n = 0.125 * jnp.exp(-(V + 65.0) / 80.0)
    beta_m = 4.0 * jnp.exp(-(V + 65.0) / 18.0)
    beta_h = 1.0 / (1.0 + jnp.exp(-(V + 35.0) / 10.0))
    return (alpha_m, beta_m), (alpha_h, beta_h), (alpha_n, beta_n)


def _hh_start(shape, dtype=None):
    rates = _hh_rates(jnp.full(shape, -65.0, dtype))
    return jnp.stack([jnp.full(shape, -65.0, dtype), *(alpha / (alpha + beta) for alpha, beta in rates)])


def _hh(y, I_e):
    """Without its synapses, which stay at 0 in these tests."""
    V, m, h, n = y
    ionic = 12000.0 * m**3 * h * (V - 50.0) + 3600.0 * n**4 * (V + 77.0) + 30.0 * (V + 54.402)
    gates = [alpha * (1 - x) - beta * x for x, (alpha, beta) in zip((m, h, n), _hh_rates(V), strict=True)]
    return jnp.stack([(I_e - ionic) / 100.0, *gates])


# --- against NEST ---------------------------------------------------------------------------------


def _record(nest, cells, names, t_stop):
    """Simulates; recorded traces (name -> array (steps, cells)) and spikes (array (steps, cells) of counts)."""
    meter = nest.Create("multimeter", params={"record_from": names, "interval": H})
    recorder = nest.Create("spike_recorder")
    nest.Connect(meter, cells, syn_spec={"delay": H})
    nest.Connect(cells, recorder, syn_spec={"delay": H})
    nest.Simulate(t_stop)
    first = cells[0].global_id
    steps = int(round(t_stop / H))
    traces = {name: np.full((steps + 1, len(cells)), np.nan) for name in names}
    events = meter.get("events")
    rows = np.rint(events["times"] / H).astype(int)
    for name in names:
        traces[name][rows, events["senders"] - first] = events[name]
    spikes = np.zeros((steps + 1, len(cells)), int)
    events = recorder.get("events")
    np.add.at(spikes, (np.rint(events["times"] / H).astype(int), events["senders"].astype(int) - first), 1)
    # Row i is the end of step i; the meter's last row is missing by its delay.
    return {name: trace[1:-1] for name, trace in traces.items()}, spikes[1:-1]


def test_iaf_cond_exp_against_nest(nest):
    n, t_stop = 5, 300.0
    rng = np.random.default_rng(1)
    steps = int(round(t_stop / H))
    times = {sign: [np.unique(rng.integers(1, steps - 20, 500)) for _ in range(n)] for sign in (1, -1)}
    weight = {1: 60.0, -1: -6.0}
    cells = nest.Create("iaf_cond_exp", n, params={"I_e": 300.0})
    arriving = np.zeros((steps, 2, n))
    for sign, row in ((1, 0), (-1, 1)):
        for i in range(n):
            source = nest.Create("spike_generator", params={"spike_times": np.round(times[sign][i] * H, 1)})
            nest.Connect(source, cells[i], syn_spec={"weight": weight[sign], "delay": 0.5})
            arriving[times[sign][i] + 5 - 1, row, i] += abs(weight[sign])
    traces, spikes = _record(nest, cells, ["V_m"], t_stop)

    y = jnp.stack([jnp.full(n, -70.0), jnp.zeros(n), jnp.zeros(n)])
    start = (y, jnp.full(n, H), jnp.zeros(n, int))
    run = jax.jit(lambda start, x: jax.lax.scan(lambda s, a: _iaf_cond_exp_step(s, a, 300.0), start, x)[1])
    V, fired = (np.asarray(x)[: len(spikes)] for x in run(start, jnp.asarray(arriving)))
    assert np.all(spikes.sum(0) > 5)
    np.testing.assert_array_equal(fired, spikes)
    np.testing.assert_allclose(V, traces["V_m"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("t_ref", [0.0, 2.0])
def test_aeif_cond_exp_against_nest(nest, t_ref):
    I_e, t_stop = np.array([500.0, 700.0, 1200.0, 3000.0]), 200.0
    n = len(I_e)
    cells = nest.Create("aeif_cond_exp", n, params={"t_ref": t_ref})
    cells.I_e = list(I_e)
    traces, spikes = _record(nest, cells, ["V_m", "w"], t_stop)

    after_substep = _aeif_substep(int(round(t_ref / H)))

    def step(state, _):
        y, h, r = state
        aux = {"r": r, "count": jnp.zeros(n, int)}
        y, h, aux = rkf45_adaptive(
            lambda y, aux: _aeif_cond_exp(y, aux, jnp.asarray(I_e)),
            y, h, H, eps_abs=1e-6, eps_rel=1e-6, a_y=0.0, a_dydt=1.0, after_substep=after_substep, aux=aux,
        )  # fmt: skip
        return (y, h, jnp.maximum(aux["r"] - 1, 0)), (y[0], y[3], aux["count"])

    y = jnp.stack([jnp.full(n, -70.6), *(jnp.zeros(n),) * 3])
    start = (y, jnp.full(n, H), jnp.zeros(n, int))
    V, w, count = (np.asarray(x) for x in jax.jit(lambda s: jax.lax.scan(step, s, length=len(spikes))[1])(start))
    assert np.all(spikes.sum(0)[1:] > 2)
    np.testing.assert_array_equal(count, spikes)
    np.testing.assert_allclose(w, traces["w"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(V, traces["V_m"], rtol=0, atol=1e-8)


def test_hh_psc_alpha_against_nest(nest):
    I_e, t_stop = np.array([0.0, 400.0, 700.0, 1500.0]), 100.0
    cells = nest.Create("hh_psc_alpha", len(I_e))
    cells.I_e = list(I_e)
    traces, _ = _record(nest, cells, ["V_m", "Act_m", "Inact_h", "Act_n"], t_stop)
    expected = np.stack([traces[name] for name in ("V_m", "Act_m", "Inact_h", "Act_n")], 1)

    def step(state, _):
        y, h, _ = rkf45_adaptive(lambda y, _: _hh(y, jnp.asarray(I_e)), *state, H, eps_abs=1e-3)
        return (y, h), y

    start = (_hh_start(I_e.shape), jnp.full(len(I_e), H))
    y = np.asarray(jax.jit(lambda s: jax.lax.scan(step, s, length=len(expected))[1])(start))
    assert expected[:, 0].max() > 30
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-9)


# --- on its own -----------------------------------------------------------------------------------


def _decay(y, aux):
    return jax.tree.map(lambda x: -x, y)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_adaptive_meets_its_tolerance(dtype):
    y = jnp.asarray([[1.0, 2.0, 5.0]], dtype)
    end, h, _ = rkf45_adaptive(_decay, y, jnp.full(3, 1.0, dtype), 3.0, eps_abs=1e-6)
    assert end.dtype == h.dtype == dtype
    np.testing.assert_allclose(end, y * np.exp(-3.0), atol=3e-6)


def test_trees_scalars_and_neurons_alone_agree():
    y = jnp.asarray([[1.0, 200.0, 5.0], [3.0, 0.0, 1e4]])
    h = jnp.asarray([0.1, 3.0, 1e-9])
    together, h_together, _ = rkf45_adaptive(_decay, y, h, 2.0, eps_abs=1e-4)
    tree, h_tree, _ = rkf45_adaptive(_decay, {"a": y[0], "b": y[1]}, h, 2.0, eps_abs=1e-4)
    np.testing.assert_allclose(together, jnp.stack([tree["a"], tree["b"]]), rtol=1e-14)
    np.testing.assert_allclose(h_together, h_tree, rtol=1e-9)
    for i in range(3):
        alone, h_alone, _ = rkf45_adaptive(_decay, y[:, i], h[i], 2.0, eps_abs=1e-4)
        np.testing.assert_allclose(alone, together[:, i], rtol=1e-14)
        np.testing.assert_allclose(h_alone, h_together[i], rtol=1e-9)


def test_substep_callback_runs_once_per_accepted_substep():
    count = lambda y, aux: (y, aux + 1)  # noqa: E731
    y, h = jnp.ones((1, 3)), jnp.asarray([0.25, 1.0, 8.0])
    _, _, n = rkf45_adaptive(_decay, y, h, 1.0, eps_abs=1e9, after_substep=count, aux=jnp.zeros(3, int))
    assert n.tolist() == [2, 1, 1]  # 0.25, then five times as far


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_what_cannot_be_integrated_ends_and_shows(dtype):
    """NaN, an explosion, an error that no step size mends, and a healthy neuron beside them."""

    def f(y, aux):
        return jnp.stack([jnp.where(aux == 1, y[0] ** 2, -y[0]) + jnp.where(aux == 2, jnp.nan, 0.0)])

    y = jnp.asarray([[1.0, 1.0, 1.0, jnp.nan]], dtype)
    kind = jnp.asarray([0, 1, 2, 0])
    end, h, _ = jax.jit(lambda y: rkf45_adaptive(f, y, jnp.full(4, 0.1, dtype), 2.0, eps_abs=1e-6, aux=kind))(y)
    np.testing.assert_allclose(end[0, 0], np.exp(-2.0), rtol=1e-5)
    assert not np.any(np.isfinite(end[0, 1:]))
    assert np.all(h > 0)
    end, _, _ = rkf45_adaptive(_decay, y[:, :1], jnp.full(1, 1e-3, dtype), 1e3, eps_abs=1e-6, max_tries=3)
    assert np.isnan(end[0, 0])


def test_h_min_bounds_the_work():
    noisy = lambda y, aux: jnp.sin(1e9 * y) * 1e6  # noqa: E731
    count = lambda y, aux: (y, aux + 1)  # noqa: E731
    end, h, n = rkf45_adaptive(
        noisy, jnp.ones((1, 2)), jnp.full(2, 0.1), 0.1, eps_abs=1e-9, h_min=0.01, after_substep=count,
        aux=jnp.zeros(2, int),
    )  # fmt: skip
    assert np.all(np.isfinite(end)) and np.all(h >= 0.01) and np.all(n <= 11)


def test_fixed_has_order_five():
    start = _hh_start((1,))
    f = lambda y, aux: _hh(y, 700.0)  # noqa: E731
    fine, _ = rkf45_fixed(f, start, 2.0, 640)
    errors = [float(jnp.abs(rkf45_fixed(f, start, 2.0, n)[0] - fine).max()) for n in (20, 40)]
    assert 20 < errors[0] / errors[1] < 60


def test_fixed_equals_adaptive_when_nothing_is_rejected():
    start = jnp.asarray([[1.0, 2.0], [0.5, -3.0]])
    f = lambda y, aux: _pendulum(y, aux, 2.0)  # noqa: E731
    adaptive, _, _ = rkf45_adaptive(f, start, jnp.full(2, H), H, eps_abs=1e9)
    np.testing.assert_allclose(rkf45_fixed(f, start, H)[0], adaptive, rtol=1e-14)


def _pendulum(y, aux, gravity):
    return jnp.stack([y[1], -gravity * jnp.sin(y[0])])


@pytest.mark.parametrize("n_sub", [1, 3])
def test_fixed_gradient(n_sub):
    @jax.jit
    def loss(gravity):
        y, n = rkf45_fixed(
            lambda y, aux: _pendulum(y, aux, gravity),
            jnp.asarray([[1.0], [0.5]]),
            0.5,
            n_sub,
            after_substep=lambda y, aux: (y, aux + 1),
            aux=jnp.zeros(1, int),
        )
        return y[0, 0], n

    gradient, n = jax.jit(jax.grad(loss, has_aux=True))(2.0)
    difference = (loss(2.0001)[0] - loss(1.9999)[0]) / 0.0002
    assert n[0] == n_sub
    np.testing.assert_allclose(gradient, difference, rtol=1e-7)


def test_adaptive_forward_derivative():
    @jax.jit
    def end(I_e):
        return rkf45_adaptive(lambda y, aux: _hh(y, I_e), _hh_start((1,)), jnp.full(1, H), 2.0, eps_abs=1e-6)[0][0, 0]

    derivative = jax.jvp(end, (600.0,), (1.0,))[1]
    np.testing.assert_allclose(derivative, (end(601.0) - end(599.0)) / 2, rtol=1e-4)


def test_adaptive_maps():
    y, h = jnp.ones((4, 1, 3)) * jnp.arange(1.0, 13.0).reshape(4, 1, 3), jnp.full((4, 3), 0.5)
    step = jax.jit(lambda y, h: rkf45_adaptive(_decay, y, h, 1.0, eps_abs=1e-5)[0])
    mapped = jax.vmap(step)(y, h)
    np.testing.assert_allclose(mapped, jnp.stack([step(*a) for a in zip(y, h, strict=True)]), rtol=1e-14)
