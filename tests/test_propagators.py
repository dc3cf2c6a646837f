"""Propagators against 60-digit arithmetic and live NEST: values and gradients, through tau_syn == tau_m."""

from decimal import Decimal, getcontext

import jax
import numpy as np
import pytest

from jaxnest.events.propagators import alpha_propagators, current_propagator, exp_propagators

H, TAU_M, C_M = 0.1, 10.0, 250.0
# tau_syn from far below to far above tau_m, and ever closer to it on both sides.
TAU_SYN = [1e-3, 0.01, 0.1, 0.5, 2.0, 5.0, 9.0, 100.0, 1e4, TAU_M]
TAU_SYN += [TAU_M * (1 + sign * 10.0**-k) for k in range(1, 16) for sign in (-1, 1)]
STEPS = [0.1, 1.0, 25.0]
FUNCTIONS = {
    "P21": exp_propagators,
    "P31": lambda *a: alpha_propagators(*a)[0],
    "P32": lambda *a: alpha_propagators(*a)[1],
}


def _exact(name, h, tau_m, tau_syn, C_m):
    """The textbook formula; 90 digits survive its cancellations, and a shift of 1e-30 its 0/0."""
    if tau_m == tau_syn:
        tau_syn = tau_syn * (1 + Decimal("1e-30"))
    slow, fast = (-h / tau_m).exp(), (-h / tau_syn).exp()
    beta = tau_m * tau_syn / (tau_m - tau_syn)
    if name == "P31":
        return beta / C_m * (beta * (slow - fast) - h * fast)
    return beta / C_m * (slow - fast)


def _exact_gradient(name, arguments):
    gradient = []
    for i, x in enumerate(arguments):
        step = x * Decimal("1e-20")
        up, down = ([*arguments[:i], x + s, *arguments[i + 1 :]] for s in (step, -step))
        gradient.append((_exact(name, *up) - _exact(name, *down)) / (2 * step))
    return gradient


def _cases(dtype):
    columns = [(h, TAU_M, tau_syn, C_M) for h in STEPS for tau_syn in TAU_SYN]
    return np.array(columns, dtype)


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients(name, x64):
    getcontext().prec = 120
    dtype = np.float64 if x64 else np.float32
    cases = _cases(dtype)
    with jax.enable_x64(x64), jax.numpy_rank_promotion("raise"):
        function = jax.vmap(jax.value_and_grad(FUNCTIONS[name], argnums=(0, 1, 2, 3)))
        value, gradient = jax.jit(function)(*cases.T)
    assert value.dtype == dtype
    value, gradient = np.asarray(value), np.stack(gradient, 1)
    exact_cases = [[Decimal(float(x)) for x in case] for case in cases]
    exact_value = np.array([float(_exact(name, *case)) for case in exact_cases])
    exact_gradient = np.array([[float(g) for g in _exact_gradient(name, case)] for case in exact_cases])
    assert np.all(np.isfinite(gradient))
    np.testing.assert_allclose(value, exact_value, rtol=1e-14 if x64 else 1e-6, atol=0)
    # Each gradient is compared on the scale of value/argument: some pass through 0.
    error = np.abs(gradient - exact_gradient) * cases / exact_value[:, None]
    assert error.max() < (1e-14 if x64 else 2e-6)


@pytest.mark.parametrize("x64", [False, True])
def test_nothing_overflows(x64):
    tau_syn = np.array([1e-6, 1e-4, 1e-3, 1e3, 1e6], np.float64 if x64 else np.float32)
    with jax.enable_x64(x64):
        for function in FUNCTIONS.values():
            both = jax.jit(jax.vmap(jax.value_and_grad(function, argnums=2), (None, None, 0, None)))
            value, gradient = both(1.0, 10.0, tau_syn, 250.0)
            assert np.all(np.isfinite(value)) and np.all(np.isfinite(gradient)) and np.all(value > 0)


def test_second_derivative_at_equality():
    with jax.enable_x64(True):
        for function in FUNCTIONS.values():
            curvature = jax.jit(jax.grad(jax.grad(function, argnums=2), argnums=2))
            at, beside = (float(curvature(H, TAU_M, tau, C_M)) for tau in (TAU_M, TAU_M * (1 + 1e-9)))
            assert np.isfinite(at) and np.isclose(at, beside, rtol=1e-6)


def test_composition():
    """Two half steps are one step: the semigroup property ties P21, P31 and P32 to the decays."""
    with jax.enable_x64(True):
        for tau in TAU_SYN:
            p31, p32 = (float(x) for x in alpha_propagators(H, TAU_M, tau, C_M))
            h = H / 2
            q31, q32 = (float(x) for x in alpha_propagators(h, TAU_M, tau, C_M))
            membrane, syn = np.exp(-h / TAU_M), np.exp(-h / tau)
            assert np.isclose(p32, membrane * q32 + q32 * syn, rtol=1e-13)
            assert np.isclose(p31, membrane * q31 + q31 * syn + q32 * h * syn, rtol=1e-13)
            assert np.isclose(float(exp_propagators(H, TAU_M, tau, C_M)), p32, rtol=1e-15)


def test_current_propagator():
    with jax.enable_x64(True):
        for h in STEPS:
            exact = (1 - (-Decimal(h) / Decimal(TAU_M)).exp()) * Decimal(TAU_M) / Decimal(C_M)
            assert np.isclose(float(current_propagator(h, TAU_M, C_M)), float(exact), rtol=1e-15, atol=0)


@pytest.mark.parametrize("tau_syn", [0.5, 10.0, 30.0])
def test_one_psp_against_nest(tau_syn):
    nest = pytest.importorskip("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    parameters = {"tau_m": TAU_M, "C_m": C_M, "tau_syn_ex": tau_syn, "V_th": 1e9}
    cells = [nest.Create(model, params=parameters) for model in ("iaf_psc_exp", "iaf_psc_alpha")]
    source = nest.Create("spike_generator", params={"spike_times": [1.0]})
    meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": 0.1})
    for cell in cells:
        nest.Connect(source, cell, syn_spec={"weight": 100.0, "delay": 1.0})
        nest.Connect(meter, cell)
    nest.Simulate(30.0)
    events = meter.get("events")
    with jax.enable_x64(True):
        p21 = float(exp_propagators(H, TAU_M, tau_syn, C_M))
        p31, p32 = (float(x) for x in alpha_propagators(H, TAU_M, tau_syn, C_M))
    syn, membrane = np.exp(-H / tau_syn), np.exp(-H / TAU_M)
    # The spike at 1 ms arrives at 2 ms, at the end of that step.
    exp_v, exp_i, alpha_v, alpha_i, alpha_di = 0.0, 100.0, 0.0, 0.0, 100.0 * np.e / tau_syn
    expected = {20: (0.0, 0.0)}
    for n in range(21, 291):
        exp_v, exp_i = membrane * exp_v + p21 * exp_i, syn * exp_i
        alpha_v = membrane * alpha_v + p31 * alpha_di + p32 * alpha_i
        alpha_i, alpha_di = syn * (alpha_i + H * alpha_di), syn * alpha_di
        expected[n] = (exp_v, alpha_v)
    steps = np.rint(events["times"] / H).astype(int)
    for column, cell in enumerate(cells):
        mine = [
            (v + 70.0, expected[n][column])
            for v, n, sender in zip(events["V_m"], steps, events["senders"], strict=True)
            if sender == cell.global_id and n >= 20
        ]
        recorded, predicted = np.array(mine).T
        np.testing.assert_allclose(recorded, predicted, rtol=0, atol=1e-12)
