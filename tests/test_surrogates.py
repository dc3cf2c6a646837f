"""Surrogate derivatives: their formulas, in NumPy and as NEST's e-prop models compute them, and how compiled networks use them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

import jaxnest as jn
from jaxnest import learning


def normal(x, m, s):
    return np.exp(-((x - m) ** 2) / (2 * s * s)) / (s * np.sqrt(2 * np.pi))


def multi(x, w, height, share=0.15, scale=6.0):
    def raw(x):
        return (1 + share) * normal(x, 0, w) - share * (normal(x, w, scale * w) + normal(x, -w, scale * w))

    return height * raw(x) / raw(0.0)


# name: (arguments, formula, integral over all x, or None where there is none)
CASES = {
    "fast_sigmoid": (dict(slope=0.7, height=0.4), lambda x: 0.4 / (1 + 0.7 * abs(x)) ** 2, 2 * 0.4 / 0.7),
    "triangle": (dict(width=3.0, height=0.4), lambda x: 0.4 * np.maximum(0, 1 - abs(x) / 3.0), 0.4 * 3.0),
    "arctan": (dict(width=3.0, height=0.4), lambda x: 0.4 / (1 + (np.pi * x / 3.0) ** 2), 0.4 * 3.0),
    "gaussian": (dict(width=1.5, height=0.4), lambda x: 0.4 * np.exp(-0.5 * (x / 1.5) ** 2), 0.4 * 1.5 * np.sqrt(2 * np.pi)),
    "multi_gaussian": (dict(width=1.5, height=0.4), lambda x: multi(x, 1.5, 0.4),
        0.4 * 0.85 * np.sqrt(2 * np.pi) / (1.15 / 1.5 - 0.3 / 9.0 * np.exp(-1 / 72))),
    "boxcar": (dict(width=2.0, height=0.4), lambda x: 0.4 * (abs(x) <= 2.0), 0.4 * 4.0),
    "straight_through": (dict(height=0.4), lambda x: 0.4 + 0 * x, None),
    "exponential": (dict(width=2.0, height=0.4), lambda x: 0.4 * np.exp(-abs(x) / 2.0), 0.4 * 4.0),
    "piecewise_linear": (dict(width=2.0, height=0.4), lambda x: 0.4 * np.maximum(0, 1 - abs(x) / 2.0), 0.4 * 2.0),
    "fast_sigmoid_derivative": (dict(width=2.0, height=0.4), lambda x: 0.4 / (1 + abs(x) / 2.0) ** 2, 0.4 * 4.0),
    "arctan_derivative": (dict(width=2.0, height=0.4), lambda x: 0.4 / (1 + (x / 2.0) ** 2), 0.4 * 2.0 * np.pi),
}  # fmt: skip
NESTS = ("piecewise_linear", "exponential", "fast_sigmoid_derivative", "arctan_derivative")


def test_every_name_is_tested():
    assert set(CASES) == set(learning.surrogates())
    assert all(hasattr(learning, name) for name in CASES)


@pytest.mark.parametrize("name", CASES)
def test_formula_height_symmetry_and_integral(name, x64):
    arguments, formula, integral = CASES[name]
    surrogate = getattr(learning, name)(**arguments)
    x = np.linspace(-30.0, 30.0, 601)
    got = np.asarray(surrogate(jnp.asarray(x)))
    np.testing.assert_allclose(got, formula(x), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(got, got[::-1], rtol=1e-12, atol=1e-15)
    assert float(surrogate(jnp.asarray(0.0))) == pytest.approx(0.4)
    if integral is not None:
        # x = t / (1 - t²) brings the whole line into (-1, 1)
        area = quad(lambda t: formula(t / (1 - t * t)) * (1 + t * t) / (1 - t * t) ** 2, -1, 1, limit=400, points=[0.0])[0]
        assert area == pytest.approx(integral, rel=2e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_spikes_and_derivatives_are_finite_far_away_and_keep_the_type(name, dtype, x64):
    fire = learning.spike_function(name)
    largest = float(np.finfo(dtype).max)
    x = jnp.asarray([-largest, -1e6, -1.0, -0.0, 0.0, 1.0, 1e6, largest], dtype)
    spikes, slope = fire(x), jax.vmap(jax.grad(fire))(x)
    assert spikes.dtype == slope.dtype == dtype
    np.testing.assert_array_equal(spikes, [0, 0, 0, 1, 1, 1, 1, 1])
    assert np.isfinite(slope).all()
    assert slope[3] == slope[4] > 0


def test_dampening_scales_the_derivative_only():
    x = jnp.linspace(-3.0, 3.0, 7)
    for surrogate in ("gaussian", learning.boxcar(1.0, 0.2), lambda x: 1.0 / (1.0 + x * x)):
        plain, damped = learning.spike_function(surrogate), learning.spike_function(surrogate, dampening=0.3)
        np.testing.assert_array_equal(plain(x), damped(x))
        np.testing.assert_allclose(jax.vmap(jax.grad(damped))(x), 0.3 * jax.vmap(jax.grad(plain))(x), rtol=1e-6)
    assert learning.spike_function("gaussian", 0.3) is learning.spike_function("gaussian", 0.3), "compiled programs are shared"


def test_user_function_batches_and_transforms():
    fire = learning.spike_function(lambda x: jnp.exp(-(x**2)))
    x = jnp.linspace(-1.0, 1.0, 12).reshape(3, 4)
    slope = np.exp(-(np.asarray(x) ** 2))
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.vmap(jax.grad(fire))))(x), slope, rtol=1e-6)
    np.testing.assert_allclose(jax.jvp(fire, (x,), (jnp.full_like(x, 2.0),))[1], 2.0 * slope, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: learning.spike_function("gausian"), "gaussian"),
        (lambda: learning.spike_function(3.0), "function of V - V_th"),
        (lambda: learning.spike_function("gaussian", 0.0), "dampening"),
        (lambda: learning.triangle(width=0.0), "width"),
        (lambda: learning.exponential(height=float("nan")), "height"),
        (lambda: learning.multi_gaussian(share=5.0, scale=1.0), "share"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(jn.ConfigurationError, match=message):
        call()


@pytest.mark.parametrize("name", NESTS)
def test_nests_own_surrogates(name, x64):
    """What `eprop_iaf` records, with height and width, in a run with spikes and refractory periods; and NEST's defaults."""
    nest = pytest.importorskip("nest")
    nest.ResetKernel()
    V_th, given = -58.0, dict(surrogate_gradient_height=0.7, surrogate_gradient_width=2.5)
    cells = [
        nest.Create("eprop_iaf", params=dict(surrogate_gradient_function=name, I_e=330.0, V_th=V_th, **more))
        for more in (given, {})
    ]
    meters = [nest.Create("multimeter", params=dict(record_from=["V_m", "surrogate_gradient"], interval=0.1)) for _ in cells]
    for meter, cell in zip(meters, cells, strict=True):
        nest.Connect(meter, cell)
    nest.Simulate(100.0)
    make = getattr(learning, name)
    for meter, surrogate in zip(meters, (make(height=0.7, width=2.5), make()), strict=True):
        V, theirs = (np.asarray(meter.events[key]) for key in ("V_m", "surrogate_gradient"))
        spiked = np.flatnonzero(np.diff(V) < -5.0) + 1  # there V is recorded after, the surrogate before the reset
        assert len(spiked) >= 2
        free = np.ones(len(V), bool)
        for at in spiked:
            free[at : at + 22] = False  # and it is 0 while refractory
        ours = np.asarray(surrogate(jnp.asarray(V - V_th)))
        np.testing.assert_allclose(ours[free], theirs[free], rtol=1e-9, atol=1e-13)
        assert (theirs[free] > 0).sum() > 20


@pytest.mark.parametrize("dampening", [1.0, 0.4])
def test_gradient_of_a_network_with_detached_resets(dampening, x64):
    """Against a loop over the steps, written out."""
    surrogate, n_steps, factor = learning.fast_sigmoid(1.0, 0.2), 40, np.exp(-0.1)
    fire = learning.spike_function(surrogate, dampening)
    weights = jnp.arange(1.0, n_steps + 1)

    def by_hand(current):
        V, spikes = jnp.zeros(()), []
        for _ in range(n_steps):
            V = V * factor + current * (1 - factor)
            spikes.append(fire(V - 1.0))
            V = jnp.where(spikes[-1] > 0, 0.1, V)
        return (jnp.stack(spikes) * weights).sum()

    net = jn.Network(h=1.0)
    unit = dict(E_L=0.0, V_m=0.0, V_reset=0.1, V_th=1.0, tau_m=10.0, C_m=10.0, t_ref=0.0, I_e=1.7)
    cell = net.create("iaf_psc_delta", name="cell", **unit)
    net.connect(cell, net.create("spike_recorder", name="r"))
    program = net.compile(surrogate=surrogate, dampening=dampening)

    def simulated(current):
        params = program.set(program.params, {"cell.I_e": current})
        _, record = program.simulate(params, program.connections, program.init(params), float(n_steps))
        return (record.spikes["r"][:, 0] * weights).sum()

    expected, got = jax.value_and_grad(by_hand)(1.7), jax.value_and_grad(simulated)(1.7)
    assert expected[0] > 0 and expected[1] > 0
    np.testing.assert_allclose(got, expected, rtol=1e-10)
