"""The network of `python -m benchmarks train` in other libraries: the same spikes, and the same gradients, from the same weights.

Each library is set to what all have (docs/learning.md has the table): reset to zero, detached; Spyx, which has no such reset, is compared with
a model that resets as Spyx does.
"""

from __future__ import annotations

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn
from benchmarks import train_jax
from benchmarks.train_task import DECAY, THRESHOLD, Task, draw
from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, Routing, State, Values

STEPS, SIZE, BATCH = 60, 48, 8
#: counts are the same where no potential comes as close to threshold as float32 rounds
pytestmark = pytest.mark.slow

MARGIN = 1e-5


@pytest.fixture(scope="module")
def task() -> Task:
    return draw(0, STEPS, SIZE, BATCH)


def derived(counts, task: Task, x) -> tuple[np.ndarray, list[np.ndarray]]:
    """Counts of output spikes, and the gradients of the loss with respect to both weight matrices."""

    def loss(w):
        n = counts(w, x)
        return train_jax.cross_entropy(n, task.y), n

    w = (jnp.asarray(task.w1), jnp.asarray(task.w2))
    gradient, n = jax.jit(jax.grad(loss, has_aux=True))(w)
    return np.asarray(n), [np.asarray(g) for g in gradient]


@pytest.fixture(scope="module")
def ours(task):
    return derived(train_jax.jaxnest(task), task, task.x)


def assert_same(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    assert expected[0].sum() > 50
    for a, b in zip(found[1], expected[1], strict=True):
        assert np.linalg.norm(a - b) < 1e-5 * np.linalg.norm(b)


def test_no_potential_is_within_rounding_of_the_threshold(task):
    v = np.zeros((BATCH, SIZE))
    nearest = np.inf
    for x in task.x:
        v = DECAY * v + x.astype(float) @ task.w1
        nearest = min(nearest, np.abs(v - THRESHOLD).min())
        v[v >= THRESHOLD] = 0.0
    assert nearest > MARGIN


@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_bare_scan(task, ours, checkpoint):
    assert_same(derived(train_jax.scan(task, checkpoint), task, task.x), ours)


@pytest.mark.parametrize("options", [{"checkpoint": True}, {"delivery": "dense"}], ids=["checkpoint", "dense"])
def test_jaxnest_itself(task, ours, options):
    assert_same(derived(train_jax.jaxnest(task, **options), task, task.x), ours)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("library", ["snntorch", "norse", "spikingjelly"])
def test_libraries_on_torch(task, ours, library):
    pytest.importorskip("torch")
    pytest.importorskip(library)
    import torch

    from benchmarks.train_torch import MODULES

    network = MODULES[library](task)
    counts = network(torch.from_numpy(task.x))
    torch.nn.functional.cross_entropy(counts, torch.from_numpy(task.y)).backward()
    scale = getattr(network, "scale", 1.0)  # of norse's weights
    assert_same((counts.detach().numpy(), [p.weight.grad.numpy().T * scale for p in network.products]), ours)


class subtracting(Neuron):
    """Spyx's LIF: a potential above threshold is a spike of the next step, in which the threshold is subtracted; the surrogate derivative
    goes through the reset."""

    decay = Parameter(DECAY, "", "of the potential in a step")
    V_th = Parameter(THRESHOLD, "mV", "spike threshold")
    V_m = State(0.0, "mV", "membrane potential")
    routing = Routing.SINGLE

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, jax.Array]:
        spike = env.fire(s.V_m - p.V_th)
        return s.replace(V_m=p.decay * s.V_m + x.spikes - spike * p.V_th), spike


@pytest.mark.skipif(importlib.util.find_spec("spyx") is None, reason="needs spyx")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_spyx(task):
    from flax import nnx

    # its layers have no delay but for the step between potential and spike
    model, counts = train_jax.spyx(task)
    x = jnp.asarray(task.x)

    def loss(model):
        n = counts(model, x)
        return train_jax.cross_entropy(n, task.y), n

    gradient, n = nnx.grad(loss, has_aux=True)(model)
    found = [np.asarray(gradient["layers"][k]["kernel"][...]) for k in (0, 2)]
    expected = derived(train_jax.jaxnest(task, model=subtracting, neuron={}), task, task.x)
    assert_same((np.asarray(n), found), expected)


def test_what_a_slice_foresees_is_what_it_delivers():
    """The product of all steps for spikes that are given, with delays of several steps, calls that end within a slice, and events
    that are routed by their sign; against visiting each connection."""
    found = [_mixed(delivery, checkpoint) for delivery, checkpoint in (("dense", False), ("matrix", False), ("matrix", True))]
    for value, gradient in found[1:]:
        assert value == pytest.approx(found[0][0], rel=1e-5)
        for key, expected in found[0][1].items():
            assert np.abs(expected).max() > 0
            np.testing.assert_allclose(gradient[key], expected, rtol=2e-3, atol=1e-4 * np.abs(expected).max())


def _mixed(delivery: str, checkpoint: bool) -> tuple[float, dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    net = jn.Network(h=0.5)
    given = net.create("spike_input", 6, name="given", spikes=(rng.random((40, 6)) < 0.3).astype(float))
    timed = net.create("spike_generator", 3, name="timed", spike_times=[3.0, 7.5, 9.0])
    a = net.create("iaf_psc_exp", 7, name="a")
    b = net.create("iaf_psc_exp", 4, name="b")
    for pre, post, delay in ((given, a, 1.0), (timed, a, 2.0), (a, b, 1.0), (b, a, 2.0)):
        net.connect(pre, post, weight=rng.normal(300.0, 600.0, pre.n * post.n), delay=delay)
    voltmeter = net.create("voltmeter", name="v", interval=0.5)
    net.connect(voltmeter, a)
    net.connect(voltmeter, b)
    program = net.compile(delivery=delivery)
    w = {key: program.get(program.params, key) for key in ("given->a.weight", "timed->a.weight", "a->b.weight", "b->a.weight")}
    w["given.spikes"] = program.params["nodes"]["given"]["spikes"]

    def loss(w):
        params = program.set(program.params, w)
        state, total = program.init(params), 0.0
        for time in (2.5, 12.0):
            state, record = program.simulate(params, program.connections, state, time, checkpoint=checkpoint)
            total = total + (record.traces["v"].V_m ** 2).mean()
        return total

    value, gradient = jax.jit(jax.value_and_grad(loss))(w)
    return float(value), jax.tree.map(np.asarray, gradient)
