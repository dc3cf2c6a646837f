"""`python -m benchmarks recovery`: its likelihood is that of the neuron, its derivative is right, and it finds what is hidden."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import __main__ as command_line
from benchmarks import recovery
from benchmarks.recovery import Hidden, Observed

TRUTH = Hidden(5.0, 2.0, 20.0)


def neurons(n: int, n_steps: int, truth: Hidden, seed: int = 1) -> Observed:
    """`iaf_psc_delta`, step by step, under recurrent events drawn at random and Poisson events of their own."""
    rng = np.random.default_rng(seed)
    exc, inh = rng.poisson(0.7, (n_steps, n)).astype(np.float32), rng.poisson(0.18, (n_steps, n)).astype(np.float32)
    V, wait, spikes = np.zeros(n), np.zeros(n, int), np.zeros((n_steps, n), bool)
    noise = rng.poisson(truth.rate * recovery.H * 1e-3, (n_steps, n))
    for k in range(n_steps):
        moved = np.exp(-recovery.H / truth.tau_m) * V + recovery.J * (exc[k] - truth.g * inh[k] + noise[k])
        V, wait = np.where(wait > 0, 0.0, moved), np.maximum(wait - 1, 0)
        spikes[k] = V >= recovery.V_TH
        V[spikes[k]], wait[spikes[k]] = 0.0, round(recovery.T_REF / recovery.H)
    return Observed(exc, inh, spikes)


def test_the_score_is_zero_at_the_truth_and_nowhere_near():
    """In its own standard deviations, from the scatter over neurons."""
    seen = neurons(60, 1500, TRUTH)
    assert seen.spikes.sum() > 200
    scores = jax.jit(jax.jacfwd(lambda x: recovery.likelihood(x, seen)))

    def sizes(hidden: Hidden) -> np.ndarray:
        s = np.asarray(scores(jnp.asarray(recovery.to_x(hidden), jnp.float32)))
        return s.sum(0) / np.sqrt((s**2).sum(0))

    assert np.abs(sizes(TRUTH)).max() < 3.0
    for off in ((1.15, 1.0, 1.0), (1.0, 1.2, 1.0), (1.0, 1.0, 1.3)):
        assert np.abs(sizes(Hidden(*np.multiply(TRUTH, off)))).max() > 4.0


def test_derivatives_are_those_of_the_likelihood(x64):
    seen = neurons(4, 400, TRUTH)
    at, d = jnp.asarray(recovery.to_x(Hidden(5.3, 1.9, 21.0))), 1e-5

    def total(x):
        return recovery.likelihood(x, seen).sum()

    found = jax.jit(jax.grad(total))(at)
    values = jax.jit(jax.vmap(total))(at[None] + d * jnp.concatenate([jnp.eye(3), -jnp.eye(3)]))
    np.testing.assert_allclose(found, (values[:3] - values[3:]) / (2 * d), rtol=1e-4)


def test_an_impossible_spike_leaves_the_likelihood_and_its_derivative_finite():
    seen = neurons(2, 300, TRUTH)._replace(exc=np.zeros((300, 2), np.float32), inh=np.full((300, 2), 3.0, np.float32))
    value, slope = jax.jit(jax.value_and_grad(lambda x: recovery.likelihood(x, seen).sum()))(
        jnp.asarray(recovery.to_x(TRUTH), jnp.float32)
    )
    assert np.isfinite(value) and np.isfinite(slope).all() and value < -10.0


def test_a_neuron_hears_its_sources_after_the_delay_as_often_as_they_are_connected():
    exc, inh = np.zeros((2, 3), int), np.full((2, 1), 2100)
    exc[0] = [7, 7, 8]
    recorded = recovery.Recorded(np.array([1100, 1100, 1200]), np.array([7, 2100, 8]), exc, inh)
    seen = recovery.observe(recorded, 1, 150.0)
    begin, delay = round(recovery.BURN / recovery.H), round(recovery.DELAY / recovery.H)
    assert {k: v for k, v in enumerate(seen.exc[:, 0]) if v} == {1100 + delay - begin: 2.0, 1200 + delay - begin: 1.0}
    assert list(np.flatnonzero(seen.inh[:, 0])) == [1100 + delay - begin]


def test_the_recording_and_the_wiring_belong_together():
    """A neuron without sources that spike and a wiring that is not the network's explain its spikes far worse."""
    seen = recovery.observe(recovery.from_jaxnest(TRUTH, 3, 250.0), 30, 250.0)
    value = jax.jit(lambda seen: recovery.likelihood(jnp.asarray(recovery.to_x(TRUTH), jnp.float32), seen).sum())
    others = seen._replace(exc=np.roll(seen.exc, 1, 1), inh=np.roll(seen.inh, 1, 1))
    late = seen._replace(exc=np.roll(seen.exc, 1, 0), inh=np.roll(seen.inh, 1, 0))
    own = value(seen)
    assert own > value(others) + 100.0 and own > value(late) + 30.0


def test_unknowns_and_their_standard_errors_change_together():
    np.testing.assert_allclose(recovery.from_x(recovery.to_x(TRUTH)), TRUTH, rtol=1e-12)
    change = np.array([0.01, -0.02, 0.03])
    moved = np.log(np.divide(recovery.from_x(recovery.to_x(TRUTH) + change), TRUTH))
    np.testing.assert_allclose(moved, recovery._TO_HIDDEN @ change, rtol=1e-9)


def test_one_error_above_the_bar_is_a_miss():
    good = {"g error %": -4.9, "eta error %": 0.0, "tau_m error %": 4.9}
    assert not recovery.judged([good, good])[1]
    notes, missed = recovery.judged([good, {**good, "eta error %": -5.1}])
    assert missed and "eta 5.10 %" in notes[0] and notes[0].endswith("missed")
    assert recovery.judged([{**good, "g error %": float("nan")}])[1]


@pytest.mark.parametrize("options", ["--time 50", "--neurons 0", "--neurons 2501"])
def test_what_cannot_be_is_refused(capsys, options):
    assert command_line.main(["recovery", *options.split()]) == 2
    assert "--neurons from 1 to 2500" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("spikes_from", ["jaxnest", "nest"])
def test_it_finds_what_is_hidden(tmp_path, capsys, spikes_from):
    """Of a third of the data, so within 10 %."""
    target = tmp_path / "records.json"
    options = f"recovery --setting 0 --seed 1 --neurons 80 --time 600 --spikes-from {spikes_from} --json {target}"
    command_line.main(options.split())
    (record,) = json.loads(target.read_text())
    for name in ("g", "eta", "tau_m"):
        assert abs(record[f"{name} error %"]) < 10.0
    assert record["truth"] in capsys.readouterr().out
