"""`python -m benchmarks recordings`: how a recording becomes intervals, what the model says of them, and what the command tells."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from benchmarks import __main__ as command_line
from benchmarks import recordings, recordings_data, recordings_fit
from benchmarks.recordings_data import Recording, intervals
from benchmarks.recordings_fit import HIGH, LOW, SCALE, START
from benchmarks.recordings_model import FREE, IntervalLoss, made_up, simulate, simulate_in_nest

TRUE = np.array([45.0, 4.5, -56.0, 2.5, -43.0, -57.0, -1.5, 4.0, 80.0, 2.5])


def with_spikes(times: list[float], current: list[tuple[float, float]], duration: float = 200.0) -> Recording:
    """One sweep at -60 mV with spikes at `times`, under currents from given times on."""
    dt = 0.1
    n = round(duration / dt)
    V, amplitude = np.full((1, n), -60.0), np.zeros((1, n))
    for time in times:
        V[0, round(time / dt) : round(time / dt) + 5] = 10.0
    for begin, value in current:
        amplitude[0, round(begin / dt) :] = value
    return Recording(V, amplitude, dt)


@pytest.fixture(scope="module")
def precise():
    """Double precision for the whole file."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture(scope="module")
def made(precise) -> Recording:
    return made_up(TRUE, [-50.0, 100.0, 200.0, 300.0], length=120.0, duration=200.0)


@pytest.fixture(scope="module")
def loss(made) -> IntervalLoss:
    return IntervalLoss(made, intervals(made, range(4)), short=200.0)


def test_intervals_lie_between_spikes_and_changes_of_the_current():
    recording = with_spikes([60.0, 70.0, 81.0], [(50.0, 100.0), (120.0, 0.0)])
    rows = intervals(recording, [0])
    np.testing.assert_allclose(rows.begin, [0.0, 50.0, 60.0, 70.0, 81.0, 120.0])
    np.testing.assert_allclose(rows.length, [50.0, 10.0, 10.0, 11.0, 39.0, 80.0])
    assert rows.after_spike.tolist() == [False, False, True, True, True, False]
    assert rows.reset.tolist() == [False, False, True, True, True, True]  # the last one begins where a current ends
    assert rows.spiked.tolist() == [False, True, True, True, False, False]
    assert rows.current.tolist() == [0.0, 100.0, 100.0, 100.0, 100.0, 0.0]
    np.testing.assert_allclose(recording.before(0, 60.3), (-60.0 * 2 + 10.0 * 3) / 5)


def test_what_no_single_adaptation_current_explains_is_left_out():
    spontaneous = intervals(with_spikes([20.0, 90.0], []), [0])
    assert spontaneous.begin.tolist() == [90.0]  # the silence after the last one
    near = intervals(with_spikes([48.0], [(50.0, 100.0)]), [0])
    assert 50.0 not in near.begin
    pause = intervals(with_spikes([52.0, 56.0, 120.0, 130.0, 140.0, 150.0], [(50.0, 100.0)]), [0])
    onset = pause.begin == 50.0
    assert pause.length[onset].tolist() == [70.0]
    assert pause.spiked[onset].all() and 52.0 not in pause.begin


def test_the_parameters_that_made_a_recording_end_its_intervals(made, loss):
    rows = intervals(made, range(4)).take(loss.order)
    assert rows.spiked.sum() > 20
    lengths = np.asarray(jax.jit(loss.lengths)(TRUE))
    np.testing.assert_allclose(lengths[rows.spiked], rows.length[rows.spiked], rtol=0.05)
    assert (lengths[~rows.spiked] >= rows.length[~rows.spiked] - 1.0).all()
    other = TRUE + np.array([5.0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    assert float(loss(TRUE)) < 0.5 * float(loss(other))


@pytest.mark.slow
def test_derivatives_of_the_lengths_are_those_of_central_differences(made, loss):
    spiked = intervals(made, range(4)).take(loss.order).spiked
    lengths, jacobian = jax.jit(loss.lengths), np.asarray(jax.jit(jax.jacfwd(loss.lengths))(TRUE))
    for k, name in enumerate(FREE):
        direction = np.zeros(len(TRUE))
        direction[k] = SCALE[k]
        exact = (jacobian @ direction)[spiked]
        e = 0.01
        measured = (np.asarray(lengths(TRUE + e * direction)) - np.asarray(lengths(TRUE - e * direction)))[spiked] / (2 * e)
        assert np.linalg.norm(exact - measured) < 0.05 * np.linalg.norm(measured), name


@pytest.mark.slow
def test_both_descents_go_down_within_the_bounds(loss):
    pytest.importorskip("cma")
    start = TRUE + 0.2 * SCALE
    at_start = float(loss(start))
    ours = recordings_fit.by_gradient(loss, start, steps=6)
    peer = recordings_fit.by_evolution(loss, 1, 0.5, start=start)
    for descent in (ours, peer):
        assert (descent.x >= LOW).all() and (descent.x <= HIGH).all()
        np.testing.assert_allclose(float(loss(descent.x)), descent.loss, rtol=1e-6)
    assert ours.loss < 0.3 * at_start
    assert ours.reached(ours.loss) == ours.curve[-1][0] and ours.reached(0.0) is None


def test_nest_spikes_when_jaxnest_does(precise):
    pytest.importorskip("nest")
    recording = Recording(np.full((3, 4000), -56.0), np.zeros((3, 4000)), 0.05)
    recording.current[:, 1000:3000] = np.array([[-50.0], [100.0], [250.0]])
    ours, theirs = simulate(recording, TRUE).spikes, simulate_in_nest(recording, TRUE)
    assert [len(t) for t in ours] == [len(t) for t in theirs]
    assert len(ours[2]) > 5
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, atol=0.051)


def test_the_start_is_within_the_bounds():
    assert (LOW < START).all() and (START < HIGH).all()


def test_sweeps_are_judged_one_by_one():
    def row(sweep, step, recorded, model, gamma):
        return {"sweep": sweep, "step_pA": step, "spikes": recorded, "jaxnest spikes": model, "jaxnest gamma": gamma}

    good = [row(1, 50.0, 20, 21, 0.7), row(3, 100.0, 50, 46, 0.6)]
    notes, missed = recordings.judged(good)
    assert not missed and "reached" in notes[-1]
    for bad in (row(5, -50.0, 3, 0, 0.6), row(5, 150.0, 60, 60, 0.1)):
        notes, missed = recordings.judged([*good, bad])
        assert missed and "missed" in notes[-1]
    assert "[5]" in recordings.judged([*good, row(5, -50.0, 3, 0, 0.6)])[0][0]


def test_descents_are_compared_at_the_same_loss():
    ours = recordings_fit.Descent(START, 10.0, 5.0, 1.0, 9, [(1.0, 50.0), (4.0, 10.0)])
    slow = ours._replace(curve=[(3.0, 60.0), (8.0, 9.0)], loss=9.0)
    fast = ours._replace(curve=[(3.0, 9.0)], loss=9.0)
    assert not recordings.compared(ours, slow)[1] and recordings.compared(ours, fast)[1]
    assert "after 8.0 s" in recordings.compared(ours, slow)[0][1]


def test_missing_data_are_told_with_what_brings_them(tmp_path, capsys):
    pytest.importorskip("cma")
    assert command_line.main(["recordings", "--folder", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert recordings_data.FILE in error and "JAXNEST_DATA" in error
    assert command_line.main(["recordings", "--seed", "0"]) == 2
